/* select.c - reads: takes a snapshot of the head and of the blocks, then walks them merged.
 *
 * Under the store's mutex the head's series are matched and what they hold is copied, still
 * packed, and the blocks are referenced; all else happens without a lock. So a select sees every
 * batch whole or not at all, and a cut, which moves samples from the head to a block under the
 * same mutex, never hides or doubles any.
 */
#include "base/check.h"
#include "codec/regex.h"
#include "tsdb/column.h"
#include "tsdb/cursor.h"
#include "tsdb/db.h"
#include "tsdb/match.h"
#include "tsdb/merge.h"
#include "tsdb/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_CHECK_EVERY 64 /* series */
#define RESIDENT_CHECK_EVERY 16

/* Bytes of blocks' files that may count as the process's memory: what was looked at stays there
 * until so much is. */
#define RESIDENT_MAX ((size_t)8 << 20)

#define FETCH_SERIES 16 /* series ahead whose own memory is fetched */
#define FETCH_DATA   8  /* series ahead whose samples are */

void cursor_free(struct cursor *cursor)
{
    struct tsdb *db = cursor->db;
    mutex_lock(&db->mutex);
    for (size_t i = 0; i < cursor->blocks.count; i++) tsdb_unref_block(cursor->blocks.items[i]);
    if (cursor->is_counted && --db->cursors == 0) head_free_limbo(&db->head);
    mutex_unlock(&db->mutex);
    merge_release(&cursor->merge);
    VEC_RELEASE(&cursor->blocks);
    arena_release(&cursor->scratch);
    free(cursor->merge.sources);
    free(cursor);
}

static void cursor_close(struct series_cursor *base)
{
    cursor_free((struct cursor *)base);
}

int cursor_late(struct error *error)
{
    return error_set(error, ERROR_TIMEOUT, "the query took longer than it may");
}

static int check_deadline(const struct cursor *cursor, struct error *error)
{
    if (cursor->deadline_ns == 0) return 0;
    if (clock_monotonic_ns(cursor->db->options.clock) < cursor->deadline_ns) return 0;
    return cursor_late(error);
}

static void tell_damage(struct cursor *cursor)
{
    if (cursor->merge.damaged == cursor->damaged_told) return;
    struct tsdb *db = cursor->db;
    mutex_lock(&db->mutex);
    db->stats.block_corruptions += cursor->merge.damaged - cursor->damaged_told;
    mutex_unlock(&db->mutex);
    cursor->damaged_told = cursor->merge.damaged;
    tsdb_report(db, "damaged chunk passed over", NULL, NULL);
}

/* Of many files each may have a little; those at hand are unloaded when it is worth it. */
static void limit_resident(const struct cursor *cursor)
{
    size_t size = 0;
    if (atomic_load_explicit(&cursor->db->resident, memory_order_relaxed) <= RESIDENT_MAX) return;
    for (size_t i = 0; i < cursor->blocks.count; i++) {
        size += resident_size(&cursor->blocks.items[i]->resident);
    }
    if (size < RESIDENT_MAX / 4) return;
    for (size_t i = 0; i < cursor->blocks.count; i++) block_unload(cursor->blocks.items[i]);
}

static int cursor_next(struct series_cursor *base, struct series_columns *series,
                       struct error *error)
{
    struct cursor *cursor = (struct cursor *)base;
    if (cursor->count % DEADLINE_CHECK_EVERY == 0) {
        int code = check_deadline(cursor, error);
        if (code != 0) return code;
    }
    struct series_columns found;
    int code = merge_next(&cursor->merge, &found, error);
    tell_damage(cursor);
    if (cursor->count % RESIDENT_CHECK_EVERY == 0) limit_resident(cursor);
    if (code != 1) return code;
    cursor->count++;
    if (cursor->series_max > 0 && cursor->count > cursor->series_max) {
        return error_set(error, ERROR_LIMIT, "query selects more than %zu series",
                         cursor->series_max);
    }
    *series = found;
    return 1;
}

