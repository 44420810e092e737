/* series_cache.c - the series of a target: a list, and a hash table of places in it with open
 * addressing. */
#include "scrape/series_cache.h"

#include "base/hash.h"
#include "base/random.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 16, SLOTS_MIN = 64 };

void series_cache_release(struct series_cache *cache)
{
    free(cache->items);
    free(cache->slots);
    *cache = (struct series_cache){ 0 };
}

void series_cache_start(struct series_cache *cache)
{
    cache->next = 0;
}

static bool is_key(const struct scrape_series *series, const struct hash_key *key, size_t size)
{
    return series->high == key->high && series->low == (uint32_t)key->low &&
           series->raw_size == size;
}

struct scrape_series *series_cache_next(struct series_cache *cache, struct str line)
{
    if (cache->next >= cache->count) return NULL;
    struct scrape_series *series = &cache->items[cache->next];
    if (series->raw_size > line.size) return NULL;
    struct str raw = str_first(line, series->raw_size);
    struct hash_key key = hash_keyed(raw, cache->seeds);
    if (!is_key(series, &key, raw.size)) return NULL;
    cache->next++;
    return series;
}

/* The key's slot, or the free one where it would go. There is one: the table is never full. */
static uint32_t *slot_of(const struct series_cache *cache, const struct hash_key *key, size_t size)
{
    size_t at = (size_t)key->high & (cache->slot_count - 1);
    for (;; at = (at + 1) & (cache->slot_count - 1)) {
        uint32_t place = cache->slots[at];
        if (place == 0 || is_key(&cache->items[place - 1], key, size)) return &cache->slots[at];
    }
}

struct scrape_series *series_cache_find(struct series_cache *cache, struct str raw)
{
    if (cache->count == 0) return NULL;
    struct hash_key key = hash_keyed(raw, cache->seeds);
    uint32_t place = *slot_of(cache, &key, raw.size);
    if (place == 0) return NULL;
    cache->next = place;
    return &cache->items[place - 1];
}

/* Makes the table anew with room for `count` series. */
static bool fill_slots(struct series_cache *cache, size_t count)
{
    size_t slot_count = SLOTS_MIN;
    while (count * 4 > slot_count * 3) slot_count *= 2;
    uint32_t *slots = calloc(slot_count, sizeof(slots[0]));
    if (slots == NULL) return false;
    free(cache->slots);
    cache->slots = slots;
    cache->slot_count = slot_count;
    for (size_t i = 0; i < cache->count; i++) {
        const struct scrape_series *series = &cache->items[i];
        struct hash_key key = { series->high, series->low };
        *slot_of(cache, &key, series->raw_size) = (uint32_t)i + 1;
    }
    return true;
}

static bool reserve_one(struct series_cache *cache)
{
    if (cache->count < cache->capacity) return true;
    size_t capacity = cache->capacity + cache->capacity / 2 + CAPACITY_MIN;
    struct scrape_series *items = realloc(cache->items, capacity * sizeof(items[0]));
    if (items == NULL) return false;
    cache->items = items;
    cache->capacity = capacity;
    return true;
}

struct scrape_series *series_cache_add(struct series_cache *cache, struct str raw)
{
    if (raw.size >= UINT32_MAX || cache->count >= UINT32_MAX - 1) return NULL;
    if (cache->capacity == 0) random_secret(cache->seeds, sizeof(cache->seeds));
    if (!reserve_one(cache)) return NULL;
    bool is_full = (cache->count + 1) * 4 > cache->slot_count * 3;
    if (is_full && !fill_slots(cache, (cache->count + 1) * 2)) return NULL;
    struct hash_key key = hash_keyed(raw, cache->seeds);
    struct scrape_series *series = &cache->items[cache->count];
    *series = (struct scrape_series){ .high = key.high,
                                      .low = (uint32_t)key.low,
                                      .raw_size = (uint32_t)raw.size };
    uint32_t *slot = slot_of(cache, &key, raw.size);
    *slot = (uint32_t)++cache->count;
    cache->next = cache->count;
    return series;
}

void series_cache_keep(struct series_cache *cache, uint32_t seen)
{
    size_t kept = 0;
    for (size_t i = 0; i < cache->count; i++) {
        if (cache->items[i].seen == seen) cache->items[kept++] = cache->items[i];
    }
    if (kept == cache->count) return;
    cache->count = kept;
    struct scrape_series *items = realloc(cache->items, kept * sizeof(items[0]));
    if (kept > 0 && items != NULL) {
        cache->items = items;
        cache->capacity = kept;
    }
    /* Without memory for the table all go: they are learned again by the next scrape. */
    if (kept == 0) cache->items = NULL;
    if (kept == 0 || !fill_slots(cache, kept)) series_cache_release(cache);
}
