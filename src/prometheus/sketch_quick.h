/* sketch_quick.h - counting in a bucket that is there, of the open set seen last: one restartable
 * sequence, and a second one for the sum.
 */
#ifndef PROMETHEUS_SKETCH_QUICK_H
#define PROMETHEUS_SKETCH_QUICK_H

#include "prometheus/sketch.h"
#include "prometheus/sketch_index.h"

#ifdef PM_RSEQ_
/* As pm_rseq_observe_(), while the control is the expected one. */
static inline bool rseq_observe_if(char *count, char *sum, double amount, const uint64_t *control,
                                   uint64_t expected)
{
    struct rseq *self = pm_rseq_self_();
start:;
    uint32_t cpu = *(volatile uint32_t *)&self->cpu_id_start;
    size_t lane = (size_t)cpu << PM_STRIDE_SHIFT_;
    __asm__ goto(
        PM_RSEQ_PAIR_HEAD_
        "cmpq %[expected], (%[control])\n\tjne %l[changed]\n\t" PM_RSEQ_PAIR_TAIL_
        :
        : [self] "r"(self), [cpu] "r"(cpu), [lane] "r"(lane), [count] "r"(count), [sum] "r"(sum),
          [amount] "x"(amount), [control] "r"(control), [expected] "r"(expected),
          [cs] "i"(offsetof(struct rseq, rseq_cs)), [id] "i"(offsetof(struct rseq, cpu_id))
        : "memory", "cc", "rax", "xmm15"
        : again, second, changed);
    return true;
second:
    return pm_rseq_add_double_by_(self, sum, amount) != 0;
again:
    if (pm_rseq_is_there_(self)) goto start;
changed:
    return false;
}

#define OPEN_(member) __atomic_load_n(&open->member, __ATOMIC_RELAXED)
/* Where a positive value counts by the open set seen last; false: take another way. From the value
 * to the slot there is one short chain, for processors hold back what stands behind a store whose
 * address is late. */
static inline bool quick_slot(const struct sketch_open *open, size_t mask, double value,
                              size_t *slot)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (__builtin_expect(bits - OPEN_(least) >= OPEN_(span), 0)) return false;
    uint64_t halves = bits >> (OPEN_(shift) & 63); /* of a bucket's mean width */
    const struct sketch_segment *segment = &OPEN_(segments)[halves & OPEN_(segment_mask)];
    uint64_t mantissa = bits & (((uint64_t)1 << 52) - 1);
    uint64_t key = OPEN_(key_base) + (halves >> 1) + segment->count + (segment->end < mantissa);
    *slot = key & mask;
    return __builtin_expect(__atomic_load_n(&OPEN_(keys)[*slot], __ATOMIC_RELAXED) == key, 1);
}
#undef OPEN_

/* Counts, and adds the value to one of the two words at `sums`, of CPU 0; false: nothing done. */
static inline bool sketch_observe_quick(const struct sketch *sketch, char *sums, double value)
{
    uint64_t control = __atomic_load_n(&sketch->open.control, __ATOMIC_ACQUIRE);
    size_t slot;
    if (!quick_slot(&sketch->open, sketch->mask, value, &slot)) return false;
    char *count = __atomic_load_n(&sketch->open.counts, __ATOMIC_RELAXED);
    count += sketch_count_slot(slot) * 8;
    char *sum = sums + (slot & 1) * 8;
    return rseq_observe_if(count, sum, value, sketch->header, control);
}
#endif

#endif
