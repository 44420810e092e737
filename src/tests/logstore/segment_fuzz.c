/* segment_fuzz.c - damaged segments: opened or refused; what opens is read, searched in and merged
 * without harm.
 *
 * The first byte of the input says which of two sound segments (of small dictionaries; of rare
 * terms, a column read from the sources and made ids) and whether the checksums of sections are
 * mended afterwards, for otherwise nothing behind them would be reached. The rest says in threes
 * which byte is changed into what. Blocks of sources have checksums of their own and are opened
 * directly too.
 */
#include "codec/crc32c.h"
#include "logstore/builder.h"
#include "logstore/bytes.h"
#include "logstore/merge.h"
#include "logstore/segment.h"
#include "logstore/source_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MENDS  1
#define SECOND 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf sound[2];

static void add(struct builder *builder, const char *path, enum logstore_type type, struct str text,
                int64_t number)
{
    struct builder_field *field = builder_field(builder, str_from(path), type, false);
    if (field->source_path.data == NULL) {
        field->source_path = (struct str){ str_copy(field->path), field->path.size };
    }
    if (type == LOGSTORE_TEXT) builder_add_text(builder, field, text);
    if (type == LOGSTORE_KEYWORD) builder_add_term(builder, field, text);
    if (type == LOGSTORE_LONG || type == LOGSTORE_DOUBLE) {
        builder_add_number(builder, field, number);
    }
}

static void make_sound(bool is_second)
{
    struct builder *builder = NULL;
    struct buf *out = &sound[is_second];
    buf_init(out, 1 << 24);
    if (builder_new(&builder, 1, NULL) < 0) abort();
    if (is_second) builder->rare_documents_min = 1;
    for (int i = 0; i < (is_second ? 300 : 50); i++) {
        char packed[ID_PACKED_SIZE] = { 'p' };
        char made[ID_MADE_SIZE];
        char id[3] = { 'a', (char)('a' + i % 26), (char)('a' + i / 26) };
        char text[96];
        char source[160];
        id_set_counter(packed, (uint64_t)i + (i > 200));
        id_unpack(packed, made);
        (void)snprintf(text, sizeof(text), "some words %d here", i);
        char long_text[64];
        (void)snprintf(long_text, sizeof(long_text), "value-%d-of-a-keyword-that-is-long",
                       i * 7919);
        (void)snprintf(source, sizeof(source), "{\"m\":\"%s\",\"n\":%d,\"k\":\"%s\"}", text, i,
                       long_text);
        struct str name = is_second ? (struct str){ made, sizeof(made) } : (struct str){ id, 3 };
        if (builder_add_document(builder, name, str_from(source), i, 1, NULL) < 0) abort();
        add(builder, "m", LOGSTORE_TEXT, str_from(text), 0);
        add(builder, "n", LOGSTORE_LONG, STR(""), i * 1000);
        add(builder, "k", LOGSTORE_KEYWORD, str_from(long_text), 0);
        if (i % 3 == 0) add(builder, "w", LOGSTORE_KEYWORD, (struct str){ id, 2 }, 0);
        if (i % 5 == 0) add(builder, "r", LOGSTORE_DOUBLE, STR(""), i);
    }
    builder_sort_fields(builder);
    struct source_packer *packer = NULL;
    if (source_packer_new(&packer, SOURCE_LEVEL_FAST) < 0) abort();
    if (builder_encode(builder, packer, out, NULL) < 0) abort();
    source_packer_free(packer);
    builder_free(builder);
}

/* Checksums of the sections where the sound segment has them, and of its directory. */
static void mend(const struct buf *was, char *bytes)
{
    const char *trailer = was->data + was->size - SEGMENT_TRAILER_SIZE;
    size_t directory = (size_t)bytes_get64(trailer);
    uint32_t count = bytes_get32(trailer + 8);
    for (uint32_t i = 0; i < count; i++) {
        const char *row = was->data + directory + (size_t)i * SEGMENT_ROW_SIZE;
        if (bytes_get32(row) == SEGMENT_SOURCE) continue;
        uint32_t crc = crc32c(bytes + bytes_get64(row + 8), (size_t)bytes_get64(row + 16));
        memcpy(bytes + directory + (size_t)i * SEGMENT_ROW_SIZE + 24, &crc, sizeof(crc));
    }
    uint32_t crc = crc32c(bytes + directory, (size_t)count * SEGMENT_ROW_SIZE);
    memcpy(bytes + was->size - SEGMENT_TRAILER_SIZE + 12, &crc, sizeof(crc));
}

static bool go_on(void *argument, uint32_t document)
{
    (void)argument;
    (void)document;
    return true;
}

static void see_block(void *argument, uint32_t block)
{
    *(uint64_t *)argument += block;
}

static int see_value(void *argument, const struct source_value *value)
{
    *(size_t *)argument += value->raw.size;
    return 0;
}

