/* segment.h - an immutable segment: its bytes, mapped from a file or held in memory.
 *
 * FORMAT   header: magic "BGLOGSEG", u32 version, u32 least version of a reader
 *          sections, each at a multiple of 8
 *          directory: one row of 32 bytes a section:
 *            u32 kind, u32 column, u64 offset, u64 size, u32 CRC-32C of its bytes, u32 zero
 *          trailer: u64 offset of the directory, u32 rows, u32 CRC-32C of the directory,
 *            u32 CRC-32C of the header (0: none), u32 zero, magic "BGLOGEND"
 *          Sections are checked when they are first looked at; the blocks of sources, which are
 *          most of a segment, each have a checksum of their own. The store looks through what was
 *          there at its start in the background (scrub.c).
 *          docs/formats/logstore-segment.md says it all.
 */
#ifndef LOGSTORE_SEGMENT_H
#define LOGSTORE_SEGMENT_H

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/thread.h"
#include "logstore/id_list.h"
#include "logstore/mapping.h"
#include "logstore/packed.h"
#include "logstore/rare.h"
#include "logstore/snapshot.h"
#include "logstore/terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_MAGIC        "BGLOGSEG"
#define SEGMENT_END          "BGLOGEND"
#define SEGMENT_VERSION      3 /* 2 had no hexed blocks, and is read */
#define SEGMENT_VERSION_MIN  2
#define SEGMENT_HEADER_SIZE  16
#define SEGMENT_ROW_SIZE     32
#define SEGMENT_TRAILER_SIZE 32
#define SEGMENT_SOURCE_SIZE  ((size_t)256 << 10) /* of a block of sources, before packing */

enum segment_section_kind {
    SEGMENT_META = 1,     /* u32 documents, u32 zero, u64 bytes of sources, i64 least and most
                             @timestamp in ms (least > most: none), i64 least and most seq_no */
    SEGMENT_COLUMNS,      /* for each column: text path, u8 type, u8 flags, varint documents,
                             i64 least, i64 most, text path in sources, varint ignore_above */
    SEGMENT_SOURCE,       /* blocks (source_block.h), one behind the other; no checksum here */
    SEGMENT_SOURCE_TABLE, /* packed: first documents; offsets; raw sizes; checksums of blocks */
    SEGMENT_IDS,          /* 15 bytes each, or their bytes one behind the other */
    SEGMENT_ID_TABLE,     /* packed: where each id begins, and the end; absent for packed ids */
    SEGMENT_ID_ORDER,     /* packed: documents in order of the hash of their id */
    SEGMENT_ID_BLOOM,     /* bits */
    SEGMENT_SEQ_NO,       /* packed: less the document's number */
    SEGMENT_VERSIONS,     /* packed */
    SEGMENT_ID_RUNS,      /* in place of the four above: u32 count; 15 bytes of the first id, u32
                             first document: ids that count on */
    SEGMENT_PRESENCE,     /* of a column: packed: the document of each value; absent: one each */
    SEGMENT_VALUES,       /* of a column: packed integers or ordinals; doubles: 8 bytes each */
    SEGMENT_TERMS,        /* of a column: terms.h */
    SEGMENT_POSTINGS,     /* of a column: for each term its documents, see segment_postings */
    SEGMENT_RARE,         /* of a column: rare.h; terms that are not in its dictionary */
    SEGMENT_SECTION_COUNT,
};

enum segment_column_flags {
    SEGMENT_COLUMN_MALFORMED = 1, /* values that did not fit the field of this path */
    SEGMENT_COLUMN_SOURCED = 2,   /* a keyword without dictionary: the values are in the sources */
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
    struct str source_path;  /* where sources have the values; empty: not known */
    uint32_t ignore_above;
    struct segment_section presence, values, terms_bytes, postings, rare_bytes;

    /* Opened at first use, under the segment's mutex. */
    bool is_open;
    bool is_broken;
    bool is_dense; /* value i is document i's */
    bool has_rare;
    uint32_t value_count;
    struct packed presence_packed;
    struct packed values_packed; /* integers and ordinals */
    struct terms terms;
    struct rare rare;
    char *made; /* of sourced ones: terms and ordinals read from the sources; owned */
};

struct segment_column_place {
    uint32_t row;           /* where its row begins in the section of columns */
    uint32_t directory_row; /* of the first of its sections; UINT32_MAX: it has none */
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
    /* Sorted by path; malformed ones behind their namesake. */
    struct segment_column_place *places;
    struct logstore_column **columns; /* NULL until somebody asks; guarded by mutex */
    size_t column_count;
    struct str directory;
    struct segment_section sections[SEGMENT_SECTION_COUNT];
    struct packed block_first, block_offset, block_size, block_crc;

    bool is_checked;         /* written by us, or looked through; guarded by maintenance */
    bool is_damaged;         /* something did not hold at its first use; guarded by mutex */
    unsigned snapshot_count; /* that hold it; guarded by the store's lock */
    struct mutex making;     /* guards what sourced columns have made */
    struct mutex mutex;      /* guards the opening of columns, ids and numbers; never both */
    bool has_ids;            /* the following are opened at first use */
    bool has_packed_ids;
    bool has_id_runs;
    struct packed id_table, id_order, seq_nos, versions;
};

