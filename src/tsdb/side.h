/* side.h - what few series have in memory beside their chunks: histograms and start times of their
 * samples, and samples that came late.
 *
 *     head -> side (by the series' number) -> active: groups of extras, late samples by time
 *                                          -> frozen: the same of before the last cut
 *
 * A series without them has no side and pays one bit.
 *
 * Lock: as the head's, see head.h.
 */
#ifndef TSDB_SIDE_H
#define TSDB_SIDE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/vec.h"
#include "tsdb/extra.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct head;
struct head_series;

/* Extras of samples in the chunks and the tail, packed, oldest group first. */
struct side_group {
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint32_t count;
    struct buf bytes;
    struct extra_state state; /* its histogram is the side's `last` */
};

VEC_TYPE(side_groups, struct side_group);

/* A sample that is older than its series' last was when it came. */
struct side_sample {
    struct extra extra; /* its time; the histogram is owned */
    double value;
};

VEC_TYPE(side_samples, struct side_sample);

struct side_data {
    struct side_groups groups;
    struct side_samples late; /* by time, each time once */
};

struct side {
    struct side_data active;
    struct side_data frozen;
    struct histogram *last; /* the newest histogram, owned; NULL = none yet */
    bool is_last_histogram; /* the series' newest sample is `last` */
};

/* NULL when the series has none. */
struct side *side_of(const struct head *head, const struct head_series *series);

/* Notes what the series' newest sample has besides its value. 0 or -ENOMEM. */
int side_note(struct head *head, struct head_series *series, const struct extra *extra) MUST_CHECK;

/* Tells what the series' newest sample is, which is in a block. 0 or -ENOMEM. */
int side_set_last(struct head *head, struct head_series *series,
                  const struct histogram *histogram) MUST_CHECK;

/* Adds a sample that is not the newest; *is_added false: its time is there already. */
int side_add_late(struct head *head, struct head_series *series, double value,
                  const struct extra *extra, bool *is_added) MUST_CHECK;
const struct side_sample *side_find_late(const struct side_samples *late, int64_t time_ms);

bool side_data_is_empty(const struct side_data *data);
void side_freeze(struct side *side);
void side_thaw(struct head *head, struct side *side);
void side_remove(struct head *head, struct head_series *series); /* with all it holds */
/* For a series that gets another number. 0 or -ENOMEM. */
int side_renumber(struct head *head, struct head_series *series, uint32_t number) MUST_CHECK;
void side_release_all(struct head *head);

#endif
