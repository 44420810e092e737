/* search.c - carries out a search: filter every segment, keep the best, aggregate, answer. */
#include "logquery/search.h"

#include "base/check.h"
#include "codec/regex.h"
#include "logquery/agg.h"
#include "logquery/ahead.h"
#include "logquery/crew.h"
#include "logquery/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_DEFAULT_MS 30000
#define HELP_BLOCKS_MIN    32 /* of sources, some milliseconds */
#define HELP_SEGMENTS_MIN  2

const struct logstore_field *search_field(const struct search *search, struct str path)
{
    const struct logstore_snapshot *snapshot = search->snapshot;
    for (size_t i = 0; snapshot != NULL && i < snapshot->index_count; i++) {
        const struct logstore_mapping *mapping = snapshot->indices[i].mapping;
        const struct logstore_field *field = logstore_mapping_find(mapping, path);
        if (field != NULL && field->alias_of.size > 0) {
            field = logstore_mapping_find(mapping, field->alias_of);
        }
        if (field != NULL && logstore_type_column(field->type) != LOGSTORE_COLUMN_NONE)
            return field;
    }
    return NULL;
}

static struct str real_path(const struct logstore_segment_view *view, struct str path)
{
    const struct logstore_field *field = logstore_mapping_find(view->index->mapping, path);
    return field != NULL && field->alias_of.size > 0 ? field->alias_of : path;
}

const struct logstore_column *search_column(const struct search *search, size_t segment,
                                            struct str path)
{
    const struct logstore_segment_view *view = &search->snapshot->segments[segment];
    return logstore_column_find(view->segment, real_path(view, path));
}

const struct logstore_column *search_column_unread(const struct search *search, size_t segment,
                                                   struct str path)
{
    const struct logstore_segment_view *view = &search->snapshot->segments[segment];
    return logstore_column_find_unread(view->segment, real_path(view, path));
}

int search_refuse_text(struct search *search, struct str path)
{
    return parse_fail_shard(
        &search->parse, "illegal_argument_exception",
        "Text fields are not optimised for operations that require per-document "
        "field data like aggregations and sorting, so these operations are "
        "disabled by default. Please use a keyword field instead. "
        "Alternatively, set fielddata=true on [" STR_FMT "] in order to load "
        "field data by uninverting the inverted index. Note that this can use "
        "significant memory.",
        STR_ARG(path));
}

void search_inner_init(const struct search *outer, struct search *inner)
{
    inner->arena = outer->arena;
    inner->options = outer->options;
    inner->request = outer->request;
    inner->parse = outer->parse;
}

int search_inner_begin(const struct search *outer, struct search *inner, size_t segment,
                       struct sort_segment **sort)
{
    inner->snapshot = outer->snapshot;
    inner->context = outer->context;
    inner->parse = outer->parse;
    int code = sort_prepare(inner);
    return code < 0 ? code : sort_segment_begin(inner, segment, sort);
}

int search_keep_regex(struct search *search, struct regex *regex)
{
    if (VEC_PUSH(&search->regexes, regex)) return 0;
    regex_free(regex);
    return parse_out_of_memory(&search->parse);
}

static void fill_failure(struct search *search, int status, const char *type, bool is_phase)
{
    struct logquery_failure *failure = search->parse.failure;
    *failure =
        (struct logquery_failure){ .status = status, .type = type, .is_phase_failure = is_phase };
    const struct error *error = search->parse.error;
    (void)snprintf(failure->reason, sizeof(failure->reason), "%s", error->text);
}

/* Failures that came from below, as Elasticsearch names them. */
static int explain(struct search *search, int code)
{
    if (code >= 0 || search->parse.failure->type != NULL) return code;
    if (code == ERROR_INVALID)
        fill_failure(search, 400, "query_shard_exception", true);
    else if (code == ERROR_LIMIT)
        fill_failure(search, 400, "too_many_clauses", true);
    else if (code == -ENOMEM)
        fill_failure(search, 429, "circuit_breaking_exception", false);
    else
        fill_failure(search, 500, "exception", true);
    return code;
}

/* The best hits, in a heap with the worst on top. ---------------------------------------------- */

