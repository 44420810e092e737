/* foreign_write.c - writes a block of Prometheus.
 *
 * Chunks go to their files as they come; the index is collected in memory and written at the end.
 * Label indices, which nothing reads any more, are written as an empty table.
 */
#include "base/check.h"
#include "base/map.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tsdb/foreign.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_SIZE_MAX ((uint64_t)512 << 20)
#define INDEX_SIZE_MAX   ((size_t)4 << 30)

enum { OUT_SIZE = 1 << 20, SERIES_ALIGNMENT = 16, POSTINGS_ALIGNMENT = 4 };

struct chunk_place {
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint64_t reference;
};

VEC_TYPE(numbers, uint32_t);

/* name=value and the places of the series that have it. */
struct foreign_pair {
    struct str name;
    struct str value;
    struct numbers series;
};

struct foreign_writer_block {
    const struct disk *disk;
    char path[FILE_PATH_SIZE];
    int handle; /* of the file of chunks being written */
    uint64_t segment;
    uint64_t segment_size; /* with what is still in `out` */
    uint64_t written;
    struct buf out;
    struct buf chunk;
    struct buf index;
    struct arena arena; /* texts and labels */
    struct map symbols; /* text: its number + 1, after they are sorted */
    VEC(struct str) symbol_list;
    struct map pairs; /* name, 0, value: index + 1 */
    VEC(struct foreign_pair) pair_list;
    VEC(struct labels) series;
    VEC(struct chunk_place) places;
    VEC(size_t) place_ends; /* of each series */
    uint64_t sample_count;
};

static void put32(struct buf *out, uint32_t number)
{
    uint32_t bytes = __builtin_bswap32(number);
    buf_append(out, &bytes, sizeof(bytes));
}

static void put64(struct buf *out, uint64_t number)
{
    uint64_t bytes = __builtin_bswap64(number);
    buf_append(out, &bytes, sizeof(bytes));
}

static int no_memory(const struct foreign_writer_block *writer, struct error *error)
{
    return error_set(error, -ENOMEM, "no memory to write '%s'", writer->path);
}

static int fail(const struct foreign_writer_block *writer, int code, const char *what,
                struct error *error)
{
    return error_set(error, code, "%s in '%s': %s", what, writer->path, strerrordesc_np(-code));
}

static int flush(struct foreign_writer_block *writer, struct error *error)
{
    if (writer->out.has_failed) return no_memory(writer, error);
    if (writer->out.size == 0) return 0;
    int code = writer->disk->write_at(writer->disk->state, writer->handle, writer->out.data,
                                      writer->out.size, writer->written);
    if (code != 0) return fail(writer, code, "write chunks", error);
    writer->written += writer->out.size;
    buf_reset(&writer->out);
    return 0;
}

static int end_segment(struct foreign_writer_block *writer, struct error *error)
{
    if (writer->handle < 0) return 0;
    int code = flush(writer, error);
    if (code == 0) {
        code = writer->disk->sync(writer->disk->state, writer->handle);
        if (code != 0) (void)fail(writer, code, "sync chunks", error);
    }
    writer->disk->close(writer->disk->state, writer->handle);
    writer->handle = -1;
    return code;
}

static int start_segment(struct foreign_writer_block *writer, struct error *error)
{
    char name[32];
    char path[FILE_PATH_SIZE];
    writer->segment++;
    (void)snprintf(name, sizeof(name), "chunks/%06" PRIu64, writer->segment);
    int code = file_join(path, writer->path, name, error);
    if (code != 0) return code;
    writer->handle = writer->disk->open(writer->disk->state, path, DISK_WRITE | DISK_CREATE);
    if (writer->handle < 0) return fail(writer, writer->handle, "create chunks", error);
    writer->written = 0;
    put32(&writer->out, 0x85BD40DDu);
    put32(&writer->out, 1u << 24);
    writer->segment_size = writer->out.size;
    return 0;
}

int foreign_writer_new(struct foreign_writer_block **writer_out, const struct disk *disk,
                       const char *path, struct error *error)
{
    struct foreign_writer_block *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) return error_set(error, -ENOMEM, "no memory to write '%s'", path);
    writer->disk = disk;
    writer->handle = -1;
    buf_init(&writer->out, (size_t)OUT_SIZE * 64);
    buf_init(&writer->chunk, (size_t)OUT_SIZE * 32);
    buf_init(&writer->index, INDEX_SIZE_MAX);
    arena_init(&writer->arena, INDEX_SIZE_MAX);
    char chunks[FILE_PATH_SIZE];
    int code = 0;
    if (!str_to_cstr(str_from(path), writer->path, sizeof(writer->path))) {
        code = error_set(error, ERROR_LIMIT, "path '%s' is too long", path);
    }
    if (code == 0) code = file_join(chunks, path, "chunks", error);
    if (code == 0) code = file_make_folders(disk, chunks, error);
    if (code == 0) code = start_segment(writer, error);
    if (code != 0) {
        foreign_writer_free(writer);
        return code;
    }
    *writer_out = writer;
    return 0;
}

