/* hits.c - the "hits" object of a response. */
#include "logquery/search.h"

#include "codec/number.h"

void put_double(struct json_writer *json, double value)
{
    char text[NUMBER_SIZE_MAX];
    json_put_raw(json, (struct str){ text, number_print_java(value, text) });
}

static void put_ignored(const struct search *search, const struct candidate *candidate,
                        struct json_writer *json)
{
    const struct logstore_segment *segment = search->snapshot->segments[candidate->segment].segment;
    const struct logstore_column *column = logstore_column_find(segment, STR("_ignored"));
    if (column == NULL) return;
    struct logstore_cursor cursor = { .column = column };
    size_t first;
    size_t count = logstore_cursor_seek(&cursor, candidate->document, &first);
    if (count == 0) return;
    CLEANUP(buf_release) struct buf scratch = { 0 };
    buf_init(&scratch, (size_t)1 << 20);
    json_key(json, STR("_ignored"));
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        struct str term;
        uint32_t ordinal = logstore_column_ordinal(column, first + i);
        if (logstore_column_term(column, ordinal, &scratch, &term) == 0) json_put_text(json, term);
    }
    json_array_end(json);
}

int hits_write_one(struct search *search, struct logstore_reader *reader,
                   const struct candidate *candidate, struct json_writer *json)
{
    const struct logstore_segment_view *view = &search->snapshot->segments[candidate->segment];
    struct logstore_hit hit;
    int code =
        logstore_reader_get(reader, view->segment, candidate->document, &hit, search->parse.error);
    if (code < 0) return code;
    const struct json *root = NULL;
    bool needs_tree = search->field_count > 0 || search->highlight != NULL ||
                      search->source.include_count > 0 || search->source.exclude_count > 0;
    struct arena arena;
    arena_init(&arena, (size_t)1 << 30);
    if (needs_tree) code = json_parse(NULL, &arena, hit.source, &root, search->parse.error);
    size_t shown_keys = search->key_count - (search->hides_last_key ? 1 : 0);
    json_object_begin(json);
    json_member_text(json, "_index", view->index->name);
    if (search->options->has_types) json_member_cstr(json, "_type", "_doc");
    json_member_text(json, "_id", hit.id);
    if (search->has_version) json_member_int(json, "_version", hit.version);
    if (search->has_seq_no) {
        json_member_int(json, "_seq_no", hit.seq_no);
        json_member_int(json, "_primary_term", 1);
    }
    bool has_score = shown_keys == 0 || search->tracks_scores;
    for (size_t i = 0; i < search->key_count; i++) has_score |= search->keys[i].kind == SORT_SCORE;
    json_key(json, STR("_score"));
    if (has_score)
        put_double(json, 1);
    else
        json_put_null(json);
    put_ignored(search, candidate, json);
    if (code == 0 && !search->source.is_off) {
        json_key(json, STR("_source"));
        code = source_write(&search->source, root, hit.source, json);
    }
    if (code == 0) code = fields_write(search, candidate, root, json);
    if (code == 0 && root != NULL) code = highlight_write(search, candidate, root, json);
    if (shown_keys > 0) {
        json_key(json, STR("sort"));
        sort_write(search, candidate, shown_keys, json);
    }
    json_object_end(json);
    arena_release(&arena);
    return code;
}

static void put_total(const struct search *search, struct json_writer *json)
{
    if (search->track_total == 0) return;
    uint64_t cap = (uint64_t)search->track_total;
    bool is_capped = search->track_total != INT64_MAX && search->total > cap;
    json_key(json, STR("total"));
    if (search->request->total_hits_as_int) {
        json_put_uint(json, is_capped ? cap : search->total);
        return;
    }
    json_object_begin(json);
    json_member_int(json, "value", (int64_t)(is_capped ? cap : search->total));
    json_member_cstr(json, "relation", is_capped ? "gte" : "eq");
    json_object_end(json);
}

int hits_write(struct search *search, struct json_writer *json)
{
    json_object_begin(json);
    put_total(search, json);
    size_t shown_keys = search->key_count - (search->hides_last_key ? 1 : 0);
    bool has_score = search->heap_count > 0 && (shown_keys == 0 || search->tracks_scores ||
                                                search->keys[0].kind == SORT_SCORE);
    json_key(json, STR("max_score"));
    if (has_score)
        put_double(json, 1);
    else
        json_put_null(json);
    json_key(json, STR("hits"));
    json_array_begin(json);
    struct logstore_reader *reader = NULL;
    int code = logstore_reader_new(&reader);
    for (size_t i = (size_t)search->from; code == 0 && i < search->heap_count; i++) {
        code = hits_write_one(search, reader, &search->heap[i], json);
    }
    logstore_reader_free(reader);
    json_array_end(json);
    json_object_end(json);
    return code;
}
