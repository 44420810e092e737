/* eval.c - the walk over the tree: who evaluates what, and rows in general. */
#include "promql/eval.h"

#include "base/check.h"
#include "base/clock.h"
#include "promql/shared.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WORK_BETWEEN_LOOKS 65536 /* samples: some 100 microseconds */
#define ROW_WORK           100   /* of a row that is kept or merged, in samples */

int out_of_memory(struct query *query)
{
    return error_set(query->error, ERROR_LIMIT,
                     "query needs more memory than there is: queries may take %zu bytes, all "
                     "together",
                     query->arena->size_max);
}

int evaluation_fail(struct query *query, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(query->error, ERROR_EVALUATION, "%s", text);
}

int query_tick(struct query *query, size_t work)
{
    if (query->work_max > 0 && (query->work_done += work) > query->work_max) {
        return error_set(query->error, -EAGAIN, "query is not a quick one");
    }
    query->work += (unsigned)(work < WORK_BETWEEN_LOOKS ? work : WORK_BETWEEN_LOOKS);
    if (query->work < WORK_BETWEEN_LOOKS) return 0;
    query->work = 0;
    int64_t now_ns = clock_monotonic_ns(query->clock);
    if (now_ns > query->deadline_ns) {
        return error_set(query->error, ERROR_TIMEOUT, "query timed out in expression evaluation");
    }
    if (now_ns >= query->turn->look_ns) {
        int code = query->look_at_turns(query, now_ns);
        if (code < 0) return code;
    }
    const struct promql_request *request = query->request;
    if (request != NULL && request->is_canceled != NULL &&
        request->is_canceled(request->argument)) {
        return error_set(query->error, ERROR_CLOSED, "query was canceled in expression evaluation");
    }
    return 0;
}

void query_see(const struct evaluation *evaluation, size_t step, size_t samples)
{
    struct query *query = evaluation->query;
    query->samples_seen += samples;
    if (query->samples_per_step == NULL) return;
    /* What a subquery or a repeated part sees goes to the step that comes at or after it. */
    const struct steps *root = &query->root_steps;
    int64_t time_ms = steps_time(&evaluation->steps, step);
    size_t at = 0;
    if (time_ms > root->start_ms) {
        uint64_t behind = (uint64_t)time_ms - (uint64_t)root->start_ms;
        at = (size_t)((behind + (uint64_t)root->step_ms - 1) / (uint64_t)root->step_ms);
    }
    query->samples_per_step[at < root->count ? at : root->count - 1] += samples;
}

int query_hold(struct query *query, size_t samples)
{
    query->samples_held += samples;
    if (query->samples_held > query->samples_peak) query->samples_peak = query->samples_held;
    if (query->samples_held <= query->samples_max) return 0;
    return error_set(query->error, ERROR_LIMIT,
                     "query processing would load too many samples into memory in "
                     "query execution");
}

void *query_alloc(struct query *query, size_t count, size_t size)
{
    return arena_alloc(query->arena, count == 0 ? 1 : count, size);
}

int row_new(struct evaluation *evaluation, struct row *row, bool has_histograms)
{
    *row = (struct row){ 0 };
    int code = query_tick(evaluation->query, evaluation->steps.count);
    if (code < 0) return code;
    row->values = QUERY_ARRAY(evaluation->query, double, evaluation->steps.count);
    if (row->values == NULL) return out_of_memory(evaluation->query);
    if (has_histograms) code = row_need_histograms(evaluation, row);
    if (code == 0) row_clear(evaluation, row);
    return code;
}

int row_need_histograms(struct evaluation *evaluation, struct row *row)
{
    if (row->histograms != NULL) return 0;
    row->histograms =
        QUERY_ARRAY(evaluation->query, const struct histogram *, evaluation->steps.count);
    return row->histograms == NULL ? out_of_memory(evaluation->query) : 0;
}

void row_clear(const struct evaluation *evaluation, struct row *row)
{
    size_t count = evaluation->steps.count;
    double absent = ROW_ABSENT;
    for (size_t i = 0; i < count; i++) memcpy(&row->values[i], &absent, sizeof(absent));
    if (row->histograms != NULL) {
        memset((void *)row->histograms, 0, count * sizeof(row->histograms[0]));
    }
}

