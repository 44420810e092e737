/* sketch_read.c - what a sketch says: its sets merged, and quantiles of that. */
#include "prometheus/sketch.h"

#include "prometheus/fail.h"
#include "prometheus/sketch_index.h"
#include "prometheus/store.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- Tables ---- */

uint64_t pm_sketch_bounds[SKETCH_FINEST + 1];
struct sketch_segment pm_sketch_segments[4 * SKETCH_FINEST];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_segments(int schema)
{
    size_t step = (size_t)1 << (SKETCH_SCHEMA_MAX - schema);
    uint64_t segment_count = (uint64_t)2 << schema;
    for (uint64_t i = 0; i < segment_count; i++) {
        struct sketch_segment *segment = &pm_sketch_segments[segment_count + i];
        uint64_t start = i << (51 - schema);
        size_t at = 0; /* the last end is beyond all */
        while (pm_sketch_bounds[at] < start) at += step;
        segment->end = pm_sketch_bounds[at];
        segment->count = at / step - (i >> 1);
    }
}

/* The ends are irrational but for the first, so the double below each one is in its bucket and the
 * next is not. Long doubles have the bits to tell which. */
static void make_tables(void)
{
    for (int k = 0; k < SKETCH_FINEST; k++) {
        long double exact = exp2l((long double)k / SKETCH_FINEST);
        double bound = (double)exact;
        if ((long double)bound > exact) bound = nextafter(bound, 0);
        memcpy(&pm_sketch_bounds[k], &bound, sizeof(bound));
        pm_sketch_bounds[k] &= ((uint64_t)1 << 52) - 1;
    }
    pm_sketch_bounds[SKETCH_FINEST] = UINT64_MAX;
    for (int schema = 0; schema <= SKETCH_SCHEMA_MAX; schema++) make_segments(schema);
}

void pm_sketch_tables(void)
{
    (void)pthread_once(&tables_once, make_tables);
}

double pm_sketch_bound(int32_t index, int schema)
{
    int64_t fine = (int64_t)index * (1 << (SKETCH_SCHEMA_MAX - schema));
    int64_t octave = fine >> 8;
    if (octave > 1023)
        return fine == (int64_t)1024 << 8 ? 0x1.fffffffffffffp1023 : (double)INFINITY;
    uint64_t bits = pm_sketch_bounds[fine & (SKETCH_FINEST - 1)] | (uint64_t)1023 << 52;
    double mantissa;
    memcpy(&mantissa, &bits, sizeof(mantissa));
    return ldexp(mantissa, (int)octave);
}

/* ---- Reading the sets ---- */

struct entry {
    uint64_t key;
    uint64_t count;
    int schema;
};

struct entries {
    struct entry *items;
    size_t count;
    size_t capacity;
    uint64_t zero_count;
    double threshold;
    int schema;
};

static int add_entry(struct entries *entries, struct entry entry)
{
    if (entries->count == entries->capacity) {
        size_t capacity = entries->capacity == 0 ? 64 : entries->capacity * 2;
        struct entry *items = realloc(entries->items, capacity * sizeof(*items));
        if (items == NULL) return PM_ERROR_MEMORY;
        entries->items = items;
        entries->capacity = capacity;
    }
    entries->items[entries->count++] = entry;
    return PM_OK;
}

static int read_set(struct entries *entries, const struct series *series, size_t set)
{
    struct sketch_set found;
    if (!pm_sketch_set(series, set, &found)) return PM_OK;
    struct span span = pm_words_span(&series->family->registry->words);
    entries->zero_count += words_sum(span, found.cell, found.zero_word);
    if (found.threshold > entries->threshold) entries->threshold = found.threshold;
    if (found.schema < entries->schema) entries->schema = found.schema;
    for (size_t i = 0; i < found.slot_count; i++) {
        uint64_t key =
            __atomic_load_n(words_at(found.cell, 0, found.table_word + i), __ATOMIC_ACQUIRE);
        if (key == 0) continue;
        size_t count_word = found.table_word + sketch_count_slot(i);
        struct entry entry = { key, words_sum(span, found.cell, count_word), found.schema };
        if (entry.count > 0 && add_entry(entries, entry) < 0) return PM_ERROR_MEMORY;
    }
    return PM_OK;
}

/* All sets that count, as they were at one time: a change meanwhile starts the reading anew. A
 * process that died in a change leaves the sequence odd; then the next change mends it, and what is
 * read until then may miss what the change was about. */
