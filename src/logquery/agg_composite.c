/* agg_composite.c - documents by several values at once, page by page in their order.
 *
 * A bucket's key is its values one behind the other, coded. Between segments only the first `size`
 * keys behind `after` are kept, so memory grows with the page and not with the number of keys: a
 * key that lies behind the last one of a full page can never come back.
 */
#include "logquery/agg.h"

#include "base/check.h"
#include "codec/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_DEFAULT     10
#define SIZE_MAX_        65536
#define SOURCES_MAX      16
#define COMBINATIONS_MAX 1024 /* of one document's values */
#define KEY_SIZE_MAX     ((size_t)1 << 20)

enum source_kind { SOURCE_TERMS, SOURCE_DATE, SOURCE_HISTOGRAM };

struct source {
    struct str name;
    enum source_kind kind;
    struct agg agg; /* field, format; for dates as date_histogram reads it */
    double interval;
    bool is_descending, has_missing_bucket;
};

struct options {
    struct source sources[SOURCES_MAX];
    size_t source_count;
    size_t size;
    struct sort_value after[SOURCES_MAX];
    bool has_after;
};

struct state {
    struct bucket_table table;
    struct str limit; /* the last key of a full page; data NULL: none yet */
    enum logstore_type types[SOURCES_MAX];
};

/* Reading ------------------------------------------------------------------------------------- */

static const struct kind_row {
    struct str name;
    enum source_kind kind;
} kind_rows[] = {
    { STR_INIT("terms"), SOURCE_TERMS },
    { STR_INIT("date_histogram"), SOURCE_DATE },
    { STR_INIT("histogram"), SOURCE_HISTOGRAM },
};

static int read_source(struct search *search, struct agg *agg, const struct json *json,
                       struct source *source)
{
    bool is_named = json_is(json, JSON_OBJECT) && json->object.count == 1 &&
                    json_is(&json->object.members[0].value, JSON_OBJECT) &&
                    json->object.members[0].value.object.count > 0;
    const struct kind_row *row = NULL;
    const struct json_member *inner =
        is_named ? &json->object.members[0].value.object.members[0] : NULL;
    for (size_t i = 0; is_named && i < ARRAY_LENGTH(kind_rows); i++) {
        if (str_equal(kind_rows[i].name, inner->key)) row = &kind_rows[i];
    }
    if (row == NULL) {
        return parse_fail(&search->parse, "parsing_exception",
                          "a source of composite [" STR_FMT "] must be {name:{kind:{...}}} of kind "
                          "terms, date_histogram or histogram",
                          STR_ARG(agg->name));
    }
    const struct json *body = &inner->value;
    source->name = json->object.members[0].key;
    source->kind = row->kind;
    source->agg.name = source->name;
    source->agg.field = json_text(json_get(body, STR("field")), STR(""));
    source->agg.format = json_text(json_get(body, STR("format")), STR(""));
    source->has_missing_bucket = parse_flag(json_get(body, STR("missing_bucket")), false);
    source->is_descending =
        str_equal_nocase(json_text(json_get(body, STR("order")), STR("asc")), STR("desc"));
    source->interval = parse_number(json_get(body, STR("interval")), 0);
    if (source->agg.field.size == 0 || json_get(body, STR("script")) != NULL) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "source [" STR_FMT "] of a composite needs a [field]; scripts are not "
                          "supported",
                          STR_ARG(source->name));
    }
    if (row->kind == SOURCE_HISTOGRAM && !(source->interval > 0)) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[interval] must be 1 or greater for aggregation [composite]");
    }
    return row->kind == SOURCE_DATE ? agg_date_histogram.read(search, &source->agg, body) : 0;
}

