/* segment_write.c - a builder's documents and fields as the bytes of a segment. */
#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/block.h"
#include "logstore/builder.h"
#include "logstore/bytes.h"
#include "logstore/packed.h"
#include "logstore/segment.h"
#include "logstore/terms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct row {
    uint32_t kind;
    uint32_t column;
    uint64_t offset;
    uint64_t size;
    uint32_t crc;
};

struct writer {
    const struct builder *builder;
    struct buf *out;
    size_t base; /* where the segment begins in out */
    VEC(struct row) rows;
    size_t section_start;
    int64_t *numbers; /* room for one number a document, or more where asked */
    size_t number_capacity;
    struct error *error;
};

static int out_of_memory(struct writer *writer)
{
    return error_set(writer->error, -ENOMEM, "encode a segment: out of memory");
}

static void section_begin(struct writer *writer)
{
    while ((writer->out->size - writer->base) % 8 != 0 && !writer->out->has_failed) {
        buf_append_char(writer->out, 0);
    }
    writer->section_start = writer->out->size;
}

static int section_end(struct writer *writer, enum segment_section_kind kind, size_t column)
{
    if (writer->out->has_failed) return out_of_memory(writer);
    size_t size = writer->out->size - writer->section_start;
    struct row row = {
        .kind = kind,
        .column = (uint32_t)column,
        .offset = writer->section_start - writer->base,
        .size = size,
        .crc = crc32c(writer->out->data + writer->section_start, size),
    };
    return VEC_PUSH(&writer->rows, row) ? 0 : out_of_memory(writer);
}

static int64_t *numbers_for(struct writer *writer, size_t count)
{
    if (count > writer->number_capacity) {
        int64_t *grown = realloc(writer->numbers, count * sizeof(*grown));
        if (grown == NULL) return NULL;
        writer->numbers = grown;
        writer->number_capacity = count;
    }
    return writer->numbers;
}

static int write_section_packed(struct writer *writer, enum segment_section_kind kind,
                                size_t column, size_t count)
{
    section_begin(writer);
    packed_write(writer->numbers, count, writer->out);
    return section_end(writer, kind, column);
}

struct source_block {
    int64_t first;
    int64_t offset;
    int64_t size;
    int64_t crc;
};

VEC_TYPE(source_block_vec, struct source_block);

static int write_source_table(struct writer *writer, const struct source_block_vec *blocks)
{
    section_begin(writer);
    for (size_t part = 0; part < 4; part++) {
        int64_t *numbers = numbers_for(writer, blocks->count + 1);
        if (numbers == NULL) return out_of_memory(writer);
        for (size_t i = 0; i < blocks->count; i++) {
            const struct source_block *block = &blocks->items[i];
            int64_t parts[] = { block->first, block->offset, block->size, block->crc };
            numbers[i] = parts[part];
        }
        packed_write(numbers, blocks->count, writer->out);
    }
    return section_end(writer, SEGMENT_SOURCE_TABLE, 0);
}

/* A block is: u32 count, u32 end of each source, the sources. */
static int write_source_block(struct writer *writer, size_t start, size_t end, struct buf *raw,
                              struct source_block_vec *blocks)
{
    const struct builder *builder = writer->builder;
    buf_reset(raw);
    bytes_put32(raw, (uint32_t)(end - start));
    uint32_t size = 0;
    for (size_t i = start; i < end; i++) {
        size += builder->documents.items[i].source_size;
        bytes_put32(raw, size);
    }
    buf_append(raw, builder->sources.data + builder->documents.items[start].source_offset, size);
    if (raw->has_failed) return out_of_memory(writer);
    size_t before = writer->out->size;
    int code = block_compress_source(buf_str(raw), writer->out, writer->error);
    if (code < 0) return code;
    struct source_block block = {
        .first = (int64_t)start,
        .offset = (int64_t)(before - writer->section_start),
        .size = (int64_t)raw->size,
        .crc = crc32c(writer->out->data + before, writer->out->size - before),
    };
    return VEC_PUSH(blocks, block) ? 0 : out_of_memory(writer);
}

