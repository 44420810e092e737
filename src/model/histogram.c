/* histogram.c - native histograms at rest: bounds, comparison, printing. */
#include "model/histogram.h"

#include "base/check.h"
#include "base/error.h"
#include "codec/number.h"
#include "model/histogram_parts.h"
#include "model/sample.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

double histogram_bound(int32_t schema, int32_t index)
{
    if (schema < 0) return ldexp(1, index * (1 << -schema));
    int32_t per_octave = 1 << schema;
    int32_t fraction = index & (per_octave - 1);
    int32_t exponent = (index - fraction) / per_octave;
    if (fraction == 0 && exponent == 1024) return DBL_MAX; /* the last that is not infinite */
    return ldexp(exp2((double)fraction / per_octave), exponent);
}

static void custom_range(const struct histogram *histogram, int32_t index,
                         struct histogram_range *range)
{
    range->lower = -(double)INFINITY;
    range->upper = (double)INFINITY;
    if (index > 0) range->lower = histogram->bounds[index - 1];
    if ((size_t)index < histogram->bound_count) range->upper = histogram->bounds[index];
    range->is_upper_closed = true;
    range->is_lower_closed = false;
}

bool histogram_next(const struct histogram *histogram, size_t *position,
                    struct histogram_range *range)
{
    while (*position <= histogram->negative_count + histogram->positive_count) {
        size_t at = (*position)++;
        *range = (struct histogram_range){ 0 };
        if (at < histogram->negative_count) {
            const struct histogram_bucket *bucket =
                &histogram->negative[histogram->negative_count - 1 - at];
            range->lower = -histogram_bound(histogram->schema, bucket->index);
            range->upper = -histogram_bound(histogram->schema, bucket->index - 1);
            range->is_lower_closed = true;
            range->index = bucket->index;
            range->count = bucket->count;
        } else if (at == histogram->negative_count) {
            range->lower = -histogram->zero_threshold;
            range->upper = histogram->zero_threshold;
            range->is_lower_closed = true;
            range->is_upper_closed = true;
            range->count = histogram_is_custom(histogram) ? 0 : histogram->zero_count;
        } else {
            const struct histogram_bucket *bucket =
                &histogram->positive[at - histogram->negative_count - 1];
            range->index = bucket->index;
            range->count = bucket->count;
            if (histogram_is_custom(histogram)) {
                custom_range(histogram, bucket->index, range);
            } else {
                range->lower = histogram_bound(histogram->schema, bucket->index - 1);
                range->upper = histogram_bound(histogram->schema, bucket->index);
                range->is_upper_closed = true;
            }
        }
        if (range->count != 0) return true;
    }
    return false;
}

static bool same_bits(double a, double b)
{
    return sample_bits(a) == sample_bits(b);
}

static bool same_buckets(const struct histogram_bucket *a, size_t a_count,
                         const struct histogram_bucket *b, size_t b_count)
{
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++) {
        if (a[i].index != b[i].index || !same_bits(a[i].count, b[i].count)) return false;
    }
    return true;
}

bool histogram_same_bounds(const struct histogram *a, const struct histogram *b)
{
    if (a->bound_count != b->bound_count) return false;
    for (size_t i = 0; i < a->bound_count; i++) {
        if (!same_bits(a->bounds[i], b->bounds[i])) return false;
    }
    return true;
}

bool histogram_equal(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || !same_bits(a->count, b->count) || !same_bits(a->sum, b->sum)) {
        return false;
    }
    if (histogram_is_custom(a)) {
        if (!histogram_same_bounds(a, b)) return false;
    } else if (!same_bits(a->zero_threshold, b->zero_threshold) ||
               !same_bits(a->zero_count, b->zero_count)) {
        return false;
    }
    return same_buckets(a->positive, a->positive_count, b->positive, b->positive_count) &&
           same_buckets(a->negative, a->negative_count, b->negative, b->negative_count);
}

/* --- resets --- */