static int read_after_value(struct search *search, const struct source *source,
                            const struct json *json, struct sort_value *value)
{
    *value = (struct sort_value){ .type = SORT_TYPE_NONE };
    if (json == NULL || json->kind == JSON_NULL) return 0;
    if (json->kind == JSON_INT || json->kind == JSON_BOOL) {
        value->type = SORT_TYPE_INTEGER;
        value->integer = json->kind == JSON_INT ? json->integer : json->boolean;
    } else if (json->kind == JSON_DOUBLE) {
        value->type = SORT_TYPE_REAL;
        value->real = json->number;
    } else if (json->kind == JSON_TEXT && source->agg.format.size > 0) {
        struct date_options options = { .format = source->agg.format,
                                        .now_ms = search->context.now_ms };
        struct error error = { 0 };
        value->type = SORT_TYPE_INTEGER;
        if (date_parse_ms(json->text, &options, &value->integer, &error) < 0) {
            return parse_fail(&search->parse, "parse_exception", "%s", error.text);
        }
    } else {
        value->type = SORT_TYPE_TEXT;
        value->text = json_text(json, STR(""));
    }
    return 0;
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    const struct json *sources = json_get(body, STR("sources"));
    const struct json *after = json_get(body, STR("after"));
    int64_t size = parse_integer(json_get(body, STR("size")), SIZE_DEFAULT);
    bool is_list = json_is(sources, JSON_ARRAY) && sources->array.count > 0 &&
                   sources->array.count <= SOURCES_MAX;
    if (!is_list || size < 1 || size > SIZE_MAX_) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "composite [" STR_FMT "] needs 1 to %d [sources] and a [size] of 1 to %d",
                          STR_ARG(agg->name), SOURCES_MAX, SIZE_MAX_);
    }
    options->size = (size_t)size;
    options->source_count = sources->array.count;
    options->has_after = json_is(after, JSON_OBJECT) && after->object.count > 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < options->source_count; i++) {
        struct source *source = &options->sources[i];
        code = read_source(search, agg, &sources->array.items[i], source);
        if (code == 0 && options->has_after) {
            code =
                read_after_value(search, source, json_get(after, source->name), &options->after[i]);
        }
    }
    return code;
}

/* Keys ---------------------------------------------------------------------------------------- */

static void encode_value(struct buf *key, const struct sort_value *value)
{
    buf_append_char(key, (char)value->type);
    if (value->type == SORT_TYPE_INTEGER)
        buf_append(key, (const char *)&value->integer, sizeof(value->integer));
    else if (value->type == SORT_TYPE_REAL)
        buf_append(key, (const char *)&value->real, sizeof(value->real));
    else if (value->type == SORT_TYPE_TEXT) {
        uint32_t size = (uint32_t)value->text.size;
        buf_append(key, (const char *)&size, sizeof(size));
        buf_append_str(key, value->text);
    }
}

static struct sort_value decode_value(struct str *key)
{
    struct sort_value value = { .type = (enum sort_type)key->data[0] };
    *key = str_skip(*key, 1);
    if (value.type == SORT_TYPE_INTEGER) {
        memcpy(&value.integer, key->data, sizeof(value.integer));
        *key = str_skip(*key, sizeof(value.integer));
    } else if (value.type == SORT_TYPE_REAL) {
        memcpy(&value.real, key->data, sizeof(value.real));
        *key = str_skip(*key, sizeof(value.real));
    } else if (value.type == SORT_TYPE_TEXT) {
        uint32_t size;
        memcpy(&size, key->data, sizeof(size));
        value.text = str_first(str_skip(*key, sizeof(size)), size);
        *key = str_skip(*key, sizeof(size) + size);
    }
    return value;
}

/* No value comes first. */
static int compare_values(const struct sort_value *a, const struct sort_value *b)
{
    if (a->type == SORT_TYPE_NONE || b->type == SORT_TYPE_NONE) {
        return (a->type != SORT_TYPE_NONE) - (b->type != SORT_TYPE_NONE);
    }
    if (a->type == SORT_TYPE_TEXT || b->type == SORT_TYPE_TEXT) {
        if (a->type != b->type) return a->type == SORT_TYPE_TEXT ? 1 : -1;
        return str_compare(a->text, b->text);
    }
    if (a->type == SORT_TYPE_INTEGER && b->type == SORT_TYPE_INTEGER) {
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    }
    double left = a->type == SORT_TYPE_REAL ? a->real : (double)a->integer;
    double right = b->type == SORT_TYPE_REAL ? b->real : (double)b->integer;
    return left < right ? -1 : left > right;
}

static int compare_keys(const struct options *options, struct str a, struct str b)
{
    for (size_t i = 0; i < options->source_count; i++) {
        struct sort_value left = decode_value(&a);
        struct sort_value right = decode_value(&b);
        int order = compare_values(&left, &right);
        if (order != 0) return options->sources[i].is_descending ? -order : order;
    }
    return 0;
}

static bool is_behind(const struct options *options, struct str key)
{
    for (size_t i = 0; options->has_after && i < options->source_count; i++) {
        struct sort_value value = decode_value(&key);
        int order = compare_values(&value, &options->after[i]);
        if (order != 0) return (options->sources[i].is_descending ? -order : order) > 0;
    }
    return !options->has_after;
}

