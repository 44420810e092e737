/* block.c - reads a block: opens the mapped file, finds series and pairs, decodes chunks. */
#include "tsdb/block.h"

#include "base/check.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tsdb/column.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERIES_LABELS_MAX = 4096,
    TOMBSTONES_MAX = 1 << 24,
    TOMBSTONE_SIZE = 20,
    TABLE_ENTRY_SIZE = 12, /* of names and pairs */
    META_SIZE = 64,
    EXTRAS_ENTRY_SIZE = 40,
};

static const char tombstones_magic[8] = { 'B', 'G', 'T', 'S', 'D', 'E', 'L', '1' };

static int corrupt(struct error *error, const char *path, const char *what)
{
    return error_set(error, ERROR_CORRUPT, "block '%s': %s", path, what);
}

static int read_header(struct block *block, struct error *error)
{
    const char *bytes = block->bytes;
    if (block->size < BLOCK_HEADER_SIZE + BLOCK_FOOTER_SIZE) {
        return corrupt(error, block->path, "too short");
    }
    if (memcmp(bytes, block_magic, sizeof(block_magic)) != 0) {
        return corrupt(error, block->path, "does not begin as a block does");
    }
    if (crc32c(bytes, 60) != fixed32_read(bytes + 60)) {
        return corrupt(error, block->path, "checksum of the header");
    }
    uint32_t version = fixed32_read(bytes + 8);
    if (version < BLOCK_VERSION_MIN || version > BLOCK_VERSION) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "block '%s' has format %u, this program knows %d to %d", block->path,
                         version, BLOCK_VERSION_MIN, BLOCK_VERSION);
    }
    const char *footer = bytes + block->size - BLOCK_FOOTER_SIZE;
    const char *end = footer + BLOCK_FOOTER_SIZE - 16;
    if (memcmp(end + 8, block_footer_magic, sizeof(block_footer_magic)) != 0) {
        return corrupt(error, block->path, "does not end as a block does");
    }
    if (crc32c(footer, BLOCK_FOOTER_SIZE - 12) != fixed32_read(end + 4)) {
        return corrupt(error, block->path, "checksum of the footer");
    }
    for (size_t i = 0; i < BLOCK_SECTION_COUNT; i++) {
        uint64_t offset = fixed64_read(footer + i * 24);
        uint64_t size = fixed64_read(footer + i * 24 + 8);
        if (offset > block->size || size > block->size - offset) {
            return corrupt(error, block->path, "a section lies outside");
        }
        block->sections[i] = (struct str){ bytes + offset, (size_t)size };
    }
    return 0;
}

static uint32_t section_sum(const struct block *block, size_t section)
{
    const char *footer = (const char *)block->bytes + block->size - BLOCK_FOOTER_SIZE;
    return fixed32_read(footer + section * 24 + 16);
}

static int verify_section(const struct block *block, size_t section, struct error *error)
{
    struct str bytes = block->sections[section];
    if (crc32c(bytes.data, bytes.size) == section_sum(block, section)) return 0;
    return error_set(error, ERROR_CORRUPT, "block '%s': checksum of section %zu", block->path,
                     section);
}

int block_verify(const struct block *block, struct error *error)
{
    for (size_t i = 0; i < BLOCK_SECTION_COUNT; i++) {
        int code = verify_section(block, i, error);
        if (code != 0) return code;
    }
    return 0;
}

static int read_meta(struct block *block, struct error *error)
{
    struct str rest = block->sections[BLOCK_META];
    struct block_meta *meta = &block->meta;
    if (rest.size < META_SIZE) return corrupt(error, block->path, "description is too short");
    const char *bytes = rest.data;
    meta->id = fixed64_read(bytes);
    meta->log_through = fixed64_read(bytes + 8);
    meta->min_time_ms = (int64_t)fixed64_read(bytes + 16);
    meta->max_time_ms = (int64_t)fixed64_read(bytes + 24);
    meta->series = fixed64_read(bytes + 32);
    meta->samples = fixed64_read(bytes + 40);
    meta->chunks = fixed64_read(bytes + 48);
    meta->level = fixed32_read(bytes + 56);
    meta->replaces_count = fixed32_read(bytes + 60);
    if (meta->replaces_count > BLOCK_REPLACES_MAX ||
        rest.size != META_SIZE + meta->replaces_count * sizeof(uint64_t)) {
        return corrupt(error, block->path, "description has the wrong size");
    }
    for (uint32_t i = 0; i < meta->replaces_count; i++) {
        block->replaces[i] = fixed64_read(bytes + META_SIZE + i * 8);
    }
    meta->replaces = block->replaces;
    return 0;
}

