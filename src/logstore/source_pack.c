/* source_pack.c - documents into shapes and columns; see source_block.h for the format. */
#include "base/check.h"
#include "base/vec.h"
#include "codec/compress.h"
#include "logstore/bytes.h"
#include "logstore/hexed.h"
#include "logstore/ints.h"
#include "logstore/shape.h"
#include "logstore/source_block.h"
#include "logstore/source_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHAPES_ALWAYS 8 /* so many shapes are fine however few the documents are */

struct block_shape {
    struct shape *shape; /* owned */
    uint32_t *columns;   /* of each hole; owned */
};

struct column {
    struct str path; /* owned */
    struct str_vec values;
};

struct source_packer {
    struct zstd_packer *zstd;
    struct hexed hexed;
    VEC(struct block_shape) shapes;
    VEC(struct column *) columns; /* kept between blocks; column_count are in use */
    size_t column_count;
    struct str_vec holes;  /* of the document at hand */
    VEC(uint8_t) contents; /* of them; not looked at */
    struct buf shape_text; /* of it */
    VEC(int64_t) numbers;  /* scratch */
    VEC(int64_t) shape_numbers;
    struct buf head;
    struct buf texts; /* scratch: the texts of a column */
    struct buf tail;  /* what stands behind the head */
    bool has_odd_keys;
};

int source_packer_new(struct source_packer **packer_out, int level)
{
    struct source_packer *packer = calloc(1, sizeof(*packer));
    if (packer == NULL) return -ENOMEM;
    buf_init(&packer->shape_text, SIZE_MAX);
    buf_init(&packer->head, SOURCE_HEAD_MAX);
    buf_init(&packer->texts, UINT32_MAX);
    buf_init(&packer->tail, UINT32_MAX);
    hexed_init(&packer->hexed);
    if (zstd_packer_new(&packer->zstd, level, NULL) < 0) {
        source_packer_free(packer);
        return -ENOMEM;
    }
    *packer_out = packer;
    return 0;
}

static void forget_shapes(struct source_packer *packer)
{
    VEC_FOR_EACH (&packer->shapes, shape) {
        shape_free(shape->shape);
        free(shape->columns);
    }
    packer->shapes.count = 0;
    for (size_t i = 0; i < packer->column_count; i++) {
        struct column *column = packer->columns.items[i];
        free((char *)(uintptr_t)column->path.data);
        column->path = (struct str){ NULL, 0 };
        column->values.count = 0;
    }
    packer->column_count = 0;
    packer->has_odd_keys = false;
}

void source_packer_free(struct source_packer *packer)
{
    if (packer == NULL) return;
    forget_shapes(packer);
    VEC_RELEASE(&packer->shapes);
    for (size_t i = 0; i < packer->columns.count; i++) {
        VEC_RELEASE(&packer->columns.items[i]->values);
        free(packer->columns.items[i]);
    }
    VEC_RELEASE(&packer->columns);
    VEC_RELEASE(&packer->holes);
    VEC_RELEASE(&packer->contents);
    VEC_RELEASE(&packer->numbers);
    VEC_RELEASE(&packer->shape_numbers);
    buf_release(&packer->shape_text);
    buf_release(&packer->head);
    buf_release(&packer->texts);
    buf_release(&packer->tail);
    hexed_release(&packer->hexed);
    zstd_packer_free(packer->zstd);
    free(packer);
}

size_t source_packer_memory(const struct source_packer *packer)
{
    size_t size = packer->head.capacity + packer->texts.capacity + packer->tail.capacity +
                  packer->shape_text.capacity + packer->hexed.rest.capacity +
                  packer->hexed.packed.capacity;
    for (size_t i = 0; i < packer->columns.count; i++) {
        size += packer->columns.items[i]->values.capacity * sizeof(struct str);
    }
    return size;
}

/* Splitting ------------------------------------------------------------------------------- */

static struct column *column_at(struct source_packer *packer, size_t number)
{
    if (number < packer->columns.count) return packer->columns.items[number];
    struct column *column = calloc(1, sizeof(*column));
    if (column == NULL) return NULL;
    if (VEC_PUSH(&packer->columns, column)) return column;
    free(column);
    return NULL;
}