static int write_sources(struct writer *writer)
{
    const struct builder *builder = writer->builder;
    CLEANUP(buf_release) struct buf raw = { 0 };
    struct source_block_vec blocks = { 0 };
    buf_init(&raw, UINT32_MAX);
    section_begin(writer);
    int code = 0;
    for (size_t start = 0; code == 0 && start < builder->documents.count;) {
        size_t end = start;
        size_t size = 0;
        while (end < builder->documents.count && (size < SEGMENT_SOURCE_SIZE || end == start)) {
            size += builder->documents.items[end++].source_size;
        }
        code = write_source_block(writer, start, end, &raw, &blocks);
        start = end;
    }
    /* The end of the last block, so that each size stored can be told. */
    struct source_block last = { .first = (int64_t)builder->documents.count,
                                 .offset = (int64_t)(writer->out->size - writer->section_start) };
    if (code == 0 && !VEC_PUSH(&blocks, last)) code = out_of_memory(writer);
    if (code == 0) code = section_end(writer, SEGMENT_SOURCE, 0);
    if (code == 0) code = write_source_table(writer, &blocks);
    VEC_RELEASE(&blocks);
    return code;
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool pack_id(struct str id, char *packed)
{
    if (id.size != SEGMENT_ID_BUFFER) return false;
    for (size_t group = 0; group < 5; group++) {
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
            int value = base64url_value(id.data[group * 4 + i]);
            if (value < 0) return false;
            bits = bits << 6 | (uint32_t)value;
        }
        packed[group * 3] = (char)(bits >> 16);
        packed[group * 3 + 1] = (char)(bits >> 8);
        packed[group * 3 + 2] = (char)bits;
    }
    return true;
}

static struct str id_of(const struct builder *builder, size_t document)
{
    const struct builder_document *item = &builder->documents.items[document];
    return (struct str){ builder->ids.data + item->id_offset, item->id_size };
}

static int write_id_bytes(struct writer *writer)
{
    const struct builder *builder = writer->builder;
    size_t count = builder->documents.count;
    char packed[SEGMENT_ID_PACKED_SIZE];
    bool are_packed = true;
    for (size_t i = 0; are_packed && i < count; i++) {
        are_packed = pack_id(id_of(builder, i), packed);
    }
    section_begin(writer);
    if (!are_packed) {
        buf_append_str(writer->out, buf_str(&builder->ids));
        int code = section_end(writer, SEGMENT_IDS, 0);
        if (code < 0) return code;
        int64_t *numbers = numbers_for(writer, count + 1);
        if (numbers == NULL) return out_of_memory(writer);
        for (size_t i = 0; i < count; i++) numbers[i] = builder->documents.items[i].id_offset;
        numbers[count] = (int64_t)builder->ids.size;
        return write_section_packed(writer, SEGMENT_ID_TABLE, 0, count + 1);
    }
    for (size_t i = 0; i < count; i++) {
        (void)pack_id(id_of(builder, i), packed);
        buf_append(writer->out, packed, sizeof(packed));
    }
    return section_end(writer, SEGMENT_IDS, 0);
}

struct id_hash {
    uint64_t hash;
    uint32_t document;
};

static int by_hash(const void *a, const void *b)
{
    const struct id_hash *left = a;
    const struct id_hash *right = b;
    if (left->hash != right->hash) return left->hash < right->hash ? -1 : 1;
    return left->document < right->document ? -1 : left->document > right->document;
}

