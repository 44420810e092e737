/* functions_extended.c - windows with sharp ends: `anchored` begins with the last sample before
 * the window, `smoothed` puts a point on each end by interpolation; nothing is extrapolated.
 *
 * A reset between the two samples around an end counts from zero at the left end, and on top of
 * what was at the right one.
 */
#include "promql/function_list.h"

#include <math.h>

/* The samples that a window may use: [first, last], the first perhaps before it, the last perhaps
 * behind it. */
struct edges {
    size_t first;
    size_t last;
};

static bool find_edges(const int64_t *times, size_t count, size_t from, size_t to,
                       const struct window *window, int64_t lookback_ms, struct edges *edges)
{
    if (count == 0) return false;
    edges->first = from;
    if (from > 0 && times[from - 1] > window->start_ms - lookback_ms) edges->first = from - 1;
    if (window->is_smoothed) {
        edges->last = to;
        bool is_exact = to > from && times[to - 1] == window->end_ms;
        if (is_exact || to >= count || times[to] > window->end_ms + lookback_ms) {
            if (to == 0) return false;
            edges->last = to - 1;
        }
    } else {
        if (to == from) return false;
        edges->last = to - 1;
    }
    if (edges->last < edges->first || times[edges->last] <= window->start_ms) return false;
    return times[edges->first] <= window->end_ms;
}

/* --- numbers --- */

static double interpolate(const struct points *points, size_t before, int64_t time_ms,
                          bool is_counter, bool is_left)
{
    double y1 = points->values[before];
    double y2 = points->values[before + 1];
    int64_t t1 = points->times_ms[before];
    int64_t t2 = points->times_ms[before + 1];
    if (is_counter && y2 < y1) {
        if (is_left) {
            y1 = 0;
        } else {
            y2 += y1;
        }
    }
    return y1 + (y2 - y1) * (double)(time_ms - t1) / (double)(t2 - t1);
}

static bool number_change(const struct window *window, int64_t lookback_ms, bool is_counter,
                          double *change)
{
    const struct points *points = window->points;
    struct edges edges;
    if (!find_edges(points->times_ms, points->count, window->from, window->to, window, lookback_ms,
                    &edges)) {
        return false;
    }
    const int64_t *times = points->times_ms;
    double left = points->values[edges.first];
    double right = points->values[edges.last];
    if (window->is_smoothed && times[edges.first] < window->start_ms) {
        left = interpolate(points, edges.first, window->start_ms, is_counter, true);
    }
    if (window->is_smoothed && edges.last > edges.first && times[edges.last] > window->end_ms) {
        right = interpolate(points, edges.last - 1, window->end_ms, is_counter, false);
    }
    *change = right - left;
    if (!is_counter) return true;
    double before = left;
    for (size_t i = edges.first; i <= edges.last; i++) {
        if (times[i] <= window->start_ms || times[i] >= window->end_ms) continue;
        if (points->values[i] < before) *change += before;
        before = points->values[i];
    }
    if (right < before) *change += before;
    return true;
}

/* --- histograms --- */

/* a + (b - a) * share, or share * b where a counter was reset in between, as `is_left` says. */
static bool interpolate_histogram(struct call *call, const struct histogram *a,
                                  const struct histogram *b, double share, bool resets,
                                  bool is_left, struct histogram_sum *sum)
{
    unsigned events = 0;
    int code = histogram_sum_start(sum, b);
    if (code == 0) histogram_sum_multiply(sum, share);
    if (code == 0 && !(resets && is_left)) {
        code = histogram_sum_add(sum, a, resets ? 1 : 1 - share, &events);
    }
    if (code == ERROR_INVALID) {
        annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED_SCHEMAS, true);
    } else if (code < 0) {
        call->is_out_of_memory = true;
    }
    return code == 0;
}

