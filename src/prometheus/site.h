/* site.h - conveniences at the place of an update: labelled updates that remember their series,
 * examples, timers, and what is in progress. Part of prometheus.h: include that.
 *
 *     pm_inc(PM_COUNTER_AT(requests, method, code));      cheap for the values of last time
 *     pm_observe_with(latency, seconds, "trace_id", id);  counts, and shows an example of it
 *     PM_TIME(latency) { serve(); }                       observes the seconds the block takes
 *     PM_IN_PROGRESS(in_flight) { serve(); }              one more while the block runs
 */
#ifndef PROMETHEUS_SITE_H
#define PROMETHEUS_SITE_H

#include "prometheus/prometheus.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Call sites ---- */

/*
 * Remembers the series found last at one place of the program. Static, zeroed, used by any thread;
 * for one family only. What it remembers is compared with the values wanted, so it is always right,
 * and a removed series is made anew, as _with() does.
 */
struct pm_site {
    void *last; /* private */
};

/* values: as many as the family has labels. Never NULL, as _with(). */
struct pm_metric *pm_site_child(struct pm_site *site, struct pm_metric *family,
                                const char *const *values, size_t count);

#define PM_COUNT_(...) (sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
#define pm_counter_at(site, family, ...)                                                           \
    ((struct pm_counter *)pm_site_child(                                                           \
        site, PM_METRIC(family), (const char *const[]){ __VA_ARGS__ }, PM_COUNT_(__VA_ARGS__)))
#define pm_gauge_at(site, family, ...)                                                             \
    ((struct pm_gauge *)pm_site_child(                                                             \
        site, PM_METRIC(family), (const char *const[]){ __VA_ARGS__ }, PM_COUNT_(__VA_ARGS__)))
#define pm_histogram_at(site, family, ...)                                                         \
    ((struct pm_histogram *)pm_site_child(                                                         \
        site, PM_METRIC(family), (const char *const[]){ __VA_ARGS__ }, PM_COUNT_(__VA_ARGS__)))
#define pm_summary_at(site, family, ...)                                                           \
    ((struct pm_summary *)pm_site_child(                                                           \
        site, PM_METRIC(family), (const char *const[]){ __VA_ARGS__ }, PM_COUNT_(__VA_ARGS__)))

/* With a site of their own; needs a compiler with statement expressions (gcc, clang). */
#if defined(__GNUC__)
#define PM_AT_(kind, family, ...)                                                                  \
    (__extension__({                                                                               \
        static struct pm_site pm_site_here_;                                                       \
        pm_##kind##_at(&pm_site_here_, family, __VA_ARGS__);                                       \
    }))
#define PM_COUNTER_AT(family, ...)   PM_AT_(counter, family, __VA_ARGS__)
#define PM_GAUGE_AT(family, ...)     PM_AT_(gauge, family, __VA_ARGS__)
#define PM_HISTOGRAM_AT(family, ...) PM_AT_(histogram, family, __VA_ARGS__)
#define PM_SUMMARY_AT(family, ...)   PM_AT_(summary, family, __VA_ARGS__)
#endif

/* ---- Examples ---- */

/*
 * Count as pm_add() and pm_observe() do, and keep the labels as the example of the counter, or of
 * the bucket the value falls in. Shown in OpenMetrics and protobuf. Labels that are no labels, or
 * over 128 characters in all, are left out and counted in pm_errors_total{reason="labels"}.
 */
void pm_counter_add_labels(struct pm_counter *counter, double amount, const struct pm_label *labels,
                           size_t label_count);
void pm_histogram_observe_labels(struct pm_histogram *histogram, double value,
                                 const struct pm_label *labels, size_t label_count);
void pm_add_with_(struct pm_counter *counter, double amount, ...) PM_ENDED_;
void pm_observe_with_(struct pm_histogram *histogram, double value, ...) PM_ENDED_;
#define pm_add_with(counter, amount, ...) pm_add_with_(counter, amount, __VA_ARGS__, PM_END_)
#define pm_observe_with(histogram, value, ...)                                                     \
    pm_observe_with_(histogram, value, __VA_ARGS__, PM_END_)
/* trace_id and span_id in hexadecimal, as W3C trace contexts have them; span_id may be NULL. */
void pm_add_trace(struct pm_counter *counter, double amount, const unsigned char trace_id[16],
                  const unsigned char *span_id);
void pm_observe_trace(struct pm_histogram *histogram, double value,
                      const unsigned char trace_id[16], const unsigned char *span_id);

/* ---- Blocks ---- */

struct pm_timer {
    struct pm_metric *metric;
    double start_s;
    int is_running;
};

/* metric: a histogram or summary observes the seconds passed, a gauge is set to them. */
struct pm_timer pm_timer_start(struct pm_metric *metric);
double pm_timer_stop(struct pm_timer *timer); /* the seconds; more stops do nothing */
struct pm_timer pm_progress_start_(struct pm_gauge *gauge);
void pm_progress_stop_(struct pm_timer *timer);

/* A block may be left in any way but longjmp() with gcc and clang; with others by its end only. */
#if defined(__GNUC__)
#define PM_CLEANUP_(function) __attribute__((cleanup(function)))
void pm_timer_end_(struct pm_timer *timer);
#else
#define PM_CLEANUP_(function)
#endif
#define PM_TIME(handle)                                                                            \
    for (struct pm_timer pm_timer_ PM_CLEANUP_(pm_timer_end_) = pm_timer_start(PM_METRIC(handle)); \
         pm_timer_.is_running; (void)pm_timer_stop(&pm_timer_))
#define PM_IN_PROGRESS(gauge)                                                                      \
    for (struct pm_timer pm_progress_ PM_CLEANUP_(pm_progress_stop_) = pm_progress_start_(gauge);  \
         pm_progress_.is_running; pm_progress_stop_(&pm_progress_))

#ifdef __cplusplus
}
#endif

#endif
