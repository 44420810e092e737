/* async.c - the back end's thread: its life, its sleep, and those who wait for it.
 *
 * SLEEP   While there is work it goes on; then it looks every POLL_MS; after IDLE_POLLS looks in
 *         vain it says so in is_idle and sleeps until a call wakes it. A call stores its head and
 *         then reads is_idle; the back end stores is_idle and then reads the heads; so that not
 *         both miss the other, the back end makes all threads pass a barrier (membarrier) between
 *         the two, and no call pays for a fence.
 * STOP    sl_async_free asks the thread to write all and to say that it will touch nothing of this
 *         configuration any more; it ends by itself, for joining it would need what its end needs.
 */
#include "structlog/async_state.h"

#include "structlog/number.h"
#include "structlog/sink.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POLL_MS        1
#define IDLE_POLLS     100
#define IDLE_WAIT_MS   1000 /* a wake that got lost costs so much at worst */
#define STOP_WAIT_MS   10000
#define THREAD_STACK   (512u << 10)
#define RING_DEFAULT   (UINT32_C(1) << 20)
#define RINGS_DEFAULT  64u
#define TIMEOUT_MS_MAX (24 * 3600 * 1000)

/* ---- waiting ---- */

void sl_futex_wait(uint32_t *word, uint32_t seen, int timeout_ms)
{
    int saved = errno;
    struct timespec limit = { timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000 };
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, timeout_ms < 0 ? NULL : &limit, NULL,
                  0);
    errno = saved;
}

void sl_futex_wake(uint32_t *word, int count)
{
    int saved = errno;
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved;
}

int64_t sl_monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sl_async_wake(struct sl_async *async)
{
    (void)__atomic_fetch_add(&async->wake, 1, __ATOMIC_SEQ_CST);
    sl_futex_wake(&async->wake, 1);
}

/* ---- the thread ---- */

static void rest(struct sl_async *async, uint32_t seen, unsigned *idle_polls)
{
    if (++*idle_polls < IDLE_POLLS) {
        sl_futex_wait(&async->wake, seen, POLL_MS);
        return;
    }
    __atomic_store_n(&async->is_idle, 1, __ATOMIC_SEQ_CST);
    if (!sl_needs_fence) (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    if (!sl_drain_has_work(async)) sl_futex_wait(&async->wake, seen, IDLE_WAIT_MS);
    __atomic_store_n(&async->is_idle, 0, __ATOMIC_RELAXED);
    *idle_polls = 0;
}

/* One look. False when nothing was there to do. */
static bool work(struct sl_async *async)
{
    uint32_t wish = __atomic_load_n(&async->flush_wish, __ATOMIC_ACQUIRE);
    bool is_wished = wish != __atomic_load_n(&async->flush_done, __ATOMIC_RELAXED);
    bool is_stopping = __atomic_load_n(&async->stop, __ATOMIC_ACQUIRE) != 0;
    sl_mutex_lock(&async->lock);
    bool had_work = sl_drain_has_work(async);
    bool is_done = sl_drain(async, is_wished || is_stopping);
    sl_mutex_unlock(&async->lock);
    if (is_done && is_wished) {
        __atomic_store_n(&async->flush_done, wish, __ATOMIC_RELEASE);
        sl_futex_wake(&async->flush_done, INT32_MAX);
    }
    return had_work && is_done;
}

static void *backend(void *data)
{
    struct sl_async *async = data;
    unsigned idle_polls = 0;
    (void)pthread_setname_np(pthread_self(), "structlog");
    (void)sl_thread_self();
    for (;;) {
        uint32_t seen = __atomic_load_n(&async->wake, __ATOMIC_SEQ_CST);
        bool is_stopping = __atomic_load_n(&async->stop, __ATOMIC_ACQUIRE) != 0;
        bool had_work = work(async);
        if (is_stopping && !sl_drain_has_work(async)) break;
        if (had_work) {
            idle_polls = 0;
            if (!is_stopping) sl_futex_wait(&async->wake, seen, POLL_MS);
        } else {
            rest(async, seen, &idle_polls);
        }
    }
    __atomic_store_n(&async->stopped, 1, __ATOMIC_RELEASE);
    /* From here on nothing of `async` is touched: waking an address needs no memory behind it. */
    sl_futex_wake(&async->stopped, INT32_MAX);
    return NULL;
}

void sl_async_start_thread(struct sl_async *async)
{
    if (async->has_thread != 0 || async->stop != 0) return;
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    if (pthread_attr_init(&attributes) != 0) return;
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all); /* the program's handlers run on its own threads */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, &attributes, backend, async) == 0) {
        __atomic_store_n(&async->has_thread, 1, __ATOMIC_RELEASE);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
}

