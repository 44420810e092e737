/* side.c - histograms, start times and late samples of the series in memory. */
#include "tsdb/side.h"

#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_SIZE_LIMIT = 64 << 20 };

static struct str key_of(uint32_t number, char *bytes)
{
    fixed32_write(bytes, number);
    return (struct str){ bytes, 4 };
}

struct side *side_of(const struct head *head, const struct head_series *series)
{
    char key[4];
    if (!series->has_side) return NULL;
    return map_get(&head->sides, key_of(series->number, key));
}

static struct side *make_side(struct head *head, struct head_series *series)
{
    if (series->has_side) return side_of(head, series);
    char key[4];
    struct side *side = calloc(1, sizeof(*side));
    if (side == NULL) return NULL;
    if (map_put(&head->sides, key_of(series->number, key), side) != 0) {
        free(side);
        return NULL;
    }
    head->totals.series_size += sizeof(*side);
    series->has_side = true;
    return side;
}

/* Histograms that are kept count as bytes of samples. */
static void drop_histogram(struct head *head, struct histogram *histogram)
{
    if (histogram == NULL) return;
    head->totals.chunk_size -= extra_histogram_size(histogram);
    free(histogram);
}

static struct histogram *keep_histogram(struct head *head, const struct histogram *histogram)
{
    struct histogram *copy = extra_copy_histogram(histogram);
    if (copy != NULL) head->totals.chunk_size += extra_histogram_size(copy);
    return copy;
}

static struct side_group *open_group(struct head *head, struct side *side, int64_t time_ms)
{
    struct side_groups *groups = &side->active.groups;
    if (groups->count > 0) {
        struct side_group *last = &VEC_LAST(groups);
        if (last->count < EXTRA_GROUP_MAX && last->bytes.size < EXTRA_GROUP_SIZE_MAX) return last;
    }
    struct side_group fresh = { .min_time_ms = time_ms };
    buf_init(&fresh.bytes, GROUP_SIZE_LIMIT);
    if (!VEC_PUSH(groups, fresh)) return NULL;
    head->totals.chunk_size += sizeof(fresh);
    return &VEC_LAST(groups);
}

/* Lets the next entry lean on the histogram that the side keeps. */
static int keep_last(struct head *head, struct side *side, struct side_group *group,
                     const struct histogram *histogram)
{
    struct histogram *copy = keep_histogram(head, histogram);
    if (copy == NULL) return -ENOMEM;
    drop_histogram(head, side->last);
    side->last = copy;
    if (group != NULL) group->state.histogram = copy;
    return 0;
}

int side_note(struct head *head, struct head_series *series, const struct extra *extra)
{
    bool is_plain = extra->histogram == NULL && extra->start_ms == 0;
    if (is_plain && !series->has_side) return 0;
    struct side *side = make_side(head, series);
    if (side == NULL) return -ENOMEM;
    side->is_last_histogram = extra->histogram != NULL;
    if (is_plain) return 0;
    struct side_group *group = open_group(head, side, extra->time_ms);
    if (group == NULL) return -ENOMEM;
    size_t size = group->bytes.size;
    extra_put(&group->bytes, &group->state, extra);
    if (group->bytes.has_failed) return -ENOMEM;
    head->totals.chunk_size += group->bytes.size - size;
    group->count++;
    group->max_time_ms = extra->time_ms;
    return extra->histogram == NULL ? 0 : keep_last(head, side, group, extra->histogram);
}

int side_set_last(struct head *head, struct head_series *series, const struct histogram *histogram)
{
    struct side *side = make_side(head, series);
    if (side == NULL) return -ENOMEM;
    side->is_last_histogram = true;
    return keep_last(head, side, NULL, histogram);
}

/* Where a sample of that time stands or would. */
static size_t late_place(const struct side_samples *late, int64_t time_ms)
{
    size_t low = 0;
    size_t high = late->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (late->items[middle].extra.time_ms < time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct side_sample *side_find_late(const struct side_samples *late, int64_t time_ms)
{
    size_t at = late_place(late, time_ms);
    return at < late->count && late->items[at].extra.time_ms == time_ms ? &late->items[at] : NULL;
}

int side_add_late(struct head *head, struct head_series *series, double value,
                  const struct extra *extra, bool *is_added)
{
    struct side *side = make_side(head, series);
    *is_added = false;
    if (side == NULL) return -ENOMEM;
    struct side_samples *late = &side->active.late;
    if (side_find_late(late, extra->time_ms) != NULL) return 0;
    if (!VEC_RESERVE(late, 1)) return -ENOMEM;
    struct side_sample sample = { *extra, value };
    if (extra->histogram != NULL) {
        sample.extra.histogram = keep_histogram(head, extra->histogram);
        if (sample.extra.histogram == NULL) return -ENOMEM;
    }
    size_t at = late_place(late, extra->time_ms);
    memmove(&late->items[at + 1], &late->items[at], (late->count - at) * sizeof(late->items[0]));
    late->items[at] = sample;
    late->count++;
    head->totals.chunk_size += sizeof(sample);
    head->totals.sample_count++;
    *is_added = true;
    return 0;
}

bool side_data_is_empty(const struct side_data *data)
{
    return data->groups.count == 0 && data->late.count == 0;
}

void side_freeze(struct side *side)
{
    CHECK(side_data_is_empty(&side->frozen));
    side->frozen = side->active;
    side->active = (struct side_data){ 0 };
}

static void free_data(struct head *head, struct side_data *data)
{
    for (size_t i = 0; i < data->groups.count; i++) {
        struct side_group *group = &data->groups.items[i];
        head->totals.chunk_size -= sizeof(*group) + group->bytes.size;
        buf_release(&group->bytes);
    }
    VEC_RELEASE(&data->groups);
    for (size_t i = 0; i < data->late.count; i++) {
        drop_histogram(head, data->late.items[i].extra.histogram);
    }
    head->totals.chunk_size -= data->late.count * sizeof(data->late.items[0]);
    head->totals.sample_count -= data->late.count;
    VEC_RELEASE(&data->late);
}

void side_thaw(struct head *head, struct side *side)
{
    free_data(head, &side->frozen);
}

static void free_side(struct head *head, struct side *side)
{
    free_data(head, &side->active);
    free_data(head, &side->frozen);
    drop_histogram(head, side->last);
    head->totals.series_size -= sizeof(*side);
    free(side);
}

void side_remove(struct head *head, struct head_series *series)
{
    char key[4];
    if (!series->has_side) return;
    struct side *side = map_remove(&head->sides, key_of(series->number, key));
    series->has_side = false;
    if (side != NULL) free_side(head, side);
}

int side_renumber(struct head *head, struct head_series *series, uint32_t number)
{
    char key[4];
    if (!series->has_side) return 0;
    struct side *side = side_of(head, series);
    if (map_put(&head->sides, key_of(number, key), side) != 0) return -ENOMEM;
    (void)map_remove(&head->sides, key_of(series->number, key));
    return 0;
}

void side_release_all(struct head *head)
{
    size_t position = 0;
    struct str key;
    void *side;
    while (map_next(&head->sides, &position, &key, &side)) free_side(head, side);
    map_release(&head->sides);
}
