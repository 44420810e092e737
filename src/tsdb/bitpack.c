/* bitpack.c - numbers of a fixed width in a row of bits.
 *
 * WHY      Eight numbers of w bits are w bytes, so where each of the eight stands is known when the
 *          width is: one reader a width, made by the macro below, loads, shifts and masks without
 *          a branch or a computed shift.
 */
#include "tsdb/bitpack.h"

#include "base/check.h"

#include <string.h>

enum { WIDTH_MAX = 64 };

void bitpack_write(unsigned char *bytes, const uint64_t *numbers, size_t count, unsigned width)
{
    uint64_t word = 0;
    unsigned used = 0;
    for (size_t i = 0; i < count; i++) {
        word |= numbers[i] << used;
        used += width;
        if (used < 64) continue;
        memcpy(bytes, &word, 8);
        bytes += 8;
        used -= 64;
        word = used == 0 ? 0 : numbers[i] >> (width - used);
    }
    memcpy(bytes, &word, (used + 7) / 8);
}

static inline uint64_t load(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

#define MASK(W)   ((W) == 64 ? UINT64_MAX : (UINT64_C(1) << ((W) % 64)) - 1)
#define LOW(W, I) (load(in + (I) * (W) / 8) >> ((I) * (W) % 8))
#define HIGH(W, I)                                                                                 \
    ((I) * (W) % 8 + (W) > 64 ? (uint64_t)in[(I) * (W) / 8 + 8] << ((64 - (I) * (W) % 8) % 64) : 0)
#define ONE(W, I) out[I] = (LOW(W, I) | HIGH(W, I)) & MASK(W)
#define READER(W)                                                                                  \
    static void read_##W(const unsigned char *in, uint64_t *out, size_t groups)                    \
    {                                                                                              \
        for (; groups > 0; groups--, in += (W), out += BITPACK_GROUP) {                            \
            ONE(W, 0);                                                                             \
            ONE(W, 1);                                                                             \
            ONE(W, 2);                                                                             \
            ONE(W, 3);                                                                             \
            ONE(W, 4);                                                                             \
            ONE(W, 5);                                                                             \
            ONE(W, 6);                                                                             \
            ONE(W, 7);                                                                             \
        }                                                                                          \
    }
#define EIGHT(X, A, B, C, D, E, F, G, H)                                                           \
    X(A)                                                                                           \
    X(B)                                                                                           \
    X(C)                                                                                           \
    X(D)                                                                                           \
    X(E)                                                                                           \
    X(F)                                                                                           \
    X(G)                                                                                           \
    X(H)
#define EACH_WIDTH(X)                                                                              \
    EIGHT(X, 1, 2, 3, 4, 5, 6, 7, 8)                                                               \
    EIGHT(X, 9, 10, 11, 12, 13, 14, 15, 16)                                                        \
    EIGHT(X, 17, 18, 19, 20, 21, 22, 23, 24)                                                       \
    EIGHT(X, 25, 26, 27, 28, 29, 30, 31, 32)                                                       \
    EIGHT(X, 33, 34, 35, 36, 37, 38, 39, 40)                                                       \
    EIGHT(X, 41, 42, 43, 44, 45, 46, 47, 48)                                                       \
    EIGHT(X, 49, 50, 51, 52, 53, 54, 55, 56)                                                       \
    EIGHT(X, 57, 58, 59, 60, 61, 62, 63, 64)

EACH_WIDTH(READER)

#define ROW(W) [W] = read_##W,

static void (*const readers[WIDTH_MAX + 1])(const unsigned char *in, uint64_t *out,
                                            size_t groups) = { EACH_WIDTH(ROW) };

void bitpack_read(const unsigned char *bytes, uint64_t *numbers, size_t count, unsigned width)
{
    CHECK(width <= WIDTH_MAX);
    CHECK(count <= BITPACK_MAX);
    if (width == 0) {
        memset(numbers, 0, count * sizeof(numbers[0]));
        return;
    }
    readers[width](bytes, numbers, (count + BITPACK_GROUP - 1) / BITPACK_GROUP);
}
