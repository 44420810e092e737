/* promql.h - the door of the query language: parse, print and evaluate PromQL.
 *
 *     text -> lexer -> parser -> checked tree -> evaluation over a series_source -> columns
 *
 * The engine knows no store: it reads through model/series_source.h. Every expression is evaluated
 * for all steps of a query at once, series by series, in columns; see eval.h for how.
 *
 *     struct promql_engine *engine;
 *     int code = promql_engine_new(&engine, &(struct promql_options){ 0 }, error);
 *     struct promql_expr *expr;
 *     code = promql_parse(&expr, engine, STR("sum by (job) (rate(requests_total[5m]))"), error);
 *     struct promql_result *result;
 *     code = promql_query_instant(engine, source, expr, now_ms, NULL, &result, error);
 *     ... result->series[0].values[0] ...
 *     promql_result_free(result);
 *     promql_expr_free(expr);
 *
 * Errors:  ERROR_PARSE for the text ("1:5: parse error: ..."; error->offset is the byte),
 *          ERROR_LIMIT for samples or memory, ERROR_TIMEOUT, ERROR_CLOSED (canceled),
 *          ERROR_EVALUATION for what only the data shows (many-to-many matching, the same labelset
 *          twice, ...). Texts are those of Prometheus 3.x, also where our own habits differ.
 * Threads: an engine and an expression may be used by any number of threads; a result belongs to
 *          one.
 * Fairness: as many queries run at a time as there are processors, in turns (turns.h), new ones
 *          first; those with a work_max take none. One that has used the processor for 50 ms is a
 *          long one: it gives its place among the concurrent ones to another.
 */
#ifndef PROMQL_PROMQL_H
#define PROMQL_PROMQL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;    /* base/budget.h */
struct histogram; /* model/histogram.h */
struct turn;      /* turns.h, of the engine alone */

/* What --enable-feature turns on, with the names it has there. */
/* clang-format off */
#define PROMQL_FEATURES(X)                                                                        \
    X(EXPERIMENTAL_FUNCTIONS, 0x01, "promql-experimental-functions")                              \
    X(EXTENDED_SELECTORS,     0x02, "promql-extended-range-selectors")                            \
    X(DELAYED_NAME_REMOVAL,   0x04, "promql-delayed-name-removal")                                \
    X(FILL,                   0x08, "promql-binop-fill-modifiers")                                \
    X(TYPE_AND_UNIT_LABELS,   0x10, "type-and-unit-labels")                                       \
    X(START_TIMESTAMPS,       0x20, "use-start-timestamps")                                       \
    X(PER_STEP_STATS,         0x40, "promql-per-step-stats")
/* clang-format on */

enum promql_feature {
#define X(name, bit, text) PROMQL_FEATURE_##name = (bit),
    PROMQL_FEATURES(X)
#undef X
};

/* The feature with that name, 0 when there is none. */
uint32_t promql_feature_find(struct str name);

/* Defaults stand where a field is 0. */
struct promql_options {
    uint32_t features;         /* enum promql_feature, or-ed */
    size_t samples_max;        /* most samples a query holds at once; 50,000,000 */
    size_t memory_max;         /* bytes that queries may take from memory, all together; 1 GiB */
    struct budget *budget;     /* that they are taken from instead, shared with others; NULL */
    size_t concurrency_max;    /* queries at once, more wait; 20. Long ones are not counted */
    int64_t timeout_ms;        /* of a query, waiting included; 2 minutes */
    int64_t lookback_ms;       /* how old an instant selector's sample may be; 5 minutes */
    int64_t default_step_ms;   /* of subqueries that name none (evaluation_interval); 1 minute */
    const struct clock *clock; /* for deadlines; the machine's */
};

/* Most nodes deep that an expression may be nested. */
#define PROMQL_DEPTH_MAX 1000

/* Times lie within this far of the epoch; some 126 million years. */
#define PROMQL_TIME_MS_MAX INT64_C(4000000000000000000)

/* Most bytes of an expression's text. */
#define PROMQL_TEXT_SIZE_MAX ((size_t)1 << 20)

struct promql_engine;

int promql_engine_new(struct promql_engine **engine_out, const struct promql_options *options,
                      struct error *error) MUST_CHECK;
void promql_engine_free(struct promql_engine *engine); /* no query running, no result left */

/* The step of subqueries that name none, from now on. */
void promql_engine_set_default_step(struct promql_engine *engine, int64_t step_ms);

enum promql_type {
    PROMQL_NONE, /* takes no value; never the type of an expression */
    PROMQL_SCALAR,
    PROMQL_STRING,
    PROMQL_VECTOR,
    PROMQL_MATRIX,
};

const char *promql_type_name(enum promql_type type); /* "instant vector"; static */
const char *promql_type_code(enum promql_type type); /* "vector", as resultType has it; static */

/* A parsed and type-checked expression. */
struct promql_expr;

/*
 * Parses and checks an expression, or finds it among those parsed last.
 *
 *   expr_out  out: to be given back by promql_expr_free; untouched on failure
 *   text      copied
 *
 * Returns 0, ERROR_PARSE with "line:column: parse error: ..." and error->offset, or -ENOMEM.
 */
int promql_parse(struct promql_expr **expr_out, struct promql_engine *engine, struct str text,
                 struct error *error) MUST_CHECK;
void promql_expr_free(struct promql_expr *expr); /* NULL is fine */

/* Whether promql_parse is quick: it was parsed lately, or is short and has no patterns, of which a
 * few bytes may take long. */