bool row_is_empty(const struct evaluation *evaluation, const struct row *row)
{
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        if (ROW_IS_THERE(row->values[i])) return false;
        if (row->histograms != NULL && row->histograms[i] != NULL) return false;
    }
    return true;
}

int row_copy(struct evaluation *evaluation, const struct row *row, struct row *copy)
{
    size_t count = evaluation->steps.count;
    int code = query_hold(evaluation->query, count);
    if (code == 0) code = query_tick(evaluation->query, ROW_WORK + count);
    if (code < 0) return code;
    struct row made = { .drops_name = row->drops_name };
    made.values = QUERY_ARRAY(evaluation->query, double, count);
    if (made.values == NULL) return out_of_memory(evaluation->query);
    memcpy(made.values, row->values, count * sizeof(double));
    if (row->histograms != NULL) {
        code = row_need_histograms(evaluation, &made);
        if (code < 0) return code;
        memcpy((void *)made.histograms, (const void *)row->histograms,
               count * sizeof(row->histograms[0]));
    }
    struct label *items = QUERY_ARRAY(evaluation->query, struct label, row->labels.count);
    if (items == NULL) return out_of_memory(evaluation->query);
    if (row->labels.count > 0) {
        memcpy(items, row->labels.items, row->labels.count * sizeof(items[0]));
    }
    made.labels = (struct labels){ items, row->labels.count };
    *copy = made;
    return 0;
}

/* The name, and what belongs to it. */
static bool is_dropped_name(struct str name)
{
    if (name.size != LABEL_METRIC_NAME.size || name.data[0] != '_') return false; /* all are 8 */
    return str_equal(name, LABEL_METRIC_NAME) || str_equal(name, STR("__type__")) ||
           str_equal(name, STR("__unit__"));
}

/* The labels without the name: a part of the array where the name stands at an end of it, as the
 * order of names mostly has it; else a copy in the arena. */
static int labels_without_name(struct query *query, struct labels labels, struct labels *out)
{
    while (labels.count > 0 && is_dropped_name(labels.items[0].name)) {
        labels.items++;
        labels.count--;
    }
    size_t dropped = 0;
    for (size_t i = 0; i < labels.count; i++) {
        if (is_dropped_name(labels.items[i].name)) dropped++;
    }
    if (dropped == 0) {
        *out = labels;
        return 0;
    }
    struct label *items = QUERY_ARRAY(query, struct label, labels.count - dropped);
    if (items == NULL) return out_of_memory(query);
    size_t kept = 0;
    for (size_t i = 0; i < labels.count; i++) {
        if (!is_dropped_name(labels.items[i].name)) items[kept++] = labels.items[i];
    }
    *out = (struct labels){ items, kept };
    return 0;
}

int row_drop_name(struct evaluation *evaluation, struct row *row)
{
    if ((evaluation->query->features & PROMQL_FEATURE_DELAYED_NAME_REMOVAL) != 0) {
        row->drops_name = true;
        return 0;
    }
    return labels_without_name(evaluation->query, row->labels, &row->labels);
}

int row_finish_name(struct evaluation *evaluation, struct row *row)
{
    if (!row->drops_name) return 0;
    row->drops_name = false;
    return labels_without_name(evaluation->query, row->labels, &row->labels);
}

struct str labels_key(struct arena *arena, struct labels labels)
{
    size_t size = 0;
    for (size_t i = 0; i < labels.count; i++) {
        size += labels.items[i].name.size + labels.items[i].value.size + 2 * sizeof(uint32_t);
    }
    char *bytes = arena_alloc(arena, size + 1, 1);
    if (bytes == NULL) return (struct str){ 0 };
    char *to = bytes;
    for (size_t i = 0; i < labels.count; i++) {
        const struct str parts[] = { labels.items[i].name, labels.items[i].value };
        for (size_t p = 0; p < 2; p++) {
            uint32_t length = (uint32_t)parts[p].size;
            memcpy(to, &length, sizeof(length));
            to += sizeof(length);
            if (length > 0) memcpy(to, parts[p].data, length);
            to += length;
        }
    }
    return (struct str){ bytes, size };
}

/* --- collecting and merging --- */

struct collect_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct row_list *rows;
};

