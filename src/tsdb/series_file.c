/* series_file.c - the series in memory at a cut: after it, the log before it is not needed.
 *
 * FORMAT   magic "BGTSSER2", CRC-32C u32 of all that follows, size of what is packed u64, then that
 *          as one frame of zstd (in "BGTSSER1" as it is, without the size): varints: one past the
 *          largest
 *          series number, newest time (zigzag); count of names, each with its length; count of
 *          pairs, each: name's index, value with its length; count of series, each: number (less
 *          the one before), last time (zigzag, less the newest time; or none: count of pairs is
 *          odd), last value (8 bytes), count of pairs * 2 + (no sample yet ? 1 : 0), their indexes;
 *          count of series whose last sample is a histogram, each: number, entry of extra.h.
 * WHY      With the last sample of every series the order of samples is judged after a restart as
 *          before it, though the samples themselves are in blocks.
 */
#include "base/check.h"
#include "base/map.h"
#include "codec/compress.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tsdb/db.h"
#include "tsdb/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_SIZE = 12,
    SIZE_SIZE = 8,
    PAIRS_MAX = 65535,
    PACK_LEVEL = 1,
    FETCH_SERIES = 12,
    GROUP_SIZE = 16
};

#define NO_PAIR UINT32_MAX

#define FILE_SIZE_MAX ((size_t)8 << 30)

static const char magic[8] = { 'B', 'G', 'T', 'S', 'S', 'E', 'R', '2' };
static const char plain_magic[8] = { 'B', 'G', 'T', 'S', 'S', 'E', 'R', '1' };

static int take_histogram(struct series_snapshot *snapshot, const struct head *head,
                          const struct head_series *series)
{
    const struct side *side = side_of(head, series);
    if (side == NULL || !side->is_last_histogram) return 0;
    struct series_histogram item = { series->number, extra_copy_histogram(side->last) };
    if (item.histogram == NULL) return -ENOMEM;
    if (VEC_PUSH(&snapshot->histograms, item)) return 0;
    free(item.histogram);
    return -ENOMEM;
}

int series_snapshot_take(struct series_snapshot *snapshot, const struct head *head)
{
    struct series_snapshot taken = { .series_end = head->series_end, .max_ms = head->max_ms };
    taken.states = malloc((head->totals.series_count + 1) * sizeof(taken.states[0]));
    taken.names = malloc((head->names.count + 1) * sizeof(taken.names[0]));
    if (taken.states == NULL || taken.names == NULL) {
        series_snapshot_release(&taken);
        return -ENOMEM;
    }
    int code = 0;
    for (size_t page = 0; page <= head->series_end / HEAD_PAGE_SIZE; page++) {
        if (head->series[page] == NULL) continue;
        for (size_t i = 0; i < HEAD_PAGE_SIZE && code == 0; i++) {
            struct head_series *series = head->series[page][i];
            const struct head_series *ahead =
                i + FETCH_SERIES < HEAD_PAGE_SIZE ? head->series[page][i + FETCH_SERIES] : NULL;
            if (ahead != NULL) __builtin_prefetch(&ahead->last_ms);
            if (series == NULL) continue;
            taken.states[taken.count++] =
                (struct series_state){ series, series->last_ms, series->last_value };
            if (series->has_side) code = take_histogram(&taken, head, series);
        }
    }
    if (code != 0) {
        series_snapshot_release(&taken);
        return code;
    }
    for (size_t i = 0; i < head->names.count; i++) taken.names[i] = head->names.items[i].text;
    taken.name_count = head->names.count;
    *snapshot = taken;
    return 0;
}

void series_snapshot_release(struct series_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->histograms.count; i++) {
        free(snapshot->histograms.items[i].histogram);
    }
    VEC_RELEASE(&snapshot->histograms);
    free(snapshot->states);
    free(snapshot->names);
    *snapshot = (struct series_snapshot){ 0 };
}

