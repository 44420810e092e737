/* rotate.c - old files: when the current one becomes path.1, and which are kept for how long.
 *
 * TOGETHER  The writers of a rotating path share a page, .<name>.lock beside it: a generation that
 *           grows with each rotation, the bytes written, the interval of the first line. So each
 *           knows the true size and that another has rotated by looking at memory, not by a system
 *           call per line. Who finds the file full takes flock on that same file, looks again
 *           (another may have been faster), renames path.N-1 to path.N, ..., path to path.1, opens
 *           path anew, sets size and generation. A writer that was about to write meanwhile still
 *           has the old file, now path.1: its line is whole and kept, and with the next one it
 *           follows.
 * CRASH     flock falls with its holder. A writer that dies between rename and generation leaves
 *           the others in path.1; they find out within a second, by comparing inodes. The size is
 *           only a hint; it is set right at each check.
 * TIME      Intervals are multiples of their length since 1970 in UTC, moved by an offset. With the
 *           first line of a later interval than that of the file's first line the file is rotated;
 *           an empty file never, so an interval without lines leaves none.
 * CLOCK     One that is set back rotates nothing: the file goes on, and after more than an interval
 *           counts as begun in the interval that is now. One that is set forward rotates once. One
 *           that goes to and fro rotates at most once in half an interval of the time since boot.
 *           Age is the wall clock's too, but only one file goes at a time, once a minute, so that a
 *           clock that is wrong for a moment does not cost all files.
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

#define BACK_OFF        1                            /* seconds, after a rotation that failed */
#define SHARED_MAGIC    UINT64_C(0x31676f6c74727473) /* "strtlog1" */
#define SHARED_MAP_SIZE 4096

/* ---- names ---- */

bool sl_side_path(char to[SL_PATH_SIZE], const char *path, const char *suffix)
{
    const char *base = sl_basename(path);
    size_t front = (size_t)(base - path);
    size_t rest = strlen(base);
    if (front + rest + SL_PATH_EXTRA > SL_PATH_SIZE) return false;
    memcpy(to, path, front);
    to[front] = '.';
    memcpy(to + front + 1, base, rest);
    memcpy(to + front + 1 + rest, suffix, strlen(suffix) + 1);
    return true;
}

void sl_numbered_path(char to[SL_PATH_SIZE], const char *path, unsigned number, bool is_compressed)
{
    size_t size = strlen(path);
    memcpy(to, path, size);
    to[size] = '.';
    char *end = sl_put_uint(to + size + 1, number);
    memcpy(end, is_compressed ? ".gz" : "", is_compressed ? 4 : 1);
}

/* ---- the shared page ---- */

/* Without a shared page (a read-only directory, a file system without mmap) this process keeps its
 * own and the others are found by the check of inodes. */
