/* file.c - a file that several processes append to, and that one of them at a time rotates.
 *
 * APPEND    Every writer has the file open with O_APPEND and writes whole lines with one write(2):
 *           the kernel puts each behind the last.
 * ROTATION  The writers of a rotating path share a page, .<name>.lock beside it: a generation that
 *           grows with each rotation, and the bytes written. So each knows the true size and that
 *           another has rotated by looking at memory, not by a system call per line. Who finds the
 *           file full takes flock on that same file, looks again (another may have been faster),
 *           renames path.N-1 to path.N, ..., path to path.1, opens path anew, sets size and
 *           generation. A writer that was about to write meanwhile still has the old file, now
 *           path.1: its line is whole and kept, and with the next one it follows.
 * CRASH     flock falls with its holder. A writer that dies between rename and generation leaves
 *           the others in path.1; they find out within CHECK_SECONDS, by comparing inodes. The
 *           size is only a hint; it is set right at each check.
 * OUTSIDE   logrotate and the like: the same check, or sl_reopen from the SIGHUP handler.
 */
#include "structlog/sink.h"

#include "structlog/number.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_SECONDS   1                            /* between looks at what the path names */
#define BACK_OFF        1                            /* seconds, after a rotation that failed */
#define SHARED_MAGIC    UINT64_C(0x31676f6c74727473) /* "strtlog1" */
#define PATH_TEXT_MAX   4096
#define SHARED_MAP_SIZE 4096

static uint32_t reopen_wish;

void sl_reopen(void)
{
    (void)__atomic_fetch_add(&reopen_wish, 1, __ATOMIC_RELAXED);
}

/* ---- the shared page ---- */

static bool side_path(char *to, size_t size, const char *path)
{
    const char *base = sl_basename(path);
    size_t front = (size_t)(base - path);
    size_t rest = strlen(base);
    if (front + rest + 7 > size) return false;
    memcpy(to, path, front);
    to[front] = '.';
    memcpy(to + front + 1, base, rest);
    memcpy(to + front + 1 + rest, ".lock", 6);
    return true;
}

/* Without a shared page (a read-only directory, a file system without mmap) this process keeps its
 * own and the others are found by the check of inodes. */
