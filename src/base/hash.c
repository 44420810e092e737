/* hash.c - folded multiplications over 16 bytes at a time, twice, each with its own secret: they
 * run side by side. The last 16 bytes may be taken twice. */
#include "base/hash.h"

#include "base/compiler.h"

#include <string.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint128 product = (uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word_at(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

struct hash_key hash_keyed(struct str bytes, const uint64_t seeds[2])
{
    uint64_t a = seeds[0] ^ bytes.size;
    uint64_t b = seeds[1] ^ bytes.size;
    char padded[16] = { 0 };
    const char *at = bytes.data;
    const char *last = padded;
    if (bytes.size < sizeof(padded)) {
        if (bytes.size > 0) memcpy(padded, bytes.data, bytes.size);
        at = padded;
    } else {
        last = bytes.data + bytes.size - sizeof(padded);
    }
    for (;; at += sizeof(padded)) {
        if (at > last) at = last;
        uint64_t first = word_at(at);
        uint64_t second = word_at(at + 8);
        a = mix(first ^ a, second ^ seeds[1]);
        b = mix(second ^ b, first ^ seeds[0]);
        if (at == last) break;
    }
    return (struct hash_key){ mix(a ^ seeds[1], UINT64_C(0x9E3779B97F4A7C15)),
                              mix(b ^ seeds[0], UINT64_C(0xD1B54A32D192ED03)) };
}
