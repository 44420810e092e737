/* binary.c - operators on single values, and vectors with scalars. */
#include "promql/binary.h"

#include "base/check.h"

#include <math.h>

double binary_scalar(enum binary_operator op, double left, double right)
{
    switch (op) {
    case BINARY_ADD: return left + right;
    case BINARY_SUBTRACT: return left - right;
    case BINARY_MULTIPLY: return left * right;
    case BINARY_DIVIDE: return left / right;
    case BINARY_MODULO: return fmod(left, right);
    case BINARY_POWER: return pow(left, right);
    case BINARY_ATAN2: return atan2(left, right);
    case BINARY_EQUAL: return left == right;
    case BINARY_NOT_EQUAL: return left != right;
    case BINARY_LESS: return left < right;
    case BINARY_LESS_EQUAL: return left <= right;
    case BINARY_GREATER: return left > right;
    case BINARY_GREATER_EQUAL: return left >= right;
    case BINARY_OR:
    case BINARY_AND:
    case BINARY_UNLESS:
    case BINARY_TRIM_UPPER:
    case BINARY_TRIM_LOWER:
    case BINARY_COUNT: break;
    }
    return (double)NAN;
}

bool binary_drops_name(const struct node *node)
{
    return node->binary.returns_bool || node->binary.op >= BINARY_ADD;
}

int row_put(struct evaluation *evaluation, struct row *row, size_t step, const struct value *value)
{
    if (value->histogram == NULL) {
        row->values[step] = value->number;
        return 0;
    }
    int code = row_need_histograms(evaluation, row);
    if (code == 0) row->histograms[step] = value->histogram;
    return code;
}

static int incompatible(struct evaluation *evaluation, const struct node *node,
                        const struct value *left, const struct value *right)
{
    struct query *query = evaluation->query;
    struct str name = binary_names[node->binary.op];
    annotations_add(&query->annotations, query->expr, ANNOTATION_INFO, node->place,
                    "incompatible sample types encountered for binary operator \"" STR_FMT
                    "\": %s " STR_FMT " %s",
                    STR_ARG(name), left->histogram == NULL ? "float" : "histogram", STR_ARG(name),
                    right->histogram == NULL ? "float" : "histogram");
    return 0;
}

static void annotate_sum(struct evaluation *evaluation, const struct node *node, int code,
                         unsigned events)
{
    struct query *query = evaluation->query;
    bool is_sum = node->binary.op == BINARY_ADD;
    const char *what = is_sum ? "addition" : "subtraction";
    if (code == ERROR_INVALID) {
        annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING, node->place,
                        "incompatible bucket layout encountered for binary operator %s",
                        is_sum ? "+" : "-");
    }
    if ((events & HISTOGRAM_EVENT_RESETS_CONFLICT) != 0) {
        annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING, node->place,
                        "conflicting counter resets during histogram %s", what);
    }
    if ((events & HISTOGRAM_EVENT_RECONCILED) != 0) {
        annotations_add(&query->annotations, query->expr, ANNOTATION_INFO, node->place,
                        "mismatched custom buckets were reconciled during %s", what);
    }
}

static int add_histograms(struct evaluation *evaluation, const struct node *node,
                          const struct histogram *left, const struct histogram *right,
                          struct value *result)
{
    bool is_sum = node->binary.op == BINARY_ADD;
    struct histogram_sum sum = { 0 };
    unsigned events = 0;
    int code = histogram_sum_start(&sum, left);
    if (code == 0) code = histogram_sum_add(&sum, right, is_sum ? 1 : -1, &events);
    if (code == 0 || code == ERROR_INVALID) annotate_sum(evaluation, node, code, events);
    int answer = 0;
    if (code == 0) {
        if (!is_sum) sum.head.hint = HISTOGRAM_HINT_GAUGE;
        result->number = ROW_ABSENT;
        result->histogram = histogram_sum_finish(&sum, evaluation->query->arena);
        answer = result->histogram == NULL ? out_of_memory(evaluation->query) : 1;
    } else if (code != ERROR_INVALID) {
        answer = out_of_memory(evaluation->query);
    }
    histogram_sum_release(&sum);
    return answer;
}

static int scale_histogram(struct evaluation *evaluation, const struct histogram *histogram,
                           bool divides, double factor, struct value *result)
{
    struct histogram_sum sum = { 0 };
    const struct histogram *made = NULL;
    if (histogram_sum_start(&sum, histogram) == 0) {
        if (divides) {
            histogram_sum_divide(&sum, factor);
        } else {
            histogram_sum_multiply(&sum, factor);
        }
        made = histogram_sum_finish(&sum, evaluation->query->arena);
    }
    histogram_sum_release(&sum);
    if (made == NULL) return out_of_memory(evaluation->query);
    *result = (struct value){ ROW_ABSENT, made };
    return 1;
}

