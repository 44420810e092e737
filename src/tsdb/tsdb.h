/* tsdb.h - the door of the time-series store.
 *
 * Keeps samples of labelled series on one machine: floats (stale markers and NaNs bit by bit) and
 * native histograms, with the start of a counter's counting where it is known; and the newest
 * exemplars.
 *
 *     batch -- commit --> write-ahead log -- fsync --> head (memory) -- cut --> blocks -- merge
 *                         (many batches a sync)         |                        |
 *                                                       +------ select ----------+
 *
 *     struct tsdb_options options;
 *     tsdb_options_init(&options, "data/metrics");
 *     struct tsdb *db;
 *     int code = tsdb_open(&db, &options, error);
 *     struct sample_sink sink = tsdb_sink(db);          model/sample_sink.h: how to write
 *     struct series_source source = tsdb_source(db);    model/series_source.h: how to read
 *     tsdb_close(db);
 *
 * What is promised: a batch whose commit returned 0 is there after a crash of the process and,
 * with TSDB_SYNC_COMMIT, of the machine; a batch is there whole or not at all; a damaged file
 * costs what it held and no more, and is set aside and counted. The formats are drawn in
 * docs/formats/tsdb-wal.md, tsdb-block.md and tsdb-chunk.md.
 *
 * Threads: every function may be called from any thread while the store is open; a batch or a
 *          cursor belongs to one thread. tsdb_close: when nobody else uses it any more.
 */
#ifndef TSDB_TSDB_H
#define TSDB_TSDB_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "model/exemplar.h"
#include "model/matcher.h"
#include "model/sample_sink.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tsdb;

enum tsdb_sync {
    TSDB_SYNC_COMMIT,   /* a commit returns when its bytes are on the medium */
    TSDB_SYNC_INTERVAL, /* a commit returns when they are written; synced every sync_interval_ms */
};

/* Something a person should know of: floor 4 does not log, the caller does. */
struct tsdb_event {
    const char *message;       /* constant text: "block set aside" */
    const char *file;          /* path it is about, or NULL */
    const struct error *error; /* cause, or NULL */
};

struct tsdb_options {
    const char *folder;        /* made when missing; borrowed during tsdb_open */
    const struct disk *disk;   /* &disk_system */
    const struct clock *clock; /* &clock_system */
    bool takes_lock;           /* true: lock file in the folder; needs the machine's disk */
    bool has_thread;           /* true: own thread for cuts, merges and retention; else the caller
                                  calls tsdb_maintain */

    enum tsdb_sync sync;
    int64_t sync_interval_ms; /* 200 */

    int64_t block_duration_ms;     /* 2 h: the head is cut when it spans this and a half */
    int64_t block_duration_max_ms; /* merged blocks span at most this; 0 = a tenth of the time
                                      retention, at least block_duration_ms, at most 31 days */
    uint64_t log_size_max;     /* 20 MiB, and 192 bytes a series on top: with a longer log the head
                                  is cut, too; a recovery reads no more than that and a little */
    uint64_t segment_size_max; /* 64 MiB: a file of the log */

    int64_t retention_ms;     /* a block goes when it ends this long before the newest; 0 = never */
    uint64_t retention_size;  /* bytes of log and blocks; the oldest block goes first; 0 = any */
    uint64_t reserve_size;    /* 64 MiB: with less room on the disk commits are refused */
    int64_t past_max_ms;      /* 1 h: a sample may be this much older than the newest of all */
    int64_t future_max_ms;    /* 10 min: and this much ahead of the clock */
    int64_t late_max_ms;      /* 0: a series' samples must come in order; else one that is older
                                  than the last is taken when it is not older than this before
                                  the newest of all. Of two values for one time one is kept */
    size_t series_max;        /* series in memory; 0 = no limit; past it ERROR_LIMIT */
    size_t metric_series_max; /* of one metric; 0 = no limit; past it ERROR_LIMIT */
    size_t exemplars_max;     /* 0: none are kept; else this many: the oldest goes */
    uint64_t head_size_max;   /* 0 = no limit; bytes of memory: past it new series are ERROR_LIMIT,
                                  and when samples alone fill it commits are ERROR_REFUSED; cut at
                                  half of it */
    size_t label_count_max;   /* 128 labels a series */
    size_t label_size_max;    /* 64 KiB: bytes of all names and values of a series */
    size_t batch_samples_max; /* 4 million samples a batch */

    void (*report)(void *state, const struct tsdb_event *event); /* NULL = nobody listens */
    void *report_state;
};

/* All options at their defaults. */
void tsdb_options_init(struct tsdb_options *options, const char *folder);

