/* sketch.c - counts of values by exponential buckets: counting, and the changes of sets. */
#include "prometheus/sketch.h"

#include "prometheus/fail.h"
#include "prometheus/region.h"
#include "prometheus/sketch_index.h"
#include "prometheus/sketch_quick.h"
#include "prometheus/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    HEADER_CONTROL,
    HEADER_SEQUENCE,
    HEADER_DUE,
    HEADER_SETS = 4,
    SET_WORD = 0,
    SET_THRESHOLD,
    SET_OPENED,
    SET_FORGOTTEN
};
enum {
    TRIES_MAX = 1000,
    TABLE_AT = 2,
    WORD_ZERO = 0,
    WORD_USED = 1
}; /* words of a set; USED in lane 0 */
_Static_assert(HEADER_SETS + SKETCH_SETS * SKETCH_SET_WORDS == SKETCH_HEADER_WORDS, "see sketch.h");

uint64_t pm_sketch_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1;
}

int pm_sketch_schema(double factor)
{
    double floor_of = floor(log2(log2(factor)));
    if (floor_of <= -SKETCH_SCHEMA_MAX) return SKETCH_SCHEMA_MAX;
    if (floor_of >= -SKETCH_SCHEMA_MIN) return SKETCH_SCHEMA_MIN;
    return -(int)floor_of;
}

/* ---- The header ---- */

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint64_t *set_word(const struct sketch *sketch, size_t set, size_t word)
{
    return sketch->header + HEADER_SETS + set * SKETCH_SET_WORDS + word;
}

