/* pipeline_normalize.c - normalize: each bucket's number among those of all buckets. */
#include "logquery/pipeline.h"

#include <math.h>

struct figures {
    double least, most, sum, mean, deviation, exponentials;
};

struct options {
    struct pipeline shared; /* first */
    double (*change)(const struct figures *figures, double value);
};

static double to_one(const struct figures *figures, double value)
{
    return (value - figures->least) / (figures->most - figures->least);
}

static double to_hundred(const struct figures *figures, double value)
{
    return 100 * to_one(figures, value);
}

static double to_share(const struct figures *figures, double value)
{
    return value / figures->sum;
}

static double to_mean(const struct figures *figures, double value)
{
    return (value - figures->mean) / (figures->most - figures->least);
}

static double to_deviations(const struct figures *figures, double value)
{
    return (value - figures->mean) / figures->deviation;
}

static double to_softmax(const struct figures *figures, double value)
{
    return exp(value) / figures->exponentials;
}

static const struct method {
    struct str name;
    double (*change)(const struct figures *figures, double value);
} methods[] = {
    { STR_INIT("rescale_0_1"), to_one },      { STR_INIT("rescale_0_100"), to_hundred },
    { STR_INIT("percent_of_sum"), to_share }, { STR_INIT("mean"), to_mean },
    { STR_INIT("z-score"), to_deviations },   { STR_INIT("softmax"), to_softmax },
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    int code = pipeline_read(search, agg, body, sizeof(struct options));
    if (code < 0) return code;
    struct options *options = agg->options;
    struct str name = json_text(json_get(body, STR("method")), STR(""));
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (str_equal(methods[i].name, name)) options->change = methods[i].change;
    }
    if (options->change != NULL && options->shared.path_count == 1) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "[" STR_FMT "] needs one [buckets_path] and a [method] of rescale_0_1, "
                      "rescale_0_100, percent_of_sum, mean, z-score or softmax",
                      STR_ARG(agg->name));
}

static struct figures figures_of(const double *values, size_t count)
{
    struct figures figures = { .least = (double)INFINITY, .most = -(double)INFINITY };
    size_t finite = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        finite++;
        figures.least = fmin(figures.least, values[i]);
        figures.most = fmax(figures.most, values[i]);
        figures.sum += values[i];
        figures.exponentials += exp(values[i]);
    }
    figures.mean = figures.sum / (double)finite;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        double distance = values[i] - figures.mean;
        if (isfinite(values[i])) squares += distance * distance;
    }
    figures.deviation = sqrt(squares / (double)finite);
    return figures;
}

static int run(struct search *search, const struct agg *agg, struct result *buckets)
{
    const struct options *options = agg->options;
    double *values = ARENA_ARRAY(search->arena, double, buckets->count + 1);
    if (values == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < buckets->count; i++) {
        values[i] =
            pipeline_value(&options->shared, buckets->members[i].value, options->shared.paths[0]);
    }
    struct figures figures = figures_of(values, buckets->count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < buckets->count; i++) {
        code = pipeline_put(search, agg, buckets->members[i].value,
                            options->change(&figures, values[i]));
    }
    return code;
}

const struct agg_kind agg_normalize = {
    .name = STR_INIT("normalize"), .read = read, .run = run, .is_parent = true
};
