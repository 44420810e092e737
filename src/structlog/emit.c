/* emit.c - the way of one call: counted, rendered once for each view, handed to the sinks.
 *
 * A call that comes while another of the same thread is under way (from a signal handler, a lazy
 * value, a callback) must touch neither that one's buffer nor wait for its locks: it has a small
 * buffer on the stack, and what does not fit goes out without its pairs.
 */
#include "structlog/pipeline.h"
#include "structlog/push.h"
#include "structlog/sink.h"

#include <stdio.h>
#include <stdlib.h>

#define PRINTF_SIZE_MAX 4096

static size_t render(struct sl_call *call, enum sl_view view)
{
    size_t size = sl_render(call, view);
    if (size == 0 && call->is_nested) {
        struct sl_call bare = *call;
        bare.site = NULL;
        bare.prepared = NULL;
        bare.values = NULL;
        bare.count = 0;
        bare.context = NULL;
        bare.log = NULL;
        size = sl_render(&bare, view);
    }
    return size;
}

static void write_to_sinks(struct sl_call *call)
{
    const struct sl_pipeline *pipeline = call->pipeline;
    for (uint32_t left = pipeline->views; left != 0; left &= left - 1) {
        enum sl_view view = (enum sl_view)__builtin_ctz(left);
        size_t size = 0;
        for (size_t i = 0; i < pipeline->sink_count; i++) {
            struct sl_sink *sink = pipeline->sinks[i];
            if (sink->view != view || call->level < sink->level) continue;
            if (size == 0) size = render(call, view);
            if (size > 0) {
                sl_sink_write(sink, call, size);
            } else {
                sl_count(SL_COUNTER_LOST, 1);
            }
        }
    }
}

static void give_back(struct sl_thread *thread)
{
    if (thread->line_size <= SL_LINE_KEEP_MAX) return;
    free(thread->line);
    thread->line = malloc(SL_LINE_SIZE);
    thread->line_size = thread->line == NULL ? 0 : SL_LINE_SIZE;
}

static inline void put_out_call(struct sl_call *call)
{
    struct sl_async *async = call->pipeline->async;
    if (async != NULL && !call->is_nested) {
        if (SL_LIKELY(sl_async_push(async, call))) return;
        sl_drain_call(async, call);
        return;
    }
    sl_count_in(call->thread, sl_counter_of(call->level), 1);
    (void)clock_gettime(call->pipeline->clock, &call->time);
    write_to_sinks(call);
}

static __attribute__((noinline)) void put_out_processed(struct sl_call *call)
{
    struct sl_list list;
    if (sl_process(call, &list)) put_out_call(call);
}

static void run(struct sl_call *call)
{
    struct sl_thread *thread = call->thread;
    struct sl_core *core = call->log == NULL ? &sl_default_core : call->log->core;
    struct sl_pipeline **hazard = &thread->hazards[call->is_nested ? 1 : 0];
    struct sl_pipeline *pipeline = sl_pipeline_enter(core, hazard);
    if (pipeline == NULL) {
        sl_count(SL_COUNTER_LOST, 1);
        return;
    }
    call->pipeline = pipeline;
    call->identity = &thread->identity;
    if (thread->depth > 0) call->context = thread->frames[thread->depth - 1];
    if (SL_UNLIKELY(pipeline->processor_count > 0)) {
        put_out_processed(call);
    } else {
        put_out_call(call);
    }
    sl_pipeline_leave(hazard);
}

static __attribute__((noinline)) void run_nested(struct sl_call *call)
{
    char line[SL_NESTED_SIZE];
    struct sl_stamp stamp = { 0, "" };
    call->stamp = &stamp;
    call->line = line;
    call->line_size = sizeof(line);
    call->is_nested = true;
    run(call);
}

static inline void start_call(struct sl_call *call)
{
    struct sl_thread *thread = call->thread;
    if (SL_UNLIKELY(thread == NULL)) {
        sl_count(SL_COUNTER_LOST, 1);
        return;
    }
    if (SL_UNLIKELY(thread->busy != 0)) {
        if (thread->busy == SL_NESTING_MAX) {
            sl_count(SL_COUNTER_LOST, 1);
            return;
        }
        thread->busy++;
        run_nested(call);
        thread->busy--;
        return;
    }
    thread->busy = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the mark is there before the buffer is touched */
    call->stamp = &thread->stamp;
    call->line = thread->line;
    call->line_size = thread->line_size;
    run(call);
    give_back(thread);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread->busy = 0;
}

