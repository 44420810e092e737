/* functions_over_time.c - what the samples of a window come to: sums, extremes, quantiles. */
#include "base/check.h"
#include "promql/function_list.h"

#include <math.h>

static size_t number_count(const struct window *window)
{
    return window->to - window->from;
}

static size_t histogram_count(const struct window *window)
{
    return window->histogram_to - window->histogram_from;
}

static const double *numbers(const struct window *window)
{
    return window->points->values + window->from;
}

/* For functions of numbers alone: false when there are none; an info when some are left out. */
static bool takes_numbers(struct call *call, const struct window *window)
{
    if (number_count(window) == 0) return false;
    if (histogram_count(window) > 0) annotate_call(call, ANNOTATION_INFO, TEXT_IGNORED, true);
    return true;
}

/* --- sum and average --- */

static bool sum_histograms(struct call *call, const struct window *window, bool is_average,
                           struct value *value)
{
    const struct histogram *const *items = window->points->histograms + window->histogram_from;
    size_t count = histogram_count(window);
    struct histogram_sum sum = { 0 };
    unsigned events = 0;
    bool has_reset = items[0]->hint == HISTOGRAM_HINT_RESET;
    bool has_not_reset = items[0]->hint == HISTOGRAM_HINT_NOT_RESET;
    int code = histogram_sum_start(&sum, items[0]);
    for (size_t i = 1; code == 0 && i < count; i++) {
        has_reset = has_reset || items[i]->hint == HISTOGRAM_HINT_RESET;
        has_not_reset = has_not_reset || items[i]->hint == HISTOGRAM_HINT_NOT_RESET;
        code = is_average ? histogram_sum_average(&sum, items[i], (double)(i + 1), &events)
                          : histogram_sum_add(&sum, items[i], 1, &events);
    }
    bool is_good = false;
    if (code == ERROR_INVALID) {
        annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED_SCHEMAS, true);
    } else if (code < 0) {
        call->is_out_of_memory = true;
    } else {
        if (has_reset && has_not_reset) events |= HISTOGRAM_EVENT_RESETS_CONFLICT;
        annotate_events_of(call, events, "aggregation");
        if (is_average) histogram_sum_average_end(&sum, (double)count);
        value->number = ROW_ABSENT;
        value->histogram = histogram_sum_finish(&sum, call->evaluation->query->arena);
        is_good = value->histogram != NULL;
        call->is_out_of_memory = call->is_out_of_memory || !is_good;
    }
    histogram_sum_release(&sum);
    return is_good;
}

static bool is_mixed(struct call *call, const struct window *window)
{
    if (number_count(window) == 0 || histogram_count(window) == 0) return false;
    annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED, true);
    return true;
}

static struct kahan sum_finite(const double *values, size_t count)
{
    struct kahan kahan = { 0, 0 };
    for (size_t i = 0; i < count; i++) kahan_add_finite(&kahan, values[i]);
    return kahan;
}

bool window_sum(struct call *call, const struct window *window, struct value *value)
{
    if (is_mixed(call, window)) return false;
    if (number_count(window) == 0) return sum_histograms(call, window, false, value);
    const double *values = numbers(window);
    struct kahan kahan = sum_finite(values, number_count(window));
    if (!isfinite(kahan.sum)) {
        kahan = (struct kahan){ 0, 0 };
        for (size_t i = 0; i < number_count(window); i++) kahan_add(&kahan, values[i]);
    }
    value->number = isinf(kahan.sum) ? kahan.sum : kahan.sum + kahan.lost;
    return true;
}

