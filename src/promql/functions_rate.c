/* functions_rate.c - rate, increase, delta and their kin: how a series changes inside a window.
 *
 * The change between the first and the last sample, with each reset of a counter made good, is
 * stretched to the window's ends: as far as samples come on average (1.1 times that decides), but
 * half of it where the series seems to begin or end inside, and never below a counter's zero.
 * Source: Prometheus promql/functions, since 2.51 and 3.6 (histograms).
 */
#include "base/check.h"
#include "promql/function_list.h"
#include "promql/rate.h"

#include <math.h>
#include <stdio.h>

void annotate_kind(struct call *call, bool wants_counter)
{
    char text[512];
    struct str name = labels_get(call->labels, LABEL_METRIC_NAME);
    (void)snprintf(text, sizeof(text), "this native histogram metric is not a %s: \"" STR_FMT "\"",
                   wants_counter ? "counter" : "gauge", STR_ARG(name));
    annotate_call(call, ANNOTATION_WARNING, text, false);
}

double rate_extrapolation(const struct window *window, const struct rate_span *span)
{
    double to_start = (double)(span->first_ms - window->start_ms) / 1000;
    double to_end = (double)(window->end_ms - span->last_ms) / 1000;
    double sampled = (double)(span->last_ms - span->first_ms) / 1000;
    double average = span->count > 1 ? sampled / (double)(span->count - 1) : 0;
    double threshold = average * 1.1;
    if (to_start >= threshold) to_start = average / 2;
    if (span->is_counter && span->change > 0 && span->first >= 0) {
        double to_zero = sampled * (span->first / span->change);
        if (to_zero < to_start) to_start = to_zero;
    }
    if (span->has_start) {
        sampled = (double)(span->last_ms - span->start_ms) / 1000;
        to_start = 0;
    }
    if (to_end >= threshold) to_end = average / 2;
    return (sampled + to_start + to_end) / sampled;
}

/* Whether the first sample tells that its counter began inside the window; then *start_ms. */
static bool find_start(const struct window *window, const int64_t *starts_ms,
                       const int64_t *times_ms, size_t from, int64_t *start_ms)
{
    if (starts_ms == NULL || starts_ms[from] == 0) return false;
    *start_ms = starts_ms[from];
    return *start_ms > window->start_ms && *start_ms < times_ms[from];
}

/* Warns when a sample counts from before the sample in front of it, though not from where that one
 * does: their spans overlap. */
static void check_overlap(struct call *call, const int64_t *starts_ms, const int64_t *times_ms,
                          size_t from, size_t to)
{
    if (starts_ms == NULL) return;
    for (size_t i = from + 1; i < to; i++) {
        if (starts_ms[i] == 0 || starts_ms[i] == starts_ms[i - 1]) continue;
        if (starts_ms[i] >= times_ms[i - 1]) continue;
        annotate_call(call, ANNOTATION_WARNING, "samples have overlapping start times", true);
        return;
    }
}

/* --- histograms --- */

/* The histograms of a window, and what their start times say. */
struct histogram_run {
    const struct histogram *const *items;
    const int64_t *times_ms;
    const int64_t *starts_ms; /* NULL: not known */
    size_t count;
    bool is_counter;
    bool has_start; /* of the first: inside the window */
};

static bool is_histogram_reset(const struct histogram_run *run, size_t i,
                               const struct histogram *before)
{
    return histogram_is_reset(run->items[i], before) ||
           starts_anew(run->starts_ms, run->times_ms, i);
}

/* An empty histogram with the layout of another. */
static struct histogram nothing_like(const struct histogram *other)
{
    return (struct histogram){ .schema = other->schema,
                               .bounds = other->bounds,
                               .bound_count = other->bound_count,
                               .hint = other->hint };
}

/* Adds what was lost at each reset behind the first histogram. */
static int add_resets(struct call *call, const struct histogram_run *run,
                      const struct histogram *before, struct histogram_sum *sum)
{
    int code = 0;
    for (size_t i = 1; code == 0 && i < run->count; i++) {
        if (before->count != 0 ? is_histogram_reset(run, i, before)
                               : histogram_is_reset(run->items[i], before)) {
            unsigned events = 0;
            code = histogram_sum_add(sum, before, 1, &events);
            annotate_events_of(call, events & HISTOGRAM_EVENT_RECONCILED, "addition");
        }
        before = run->items[i];
    }
    return code;
}

