/* functions.c - the table, and how the plain shapes are called. */
#include "promql/functions.h"

#include "base/check.h"
#include "promql/function_list.h"

#include <math.h>
#include <stdio.h>

#define SCALAR       PROMQL_SCALAR
#define STRING       PROMQL_STRING
#define VECTOR       PROMQL_VECTOR
#define MATRIX       PROMQL_MATRIX
#define EXPERIMENTAL .feature = PROMQL_FEATURE_EXPERIMENTAL_FUNCTIONS

#define MATH(text, function)                                                                       \
    {                                                                                              \
        .name = STR_INIT(text), .result = VECTOR, .shape = FUNCTION_MATH, .arguments = { VECTOR }, \
        .math = (function)                                                                         \
    }
#define TIME(text, function)                                                                       \
    {                                                                                              \
        .name = STR_INIT(text), .result = VECTOR, .shape = FUNCTION_MATH, .arguments = { VECTOR }, \
        .variadic = 1, .needs_time = true, .math = (function)                                      \
    }
#define WINDOW(text, function, ...)                                                                \
    {                                                                                              \
        .name = STR_INIT(text), .result = VECTOR, .shape = FUNCTION_WINDOW, .window = (function),  \
        __VA_ARGS__                                                                                \
    }
#define POINT(text, function, ...)                                                                 \
    {                                                                                              \
        .name = STR_INIT(text), .result = VECTOR, .shape = FUNCTION_POINT, .point = (function),    \
        __VA_ARGS__                                                                                \
    }
#define CONSTANT(text, function, ...)                                                              \
    {                                                                                              \
        .name = STR_INIT(text), .result = SCALAR, .shape = FUNCTION_SCALAR, .scalar = (function),  \
        __VA_ARGS__                                                                                \
    }
#define SPECIAL(text, function, ...)                                                               \
    {                                                                                              \
        .name = STR_INIT(text), .result = VECTOR, .shape = FUNCTION_SPECIAL,                       \
        .special = (function), __VA_ARGS__                                                         \
    }

