/* seeds.c - see seeds.h. */
#include "tests/sim/seeds.h"

#include "base/str.h"
#include "tests/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FAILURES_MAX 5

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    uint64_t number = otherwise;
    const char *text = getenv(variable);
    if (text != NULL && !str_to_uint64(str_from(text), &number)) return otherwise;
    return number;
}

void sim_expect_sound(sim_run *run, uint64_t count)
{
    uint64_t first = number_of("SIM_FIRST", 1);
    uint64_t failures = 0;
    count = number_of("SIM_SEEDS", count);
    for (uint64_t seed = first; seed < first + count && failures < FAILURES_MAX; seed++) {
        failures += !run(seed, NULL);
    }
    EXPECT_INT(0, (int64_t)failures);
}

void sim_expect_found(sim_run *run, const struct sim_bug *bugs, size_t count, uint64_t most)
{
    most = number_of("SIM_PLANTED", most);
    for (size_t i = 0; most > 0 && i < count; i++) {
        clock_t start = clock();
        uint64_t seed = 1;
        while (seed <= most && run(seed, &bugs[i])) seed++;
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        printf("# %s: %s at seed %" PRIu64 ", %.2f s\n", bugs[i].name,
               seed > most ? "not found" : "found", seed, seconds);
        EXPECT(seed <= most);
    }
}
