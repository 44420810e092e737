/* postings.c - sorted lists of series numbers and what sets do with them. */
#include "tsdb/postings.h"

#include "base/error.h"

#include <string.h>

/* Gallops, for lists differ in length. */
size_t postings_seek(struct postings list, size_t from, uint32_t wanted)
{
    size_t step = 1;
    size_t low = from;
    while (low + step < list.count && list.items[low + step] < wanted) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < list.count ? low + step + 1 : list.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list.items[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int postings_intersect(struct arena *arena, struct postings a, struct postings b,
                       struct postings *out)
{
    if (a.count > b.count) {
        struct postings swap = a;
        a = b;
        b = swap;
    }
    uint32_t *items = ARENA_ARRAY(arena, uint32_t, a.count + 1);
    if (items == NULL) return ERROR_LIMIT;
    size_t count = 0;
    size_t at = 0;
    for (size_t i = 0; i < a.count && at < b.count; i++) {
        at = postings_seek(b, at, a.items[i]);
        if (at < b.count && b.items[at] == a.items[i]) items[count++] = a.items[i];
    }
    *out = (struct postings){ items, count };
    return 0;
}

int postings_subtract(struct arena *arena, struct postings a, struct postings b,
                      struct postings *out)
{
    uint32_t *items = ARENA_ARRAY(arena, uint32_t, a.count + 1);
    if (items == NULL) return ERROR_LIMIT;
    size_t count = 0;
    size_t at = 0;
    for (size_t i = 0; i < a.count; i++) {
        at = at < b.count ? postings_seek(b, at, a.items[i]) : at;
        if (at >= b.count || b.items[at] != a.items[i]) items[count++] = a.items[i];
    }
    *out = (struct postings){ items, count };
    return 0;
}

static size_t merge_two(uint32_t *to, struct postings a, struct postings b)
{
    size_t count = 0;
    size_t i = 0;
    size_t k = 0;
    while (i < a.count && k < b.count) {
        uint32_t x = a.items[i];
        uint32_t y = b.items[k];
        to[count++] = x < y ? x : y;
        i += x <= y;
        k += y <= x;
    }
    while (i < a.count) to[count++] = a.items[i++];
    while (k < b.count) to[count++] = b.items[k++];
    return count;
}

/* Rounds of pairwise merges: every number moves log2(count) times. */
int postings_union(struct arena *arena, const struct postings *lists, size_t count,
                   struct postings *out)
{
    if (count == 0) {
        *out = (struct postings){ 0 };
        return 0;
    }
    struct postings *round = ARENA_ARRAY(arena, struct postings, count);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += lists[i].count;
    uint32_t *spaces[2] = { ARENA_ARRAY(arena, uint32_t, total + 1),
                            ARENA_ARRAY(arena, uint32_t, total + 1) };
    if (round == NULL || spaces[0] == NULL || spaces[1] == NULL) return ERROR_LIMIT;
    memcpy(round, lists, count * sizeof(round[0]));
    for (unsigned turn = 0; count > 1; turn ^= 1) {
        size_t used = 0;
        size_t made = 0;
        for (size_t i = 0; i < count; i += 2) {
            struct postings second = i + 1 < count ? round[i + 1] : (struct postings){ 0 };
            size_t size = merge_two(spaces[turn] + used, round[i], second);
            round[made++] = (struct postings){ spaces[turn] + used, size };
            used += size;
        }
        count = made;
    }
    *out = round[0];
    return 0;
}
