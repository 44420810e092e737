/* builder_text.c - texts of a segment in the making are cut into terms.
 *
 * Most different terms of logs come once, and will leave no more than a hash (rare.h). Once a field
 * has many terms they have to pass a sieve: the first time a term comes it leaves its hash at once
 * and a mark in a small table, and only one whose mark is still there is kept with its bytes, a
 * number and its documents. So the tables in which each word is looked for stay as small as what
 * comes again, and in the processor's caches. Who looks for a term adds its documents to the blocks
 * that its hash names anyway; that the first document of a kept term is among the latter changes
 * nothing.
 */
#include "base/check.h"
#include "logstore/analyzer.h"
#include "logstore/builder_terms.h"
#include "logstore/rare.h"

#include <stdlib.h>
#include <string.h>

/* The place of a short value, with its bytes in it or not; NULL: none, for it is too long, or the
 * field has too few values for the table to pay, or there is no memory. */
static struct builder_value *value_place(struct builder_field *field, struct str text,
                                         uint32_t hash)
{
    if (text.size == 0 || text.size > BUILDER_VALUE_SIZE_MAX) return NULL;
    if (field->documents.count < BUILDER_VALUES_FROM) return NULL;
    if (field->values == NULL) field->values = calloc(BUILDER_VALUES_COUNT, sizeof(*field->values));
    return field->values == NULL ? NULL : &field->values[hash % BUILDER_VALUES_COUNT];
}

static bool add_known_value(struct builder_field *field, uint32_t document,
                            const struct builder_value *value)
{
    const uint32_t *terms = field->value_terms.items + value->first_term;
    bool is_added = true;
    for (uint32_t i = 0; is_added && i < value->term_count; i++) {
        is_added = builder_add_pair(field, document, terms[i]);
    }
    return is_added;
}

/* Some tokens with their hashes: the table's places are fetched for all of them before the first is
 * looked for, for each is a miss of the cache. */
#define TOKEN_BATCH 32

struct token_batch {
    size_t count;
    uint32_t hashes[TOKEN_BATCH];
    uint16_t starts[TOKEN_BATCH + 1];
    char bytes[TOKEN_BATCH * 16 + ANALYZER_TERM_SIZE_MAX];
};

/* The next tokens; false when there are none. */
static bool take_tokens(const struct builder_field *field, struct analyzer *analyzer,
                        struct token_batch *batch)
{
    struct analyzer_token token;
    size_t mask = field->slot_count - 1;
    batch->count = 0;
    batch->starts[0] = 0;
    while (batch->count < TOKEN_BATCH && batch->starts[batch->count] < TOKEN_BATCH * 16 &&
           analyzer_next(analyzer, &token)) {
        size_t start = batch->starts[batch->count];
        uint32_t hash = rare_hash(token.term);
        if (field->slots != NULL) __builtin_prefetch(&field->slots[hash & mask]);
        if (token.term.size <= 16)
            memcpy(batch->bytes + start, token.term.data, 16);
        else
            memcpy(batch->bytes + start, token.term.data, token.term.size);
        batch->hashes[batch->count++] = hash;
        batch->starts[batch->count] = (uint16_t)(start + token.term.size);
    }
    return batch->count > 0;
}

/* The sieve ---------------------------------------------------------------------------------- */

static bool wants_sieve(const struct builder *builder, const struct builder_field *field)
{
    return !field->is_sieved && field->pairs.count >= builder_hashes_from(builder) &&
           builder->documents.count >= builder->rare_documents_min;
}

/* Whether the term's mark was there; it is now. Another's may be alike, or have taken its place. */
static bool sieve_held(struct builder_field *field, uint32_t hash)
{
    uint16_t *place = &field->sieve[hash % BUILDER_SIEVE_COUNT];
    uint16_t mark = (uint16_t)(hash >> 16);
    bool was_there = *place == mark;
    *place = mark;
    return was_there;
}

/* The terms that one document holds go, the others get numbers without gaps. */
static void renumber_terms(struct builder_field *field, uint32_t *numbers)
{
    size_t count = 0;
    memset(field->slots, 0, field->slot_count * sizeof(*field->slots));
    for (size_t i = 0; i < field->terms.count; i++) {
        struct builder_term term = field->terms.items[i];
        numbers[i] = UINT32_MAX;
        if (term.count < 2) {
            (void)sieve_held(field, term.hash);
            continue;
        }
        numbers[i] = (uint32_t)count;
        field->terms.items[count++] = term;
        size_t at = term.hash & (field->slot_count - 1);
        while (field->slots[at] != 0) at = (at + 1) & (field->slot_count - 1);
        field->slots[at] = (uint64_t)term.hash << 32 | (uint32_t)count;
    }
    field->terms.count = count;
}

