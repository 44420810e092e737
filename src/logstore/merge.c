/* merge.c - several segments as one: documents, ids, and each column in turn. */
#include "logstore/merge.h"

#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/bytes.h"
#include "logstore/merge_parts.h"
#include "logstore/reader.h"

#include <errno.h>
#include <stdlib.h>

static bool is_live(const struct merge_input *input, uint32_t document)
{
    return input->live == NULL || (input->live[document / 64] >> (document % 64) & 1) != 0;
}

static int number_documents(struct merge *merge)
{
    uint64_t next = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        struct merge_input *input = &merge->inputs[i];
        uint32_t count = input->segment->document_count;
        input->new_numbers = malloc((count + (size_t)1) * sizeof(uint32_t));
        if (input->new_numbers == NULL) return segment_out_of_memory(&merge->writer);
        for (uint32_t k = 0; k < count; k++) {
            input->new_numbers[k] = is_live(input, k) ? (uint32_t)next++ : UINT32_MAX;
        }
        if (next >= UINT32_MAX) {
            return error_set(merge->error, ERROR_LIMIT, "merge: too many documents");
        }
        int code = segment_open_ids(input->segment, merge->error);
        if (code < 0) return code;
    }
    merge->writer.document_count = (uint32_t)next;
    return 0;
}

