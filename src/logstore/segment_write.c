/* segment_write.c - a builder's documents and fields as the bytes of a segment.
 *
 * Of a text column the terms that more than one document holds have a dictionary with their
 * documents; the others leave a hash (rare.h). A keyword column with mostly different values has
 * no dictionary at all: its values are in the sources already and are read from there.
 */
#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/builder.h"
#include "logstore/bytes.h"
#include "logstore/packed.h"
#include "logstore/rare.h"
#include "logstore/segment_writer.h"
#include "logstore/source_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOURCED_SIZE_MIN 4096 /* bytes of terms; a smaller dictionary is no burden */

struct encoder {
    struct segment_writer writer;
    const struct builder *builder;
    struct source_packer *packer;
    struct segment_block_vec blocks;
};

static int write_source_block(struct encoder *encoder, size_t start, size_t end,
                              struct str *documents)
{
    struct segment_writer *writer = &encoder->writer;
    const struct builder *builder = encoder->builder;
    int64_t raw_size = 0;
    for (size_t i = start; i < end; i++) {
        const struct builder_document *item = &builder->documents.items[i];
        documents[i - start] =
            (struct str){ builder->sources.data + item->source_offset, item->source_size };
        raw_size += item->source_size;
    }
    size_t position = segment_position(writer);
    size_t before = writer->out->size;
    int code =
        source_block_pack(encoder->packer, documents, end - start, writer->out, writer->error);
    if (code < 0) return code;
    struct segment_block block = {
        .first = (int64_t)start,
        .offset = (int64_t)(position - writer->section_start),
        .raw_size = raw_size,
        .crc = crc32c(writer->out->data + before, writer->out->size - before),
    };
    return VEC_PUSH(&encoder->blocks, block) ? 0 : segment_out_of_memory(writer);
}

static int write_sources(struct encoder *encoder)
{
    struct segment_writer *writer = &encoder->writer;
    const struct builder *builder = encoder->builder;
    size_t count = builder->documents.count;
    struct str *documents = malloc((count + 1) * sizeof(*documents));
    int code = documents == NULL ? segment_out_of_memory(writer) : 0;
    segment_section_begin(writer);
    for (size_t start = 0; code == 0 && start < count;) {
        size_t end = start;
        size_t size = 0;
        while (end < count && (size < SEGMENT_SOURCE_SIZE || end == start)) {
            size += builder->documents.items[end++].source_size;
        }
        code = write_source_block(encoder, start, end, documents);
        start = end;
    }
    if (code == 0) code = segment_write_blocks(writer, &encoder->blocks);
    free(documents);
    return code;
}

static int write_versions(struct encoder *encoder)
{
    struct segment_writer *writer = &encoder->writer;
    const struct builder *builder = encoder->builder;
    size_t count = builder->documents.count;
    if (!segment_numbers(writer, count)) return segment_out_of_memory(writer);
    for (size_t i = 0; i < count; i++) writer->numbers[i] = builder->documents.items[i].seq_no;
    int code = segment_write_seq_nos(writer);
    if (code < 0) return code;
    for (size_t i = 0; i < count; i++) writer->numbers[i] = builder->documents.items[i].version;
    return segment_write_packed(writer, SEGMENT_VERSIONS, 0, count);
}

/* Terms ----------------------------------------------------------------------------------- */

struct term_order {
    struct str term;
    uint32_t number;
    uint32_t count;
    uint64_t prefix;
};

VEC_TYPE(term_order_vec, struct term_order);

/* The first eight bytes as a number in whose order the terms are, where it differs. */
static uint64_t term_prefix(struct str term)
{
    unsigned char bytes[8] = { 0 };
    uint64_t prefix = 0;
    memcpy(bytes, term.data, term.size < 8 ? term.size : 8);
    for (size_t i = 0; i < 8; i++) prefix = prefix << 8 | bytes[i];
    return prefix;
}

