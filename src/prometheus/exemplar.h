/* exemplar.h - examples of what was counted: one a bucket, or one of a counter; the last one given.
 *
 * A slot is written by one at a time: who finds it busy leaves its example out, so giving one never
 * waits. Readers copy the slot and look at its sequence before and after. A writer that has been at
 * it for EXEMPLAR_STALE_MS is taken for dead (a process that was killed), and the next one takes
 * the slot over; should the first go on yet, what both wrote fails its check and is not shown.
 * Slots of a region are in its directory, a record a series (see region.h), and are believed as
 * little as all there.
 */
#ifndef PROMETHEUS_EXEMPLAR_H
#define PROMETHEUS_EXEMPLAR_H

#include "prometheus/prometheus.h"

#include <stdbool.h>

struct series;
struct family;

enum {
    EXEMPLAR_TEXT_SIZE = 168, /* names and values, each with its NUL: a trace and a span take 67 */
    EXEMPLAR_LABELS_MAX = 8,
    EXEMPLAR_NATIVE_SLOTS = 10, /* of a histogram without classic buckets */
    EXEMPLAR_STALE_MS = 1000    /* writing one takes less than a microsecond */
};

struct exemplar_slot {
    uint32_t sequence; /* odd: being written; 0: never */
    uint32_t labels;   /* their count, 8 bits; above them a check of all that follows */
    double value;
    uint64_t time_ms;                      /* Unix time; of writing, while the sequence is odd */
    uint64_t text[EXEMPLAR_TEXT_SIZE / 8]; /* bytes, stored and loaded by 8 */
};
_Static_assert(sizeof(struct exemplar_slot) == 192, "a slot is three cache lines");

size_t pm_exemplar_slot_count(const struct family *family); /* 0: the type has none */

/* What the slots of a series hold now. */
struct exemplars {
    const struct pm_exemplar **slots; /* NULL where there is none */
    size_t count;
    void *memory;
};

/* false: there is none. */
bool pm_exemplars_read(struct exemplars *exemplars, const struct series *series);
void pm_exemplars_release(struct exemplars *exemplars);

/* Puts an example into the series' slot; makes the slots when there are none. */
int pm_exemplar_put(struct series *series, size_t slot, double value, const struct pm_label *labels,
                    size_t label_count);
/* The same with the labels trace_id and, unless it is NULL, span_id, in hexadecimal. */
int pm_exemplar_put_trace(struct series *series, size_t slot, double value,
                          const unsigned char trace_id[16], const unsigned char *span_id);

#endif
