/* histogram_check.c - histograms as a store sees them: may it be kept, is it the same one. */
#include "model/histogram.h"
#include "model/sample.h"

#include <math.h>

static int check_buckets(const struct histogram_bucket *buckets, size_t count, const char *side,
                         struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && buckets[i].index <= buckets[i - 1].index) {
            return error_set(error, ERROR_INVALID, "%s buckets of a histogram are not in order",
                             side);
        }
        if (buckets[i].count < 0) {
            return error_set(error, ERROR_INVALID, "%s bucket %d of a histogram counts %g", side,
                             buckets[i].index, buckets[i].count);
        }
    }
    return 0;
}

static int check_custom(const struct histogram *histogram, struct error *error)
{
    for (size_t i = 0; i < histogram->bound_count; i++) {
        double bound = histogram->bounds[i];
        if (isnan(bound) || (i > 0 && bound <= histogram->bounds[i - 1])) {
            return error_set(error, ERROR_INVALID, "bounds of a histogram do not rise");
        }
    }
    if (histogram->bound_count > 0 && isinf(histogram->bounds[histogram->bound_count - 1])) {
        return error_set(error, ERROR_INVALID, "the bound +Inf of a histogram is not to be named");
    }
    if (histogram->negative_count > 0 || histogram->zero_count != 0 ||
        histogram->zero_threshold != 0) {
        return error_set(error, ERROR_INVALID,
                         "histogram with bounds of its own has negative or zero buckets");
    }
    size_t count = histogram->positive_count;
    if (count == 0) return 0;
    const struct histogram_bucket *last = &histogram->positive[count - 1];
    if (histogram->positive[0].index < 0 || (size_t)last->index > histogram->bound_count) {
        return error_set(error, ERROR_INVALID, "bucket %d of a histogram with %zu bounds",
                         last->index, histogram->bound_count);
    }
    return 0;
}

int histogram_check(const struct histogram *histogram, struct error *error)
{
    bool is_custom = histogram_is_custom(histogram);
    if (!is_custom &&
        (histogram->schema < HISTOGRAM_SCHEMA_MIN || histogram->schema > HISTOGRAM_SCHEMA_MAX)) {
        return error_set(error, ERROR_INVALID, "histogram has schema %d, known are %d to %d and %d",
                         histogram->schema, HISTOGRAM_SCHEMA_MIN, HISTOGRAM_SCHEMA_MAX,
                         HISTOGRAM_SCHEMA_CUSTOM);
    }
    if (histogram->count < 0 || histogram->zero_count < 0) {
        return error_set(error, ERROR_INVALID, "histogram counts %g, %g of them zero",
                         histogram->count, histogram->zero_count);
    }
    if (!is_custom && (histogram->bound_count > 0 || isnan(histogram->zero_threshold))) {
        return error_set(error, ERROR_INVALID,
                         "exponential histogram has bounds of its own or no zero threshold");
    }
    int code = check_buckets(histogram->positive, histogram->positive_count, "positive", error);
    if (code == 0) {
        code = check_buckets(histogram->negative, histogram->negative_count, "negative", error);
    }
    return code == 0 && is_custom ? check_custom(histogram, error) : code;
}

static bool same_bits(double a, double b)
{
    return sample_bits(a) == sample_bits(b);
}

static bool identical_buckets(const struct histogram_bucket *a, size_t a_count,
                              const struct histogram_bucket *b, size_t b_count)
{
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++) {
        if (a[i].index != b[i].index || !same_bits(a[i].count, b[i].count)) return false;
    }
    return true;
}

bool histogram_same_indexes(const struct histogram_bucket *a, size_t a_count,
                            const struct histogram_bucket *b, size_t b_count)
{
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++) {
        if (a[i].index != b[i].index) return false;
    }
    return true;
}

bool histogram_identical(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || a->hint != b->hint || a->is_integer != b->is_integer ||
        a->bound_count != b->bound_count) {
        return false;
    }
    if (!same_bits(a->zero_threshold, b->zero_threshold) ||
        !same_bits(a->zero_count, b->zero_count) || !same_bits(a->count, b->count) ||
        !same_bits(a->sum, b->sum)) {
        return false;
    }
    for (size_t i = 0; i < a->bound_count; i++) {
        if (!same_bits(a->bounds[i], b->bounds[i])) return false;
    }
    return identical_buckets(a->positive, a->positive_count, b->positive, b->positive_count) &&
           identical_buckets(a->negative, a->negative_count, b->negative, b->negative_count);
}
