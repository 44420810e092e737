/* aggregate_select.c - the aggregations that need all their input: topk, bottomk, limitk,
 * limit_ratio choose among the rows; quantile and count_values look at all values of a step. */
#include "base/check.h"
#include "codec/number.h"
#include "codec/utf8.h"
#include "promql/aggregate.h"
#include "promql/print.h"

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#define VALUE_TEXT_SIZE_MAX ((size_t)1 << 20)
#define LABELS_SIZE_MAX     ((size_t)1 << 24) /* bytes of one label set */

struct selection {
    struct evaluation *evaluation;
    const struct node *node;
    struct grouping grouping;
    struct row_list rows;
    size_t *groups; /* of the rows */
    size_t *order;  /* rows by group, in their order inside */
    size_t *starts; /* of the groups in order; one more than groups */
    double *parameters;
    struct row *chosen; /* per row; values NULL: never chosen */
};

struct candidate {
    double value;
    size_t row;
};

static int sort_into_groups(struct selection *selection)
{
    struct query *query = selection->evaluation->query;
    size_t count = selection->rows.count;
    selection->groups = QUERY_ARRAY(query, size_t, count);
    selection->order = QUERY_ARRAY(query, size_t, count);
    if (selection->groups == NULL || selection->order == NULL) return out_of_memory(query);
    for (size_t r = 0; r < count; r++) {
        int code =
            grouping_find(&selection->grouping, &selection->rows.items[r], &selection->groups[r]);
        if (code < 0) return code;
    }
    size_t group_count = selection->grouping.labels.count;
    size_t *starts = QUERY_ARRAY(query, size_t, group_count + 2);
    if (starts == NULL) return out_of_memory(query);
    for (size_t r = 0; r < count; r++) starts[selection->groups[r] + 2]++;
    for (size_t g = 2; g < group_count + 2; g++) starts[g] += starts[g - 1];
    for (size_t r = 0; r < count; r++) selection->order[starts[selection->groups[r] + 1]++] = r;
    selection->starts = starts;
    return 0;
}

static bool has_histogram(const struct row *row, size_t step)
{
    return row->histograms != NULL && row->histograms[step] != NULL;
}

static int choose(struct selection *selection, size_t r, size_t step)
{
    struct row *chosen = &selection->chosen[r];
    const struct row *row = &selection->rows.items[r];
    if (chosen->values == NULL) {
        int code = row_new(selection->evaluation, chosen, row->histograms != NULL);
        if (code < 0) return code;
        chosen->labels = row->labels;
        chosen->drops_name = row->drops_name;
    }
    chosen->values[step] = row->values[step];
    if (row->histograms != NULL) chosen->histograms[step] = row->histograms[step];
    return 0;
}