int sl_rotate_open(struct sl_sink *sink)
{
    char path[SL_PATH_SIZE];
    if (sink->rotate_size_max == 0 && sink->rotate_interval_s == 0) return 0;
    if (!sl_side_path(path, sink->path, ".lock")) return -ENAMETOOLONG;
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

void sl_rotate_close(struct sl_sink *sink)
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

static bool lock_side(struct sl_sink *sink)
{
    if (sink->is_lock_inherited) { /* flock belongs to the open file, which is the parent's too */
        char path[SL_PATH_SIZE];
        int fd = sl_side_path(path, sink->path, ".lock") ? open(path, O_RDWR | O_CLOEXEC) : -1;
        (void)close(sink->lock_fd);
        sink->lock_fd = fd;
        sink->is_lock_inherited = false;
    }
    if (sink->lock_fd < 0) return false;
    int code = flock(sink->lock_fd, LOCK_EX);
    while (code != 0 && errno == EINTR) code = flock(sink->lock_fd, LOCK_EX);
    return code == 0;
}

static void unlock_side(const struct sl_sink *sink, bool is_locked)
{
    if (is_locked) (void)flock(sink->lock_fd, LOCK_UN);
}

/* ---- which are kept ---- */

static int move(const struct sl_sink *sink, unsigned from, bool is_compressed)
{
    char younger[SL_PATH_SIZE];
    char older[SL_PATH_SIZE];
    sl_numbered_path(younger, sink->path, from, is_compressed);
    sl_numbered_path(older, sink->path, from + 1, is_compressed);
    return rename(younger, older) == 0 || errno == ENOENT ? 0 : -errno;
}

static void delete (const struct sl_sink *sink, unsigned number, bool is_compressed)
{
    char path[SL_PATH_SIZE];
    sl_numbered_path(path, sink->path, number, is_compressed);
    (void)unlink(path);
}

/* A number has one file, plain or compressed; both, when compressing it was cut short. They move
 * together, and nothing stands where they go, for the oldest went first. */
static int shift_files(const struct sl_sink *sink)
{
    if (strlen(sink->path) + SL_PATH_EXTRA > SL_PATH_SIZE) return -ENAMETOOLONG;
    unsigned last = sink->rotate_count_max;
    delete (sink, last, true);
    if (last > 1) delete (sink, last, false); /* path.1 is replaced in one step */
    for (unsigned number = last - 1; number >= 1; number--) {
        int code = move(sink, number, false);
        if (code == 0) code = move(sink, number, true);
        if (code < 0) return code;
    }
    char first[SL_PATH_SIZE];
    sl_numbered_path(first, sink->path, 1, false);
    return rename(sink->path, first) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The bytes of all old files, the youngest first, until they are too many: the rest goes, but never
 * path.1, to which a slow writer may still bring a line. */
static void prune_by_size(const struct sl_sink *sink)
{
    uint64_t total = 0;
    for (unsigned number = 1; number <= sink->rotate_count_max; number++) {
        for (int kind = 0; kind < 2; kind++) {
            char path[SL_PATH_SIZE];
            struct stat status;
            sl_numbered_path(path, sink->path, number, kind == 1);
            if (stat(path, &status) != 0) continue;
            total += (uint64_t)status.st_size;
            if (total > sink->rotate_total_size_max && number > 1) (void)unlink(path);
        }
    }
}

static void prune_by_age(const struct sl_sink *sink, time_t second)
{
    for (unsigned number = sink->rotate_count_max; number >= 1; number--) {
        for (int kind = 0; kind < 2; kind++) {
            char path[SL_PATH_SIZE];
            struct stat status;
            sl_numbered_path(path, sink->path, number, kind == 1);
            if (stat(path, &status) != 0) continue;
            if (second - status.st_mtime > sink->rotate_age_max_s) (void)unlink(path);
            return; /* the others are younger, and their turn comes */
        }
    }
}

static void prune_locked(struct sl_sink *sink, time_t second)
{
    sink->pruned = second;
    if (sink->rotate_total_size_max > 0) prune_by_size(sink);
    if (sink->rotate_age_max_s > 0) prune_by_age(sink, second);
}

void sl_rotate_prune(struct sl_sink *sink, time_t second)
{
    if (sink->shared == NULL || sink->is_pipe) return;
    bool is_locked = lock_side(sink);
    prune_locked(sink, second);
    unlock_side(sink, is_locked);
}

/* ---- time ---- */

/* The second at which the interval of `second` began; never 0. */
static int64_t interval_start(const struct sl_sink *sink, int64_t second)
{
    int64_t passed = (second - sink->rotate_offset_s) % sink->rotate_interval_s;
    if (passed < 0) passed += sink->rotate_interval_s;
    int64_t start = second - passed;
    return start == 0 ? 1 : start;
}

static int64_t boot_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec + 1; /* 0: none */
}

/* Whether the file's lines are of an earlier interval; sets right what is known of them. */
static bool is_of_the_past(struct sl_sink *sink, time_t second, const struct stat *status)
{
    struct sl_shared *shared = sink->shared;
    int64_t start = interval_start(sink, second);
    int64_t begun = __atomic_load_n(&shared->begun, __ATOMIC_RELAXED);
    if (status->st_size == 0 || begun - start > sink->rotate_interval_s) {
        begun = start;
    } else if (begun == 0) {
        begun = interval_start(sink, status->st_mtime);
    }
    __atomic_store_n(&shared->begun, begun, __ATOMIC_RELAXED);
    if (start <= begun) return false;
    int64_t rotated = __atomic_load_n(&shared->rotated, __ATOMIC_RELAXED);
    int64_t since = boot_seconds() - rotated;
    return rotated == 0 || since < 0 || since >= sink->rotate_interval_s / 2;
}

static bool is_too_much(const struct sl_sink *sink, uint64_t used, size_t size)
{
    return sink->rotate_size_max > 0 && used > 0 && used + size > sink->rotate_size_max;
}

bool sl_rotate_is_due(struct sl_sink *sink, size_t size, time_t second)
{
    if (second < sink->rotate_not_before && sink->rotate_not_before - second <= BACK_OFF) {
        return false;
    }
    if (sink->rotate_interval_s > 0 &&
        (second >= sink->due || sink->due - second > 2 * sink->rotate_interval_s)) {
        return true; /* or so it seems */
    }
    return is_too_much(sink, __atomic_load_n(&sink->shared->size, __ATOMIC_RELAXED), size);
}

/* ---- rotating ---- */

/* Alone among the writers of this path, or as alone as can be had. */
static void rotate_locked(struct sl_sink *sink, size_t size, time_t second)
{
    struct sl_shared *shared = sink->shared;
    struct stat status;
    if (sl_file_is_moved(sink)) (void)sl_file_open_path(sink); /* another was faster */
    if (sink->fd < 0 || fstat(sink->fd, &status) != 0) return;
    __atomic_store_n(&shared->size, (uint64_t)status.st_size, __ATOMIC_RELAXED);
    bool by_time = sink->rotate_interval_s > 0 && is_of_the_past(sink, second, &status);
    if (!by_time && !is_too_much(sink, (uint64_t)status.st_size, size)) return;
    int code = shift_files(sink);
    if (code == 0) code = sl_file_open_path(sink);
    if (code < 0) { /* go on in the old file rather than lose lines */
        sink->rotate_not_before = second + BACK_OFF;
        return;
    }
    sl_count(SL_COUNTER_ROTATION, 1);
    if (sink->rotate_interval_s > 0) {
        __atomic_store_n(&shared->begun, interval_start(sink, second), __ATOMIC_RELAXED);
    }
    if (by_time) __atomic_store_n(&shared->rotated, boot_seconds(), __ATOMIC_RELAXED);
    /* Release: who sees the new generation finds the new file under the path. */
    sink->generation = __atomic_add_fetch(&shared->generation, 1, __ATOMIC_RELEASE);
    prune_locked(sink, second);
    sink->has_old_files = sink->is_compressing;
}

void sl_rotate(struct sl_sink *sink, size_t size, time_t second)
{
    bool is_locked = lock_side(sink);
    rotate_locked(sink, size, second);
    unlock_side(sink, is_locked);
    if (sink->rotate_interval_s == 0) return;
    int64_t start = interval_start(sink, second);
    bool is_behind = __atomic_load_n(&sink->shared->begun, __ATOMIC_RELAXED) < start;
    sink->due = (time_t)(is_behind ? second + BACK_OFF : start + sink->rotate_interval_s);
}
