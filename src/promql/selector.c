/* selector.c - from the source's samples to rows and to the windows of range functions. */
#include "base/check.h"
#include "promql/columns.h"
#include "promql/eval.h"
#include "promql/function_list.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Guesses for queries in a hurry: what a series costs, in samples, and how often it has one. */
#define SERIES_WORK     500
#define SAMPLE_EVERY_MS 15000

static bool is_there(const struct series_columns *series, size_t i)
{
    return !sample_is_stale(series->values[i]);
}

static const struct histogram *histogram_at(const struct series_columns *series, size_t i)
{
    return series->histograms == NULL ? NULL : series->histograms[i];
}

int evaluate_duration(const struct query *query, const struct duration *duration,
                      int64_t *duration_ms)
{
    double seconds = duration->seconds;
    if (duration->needs_query) {
        seconds = duration_value(duration, (double)query->range.step_ms / 1000,
                                 (double)(query->range.end_ms - query->range.start_ms) / 1000);
    }
    double ms = round(seconds * 1000);
    if (!(fabs(ms) < 9.2e15)) {
        return error_set(query->error, ERROR_EVALUATION, "duration out of range");
    }
    *duration_ms = (int64_t)ms;
    return 0;
}

static int positive_duration(const struct query *query, const struct duration *duration,
                             int64_t *duration_ms)
{
    int code = evaluate_duration(query, duration, duration_ms);
    if (code < 0) return code;
    if (*duration_ms > 0) return 0;
    char position[POSITION_SIZE];
    position_print(query->expr->text, duration->place.start, position);
    return error_set(query->error, ERROR_EVALUATION,
                     "%s: parse error: duration must be greater than 0", position);
}

/* The times that a selector looks at: the steps moved by offset, or one fixed by `@`. */
static int reference_times(const struct evaluation *evaluation, const struct modifiers *modifiers,
                           struct steps *times)
{
    const struct query *query = evaluation->query;
    int64_t offset_ms = 0;
    if (modifiers->offset != NULL) {
        int code = evaluate_duration(query, modifiers->offset, &offset_ms);
        if (code < 0) return code;
    }
    *times = evaluation->steps;
    switch (modifiers->at) {
    case AT_NONE: break;
    case AT_TIME: times->start_ms = modifiers->at_ms; break;
    case AT_START: times->start_ms = query->range.start_ms; break;
    case AT_END: times->start_ms = query->range.end_ms; break;
    }
    if (modifiers->at != AT_NONE) times->step_ms = 0;
    times->start_ms -= offset_ms;
    return 0;
}

/* How many series a query in a hurry can afford; 0: any number. */
static size_t quick_series_max(const struct evaluation *evaluation, int64_t span_ms)
{
    size_t work_max = evaluation->query->work_max;
    if (work_max == 0) return 0;
    size_t samples = (size_t)(span_ms / SAMPLE_EVERY_MS);
    return 1 + work_max / (SERIES_WORK + 4 * evaluation->steps.count + samples);
}

static int open_cursor(struct evaluation *evaluation, const struct node *node, int64_t start_ms,
                       int64_t end_ms, bool wants_last, struct series_cursor **cursor)
{
    struct query *query = evaluation->query;
    struct series_query asked = {
        .start_ms = start_ms,
        .end_ms = end_ms,
        .matchers = node->selector.matchers,
        .matcher_count = node->selector.matcher_count,
        .deadline_ns = query->deadline_ns,
        .want = wants_last ? SERIES_WANT_LAST : SERIES_WANT_SAMPLES,
        .reuses_columns = true,
        .ignores_values = wants_last && node->selector.ignores_values,
        .match_max = quick_series_max(evaluation, end_ms - start_ms),
    };
    if (!VEC_RESERVE(&query->cursors, 1)) return out_of_memory(query);
    int code =
        query->source->select(query->source->state, &asked, query->arena, cursor, query->error);
    if (code < 0) return code;
    query->cursors.items[query->cursors.count++] = *cursor;
    return 0;
}

static const struct histogram *with_hint(struct query *query, const struct histogram *histogram,
                                         enum histogram_hint hint)
{
    if (histogram->hint == hint) return histogram;
    struct histogram *copy = ARENA_NEW(query->arena, struct histogram);
    if (copy == NULL) return NULL;
    *copy = *histogram;
    copy->hint = hint;
    return copy;
}