/* ---- flushing ---- */

static void flush_by_self(struct sl_async *async, int64_t until)
{
    bool is_done = false;
    while (!is_done && sl_monotonic_ms() < until) {
        sl_mutex_lock(&async->lock);
        is_done = sl_drain(async, true);
        sl_mutex_unlock(&async->lock);
        if (!is_done)
            sl_futex_wait(&async->wake, __atomic_load_n(&async->wake, __ATOMIC_RELAXED), POLL_MS);
    }
}

static bool is_flushed(struct sl_async *async, uint32_t ticket)
{
    return (int32_t)(__atomic_load_n(&async->flush_done, __ATOMIC_ACQUIRE) - ticket) >= 0;
}

int sl_async_flush(struct sl_async *async, int timeout_ms)
{
    int64_t until = sl_monotonic_ms() + timeout_ms;
    if (__atomic_load_n(&async->region, __ATOMIC_ACQUIRE) == NULL) return 0;
    if (__atomic_load_n(&async->has_thread, __ATOMIC_ACQUIRE) == 0) {
        flush_by_self(async, until);
        return sl_drain_has_work(async) ? -ETIMEDOUT : 0;
    }
    uint32_t ticket = __atomic_add_fetch(&async->flush_wish, 1, __ATOMIC_ACQ_REL);
    sl_async_wake(async);
    while (!is_flushed(async, ticket)) {
        uint32_t seen = __atomic_load_n(&async->flush_done, __ATOMIC_ACQUIRE);
        int64_t left = until - sl_monotonic_ms();
        if (left <= 0) return -ETIMEDOUT;
        if ((int32_t)(seen - ticket) < 0) sl_futex_wait(&async->flush_done, seen, (int)left);
    }
    return 0;
}

void sl_async_flush_in_crash(struct sl_async *async, int timeout_ms)
{
    if (__atomic_load_n(&async->has_thread, __ATOMIC_ACQUIRE) == 0) return;
    (void)sl_async_flush(async, timeout_ms); /* with a thread it takes no lock */
}

/* ---- life ---- */

static bool counter_is_good(void)
{
#if defined(__x86_64__)
    /* The kernel has judged whether all processors count alike and for ever. */
    static const char path[] = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    char text[8] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) (void)close(fd);
    return size >= 3 && memcmp(text, "tsc", 3) == 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

static int default_path(struct sl_async *async)
{
    static const char front[] = "/dev/shm/structlog.";
    const char *program = program_invocation_short_name;
    size_t size = strlen(program);
    async->path = malloc(sizeof(front) + size + 32);
    if (async->path == NULL) return -ENOMEM;
    char *to = async->path;
    memcpy(to, front, sizeof(front) - 1);
    to += sizeof(front) - 1;
    for (size_t i = 0; i < size; i++) *to++ = program[i] == '/' ? '_' : program[i];
    *to++ = '.';
    to = sl_put_int(to, getpid());
    static uint32_t next; /* a second configuration of this process */
    uint32_t number = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
    if (number > 0) {
        *to++ = '.';
        to = sl_put_uint(to, number);
    }
    memcpy(to, ".ring", 6);
    return 0;
}

