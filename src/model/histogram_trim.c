/* histogram_trim.c - cutting a histogram at a value.
 *
 * A bucket that the limit cuts is shared out: exponentially where buckets are, linearly in the zero
 * bucket and between custom bounds. The sum is estimated anew from what is kept: the geometric mean
 * of an exponential bucket, the middle of the others. An open bucket cannot be shared: what may lie
 * on the wrong side goes, except where all of it may be said to stand at the limit.
 */
#include "model/histogram.h"

#include <math.h>

struct trim {
    const struct histogram *from;
    double limit;
    bool is_upper; /* keep what is below */
    bool is_changed;
    double count;
    double sum;
};

/* What is kept of one bucket with the given bounds; `middle` is its mean. */
struct share {
    double count;
    double middle;
};

static double geometric(double lower, double upper)
{
    double mean = sqrt(fabs(lower)) * sqrt(fabs(upper));
    return upper <= 0 ? -mean : mean;
}

static struct share share_linear(const struct trim *trim, double lower, double upper, double count)
{
    double limit = trim->limit;
    if (trim->is_upper ? limit >= upper : limit <= lower) {
        return (struct share){ count, (lower + upper) / 2 };
    }
    if (trim->is_upper ? limit <= lower : limit >= upper) return (struct share){ 0, 0 };
    double below = (limit - lower) / (upper - lower);
    if (trim->is_upper) return (struct share){ count * below, (lower + limit) / 2 };
    return (struct share){ count * (1 - below), (limit + upper) / 2 };
}

static struct share share_exponential(const struct trim *trim, double lower, double upper,
                                      double count)
{
    double limit = trim->limit;
    if (trim->is_upper ? limit >= upper : limit <= lower) {
        return (struct share){ count, geometric(lower, upper) };
    }
    if (trim->is_upper ? limit <= lower : limit >= upper) return (struct share){ 0, 0 };
    double below =
        (log2(fabs(limit)) - log2(fabs(lower))) / (log2(fabs(upper)) - log2(fabs(lower)));
    if (trim->is_upper) return (struct share){ count * below, geometric(lower, limit) };
    return (struct share){ count * (1 - below), geometric(limit, upper) };
}

/* The first bucket, whose lower end is open. */
static struct share share_first(const struct trim *trim, double upper, double count)
{
    if (upper > 0) {
        if (!trim->is_upper && trim->limit < 0) return (struct share){ 0, 0 };
        return share_linear(trim, 0, upper, count);
    }
    if (!trim->is_upper) return (struct share){ 0, 0 };
    return (struct share){ count, trim->limit < upper ? trim->limit : upper };
}

static struct share share_last(const struct trim *trim, double lower, double count)
{
    if (trim->is_upper) return (struct share){ 0, 0 };
    return (struct share){ count, trim->limit > lower ? trim->limit : lower };
}

static struct share share_custom(const struct trim *trim, int32_t index, double count)
{
    const struct histogram *from = trim->from;
    bool is_first = index == 0;
    bool is_last = (size_t)index >= from->bound_count;
    if (is_first && is_last) return (struct share){ 0, 0 };
    if (is_first) return share_first(trim, from->bounds[0], count);
    if (is_last) return share_last(trim, from->bounds[index - 1], count);
    return share_linear(trim, from->bounds[index - 1], from->bounds[index], count);
}

static void keep(struct trim *trim, struct share share, double count)
{
    if (share.count < count || share.count > count) trim->is_changed = true;
    trim->count += share.count;
    if (share.count != 0) trim->sum += share.count * share.middle;
}

static void trim_zero(struct trim *trim, struct histogram *made)
{
    const struct histogram *from = trim->from;
    double lower = -from->zero_threshold;
    double upper = from->zero_threshold;
    if (from->negative_count == 0 && from->positive_count > 0) lower = 0;
    if (from->positive_count == 0 && from->negative_count > 0) upper = 0;
    struct share share = share_linear(trim, lower, upper, from->zero_count);
    keep(trim, share, from->zero_count);
    made->zero_count = share.count;
}

static void trim_side(struct trim *trim, const struct histogram_bucket *buckets, size_t count,
                      bool is_negative, struct histogram_bucket *kept, size_t *kept_count)
{
    int32_t schema = trim->from->schema;
    *kept_count = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t index = buckets[i].index;
        struct share share;
        if (histogram_is_custom(trim->from)) {
            share = share_custom(trim, index, buckets[i].count);
        } else {
            double inner = histogram_bound(schema, index - 1);
            double outer = histogram_bound(schema, index);
            share = is_negative ? share_exponential(trim, -outer, -inner, buckets[i].count)
                                : share_exponential(trim, inner, outer, buckets[i].count);
        }
        keep(trim, share, buckets[i].count);
        if (share.count == 0) continue;
        kept[(*kept_count)++] = (struct histogram_bucket){ index, share.count };
    }
}

const struct histogram *histogram_trim(struct arena *arena, const struct histogram *histogram,
                                       double limit, bool is_upper)
{
    struct histogram *made = ARENA_NEW(arena, struct histogram);
    struct histogram_bucket *positive =
        ARENA_ARRAY(arena, struct histogram_bucket, histogram->positive_count + 1);
    struct histogram_bucket *negative =
        ARENA_ARRAY(arena, struct histogram_bucket, histogram->negative_count + 1);
    if (made == NULL || positive == NULL || negative == NULL) return NULL;
    double all = is_upper ? (double)INFINITY : -(double)INFINITY;
    *made = *histogram;
    if (limit == all) return made;
    made->positive = positive;
    made->negative = negative;
    struct trim trim = { .from = histogram, .limit = limit, .is_upper = is_upper };
    if (isnan(limit) || limit == -all) {
        made->positive_count = 0;
        made->negative_count = 0;
        made->zero_count = 0;
        made->count = 0;
        made->sum = 0;
        return made;
    }
    trim_side(&trim, histogram->negative, histogram->negative_count, true, negative,
              &made->negative_count);
    if (!histogram_is_custom(histogram)) trim_zero(&trim, made);
    trim_side(&trim, histogram->positive, histogram->positive_count, false, positive,
              &made->positive_count);
    if (!trim.is_changed) {
        *made = *histogram;
        return made;
    }
    made->count = trim.count;
    made->sum = trim.sum;
    return made;
}