static double set_threshold(const struct sketch *sketch, size_t set)
{
    uint64_t bits = load(set_word(sketch, set, SET_THRESHOLD));
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static size_t control_set(uint64_t control)
{
    return control & (SKETCH_SETS - 1);
}

/* Between 0 and 15, whatever a region says. */
static int control_shift(uint64_t control)
{
    return (SKETCH_SCHEMA_MAX - SKETCH_SCHEMA_MIN - (int)(control >> 4 & 15)) & 15;
}

static int control_schema(uint64_t control)
{
    return SKETCH_SCHEMA_MAX - control_shift(control);
}

static size_t table_size(const struct sketch_options *options)
{
    size_t size = SKETCH_TABLE_MIN;
    while (size < (size_t)options->bucket_max * 2) size *= 2;
    return size;
}

struct sketch *pm_sketch_new(const struct sketch_options *options, const struct words *words,
                             char *header)
{
    enum { LINE = 64 }; /* what an observation reads is in two cache lines */
    size_t size = (sizeof(struct sketch) + LINE - 1) / LINE * LINE;
    struct sketch *sketch = aligned_alloc(LINE, size);
    if (sketch == NULL) return NULL;
    memset(sketch, 0, size);
    sketch->way = WAY_SKETCH;
    sketch->options = options;
    sketch->words = words;
    sketch->has_window = options->window_ms > 0;
    sketch->has_rseq = words->mode == PM_MODE_RSEQ;
    sketch->header = (uint64_t *)(void *)header;
    sketch->mask = table_size(options) - 1;
    return sketch;
}

static uint64_t *key_at(const char *cell, size_t slot)
{
    return (uint64_t *)(void *)(uintptr_t)(cell + (TABLE_AT + slot) * 8);
}

/* ---- Sets ---- */

static size_t set_size(const struct sketch *sketch)
{
    return TABLE_AT + sketch->mask + 1;
}

/* The set's words in this process, or NULL: not there, or in a region that lies about them. */
static char *find_cell(const struct pm_registry *registry, struct sketch *sketch, size_t set)
{
    char *known = __atomic_load_n(&sketch->cells[set], __ATOMIC_ACQUIRE);
    if (known != NULL || registry->region == NULL) return known;
    uint64_t word = load(set_word(sketch, set, SET_WORD));
    if (word == 0 || word - 1 > UINT32_MAX) return NULL;
    known = pm_region_cell(registry->region, (uint32_t)(word - 1), (uint32_t)set_size(sketch));
    __atomic_store_n(&sketch->cells[set], known, __ATOMIC_RELEASE);
    return known;
}

static char *make_cell_locked(struct pm_registry *registry, struct sketch *sketch, size_t set)
{
    char *cell = find_cell(registry, sketch, set);
    if (cell != NULL) return cell;
    size_t size = set_size(sketch);
    if (registry->region == NULL) {
        cell = pm_words_alloc(&registry->words, size);
    } else {
        uint32_t word;
        if (pm_region_alloc(registry->region, (uint32_t)size, &word, NULL) < 0) return NULL;
        store(set_word(sketch, set, SET_WORD), (uint64_t)word + 1);
        cell = pm_region_cell(registry->region, word, (uint32_t)size);
    }
    if (cell != NULL) __atomic_store_n(&sketch->cells[set], cell, __ATOMIC_RELEASE);
    return cell;
}

/* Nobody counts in the set any more; lanes that were never used are left untouched. */
static void clean(const struct pm_registry *registry, const struct sketch *sketch, char *cell)
{
    size_t size = set_size(sketch) * 8;
    memset(cell, 0, size);
    struct span span = pm_words_span(&registry->words);
    for (size_t lane = 1; lane < span.end; lane++) {
        if (lane >= span.first && lane < span.second) continue;
        memset(cell + lane * LANE_SIZE, 0, size);
    }
}

uint64_t pm_sketch_sequence(const struct sketch *sketch)
{
    return load(&sketch->header[HEADER_SEQUENCE]);
}

bool pm_sketch_set(const struct series *series, size_t set, struct sketch_set *found)
{
    struct sketch *sketch = series->sketch;
    uint64_t opened = load(set_word(sketch, set, SET_OPENED));
    uint64_t window = sketch->options->window_ms;
    if (opened == 0 || load(set_word(sketch, set, SET_FORGOTTEN)) != 0) return false;
    if (window > 0 && (opened >> 4) + window < pm_sketch_now_ms()) return false;
    found->cell = find_cell(series->family->registry, sketch, set);
    found->schema = (int)(opened & 15) + SKETCH_SCHEMA_MIN;
    found->threshold = set_threshold(sketch, set);
    found->zero_word = WORD_ZERO;
    found->table_word = TABLE_AT;
    found->slot_count = sketch->mask + 1;
    return found->cell != NULL && found->schema <= SKETCH_SCHEMA_MAX;
}

/* A set to open next: one never used, else one forgotten long enough, else (of a window) the one
 * behind the open one, which is the oldest. -1: none. */
static int choose_set(const struct sketch *sketch, size_t open, uint64_t now)
{
    for (size_t i = 1; i < SKETCH_SETS; i++) {
        size_t set = (open + i) % SKETCH_SETS;
        uint64_t forgotten = load(set_word(sketch, set, SET_FORGOTTEN));
        bool is_new = load(set_word(sketch, set, SET_OPENED)) == 0;
        bool is_old = forgotten != 0 && forgotten + SKETCH_REUSE_MS <= now;
        if (is_new || is_old || sketch->options->window_ms > 0) return (int)set;
    }
    return -1;
}

static size_t count_free(const struct sketch *sketch)
{
    size_t count = 0;
    for (size_t i = 0; i < SKETCH_SETS; i++) {
        count += load(set_word(sketch, i, SET_OPENED)) == 0;
    }
    return count;
}

struct change {
    int schema;
    double threshold;
    bool forgets; /* all other sets */
};

/* Opens another set. Readers see all of the change or none: the sequence is odd meanwhile. */
static bool open_set_locked(struct series *series, struct change change)
{
    struct sketch *sketch = series->sketch;
    struct pm_registry *registry = series->family->registry;
    uint64_t now = pm_sketch_now_ms();
    uint64_t control = load(&sketch->header[HEADER_CONTROL]);
    size_t open = control_set(control);
    bool is_first = load(set_word(sketch, open, SET_OPENED)) == 0;
    int set = is_first ? (int)open : choose_set(sketch, open, now);
    char *cell = set < 0 ? NULL : make_cell_locked(registry, sketch, (size_t)set);
    if (cell == NULL) return false;
    uint64_t sequence = load(&sketch->header[HEADER_SEQUENCE]) | 1;
    __atomic_store_n(&sketch->header[HEADER_SEQUENCE], sequence, __ATOMIC_SEQ_CST);
    if (load(set_word(sketch, (size_t)set, SET_OPENED)) != 0) clean(registry, sketch, cell);
    for (size_t i = 0; change.forgets && i < SKETCH_SETS; i++) {
        uint64_t *forgotten = set_word(sketch, i, SET_FORGOTTEN);
        if (i != (size_t)set && load(forgotten) == 0) store(forgotten, now);
    }
    uint64_t bits;
    memcpy(&bits, &change.threshold, sizeof(bits));
    store(set_word(sketch, (size_t)set, SET_THRESHOLD), bits);
    uint64_t schema = (uint64_t)(change.schema - SKETCH_SCHEMA_MIN);
    store(set_word(sketch, (size_t)set, SET_FORGOTTEN), 0);
    store(set_word(sketch, (size_t)set, SET_OPENED), now << 4 | schema);
    uint64_t next = ((control >> 8) + 1) << 8 | schema << 4 | (uint64_t)set;
    uint64_t window = sketch->options->window_ms;
    if (window > 0)
        store(&sketch->header[HEADER_DUE], now + window / SKETCH_PERIODS);
    else if (change.forgets)
        store(&sketch->header[HEADER_DUE], now);
    if (change.forgets && !is_first) pm_store_reset_words(series);
    store(&sketch->header[HEADER_CONTROL], next);
    __atomic_store_n(&sketch->header[HEADER_SEQUENCE], sequence + 1, __ATOMIC_SEQ_CST);
    return true;
}

/* ---- What happens when a set is too full ---- */

/* Buckets that would be left at the schema, and above the threshold. */
static size_t count_left(const uint64_t *keys, size_t count, int from, struct change change)
{
    size_t left = 0;
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < count; i++) { /* keys rise by sign and index */
        int32_t index = sketch_key_index(keys[i]);
        if (pm_sketch_bound(index, from) <= change.threshold) continue;
        int64_t coarse = sketch_coarser(index, from - change.schema) * (int64_t)2 +
                         (sketch_key_is_negative(keys[i]) ? 1 : 0);
        left += coarse != last;
        last = coarse;
    }
    return left;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The open set's keys, sorted; free() them. */
static uint64_t *read_keys(const struct sketch *sketch, const char *cell, size_t *count)
{
    uint64_t *keys = calloc(sketch->mask + 1, sizeof(*keys));
    *count = 0;
    for (size_t i = 0; keys != NULL && i <= sketch->mask; i++) {
        uint64_t key = load(key_at(cell, i));
        if (key != 0) keys[(*count)++] = key;
    }
    if (keys != NULL) qsort(keys, *count, sizeof(*keys), compare_keys);
    return keys;
}

/* The zero bucket grows by the buckets next to it: as few as make a quarter of room, or as many as
 * it may when that makes an eighth. */
static double wider_zero(const struct sketch_options *options, const uint64_t *keys, size_t count,
                         struct change change)
{
    struct change wider = change;
    size_t left = count;
    while (left * 4 > (size_t)options->bucket_max * 3) {
        double least = (double)INFINITY; /* the next bound above the threshold */
        for (size_t i = 0; i < count; i++) {
            double bound = pm_sketch_bound(sketch_key_index(keys[i]), change.schema);
            if (bound > wider.threshold && bound < least) least = bound;
        }
        if (!(least <= options->zero_threshold_max)) break;
        wider.threshold = least;
        left = count_left(keys, count, change.schema, wider);
    }
    return left * 8 <= (size_t)options->bucket_max * 7 ? wider.threshold : change.threshold;
}

/* The order of the other clients: forget when the last time is long ago, then widen the zero
 * bucket, then halve the resolution, until a quarter is free. The last free set is for the coarsest
 * schema, where all doubles fit. */
static void make_room_locked(struct series *series, uint64_t seen)
{
    struct sketch *sketch = series->sketch;
    const struct sketch_options *options = sketch->options;
    uint64_t control = load(&sketch->header[HEADER_CONTROL]);
    if (control != seen) return; /* another did it */
    uint64_t last_reset = load(&sketch->header[HEADER_DUE]);
    bool may_forget = options->reset_min_ms > 0 && options->window_ms == 0 &&
                      pm_sketch_now_ms() >= last_reset + options->reset_min_ms;
    if (may_forget) {
        pm_sketch_reset_locked(series);
        if (load(&sketch->header[HEADER_CONTROL]) != control) return;
    }
    struct change change = { control_schema(control), set_threshold(sketch, control_set(control)),
                             false };
    int from = change.schema;
    if (from == SKETCH_SCHEMA_MIN) return; /* all fit in the table */
    char *cell = find_cell(series->family->registry, sketch, control_set(control));
    size_t count = 0;
    uint64_t *keys = cell == NULL ? NULL : read_keys(sketch, cell, &count);
    if (keys == NULL) return;
    size_t wanted = (size_t)options->bucket_max * 3 / 4;
    double threshold = change.threshold;
    if (count_free(sketch) > 4 && options->zero_threshold_max > threshold) {
        change.threshold = wider_zero(options, keys, count, change);
    }
    if (!(change.threshold > threshold)) change.schema--;
    while (change.schema > SKETCH_SCHEMA_MIN && change.schema < from &&
           count_left(keys, count, from, change) > wanted) {
        change.schema--;
    }
    if (count_free(sketch) <= 1 && options->window_ms == 0) change.schema = SKETCH_SCHEMA_MIN;
    free(keys);
    (void)open_set_locked(series, change);
}

/* The store's lock, and the region's when there is one. */
static bool lock_all(struct pm_registry *registry)
{
    pm_store_lock();
    if (registry->region == NULL || pm_region_lock(registry->region, NULL) == PM_OK) return true;
    pm_store_unlock();
    return false;
}

static void unlock_all(struct pm_registry *registry)
{
    if (registry->region != NULL) pm_region_unlock(registry->region);
    pm_store_unlock();
}

/* The open set is there, and known to this process. */
static bool begin(struct series *series)
{
    struct sketch *sketch = series->sketch;
    struct pm_registry *registry = series->family->registry;
    if (!lock_all(registry)) return false;
    size_t open = control_set(load(&sketch->header[HEADER_CONTROL]));
    bool is_there =
        load(set_word(sketch, open, SET_OPENED)) != 0
            ? find_cell(registry, sketch, open) != NULL
            : open_set_locked(series, (struct change){ sketch->options->schema,
                                                       sketch->options->zero_threshold, true });
    unlock_all(registry);
    return is_there;
}

/* ---- Counting ---- */

/* The slot of the key, made when it is new; -1: the table is full. */
static int64_t find_slot(struct series *series, char *cell, uint64_t key, uint64_t control)
{
    const struct sketch *sketch = series->sketch;
    size_t slot = sketch_key_slot(key) & sketch->mask;
    for (size_t i = 0; i <= sketch->mask; i++, slot = (slot + 1) & sketch->mask) {
        uint64_t *at = key_at(cell, slot);
        uint64_t found = load(at);
        if (found == key) return (int64_t)slot;
        if (found != 0) continue;
        if (!__atomic_compare_exchange_n(at, &found, key, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            if (found == key) return (int64_t)slot;
            continue;
        }
        uint64_t used =
            __atomic_add_fetch((uint64_t *)(void *)(cell + WORD_USED * 8), 1, __ATOMIC_RELAXED);
        if (used > sketch->options->bucket_max && lock_all(series->family->registry)) {
            make_room_locked(series, control);
            unlock_all(series->family->registry);
        }
        return (int64_t)slot;
    }
    return -1;
}

#ifdef PM_RSEQ_
static inline bool rseq_count_if(char *words, const uint64_t *control, uint64_t expected)
{
    struct rseq *self = pm_rseq_self_();
start:;
    uint32_t cpu = *(volatile uint32_t *)&self->cpu_id_start;
    char *word = words + ((size_t)cpu << PM_STRIDE_SHIFT_);
    __asm__ goto(PM_RSEQ_HEAD_ "cmpq %[expected], (%[control])\n\tjne %l[changed]\n\t"
                               "addq $1, (%[word])\n" PM_RSEQ_TAIL_
                 :
                 : [self] "r"(self), [cpu] "r"(cpu), [word] "r"(word), [control] "r"(control),
                   [expected] "r"(expected), [cs] "i"(offsetof(struct rseq, rseq_cs)),
                   [id] "i"(offsetof(struct rseq, cpu_id))
                 : "memory", "cc", "rax"
                 : again, changed);
    return true;
again:
    if (pm_rseq_is_there_(self)) goto start;
changed:
    return false;
}
#endif

/* Adds 1 to the word while the control is the same; false when it is not. With rseq the two are one
 * step: a thread that was off the CPU in between starts anew. Without, it may count in a set that
 * was closed meanwhile, which is still read, or forgotten, which is right for a value that old. */
static inline bool count_in(const struct sketch *sketch, uint64_t control, char *cell, size_t word)
{
#ifdef PM_RSEQ_
    if (sketch->has_rseq && pm_rseq_is_there_(pm_rseq_self_())) {
        return rseq_count_if(cell + LANE_SIZE + word * 8, &sketch->header[HEADER_CONTROL], control);
    }
#endif
    if (load(&sketch->header[HEADER_CONTROL]) != control) return false;
    pm_words_add(sketch->words, cell, word, 1);
    return true;
}

static inline bool is_due(const struct sketch *sketch)
{
    return sketch->has_window && pm_sketch_now_ms() >= load(&sketch->header[HEADER_DUE]);
}

#ifdef PM_RSEQ_
static inline bool count_quick(const struct sketch *sketch, double value)
{
    uint64_t control = load(&sketch->open.control);
    size_t slot;
    if (!quick_slot(&sketch->open, sketch->mask, value, &slot)) return false;
    char *counts = __atomic_load_n(&sketch->open.counts, __ATOMIC_RELAXED);
    return rseq_count_if(counts + sketch_count_slot(slot) * 8, &sketch->header[HEADER_CONTROL],
                         control);
}
#endif

/* Takes the open set as it is now for the quick way. Sizes that are subnormal, infinite or not
 * above the zero threshold are for the other. */
static void remember_open(struct sketch *sketch)
{
    struct sketch_open *open = &sketch->open;
    uint64_t control = load(&sketch->header[HEADER_CONTROL]);
    if (!sketch->has_rseq || control == load(&open->control)) return;
    char *cell = __atomic_load_n(&sketch->cells[control_set(control)], __ATOMIC_ACQUIRE);
    uint64_t least = load(set_word(sketch, control_set(control), SET_THRESHOLD)) + 1;
    const uint64_t normal = (uint64_t)1 << 52;
    const uint64_t infinite = (uint64_t)0x7ff << 52;
    if (least < normal) least = normal;
    int schema = control_schema(control);
    if (cell == NULL || least >= infinite || schema < 0 ||
        load(&sketch->header[HEADER_CONTROL]) != control)
        return;
    if (__atomic_exchange_n(&sketch->is_opening, 1, __ATOMIC_ACQUIRE) != 0) return;
    __atomic_store_n(&open->control, 0, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&open->least, least, __ATOMIC_RELAXED);
    __atomic_store_n(&open->span, infinite - least, __ATOMIC_RELAXED);
    __atomic_store_n(&open->counts, cell + LANE_SIZE + (size_t)TABLE_AT * 8, __ATOMIC_RELAXED);
    __atomic_store_n(&open->keys, key_at(cell, 0), __ATOMIC_RELAXED);
    uint64_t segment_count = (uint64_t)2
                             << schema; /* the exponent's bits count octaves from 1023 */
    uint64_t key_base = sketch_key(-1023 * (1 << schema), false);
    __atomic_store_n(&open->segments, pm_sketch_segments + segment_count, __ATOMIC_RELAXED);
    __atomic_store_n(&open->segment_mask, segment_count - 1, __ATOMIC_RELAXED);
    __atomic_store_n(&open->key_base, key_base, __ATOMIC_RELAXED);
    __atomic_store_n(&open->shift, 51 - (uint32_t)schema, __ATOMIC_RELAXED);
    store(&open->control, control);
    __atomic_store_n(&sketch->is_opening, 0, __ATOMIC_RELEASE);
}

/* Whether it is counted, in any mode: the open set is known, its bucket there, and nothing changes
 * meanwhile. */
static bool count_known(const struct sketch *sketch, double value)
{
    uint64_t control = load(&sketch->header[HEADER_CONTROL]);
    size_t set = control_set(control);
    char *cell = __atomic_load_n(&sketch->cells[set], __ATOMIC_ACQUIRE);
    if (__builtin_expect(cell == NULL || control == 0, 0)) return false;
    double size = fabs(value);
    if (__builtin_expect(size <= set_threshold(sketch, set), 0)) {
        return count_in(sketch, control, cell, WORD_ZERO);
    }
    uint64_t key = sketch_key(sketch_index(size, control_shift(control)), value < 0);
    size_t slot = sketch_key_slot(key) & sketch->mask;
    if (__builtin_expect(load(key_at(cell, slot)) != key, 0)) return false;
    return count_in(sketch, control, cell, TABLE_AT + sketch_count_slot(slot));
}

static __attribute__((noinline)) void count_slowly(struct series *series, double value)
{
    struct sketch *sketch = series->sketch;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        if (count_known(sketch, value)) {
            remember_open(sketch);
            return;
        }
        uint64_t control = load(&sketch->header[HEADER_CONTROL]);
        size_t set = control_set(control);
        char *cell = __atomic_load_n(&sketch->cells[set], __ATOMIC_ACQUIRE);
        if (cell == NULL || control == 0) {
            if (!begin(series)) break;
            continue;
        }
        if (fabs(value) <= set_threshold(sketch, set)) continue;
        uint64_t key = sketch_key(sketch_index(fabs(value), control_shift(control)), value < 0);
        int64_t slot = find_slot(series, cell, key, control);
        if (slot < 0) break;
        size_t word = TABLE_AT + sketch_count_slot((size_t)slot);
        if (count_in(sketch, control, cell, word)) return;
    }
    pm_fail_note(PM_ERROR_FULL, NULL);
    (void)pm_store_count_error(series->family->registry, PM_ERROR_FULL);
}

void pm_sketch_observe(struct series *series, double value)
{
    const struct sketch *sketch = series->sketch;
    if (is_due(sketch)) pm_sketch_tend(series);
#ifdef PM_RSEQ_
    if (__builtin_expect(sketch->has_rseq && count_quick(sketch, value), 1)) return;
#endif
    count_slowly(series, value);
}

#ifdef PM_RSEQ_
void pm_sketch_observe_sum(struct series *series, double value)
{
    count_slowly(series, value);
    pm_words_add_double(series->sketch->words, series->cell, WORD_SUM, value);
}
#endif

/* ---- Time ---- */

void pm_sketch_reset_locked(struct series *series)
{
    const struct sketch_options *options = series->sketch->options;
    struct change change = { options->schema, options->zero_threshold, true };
    if (load(&series->sketch->header[HEADER_CONTROL]) == 0) return; /* nothing to forget */
    (void)open_set_locked(series, change);
}

void pm_sketch_tend(struct series *series)
{
    struct sketch *sketch = series->sketch;
    const struct sketch_options *options = sketch->options;
    uint64_t control = load(&sketch->header[HEADER_CONTROL]);
    if (control == 0) return;
    bool is_coarse = options->reset_min_ms > 0 && options->window_ms == 0 &&
                     (control_schema(control) != options->schema ||
                      set_threshold(sketch, control_set(control)) > options->zero_threshold);
    uint64_t due = load(&sketch->header[HEADER_DUE]) + (is_coarse ? options->reset_min_ms : 0);
    bool is_late = (is_coarse || options->window_ms > 0) && pm_sketch_now_ms() >= due;
    if (!is_late || !lock_all(series->family->registry)) return;
    if (load(&sketch->header[HEADER_CONTROL]) == control) {
        if (is_coarse) {
            pm_sketch_reset_locked(series);
        } else { /* the window keeps the resolution that its values needed last */
            (void)open_set_locked(
                series, (struct change){ control_schema(control),
                                         set_threshold(sketch, control_set(control)), false });
        }
    }
    unlock_all(series->family->registry);
}
