/* foreign_read.c - reads a block of Prometheus.
 *
 * The index is mapped and walked from its first series to its last: they stand one behind the
 * other at multiples of 16 bytes, in the order of their labels. Numbers are high byte first.
 */
#include "base/check.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tsdb/foreign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAGIC     0xBAAAD700u
#define CHUNKS_MAGIC    0x85BD40DDu
#define TOMBSTONE_MAGIC 0x0130BA30u

enum {
    INDEX_VERSION = 2,
    TOC_ENTRIES = 6,
    TOC_SIZE = TOC_ENTRIES * 8 + 4,
    SEGMENTS_MAX = 4096,
    SERIES_ALIGNMENT = 16,
    LABELS_MAX = 4096,
    CHUNK_HEADER_SIZE = 8,
};

struct mapped {
    const void *data;
    size_t size;
};

/* A deleted range of a series, which is named by its place in the index. */
struct foreign_tombstone {
    uint64_t series;
    int64_t min_time_ms;
    int64_t max_time_ms;
};

struct foreign_block {
    const struct disk *disk;
    char path[FILE_PATH_SIZE];
    struct mapped index;
    VEC(struct mapped) segments;
    VEC(struct str) symbols;
    VEC(struct foreign_tombstone) tombstones;
    size_t series_at;
    size_t series_end;
};

static uint32_t read32(const void *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap32(number);
}

static uint64_t read64(const void *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap64(number);
}

static int corrupt(const struct foreign_block *block, const char *what, struct error *error)
{
    return error_set(error, ERROR_CORRUPT, "block '%s': %s", block->path, what);
}

static int map(const struct foreign_block *block, const char *name, struct mapped *mapped,
               struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = file_join(path, block->path, name, error);
    if (code == 0) code = block->disk->map(block->disk->state, path, &mapped->data, &mapped->size);
    if (code == -ENOENT) return code;
    if (code < 0 && code != ERROR_LIMIT) {
        return error_set(error, code, "open '%s': %s", path, strerrordesc_np(-code));
    }
    return code;
}

static int open_segments(struct foreign_block *block, struct error *error)
{
    for (unsigned i = 1; i <= SEGMENTS_MAX; i++) {
        char name[32];
        struct mapped segment;
        (void)snprintf(name, sizeof(name), "chunks/%06u", i);
        int code = map(block, name, &segment, error);
        if (code == -ENOENT) break;
        if (code != 0) return code;
        if (!VEC_PUSH(&block->segments, segment)) {
            block->disk->unmap(block->disk->state, segment.data, segment.size);
            return error_set(error, -ENOMEM, "no memory to read '%s'", block->path);
        }
        const char *bytes = segment.data;
        if (segment.size < CHUNK_HEADER_SIZE || read32(bytes) != CHUNKS_MAGIC || bytes[4] != 1) {
            return error_set(error, ERROR_CORRUPT, "block '%s': '%s' is no file of chunks",
                             block->path, name);
        }
    }
    return 0;
}

static struct str index_part(const struct foreign_block *block, uint64_t from, uint64_t size)
{
    if (from > block->index.size || size > block->index.size - from) return (struct str){ 0 };
    return (struct str){ (const char *)block->index.data + from, (size_t)size };
}

static int read_symbols(struct foreign_block *block, uint64_t at, struct error *error)
{
    struct str head = index_part(block, at, 8);
    if (head.data == NULL) return corrupt(block, "symbols lie outside", error);
    uint32_t size = read32(head.data);
    uint32_t count = read32(head.data + 4);
    struct str rest = index_part(block, at + 4, (uint64_t)size + 4);
    if (rest.data == NULL || size < 4 || crc32c(rest.data, size) != read32(rest.data + size)) {
        return corrupt(block, "checksum of the symbols", error);
    }
    rest = (struct str){ rest.data + 4, size - 4 };
    if (count > rest.size) return corrupt(block, "symbols are cut", error);
    if (!VEC_RESERVE(&block->symbols, (size_t)count + 1)) {
        return error_set(error, -ENOMEM, "no memory to read '%s'", block->path);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct str text;
        if (!varint_take_bytes(&rest, &text)) return corrupt(block, "symbols are cut", error);
        block->symbols.items[block->symbols.count++] = text;
    }
    return 0;
}