static int take_collect(struct sink *sink, struct row *row)
{
    struct collect_sink *collect = (struct collect_sink *)sink;
    struct row copy;
    int code = row_copy(collect->evaluation, row, &copy);
    if (code < 0) return code;
    if (!VEC_PUSH(collect->rows, copy)) return out_of_memory(collect->evaluation->query);
    return 0;
}

int evaluate_collect(struct evaluation *evaluation, const struct node *node, struct row_list *rows)
{
    struct collect_sink collect = { { take_collect }, evaluation, rows };
    return evaluate_vector(evaluation, node, &collect.sink);
}

static int fail_same_labels(struct query *query)
{
    return evaluation_fail(query, "vector cannot contain metrics with the same labelset");
}

static int merge_into(struct evaluation *evaluation, struct row *into, const struct row *row)
{
    if (row->histograms != NULL) {
        int code = row_need_histograms(evaluation, into);
        if (code < 0) return code;
    }
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        bool has_histogram = row->histograms != NULL && row->histograms[i] != NULL;
        if (!ROW_IS_THERE(row->values[i]) && !has_histogram) continue;
        if (ROW_IS_THERE(into->values[i]) ||
            (into->histograms != NULL && into->histograms[i] != NULL)) {
            return fail_same_labels(evaluation->query);
        }
        into->values[i] = row->values[i];
        if (has_histogram) into->histograms[i] = row->histograms[i];
    }
    return 0;
}

static int take_merge(struct sink *sink, struct row *row)
{
    struct merge_sink *merge = (struct merge_sink *)sink;
    struct query *query = merge->evaluation->query;
    if (row_is_empty(merge->evaluation, row)) return 0;
    int code = query_tick(query, ROW_WORK + merge->evaluation->steps.count);
    if (code < 0) return code;
    struct str key = labels_key(query->arena, row->labels);
    if (key.data == NULL) return out_of_memory(query);
    size_t known = (size_t)(uintptr_t)map_get(&merge->by_labels, key);
    if (known > 0) return merge_into(merge->evaluation, &merge->rows.items[known - 1], row);
    struct row copy;
    code = row_copy(merge->evaluation, row, &copy);
    if (code < 0) return code;
    if (!VEC_PUSH(&merge->rows, copy) ||
        map_put_borrowed(&merge->by_labels, key, (void *)(uintptr_t)merge->rows.count) != 0) {
        return out_of_memory(query);
    }
    return 0;
}

void merge_sink_init(struct merge_sink *merge, struct evaluation *evaluation)
{
    *merge = (struct merge_sink){ .sink = { take_merge }, .evaluation = evaluation };
}

int merge_sink_flush(struct merge_sink *merge, struct sink *next)
{
    VEC_FOR_EACH (&merge->rows, row) {
        int code = next->take(next, row);
        if (code < 0) return code;
    }
    return 0;
}

void merge_sink_release(struct merge_sink *merge)
{
    map_release(&merge->by_labels);
    VEC_RELEASE(&merge->rows);
}

static bool is_name_grouped(const struct node *node)
{
    if (node->aggregate.is_without) return false;
    for (size_t i = 0; i < node->aggregate.label_count; i++) {
        if (str_equal(node->aggregate.labels[i], LABEL_METRIC_NAME)) return true;
    }
    return false;
}

bool node_has_one_name(const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_STRING: return true;
    case NODE_SELECTOR: return node->selector.is_unique;
    case NODE_MATRIX: return node->matrix.selector->selector.is_unique;
    case NODE_SUBQUERY: return node_has_one_name(node->subquery.inner);
    case NODE_PAREN: return node_has_one_name(node->paren);
    case NODE_UNARY: return node->unary.is_minus || node_has_one_name(node->unary.inner);
    case NODE_CALL:
        if (!node->call.function->keeps_name) return true;
        return node->call.function->shape != FUNCTION_SPECIAL && node->call.count > 0 &&
               node_has_one_name(node->call.arguments[0]);
    case NODE_AGGREGATE:
        if (aggregation_selects(node->aggregate.op)) {
            return node_has_one_name(node->aggregate.inner);
        }
        return !is_name_grouped(node);
    case NODE_BINARY:
        if (node->binary.op == BINARY_OR || node->binary.matching.include_count > 0) return false;
        if (!binary_is_set(node->binary.op) &&
            (!binary_is_comparison(node->binary.op) || node->binary.returns_bool)) {
            return true;
        }
        return node_has_one_name(node->binary.left) && node_has_one_name(node->binary.right);
    }
    CHECK(false);
}

