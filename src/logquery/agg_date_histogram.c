/* agg_date_histogram.c - documents by time: fixed or calendar intervals, in a time zone. */
#include "logquery/agg.h"
#include "logquery/agg_order.h"
#include "logquery/zone.h"

#include <stdlib.h>
#include <string.h>

struct options {
    int64_t interval_ms; /* 0: by calendar */
    enum date_unit unit;
    int64_t offset_ms;
    int64_t min_doc_count;
    struct zone *zone;
    bool has_bounds, has_hard_bounds;
    int64_t bound_min, bound_max;
    int64_t hard_min, hard_max;
    bool is_keyed;
    struct agg_orders orders; /* none: by key */
    bool has_missing;
    int64_t missing_ms;
};

struct state {
    struct bucket_table table;
};

struct unit_row {
    struct str name;
    enum date_unit unit;
};

static const struct unit_row calendar_units[] = {
    { STR_INIT("second"), DATE_SECOND },   { STR_INIT("1s"), DATE_SECOND },
    { STR_INIT("minute"), DATE_MINUTE },   { STR_INIT("1m"), DATE_MINUTE },
    { STR_INIT("hour"), DATE_HOUR },       { STR_INIT("1h"), DATE_HOUR },
    { STR_INIT("day"), DATE_DAY },         { STR_INIT("1d"), DATE_DAY },
    { STR_INIT("week"), DATE_WEEK },       { STR_INIT("1w"), DATE_WEEK },
    { STR_INIT("month"), DATE_MONTH },     { STR_INIT("1M"), DATE_MONTH },
    { STR_INIT("quarter"), DATE_QUARTER }, { STR_INIT("1q"), DATE_QUARTER },
    { STR_INIT("year"), DATE_YEAR },       { STR_INIT("1y"), DATE_YEAR },
};

static bool read_calendar(struct str text, struct options *options)
{
    for (size_t i = 0; i < ARRAY_LENGTH(calendar_units); i++) {
        if (!str_equal(calendar_units[i].name, text)) continue;
        options->unit = calendar_units[i].unit;
        return true;
    }
    return false;
}

struct size_row {
    struct str suffix;
    int64_t ms;
};

static const struct size_row sizes[] = {
    { STR_INIT("ms"), 1 },      { STR_INIT("s"), 1000 },     { STR_INIT("m"), 60000 },
    { STR_INIT("h"), 3600000 }, { STR_INIT("d"), 86400000 }, { STR_INIT("w"), 604800000 },
};

/* "30s", "+6h", "-1d" */
static bool read_duration(struct str text, int64_t *out)
{
    size_t digits = text.size > 0 && (text.data[0] == '+' || text.data[0] == '-') ? 1 : 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    int64_t number;
    if (!str_to_int64(str_first(text, digits), &number)) return false;
    struct str suffix = str_skip(text, digits);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        if (!str_equal(sizes[i].suffix, suffix)) continue;
        return !__builtin_mul_overflow(number, sizes[i].ms, out);
    }
    return false;
}

static int read_bound(struct search *search, const struct agg *agg, const struct json *value,
                      int64_t *out)
{
    if (value == NULL || value->kind == JSON_NULL) return 0;
    if (value->kind == JSON_INT) {
        *out = value->integer;
        return 0;
    }
    struct date_options options = { .format = agg->format,
                                    .now_ms = search->context.now_ms,
                                    .allows_math = true };
    struct error error = { 0 };
    if (date_parse_ms(parse_scalar(value), &options, out, &error) < 0) {
        return parse_fail(&search->parse, "parse_exception", "%s", error.text);
    }
    return 0;
}

