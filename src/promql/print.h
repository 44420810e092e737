/* print.h - expressions as text. */
#ifndef PROMQL_PRINT_H
#define PROMQL_PRINT_H

#include "base/buf.h"
#include "promql/expr.h"

/* The text in double quotes as Go's strconv.Quote: \xff for what is not UTF-8. */
void print_quoted(struct buf *buf, struct str text);

void print_node(struct buf *buf, const struct node *node);

#endif
