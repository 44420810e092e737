/* classes_model.h - what the writer (classes.c) and the reader (classes_read.c) of classes share.
 *
 * Threads: pure functions; any thread.
 */
#ifndef TSDB_CLASSES_MODEL_H
#define TSDB_CLASSES_MODEL_H

#include "tsdb/classes.h"

enum {
    DETAIL_MAX = 2,
    HAS_FOUR_STATES = 4,
    STATES_MAX = 4,
    SYMBOL_COUNT =
        512, /* at most SCALE, more than 2 * ((1 << (DETAIL_MAX + 1)) + 62 * (1 << DETAIL_MAX)) */
    SCALE_BITS = 10,
    SCALE = 1 << SCALE_BITS,
    WEIGHT_COUNT = 15,
    SPILL_BITS = 16,
};

#define STATE_MIN (UINT32_C(1) << SPILL_BITS)

extern const uint16_t classes_weights[WEIGHT_COUNT]; /* 2^(3n/4), rounded */

/* What both sides know of the symbols. */
struct classes_model {
    size_t first;
    size_t count;
    uint8_t levels[SYMBOL_COUNT]; /* by symbol - first; 0 = none, else its weight's place + 1 */
    uint16_t frequencies[SYMBOL_COUNT];
    uint16_t starts[SYMBOL_COUNT];
};

/* From weights to frequencies with a sum of SCALE. False: no symbol. */
bool classes_scale(struct classes_model *model) MUST_CHECK;

/* The least size of a class, and how many bits stand below it. */
uint64_t classes_start(uint64_t class, unsigned detail, unsigned *below_width);

#endif
