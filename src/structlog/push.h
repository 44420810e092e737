/* push.h - the common asynchronous call, inlined: a handful of values without fields around them.
 *
 * What makes it quick: one pass over the values, one test for room, one word for the record's head,
 * no lock, no fence, no store that another processor waits for but the head.
 */
#ifndef STRUCTLOG_PUSH_H
#define STRUCTLOG_PUSH_H

#include "structlog/async_state.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define SL_FETCH_AHEAD 1024u /* bytes: some five records */
/* What a record of the quick way takes at most, so that one test does for all its parts. */
#define SL_QUICK_SIZE 2048u
_Static_assert(sizeof(struct sl_record) + SL_PAIRS_MAX * sizeof(struct sl_record_value) <
                   SL_QUICK_SIZE / 2,
               "half of it is for texts");

static inline uint64_t sl_ticks_read(enum sl_ticks ticks)
{
#if defined(__x86_64__)
    if (SL_LIKELY(ticks == SL_TICKS_COUNTER)) return __rdtsc();
#elif defined(__aarch64__)
    if (SL_LIKELY(ticks == SL_TICKS_COUNTER)) {
        uint64_t counter = 0;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(counter));
        return counter;
    }
#endif
    return sl_ticks_of_clock(ticks);
}

/* Asks for the line to write it. */
static inline void sl_fetch(const char *at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*at));
#else
    __builtin_prefetch(at, 1, 3);
#endif
}

/* The lines that the records after the next will stand in are with the back end's processor, or
 * nowhere near: asked for now, they are there when they are wanted. */
static inline void sl_fetch_ahead(const struct sl_async *async, const char *data, uint64_t head)
{
    const char *ahead = data + ((head + SL_FETCH_AHEAD) & async->mask);
    sl_fetch(ahead);
    sl_fetch(ahead + 64); /* beyond the end: a prefetch hurts nobody */
    sl_fetch(ahead + 128);
}

static inline void sl_publish(struct sl_async *async, struct sl_ring *ring, uint64_t head)
{
    /* Release: who sees the head sees the record. */
    __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (SL_UNLIKELY(async->needs_fence)) __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (SL_UNLIKELY(__atomic_load_n(&async->is_idle, __ATOMIC_RELAXED) != 0)) sl_async_wake(async);
}

/* The record's first eight bytes. */
static inline uint64_t sl_record_front(size_t size, uint32_t kind, int level, uint32_t parts,
                                       uint32_t count)
{
    uint64_t byte = level < 0 ? 0 : level > 255 ? 255 : (uint64_t)level;
    return (uint64_t)count << 56 | (uint64_t)parts << 48 | byte << 40 | (uint64_t)kind << 32 | size;
}

/* False: nothing has happened, and sl_async_push is to do it. */
static inline bool sl_push_quickly(struct sl_async *async, const struct sl_thread *thread,
                                   const struct sl_site *site, int level,
                                   const struct sl_value *values)
{
    uint64_t ticks = sl_ticks_read(async->ticks);
    struct sl_ring *ring = thread->lanes[0].ring;
    uint32_t number = site->number;
    if (SL_UNLIKELY(thread->lanes[0].async_id != async->id)) return false;
    if (SL_UNLIKELY(__atomic_load_n(&async->sites[number], __ATOMIC_RELAXED) == 0)) return false;
    uint64_t head = ring->head;
    uint64_t at = head & async->mask;
    if (SL_UNLIKELY(head + SL_QUICK_SIZE > ring->limit)) return false;
    if (SL_UNLIKELY(at + SL_QUICK_SIZE > async->mask + 1)) return false;
    char *data = sl_ring_data(ring);
    char *start = data + at;
    char *to = start + sizeof(struct sl_record);
    uint32_t count = site->count;
    char *text = to + count * sizeof(struct sl_record_value);
    const char *text_end = start + SL_QUICK_SIZE;
    const struct sl_value *value = values + 1;
    for (const struct sl_value *end = value + count; value != end; value++) {
        /* By the parts they were stored in, which the atomic loads keep apart: a wider load would
         * wait until the stores have reached the cache. */
        uint64_t payload = __atomic_load_n(&value->as.natural, __ATOMIC_RELAXED);
        uint64_t size = __atomic_load_n(&value->size, __ATOMIC_RELAXED);
        uint64_t rest = (uint64_t)__atomic_load_n(&value->kind, __ATOMIC_RELAXED) << 32 | size;
        memcpy(to, &payload, sizeof(payload));
        memcpy(to + sizeof(payload), &rest, sizeof(rest));
        to += sizeof(struct sl_record_value);
        if (size == 0) continue;
        /* What must be taken apart first says that it is larger than anything. */
        if (SL_UNLIKELY(size > (size_t)(text_end - text))) return false;
        text = sl_put_bytes(text, (const char *)(uintptr_t)payload, size);
    }
    size_t size = sl_pad8((size_t)(text - start));
    uint64_t front = sl_record_front(size, SL_RECORD_SITE, level, 0, count);
    uint64_t last = (uint64_t)(uint32_t)head << 32 | number;
    memcpy(start, &front, sizeof(front));
    memcpy(start + 8, &ticks, sizeof(ticks));
    memcpy(start + 16, &last, sizeof(last));
    sl_publish(async, ring, head + size);
    sl_fetch_ahead(async, data, head + size);
    return true;
}

#endif
