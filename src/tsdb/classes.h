/* classes.h - residuals in few bits: which power of two each is near by entropy coding, the rest as
 * it is. Smaller than fixed widths where most residuals are small and some are not; slower.
 *
 * Format and method: classes.c.
 *
 * Threads: pure functions; any thread.
 */
#ifndef TSDB_CLASSES_H
#define TSDB_CLASSES_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLASSES_COUNT_MAX 2048 /* residuals of a call */

/* How residuals would be coded. */
struct classes_plan {
    int64_t center;
    unsigned detail; /* bits behind the first that the class says, 0 to 2 */
    size_t size;     /* bytes, about */
};

/* A plan good enough to compare by, and a better one from there. 1 <= count <= CLASSES_COUNT_MAX */
void classes_guess(const uint64_t *residuals, size_t count, struct classes_plan *plan);
void classes_improve(const uint64_t *residuals, size_t count, struct classes_plan *plan);
void classes_encode(struct buf *out, const uint64_t *residuals, size_t count,
                    const struct classes_plan *plan);

/* Takes `count` residuals off the front of *rest. False: not these bytes. */
bool classes_decode(struct str *rest, uint64_t *residuals, size_t count) MUST_CHECK;

/* The first `wanted` of the residuals alone, in time that goes by those; not all is verified. */
bool classes_decode_first(struct str bytes, uint64_t *residuals, size_t count,
                          size_t wanted) MUST_CHECK;

#endif