static const struct histogram *edge_histogram(struct call *call, const struct points *points,
                                              size_t before, int64_t time_ms, bool is_counter,
                                              bool is_left)
{
    const struct histogram *a = points->histograms[before];
    const struct histogram *b = points->histograms[before + 1];
    int64_t t1 = points->histogram_times_ms[before];
    int64_t t2 = points->histogram_times_ms[before + 1];
    double share = (double)(time_ms - t1) / (double)(t2 - t1);
    struct histogram_sum sum = { 0 };
    const struct histogram *made = NULL;
    bool resets = is_counter && histogram_is_reset(b, a);
    if (interpolate_histogram(call, a, b, share, resets, is_left, &sum)) {
        made = histogram_sum_finish(&sum, call->evaluation->query->arena);
        call->is_out_of_memory = call->is_out_of_memory || made == NULL;
    }
    histogram_sum_release(&sum);
    return made;
}

static bool histogram_warnings(struct call *call, const struct window *window,
                               const struct edges *edges, bool is_counter)
{
    const struct histogram *const *items = window->points->histograms;
    bool is_custom = histogram_is_custom(items[edges->first]);
    bool has_gauge = false;
    bool are_gauges = true;
    for (size_t i = edges->first; i <= edges->last; i++) {
        if (histogram_is_custom(items[i]) != is_custom) {
            annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED_SCHEMAS, true);
            return false;
        }
        has_gauge = has_gauge || items[i]->hint == HISTOGRAM_HINT_GAUGE;
        are_gauges = are_gauges && items[i]->hint == HISTOGRAM_HINT_GAUGE;
    }
    if (is_counter && has_gauge) annotate_kind(call, true);
    if (!is_counter && !are_gauges) annotate_kind(call, false);
    return true;
}

/* right - left, and what was before each reset between two real samples: interpolation has taken
 * care of those at its end. */
static int sum_change(struct histogram_sum *sum, const struct window *window,
                      const struct edges *edges, const struct histogram *const ends[2],
                      bool is_counter)
{
    const struct points *points = window->points;
    unsigned events = 0;
    int code = histogram_sum_start(sum, ends[1]);
    if (code == 0) code = histogram_sum_add(sum, ends[0], -1, &events);
    size_t from = edges->first + (ends[0] != points->histograms[edges->first] ? 1 : 0);
    size_t to = edges->last - (ends[1] != points->histograms[edges->last] ? 1 : 0);
    for (size_t i = from + 1; code == 0 && is_counter && i <= to; i++) {
        if (!histogram_is_reset(points->histograms[i], points->histograms[i - 1])) continue;
        code = histogram_sum_add(sum, points->histograms[i - 1], 1, &events);
    }
    return code;
}

static bool histogram_change(struct call *call, const struct window *window, int64_t lookback_ms,
                             bool is_counter, double divisor, struct value *value)
{
    const struct points *points = window->points;
    struct edges edges;
    if (!find_edges(points->histogram_times_ms, points->histogram_count, window->histogram_from,
                    window->histogram_to, window, lookback_ms, &edges) ||
        !histogram_warnings(call, window, &edges, is_counter)) {
        return false;
    }
    const int64_t *times = points->histogram_times_ms;
    const struct histogram *ends[2] = { points->histograms[edges.first],
                                        points->histograms[edges.last] };
    if (window->is_smoothed && times[edges.first] < window->start_ms) {
        ends[0] = edge_histogram(call, points, edges.first, window->start_ms, is_counter, true);
    }
    if (window->is_smoothed && edges.last > edges.first && times[edges.last] > window->end_ms) {
        ends[1] = edge_histogram(call, points, edges.last - 1, window->end_ms, is_counter, false);
    }
    if (ends[0] == NULL || ends[1] == NULL) return false;
    struct histogram_sum sum = { 0 };
    int code = sum_change(&sum, window, &edges, ends, is_counter);
    if (code == 0) {
        sum.head.hint = HISTOGRAM_HINT_GAUGE;
        if (divisor > 0) histogram_sum_divide(&sum, divisor);
        value->number = ROW_ABSENT;
        value->histogram = histogram_sum_finish(&sum, call->evaluation->query->arena);
    }
    call->is_out_of_memory = call->is_out_of_memory || value->histogram == NULL;
    histogram_sum_release(&sum);
    return value->histogram != NULL;
}

static bool has_any(const int64_t *times, size_t count, const struct window *window)
{
    for (size_t i = 0; i < count; i++) {
        if (times[i] > window->end_ms) return false;
        if (times[i] > window->start_ms) return true;
    }
    return false;
}