/* Sorted by name: function_find halves. */
/* clang-format off */
static const struct promql_function functions[] = {
    MATH("abs", fabs),
    SPECIAL("absent", special_absent, .arguments = { VECTOR }),
    SPECIAL("absent_over_time", special_absent_over_time, .arguments = { MATRIX }),
    MATH("acos", acos),
    MATH("acosh", math_acosh),
    MATH("asin", asin),
    MATH("asinh", asinh),
    MATH("atan", atan),
    MATH("atanh", math_atanh),
    WINDOW("avg_over_time", window_avg, .arguments = { MATRIX }),
    MATH("ceil", ceil),
    WINDOW("changes", window_changes, .arguments = { MATRIX }),
    POINT("clamp", point_clamp, .arguments = { VECTOR, SCALAR, SCALAR }),
    POINT("clamp_max", point_clamp_max, .arguments = { VECTOR, SCALAR }),
    POINT("clamp_min", point_clamp_min, .arguments = { VECTOR, SCALAR }),
    MATH("cos", cos),
    MATH("cosh", cosh),
    WINDOW("count_over_time", window_count, .arguments = { MATRIX }),
    TIME("day_of_month", math_day_of_month),
    TIME("day_of_week", math_day_of_week),
    TIME("day_of_year", math_day_of_year),
    TIME("days_in_month", math_days_in_month),
    MATH("deg", math_degrees),
    WINDOW("delta", window_delta, .arguments = { MATRIX }, .sweep = sweep_delta),
    WINDOW("deriv", window_deriv, .arguments = { MATRIX }),
    WINDOW("double_exponential_smoothing", window_smoothing,
           .arguments = { MATRIX, SCALAR, SCALAR }, EXPERIMENTAL),
    CONSTANT("end", scalar_end, EXPERIMENTAL),
    MATH("exp", exp),
    WINDOW("first_over_time", window_first, .arguments = { MATRIX }, .keeps_name = true),
    MATH("floor", floor),
    POINT("histogram_avg", point_histogram_avg, .arguments = { VECTOR }),
    POINT("histogram_count", point_histogram_count, .arguments = { VECTOR }),
    SPECIAL("histogram_fraction", special_histogram_fraction,
            .arguments = { SCALAR, SCALAR, VECTOR }),
    SPECIAL("histogram_quantile", special_histogram_quantile, .arguments = { SCALAR, VECTOR }),
    SPECIAL("histogram_quantiles", special_histogram_quantiles, .variadic = 9,
            .arguments = { VECTOR, STRING, SCALAR, SCALAR }, EXPERIMENTAL),
    POINT("histogram_stddev", point_histogram_stddev, .arguments = { VECTOR }),
    POINT("histogram_stdvar", point_histogram_stdvar, .arguments = { VECTOR }),
    POINT("histogram_sum", point_histogram_sum, .arguments = { VECTOR }),
    TIME("hour", math_hour),
    WINDOW("idelta", window_idelta, .arguments = { MATRIX }),
    WINDOW("increase", window_increase, .arguments = { MATRIX }, .sweep = sweep_increase),
    SPECIAL("info", special_info, .arguments = { VECTOR, VECTOR }, .variadic = 1, EXPERIMENTAL,
            .keeps_name = true),
    WINDOW("irate", window_irate, .arguments = { MATRIX }),
    SPECIAL("label_join", special_label_join, .variadic = -1, .keeps_name = true,
            .arguments = { VECTOR, STRING, STRING, STRING }),
    SPECIAL("label_replace", special_label_replace, .keeps_name = true,
            .arguments = { VECTOR, STRING, STRING, STRING, STRING }),
    WINDOW("last_over_time", window_last, .arguments = { MATRIX }, .keeps_name = true),
    MATH("ln", log),
    MATH("log10", log10),
    MATH("log2", log2),
    WINDOW("mad_over_time", window_mad, .arguments = { MATRIX }, EXPERIMENTAL),
    { .name = STR_INIT("max_of"), .result = SCALAR, .shape = FUNCTION_POINT, EXPERIMENTAL,
      .arguments = { SCALAR, SCALAR }, .point = point_max_of },
    WINDOW("max_over_time", window_max, .arguments = { MATRIX }, .sweep = sweep_max),
    { .name = STR_INIT("min_of"), .result = SCALAR, .shape = FUNCTION_POINT, EXPERIMENTAL,
      .arguments = { SCALAR, SCALAR }, .point = point_min_of },
    WINDOW("min_over_time", window_min, .arguments = { MATRIX }, .sweep = sweep_min),
    TIME("minute", math_minute),
    TIME("month", math_month),
    { .name = STR_INIT("pi"), .result = SCALAR, .shape = FUNCTION_SCALAR, .scalar = scalar_pi },
    WINDOW("predict_linear", window_predict_linear, .arguments = { MATRIX, SCALAR },
           .needs_time = true),
    WINDOW("present_over_time", window_present, .arguments = { MATRIX }),
    WINDOW("quantile_over_time", window_quantile, .arguments = { SCALAR, MATRIX }),
    MATH("rad", math_radians),
    CONSTANT("range", scalar_range, EXPERIMENTAL),
    WINDOW("rate", window_rate, .arguments = { MATRIX }, .sweep = sweep_rate),
    WINDOW("resets", window_resets, .arguments = { MATRIX }),
    POINT("round", point_round, .arguments = { VECTOR, SCALAR }, .variadic = 1),
    { .name = STR_INIT("scalar"), .result = SCALAR, .shape = FUNCTION_SPECIAL,
      .arguments = { VECTOR } }, /* evaluate_scalar does it */
    MATH("sgn", math_sign),
    MATH("sin", sin),
    MATH("sinh", sinh),
    SPECIAL("sort", special_sort, .arguments = { VECTOR }, .keeps_name = true),
    SPECIAL("sort_by_label", special_sort, .arguments = { VECTOR, STRING }, .variadic = -1,
            EXPERIMENTAL, .keeps_name = true),
    SPECIAL("sort_by_label_desc", special_sort, .arguments = { VECTOR, STRING }, .variadic = -1,
            EXPERIMENTAL, .keeps_name = true),
    SPECIAL("sort_desc", special_sort, .arguments = { VECTOR }, .keeps_name = true),
    MATH("sqrt", sqrt),
    CONSTANT("start", scalar_start, EXPERIMENTAL),
    SPECIAL("start_timestamp", special_start_timestamp, .arguments = { VECTOR },
            .feature = PROMQL_FEATURE_START_TIMESTAMPS),
    WINDOW("stddev_over_time", window_stddev, .arguments = { MATRIX }),
    WINDOW("stdvar_over_time", window_stdvar, .arguments = { MATRIX }),
    CONSTANT("step", scalar_step, EXPERIMENTAL),
    WINDOW("sum_over_time", window_sum, .arguments = { MATRIX }),
    MATH("tan", tan),
    MATH("tanh", tanh),
    CONSTANT("time", scalar_time, .needs_time = true),
    SPECIAL("timestamp", special_timestamp, .arguments = { VECTOR }, .needs_time = true),
    WINDOW("ts_of_first_over_time", window_ts_of_first, .arguments = { MATRIX }, EXPERIMENTAL),
    WINDOW("ts_of_last_over_time", window_ts_of_last, .arguments = { MATRIX }, EXPERIMENTAL),
    WINDOW("ts_of_max_over_time", window_ts_of_max, .arguments = { MATRIX }, EXPERIMENTAL),
    WINDOW("ts_of_min_over_time", window_ts_of_min, .arguments = { MATRIX }, EXPERIMENTAL),
    SPECIAL("vector", special_vector, .arguments = { SCALAR }),
    TIME("year", math_year),
};
/* clang-format on */

