/* drain.c - the back end's work: records of all rings in the order of time into the sinks' batches,
 * batches into the world.
 *
 * ORDER    The heads are read after the time: what was begun SL_ASYNC_GRACE_MS before has its
 *          record by then, so only records older than that are taken, always the oldest first.
 * BATCHES  See COMMIT in ring.h. A batch that a sink does not take (disk full) stays, and is tried
 *          again at the next call, until it has been refused for retry_ms; then its lines are lost
 *          and counted. Meanwhile the rings fill, and the policy for full rings speaks.
 */
#include "structlog/async_state.h"

#include "structlog/sink.h"

#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REPORT_NS     INT64_C(1000000000) /* between lines that tell of dropped ones */
#define POINT_NS      INT64_C(100000000)  /* between looks at the clock */
#define STEP_NS       INT64_C(10000000)   /* more than that is a clock that was set */
#define FIRST_SPIN_NS INT64_C(200000)     /* how long the first rate is measured */
#define COARSE_NS     INT64_C(4000000)    /* the coarse clock lags by that much at most */

/* ---- the clock ---- */

static int64_t wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The counter and the wall clock at one moment: the pair whose reading took the least. */
static struct sl_clock_point read_both(enum sl_ticks ticks)
{
    struct sl_clock_point best = { 0, 0, 0 };
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        uint64_t before = sl_ticks_now(ticks);
        int64_t wall = wall_ns();
        uint64_t took = sl_ticks_now(ticks) - before;
        if (took >= least) continue;
        least = took;
        best.ticks = before + took / 2;
        best.wall_ns = wall;
    }
    return best;
}

static uint64_t rate_between(const struct sl_clock_point *a, const struct sl_clock_point *b)
{
    uint64_t ticks = b->ticks - a->ticks;
    int64_t wall = b->wall_ns - a->wall_ns;
    if (ticks == 0 || wall <= 0) return a->rate;
    return (uint64_t)(((sl_wide)wall << 32) / (sl_wide)ticks);
}

void sl_drain_set_clock(struct sl_async *async, bool is_first)
{
    struct sl_ring_header *region = async->region;
    if (async->ticks != SL_TICKS_COUNTER || async->is_foreign) return;
    if (is_first) {
        struct sl_clock_point start = read_both(async->ticks);
        struct sl_clock_point now = start;
        while (now.wall_ns - start.wall_ns < FIRST_SPIN_NS && now.wall_ns >= start.wall_ns) {
            now = read_both(async->ticks);
        }
        now.rate = rate_between(&start, &now);
        region->points[0] = now;
        region->point = 0;
        return;
    }
    struct sl_clock_point now = read_both(async->ticks);
    const struct sl_clock_point *last = &region->points[region->point % SL_POINT_COUNT];
    int64_t expected = sl_ticks_to_ns(region, now.ticks);
    if (expected - last->wall_ns < POINT_NS) return;
    int64_t step = now.wall_ns - expected;
    bool is_step = step > STEP_NS || step < -STEP_NS;
    if (is_step) async->step_ns += step;
    now.rate = is_step ? last->rate : rate_between(last, &now);
    region->points[(region->point + 1) % SL_POINT_COUNT] = now;
    /* Release: who sees the number sees the point; the one before stays. */
    __atomic_store_n(&region->point, region->point + 1, __ATOMIC_RELEASE);
}

static uint64_t grace_ticks(const struct sl_async *async)
{
    uint64_t grace_ns = SL_ASYNC_GRACE_MS * UINT64_C(1000000);
    if (async->ticks == SL_TICKS_COARSE) return grace_ns + COARSE_NS;
    if (async->ticks == SL_TICKS_NS) return grace_ns;
    const struct sl_ring_header *region = async->region;
    uint64_t rate = region->points[region->point % SL_POINT_COUNT].rate;
    return rate == 0 ? 0 : (grace_ns << 32) / rate;
}