static int read_index(struct foreign_block *block, struct error *error)
{
    const char *bytes = block->index.data;
    if (block->index.size < 5 + TOC_SIZE || read32(bytes) != INDEX_MAGIC) {
        return corrupt(block, "'index' is no index", error);
    }
    if (bytes[4] != INDEX_VERSION) {
        return error_set(error, ERROR_UNSUPPORTED, "block '%s': index version %d, known is %d",
                         block->path, bytes[4], INDEX_VERSION);
    }
    const char *toc = bytes + block->index.size - TOC_SIZE;
    if (crc32c(toc, TOC_SIZE - 4) != read32(toc + TOC_SIZE - 4)) {
        return corrupt(block, "checksum of the table of contents", error);
    }
    uint64_t series = read64(toc + 8);
    uint64_t end = block->index.size - TOC_SIZE;
    for (size_t i = 0; i < TOC_ENTRIES; i++) {
        uint64_t at = read64(toc + i * 8);
        if (at > series && at < end) end = at;
    }
    if (series > end) return corrupt(block, "series lie outside", error);
    block->series_at = (size_t)series;
    block->series_end = (size_t)end;
    return read_symbols(block, read64(toc), error);
}

static int read_tombstones(struct foreign_block *block, struct error *error)
{
    struct mapped file;
    int code = map(block, "tombstones", &file, error);
    if (code == -ENOENT) return 0;
    if (code != 0) return code;
    const char *bytes = file.data;
    bool is_good = file.size >= 9 && read32(bytes) == TOMBSTONE_MAGIC && bytes[4] == 1 &&
                   crc32c(bytes + 4, file.size - 8) == read32(bytes + file.size - 4);
    struct str rest = is_good ? (struct str){ bytes + 5, file.size - 9 } : (struct str){ 0 };
    while (is_good && rest.size > 0) {
        struct foreign_tombstone tombstone;
        is_good = varint_take(&rest, &tombstone.series) &&
                  varint_take_signed(&rest, &tombstone.min_time_ms) &&
                  varint_take_signed(&rest, &tombstone.max_time_ms) &&
                  VEC_PUSH(&block->tombstones, tombstone);
    }
    block->disk->unmap(block->disk->state, file.data, file.size);
    return is_good ? 0 : corrupt(block, "'tombstones' is damaged", error);
}

int foreign_block_open(struct foreign_block **block_out, const struct disk *disk, const char *path,
                       struct error *error)
{
    struct foreign_block *block = calloc(1, sizeof(*block));
    if (block == NULL) return error_set(error, -ENOMEM, "no memory to read '%s'", path);
    block->disk = disk;
    int code = 0;
    if (!str_to_cstr(str_from(path), block->path, sizeof(block->path))) {
        code = error_set(error, ERROR_LIMIT, "path '%s' is too long", path);
    }
    if (code == 0) code = map(block, "index", &block->index, error);
    if (code == -ENOENT) {
        (void)error_set(error, code, "'%s' is no block of Prometheus: it has no index", path);
    }
    if (code == 0) code = read_index(block, error);
    if (code == 0) code = open_segments(block, error);
    if (code == 0) code = read_tombstones(block, error);
    if (code != 0) {
        foreign_block_close(block);
        return code;
    }
    *block_out = block;
    return 0;
}

void foreign_block_close(struct foreign_block *block)
{
    if (block == NULL) return;
    if (block->index.data != NULL) {
        block->disk->unmap(block->disk->state, block->index.data, block->index.size);
    }
    for (size_t i = 0; i < block->segments.count; i++) {
        block->disk->unmap(block->disk->state, block->segments.items[i].data,
                           block->segments.items[i].size);
    }
    VEC_RELEASE(&block->segments);
    VEC_RELEASE(&block->symbols);
    VEC_RELEASE(&block->tombstones);
    free(block);
}

static int read_labels(const struct foreign_block *block, struct str *rest, struct arena *arena,
                       struct labels *labels, struct error *error)
{
    uint64_t count;
    if (!varint_take(rest, &count) || count > LABELS_MAX) {
        return corrupt(block, "labels of a series", error);
    }
    struct label *items = ARENA_ARRAY(arena, struct label, count + 1);
    if (items == NULL) return error_set(error, ERROR_LIMIT, "no memory for a series");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t name;
        uint64_t value;
        if (!varint_take(rest, &name) || !varint_take(rest, &value) ||
            name >= block->symbols.count || value >= block->symbols.count) {
            return corrupt(block, "labels of a series", error);
        }
        items[i].name = block->symbols.items[name];
        items[i].value = block->symbols.items[value];
        bool is_good = items[i].name.size > 0 && items[i].value.size > 0 &&
                       (i == 0 || str_compare(items[i - 1].name, items[i].name) < 0);
        if (!is_good) return corrupt(block, "labels are empty, doubled or not in order", error);
    }
    *labels = (struct labels){ items, (size_t)count };
    return 0;
}

