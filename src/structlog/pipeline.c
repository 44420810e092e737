/* pipeline.c - configuring: a whole new pipeline is built, put in place, and the old one freed when
 * no thread is inside it any more.
 *
 * ENTERING  A thread writes the pipeline it is about to use into its own record (its hazard), then
 *           looks whether it is still the core's. Who replaces it swaps the core's pointer and then
 *           reads all records. That needs the thread's store to be seen before its load; a fence
 *           would cost every line 5 ns, so the replacing side makes all threads pass a barrier
 *           with membarrier(2) instead. Where that call is missing, the fence is used.
 * GATES     The shortest way of an asynchronous call does not even look at the core: its thread has
 *           noted which ring serves which core (struct sl_gate). It writes its hazard and looks
 *           whether the gate is open. Who replaces the pipeline shuts the gates before it waits for
 *           those inside, and again when they are gone, for one of them may have opened one
 *           meanwhile; then it waits once more.
 * FALLBACK  A core without a pipeline writes to stderr: before sl_configure, after sl_shutdown.
 */
#include "structlog/pipeline.h"

#include "structlog/async_state.h"
#include "structlog/number.h"
#include "structlog/push.h"
#include "structlog/sink.h"

#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FLUSH_WAIT_MS  10000
#define RETIRE_WAIT_MS 5000 /* then the old pipeline is left behind rather than waited for */

#if defined(__SANITIZE_THREAD__)
#define ALWAYS_FENCE true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ALWAYS_FENCE true
#endif
#endif
#if !defined(ALWAYS_FENCE)
#define ALWAYS_FENCE false
#endif

struct sl_core sl_default_core = { .pipeline = NULL, .references = 1, .level = SL_INFO };
struct sl_process sl_this_process;

static struct sl_pipeline *pipelines; /* all that live; guarded by sl_lock */
static struct sl_pipeline *fallback;  /* to stderr; made once, never freed */
bool sl_needs_fence = true;
static bool is_configured;
static pthread_once_t start_once = PTHREAD_ONCE_INIT;

/* ---- fork and exit ---- */

void sl_process_set(struct sl_process *process, int64_t id)
{
    static const char key[] = ",\"process.pid\":";
    process->id = id;
    memcpy(process->json, key, sizeof(key) - 1);
    char *end = sl_put_int(process->json + sizeof(key) - 1, id);
    process->json_size = (size_t)(end - process->json);
}

static void learn_process(void)
{
    sl_process_set(&sl_this_process, getpid());
}

static void before_fork(void)
{
    (void)pthread_mutex_lock(&sl_lock);
    for (struct sl_pipeline *pipeline = pipelines; pipeline != NULL; pipeline = pipeline->next) {
        if (pipeline->async != NULL) sl_async_before_fork(pipeline->async);
    }
    for (struct sl_pipeline *pipeline = pipelines; pipeline != NULL; pipeline = pipeline->next) {
        for (size_t i = 0; i < pipeline->sink_count; i++) {
            sl_mutex_lock(&pipeline->sinks[i]->lock);
        }
    }
    sl_archive_before_fork();
}

static void after_fork(bool is_child)
{
    sl_archive_after_fork(is_child);
    for (struct sl_pipeline *pipeline = pipelines; pipeline != NULL; pipeline = pipeline->next) {
        for (size_t i = 0; i < pipeline->sink_count; i++) {
            if (is_child) sl_sink_after_fork(pipeline->sinks[i]);
            sl_mutex_unlock(&pipeline->sinks[i]->lock);
        }
        if (pipeline->async != NULL) sl_async_after_fork(pipeline->async, is_child);
    }
    if (is_child) {
        learn_process();
        sl_thread_after_fork();
    }
    (void)pthread_mutex_unlock(&sl_lock);
}

static void after_fork_parent(void)
{
    after_fork(false);
}

static void after_fork_child(void)
{
    after_fork(true);
}

