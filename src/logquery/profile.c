/* profile.c - "profile": what each clause of the query found and took, index by index.
 *
 * Only when it is asked for is every clause carried out once more by itself over all segments of
 * the index, so what is told is the clause's own cost: in a search a clause is cheaper when those
 * before it left nothing. The shape is Elasticsearch's; the breakdown is ours: segments looked at,
 * documents in them, documents found.
 */
#include "logquery/agg.h"
#include "logquery/search.h"

#include <stdlib.h>

#define CLAUSES_PROFILED_MAX 128

static const char *const kind_names[] = {
    [LOGSTORE_FILTER_ALL] = "MatchAllDocsQuery",
    [LOGSTORE_FILTER_NONE] = "MatchNoDocsQuery",
    [LOGSTORE_FILTER_BOOL] = "BooleanQuery",
    [LOGSTORE_FILTER_TERM] = "TermQuery",
    [LOGSTORE_FILTER_MATCH] = "MatchQuery",
    [LOGSTORE_FILTER_PHRASE] = "PhraseQuery",
    [LOGSTORE_FILTER_PHRASE_PREFIX] = "PhrasePrefixQuery",
    [LOGSTORE_FILTER_RANGE] = "RangeQuery",
    [LOGSTORE_FILTER_EXISTS] = "ExistsQuery",
    [LOGSTORE_FILTER_PREFIX] = "PrefixQuery",
    [LOGSTORE_FILTER_WILDCARD] = "WildcardQuery",
    [LOGSTORE_FILTER_REGEXP] = "RegexpQuery",
    [LOGSTORE_FILTER_FUZZY] = "FuzzyQuery",
    [LOGSTORE_FILTER_IDS] = "IdsQuery",
};
_Static_assert(ARRAY_LENGTH(kind_names) == LOGSTORE_FILTER_KIND_COUNT, "a new kind needs a name");

struct profile {
    struct search *search;
    const struct logstore_index_view *index;
    uint64_t *bits;
    unsigned clause_count;
    struct json_writer *json;
};

struct cost {
    uint64_t segments, documents, found;
    int64_t ns;
};

static int measure(struct profile *profile, const struct logstore_filter *filter, struct cost *cost)
{
    struct search *search = profile->search;
    const struct logstore_snapshot *snapshot = search->snapshot;
    const struct clock *clock = search->options->clock;
    int64_t start_ns = clock_monotonic_ns(clock);
    *cost = (struct cost){ 0 };
    for (size_t i = 0; i < snapshot->segment_count; i++) {
        const struct logstore_segment_view *view = &snapshot->segments[i];
        if (view->index != profile->index) continue;
        int code = logstore_filter_run(snapshot, i, filter, &search->context, profile->bits,
                                       search->parse.error);
        if (code == ERROR_TIMEOUT) break;
        if (code < 0) return code;
        cost->segments++;
        cost->documents += view->document_count;
        for (size_t k = 0; k < LOGSTORE_BITS_WORDS(view->document_count); k++) {
            cost->found += (uint64_t)__builtin_popcountll(profile->bits[k]);
        }
    }
    cost->ns = clock_monotonic_ns(clock) - start_ns;
    return 0;
}

/* "message:timeout", as far as a line goes. */
static struct str describe(struct search *search, const struct logstore_filter *filter)
{
    struct str field = filter->field_count > 0 ? filter->fields[0] : STR("*");
    if (filter->kind == LOGSTORE_FILTER_BOOL) {
        return arena_printf(search->arena, "%zu required, %zu optional, %zu excluded",
                            filter->must_count, filter->should_count, filter->must_not_count);
    }
    if (filter->kind == LOGSTORE_FILTER_RANGE) {
        return arena_printf(search->arena, STR_FMT ":%c" STR_FMT " TO " STR_FMT "%c",
                            STR_ARG(field), filter->lower.is_inclusive ? '[' : '{',
                            STR_ARG(filter->lower.is_set ? filter->lower.text : STR("*")),
                            STR_ARG(filter->upper.is_set ? filter->upper.text : STR("*")),
                            filter->upper.is_inclusive ? ']' : '}');
    }
    if (filter->value_count == 0) return field;
    struct str value = filter->values[0];
    return arena_printf(search->arena, STR_FMT ":" STR_FMT "%s", STR_ARG(field),
                        STR_ARG(str_first(value, value.size < 200 ? value.size : 200)),
                        filter->value_count > 1 ? " ..." : "");
}

