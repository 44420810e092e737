/* twin.h - a time-series store's naive twin for simulations: what a sample holds follows from its
 * series and its time, so the twin keeps only the times of what was acknowledged.
 *
 * Series i has kind i % 4: floats; counters with start times; native histograms; a mixture of all
 * with stale markers and odd NaNs.
 */
#ifndef TESTS_SIM_TWIN_H
#define TESTS_SIM_TWIN_H

#include "base/arena.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TWIN_SERIES = 12 };

VEC_TYPE(twin_times, int64_t);

struct twin {
    struct twin_times series[TWIN_SERIES]; /* ascending, each once */
    int64_t last_ms[TWIN_SERIES];          /* newest ever, deleted or not */
};

struct twin_labels {
    char text[3][16];
    struct label items[3];
};

/* What the sample of that series and time holds. */
struct twin_sample {
    double value;
    int64_t start_ms;                  /* 0 = none */
    const struct histogram *histogram; /* NULL: a float */
};

void twin_init(struct twin *twin);
void twin_release(struct twin *twin);
void twin_copy(struct twin *to, const struct twin *from); /* `to` is initialized */

struct labels twin_labels(int number, struct twin_labels *text);
struct twin_sample twin_sample(int number, int64_t time_ms, struct arena *arena);

bool twin_has(const struct twin *twin, int number, int64_t time_ms);
void twin_add(struct twin *twin, int number, int64_t time_ms); /* nothing when it is there */
void twin_delete(struct twin *twin, int number, int64_t start_ms, int64_t end_ms);

/* How a store's answer may differ from the twin's. */
struct twin_leave {
    int64_t missing_min_ms; /* samples in this range of time may be missing; empty: none */
    int64_t missing_max_ms;
    const struct twin *more; /* samples of this one may be there, too; NULL: none */
    bool is_quiet;           /* differences are not printed */
};

struct twin_range {
    int64_t start_ms;
    int64_t end_ms;
    int series;   /* only this one, by its labels; -1: all */
    bool is_last; /* only the newest sample of each */
};

/* Whether the store answers as the twin does, bit by bit and in the right order. *missing (may be
 * NULL) counts what the leave allowed to be missing or more. */
bool twin_agrees(const struct twin *twin, struct tsdb *db, const struct twin_range *range,
                 const struct twin_leave *leave, size_t *missing);

#endif