static int read_bounds(struct search *search, const struct agg *agg, const struct json *json,
                       struct options *options)
{
    const struct json *extended = json_get(json, STR("extended_bounds"));
    const struct json *hard = json_get(json, STR("hard_bounds"));
    int code = 0;
    if (extended != NULL) {
        options->has_bounds = true;
        options->bound_min = INT64_MAX;
        options->bound_max = INT64_MIN;
        code = read_bound(search, agg, json_get(extended, STR("min")), &options->bound_min);
        if (code == 0) {
            code = read_bound(search, agg, json_get(extended, STR("max")), &options->bound_max);
        }
        bool are_both = options->bound_min != INT64_MAX && options->bound_max != INT64_MIN;
        if (code == 0 && are_both && options->bound_min > options->bound_max) {
            code = parse_fail(&search->parse, "parsing_exception",
                              "[extended_bounds.min][%lld] cannot be greater than "
                              "[extended_bounds.max][%lld] for histogram aggregation [" STR_FMT "]",
                              (long long)options->bound_min, (long long)options->bound_max,
                              STR_ARG(agg->name));
        }
    }
    if (code == 0 && hard != NULL) {
        options->has_hard_bounds = true;
        options->hard_min = INT64_MIN;
        options->hard_max = INT64_MAX;
        code = read_bound(search, agg, json_get(hard, STR("min")), &options->hard_min);
        if (code == 0)
            code = read_bound(search, agg, json_get(hard, STR("max")), &options->hard_max);
    }
    return code;
}

static int read_interval(struct search *search, const struct json *body, struct options *options)
{
    struct parse *parse = &search->parse;
    struct str fixed = parse_scalar(json_get(body, STR("fixed_interval")));
    struct str calendar = parse_scalar(json_get(body, STR("calendar_interval")));
    struct str either = parse_scalar(json_get(body, STR("interval")));
    if (calendar.size > 0 && fixed.size > 0) {
        return parse_fail(parse, "illegal_argument_exception",
                          "Cannot use [fixed_interval] with [calendar_interval] configuration "
                          "option.");
    }
    if (calendar.size > 0) {
        if (read_calendar(calendar, options)) return 0;
        return parse_fail(parse, "illegal_argument_exception",
                          "The supplied interval [" STR_FMT "] could not be parsed as a calendar "
                          "interval.",
                          STR_ARG(calendar));
    }
    if (fixed.size == 0 && either.size > 0 && read_calendar(either, options)) return 0;
    if (fixed.size == 0) fixed = either;
    if (fixed.size == 0) {
        return parse_fail(parse, "illegal_argument_exception",
                          "Invalid interval specified, must be non-null and non-empty");
    }
    if (!read_duration(fixed, &options->interval_ms) || options->interval_ms <= 0) {
        return parse_fail(parse, "illegal_argument_exception",
                          "failed to parse setting [date_histogram.fixedInterval] with value "
                          "[" STR_FMT "] as a time value",
                          STR_ARG(fixed));
    }
    return 0;
}

static int read_common(struct search *search, struct agg *agg, const struct json *body,
                       struct options *options)
{
    struct parse *parse = &search->parse;
    struct str zone = json_text(json_get(body, STR("time_zone")), STR(""));
    if (zone.size > 0 && zone_find(search->arena, zone, &options->zone) < 0) {
        return parse_fail(parse, "illegal_argument_exception", "Unknown time-zone ID: " STR_FMT,
                          STR_ARG(zone));
    }
    struct str offset = parse_scalar(json_get(body, STR("offset")));
    if (offset.size > 0 && !read_duration(offset, &options->offset_ms)) {
        return parse_fail(parse, "illegal_argument_exception",
                          "offset [" STR_FMT "] is no duration", STR_ARG(offset));
    }
    options->min_doc_count = parse_integer_of(&search->parse, body, "min_doc_count", 0);
    options->is_keyed = parse_flag_of(&search->parse, body, "keyed", false);
    const struct json *order = json_get(body, STR("order"));
    if (order != NULL) {
        int code = agg_orders_read(search, agg, order, &options->orders);
        if (code < 0) return code;
    }
    if (agg->missing != NULL) {
        options->has_missing = true;
        int code = read_bound(search, agg, agg->missing, &options->missing_ms);
        if (code < 0) return code;
    }
    return read_bounds(search, agg, body, options);
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    int code = read_interval(search, body, options);
    return code < 0 ? code : read_common(search, agg, body, options);
}