uint32_t merge_block_of(const struct merge *merge, uint32_t document)
{
    size_t low = 0;
    size_t high = merge->blocks.count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (merge->blocks.items[middle].first <= (int64_t)document)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* Sources --------------------------------------------------------------------------------- */

/* Documents of small or partly dead blocks, which are packed anew together. */
struct pending {
    struct source_packer *packer;
    struct logstore_reader *reader;
    struct buf bytes;
    VEC(size_t) ends;
    VEC(struct str) documents;
    int64_t first;
    int handle; /* of the file of the input at hand; -1: not opened */
};

static int append_block(struct merge *merge, size_t before, int64_t first, int64_t raw_size)
{
    struct segment_writer *writer = &merge->writer;
    size_t size = writer->out->size - before;
    struct segment_block block = {
        .first = first,
        .offset = (int64_t)(segment_position(writer) - size - writer->section_start),
        .raw_size = raw_size,
        .crc = crc32c(writer->out->data + before, size),
    };
    merge->source_size += (uint64_t)raw_size;
    if (!VEC_PUSH(&merge->blocks, block)) return segment_out_of_memory(writer);
    return segment_spill(writer, SEGMENT_SPILL_SIZE);
}

static int pack_pending(struct merge *merge, struct pending *pending)
{
    struct segment_writer *writer = &merge->writer;
    size_t count = pending->ends.count;
    if (count == 0) return 0;
    pending->documents.count = 0;
    if (!VEC_RESERVE(&pending->documents, count)) return segment_out_of_memory(writer);
    for (size_t i = 0; i < count; i++) {
        size_t start = i == 0 ? 0 : pending->ends.items[i - 1];
        pending->documents.items[i] =
            (struct str){ pending->bytes.data + start, pending->ends.items[i] - start };
    }
    size_t before = writer->out->size;
    int code = source_block_pack(pending->packer, pending->documents.items, count, writer->out,
                                 merge->error);
    if (code == 0) code = append_block(merge, before, pending->first, (int64_t)pending->bytes.size);
    pending->first += (int64_t)count;
    buf_reset(&pending->bytes);
    pending->ends.count = 0;
    return code;
}

static int take_documents(struct merge *merge, struct pending *pending,
                          const struct merge_input *input, uint32_t block)
{
    const struct logstore_segment *segment = input->segment;
    uint32_t end = (uint32_t)packed_get(&segment->block_first, block + 1);
    for (uint32_t i = (uint32_t)packed_get(&segment->block_first, block); i < end; i++) {
        if (input->new_numbers[i] == UINT32_MAX) continue;
        struct str source;
        int code = reader_document(pending->reader, segment, i, &source, merge->error);
        if (code < 0) return code;
        buf_append_str(&pending->bytes, source);
        if (pending->bytes.has_failed || !VEC_PUSH(&pending->ends, pending->bytes.size)) {
            return segment_out_of_memory(&merge->writer);
        }
    }
    return pending->bytes.size >= SEGMENT_SOURCE_SIZE ? pack_pending(merge, pending) : 0;
}

static uint32_t live_in_block(const struct merge_input *input, uint32_t block)
{
    const struct logstore_segment *segment = input->segment;
    uint32_t end = (uint32_t)packed_get(&segment->block_first, block + 1);
    uint32_t count = 0;
    for (uint32_t i = (uint32_t)packed_get(&segment->block_first, block); i < end; i++) {
        count += input->new_numbers[i] != UINT32_MAX;
    }
    return count;
}

/* From the file, where there is one: what is read through a mapping counts as memory of ours. */
static int read_stored(struct merge *merge, struct pending *pending,
                       const struct logstore_segment *segment, const char *stored, char *room,
                       size_t size)
{
    const struct disk *disk = segment->disk;
    if (!segment->is_mapped) {
        memcpy(room, stored, size);
        return 0;
    }
    if (pending->handle < 0) pending->handle = disk->open(disk->state, segment->path, DISK_READ);
    int64_t got = pending->handle;
    if (got >= 0) {
        got = disk->read_at(disk->state, pending->handle, room, size,
                            (uint64_t)(stored - segment->bytes.data));
    }
    if (got == (int64_t)size) return 0;
    int code = got < 0 ? (int)got : ERROR_CORRUPT;
    return error_set(merge->error, code, "read '%s': %s", segment->path,
                     got < 0 ? error_name(code) : "cut short");
}

static int copy_block(struct merge *merge, struct pending *pending, const struct merge_input *input,
                      uint32_t block)
{
    const struct logstore_segment *segment = input->segment;
    size_t start = (size_t)packed_get(&segment->block_offset, block);
    size_t size = (size_t)packed_get(&segment->block_offset, block + 1) - start;
    struct buf *out = merge->writer.out;
    size_t before = out->size;
    char *room = buf_reserve(out, size);
    if (room == NULL) return segment_out_of_memory(&merge->writer);
    const char *stored = segment->sections[SEGMENT_SOURCE].bytes.data + start;
    int code = read_stored(merge, pending, segment, stored, room, size);
    if (code < 0) return code;
    if (crc32c(room, size) != (uint32_t)packed_get(&segment->block_crc, block)) {
        return error_set(merge->error, ERROR_CORRUPT, "block %u of a segment fails its checksum",
                         (unsigned)block);
    }
    out->size += size;
    int64_t count =
        packed_get(&segment->block_first, block + 1) - packed_get(&segment->block_first, block);
    int64_t first = pending->first;
    pending->first += count;
    return append_block(merge, before, first, packed_get(&segment->block_size, block));
}

static int merge_block(struct merge *merge, struct pending *pending, size_t input_number,
                       uint32_t block)
{
    const struct merge_input *input = &merge->inputs[input_number];
    const struct logstore_segment *segment = input->segment;
    uint32_t live = live_in_block(input, block);
    int64_t count =
        packed_get(&segment->block_first, block + 1) - packed_get(&segment->block_first, block);
    uint32_t *new_block = &merge->new_blocks[input_number][block];
    *new_block = UINT32_MAX;
    if (live == 0) return 0;
    bool is_copied = live == count &&
                     packed_get(&segment->block_size, block) >= (int64_t)SEGMENT_SOURCE_SIZE / 2;
    int code = is_copied ? pack_pending(merge, pending) : 0;
    *new_block = (uint32_t)merge->blocks.count; /* pending ones become the next */
    if (code < 0) return code;
    return is_copied ? copy_block(merge, pending, input, block)
                     : take_documents(merge, pending, input, block);
}

static int merge_blocks(struct merge *merge, struct pending *pending)
{
    int code = 0;
    segment_section_begin(&merge->writer);
    for (size_t i = 0; code == 0 && i < merge->input_count; i++) {
        uint32_t count = segment_block_count(merge->inputs[i].segment);
        merge->new_blocks[i] = calloc((size_t)count + 1, sizeof(uint32_t));
        if (merge->new_blocks[i] == NULL) return segment_out_of_memory(&merge->writer);
        for (uint32_t k = 0; code == 0 && k < count; k++) {
            code = merge_block(merge, pending, i, k);
        }
        const struct disk *disk = merge->inputs[i].segment->disk;
        if (pending->handle >= 0) disk->close(disk->state, pending->handle);
        pending->handle = -1;
    }
    if (code == 0) code = pack_pending(merge, pending);
    return code == 0 ? segment_write_blocks(&merge->writer, &merge->blocks) : code;
}

static int merge_sources(struct merge *merge)
{
    struct pending pending = { .handle = -1 };
    buf_init(&pending.bytes, SIZE_MAX);
    int code = source_packer_new(&pending.packer, merge->options->level) < 0 ||
                       logstore_reader_new(&pending.reader) < 0
                   ? segment_out_of_memory(&merge->writer)
                   : 0;
    if (code == 0) code = merge_blocks(merge, &pending);
    source_packer_free(pending.packer);
    logstore_reader_free(pending.reader);
    buf_release(&pending.bytes);
    VEC_RELEASE(&pending.ends);
    VEC_RELEASE(&pending.documents);
    return code;
}

/* Ids, sequence numbers, versions --------------------------------------------------------- */

static int merge_ids(struct merge *merge)
{
    struct id_list ids;
    id_list_init(&ids);
    int code = 0;
    for (size_t i = 0; code == 0 && i < merge->input_count; i++) {
        const struct merge_input *input = &merge->inputs[i];
        for (uint32_t k = 0; k < input->segment->document_count; k++) {
            if (input->new_numbers[k] == UINT32_MAX) continue;
            char buffer[SEGMENT_ID_BUFFER];
            uint32_t demoted;
            if (!id_list_add(&ids, segment_id_at(input->segment, k, buffer), &demoted)) {
                code = segment_out_of_memory(&merge->writer);
                break;
            }
        }
    }
    if (code == 0) code = segment_write_ids(&merge->writer, &ids);
    id_list_release(&ids);
    return code;
}

static int merge_versions(struct merge *merge, struct segment_meta *meta)
{
    struct segment_writer *writer = &merge->writer;
    if (!segment_numbers(writer, writer->document_count)) return segment_out_of_memory(writer);
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct merge_input *input = &merge->inputs[i];
        for (uint32_t k = 0; k < input->segment->document_count; k++) {
            uint32_t number = input->new_numbers[k];
            if (number == UINT32_MAX) continue;
            int64_t seq_no = segment_seq_no(input->segment, k);
            writer->numbers[number] = seq_no;
            if (seq_no < meta->seq_no_least) meta->seq_no_least = seq_no;
            if (seq_no > meta->seq_no_most) meta->seq_no_most = seq_no;
        }
    }
    int code = segment_write_seq_nos(writer);
    if (code < 0) return code;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct merge_input *input = &merge->inputs[i];
        for (uint32_t k = 0; k < input->segment->document_count; k++) {
            uint32_t number = input->new_numbers[k];
            if (number != UINT32_MAX) {
                writer->numbers[number] = packed_get(&input->segment->versions, k);
            }
        }
    }
    return segment_write_packed(writer, SEGMENT_VERSIONS, 0, writer->document_count);
}

