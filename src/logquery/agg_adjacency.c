/* agg_adjacency.c - adjacency_matrix: documents by each of some filters and each two of them. */
#include "logquery/agg.h"

#include <stdlib.h>

#define FILTERS_MAX 100 /* index.max_adjacency_matrix_filters */

struct named_filter {
    struct str key;
    struct logstore_filter *filter;
};

struct options {
    struct named_filter *items; /* by key */
    size_t count;
    struct str separator;
};

struct state {
    struct bucket_table table; /* number: one filter times FILTERS_MAX, plus the other or itself */
};

static int by_key(const void *a, const void *b)
{
    return str_compare(((const struct named_filter *)a)->key,
                       ((const struct named_filter *)b)->key);
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    const struct json *list = json_get(body, STR("filters"));
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->separator = json_text(json_get(body, STR("separator")), STR("&"));
    options->count = json_is(list, JSON_OBJECT) ? list->object.count : 0;
    if (options->count == 0 || options->count > FILTERS_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "Number of filters is too large, must be 1 to [%d] but was [%zu]",
                          FILTERS_MAX, options->count);
    }
    options->items = ARENA_ARRAY(search->arena, struct named_filter, options->count);
    if (options->items == NULL) return parse_out_of_memory(&search->parse);
    int code = 0;
    for (size_t i = 0; code == 0 && i < options->count; i++) {
        const struct json_member *member = &list->object.members[i];
        options->items[i].key = member->key;
        code = parse_query(&search->parse, &member->value, &options->items[i].filter);
    }
    if (code == 0) qsort(options->items, options->count, sizeof(*options->items), by_key);
    return code;
}

static bool has_bit(const uint64_t *bits, uint32_t document)
{
    return (bits[document / 64] >> (document % 64) & 1) != 0;
}

static int add_pair(struct search *search, struct state *state, size_t a, size_t b,
                    uint32_t document, struct bucket_pair_vec *pairs)
{
    uint32_t bucket = bucket_for_number(search, &state->table, (int64_t)(a * FILTERS_MAX + b));
    if (bucket == UINT32_MAX || !VEC_PUSH(pairs, (struct bucket_pair){ bucket, document })) {
        return parse_out_of_memory(&search->parse);
    }
    return 0;
}

static int add_document(struct search *search, struct state *state, const size_t *passed,
                        size_t count, uint32_t document, struct bucket_pair_vec *pairs)
{
    int code = 0;
    for (size_t a = 0; a < count; a++) {
        for (size_t b = a; code == 0 && b < count; b++) {
            code = add_pair(search, state, passed[a], passed[b], document, pairs);
        }
    }
    return code;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    uint32_t document_count = search->snapshot->segments[documents->segment].document_count;
    size_t words = LOGSTORE_BITS_WORDS(document_count) + 1;
    uint64_t *bits = calloc(words * options->count, sizeof(*bits));
    int code = bits == NULL ? parse_out_of_memory(&search->parse) : 0;
    for (size_t i = 0; code == 0 && i < options->count; i++) {
        code = logstore_filter_run(search->snapshot, documents->segment, options->items[i].filter,
                                   &search->context, bits + i * words, search->parse.error);
    }
    struct bucket_pair_vec pairs = { 0 };
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        size_t passed[FILTERS_MAX];
        size_t count = 0;
        for (size_t k = 0; k < options->count; k++) {
            if (has_bit(bits + k * words, documents->documents[i])) passed[count++] = k;
        }
        code = add_document(search, state, passed, count, documents->documents[i], &pairs);
        if (code == 0) {
            code = buckets_spill(search, agg, &state->table, documents->segment, &pairs);
        }
    }
    if (code == 0) code = buckets_collect(search, agg, &state->table, documents->segment, &pairs);
    VEC_RELEASE(&pairs);
    free(bits);
    return code;
}

struct named_bucket {
    struct str key;
    const struct bucket *bucket;
};

static int by_name(const void *a, const void *b)
{
    return str_compare(((const struct named_bucket *)a)->key,
                       ((const struct named_bucket *)b)->key);
}

static struct str name_of(struct search *search, const struct options *options, int64_t number)
{
    struct str first = options->items[number / FILTERS_MAX].key;
    struct str second = options->items[number % FILTERS_MAX].key;
    if (number / FILTERS_MAX == number % FILTERS_MAX) return first;
    return arena_printf(search->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(first),
                        STR_ARG(options->separator), STR_ARG(second));
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    size_t count = state->table.count;
    struct named_bucket *named = ARENA_ARRAY(search->arena, struct named_bucket, count + 1);
    if (named == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < count; i++) {
        named[i].bucket = &state->table.buckets[i];
        named[i].key = name_of(search, agg->options, named[i].bucket->number);
        if (named[i].key.data == NULL) return parse_out_of_memory(&search->parse);
    }
    qsort(named, count, sizeof(*named), by_name);
    json_key(json, STR("buckets"));
    json_array_begin(json);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        json_object_begin(json);
        json_member_text(json, "key", named[i].key);
        json_member_int(json, "doc_count", (int64_t)named[i].bucket->count);
        code = bucket_write_subs(search, agg, named[i].bucket, json);
        json_object_end(json);
    }
    json_array_end(json);
    return code;
}

const struct agg_kind agg_adjacency_matrix = {
    .name = STR_INIT("adjacency_matrix"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
