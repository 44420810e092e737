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
/* What a record of the quick way takes at most, so that one comparison does for all its parts. */
#define SL_QUICK_TEXT 64u /* bytes of one text */
#define SL_QUICK_SIZE                                                                              \
    (sizeof(struct sl_record) + SL_PAIRS_MAX * (sizeof(struct sl_record_value) + SL_QUICK_TEXT))

/* A text of at most SL_QUICK_TEXT bytes, without a call. */
static inline char *sl_put_text(char *to, const char *from, uint32_t size)
{
    if (size >= 16) {
        char *end = to + size;
        const char *last = from + size - 16;
        for (; to < end - 16; to += 16, from += 16) memcpy(to, from, 16);
        memcpy(end - 16, last, 16);
        return end;
    }
    return sl_put_bytes(to, from, size);
}

static inline uint64_t sl_ticks_read_counter(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t counter = 0;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(counter));
    return counter;
#else
    return 0;
#endif
}

static inline uint64_t sl_ticks_read(enum sl_ticks ticks)
{
    return SL_LIKELY(ticks == SL_TICKS_COUNTER) ? sl_ticks_read_counter()
                                                : sl_ticks_of_clock(ticks);
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
static inline void sl_fetch_ahead(const char *at)
{
    sl_fetch(at + SL_FETCH_AHEAD); /* beyond the end, too: that hurts nobody */
    sl_fetch(at + SL_FETCH_AHEAD + 64);
    sl_fetch(at + SL_FETCH_AHEAD + 128);
}

/* The record's first eight bytes. */
static inline uint64_t sl_record_front(size_t size, uint32_t kind, uint32_t level, uint32_t parts,
                                       uint32_t count)
{
    return (uint64_t)count << 56 | (uint64_t)parts << 48 | (uint64_t)level << 40 |
           (uint64_t)kind << 32 | size;
}

/* Copies the values behind the record's head; the end of the record, or NULL. A
 * function of its own so that what the loop needs stays in registers. */
static inline char *sl_put_quick_values(char *start, size_t count, const struct sl_value *value)
{
    char *to = start + sizeof(struct sl_record);
    char *text = to + count * sizeof(struct sl_record_value);
    for (const char *values_end = text; to != values_end; to += sizeof(struct sl_record_value)) {
        value++;
        /* By halves, which the atomics keep apart: one load of both would wait until the stores
         * have reached the cache, and one store of both costs more than two. */
        uint64_t payload = __atomic_load_n(&value->as.natural, __ATOMIC_RELAXED);
        uint64_t rest = 0;
        memcpy(&rest, &value->size, sizeof(rest)); /* size and kind */
        uint64_t *cells = (uint64_t *)(void *)to;
        __atomic_store_n(&cells[0], payload, __ATOMIC_RELAXED);
        __atomic_store_n(&cells[1], rest, __ATOMIC_RELAXED);
        uint32_t size = (uint32_t)rest;
        if (size == 0) continue;
        /* What must be taken apart first says that it is larger than anything. */
        if (SL_UNLIKELY(size > SL_QUICK_TEXT)) return NULL;
        text = sl_put_text(text, (const char *)(uintptr_t)payload, size);
    }
    return text;
}

/* Calls nothing, so that the compiler need not save anything for a call. The ring's limit never
 * lies beyond its end, so one comparison finds room and a piece without a break. */
static inline bool sl_push_quickly(const struct sl_async *async, const struct sl_thread *thread,
                                   const struct sl_site *site, uint32_t level,
                                   const struct sl_value *values)
{
    struct sl_ring *ring = thread->lanes[0].ring;
    uint32_t number = site->number;
    if (SL_UNLIKELY(thread->lanes[0].async_id != async->id)) return false;
    if (SL_UNLIKELY(__atomic_load_n(&async->sites[number], __ATOMIC_RELAXED) == 0)) return false;
    uint64_t head = ring->head;
    if (SL_UNLIKELY(head + SL_QUICK_SIZE > ring->limit)) return false;
    char *start = sl_ring_data(ring) + (head & async->mask);
    uint64_t *cells = (uint64_t *)(void *)start;
    cells[1] = sl_ticks_read_counter();
    cells[2] = head << 32 | number;
    uint32_t count = site->count;
    uint64_t front = sl_record_front(0, SL_RECORD_SITE, level, 0, count);
    const char *end = sl_put_quick_values(start, count, values);
    if (SL_UNLIKELY(end == NULL)) return false;
    size_t size = sl_pad8((size_t)(end - start));
    cells[0] = front | size;
    /* Release: who sees the head sees the record. */
    __atomic_store_n(&ring->head, ring->head + size, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* membarrier makes more of it, see async.c */
    sl_fetch_ahead(start + size);
    return true;
}

#endif