static int order_rows(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

/* Greatest first, NaN last. */
static int compare_top(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;
    if (isnan(left->value) || isnan(right->value)) {
        int order = (int)!!isnan(left->value) - (int)!!isnan(right->value);
        return order != 0 ? order : order_rows(left->row, right->row);
    }
    if (left->value > right->value) return -1;
    return left->value < right->value ? 1 : order_rows(left->row, right->row);
}

/* Least first, NaN last. */
static int compare_bottom(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;
    if (isnan(left->value) || isnan(right->value)) return compare_top(a, b);
    if (left->value < right->value) return -1;
    return left->value > right->value ? 1 : order_rows(left->row, right->row);
}

/* Keeps the best `limit` of the candidates at the front, best first. */
static void keep_best(struct candidate *candidates, size_t count, size_t limit,
                      int (*compare)(const void *, const void *))
{
    if (limit > 32 || limit >= count) {
        qsort(candidates, count, sizeof(candidates[0]), compare);
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct candidate candidate = candidates[i];
        size_t at = kept;
        while (at > 0 && compare(&candidate, &candidates[at - 1]) < 0) at--;
        if (at == limit) continue;
        if (kept < limit) kept++;
        memmove(&candidates[at + 1], &candidates[at], (kept - at - 1) * sizeof(candidates[0]));
        candidates[at] = candidate;
    }
}

static int choose_best(struct selection *selection, size_t group, size_t step, size_t limit,
                       struct candidate *candidates, size_t *chosen_count)
{
    size_t count = 0;
    for (size_t i = selection->starts[group]; i < selection->starts[group + 1]; i++) {
        size_t r = selection->order[i];
        const struct row *row = &selection->rows.items[r];
        if (has_histogram(row, step)) annotate_ignored(selection->evaluation, selection->node);
        if (!ROW_IS_THERE(row->values[step])) continue;
        candidates[count++] = (struct candidate){ row->values[step], r };
    }
    keep_best(candidates, count, limit,
              selection->node->aggregate.op == AGGREGATE_TOPK ? compare_top : compare_bottom);
    *chosen_count = count < limit ? count : limit;
    for (size_t i = 0; i < *chosen_count; i++) {
        int code = choose(selection, candidates[i].row, step);
        if (code < 0) return code;
    }
    return 0;
}

static int choose_first(struct selection *selection, size_t group, size_t step, size_t limit)
{
    for (size_t i = selection->starts[group]; i < selection->starts[group + 1]; i++) {
        size_t r = selection->order[i];
        const struct row *row = &selection->rows.items[r];
        if (!ROW_IS_THERE(row->values[step]) && !has_histogram(row, step)) continue;
        if (limit-- == 0) return 0;
        int code = choose(selection, r, step);
        if (code < 0) return code;
    }
    return 0;
}

static void append_sized(struct buf *bytes, struct str text)
{
    if (text.size < 255) {
        buf_append_char(bytes, (char)text.size);
    } else {
        const unsigned char size[] = { 255, (unsigned char)text.size,
                                       (unsigned char)(text.size >> 8),
                                       (unsigned char)(text.size >> 16) };
        buf_append(bytes, size, sizeof(size));
    }
    buf_append_str(bytes, text);
}

/* Where a series stands between 0 and 1: XXH64 over the reference's bytes of a label set, so that
 * the same series are chosen there and here. Each text has its size in front, in one byte, or from
 * 255 on in three behind a 255. Source: Prometheus model/labels, "stringlabels". */
static int place_rows(struct selection *selection, double *places)
{
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, LABELS_SIZE_MAX);
    for (size_t r = 0; r < selection->rows.count; r++) {
        struct labels labels = selection->rows.items[r].labels;
        buf_reset(&bytes);
        for (size_t i = 0; i < labels.count; i++) {
            append_sized(&bytes, labels.items[i].name);
            append_sized(&bytes, labels.items[i].value);
        }
        if (bytes.has_failed) return out_of_memory(selection->evaluation->query);
        places[r] = (double)XXH64(bytes.data, bytes.size, 0) / 18446744073709551616.0;
    }
    return 0;
}

static int choose_ratio(struct selection *selection, const double *places, double ratio,
                        size_t step)
{
    for (size_t r = 0; r < selection->rows.count; r++) {
        const struct row *row = &selection->rows.items[r];
        if (!ROW_IS_THERE(row->values[step]) && !has_histogram(row, step)) continue;
        double place = places[r];
        if (ratio >= 0 ? place >= ratio : place < 1.0 + ratio) continue;
        int code = choose(selection, r, step);
        if (code < 0) return code;
    }
    return 0;
}

static int push_chosen(struct selection *selection, struct sink *sink,
                       const struct candidate *ranked, size_t ranked_count)
{
    bool is_ranked = ranked != NULL;
    size_t count = is_ranked ? ranked_count : selection->rows.count;
    for (size_t i = 0; i < count; i++) {
        struct row *row = &selection->chosen[is_ranked ? ranked[i].row : i];
        if (row->values == NULL) continue;
        int code = sink->take(sink, row);
        if (code < 0) return code;
    }
    return 0;
}

static int check_limits(struct selection *selection)
{
    struct query *query = selection->evaluation->query;
    for (size_t i = 0; i < selection->evaluation->steps.count; i++) {
        double k = selection->parameters[i];
        if (isnan(k)) return evaluation_fail(query, "Parameter value is NaN");
        if (!(fabs(k) < 9223372036854775807.0)) {
            char text[NUMBER_SIZE_MAX];
            size_t size = number_print_go(k, text);
            return evaluation_fail(query, "Scalar value %.*s overflows int64", (int)size, text);
        }
    }
    return 0;
}

