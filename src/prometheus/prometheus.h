/* prometheus.h - a Prometheus client library for C: metrics that cost a nanosecond.
 *
 *     static struct pm_counter *jobs;
 *     jobs = pm_counter_new(NULL, "jobs_total", "Jobs done.", "queue");    NULL: default registry
 *     pm_inc(pm_counter_with(jobs, "mail"));
 *     pm_render(NULL, pm_negotiate(accept_header), write, arg);
 *
 * PICTURE   A registry holds families (a name, a help text, a type, label names) and collectors
 *           (functions called at every scrape). A family without labels is its one series; a
 *           family with labels has children, one for each set of label values, got by _with().
 *           A handle (struct pm_counter *, ...) is a family or a child; both are never freed
 *           before their registry, so a handle may be kept for ever: it never dangles, also
 *           when the series was removed (it is then counted, but not shown).
 * UPDATES   are wait-free and exact from any number of threads: each CPU has its own words,
 *           added to in a restartable sequence (see decision 025). They are allowed in signal
 *           handlers on handles that exist, and errno is left alone.
 * FAILURE   The library never aborts. pm_x_new() and pm_x_with() never return NULL: what cannot
 *           be made (bad name, other type, out of memory) is a dead handle whose updates do
 *           nothing, counted in pm_errors_total{reason} and told by pm_last_error(). Who wants
 *           to know takes pm_create() and pm_child(), which return codes.
 * THREADS   Every function from any thread, except pm_registry_free() (last one out).
 * PROCESSES prometheus/client.h: the same handles over memory shared by processes.
 *
 * Needs libc only; C11 and C++11.
 */
#ifndef PROMETHEUS_PROMETHEUS_H
#define PROMETHEUS_PROMETHEUS_H

#include "prometheus/update.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ---- */

enum pm_code {
    PM_OK = 0,
    PM_ERROR_NAME = -1,    /* metric or label name is not valid, or clashes with another */
    PM_ERROR_TYPE = -2,    /* the name exists with another type, or the operation is not its */
    PM_ERROR_LABELS = -3,  /* label names or the number of values differ */
    PM_ERROR_VALUE = -4,   /* not a number, negative for a counter, unknown state */
    PM_ERROR_MEMORY = -5,  /* no memory */
    PM_ERROR_FULL = -6,    /* a named limit: series of a family, bytes of a shared region */
    PM_ERROR_UNKNOWN = -7, /* no such metric or series */
    PM_ERROR_SYSTEM = -8,  /* the operating system said no; text says what */
    PM_ERROR_REGION = -9,  /* the shared region is not one, or of another version */
    PM_ERROR_WRITE = -10,  /* the writer refused; text names its code */
    PM_ERROR_PARSE = -11,  /* a text is not as its format says */
    PM_ERROR_CODES = 12
};

struct pm_error {
    int code; /* enum pm_code */
    char text[200];
};

const char *pm_code_name(int code);  /* "name", "type", ...; the reason label of pm_errors_total */
struct pm_error pm_last_error(void); /* of this thread; for the functions that return handles */
uint64_t pm_error_count(int code);   /* of this process: what pm_errors_total shows */

/* ---- Registries ---- */

struct pm_registry;
typedef int pm_write_function(void *arg, const char *data, size_t size); /* negative: stop */

struct pm_label {
    const char *name;
    const char *value;
};

/* Limits, with reasons. */
enum {
    PM_LABELS_MAX = 32,      /* labels of one series: more is a mistake */
    PM_NAME_SIZE_MAX = 255,  /* bytes of a metric or label name */
    PM_SERIES_MAX = 1000000, /* children of one family: a label with unbounded values stops here */
    PM_BOUNDS_MAX = 256,     /* buckets of a classic histogram */
    PM_QUANTILES_MAX = 32,   /* of a summary */
    PM_STATES_MAX = 64       /* states of an enum */
};

int pm_registry_new(struct pm_registry **registry, struct pm_error *error);
/* Names of metrics and labels may be any UTF-8 from now on: shown quoted, or escaped to scrapers
 * that do not know such. Without, they are plain, [a-zA-Z_:][a-zA-Z0-9_:]*. NULL: the default. */
void pm_registry_allow_utf8(struct pm_registry *registry);
void pm_registry_free(struct pm_registry *registry); /* NULL is fine; its handles end here */
struct pm_registry *pm_registry_default(void);       /* never freed; NULL when out of memory */

/* ---- Families ---- */

enum { PM_DEFAULT_BOUND_COUNT = 11 };
extern const double pm_default_bounds[PM_DEFAULT_BOUND_COUNT]; /* .005 to 10, for seconds */

/* Fill `count` bounds: start + i * width, or start * factor^i; for pm_options.bounds. 0, or
 * PM_ERROR_VALUE when they would not rise: bounds untouched. */
int pm_linear_bounds(double *bounds, size_t count, double start, double width);
int pm_exponential_bounds(double *bounds, size_t count, double start, double factor);