/* From now on a term has to come twice to be kept. What came once leaves its hash. */
static bool begin_sieve(struct builder_field *field)
{
    uint32_t *numbers = malloc((field->terms.count + 1) * sizeof(*numbers));
    uint32_t *hashes = malloc((field->terms.count + 1) * sizeof(*hashes));
    if (field->sieve == NULL) field->sieve = malloc(BUILDER_SIEVE_COUNT * sizeof(*field->sieve));
    bool is_made = numbers != NULL && hashes != NULL && field->sieve != NULL &&
                   VEC_RESERVE(&field->hashes, field->pairs.count);
    if (is_made) {
        memset(field->sieve, 0, BUILDER_SIEVE_COUNT * sizeof(*field->sieve));
        for (size_t i = 0; i < field->terms.count; i++) hashes[i] = field->terms.items[i].hash;
        renumber_terms(field, numbers);
        size_t count = 0;
        for (size_t i = 0; i < field->pairs.count; i++) {
            struct builder_pair pair = field->pairs.items[i];
            if (numbers[pair.term] != UINT32_MAX) {
                field->pairs.items[count++] =
                    (struct builder_pair){ pair.document, numbers[pair.term] };
            } else {
                field->hashes.items[field->hashes.count++] =
                    (struct builder_hash){ pair.document, hashes[pair.term] };
            }
        }
        field->pairs.count = count;
        if (field->values != NULL) {
            memset(field->values, 0, BUILDER_VALUES_COUNT * sizeof(*field->values));
        }
        field->value_terms.count = 0;
        buf_reset(&field->value_bytes);
        field->is_sieved = true;
    }
    free(numbers);
    free(hashes);
    return is_made;
}

/* Adds a term to a document; *number is UINT32_MAX when it left a hash. False: no memory. */
static bool add_token(struct builder_field *field, uint32_t document, struct str term,
                      uint32_t hash, uint32_t *number)
{
    size_t slot = 0;
    if (!builder_has_slot(field)) return false;
    *number = builder_find_term(field, term, hash, &slot);
    if (*number == UINT32_MAX && field->is_sieved && !sieve_held(field, hash)) {
        return VEC_PUSH(&field->hashes, (struct builder_hash){ document, hash });
    }
    if (*number == UINT32_MAX) *number = builder_make_term(field, term, hash, slot);
    return *number != UINT32_MAX && builder_add_pair(field, document, *number);
}

/* Cuts the text into terms, and notes them in `place`, unless that is NULL or taken. A text whose
 * terms are not all kept is none that comes often. */
static bool add_new_value(struct builder_field *field, uint32_t document, struct str text,
                          struct builder_value *place)
{
    struct analyzer analyzer;
    size_t first = field->value_terms.count;
    bool is_noted = place != NULL && place->size == 0;
    struct token_batch batch;
    analyzer_init(&analyzer, text);
    while (take_tokens(field, &analyzer, &batch)) {
        for (size_t i = 0; i < batch.count; i++) {
            struct str term = { batch.bytes + batch.starts[i],
                                (size_t)(batch.starts[i + 1] - batch.starts[i]) };
            uint32_t number;
            if (!add_token(field, document, term, batch.hashes[i], &number)) return false;
            is_noted = is_noted && number != UINT32_MAX;
            if (is_noted && !VEC_PUSH(&field->value_terms, number)) return false;
        }
    }
    if (!is_noted) {
        field->value_terms.count = first;
        return true;
    }
    place->size = (uint16_t)(text.size + 1);
    place->first_term = (uint32_t)first;
    place->term_count = (uint16_t)(field->value_terms.count - first);
    place->offset = (uint32_t)field->value_bytes.size;
    buf_append_str(&field->value_bytes, text);
    return !field->value_bytes.has_failed;
}

static bool is_known(const struct builder_field *field, const struct builder_value *place,
                     struct str text)
{
    return place != NULL && place->size == text.size + 1 &&
           bytes_same(field->value_bytes.data + place->offset, text.data, text.size);
}

static void add_text(struct builder *builder, struct builder_field *field, struct str text,
                     struct builder_value *place)
{
    uint32_t document = (uint32_t)builder->documents.count - 1;
    if (field->documents.count == 0 || VEC_LAST(&field->documents) != document) {
        if (!VEC_PUSH(&field->documents, document)) builder->has_failed = true;
    }
    if (wants_sieve(builder, field) && !begin_sieve(field)) builder->has_failed = true;
    bool is_added = is_known(field, place, text) ? add_known_value(field, document, place)
                                                 : add_new_value(field, document, text, place);
    if (!is_added) builder->has_failed = true;
}

void builder_add_text(struct builder *builder, struct builder_field *field, struct str text)
{
    CHECK(builder->documents.count > 0);
    bool is_short = text.size <= BUILDER_VALUE_SIZE_MAX;
    add_text(builder, field, text, is_short ? value_place(field, text, rare_hash(text)) : NULL);
}

void builder_add_texts(struct builder *builder, struct builder_field *field,
                       struct builder_field *keyword, struct str text)
{
    CHECK(builder->documents.count > 0);
    if (text.data == NULL) text = STR("");
    uint32_t document = (uint32_t)builder->documents.count - 1;
    uint32_t hash = rare_hash(text);
    struct builder_value *place = value_place(field, text, hash);
    add_text(builder, field, text, place);
    bool is_noted = is_known(field, place, text) && !keyword->has_hashes_only;
    if (is_noted && place->keyword != 0) {
        builder_end_term(builder, keyword, builder_add_pair(keyword, document, place->keyword - 1));
        return;
    }
    uint32_t number = builder_add_hashed_term(builder, keyword, text, hash);
    if (is_noted && number != UINT32_MAX) place->keyword = number + 1;
}