/* Puts a hint where the store gave none: what comes after another histogram is a reset or not. */
static int find_resets(struct query *query, struct series_columns *series)
{
    if (series->histograms == NULL) return 0;
    const struct histogram **made = QUERY_ARRAY(query, const struct histogram *, series->count);
    if (made == NULL) return out_of_memory(query);
    for (size_t i = 0; i < series->count; i++) {
        const struct histogram *histogram = series->histograms[i];
        const struct histogram *before = i == 0 ? NULL : series->histograms[i - 1];
        made[i] = histogram;
        if (histogram == NULL || before == NULL || histogram->hint != HISTOGRAM_HINT_UNKNOWN ||
            !is_there(series, i) || !is_there(series, i - 1)) {
            continue;
        }
        made[i] = with_hint(query, histogram,
                            histogram_is_reset(histogram, before) ? HISTOGRAM_HINT_RESET
                                                                  : HISTOGRAM_HINT_NOT_RESET);
        if (made[i] == NULL) return out_of_memory(query);
    }
    series->histograms = made;
    return 0;
}

/* The next series of a selector's cursor: 1, 0 at the end, or a code. */
static int next_series(struct query *query, const struct node *selector,
                       struct series_cursor *cursor, struct series_columns *series)
{
    int code = cursor->next(cursor, series, query->error);
    if (code != 1 || !selector->selector.finds_resets) return code;
    code = find_resets(query, series);
    return code < 0 ? code : 1;
}

/* --- instant vectors --- */

/* What a selector's row says of each sample. */
enum instant_gives { GIVES_VALUES, GIVES_TIMES, GIVES_STARTS };

struct instant {
    struct evaluation *evaluation;
    struct steps times;
    int64_t lookback_ms;
    enum instant_gives gives;
    struct row row;
};

static int fill_row(struct instant *instant, const struct series_columns *series, bool *is_filled)
{
    struct row *row = &instant->row;
    size_t next = 0; /* first sample after the step's time */
    *is_filled = false;
    double absent = ROW_ABSENT;
    for (size_t i = 0; i < instant->evaluation->steps.count; i++) {
        int64_t time = steps_time(&instant->times, i);
        while (next < series->count && series->times_ms[next] <= time) next++;
        row->values[i] = absent;
        if (row->histograms != NULL) row->histograms[i] = NULL;
        if (next == 0 || series->times_ms[next - 1] <= time - instant->lookback_ms ||
            !is_there(series, next - 1)) {
            continue;
        }
        *is_filled = true;
        query_see(instant->evaluation, i, 1);
        const struct histogram *histogram = histogram_at(series, next - 1);
        if (instant->gives == GIVES_TIMES) {
            row->values[i] = (double)series->times_ms[next - 1] / 1000;
        } else if (instant->gives == GIVES_STARTS) {
            int64_t start_ms = series->starts_ms == NULL ? 0 : series->starts_ms[next - 1];
            row->values[i] = (double)start_ms / 1000;
        } else if (histogram != NULL) {
            int code = row_need_histograms(instant->evaluation, row);
            if (code < 0) return code;
            row->histograms[i] = histogram;
        } else {
            row->values[i] = series->values[next - 1];
        }
    }
    return 0;
}

static int select_rows(struct evaluation *evaluation, const struct node *node,
                       enum instant_gives gives, struct sink *sink)
{
    struct query *query = evaluation->query;
    struct instant instant = { .evaluation = evaluation,
                               .lookback_ms = query->lookback_ms,
                               .gives = gives };
    int code = reference_times(evaluation, &node->selector.modifiers, &instant.times);
    if (code < 0) return code;
    int64_t first = instant.times.start_ms;
    int64_t last = steps_time(&instant.times, evaluation->steps.count - 1);
    struct series_cursor *cursor;
    /* A hint of a histogram may need the one before it. */
    bool wants_last = first == last && !node->selector.finds_resets;
    code =
        open_cursor(evaluation, node, first - instant.lookback_ms + 1, last, wants_last, &cursor);
    if (code == 0) code = row_new(evaluation, &instant.row, false);
    struct series_columns series;
    while (code == 0 && (code = next_series(query, node, cursor, &series)) == 1) {
        bool is_filled = false;
        code = query_tick(query, series.count + evaluation->steps.count);
        if (code == 0) code = fill_row(&instant, &series, &is_filled);
        if (code < 0) return code;
        if (!is_filled) continue;
        instant.row.labels = series.labels;
        instant.row.drops_name = false;
        code = query_hold(query, evaluation->steps.count);
        if (code == 0) code = sink->take(sink, &instant.row);
        query->samples_held -= evaluation->steps.count;
    }
    return code;
}

int evaluate_timestamps(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    return select_rows(evaluation, node, GIVES_TIMES, sink);
}

int evaluate_starts(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    return select_rows(evaluation, node, GIVES_STARTS, sink);
}

/* --- ranges --- */

/* The arrays of points while they are filled: numbers first, histograms behind them. */
struct points_room {
    int64_t *times_ms;
    int64_t *starts_ms; /* NULL: not known */
    double *values;
    const struct histogram **histograms;
};

