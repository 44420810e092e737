/* logstore.h - the door of the store of documents: many indices, one log, one folder.
 *
 *     logstore_write ──▶ log (CRC-32C, fsync) ──▶ buffer ──▶ segments ──▶ merged segments
 *                          acknowledged here       │            │
 *     logstore_snapshot_take ◀─────────────────────┴────────────┘   frozen, counted references
 *
 * A document is the bytes of one JSON object, given back byte for byte, with an `_id`, a `_version`
 * and a `_seq_no`. Its fields are typed by the mapping of its index (mapping.h), which grows with
 * what it meets. Documents are first written to the log and synced, then indexed into a buffer in
 * memory; a snapshot or a refresh freezes the buffer into a segment, a flush writes segments to
 * disk and drops the log that they cover. Segments never change; a deleted document is a bit.
 *
 *     struct logstore *store;
 *     int code = logstore_open(&store, &(struct logstore_options){ .folder = "data/logs" }, error);
 *     struct logstore_operation operation = { .action = LOGSTORE_INDEX, .index = STR("logs"),
 *                                             .source = STR("{\"message\":\"hello\"}") };
 *     code = logstore_write(store, &operation, 1, &arena, error);  // durable when it returns 0
 *
 * Threads: every function, any thread. The store has one thread of its own for flushes, merges,
 *          retention and the watch over the disk's space.
 * Formats: docs/formats/logstore-log.md, logstore-segment.md, logstore-catalog.md.
 */
#ifndef LOGSTORE_LOGSTORE_H
#define LOGSTORE_LOGSTORE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "logstore/address.h"
#include "logstore/analyzer.h"
#include "logstore/catalog.h"
#include "logstore/date.h"
#include "logstore/filter.h"
#include "logstore/mapping.h"
#include "logstore/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logstore;

/* What the store tells its owner about itself. The listener must not call the store. */
enum logstore_event_kind {
    LOGSTORE_EVENT_RECOVERED,         /* count: records of the log; size: bytes cut off */
    LOGSTORE_EVENT_SEGMENT_SET_ASIDE, /* subject: the file; reason */
    LOGSTORE_EVENT_FLUSH_FAILED,      /* reason; the first time and then every minute */
    LOGSTORE_EVENT_MERGE_FAILED,      /* reason */
    LOGSTORE_EVENT_DISK_FULL,         /* size: bytes free; writes are refused from now on */
    LOGSTORE_EVENT_DISK_HAS_ROOM,     /* size: bytes free; writes are taken again */
    LOGSTORE_EVENT_INDEX_EXPIRED,     /* subject: the index; its policy deleted it */
    LOGSTORE_EVENT_SEGMENT_EXPIRED,   /* subject: the index; count: documents */
    LOGSTORE_EVENT_CATALOG_DAMAGED,   /* reason; the other of its copies is used */
    LOGSTORE_EVENT_KIND_COUNT,
};

struct logstore_event {
    enum logstore_event_kind kind;
    struct str subject; /* borrowed during the call */
    const char *reason; /* NULL: none */
    uint64_t count;
    uint64_t size;
};

struct logstore_options {
    const char *folder;        /* made when missing; locked while open */
    const struct disk *disk;   /* NULL: the machine's, with a lock file; others take no lock */
    const struct clock *clock; /* NULL: the machine's */
    size_t buffer_size_max;    /* source bytes held in memory before a flush; 0: 4 MiB */
    size_t document_size_max;  /* bytes of one document; 0: 100 MiB */
    size_t field_count_max;    /* fields of one index; 0: 10,000 */
    size_t merge_size_max;     /* source bytes of the largest segment a merge makes; 0: 64 MiB */
    size_t rare_documents_min; /* documents from which a segment keeps of rare terms a hash alone,
                                  and of a keyword with mostly different values no dictionary; 0:
                                  256 */
    uint64_t disk_reserve;     /* free bytes below which writes are refused; 0: 64 MiB */
    int64_t retention_ms;      /* documents older than this go, whole segments; 0: never */
    uint64_t retention_size;   /* bytes on disk above which the oldest segments go; 0: never */
    size_t kept_snapshots_max; /* scrolls and points in time at once; 0: 500 */
    bool strict_mapping;       /* a value that does not fit its field refuses the document, as
                                  Elasticsearch does; false: it is kept and named in _ignored */
    bool is_folder_locked;     /* the caller holds the lock of the folder */
    /* Any thread, also under the store's locks; NULL: nobody listens. */
    void (*on_event)(void *context, const struct logstore_event *event);
    void *event_context;
    bool manual; /* no thread: the caller calls logstore_maintain (tests) */
};

