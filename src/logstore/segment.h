/* segment.h - an immutable segment: its bytes, mapped from a file or held in memory.
 *
 * FORMAT   header: magic "BGLOGSEG", u32 version, u32 least version of a reader
 *          sections, each at a multiple of 8
 *          directory: one row of 32 bytes a section:
 *            u32 kind, u32 column, u64 offset, u64 size, u32 CRC-32C of its bytes, u32 zero
 *          trailer: u64 offset of the directory, u32 rows, u32 CRC-32C of the directory,
 *            u64 zero, magic "BGLOGEND"
 *          Sections are checked when they are first looked at; the blocks of sources, which are
 *          most of a segment, each have a checksum of their own.
 *          docs/formats/logstore-segment.md says it all.
 */
#ifndef LOGSTORE_SEGMENT_H
#define LOGSTORE_SEGMENT_H

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/thread.h"
#include "logstore/mapping.h"
#include "logstore/packed.h"
#include "logstore/snapshot.h"
#include "logstore/terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_MAGIC          "BGLOGSEG"
#define SEGMENT_END            "BGLOGEND"
#define SEGMENT_VERSION        1
#define SEGMENT_HEADER_SIZE    16
#define SEGMENT_ROW_SIZE       32
#define SEGMENT_TRAILER_SIZE   32
#define SEGMENT_SOURCE_SIZE    ((size_t)128 << 10) /* of a block of sources, before packing */
#define SEGMENT_ID_PACKED_SIZE 15                  /* bytes of an id of 20 characters we made */

enum segment_section_kind {
    SEGMENT_META = 1,     /* u32 documents, u32 zero, u64 bytes of sources, i64 least and most
                             @timestamp in ms (least > most: none), i64 least and most seq_no */
    SEGMENT_COLUMNS,      /* for each column: text path, u8 type, u8 flags, varint documents,
                             i64 least, i64 most */
    SEGMENT_SOURCE,       /* blocks, one behind the other */
    SEGMENT_SOURCE_TABLE, /* packed: first documents; offsets; raw sizes; checksums of blocks */
    SEGMENT_IDS,          /* 15 bytes each, or their bytes one behind the other */
    SEGMENT_ID_TABLE,     /* packed: where each id begins, and the end; absent for packed ids */
    SEGMENT_ID_ORDER,     /* packed: documents in order of the hash of their id */
    SEGMENT_ID_BLOOM,     /* bits */
    SEGMENT_SEQ_NO,       /* packed */
    SEGMENT_VERSIONS,     /* packed */
    SEGMENT_PRESENCE,     /* of a column: packed: the document of each value; absent: one each */
    SEGMENT_VALUES,       /* of a column: packed integers or ordinals; doubles: 8 bytes each */
    SEGMENT_TERMS,        /* of a column: terms.h */
    SEGMENT_POSTINGS,     /* of a column: for each term its documents, see segment_postings */
    SEGMENT_SECTION_COUNT,
};

enum segment_column_flags {
    SEGMENT_COLUMN_MALFORMED = 1, /* values that did not fit the field of this path */
};

struct segment_section {
    struct str bytes;
    uint32_t crc;
};

struct logstore_column {
    struct logstore_segment *segment;
    struct str path;
    enum logstore_type type;
    uint8_t flags;
    uint32_t document_count; /* that have a value */
    int64_t least, most;     /* of integers; least > most: not known */
    struct segment_section presence, values, terms_bytes, postings;

    /* Opened at first use, under the segment's mutex. */
    bool is_open;
    bool is_broken;
    bool is_dense; /* value i is document i's */
    uint32_t value_count;
    struct packed presence_packed;
    struct packed values_packed; /* integers and ordinals */
    struct terms terms;
};

struct logstore_segment {
    uint64_t id;
    struct str bytes;
    bool is_mapped;            /* else the bytes are malloc'ed */
    const struct disk *disk;   /* of a mapped one */
    char path[FILE_PATH_SIZE]; /* of its file; "" while in memory only */
    unsigned ref_count;        /* guarded by the store's lock */
    bool removes_file;         /* when the last reference goes */

    uint32_t document_count;
    uint64_t source_size;
    int64_t time_least, time_most; /* @timestamp in ms; least > most: none */
    int64_t seq_no_least, seq_no_most;
    struct logstore_column *columns; /* sorted by path; malformed ones behind their namesake */
    size_t column_count;
    struct segment_section sections[SEGMENT_SECTION_COUNT];
    bool has_packed_ids;
    struct packed id_table, id_order, seq_nos, versions;
    struct packed block_first, block_offset, block_size, block_crc;

    struct mutex mutex; /* guards the opening of columns */
};

/* Takes over `bytes` (malloc'ed, or mapped from `path`); freed with the segment, or on failure. */
int segment_open_memory(struct logstore_segment **segment_out, uint64_t id, char *bytes,
                        size_t size, struct error *error) MUST_CHECK;
int segment_open_file(struct logstore_segment **segment_out, uint64_t id, const struct disk *disk,
                      const char *path, struct error *error) MUST_CHECK;
void segment_free(struct logstore_segment *segment); /* NULL is fine */

uint64_t segment_id_hash(struct str id);

/* The id of a document, in `buffer` when it has to be unpacked. */
#define SEGMENT_ID_BUFFER 20
struct str segment_id_at(const struct logstore_segment *segment, uint32_t document, char *buffer);

/* Calls visit for each document with that id, dead or alive, until it answers false. */
void segment_find_id(const struct logstore_segment *segment, struct str id,
                     bool (*visit)(void *argument, uint32_t document), void *argument);

/* The column's insides, opened and checked; NULL when it is broken. */
const struct logstore_column *segment_column_open(struct logstore_column *column);

/* A column of that path, malformed values or not; NULL when there is none. */
const struct logstore_column *segment_column(const struct logstore_segment *segment,
                                             struct str path, bool is_malformed);

/* Sets the bits of a term's documents. */
int segment_postings(const struct logstore_column *column, const struct terms_cursor *cursor,
                     uint64_t *bits, struct error *error) MUST_CHECK;

/* A term that many documents hold has a bitmap, others a list of varint gaps. */
static inline bool segment_postings_is_bitmap(uint32_t document_count, uint32_t segment_documents)
{
    return document_count > segment_documents / 16 && document_count > 16;
}

#endif
