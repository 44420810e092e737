/* agg_metric.c - one number, or a few, of a field: min, max, sum, avg, value_count, stats. */
#include "logquery/agg.h"

#include <math.h>
#include <string.h>

struct state {
    uint64_t count;
    double sum, compensation; /* Kahan's */
    double squares;
    double least, most;
    bool is_date;
    double sigma;
};

static void add(struct state *state, double value)
{
    if (state->count++ == 0 || value < state->least) state->least = value;
    if (state->count == 1 || value > state->most) state->most = value;
    double corrected = value - state->compensation;
    double sum = state->sum + corrected;
    state->compensation = (sum - state->sum) - corrected;
    state->sum = sum;
    state->squares += value * value;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    if (code < 0) return code;
    struct agg_numbers numbers = { 0 };
    if (column != NULL && !agg_numbers_open(&numbers, column)) return agg_refuse_field(search, agg);
    if (column != NULL) {
        enum logstore_type type = logstore_column_type(column);
        state->is_date = type == LOGSTORE_DATE || type == LOGSTORE_DATE_NANOS;
    }
    double missing = parse_number(agg->missing, 0);
    for (size_t i = 0; i < documents->count; i++) {
        size_t first = 0;
        size_t count = column == NULL
                           ? 0
                           : logstore_cursor_seek(&numbers.cursor, documents->documents[i], &first);
        for (size_t k = 0; k < count; k++) add(state, agg_number_at(&numbers, first + k));
        if (count == 0 && agg->missing != NULL) add(state, missing);
    }
    return 0;
}

/* value_count counts any kind of value. */
static int collect_count(struct search *search, struct agg *agg, void *raw,
                         const struct agg_documents *documents)
{
    struct state *state = raw;
    bool is_id = str_equal(agg->field, STR("_id")) || str_equal(agg->field, STR("_index"));
    const struct logstore_column *column = NULL;
    int code = is_id ? 0 : agg_column(search, agg, documents->segment, &column);
    if (code < 0) return code;
    if (is_id) state->count += documents->count;
    if (column == NULL) return 0;
    struct logstore_cursor cursor = { .column = column };
    for (size_t i = 0; i < documents->count; i++) {
        size_t first;
        state->count += logstore_cursor_seek(&cursor, documents->documents[i], &first);
    }
    return 0;
}

static void put_value(const struct agg *agg, const struct state *state, const char *name,
                      bool has_value, double value, struct json_writer *json)
{
    json_key(json, str_from(name));
    if (!has_value) {
        json_put_null(json);
        return;
    }
    put_double(json, value);
    if (!state->is_date) return;
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(buf_release) struct buf key = { 0 };
    buf_init(&text, 256);
    buf_init(&key, 64);
    date_print_ms((int64_t)value, agg->format, 0, &text);
    buf_printf(&key, "%s_as_string", name);
    json_member_text(json, buf_cstr(&key), buf_str(&text));
}

static int write_min(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    const struct state *state = raw;
    put_value(agg, state, "value", state->count > 0, state->least, json);
    return 0;
}

static int write_max(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    const struct state *state = raw;
    put_value(agg, state, "value", state->count > 0, state->most, json);
    return 0;
}

static int write_sum(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    const struct state *state = raw;
    put_value(agg, state, "value", true, state->sum, json);
    return 0;
}

static double average(const struct state *state)
{
    return state->count == 0 ? 0 : state->sum / (double)state->count;
}

static int write_avg(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    const struct state *state = raw;
    put_value(agg, state, "value", state->count > 0, average(state), json);
    return 0;
}

static int write_count(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    (void)agg;
    const struct state *state = raw;
    json_member_int(json, "value", (int64_t)state->count);
    return 0;
}

static int write_stats(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    const struct state *state = raw;
    bool has = state->count > 0;
    json_member_int(json, "count", (int64_t)state->count);
    put_value(agg, state, "min", has, state->least, json);
    put_value(agg, state, "max", has, state->most, json);
    put_value(agg, state, "avg", has, average(state), json);
    put_value(agg, state, "sum", true, state->sum, json);
    return 0;
}