static int by_key(const void *a, const void *b, void *argument)
{
    const struct bucket *left = a;
    const struct bucket *right = b;
    return compare_keys(argument, left->key, right->key);
}

/* Collecting ---------------------------------------------------------------------------------- */

struct reading {
    const struct logstore_column *column; /* NULL: no values here */
    struct logstore_cursor cursor;
    struct agg_numbers numbers;
    bool is_keyword;
    size_t first, count; /* of the document at hand */
};

struct collector {
    struct search *search;
    struct agg *agg;
    struct state *state;
    struct reading readings[SOURCES_MAX];
    struct bucket_pair_vec pairs;
    struct buf key, scratch;
    size_t combinations;
};

static int source_value(struct collector *collector, size_t at, size_t value,
                        struct sort_value *out)
{
    const struct options *options = collector->agg->options;
    const struct source *source = &options->sources[at];
    const struct reading *reading = &collector->readings[at];
    if (reading->is_keyword) {
        out->type = SORT_TYPE_TEXT;
        uint32_t ordinal = logstore_column_ordinal(reading->column, value);
        return logstore_column_term(reading->column, ordinal, &collector->scratch, &out->text);
    }
    double number = agg_number_at(&reading->numbers, value);
    int64_t integer = agg_integer_at(&reading->numbers, value);
    out->type = SORT_TYPE_INTEGER;
    if (source->kind == SOURCE_DATE)
        out->integer = agg_date_start(&source->agg, integer);
    else if (source->kind == SOURCE_HISTOGRAM || reading->numbers.is_real) {
        out->type = SORT_TYPE_REAL;
        out->real = source->kind == SOURCE_HISTOGRAM
                        ? floor(number / source->interval) * source->interval
                        : number;
    } else {
        out->integer = integer;
    }
    return 0;
}

static int add_key(struct collector *collector, uint32_t document)
{
    const struct options *options = collector->agg->options;
    struct state *state = collector->state;
    struct str key = buf_str(&collector->key);
    if (collector->key.has_failed) return parse_out_of_memory(&collector->search->parse);
    if (!is_behind(options, key)) return 0;
    if (state->limit.data != NULL && compare_keys(options, key, state->limit) > 0) return 0;
    uint32_t bucket = bucket_for_text(collector->search, &state->table, key);
    if (bucket == UINT32_MAX) return parse_out_of_memory(&collector->search->parse);
    for (size_t i = collector->pairs.count; i > 0; i--) {
        const struct bucket_pair *before = &collector->pairs.items[i - 1];
        if (before->document != document) break;
        if (before->bucket == bucket) return 0;
    }
    if (VEC_PUSH(&collector->pairs, (struct bucket_pair){ bucket, document })) return 0;
    return parse_out_of_memory(&collector->search->parse);
}

/* Every combination of the document's values. Depth: SOURCES_MAX. */
static int add_combinations(struct collector *collector, size_t at, uint32_t document)
{
    const struct options *options = collector->agg->options;
    if (at == options->source_count) {
        if (++collector->combinations > COMBINATIONS_MAX) return 0;
        return add_key(collector, document);
    }
    const struct reading *reading = &collector->readings[at];
    size_t size = collector->key.size;
    if (reading->count == 0) {
        if (!options->sources[at].has_missing_bucket) return 0;
        struct sort_value none = { .type = SORT_TYPE_NONE };
        encode_value(&collector->key, &none);
        int code = add_combinations(collector, at + 1, document);
        if (!collector->key.has_failed) buf_truncate(&collector->key, size);
        return code;
    }
    int code = 0;
    for (size_t i = 0; code == 0 && i < reading->count; i++) {
        struct sort_value value = { .type = SORT_TYPE_NONE };
        code = source_value(collector, at, reading->first + i, &value);
        if (code < 0) break;
        encode_value(&collector->key, &value);
        code = add_combinations(collector, at + 1, document);
        if (!collector->key.has_failed) buf_truncate(&collector->key, size);
    }
    return code;
}

static int open_readings(struct collector *collector, size_t segment)
{
    const struct options *options = collector->agg->options;
    for (size_t i = 0; i < options->source_count; i++) {
        struct reading *reading = &collector->readings[i];
        int code =
            agg_column(collector->search, &options->sources[i].agg, segment, &reading->column);
        if (code < 0) return code;
        if (reading->column == NULL) continue;
        collector->state->types[i] = logstore_column_type(reading->column);
        reading->is_keyword = logstore_column_kind(reading->column) == LOGSTORE_COLUMN_KEYWORD;
        if (reading->is_keyword && options->sources[i].kind == SOURCE_TERMS)
            reading->cursor.column = reading->column;
        else if (!reading->is_keyword && agg_numbers_open(&reading->numbers, reading->column))
            reading->cursor.column = reading->column;
        else
            reading->column = NULL;
    }
    return 0;
}

