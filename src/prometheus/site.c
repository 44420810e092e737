/* site.c - conveniences at the place of an update: remembered series, examples, timers. */
#include "prometheus/exemplar.h"
#include "prometheus/fail.h"
#include "prometheus/sketch_index.h"
#include "prometheus/store.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Call sites ---- */

_Static_assert(_Alignof(struct series) > (size_t)PM_SITE_LABELS_, "a key's quick tells both");
_Static_assert((int)PM_REMOVED_ == (int)SERIES_REMOVED, "site.h looks at the flags, too");

static struct series *series_of(const struct pm_site_key_ *key)
{
    return (struct series *)key->child->series;
}

static void write_key(struct pm_site_key_ *key, struct series *series)
{
    key->child = &series->metric;
    key->parent = series->family->parent;
    key->flags = series->flags;
    size_t count = series->family->label_count;
    const char *own = series->text + series->line_size;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(own) + 1;
        if (i >= PM_SITE_LABELS_ || size > sizeof(key->values[i].text)) return;
        memcpy(key->values[i].text, own, size);
        memset(key->values[i].mask, 0xff, size);
        own += size;
    }
    key->quick = (uintptr_t)key->parent + count;
}

/* The key of a series, made when a site first remembers it; NULL: no memory. */
static struct pm_site_key_ *key_of(struct series *series)
{
    struct pm_site_key_ *key = __atomic_load_n(&series->site_key, __ATOMIC_ACQUIRE);
    if (key != NULL) return key;
    enum { LINE = 64 }; /* its values lie within cache lines */
    size_t size = (sizeof(struct pm_site_key_) + LINE - 1) / LINE * LINE;
    struct pm_site_key_ *made = aligned_alloc(LINE, size); /* freed with the series */
    if (made == NULL) return NULL;
    memset(made, 0, size);
    write_key(made, series);
    if (__atomic_compare_exchange_n(&series->site_key, &key, made, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        return made;
    }
    free(made);
    return key;
}

static bool is_remembered(const struct series *series, const char *const *values)
{
    const char *own = series->text + series->line_size;
    for (size_t i = 0; i < series->family->label_count; i++) {
        if (strcmp(own, values[i]) != 0) return false;
        own += strlen(own) + 1;
    }
    return series_is_shown(series);
}

struct pm_metric *pm_site_child(struct pm_site *site, struct pm_metric *metric,
                                const char *const *values, size_t count)
{
    const struct series *parent = pm_store_series(metric);
    const struct pm_site_key_ *key =
        (const struct pm_site_key_ *)__atomic_load_n(&site->last, __ATOMIC_ACQUIRE);
    bool is_it = key != NULL && key->parent == parent && parent->family != NULL &&
                 parent->family->label_count == count && is_remembered(series_of(key), values);
    if (is_it) return key->child;
    struct pm_metric *child = pm_store_child_or_dead(metric, values, count);
    struct series *found = (struct series *)child->series;
    if (found->family == NULL) return child;
    struct pm_site_key_ *found_key = key_of(found);
    if (found_key != NULL) __atomic_store_n(&site->last, (void *)found_key, __ATOMIC_RELEASE);
    return child;
}

/* ---- Examples ---- */

static void note(int code)
{
    if (code < 0) pm_fail_note(code, NULL);
}

/* The series that counted, which may keep an example; NULL: it did not. */
static struct series *counted(struct pm_counter *counter, double amount)
{
    struct series *series = pm_store_series(&counter->metric);
    return series->cell != NULL && amount >= 0 && !isinf(amount) ? series : NULL;
}

static struct series *observed(struct pm_histogram *histogram, double value, size_t *slot)
{
    struct series *series = pm_store_series(&histogram->metric);
    if (series->cell == NULL || value != value) return NULL;
    *slot = 0;
    if (series->family->has_classic)
        *slot = pm_store_find_bucket(series->family, value);
    else if (fabs(value) > 0) /* spread by size: neighbours at schema 0 have slots of their own */
        *slot = (uint32_t)sketch_index(fabs(value), SKETCH_SCHEMA_MAX) % EXEMPLAR_NATIVE_SLOTS;
    return series;
}

void pm_counter_add_labels(struct pm_counter *counter, double amount, const struct pm_label *labels,
                           size_t label_count)
{
    pm_counter_add(counter, amount);
    struct series *series = counted(counter, amount);
    if (series != NULL) note(pm_exemplar_put(series, 0, amount, labels, label_count));
}

void pm_histogram_observe_labels(struct pm_histogram *histogram, double value,
                                 const struct pm_label *labels, size_t label_count)
{
    pm_histogram_observe(histogram, value);
    size_t slot;
    struct series *series = observed(histogram, value, &slot);
    if (series != NULL) note(pm_exemplar_put(series, slot, value, labels, label_count));
}

static size_t labels_from_list(struct pm_label *labels, va_list arguments)
{
    size_t count = 0;
    for (; count <= EXEMPLAR_LABELS_MAX; count++) {
        labels[count].name = va_arg(arguments, const char *);
        if (labels[count].name == NULL) break;
        labels[count].value = va_arg(arguments, const char *);
        if (labels[count].value == NULL) break;
    }
    return count;
}

void pm_add_with_(struct pm_counter *counter, double amount, ...)
{
    struct pm_label labels[EXEMPLAR_LABELS_MAX + 1];
    va_list arguments;
    va_start(arguments, amount);
    size_t count = labels_from_list(labels, arguments);
    va_end(arguments);
    pm_counter_add_labels(counter, amount, labels, count);
}

void pm_observe_with_(struct pm_histogram *histogram, double value, ...)
{
    struct pm_label labels[EXEMPLAR_LABELS_MAX + 1];
    va_list arguments;
    va_start(arguments, value);
    size_t count = labels_from_list(labels, arguments);
    va_end(arguments);
    pm_histogram_observe_labels(histogram, value, labels, count);
}

void pm_add_trace(struct pm_counter *counter, double amount, const unsigned char trace_id[16],
                  const unsigned char *span_id)
{
    pm_counter_add(counter, amount);
    struct series *series = counted(counter, amount);
    if (series != NULL) note(pm_exemplar_put_trace(series, 0, amount, trace_id, span_id));
}

void pm_observe_trace(struct pm_histogram *histogram, double value,
                      const unsigned char trace_id[16], const unsigned char *span_id)
{
    pm_histogram_observe(histogram, value);
    size_t slot;
    struct series *series = observed(histogram, value, &slot);
    if (series != NULL) note(pm_exemplar_put_trace(series, slot, value, trace_id, span_id));
}

/* ---- Blocks ---- */

struct pm_timer pm_timer_start(struct pm_metric *metric)
{
    return (struct pm_timer){ metric, pm_seconds(), 1 };
}

double pm_timer_stop(struct pm_timer *timer)
{
    double passed = pm_seconds() - timer->start_s;
    if (!timer->is_running) return passed;
    timer->is_running = 0;
    switch (pm_type_of(timer->metric)) {
    case PM_HISTOGRAM: pm_histogram_observe((struct pm_histogram *)timer->metric, passed); break;
    case PM_SUMMARY: pm_summary_observe((struct pm_summary *)timer->metric, passed); break;
    case PM_GAUGE:
    case PM_UNTYPED: pm_gauge_set((struct pm_gauge *)timer->metric, passed); break;
    case PM_COUNTER: pm_counter_add((struct pm_counter *)timer->metric, passed); break;
    case PM_INFO:
    case PM_ENUM:
    case PM_GAUGE_HISTOGRAM: pm_fail_note(PM_ERROR_TYPE, NULL); break;
    }
    return passed;
}

#if defined(__GNUC__)
void pm_timer_end_(struct pm_timer *timer)
{
    (void)pm_timer_stop(timer);
}
#endif

struct pm_timer pm_progress_start_(struct pm_gauge *gauge)
{
    pm_gauge_inc(gauge);
    return (struct pm_timer){ PM_METRIC(gauge), 0, 1 };
}

void pm_progress_stop_(struct pm_timer *timer)
{
    if (!timer->is_running) return;
    timer->is_running = 0;
    pm_gauge_dec((struct pm_gauge *)timer->metric);
}