const struct promql_function *function_find(struct str name)
{
    size_t low = 0;
    size_t high = ARRAY_LENGTH(functions);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(functions[middle].name, name);
        if (order == 0) return &functions[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

size_t function_argument_count(const struct promql_function *function)
{
    size_t count = 0;
    while (count < FUNCTION_ARGUMENTS_MAX && function->arguments[count] != PROMQL_NONE) count++;
    return count;
}

/* The argument with the elements. */
static const struct node *input_of(const struct node *node)
{
    for (size_t i = 0; i < node->call.count; i++) {
        enum promql_type type = node->call.arguments[i]->type;
        if (type == PROMQL_VECTOR || type == PROMQL_MATRIX) return node->call.arguments[i];
    }
    return NULL;
}

static int evaluate_scalars(struct call *call)
{
    struct evaluation *evaluation = call->evaluation;
    for (size_t i = 0; i < call->node->call.count && i < FUNCTION_ARGUMENTS_MAX; i++) {
        const struct node *argument = call->node->call.arguments[i];
        if (argument->type != PROMQL_SCALAR) continue;
        double *values = QUERY_ARRAY(evaluation->query, double, evaluation->steps.count);
        if (values == NULL) return out_of_memory(evaluation->query);
        int code = evaluate_scalar(evaluation, argument, values);
        if (code < 0) return code;
        call->scalars[i] = values;
    }
    return 0;
}

/* --- element by element --- */

struct point_sink {
    struct sink sink;
    struct call call;
    struct sink *next;
};

static bool apply_point(struct point_sink *point, struct row *row, size_t step)
{
    const struct promql_function *function = point->call.node->call.function;
    struct value value = { row->values[step],
                           row->histograms == NULL ? NULL : row->histograms[step] };
    row->values[step] = ROW_ABSENT;
    if (row->histograms != NULL) row->histograms[step] = NULL;
    if (function->shape == FUNCTION_MATH) {
        if (value.histogram != NULL) return false;
        row->values[step] = function->math(value.number);
        return true;
    }
    if (!function->point(&point->call, step, &value)) return false;
    row->values[step] = value.number;
    return true;
}

static int take_point(struct sink *sink, struct row *row)
{
    struct point_sink *point = (struct point_sink *)sink;
    struct evaluation *evaluation = point->call.evaluation;
    size_t count = evaluation->steps.count;
    int code = query_tick(evaluation->query, 4 * count);
    if (code < 0) return code;
    point->call.labels = row->labels;
    bool is_any = false;
    for (size_t i = 0; i < count; i++) {
        if (!ROW_IS_THERE(row->values[i]) &&
            (row->histograms == NULL || row->histograms[i] == NULL)) {
            continue;
        }
        is_any = apply_point(point, row, i) || is_any;
    }
    if (!is_any) return 0;
    code = row_drop_name(evaluation, row);
    return code < 0 ? code : point->next->take(point->next, row);
}

/* minute() without an argument: the time itself, without labels. */
static int push_times(struct evaluation *evaluation, struct sink *sink)
{
    struct row row;
    int code = row_new(evaluation, &row, false);
    if (code < 0) return code;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        row.values[i] = (double)steps_time(&evaluation->steps, i) / 1000;
    }
    return sink->take(sink, &row);
}

static int call_points(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct point_sink point = { .sink = { take_point },
                                .call = { .evaluation = evaluation, .node = node },
                                .next = sink };
    int code = evaluate_scalars(&point.call);
    if (code < 0) return code;
    const struct node *input = input_of(node);
    if (input == NULL) return push_times(evaluation, &point.sink);
    return evaluate_vector(evaluation, input, &point.sink);
}

/* --- window by window --- */

struct window_sink {
    struct points_sink sink;
    struct call call;
    struct sink *next;
    struct row row;
    struct str checked_name; /* the metric that annotate_counter looked at last */
};

static void advance(const int64_t *times, size_t count, int64_t start_ms, int64_t end_ms,
                    size_t *from, size_t *to)
{
    while (*to < count && times[*to] <= end_ms) ++*to;
    while (*from < *to && times[*from] <= start_ms) ++*from;
}

/* All steps at once, where the function can: a plain window and numbers only. */
static bool sweep_windows(struct window_sink *sink, const struct points *points,
                          const struct windows *windows, bool *is_any)
{
    const struct promql_function *function = sink->call.node->call.function;
    if (function->sweep == NULL || points->histogram_count > 0 || points->starts_ms != NULL ||
        windows->is_anchored || windows->is_smoothed || sink->row.histograms != NULL ||
        sink->call.evaluation->query->samples_per_step != NULL) {
        return false;
    }
    struct sweep sweep = {
        .call = &sink->call, .points = points, .windows = windows, .values = sink->row.values
    };
    if (!function->sweep(&sweep)) return false;
    *is_any = sweep.is_any;
    sink->call.evaluation->query->samples_seen += sweep.seen;
    return true;
}

static int fill_windows(struct window_sink *sink, const struct points *points,
                        const struct windows *windows, bool *is_any)
{
    struct evaluation *evaluation = sink->call.evaluation;
    const struct promql_function *function = sink->call.node->call.function;
    struct window window = { .points = points,
                             .is_anchored = windows->is_anchored,
                             .is_smoothed = windows->is_smoothed };
    bool is_extended = windows->is_anchored || windows->is_smoothed;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        window_move(&window, windows, i);
        advance(points->histogram_times_ms, points->histogram_count, window.start_ms, window.end_ms,
                &window.histogram_from, &window.histogram_to);
        size_t seen = window.to - window.from + window.histogram_to - window.histogram_from;
        if (seen == 0 && !is_extended) continue;
        int code = query_tick(evaluation->query, seen + 8);
        if (code < 0) return code;
        query_see(evaluation, i, seen);
        struct value value = { ROW_ABSENT, NULL };
        if (!function->window(&sink->call, &window, &value)) continue;
        *is_any = true;
        sink->row.values[i] = value.number;
        if (value.histogram == NULL) continue;
        sink->row.values[i] = ROW_ABSENT;
        code = row_need_histograms(evaluation, &sink->row);
        if (code < 0) return code;
        sink->row.histograms[i] = value.histogram;
    }
    if (sink->call.is_out_of_memory) return out_of_memory(evaluation->query);
    return sink->call.code < 0 ? sink->call.code : 0;
}