/* Takes over `bytes` (malloc'ed, or mapped from `path`); freed with the segment, or on failure. */
int segment_open_memory(struct logstore_segment **segment_out, uint64_t id, char *bytes,
                        size_t size, struct error *error) MUST_CHECK;
int segment_open_file(struct logstore_segment **segment_out, uint64_t id, const struct disk *disk,
                      const char *path, struct error *error) MUST_CHECK;
void segment_free(struct logstore_segment *segment); /* NULL is fine */

/* Every byte of a segment on disk against its checksums, read from the file. 0, ERROR_CORRUPT, or
 * an errno when it could not be read. */
int segment_check(const struct logstore_segment *segment, struct error *error) MUST_CHECK;

/* What does not hold when it is used is noted, so that the store sets the segment aside. */
void segment_set_damaged(const struct logstore_segment *segment, bool is_damaged);
bool segment_is_damaged(struct logstore_segment *segment);

uint64_t segment_id_hash(struct str id);

/* Ids, sequence numbers and versions are opened by the first who asks; ERROR_CORRUPT when they do
 * not hold what they should. The functions below want it done. */
int segment_open_ids(const struct logstore_segment *segment, struct error *error) MUST_CHECK;

static inline int64_t segment_seq_no(const struct logstore_segment *segment, uint32_t document)
{
    return packed_get(&segment->seq_nos, document) + document;
}

/* The id of a document, in `buffer` when it has to be unpacked. */
#define SEGMENT_ID_BUFFER ID_MADE_SIZE
struct str segment_id_at(const struct logstore_segment *segment, uint32_t document, char *buffer);

/* Calls visit for each document with that id, dead or alive, until it answers false. */
void segment_find_id(const struct logstore_segment *segment, struct str id,
                     bool (*visit)(void *argument, uint32_t document), void *argument);

/* Which columns there are: from their section and the rows of the directory, both checked. */
int segment_columns_read(struct logstore_segment *segment, struct str section, const char *rows,
                         uint32_t row_count, struct error *error) MUST_CHECK;
void segment_columns_release(struct logstore_segment *segment);

/* The path of a column, in the segment's bytes, without the column's being made. */
struct str segment_column_path(const struct logstore_segment *segment, size_t i,
                               bool *is_malformed);
size_t segment_column_find(const struct logstore_segment *segment, struct str path,
                           bool is_malformed); /* its number; SIZE_MAX: there is none */

/* The column, not opened; the segment keeps it. NULL: out of memory. */
struct logstore_column *segment_column_at(const struct logstore_segment *segment, size_t i);

/* The same into a place of the caller's, who releases it: for who looks once at all of them. */
void segment_column_load(const struct logstore_segment *segment, size_t i,
                         struct logstore_column *column);
void segment_column_release(struct logstore_column *column);

/* The column's insides, opened and checked; NULL when it is broken, or NULL. A sourced one has
 * neither terms nor values yet. */
const struct logstore_column *segment_column_open(struct logstore_column *column);

/* Reads the values of a sourced column out of the sources, unless that is done; sourced.c. */
int segment_column_make(struct logstore_column *column, struct error *error) MUST_CHECK;

/* A bit for each document that has the column; malloc'ed; NULL: out of memory. */
uint64_t *segment_presence_bits(const struct logstore_column *column);

/* Gives back what segment_column_make has made. Nobody may read the columns meanwhile. */
void segment_columns_forget(struct logstore_segment *segment);

bool segment_section_holds(const struct segment_section *section);

/* A column of that path, malformed values or not; NULL when there is none. */
const struct logstore_column *segment_column(const struct logstore_segment *segment,
                                             struct str path, bool is_malformed);

/* Sets the bits of a term's documents. */
int segment_postings(const struct logstore_column *column, const struct terms_cursor *cursor,
                     uint64_t *bits, struct error *error) MUST_CHECK;

/* Its documents one by one, rising: cursor->document_count of them. */
int segment_postings_list(const struct logstore_column *column, const struct terms_cursor *cursor,
                          uint32_t *documents, struct error *error) MUST_CHECK;

/* The block that a document is in. */
static inline uint32_t segment_block_of(const struct logstore_segment *segment, uint32_t document)
{
    size_t above = packed_lower_bound(&segment->block_first, 0, (int64_t)document + 1);
    return (uint32_t)above - 1;
}

static inline uint32_t segment_block_count(const struct logstore_segment *segment)
{
    return segment->block_first.count - 1;
}

/* A term that all documents hold has nothing, one that many hold a bitmap, others a list of varint
 * gaps. */
static inline bool segment_postings_is_bitmap(uint32_t document_count, uint32_t segment_documents)
{
    return document_count > segment_documents / 16 && document_count > 16;
}

#endif
