/* aggregate.c - sum, avg, min, max, count, group, stddev, stdvar: rows added up as they come. */
#include "promql/aggregate.h"

#include "base/check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* --- groups that add --- */

enum group_flag {
    GROUP_HAS_NUMBER = 1,
    GROUP_HAS_HISTOGRAM = 2,
    GROUP_IS_INCREMENTAL = 4, /* an average whose sum would overflow */
    GROUP_IS_MIXED = 8,       /* exponential and custom histograms */
};

/* Arrays have one entry a step. */
struct group {
    double *values; /* sum, mean, extreme or count; ROW_ABSENT: no number yet */
    double *lost;   /* compensation, or the sum of squares; may be NULL */
    double *counts; /* may be NULL */
    unsigned char *flags;
    struct histogram_sum **sums; /* NULL until a histogram comes */
    double *histogram_counts;
};

struct add_sink {
    struct sink sink;
    struct evaluation *evaluation;
    const struct node *node;
    struct grouping grouping;
    VEC(struct group) groups;
    void (*add)(struct group *group, const double *values, size_t count);
};

static void add_sum(struct group *group, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ROW_IS_THERE(values[i])) continue;
        if (!ROW_IS_THERE(group->values[i])) {
            group->values[i] = values[i];
            continue;
        }
        struct kahan kahan = { group->values[i], group->lost[i] };
        kahan_add(&kahan, values[i]);
        group->values[i] = kahan.sum;
        group->lost[i] = kahan.lost;
    }
}

static void add_average_at(struct group *group, double value, size_t i)
{
    group->counts[i] += 1;
    double n = group->counts[i];
    if (!ROW_IS_THERE(group->values[i])) {
        group->values[i] = value;
        return;
    }
    struct kahan kahan = { group->values[i], group->lost[i] };
    if ((group->flags[i] & GROUP_IS_INCREMENTAL) == 0) {
        kahan_add(&kahan, value);
        if (!isinf(kahan.sum)) {
            group->values[i] = kahan.sum;
            group->lost[i] = kahan.lost;
            return;
        }
        group->flags[i] |= GROUP_IS_INCREMENTAL;
        group->values[i] /= n - 1;
        group->lost[i] /= n - 1;
    }
    double share = (n - 1) / n;
    kahan = (struct kahan){ share * group->values[i], share * group->lost[i] };
    kahan_add(&kahan, value / n);
    group->values[i] = kahan.sum;
    group->lost[i] = kahan.lost;
}

static void add_average(struct group *group, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ROW_IS_THERE(values[i])) add_average_at(group, values[i], i);
    }
}

static void add_least(struct group *group, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ROW_IS_THERE(values[i])) continue;
        if (!ROW_IS_THERE(group->values[i]) || group->values[i] > values[i] ||
            isnan(group->values[i])) {
            group->values[i] = values[i];
        }
    }
}

static void add_greatest(struct group *group, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ROW_IS_THERE(values[i])) continue;
        if (!ROW_IS_THERE(group->values[i]) || group->values[i] < values[i] ||
            isnan(group->values[i])) {
            group->values[i] = values[i];
        }
    }
}

static void add_count(struct group *group, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ROW_IS_THERE(values[i])) continue;
        group->values[i] = ROW_IS_THERE(group->values[i]) ? group->values[i] + 1 : 1;
    }
}

static void add_presence(struct group *group, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ROW_IS_THERE(values[i])) group->values[i] = 1;
    }
}

/* Welford: values is the mean, lost the sum of squared differences. */
static void add_variance(struct group *group, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ROW_IS_THERE(values[i])) continue;
        group->counts[i] += 1;
        if (!ROW_IS_THERE(group->values[i])) {
            group->values[i] = values[i];
            group->lost[i] = isfinite(values[i]) ? 0 : (double)NAN;
            continue;
        }
        double delta = values[i] - group->values[i];
        group->values[i] += delta / group->counts[i];
        group->lost[i] += delta * (values[i] - group->values[i]);
    }
}

static void (*const adders[AGGREGATE_COUNT_OF])(struct group *, const double *, size_t) = {
    [AGGREGATE_SUM] = add_sum,         [AGGREGATE_AVG] = add_average,
    [AGGREGATE_MIN] = add_least,       [AGGREGATE_MAX] = add_greatest,
    [AGGREGATE_COUNT] = add_count,     [AGGREGATE_GROUP] = add_presence,
    [AGGREGATE_STDDEV] = add_variance, [AGGREGATE_STDVAR] = add_variance,
};

