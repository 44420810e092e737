/* shared.h - aggregations that an expression holds more than once are evaluated once.
 *
 * "a / (a + b)" asks for a twice. Nodes that print alike are the same, and get the same number at
 * the parse; the first to be evaluated keeps copies of its rows, the others push those. Only
 * aggregations: their rows are few. Not what gave annotations, for these name their places.
 */
#ifndef PROMQL_SHARED_H
#define PROMQL_SHARED_H

#include "promql/eval.h"

/* Numbers the aggregations that are there more than once. Out of memory: none are numbered. */
void shared_mark(struct promql_expr *expr);

/* Evaluates a numbered node, or pushes what was kept of it. */
int evaluate_shared(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* Gives back the lists; the rows are in the arena. */
void shared_release(struct query *query);

#endif
