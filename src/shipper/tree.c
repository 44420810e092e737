/* tree.c - settings as linked nodes, made into YAML nodes when all are in. */
#include "shipper/tree.h"

#include <errno.h>

#define TEXT_SIZE_MAX (1u << 20)

struct branch {
    const struct yaml_node *key; /* NULL in lists */
    struct str name;
    const struct yaml_node *from; /* where it stood; scalars: the value, with variables put in */
    enum yaml_kind kind;
    struct branch *first;
    struct branch *last;
    struct branch *next;
    size_t count;
};

struct tree {
    struct tree_setup setup;
    struct branch root;
    bool may_replace; /* the later setting wins */
};

static int fail_memory(struct error *error)
{
    return error_set(error, -ENOMEM, "no memory for the configuration");
}

struct tree *tree_new(const struct tree_setup *setup)
{
    struct tree *tree = ARENA_NEW(setup->arena, struct tree);
    if (tree == NULL) return NULL;
    tree->setup = *setup;
    tree->root.kind = YAML_MAPPING;
    return tree;
}

static struct branch *add_child(struct tree *tree, struct branch *parent)
{
    struct branch *child = ARENA_NEW(tree->setup.arena, struct branch);
    if (child == NULL) return NULL;
    if (parent->last == NULL) {
        parent->first = child;
    } else {
        parent->last->next = child;
    }
    parent->last = child;
    parent->count++;
    return child;
}

static struct branch *find_child(struct branch *parent, struct str name)
{
    uint64_t index = 0;
    if (parent->kind == YAML_SEQUENCE && !str_to_uint64(name, &index)) return NULL;
    for (struct branch *child = parent->first; child != NULL; child = child->next, index--) {
        if (parent->kind == YAML_SEQUENCE ? index == 0 : str_equal(child->name, name)) return child;
    }
    return NULL;
}

static int put_value(struct tree *tree, struct branch *branch, const struct yaml_node *value,
                     struct error *error);

static int put_scalar(struct tree *tree, struct branch *branch, const struct yaml_node *value,
                      struct error *error)
{
    branch->kind = YAML_SCALAR;
    branch->from = value;
    if (!expand_is_needed(value->text)) return 0;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEXT_SIZE_MAX);
    struct error cause = { 0 };
    int code = expand_text(value->text, tree->setup.source, &text, &cause);
    if (code != 0) return yaml_fail(value, ERROR_PARSE, error, "%s", cause.text);
    struct yaml_node *node = ARENA_NEW(tree->setup.arena, struct yaml_node);
    if (node == NULL) return fail_memory(error);
    *node = *value;
    node->text = arena_copy(tree->setup.arena, buf_str(&text));
    if (node->text.data == NULL) return fail_memory(error);
    branch->from = node;
    return 0;
}

/* Puts a value under a dotted name. */
static int put_named(struct tree *tree, struct branch *parent, const struct yaml_node *key,
                     const struct yaml_node *value, struct error *error)
{
    struct str rest = key->text;
    do {
        struct str part = str_cut(&rest, '.');
        if (part.size == 0) {
            return yaml_fail(key, ERROR_PARSE, error, "field '" STR_FMT "' has an empty part",
                             STR_ARG(key->text));
        }
        if (parent->kind == YAML_SCALAR) {
            if (!tree->may_replace && parent->from != NULL && !yaml_is_null(parent->from)) {
                return yaml_fail(key, ERROR_PARSE, error,
                                 "field '" STR_FMT "' lies below a field that has a value",
                                 STR_ARG(key->text));
            }
            parent->kind = YAML_MAPPING;
        }
        struct branch *child = find_child(parent, part);
        bool is_new = child == NULL;
        if (is_new) {
            if (parent->kind == YAML_SEQUENCE) {
                return yaml_fail(key, ERROR_PARSE, error,
                                 "'" STR_FMT "' is no item of the list there is", STR_ARG(part));
            }
            child = add_child(tree, parent);
            if (child == NULL) return fail_memory(error);
            *child = (struct branch){ .key = key, .name = part, .kind = YAML_MAPPING, .from = key };
        }
        if (rest.data == NULL) {
            bool both = child->kind == YAML_MAPPING && value->kind == YAML_MAPPING;
            if (!is_new && !both && !tree->may_replace) {
                return yaml_fail(key, ERROR_PARSE, error, "field '" STR_FMT "' stands twice",
                                 STR_ARG(key->text));
            }
            if (!both) {
                child->first = NULL;
                child->last = NULL;
                child->count = 0;
            }
            return put_value(tree, child, value, error);
        }
        parent = child;
    } while (rest.data != NULL);
    return 0;
}

