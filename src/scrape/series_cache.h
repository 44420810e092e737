/* series_cache.h - the series that a target has shown, by the raw text that stands for each in its
 * answers: a scrape like the last one parses no labels.
 *
 * The text is not kept: its size and 96 bits of a hash with secret seeds stand for it
 * (base/hash.h). Series stand in the order in which they were shown, so the next one is mostly the
 * one behind the last: it is tried first, and found without looking where its text ends.
 *
 * What was found may move at the next series_cache_add.
 *
 * Owned by: the target's worker.
 */
#ifndef SCRAPE_SERIES_CACHE_H
#define SCRAPE_SERIES_CACHE_H

#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scrape_series {
    uint64_t high;        /* of the text's hash */
    uint64_t ref;         /* number in the sink; 0: not appended yet */
    uint64_t labels_hash; /* after relabelling */
    uint32_t low;         /* of the text's hash */
    uint32_t raw_size;    /* of the text */
    uint32_t first;       /* number of the scrape that appended it first; 0: none */
    uint32_t seen;        /* number of the scrape that showed it last */
    uint32_t generation;  /* of the configuration that relabelled it */
    bool is_dropped;      /* by relabelling */
    bool has_own_time;    /* its last sample brought a timestamp: takes no part in staleness */
};

struct series_cache {
    uint64_t seeds[2];
    struct scrape_series *items; /* in the order they were shown first */
    size_t count;
    size_t capacity;
    uint32_t *slots;   /* place in `items`, plus one; 0 = free */
    size_t slot_count; /* a power of two, or 0 */
    size_t next;       /* place of the series to try first */
};

/* A zeroed cache is an empty one. */
void series_cache_release(struct series_cache *cache);

/* A new answer begins: the first series is tried first. */
void series_cache_start(struct series_cache *cache);

/* The series whose text begins `line`, when it is the one behind the one found last; else NULL. */
struct scrape_series *series_cache_next(struct series_cache *cache, struct str line);

struct scrape_series *series_cache_find(struct series_cache *cache, struct str raw);

/* A new series, zeroed but for its key; NULL without memory. It must not be there. */
struct scrape_series *series_cache_add(struct series_cache *cache, struct str raw) MUST_CHECK;

/* Forgets all that were not seen by the scrape of that number. */
void series_cache_keep(struct series_cache *cache, uint32_t seen);

#endif