/* Count of the bucket, or 0. Buckets are asked for in ascending order. */
static double count_at(const struct histogram_bucket *buckets, size_t count, size_t *next,
                       int32_t index)
{
    while (*next < count && buckets[*next].index < index) ++*next;
    return *next < count && buckets[*next].index == index ? buckets[*next].count : 0;
}

/* True when some bucket of `earlier`, at the resolution of `later` and outside its zero bucket,
 * holds more than the same of `later`. */
static bool buckets_fell(const struct histogram *later, const struct histogram_bucket *after,
                         size_t after_count, const struct histogram *earlier,
                         const struct histogram_bucket *before, size_t before_count)
{
    int shift = earlier->schema - later->schema;
    size_t next = 0;
    for (size_t i = 0; i < before_count;) {
        int32_t index = ((before[i].index - 1) >> shift) + 1;
        double sum = 0;
        for (; i < before_count && ((before[i].index - 1) >> shift) + 1 == index; i++) {
            if (histogram_bound(earlier->schema, before[i].index) > later->zero_threshold) {
                sum += before[i].count;
            }
        }
        if (count_at(after, after_count, &next, index) < sum) return true;
    }
    return false;
}

/* What `histogram` would count in a zero bucket at least as wide as `threshold`, which grows to
 * the end of a populated bucket that it would cut. */
double histogram_zero_count(const struct histogram *histogram, double *threshold)
{
    if (!(*threshold > histogram->zero_threshold)) return histogram->zero_count;
    for (;;) {
        double count = histogram->zero_count;
        double wide = *threshold;
        for (size_t i = 0; i < histogram->positive_count; i++) {
            int32_t index = histogram->positive[i].index;
            if (histogram_bound(histogram->schema, index - 1) >= wide) break;
            count += histogram->positive[i].count;
            double upper = histogram_bound(histogram->schema, index);
            if (upper > wide && histogram->positive[i].count != 0) wide = upper;
        }
        double negative_wide = wide;
        for (size_t i = 0; i < histogram->negative_count; i++) {
            int32_t index = histogram->negative[i].index;
            if (histogram_bound(histogram->schema, index - 1) >= wide) break;
            count += histogram->negative[i].count;
            double upper = histogram_bound(histogram->schema, index);
            if (upper > wide && histogram->negative[i].count != 0) {
                negative_wide = upper;
                break;
            }
        }
        *threshold = negative_wide;
        if (!(negative_wide > wide)) return count;
    }
}

static bool is_reset_exponential(const struct histogram *later, const struct histogram *earlier)
{
    if (later->schema > earlier->schema || later->zero_threshold < earlier->zero_threshold) {
        return true;
    }
    double threshold = later->zero_threshold;
    double zero_count = histogram_zero_count(earlier, &threshold);
    if (threshold > later->zero_threshold || later->zero_count < zero_count) return true;
    return buckets_fell(later, later->positive, later->positive_count, earlier, earlier->positive,
                        earlier->positive_count) ||
           buckets_fell(later, later->negative, later->negative_count, earlier, earlier->negative,
                        earlier->negative_count);
}

/* Sum of the custom buckets that end at or below `bound`, from *next on. */
static double sum_up_to(const struct histogram *histogram, double bound, size_t *next)
{
    double sum = 0;
    for (; *next < histogram->positive_count; ++*next) {
        size_t index = (size_t)histogram->positive[*next].index;
        double upper = index < histogram->bound_count ? histogram->bounds[index] : (double)INFINITY;
        if (upper > bound) break;
        sum += histogram->positive[*next].count;
    }
    return sum;
}

/* Compares between the bounds that both have. */
static bool is_reset_custom(const struct histogram *later, const struct histogram *earlier)
{
    size_t l = 0;
    size_t e = 0;
    size_t later_next = 0;
    size_t earlier_next = 0;
    for (;;) {
        while (l < later->bound_count && e < earlier->bound_count &&
               later->bounds[l] != earlier->bounds[e]) {
            if (later->bounds[l] < earlier->bounds[e]) {
                l++;
            } else {
                e++;
            }
        }
        bool is_end = l >= later->bound_count || e >= earlier->bound_count;
        double bound = is_end ? (double)INFINITY : later->bounds[l];
        double after = sum_up_to(later, bound, &later_next);
        double before = sum_up_to(earlier, bound, &earlier_next);
        if (after < before) return true;
        if (is_end) return false;
        l++;
        e++;
    }
}

