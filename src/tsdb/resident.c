/* resident.c - a bit a window. */
#include "tsdb/resident.h"

#include <stdlib.h>

enum { WORD_BITS = 64 };

#define WINDOW_SIZE ((size_t)1 << RESIDENT_WINDOW_SHIFT)

bool resident_init(struct resident *resident, size_t file_size, atomic_size_t *total)
{
    *resident = (struct resident){ .total = total };
    size_t count = (file_size >> RESIDENT_WINDOW_SHIFT) / WORD_BITS + 1;
    resident->windows = calloc(count, sizeof(resident->windows[0]));
    if (resident->windows == NULL) return false;
    resident->word_count = count;
    return true;
}

void resident_release(struct resident *resident)
{
    resident_forget(resident);
    free(resident->windows);
    *resident = (struct resident){ 0 };
}

/* The order of these says nothing of other memory: relaxed all. */
static void note_window(const struct resident *resident, size_t window)
{
    _Atomic uint64_t *word = &resident->windows[window / WORD_BITS];
    uint64_t bit = UINT64_C(1) << window % WORD_BITS;
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0) return;
    if ((atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit) != 0) return;
    (void)atomic_fetch_add_explicit(resident->total, WINDOW_SIZE, memory_order_relaxed);
}

void resident_note(const struct resident *resident, size_t offset, size_t size)
{
    if (resident->word_count == 0 || size == 0) return;
    size_t last = (offset + size - 1) >> RESIDENT_WINDOW_SHIFT;
    for (size_t i = offset >> RESIDENT_WINDOW_SHIFT; i <= last; i++) note_window(resident, i);
}

size_t resident_size(const struct resident *resident)
{
    size_t size = 0;
    for (size_t i = 0; i < resident->word_count; i++) {
        uint64_t word = atomic_load_explicit(&resident->windows[i], memory_order_relaxed);
        size += (size_t)__builtin_popcountll(word) * WINDOW_SIZE;
    }
    return size;
}

void resident_forget(const struct resident *resident)
{
    size_t size = 0;
    for (size_t i = 0; i < resident->word_count; i++) {
        uint64_t word = atomic_exchange_explicit(&resident->windows[i], 0, memory_order_relaxed);
        size += (size_t)__builtin_popcountll(word) * WINDOW_SIZE;
    }
    if (size > 0) (void)atomic_fetch_sub_explicit(resident->total, size, memory_order_relaxed);
}
