/* clock.c - a clock whose hands the test turns. */
#include "tests/sim/clock.h"

static int64_t read_realtime(void *state)
{
    const struct sim_clock *sim = state;
    return sim->realtime_ns;
}

static int64_t read_monotonic(void *state)
{
    const struct sim_clock *sim = state;
    return sim->monotonic_ns;
}

static void turn(void *state, int64_t duration_ns)
{
    struct sim_clock *sim = state;
    sim->realtime_ns += duration_ns;
    sim->monotonic_ns += duration_ns;
}

void sim_clock_init(struct sim_clock *sim, int64_t realtime_ms)
{
    *sim = (struct sim_clock){
        .realtime_ns = realtime_ms * 1000000,
        .monotonic_ns = 1000000000,
        .table = { read_realtime, read_monotonic, turn, sim },
    };
}

void sim_clock_advance_ms(struct sim_clock *sim, int64_t duration_ms)
{
    turn(sim, duration_ms * 1000000);
}