bool histogram_is_reset(const struct histogram *later, const struct histogram *earlier)
{
    if (later->hint == HISTOGRAM_HINT_RESET) return true;
    if (later->hint == HISTOGRAM_HINT_NOT_RESET) return false;
    if (later->count < earlier->count) return true;
    if (histogram_is_custom(later) != histogram_is_custom(earlier)) return true;
    return histogram_is_custom(later) ? is_reset_custom(later, earlier)
                                      : is_reset_exponential(later, earlier);
}

/* --- text, copies --- */

static void print_number(struct buf *buf, double value)
{
    char text[NUMBER_SIZE_MAX];
    buf_append(buf, text, number_print_go(value, text));
}

void histogram_print(struct buf *buf, const struct histogram *histogram)
{
    buf_append_str(buf, STR("{count:"));
    print_number(buf, histogram->count);
    buf_append_str(buf, STR(", sum:"));
    print_number(buf, histogram->sum);
    size_t position = 0;
    struct histogram_range range;
    while (histogram_next(histogram, &position, &range)) {
        buf_append_str(buf, STR(", "));
        buf_append_char(buf, range.is_lower_closed ? '[' : '(');
        print_number(buf, range.lower);
        buf_append_char(buf, ',');
        print_number(buf, range.upper);
        buf_append_char(buf, range.is_upper_closed ? ']' : ')');
        buf_append_char(buf, ':');
        print_number(buf, range.count);
    }
    buf_append_char(buf, '}');
}

size_t histogram_weight(const struct histogram *histogram)
{
    return 4 + histogram->positive_count + histogram->negative_count + histogram->bound_count / 2;
}

const struct histogram *histogram_copy(struct arena *arena, const struct histogram *histogram)
{
    struct histogram *copy = ARENA_NEW(arena, struct histogram);
    struct histogram_bucket *positive =
        ARENA_ARRAY(arena, struct histogram_bucket, histogram->positive_count + 1);
    struct histogram_bucket *negative =
        ARENA_ARRAY(arena, struct histogram_bucket, histogram->negative_count + 1);
    double *bounds = ARENA_ARRAY(arena, double, histogram->bound_count + 1);
    if (copy == NULL || positive == NULL || negative == NULL || bounds == NULL) return NULL;
    *copy = *histogram;
    for (size_t i = 0; i < histogram->positive_count; i++) positive[i] = histogram->positive[i];
    for (size_t i = 0; i < histogram->negative_count; i++) negative[i] = histogram->negative[i];
    for (size_t i = 0; i < histogram->bound_count; i++) bounds[i] = histogram->bounds[i];
    copy->positive = positive;
    copy->negative = negative;
    copy->bounds = bounds;
    return copy;
}

int histogram_from_spans(struct arena *arena, const struct histogram_span *spans, size_t span_count,
                         const double *counts, size_t count, struct histogram_bucket **buckets,
                         size_t *bucket_count)
{
    struct histogram_bucket *made = ARENA_ARRAY(arena, struct histogram_bucket, count + 1);
    if (made == NULL) return -ENOMEM;
    size_t used = 0;
    size_t kept = 0;
    int64_t index = 0;
    for (size_t s = 0; s < span_count; s++) {
        index += spans[s].offset;
        for (uint32_t i = 0; i < spans[s].length; i++, index++) {
            if (used == count || index > INT32_MAX - 1 || index < INT32_MIN + 1) {
                return ERROR_PARSE;
            }
            if (counts[used] != 0) {
                made[kept++] = (struct histogram_bucket){ (int32_t)index, counts[used] };
            }
            used++;
        }
    }
    *buckets = made;
    *bucket_count = kept;
    return 0;
}
