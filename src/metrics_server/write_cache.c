/* write_cache.c - from labels' bytes to series numbers: a hash table with open addressing. */
#include "metrics_server/write_cache.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 4096, FETCH_AHEAD = 8 };

void write_cache_init(struct write_cache *cache)
{
    *cache = (struct write_cache){ 0 };
    random_secret(cache->seeds, sizeof(cache->seeds));
    mutex_init(&cache->mutex);
}

void write_cache_release(struct write_cache *cache)
{
    free(cache->entries);
    mutex_release(&cache->mutex);
}

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

/* Two folded multiplications over 16 bytes at a time, each with its own secret: they run side by
 * side. The last 16 bytes may be taken twice. */
void write_cache_key(const struct write_cache *cache, struct str bytes, struct write_key *key)
{
    uint64_t a = cache->seeds[0] ^ bytes.size;
    uint64_t b = cache->seeds[1] ^ bytes.size;
    char padded[16] = { 0 };
    const char *at = bytes.data;
    const char *last = bytes.data + bytes.size;
    if (bytes.size < sizeof(padded)) {
        memcpy(padded, bytes.data, bytes.size);
        at = padded;
        last = padded + sizeof(padded);
    }
    last -= sizeof(padded);
    for (;; at += sizeof(padded)) {
        if (at > last) at = last;
        uint64_t first = word_at(at);
        uint64_t second = word_at(at + 8);
        a = mix(first ^ a, second ^ cache->seeds[1]);
        b = mix(second ^ b, first ^ cache->seeds[0]);
        if (at == last) break;
    }
    key->high = mix(a ^ cache->seeds[1], UINT64_C(0x9E3779B97F4A7C15));
    key->low = (uint32_t)(mix(b ^ cache->seeds[0], UINT64_C(0xD1B54A32D192ED03)) >> 32);
}

static size_t home_of(const struct write_cache *cache, const struct write_key *key)
    REQUIRES(cache->mutex)
{
    return (size_t)key->high & (cache->capacity - 1);
}

/* The key's entry, or the free one where it would go. */
static struct write_entry *find(struct write_cache *cache, const struct write_key *key)
    REQUIRES(cache->mutex)
{
    size_t at = home_of(cache, key);
    for (;; at = (at + 1) & (cache->capacity - 1)) {
        struct write_entry *entry = &cache->entries[at];
        if (entry->ref == 0) return entry;
        if (entry->high == key->high && entry->low == key->low) return entry;
    }
}

void write_cache_find(struct write_cache *cache, const struct write_key *keys, uint64_t *refs,
                      size_t count)
{
    memset(refs, 0, count * sizeof(refs[0]));
    mutex_lock(&cache->mutex);
    for (size_t i = 0; i < count && cache->capacity > 0; i++) {
        if (i + FETCH_AHEAD < count) {
            __builtin_prefetch(&cache->entries[home_of(cache, &keys[i + FETCH_AHEAD])]);
        }
        refs[i] = find(cache, &keys[i])->ref;
    }
    mutex_unlock(&cache->mutex);
}

static bool grow(struct write_cache *cache) REQUIRES(cache->mutex)
{
    struct write_entry *old = cache->entries;
    size_t old_capacity = cache->capacity;
    size_t capacity = old_capacity == 0 ? CAPACITY_MIN : old_capacity * 2;
    struct write_entry *entries = calloc(capacity, sizeof(entries[0]));
    if (entries == NULL) return false;
    cache->entries = entries;
    cache->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].ref == 0) continue;
        struct write_key key = { old[i].high, old[i].low };
        *find(cache, &key) = old[i];
    }
    free(old);
    return true;
}

void write_cache_put(struct write_cache *cache, const struct write_key *key, uint64_t ref)
{
    if (ref == 0 || ref > UINT32_MAX) return;
    mutex_lock(&cache->mutex);
    if (cache->count >= WRITE_CACHE_COUNT_MAX) {
        free(cache->entries);
        cache->entries = NULL;
        cache->capacity = 0;
        cache->count = 0;
    }
    bool has_room = (cache->count + 1) * 4 <= cache->capacity * 3 || grow(cache);
    if (has_room) {
        struct write_entry *entry = find(cache, key);
        if (entry->ref == 0) cache->count++;
        *entry = (struct write_entry){ key->high, key->low, (uint32_t)ref };
    }
    mutex_unlock(&cache->mutex);
}
