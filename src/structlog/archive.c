/* archive.c - old files of a rotating path become path.N.gz, by a thread of its own.
 *
 * WHICH     path.2 and older: path.1 stays as it is, for tails and shippers that lag a little.
 *           Only a file on which no writer holds its lock (see HELD in file.c), so no line can come
 *           to it any more; one that is held has its turn after the next rotation.
 * WHOLE     The bytes go into .<name>.gz.tmp, which is synced; then, under the lock of rotation, it
 *           is renamed to path.N.gz, N being what the file has become meanwhile; the directory is
 *           synced; then path.N is deleted. So at any moment one of the two is there and whole.
 *           Both are there when the process died between the two steps: then it is done again.
 * ALONE     Who has the record lock of .<name>.gz.tmp compresses, of all processes. That lock falls
 *           with the process and is not inherited by its children, as that of flock(2) would be.
 * COST      The thread runs with nice 5 below the program and ends when there is nothing left.
 */
#include "structlog/sink.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(SL_WITH_ZLIB)

#include <zlib.h>

#define JOB_COUNT     8 /* paths that wait; more than that ask again at their next rotation */
#define ARCHIVE_STACK (256u << 10)
#define ARCHIVE_CHUNK (64u << 10)
#define ARCHIVE_NICE  5
#define GZIP_WINDOW   (15 + 16) /* zlib: the largest, with gzip's head */
#define GZIP_MEMORY   8

bool sl_archive_is_there(void)
{
    return true;
}

/* ---- one file ---- */

struct job {
    char *path;
    unsigned count_max;
};

struct archive {
    const struct job *job;
    int from, to;
    struct stat status; /* of `from` */
    char temporary[SL_PATH_SIZE];
    unsigned char in[ARCHIVE_CHUNK], out[ARCHIVE_CHUNK];
};

static int write_whole(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written == 0 ? -EIO : -errno;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* What the stream has for the input it was given, into the file. */
static int pump(struct archive *archive, z_stream *stream, int flush)
{
    do {
        stream->next_out = archive->out;
        stream->avail_out = ARCHIVE_CHUNK;
        if (deflate(stream, flush) == Z_STREAM_ERROR) return -EIO;
        int code = write_whole(archive->to, archive->out, ARCHIVE_CHUNK - stream->avail_out);
        if (code < 0) return code;
    } while (stream->avail_out == 0);
    return 0;
}

static int compress_all(struct archive *archive)
{
    z_stream stream = { .zalloc = Z_NULL, .zfree = Z_NULL, .opaque = Z_NULL };
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return -ENOMEM;
    }
    int code = 0;
    ssize_t size = 1;
    while (code == 0 && size > 0) {
        size = read(archive->from, archive->in, ARCHIVE_CHUNK);
        if (size < 0 && errno == EINTR) {
            size = 1;
            continue;
        }
        if (size < 0) code = -errno;
        stream.next_in = archive->in;
        stream.avail_in = size > 0 ? (unsigned)size : 0;
        if (code == 0) code = pump(archive, &stream, size == 0 ? Z_FINISH : Z_NO_FLUSH);
    }
    (void)deflateEnd(&stream);
    return code;
}

