/* agg_histogram.c - documents by ranges of numbers: histogram, range, date_range. */
#include "logquery/agg.h"
#include "logquery/agg_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* histogram ----------------------------------------------------------------------------------- */

struct histogram {
    double interval, offset;
    int64_t min_doc_count;
    bool has_bounds, has_hard_bounds;
    double bound_min, bound_max;
    double hard_min, hard_max;
    bool is_keyed;
    struct agg_orders orders; /* none: by key */
};

struct histogram_state {
    struct bucket_table table; /* number: how many intervals from the offset */
};

static int read_histogram(struct search *search, struct agg *agg, const struct json *body)
{
    struct histogram *options = ARENA_NEW(search->arena, struct histogram);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->interval = parse_number_of(&search->parse, body, "interval", 0);
    options->offset = parse_number_of(&search->parse, body, "offset", 0);
    options->min_doc_count = parse_integer_of(&search->parse, body, "min_doc_count", 0);
    options->is_keyed = parse_flag_of(&search->parse, body, "keyed", false);
    const struct json *bounds = json_get(body, STR("extended_bounds"));
    options->has_bounds =
        json_get(bounds, STR("min")) != NULL && json_get(bounds, STR("max")) != NULL;
    options->bound_min = parse_number_of(&search->parse, bounds, "min", 0);
    options->bound_max = parse_number_of(&search->parse, bounds, "max", 0);
    if (options->has_bounds && options->bound_min > options->bound_max) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[extended_bounds.min] cannot be greater than [extended_bounds.max] for "
                          "histogram aggregation [" STR_FMT "]",
                          STR_ARG(agg->name));
    }
    const struct json *hard = json_get(body, STR("hard_bounds"));
    options->has_hard_bounds = json_is(hard, JSON_OBJECT);
    options->hard_min = parse_number_of(&search->parse, hard, "min", -(double)INFINITY);
    options->hard_max = parse_number_of(&search->parse, hard, "max", (double)INFINITY);
    const struct json *order = json_get(body, STR("order"));
    if (order != NULL) {
        int code = agg_orders_read(search, agg, order, &options->orders);
        if (code < 0) return code;
    }
    if (options->interval > 0) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "[interval] must be >0 for histogram aggregation [" STR_FMT "]",
                      STR_ARG(agg->name));
}

static int64_t interval_of(const struct histogram *options, double value)
{
    double number = floor((value - options->offset) / options->interval);
    return number > -9e18 && number < 9e18 ? (int64_t)number : 0;
}

static int collect_histogram(struct search *search, struct agg *agg, void *raw,
                             const struct agg_documents *documents)
{
    struct histogram_state *state = raw;
    const struct histogram *options = agg->options;
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    struct agg_numbers numbers = { 0 };
    if (code < 0 || (column == NULL && agg->missing == NULL)) return code;
    if (column != NULL && !agg_numbers_open(&numbers, column)) return agg_refuse_field(search, agg);
    struct bucket_pair_vec pairs = { 0 };
    double missing = parse_number(agg->missing, 0);
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        uint32_t document = documents->documents[i];
        size_t first = 0;
        size_t count = column == NULL ? 0 : logstore_cursor_seek(&numbers.cursor, document, &first);
        bool is_missing = count == 0 && agg->missing != NULL;
        uint32_t before = UINT32_MAX;
        for (size_t k = 0; code == 0 && k < count + is_missing; k++) {
            double value = is_missing ? missing : agg_number_at(&numbers, first + k);
            bool is_outside = options->has_hard_bounds &&
                              (value < options->hard_min || value > options->hard_max);
            if (is_outside) continue;
            int64_t interval = interval_of(options, value);
            uint32_t bucket = bucket_for_number(search, &state->table, interval);
            if (bucket == before) continue;
            before = bucket;
            if (bucket == UINT32_MAX ||
                !VEC_PUSH(&pairs, (struct bucket_pair){ bucket, document })) {
                code = parse_out_of_memory(&search->parse);
            }
        }
        if (state->table.count > LOGQUERY_BUCKETS_MAX) code = agg_too_many_buckets(search);
    }
    if (code == 0) code = buckets_collect(search, agg, &state->table, documents->segment, &pairs);
    VEC_RELEASE(&pairs);
    return code;
}

