/* sink.h - where lines end: descriptors, files that rotate, callbacks, memory.
 *
 * Lock: `lock` guards all that changes. It is held for one write, so a line is never mixed with
 * another of this process; other processes are kept apart by O_APPEND (see file.c).
 */
#ifndef STRUCTLOG_SINK_H
#define STRUCTLOG_SINK_H

#include "structlog/ring.h"

#include <sys/types.h>

/* In a file that all processes which rotate the same path have mapped. */
struct sl_shared {
    uint64_t magic;
    uint64_t generation; /* grows with each rotation */
    uint64_t size;       /* bytes in the current file, as far as the writers have told */
    int64_t begun;       /* second at which the interval of its first line began; 0: not known */
    int64_t rotated;     /* CLOCK_BOOTTIME of the last rotation by time, in seconds; 0: none */
};

struct sl_sink {
    struct sl_mutex lock;
    enum sl_sink_kind kind;
    enum sl_view view;
    int level;
    int fd; /* -1: not open */
    bool is_pipe;
    bool has_failed; /* the last write did */
    int failure;     /* its errno */
    time_t noted;    /* second of the last note on stderr */

    /* buffering */
    char *buffer;
    size_t buffer_size, buffer_used;
    uint64_t buffer_lines;
    time_t buffer_second;        /* of its first line */
    int64_t retry_at_ms;         /* monotonic; when has_failed */
    size_t batch_size;           /* asynchronous: in place of a buffer */
    struct sl_ring_sink *intent; /* of the batch being written; NULL: not one */

    /* FILE */
    char *path;
    uint64_t rotate_size_max;
    unsigned rotate_count_max;
    int64_t rotate_interval_s, rotate_offset_s, rotate_age_max_s;
    uint64_t rotate_total_size_max;
    bool is_compressing;
    bool has_old_files; /* that wait for compression; see archive.c */
    time_t due;         /* first second of the next interval */
    time_t pruned;      /* second of the last look for files that are too old */
    dev_t device;       /* of fd, to notice that the path now names another file */
    ino_t inode;
    time_t checked;           /* second of the last look */
    time_t rotate_not_before; /* after a failed rotation */
    uint32_t reopened;        /* the sl_reopen that was last obeyed */
    int lock_fd;              /* -1: no rotation */
    bool is_lock_inherited;   /* by fork */
    struct sl_shared *shared; /* NULL: no rotation */
    uint64_t generation;      /* of what fd is */
    bool shared_is_private;   /* could not be mapped */

    void (*write)(void *context, int level, const char *line, size_t size);
    void *context;
    struct sl_capture *capture;
};

/* 0 or a negative errno, and then *out is untouched. */
SL_HIDDEN int sl_sink_new(struct sl_sink **out, const struct sl_sink_options *options,
                          bool is_async);
/* Writes what is buffered, closes what is the sink's; NULL is fine. */
SL_HIDDEN void sl_sink_free(struct sl_sink *sink);
/* One whole line. A nested call writes round the lock when it must. */
SL_HIDDEN void sl_sink_write(struct sl_sink *sink, const struct sl_call *call, size_t size);
/* What is left of the slot's batch, in whole lines, the intent noted. False: not all, and it is
 * worth trying again; with `is_last` what is left is lost and counted instead. */
SL_HIDDEN bool sl_sink_deliver(struct sl_sink *sink, struct sl_ring_sink *slot, const char *batch,
                               time_t second, bool is_last);
/* Unless its lock is held, perhaps by the very thread that crashes. */
SL_HIDDEN void sl_sink_flush_in_crash(struct sl_sink *sink);
/* 0 or the negative errno of the last write. */
SL_HIDDEN int sl_sink_flush(struct sl_sink *sink);
SL_HIDDEN void sl_sink_after_fork(struct sl_sink *sink); /* in the child, lock held */

#define SL_PATH_SIZE  4096
#define SL_PATH_EXTRA 24u /* bytes that the names beside a path are longer than it */

/* file.c */
SL_HIDDEN int sl_file_open(struct sl_sink *sink);
SL_HIDDEN void sl_file_close(struct sl_sink *sink);
/* Opens what the path names now; on failure fd stays what it was. */
SL_HIDDEN int sl_file_open_path(struct sl_sink *sink);
/* Whether the path names another file than the open one, or none. */
SL_HIDDEN bool sl_file_is_moved(const struct sl_sink *sink);
/* Before `size` bytes are written at `second`: obeys sl_reopen, follows the path, rotates. */
SL_HIDDEN void sl_file_prepare(struct sl_sink *sink, size_t size, time_t second);
/* The last `size` bytes of the file are the front of a line whose rest did not fit. */
SL_HIDDEN void sl_file_blank_out(struct sl_sink *sink, size_t size);

/* rotate.c: who renames or deletes old files holds the lock of .<name>.lock, if it can be had. */
SL_HIDDEN int sl_rotate_open(struct sl_sink *sink);
SL_HIDDEN void sl_rotate_close(struct sl_sink *sink);
/* Whether `size` more bytes at `second` are too much, or a new interval has begun; no system call
 * in the common case. */
SL_HIDDEN bool sl_rotate_is_due(struct sl_sink *sink, size_t size, time_t second);
SL_HIDDEN void sl_rotate(struct sl_sink *sink, size_t size, time_t second);
/* At most one file that has become too old goes. */
SL_HIDDEN void sl_rotate_prune(struct sl_sink *sink, time_t second);
/* `.<name><suffix>` beside path; false when it is too long. */
SL_HIDDEN bool sl_side_path(char to[SL_PATH_SIZE], const char *path, const char *suffix);
/* path.N or path.N.gz; the path is not too long. */
SL_HIDDEN void sl_numbered_path(char to[SL_PATH_SIZE], const char *path, unsigned number,
                                bool is_compressed);

/* archive.c: compression of old files, by a thread that ends when there is nothing to do. */
SL_HIDDEN bool sl_archive_is_there(void); /* built with zlib */
/* Starts the thread, or has it look once more. Not in a signal handler. */
SL_HIDDEN void sl_archive_start(const struct sl_sink *sink);
SL_HIDDEN void sl_archive_before_fork(void);
SL_HIDDEN void sl_archive_after_fork(bool is_child);

/* system.c: sink->path is the socket's. 0, or a negative errno; send: 0 or an errno. */
SL_HIDDEN int sl_system_open(struct sl_sink *sink);
SL_HIDDEN int sl_system_send(struct sl_sink *sink, const char *data, size_t size);

/* A copy of the path, absolute, for the program may change its directory. */
SL_HIDDEN int sl_absolute_path(char **out, const char *path);

SL_HIDDEN void sl_capture_put(struct sl_capture *capture, const char *line, size_t size);

#endif
