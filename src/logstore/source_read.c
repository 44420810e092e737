/* source_read.c - shapes and columns back into documents; nothing in a block is believed. */
#include "base/check.h"
#include "base/vec.h"
#include "codec/compress.h"
#include "logstore/bytes.h"
#include "logstore/hexed.h"
#include "logstore/ints.h"
#include "logstore/source_block.h"
#include "logstore/source_text.h"

#include <errno.h>
#include <stdlib.h>

#define COUNT_MAX (1u << 26) /* documents, and values of a column */

struct shape {
    size_t first_hole; /* in holes; and in pieces, plus the shape's number */
    uint32_t hole_count;
};

struct column {
    struct str path;
    enum source_form form;
    uint32_t count;
    uint32_t next; /* value that the document at hand takes */
    struct str text;
    size_t first_text; /* in texts; of few */
    uint32_t text_count;
    struct str which;
    struct str ints;     /* as stored; read when the column is */
    size_t first_number; /* in numbers, when has_numbers */
    bool has_numbers;
    struct source_time_form time;
    uint64_t raw_size, stored_size; /* of texts */
    struct str stored;              /* where they stand */
    size_t raw_start;               /* of the unpacked texts in block->texts_raw */
    size_t raw_at;                  /* of the next value in them */
    bool is_unpacked;
};

struct source_block {
    struct zstd_unpacker *zstd;
    struct hexed hexed;
    enum source_kind kind;
    bool has_odd_keys;
    uint32_t count;
    struct buf head;      /* unpacked; of whole ones too */
    struct buf texts_raw; /* unpacked texts of columns */
    struct buf printed;   /* the number at hand */
    VEC(struct shape) shapes;
    VEC(uint32_t) holes; /* columns */
    VEC(struct str) pieces;
    VEC(struct column) columns;
    VEC(struct str) few_texts;
    VEC(int64_t) numbers;
    size_t shape_numbers; /* in numbers */
};

int source_block_new(struct source_block **block_out)
{
    struct source_block *block = calloc(1, sizeof(*block));
    if (block == NULL) return -ENOMEM;
    if (zstd_unpacker_new(&block->zstd, NULL) < 0) {
        free(block);
        return -ENOMEM;
    }
    buf_init(&block->head, SOURCE_HEAD_MAX);
    buf_init(&block->texts_raw, (size_t)1 << 32);
    buf_init(&block->printed, 64);
    hexed_init(&block->hexed);
    *block_out = block;
    return 0;
}

void source_block_free(struct source_block *block)
{
    if (block == NULL) return;
    zstd_unpacker_free(block->zstd);
    buf_release(&block->head);
    buf_release(&block->texts_raw);
    buf_release(&block->printed);
    hexed_release(&block->hexed);
    VEC_RELEASE(&block->shapes);
    VEC_RELEASE(&block->holes);
    VEC_RELEASE(&block->pieces);
    VEC_RELEASE(&block->columns);
    VEC_RELEASE(&block->few_texts);
    VEC_RELEASE(&block->numbers);
    free(block);
}

uint32_t source_block_count(const struct source_block *block)
{
    return block->count;
}

static int broken(struct error *error)
{
    return error_set(error, ERROR_CORRUPT, "block of sources is broken");
}

static bool take_count(struct str *rest, uint32_t most, uint32_t *count)
{
    uint64_t value;
    if (!bytes_take_varint(rest, &value) || value > most) return false;
    *count = (uint32_t)value;
    return true;
}

static bool take_byte(struct str *rest, unsigned char *byte)
{
    struct str one;
    if (!bytes_take(rest, 1, &one)) return false;
    *byte = (unsigned char)one.data[0];
    return true;
}

/* Reads `count` numbers to the end of block->numbers. */
static bool take_ints(struct source_block *block, struct str *rest, uint32_t count, size_t *first)
{
    *first = block->numbers.count;
    if (!VEC_RESERVE(&block->numbers, (size_t)count + 1)) return false;
    block->numbers.count += count;
    return ints_read(rest, count, block->numbers.items + *first);
}

