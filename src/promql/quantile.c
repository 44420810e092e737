/* quantile.c - quantiles and fractions by interpolation inside a bucket.
 *
 * Classic buckets and custom bounds: linearly, the lowest bucket from 0 when its bound is positive.
 * Exponential buckets: by the exponent; the zero bucket linearly.
 * Source: Prometheus promql/quantile, 3.x.
 */
#include "promql/quantile.h"

#include <float.h>
#include <math.h>

/* Smaller differences than this, relatively, are rounding. */
#define SMALL_DELTA 1e-12

static bool is_almost_equal(double a, double b)
{
    if (isnan(a) && isnan(b)) return true;
    if (!(a < b) && !(a > b)) return true;
    double sum = fabs(a) + fabs(b);
    double difference = fabs(a - b);
    if (fpclassify(a) == FP_ZERO || fpclassify(b) == FP_ZERO || sum < DBL_MIN) {
        return difference < SMALL_DELTA * DBL_MIN;
    }
    return difference / fmin(sum, DBL_MAX) < SMALL_DELTA;
}

static size_t join_equal(struct classic_bucket *buckets, size_t count)
{
    size_t kept = 0;
    for (size_t i = 1; i < count; i++) {
        if (buckets[i].upper <= buckets[kept].upper) {
            buckets[kept].count += buckets[i].count;
        } else {
            buckets[++kept] = buckets[i];
        }
    }
    return kept + 1;
}

static void lift(struct classic_bucket *buckets, size_t count, struct classic_mending *mending)
{
    double before = buckets[0].count;
    for (size_t i = 1; i < count; i++) {
        double now = buckets[i].count;
        if (is_almost_equal(before, now)) {
            buckets[i].count = before;
        } else if (now < before) {
            if (!mending->is_forced) mending->lowest = buckets[i].upper;
            mending->is_forced = true;
            mending->highest = buckets[i].upper;
            mending->most = fmax(mending->most, before - now);
            buckets[i].count = before;
        } else {
            before = now;
        }
    }
}

double classic_quantile(double q, struct classic_bucket *buckets, size_t count,
                        struct classic_mending *mending)
{
    if (isnan(q)) return (double)NAN;
    if (q < 0) return -(double)INFINITY;
    if (q > 1) return (double)INFINITY;
    if (count == 0 || !isinf(buckets[count - 1].upper) || buckets[count - 1].upper < 0) {
        return (double)NAN;
    }
    count = join_equal(buckets, count);
    lift(buckets, count, mending);
    double observations = buckets[count - 1].count;
    if (count < 2 || !(observations < 0 || observations > 0)) return (double)NAN;
    double rank = q * observations;
    size_t b = 0;
    while (b < count - 1 && !(buckets[b].count >= rank)) b++;
    if (b == count - 1) return buckets[count - 2].upper;
    if (b == 0 && buckets[0].upper <= 0) return buckets[0].upper;
    double start = b == 0 ? 0 : buckets[b - 1].upper;
    double before = b == 0 ? 0 : buckets[b - 1].count;
    return start + (buckets[b].upper - start) * ((rank - before) / (buckets[b].count - before));
}

/* --- fractions: both kinds walk their buckets with this --- */

struct fraction {
    double bounds[2]; /* lower, upper */
    double ranks[2];
    bool is_set[2];
};

/* Linear: an open lower end puts everything at the upper one. */
static double rank_linear(double start, double end, double count, double at)
{
    if (isinf(start)) return count;
    return count * (at - start) / (end - start);
}

static double rank_exponential(double start, double end, double count, double at)
{
    double low = log2(fabs(start));
    double high = log2(fabs(end));
    return count * (log2(fabs(at)) - low) / (high - low);
}

/* One bucket from start to end, with `rank` observations before it. */
static void walk(struct fraction *fraction, double start, double end, double rank, double count,
                 bool is_linear)
{
    for (size_t i = 0; i < 2; i++) {
        double bound = fraction->bounds[i];
        if (fraction->is_set[i]) continue;
        if (start >= bound) {
            fraction->ranks[i] = rank;
        } else if (end > bound) {
            fraction->ranks[i] = rank + (is_linear ? rank_linear(start, end, count, bound)
                                                   : rank_exponential(start, end, count, bound));
        } else {
            continue;
        }
        fraction->is_set[i] = true;
    }
}

static double finish_fraction(const struct fraction *fraction, double total, double all)
{
    double ranks[2];
    for (size_t i = 0; i < 2; i++) {
        bool is_good = fraction->is_set[i] && !(fraction->ranks[i] > total);
        ranks[i] = is_good ? fraction->ranks[i] : total;
    }
    return (ranks[1] - ranks[0]) / all;
}

