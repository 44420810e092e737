/* changes.c - a stack of changes, each with the least time that it or a later one touched. */
#include "tsdb/changes.h"

#include "base/check.h"

/* Joins each pair of neighbours: with the later position and the earlier time. */
static void join_pairs(struct changes *changes)
{
    size_t kept = 0;
    for (size_t i = 0; i + 1 < changes->count; i += 2) {
        changes->items[kept++] =
            (struct change){ changes->items[i + 1].position, changes->items[i].min_time_ms };
    }
    if (changes->count % 2 == 1) changes->items[kept++] = changes->items[changes->count - 1];
    changes->count = kept;
}

void changes_note(struct changes *changes, int64_t min_time_ms)
{
    changes->position++;
    while (changes->count > 0 && changes->items[changes->count - 1].min_time_ms >= min_time_ms) {
        changes->count--;
    }
    if (changes->count == CHANGES_MAX) join_pairs(changes);
    CHECK(changes->count < CHANGES_MAX);
    changes->items[changes->count++] = (struct change){ changes->position, min_time_ms };
}

int64_t changes_since(const struct changes *changes, uint64_t position)
{
    size_t low = 0;
    size_t high = changes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (changes->items[middle].position <= position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < changes->count ? changes->items[low].min_time_ms : INT64_MAX;
}
