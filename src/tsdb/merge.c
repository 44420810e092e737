/* merge.c - walks series of several sources in the order of their labels. */
#include "tsdb/merge.h"

#include "base/check.h"
#include "tsdb/column.h"

#include <stdlib.h>
#include <string.h>

#define SCRATCH_SIZE_MAX (64 << 20)

static int no_room(struct error *error)
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
    if (code == ERROR_LIMIT) return no_room(error);
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
}

static const struct merge_source *least_source(const struct merge *merge)
{
    const struct merge_source *least = NULL;
    for (size_t i = 0; i < merge->count; i++) {
        const struct merge_source *source = &merge->sources[i];
        if (is_at_end(source)) continue;
        if (least == NULL || labels_compare(source->labels, least->labels) < 0) least = source;
    }
    return least;
}

/* What is collected of one series. */
struct gathering {
    struct arena *arena;
    int64_t *times;
    double *values;
    size_t count;
    size_t capacity;
};

static bool reserve(struct gathering *gathering, size_t more)
{
    if (more <= gathering->capacity - gathering->count) return true;
    size_t capacity = gathering->count + more;
    if (gathering->count > 0 || gathering->capacity > 0) capacity += capacity / 2;
    int64_t *times = ARENA_ARRAY(gathering->arena, int64_t, capacity);
    double *values = ARENA_ARRAY(gathering->arena, double, capacity);
    if (times == NULL || values == NULL) return false;
    if (gathering->count > 0) {
        memcpy(times, gathering->times, gathering->count * sizeof(times[0]));
        memcpy(values, gathering->values, gathering->count * sizeof(values[0]));
    }
    gathering->times = times;
    gathering->values = values;
    gathering->capacity = capacity;
    return true;
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
        gathering->times[kept] = gathering->times[i];
        gathering->values[kept++] = gathering->values[i];
    }
    gathering->count = kept;
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

