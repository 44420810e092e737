/* engine.h - inside the engine: what a query's way through it needs in more than one file. */
#ifndef PROMQL_ENGINE_H
#define PROMQL_ENGINE_H

#include "base/budget.h"
#include "base/thread.h"
#include "promql/eval.h"
#include "promql/expr_cache.h"
#include "promql/promql.h"
#include "promql/range_cache.h"
#include "promql/turns.h"

struct promql_engine {
    struct promql_options options;
    struct expr_cache parsed;
    struct range_cache answers;
    struct mutex mutex;
    struct condition is_free;
    size_t running GUARDED_BY(mutex); /* without the long ones */
    struct turns turns;               /* of the long ones */
    struct budget own_budget;
    struct budget *budget; /* of all queries and their answers; own_budget or the options' */
};

/* A result with the memory behind it: labels and histograms stay where the query found them, so
 * its arena and its cursors live as long. */
struct result_holder {
    struct promql_result result; /* first: the pointer given out is this one */
    struct arena arena;          /* of the result itself */
    struct arena query_arena;
    struct cursor_list cursors;
    struct turn turn;
};

/* --- engine.c --- */

/* Waits for a place, evaluates and gives the place back; query has its request, range and error. */
int engine_run(struct promql_engine *engine, struct query *query,
               struct promql_result **result_out);

/* --- answer.c --- */

/* Evaluates the root of the query's expression into holder->result. */
int answer_evaluate(struct query *query, struct result_holder *holder);

/* --- kept.c --- */

/* The same as engine_run for a range query, by way of the answers that are kept. */
int kept_run(struct promql_engine *engine, struct query *query, struct promql_result **result_out);

#endif
