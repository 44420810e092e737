/* agg_percentiles.c - percentiles, percentile_ranks, median_absolute_deviation, boxplot: exact, by
 * keeping and sorting the values, up to VALUES_MAX; of more, every second one is left out again and
 * again, evenly.
 */
#include "codec/number.h"
#include "logquery/agg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX   ((size_t)1 << 20)
#define PERCENTS_MAX 64

struct state {
    double *values;
    size_t count, capacity;
    uint64_t seen, stride;
    bool is_sorted;
};

struct options {
    double percents[PERCENTS_MAX]; /* of percentile_ranks: the values */
    size_t count;
    bool is_list;
    double (*find)(const struct state *state, double asked);
};

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* Between the two values whose middles the percentile lies between, as the t-digest of few values
 * that Elasticsearch keeps. */
static double percentile(const struct state *state, double percent)
{
    double place = percent / 100 * (double)state->count - 0.5;
    if (place <= 0) return state->values[0];
    size_t below = (size_t)place;
    if (below + 1 >= state->count) return state->values[state->count - 1];
    double share = place - (double)below;
    return state->values[below] + (state->values[below + 1] - state->values[below]) * share;
}

/* The other way round: the share of values, in percent, that the value stands above. */
static double rank_of(const struct state *state, double value)
{
    size_t low = 0;
    size_t high = state->count; /* of the first value above */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (state->values[middle] <= value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return 0;
    if (low == state->count) return 100;
    double below = state->values[low - 1];
    double share = (value - below) / (state->values[low] - below);
    return ((double)low - 0.5 + share) / (double)state->count * 100;
}

static void sort_values(struct state *state)
{
    if (!state->is_sorted && state->count > 0)
        qsort(state->values, state->count, sizeof(double), by_value);
    state->is_sorted = true;
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    static const double defaults[] = { 1, 5, 25, 50, 75, 95, 99 };
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->is_list = !parse_flag_of(&search->parse, body, "keyed", true);
    options->find = percentile;
    const struct json *percents = json_get(body, STR("percents"));
    if (!json_is(percents, JSON_ARRAY)) {
        memcpy(options->percents, defaults, sizeof(defaults));
        options->count = ARRAY_LENGTH(defaults);
        return 0;
    }
    for (size_t i = 0; i < percents->array.count && i < PERCENTS_MAX; i++) {
        double percent = parse_number(&percents->array.items[i], -1);
        if (!(percent >= 0 && percent <= 100)) {
            return parse_fail(&search->parse, "illegal_argument_exception",
                              "percent must be in [0,100]");
        }
        options->percents[options->count++] = percent;
    }
    return 0;
}

static int read_ranks(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->is_list = !parse_flag_of(&search->parse, body, "keyed", true);
    options->find = rank_of;
    const struct json *values = json_get(body, STR("values"));
    options->count = json_is(values, JSON_ARRAY) ? values->array.count : 0;
    if (options->count == 0 || options->count > PERCENTS_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[values] must be an array of 1 to %d numbers: [" STR_FMT "]",
                          PERCENTS_MAX, STR_ARG(agg->name));
    }
    for (size_t i = 0; i < options->count; i++) {
        options->percents[i] = parse_number(&values->array.items[i], (double)NAN);
        if (isfinite(options->percents[i])) continue;
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[values] of [" STR_FMT "] must be numbers", STR_ARG(agg->name));
    }
    return 0;
}

static int add(struct search *search, struct state *state, double value)
{
    state->is_sorted = false;
    if (state->stride == 0) state->stride = 1;
    if (state->seen++ % state->stride != 0) return 0;
    if (state->count == VALUES_MAX) {
        for (size_t i = 0; i < VALUES_MAX / 2; i++) state->values[i] = state->values[i * 2];
        state->count = VALUES_MAX / 2;
        state->stride *= 2;
    }
    if (state->count == state->capacity) {
        size_t capacity = state->capacity == 0 ? 64 : state->capacity * 2;
        double *values = ARENA_ARRAY(search->arena, double, capacity);
        if (values == NULL) return parse_out_of_memory(&search->parse);
        if (state->count > 0) memcpy(values, state->values, state->count * sizeof(*values));
        state->values = values;
        state->capacity = capacity;
    }
    state->values[state->count++] = value;
    return 0;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    if (code < 0 || (column == NULL && agg->missing == NULL)) return code;
    struct agg_numbers numbers = { 0 };
    if (column != NULL && !agg_numbers_open(&numbers, column)) return agg_refuse_field(search, agg);
    double missing = parse_number(agg->missing, 0);
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        size_t first = 0;
        size_t count = column == NULL
                           ? 0
                           : logstore_cursor_seek(&numbers.cursor, documents->documents[i], &first);
        if (count == 0 && agg->missing != NULL) code = add(search, raw, missing);
        for (size_t k = 0; code == 0 && k < count; k++) {
            code = add(search, raw, agg_number_at(&numbers, first + k));
        }
    }
    return code;
}

