/* print.c - prints any file of the store for a person. */
#include "base/check.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tsdb/block.h"
#include "tsdb/chunk.h"
#include "tsdb/column.h"
#include "tsdb/db.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 65535 };

/* A batch's outline: how many series it defines, how many samples of which time. */
static bool print_payload(struct str payload, uint64_t offset, struct buf *buf)
{
    struct str rest = str_skip(payload, 1);
    uint64_t definitions;
    uint64_t samples;
    if (payload.data[0] != 1 || !varint_take(&rest, &definitions)) return false;
    buf_printf(buf, "%10" PRIu64 "  batch, %zu bytes, %" PRIu64 " new series", offset, payload.size,
               definitions);
    for (uint64_t i = 0; i < definitions; i++) {
        uint64_t number;
        uint64_t count;
        struct str text;
        if (!varint_take(&rest, &number) || !varint_take(&rest, &count)) return false;
        if (count > LABELS_MAX) return false;
        buf_printf(buf, "\n            series %" PRIu64 " {", number);
        for (uint64_t k = 0; k < count; k++) {
            if (!varint_take_bytes(&rest, &text)) return false;
            buf_printf(buf, "%s" STR_FMT "=", k > 0 ? ", " : "", STR_ARG(text));
            if (!varint_take_bytes(&rest, &text)) return false;
            buf_printf(buf, "\"" STR_FMT "\"", STR_ARG(text));
        }
        buf_append_char(buf, '}');
    }
    if (!varint_take(&rest, &samples) || samples > rest.size / 8) return false;
    buf_printf(buf, "%s%" PRIu64 " samples\n", definitions > 0 ? "\n            " : ", ", samples);
    return true;
}

static int print_segment(const char *path, struct str bytes, struct buf *buf, struct error *error)
{
    struct wal_reader reader;
    if (!wal_reader_init(&reader, bytes)) {
        return error_set(error, ERROR_CORRUPT, "log segment '%s': header is damaged", path);
    }
    buf_printf(buf, "log segment %" PRIu64 ", %zu bytes\n", reader.segment, bytes.size);
    if (reader.good_segment > 0) {
        buf_printf(buf, "of segment %" PRIu64 " the first %" PRIu64 " bytes count\n",
                   reader.good_segment, reader.good_size);
    }
    uint64_t records = 0;
    for (;;) {
        uint64_t offset = reader.offset;
        struct str payload;
        int code = wal_reader_next(&reader, &payload);
        if (code == 0) break;
        if (code < 0 || !print_payload(payload, offset, buf)) {
            buf_printf(buf, "%10" PRIu64 "  damaged\n", offset);
            return error_set(error, ERROR_CORRUPT, "log segment '%s': bad record at byte %" PRIu64,
                             path, offset);
        }
        records++;
    }
    buf_printf(buf, "%" PRIu64 " records, all whole\n", records);
    return 0;
}

static void print_block_index(const struct block *block, struct buf *buf)
{
    static const char *const sections[BLOCK_SECTION_COUNT] = {
        [BLOCK_DATA] = "data",         [BLOCK_SYMBOLS] = "symbols",  [BLOCK_SERIES] = "series",
        [BLOCK_OFFSETS] = "offsets",   [BLOCK_NAMES] = "names",      [BLOCK_PAIRS] = "pairs",
        [BLOCK_POSTINGS] = "postings", [BLOCK_META] = "description", [BLOCK_EXTRAS] = "extras",
        [BLOCK_TIMES] = "times",
    };
    const struct block_meta *meta = &block->meta;
    buf_printf(buf,
               "block %" PRIu64 ", %zu bytes\nlevel %" PRIu32 ", times %" PRId64 " to %" PRId64
               " ms, log up to segment %" PRIu64 "\n%" PRIu64 " series, %" PRIu64
               " samples, %" PRIu64 " chunks\n",
               meta->id, block->size, meta->level, meta->min_time_ms, meta->max_time_ms,
               meta->log_through, meta->series, meta->samples, meta->chunks);
    for (uint32_t i = 0; i < meta->replaces_count; i++) {
        buf_printf(buf, "replaces block %" PRIu64 "\n", meta->replaces[i]);
    }
    for (size_t i = 0; i < BLOCK_SECTION_COUNT; i++) {
        buf_printf(buf, "section %-12s %10zu bytes at %td\n", sections[i], block->sections[i].size,
                   block->sections[i].data - (const char *)block->bytes);
    }
    for (uint32_t i = 0; i < block->name_count; i++) {
        struct block_name name = block_name_at(block, i);
        buf_printf(buf, "label " STR_FMT ": %" PRIu32 " values\n", STR_ARG(name.text), name.count);
    }
}

