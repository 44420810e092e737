/* head_samples.c - the samples of a series in memory: a tail, and chunks.
 *
 * WHY      The newest samples stand plain in a short tail; a full tail becomes a chunk, and of four
 *          short chunks one is made: that costs two encodings a sample, and the cut makes long
 *          columns of all anyway.
 */
#include "tsdb/head_parts.h"

#include "base/check.h"
#include "tsdb/column.h"
#include "tsdb/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL_SIZE_MIN = 2, FETCH_SERIES = 12, FETCH_TAIL = 6, FETCH_LINE = 64 };

static size_t tail_size(const struct head_tail *tail)
{
    return sizeof(*tail) + tail->capacity * (sizeof(double) + sizeof(uint32_t));
}

void head_free_data(struct head *head, struct head_data *data)
{
    while (data->chunks != NULL) {
        struct head_chunk *older = data->chunks->older;
        head->totals.chunk_count--;
        head->totals.chunk_size -= sizeof(*older) + data->chunks->size;
        head->totals.sample_count -= data->chunks->count;
        free(data->chunks);
        data->chunks = older;
    }
    if (data->tail != NULL) {
        head->totals.chunk_size -= tail_size(data->tail);
        head->totals.sample_count -= data->tail->count;
    }
    free(data->tail);
    data->tail = NULL;
}

static uint32_t *tail_offsets(struct head_tail *tail)
{
    return (uint32_t *)(void *)(tail->values + tail->capacity);
}

/* The newest chunks that are short, when there are enough of them to be one with the tail. */
static size_t find_short(const struct head_data *data, struct head_chunk **found)
{
    size_t count = 0;
    struct head_chunk *chunk = data->chunks;
    for (; count < HEAD_SHORT_COUNT && chunk != NULL; chunk = chunk->older) {
        if (chunk->count >= HEAD_CHUNK_JOINED) break;
        found[count++] = chunk;
    }
    return count == HEAD_SHORT_COUNT ? count : 0;
}

static struct head_chunk *new_chunk(struct head *head, const int64_t *times, const double *values,
                                    size_t count)
{
    buf_reset(&head->scratch);
    column_encode_numbers(&head->scratch, times, count);
    column_encode_values(&head->scratch, values, count);
    if (head->scratch.has_failed) return NULL;
    struct head_chunk *chunk = malloc(sizeof(*chunk) + head->scratch.size);
    if (chunk == NULL) return NULL;
    *chunk = (struct head_chunk){
        .min_time_ms = times[0],
        .max_time_ms = times[count - 1],
        .count = (uint32_t)count,
        .size = (uint32_t)head->scratch.size,
    };
    memcpy(chunk->bytes, head->scratch.data, head->scratch.size);
    head->totals.chunk_size += sizeof(*chunk) + chunk->size;
    head->totals.chunk_count++;
    return chunk;
}

/* Makes a chunk of the tail, and of the short ones before it when they are enough. */
static int finish_tail(struct head *head, struct head_data *data)
{
    struct head_tail *tail = data->tail;
    int64_t times[HEAD_CHUNK_MAX];
    double values[HEAD_CHUNK_MAX];
    struct head_chunk *joined[HEAD_SHORT_COUNT];
    size_t joined_count = find_short(data, joined);
    size_t count = 0;
    for (size_t i = joined_count; i-- > 0; count += joined[i]->count) {
        struct str bytes = { (const char *)joined[i]->bytes, joined[i]->size };
        CHECK(count + joined[i]->count + HEAD_TAIL_MAX <= HEAD_CHUNK_MAX);
        CHECK(column_decode_numbers(&bytes, times + count, joined[i]->count));
        CHECK(column_decode_values(&bytes, values + count, joined[i]->count));
    }
    for (size_t i = 0; i < tail->count; i++) {
        times[count] = tail->base_ms + head_tail_offsets(tail)[i];
        values[count++] = tail->values[i];
    }
    struct head_chunk *chunk = new_chunk(head, times, values, count);
    if (chunk == NULL) return -ENOMEM;
    chunk->older = joined_count > 0 ? joined[joined_count - 1]->older : data->chunks;
    for (size_t i = 0; i < joined_count; i++) {
        head->totals.chunk_count--;
        head->totals.chunk_size -= sizeof(*chunk) + joined[i]->size;
        free(joined[i]);
    }
    data->chunks = chunk;
    tail->count = 0;
    return 0;
}