/* Puts a copy of a chunk in front of the hit's pieces. */
static int take_chunk(struct cursor *cursor, struct merge_hit *hit, const struct head_chunk *chunk)
{
    struct merge_piece *piece = ARENA_NEW(&cursor->scratch, struct merge_piece);
    if (piece == NULL) return ERROR_LIMIT;
    *piece = (struct merge_piece){
        .next = hit->pieces,
        .min_time_ms = chunk->min_time_ms,
        .max_time_ms = chunk->max_time_ms,
        .count = chunk->count,
    };
    piece->bytes =
        arena_copy(&cursor->scratch, (struct str){ (const char *)chunk->bytes, chunk->size });
    if (piece->bytes.data == NULL) return ERROR_LIMIT;
    hit->pieces = piece;
    return 0;
}

static int take_tail(struct cursor *cursor, struct merge_hit *hit, const struct head_tail *tail)
{
    struct merge_piece *piece = ARENA_NEW(&cursor->scratch, struct merge_piece);
    int64_t *times = ARENA_ARRAY(&cursor->scratch, int64_t, tail->count);
    double *values = ARENA_ARRAY(&cursor->scratch, double, tail->count);
    if (piece == NULL || times == NULL || values == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < tail->count; i++) {
        times[i] = tail->base_ms + head_tail_offsets(tail)[i];
    }
    memcpy(values, tail->values, tail->count * sizeof(values[0]));
    *piece = (struct merge_piece){
        .next = hit->pieces,
        .min_time_ms = times[0],
        .max_time_ms = times[tail->count - 1],
        .count = tail->count,
        .times = times,
        .values = values,
    };
    hit->pieces = piece;
    return 0;
}

static bool touches(const struct cursor *cursor, int64_t min_ms, int64_t max_ms)
{
    return min_ms <= cursor->merge.end_ms && max_ms >= cursor->merge.start_ms;
}

/* Takes what touches the range, newest first, each put in front of what is there. */
static int take_data(struct cursor *cursor, struct merge_hit *hit, const struct head_data *data,
                     bool *is_there)
{
    const struct head_tail *tail = data->tail;
    bool wants_samples = cursor->merge.want != SERIES_WANT_LABELS;
    if (tail != NULL && tail->count > 0) {
        int64_t last = tail->base_ms + head_tail_offsets(tail)[tail->count - 1];
        if (touches(cursor, tail->base_ms, last)) {
            *is_there = true;
            if (wants_samples && take_tail(cursor, hit, tail) != 0) return ERROR_LIMIT;
        }
    }
    for (const struct head_chunk *chunk = data->chunks; chunk != NULL; chunk = chunk->older) {
        if (chunk->max_time_ms < cursor->merge.start_ms) break;
        if (!touches(cursor, chunk->min_time_ms, chunk->max_time_ms)) continue;
        *is_there = true;
        if (wants_samples && take_chunk(cursor, hit, chunk) != 0) return ERROR_LIMIT;
    }
    return 0;
}

static void note_last(struct merge_hit *hit, int64_t time_ms, double value)
{
    hit->last_ms = time_ms;
    hit->last_value = value;
    hit->has_last = true;
}

/* The newest sample not after the end: out of the tail, or the chunk that holds it is taken. True
 * when this data holds it, also when it is before the start. */
static int take_last_of(struct cursor *cursor, struct merge_hit *hit, const struct head_data *data,
                        bool *is_found)
{
    int64_t end_ms = cursor->merge.end_ms;
    const struct head_tail *tail = data->tail;
    for (size_t i = tail == NULL ? 0 : tail->count; i-- > 0;) {
        int64_t time_ms = tail->base_ms + head_tail_offsets(tail)[i];
        if (time_ms > end_ms) continue;
        if (time_ms >= cursor->merge.start_ms) note_last(hit, time_ms, tail->values[i]);
        *is_found = true;
        return 0;
    }
    const struct head_chunk *chunk = data->chunks;
    while (chunk != NULL && chunk->min_time_ms > end_ms) chunk = chunk->older;
    if (chunk == NULL) return 0;
    *is_found = true;
    return chunk->max_time_ms < cursor->merge.start_ms ? 0 : take_chunk(cursor, hit, chunk);
}

