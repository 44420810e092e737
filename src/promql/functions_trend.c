/* functions_trend.c - straight lines through a window: deriv, predict_linear, smoothing. */
#include "promql/columns.h"
#include "promql/function_list.h"

#include <math.h>

struct sums {
    struct kahan x;
    struct kahan y;
    struct kahan xy;
    struct kahan xx;
};

static struct sums add_up(const struct window *window, int64_t intercept_ms)
{
    const struct points *points = window->points;
    struct sums sums = { 0 };
    for (size_t i = window->from; i < window->to; i++) {
        double y = points->values[i];
        double x = (double)(points->times_ms[i] - intercept_ms) / 1000;
        kahan_add(&sums.x, x);
        kahan_add(&sums.y, y);
        kahan_add(&sums.xy, x * y);
        kahan_add(&sums.xx, x * x);
    }
    return sums;
}

/* kahan_add_finite for two sums side by side. */
static inline void add_pair(column_pair *sum, column_pair *lost, column_pair value)
{
    column_pair total = *sum + value;
    column_pair added = total - *sum;
    *lost += (*sum - (total - added)) + (value - added);
    *sum = total;
}

/* The same as long as all sums are finite. */
static struct sums add_up_finite(const struct window *window, int64_t intercept_ms)
{
    const struct points *points = window->points;
    column_pair sum[2] = { { 0, 0 }, { 0, 0 } };
    column_pair lost[2] = { { 0, 0 }, { 0, 0 } };
    for (size_t i = window->from; i < window->to; i++) {
        double y = points->values[i];
        double x = (double)(points->times_ms[i] - intercept_ms) / 1000;
        column_pair pair = { x, y };
        column_pair twice = { x, x };
        add_pair(&sum[0], &lost[0], pair);
        add_pair(&sum[1], &lost[1], pair * twice);
    }
    return (struct sums){ .x = { sum[0][0], lost[0][0] },
                          .y = { sum[0][1], lost[0][1] },
                          .xx = { sum[1][0], lost[1][0] },
                          .xy = { sum[1][1], lost[1][1] } };
}

static bool is_constant(const struct window *window)
{
    const double *values = window->points->values;
    for (size_t i = window->from; i < window->to; i++) {
        if (values[i] != values[window->from]) return false;
    }
    return true;
}

/* Least squares with compensated sums; the intercept is at intercept_ms. */
static void fit_line(const struct window *window, int64_t intercept_ms, double *slope,
                     double *intercept)
{
    double first = window->points->values[window->from];
    if (is_constant(window)) {
        bool is_infinite = isinf(first);
        *slope = is_infinite ? (double)NAN : 0;
        *intercept = is_infinite ? (double)NAN : first;
        return;
    }
    struct sums sums = add_up_finite(window, intercept_ms);
    if (!isfinite(sums.y.sum) || !isfinite(sums.xy.sum) || !isfinite(sums.xx.sum)) {
        sums = add_up(window, intercept_ms);
    }
    double n = (double)(window->to - window->from);
    double sum_x = sums.x.sum + sums.x.lost;
    double sum_y = sums.y.sum + sums.y.lost;
    double covariance = (sums.xy.sum + sums.xy.lost) - sum_x * sum_y / n;
    double variance = (sums.xx.sum + sums.xx.lost) - sum_x * sum_x / n;
    *slope = covariance / variance;
    *intercept = sum_y / n - *slope * sum_x / n;
}

/* False with an info when there are too few numbers. */
static bool has_two(struct call *call, const struct window *window)
{
    size_t count = window->to - window->from;
    if (count > 0 && window->histogram_to > window->histogram_from) {
        annotate_call(call, ANNOTATION_INFO, TEXT_IGNORED, true);
    }
    return count >= 2;
}

bool window_deriv(struct call *call, const struct window *window, struct value *value)
{
    if (!has_two(call, window)) return false;
    double intercept;
    fit_line(window, window->points->times_ms[window->from], &value->number, &intercept);
    return true;
}

bool window_predict_linear(struct call *call, const struct window *window, struct value *value)
{
    if (!has_two(call, window)) return false;
    double slope;
    double intercept;
    fit_line(window, window->time_ms, &slope, &intercept);
    value->number = slope * call->scalars[1][window->step] + intercept;
    return true;
}

static bool check_factor(struct call *call, const char *name, double factor)
{
    if (factor > 0 && factor < 1) return true;
    if (call->code == 0) {
        call->code = evaluation_fail(call->evaluation->query,
                                     "invalid %s factor. Expected: 0 < %s < 1, got: %f", name,
                                     name[0] == 's' ? "sf" : "tf", factor);
    }
    return false;
}

/* Holt's linear trend. */
bool window_smoothing(struct call *call, const struct window *window, struct value *value)
{
    double smoothing = call->scalars[1][window->step];
    double trend = call->scalars[2][window->step];
    if (!check_factor(call, "smoothing", smoothing) || !check_factor(call, "trend", trend)) {
        return false;
    }
    if (!has_two(call, window)) return false;
    const double *values = window->points->values + window->from;
    size_t count = window->to - window->from;
    double before = 0;
    double level = values[0];
    double slope = values[1] - values[0];
    for (size_t i = 1; i < count; i++) {
        double raw = smoothing * values[i];
        if (i > 1) slope = trend * (level - before) + (1 - trend) * slope;
        double carried = (1 - smoothing) * (level + slope);
        before = level;
        level = raw + carried;
    }
    value->number = level;
    return true;
}