/* The last histogram less the first, with resets made good. False: nothing, or annotated. */
static bool histogram_change(struct call *call, const struct histogram_run *run,
                             struct histogram_sum *sum)
{
    const struct histogram *const *items = run->items;
    size_t count = run->count;
    bool is_counter = run->is_counter;
    const struct histogram *first = items[0];
    const struct histogram *last = items[count - 1];
    struct histogram nothing;
    const struct histogram *from = first;
    const struct histogram *before = first;
    bool has_gauge = first->hint == HISTOGRAM_HINT_GAUGE || last->hint == HISTOGRAM_HINT_GAUGE;
    if (run->has_start) {
        nothing = nothing_like(first);
        from = &nothing;
    } else if (is_counter && is_histogram_reset(run, 1, first)) {
        /* What was before the first reset does not matter, nor does its layout. */
        nothing = nothing_like(items[1]);
        from = &nothing;
        before = &nothing;
    }
    bool is_mixed = histogram_is_custom(from) != histogram_is_custom(last);
    for (size_t i = 1; is_counter && i + 1 < count; i++) {
        has_gauge = has_gauge || items[i]->hint == HISTOGRAM_HINT_GAUGE;
        is_mixed = is_mixed || histogram_is_custom(items[i]) != histogram_is_custom(from);
    }
    if (is_counter && has_gauge) annotate_kind(call, true);
    if (is_mixed) {
        annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED_SCHEMAS, true);
        return false;
    }
    unsigned events = 0;
    int code = histogram_sum_start(sum, last);
    if (code == 0) code = histogram_sum_add(sum, from, -1, &events);
    annotate_events_of(call, events & HISTOGRAM_EVENT_RECONCILED, "subtraction");
    if (code == 0 && is_counter) code = add_resets(call, run, before, sum);
    if (code < 0) {
        call->is_out_of_memory = true;
        return false;
    }
    if (!is_counter &&
        (first->hint != HISTOGRAM_HINT_GAUGE || last->hint != HISTOGRAM_HINT_GAUGE)) {
        annotate_kind(call, false);
    }
    sum->head.hint = HISTOGRAM_HINT_GAUGE;
    return true;
}

static bool finish_histogram(struct call *call, struct histogram_sum *sum, struct value *value)
{
    value->number = ROW_ABSENT;
    value->histogram = histogram_sum_finish(sum, call->evaluation->query->arena);
    call->is_out_of_memory = call->is_out_of_memory || value->histogram == NULL;
    return value->histogram != NULL;
}

static bool extrapolate_histogram(struct call *call, const struct window *window, bool is_counter,
                                  bool is_rate, struct value *value)
{
    const struct points *points = window->points;
    size_t from = window->histogram_from;
    struct histogram_run run = {
        .items = points->histograms + from,
        .times_ms = points->histogram_times_ms + from,
        .starts_ms =
            points->histogram_starts_ms == NULL ? NULL : points->histogram_starts_ms + from,
        .count = window->histogram_to - from,
        .is_counter = is_counter,
    };
    int64_t start_ms = 0;
    run.has_start = is_counter && find_start(window, run.starts_ms, run.times_ms, 0, &start_ms);
    if (run.count < 2 && !run.has_start) return false;
    if (is_counter) check_overlap(call, run.starts_ms, run.times_ms, 0, run.count);
    struct histogram_sum sum = { 0 };
    bool is_good = histogram_change(call, &run, &sum);
    if (is_good) {
        struct rate_span span = {
            .first_ms = run.times_ms[0],
            .last_ms = run.times_ms[run.count - 1],
            .count = run.count,
            .change = sum.head.count + sum.count_lost,
            .first = run.items[0]->count,
            .is_counter = is_counter,
            .has_start = run.has_start,
            .start_ms = start_ms,
        };
        double factor = rate_extrapolation(window, &span);
        if (is_rate) factor /= window_seconds(window);
        histogram_sum_multiply(&sum, factor);
        is_good = finish_histogram(call, &sum, value);
    }
    histogram_sum_release(&sum);
    return is_good;
}

/* --- numbers --- */

double counter_change(const struct points *points, size_t from, size_t to)
{
    const double *values = points->values;
    double change = values[to - 1] - values[from];
    for (size_t i = from + 1; i < to; i++) {
        if (values[i] < values[i - 1] || starts_anew(points->starts_ms, points->times_ms, i)) {
            change += values[i - 1];
        }
    }
    return change;
}

