/* answer.c - from the rows of an expression's root to the answer. */
#include "promql/engine.h"

#include <stdlib.h>

struct answer {
    struct sink sink;
    struct points_sink points_sink;
    struct evaluation *evaluation;
    struct arena *arena;
    VEC(struct promql_series) series;
    size_t points;
};

struct answer_columns {
    int64_t *times_ms;
    double *values;
    const struct histogram **histograms;
};

static int new_columns(struct answer *answer, size_t count, bool has_histograms,
                       struct answer_columns *columns)
{
    columns->times_ms = ARENA_ARRAY(answer->arena, int64_t, count);
    columns->values = ARENA_ARRAY(answer->arena, double, count);
    columns->histograms = NULL;
    if (has_histograms) {
        columns->histograms = ARENA_ARRAY(answer->arena, const struct histogram *, count);
        if (columns->histograms == NULL) return out_of_memory(answer->evaluation->query);
    }
    if (columns->times_ms == NULL || columns->values == NULL) {
        return out_of_memory(answer->evaluation->query);
    }
    return 0;
}

static int add_series(struct answer *answer, struct labels labels,
                      const struct answer_columns *columns, size_t count)
{
    struct query *query = answer->evaluation->query;
    struct promql_series series = { .count = count,
                                    .times_ms = columns->times_ms,
                                    .values = columns->values,
                                    .histograms = columns->histograms,
                                    .labels = labels };
    if (!VEC_PUSH(&answer->series, series)) return out_of_memory(query);
    answer->points += count;
    if (query->points_max > 0 && answer->points > query->points_max) {
        return error_set(query->error, ERROR_LIMIT,
                         "the answer has more than %zu points, more than can be sent: ask for a "
                         "shorter range, a longer step or fewer series",
                         query->points_max);
    }
    return query_hold(query, count);
}

static void put_histogram(const struct answer_columns *columns, size_t at,
                          const struct histogram *histogram)
{
    columns->histograms[at] = histogram;
    columns->values[at] = histogram->sum;
}

static int take_answer(struct sink *sink, struct row *row)
{
    struct answer *answer = (struct answer *)sink;
    struct evaluation *evaluation = answer->evaluation;
    size_t count = 0;
    bool has_histograms = false;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        bool has_histogram = row->histograms != NULL && row->histograms[i] != NULL;
        if (ROW_IS_THERE(row->values[i]) || has_histogram) count++;
        has_histograms = has_histograms || has_histogram;
    }
    if (count == 0) return 0;
    struct answer_columns columns;
    int code = new_columns(answer, count, has_histograms, &columns);
    size_t at = 0;
    for (size_t i = 0; code == 0 && i < evaluation->steps.count; i++) {
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[i];
        if (!ROW_IS_THERE(row->values[i]) && histogram == NULL) continue;
        columns.times_ms[at] = steps_time(&evaluation->steps, i);
        columns.values[at] = row->values[i];
        if (histogram != NULL) put_histogram(&columns, at, histogram);
        at++;
    }
    if (code == 0) code = add_series(answer, row->labels, &columns, count);
    return code;
}

/* A range vector as the answer: its samples as they are, numbers and histograms in one row. */
static int take_points_answer(struct points_sink *sink, const struct points *points,
                              const struct windows *windows)
{
    struct answer *answer =
        (struct answer *)(void *)((char *)sink - offsetof(struct answer, points_sink));
    int64_t end_ms = windows->ends.start_ms;
    int64_t start_ms = end_ms - windows->range_ms;
    struct answer_columns columns;
    int code = new_columns(answer, points->count + points->histogram_count + 1,
                           points->histogram_count > 0, &columns);
    size_t count = 0;
    size_t p = 0;
    size_t h = 0;
    while (code == 0 && (p < points->count || h < points->histogram_count)) {
        bool is_number =
            h == points->histogram_count ||
            (p < points->count && points->times_ms[p] <= points->histogram_times_ms[h]);
        int64_t time_ms = is_number ? points->times_ms[p] : points->histogram_times_ms[h];
        bool is_inside = time_ms > start_ms && time_ms <= end_ms;
        if (is_inside) columns.times_ms[count] = time_ms;
        if (is_inside && is_number) columns.values[count] = points->values[p];
        if (is_inside && !is_number) {
            put_histogram(&columns, count, points->histograms[h]);
        }
        count += is_inside ? 1 : 0;
        p += is_number ? 1 : 0;
        h += is_number ? 0 : 1;
    }
    if (code < 0 || count == 0) return code;
    struct row row = { .labels = points->labels, .drops_name = points->drops_name };
    code = row_finish_name(answer->evaluation, &row);
    return code < 0 ? code : add_series(answer, row.labels, &columns, count);
}

