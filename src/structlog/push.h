/* push.h - the common asynchronous call: a record begun by the library, filled by the call itself.
 *
 * What makes it quick: what stands between the call and its ring is remembered (struct sl_gate),
 * the values go from registers into the record, one test finds room, there is no lock, no fence, no
 * store that another processor waits for but the head.
 */
#ifndef STRUCTLOG_PUSH_H
#define STRUCTLOG_PUSH_H

#include "structlog/async_state.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define SL_FETCH_AHEAD 1024u /* bytes: some eight records */

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
}

/* The record's first eight bytes. */
static inline uint64_t sl_record_front(size_t size, uint32_t kind, uint32_t level, uint32_t parts,
                                       uint32_t count)
{
    return (uint64_t)count << 56 | (uint64_t)parts << 48 | (uint64_t)level << 40 |
           (uint64_t)kind << 32 | size;
}

/* What stands in a record before the values, see ring.h. */
struct sl_parts {
    uint32_t set;
    uint32_t name_size;
    size_t size;
    const char *name;
    const struct sl_wire *context, *bound;
    uint64_t suppressed_count;
};

static inline char *sl_put_wire(char *to, const struct sl_wire *wire)
{
    const char *from = (const char *)wire;
    char *end = to + wire->size; /* a multiple of 8, and at least 16 */
    for (; end - to >= 16; to += 16, from += 16) memcpy(to, from, 16);
    if (to != end) memcpy(to, from, 8);
    return end;
}

static inline char *sl_put_parts(char *to, const struct sl_parts *parts)
{
    if ((parts->set & SL_PART_SUPPRESSED) != 0) {
        memcpy(to, &parts->suppressed_count, sizeof(uint64_t));
        to += sizeof(uint64_t);
    }
    if ((parts->set & SL_PART_NAME) != 0) {
        uint64_t size = parts->name_size;
        memcpy(to, &size, sizeof(size));
        (void)sl_put_bytes(to + sizeof(size), parts->name, size);
        to += sizeof(size) + sl_pad8(size);
    }
    if (parts->context != NULL) to = sl_put_wire(to, parts->context);
    if (parts->bound != NULL) to = sl_put_wire(to, parts->bound);
    return to;
}

/* The head of a record of `rest` bytes behind it, whose parts are of kinds `set`; what comes next
 * is at the result. NULL: no room at hand, or the site is not known yet. Calls nothing, so that the
 * compiler need not save anything for a call. The ring's limit never lies beyond its end, so one
 * comparison finds room and a piece without a break. */
static SL_INLINE char *sl_push_begin(struct sl_gate *gate, const struct sl_site *site,
                                     uint32_t level, uint32_t set, size_t rest)
{
    const struct sl_async *async = gate->async;
    struct sl_ring *ring = gate->ring;
    uint32_t number = site->number;
    if (SL_UNLIKELY(__atomic_load_n(&async->sites[number], __ATOMIC_RELAXED) == 0)) return NULL;
    size_t size = sl_pad8(sizeof(struct sl_record) + rest);
    uint64_t head = ring->head;
    /* Values that must be taken apart first have a size that goes beyond any limit. */
    if (SL_UNLIKELY(head + size > ring->limit)) return NULL;
    gate->next_head = head + size;
    char *start = sl_ring_data(ring) + (head & async->mask);
    uint64_t *cells = (uint64_t *)(void *)start;
    cells[0] = sl_record_front(size, SL_RECORD_SITE, level, set, site->count);
    cells[1] = sl_ticks_read_counter();
    cells[2] = head << 32 | number;
    return start + sizeof(struct sl_record);
}

/* The record is whole, up to `end`. */
static SL_INLINE void sl_push_end(const struct sl_gate *gate, const char *end)
{
    /* Release: who sees the head sees the record. */
    __atomic_store_n(&gate->ring->head, gate->next_head, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* membarrier makes more of it, see async.c */
    sl_fetch_ahead(end);
}

#endif
