/* agg_multi_terms.c - the most frequent combinations of several fields' values. */
#include "logquery/agg_keys.h"
#include "logquery/agg_order.h"

#define SIZE_DEFAULT 10
#define SIZE_MAX_    65536

struct options {
    struct agg_source sources[AGG_SOURCES_MAX];
    size_t source_count;
    int64_t size, min_doc_count;
    struct agg_orders orders;
    bool shows_error;
};

struct state {
    const struct options *options;
    struct bucket_table table;
    enum logstore_type types[AGG_SOURCES_MAX];
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    const struct json *terms = json_get(body, STR("terms"));
    options->source_count = json_is(terms, JSON_ARRAY) ? terms->array.count : 0;
    if (options->source_count < 2 || options->source_count > AGG_SOURCES_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "The [terms] parameter in the aggregation [" STR_FMT "] must be present "
                          "and have at least 2 and at most %d fields",
                          STR_ARG(agg->name), AGG_SOURCES_MAX);
    }
    for (size_t i = 0; i < options->source_count; i++) {
        const struct json *term = &terms->array.items[i];
        struct agg *source = &options->sources[i].agg;
        source->name = agg->name;
        source->field = json_text(json_get(term, STR("field")), STR(""));
        source->format = json_text(json_get(term, STR("format")), STR(""));
        source->missing = json_get(term, STR("missing"));
        if (source->field.size > 0 && json_get(term, STR("script")) == NULL) continue;
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "each of [terms] of [" STR_FMT "] needs a [field]; scripts are not "
                          "supported",
                          STR_ARG(agg->name));
    }
    options->size = parse_integer_of(&search->parse, body, "size", SIZE_DEFAULT);
    options->min_doc_count = parse_integer_of(&search->parse, body, "min_doc_count", 1);
    options->shows_error = parse_flag_of(&search->parse, body, "show_term_doc_count_error", false);
    if (options->size < 1) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[size] must be greater than 0. Found [%lld] in [" STR_FMT "]",
                          (long long)options->size, STR_ARG(agg->name));
    }
    if (options->size > SIZE_MAX_) options->size = SIZE_MAX_;
    return agg_orders_read(search, agg, json_get(body, STR("order")), &options->orders);
}

static int add_key(struct agg_keys *keys, struct str key, uint32_t document)
{
    struct state *state = keys->context;
    return agg_keys_pair(keys, &state->table, key, document);
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
    return agg_keys_collect(&keys, agg, &state->table, documents);
}

static int compare_keys(const void *context, const struct bucket *a, const struct bucket *b)
{
    const struct state *state = context;
    struct str left = a->key;
    struct str right = b->key;
    for (size_t i = 0; i < state->options->source_count; i++) {
        struct sort_value x = agg_key_decode(&left);
        struct sort_value y = agg_key_decode(&right);
        int order = agg_key_compare_values(&x, &y);
        if (order != 0) return order;
    }
    return 0;
}

/* Into the list as a value, and into the text behind a '|'. */
static void put_part(const struct agg_source *source, enum logstore_type type,
                     const struct sort_value *value, struct json_writer *json, struct buf *text)
{
    struct json_writer plain;
    json_writer_init(&plain, text);
    if (value->type == SORT_TYPE_TEXT) {
        json_put_text(json, value->text);
        buf_append_str(text, value->text);
    } else if (value->type == SORT_TYPE_REAL) {
        put_double(json, value->real);
        put_double(&plain, value->real);
    } else if (type == LOGSTORE_BOOLEAN) {
        json_put_bool(json, value->integer != 0);
        json_put_bool(&plain, value->integer != 0);
    } else if (type == LOGSTORE_DATE || type == LOGSTORE_DATE_NANOS) {
        size_t start = text->size;
        date_print_ms(value->integer, source->agg.format, 0, text);
        if (!text->has_failed) json_put_text(json, str_skip(buf_str(text), start));
    } else {
        json_put_int(json, value->integer);
        json_put_int(&plain, value->integer);
    }
}

static int write_bucket(struct search *search, struct agg *agg, const struct state *state,
                        const struct bucket *bucket, struct json_writer *json)
{
    const struct options *options = agg->options;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str key = bucket->key;
    buf_init(&text, (size_t)1 << 20);
    json_object_begin(json);
    json_key(json, STR("key"));
    json_array_begin(json);
    for (size_t i = 0; i < options->source_count; i++) {
        struct sort_value value = agg_key_decode(&key);
        if (i > 0) buf_append_char(&text, '|');
        put_part(&options->sources[i], state->types[i], &value, json, &text);
    }
    json_array_end(json);
    json_member_text(json, "key_as_string", buf_str(&text));
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    if (options->shows_error) json_member_int(json, "doc_count_error_upper_bound", 0);
    int code = bucket_write_subs(search, agg, bucket, json);
    json_object_end(json);
    return code;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    state->options = options;
    struct agg_ranking ranking;
    struct agg_range counts = { options->min_doc_count, INT64_MAX };
    struct agg_ranker ranker = { &options->orders, compare_keys, state };
    int code = agg_rank(search, &state->table, counts, &ranker, &ranking);
    if (code < 0) return code;
    size_t shown = ranking.count < (size_t)options->size ? ranking.count : (size_t)options->size;
    uint64_t others = ranking.total;
    for (size_t i = 0; i < shown; i++) others -= ranking.items[i].bucket->count;
    json_member_int(json, "doc_count_error_upper_bound", 0);
    json_member_int(json, "sum_other_doc_count", (int64_t)others);
    json_key(json, STR("buckets"));
    json_array_begin(json);
    for (size_t i = 0; code == 0 && i < shown; i++) {
        code = write_bucket(search, agg, state, ranking.items[i].bucket, json);
    }
    json_array_end(json);
    agg_ranking_release(&ranking);
    return code;
}

const struct agg_kind agg_multi_terms = {
    .name = STR_INIT("multi_terms"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