void foreign_writer_free(struct foreign_writer_block *writer)
{
    if (writer == NULL) return;
    if (writer->handle >= 0) writer->disk->close(writer->disk->state, writer->handle);
    buf_release(&writer->out);
    buf_release(&writer->chunk);
    buf_release(&writer->index);
    map_release(&writer->symbols);
    map_release(&writer->pairs);
    for (size_t i = 0; i < writer->pair_list.count; i++) {
        VEC_RELEASE(&writer->pair_list.items[i].series);
    }
    VEC_RELEASE(&writer->pair_list);
    VEC_RELEASE(&writer->symbol_list);
    VEC_RELEASE(&writer->series);
    VEC_RELEASE(&writer->places);
    VEC_RELEASE(&writer->place_ends);
    arena_release(&writer->arena);
    free(writer);
}

/* The text, kept once; data NULL without memory. */
static struct str keep_symbol(struct foreign_writer_block *writer, struct str text)
{
    const uintptr_t known = (uintptr_t)map_get(&writer->symbols, text);
    if (known > 0) return writer->symbol_list.items[known - 1];
    struct str copy = arena_copy(&writer->arena, text);
    if (copy.data == NULL || !VEC_RESERVE(&writer->symbol_list, 1)) return (struct str){ 0 };
    uintptr_t number = writer->symbol_list.count + 1;
    if (map_put_borrowed(&writer->symbols, copy, (void *)number) != 0) return (struct str){ 0 };
    writer->symbol_list.items[writer->symbol_list.count++] = copy;
    return copy;
}

static bool add_pair(struct foreign_writer_block *writer, struct label label)
{
    CLEANUP(buf_release) struct buf key;
    buf_init(&key, INDEX_SIZE_MAX);
    varint_append_bytes(&key, label.name);
    buf_append_str(&key, label.value);
    if (key.has_failed) return false;
    uintptr_t number = (uintptr_t)map_get(&writer->pairs, buf_str(&key));
    if (number == 0) {
        struct foreign_pair pair = { .name = label.name, .value = label.value };
        if (!VEC_PUSH(&writer->pair_list, pair)) return false;
        number = writer->pair_list.count;
        if (map_put(&writer->pairs, buf_str(&key), (void *)number) != 0) return false;
    }
    struct foreign_pair *pair = &writer->pair_list.items[number - 1];
    return VEC_PUSH(&pair->series, (uint32_t)writer->series.count);
}

static int add_labels(struct foreign_writer_block *writer, struct labels labels,
                      struct error *error)
{
    struct label *items = ARENA_ARRAY(&writer->arena, struct label, labels.count + 1);
    if (items == NULL) return no_memory(writer, error);
    for (size_t i = 0; i < labels.count; i++) {
        items[i].name = keep_symbol(writer, labels.items[i].name);
        items[i].value = keep_symbol(writer, labels.items[i].value);
        if (items[i].name.data == NULL || items[i].value.data == NULL ||
            !add_pair(writer, items[i])) {
            return no_memory(writer, error);
        }
    }
    struct labels kept = { items, labels.count };
    return VEC_PUSH(&writer->series, kept) ? 0 : no_memory(writer, error);
}

static int add_chunk(struct foreign_writer_block *writer, const struct foreign_sample *samples,
                     size_t *count, struct error *error)
{
    enum foreign_encoding encoding;
    buf_reset(&writer->chunk);
    *count = foreign_chunk_encode(&writer->chunk, samples, *count, &encoding);
    if (writer->chunk.has_failed) return no_memory(writer, error);
    int code = 0;
    if (writer->segment_size + writer->chunk.size + 16 > SEGMENT_SIZE_MAX) {
        code = end_segment(writer, error);
        if (code == 0) code = start_segment(writer, error);
        if (code != 0) return code;
    }
    struct chunk_place place = { samples[0].time_ms, samples[*count - 1].time_ms,
                                 (writer->segment - 1) << 32 | writer->segment_size };
    size_t before = writer->out.size;
    varint_append(&writer->out, writer->chunk.size);
    size_t data = writer->out.size;
    buf_append_char(&writer->out, (char)encoding);
    buf_append_str(&writer->out, buf_str(&writer->chunk));
    if (writer->out.has_failed || !VEC_PUSH(&writer->places, place)) {
        return no_memory(writer, error);
    }
    put32(&writer->out, crc32c(writer->out.data + data, writer->out.size - data));
    writer->segment_size += writer->out.size - before;
    return writer->out.size >= OUT_SIZE ? flush(writer, error) : 0;
}