/* A plain mean, or a running one from where the sum would overflow. */
bool window_avg(struct call *call, const struct window *window, struct value *value)
{
    if (is_mixed(call, window)) return false;
    if (number_count(window) == 0) return sum_histograms(call, window, true, value);
    const double *values = numbers(window);
    size_t count = number_count(window);
    struct kahan sum = sum_finite(values, count);
    size_t i = count;
    if (!isfinite(sum.sum)) {
        sum = (struct kahan){ 0, 0 };
        i = 0;
    }
    for (; i < count; i++) {
        struct kahan next = sum;
        kahan_add(&next, values[i]);
        if (i > 0 && isinf(next.sum)) break;
        sum = next;
    }
    if (i == count) {
        double n = (double)count;
        value->number = sum.sum / n + sum.lost / n;
        return true;
    }
    struct kahan mean = { sum.sum / (double)i, sum.lost / (double)i };
    for (; i < count; i++) {
        double n = (double)(i + 1);
        double share = (n - 1) / n;
        mean = (struct kahan){ share * mean.sum, share * mean.lost };
        kahan_add(&mean, values[i] / n);
    }
    value->number = mean.sum + mean.lost;
    return true;
}

/* --- extremes --- */

/* Where the first number that is not a NaN stands; `count` when there is none. */
static size_t skip_nans(const double *values, size_t count)
{
    size_t i = 0;
    while (i < count && isnan(values[i])) i++;
    return i;
}

/* The greatest, or the least with sign -1; of zeros the first, as a walk from the left has it. */
static double walk_extreme(const double *values, size_t count, double sign)
{
    double extreme = values[0];
    for (size_t i = 1; i < count; i++) {
        if (sign * values[i] > sign * extreme) extreme = values[i];
    }
    return extreme;
}

/* In four lanes, each of which waits for itself alone. NaNs are behind every comparison. */
static double greatest_of(const double *values, size_t count)
{
    double lanes[4] = { values[0], values[0], values[0], values[0] };
    size_t i = 1;
    for (; count - i >= 4; i += 4) {
        for (size_t k = 0; k < 4; k++)
            lanes[k] = values[i + k] > lanes[k] ? values[i + k] : lanes[k];
    }
    for (; i < count; i++) lanes[0] = values[i] > lanes[0] ? values[i] : lanes[0];
    for (size_t k = 1; k < 4; k++) lanes[0] = lanes[k] > lanes[0] ? lanes[k] : lanes[0];
    return lanes[0] == 0 ? walk_extreme(values, count, 1) : lanes[0];
}

static double least_of(const double *values, size_t count)
{
    double lanes[4] = { values[0], values[0], values[0], values[0] };
    size_t i = 1;
    for (; count - i >= 4; i += 4) {
        for (size_t k = 0; k < 4; k++)
            lanes[k] = values[i + k] < lanes[k] ? values[i + k] : lanes[k];
    }
    for (; i < count; i++) lanes[0] = values[i] < lanes[0] ? values[i] : lanes[0];
    for (size_t k = 1; k < 4; k++) lanes[0] = lanes[k] < lanes[0] ? lanes[k] : lanes[0];
    return lanes[0] == 0 ? walk_extreme(values, count, -1) : lanes[0];
}

static bool window_extreme(struct call *call, const struct window *window,
                           double (*extreme_of)(const double *values, size_t count),
                           struct value *value)
{
    if (!takes_numbers(call, window)) return false;
    const double *values = numbers(window);
    size_t count = number_count(window);
    size_t nans = skip_nans(values, count);
    value->number = nans == count ? values[count - 1] : extreme_of(values + nans, count - nans);
    return true;
}

bool window_max(struct call *call, const struct window *window, struct value *value)
{
    return window_extreme(call, window, greatest_of, value);
}

bool window_min(struct call *call, const struct window *window, struct value *value)
{
    return window_extreme(call, window, least_of, value);
}

/* Room for the indexes of `count` samples. */
static uint32_t *index_room(struct call *call, size_t count)
{
    if (call->index_capacity < count) {
        size_t capacity = call->index_capacity * 2 > count ? call->index_capacity * 2 : count;
        call->indexes = QUERY_ARRAY(call->evaluation->query, uint32_t, capacity);
        call->index_capacity = call->indexes == NULL ? 0 : capacity;
    }
    return call->indexes;
}