static double variance(const struct state *state)
{
    double count = (double)state->count;
    double value = (state->squares - state->sum * state->sum / count) / count;
    return value < 0 ? 0 : value;
}

static int write_extended(struct search *search, struct agg *agg, void *raw,
                          struct json_writer *json)
{
    const struct state *state = raw;
    bool has = state->count > 0;
    const double *sigma = agg->options;
    double population = has ? variance(state) : 0;
    double count = (double)state->count;
    bool has_sample = state->count > 1;
    double sample = has_sample ? population * count / (count - 1) : 0;
    double spread = sqrt(population) * *sigma;
    int code = write_stats(search, agg, raw, json);
    if (code < 0) return code;
    struct state plain = { 0 };
    put_value(agg, &plain, "sum_of_squares", has, state->squares, json);
    put_value(agg, &plain, "variance", has, population, json);
    put_value(agg, &plain, "variance_population", has, population, json);
    put_value(agg, &plain, "variance_sampling", has_sample, sample, json);
    put_value(agg, &plain, "std_deviation", has, sqrt(population), json);
    put_value(agg, &plain, "std_deviation_population", has, sqrt(population), json);
    put_value(agg, &plain, "std_deviation_sampling", has_sample, sqrt(sample), json);
    json_key(json, STR("std_deviation_bounds"));
    json_object_begin(json);
    put_value(agg, &plain, "upper", has, average(state) + spread, json);
    put_value(agg, &plain, "lower", has, average(state) - spread, json);
    put_value(agg, &plain, "upper_population", has, average(state) + spread, json);
    put_value(agg, &plain, "lower_population", has, average(state) - spread, json);
    double sample_spread = sqrt(sample) * *sigma;
    put_value(agg, &plain, "upper_sampling", has_sample, average(state) + sample_spread, json);
    put_value(agg, &plain, "lower_sampling", has_sample, average(state) - sample_spread, json);
    json_object_end(json);
    return 0;
}

static int read_extended(struct search *search, struct agg *agg, const struct json *body)
{
    double *sigma = ARENA_NEW(search->arena, double);
    if (sigma == NULL) return parse_out_of_memory(&search->parse);
    *sigma = parse_number_of(&search->parse, body, "sigma", 2);
    agg->options = sigma;
    return 0;
}

/* "value", "", or a part of the stats by its name. */
static bool number(const struct agg *agg, const void *raw, struct str path, double *value)
{
    const struct state *state = raw;
    struct str part = path.size == 0 || str_equal(path, STR("value")) ? agg->kind->name : path;
    if (str_equal(part, STR("count")) || str_equal(part, STR("value_count"))) {
        *value = (double)state->count;
        return true;
    }
    if (str_equal(part, STR("sum"))) {
        *value = state->sum;
        return true;
    }
    if (state->count == 0) return false;
    if (str_equal(part, STR("min")))
        *value = state->least;
    else if (str_equal(part, STR("max")))
        *value = state->most;
    else if (str_equal(part, STR("avg")))
        *value = average(state);
    else if (str_equal(part, STR("variance")))
        *value = variance(state);
    else if (str_equal(part, STR("std_deviation")))
        *value = sqrt(variance(state));
    else if (str_equal(part, STR("sum_of_squares")))
        *value = state->squares;
    else
        return false;
    return true;
}

#define METRIC(kind_name, read_it, collect_it, write_it)                                           \
    {                                                                                              \
        .name = STR_INIT(kind_name), .state_size = sizeof(struct state), .read = read_it,          \
        .collect = collect_it, .write = write_it, .number = number                                 \
    }

const struct agg_kind agg_min = METRIC("min", NULL, collect, write_min);
const struct agg_kind agg_max = METRIC("max", NULL, collect, write_max);
const struct agg_kind agg_sum = METRIC("sum", NULL, collect, write_sum);
const struct agg_kind agg_avg = METRIC("avg", NULL, collect, write_avg);
const struct agg_kind agg_value_count = METRIC("value_count", NULL, collect_count, write_count);
const struct agg_kind agg_stats = METRIC("stats", NULL, collect, write_stats);
const struct agg_kind agg_extended_stats =
    METRIC("extended_stats", read_extended, collect, write_extended);
