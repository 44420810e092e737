/* segment_writer.c - the sections of a segment, one behind the other. */
#include "logstore/segment_writer.h"

#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/bytes.h"
#include "logstore/packed.h"
#include "logstore/rare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOOM_BITS   10 /* a document, with four probes: one in a hundred is looked for in vain */
#define BLOOM_PROBES 4

void segment_writer_init(struct segment_writer *writer, struct buf *out, uint32_t document_count,
                         struct error *error)
{
    *writer = (struct segment_writer){
        .out = out, .base = out->size, .document_count = document_count, .error = error
    };
}

void segment_writer_release(struct segment_writer *writer)
{
    VEC_RELEASE(&writer->rows);
    free(writer->numbers);
    writer->numbers = NULL;
}

int segment_out_of_memory(const struct segment_writer *writer)
{
    return error_set(writer->error, -ENOMEM, "encode a segment: out of memory");
}

int segment_spill(struct segment_writer *writer, size_t size_min)
{
    size_t size = writer->out->size - writer->base;
    if (writer->sink == NULL || size < size_min || writer->out->has_failed) return 0;
    struct str bytes = { writer->out->data + writer->base, size };
    int code = writer->sink->write(writer->sink->argument, bytes, writer->error);
    if (code < 0) return code;
    writer->spilled += size;
    buf_truncate(writer->out, writer->base);
    return 0;
}

void segment_section_begin(struct segment_writer *writer)
{
    while (segment_position(writer) % 8 != 0 && !writer->out->has_failed) {
        buf_append_char(writer->out, 0);
    }
    writer->section_start = segment_position(writer);
}

/* The bytes of a section that is not spilled. */
static struct str section_bytes(const struct segment_writer *writer)
{
    size_t size = segment_position(writer) - writer->section_start;
    CHECK(size <= writer->out->size - writer->base);
    return (struct str){ writer->out->data + writer->out->size - size, size };
}

int segment_section_end(struct segment_writer *writer, enum segment_section_kind kind,
                        size_t column)
{
    if (writer->out->has_failed) return segment_out_of_memory(writer);
    struct segment_row row = {
        .kind = kind,
        .column = (uint32_t)column,
        .offset = writer->section_start,
        .size = segment_position(writer) - writer->section_start,
    };
    if (kind != SEGMENT_SOURCE) { /* each block of sources has a checksum of its own */
        struct str bytes = section_bytes(writer);
        row.crc = crc32c(bytes.data, bytes.size);
    }
    if (!VEC_PUSH(&writer->rows, row)) return segment_out_of_memory(writer);
    return segment_spill(writer, SEGMENT_SPILL_SIZE);
}

bool segment_numbers(struct segment_writer *writer, size_t count)
{
    if (count < writer->number_capacity) return true;
    int64_t *grown = realloc(writer->numbers, (count + 1) * sizeof(*grown));
    if (grown == NULL) return false;
    writer->numbers = grown;
    writer->number_capacity = count + 1;
    return true;
}

int segment_write_packed(struct segment_writer *writer, enum segment_section_kind kind,
                         size_t column, size_t count)
{
    segment_section_begin(writer);
    packed_write(writer->numbers, count, writer->out);
    return segment_section_end(writer, kind, column);
}

int segment_write_meta(struct segment_writer *writer, const struct segment_meta *meta)
{
    segment_section_begin(writer);
    bytes_put32(writer->out, writer->document_count);
    bytes_put32(writer->out, 0);
    bytes_put64(writer->out, meta->source_size);
    bytes_put64(writer->out, (uint64_t)meta->time_least);
    bytes_put64(writer->out, (uint64_t)meta->time_most);
    bytes_put64(writer->out, (uint64_t)meta->seq_no_least);
    bytes_put64(writer->out, (uint64_t)meta->seq_no_most);
    return segment_section_end(writer, SEGMENT_META, 0);
}

int segment_write_blocks(struct segment_writer *writer, struct segment_block_vec *blocks)
{
    /* The end of the last block, so that each size stored can be told. */
    struct segment_block last = { .first = writer->document_count,
                                  .offset =
                                      (int64_t)(segment_position(writer) - writer->section_start) };
    if (!VEC_PUSH(blocks, last)) return segment_out_of_memory(writer);
    int code = segment_section_end(writer, SEGMENT_SOURCE, 0);
    if (code < 0) return code;
    segment_section_begin(writer);
    if (!segment_numbers(writer, blocks->count)) return segment_out_of_memory(writer);
    for (size_t part = 0; part < 4; part++) {
        for (size_t i = 0; i < blocks->count; i++) {
            const struct segment_block *block = &blocks->items[i];
            int64_t parts[] = { block->first, block->offset, block->raw_size, block->crc };
            writer->numbers[i] = parts[part];
        }
        packed_write(writer->numbers, blocks->count, writer->out);
    }
    return segment_section_end(writer, SEGMENT_SOURCE_TABLE, 0);
}