static int by_term(const void *a, const void *b)
{
    const struct term_order *left = a;
    const struct term_order *right = b;
    if (left->prefix != right->prefix) return left->prefix < right->prefix ? -1 : 1;
    return str_compare(left->term, right->term);
}

/* The terms that at least `least` documents hold, in order. */
static bool sort_terms(const struct builder_field *field, uint32_t least,
                       struct term_order_vec *order)
{
    for (size_t i = 0; i < field->terms.count; i++) {
        const struct builder_term *term = &field->terms.items[i];
        if (term->count < least) continue;
        struct term_order item = { STR(""), (uint32_t)i, term->count, 0 };
        if (term->size > 0) { /* else there may be no bytes at all */
            item.term = (struct str){ field->bytes.data + term->offset, term->size };
            item.prefix = term_prefix(item.term);
        }
        if (!VEC_PUSH(order, item)) return false;
    }
    if (order->count > 0) qsort(order->items, order->count, sizeof(*order->items), by_term);
    return true;
}

/* The documents of each term that has a dictionary, one list behind the other, by counting. */
static uint32_t *group_documents(const struct builder_field *field, uint32_t least,
                                 uint32_t **starts_out)
{
    size_t term_count = field->terms.count;
    uint32_t *starts = calloc(term_count + 1, sizeof(*starts));
    uint32_t *documents = malloc((field->pairs.count + 1) * sizeof(*documents));
    if (starts == NULL || documents == NULL) {
        free(starts);
        free(documents);
        return NULL;
    }
    uint32_t start = 0;
    for (size_t i = 0; i < term_count; i++) {
        starts[i] = start;
        if (field->terms.items[i].count >= least) start += field->terms.items[i].count;
    }
    for (size_t i = 0; i < field->pairs.count; i++) {
        const struct builder_pair *pair = &field->pairs.items[i];
        if (field->terms.items[pair->term].count < least) continue;
        documents[starts[pair->term]++] = pair->document;
    }
    for (size_t i = 0; i < term_count; i++) {
        if (field->terms.items[i].count >= least) starts[i] -= field->terms.items[i].count;
    }
    *starts_out = starts;
    return documents;
}

static int write_all_postings(struct encoder *encoder, const struct builder_field *field,
                              size_t column, uint32_t least, const struct term_order_vec *order,
                              struct terms_entry *entries)
{
    struct segment_writer *writer = &encoder->writer;
    uint32_t *starts = NULL;
    uint32_t *documents = group_documents(field, least, &starts);
    if (documents == NULL) return segment_out_of_memory(writer);
    segment_section_begin(writer);
    for (size_t i = 0; i < order->count; i++) {
        const struct term_order *term = &order->items[i];
        size_t before = writer->out->size;
        segment_write_postings(documents + starts[term->number], term->count,
                               writer->document_count, writer->out);
        entries[i] =
            (struct terms_entry){ term->term, term->count, (uint32_t)(writer->out->size - before) };
    }
    free(starts);
    free(documents);
    return segment_section_end(writer, SEGMENT_POSTINGS, column);
}

/* The block that a document is in; documents come in order, `block` is that of the one before. */
static uint32_t block_of(const struct encoder *encoder, uint32_t document, uint32_t block)
{
    /* The last of blocks is the end. */
    while (encoder->blocks.items[block + 1].first <= (int64_t)document) block++;
    return block;
}

/* Hashes of the terms that fewer than `least` documents hold, each with its block. */
static int write_rare(struct encoder *encoder, const struct builder_field *field, size_t column,
                      uint32_t least)
{
    struct segment_writer *writer = &encoder->writer;
    uint64_t *entries = malloc((field->pairs.count + field->hashes.count + 1) * sizeof(*entries));
    if (entries == NULL) return segment_out_of_memory(writer);
    size_t count = 0;
    uint32_t block = 0;
    for (size_t i = 0; i < field->pairs.count; i++) {
        const struct builder_pair *pair = &field->pairs.items[i];
        const struct builder_term *term = &field->terms.items[pair->term];
        if (term->count >= least) continue;
        block = block_of(encoder, pair->document, block);
        entries[count++] = RARE_ENTRY(term->hash, block);
    }
    block = 0;
    for (size_t i = 0; i < field->hashes.count; i++) {
        const struct builder_hash *hash = &field->hashes.items[i];
        block = block_of(encoder, hash->document, block);
        entries[count++] = RARE_ENTRY(hash->hash, block);
    }
    int code = count == 0 ? 0 : segment_write_rare(writer, column, entries, count);
    free(entries);
    return code;
}