bool window_extended_rate(struct call *call, const struct window *window, bool is_counter,
                          bool is_rate, struct value *value)
{
    const struct points *points = window->points;
    int64_t lookback_ms = call->evaluation->query->lookback_ms;
    double seconds = (double)(window->end_ms - window->start_ms) / 1000;
    bool has_histograms = has_any(points->histogram_times_ms, points->histogram_count, window);
    bool has_numbers = has_any(points->times_ms, points->count, window);
    if (has_numbers && has_histograms) {
        annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED, true);
        return false;
    }
    if (points->count == 0 || (has_histograms && !has_numbers)) {
        return histogram_change(call, window, lookback_ms, is_counter, is_rate ? seconds : 0,
                                value);
    }
    double change;
    if (!number_change(window, lookback_ms, is_counter, &change)) return false;
    value->number = is_rate ? change / seconds : change;
    return true;
}

bool anchor(const struct call *call, const struct window *window, size_t *number, size_t *histogram)
{
    const struct points *points = window->points;
    int64_t earliest = window->start_ms - call->evaluation->query->lookback_ms;
    bool has_any_inside =
        window->to > window->from || window->histogram_to > window->histogram_from;
    if (!has_any_inside) return false;
    bool has_number = *number > 0 && points->times_ms[*number - 1] > earliest;
    bool has_histogram = *histogram > 0 && points->histogram_times_ms[*histogram - 1] > earliest;
    if (has_number && has_histogram) {
        has_number = points->times_ms[*number - 1] > points->histogram_times_ms[*histogram - 1];
        has_histogram = !has_number;
    }
    if (has_number) --*number;
    if (has_histogram) --*histogram;
    return true;
}

/* --- instant vectors --- */

static bool smooth_at(struct call *call, const struct points *points, int64_t time_ms,
                      int64_t lookback_ms, size_t *next, struct value *value)
{
    const int64_t *times = points->times_ms;
    while (*next < points->count && times[*next] <= time_ms) ++*next;
    if (*next == 0 || times[*next - 1] <= time_ms - lookback_ms) return false;
    (void)call;
    value->number = points->values[*next - 1];
    if (times[*next - 1] < time_ms && *next < points->count &&
        times[*next] <= time_ms + lookback_ms) {
        value->number = interpolate(points, *next - 1, time_ms, false, true);
    }
    return true;
}

static bool smooth_histogram_at(struct call *call, const struct points *points, int64_t time_ms,
                                int64_t lookback_ms, size_t *next, struct value *value)
{
    const int64_t *times = points->histogram_times_ms;
    while (*next < points->histogram_count && times[*next] <= time_ms) ++*next;
    if (*next == 0 || times[*next - 1] <= time_ms - lookback_ms) return false;
    value->number = ROW_ABSENT;
    value->histogram = points->histograms[*next - 1];
    if (times[*next - 1] < time_ms && *next < points->histogram_count &&
        times[*next] <= time_ms + lookback_ms) {
        value->histogram = edge_histogram(call, points, *next - 1, time_ms, true, true);
    }
    return value->histogram != NULL;
}

int smooth_points(struct evaluation *evaluation, const struct node *node,
                  const struct points *points, const struct steps *times, struct row *row)
{
    struct call call = { .evaluation = evaluation, .node = node, .labels = points->labels };
    int64_t lookback_ms = evaluation->query->lookback_ms;
    size_t number = 0;
    size_t histogram = 0;
    for (size_t i = 0; i < evaluation->steps.count; i++) {
        int64_t time_ms = steps_time(times, i);
        struct value value = { ROW_ABSENT, NULL };
        bool is_there = smooth_at(&call, points, time_ms, lookback_ms, &number, &value);
        if (!is_there) {
            is_there = smooth_histogram_at(&call, points, time_ms, lookback_ms, &histogram, &value);
        }
        if (call.is_out_of_memory) return out_of_memory(evaluation->query);
        if (!is_there) continue;
        row->values[i] = value.number;
        if (value.histogram == NULL) continue;
        int code = row_need_histograms(evaluation, row);
        if (code < 0) return code;
        row->histograms[i] = value.histogram;
    }
    return 0;
}