enum pm_type {
    PM_UNTYPED,
    PM_COUNTER,
    PM_GAUGE,
    PM_HISTOGRAM,
    PM_SUMMARY,
    PM_INFO,
    PM_ENUM,
    PM_GAUGE_HISTOGRAM /* of others, passed on: not to be made */
};

/* Everything a family can be told; zero means default. The texts are copied. */
struct pm_options {
    const char *name;               /* counters: with or without "_total" */
    const char *help;               /* needed, not empty */
    const char *unit;               /* base unit, e.g. "seconds"; the name must end in it */
    const char *const *label_names; /* label_count of them */
    size_t label_count;
    const double *bounds; /* histogram: rising upper bounds without +Inf; NULL = the default ones */
    size_t bound_count;
    /* Histogram: native buckets that grow by at most this factor, e.g. 1.1; 0 = none. With bounds
     * it has both kinds, without it is native only. */
    double native_factor;
    size_t native_bucket_max;  /* of one series; 0 = 160. More buckets than that ... */
    double native_reset_min_s; /* ... reset it, but so many seconds apart; 0 = never; else */
    double
        native_zero_threshold_max; /* ... widen its zero bucket up to here; 0 = not; else halve */
    double native_zero_threshold;  /* its resolution. 0 = 2^-128, negative = 0 */
    const double *quantiles;       /* summary: rising, 0 to 1; within 1.1 % of the value (docs) */
    size_t quantile_count;
    double window_s;           /* of the quantiles; 0 = 600 */
    const char *const *states; /* enum: its states, the first is the initial one */
    size_t state_count;
    size_t series_max;             /* 0 = PM_SERIES_MAX */
    double (*function)(void *arg); /* counter, gauge: value asked at scrape instead of kept */
    void *function_arg;            /* borrowed while the registry lives */
};

/* One shape for the six kinds: _new makes or finds a family (same type, labels: the same handle),
 * the texts after the registry are name, help and label names; _with finds or makes a child, as
 * many values as the family has names. Handles are never NULL. registry NULL = default. */
#define pm_counter_new(registry, ...)     pm_counter_new_(registry, __VA_ARGS__, PM_END_)
#define pm_gauge_new(registry, ...)       pm_gauge_new_(registry, __VA_ARGS__, PM_END_)
#define pm_histogram_new(registry, ...)   pm_histogram_new_(registry, __VA_ARGS__, PM_END_)
#define pm_summary_new(registry, ...)     pm_summary_new_(registry, __VA_ARGS__, PM_END_)
#define pm_info_new(registry, ...)        pm_info_new_(registry, __VA_ARGS__, PM_END_)
#define pm_counter_with(counter, ...)     pm_counter_with_(counter, __VA_ARGS__, PM_END_)
#define pm_gauge_with(gauge, ...)         pm_gauge_with_(gauge, __VA_ARGS__, PM_END_)
#define pm_histogram_with(histogram, ...) pm_histogram_with_(histogram, __VA_ARGS__, PM_END_)
#define pm_summary_with(summary, ...)     pm_summary_with_(summary, __VA_ARGS__, PM_END_)
#define pm_info_with(info, ...)           pm_info_with_(info, __VA_ARGS__, PM_END_)
#define pm_enum_with(state, ...)          pm_enum_with_(state, __VA_ARGS__, PM_END_)

/* As above with all options; needed for an enum (states), for bounds, unit, function, limits. */
struct pm_counter *pm_counter_of(struct pm_registry *registry, const struct pm_options *options);
struct pm_gauge *pm_gauge_of(struct pm_registry *registry, const struct pm_options *options);
struct pm_histogram *pm_histogram_of(struct pm_registry *registry,
                                     const struct pm_options *options);
struct pm_summary *pm_summary_of(struct pm_registry *registry, const struct pm_options *options);
struct pm_info *pm_info_of(struct pm_registry *registry, const struct pm_options *options);
struct pm_enum *pm_enum_of(struct pm_registry *registry, const struct pm_options *options);

/* The form that returns codes: a family, and a child by values. metric out: one of the handles,
 * untouched on failure; cast by the caller's knowledge of the type, or updated by pm_update(). */
struct pm_metric;
int pm_create(struct pm_registry *registry, enum pm_type type, const struct pm_options *options,
              struct pm_metric **metric, struct pm_error *error);
int pm_find(struct pm_registry *registry, const char *name, struct pm_metric **metric,
            struct pm_error *error);
int pm_child(struct pm_metric *family, const char *const *values, size_t value_count,
             struct pm_metric **child, struct pm_error *error);
enum pm_type pm_type_of(const struct pm_metric *metric);

/* Hides the series with these values; counted from zero if it is ever asked for again. */
int pm_remove(struct pm_metric *family, const char *const *values, size_t value_count,
              struct pm_error *error);
void pm_clear(struct pm_metric *family); /* hides every child */
int pm_unregister(struct pm_registry *registry, const char *name, struct pm_error *error);

/* Any handle as a struct pm_metric *. */
#define PM_METRIC(handle) (&(handle)->metric)

