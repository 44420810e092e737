/* merge.c - walks series of several sources in the order of their labels. */
#include "tsdb/merge.h"

#include "base/check.h"
#include "tsdb/column.h"

#include <stdlib.h>
#include <string.h>

#define SCRATCH_SIZE_MAX (64 << 20)

int merge_no_room(struct error *error)
{
    return error_set(error, ERROR_LIMIT, "the query needs more memory than it may have");
}

static bool is_at_end(const struct merge_source *source)
{
    return source->at >= (source->block != NULL ? source->series.count : source->hit_count);
}

/* Labels of the series a source stands at. */
static int load(struct merge_source *source, struct error *error)
{
    if (is_at_end(source)) return 0;
    if (source->block == NULL) {
        source->labels = source->hits[source->at].labels;
        return 0;
    }
    arena_reset(&source->scratch);
    int code = block_series_labels(source->block, source->series.items[source->at],
                                   &source->scratch, &source->labels);
    if (code == ERROR_LIMIT) return merge_no_room(error);
    if (code != 0) {
        return error_set(error, code, "block '%s': labels of a series", source->block->path);
    }
    return 0;
}

int merge_start(struct merge *merge, struct error *error)
{
    for (size_t i = 0; i < merge->count; i++) {
        arena_init(&merge->sources[i].scratch, SCRATCH_SIZE_MAX);
    }
    for (size_t i = 0; i < merge->count; i++) {
        int code = load(&merge->sources[i], error);
        if (code != 0) return code;
    }
    return 0;
}

void merge_release(struct merge *merge)
{
    for (size_t i = 0; i < merge->count; i++) arena_release(&merge->sources[i].scratch);
    chunk_memory_release(&merge->memory);
}

/* Finds the sources that stand at the series with the least labels; NULL at the end. */
static const struct merge_source *match_sources(struct merge *merge)
{
    const struct merge_source *least = NULL;
    size_t first = 0;
    for (size_t i = 0; i < merge->count; i++) {
        struct merge_source *source = &merge->sources[i];
        source->is_matched = false;
        if (is_at_end(source)) continue;
        int order = least == NULL ? -1 : labels_compare(source->labels, least->labels);
        source->is_matched = order <= 0;
        if (order >= 0) continue;
        for (size_t k = first; k < i; k++) merge->sources[k].is_matched = false;
        first = i;
        least = source;
    }
    return least;
}

/* What is collected of one series. */
struct gathering {
    struct arena *arena;
    int64_t *times;
    double *values;
    const struct histogram **histograms; /* NULL until there is one; then capacity of them */
    int64_t *starts;                     /* the same */
    size_t count;
    size_t capacity;
    bool is_mixed; /* a part does not lie behind the one before it: times must be sorted */
};

/* To be called when a part, whose own times rise, stands at `from`. */
static void note_part(struct gathering *gathering, size_t from)
{
    if (from > 0 && from < gathering->count &&
        gathering->times[from] <= gathering->times[from - 1]) {
        gathering->is_mixed = true;
    }
}

/* Arrays that most series never need, made at the first need of one. */
static bool reserve_extras(struct gathering *gathering)
{
    if (gathering->histograms != NULL) return true;
    gathering->histograms =
        ARENA_ARRAY(gathering->arena, const struct histogram *, gathering->capacity);
    gathering->starts = ARENA_ARRAY(gathering->arena, int64_t, gathering->capacity);
    return gathering->histograms != NULL && gathering->starts != NULL;
}

static bool move_extras(struct gathering *gathering, size_t capacity)
{
    if (gathering->histograms == NULL) return true;
    const struct histogram **histograms =
        ARENA_ARRAY(gathering->arena, const struct histogram *, capacity);
    int64_t *starts = ARENA_ARRAY(gathering->arena, int64_t, capacity);
    if (histograms == NULL || starts == NULL) return false;
    memcpy(histograms, gathering->histograms, gathering->count * sizeof(histograms[0]));
    memcpy(starts, gathering->starts, gathering->count * sizeof(starts[0]));
    gathering->histograms = histograms;
    gathering->starts = starts;
    return true;
}

