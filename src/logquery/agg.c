/* agg.c - the tree of aggregations: reading, handing documents down, writing results. */
#include "logquery/agg.h"
#include "logquery/agg_options.h"

#include "base/check.h"
#include "codec/number.h"
#include "logquery/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_COUNT_MIN 4096 /* documents, which fill several blocks of sources */
#define PIECE_SHARE     8    /* ordinals of a segment cost what it costs to read it so often */

static const struct agg_kind *const kinds[] = {
    &agg_terms,
    &agg_date_histogram,
    &agg_auto_date_histogram,
    &agg_histogram,
    &agg_range,
    &agg_date_range,
    &agg_filter,
    &agg_filters,
    &agg_global,
    &agg_missing,
    &agg_min,
    &agg_max,
    &agg_sum,
    &agg_avg,
    &agg_value_count,
    &agg_stats,
    &agg_extended_stats,
    &agg_cardinality,
    &agg_percentiles,
    &agg_top_hits,
    &agg_composite,
    &agg_rare_terms,
    &agg_multi_terms,
    &agg_top_metrics,
    &agg_percentile_ranks,
    &agg_median_deviation,
    &agg_boxplot,
    &agg_weighted_avg,
    &agg_string_stats,
    &agg_ip_range,
    &agg_rate,
    &agg_adjacency_matrix,
    &agg_normalize,
    &agg_derivative,
    &agg_cumulative_sum,
    &agg_serial_diff,
    &agg_moving_avg,
    &agg_moving_fn,
    &agg_bucket_script,
    &agg_bucket_selector,
    &agg_bucket_sort,
    &agg_avg_bucket,
    &agg_max_bucket,
    &agg_min_bucket,
    &agg_sum_bucket,
    &agg_stats_bucket,
    &agg_extended_stats_bucket,
    &agg_percentiles_bucket,
};

static const struct agg_kind *kind_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (str_equal(kinds[i]->name, name)) return kinds[i];
    }
    return NULL;
}

/* Those of Elasticsearch that are not here. */
static const char *const refused[] = {
    "bucket_correlation",
    "bucket_count_ks_test",
    "categorize_text",
    "change_point",
    "children",
    "cumulative_cardinality",
    "diversified_sampler",
    "frequent_item_sets",
    "geo_bounds",
    "geo_centroid",
    "geo_distance",
    "geo_line",
    "geohash_grid",
    "geohex_grid",
    "geotile_grid",
    "inference",
    "ip_prefix",
    "matrix_stats",
    "moving_percentiles",
    "nested",
    "parent",
    "random_sampler",
    "reverse_nested",
    "sampler",
    "scripted_metric",
    "significant_terms",
    "significant_text",
    "t_test",
    "time_series",
    "variable_width_histogram",
};

static int refuse_kind(struct parse *parse, struct str name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        if (!str_equal(str_from(refused[i]), name)) continue;
        return parse_fail(parse, "illegal_argument_exception",
                          "aggregation type [" STR_FMT "] is not supported by this store",
                          STR_ARG(name));
    }
    return parse_fail(parse, "parsing_exception", "Unknown aggregation type [" STR_FMT "]",
                      STR_ARG(name));
}

/* What paths of pipelines are made of stands in no name. */
static bool is_valid_name(struct str name)
{
    return name.size > 0 && str_find_char(name, '[') == STR_NONE &&
           str_find_char(name, ']') == STR_NONE && str_find_char(name, '>') == STR_NONE;
}