static int write_text_column(struct encoder *encoder, const struct builder_field *field,
                             size_t column)
{
    struct segment_writer *writer = &encoder->writer;
    uint32_t least = writer->document_count < encoder->builder->rare_documents_min ? 1 : 2;
    struct term_order_vec order = { 0 };
    struct terms_entry *entries = NULL;
    int code = 0;
    if (sort_terms(field, least, &order)) entries = calloc(order.count + 1, sizeof(*entries));
    if (entries == NULL) code = segment_out_of_memory(writer);
    if (code == 0) code = write_all_postings(encoder, field, column, least, &order, entries);
    if (code == 0) code = segment_write_terms(writer, column, entries, order.count, true);
    if (code == 0) code = write_rare(encoder, field, column, least);
    free(entries);
    VEC_RELEASE(&order);
    if (code < 0) return code;
    size_t count = field->documents.count;
    if (!segment_numbers(writer, count)) return segment_out_of_memory(writer);
    for (size_t i = 0; i < count; i++) writer->numbers[i] = field->documents.items[i];
    return segment_write_presence(writer, column, count);
}

int builder_field_ordinals(const struct builder_field *field, struct buf *terms, int64_t *values,
                           struct error *error)
{
    struct term_order_vec order = { 0 };
    struct terms_entry *entries = NULL;
    uint32_t *ordinals = calloc(field->terms.count + 1, sizeof(*ordinals));
    int code = 0;
    if (ordinals != NULL && sort_terms(field, 0, &order)) {
        entries = calloc(order.count + 1, sizeof(*entries));
    }
    if (entries == NULL) {
        code = error_set(error, -ENOMEM, "encode a segment: out of memory");
    } else {
        for (size_t i = 0; i < order.count; i++) {
            entries[i].term = order.items[i].term;
            ordinals[order.items[i].number] = (uint32_t)i;
        }
        code = terms_write(entries, order.count, false, terms, error);
        for (size_t i = 0; i < field->pairs.count; i++) {
            values[i] = ordinals[field->pairs.items[i].term];
        }
    }
    free(ordinals);
    free(entries);
    VEC_RELEASE(&order);
    return code;
}

static int write_keyword_column(struct encoder *encoder, const struct builder_field *field,
                                size_t column)
{
    struct segment_writer *writer = &encoder->writer;
    size_t count = field->pairs.count;
    if (!segment_numbers(writer, count)) return segment_out_of_memory(writer);
    segment_section_begin(writer);
    int code = builder_field_ordinals(field, writer->out, writer->numbers, writer->error);
    if (code == 0) code = segment_section_end(writer, SEGMENT_TERMS, column);
    if (code == 0) code = segment_write_packed(writer, SEGMENT_VALUES, column, count);
    if (code < 0) return code;
    for (size_t i = 0; i < count; i++) writer->numbers[i] = field->pairs.items[i].document;
    return segment_write_presence(writer, column, count);
}

/* A sub-field beside the text that it is of: its values are looked for by the text's terms. */
static bool has_text_beside(const struct builder *builder, const struct builder_field *field)
{
    if (str_equal(field->path, field->source_path)) return false;
    const struct builder_field *beside = map_get(&builder->field_by_path, field->source_path);
    return beside != NULL && beside->kind == LOGSTORE_COLUMN_TEXT && beside->documents.count > 0;
}

