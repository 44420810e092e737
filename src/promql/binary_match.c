/* binary_match.c - vector with vector: rows meet by their labels.
 *
 * Rows of both sides are numbered by signature, the labels that must be equal. A signature's rows
 * then meet step by step; mostly there is one on each side. "Many" is the left side, unless
 * group_right turns the sides around; "one" is the other, and two of its rows at one step are an
 * error.
 */
#include "base/check.h"
#include "promql/binary.h"

#include <math.h>

#define KEY_SIZE_MAX  ((size_t)1 << 24)
#define TEXT_SIZE_MAX ((size_t)4096)
#define NO_ROW        SIZE_MAX

/* --- signatures --- */

void signatures_init(struct signatures *signatures, struct evaluation *evaluation,
                     const struct matching *matching)
{
    *signatures = (struct signatures){ .evaluation = evaluation, .matching = matching };
    buf_init(&signatures->key, KEY_SIZE_MAX);
}

void signatures_release(struct signatures *signatures)
{
    map_release(&signatures->numbers);
    buf_release(&signatures->key);
}

static bool is_matched(const struct matching *matching, struct str name)
{
    bool is_listed = false;
    for (size_t i = 0; !is_listed && i < matching->label_count; i++) {
        is_listed = str_equal(matching->labels[i], name);
    }
    if (matching->is_on) return is_listed;
    return !is_listed && !str_equal(name, LABEL_METRIC_NAME);
}

int signatures_find(struct signatures *signatures, struct labels labels, size_t *number)
{
    buf_reset(&signatures->key);
    for (size_t i = 0; i < labels.count; i++) {
        if (!is_matched(signatures->matching, labels.items[i].name)) continue;
        const struct str parts[] = { labels.items[i].name, labels.items[i].value };
        for (size_t p = 0; p < 2; p++) {
            uint32_t size = (uint32_t)parts[p].size;
            buf_append(&signatures->key, &size, sizeof(size));
            buf_append_str(&signatures->key, parts[p]);
        }
    }
    struct query *query = signatures->evaluation->query;
    if (signatures->key.has_failed) return out_of_memory(query);
    struct str key = buf_str(&signatures->key);
    size_t known = (size_t)(uintptr_t)map_get(&signatures->numbers, key);
    if (known > 0) {
        *number = known - 1;
        return 0;
    }
    *number = signatures->count++;
    if (map_put(&signatures->numbers, key, (void *)(uintptr_t)signatures->count) != 0) {
        return out_of_memory(query);
    }
    return 0;
}

int signatures_number(struct signatures *signatures, const struct row_list *rows, size_t **numbers)
{
    struct query *query = signatures->evaluation->query;
    *numbers = QUERY_ARRAY(query, size_t, rows->count);
    if (*numbers == NULL) return out_of_memory(query);
    for (size_t r = 0; r < rows->count; r++) {
        int code = signatures_find(signatures, rows->items[r].labels, &(*numbers)[r]);
        if (code < 0) return code;
    }
    return 0;
}

int signatures_bucket(struct signatures *signatures, const struct row_list *rows,
                      const size_t *numbers, struct buckets *buckets)
{
    struct query *query = signatures->evaluation->query;
    size_t *order = QUERY_ARRAY(query, size_t, rows->count);
    size_t *starts = QUERY_ARRAY(query, size_t, signatures->count + 2);
    if (order == NULL || starts == NULL) return out_of_memory(query);
    for (size_t r = 0; r < rows->count; r++) starts[numbers[r] + 2]++;
    for (size_t s = 2; s < signatures->count + 2; s++) starts[s] += starts[s - 1];
    for (size_t r = 0; r < rows->count; r++) order[starts[numbers[r] + 1]++] = r;
    *buckets = (struct buckets){ order, starts };
    return 0;
}

int matching_labels(struct query *query, const struct matching *matching, struct labels labels,
                    struct labels *out)
{
    struct label *items = QUERY_ARRAY(query, struct label, labels.count);
    if (items == NULL) return out_of_memory(query);
    size_t count = 0;
    for (size_t i = 0; i < labels.count; i++) {
        if (is_matched(matching, labels.items[i].name)) items[count++] = labels.items[i];
    }
    *out = (struct labels){ items, count };
    return 0;
}

/* --- the join --- */