int foreign_writer_add(struct foreign_writer_block *writer, struct labels labels,
                       const struct foreign_sample *samples, size_t count, struct error *error)
{
    CHECK(count > 0);
    int code = add_labels(writer, labels, error);
    for (size_t at = 0; at < count && code == 0;) {
        size_t taken = count - at;
        code = add_chunk(writer, samples + at, &taken, error);
        at += taken;
    }
    writer->sample_count += count;
    if (code == 0 && !VEC_PUSH(&writer->place_ends, writer->places.count)) {
        code = no_memory(writer, error);
    }
    return code;
}

/* ---- the index ---- */

static int by_text(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static int by_pair(const void *a, const void *b)
{
    const struct foreign_pair *x = a;
    const struct foreign_pair *y = b;
    int order = str_compare(x->name, y->name);
    return order != 0 ? order : str_compare(x->value, y->value);
}

static void pad(struct buf *out, size_t alignment)
{
    while (out->size % alignment != 0 && !out->has_failed) buf_append_char(out, 0);
}

/* A length in front of, and a checksum behind, what was written since `from`. */
static void frame(struct buf *out, size_t from)
{
    if (out->has_failed) return;
    uint32_t size = __builtin_bswap32((uint32_t)(out->size - from - 4));
    memcpy(out->data + from, &size, sizeof(size));
    put32(out, crc32c(out->data + from + 4, out->size - from - 4));
}

static int put_symbols(struct foreign_writer_block *writer)
{
    if (writer->symbol_list.count > 1) {
        qsort(writer->symbol_list.items, writer->symbol_list.count, sizeof(struct str), by_text);
    }
    size_t from = writer->index.size;
    put32(&writer->index, 0);
    put32(&writer->index, (uint32_t)writer->symbol_list.count);
    for (size_t i = 0; i < writer->symbol_list.count; i++) {
        varint_append_bytes(&writer->index, writer->symbol_list.items[i]);
        uintptr_t number = i + 1;
        if (map_put_borrowed(&writer->symbols, writer->symbol_list.items[i], (void *)number) != 0) {
            return -ENOMEM;
        }
    }
    frame(&writer->index, from);
    return 0;
}

static uint64_t number_of(const struct foreign_writer_block *writer, struct str text)
{
    return (uintptr_t)map_get(&writer->symbols, text) - 1;
}

static void put_places(struct buf *out, const struct chunk_place *places, size_t count)
{
    varint_append(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct chunk_place *place = &places[i];
        uint64_t span = (uint64_t)place->max_time_ms - (uint64_t)place->min_time_ms;
        if (i == 0) {
            varint_append_signed(out, place->min_time_ms);
            varint_append(out, span);
            varint_append(out, place->reference);
            continue;
        }
        varint_append(out, (uint64_t)place->min_time_ms - (uint64_t)places[i - 1].max_time_ms);
        varint_append(out, span);
        varint_append_signed(out, (int64_t)(place->reference - places[i - 1].reference));
    }
}

/* *ids: the place of each series in sixteenths of the file. */
static void put_series(struct foreign_writer_block *writer, uint32_t *ids)
{
    struct buf *record = &writer->chunk;
    size_t first = 0;
    for (size_t i = 0; i < writer->series.count; i++) {
        const struct labels *labels = &writer->series.items[i];
        pad(&writer->index, SERIES_ALIGNMENT);
        ids[i] = (uint32_t)(writer->index.size / SERIES_ALIGNMENT);
        buf_reset(record);
        varint_append(record, labels->count);
        for (size_t k = 0; k < labels->count; k++) {
            varint_append(record, number_of(writer, labels->items[k].name));
            varint_append(record, number_of(writer, labels->items[k].value));
        }
        size_t end = writer->place_ends.items[i];
        put_places(record, &writer->places.items[first], end - first);
        first = end;
        varint_append_bytes(&writer->index, buf_str(record));
        put32(&writer->index, crc32c(record->data, record->size));
        if (record->has_failed) writer->index.has_failed = true;
    }
}

static void put_list(struct foreign_writer_block *writer, const uint32_t *series, size_t count,
                     const uint32_t *ids)
{
    pad(&writer->index, POSTINGS_ALIGNMENT);
    size_t from = writer->index.size;
    put32(&writer->index, 0);
    put32(&writer->index, (uint32_t)count);
    for (size_t i = 0; i < count; i++) put32(&writer->index, ids[series == NULL ? i : series[i]]);
    frame(&writer->index, from);
}

static void put_offset(struct buf *table, struct str name, struct str value, uint64_t offset)
{
    buf_append_char(table, 2);
    varint_append_bytes(table, name);
    varint_append_bytes(table, value);
    varint_append(table, offset);
}

static size_t aligned_size(const struct buf *buf)
{
    return (buf->size + POSTINGS_ALIGNMENT - 1) / POSTINGS_ALIGNMENT * POSTINGS_ALIGNMENT;
}

/* The lists, and behind them the table that says where they are; gives the table's place. */
static uint64_t put_postings(struct foreign_writer_block *writer, const uint32_t *ids)
{
    CLEANUP(buf_release) struct buf table;
    buf_init(&table, INDEX_SIZE_MAX);
    if (writer->pair_list.count > 1) {
        qsort(writer->pair_list.items, writer->pair_list.count, sizeof(struct foreign_pair),
              by_pair);
    }
    put_offset(&table, STR(""), STR(""), aligned_size(&writer->index));
    put_list(writer, NULL, writer->series.count, ids);
    for (size_t i = 0; i < writer->pair_list.count; i++) {
        const struct foreign_pair *pair = &writer->pair_list.items[i];
        put_offset(&table, pair->name, pair->value, aligned_size(&writer->index));
        put_list(writer, pair->series.items, pair->series.count, ids);
    }
    uint64_t place = writer->index.size;
    put32(&writer->index, 0);
    put32(&writer->index, (uint32_t)writer->pair_list.count + 1);
    buf_append_str(&writer->index, buf_str(&table));
    if (table.has_failed) writer->index.has_failed = true;
    frame(&writer->index, place);
    return place;
}

static int make_index(struct foreign_writer_block *writer, struct error *error)
{
    struct buf *index = &writer->index;
    uint32_t *ids = calloc(writer->series.count + 1, sizeof(ids[0]));
    if (ids == NULL) return no_memory(writer, error);
    put32(index, 0xBAAAD700u);
    buf_append_char(index, 2);
    uint64_t symbols = index->size;
    int code = put_symbols(writer);
    pad(index, SERIES_ALIGNMENT);
    uint64_t series = index->size;
    put_series(writer, ids);
    pad(index, POSTINGS_ALIGNMENT);
    uint64_t postings = index->size;
    uint64_t table = put_postings(writer, ids);
    uint64_t labels = index->size;
    put32(index, 4);
    put32(index, 0);
    put32(index, index->has_failed ? 0 : crc32c(index->data + labels + 4, 4));
    size_t toc = index->size;
    const uint64_t places[] = { symbols, series, postings, labels, postings, table };
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) put64(index, places[i]);
    put32(index, index->has_failed ? 0 : crc32c(index->data + toc, index->size - toc));
    free(ids);
    return code != 0 || index->has_failed ? no_memory(writer, error) : 0;
}

