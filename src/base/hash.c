/* hash.c - folded multiplications over 16 bytes at a time, twice, each with its own secret: they
 * run side by side. Long texts go by 32 bytes, the halves of which run side by side, too. The last
 * bytes may be taken twice. */
#include "base/hash.h"

#include "base/compiler.h"

#include <string.h>

enum { STEP = 16 };

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

/* Where a text stands in the hash: one state for each half of the result. */
struct states {
    uint64_t a;
    uint64_t b;
};

static inline void add(struct states *states, const char *at, const uint64_t seeds[2])
{
    uint64_t first = word_at(at);
    uint64_t second = word_at(at + 8);
    states->a = mix(first ^ states->a, second ^ seeds[1]);
    states->b = mix(second ^ states->b, first ^ seeds[0]);
}

static struct states add_long(struct str bytes, const uint64_t seeds[2])
{
    struct states front = { seeds[0] ^ bytes.size, seeds[1] ^ bytes.size };
    struct states back = { ~front.a, ~front.b };
    const char *last = bytes.data + bytes.size - 2 * STEP;
    for (const char *at = bytes.data;; at += 2 * STEP) {
        if (at > last) at = last;
        add(&front, at, seeds);
        add(&back, at + STEP, seeds);
        if (at == last) break;
    }
    return (struct states){ mix(front.a ^ seeds[1], back.a ^ seeds[0]),
                            mix(front.b ^ seeds[0], back.b ^ seeds[1]) };
}

static struct states add_short(struct str bytes, const uint64_t seeds[2])
{
    struct states states = { seeds[0] ^ bytes.size, seeds[1] ^ bytes.size };
    char padded[STEP] = { 0 };
    if (bytes.size < STEP) {
        if (bytes.size > 0) memcpy(padded, bytes.data, bytes.size);
        add(&states, padded, seeds);
        return states;
    }
    add(&states, bytes.data, seeds);
    if (bytes.size > STEP) add(&states, bytes.data + bytes.size - STEP, seeds);
    return states;
}

struct hash_key hash_keyed(struct str bytes, const uint64_t seeds[2])
{
    struct states states = bytes.size > 2 * STEP ? add_long(bytes, seeds) : add_short(bytes, seeds);
    return (struct hash_key){ mix(states.a ^ seeds[1], UINT64_C(0x9E3779B97F4A7C15)),
                              mix(states.b ^ seeds[0], UINT64_C(0xD1B54A32D192ED03)) };
}