struct join {
    struct evaluation *evaluation;
    const struct node *node;
    const struct matching *matching;
    bool is_turned; /* group_right: `many` holds the right side */
    bool has_fill_many;
    bool has_fill_one;
    double fill_many;
    double fill_one;
    struct row_list many;
    struct row_list one;
    struct buckets many_buckets;
    struct buckets one_buckets;
    size_t *one_at;          /* which row of the one side stands at each step */
    unsigned char *has_many; /* steps at which the many side has anything at all */
    unsigned char *matched;  /* steps at which the signature had a many side */
    struct map by_labels;    /* of results */
    struct row_list results;
    unsigned char **taken; /* per result: steps at which it has been made, kept or not */
    size_t taken_capacity;
};

static void print_metric(struct buf *buf, struct labels labels)
{
    const char *separator = "";
    buf_append_char(buf, '{');
    for (size_t i = 0; i < labels.count; i++) {
        buf_printf(buf, "%s" STR_FMT "=\"" STR_FMT "\"", separator, STR_ARG(labels.items[i].name),
                   STR_ARG(labels.items[i].value));
        separator = ", ";
    }
    buf_append_char(buf, '}');
}

static int fail_duplicate(struct join *join, const struct row *first, const struct row *second)
{
    struct query *query = join->evaluation->query;
    struct labels group;
    int code = matching_labels(query, join->matching, first->labels, &group);
    if (code < 0) return code;
    struct buf text;
    buf_init(&text, TEXT_SIZE_MAX);
    buf_append_cstr(&text, "found duplicate series for the match group ");
    print_metric(&text, group);
    buf_printf(&text, " on the %s hand-side of the operation: [",
               join->is_turned ? "left" : "right");
    print_metric(&text, second->labels);
    buf_append_cstr(&text, ", ");
    print_metric(&text, first->labels);
    buf_append_cstr(&text, "];many-to-many matching not allowed: matching labels must be unique "
                           "on one side");
    code = evaluation_fail(query, "%s", buf_cstr(&text));
    buf_release(&text);
    return code;
}

/* Which row of the one side stands where. Two of them are no error where there is nothing on the
 * other side: the reference looks no further then. */
static int place_one_side(struct join *join, size_t signature)
{
    size_t steps = join->evaluation->steps.count;
    for (size_t i = 0; i < steps; i++) join->one_at[i] = NO_ROW;
    const struct buckets *buckets = &join->one_buckets;
    for (size_t b = buckets->starts[signature]; b < buckets->starts[signature + 1]; b++) {
        size_t r = buckets->order[b];
        const struct row *row = &join->one.items[r];
        for (size_t i = 0; i < steps; i++) {
            if (!row_has(row, i)) continue;
            if (join->one_at[i] != NO_ROW && (join->has_many[i] != 0 || join->has_fill_many)) {
                return fail_duplicate(join, &join->one.items[join->one_at[i]], row);
            }
            join->one_at[i] = r;
        }
    }
    return 0;
}

static bool is_included(const struct matching *matching, struct str name)
{
    for (size_t i = 0; i < matching->include_count; i++) {
        if (str_equal(matching->include[i], name)) return true;
    }
    return false;
}

/* The many side's labels, with the included ones of the one side. */
static int grouped_labels(struct join *join, struct labels many, struct labels one,
                          struct row *result)
{
    struct query *query = join->evaluation->query;
    size_t included = 0;
    for (size_t i = 0; i < one.count; i++) {
        if (is_included(join->matching, one.items[i].name)) included++;
    }
    struct label *items = QUERY_ARRAY(query, struct label, many.count + included);
    if (items == NULL) return out_of_memory(query);
    size_t count = 0;
    size_t o = 0;
    for (size_t m = 0; m <= many.count; m++) {
        for (; o < one.count; o++) {
            if (m < many.count && str_compare(one.items[o].name, many.items[m].name) > 0) break;
            if (is_included(join->matching, one.items[o].name)) items[count++] = one.items[o];
        }
        if (m == many.count || is_included(join->matching, many.items[m].name)) continue;
        items[count++] = many.items[m];
    }
    result->labels = (struct labels){ items, count };
    return 0;
}