static bool reserve(struct gathering *gathering, size_t more)
{
    if (more <= gathering->capacity - gathering->count) return true;
    size_t capacity = gathering->count + more;
    if (gathering->count > 0 || gathering->capacity > 0) capacity += capacity / 2;
    int64_t *times = ARENA_ARRAY(gathering->arena, int64_t, capacity);
    double *values = ARENA_ARRAY(gathering->arena, double, capacity);
    if (times == NULL || values == NULL || !move_extras(gathering, capacity)) return false;
    if (gathering->count > 0) {
        memcpy(times, gathering->times, gathering->count * sizeof(times[0]));
        memcpy(values, gathering->values, gathering->count * sizeof(values[0]));
    }
    gathering->times = times;
    gathering->values = values;
    gathering->capacity = capacity;
    return true;
}

static void keep_sample(struct gathering *gathering, size_t to, size_t from)
{
    gathering->times[to] = gathering->times[from];
    gathering->values[to] = gathering->values[from];
    if (gathering->histograms == NULL) return;
    gathering->histograms[to] = gathering->histograms[from];
    gathering->starts[to] = gathering->starts[from];
}

/* Places that become free have no extras. */
static void truncate_samples(struct gathering *gathering, size_t count)
{
    for (size_t i = count; gathering->histograms != NULL && i < gathering->count; i++) {
        gathering->histograms[i] = NULL;
        gathering->starts[i] = 0;
    }
    gathering->count = count;
}

/* Gives the samples from `from` on, whose times rise, what they have besides their values. */
static bool join_extras(struct gathering *gathering, size_t from, const struct extra *extras,
                        size_t count)
{
    size_t at = 0;
    if (count > 0 && !reserve_extras(gathering)) return false;
    for (size_t i = from; i < gathering->count && at < count; i++) {
        while (at < count && extras[at].time_ms < gathering->times[i]) at++;
        if (at == count || extras[at].time_ms != gathering->times[i]) continue;
        gathering->starts[i] = extras[at].start_ms;
        if (extras[at].histogram == NULL) continue;
        extras[at].histogram->sum = gathering->values[i];
        gathering->histograms[i] = extras[at].histogram;
    }
    return true;
}

/* Without its histogram a sample's value would be taken for a float: both are passed over. */
static void drop_span(struct gathering *gathering, size_t from, int64_t min_ms, int64_t max_ms)
{
    size_t kept = from;
    for (size_t i = from; i < gathering->count; i++) {
        if (gathering->times[i] >= min_ms && gathering->times[i] <= max_ms) continue;
        keep_sample(gathering, kept++, i);
    }
    truncate_samples(gathering, kept);
}

/* The first tombstone of the series or of a later one. */
static size_t find_tombstone(const struct merge_source *source, uint32_t series)
{
    size_t low = 0;
    size_t high = source->tombstone_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->tombstones[middle].series < series) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_deleted(const struct merge_source *source, size_t first, uint32_t series,
                       int64_t time_ms)
{
    for (size_t i = first; i < source->tombstone_count; i++) {
        const struct tombstone *tombstone = &source->tombstones[i];
        if (tombstone->series != series) return false;
        if (time_ms >= tombstone->min_time_ms && time_ms <= tombstone->max_time_ms) return true;
    }
    return false;
}

static void drop_deleted(const struct merge_source *source, uint32_t series,
                         struct gathering *gathering, size_t from)
{
    size_t first = find_tombstone(source, series);
    if (first == source->tombstone_count || source->tombstones[first].series != series) return;
    size_t kept = from;
    for (size_t i = from; i < gathering->count; i++) {
        if (is_deleted(source, first, series, gathering->times[i])) continue;
        keep_sample(gathering, kept++, i);
    }
    truncate_samples(gathering, kept);
}

/* First index whose time is not below time_ms. */
static size_t lower_bound(const int64_t *times, size_t count, int64_t time_ms)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times[middle] < time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* A chunk that is in the range whole is decoded into the result; of others the part that is. */
struct chunk_view {
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint32_t count;
    const struct block_chunk *chunk;
    const struct merge_piece *piece;
};

