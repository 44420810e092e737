/* collapse.c - "collapse": of the hits that share a value of a field only the best one.
 *
 * One candidate a value is kept, whatever the number of hits; a hit without the field belongs to
 * the group of those without. The groups' memory is the query's arena.
 */
#include "logquery/search.h"

#include <stdlib.h>
#include <string.h>

#define TERM_SIZE_MAX ((size_t)1 << 20)

struct group {
    struct candidate best;
};

struct collapse {
    struct str field;
    struct map by_value; /* text of the value -> struct group */
};

struct collapse_segment {
    struct logstore_cursor cursor;
    struct group **by_ordinal; /* keyword columns: known already */
};

int collapse_read(struct search *search, const struct json *json)
{
    struct str field = json_text(json_get(json, STR("field")), STR(""));
    if (field.size == 0) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "no mapping found for `` in order to collapse on");
    }
    if (json_get(json, STR("inner_hits")) != NULL) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[inner_hits] of [collapse] is not supported: aggregate by [terms] with "
                          "[top_hits] instead");
    }
    search->collapse = ARENA_NEW(search->arena, struct collapse);
    if (search->collapse == NULL) return parse_out_of_memory(&search->parse);
    search->collapse->field = field;
    return 0;
}

int collapse_prepare(struct search *search)
{
    struct str path = search->collapse->field;
    const struct logstore_field *field = search_field(search, path);
    if (field != NULL && field->type == LOGSTORE_TEXT) return search_refuse_text(search, path);
    if (field == NULL && search->snapshot->index_count > 0) {
        return parse_fail_shard(&search->parse, "illegal_argument_exception",
                                "no mapping found for `" STR_FMT "` in order to collapse on",
                                STR_ARG(path));
    }
    return 0;
}

int collapse_segment_begin(struct search *search, size_t segment, struct collapse_segment **out)
{
    struct collapse_segment *group = ARENA_NEW(search->arena, struct collapse_segment);
    if (group == NULL) return parse_out_of_memory(&search->parse);
    const struct logstore_column *column = search_column(search, segment, search->collapse->field);
    bool is_usable = column != NULL && logstore_column_kind(column) != LOGSTORE_COLUMN_TEXT;
    group->cursor.column = is_usable ? column : NULL;
    if (is_usable && logstore_column_kind(column) == LOGSTORE_COLUMN_KEYWORD) {
        group->by_ordinal =
            ARENA_ARRAY(search->arena, struct group *, logstore_column_term_count(column) + 1);
        if (group->by_ordinal == NULL) return parse_out_of_memory(&search->parse);
    }
    *out = group;
    return 0;
}

static struct group *group_for(struct search *search, struct str key)
{
    struct collapse *collapse = search->collapse;
    struct group *known = map_get(&collapse->by_value, key);
    if (known != NULL) return known;
    struct group *group = ARENA_NEW(search->arena, struct group);
    struct str copy = arena_copy(search->arena, key);
    if (group == NULL || copy.data == NULL) return NULL;
    if (map_put_borrowed(&collapse->by_value, copy, group) < 0) return NULL;
    return group;
}

static struct group *find_group(struct search *search, struct collapse_segment *segment,
                                uint32_t document)
{
    const struct logstore_column *column = segment->cursor.column;
    size_t first;
    size_t count = column == NULL ? 0 : logstore_cursor_seek(&segment->cursor, document, &first);
    if (count == 0) return group_for(search, STR("-"));
    char key[1 + sizeof(int64_t)] = "=";
    if (segment->by_ordinal == NULL) {
        bool is_real = logstore_column_kind(column) == LOGSTORE_COLUMN_REAL;
        double real = is_real ? logstore_column_real(column, first) : 0;
        int64_t integer = is_real ? 0 : logstore_column_integer(column, first);
        memcpy(key + 1, is_real ? (const void *)&real : (const void *)&integer, sizeof(integer));
        return group_for(search, (struct str){ key, sizeof(key) });
    }
    uint32_t ordinal = logstore_column_ordinal(column, first);
    struct group **known = &segment->by_ordinal[ordinal];
    if (*known != NULL) return *known;
    CLEANUP(buf_release) struct buf scratch = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str term;
    buf_init(&scratch, TERM_SIZE_MAX);
    buf_init(&text, TERM_SIZE_MAX);
    if (logstore_column_term(column, ordinal, &scratch, &term) < 0) return NULL;
    buf_append_char(&text, '=');
    buf_append_str(&text, term);
    *known = group_for(search, buf_str(&text));
    return *known;
}

int collapse_offer(struct search *search, struct collapse_segment *segment,
                   const struct candidate *found)
{
    struct group *group = find_group(search, segment, found->document);
    if (group == NULL) return parse_out_of_memory(&search->parse);
    struct candidate *best = &group->best;
    bool is_new = best->values == NULL;
    if (!is_new && sort_compare(search, found, best) >= 0) return 0;
    struct sort_value *values = best->values;
    if (is_new) values = ARENA_ARRAY(search->arena, struct sort_value, search->key_count + 1);
    if (values == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < search->key_count; i++) values[i] = found->values[i];
    int code = sort_keep_values(search, values);
    if (code < 0) return code;
    *best = (struct candidate){ found->segment, found->document, values };
    return 0;
}

static int by_order(const void *a, const void *b, void *argument)
{
    return sort_compare(argument, a, b);
}

int collapse_finish(struct search *search)
{
    struct map *groups = &search->collapse->by_value;
    struct candidate *list = ARENA_ARRAY(search->arena, struct candidate, groups->count + 1);
    if (list == NULL) return parse_out_of_memory(&search->parse);
    size_t count = 0;
    size_t position = 0;
    struct str key;
    void *value;
    while (map_next(groups, &position, &key, &value)) {
        list[count++] = ((const struct group *)value)->best;
    }
    map_release(groups);
    if (count > 1) qsort_r(list, count, sizeof(*list), by_order, search);
    size_t capacity = (size_t)(search->from + search->size);
    search->heap = list;
    search->heap_count = count < capacity ? count : capacity;
    return 0;
}

struct str collapse_field(const struct search *search)
{
    return search->collapse == NULL ? STR("") : search->collapse->field;
}

void collapse_release(struct search *search)
{
    if (search->collapse != NULL) map_release(&search->collapse->by_value);
}
