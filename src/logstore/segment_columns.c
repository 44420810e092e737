/* segment_columns.c - the columns of a segment: which there are, read at its opening; what each one
 * is made of, when somebody asks for it. A segment may have thousands, most never looked at.
 */
#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/bytes.h"
#include "logstore/segment.h"

#include <errno.h>
#include <stdlib.h>

#define NO_ROW UINT32_MAX

static int corrupt(struct error *error, const char *what)
{
    return error_set(error, ERROR_CORRUPT, "segment: %s", what);
}

static bool read_column_row(struct str *rest, struct logstore_column *column)
{
    struct str two;
    uint64_t documents;
    uint64_t least;
    uint64_t most;
    uint64_t above;
    if (!bytes_take_text(rest, &column->path) || !bytes_take(rest, 2, &two) ||
        !bytes_take_varint(rest, &documents) || !bytes_take64(rest, &least) ||
        !bytes_take64(rest, &most) || !bytes_take_text(rest, &column->source_path) ||
        !bytes_take_varint(rest, &above) || above > UINT32_MAX) {
        return false;
    }
    column->ignore_above = (uint32_t)above;
    unsigned char type = (unsigned char)two.data[0];
    if (type >= LOGSTORE_TYPE_COUNT || documents > UINT32_MAX) return false;
    column->type = (enum logstore_type)type;
    column->flags = (uint8_t)two.data[1];
    column->document_count = (uint32_t)documents;
    column->least = (int64_t)least;
    column->most = (int64_t)most;
    return true;
}

/* The rows of the directory that are a column's stand together, as writers put them. */
static bool find_sections(struct logstore_segment *segment, const char *rows, uint32_t count)
{
    uint32_t before = NO_ROW;
    for (uint32_t i = 0; i < count; i++) {
        const char *row = rows + (size_t)i * SEGMENT_ROW_SIZE;
        if (bytes_get32(row) < SEGMENT_PRESENCE) {
            before = NO_ROW;
            continue;
        }
        uint32_t column = bytes_get32(row + 4);
        if (column >= segment->column_count) return false;
        if (column == before) continue;
        if (segment->places[column].directory_row != NO_ROW) return false;
        segment->places[column].directory_row = i;
        before = column;
    }
    return true;
}

int segment_columns_read(struct logstore_segment *segment, struct str section, const char *rows,
                         uint32_t row_count, struct error *error)
{
    struct str rest = section;
    uint64_t count;
    if (!bytes_take_varint(&rest, &count) || count > section.size) {
        return corrupt(error, "columns are cut short");
    }
    segment->places = calloc((size_t)count + 1, sizeof(*segment->places));
    segment->columns = calloc((size_t)count + 1, sizeof(struct logstore_column *));
    if (segment->places == NULL || segment->columns == NULL) {
        return error_set(error, -ENOMEM, "open segment: out of memory");
    }
    segment->column_count = (size_t)count;
    struct str before = { NULL, 0 };
    for (size_t i = 0; i < count; i++) {
        struct logstore_column column;
        segment->places[i].row = (uint32_t)(section.size - rest.size);
        segment->places[i].directory_row = NO_ROW;
        if (!read_column_row(&rest, &column)) return corrupt(error, "columns are cut short");
        if (str_compare(before, column.path) > 0) return corrupt(error, "columns out of order");
        before = column.path;
    }
    uint64_t directory =
        bytes_get64(segment->bytes.data + segment->bytes.size - SEGMENT_TRAILER_SIZE);
    segment->directory =
        (struct str){ segment->bytes.data + directory, (size_t)row_count * SEGMENT_ROW_SIZE };
    return find_sections(segment, rows, row_count) ? 0 : corrupt(error, "a section of no column");
}

void segment_column_release(struct logstore_column *column)
{
    terms_release(&column->terms);
    free(column->made);
    column->made = NULL;
}