/* Sizes and numbers agree, so that lookups need no checks but of what they decode. */
static int read_index(struct block *block, struct error *error)
{
    struct str symbols = block->sections[BLOCK_SYMBOLS];
    if (symbols.size < 8) return corrupt(error, block->path, "symbols are too short");
    block->symbol_count = fixed32_read(symbols.data);
    uint64_t table = 4 + ((uint64_t)block->symbol_count + 1) * 4;
    if (symbols.size < table) return corrupt(error, block->path, "symbols are too short");
    uint32_t last = 0;
    for (uint32_t i = 0; i <= block->symbol_count; i++) {
        uint32_t offset = fixed32_read(symbols.data + 4 + (size_t)i * 4);
        if (offset < last) return corrupt(error, block->path, "symbols are not in order");
        last = offset;
    }
    if (last != symbols.size - table) return corrupt(error, block->path, "symbols end early");
    if (block->sections[BLOCK_OFFSETS].size != block->meta.series * 4) {
        return corrupt(error, block->path, "number of series");
    }
    if (block->sections[BLOCK_EXTRAS].size % EXTRAS_ENTRY_SIZE != 0) {
        return corrupt(error, block->path, "groups of extras");
    }
    block->name_count = (uint32_t)(block->sections[BLOCK_NAMES].size / TABLE_ENTRY_SIZE);
    block->pair_count = (uint32_t)(block->sections[BLOCK_PAIRS].size / TABLE_ENTRY_SIZE);
    block->times_count = (uint32_t)(block->sections[BLOCK_TIMES].size / BLOCK_TIMES_SIZE);
    for (uint32_t i = 0; i < block->name_count; i++) {
        const char *entry = block->sections[BLOCK_NAMES].data + (size_t)i * TABLE_ENTRY_SIZE;
        uint64_t end = (uint64_t)fixed32_read(entry + 4) + fixed32_read(entry + 8);
        if (fixed32_read(entry) >= block->symbol_count || end > block->pair_count) {
            return corrupt(error, block->path, "label names");
        }
    }
    for (uint32_t i = 0; i < block->pair_count; i++) {
        const char *entry = block->sections[BLOCK_PAIRS].data + (size_t)i * TABLE_ENTRY_SIZE;
        if (fixed32_read(entry) >= block->symbol_count) {
            return corrupt(error, block->path, "label values");
        }
    }
    return 0;
}

int block_open(struct block **block_out, const struct disk *disk, const char *path,
               struct error *error)
{
    struct block *block = calloc(1, sizeof(*block));
    if (block == NULL) return error_set(error, -ENOMEM, "no memory for block '%s'", path);
    block->disk = disk;
    block->references = 1;
    block->path = str_copy(str_from(path));
    int code = block->path == NULL ? -ENOMEM : 0;
    if (code == 0) code = disk->map(disk->state, path, &block->bytes, &block->size);
    if (code != 0) {
        free(block->path);
        free(block);
        return error_set(error, code, "open block '%s': %s", path, strerrordesc_np(-code));
    }
    code = read_header(block, error);
    for (size_t i = BLOCK_DATA + 1; i < BLOCK_SECTION_COUNT && code == 0; i++) {
        code = verify_section(block, i, error);
    }
    if (code == 0) code = read_meta(block, error);
    if (code == 0) code = read_index(block, error);
    if (code != 0) {
        block_free(block);
        return code;
    }
    block_unload(block); /* all of the index was looked at */
    *block_out = block;
    return 0;
}

void block_unload(const struct block *block)
{
    resident_forget(&block->resident);
    block->disk->unload(block->disk->state, block->bytes, block->size);
}

void block_free(struct block *block)
{
    if (block == NULL) return;
    block->disk->unmap(block->disk->state, block->bytes, block->size);
    resident_release(&block->resident);
    VEC_RELEASE(&block->tombstones);
    free(block->path);
    free(block);
}

static bool symbol_at(const struct block *block, uint64_t number, struct str *text)
{
    if (number >= block->symbol_count) return false;
    const char *table = block->sections[BLOCK_SYMBOLS].data + 4;
    const char *bytes = table + ((size_t)block->symbol_count + 1) * 4;
    uint32_t start = fixed32_read(table + number * 4);
    *text = (struct str){ bytes + start, fixed32_read(table + number * 4 + 4) - start };
    return true;
}