/* topk, bottomk and limitk. An instant query's answer stands best first, group by group. */
static int select_count(struct selection *selection, struct sink *sink)
{
    struct query *query = selection->evaluation->query;
    bool is_limitk = selection->node->aggregate.op == AGGREGATE_LIMITK;
    size_t steps = selection->evaluation->steps.count;
    struct candidate *candidates = QUERY_ARRAY(query, struct candidate, selection->rows.count);
    if (candidates == NULL) return out_of_memory(query);
    size_t ranked = 0;
    size_t groups = selection->grouping.labels.count;
    for (size_t i = 0; i < steps; i++) {
        double k = selection->parameters[i];
        if (k < 1) continue;
        size_t limit = k < (double)SIZE_MAX / 4 ? (size_t)k : SIZE_MAX / 4;
        int code = query_tick(query, selection->rows.count);
        for (size_t g = 0; code == 0 && g < groups; g++) {
            size_t count = 0;
            code = is_limitk ? choose_first(selection, g, i, limit)
                             : choose_best(selection, g, i, limit, candidates + ranked, &count);
            if (steps == 1) ranked += count;
        }
        if (code < 0) return code;
    }
    bool is_ranked = steps == 1 && !is_limitk;
    return push_chosen(selection, sink, is_ranked ? candidates : NULL, ranked);
}

static int select_ratio(struct selection *selection, struct sink *sink)
{
    struct query *query = selection->evaluation->query;
    double *places = QUERY_ARRAY(query, double, selection->rows.count);
    if (places == NULL) return out_of_memory(query);
    int code = place_rows(selection, places);
    if (code < 0) return code;
    for (size_t i = 0; i < selection->evaluation->steps.count; i++) {
        double ratio = selection->parameters[i];
        if (isnan(ratio)) return evaluation_fail(query, "Ratio value is NaN");
        double capped = ratio > 1 ? 1 : ratio < -1 ? -1 : ratio;
        if (capped > ratio || capped < ratio) {
            annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING,
                            selection->node->aggregate.parameter->place,
                            "ratio value should be between -1 and 1, got %g, capping to %g", ratio,
                            capped);
        }
        if (capped == 0) continue;
        code = query_tick(query, selection->rows.count);
        if (code == 0) code = choose_ratio(selection, places, capped, i);
        if (code < 0) return code;
    }
    return push_chosen(selection, sink, NULL, 0);
}

/* --- quantile --- */

void annotate_quantile(struct query *query, struct place place, double q)
{
    if (q >= 0 && q <= 1) return;
    char text[NUMBER_SIZE_MAX];
    size_t size = number_print_go(q, text);
    annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING, place,
                    "quantile value should be between 0 and 1, got %.*s", (int)size, text);
}

static int quantile_group(struct selection *selection, size_t group, double *scratch,
                          struct row *row)
{
    for (size_t step = 0; step < selection->evaluation->steps.count; step++) {
        size_t count = 0;
        for (size_t i = selection->starts[group]; i < selection->starts[group + 1]; i++) {
            const struct row *input = &selection->rows.items[selection->order[i]];
            if (has_histogram(input, step)) {
                annotate_ignored(selection->evaluation, selection->node);
            }
            if (ROW_IS_THERE(input->values[step])) scratch[count++] = input->values[step];
        }
        int code = query_tick(selection->evaluation->query, 4 * count);
        if (code < 0) return code;
        if (count == 0) continue;
        row->values[step] = quantile_of_numbers(selection->parameters[step], scratch, count);
    }
    return 0;
}

static int select_quantile(struct selection *selection, struct sink *sink)
{
    struct query *query = selection->evaluation->query;
    double *scratch = QUERY_ARRAY(query, double, selection->rows.count);
    if (scratch == NULL) return out_of_memory(query);
    for (size_t i = 0; i < selection->evaluation->steps.count; i++) {
        annotate_quantile(query, selection->node->aggregate.parameter->place,
                          selection->parameters[i]);
    }
    for (size_t g = 0; g < selection->grouping.labels.count; g++) {
        struct row row;
        int code = row_new(selection->evaluation, &row, false);
        if (code == 0) code = quantile_group(selection, g, scratch, &row);
        if (code < 0) return code;
        row.labels = selection->grouping.labels.items[g];
        row.drops_name = selection->grouping.drops_name.items[g];
        if (row_is_empty(selection->evaluation, &row)) continue;
        if ((code = sink->take(sink, &row)) < 0) return code;
    }
    return 0;
}

/* --- count_values --- */

struct value_counts {
    struct selection *selection;
    struct str label;
    struct map numbers; /* key of the labels to row + 1 */
    struct row_list rows;
    struct labels_builder builder;
    struct buf text;
};

