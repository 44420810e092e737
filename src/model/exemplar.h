/* exemplar.h - one observation that stands for those a sample counts: most often a trace's id.
 *
 * Source: OpenMetrics 1.0, "Exemplars".
 */
#ifndef MODEL_EXEMPLAR_H
#define MODEL_EXEMPLAR_H

#include "model/labels.h"
#include "model/matcher.h"

#include <stddef.h>
#include <stdint.h>

#define EXEMPLAR_LABELS_SIZE_MAX 128 /* characters of all names and values */

struct exemplar {
    struct labels labels; /* in order of names */
    int64_t time_ms;
    double value;
};

/* Which exemplars: of the series that match all matchers of one of the sets. */
struct exemplar_query {
    const struct matcher *const *sets;
    const size_t *set_counts;
    size_t set_count;
    int64_t start_ms; /* inclusive */
    int64_t end_ms;   /* inclusive */
};

/* What one series has, in the order of time. */
struct exemplar_list {
    struct labels series;
    const struct exemplar *items;
    size_t count;
};

#endif
