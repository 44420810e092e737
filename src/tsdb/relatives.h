/* relatives.h - finds, while a block is written, the series whose counts another's go along with.
 *
 * The buckets of a classic histogram grow with the number of all its observations, which is the
 * bucket of le="+Inf" and comes first in the order of labels; the histogram's `_count` is the same
 * number. So that series is remembered, and the others are written relative to it.
 *
 * Threads: one at a time.
 */
#ifndef TSDB_RELATIVES_H
#define TSDB_RELATIVES_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELATIVES_SIZE_MAX (4 << 20) /* bytes of what is remembered; past it, it begins anew */

enum relatives_role {
    RELATIVES_NONE,
    RELATIVES_COUNT, /* others go along with this one */
    RELATIVES_BUCKET,
};

struct relative;

/* Zeroed at first. */
struct relatives {
    struct map counts; /* labels but le, and the name without its ending: struct relative */
    size_t size;
    struct buf key; /* of the series that was looked at last */
    struct relative *found;
    uint32_t series; /* its number */
};

void relatives_init(struct relatives *relatives);
void relatives_release(struct relatives *relatives);

/* What the series is that is written next; without memory it is none. */
enum relatives_role relatives_look(struct relatives *relatives, struct labels labels,
                                   uint32_t series);

/* RELATIVES_COUNT: a chunk of it, by the place of its times in the block's table. Without memory
 * nothing is remembered. */
void relatives_keep(struct relatives *relatives, uint32_t times, struct str values);

/* RELATIVES_BUCKET: the integers of the chunk at `place` with these times, the newest first, room
 * for `count`. Returns how far back that series stands, 0: there is no such chunk. */
uint32_t relatives_numbers(const struct relatives *relatives, uint32_t place, uint32_t times,
                           int64_t *numbers, size_t count);

#endif
