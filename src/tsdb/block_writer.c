/* block_writer.c - writes a block, series by series.
 *
 * Data goes to the file as it comes; the index is collected in memory and written at the end. A
 * column of times that was written lately is not written again: the series of one target share
 * their times. The layout is drawn in docs/formats/tsdb-block.md.
 */
#include "base/check.h"
#include "base/map.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tsdb/block.h"
#include "tsdb/column.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUT_SIZE = 1 << 20, /* written to the file in pieces of this */
    OUT_SIZE_MAX = OUT_SIZE + (1 << 20),
    SHARED_SIZE_MAX = 16 << 20, /* columns of times that are remembered */
};

#define INDEX_SIZE_MAX UINT32_MAX

const char block_magic[8] = { 'B', 'G', 'T', 'S', 'B', 'L', 'K', '1' };
const char block_footer_magic[8] = { 'B', 'G', 'T', 'S', 'E', 'N', 'D', '1' };

struct pair {
    uint32_t name;
    uint32_t value;
    struct {
        uint32_t *items;
        size_t count;
        size_t capacity;
    } series;
};

struct block_writer {
    const struct disk *disk;
    int handle;
    char path[FILE_PATH_SIZE];
    uint64_t written;  /* bytes in the file */
    uint64_t start;    /* of the section being written */
    uint32_t sum;      /* of the section being written */
    struct buf out;    /* behind `written` */
    struct map shared; /* bytes of a times column: its offset */
    size_t shared_size;
    struct map symbol_numbers; /* text: number + 1 */
    VEC(struct str) symbols;   /* owned by the map */
    struct map pair_numbers;   /* (name, value) as 8 bytes: number + 1 */
    VEC(struct pair) pairs;
    struct buf series;
    struct buf offsets;
    struct buf column; /* one column on its way */
    struct buf extras; /* the section of that name */
    struct block_meta meta;
    struct {
        uint64_t offset;
        uint64_t size;
        uint32_t sum;
    } sections[BLOCK_SECTION_COUNT];
};

static int fail(struct error *error, int code, const char *action, const char *path)
{
    return error_set(error, code, "%s '%s': %s", action, path, strerrordesc_np(-code));
}

static int flush(struct block_writer *writer, struct error *error)
{
    if (writer->out.has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    if (writer->out.size == 0) return 0;
    int code = writer->disk->write_at(writer->disk->state, writer->handle, writer->out.data,
                                      writer->out.size, writer->written);
    if (code != 0) return fail(error, code, "write", writer->path);
    writer->written += writer->out.size;
    buf_reset(&writer->out);
    return 0;
}

static uint64_t position(const struct block_writer *writer)
{
    return writer->written + writer->out.size;
}

static int put(struct block_writer *writer, const void *bytes, size_t size, struct error *error)
{
    writer->sum = crc32c_add(writer->sum, bytes, size);
    const char *from = bytes;
    while (size > 0) {
        size_t step = size < OUT_SIZE ? size : OUT_SIZE;
        buf_append(&writer->out, from, step);
        from += step;
        size -= step;
        if (writer->out.size < OUT_SIZE && !writer->out.has_failed) continue;
        int code = flush(writer, error);
        if (code != 0) return code;
    }
    return 0;
}

static void start_section(struct block_writer *writer)
{
    writer->start = position(writer);
    writer->sum = 0;
}

static void end_section(struct block_writer *writer, enum block_section section)
{
    writer->sections[section].offset = writer->start;
    writer->sections[section].size = position(writer) - writer->start;
    writer->sections[section].sum = writer->sum;
}

int block_writer_new(struct block_writer **writer_out, const struct disk *disk, const char *path,
                     struct error *error)
{
    struct block_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) return error_set(error, -ENOMEM, "no memory to write a block");
    writer->disk = disk;
    writer->handle = -1;
    buf_init(&writer->out, OUT_SIZE_MAX);
    buf_init(&writer->series, INDEX_SIZE_MAX);
    buf_init(&writer->offsets, INDEX_SIZE_MAX);
    buf_init(&writer->column, INDEX_SIZE_MAX);
    buf_init(&writer->extras, INDEX_SIZE_MAX);
    writer->meta.min_time_ms = INT64_MAX;
    writer->meta.max_time_ms = INT64_MIN;
    int code = 0;
    if (!str_to_cstr(str_from(path), writer->path, sizeof(writer->path))) {
        code = error_set(error, ERROR_LIMIT, "path '%s' is too long", path);
    } else {
        writer->handle = disk->open(disk->state, path, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE);
        if (writer->handle < 0) code = fail(error, writer->handle, "create", path);
    }
    char header[BLOCK_HEADER_SIZE] = { 0 };
    memcpy(header, block_magic, sizeof(block_magic));
    fixed32_write(header + 8, BLOCK_VERSION);
    fixed32_write(header + 60, crc32c(header, 60));
    if (code == 0) code = put(writer, header, sizeof(header), error);
    if (code != 0) {
        block_writer_free(writer);
        return code;
    }
    start_section(writer);
    *writer_out = writer;
    return 0;
}

