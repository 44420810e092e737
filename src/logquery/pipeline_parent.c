/* pipeline_parent.c - from bucket to bucket: derivative, cumulative_sum, serial_diff, moving_avg,
 * moving_fn.
 */
#include "logquery/pipeline.h"

#include "codec/number.h"

#include <math.h>
#include <string.h>

#define LAG_MAX    1000000
#define WINDOW_MAX 100000

struct options {
    struct pipeline shared; /* first */
    int64_t window, lag, shift;
    double unit_ms; /* 0: none */
    double alpha;
    double (*move)(const struct options *options, const double *values, size_t count);
};

static struct str first_path(const struct pipeline *pipeline)
{
    return pipeline->path_count > 0 ? pipeline->paths[0] : STR("");
}

static int read_one_path(struct search *search, struct agg *agg, const struct json *body)
{
    int code = pipeline_read(search, agg, body, sizeof(struct options));
    if (code < 0) return code;
    const struct options *options = agg->options;
    if (options->shared.path_count == 1) return 0;
    return parse_fail(&search->parse, "parsing_exception", "[" STR_FMT "] needs one [buckets_path]",
                      STR_ARG(agg->name));
}

static struct result *bucket_at(const struct result *buckets, size_t i)
{
    return buckets->members[i].value;
}

/* derivative ---------------------------------------------------------------------------------- */

struct unit {
    struct str name;
    double ms;
};

static const struct unit units[] = {
    { STR_INIT("1ms"), 1 },         { STR_INIT("second"), 1e3 },  { STR_INIT("1s"), 1e3 },
    { STR_INIT("minute"), 60e3 },   { STR_INIT("1m"), 60e3 },     { STR_INIT("hour"), 3600e3 },
    { STR_INIT("1h"), 3600e3 },     { STR_INIT("day"), 86400e3 }, { STR_INIT("1d"), 86400e3 },
    { STR_INIT("week"), 604800e3 }, { STR_INIT("1w"), 604800e3 },
};

static int read_derivative(struct search *search, struct agg *agg, const struct json *body)
{
    int code = read_one_path(search, agg, body);
    if (code < 0) return code;
    struct options *options = agg->options;
    struct str unit = json_text(json_get(body, STR("unit")), STR(""));
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (str_equal(units[i].name, unit)) options->unit_ms = units[i].ms;
    }
    if (unit.size == 0 || options->unit_ms > 0) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "[unit] of [" STR_FMT "] must be one of second, minute, hour, day, week, 1s, "
                      "1m, 1h, 1d, 1w",
                      STR_ARG(agg->name));
}

static int put_normalized(struct search *search, const struct agg *agg, struct result *bucket,
                          double value)
{
    struct result *object = result_find(bucket, agg->name);
    CLEANUP(buf_release) struct buf text = { 0 };
    struct json_writer json;
    buf_init(&text, 256);
    json_writer_init(&json, &text);
    if (isfinite(value))
        put_double(&json, value);
    else
        json_put_null(&json);
    return object == NULL ? 0
                          : result_add(search, object, STR("normalized_value"),
                                       result_raw(search, buf_str(&text)));
}

static int run_derivative(struct search *search, const struct agg *agg, struct result *buckets)
{
    const struct options *options = agg->options;
    double before = 0;
    double key_before = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < buckets->count; i++) {
        struct result *bucket = bucket_at(buckets, i);
        double value = pipeline_value(&options->shared, bucket, first_path(&options->shared));
        double key = result_number(bucket, STR("_key"));
        if (i > 0) {
            code = pipeline_put(search, agg, bucket, value - before);
            if (code == 0 && options->unit_ms > 0) {
                double steps = (key - key_before) / options->unit_ms;
                code = put_normalized(search, agg, bucket, (value - before) / steps);
            }
        }
        before = value;
        key_before = key;
    }
    return code;
}

/* cumulative_sum, serial_diff ----------------------------------------------------------------- */

static int run_cumulative_sum(struct search *search, const struct agg *agg, struct result *buckets)
{
    const struct options *options = agg->options;
    double sum = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < buckets->count; i++) {
        double value = result_number(bucket_at(buckets, i), first_path(&options->shared));
        if (isfinite(value)) sum += value;
        code = pipeline_put(search, agg, bucket_at(buckets, i), sum);
    }
    return code;
}

