/* functions_histogram.c - functions of one native histogram at a time. */
#include "promql/function_list.h"

#include <math.h>

static bool answer(struct value *value, double number)
{
    *value = (struct value){ number, NULL };
    return true;
}

bool point_histogram_count(const struct call *call, size_t step, struct value *value)
{
    (void)call;
    (void)step;
    if (value->histogram == NULL) return false;
    return answer(value, value->histogram->count);
}

bool point_histogram_sum(const struct call *call, size_t step, struct value *value)
{
    (void)call;
    (void)step;
    if (value->histogram == NULL) return false;
    return answer(value, value->histogram->sum);
}

bool point_histogram_avg(const struct call *call, size_t step, struct value *value)
{
    (void)call;
    (void)step;
    if (value->histogram == NULL) return false;
    return answer(value, value->histogram->sum / value->histogram->count);
}

/* Each bucket stands at its middle: the geometric one where buckets are exponential. */
static double variance(const struct histogram *histogram)
{
    double mean = histogram->sum / histogram->count;
    struct kahan sum = { 0, 0 };
    size_t position = 0;
    struct histogram_range range;
    while (histogram_next(histogram, &position, &range)) {
        double middle = 0;
        if (histogram_is_custom(histogram)) {
            middle = (range.upper + range.lower) / 2;
        } else if (range.lower > 0 || range.upper < 0) {
            middle = sqrt(range.upper * range.lower);
            if (range.upper < 0) middle = -middle;
        }
        double delta = middle - mean;
        kahan_add(&sum, range.count * delta * delta);
    }
    return (sum.sum + sum.lost) / histogram->count;
}

bool point_histogram_stdvar(const struct call *call, size_t step, struct value *value)
{
    (void)call;
    (void)step;
    if (value->histogram == NULL) return false;
    return answer(value, variance(value->histogram));
}

bool point_histogram_stddev(const struct call *call, size_t step, struct value *value)
{
    (void)call;
    (void)step;
    if (value->histogram == NULL) return false;
    return answer(value, sqrt(variance(value->histogram)));
}
