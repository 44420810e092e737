/* metric.c - handles: made, found, removed; the public shapes over the store. */
#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/shared.h"
#include "prometheus/store.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Static metrics ---- */

/* Gives a static handle its family's series. The handle keeps its own text. */
static int register_static(struct pm_registry *registry, struct pm_metric *metric,
                           struct pm_error *error)
{
    struct pm_options options = { .name = metric->text[0] };
    if (options.name != NULL) {
        options.help = metric->text[1];
        options.label_names = metric->text + (options.help == NULL ? 1 : 2);
        while (options.label_names[options.label_count] != NULL) options.label_count++;
    }
    struct family *family = NULL;
    int code = pm_store_create(registry, (enum pm_type)metric->type, &options, &family, error);
    if (code < 0) return code;
    char *fast = __atomic_load_n(&family->parent->metric.fast, __ATOMIC_ACQUIRE);
    __atomic_store_n(&metric->aid, family->parent->metric.aid, __ATOMIC_RELEASE);
    __atomic_store_n(&metric->series, (void *)family->parent, __ATOMIC_RELEASE);
    __atomic_store_n(&metric->fast, fast, __ATOMIC_RELEASE);
    return PM_OK;
}

int pm_register(struct pm_registry *registry, struct pm_metric *metric, struct pm_error *error)
{
    if (metric->text == NULL) {
        return pm_fail(error, PM_ERROR_TYPE, "only static metrics are registered");
    }
    return register_static(registry, metric, error);
}

