/* thread.c - what each thread owns, the list of all, and the thread's context.
 *
 * COUNTERS  Each thread counts in its own record, with plain loads and stores that are atomic only
 *           so that sl_stats may read them; a thread that ends leaves its sums to `ended`.
 */
#include "structlog/async_state.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

pthread_mutex_t sl_lock = PTHREAD_MUTEX_INITIALIZER;

__thread struct sl_thread *sl_self __attribute__((tls_model("initial-exec")));
static struct sl_thread *threads; /* guarded by sl_lock */
static uint64_t ended[SL_COUNTER_COUNT];
static pthread_key_t end_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static bool has_end_key;

static void thread_end(void *data)
{
    struct sl_thread *thread = data;
    sl_context_clear();
    sl_async_thread_end(thread);
    sl_self = NULL; /* a later destructor that logs gets a new record, and this runs again */
    (void)pthread_mutex_lock(&sl_lock);
    for (struct sl_thread **at = &threads; *at != NULL; at = &(*at)->next) {
        if (*at != thread) continue;
        *at = thread->next;
        break;
    }
    for (size_t i = 0; i < SL_COUNTER_COUNT; i++) {
        (void)__atomic_fetch_add(&ended[i], thread->counters[i], __ATOMIC_RELAXED);
    }
    (void)pthread_mutex_unlock(&sl_lock);
    free(thread->line);
    free(thread);
}

static void make_key(void)
{
    has_end_key = pthread_key_create(&end_key, thread_end) == 0;
    sl_start();
}

struct sl_thread *sl_thread_start(void)
{
    (void)pthread_once(&key_once, make_key);
    size_t size = (sizeof(struct sl_thread) + SL_CACHE_LINE - 1) & ~(size_t)(SL_CACHE_LINE - 1);
    struct sl_thread *thread = aligned_alloc(SL_CACHE_LINE, size);
    if (thread == NULL) return NULL;
    memset(thread, 0, size);
    thread->line = malloc(SL_LINE_SIZE); /* now, for a signal handler may not; grows if it must */
    thread->line_size = thread->line == NULL ? 0 : SL_LINE_SIZE;
    if (has_end_key) (void)pthread_setspecific(end_key, thread);
    (void)pthread_mutex_lock(&sl_lock);
    thread->next = threads;
    threads = thread;
    (void)pthread_mutex_unlock(&sl_lock);
    sl_self = thread;
    return thread;
}

void sl_thread_identify(struct sl_identity *identity)
{
    identity->tid = syscall(SYS_gettid);
    if (pthread_getname_np(pthread_self(), identity->name, sizeof(identity->name)) != 0) {
        identity->name[0] = '\0';
    }
}

bool sl_thread_is_inside(const struct sl_pipeline *pipeline)
{
    for (const struct sl_thread *thread = threads; thread != NULL; thread = thread->next) {
        for (size_t i = 0; i < SL_NESTING_MAX; i++) {
            if (__atomic_load_n(&thread->hazards[i], __ATOMIC_SEQ_CST) == pipeline) return true;
        }
    }
    return false;
}

void sl_thread_shut_gates(struct sl_core *core)
{
    for (struct sl_thread *thread = threads; thread != NULL; thread = thread->next) {
        struct sl_core *open = core; /* one that leads elsewhere meanwhile stays open */
        (void)__atomic_compare_exchange_n(&thread->gate.core, &open, NULL, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED);
    }
}

void sl_thread_after_fork(void)
{
    memset(ended, 0, sizeof(ended));
    threads = sl_self;
    if (sl_self == NULL) return;
    /* The records of the others are left behind: their threads may have been about to change them,
     * so that not even freeing is safe. */
    sl_self->next = NULL;
    sl_self->identity.tid = 0;
    memset(sl_self->lanes, 0, sizeof(sl_self->lanes)); /* those rings are the parent's */
    memset(&sl_self->gate, 0, sizeof(sl_self->gate));
    memset(sl_self->counters, 0, sizeof(sl_self->counters));
}

void sl_count(enum sl_counter counter, uint64_t n)
{
    struct sl_thread *thread = sl_self;
    if (thread == NULL) {
        (void)__atomic_fetch_add(&ended[counter], n, __ATOMIC_RELAXED);
        return;
    }
    sl_count_in(thread, counter, n);
}

static uint64_t sum_of(enum sl_counter counter)
{
    uint64_t sum = __atomic_load_n(&ended[counter], __ATOMIC_RELAXED);
    for (const struct sl_thread *thread = threads; thread != NULL; thread = thread->next) {
        sum += __atomic_load_n(&thread->counters[counter], __ATOMIC_RELAXED);
    }
    return sum;
}

