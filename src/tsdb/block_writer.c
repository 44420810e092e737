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
#include "tsdb/relatives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUT_SIZE = 1 << 20, /* written to the file in pieces of this */
    OUT_SIZE_MAX = OUT_SIZE + (1 << 20),
    RECENT_LABELS = 1 << 10,
    COUNT_SIZE = 4, /* behind a column of times where it is a key: its bytes do not tell */
    SHARED_SIZE_MAX = 16 << 20, /* columns of times that are remembered */
};

#define INDEX_SIZE_MAX UINT32_MAX

const char block_magic[8] = { 'B', 'G', 'T', 'S', 'B', 'L', 'K', '1' };
const char block_footer_magic[8] = { 'B', 'G', 'T', 'S', 'E', 'N', 'D', '1' };

/* Most pairs of a block with many series have one: it needs no list. */
struct pair {
    uint32_t name;
    uint32_t value;
    uint32_t count;    /* series */
    uint32_t capacity; /* 0: the only one stands in `single` */
    union {
        uint32_t *items;
        uint32_t single;
    } series;
};

/* A label and its numbers. */
struct recent {
    struct str name;
    struct str value;
    uint32_t name_number;
    uint32_t value_number;
    uint32_t pair_number;
};

struct block_writer {
    const struct disk *disk;
    int handle;
    char path[FILE_PATH_SIZE];
    uint64_t written; /* bytes in the file */
    uint64_t start;   /* of the section being written */
    uint32_t sum;     /* of the section being written */
    struct buf out;   /* behind `written` */
    enum column_effort effort;
    struct map shared; /* a column of times and its count: its place + 1 in `times` */
    size_t shared_size;
    struct map symbol_numbers; /* text: number + 1 */
    VEC(struct str) symbols;   /* owned by the map */
    struct map pair_numbers;   /* (name, value) as 8 bytes: number + 1 */
    VEC(struct pair) pairs;
    struct buf series;
    struct buf offsets;
    struct buf column; /* one column on its way */
    struct buf extras; /* the section of that name */
    struct buf times;  /* the same */
    struct buf values; /* of one series, all chunks */
    struct relatives relatives;
    enum relatives_role role;            /* of the series that is being written */
    struct recent recent[RECENT_LABELS]; /* by where the texts stand: most come again */
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
                     enum column_effort effort, struct error *error)
{
    struct block_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) return error_set(error, -ENOMEM, "no memory to write a block");
    writer->disk = disk;
    writer->handle = -1;
    writer->effort = effort;
    buf_init(&writer->out, OUT_SIZE_MAX);
    buf_init(&writer->series, INDEX_SIZE_MAX);
    buf_init(&writer->offsets, INDEX_SIZE_MAX);
    buf_init(&writer->column, INDEX_SIZE_MAX);
    buf_init(&writer->extras, INDEX_SIZE_MAX);
    buf_init(&writer->times, INDEX_SIZE_MAX);
    buf_init(&writer->values, INDEX_SIZE_MAX);
    relatives_init(&writer->relatives);
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
    buf_release(&writer->times);
    buf_release(&writer->values);
    relatives_release(&writer->relatives);
    map_release(&writer->shared);
    map_release(&writer->symbol_numbers);
    map_release(&writer->pair_numbers);
    VEC_RELEASE(&writer->symbols);
    for (size_t i = 0; i < writer->pairs.count; i++) {
        if (writer->pairs.items[i].capacity > 0) free(writer->pairs.items[i].series.items);
    }
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
    if (map_put_borrowed(&writer->symbol_numbers, text, (void *)number) != 0) return UINT32_MAX;
    writer->symbols.count++;
    return (uint32_t)number - 1;
}

/* The number of a pair, made when missing; UINT32_MAX when out of memory. */
static uint32_t pair_of(struct block_writer *writer, uint32_t name, uint32_t value)
{
    char key[8];
    fixed32_write(key, name);
    fixed32_write(key + 4, value);
    uintptr_t number = (uintptr_t)map_get(&writer->pair_numbers, (struct str){ key, 8 });
    if (number > 0) return (uint32_t)number - 1;
    struct pair fresh = { .name = name, .value = value };
    if (!VEC_PUSH(&writer->pairs, fresh)) return UINT32_MAX;
    number = writer->pairs.count;
    if (map_put(&writer->pair_numbers, (struct str){ key, 8 }, (void *)number) != 0) {
        return UINT32_MAX;
    }
    return (uint32_t)number - 1;
}

