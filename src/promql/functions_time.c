/* functions_time.c - the clock and the calendar, UTC. */
#include "base/clock.h"
#include "promql/function_list.h"

#include <math.h>

double scalar_time(const struct evaluation *evaluation, int64_t time_ms)
{
    (void)evaluation;
    return (double)time_ms / 1000;
}

double scalar_start(const struct evaluation *evaluation, int64_t time_ms)
{
    (void)time_ms;
    return (double)evaluation->query->range.start_ms / 1000;
}

double scalar_end(const struct evaluation *evaluation, int64_t time_ms)
{
    (void)time_ms;
    return (double)evaluation->query->range.end_ms / 1000;
}

double scalar_range(const struct evaluation *evaluation, int64_t time_ms)
{
    (void)time_ms;
    const struct promql_range *range = &evaluation->query->range;
    return (double)(range->end_ms - range->start_ms) / 1000;
}

double scalar_step(const struct evaluation *evaluation, int64_t time_ms)
{
    (void)time_ms;
    return (double)evaluation->query->range.step_ms / 1000;
}

/* Civil time of a number of seconds; out of range ones stand at the edge. */
static struct utc utc_of(double seconds)
{
    double limit = 9.2e15; /* milliseconds in int64_t, with room */
    double whole = trunc(seconds);
    if (!(fabs(whole) < limit / 1000)) whole = isnan(whole) ? 0 : copysign(limit / 1000, whole);
    return clock_utc_from_ms((int64_t)whole * 1000);
}

double math_minute(double seconds)
{
    return isnan(seconds) ? seconds : utc_of(seconds).minute;
}

double math_hour(double seconds)
{
    return isnan(seconds) ? seconds : utc_of(seconds).hour;
}

double math_day_of_month(double seconds)
{
    return isnan(seconds) ? seconds : utc_of(seconds).day;
}

double math_day_of_week(double seconds)
{
    return isnan(seconds) ? seconds : utc_of(seconds).weekday;
}

double math_day_of_year(double seconds)
{
    return isnan(seconds) ? seconds : utc_of(seconds).year_day;
}

double math_days_in_month(double seconds)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (isnan(seconds)) return seconds;
    struct utc utc = utc_of(seconds);
    bool is_leap = utc.year % 4 == 0 && (utc.year % 100 != 0 || utc.year % 400 == 0);
    return utc.month == 2 && is_leap ? 29 : days[utc.month - 1];
}

double math_month(double seconds)
{
    return isnan(seconds) ? seconds : utc_of(seconds).month;
}

double math_year(double seconds)
{
    return isnan(seconds) ? seconds : (double)utc_of(seconds).year;
}

/* --- timestamp --- */

struct timestamp_sink {
    struct sink sink;
    struct evaluation *evaluation;
    struct sink *next;
    bool has_times; /* the values are times already */
};

static int take_timestamp(struct sink *sink, struct row *row)
{
    struct timestamp_sink *stamp = (struct timestamp_sink *)sink;
    struct evaluation *evaluation = stamp->evaluation;
    for (size_t i = 0; !stamp->has_times && i < evaluation->steps.count; i++) {
        bool has_histogram = row->histograms != NULL && row->histograms[i] != NULL;
        if (!ROW_IS_THERE(row->values[i]) && !has_histogram) continue;
        row->values[i] = (double)steps_time(&evaluation->steps, i) / 1000;
        if (has_histogram) row->histograms[i] = NULL;
    }
    int code = row_drop_name(evaluation, row);
    return code < 0 ? code : stamp->next->take(stamp->next, row);
}

int special_timestamp(struct evaluation *evaluation, const struct node *node, struct sink *sink)
{
    const struct node *input = node->call.arguments[0];
    while (input->kind == NODE_PAREN) input = input->paren;
    bool is_selector = input->kind == NODE_SELECTOR && !input->selector.modifiers.is_smoothed;
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    struct timestamp_sink stamp = { { take_timestamp }, evaluation, &merge.sink, is_selector };
    int code = is_selector ? evaluate_timestamps(evaluation, input, &stamp.sink)
                           : evaluate_vector(evaluation, input, &stamp.sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    return code;
}