/* Ids ------------------------------------------------------------------------------------- */

static int write_id_runs(struct segment_writer *writer, const struct id_list *ids)
{
    segment_section_begin(writer);
    bytes_put32(writer->out, (uint32_t)ids->runs.count);
    for (size_t i = 0; i < ids->runs.count; i++) {
        buf_append(writer->out, ids->runs.items[i].packed, ID_PACKED_SIZE);
        bytes_put32(writer->out, ids->runs.items[i].first);
    }
    return segment_section_end(writer, SEGMENT_ID_RUNS, 0);
}

static int write_packed_ids(struct segment_writer *writer, const struct id_list *ids)
{
    segment_section_begin(writer);
    for (uint32_t i = 0; i < writer->document_count; i++) {
        char buffer[ID_MADE_SIZE];
        char packed[ID_PACKED_SIZE];
        CHECK(id_pack(id_list_at(ids, i, buffer), packed));
        buf_append(writer->out, packed, sizeof(packed));
    }
    return segment_section_end(writer, SEGMENT_IDS, 0);
}

static int write_text_ids(struct segment_writer *writer, const struct id_list *ids)
{
    if (!segment_numbers(writer, (size_t)writer->document_count + 1)) {
        return segment_out_of_memory(writer);
    }
    segment_section_begin(writer);
    for (uint32_t i = 0; i < writer->document_count; i++) {
        char buffer[ID_MADE_SIZE];
        writer->numbers[i] = (int64_t)(segment_position(writer) - writer->section_start);
        buf_append_str(writer->out, id_list_at(ids, i, buffer));
    }
    writer->numbers[writer->document_count] =
        (int64_t)(segment_position(writer) - writer->section_start);
    int code = segment_section_end(writer, SEGMENT_IDS, 0);
    if (code < 0) return code;
    return segment_write_packed(writer, SEGMENT_ID_TABLE, 0, (size_t)writer->document_count + 1);
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

static int write_bloom(struct segment_writer *writer, const struct id_hash *hashes, size_t count)
{
    size_t words = (count * BLOOM_BITS + 63) / 64 + 1;
    segment_section_begin(writer);
    char *bytes = buf_reserve(writer->out, words * 8);
    if (bytes == NULL) return segment_out_of_memory(writer);
    memset(bytes, 0, words * 8);
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = hashes[i].hash;
        for (unsigned probe = 0; probe < BLOOM_PROBES; probe++) {
            uint64_t bit = hash % (words * 64);
            bytes[bit / 8] = (char)((unsigned char)bytes[bit / 8] | 1u << (bit % 8));
            hash = (hash >> 17 | hash << 47) * UINT64_C(0x9e3779b97f4a7c15);
        }
    }
    writer->out->size += words * 8;
    return segment_section_end(writer, SEGMENT_ID_BLOOM, 0);
}

static int write_id_order(struct segment_writer *writer, const struct id_list *ids)
{
    size_t count = writer->document_count;
    struct id_hash *hashes = calloc(count + 1, sizeof(*hashes));
    if (hashes == NULL || !segment_numbers(writer, count)) {
        free(hashes);
        return segment_out_of_memory(writer);
    }
    for (uint32_t i = 0; i < count; i++) {
        char buffer[ID_MADE_SIZE];
        hashes[i] = (struct id_hash){ segment_id_hash(id_list_at(ids, i, buffer)), i };
    }
    qsort(hashes, count, sizeof(*hashes), by_hash);
    for (size_t i = 0; i < count; i++) writer->numbers[i] = hashes[i].document;
    int code = segment_write_packed(writer, SEGMENT_ID_ORDER, 0, count);
    if (code == 0) code = write_bloom(writer, hashes, count);
    free(hashes);
    return code;
}