static int lock_side(const char *path)
{
    char side[SL_PATH_SIZE];
    if (!sl_side_path(side, path, ".lock")) return -1;
    int fd = open(side, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static void unlock_side(int fd)
{
    (void)flock(fd, LOCK_UN); /* a child may have the descriptor too */
    (void)close(fd);
}

/* The number that the file has now; 0: it is gone. */
static unsigned number_of(const struct archive *archive)
{
    for (unsigned number = 1; number <= archive->job->count_max; number++) {
        char path[SL_PATH_SIZE];
        struct stat status;
        sl_numbered_path(path, archive->job->path, number, false);
        if (stat(path, &status) == 0 && status.st_ino == archive->status.st_ino &&
            status.st_dev == archive->status.st_dev) {
            return number;
        }
    }
    return 0;
}

static void sync_directory(const char *path)
{
    char directory[SL_PATH_SIZE];
    size_t size = (size_t)(sl_basename(path) - path);
    memcpy(directory, path, size);
    memcpy(directory + size, ".", 2);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) (void)fsync(fd);
    if (fd >= 0) (void)close(fd);
}

static int put_in_place(const struct archive *archive)
{
    char plain[SL_PATH_SIZE];
    char packed[SL_PATH_SIZE];
    int side = lock_side(archive->job->path);
    unsigned number = side < 0 ? 0 : number_of(archive);
    int code = number == 0 ? -ENOENT : 0; /* deleted meanwhile */
    if (number > 0) {
        sl_numbered_path(packed, archive->job->path, number, true);
        if (rename(archive->temporary, packed) != 0) code = -errno;
    }
    if (side >= 0) unlock_side(side);
    if (code < 0) return code;
    sync_directory(archive->job->path);
    side = lock_side(archive->job->path);
    number = side < 0 ? 0 : number_of(archive);
    if (number > 0) {
        sl_numbered_path(plain, archive->job->path, number, false);
        if (unlink(plain) != 0) code = -errno;
    }
    if (side >= 0) unlock_side(side);
    return code;
}

static int archive_file(struct archive *archive)
{
    if (ftruncate(archive->to, 0) != 0 || lseek(archive->to, 0, SEEK_SET) != 0) return -errno;
    int code = compress_all(archive);
    if (code < 0) return code;
    struct timespec times[2] = { archive->status.st_atim, archive->status.st_mtim };
    (void)futimens(archive->to, times); /* its age is that of its last line */
    (void)fchmod(archive->to, archive->status.st_mode & 0777);
    if (fsync(archive->to) != 0) return -errno;
    return put_in_place(archive);
}

/* ---- one path ---- */

/* The file that all compressors write to, locked; -1: another is at it. */
static int open_temporary(struct archive *archive)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct stat mine;
    struct stat named;
    if (!sl_side_path(archive->temporary, archive->job->path, ".gz.tmp")) return -1;
    int fd = open(archive->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    /* It may have been put in its place before the lock was ours. */
    if (fcntl(fd, F_SETLK, &all) == 0 && fstat(fd, &mine) == 0 &&
        stat(archive->temporary, &named) == 0 && mine.st_ino == named.st_ino) {
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* Opens path.N if there is one to which no line can come. */
static bool take_file(struct archive *archive, unsigned number)
{
    char path[SL_PATH_SIZE];
    sl_numbered_path(path, archive->job->path, number, false);
    archive->from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (archive->from < 0) return false;
    if (flock(archive->from, LOCK_EX | LOCK_NB) == 0) {
        if (fstat(archive->from, &archive->status) == 0 && S_ISREG(archive->status.st_mode) &&
            archive->status.st_nlink == 1) {
            return true;
        }
        (void)flock(archive->from, LOCK_UN);
    }
    (void)close(archive->from);
    return false;
}

static void leave_file(const struct archive *archive)
{
    (void)flock(archive->from, LOCK_UN);
    (void)close(archive->from);
}

/* False: nothing more to do, or it cannot be done now. */
static bool archive_next(struct archive *archive, unsigned *number)
{
    while (*number >= 2 && !take_file(archive, *number)) *number -= 1;
    if (*number < 2) return false;
    archive->to = open_temporary(archive);
    int code = archive->to < 0 ? -EBUSY : archive_file(archive);
    if (archive->to >= 0) {
        if (code < 0) (void)unlink(archive->temporary);
        (void)close(archive->to);
    }
    leave_file(archive);
    if (code == 0) sl_count(SL_COUNTER_COMPRESSED, 1);
    if (code < 0 && code != -EBUSY && code != -ENOENT) {
        sl_count(SL_COUNTER_COMPRESSION_FAILED, 1);
    }
    /* Numbers may have grown meanwhile: from the oldest again, for each time there is one less. */
    *number = archive->job->count_max;
    return code == 0 || code == -ENOENT;
}

static void archive_path(const struct job *job)
{
    struct archive *archive = malloc(sizeof(*archive));
    if (archive == NULL) return;
    archive->job = job;
    unsigned number = job->count_max;
    while (archive_next(archive, &number)) {
    }
    free(archive);
}

/* ---- the thread ---- */

static struct {
    struct sl_mutex lock;
    bool is_running;
    unsigned count;
    struct job jobs[JOB_COUNT];
} queue;

static void *run_jobs(void *data)
{
    (void)data;
    (void)pthread_setname_np(pthread_self(), "structlog-gzip");
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid),
                      getpriority(PRIO_PROCESS, 0) + ARCHIVE_NICE);
    sl_mutex_lock(&queue.lock);
    while (queue.count > 0) {
        struct job job = queue.jobs[0];
        queue.count--;
        memmove(queue.jobs, queue.jobs + 1, queue.count * sizeof(queue.jobs[0]));
        sl_mutex_unlock(&queue.lock);
        archive_path(&job);
        free(job.path);
        sl_mutex_lock(&queue.lock);
    }
    queue.is_running = false;
    sl_mutex_unlock(&queue.lock);
    return NULL;
}

static bool start_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    if (pthread_attr_init(&attributes) != 0) return false;
    (void)pthread_attr_setstacksize(&attributes, ARCHIVE_STACK);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all); /* the program's handlers run on its own threads */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_create(&thread, &attributes, run_jobs, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return is_started;
}

static bool is_queued(const char *path)
{
    for (unsigned i = 0; i < queue.count; i++) {
        if (strcmp(queue.jobs[i].path, path) == 0) return true;
    }
    return false;
}

void sl_archive_start(const struct sl_sink *sink)
{
    int saved = errno;
    if (strlen(sink->path) + SL_PATH_EXTRA > SL_PATH_SIZE) return;
    sl_mutex_lock(&queue.lock);
    if (queue.count < JOB_COUNT && !is_queued(sink->path)) {
        char *path = strdup(sink->path);
        if (path != NULL) {
            queue.jobs[queue.count++] = (struct job){ path, sink->rotate_count_max };
        }
    }
    if (queue.count > 0 && !queue.is_running) queue.is_running = start_thread();
    sl_mutex_unlock(&queue.lock);
    errno = saved;
}

void sl_archive_before_fork(void)
{
    sl_mutex_lock(&queue.lock);
}

/* The thread is the parent's, as what it was told. */
void sl_archive_after_fork(bool is_child)
{
    while (is_child && queue.count > 0) free(queue.jobs[--queue.count].path);
    if (is_child) queue.is_running = false;
    sl_mutex_unlock(&queue.lock);
}

#else

bool sl_archive_is_there(void)
{
    return false;
}

void sl_archive_start(const struct sl_sink *sink)
{
    (void)sink;
}

void sl_archive_before_fork(void) {}

void sl_archive_after_fork(bool is_child)
{
    (void)is_child;
}

#endif
