/* db.h - the store's inside, shared by the files of this folder: struct tsdb and its steps.
 *
 * LOCKS    work    one cut, merge, deletion or clean at a time; taken first
 *          turn    whoever has it writes the log (is_committing, under `mutex`)
 *          mutex   head, list of blocks, statistics; never held while the disk works
 * A commit waits for the turn in a queue; who gets it writes and syncs for all that wait.
 */
#ifndef TSDB_DB_H
#define TSDB_DB_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/vec.h"
#include "tsdb/block.h"
#include "tsdb/changes.h"
#include "tsdb/exemplars.h"
#include "tsdb/head.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

VEC_TYPE(block_list, struct block *);

/* series_file.c: the series in memory at a cut, so that the log before it can go. */
struct series_state {
    struct head_series *series;
    int64_t last_ms;
    double last_value;
};

/* A series whose last sample is a histogram. */
struct series_histogram {
    uint32_t number;
    struct histogram *histogram; /* owned */
};

/* Takes the states of all series (malloc'ed), and the names' texts; under the mutex. */
struct series_snapshot {
    struct series_state *states;
    size_t count;
    VEC(struct series_histogram) histograms; /* by number */
    struct str *names;
    size_t name_count;
    uint32_t series_end;
    int64_t max_ms;
};

struct batch;

struct tsdb {
    struct tsdb_options options; /* folder: NULL */
    char folder[FILE_PATH_SIZE];
    char log_folder[FILE_PATH_SIZE];
    char block_folder[FILE_PATH_SIZE];
    int lock; /* descriptor, -1 = none */

    struct mutex work;

    struct mutex mutex;
    struct condition turn_changed;
    bool is_committing GUARDED_BY(mutex);
    struct batch *queue_first GUARDED_BY(mutex);
    struct batch *queue_last GUARDED_BY(mutex);
    struct head head GUARDED_BY(mutex);
    struct exemplars exemplars GUARDED_BY(mutex);
    struct block_list blocks GUARDED_BY(mutex); /* by least time */
    atomic_size_t resident; /* bytes of blocks' files that were looked at; resident.h */
    struct head_series **frozen GUARDED_BY(mutex);
    size_t frozen_count GUARDED_BY(mutex);
    int64_t frozen_min_ms GUARDED_BY(mutex);
    int64_t frozen_max_ms GUARDED_BY(mutex);
    uint64_t cursors GUARDED_BY(mutex);
    int64_t committed_ns GUARDED_BY(mutex); /* when a group was committed last, or the opening */
    uint32_t batch_number GUARDED_BY(mutex);
    struct tsdb_stats stats GUARDED_BY(mutex);
    struct changes changes GUARDED_BY(mutex);       /* noted when they can be seen, or later */
    struct wal_totals log_totals GUARDED_BY(mutex); /* the log's, as they were when last noted */

    struct wal wal;           /* who has the turn */
    int64_t space_checked_ns; /* who has the turn */
    uint64_t space_free;      /* who has the turn */
    bool is_space_known;      /* who has the turn */

    /* A cut whose block is not written yet; who holds work. */
    struct {
        bool is_pending;
        bool has_late;    /* late samples that are in no block yet */
        bool has_ordered; /* others */
        uint64_t through;
        struct series_snapshot snapshot;
    } cut;
    uint64_t next_block;    /* who holds work */
    VEC(uint64_t) unlisted; /* who holds work: blocks that are not served, yet on the disk */
    uint64_t log_through;   /* who holds work: the blocks hold the log up to this segment */
    int64_t retry_after_ns; /* who holds work: a cut that failed is not tried before */

    bool has_wish; /* who holds work: a deletion may not be finished */

    bool has_thread;
    pthread_t thread;
    struct mutex thread_mutex;
    struct condition thread_wake;
    bool is_stopping GUARDED_BY(thread_mutex);
};

void tsdb_report(struct tsdb *db, const char *message, const char *file, const struct error *error);