/* A queue of the samples that may yet be the extreme of a window, each less extreme than the one
 * before it; of equal ones the first stays, as a walk from the left would have it. */
static bool sweep_extreme(struct sweep *sweep, double sign)
{
    const struct points *points = sweep->points;
    const double *values = points->values;
    size_t count = sweep->call->evaluation->steps.count;
    if (count == 1 || sweep->windows->range_ms <= sweep->windows->ends.step_ms) return false;
    if (points->count > UINT32_MAX) return false;
    uint32_t *queue = index_room(sweep->call, points->count);
    if (queue == NULL) return false;
    struct window window = { .points = points };
    size_t head = 0;
    size_t tail = 0;
    size_t added = 0;
    for (size_t i = 0; i < count; i++) {
        window_move(&window, sweep->windows, i);
        if (window.to == window.from) continue;
        sweep->seen += window.to - window.from;
        if (added < window.from) added = window.from;
        for (; added < window.to; added++) {
            if (isnan(values[added])) continue;
            while (tail > head && sign * values[queue[tail - 1]] < sign * values[added]) tail--;
            queue[tail++] = (uint32_t)added;
        }
        while (head < tail && queue[head] < window.from) head++;
        sweep->values[i] = head < tail ? values[queue[head]] : values[window.to - 1];
        sweep->is_any = true;
    }
    return true;
}

bool sweep_min(struct sweep *sweep)
{
    return sweep_extreme(sweep, -1);
}

bool sweep_max(struct sweep *sweep)
{
    return sweep_extreme(sweep, 1);
}

static bool time_of_extreme(struct call *call, const struct window *window, double sign,
                            struct value *value)
{
    if (!takes_numbers(call, window)) return false;
    const double *values = numbers(window);
    size_t best = 0;
    for (size_t i = 1; i < number_count(window); i++) {
        if (sign * values[i] >= sign * values[best] || isnan(values[best])) best = i;
    }
    value->number = (double)window->points->times_ms[window->from + best] / 1000;
    return true;
}

bool window_ts_of_max(struct call *call, const struct window *window, struct value *value)
{
    return time_of_extreme(call, window, 1, value);
}

bool window_ts_of_min(struct call *call, const struct window *window, struct value *value)
{
    return time_of_extreme(call, window, -1, value);
}

/* --- how many, first, last --- */

bool window_count(struct call *call, const struct window *window, struct value *value)
{
    (void)call;
    size_t count = number_count(window) + histogram_count(window);
    value->number = (double)count;
    return count > 0;
}

bool window_present(struct call *call, const struct window *window, struct value *value)
{
    (void)call;
    value->number = 1;
    return number_count(window) + histogram_count(window) > 0;
}

/* The first sample of either kind and its time. */
static bool take_first(const struct window *window, struct value *value, int64_t *time_ms)
{
    const struct points *points = window->points;
    bool has_number = number_count(window) > 0;
    bool has_histogram = histogram_count(window) > 0;
    if (has_number && has_histogram) {
        has_number =
            points->times_ms[window->from] < points->histogram_times_ms[window->histogram_from];
    }
    if (has_number) {
        *time_ms = points->times_ms[window->from];
        *value = (struct value){ points->values[window->from], NULL };
    } else if (has_histogram) {
        *time_ms = points->histogram_times_ms[window->histogram_from];
        *value = (struct value){ ROW_ABSENT, points->histograms[window->histogram_from] };
    }
    return has_number || has_histogram;
}