static bool read_shapes(struct source_block *block, struct str *rest)
{
    uint32_t shape_count;
    if (!take_count(rest, SOURCE_SHAPES_MAX, &shape_count)) return false;
    for (uint32_t i = 0; i < shape_count; i++) {
        struct shape shape = { .first_hole = block->holes.count };
        if (!take_count(rest, (uint32_t)rest->size, &shape.hole_count)) return false;
        for (uint32_t k = 0; k <= shape.hole_count; k++) {
            uint32_t column = 0;
            struct str piece;
            bool is_hole = k < shape.hole_count;
            if (is_hole && !take_count(rest, SOURCE_COLUMNS_MAX - 1, &column)) return false;
            if (!bytes_take_text(rest, &piece) || !VEC_PUSH(&block->pieces, piece)) return false;
            if (is_hole && !VEC_PUSH(&block->holes, column)) return false;
        }
        if (!VEC_PUSH(&block->shapes, shape)) return false;
    }
    if (!take_ints(block, rest, block->count, &block->shape_numbers)) return false;
    for (uint32_t i = 0; i < block->count; i++) {
        int64_t shape = block->numbers.items[block->shape_numbers + i];
        if (shape < 0 || shape >= (int64_t)shape_count) return false;
    }
    return true;
}

static bool read_few(struct source_block *block, struct column *column, struct str *rest)
{
    column->first_text = block->few_texts.count;
    if (!take_count(rest, SOURCE_FEW_MAX, &column->text_count)) return false;
    for (uint32_t i = 0; i < column->text_count; i++) {
        struct str text;
        if (!bytes_take_text(rest, &text) || !VEC_PUSH(&block->few_texts, text)) return false;
    }
    if (!bytes_take(rest, column->count, &column->which)) return false;
    for (uint32_t i = 0; i < column->count; i++) {
        if ((unsigned char)column->which.data[i] >= column->text_count) return false;
    }
    return true;
}

static bool read_times(struct column *column, struct str *rest)
{
    unsigned char bytes[3];
    struct str zone;
    for (size_t i = 0; i < 3; i++) {
        if (!take_byte(rest, &bytes[i])) return false;
    }
    if (!bytes_take_text(rest, &zone) || zone.size > SOURCE_ZONE_SIZE || bytes[2] > 9) return false;
    column->time = (struct source_time_form){
        .separator = (char)bytes[0],
        .point = (char)bytes[1],
        .digit_count = bytes[2],
        .zone_size = (uint8_t)zone.size,
    };
    memcpy(column->time.zone, zone.data, zone.size);
    return ints_take(rest, column->count, &column->ints);
}

static bool read_texts(struct column *column, struct str *rest, struct str *tail)
{
    if (!ints_take(rest, column->count, &column->ints) ||
        !bytes_take_varint(rest, &column->raw_size) || column->raw_size > UINT32_MAX ||
        !bytes_take_varint(rest, &column->stored_size)) {
        return false;
    }
    bool is_inline = column->stored_size == 0;
    uint64_t size = is_inline ? column->raw_size : column->stored_size;
    struct str *from = is_inline ? rest : tail;
    return size <= from->size && bytes_take(from, (size_t)size, &column->stored);
}

static bool read_column(struct source_block *block, struct column *column, struct str *rest,
                        struct str *tail)
{
    unsigned char form;
    if (!bytes_take_text(rest, &column->path) || !take_byte(rest, &form) ||
        !take_count(rest, COUNT_MAX, &column->count)) {
        return false;
    }
    column->form = (enum source_form)form;
    switch (column->form) {
    case SOURCE_CONSTANT: return bytes_take_text(rest, &column->text);
    case SOURCE_FEW: return read_few(block, column, rest);
    case SOURCE_INTEGERS: return ints_take(rest, column->count, &column->ints);
    case SOURCE_TIMES: return read_times(column, rest);
    case SOURCE_TEXTS: return read_texts(column, rest, tail);
    case SOURCE_FORM_COUNT: break;
    }
    return false;
}

static bool read_head(struct source_block *block, struct str rest, struct str tail)
{
    unsigned char flags;
    uint32_t column_count;
    if (!take_count(&rest, COUNT_MAX, &block->count) || block->count == 0 ||
        !take_byte(&rest, &flags) || !read_shapes(block, &rest) ||
        !take_count(&rest, SOURCE_COLUMNS_MAX, &column_count)) {
        return false;
    }
    block->has_odd_keys = (flags & 1) != 0;
    for (uint32_t i = 0; i < column_count; i++) {
        struct column column = { .next = 0 };
        if (!read_column(block, &column, &rest, &tail)) return false;
        if (!VEC_PUSH(&block->columns, column)) return false;
    }
    for (size_t i = 0; i < block->holes.count; i++) {
        if (block->holes.items[i] >= column_count) return false;
    }
    return true;
}

