/* functions_trend.c - straight lines through a window: deriv, predict_linear, smoothing. */
#include "promql/function_list.h"

#include <math.h>

/* Least squares with compensated sums; the intercept is at intercept_ms. */
static void fit_line(const struct window *window, int64_t intercept_ms, double *slope,
                     double *intercept)
{
    const struct points *points = window->points;
    struct kahan x_sum = { 0, 0 };
    struct kahan y_sum = { 0, 0 };
    struct kahan xy_sum = { 0, 0 };
    struct kahan xx_sum = { 0, 0 };
    double first = points->values[window->from];
    bool is_constant = true;
    for (size_t i = window->from; i < window->to; i++) {
        double y = points->values[i];
        if (y != first) is_constant = false;
        double x = (double)(points->times_ms[i] - intercept_ms) / 1000;
        kahan_add(&x_sum, x);
        kahan_add(&y_sum, y);
        kahan_add(&xy_sum, x * y);
        kahan_add(&xx_sum, x * x);
    }
    if (is_constant) {
        bool is_infinite = isinf(first);
        *slope = is_infinite ? (double)NAN : 0;
        *intercept = is_infinite ? (double)NAN : first;
        return;
    }
    double n = (double)(window->to - window->from);
    double sum_x = x_sum.sum + x_sum.lost;
    double sum_y = y_sum.sum + y_sum.lost;
    double covariance = (xy_sum.sum + xy_sum.lost) - sum_x * sum_y / n;
    double variance = (xx_sum.sum + xx_sum.lost) - sum_x * sum_x / n;
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