/* Ten bits a document and four probes: one in a hundred ids that are not there is looked for. */
static int write_bloom(struct writer *writer, const struct id_hash *hashes, size_t count)
{
    size_t words = (count * 10 + 63) / 64 + 1;
    section_begin(writer);
    char *bytes = buf_reserve(writer->out, words * 8);
    if (bytes == NULL) return out_of_memory(writer);
    memset(bytes, 0, words * 8);
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = hashes[i].hash;
        for (unsigned probe = 0; probe < 4; probe++) {
            uint64_t bit = hash % (words * 64);
            bytes[bit / 8] = (char)((unsigned char)bytes[bit / 8] | 1u << (bit % 8));
            hash = (hash >> 17 | hash << 47) * UINT64_C(0x9e3779b97f4a7c15);
        }
    }
    writer->out->size += words * 8;
    return section_end(writer, SEGMENT_ID_BLOOM, 0);
}

static int write_ids(struct writer *writer)
{
    size_t count = writer->builder->documents.count;
    int code = write_id_bytes(writer);
    if (code < 0) return code;
    struct id_hash *hashes = calloc(count + 1, sizeof(*hashes));
    int64_t *numbers = numbers_for(writer, count + 1);
    if (hashes == NULL || numbers == NULL) {
        free(hashes);
        return out_of_memory(writer);
    }
    for (size_t i = 0; i < count; i++) {
        hashes[i] = (struct id_hash){ segment_id_hash(id_of(writer->builder, i)), (uint32_t)i };
    }
    qsort(hashes, count, sizeof(*hashes), by_hash);
    for (size_t i = 0; i < count; i++) numbers[i] = hashes[i].document;
    code = write_section_packed(writer, SEGMENT_ID_ORDER, 0, count);
    if (code == 0) code = write_bloom(writer, hashes, count);
    free(hashes);
    return code;
}

static int write_versions(struct writer *writer)
{
    const struct builder *builder = writer->builder;
    int64_t *numbers = numbers_for(writer, builder->documents.count + 1);
    if (numbers == NULL) return out_of_memory(writer);
    for (size_t i = 0; i < builder->documents.count; i++) {
        numbers[i] = builder->documents.items[i].seq_no;
    }
    int code = write_section_packed(writer, SEGMENT_SEQ_NO, 0, builder->documents.count);
    if (code < 0) return code;
    for (size_t i = 0; i < builder->documents.count; i++) {
        numbers[i] = builder->documents.items[i].version;
    }
    return write_section_packed(writer, SEGMENT_VERSIONS, 0, builder->documents.count);
}

/* Columns ---------------------------------------------------------------------------------- */

struct term_order {
    struct str term;
    uint32_t number;
    uint32_t count;
    uint64_t prefix;
};

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

static struct term_order *sort_terms(const struct builder_field *field)
{
    struct term_order *order = calloc(field->terms.count + 1, sizeof(*order));
    if (order == NULL) return NULL;
    for (size_t i = 0; i < field->terms.count; i++) {
        const struct builder_term *term = &field->terms.items[i];
        order[i] = (struct term_order){
            { field->bytes.data + term->offset, term->size }, (uint32_t)i, term->count, 0
        };
        if (term->size > 0) order[i].prefix = term_prefix(order[i].term);
    }
    qsort(order, field->terms.count, sizeof(*order), by_term);
    return order;
}

static void write_posting_list(const uint32_t *documents, uint32_t count, uint32_t document_count,
                               struct buf *out)
{
    if (segment_postings_is_bitmap(count, document_count)) {
        size_t size = LOGSTORE_BITS_WORDS(document_count) * 8;
        char *bytes = buf_reserve(out, size);
        if (bytes == NULL) return;
        memset(bytes, 0, size);
        for (uint32_t i = 0; i < count; i++) {
            char *byte = &bytes[documents[i] / 8];
            *byte = (char)((unsigned char)*byte | 1u << (documents[i] % 8));
        }
        out->size += size;
        return;
    }
    uint32_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes_put_varint(out, documents[i] - before);
        before = documents[i];
    }
}

