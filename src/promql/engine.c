/* engine.c - the engine: who may run, for how long, and what comes out. */
#include "base/budget.h"
#include "base/check.h"
#include "base/thread.h"
#include "promql/eval.h"
#include "promql/expr_cache.h"
#include "promql/parser.h"
#include "promql/range_cache.h"
#include "promql/shared.h"
#include "promql/turns.h"

#include <errno.h>
#include <stdlib.h>

#define SAMPLES_MAX     50000000
#define MEMORY_MAX      ((size_t)1 << 30)
#define CONCURRENCY_MAX 20
#define TIMEOUT_MS      120000
#define LOOKBACK_MS     300000
#define DEFAULT_STEP_MS 60000

#define QUICK_TEXT_MAX 1024 /* bytes of an expression that is parsed at once */

/* Processor time from which on a query is a long one, and how long it then runs while others wait
 * to. Shorter slices would cost in caches, longer ones would be felt. */
#define LONG_NS  INT64_C(50000000)
#define SLICE_NS INT64_C(100000000)

/* Samples that a query must have looked at for its answer to be worth keeping. */
#define CACHED_SAMPLES_MIN 10000

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
};

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

/* A query that turns out to be long gives its place to a short one and takes turns from then on. */
static int take_turns(struct query *query)
{
    struct promql_engine *engine = query->engine;
    const struct promql_request *request = query->request;
    int64_t now_ns = clock_monotonic_ns(query->clock);
    query->slice_end_ns = now_ns + SLICE_NS;
    if (query->work_max > 0) return 0; /* in a hurry: it must not wait */
    if (!query->is_long) {
        int64_t used_ns = clock_thread_cpu_ns() - query->cpu_start_ns;
        if (used_ns < LONG_NS) {
            query->slice_end_ns = now_ns + LONG_NS - used_ns;
            return 0;
        }
        query->is_long = true;
        if (request != NULL && request->turns_long != NULL) request->turns_long(request->argument);
        give_place(engine);
    } else if (turns_is_waited_for(&engine->turns)) {
        turns_give(&engine->turns);
    } else {
        return 0;
    }
    query->has_turn = turns_take(&engine->turns, query->clock, query->deadline_ns);
    query->slice_end_ns = clock_monotonic_ns(query->clock) + SLICE_NS;
    if (query->has_turn) return 0;
    return error_set(query->error, ERROR_TIMEOUT, "query timed out waiting for the processor");
}

static void leave(struct promql_engine *engine, const struct query *query)
{
    if (!query->is_long) {
        give_place(engine);
    } else if (query->has_turn) {
        turns_give(&engine->turns);
    }
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
    free(holder);
}

/* --- collecting the answer --- */

struct answer {
    struct sink sink;
    struct points_sink points_sink;
    struct evaluation *evaluation;
    struct arena *arena;
    VEC(struct promql_series) series;
    size_t points;
};

struct answer_columns {
    int64_t *times_ms;
    double *values;
    const struct histogram **histograms;
};

static int new_columns(struct answer *answer, size_t count, bool has_histograms,
                       struct answer_columns *columns)
{
    columns->times_ms = ARENA_ARRAY(answer->arena, int64_t, count);
    columns->values = ARENA_ARRAY(answer->arena, double, count);
    columns->histograms = NULL;
    if (has_histograms) {
        columns->histograms = ARENA_ARRAY(answer->arena, const struct histogram *, count);
        if (columns->histograms == NULL) return out_of_memory(answer->evaluation->query);
    }
    if (columns->times_ms == NULL || columns->values == NULL) {
        return out_of_memory(answer->evaluation->query);
    }
    return 0;
}

static int add_series(struct answer *answer, struct labels labels,
                      const struct answer_columns *columns, size_t count)
{
    struct query *query = answer->evaluation->query;
    struct promql_series series = { .count = count,
                                    .times_ms = columns->times_ms,
                                    .values = columns->values,
                                    .histograms = columns->histograms,
                                    .labels = labels };
    if (!VEC_PUSH(&answer->series, series)) return out_of_memory(query);
    answer->points += count;
    if (query->points_max > 0 && answer->points > query->points_max) {
        return error_set(query->error, ERROR_LIMIT,
                         "the answer has more than %zu points, more than can be sent: ask for a "
                         "shorter range, a longer step or fewer series",
                         query->points_max);
    }
    return query_hold(query, count);
}