/* The turn to write the log. */
void tsdb_take_turn(struct tsdb *db);
void tsdb_give_turn(struct tsdb *db);
void tsdb_note_log_locked(struct tsdb *db); /* has the turn and the mutex: for the statistics */

/* A sample on its way into the head. */
struct tsdb_pending {
    struct head_series *series;
    int64_t time_ms;
    double value;
};

enum {
    TSDB_PAYLOAD_BATCH = 1,    /* kind of a payload in the log */
    TSDB_LABELS_LIMIT = 65535, /* labels of a series that can be written */
};

struct payload_exemplars;

/* apply.c, under the mutex. Puts a sample in its place; `extra` is NULL for most. True when it is
 * new; what is not is counted. */
bool tsdb_apply_sample(struct tsdb *db, const struct tsdb_pending *sample,
                       const struct extra *extra, bool takes_late);
void tsdb_apply_exemplars(struct tsdb *db, const struct payload_exemplars *exemplars);
bool tsdb_in_order(struct labels labels); /* names ascend, each once */
int tsdb_begin(void *state, struct sample_batch **batch, struct error *error);
/* Whether a sample does not go behind the series' last, but among the late ones. */
bool tsdb_is_late(const struct tsdb *db, const struct head_series *series, int64_t time_ms);

/* Notes that samples from min_time_ms on have come or gone; takes the mutex. */
void tsdb_note_change(struct tsdb *db, int64_t min_time_ms);

/* replay.c: samples of the log on their way into the head; made with `db` alone. */
struct tsdb_replay {
    struct tsdb *db;
    uint32_t *numbers; /* of series that are there */
    int64_t *times;
    double *values;
    size_t count;
    size_t capacity;
    uint32_t *places; /* room to sort by series */
    size_t place_capacity;
    struct label *labels; /* of the series that are being read */
    size_t label_capacity;
};

/* Takes a payload of the log; what recovery does with each. ERROR_CORRUPT: malformed; what of it
 * was whole stays. */
int tsdb_replay_payload(struct tsdb_replay *replay, struct str payload,
                        struct error *error) MUST_CHECK;
/* All that was taken is in the head then. Ends also one that failed. */
void tsdb_replay_end(struct tsdb_replay *replay);

/* select.c */
int tsdb_select(void *state, const struct series_query *query, struct arena *arena,
                struct series_cursor **cursor, struct error *error);
int64_t tsdb_changed_since(void *state, uint64_t *position);
/* label_lists.c */
int tsdb_label_names(void *state, const struct series_query *query, struct arena *arena,
                     struct str_list *out, struct error *error);
int tsdb_label_values(void *state, struct str name, const struct series_query *query,
                      struct arena *arena, struct str_list *out, struct error *error);

int series_snapshot_take(struct series_snapshot *snapshot, const struct head *head) MUST_CHECK;
void series_snapshot_release(struct series_snapshot *snapshot);
uint32_t series_snapshot_pair_end(const struct series_snapshot *snapshot); /* past the largest */
int series_file_write(const struct disk *disk, const char *path, const struct head *head,
                      const struct series_snapshot *snapshot, struct error *error) MUST_CHECK;
/* Makes the series in the head, with or without their last samples. ERROR_CORRUPT: damaged. */
int series_file_read(const struct disk *disk, const char *path, struct head *head, bool has_samples,
                     struct error *error) MUST_CHECK;

/* delete.c: goes on with a deletion that was not finished; holds work. Prints one for a person. */
int tsdb_finish_deletion(struct tsdb *db, struct error *error) MUST_CHECK;
int tsdb_print_deletion(struct str bytes, struct buf *buf, struct error *error) MUST_CHECK;

/* merge_choice.c; under the mutex. Nothing has come in for a while. */
bool tsdb_is_idle_locked(const struct tsdb *db);
/* The blocks of the next merge, in the order of the list; room for BLOCK_REPLACES_MAX. 0: none. */
size_t tsdb_choose_merge(const struct tsdb *db, struct block **found, enum column_effort *effort);