/*
 * Static metrics, updated inline: PM_STATIC_COUNTER(requests, "requests_total", "Requests.");
 * then pm_inc(&requests). They join the default registry at pm_register(PM_METRIC(&requests)),
 * at the latest with their first update (a metric never touched nor registered is not shown).
 */
#define PM_STATIC_COUNTER(variable, ...)                                                           \
    PM_STATIC_(struct pm_counter, PM_COUNTER, variable, __VA_ARGS__)
#define PM_STATIC_GAUGE(variable, ...) PM_STATIC_(struct pm_gauge, PM_GAUGE, variable, __VA_ARGS__)
#define PM_STATIC_HISTOGRAM(variable, ...)                                                         \
    PM_STATIC_(struct pm_histogram, PM_HISTOGRAM, variable, __VA_ARGS__)
#define PM_STATIC_SUMMARY(variable, ...)                                                           \
    PM_STATIC_(struct pm_summary, PM_SUMMARY, variable, __VA_ARGS__)
int pm_register(struct pm_registry *registry, struct pm_metric *metric, struct pm_error *error);

/* ---- Updates (the inline ones are in prometheus/update.h) ---- */

/*
 * pm_inc(h) pm_add(h, v) for counters and gauges, pm_dec(h) pm_sub(h, v) pm_set(h, v) for gauges,
 * pm_observe(h, v) for histograms and summaries: see update.h. Amounts that cannot be (negative
 * or NaN for a counter, NaN observed) are refused and counted in pm_errors_total{reason="value"}.
 */
void pm_gauge_set_now(struct pm_gauge *gauge); /* to the current time, Unix seconds */
int pm_info_set_(struct pm_info *info, ...);
#define pm_info_set(info, ...) pm_info_set_(info, __VA_ARGS__, PM_END_) /* pairs; replaces all */
int pm_enum_set(struct pm_enum *state, const char *name); /* PM_ERROR_VALUE: no such state */
double pm_seconds(void);                                  /* monotonic, for durations */

/* ---- Exposition ---- */

enum pm_exposition {
    PM_TEXT_0_0_4,
    PM_OPENMETRICS_1_0_0,
    PM_OPENMETRICS_0_0_1,
    PM_TEXT_1_0_0, /* as 0.0.4, with quoted UTF-8 names */
    PM_PROTOBUF    /* io.prometheus.client.MetricFamily, each behind its size */
};

/* What becomes of names that are not [a-zA-Z_:][a-zA-Z0-9_:]*; all others stay as they are. */
enum pm_escaping {
    PM_ESCAPE_UNDERSCORES, /* a_b for a.b */
    PM_ESCAPE_DOTS,        /* a_dot_b */
    PM_ESCAPE_VALUES,      /* U__a_2e_b */
    PM_ESCAPE_NONE         /* "a.b" in quotes; needs text 1.0.0, OpenMetrics 1.0 or protobuf */
};

struct pm_format { /* zero = text 0.0.4 */
    enum pm_exposition kind;
    enum pm_escaping escaping;
    int has_created; /* OpenMetrics: a _created sample a series; protobuf has them always */
};

/* The best we have for an Accept header (NULL: text 0.0.4): q-values, versions and escaping
 * honoured. The caller may set has_created. */
struct pm_format pm_negotiate(const char *accept);
const char *pm_content_type(struct pm_format format); /* the value of Content-Type, exact */

/*
 * Writes every family of the registry, in pieces of up to 64 KiB, holding no lock while writing.
 * Updates never wait for it. Buckets, _count and +Inf of one histogram always agree.
 * Returns 0, PM_ERROR_WRITE (write returned < 0), or PM_ERROR_MEMORY.
 */
int pm_render(struct pm_registry *registry, struct pm_format format, pm_write_function *write,
              void *arg);
/* Only the samples with these names ("name[]=" of a scrape); count 0 = all. */
int pm_render_names(struct pm_registry *registry, struct pm_format format, const char *const *names,
                    size_t name_count, pm_write_function *write, void *arg);
/* The whole text on the heap, NUL-terminated; free() it. NULL on failure. */
char *pm_render_text(struct pm_registry *registry, struct pm_format format, size_t *size);

/* For tests: the value of one sample by its exposed name and labels, in any order.
 * Returns 0 or PM_ERROR_UNKNOWN, value untouched. */
#define pm_sample(registry, value, ...) pm_sample_(registry, value, __VA_ARGS__, PM_END_)
int pm_sample_(struct pm_registry *registry, double *value, const char *name, ...);

/* Prints value as Go's strconv.FormatFloat(value, 'g', -1, 64); no NUL. Returns the size. */
enum { PM_DOUBLE_SIZE_MAX = 32 };
size_t pm_print_double(char text[PM_DOUBLE_SIZE_MAX], double value);

#ifdef __cplusplus
}
#endif

#include "prometheus/client.h"
#include "prometheus/collect.h"
#include "prometheus/expose.h"
#include "prometheus/exposer.h"
#include "prometheus/lint.h"
#include "prometheus/parse.h"
#include "prometheus/push.h"
#include "prometheus/site.h"
#include "prometheus/socket.h"

#endif
