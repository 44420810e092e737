/* wal.h - the write-ahead log: batches are here before they are acknowledged.
 *
 * A log is a folder of segments, 00000001.wal and so on; a segment is a header and records. The
 * format is drawn in docs/formats/tsdb-wal.md.
 *
 * Owned by: the committer (the thread that holds the store's commit turn).
 */
#ifndef TSDB_WAL_H
#define TSDB_WAL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAL_HEADER_SIZE       64
#define WAL_RECORD_SIZE       8          /* in front of the payload */
#define WAL_PAYLOAD_SIZE_MAX  (64 << 20) /* a batch; a length beyond it is damage */
#define WAL_SEGMENT_COUNT_MAX 100000     /* files a recovery looks at */

struct wal_totals {
    uint64_t syncs;
    uint64_t sync_ns;
    uint64_t sync_max_ns;
    uint64_t write_size;
    uint64_t failures;
    uint64_t corruptions;
    uint64_t records_replayed;
};

struct wal {
    const struct disk *disk;
    const struct clock *clock;
    char folder[FILE_PATH_SIZE];
    uint64_t segment_size_max;
    int64_t synced_ns;    /* monotonic: when the last sync ended */
    bool counts_unsynced; /* records are acknowledged before they are synced */

    int handle;            /* of the newest segment; -1 while none is open */
    uint64_t segment;      /* number of the newest segment, also when it is closed */
    uint64_t first;        /* number of the oldest that is kept */
    uint64_t size;         /* bytes of the newest that hold records written whole */
    uint64_t synced_size;  /* bytes of it that are on the medium */
    uint64_t older_size;   /* bytes of all the others */
    uint64_t salt;         /* of the newest */
    uint64_t good_segment; /* the last segment with records, for the next header */
    uint64_t good_size;    /* how many of its bytes count */
    struct buf group;      /* records on their way to the disk */
    struct wal_totals totals;
};

/* Prepares; nothing is opened on the disk before the first write. The folder must be there. */
int wal_init(struct wal *wal, const struct disk *disk, const struct clock *clock,
             const char *folder, uint64_t segment_size_max, struct error *error) MUST_CHECK;
void wal_release(struct wal *wal); /* accepts a zeroed one */

/* Calls visit for each payload of the segments after `through`, oldest first, and leaves the log
 * ready for new records behind them. What is damaged is passed over and counted. Stops at the
 * first non-zero code of visit and returns it. */
int wal_replay(struct wal *wal, uint64_t through, int (*visit)(void *argument, struct str payload),
               void *argument, struct error *error) MUST_CHECK;

/*
 * Writes payloads as records in one go, in a new segment when the newest is full or has failed.
 * They count only after wal_sync. After a failure none of them is in the log.
 *
 * Returns 0, -ENOSPC, another errno.
 */
int wal_write(struct wal *wal, const struct str *payloads, size_t count,
              struct error *error) MUST_CHECK;

/* Puts what was written on the medium. When that fails the segment is given up (never synced again
 * and believed) and what was not synced before is not in the log: write it again. */
int wal_sync(struct wal *wal, struct error *error) MUST_CHECK;

/* Ends the newest segment; returns its number: records to come go to later ones. */
int wal_cut(struct wal *wal, uint64_t *through, struct error *error) MUST_CHECK;

/* Removes the segments up to `through`. */
int wal_drop(struct wal *wal, uint64_t through, struct error *error) MUST_CHECK;

uint64_t wal_size(const struct wal *wal); /* bytes of all segments */

/* Reads the payloads of one segment's bytes. */
struct wal_reader {
    struct str bytes;
    uint64_t offset; /* of the next record */
    uint64_t limit;  /* bytes that count */
    uint64_t salt;
    uint64_t segment;
    uint64_t good_segment; /* as the header says: the segment before and its bytes that count */
    uint64_t good_size;
};

/* False when the header is none. */
bool wal_reader_init(struct wal_reader *reader, struct str bytes) MUST_CHECK;
/* 1 with *payload, 0 at the end, ERROR_CORRUPT at a record that is damaged or cut. */
int wal_reader_next(struct wal_reader *reader, struct str *payload) MUST_CHECK;

#endif
