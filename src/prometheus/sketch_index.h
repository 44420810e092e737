/* sketch_index.h - from a value to its exponential bucket and back, and buckets as keys. */
#ifndef PROMETHEUS_SKETCH_INDEX_H
#define PROMETHEUS_SKETCH_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SKETCH_FINEST = 256 }; /* buckets of an octave at schema 8 */

/* A part of an octave, in which at most one bucket ends: ends lie at least 1.38 parts apart when
 * there are two parts a bucket. `end` is the mantissa of the next end, rounded down: a mantissa
 * beyond it is in a later bucket; `count` of them end before, which is kept as the difference from
 * what the segment's number says, to be added to the value's bits. */
struct sketch_segment {
    uint64_t end;
    uint64_t count; /* less half the segment's own number, rounded down */
};

/* pm_sketch_bounds: the ends at schema 8. pm_sketch_segments: from 2^(s+1) on, the 2^(s+1) segments
 * of schema s, 0 .. 8. Filled by pm_sketch_tables(). */
extern uint64_t pm_sketch_bounds[SKETCH_FINEST + 1];
extern struct sketch_segment pm_sketch_segments[4 * SKETCH_FINEST];
void pm_sketch_tables(void); /* before the first index; more calls do nothing */

/* The bucket at a schema `shift` coarser: ends coincide, so rounding up is exact. */
static inline int32_t sketch_coarser(int32_t index, int shift)
{
    return ((index - 1) >> shift) + 1;
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
    uint64_t at = mantissa >> 43;
    const struct sketch_segment *segment = &pm_sketch_segments[2 * SKETCH_FINEST + at];
    int32_t part = (int32_t)((at >> 1) + segment->count) + (segment->end < mantissa);
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
