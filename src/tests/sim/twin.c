/* twin.c - a time-series store's naive twin for simulations. */
#include "tests/sim/twin.h"

#include "base/check.h"
#include "base/random.h"
#include "model/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUCKETS_MAX = 12 };

void twin_init(struct twin *twin)
{
    *twin = (struct twin){ 0 };
    for (int i = 0; i < TWIN_SERIES; i++) twin->last_ms[i] = INT64_MIN;
}

void twin_release(struct twin *twin)
{
    for (int i = 0; i < TWIN_SERIES; i++) VEC_RELEASE(&twin->series[i]);
}

void twin_copy(struct twin *to, const struct twin *from)
{
    for (int i = 0; i < TWIN_SERIES; i++) {
        const struct twin_times *times = &from->series[i];
        to->series[i].count = 0;
        CHECK(VEC_RESERVE(&to->series[i], times->count + 1));
        if (times->count > 0) {
            memcpy(to->series[i].items, times->items, times->count * sizeof(times->items[0]));
        }
        to->series[i].count = times->count;
        to->last_ms[i] = from->last_ms[i];
    }
}

struct labels twin_labels(int number, struct twin_labels *text)
{
    (void)snprintf(text->text[0], sizeof(text->text[0]), "metric_%d", number % 4);
    (void)snprintf(text->text[1], sizeof(text->text[1]), "%d", number);
    (void)snprintf(text->text[2], sizeof(text->text[2]), "job%d", number % 3);
    text->items[0] = (struct label){ STR("__name__"), str_from(text->text[0]) };
    text->items[1] = (struct label){ STR("instance"), str_from(text->text[1]) };
    text->items[2] = (struct label){ STR("job"), str_from(text->text[2]) };
    return (struct labels){ text->items, number % 5 == 0 ? 2 : 3 };
}

static size_t fill_buckets(struct random *random, struct arena *arena, bool is_whole, int32_t first,
                           struct histogram_bucket **out)
{
    size_t count = (size_t)random_below(random, BUCKETS_MAX);
    struct histogram_bucket *buckets = ARENA_ARRAY(arena, struct histogram_bucket, count + 1);
    CHECK(buckets != NULL);
    int32_t index = first;
    for (size_t i = 0; i < count; i++) {
        index += 1 + (int32_t)random_below(random, 3);
        buckets[i].index = index;
        buckets[i].count = is_whole ? (double)random_below(random, 1000) : random_unit(random);
    }
    *out = buckets;
    return count;
}

static const struct histogram *make_histogram(struct random *random, struct arena *arena)
{
    static const double bounds[] = { -1, 0.25, 1, 5, 10, 100, 1e9, 1e10, 1e12, 1e13, 1e14, 1e15 };
    struct histogram *histogram = ARENA_NEW(arena, struct histogram);
    struct histogram_bucket *buckets;
    CHECK(histogram != NULL);
    histogram->is_integer = random_below(random, 2) == 0;
    histogram->hint = (enum histogram_hint)random_below(random, 4);
    bool is_whole = histogram->is_integer || random_below(random, 2) == 0;
    if (random_below(random, 4) == 0) {
        histogram->schema = HISTOGRAM_SCHEMA_CUSTOM;
        histogram->bounds = bounds;
        histogram->bound_count = ARRAY_LENGTH(bounds);
        histogram->positive_count = fill_buckets(random, arena, is_whole, -1, &buckets);
        histogram->positive = buckets;
        while (histogram->positive_count > 0 &&
               buckets[histogram->positive_count - 1].index > (int32_t)ARRAY_LENGTH(bounds)) {
            histogram->positive_count--;
        }
    } else {
        histogram->schema = (int32_t)random_below(random, 13) - 4;
        histogram->zero_threshold = random_below(random, 2) == 0 ? 0.001 : ldexp(1, -128);
        histogram->zero_count = (double)random_below(random, 5);
        histogram->positive_count = fill_buckets(random, arena, is_whole, -8, &buckets);
        histogram->positive = buckets;
        histogram->negative_count = fill_buckets(random, arena, is_whole, -2, &buckets);
        histogram->negative = buckets;
    }
    histogram->count = is_whole ? (double)random_below(random, 100000) : random_unit(random);
    histogram->sum = random_below(random, 9) == 0 ? sample_stale() : random_unit(random) * 1e6;
    return histogram;
}

