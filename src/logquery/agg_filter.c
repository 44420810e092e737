/* agg_filter.c - documents by filters: filter, filters, global, missing. */
#include "logquery/agg.h"

#include <stdlib.h>

struct named_filter {
    struct str key;
    struct logstore_filter *filter;
};

struct options {
    struct named_filter *items;
    size_t count;
    bool is_list;    /* answered as an array */
    bool is_single;  /* one bucket, without "buckets" */
    bool is_missing; /* documents that do not pass */
    bool is_global;
    bool has_other;
    struct str other_key;
};

struct state {
    struct bucket_table table; /* number: index of the filter */
};

static int read_filter_at(struct search *search, struct options *options, struct str key,
                          const struct json *json)
{
    struct named_filter *item = &options->items[options->count++];
    item->key = key;
    return parse_query(&search->parse, json, &item->filter);
}

static struct options *new_options(struct search *search, struct agg *agg, size_t count)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    if (options == NULL) return NULL;
    options->items = ARENA_ARRAY(search->arena, struct named_filter, count + 1);
    agg->options = options;
    return options->items == NULL ? NULL : options;
}

static int read_filters(struct search *search, struct agg *agg, const struct json *body)
{
    const struct json *list = json_get(body, STR("filters"));
    size_t count = json_is(list, JSON_ARRAY)    ? list->array.count
                   : json_is(list, JSON_OBJECT) ? list->object.count
                                                : 0;
    struct options *options = new_options(search, agg, count);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    if (count == 0) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[filters] cannot be empty");
    }
    options->is_list = list->kind == JSON_ARRAY;
    options->other_key = json_text(json_get(body, STR("other_bucket_key")), STR("_other_"));
    options->has_other = parse_flag_of(&search->parse, body, "other_bucket",
                                       json_get(body, STR("other_bucket_key")) != NULL);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (options->is_list)
            code = read_filter_at(search, options, STR(""), &list->array.items[i]);
        else {
            const struct json_member *member = &list->object.members[i];
            code = read_filter_at(search, options, member->key, &member->value);
        }
    }
    return code;
}

static int read_filter(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = new_options(search, agg, 1);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    options->is_single = true;
    return read_filter_at(search, options, STR(""), body);
}

static int read_global(struct search *search, struct agg *agg, const struct json *body)
{
    (void)body;
    struct options *options = new_options(search, agg, 1);
    if (options == NULL) return parse_out_of_memory(&search->parse);
    options->is_single = true;
    options->is_global = true;
    options->items[options->count++].filter = filter_new(&search->parse, LOGSTORE_FILTER_ALL);
    return options->items[0].filter == NULL ? parse_out_of_memory(&search->parse) : 0;
}

static int read_missing(struct search *search, struct agg *agg, const struct json *body)
{
    (void)body;
    struct options *options = new_options(search, agg, 1);
    struct str *fields = ARENA_NEW(search->arena, struct str);
    struct logstore_filter *filter = filter_new(&search->parse, LOGSTORE_FILTER_EXISTS);
    if (options == NULL || fields == NULL || filter == NULL) {
        return parse_out_of_memory(&search->parse);
    }
    fields[0] = agg->field;
    filter->fields = fields;
    filter->field_count = 1;
    options->is_single = true;
    options->is_missing = true;
    options->items[options->count++].filter = filter;
    return 0;
}

static bool has_bit(const uint64_t *bits, uint32_t document)
{
    return (bits[document / 64] >> (document % 64) & 1) != 0;
}

/* All live documents of the segment instead of those that the query left. */
static int all_documents(struct search *search, size_t segment, uint32_t **documents, size_t *count)
{
    const struct logstore_segment_view *view = &search->snapshot->segments[segment];
    uint32_t *list = ARENA_ARRAY(search->arena, uint32_t, view->document_count + 1);
    if (list == NULL) return parse_out_of_memory(&search->parse);
    const struct logstore_filter *alias = search_alias_filter(search, segment);
    uint64_t *bits = NULL;
    int code = 0;
    if (alias != NULL) {
        bits = ARENA_ARRAY(search->arena, uint64_t, LOGSTORE_BITS_WORDS(view->document_count) + 1);
        if (bits == NULL) return parse_out_of_memory(&search->parse);
        code = logstore_filter_run(search->snapshot, segment, alias, &search->context, bits,
                                   search->parse.error);
    }
    const uint64_t *chosen = bits != NULL ? bits : view->live;
    *count = 0;
    for (uint32_t i = 0; i < view->document_count; i++) {
        if (chosen == NULL || has_bit(chosen, i)) list[(*count)++] = i;
    }
    *documents = list;
    return code;
}

