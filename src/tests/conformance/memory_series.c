/* memory_series.c - arrays, sorted when asked. */
#include "tests/conformance/memory_series.h"

#include "base/check.h"
#include "model/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memory_cursor {
    struct series_cursor cursor;
    struct memory_store *store;
    struct arena *arena;
    struct series_query query;
    size_t next;
};

static int compare_series(const void *a, const void *b)
{
    return labels_compare((*(struct memory_series *const *)a)->labels,
                          (*(struct memory_series *const *)b)->labels);
}

static int cursor_next(struct series_cursor *cursor, struct series_columns *columns,
                       struct error *error)
{
    struct memory_cursor *mine = (struct memory_cursor *)cursor;
    (void)error;
    while (mine->next < mine->store->series.count) {
        struct memory_series *series = mine->store->series.items[mine->next++];
        if (!matcher_matches_labels(mine->query.matchers, mine->query.matcher_count,
                                    series->labels)) {
            continue;
        }
        size_t from = 0;
        while (from < series->times_ms.count &&
               series->times_ms.items[from] < mine->query.start_ms) {
            from++;
        }
        size_t to = series->times_ms.count;
        while (to > from && series->times_ms.items[to - 1] > mine->query.end_ms) to--;
        if (from == to) continue;
        if (mine->query.want == SERIES_WANT_LAST) from = to - 1;
        *columns = (struct series_columns){
            .labels = series->labels,
            .count = to - from,
            .times_ms = series->times_ms.items + from,
            .values = series->values.items + from,
            .histograms = series->histograms.count == 0 ? NULL : series->histograms.items + from,
            .starts_ms = series->starts_ms.count != series->values.count
                             ? NULL
                             : series->starts_ms.items + from,
        };
        return 1;
    }
    return 0;
}

static void cursor_close(struct series_cursor *cursor)
{
    (void)cursor; /* in the query's arena */
}

static int store_select(void *state, const struct series_query *query, struct arena *arena,
                        struct series_cursor **cursor_out, struct error *error)
{
    struct memory_store *store = state;
    struct memory_cursor *cursor = ARENA_NEW(arena, struct memory_cursor);
    if (cursor == NULL) return error_set(error, ERROR_LIMIT, "the arena is full");
    pthread_mutex_lock(&store->sorting);
    if (!store->is_sorted && store->series.count > 1) {
        qsort(store->series.items, store->series.count, sizeof(store->series.items[0]),
              compare_series);
    }
    store->is_sorted = true;
    pthread_mutex_unlock(&store->sorting);
    *cursor = (struct memory_cursor){
        .cursor = { cursor_next, cursor_close }, .store = store, .arena = arena, .query = *query
    };
    *cursor_out = &cursor->cursor;
    return 0;
}

static int64_t store_changed_since(void *state, uint64_t *position)
{
    struct memory_store *store = state;
    int64_t least_ms = INT64_MAX;
    for (size_t i = (size_t)*position; i < store->changes_ms.count; i++) {
        if (store->changes_ms.items[i] < least_ms) least_ms = store->changes_ms.items[i];
    }
    *position = store->changes_ms.count;
    return least_ms;
}

void memory_store_init(struct memory_store *store)
{
    *store = (struct memory_store){ .sorting = PTHREAD_MUTEX_INITIALIZER };
    arena_init(&store->arena, (size_t)1 << 30);
    store->source.state = store;
    store->source.select = store_select;
    store->source.changed_since = store_changed_since;
}

void memory_store_clear(struct memory_store *store)
{
    for (size_t i = 0; i < store->series.count; i++) {
        struct memory_series *series = store->series.items[i];
        VEC_RELEASE(&series->times_ms);
        VEC_RELEASE(&series->values);
        VEC_RELEASE(&series->histograms);
        VEC_RELEASE(&series->starts_ms);
        free(series);
    }
    store->series.count = 0;
    (void)VEC_PUSH(&store->changes_ms, INT64_MIN);
    map_release(&store->by_labels);
    arena_reset(&store->arena);
}

void memory_store_release(struct memory_store *store)
{
    memory_store_clear(store);
    VEC_RELEASE(&store->series);
    VEC_RELEASE(&store->changes_ms);
    arena_release(&store->arena);
}

static struct str key_of(struct arena *arena, struct labels labels)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < labels.count; i++) {
        buf_append_str(&text, labels.items[i].name);
        buf_append_char(&text, '\1');
        buf_append_str(&text, labels.items[i].value);
        buf_append_char(&text, '\2');
    }
    struct str key = arena_copy(arena, buf_str(&text));
    buf_release(&text);
    return key;
}

