/* push.c - the caller's side of asynchronous mode: one record into the thread's ring.
 *
 * Only this thread writes the ring and its head, so there is nothing to lock. The head moves with a
 * release store when the record is whole; a signal handler that logs meanwhile does not come here
 * (emit.c sends nested calls round), a kill leaves the head where it was.
 */
#include "structlog/push.h"

#define WAIT_SLICE_MS 20

uint64_t sl_ticks_of_clock(enum sl_ticks ticks)
{
    struct timespec now;
    clockid_t clock = ticks == SL_TICKS_COARSE ? CLOCK_REALTIME_COARSE : CLOCK_REALTIME;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sl_ticks_now(enum sl_ticks ticks)
{
    return sl_ticks_read(ticks);
}

/* ---- room ---- */

/* The first lane leads to the ring: when nothing else is to be done for a line, the next call comes
 * through the gate. Not when the core has another pipeline by now, for that shuts no gate twice. */
static void open_gate(struct sl_async *async, struct sl_thread *thread, struct sl_core *core)
{
    struct sl_gate *gate = &thread->gate;
    __atomic_store_n(&gate->core, NULL, __ATOMIC_RELAXED);
    struct sl_pipeline *pipeline = async->pipeline;
    if (pipeline->quick != async) return;
    if (__atomic_load_n(&core->pipeline, __ATOMIC_RELAXED) != pipeline) return;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a handler that logs meanwhile finds it shut */
    gate->pipeline = pipeline;
    gate->async = async;
    gate->ring = thread->lanes[0].ring;
    /* Release: who shuts it finds the rest. */
    __atomic_store_n(&gate->core, core, __ATOMIC_RELEASE);
}

static __attribute__((noinline)) struct sl_ring *find_lane(struct sl_async *async,
                                                           struct sl_thread *thread)
{
    struct sl_lane first = thread->lanes[0];
    if (thread->lanes[1].async_id == async->id) {
        thread->lanes[0] = thread->lanes[1];
    } else {
        struct sl_ring *ring = sl_region_claim(async, thread);
        if (ring == NULL) return NULL;
        thread->lanes[0] = (struct sl_lane){ async->id, ring };
    }
    thread->lanes[1] = first;
    return thread->lanes[0].ring;
}

static bool drop(struct sl_ring *ring)
{
    __atomic_store_n(&ring->dropped_count, ring->dropped_count + 1, __ATOMIC_RELAXED);
    sl_count(SL_COUNTER_DROPPED, 1);
    return false;
}

static void help(struct sl_async *async)
{
    sl_mutex_lock(&async->lock);
    (void)sl_drain(async, true);
    sl_mutex_unlock(&async->lock);
}

/* How far the thread may write without looking; not beyond the end of the ring, see push.h. */
static void set_limit(const struct sl_async *async, struct sl_ring *ring, uint64_t limit)
{
    uint64_t end = (ring->head | async->mask) + 1;
    ring->limit = limit < end ? limit : end;
}

/* Until `wanted` lies within the ring, or the time is over. */
static bool wait_for_room(struct sl_async *async, struct sl_ring *ring, uint64_t wanted)
{
    int64_t until = sl_monotonic_ms() + async->options.full_timeout_ms;
    sl_count(SL_COUNTER_WAITED, 1);
    for (;;) {
        uint32_t seen = __atomic_load_n(&async->progress, __ATOMIC_ACQUIRE);
        uint64_t released = __atomic_load_n(&ring->released, __ATOMIC_ACQUIRE);
        if (wanted <= released + async->mask + 1) {
            set_limit(async, ring, released + async->mask + 1);
            return true;
        }
        int64_t left = until - sl_monotonic_ms();
        if (left <= 0) return false;
        bool is_alone = __atomic_load_n(&async->has_thread, __ATOMIC_ACQUIRE) == 0;
        if (is_alone || async->options.full == SL_FULL_SYNC) {
            help(async);
            seen = __atomic_load_n(&async->progress, __ATOMIC_ACQUIRE);
            released = __atomic_load_n(&ring->released, __ATOMIC_ACQUIRE);
            if (wanted <= released + async->mask + 1) continue;
        }
        sl_async_wake(async);
        sl_futex_wait(&async->progress, seen, left < WAIT_SLICE_MS ? (int)left : WAIT_SLICE_MS);
    }
}

/* `wanted` is beyond the limit: how far can it go, and if nowhere, what says the policy? False: the
 * line is dropped. *waited: some time has passed. */
static __attribute__((noinline)) bool make_room(struct sl_async *async, struct sl_ring *ring,
                                                uint64_t wanted, int level, bool *waited)
{
    uint64_t size = async->mask + 1;
    uint64_t released = __atomic_load_n(&ring->released, __ATOMIC_ACQUIRE);
    uint64_t low = released + size / 4 * 3;
    set_limit(async, ring, low);
    if (wanted <= low) return true;
    sl_async_wake(async);
    enum sl_full full = async->options.full;
    if (full == SL_FULL_DROP_BELOW && level < async->options.full_level) return drop(ring);
    if (wanted <= released + size) {
        if (full != SL_FULL_DROP_BELOW) set_limit(async, ring, released + size);
        return true;
    }
    if (full == SL_FULL_DROP) return drop(ring);
    *waited = true;
    return wait_for_room(async, ring, wanted) ? true : drop(ring);
}

/* Where a record of `size` bytes goes, its place in *place; NULL: the line is dropped. */
static inline char *reserve_record(struct sl_async *async, struct sl_ring *ring, size_t size,
                                   const struct sl_call *call, uint64_t *ticks, uint64_t *place)
{
    uint64_t head = ring->head;
    uint64_t at = head & async->mask;
    uint64_t end = async->mask + 1 - at;
    uint64_t wanted = head + size + (SL_UNLIKELY(size > end) ? end : 0);
    if (SL_UNLIKELY(wanted > ring->limit)) {
        bool waited = false;
        if (!make_room(async, ring, wanted, call->level, &waited)) return NULL;
        if (waited) *ticks = sl_ticks_read(async->ticks);
    }
    if (SL_UNLIKELY(size > end)) {
        struct sl_record pad = { .size = (uint32_t)end, .kind = SL_RECORD_PAD };
        pad.check = (uint32_t)head;
        if (end >= sizeof(pad)) memcpy(sl_ring_data(ring) + at, &pad, sizeof(pad));
        head += end;
        at = 0;
    }
    *place = head;
    return sl_ring_data(ring) + at;
}

static inline void publish(struct sl_async *async, struct sl_ring *ring, uint64_t head)
{
    /* Release: who sees the head sees the record. */
    __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* membarrier makes more of it, see async.c */
    if (SL_UNLIKELY(sl_needs_fence)) __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (SL_UNLIKELY(__atomic_load_n(&async->is_idle, __ATOMIC_RELAXED) != 0)) sl_async_wake(async);
}

/* ---- parts ---- */

/* What stands in a record before the values, see ring.h. */
struct sl_parts {
    uint32_t set;
    uint32_t name_size;
    size_t size;
    const char *name;
    const struct sl_wire *context, *bound;
    uint64_t suppressed_count;
};

static char *put_sized(char *to, const char *text, size_t size)
{
    uint64_t wide = size;
    memcpy(to, &wide, sizeof(wide));
    memcpy(to + sizeof(wide), text, size);
    return to + sizeof(wide) + sl_pad8(size);
}

static char *put_wire(char *to, const struct sl_wire *wire)
{
    memcpy(to, wire, wire->size);
    return to + wire->size;
}

static char *put_parts(char *to, const struct sl_parts *parts)
{
    if ((parts->set & SL_PART_SUPPRESSED) != 0) {
        memcpy(to, &parts->suppressed_count, sizeof(uint64_t));
        to += sizeof(uint64_t);
    }
    if ((parts->set & SL_PART_NAME) != 0) to = put_sized(to, parts->name, parts->name_size);
    if (parts->context != NULL) to = put_wire(to, parts->context);
    if (parts->bound != NULL) to = put_wire(to, parts->bound);
    return to;
}

static uint32_t name_size_of(const struct sl_logger *log)
{
    if (log->name_size <= SL_NAME_SIZE_MAX) return log->name_size;
    return (uint32_t)sl_utf8_cut(log->name, SL_NAME_SIZE_MAX);
}

static inline struct sl_parts parts_of(const struct sl_call *call, bool with_fields)
{
    struct sl_parts parts = { .suppressed_count = call->suppressed_count };
    if (SL_UNLIKELY(call->suppressed_count != 0)) {
        parts.set |= SL_PART_SUPPRESSED;
        parts.size += sizeof(uint64_t);
    }
    if (with_fields && call->context != NULL) {
        parts.context = call->context->wire;
        parts.set |= SL_PART_CONTEXT;
        parts.size += parts.context->size;
    }
    if (call->log == NULL) return parts;
    if (call->log->name != NULL) {
        parts.name = call->log->name;
        parts.name_size = name_size_of(call->log);
        parts.set |= SL_PART_NAME;
        parts.size += sizeof(uint64_t) + sl_pad8(parts.name_size);
    }
    if (with_fields && call->log->fields != NULL) {
        parts.bound = call->log->fields->wire;
        parts.set |= SL_PART_BOUND;
        parts.size += parts.bound->size;
    }
    return parts;
}

static inline uint32_t level_byte(int level)
{
    return level < 0 ? 0 : level > 255 ? 255 : (uint32_t)level;
}

static inline char *put_head_of(char *to, uint64_t front, uint64_t ticks, uint64_t last)
{
    memcpy(to, &front, sizeof(front));
    memcpy(to + 8, &ticks, sizeof(ticks));
    memcpy(to + 16, &last, sizeof(last));
    return to + sizeof(struct sl_record);
}

/* ---- any event: its fields by name ---- */

static __attribute__((noinline)) bool site_is_known(struct sl_async *async, struct sl_site *site)
{
    return site->number != 0 && sl_region_add_site(async, site);
}

static __attribute__((noinline)) bool push_text(struct sl_async *async, struct sl_ring *ring,
                                                struct sl_call *call, uint64_t ticks)
{
    struct sl_list made;
    const struct sl_list *list = call->prepared;
    if (list == NULL) {
        sl_call_gather(call, &made);
        list = &made;
    }
    struct sl_parts parts = parts_of(call, false);
    struct sl_wire wire = { .size = sizeof(wire), .count = (uint32_t)list->count };
    for (size_t i = 0; i < list->count; i++) {
        size_t entry_size = sl_wire_entry_size(&list->items[i]);
        if (entry_size > SL_RECORD_SIZE_MAX - wire.size) return false;
        wire.size += (uint32_t)entry_size;
    }
    size_t size = sizeof(struct sl_record) + parts.size + wire.size;
    size = sl_pad_record(size + sizeof(uint64_t) + sl_pad8(call->event_size));
    if (size > SL_RECORD_SIZE_MAX || size > (async->mask + 1) / 4) return false;
    uint64_t place = 0;
    char *to = reserve_record(async, ring, size, call, &ticks, &place);
    if (to == NULL) return true;
    uint32_t number = call->site == NULL ? 0 : call->site->number;
    if (number != 0 && async->sites[number] == 0 && !site_is_known(async, call->site)) number = 0;
    to = put_head_of(to,
                     sl_record_front(size, SL_RECORD_TEXT, level_byte(call->level), parts.set, 0),
                     ticks, (uint64_t)(uint32_t)place << 32 | number);
    to = put_parts(to, &parts);
    to = put_sized(to, call->event, call->event_size);
    memcpy(to, &wire, sizeof(wire));
    to += sizeof(wire);
    for (size_t i = 0; i < list->count; i++) to = sl_wire_put(to, &list->items[i]);
    publish(async, ring, place + size);
    return true;
}

/* ---- a site's values ---- */

#define PARTED_VALUES (1u << SL_KIND_FAILURE | 1u << SL_KIND_LAZY)

static inline char *put_values(char *to, const struct sl_value *values, size_t count)
{
    char *text = to + count * sizeof(struct sl_record_value);
    for (; count > 0; count--, values++, to += sizeof(struct sl_record_value)) {
        memcpy(to, values, sizeof(*values));
        if (values->size != 0) text = sl_put_bytes(text, values->as.pointer, values->size);
    }
    return text;
}

bool sl_async_push(struct sl_async *async, struct sl_call *call)
{
    uint64_t ticks = sl_ticks_read(async->ticks);
    struct sl_thread *thread = call->thread;
    struct sl_ring *ring = thread->lanes[0].ring;
    if (SL_UNLIKELY(thread->lanes[0].async_id != async->id)) {
        ring = find_lane(async, thread);
        if (ring == NULL) return false;
    }
    struct sl_core *core = call->log == NULL ? &sl_default_core : call->log->core;
    if (SL_UNLIKELY(__atomic_load_n(&thread->gate.core, __ATOMIC_RELAXED) != core)) {
        open_gate(async, thread, core);
    }
    struct sl_site *site = call->site;
    if (site == NULL || call->prepared != NULL) return push_text(async, ring, call, ticks);
    uint32_t number = site->number;
    if (SL_UNLIKELY(__atomic_load_n(&async->sites[number], __ATOMIC_RELAXED) == 0) &&
        !site_is_known(async, site)) {
        return push_text(async, ring, call, ticks);
    }
    uint32_t kinds = 0;
    size_t text_size = 0;
    const struct sl_value *values = call->values + 1;
    for (size_t i = 0; i < call->count; i++) {
        kinds |= 1u << values[i].kind;
        text_size += values[i].size; /* 0 where there is no text */
    }
    if (SL_UNLIKELY((kinds & PARTED_VALUES) != 0)) return push_text(async, ring, call, ticks);
    struct sl_parts parts = parts_of(call, true);
    size_t size = sizeof(struct sl_record) + parts.size;
    size = sl_pad_record(size + call->count * sizeof(struct sl_record_value) + text_size);
    if (SL_UNLIKELY(size > SL_RECORD_SIZE_MAX || size > (async->mask + 1) / 4)) return false;
    uint64_t place = 0;
    char *to = reserve_record(async, ring, size, call, &ticks, &place);
    if (SL_UNLIKELY(to == NULL)) return true;
    uint32_t count = (uint32_t)call->count;
    to = put_head_of(
        to, sl_record_front(size, SL_RECORD_SITE, level_byte(call->level), parts.set, count), ticks,
        (uint64_t)(uint32_t)place << 32 | number);
    to = put_parts(to, &parts);
    (void)put_values(to, values, call->count);
    publish(async, ring, place + size);
    return true;
}
