/* write_cache.h - from the labels of a pushed series, as their bytes stand in a request, to the
 * number that the store has given it: so that labels are read once, not at every sample.
 *
 *     write_cache_key(&cache, bytes, &key)          any thread, no lock
 *     write_cache_find(&cache, keys, refs, count)   0 = not there
 *     write_cache_put(&cache, &key, ref)
 *
 * The bytes are not kept: a key is 96 bits of a hash with secret seeds. That two of a million
 * series meet has the chance 10^-17. A number may have gone from the store in the meantime, which
 * the store says; the entry is then overwritten.
 *
 * Lock: `mutex` guards the table. It is emptied when COUNT_MAX series are in it.
 */
#ifndef METRICS_SERVER_WRITE_CACHE_H
#define METRICS_SERVER_WRITE_CACHE_H

#include "base/compiler.h"
#include "base/str.h"
#include "base/thread.h"

#include <stddef.h>
#include <stdint.h>

#define WRITE_CACHE_COUNT_MAX (3u << 20) /* series; 64 MiB */

struct write_key {
    uint64_t high;
    uint32_t low;
};

struct write_entry {
    uint64_t high;
    uint32_t low;
    uint32_t ref; /* 0 = free */
};

struct write_cache {
    uint64_t seeds[2];
    struct mutex mutex;
    struct write_entry *entries GUARDED_BY(mutex);
    size_t count GUARDED_BY(mutex);
    size_t capacity GUARDED_BY(mutex); /* a power of two, or 0 */
};

void write_cache_init(struct write_cache *cache);
void write_cache_release(struct write_cache *cache);

void write_cache_key(const struct write_cache *cache, struct str bytes, struct write_key *key);
void write_cache_find(struct write_cache *cache, const struct write_key *keys, uint64_t *refs,
                      size_t count);
/* Without memory nothing is kept: no harm. */
void write_cache_put(struct write_cache *cache, const struct write_key *key, uint64_t ref);

#endif