/* Numbers the pairs in use in the order of their first use; indexes has one entry a head pair. */
static bool put_pairs(struct buf *out, const struct head *head,
                      const struct series_snapshot *snapshot, uint32_t *indexes)
{
    struct buf pairs;
    buf_init(&pairs, FILE_SIZE_MAX);
    uint32_t count = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct head_series *series = snapshot->states[i].series;
        for (size_t k = 0; k < series->pair_count; k++) {
            uint32_t number = series->pairs[k];
            if (indexes[number] != 0) continue;
            indexes[number] = ++count;
            const struct head_pair *pair = head_pair_at(head, number);
            varint_append(&pairs, pair->name);
            varint_append_bytes(&pairs, head_pair_value(pair));
        }
    }
    varint_append(out, count);
    buf_append_str(out, buf_str(&pairs));
    bool is_good = !pairs.has_failed;
    buf_release(&pairs);
    return is_good;
}

static void put_series(struct buf *out, const struct series_snapshot *snapshot,
                       const uint32_t *indexes)
{
    varint_append(out, snapshot->count);
    uint32_t last = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct series_state *state = &snapshot->states[i];
        bool is_empty = state->last_ms == INT64_MIN;
        varint_append(out, state->series->number - last);
        last = state->series->number;
        varint_append(out, (uint64_t)state->series->pair_count * 2 + is_empty);
        if (!is_empty) {
            uint64_t age = (uint64_t)snapshot->max_ms - (uint64_t)state->last_ms;
            varint_append_signed(out, (int64_t)age);
            uint64_t bits;
            memcpy(&bits, &state->last_value, sizeof(bits));
            fixed64_append(out, bits);
        }
        for (size_t k = 0; k < state->series->pair_count; k++) {
            varint_append(out, indexes[state->series->pairs[k]] - 1);
        }
    }
}

static void put_histograms(struct buf *out, const struct series_snapshot *snapshot)
{
    varint_append(out, snapshot->histograms.count);
    for (size_t i = 0; i < snapshot->histograms.count; i++) {
        struct extra_state state = { 0 };
        struct extra extra = { .histogram = snapshot->histograms.items[i].histogram };
        varint_append(out, snapshot->histograms.items[i].number);
        extra_put(out, &state, &extra);
    }
}

uint32_t series_snapshot_pair_end(const struct series_snapshot *snapshot)
{
    uint32_t end = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct head_series *series = snapshot->states[i].series;
        for (size_t k = 0; k < series->pair_count; k++) {
            if (series->pairs[k] >= end) end = series->pairs[k] + 1;
        }
    }
    return end;
}

static int write_packed(const struct disk *disk, const char *path, struct str bytes,
                        struct error *error)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, FILE_SIZE_MAX);
    buf_append(&out, magic, sizeof(magic));
    fixed32_append(&out, 0);
    fixed64_append(&out, bytes.size);
    int code = zstd_pack(bytes, PACK_LEVEL, &out, error);
    if (code != 0) return error_wrap(error, code, "pack '%s'", path);
    if (out.has_failed) return error_set(error, -ENOMEM, "no memory to write '%s'", path);
    fixed32_write(out.data + 8, crc32c(out.data + HEADER_SIZE, out.size - HEADER_SIZE));
    return file_replace(disk, path, buf_str(&out), error);
}

int series_file_write(const struct disk *disk, const char *path, const struct head *head,
                      const struct series_snapshot *snapshot, struct error *error)
{
    uint32_t *indexes = calloc((size_t)series_snapshot_pair_end(snapshot) + 1, sizeof(indexes[0]));
    if (indexes == NULL) return error_set(error, -ENOMEM, "no memory to write '%s'", path);
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, FILE_SIZE_MAX);
    varint_append(&out, snapshot->series_end);
    varint_append_signed(&out, snapshot->max_ms);
    varint_append(&out, snapshot->name_count);
    for (size_t i = 0; i < snapshot->name_count; i++) {
        varint_append_bytes(&out, snapshot->names[i]);
    }
    bool is_good = put_pairs(&out, head, snapshot, indexes);
    put_series(&out, snapshot, indexes);
    put_histograms(&out, snapshot);
    free(indexes);
    if (!is_good || out.has_failed)
        return error_set(error, -ENOMEM, "no memory to write '%s'", path);
    return write_packed(disk, path, buf_str(&out), error);
}

struct reading {
    struct str rest;
    struct str *names;
    uint64_t name_count;
    struct label *pairs;
    uint32_t *numbers; /* of the pairs in the head; NO_PAIR: none of a series yet */
    uint64_t pair_count;
    int64_t max_ms;
    bool has_samples;
};