static uint32_t ring_count_of(struct sl_async *async)
{
    return __atomic_load_n(&async->ring_ready, __ATOMIC_ACQUIRE);
}

/* ---- batches ---- */

static bool goes_in_batch(const struct sl_sink *sink)
{
    return sink->kind <= SL_SINK_FILE;
}

static bool batch_has_room(struct sl_async *async, uint32_t index, uint64_t size)
{
    struct sl_ring_header *region = async->region;
    uint64_t used = sl_ring_sink_at(region, index)->used;
    if (size > region->batch_size - used) return false;
    if (used + size <= async->batch_ready[index]) return true;
    uint64_t wanted = used + size + SL_BATCH_SIZE;
    if (wanted > region->batch_size) wanted = region->batch_size;
    uint64_t offset = region->batch_offset + (uint64_t)index * region->batch_size;
    if (!sl_region_promise(async, offset, wanted)) return false;
    async->batch_ready[index] = (uint32_t)wanted;
    return true;
}

static void put_in_batch(struct sl_async *async, uint32_t index, const struct sl_call *call,
                         size_t size)
{
    struct sl_ring_sink *slot = sl_ring_sink_at(async->region, index);
    if (!batch_has_room(async, index, size)) {
        sl_count(SL_COUNTER_LOST, 1);
        return;
    }
    memcpy(sl_ring_batch(async->region, index) + slot->used, call->line, size);
    slot->used += size;
    slot->lines++;
}

static void put_line(struct sl_async *async, struct sl_call *call)
{
    const struct sl_pipeline *pipeline = async->pipeline;
    for (uint32_t left = pipeline->views; left != 0; left &= left - 1) {
        enum sl_view view = (enum sl_view)__builtin_ctz(left);
        size_t size = 0;
        for (uint32_t i = 0; i < pipeline->sink_count; i++) {
            struct sl_sink *sink = pipeline->sinks[i];
            if (sink->view != view || call->level < sink->level) continue;
            if (size == 0) size = sl_render(call, view);
            async->line_count++;
            if (size == 0) {
                sl_count(SL_COUNTER_LOST, 1);
            } else if (goes_in_batch(sink)) {
                put_in_batch(async, i, call, size);
            } else {
                sl_sink_write(sink, call, size);
            }
        }
    }
}

static bool is_batch_full(struct sl_async *async)
{
    for (uint32_t i = 0; i < async->region->sink_count; i++) {
        const struct sl_sink *sink = async->pipeline->sinks[i];
        uint64_t full = sink->batch_size > SL_BATCH_SIZE ? sink->batch_size : SL_BATCH_SIZE;
        if (sl_ring_sink_at(async->region, i)->used >= full) return true;
    }
    return false;
}

static bool is_any_batched(struct sl_async *async)
{
    for (uint32_t i = 0; i < async->region->sink_count; i++) {
        if (sl_ring_sink_at(async->region, i)->used > 0) return true;
    }
    return false;
}

/* ---- commit ---- */

static int64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool is_given_up(struct sl_async *async)
{
    if (async->failing_since_ns == 0) async->failing_since_ns = monotonic_ns();
    return monotonic_ns() - async->failing_since_ns >= (int64_t)async->options.retry_ms * 1000000;
}

/* Zero where no record is, so that one that arrives can be told; see CELLS in ring.h. */
static void wipe(const struct sl_async *async, struct sl_ring *ring, uint64_t from, uint64_t to)
{
    char *data = sl_ring_data(ring);
    uint64_t at = from & async->mask;
    uint64_t size = to - from;
    uint64_t end = async->mask + 1 - at;
    memset(data + at, 0, size < end ? size : end);
    if (size > end) memset(data, 0, size - end);
}