static void put_key(double percent, struct json_writer *json)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    buf_init(&key, 512);
    struct json_writer plain;
    json_writer_init(&plain, &key);
    put_double(&plain, percent);
    json_key(json, buf_str(&key));
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    (void)search;
    struct state *state = raw;
    const struct options *options = agg->options;
    sort_values(state);
    json_key(json, STR("values"));
    if (options->is_list)
        json_array_begin(json);
    else
        json_object_begin(json);
    for (size_t i = 0; i < options->count; i++) {
        if (options->is_list) {
            json_object_begin(json);
            json_key(json, STR("key"));
            put_double(json, options->percents[i]);
            json_key(json, STR("value"));
        } else {
            put_key(options->percents[i], json);
        }
        if (state->count == 0)
            json_put_null(json);
        else
            put_double(json, options->find(state, options->percents[i]));
        if (options->is_list) json_object_end(json);
    }
    if (options->is_list)
        json_array_end(json);
    else
        json_object_end(json);
    return 0;
}

/* "50", "50.0" or nothing, which is 50. */
static bool number(const struct agg *agg, const void *raw, struct str path, double *value)
{
    const struct options *options = agg->options;
    struct state *state = (struct state *)(uintptr_t)raw;
    double asked = 50;
    if (state->count == 0 || (path.size > 0 && !number_parse(path, &asked))) return false;
    sort_values(state);
    *value = options->find(state, asked);
    return true;
}

static void put_number(struct json_writer *json, const char *name, bool has, double value)
{
    json_key(json, str_from(name));
    if (has)
        put_double(json, value);
    else
        json_put_null(json);
}

/* The median of the distances from the median. */
static int write_deviation(struct search *search, struct agg *agg, void *raw,
                           struct json_writer *json)
{
    (void)agg;
    struct state *state = raw;
    sort_values(state);
    struct state distances = { .count = state->count };
    distances.values = ARENA_ARRAY(search->arena, double, state->count + 1);
    if (distances.values == NULL) return parse_out_of_memory(&search->parse);
    double median = state->count == 0 ? 0 : percentile(state, 50);
    for (size_t i = 0; i < state->count; i++) {
        distances.values[i] = fabs(state->values[i] - median);
    }
    sort_values(&distances);
    bool has = state->count > 0;
    put_number(json, "value", has, has ? percentile(&distances, 50) : 0);
    return 0;
}

/* Quartiles, and the whiskers: the outermost values within one and a half times their distance. */
static int write_boxplot(struct search *search, struct agg *agg, void *raw,
                         struct json_writer *json)
{
    (void)search;
    (void)agg;
    struct state *state = raw;
    sort_values(state);
    if (state->count == 0) { /* as Elasticsearch writes them */
        json_member_text(json, "min", STR("Infinity"));
        json_member_text(json, "max", STR("-Infinity"));
        static const char *const names[] = { "q1", "q2", "q3", "lower", "upper" };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
            json_member_text(json, names[i], STR("NaN"));
        return 0;
    }
    double q1 = percentile(state, 25);
    double q3 = percentile(state, 75);
    double reach = (q3 - q1) * 1.5;
    double lower = q1;
    double upper = q3;
    for (size_t i = state->count; i > 0 && state->values[i - 1] >= q1 - reach; i--) {
        if (state->values[i - 1] < lower) lower = state->values[i - 1];
    }
    for (size_t i = 0; i < state->count && state->values[i] <= q3 + reach; i++) {
        if (state->values[i] > upper) upper = state->values[i];
    }
    put_number(json, "min", true, state->values[0]);
    put_number(json, "max", true, state->values[state->count - 1]);
    put_number(json, "q1", true, q1);
    put_number(json, "q2", true, percentile(state, 50));
    put_number(json, "q3", true, q3);
    put_number(json, "lower", true, lower);
    put_number(json, "upper", true, upper);
    return 0;
}

#define SORTED(kind_name, typed, read_it, write_it, number_it)                                     \
    {                                                                                              \
        .name = STR_INIT(kind_name), .typed_name = typed, .state_size = sizeof(struct state),      \
        .read = read_it, .collect = collect, .write = write_it, .number = number_it                \
    }

const struct agg_kind agg_percentiles =
    SORTED("percentiles", "tdigest_percentiles", read, write, number);
const struct agg_kind agg_percentile_ranks =
    SORTED("percentile_ranks", "tdigest_percentile_ranks", read_ranks, write, number);
const struct agg_kind agg_median_deviation =
    SORTED("median_absolute_deviation", NULL, NULL, write_deviation, NULL);
const struct agg_kind agg_boxplot = SORTED("boxplot", NULL, NULL, write_boxplot, NULL);
