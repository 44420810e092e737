/* md5.c - RFC 1321; the constants are floor(2^32 * abs(sin(i + 1))). */
#include "codec/md5.h"

#include "codec/varint.h"

#include <math.h>
#include <stdint.h>

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static void add_block(uint32_t state[4], const unsigned char *block)
{
    static const unsigned shifts[4][4] = {
        { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 }
    };
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t f;
        unsigned g;
        switch (i / 16) {
        case 0:
            f = (b & c) | (~b & d);
            g = i;
            break;
        case 1:
            f = (d & b) | (~d & c);
            g = (5 * i + 1) % 16;
            break;
        case 2:
            f = b ^ c ^ d;
            g = (3 * i + 5) % 16;
            break;
        default:
            f = c ^ (b | ~d);
            g = 7 * i % 16;
            break;
        }
        uint32_t constant = (uint32_t)(int64_t)floor(fabs(sin((double)i + 1)) * 4294967296.0);
        uint32_t sum = a + f + constant + fixed32_read(block + (size_t)4 * g);
        a = d;
        d = c;
        c = b;
        b += rotate(sum, shifts[i / 16][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void md5(struct str bytes, unsigned char digest[MD5_SIZE])
{
    uint32_t state[4] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476 };
    size_t at = 0;
    for (; at + 64 <= bytes.size; at += 64)
        add_block(state, (const unsigned char *)bytes.data + at);
    unsigned char tail[128] = { 0 };
    size_t left = bytes.size - at;
    if (left > 0) memcpy(tail, bytes.data + at, left);
    tail[left] = 0x80;
    size_t tail_size = left < 56 ? 64 : 128;
    fixed64_write(tail + tail_size - 8, (uint64_t)bytes.size * 8);
    for (at = 0; at < tail_size; at += 64) add_block(state, tail + at);
    for (size_t i = 0; i < 4; i++) fixed32_write(digest + 4 * i, state[i]);
}