static void release_rings(struct sl_async *async)
{
    struct sl_ring_header *region = async->region;
    for (uint32_t i = 0; i < ring_count_of(async); i++) {
        struct sl_ring *ring = sl_ring_at(region, i);
        uint64_t tail = ring->tail[region->committed % 2];
        if (async->has_cells) wipe(async, ring, ring->released, tail);
        /* Release: our reads of the records, and the zeros, are done. */
        __atomic_store_n(&ring->released, tail, __ATOMIC_RELEASE);
        if (__atomic_load_n(&ring->state, __ATOMIC_ACQUIRE) != SL_RING_ENDED) continue;
        if (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == tail) {
            __atomic_store_n(&ring->state, SL_RING_FREE, __ATOMIC_RELEASE);
        }
    }
}

/* Writes out what is sealed. False: not all of it now. */
static bool deliver(struct sl_async *async)
{
    struct sl_ring_header *region = async->region;
    time_t second = time(NULL);
    bool is_last = false;
    bool is_done = true;
    for (uint32_t i = 0; i < region->sink_count; i++) {
        struct sl_ring_sink *slot = sl_ring_sink_at(region, i);
        if (slot->used == slot->done) continue;
        struct sl_sink *sink = async->pipeline->sinks[i];
        const char *batch = sl_ring_batch(region, i);
        if (sl_sink_deliver(sink, slot, batch, second, is_last)) continue;
        is_last = is_given_up(async);
        if (!is_last || !sl_sink_deliver(sink, slot, batch, second, true)) is_done = false;
    }
    if (!is_done) return false;
    async->failing_since_ns = 0;
    __atomic_store_n(&region->committed, region->sealed, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < region->sink_count; i++) {
        struct sl_ring_sink *slot = sl_ring_sink_at(region, i);
        slot->used = 0;
        slot->done = 0;
        slot->lines = 0;
    }
    release_rings(async);
    (void)__atomic_fetch_add(&async->progress, 1, __ATOMIC_RELEASE);
    sl_futex_wake(&async->progress, INT32_MAX);
    return true;
}

static bool seal_and_deliver(struct sl_async *async)
{
    struct sl_ring_header *region = async->region;
    uint64_t next = region->committed + 1;
    for (uint32_t i = 0; i < ring_count_of(async); i++) {
        struct sl_ring *ring = sl_ring_at(region, i);
        ring->tail[next % 2] = ring->tail[region->committed % 2];
    }
    for (uint32_t i = 0; i < async->cursor_count; i++) {
        async->cursors[i].ring->tail[next % 2] = async->cursors[i].place;
    }
    region->told_count[next % 2] = async->told_count;
    /* Release: who sees the seal sees batches and tails whole. */
    __atomic_store_n(&region->sealed, next, __ATOMIC_RELEASE);
    return deliver(async);
}

/* ---- what the back end has to say itself ---- */

static void put_own_line(struct sl_async *async, const char *event, const char *key, int64_t number)
{
    struct sl_reader *reader = async->reader;
    struct sl_call *call = &reader->call;
    sl_list_init(&reader->list);
    sl_list_put(&reader->list, key, strlen(key), SL_VALUE(number), false);
    call->site = NULL;
    call->log = NULL;
    call->context = NULL;
    call->prepared = &reader->list;
    call->values = NULL;
    call->pairs = NULL;
    call->count = 0;
    call->suppressed_count = 0;
    call->event = event;
    call->event_size = strlen(event);
    call->level = SL_WARN;
    call->identity = &call->thread->identity;
    int64_t now = wall_ns();
    call->time.tv_sec = (time_t)(now / 1000000000);
    call->time.tv_nsec = (long)(now % 1000000000);
    sl_count(SL_COUNTER_WARN, 1);
    put_line(async, call);
}

static uint64_t dropped_count(struct sl_async *async)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ring_count_of(async); i++) {
        sum += __atomic_load_n(&sl_ring_at(async->region, i)->dropped_count, __ATOMIC_RELAXED);
    }
    return sum;
}