static int read_sets(struct entries *entries, const struct series *series)
{
    for (int tries = 0;; tries++) {
        uint64_t before = pm_sketch_sequence(series->sketch);
        entries->count = 0;
        entries->zero_count = 0;
        entries->threshold = series->sketch->options->zero_threshold;
        entries->schema = SKETCH_SCHEMA_MAX;
        int code = PM_OK;
        for (size_t i = 0; i < SKETCH_SETS && code == PM_OK; i++)
            code = read_set(entries, series, i);
        if (code < 0) return code;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        uint64_t after = pm_sketch_sequence(series->sketch);
        if ((before == after && (before & 1) == 0) || tries > 1000) return PM_OK;
    }
}

/* ---- Merging ---- */

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void append_bucket(struct pm_native_bucket *buckets, size_t *count, int32_t index,
                          uint64_t more)
{
    if (*count == 0 || buckets[*count - 1].index != index) {
        buckets[*count] = (struct pm_native_bucket){ index, 0 };
        (*count)++;
    }
    buckets[*count - 1].count += more;
}

static int merge(struct entries *entries, struct sketch_view *view)
{
    memset(view, 0, sizeof(*view));
    view->schema = entries->schema;
    view->zero_threshold = entries->threshold;
    view->zero_count = entries->zero_count;
    view->positive = calloc(entries->count + 1, sizeof(*view->positive));
    view->negative = calloc(entries->count + 1, sizeof(*view->negative));
    if (view->positive == NULL || view->negative == NULL) {
        pm_sketch_view_release(view);
        return PM_ERROR_MEMORY;
    }
    size_t kept = 0;
    for (size_t i = 0; i < entries->count; i++) {
        struct entry entry = entries->items[i];
        int32_t index = sketch_key_index(entry.key);
        if (pm_sketch_bound(index, entry.schema) <= entries->threshold) {
            view->zero_count += entry.count;
            continue;
        }
        index = sketch_coarser(index, entry.schema - entries->schema);
        entry.key = sketch_key(index, sketch_key_is_negative(entry.key));
        entries->items[kept++] = entry;
    }
    if (kept > 0) qsort(entries->items, kept, sizeof(*entries->items), compare_entries);
    view->count = view->zero_count;
    for (size_t i = 0; i < kept; i++) {
        const struct entry *entry = &entries->items[i];
        int32_t index = sketch_key_index(entry->key);
        view->count += entry->count;
        if (sketch_key_is_negative(entry->key))
            append_bucket(view->negative, &view->negative_count, index, entry->count);
        else
            append_bucket(view->positive, &view->positive_count, index, entry->count);
    }
    return PM_OK;
}

int pm_sketch_read(const struct series *series, struct sketch_view *view)
{
    struct entries entries = { NULL, 0, 0, 0, 0, 0 };
    int code = read_sets(&entries, series);
    if (entries.count == 0 && entries.schema > series->sketch->options->schema) {
        entries.schema = series->sketch->options->schema;
    }
    if (code == PM_OK) code = merge(&entries, view);
    free(entries.items);
    return code;
}

void pm_sketch_view_release(struct sketch_view *view)
{
    free(view->positive);
    free(view->negative);
    memset(view, 0, sizeof(*view));
}

/* ---- Quantiles ---- */

/* Of all values in (low, high], the one whose error relative to either end is the same. */
static double middle_of(int32_t index, int schema)
{
    double high = pm_sketch_bound(index, schema);
    double low = pm_sketch_bound(index - 1, schema);
    return isinf(high) ? high : 2 * high * (low / (low + high));
}

double pm_sketch_quantile(const struct sketch_view *view, double q)
{
    if (view->count == 0) return (double)NAN;
    double rank = ceil(q * (double)view->count);
    if (rank < 1) rank = 1;
    double passed = 0;
    for (size_t i = view->negative_count; i > 0; i--) {
        passed += (double)view->negative[i - 1].count;
        if (passed >= rank) return -middle_of(view->negative[i - 1].index, view->schema);
    }
    passed += (double)view->zero_count;
    if (passed >= rank) return 0;
    for (size_t i = 0; i < view->positive_count; i++) {
        passed += (double)view->positive[i].count;
        if (passed >= rank) return middle_of(view->positive[i].index, view->schema);
    }
    return (double)NAN;
}