static void sift_down(struct search *search, size_t at)
{
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < search->heap_count &&
                sort_compare(search, &search->heap[child], &search->heap[worst]) > 0) {
                worst = child;
            }
        }
        if (worst == at) return;
        struct candidate swapped = search->heap[at];
        search->heap[at] = search->heap[worst];
        search->heap[worst] = swapped;
        at = worst;
    }
}

static void sift_up(struct search *search, size_t at)
{
    while (at > 0) {
        size_t above = (at - 1) / 2;
        if (sort_compare(search, &search->heap[at], &search->heap[above]) <= 0) return;
        struct candidate swapped = search->heap[at];
        search->heap[at] = search->heap[above];
        search->heap[above] = swapped;
        at = above;
    }
}

static int offer(struct search *search, const struct candidate *found, size_t capacity)
{
    bool is_full = search->heap_count == capacity;
    if (is_full && sort_compare(search, found, &search->heap[0]) >= 0) return 0;
    struct sort_value *values = is_full ? search->heap[0].values : NULL;
    if (!is_full && search->key_count > 0) {
        values = ARENA_ARRAY(search->arena, struct sort_value, search->key_count);
        if (values == NULL) return parse_out_of_memory(&search->parse);
    }
    for (size_t i = 0; i < search->key_count; i++) values[i] = found->values[i];
    int code = sort_keep_values(search, values);
    if (code < 0) return code;
    struct candidate kept = { found->segment, found->document, values };
    if (is_full) {
        search->heap[0] = kept;
        sift_down(search, 0);
    } else {
        search->heap[search->heap_count] = kept;
        sift_up(search, search->heap_count++);
    }
    return 0;
}

static int collect_hits(struct search *search, size_t segment, const uint32_t *documents,
                        size_t count)
{
    size_t capacity = (size_t)(search->from + search->size);
    if (capacity == 0) return 0;
    bool needs_values = search->key_count > 0;
    struct sort_segment *sort = NULL;
    struct collapse_segment *group = NULL;
    bool may_pass = needs_values && search->collapse == NULL;
    if (may_pass && search->heap_count == capacity && sort_passes_segment(search, segment)) {
        return 0;
    }
    int code = needs_values ? sort_segment_begin(search, segment, &sort) : 0;
    if (code == 0 && search->collapse != NULL) {
        code = collapse_segment_begin(search, segment, &group);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        /* Without keys the order is that of arrival: what is full stays. */
        if (!needs_values && group == NULL && search->heap_count == capacity) break;
        bool is_full = search->heap_count == capacity;
        if (may_pass && is_full && sort_passes_document(search, sort, documents[i])) continue;
        struct sort_value values[SORT_KEYS_MAX];
        struct candidate found = { segment, documents[i], values };
        if (needs_values) code = sort_segment_values(search, sort, documents[i], values);
        if (code < 0 || !sort_is_after(search, &found)) continue;
        code =
            group != NULL ? collapse_offer(search, group, &found) : offer(search, &found, capacity);
    }
    return code;
}

static size_t list_documents(const uint64_t *bits, uint32_t document_count, uint32_t *documents)
{
    size_t count = 0;
    for (size_t word = 0; word < LOGSTORE_BITS_WORDS(document_count); word++) {
        uint32_t first = (uint32_t)(word * 64);
        if (bits[word] == UINT64_MAX) {
            for (uint32_t i = 0; i < 64; i++) documents[count + i] = first + i;
            count += 64;
            continue;
        }
        for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
            documents[count++] = first + (uint32_t)__builtin_ctzll(left);
        }
    }
    return count;
}

/* How many of the documents count when each index gives `terminate_after` at most; the others are
 * taken out of the bits too. */
static size_t terminate(struct search *search, const struct logstore_segment_view *view,
                        uint64_t *bits, const uint32_t *documents, size_t count)
{
    if (search->counted_index != view->index) search->index_total = 0;
    search->counted_index = view->index;
    uint64_t left = (uint64_t)search->terminate_after - search->index_total;
    for (size_t i = left; i < count; i++) {
        bits[documents[i] / 64] &= ~(UINT64_C(1) << (documents[i] % 64));
    }
    if (count >= left) {
        search->is_terminated = true;
        count = left;
    }
    search->index_total += count;
    return count;
}

