/* packed.c - an array of integers in as few bits each as their range needs. */
#include "logstore/packed.h"

#define WIDTH_MAX 57 /* with up to 7 bits before it, a value lies within eight bytes */
#define PAD_SIZE  8

static uint8_t width_for(uint64_t range)
{
    if (range == 0) return 0;
    unsigned width = 64 - (unsigned)__builtin_clzll(range);
    return width > WIDTH_MAX ? 64 : (uint8_t)width;
}

static uint64_t size_of(uint64_t count, unsigned width)
{
    return width == 0 ? 0 : (count * width + 7) / 8 + PAD_SIZE;
}

static void put_bits(const int64_t *values, size_t count, int64_t least, unsigned width,
                     unsigned char *bytes)
{
    uint64_t word = 0; /* bits that wait */
    unsigned filled = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t delta = (uint64_t)values[i] - (uint64_t)least;
        word |= delta << filled;
        filled += width;
        for (; filled >= 8 && width < 64; filled -= 8) {
            *bytes++ = (unsigned char)word;
            word >>= 8;
        }
        if (width < 64) continue;
        memcpy(bytes, &delta, sizeof(delta));
        bytes += sizeof(delta);
        word = 0;
        filled = 0;
    }
    if (filled > 0) *bytes = (unsigned char)word;
}

void packed_write(const int64_t *values, size_t count, struct buf *out)
{
    int64_t least = count > 0 ? values[0] : 0;
    int64_t most = least;
    for (size_t i = 1; i < count; i++) {
        if (values[i] < least) least = values[i];
        if (values[i] > most) most = values[i];
    }
    uint8_t width = width_for((uint64_t)most - (uint64_t)least);
    bytes_put64(out, (uint64_t)least);
    bytes_put32(out, (uint32_t)count);
    char tail[4] = { (char)width, 0, 0, 0 };
    buf_append(out, tail, sizeof(tail));
    size_t size = (size_t)size_of(count, width);
    char *bytes = size == 0 ? NULL : buf_reserve(out, size);
    if (bytes == NULL) return;
    memset(bytes, 0, size);
    put_bits(values, count, least, width, (unsigned char *)bytes);
    out->size += size;
}

bool packed_open(struct str *rest, struct packed *packed)
{
    if (rest->size < PACKED_HEADER_SIZE) return false;
    struct packed opened = {
        .base = (int64_t)bytes_get64(rest->data),
        .count = bytes_get32(rest->data + 8),
        .width = (uint8_t)rest->data[12],
        .bytes = rest->data + PACKED_HEADER_SIZE,
    };
    if (opened.width > WIDTH_MAX && opened.width != 64) return false;
    opened.mask = opened.width == 64 ? UINT64_MAX : (UINT64_C(1) << opened.width) - 1;
    uint64_t size = size_of(opened.count, opened.width);
    if (size > rest->size - PACKED_HEADER_SIZE) return false;
    *packed = opened;
    *rest = str_skip(*rest, PACKED_HEADER_SIZE + (size_t)size);
    return true;
}

void packed_read(const struct packed *packed, size_t first, size_t count, int64_t *values)
{
    const unsigned width = packed->width;
    const uint64_t mask = packed->mask;
    const uint64_t base = (uint64_t)packed->base;
    uint64_t bit = (uint64_t)first * width;
    for (size_t i = 0; i < count && width == 0; i++) values[i] = packed->base;
    for (size_t i = 0; i < count && width > 0; i++, bit += width) {
        uint64_t word = bytes_get64(packed->bytes + bit / 8) >> (bit % 8);
        values[i] = (int64_t)(base + (word & mask));
    }
}

size_t packed_lower_bound(const struct packed *packed, size_t from, int64_t value)
{
    size_t low = from;
    size_t step = 1;
    while (low + step < packed->count && packed_get(packed, low + step) < value) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < packed->count ? low + step : packed->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (packed_get(packed, middle) < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