static int read_one(struct search *search, const struct json_member *member, struct agg **out)
{
    struct parse *parse = &search->parse;
    struct agg *agg = ARENA_NEW(search->arena, struct agg);
    if (agg == NULL) return parse_out_of_memory(parse);
    agg->name = member->key;
    if (!json_is(&member->value, JSON_OBJECT)) {
        return parse_fail(parse, "parsing_exception",
                          "Aggregation definition for [" STR_FMT "] must be an object",
                          STR_ARG(member->key));
    }
    if (!is_valid_name(member->key)) {
        struct str shown = parse_shown(member->key);
        return parse_fail(parse, "parsing_exception",
                          "Invalid aggregation name [" STR_FMT "]. Aggregation names can contain "
                          "any character except '[', ']', and '>'",
                          STR_ARG(shown));
    }
    const struct json *body = NULL;
    const struct json *subs = NULL;
    for (size_t i = 0; i < member->value.object.count; i++) {
        const struct json_member *part = &member->value.object.members[i];
        if (str_equal(part->key, STR("aggs")) || str_equal(part->key, STR("aggregations"))) {
            subs = &part->value;
        } else if (str_equal(part->key, STR("meta"))) {
            agg->meta = part->value.raw;
        } else if (body != NULL) {
            return parse_fail(parse, "parsing_exception",
                              "Found two aggregation type definitions in [" STR_FMT "]: [" STR_FMT
                              "] and [" STR_FMT "]",
                              STR_ARG(agg->name), STR_ARG(agg->kind->name), STR_ARG(part->key));
        } else {
            agg->kind = kind_find(part->key);
            body = &part->value;
            if (agg->kind == NULL) return refuse_kind(parse, part->key);
        }
    }
    if (agg->kind == NULL) {
        return parse_fail(parse, "parsing_exception",
                          "Missing definition for aggregation [" STR_FMT "]", STR_ARG(member->key));
    }
    agg->field = json_text(json_get(body, STR("field")), STR(""));
    agg->missing = json_get(body, STR("missing"));
    agg->format = json_text(json_get(body, STR("format")), STR(""));
    const struct logstore_field *field =
        agg->field.size > 0 && agg->format.size == 0 ? search_field(search, agg->field) : NULL;
    if (field != NULL) agg->format = field->format; /* of dates: as the field has them */
    if (agg->kind->run != NULL) search->has_pipelines = true;
    if (json_get(body, STR("script")) != NULL && agg->kind->run == NULL) {
        return parse_fail(parse, "illegal_argument_exception",
                          "scripts are not supported in aggregation [" STR_FMT "]",
                          STR_ARG(member->key));
    }
    int code = agg_check_options(parse, agg->kind->name, body);
    if (code < 0) return code;
    const struct agg *outer = search->date_histogram;
    bool is_dates = agg->kind == &agg_date_histogram;
    if (is_dates) search->date_histogram = agg;
    code = aggs_read(search, subs, &agg->subs, &agg->sub_count);
    search->date_histogram = outer;
    if (code == 0 && agg->kind->read != NULL) code = agg->kind->read(search, agg, body);
    *out = agg;
    return code;
}

int aggs_read(struct search *search, const struct json *json, struct agg ***aggs, size_t *count)
{
    *aggs = NULL;
    *count = 0;
    if (json == NULL) return 0;
    struct parse *parse = &search->parse;
    if (!json_is(json, JSON_OBJECT)) {
        return parse_fail(parse, "parsing_exception",
                          "Found [VALUE] where an object of "
                          "aggregations was expected");
    }
    if (parse->depth >= PARSE_DEPTH_MAX) {
        return parse_fail(parse, "illegal_argument_exception", "aggregations are nested too deep");
    }
    struct agg **list = ARENA_ARRAY(search->arena, struct agg *, json->object.count + 1);
    if (list == NULL) return parse_out_of_memory(parse);
    parse->depth++;
    int code = 0;
    for (size_t i = 0; code == 0 && i < json->object.count; i++) {
        code = read_one(search, &json->object.members[i], &list[i]);
    }
    parse->depth--;
    *aggs = list;
    *count = json->object.count;
    return code;
}

int aggs_collect(struct search *search, struct agg **aggs, size_t count, void **states,
                 const struct agg_documents *documents)
{
    for (size_t i = 0; i < count; i++) {
        if (aggs[i]->kind->collect == NULL) continue;
        if (states[i] == NULL) {
            states[i] = arena_alloc(search->arena, 1, aggs[i]->kind->state_size);
            if (states[i] == NULL) return parse_out_of_memory(&search->parse);
        }
        int code = aggs[i]->kind->collect(search, aggs[i], states[i], documents);
        if (code < 0) return code;
    }
    return 0;
}

int aggs_finish(struct search *search, struct agg **aggs, size_t count, void **states)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (aggs[i]->kind->finish == NULL || states[i] == NULL) continue;
        code = aggs[i]->kind->finish(search, aggs[i], states[i]);
    }
    return code;
}