static bool series_record(const struct block *block, uint32_t series, struct str *rest)
{
    if (series >= block->meta.series) return false;
    uint32_t offset = fixed32_read(block->sections[BLOCK_OFFSETS].data + (size_t)series * 4);
    struct str all = block->sections[BLOCK_SERIES];
    if (offset > all.size) return false;
    *rest = str_skip(all, offset);
    return true;
}

int block_series_labels(const struct block *block, uint32_t series, struct arena *arena,
                        struct labels *labels)
{
    struct str rest;
    uint64_t count;
    if (!series_record(block, series, &rest) || !varint_take(&rest, &count)) return ERROR_CORRUPT;
    if (count > SERIES_LABELS_MAX) return ERROR_CORRUPT;
    struct label *items = ARENA_ARRAY(arena, struct label, count + 1);
    if (items == NULL) return ERROR_LIMIT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t name;
        uint64_t value;
        if (!varint_take(&rest, &name) || !varint_take(&rest, &value)) return ERROR_CORRUPT;
        if (!symbol_at(block, name, &items[i].name)) return ERROR_CORRUPT;
        if (!symbol_at(block, value, &items[i].value)) return ERROR_CORRUPT;
    }
    *labels = (struct labels){ items, (size_t)count };
    return 0;
}

static bool skip_labels(struct str *rest)
{
    uint64_t count;
    uint64_t number;
    if (!varint_take(rest, &count)) return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!varint_take(rest, &number) || !varint_take(rest, &number)) return false;
    }
    return true;
}

static bool span_at(const struct block *block, uint64_t offset, uint64_t size, struct str *span)
{
    if (offset > block->size || size > block->size - offset) return false;
    *span = (struct str){ (const char *)block->bytes + offset, (size_t)size };
    return true;
}

/* `offset` is where the chunk's values stand, and then those of the next. */
static bool take_chunk(const struct block *block, struct str *rest, uint64_t *offset,
                       struct block_chunk *chunk)
{
    uint64_t times;
    uint64_t size;
    if (!varint_take(rest, &times) || times >= block->times_count) return false;
    if (!varint_take(rest, &size) || !fixed32_take(rest, &chunk->sum)) return false;
    const char *entry = block->sections[BLOCK_TIMES].data + (size_t)times * BLOCK_TIMES_SIZE;
    chunk->min_time_ms = (int64_t)fixed64_read(entry);
    chunk->max_time_ms = (int64_t)fixed64_read(entry + 8);
    chunk->count = fixed32_read(entry + 28);
    if (chunk->count == 0 || chunk->count > BLOCK_CHUNK_LIMIT) return false;
    if (chunk->max_time_ms < chunk->min_time_ms) return false;
    if (!span_at(block, fixed64_read(entry + 16), fixed32_read(entry + 24), &chunk->times)) {
        return false;
    }
    if (!span_at(block, *offset, size, &chunk->values)) return false;
    *offset += size;
    return true;
}

int block_series_chunks(const struct block *block, uint32_t series, int64_t start_ms,
                        int64_t end_ms, struct arena *arena, struct block_chunk **chunks_out,
                        size_t *count_out)
{
    struct str rest;
    uint64_t count;
    if (!series_record(block, series, &rest) || !skip_labels(&rest)) return ERROR_CORRUPT;
    uint64_t offset;
    if (!varint_take(&rest, &count) || count > rest.size) return ERROR_CORRUPT;
    if (!varint_take(&rest, &offset)) return ERROR_CORRUPT;
    struct block_chunk *chunks = ARENA_ARRAY(arena, struct block_chunk, count + 1);
    if (chunks == NULL) return ERROR_LIMIT;
    size_t found = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct block_chunk *chunk = &chunks[found];
        if (!take_chunk(block, &rest, &offset, chunk)) return ERROR_CORRUPT;
        chunk->series = series;
        chunk->place = (uint32_t)i;
        chunk->block = block;
        if (chunk->min_time_ms <= end_ms && chunk->max_time_ms >= start_ms) found++;
    }
    *chunks_out = chunks;
    *count_out = found;
    return 0;
}

bool block_chunk_before(const struct block_chunk *chunk, uint32_t back, struct block_chunk *other)
{
    struct str rest;
    uint64_t count;
    uint64_t offset;
    if (back == 0 || back > chunk->series) return false;
    if (!series_record(chunk->block, chunk->series - back, &rest)) return false;
    if (!skip_labels(&rest) || !varint_take(&rest, &count) || chunk->place >= count) return false;
    if (!varint_take(&rest, &offset)) return false;
    for (uint32_t i = 0; i <= chunk->place; i++) {
        if (!take_chunk(chunk->block, &rest, &offset, other)) return false;
    }
    return other->times.data == chunk->times.data && other->count == chunk->count;
}