void segment_columns_release(struct logstore_segment *segment)
{
    for (size_t i = 0; segment->columns != NULL && i < segment->column_count; i++) {
        if (segment->columns[i] == NULL) continue;
        segment_column_release(segment->columns[i]);
        free(segment->columns[i]);
    }
    free(segment->columns);
    free(segment->places);
}

/* The bytes were checked when the segment was opened, and are looked at with the same care, for
 * they may have been another read of the disk. */
static bool read_row(const struct logstore_segment *segment, size_t i,
                     struct logstore_column *column)
{
    struct str rest = str_skip(segment->sections[SEGMENT_COLUMNS].bytes, segment->places[i].row);
    return read_column_row(&rest, column);
}

struct str segment_column_path(const struct logstore_segment *segment, size_t i, bool *is_malformed)
{
    struct logstore_column column;
    if (!read_row(segment, i, &column)) column = (struct logstore_column){ .path = STR("") };
    *is_malformed = (column.flags & SEGMENT_COLUMN_MALFORMED) != 0;
    return column.path;
}

static struct segment_section *section_place(struct logstore_column *column, uint32_t kind)
{
    switch (kind) {
    case SEGMENT_PRESENCE: return &column->presence;
    case SEGMENT_VALUES: return &column->values;
    case SEGMENT_TERMS: return &column->terms_bytes;
    case SEGMENT_POSTINGS: return &column->postings;
    case SEGMENT_RARE: return &column->rare_bytes;
    default: return NULL;
    }
}

void segment_column_load(const struct logstore_segment *segment, size_t i,
                         struct logstore_column *column)
{
    *column = (struct logstore_column){ .path = STR("") };
    bool is_read = read_row(segment, i, column);
    column->segment = (struct logstore_segment *)(uintptr_t)segment;
    column->is_open = column->is_broken = !is_read;
    size_t row = segment->places[i].directory_row;
    if (segment->places[i].directory_row == NO_ROW) return;
    for (; (row + 1) * SEGMENT_ROW_SIZE <= segment->directory.size; row++) {
        const char *bytes = segment->directory.data + row * SEGMENT_ROW_SIZE;
        uint64_t offset = bytes_get64(bytes + 8);
        uint64_t size = bytes_get64(bytes + 16);
        struct segment_section *place = section_place(column, bytes_get32(bytes));
        if (place == NULL || bytes_get32(bytes + 4) != i) return;
        if (offset > segment->bytes.size || size > segment->bytes.size - offset) return;
        place->bytes = (struct str){ segment->bytes.data + offset, (size_t)size };
        place->crc = bytes_get32(bytes + 24);
    }
}

struct logstore_column *segment_column_at(const struct logstore_segment *constant, size_t i)
{
    struct logstore_segment *segment = (struct logstore_segment *)(uintptr_t)constant;
    CHECK(i < segment->column_count);
    mutex_lock(&segment->mutex);
    struct logstore_column *column = segment->columns[i];
    if (column == NULL) {
        column = calloc(1, sizeof(*column));
        if (column != NULL) segment_column_load(segment, i, column);
        segment->columns[i] = column;
    }
    mutex_unlock(&segment->mutex);
    return column;
}

static bool has_terms(const struct logstore_column *column)
{
    enum logstore_column_kind kind = logstore_column_kind(column);
    return kind == LOGSTORE_COLUMN_TEXT || kind == LOGSTORE_COLUMN_KEYWORD;
}

static bool presence_is_sound(const struct logstore_column *column)
{
    int64_t before = 0;
    for (uint32_t i = 0; i < column->presence_packed.count; i++) {
        int64_t document = packed_get(&column->presence_packed, i);
        if (document < before || document >= (int64_t)column->segment->document_count) return false;
        before = document;
    }
    return true;
}

static bool ordinals_are_sound(const struct logstore_column *column)
{
    for (uint32_t i = 0; i < column->values_packed.count; i++) {
        int64_t ordinal = packed_get(&column->values_packed, i);
        if (ordinal < 0 || ordinal >= (int64_t)column->terms.term_count) return false;
    }
    return true;
}

