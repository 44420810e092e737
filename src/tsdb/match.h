/* match.h - from matchers to the numbers of the series that satisfy them, over any index.
 *
 * Threads: as the index.
 */
#ifndef TSDB_MATCH_H
#define TSDB_MATCH_H

#include "base/arena.h"
#include "base/clock.h"
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
    uint32_t count;  /* series */
    uint32_t number; /* of the pair in the head; only from values() */
    uint64_t handle;
};

/* What a pattern says of the head's values, tried before the head's lock is taken for good: a
 * pattern made to be slow costs its query time, not everybody who waits for the lock. Pairs that
 * came later are not known and are tried under the lock. */
struct match_verdicts {
    const struct matcher *matcher; /* NULL: none of interest */
    uint32_t *numbers;             /* pairs to be tried */
    size_t number_count;
    unsigned char *of_pairs; /* by number of the pair: enum match_verdict */
    size_t pair_count;
};

enum match_verdict {
    MATCH_NOT_KNOWN, /* 0: as the arena gives it */
    MATCH_FITS,
    MATCH_FITS_NOT,
};

/* What both the head and a block can tell. Codes: ERROR_LIMIT (arena), ERROR_CORRUPT. */
struct index {
    const void *state;
    const struct match_verdicts *verdicts; /* of the head; may be NULL */
    size_t verdict_count;
    const struct clock *clock; /* NULL: there is no deadline */
    int64_t deadline_ns;       /* past it ERROR_TIMEOUT */
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

/* Notes which values a pattern has to be tried on; ERROR_LIMIT. The caller holds the head's
 * lock. */
int match_list_pairs(const struct head *head, const struct matcher *matcher, struct arena *arena,
                     struct match_verdicts *out) MUST_CHECK;

/* Tries them, without the lock, while a cursor keeps removed pairs. ERROR_TIMEOUT. */
int match_try_pairs(const struct head *head, struct match_verdicts *verdicts,
                    const struct clock *clock, int64_t deadline_ns) MUST_CHECK;

/* The series that satisfy every matcher, ascending; all without matchers. */
int match(const struct index *index, const struct matcher *matchers, size_t count,
          struct arena *arena, struct postings *out) MUST_CHECK;

#endif
