/* engine.c - the engine: who may run, for how long, and what comes out. */
#include "promql/engine.h"

#include "base/check.h"
#include "promql/parser.h"
#include "promql/shared.h"

#include <errno.h>
#include <stdlib.h>

#define SAMPLES_MAX     50000000
#define MEMORY_MAX      ((size_t)1 << 30)
#define CONCURRENCY_MAX 20
#define TIMEOUT_MS      120000
#define LOOKBACK_MS     300000
#define DEFAULT_STEP_MS 60000

#define QUICK_TEXT_MAX 1024 /* bytes of an expression that is parsed at once */

int promql_engine_new(struct promql_engine **engine_out, const struct promql_options *options,
                      struct error *error)
{
    struct promql_engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL) return error_set(error, -ENOMEM, "make the query engine: out of memory");
    engine->options = *options;
    struct promql_options *o = &engine->options;
    if (o->samples_max == 0) o->samples_max = SAMPLES_MAX;
    if (o->memory_max == 0) o->memory_max = MEMORY_MAX;
    if (o->concurrency_max == 0) o->concurrency_max = CONCURRENCY_MAX;
    if (o->timeout_ms == 0) o->timeout_ms = TIMEOUT_MS;
    if (o->lookback_ms == 0) o->lookback_ms = LOOKBACK_MS;
    if (o->default_step_ms == 0) o->default_step_ms = DEFAULT_STEP_MS;
    if (o->clock == NULL) o->clock = &clock_system;
    expr_cache_init(&engine->parsed);
    range_cache_init(&engine->answers);
    engine->own_budget.size_max = o->memory_max;
    engine->budget = o->budget == NULL ? &engine->own_budget : o->budget;
    turns_init(&engine->turns, thread_cpu_count());
    mutex_init(&engine->mutex);
    condition_init(&engine->is_free);
    *engine_out = engine;
    return 0;
}

void promql_engine_free(struct promql_engine *engine)
{
    if (engine == NULL) return;
    CHECK(engine->running == 0);
    CHECK(budget_used(&engine->own_budget) == 0);
    range_cache_release(&engine->answers);
    expr_cache_release(&engine->parsed);
    condition_release(&engine->is_free);
    turns_release(&engine->turns);
    mutex_release(&engine->mutex);
    free(engine);
}

void promql_engine_set_default_step(struct promql_engine *engine, int64_t step_ms)
{
    CHECK(step_ms > 0);
    mutex_lock(&engine->mutex);
    engine->options.default_step_ms = step_ms;
    mutex_unlock(&engine->mutex);
}

