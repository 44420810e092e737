/* label_lists.c - names of labels and their values: from the indexes where these know them, else
 * from the series that a select finds. */
#include "base/check.h"
#include "base/map.h"
#include "tsdb/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Texts, each once. Those that are added must stay until the last is: under one lock, or as long as
 * a cursor is counted and holds its blocks. */
struct text_set {
    struct arena *arena;
    struct map seen; /* the texts as they were given */
    VEC(struct str) items;
};

static int add_text(struct text_set *set, struct str text)
{
    size_t before = set->seen.count;
    if (map_put_borrowed(&set->seen, text, NULL) != 0) return -ENOMEM;
    if (set->seen.count == before) return 0;
    struct str copy = arena_copy(set->arena, text);
    if (copy.data == NULL) return ERROR_LIMIT;
    return VEC_PUSH(&set->items, copy) ? 0 : -ENOMEM;
}

static int compare_texts(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static int finish_set(struct text_set *set, int code, struct str_list *out, struct error *error)
{
    struct str *items = NULL;
    if (code == 0) {
        items = ARENA_ARRAY(set->arena, struct str, set->items.count + 1);
        if (items == NULL) code = ERROR_LIMIT;
    }
    if (code == 0) {
        if (set->items.count > 0) {
            memcpy(items, set->items.items, set->items.count * sizeof(items[0]));
            qsort(items, set->items.count, sizeof(items[0]), compare_texts);
        }
        *out = (struct str_list){ items, set->items.count };
    }
    map_release(&set->seen);
    VEC_RELEASE(&set->items);
    if (code == ERROR_LIMIT) return merge_no_room(error);
    if (code == ERROR_TIMEOUT) return cursor_late(error);
    if (code == -ENOMEM) return error_set(error, code, "no memory for a list of labels");
    return code;
}

/* Names (name.data NULL), or the values of one name, of the selected series. */
static int collect_from_series(struct tsdb *db, const struct series_query *query, struct str name,
                               struct text_set *set, struct error *error)
{
    struct series_query labels_only = *query;
    labels_only.want = SERIES_WANT_LABELS;
    struct arena arena;
    arena_init_within(&arena, CURSOR_SCRATCH_MAX, set->arena->budget);
    struct series_cursor *cursor = NULL;
    int code = tsdb_select(db, &labels_only, &arena, &cursor, error);
    struct series_columns series;
    while (code == 0 && (code = cursor->next(cursor, &series, error)) == 1) {
        code = 0;
        for (size_t i = 0; i < series.labels.count && code == 0; i++) {
            const struct label *label = &series.labels.items[i];
            if (name.data == NULL) {
                code = add_text(set, label->name);
            } else if (str_equal(label->name, name)) {
                code = add_text(set, label->value);
            }
        }
    }
    if (cursor != NULL) cursor->close(cursor);
    arena_release(&arena);
    return code;
}

/* Whether a series of the pair has a sample at or after start_ms. */
static bool is_pair_alive(const struct head *head, const struct head_pair *pair, int64_t start_ms)
{
    struct postings series = head_pair_postings(pair);
    for (size_t i = 0; i < series.count; i++) {
        const struct head_series *found = head_series_at(head, series.items[i]);
        CHECK(found != NULL); /* postings name no series that has gone */
        if (found->last_ms != INT64_MIN && found->last_ms >= start_ms) return true;
    }
    return false;
}

static int add_head_name(struct text_set *set, const struct head *head,
                         const struct head_name *name, bool wants_values, int64_t start_ms)
{
    int code = 0;
    for (size_t i = 0; i < name->pairs.count && code == 0; i++) {
        const struct head_pair *pair = head_pair_at(head, name->pairs.items[i]);
        if (!is_pair_alive(head, pair, start_ms)) continue;
        code = add_text(set, wants_values ? head_pair_value(pair) : name->text);
        if (!wants_values) break;
    }
    return code;
}

static int add_block_name(struct text_set *set, const struct block *block,
                          const struct block_name *name, bool wants_values)
{
    if (!wants_values) return add_text(set, name->text);
    int code = 0;
    for (uint32_t i = 0; i < name->count && code == 0; i++) {
        code = add_text(set, block_pair_at(block, name->first + i).value);
    }
    return code;
}

static int collect_locked(struct tsdb *db, const struct series_query *query, struct str name,
                          struct text_set *set)
{
    const struct head *head = &db->head;
    int code = 0;
    bool wants_values = name.data != NULL;
    for (size_t i = 0; i < head->names.count && code == 0; i++) {
        const struct head_name *found = &head->names.items[i];
        if (wants_values && !str_equal(found->text, name)) continue;
        code = add_head_name(set, head, found, wants_values, query->start_ms);
    }
    for (size_t i = 0; i < db->blocks.count && code == 0; i++) {
        const struct block *block = db->blocks.items[i];
        if (block->meta.min_time_ms > query->end_ms || block->meta.max_time_ms < query->start_ms) {
            continue;
        }
        for (uint32_t k = 0; k < block->name_count && code == 0; k++) {
            struct block_name found = block_name_at(block, k);
            if (wants_values && !str_equal(found.text, name)) continue;
            code = add_block_name(set, block, &found, wants_values);
        }
    }
    return code;
}

/* Whether the indexes know what is there: nothing was deleted, the head is in the range. */
static bool is_indexed(struct tsdb *db, const struct series_query *query)
{
    bool has_deletions = false;
    mutex_lock(&db->mutex);
    for (size_t i = 0; i < db->blocks.count && !has_deletions; i++) {
        has_deletions = db->blocks.items[i]->tombstones.count > 0;
    }
    bool is_in_head = db->head.totals.sample_count == 0 || query->end_ms >= db->head.min_ms;
    mutex_unlock(&db->mutex);
    return !has_deletions && is_in_head;
}

/* Without matchers the indexes alone answer. */
static bool can_skip_series(struct tsdb *db, const struct series_query *query)
{
    return query->matcher_count == 0 && query->series_max == 0 && is_indexed(db, query);
}

/* Whether one of the value's series is among those matched and has a sample at or after
 * start_ms; a block's series have some, or they would not be there. */
static bool is_value_there(const struct head *head, struct postings value, struct postings matched,
                           int64_t start_ms)
{
    size_t i = 0;
    size_t k = 0;
    while (i < value.count && k < matched.count) {
        if (value.items[i] != matched.items[k]) {
            if (value.items[i] < matched.items[k]) {
                i = postings_seek(value, i, matched.items[k]);
            } else {
                k = postings_seek(matched, k, value.items[i]);
            }
            continue;
        }
        if (head == NULL) return true;
        const struct head_series *series = head_series_at(head, value.items[i]);
        CHECK(series != NULL);             /* postings name no series that has gone */
        if (series->has_side) return true; /* late samples may be of any time */
        if (series->last_ms != INT64_MIN && series->last_ms >= start_ms) return true;
        i++;
    }
    return false;
}

/* Values of a label among the series that matchers select, by the index alone; `head` NULL for a
 * block. */
static int collect_values(const struct index *index, const struct head *head,
                          const struct series_query *query, struct str name, struct text_set *set)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init_within(&arena, CURSOR_SCRATCH_MAX, set->arena->budget);
    struct postings matched;
    struct index_value *values;
    size_t count = 0;
    int code = match(index, query->matchers, query->matcher_count, &arena, &matched);
    if (code == 0) code = index->values(index->state, name, &arena, &values, &count);
    for (size_t i = 0; code == 0 && i < count; i++) {
        struct postings series;
        code = index->postings(index->state, &values[i], &arena, &series);
        if (code == 0 && is_value_there(head, series, matched, query->start_ms)) {
            code = add_text(set, values[i].text);
        }
    }
    return code;
}

