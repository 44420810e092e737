/* update.c - updates: those that do not fit inline, and the slow paths of those that do. */
#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/shared.h"
#include "prometheus/sketch_quick.h"
#include "prometheus/store.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The series to update, or NULL: a dead handle, a parent, a function (each counted). */
static struct series *updatable(struct pm_metric *metric)
{
    struct series *series = pm_store_series(metric);
    if (__builtin_expect(series->cell != NULL, 1)) return series;
    if (series->family != NULL) pm_fail_note(PM_ERROR_LABELS, NULL);
    return NULL;
}

/* An amount that cannot be: counted here, and where the daemon shows it. */
static void refuse_value(const struct series *series)
{
    pm_fail_note(PM_ERROR_VALUE, NULL);
    if (series != NULL) (void)pm_store_count_error(series->family->registry, PM_ERROR_VALUE);
}

static const struct words *words_of(const struct series *series)
{
    return &series->family->registry->words;
}

/* ---- Counters ---- */

void pm_counter_add_slow_(struct pm_counter *counter, uint64_t amount)
{
    int saved = errno;
    struct series *series = updatable(&counter->metric);
    if (series != NULL) pm_words_add(words_of(series), series->cell, WORD_WHOLE, amount);
    errno = saved;
}

void pm_counter_add_double_(struct pm_counter *counter, double amount)
{
    int saved = errno;
    struct series *series = updatable(&counter->metric);
    if (!(amount >= 0) || isinf(amount)) {
        refuse_value(series);
    } else if (series != NULL) {
        pm_words_add_double(words_of(series), series->cell, WORD_FRACTION, amount);
    }
    errno = saved;
}

/* ---- Gauges ---- */

void pm_gauge_add_slow_(struct pm_gauge *gauge, double amount)
{
    int saved = errno;
    struct series *series = updatable(&gauge->metric);
    if (series != NULL) {
        if ((__atomic_load_n(series->flags, __ATOMIC_RELAXED) & SERIES_ADDED) == 0) {
            (void)__atomic_fetch_or(series->flags, SERIES_ADDED, __ATOMIC_SEQ_CST);
        }
        pm_store_make_ready(series);
        char *fast = __atomic_load_n(&series->metric.fast, __ATOMIC_RELAXED);
        __atomic_store_n(&gauge->metric.fast, fast, __ATOMIC_RELEASE);
        pm_words_add_gauge(words_of(series), series->cell, amount);
    }
    errno = saved;
}

void pm_gauge_set(struct pm_gauge *gauge, double value)
{
    struct series *series =
        __atomic_load_n((struct series **)&gauge->metric.series, __ATOMIC_ACQUIRE);
    if (__builtin_expect(series == NULL || series->cell == NULL, 0)) {
        int saved = errno;
        series = updatable(&gauge->metric);
        errno = saved;
        if (series == NULL) return;
    }
    /* A first add beside this comes after it: the pair's sum is 0 until a set saw the flag. */
    if ((__atomic_load_n(series->flags, __ATOMIC_ACQUIRE) & SERIES_ADDED) == 0) {
        __atomic_store((double *)(void *)series->cell, &value, __ATOMIC_RELEASE);
    } else {
        pm_words_set_gauge(words_of(series), series->cell, value);
    }
}

void pm_gauge_set_now(struct pm_gauge *gauge)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    pm_gauge_set(gauge, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
}

double pm_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Histograms and summaries ---- */

#ifdef __SSE2__
/* A bit for each of 4 bounds, set when it lies below. */
static inline unsigned four_below(const double *bounds, __m128d wanted)
{
    __m128d a = _mm_cmplt_pd(_mm_loadu_pd(bounds), wanted);
    __m128d b = _mm_cmplt_pd(_mm_loadu_pd(bounds + 2), wanted);
    __m128 both = _mm_shuffle_ps(_mm_castpd_ps(a), _mm_castpd_ps(b), 0x88);
    return (unsigned)_mm_movemask_ps(both);
}
#endif

/* How many of `count` bounds, a multiple of 4, lie below value: counted without a branch, for the
 * values of real programs cannot be predicted. */
static inline size_t count_below(const double *bounds, size_t count, double value)
{
#ifdef __SSE2__
    const __m128d wanted = _mm_set1_pd(value);
    unsigned below = 0;
    for (size_t i = 0; i < count; i += 4) below |= four_below(bounds + i, wanted) << i;
    /* The bounds rise, so the bits are ones from the lowest on. */
    return (size_t)__builtin_ctzll(~(uint64_t)below);
#else
    size_t below = 0;
    for (size_t i = 0; i < count; i++) below += bounds[i] < value;
    return below;
#endif
}

