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

/* Where 16 bytes of a text may be read at once, past its end: see pm_site_at_(). */
#if defined(__SSE2__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) &&                    \
    !defined(__SANITIZE_THREAD__)
#define PM_QUICK_ 1
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
    __has_feature(thread_sanitizer)
#undef PM_QUICK_
#endif
#endif
#endif
#ifdef PM_QUICK_
#include <emmintrin.h>
#endif

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
    void *last; /* private: a struct pm_site_key_ */
};

enum { PM_SITE_LABELS_ = 4, PM_REMOVED_ = 1 };

/* Private: of a series that some site remembers; written once, and there as long as the series. */
struct pm_site_key_ {
    struct pm_metric *child;
    const void *parent;    /* the family's series */
    const uint32_t *flags; /* PM_REMOVED_ */
    uintptr_t quick;       /* parent + the number of values below, one compare for both; 0: too
                              many values, or one is longer than 15 bytes */
    struct {
        unsigned char text[16];
        unsigned char mask[16]; /* ones for the text and its NUL */
    } values[PM_SITE_LABELS_];
};

/* values: as many as the family has labels. Never NULL, as _with(). */
struct pm_metric *pm_site_child(struct pm_site *site, struct pm_metric *family,
                                const char *const *values, size_t count);

#ifdef PM_QUICK_
/* What differs between the values from `first` on and the key's: zero when all are the same. */
static inline __attribute__((always_inline)) __m128i pm_site_difference_(
    const struct pm_site_key_ *key, const char *const *values, size_t first, size_t count)
{
    __m128i differs = _mm_setzero_si128();
    if (first < count) {
        const char *value = values[first];
        __asm__("" : "+r"(value)); /* compilers know the sizes of literals, and would warn */
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)value);
        __m128i own = _mm_loadu_si128((const __m128i *)(const void *)key->values[first].text);
        __m128i mask = _mm_loadu_si128((const __m128i *)(const void *)key->values[first].mask);
        differs = _mm_and_si128(_mm_xor_si128(text, own), mask);
    }
    return differs;
}

/* Bit 12 is set when 16 bytes from there reach into another page, which may not be readable. */
static inline __attribute__((always_inline)) uintptr_t pm_site_crosses_(const char *const *values,
                                                                        size_t at, size_t count)
{
    if (at >= count) return 0;
    uintptr_t address = (uintptr_t)values[at];
    return address ^ (address + 15);
}
#endif

/* pm_site_child(), inline when the values are the last ones and short. Each is compared by 16 bytes
 * at once, of which those behind its NUL do not count: they are read, but within one page. Literals
 * and buffers are the same here, for a buffer may hold another text the next time. */
static inline
#ifdef PM_QUICK_
    __attribute__((always_inline))
#endif
    struct pm_metric *
    pm_site_at_(struct pm_site *site, struct pm_metric *family, const char *const *values,
                size_t count)
{
#ifdef PM_QUICK_
    const struct pm_site_key_ *key =
        (const struct pm_site_key_ *)__atomic_load_n(&site->last, __ATOMIC_ACQUIRE);
    uintptr_t crosses = pm_site_crosses_(values, 0, count) | pm_site_crosses_(values, 1, count) |
                        pm_site_crosses_(values, 2, count) | pm_site_crosses_(values, 3, count);
    uintptr_t parent = (uintptr_t)__atomic_load_n(&family->series, __ATOMIC_RELAXED);
    if (__builtin_expect(key != NULL && (crosses & 4096) == 0 && key->quick == parent + count &&
                             count <= PM_SITE_LABELS_,
                         1)) {
        __m128i differs = _mm_or_si128(_mm_or_si128(pm_site_difference_(key, values, 0, count),
                                                    pm_site_difference_(key, values, 1, count)),
                                       _mm_or_si128(pm_site_difference_(key, values, 2, count),
                                                    pm_site_difference_(key, values, 3, count)));
        int same = _mm_movemask_epi8(_mm_cmpeq_epi8(differs, _mm_setzero_si128()));
        uint32_t flags = __atomic_load_n(key->flags, __ATOMIC_ACQUIRE);
        if (__builtin_expect(same == 0xffff && (flags & PM_REMOVED_) == 0, 1)) return key->child;
    }
#endif
    return pm_site_child(site, family, values, count);
}

#define pm_counter_at(site, family, ...)                                                           \
    ((struct pm_counter *)pm_site_at_(                                                             \
        site, PM_METRIC(family), (const char *const[]){ __VA_ARGS__ }, PM_COUNT_(__VA_ARGS__)))
#define pm_gauge_at(site, family, ...)                                                             \
    ((struct pm_gauge *)pm_site_at_(site, PM_METRIC(family), (const char *const[]){ __VA_ARGS__ }, \
                                    PM_COUNT_(__VA_ARGS__)))
#define pm_histogram_at(site, family, ...)                                                         \
    ((struct pm_histogram *)pm_site_at_(                                                           \
        site, PM_METRIC(family), (const char *const[]){ __VA_ARGS__ }, PM_COUNT_(__VA_ARGS__)))
#define pm_summary_at(site, family, ...)                                                           \
    ((struct pm_summary *)pm_site_at_(                                                             \
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
