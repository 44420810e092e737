/* binary.h - one operator on two values, shared by the kinds of binary expressions. */
#ifndef PROMQL_BINARY_H
#define PROMQL_BINARY_H

#include "promql/eval.h"

/*
 * left op right, for numbers and histograms.
 *
 *   result  out: what stands there if the answer is 1. A filter gives the left side.
 *
 * Returns 1, 0 (nothing here: filtered away, or the types do not go together, which is annotated)
 * or a negative code.
 */
int binary_apply(struct evaluation *evaluation, const struct node *node, const struct value *left,
                 const struct value *right, struct value *result);

/* True when the operator makes something new: the metric's name no longer fits. */
bool binary_drops_name(const struct node *node);

static inline bool row_has(const struct row *row, size_t step)
{
    return ROW_IS_THERE(row->values[step]) ||
           (row->histograms != NULL && row->histograms[step] != NULL);
}

static inline struct value row_value(const struct row *row, size_t step)
{
    return (struct value){ row->values[step],
                           row->histograms == NULL ? NULL : row->histograms[step] };
}

/* Puts a value into the row at the step. */
int row_put(struct evaluation *evaluation, struct row *row, size_t step, const struct value *value);

/* Vector with vector. */
int binary_match(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int binary_set(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* Rows by the labels that must be equal. */
struct signatures {
    struct evaluation *evaluation;
    const struct matching *matching;
    struct map numbers; /* key to number + 1 */
    struct buf key;
    size_t count;
};

void signatures_init(struct signatures *signatures, struct evaluation *evaluation,
                     const struct matching *matching);
void signatures_release(struct signatures *signatures);
int signatures_find(struct signatures *signatures, struct labels labels, size_t *number);

/* The rows of each signature: order[starts[s]] .. order[starts[s + 1]]. */
struct buckets {
    size_t *order;
    size_t *starts;
};
int signatures_bucket(struct signatures *signatures, const struct row_list *rows,
                      const size_t *numbers, struct buckets *buckets);
int signatures_number(struct signatures *signatures, const struct row_list *rows, size_t **numbers);

/* on: the listed labels; ignoring: all but the listed and the name. In the arena. */
int matching_labels(struct query *query, const struct matching *matching, struct labels labels,
                    struct labels *out);

#endif
