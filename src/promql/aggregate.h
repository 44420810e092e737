/* aggregate.h - groups of series, shared by the aggregations that add and those that choose. */
#ifndef PROMQL_AGGREGATE_H
#define PROMQL_AGGREGATE_H

#include "base/buf.h"
#include "promql/eval.h"

/* Numbers groups by their labels. */
struct grouping {
    struct evaluation *evaluation;
    const struct node *node; /* the aggregation */
    struct map numbers;      /* key of the labels to number + 1 */
    struct buf key;
    VEC(struct labels) labels; /* by number; in the arena */
    VEC(bool) drops_name;
};

void grouping_init(struct grouping *grouping, struct evaluation *evaluation,
                   const struct node *node);
void grouping_release(struct grouping *grouping);

/* The group that a row belongs to. */
int grouping_find(struct grouping *grouping, const struct row *row, size_t *number);

/* topk, bottomk, quantile, count_values, limitk, limit_ratio. */
int aggregate_selecting(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* "ignored histogram in topk aggregation" */
void annotate_ignored(struct evaluation *evaluation, const struct node *node);

#endif