static void keep_slice(const struct search *search, uint64_t *bits, uint32_t document_count)
{
    for (uint32_t i = 0; i < document_count; i++) {
        if (i % search->slice_max == search->slice_id) continue;
        bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
    }
}

/* What is done with the documents of a segment that pass the filter. */
static int search_segment(struct search *search, size_t segment, uint64_t *bits,
                          uint32_t *documents, void **states)
{
    const struct logstore_segment_view *view = &search->snapshot->segments[segment];
    int code = 0;
    if (search->slice_max > 0) keep_slice(search, bits, view->document_count);
    size_t count = list_documents(bits, view->document_count, documents);
    if (search->terminate_after > 0) count = terminate(search, view, bits, documents, count);
    if (search->agg_count > 0) {
        struct agg_documents part = { segment, documents, count };
        code = aggs_collect(search, search->aggs, search->agg_count, states, &part);
    }
    if (code == 0 && search->post_filter != NULL) {
        uint64_t *also = calloc(LOGSTORE_BITS_WORDS(view->document_count) + 1, sizeof(*also));
        if (also == NULL) return parse_out_of_memory(&search->parse);
        code = logstore_filter_run(search->snapshot, segment, search->post_filter, &search->context,
                                   also, search->parse.error);
        for (size_t i = 0; i < LOGSTORE_BITS_WORDS(view->document_count); i++) bits[i] &= also[i];
        free(also);
        count = list_documents(bits, view->document_count, documents);
    }
    search->total += count;
    return code < 0 ? code : collect_hits(search, segment, documents, count);
}

static int by_order(const void *a, const void *b, void *argument)
{
    return sort_compare(argument, a, b);
}

/* Further pages of a scroll in the order of documents: the segments that lie wholly before it are
 * passed over, and a full page ends it; what there is in all is known since the first page. */
static bool is_passed(const struct search *search, uint64_t document_end)
{
    const struct logquery_page *page = search->request->page;
    bool is_in_order = page != NULL && page->is_scroll && search->after != NULL &&
                       search->keys[0].kind == SORT_DOCUMENT && !search->keys[0].is_descending;
    if (!is_in_order) return false;
    if (search->heap_count == (size_t)search->size) return true;
    return search->after[0].type == SORT_TYPE_INTEGER &&
           document_end <= (uint64_t)search->after[0].integer;
}

/* Once an index: values that cannot be of their fields' types are told of, matter or not. */
static int check_values(struct search *search)
{
    const struct logstore_index_view *last = NULL;
    int code = 0;
    for (size_t i = 0; code == 0 && i < search->snapshot->segment_count; i++) {
        if (search->snapshot->segments[i].index == last) continue;
        last = search->snapshot->segments[i].index;
        code = logstore_filter_check(search->snapshot, i, search_filter(search, i),
                                     &search->context, search->parse.error);
    }
    return code;
}

/* The newest come first when they are asked for: then the older ones are mostly passed over. */
static bool starts_at_the_end(const struct search *search)
{
    return search->key_count > 0 && search->keys[0].kind == SORT_FIELD &&
           search->keys[0].is_descending && search->request->page == NULL &&
           search->terminate_after == 0 && search->collapse == NULL;
}

static int finish_aggs(struct search *search, void **states)
{
    int code = aggs_finish(search, search->aggs, search->agg_count, states);
    if (code != ERROR_TIMEOUT) return code;
    search->is_timed_out = true;
    return 0;
}

/* The segments in the order in which they are looked at; NULL: out of memory. */
static size_t *order_segments(const struct search *search)
{
    size_t count = search->snapshot->segment_count;
    size_t *order = ARENA_ARRAY(search->arena, size_t, count + 1);
    bool is_reversed = starts_at_the_end(search);
    for (size_t k = 0; order != NULL && k < count; k++) order[k] = is_reversed ? count - 1 - k : k;
    return order;
}

/* Whether the filters of the segments from the k-th on are worth a helper: when that of the one
 * before has read much, and all of them will be wanted. */
static bool wants_help(const struct search *search, size_t k, uint64_t blocks)
{
    return blocks >= HELP_BLOCKS_MIN && search->snapshot->segment_count - k >= HELP_SEGMENTS_MIN &&
           search->request->page == NULL && search->terminate_after == 0;
}

