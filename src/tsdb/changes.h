/* changes.h - from which time on a store's samples have changed since some moment, for caches.
 *
 * Every change (a batch put in, a deletion, a block dropped) raises the position and notes the
 * least time that it touched. Samples mostly come with rising times, so what is kept is a short
 * list of rising positions with rising times: a change takes off the end all that touched later
 * times than it. When the list is full, neighbours are joined; a joined pair claims more than was
 * touched, never less.
 *
 * Lock: the store's mutex.
 */
#ifndef TSDB_CHANGES_H
#define TSDB_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#define CHANGES_MAX 128

struct change {
    uint64_t position;
    int64_t min_time_ms;
};

struct changes {
    uint64_t position; /* of the last change; 0: none yet */
    size_t count;
    struct change items[CHANGES_MAX]; /* positions rise, and so do the times */
};

/* Samples at or after min_time_ms have come or gone. */
void changes_note(struct changes *changes, int64_t min_time_ms);

/* The least time touched after that position; INT64_MAX: nothing was. */
int64_t changes_since(const struct changes *changes, uint64_t position);

#endif