static bool print_series(const struct block *block, uint32_t series, struct buf *buf)
{
    struct arena arena;
    arena_init(&arena, 16 << 20);
    struct labels labels;
    struct chunk_memory memory = { 0 };
    struct block_chunk *chunks = NULL;
    size_t count = 0;
    bool is_good =
        block_series_labels(block, series, &arena, &labels) == 0 &&
        block_series_chunks(block, series, INT64_MIN, INT64_MAX, &arena, &chunks, &count) == 0;
    if (is_good) {
        labels_print(buf, labels);
        buf_append_char(buf, '\n');
    }
    for (size_t i = 0; is_good && i < count; i++) {
        int64_t times[BLOCK_CHUNK_LIMIT];
        double values[BLOCK_CHUNK_LIMIT];
        bool is_whole = chunk_decode(&memory, &chunks[i], times, values);
        buf_printf(buf,
                   "    chunk of %" PRIu32 " samples, %" PRId64 " to %" PRId64
                   ", %zu bytes of times, %zu of values%s\n",
                   chunks[i].count, chunks[i].min_time_ms, chunks[i].max_time_ms,
                   chunks[i].times.size, chunks[i].values.size, is_whole ? "" : ", damaged");
        is_good = is_whole;
    }
    chunk_memory_release(&memory);
    arena_release(&arena);
    return is_good;
}

static void print_tombstones(const struct tombstones *tombstones, struct buf *buf)
{
    for (size_t i = 0; i < tombstones->count; i++) {
        const struct tombstone *tombstone = &tombstones->items[i];
        buf_printf(buf, "deleted in series %" PRIu32 ": %" PRId64 " to %" PRId64 "\n",
                   tombstone->series, tombstone->min_time_ms, tombstone->max_time_ms);
    }
}

static int print_deletions(const char *path, struct str bytes, struct buf *buf, struct error *error)
{
    struct tombstones tombstones = { 0 };
    uint64_t id = 0;
    bool is_good = tombstones_parse(bytes, &id, &tombstones);
    buf_printf(buf, "deletions in block %" PRIu64 "\n", id);
    print_tombstones(&tombstones, buf);
    VEC_RELEASE(&tombstones);
    return is_good ? 0 : error_set(error, ERROR_CORRUPT, "deletions '%s' are damaged", path);
}

static int print_block(const struct disk *disk, const char *path, struct buf *buf,
                       struct error *error)
{
    struct block *block;
    int code = block_open(&block, disk, path, error);
    if (code != 0) return code;
    code = block_read_tombstones(block, error);
    print_block_index(block, buf);
    print_tombstones(&block->tombstones, buf);
    for (uint32_t i = 0; i < block->meta.series; i++) {
        if (print_series(block, i, buf)) continue;
        code =
            error_set(error, ERROR_CORRUPT, "block '%s': series %" PRIu32 " is damaged", path, i);
    }
    if (code == 0) code = block_verify(block, error);
    block_free(block);
    return code;
}

static int print_series_file(const struct disk *disk, const char *path, struct buf *buf,
                             struct error *error)
{
    struct head head;
    int code = head_init(&head) == 0 ? 0 : error_set(error, ERROR_LIMIT, "no memory");
    if (code == 0) code = series_file_read(disk, path, &head, true, error);
    struct series_snapshot snapshot = { 0 };
    if (code == 0 && series_snapshot_take(&snapshot, &head) != 0) {
        code = error_set(error, -ENOMEM, "no memory to print '%s'", path);
    }
    for (size_t i = 0; i < snapshot.count; i++) {
        const struct head_series *series = snapshot.states[i].series;
        struct label *items = malloc((series->pair_count + 1u) * sizeof(items[0]));
        if (items == NULL) continue;
        head_labels(&head, series, items);
        buf_printf(buf, "series %" PRIu32 " ", series->number);
        labels_print(buf, (struct labels){ items, series->pair_count });
        if (series->last_ms != INT64_MIN) buf_printf(buf, " last at %" PRId64, series->last_ms);
        buf_append_char(buf, '\n');
        free(items);
    }
    series_snapshot_release(&snapshot);
    head_release(&head);
    return code;
}

static bool begins_with(struct str bytes, const char *magic)
{
    return str_starts_with(bytes, str_from(magic));
}

int tsdb_print_file(const struct disk *disk, const char *path, struct buf *buf, struct error *error)
{
    const void *mapped;
    size_t size;
    int code = disk->map(disk->state, path, &mapped, &size);
    if (code != 0) {
        return error_set(error, code, "open '%s': %s", path, strerrordesc_np(-code));
    }
    struct str bytes = { mapped, size };
    if (begins_with(bytes, "BGTSWAL1")) {
        code = print_segment(path, bytes, buf, error);
    } else if (begins_with(bytes, "BGTSBLK1")) {
        code = print_block(disk, path, buf, error);
    } else if (begins_with(bytes, "BGTSSER1") || begins_with(bytes, "BGTSSER2")) {
        code = print_series_file(disk, path, buf, error);
    } else if (begins_with(bytes, "BGTSDEL1")) {
        code = print_deletions(path, bytes, buf, error);
    } else if (begins_with(bytes, "BGTSWSH1")) {
        code = tsdb_print_deletion(bytes, buf, error);
    } else {
        code = error_set(error, ERROR_INVALID, "'%s' is no file of the time-series store", path);
    }
    disk->unmap(disk->state, mapped, size);
    return code;
}
