/* builder_terms.h - terms of a field in the making: a hash table, and pairs of document and term.
 *
 * Inside of builder.c and builder_text.c; what is here is done for each word of a line.
 */
#ifndef LOGSTORE_BUILDER_TERMS_H
#define LOGSTORE_BUILDER_TERMS_H

#include "logstore/builder.h"
#include "logstore/bytes.h"

/* Values, from which on a field may keep hashes in place of terms. */
static inline size_t builder_hashes_from(const struct builder *builder)
{
    /* Tests of what is small want no least size here either. */
    return builder->rare_documents_min == 1 ? 16 : 2048;
}

/* Room for a term more. False: no memory. */
bool builder_grow_slots(struct builder_field *field) MUST_CHECK;

static inline bool builder_has_slot(struct builder_field *field)
{
    return field->terms.count * 2 < field->slot_count || builder_grow_slots(field);
}

/* The number of the term; UINT32_MAX when it has none, and then *slot is where that belongs. */
static inline uint32_t builder_find_term(const struct builder_field *field, struct str term,
                                         uint32_t hash, size_t *slot)
{
    size_t mask = field->slot_count - 1;
    size_t at = hash & mask;
    for (; field->slots[at] != 0; at = (at + 1) & mask) {
        if ((uint32_t)(field->slots[at] >> 32) != hash) continue;
        uint32_t number = (uint32_t)field->slots[at] - 1;
        const struct builder_term *known = &field->terms.items[number];
        if (known->size == term.size &&
            (term.size == 0 ||
             bytes_same(field->bytes.data + known->offset, term.data, term.size))) {
            return number;
        }
    }
    *slot = at;
    return UINT32_MAX;
}

/* The number of a new term; UINT32_MAX when out of memory. */
uint32_t builder_make_term(struct builder_field *field, struct str term, uint32_t hash,
                           size_t slot);

/* The number of the term, new or not; UINT32_MAX when out of memory. */
static inline uint32_t builder_term_number(struct builder_field *field, struct str term,
                                           uint32_t hash)
{
    size_t slot = 0;
    if (!builder_has_slot(field)) return UINT32_MAX;
    uint32_t number = builder_find_term(field, term, hash, &slot);
    return number != UINT32_MAX ? number : builder_make_term(field, term, hash, slot);
}

/* False: no memory. */
static inline bool builder_add_pair(struct builder_field *field, uint32_t document, uint32_t number)
{
    struct builder_term *known = &field->terms.items[number];
    if (known->last_document == document + 1) return true;
    known->last_document = document + 1;
    known->count++;
    return VEC_PUSH(&field->pairs, (struct builder_pair){ document, number });
}

/* The number of the term of a keyword field; UINT32_MAX: it has none. */
uint32_t builder_add_hashed_term(struct builder *builder, struct builder_field *field,
                                 struct str term, uint32_t hash);

/* A term of a keyword field was added, or could not be. */
void builder_end_term(struct builder *builder, struct builder_field *field, bool is_added);

#endif
