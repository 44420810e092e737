/* columns.h - questions to a column of numbers, answered without a branch a number.
 *
 * Threads: pure. For promql/ alone.
 */
#ifndef PROMQL_COLUMNS_H
#define PROMQL_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Two numbers side by side, of which every processor with doubles in vectors has the operations. */
typedef double column_pair __attribute__((vector_size(16)));
typedef int64_t column_mask __attribute__((vector_size(16)));

static inline column_pair column_pair_at(const double *values)
{
    column_pair pair;
    memcpy(&pair, values, sizeof(pair));
    return pair;
}

/* Whether one of them is a NaN; a stale marker is one. */
static inline bool column_has_nan(const double *values, size_t count)
{
    column_mask found = { 0, 0 };
    size_t i = 0;
    for (; count - i >= 4; i += 4) {
        column_pair a = column_pair_at(values + i);
        column_pair b = column_pair_at(values + i + 2);
        found |= (column_mask)(a != a) | (column_mask)(b != b);
    }
    unsigned rest = 0;
    for (; i < count; i++) rest |= (unsigned)(values[i] != values[i]);
    return (found[0] | found[1]) != 0 || rest != 0;
}

/* Whether one of them is less than the one before it. */
static inline bool column_falls(const double *values, size_t count)
{
    column_mask found = { 0, 0 };
    size_t i = 1;
    for (; count >= 4 && i <= count - 4; i += 4) {
        column_pair a = column_pair_at(values + i);
        column_pair b = column_pair_at(values + i + 2);
        found |= (column_mask)(a < column_pair_at(values + i - 1)) |
                 (column_mask)(b < column_pair_at(values + i + 1));
    }
    unsigned rest = 0;
    for (; i < count; i++) rest |= (unsigned)(values[i] < values[i - 1]);
    return (found[0] | found[1]) != 0 || rest != 0;
}

#endif
