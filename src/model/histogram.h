/* histogram.h - native histograms: counts in buckets that grow exponentially, or at given bounds.
 *
 * Bucket i of schema s holds what is in (2^((i-1) * 2^-s), 2^(i * 2^-s)]; negative observations in
 * the mirror of it; what is within [-zero_threshold, zero_threshold] in the zero bucket. With
 * HISTOGRAM_SCHEMA_CUSTOM bucket i ends at bounds[i] and the last is open.
 *
 * In memory a bucket is its index and its count, empty ones left out, indexes ascending: simpler to
 * add than the spans and deltas of the wire, which histogram_from_spans reads.
 *
 * Ownership: a histogram is never changed once made; it and what it points to live in an arena.
 * Source:    Prometheus model/histogram, "Native histograms" specification.
 */
#ifndef MODEL_HISTOGRAM_H
#define MODEL_HISTOGRAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SCHEMA_CUSTOM (-53)
#define HISTOGRAM_SCHEMA_MIN    (-4)
#define HISTOGRAM_SCHEMA_MAX    8

enum histogram_hint {
    HISTOGRAM_HINT_UNKNOWN,
    HISTOGRAM_HINT_RESET,     /* a reset stands before this one */
    HISTOGRAM_HINT_NOT_RESET, /* there is none */
    HISTOGRAM_HINT_GAUGE,     /* may go down without one */
};

struct histogram_bucket {
    int32_t index;
    double count;
};

struct histogram {
    int32_t schema;
    enum histogram_hint hint;
    bool is_integer; /* it was made of whole counts: kept for who writes it out again */
    double zero_threshold;
    double zero_count;
    double count;
    double sum; /* a stale marker's bits: the series has ended */
    const struct histogram_bucket *positive;
    size_t positive_count;
    const struct histogram_bucket *negative; /* by index: from zero downwards */
    size_t negative_count;
    const double *bounds; /* HISTOGRAM_SCHEMA_CUSTOM only; ascending, without +Inf */
    size_t bound_count;
};

static inline bool histogram_is_custom(const struct histogram *histogram)
{
    return histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

/* Equal in every number and bucket; the hint does not count. */
bool histogram_equal(const struct histogram *a, const struct histogram *b);

/* Equal bit by bit, hint and all: the same number for a store. */
bool histogram_identical(const struct histogram *a, const struct histogram *b);

/* Whether two lists have the same buckets, whatever is in them. */
bool histogram_same_indexes(const struct histogram_bucket *a, size_t a_count,
                            const struct histogram_bucket *b, size_t b_count);

/* Whether a store may keep it: a schema that is known, buckets and bounds in order, no count below
 * zero. ERROR_INVALID says what is wrong. */
int histogram_check(const struct histogram *histogram, struct error *error) MUST_CHECK;

/* True when `later` cannot be `earlier` counted on. */
bool histogram_is_reset(const struct histogram *later, const struct histogram *earlier);

/* "{count:20, sum:10, [-2,-1):2, [-0.001,0.001]:2, (0.5,1]:1}", as count_values names it. */
void histogram_print(struct buf *buf, const struct histogram *histogram);

/* Deep copy into the arena; NULL when it is full. */
const struct histogram *histogram_copy(struct arena *arena,
                                       const struct histogram *histogram) MUST_CHECK;

/* What lies below `limit` (is_upper: `</`) or above it (`>/`), with count and sum estimated anew;
 * the bucket that the limit cuts is shared out by interpolation. NULL when the arena is full. */
const struct histogram *histogram_trim(struct arena *arena, const struct histogram *histogram,
                                       double limit, bool is_upper) MUST_CHECK;

/* How much it counts against a query's samples: a float's size is 1. */
size_t histogram_weight(const struct histogram *histogram);

/* One bucket with its bounds; both sides of zero in one ascending row. */
struct histogram_range {
    double lower;
    double upper;
    bool is_lower_closed;
    bool is_upper_closed;
    double count;
    int32_t index;
};

/* Walks the buckets that are not empty from the lowest to the highest, the zero bucket in its
 * place. Starts with *position 0; false at the end. */
bool histogram_next(const struct histogram *histogram, size_t *position,
                    struct histogram_range *range);

/* Upper bound of an exponential bucket. */
double histogram_bound(int32_t schema, int32_t index);

/* Runs of buckets as the wire has them: `offset` to skip, then `length` buckets. */
struct histogram_span {
    int32_t offset;
    uint32_t length;
};

/* Absolute counts of all spans' buckets, empty ones too, to buckets in the arena. -ENOMEM, or
 * ERROR_PARSE's code when the counts are fewer than the spans say. */
int histogram_from_spans(struct arena *arena, const struct histogram_span *spans, size_t span_count,
                         const double *counts, size_t count, struct histogram_bucket **buckets,
                         size_t *bucket_count) MUST_CHECK;

/*
 * A sum of histograms that is still growing.
 *
 *     struct histogram_sum sum = { 0 };
 *     code = histogram_sum_start(&sum, first);
 *     code = histogram_sum_add(&sum, second, 1, &events);      -1 subtracts
 *     histogram_sum_scale(&sum, 1.0 / 2);
 *     const struct histogram *mean = histogram_sum_finish(&sum, arena);
 *     histogram_sum_release(&sum);
 *
 * Sums are compensated (Neumaier), so that 1 + 1e100 + 1 - 1e100 is 2.
 */
struct histogram_sum_bucket {
    int32_t index;
    double count;
    double lost; /* what rounding took from count */
};

VEC_TYPE(histogram_sum_buckets, struct histogram_sum_bucket);

struct histogram_sum {
    struct histogram head; /* all but the buckets */
    double zero_lost;
    double count_lost;
    double sum_lost;
    struct histogram_sum_buckets positive;
    struct histogram_sum_buckets negative;
    VEC(double) bounds;
    bool is_mean; /* histogram_sum_average went over to a running mean */
};

/* What happened on the way, or-ed. */
enum histogram_event {
    HISTOGRAM_EVENT_RESETS_CONFLICT = 1, /* reset met not_reset */
    HISTOGRAM_EVENT_RECONCILED = 2,      /* custom bounds differed and were merged */
};

/* 0, -ENOMEM, or ERROR_INVALID: one is exponential, the other custom (the sum is unchanged). */
int histogram_sum_start(struct histogram_sum *sum, const struct histogram *first) MUST_CHECK;
int histogram_sum_add(struct histogram_sum *sum, const struct histogram *other, double sign,
                      unsigned *events) MUST_CHECK;
void histogram_sum_multiply(struct histogram_sum *sum, double factor);
void histogram_sum_divide(struct histogram_sum *sum, double divisor); /* by 0: buckets vanish */

/* The same for a mean: add is the count-th histogram (from 2 on); a sum that would overflow turns
 * into a running mean. histogram_sum_average_end makes the mean of what stands there. */
int histogram_sum_average(struct histogram_sum *sum, const struct histogram *add, double count,
                          unsigned *events) MUST_CHECK;
void histogram_sum_average_end(struct histogram_sum *sum, double count);
const struct histogram *histogram_sum_finish(const struct histogram_sum *sum,
                                             struct arena *arena) MUST_CHECK; /* NULL: full */
void histogram_sum_release(struct histogram_sum *sum); /* accepts a zeroed one */

#endif
