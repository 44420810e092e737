/* pipeline_sibling.c - over all buckets of another aggregation: avg_bucket, max_bucket, min_bucket,
 * sum_bucket, stats_bucket, extended_stats_bucket, percentiles_bucket.
 */
#include "logquery/pipeline.h"

#include "codec/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PERCENTS_MAX 100

struct options {
    struct pipeline shared; /* first */
    double percents[PERCENTS_MAX];
    size_t percent_count;
    double sigma;
};

struct summary {
    double *values;
    struct str *keys; /* JSON */
    size_t count;
    double sum, squares, least, most;
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    int code = pipeline_read(search, agg, body, sizeof(struct options));
    if (code < 0) return code;
    struct options *options = agg->options;
    if (options->shared.path_count != 1) {
        return parse_fail(&search->parse, "parsing_exception",
                          "[" STR_FMT "] needs one [buckets_path]", STR_ARG(agg->name));
    }
    static const double usual[] = { 1, 5, 25, 50, 75, 95, 99 };
    const struct json *percents = json_get(body, STR("percents"));
    options->sigma = parse_number_of(&search->parse, body, "sigma", 2);
    size_t count = json_is(percents, JSON_ARRAY) ? percents->array.count : ARRAY_LENGTH(usual);
    if (count > PERCENTS_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "more than %d [percents] are not supported", PERCENTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        options->percents[i] =
            json_is(percents, JSON_ARRAY) ? parse_number(&percents->array.items[i], 0) : usual[i];
    }
    options->percent_count = count;
    return 0;
}

/* "agg>metric": the aggregation and what to look at in each of its buckets. */
static struct str split_path(struct str path, struct str *rest)
{
    size_t end = 0;
    while (end < path.size && strchr(">.", path.data[end]) == NULL) end++;
    *rest = end < path.size ? str_skip(path, end + 1) : STR("_count");
    return str_first(path, end);
}

static int summarize(struct search *search, const struct agg *agg, const struct result *level,
                     struct summary *summary)
{
    const struct options *options = agg->options;
    struct str rest;
    struct str name = split_path(options->shared.paths[0], &rest);
    const struct result *other = result_find(level, name);
    const struct result *buckets = result_find(other, STR("buckets"));
    if (other == NULL || buckets == NULL || buckets->kind == RESULT_RAW) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "No aggregation with buckets found for path [" STR_FMT "] of [" STR_FMT
                          "]",
                          STR_ARG(options->shared.paths[0]), STR_ARG(agg->name));
    }
    summary->values = ARENA_ARRAY(search->arena, double, buckets->count + 1);
    summary->keys = ARENA_ARRAY(search->arena, struct str, buckets->count + 1);
    if (summary->values == NULL || summary->keys == NULL) {
        return parse_out_of_memory(&search->parse);
    }
    for (size_t i = 0; i < buckets->count; i++) {
        const struct result *bucket = buckets->members[i].value;
        double value = pipeline_value(&options->shared, bucket, rest);
        if (!isfinite(value)) continue;
        const struct result *key = result_find(bucket, STR("key_as_string"));
        if (key == NULL) key = result_find(bucket, STR("key"));
        summary->keys[summary->count] = key != NULL && key->kind == RESULT_RAW ? key->raw : STR("");
        summary->values[summary->count] = value;
        if (summary->count == 0 || value < summary->least) summary->least = value;
        if (summary->count == 0 || value > summary->most) summary->most = value;
        summary->count++;
        summary->sum += value;
        summary->squares += value * value;
    }
    return 0;
}

static int run_avg(struct search *search, const struct agg *agg, struct result *level)
{
    struct summary summary = { 0 };
    int code = summarize(search, agg, level, &summary);
    double average = summary.count == 0 ? (double)NAN : summary.sum / (double)summary.count;
    return code < 0 ? code : pipeline_put(search, agg, level, average);
}

static int run_sum(struct search *search, const struct agg *agg, struct result *level)
{
    struct summary summary = { 0 };
    int code = summarize(search, agg, level, &summary);
    return code < 0 ? code : pipeline_put(search, agg, level, summary.sum);
}

/* The extreme value, and the keys of the buckets that have it. */
static int put_extreme(struct search *search, const struct agg *agg, struct result *level,
                       const struct summary *summary, double extreme)
{
    double value = summary->count == 0 ? (double)NAN : extreme;
    int code = pipeline_put(search, agg, level, value);
    if (code < 0) return code;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct json_writer json;
    buf_init(&text, (size_t)1 << 24);
    json_writer_init(&json, &text);
    json_array_begin(&json);
    for (size_t i = 0; i < summary->count; i++) {
        bool is_it = summary->values[i] >= extreme && summary->values[i] <= extreme;
        if (!is_it || summary->keys[i].size == 0) continue;
        if (summary->keys[i].data[0] == '"')
            json_put_raw(&json, summary->keys[i]);
        else
            json_put_text(&json, summary->keys[i]);
    }
    json_array_end(&json);
    struct result *object = level->members[level->count - 1].value;
    return result_add(search, object, STR("keys"), result_raw(search, buf_str(&text)));
}