static int result_labels(struct join *join, const struct row *many, const struct row *one,
                         struct row *result)
{
    const struct matching *matching = join->matching;
    result->labels = many->labels;
    result->drops_name = many->drops_name;
    int code = 0;
    if (binary_drops_name(join->node)) code = row_drop_name(join->evaluation, result);
    if (code < 0) return code;
    if (matching->card != MATCH_ONE_TO_ONE) {
        if (matching->include_count == 0) return 0;
        return grouped_labels(join, result->labels, one->labels, result);
    }
    if (matching->is_on || matching->label_count > 0) {
        /* ignoring() takes its labels away, and keeps the name where that was kept. */
        struct labels kept;
        code = matching_labels(join->evaluation->query, matching, result->labels, &kept);
        if (code < 0 || matching->is_on) {
            if (code == 0) result->labels = kept;
            return code;
        }
        struct str name = labels_get(result->labels, LABEL_METRIC_NAME);
        if (name.size == 0) {
            result->labels = kept;
            return 0;
        }
        struct label *items = QUERY_ARRAY(join->evaluation->query, struct label, kept.count + 1);
        if (items == NULL) return out_of_memory(join->evaluation->query);
        size_t count = 0;
        for (size_t i = 0; i < result->labels.count; i++) {
            const struct label *label = &result->labels.items[i];
            if (str_equal(label->name, LABEL_METRIC_NAME) || is_matched(matching, label->name)) {
                items[count++] = *label;
            }
        }
        result->labels = (struct labels){ items, count };
    }
    return 0;
}

/* The result row for these labels, a new one or that of another pair with the same. */
static int find_result(struct join *join, const struct row *wanted, size_t *number)
{
    struct evaluation *evaluation = join->evaluation;
    struct query *query = evaluation->query;
    struct str key = labels_key(query->arena, wanted->labels);
    if (key.data == NULL) return out_of_memory(query);
    size_t known = (size_t)(uintptr_t)map_get(&join->by_labels, key);
    if (known > 0) {
        *number = known - 1;
        return 0;
    }
    struct row row;
    int code = query_hold(query, evaluation->steps.count);
    if (code == 0) code = row_new(evaluation, &row, false);
    if (code < 0) return code;
    row.labels = wanted->labels;
    row.drops_name = wanted->drops_name;
    if (join->results.count == join->taken_capacity) {
        size_t capacity = join->taken_capacity < 16 ? 64 : join->taken_capacity * 2;
        unsigned char **taken = QUERY_ARRAY(query, unsigned char *, capacity);
        if (taken == NULL) return out_of_memory(query);
        if (join->results.count > 0) {
            memcpy((void *)taken, (void *)join->taken, join->results.count * sizeof(taken[0]));
        }
        join->taken = taken;
        join->taken_capacity = capacity;
    }
    unsigned char *steps = QUERY_ARRAY(query, unsigned char, evaluation->steps.count);
    if (steps == NULL || !VEC_PUSH(&join->results, row) ||
        map_put_borrowed(&join->by_labels, key, (void *)(uintptr_t)join->results.count) != 0) {
        return out_of_memory(query);
    }
    *number = join->results.count - 1;
    join->taken[*number] = steps;
    return 0;
}

static int join_at(struct join *join, size_t result, size_t step, struct value many,
                   struct value one)
{
    struct query *query = join->evaluation->query;
    bool is_one_to_one = join->matching->card == MATCH_ONE_TO_ONE;
    if (is_one_to_one ? join->matched[step] != 0 : join->taken[result][step] != 0) {
        return evaluation_fail(query, is_one_to_one
                                          ? "multiple matches for labels: many-to-one matching "
                                            "must be explicit (group_left/group_right)"
                                          : "multiple matches for labels: grouping labels must "
                                            "ensure unique matches");
    }
    join->taken[result][step] = 1;
    join->matched[step] = 1;
    struct value value;
    int code = join->is_turned ? binary_apply(join->evaluation, join->node, &one, &many, &value)
                               : binary_apply(join->evaluation, join->node, &many, &one, &value);
    if (code != 1) return code;
    struct row *row = &join->results.items[result];
    if (row_has(row, step)) {
        return evaluation_fail(query, "vector cannot contain metrics with the same labelset");
    }
    return row_put(join->evaluation, row, step, &value);
}