static int resolve(struct sl_async *async, const struct sl_async_options *options)
{
    struct sl_async_options *own = &async->options;
    *own = *options;
    if (own->ring_size == 0) own->ring_size = RING_DEFAULT;
    if (own->ring_count == 0) own->ring_count = RINGS_DEFAULT;
    if (own->full_timeout_ms == 0) own->full_timeout_ms = 1000;
    if (own->full_level == 0) own->full_level = SL_WARN;
    if (own->retry_ms == 0) own->retry_ms = 1000;
    if ((own->ring_size & (own->ring_size - 1)) != 0 || own->ring_size < SL_RING_SIZE_MIN ||
        own->ring_size > SL_RING_SIZE_MAX || own->ring_count > SL_RING_COUNT_MAX ||
        (unsigned)own->full > SL_FULL_SYNC || own->full_timeout_ms < 0 ||
        own->full_timeout_ms > TIMEOUT_MS_MAX || own->full_level < 0 || own->retry_ms < 0 ||
        own->retry_ms > TIMEOUT_MS_MAX) {
        return -EINVAL;
    }
    if (options->path == NULL) return default_path(async);
    return sl_absolute_path(&async->path, options->path);
}

static void free_parts(struct sl_async *async)
{
    if (async->reader != NULL) sl_reader_clear(async->reader);
    free(async->reader);
    free(async->cursors);
    free(async->owners);
    free(async->path);
    free(async);
}

int sl_async_new(struct sl_async **out, const struct sl_async_options *options,
                 struct sl_pipeline *pipeline)
{
    static uint64_t next_id = 1;
    struct sl_async *async = calloc(1, sizeof(*async));
    if (async == NULL) return -ENOMEM;
    async->fd = -1;
    async->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    async->pipeline = pipeline;
    /* The counter is precise and as cheap as the coarse clock. */
    async->ticks = counter_is_good()                          ? SL_TICKS_COUNTER
                   : pipeline->clock == CLOCK_REALTIME_COARSE ? SL_TICKS_COARSE
                                                              : SL_TICKS_NS;
    int code = resolve(async, options);
    if (code == 0) {
        async->owners = calloc(async->options.ring_count, sizeof(async->owners[0]));
        async->cursors = calloc(async->options.ring_count, sizeof(async->cursors[0]));
        async->reader = calloc(1, sizeof(*async->reader));
        bool has_all = async->owners != NULL && async->cursors != NULL && async->reader != NULL;
        code = has_all ? sl_region_open(async) : -ENOMEM;
    }
    if (code < 0) {
        free_parts(async);
        return code;
    }
    *out = async;
    return 0;
}

static bool stop_thread(struct sl_async *async)
{
    int64_t until = sl_monotonic_ms() + STOP_WAIT_MS + async->options.retry_ms;
    __atomic_store_n(&async->stop, 1, __ATOMIC_RELEASE);
    if (async->has_thread == 0) {
        flush_by_self(async, until);
        return !sl_drain_has_work(async);
    }
    sl_async_wake(async);
    while (__atomic_load_n(&async->stopped, __ATOMIC_ACQUIRE) == 0) {
        int64_t left = until - sl_monotonic_ms();
        if (left <= 0) return false;
        sl_futex_wait(&async->stopped, 0, (int)left);
    }
    return true;
}

bool sl_async_free(struct sl_async *async)
{
    if (async->region != NULL && !stop_thread(async)) return false;
    sl_region_close(async, true);
    free_parts(async);
    return true;
}

/* ---- fork ---- */

void sl_async_before_fork(struct sl_async *async)
{
    sl_mutex_lock(&async->lock);
    sl_mutex_lock(&async->claim_lock);
}

/* The region and what is in it stay the parent's; the child opens one at its first call. */
void sl_async_after_fork(struct sl_async *async, bool is_child)
{
    if (is_child) {
        sl_region_close(async, false);
        async->has_thread = 0;
        async->is_idle = 0;
        async->stop = 0;
        async->stopped = 0;
        async->flush_done = async->flush_wish;
        async->is_broken = false;
    }
    sl_mutex_unlock(&async->claim_lock);
    sl_mutex_unlock(&async->lock);
}
