/* copies.h - what simulations of the time-series store do besides batches: imports, and snapshots
 * that must be what the store was when they were taken, whatever came behind.
 */
#ifndef TESTS_SIM_COPIES_H
#define TESTS_SIM_COPIES_H

#include "base/random.h"
#include "tests/sim/twin.h"

/*
 * Imports some series with random times up to now_ms.
 *
 *   imported  TWIN_SERIES lists, empty before; filled also when it fails: all of it may be there
 *             after a crash, or nothing
 *
 * Returns what the commit returned.
 */
int copies_import(struct tsdb *db, struct random *random, int64_t now_ms,
                  struct twin_times *imported);

struct copies_snapshot {
    bool is_there;
    unsigned number;
    struct twin twin; /* of when it was taken */
};

void copies_snapshot_init(struct copies_snapshot *snapshot);
void copies_snapshot_release(struct copies_snapshot *snapshot);

/* Takes one with the head; when it comes about, the one before is removed and forgotten. */
void copies_snapshot_take(struct copies_snapshot *snapshot, struct tsdb *db,
                          const struct tsdb_options *options, const struct twin *twin);

/* Whether the last one opens and agrees, but for what the leave allows; true when there is none. */
bool copies_snapshot_agrees(const struct copies_snapshot *snapshot,
                            const struct tsdb_options *options, const struct twin_leave *leave);

#endif