/* Keeps the page's worth of keys and forgets the others. */
static int prune(struct search *search, const struct options *options, struct state *state)
{
    struct bucket_table *table = &state->table;
    if (table->count <= options->size) return 0;
    struct bucket *list = ARENA_ARRAY(search->arena, struct bucket, table->count);
    if (list == NULL) return parse_out_of_memory(&search->parse);
    memcpy(list, table->buckets, table->count * sizeof(*list));
    qsort_r(list, table->count, sizeof(*list), by_key, (void *)(uintptr_t)options);
    *table = (struct bucket_table){ 0 };
    for (size_t i = 0; i < options->size; i++) {
        uint32_t bucket = bucket_for_text(search, table, list[i].key);
        if (bucket == UINT32_MAX) return parse_out_of_memory(&search->parse);
        table->buckets[bucket] = list[i];
    }
    state->limit = list[options->size - 1].key;
    return 0;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct collector collector = { .search = search, .agg = agg, .state = raw };
    const struct options *options = agg->options;
    buf_init(&collector.key, KEY_SIZE_MAX);
    buf_init(&collector.scratch, KEY_SIZE_MAX);
    int code = open_readings(&collector, documents->segment);
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        for (size_t k = 0; k < options->source_count; k++) {
            struct reading *reading = &collector.readings[k];
            struct logstore_cursor *cursor =
                reading->is_keyword ? &reading->cursor : &reading->numbers.cursor;
            reading->count =
                reading->column == NULL
                    ? 0
                    : logstore_cursor_seek(cursor, documents->documents[i], &reading->first);
        }
        collector.combinations = 0;
        code = add_combinations(&collector, 0, documents->documents[i]);
    }
    struct state *state = raw;
    if (code == 0) {
        code = buckets_collect(search, agg, &state->table, documents->segment, &collector.pairs);
    }
    if (code == 0) code = prune(search, options, state);
    VEC_RELEASE(&collector.pairs);
    buf_release(&collector.key);
    buf_release(&collector.scratch);
    return code;
}

/* Results ------------------------------------------------------------------------------------- */

static void put_value(const struct source *source, enum logstore_type type,
                      const struct sort_value *value, struct json_writer *json)
{
    if (value->type == SORT_TYPE_NONE)
        json_put_null(json);
    else if (value->type == SORT_TYPE_TEXT)
        json_put_text(json, value->text);
    else if (value->type == SORT_TYPE_REAL)
        put_double(json, value->real);
    else if (source->agg.format.size > 0) {
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_init(&text, 256);
        date_print_ms(value->integer, source->agg.format, 0, &text);
        json_put_text(json, buf_str(&text));
    } else if (type == LOGSTORE_BOOLEAN) {
        json_put_bool(json, value->integer != 0);
    } else {
        json_put_int(json, value->integer);
    }
}

static void put_key(const struct options *options, const struct state *state, struct str key,
                    struct json_writer *json)
{
    json_object_begin(json);
    for (size_t i = 0; i < options->source_count; i++) {
        struct sort_value value = decode_value(&key);
        json_key(json, options->sources[i].name);
        put_value(&options->sources[i], state->types[i], &value, json);
    }
    json_object_end(json);
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    struct bucket_table *table = &state->table;
    if (table->count > 1) {
        qsort_r(table->buckets, table->count, sizeof(*table->buckets), by_key,
                (void *)(uintptr_t)options);
    }
    size_t shown = table->count < options->size ? table->count : options->size;
    if (shown > 0) {
        json_key(json, STR("after_key"));
        put_key(options, state, table->buckets[shown - 1].key, json);
    }
    json_key(json, STR("buckets"));
    json_array_begin(json);
    int code = 0;
    for (size_t i = 0; code == 0 && i < shown; i++) {
        json_object_begin(json);
        json_key(json, STR("key"));
        put_key(options, state, table->buckets[i].key, json);
        json_member_int(json, "doc_count", (int64_t)table->buckets[i].count);
        code = bucket_write_subs(search, agg, &table->buckets[i], json);
        json_object_end(json);
    }
    json_array_end(json);
    return code;
}

const struct agg_kind agg_composite = {
    .name = STR_INIT("composite"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
