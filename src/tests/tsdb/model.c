/* model.c - the store's plain twin. */
#include "tests/tsdb/model.h"

#include "base/check.h"
#include "model/sample.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct labels model_labels(int number, struct model_text *text)
{
    (void)snprintf(text->metric, sizeof(text->metric), "metric_%d", number % 4);
    (void)snprintf(text->instance, sizeof(text->instance), "%d", number / 4);
    (void)snprintf(text->job, sizeof(text->job), "job%d", number % 3);
    text->items[0] = (struct label){ STR("__name__"), str_from(text->metric) };
    text->items[1] = (struct label){ STR("instance"), str_from(text->instance) };
    text->items[2] = (struct label){ STR("job"), str_from(text->job) };
    return (struct labels){ text->items, number % 5 == 0 ? 2 : 3 };
}

void model_add(struct model *model, int number, int64_t time_ms, double value)
{
    struct model_sample sample = { time_ms, sample_bits(value) };
    CHECK(time_ms > model_last(model, number));
    CHECK(VEC_PUSH(&model->series[number].samples, sample));
}

int64_t model_last(const struct model *model, int number)
{
    const struct model_series *series = &model->series[number];
    return series->samples.count == 0 ? INT64_MIN : VEC_LAST(&series->samples).time_ms;
}

void model_delete(struct model *model, int number, int64_t start_ms, int64_t end_ms)
{
    struct model_series *series = &model->series[number];
    size_t kept = 0;
    for (size_t i = 0; i < series->samples.count; i++) {
        int64_t time_ms = series->samples.items[i].time_ms;
        if (time_ms >= start_ms && time_ms <= end_ms) continue;
        series->samples.items[kept++] = series->samples.items[i];
    }
    series->samples.count = kept;
}

void model_release(struct model *model)
{
    for (int i = 0; i < MODEL_SERIES_MAX; i++) VEC_RELEASE(&model->series[i].samples);
}

static void say(const struct model *model, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(const struct model *model, const char *format, ...)
{
    if (model->is_quiet) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
}

static int find_number(struct labels labels)
{
    for (int i = 0; i < MODEL_SERIES_MAX; i++) {
        struct model_text text;
        if (labels_equal(labels, model_labels(i, &text))) return i;
    }
    return -1;
}

static void range_of(const struct model_series *series, int64_t start_ms, int64_t end_ms,
                     size_t *first, size_t *end)
{
    *first = 0;
    while (*first < series->samples.count && series->samples.items[*first].time_ms < start_ms) {
        (*first)++;
    }
    *end = *first;
    while (*end < series->samples.count && series->samples.items[*end].time_ms <= end_ms) (*end)++;
}

/* Where values are not asked for, stale markers still are. */
static bool same_value(uint64_t want, double got, const struct series_query *query)
{
    if (query->ignores_values) {
        return (want == sample_bits(sample_stale())) == sample_is_stale(got);
    }
    return sample_bits(got) == want;
}

static bool same_samples(const struct model *model, int number, const struct series_columns *got,
                         const struct series_query *query)
{
    const struct model_series *series = &model->series[number];
    size_t first;
    size_t end;
    range_of(series, query->start_ms, query->end_ms, &first, &end);
    if (query->want == SERIES_WANT_LAST && end > first) first = end - 1;
    if (got->count != end - first) {
        size_t at = 0;
        while (at < got->count && first + at < end &&
               got->times_ms[at] == series->samples.items[first + at].time_ms) {
            at++;
        }
        say(model, "# series %d: %zu samples wanted, %zu got, the first other is number %zu\n",
            number, end - first, got->count, at);
        return false;
    }
    for (size_t i = 0; i < got->count; i++) {
        const struct model_sample *want = &series->samples.items[first + i];
        if (got->times_ms[i] == want->time_ms && same_value(want->bits, got->values[i], query)) {
            continue;
        }
        say(model,
            "# series %d sample %zu: %" PRId64 " %" PRIx64 " wanted, %" PRId64 " %" PRIx64 " got\n",
            number, i, want->time_ms, want->bits, got->times_ms[i], sample_bits(got->values[i]));
        return false;
    }
    return true;
}

/* Every series that the model would have answered was seen. */
static bool all_seen(const struct model *model, const bool *is_seen,
                     const struct series_query *query)
{
    for (int i = 0; i < MODEL_SERIES_MAX; i++) {
        struct model_text text;
        size_t first;
        size_t end;
        range_of(&model->series[i], query->start_ms, query->end_ms, &first, &end);
        bool is_wanted =
            end > first &&
            matcher_matches_labels(query->matchers, query->matcher_count, model_labels(i, &text));
        if (is_wanted == is_seen[i]) continue;
        say(model, "# series %d is %s\n", i, is_wanted ? "missing" : "there but should not");
        return false;
    }
    return true;
}

static bool agrees_on(const struct model *model, struct tsdb *db, const struct series_query *query)
{
    struct series_source source = tsdb_source(db);
    struct arena arena;
    arena_init(&arena, 256 << 20);
    struct series_cursor *cursor = NULL;
    struct error error = { 0 };
    struct series_columns series;
    struct labels last = { 0 };
    bool is_seen[MODEL_SERIES_MAX] = { false };
    bool is_good = true;
    int code = source.select(source.state, query, &arena, &cursor, &error);
    if (code != 0) {
        say(model, "# select: %s\n", error.text);
        arena_release(&arena);
        return false;
    }
    while (is_good && (code = cursor->next(cursor, &series, &error)) == 1) {
        int number = find_number(series.labels);
        is_good = number >= 0 && !is_seen[number] &&
                  (last.count == 0 || labels_compare(last, series.labels) < 0);
        if (!is_good) {
            say(model, "# series out of order, twice or unknown\n");
            break;
        }
        is_seen[number] = true;
        last = series.labels;
        is_good = same_samples(model, number, &series, query);
    }
    if (code < 0) say(model, "# next: %s\n", error.text);
    is_good = is_good && code == 0 && all_seen(model, is_seen, query);
    cursor->close(cursor);
    arena_release(&arena);
    return is_good;
}

bool model_agrees(const struct model *model, struct tsdb *db, const struct matcher *matchers,
                  size_t count, int64_t start_ms, int64_t end_ms)
{
    struct series_query query = {
        .start_ms = start_ms, .end_ms = end_ms, .matchers = matchers, .matcher_count = count
    };
    if (!agrees_on(model, db, &query)) return false;
    query.want = SERIES_WANT_LAST;
    bool is_good = agrees_on(model, db, &query);
    query.ignores_values = true;
    if (is_good && agrees_on(model, db, &query)) return true;
    say(model, "# asked for the last samples\n");
    return false;
}