static int take_last(struct cursor *cursor, struct merge_hit *hit, const struct head_series *series,
                     bool *is_there)
{
    const struct head_data *active = &series->active;
    bool is_newest_here =
        active->chunks != NULL || (active->tail != NULL && active->tail->count > 0);
    bool is_found = false;
    int code = 0;
    if (is_newest_here && series->last_ms <= cursor->merge.end_ms) {
        /* The common case, a query of now, touches the series alone. */
        is_found = true;
        if (series->last_ms >= cursor->merge.start_ms) {
            note_last(hit, series->last_ms, series->last_value);
        }
    } else if (is_newest_here) {
        code = take_last_of(cursor, hit, active, &is_found);
    }
    if (code == 0 && !is_found) code = take_last_of(cursor, hit, &series->frozen, &is_found);
    *is_there = hit->has_last || hit->pieces != NULL;
    return code;
}

/* Copies a group of extras, in front of those that are there: their order does not matter. */
static int take_group(struct cursor *cursor, struct merge_hit *hit, const struct side_group *group)
{
    struct merge_extras *extras = ARENA_NEW(&cursor->scratch, struct merge_extras);
    if (extras == NULL) return ERROR_LIMIT;
    *extras = (struct merge_extras){
        .next = hit->extras,
        .min_time_ms = group->min_time_ms,
        .max_time_ms = group->max_time_ms,
        .count = group->count,
        .bytes = arena_copy(&cursor->scratch, buf_str(&group->bytes)),
    };
    if (extras->bytes.data == NULL) return ERROR_LIMIT;
    hit->extras = extras;
    return 0;
}

static int copy_late(struct cursor *cursor, const struct side_sample *from, size_t count,
                     struct merge_piece *piece, struct merge_extras *extras)
{
    int64_t *times = ARENA_ARRAY(&cursor->scratch, int64_t, count);
    double *values = ARENA_ARRAY(&cursor->scratch, double, count);
    extras->plain = ARENA_ARRAY(&cursor->scratch, struct extra, count);
    if (times == NULL || values == NULL || extras->plain == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        times[i] = from[i].extra.time_ms;
        values[i] = from[i].value;
        if (from[i].extra.histogram == NULL && from[i].extra.start_ms == 0) continue;
        struct extra *extra = &extras->plain[extras->count++];
        *extra = from[i].extra;
        if (extra->histogram == NULL) continue;
        const struct histogram *copy = histogram_copy(cursor->merge.arena, extra->histogram);
        extra->histogram = ARENA_NEW(cursor->merge.arena, struct histogram);
        if (copy == NULL || extra->histogram == NULL) return ERROR_LIMIT;
        *extra->histogram = *copy;
    }
    piece->times = times;
    piece->values = values;
    return 0;
}

/* Late samples in the range, as a piece of their own. */
static int take_late(struct cursor *cursor, struct merge_hit *hit, const struct side_samples *late,
                     bool *is_there)
{
    size_t first = 0;
    while (first < late->count && late->items[first].extra.time_ms < cursor->merge.start_ms) {
        first++;
    }
    size_t end = first;
    while (end < late->count && late->items[end].extra.time_ms <= cursor->merge.end_ms) end++;
    if (end == first) return 0;
    *is_there = true;
    if (cursor->merge.want == SERIES_WANT_LABELS) return 0;
    struct merge_piece *piece = ARENA_NEW(&cursor->scratch, struct merge_piece);
    struct merge_extras *extras = ARENA_NEW(&cursor->scratch, struct merge_extras);
    if (piece == NULL || extras == NULL) return ERROR_LIMIT;
    *piece = (struct merge_piece){
        .next = hit->late,
        .min_time_ms = late->items[first].extra.time_ms,
        .max_time_ms = late->items[end - 1].extra.time_ms,
        .count = (uint32_t)(end - first),
    };
    extras->next = hit->late_extras;
    if (copy_late(cursor, &late->items[first], end - first, piece, extras) != 0) return ERROR_LIMIT;
    hit->late = piece;
    hit->late_extras = extras;
    return 0;
}