static int unpack(struct source_block *block, struct str stored, uint64_t raw_size, struct buf *out,
                  struct error *error)
{
    if (stored.size != raw_size && hexed_is(stored)) {
        return hexed_unpack(&block->hexed, block->zstd, stored, (size_t)raw_size, out, error);
    }
    if (stored.size != raw_size) {
        return zstd_unpacker_unpack(block->zstd, stored, (size_t)raw_size, out, error);
    }
    buf_append_str(out, stored);
    return out->has_failed ? error_set(error, -ENOMEM, "unpack sources: out of memory") : 0;
}

static void forget(struct source_block *block)
{
    buf_reset(&block->head);
    buf_reset(&block->texts_raw);
    block->shapes.count = 0;
    block->holes.count = 0;
    block->pieces.count = 0;
    block->columns.count = 0;
    block->few_texts.count = 0;
    block->numbers.count = 0;
    block->count = 0;
    block->has_odd_keys = false;
}

static bool whole_is_sound(struct source_block *block)
{
    struct str raw = buf_str(&block->head);
    if (raw.size < 4) return false;
    uint32_t count = bytes_get32(raw.data);
    if (count == 0 || count > (raw.size - 4) / 4) return false;
    uint32_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = bytes_get32(raw.data + 4 + 4 * (size_t)i);
        if (end < before) return false;
        before = end;
    }
    block->count = count;
    return before == raw.size - 4 - 4 * (size_t)count;
}

int source_block_open(struct source_block *block, struct str stored, struct error *error)
{
    forget(block);
    unsigned char kind;
    uint64_t raw_size;
    uint64_t head_size;
    struct str head;
    if (!take_byte(&stored, &kind) || kind >= SOURCE_KIND_COUNT ||
        !bytes_take_varint(&stored, &raw_size) || raw_size > SOURCE_HEAD_MAX ||
        !bytes_take_varint(&stored, &head_size) || head_size > stored.size ||
        !bytes_take(&stored, (size_t)head_size, &head)) {
        return broken(error);
    }
    block->kind = (enum source_kind)kind;
    int code = unpack(block, head, raw_size, &block->head, error);
    if (code < 0) return code;
    bool is_sound = block->kind == SOURCE_WHOLE ? whole_is_sound(block)
                                                : read_head(block, buf_str(&block->head), stored);
    if (is_sound) return 0;
    forget(block);
    return broken(error);
}

/* Values ---------------------------------------------------------------------------------- */

/* The sizes of the texts must be what there is of them. */
static bool sizes_fit(const struct source_block *block, const struct column *column)
{
    uint64_t left = column->raw_size;
    for (uint32_t i = 0; i < column->count; i++) {
        int64_t size = block->numbers.items[column->first_number + i];
        if (size < 0 || (uint64_t)size > left) return false;
        left -= (uint64_t)size;
    }
    return left == 0;
}

/* Most columns of a block are not asked for, so their numbers are read when they are. */
static bool read_numbers(struct source_block *block, struct column *column)
{
    if (column->has_numbers || column->ints.data == NULL) return true;
    struct str rest = column->ints;
    column->has_numbers = take_ints(block, &rest, column->count, &column->first_number);
    return column->has_numbers && (column->form != SOURCE_TEXTS || sizes_fit(block, column));
}

static int column_begin(struct source_block *block, struct column *column, struct error *error)
{
    column->next = 0;
    if (!read_numbers(block, column)) return broken(error);
    if (column->form != SOURCE_TEXTS) return 0;
    if (!column->is_unpacked && column->stored_size != 0) {
        column->raw_start = block->texts_raw.size;
        int code = unpack(block, column->stored, column->raw_size, &block->texts_raw, error);
        if (code < 0) return code;
        column->is_unpacked = true;
    }
    column->raw_at = 0;
    return 0;
}

/* The texts of a column, one behind the other. */
static struct str all_texts(const struct source_block *block, const struct column *column)
{
    const char *texts =
        column->stored_size == 0 ? column->stored.data : block->texts_raw.data + column->raw_start;
    return (struct str){ texts, (size_t)column->raw_size };
}

/* The next value of a column; valid until the next call. False behind the last. */
static bool next_value(struct source_block *block, struct column *column, struct str *value)
{
    if (column->next >= column->count) return false;
    uint32_t at = column->next++;
    switch (column->form) {
    case SOURCE_CONSTANT: *value = column->text; return true;
    case SOURCE_FEW: {
        size_t text = (unsigned char)column->which.data[at];
        *value = block->few_texts.items[column->first_text + text];
        return true;
    }
    case SOURCE_INTEGERS:
        buf_reset(&block->printed);
        source_integer_print(block->numbers.items[column->first_number + at], &block->printed);
        *value = buf_str(&block->printed);
        return true;
    case SOURCE_TIMES:
        buf_reset(&block->printed);
        source_time_print(&column->time, block->numbers.items[column->first_number + at],
                          &block->printed);
        *value = buf_str(&block->printed);
        return true;
    case SOURCE_TEXTS: {
        size_t size = (size_t)block->numbers.items[column->first_number + at];
        *value = (struct str){ all_texts(block, column).data + column->raw_at, size };
        column->raw_at += size;
        return true;
    }
    case SOURCE_FORM_COUNT: break;
    }
    return false;
}