int aggs_write(struct search *search, struct agg **aggs, size_t count, void **states,
               struct json_writer *json)
{
    for (size_t i = 0; i < count; i++) {
        struct agg *agg = aggs[i];
        struct str name = agg->name;
        if (agg->kind->write == NULL) continue;
        if (search->request->has_typed_keys) {
            const char *type = agg->kind->typed_name;
            name = arena_printf(search->arena, "%s#" STR_FMT,
                                type != NULL ? type : agg->kind->name.data, STR_ARG(agg->name));
            if (name.data == NULL) return parse_out_of_memory(&search->parse);
        }
        json_key(json, name);
        json_object_begin(json);
        if (agg->meta.size > 0) {
            json_key(json, STR("meta"));
            json_put_raw(json, agg->meta);
        }
        void *state = states == NULL ? NULL : states[i];
        if (state == NULL && agg->empty == NULL) {
            agg->empty = arena_alloc(search->arena, 1, agg->kind->state_size);
            if (agg->empty == NULL) return parse_out_of_memory(&search->parse);
        }
        if (state == NULL) state = agg->empty;
        int code = agg->kind->write(search, agg, state, json);
        if (code < 0) return code;
        json_object_end(json);
    }
    return 0;
}

static int take_column(struct search *search, const struct agg *agg,
                       const struct logstore_column *found, const struct logstore_column **column)
{
    if (found != NULL && logstore_column_kind(found) == LOGSTORE_COLUMN_TEXT) {
        return search_refuse_text(search, agg->field);
    }
    *column = found;
    return 0;
}

int agg_column(struct search *search, const struct agg *agg, size_t segment,
               const struct logstore_column **column)
{
    return take_column(search, agg, search_column(search, segment, agg->field), column);
}

int agg_column_unread(struct search *search, const struct agg *agg,
                      const struct agg_documents *documents, const struct logstore_column **column,
                      bool *is_unread)
{
    size_t count = documents->count;
    const uint32_t *list = documents->documents;
    uint32_t of_segment = search->snapshot->segments[documents->segment].document_count;
    bool is_piece = count >= PIECE_COUNT_MIN &&
                    (list[count - 1] - list[0] == count - 1 || count >= of_segment / PIECE_SHARE);
    *is_unread = false;
    if (!agg->is_outermost && !is_piece) {
        return agg_column(search, agg, documents->segment, column);
    }
    const struct logstore_column *found =
        search_column_unread(search, documents->segment, agg->field);
    int code = take_column(search, agg, found, column);
    *is_unread = code == 0 && found != NULL && logstore_column_is_sourced(found);
    return code;
}

int agg_refuse_field(struct search *search, const struct agg *agg)
{
    const struct logstore_field *field = search_field(search, agg->field);
    return parse_fail_shard(&search->parse, "illegal_argument_exception",
                            "Field [" STR_FMT "] of type [%s] is not supported for aggregation "
                            "[" STR_FMT "]",
                            STR_ARG(agg->field),
                            field == NULL ? "unknown" : logstore_type_name(field->type),
                            STR_ARG(agg->kind->name));
}

bool agg_numbers_open(struct agg_numbers *numbers, const struct logstore_column *column)
{
    enum logstore_column_kind kind = logstore_column_kind(column);
    *numbers = (struct agg_numbers){
        .cursor = { .column = column },
        .is_real = kind == LOGSTORE_COLUMN_REAL,
        .scale = logstore_column_type(column) == LOGSTORE_DATE_NANOS ? 1e-6 : 1,
    };
    return kind == LOGSTORE_COLUMN_REAL || kind == LOGSTORE_COLUMN_INTEGER;
}

double agg_number_at(const struct agg_numbers *numbers, size_t value)
{
    if (numbers->is_real) return logstore_column_real(numbers->cursor.column, value);
    return (double)logstore_column_integer(numbers->cursor.column, value) * numbers->scale;
}

int64_t agg_ns_to_ms(int64_t time_ns)
{
    return time_ns / 1000000 - (time_ns % 1000000 < 0);
}

int64_t agg_integer_at(const struct agg_numbers *numbers, size_t value)
{
    if (numbers->is_real) return (int64_t)logstore_column_real(numbers->cursor.column, value);
    int64_t integer = logstore_column_integer(numbers->cursor.column, value);
    return numbers->scale < 1 ? agg_ns_to_ms(integer) : integer;
}

/* Buckets ------------------------------------------------------------------------------------- */

int agg_too_many_buckets(struct search *search)
{
    return parse_fail_shard(&search->parse, "too_many_buckets_exception",
                            "Trying to create too many buckets. Must be less than or equal to: "
                            "[%d] but was [%d]. This limit can be set by changing the "
                            "[search.max_buckets] cluster level setting.",
                            LOGQUERY_BUCKETS_MAX, LOGQUERY_BUCKETS_MAX + 1);
}

static uint64_t key_hash(struct str key)
{
    return str_hash(key, UINT64_C(0x6275636b));
}