static int take_side(struct cursor *cursor, struct merge_hit *hit, const struct side_data *data,
                     bool *is_there)
{
    int code = take_late(cursor, hit, &data->late, is_there);
    if (cursor->merge.want == SERIES_WANT_LABELS) return code;
    for (size_t i = 0; i < data->groups.count && code == 0; i++) {
        const struct side_group *group = &data->groups.items[i];
        if (!touches(cursor, group->min_time_ms, group->max_time_ms)) continue;
        code = take_group(cursor, hit, group);
    }
    return code;
}

static int take_series(struct cursor *cursor, const struct head_series *series,
                       struct merge_source *source)
{
    struct merge_hit *hit = &source->hits[source->hit_count];
    *hit = (struct merge_hit){ 0 };
    bool is_there = false;
    const struct side *side = side_of(&cursor->db->head, series);
    hit->is_whole = cursor->merge.want == SERIES_WANT_LAST && side != NULL;
    int code;
    if (cursor->merge.want == SERIES_WANT_LAST && side == NULL) {
        code = take_last(cursor, hit, series, &is_there);
    } else {
        code = take_data(cursor, hit, &series->active, &is_there);
        if (code == 0) code = take_data(cursor, hit, &series->frozen, &is_there);
        /* Those of before a cut came first: they win over later ones of the same time. */
        if (code == 0 && side != NULL) code = take_side(cursor, hit, &side->active, &is_there);
        if (code == 0 && side != NULL) code = take_side(cursor, hit, &side->frozen, &is_there);
    }
    if (code != 0 || !is_there) return code;
    /* Pairs stay as long as a cursor is open: the labels are made of them without the lock. */
    uint32_t *pairs = ARENA_ARRAY(&cursor->scratch, uint32_t, (size_t)series->pair_count + 1);
    if (pairs == NULL) return ERROR_LIMIT;
    memcpy(pairs, series->pairs, series->pair_count * sizeof(pairs[0]));
    hit->labels.count = series->pair_count;
    hit->pairs = pairs;
    hit->rank = series->rank;
    source->hit_count++;
    return 0;
}

/* Memory is far away: what the series to come need is fetched while this one is taken. */
static void fetch_ahead(const struct head *head, struct postings series, size_t at)
{
    if (at + FETCH_SERIES < series.count) {
        __builtin_prefetch(head_series_at(head, series.items[at + FETCH_SERIES]));
    }
    if (at + FETCH_DATA < series.count) {
        const struct head_series *ahead = head_series_at(head, series.items[at + FETCH_DATA]);
        __builtin_prefetch(ahead->active.tail);
        __builtin_prefetch(ahead->active.chunks);
        __builtin_prefetch(ahead->frozen.chunks);
    }
}

int cursor_try_patterns(struct cursor *cursor, const struct series_query *query)
{
    struct tsdb *db = cursor->db;
    cursor->verdicts = ARENA_ARRAY(&cursor->scratch, struct match_verdicts, query->matcher_count);
    if (cursor->verdicts == NULL) return query->matcher_count == 0 ? 0 : ERROR_LIMIT;
    for (size_t i = 0; i < query->matcher_count; i++) {
        const struct matcher *matcher = &query->matchers[i];
        struct str *literals;
        size_t literal_count;
        if (matcher->regex == NULL) continue;
        if (regex_literals(&cursor->scratch, matcher->value, &literals, &literal_count)) continue;
        struct match_verdicts *verdicts = &cursor->verdicts[i];
        mutex_lock(&db->mutex);
        if (!cursor->is_counted) db->cursors++;
        cursor->is_counted = true;
        int code = match_list_pairs(&db->head, matcher, &cursor->scratch, verdicts);
        mutex_unlock(&db->mutex);
        if (code == 0) {
            code = match_try_pairs(&db->head, verdicts, db->options.clock, query->deadline_ns);
        }
        if (code != 0) return code;
    }
    return 0;
}