/* The same for 12 of them, without a loop: the default ones. */
static inline size_t count_below_12(const double *bounds, double value)
{
#ifdef __SSE2__
    const __m128d wanted = _mm_set1_pd(value);
    unsigned below = four_below(bounds, wanted) | four_below(bounds + 4, wanted) << 4 |
                     four_below(bounds + 8, wanted) << 8;
    return (size_t)__builtin_ctz(~below);
#else
    return count_below(bounds, 12, value);
#endif
}

/* Beyond 16 bounds, blocks of 16 are passed by their last one first. */
static inline size_t find_bucket(const struct bounds *aid, double value)
{
    const double *bounds = aid->values;
    size_t count = aid->padded;
    if (count == 12) return count_below_12(bounds, value);
    size_t passed = 0;
    while (count > 16 && bounds[passed + 15] < value) {
        passed += 16;
        count -= 16;
    }
    return passed + count_below(bounds + passed, count < 16 ? count : 16, value);
}

/* Two adds, the count and the sum; a scrape between them sees one of the two. */
static void add_pair(const struct series *series, size_t word, double value)
{
    const struct words *words = words_of(series);
    pm_words_add(words, series->cell, word, 1);
    pm_words_add_double(words, series->cell, WORD_SUM, value);
}

/* The series to observe in, or NULL: nowhere to, or not a number. */
static struct series *observable(struct pm_metric *metric, double value)
{
    int saved = errno;
    struct series *series = updatable(metric);
    errno = saved;
    if (value == value) return series;
    refuse_value(series);
    return NULL;
}

size_t pm_store_find_bucket(const struct family *family, double value)
{
    return find_bucket(family->aid, value);
}

/* Which of a histogram's sums goes with a bucket: neighbours have different ones. */
static inline size_t sum_word(size_t bucket)
{
    return bucket & 1;
}
_Static_assert(WORD_SUM == 0 && WORD_SECOND_SUM == 1, "sum_word() is one of them");

/* Any mode, any kind of buckets. */
static void observe_slow(struct pm_histogram *histogram, double value)
{
    struct series *series = observable(&histogram->metric, value);
    if (series == NULL) return;
    const struct words *words = words_of(series);
    size_t bucket = 0;
    if (series->family->has_classic) {
        bucket = find_bucket(series->family->aid, value);
        pm_words_add(words, series->cell, WORD_BUCKETS + bucket, 1);
    }
    pm_words_add_double(words, series->cell, sum_word(bucket), value);
    if (series->sketch != NULL) pm_sketch_observe(series, value);
}

#ifdef PM_RSEQ_
/* Apart from the usual way, which then needs no registers saved nor a frame. */
static __attribute__((noinline)) void observe_other(struct pm_histogram *histogram, double value)
{
    char *fast = pm_fast_(&histogram->metric);
    if (fast == NULL || value != value) {
        observe_slow(histogram, value);
        return;
    }
    struct series *series = histogram->metric.series;
    if (!series->family->has_classic) {
        pm_sketch_observe_sum(series, value);
        return;
    }
    size_t bucket = find_bucket(series->family->aid, value);
    char *count = fast + (WORD_BUCKETS + bucket) * 8;
    if (!pm_rseq_observe_(count, fast + sum_word(bucket) * 8, value)) {
        observe_slow(histogram, value);
        return;
    }
    if (series->sketch != NULL) pm_sketch_observe(series, value);
}
#endif

void pm_histogram_observe(struct pm_histogram *histogram, double value)
{
#ifdef PM_RSEQ_
    char *fast = pm_fast_(&histogram->metric);
    if (__builtin_expect(fast != NULL, 1)) {
        const enum sketch_way *way = histogram->metric.aid;
        if (*way == WAY_SKETCH) {
            if (sketch_observe_quick(histogram->metric.aid, fast, value)) return;
        } else if (__builtin_expect(*way == WAY_BOUNDS_12 && value == value, 1)) {
            const struct bounds *bounds = histogram->metric.aid;
            size_t bucket = count_below_12(bounds->values, value);
            char *count = fast + (WORD_BUCKETS + bucket) * 8;
            if (pm_rseq_observe_(count, fast + sum_word(bucket) * 8, value)) return;
        }
    }
    observe_other(histogram, value);
#else
    observe_slow(histogram, value);
#endif
}

void pm_summary_observe(struct pm_summary *summary, double value)
{
#ifdef PM_RSEQ_
    char *fast = pm_fast_(&summary->metric);
    struct series *known = (struct series *)summary->metric.series;
    if (__builtin_expect(fast != NULL && value == value && known->sketch == NULL, 1)) {
        if (pm_rseq_add_(fast + WORD_COUNT * 8, 1)) {
            (void)pm_rseq_add_double_(fast + WORD_SUM * 8, value);
            return;
        }
    }
#endif
    struct series *series = observable(&summary->metric, value);
    if (series == NULL) return;
    add_pair(series, WORD_COUNT, value);
    if (series->sketch != NULL) pm_sketch_observe(series, value);
}