static int open_shared(struct sl_sink *sink)
{
    char path[PATH_TEXT_MAX];
    if (!side_path(path, sizeof(path), sink->path)) return -ENAMETOOLONG;
    sink->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    void *page = MAP_FAILED;
    if (sink->lock_fd >= 0 && ftruncate(sink->lock_fd, SHARED_MAP_SIZE) == 0) {
        page = mmap(NULL, SHARED_MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, sink->lock_fd, 0);
    }
    if (page == MAP_FAILED) {
        sink->shared = calloc(1, sizeof(*sink->shared));
        sink->shared_is_private = true;
        return sink->shared == NULL ? -ENOMEM : 0;
    }
    sink->shared = page;
    uint64_t empty = 0;
    (void)__atomic_compare_exchange_n(&sink->shared->magic, &empty, SHARED_MAGIC, false,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return 0;
}

static void close_shared(struct sl_sink *sink)
{
    if (sink->shared_is_private) {
        free(sink->shared);
    } else if (sink->shared != NULL) {
        (void)munmap(sink->shared, SHARED_MAP_SIZE);
    }
    if (sink->lock_fd >= 0) (void)close(sink->lock_fd);
    sink->shared = NULL;
    sink->lock_fd = -1;
}

/* ---- opening ---- */

/* Opens path; on failure fd stays what it was. */
static int open_path(struct sl_sink *sink)
{
    uint64_t generation = 0;
    if (sink->shared != NULL) {
        /* Acquire: read before the open, so that a rotation in between is noticed, not missed. */
        generation = __atomic_load_n(&sink->shared->generation, __ATOMIC_ACQUIRE);
    }
    int fd = open(sink->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0) return -errno;
    struct stat status;
    if (fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
        (void)close(fd);
        return -EISDIR;
    }
    if (sink->fd >= 0) (void)close(sink->fd);
    sink->fd = fd;
    sink->is_pipe = !S_ISREG(status.st_mode);
    sink->device = status.st_dev;
    sink->inode = status.st_ino;
    sink->generation = generation;
    if (sink->shared != NULL) {
        __atomic_store_n(&sink->shared->size, (uint64_t)status.st_size, __ATOMIC_RELAXED);
    }
    return 0;
}

int sl_file_open(struct sl_sink *sink)
{
    sink->reopened = __atomic_load_n(&reopen_wish, __ATOMIC_RELAXED);
    int code = sink->rotate_size_max > 0 ? open_shared(sink) : 0;
    return code < 0 ? code : open_path(sink);
}

void sl_file_close(struct sl_sink *sink)
{
    if (sink->fd >= 0) (void)close(sink->fd);
    sink->fd = -1;
    close_shared(sink);
}

/* ---- rotating ---- */

static void put_numbered(char *to, const char *path, size_t path_size, unsigned number)
{
    memcpy(to, path, path_size);
    to[path_size] = '.';
    *sl_put_uint(to + path_size + 1, number) = '\0';
}

static int shift_files(const struct sl_sink *sink)
{
    char older[PATH_TEXT_MAX];
    char younger[PATH_TEXT_MAX];
    size_t size = strlen(sink->path);
    if (size + 16 > sizeof(older)) return -ENAMETOOLONG;
    for (unsigned number = sink->rotate_count_max; number > 1; number--) {
        put_numbered(older, sink->path, size, number);
        put_numbered(younger, sink->path, size, number - 1);
        if (rename(younger, older) != 0 && errno != ENOENT) return -errno;
    }
    put_numbered(older, sink->path, size, 1);
    return rename(sink->path, older) == 0 || errno == ENOENT ? 0 : -errno;
}

static bool lock_side(struct sl_sink *sink)
{
    if (sink->is_lock_inherited) { /* flock belongs to the open file, which is the parent's too */
        char path[PATH_TEXT_MAX];
        int fd = side_path(path, sizeof(path), sink->path) ? open(path, O_RDWR | O_CLOEXEC) : -1;
        (void)close(sink->lock_fd);
        sink->lock_fd = fd;
        sink->is_lock_inherited = false;
    }
    if (sink->lock_fd < 0) return false;
    int code = flock(sink->lock_fd, LOCK_EX);
    while (code != 0 && errno == EINTR) code = flock(sink->lock_fd, LOCK_EX);
    return code == 0;
}

static bool is_moved(const struct sl_sink *sink)
{
    struct stat status;
    if (stat(sink->path, &status) != 0) return true;
    return status.st_dev != sink->device || status.st_ino != sink->inode;
}

static uint64_t true_size(const struct sl_sink *sink)
{
    struct stat status;
    return fstat(sink->fd, &status) == 0 && status.st_size > 0 ? (uint64_t)status.st_size : 0;
}

/* Alone among the writers of this path, or as alone as can be had. */
static void rotate_locked(struct sl_sink *sink, size_t size, time_t second)
{
    if (is_moved(sink)) { /* another was faster */
        (void)open_path(sink);
        return;
    }
    uint64_t used = true_size(sink);
    __atomic_store_n(&sink->shared->size, used, __ATOMIC_RELAXED);
    if (used == 0 || used + size <= sink->rotate_size_max) return;
    int code = shift_files(sink);
    if (code == 0) code = open_path(sink);
    if (code < 0) { /* go on in the old file rather than lose lines */
        sink->rotate_not_before = second + BACK_OFF;
        return;
    }
    sl_count(SL_COUNTER_ROTATION, 1);
    /* Release: who sees the new generation finds the new file under the path. */
    sink->generation = __atomic_add_fetch(&sink->shared->generation, 1, __ATOMIC_RELEASE);
}

static void rotate(struct sl_sink *sink, size_t size, time_t second)
{
    bool is_locked = lock_side(sink);
    rotate_locked(sink, size, second);
    if (is_locked) (void)flock(sink->lock_fd, LOCK_UN);
}

static void look(struct sl_sink *sink, time_t second)
{
    sink->checked = second;
    if (sink->fd < 0 || is_moved(sink)) {
        int code = open_path(sink);
        if (code < 0) sink->failure = -code;
    } else if (sink->shared != NULL) {
        __atomic_store_n(&sink->shared->size, true_size(sink), __ATOMIC_RELAXED);
    }
}

void sl_file_prepare(struct sl_sink *sink, size_t size, time_t second)
{
    uint32_t wish = __atomic_load_n(&reopen_wish, __ATOMIC_RELAXED);
    if (SL_UNLIKELY(wish != sink->reopened)) {
        sink->reopened = wish;
        (void)open_path(sink);
    }
    if (second - sink->checked >= CHECK_SECONDS || second < sink->checked) look(sink, second);
    const struct sl_shared *shared = sink->shared;
    if (shared == NULL || sink->fd < 0 || sink->is_pipe) return;
    if (__atomic_load_n(&shared->generation, __ATOMIC_ACQUIRE) != sink->generation) {
        (void)open_path(sink);
    }
    uint64_t used = __atomic_load_n(&shared->size, __ATOMIC_RELAXED);
    if (used == 0 || used + size <= sink->rotate_size_max) return;
    if (second >= sink->rotate_not_before) rotate(sink, size, second);
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
