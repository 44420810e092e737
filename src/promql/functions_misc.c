/* functions_misc.c - vector, the sorts, absent: functions of whole vectors. */
#include "promql/function_list.h"

#include <math.h>
#include <stdlib.h>

int special_vector(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct row row;
    int code = row_new(evaluation, &row, false);
    if (code == 0) code = evaluate_scalar(evaluation, node->call.arguments[0], row.values);
    return code < 0 ? code : sink->take(sink, &row);
}

/* --- sorts --- */

struct sorted_row {
    struct row *row;
    size_t position;
    const struct node *node; /* the call */
    bool is_descending;
};

static int compare_positions(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

/* NaN last, whichever way. */
static int compare_values(const void *a, const void *b)
{
    const struct sorted_row *left = a;
    const struct sorted_row *right = b;
    double x = left->row->values[0];
    double y = right->row->values[0];
    if (isnan(x) || isnan(y)) {
        int order = (int)!!isnan(x) - (int)!!isnan(y);
        return order != 0 ? order : compare_positions(left->position, right->position);
    }
    int order = (x > y) - (x < y);
    if (order == 0) return compare_positions(left->position, right->position);
    return left->is_descending ? -order : order;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Cuts a run of digits or of other bytes off the front. */
static struct str take_run(struct str *rest)
{
    size_t size = 1;
    while (size < rest->size && is_digit(rest->data[size]) == is_digit(rest->data[0])) size++;
    struct str run = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    return run;
}

static int compare_numbers(struct str a, struct str b)
{
    while (a.size > 1 && a.data[0] == '0') a = str_skip(a, 1);
    while (b.size > 1 && b.data[0] == '0') b = str_skip(b, 1);
    if (a.size != b.size) return a.size < b.size ? -1 : 1;
    return str_compare(a, b);
}

/* Digits count as numbers: "4m5" before "4m1000". */
static int compare_natural(struct str a, struct str b)
{
    while (a.size > 0 && b.size > 0) {
        struct str left = take_run(&a);
        struct str right = take_run(&b);
        bool are_numbers = is_digit(left.data[0]) && is_digit(right.data[0]);
        int order = are_numbers ? compare_numbers(left, right) : str_compare(left, right);
        if (order != 0) return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

static int compare_labels(const void *a, const void *b)
{
    const struct sorted_row *left = a;
    const struct sorted_row *right = b;
    int order = 0;
    for (size_t i = 1; order == 0 && i < left->node->call.count; i++) {
        struct str name = evaluate_string(left->node->call.arguments[i]);
        order = compare_natural(labels_get(left->row->labels, name),
                                labels_get(right->row->labels, name));
    }
    if (order == 0) order = labels_compare(left->row->labels, right->row->labels);
    return left->is_descending ? -order : order;
}

static int push_sorted(struct evaluation *evaluation, const struct node *node,
                       struct row_list *rows, struct sink *sink)
{
    bool is_descending = str_ends_with(node->call.function->name, STR("_desc"));
    bool is_by_label = str_starts_with(node->call.function->name, STR("sort_by_label"));
    struct sorted_row *sorted = QUERY_ARRAY(evaluation->query, struct sorted_row, rows->count);
    if (sorted == NULL) return out_of_memory(evaluation->query);
    size_t count = 0;
    for (size_t r = 0; r < rows->count; r++) {
        if (!is_by_label && !ROW_IS_THERE(rows->items[r].values[0])) continue;
        sorted[count++] = (struct sorted_row){ &rows->items[r], r, node, is_descending };
    }
    if (count > 1) {
        qsort(sorted, count, sizeof(sorted[0]), is_by_label ? compare_labels : compare_values);
    }
    for (size_t i = 0; i < count; i++) {
        int code = sink->take(sink, sorted[i].row);
        if (code < 0) return code;
    }
    return 0;
}

int special_sort(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct query *query = evaluation->query;
    if (!query->is_instant) {
        annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING, node->place,
                        "sort is ineffective for range queries since results are always ordered "
                        "by labels");
        return evaluate_vector(evaluation, node->call.arguments[0], sink);
    }
    if (evaluation->steps.count > 1) { /* in a subquery */
        return evaluate_vector(evaluation, node->call.arguments[0], sink);
    }
    struct row_list rows = { 0 };
    int code = evaluate_collect(evaluation, node->call.arguments[0], &rows);
    if (code == 0) code = push_sorted(evaluation, node, &rows, sink);
    VEC_RELEASE(&rows);
    return code;
}

/* --- absent --- */

/* What must be true of the series that is missing, as far as `=` says it once. */
static int absent_labels(struct query *query, const struct node *input, struct labels *labels)
{
    while (input->kind == NODE_PAREN) input = input->paren;
    if (input->kind == NODE_MATRIX) input = input->matrix.selector;
    if (input->kind != NODE_SELECTOR) return 0;
    struct labels_builder builder = { 0 };
    for (size_t i = 0; i < input->selector.matcher_count; i++) {
        const struct matcher *matcher = &input->selector.matchers[i];
        if (str_equal(matcher->name, LABEL_METRIC_NAME)) continue;
        bool is_repeated = false;
        for (size_t j = 0; j < i; j++) {
            const struct matcher *earlier = &input->selector.matchers[j];
            is_repeated = is_repeated || (earlier->kind == MATCHER_EQUAL &&
                                          str_equal(earlier->name, matcher->name));
        }
        if (matcher->kind == MATCHER_EQUAL && !is_repeated) {
            labels_builder_set(&builder, matcher->name, matcher->value);
        } else {
            labels_builder_remove(&builder, matcher->name);
        }
    }
    int code = builder.has_failed
                   ? -1
                   : labels_copy(query->arena, labels_builder_labels(&builder), labels);
    labels_builder_release(&builder);
    return code < 0 ? out_of_memory(query) : 0;
}

struct presence {
    struct sink sink;
    struct points_sink points_sink;
    struct evaluation *evaluation;
    unsigned char *seen;
};

static int take_presence(struct sink *sink, struct row *row)
{
    struct presence *presence = (struct presence *)sink;
    for (size_t i = 0; i < presence->evaluation->steps.count; i++) {
        if (ROW_IS_THERE(row->values[i]) ||
            (row->histograms != NULL && row->histograms[i] != NULL)) {
            presence->seen[i] = 1;
        }
    }
    return 0;
}

static bool is_any_inside(const int64_t *times, size_t count, size_t *next, int64_t start_ms,
                          int64_t end_ms)
{
    while (*next < count && times[*next] <= start_ms) ++*next;
    return *next < count && times[*next] <= end_ms;
}

static int take_points(struct points_sink *sink, const struct points *points,
                       const struct windows *windows)
{
    struct presence *presence =
        (struct presence *)(void *)((char *)sink - offsetof(struct presence, points_sink));
    size_t number = 0;
    size_t histogram = 0;
    for (size_t i = 0; i < presence->evaluation->steps.count; i++) {
        int64_t end_ms = steps_time(&windows->ends, i);
        int64_t start_ms = end_ms - windows->range_ms;
        if (is_any_inside(points->times_ms, points->count, &number, start_ms, end_ms) ||
            is_any_inside(points->histogram_times_ms, points->histogram_count, &histogram, start_ms,
                          end_ms)) {
            presence->seen[i] = 1;
        }
    }
    return 0;
}

static int absent(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    const struct node *input = node->call.arguments[0];
    struct presence presence = { .sink = { take_presence },
                                 .points_sink = { take_points },
                                 .evaluation = evaluation };
    struct row row;
    presence.seen = QUERY_ARRAY(evaluation->query, unsigned char, evaluation->steps.count);
    if (presence.seen == NULL) return out_of_memory(evaluation->query);
    int code = row_new(evaluation, &row, false);
    if (code == 0) code = absent_labels(evaluation->query, input, &row.labels);
    if (code == 0) {
        code = input->type == PROMQL_MATRIX
                   ? evaluate_matrix(evaluation, input, &presence.points_sink)
                   : evaluate_vector(evaluation, input, &presence.sink);
    }
    if (code < 0) return code;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        if (presence.seen[i] == 0) row.values[i] = 1;
    }
    return row_is_empty(evaluation, &row) ? 0 : sink->take(sink, &row);
}

int special_absent(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    return absent(evaluation, node, sink);
}

int special_absent_over_time(struct evaluation *evaluation, const struct node *node,
                             struct sink *sink)
{
    return absent(evaluation, node, sink);
}