static int write_interval(struct search *search, struct agg *agg, const struct bucket *bucket,
                          struct json_writer *json)
{
    const struct histogram *options = agg->options;
    double key = (double)bucket->number * options->interval + options->offset;
    if (options->is_keyed) {
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_init(&text, 512);
        struct json_writer plain;
        json_writer_init(&plain, &text);
        put_double(&plain, key);
        json_key(json, buf_str(&text));
    }
    json_object_begin(json);
    json_key(json, STR("key"));
    put_double(json, key);
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    int code = bucket_write_subs(search, agg, bucket, json);
    json_object_end(json);
    return code;
}

/* All buckets in a row, with the empty ones between and out to the bounds. */
static int fill_gaps(struct search *search, const struct histogram *options,
                     struct bucket_table *table)
{
    int64_t first = table->count > 0 ? table->buckets[0].number : 0;
    int64_t last = table->count > 0 ? table->buckets[table->count - 1].number : -1;
    if (options->has_bounds) {
        int64_t low = interval_of(options, options->bound_min);
        int64_t high = interval_of(options, options->bound_max);
        if (table->count == 0 || low < first) first = low;
        if (table->count == 0 || high > last) last = high;
    }
    if (first > last) return 0;
    uint64_t count = (uint64_t)last - (uint64_t)first + 1;
    if (count > LOGQUERY_BUCKETS_MAX) return agg_too_many_buckets(search);
    struct bucket *filled = ARENA_ARRAY(search->arena, struct bucket, (size_t)count);
    if (filled == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < count; i++) filled[i].number = first + (int64_t)i;
    for (size_t i = 0; i < table->count; i++) {
        filled[table->buckets[i].number - first] = table->buckets[i];
    }
    table->buckets = filled;
    table->count = (size_t)count;
    return 0;
}

static int write_histogram(struct search *search, struct agg *agg, void *raw,
                           struct json_writer *json)
{
    static const struct agg_orders by_key = { .items = { { .kind = AGG_ORDER_KEY } }, .count = 1 };
    struct histogram_state *state = raw;
    const struct histogram *options = agg->options;
    struct bucket_table *table = &state->table;
    if (table->count > 0)
        qsort(table->buckets, table->count, sizeof(struct bucket), buckets_by_number);
    int code = options->min_doc_count == 0 ? fill_gaps(search, options, table) : 0;
    if (code < 0) return code;
    struct agg_range counts = { options->min_doc_count, INT64_MAX };
    struct agg_ranker ranker = { options->orders.count > 0 ? &options->orders : &by_key,
                                 buckets_in_order, NULL };
    struct agg_ranking ranking;
    code = agg_rank(search, table, counts, &ranker, &ranking);
    if (code < 0) return code;
    buckets_begin(options->is_keyed, json);
    for (size_t i = 0; code == 0 && i < ranking.count; i++) {
        code = write_interval(search, agg, ranking.items[i].bucket, json);
    }
    buckets_end(options->is_keyed, json);
    agg_ranking_release(&ranking);
    return code;
}

const struct agg_kind agg_histogram = {
    .name = STR_INIT("histogram"),
    .state_size = sizeof(struct histogram_state),
    .read = read_histogram,
    .collect = collect_histogram,
    .write = write_histogram,
};

/* range, date_range --------------------------------------------------------------------------- */

struct range {
    struct str key;
    bool has_from, has_to;
    double from, to;
};

struct ranges {
    struct range *items;
    size_t count;
    bool is_keyed;
    bool is_date;
    const struct date_zone *zone; /* of dates; NULL: UTC */
    bool has_missing;
    double missing; /* of documents without a value */
};