static struct head_tail *new_tail(struct head *head, struct head_tail *old, uint16_t capacity)
{
    struct head_tail *tail = malloc(sizeof(*tail) + capacity * (sizeof(double) + sizeof(uint32_t)));
    if (tail == NULL) return NULL;
    *tail = (struct head_tail){ .capacity = capacity };
    head->totals.chunk_size += tail_size(tail);
    if (old == NULL) return tail;
    tail->base_ms = old->base_ms;
    tail->count = old->count;
    memcpy(tail->values, old->values, old->count * sizeof(double));
    memcpy(tail_offsets(tail), head_tail_offsets(old), old->count * sizeof(uint32_t));
    head->totals.chunk_size -= tail_size(old);
    free(old);
    return tail;
}

/* A tail with room for one more sample of that time. */
static int make_room(struct head *head, struct head_data *data, int64_t time_ms)
{
    struct head_tail *tail = data->tail;
    if (tail != NULL && tail->count > 0) {
        uint64_t offset = (uint64_t)time_ms - (uint64_t)tail->base_ms;
        if (tail->count == HEAD_TAIL_MAX || offset > UINT32_MAX) {
            int code = finish_tail(head, data);
            if (code != 0) return code;
        }
    }
    if (tail == NULL || tail->count == tail->capacity) {
        tail = new_tail(head, tail, tail == NULL ? TAIL_SIZE_MIN : HEAD_TAIL_MAX);
        if (tail == NULL) return -ENOMEM;
        data->tail = tail;
    }
    if (tail->count == 0) tail->base_ms = time_ms;
    return 0;
}

int head_append(struct head *head, struct head_series *series, int64_t time_ms, double value,
                bool *is_added)
{
    *is_added = series->last_ms == INT64_MIN || time_ms > series->last_ms;
    if (!*is_added) return 0;
    int code = make_room(head, &series->active, time_ms);
    if (code != 0) return code;
    struct head_tail *tail = series->active.tail;
    tail_offsets(tail)[tail->count] = (uint32_t)((uint64_t)time_ms - (uint64_t)tail->base_ms);
    tail->values[tail->count++] = value;
    series->last_ms = time_ms;
    series->last_value = value;
    head->totals.sample_count++;
    if (time_ms < head->min_ms) head->min_ms = time_ms;
    if (time_ms > head->max_ms) head->max_ms = time_ms;
    return 0;
}

/* Whether as many samples as make a long chunk may be packed without going through the tail. */
static bool is_long(const int64_t *times, size_t count, int64_t last_ms)
{
    if (count < HEAD_CHUNK_JOINED || times[0] <= last_ms) return false;
    for (size_t i = 1; i < HEAD_CHUNK_JOINED; i++) {
        if (times[i] <= times[i - 1]) return false;
    }
    return true;
}

static int append_long(struct head *head, struct head_series *series, const int64_t *times,
                       const double *values)
{
    struct head_data *data = &series->active;
    if (data->tail != NULL && data->tail->count > 0) {
        int code = finish_tail(head, data);
        if (code != 0) return code;
    }
    struct head_chunk *chunk = new_chunk(head, times, values, HEAD_CHUNK_JOINED);
    if (chunk == NULL) return -ENOMEM;
    chunk->older = data->chunks;
    data->chunks = chunk;
    series->last_ms = times[HEAD_CHUNK_JOINED - 1];
    series->last_value = values[HEAD_CHUNK_JOINED - 1];
    head->totals.sample_count += HEAD_CHUNK_JOINED;
    if (times[0] < head->min_ms) head->min_ms = times[0];
    if (series->last_ms > head->max_ms) head->max_ms = series->last_ms;
    return 0;
}

