/* shape.h - what a JSON document is without its values: its bytes with a hole where each stood.
 *
 * Log lines of one program have one shape. A document of a known shape is taken apart by comparing
 * the bytes between the holes, with no parser; put together, pieces and values are its bytes.
 *
 * Threads: pure; a shape does not change.
 */
#ifndef LOGSTORE_SHAPE_H
#define LOGSTORE_SHAPE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHAPE_HOLE      '\001' /* stands for a value; JSON allows it nowhere outside texts */
#define SHAPE_HOLES_MAX 4096
#define SHAPE_SIZE_MAX  ((size_t)64 << 10) /* bytes of text */
#define SHAPE_DEPTH_MAX 128

VEC_TYPE(str_vec, struct str);

struct shape {
    struct str text; /* with SHAPE_HOLE for each value; quotes of texts belong to it */
    uint32_t hash;
    uint32_t hole_count;
    struct str *pieces; /* in front of each hole, and behind the last; of text */
    struct str *paths;  /* of each hole, dotted; what is in an array has the array's */
    size_t depth;       /* of brackets */
    bool has_odd_keys;  /* with escapes, empty or too long: paths are not to be trusted */
    bool has_empty_object;
    char *path_bytes;
};

/* Takes any valid JSON apart: the text of its shape, and its values, which point into it. False
 * when there are too many of them. Both are emptied first. */
bool shape_split(struct str document, struct buf *text, struct str_vec *holes) MUST_CHECK;

/* Whether a document is of this shape; `holes`, hole_count of them, are its values then, and
 * `contents`, as many, what its texts hold (quoted.h). */
bool shape_fits(const struct shape *shape, struct str document, struct str *holes,
                uint8_t *contents);

/* The shape of a text that shape_split wrote; NULL when it is nested too deep, or out of memory. */
struct shape *shape_new(struct str text, size_t hole_count) MUST_CHECK;
void shape_free(struct shape *shape); /* NULL is fine */

uint32_t shape_hash(struct str text);

/* Whether a hole's value stands in quotes. */
static inline bool shape_is_text(const struct shape *shape, uint32_t hole)
{
    struct str piece = shape->pieces[hole];
    return piece.size > 0 && piece.data[piece.size - 1] == '"';
}

#endif