static int write_clause(struct profile *profile, const struct logstore_filter *filter);

static int write_children(struct profile *profile, const struct logstore_filter *filter)
{
    struct {
        struct logstore_filter **list;
        size_t count;
    } parts[] = {
        { filter->must, filter->must_count },
        { filter->should, filter->should_count },
        { filter->must_not, filter->must_not_count },
    };
    json_key(profile->json, STR("children"));
    json_array_begin(profile->json);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        for (size_t k = 0; k < parts[i].count; k++) {
            int code = write_clause(profile, parts[i].list[k]);
            if (code < 0) return code;
        }
    }
    json_array_end(profile->json);
    return 0;
}

/* Depth: PARSE_DEPTH_MAX. */
static int write_clause(struct profile *profile, const struct logstore_filter *filter)
{
    if (profile->clause_count++ >= CLAUSES_PROFILED_MAX) return 0;
    struct json_writer *json = profile->json;
    struct cost cost;
    int code = measure(profile, filter, &cost);
    if (code < 0) return code;
    json_object_begin(json);
    json_member_cstr(json, "type", kind_names[filter->kind]);
    json_member_text(json, "description", describe(profile->search, filter));
    json_member_int(json, "time_in_nanos", cost.ns);
    json_key(json, STR("breakdown"));
    json_object_begin(json);
    json_member_int(json, "segments", (int64_t)cost.segments);
    json_member_int(json, "documents", (int64_t)cost.documents);
    json_member_int(json, "match", (int64_t)cost.found);
    json_object_end(json);
    if (filter->kind == LOGSTORE_FILTER_BOOL) code = write_children(profile, filter);
    json_object_end(json);
    return code;
}

static void put_aggregations(const struct search *search, struct json_writer *json)
{
    json_key(json, STR("aggregations"));
    json_array_begin(json);
    for (size_t i = 0; i < search->agg_count; i++) {
        json_object_begin(json);
        json_member_text(json, "type", search->aggs[i]->kind->name);
        json_member_text(json, "description", search->aggs[i]->name);
        json_object_end(json);
    }
    json_array_end(json);
}

static int write_index(struct profile *profile)
{
    struct search *search = profile->search;
    struct json_writer *json = profile->json;
    json_object_begin(json);
    json_member_text(
        json, "id",
        arena_printf(search->arena, "[barograph][" STR_FMT "][0]", STR_ARG(profile->index->name)));
    json_key(json, STR("searches"));
    json_array_begin(json);
    json_object_begin(json);
    json_key(json, STR("query"));
    json_array_begin(json);
    int code = write_clause(profile, search->filter);
    if (code < 0) return code;
    json_array_end(json);
    json_member_int(json, "rewrite_time", 0);
    json_key(json, STR("collector"));
    json_array_begin(json);
    json_object_begin(json);
    json_member_cstr(json, "name", "segments");
    json_member_cstr(json, "reason", "search_top_hits");
    json_member_int(json, "time_in_nanos", search->collect_ns);
    json_object_end(json);
    json_array_end(json);
    json_object_end(json);
    json_array_end(json);
    put_aggregations(search, json);
    json_object_end(json);
    return 0;
}

int profile_write(struct search *search, struct json_writer *json)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < search->snapshot->segment_count; i++) {
        uint32_t count = search->snapshot->segments[i].document_count;
        if (count > largest) largest = count;
    }
    struct profile profile = { .search = search, .json = json };
    profile.bits = calloc(LOGSTORE_BITS_WORDS(largest) + 1, sizeof(*profile.bits));
    if (profile.bits == NULL) return parse_out_of_memory(&search->parse);
    json_key(json, STR("profile"));
    json_object_begin(json);
    json_key(json, STR("shards"));
    json_array_begin(json);
    int code = 0;
    for (size_t i = 0; code == 0 && i < search->snapshot->index_count; i++) {
        profile.index = &search->snapshot->indices[i];
        code = write_index(&profile);
    }
    json_array_end(json);
    json_object_end(json);
    free(profile.bits);
    return code;
}
