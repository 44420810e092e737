/* yaml_fields.h - a mapping read into a struct by a table: one row a field.
 *
 * An unknown field is an error that names its place and lists nothing else; a known field that this
 * program does not do is a warning. Each module keeps the tables of its own sections.
 */
#ifndef CODEC_YAML_FIELDS_H
#define CODEC_YAML_FIELDS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "codec/yaml.h"

#include <stdbool.h>
#include <stddef.h>

/* What readers may need: where texts go, who hears warnings, and what the caller adds. */
struct yaml_reading {
    struct arena *arena;
    void (*warn)(void *argument, const char *text); /* "file:line:column: ..."; may be NULL */
    void *argument;
    void *more; /* the caller's own */
};

struct yaml_field {
    struct str name;
    size_t offset; /* of the field in the struct */
    /* Reads the node into the field; NULL: known, not done here. */
    int (*read)(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                struct error *error);
};

/* Reads a mapping (or a null, which sets nothing). */
int yaml_read_fields(const struct yaml_node *node, const struct yaml_field *fields, size_t count,
                     void *target, const struct yaml_reading *reading,
                     struct error *error) MUST_CHECK;

/* Readers of plain values. */
int yaml_read_text(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                   struct error *error); /* struct str; lives in the arena, NUL behind */
int yaml_read_bool(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                   struct error *error); /* bool */
int yaml_read_count(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                    struct error *error); /* uint64_t */
int yaml_read_ignored(const struct yaml_node *node, void *field, const struct yaml_reading *reading,
                      struct error *error); /* anything, without a word */

/* Says "file:line:column: field 'x' is valid, but not supported here: ignored". */
void yaml_warn_unsupported(const struct yaml_node *node, struct str name,
                           const struct yaml_reading *reading);

#endif
