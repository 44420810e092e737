/* push.h - the common asynchronous call: a record begun by the library, filled by the call itself.
 *
 * What makes it quick: what stands between the call and its ring is remembered (struct sl_gate),
 * the values go from registers into the record, one test finds room, there is no lock, no fence,
 * and of all it stores the head alone goes through the cache, see cells.h.
 */
#ifndef STRUCTLOG_PUSH_H
#define STRUCTLOG_PUSH_H

#include "structlog/async_state.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

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

/* Asks for the line to write it; an address beyond all memory hurts nobody. */
static inline void sl_fetch(const void *at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
    __builtin_prefetch(at, 1, 3);
#endif
}

/* The record's first eight bytes. */
static inline uint64_t sl_record_front(size_t size, uint32_t kind, uint32_t level, uint32_t parts,
                                       uint32_t count)
{
    return (uint64_t)count << 56 | (uint64_t)parts << 48 | (uint64_t)level << 40 |
           (uint64_t)kind << 32 | size;
}

/* Padded to a cell; a wire's size is a multiple of 8. */
static inline char *sl_put_wire_cells(char *to, const struct sl_wire *wire)
{
    const char *from = (const char *)wire;
    const char *end = from + wire->size;
    for (; end - from >= 16; from += 16) to = sl_copy_cell_(to, from);
    return from == end ? to : sl_put_cell_(to, sl_load_8_(from), 0);
}

static inline size_t sl_wire_cells_size(const struct sl_wire *wire)
{
    return ((size_t)wire->size + 15) & ~(size_t)15;
}

/* A record of `rest` bytes behind its first cell, whose parts are of kinds `set`; what comes next
 * is at the result. NULL: no room at hand, or the site is not known yet. Calls nothing, so that the
 * compiler need not save anything for a call. The ring's limit never lies beyond its end, so one
 * comparison finds room and a piece without a break. */
static SL_INLINE char *sl_push_begin(struct sl_gate *gate, const struct sl_site *site,
                                     uint32_t level, uint32_t set, uint64_t rest)
{
    const struct sl_async *async = gate->async;
    struct sl_ring *ring = gate->ring;
    uint32_t number = site->number;
    if (SL_UNLIKELY(__atomic_load_n(&async->sites[number], __ATOMIC_RELAXED) == 0)) return NULL;
    uint64_t size = sl_pad_record(SL_CELL_SIZE_ + rest);
    uint64_t head = ring->head;
    /* Values that must be taken apart first have a size that goes beyond the maximum. */
    if (SL_UNLIKELY(size > SL_CELLS_SIZE_MAX || head + size > ring->limit)) return NULL;
    gate->next_head = head + size;
    uint64_t low = size / SL_RECORD_UNIT | (uint16_t)(head / SL_RECORD_UNIT << 8);
    low |= (uint64_t)number << 16;
    low |= sl_record_front(0, SL_RECORD_CELLS, level, set, site->count);
    return sl_put_cell_(sl_ring_data(ring) + (head & async->mask), low, sl_ticks_read_counter());
}

/* The record is whole, up to `end`. */
static SL_INLINE void sl_push_end(const struct sl_gate *gate, char *end)
{
    /* A line that is not whole would stay with this processor. */
    while (((uintptr_t)end & (SL_RECORD_UNIT - 1)) != 0) end = sl_put_cell_(end, 0, 0);
    /* Release: who sees the head sees the record, but for its cells. */
    __atomic_store_n(&gate->ring->head, gate->next_head, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* membarrier makes more of it, see async.c */
    /* Where the next page lies in memory takes long to find out after a pause; begun now, it is
     * known in time. To write, for cells go slowly to a line that others have. */
    sl_fetch((const char *)(((uintptr_t)end | (SL_RING_PAGE - 1)) + 1));
}

#endif