/* Columns --------------------------------------------------------------------------------- */

int merge_presence(struct merge *merge, struct merge_column *column, size_t count)
{
    uint32_t documents = 0;
    for (size_t i = 0; i < count; i++) {
        documents += i == 0 || merge->writer.numbers[i] != merge->writer.numbers[i - 1];
    }
    column->row.document_count = documents;
    return segment_write_presence(&merge->writer, column->number, count);
}

/* Where a merge stands among the columns of an input, which are in order of their names. */
struct column_cursor {
    size_t number;   /* of the column at hand */
    struct str path; /* its name; no data: there is none any more */
    bool is_malformed;
};

static int compare_names(const struct column_cursor *a, const struct column_cursor *b)
{
    int order = str_compare(a->path, b->path);
    return order != 0 ? order : (int)a->is_malformed - (int)b->is_malformed;
}

/* On to the column of that number, or to the end. */
static int cursor_move(const struct merge *merge, size_t input, size_t number,
                       struct column_cursor *cursor)
{
    const struct logstore_segment *segment = merge->inputs[input].segment;
    struct column_cursor before = *cursor;
    *cursor = (struct column_cursor){ .number = number };
    if (number >= segment->column_count) return 0;
    cursor->path = segment_column_path(segment, number, &cursor->is_malformed);
    if (number == 0 || compare_names(&before, cursor) < 0) return 0;
    return error_set(merge->error, ERROR_CORRUPT, "segment: column '" STR_FMT "' is out of order",
                     STR_ARG(cursor->path));
}