static bool extrapolate(struct call *call, const struct window *window, bool is_counter,
                        bool is_rate, struct value *value)
{
    if (window->is_anchored || window->is_smoothed) {
        return window_extended_rate(call, window, is_counter, is_rate, value);
    }
    size_t count = window->to - window->from;
    size_t histogram_count = window->histogram_to - window->histogram_from;
    if (count > 0 && histogram_count > 0) {
        annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED, true);
        return false;
    }
    if (histogram_count > 0) {
        return extrapolate_histogram(call, window, is_counter, is_rate, value);
    }
    const struct points *points = window->points;
    int64_t start_ms = 0;
    bool has_start =
        is_counter && count > 0 &&
        find_start(window, points->starts_ms, points->times_ms, window->from, &start_ms);
    if (count < 2 && !has_start) return false;
    if (is_counter) {
        check_overlap(call, points->starts_ms, points->times_ms, window->from, window->to);
    }
    struct rate_span span = {
        .first_ms = points->times_ms[window->from],
        .last_ms = points->times_ms[window->to - 1],
        .count = count,
        .first = points->values[window->from],
        .is_counter = is_counter,
        .has_start = has_start,
        .start_ms = start_ms,
    };
    span.change = is_counter ? counter_change(points, window->from, window->to)
                             : points->values[window->to - 1] - points->values[window->from];
    if (has_start) span.change += span.first;
    double factor = rate_extrapolation(window, &span);
    if (is_rate) factor /= window_seconds(window);
    value->number = span.change * factor;
    return true;
}

bool window_rate(struct call *call, const struct window *window, struct value *value)
{
    return extrapolate(call, window, true, true, value);
}

bool window_increase(struct call *call, const struct window *window, struct value *value)
{
    return extrapolate(call, window, true, false, value);
}

bool window_delta(struct call *call, const struct window *window, struct value *value)
{
    return extrapolate(call, window, false, false, value);
}

/* --- the last two --- */

struct last_two {
    int64_t times_ms[2]; /* older, newer */
    struct value values[2];
    int64_t starts_ms[2]; /* when has_starts */
    bool has_starts;
};

static bool take_last_two(const struct window *window, struct last_two *last)
{
    const struct points *points = window->points;
    size_t number = window->to;
    size_t histogram = window->histogram_to;
    for (int i = 1; i >= 0; i--) {
        bool has_number = number > window->from;
        bool has_histogram = histogram > window->histogram_from;
        if (!has_number && !has_histogram) return false;
        if (has_number && has_histogram) {
            has_histogram =
                points->histogram_times_ms[histogram - 1] >= points->times_ms[number - 1];
        }
        if (has_histogram) {
            histogram--;
            last->times_ms[i] = points->histogram_times_ms[histogram];
            last->values[i] = (struct value){ ROW_ABSENT, points->histograms[histogram] };
            last->has_starts = points->histogram_starts_ms != NULL;
            if (last->has_starts) last->starts_ms[i] = points->histogram_starts_ms[histogram];
        } else {
            number--;
            last->times_ms[i] = points->times_ms[number];
            last->values[i] = (struct value){ points->values[number], NULL };
            last->has_starts = points->starts_ms != NULL;
            if (last->has_starts) last->starts_ms[i] = points->starts_ms[number];
        }
    }
    return last->times_ms[1] != last->times_ms[0];
}

static bool is_new_start(const struct last_two *last)
{
    return last->has_starts && starts_anew(last->starts_ms, last->times_ms, 1);
}

static bool instant_histogram(struct call *call, const struct last_two *last, bool is_rate,
                              struct value *value)
{
    const struct histogram *older = last->values[0].histogram;
    const struct histogram *newer = last->values[1].histogram;
    bool has_gauge = older->hint == HISTOGRAM_HINT_GAUGE || newer->hint == HISTOGRAM_HINT_GAUGE;
    bool are_gauges = older->hint == HISTOGRAM_HINT_GAUGE && newer->hint == HISTOGRAM_HINT_GAUGE;
    if (is_rate ? has_gauge : !are_gauges) annotate_kind(call, is_rate);
    struct histogram_sum sum = { 0 };
    unsigned events = 0;
    int code = histogram_sum_start(&sum, newer);
    if (code == 0 && (!is_rate || !(histogram_is_reset(newer, older) || is_new_start(last)))) {
        code = histogram_sum_add(&sum, older, -1, &events);
    }
    annotate_events_of(call, events & HISTOGRAM_EVENT_RECONCILED, "subtraction");
    bool is_good = code == 0;
    if (code == ERROR_INVALID) {
        annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED_SCHEMAS, true);
    } else if (code < 0) {
        call->is_out_of_memory = true;
    }
    if (is_good) {
        sum.head.hint = HISTOGRAM_HINT_GAUGE;
        double seconds = (double)(last->times_ms[1] - last->times_ms[0]) / 1000;
        if (is_rate) histogram_sum_divide(&sum, seconds);
        is_good = finish_histogram(call, &sum, value);
    }
    histogram_sum_release(&sum);
    return is_good;
}

