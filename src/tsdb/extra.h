/* extra.h - what some samples have besides a time and a value: a native histogram, and since when
 * a counter has counted. They stand in groups beside the columns of times and values, so that
 * series of plain numbers, which most are, pay nothing for them.
 *
 * A group is written and read entry by entry; an entry leans on the one before it. The format is
 * drawn in docs/formats/tsdb-chunk.md.
 *
 * Threads: pure functions; any thread.
 */
#ifndef TSDB_EXTRA_H
#define TSDB_EXTRA_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTRA_GROUP_MAX      128       /* entries of a group that is written */
#define EXTRA_GROUP_SIZE_MAX (1 << 16) /* bytes past which a group is ended */

struct extra {
    int64_t time_ms;             /* of its sample */
    int64_t start_ms;            /* 0 = not known */
    struct histogram *histogram; /* NULL: a float sample. Its sum is the sample's value: not kept */
};

/* What the next entry leans on; zeroed at the start of a group. */
struct extra_state {
    int64_t time_ms;
    int64_t step_ms;
    int64_t start_ms;
    const struct histogram *histogram; /* the last one; borrowed */
};

/* Writes an entry; afterwards state->histogram is the entry's own, if it has one. */
void extra_put(struct buf *out, struct extra_state *state, const struct extra *extra);

/* Takes an entry off the front of *rest; the histogram lives in the arena, its sum is 0. 0,
 * ERROR_CORRUPT, or ERROR_LIMIT when the arena is full. */
int extra_take(struct str *rest, struct extra_state *state, struct arena *arena,
               struct extra *extra) MUST_CHECK;

/* Takes `count` entries, which must be all and rise in time. Room for count entries. */
int extra_take_group(struct str bytes, size_t count, struct arena *arena,
                     struct extra *extras) MUST_CHECK;

/* A deep copy in one piece of memory, to be freed; NULL when there is none. */
struct histogram *extra_copy_histogram(const struct histogram *histogram) MUST_CHECK;
size_t extra_histogram_size(const struct histogram *histogram); /* bytes of that piece */

#endif