static int put_file(const struct foreign_writer_block *writer, const char *name, struct str bytes,
                    struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = file_join(path, writer->path, name, error);
    return code == 0 ? file_replace(writer->disk, path, bytes, error) : code;
}

int foreign_writer_finish(struct foreign_writer_block *writer, const char *ulid, int64_t min_ms,
                          int64_t end_ms, struct error *error)
{
    static const unsigned char nothing[] = { 0x01, 0x30, 0xBA, 0x30, 1 };
    int code = end_segment(writer, error);
    if (code == 0) code = make_index(writer, error);
    if (code == 0) code = put_file(writer, "index", buf_str(&writer->index), error);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 16);
    buf_append(&text, nothing, sizeof(nothing));
    put32(&text, crc32c(&nothing[4], 1));
    if (code == 0) code = put_file(writer, "tombstones", buf_str(&text), error);
    buf_reset(&text);
    buf_printf(&text,
               "{\n\t\"ulid\": \"%s\",\n\t\"minTime\": %" PRId64 ",\n\t\"maxTime\": %" PRId64
               ",\n\t\"stats\": {\n\t\t\"numSamples\": %" PRIu64
               ",\n\t\t\"numSeries\": %zu,\n\t\t\"numChunks\": %zu\n\t},\n"
               "\t\"compaction\": {\n\t\t\"level\": 1,\n\t\t\"sources\": [\n\t\t\t\"%s\"\n"
               "\t\t]\n\t},\n\t\"version\": 1\n}\n",
               ulid, min_ms, end_ms, writer->sample_count, writer->series.count,
               writer->places.count, ulid);
    if (code == 0) code = put_file(writer, "meta.json", buf_str(&text), error);
    return code;
}