struct series *pm_store_series(struct pm_metric *metric)
{
    if (metric == NULL) return pm_store_dead();
    struct series *series = __atomic_load_n(&metric->series, __ATOMIC_ACQUIRE);
    if (series != NULL) return series;
    if (metric->text == NULL) return pm_store_dead();
    struct pm_error error;
    int code = register_static(NULL, metric, &error);
    if (code < 0) {
        pm_fail_note(code, &error);
        __atomic_store_n(&metric->series, (void *)pm_store_dead(), __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&metric->series, __ATOMIC_ACQUIRE);
}

/* ---- Making and finding ---- */

static struct pm_metric *create(struct pm_registry *registry, enum pm_type type,
                                const struct pm_options *options)
{
    struct pm_error error;
    struct family *family = NULL;
    int code = pm_store_create(registry, type, options, &family, &error);
    if (code == PM_OK) return &family->parent->metric;
    pm_fail_note(code, &error);
    return &pm_store_dead()->metric;
}

static struct pm_metric *create_from_list(struct pm_registry *registry, enum pm_type type,
                                          const char *name, va_list arguments)
{
    const char *labels[PM_LABELS_MAX + 1];
    struct pm_options options = { .name = name, .label_names = labels };
    if (name != NULL) options.help = va_arg(arguments, const char *);
    while (options.help != NULL && options.label_count <= PM_LABELS_MAX) {
        labels[options.label_count] = va_arg(arguments, const char *);
        if (labels[options.label_count] == NULL) break;
        options.label_count++;
    }
    return create(registry, type, &options);
}

struct pm_metric *pm_store_child_or_dead(struct pm_metric *metric, const char *const *values,
                                         size_t count)
{
    struct series *parent = pm_store_series(metric);
    if (parent->family == NULL) return &pm_store_dead()->metric;
    struct pm_error error;
    struct series *child = NULL;
    int code = pm_store_child(parent->family, values, count, &child, &error);
    if (code == PM_OK) return &child->metric;
    pm_fail_note(code, &error);
    return &pm_store_dead()->metric;
}

static struct pm_metric *child_from_list(struct pm_metric *metric, va_list arguments)
{
    const char *values[PM_LABELS_MAX + 1];
    size_t count = 0;
    while (count <= PM_LABELS_MAX) {
        values[count] = va_arg(arguments, const char *);
        if (values[count] == NULL) break;
        count++;
    }
    return pm_store_child_or_dead(metric, values, count);
}

/* The six kinds differ in nothing but their types; the handle is a series' first member. */
#define DEFINE_NEW(kind, type)                                                                     \
    struct pm_##kind *pm_##kind##_new_(struct pm_registry *registry, const char *name, ...)        \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, name);                                                                 \
        struct pm_metric *metric = create_from_list(registry, type, name, arguments);              \
        va_end(arguments);                                                                         \
        return (struct pm_##kind *)metric;                                                         \
    }
#define DEFINE_WITH(kind, type)                                                                    \
    struct pm_##kind *pm_##kind##_with_(struct pm_##kind *family, ...)                             \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, family);                                                               \
        struct pm_metric *metric = child_from_list(&family->metric, arguments);                    \
        va_end(arguments);                                                                         \
        return (struct pm_##kind *)metric;                                                         \
    }                                                                                              \
    struct pm_##kind *pm_##kind##_of(struct pm_registry *registry,                                 \
                                     const struct pm_options *options)                             \
    {                                                                                              \
        return (struct pm_##kind *)create(registry, type, options);                                \
    }

DEFINE_NEW(counter, PM_COUNTER)
DEFINE_NEW(gauge, PM_GAUGE)
DEFINE_NEW(histogram, PM_HISTOGRAM)
DEFINE_NEW(summary, PM_SUMMARY)
DEFINE_NEW(info, PM_INFO)
DEFINE_WITH(counter, PM_COUNTER)
DEFINE_WITH(gauge, PM_GAUGE)
DEFINE_WITH(histogram, PM_HISTOGRAM)
DEFINE_WITH(summary, PM_SUMMARY)
DEFINE_WITH(info, PM_INFO)
DEFINE_WITH(enum, PM_ENUM)

int pm_create(struct pm_registry *registry, enum pm_type type, const struct pm_options *options,
              struct pm_metric **metric, struct pm_error *error)
{
    struct family *family = NULL;
    int code = pm_store_create(registry, type, options, &family, error);
    if (code == PM_OK) *metric = &family->parent->metric;
    return code;
}

int pm_store_find_family(struct pm_registry *registry, const char *name, struct family **found,
                         struct pm_error *error)
{
    if (!pm_name_is_metric_in(name, registry_has_utf8(registry)))
        return pm_fail(error, PM_ERROR_NAME, "that is no name for a metric");
    pm_store_lock();
    if (registry->region != NULL) pm_shared_read_locked(registry);
    struct family *family = pm_store_family_locked(registry, name);
    for (size_t i = 0; family == NULL && i < registry->family_count; i++) {
        if (strcmp(registry->families[i]->exposed, name) == 0) family = registry->families[i];
    }
    int code = PM_ERROR_UNKNOWN;
    if (family == NULL) {
        (void)pm_fail(error, code, "there is no metric '%s'", name);
    } else {
        code = PM_OK;
        if (family->parent == NULL) {
            code = pm_shared_child_locked(family, NULL, &family->parent, error);
        }
    }
    pm_store_unlock();
    if (code == PM_OK) *found = family;
    return code;
}

int pm_find(struct pm_registry *registry, const char *name, struct pm_metric **metric,
            struct pm_error *error)
{
    registry = pm_store_registry(registry);
    if (registry == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a registry");
    struct family *family = NULL;
    int code = pm_store_find_family(registry, name, &family, error);
    if (code < 0) return pm_store_count_error(registry, code);
    *metric = &family->parent->metric;
    return PM_OK;
}

int pm_child(struct pm_metric *metric, const char *const *values, size_t value_count,
             struct pm_metric **child, struct pm_error *error)
{
    struct family *family = pm_store_series(metric)->family;
    if (family == NULL) return pm_fail(error, PM_ERROR_UNKNOWN, "the metric could not be made");
    struct series *series = NULL;
    int code = pm_store_child(family, values, value_count, &series, error);
    if (code == PM_OK) *child = &series->metric;
    return code;
}

enum pm_type pm_type_of(const struct pm_metric *metric)
{
    return (enum pm_type)metric->type;
}

/* ---- Removing ---- */

int pm_remove(struct pm_metric *metric, const char *const *values, size_t value_count,
              struct pm_error *error)
{
    struct family *family = pm_store_series(metric)->family;
    if (family == NULL) return pm_fail(error, PM_ERROR_UNKNOWN, "the metric could not be made");
    if (value_count != family->label_count) {
        return pm_fail(error, PM_ERROR_LABELS, "metric '%s' has %zu labels, not %zu",
                       family->exposed, family->label_count, value_count);
    }
    pm_store_lock();
    if (family->registry->region != NULL) pm_shared_read_locked(family->registry);
    struct series *series = pm_store_lookup(family, values);
    if (series != NULL) pm_store_hide(series);
    pm_store_unlock();
    if (series != NULL) return PM_OK;
    (void)pm_store_count_error(family->registry, PM_ERROR_UNKNOWN);
    return pm_fail(error, PM_ERROR_UNKNOWN, "metric '%s' has no such series", family->exposed);
}

void pm_clear(struct pm_metric *metric)
{
    struct family *family = pm_store_series(metric)->family;
    if (family == NULL || family->label_count == 0) return;
    pm_store_lock();
    if (family->registry->region != NULL) pm_shared_read_locked(family->registry);
    size_t count = family->list == NULL ? 0 : family->list->count;
    for (size_t i = 0; i < count; i++) pm_store_hide(family->list->items[i]);
    pm_store_unlock();
}

/* The family leaves the registry but not memory: handles of it go on to count, unseen. */
void pm_store_take_out_locked(struct pm_registry *registry, struct family *family)
{
    size_t at = 0;
    while (at < registry->family_count && registry->families[at] != family) at++;
    if (at == registry->family_count) return;
    registry->family_count--;
    memmove(registry->families + at, registry->families + at + 1,
            (registry->family_count - at) * sizeof(struct family *));
    family->is_removed = 1;
}

int pm_unregister(struct pm_registry *registry, const char *name, struct pm_error *error)
{
    struct pm_metric *metric = NULL;
    registry = pm_store_registry(registry);
    int code = pm_find(registry, name, &metric, error);
    if (code < 0) return code;
    struct family *family = pm_store_series(metric)->family;
    pm_store_lock();
    struct family **removed =
        realloc(registry->removed, (registry->removed_count + 1) * sizeof(struct family *));
    if (removed == NULL) {
        code = pm_fail(error, PM_ERROR_MEMORY, "no memory to remove metric '%s'", name);
    } else {
        registry->removed = removed;
        if (registry->region != NULL) code = pm_shared_remove_family_locked(family, error);
    }
    if (code == PM_OK && !family->is_removed) {
        removed[registry->removed_count++] = family;
        pm_store_take_out_locked(registry, family);
    }
    pm_store_unlock();
    return code;
}

/* ---- Collectors ---- */

int pm_register_collector(struct pm_registry *registry, pm_collect_function *collect, void *arg,
                          struct pm_error *error)
{
    registry = pm_store_registry(registry);
    if (registry == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a registry");
    pm_store_lock();
    size_t count = registry->collector_count;
    struct collector *collectors = realloc(registry->collectors, (count + 1) * sizeof(*collectors));
    if (collectors != NULL) {
        registry->collectors = collectors;
        collectors[count] = (struct collector){ .collect = collect, .arg = arg };
        registry->collector_count++;
    }
    pm_store_unlock();
    if (collectors != NULL) return PM_OK;
    return pm_fail(error, PM_ERROR_MEMORY, "no memory for a collector");
}

int pm_unregister_collector(struct pm_registry *registry, pm_collect_function *collect, void *arg)
{
    registry = pm_store_registry(registry);
    if (registry == NULL) return PM_ERROR_UNKNOWN;
    int code = PM_ERROR_UNKNOWN;
    pm_store_lock();
    for (size_t i = 0; i < registry->collector_count && code < 0; i++) {
        struct collector *at = &registry->collectors[i];
        if (at->collect != collect || at->arg != arg) continue;
        registry->collector_count--;
        memmove(at, at + 1, (registry->collector_count - i) * sizeof(*at));
        code = PM_OK;
    }
    pm_store_unlock();
    return code;
}
