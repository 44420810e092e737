/* write_histogram.h - inside metrics_server/: native histograms and exemplars of remote write 1.0.
 *
 * Source: Prometheus, prompb/types.proto; Remote-Write 1.0 specification.
 */
#ifndef METRICS_SERVER_WRITE_HISTOGRAM_H
#define METRICS_SERVER_WRITE_HISTOGRAM_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "model/exemplar.h"
#include "model/histogram.h"

#include <stdint.h>

/* Reads a Histogram message; it lives in the arena. 0, ERROR_PARSE, ERROR_INVALID (buckets and
 * counts do not fit), or ERROR_LIMIT when the arena is full. */
int write_histogram_read(struct str bytes, struct arena *arena, struct histogram **histogram,
                         int64_t *time_ms, struct error *error) MUST_CHECK;

/* Reads an Exemplar message; its texts are borrowed. The same codes. */
int write_exemplar_read(struct str bytes, struct arena *arena, struct exemplar *exemplar,
                        struct error *error) MUST_CHECK;

#endif