uint32_t promql_feature_find(struct str name)
{
    static const struct {
        struct str name;
        uint32_t bit;
    } features[] = {
#define X(id, number, text) { STR_INIT(text), (number) },
        PROMQL_FEATURES(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LENGTH(features); i++) {
        if (str_equal(features[i].name, name)) return features[i].bit;
    }
    return 0;
}

int promql_parse(struct promql_expr **expr_out, struct promql_engine *engine, struct str text,
                 struct error *error)
{
    struct promql_expr *expr = expr_cache_find(&engine->parsed, text);
    if (expr == NULL) {
        int code = parser_parse(&expr, engine->options.features, text, error);
        if (code < 0) return code;
        expr_cache_put(&engine->parsed, expr);
    }
    *expr_out = expr;
    return 0;
}

bool promql_parse_is_quick(struct promql_engine *engine, struct str text)
{
    if (text.size <= QUICK_TEXT_MAX && str_find_char(text, '~') == STR_NONE) return true;
    struct promql_expr *expr = expr_cache_find(&engine->parsed, text);
    promql_expr_free(expr);
    return expr != NULL;
}

/* Waits for a place until the deadline. */
static int enter(struct promql_engine *engine, struct query *query)
{
    int code = 0;
    mutex_lock(&engine->mutex);
    while (engine->running >= engine->options.concurrency_max) {
        int64_t left_ms =
            (query->deadline_ns - clock_monotonic_ns(engine->options.clock)) / 1000000;
        if (query->work_max > 0) {
            code = error_set(query->error, -EAGAIN, "query would have to wait");
            break;
        }
        if (left_ms <= 0 || !condition_wait_ms(&engine->is_free, &engine->mutex, left_ms)) {
            code = error_set(query->error, ERROR_TIMEOUT, "query timed out in query queue");
            break;
        }
    }
    if (code == 0) engine->running++;
    query->default_step_ms = engine->options.default_step_ms;
    mutex_unlock(&engine->mutex);
    return code;
}

static void give_place(struct promql_engine *engine)
{
    mutex_lock(&engine->mutex);
    engine->running--;
    condition_signal(&engine->is_free);
    mutex_unlock(&engine->mutex);
}

/* A query that turns out to be long gives its place to a short one. */
static int look_at_turns(struct query *query, int64_t now_ns)
{
    const struct promql_request *request = query->request;
    struct turn *turn = query->turn;
    turn_measure(turn);
    if (turn->level == TURN_LONG && !query->is_long) {
        query->is_long = true;
        if (request != NULL && request->turns_long != NULL) request->turns_long(request->argument);
        give_place(query->engine);
    }
    if (turn_look(turn, now_ns)) return 0;
    return error_set(query->error, ERROR_TIMEOUT, "query timed out waiting for the processor");
}

/* The first turn; those who are in a hurry take none. */
static int begin_turns(struct promql_engine *engine, struct query *query, struct turn *turn)
{
    query->turn = turn;
    query->look_at_turns = look_at_turns;
    if (query->work_max > 0) {
        turn->look_ns = INT64_MAX;
        return 0;
    }
    if (turn_begin(turn, &engine->turns, query->clock, query->deadline_ns)) return 0;
    return error_set(query->error, ERROR_TIMEOUT, "query timed out in query queue");
}

void promql_result_free(struct promql_result *result)
{
    if (result == NULL) return;
    struct result_holder *holder = (struct result_holder *)result;
    for (size_t i = 0; i < holder->cursors.count; i++) {
        holder->cursors.items[i]->close(holder->cursors.items[i]);
    }
    VEC_RELEASE(&holder->cursors);
    arena_release(&holder->query_arena);
    arena_release(&holder->arena);
    turn_end(&holder->turn);
    free(holder);
}

static int64_t shorter(int64_t asked, int64_t most)
{
    return asked > 0 && asked < most ? asked : most;
}

int engine_run(struct promql_engine *engine, struct query *query, struct promql_result **result_out)
{
    const struct promql_options *options = &engine->options;
    const struct promql_request none = { 0 };
    const struct promql_request *request = query->request == NULL ? &none : query->request;
    int64_t start_ns = clock_monotonic_ns(options->clock);
    query->clock = options->clock;
    query->features = options->features;
    query->lookback_ms = request->lookback_ms > 0 ? request->lookback_ms : options->lookback_ms;
    query->work_max = request->work_max;
    query->points_max = request->points_max;
    query->counts_steps =
        request->counts_steps && (options->features & PROMQL_FEATURE_PER_STEP_STATS) != 0;
    query->samples_max = request->samples_max > 0 ? request->samples_max : options->samples_max;
    int64_t since_ns = request->start_ns > 0 ? request->start_ns : start_ns;
    query->deadline_ns =
        since_ns + shorter(request->timeout_ms, options->timeout_ms) * INT64_C(1000000);
    struct result_holder *holder = calloc(1, sizeof(*holder));
    if (holder == NULL) return error_set(query->error, -ENOMEM, "query: out of memory");
    arena_init_within(&holder->arena, engine->budget->size_max, engine->budget);
    int code = enter(engine, query);
    if (code < 0) {
        promql_result_free(&holder->result);
        return code;
    }
    code = begin_turns(engine, query, &holder->turn);
    int64_t entered_ns = clock_monotonic_ns(options->clock);
    arena_init_within(&holder->query_arena, engine->budget->size_max, engine->budget);
    query->arena = &holder->query_arena;
    query->result_arena = &holder->arena;
    query->engine = engine;
    if (code == 0) code = answer_evaluate(query, holder);
    if (!query->is_long) give_place(engine);
    if (request->keeps_turn) {
        holder->result.turn = &holder->turn;
    } else {
        turn_end(&holder->turn);
    }
    int64_t end_ns = clock_monotonic_ns(options->clock);
    holder->result.stats = (struct promql_stats){
        .total_ns = end_ns - start_ns,
        .queue_ns = entered_ns - start_ns,
        .evaluate_ns = end_ns - entered_ns,
        .samples = query->samples_seen,
        .samples_peak = query->samples_peak,
        .samples_per_step = query->samples_per_step,
        .step_count = query->root_steps.count,
        .start_ms = query->root_steps.start_ms,
        .step_ms = query->root_steps.step_ms,
        .memory = holder->query_arena.size_used + holder->arena.size_used,
    };
    if (options->clock == &clock_system) holder->result.deadline_ns = query->deadline_ns;
    holder->cursors = query->cursors;
    shared_release(query);
    annotations_release(&query->annotations);
    if (code < 0) {
        promql_result_free(&holder->result);
        return code;
    }
    *result_out = &holder->result;
    return 0;
}

static bool is_in_time(int64_t time_ms)
{
    return time_ms >= -PROMQL_TIME_MS_MAX && time_ms <= PROMQL_TIME_MS_MAX;
}

int promql_query_instant(struct promql_engine *engine, const struct series_source *source,
                         const struct promql_expr *expr, int64_t time_ms,
                         const struct promql_request *request, struct promql_result **result_out,
                         struct error *error)
{
    if (!is_in_time(time_ms)) return error_set(error, ERROR_INVALID, "time is out of bounds");
    struct query query = { .source = source,
                           .expr = expr,
                           .request = request,
                           .error = error,
                           .range = { time_ms, time_ms, 0 },
                           .is_instant = true };
    return engine_run(engine, &query, result_out);
}

int promql_query_range(struct promql_engine *engine, const struct series_source *source,
                       const struct promql_expr *expr, const struct promql_range *range,
                       const struct promql_request *request, struct promql_result **result_out,
                       struct error *error)
{
    enum promql_type type = expr->root->type;
    if (type != PROMQL_VECTOR && type != PROMQL_SCALAR) {
        return error_set(error, ERROR_INVALID,
                         "invalid expression type \"%s\" for range query, must be Scalar or "
                         "instant Vector",
                         promql_type_name(type));
    }
    if (range->step_ms <= 0 || range->end_ms < range->start_ms) {
        return error_set(error, ERROR_INVALID,
                         "range query needs a step above 0 and an end not before its start");
    }
    if (!is_in_time(range->start_ms) || !is_in_time(range->end_ms) ||
        range->step_ms > PROMQL_TIME_MS_MAX) {
        return error_set(error, ERROR_INVALID, "range query's times are out of bounds");
    }
    struct query query = {
        .source = source, .expr = expr, .request = request, .error = error, .range = *range
    };
    return kept_run(engine, &query, result_out);
}
