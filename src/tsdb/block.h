/* block.h - a block: an immutable file with the samples of many series over some time.
 *
 * The format is drawn in docs/formats/tsdb-block.md: data (columns of times and values), then the
 * index (symbols, series, names, pairs, postings), then what the block is, then a footer that says
 * where all of it stands, with checksums. A file is mapped; its series stand in the order of their
 * labels, and a series' number is its place.
 *
 * Ownership: a block is counted by references; the last block_unref unmaps.
 * Lock:      the store's head mutex guards `references`; all else never changes after the opening,
 *            but `tombstones`, which the same mutex guards.
 */
#ifndef TSDB_BLOCK_H
#define TSDB_BLOCK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/labels.h"
#include "tsdb/column.h"
#include "tsdb/extra.h"
#include "tsdb/postings.h"
#include "tsdb/resident.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_CHUNK_MAX    512  /* samples of a chunk that is written fast */
#define BLOCK_CHUNK_LIMIT  2048 /* and of one that is written small, or read */
#define BLOCK_REPLACES_MAX 1024
#define BLOCK_HEADER_SIZE  64

enum block_section {
    BLOCK_DATA,     /* columns */
    BLOCK_SYMBOLS,  /* count u32, count + 1 offsets u32, bytes */
    BLOCK_SERIES,   /* one record a series */
    BLOCK_OFFSETS,  /* u32 a series: where its record starts */
    BLOCK_NAMES,    /* by text: symbol u32, first pair u32, pair count u32 */
    BLOCK_PAIRS,    /* by name, then value: symbol u32, postings count u32, place u32 */
    BLOCK_POSTINGS, /* columns */
    BLOCK_META,
    BLOCK_EXTRAS, /* one entry a group of extras, by series, then time */
    BLOCK_TIMES,  /* one entry a column of times, which many chunks may share */
    BLOCK_SECTION_COUNT
};

struct block_meta {
    uint64_t id;
    uint64_t log_through; /* the log up to this segment is in the blocks up to this one */
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint64_t series;
    uint64_t samples;
    uint64_t chunks;
    uint32_t level;
    uint32_t replaces_count; /* blocks that this one stands for */
    const uint64_t *replaces;
};

/* Samples of a series of the block that count as removed. */
struct tombstone {
    uint32_t series;
    int64_t min_time_ms;
    int64_t max_time_ms;
};

VEC_TYPE(tombstones, struct tombstone);

struct block {
    const struct disk *disk;
    char *path;
    const void *bytes;
    size_t size;
    struct str sections[BLOCK_SECTION_COUNT];
    struct block_meta meta;
    uint64_t replaces[BLOCK_REPLACES_MAX];
    uint32_t symbol_count;
    uint32_t name_count;
    uint32_t pair_count;
    uint32_t times_count;
    struct tombstones tombstones; /* by series */
    uint64_t references;
    struct resident resident; /* what of the file was looked at */
    bool is_damaged;          /* a chunk has failed its checksum */
    bool has_unsaved;         /* tombstones that are not on the disk; who holds the store's work */
};

/* A chunk as the index describes it. */
struct block_chunk {
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint32_t count;
    struct str times;
    struct str values;
    uint32_t sum;
    uint32_t series;
    uint32_t place; /* among the chunks of the series */
    const struct block *block;
};

/* A group of extras as the index describes it. */
struct block_extras {
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint32_t count;
    struct str bytes;
    uint32_t sum;
};

/* Opens and verifies the index. 0, ERROR_CORRUPT, ERROR_UNSUPPORTED (later format) or an errno. */
int block_open(struct block **block, const struct disk *disk, const char *path,
               struct error *error) MUST_CHECK;
void block_free(struct block *block); /* NULL is fine */

/* Its pages need not stay in the memory of the process: a merge went through them, or a check. */
void block_unload(const struct block *block);

/* Notes that bytes of the file are looked at. */
static inline void block_note(const struct block *block, struct str bytes)
{
    resident_note(&block->resident, (size_t)(bytes.data - (const char *)block->bytes), bytes.size);
}