/* One row of the many side with one of the other, or with the fill where NO_ROW stands. */
static int join_pair(struct join *join, const struct row *many, size_t one_number)
{
    struct evaluation *evaluation = join->evaluation;
    size_t steps = evaluation->steps.count;
    size_t i = 0;
    while (i < steps && (join->one_at[i] != one_number || !row_has(many, i))) i++;
    if (i == steps) return 0;
    struct row filled = { 0 };
    const struct row *one = &filled;
    if (one_number == NO_ROW) {
        int code = matching_labels(evaluation->query, join->matching, many->labels, &filled.labels);
        if (code < 0) return code;
    } else {
        one = &join->one.items[one_number];
    }
    struct row wanted;
    size_t result;
    int code = result_labels(join, many, one, &wanted);
    if (code == 0) code = find_result(join, &wanted, &result);
    for (; code == 0 && i < steps; i++) {
        if (join->one_at[i] != one_number || !row_has(many, i)) continue;
        struct value value = { join->fill_one, NULL };
        if (one_number != NO_ROW) value = row_value(one, i);
        code = join_at(join, result, i, row_value(many, i), value);
    }
    return code;
}

/* Steps at which the one side stands alone. */
static int fill_many_side(struct join *join, size_t one_number)
{
    struct evaluation *evaluation = join->evaluation;
    const struct row *one = &join->one.items[one_number];
    struct row many = { 0 };
    int code = matching_labels(evaluation->query, join->matching, one->labels, &many.labels);
    struct row wanted;
    size_t result = NO_ROW;
    for (size_t i = 0; code == 0 && i < evaluation->steps.count; i++) {
        if (join->matched[i] != 0 || !row_has(one, i)) continue;
        if (result == NO_ROW) {
            code = result_labels(join, &many, one, &wanted);
            if (code == 0) code = find_result(join, &wanted, &result);
            if (code < 0) return code;
        }
        struct value fill = { join->fill_many, NULL };
        code = join_at(join, result, i, fill, row_value(one, i));
    }
    return code;
}

static int join_signature(struct join *join, size_t signature)
{
    int code = place_one_side(join, signature);
    if (code < 0) return code;
    memset(join->matched, 0, join->evaluation->steps.count);
    const struct buckets *many = &join->many_buckets;
    const struct buckets *one = &join->one_buckets;
    size_t work = join->evaluation->steps.count;
    for (size_t m = many->starts[signature]; m < many->starts[signature + 1]; m++) {
        const struct row *row = &join->many.items[many->order[m]];
        for (size_t o = one->starts[signature]; o < one->starts[signature + 1]; o++) {
            code = query_tick(join->evaluation->query, work);
            if (code == 0) code = join_pair(join, row, one->order[o]);
            if (code < 0) return code;
        }
        if (join->has_fill_one && (code = join_pair(join, row, NO_ROW)) < 0) return code;
    }
    for (size_t o = one->starts[signature]; join->has_fill_many && o < one->starts[signature + 1];
         o++) {
        if ((code = fill_many_side(join, one->order[o])) < 0) return code;
    }
    return 0;
}

static int run_join(struct join *join, struct signatures *signatures, struct sink *sink)
{
    struct evaluation *evaluation = join->evaluation;
    struct query *query = evaluation->query;
    const struct node *node = join->node;
    int code =
        evaluate_collect(evaluation, node->binary.left, join->is_turned ? &join->one : &join->many);
    if (code == 0) { /* also when there is nothing to join: its errors count */
        code = evaluate_collect(evaluation, node->binary.right,
                                join->is_turned ? &join->many : &join->one);
    }
    size_t *many_numbers = NULL;
    size_t *one_numbers = NULL;
    if (code == 0) code = signatures_number(signatures, &join->many, &many_numbers);
    if (code == 0) code = signatures_number(signatures, &join->one, &one_numbers);
    if (code == 0) {
        code = signatures_bucket(signatures, &join->many, many_numbers, &join->many_buckets);
    }
    if (code == 0) {
        code = signatures_bucket(signatures, &join->one, one_numbers, &join->one_buckets);
    }
    if (code < 0) return code;
    join->one_at = QUERY_ARRAY(query, size_t, evaluation->steps.count);
    join->matched = QUERY_ARRAY(query, unsigned char, evaluation->steps.count);
    join->has_many = QUERY_ARRAY(query, unsigned char, evaluation->steps.count);
    if (join->one_at == NULL || join->matched == NULL || join->has_many == NULL) {
        return out_of_memory(query);
    }
    for (size_t r = 0; r < join->many.count; r++) {
        for (size_t i = 0; i < evaluation->steps.count; i++) {
            join->has_many[i] |= row_has(&join->many.items[r], i);
        }
    }
    for (size_t s = 0; code == 0 && s < signatures->count; s++) code = join_signature(join, s);
    for (size_t r = 0; code == 0 && r < join->results.count; r++) {
        struct row *row = &join->results.items[r];
        if (!row_is_empty(evaluation, row)) code = sink->take(sink, row);
    }
    return code;
}