static int count_value(struct value_counts *counts, size_t group, size_t step)
{
    struct query *query = counts->selection->evaluation->query;
    labels_builder_start(&counts->builder, counts->selection->grouping.labels.items[group]);
    labels_builder_set(&counts->builder, counts->label, buf_str(&counts->text));
    if (counts->builder.has_failed || counts->text.has_failed) return out_of_memory(query);
    struct labels labels = labels_builder_labels(&counts->builder);
    struct str key = labels_key(query->arena, labels);
    if (key.data == NULL) return out_of_memory(query);
    size_t known = (size_t)(uintptr_t)map_get(&counts->numbers, key);
    if (known == 0) {
        struct row row;
        int code = row_new(counts->selection->evaluation, &row, false);
        if (code < 0) return code;
        if (labels_copy(query->arena, labels, &row.labels) < 0 || !VEC_PUSH(&counts->rows, row) ||
            map_put_borrowed(&counts->numbers, key, (void *)(uintptr_t)counts->rows.count) != 0) {
            return out_of_memory(query);
        }
        known = counts->rows.count;
    }
    double *value = &counts->rows.items[known - 1].values[step];
    *value = ROW_IS_THERE(*value) ? *value + 1 : 1;
    return 0;
}

static int count_rows(struct value_counts *counts)
{
    struct selection *selection = counts->selection;
    for (size_t r = 0; r < selection->rows.count; r++) {
        const struct row *row = &selection->rows.items[r];
        for (size_t step = 0; step < selection->evaluation->steps.count; step++) {
            buf_reset(&counts->text);
            if (has_histogram(row, step)) {
                histogram_print(&counts->text, row->histograms[step]);
            } else if (ROW_IS_THERE(row->values[step])) {
                char text[NUMBER_SIZE_MAX];
                buf_append(&counts->text, text, number_print_plain(row->values[step], text));
            } else {
                continue;
            }
            int code = query_tick(selection->evaluation->query, 64);
            if (code == 0) code = count_value(counts, selection->groups[r], step);
            if (code < 0) return code;
        }
    }
    return 0;
}

static int select_count_values(struct selection *selection, struct sink *sink)
{
    struct query *query = selection->evaluation->query;
    struct value_counts counts = { .selection = selection };
    counts.label = evaluate_string(selection->node->aggregate.parameter);
    buf_init(&counts.text, VALUE_TEXT_SIZE_MAX);
    if (counts.label.size == 0 || !utf8_is_valid(counts.label)) {
        print_quoted(&counts.text, counts.label);
        int code = evaluation_fail(query, "invalid label name %s", buf_cstr(&counts.text));
        buf_release(&counts.text);
        return code;
    }
    int code = count_rows(&counts);
    for (size_t i = 0; code == 0 && i < counts.rows.count; i++) {
        code = sink->take(sink, &counts.rows.items[i]);
    }
    map_release(&counts.numbers);
    VEC_RELEASE(&counts.rows);
    labels_builder_release(&counts.builder);
    buf_release(&counts.text);
    return code;
}

static int run(struct selection *selection, struct sink *sink)
{
    struct query *query = selection->evaluation->query;
    enum aggregation op = selection->node->aggregate.op;
    int code = 0;
    if (op != AGGREGATE_COUNT_VALUES) {
        selection->parameters = QUERY_ARRAY(query, double, selection->evaluation->steps.count);
        if (selection->parameters == NULL) return out_of_memory(query);
        code = evaluate_scalar(selection->evaluation, selection->node->aggregate.parameter,
                               selection->parameters);
        if (code == 0 && op != AGGREGATE_QUANTILE && op != AGGREGATE_LIMIT_RATIO) {
            code = check_limits(selection);
        }
    }
    if (code == 0) {
        code = evaluate_collect(selection->evaluation, selection->node->aggregate.inner,
                                &selection->rows);
    }
    if (code == 0) code = sort_into_groups(selection);
    if (code < 0) return code;
    selection->chosen = QUERY_ARRAY(query, struct row, selection->rows.count);
    if (selection->chosen == NULL) return out_of_memory(query);
    if (op == AGGREGATE_QUANTILE) return select_quantile(selection, sink);
    if (op == AGGREGATE_COUNT_VALUES) return select_count_values(selection, sink);
    if (op == AGGREGATE_LIMIT_RATIO) return select_ratio(selection, sink);
    return select_count(selection, sink);
}

int aggregate_selecting(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct selection selection = { .evaluation = evaluation, .node = node };
    int code = grouping_init(&selection.grouping, evaluation, node);
    if (code == 0) code = run(&selection, sink);
    grouping_release(&selection.grouping);
    VEC_RELEASE(&selection.rows);
    return code;
}