void block_writer_free(struct block_writer *writer)
{
    if (writer == NULL) return;
    if (writer->handle >= 0) writer->disk->close(writer->disk->state, writer->handle);
    buf_release(&writer->out);
    buf_release(&writer->series);
    buf_release(&writer->offsets);
    buf_release(&writer->column);
    buf_release(&writer->extras);
    map_release(&writer->shared);
    map_release(&writer->symbol_numbers);
    map_release(&writer->pair_numbers);
    VEC_RELEASE(&writer->symbols);
    for (size_t i = 0; i < writer->pairs.count; i++) free(writer->pairs.items[i].series.items);
    VEC_RELEASE(&writer->pairs);
    free(writer);
}

uint64_t block_writer_series(const struct block_writer *writer)
{
    return writer->meta.series;
}

/* The number of a symbol, made when missing; UINT32_MAX when out of memory. */
static uint32_t symbol_of(struct block_writer *writer, struct str text)
{
    uintptr_t number = (uintptr_t)map_get(&writer->symbol_numbers, text);
    if (number > 0) return (uint32_t)number - 1;
    number = writer->symbols.count + 1;
    if (!VEC_RESERVE(&writer->symbols, 1)) return UINT32_MAX;
    if (map_put(&writer->symbol_numbers, text, (void *)number) != 0) return UINT32_MAX;
    writer->symbols.count++;
    return (uint32_t)number - 1;
}

static int add_pair(struct block_writer *writer, uint32_t name, uint32_t value)
{
    char key[8];
    fixed32_write(key, name);
    fixed32_write(key + 4, value);
    uintptr_t number = (uintptr_t)map_get(&writer->pair_numbers, (struct str){ key, 8 });
    if (number == 0) {
        struct pair fresh = { .name = name, .value = value };
        if (!VEC_PUSH(&writer->pairs, fresh)) return -ENOMEM;
        number = writer->pairs.count;
        if (map_put(&writer->pair_numbers, (struct str){ key, 8 }, (void *)number) != 0) {
            return -ENOMEM;
        }
    }
    struct pair *pair = &writer->pairs.items[number - 1];
    return VEC_PUSH(&pair->series, (uint32_t)writer->meta.series) ? 0 : -ENOMEM;
}

static int add_labels(struct block_writer *writer, struct labels labels, struct error *error)
{
    varint_append(&writer->series, labels.count);
    for (size_t i = 0; i < labels.count; i++) {
        uint32_t name = symbol_of(writer, labels.items[i].name);
        uint32_t value = symbol_of(writer, labels.items[i].value);
        if (name == UINT32_MAX || value == UINT32_MAX || add_pair(writer, name, value) != 0) {
            return error_set(error, -ENOMEM, "no memory to write a block");
        }
        varint_append(&writer->series, name);
        varint_append(&writer->series, value);
    }
    return 0;
}

