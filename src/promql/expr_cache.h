/* expr_cache.h - the expressions that were parsed last, by their text.
 *
 * A dashboard asks the same few hundred expressions over and over; a parse with patterns costs
 * more than the whole evaluation of a small query. An expression is never changed after its parse,
 * so it is handed to all who ask for the same text; the last holder frees it.
 *
 * Lock:   mutex guards the slots. References are counted in the expression, see expr.h.
 * Limits: EXPR_CACHE_SLOTS expressions of at most EXPR_CACHE_TEXT_MAX bytes of text; a newer one
 *         takes the place of the one in its slot.
 */
#ifndef PROMQL_EXPR_CACHE_H
#define PROMQL_EXPR_CACHE_H

#include "base/thread.h"
#include "promql/expr.h"

#define EXPR_CACHE_SLOTS        256
#define EXPR_CACHE_TEXT_MAX     ((size_t)4096)
#define EXPR_CACHE_PATTERNS_MAX 16 /* of an expression: each may grow to a MiB with use */

struct expr_cache {
    struct mutex mutex;
    struct promql_expr *slots[EXPR_CACHE_SLOTS] GUARDED_BY(mutex);
};

void expr_cache_init(struct expr_cache *cache);
void expr_cache_release(struct expr_cache *cache);

/* A reference to the expression with that text, or NULL. */
struct promql_expr *expr_cache_find(struct expr_cache *cache, struct str text);

/* Keeps a reference of its own, if it cares to. */
void expr_cache_put(struct expr_cache *cache, struct promql_expr *expr);

#endif