static bool open_rare(struct logstore_column *column)
{
    column->has_rare = column->rare_bytes.bytes.data != NULL;
    return !column->has_rare || (segment_section_holds(&column->rare_bytes) &&
                                 rare_open(column->rare_bytes.bytes, &column->rare));
}

static bool open_column(struct logstore_column *column)
{
    enum logstore_column_kind kind = logstore_column_kind(column);
    bool is_sourced = (column->flags & SEGMENT_COLUMN_SOURCED) != 0;
    if (is_sourced && kind != LOGSTORE_COLUMN_KEYWORD) return false;
    if (!open_rare(column)) return false;
    if (has_terms(column) && !is_sourced) {
        if (!segment_section_holds(&column->terms_bytes) ||
            terms_open(column->terms_bytes.bytes, kind == LOGSTORE_COLUMN_TEXT, &column->terms,
                       NULL) < 0) {
            return false;
        }
        if (kind == LOGSTORE_COLUMN_TEXT && !segment_section_holds(&column->postings)) return false;
    }
    column->is_dense = column->presence.bytes.data == NULL;
    column->value_count = column->segment->document_count;
    if (!column->is_dense) {
        struct str rest = column->presence.bytes;
        if (!segment_section_holds(&column->presence) ||
            !packed_open(&rest, &column->presence_packed) || !presence_is_sound(column)) {
            return false;
        }
        column->value_count = column->presence_packed.count;
    }
    if (kind == LOGSTORE_COLUMN_TEXT || is_sourced) return true;
    if (!segment_section_holds(&column->values)) return false;
    if (kind == LOGSTORE_COLUMN_REAL) {
        return column->values.bytes.size == (size_t)column->value_count * 8;
    }
    struct str rest = column->values.bytes;
    if (!packed_open(&rest, &column->values_packed) ||
        column->values_packed.count != column->value_count) {
        return false;
    }
    return kind != LOGSTORE_COLUMN_KEYWORD || ordinals_are_sound(column);
}

const struct logstore_column *segment_column_open(struct logstore_column *column)
{
    if (column == NULL) return NULL;
    mutex_lock(&column->segment->mutex);
    if (!column->is_open) {
        column->is_broken = !open_column(column);
        column->is_open = true;
        column->segment->is_damaged |= column->is_broken;
    }
    bool is_broken = column->is_broken;
    mutex_unlock(&column->segment->mutex);
    return is_broken ? NULL : column;
}

size_t segment_column_find(const struct logstore_segment *segment, struct str path,
                           bool is_malformed)
{
    size_t low = 0;
    size_t high = segment->column_count;
    bool is_found_malformed;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (str_compare(segment_column_path(segment, middle, &is_found_malformed), path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < segment->column_count; low++) {
        if (!str_equal(segment_column_path(segment, low, &is_found_malformed), path)) break;
        if (is_found_malformed == is_malformed) return low;
    }
    return SIZE_MAX;
}

const struct logstore_column *segment_column(const struct logstore_segment *segment,
                                             struct str path, bool is_malformed)
{
    size_t i = segment_column_find(segment, path, is_malformed);
    return i == SIZE_MAX ? NULL : segment_column_open(segment_column_at(segment, i));
}

const struct logstore_column *logstore_column_find_unread(const struct logstore_segment *segment,
                                                          struct str path)
{
    return segment_column(segment, path, false);
}

bool logstore_column_is_sourced(const struct logstore_column *column)
{
    return (column->flags & SEGMENT_COLUMN_SOURCED) != 0;
}

const struct logstore_column *logstore_column_find(const struct logstore_segment *segment,
                                                   struct str path)
{
    const struct logstore_column *column = segment_column(segment, path, false);
    if (column == NULL || !logstore_column_is_sourced(column)) return column;
    struct logstore_column *own = (struct logstore_column *)(uintptr_t)column;
    return segment_column_make(own, NULL) < 0 ? NULL : column;
}
