/* eval.h - how a tree becomes columns.
 *
 * An expression is evaluated for all steps of a query at once. A vector flows from node to node as
 * rows: one series with a value for each step. A node pushes each of its rows into a sink, which
 * works on it at once (a sum adds it up) or keeps a copy (a join needs all). So a sum over rates
 * of ten thousand series holds its groups and one row, not ten thousand.
 *
 *     source -> selector -> rate -> sum          rows are pushed from left to right
 *
 * What is the same at every step (constants, `@`) is evaluated at one step and repeated.
 *
 * A value that is not there is ROW_ABSENT: the bits of a stale marker, which never is a value.
 */
#ifndef PROMQL_EVAL_H
#define PROMQL_EVAL_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/sample.h"
#include "model/series_source.h"
#include "promql/annotations.h"
#include "promql/expr.h"
#include "promql/functions.h"
#include "promql/promql.h"
#include "promql/turns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The times at which to evaluate. */
struct steps {
    int64_t start_ms;
    int64_t step_ms; /* > 0 */
    size_t count;    /* > 0 */
};

static inline int64_t steps_time(const struct steps *steps, size_t step)
{
    return steps->start_ms + (int64_t)step * steps->step_ms;
}

VEC_TYPE(cursor_list, struct series_cursor *);

struct shared_rows;

/* One query from start to end. Owned by the thread that evaluates it. */
struct query {
    struct arena *arena;
    struct arena *result_arena; /* of the answer */
    struct promql_engine *engine;
    int (*look_at_turns)(struct query *query, int64_t now_ns); /* ERROR_TIMEOUT */
    struct turn *turn;                                         /* never NULL; turns.h */
    bool is_long;
    size_t points_max; /* of the request */
    const struct series_source *source;
    const struct promql_expr *expr;
    const struct promql_request *request;
    const struct clock *clock;
    struct error *error;
    struct annotations annotations;
    struct shared_rows *shared; /* of shared nodes, by number; NULL until the first */
    struct cursor_list cursors; /* open until the end: rows borrow their labels */
    struct promql_range range;  /* what start(), end(), step() and @ mean */
    int64_t default_step_ms;
    int64_t lookback_ms;
    int64_t deadline_ns;
    size_t samples_max;
    size_t samples_held;
    size_t samples_peak;
    uint64_t samples_seen;
    bool counts_steps;
    uint64_t *samples_per_step; /* by the root's steps; NULL: not wanted */
    struct steps root_steps;    /* set when they are counted */
    unsigned work;              /* since the clock was looked at */
    size_t work_max;            /* of the request */
    size_t work_done;           /* counted when there is a work_max */
    uint32_t features;
    bool is_instant;
};

struct evaluation {
    struct query *query;
    struct steps steps;
};

#define ROW_ABSENT      (sample_stale())
#define ROW_IS_THERE(v) (!sample_is_stale(v))

struct row {
    struct labels labels;
    bool drops_name;                     /* delayed removal: at the end the name goes */
    double *values;                      /* one a step; ROW_ABSENT: nothing or a histogram */
    const struct histogram **histograms; /* NULL, or one a step; NULL: nothing or a number */
};

/* Takes rows. The row and its arrays are the giver's, valid during the call; the taker may change
 * the arrays. */
struct sink {
    int (*take)(struct sink *sink, struct row *row);
};

VEC_TYPE(row_list, struct row);

/* What was kept of a shared node. */
struct shared_rows {
    bool is_kept;
    struct steps steps;
    struct row_list rows;
    uint64_t samples_seen;
};

/* --- eval.c --- */

/* Pushes the rows of an instant vector. */
int evaluate_vector(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* Fills one value a step. */
int evaluate_scalar(struct evaluation *evaluation, const struct node *node, double *values);

/* A string needs no steps. */
struct str evaluate_string(const struct node *node);

/* Keeps copies of all rows in the arena; rows->items is to be given back by VEC_RELEASE. */
int evaluate_collect(struct evaluation *evaluation, const struct node *node, struct row_list *rows);

/* A row of the evaluation's length with nothing in it; histograms too when wanted. */
int row_new(struct evaluation *evaluation, struct row *row, bool has_histograms);
int row_copy(struct evaluation *evaluation, const struct row *row, struct row *copy);
int row_need_histograms(struct evaluation *evaluation, struct row *row);
void row_clear(const struct evaluation *evaluation, struct row *row);
bool row_is_empty(const struct evaluation *evaluation, const struct row *row);

/* Takes __name__ off (or marks it to be), by the query's rules. */
int row_drop_name(struct evaluation *evaluation, struct row *row);

/* At the end: takes the name off where that was put off. */
int row_finish_name(struct evaluation *evaluation, struct row *row);

/* Rows in front of `next` that have the same labels become one; ERROR_EVALUATION when two of them
 * have a value at the same step. */
struct merge_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct map by_labels;
    struct row_list rows;
};
void merge_sink_init(struct merge_sink *merge, struct evaluation *evaluation);
int merge_sink_flush(struct merge_sink *merge, struct sink *next);
void merge_sink_release(struct merge_sink *merge);

/* True when no two rows of the node differ in the name alone. */
bool node_has_one_name(const struct node *node);

/* The bytes that name a label set, in the arena. */
struct str labels_key(struct arena *arena, struct labels labels);

int out_of_memory(struct query *query);
int evaluation_fail(struct query *query, const char *format, ...) PRINTF_LIKE(2, 3);

/* Counts work and, now and then, looks whether to go on: ERROR_TIMEOUT, ERROR_CLOSED. */
int query_tick(struct query *query, size_t work);

