/* foreign_chunk.h - the chunks of Prometheus' blocks: floats (XOR), and histograms of whole and of
 * float counts.
 *
 * Source:  Prometheus, tsdb/docs/format/chunks.md; what it leaves open (stale histograms, the sides
 *          of number ranges) as the real server writes it.
 * Threads: pure; any thread.
 */
#ifndef TSDB_FOREIGN_CHUNK_H
#define TSDB_FOREIGN_CHUNK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/histogram.h"

#include <stddef.h>
#include <stdint.h>

enum foreign_encoding {
    FOREIGN_XOR = 1,
    FOREIGN_HISTOGRAM = 2,
    FOREIGN_FLOAT_HISTOGRAM = 3,
};

#define FOREIGN_CHUNK_SAMPLES_MAX 120 /* of a chunk that is written */

struct foreign_sample {
    int64_t time_ms;
    double value;                      /* of a histogram: its sum */
    const struct histogram *histogram; /* NULL: a float */
};

VEC_TYPE(foreign_samples, struct foreign_sample);

/* Appends a chunk's samples; histograms live in the arena. 0, ERROR_CORRUPT, ERROR_UNSUPPORTED (an
 * encoding of later versions), ERROR_LIMIT or -ENOMEM. */
int foreign_chunk_decode(unsigned encoding, struct str bytes, struct arena *arena,
                         struct foreign_samples *out, struct error *error) MUST_CHECK;

/* Writes as many of the samples as go into one chunk, at least one; returns how many. Sets the
 * encoding. */
size_t foreign_chunk_encode(struct buf *out, const struct foreign_sample *samples, size_t count,
                            enum foreign_encoding *encoding);

#endif