static int read_serial_diff(struct search *search, struct agg *agg, const struct json *body)
{
    int code = read_one_path(search, agg, body);
    if (code < 0) return code;
    struct options *options = agg->options;
    options->lag = parse_integer_of(&search->parse, body, "lag", 1);
    if (options->lag >= 1 && options->lag <= LAG_MAX) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "Lag must be a positive, non-zero integer.");
}

static int run_serial_diff(struct search *search, const struct agg *agg, struct result *buckets)
{
    const struct options *options = agg->options;
    struct str path = first_path(&options->shared);
    int code = 0;
    for (size_t i = (size_t)options->lag; code == 0 && i < buckets->count; i++) {
        double now = pipeline_value(&options->shared, bucket_at(buckets, i), path);
        const struct result *earlier = bucket_at(buckets, i - (size_t)options->lag);
        double then = pipeline_value(&options->shared, earlier, path);
        if (isfinite(now) && isfinite(then)) {
            code = pipeline_put(search, agg, bucket_at(buckets, i), now - then);
        }
    }
    return code;
}

/* Moving windows ------------------------------------------------------------------------------ */

static double move_sum(const struct options *options, const double *values, size_t count)
{
    (void)options;
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum;
}

static double move_avg(const struct options *options, const double *values, size_t count)
{
    return count == 0 ? (double)NAN : move_sum(options, values, count) / (double)count;
}

static double move_min(const struct options *options, const double *values, size_t count)
{
    (void)options;
    double least = (double)NAN;
    for (size_t i = 0; i < count; i++) least = i == 0 || values[i] < least ? values[i] : least;
    return least;
}

static double move_max(const struct options *options, const double *values, size_t count)
{
    (void)options;
    double most = (double)NAN;
    for (size_t i = 0; i < count; i++) most = i == 0 || values[i] > most ? values[i] : most;
    return most;
}

static double move_linear(const struct options *options, const double *values, size_t count)
{
    (void)options;
    double sum = 0;
    double weights = 1;
    for (size_t i = 0; i < count; i++) {
        sum += values[i] * (double)(i + 1);
        weights += (double)(i + 1);
    }
    return count == 0 ? (double)NAN : sum / weights;
}

static double move_deviation(const struct options *options, const double *values, size_t count)
{
    double mean = move_avg(options, values, count);
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += (values[i] - mean) * (values[i] - mean);
    return count == 0 ? (double)NAN : sqrt(squares / (double)count);
}

static double move_ewma(const struct options *options, const double *values, size_t count)
{
    double average = (double)NAN;
    for (size_t i = 0; i < count; i++) {
        average = i == 0 ? values[0] : options->alpha * values[i] + (1 - options->alpha) * average;
    }
    return average;
}

struct move {
    struct str function; /* of MovingFunctions */
    struct str model;    /* of moving_avg; empty: none */
    double (*move)(const struct options *options, const double *values, size_t count);
};

static const struct move moves[] = {
    { STR_INIT("unweightedAvg"), STR_INIT("simple"), move_avg },
    { STR_INIT("linearWeightedAvg"), STR_INIT("linear"), move_linear },
    { STR_INIT("ewma"), STR_INIT("ewma"), move_ewma },
    { STR_INIT("max"), { NULL, 0 }, move_max },
    { STR_INIT("min"), { NULL, 0 }, move_min },
    { STR_INIT("sum"), { NULL, 0 }, move_sum },
    { STR_INIT("stdDev"), { NULL, 0 }, move_deviation },
};

static int read_window(struct search *search, struct agg *agg, const struct json *body)
{
    int code = read_one_path(search, agg, body);
    if (code < 0) return code;
    struct options *options = agg->options;
    options->window = parse_integer_of(&search->parse, body, "window", 5);
    options->shift = parse_integer_of(&search->parse, body, "shift", 0);
    options->alpha = 0.3;
    bool is_fine = options->window >= 1 && options->window <= WINDOW_MAX &&
                   options->shift >= -WINDOW_MAX && options->shift <= WINDOW_MAX;
    if (is_fine) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "[window] must be a positive, non-zero integer.");
}

