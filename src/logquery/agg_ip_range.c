/* agg_ip_range.c - documents by ranges of addresses: from and to, or a mask as 10.0.0.0/8.
 */
#include "logquery/agg.h"
#include "logquery/agg_counts.h"

#include <stdlib.h>
#include <string.h>

struct range {
    struct str key;
    struct address_range in;
};

struct options {
    struct range *items;
    size_t count;
    bool is_keyed;
};

struct state {
    struct bucket_table table; /* number: index of the range */
};

static bool read_edge(const struct json *json, bool *has, struct address *address)
{
    *has = json != NULL && json->kind != JSON_NULL;
    return !*has || address_parse(parse_scalar(json), address);
}

static int by_edges(const void *a, const void *b)
{
    const struct range *left = a;
    const struct range *right = b;
    if (left->in.has_from != right->in.has_from) return left->in.has_from ? 1 : -1;
    int order = left->in.has_from ? memcmp(&left->in.from, &right->in.from, ADDRESS_SIZE) : 0;
    if (order != 0) return order;
    if (left->in.has_to != right->in.has_to) return left->in.has_to ? -1 : 1;
    return left->in.has_to ? memcmp(&left->in.to, &right->in.to, ADDRESS_SIZE) : 0;
}

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct options *options = ARENA_NEW(search->arena, struct options);
    const struct json *list = json_get(body, STR("ranges"));
    if (options == NULL) return parse_out_of_memory(&search->parse);
    agg->options = options;
    options->is_keyed = parse_flag_of(&search->parse, body, "keyed", false);
    options->count = json_is(list, JSON_ARRAY) ? list->array.count : 0;
    options->items = ARENA_ARRAY(search->arena, struct range, options->count + 1);
    if (options->items == NULL) return parse_out_of_memory(&search->parse);
    if (options->count == 0) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "No [ranges] specified for the [" STR_FMT "] aggregation",
                          STR_ARG(agg->name));
    }
    for (size_t i = 0; i < options->count; i++) {
        const struct json *item = &list->array.items[i];
        struct range *range = &options->items[i];
        struct str mask = json_text(json_get(item, STR("mask")), STR(""));
        range->key = json_text(json_get(item, STR("key")), STR(""));
        bool is_fine =
            mask.size > 0
                ? address_range_parse(mask, &range->in)
                : read_edge(json_get(item, STR("from")), &range->in.has_from, &range->in.from) &&
                      read_edge(json_get(item, STR("to")), &range->in.has_to, &range->in.to);
        if (is_fine && range->key.size == 0) range->key = mask;
        if (is_fine) continue;
        struct str raw = item->raw;
        return parse_fail(
            &search->parse, "illegal_argument_exception",
            "a range of [" STR_FMT "] is no [mask], [from] or [to] of addresses: " STR_FMT,
            STR_ARG(agg->name), STR_ARG(str_first(raw, raw.size < 80 ? raw.size : 80)));
    }
    qsort(options->items, options->count, sizeof(struct range), by_edges);
    return 0;
}

struct reading {
    struct address *addresses; /* by ordinal */
    bool *is_sound;
    const uint32_t *ordinals;
};

static int read_term(void *argument, size_t i, struct str term)
{
    const struct reading *reading = argument;
    uint32_t ordinal = reading->ordinals[i];
    reading->is_sound[ordinal] = address_parse(term, &reading->addresses[ordinal]);
    return 0;
}

static int add_pairs(struct search *search, struct agg *agg, struct state *state,
                     const struct logstore_column *column, const struct reading *reading,
                     const struct agg_documents *documents, struct bucket_pair_vec *pairs)
{
    const struct options *options = agg->options;
    struct logstore_cursor cursor = { .column = column };
    for (size_t i = 0; i < documents->count; i++) {
        size_t first;
        size_t count = logstore_cursor_seek(&cursor, documents->documents[i], &first);
        for (size_t r = 0; r < options->count; r++) {
            bool is_in = false;
            for (size_t k = 0; !is_in && k < count; k++) {
                uint32_t ordinal = logstore_column_ordinal(column, first + k);
                is_in = reading->is_sound[ordinal] &&
                        address_range_holds(&options->items[r].in, &reading->addresses[ordinal]);
            }
            struct bucket_pair pair = { (uint32_t)r, documents->documents[i] };
            if (is_in && !VEC_PUSH(pairs, pair)) return parse_out_of_memory(&search->parse);
        }
        int code = buckets_spill(search, agg, &state->table, documents->segment, pairs);
        if (code < 0) return code;
    }
    return 0;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    const struct logstore_column *column;
    int code = agg_column(search, agg, documents->segment, &column);
    if (code == 0) code = buckets_prepare(search, &state->table, options->count);
    if (code < 0 || column == NULL) return code;
    if (logstore_column_type(column) != LOGSTORE_IP) return agg_refuse_field(search, agg);
    size_t term_count = logstore_column_term_count(column);
    struct agg_ordinals found = { 0 };
    struct reading reading = {
        .addresses = calloc(term_count + 1, sizeof(struct address)),
        .is_sound = calloc(term_count + 1, sizeof(bool)),
    };
    struct bucket_pair_vec pairs = { 0 };
    code = reading.addresses == NULL || reading.is_sound == NULL ||
                   !agg_ordinals_read(&found, column, documents, false)
               ? parse_out_of_memory(&search->parse)
               : 0;
    reading.ordinals = found.ordinals;
    if (code == 0) {
        code = logstore_column_terms(column, found.ordinals, found.count, read_term, &reading,
                                     search->parse.error);
    }
    if (code == 0) code = add_pairs(search, agg, state, column, &reading, documents, &pairs);
    if (code == 0) code = buckets_collect(search, agg, &state->table, documents->segment, &pairs);
    VEC_RELEASE(&pairs);
    agg_ordinals_release(&found);
    free(reading.addresses);
    free(reading.is_sound);
    return code;
}

static int write_one(struct search *search, struct agg *agg, const struct range *range,
                     const struct bucket *bucket, struct json_writer *json)
{
    const struct options *options = agg->options;
    char from[ADDRESS_TEXT_MAX];
    char to[ADDRESS_TEXT_MAX];
    char both[2 * ADDRESS_TEXT_MAX + 2];
    struct str from_text = range->in.has_from ? address_print(&range->in.from, from) : STR("*");
    struct str to_text = range->in.has_to ? address_print(&range->in.to, to) : STR("*");
    struct str key = range->key;
    if (key.size == 0) {
        memcpy(both, from_text.data, from_text.size);
        both[from_text.size] = '-';
        memcpy(both + from_text.size + 1, to_text.data, to_text.size);
        key = (struct str){ both, from_text.size + 1 + to_text.size };
    }
    if (options->is_keyed) json_key(json, key);
    json_object_begin(json);
    if (!options->is_keyed) json_member_text(json, "key", key);
    if (range->in.has_from) json_member_text(json, "from", from_text);
    if (range->in.has_to) json_member_text(json, "to", to_text);
    json_member_int(json, "doc_count", (int64_t)bucket->count);
    int code = bucket_write_subs(search, agg, bucket, json);
    json_object_end(json);
    return code;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    const struct options *options = agg->options;
    int code = buckets_prepare(search, &state->table, options->count);
    buckets_begin(options->is_keyed, json);
    for (size_t i = 0; code == 0 && i < options->count; i++) {
        code = write_one(search, agg, &options->items[i], &state->table.buckets[i], json);
    }
    buckets_end(options->is_keyed, json);
    return code;
}

const struct agg_kind agg_ip_range = {
    .name = STR_INIT("ip_range"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