static int apply_histograms(struct evaluation *evaluation, const struct node *node,
                            const struct value *left, const struct value *right,
                            struct value *result)
{
    enum binary_operator op = node->binary.op;
    const struct histogram *a = left->histogram;
    const struct histogram *b = right->histogram;
    if (a != NULL && b != NULL) {
        if (op == BINARY_ADD || op == BINARY_SUBTRACT) {
            return add_histograms(evaluation, node, a, b, result);
        }
        if (op != BINARY_EQUAL && op != BINARY_NOT_EQUAL) {
            return incompatible(evaluation, node, left, right);
        }
        bool holds = histogram_equal(a, b) == (op == BINARY_EQUAL);
        *result = node->binary.returns_bool ? (struct value){ holds ? 1 : 0, NULL } : *left;
        return holds || node->binary.returns_bool ? 1 : 0;
    }
    if (op == BINARY_MULTIPLY) {
        return scale_histogram(evaluation, a != NULL ? a : b, false,
                               a != NULL ? right->number : left->number, result);
    }
    if (a != NULL && op == BINARY_DIVIDE) {
        return scale_histogram(evaluation, a, true, right->number, result);
    }
    if (a != NULL && (op == BINARY_TRIM_LOWER || op == BINARY_TRIM_UPPER)) {
        const struct histogram *trimmed =
            histogram_trim(evaluation->query->arena, a, right->number, op == BINARY_TRIM_UPPER);
        if (trimmed == NULL) return out_of_memory(evaluation->query);
        *result = (struct value){ ROW_ABSENT, trimmed };
        return 1;
    }
    return incompatible(evaluation, node, left, right);
}

int binary_apply(struct evaluation *evaluation, const struct node *node, const struct value *left,
                 const struct value *right, struct value *result)
{
    enum binary_operator op = node->binary.op;
    if (left->histogram != NULL || right->histogram != NULL) {
        return apply_histograms(evaluation, node, left, right, result);
    }
    if (op == BINARY_TRIM_LOWER || op == BINARY_TRIM_UPPER) {
        return incompatible(evaluation, node, left, right);
    }
    double value = binary_scalar(op, left->number, right->number);
    if (!binary_is_comparison(op) || node->binary.returns_bool) {
        *result = (struct value){ value, NULL };
        return 1;
    }
    if (value == 0) return 0;
    *result = *left;
    return 1;
}

/* --- vector with scalar --- */

struct scalar_side {
    struct sink sink;
    struct evaluation *evaluation;
    const struct node *node;
    struct sink *next;
    double *scalars; /* one a step */
    bool is_left;    /* the scalar stands on the left */
};

static int apply_scalar(struct scalar_side *side, struct row *row, size_t step)
{
    struct value vector = row_value(row, step);
    struct value scalar = { side->scalars[step], NULL };
    struct value result;
    int code = side->is_left
                   ? binary_apply(side->evaluation, side->node, &scalar, &vector, &result)
                   : binary_apply(side->evaluation, side->node, &vector, &scalar, &result);
    if (code < 0) return code;
    row->values[step] = ROW_ABSENT;
    if (row->histograms != NULL) row->histograms[step] = NULL;
    if (code == 0) return 0;
    /* A filter keeps the vector's value, wherever it stands. */
    bool is_filter =
        binary_is_comparison(side->node->binary.op) && !side->node->binary.returns_bool;
    return row_put(side->evaluation, row, step, is_filter ? &vector : &result);
}

static int take_scalar_side(struct sink *sink, struct row *row)
{
    struct scalar_side *side = (struct scalar_side *)sink;
    size_t count = side->evaluation->steps.count;
    enum binary_operator op = side->node->binary.op;
    int code = query_tick(side->evaluation->query, count);
    if (code < 0) return code;
    if (row->histograms == NULL && op >= BINARY_ADD) {
        for (size_t i = 0; i < count; i++) {
            if (!ROW_IS_THERE(row->values[i])) continue;
            row->values[i] = side->is_left ? binary_scalar(op, side->scalars[i], row->values[i])
                                           : binary_scalar(op, row->values[i], side->scalars[i]);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            if (!row_has(row, i)) continue;
            if ((code = apply_scalar(side, row, i)) < 0) return code;
        }
        if (row_is_empty(side->evaluation, row)) return 0;
    }
    if (binary_drops_name(side->node)) code = row_drop_name(side->evaluation, row);
    return code < 0 ? code : side->next->take(side->next, row);
}

static int with_scalar(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    bool is_left = node->binary.left->type == PROMQL_SCALAR;
    struct scalar_side side = { .sink = { take_scalar_side },
                                .evaluation = evaluation,
                                .node = node,
                                .next = sink,
                                .is_left = is_left };
    side.scalars = QUERY_ARRAY(evaluation->query, double, evaluation->steps.count);
    if (side.scalars == NULL) return out_of_memory(evaluation->query);
    const struct node *scalar = is_left ? node->binary.left : node->binary.right;
    const struct node *vector = is_left ? node->binary.right : node->binary.left;
    int code = evaluate_scalar(evaluation, scalar, side.scalars);
    if (code < 0) return code;
    if (!binary_drops_name(node) || node_has_one_name(vector)) {
        return evaluate_vector(evaluation, vector, &side.sink);
    }
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    side.next = &merge.sink;
    code = evaluate_vector(evaluation, vector, &side.sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    return code;
}

int evaluate_binary(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    if (binary_is_set(node->binary.op)) return binary_set(evaluation, node, sink);
    if (node->binary.left->type == PROMQL_VECTOR && node->binary.right->type == PROMQL_VECTOR) {
        return binary_match(evaluation, node, sink);
    }
    return with_scalar(evaluation, node, sink);
}
