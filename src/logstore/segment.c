/* segment.c - opening a segment and looking into it. Nothing in it is believed unchecked. */
#include "logstore/segment.h"

#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/bytes.h"

#include <errno.h>
#include <stdlib.h>

#define VIEW_SIZE_MIN 4096 /* a page costs the same either way */

static int corrupt(struct error *error, const char *what)
{
    return error_set(error, ERROR_CORRUPT, "segment: %s", what);
}

static void free_bytes(char **bytes)
{
    free(*bytes);
}

bool segment_section_holds(const struct segment_section *section)
{
    return crc32c(section->bytes.data, section->bytes.size) == section->crc;
}

struct directory {
    const char *rows;
    uint32_t count;
    char *own; /* a copy that was read; NULL: the rows stand in the segment */
};

/* Bytes of the segment: where they stand, or read from its file, for what is read through a mapping
 * counts as memory of ours. *own is to be freed. */
static int view(const struct logstore_segment *segment, uint64_t offset, size_t size,
                const char **bytes, char **own, struct error *error)
{
    const struct disk *disk = segment->disk;
    *own = NULL;
    *bytes = segment->bytes.data + offset;
    if (!segment->is_mapped || size < VIEW_SIZE_MIN) return 0;
    *own = malloc(size);
    if (*own == NULL) return error_set(error, -ENOMEM, "open segment: out of memory");
    *bytes = *own;
    int handle = disk->open(disk->state, segment->path, DISK_READ);
    int64_t got = handle;
    if (handle >= 0) {
        got = disk->read_at(disk->state, handle, *own, size, offset);
        disk->close(disk->state, handle);
    }
    if (got == (int64_t)size) return 0;
    free(*own);
    *own = NULL;
    return got < 0
               ? error_set(error, (int)got, "read '%s': %s", segment->path, error_name((int)got))
               : corrupt(error, "cut short");
}

static int read_directory(const struct logstore_segment *segment, struct directory *directory,
                          struct error *error)
{
    struct str bytes = segment->bytes;
    if (bytes.size < SEGMENT_HEADER_SIZE + SEGMENT_TRAILER_SIZE ||
        !str_starts_with(bytes, STR(SEGMENT_MAGIC)) || !str_ends_with(bytes, STR(SEGMENT_END))) {
        return corrupt(error, "not a segment, or cut short");
    }
    const char *trailer = bytes.data + bytes.size - SEGMENT_TRAILER_SIZE;
    uint32_t header_crc = bytes_get32(trailer + 16); /* 0: written before there was one */
    if (header_crc != 0 && header_crc != crc32c(bytes.data, SEGMENT_HEADER_SIZE)) {
        return corrupt(error, "checksum of the header fails");
    }
    uint32_t version = bytes_get32(bytes.data + 8);
    bool is_newer = bytes_get32(bytes.data + 12) > SEGMENT_VERSION;
    if (is_newer || version < SEGMENT_VERSION_MIN) {
        /* A newer one is a mistake of who started us; an older one is of no use to anybody. */
        return error_set(error, is_newer ? ERROR_UNSUPPORTED : ERROR_CORRUPT,
                         "segment is of version %u, only versions %u to %u can be read",
                         (unsigned)version, (unsigned)SEGMENT_VERSION_MIN,
                         (unsigned)SEGMENT_VERSION);
    }
    uint64_t offset = bytes_get64(trailer);
    uint32_t count = bytes_get32(trailer + 8);
    uint64_t size = (uint64_t)count * SEGMENT_ROW_SIZE;
    if (offset > bytes.size - SEGMENT_TRAILER_SIZE ||
        size != bytes.size - SEGMENT_TRAILER_SIZE - offset) {
        return corrupt(error, "directory is not where it should be");
    }
    *directory = (struct directory){ .count = count };
    int code = view(segment, offset, (size_t)size, &directory->rows, &directory->own, error);
    if (code < 0) return code;
    if (crc32c(directory->rows, (size_t)size) != bytes_get32(trailer + 12)) {
        return corrupt(error, "checksum of the directory fails");
    }
    return 0;
}