struct memory_series *memory_store_series(struct memory_store *store, struct labels labels)
{
    struct str key = key_of(&store->arena, labels);
    struct memory_series *series = map_get(&store->by_labels, key);
    if (series != NULL) return series;
    series = calloc(1, sizeof(*series));
    if (series == NULL) return NULL;
    if (labels_copy(&store->arena, labels, &series->labels) < 0 ||
        map_put(&store->by_labels, key, series) != 0 || !VEC_PUSH(&store->series, series)) {
        free(series);
        return NULL;
    }
    store->is_sorted = false;
    return series;
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || a->bound_count != b->bound_count) return false;
    if (!histogram_is_custom(a))
        return !(a->zero_threshold < b->zero_threshold) && !(a->zero_threshold > b->zero_threshold);
    return a->bound_count == 0 ||
           memcmp(a->bounds, b->bounds, a->bound_count * sizeof(double)) == 0;
}

/* What a store answers: counters that go on are "not reset". Of the first histogram of a chunk,
 * and a reset begins a new one, it does not say. */
static enum histogram_hint stored_hint(const struct memory_series *series, size_t at,
                                       const struct histogram *histogram)
{
    if (histogram->hint == HISTOGRAM_HINT_GAUGE) return histogram->hint;
    const struct histogram *before = at == 0 ? NULL : series->histograms.items[at - 1];
    if (before == NULL || sample_is_stale(before->sum) || before->hint == HISTOGRAM_HINT_GAUGE ||
        histogram->hint == HISTOGRAM_HINT_RESET || !same_layout(histogram, before)) {
        return HISTOGRAM_HINT_UNKNOWN;
    }
    struct histogram plain = *histogram;
    plain.hint = HISTOGRAM_HINT_UNKNOWN;
    return histogram_is_reset(&plain, before) ? HISTOGRAM_HINT_UNKNOWN : HISTOGRAM_HINT_NOT_RESET;
}

bool memory_series_add(struct memory_store *store, struct memory_series *series, int64_t time_ms,
                       double value, const struct histogram *histogram)
{
    if (!VEC_PUSH(&store->changes_ms, time_ms)) return false;
    size_t at = series->times_ms.count;
    while (at > 0 && series->times_ms.items[at - 1] >= time_ms) at--;
    bool is_there = at < series->times_ms.count && series->times_ms.items[at] == time_ms;
    if (histogram != NULL && series->histograms.count == 0) {
        if (!VEC_RESERVE(&series->histograms, series->values.count + 1)) return false;
        for (size_t i = 0; i < series->values.count; i++) series->histograms.items[i] = NULL;
        series->histograms.count = series->values.count;
    }
    bool has_histograms = histogram != NULL || series->histograms.count > 0;
    struct histogram *copy = NULL;
    if (histogram != NULL) {
        copy = ARENA_NEW(&store->arena, struct histogram);
        if (copy == NULL) return false;
        *copy = *histogram;
        copy->hint = stored_hint(series, at, histogram);
        value = histogram->sum;
    }
    if (!is_there) {
        if (!VEC_PUSH(&series->times_ms, 0) || !VEC_PUSH(&series->values, 0) ||
            (has_histograms && !VEC_PUSH(&series->histograms, NULL))) {
            return false;
        }
        size_t tail = series->times_ms.count - 1 - at;
        memmove(&series->times_ms.items[at + 1], &series->times_ms.items[at],
                tail * sizeof(int64_t));
        memmove(&series->values.items[at + 1], &series->values.items[at], tail * sizeof(double));
        if (has_histograms) {
            memmove((void *)&series->histograms.items[at + 1],
                    (void *)&series->histograms.items[at], tail * sizeof(copy));
        }
    }
    series->times_ms.items[at] = time_ms;
    series->values.items[at] = value;
    if (has_histograms) series->histograms.items[at] = copy;
    return true;
}

bool memory_series_start(struct memory_series *series, int64_t time_ms, int64_t start_ms)
{
    while (series->starts_ms.count < series->values.count) {
        if (!VEC_PUSH(&series->starts_ms, 0)) return false;
    }
    for (size_t i = 0; i < series->times_ms.count; i++) {
        if (series->times_ms.items[i] != time_ms) continue;
        series->starts_ms.items[i] = start_ms;
        return true;
    }
    return false;
}