struct range_state {
    struct bucket_table table; /* number: index of the range */
};

static int read_edge(struct search *search, const struct agg *agg, const struct ranges *ranges,
                     const struct json *value, bool *has, double *edge)
{
    *has = value != NULL && value->kind != JSON_NULL;
    if (!*has) return 0;
    if (!ranges->is_date || value->kind == JSON_INT || value->kind == JSON_DOUBLE) {
        *edge = parse_number(value, 0);
        return 0;
    }
    struct date_options options = { .format = agg->format,
                                    .now_ms = search->context.now_ms,
                                    .zone = ranges->zone,
                                    .allows_math = true };
    struct error error = { 0 };
    int64_t time_ms;
    if (date_parse_ms(parse_scalar(value), &options, &time_ms, &error) < 0) {
        return parse_fail(&search->parse, "parse_exception", "%s", error.text);
    }
    *edge = (double)time_ms;
    return 0;
}

static int by_from(const void *a, const void *b)
{
    const struct range *left = a;
    const struct range *right = b;
    double x = left->has_from ? left->from : -(double)INFINITY;
    double y = right->has_from ? right->from : -(double)INFINITY;
    if (x < y || x > y) return x < y ? -1 : 1;
    x = left->has_to ? left->to : (double)INFINITY;
    y = right->has_to ? right->to : (double)INFINITY;
    return x < y ? -1 : x > y;
}

static int read_ranges(struct search *search, struct agg *agg, const struct json *body,
                       bool is_date)
{
    struct ranges *options = ARENA_NEW(search->arena, struct ranges);
    const struct json *list = json_get(body, STR("ranges"));
    if (options == NULL) return parse_out_of_memory(&search->parse);
    if (!json_is(list, JSON_ARRAY) || list->array.count == 0) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "No [ranges] specified for the [" STR_FMT "] aggregation",
                          STR_ARG(agg->name));
    }
    options->is_date = is_date;
    options->is_keyed = parse_flag_of(&search->parse, body, "keyed", false);
    options->count = list->array.count;
    options->items = ARENA_ARRAY(search->arena, struct range, options->count);
    if (options->items == NULL) return parse_out_of_memory(&search->parse);
    int code = parse_zone(&search->parse, json_get(body, STR("time_zone")), &options->zone);
    for (size_t i = 0; code == 0 && i < options->count; i++) {
        const struct json *item = &list->array.items[i];
        struct range *range = &options->items[i];
        range->key = json_text(json_get(item, STR("key")), STR(""));
        code = read_edge(search, agg, options, json_get(item, STR("from")), &range->has_from,
                         &range->from);
        if (code == 0) {
            code = read_edge(search, agg, options, json_get(item, STR("to")), &range->has_to,
                             &range->to);
        }
    }
    if (code == 0) {
        code =
            read_edge(search, agg, options, agg->missing, &options->has_missing, &options->missing);
    }
    qsort(options->items, options->count, sizeof(struct range), by_from);
    agg->options = options;
    return code;
}

static int read_range(struct search *search, struct agg *agg, const struct json *body)
{
    return read_ranges(search, agg, body, false);
}

static int read_date_range(struct search *search, struct agg *agg, const struct json *body)
{
    return read_ranges(search, agg, body, true);
}

static bool range_holds(const struct range *range, double value)
{
    return (!range->has_from || value >= range->from) && (!range->has_to || value < range->to);
}