static int collect_with(struct search *search, struct agg *agg, struct state *state,
                        const struct agg_documents *documents, uint64_t *bits)
{
    const struct options *options = agg->options;
    struct bucket_pair_vec pairs = { 0 };
    bool *is_taken = calloc(documents->count + 1, sizeof(*is_taken));
    int code = is_taken == NULL ? parse_out_of_memory(&search->parse) : 0;
    for (size_t f = 0; code == 0 && f < options->count; f++) {
        code = logstore_filter_run(search->snapshot, documents->segment, options->items[f].filter,
                                   &search->context, bits, search->parse.error);
        for (size_t i = 0; code == 0 && i < documents->count; i++) {
            uint32_t document = documents->documents[i];
            if (has_bit(bits, document) == options->is_missing) continue;
            is_taken[i] = true;
            if (!VEC_PUSH(&pairs, (struct bucket_pair){ (uint32_t)f, document })) {
                code = parse_out_of_memory(&search->parse);
            }
        }
        if (code == 0) {
            code = buckets_spill(search, agg, &state->table, documents->segment, &pairs);
        }
    }
    for (size_t i = 0; code == 0 && options->has_other && i < documents->count; i++) {
        struct bucket_pair pair = { (uint32_t)options->count, documents->documents[i] };
        if (!is_taken[i] && !VEC_PUSH(&pairs, pair)) code = parse_out_of_memory(&search->parse);
    }
    if (code == 0) code = buckets_collect(search, agg, &state->table, documents->segment, &pairs);
    VEC_RELEASE(&pairs);
    free(is_taken);
    return code;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    int code = buckets_prepare(search, &state->table, options->count + 1);
    if (code < 0) return code;
    struct agg_documents all = *documents;
    if (options->is_global) {
        uint32_t *list = NULL;
        code = all_documents(search, documents->segment, &list, &all.count);
        if (code < 0) return code;
        all.documents = list;
    }
    uint32_t document_count = search->snapshot->segments[documents->segment].document_count;
    uint64_t *bits = calloc(LOGSTORE_BITS_WORDS(document_count) + 1, sizeof(*bits));
    if (bits == NULL) return parse_out_of_memory(&search->parse);
    code = collect_with(search, agg, state, &all, bits);
    free(bits);
    return code;
}

static int write_bucket(struct search *search, struct agg *agg, const struct bucket *bucket,
                        struct json_writer *json)
{
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    return bucket_write_subs(search, agg, bucket, json);
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    int code = buckets_prepare(search, &state->table, options->count + 1);
    if (code < 0) return code;
    if (options->is_single) return write_bucket(search, agg, &state->table.buckets[0], json);
    buckets_begin(!options->is_list, json);
    size_t count = options->count + (options->has_other ? 1 : 0);
    for (size_t i = 0; code == 0 && i < count; i++) {
        struct str key = i < options->count ? options->items[i].key : options->other_key;
        if (!options->is_list) json_key(json, key);
        json_object_begin(json);
        code = write_bucket(search, agg, &state->table.buckets[i], json);
        json_object_end(json);
    }
    buckets_end(!options->is_list, json);
    return code;
}

static const struct bucket *single(const struct agg *agg, const void *raw)
{
    const struct state *state = raw;
    (void)agg;
    return state->table.count == 0 ? NULL : &state->table.buckets[0];
}

const struct agg_kind agg_filter = {
    .name = STR_INIT("filter"),
    .single = single,
    .state_size = sizeof(struct state),
    .read = read_filter,
    .collect = collect,
    .write = write,
};
const struct agg_kind agg_filters = {
    .name = STR_INIT("filters"),
    .state_size = sizeof(struct state),
    .read = read_filters,
    .collect = collect,
    .write = write,
};
const struct agg_kind agg_global = {
    .name = STR_INIT("global"),
    .single = single,
    .state_size = sizeof(struct state),
    .read = read_global,
    .collect = collect,
    .write = write,
};
const struct agg_kind agg_missing = {
    .name = STR_INIT("missing"),
    .single = single,
    .state_size = sizeof(struct state),
    .read = read_missing,
    .collect = collect,
    .write = write,
};