static void look_at_column(const struct logstore_column *column, uint64_t *bits)
{
    uint64_t seen = 0;
    struct terms_cursor cursor;
    terms_cursor_init(&cursor, &column->terms);
    while (column->terms.term_count > 0 && terms_cursor_next(&cursor, NULL) == 1) {
        if (column->terms.has_postings) (void)!segment_postings(column, &cursor, bits, NULL);
    }
    (void)!terms_cursor_seek(&cursor, STR("words"), NULL);
    (void)!terms_cursor_seek_ordinal(&cursor, column->terms.term_count / 2, NULL);
    terms_cursor_release(&cursor);
    if (column->has_rare) {
        (void)rare_find(&column->rare, rare_hash(STR("17")), see_block, &seen);
    }
    free(segment_presence_bits(column));
    enum logstore_column_kind kind = logstore_column_kind(column);
    for (uint32_t k = 0; k < column->value_count && k < 4096; k++) {
        if (kind == LOGSTORE_COLUMN_INTEGER) (void)logstore_column_integer(column, k);
        if (kind == LOGSTORE_COLUMN_REAL) (void)logstore_column_real(column, k);
    }
}

static void look_at_block(struct str stored)
{
    struct source_block *block = NULL;
    struct buf raw;
    struct buf ends;
    size_t seen = 0;
    buf_init(&raw, 1 << 22);
    buf_init(&ends, 1 << 22);
    if (source_block_new(&block) < 0) abort();
    if (source_block_open(block, stored, NULL) == 0) {
        (void)!source_block_documents(block, &raw, &ends, NULL);
        (void)!source_block_values(block, STR("m"), NULL, see_value, &seen, NULL);
        (void)!source_block_values(block, STR("n"), NULL, see_value, &seen, NULL);
    }
    source_block_free(block);
    buf_release(&raw);
    buf_release(&ends);
}

static void look(struct logstore_segment *segment)
{
    struct logstore_reader *reader = NULL;
    static uint64_t bits[64];
    if (segment->document_count > 4096) return;
    if (logstore_reader_new(&reader) < 0) abort();
    for (uint32_t i = 0; i < segment->document_count; i++) {
        struct logstore_hit hit;
        (void)!logstore_reader_get(reader, segment, i, &hit, NULL);
    }
    if (segment_open_ids(segment, NULL) == 0) segment_find_id(segment, STR("abb"), go_on, NULL);
    for (size_t i = 0; i < segment->column_count; i++) {
        const struct logstore_column *column = segment_column_open(segment_column_at(segment, i));
        if (column == NULL) continue;
        look_at_column(column, bits);
        bool is_sourced = (column->flags & SEGMENT_COLUMN_SOURCED) != 0;
        if (is_sourced && segment_column_make(segment->columns[i], NULL) == 0) {
            look_at_column(column, bits);
        }
    }
    logstore_reader_free(reader);
}

static int swallow(void *argument, struct str bytes, struct error *error)
{
    (void)error;
    *(size_t *)argument += bytes.size;
    return 0;
}

static struct logstore_segment *open_copy(const struct buf *of)
{
    struct logstore_segment *segment = NULL;
    char *bytes = malloc(of->size);
    if (bytes == NULL) abort();
    memcpy(bytes, of->data, of->size);
    if (segment_open_memory(&segment, 2, bytes, of->size, NULL) < 0) abort();
    return segment;
}

static void merge_with(struct logstore_segment *segment, const struct buf *other)
{
    static const uint64_t live[64] = { 0xfffffffffffffffe, 0xffffffff };
    size_t size = 0;
    struct segment_sink sink = { swallow, &size };
    struct merge_options options = { 1, SOURCE_LEVEL_FAST };
    if (segment->document_count > 4096) return;
    struct logstore_segment *second = open_copy(other);
    struct merge_input inputs[] = { { second, NULL, NULL }, { segment, live, NULL } };
    (void)!segments_merge(inputs, 2, &options, &sink, NULL);
    free(inputs[0].new_numbers);
    free(inputs[1].new_numbers);
    segment_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sound[0].size == 0) {
        make_sound(false);
        make_sound(true);
    }
    if (size == 0) return 0;
    const struct buf *was = &sound[(data[0] & SECOND) != 0];
    char *bytes = malloc(was->size);
    if (bytes == NULL) return 0;
    memcpy(bytes, was->data, was->size);
    for (size_t i = 1; i + 3 <= size; i += 3) {
        size_t at = ((size_t)data[i] << 8 | data[i + 1]) % was->size;
        bytes[at] = (char)data[i + 2];
    }
    if ((data[0] & MENDS) != 0) mend(was, bytes);
    struct logstore_segment *segment = NULL;
    if (segment_open_memory(&segment, 1, bytes, was->size, NULL) < 0) return 0;
    look(segment);
    for (uint32_t i = 0; i < segment_block_count(segment) && i < 4; i++) {
        const struct segment_section *sources = &segment->sections[SEGMENT_SOURCE];
        uint64_t start = (uint64_t)packed_get(&segment->block_offset, i);
        uint64_t end = (uint64_t)packed_get(&segment->block_offset, i + 1);
        if (start > end || end > sources->bytes.size) continue;
        look_at_block((struct str){ sources->bytes.data + start, (size_t)(end - start) });
    }
    merge_with(segment, was);
    segment_free(segment);
    return 0;
}
