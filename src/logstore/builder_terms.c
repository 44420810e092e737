/* builder_terms.c - the hash table of a field's terms grows. */
#include "logstore/builder_terms.h"

#include <stdlib.h>

bool builder_grow_slots(struct builder_field *field)
{
    size_t count = field->slot_count == 0      ? 16
                   : field->slot_count < 65536 ? field->slot_count * 4
                                               : field->slot_count * 2;
    uint64_t *slots = calloc(count, sizeof(*slots));
    if (slots == NULL) return false;
    for (size_t i = 0; i < field->terms.count; i++) {
        size_t at = field->terms.items[i].hash & (count - 1);
        while (slots[at] != 0) at = (at + 1) & (count - 1);
        slots[at] = (uint64_t)field->terms.items[i].hash << 32 | (uint32_t)(i + 1);
    }
    free(field->slots);
    field->slots = slots;
    field->slot_count = count;
    return true;
}

uint32_t builder_make_term(struct builder_field *field, struct str term, uint32_t hash, size_t slot)
{
    struct builder_term fresh = { .offset = (uint32_t)field->bytes.size,
                                  .size = (uint32_t)term.size,
                                  .hash = hash };
    buf_append_str(&field->bytes, term);
    if (field->bytes.has_failed || !VEC_PUSH(&field->terms, fresh)) return UINT32_MAX;
    field->slots[slot] = (uint64_t)hash << 32 | (uint32_t)field->terms.count;
    return (uint32_t)field->terms.count - 1;
}