static bool is_inside(const struct merge *merge, const struct chunk_view *view)
{
    return view->min_time_ms >= merge->start_ms && view->max_time_ms <= merge->end_ms;
}

/* About how many samples of a chunk are in the range. */
static size_t expected_count(const struct merge *merge, const struct chunk_view *view)
{
    if (is_inside(merge, view)) return view->count;
    int64_t from = view->min_time_ms > merge->start_ms ? view->min_time_ms : merge->start_ms;
    int64_t to = view->max_time_ms < merge->end_ms ? view->max_time_ms : merge->end_ms;
    double span = (double)view->max_time_ms - (double)view->min_time_ms + 1;
    double part = ((double)to - (double)from + 1) / span;
    return part > 0 ? (size_t)(part * view->count) + 2 : 0;
}

/* The whole of it. */
static bool decode(struct merge *merge, const struct chunk_view *view, int64_t *times,
                   double *values)
{
    if (view->chunk != NULL) {
        return chunk_decode(&merge->memory, view->chunk, times, values);
    }
    const struct merge_piece *piece = view->piece;
    if (piece->times != NULL) {
        memcpy(times, piece->times, piece->count * sizeof(times[0]));
        memcpy(values, piece->values, piece->count * sizeof(values[0]));
        return true;
    }
    struct str rest = piece->bytes;
    CHECK(column_decode_numbers(&rest, times, piece->count));
    CHECK(column_decode_values(&rest, values, piece->count));
    return true;
}

static int add_part(struct gathering *gathering, const int64_t *times, const double *values,
                    size_t count)
{
    if (count == 0) return 0;
    if (!reserve(gathering, count)) return ERROR_LIMIT;
    memcpy(gathering->times + gathering->count, times, count * sizeof(times[0]));
    memcpy(gathering->values + gathering->count, values, count * sizeof(values[0]));
    gathering->count += count;
    note_part(gathering, gathering->count - count);
    return 0;
}

/* What of a block's chunk is in the range: the times tell how many of the newest values that are,
 * and those alone are decoded. */
static int gather_part(struct merge *merge, const struct block_chunk *chunk,
                       struct gathering *gathering)
{
    const struct chunk_times *shared = chunk_take_times(&merge->memory, chunk);
    if (shared == NULL) {
        merge->damaged++;
        return 0;
    }
    size_t first = lower_bound(shared->times, chunk->count, merge->start_ms);
    size_t end = merge->end_ms == INT64_MAX
                     ? chunk->count
                     : lower_bound(shared->times, chunk->count, merge->end_ms + 1);
    if (end <= first) return 0;
    double values[BLOCK_CHUNK_LIMIT];
    if (!chunk_take_values(&merge->memory, chunk, shared, values, chunk->count - first)) {
        merge->damaged++;
        return 0;
    }
    return add_part(gathering, shared->times + first, values, end - first);
}

static int gather_chunk(struct merge *merge, const struct chunk_view *view,
                        struct gathering *gathering)
{
    if (is_inside(merge, view)) {
        if (!reserve(gathering, view->count)) return ERROR_LIMIT;
        if (decode(merge, view, gathering->times + gathering->count,
                   gathering->values + gathering->count)) {
            gathering->count += view->count;
            note_part(gathering, gathering->count - view->count);
        } else {
            merge->damaged++;
        }
        return 0;
    }
    if (view->chunk != NULL) return gather_part(merge, view->chunk, gathering);
    int64_t times[BLOCK_CHUNK_LIMIT];
    double values[BLOCK_CHUNK_LIMIT];
    CHECK(view->count <= BLOCK_CHUNK_LIMIT);
    if (!decode(merge, view, times, values)) {
        merge->damaged++;
        return 0;
    }
    size_t first = lower_bound(times, view->count, merge->start_ms);
    size_t end = first;
    while (end < view->count && times[end] <= merge->end_ms) end++;
    return add_part(gathering, times + first, values + first, end - first);
}

