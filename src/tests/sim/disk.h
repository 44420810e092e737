/* disk.h - a simulated disk: forgets what was not synced, tears writes, runs full, fails.
 *
 *     struct sim_disk *sim = sim_disk_new(seed);
 *     store_open(&store, sim_disk_table(sim), ...);
 *     sim_disk_crash_after(sim, 17);      the power goes in the middle of the 17th changing call
 *     ... work until calls fail ...
 *     store_close(store);                 everything it does is lost: the machine is off
 *     sim_disk_restart(sim);              what survived is there; faults are off
 *
 * What survives a crash:
 *   bytes   all that a successful sync of the file covered; of every later write each sector of
 *           512 bytes by a throw of dice, old or new (so writes tear and are reordered); of later
 *           truncations each by dice.
 *   names   all that a successful sync_folder of their folder covered; of later creations,
 *           renames and removals either the first few or each by dice. A rename is whole or not.
 * A sync that fails loses some of the pending writes for good, though reads still show them and
 * the next sync succeeds: what Linux does ("fsyncgate").
 * A write without room writes as much as fits and fails with -ENOSPC.
 *
 * Everything follows from the seed, as long as one thread uses the disk.
 * Lock: its own mutex guards everything; any thread.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "base/file.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_disk;

/* Chances in a million that a call of the kind fails with -EIO. */
struct sim_disk_faults {
    uint32_t write;       /* part of it is done */
    uint32_t sync;        /* pending writes are lost by dice */
    uint32_t sync_folder; /* nothing became durable */
    uint32_t name;        /* open for creation, rename, remove, make_folder: nothing happened */
    uint32_t read;
};

struct sim_disk *sim_disk_new(uint64_t seed); /* empty, unlimited; has the folder "/" */
void sim_disk_free(struct sim_disk *sim);     /* NULL is fine */
const struct disk *sim_disk_table(struct sim_disk *sim);

void sim_disk_set_faults(struct sim_disk *sim, const struct sim_disk_faults *faults);
void sim_disk_set_size(struct sim_disk *sim, uint64_t size); /* bytes of all files together */

/* Cuts the power in the middle of the count-th changing call from now (1 = the next); 0 = never. */
void sim_disk_crash_after(struct sim_disk *sim, uint64_t count);
void sim_disk_crash(struct sim_disk *sim); /* now */
bool sim_disk_has_crashed(const struct sim_disk *sim);
void sim_disk_restart(struct sim_disk *sim); /* open handles are gone */

uint64_t sim_disk_changes(const struct sim_disk *sim); /* changing calls so far */
uint64_t sim_disk_used(const struct sim_disk *sim);    /* bytes of all files */

/* A bug planted between the code under test and the disk: what a program that forgets a call, or
 * makes two in the wrong order, would do. `ending` chooses the paths. For tests of the tests. */
enum sim_disk_bug {
    SIM_DISK_BUG_NONE,
    SIM_DISK_BUG_NO_SYNC,        /* files are never synced, though it is said so */
    SIM_DISK_BUG_NO_SYNC_FOLDER, /* the same for folders */
    SIM_DISK_BUG_LATE_RENAME,    /* a rename is done behind the next one: two are swapped */
};

void sim_disk_plant(struct sim_disk *sim, enum sim_disk_bug bug, const char *ending);

/* Bit rot: turns one bit of a file over, synced. False when there is no such byte. */
bool sim_disk_flip(struct sim_disk *sim, const char *path, uint64_t offset, int bit);

#endif
