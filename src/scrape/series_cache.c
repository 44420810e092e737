/* series_cache.c - a hash table of the series of a target, with open addressing. */
#include "scrape/series_cache.h"

#include "base/hash.h"
#include "base/random.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

void series_cache_release(struct series_cache *cache)
{
    free(cache->items);
    *cache = (struct series_cache){ 0 };
}

/* The key's place, or the free one where it would go. There is one: the table is never full. */
static struct scrape_series *place_of(struct series_cache *cache, uint64_t high, uint32_t low)
{
    size_t at = (size_t)high & (cache->capacity - 1);
    for (;; at = (at + 1) & (cache->capacity - 1)) {
        struct scrape_series *series = &cache->items[at];
        if (!series->is_used || (series->high == high && series->low == low)) return series;
    }
}

struct scrape_series *series_cache_find(struct series_cache *cache, struct str raw)
{
    if (cache->count == 0) return NULL;
    struct hash_key key = hash_keyed(raw, cache->seeds);
    struct scrape_series *series = place_of(cache, key.high, (uint32_t)key.low);
    return series->is_used ? series : NULL;
}

static bool resize(struct series_cache *cache, size_t capacity)
{
    struct series_cache old = *cache;
    struct scrape_series *items = calloc(capacity, sizeof(items[0]));
    if (items == NULL) return false;
    cache->items = items;
    cache->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        const struct scrape_series *series = &old.items[i];
        if (series->is_used) *place_of(cache, series->high, series->low) = *series;
    }
    free(old.items);
    return true;
}

struct scrape_series *series_cache_add(struct series_cache *cache, struct str raw)
{
    if (cache->capacity == 0) {
        random_secret(cache->seeds, sizeof(cache->seeds));
        if (!resize(cache, CAPACITY_MIN)) return NULL;
    }
    bool is_full = (cache->count + 1) * 4 > cache->capacity * 3;
    if (is_full && !resize(cache, cache->capacity * 2)) return NULL;
    struct hash_key key = hash_keyed(raw, cache->seeds);
    struct scrape_series *series = place_of(cache, key.high, (uint32_t)key.low);
    *series = (struct scrape_series){ .high = key.high, .low = (uint32_t)key.low, .is_used = true };
    cache->count++;
    return series;
}

void series_cache_keep(struct series_cache *cache, uint32_t seen)
{
    size_t kept = 0;
    for (size_t i = 0; i < cache->capacity; i++) {
        struct scrape_series *series = &cache->items[i];
        if (series->is_used && series->seen != seen) series->is_used = false;
        kept += series->is_used;
    }
    if (kept == cache->count) return;
    cache->count = kept;
    size_t capacity = CAPACITY_MIN;
    while ((kept + 1) * 4 > capacity * 3) capacity *= 2;
    /* Gaps would end searches early: all find their places anew, or, without memory, all go: they
     * are learned again by the next scrape. */
    if (kept > 0 && resize(cache, capacity)) return;
    free(cache->items);
    cache->items = NULL;
    cache->capacity = 0;
    cache->count = 0;
}