static int join_block_extras(struct merge *merge, struct merge_source *source, uint32_t series,
                             struct gathering *gathering, size_t from)
{
    struct block_extras *groups;
    size_t count;
    int code = block_series_extras(source->block, series, merge->start_ms, merge->end_ms,
                                   &source->scratch, &groups, &count);
    if (code == ERROR_CORRUPT) {
        merge->damaged++;
        gathering->count = from;
        return 0;
    }
    for (size_t i = 0; i < count && code == 0; i++) {
        struct extra extras[EXTRA_GROUP_MAX];
        code = block_extras_decode(&groups[i], gathering->arena, extras);
        if (code == ERROR_CORRUPT) {
            merge->damaged++;
            drop_span(gathering, from, groups[i].min_time_ms, groups[i].max_time_ms);
            code = 0;
        } else if (code == 0 && !join_extras(gathering, from, extras, groups[i].count)) {
            code = ERROR_LIMIT;
        }
    }
    return code;
}

static int gather_block(struct merge *merge, struct merge_source *source,
                        struct gathering *gathering)
{
    uint32_t series = source->series.items[source->at];
    struct block_chunk *chunks;
    size_t count;
    int code = block_series_chunks(source->block, series, merge->start_ms, merge->end_ms,
                                   &source->scratch, &chunks, &count);
    if (code == ERROR_CORRUPT) {
        merge->damaged++;
        return 0;
    }
    if (code != 0) return code;
    size_t total = 0;
    size_t from = gathering->count;
    for (size_t i = 0; i < count; i++) {
        struct chunk_view view = { chunks[i].min_time_ms, chunks[i].max_time_ms, chunks[i].count,
                                   &chunks[i], NULL };
        total += expected_count(merge, &view);
    }
    if (!reserve(gathering, total)) return ERROR_LIMIT;
    for (size_t i = 0; i < count && code == 0; i++) {
        struct chunk_view view = { chunks[i].min_time_ms, chunks[i].max_time_ms, chunks[i].count,
                                   &chunks[i], NULL };
        code = gather_chunk(merge, &view, gathering);
    }
    if (code == 0) code = join_block_extras(merge, source, series, gathering, from);
    drop_deleted(source, series, gathering, from);
    return code;
}

static int join_hit_extras(struct gathering *gathering, size_t from,
                           const struct merge_extras *extras)
{
    for (; extras != NULL; extras = extras->next) {
        struct extra taken[EXTRA_GROUP_MAX];
        struct extra *items = extras->plain;
        if (items == NULL) {
            int code = extra_take_group(extras->bytes, extras->count, gathering->arena, taken);
            CHECK(code != ERROR_CORRUPT);
            if (code != 0) return code;
            items = taken;
        }
        if (!join_extras(gathering, from, items, extras->count)) return ERROR_LIMIT;
    }
    return 0;
}

static int gather_pieces(struct merge *merge, const struct merge_piece *pieces,
                         struct gathering *gathering)
{
    size_t total = 0;
    for (const struct merge_piece *piece = pieces; piece != NULL; piece = piece->next) {
        struct chunk_view view = { piece->min_time_ms, piece->max_time_ms, piece->count, NULL,
                                   piece };
        total += expected_count(merge, &view);
    }
    if (!reserve(gathering, total)) return ERROR_LIMIT;
    int code = 0;
    for (const struct merge_piece *piece = pieces; piece != NULL && code == 0;
         piece = piece->next) {
        struct chunk_view view = { piece->min_time_ms, piece->max_time_ms, piece->count, NULL,
                                   piece };
        code = gather_chunk(merge, &view, gathering);
    }
    return code;
}

