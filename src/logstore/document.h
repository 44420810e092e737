/* document.h - one JSON document against a mapping: which values go into which columns. */
#ifndef LOGSTORE_DOCUMENT_H
#define LOGSTORE_DOCUMENT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"
#include "codec/json.h"
#include "logstore/builder.h"
#include "logstore/known.h"
#include "logstore/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCUMENT_KEYWORD_SIZE_MAX 32766 /* Lucene's longest term */

struct document_leaf {
    uint32_t field; /* index in the mapping; UINT32_MAX: of "_ignored", or malformed */
    uint32_t size;  /* of `text` */
    union {
        const char *text; /* of fields with terms */
        int64_t number;   /* or the bits of a double */
    };
    const struct str *malformed; /* the path of the field that the value did not fit; else NULL */
};

_Static_assert(sizeof(struct document_leaf) == 24, "there are millions of them");

VEC_TYPE(document_leaf_vec, struct document_leaf);

struct document_options {
    bool is_strict;
    size_t field_count_max;
};

/* Why a document was refused, in Elasticsearch's words. */
struct document_refusal {
    const char *type;
    struct str reason;
    struct str cause_type;
    struct str cause_reason;
};

/*
 * Walks the document and appends what is to be indexed; new fields are added to the mapping.
 *
 *   arena     holds paths and texts of the leaves
 *   leaves    appended; on refusal its count is as before
 *   ignored   counts values that were kept aside
 *
 * Returns 0, ERROR_INVALID with *refusal filled, or -ENOMEM.
 */
int document_map(const struct json *root, struct str id, struct logstore_mapping *mapping,
                 const struct document_options *options, struct arena *arena,
                 struct document_leaf_vec *leaves, uint64_t *ignored,
                 struct document_refusal *refusal) MUST_CHECK;

/* The same for a document that was read by its shape: 1 when it has to be parsed for that. */
int document_map_known(const struct known_document *known, struct str id,
                       struct logstore_mapping *mapping, const struct document_options *options,
                       struct arena *arena, struct document_leaf_vec *leaves, uint64_t *ignored,
                       struct document_refusal *refusal) MUST_CHECK;

/*
 * Adds a document that was read by its shape, whose fields are all known, to the one that the
 * builder holds last, without leaves in between. Not for strict mappings, which refuse.
 *
 *   scratch   emptied and used
 *
 * Returns 0 or -ENOMEM.
 */
int document_index_known(const struct known_document *known, struct logstore_mapping *mapping,
                         const struct document_options *options, struct arena *arena,
                         struct document_leaf_vec *scratch, uint64_t *ignored,
                         struct builder *builder) MUST_CHECK;

/* Adds the leaves to the document that the builder holds last. */
void document_index(const struct document_leaf *leaves, size_t count,
                    const struct logstore_mapping *mapping, struct builder *builder);

#endif