/* rank.c: gives every series its place in the order of labels, when more than a part of them, one
 * in `part`, are new; holds work. */
int tsdb_rank_series(struct tsdb *db, uint64_t part, struct error *error);
/* Brings series of a snapshot into the order of labels; without memory for it by their texts. */
void rank_order(const struct head *head, const struct series_snapshot *snapshot,
                struct head_series **series, size_t count);

/* maintain.c */
int tsdb_maintain_held(struct tsdb *db, struct error *error) MUST_CHECK;

/* cut.c */
int tsdb_cut(struct tsdb *db, struct error *error) MUST_CHECK;     /* holds work */
int tsdb_cut_all(struct tsdb *db, struct error *error) MUST_CHECK; /* holds work */
bool tsdb_is_cut_due(struct tsdb *db);
/* The log that is in blocks, gone for good. Before the last block goes that says so: without it a
 * recovery would read that log again, and with it what was deleted since. */
int tsdb_end_old_log(struct tsdb *db, struct block *const *leaving, size_t count,
                     struct error *error);

/* merge_blocks.c; all hold work. Rewrites blocks as one without what was deleted; they are
 * replaced. */
int tsdb_merge_blocks(struct tsdb *db, struct block *const *blocks, size_t count,
                      enum column_effort effort, struct error *error) MUST_CHECK;
/* One merge. *is_done: there was nothing to do. */
int tsdb_merge_once(struct tsdb *db, bool *is_done, struct error *error) MUST_CHECK;
int tsdb_add_extras(const struct series_columns *series, struct block_writer *writer,
                    struct error *error) MUST_CHECK;

/* blocks.c */
int tsdb_block_path(const struct tsdb *db, uint64_t id, const char *ending, char *path,
                    struct error *error) MUST_CHECK;
int tsdb_series_path(const struct tsdb *db, uint64_t through, char *path,
                     struct error *error) MUST_CHECK;
int tsdb_insert_block(struct tsdb *db, struct block *block) MUST_CHECK; /* under the mutex */
int tsdb_list_block(struct tsdb *db, struct block *block, struct error *error) MUST_CHECK;
void tsdb_unref_block(struct block *block); /* under the mutex */
int tsdb_new_writer(struct tsdb *db, uint64_t id, enum column_effort effort,
                    struct block_writer **writer, struct error *error) MUST_CHECK;
/* Ends a block that was filled, puts it in place and opens it. On failure nothing of it stays. */
int tsdb_put_block(struct tsdb *db, struct block_writer *writer, struct block_meta *meta,
                   struct block **block, struct error *error) MUST_CHECK;
/* Takes away what a block that did not come about has left. It may have got its name already, and
 * would count if it came back: so it is kept in mind until it has surely gone. */
void tsdb_discard_block(struct tsdb *db, uint64_t id);
/* Takes blocks out of the list and off the disk. */
void tsdb_remove_blocks(struct tsdb *db, struct block *const *blocks, size_t count);
/* Takes files of blocks off the disk that no list has any more; holds work. What a block's notes
 * hide must not come back, so they go when it is sure to have gone; and a block that stays, for
 * the disk fails, is tried again, and named as replaced by each block that is written meanwhile. */
void tsdb_remove_unlisted(struct tsdb *db);
/* A block outside of cuts and merges: its number and writer, then its place in the list. */
int tsdb_start_block(struct tsdb *db, uint64_t *id, struct block_writer **writer,
                     struct error *error) MUST_CHECK;
int tsdb_publish_block(struct tsdb *db, struct block_writer *writer, uint64_t id,
                       struct error *error) MUST_CHECK;
/* delete.c: writes the notes of deletions that are in memory only. */
int tsdb_save_notes(struct tsdb *db, struct error *error) MUST_CHECK;

#endif