static int write_sourced_column(struct encoder *encoder, const struct builder_field *field,
                                size_t column)
{
    struct segment_writer *writer = &encoder->writer;
    bool has_hashes = field->has_hashes_only;
    size_t count = has_hashes ? field->hashes.count : field->pairs.count;
    int code = has_text_beside(encoder->builder, field)
                   ? 0
                   : write_rare(encoder, field, column, UINT32_MAX);
    if (code < 0) return code;
    if (!segment_numbers(writer, count)) return segment_out_of_memory(writer);
    for (size_t i = 0; i < count; i++) {
        writer->numbers[i] =
            has_hashes ? field->hashes.items[i].document : field->pairs.items[i].document;
    }
    return segment_write_presence(writer, column, count);
}

static int write_number_column(struct encoder *encoder, const struct builder_field *field,
                               size_t column)
{
    struct segment_writer *writer = &encoder->writer;
    size_t count = field->numbers.count;
    if (!segment_numbers(writer, count)) return segment_out_of_memory(writer);
    for (size_t i = 0; i < count; i++) writer->numbers[i] = field->numbers.items[i].value;
    int code;
    if (field->kind == LOGSTORE_COLUMN_REAL) {
        segment_section_begin(writer);
        buf_append(writer->out, writer->numbers, count * sizeof(*writer->numbers));
        code = segment_section_end(writer, SEGMENT_VALUES, column);
    } else {
        code = segment_write_packed(writer, SEGMENT_VALUES, column, count);
    }
    if (code < 0) return code;
    for (size_t i = 0; i < count; i++) writer->numbers[i] = field->numbers.items[i].document;
    return segment_write_presence(writer, column, count);
}

/* Columns --------------------------------------------------------------------------------- */

static bool is_number_field(const struct builder_field *field)
{
    return !field->is_malformed &&
           (field->kind == LOGSTORE_COLUMN_INTEGER || field->kind == LOGSTORE_COLUMN_REAL);
}

static bool is_text_field(const struct builder_field *field)
{
    return !field->is_malformed && field->kind == LOGSTORE_COLUMN_TEXT;
}

/* Whether a keyword's values are so different that a dictionary would be the values again. */
static bool is_sourced(const struct builder *builder, const struct builder_field *field)
{
    if (field->has_hashes_only) return true;
    return !field->is_malformed && field->type == LOGSTORE_KEYWORD && field->source_path.size > 0 &&
           builder->documents.count >= builder->rare_documents_min &&
           (field->bytes.size >= SOURCED_SIZE_MIN || builder->rare_documents_min == 1) &&
           field->terms.count * 2 > field->pairs.count;
}

/* A field may be there from the segment before. */
static bool has_values(const struct builder_field *field)
{
    return field->documents.count + field->pairs.count + field->hashes.count +
               field->numbers.count >
           0;
}

static uint32_t field_document_count(const struct builder_field *field)
{
    if (field->documents.count > 0) return (uint32_t)field->documents.count;
    uint32_t count = 0;
    uint32_t before = UINT32_MAX;
    for (size_t i = 0; i < field->pairs.count; i++) {
        count += field->pairs.items[i].document != before;
        before = field->pairs.items[i].document;
    }
    for (size_t i = 0; i < field->hashes.count; i++) {
        count += field->hashes.items[i].document != before;
        before = field->hashes.items[i].document;
    }
    for (size_t i = 0; i < field->numbers.count; i++) {
        count += field->numbers.items[i].document != before;
        before = field->numbers.items[i].document;
    }
    return count;
}

static void number_range(const struct builder_field *field, int64_t *least, int64_t *most)
{
    *least = 1;
    *most = 0;
    if (!is_number_field(field) || field->kind == LOGSTORE_COLUMN_REAL) return;
    for (size_t i = 0; i < field->numbers.count; i++) {
        int64_t value = field->numbers.items[i].value;
        if (i == 0 || value < *least) *least = value;
        if (i == 0 || value > *most) *most = value;
    }
}

