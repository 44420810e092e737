/* aggregate.h - groups of series, shared by the aggregations that add and those that choose. */
#ifndef PROMQL_AGGREGATE_H
#define PROMQL_AGGREGATE_H

#include "base/buf.h"
#include "promql/eval.h"

#define GROUPS_SEEN       256 /* entries of the table of places */
#define GROUP_SEEN_LABELS 12  /* most labels of an entry */

/* Labels by their places in memory, and their group. */
struct group_seen {
    size_t number; /* + 1; 0: nothing here */
    size_t count;
    size_t capacity;
    struct label *labels;
};

/* Numbers groups by their labels. */
struct grouping {
    struct evaluation *evaluation;
    const struct node *node; /* the aggregation */
    struct map numbers;      /* key of the labels to number + 1 */
    struct buf key;
    VEC(struct labels) labels; /* by number; in the arena */
    VEC(bool) drops_name;
    struct group_seen *seen; /* GROUPS_SEEN; in the arena */
};

int grouping_init(struct grouping *grouping, struct evaluation *evaluation,
                  const struct node *node);
void grouping_release(struct grouping *grouping);

/* The group that a row belongs to. */
int grouping_find(struct grouping *grouping, const struct row *row, size_t *number);

/* topk, bottomk, quantile, count_values, limitk, limit_ratio. */
int aggregate_selecting(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* "ignored histogram in topk aggregation" */
void annotate_ignored(struct evaluation *evaluation, const struct node *node);

#endif