struct finish_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct sink *next;
};

static int take_finish(struct sink *sink, struct row *row)
{
    struct finish_sink *finish = (struct finish_sink *)sink;
    int code = row_finish_name(finish->evaluation, row);
    return code < 0 ? code : finish->next->take(finish->next, row);
}

/* With delayed removal the names go now, and what is the same then must not overlap. */
static int answer_vector(struct answer *answer, const struct node *root)
{
    struct evaluation *evaluation = answer->evaluation;
    if ((evaluation->query->features & PROMQL_FEATURE_DELAYED_NAME_REMOVAL) == 0) {
        return evaluate_vector(evaluation, root, &answer->sink);
    }
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    struct finish_sink finish = { { take_finish }, evaluation, &merge.sink };
    int code = evaluate_vector(evaluation, root, &finish.sink);
    if (code == 0) code = merge_sink_flush(&merge, &answer->sink);
    merge_sink_release(&merge);
    return code;
}

static int answer_scalar(struct answer *answer, const struct node *root,
                         struct promql_result *result)
{
    struct evaluation *evaluation = answer->evaluation;
    struct row row;
    int code = row_new(evaluation, &row, false);
    if (code == 0) code = evaluate_scalar(evaluation, root, row.values);
    if (code < 0) return code;
    if (!evaluation->query->is_instant) return take_answer(&answer->sink, &row);
    result->scalar = row.values[0];
    return 0;
}

static int compare_series(const void *a, const void *b)
{
    const struct promql_series *left = a;
    const struct promql_series *right = b;
    return labels_compare(left->labels, right->labels);
}

static int finish_answer(struct answer *answer, struct result_holder *holder)
{
    struct query *query = answer->evaluation->query;
    struct promql_result *result = &holder->result;
    if (result->type == PROMQL_MATRIX && answer->series.count > 1) {
        qsort(answer->series.items, answer->series.count, sizeof(answer->series.items[0]),
              compare_series);
    }
    struct promql_series *series =
        ARENA_ARRAY(&holder->arena, struct promql_series, answer->series.count + 1);
    if (series == NULL) return out_of_memory(query);
    if (answer->series.count > 0) {
        memcpy(series, answer->series.items, answer->series.count * sizeof(series[0]));
    }
    result->series = series;
    result->series_count = answer->series.count;
    if (annotations_list(&query->annotations, ANNOTATION_WARNING, &holder->arena, &result->warnings,
                         &result->warning_count) < 0 ||
        annotations_list(&query->annotations, ANNOTATION_INFO, &holder->arena, &result->infos,
                         &result->info_count) < 0) {
        return out_of_memory(query);
    }
    return 0;
}

int answer_evaluate(struct query *query, struct result_holder *holder)
{
    struct promql_result *result = &holder->result;
    const struct node *root = query->expr->root;
    struct evaluation evaluation = { .query = query };
    evaluation.steps = (struct steps){ query->range.start_ms, 1, 1 };
    if (!query->is_instant) {
        evaluation.steps.step_ms = query->range.step_ms;
        uint64_t span = (uint64_t)query->range.end_ms - (uint64_t)query->range.start_ms;
        evaluation.steps.count = (size_t)(span / (uint64_t)query->range.step_ms) + 1;
        if (evaluation.steps.count > query->samples_max) {
            return query_hold(query, evaluation.steps.count);
        }
    }
    if (query->counts_steps) {
        query->samples_per_step = ARENA_ARRAY(&holder->arena, uint64_t, evaluation.steps.count);
        if (query->samples_per_step == NULL) return out_of_memory(query);
        query->root_steps = evaluation.steps;
    }
    struct answer answer = { .sink = { take_answer },
                             .points_sink = { take_points_answer },
                             .evaluation = &evaluation,
                             .arena = &holder->arena };
    result->type = query->is_instant ? root->type : PROMQL_MATRIX;
    result->time_ms = query->range.start_ms;
    int code = 0;
    if (root->type == PROMQL_STRING) {
        result->string = arena_copy(&holder->arena, evaluate_string(root));
    } else if (root->type == PROMQL_SCALAR) {
        code = answer_scalar(&answer, root, result);
    } else if (root->type == PROMQL_MATRIX) {
        code = evaluate_matrix(&evaluation, root, &answer.points_sink);
    } else {
        code = answer_vector(&answer, root);
    }
    if (code == 0) code = finish_answer(&answer, holder);
    VEC_RELEASE(&answer.series);
    return code;
}
