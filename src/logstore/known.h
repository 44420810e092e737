/* known.h - documents of shapes that were seen before are read without a parser.
 *
 * A document whose bytes between the values equal those of one that was parsed is valid when its
 * values are; each value is checked, so nothing gets in that the parser would have refused.
 *
 * Owned by: the parser's user; one thread at a time.
 */
#ifndef LOGSTORE_KNOWN_H
#define LOGSTORE_KNOWN_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"
#include "codec/json.h"
#include "logstore/mapping.h"
#include "logstore/shape.h"

#include <stdbool.h>
#include <stdint.h>

/* What is to be done with the values of a hole. */
enum known_form {
    KNOWN_ANY,   /* what document.c says of its field */
    KNOWN_TEXTS, /* texts into a text field and the keyword that is its only sub-field */
    KNOWN_LONG,  /* whole numbers into a field of them, without sub-fields */
    KNOWN_DATE,  /* texts into a date of the usual format, without sub-fields */
};

struct known_plan {
    uint32_t field; /* of the mapping */
    enum known_form form;
};

/* A shape, and the fields of a mapping that its values belong to. */
struct known_shape {
    struct shape *shape;
    uint64_t mapping_serial; /* of the mapping that the plans are for; 0: none yet */
    uint64_t mapping_changes;
    bool has_all_fields;      /* else its documents must be parsed */
    struct known_plan *plans; /* of each hole */
};

/* A value that was found to be sound. */
struct known_value {
    const char *data; /* of a text what it says, of others what stands in the document */
    uint32_t size;
    uint8_t kind; /* enum json_kind */
};

struct known_shapes {
    VEC(struct known_shape *) items; /* the one that fitted last is the first */
    struct buf text;                 /* scratch */
    struct str_vec holes;            /* scratch */
    VEC(uint8_t) contents;           /* scratch */
};

struct known_document {
    struct known_shape *shape;
    struct known_value *values; /* one a hole */
};

void known_init(struct known_shapes *known);
void known_release(struct known_shapes *known);

/* Call between requests: forgets all when there are too many. Documents read before are gone. */
void known_trim(struct known_shapes *known);

/* Reads a document of a known shape; texts point into it or into the arena. False: parse it. */
bool known_read(struct known_shapes *known, struct str document, struct arena *arena,
                struct known_document *out);

/* The value as the parser would have read it, but that raw of a text is the text. */
struct json known_json(const struct known_value *value);

/* Learns the shape of a document that was parsed and is an object. */
void known_learn(struct known_shapes *known, struct str document);

/* Finds the fields of the shape's values in the mapping; false when one has none. */
bool known_plan(struct known_shape *shape, const struct logstore_mapping *mapping);

#endif
