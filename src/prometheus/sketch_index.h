/* sketch_index.h - from a value to its exponential bucket and back, and buckets as keys. */
#ifndef PROMETHEUS_SKETCH_INDEX_H
#define PROMETHEUS_SKETCH_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SKETCH_SEGMENTS = 512, SKETCH_FINEST = 256 }; /* buckets of an octave at schema 8 */

/* The mantissas where the buckets of schema 8 end, rounded down: mantissa > bounds[k] is in a later
 * one. guesses[i] of them end before segment i of the mantissas begins; a segment has at most one
 * end in it, for ends lie at least 1.38 segments apart. Filled by pm_sketch_tables(). */
extern uint64_t pm_sketch_bounds[SKETCH_FINEST + 1];
extern uint16_t pm_sketch_guesses[SKETCH_SEGMENTS];
void pm_sketch_tables(void); /* before the first index; more calls do nothing */

/* The bucket at a schema `shift` coarser: ends coincide, so rounding up is exact. */
static inline int32_t sketch_coarser(int32_t index, int shift)
{
    return ((index - 1) >> shift) + 1;
}

/* The bits of a size that is normal; at the schema `shift` coarser than 8. */
static inline int32_t sketch_index_normal(uint64_t bits, int shift)
{
    uint64_t mantissa = bits & (((uint64_t)1 << 52) - 1);
    uint32_t guess = pm_sketch_guesses[mantissa >> 43];
    int32_t part = (int32_t)(guess + (pm_sketch_bounds[guess] < mantissa));
    return sketch_coarser((int32_t)(bits >> 52) * SKETCH_FINEST - 1023 * SKETCH_FINEST + part,
                          shift);
}

/* size > 0, also infinite; at the schema `shift` coarser than 8. */
static inline int32_t sketch_index(double size, int shift)
{
    uint64_t bits;
    memcpy(&bits, &size, sizeof(bits));
    int32_t exponent = (int32_t)(bits >> 52);
    if (__builtin_expect(exponent == 0, 0)) { /* subnormal: exact after scaling */
        double scaled = size * 0x1p54;
        memcpy(&bits, &scaled, sizeof(bits));
        exponent = (int32_t)(bits >> 52) - 54;
    }
    uint64_t mantissa = bits & (((uint64_t)1 << 52) - 1);
    uint32_t guess = pm_sketch_guesses[mantissa >> 43];
    int32_t part = (int32_t)(guess + (pm_sketch_bounds[guess] < mantissa));
    int32_t index = (exponent - 1023) * SKETCH_FINEST + part;
    if (__builtin_expect(exponent == 0x7ff, 0)) index = 1024 * SKETCH_FINEST + 1;
    return sketch_coarser(index, shift);
}

/* Keys: 0 is no bucket; negative ones above the positive; each half rises by index. */
static inline uint64_t sketch_key(int32_t index, bool is_negative)
{
    return (uint64_t)((int64_t)index + ((int64_t)1 << 24)) | (uint64_t)is_negative << 32;
}

static inline int32_t sketch_key_index(uint64_t key)
{
    return (int32_t)(key & 0x1ffffff) - (1 << 24);
}

static inline bool sketch_key_is_negative(uint64_t key)
{
    return (key >> 32 & 1) != 0;
}

/* Neighbours lie side by side, so values of one range do not meet; the two signs start apart. */
static inline uint64_t sketch_key_slot(uint64_t key)
{
    return key ^ (key >> 32) * 0x155;
}

#endif
