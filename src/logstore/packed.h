/* packed.h - an array of integers in as few bits each as their range needs, read in place.
 *
 * FORMAT  offset size
 *           0     8   base: the least value (int64)
 *           8     4   count
 *          12     1   width: bits a value, 0 to 57, or 64
 *          13     3   zero
 *          16     n   value - base, unsigned, one behind the other from the lowest bit of the first
 *                     byte on; n = (count * width + 7) / 8, and when width is not 0, 8 zero bytes,
 *                     so that eight bytes can be read from where any value begins
 */
#ifndef LOGSTORE_PACKED_H
#define LOGSTORE_PACKED_H

#include "base/buf.h"
#include "base/str.h"
#include "logstore/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKED_HEADER_SIZE 16

struct packed {
    const char *bytes; /* of the values */
    uint32_t count;
    uint8_t width; /* bits */
    uint64_t mask;
    int64_t base;
};

void packed_write(const int64_t *values, size_t count, struct buf *out);

/* Opens the array at the start of *rest and moves it on; false when the bytes are not one. */
bool packed_open(struct str *rest, struct packed *packed);

static inline int64_t packed_get(const struct packed *packed, size_t i)
{
    if (packed->width == 0) return packed->base;
    uint64_t bit = (uint64_t)i * packed->width;
    uint64_t word = bytes_get64(packed->bytes + bit / 8) >> (bit % 8);
    return (int64_t)((uint64_t)packed->base + (word & packed->mask));
}

/* `count` values from the one numbered `first` on, faster than one by one. */
void packed_read(const struct packed *packed, size_t first, size_t count, int64_t *values);

/* The first index whose value is not less than `value`; the array must be rising. */
size_t packed_lower_bound(const struct packed *packed, size_t from, int64_t value);

#endif