static void report(struct sl_async *async)
{
    if (async->step_ns != 0) {
        put_own_line(async, "system clock was set", "step_ms", async->step_ns / 1000000);
        async->step_ns = 0;
    }
    uint64_t dropped = dropped_count(async);
    if (dropped == async->told_count) return;
    int64_t now = monotonic_ns();
    bool is_stopping = __atomic_load_n(&async->stop, __ATOMIC_RELAXED) != 0;
    if (now - async->reported_ns < REPORT_NS && !is_stopping) return;
    async->reported_ns = now;
    put_own_line(async, "log lines dropped", "dropped_count",
                 (int64_t)(dropped - async->told_count));
    async->told_now_count += dropped - async->told_count;
    async->told_count = dropped;
}

/* ---- records ---- */

static struct sl_site *find_site(void *context, uint32_t number)
{
    (void)context;
    return sl_site_numbered(number);
}

static bool start_reader(struct sl_async *async)
{
    struct sl_call *call = &async->reader->call;
    struct sl_thread *thread = sl_thread_self();
    if (thread == NULL) return false;
    if (!async->is_foreign) async->reader->find = find_site;
    call->pipeline = async->pipeline;
    call->thread = thread;
    call->stamp = &async->stamp;
    call->line = thread->line;
    call->line_size = thread->line_size;
    call->is_nested = false;
    return true;
}

/* Time does not run back between lines but where the clock was set. */
static int64_t time_of(struct sl_async *async, uint64_t ticks)
{
    int64_t ns = sl_ticks_to_ns(async->region, ticks);
    if (ns < 0) ns = 0; /* before 1970: only a damaged region tells so */
    if (ns < async->last_ns && async->last_ns - ns < STEP_NS) return async->last_ns;
    async->last_ns = ns;
    return ns;
}

/* After it, what a thread stored before a head that we have read is there. */
static void settle(struct sl_async *async)
{
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
    }
    async->is_settled = true;
}

static enum sl_peek peek(struct sl_async *async, struct sl_cursor *cursor)
{
    return sl_ring_peek(async->region, cursor->ring, &cursor->place, cursor->head,
                        async->is_settled, &cursor->found);
}

static void next_record(struct sl_async *async, struct sl_cursor *cursor)
{
    enum sl_peek result = peek(async, cursor);
    if (result == SL_PEEK_LATE) {
        settle(async);
        result = peek(async, cursor);
    }
    if (result == SL_PEEK_FOUND) return;
    cursor->found.at = NULL;
    if (result == SL_PEEK_END) return;
    cursor->place = cursor->head; /* someone wrote over our memory: what lies there is lost */
    async->bad_count++;
    sl_count(SL_COUNTER_LOST, 1);
}

static void take_record(struct sl_async *async, struct sl_cursor *cursor)
{
    struct sl_reader *reader = async->reader;
    struct sl_call *call = &reader->call;
    int64_t ns = time_of(async, cursor->found.ticks);
    call->identity = (struct sl_identity *)(void *)&cursor->ring->tid;
    call->time.tv_sec = (time_t)(ns / 1000000000);
    call->time.tv_nsec = (long)(ns % 1000000000);
    async->record_count++;
    sl_count_in(call->thread, sl_counter_of(cursor->found.level), 1);
    if (sl_reader_take(reader, &cursor->found)) {
        put_line(async, call);
    } else {
        async->bad_count++;
        sl_count(SL_COUNTER_LOST, 1);
    }
    cursor->place += cursor->found.size;
    next_record(async, cursor);
}

static void place_cursors(struct sl_async *async)
{
    struct sl_ring_header *region = async->region;
    async->cursor_count = 0;
    for (uint32_t i = 0; i < ring_count_of(async); i++) {
        struct sl_ring *ring = sl_ring_at(region, i);
        struct sl_cursor *cursor = &async->cursors[async->cursor_count];
        cursor->ring = ring;
        cursor->head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
        cursor->place = ring->tail[region->committed % 2];
        if (cursor->head != cursor->place) async->cursor_count++;
    }
    async->is_settled = async->is_foreign; /* of the heads just read */
    for (uint32_t i = 0; i < async->cursor_count; i++) next_record(async, &async->cursors[i]);
}

