/* seeds.h - a simulation run from many seeds, and bugs planted in its disk that one of them finds.
 *
 * SIM_SEEDS and SIM_FIRST say how many seeds, and from which on; SIM_PLANTED how many are tried for
 * each planted bug (0: none is planted). Without them it is as the test says.
 */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H

#include "tests/sim/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sync or a rename that the disk will not do, of files or folders whose name ends so. */
struct sim_bug {
    const char *name; /* "the log is not synced" */
    enum sim_disk_bug kind;
    const char *ending;
};

/* A whole run. With a bug (NULL: none) it is planted, and false, it was found, goes unsaid; without
 * one it prints what is not sound. */
typedef bool sim_run(uint64_t seed, const struct sim_bug *bug);

/* Expects all seeds to be sound; gives up behind five that are not. */
void sim_expect_sound(sim_run *run, uint64_t count);

/* Expects each bug to be found by one of the first `most` seeds, and prints by which. */
void sim_expect_found(sim_run *run, const struct sim_bug *bugs, size_t count, uint64_t most);

#endif