/* The number of the column of that path, made when it is new; UINT32_MAX: too many. */
static uint32_t column_number(struct source_packer *packer, struct str path)
{
    for (size_t i = 0; i < packer->column_count; i++) {
        if (str_equal(packer->columns.items[i]->path, path)) return (uint32_t)i;
    }
    if (packer->column_count == SOURCE_COLUMNS_MAX) return UINT32_MAX;
    struct column *column = column_at(packer, packer->column_count);
    if (column == NULL) return UINT32_MAX;
    char *copy = str_copy(path);
    if (copy == NULL) return UINT32_MAX;
    column->path = (struct str){ copy, path.size };
    column->values.count = 0;
    return (uint32_t)packer->column_count++;
}

/* The shape of what was split, made when it is new; SIZE_MAX: too many. */
static size_t find_shape(struct source_packer *packer, size_t document_count)
{
    struct str text = buf_str(&packer->shape_text);
    uint32_t hash = shape_hash(text);
    for (size_t i = packer->shapes.count; i > 0; i--) {
        const struct shape *shape = packer->shapes.items[i - 1].shape;
        if (shape->hash == hash && str_equal(shape->text, text)) return i - 1;
    }
    size_t count = packer->shapes.count;
    if (count == SOURCE_SHAPES_MAX || (count >= SHAPES_ALWAYS && count * 4 > document_count)) {
        return SIZE_MAX;
    }
    struct block_shape fresh = {
        .shape = shape_new(text, packer->holes.count),
        .columns = calloc(packer->holes.count + 1, sizeof(uint32_t)),
    };
    bool is_made = fresh.shape != NULL && fresh.columns != NULL;
    for (uint32_t i = 0; is_made && i < fresh.shape->hole_count; i++) {
        fresh.columns[i] = column_number(packer, fresh.shape->paths[i]);
        is_made = fresh.columns[i] != UINT32_MAX;
    }
    if (is_made && VEC_PUSH(&packer->shapes, fresh)) {
        packer->has_odd_keys |= fresh.shape->has_odd_keys;
        return count;
    }
    shape_free(fresh.shape);
    free(fresh.columns);
    return SIZE_MAX;
}

/* False when the documents are not alike enough, or the memory is short. */
static bool split_all(struct source_packer *packer, const struct str *documents, size_t count)
{
    size_t last = SIZE_MAX;
    packer->shape_numbers.count = 0;
    packer->holes.count = 0;
    if (!VEC_RESERVE(&packer->shape_numbers, count) ||
        !VEC_RESERVE(&packer->holes, SHAPE_HOLES_MAX) ||
        !VEC_RESERVE(&packer->contents, SHAPE_HOLES_MAX)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_like =
            last != SIZE_MAX && shape_fits(packer->shapes.items[last].shape, documents[i],
                                           packer->holes.items, packer->contents.items);
        if (!is_like) {
            if (!shape_split(documents[i], &packer->shape_text, &packer->holes)) return false;
            last = find_shape(packer, i);
            if (last == SIZE_MAX) return false;
        }
        const struct block_shape *shape = &packer->shapes.items[last];
        packer->shape_numbers.items[packer->shape_numbers.count++] = (int64_t)last;
        for (uint32_t k = 0; k < shape->shape->hole_count; k++) {
            struct column *column = packer->columns.items[shape->columns[k]];
            if (!VEC_PUSH(&column->values, packer->holes.items[k])) return false;
        }
    }
    return true;
}

/* Columns --------------------------------------------------------------------------------- */

static bool write_constant(const struct column *column, struct buf *head)
{
    struct str first = column->values.items[0];
    for (size_t i = 1; i < column->values.count; i++) {
        if (!str_equal(column->values.items[i], first)) return false;
    }
    buf_append_char(head, SOURCE_CONSTANT);
    bytes_put_varint(head, column->values.count);
    bytes_put_text(head, first);
    return true;
}

#define FEW_SLOTS 1024

/* The ends and the size: enough for a small table, and quick. */
static size_t few_hash(struct str text)
{
    uint64_t first = 0;
    uint64_t last = 0;
    if (text.size >= 8) {
        first = bytes_get64(text.data);
        last = bytes_get64(text.data + text.size - 8);
    } else if (text.size > 0) {
        memcpy(&first, text.data, text.size);
    }
    uint64_t hash = (first ^ text.size) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ (hash >> 29) ^ last) * UINT64_C(0xff51afd7ed558ccd);
    return (size_t)(hash >> 40);
}