/* The documents of each term, one list behind the other, by counting. */
static uint32_t *group_documents(const struct builder_field *field, uint32_t **starts_out)
{
    size_t term_count = field->terms.count;
    uint32_t *starts = calloc(term_count + 1, sizeof(*starts));
    uint32_t *documents = calloc(field->pairs.count + 1, sizeof(*documents));
    if (starts == NULL || documents == NULL) {
        free(starts);
        free(documents);
        return NULL;
    }
    uint32_t start = 0;
    for (size_t i = 0; i < term_count; i++) {
        starts[i] = start;
        start += field->terms.items[i].count;
    }
    for (size_t i = 0; i < field->pairs.count; i++) {
        const struct builder_pair *pair = &field->pairs.items[i];
        documents[starts[pair->term]++] = pair->document;
    }
    for (size_t i = 0; i < term_count; i++) starts[i] -= field->terms.items[i].count;
    *starts_out = starts;
    return documents;
}

static int write_postings(struct writer *writer, const struct builder_field *field, size_t column,
                          const struct term_order *order, struct terms_entry *entries)
{
    uint32_t *starts = NULL;
    uint32_t *documents = group_documents(field, &starts);
    if (documents == NULL) return out_of_memory(writer);
    uint32_t document_count = (uint32_t)writer->builder->documents.count;
    section_begin(writer);
    for (size_t i = 0; i < field->terms.count; i++) {
        size_t before = writer->out->size;
        write_posting_list(documents + starts[order[i].number], order[i].count, document_count,
                           writer->out);
        entries[i] = (struct terms_entry){ order[i].term, order[i].count,
                                           (uint32_t)(writer->out->size - before) };
    }
    free(starts);
    free(documents);
    return section_end(writer, SEGMENT_POSTINGS, column);
}

static int write_presence(struct writer *writer, size_t column, size_t value_count,
                          bool *is_dense_out)
{
    /* writer->numbers holds the document of each value. */
    bool is_dense = value_count == writer->builder->documents.count;
    for (size_t i = 0; is_dense && i < value_count; i++) {
        is_dense = writer->numbers[i] == (int64_t)i;
    }
    *is_dense_out = is_dense;
    return is_dense ? 0 : write_section_packed(writer, SEGMENT_PRESENCE, column, value_count);
}

static int write_text_column(struct writer *writer, const struct builder_field *field,
                             size_t column, const struct term_order *order,
                             struct terms_entry *entries)
{
    int code = write_postings(writer, field, column, order, entries);
    if (code < 0) return code;
    section_begin(writer);
    code = terms_write(entries, field->terms.count, true, writer->out, writer->error);
    if (code == 0) code = section_end(writer, SEGMENT_TERMS, column);
    if (code < 0) return code;
    int64_t *numbers = numbers_for(writer, field->documents.count + 1);
    if (numbers == NULL) return out_of_memory(writer);
    for (size_t i = 0; i < field->documents.count; i++) numbers[i] = field->documents.items[i];
    bool is_dense;
    return write_presence(writer, column, field->documents.count, &is_dense);
}

static int write_keyword_column(struct writer *writer, const struct builder_field *field,
                                size_t column, const struct term_order *order,
                                struct terms_entry *entries)
{
    for (size_t i = 0; i < field->terms.count; i++) entries[i].term = order[i].term;
    section_begin(writer);
    int code = terms_write(entries, field->terms.count, false, writer->out, writer->error);
    if (code == 0) code = section_end(writer, SEGMENT_TERMS, column);
    if (code < 0) return code;
    uint32_t *ordinals = calloc(field->terms.count + 1, sizeof(*ordinals));
    int64_t *numbers = numbers_for(writer, field->pairs.count + 1);
    if (ordinals == NULL || numbers == NULL) {
        free(ordinals);
        return out_of_memory(writer);
    }
    for (size_t i = 0; i < field->terms.count; i++) ordinals[order[i].number] = (uint32_t)i;
    for (size_t i = 0; i < field->pairs.count; i++) {
        numbers[i] = ordinals[field->pairs.items[i].term];
    }
    free(ordinals);
    code = write_section_packed(writer, SEGMENT_VALUES, column, field->pairs.count);
    if (code < 0) return code;
    for (size_t i = 0; i < field->pairs.count; i++) numbers[i] = field->pairs.items[i].document;
    bool is_dense;
    return write_presence(writer, column, field->pairs.count, &is_dense);
}