/* Counts samples that were looked at for a step. */
void query_see(const struct evaluation *evaluation, size_t step, size_t samples);

/* Counts samples that stay; ERROR_LIMIT past the most. */
int query_hold(struct query *query, size_t samples);

void *query_alloc(struct query *query, size_t count, size_t size);
#define QUERY_ARRAY(query, type, count) ((type *)query_alloc((query), (count), sizeof(type)))

/* --- selector.c --- */

int evaluate_selector(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* As the selector, but the values are the samples' own times in seconds, or since when they count
 * (0: not known). */
int evaluate_timestamps(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int evaluate_starts(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* A series' samples, without stale markers; numbers and histograms apart. */
struct points {
    struct labels labels;
    bool drops_name;
    const int64_t *times_ms;
    const double *values;
    size_t count;
    const int64_t *histogram_times_ms;
    const struct histogram *const *histograms;
    size_t histogram_count;
    const int64_t *starts_ms; /* of the numbers, as series_source.h has them; NULL: not known */
    const int64_t *histogram_starts_ms;
};

/* Whether a counter began anew between a sample and the one before it, by its start times: it
 * starts behind that one, or at it when that one itself started before. */
static inline bool starts_anew(const int64_t *starts_ms, const int64_t *times_ms, size_t i)
{
    if (starts_ms == NULL) return false;
    int64_t start_ms = starts_ms[i];
    if (start_ms == 0 || start_ms >= times_ms[i]) return false;
    if (start_ms > times_ms[i - 1]) return true;
    return start_ms == times_ms[i - 1] && starts_ms[i - 1] != 0 && starts_ms[i - 1] < start_ms;
}

/* What a range function sees at one step: [from, to) of each. */
struct window {
    const struct points *points;
    size_t from;
    size_t to;
    size_t histogram_from;
    size_t histogram_to;
    int64_t start_ms; /* not inside */
    int64_t end_ms;   /* inside */
    int64_t time_ms;  /* of the step: without offset and @ */
    size_t step;
    bool is_anchored;
    bool is_smoothed;
};

/* How the windows of a range vector lie. */
struct windows {
    struct steps steps; /* when they are asked for */
    struct steps ends;  /* where they end: moved by offset; step_ms 0 with `@` */
    int64_t range_ms;
    bool is_anchored;
    bool is_smoothed;
};

/* Moves the window on to a step; steps must not go back. Histograms apart: see functions.c. */
static inline void window_move(struct window *window, const struct windows *windows, size_t step)
{
    const struct points *points = window->points;
    window->end_ms = steps_time(&windows->ends, step);
    window->start_ms = window->end_ms - windows->range_ms;
    window->time_ms = steps_time(&windows->steps, step);
    window->step = step;
    while (window->to < points->count && points->times_ms[window->to] <= window->end_ms) {
        window->to++;
    }
    while (window->from < window->to && points->times_ms[window->from] <= window->start_ms) {
        window->from++;
    }
}

/* A series of numbers with all its windows, for functions that know how to slide. */
struct sweep {
    struct call *call;
    const struct points *points; /* no histograms */
    const struct windows *windows;
    double *values; /* out: one a step; all ROW_ABSENT before */
    size_t seen;    /* out: samples in all windows */
    bool is_any;    /* out: something was put into values */
};

struct points_sink {
    int (*take)(struct points_sink *sink, const struct points *points,
                const struct windows *windows);
};

int evaluate_matrix(struct evaluation *evaluation, const struct node *node,
                    struct points_sink *sink);

/* --- the others --- */

int evaluate_call(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int evaluate_aggregate(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int evaluate_binary(struct evaluation *evaluation, const struct node *node, struct sink *sink);
double binary_scalar(enum binary_operator op, double left, double right);
int evaluate_duration(const struct query *query, const struct duration *duration,
                      int64_t *duration_ms);

/* A function call under way. */
struct call {
    struct evaluation *evaluation;
    const struct node *node;
    const double *scalars[FUNCTION_ARGUMENTS_MAX]; /* by argument; NULL: not a scalar */
    struct labels labels;                          /* of the series at hand */
    double *scratch;                               /* of quantiles */
    size_t scratch_capacity;
    uint32_t *indexes; /* of sliding extremes */
    size_t index_capacity;
    struct sweep_table *tables; /* functions_sweep.c's; NULL until there are some */
    bool is_out_of_memory;      /* looked at after each series */
    int code;                   /* likewise: the error is set */
};

/* Compensated sums (Neumaier). */
struct kahan {
    double sum;
    double lost;
};

static inline void kahan_add(struct kahan *kahan, double value)
{
    double total = kahan->sum + value;
    if (__builtin_isinf(total)) {
        kahan->lost = 0;
    } else if (__builtin_fabs(kahan->sum) >= __builtin_fabs(value)) {
        kahan->lost += (kahan->sum - total) + value;
    } else {
        kahan->lost += (value - total) + kahan->sum;
    }
    kahan->sum = total;
}

/* The same without a branch, for as long as the sum is finite: what a rounding loses is exact
 * either way (Knuth's and Neumaier's sums find the same number), but an infinity spoils `lost`. */
static inline void kahan_add_finite(struct kahan *kahan, double value)
{
    double total = kahan->sum + value;
    double added = total - kahan->sum;
    kahan->lost += (kahan->sum - (total - added)) + (value - added);
    kahan->sum = total;
}

/* Warns when q is not in [0, 1]. */
void annotate_quantile(struct query *query, struct place place, double q);

/* ranking.c: a quantile as the reference has it, of values in any order; it moves them about. */
double quantile_of_numbers(double q, double *values, size_t count);

#endif