static bool table_grow(struct search *search, struct bucket_table *table)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 16 : table->capacity * 2;
        struct bucket *buckets = ARENA_ARRAY(search->arena, struct bucket, capacity);
        if (buckets == NULL) return false;
        if (table->count > 0) memcpy(buckets, table->buckets, table->count * sizeof(*buckets));
        table->buckets = buckets;
        table->capacity = capacity;
    }
    if ((table->count + 1) * 2 <= table->slot_count) return true;
    size_t slot_count = table->slot_count == 0 ? 64 : table->slot_count * 2;
    uint32_t *slots = ARENA_ARRAY(search->arena, uint32_t, slot_count);
    if (slots == NULL) return false;
    for (size_t i = 0; i < table->count; i++) {
        size_t at = key_hash(table->buckets[i].key) & (slot_count - 1);
        while (slots[at] != 0) at = (at + 1) & (slot_count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    table->slots = slots;
    table->slot_count = slot_count;
    return true;
}

static uint32_t bucket_for(struct search *search, struct bucket_table *table, struct str key,
                           int64_t number)
{
    if (!table_grow(search, table)) return UINT32_MAX;
    size_t mask = table->slot_count - 1;
    size_t at = key_hash(key) & mask;
    while (table->slots[at] != 0) {
        if (str_equal(table->buckets[table->slots[at] - 1].key, key)) return table->slots[at] - 1;
        at = (at + 1) & mask;
    }
    struct str copy = arena_copy(search->arena, key);
    if (copy.data == NULL) return UINT32_MAX;
    table->buckets[table->count] = (struct bucket){ .key = copy, .number = number };
    table->slots[at] = (uint32_t)++table->count;
    return (uint32_t)table->count - 1;
}

uint32_t bucket_for_number(struct search *search, struct bucket_table *table, int64_t number)
{
    /* Neighbouring documents mostly fall into the same bucket. */
    if (table->count > 0 && table->buckets[table->count - 1].number == number) {
        return (uint32_t)table->count - 1;
    }
    struct str key = { (const char *)&number, sizeof(number) };
    return bucket_for(search, table, key, number);
}

uint32_t bucket_for_text(struct search *search, struct bucket_table *table, struct str text)
{
    return bucket_for(search, table, text, 0);
}

static int collect_bucket(struct search *search, struct agg *agg, struct bucket *bucket,
                          const struct agg_documents *documents)
{
    if (bucket->subs == NULL) {
        bucket->subs = ARENA_ARRAY(search->arena, void *, agg->sub_count + 1);
        if (bucket->subs == NULL) return parse_out_of_memory(&search->parse);
    }
    return aggs_collect(search, agg->subs, agg->sub_count, bucket->subs, documents);
}

/* Sorts the pairs by bucket, by counting, so that each bucket's documents stand together. */
static int collect_subs(struct search *search, struct agg *agg, struct bucket_table *table,
                        size_t segment, const struct bucket_pair_vec *pairs)
{
    uint32_t *starts = calloc(table->count + 1, sizeof(*starts));
    uint32_t *documents = calloc(pairs->count + 1, sizeof(*documents));
    int code = starts == NULL || documents == NULL ? parse_out_of_memory(&search->parse) : 0;
    for (size_t i = 0; code == 0 && i < pairs->count; i++) starts[pairs->items[i].bucket + 1]++;
    for (size_t i = 0; code == 0 && i < table->count; i++) starts[i + 1] += starts[i];
    for (size_t i = 0; code == 0 && i < pairs->count; i++) {
        documents[starts[pairs->items[i].bucket]++] = pairs->items[i].document;
    }
    uint32_t start = 0;
    for (size_t i = 0; code == 0 && i < table->count; i++) {
        uint32_t end = starts[i]; /* moved on to where the next begins */
        struct agg_documents part = { segment, documents + start, end - start };
        if (part.count > 0) code = collect_bucket(search, agg, &table->buckets[i], &part);
        start = end;
    }
    free(starts);
    free(documents);
    return code;
}

int buckets_collect(struct search *search, struct agg *agg, struct bucket_table *table,
                    size_t segment, const struct bucket_pair_vec *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) table->buckets[pairs->items[i].bucket].count++;
    if (agg->sub_count == 0 || pairs->count == 0) return 0;
    return collect_subs(search, agg, table, segment, pairs);
}

#define PAIRS_MAX ((size_t)1 << 20)