static int new_points(struct query *query, struct points *points, bool has_starts,
                      struct points_room *room)
{
    size_t total = points->count + points->histogram_count;
    room->times_ms = QUERY_ARRAY(query, int64_t, total);
    room->starts_ms = has_starts ? QUERY_ARRAY(query, int64_t, total) : NULL;
    room->values = QUERY_ARRAY(query, double, points->count);
    room->histograms = QUERY_ARRAY(query, const struct histogram *, points->histogram_count);
    if (room->times_ms == NULL || room->values == NULL || room->histograms == NULL ||
        (has_starts && room->starts_ms == NULL)) {
        return out_of_memory(query);
    }
    points->values = room->values;
    points->histograms = room->histograms;
    points->times_ms = room->times_ms;
    points->histogram_times_ms = room->times_ms + points->count;
    points->starts_ms = room->starts_ms;
    points->histogram_starts_ms = has_starts ? room->starts_ms + points->count : NULL;
    return 0;
}

static void fill_points(const struct series_columns *series, size_t number_count,
                        const struct points_room *room)
{
    size_t p = 0;
    size_t h = 0;
    for (size_t i = 0; i < series->count; i++) {
        if (!is_there(series, i)) continue;
        const struct histogram *histogram = histogram_at(series, i);
        size_t at = histogram != NULL ? number_count + h : p;
        room->times_ms[at] = series->times_ms[i];
        if (room->starts_ms != NULL) room->starts_ms[at] = series->starts_ms[i];
        if (histogram != NULL) {
            room->histograms[h++] = histogram;
        } else {
            room->values[p++] = series->values[i];
        }
    }
}

/* Takes the stale markers out and the histograms apart; without any of them, and without other
 * NaNs, nothing is copied. */
static int split_points(struct query *query, const struct series_columns *series,
                        struct points *points)
{
    *points = (struct points){ .labels = series->labels };
    bool has_starts =
        series->starts_ms != NULL && (query->features & PROMQL_FEATURE_START_TIMESTAMPS) != 0;
    if (series->histograms == NULL && !column_has_nan(series->values, series->count)) {
        points->times_ms = series->times_ms;
        points->values = series->values;
        points->count = series->count;
        points->starts_ms = has_starts ? series->starts_ms : NULL;
        return 0;
    }
    for (size_t i = 0; i < series->count; i++) {
        if (!is_there(series, i)) continue;
        if (histogram_at(series, i) != NULL) {
            points->histogram_count++;
        } else {
            points->count++;
        }
    }
    struct points_room room;
    int code = new_points(query, points, has_starts, &room);
    if (code == 0) fill_points(series, points->count, &room);
    return code;
}

static int select_smoothed(struct evaluation *evaluation, const struct node *node,
                           struct sink *sink)
{
    struct query *query = evaluation->query;
    struct steps times;
    struct row row;
    int code = reference_times(evaluation, &node->selector.modifiers, &times);
    if (code < 0) return code;
    int64_t last = steps_time(&times, evaluation->steps.count - 1);
    struct series_cursor *cursor;
    code = open_cursor(evaluation, node, times.start_ms - query->lookback_ms + 1,
                       last + query->lookback_ms, false, &cursor);
    if (code == 0) code = row_new(evaluation, &row, false);
    struct series_columns series;
    while (code == 0 && (code = next_series(query, node, cursor, &series)) == 1) {
        struct points points;
        code = query_tick(query, series.count + evaluation->steps.count);
        if (code == 0) code = split_points(query, &series, &points);
        row_clear(evaluation, &row);
        if (code == 0) code = smooth_points(evaluation, node, &points, &times, &row);
        if (code < 0) return code;
        row.labels = series.labels;
        row.drops_name = false;
        if (!row_is_empty(evaluation, &row)) code = sink->take(sink, &row);
    }
    return code;
}

int evaluate_selector(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    if (node->selector.modifiers.is_smoothed) return select_smoothed(evaluation, node, sink);
    return select_rows(evaluation, node, GIVES_VALUES, sink);
}

static int evaluate_matrix_selector(struct evaluation *evaluation, const struct node *node,
                                    struct points_sink *sink)
{
    struct query *query = evaluation->query;
    const struct node *selector = node->matrix.selector;
    const struct modifiers *modifiers = &selector->selector.modifiers;
    struct windows windows = { .is_anchored = modifiers->is_anchored,
                               .is_smoothed = modifiers->is_smoothed };
    int code = reference_times(evaluation, modifiers, &windows.ends);
    if (code == 0) code = positive_duration(query, node->matrix.range, &windows.range_ms);
    if (code < 0) return code;
    windows.steps = evaluation->steps;
    int64_t first = windows.ends.start_ms;
    int64_t last = steps_time(&windows.ends, evaluation->steps.count - 1);
    /* A hint of a histogram may need the one before it. */
    bool looks_before =
        windows.is_anchored || windows.is_smoothed || selector->selector.finds_resets;
    int64_t before = looks_before ? query->lookback_ms : 0;
    int64_t after = windows.is_smoothed ? query->lookback_ms : 0;
    struct series_cursor *cursor;
    code = open_cursor(evaluation, selector, first - windows.range_ms + 1 - before, last + after,
                       false, &cursor);
    struct series_columns series;
    while (code == 0 && (code = next_series(query, selector, cursor, &series)) == 1) {
        if ((code = query_tick(query, series.count)) < 0) return code;
        if (series.count == 0) continue;
        struct points points;
        code = split_points(query, &series, &points);
        if (code == 0) code = sink->take(sink, &points, &windows);
    }
    return code;
}