/* The least name that a cursor stands on; false at the end of all. */
static bool least_name(const struct merge *merge, const struct column_cursor *cursors,
                       struct column_cursor *name)
{
    bool is_found = false;
    for (size_t i = 0; i < merge->input_count; i++) {
        if (cursors[i].number >= merge->inputs[i].segment->column_count) continue;
        if (is_found && compare_names(&cursors[i], name) >= 0) continue;
        *name = cursors[i];
        is_found = true;
    }
    return is_found;
}

/* The column of that name in all inputs that have it, whose cursors move on. */
static int open_parts(struct merge *merge, const struct column_cursor *name,
                      struct column_cursor *cursors, struct merge_column *column)
{
    column->first = NULL;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_segment *segment = merge->inputs[i].segment;
        size_t number = cursors[i].number;
        column->parts[i] = NULL;
        if (number >= segment->column_count || compare_names(&cursors[i], name) != 0) continue;
        int code = cursor_move(merge, i, number + 1, &cursors[i]);
        if (code < 0) return code;
        segment_column_load(segment, number, &column->own[i]);
        const struct logstore_column *part = segment_column_open(&column->own[i]);
        if (part == NULL) {
            return error_set(merge->error, ERROR_CORRUPT, "segment: column '" STR_FMT "' is broken",
                             STR_ARG(name->path));
        }
        column->parts[i] = part;
        if (column->first == NULL) column->first = part;
        if (logstore_column_kind(part) != logstore_column_kind(column->first)) {
            return error_set(merge->error, ERROR_CORRUPT,
                             "segment: column '" STR_FMT "' has two kinds", STR_ARG(name->path));
        }
    }
    if (column->first == NULL) {
        return error_set(merge->error, ERROR_CORRUPT, "segment: column '" STR_FMT "' is lost",
                         STR_ARG(name->path));
    }
    column->row = (struct segment_column_row){
        .path = name->path,
        .type = column->first->type,
        .flags = name->is_malformed ? SEGMENT_COLUMN_MALFORMED : 0,
        .least = 1,
        .most = 0,
        .source_path = column->first->source_path,
        .ignore_above = column->first->ignore_above,
    };
    return 0;
}

static void close_parts(const struct merge *merge, struct merge_column *column)
{
    for (size_t i = 0; i < merge->input_count; i++) {
        segment_column_release(&column->own[i]);
        column->own[i] = (struct logstore_column){ .segment = NULL };
    }
}

static int merge_column(struct merge *merge, struct merge_column *column)
{
    switch (logstore_column_kind(column->first)) {
    case LOGSTORE_COLUMN_TEXT: return merge_texts(merge, column);
    case LOGSTORE_COLUMN_KEYWORD: return merge_keywords(merge, column);
    case LOGSTORE_COLUMN_INTEGER:
    case LOGSTORE_COLUMN_REAL: return merge_numbers(merge, column);
    case LOGSTORE_COLUMN_NONE: break;
    }
    return error_set(merge->error, ERROR_CORRUPT, "segment: a column of no kind");
}

static void note_time(const struct segment_column_row *row, struct segment_meta *meta)
{
    bool is_nanos = row->type == LOGSTORE_DATE_NANOS;
    if (row->flags != 0 || !str_equal(row->path, STR("@timestamp")) ||
        (row->type != LOGSTORE_DATE && !is_nanos) || row->least > row->most) {
        return;
    }
    meta->time_least = row->least / (is_nanos ? 1000000 : 1);
    meta->time_most = row->most / (is_nanos ? 1000000 : 1);
}

VEC_TYPE(row_vec, struct segment_column_row);

#define LOOKED_AT_MAX ((size_t)2 << 20) /* bytes of columns, before what is mapped is unloaded */

#define PART_ROWS_SIZE 256 /* about: what says of a column what it is and where */