/* ---- Info and enum ---- */

size_t pm_store_write_pairs(char *to, const struct family *family, const char *const *pairs,
                            size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        bool is_taken = false;
        for (size_t j = 0; j < family->label_count; j++) {
            is_taken = is_taken || strcmp(family->label_names[j], pairs[i]) == 0;
        }
        for (size_t j = 0; j < i; j += 2) is_taken = is_taken || strcmp(pairs[j], pairs[i]) == 0;
        if (is_taken || !pm_name_is_label_in(pairs[i], registry_has_utf8(family->registry)))
            return 0;
        size_t size = strlen(pairs[i]);
        if (to != NULL) {
            if (used > 0) to[used - 1] = ',';
            memcpy(to + used, pairs[i], size);
            memcpy(to + used + size, "=\"", 2);
        }
        used += size + 2;
        used += pm_name_escape(to == NULL ? NULL : to + used, pairs[i + 1], true);
        if (to != NULL) memcpy(to + used, "\"", 2);
        used += 2; /* the quote, and a comma or the NUL */
    }
    return used;
}

static int set_private_info(struct series *series, const char *const *pairs, size_t count,
                            struct pm_error *error)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) size += strlen(pairs[i]) + 1;
    struct info *info = calloc(1, sizeof(*info) + size + 1);
    if (info == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for an info");
    info->count = count;
    info->size = size;
    char *at = info->text;
    for (size_t i = 0; i < count; i++) {
        size = strlen(pairs[i]) + 1;
        memcpy(at, pairs[i], size);
        at += size;
    }
    struct info *old = series->info; /* renderers copy it under the lock */
    series->info = info;
    free(old);
    return PM_OK;
}

char *pm_store_info_pairs(const struct series *series, size_t *count)
{
    if (series->family->registry->region != NULL) return pm_shared_info_pairs(series, count);
    pm_store_lock();
    const struct info *info = series->info;
    char *copy = info == NULL ? NULL : malloc(info->size + 1);
    if (copy != NULL) memcpy(copy, info->text, info->size);
    *count = copy == NULL ? 0 : info->count;
    pm_store_unlock();
    return copy;
}

int pm_store_set_info(struct series *series, const char *const *pairs, size_t count,
                      struct pm_error *error)
{
    const struct family *family = series->family;
    size_t size = count % 2 == 0 ? pm_store_write_pairs(NULL, family, pairs, count) : 0;
    if (size == 0) {
        (void)pm_store_count_error(family->registry, PM_ERROR_LABELS);
        return pm_fail(error, PM_ERROR_LABELS,
                       "the pairs of info '%s' are not label names and values", family->exposed);
    }
    pm_store_lock();
    int code = family->registry->region != NULL ? pm_shared_info_locked(series, pairs, count, error)
                                                : set_private_info(series, pairs, count, error);
    pm_store_unlock();
    return pm_store_count_error(family->registry, code);
}

int pm_info_set_(struct pm_info *info, ...)
{
    const char *pairs[2 * PM_LABELS_MAX + 1];
    size_t count = 0;
    va_list arguments;
    va_start(arguments, info);
    while (count <= (size_t)2 * PM_LABELS_MAX) {
        pairs[count] = va_arg(arguments, const char *);
        if (pairs[count] == NULL) break;
        count++;
    }
    va_end(arguments);
    struct series *series = updatable(&info->metric);
    if (series == NULL) return PM_ERROR_LABELS;
    struct pm_error error;
    int code = pm_store_set_info(series, pairs, count, &error);
    if (code < 0) pm_fail_note(code, &error);
    return code;
}

int pm_store_set_state(struct series *series, const char *name, struct pm_error *error)
{
    const struct family *family = series->family;
    for (uint64_t i = 0; i < family->state_count; i++) {
        if (strcmp(family->states[i], name) != 0) continue;
        __atomic_store_n((uint64_t *)(void *)series->cell, i, __ATOMIC_RELEASE);
        return PM_OK;
    }
    (void)pm_store_count_error(family->registry, PM_ERROR_VALUE);
    return pm_fail(error, PM_ERROR_VALUE, "enum '%s' has no state '%.60s'", family->exposed, name);
}

int pm_enum_set(struct pm_enum *state, const char *name)
{
    struct series *series = updatable(&state->metric);
    if (series == NULL) return PM_ERROR_LABELS;
    struct pm_error error;
    int code = pm_store_set_state(series, name, &error);
    if (code < 0) pm_fail_note(code, &error);
    return code;
}
