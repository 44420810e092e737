/* merge.h - walks series of several sources in the order of their labels, each once, with the
 * samples of all sources in the order of time.
 *
 * Sources are blocks and what was taken out of the head. Where two hold a sample of the same
 * series and time, the earlier source wins.
 *
 * Threads: one at a time.
 */
#ifndef TSDB_MERGE_H
#define TSDB_MERGE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "model/labels.h"
#include "model/series_source.h"
#include "tsdb/block.h"
#include "tsdb/chunk.h"
#include "tsdb/extra.h"
#include "tsdb/postings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Samples out of the head: plain, or a chunk's bytes. */
struct merge_piece {
    struct merge_piece *next;
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint32_t count;
    struct str bytes;     /* column of times, column of values; empty when plain */
    const int64_t *times; /* plain */
    const double *values;
};

/* Extras out of the head: a group's bytes, or (bytes empty) plain. */
struct merge_extras {
    struct merge_extras *next;
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint32_t count;
    struct str bytes;
    struct extra *plain;
};

struct merge_hit {
    struct labels labels;
    const uint32_t *pairs;       /* numbers of the labels in the head */
    uint32_t rank;               /* of the series in the head, 0 = not known */
    struct merge_piece *pieces;  /* oldest first */
    struct merge_extras *extras; /* of the pieces' samples */
    struct merge_piece *late;    /* samples that came out of order, plain */
    struct merge_extras *late_extras;
    int64_t last_ms; /* SERIES_WANT_LAST: the newest in the range, when has_last */
    double last_value;
    bool has_last;
    bool is_whole; /* SERIES_WANT_LAST, but all samples were taken, for some came late */
};

struct merge_source {
    struct block *block; /* NULL: hits of the head */
    struct postings series;
    const struct tombstone *tombstones; /* of the block, by series; as they were at the select */
    size_t tombstone_count;
    struct merge_hit *hits; /* sorted by labels */
    size_t hit_count;
    size_t at;            /* next series or hit */
    struct labels labels; /* of that one */
    struct arena scratch; /* its labels' array, for blocks */
    bool is_matched;      /* stands at the series that comes next */
};

struct merge {
    struct merge_source *sources; /* in the order of time */
    size_t count;
    int64_t start_ms;
    int64_t end_ms;
    enum series_want want;
    struct arena *arena; /* what next gives lives here */
    bool reuses_columns; /* the arrays of one series are those of the next */
    bool ignores_values; /* SERIES_WANT_LAST: as series_source.h has it */
    int64_t *times;      /* reuses_columns: the arrays */
    double *values;
    size_t capacity;
    uint64_t damaged;           /* chunks passed over */
    struct chunk_memory memory; /* zeroed at first */
};

int merge_no_room(struct error *error); /* ERROR_LIMIT: a query holds too much */

/* Starts every source at its first series. The struct was filled by the caller. */
int merge_start(struct merge *merge, struct error *error) MUST_CHECK;
void merge_release(struct merge *merge); /* the sources' scratch; not the sources */

/* 1 with *series, 0 at the end or a negative code. Series without samples in the range are left
 * out. */
int merge_next(struct merge *merge, struct series_columns *series, struct error *error) MUST_CHECK;

#endif