static int take_head_locked(struct cursor *cursor, const struct series_query *query,
                            struct merge_source *source)
{
    struct tsdb *db = cursor->db;
    struct index index = head_index(&db->head);
    index.verdicts = cursor->verdicts;
    index.verdict_count = cursor->verdicts == NULL ? 0 : query->matcher_count;
    struct postings series;
    int code = match(&index, query->matchers, query->matcher_count, &cursor->scratch, &series);
    if (code != 0) return code;
    if (query->match_max > 0 && series.count > query->match_max) return -EAGAIN;
    source->hits = ARENA_ARRAY(&cursor->scratch, struct merge_hit, series.count + 1);
    if (source->hits == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < series.count; i++) {
        fetch_ahead(&db->head, series, i);
        code = take_series(cursor, head_series_at(&db->head, series.items[i]), source);
        if (code != 0) return code;
    }
    return 0;
}

/* The names' texts stay where they are, but their list may move. */
static int take_names_locked(struct cursor *cursor)
{
    const struct head *head = &cursor->db->head;
    cursor->names = ARENA_ARRAY(&cursor->scratch, struct str, head->names.count + 1);
    if (cursor->names == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < head->names.count; i++) cursor->names[i] = head->names.items[i].text;
    return 0;
}

static int make_labels(struct cursor *cursor, struct merge_source *source)
{
    const struct head *head = &cursor->db->head;
    for (size_t i = 0; i < source->hit_count; i++) {
        struct merge_hit *hit = &source->hits[i];
        struct label *items = ARENA_ARRAY(cursor->merge.arena, struct label, hit->labels.count + 1);
        if (items == NULL) return ERROR_LIMIT;
        for (size_t k = 0; k < hit->labels.count; k++) {
            const struct head_pair *pair = head_pair_at(head, hit->pairs[k]);
            items[k] = (struct label){ cursor->names[pair->name], head_pair_value(pair) };
        }
        hit->labels.items = items;
    }
    return 0;
}

int cursor_take_blocks_locked(struct cursor *cursor)
{
    struct tsdb *db = cursor->db;
    if (!VEC_RESERVE(&cursor->blocks, db->blocks.count + 1)) return -ENOMEM;
    cursor->merge.sources = calloc(db->blocks.count + 1, sizeof(cursor->merge.sources[0]));
    if (cursor->merge.sources == NULL) return -ENOMEM;
    for (size_t i = 0; i < db->blocks.count; i++) {
        struct block *block = db->blocks.items[i];
        if (!touches(cursor, block->meta.min_time_ms, block->meta.max_time_ms)) continue;
        struct merge_source *source = &cursor->merge.sources[cursor->merge.count];
        struct tombstone *copy =
            ARENA_ARRAY(&cursor->scratch, struct tombstone, block->tombstones.count + 1);
        if (copy == NULL) return ERROR_LIMIT;
        if (block->tombstones.count > 0) {
            memcpy(copy, block->tombstones.items, block->tombstones.count * sizeof(copy[0]));
        }
        block->references++;
        cursor->blocks.items[cursor->blocks.count++] = block;
        source->block = block;
        source->tombstones = copy;
        source->tombstone_count = block->tombstones.count;
        cursor->merge.count++;
    }
    return 0;
}

/* Pairs are kept once: the same number is the same text. */
static int by_labels(const void *a, const void *b)
{
    const struct merge_hit *x = a;
    const struct merge_hit *y = b;
    if (x->rank > 0 && y->rank > 0) return x->rank < y->rank ? -1 : x->rank > y->rank;
    size_t count = x->labels.count < y->labels.count ? x->labels.count : y->labels.count;
    size_t same = 0;
    while (same < count && x->pairs[same] == y->pairs[same]) same++;
    struct labels rest_x = { x->labels.items + same, x->labels.count - same };
    struct labels rest_y = { y->labels.items + same, y->labels.count - same };
    return labels_compare(rest_x, rest_y);
}