/* --- what is the same at every step --- */

struct repeat_sink {
    struct sink sink;
    struct evaluation *evaluation; /* with all the steps */
    struct sink *next;
};

static int take_repeat(struct sink *sink, struct row *row)
{
    struct repeat_sink *repeat = (struct repeat_sink *)sink;
    struct evaluation *evaluation = repeat->evaluation;
    struct row wide;
    bool has_histogram = row->histograms != NULL && row->histograms[0] != NULL;
    int code = row_new(evaluation, &wide, has_histogram);
    if (code < 0) return code;
    wide.labels = row->labels;
    wide.drops_name = row->drops_name;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        wide.values[i] = row->values[0];
        if (has_histogram) wide.histograms[i] = row->histograms[0];
    }
    return repeat->next->take(repeat->next, &wide);
}

static int evaluate_repeated(struct evaluation *evaluation, const struct node *node,
                             struct sink *sink)
{
    struct evaluation once = *evaluation;
    once.steps.count = 1;
    struct repeat_sink repeat = { { take_repeat }, evaluation, sink };
    return evaluate_vector(&once, node, &repeat.sink);
}

/* --- unary minus --- */

struct minus_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct sink *next;
};

static int negate_histogram(struct query *query, const struct histogram **histogram)
{
    struct histogram_sum sum = { 0 };
    int code = histogram_sum_start(&sum, *histogram);
    const struct histogram *made = NULL;
    if (code == 0) {
        histogram_sum_multiply(&sum, -1);
        made = histogram_sum_finish(&sum, query->arena);
    }
    histogram_sum_release(&sum);
    if (made == NULL) return out_of_memory(query);
    *histogram = made;
    return 0;
}

static int take_minus(struct sink *sink, struct row *row)
{
    struct minus_sink *minus = (struct minus_sink *)sink;
    for (size_t i = 0; i < minus->evaluation->steps.count; i++) {
        if (ROW_IS_THERE(row->values[i])) {
            row->values[i] = -row->values[i];
        } else if (row->histograms != NULL && row->histograms[i] != NULL) {
            int code = negate_histogram(minus->evaluation->query, &row->histograms[i]);
            if (code < 0) return code;
        }
    }
    int code = row_drop_name(minus->evaluation, row);
    return code < 0 ? code : minus->next->take(minus->next, row);
}

