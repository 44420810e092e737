/* hash.h - 128 bits that stand for some bytes, under a secret: a cache may trust them instead of
 * keeping the bytes, for nobody can look for two texts that meet, and chance does not find them.
 *
 * Threads: pure.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

#include <stdint.h>

struct hash_key {
    uint64_t high;
    uint64_t low;
};

/* `seeds` come from random_secret and stay in the process. */
struct hash_key hash_keyed(struct str bytes, const uint64_t seeds[2]);

#endif
