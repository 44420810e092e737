/* agg_composite.c - documents by several values at once, page by page in their order.
 *
 * A bucket's key is its values one behind the other, coded. Between segments only the first `size`
 * keys behind `after` are kept, so memory grows with the page and not with the number of keys: a
 * key that lies behind the last one of a full page can never come back.
 */
#include "logquery/agg_keys.h"

#include "base/check.h"
#include "codec/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_DEFAULT 10
#define SIZE_MAX_    65536

struct options {
    struct agg_source sources[AGG_SOURCES_MAX];
    size_t source_count;
    size_t size;
    struct sort_value after[AGG_SOURCES_MAX];
    bool has_after;
};

struct state {
    const struct options *options;
    struct bucket_table table;
    struct str limit; /* the last key of a full page; data NULL: none yet */
    enum logstore_type types[AGG_SOURCES_MAX];
};

/* Reading ------------------------------------------------------------------------------------- */

static const struct kind_row {
    struct str name;
    enum agg_source_kind kind;
} kind_rows[] = {
    { STR_INIT("terms"), AGG_SOURCE_TERMS },
    { STR_INIT("date_histogram"), AGG_SOURCE_DATE },
    { STR_INIT("histogram"), AGG_SOURCE_HISTOGRAM },
};

static int read_source(struct search *search, struct agg *agg, const struct json *json,
                       struct agg_source *source)
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
    source->has_missing_bucket = parse_flag_of(&search->parse, body, "missing_bucket", false);
    source->is_descending =
        str_equal_nocase(json_text(json_get(body, STR("order")), STR("asc")), STR("desc"));
    source->interval = parse_number_of(&search->parse, body, "interval", 0);
    if (source->agg.field.size == 0 || json_get(body, STR("script")) != NULL) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "source [" STR_FMT "] of a composite needs a [field]; scripts are not "
                          "supported",
                          STR_ARG(source->name));
    }
    if (row->kind == AGG_SOURCE_HISTOGRAM && !(source->interval > 0)) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[interval] must be 1 or greater for aggregation [composite]");
    }
    return row->kind == AGG_SOURCE_DATE ? agg_date_histogram.read(search, &source->agg, body) : 0;
}

static int read_after_value(struct search *search, const struct agg_source *source,
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
    int64_t size = parse_integer_of(&search->parse, body, "size", SIZE_DEFAULT);
    bool is_list = json_is(sources, JSON_ARRAY) && sources->array.count > 0 &&
                   sources->array.count <= AGG_SOURCES_MAX;
    if (!is_list || size < 1 || size > SIZE_MAX_) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "composite [" STR_FMT "] needs 1 to %d [sources] and a [size] of 1 to %d",
                          STR_ARG(agg->name), AGG_SOURCES_MAX, SIZE_MAX_);
    }
    options->size = (size_t)size;
    options->source_count = sources->array.count;
    options->has_after = json_is(after, JSON_OBJECT) && after->object.count > 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < options->source_count; i++) {
        struct agg_source *source = &options->sources[i];
        code = read_source(search, agg, &sources->array.items[i], source);
        if (code == 0 && options->has_after) {
            code =
                read_after_value(search, source, json_get(after, source->name), &options->after[i]);
        }
    }
    return code;
}

/* Keys ---------------------------------------------------------------------------------------- */

static int compare_keys(const struct options *options, struct str a, struct str b)
{
    for (size_t i = 0; i < options->source_count; i++) {
        struct sort_value left = agg_key_decode(&a);
        struct sort_value right = agg_key_decode(&b);
        int order = agg_key_compare_values(&left, &right);
        if (order != 0) return options->sources[i].is_descending ? -order : order;
    }
    return 0;
}

static bool is_behind(const struct options *options, struct str key)
{
    for (size_t i = 0; options->has_after && i < options->source_count; i++) {
        struct sort_value value = agg_key_decode(&key);
        int order = agg_key_compare_values(&value, &options->after[i]);
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

static int add_key(struct agg_keys *keys, struct str key, uint32_t document)
{
    struct state *state = keys->context;
    const struct options *options = state->options;
    if (!is_behind(options, key)) return 0;
    if (state->limit.data != NULL && compare_keys(options, key, state->limit) > 0) return 0;
    return agg_keys_pair(keys, &state->table, key, document);
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
    struct state *state = raw;
    const struct options *options = agg->options;
    state->options = options;
    struct agg_keys keys = {
        .search = search,
        .sources = options->sources,
        .source_count = options->source_count,
        .types = state->types,
        .add = add_key,
        .context = state,
    };
    int code = agg_keys_collect(&keys, agg, &state->table, documents);
    return code < 0 ? code : prune(search, options, state);
}

/* Results ------------------------------------------------------------------------------------- */

static void put_value(const struct agg_source *source, enum logstore_type type,
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
        struct sort_value value = agg_key_decode(&key);
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
