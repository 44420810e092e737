/* kept.c - range queries go on from the answers that were given before; see range_cache.h. */
#include "promql/engine.h"

#include <errno.h>
#include <stdlib.h>

/* Samples that a query must have looked at for its answer to be worth keeping. */
#define CACHED_SAMPLES_MIN 10000

/* A range query whose answer may be kept or was. */
struct cached {
    struct promql_engine *engine;
    struct range_key key;
    struct range_answer *answer; /* what is there, NULL: nothing */
    uint64_t position;           /* of the source, before evaluation */
    struct steps steps;
    size_t from; /* the first step's place among the answer's */
    size_t kept; /* steps that the answer has */
};

static struct steps steps_of(const struct promql_range *range)
{
    uint64_t span = (uint64_t)range->end_ms - (uint64_t)range->start_ms;
    return (struct steps){ range->start_ms, range->step_ms,
                           (size_t)(span / (uint64_t)range->step_ms) + 1 };
}

/* How many of the first steps the answer has, and unchanged. */
static size_t steps_kept(const struct cached *cached, int64_t changed_ms)
{
    const struct steps *have = &cached->answer->steps;
    size_t kept = 0;
    while (kept < cached->steps.count && cached->from + kept < have->count &&
           steps_time(&cached->steps, kept) < changed_ms) {
        kept++;
    }
    return kept;
}

/* Looks whether there is an answer to go on from. False: this query is none for the cache. */
static bool cache_begin(struct cached *cached, struct promql_engine *engine, struct query *query)
{
    const struct promql_request *request = query->request;
    const struct series_source *source = query->source;
    if (source->changed_since == NULL || (request != NULL && request->skips_cache) ||
        (request != NULL && request->counts_steps) || !range_cache_takes(query->expr->root)) {
        return false;
    }
    int64_t lookback_ms = request == NULL ? 0 : request->lookback_ms;
    *cached = (struct cached){ .engine = engine, .steps = steps_of(&query->range) };
    mutex_lock(&engine->mutex);
    int64_t default_step_ms = engine->options.default_step_ms;
    mutex_unlock(&engine->mutex);
    cached->key = (struct range_key){ .text = query->expr->text,
                                      .source = source->state,
                                      .step_ms = query->range.step_ms,
                                      .phase_ms = query->range.start_ms % query->range.step_ms,
                                      .lookback_ms = lookback_ms,
                                      .default_step_ms = default_step_ms };
    cached->answer = range_cache_take(&engine->answers, &cached->key);
    uint64_t asked = cached->answer == NULL ? 0 : cached->answer->position;
    cached->position = asked;
    int64_t changed_ms = source->changed_since(source->state, &cached->position);
    if (cached->answer == NULL) return true;
    int64_t behind_ms = cached->steps.start_ms - cached->answer->steps.start_ms;
    bool is_inside = behind_ms >= 0 && (uint64_t)behind_ms / (uint64_t)cached->key.step_ms <
                                           cached->answer->steps.count;
    cached->from = is_inside ? (size_t)(behind_ms / cached->key.step_ms) : 0;
    cached->kept = is_inside ? steps_kept(cached, changed_ms) : 0;
    return true;
}

/* Puts what is kept in front of what was evaluated. */
static int cache_join(const struct cached *cached, struct promql_result *result,
                      struct error *error)
{
    struct result_holder *holder = (struct result_holder *)result;
    const struct promql_series *series;
    size_t count;
    int code = range_answer_join(cached->answer, cached->from, cached->kept, &cached->steps,
                                 &holder->arena, result, &series, &count);
    if (code < 0) return error_set(error, code, "query: out of memory");
    result->series = series;
    result->series_count = count;
    result->stats.steps_kept = cached->kept;
    return 0;
}

/* All steps are kept: nothing is evaluated. */
static int cache_answer(const struct cached *cached, struct promql_result **result_out,
                        struct error *error)
{
    struct result_holder *holder = calloc(1, sizeof(*holder));
    if (holder == NULL) return error_set(error, -ENOMEM, "query: out of memory");
    arena_init_within(&holder->arena, cached->engine->budget->size_max, cached->engine->budget);
    holder->result.type = PROMQL_MATRIX;
    int code = cache_join(cached, &holder->result, error);
    if (code < 0) {
        promql_result_free(&holder->result);
        return code;
    }
    *result_out = &holder->result;
    return 0;
}

/* Keeps the answer for the next time: what was joined is as new as the part that was evaluated. */
static void cache_end(struct cached *cached, const struct promql_result *result)
{
    bool is_worth_it = cached->kept > 0 || result->stats.samples >= CACHED_SAMPLES_MIN;
    struct range_answer *answer =
        is_worth_it ? range_answer_new(&cached->key, cached->position, &cached->steps, result)
                    : NULL;
    range_answer_free(cached->answer);
    if (answer != NULL) range_cache_put(&cached->engine->answers, answer);
}

static int run_cached(struct cached *cached, struct query *query, struct promql_result **result_out)
{
    struct promql_result *result = NULL;
    int code;
    if (cached->kept == cached->steps.count) {
        code = cache_answer(cached, &result, query->error);
        /* It is as new as it was: steps behind this query's may have changed. */
        if (cached->answer != NULL) {
            range_cache_put(&cached->engine->answers, cached->answer);
            cached->answer = NULL;
        }
    } else {
        query->range.start_ms = steps_time(&cached->steps, cached->kept);
        code = engine_run(cached->engine, query, &result);
        if (code == 0 && cached->kept > 0) code = cache_join(cached, result, query->error);
        if (code == 0) cache_end(cached, result);
    }
    if (code < 0) {
        promql_result_free(result);
        if (cached->answer != NULL) range_cache_put(&cached->engine->answers, cached->answer);
        return code;
    }
    *result_out = result;
    return 0;
}

int kept_run(struct promql_engine *engine, struct query *query, struct promql_result **result_out)
{
    struct cached cached;
    if (cache_begin(&cached, engine, query)) return run_cached(&cached, query, result_out);
    return engine_run(engine, query, result_out);
}