/*
 * Opens the store in a folder, recovers what the last run left, and starts its thread.
 *
 *   db  out: to be closed by tsdb_close; untouched on failure
 *
 * Returns 0; -EWOULDBLOCK when another process holds the folder; an errno of the disk; ERROR_LIMIT
 * for a path that is too long. Damaged files are no failure: they are set aside and counted.
 */
int tsdb_open(struct tsdb **db, const struct tsdb_options *options, struct error *error) MUST_CHECK;

/* Syncs the log, stops the thread and frees everything. The head stays in the log, from where the
 * next open takes it. NULL is fine. */
void tsdb_close(struct tsdb *db);

/* The contracts of model/. Valid as long as the store. append_exemplar is NULL when none are kept.
 * A commit that finds no room is ERROR_REFUSED, also while the disk is under its reserve; commits
 * work again by themselves when there is room. When two open batches hold the same series and
 * time, the one that commits first wins, the other's sample is dropped and counted. */
struct sample_sink tsdb_sink(struct tsdb *db);
struct series_source tsdb_source(struct tsdb *db);

/* Writes all of the head as a block now and shortens the log. 0 also when the head is empty. */
int tsdb_flush(struct tsdb *db, struct error *error) MUST_CHECK;

/* One round of what the store's thread does: cut when due, merge, retention. Does nothing twice. */
int tsdb_maintain(struct tsdb *db, struct error *error) MUST_CHECK;

/* Samples of the selected series inside [start_ms, end_ms] are not found any more; the space comes
 * back at the next merge or tsdb_clean. Counts whole or not at all, also after a crash; with a
 * negative code it is not there, or, when the disk failed, found at the next opening or not. */
int tsdb_delete(struct tsdb *db, const struct matcher *matchers, size_t count, int64_t start_ms,
                int64_t end_ms, struct error *error) MUST_CHECK;

/* Rewrites the blocks without what was deleted. */
int tsdb_clean(struct tsdb *db, struct error *error) MUST_CHECK;

/*
 * Makes a copy of the store in its folder snapshots/NAME, to be opened as a store; files are shared
 * with the store where they can be.
 *
 *   name       a new folder's name
 *   with_head  false: only what is in blocks already
 *
 * Returns 0 or a negative code, then nothing of that name is there. The copy is durable.
 */
int tsdb_snapshot(struct tsdb *db, const char *name, bool with_head,
                  struct error *error) MUST_CHECK;

/*
 * Import: series of any age go into a block of their own, which is served and durable when the
 * commit returns 0. Where the store has a sample of the same series and time already, one of the
 * two is kept. No cut, merge or deletion happens meanwhile; a thread that began it must end it.
 *
 *     int code = tsdb_import_begin(&import, db, error);
 *     while (...) code = tsdb_import_add(import, &series, error);      in the order of labels
 *     code = tsdb_import_commit(import, error);          or tsdb_import_rollback(import)
 */
struct tsdb_import;

int tsdb_import_begin(struct tsdb_import **import, struct tsdb *db, struct error *error) MUST_CHECK;
int tsdb_import_add(struct tsdb_import *import, const struct series_columns *series,
                    struct error *error) MUST_CHECK;
int tsdb_import_commit(struct tsdb_import *import, struct error *error) MUST_CHECK;
void tsdb_import_rollback(struct tsdb_import *import);

struct tsdb_exchanged {
    uint64_t blocks;
    uint64_t series; /* in all blocks together */
    uint64_t samples;
};

/* Imports one block of Prometheus, a folder with meta.json, index and chunks. Adds to the totals.
 * ERROR_CORRUPT or ERROR_UNSUPPORTED say what of it could not be read; nothing is kept then. */
int tsdb_import_prometheus(struct tsdb *db, const char *path, struct tsdb_exchanged *totals,
                           struct error *error) MUST_CHECK;

struct tsdb_export {
    const char *folder;        /* blocks are made in it */
    int64_t start_ms;          /* inclusive */
    int64_t end_ms;            /* inclusive */
    int64_t block_duration_ms; /* a block spans this, aligned to it; 0 = 2 h */
    const struct matcher *matchers;
    size_t matcher_count;
};

/* Writes blocks of Prometheus: its server and its promtool read them. Start times are left out:
 * its blocks have no place for them. Adds to the totals. */
int tsdb_export_prometheus(struct tsdb *db, const struct tsdb_export *wanted,
                           struct tsdb_exchanged *totals, struct error *error) MUST_CHECK;