static bool instant(struct call *call, const struct window *window, bool is_rate,
                    struct value *value)
{
    struct last_two last;
    if (!take_last_two(window, &last)) return false;
    bool older_is_histogram = last.values[0].histogram != NULL;
    bool newer_is_histogram = last.values[1].histogram != NULL;
    if (older_is_histogram != newer_is_histogram) {
        annotate_call(call, ANNOTATION_WARNING, TEXT_MIXED, true);
        return false;
    }
    if (newer_is_histogram) return instant_histogram(call, &last, is_rate, value);
    double older = last.values[0].number;
    double newer = last.values[1].number;
    value->number = is_rate && (newer < older || is_new_start(&last)) ? newer : newer - older;
    if (is_rate) value->number /= (double)(last.times_ms[1] - last.times_ms[0]) / 1000;
    return true;
}

bool window_irate(struct call *call, const struct window *window, struct value *value)
{
    return instant(call, window, true, value);
}

bool window_idelta(struct call *call, const struct window *window, struct value *value)
{
    return instant(call, window, false, value);
}

/* --- changes and resets --- */

static bool is_changed(const struct value *before, const struct value *after)
{
    if ((before->histogram == NULL) != (after->histogram == NULL)) return true;
    if (before->histogram != NULL) return !histogram_equal(before->histogram, after->histogram);
    if (isnan(before->number) && isnan(after->number)) return false;
    return before->number != after->number;
}

static bool is_reset(const struct value *before, const struct value *after)
{
    if ((before->histogram == NULL) != (after->histogram == NULL)) return true;
    if (before->histogram != NULL) return histogram_is_reset(after->histogram, before->histogram);
    return after->number < before->number;
}

/* A sample on the way through a window. */
struct step_point {
    struct value value;
    int64_t time_ms;
    int64_t start_ms;
};

static struct step_point number_point(const struct points *points, size_t i)
{
    return (struct step_point){ { points->values[i], NULL },
                                points->times_ms[i],
                                points->starts_ms == NULL ? 0 : points->starts_ms[i] };
}

static struct step_point histogram_point(const struct points *points, size_t i)
{
    int64_t start_ms = points->histogram_starts_ms == NULL ? 0 : points->histogram_starts_ms[i];
    return (
        struct step_point){ { 0, points->histograms[i] }, points->histogram_times_ms[i], start_ms };
}

static bool is_started_between(const struct step_point *before, const struct step_point *after)
{
    const int64_t starts_ms[2] = { before->start_ms, after->start_ms };
    const int64_t times_ms[2] = { before->time_ms, after->time_ms };
    return starts_anew(starts_ms, times_ms, 1);
}

/* Walks numbers and histograms in the order of time and counts the pairs that differ. */
static bool count_pairs(struct call *call, const struct window *window,
                        bool (*differs)(const struct value *, const struct value *),
                        struct value *value)
{
    const struct points *points = window->points;
    size_t number = window->from;
    size_t histogram = window->histogram_from;
    if (window->is_anchored && !anchor(call, window, &number, &histogram)) return false;
    struct step_point before = { { 0, NULL }, 0, 0 };
    bool is_first = true;
    size_t count = 0;
    while (number < window->to || histogram < window->histogram_to) {
        bool is_number = number < window->to;
        if (is_number && histogram < window->histogram_to) {
            is_number = points->times_ms[number] <= points->histogram_times_ms[histogram];
        }
        struct step_point after =
            is_number ? number_point(points, number++) : histogram_point(points, histogram++);
        if (!is_first && (differs(&before.value, &after.value) ||
                          (differs == is_reset && is_started_between(&before, &after)))) {
            count++;
        }
        is_first = false;
        before = after;
    }
    if (is_first) return false;
    value->number = (double)count;
    return true;
}

bool window_changes(struct call *call, const struct window *window, struct value *value)
{
    return count_pairs(call, window, is_changed, value);
}

bool window_resets(struct call *call, const struct window *window, struct value *value)
{
    return count_pairs(call, window, is_reset, value);
}
