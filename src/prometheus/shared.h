/* shared.h - a registry over a region: its families and series are records that all may read. */
#ifndef PROMETHEUS_SHARED_H
#define PROMETHEUS_SHARED_H

#include "prometheus/store.h"

/* All under the store's lock. They read what other processes made first, then add. */
int pm_shared_family_locked(struct pm_registry *registry, enum pm_type type,
                            const struct pm_options *options, struct family **family,
                            struct pm_error *error);
int pm_shared_child_locked(struct family *family, const char *const *values, struct series **series,
                           struct pm_error *error);
int pm_shared_info_locked(struct series *series, const char *const *pairs, size_t count,
                          struct pm_error *error);
int pm_shared_remove_family_locked(struct family *family, struct pm_error *error);

/* Takes in the records made since the last time; what is not valid is skipped and counted. */
void pm_shared_read_locked(struct pm_registry *registry);

/* The pairs an info series shows now, each text with its NUL; free() them. NULL: none. */
char *pm_shared_info_pairs(const struct series *series, size_t *count);
/* Makes the slots of a series' examples. */
int pm_shared_exemplars_locked(struct series *series, size_t count, struct pm_error *error);

#endif