static int match_blocks(struct cursor *cursor, const struct series_query *query,
                        struct error *error)
{
    for (size_t i = 0; i < cursor->merge.count; i++) {
        struct merge_source *source = &cursor->merge.sources[i];
        if (source->block == NULL) continue;
        int code = check_deadline(cursor, error);
        if (code != 0) return code;
        struct index index = block_index(source->block);
        index.clock = cursor->db->options.clock;
        index.deadline_ns = cursor->deadline_ns;
        code =
            match(&index, query->matchers, query->matcher_count, &cursor->scratch, &source->series);
        if (code == ERROR_LIMIT) return merge_no_room(error);
        if (code == ERROR_TIMEOUT) return cursor_late(error);
        if (code == 0 && query->match_max > 0 && source->series.count > query->match_max) {
            return error_set(error, -EAGAIN, "more than %zu series", query->match_max);
        }
        if (code != 0) {
            return error_set(error, code, "block '%s': postings are damaged", source->block->path);
        }
    }
    return 0;
}

/* Everything that happens under the mutex, so that it is one moment. */
static int take_snapshot(struct cursor *cursor, const struct series_query *query)
{
    struct tsdb *db = cursor->db;
    mutex_lock(&db->mutex);
    if (!cursor->is_counted) db->cursors++;
    cursor->is_counted = true;
    int code = cursor_take_blocks_locked(cursor);
    if (code == 0) {
        /* The head is the last source: its samples are the newest. */
        code = take_head_locked(cursor, query, &cursor->merge.sources[cursor->merge.count]);
        if (code == 0) code = take_names_locked(cursor);
        cursor->merge.count++;
    }
    mutex_unlock(&db->mutex);
    return code;
}

static int cursor_fill(struct cursor *cursor, const struct series_query *query, struct error *error)
{
    int code = cursor_try_patterns(cursor, query);
    if (code == 0) code = take_snapshot(cursor, query);
    if (code == ERROR_LIMIT) return merge_no_room(error);
    if (code == ERROR_TIMEOUT) return cursor_late(error);
    if (code == -EAGAIN) {
        return error_set(error, code, "more than %zu series", query->match_max);
    }
    if (code != 0) return error_set(error, code, "no memory for a query");
    struct merge_source *source = &cursor->merge.sources[cursor->merge.count - 1];
    if (make_labels(cursor, source) != 0) return merge_no_room(error);
    if (source->hit_count > 1) {
        qsort(source->hits, source->hit_count, sizeof(source->hits[0]), by_labels);
    }
    code = match_blocks(cursor, query, error);
    return code == 0 ? merge_start(&cursor->merge, error) : code;
}

struct cursor *cursor_new(struct tsdb *db, const struct series_query *query, struct arena *arena)
{
    struct cursor *cursor = calloc(1, sizeof(*cursor));
    if (cursor == NULL) return NULL;
    cursor->base.next = cursor_next;
    cursor->base.close = cursor_close;
    cursor->db = db;
    cursor->deadline_ns = query->deadline_ns;
    cursor->series_max = query->series_max;
    cursor->merge.start_ms = query->start_ms;
    cursor->merge.end_ms = query->end_ms;
    cursor->merge.want = query->want;
    cursor->merge.reuses_columns = query->reuses_columns;
    cursor->merge.ignores_values = query->ignores_values;
    cursor->merge.arena = arena;
    arena_init_within(&cursor->scratch, CURSOR_SCRATCH_MAX, arena->budget);
    return cursor;
}

int tsdb_select(void *state, const struct series_query *query, struct arena *arena,
                struct series_cursor **cursor_out, struct error *error)
{
    struct cursor *cursor = cursor_new(state, query, arena);
    if (cursor == NULL) return error_set(error, -ENOMEM, "no memory for a query");
    int code = cursor_fill(cursor, query, error);
    if (code != 0) {
        cursor_free(cursor);
        return code;
    }
    *cursor_out = &cursor->base;
    return 0;
}
