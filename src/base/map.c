/* map.c - linear probing at most three quarters full, backward-shift deletion. */
#include "base/map.h"

#include "base/check.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#define CAPACITY_MIN 16

/* Drawn once a process, so that foreign keys cannot be chosen to collide. Relaxed: any thread may
 * win the race, all then read the winner's value. */
static uint64_t seed(void)
{
    static _Atomic uint64_t drawn;
    uint64_t value = atomic_load_explicit(&drawn, memory_order_relaxed);
    if (value != 0) return value;
    uint64_t fresh = 0;
    if (getrandom(&fresh, sizeof(fresh), GRND_NONBLOCK) != (ssize_t)sizeof(fresh)) {
        fresh = (uint64_t)(uintptr_t)&fresh;
    }
    fresh |= 1;
    if (atomic_compare_exchange_strong(&drawn, &value, fresh)) return fresh;
    return value;
}

static uint32_t hash_of(struct str key)
{
    uint32_t hash = (uint32_t)str_hash(key, seed());
    return hash == 0 ? 1 : hash;
}

static void release_key(struct map_entry *entry)
{
    if (entry->owns_key) free((void *)(uintptr_t)entry->key.data);
}

void map_release(struct map *map)
{
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].hash != 0) release_key(&map->entries[i]);
    }
    free(map->entries);
    *map = (struct map){ 0 };
}

/* The entry with the key, or the free one where it would go. The map has a free entry. */
static struct map_entry *slot_of(const struct map *map, struct str key, uint32_t hash)
{
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_entry *entry = &map->entries[i];
        if (entry->hash == 0) return entry;
        if (entry->hash == hash && str_equal(entry->key, key)) return entry;
    }
}

static int grow(struct map *map)
{
    if (map->count < map->capacity / 4 * 3) return 0;
    struct map larger = { .count = map->count,
                          .capacity = map->capacity == 0 ? CAPACITY_MIN : map->capacity * 2 };
    larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
    if (larger.entries == NULL) return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        const struct map_entry *entry = &map->entries[i];
        if (entry->hash != 0) *slot_of(&larger, entry->key, entry->hash) = *entry;
    }
    free(map->entries);
    *map = larger;
    return 0;
}

static int put(struct map *map, struct str key, void *value, bool owns_key)
{
    if (grow(map) != 0) return -ENOMEM;
    uint32_t hash = hash_of(key);
    struct map_entry *entry = slot_of(map, key, hash);
    if (entry->hash != 0) {
        entry->value = value;
        return 0;
    }
    if (owns_key) {
        char *copy = str_copy(key);
        if (copy == NULL) return -ENOMEM;
        key.data = copy;
    }
    *entry = (struct map_entry){ key, value, hash, owns_key };
    map->count++;
    CHECK(map->count < map->capacity);
    return 0;
}

int map_put(struct map *map, struct str key, void *value)
{
    return put(map, key, value, true);
}

int map_put_borrowed(struct map *map, struct str key, void *value)
{
    return put(map, key, value, false);
}

static struct map_entry *find(const struct map *map, struct str key)
{
    if (map->count == 0) return NULL;
    struct map_entry *entry = slot_of(map, key, hash_of(key));
    return entry->hash == 0 ? NULL : entry;
}

void *map_get(const struct map *map, struct str key)
{
    const struct map_entry *entry = find(map, key);
    return entry == NULL ? NULL : entry->value;
}

bool map_has(const struct map *map, struct str key)
{
    return find(map, key) != NULL;
}

void *map_remove(struct map *map, struct str key)
{
    struct map_entry *entry = find(map, key);
    if (entry == NULL) return NULL;
    void *value = entry->value;
    release_key(entry);
    map->count--;

    /* Moves back what probing had pushed past the hole, so that no tombstones are needed. */
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(entry - map->entries);
    for (size_t i = (hole + 1) & mask; map->entries[i].hash != 0; i = (i + 1) & mask) {
        size_t home = map->entries[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        map->entries[hole] = map->entries[i];
        hole = i;
    }
    map->entries[hole] = (struct map_entry){ 0 };
    return value;
}

bool map_next(const struct map *map, size_t *position, struct str *key, void **value)
{
    while (*position < map->capacity) {
        const struct map_entry *entry = &map->entries[(*position)++];
        if (entry->hash == 0) continue;
        *key = entry->key;
        if (value != NULL) *value = entry->value;
        return true;
    }
    return false;
}
