/* functions_time.c - the clock and the calendar, UTC. */
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

/* --- the calendar --- */

#define DAY_S   86400
#define CYCLE_D 146097 /* days in 400 years */

struct date {
    int64_t year;
    int month; /* 1-12 */
    int day;   /* 1-31 */
};

/* As the reference's conversion does on its usual machines: what does not fit, NaN too, is the
 * least integer. */
static int64_t whole_seconds(double seconds)
{
    return fabs(seconds) < 9223372036854775807.0 ? (int64_t)seconds : INT64_MIN;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static int64_t day_of(double seconds)
{
    return floor_divide(whole_seconds(seconds), DAY_S);
}

static int64_t second_of_day(double seconds)
{
    int64_t rest = whole_seconds(seconds) % DAY_S;
    return rest < 0 ? rest + DAY_S : rest;
}

/* Years that begin in March put the leap day at their end. */
static struct date date_of(double seconds)
{
    int64_t days = day_of(seconds) + 719468; /* since 0000-03-01 */
    int64_t cycle = floor_divide(days, CYCLE_D);
    int64_t in_cycle = days - cycle * CYCLE_D;
    int64_t year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    int64_t in_year = in_cycle - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153; /* from March, 0 */
    struct date date = { .year = year + cycle * 400 + (month >= 10 ? 1 : 0),
                         .month = (int)(month < 10 ? month + 3 : month - 9),
                         .day = (int)(in_year - (153 * month + 2) / 5 + 1) };
    return date;
}

static int days_before(const struct date *date, int month)
{
    static const int days[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
    bool is_leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);
    return days[month - 1] + (is_leap && month > 2 ? 1 : 0);
}

double math_minute(double seconds)
{
    return (double)(second_of_day(seconds) / 60 % 60);
}

double math_hour(double seconds)
{
    return (double)(second_of_day(seconds) / 3600);
}

double math_day_of_month(double seconds)
{
    return date_of(seconds).day;
}

double math_day_of_week(double seconds)
{
    int64_t days = day_of(seconds) + 4; /* the first of 1970 was a Thursday */
    return (double)(days - floor_divide(days, 7) * 7);
}

double math_day_of_year(double seconds)
{
    struct date date = date_of(seconds);
    return days_before(&date, date.month) + date.day;
}

double math_days_in_month(double seconds)
{
    struct date date = date_of(seconds);
    return days_before(&date, date.month + 1) - days_before(&date, date.month);
}

double math_month(double seconds)
{
    return date_of(seconds).month;
}

double math_year(double seconds)
{
    return (double)date_of(seconds).year;
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

/* What is no selector has no start: 0. */
static int take_no_start(struct sink *sink, struct row *row)
{
    struct timestamp_sink *stamp = (struct timestamp_sink *)sink;
    for (size_t i = 0; i < stamp->evaluation->steps.count; i++) {
        bool has_histogram = row->histograms != NULL && row->histograms[i] != NULL;
        if (ROW_IS_THERE(row->values[i]) || has_histogram) row->values[i] = 0;
        if (has_histogram) row->histograms[i] = NULL;
    }
    int code = row_drop_name(stamp->evaluation, row);
    return code < 0 ? code : stamp->next->take(stamp->next, row);
}

int special_start_timestamp(struct evaluation *evaluation, const struct node *node,
                            struct sink *sink)
{
    const struct node *input = node->call.arguments[0];
    while (input->kind == NODE_PAREN) input = input->paren;
    bool is_selector = input->kind == NODE_SELECTOR && !input->selector.modifiers.is_smoothed;
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    struct timestamp_sink stamp = {
        { is_selector ? take_timestamp : take_no_start }, evaluation, &merge.sink, is_selector
    };
    int code = is_selector ? evaluate_starts(evaluation, input, &stamp.sink)
                           : evaluate_vector(evaluation, input, &stamp.sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    return code;
}