static const char *extras_entry(const struct block *block, size_t at)
{
    return block->sections[BLOCK_EXTRAS].data + at * EXTRAS_ENTRY_SIZE;
}

/* The first entry of the series or of a later one. */
static size_t find_extras(const struct block *block, uint32_t series)
{
    size_t low = 0;
    size_t high = block->sections[BLOCK_EXTRAS].size / EXTRAS_ENTRY_SIZE;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fixed32_read(extras_entry(block, middle)) < series) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int block_series_extras(const struct block *block, uint32_t series, int64_t start_ms,
                        int64_t end_ms, struct arena *arena, struct block_extras **groups_out,
                        size_t *count_out)
{
    size_t end = block->sections[BLOCK_EXTRAS].size / EXTRAS_ENTRY_SIZE;
    size_t first = find_extras(block, series);
    size_t last = first;
    while (last < end && fixed32_read(extras_entry(block, last)) == series) last++;
    *groups_out = NULL;
    *count_out = 0;
    if (last == first) return 0;
    struct block_extras *groups = ARENA_ARRAY(arena, struct block_extras, last - first);
    if (groups == NULL) return ERROR_LIMIT;
    size_t found = 0;
    for (size_t i = first; i < last; i++) {
        const char *entry = extras_entry(block, i);
        struct block_extras *group = &groups[found];
        uint64_t offset = fixed64_read(entry + 24);
        uint32_t size = fixed32_read(entry + 32);
        if (offset > block->size || size > block->size - offset) return ERROR_CORRUPT;
        group->count = fixed32_read(entry + 4);
        group->min_time_ms = (int64_t)fixed64_read(entry + 8);
        group->max_time_ms = (int64_t)fixed64_read(entry + 16);
        group->bytes = (struct str){ (const char *)block->bytes + offset, size };
        group->sum = fixed32_read(entry + 36);
        if (group->count == 0 || group->count > EXTRA_GROUP_MAX) return ERROR_CORRUPT;
        if (group->min_time_ms <= end_ms && group->max_time_ms >= start_ms) found++;
    }
    *groups_out = groups;
    *count_out = found;
    return 0;
}

int block_extras_decode(const struct block_extras *group, struct arena *arena, struct extra *extras)
{
    if (crc32c(group->bytes.data, group->bytes.size) != group->sum) return ERROR_CORRUPT;
    return extra_take_group(group->bytes, group->count, arena, extras);
}

struct block_name block_name_at(const struct block *block, uint32_t index)
{
    CHECK(index < block->name_count);
    const char *entry = block->sections[BLOCK_NAMES].data + (size_t)index * TABLE_ENTRY_SIZE;
    struct block_name name = { .first = fixed32_read(entry + 4), .count = fixed32_read(entry + 8) };
    CHECK(symbol_at(block, fixed32_read(entry), &name.text)); /* read_index has looked */
    return name;
}

struct block_pair block_pair_at(const struct block *block, uint32_t index)
{
    CHECK(index < block->pair_count);
    const char *entry = block->sections[BLOCK_PAIRS].data + (size_t)index * TABLE_ENTRY_SIZE;
    struct block_pair pair = { .count = fixed32_read(entry + 4), .place = fixed32_read(entry + 8) };
    CHECK(symbol_at(block, fixed32_read(entry), &pair.value));
    return pair;
}

