/* shared.c - a registry over a region; not there yet: every use is an error. */
#include "prometheus/shared.h"

#include "prometheus/fail.h"

int shared_family_locked(struct pm_registry *registry, enum pm_type type,
                         const struct pm_options *options, struct family **family,
                         struct pm_error *error)
{
    (void)registry;
    (void)type;
    (void)family;
    return fail(error, PM_ERROR_REGION, "metric '%s' cannot be shared", options->name);
}

int shared_child_locked(struct family *family, const char *const *values, struct series **series,
                        struct pm_error *error)
{
    (void)values;
    (void)series;
    return fail(error, PM_ERROR_REGION, "metric '%s' cannot be shared", family->exposed);
}

int shared_info_locked(struct series *series, const char *pairs, size_t pairs_size,
                       struct pm_error *error)
{
    (void)pairs;
    (void)pairs_size;
    return fail(error, PM_ERROR_REGION, "info '%s' cannot be shared", series->family->exposed);
}

int shared_remove_family_locked(struct family *family, struct pm_error *error)
{
    return fail(error, PM_ERROR_REGION, "metric '%s' cannot be shared", family->exposed);
}

void shared_read_locked(struct pm_registry *registry)
{
    (void)registry;
}

char *shared_info_text(const struct series *series)
{
    (void)series;
    return NULL;
}