void annotate_ignored(struct evaluation *evaluation, const struct node *node)
{
    struct query *query = evaluation->query;
    annotations_add(&query->annotations, query->expr, ANNOTATION_INFO, node->aggregate.inner->place,
                    "ignored histogram in " STR_FMT " aggregation",
                    STR_ARG(aggregation_names[node->aggregate.op]));
}

static int new_group(struct add_sink *add)
{
    struct query *query = add->evaluation->query;
    size_t count = add->evaluation->steps.count;
    enum aggregation op = add->node->aggregate.op;
    struct group group = { 0 };
    int code = query_hold(query, count);
    if (code < 0) return code;
    bool needs_lost = op == AGGREGATE_SUM || op == AGGREGATE_AVG || op == AGGREGATE_STDDEV ||
                      op == AGGREGATE_STDVAR;
    group.values = QUERY_ARRAY(query, double, count);
    group.lost = needs_lost ? QUERY_ARRAY(query, double, count) : NULL;
    group.counts = needs_lost ? QUERY_ARRAY(query, double, count) : NULL;
    group.flags = QUERY_ARRAY(query, unsigned char, count);
    if (group.values == NULL || group.flags == NULL ||
        (needs_lost && (group.lost == NULL || group.counts == NULL))) {
        return out_of_memory(query);
    }
    for (size_t i = 0; i < count; i++) group.values[i] = ROW_ABSENT;
    if (!VEC_PUSH(&add->groups, group)) return out_of_memory(query);
    return 0;
}

static void annotate_events(struct add_sink *add, unsigned events)
{
    struct query *query = add->evaluation->query;
    struct place place = add->node->aggregate.inner->place;
    if ((events & HISTOGRAM_EVENT_RESETS_CONFLICT) != 0) {
        annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING, place,
                        "conflicting counter resets during histogram aggregation");
    }
    if ((events & HISTOGRAM_EVENT_RECONCILED) != 0) {
        annotations_add(&query->annotations, query->expr, ANNOTATION_INFO, place,
                        "mismatched custom buckets were reconciled during aggregation");
    }
}

static int start_sum(struct add_sink *add, struct group *group, size_t i,
                     const struct histogram *histogram)
{
    struct query *query = add->evaluation->query;
    struct histogram_sum *sum = QUERY_ARRAY(query, struct histogram_sum, 1);
    if (sum == NULL || histogram_sum_start(sum, histogram) < 0) return out_of_memory(query);
    group->sums[i] = sum;
    group->histogram_counts[i] = 1;
    return 0;
}

static int add_histogram_at(struct add_sink *add, struct group *group, size_t i,
                            const struct histogram *histogram)
{
    group->flags[i] |= GROUP_HAS_HISTOGRAM;
    if ((group->flags[i] & GROUP_IS_MIXED) != 0) return 0;
    if (group->sums[i] == NULL) return start_sum(add, group, i, histogram);
    group->histogram_counts[i] += 1;
    unsigned events = 0;
    int code =
        add->node->aggregate.op == AGGREGATE_AVG
            ? histogram_sum_average(group->sums[i], histogram, group->histogram_counts[i], &events)
            : histogram_sum_add(group->sums[i], histogram, 1, &events);
    if (code == ERROR_INVALID) {
        group->flags[i] |= GROUP_IS_MIXED;
        return 0;
    }
    if (code < 0) return out_of_memory(add->evaluation->query);
    if (events != 0) annotate_events(add, events);
    return 0;
}

static int add_histograms(struct add_sink *add, struct group *group, const struct row *row)
{
    struct query *query = add->evaluation->query;
    size_t count = add->evaluation->steps.count;
    enum aggregation op = add->node->aggregate.op;
    if (group->sums == NULL) {
        group->sums = QUERY_ARRAY(query, struct histogram_sum *, count);
        group->histogram_counts = QUERY_ARRAY(query, double, count);
        if (group->sums == NULL || group->histogram_counts == NULL) return out_of_memory(query);
    }
    for (size_t i = 0; i < count; i++) {
        if (row->histograms[i] == NULL) continue;
        if (op == AGGREGATE_COUNT) {
            group->values[i] = ROW_IS_THERE(group->values[i]) ? group->values[i] + 1 : 1;
        } else if (op == AGGREGATE_GROUP) {
            group->values[i] = 1;
        } else if (op == AGGREGATE_SUM || op == AGGREGATE_AVG) {
            int code = add_histogram_at(add, group, i, row->histograms[i]);
            if (code < 0) return code;
        } else {
            annotate_ignored(add->evaluation, add->node);
        }
    }
    return 0;
}