int buckets_spill(struct search *search, struct agg *agg, struct bucket_table *table,
                  size_t segment, struct bucket_pair_vec *pairs)
{
    if (pairs->count < PAIRS_MAX) return 0;
    int code = buckets_collect(search, agg, table, segment, pairs);
    pairs->count = 0;
    return code;
}

/* Each bucket's pieces put together, for they are several. */
static int collect_pieces(struct search *search, struct agg *agg, struct bucket_table *table,
                          const struct agg_documents *documents, struct bucket_run_vec *runs,
                          uint32_t *ends)
{
    uint32_t *sorted = malloc((documents->count + 1) * sizeof(*sorted));
    if (sorted == NULL) return parse_out_of_memory(&search->parse);
    uint32_t start = 0;
    for (size_t i = 0; i < table->count; i++) {
        uint32_t count = ends[i];
        ends[i] = start;
        start += count;
    }
    VEC_FOR_EACH (runs, run) {
        memcpy(sorted + ends[run->bucket], documents->documents + run->first,
               run->count * sizeof(*sorted));
        ends[run->bucket] += run->count;
    }
    int code = 0;
    start = 0;
    for (size_t i = 0; code == 0 && i < table->count; i++) {
        struct agg_documents part = { documents->segment, sorted + start, ends[i] - start };
        if (part.count > 0) code = collect_bucket(search, agg, &table->buckets[i], &part);
        start = ends[i];
    }
    free(sorted);
    return code;
}

int buckets_collect_runs(struct search *search, struct agg *agg, struct bucket_table *table,
                         const struct agg_documents *documents, struct bucket_run_vec *runs)
{
    VEC_FOR_EACH (runs, run) table->buckets[run->bucket].count += run->count;
    if (agg->sub_count == 0 || runs->count == 0) return 0;
    uint32_t *counts = calloc(table->count + 1, sizeof(*counts));
    if (counts == NULL) return parse_out_of_memory(&search->parse);
    bool is_in_pieces = false;
    VEC_FOR_EACH (runs, run) {
        is_in_pieces |= counts[run->bucket] > 0;
        counts[run->bucket] += run->count;
    }
    int code = 0;
    if (is_in_pieces) code = collect_pieces(search, agg, table, documents, runs, counts);
    for (size_t i = 0; code == 0 && !is_in_pieces && i < runs->count; i++) {
        const struct bucket_run *run = &runs->items[i];
        struct agg_documents part = { documents->segment, documents->documents + run->first,
                                      run->count };
        code = collect_bucket(search, agg, &table->buckets[run->bucket], &part);
    }
    free(counts);
    return code;
}

void buckets_begin(bool is_keyed, struct json_writer *json)
{
    json_key(json, STR("buckets"));
    if (is_keyed)
        json_object_begin(json);
    else
        json_array_begin(json);
}

void buckets_end(bool is_keyed, struct json_writer *json)
{
    if (is_keyed)
        json_object_end(json);
    else
        json_array_end(json);
}

int buckets_prepare(struct search *search, struct bucket_table *table, size_t count)
{
    for (size_t i = table->count; i < count; i++) {
        if (bucket_for_number(search, table, (int64_t)i) == UINT32_MAX) {
            return parse_out_of_memory(&search->parse);
        }
    }
    return 0;
}

int buckets_by_number(const void *a, const void *b)
{
    const struct bucket *left = a;
    const struct bucket *right = b;
    return left->number < right->number ? -1 : left->number > right->number;
}

int bucket_write_subs(struct search *search, const struct agg *agg, const struct bucket *bucket,
                      struct json_writer *json)
{
    if (++search->bucket_count > LOGQUERY_BUCKETS_MAX) return agg_too_many_buckets(search);
    return aggs_write(search, agg->subs, agg->sub_count, bucket->subs, json);
}

void bucket_put_number_key(const struct agg *agg, enum logstore_type type, int64_t number,
                           bool is_real, struct json_writer *json)
{
    json_key(json, STR("key"));
    if (is_real) {
        double real;
        memcpy(&real, &number, sizeof(real));
        put_double(json, real);
        return;
    }
    json_put_int(json, number);
    if (type == LOGSTORE_BOOLEAN)
        json_member_cstr(json, "key_as_string", number ? "true" : "false");
    if (type != LOGSTORE_DATE && type != LOGSTORE_DATE_NANOS) return;
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 256);
    date_print_ms(number, agg->format, 0, &text);
    json_member_text(json, "key_as_string", buf_str(&text));
}