static int run_segments(struct search *search, uint64_t *bits, uint32_t *documents, void **states)
{
    size_t segment_count = search->snapshot->segment_count;
    const size_t *order = order_segments(search);
    uint64_t document_end = 0;
    struct ahead *ahead = NULL;
    size_t ahead_start = 0;
    int code = order == NULL ? parse_out_of_memory(&search->parse) : 0;
    for (size_t k = 0; code == 0 && k < segment_count; k++) {
        size_t i = order[k];
        document_end += search->snapshot->segments[i].document_count;
        if (is_passed(search, document_end)) continue;
        uint64_t blocks = search->context.scanned_blocks;
        code = ahead != NULL ? ahead_take(ahead, k - ahead_start, bits)
                             : logstore_filter_run(search->snapshot, i, search_filter(search, i),
                                                   &search->context, bits, search->parse.error);
        blocks = search->context.scanned_blocks - blocks;
        if (code == 0) code = search_segment(search, i, bits, documents, states);
        if (code == 0 && ahead == NULL && wants_help(search, k + 1, blocks)) {
            ahead_start = k + 1;
            ahead = ahead_new(search, order + k + 1, segment_count - k - 1);
        }
    }
    ahead_free(ahead);
    if (code != ERROR_TIMEOUT) return code;
    search->is_timed_out = true; /* what was found until now is the answer */
    return 0;
}

static int run(struct search *search, void **states)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < search->snapshot->segment_count; i++) {
        uint32_t count = search->snapshot->segments[i].document_count;
        if (count > largest) largest = count;
    }
    size_t capacity = (size_t)(search->from + search->size);
    search->heap = ARENA_ARRAY(search->arena, struct candidate, capacity + 1);
    uint64_t *bits = calloc(LOGSTORE_BITS_WORDS(largest) + 1, sizeof(*bits));
    uint32_t *documents = calloc((size_t)largest + 1, sizeof(*documents));
    int code = search->heap == NULL || bits == NULL || documents == NULL
                   ? parse_out_of_memory(&search->parse)
                   : check_values(search);
    crew_begin(search->options->crew);
    if (code == 0) code = run_segments(search, bits, documents, states);
    free(bits);
    free(documents);
    if (code == 0 && states != NULL) code = finish_aggs(search, states);
    crew_end(search->options->crew);
    if (code == 0 && search->collapse != NULL) return collapse_finish(search);
    if (code == 0 && search->heap_count > 0) {
        qsort_r(search->heap, search->heap_count, sizeof(*search->heap), by_order, search);
    }
    return code;
}

static void put_shards(const struct search *search, struct json_writer *json)
{
    int64_t count = (int64_t)search->snapshot->index_count;
    json_key(json, STR("_shards"));
    json_object_begin(json);
    json_member_int(json, "total", count);
    json_member_int(json, "successful", count);
    json_member_int(json, "skipped", 0);
    json_member_int(json, "failed", 0);
    json_object_end(json);
}

/* Where the next page of a scroll begins: the sort values of the last hit. */
static void keep_page(struct search *search)
{
    const struct logquery_page *page = search->request->page;
    if (page == NULL || !page->is_scroll) return;
    if (page->after.size > 0) search->total = page->known_total;
    *page->total_out = search->total;
    buf_reset(page->after_out);
    if (search->heap_count == 0) return;
    struct json_writer json;
    json_writer_init(&json, page->after_out);
    sort_write(search, &search->heap[search->heap_count - 1], search->key_count, &json);
}

static void put_page(const struct search *search, struct json_writer *json)
{
    const struct logquery_page *page = search->request->page;
    if (page == NULL) return;
    if (page->scroll_id.size > 0) json_member_text(json, "_scroll_id", page->scroll_id);
    if (page->pit_id.size > 0) json_member_text(json, "pit_id", page->pit_id);
}