/* Where the times stand in the file, written when no column like it was written lately. */
static int put_times(struct block_writer *writer, struct str times, uint64_t *offset,
                     struct error *error)
{
    *offset = (uint64_t)(uintptr_t)map_get(&writer->shared, times);
    if (*offset != 0) return 0;
    *offset = position(writer);
    int code = put(writer, times.data, times.size, error);
    if (code != 0) return code;
    if (writer->shared_size > SHARED_SIZE_MAX) {
        map_release(&writer->shared);
        writer->shared = (struct map){ 0 };
        writer->shared_size = 0;
    }
    writer->shared_size += times.size + sizeof(struct map_entry);
    if (map_put(&writer->shared, times, (void *)(uintptr_t)*offset) != 0) {
        return error_set(error, -ENOMEM, "no memory to write a block");
    }
    return 0;
}

static int add_chunk(struct block_writer *writer, const int64_t *times, const double *values,
                     size_t count, struct error *error)
{
    struct buf *column = &writer->column;
    buf_reset(column);
    column_encode_numbers(column, times, count);
    size_t times_size = column->size;
    column_encode_values(column, values, count);
    if (column->has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    uint64_t times_offset;
    int code = put_times(writer, str_first(buf_str(column), times_size), &times_offset, error);
    if (code != 0) return code;
    uint64_t values_offset = position(writer);
    code = put(writer, column->data + times_size, column->size - times_size, error);
    if (code != 0) return code;

    varint_append_signed(&writer->series, times[0]);
    varint_append(&writer->series, (uint64_t)times[count - 1] - (uint64_t)times[0]);
    varint_append(&writer->series, count);
    varint_append(&writer->series, times_offset);
    varint_append(&writer->series, times_size);
    varint_append(&writer->series, values_offset);
    varint_append(&writer->series, column->size - times_size);
    fixed32_append(&writer->series, crc32c(column->data, column->size));
    writer->meta.chunks++;
    return 0;
}

int block_writer_add(struct block_writer *writer, struct labels labels, const int64_t *times,
                     const double *values, size_t count, struct error *error)
{
    CHECK(count > 0);
    if (writer->meta.series == UINT32_MAX || writer->series.size > INDEX_SIZE_MAX / 2) {
        return error_set(error, ERROR_LIMIT, "block '%s' has too many series", writer->path);
    }
    fixed32_append(&writer->offsets, (uint32_t)writer->series.size);
    int code = add_labels(writer, labels, error);
    size_t chunks = (count + BLOCK_CHUNK_MAX - 1) / BLOCK_CHUNK_MAX;
    varint_append(&writer->series, chunks);
    for (size_t from = 0; from < count && code == 0; from += BLOCK_CHUNK_MAX) {
        size_t step = count - from < BLOCK_CHUNK_MAX ? count - from : BLOCK_CHUNK_MAX;
        code = add_chunk(writer, times + from, values + from, step, error);
    }
    if (code != 0) return code;
    if (writer->series.has_failed || writer->offsets.has_failed) {
        return error_set(error, -ENOMEM, "no memory to write a block");
    }
    if (times[0] < writer->meta.min_time_ms) writer->meta.min_time_ms = times[0];
    if (times[count - 1] > writer->meta.max_time_ms) writer->meta.max_time_ms = times[count - 1];
    writer->meta.series++;
    writer->meta.samples += count;
    return 0;
}

/* Packs as many entries as fit in a group. */
static int put_group(struct block_writer *writer, const struct extra *extras, size_t *count,
                     struct error *error)
{
    struct extra_state state = { 0 };
    size_t taken = 0;
    buf_reset(&writer->column);
    while (taken < *count && taken < EXTRA_GROUP_MAX &&
           writer->column.size < EXTRA_GROUP_SIZE_MAX) {
        extra_put(&writer->column, &state, &extras[taken++]);
    }
    if (writer->column.has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    fixed32_append(&writer->extras, (uint32_t)writer->meta.series - 1);
    fixed32_append(&writer->extras, (uint32_t)taken);
    fixed64_append(&writer->extras, (uint64_t)extras[0].time_ms);
    fixed64_append(&writer->extras, (uint64_t)extras[taken - 1].time_ms);
    fixed64_append(&writer->extras, position(writer));
    fixed32_append(&writer->extras, (uint32_t)writer->column.size);
    fixed32_append(&writer->extras, crc32c(writer->column.data, writer->column.size));
    *count = taken;
    return put(writer, writer->column.data, writer->column.size, error);
}

int block_writer_add_extras(struct block_writer *writer, const struct extra *extras, size_t count,
                            struct error *error)
{
    CHECK(writer->meta.series > 0);
    int code = 0;
    for (size_t at = 0; at < count && code == 0;) {
        size_t step = count - at;
        code = put_group(writer, extras + at, &step, error);
        at += step;
    }
    if (code != 0 || !writer->extras.has_failed) return code;
    return error_set(error, ERROR_LIMIT, "block '%s' has too many histograms", writer->path);
}

static int put_u32(struct block_writer *writer, uint32_t value, struct error *error)
{
    char bytes[4];
    fixed32_write(bytes, value);
    return put(writer, bytes, sizeof(bytes), error);
}

static int put_symbols(struct block_writer *writer, struct error *error)
{
    start_section(writer);
    size_t position_of = 0;
    struct str text;
    void *value;
    while (map_next(&writer->symbol_numbers, &position_of, &text, &value)) {
        writer->symbols.items[(uintptr_t)value - 1] = text;
    }
    int code = put_u32(writer, (uint32_t)writer->symbols.count, error);
    uint64_t offset = 0;
    for (size_t i = 0; i < writer->symbols.count && code == 0; i++) {
        code = put_u32(writer, (uint32_t)offset, error);
        offset += writer->symbols.items[i].size;
        if (offset > INDEX_SIZE_MAX) {
            return error_set(error, ERROR_LIMIT, "block '%s' has too many labels", writer->path);
        }
    }
    if (code == 0) code = put_u32(writer, (uint32_t)offset, error);
    for (size_t i = 0; i < writer->symbols.count && code == 0; i++) {
        code = put(writer, writer->symbols.items[i].data, writer->symbols.items[i].size, error);
    }
    end_section(writer, BLOCK_SYMBOLS);
    return code;
}

static int by_text(const void *a, const void *b, void *argument)
{
    const struct block_writer *writer = argument;
    const struct pair *x = a;
    const struct pair *y = b;
    const struct str *symbols = writer->symbols.items;
    int order = x->name == y->name ? 0 : str_compare(symbols[x->name], symbols[y->name]);
    return order != 0 ? order : str_compare(symbols[x->value], symbols[y->value]);
}

/* A pair of one series needs no list: the series stands in its place. */
static int put_postings(struct block_writer *writer, struct error *error)
{
    if (writer->pairs.count > 1) {
        qsort_r(writer->pairs.items, writer->pairs.count, sizeof(writer->pairs.items[0]), by_text,
                writer);
    }
    start_section(writer);
    buf_reset(&writer->offsets); /* becomes the pairs section */
    VEC(int64_t) numbers = { 0 };
    int code = 0;
    for (size_t i = 0; i < writer->pairs.count && code == 0; i++) {
        const struct pair *pair = &writer->pairs.items[i];
        uint64_t place = position(writer) - writer->start;
        if (place > UINT32_MAX) {
            code = error_set(error, ERROR_LIMIT, "block '%s' has too many labels", writer->path);
            break;
        }
        fixed32_append(&writer->offsets, pair->value);
        fixed32_append(&writer->offsets, (uint32_t)pair->series.count);
        if (pair->series.count == 1) place = pair->series.items[0];
        fixed32_append(&writer->offsets, (uint32_t)place);
        if (pair->series.count == 1) continue;
        numbers.count = 0;
        if (!VEC_RESERVE(&numbers, pair->series.count)) {
            code = error_set(error, -ENOMEM, "no memory to write a block");
            break;
        }
        for (size_t k = 0; k < pair->series.count; k++) numbers.items[k] = pair->series.items[k];
        buf_reset(&writer->column);
        column_encode_numbers(&writer->column, numbers.items, pair->series.count);
        code = put(writer, writer->column.data, writer->column.size, error);
    }
    VEC_RELEASE(&numbers);
    end_section(writer, BLOCK_POSTINGS);
    if (code != 0) return code;
    if (writer->offsets.has_failed || writer->column.has_failed) {
        return error_set(error, -ENOMEM, "no memory to write a block");
    }
    start_section(writer);
    code = put(writer, writer->offsets.data, writer->offsets.size, error);
    end_section(writer, BLOCK_PAIRS);
    return code;
}

static int put_names(struct block_writer *writer, struct error *error)
{
    start_section(writer);
    int code = 0;
    for (size_t i = 0; i < writer->pairs.count && code == 0;) {
        size_t end = i + 1;
        uint32_t name = writer->pairs.items[i].name;
        while (end < writer->pairs.count && writer->pairs.items[end].name == name) end++;
        code = put_u32(writer, name, error);
        if (code == 0) code = put_u32(writer, (uint32_t)i, error);
        if (code == 0) code = put_u32(writer, (uint32_t)(end - i), error);
        i = end;
    }
    end_section(writer, BLOCK_NAMES);
    return code;
}

static int put_meta(struct block_writer *writer, const struct block_meta *meta, struct error *error)
{
    struct buf *out = &writer->column;
    buf_reset(out);
    fixed64_append(out, meta->id);
    fixed64_append(out, meta->log_through);
    fixed64_append(out, (uint64_t)meta->min_time_ms);
    fixed64_append(out, (uint64_t)meta->max_time_ms);
    fixed64_append(out, meta->series);
    fixed64_append(out, meta->samples);
    fixed64_append(out, meta->chunks);
    fixed32_append(out, meta->level);
    fixed32_append(out, meta->replaces_count);
    for (uint32_t i = 0; i < meta->replaces_count; i++) fixed64_append(out, meta->replaces[i]);
    if (out->has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    start_section(writer);
    int code = put(writer, out->data, out->size, error);
    end_section(writer, BLOCK_META);
    return code;
}

static int put_footer(struct block_writer *writer, struct error *error)
{
    char footer[BLOCK_FOOTER_SIZE] = { 0 };
    for (size_t i = 0; i < BLOCK_SECTION_COUNT; i++) {
        char *entry = footer + i * 24;
        fixed64_write(entry, writer->sections[i].offset);
        fixed64_write(entry + 8, writer->sections[i].size);
        fixed32_write(entry + 16, writer->sections[i].sum);
        fixed32_write(entry + 20, (uint32_t)i);
    }
    char *end = footer + BLOCK_FOOTER_SIZE - 16;
    fixed32_write(end, BLOCK_VERSION);
    fixed32_write(end + 4, crc32c(footer, BLOCK_FOOTER_SIZE - 12));
    memcpy(end + 8, block_footer_magic, sizeof(block_footer_magic));
    return put(writer, footer, sizeof(footer), error);
}

static int put_buf(struct block_writer *writer, enum block_section section, const struct buf *buf,
                   struct error *error)
{
    start_section(writer);
    int code = put(writer, buf->data, buf->size, error);
    end_section(writer, section);
    return code;
}

int block_writer_finish(struct block_writer *writer, struct block_meta *meta, struct error *error)
{
    CHECK(meta->replaces_count <= BLOCK_REPLACES_MAX);
    end_section(writer, BLOCK_DATA);
    meta->min_time_ms = writer->meta.min_time_ms;
    meta->max_time_ms = writer->meta.max_time_ms;
    meta->series = writer->meta.series;
    meta->samples = writer->meta.samples;
    meta->chunks = writer->meta.chunks;
    int code = put_buf(writer, BLOCK_SERIES, &writer->series, error);
    if (code == 0) code = put_buf(writer, BLOCK_OFFSETS, &writer->offsets, error);
    if (code == 0) code = put_symbols(writer, error);
    if (code == 0) code = put_postings(writer, error);
    if (code == 0) code = put_names(writer, error);
    if (code == 0) code = put_meta(writer, meta, error);
    if (code == 0) code = put_buf(writer, BLOCK_EXTRAS, &writer->extras, error);
    if (code == 0) code = put_footer(writer, error);
    if (code == 0) code = flush(writer, error);
    if (code != 0) return code;
    code = writer->disk->sync(writer->disk->state, writer->handle);
    return code == 0 ? 0 : fail(error, code, "sync", writer->path);
}