/* A series that was read; its pairs stand in a list of all of its group. */
struct entry {
    uint32_t number;
    uint32_t hash;
    size_t first;
    size_t count;
    bool is_empty; /* no sample yet */
    int64_t last_ms;
    double last_value;
};

static bool read_tables(struct reading *reading)
{
    if (!varint_take(&reading->rest, &reading->name_count)) return false;
    if (reading->name_count > reading->rest.size) return false;
    reading->names = calloc((size_t)reading->name_count + 1, sizeof(reading->names[0]));
    for (uint64_t i = 0; i < reading->name_count; i++) {
        if (reading->names == NULL) return false;
        if (!varint_take_bytes(&reading->rest, &reading->names[i])) return false;
    }
    if (!varint_take(&reading->rest, &reading->pair_count)) return false;
    if (reading->pair_count > reading->rest.size) return false;
    reading->pairs = calloc((size_t)reading->pair_count + 1, sizeof(reading->pairs[0]));
    for (uint64_t i = 0; i < reading->pair_count; i++) {
        uint64_t name;
        if (reading->pairs == NULL || !varint_take(&reading->rest, &name)) return false;
        if (name >= reading->name_count) return false;
        reading->pairs[i].name = reading->names[name];
        if (!varint_take_bytes(&reading->rest, &reading->pairs[i].value)) return false;
    }
    reading->numbers = malloc(((size_t)reading->pair_count + 1) * sizeof(reading->numbers[0]));
    if (reading->numbers == NULL) return false;
    for (uint64_t i = 0; i < reading->pair_count; i++) reading->numbers[i] = NO_PAIR;
    return true;
}

/* The pair's number in the head, where it is made with its first series. */
static uint32_t pair_of(struct reading *reading, struct head *head, uint64_t index)
{
    if (reading->numbers[index] == NO_PAIR) {
        reading->numbers[index] = head_make_pair(head, &reading->pairs[index]);
    }
    return reading->numbers[index];
}

static bool read_entry(struct reading *reading, struct head *head, uint64_t *number,
                       uint32_t *pairs, struct entry *entry)
{
    uint64_t step;
    uint64_t count;
    if (!varint_take(&reading->rest, &step) || !varint_take(&reading->rest, &count)) return false;
    entry->is_empty = count % 2 == 1;
    count /= 2;
    *number += step;
    if (*number == 0 || *number >= UINT32_MAX || count > PAIRS_MAX) return false;
    entry->number = (uint32_t)*number;
    entry->count = (size_t)count;
    int64_t age = 0;
    uint64_t bits = 0;
    if (!entry->is_empty &&
        (!varint_take_signed(&reading->rest, &age) || !fixed64_take(&reading->rest, &bits))) {
        return false;
    }
    entry->last_ms = (int64_t)((uint64_t)reading->max_ms - (uint64_t)age);
    memcpy(&entry->last_value, &bits, sizeof(bits));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index;
        if (!varint_take(&reading->rest, &index) || index >= reading->pair_count) return false;
        pairs[i] = pair_of(reading, head, index);
        if (pairs[i] == UINT32_MAX) return false;
    }
    entry->hash = head_hash_pairs(head, pairs, entry->count);
    head_fetch_hash(head, entry->hash);
    return true;
}

static bool make_series(const struct reading *reading, struct head *head, const uint32_t *pairs,
                        const struct entry *entry)
{
    if (head_series_at(head, entry->number) != NULL ||
        head_has_pairs(head, pairs, entry->count, entry->hash)) {
        return false;
    }
    struct head_series *series =
        head_create_pairs(head, pairs, entry->count, entry->hash, entry->number);
    if (series == NULL) return false;
    series->is_logged = true;
    if (entry->is_empty || !reading->has_samples) return true;
    series->last_ms = entry->last_ms;
    series->last_value = entry->last_value;
    return true;
}

/* Memory is far away: a group of series is read, then made. */
static bool read_group(struct reading *reading, struct head *head, uint64_t *number,
                       uint32_t *pairs, uint64_t *left)
{
    struct entry group[GROUP_SIZE];
    size_t count = 0;
    size_t first = 0;
    bool is_good = true;
    for (; count < GROUP_SIZE && count < *left && first <= PAIRS_MAX && is_good; count++) {
        group[count] = (struct entry){ .first = first };
        is_good = read_entry(reading, head, number, pairs + first, &group[count]);
        first += group[count].count;
    }
    if (!is_good) count--;
    *left -= count;
    for (size_t i = 0; i < count; i++) {
        if (!make_series(reading, head, pairs + group[i].first, &group[i])) return false;
    }
    return is_good;
}