/* Fills the places of the sections of the segment itself, and checks that all lie within. */
static int place_sections(struct logstore_segment *segment, const struct directory *directory,
                          struct error *error)
{
    for (uint32_t i = 0; i < directory->count; i++) {
        const char *row = directory->rows + (size_t)i * SEGMENT_ROW_SIZE;
        uint32_t kind = bytes_get32(row);
        uint64_t offset = bytes_get64(row + 8);
        uint64_t size = bytes_get64(row + 16);
        if (offset > segment->bytes.size || size > segment->bytes.size - offset) {
            return corrupt(error, "a section lies outside");
        }
        if (kind == 0 || kind >= SEGMENT_SECTION_COUNT) {
            return corrupt(error, "a section of no kind");
        }
        if (kind >= SEGMENT_PRESENCE) continue;
        segment->sections[kind].bytes = (struct str){ segment->bytes.data + offset, (size_t)size };
        segment->sections[kind].crc = bytes_get32(row + 24);
    }
    return 0;
}

static int read_meta(struct logstore_segment *segment, struct error *error)
{
    struct segment_section *meta = &segment->sections[SEGMENT_META];
    if (meta->bytes.size < 48 || !segment_section_holds(meta))
        return corrupt(error, "checksum of meta fails");
    const char *bytes = meta->bytes.data;
    segment->document_count = bytes_get32(bytes);
    segment->source_size = bytes_get64(bytes + 8);
    segment->time_least = (int64_t)bytes_get64(bytes + 16);
    segment->time_most = (int64_t)bytes_get64(bytes + 24);
    segment->seq_no_least = (int64_t)bytes_get64(bytes + 32);
    segment->seq_no_most = (int64_t)bytes_get64(bytes + 40);
    return 0;
}

static bool open_source_table(struct logstore_segment *segment)
{
    struct segment_section *section = &segment->sections[SEGMENT_SOURCE_TABLE];
    struct str rest = section->bytes;
    if (!segment_section_holds(section) || !packed_open(&rest, &segment->block_first) ||
        !packed_open(&rest, &segment->block_offset) || !packed_open(&rest, &segment->block_size) ||
        !packed_open(&rest, &segment->block_crc)) {
        return false;
    }
    uint32_t count = segment->block_first.count;
    if (count == 0 || segment->block_offset.count != count || segment->block_size.count != count ||
        segment->block_crc.count != count) {
        return false;
    }
    size_t end = segment->sections[SEGMENT_SOURCE].bytes.size;
    for (uint32_t i = 0; i + 1 < count; i++) {
        int64_t offset = packed_get(&segment->block_offset, i);
        int64_t next = packed_get(&segment->block_offset, i + 1);
        if (offset < 0 || next < offset || (uint64_t)next > end) return false;
        if (packed_get(&segment->block_first, i) >= packed_get(&segment->block_first, i + 1)) {
            return false;
        }
    }
    return packed_get(&segment->block_first, count - 1) == segment->document_count &&
           packed_get(&segment->block_first, 0) == 0;
}

static int read_columns(struct logstore_segment *segment, const struct directory *directory,
                        struct error *error)
{
    struct segment_section *section = &segment->sections[SEGMENT_COLUMNS];
    if (section->bytes.data == NULL) return corrupt(error, "columns are cut short");
    const char *bytes;
    CLEANUP(free_bytes) char *own = NULL;
    uint64_t offset = (uint64_t)(section->bytes.data - segment->bytes.data);
    int code = view(segment, offset, section->bytes.size, &bytes, &own, error);
    if (code < 0) return code;
    if (crc32c(bytes, section->bytes.size) != section->crc) {
        return corrupt(error, "checksum of the columns fails");
    }
    return segment_columns_read(segment, (struct str){ bytes, section->bytes.size },
                                directory->rows, directory->count, error);
}

