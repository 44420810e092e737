/* yaml.h - YAML files as nodes that know where they stand.
 *
 *     const struct yaml_node *root;
 *     int code = yaml_parse(&arena, text, STR("config/prometheus.yml"), &root, &error);
 *     const struct yaml_node *global = yaml_get(root, STR("global"));
 *
 * One document. Duplicate keys are errors; a merge key ("<<") brings in the fields of a mapping, or
 * of a list of them, that are not written out beside it, earlier ones first. Anchors and aliases
 * work up to YAML_NODES_MAX nodes in all, counted with every use of an alias, so that no file can
 * grow without bound. Errors read "config/prometheus.yml:12:5: ...".
 *
 * Ownership: nodes and texts live in the arena.
 * Threads:   pure but for the arena.
 */
#ifndef CODEC_YAML_H
#define CODEC_YAML_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_SIZE_MAX  (16 << 20) /* bytes of a file */
#define YAML_NODES_MAX 200000
#define YAML_DEPTH_MAX 64

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_pair;

struct yaml_node {
    enum yaml_kind kind;
    size_t line;   /* from 1 */
    size_t column; /* from 1 */
    struct str file;
    struct str text;                      /* scalar */
    bool is_plain;                        /* scalar without quotes or block marks */
    const struct yaml_node *const *items; /* sequence */
    const struct yaml_pair *pairs;        /* mapping, in order; merged ones last */
    size_t count;
};

struct yaml_pair {
    const struct yaml_node *key; /* a scalar */
    const struct yaml_node *value;
};

/* *root is NULL for an empty file. 0, ERROR_PARSE, ERROR_LIMIT or -ENOMEM. */
int yaml_parse(struct arena *arena, struct str text, struct str file, const struct yaml_node **root,
               struct error *error) MUST_CHECK;

const struct yaml_node *yaml_get(const struct yaml_node *mapping, struct str key); /* or NULL */

/* A plain "", "~", "null", "Null" or "NULL". */
bool yaml_is_null(const struct yaml_node *node);

/* "file:line:column: text": fills error, returns code. */
int yaml_fail(const struct yaml_node *node, int code, struct error *error, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* The node's value; ERROR_PARSE with its place when it is not one. Outputs untouched on failure. */
int yaml_text(const struct yaml_node *node, struct str *text, struct error *error) MUST_CHECK;
int yaml_bool(const struct yaml_node *node, bool *value, struct error *error) MUST_CHECK;
int yaml_int(const struct yaml_node *node, int64_t *value, struct error *error) MUST_CHECK;
int yaml_double(const struct yaml_node *node, double *value, struct error *error) MUST_CHECK;

#endif