static int take_add(struct sink *sink, struct row *row)
{
    struct add_sink *add = (struct add_sink *)sink;
    size_t number;
    int code = grouping_find(&add->grouping, row, &number);
    if (code == 0 && number == add->groups.count) code = new_group(add);
    if (code == 0) code = query_tick(add->evaluation->query, add->evaluation->steps.count);
    if (code < 0) return code;
    struct group *group = &add->groups.items[number];
    add->add(group, row->values, add->evaluation->steps.count);
    return row->histograms == NULL ? 0 : add_histograms(add, group, row);
}

/* Numbers and histograms that met at one step: nothing comes of it but a warning. */
static bool is_spoiled(struct add_sink *add, struct group *group, size_t i)
{
    struct query *query = add->evaluation->query;
    struct place place = add->node->aggregate.inner->place;
    if (ROW_IS_THERE(group->values[i])) {
        annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING, place,
                        "encountered a mix of histograms and floats for aggregation");
        return true;
    }
    if ((group->flags[i] & GROUP_IS_MIXED) == 0) return false;
    annotations_add(&query->annotations, query->expr, ANNOTATION_WARNING, place,
                    "vector contains a mix of histograms with exponential and custom buckets "
                    "schemas");
    return true;
}

static int finish_histograms(struct add_sink *add, struct group *group, struct row *row)
{
    for (size_t i = 0; i < add->evaluation->steps.count; i++) {
        if ((group->flags[i] & GROUP_HAS_HISTOGRAM) == 0) continue;
        if (is_spoiled(add, group, i)) {
            row->values[i] = ROW_ABSENT;
            continue;
        }
        int code = row_need_histograms(add->evaluation, row);
        if (code < 0) return code;
        if (add->node->aggregate.op == AGGREGATE_AVG) {
            histogram_sum_average_end(group->sums[i], group->histogram_counts[i]);
        }
        row->histograms[i] = histogram_sum_finish(group->sums[i], add->evaluation->query->arena);
        if (row->histograms[i] == NULL) return out_of_memory(add->evaluation->query);
    }
    return 0;
}

static double finish_at(enum aggregation op, const struct group *group, size_t i)
{
    switch ((int)op) {
    case AGGREGATE_SUM: return group->values[i] + group->lost[i];
    case AGGREGATE_AVG:
        if ((group->flags[i] & GROUP_IS_INCREMENTAL) != 0) return group->values[i] + group->lost[i];
        return group->values[i] / group->counts[i] + group->lost[i] / group->counts[i];
    case AGGREGATE_STDVAR: return group->lost[i] / group->counts[i];
    case AGGREGATE_STDDEV: return sqrt(group->lost[i] / group->counts[i]);
    default: return group->values[i];
    }
}

static int finish(struct add_sink *add, struct sink *sink)
{
    for (size_t g = 0; g < add->groups.count; g++) {
        struct group *group = &add->groups.items[g];
        struct row row;
        int code = row_new(add->evaluation, &row, false);
        if (code < 0) return code;
        row.labels = add->grouping.labels.items[g];
        row.drops_name = add->grouping.drops_name.items[g];
        for (size_t i = 0; i < add->evaluation->steps.count; i++) {
            if (!ROW_IS_THERE(group->values[i])) continue;
            row.values[i] = finish_at(add->node->aggregate.op, group, i);
        }
        if (group->sums != NULL) code = finish_histograms(add, group, &row);
        if (code == 0 && !row_is_empty(add->evaluation, &row)) code = sink->take(sink, &row);
        if (code < 0) return code;
    }
    return 0;
}

static void release(struct add_sink *add)
{
    for (size_t g = 0; g < add->groups.count; g++) {
        struct group *group = &add->groups.items[g];
        for (size_t i = 0; group->sums != NULL && i < add->evaluation->steps.count; i++) {
            if (group->sums[i] != NULL) histogram_sum_release(group->sums[i]);
        }
    }
    VEC_RELEASE(&add->groups);
    grouping_release(&add->grouping);
}

int evaluate_aggregate(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    if (aggregation_has_parameter(node->aggregate.op)) {
        return aggregate_selecting(evaluation, node, sink);
    }
    struct add_sink add = { .sink = { take_add },
                            .evaluation = evaluation,
                            .node = node,
                            .add = adders[node->aggregate.op] };
    int code = grouping_init(&add.grouping, evaluation, node);
    if (code == 0) code = evaluate_vector(evaluation, node->aggregate.inner, &add.sink);
    if (code == 0) code = finish(&add, sink);
    release(&add);
    return code;
}
