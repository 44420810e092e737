/* agg_percentiles.c - percentiles: exact, by keeping and sorting the values, up to VALUES_MAX; of
 * more, every second one is left out again and again, evenly.
 */
#include "logquery/agg.h"

#include <stdlib.h>
#include <string.h>

#define VALUES_MAX   ((size_t)1 << 20)
#define PERCENTS_MAX 64

struct options {
    double percents[PERCENTS_MAX];
    size_t count;
    bool is_list;
};

struct state {
    double *values;
    size_t count, capacity;
    uint64_t seen, stride;
    bool is_sorted;
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    static const double defaults[] = { 1, 5, 25, 50, 75, 95, 99 };
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->is_list = !parse_flag(json_get(body, STR("keyed")), true);
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

static int add(struct search *search, struct state *state, double value)
{
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
    struct agg_numbers numbers;
    if (code < 0 || column == NULL || !agg_numbers_open(&numbers, column)) return code;
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        size_t first;
        size_t count = logstore_cursor_seek(&numbers.cursor, documents->documents[i], &first);
        for (size_t k = 0; code == 0 && k < count; k++) {
            code = add(search, raw, agg_number_at(&numbers, first + k));
        }
    }
    return code;
}

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
    if (state->count > 0) qsort(state->values, state->count, sizeof(double), by_value);
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
            put_double(json, percentile(state, options->percents[i]));
        if (options->is_list) json_object_end(json);
    }
    if (options->is_list)
        json_array_end(json);
    else
        json_object_end(json);
    return 0;
}

static bool number(const struct agg *agg, const void *raw, struct str path, double *value)
{
    (void)agg;
    struct state *state = (struct state *)(uintptr_t)raw;
    struct json_writer unused;
    (void)unused;
    if (state->count == 0) return false;
    qsort(state->values, state->count, sizeof(double), by_value);
    int64_t whole = 50;
    struct str rest = path;
    struct str digits = str_cut(&rest, '.');
    if (digits.size > 0 && !str_to_int64(digits, &whole)) return false;
    *value = percentile(state, (double)whole);
    return true;
}

const struct agg_kind agg_percentiles = {
    .name = STR_INIT("percentiles"),
    .typed_name = "tdigest_percentiles",
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
    .number = number,
};
