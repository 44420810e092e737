/* bridge_fd.c - a pipe in place of stdout or stderr, and a thread that makes its lines events.
 *
 *   writers --> fd 2 = pipe --> thread: cut at LF --> sl_log_fields --> sinks
 *                                        sinks of fd 2 --> sl_real_fd(2): what 2 was before
 *
 * The descriptor that was there before is kept open for good once it is made: a sink may be about
 * to write to it while the bridge ends. So there is at most one such descriptor for each.
 */
#include "structlog/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_SIZE    8192
#define PIPE_SIZE    (1 << 20)
#define IDLE_WAIT_MS 1000 /* a line without its end is an event after that */
#define FD_COUNT     3

struct sl_bridge {
    int fd;
    int reading;     /* of the pipe; does not block */
    int stopping[2]; /* a byte at [1] ends the thread; a fork may hold it open, so no close */
    int level;
    struct sl_logger *log;
    pthread_t thread;
    pid_t process; /* a fork has no thread */
    size_t used;
    char line[LINE_SIZE];
};

/* What a descriptor was before it was bridged; 0: never bridged. Set once, under sl_lock. */
static int kept_fds[FD_COUNT];
/* kept_fds while the bridge stands, else 0; read by whoever writes to a sink. */
static int moved_fds[FD_COUNT];
static struct sl_bridge *bridges[FD_COUNT]; /* under sl_lock */

int sl_real_fd(int fd)
{
    if (fd <= 0 || fd >= FD_COUNT) return fd;
    int moved = __atomic_load_n(&moved_fds[fd], __ATOMIC_ACQUIRE);
    return moved > 0 ? moved : fd;
}

static void put_event(struct sl_bridge *bridge, const char *line, size_t size)
{
    if (size > 0 && line[size - 1] == '\r') size--;
    if (size == 0) return;
    sl_log_fields(bridge->log, bridge->level, sl_strn(line, size), NULL, 0);
}

static void put_rest(struct sl_bridge *bridge)
{
    put_event(bridge, bridge->line, bridge->used);
    bridge->used = 0;
}

/* Whole lines become events; what has no end yet moves to the front. */
static void cut_lines(struct sl_bridge *bridge)
{
    const char *from = bridge->line;
    const char *end = bridge->line + bridge->used;
    const char *feed;
    while ((feed = memchr(from, '\n', (size_t)(end - from))) != NULL) {
        put_event(bridge, from, (size_t)(feed - from));
        from = feed + 1;
    }
    bridge->used = (size_t)(end - from);
    memmove(bridge->line, from, bridge->used);
    if (bridge->used == LINE_SIZE) put_rest(bridge);
}

/* Until the pipe is empty; false when nobody can write to it any more. */
static bool read_pipe(struct sl_bridge *bridge)
{
    for (;;) {
        ssize_t got = read(bridge->reading, bridge->line + bridge->used, LINE_SIZE - bridge->used);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 && errno == EAGAIN;
        bridge->used += (size_t)got;
        cut_lines(bridge);
    }
}

static void *follow_bridge(void *argument)
{
    struct sl_bridge *bridge = argument;
    struct pollfd wanted[2] = { { .fd = bridge->reading, .events = POLLIN },
                                { .fd = bridge->stopping[0], .events = POLLIN } };
    bool is_open = true;
    while (is_open) {
        int ready = poll(wanted, 2, bridge->used > 0 ? IDLE_WAIT_MS : -1);
        if (ready < 0 && errno != EINTR) break;
        if (ready == 0) put_rest(bridge);
        is_open = read_pipe(bridge);
        if (wanted[1].revents != 0) break;
    }
    (void)read_pipe(bridge);
    put_rest(bridge);
    return NULL;
}

static void bridge_free(struct sl_bridge *bridge)
{
    if (bridge->reading >= 0) (void)close(bridge->reading);
    for (int i = 0; i < 2; i++) {
        if (bridge->stopping[i] >= 0) (void)close(bridge->stopping[i]);
    }
    sl_unref(bridge->log);
    free(bridge);
}

/* The thread takes no signal of the program's. */
static int start_bridge_thread(struct sl_bridge *bridge)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&bridge->thread, NULL, follow_bridge, bridge);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -failure;
}

/* Under sl_lock. The pipe stands, then `fd` leads into it. */
static int put_in_place_locked(struct sl_bridge *bridge)
{
    int fd = bridge->fd;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    bridge->reading = ends[0];
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE);
    int kept = kept_fds[fd];
    int code = 0;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) code = -errno;
    if (code == 0 && kept == 0) kept = fcntl(fd, F_DUPFD_CLOEXEC, FD_COUNT);
    if (code == 0 && kept != kept_fds[fd] && kept < 0) code = -errno;
    if (code == 0 && kept_fds[fd] != 0 && dup3(fd, kept, O_CLOEXEC) < 0) code = -errno;
    if (code == 0) code = start_bridge_thread(bridge);
    if (code == 0) {
        kept_fds[fd] = kept;
        __atomic_store_n(&moved_fds[fd], kept, __ATOMIC_RELEASE);
        (void)dup2(ends[1], fd); /* both are open: cannot fail but for EINTR, which Linux has not */
        bridges[fd] = bridge;
    }
    (void)close(ends[1]);
    return code;
}

static void stop_bridges(void)
{
    for (int fd = 1; fd < FD_COUNT; fd++) {
        (void)pthread_mutex_lock(&sl_lock);
        struct sl_bridge *bridge = bridges[fd];
        (void)pthread_mutex_unlock(&sl_lock);
        sl_bridge_stop(bridge);
    }
}

static void stop_bridges_at_exit(void)
{
    (void)atexit(stop_bridges);
}

int sl_bridge_start(struct sl_bridge **bridge_out, int fd, struct sl_logger *log, int level)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) return -EINVAL;
    sl_start(); /* its exit handler must run after ours */
    (void)pthread_once(&once, stop_bridges_at_exit);
    struct sl_bridge *bridge = calloc(1, sizeof(*bridge));
    if (bridge == NULL) return -ENOMEM;
    bridge->fd = fd;
    bridge->reading = bridge->stopping[0] = bridge->stopping[1] = -1;
    bridge->level = level;
    bridge->log = sl_ref(log);
    bridge->process = getpid();
    int code = pipe2(bridge->stopping, O_CLOEXEC) != 0 ? -errno : 0;
    (void)pthread_mutex_lock(&sl_lock);
    if (code == 0 && bridges[fd] != NULL && bridges[fd]->process == bridge->process) code = -EBUSY;
    if (code == 0) code = put_in_place_locked(bridge);
    (void)pthread_mutex_unlock(&sl_lock);
    if (code < 0) {
        bridge_free(bridge);
        return code;
    }
    *bridge_out = bridge;
    return 0;
}

void sl_bridge_stop(struct sl_bridge *bridge)
{
    if (bridge == NULL) return;
    int fd = bridge->fd;
    (void)pthread_mutex_lock(&sl_lock);
    if (bridges[fd] == bridge) {
        (void)dup2(kept_fds[fd], fd);
        __atomic_store_n(&moved_fds[fd], 0, __ATOMIC_RELEASE);
        bridges[fd] = NULL;
    }
    (void)pthread_mutex_unlock(&sl_lock);
    /* In a child that was forked meanwhile: thread, and what is in the pipe, are the parent's. */
    if (bridge->process == getpid()) {
        while (write(bridge->stopping[1], "", 1) < 0 && errno == EINTR) continue;
        (void)pthread_join(bridge->thread, NULL);
    }
    bridge_free(bridge);
}
