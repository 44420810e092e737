/* exemplars.h - the newest exemplars of all series, in a ring of fixed size: the oldest goes when a
 * new one comes.
 *
 *     ring -> slots, each linked to the next older and newer of its series
 *          -> series by their labels: oldest and newest slot
 *
 * Lock: the caller's (the store's mutex).
 */
#ifndef TSDB_EXEMPLARS_H
#define TSDB_EXEMPLARS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/map.h"
#include "model/exemplar.h"
#include "model/matcher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exemplar_slot;

struct exemplars {
    struct exemplar_slot *slots;
    size_t capacity; /* 0: none are kept */
    size_t next;     /* slot that is filled next */
    size_t count;
    struct map series;     /* labels, packed: struct exemplar_series */
    uint64_t appended;     /* total */
    uint64_t out_of_order; /* total refused */
};

int exemplars_init(struct exemplars *exemplars, size_t capacity) MUST_CHECK; /* 0 or -ENOMEM */
void exemplars_release(struct exemplars *exemplars); /* accepts a zeroed one */

/* Whether it may follow the series' newest: 0, 1 (the same again), ERROR_INVALID (labels too
 * long) or ERROR_OUT_OF_ORDER. */
int exemplars_check(const struct exemplars *exemplars, struct labels series,
                    const struct exemplar *exemplar, struct error *error) MUST_CHECK;

/* Adds one that the check lets pass; false when there is no memory or it may not follow. */
bool exemplars_add(struct exemplars *exemplars, struct labels series,
                   const struct exemplar *exemplar);

/* See tsdb_exemplars in tsdb.h. */
int exemplars_select(const struct exemplars *exemplars, const struct exemplar_query *query,
                     struct arena *arena, struct exemplar_list **lists, size_t *count,
                     struct error *error) MUST_CHECK;

#endif
