/* postings.h - sorted lists of series numbers and what sets do with them.
 *
 * Threads: pure functions; any thread. Lists made here live in the arena; NULL items with a count
 * of 0 is the empty list.
 */
#ifndef TSDB_POSTINGS_H
#define TSDB_POSTINGS_H

#include "base/arena.h"
#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

struct postings {
    const uint32_t *items; /* ascending, each once */
    size_t count;
};

/* The first place from `from` on whose number is not below `wanted`; the count when none is. */
size_t postings_seek(struct postings list, size_t from, uint32_t wanted);

/* 0 or ERROR_LIMIT when the arena is full. */
int postings_intersect(struct arena *arena, struct postings a, struct postings b,
                       struct postings *out) MUST_CHECK;
int postings_subtract(struct arena *arena, struct postings a, struct postings b,
                      struct postings *out) MUST_CHECK;
int postings_union(struct arena *arena, const struct postings *lists, size_t count,
                   struct postings *out) MUST_CHECK;

#endif