/* A rate of something that is not called like a counter. */
static void annotate_counter(struct window_sink *sink, const struct row *row)
{
    static const struct str suffixes[] = { STR_INIT("_total"), STR_INIT("_sum"), STR_INIT("_count"),
                                           STR_INIT("_bucket") };
    const struct promql_function *function = sink->call.node->call.function;
    if (function->window != window_rate && function->window != window_increase) return;
    struct query *query = sink->call.evaluation->query;
    struct str name = labels_get(sink->call.labels, LABEL_METRIC_NAME);
    if (name.size == 0) return;
    bool has_types = (query->features & PROMQL_FEATURE_TYPE_AND_UNIT_LABELS) != 0;
    if (!has_types && str_equal(name, sink->checked_name)) return;
    size_t i = 0;
    while (i < sink->call.evaluation->steps.count && !ROW_IS_THERE(row->values[i])) i++;
    if (i == sink->call.evaluation->steps.count) return;
    struct place place = sink->call.node->call.arguments[0]->place;
    sink->checked_name = name;
    if (has_types) {
        struct str type = labels_get(sink->call.labels, STR("__type__"));
        if (str_equal(type, STR("counter")) || str_equal(type, STR("histogram"))) return;
        annotations_add(&query->annotations, query->expr, ANNOTATION_INFO, place,
                        "metric might not be a counter, __type__ label is not set to \"counter\" "
                        "or \"histogram\", got \"" STR_FMT "\": \"" STR_FMT "\"",
                        STR_ARG(type), STR_ARG(name));
        return;
    }
    for (size_t s = 0; s < ARRAY_LENGTH(suffixes); s++) {
        if (str_ends_with(name, suffixes[s])) return;
    }
    annotations_add(&query->annotations, query->expr, ANNOTATION_INFO, place,
                    "metric might not be a counter, name does not end in "
                    "_total/_sum/_count/_bucket: \"" STR_FMT "\"",
                    STR_ARG(name));
}

