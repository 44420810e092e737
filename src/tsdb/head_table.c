/* head_table.c - the head's hash tables of numbers: open addressing, linear steps. */
#include "tsdb/head_parts.h"

#include "base/check.h"

#include <stdlib.h>

enum { TABLE_SIZE_MIN = 1024 };

bool head_table_reserve(struct head_table *table, size_t more)
{
    if ((table->count + more) * 4 <= table->capacity * 3) return true;
    size_t capacity = table->capacity == 0 ? TABLE_SIZE_MIN : table->capacity * 2;
    while ((table->count + more) * 4 > capacity * 3) capacity *= 2;
    uint64_t *slots = calloc(capacity, sizeof(slots[0]));
    if (slots == NULL) return false;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i] == 0) continue;
        size_t at = (size_t)(table->slots[i] >> 32) & (capacity - 1);
        while (slots[at] != 0) at = (at + 1) & (capacity - 1);
        slots[at] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

void head_table_put(struct head_table *table, uint32_t hash, uint32_t number)
{
    size_t at = hash & (table->capacity - 1);
    while (table->slots[at] != 0) at = (at + 1) & (table->capacity - 1);
    table->slots[at] = (uint64_t)hash << 32 | (number + 1);
    table->count++;
}

void head_table_remove(struct head_table *table, uint32_t hash, uint32_t number)
{
    size_t mask = table->capacity - 1;
    uint64_t wanted = (uint64_t)hash << 32 | (number + 1);
    size_t at = hash & mask;
    while (table->slots[at] != wanted) {
        CHECK(table->slots[at] != 0);
        at = (at + 1) & mask;
    }
    size_t gap = at;
    for (;;) {
        at = (at + 1) & mask;
        if (table->slots[at] == 0) break;
        size_t home = (size_t)(table->slots[at] >> 32) & mask;
        if (((at - home) & mask) < ((at - gap) & mask)) continue;
        table->slots[gap] = table->slots[at];
        gap = at;
    }
    table->slots[gap] = 0;
    table->count--;
}
