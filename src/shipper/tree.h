/* tree.h - a configuration in one shape: dotted names are nested mappings, later settings win.
 *
 * `json.add_error_key: true` and `json: {add_error_key: true}` are the same and may stand side by
 * side; `-E a.b=c` is laid over the file; variables are put in. The result is plain YAML nodes that
 * keep the places where they stood.
 */
#ifndef SHIPPER_TREE_H
#define SHIPPER_TREE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/yaml.h"
#include "shipper/expand.h"

struct tree;

struct tree_setup {
    struct arena *arena;
    const struct expand_source *source;
};

/* An empty one, in the arena. NULL when there is no memory. */
struct tree *tree_new(const struct tree_setup *setup) MUST_CHECK;

/* Adds a file's root mapping (NULL: an empty file). A name that stands twice is an error. */
int tree_add(struct tree *tree, const struct yaml_node *root, struct error *error) MUST_CHECK;

/* Lays "name.of.it=value" over; the value is YAML. Parts of the name that are numbers count in
 * lists. */
int tree_override(struct tree *tree, struct str setting, struct error *error) MUST_CHECK;

/* The whole as a mapping. */
int tree_finish(struct tree *tree, const struct yaml_node **root, struct error *error) MUST_CHECK;

#endif