static int open_parts(struct logstore_segment *segment, struct error *error)
{
    struct directory directory = { 0 };
    int code = read_directory(segment, &directory, error);
    if (code == 0) code = place_sections(segment, &directory, error);
    if (code == 0) code = read_meta(segment, error);
    if (code == 0) code = read_columns(segment, &directory, error);
    free(directory.own);
    if (code < 0) return code;
    if (!open_source_table(segment)) return corrupt(error, "table of sources is broken");
    return 0;
}

static int segment_new(struct logstore_segment **segment_out, uint64_t id, struct error *error)
{
    struct logstore_segment *segment = calloc(1, sizeof(*segment));
    if (segment == NULL) return error_set(error, -ENOMEM, "open segment: out of memory");
    mutex_init(&segment->mutex);
    mutex_init(&segment->making);
    segment->id = id;
    segment->ref_count = 1;
    *segment_out = segment;
    return 0;
}

static int finish_open(struct logstore_segment **segment_out, struct logstore_segment *segment,
                       struct error *error)
{
    int code = open_parts(segment, error);
    if (code < 0) {
        segment_free(segment);
        return code;
    }
    *segment_out = segment;
    return 0;
}

int segment_open_memory(struct logstore_segment **segment_out, uint64_t id, char *bytes,
                        size_t size, struct error *error)
{
    struct logstore_segment *segment = NULL;
    int code = segment_new(&segment, id, error);
    if (code < 0 || segment == NULL) {
        free(bytes);
        return code;
    }
    segment->bytes = (struct str){ bytes, size };
    return finish_open(segment_out, segment, error);
}

int segment_open_file(struct logstore_segment **segment_out, uint64_t id, const struct disk *disk,
                      const char *path, struct error *error)
{
    struct logstore_segment *segment = NULL;
    int code = segment_new(&segment, id, error);
    if (code < 0 || segment == NULL) return code;
    if (!str_to_cstr(str_from(path), segment->path, sizeof(segment->path))) {
        segment_free(segment);
        return error_set(error, ERROR_LIMIT, "path of a segment is too long");
    }
    const void *bytes;
    size_t size;
    code = disk->map(disk->state, path, &bytes, &size);
    if (code < 0) {
        segment_free(segment);
        return error_set(error, code, "map '%s': %s", path, error_name(code));
    }
    segment->bytes = (struct str){ bytes, size };
    segment->is_mapped = true;
    segment->disk = disk;
    return finish_open(segment_out, segment, error);
}

void segment_free(struct logstore_segment *segment)
{
    if (segment == NULL) return;
    segment_columns_release(segment);
    if (segment->is_mapped) {
        segment->disk->unmap(segment->disk->state, segment->bytes.data, segment->bytes.size);
    } else {
        free((char *)(uintptr_t)segment->bytes.data);
    }
    if (segment->removes_file && segment->path[0] != 0) {
        (void)segment->disk->remove(segment->disk->state, segment->path);
    }
    mutex_release(&segment->mutex);
    mutex_release(&segment->making);
    free(segment);
}

void segment_set_damaged(const struct logstore_segment *constant, bool is_damaged)
{
    struct logstore_segment *segment = (struct logstore_segment *)(uintptr_t)constant;
    mutex_lock(&segment->mutex);
    segment->is_damaged = is_damaged;
    mutex_unlock(&segment->mutex);
}

bool segment_is_damaged(struct logstore_segment *segment)
{
    mutex_lock(&segment->mutex);
    bool is_damaged = segment->is_damaged;
    mutex_unlock(&segment->mutex);
    return is_damaged;
}

/* Columns ---------------------------------------------------------------------------------- */

uint64_t *segment_presence_bits(const struct logstore_column *column)
{
    uint32_t count = column->segment->document_count;
    uint64_t *bits = calloc(LOGSTORE_BITS_WORDS(count) + 1, sizeof(*bits));
    if (bits == NULL) return NULL;
    for (uint32_t i = 0; i < column->value_count; i++) {
        uint32_t document =
            column->is_dense ? i : (uint32_t)packed_get(&column->presence_packed, i);
        bits[document / 64] |= UINT64_C(1) << (document % 64);
    }
    return bits;
}