static int write_term_column(struct writer *writer, const struct builder_field *field,
                             size_t column)
{
    struct term_order *order = sort_terms(field);
    struct terms_entry *entries = calloc(field->terms.count + 1, sizeof(*entries));
    int code = 0;
    if (order == NULL || entries == NULL)
        code = out_of_memory(writer);
    else if (logstore_type_column(field->type) == LOGSTORE_COLUMN_TEXT && !field->is_malformed) {
        code = write_text_column(writer, field, column, order, entries);
    } else {
        code = write_keyword_column(writer, field, column, order, entries);
    }
    free(order);
    free(entries);
    return code;
}

static int write_number_column(struct writer *writer, const struct builder_field *field,
                               size_t column)
{
    size_t count = field->numbers.count;
    int64_t *numbers = numbers_for(writer, count + 1);
    if (numbers == NULL) return out_of_memory(writer);
    for (size_t i = 0; i < count; i++) numbers[i] = field->numbers.items[i].value;
    int code;
    if (logstore_type_column(field->type) == LOGSTORE_COLUMN_REAL) {
        section_begin(writer);
        buf_append(writer->out, numbers, count * sizeof(*numbers));
        code = section_end(writer, SEGMENT_VALUES, column);
    } else {
        code = write_section_packed(writer, SEGMENT_VALUES, column, count);
    }
    if (code < 0) return code;
    for (size_t i = 0; i < count; i++) numbers[i] = field->numbers.items[i].document;
    bool is_dense;
    return write_presence(writer, column, count, &is_dense);
}

static bool is_number_field(const struct builder_field *field)
{
    enum logstore_column_kind kind = logstore_type_column(field->type);
    return !field->is_malformed &&
           (kind == LOGSTORE_COLUMN_INTEGER || kind == LOGSTORE_COLUMN_REAL);
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
    if (!is_number_field(field) || logstore_type_column(field->type) == LOGSTORE_COLUMN_REAL)
        return;
    for (size_t i = 0; i < field->numbers.count; i++) {
        int64_t value = field->numbers.items[i].value;
        if (i == 0 || value < *least) *least = value;
        if (i == 0 || value > *most) *most = value;
    }
}

static int by_path(const void *a, const void *b)
{
    const struct builder_field *left = *(struct builder_field *const *)a;
    const struct builder_field *right = *(struct builder_field *const *)b;
    int order = str_compare(left->path, right->path);
    return order != 0 ? order : (int)left->is_malformed - (int)right->is_malformed;
}

static int write_columns(struct writer *writer, struct builder_field **fields, size_t count)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (is_number_field(fields[i]))
            code = write_number_column(writer, fields[i], i);
        else
            code = write_term_column(writer, fields[i], i);
    }
    if (code < 0) return code;
    section_begin(writer);
    bytes_put_varint(writer->out, count);
    for (size_t i = 0; i < count; i++) {
        const struct builder_field *field = fields[i];
        int64_t least;
        int64_t most;
        number_range(field, &least, &most);
        bytes_put_text(writer->out, field->path);
        buf_append_char(writer->out, (char)field->type);
        buf_append_char(writer->out, field->is_malformed ? SEGMENT_COLUMN_MALFORMED : 0);
        bytes_put_varint(writer->out, field_document_count(field));
        bytes_put64(writer->out, (uint64_t)least);
        bytes_put64(writer->out, (uint64_t)most);
    }
    return section_end(writer, SEGMENT_COLUMNS, 0);
}

