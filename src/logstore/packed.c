/* packed.c - an array of integers in as few bytes each as their range needs. */
#include "logstore/packed.h"

static uint8_t width_for(uint64_t range)
{
    if (range == 0) return 0;
    if (range <= UINT8_MAX) return 1;
    if (range <= UINT16_MAX) return 2;
    return range <= UINT32_MAX ? 4 : 8;
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
    if (width == 0) return;
    char *bytes = buf_reserve(out, count * width);
    if (bytes == NULL) return;
    for (size_t i = 0; i < count; i++) {
        uint64_t delta = (uint64_t)values[i] - (uint64_t)least;
        memcpy(bytes + i * width, &delta, width);
    }
    out->size += count * width;
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
    if (opened.width > 8 || (opened.width & (opened.width - 1)) != 0) return false;
    uint64_t size = (uint64_t)opened.count * opened.width;
    if (size > rest->size - PACKED_HEADER_SIZE) return false;
    *packed = opened;
    *rest = str_skip(*rest, PACKED_HEADER_SIZE + (size_t)size);
    return true;
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