size_t head_append_run(struct head *head, struct head_series *series, const int64_t *times,
                       const double *values, size_t count)
{
    size_t added = 0;
    if (series->active.tail == NULL && count > TAIL_SIZE_MIN && count < HEAD_CHUNK_JOINED) {
        series->active.tail = new_tail(head, NULL, HEAD_TAIL_MAX); /* it would have to grow */
    }
    for (size_t i = 0; i < count;) {
        const struct head_tail *tail = series->active.tail;
        bool is_at_end = tail == NULL || tail->count == 0 || tail->count == HEAD_TAIL_MAX;
        if (is_at_end && is_long(times + i, count - i, series->last_ms)) {
            if (append_long(head, series, times + i, values + i) != 0) break;
            added += HEAD_CHUNK_JOINED;
            i += HEAD_CHUNK_JOINED;
            continue;
        }
        bool is_added;
        if (head_append(head, series, times[i], values[i], &is_added) != 0) break;
        if (is_added) added++;
        i++;
    }
    return added;
}

static bool find_in_chunk(const struct head_chunk *chunk, int64_t time_ms, double *value)
{
    int64_t times[HEAD_CHUNK_MAX];
    double values[HEAD_CHUNK_MAX];
    struct str bytes = { (const char *)chunk->bytes, chunk->size };
    CHECK(column_decode_numbers(&bytes, times, chunk->count));
    CHECK(column_decode_values(&bytes, values, chunk->count));
    for (size_t i = 0; i < chunk->count; i++) {
        if (times[i] != time_ms) continue;
        *value = values[i];
        return true;
    }
    return false;
}

static bool find_in_data(const struct head_data *data, int64_t time_ms, double *value)
{
    const struct head_tail *tail = data->tail;
    for (size_t i = 0; tail != NULL && i < tail->count; i++) {
        if (tail->base_ms + head_tail_offsets(tail)[i] != time_ms) continue;
        *value = tail->values[i];
        return true;
    }
    for (const struct head_chunk *chunk = data->chunks; chunk != NULL; chunk = chunk->older) {
        if (chunk->max_time_ms < time_ms) return false;
        if (chunk->min_time_ms <= time_ms) return find_in_chunk(chunk, time_ms, value);
    }
    return false;
}

bool head_find_sample(const struct head_series *series, int64_t time_ms, double *value)
{
    return find_in_data(&series->active, time_ms, value) ||
           find_in_data(&series->frozen, time_ms, value);
}

bool head_has_samples(const struct head_data *data)
{
    return data->chunks != NULL || (data->tail != NULL && data->tail->count > 0);
}

bool head_has_frozen(const struct head_series *series)
{
    return head_has_samples(&series->frozen);
}

/* The part of a series that a cut needs, which is far away in memory. */
static void fetch(const struct head_series *series)
{
    if (series == NULL) return;
    __builtin_prefetch(series, 1);
    __builtin_prefetch((const char *)series + FETCH_LINE, 1);
}

int head_freeze(struct head *head, struct head_series ***items_out, size_t *count_out)
{
    VEC(struct head_series *) items = { 0 };
    if (!VEC_RESERVE(&items, head->totals.series_count + 1)) return -ENOMEM;
    for (size_t i = 0; i <= head->series_end / HEAD_PAGE_SIZE; i++) {
        if (head->series[i] == NULL) continue;
        for (size_t k = 0; k < HEAD_PAGE_SIZE; k++) {
            struct head_series *series = head->series[i][k];
            if (k + FETCH_SERIES < HEAD_PAGE_SIZE) fetch(head->series[i][k + FETCH_SERIES]);
            if (series == NULL) continue;
            struct side *side = side_of(head, series);
            bool has_late = side != NULL && side->active.late.count > 0;
            if (!head_has_samples(&series->active) && !has_late) continue;
            if (side != NULL) side_freeze(side);
            CHECK(series->frozen.chunks == NULL);
            CHECK(series->frozen.tail == NULL);
            series->frozen = series->active;
            series->active = (struct head_data){ 0 };
            items.items[items.count++] = series;
        }
    }
    head->min_ms = INT64_MAX;
    *items_out = items.items;
    *count_out = items.count;
    return 0;
}

void head_thaw(struct head *head, struct head_series **items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i + FETCH_SERIES < count) fetch(items[i + FETCH_SERIES]);
        if (i + FETCH_TAIL < count && items[i + FETCH_TAIL]->frozen.tail != NULL) {
            __builtin_prefetch((const char *)items[i + FETCH_TAIL]->frozen.tail, 1);
        }
        struct side *side = side_of(head, items[i]);
        head_free_data(head, &items[i]->frozen);
        if (side != NULL) side_thaw(head, side);
    }
}