double classic_fraction(double lower, double upper, struct classic_bucket *buckets, size_t count,
                        struct classic_mending *mending)
{
    if (count == 0 || !isinf(buckets[count - 1].upper) || buckets[count - 1].upper < 0) {
        return (double)NAN;
    }
    count = join_equal(buckets, count);
    lift(buckets, count, mending);
    double observations = buckets[count - 1].count;
    if (fpclassify(observations) == FP_ZERO || isnan(observations) || isnan(lower) ||
        isnan(upper)) {
        return (double)NAN;
    }
    if (lower >= upper) return 0;
    struct fraction fraction = { .bounds = { lower, upper } };
    double rank = 0;
    for (size_t i = 0; i < count; i++) {
        double start = i > 0 ? buckets[i - 1].upper : -(double)INFINITY;
        if (i == 0 && buckets[0].upper > 0) start = 0;
        walk(&fraction, start, buckets[i].upper, rank, buckets[i].count - rank, true);
        rank = buckets[i].count;
    }
    return finish_fraction(&fraction, observations, observations);
}

/* --- native --- */

/* The zero bucket of a histogram with one sign only, and custom buckets that begin at 0. */
static void tighten(const struct histogram *histogram, struct histogram_range *range)
{
    if (histogram_is_custom(histogram)) {
        if (isinf(range->lower) && range->upper > 0) range->lower = 0;
    } else if (range->lower <= 0 && range->upper >= 0) {
        if (histogram->negative_count == 0 && histogram->positive_count > 0) range->lower = 0;
        if (histogram->positive_count == 0 && histogram->negative_count > 0) range->upper = 0;
    }
}

double native_fraction(double lower, double upper, const struct histogram *histogram,
                       enum native_note *note)
{
    if (fpclassify(histogram->count) == FP_ZERO || isnan(histogram->count) || isnan(lower) ||
        isnan(upper)) {
        return (double)NAN;
    }
    if (lower >= upper) return 0;
    struct fraction fraction = { .bounds = { lower, upper } };
    double rank = 0;
    size_t position = 0;
    struct histogram_range range;
    while (histogram_next(histogram, &position, &range)) {
        tighten(histogram, &range);
        bool is_linear = histogram_is_custom(histogram) || (range.lower <= 0 && range.upper >= 0);
        walk(&fraction, range.lower, range.upper, rank, range.count, is_linear);
        rank += range.count;
    }
    bool has_nan = isnan(histogram->sum) && rank < histogram->count;
    if (has_nan) *note = NATIVE_IS_SKEWED;
    return finish_fraction(&fraction, isnan(histogram->sum) ? rank : histogram->count,
                           histogram->count);
}

/* The bucket in which the rank falls, counted from below or from above. */
struct rank {
    double rank;
    double count; /* up to and with the bucket */
    struct histogram_range range;
    bool is_found;
};

static void find_from_below(const struct histogram *histogram, struct rank *rank)
{
    size_t position = 0;
    struct histogram_range range;
    while (histogram_next(histogram, &position, &range)) {
        rank->range = range;
        rank->count += range.count;
        rank->is_found = true;
        if (rank->count >= rank->rank) return;
    }
}

static void find_from_above(const struct histogram *histogram, struct rank *rank)
{
    size_t last = histogram->negative_count + histogram->positive_count;
    for (size_t at = last + 1; at-- > 0;) {
        size_t position = at;
        struct histogram_range range;
        if (!histogram_next(histogram, &position, &range) || position != at + 1) continue;
        rank->range = range;
        rank->count += range.count;
        rank->is_found = true;
        if (rank->count >= rank->rank) return;
    }
}

static double inside_bucket(const struct histogram *histogram, struct rank *rank, bool is_below)
{
    struct histogram_range *range = &rank->range;
    if (histogram_is_custom(histogram)) {
        if (isinf(range->lower) && range->upper <= 0) return range->upper;
        if (isinf(range->lower)) range->lower = 0;
        if (isinf(range->upper)) return range->lower;
    } else {
        tighten(histogram, range);
    }
    double inside = is_below ? rank->rank - (rank->count - range->count) : rank->count - rank->rank;
    double fraction = inside / range->count;
    if (histogram_is_custom(histogram) || (range->lower <= 0 && range->upper >= 0)) {
        return range->lower + (range->upper - range->lower) * fraction;
    }
    double low = log2(fabs(range->lower));
    double high = log2(fabs(range->upper));
    if (range->lower > 0) return exp2(low + (high - low) * fraction);
    return -exp2(high + (low - high) * (1 - fraction));
}

double native_quantile(double q, const struct histogram *histogram, enum native_note *note)
{
    if (q < 0) return -(double)INFINITY;
    if (q > 1) return (double)INFINITY;
    double all = histogram->count;
    if (fpclassify(all) == FP_ZERO || isnan(all) || isnan(q)) return (double)NAN;
    bool has_nan = isnan(histogram->sum);
    bool is_below = has_nan || q < 0.5;
    struct rank rank = { .rank = (is_below ? q : 1 - q) * all };
    if (is_below) {
        find_from_below(histogram, &rank);
    } else {
        find_from_above(histogram, &rank);
    }
    if (rank.count > all) rank.count = all;
    if (!rank.is_found || rank.count < rank.rank) {
        if (has_nan) {
            *note = NATIVE_IS_NAN;
            return (double)NAN;
        }
        if (!rank.is_found) return (double)NAN;
    }
    if (has_nan) {
        double total = 0;
        size_t position = 0;
        struct histogram_range range;
        while (histogram_next(histogram, &position, &range)) total += range.count;
        if (total < all) *note = NATIVE_IS_SKEWED;
    }
    return inside_bucket(histogram, &rank, is_below);
}