int segment_write_ids(struct segment_writer *writer, const struct id_list *ids)
{
    CHECK(ids->starts.count == writer->document_count);
    if (ids->run_documents == writer->document_count) return write_id_runs(writer, ids);
    bool are_made = true;
    for (uint32_t i = 0; are_made && i < writer->document_count; i++) {
        char buffer[ID_MADE_SIZE];
        char packed[ID_PACKED_SIZE];
        are_made = id_pack(id_list_at(ids, i, buffer), packed);
    }
    int code = are_made ? write_packed_ids(writer, ids) : write_text_ids(writer, ids);
    return code < 0 ? code : write_id_order(writer, ids);
}

int segment_write_seq_nos(struct segment_writer *writer)
{
    /* They mostly count on, so their distance from the document's number is the same for all. */
    for (uint32_t i = 0; i < writer->document_count; i++) writer->numbers[i] -= i;
    return segment_write_packed(writer, SEGMENT_SEQ_NO, 0, writer->document_count);
}

/* Columns --------------------------------------------------------------------------------- */

int segment_write_presence(struct segment_writer *writer, size_t column, size_t count)
{
    bool is_dense = count == writer->document_count;
    for (size_t i = 0; is_dense && i < count; i++) is_dense = writer->numbers[i] == (int64_t)i;
    return is_dense ? 0 : segment_write_packed(writer, SEGMENT_PRESENCE, column, count);
}

void segment_write_postings(const uint32_t *documents, uint32_t count, uint32_t document_count,
                            struct buf *out)
{
    if (count == document_count) return; /* all of them */
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

int segment_write_terms(struct segment_writer *writer, size_t column,
                        const struct terms_entry *entries, size_t count, bool has_postings)
{
    segment_section_begin(writer);
    int code = terms_write(entries, count, has_postings, writer->out, writer->error);
    return code < 0 ? code : segment_section_end(writer, SEGMENT_TERMS, column);
}

int segment_write_rare(struct segment_writer *writer, size_t column, uint64_t *entries,
                       size_t count)
{
    segment_section_begin(writer);
    if (!rare_write(entries, count, writer->out)) return segment_out_of_memory(writer);
    return segment_section_end(writer, SEGMENT_RARE, column);
}

int segment_write_column_rows(struct segment_writer *writer, const struct segment_column_row *rows,
                              size_t count)
{
    segment_section_begin(writer);
    bytes_put_varint(writer->out, count);
    for (size_t i = 0; i < count; i++) {
        const struct segment_column_row *row = &rows[i];
        bytes_put_text(writer->out, row->path);
        buf_append_char(writer->out, (char)row->type);
        buf_append_char(writer->out, (char)row->flags);
        bytes_put_varint(writer->out, row->document_count);
        bytes_put64(writer->out, (uint64_t)row->least);
        bytes_put64(writer->out, (uint64_t)row->most);
        bytes_put_text(writer->out, row->source_path);
        bytes_put_varint(writer->out, row->ignore_above);
    }
    return segment_section_end(writer, SEGMENT_COLUMNS, 0);
}

void segment_write_header(struct segment_writer *writer)
{
    buf_append_cstr(writer->out, SEGMENT_MAGIC);
    bytes_put32(writer->out, SEGMENT_VERSION);
    bytes_put32(writer->out, SEGMENT_VERSION);
    if (writer->out->has_failed) return;
    writer->header_crc = crc32c(writer->out->data + writer->base, SEGMENT_HEADER_SIZE);
}

int segment_write_directory(struct segment_writer *writer)
{
    segment_section_begin(writer);
    uint64_t offset = writer->section_start;
    VEC_FOR_EACH (&writer->rows, row) {
        bytes_put32(writer->out, row->kind);
        bytes_put32(writer->out, row->column);
        bytes_put64(writer->out, row->offset);
        bytes_put64(writer->out, row->size);
        bytes_put32(writer->out, row->crc);
        bytes_put32(writer->out, 0);
    }
    if (writer->out->has_failed) return segment_out_of_memory(writer);
    struct str rows = section_bytes(writer);
    uint32_t crc = crc32c(rows.data, rows.size);
    bytes_put64(writer->out, offset);
    bytes_put32(writer->out, (uint32_t)writer->rows.count);
    bytes_put32(writer->out, crc);
    bytes_put32(writer->out, writer->header_crc);
    bytes_put32(writer->out, 0);
    buf_append_cstr(writer->out, SEGMENT_END);
    return writer->out->has_failed ? segment_out_of_memory(writer) : segment_spill(writer, 0);
}