bool promql_parse_is_quick(struct promql_engine *engine, struct str text) MUST_CHECK;

enum promql_type promql_expr_type(const struct promql_expr *expr);
struct str promql_expr_text(const struct promql_expr *expr);        /* as it was given */
void promql_print(struct buf *buf, const struct promql_expr *expr); /* one line, canonical */

/* Over several lines where one is longer than 100 bytes, as /api/v1/format_query answers. */
void promql_format(struct buf *buf, const struct promql_expr *expr);

/* The tree as JSON, as /api/v1/parse_query answers. */
void promql_write_tree(struct buf *buf, const struct promql_expr *expr);

/* The matchers of an expression that is a single instant selector (match[], federation); they live
 * as long as the expression. False when it is anything else. */
bool promql_expr_selector(const struct promql_expr *expr, const struct matcher **matchers,
                          size_t *count) MUST_CHECK;

/* Calls visit for each selector of the expression; `range_ms` 0 for instant ones. */
void promql_expr_selectors(const struct promql_expr *expr,
                           void (*visit)(void *argument, const struct matcher *matchers,
                                         size_t count, int64_t range_ms),
                           void *argument);

/* One line of the answer. */
struct promql_series {
    struct labels labels;
    size_t count;            /* points; 1 in a vector */
    const int64_t *times_ms; /* ascending */
    const double *values;
    const struct histogram *const *histograms; /* NULL: floats only; else NULL entry = float */
};

struct promql_stats {
    int64_t total_ns;      /* from asking to having, waiting included */
    int64_t queue_ns;      /* waiting for its turn */
    int64_t evaluate_ns;   /* the rest */
    uint64_t samples;      /* samples that windows and selectors looked at, over all steps */
    uint64_t samples_peak; /* most held at once */
    size_t memory;         /* bytes taken */
    size_t steps_kept;     /* steps of a range that an earlier answer had */
    const uint64_t *samples_per_step; /* NULL unless asked for; step_count entries */
    size_t step_count;
    int64_t start_ms; /* of the first step */
    int64_t step_ms;
};

/* Owned by one thread. All of it lives until promql_result_free. */
struct promql_result {
    enum promql_type type;
    int64_t time_ms;                    /* of a scalar or string */
    double scalar;                      /* type PROMQL_SCALAR */
    struct str string;                  /* type PROMQL_STRING */
    const struct promql_series *series; /* type PROMQL_VECTOR or PROMQL_MATRIX */
    size_t series_count;
    const struct str *warnings; /* "PromQL warning: ... (1:7)", each once, sorted */
    size_t warning_count;
    const struct str *infos; /* "PromQL info: ..." */
    size_t info_count;
    struct promql_stats stats;
    int64_t deadline_ns; /* until when it is worth writing, on clock_system; 0: for ever */
    struct turn *turn;   /* of the engine: what it keeps of the processor; NULL: nothing */
};

void promql_result_free(struct promql_result *result); /* NULL is fine */

/* What one request may change; NULL or zeros take the engine's. */
struct promql_request {
    int64_t timeout_ms;  /* shorter than the engine's */
    int64_t start_ns;    /* since when the timeout runs, monotonic; 0: since the call */
    int64_t lookback_ms; /* lookback_delta */
    size_t samples_max;
    /* For a caller in a hurry: -EAGAIN when the query would look at more samples and values than
     * about so many, each series a few hundred of them; also when it would have to wait its turn.
     * Mostly known before much is done. 0 = no such limit. */
    size_t work_max;
    size_t points_max; /* points of the answer that the caller can use; more: ERROR_LIMIT */
    bool counts_steps; /* stats.samples_per_step is wanted */
    bool keeps_turn;   /* the answer is written and freed at once: until then the query keeps its
                          turn on the processor */
    bool skips_cache;  /* all steps are evaluated, whatever was kept of earlier answers */
    bool (*is_canceled)(void *argument); /* asked every few thousand samples; may be NULL */
    void (*turns_long)(void *argument);  /* called once the query has used some 50 ms of the
                                            processor, on its thread; may be NULL */
    void *argument;
};

/*
 * Evaluates at one time.
 *
 *   request     may be NULL
 *   result_out  out: to be given back by promql_result_free; untouched on failure
 *
 * Vectors stand in the order of evaluation (sort() counts), matrices by labels.
 */
int promql_query_instant(struct promql_engine *engine, const struct series_source *source,
                         const struct promql_expr *expr, int64_t time_ms,
                         const struct promql_request *request, struct promql_result **result_out,
                         struct error *error) MUST_CHECK;

struct promql_range {
    int64_t start_ms; /* first step */
    int64_t end_ms;   /* last step is the last start + n * step not after it */
    int64_t step_ms;  /* > 0 */
};

/* Evaluates at every step; a matrix also for scalars. ERROR_INVALID for strings and ranges. */
int promql_query_range(struct promql_engine *engine, const struct series_source *source,
                       const struct promql_expr *expr, const struct promql_range *range,
                       const struct promql_request *request, struct promql_result **result_out,
                       struct error *error) MUST_CHECK;

/* Past the result's deadline the buffer fails, as it does when it is full.
 * Writes `"resultType":"vector","result":[...]` as the API's data object holds it (without the
 * braces, so that stats can stand beside). */
void promql_result_write_json(struct buf *buf, const struct promql_result *result);

/* A sample's value as the API writes it: "1e-07", "+Inf", "NaN", "-0". */
void promql_value_print(struct buf *buf, double value);

#endif
