/* file.c - a file that several processes append to: opening it, following its path, mending it.
 *
 * APPEND    Every writer has the file open with O_APPEND and writes whole lines with one write(2):
 *           the kernel puts each behind the last.
 * HELD      A writer of a path that somebody rotates (there is a .<name>.lock) holds flock(LOCK_SH)
 *           on the file itself as long as it has it open. It is only the current file's when, after
 *           that, the path still names it. So an old file on which nobody holds a lock is one to
 *           which no line can come any more, and may be compressed. A path that nobody rotates is
 *           not locked: others may use such locks on it for ends of their own.
 * OUTSIDE   logrotate and the like: within CHECK_SECONDS, or at once after sl_reopen from the
 *           SIGHUP handler. Rotation by the writers themselves: rotate.c.
 */
#include "structlog/sink.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_SECONDS 1  /* between looks at what the path names */
#define PRUNE_SECONDS 60 /* between looks for old files that are too old */
#define OPEN_TRIES    16 /* while others rotate */

static uint32_t reopen_wish;

void sl_reopen(void)
{
    (void)__atomic_fetch_add(&reopen_wish, 1, __ATOMIC_RELAXED);
}

/* ---- opening ---- */

bool sl_file_is_moved(const struct sl_sink *sink)
{
    struct stat status;
    if (stat(sink->path, &status) != 0) return true;
    return status.st_dev != sink->device || status.st_ino != sink->inode;
}

/* See HELD. A file system without such locks has none that is compressed either. False: the file
 * was moved away meanwhile. */
static bool hold(const struct sl_sink *sink, int fd, const struct stat *status)
{
    char side[SL_PATH_SIZE];
    bool rotates = sink->shared != NULL ||
                   (sl_side_path(side, sink->path, ".lock") && access(side, F_OK) == 0);
    if (!rotates) return true;
    (void)flock(fd, LOCK_SH | LOCK_NB); /* refused: a stranger's lock, or that of a compressor */
    struct stat now;
    return stat(sink->path, &now) == 0 && now.st_dev == status->st_dev &&
           now.st_ino == status->st_ino;
}

int sl_file_open_path(struct sl_sink *sink)
{
    struct stat status;
    uint64_t generation = 0;
    int fd = -1;
    for (int tries = 0; fd < 0; tries++) {
        if (sink->shared != NULL) {
            /* Acquire: read before the open, so that a rotation in between is noticed. */
            generation = __atomic_load_n(&sink->shared->generation, __ATOMIC_ACQUIRE);
        }
        fd = open(sink->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
        if (fd < 0) return -errno;
        if (fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
            (void)close(fd);
            return -EISDIR;
        }
        if (!S_ISREG(status.st_mode) || hold(sink, fd, &status) || tries == OPEN_TRIES) break;
        (void)close(fd);
        fd = -1;
    }
    bool is_other = sink->fd < 0 || sink->device != status.st_dev || sink->inode != status.st_ino;
    if (sink->fd >= 0) (void)close(sink->fd);
    sink->fd = fd;
    sink->is_pipe = !S_ISREG(status.st_mode);
    sink->device = status.st_dev;
    sink->inode = status.st_ino;
    if (sink->shared != NULL) {
        /* New to us, not because we rotated: of which interval its lines are is not known. */
        if (is_other && sink->generation == generation) {
            __atomic_store_n(&sink->shared->begun, 0, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&sink->shared->size, (uint64_t)status.st_size, __ATOMIC_RELAXED);
    }
    sink->generation = generation;
    return 0;
}

int sl_file_open(struct sl_sink *sink)
{
    sink->reopened = __atomic_load_n(&reopen_wish, __ATOMIC_RELAXED);
    int code = sl_rotate_open(sink);
    if (code < 0) return code;
    if (sink->shared != NULL) {
        sink->generation = __atomic_load_n(&sink->shared->generation, __ATOMIC_ACQUIRE);
    }
    return sl_file_open_path(sink);
}

void sl_file_close(struct sl_sink *sink)
{
    if (sink->fd >= 0) (void)close(sink->fd);
    sink->fd = -1;
    sl_rotate_close(sink);
}

/* ---- following ---- */

static void look(struct sl_sink *sink, time_t second)
{
    struct stat status;
    sink->checked = second;
    if (sink->fd < 0 || sl_file_is_moved(sink)) {
        int code = sl_file_open_path(sink);
        if (code < 0) sink->failure = -code;
    } else if (sink->shared != NULL && fstat(sink->fd, &status) == 0) {
        __atomic_store_n(&sink->shared->size, (uint64_t)status.st_size, __ATOMIC_RELAXED);
    }
    if (sink->rotate_age_max_s == 0) return;
    if (second - sink->pruned >= PRUNE_SECONDS || second < sink->pruned) {
        sl_rotate_prune(sink, second);
    }
}

void sl_file_prepare(struct sl_sink *sink, size_t size, time_t second)
{
    uint32_t wish = __atomic_load_n(&reopen_wish, __ATOMIC_RELAXED);
    if (SL_UNLIKELY(wish != sink->reopened)) {
        sink->reopened = wish;
        (void)sl_file_open_path(sink);
    }
    if (second - sink->checked >= CHECK_SECONDS || second < sink->checked) look(sink, second);
    const struct sl_shared *shared = sink->shared;
    if (shared == NULL || sink->fd < 0 || sink->is_pipe) return;
    if (__atomic_load_n(&shared->generation, __ATOMIC_ACQUIRE) != sink->generation) {
        (void)sl_file_open_path(sink);
    }
    if (SL_UNLIKELY(sl_rotate_is_due(sink, size, second))) sl_rotate(sink, size, second);
}

/* ---- mending ---- */

/* The offset of an O_APPEND descriptor stands behind what it wrote last. pwrite on it would append,
 * so O_APPEND goes off for a moment; all writers of this descriptor are behind the sink's lock. */
void sl_file_blank_out(struct sl_sink *sink, size_t size)
{
    int flags = fcntl(sink->fd, F_GETFL);
    off_t end = lseek(sink->fd, 0, SEEK_CUR);
    if (flags < 0 || end < (off_t)size) return;
    if (fcntl(sink->fd, F_SETFL, flags & ~O_APPEND) != 0) return;
    char blanks[512];
    memset(blanks, ' ', sizeof(blanks));
    off_t at = end - (off_t)size;
    while (at < end) {
        size_t part = (size_t)(end - at) < sizeof(blanks) ? (size_t)(end - at) : sizeof(blanks);
        if (at + (off_t)part == end) blanks[part - 1] = '\n';
        ssize_t written = pwrite(sink->fd, blanks, part, at);
        if (written <= 0 && errno != EINTR) break;
        if (written > 0) at += written;
        blanks[part - 1] = ' ';
    }
    (void)fcntl(sink->fd, F_SETFL, flags);
}
