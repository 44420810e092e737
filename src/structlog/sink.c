/* sink.c - one write for one line, and what happens when the world does not take it.
 *
 * SHORT WRITES  A disk that fills up takes the front of a line. Those bytes are the last of the
 *               file at an offset that is known, and nobody else's, so they are overwritten in
 *               place by blanks and a line end (no space is needed for that); then the line is
 *               tried once more, whole. So a file holds whole lines and, at worst, blank ones.
 * BUFFERS       What a buffer holds and the disk does not take stays there and is tried again, with
 *               the next lines, every BUFFER_RETRY_MS at most: nobody waits. Lines that find the
 *               buffer full are lost and counted, and what is left when the sink is closed.
 * PIPES         A reader that is gone must not kill the writer: SIGPIPE is blocked around the
 *               write and taken away if it was ours. A full non-blocking pipe is waited for
 *               PIPE_WAIT_MS, then the line is lost.
 */
#include "structlog/sink.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_WAIT_MS    100
#define BUFFER_MIN      4096
#define BUFFER_MAX      (UINT64_C(1) << 26)
#define BUFFER_RETRY_MS 10   /* between tries of a buffer that was not taken */
#define CLOSE_WAIT_MS   1000 /* how long it is tried when the sink is closed */
#define FLUSH_SECONDS   1    /* a buffered line waits about that long for the next to push it */
#define INTERVAL_MAX    (366 * 24 * 3600)
#define NOTE_SECONDS    60 /* between notes on stderr about a sink that fails */

/* ---- writing bytes ---- */

static bool wait_writable(int fd)
{
    struct pollfd wanted = { .fd = fd, .events = POLLOUT };
    return poll(&wanted, 1, PIPE_WAIT_MS) == 1;
}