int logstore_open(struct logstore **store_out, const struct logstore_options *options,
                  struct error *error) MUST_CHECK;
void logstore_close(struct logstore *store); /* flushes; NULL is fine */

/* One round of what the store's own thread does: flush when due, merge, retention, space. */
void logstore_maintain(struct logstore *store);

/* Writes ---------------------------------------------------------------------------------- */

enum logstore_action {
    LOGSTORE_INDEX,  /* create or replace */
    LOGSTORE_CREATE, /* refuse when the id is there */
    LOGSTORE_DELETE,
};

enum logstore_outcome {
    LOGSTORE_CREATED,
    LOGSTORE_UPDATED,
    LOGSTORE_DELETED,
    LOGSTORE_NOT_FOUND, /* delete of what is not there */
    LOGSTORE_NOOP,      /* an update that changes nothing; never of logstore_write */
    LOGSTORE_FAILED,    /* see status and reason */
};

struct logstore_operation {
    enum logstore_action action;
    struct str index;   /* concrete index, alias with a write index, or data stream */
    struct str id;      /* empty: one is made */
    struct str source;  /* borrowed; one JSON object; empty for a delete */
    size_t behind;      /* bytes that may be read behind the source; 64, if the first is a line's
                           end, spare a copy */
    bool has_if_seq_no; /* refuse unless the document has this sequence number now */
    int64_t if_seq_no;
    bool has_version; /* version_type external: the caller counts; refuse unless it is higher */
    bool allows_same_version; /* external_gte */
    int64_t given_version;

    /* Out. Text lives in the arena given to logstore_write, or is static. */
    enum logstore_outcome outcome;
    int status;              /* as Elasticsearch's: 200, 201, 400, 404, 409, 429 */
    struct str result_index; /* the concrete index */
    struct str result_id;
    int64_t version;
    int64_t seq_no;
    const char *error_type; /* "mapper_parsing_exception"; NULL when it did not fail */
    struct str reason;
    struct str cause_type; /* empty: no cause */
    struct str cause_reason;
};

/*
 * Carries out `count` operations in order. When it returns, every operation has its outcome, and
 * those that did not fail are on the medium. Failures of single operations are no failure of the
 * call.
 *
 * Returns 0, ERROR_REFUSED (the disk is full or fails, or the store closes: nothing was done, nor
 * will be after a restart; try again later), -EIO (the disk failed so that the log could neither be
 * synced nor cut: the operations may be there after the next start, or not) or -ENOMEM.
 * Cost: one fsync, shared with the calls that wait at the same time.
 */
int logstore_write(struct logstore *store, struct logstore_operation *operations, size_t count,
                   struct arena *arena, struct error *error) MUST_CHECK;

/* Makes all that was written visible to snapshots taken from now on. (Snapshots do it anyway.) */
int logstore_refresh(struct logstore *store, struct error *error) MUST_CHECK;

/* Writes the buffers into segments on disk and drops the log they were in. */
int logstore_flush(struct logstore *store, struct error *error) MUST_CHECK;

struct logstore_document {
    struct str index;
    struct str id;
    struct str source;
    int64_t version;
    int64_t seq_no;
};

/* The newest version of a document, visible to searches or not. Text in the arena.
 * 1 when found, 0 when not, or an error. */
int logstore_get(struct logstore *store, struct str index, struct str id, struct arena *arena,
                 struct logstore_document *document, struct error *error) MUST_CHECK;

/* Figures -------------------------------------------------------------------------------- */

struct logstore_stats {
    uint64_t documents;         /* live ones */
    uint64_t deleted_documents; /* still in segments */
    uint64_t store_size;        /* bytes on disk, log included */
    uint64_t segment_count;
    uint64_t buffer_size; /* source bytes in memory only */
    uint64_t log_size;
    uint64_t indexed_total;          /* documents taken since open */
    uint64_t rejected_total;         /* documents refused since open */
    uint64_t ignored_values_total;   /* values that did not fit their field and were kept aside */
    uint64_t corrupt_segments_total; /* set aside at open */
    uint64_t corrupt_records_total;  /* log records cut or skipped at open */
    uint64_t flushes_total;
    uint64_t failed_flushes_total;
    uint64_t merges_total;
    uint64_t retention_segments_total; /* dropped by age or size */
    bool is_read_only;                 /* the disk has less than the reserve free */
};

void logstore_stats(struct logstore *store, struct logstore_stats *stats);

#endif