/* With pipelines the aggregations are written aside and worked on before they are the answer's. */
static int write_aggs(struct search *search, void **states, struct json_writer *json)
{
    if (!search->has_pipelines) {
        json_object_begin(json);
        int code = aggs_write(search, search->aggs, search->agg_count, states, json);
        json_object_end(json);
        return code;
    }
    CLEANUP(buf_release) struct buf aside = { 0 };
    CLEANUP(buf_release) struct buf done = { 0 };
    struct json_writer raw;
    buf_init(&aside, json->out->size_max);
    buf_init(&done, json->out->size_max);
    json_writer_init(&raw, &aside);
    json_object_begin(&raw);
    int code = aggs_write(search, search->aggs, search->agg_count, states, &raw);
    json_object_end(&raw);
    if (code == 0 && aside.has_failed) code = parse_out_of_memory(&search->parse);
    if (code == 0) code = pipelines_apply(search, buf_str(&aside), &done);
    if (code == 0 && done.has_failed) code = parse_out_of_memory(&search->parse);
    if (code == 0) json_put_raw(json, buf_str(&done));
    return code;
}

static int write_response(struct search *search, void **states, int64_t start_ns, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    int64_t took_ms = (clock_monotonic_ns(search->options->clock) - start_ns) / 1000000;
    json_object_begin(&json);
    keep_page(search);
    put_page(search, &json);
    json_member_int(&json, "took", took_ms);
    json_member_bool(&json, "timed_out", search->is_timed_out);
    if (search->terminate_after > 0) {
        json_member_bool(&json, "terminated_early", search->is_terminated);
    }
    put_shards(search, &json);
    json_key(&json, STR("hits"));
    int code = hits_write(search, &json);
    if (code == 0 && search->agg_count > 0) {
        json_key(&json, STR("aggregations"));
        code = write_aggs(search, states, &json);
    }
    if (code == 0 && search->has_profile) code = profile_write(search, &json);
    json_object_end(&json);
    if (code == 0 && out->has_failed) code = parse_out_of_memory(&search->parse);
    return code;
}

/* {"bool":{"should":[...]}} of the queries of the aliases by which an index was reached. */
static int set_alias_filter(struct search *search, struct str name,
                            const struct logstore_alias_filters *filters)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct json_writer json;
    buf_init(&text, LOGQUERY_MEMORY_MAX / 16);
    buf_append_cstr(&text, "{\"bool\":{\"should\":");
    json_writer_init(&json, &text);
    json_array_begin(&json);
    for (size_t i = 0; i < filters->count; i++) json_put_raw(&json, filters->queries[i]);
    json_array_end(&json);
    buf_append_cstr(&text, "}}");
    if (text.has_failed) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < search->snapshot->index_count; i++) {
        if (!str_equal(search->snapshot->indices[i].name, name)) continue;
        if (logstore_snapshot_set_filter(search->snapshot, i, buf_str(&text)) < 0) {
            return parse_out_of_memory(&search->parse);
        }
    }
    return 0;
}

/* The filters that are noted in the snapshot, each with the search's own. */
static int read_alias_filters(struct search *search)
{
    const struct logstore_snapshot *snapshot = search->snapshot;
    bool has_any = false;
    for (size_t i = 0; i < snapshot->index_count; i++) has_any |= snapshot->indices[i].filter.size;
    if (!has_any) return 0;
    search->alias_filters =
        ARENA_ARRAY(search->arena, struct logstore_filter *, snapshot->index_count);
    search->index_filters =
        ARENA_ARRAY(search->arena, struct logstore_filter *, snapshot->index_count);
    if (search->alias_filters == NULL || search->index_filters == NULL) {
        return parse_out_of_memory(&search->parse);
    }
    int code = 0;
    for (size_t i = 0; code == 0 && i < snapshot->index_count; i++) {
        const struct json *root = NULL;
        search->index_filters[i] = search->filter;
        if (snapshot->indices[i].filter.size == 0) continue;
        if (json_parse(NULL, search->arena, snapshot->indices[i].filter, &root, NULL) < 0) {
            return parse_out_of_memory(&search->parse);
        }
        code = parse_query(&search->parse, root, &search->alias_filters[i]);
        if (code == 0) {
            code = filter_and(&search->parse, search->alias_filters[i], search->filter,
                              &search->index_filters[i]);
        }
    }
    return code;
}

const struct logstore_filter *search_filter(const struct search *search, size_t segment)
{
    if (search->index_filters == NULL) return search->filter;
    const struct logstore_index_view *index = search->snapshot->segments[segment].index;
    return search->index_filters[index - search->snapshot->indices];
}