static int join_documents(struct source_block *block, struct buf *raw, struct buf *ends,
                          struct error *error)
{
    size_t start = raw->size;
    for (uint32_t i = 0; i < block->count; i++) {
        size_t number = (size_t)block->numbers.items[block->shape_numbers + i];
        const struct shape *shape = &block->shapes.items[number];
        const struct str *pieces = block->pieces.items + shape->first_hole + number;
        for (uint32_t k = 0; k < shape->hole_count; k++) {
            struct column *column =
                &block->columns.items[block->holes.items[shape->first_hole + k]];
            struct str value;
            if (!next_value(block, column, &value)) return broken(error);
            buf_append_str(raw, pieces[k]);
            buf_append_str(raw, value);
        }
        buf_append_str(raw, pieces[shape->hole_count]);
        bytes_put32(ends, (uint32_t)(raw->size - start));
        if (raw->has_failed) break;
    }
    bool has_failed = raw->has_failed || ends->has_failed;
    return has_failed ? error_set(error, -ENOMEM, "unpack sources: out of memory") : 0;
}

bool source_block_whole(const struct source_block *block, uint32_t document, struct str *source)
{
    if (block->kind != SOURCE_WHOLE) return false;
    CHECK(document < block->count);
    const char *ends = block->head.data + 4;
    const char *documents = ends + 4 * (size_t)block->count;
    uint32_t start = document == 0 ? 0 : bytes_get32(ends + 4 * (size_t)(document - 1));
    uint32_t end = bytes_get32(ends + 4 * (size_t)document);
    *source = (struct str){ documents + start, end - start };
    return true;
}

int source_block_documents(struct source_block *block, struct buf *raw, struct buf *ends,
                           struct error *error)
{
    if (block->kind == SOURCE_WHOLE) {
        struct str bytes = buf_str(&block->head);
        buf_append(ends, bytes.data + 4, (size_t)block->count * 4);
        buf_append_str(raw, str_skip(bytes, 4 + (size_t)block->count * 4));
        bool has_failed = raw->has_failed || ends->has_failed;
        return has_failed ? error_set(error, -ENOMEM, "unpack sources: out of memory") : 0;
    }
    VEC_FOR_EACH (&block->columns, column) {
        int code = column_begin(block, column, error);
        if (code < 0) return code;
    }
    return join_documents(block, raw, ends, error);
}

/* A walk over the values of one column, and which of them may hold a literal. */
struct value_walk {
    struct source_block *block;
    struct column *column;
    const struct literal *literal; /* NULL: all are wanted */
    size_t next_place;             /* in the texts, where it was found; STR_NONE: nowhere more */
    bool may_hold[SOURCE_FEW_MAX]; /* of few */
};

static void begin_walk(struct value_walk *walk)
{
    const struct column *column = walk->column;
    if (walk->literal == NULL) return;
    if (column->form == SOURCE_TEXTS) {
        walk->next_place = literal_find(walk->literal, all_texts(walk->block, column), 0);
    }
    for (uint32_t i = 0; column->form == SOURCE_FEW && i < column->text_count; i++) {
        struct str text = walk->block->few_texts.items[column->first_text + i];
        walk->may_hold[i] = literal_find(walk->literal, text, 0) != STR_NONE;
    }
}

/* The next value, as next_value; whether it may hold the literal. */
static bool walk_on(struct value_walk *walk, struct str *value, bool *may_hold)
{
    struct column *column = walk->column;
    uint32_t at = column->next;
    size_t start = column->raw_at;
    *may_hold = true;
    if (!next_value(walk->block, column, value)) return false;
    if (walk->literal == NULL) return true;
    if (column->form == SOURCE_FEW)
        *may_hold = walk->may_hold[(unsigned char)column->which.data[at]];
    if (column->form != SOURCE_TEXTS) return true;
    size_t end = column->raw_at;
    *may_hold = walk->next_place != STR_NONE && walk->next_place < end && start < end;
    if (*may_hold) {
        struct str texts = all_texts(walk->block, column);
        walk->next_place = literal_find(walk->literal, texts, end);
    }
    return true;
}