static bool add_posting(struct pair *pair, uint32_t series)
{
    enum { CAPACITY_MIN = 4 };
    if (pair->count == 0) {
        pair->series.single = series;
        pair->count = 1;
        return true;
    }
    if (pair->count >= pair->capacity) {
        uint32_t capacity = pair->capacity == 0 ? CAPACITY_MIN : pair->capacity * 2;
        uint32_t *items = realloc(pair->capacity == 0 ? NULL : pair->series.items,
                                  (size_t)capacity * sizeof(items[0]));
        if (items == NULL) return false;
        if (pair->capacity == 0) items[0] = pair->series.single;
        pair->series.items = items;
        pair->capacity = capacity;
    }
    pair->series.items[pair->count++] = series;
    return true;
}

/* The same bytes in the same place: no need to look at them. */
static bool is_same_text(struct str a, struct str b)
{
    return a.data == b.data && a.size == b.size;
}

static struct recent *recent_of(struct block_writer *writer, const struct label *label)
{
    const uint64_t spread = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */
    uint64_t mixed = (uint64_t)(uintptr_t)label->value.data * spread;
    mixed = (mixed ^ (uint64_t)(uintptr_t)label->name.data) * spread;
    return &writer->recent[(mixed >> 40) % RECENT_LABELS];
}

/* A label's numbers, quickly when a series of late had it; NULL when out of memory. Good until the
 * next call. */
static const struct recent *find_numbers(struct block_writer *writer, const struct label *label)
{
    struct recent *recent = recent_of(writer, label);
    if (is_same_text(recent->name, label->name) && is_same_text(recent->value, label->value)) {
        return recent;
    }
    struct recent fresh = { .name = label->name, .value = label->value };
    fresh.name_number = symbol_of(writer, label->name);
    fresh.value_number = symbol_of(writer, label->value);
    if (fresh.name_number == UINT32_MAX || fresh.value_number == UINT32_MAX) return NULL;
    fresh.pair_number = pair_of(writer, fresh.name_number, fresh.value_number);
    if (fresh.pair_number == UINT32_MAX) return NULL;
    *recent = fresh;
    return recent;
}

static int add_labels(struct block_writer *writer, struct labels labels, struct error *error)
{
    varint_append(&writer->series, labels.count);
    for (size_t i = 0; i < labels.count; i++) {
        const struct recent *numbers = find_numbers(writer, &labels.items[i]);
        if (numbers == NULL || !add_posting(&writer->pairs.items[numbers->pair_number],
                                            (uint32_t)writer->meta.series)) {
            return error_set(error, -ENOMEM, "no memory to write a block");
        }
        varint_append(&writer->series, numbers->name_number);
        varint_append(&writer->series, numbers->value_number);
    }
    return 0;
}

/* The place of a column of times in the table, written when no column like it was lately. `key` is
 * the column and its count. */
static int put_times(struct block_writer *writer, const int64_t *times, size_t count,
                     struct str key, uint32_t *place, struct error *error)
{
    struct str column = str_first(key, key.size - COUNT_SIZE);
    uintptr_t known = (uintptr_t)map_get(&writer->shared, key);
    if (known != 0) {
        *place = (uint32_t)known - 1;
        return 0;
    }
    known = writer->times.size / BLOCK_TIMES_SIZE + 1;
    *place = (uint32_t)known - 1;
    fixed64_append(&writer->times, (uint64_t)times[0]);
    fixed64_append(&writer->times, (uint64_t)times[count - 1]);
    fixed64_append(&writer->times, position(writer));
    fixed32_append(&writer->times, (uint32_t)column.size);
    fixed32_append(&writer->times, (uint32_t)count);
    int code = put(writer, column.data, column.size, error);
    if (code != 0) return code;
    if (writer->shared_size > SHARED_SIZE_MAX) {
        map_release(&writer->shared);
        writer->shared = (struct map){ 0 };
        writer->shared_size = 0;
    }
    writer->shared_size += key.size + sizeof(struct map_entry);
    if (writer->times.has_failed || map_put(&writer->shared, key, (void *)known) != 0) {
        return error_set(error, -ENOMEM, "no memory to write a block");
    }
    return 0;
}