static bool write_few(const struct column *column, struct buf *head)
{
    uint16_t slots[FEW_SLOTS] = { 0 }; /* number of the text, plus one */
    struct str texts[SOURCE_FEW_MAX];
    size_t text_count = 0;
    size_t count = column->values.count;
    size_t text_max = count / 4 < SOURCE_FEW_MAX ? count / 4 : SOURCE_FEW_MAX;
    size_t start = head->size;
    char *which = malloc(count);
    bool fits = which != NULL;
    for (size_t i = 0; fits && i < count; i++) {
        struct str value = column->values.items[i];
        if (i > 0 && str_equal(value, column->values.items[i - 1])) {
            which[i] = which[i - 1];
            continue;
        }
        size_t at = few_hash(value) % FEW_SLOTS;
        while (slots[at] != 0 && !str_equal(texts[slots[at] - 1], value)) at = (at + 1) % FEW_SLOTS;
        if (slots[at] == 0) {
            fits = text_count < text_max;
            if (!fits) break;
            texts[text_count++] = value;
            slots[at] = (uint16_t)text_count;
        }
        which[i] = (char)(slots[at] - 1);
    }
    if (fits) {
        buf_append_char(head, SOURCE_FEW);
        bytes_put_varint(head, count);
        bytes_put_varint(head, text_count);
        for (size_t i = 0; i < text_count; i++) bytes_put_text(head, texts[i]);
        buf_append(head, which, count);
    } else {
        buf_truncate(head, start);
    }
    free(which);
    return fits;
}

static bool write_integers(struct source_packer *packer, const struct column *column)
{
    size_t count = column->values.count;
    for (size_t i = 0; i < count; i++) {
        if (!source_integer_read(column->values.items[i], &packer->numbers.items[i])) return false;
    }
    buf_append_char(&packer->head, SOURCE_INTEGERS);
    bytes_put_varint(&packer->head, count);
    ints_write(packer->numbers.items, count, &packer->head);
    return true;
}

static bool write_times(struct source_packer *packer, const struct column *column)
{
    struct source_time_form form = { 0 };
    struct source_time_form first = { 0 };
    size_t count = column->values.count;
    for (size_t i = 0; i < count; i++) {
        if (!source_time_read(column->values.items[i], &form, &packer->numbers.items[i])) {
            return false;
        }
        if (i == 0) first = form;
        if (memcmp(&first, &form, sizeof(form)) != 0) return false;
    }
    buf_append_char(&packer->head, SOURCE_TIMES);
    bytes_put_varint(&packer->head, count);
    buf_append_char(&packer->head, form.separator);
    buf_append_char(&packer->head, form.point);
    buf_append_char(&packer->head, (char)form.digit_count);
    bytes_put_text(&packer->head, (struct str){ form.zone, form.zone_size });
    ints_write(packer->numbers.items, count, &packer->head);
    return true;
}

static int pack_bytes(struct source_packer *packer, struct str raw, struct buf *out,
                      struct error *error)
{
    size_t start = out->size;
    int code = hexed_pack(&packer->hexed, packer->zstd, raw, out, error);
    if (code != 0) return code < 0 ? code : 0;
    code = zstd_packer_pack(packer->zstd, raw, out, error);
    if (code == 0 && out->size - start >= raw.size) {
        buf_truncate(out, start);
        buf_append_str(out, raw);
    }
    return code < 0          ? code
           : out->has_failed ? error_set(error, -ENOMEM, "pack sources: out of memory")
                             : 0;
}

