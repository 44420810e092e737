/* range_cache.h - the answers of the last range queries, to be taken up again when the same is
 * asked a little later, as dashboards do.
 *
 * WHAT     an answer is kept by the expression's text, the step and where the steps lie. The next
 *          query with the same takes those of its steps that the answer has and evaluates the rest.
 * WHEN     a step's value depends on samples up to its time alone, and the source says from which
 *          time on samples have changed (series_source.h, changed_since): steps before it are as
 *          they were. The position is asked for before evaluation begins, so what comes while it
 *          runs counts as later.
 * WHO      only expressions for which a step does not depend on which other steps are asked:
 *          range_cache_takes says which. Answers with histograms or annotations are not kept.
 *
 * So an answer from here is bit by bit what evaluating all of it would give; engine_test.c holds it
 * to that. One difference is left: a limit on samples counts only what is evaluated.
 *
 * Lock:   mutex guards the table. An answer that is being used is out of it.
 * Limits: RANGE_CACHE_SLOTS answers, each of at most RANGE_ANSWER_SIZE_MAX bytes.
 */
#ifndef PROMQL_RANGE_CACHE_H
#define PROMQL_RANGE_CACHE_H

#include "base/thread.h"
#include "promql/eval.h"
#include "promql/expr.h"
#include "promql/promql.h"

#define RANGE_CACHE_SLOTS     128
#define RANGE_ANSWER_SIZE_MAX ((size_t)512 << 10)

/* What makes two queries the same but for their range. */
struct range_key {
    struct str text;
    const void *source; /* its state */
    int64_t step_ms;
    int64_t phase_ms; /* of the steps: start modulo step */
    int64_t lookback_ms;
    int64_t default_step_ms;
};

/* One series of an answer: a value for each of its steps, ROW_ABSENT where there is none. */
struct range_row {
    struct labels labels;
    double *values;
};

struct range_answer {
    struct arena arena; /* everything, the key's text too */
    struct range_key key;
    uint64_t position; /* of the source, before it was evaluated */
    struct steps steps;
    struct range_row *rows; /* by labels */
    size_t count;
};

struct range_cache {
    struct mutex mutex;
    struct range_answer *slots[RANGE_CACHE_SLOTS] GUARDED_BY(mutex);
};

void range_cache_init(struct range_cache *cache);
void range_cache_release(struct range_cache *cache);

/* Whether the answers of an expression may be kept. */
bool range_cache_takes(const struct node *root);

/* Takes the answer out, NULL when there is none. */
struct range_answer *range_cache_take(struct range_cache *cache, const struct range_key *key);

/* Puts an answer in, which is the cache's from now on. */
void range_cache_put(struct range_cache *cache, struct range_answer *answer);

/* A copy of a result of these steps, NULL when it is too large, has histograms or annotations, or
 * memory is short. */
struct range_answer *range_answer_new(const struct range_key *key, uint64_t position,
                                      const struct steps *steps,
                                      const struct promql_result *result);
void range_answer_free(struct range_answer *answer); /* NULL is fine */

/*
 * Makes one result of an answer's first steps and of what was evaluated behind them.
 *
 *   steps  of the whole; the first `kept` of them are the answer's, from its step `from` on
 *   arena  where the series are put
 *   fresh  series of the rest, by labels; their labels are borrowed
 *
 * Returns 0 or -ENOMEM.
 */
int range_answer_join(const struct range_answer *answer, size_t from, size_t kept,
                      const struct steps *steps, struct arena *arena,
                      const struct promql_result *fresh, const struct promql_series **series,
                      size_t *count) MUST_CHECK;

#endif