/* What the store says of itself; totals count since the open. */
struct tsdb_stats {
    uint64_t head_series;      /* in memory */
    uint64_t head_chunks;      /* in memory */
    uint64_t head_samples;     /* in memory, not yet in a block */
    uint64_t head_chunk_size;  /* bytes of chunks and of samples not yet in chunks */
    uint64_t head_size;        /* bytes of memory the head holds, all of it */
    uint64_t head_label_pairs; /* distinct name=value */
    uint64_t symbol_size;      /* bytes of their text */
    int64_t head_min_time_ms;  /* INT64_MAX while empty */
    int64_t head_max_time_ms;  /* INT64_MIN while empty */
    int64_t min_time_ms;       /* of blocks and head; INT64_MAX while empty */
    int64_t max_time_ms;       /* INT64_MIN while empty */
    uint64_t blocks;           /* served */
    uint64_t block_size;       /* bytes of their files */
    uint64_t block_samples;
    uint64_t log_size;               /* bytes of the write-ahead log */
    uint64_t log_segment;            /* number of the newest segment */
    bool is_refusing;                /* out of room or the disk fails: commits are refused now */
    uint64_t series_created;         /* total */
    uint64_t series_removed;         /* total */
    uint64_t samples_appended;       /* total, committed */
    uint64_t samples_out_of_order;   /* total refused */
    uint64_t samples_duplicate;      /* total refused */
    uint64_t samples_invalid;        /* total refused: too old or too far ahead */
    uint64_t samples_limited;        /* total refused: series limit */
    uint64_t samples_dropped;        /* total: lost the race between two batches */
    uint64_t samples_late;           /* total taken out of order */
    uint64_t exemplars;              /* in memory */
    uint64_t exemplar_series;        /* with some in memory */
    uint64_t exemplars_appended;     /* total */
    uint64_t exemplars_out_of_order; /* total refused */
    uint64_t batches_committed;      /* total */
    uint64_t batches_refused;        /* total: no room or the disk failed */
    uint64_t log_syncs;              /* total */
    uint64_t log_sync_ns;            /* total spent in them */
    uint64_t log_sync_max_ns;        /* the slowest */
    uint64_t log_write_size;         /* total bytes */
    uint64_t log_failures;           /* total writes and syncs that failed */
    uint64_t log_corruptions;        /* total cuts at a bad record */
    uint64_t log_records_replayed;   /* total at open */
    uint64_t samples_replayed;       /* total at open */
    int64_t replay_ns;               /* how long the open took */
    uint64_t block_corruptions;      /* total set aside */
    uint64_t cuts;                   /* total: head to block */
    uint64_t cuts_failed;
    uint64_t merges; /* total */
    uint64_t merges_failed;
    uint64_t retention_time_removed; /* total blocks */
    uint64_t retention_size_removed; /* total blocks */
};

void tsdb_stats(struct tsdb *db, struct tsdb_stats *stats);

/* A block, as /api/v1/status/tsdb/blocks lists them. */
struct tsdb_block_info {
    uint64_t id;
    int64_t min_time_ms;
    int64_t max_time_ms; /* inclusive */
    uint64_t series;
    uint64_t samples;
    uint64_t chunks;
    uint64_t size; /* bytes */
    int level;     /* 1 = from the head */
};

int tsdb_blocks(struct tsdb *db, struct arena *arena, const struct tsdb_block_info **items,
                size_t *count, struct error *error) MUST_CHECK;

/* Exemplars of the series that match all matchers of one of the sets, between two times, by labels
 * and time; in the arena. 0, or ERROR_LIMIT when it is full. */
int tsdb_exemplars(struct tsdb *db, const struct exemplar_query *query, struct arena *arena,
                   struct exemplar_list **lists, size_t *count, struct error *error) MUST_CHECK;

/* What fills the head, largest first; for /api/v1/status/tsdb. */
struct tsdb_top_entry {
    struct str name;
    uint64_t value;
};

struct tsdb_top_list {
    const struct tsdb_top_entry *items;
    size_t count;
};

struct tsdb_top {
    struct tsdb_top_list series_by_metric;     /* metric name: series */
    struct tsdb_top_list values_by_label;      /* label name: distinct values */
    struct tsdb_top_list memory_by_label;      /* label name: bytes of its values */
    struct tsdb_top_list series_by_label_pair; /* name=value: series */
};

int tsdb_top(struct tsdb *db, size_t limit, struct arena *arena, struct tsdb_top *top,
             struct error *error) MUST_CHECK;

/*
 * Reads every byte of a file of the store, or of all files of a store's folder that is not open,
 * and tells of each whether it is whole.
 *
 *   visit  called for each file; `cause` NULL: it is whole
 *
 * Returns 0, also when files are damaged; a negative code when the folder cannot be read.
 */
int tsdb_verify(const struct disk *disk, const char *path,
                void (*visit)(void *argument, const char *file, const struct error *cause),
                void *argument, struct error *error) MUST_CHECK;

/* Prints any file of the store for a person; ERROR_CORRUPT when it is damaged, with all that could
 * be read printed before. ERROR_INVALID when it is none of the store's files. */
int tsdb_print_file(const struct disk *disk, const char *path, struct buf *buf,
                    struct error *error) MUST_CHECK;

#endif
