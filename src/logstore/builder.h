/* builder.h - a segment in the making: documents and their fields, in memory.
 *
 * Values are appended document by document, so every list is in order of documents. Terms are kept
 * once a field in a hash table; that a document holds a term is a pair of numbers.
 *
 * Owned by: the store's lock, or the merge that made it.
 */
#ifndef LOGSTORE_BUILDER_H
#define LOGSTORE_BUILDER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "logstore/id_list.h"
#include "logstore/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct builder_term {
    uint32_t offset; /* into builder_field.bytes */
    uint32_t size;
    uint32_t hash;          /* rare_hash */
    uint32_t count;         /* pairs that name it */
    uint32_t last_document; /* plus one, so that a document names it once */
};

struct builder_pair {
    uint32_t document;
    uint32_t term;
};

struct builder_hash {
    uint32_t document;
    uint32_t hash;
};

struct builder_number {
    uint32_t document;
    int64_t value; /* or the bits of a double */
};

struct builder_value;

struct builder_field {
    struct str path; /* owned by the builder's map */
    enum logstore_type type;
    enum logstore_column_kind kind; /* of the type */
    bool is_malformed;              /* values that did not fit the field of this path; keyword */
    struct str source_path;         /* where sources have the values; empty: unknown; owned */
    uint32_t ignore_above;          /* of the field of the mapping */

    struct buf bytes; /* terms, one behind the other */
    VEC(struct builder_term) terms;
    uint64_t *slots; /* hash table: hash of the term, and below it its index plus one */
    size_t slot_count;
    VEC(struct builder_pair) pairs;

    VEC(struct builder_number) numbers;

    /* Of keyword fields whose values are mostly different: documents and hashes of terms, in place
     * of terms and pairs; see segment.h about sourced columns. */
    bool has_hashes_only;
    VEC(struct builder_hash) hashes; /* of text fields: of terms that came once so far */

    VEC(uint32_t) documents; /* of text fields: which have it */
    bool is_sieved;          /* a term is kept when its mark is found in the sieve */
    uint16_t *sieve;         /* BUILDER_SIEVE_COUNT marks; NULL: none yet */

    /* Of text fields: short values that were cut into terms before, for most come again. */
    struct builder_value *values; /* BUILDER_VALUES_COUNT of them; NULL: none yet */
    VEC(uint32_t) value_terms;
    struct buf value_bytes;
};

#define BUILDER_SIEVE_COUNT    32768
#define BUILDER_VALUES_FROM    64  /* documents */
#define BUILDER_VALUES_COUNT   256 /* places, by hash */
#define BUILDER_VALUE_SIZE_MAX 256 /* bytes: the longest user agents */

struct builder_value {
    uint16_t size; /* plus one; 0: free */
    uint16_t term_count;
    uint32_t keyword;    /* number in the keyword field beside, plus one; 0: not known */
    uint32_t first_term; /* in value_terms: numbers of terms */
    uint32_t offset;     /* in value_bytes */
};

struct builder_document {
    uint64_t source_offset;
    uint32_t source_size;
    int64_t seq_no;
    int64_t version;
};

struct builder {
    uint64_t segment_id;
    struct buf sources;
    struct id_list ids;
    VEC(struct builder_document) documents;
    VEC(struct builder_field *) fields;
    bool is_sorted;                           /* fields, by their paths */
    VEC(struct builder_field *) by_number;    /* of fields of the mapping; NULL: not met yet */
    uint64_t mapping_serial, mapping_changes; /* of the mapping, when by_number was begun */
    struct map field_by_path;                 /* path, or path and "\001" for malformed ones */
    uint64_t *dead;                           /* one bit a document; grows with documents */
    size_t dead_capacity;                     /* words */
    size_t dead_count;
    struct map id_to_document; /* plus one; of ids that are in no run */
    size_t rare_documents_min; /* a segment of fewer documents has dictionaries of all terms */
    bool has_failed;           /* out of memory somewhere */
};

#define BUILDER_RARE_DOCUMENTS_MIN 256

int builder_new(struct builder **builder_out, uint64_t segment_id, struct error *error) MUST_CHECK;
/* Empty again, for the next segment of the same index; keeps its memory, whose pages are there. */
void builder_reset(struct builder *builder, uint64_t segment_id);
void builder_free(struct builder *builder); /* NULL is fine */

/* The mapping by whose numbers fields are asked for from now on. It may grow; of one that was
 * changed otherwise the builder has to hear before its next segment. */
void builder_begin(struct builder *builder, const struct logstore_mapping *mapping);

/* Begins a document; the adds that follow belong to it. */
int builder_add_document(struct builder *builder, struct str id, struct str source, int64_t seq_no,
                         int64_t version, struct error *error) MUST_CHECK;

/* The field, made when it is new; NULL when out of memory. */
struct builder_field *builder_field(struct builder *builder, struct str path,
                                    enum logstore_type type, bool is_malformed);

struct builder_field *builder_make_mapped(struct builder *builder,
                                          const struct logstore_mapping *mapping, uint32_t number);

/* The same, faster, for the field that has this number in the index's mapping. A builder serves one
 * mapping, whose fields keep their numbers. */
static inline struct builder_field *builder_mapped_field(struct builder *builder,
                                                         const struct logstore_mapping *mapping,
                                                         uint32_t number)
{
    if (number < builder->by_number.count && builder->by_number.items[number] != NULL) {
        return builder->by_number.items[number];
    }
    return builder_make_mapped(builder, mapping, number);
}

void builder_add_term(struct builder *builder, struct builder_field *field, struct str term);
void builder_add_text(struct builder *builder, struct builder_field *field, struct str text);
/* Both at once: a text, and the same value as a term of the keyword field beside it, which no other
 * text field has. */
void builder_add_texts(struct builder *builder, struct builder_field *field,
                       struct builder_field *keyword, struct str text);
void builder_add_number(struct builder *builder, struct builder_field *field, int64_t value);

/* The same for a document by its number, which must not be less than that of the call before. */
bool builder_field_add(struct builder_field *field, uint32_t document, struct str term);
void builder_field_release(struct builder_field *field); /* of one that stands alone */

/* The dictionary of a keyword field, and of each of its pairs the ordinal. */
int builder_field_ordinals(const struct builder_field *field, struct buf *terms, int64_t *values,
                           struct error *error) MUST_CHECK;

/* Document with that id that is not dead; UINT32_MAX when there is none. */
uint32_t builder_find(const struct builder *builder, struct str id);
void builder_kill(struct builder *builder, uint32_t document);
bool builder_is_dead(const struct builder *builder, uint32_t document);

/* Bytes that the builder holds, about. */
size_t builder_memory(const struct builder *builder);

/* The fields in order of their paths, malformed ones behind their namesakes. */
void builder_sort_fields(struct builder *builder);

struct source_packer;

/* The segment's bytes (segment.h) of a builder whose fields are in order. It stays as it is. */
int builder_encode(const struct builder *builder, struct source_packer *packer, struct buf *out,
                   struct error *error) MUST_CHECK;

#endif