struct twin_sample twin_sample(int number, int64_t time_ms, struct arena *arena)
{
    struct twin_sample sample = { 0 };
    struct random random;
    random_init(&random, (uint64_t)time_ms * 64 + (uint64_t)number);
    uint64_t mood = random_below(&random, 12);
    int kind = number % 4;
    sample.value = (double)random_below(&random, 1000000) / 10;
    if (kind == 3 && mood == 0) sample.value = sample_stale();
    if (kind == 3 && mood == 1) {
        sample.value = sample_from_bits(UINT64_C(0x7ff0000000000001) + random_next(&random) / 4096);
    }
    if (kind == 3 && mood == 2) sample.value = -0.0;
    bool has_start = kind == 1 || (kind == 3 && mood < 6);
    if (has_start) sample.start_ms = time_ms - time_ms % 300000 - (int64_t)(mood % 2) * 17;
    if (kind == 2 || (kind == 3 && mood > 6)) {
        sample.histogram = make_histogram(&random, arena);
        sample.value = sample.histogram->sum;
    }
    return sample;
}

static size_t place_of(const struct twin_times *times, int64_t time_ms)
{
    size_t at = times->count;
    while (at > 0 && times->items[at - 1] >= time_ms) at--;
    return at;
}

bool twin_has(const struct twin *twin, int number, int64_t time_ms)
{
    const struct twin_times *times = &twin->series[number];
    size_t at = place_of(times, time_ms);
    return at < times->count && times->items[at] == time_ms;
}

void twin_add(struct twin *twin, int number, int64_t time_ms)
{
    struct twin_times *times = &twin->series[number];
    if (time_ms > twin->last_ms[number]) twin->last_ms[number] = time_ms;
    if (twin_has(twin, number, time_ms)) return;
    CHECK(VEC_PUSH(times, time_ms));
    size_t at = times->count - 1;
    for (; at > 0 && times->items[at - 1] > time_ms; at--) times->items[at] = times->items[at - 1];
    times->items[at] = time_ms;
}

void twin_delete(struct twin *twin, int number, int64_t start_ms, int64_t end_ms)
{
    struct twin_times *times = &twin->series[number];
    size_t kept = 0;
    for (size_t i = 0; i < times->count; i++) {
        if (times->items[i] >= start_ms && times->items[i] <= end_ms) continue;
        times->items[kept++] = times->items[i];
    }
    times->count = kept;
}

static bool say(const struct twin_leave *leave, const char *format, ...) PRINTF_LIKE(2, 3);

/* Always false: the answer differs. */
static bool say(const struct twin_leave *leave, const char *format, ...)
{
    if (leave->is_quiet) return false;
    va_list arguments;
    va_start(arguments, format);
    (void)printf("# ");
    (void)vprintf(format, arguments);
    (void)printf("\n");
    va_end(arguments);
    return false;
}

static int find_number(struct labels labels)
{
    for (int i = 0; i < TWIN_SERIES; i++) {
        struct twin_labels text;
        if (labels_equal(labels, twin_labels(i, &text))) return i;
    }
    return -1;
}

static bool same_content(int number, const struct series_columns *got, size_t at,
                         struct arena *arena)
{
    arena_reset(arena);
    struct twin_sample want = twin_sample(number, got->times_ms[at], arena);
    const struct histogram *histogram = got->histograms == NULL ? NULL : got->histograms[at];
    int64_t start_ms = got->starts_ms == NULL ? 0 : got->starts_ms[at];
    if (sample_bits(want.value) != sample_bits(got->values[at]) || start_ms != want.start_ms) {
        return false;
    }
    if (histogram == NULL || want.histogram == NULL) return histogram == want.histogram;
    return histogram_identical(histogram, want.histogram);
}

/* Samples of the twin that the answer should have next, but has not. */
static bool pass_missing(const struct twin_times *want, size_t *at, int64_t before_ms,
                         const struct twin_leave *leave, size_t *missing)
{
    for (; *at < want->count && want->items[*at] < before_ms; ++*at) {
        int64_t time_ms = want->items[*at];
        if (time_ms < leave->missing_min_ms || time_ms > leave->missing_max_ms) return false;
        ++*missing;
    }
    return true;
}