static void put_histogram(const struct answer_columns *columns, size_t at,
                          const struct histogram *histogram)
{
    columns->histograms[at] = histogram;
    columns->values[at] = histogram->sum;
}

static int take_answer(struct sink *sink, struct row *row)
{
    struct answer *answer = (struct answer *)sink;
    struct evaluation *evaluation = answer->evaluation;
    size_t count = 0;
    bool has_histograms = false;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        bool has_histogram = row->histograms != NULL && row->histograms[i] != NULL;
        if (ROW_IS_THERE(row->values[i]) || has_histogram) count++;
        has_histograms = has_histograms || has_histogram;
    }
    if (count == 0) return 0;
    struct answer_columns columns;
    int code = new_columns(answer, count, has_histograms, &columns);
    size_t at = 0;
    for (size_t i = 0; code == 0 && i < evaluation->steps.count; i++) {
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[i];
        if (!ROW_IS_THERE(row->values[i]) && histogram == NULL) continue;
        columns.times_ms[at] = steps_time(&evaluation->steps, i);
        columns.values[at] = row->values[i];
        if (histogram != NULL) put_histogram(&columns, at, histogram);
        at++;
    }
    if (code == 0) code = add_series(answer, row->labels, &columns, count);
    return code;
}

/* A range vector as the answer: its samples as they are, numbers and histograms in one row. */
static int take_points_answer(struct points_sink *sink, const struct points *points,
                              const struct windows *windows)
{
    struct answer *answer =
        (struct answer *)(void *)((char *)sink - offsetof(struct answer, points_sink));
    int64_t end_ms = windows->ends.start_ms;
    int64_t start_ms = end_ms - windows->range_ms;
    struct answer_columns columns;
    int code = new_columns(answer, points->count + points->histogram_count + 1,
                           points->histogram_count > 0, &columns);
    size_t count = 0;
    size_t p = 0;
    size_t h = 0;
    while (code == 0 && (p < points->count || h < points->histogram_count)) {
        bool is_number =
            h == points->histogram_count ||
            (p < points->count && points->times_ms[p] <= points->histogram_times_ms[h]);
        int64_t time_ms = is_number ? points->times_ms[p] : points->histogram_times_ms[h];
        bool is_inside = time_ms > start_ms && time_ms <= end_ms;
        if (is_inside) columns.times_ms[count] = time_ms;
        if (is_inside && is_number) columns.values[count] = points->values[p];
        if (is_inside && !is_number) {
            put_histogram(&columns, count, points->histograms[h]);
        }
        count += is_inside ? 1 : 0;
        p += is_number ? 1 : 0;
        h += is_number ? 0 : 1;
    }
    if (code < 0 || count == 0) return code;
    struct row row = { .labels = points->labels, .drops_name = points->drops_name };
    code = row_finish_name(answer->evaluation, &row);
    return code < 0 ? code : add_series(answer, row.labels, &columns, count);
}

struct finish_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct sink *next;
};

static int take_finish(struct sink *sink, struct row *row)
{
    struct finish_sink *finish = (struct finish_sink *)sink;
    int code = row_finish_name(finish->evaluation, row);
    return code < 0 ? code : finish->next->take(finish->next, row);
}

/* With delayed removal the names go now, and what is the same then must not overlap. */
static int answer_vector(struct answer *answer, const struct node *root)
{
    struct evaluation *evaluation = answer->evaluation;
    if ((evaluation->query->features & PROMQL_FEATURE_DELAYED_NAME_REMOVAL) == 0) {
        return evaluate_vector(evaluation, root, &answer->sink);
    }
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    struct finish_sink finish = { { take_finish }, evaluation, &merge.sink };
    int code = evaluate_vector(evaluation, root, &finish.sink);
    if (code == 0) code = merge_sink_flush(&merge, &answer->sink);
    merge_sink_release(&merge);
    return code;
}

static int answer_scalar(struct answer *answer, const struct node *root,
                         struct promql_result *result)
{
    struct evaluation *evaluation = answer->evaluation;
    struct row row;
    int code = row_new(evaluation, &row, false);
    if (code == 0) code = evaluate_scalar(evaluation, root, row.values);
    if (code < 0) return code;
    if (!evaluation->query->is_instant) return take_answer(&answer->sink, &row);
    result->scalar = row.values[0];
    return 0;
}