static int run_max(struct search *search, const struct agg *agg, struct result *level)
{
    struct summary summary = { 0 };
    int code = summarize(search, agg, level, &summary);
    return code < 0 ? code : put_extreme(search, agg, level, &summary, summary.most);
}

static int run_min(struct search *search, const struct agg *agg, struct result *level)
{
    struct summary summary = { 0 };
    int code = summarize(search, agg, level, &summary);
    return code < 0 ? code : put_extreme(search, agg, level, &summary, summary.least);
}

static void put_number(struct json_writer *json, const char *name, bool has, double value)
{
    json_key(json, str_from(name));
    if (has)
        put_double(json, value);
    else
        json_put_null(json);
}

static void put_stats(struct json_writer *json, const struct summary *summary)
{
    bool has = summary->count > 0;
    json_member_int(json, "count", (int64_t)summary->count);
    put_number(json, "min", has, summary->least);
    put_number(json, "max", has, summary->most);
    put_number(json, "avg", has, has ? summary->sum / (double)summary->count : 0);
    put_number(json, "sum", true, summary->sum);
}

static int add_text(struct search *search, const struct agg *agg, struct result *level,
                    const struct buf *text)
{
    return result_add(search, level, agg->name, result_raw(search, buf_str(text)));
}

static int put_summary(struct search *search, const struct agg *agg, struct result *level,
                       bool is_extended)
{
    const struct options *options = agg->options;
    struct summary summary = { 0 };
    int code = summarize(search, agg, level, &summary);
    if (code < 0) return code;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct json_writer json;
    buf_init(&text, 4096);
    json_writer_init(&json, &text);
    json_object_begin(&json);
    put_stats(&json, &summary);
    if (is_extended) {
        bool has = summary.count > 0;
        double mean = has ? summary.sum / (double)summary.count : 0;
        double variance = has ? summary.squares / (double)summary.count - mean * mean : 0;
        double deviation = sqrt(variance < 0 ? 0 : variance);
        put_number(&json, "sum_of_squares", has, summary.squares);
        put_number(&json, "variance", has, variance < 0 ? 0 : variance);
        put_number(&json, "std_deviation", has, deviation);
        json_key(&json, STR("std_deviation_bounds"));
        json_object_begin(&json);
        put_number(&json, "upper", has, mean + options->sigma * deviation);
        put_number(&json, "lower", has, mean - options->sigma * deviation);
        json_object_end(&json);
    }
    json_object_end(&json);
    return add_text(search, agg, level, &text);
}

static int run_stats(struct search *search, const struct agg *agg, struct result *level)
{
    return put_summary(search, agg, level, false);
}

static int run_extended(struct search *search, const struct agg *agg, struct result *level)
{
    return put_summary(search, agg, level, true);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* The nearest value at or below the percentile's place, as Elasticsearch takes it. */
static int run_percentiles(struct search *search, const struct agg *agg, struct result *level)
{
    const struct options *options = agg->options;
    struct summary summary = { 0 };
    int code = summarize(search, agg, level, &summary);
    if (code < 0) return code;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct json_writer json;
    buf_init(&text, 16384);
    json_writer_init(&json, &text);
    qsort(summary.values, summary.count, sizeof(double), by_value);
    json_object_begin(&json);
    json_key(&json, STR("values"));
    json_object_begin(&json);
    for (size_t i = 0; i < options->percent_count; i++) {
        char name[NUMBER_SIZE_MAX];
        size_t size = number_print_java(options->percents[i], name);
        double place = round(options->percents[i] / 100 * ((double)summary.count - 1));
        bool has = summary.count > 0 && place >= 0 && place < (double)summary.count;
        json_key(&json, (struct str){ name, size });
        if (has)
            put_double(&json, summary.values[(size_t)place]);
        else
            json_put_null(&json);
    }
    json_object_end(&json);
    json_object_end(&json);
    return add_text(search, agg, level, &text);
}

#define SIBLING(kind_name, run_it)                                                                 \
    {                                                                                              \
        .name = STR_INIT(kind_name), .read = read, .run = run_it                                   \
    }

const struct agg_kind agg_avg_bucket = SIBLING("avg_bucket", run_avg);
const struct agg_kind agg_max_bucket = SIBLING("max_bucket", run_max);
const struct agg_kind agg_min_bucket = SIBLING("min_bucket", run_min);
const struct agg_kind agg_sum_bucket = SIBLING("sum_bucket", run_sum);
const struct agg_kind agg_stats_bucket = SIBLING("stats_bucket", run_stats);
const struct agg_kind agg_extended_stats_bucket = SIBLING("extended_stats_bucket", run_extended);
const struct agg_kind agg_percentiles_bucket = SIBLING("percentiles_bucket", run_percentiles);