static int read_moving_avg(struct search *search, struct agg *agg, const struct json *body)
{
    int code = read_window(search, agg, body);
    if (code < 0) return code;
    struct options *options = agg->options;
    struct str model = json_text(json_get(body, STR("model")), STR("simple"));
    options->alpha = parse_number(json_get(json_get(body, STR("settings")), STR("alpha")), 0.3);
    options->shift = 1; /* the window ends with the bucket itself */
    for (size_t i = 0; i < ARRAY_LENGTH(moves); i++) {
        if (moves[i].model.size > 0 && str_equal(moves[i].model, model)) {
            options->move = moves[i].move;
        }
    }
    if (options->move != NULL) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "model [" STR_FMT "] of [moving_avg] is not supported: simple, linear and "
                      "ewma are",
                      STR_ARG(model));
}

/* "MovingFunctions.ewma(values, 0.3)" */
static int read_moving_fn(struct search *search, struct agg *agg, const struct json *body)
{
    int code = read_window(search, agg, body);
    if (code < 0) return code;
    struct options *options = agg->options;
    const struct json *script = json_get(body, STR("script"));
    struct str text = json_text(script, json_text(json_get(script, STR("source")), STR("")));
    text = str_trim(text);
    if (str_starts_with(text, STR("return "))) text = str_trim(str_skip(text, 7));
    bool is_call = str_starts_with(text, STR("MovingFunctions."));
    struct str name = is_call ? str_skip(text, 16) : STR("");
    size_t open = str_find_char(name, '(');
    struct str arguments = open == STR_NONE ? STR("") : str_skip(name, open + 1);
    name = open == STR_NONE ? STR("") : str_first(name, open);
    for (size_t i = 0; i < ARRAY_LENGTH(moves); i++) {
        if (str_equal(moves[i].function, name)) options->move = moves[i].move;
    }
    size_t comma = str_find_char(arguments, ',');
    size_t close = str_find_char(arguments, ')');
    if (comma != STR_NONE && close != STR_NONE && close > comma) {
        struct str number = str_trim(str_first(str_skip(arguments, comma + 1), close - comma - 1));
        if (!number_parse(number, &options->alpha)) options->alpha = 0.3;
    }
    if (options->move != NULL) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "the script of [" STR_FMT "] must call one of MovingFunctions.unweightedAvg, "
                      "linearWeightedAvg, ewma, max, min, sum, stdDev",
                      STR_ARG(agg->name));
}

static int run_window(struct search *search, const struct agg *agg, struct result *buckets)
{
    const struct options *options = agg->options;
    double *values = ARENA_ARRAY(search->arena, double, buckets->count + 1);
    double *window = ARENA_ARRAY(search->arena, double, (size_t)options->window + 1);
    if (values == NULL || window == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < buckets->count; i++) {
        values[i] =
            pipeline_value(&options->shared, bucket_at(buckets, i), first_path(&options->shared));
    }
    int code = 0;
    for (size_t i = 0; code == 0 && i < buckets->count; i++) {
        int64_t end = (int64_t)i + options->shift;
        int64_t start = end - options->window;
        if (end > (int64_t)buckets->count) end = (int64_t)buckets->count;
        size_t count = 0;
        for (int64_t k = start < 0 ? 0 : start; k < end; k++) {
            if (isfinite(values[k])) window[count++] = values[k];
        }
        if (!isfinite(values[i])) continue;
        code =
            pipeline_put(search, agg, bucket_at(buckets, i), options->move(options, window, count));
    }
    return code;
}

#define PARENT(kind_name, read_it, run_it)                                                         \
    {                                                                                              \
        .name = STR_INIT(kind_name), .read = read_it, .run = run_it, .is_parent = true             \
    }

const struct agg_kind agg_derivative = PARENT("derivative", read_derivative, run_derivative);
const struct agg_kind agg_cumulative_sum =
    PARENT("cumulative_sum", read_one_path, run_cumulative_sum);
const struct agg_kind agg_serial_diff = PARENT("serial_diff", read_serial_diff, run_serial_diff);
const struct agg_kind agg_moving_avg = PARENT("moving_avg", read_moving_avg, run_window);
const struct agg_kind agg_moving_fn = PARENT("moving_fn", read_moving_fn, run_window);