static int compare_series(const void *a, const void *b)
{
    const struct promql_series *left = a;
    const struct promql_series *right = b;
    return labels_compare(left->labels, right->labels);
}

static int finish_answer(struct answer *answer, struct result_holder *holder)
{
    struct query *query = answer->evaluation->query;
    struct promql_result *result = &holder->result;
    if (result->type == PROMQL_MATRIX && answer->series.count > 1) {
        qsort(answer->series.items, answer->series.count, sizeof(answer->series.items[0]),
              compare_series);
    }
    struct promql_series *series =
        ARENA_ARRAY(&holder->arena, struct promql_series, answer->series.count + 1);
    if (series == NULL) return out_of_memory(query);
    if (answer->series.count > 0) {
        memcpy(series, answer->series.items, answer->series.count * sizeof(series[0]));
    }
    result->series = series;
    result->series_count = answer->series.count;
    if (annotations_list(&query->annotations, ANNOTATION_WARNING, &holder->arena, &result->warnings,
                         &result->warning_count) < 0 ||
        annotations_list(&query->annotations, ANNOTATION_INFO, &holder->arena, &result->infos,
                         &result->info_count) < 0) {
        return out_of_memory(query);
    }
    return 0;
}

static int evaluate_answer(struct query *query, struct result_holder *holder)
{
    struct promql_result *result = &holder->result;
    const struct node *root = query->expr->root;
    struct evaluation evaluation = { .query = query };
    evaluation.steps = (struct steps){ query->range.start_ms, 1, 1 };
    if (!query->is_instant) {
        evaluation.steps.step_ms = query->range.step_ms;
        uint64_t span = (uint64_t)query->range.end_ms - (uint64_t)query->range.start_ms;
        evaluation.steps.count = (size_t)(span / (uint64_t)query->range.step_ms) + 1;
        if (evaluation.steps.count > query->samples_max) {
            return query_hold(query, evaluation.steps.count);
        }
    }
    if (query->counts_steps) {
        query->samples_per_step = ARENA_ARRAY(&holder->arena, uint64_t, evaluation.steps.count);
        if (query->samples_per_step == NULL) return out_of_memory(query);
        query->root_steps = evaluation.steps;
    }
    struct answer answer = { .sink = { take_answer },
                             .points_sink = { take_points_answer },
                             .evaluation = &evaluation,
                             .arena = &holder->arena };
    result->type = query->is_instant ? root->type : PROMQL_MATRIX;
    result->time_ms = query->range.start_ms;
    int code = 0;
    if (root->type == PROMQL_STRING) {
        result->string = arena_copy(&holder->arena, evaluate_string(root));
    } else if (root->type == PROMQL_SCALAR) {
        code = answer_scalar(&answer, root, result);
    } else if (root->type == PROMQL_MATRIX) {
        code = evaluate_matrix(&evaluation, root, &answer.points_sink);
    } else {
        code = answer_vector(&answer, root);
    }
    if (code == 0) code = finish_answer(&answer, holder);
    VEC_RELEASE(&answer.series);
    return code;
}

static int64_t shorter(int64_t asked, int64_t most)
{
    return asked > 0 && asked < most ? asked : most;
}

static int run(struct promql_engine *engine, struct query *query, struct promql_result **result_out)
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
    int64_t entered_ns = clock_monotonic_ns(options->clock);
    arena_init_within(&holder->query_arena, engine->budget->size_max, engine->budget);
    query->arena = &holder->query_arena;
    query->result_arena = &holder->arena;
    query->engine = engine;
    query->take_turns = take_turns;
    query->slice_end_ns = entered_ns + LONG_NS;
    query->cpu_start_ns = query->work_max > 0 ? 0 : clock_thread_cpu_ns();
    code = evaluate_answer(query, holder);
    leave(engine, query);
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

/* --- answers kept --- */

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
        code = run(cached->engine, query, &result);
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
    return run(engine, &query, result_out);
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
    struct cached cached;
    if (cache_begin(&cached, engine, &query)) return run_cached(&cached, &query, result_out);
    return run(engine, &query, result_out);
}