size_t logstore_column_count(const struct logstore_segment *segment)
{
    return segment->column_count;
}

struct str logstore_column_path(const struct logstore_segment *segment, size_t i)
{
    bool unused;
    return segment_column_path(segment, i, &unused);
}

enum logstore_type logstore_column_type(const struct logstore_column *column)
{
    return column->type;
}

enum logstore_column_kind logstore_column_kind(const struct logstore_column *column)
{
    if ((column->flags & SEGMENT_COLUMN_MALFORMED) != 0) return LOGSTORE_COLUMN_KEYWORD;
    return logstore_type_column(column->type);
}

uint32_t logstore_column_document_count(const struct logstore_column *column)
{
    return column->document_count;
}

bool logstore_column_has_one_each(const struct logstore_column *column)
{
    return column->is_dense;
}

bool logstore_column_integer_range(const struct logstore_column *column, int64_t *least,
                                   int64_t *most)
{
    if (column->least > column->most) return false;
    *least = column->least;
    *most = column->most;
    return true;
}

size_t logstore_cursor_seek(struct logstore_cursor *cursor, uint32_t document, size_t *first)
{
    const struct logstore_column *column = cursor->column;
    if (column->is_dense) {
        *first = document;
        return 1;
    }
    const struct packed *presence = &column->presence_packed;
    size_t at = cursor->position;
    if (at < presence->count && packed_get(presence, at) < (int64_t)document) {
        at = packed_lower_bound(presence, at, document);
    }
    size_t end = at;
    while (end < presence->count && packed_get(presence, end) == (int64_t)document) end++;
    cursor->position = at;
    *first = at;
    return end - at;
}

void logstore_column_gather(const struct logstore_column *column, const uint32_t *documents,
                            size_t count, int64_t *values)
{
    CHECK(column->is_dense);
    const struct packed packed = column->values_packed;
    if (count > 0 && documents[count - 1] - documents[0] == count - 1) {
        packed_read(&packed, documents[0], count, values); /* they follow each other */
        return;
    }
    for (size_t i = 0; i < count; i++) values[i] = packed_get(&packed, documents[i]);
}

int64_t logstore_column_integer(const struct logstore_column *column, size_t value)
{
    return packed_get(&column->values_packed, value);
}

double logstore_column_real(const struct logstore_column *column, size_t value)
{
    double real;
    memcpy(&real, column->values.bytes.data + value * 8, sizeof(real));
    return real;
}

uint32_t logstore_column_ordinal(const struct logstore_column *column, size_t value)
{
    return (uint32_t)packed_get(&column->values_packed, value);
}

uint32_t logstore_column_term_count(const struct logstore_column *column)
{
    return column->terms.term_count;
}

int logstore_column_term(const struct logstore_column *column, uint32_t ordinal,
                         struct buf *scratch, struct str *term)
{
    struct terms_cursor cursor;
    terms_cursor_init(&cursor, &column->terms);
    int code = terms_cursor_seek_ordinal(&cursor, ordinal, NULL);
    if (code == 1) {
        buf_reset(scratch);
        buf_append_str(scratch, buf_str(&cursor.term));
        *term = buf_str(scratch);
        code = scratch->has_failed ? -ENOMEM : 0;
    } else if (code == 0) {
        code = ERROR_CORRUPT;
    }
    terms_cursor_release(&cursor);
    return code;
}

int logstore_column_terms(const struct logstore_column *column, const uint32_t *ordinals,
                          size_t count, int (*visit)(void *argument, size_t i, struct str term),
                          void *argument, struct error *error)
{
    struct terms_cursor cursor;
    terms_cursor_init(&cursor, &column->terms);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = terms_cursor_seek_ordinal(&cursor, ordinals[i], error);
        if (code == 0) code = corrupt(error, "dictionary holds fewer terms than it says");
        if (code == 1) code = visit(argument, i, buf_str(&cursor.term));
    }
    terms_cursor_release(&cursor);
    return code;
}

enum postings_form { POSTINGS_ALL, POSTINGS_BITMAP, POSTINGS_GAPS };