/* Where a shape has holes of a column: most have one, which is found once and not for each of their
 * documents. */
struct hole_list {
    uint32_t first, count;
};

static int visit_document(struct value_walk *walk, uint32_t number, uint32_t document,
                          struct hole_list holes,
                          int (*visit)(void *argument, const struct source_value *value),
                          void *argument, struct error *error)
{
    struct source_block *block = walk->block;
    size_t shape_number = (size_t)block->numbers.items[block->shape_numbers + document];
    const struct shape *shape = &block->shapes.items[shape_number];
    const uint32_t *columns = block->holes.items + shape->first_hole;
    const struct str *pieces = block->pieces.items + shape->first_hole + shape_number;
    for (uint32_t k = holes.first; holes.count > 0 && k < shape->hole_count; k++) {
        if (columns[k] != number) continue;
        holes.count--;
        struct source_value value = { .document = document };
        bool may_hold;
        if (!walk_on(walk, &value.raw, &may_hold)) return broken(error);
        if (!may_hold) continue;
        value.is_text = str_ends_with(pieces[k], STR("\""));
        int code = visit(argument, &value);
        if (code != 0) return code;
    }
    return 0;
}

/* A column of texts of which no shape has two: most columns that are searched. Values are passed
 * over by their sizes alone. */
static int visit_texts(struct value_walk *walk, const struct hole_list *holes,
                       int (*visit)(void *argument, const struct source_value *value),
                       void *argument, struct error *error)
{
    const struct source_block *block = walk->block;
    const struct column *column = walk->column;
    const struct str texts = all_texts(block, column);
    const int64_t *sizes = block->numbers.items + column->first_number;
    const int64_t *shapes = block->numbers.items + block->shape_numbers;
    size_t end = 0;
    uint32_t next = 0;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < block->count; i++) {
        size_t shape = (size_t)shapes[i];
        if (holes[shape].count == 0) continue;
        if (next == column->count) return broken(error);
        size_t start = end;
        end += (size_t)sizes[next++];
        if (walk->literal != NULL && (walk->next_place >= end || start == end)) continue;
        const struct str *pieces =
            block->pieces.items + block->shapes.items[shape].first_hole + shape;
        struct source_value value = {
            .document = i,
            .is_text = str_ends_with(pieces[holes[shape].first], STR("\"")),
            .raw = { texts.data + start, end - start },
        };
        code = visit(argument, &value);
        if (walk->literal == NULL) continue;
        walk->next_place = literal_find(walk->literal, texts, end);
        if (walk->next_place == STR_NONE) break;
    }
    return code;
}

static int visit_column(struct source_block *block, uint32_t number, const struct literal *literal,
                        int (*visit)(void *argument, const struct source_value *value),
                        void *argument, struct error *error)
{
    struct hole_list holes[SOURCE_SHAPES_MAX] = { 0 };
    struct value_walk walk;
    walk.block = block;
    walk.column = &block->columns.items[number];
    walk.literal = literal;
    walk.next_place = 0;
    int code = column_begin(block, walk.column, error);
    if (code < 0) return code;
    bool is_plain = walk.column->form == SOURCE_TEXTS;
    for (size_t i = 0; i < block->shapes.count; i++) {
        const struct shape *shape = &block->shapes.items[i];
        for (uint32_t k = shape->hole_count; k > 0; k--) {
            if (block->holes.items[shape->first_hole + k - 1] != number) continue;
            holes[i].first = k - 1;
            holes[i].count++;
        }
        is_plain &= holes[i].count <= 1;
    }
    begin_walk(&walk);
    bool is_nowhere =
        literal != NULL && walk.column->form == SOURCE_TEXTS && walk.next_place == STR_NONE;
    if (is_plain && !is_nowhere) return visit_texts(&walk, holes, visit, argument, error);
    for (uint32_t i = 0; code == 0 && !is_nowhere && i < block->count; i++) {
        size_t shape = (size_t)block->numbers.items[block->shape_numbers + i];
        code = visit_document(&walk, number, i, holes[shape], visit, argument, error);
    }
    return code;
}

int source_block_values(struct source_block *block, struct str path, const struct literal *literal,
                        int (*visit)(void *argument, const struct source_value *value),
                        void *argument, struct error *error)
{
    if (block->kind == SOURCE_WHOLE || block->has_odd_keys) return ERROR_UNSUPPORTED;
    for (size_t i = 0; i < block->columns.count; i++) {
        if (!str_equal(block->columns.items[i].path, path)) continue;
        return visit_column(block, (uint32_t)i, literal, visit, argument, error);
    }
    return 0;
}