static void time_range(const struct builder *builder, int64_t *least, int64_t *most)
{
    *least = 1;
    *most = 0;
    struct builder_field *field = map_get(&builder->field_by_path, STR("@timestamp"));
    if (field == NULL) return;
    int64_t unit = field->type == LOGSTORE_DATE_NANOS ? 1000000 : 1;
    if (field->type != LOGSTORE_DATE && field->type != LOGSTORE_DATE_NANOS) return;
    number_range(field, least, most);
    if (*least > *most) return;
    *least /= unit;
    *most /= unit;
}

static int write_meta(struct writer *writer)
{
    const struct builder *builder = writer->builder;
    int64_t time_least;
    int64_t time_most;
    time_range(builder, &time_least, &time_most);
    int64_t seq_no_least = INT64_MAX;
    int64_t seq_no_most = -1;
    for (size_t i = 0; i < builder->documents.count; i++) {
        int64_t seq_no = builder->documents.items[i].seq_no;
        if (seq_no < seq_no_least) seq_no_least = seq_no;
        if (seq_no > seq_no_most) seq_no_most = seq_no;
    }
    section_begin(writer);
    bytes_put32(writer->out, (uint32_t)builder->documents.count);
    bytes_put32(writer->out, 0);
    bytes_put64(writer->out, builder->sources.size);
    bytes_put64(writer->out, (uint64_t)time_least);
    bytes_put64(writer->out, (uint64_t)time_most);
    bytes_put64(writer->out, (uint64_t)seq_no_least);
    bytes_put64(writer->out, (uint64_t)seq_no_most);
    return section_end(writer, SEGMENT_META, 0);
}

static int write_directory(struct writer *writer)
{
    section_begin(writer);
    uint64_t offset = writer->section_start - writer->base;
    VEC_FOR_EACH (&writer->rows, row) {
        bytes_put32(writer->out, row->kind);
        bytes_put32(writer->out, row->column);
        bytes_put64(writer->out, row->offset);
        bytes_put64(writer->out, row->size);
        bytes_put32(writer->out, row->crc);
        bytes_put32(writer->out, 0);
    }
    if (writer->out->has_failed) return out_of_memory(writer);
    uint32_t crc = crc32c(writer->out->data + writer->section_start,
                          writer->out->size - writer->section_start);
    bytes_put64(writer->out, offset);
    bytes_put32(writer->out, (uint32_t)writer->rows.count);
    bytes_put32(writer->out, crc);
    bytes_put64(writer->out, 0);
    buf_append_cstr(writer->out, SEGMENT_END);
    return writer->out->has_failed ? out_of_memory(writer) : 0;
}

static int encode(struct writer *writer, struct builder_field **fields, size_t count)
{
    buf_append_cstr(writer->out, SEGMENT_MAGIC);
    bytes_put32(writer->out, SEGMENT_VERSION);
    bytes_put32(writer->out, SEGMENT_VERSION);
    int code = write_meta(writer);
    if (code == 0) code = write_sources(writer);
    if (code == 0) code = write_ids(writer);
    if (code == 0) code = write_versions(writer);
    if (code == 0) code = write_columns(writer, fields, count);
    if (code == 0) code = write_directory(writer);
    return code;
}

int builder_encode(const struct builder *builder, struct buf *out, struct error *error)
{
    if (builder->has_failed) return error_set(error, -ENOMEM, "buffer is out of memory");
    struct writer writer = { .builder = builder, .out = out, .base = out->size, .error = error };
    size_t count = builder->fields.count;
    struct builder_field **fields = calloc(count + 1, sizeof(struct builder_field *));
    int code;
    if (fields == NULL)
        code = out_of_memory(&writer);
    else {
        for (size_t i = 0; i < count; i++) fields[i] = builder->fields.items[i];
        qsort(fields, count, sizeof(struct builder_field *), by_path);
        code = encode(&writer, fields, count);
    }
    if (code < 0) buf_truncate(out, writer.base);
    VEC_RELEASE(&writer.rows);
    free(writer.numbers);
    free(fields);
    return code;
}