/* The cursor with the oldest record; *second: up to when none of the others has one. */
static struct sl_cursor *oldest(struct sl_async *async, uint64_t *second)
{
    struct sl_cursor *best = NULL;
    *second = UINT64_MAX;
    for (uint32_t i = 0; i < async->cursor_count; i++) {
        struct sl_cursor *cursor = &async->cursors[i];
        if (cursor->found.at == NULL) continue;
        if (best == NULL || cursor->found.ticks < best->found.ticks) {
            if (best != NULL) *second = best->found.ticks;
            best = cursor;
        } else if (cursor->found.ticks < *second) {
            *second = cursor->found.ticks;
        }
    }
    return best;
}

/* False: the sinks do not take it now. */
static bool drain_cursors(struct sl_async *async, uint64_t cutoff)
{
    uint64_t second = 0;
    struct sl_cursor *cursor = oldest(async, &second);
    while (cursor != NULL && cursor->found.ticks <= cutoff) {
        uint64_t until = second < cutoff ? second : cutoff;
        while (cursor->found.at != NULL && cursor->found.ticks <= until) {
            take_record(async, cursor);
            if (is_batch_full(async) && !seal_and_deliver(async)) return false;
        }
        cursor = oldest(async, &second);
    }
    return true;
}

bool sl_drain(struct sl_async *async, bool all)
{
    struct sl_ring_header *region = async->region;
    if (region == NULL || !start_reader(async)) return true;
    if (region->sealed != region->committed && !deliver(async)) return false;
    sl_drain_set_clock(async, false);
    uint64_t now = sl_ticks_now(async->ticks);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the time first, then the heads */
    place_cursors(async);
    if (!drain_cursors(async, all ? UINT64_MAX : now - grace_ticks(async))) return false;
    report(async);
    if (async->cursor_count == 0 && !is_any_batched(async)) {
        release_rings(async); /* of threads that have ended */
        return true;
    }
    return seal_and_deliver(async);
}

bool sl_drain_has_work(const struct sl_async *async)
{
    struct sl_ring_header *region = async->region;
    if (region == NULL) return false;
    if (region->sealed != region->committed) return true;
    uint32_t count = __atomic_load_n(&async->ring_ready, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count; i++) {
        struct sl_ring *ring = sl_ring_at(region, i);
        uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_SEQ_CST);
        if (head != __atomic_load_n(&ring->released, __ATOMIC_RELAXED)) return true;
    }
    return false;
}

/* A line that has no record: behind all that have one. */
void sl_drain_call(struct sl_async *async, struct sl_call *call)
{
    sl_mutex_lock(&async->lock);
    bool is_clear = sl_drain(async, true);
    while (!is_clear) { /* ends with the time that the batch has */
        sl_futex_wait(&async->wake, __atomic_load_n(&async->wake, __ATOMIC_RELAXED), 10);
        is_clear = sl_drain(async, true);
    }
    (void)clock_gettime(async->pipeline->clock, &call->time);
    sl_count(sl_counter_of(call->level), 1);
    call->line = call->thread->line; /* which the work above may have replaced */
    call->line_size = call->thread->line_size;
    const struct sl_pipeline *pipeline = async->pipeline;
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        struct sl_sink *sink = pipeline->sinks[i];
        if (call->level < sink->level) continue;
        size_t size = sl_render(call, sink->view);
        if (size > 0) {
            sl_sink_write(sink, call, size);
        } else {
            sl_count(SL_COUNTER_LOST, 1);
        }
    }
    sl_mutex_unlock(&async->lock);
}