/* Whether this call is the one of its interval; the others are counted. */
static bool is_due(struct sl_site *site, int64_t every_ms, uint64_t *suppressed_count)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1; /* 0: never */
    int64_t next_ms = __atomic_load_n(&site->next_ms, __ATOMIC_RELAXED);
    if (now_ms < next_ms ||
        !__atomic_compare_exchange_n(&site->next_ms, &next_ms, now_ms + every_ms, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        (void)__atomic_fetch_add(&site->suppressed_count, 1, __ATOMIC_RELAXED);
        sl_count(SL_COUNTER_SUPPRESSED, 1);
        return false;
    }
    *suppressed_count = __atomic_exchange_n(&site->suppressed_count, 0, __ATOMIC_RELAXED);
    return true;
}

static inline void emit_call(struct sl_logger *log, struct sl_site *site, int level,
                             uint64_t suppressed_count, const struct sl_value *values)
{
    struct sl_call call;
    call.log = log;
    call.thread = sl_thread_self();
    call.context = NULL;
    call.site = site;
    call.values = values;
    call.pairs = NULL;
    call.prepared = NULL;
    call.count = site->count;
    call.event = site->keys[0].json + 2;
    call.event_size = site->keys[0].size;
    call.level = level;
    call.suppressed_count = suppressed_count;
    call.is_nested = false;
    start_call(&call);
}

void sl_emit_(struct sl_logger *log, struct sl_site *site, int level, int64_t every_ms,
              const struct sl_value *values)
{
    int saved = errno;
    uint64_t suppressed_count = 0;
    if (SL_UNLIKELY(__atomic_load_n(&site->flags, __ATOMIC_RELAXED) == 0)) sl_site_start(site);
    if (__atomic_load_n(&site->mode, __ATOMIC_RELAXED) < 0) return;
    if (every_ms > 0 && !is_due(site, every_ms, &suppressed_count)) return;
    emit_call(log, site, level, suppressed_count, values);
    errno = saved;
}

/* ---- the short way of an asynchronous call: it leaves errno alone, for it calls nothing ---- */