static int write_texts(struct source_packer *packer, const struct column *column,
                       struct error *error)
{
    size_t count = column->values.count;
    buf_reset(&packer->texts);
    for (size_t i = 0; i < count; i++) {
        buf_append_str(&packer->texts, column->values.items[i]);
        packer->numbers.items[i] = (int64_t)column->values.items[i].size;
    }
    if (packer->texts.has_failed) return error_set(error, -ENOMEM, "pack sources: out of memory");
    buf_append_char(&packer->head, SOURCE_TEXTS);
    bytes_put_varint(&packer->head, count);
    ints_write(packer->numbers.items, count, &packer->head);
    bytes_put_varint(&packer->head, packer->texts.size);
    if (packer->texts.size < SOURCE_OWN_SIZE) {
        bytes_put_varint(&packer->head, 0);
        buf_append_str(&packer->head, buf_str(&packer->texts));
        return 0;
    }
    size_t before = packer->tail.size;
    int code = pack_bytes(packer, buf_str(&packer->texts), &packer->tail, error);
    bytes_put_varint(&packer->head, packer->tail.size - before);
    return code;
}

static int write_column(struct source_packer *packer, const struct column *column,
                        struct error *error)
{
    packer->numbers.count = 0;
    if (!VEC_RESERVE(&packer->numbers, column->values.count)) {
        return error_set(error, -ENOMEM, "pack sources: out of memory");
    }
    bytes_put_text(&packer->head, column->path);
    bool is_written = write_constant(column, &packer->head) || write_few(column, &packer->head) ||
                      write_integers(packer, column) || write_times(packer, column);
    return is_written ? 0 : write_texts(packer, column, error);
}

static int write_columns(struct source_packer *packer, size_t count, struct buf *out,
                         struct error *error)
{
    struct buf *head = &packer->head;
    buf_reset(head);
    buf_reset(&packer->tail);
    bytes_put_varint(head, count);
    buf_append_char(head, packer->has_odd_keys ? 1 : 0);
    bytes_put_varint(head, packer->shapes.count);
    VEC_FOR_EACH (&packer->shapes, item) {
        const struct shape *shape = item->shape;
        bytes_put_varint(head, shape->hole_count);
        for (uint32_t i = 0; i < shape->hole_count; i++) {
            bytes_put_varint(head, item->columns[i]);
            bytes_put_text(head, shape->pieces[i]);
        }
        bytes_put_text(head, shape->pieces[shape->hole_count]);
    }
    ints_write(packer->shape_numbers.items, count, head);
    bytes_put_varint(head, packer->column_count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < packer->column_count; i++) {
        code = write_column(packer, packer->columns.items[i], error);
    }
    if (code < 0) return code;
    if (head->has_failed) return error_set(error, -ENOMEM, "pack sources: out of memory");
    struct buf *packed = &packer->texts;
    buf_reset(packed);
    code = pack_bytes(packer, buf_str(head), packed, error);
    if (code < 0) return code;
    buf_append_char(out, SOURCE_COLUMNS);
    bytes_put_varint(out, head->size);
    bytes_put_varint(out, packed->size);
    buf_append_str(out, buf_str(packed));
    buf_append_str(out, buf_str(&packer->tail));
    return out->has_failed ? error_set(error, -ENOMEM, "pack sources: out of memory") : 0;
}

static int write_whole(struct source_packer *packer, const struct str *documents, size_t count,
                       struct buf *out, struct error *error)
{
    struct buf *raw = &packer->texts;
    struct buf *packed = &packer->tail;
    buf_reset(raw);
    buf_reset(packed);
    bytes_put32(raw, (uint32_t)count);
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        end += (uint32_t)documents[i].size;
        bytes_put32(raw, end);
    }
    for (size_t i = 0; i < count; i++) buf_append_str(raw, documents[i]);
    if (raw->has_failed) return error_set(error, -ENOMEM, "pack sources: out of memory");
    int code = pack_bytes(packer, buf_str(raw), packed, error);
    if (code < 0) return code;
    buf_append_char(out, SOURCE_WHOLE);
    bytes_put_varint(out, raw->size);
    bytes_put_varint(out, packed->size);
    buf_append_str(out, buf_str(packed));
    return out->has_failed ? error_set(error, -ENOMEM, "pack sources: out of memory") : 0;
}

int source_block_pack(struct source_packer *packer, const struct str *documents, size_t count,
                      struct buf *out, struct error *error)
{
    CHECK(count > 0);
    size_t start = out->size;
    bool is_split = split_all(packer, documents, count);
    int code = is_split ? write_columns(packer, count, out, error)
                        : write_whole(packer, documents, count, out, error);
    forget_shapes(packer);
    if (code < 0) buf_truncate(out, start);
    return code;
}