static int64_t floor_to(int64_t value, int64_t size)
{
    int64_t quotient = value / size;
    if (value % size < 0) quotient--;
    return quotient * size;
}

/* The start of the bucket, in UTC, that a time falls into. */
static int64_t bucket_start(const struct options *options, int64_t time_ms)
{
    int64_t local_ms = time_ms + (int64_t)zone_offset_at(options->zone, time_ms) * 1000;
    local_ms -= options->offset_ms;
    int64_t start = options->interval_ms > 0 ? floor_to(local_ms, options->interval_ms)
                                             : date_floor_ms(local_ms, options->unit);
    return zone_from_local(options->zone, start + options->offset_ms);
}

int64_t agg_date_start(const struct agg *agg, int64_t time_ms)
{
    return bucket_start(agg->options, time_ms);
}

static int64_t bucket_next(const struct options *options, int64_t start_ms)
{
    int64_t local_ms = start_ms + (int64_t)zone_offset_at(options->zone, start_ms) * 1000;
    int64_t next =
        options->interval_ms > 0
            ? local_ms + options->interval_ms
            : date_add_ms(local_ms - options->offset_ms, options->unit, 1) + options->offset_ms;
    int64_t next_ms = zone_from_local(options->zone, next);
    return next_ms > start_ms ? next_ms : start_ms + 1;
}

/* How many units a bucket lasts; false: units of months do not fit into its interval. */
bool agg_date_size(const struct agg *agg, int64_t start_ms, enum date_unit unit, double *size)
{
    static const double lengths[] = {
        [DATE_SECOND] = 1e3,    [DATE_MINUTE] = 60e3, [DATE_HOUR] = 3600e3, [DATE_DAY] = 86400e3,
        [DATE_WEEK] = 604800e3, [DATE_MONTH] = 1,     [DATE_QUARTER] = 3,   [DATE_YEAR] = 12,
    };
    const struct options *options = agg->options;
    bool is_by_months = options->interval_ms == 0 && options->unit >= DATE_MONTH;
    double interval =
        options->interval_ms > 0 ? (double)options->interval_ms : lengths[options->unit];
    if (unit < DATE_MONTH && is_by_months) {
        interval = (double)(bucket_next(options, start_ms) - start_ms);
    }
    *size = interval / lengths[unit];
    return unit < DATE_MONTH || is_by_months;
}

struct collector {
    struct search *search;
    const struct options *options;
    struct bucket_table *table;
    struct bucket_pair_vec pairs;
    struct bucket_run_vec runs; /* in place of pairs, of columns with one value each */
    int64_t start, end;         /* of the bucket of the last value */
    uint32_t bucket;
};

static bool is_outside(const struct options *options, int64_t time_ms)
{
    return options->has_hard_bounds && (time_ms < options->hard_min || time_ms > options->hard_max);
}

/* Goes on to the bucket of a time, which is not that of the last value. */
static int change_bucket(struct collector *collector, int64_t time_ms)
{
    collector->start = bucket_start(collector->options, time_ms);
    collector->end = bucket_next(collector->options, collector->start);
    collector->bucket = bucket_for_number(collector->search, collector->table, collector->start);
    if (collector->bucket == UINT32_MAX) return parse_out_of_memory(&collector->search->parse);
    return collector->table->count > LOGQUERY_BUCKETS_MAX ? agg_too_many_buckets(collector->search)
                                                          : 0;
}

static int add_time(struct collector *collector, int64_t time_ms, uint32_t document)
{
    if (is_outside(collector->options, time_ms)) return 0;
    if (time_ms < collector->start || time_ms >= collector->end) {
        int code = change_bucket(collector, time_ms);
        if (code < 0) return code;
    }
    struct bucket_pair pair = { collector->bucket, document };
    for (size_t i = collector->pairs.count; i > 0; i--) {
        const struct bucket_pair *before = &collector->pairs.items[i - 1];
        if (before->document != document) break;
        if (before->bucket == pair.bucket) return 0;
    }
    if (!VEC_PUSH(&collector->pairs, pair)) return parse_out_of_memory(&collector->search->parse);
    return 0;
}