int binary_match(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    const struct matching *matching = &node->binary.matching;
    struct join join = {
        .evaluation = evaluation,
        .node = node,
        .matching = matching,
        .is_turned = matching->card == MATCH_ONE_TO_MANY,
        /* The reference turns the sides before it looks at the fills; so do we. */
        .has_fill_many = matching->has_fill_left,
        .has_fill_one = matching->has_fill_right,
        .fill_many = matching->fill_left,
        .fill_one = matching->fill_right,
    };
    struct signatures signatures;
    signatures_init(&signatures, evaluation, matching);
    int code = run_join(&join, &signatures, sink);
    signatures_release(&signatures);
    map_release(&join.by_labels);
    VEC_RELEASE(&join.many);
    VEC_RELEASE(&join.one);
    VEC_RELEASE(&join.results);
    return code;
}

/* --- and, or, unless --- */

struct set_join {
    struct evaluation *evaluation;
    struct row_list left;
    struct row_list right;
    size_t *left_numbers;
    size_t *right_numbers;
    unsigned char *seen; /* signature x step */
};

static void mark(struct set_join *join, const struct row_list *rows, const size_t *numbers)
{
    size_t steps = join->evaluation->steps.count;
    for (size_t r = 0; r < rows->count; r++) {
        unsigned char *seen = join->seen + numbers[r] * steps;
        for (size_t i = 0; i < steps; i++) seen[i] |= row_has(&rows->items[r], i);
    }
}

/* Pushes what of the rows stands (or does not stand) where the other side was marked. */
static int push_where(struct set_join *join, const struct row_list *rows, const size_t *numbers,
                      bool where_seen, struct sink *sink)
{
    size_t steps = join->evaluation->steps.count;
    for (size_t r = 0; r < rows->count; r++) {
        struct row *row = &rows->items[r];
        const unsigned char *seen = join->seen + numbers[r] * steps;
        int code = query_tick(join->evaluation->query, steps);
        if (code < 0) return code;
        for (size_t i = 0; i < steps; i++) {
            if ((seen[i] != 0) == where_seen) continue;
            row->values[i] = ROW_ABSENT;
            if (row->histograms != NULL) row->histograms[i] = NULL;
        }
        if (row_is_empty(join->evaluation, row)) continue;
        if ((code = sink->take(sink, row)) < 0) return code;
    }
    return 0;
}

static int push_or(struct set_join *join, struct sink *sink)
{
    struct merge_sink merge;
    merge_sink_init(&merge, join->evaluation);
    mark(join, &join->left, join->left_numbers);
    int code = 0;
    for (size_t r = 0; code == 0 && r < join->left.count; r++) {
        code = merge.sink.take(&merge.sink, &join->left.items[r]);
    }
    if (code == 0) {
        code = push_where(join, &join->right, join->right_numbers, false, &merge.sink);
    }
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    return code;
}

static int run_set(struct set_join *join, const struct node *node, struct signatures *signatures,
                   struct sink *sink)
{
    struct evaluation *evaluation = join->evaluation;
    int code = evaluate_collect(evaluation, node->binary.left, &join->left);
    if (code == 0) code = evaluate_collect(evaluation, node->binary.right, &join->right);
    if (code == 0) code = signatures_number(signatures, &join->left, &join->left_numbers);
    if (code == 0) code = signatures_number(signatures, &join->right, &join->right_numbers);
    if (code < 0) return code;
    size_t size;
    if (__builtin_mul_overflow(signatures->count + 1, evaluation->steps.count, &size)) {
        return out_of_memory(evaluation->query);
    }
    join->seen = QUERY_ARRAY(evaluation->query, unsigned char, size);
    if (join->seen == NULL) return out_of_memory(evaluation->query);
    if (node->binary.op == BINARY_OR) return push_or(join, sink);
    mark(join, &join->right, join->right_numbers);
    return push_where(join, &join->left, join->left_numbers, node->binary.op == BINARY_AND, sink);
}

int binary_set(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct set_join join = { .evaluation = evaluation };
    struct signatures signatures;
    signatures_init(&signatures, evaluation, &node->binary.matching);
    int code = run_set(&join, node, &signatures, sink);
    signatures_release(&signatures);
    VEC_RELEASE(&join.left);
    VEC_RELEASE(&join.right);
    return code;
}