/* Of the head's series, and takes the blocks, as one moment. */
static int collect_head_values(struct cursor *cursor, const struct series_query *query,
                               struct str name, struct text_set *set)
{
    struct tsdb *db = cursor->db;
    mutex_lock(&db->mutex);
    if (!cursor->is_counted) db->cursors++; /* the head's texts stay */
    cursor->is_counted = true;
    int code = cursor_take_blocks_locked(cursor);
    if (code == 0) {
        struct index index = head_index(&db->head);
        index.verdicts = cursor->verdicts;
        index.verdict_count = cursor->verdicts == NULL ? 0 : query->matcher_count;
        code = collect_values(&index, &db->head, query, name, set);
    }
    mutex_unlock(&db->mutex);
    return code;
}

/* Patterns, which may be slow, are tried without the lock, on the blocks' values, too. */
static int collect_indexed_values(struct cursor *cursor, const struct series_query *query,
                                  struct str name, struct text_set *set)
{
    int code = cursor_try_patterns(cursor, query);
    if (code == 0) code = collect_head_values(cursor, query, name, set);
    for (size_t i = 0; i < cursor->merge.count && code == 0; i++) {
        struct index index = block_index(cursor->merge.sources[i].block);
        index.clock = cursor->db->options.clock;
        index.deadline_ns = query->deadline_ns;
        code = collect_values(&index, NULL, query, name, set);
    }
    return code;
}

static int collect(struct tsdb *db, const struct series_query *query, struct str name,
                   struct text_set *set, struct error *error)
{
    if (name.data != NULL && query->matcher_count > 0 && query->series_max == 0 &&
        is_indexed(db, query)) {
        struct cursor *cursor = cursor_new(db, query, set->arena);
        if (cursor == NULL) return -ENOMEM;
        int code = collect_indexed_values(cursor, query, name, set);
        cursor_free(cursor);
        return code;
    }
    if (!can_skip_series(db, query)) return collect_from_series(db, query, name, set, error);
    mutex_lock(&db->mutex);
    int code = collect_locked(db, query, name, set);
    mutex_unlock(&db->mutex);
    return code;
}

int tsdb_label_names(void *state, const struct series_query *query, struct arena *arena,
                     struct str_list *out, struct error *error)
{
    struct text_set set = { .arena = arena };
    int code = collect(state, query, (struct str){ 0 }, &set, error);
    return finish_set(&set, code, out, error);
}

int tsdb_label_values(void *state, struct str name, const struct series_query *query,
                      struct arena *arena, struct str_list *out, struct error *error)
{
    struct text_set set = { .arena = arena };
    int code = collect(state, query, name, &set, error);
    return finish_set(&set, code, out, error);
}