/* How many of the times, from the one at `at` on, fall into the bucket at hand. */
static size_t run_length(const struct collector *collector, const int64_t *times_ms, size_t at,
                         size_t count)
{
    const struct options *options = collector->options;
    int64_t least = collector->start;
    int64_t most = collector->end - 1;
    if (options->has_hard_bounds && options->hard_min > least) least = options->hard_min;
    if (options->has_hard_bounds && options->hard_max < most) most = options->hard_max;
    size_t next = at;
    while (next < count && times_ms[next] >= least && times_ms[next] <= most) next++;
    return next - at;
}

static int add_run(struct collector *collector, size_t first, size_t count)
{
    struct bucket_run *last = collector->runs.count > 0 ? &VEC_LAST(&collector->runs) : NULL;
    if (last != NULL && last->bucket == collector->bucket && last->first + last->count == first) {
        last->count += (uint32_t)count;
        return 0;
    }
    struct bucket_run run = { collector->bucket, (uint32_t)first, (uint32_t)count };
    if (VEC_PUSH(&collector->runs, run)) return 0;
    return parse_out_of_memory(&collector->search->parse);
}

/* Times one behind the other, of the documents from the one at `first` in the list on. */
static int add_times(struct collector *collector, const int64_t *times_ms, size_t first,
                     size_t count)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < count;) {
        size_t size = run_length(collector, times_ms, i, count);
        bool is_left_out = size == 0 && is_outside(collector->options, times_ms[i]);
        if (size == 0) {
            size = 1;
            if (!is_left_out) code = change_bucket(collector, times_ms[i]);
        }
        if (code == 0 && !is_left_out) code = add_run(collector, first + i, size);
        i += size;
    }
    return code;
}

/* Of a column of integers with one value for each document. */
static int collect_runs(struct collector *collector, struct agg *agg,
                        const struct agg_numbers *numbers, const struct agg_documents *documents)
{
    int64_t times_ms[AGG_GATHER_COUNT];
    int code = 0;
    for (size_t first = 0; code == 0 && first < documents->count; first += AGG_GATHER_COUNT) {
        size_t left = documents->count - first;
        size_t count = left < AGG_GATHER_COUNT ? left : AGG_GATHER_COUNT;
        logstore_column_gather(numbers->cursor.column, documents->documents + first, count,
                               times_ms);
        for (size_t i = 0; i < count && numbers->scale < 1; i++) {
            times_ms[i] = agg_ns_to_ms(times_ms[i]);
        }
        code = add_times(collector, times_ms, first, count);
    }
    if (code == 0) {
        code = buckets_collect_runs(collector->search, agg, collector->table, documents,
                                    &collector->runs);
    }
    VEC_RELEASE(&collector->runs);
    return code;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    if (code < 0 || (column == NULL && !options->has_missing)) return code;
    struct agg_numbers numbers = { 0 };
    if (column != NULL && !agg_numbers_open(&numbers, column)) return agg_refuse_field(search, agg);
    struct collector collector = {
        .search = search, .options = options, .table = &state->table, .start = 1, .end = 0
    };
    if (column != NULL && !numbers.is_real && logstore_column_has_one_each(column)) {
        return collect_runs(&collector, agg, &numbers, documents);
    }
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        size_t first = 0;
        uint32_t document = documents->documents[i];
        size_t count = column == NULL ? 0 : logstore_cursor_seek(&numbers.cursor, document, &first);
        for (size_t k = 0; code == 0 && k < count; k++) {
            code = add_time(&collector, agg_integer_at(&numbers, first + k), document);
        }
        if (count == 0 && options->has_missing) {
            code = add_time(&collector, options->missing_ms, document);
        }
    }
    if (code == 0) {
        code = buckets_collect(search, agg, &state->table, documents->segment, &collector.pairs);
    }
    VEC_RELEASE(&collector.pairs);
    return code;
}

