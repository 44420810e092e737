/* segment_writer.h - the sections of a segment, one behind the other; see segment.h.
 *
 * What a builder holds and what a merge has gathered are written by the same functions.
 *
 * Owned by: one thread.
 */
#ifndef LOGSTORE_SEGMENT_WRITER_H
#define LOGSTORE_SEGMENT_WRITER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/vec.h"
#include "logstore/id_list.h"
#include "logstore/segment.h"
#include "logstore/terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment_row {
    uint32_t kind;
    uint32_t column;
    uint64_t offset;
    uint64_t size;
    uint32_t crc;
};

/* Takes what is finished, so that a large segment is never whole in memory. */
struct segment_sink {
    int (*write)(void *argument, struct str bytes, struct error *error);
    void *argument;
};

struct segment_writer {
    struct buf *out;
    const struct segment_sink *sink; /* NULL: all stays in out */
    size_t base;                     /* where out begins to be ours */
    size_t spilled;                  /* bytes of the segment that the sink has */
    VEC(struct segment_row) rows;
    size_t section_start; /* in the segment */
    uint32_t header_crc;
    uint32_t document_count;
    int64_t *numbers; /* room for as many as were asked for last */
    size_t number_capacity;
    struct error *error;
};

void segment_writer_init(struct segment_writer *writer, struct buf *out, uint32_t document_count,
                         struct error *error);
void segment_writer_release(struct segment_writer *writer);

/* Bytes of the segment so far. */
static inline size_t segment_position(const struct segment_writer *writer)
{
    return writer->spilled + writer->out->size - writer->base;
}

#define SEGMENT_SPILL_SIZE ((size_t)512 << 10)

/* Gives the sink what there is, when it is much. Between sections, or between blocks of sources. */
int segment_spill(struct segment_writer *writer, size_t size_min) MUST_CHECK;

void segment_section_begin(struct segment_writer *writer);
int segment_section_end(struct segment_writer *writer, enum segment_section_kind kind,
                        size_t column) MUST_CHECK;
int segment_out_of_memory(const struct segment_writer *writer);

/* Room for that many numbers in writer->numbers; what is in there stays. */
bool segment_numbers(struct segment_writer *writer, size_t count) MUST_CHECK;
int segment_write_packed(struct segment_writer *writer, enum segment_section_kind kind,
                         size_t column, size_t count) MUST_CHECK;

struct segment_meta {
    uint64_t source_size;
    int64_t time_least, time_most;
    int64_t seq_no_least, seq_no_most;
};
int segment_write_meta(struct segment_writer *writer, const struct segment_meta *meta) MUST_CHECK;

/* Blocks of sources, whose bytes the caller appends between segment_section_begin and this. */
struct segment_block {
    int64_t first;    /* document */
    int64_t offset;   /* in the section */
    int64_t raw_size; /* of the documents */
    int64_t crc;      /* of the stored bytes */
};
VEC_TYPE(segment_block_vec, struct segment_block);
int segment_write_blocks(struct segment_writer *writer,
                         struct segment_block_vec *blocks) MUST_CHECK;

int segment_write_ids(struct segment_writer *writer, const struct id_list *ids) MUST_CHECK;

/* writer->numbers holds the sequence numbers. */
int segment_write_seq_nos(struct segment_writer *writer) MUST_CHECK;

/* Columns: writer->numbers holds the documents, rising. Absent when each document has one. */
int segment_write_presence(struct segment_writer *writer, size_t column, size_t count) MUST_CHECK;

/* Appends the documents of a term in the form that their count calls for. */
void segment_write_postings(const uint32_t *documents, uint32_t count, uint32_t document_count,
                            struct buf *out);

int segment_write_terms(struct segment_writer *writer, size_t column,
                        const struct terms_entry *entries, size_t count,
                        bool has_postings) MUST_CHECK;

/* Sorts and drops what is twice. */
int segment_write_rare(struct segment_writer *writer, size_t column, uint64_t *entries,
                       size_t count) MUST_CHECK;

struct segment_column_row {
    struct str path;
    enum logstore_type type;
    uint8_t flags;
    uint32_t document_count;
    int64_t least, most;
    struct str source_path;
    uint32_t ignore_above;
};

int segment_write_column_rows(struct segment_writer *writer, const struct segment_column_row *rows,
                              size_t count) MUST_CHECK;

void segment_write_header(struct segment_writer *writer);
int segment_write_directory(struct segment_writer *writer) MUST_CHECK;

#endif