/* The bytes of the sections of all parts, and of what says where they are. */
static size_t parts_size(const struct merge *merge, const struct merge_column *column)
{
    size_t size = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        if (part == NULL) continue;
        size += PART_ROWS_SIZE + part->presence.bytes.size + part->values.bytes.size +
                part->terms_bytes.bytes.size + part->postings.bytes.size +
                part->rare_bytes.bytes.size;
    }
    return size;
}

/* What was looked at of the inputs counts as memory of ours until it is unloaded. */
static void unload_inputs(const struct merge *merge)
{
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_segment *segment = merge->inputs[i].segment;
        if (!segment->is_mapped) continue;
        const struct disk *disk = segment->disk;
        disk->unload(disk->state, segment->bytes.data, segment->bytes.size);
    }
}

static int merge_each_column(struct merge *merge, struct column_cursor *cursors,
                             struct merge_column *column, struct segment_meta *meta,
                             struct row_vec *rows)
{
    struct column_cursor name = { .path = STR("") };
    size_t looked_at = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < merge->input_count; i++) {
        code = cursor_move(merge, i, 0, &cursors[i]);
    }
    while (code == 0 && least_name(merge, cursors, &name)) {
        column->number = rows->count;
        code = open_parts(merge, &name, cursors, column);
        if (code == 0) code = merge_column(merge, column);
        looked_at += parts_size(merge, column);
        close_parts(merge, column);
        if (looked_at > LOOKED_AT_MAX) {
            unload_inputs(merge);
            looked_at = 0;
        }
        note_time(&column->row, meta);
        if (!VEC_PUSH(rows, column->row)) code = segment_out_of_memory(&merge->writer);
    }
    return code;
}

static int merge_columns(struct merge *merge, struct segment_meta *meta)
{
    struct row_vec rows = { 0 };
    struct column_cursor *cursors = calloc(merge->input_count, sizeof(*cursors));
    struct merge_column column = {
        .parts = calloc(merge->input_count, sizeof(const struct logstore_column *)),
        .own = calloc(merge->input_count, sizeof(struct logstore_column)),
    };
    bool has_memory = cursors != NULL && column.parts != NULL && column.own != NULL;
    int code = has_memory ? merge_each_column(merge, cursors, &column, meta, &rows)
                          : segment_out_of_memory(&merge->writer);
    if (code == 0) code = segment_write_column_rows(&merge->writer, rows.items, rows.count);
    free(column.parts);
    free(column.own);
    free(cursors);
    VEC_RELEASE(&rows);
    return code;
}

static int merge_all(struct merge *merge)
{
    struct segment_meta meta = {
        .time_least = 1, .time_most = 0, .seq_no_least = INT64_MAX, .seq_no_most = -1
    };
    int code = number_documents(merge);
    if (code < 0 || merge->writer.document_count == 0) return code;
    segment_write_header(&merge->writer);
    code = merge_sources(merge);
    if (code == 0) code = merge_ids(merge);
    if (code == 0) code = merge_versions(merge, &meta);
    unload_inputs(merge);
    if (code == 0) code = merge_columns(merge, &meta);
    meta.source_size = merge->source_size;
    if (code == 0) code = segment_write_meta(&merge->writer, &meta);
    if (code == 0) code = segment_write_directory(&merge->writer);
    return code;
}

int segments_merge(struct merge_input *inputs, size_t count, const struct merge_options *options,
                   const struct segment_sink *sink, struct error *error)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    buf_init(&out, SIZE_MAX);
    struct merge merge = { .inputs = inputs,
                           .input_count = count,
                           .options = options,
                           .new_blocks = calloc(count + 1, sizeof(uint32_t *)),
                           .error = error };
    for (size_t i = 0; i < count; i++) inputs[i].new_numbers = NULL;
    segment_writer_init(&merge.writer, &out, 0, error);
    merge.writer.sink = sink;
    int code = merge.new_blocks == NULL ? segment_out_of_memory(&merge.writer) : merge_all(&merge);
    for (size_t i = 0; merge.new_blocks != NULL && i < count; i++) free(merge.new_blocks[i]);
    free(merge.new_blocks);
    VEC_RELEASE(&merge.blocks);
    segment_writer_release(&merge.writer);
    return code;
}