static int read_chunk(const struct foreign_block *block, uint64_t reference, struct arena *arena,
                      struct foreign_samples *samples, struct error *error)
{
    uint64_t segment = reference >> 32;
    size_t offset = (size_t)(reference & UINT32_MAX);
    uint64_t size;
    if (segment >= block->segments.count || offset > block->segments.items[segment].size) {
        return corrupt(block, "a chunk lies outside", error);
    }
    struct str rest = { (const char *)block->segments.items[segment].data + offset,
                        block->segments.items[segment].size - offset };
    if (!varint_take(&rest, &size) || rest.size < 5 || size > rest.size - 5) {
        return corrupt(block, "a chunk is cut", error);
    }
    if (crc32c(rest.data, (size_t)size + 1) != read32(rest.data + size + 1)) {
        return corrupt(block, "checksum of a chunk", error);
    }
    struct str data = { rest.data + 1, (size_t)size };
    int code = foreign_chunk_decode((unsigned char)rest.data[0], data, arena, samples, error);
    return code == 0 ? 0 : error_wrap(error, code, "block '%s'", block->path);
}

static int read_chunks(const struct foreign_block *block, struct str rest, struct arena *arena,
                       struct foreign_samples *samples, struct error *error)
{
    uint64_t count;
    if (!varint_take(&rest, &count)) return corrupt(block, "chunks of a series", error);
    uint64_t reference = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number;
        int64_t step;
        bool is_good;
        if (i == 0) {
            is_good = varint_take_signed(&rest, &step) && varint_take(&rest, &number) &&
                      varint_take(&rest, &reference);
        } else {
            is_good = varint_take(&rest, &number) && varint_take(&rest, &number) &&
                      varint_take_signed(&rest, &step);
            reference += is_good ? (uint64_t)step : 0;
        }
        if (!is_good) return corrupt(block, "chunks of a series", error);
        int code = read_chunk(block, reference, arena, samples, error);
        if (code != 0) return code;
    }
    return 0;
}

static bool is_deleted(const struct foreign_block *block, uint64_t series, int64_t time_ms)
{
    for (size_t i = 0; i < block->tombstones.count; i++) {
        const struct foreign_tombstone *tombstone = &block->tombstones.items[i];
        if (tombstone->series == series && time_ms >= tombstone->min_time_ms &&
            time_ms <= tombstone->max_time_ms) {
            return true;
        }
    }
    return false;
}

static void drop_deleted(const struct foreign_block *block, uint64_t series,
                         struct foreign_samples *samples)
{
    size_t kept = 0;
    for (size_t i = 0; block->tombstones.count > 0 && i < samples->count; i++) {
        if (is_deleted(block, series, samples->items[i].time_ms)) continue;
        samples->items[kept++] = samples->items[i];
    }
    if (block->tombstones.count > 0) samples->count = kept;
}

static int by_time(const void *a, const void *b)
{
    const struct foreign_sample *x = a;
    const struct foreign_sample *y = b;
    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

/* Chunks of a series may overlap where samples came out of order. */
static void put_in_order(struct foreign_samples *samples)
{
    bool is_sorted = true;
    for (size_t i = 1; i < samples->count && is_sorted; i++) {
        is_sorted = samples->items[i].time_ms > samples->items[i - 1].time_ms;
    }
    if (is_sorted) return;
    qsort(samples->items, samples->count, sizeof(samples->items[0]), by_time);
    size_t kept = 1;
    for (size_t i = 1; i < samples->count; i++) {
        if (samples->items[i].time_ms == samples->items[kept - 1].time_ms) continue;
        samples->items[kept++] = samples->items[i];
    }
    samples->count = kept;
}

int foreign_block_next(struct foreign_block *block, struct arena *arena, struct labels *labels,
                       struct foreign_samples *samples, struct error *error)
{
    size_t at = (block->series_at + SERIES_ALIGNMENT - 1) / SERIES_ALIGNMENT * SERIES_ALIGNMENT;
    if (at >= block->series_end) return 0;
    uint64_t size;
    struct str rest = { (const char *)block->index.data + at, block->series_end - at };
    size_t before = rest.size;
    if (!varint_take(&rest, &size)) return corrupt(block, "a series is cut", error);
    if (size == 0) return 0; /* padding up to what follows */
    if (rest.size < 4 || size > rest.size - 4) return corrupt(block, "a series is cut", error);
    if (crc32c(rest.data, (size_t)size) != read32(rest.data + size)) {
        return corrupt(block, "checksum of a series", error);
    }
    block->series_at = at + (before - rest.size) + (size_t)size + 4;
    rest = str_first(rest, (size_t)size);
    samples->count = 0;
    int code = read_labels(block, &rest, arena, labels, error);
    if (code == 0) code = read_chunks(block, rest, arena, samples, error);
    if (code != 0) return code;
    drop_deleted(block, at / SERIES_ALIGNMENT, samples);
    put_in_order(samples);
    return 1;
}
