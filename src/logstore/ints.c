/* ints.c - a list of integers by differences and planes of bytes. */
#include "logstore/ints.h"

#include "logstore/bytes.h"

#define MODE_LEAST      0
#define MODE_DIFFERENCE 1
#define HEAD_SIZE       10

static uint64_t difference(const int64_t *values, size_t i)
{
    if (i == 0) return 0;
    int64_t step = (int64_t)((uint64_t)values[i] - (uint64_t)values[i - 1]);
    return (uint64_t)step << 1 ^ (uint64_t)(step >> 63);
}

static unsigned width_of(uint64_t most)
{
    unsigned width = 0;
    for (; most != 0; most >>= 8) width++;
    return width;
}

void ints_write(const int64_t *values, size_t count, struct buf *out)
{
    int64_t least = count > 0 ? values[0] : 0;
    int64_t most = least;
    uint64_t step = 0;
    for (size_t i = 1; i < count; i++) {
        if (values[i] < least) least = values[i];
        if (values[i] > most) most = values[i];
        step |= difference(values, i);
    }
    unsigned width = width_of((uint64_t)most - (uint64_t)least);
    bool by_difference = width_of(step) < width;
    if (by_difference) width = width_of(step);
    buf_append_char(out, by_difference ? MODE_DIFFERENCE : MODE_LEAST);
    buf_append_char(out, (char)width);
    bytes_put64(out, (uint64_t)(by_difference ? values[0] : least));
    char *planes = width == 0 ? NULL : buf_reserve(out, count * width);
    if (planes == NULL) return;
    for (size_t i = 0; i < count; i++) {
        uint64_t number =
            by_difference ? difference(values, i) : (uint64_t)values[i] - (uint64_t)least;
        for (unsigned k = 0; k < width; k++) planes[k * count + i] = (char)(number >> (8 * k));
    }
    out->size += count * width;
}

bool ints_read(struct str *rest, size_t count, int64_t *values)
{
    struct str head;
    struct str planes;
    if (!bytes_take(rest, HEAD_SIZE, &head)) return false;
    unsigned mode = (unsigned char)head.data[0];
    unsigned width = (unsigned char)head.data[1];
    if (mode > MODE_DIFFERENCE || width > 8 || !bytes_take(rest, count * width, &planes)) {
        return false;
    }
    uint64_t base = bytes_get64(head.data + 2);
    for (size_t i = 0; i < count; i++) values[i] = 0;
    for (unsigned k = 0; k < width; k++) {
        const unsigned char *plane = (const unsigned char *)planes.data + k * count;
        for (size_t i = 0; i < count; i++) {
            values[i] = (int64_t)((uint64_t)values[i] | (uint64_t)plane[i] << (8 * k));
        }
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t number = (uint64_t)values[i];
        if (mode == MODE_DIFFERENCE) number = number >> 1 ^ (0 - (number & 1));
        base = mode == MODE_DIFFERENCE ? base + number : base;
        values[i] = (int64_t)(mode == MODE_DIFFERENCE ? base : base + number);
    }
    return true;
}

bool ints_take(struct str *rest, size_t count, struct str *stored)
{
    if (rest->size < HEAD_SIZE) return false;
    unsigned width = (unsigned char)rest->data[1];
    if (width > 8) return false;
    return bytes_take(rest, HEAD_SIZE + count * width, stored);
}