bool block_name_find(const struct block *block, struct str text, struct block_name *name)
{
    uint32_t low = 0;
    uint32_t high = block->name_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct block_name found = block_name_at(block, middle);
        int order = str_compare(found.text, text);
        if (order == 0) {
            *name = found;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

bool block_pair_find(const struct block *block, const struct block_name *name, struct str value,
                     struct block_pair *pair)
{
    uint32_t low = name->first;
    uint32_t high = name->first + name->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct block_pair found = block_pair_at(block, middle);
        int order = str_compare(found.value, value);
        if (order == 0) {
            *pair = found;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

int block_pair_postings(const struct block *block, const struct block_pair *pair,
                        struct arena *arena, struct postings *postings)
{
    if (pair->count > block->meta.series) return ERROR_CORRUPT;
    uint32_t *items = ARENA_ARRAY(arena, uint32_t, pair->count + 1);
    if (items == NULL) return ERROR_LIMIT;
    if (pair->count == 1) {
        if (pair->place >= block->meta.series) return ERROR_CORRUPT;
        items[0] = pair->place;
        *postings = (struct postings){ items, 1 };
        return 0;
    }
    struct str rest = block->sections[BLOCK_POSTINGS];
    if (pair->place > rest.size) return ERROR_CORRUPT;
    rest = str_skip(rest, pair->place);
    int64_t *numbers = ARENA_ARRAY(arena, int64_t, pair->count + 1);
    if (numbers == NULL) return ERROR_LIMIT;
    if (!column_decode_numbers(&rest, numbers, pair->count)) return ERROR_CORRUPT;
    int64_t last = -1;
    for (uint32_t i = 0; i < pair->count; i++) {
        if (numbers[i] <= last || numbers[i] >= (int64_t)block->meta.series) return ERROR_CORRUPT;
        last = numbers[i];
        items[i] = (uint32_t)last;
    }
    *postings = (struct postings){ items, pair->count };
    return 0;
}

int tombstones_compare(const void *a, const void *b)
{
    const struct tombstone *x = a;
    const struct tombstone *y = b;
    if (x->series != y->series) return x->series < y->series ? -1 : 1;
    return (x->min_time_ms > y->min_time_ms) - (x->min_time_ms < y->min_time_ms);
}

static int tombstones_path(const struct block *block, char *path, struct error *error)
{
    int length = snprintf(path, FILE_PATH_SIZE, "%s.deleted", block->path);
    if (length < 0 || length >= FILE_PATH_SIZE) {
        return error_set(error, ERROR_LIMIT, "path '%s' is too long", block->path);
    }
    return 0;
}

/* FORMAT  magic, block id u64, count u32, CRC-32C u32 of what follows, then by series: series u32,
 *         first time i64, last time i64. */
int block_write_tombstones(const struct block *block, const struct tombstones *tombstones,
                           struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = tombstones_path(block, path, error);
    if (code != 0) return code;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 24 + (size_t)TOMBSTONES_MAX * TOMBSTONE_SIZE);
    for (size_t i = 0; i < tombstones->count; i++) {
        fixed32_append(&out, tombstones->items[i].series);
        fixed64_append(&out, (uint64_t)tombstones->items[i].min_time_ms);
        fixed64_append(&out, (uint64_t)tombstones->items[i].max_time_ms);
    }
    uint32_t sum = crc32c(out.data, out.size);
    CLEANUP(buf_release) struct buf all;
    buf_init(&all, out.size_max);
    buf_append(&all, tombstones_magic, sizeof(tombstones_magic));
    fixed64_append(&all, block->meta.id);
    fixed32_append(&all, (uint32_t)tombstones->count);
    fixed32_append(&all, sum);
    buf_append_str(&all, buf_str(&out));
    if (out.has_failed || all.has_failed) {
        return error_set(error, ERROR_LIMIT, "too many deletions in '%s'", block->path);
    }
    return file_replace(block->disk, path, buf_str(&all), error);
}

bool tombstones_parse(struct str bytes, uint64_t *block_id, struct tombstones *out)
{
    if (bytes.size < 24 || memcmp(bytes.data, tombstones_magic, 8) != 0) return false;
    *block_id = fixed64_read(bytes.data + 8);
    uint32_t count = fixed32_read(bytes.data + 16);
    uint32_t sum = fixed32_read(bytes.data + 20);
    bytes = str_skip(bytes, 24);
    if (bytes.size != (uint64_t)count * TOMBSTONE_SIZE) return false;
    if (crc32c(bytes.data, bytes.size) != sum) return false;
    for (uint32_t i = 0; i < count; i++) {
        const char *entry = bytes.data + (size_t)i * TOMBSTONE_SIZE;
        struct tombstone tombstone = { fixed32_read(entry), (int64_t)fixed64_read(entry + 4),
                                       (int64_t)fixed64_read(entry + 12) };
        if (!VEC_PUSH(out, tombstone)) return false;
    }
    return true;
}

int block_read_tombstones(struct block *block, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = tombstones_path(block, path, error);
    struct disk_info info;
    if (code != 0) return code;
    if (block->disk->info(block->disk->state, path, &info) != 0) return 0;
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, 24 + (size_t)TOMBSTONES_MAX * TOMBSTONE_SIZE);
    code = file_read(block->disk, path, &bytes, error);
    if (code != 0) return code;
    block->tombstones.count = 0;
    uint64_t id = 0;
    if (tombstones_parse(buf_str(&bytes), &id, &block->tombstones) && id == block->meta.id)
        return 0;
    block->tombstones.count = 0;
    return error_set(error, ERROR_CORRUPT, "deletions '%s' are damaged", path);
}