static int gather_hit(struct merge *merge, const struct merge_hit *hit, struct gathering *gathering)
{
    size_t from = gathering->count;
    int code = gather_pieces(merge, hit->pieces, gathering);
    if (code == 0 && hit->extras != NULL) code = join_hit_extras(gathering, from, hit->extras);
    if (code == 0 && hit->has_last) {
        if (!reserve(gathering, 1)) return ERROR_LIMIT;
        gathering->times[gathering->count] = hit->last_ms;
        gathering->values[gathering->count++] = hit->last_value;
        note_part(gathering, gathering->count - 1);
    }
    if (code != 0 || hit->late == NULL) return code;
    gathering->is_mixed = true;
    /* Late samples of before and after a cut overlap: each piece is joined by itself. */
    const struct merge_extras *extras = hit->late_extras;
    for (const struct merge_piece *piece = hit->late; piece != NULL && code == 0;
         piece = piece->next, extras = extras->next) {
        struct merge_piece alone = *piece;
        alone.next = NULL;
        from = gathering->count;
        code = gather_pieces(merge, &alone, gathering);
        if (code == 0 && !join_extras(gathering, from, extras->plain, extras->count)) {
            code = ERROR_LIMIT;
        }
    }
    return code;
}

/* A sample that may be the newest; of two of the same time the later call's wins, so sources are
 * asked from the last to the first. */
static void offer(struct gathering *gathering, int64_t time_ms, double value)
{
    if (gathering->count > 0 && gathering->times[0] > time_ms) return;
    gathering->times[0] = time_ms;
    gathering->values[0] = value;
    gathering->count = 1;
}

/* The value at the front, or any, as what is wanted allows. */
static bool take_newest(struct merge *merge, const struct block_chunk *chunk,
                        const struct chunk_times *times, double *values, size_t wanted)
{
    if (!merge->ignores_values || !column_is_long_and_finite(chunk->values)) {
        return chunk_take_values(&merge->memory, chunk, times, values, wanted);
    }
    values[0] = 0;
    return chunk_is_whole(chunk, times);
}

/* Of a block's chunk, where the newest values are had without the others. */
static bool offer_newest(struct merge *merge, const struct block_chunk *chunk,
                         struct gathering *gathering)
{
    double values[BLOCK_CHUNK_LIMIT];
    const struct chunk_times *shared = chunk_take_times(&merge->memory, chunk);
    size_t end = shared == NULL ? 0 : chunk->count;
    while (end > 0 && shared->times[end - 1] > merge->end_ms) end--;
    bool is_there = end > 0 && shared->times[end - 1] >= merge->start_ms;
    size_t wanted = chunk->count - end + 1;
    if (shared == NULL || (is_there && !take_newest(merge, chunk, shared, values, wanted))) {
        merge->damaged++;
        return false;
    }
    if (is_there) offer(gathering, shared->times[end - 1], values[0]);
    return is_there;
}

/* The newest sample of a chunk that is in the range. */
static bool offer_chunk(struct merge *merge, const struct chunk_view *view,
                        struct gathering *gathering)
{
    if (gathering->count > 0 && gathering->times[0] > view->max_time_ms) return true;
    if (view->chunk != NULL) return offer_newest(merge, view->chunk, gathering);
    int64_t times[BLOCK_CHUNK_LIMIT];
    double values[BLOCK_CHUNK_LIMIT];
    CHECK(view->count <= BLOCK_CHUNK_LIMIT);
    if (!decode(merge, view, times, values)) {
        merge->damaged++;
        return false;
    }
    size_t end = view->count;
    while (end > 0 && times[end - 1] > merge->end_ms) end--;
    if (end == 0 || times[end - 1] < merge->start_ms) return false;
    offer(gathering, times[end - 1], values[end - 1]);
    return true;
}

static int offer_block(struct merge *merge, struct merge_source *source,
                       struct gathering *gathering)
{
    struct block_chunk *chunks;
    size_t count;
    int code = block_series_chunks(source->block, source->series.items[source->at], merge->start_ms,
                                   merge->end_ms, &source->scratch, &chunks, &count);
    if (code == ERROR_CORRUPT) {
        merge->damaged++;
        return 0;
    }
    bool is_found = false;
    for (size_t i = code == 0 ? count : 0; i-- > 0 && !is_found;) {
        struct chunk_view view = { chunks[i].min_time_ms, chunks[i].max_time_ms, chunks[i].count,
                                   &chunks[i], NULL };
        is_found = offer_chunk(merge, &view, gathering);
    }
    return code;
}