static bool read_histogram(struct reading *reading, struct head *head, struct arena *arena)
{
    uint64_t number;
    struct extra_state state = { 0 };
    struct extra extra;
    if (!varint_take(&reading->rest, &number) || number == 0 || number >= UINT32_MAX) return false;
    if (extra_take(&reading->rest, &state, arena, &extra) != 0) return false;
    struct head_series *series = head_series_at(head, (uint32_t)number);
    if (series == NULL || extra.histogram == NULL) return false;
    extra.histogram->sum = series->last_value;
    return !reading->has_samples || side_set_last(head, series, extra.histogram) == 0;
}

static bool read_histograms(struct reading *reading, struct head *head)
{
    uint64_t count;
    if (!varint_take(&reading->rest, &count) || count > reading->rest.size) return false;
    struct arena arena;
    arena_init(&arena, FILE_SIZE_MAX);
    bool is_good = true;
    for (uint64_t i = 0; i < count && is_good; i++) {
        is_good = read_histogram(reading, head, &arena);
        arena_reset(&arena);
    }
    arena_release(&arena);
    return is_good && reading->rest.size == 0;
}

static bool read_all(struct reading *reading, struct head *head)
{
    uint64_t series_end;
    if (!varint_take(&reading->rest, &series_end) || series_end >= UINT32_MAX) return false;
    if (!varint_take_signed(&reading->rest, &reading->max_ms)) return false;
    if (!read_tables(reading)) return false;
    uint64_t count;
    if (!varint_take(&reading->rest, &count)) return false;
    uint32_t *pairs = malloc(2 * ((size_t)PAIRS_MAX + 1) * sizeof(pairs[0]));
    bool is_good = pairs != NULL && count <= reading->rest.size && head_reserve(head, count);
    uint64_t number = 0;
    while (count > 0 && is_good) is_good = read_group(reading, head, &number, pairs, &count);
    free(pairs);
    is_good = is_good && read_histograms(reading, head);
    if (series_end > head->series_end) head->series_end = (uint32_t)series_end;
    if (reading->has_samples && reading->max_ms > head->max_ms) head->max_ms = reading->max_ms;
    return is_good;
}

static bool take_payload(struct str all, struct buf *unpacked, struct str *payload)
{
    if (all.size <= HEADER_SIZE) return false;
    struct str rest = str_skip(all, HEADER_SIZE);
    if (fixed32_read(all.data + 8) != crc32c(rest.data, rest.size)) return false;
    if (memcmp(all.data, plain_magic, sizeof(plain_magic)) == 0) {
        *payload = rest;
        return true;
    }
    uint64_t size;
    if (memcmp(all.data, magic, sizeof(magic)) != 0 || !fixed64_take(&rest, &size)) return false;
    struct zstd_unpacker *zstd;
    if (size > FILE_SIZE_MAX || zstd_unpacker_new(&zstd, NULL) < 0) return false;
    bool is_good = zstd_unpacker_unpack(zstd, rest, (size_t)size, unpacked, NULL) == 0;
    zstd_unpacker_free(zstd);
    *payload = buf_str(unpacked);
    return is_good;
}

int series_file_read(const struct disk *disk, const char *path, struct head *head, bool has_samples,
                     struct error *error)
{
    const void *bytes;
    size_t size;
    int code = disk->map(disk->state, path, &bytes, &size);
    if (code != 0) return error_set(error, code, "read '%s': %s", path, strerrordesc_np(-code));
    CLEANUP(buf_release) struct buf unpacked;
    buf_init(&unpacked, FILE_SIZE_MAX);
    struct reading reading = { .has_samples = has_samples };
    bool is_good = take_payload((struct str){ bytes, size }, &unpacked, &reading.rest);
    if (is_good) {
        is_good = read_all(&reading, head);
        free(reading.names);
        free(reading.pairs);
        free(reading.numbers);
    }
    disk->unmap(disk->state, bytes, size);
    return is_good ? 0 : error_set(error, ERROR_CORRUPT, "series file '%s' is damaged", path);
}
