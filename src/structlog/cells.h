/* cells.h - how a call writes its values into its thread's ring: cells of 16 bytes, one by one.
 *
 * Included by call.h, never by itself. The back end reads the ring on another processor, and lines
 * of the cache that it has read come back to the caller slowly: 6 to 45 ns each. So cells go round
 * the cache (movntdq), in whole lines of 64 bytes. Such stores may be seen after later ones, the
 * ring's head among them; every eight bytes are therefore made never to be zero by the masks, and
 * the reader knows what has not arrived by the zeros that stand there. See ring.h.
 *
 * CELL     value      payload (8), size of the text (4), enum sl_kind (4); a text of at most 8
 *                     bytes is the payload, of a longer one it is zero and the text follows
 *          text       its bytes, 16 a cell; the last cell has the last 16 bytes of the text (of one
 *                     below 16: the first 8 and the last 8)
 */
#ifndef STRUCTLOG_CELLS_H
#define STRUCTLOG_CELLS_H

#include "structlog/structlog.h"

#define SL_CELL_INLINE_ static inline __attribute__((always_inline))
#define SL_CELL_SIZE_   16u
#define SL_MASK_LOW_    UINT64_C(0xa7c35e91d4862b6f)
#define SL_MASK_HIGH_   UINT64_C(0xc9b1e47d8f3a5263)

/* Texts and whatever the compiler does not know. */
SL_API char *sl_put_any_(char *to, struct sl_value value);

SL_CELL_INLINE_ uint64_t sl_load_8_(const char *from)
{
    uint64_t word;
    __builtin_memcpy(&word, from, sizeof(word));
    return word;
}

/* All of these return the end of what they wrote; `to` is a multiple of 16. */
#if defined(__x86_64__)
typedef long long sl_cell_ __attribute__((vector_size(16)));

SL_CELL_INLINE_ char *sl_store_cell_(char *to, sl_cell_ cell)
{
#if defined(__clang__)
    __builtin_nontemporal_store(cell, (sl_cell_ *)(void *)to);
#else
    __builtin_ia32_movntdq((sl_cell_ *)(void *)to, cell);
#endif
    return to + SL_CELL_SIZE_;
}

SL_CELL_INLINE_ char *sl_put_cell_(char *to, uint64_t low, uint64_t high)
{
    const sl_cell_ half = { (long long)low, 0 };
    const sl_cell_ mask = { (long long)SL_MASK_LOW_, (long long)(high ^ SL_MASK_HIGH_) };
    return sl_store_cell_(to, half ^ mask); /* with a constant `high` that is one constant */
}

SL_CELL_INLINE_ char *sl_copy_cell_(char *to, const char *from)
{
    const sl_cell_ mask = { (long long)SL_MASK_LOW_, (long long)SL_MASK_HIGH_ };
    sl_cell_ cell;
    __builtin_memcpy(&cell, from, sizeof(cell));
    return sl_store_cell_(to, cell ^ mask);
}
#else
SL_CELL_INLINE_ char *sl_put_cell_(char *to, uint64_t low, uint64_t high)
{
    uint64_t *halves = (uint64_t *)(void *)to;
    __atomic_store_n(&halves[0], low ^ SL_MASK_LOW_, __ATOMIC_RELAXED);
    __atomic_store_n(&halves[1], high ^ SL_MASK_HIGH_, __ATOMIC_RELAXED);
    return to + SL_CELL_SIZE_;
}

SL_CELL_INLINE_ char *sl_copy_cell_(char *to, const char *from)
{
    return sl_put_cell_(to, sl_load_8_(from), sl_load_8_(from + 8));
}
#endif

/* 1 to 8 bytes as one word that has them in their order. */
SL_CELL_INLINE_ uint64_t sl_short_text_(const char *from, uint32_t size)
{
    uint64_t word = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (size >= 4) {
        uint32_t low;
        uint32_t high;
        __builtin_memcpy(&low, from, sizeof(low));
        __builtin_memcpy(&high, from + size - 4, sizeof(high));
        return low | (uint64_t)high << 8 * (size - 4);
    }
    word = (unsigned char)from[0];
    word |= (uint64_t)(unsigned char)from[size / 2] << 8 * (size / 2);
    word |= (uint64_t)(unsigned char)from[size - 1] << 8 * (size - 1);
#else
    __builtin_memcpy(&word, from, size);
#endif
    return word;
}

/* More than 8 bytes. */
SL_CELL_INLINE_ char *sl_put_long_text_(char *to, const char *from, size_t size)
{
    const char *last = from + size - SL_CELL_SIZE_;
    if (size <= SL_CELL_SIZE_) return sl_put_cell_(to, sl_load_8_(from), sl_load_8_(last + 8));
    to = sl_copy_cell_(to, from);
    for (from += SL_CELL_SIZE_; from < last; from += SL_CELL_SIZE_) to = sl_copy_cell_(to, from);
    return sl_copy_cell_(to, last);
}

/* Bytes that the value's cells take. What must be taken apart first has a size beyond all. */
SL_CELL_INLINE_ uint64_t sl_cells_size_(struct sl_value value)
{
    uint64_t padded = ((uint64_t)value.size + SL_CELL_SIZE_ - 1) & ~(uint64_t)(SL_CELL_SIZE_ - 1);
    return SL_CELL_SIZE_ + (value.size > 8 ? padded : 0);
}

SL_CELL_INLINE_ char *sl_put_value_(char *to, struct sl_value value)
{
    uint64_t high = (uint64_t)value.kind << 32 | value.size;
    if (!__builtin_constant_p(value.size) || value.size > 64) return sl_put_any_(to, value);
    if (value.size == 0) return sl_put_cell_(to, value.as.natural, high);
    const char *from = (const char *)value.as.pointer;
    if (value.size <= 8) return sl_put_cell_(to, sl_short_text_(from, value.size), high);
    return sl_put_long_text_(sl_put_cell_(to, 0, high), from, value.size);
}

#endif