/* A chunk's columns, one behind the other in `column`; its times go into the file. */
static int add_times(struct block_writer *writer, const int64_t *times, size_t count,
                     uint32_t *place, struct error *error)
{
    struct buf *column = &writer->column;
    buf_reset(column);
    column_write_numbers(column, times, count, writer->effort);
    fixed32_append(column, (uint32_t)count);
    if (column->has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    int code = put_times(writer, times, count, buf_str(column), place, error);
    buf_truncate(column, column->size - COUNT_SIZE);
    if (code == 0) varint_append(&writer->series, *place);
    return code;
}

/* Puts the column relative to the histogram's count in the place of the plain one, from `start` on,
 * when it is shorter. */
static void try_relative(struct block_writer *writer, const double *values, size_t count,
                         uint32_t chunk, uint32_t times, size_t start)
{
    int64_t numbers[BLOCK_CHUNK_LIMIT];
    struct buf *column = &writer->column;
    uint32_t back = relatives_numbers(&writer->relatives, chunk, times, numbers, count);
    if (back == 0) return;
    size_t middle = column->size;
    if (!column_write_relative(column, values, count, numbers, back) || column->has_failed) return;
    size_t size = column->size - middle;
    if (size < middle - start) {
        memmove(column->data + start, column->data + middle, size);
        buf_truncate(column, start + size);
    } else {
        buf_truncate(column, middle);
    }
}

/* `chunk` is its number in the series, `times` the place of its times. */
static int add_values(struct block_writer *writer, const double *values, size_t count,
                      uint32_t chunk, uint32_t times, struct error *error)
{
    struct buf *column = &writer->column;
    size_t times_size = column->size;
    column_write_values(column, values, count, writer->effort);
    if (writer->role == RELATIVES_BUCKET && !column->has_failed) {
        try_relative(writer, values, count, chunk, times, times_size);
    } else if (writer->role == RELATIVES_COUNT && !column->has_failed) {
        relatives_keep(&writer->relatives, times, str_skip(buf_str(column), times_size));
    }
    if (column->has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    varint_append(&writer->series, column->size - times_size);
    fixed32_append(&writer->series, crc32c(column->data, column->size));
    buf_append(&writer->values, column->data + times_size, column->size - times_size);
    writer->meta.chunks++;
    return 0;
}

/* Chunks of about the same size; all times first, so that the values stand in a row. */
static int add_chunks(struct block_writer *writer, const int64_t *times, const double *values,
                      size_t count, struct error *error)
{
    size_t most = writer->effort == COLUMN_SMALL ? BLOCK_CHUNK_LIMIT : BLOCK_CHUNK_MAX;
    size_t chunks = (count + most - 1) / most;
    varint_append(&writer->series, chunks);
    size_t offset_place = writer->series.size;
    buf_reset(&writer->values);
    struct buf *series = &writer->series;
    int code = 0;
    for (size_t i = 0; i < chunks && code == 0; i++) {
        size_t from = count * i / chunks;
        size_t step = count * (i + 1) / chunks - from;
        uint32_t place = 0;
        code = add_times(writer, times + from, step, &place, error);
        if (code == 0) {
            code = add_values(writer, values + from, step, (uint32_t)i, place, error);
        }
    }
    if (code != 0) return code;
    if (writer->values.has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    /* Now it is known where the values stand: that goes in front of the chunks. */
    unsigned char offset[VARINT_SIZE_MAX];
    size_t offset_size = varint_encode(position(writer), offset);
    buf_append(series, offset, offset_size);
    if (series->has_failed) return error_set(error, -ENOMEM, "no memory to write a block");
    memmove(series->data + offset_place + offset_size, series->data + offset_place,
            series->size - offset_place - offset_size);
    memcpy(series->data + offset_place, offset, offset_size);
    return put(writer, writer->values.data, writer->values.size, error);
}

int block_writer_add(struct block_writer *writer, struct labels labels, const int64_t *times,
                     const double *values, size_t count, struct error *error)
{
    CHECK(count > 0);
    if (writer->meta.series == UINT32_MAX || writer->series.size > INDEX_SIZE_MAX / 2) {
        return error_set(error, ERROR_LIMIT, "block '%s' has too many series", writer->path);
    }
    fixed32_append(&writer->offsets, (uint32_t)writer->series.size);
    writer->role = RELATIVES_NONE;
    if (writer->effort == COLUMN_SMALL) {
        writer->role = relatives_look(&writer->relatives, labels, (uint32_t)writer->meta.series);
    }
    int code = add_labels(writer, labels, error);
    if (code == 0) code = add_chunks(writer, times, values, count, error);
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
        fixed32_append(&writer->offsets, pair->count);
        if (pair->count == 1) place = pair->series.single;
        fixed32_append(&writer->offsets, (uint32_t)place);
        if (pair->count == 1) continue;
        const uint32_t *items = pair->series.items;
        numbers.count = 0;
        if (!VEC_RESERVE(&numbers, pair->count)) {
            code = error_set(error, -ENOMEM, "no memory to write a block");
            break;
        }
        for (size_t k = 0; k < pair->count; k++) numbers.items[k] = items[k];
        buf_reset(&writer->column);
        column_encode_numbers(&writer->column, numbers.items, pair->count);
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
    if (code == 0) code = put_buf(writer, BLOCK_TIMES, &writer->times, error);
    if (code == 0) code = put_footer(writer, error);
    if (code == 0) code = flush(writer, error);
    if (code != 0) return code;
    code = writer->disk->sync(writer->disk->state, writer->handle);
    return code == 0 ? 0 : fail(error, code, "sync", writer->path);
}