static int write_column(struct encoder *encoder, const struct builder_field *field, size_t column,
                        struct segment_column_row *row)
{
    bool reads_sources = is_sourced(encoder->builder, field);
    *row = (struct segment_column_row){
        .path = field->path,
        .type = field->type,
        .flags = (uint8_t)((field->is_malformed ? SEGMENT_COLUMN_MALFORMED : 0) |
                           (reads_sources ? SEGMENT_COLUMN_SOURCED : 0)),
        .document_count = field_document_count(field),
        .source_path = field->source_path,
        .ignore_above = field->ignore_above,
    };
    number_range(field, &row->least, &row->most);
    if (is_number_field(field)) return write_number_column(encoder, field, column);
    if (is_text_field(field)) return write_text_column(encoder, field, column);
    return reads_sources ? write_sourced_column(encoder, field, column)
                         : write_keyword_column(encoder, field, column);
}

static int write_columns(struct encoder *encoder)
{
    const struct builder *builder = encoder->builder;
    struct segment_writer *writer = &encoder->writer;
    size_t count = 0;
    struct segment_column_row *rows = calloc(builder->fields.count + 1, sizeof(*rows));
    int code = rows == NULL ? segment_out_of_memory(writer) : 0;
    for (size_t i = 0; code == 0 && i < builder->fields.count; i++) {
        const struct builder_field *field = builder->fields.items[i];
        if (!has_values(field)) continue;
        code = write_column(encoder, field, count, &rows[count]);
        count++;
    }
    if (code == 0) code = segment_write_column_rows(writer, rows, count);
    free(rows);
    return code;
}

static struct segment_meta meta_of(const struct builder *builder)
{
    struct segment_meta meta = { .source_size = builder->sources.size,
                                 .time_least = 1,
                                 .time_most = 0,
                                 .seq_no_least = INT64_MAX,
                                 .seq_no_most = -1 };
    for (size_t i = 0; i < builder->documents.count; i++) {
        int64_t seq_no = builder->documents.items[i].seq_no;
        if (seq_no < meta.seq_no_least) meta.seq_no_least = seq_no;
        if (seq_no > meta.seq_no_most) meta.seq_no_most = seq_no;
    }
    const struct builder_field *field = map_get(&builder->field_by_path, STR("@timestamp"));
    if (field == NULL || (field->type != LOGSTORE_DATE && field->type != LOGSTORE_DATE_NANOS)) {
        return meta;
    }
    int64_t unit = field->type == LOGSTORE_DATE_NANOS ? 1000000 : 1;
    number_range(field, &meta.time_least, &meta.time_most);
    if (meta.time_least <= meta.time_most) {
        meta.time_least /= unit;
        meta.time_most /= unit;
    }
    return meta;
}

static int encode(struct encoder *encoder)
{
    struct segment_writer *writer = &encoder->writer;
    struct segment_meta meta = meta_of(encoder->builder);
    segment_write_header(writer);
    int code = segment_write_meta(writer, &meta);
    if (code == 0) code = write_sources(encoder);
    if (code == 0) code = segment_write_ids(writer, &encoder->builder->ids);
    if (code == 0) code = write_versions(encoder);
    if (code == 0) code = write_columns(encoder);
    if (code == 0) code = segment_write_directory(writer);
    return code;
}

int builder_encode(const struct builder *builder, struct source_packer *packer, struct buf *out,
                   struct error *error)
{
    if (builder->has_failed) return error_set(error, -ENOMEM, "buffer is out of memory");
    struct encoder encoder = { .builder = builder, .packer = packer };
    segment_writer_init(&encoder.writer, out, (uint32_t)builder->documents.count, error);
    int code = encode(&encoder);
    if (code < 0) buf_truncate(out, encoder.writer.base);
    segment_writer_release(&encoder.writer);
    VEC_RELEASE(&encoder.blocks);
    return code;
}