static int collect_range(struct search *search, struct agg *agg, void *raw,
                         const struct agg_documents *documents)
{
    struct range_state *state = raw;
    const struct ranges *options = agg->options;
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    struct agg_numbers numbers = { 0 };
    if (code < 0 || (column == NULL && agg->missing == NULL)) return code;
    if (column != NULL && !agg_numbers_open(&numbers, column)) return agg_refuse_field(search, agg);
    code = buckets_prepare(search, &state->table, options->count);
    struct bucket_pair_vec pairs = { 0 };
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        uint32_t document = documents->documents[i];
        size_t first = 0;
        size_t count = column == NULL ? 0 : logstore_cursor_seek(&numbers.cursor, document, &first);
        for (size_t r = 0; code == 0 && r < options->count; r++) {
            bool is_missing = count == 0 && options->has_missing;
            bool holds = is_missing && range_holds(&options->items[r], options->missing);
            for (size_t k = 0; !holds && k < count; k++) {
                holds = range_holds(&options->items[r], agg_number_at(&numbers, first + k));
            }
            if (holds && !VEC_PUSH(&pairs, (struct bucket_pair){ (uint32_t)r, document })) {
                code = parse_out_of_memory(&search->parse);
            }
        }
        if (code == 0) {
            code = buckets_spill(search, agg, &state->table, documents->segment, &pairs);
        }
    }
    if (code == 0) code = buckets_collect(search, agg, &state->table, documents->segment, &pairs);
    VEC_RELEASE(&pairs);
    return code;
}

static void print_date(const struct agg *agg, const struct ranges *options, double edge,
                       struct buf *out)
{
    const struct date_zone *zone = options->zone;
    int64_t time_ms = (int64_t)edge;
    date_print_ms(time_ms, agg->format, zone == NULL ? 0 : zone->offset_at(zone->rules, time_ms),
                  out);
}

static void put_edge(const struct agg *agg, const char *name, double edge, struct json_writer *json)
{
    const struct ranges *options = agg->options;
    json_key(json, str_from(name));
    put_double(json, edge);
    if (!options->is_date) return;
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 256);
    print_date(agg, options, edge, &text);
    json_key(json,
             str_equal(str_from(name), STR("from")) ? STR("from_as_string") : STR("to_as_string"));
    json_put_text(json, buf_str(&text));
}

static void print_edge(const struct agg *agg, const struct ranges *options, bool has, double edge,
                       struct buf *out)
{
    if (!has)
        buf_append_char(out, '*');
    else if (options->is_date)
        print_date(agg, options, edge, out);
    else {
        struct json_writer plain;
        json_writer_init(&plain, out);
        put_double(&plain, edge);
    }
}

static int write_one_range(struct search *search, struct agg *agg, const struct range *range,
                           const struct bucket *bucket, struct json_writer *json)
{
    const struct ranges *options = agg->options;
    CLEANUP(buf_release) struct buf key = { 0 };
    buf_init(&key, 1024);
    if (range->key.size > 0)
        buf_append_str(&key, range->key);
    else {
        print_edge(agg, options, range->has_from, range->from, &key);
        buf_append_char(&key, '-');
        print_edge(agg, options, range->has_to, range->to, &key);
    }
    if (options->is_keyed) json_key(json, buf_str(&key));
    json_object_begin(json);
    if (!options->is_keyed) json_member_text(json, "key", buf_str(&key));
    if (range->has_from) put_edge(agg, "from", range->from, json);
    if (range->has_to) put_edge(agg, "to", range->to, json);
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    int code = bucket_write_subs(search, agg, bucket, json);
    json_object_end(json);
    return code;
}

static int write_range(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct range_state *state = raw;
    const struct ranges *options = agg->options;
    int code = buckets_prepare(search, &state->table, options->count);
    buckets_begin(options->is_keyed, json);
    for (size_t i = 0; code == 0 && i < options->count; i++) {
        code = write_one_range(search, agg, &options->items[i], &state->table.buckets[i], json);
    }
    buckets_end(options->is_keyed, json);
    return code;
}

const struct agg_kind agg_range = {
    .name = STR_INIT("range"),
    .state_size = sizeof(struct range_state),
    .read = read_range,
    .collect = collect_range,
    .write = write_range,
};

const struct agg_kind agg_date_range = {
    .name = STR_INIT("date_range"),
    .state_size = sizeof(struct range_state),
    .read = read_date_range,
    .collect = collect_range,
    .write = write_range,
};