static bool take_last(const struct window *window, struct value *value, int64_t *time_ms)
{
    const struct points *points = window->points;
    bool has_number = number_count(window) > 0;
    bool has_histogram = histogram_count(window) > 0;
    if (has_number && has_histogram) {
        has_number =
            points->times_ms[window->to - 1] > points->histogram_times_ms[window->histogram_to - 1];
    }
    if (has_number) {
        *time_ms = points->times_ms[window->to - 1];
        *value = (struct value){ points->values[window->to - 1], NULL };
    } else if (has_histogram) {
        *time_ms = points->histogram_times_ms[window->histogram_to - 1];
        *value = (struct value){ ROW_ABSENT, points->histograms[window->histogram_to - 1] };
    }
    return has_number || has_histogram;
}

bool window_first(struct call *call, const struct window *window, struct value *value)
{
    (void)call;
    int64_t time_ms;
    return take_first(window, value, &time_ms);
}

bool window_last(struct call *call, const struct window *window, struct value *value)
{
    (void)call;
    int64_t time_ms;
    return take_last(window, value, &time_ms);
}

bool window_ts_of_first(struct call *call, const struct window *window, struct value *value)
{
    (void)call;
    int64_t time_ms;
    if (!take_first(window, value, &time_ms)) return false;
    *value = (struct value){ (double)time_ms / 1000, NULL };
    return true;
}

bool window_ts_of_last(struct call *call, const struct window *window, struct value *value)
{
    (void)call;
    int64_t time_ms;
    if (!take_last(window, value, &time_ms)) return false;
    *value = (struct value){ (double)time_ms / 1000, NULL };
    return true;
}

/* --- spread --- */

static double variance(const struct window *window)
{
    const double *values = numbers(window);
    struct kahan mean = { 0, 0 };
    struct kahan squares = { 0, 0 };
    for (size_t i = 0; i < number_count(window); i++) {
        double delta = values[i] - (mean.sum + mean.lost);
        kahan_add(&mean, delta / (double)(i + 1));
        kahan_add(&squares, delta * (values[i] - (mean.sum + mean.lost)));
    }
    return (squares.sum + squares.lost) / (double)number_count(window);
}

bool window_stdvar(struct call *call, const struct window *window, struct value *value)
{
    if (!takes_numbers(call, window)) return false;
    value->number = variance(window);
    return true;
}

bool window_stddev(struct call *call, const struct window *window, struct value *value)
{
    if (!takes_numbers(call, window)) return false;
    value->number = sqrt(variance(window));
    return true;
}

/* A copy of the window's numbers; it grows with the widest window. */
static double *copy_numbers(struct call *call, const struct window *window)
{
    size_t count = number_count(window);
    if (call->scratch_capacity < count) {
        size_t capacity = call->scratch_capacity * 2 > count ? call->scratch_capacity * 2 : count;
        call->scratch = QUERY_ARRAY(call->evaluation->query, double, capacity);
        call->scratch_capacity = call->scratch == NULL ? 0 : capacity;
    }
    if (call->scratch == NULL) {
        call->is_out_of_memory = true;
        return NULL;
    }
    memcpy(call->scratch, numbers(window), count * sizeof(double));
    return call->scratch;
}

bool window_quantile(struct call *call, const struct window *window, struct value *value)
{
    double q = call->scalars[0][window->step];
    if (!takes_numbers(call, window)) return false;
    annotate_quantile(call->evaluation->query, call->node->call.arguments[0]->place, q);
    double *copy = copy_numbers(call, window);
    if (copy == NULL) return false;
    value->number = quantile_of_numbers(q, copy, number_count(window));
    return true;
}

bool window_mad(struct call *call, const struct window *window, struct value *value)
{
    if (!takes_numbers(call, window)) return false;
    size_t count = number_count(window);
    double *copy = copy_numbers(call, window);
    if (copy == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(copy[i])) continue;
        value->number = (double)NAN; /* one is enough */
        return true;
    }
    double median = quantile_of_numbers(0.5, copy, count);
    for (size_t i = 0; i < count; i++) copy[i] = fabs(copy[i] - median);
    value->number = quantile_of_numbers(0.5, copy, count);
    return true;
}
