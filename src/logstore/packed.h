/* packed.h - an array of integers in as few bytes each as their range needs, read in place.
 *
 * FORMAT  offset size
 *           0     8   base: the least value (int64)
 *           8     4   count
 *          12     1   width: bytes a value, 0, 1, 2, 4 or 8
 *          13     3   zero
 *          16   c*w   value - base, unsigned
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
    uint8_t width;
    int64_t base;
};

void packed_write(const int64_t *values, size_t count, struct buf *out);

/* Opens the array at the start of *rest and moves it on; false when the bytes are not one. */
bool packed_open(struct str *rest, struct packed *packed);

static inline int64_t packed_get(const struct packed *packed, size_t i)
{
    uint64_t delta = 0;
    switch (packed->width) {
    case 0: break;
    case 1: delta = (unsigned char)packed->bytes[i]; break;
    case 2: delta = bytes_get16(packed->bytes + 2 * i); break;
    case 4: delta = bytes_get32(packed->bytes + 4 * i); break;
    default: delta = bytes_get64(packed->bytes + 8 * i); break;
    }
    return (int64_t)((uint64_t)packed->base + delta);
}

/* The first index whose value is not less than `value`; the array must be rising. */
size_t packed_lower_bound(const struct packed *packed, size_t from, int64_t value);

#endif