/* --- subqueries --- */

struct subquery_sink {
    struct sink sink;
    struct evaluation *inner;
    struct points_sink *next;
    const struct windows *windows;
};

/* A row of the inner evaluation becomes a series of points. */
static int take_subquery(struct sink *sink, struct row *row)
{
    struct subquery_sink *subquery = (struct subquery_sink *)sink;
    struct query *query = subquery->inner->query;
    size_t count = subquery->inner->steps.count;
    int code = query_tick(query, 4 * count);
    if (code < 0) return code;
    int64_t *times = QUERY_ARRAY(query, int64_t, count);
    double *values = QUERY_ARRAY(query, double, count);
    if (times == NULL || values == NULL) return out_of_memory(query);
    struct series_columns series = { .labels = row->labels, .times_ms = times, .values = values };
    const struct histogram **histograms = NULL;
    if (row->histograms != NULL) {
        histograms = QUERY_ARRAY(query, const struct histogram *, count);
        if (histograms == NULL) return out_of_memory(query);
        series.histograms = histograms;
    }
    for (size_t i = 0; i < count; i++) {
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[i];
        if (!ROW_IS_THERE(row->values[i]) && histogram == NULL) continue;
        times[series.count] = steps_time(&subquery->inner->steps, i);
        values[series.count] = histogram == NULL ? row->values[i] : histogram->sum;
        if (histograms != NULL) histograms[series.count] = histogram;
        if (histogram != NULL && histogram->hint != HISTOGRAM_HINT_GAUGE) {
            /* Samples in between were skipped: what the hint said no longer holds. */
            histograms[series.count] = with_hint(query, histogram, HISTOGRAM_HINT_UNKNOWN);
            if (histograms[series.count] == NULL) return out_of_memory(query);
        }
        series.count++;
    }
    if (series.count == 0) return 0;
    struct points points;
    code = split_points(query, &series, &points);
    if (code < 0) return code;
    points.drops_name = row->drops_name;
    code = query_hold(query, series.count);
    if (code == 0) code = subquery->next->take(subquery->next, &points, subquery->windows);
    query->samples_held -= series.count;
    return code;
}

/* First multiple of step after `time`. */
static int64_t align_after(int64_t time, int64_t step)
{
    int64_t aligned = step * (time / step);
    return aligned <= time ? aligned + step : aligned;
}

static int evaluate_subquery(struct evaluation *evaluation, const struct node *node,
                             struct points_sink *sink)
{
    struct query *query = evaluation->query;
    struct windows windows = { .steps = evaluation->steps };
    int64_t step_ms = query->default_step_ms;
    int code = reference_times(evaluation, &node->subquery.modifiers, &windows.ends);
    if (code == 0) code = positive_duration(query, node->subquery.range, &windows.range_ms);
    if (code == 0 && node->subquery.step != NULL) {
        code = positive_duration(query, node->subquery.step, &step_ms);
    }
    if (code < 0) return code;
    int64_t start = align_after(windows.ends.start_ms - windows.range_ms, step_ms);
    int64_t end = steps_time(&windows.ends, evaluation->steps.count - 1);
    if (start > end) return 0;
    uint64_t span = (uint64_t)end - (uint64_t)start;
    struct evaluation inner = { query, { start, step_ms, (size_t)(span / (uint64_t)step_ms) + 1 } };
    if (inner.steps.count > query->samples_max) return query_hold(query, inner.steps.count);
    struct subquery_sink subquery = { { take_subquery }, &inner, sink, &windows };
    return evaluate_vector(&inner, node->subquery.inner, &subquery.sink);
}

int evaluate_matrix(struct evaluation *evaluation, const struct node *node,
                    struct points_sink *sink)
{
    while (node->kind == NODE_PAREN) node = node->paren;
    if (node->kind == NODE_SUBQUERY) return evaluate_subquery(evaluation, node, sink);
    CHECK(node->kind == NODE_MATRIX);
    return evaluate_matrix_selector(evaluation, node, sink);
}
