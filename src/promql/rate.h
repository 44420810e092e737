/* rate.h - what rates of one window and of all windows share. For promql/functions_rate.c and
 * functions_sweep.c. */
#ifndef PROMQL_RATE_H
#define PROMQL_RATE_H

#include "promql/eval.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What lies in a window, as extrapolation wants to know it. */
struct rate_span {
    int64_t first_ms;
    int64_t last_ms;
    size_t count;
    double change; /* of the counter, or of a histogram's count */
    double first;  /* value at the first sample */
    bool is_counter;
    bool has_start; /* the counter began inside the window, at start_ms, from zero */
    int64_t start_ms;
};

/* What the change between a window's first and last sample is multiplied by, so that it reaches to
 * the window's ends. */
double rate_extrapolation(const struct window *window, const struct rate_span *span);

/* What a counter gained from sample `from` to before `to`, resets made good. */
double counter_change(const struct points *points, size_t from, size_t to);

static inline double window_seconds(const struct window *window)
{
    return (double)(window->end_ms - window->start_ms) / 1000;
}

#endif
