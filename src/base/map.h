/* map.h - a hash map from text to pointer or number, open addressing, seeded per process.
 *
 *     struct map by_name = { 0 };
 *     if (map_put(&by_name, name, thing) != 0) return -ENOMEM;
 *     struct thing *found = map_get(&by_name, STR("up"));
 *
 * Ownership: keys are copied into the map unless put with map_put_borrowed, whose key bytes must
 *            outlive the entry. Values belong to the caller.
 * Threads:   one thread at a time; several readers while nobody writes.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    struct str key;
    void *value;
    uint32_t hash; /* low bits of the key's hash; 0 never occurs in a used entry */
    bool owns_key;
};

struct map {
    struct map_entry *entries; /* capacity of them, hash 0 = free */
    size_t count;
    size_t capacity; /* power of two, or 0 */
};

void map_release(struct map *map); /* frees keys, not values; accepts a zeroed map */

/* Sets key to value, replacing. 0 or -ENOMEM (map unchanged). */
int map_put(struct map *map, struct str key, void *value) MUST_CHECK;
int map_put_borrowed(struct map *map, struct str key, void *value) MUST_CHECK;

void *map_get(const struct map *map, struct str key); /* NULL = not there, or value NULL */
bool map_has(const struct map *map, struct str key);
void *map_remove(struct map *map, struct str key); /* the value that was there, or NULL */

/* Walks the entries in no order: starts with *position 0; false at the end. The map must not
 * change meanwhile. */
bool map_next(const struct map *map, size_t *position, struct str *key, void **value);

#endif