/* All bytes or an errno; *done is what was taken. */
static int write_all(int fd, const char *data, size_t size, size_t *done)
{
    while (*done < size) {
        ssize_t written = write(fd, data + *done, size - *done);
        if (written > 0) {
            *done += (size_t)written;
        } else if (written == 0) {
            return EIO;
        } else if (errno == EAGAIN) {
            if (!wait_writable(fd)) return EAGAIN;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static int write_pipe(int fd, const char *data, size_t size, size_t *done)
{
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    int failure = write_all(fd, data, size, done);
    if (failure == EPIPE && !was_pending) {
        struct timespec now = { 0, 0 };
        while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

static size_t tail_of_line(const char *data, size_t size)
{
    size_t tail = 0;
    while (tail < size && data[size - tail - 1] != '\n') tail++;
    return tail;
}

static uint64_t count_lines(const char *data, size_t size)
{
    uint64_t lines = 0;
    for (const char *at = data; (at = memchr(at, '\n', (size_t)(data + size - at))) != NULL; at++) {
        lines++;
    }
    return lines;
}

/* So that after a kill one can tell how much of the bytes went out. */
static void note_intent(const struct sl_sink *sink, struct sl_ring_sink *intent)
{
    off_t end = lseek(sink->fd, 0, SEEK_END);
    intent->device = sink->device;
    intent->inode = sink->inode;
    intent->offset = end < 0 ? 0 : (uint64_t)end;
    /* Release: the place is known before a byte can be there. */
    __atomic_store_n(&intent->done, intent->done | SL_DONE_WRITING, __ATOMIC_RELEASE);
}

static void note_done(struct sl_ring_sink *intent, size_t taken)
{
    __atomic_store_n(&intent->done, (intent->done & ~SL_DONE_WRITING) + taken, __ATOMIC_RELEASE);
}

static int write_file(struct sl_sink *sink, const char *data, size_t size, size_t *done)
{
    int failure = 0;
    for (int attempt = 0; attempt < 2 && *done < size; attempt++) {
        if (sink->intent != NULL) note_intent(sink, sink->intent);
        ssize_t written = write(sink->fd, data + *done, size - *done);
        if (written < 0) {
            failure = errno;
            if (sink->intent != NULL) note_done(sink->intent, 0);
            if (failure == EINTR) attempt--;
            continue;
        }
        size_t taken = (size_t)written;
        if (sink->shared != NULL) {
            (void)__atomic_fetch_add(&sink->shared->size, taken, __ATOMIC_RELAXED);
        }
        failure = *done + taken == size ? 0 : ENOSPC;
        size_t tail = failure == 0 ? 0 : tail_of_line(data + *done, taken);
        if (tail > 0) sl_file_blank_out(sink, tail);
        if (sink->intent != NULL) note_done(sink->intent, taken - tail);
        *done += taken - tail;
    }
    return failure;
}

/* Tells stderr, by itself and seldom, that a sink fails: there is no log to tell it to. */
static void note_failure(struct sl_sink *sink, int failure, time_t second)
{
    if (sink->fd == STDERR_FILENO) return;
    if (sink->noted != 0 && second - sink->noted < NOTE_SECONDS && second >= sink->noted) return;
    sink->noted = second;
    char line[512];
    const char *path = sink->path != NULL ? sink->path : "a descriptor";
    size_t path_size = strlen(path) < 300 ? strlen(path) : 300;
    char *to = sl_put_bytes(line, "structlog: cannot write to '", 28);
    to = sl_put_bytes(to, path, path_size);
    to = sl_put_bytes(to, "': ", 3);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
    const char *text = strerrordesc_np(failure);
#else
    const char *text = strerror(failure);
#endif
    if (text == NULL) text = "unknown error";
    to = sl_put_bytes(to, text, strlen(text));
    to = sl_put_bytes(to, "; lines without room are lost and counted\n", 42);
    size_t done = 0;
    (void)write_pipe(sl_real_fd(STDERR_FILENO), line, (size_t)(to - line), &done);
}

static bool is_system(const struct sl_sink *sink)
{
    return sink->kind == SL_SINK_JOURNAL || sink->kind == SL_SINK_SYSLOG;
}

/* Room may come; a path that is gone may come back. */
static bool may_pass(int failure)
{
    return failure == ENOSPC || failure == EDQUOT || failure == EIO || failure == EFBIG ||
           failure == EAGAIN || failure == ENOENT || failure == ENOMEM || failure == ENOBUFS;
}

/* Bytes of whole lines; *done is what was taken. 0 or an errno. */
static int try_out(struct sl_sink *sink, const char *data, size_t size, time_t second, size_t *done)
{
    int failure = 0;
    if (sink->kind == SL_SINK_FILE) {
        sl_file_prepare(sink, size, second);
        failure = sink->fd < 0 ? sink->failure : write_file(sink, data, size, done);
    } else if (is_system(sink)) {
        failure = sl_system_send(sink, data, size);
        if (failure == 0) *done = size;
    } else {
        int fd = sl_real_fd(sink->fd);
        failure =
            sink->is_pipe ? write_pipe(fd, data, size, done) : write_all(fd, data, size, done);
    }
    sink->has_failed = failure != 0;
    if (failure != 0) {
        sink->failure = failure;
        note_failure(sink, failure, second);
    }
    return failure;
}

/* `lines` whole lines, or what is not taken is lost. */
static void put_out(struct sl_sink *sink, const char *data, size_t size, uint64_t lines,
                    time_t second)
{
    size_t done = 0;
    int failure = try_out(sink, data, size, second, &done);
    uint64_t written = failure == 0 ? lines : count_lines(data, done);
    sl_count(SL_COUNTER_WRITTEN, written);
    sl_count(SL_COUNTER_WRITTEN_BYTES, done);
    if (lines > written) sl_count(SL_COUNTER_LOST, lines - written);
}

/* Not in a signal handler: after a rotation there may be something to compress. */
static void unlock(struct sl_sink *sink)
{
    bool has_old_files = sink->has_old_files;
    sink->has_old_files = false;
    sl_mutex_unlock(&sink->lock);
    if (SL_UNLIKELY(has_old_files)) sl_archive_start(sink);
}

bool sl_sink_deliver(struct sl_sink *sink, struct sl_ring_sink *slot, const char *batch,
                     time_t second, bool is_last)
{
    const char *data = batch + slot->done;
    size_t size = slot->used - slot->done;
    size_t done = 0;
    int failure = 0;
    sl_mutex_lock(&sink->lock);
    if (sink->kind == SL_SINK_FILE) {
        sl_file_prepare(sink, size, second);
        sink->intent = slot;
        failure = sink->fd < 0 ? sink->failure : write_file(sink, data, size, &done);
        sink->intent = NULL;
    } else {
        failure = sink->is_pipe ? write_pipe(sink->fd, data, size, &done)
                                : write_all(sink->fd, data, size, &done);
        slot->done += done;
    }
    uint64_t lines = failure == 0 ? slot->lines : count_lines(data, done);
    sl_count(SL_COUNTER_WRITTEN, lines);
    sl_count(SL_COUNTER_WRITTEN_BYTES, done);
    slot->lines -= lines;
    sink->has_failed = failure != 0;
    if (failure != 0) {
        sink->failure = failure;
        note_failure(sink, failure, second);
        if (is_last || !may_pass(failure)) {
            sl_count(SL_COUNTER_LOST, slot->lines);
            slot->done = slot->used;
            failure = 0;
        }
    }
    unlock(sink);
    return failure == 0;
}

/* ---- lines ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is not taken stays in the buffer while there is hope for it. */
static void flush_locked(struct sl_sink *sink, time_t second)
{
    if (sink->buffer_used == 0) return;
    size_t done = 0;
    int failure = try_out(sink, sink->buffer, sink->buffer_used, second, &done);
    uint64_t written = failure == 0 ? sink->buffer_lines : count_lines(sink->buffer, done);
    sl_count(SL_COUNTER_WRITTEN, written);
    sl_count(SL_COUNTER_WRITTEN_BYTES, done);
    sink->buffer_lines -= written;
    sink->buffer_used -= done;
    memmove(sink->buffer, sink->buffer + done, sink->buffer_used);
    if (failure == 0) return;
    sink->retry_at_ms = now_ms() + BUFFER_RETRY_MS;
    if (may_pass(failure)) return;
    sl_count(SL_COUNTER_LOST, sink->buffer_lines);
    sink->buffer_used = 0;
    sink->buffer_lines = 0;
}

/* As flush_locked, but not before it is time to try again. */
static void flush_when_due(struct sl_sink *sink, time_t second)
{
    if (sink->has_failed && sink->buffer_used > 0 && now_ms() < sink->retry_at_ms) return;
    flush_locked(sink, second);
}

static void put_buffered(struct sl_sink *sink, const struct sl_call *call, size_t size)
{
    time_t second = call->time.tv_sec;
    if (size > sink->buffer_size - sink->buffer_used) flush_when_due(sink, second);
    if (size > sink->buffer_size - sink->buffer_used) { /* those before it are still there */
        if (sink->buffer_used == 0) {
            put_out(sink, call->line, size, 1, second);
        } else {
            sl_count(SL_COUNTER_LOST, 1);
        }
        return;
    }
    if (sink->buffer_used == 0) sink->buffer_second = second;
    memcpy(sink->buffer + sink->buffer_used, call->line, size);
    sink->buffer_used += size;
    sink->buffer_lines++;
    bool is_old = second - sink->buffer_second > FLUSH_SECONDS || second < sink->buffer_second;
    if (call->level >= SL_ERROR || is_old) flush_when_due(sink, second);
}

static void write_locked(struct sl_sink *sink, const struct sl_call *call, size_t size)
{
    if (sink->kind == SL_SINK_CALLBACK) {
        sink->write(sink->context, call->level, call->line, size);
    } else if (sink->kind == SL_SINK_CAPTURE) {
        sl_capture_put(sink->capture, call->line, size);
    } else if (sink->buffer != NULL) {
        put_buffered(sink, call, size);
        return;
    } else {
        put_out(sink, call->line, size, 1, call->time.tv_sec);
        return;
    }
    sl_count_in(call->thread, SL_COUNTER_WRITTEN, 1);
    sl_count_in(call->thread, SL_COUNTER_WRITTEN_BYTES, size);
}

/* The lock may be held by the very call that was interrupted: then the line goes out alone, which
 * O_APPEND allows, or is lost where there is no descriptor. */
static void write_nested(struct sl_sink *sink, const struct sl_call *call, size_t size)
{
    if (sl_mutex_try(&sink->lock)) {
        write_locked(sink, call, size);
        sl_mutex_unlock(&sink->lock);
        return;
    }
    size_t done = 0;
    bool has_fd = sink->kind != SL_SINK_CALLBACK && sink->kind != SL_SINK_CAPTURE && sink->fd >= 0;
    if (has_fd && write_all(sl_real_fd(sink->fd), call->line, size, &done) == 0) {
        sl_count(SL_COUNTER_WRITTEN, 1);
        sl_count(SL_COUNTER_WRITTEN_BYTES, size);
    } else {
        sl_count(SL_COUNTER_LOST, 1);
    }
}

void sl_sink_write(struct sl_sink *sink, const struct sl_call *call, size_t size)
{
    if (SL_UNLIKELY(call->is_nested)) {
        write_nested(sink, call, size);
        return;
    }
    sl_mutex_lock(&sink->lock);
    write_locked(sink, call, size);
    unlock(sink);
}

int sl_sink_flush(struct sl_sink *sink)
{
    sl_mutex_lock(&sink->lock);
    flush_locked(sink, time(NULL));
    int failure = sink->has_failed ? -sink->failure : 0;
    unlock(sink);
    return failure;
}

void sl_sink_flush_in_crash(struct sl_sink *sink)
{
    if (sink->buffer == NULL || !sl_mutex_try(&sink->lock)) return;
    flush_locked(sink, sink->buffer_second);
    sl_mutex_unlock(&sink->lock);
}

void sl_sink_after_fork(struct sl_sink *sink)
{
    sink->buffer_used = 0; /* the parent writes these */
    sink->buffer_lines = 0;
    /* A descriptor of its own: the offset, which tells where a short write began, is shared with
     * the parent's. */
    if (sink->kind == SL_SINK_FILE) sink->reopened--;
    if (sink->lock_fd >= 0) sink->is_lock_inherited = true;
}

/* ---- life ---- */

static bool has_terminal_colors(int fd, enum sl_color color)
{
    if (color != SL_COLOR_AUTO) return color == SL_COLOR_ALWAYS;
    const char *no = getenv("NO_COLOR");
    const char *force = getenv("FORCE_COLOR");
    const char *term = getenv("TERM");
    if (no != NULL && no[0] != '\0') return false;
    if (force != NULL && force[0] != '\0') return true;
    if (fd < 0 || isatty(fd) != 1) return false;
    return term == NULL || strcmp(term, "dumb") != 0;
}

static enum sl_view view_of(const struct sl_sink_options *options, int fd)
{
    enum sl_format format = options->format;
    if (options->kind == SL_SINK_JOURNAL) return SL_VIEW_JOURNAL;
    if (options->kind == SL_SINK_SYSLOG) return SL_VIEW_SYSLOG;
    bool is_stream = options->kind != SL_SINK_FILE && fd >= 0;
    if (format == SL_FORMAT_DEFAULT) {
        format = is_stream && isatty(fd) == 1 ? SL_FORMAT_CONSOLE : SL_FORMAT_ECS;
    }
    if (format == SL_FORMAT_JSON) return SL_VIEW_JSON;
    if (format == SL_FORMAT_LOGFMT) return SL_VIEW_LOGFMT;
    if (format == SL_FORMAT_KEY_VALUE) return SL_VIEW_KEY_VALUE;
    if (format != SL_FORMAT_CONSOLE) return SL_VIEW_ECS;
    bool in_color = has_terminal_colors(is_stream ? fd : -1, options->color);
    return in_color ? SL_VIEW_COLOR : SL_VIEW_CONSOLE;
}

static bool wants_rotation(const struct sl_sink_options *options)
{
    return options->rotate_size_max != 0 || options->rotate_interval_s != 0 ||
           options->rotate_offset_s != 0 || options->rotate_total_size_max != 0 ||
           options->rotate_age_max_s != 0 || options->rotate_compression != SL_COMPRESSION_NONE;
}

static int check_rotation(const struct sl_sink_options *options)
{
    int64_t interval = options->rotate_interval_s;
    int64_t offset = options->rotate_offset_s;
    if (options->rotate_count_max > 999 || interval > INTERVAL_MAX) return -EINVAL;
    if (offset != 0 && (offset >= interval || -offset >= interval)) return -EINVAL;
    if ((unsigned)options->rotate_compression > SL_COMPRESSION_GZIP) return -EINVAL;
    bool rotates = options->rotate_size_max != 0 || interval != 0;
    if (!rotates && wants_rotation(options)) return -EINVAL; /* of what is never there */
    bool is_compressing = options->rotate_compression != SL_COMPRESSION_NONE;
    return is_compressing && !sl_archive_is_there() ? -ENOTSUP : 0;
}

static int check_options(const struct sl_sink_options *options)
{
    if ((unsigned)options->kind > SL_SINK_SYSLOG) return -EINVAL;
    if ((unsigned)options->format > SL_FORMAT_KEY_VALUE) return -EINVAL;
    bool is_file = options->kind == SL_SINK_FILE;
    if (is_file && (options->path == NULL || options->path[0] == '\0')) return -EINVAL;
    if (!is_file && (options->rotate_count_max != 0 || wants_rotation(options))) return -EINVAL;
    int code = check_rotation(options);
    if (code < 0) return code;
    if (options->buffer_size > BUFFER_MAX) return -EINVAL;
    if (options->kind == SL_SINK_FD && options->fd < 0) return -EINVAL;
    if (options->kind == SL_SINK_CALLBACK && options->write == NULL) return -EINVAL;
    if (options->kind == SL_SINK_CAPTURE && options->capture == NULL) return -EINVAL;
    return 0;
}

static int descriptor_of(const struct sl_sink_options *options)
{
    switch (options->kind) {
    case SL_SINK_STDERR: return STDERR_FILENO;
    case SL_SINK_STDOUT: return STDOUT_FILENO;
    case SL_SINK_FD: return options->fd;
    case SL_SINK_FILE:
    case SL_SINK_CALLBACK:
    case SL_SINK_CAPTURE:
    case SL_SINK_JOURNAL:
    case SL_SINK_SYSLOG: break;
    }
    return -1;
}

int sl_absolute_path(char **out, const char *path)
{
    char here[4096] = "";
    if (path[0] != '/' && getcwd(here, sizeof(here) - 1) == NULL) return -errno;
    size_t front = strlen(here);
    size_t rest = strlen(path) + 1;
    if (front > 0) here[front++] = '/';
    *out = malloc(front + rest);
    if (*out == NULL) return -ENOMEM;
    memcpy(*out, here, front);
    memcpy(*out + front, path, rest);
    return 0;
}

static int open_system(struct sl_sink *sink, const struct sl_sink_options *options)
{
    const char *path = options->path;
    if (path == NULL && sink->kind == SL_SINK_JOURNAL) path = "/run/systemd/journal/socket";
    if (path == NULL) path = "/dev/log";
    int code = sl_absolute_path(&sink->path, path);
    return code < 0 ? code : sl_system_open(sink);
}

static int fill_sink(struct sl_sink *sink, const struct sl_sink_options *options, bool is_async)
{
    sink->kind = options->kind;
    sink->level = options->level;
    sink->fd = descriptor_of(options);
    sink->lock_fd = -1;
    sink->view = view_of(options, sink->fd);
    sink->write = options->write;
    sink->context = options->context;
    sink->capture = options->capture;
    struct stat status;
    if (sink->fd >= 0 && fstat(sink->fd, &status) == 0) sink->is_pipe = !S_ISREG(status.st_mode);
    sink->batch_size = options->buffer_size;
    if (options->buffer_size > 0 && options->kind <= SL_SINK_FILE && !is_async) {
        sink->buffer_size = options->buffer_size < BUFFER_MIN ? BUFFER_MIN : options->buffer_size;
        sink->buffer = malloc(sink->buffer_size);
        if (sink->buffer == NULL) return -ENOMEM;
    }
    if (is_system(sink)) return open_system(sink, options);
    if (options->kind != SL_SINK_FILE) return 0;
    int code = sl_absolute_path(&sink->path, options->path);
    if (code < 0) return code;
    sink->rotate_size_max = options->rotate_size_max;
    sink->rotate_count_max = options->rotate_count_max == 0 ? 5 : options->rotate_count_max;
    sink->rotate_interval_s = options->rotate_interval_s;
    sink->rotate_offset_s = options->rotate_offset_s;
    sink->rotate_age_max_s = options->rotate_age_max_s;
    sink->rotate_total_size_max = options->rotate_total_size_max;
    sink->is_compressing = options->rotate_compression == SL_COMPRESSION_GZIP;
    code = sl_file_open(sink);
    if (code == 0 && sink->is_compressing) sl_archive_start(sink); /* what a crash left behind */
    return code;
}

int sl_sink_new(struct sl_sink **out, const struct sl_sink_options *options, bool is_async)
{
    int code = check_options(options);
    if (code < 0) return code;
    struct sl_sink *sink = calloc(1, sizeof(*sink));
    if (sink == NULL) return -ENOMEM;
    code = fill_sink(sink, options, is_async);
    if (code < 0) {
        sl_sink_free(sink);
        return code;
    }
    *out = sink;
    return 0;
}

/* A disk that is full gets one more second; then what is left is lost. */
static void flush_at_last(struct sl_sink *sink)
{
    int64_t until = now_ms() + CLOSE_WAIT_MS;
    struct timespec pause = { 0, BUFFER_RETRY_MS * 1000000 };
    (void)sl_sink_flush(sink);
    while (sink->buffer_used > 0 && now_ms() < until) {
        (void)nanosleep(&pause, NULL);
        (void)sl_sink_flush(sink);
    }
    if (sink->buffer_lines > 0) sl_count(SL_COUNTER_LOST, sink->buffer_lines);
}

void sl_sink_free(struct sl_sink *sink)
{
    if (sink == NULL) return;
    if (sink->buffer != NULL) flush_at_last(sink);
    if (sink->kind == SL_SINK_FILE) sl_file_close(sink);
    if (is_system(sink) && sink->fd >= 0) (void)close(sink->fd);
    free(sink->buffer);
    free(sink->path);
    free(sink);
}
