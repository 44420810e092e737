/* function_list.h - the functions themselves, for the table; one file a family. */
#ifndef PROMQL_FUNCTION_LIST_H
#define PROMQL_FUNCTION_LIST_H

#include "promql/eval.h"

/* functions_math.c: numbers */
double math_acosh(double value);
double math_atanh(double value);
double math_degrees(double value);
double math_radians(double value);
double math_sign(double value);
bool point_clamp(const struct call *call, size_t step, struct value *value);
bool point_clamp_max(const struct call *call, size_t step, struct value *value);
bool point_clamp_min(const struct call *call, size_t step, struct value *value);
bool point_round(const struct call *call, size_t step, struct value *value);
bool point_max_of(const struct call *call, size_t step, struct value *value);
bool point_min_of(const struct call *call, size_t step, struct value *value);
double scalar_pi(const struct evaluation *evaluation, int64_t time_ms);

/* functions_time.c */
double scalar_time(const struct evaluation *evaluation, int64_t time_ms);
double scalar_start(const struct evaluation *evaluation, int64_t time_ms);
double scalar_end(const struct evaluation *evaluation, int64_t time_ms);
double scalar_range(const struct evaluation *evaluation, int64_t time_ms);
double scalar_step(const struct evaluation *evaluation, int64_t time_ms);
double math_minute(double seconds);
double math_hour(double seconds);
double math_day_of_month(double seconds);
double math_day_of_week(double seconds);
double math_day_of_year(double seconds);
double math_days_in_month(double seconds);
double math_month(double seconds);
double math_year(double seconds);
int special_timestamp(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int special_start_timestamp(struct evaluation *evaluation, const struct node *node,
                            struct sink *sink);

/* functions_rate.c */
bool window_rate(struct call *call, const struct window *window, struct value *value);
bool window_increase(struct call *call, const struct window *window, struct value *value);
bool window_delta(struct call *call, const struct window *window, struct value *value);
bool window_irate(struct call *call, const struct window *window, struct value *value);
bool window_idelta(struct call *call, const struct window *window, struct value *value);
bool window_changes(struct call *call, const struct window *window, struct value *value);
bool window_resets(struct call *call, const struct window *window, struct value *value);

/* functions_sweep.c: all steps at once */
bool sweep_rate(struct sweep *sweep);
bool sweep_increase(struct sweep *sweep);
bool sweep_delta(struct sweep *sweep);

/* functions_extended.c: windows with `anchored` or `smoothed` */
bool window_extended_rate(struct call *call, const struct window *window, bool is_counter,
                          bool is_rate, struct value *value);
/* Moves the beginning of an anchored window to the sample before it; false: nothing in reach. */
bool anchor(const struct call *call, const struct window *window, size_t *number,
            size_t *histogram);
/* `selector smoothed` for one series. */
int smooth_points(struct evaluation *evaluation, const struct node *node,
                  const struct points *points, const struct steps *times, struct row *row);

/* functions_trend.c */
bool window_deriv(struct call *call, const struct window *window, struct value *value);
bool window_predict_linear(struct call *call, const struct window *window, struct value *value);
bool window_smoothing(struct call *call, const struct window *window, struct value *value);

/* functions_over_time.c */
bool window_avg(struct call *call, const struct window *window, struct value *value);
bool window_sum(struct call *call, const struct window *window, struct value *value);
bool window_min(struct call *call, const struct window *window, struct value *value);
bool window_max(struct call *call, const struct window *window, struct value *value);
bool sweep_min(struct sweep *sweep);
bool sweep_max(struct sweep *sweep);
bool window_count(struct call *call, const struct window *window, struct value *value);
bool window_present(struct call *call, const struct window *window, struct value *value);
bool window_first(struct call *call, const struct window *window, struct value *value);
bool window_last(struct call *call, const struct window *window, struct value *value);
bool window_quantile(struct call *call, const struct window *window, struct value *value);
bool window_stddev(struct call *call, const struct window *window, struct value *value);
bool window_stdvar(struct call *call, const struct window *window, struct value *value);
bool window_mad(struct call *call, const struct window *window, struct value *value);
bool window_ts_of_first(struct call *call, const struct window *window, struct value *value);
bool window_ts_of_last(struct call *call, const struct window *window, struct value *value);
bool window_ts_of_max(struct call *call, const struct window *window, struct value *value);
bool window_ts_of_min(struct call *call, const struct window *window, struct value *value);

/* functions_label.c */
int special_label_replace(struct evaluation *evaluation, const struct node *node,
                          struct sink *sink);
int special_label_join(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* functions_misc.c */
int special_vector(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int special_sort(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int special_absent(struct evaluation *evaluation, const struct node *node, struct sink *sink);
int special_absent_over_time(struct evaluation *evaluation, const struct node *node,
                             struct sink *sink);

/* functions_info.c */
int special_info(struct evaluation *evaluation, const struct node *node, struct sink *sink);

/* functions_histogram.c: native histograms, element by element */
bool point_histogram_avg(const struct call *call, size_t step, struct value *value);
bool point_histogram_count(const struct call *call, size_t step, struct value *value);
bool point_histogram_sum(const struct call *call, size_t step, struct value *value);
bool point_histogram_stddev(const struct call *call, size_t step, struct value *value);
bool point_histogram_stdvar(const struct call *call, size_t step, struct value *value);

/* functions_quantile.c: classic and native */
int special_histogram_quantile(struct evaluation *evaluation, const struct node *node,
                               struct sink *sink);
int special_histogram_quantiles(struct evaluation *evaluation, const struct node *node,
                                struct sink *sink);
int special_histogram_fraction(struct evaluation *evaluation, const struct node *node,
                               struct sink *sink);

/* What the window functions say about mixed input. */
void annotate_call(struct call *call, enum annotation_level level, const char *text,
                   bool names_metric);
#define TEXT_MIXED   "encountered a mix of histograms and floats"
#define TEXT_IGNORED "ignored histograms in a range containing both floats and histograms"
#define TEXT_MIXED_SCHEMAS                                                                         \
    "vector contains a mix of histograms with exponential and custom buckets schemas"
/* "this native histogram metric is not a counter" (or gauge) */
void annotate_kind(struct call *call, bool wants_counter);
void annotate_events_of(struct call *call, unsigned events, const char *operation);

#endif