static int evaluate_minus(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct minus_sink minus = { { take_minus }, evaluation, sink };
    if (node_has_one_name(node->unary.inner)) {
        return evaluate_vector(evaluation, node->unary.inner, &minus.sink);
    }
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    minus.next = &merge.sink;
    int code = evaluate_vector(evaluation, node->unary.inner, &minus.sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    return code;
}

/* --- the walk --- */

int evaluate_vector(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    CHECK(node->type == PROMQL_VECTOR);
    int code = query_tick(evaluation->query, 16 + evaluation->steps.count);
    if (code < 0) return code;
    if (node->is_invariant && evaluation->steps.count > 1) {
        return evaluate_repeated(evaluation, node, sink);
    }
    switch (node->kind) {
    case NODE_SELECTOR: return evaluate_selector(evaluation, node, sink);
    case NODE_CALL: return evaluate_call(evaluation, node, sink);
    case NODE_AGGREGATE:
        if (node->shared > 0) return evaluate_shared(evaluation, node, sink);
        return evaluate_aggregate(evaluation, node, sink);
    case NODE_BINARY: return evaluate_binary(evaluation, node, sink);
    case NODE_UNARY:
        if (!node->unary.is_minus) return evaluate_vector(evaluation, node->unary.inner, sink);
        return evaluate_minus(evaluation, node, sink);
    case NODE_PAREN: return evaluate_vector(evaluation, node->paren, sink);
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_MATRIX:
    case NODE_SUBQUERY: break;
    }
    CHECK(false);
}

/* scalar(v): the value where v has exactly one element. */
struct scalar_sink {
    struct sink sink;
    struct evaluation *evaluation;
    double *values;
    unsigned char *seen;
};

static int take_scalar(struct sink *sink, struct row *row)
{
    struct scalar_sink *scalar = (struct scalar_sink *)sink;
    for (size_t i = 0; i < scalar->evaluation->steps.count; i++) {
        if (!ROW_IS_THERE(row->values[i])) continue;
        scalar->values[i] = scalar->seen[i] == 0 ? row->values[i] : (double)NAN;
        scalar->seen[i] = 1;
    }
    return 0;
}

static int scalar_of_vector(struct evaluation *evaluation, const struct node *node, double *values)
{
    size_t count = evaluation->steps.count;
    for (size_t i = 0; i < count; i++) values[i] = (double)NAN;
    unsigned char *seen = QUERY_ARRAY(evaluation->query, unsigned char, count);
    if (seen == NULL) return out_of_memory(evaluation->query);
    struct scalar_sink scalar = { { take_scalar }, evaluation, values, seen };
    return evaluate_vector(evaluation, node, &scalar.sink);
}

static int scalar_binary(struct evaluation *evaluation, const struct node *node, double *values)
{
    size_t count = evaluation->steps.count;
    double *right = QUERY_ARRAY(evaluation->query, double, count);
    if (right == NULL) return out_of_memory(evaluation->query);
    int code = evaluate_scalar(evaluation, node->binary.left, values);
    if (code == 0) code = evaluate_scalar(evaluation, node->binary.right, right);
    if (code < 0) return code;
    for (size_t i = 0; i < count; i++) {
        values[i] = binary_scalar(node->binary.op, values[i], right[i]);
    }
    return 0;
}

static int scalar_call(struct evaluation *evaluation, const struct node *node, double *values)
{
    const struct promql_function *function = node->call.function;
    if (function->shape == FUNCTION_SCALAR) {
        for (size_t i = 0; i < evaluation->steps.count; i++) {
            values[i] = function->scalar(evaluation, steps_time(&evaluation->steps, i));
        }
        return 0;
    }
    if (function->shape == FUNCTION_SPECIAL) {
        return scalar_of_vector(evaluation, node->call.arguments[0], values);
    }
    /* max_of and min_of: two scalars. */
    size_t count = evaluation->steps.count;
    double *right = QUERY_ARRAY(evaluation->query, double, count);
    if (right == NULL) return out_of_memory(evaluation->query);
    int code = evaluate_scalar(evaluation, node->call.arguments[0], values);
    if (code == 0) code = evaluate_scalar(evaluation, node->call.arguments[1], right);
    if (code < 0) return code;
    struct call call = { .evaluation = evaluation, .node = node };
    call.scalars[1] = right;
    for (size_t i = 0; i < count; i++) {
        struct value value = { values[i], NULL };
        (void)function->point(&call, i, &value);
        values[i] = value.number;
    }
    return 0;
}

int evaluate_scalar(struct evaluation *evaluation, const struct node *node, double *values)
{
    CHECK(node->type == PROMQL_SCALAR);
    size_t count = evaluation->steps.count;
    if (node->is_invariant && count > 1) {
        struct evaluation once = *evaluation;
        once.steps.count = 1;
        int code = evaluate_scalar(&once, node, values);
        for (size_t i = 1; i < count; i++) values[i] = values[0];
        return code;
    }
    int code = query_tick(evaluation->query, count);
    if (code < 0) return code;
    switch (node->kind) {
    case NODE_NUMBER:
        for (size_t i = 0; i < count; i++) values[i] = node->number.value;
        return 0;
    case NODE_PAREN: return evaluate_scalar(evaluation, node->paren, values);
    case NODE_UNARY:
        code = evaluate_scalar(evaluation, node->unary.inner, values);
        for (size_t i = 0; node->unary.is_minus && i < count; i++) values[i] = -values[i];
        return code;
    case NODE_BINARY: return scalar_binary(evaluation, node, values);
    case NODE_CALL: return scalar_call(evaluation, node, values);
    case NODE_STRING:
    case NODE_SELECTOR:
    case NODE_MATRIX:
    case NODE_SUBQUERY:
    case NODE_AGGREGATE: break;
    }
    CHECK(false);
}

struct str evaluate_string(const struct node *node)
{
    while (node->kind == NODE_PAREN) node = node->paren;
    CHECK(node->kind == NODE_STRING);
    return node->string;
}
