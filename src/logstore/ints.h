/* ints.h - a list of integers by differences and planes of bytes, for what is read as a whole.
 *
 * FORMAT  offset size
 *           0     1   mode: 0 values less the least of them, 1 zigzag differences to the one before
 *           1     1   width: bytes a number, 0 to 8
 *           2     8   base: the least value, or the first (int64)
 *          10   c*w   the lowest byte of every number, then the next byte of every number, ...
 * The count stands elsewhere. Like bytes stand together, so that zstd packs what is left of them.
 */
#ifndef LOGSTORE_INTS_H
#define LOGSTORE_INTS_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void ints_write(const int64_t *values, size_t count, struct buf *out);

/* Reads `count` numbers at the front of *rest and moves it on; false when it is cut short. */
bool ints_read(struct str *rest, size_t count, int64_t *values);

/* Passes over `count` numbers, whose bytes are *stored then; false when it is cut short. */
bool ints_take(struct str *rest, size_t count, struct str *stored);

#endif