/* Whether every byte holds its checksum. */
int block_verify(const struct block *block, struct error *error) MUST_CHECK;

/* Fills from the index. ERROR_CORRUPT, or ERROR_LIMIT when the arena is full. */
int block_series_labels(const struct block *block, uint32_t series, struct arena *arena,
                        struct labels *labels) MUST_CHECK;
/* The chunks that touch [start_ms, end_ms]. */
int block_series_chunks(const struct block *block, uint32_t series, int64_t start_ms,
                        int64_t end_ms, struct arena *arena, struct block_chunk **chunks,
                        size_t *count) MUST_CHECK;
/* The chunk of the series `back` places before the chunk's that has the same place and the same
 * times. False: there is none. */
bool block_chunk_before(const struct block_chunk *chunk, uint32_t back,
                        struct block_chunk *other) MUST_CHECK;

/* The groups that touch [start_ms, end_ms]; most series have none. ERROR_CORRUPT or ERROR_LIMIT. */
int block_series_extras(const struct block *block, uint32_t series, int64_t start_ms,
                        int64_t end_ms, struct arena *arena, struct block_extras **groups,
                        size_t *count) MUST_CHECK;
/* Room for group->count entries; histograms live in the arena. ERROR_CORRUPT or ERROR_LIMIT. */
int block_extras_decode(const struct block_extras *group, struct arena *arena,
                        struct extra *extras) MUST_CHECK;

struct block_name {
    struct str text;
    uint32_t first; /* pair */
    uint32_t count;
};

struct block_pair {
    struct str value;
    uint32_t count; /* series */
    uint32_t place;
};

struct block_name block_name_at(const struct block *block, uint32_t index);
struct block_pair block_pair_at(const struct block *block, uint32_t index);
bool block_name_find(const struct block *block, struct str text, struct block_name *name);
bool block_pair_find(const struct block *block, const struct block_name *name, struct str value,
                     struct block_pair *pair);
int block_pair_postings(const struct block *block, const struct block_pair *pair,
                        struct arena *arena, struct postings *postings) MUST_CHECK;

/* Tombstones stand in a file beside the block: its path and ".deleted". */
int block_read_tombstones(struct block *block, struct error *error) MUST_CHECK;
int block_write_tombstones(const struct block *block, const struct tombstones *tombstones,
                           struct error *error) MUST_CHECK;
bool tombstones_parse(struct str bytes, uint64_t *block_id, struct tombstones *out) MUST_CHECK;
int tombstones_compare(const void *a, const void *b); /* by series, then time; for qsort */

/* Writes a block, series by series. */
struct block_writer;

/* `path` is created; nothing else of that name may be there. */
int block_writer_new(struct block_writer **writer, const struct disk *disk, const char *path,
                     enum column_effort effort, struct error *error) MUST_CHECK;
void block_writer_free(struct block_writer *writer); /* closes; NULL is fine */

/* Series come in the order of labels_compare, times ascend. The labels' text must stay as and where
 * it is until the writer ends: what is the same text in the same place is not looked at again. */
int block_writer_add(struct block_writer *writer, struct labels labels, const int64_t *times,
                     const double *values, size_t count, struct error *error) MUST_CHECK;
/* What samples of the series that was added last have besides their values; in order of time. */
int block_writer_add_extras(struct block_writer *writer, const struct extra *extras, size_t count,
                            struct error *error) MUST_CHECK;
uint64_t block_writer_series(const struct block_writer *writer);

/* Writes the index and syncs the file. meta: id, log_through, level and replaces are the caller's,
 * the rest is filled in. The name becomes durable by the caller. */
int block_writer_finish(struct block_writer *writer, struct block_meta *meta,
                        struct error *error) MUST_CHECK;

#define BLOCK_TIMES_SIZE  32 /* first and last time i64, offset u64, size u32, count u32 */
#define BLOCK_FOOTER_SIZE (BLOCK_SECTION_COUNT * 24 + 16)
#define BLOCK_VERSION     4
#define BLOCK_VERSION_MIN 2 /* columns without the newest first; up to 3 classes of two states */
extern const char block_magic[8];
extern const char block_footer_magic[8];

#endif