static bool same_series(const struct twin *twin, int number, const struct series_columns *got,
                        const struct twin_range *range, const struct twin_leave *leave,
                        size_t *missing)
{
    const struct twin_times *want = &twin->series[number];
    struct arena arena;
    arena_init(&arena, 1 << 20);
    int64_t end_ms = range->end_ms == INT64_MAX ? INT64_MAX : range->end_ms + 1;
    size_t at = place_of(want, range->start_ms);
    size_t end = place_of(want, end_ms);
    if (range->is_last && end > at) at = end - 1;
    bool is_good = true;
    for (size_t i = 0; i < got->count && is_good; i++) {
        int64_t time_ms = got->times_ms[i];
        if (i > 0 && time_ms <= got->times_ms[i - 1]) {
            is_good = say(leave, "series %d: times do not rise", number);
        } else if (!pass_missing(want, &at, time_ms, leave, missing)) {
            is_good =
                say(leave, "series %d: sample at %" PRId64 " is missing", number, want->items[at]);
        } else if (at < want->count && want->items[at] == time_ms) {
            at++;
        } else if (leave->more != NULL && twin_has(leave->more, number, time_ms)) {
            ++*missing;
        } else {
            is_good = say(leave, "series %d: sample at %" PRId64 " should not be", number, time_ms);
        }
        if (is_good && !same_content(number, got, i, &arena)) {
            is_good = say(leave, "series %d: sample at %" PRId64 " is another", number, time_ms);
        }
    }
    arena_release(&arena);
    if (is_good && !pass_missing(want, &at, end_ms, leave, missing)) {
        is_good = say(leave, "series %d: sample at %" PRId64 " is missing behind %zu", number,
                      want->items[at], got->count);
    }
    return is_good;
}

static bool walk(const struct twin *twin, struct series_cursor *cursor,
                 const struct twin_range *range, const struct twin_leave *leave, size_t *missing)
{
    bool is_seen[TWIN_SERIES] = { false };
    struct labels last = { 0 };
    struct series_columns series;
    struct error error = { 0 };
    int code;
    while ((code = cursor->next(cursor, &series, &error)) == 1) {
        int number = find_number(series.labels);
        if (number < 0 || is_seen[number] || (range->series >= 0 && number != range->series) ||
            (last.count > 0 && labels_compare(last, series.labels) >= 0)) {
            return say(leave, "series unknown, twice or out of order");
        }
        is_seen[number] = true;
        last = series.labels;
        if (!same_series(twin, number, &series, range, leave, missing)) return false;
    }
    if (code < 0) return say(leave, "next: %s", error.text);
    for (int i = 0; i < TWIN_SERIES; i++) {
        struct series_columns nothing = { 0 };
        if (is_seen[i] || (range->series >= 0 && range->series != i)) continue;
        if (!same_series(twin, i, &nothing, range, leave, missing)) return false;
    }
    return true;
}

bool twin_agrees(const struct twin *twin, struct tsdb *db, const struct twin_range *range,
                 const struct twin_leave *leave, size_t *missing)
{
    struct series_source source = tsdb_source(db);
    struct matcher matcher = { 0 };
    char instance[16];
    (void)snprintf(instance, sizeof(instance), "%d", range->series);
    CHECK(matcher_init(&matcher, MATCHER_EQUAL, STR("instance"), str_from(instance), NULL) == 0);
    struct series_query query = { .start_ms = range->start_ms,
                                  .end_ms = range->end_ms,
                                  .want = range->is_last ? SERIES_WANT_LAST : SERIES_WANT_SAMPLES,
                                  .matchers = &matcher,
                                  .matcher_count = range->series >= 0 ? 1 : 0 };
    struct arena arena;
    arena_init(&arena, 256 << 20);
    struct series_cursor *cursor;
    struct error error = { 0 };
    size_t count = 0;
    bool is_good = source.select(source.state, &query, &arena, &cursor, &error) == 0;
    if (!is_good) {
        (void)say(leave, "select: %s", error.text);
    } else {
        is_good = walk(twin, cursor, range, leave, &count);
        cursor->close(cursor);
    }
    matcher_release(&matcher);
    arena_release(&arena);
    if (missing != NULL) *missing = count;
    return is_good;
}
