/* agg_top_hits.c - some documents of each bucket, by the given sort. */
#include "logquery/agg.h"

#include <stdlib.h>

#define TOP_HITS_MAX 100

struct state {
    struct candidate hits[TOP_HITS_MAX]; /* best first */
    size_t count;
    uint64_t total;
};

static int read(struct search *search, struct agg *agg, const struct json *body)
{
    struct search *inner = ARENA_NEW(search->arena, struct search);
    if (inner == NULL) return parse_out_of_memory(&search->parse);
    agg->options = inner;
    search_inner_init(search, inner);
    inner->size = parse_integer_of(&search->parse, body, "size", 3);
    if (inner->size < 0 || inner->size > TOP_HITS_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "Top hits result window is too large, the top hits aggregator [" STR_FMT
                          "]'s from + size must be less than or equal to: [%d]",
                          STR_ARG(agg->name), TOP_HITS_MAX);
    }
    int code = sort_read(inner, json_get(body, STR("sort")));
    if (code == 0)
        code = source_spec_read(&search->parse, json_get(body, STR("_source")), &inner->source);
    return code;
}

static int collect(struct search *search, struct agg *agg, void *raw,
                   const struct agg_documents *documents)
{
    struct state *state = raw;
    struct search *inner = agg->options;
    struct sort_segment *sort = NULL;
    int code = search_inner_begin(search, inner, documents->segment, &sort);
    for (size_t i = 0; code == 0 && i < documents->count; i++) {
        struct sort_value values[SORT_KEYS_MAX];
        struct candidate found = { documents->segment, documents->documents[i], values };
        code = sort_segment_values(inner, sort, found.document, values);
        state->total++;
        size_t at = state->count;
        while (code == 0 && at > 0 && sort_compare(inner, &found, &state->hits[at - 1]) < 0) at--;
        if (code < 0 || at >= (size_t)inner->size) continue;
        struct sort_value *kept =
            ARENA_ARRAY(search->arena, struct sort_value, inner->key_count + 1);
        if (kept == NULL) return parse_out_of_memory(&search->parse);
        for (size_t k = 0; k < inner->key_count; k++) kept[k] = values[k];
        code = sort_keep_values(inner, kept);
        found.values = kept;
        if (state->count < (size_t)inner->size) state->count++;
        for (size_t k = state->count - 1; k > at; k--) state->hits[k] = state->hits[k - 1];
        state->hits[at] = found;
    }
    return code;
}

static int write(struct search *search, struct agg *agg, void *raw, struct json_writer *json)
{
    struct state *state = raw;
    struct search *inner = agg->options;
    inner->snapshot = search->snapshot;
    inner->total = state->total;
    inner->track_total = INT64_MAX;
    inner->heap = state->hits;
    inner->heap_count = state->count;
    json_key(json, STR("hits"));
    return hits_write(inner, json);
}

const struct agg_kind agg_top_hits = {
    .name = STR_INIT("top_hits"),
    .state_size = sizeof(struct state),
    .read = read,
    .collect = collect,
    .write = write,
};