const struct logstore_filter *search_alias_filter(const struct search *search, size_t segment)
{
    if (search->alias_filters == NULL) return NULL;
    const struct logstore_index_view *index = search->snapshot->segments[segment].index;
    return search->alias_filters[index - search->snapshot->indices];
}

/* Resolves the indices and freezes them. */
static int take_snapshot(struct search *search)
{
    const struct logquery_request *request = search->request;
    if (request->page != NULL && request->page->snapshot != NULL) {
        search->snapshot = request->page->snapshot;
        return 0;
    }
    const struct str *names;
    size_t count;
    struct str missing;
    struct logstore *store = search->options->store;
    if (logstore_resolve(store, request->indices, search->arena, &names, &count, &missing) < 0) {
        return parse_out_of_memory(&search->parse);
    }
    bool is_none = count == 0 && !request->allow_no_indices;
    if ((missing.data != NULL && !request->ignore_unavailable) || is_none) {
        struct str name = missing.data != NULL ? missing : request->indices;
        int code = parse_fail(&search->parse, "index_not_found_exception",
                              "no such index [" STR_FMT "]", STR_ARG(name));
        search->parse.failure->status = 404;
        (void)snprintf(search->parse.failure->index, sizeof(search->parse.failure->index), STR_FMT,
                       STR_ARG(name));
        return code;
    }
    struct logstore_alias_filters *filters = NULL;
    if (logstore_resolve_filters(store, request->indices, search->arena, names, count, &filters) <
        0) {
        return parse_out_of_memory(&search->parse);
    }
    int code = logstore_snapshot_take(store, names, count, &search->snapshot, search->parse.error);
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (filters[i].count > 0) code = set_alias_filter(search, names[i], &filters[i]);
    }
    return code;
}

/* The body is read when the indices are known, for dates are in the forms of their fields; but what
 * is wrong with it is told before what is wrong with them. */
static int begin(struct search *search)
{
    int taken = take_snapshot(search);
    int code = search_read(search);
    if (code == 0) code = taken;
    return code < 0 ? code : read_alias_filters(search);
}

static void search_init(struct search *search, const struct logquery_options *options,
                        const struct logquery_request *request, struct arena *arena)
{
    search->options = options;
    search->request = request;
    search->arena = arena;
    search->context.clock = options->clock;
    search->context.now_ms = clock_realtime_ms(options->clock);
    search->parse.arena = arena;
    search->parse.store = options->store;
}

static void set_deadline(struct search *search)
{
    int64_t timeout_ms = search->timeout_ms > 0 ? search->timeout_ms : TIMEOUT_DEFAULT_MS;
    search->context.deadline_ns = clock_monotonic_ns(search->options->clock) + timeout_ms * 1000000;
}

static void search_release(struct search *search)
{
    const struct logquery_page *page = search->request->page;
    bool is_borrowed = page != NULL && page->snapshot == search->snapshot;
    if (!is_borrowed) logstore_snapshot_free(search->snapshot);
    collapse_release(search);
    highlight_release(search);
    VEC_FOR_EACH (&search->regexes, regex) regex_free(*regex);
    VEC_RELEASE(&search->regexes);
}

int logquery_search(const struct logquery_options *options, const struct logquery_request *request,
                    struct arena *arena, struct buf *out, struct logquery_failure *failure,
                    struct error *error)
{
    int64_t start_ns = clock_monotonic_ns(options->clock);
    struct search search = { 0 };
    struct error local = { 0 };
    search_init(&search, options, request, arena);
    search.parse.failure = failure;
    search.parse.error = error != NULL ? error : &local;
    *failure = (struct logquery_failure){ 0 };
    size_t size_before = out->size;
    int code = begin(&search);
    if (code == 0) code = sort_prepare(&search);
    if (code == 0 && search.collapse != NULL) code = collapse_prepare(&search);
    void **states = ARENA_ARRAY(arena, void *, search.agg_count + 1);
    if (code == 0 && states == NULL) code = parse_out_of_memory(&search.parse);
    set_deadline(&search);
    int64_t run_ns = clock_monotonic_ns(options->clock);
    if (code == 0) code = run(&search, states);
    search.collect_ns = clock_monotonic_ns(options->clock) - run_ns;
    if (code == 0) code = write_response(&search, states, start_ns, out);
    if (code < 0 && !out->has_failed) buf_truncate(out, size_before);
    code = explain(&search, code);
    search_release(&search);
    return code;
}