static int take_window(struct points_sink *points_sink, const struct points *points,
                       const struct windows *windows)
{
    struct window_sink *sink = (struct window_sink *)points_sink;
    struct evaluation *evaluation = sink->call.evaluation;
    struct query *query = evaluation->query;
    row_clear(evaluation, &sink->row);
    sink->call.labels = points->labels;
    bool is_any = false;
    int code = 0;
    if (sweep_windows(sink, points, windows, &is_any)) {
        code = query_tick(query, points->count + 8 * evaluation->steps.count);
    } else {
        code = fill_windows(sink, points, windows, &is_any);
    }
    if (code < 0 || !is_any) return code;
    struct row *row = &sink->row;
    row->labels = points->labels;
    row->drops_name = points->drops_name;
    annotate_counter(sink, row);
    if (!sink->call.node->call.function->keeps_name) code = row_drop_name(evaluation, row);
    if (code == 0) code = query_hold(query, evaluation->steps.count);
    if (code == 0) code = sink->next->take(sink->next, row);
    query->samples_held -= evaluation->steps.count;
    return code;
}

static int check_extended(struct evaluation *evaluation, const struct node *node,
                          const struct node *input)
{
    while (input != NULL && input->kind == NODE_PAREN) input = input->paren;
    if (input == NULL || input->kind != NODE_MATRIX) return 0;
    const struct modifiers *modifiers = &input->matrix.selector->selector.modifiers;
    const struct promql_function *function = node->call.function;
    bool is_rate = function->window == window_rate || function->window == window_increase ||
                   function->window == window_delta;
    bool counts = function->window == window_changes || function->window == window_resets;
    if (modifiers->is_smoothed && !is_rate) {
        return evaluation_fail(evaluation->query,
                               "smoothed modifier can only be used with: delta, increase, rate - "
                               "not with " STR_FMT,
                               STR_ARG(function->name));
    }
    if (modifiers->is_anchored && !is_rate && !counts) {
        return evaluation_fail(evaluation->query,
                               "anchored modifier can only be used with: changes, delta, "
                               "increase, rate, resets - not with " STR_FMT,
                               STR_ARG(function->name));
    }
    return 0;
}

static int call_windows(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    struct window_sink windows = { .sink = { take_window },
                                   .call = { .evaluation = evaluation, .node = node },
                                   .next = sink };
    const struct node *input = input_of(node);
    int code = check_extended(evaluation, node, input);
    if (code == 0) code = row_new(evaluation, &windows.row, false);
    if (code == 0) code = evaluate_scalars(&windows.call);
    if (code < 0) return code;
    return evaluate_matrix(evaluation, input, &windows.sink);
}

static int call_plain(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    if (node->call.function->shape == FUNCTION_WINDOW) {
        return call_windows(evaluation, node, sink);
    }
    return call_points(evaluation, node, sink);
}

int evaluate_call(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    const struct promql_function *function = node->call.function;
    if (function->shape == FUNCTION_SPECIAL) return function->special(evaluation, node, sink);
    const struct node *input = input_of(node);
    while (input != NULL && input->kind == NODE_PAREN) input = input->paren;
    if (function->keeps_name || input == NULL || node_has_one_name(input)) {
        return call_plain(evaluation, node, sink);
    }
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    int code = call_plain(evaluation, node, &merge.sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    return code;
}

void annotate_call(struct call *call, enum annotation_level level, const char *text,
                   bool names_metric)
{
    struct query *query = call->evaluation->query;
    const struct node *input = call->node->kind == NODE_CALL ? input_of(call->node) : NULL;
    if (input == NULL) input = call->node;
    char buffer[512];
    struct str metric = { buffer, 0 };
    if (names_metric) metric = annotation_metric(buffer, sizeof(buffer), call->labels);
    annotations_add(&query->annotations, query->expr, level, input->place, "%s" STR_FMT, text,
                    STR_ARG(metric));
}

void annotate_events_of(struct call *call, unsigned events, const char *operation)
{
    char text[128];
    if ((events & HISTOGRAM_EVENT_RESETS_CONFLICT) != 0) {
        (void)snprintf(text, sizeof(text), "conflicting counter resets during histogram %s",
                       operation);
        annotate_call(call, ANNOTATION_WARNING, text, false);
    }
    if ((events & HISTOGRAM_EVENT_RECONCILED) != 0) {
        (void)snprintf(text, sizeof(text), "mismatched custom buckets were reconciled during %s",
                       operation);
        annotate_call(call, ANNOTATION_INFO, text, false);
    }
}