static bool decode(const struct chunk_view *view, int64_t *times, double *values)
{
    if (view->chunk != NULL) return block_chunk_decode(view->chunk, times, values);
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

static int gather_chunk(struct merge *merge, const struct chunk_view *view,
                        struct gathering *gathering)
{
    if (is_inside(merge, view)) {
        if (!reserve(gathering, view->count)) return ERROR_LIMIT;
        if (decode(view, gathering->times + gathering->count,
                   gathering->values + gathering->count)) {
            gathering->count += view->count;
        } else {
            merge->damaged++;
        }
        return 0;
    }
    int64_t times[BLOCK_CHUNK_LIMIT];
    double values[BLOCK_CHUNK_LIMIT];
    if (!decode(view, times, values)) {
        merge->damaged++;
        return 0;
    }
    size_t first = lower_bound(times, view->count, merge->start_ms);
    size_t end = first;
    while (end < view->count && times[end] <= merge->end_ms) end++;
    if (end == first) return 0;
    if (!reserve(gathering, end - first)) return ERROR_LIMIT;
    memcpy(gathering->times + gathering->count, times + first, (end - first) * sizeof(times[0]));
    memcpy(gathering->values + gathering->count, values + first, (end - first) * sizeof(values[0]));
    gathering->count += end - first;
    return 0;
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
    drop_deleted(source, series, gathering, from);
    return code;
}

static int gather_hit(struct merge *merge, const struct merge_hit *hit, struct gathering *gathering)
{
    size_t total = 0;
    for (const struct merge_piece *piece = hit->pieces; piece != NULL; piece = piece->next) {
        struct chunk_view view = { piece->min_time_ms, piece->max_time_ms, piece->count, NULL,
                                   piece };
        total += expected_count(merge, &view);
    }
    if (!reserve(gathering, total)) return ERROR_LIMIT;
    int code = 0;
    for (const struct merge_piece *piece = hit->pieces; piece != NULL && code == 0;
         piece = piece->next) {
        struct chunk_view view = { piece->min_time_ms, piece->max_time_ms, piece->count, NULL,
                                   piece };
        code = gather_chunk(merge, &view, gathering);
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

/* The newest sample of a chunk that is in the range. */
static bool offer_chunk(struct merge *merge, const struct chunk_view *view,
                        struct gathering *gathering)
{
    if (gathering->count > 0 && gathering->times[0] > view->max_time_ms) return true;
    int64_t times[BLOCK_CHUNK_LIMIT];
    double values[BLOCK_CHUNK_LIMIT];
    if (!decode(view, times, values)) {
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

/* The same of a block with deletions: the newest of what is left. */
static int offer_left(struct merge *merge, struct merge_source *source, struct gathering *gathering)
{
    struct gathering all = { .arena = &source->scratch };
    int code = gather_block(merge, source, &all);
    if (code == 0 && all.count > 0) {
        offer(gathering, all.times[all.count - 1], all.values[all.count - 1]);
    }
    return code;
}

static int offer_hit(struct merge *merge, const struct merge_hit *hit, struct gathering *gathering)
{
    if (hit->has_last) offer(gathering, hit->last_ms, hit->last_value);
    for (const struct merge_piece *piece = hit->pieces; piece != NULL; piece = piece->next) {
        struct chunk_view view = { piece->min_time_ms, piece->max_time_ms, piece->count, NULL,
                                   piece };
        (void)offer_chunk(merge, &view, gathering);
    }
    return 0;
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
    bool is_sorted = true;
    for (size_t i = 1; i < gathering->count && is_sorted; i++) {
        is_sorted = gathering->times[i] > gathering->times[i - 1];
    }
    if (is_sorted) return 0;
    size_t count = gathering->count;
    struct order_entry *order = ARENA_ARRAY(gathering->arena, struct order_entry, count);
    double *values = ARENA_ARRAY(gathering->arena, double, count);
    if (order == NULL || values == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < count; i++) order[i] = (struct order_entry){ gathering->times[i], i };
    qsort(order, count, sizeof(order[0]), by_time);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && gathering->times[kept - 1] == order[i].time_ms) continue;
        gathering->times[kept] = order[i].time_ms;
        values[kept++] = gathering->values[order[i].index];
    }
    gathering->values = values;
    gathering->count = kept;
    gathering->capacity = count;
    return 0;
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

static int gather_source(struct merge *merge, struct merge_source *source,
                         struct gathering *gathering, bool *is_there)
{
    const struct merge_hit *hit = source->block == NULL ? &source->hits[source->at] : NULL;
    switch (merge->want) {
    case SERIES_WANT_LAST:
        if (hit != NULL) return offer_hit(merge, hit, gathering);
        if (source->tombstone_count > 0) return offer_left(merge, source, gathering);
        return offer_block(merge, source, gathering);
    case SERIES_WANT_LABELS:
        if (hit == NULL && source->tombstone_count == 0) return has_chunks(merge, source, is_there);
        *is_there = *is_there || hit != NULL; /* hits are of the range already */
        return hit != NULL ? 0 : gather_block(merge, source, gathering);
    case SERIES_WANT_SAMPLES:
        if (hit != NULL) return gather_hit(merge, hit, gathering);
        return gather_block(merge, source, gathering);
    }
    CHECK(false);
    return ERROR_CORRUPT;
}

/* Takes the series with the least labels from all sources that have it. */
static int gather(struct merge *merge, const struct merge_source *least, struct labels labels,
                  struct gathering *gathering, bool *is_there, struct error *error)
{
    bool wants_last = merge->want == SERIES_WANT_LAST;
    if (wants_last && !reserve(gathering, 1)) return no_room(error);
    for (size_t i = 0; i < merge->count; i++) {
        struct merge_source *source = &merge->sources[wants_last ? merge->count - 1 - i : i];
        if (is_at_end(source)) continue;
        if (source != least && !labels_equal(source->labels, labels)) continue;
        if (gather_source(merge, source, gathering, is_there) != 0) return no_room(error);
        source->at++;
        int code = load(source, error);
        if (code != 0) return code;
    }
    return 0;
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

int merge_next(struct merge *merge, struct series_columns *series, struct error *error)
{
    for (;;) {
        const struct merge_source *least = least_source(merge);
        if (least == NULL) return 0;
        struct series_columns found = { 0 };
        if (keep_labels(merge, least, &found.labels) != 0) return no_room(error);
        struct gathering gathering = { .arena = merge->arena };
        if (merge->reuses_columns) {
            gathering.times = merge->times;
            gathering.values = merge->values;
            gathering.capacity = merge->capacity;
        }
        bool is_there = false;
        int code = gather(merge, least, found.labels, &gathering, &is_there, error);
        if (code == 0 && sort_samples(&gathering) != 0) code = no_room(error);
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
        }
        *series = found;
        return 1;
    }
}
