/* async.h - asynchronous mode: calls leave a record in a ring, a thread of the library writes.
 *
 *     struct sl_async_options async = { .path = "/dev/shm/shop.ring" };
 *     struct sl_config config = { .async = &async, .sinks = sinks, .sink_count = 1 };
 *
 * Included by structlog.h, never by itself.
 *
 * CALL     A thread that logs owns a ring in a file that is mapped into memory. A call copies its
 *          values and texts there and returns; it neither locks, allocates nor makes a system call,
 *          unless the ring is full. The back end, one thread for each configuration, renders the
 *          records and writes them.
 * ORDER    Lines stand in the order of their times as long as no thread is held up for more than
 *          SL_ASYNC_GRACE_MS between taking the time and finishing its record. After that they
 *          come later than their time says.
 * KILLED   What a call has put into the ring is not lost with the process: sl_recover, or
 *          `barograph logs recover FILE`, puts what was not yet written into the log file, each
 *          line once, and completes a line that was cut. The ring file is deleted when the
 *          configuration ends in order; one that lies about belongs to a process that did not, and
 *          who is configured to use the same path recovers it first.
 *          A memory file system (/dev/shm) is the right place: the system need not survive it.
 * FORK     The child gets a ring file of its own, PATH.PID, at its first call.
 */
#ifndef STRUCTLOG_ASYNC_H
#define STRUCTLOG_ASYNC_H

#include "structlog/structlog.h"

#define SL_ASYNC_GRACE_MS 1

/* What a call does that finds its ring full. Drops are counted (stats.dropped_count) and told by a
 * line of their own, "log lines dropped", once a second at most. */
enum sl_full {
    SL_FULL_BLOCK = 0,  /* waits for room up to full_timeout_ms, then drops its line */
    SL_FULL_DROP,       /* drops its line at once */
    SL_FULL_DROP_BELOW, /* drops it when its level is below full_level, otherwise waits; such
                           lines go as soon as the ring is three quarters full */
    SL_FULL_SYNC        /* does the back end's work itself, then goes on */
};

struct sl_async_options {
    const char *path;    /* the ring file; NULL: /dev/shm/structlog.PROGRAM.PID.ring */
    size_t ring_size;    /* bytes for each thread, a power of two; 0 = 1 MiB; 64 KiB to 64 MiB */
    unsigned ring_count; /* threads that have a ring; 0 = 64; at most 1,024; others call SYNC */
    enum sl_full full;
    int full_timeout_ms; /* 0 = 1,000 */
    int full_level;      /* DROP_BELOW: 0 = SL_WARN */
    int retry_ms;        /* a full disk, an I/O error: lines are tried again so long; 0 = 1,000 */
};

/* ---- after a process was killed ---- */

struct sl_recovery {
    int64_t pid;            /* whose ring file it was */
    uint64_t record_count;  /* records that were not yet, or not surely, written */
    uint64_t line_count;    /* lines put out now, over all sinks */
    uint64_t found_count;   /* lines of the interrupted write that the file already had */
    uint64_t dropped_count; /* calls that the full-ring policy dropped, not yet told by a line */
    uint64_t bad_count;     /* rings with bytes that are no record; what lies behind is lost */
};

/* Takes one whole line with its LF; a negative result ends the recovery with that code. */
typedef int (*sl_recover_fn)(void *context, const char *path, const char *line, size_t size);

/* Brings out what is in the ring file at `path`.
 *   take   NULL: lines go to the log files the process wrote, torn ones there are mended, and the
 *          ring file is removed. Otherwise each missing line goes to it, with the path of the log
 *          file it was for (NULL: it was for no file), and nothing is changed.
 * 0, or -EBUSY (the process lives), -EINVAL (not a ring file), -EPROTONOSUPPORT (of a version that
 * this library does not know; it knows 1 and 2), -ENOMSG (killed before it could log: nothing to
 * bring out, the file may go), or the errno of what failed. */
SL_API int sl_recover(const char *path, sl_recover_fn take, void *context,
                      struct sl_recovery *recovery);

#endif
