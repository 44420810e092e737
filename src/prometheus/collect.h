/* collect.h - collectors: functions called at every scrape that show values kept elsewhere.
 *
 * In a collector pm_emit_family() opens a family, the calls after it are its samples:
 *
 *     pm_emit_family(emit, PM_COUNTER, "node_cpu_seconds_total", "Seconds the CPUs spent.");
 *     pm_emit_value(emit, 12.5, "cpu", "0", "mode", "idle");
 *     pm_emit_count(emit, bytes, "device", "eth0");               exact 64 bits
 *
 * Names are shown as given. A name or label that is not valid, and a family opened twice in one
 * scrape, are left out and counted; label values are made valid UTF-8 (U+FFFD); an empty value is
 * no label. Part of prometheus.h: include that.
 */
#ifndef PROMETHEUS_COLLECT_H
#define PROMETHEUS_COLLECT_H

#include "prometheus/prometheus.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pm_emit; /* what a collector writes to */
typedef void pm_collect_function(struct pm_emit *emit, void *arg);

/* Calls collect at every scrape, after the families, in order of registration. arg borrowed. */
int pm_register_collector(struct pm_registry *registry, pm_collect_function *collect, void *arg,
                          struct pm_error *error);
int pm_unregister_collector(struct pm_registry *registry, pm_collect_function *collect, void *arg);
/* process_... and pm_errors_total; the default registry has them from the start. */
int pm_register_process(struct pm_registry *registry, struct pm_error *error);
int pm_unregister_process(struct pm_registry *registry);

void pm_emit_family(struct pm_emit *emit, enum pm_type type, const char *name, const char *help);
/* The same with a unit, which the name has to end in. */
void pm_emit_family_unit(struct pm_emit *emit, enum pm_type type, const char *name,
                         const char *help, const char *unit);
void pm_emit_value_(struct pm_emit *emit, double value, ...);
void pm_emit_count_(struct pm_emit *emit, uint64_t value, ...);
#define pm_emit_value(emit, ...) pm_emit_value_(emit, __VA_ARGS__, PM_END_)
#define pm_emit_count(emit, ...) pm_emit_count_(emit, __VA_ARGS__, PM_END_)
/* The same with an array. */
void pm_emit_sample(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                    double value);
/* One call for a label-less family of one sample. */
void pm_emit_one(struct pm_emit *emit, enum pm_type type, const char *name, const char *help,
                 double value);
struct pm_buckets {
    const double *bounds;   /* rising, without +Inf */
    const uint64_t *counts; /* bound_count + 1 of them, NOT cumulative; the last is the rest */
    size_t bound_count;
    double sum;
};
void pm_emit_histogram(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                       const struct pm_buckets *buckets);
void pm_emit_summary(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                     uint64_t count, double sum);

/* ---- All that a sample can have: for passing on what others count ---- */

struct pm_exemplar {
    const struct pm_label *labels; /* names and values of 128 characters in all */
    size_t label_count;
    double value;
    double timestamp_s; /* Unix seconds; 0 = none */
};

struct pm_quantile {
    double quantile; /* 0 to 1 */
    double value;
};

/* Native buckets: bucket i, from `first` on, holds values up to 2^(i / 2^schema). */
struct pm_native_bucket {
    int32_t index;
    uint64_t count; /* not cumulative */
};
struct pm_native {
    int schema; /* -4 to 8 */
    double zero_threshold;
    uint64_t zero_count;
    const struct pm_native_bucket *positive; /* rising by index */
    size_t positive_count;
    const struct pm_native_bucket *negative;
    size_t negative_count;
};

/* Zero what there is not. The family's type says which are shown. */
struct pm_point {
    const struct pm_label *labels;
    size_t label_count;
    double value;                     /* counter, gauge, untyped, info, enum */
    uint64_t whole;                   /* used instead when is_whole */
    int is_whole;                     /* exact 64 bits */
    const struct pm_buckets *buckets; /* histograms: classic buckets and the sum */
    const struct pm_native *native;   /* histograms: shown in protobuf only */
    uint64_t count;                   /* summary; a histogram's is that of its buckets */
    double sum;                       /* summary; histogram without buckets */
    const struct pm_quantile *quantiles;
    size_t quantile_count;
    const struct pm_exemplar *exemplar; /* counter */
    /* Histogram: bound_count + 1 of them, NULL where there is none; or NULL. */
    const struct pm_exemplar *const *bucket_exemplars;
    const struct pm_exemplar *const *native_exemplars; /* with native */
    size_t native_exemplar_count;
    double timestamp_s; /* when it was counted, Unix seconds; 0 = now */
    double created_s;   /* since when it is counted; 0 = not known */
};
void pm_emit_point(struct pm_emit *emit, const struct pm_point *point);

#ifdef __cplusplus
}
#endif

#endif
