/* async_state.h - what a process keeps about one asynchronous configuration.
 *
 * Lock: `lock` for reading rings and writing batches (the back end, or who does its work);
 *       `claim_lock` for rings changing hands, site texts, starting the thread. Order: sl_lock,
 *       lock, claim_lock, a sink's lock, that of archive.c. A call takes none of them unless its
 *       ring is full, or it is the thread's or the site's first.
 */
#ifndef STRUCTLOG_ASYNC_STATE_H
#define STRUCTLOG_ASYNC_STATE_H

#include "structlog/ring.h"

struct sl_cursor {
    struct sl_ring *ring;
    struct sl_found found; /* the record at `place`; at is NULL: none left */
    uint64_t place, head;
};

struct sl_async {
    /* what a call reads */
    uint64_t id; /* never that of another */
    uint64_t mask;
    uint32_t *sites; /* the region's site table */
    enum sl_ticks ticks;
    uint32_t is_idle;              /* the back end sleeps until it is woken */
    struct sl_ring_header *region; /* NULL: none, so calls write themselves */

    struct sl_async_options options; /* without zeros */
    struct sl_pipeline *pipeline;
    char *path;      /* as configured */
    char *open_path; /* of the region that is open */
    int fd;
    int64_t pid; /* whose region it is */

    struct sl_mutex claim_lock;
    struct sl_thread **owners; /* of each ring */
    uint32_t text_ready;       /* bytes of the texts that the disk has promised */
    uint32_t batch_ready[SL_SINK_MAX];
    uint32_t ring_ready; /* rings the same */

    struct sl_mutex lock;
    struct sl_cursor *cursors;
    uint32_t cursor_count;
    bool has_cells;  /* calls may write cells: what is released must be zero */
    bool is_settled; /* all before the heads that the cursors know has arrived */
    struct sl_reader *reader;
    char *line; /* for what is too large for a batch */
    int64_t last_ns;
    int64_t reported_ns;
    int64_t failing_since_ns; /* monotonic; 0: the sinks take what they get */
    int64_t step_ns;          /* by which the clock was set, not yet told */
    uint64_t told_count, told_now_count;
    uint64_t record_count, line_count, bad_count;
    bool is_foreign; /* a killed process' region, taken over; all in it has arrived */
    struct sl_stamp stamp;

    /* futexes */
    uint32_t wake;
    uint32_t progress;
    uint32_t flush_wish, flush_done;
    uint32_t has_thread;
    uint32_t stop, stopped;
    bool is_broken; /* no ring file could be made after a fork */
};

/* async.c: life. 0 or a negative errno. */
SL_HIDDEN int sl_async_new(struct sl_async **out, const struct sl_async_options *options,
                           struct sl_pipeline *pipeline);
/* Writes all; nobody may be inside. False: its thread hangs, so it stays, with its file. */
SL_HIDDEN bool sl_async_free(struct sl_async *async);
SL_HIDDEN void sl_async_before_fork(struct sl_async *async);
SL_HIDDEN void sl_async_after_fork(struct sl_async *async, bool is_child);
/* 0, -ETIMEDOUT. */
SL_HIDDEN int sl_async_flush(struct sl_async *async, int timeout_ms);
/* Calls only what a signal handler may. */
SL_HIDDEN void sl_async_flush_in_crash(struct sl_async *async, int timeout_ms);
/* The back end's thread, when it is not there yet; under claim_lock. */
SL_HIDDEN void sl_async_start_thread(struct sl_async *async);
SL_HIDDEN void sl_async_wake(struct sl_async *async);

/* region.c: the ring file. */
SL_HIDDEN int sl_region_open(struct sl_async *async);
SL_HIDDEN void sl_region_close(struct sl_async *async, bool remove);
/* Makes sure that the file's bytes up to there exist, so that touching them kills nobody. */
SL_HIDDEN bool sl_region_promise(struct sl_async *async, uint64_t offset, uint64_t size);
/* A ring for the thread, its own if it has one; NULL when there is none to have. */
SL_HIDDEN struct sl_ring *sl_region_claim(struct sl_async *async, struct sl_thread *thread);
SL_HIDDEN void sl_region_leave(struct sl_async *async, const struct sl_thread *thread);
/* Copies the site's texts into the file; false when there is no room. */
SL_HIDDEN bool sl_region_add_site(struct sl_async *async, struct sl_site *site);

/* push.c: the caller's side. False: this call must be written by sl_drain_call. */
SL_HIDDEN bool sl_async_push(struct sl_async *async, struct sl_call *call);
SL_HIDDEN uint64_t sl_ticks_of_clock(enum sl_ticks ticks);
SL_HIDDEN uint64_t sl_ticks_now(enum sl_ticks ticks);

/* drain.c: the back end's work; async->lock is held. */
/* Writes what is in the rings: everything with `all`, otherwise what is older than the grace.
 * False: some sink does not take it now. */
SL_HIDDEN bool sl_drain(struct sl_async *async, bool all);
/* Before it, all that is in the rings. */
SL_HIDDEN void sl_drain_call(struct sl_async *async, struct sl_call *call);
SL_HIDDEN bool sl_drain_has_work(const struct sl_async *async);
SL_HIDDEN void sl_drain_set_clock(struct sl_async *async, bool is_first);

/* site.c */
SL_HIDDEN struct sl_site *sl_site_numbered(uint32_t number);
/* pipeline.c: the thread ends; its rings will be drained and given to others. */
SL_HIDDEN void sl_async_thread_end(const struct sl_thread *thread);

SL_HIDDEN void sl_futex_wake(uint32_t *word, int count);
/* Waits while *word is `seen`, at most timeout_ms (negative: for ever). */
SL_HIDDEN void sl_futex_wait(uint32_t *word, uint32_t seen, int timeout_ms);
SL_HIDDEN int64_t sl_monotonic_ms(void);

#endif