static void offer_hit(struct merge *merge, const struct merge_hit *hit, struct gathering *gathering)
{
    if (hit->has_last) offer(gathering, hit->last_ms, hit->last_value);
    for (const struct merge_piece *piece = hit->pieces; piece != NULL; piece = piece->next) {
        struct chunk_view view = { piece->min_time_ms, piece->max_time_ms, piece->count, NULL,
                                   piece };
        (void)offer_chunk(merge, &view, gathering);
    }
}

struct order_entry {
    int64_t time_ms;
    size_t index;
};

static int by_time(const void *a, const void *b)
{
    const struct order_entry *x = a;
    const struct order_entry *y = b;
    if (x->time_ms != y->time_ms) return x->time_ms < y->time_ms ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Sorts by time and keeps the first of each; sources that overlap are rare. */
static int sort_samples(struct gathering *gathering)
{
    if (!gathering->is_mixed) return 0;
    size_t count = gathering->count;
    struct order_entry *order = ARENA_ARRAY(gathering->arena, struct order_entry, count);
    struct gathering sorted = { .arena = gathering->arena, .capacity = count };
    sorted.times = ARENA_ARRAY(gathering->arena, int64_t, count);
    sorted.values = ARENA_ARRAY(gathering->arena, double, count);
    if (order == NULL || sorted.times == NULL || sorted.values == NULL) return ERROR_LIMIT;
    if (gathering->histograms != NULL && !reserve_extras(&sorted)) return ERROR_LIMIT;
    for (size_t i = 0; i < count; i++) order[i] = (struct order_entry){ gathering->times[i], i };
    qsort(order, count, sizeof(order[0]), by_time);
    for (size_t i = 0; i < count; i++) {
        size_t from = order[i].index;
        if (sorted.count > 0 && sorted.times[sorted.count - 1] == order[i].time_ms) continue;
        sorted.times[sorted.count] = order[i].time_ms;
        sorted.values[sorted.count] = gathering->values[from];
        if (sorted.histograms != NULL) {
            sorted.histograms[sorted.count] = gathering->histograms[from];
            sorted.starts[sorted.count] = gathering->starts[from];
        }
        sorted.count++;
    }
    *gathering = sorted;
    return 0;
}

/* Only what a series has is shown: most have neither histograms nor starts. */
static void fill_extras(const struct gathering *gathering, size_t first, size_t end,
                        struct series_columns *series)
{
    if (gathering->histograms == NULL) return;
    for (size_t i = first; i < end; i++) {
        if (gathering->histograms[i] != NULL) series->histograms = gathering->histograms + first;
        if (gathering->starts[i] != 0) series->starts_ms = gathering->starts + first;
    }
}

static void fill(const struct merge *merge, const struct gathering *gathering,
                 struct series_columns *series)
{
    size_t first = lower_bound(gathering->times, gathering->count, merge->start_ms);
    size_t end = merge->end_ms == INT64_MAX
                     ? gathering->count
                     : lower_bound(gathering->times, gathering->count, merge->end_ms + 1);
    if (end < first) end = first;
    series->count = end - first;
    series->times_ms = gathering->times == NULL ? NULL : gathering->times + first;
    series->values = gathering->values == NULL ? NULL : gathering->values + first;
    fill_extras(gathering, first, end, series);
}

/* Whether a block's series may have samples in the range: by the index alone. */
static int has_chunks(struct merge *merge, struct merge_source *source, bool *has)
{
    struct block_chunk *chunks;
    size_t count;
    int code = block_series_chunks(source->block, source->series.items[source->at], merge->start_ms,
                                   merge->end_ms, &source->scratch, &chunks, &count);
    if (code == ERROR_CORRUPT) return 0;
    if (code == 0 && count > 0) *has = true;
    return code;
}

/* Whether the newest sample can be had without all of the others. */
static bool is_plain(const struct merge_source *source)
{
    if (source->block == NULL) return !source->hits[source->at].is_whole;
    return source->tombstone_count == 0 && source->block->sections[BLOCK_EXTRAS].size == 0;
}

static int gather_source(struct merge *merge, struct merge_source *source,
                         struct gathering *gathering, bool *is_there)
{
    const struct merge_hit *hit = source->block == NULL ? &source->hits[source->at] : NULL;
    if (merge->want == SERIES_WANT_LABELS) {
        if (hit == NULL && source->tombstone_count == 0) return has_chunks(merge, source, is_there);
        *is_there = *is_there || hit != NULL; /* hits are of the range already */
        return hit != NULL ? 0 : gather_block(merge, source, gathering);
    }
    return hit != NULL ? gather_hit(merge, hit, gathering) : gather_block(merge, source, gathering);
}

/* The newest sample alone, when all sources that have the series are plain. */
static int gather_last(struct merge *merge, struct gathering *gathering, bool *is_done)
{
    for (size_t i = 0; i < merge->count; i++) {
        if (merge->sources[i].is_matched && !is_plain(&merge->sources[i])) return 0;
    }
    *is_done = true;
    if (!reserve(gathering, 1)) return ERROR_LIMIT;
    for (size_t i = merge->count; i-- > 0;) {
        struct merge_source *source = &merge->sources[i];
        if (!source->is_matched) continue;
        if (source->block == NULL) {
            offer_hit(merge, &source->hits[source->at], gathering);
        } else if (offer_block(merge, source, gathering) != 0) {
            return ERROR_LIMIT;
        }
    }
    return 0;
}

/* Takes the series from all sources that stand at it, and goes on in them. */
static int gather(struct merge *merge, struct gathering *gathering, bool *is_there,
                  struct error *error)
{
    bool is_done = false;
    int code = merge->want == SERIES_WANT_LAST ? gather_last(merge, gathering, &is_done) : 0;
    for (size_t i = 0; i < merge->count && code == 0 && !is_done; i++) {
        if (!merge->sources[i].is_matched) continue;
        code = gather_source(merge, &merge->sources[i], gathering, is_there);
    }
    if (code != 0) return merge_no_room(error);
    for (size_t i = 0; i < merge->count && code == 0; i++) {
        if (!merge->sources[i].is_matched) continue;
        merge->sources[i].at++;
        code = load(&merge->sources[i], error);
    }
    return code;
}

/* The labels' array goes to the result's memory: the source's is used again. */
static int keep_labels(struct merge *merge, const struct merge_source *source,
                       struct labels *labels)
{
    *labels = source->labels;
    if (source->block == NULL) return 0;
    struct label *items = ARENA_ARRAY(merge->arena, struct label, labels->count + 1);
    if (items == NULL) return ERROR_LIMIT;
    if (labels->count > 0) memcpy(items, labels->items, labels->count * sizeof(items[0]));
    labels->items = items;
    return 0;
}

static void keep_last(struct series_columns *series)
{
    size_t skipped = series->count - 1;
    series->times_ms += skipped;
    series->values += skipped;
    if (series->histograms != NULL) series->histograms += skipped;
    if (series->starts_ms != NULL) series->starts_ms += skipped;
    series->count = 1;
}

int merge_next(struct merge *merge, struct series_columns *series, struct error *error)
{
    for (;;) {
        const struct merge_source *least = match_sources(merge);
        if (least == NULL) return 0;
        struct series_columns found = { 0 };
        if (keep_labels(merge, least, &found.labels) != 0) return merge_no_room(error);
        struct gathering gathering = { .arena = merge->arena };
        if (merge->reuses_columns) {
            gathering.times = merge->times;
            gathering.values = merge->values;
            gathering.capacity = merge->capacity;
        }
        bool is_there = false;
        int code = gather(merge, &gathering, &is_there, error);
        if (code == 0 && sort_samples(&gathering) != 0) code = merge_no_room(error);
        if (code != 0) return code;
        merge->times = gathering.times;
        merge->values = gathering.values;
        merge->capacity = gathering.capacity;
        fill(merge, &gathering, &found);
        if (found.count == 0 && !is_there) continue;
        if (merge->want == SERIES_WANT_LABELS) {
            found.count = 0;
            found.times_ms = NULL;
            found.values = NULL;
            found.histograms = NULL;
            found.starts_ms = NULL;
        }
        if (merge->want == SERIES_WANT_LAST && found.count > 1) keep_last(&found);
        *series = found;
        return 1;
    }
}
