/* column.h - arrays of numbers in few bytes: the times and the values of a chunk, and postings.
 *
 * A column is written whole and read whole into an array; the reader knows the count. The format
 * is drawn in docs/formats/tsdb-chunk.md.
 *
 * Threads: pure functions; any thread.
 */
#ifndef TSDB_COLUMN_H
#define TSDB_COLUMN_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLUMN_VALUES_MAX 2048 /* entries of a column of values */

/* What a writer may spend: FAST for what is rewritten soon, SMALL for what stays. A reader need
 * not know. */
enum column_effort {
    COLUMN_FAST,
    COLUMN_SMALL,
};

/* Any 64-bit integers; short for what rises evenly, changes little or has small values. */
void column_encode_numbers(struct buf *out, const int64_t *numbers, size_t count);
void column_write_numbers(struct buf *out, const int64_t *numbers, size_t count,
                          enum column_effort effort);

/* Doubles, bit by bit; at most COLUMN_VALUES_MAX. */
void column_encode_values(struct buf *out, const double *values, size_t count);
void column_write_values(struct buf *out, const double *values, size_t count,
                         enum column_effort effort);

/* Takes a column of `count` entries off the front of *rest. False (*rest unchanged, the array in
 * any state) when the bytes are not one. */
bool column_decode_numbers(struct str *rest, int64_t *numbers, size_t count) MUST_CHECK;
bool column_decode_values(struct str *rest, double *values, size_t count) MUST_CHECK;

/* The first `wanted` numbers of a column that begins `bytes`, in time that goes by those mostly.
 * The array has room for all. What is not looked at is not verified. */
bool column_decode_first_numbers(struct str bytes, int64_t *numbers, size_t count,
                                 size_t wanted) MUST_CHECK;

/* Counts that go along with those of another series, as a histogram's buckets with all its
 * observations: column_write_relative is false, and nothing was written, when these values are no
 * integers; `reference` are the other's integers as column_decode_integers gives them, `back` > 0
 * is where the reader finds that series. */
bool column_write_relative(struct buf *out, const double *values, size_t count,
                           const int64_t *reference, uint32_t back) MUST_CHECK;
/* `back` of a column that was written so, else 0. */
uint32_t column_reference(struct str bytes);
/* Its last `wanted` values; room for all. */
bool column_decode_relative(struct str bytes, const int64_t *reference, double *values,
                            size_t count, size_t wanted) MUST_CHECK;
/* The last `wanted` of a column of integers, the newest first; false for columns of others. */
bool column_decode_integers(struct str bytes, int64_t *numbers, size_t count,
                            size_t wanted) MUST_CHECK;

/* True when no value of the column is a NaN or an infinity, and it has to be read whole for its
 * last one. */
bool column_is_long_and_finite(struct str bytes) MUST_CHECK;

/* The last `wanted` values of a column: they stand first in it. */
bool column_decode_last_values(struct str bytes, double *values, size_t count,
                               size_t wanted) MUST_CHECK;

#endif