/* Through the gate, if it is still open when the marks are there. */
static SL_INLINE char *begin(struct sl_thread *thread, const struct sl_core *core,
                             const struct sl_site *site, int level, uint32_t set, uint64_t rest)
{
    struct sl_gate *gate = &thread->gate;
    thread->busy = 1;
    __atomic_store_n(&thread->hazards[0], gate->pipeline, __ATOMIC_RELAXED);
    /* The marks are there before the gate is looked at; membarrier makes more of it. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    char *to = NULL;
    if (SL_LIKELY(__atomic_load_n(&gate->core, __ATOMIC_ACQUIRE) == core)) {
        to = sl_push_begin(gate, site, (uint32_t)level, set, rest);
        if (SL_LIKELY(to != NULL)) return to;
    }
    sl_pipeline_leave(&thread->hazards[0]);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread->busy = 0;
    return NULL;
}

/* With a name, bound fields, the thread's context; or there is a reason to go the long way. */
static __attribute__((noinline)) char *begin_with_parts(const struct sl_logger *log,
                                                        const struct sl_site *site, int level,
                                                        uint64_t rest)
{
    struct sl_thread *thread = sl_self;
    const struct sl_core *core = log == NULL ? &sl_default_core : log->core;
    if (__atomic_load_n(&thread->gate.core, __ATOMIC_RELAXED) != core) return NULL;
    if (thread->busy != 0 || __atomic_load_n(&site->mode, __ATOMIC_RELAXED) < 0) return NULL;
    struct sl_value name = sl_value_none_();
    const struct sl_wire *context = NULL;
    const struct sl_wire *bound = NULL;
    uint32_t set = 0;
    if (log != NULL && log->name != NULL) {
        set |= SL_PART_NAME;
        name = sl_strn(log->name, log->name_size);
        rest += sl_cells_size_(name);
    }
    if (thread->depth > 0) {
        set |= SL_PART_CONTEXT;
        context = thread->frames[thread->depth - 1]->wire;
        rest += sl_wire_cells_size(context);
    }
    if (log != NULL && log->fields != NULL) {
        set |= SL_PART_BOUND;
        bound = log->fields->wire;
        rest += sl_wire_cells_size(bound);
    }
    if (SL_UNLIKELY(name.size > SL_NAME_SIZE_MAX)) return NULL;
    char *to = begin(thread, core, site, level, set, rest);
    if (to == NULL) return NULL;
    if ((set & SL_PART_NAME) != 0) to = sl_put_any_(to, name);
    if (context != NULL) to = sl_put_wire_cells(to, context);
    if (bound != NULL) to = sl_put_wire_cells(to, bound);
    return to;
}

char *sl_cells_begin_(struct sl_logger *log, const struct sl_site *site, int level, uint64_t size)
{
    struct sl_thread *thread = sl_self;
    const void *key = &sl_default_core;
    if (log != NULL) key = log->gate_key;
    if (SL_UNLIKELY(thread == NULL)) return NULL;
    if (SL_UNLIKELY(__atomic_load_n(&thread->gate.core, __ATOMIC_RELAXED) != key ||
                    (thread->busy | thread->depth) != 0)) {
        return begin_with_parts(log, site, level, size);
    }
    if (SL_UNLIKELY(__atomic_load_n(&site->mode, __ATOMIC_RELAXED) < 0)) return NULL;
    return begin(thread, key, site, level, 0, size);
}

char *sl_put_any_(char *to, struct sl_value value)
{
    uint64_t high = (uint64_t)value.kind << 32 | value.size;
    if (value.size == 0) return sl_put_cell_(to, value.as.natural, high);
    const char *from = value.as.pointer;
    if (value.size <= 8) return sl_put_cell_(to, sl_short_text_(from, value.size), high);
    return sl_put_long_text_(sl_put_cell_(to, 0, high), from, value.size);
}

static __attribute__((noinline)) void wake_backend(struct sl_thread *thread)
{
    sl_async_wake(thread->gate.async); /* the marks are still there */
    sl_pipeline_leave(&thread->hazards[0]);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread->busy = 0;
}

void sl_cells_end_(char *end)
{
    struct sl_thread *thread = sl_self;
    sl_push_end(&thread->gate, end);
    if (SL_UNLIKELY(__atomic_load_n(&thread->gate.async->is_idle, __ATOMIC_RELAXED) != 0)) {
        wake_backend(thread);
        return;
    }
    sl_pipeline_leave(&thread->hazards[0]);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread->busy = 0;
}

void sl_log_fields(struct sl_logger *log, int level, struct sl_value event,
                   const struct sl_field *fields, size_t count)
{
    if (!sl_enabled(log, level)) return;
    int saved = errno;
    struct sl_call call = { .log = log,
                            .thread = sl_thread_self(),
                            .pairs = fields,
                            .count = count,
                            .event = "",
                            .level = level };
    if (event.kind == SL_KIND_STRING) {
        call.event = event.as.pointer;
        call.event_size = event.size < SL_VALUE_SIZE_MAX ? event.size : SL_VALUE_SIZE_MAX;
    }
    start_call(&call);
    errno = saved;
}

void sl_vprintf(struct sl_logger *log, int level, const char *format, va_list arguments)
{
    if (!sl_enabled(log, level)) return;
    int saved = errno;
    char text[PRINTF_SIZE_MAX];
    int size = vsnprintf(text, sizeof(text), format, arguments);
    if (size >= 0) {
        size_t kept = (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1;
        while (kept > 0 && (text[kept - 1] == '\n' || text[kept - 1] == '\r')) kept--;
        sl_log_fields(log, level, sl_strn(text, kept), NULL, 0);
    }
    errno = saved;
}

void sl_printf(struct sl_logger *log, int level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sl_vprintf(log, level, format, arguments);
    va_end(arguments);
}
