/* clock.h - a clock whose hands the test turns. */
#ifndef TESTS_SIM_CLOCK_H
#define TESTS_SIM_CLOCK_H

#include "base/clock.h"

#include <stdint.h>

struct sim_clock {
    int64_t realtime_ns;
    int64_t monotonic_ns;
    struct clock table; /* what the code under test gets; wait_ns turns the hands */
};

void sim_clock_init(struct sim_clock *sim, int64_t realtime_ms); /* must not move afterwards */
void sim_clock_advance_ms(struct sim_clock *sim, int64_t duration_ms);

#endif