static int write_bucket(struct search *search, struct agg *agg, const struct bucket *bucket,
                        struct json_writer *json)
{
    const struct options *options = agg->options;
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 256);
    date_print_ms(bucket->number, agg->format, zone_offset_at(options->zone, bucket->number),
                  &text);
    if (options->is_keyed) json_key(json, buf_str(&text));
    json_object_begin(json);
    json_member_text(json, "key_as_string", buf_str(&text));
    json_member_int(json, "key", bucket->number);
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    int64_t outer_start_ms = search->date_start_ms;
    search->date_start_ms = bucket->number;
    int code = bucket_write_subs(search, agg, bucket, json);
    search->date_start_ms = outer_start_ms;
    json_object_end(json);
    return code;
}

/* All buckets in a row, with the empty ones between and out to the bounds. */
static int fill_gaps(struct search *search, const struct options *options,
                     struct bucket_table *table)
{
    int64_t first = table->count > 0 ? table->buckets[0].number : INT64_MAX;
    int64_t last = table->count > 0 ? table->buckets[table->count - 1].number : INT64_MIN;
    if (options->has_bounds) {
        if (options->bound_min != INT64_MAX) {
            int64_t start = bucket_start(options, options->bound_min);
            if (start < first) first = start;
            if (last == INT64_MIN) last = start;
        }
        if (options->bound_max != INT64_MIN) {
            int64_t start = bucket_start(options, options->bound_max);
            if (start > last) last = start;
            if (first == INT64_MAX) first = start;
        }
    }
    if (first > last) return 0;
    size_t capacity = 64;
    struct bucket *filled = malloc(capacity * sizeof(*filled));
    size_t count = 0;
    size_t at = 0;
    for (int64_t start = first; filled != NULL && start <= last;
         start = bucket_next(options, start)) {
        while (at < table->count && table->buckets[at].number < start) at++;
        bool is_there = at < table->count && table->buckets[at].number == start;
        if (count == capacity) {
            capacity *= 2;
            struct bucket *grown = realloc(filled, capacity * sizeof(*filled));
            if (grown == NULL || count > LOGQUERY_BUCKETS_MAX) {
                free(grown == NULL ? filled : grown);
                return agg_too_many_buckets(search);
            }
            filled = grown;
        }
        filled[count++] = is_there ? table->buckets[at] : (struct bucket){ .number = start };
    }
    struct bucket *kept = ARENA_ARRAY(search->arena, struct bucket, count + 1);
    if (kept == NULL || filled == NULL) {
        free(filled);
        return parse_out_of_memory(&search->parse);
    }
    memcpy(kept, filled, count * sizeof(*kept));
    free(filled);
    table->buckets = kept;
    table->count = count;
    return 0;
}

static int write_all(struct search *search, struct agg *agg, const struct bucket_table *table,
                     struct json_writer *json)
{
    static const struct agg_orders by_key = { .items = { { .kind = AGG_ORDER_KEY } }, .count = 1 };
    const struct options *options = agg->options;
    struct agg_range counts = { options->min_doc_count, INT64_MAX };
    struct agg_ranker ranker = { options->orders.count > 0 ? &options->orders : &by_key,
                                 buckets_in_order, NULL };
    struct agg_ranking ranking;
    int code = agg_rank(search, table, counts, &ranker, &ranking);
    if (code < 0) return code;
    buckets_begin(options->is_keyed, json);
    for (size_t i = 0; code == 0 && i < ranking.count; i++) {
        code = write_bucket(search, agg, ranking.items[i].bucket, json);
    }
    buckets_end(options->is_keyed, json);
    agg_ranking_release(&ranking);
    return code;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    struct bucket_table *table = &state->table;
    if (table->count > 0)
        qsort(table->buckets, table->count, sizeof(struct bucket), buckets_by_number);
    int code = options->min_doc_count == 0 ? fill_gaps(search, options, table) : 0;
    return code < 0 ? code : write_all(search, agg, table, json);
}

const struct agg_kind agg_date_histogram = {
    .name = STR_INIT("date_histogram"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