void sl_stats(struct sl_stats *stats)
{
    (void)pthread_mutex_lock(&sl_lock);
    *stats = (struct sl_stats){
        .debug_count = sum_of(SL_COUNTER_DEBUG),
        .info_count = sum_of(SL_COUNTER_INFO),
        .warn_count = sum_of(SL_COUNTER_WARN),
        .error_count = sum_of(SL_COUNTER_ERROR),
        .critical_count = sum_of(SL_COUNTER_CRITICAL),
        .written_count = sum_of(SL_COUNTER_WRITTEN),
        .written_bytes = sum_of(SL_COUNTER_WRITTEN_BYTES),
        .lost_count = sum_of(SL_COUNTER_LOST),
        .suppressed_count = sum_of(SL_COUNTER_SUPPRESSED),
        .rotation_count = sum_of(SL_COUNTER_ROTATION),
        .compressed_count = sum_of(SL_COUNTER_COMPRESSED),
        .compression_failed_count = sum_of(SL_COUNTER_COMPRESSION_FAILED),
        .renamed_count = sum_of(SL_COUNTER_RENAMED),
        .unbound_count = sum_of(SL_COUNTER_UNBOUND),
        .dropped_count = sum_of(SL_COUNTER_DROPPED),
        .waited_count = sum_of(SL_COUNTER_WAITED),
        .filtered_count = sum_of(SL_COUNTER_FILTERED),
    };
    (void)pthread_mutex_unlock(&sl_lock);
}

/* ---- waiting for a lock ---- */

void sl_mutex_wait(struct sl_mutex *mutex)
{
    int saved = errno;
    /* Whoever had to wait marks the lock as waited for, since others may wait too. */
    while (__atomic_exchange_n(&mutex->state, 2, __ATOMIC_ACQUIRE) != 0) {
        (void)syscall(SYS_futex, &mutex->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    }
    errno = saved;
}

void sl_mutex_wake(struct sl_mutex *mutex)
{
    int saved = errno;
    (void)syscall(SYS_futex, &mutex->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved;
}

/* ---- the thread's context: a stack of whole field sets, the last one counts ---- */

struct sl_context {
    struct sl_fields *fields;
};

/* Makes `list` the context; the list may hold nothing. */
static void push_list(struct sl_thread *thread, const struct sl_list *list)
{
    struct sl_fields *fields = thread->depth < SL_FRAMES_MAX ? sl_fields_new(list) : NULL;
    if (fields == NULL) {
        sl_count(SL_COUNTER_UNBOUND, 1);
        return;
    }
    thread->frames[thread->depth] = fields;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a handler that logs sees the frame or not, whole */
    thread->depth++;
}

static void start_from_context(struct sl_list *list, const struct sl_thread *thread)
{
    sl_list_init(list);
    if (thread->depth > 0) sl_list_put_fields(list, thread->frames[thread->depth - 1]);
}

size_t sl_context_push_(const struct sl_value *pairs, size_t count)
{
    int saved = errno;
    struct sl_thread *thread = sl_thread_self();
    size_t mark = 0;
    if (thread == NULL) {
        sl_count(SL_COUNTER_UNBOUND, 1);
    } else {
        struct sl_list list;
        mark = (size_t)thread->depth;
        start_from_context(&list, thread);
        for (size_t i = 0; i < count; i++) {
            struct sl_value key = pairs[2 * i];
            if (key.kind != SL_KIND_STRING) continue;
            sl_list_expand(&list, key.as.pointer, key.size, pairs[2 * i + 1]);
        }
        push_list(thread, &list);
    }
    errno = saved;
    return mark;
}

void sl_context_pop(size_t mark)
{
    struct sl_thread *thread = sl_self;
    while (thread != NULL && (size_t)thread->depth > mark) {
        thread->depth--;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        sl_fields_unref(thread->frames[thread->depth]);
    }
}

void sl_context_clear(void)
{
    sl_context_pop(0);
}

void sl_context_unset(const char *key)
{
    int saved = errno;
    struct sl_thread *thread = sl_self;
    if (thread != NULL && thread->depth > 0) {
        const struct sl_fields *fields = thread->frames[thread->depth - 1];
        size_t size = strlen(key);
        struct sl_list list;
        sl_list_init(&list);
        for (uint32_t i = 0; i < fields->count; i++) {
            const struct sl_item *item = &fields->items[i];
            if (item->key_size == size && memcmp(item->key, key, size) == 0) continue;
            sl_list_put(&list, item->key, item->key_size, item->value, item->is_own);
        }
        push_list(thread, &list);
    }
    errno = saved;
}

struct sl_context *sl_context_capture(void)
{
    struct sl_thread *thread = sl_self;
    if (thread == NULL || thread->depth == 0) return NULL;
    struct sl_context *context = malloc(sizeof(*context));
    if (context != NULL) context->fields = sl_fields_ref(thread->frames[thread->depth - 1]);
    return context;
}

void sl_context_adopt(const struct sl_context *context)
{
    sl_context_clear();
    struct sl_thread *thread = context == NULL ? NULL : sl_thread_self();
    if (thread == NULL) return;
    thread->frames[0] = sl_fields_ref(context->fields);
    thread->depth = 1;
}

void sl_context_free(struct sl_context *context)
{
    if (context == NULL) return;
    sl_fields_unref(context->fields);
    free(context);
}