static int put_value(struct tree *tree, struct branch *branch, const struct yaml_node *value,
                     struct error *error)
{
    if (value->kind == YAML_SCALAR) return put_scalar(tree, branch, value, error);
    branch->kind = value->kind;
    branch->from = value;
    int code = 0;
    for (size_t i = 0; code == 0 && i < value->count; i++) {
        if (value->kind == YAML_MAPPING) {
            code = put_named(tree, branch, value->pairs[i].key, value->pairs[i].value, error);
            continue;
        }
        struct branch *child = add_child(tree, branch);
        code = child == NULL ? fail_memory(error) : put_value(tree, child, value->items[i], error);
    }
    return code;
}

int tree_add(struct tree *tree, const struct yaml_node *root, struct error *error)
{
    tree->may_replace = false;
    if (root == NULL || yaml_is_null(root)) return 0;
    if (root->kind != YAML_MAPPING) {
        return yaml_fail(root, ERROR_PARSE, error, "expected a mapping of settings");
    }
    return put_value(tree, &tree->root, root, error);
}

int tree_override(struct tree *tree, struct str setting, struct error *error)
{
    struct arena *arena = tree->setup.arena;
    size_t equals = str_find_char(setting, '=');
    if (equals == STR_NONE || equals == 0) {
        return error_set(error, ERROR_PARSE, "option '-E' needs name=value, got '" STR_FMT "'",
                         STR_ARG(setting));
    }
    struct str file = arena_printf(arena, "-E " STR_FMT, STR_ARG(setting));
    struct yaml_node *key = ARENA_NEW(arena, struct yaml_node);
    struct yaml_node *none = ARENA_NEW(arena, struct yaml_node);
    if (key == NULL || none == NULL || file.data == NULL) return fail_memory(error);
    *key = (struct yaml_node){ .kind = YAML_SCALAR,
                               .line = 1,
                               .column = 1,
                               .file = file,
                               .text = str_first(setting, equals),
                               .is_plain = true };
    *none = *key;
    none->text = STR("");
    const struct yaml_node *value = NULL;
    int code = yaml_parse(arena, str_skip(setting, equals + 1), file, &value, error);
    if (code != 0) return code;
    tree->may_replace = true;
    return put_named(tree, &tree->root, key, value != NULL ? value : none, error);
}

static int build(struct tree *tree, const struct branch *branch, const struct yaml_node **out,
                 struct error *error)
{
    if (branch->kind == YAML_SCALAR) {
        *out = branch->from;
        return 0;
    }
    struct arena *arena = tree->setup.arena;
    struct yaml_node *node = ARENA_NEW(arena, struct yaml_node);
    struct yaml_pair *pairs = ARENA_ARRAY(arena, struct yaml_pair, branch->count + 1);
    const struct yaml_node **items = (const struct yaml_node **)arena_alloc(
        arena, branch->count + 1, sizeof(struct yaml_node *));
    if (node == NULL || pairs == NULL || items == NULL) return fail_memory(error);
    if (branch->from != NULL) *node = *branch->from;
    node->kind = branch->kind;
    node->count = branch->count;
    node->items = items;
    node->pairs = pairs;
    size_t index = 0;
    for (const struct branch *child = branch->first; child != NULL; child = child->next, index++) {
        const struct yaml_node *value = NULL;
        int code = build(tree, child, &value, error);
        if (code != 0) return code;
        items[index] = value;
        if (branch->kind != YAML_MAPPING) continue;
        struct yaml_node *key = ARENA_NEW(arena, struct yaml_node);
        if (key == NULL) return fail_memory(error);
        *key = *child->key;
        key->text = child->name;
        pairs[index] = (struct yaml_pair){ .key = key, .value = value };
    }
    *out = node;
    return 0;
}

int tree_finish(struct tree *tree, const struct yaml_node **root, struct error *error)
{
    return build(tree, &tree->root, root, error);
}
