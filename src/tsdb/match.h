/* match.h - from matchers to the numbers of the series that satisfy them, over any index.
 *
 * Threads: as the index.
 */
#ifndef TSDB_MATCH_H
#define TSDB_MATCH_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "model/matcher.h"
#include "tsdb/block.h"
#include "tsdb/head.h"
#include "tsdb/postings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_value {
    struct str text;
    uint32_t count; /* series */
    uint64_t handle;
};

/* What both the head and a block can tell. Codes: ERROR_LIMIT (arena), ERROR_CORRUPT. */
struct index {
    const void *state;
    /* The values of a name, in any order; none when there is no such name. */
    int (*values)(const void *state, struct str name, struct arena *arena,
                  struct index_value **items, size_t *count);
    bool (*find)(const void *state, struct str name, struct str text, struct index_value *value);
    int (*postings)(const void *state, const struct index_value *value, struct arena *arena,
                    struct postings *out);
    int (*all)(const void *state, struct arena *arena, struct postings *out);
};

struct index head_index(const struct head *head); /* the caller holds the lock of the head */
struct index block_index(const struct block *block);

/* The series that satisfy every matcher, ascending; all without matchers. */
int match(const struct index *index, const struct matcher *matchers, size_t count,
          struct arena *arena, struct postings *out) MUST_CHECK;

#endif