/* The bytes of a term's postings and their form. */
static int find_postings(const struct logstore_column *column, const struct terms_cursor *cursor,
                         struct str *bytes, enum postings_form *form, struct error *error)
{
    struct str postings = column->postings.bytes;
    uint32_t document_count = column->segment->document_count;
    if (cursor->postings_offset > postings.size ||
        cursor->postings_size > postings.size - cursor->postings_offset ||
        cursor->document_count > document_count) {
        return corrupt(error, "postings are cut short");
    }
    *bytes = (struct str){ postings.data + cursor->postings_offset, cursor->postings_size };
    *form = cursor->document_count == document_count                             ? POSTINGS_ALL
            : segment_postings_is_bitmap(cursor->document_count, document_count) ? POSTINGS_BITMAP
                                                                                 : POSTINGS_GAPS;
    if (*form == POSTINGS_BITMAP && bytes->size != LOGSTORE_BITS_WORDS(document_count) * 8) {
        return corrupt(error, "postings are cut short");
    }
    return 0;
}

static int take_document(struct str *rest, uint32_t document_count, uint64_t *document,
                         struct error *error)
{
    uint64_t gap;
    if (!bytes_take_varint(rest, &gap) || gap > document_count) {
        return corrupt(error, "postings are cut short");
    }
    *document += gap;
    return *document < document_count ? 0 : corrupt(error, "postings name no document");
}

int segment_postings(const struct logstore_column *column, const struct terms_cursor *cursor,
                     uint64_t *bits, struct error *error)
{
    uint32_t document_count = column->segment->document_count;
    struct str rest;
    enum postings_form form;
    int code = find_postings(column, cursor, &rest, &form, error);
    if (code < 0) return code;
    if (form == POSTINGS_ALL) {
        for (uint32_t i = 0; i < document_count / 64; i++) bits[i] = UINT64_MAX;
        if (document_count % 64 != 0) {
            bits[document_count / 64] |= (UINT64_C(1) << (document_count % 64)) - 1;
        }
        return 0;
    }
    if (form == POSTINGS_BITMAP) {
        size_t words = LOGSTORE_BITS_WORDS(document_count);
        for (size_t i = 0; i < words; i++) bits[i] |= bytes_get64(rest.data + i * 8);
        /* Damaged bytes must not name documents that are not there. */
        if (document_count % 64 != 0) bits[words - 1] &= (UINT64_C(1) << (document_count % 64)) - 1;
        return 0;
    }
    uint64_t document = 0;
    for (uint32_t i = 0; i < cursor->document_count; i++) {
        code = take_document(&rest, document_count, &document, error);
        if (code < 0) return code;
        bits[document / 64] |= UINT64_C(1) << (document % 64);
    }
    return 0;
}

int segment_postings_list(const struct logstore_column *column, const struct terms_cursor *cursor,
                          uint32_t *documents, struct error *error)
{
    uint32_t document_count = column->segment->document_count;
    struct str rest;
    enum postings_form form;
    int code = find_postings(column, cursor, &rest, &form, error);
    if (code < 0) return code;
    uint64_t document = 0;
    uint32_t count = 0;
    if (form == POSTINGS_BITMAP) {
        for (size_t word = 0; word < LOGSTORE_BITS_WORDS(document_count); word++) {
            uint64_t left = bytes_get64(rest.data + word * 8);
            for (; left != 0 && count < cursor->document_count; left &= left - 1) {
                documents[count++] = (uint32_t)word * 64 + (uint32_t)__builtin_ctzll(left);
            }
        }
        bool is_sound = count == cursor->document_count &&
                        (count == 0 || documents[count - 1] < document_count);
        return is_sound ? 0 : corrupt(error, "postings name another number of documents");
    }
    for (; count < cursor->document_count; count++) {
        if (form == POSTINGS_GAPS) code = take_document(&rest, document_count, &document, error);
        if (code < 0) return code;
        documents[count] = form == POSTINGS_ALL ? count : (uint32_t)document;
    }
    return 0;
}