int logquery_snapshot(const struct logquery_options *options,
                      const struct logquery_request *request, struct arena *arena,
                      struct logstore_snapshot **snapshot, struct logquery_failure *failure,
                      struct error *error)
{
    struct search search = { 0 };
    struct error local = { 0 };
    search_init(&search, options, request, arena);
    search.parse.failure = failure;
    search.parse.error = error != NULL ? error : &local;
    *failure = (struct logquery_failure){ 0 };
    int code = explain(&search, take_snapshot(&search));
    if (code == 0) *snapshot = search.snapshot;
    return code;
}

static int visit_segment(struct search *search, size_t segment, const uint32_t *documents,
                         size_t count, const struct logquery_visitor *visitor)
{
    const struct logstore_segment_view *view = &search->snapshot->segments[segment];
    struct logstore_reader *reader = NULL;
    int code = logstore_reader_new(&reader);
    for (size_t i = 0; code == 0 && i < count; i++) {
        struct logstore_hit hit;
        code = logstore_reader_get_meta(reader, view->segment, documents[i], &hit,
                                        search->parse.error);
        if (code == 0) code = visitor->visit(visitor->context, view->index->name, &hit);
    }
    logstore_reader_free(reader);
    return code;
}

static int visit_all(struct search *search, const struct logquery_visitor *visitor)
{
    int code = check_values(search);
    for (size_t i = 0; code == 0 && i < search->snapshot->segment_count; i++) {
        uint32_t total = search->snapshot->segments[i].document_count;
        uint64_t *bits = calloc(LOGSTORE_BITS_WORDS(total) + 1, sizeof(*bits));
        uint32_t *documents = calloc((size_t)total + 1, sizeof(*documents));
        if (bits == NULL || documents == NULL) code = parse_out_of_memory(&search->parse);
        if (code == 0) {
            code = logstore_filter_run(search->snapshot, i, search_filter(search, i),
                                       &search->context, bits, search->parse.error);
        }
        if (code == 0) {
            size_t count = list_documents(bits, total, documents);
            code = visit_segment(search, i, documents, count, visitor);
        }
        free(bits);
        free(documents);
    }
    return code;
}

int logquery_each(const struct logquery_options *options, const struct logquery_request *request,
                  struct arena *arena, const struct logquery_visitor *visitor,
                  struct logquery_failure *failure, struct error *error)
{
    struct search search = { 0 };
    struct error local = { 0 };
    search_init(&search, options, request, arena);
    search.parse.failure = failure;
    search.parse.error = error != NULL ? error : &local;
    *failure = (struct logquery_failure){ 0 };
    int code = begin(&search);
    if (code == 0) code = visit_all(&search, visitor);
    code = explain(&search, code);
    search_release(&search);
    return code;
}

int logquery_count(const struct logquery_options *options, const struct logquery_request *request,
                   struct arena *arena, struct buf *out, struct logquery_failure *failure,
                   struct error *error)
{
    struct search search = { 0 };
    struct error local = { 0 };
    search_init(&search, options, request, arena);
    search.parse.failure = failure;
    search.parse.error = error != NULL ? error : &local;
    *failure = (struct logquery_failure){ 0 };
    int code = begin(&search);
    bool has_other = search.key_count > 0 || search.agg_count > 0;
    if (code == 0 && has_other) {
        code = parse_fail(&search.parse, "parsing_exception",
                          "request does not support [sort] or [aggs]");
    }
    search.size = 0;
    search.from = 0;
    set_deadline(&search);
    if (code == 0) code = run(&search, NULL);
    if (code == 0) {
        struct json_writer json;
        json_writer_init(&json, out);
        json_object_begin(&json);
        json_key(&json, STR("count"));
        json_put_uint(&json, search.total);
        put_shards(&search, &json);
        json_object_end(&json);
    }
    code = explain(&search, code);
    search_release(&search);
    return code;
}