static void start(void)
{
    learn_process();
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (commands >= 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 && !ALWAYS_FENCE) {
        sl_needs_fence =
            syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
    }
    (void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
    (void)atexit(sl_shutdown);
}

void sl_start(void)
{
    int saved = errno;
    (void)pthread_once(&start_once, start);
    errno = saved;
}

/* ---- building ---- */

static void add_static(struct sl_list *list, const char *key, const char *text)
{
    if (text != NULL) sl_list_put(list, key, strlen(key), sl_strn(text, strlen(text)), true);
}

static void pipeline_free(struct sl_pipeline *pipeline)
{
    if (pipeline == NULL) return;
    if (pipeline->async != NULL && !sl_async_free(pipeline->async)) return; /* its thread hangs */
    for (size_t i = 0; i < pipeline->sink_count; i++) sl_sink_free(pipeline->sinks[i]);
    sl_fields_unref(pipeline->fields);
    free(pipeline);
}

static int fill_pipeline(struct sl_pipeline *pipeline, const struct sl_config *config)
{
    struct sl_list list;
    sl_list_init(&list);
    add_static(&list, "service.name", config->service_name);
    add_static(&list, "service.version", config->service_version);
    add_static(&list, "service.environment", config->service_environment);
    add_static(&list, "event.dataset",
               config->event_dataset != NULL ? config->event_dataset : config->service_name);
    if (list.count > 0) {
        pipeline->fields = sl_fields_new(&list);
        if (pipeline->fields == NULL) return -ENOMEM;
    }
    pipeline->clock = config->clock == SL_CLOCK_COARSE ? CLOCK_REALTIME_COARSE : CLOCK_REALTIME;
    pipeline->with_origin = config->with_origin;
    pipeline->with_thread = config->with_thread;
    pipeline->with_pid = !config->without_pid;
    pipeline->process = &sl_this_process;
    for (size_t i = 0; i < config->processor_count; i++) {
        pipeline->processors[i] = config->processors[i];
    }
    pipeline->processor_count = (uint32_t)config->processor_count;
    static const struct sl_sink_options to_stderr = { .kind = SL_SINK_STDERR };
    const struct sl_sink_options *options = config->sinks == NULL ? &to_stderr : config->sinks;
    size_t count = config->sinks == NULL ? 1 : config->sink_count;
    for (size_t i = 0; i < count; i++) {
        int code = sl_sink_new(&pipeline->sinks[i], &options[i], config->async != NULL);
        if (code < 0) return code;
        pipeline->sink_count++;
        pipeline->views |= 1u << pipeline->sinks[i]->view;
    }
    if (config->async == NULL) return 0;
    int code = sl_async_new(&pipeline->async, config->async, pipeline);
    if (code < 0) return code;
    bool is_quick = pipeline->processor_count == 0 && !sl_needs_fence &&
                    pipeline->async->ticks == SL_TICKS_COUNTER;
    if (is_quick) pipeline->quick = pipeline->async;
    pipeline->async->has_cells = is_quick;
    return 0;
}

static int pipeline_new(struct sl_pipeline **out, const struct sl_config *config)
{
    if (config->sink_count > SL_SINK_MAX) return -EINVAL;
    if ((config->sinks == NULL) != (config->sink_count == 0)) return -EINVAL;
    if (config->level < 0 || config->level > SL_OFF) return -EINVAL;
    if ((unsigned)config->clock > SL_CLOCK_COARSE) return -EINVAL;
    if (config->processor_count > SL_PROCESSOR_MAX) return -EINVAL;
    if ((config->processors == NULL) != (config->processor_count == 0)) return -EINVAL;
    struct sl_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (pipeline == NULL) return -ENOMEM;
    int code = fill_pipeline(pipeline, config);
    if (code < 0) {
        pipeline_free(pipeline);
        return code;
    }
    *out = pipeline;
    return 0;
}

/* ---- in and out ---- */

struct sl_pipeline *sl_pipeline_fallback(void)
{
    struct sl_pipeline *there = __atomic_load_n(&fallback, __ATOMIC_ACQUIRE);
    if (there != NULL) return there;
    static const struct sl_config nothing = { .level = SL_INFO };
    struct sl_pipeline *made = NULL;
    if (pipeline_new(&made, &nothing) < 0) return NULL;
    if (!__atomic_compare_exchange_n(&fallback, &there, made, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        pipeline_free(made);
        return there;
    }
    return made;
}

static void unlink_pipeline(const struct sl_pipeline *pipeline)
{
    for (struct sl_pipeline **at = &pipelines; *at != NULL; at = &(*at)->next) {
        if (*at != pipeline) continue;
        *at = pipeline->next;
        return;
    }
}

static void link_pipeline(struct sl_pipeline *pipeline)
{
    pipeline->next = pipelines;
    pipelines = pipeline;
}

void sl_pipeline_for_each(void (*visit)(struct sl_pipeline *pipeline))
{
    for (struct sl_pipeline *pipeline = pipelines; pipeline != NULL; pipeline = pipeline->next) {
        visit(pipeline);
    }
}

static bool wait_until_empty(const struct sl_pipeline *pipeline)
{
    if (!sl_needs_fence) (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    struct timespec pause = { 0, 1000000 };
    for (int waited = 0; sl_thread_is_inside(pipeline); waited++) {
        if (waited == RETIRE_WAIT_MS) return false;
        /* Who is inside may wait for a thread that begins or ends, which takes the lock. */
        (void)pthread_mutex_unlock(&sl_lock);
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&sl_lock);
    }
    return true;
}

/* Waits until nobody is inside, giving sl_lock away meanwhile; the caller frees it without the
 * lock, for an asynchronous one has a thread that may need it to end. NULL: nothing to free. */
static struct sl_pipeline *retire(struct sl_core *core, struct sl_pipeline *pipeline)
{
    if (pipeline == NULL) return NULL;
    sl_thread_shut_gates(core);
    bool is_empty = wait_until_empty(pipeline);
    sl_thread_shut_gates(core); /* who was inside may have opened one */
    if (pipeline->quick != NULL && is_empty) is_empty = wait_until_empty(pipeline);
    /* Some thread hangs in a write: its sinks stay open, and stay in the list. */
    if (!is_empty) return NULL;
    unlink_pipeline(pipeline);
    return pipeline;
}

/* The one that was there, which must be retired. */
static struct sl_pipeline *replace(struct sl_core *core, struct sl_pipeline *pipeline)
{
    if (pipeline != NULL) link_pipeline(pipeline);
    return __atomic_exchange_n(&core->pipeline, pipeline, __ATOMIC_SEQ_CST);
}

void sl_async_thread_end(const struct sl_thread *thread)
{
    (void)pthread_mutex_lock(&sl_lock);
    for (struct sl_pipeline *pipeline = pipelines; pipeline != NULL; pipeline = pipeline->next) {
        if (pipeline->async != NULL) sl_region_leave(pipeline->async, thread);
    }
    (void)pthread_mutex_unlock(&sl_lock);
}

int sl_configure(const struct sl_config *config)
{
    int saved = errno;
    sl_start();
    struct sl_pipeline *pipeline = NULL;
    int code = pipeline_new(&pipeline, config);
    if (code == 0) {
        (void)pthread_mutex_lock(&sl_lock);
        struct sl_pipeline *old = replace(&sl_default_core, pipeline);
        if (config->flush_on_crash) sl_crash_catch();
        sl_set_level(NULL, config->level == 0 ? SL_INFO : config->level);
        __atomic_store_n(&is_configured, true, __ATOMIC_RELAXED);
        old = retire(&sl_default_core, old);
        (void)pthread_mutex_unlock(&sl_lock);
        pipeline_free(old);
    }
    errno = saved;
    return code;
}

bool sl_is_configured(void)
{
    return __atomic_load_n(&is_configured, __ATOMIC_RELAXED);
}

void sl_shutdown(void)
{
    int saved = errno;
    (void)pthread_mutex_lock(&sl_lock);
    struct sl_pipeline *old = replace(&sl_default_core, NULL);
    __atomic_store_n(&is_configured, false, __ATOMIC_RELAXED);
    old = retire(&sl_default_core, old);
    (void)pthread_mutex_unlock(&sl_lock);
    pipeline_free(old);
    errno = saved;
}

int sl_open(struct sl_logger **log, const struct sl_config *config)
{
    int saved = errno;
    sl_start();
    struct sl_core *core = calloc(1, sizeof(*core));
    struct sl_logger *root = core == NULL ? NULL : sl_logger_root(core);
    struct sl_pipeline *pipeline = NULL;
    int code = root == NULL ? -ENOMEM : pipeline_new(&pipeline, config);
    if (code < 0) {
        free(root);
        free(core);
    } else {
        core->references = 1;
        core->level = config->level == 0 ? SL_INFO : config->level;
        (void)pthread_mutex_lock(&sl_lock);
        (void)replace(core, pipeline);
        if (config->flush_on_crash) sl_crash_catch();
        (void)pthread_mutex_unlock(&sl_lock);
        *log = root;
    }
    errno = saved;
    return code;
}

void sl_core_free(struct sl_core *core)
{
    (void)pthread_mutex_lock(&sl_lock);
    struct sl_pipeline *old = retire(core, replace(core, NULL));
    (void)pthread_mutex_unlock(&sl_lock);
    pipeline_free(old);
    free(core);
}

static int flush_pipeline(struct sl_pipeline *pipeline, int timeout_ms)
{
    int code = 0;
    if (pipeline->async != NULL) code = sl_async_flush(pipeline->async, timeout_ms);
    for (size_t i = 0; code == 0 && i < pipeline->sink_count; i++) {
        int failure = sl_sink_flush(pipeline->sinks[i]);
        if (code == 0) code = failure;
    }
    return code;
}

int sl_flush_within(struct sl_logger *log, int timeout_ms)
{
    int saved = errno;
    struct sl_core *core = log == NULL ? &sl_default_core : log->core;
    struct sl_thread *thread = sl_thread_self();
    int code = -ENOMEM;
    if (thread != NULL && thread->busy == SL_NESTING_MAX) code = -EBUSY;
    if (thread != NULL && thread->busy < SL_NESTING_MAX) {
        struct sl_pipeline **hazard = &thread->hazards[thread->busy++];
        code = 0;
        if (__atomic_load_n(&core->pipeline, __ATOMIC_ACQUIRE) != NULL) {
            struct sl_pipeline *pipeline = sl_pipeline_enter(core, hazard);
            if (pipeline != NULL) code = flush_pipeline(pipeline, timeout_ms);
            sl_pipeline_leave(hazard);
        }
        thread->busy--;
        /* The back end has read the head of the ring: the next call wants it back. */
        if (thread->gate.ring != NULL) sl_fetch(thread->gate.ring);
    }
    errno = saved;
    return code;
}

int sl_flush(struct sl_logger *log)
{
    return sl_flush_within(log, FLUSH_WAIT_MS);
}
