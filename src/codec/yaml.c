/* yaml.c - libyaml's document tree turned into nodes that keep their place. */
#include "codec/yaml.h"

#include "base/check.h"
#include "base/map.h"
#include "codec/number.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

/* One parse: what is built, and how much. */
struct build {
    struct arena *arena;
    yaml_document_t *document;
    struct str file;
    size_t node_count;
    struct error *error;
};

int yaml_fail(const struct yaml_node *node, int code, struct error *error, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(error, code, STR_FMT ":%zu:%zu: %s", STR_ARG(node->file), node->line,
                     node->column, text);
}

static int fail_memory(const struct build *build)
{
    return error_set(build->error, ERROR_LIMIT, STR_FMT ": needs more memory than %zu bytes",
                     STR_ARG(build->file), build->arena->size_max);
}

static int build_node(struct build *build, int index, int depth, const struct yaml_node **out);

static int build_sequence(struct build *build, const yaml_node_t *from, int depth,
                          struct yaml_node *node)
{
    const yaml_node_item_t *start = from->data.sequence.items.start;
    size_t count = (size_t)(from->data.sequence.items.top - start);
    const struct yaml_node **items = ARENA_ARRAY(build->arena, const struct yaml_node *, count);
    if (items == NULL && count > 0) return fail_memory(build);
    for (size_t i = 0; i < count; i++) {
        int code = build_node(build, start[i], depth + 1, &items[i]);
        if (code != 0) return code;
    }
    node->items = items;
    node->count = count;
    return 0;
}

static bool is_merge(const struct yaml_node *key)
{
    return key->is_plain && str_equal(key->text, STR("<<"));
}

/* The pairs of a mapping while it is built, by key. */
struct pairs {
    struct yaml_pair *items;
    size_t count;
    struct map by_key; /* of those in items, once there are many */
};

#define PAIRS_SEARCHED 16 /* so many are looked through one by one */

static const struct yaml_pair *find_pair(const struct pairs *pairs, struct str key)
{
    if (pairs->count > PAIRS_SEARCHED) return map_get(&pairs->by_key, key);
    for (size_t i = 0; i < pairs->count; i++) {
        if (str_equal(pairs->items[i].key->text, key)) return &pairs->items[i];
    }
    return NULL;
}

/* Appends a pair whose key is not there yet; items has room for it. */
static int add_pair(struct pairs *pairs, const struct yaml_pair *pair)
{
    pairs->items[pairs->count++] = *pair;
    size_t first = pairs->count - 1;
    if (pairs->count <= PAIRS_SEARCHED) return 0;
    if (pairs->count == PAIRS_SEARCHED + 1) first = 0;
    for (size_t i = first; i < pairs->count; i++) {
        struct yaml_pair *item = &pairs->items[i];
        if (map_put_borrowed(&pairs->by_key, item->key->text, item) != 0) return -ENOMEM;
    }
    return 0;
}

static int check_key(const struct build *build, const struct pairs *pairs,
                     const struct yaml_node *key)
{
    if (key->kind != YAML_SCALAR) {
        return yaml_fail(key, ERROR_PARSE, build->error, "a key must be a plain text");
    }
    const struct yaml_pair *there = find_pair(pairs, key->text);
    if (there == NULL) return 0;
    return yaml_fail(
        key, ERROR_PARSE, build->error, "field '" STR_FMT "' is there already, in line %zu",
        STR_ARG(str_first(key->text, key->text.size > 80 ? 80 : key->text.size)), there->key->line);
}

/* The mappings that a merge key names: it is one itself, or a list of them. */
static int check_merge(const struct build *build, const struct yaml_node *merge)
{
    bool is_good = merge->kind != YAML_SCALAR;
    for (size_t i = 0; merge->kind == YAML_SEQUENCE && i < merge->count; i++) {
        if (merge->items[i]->kind != YAML_MAPPING) is_good = false;
    }
    if (is_good) return 0;
    return yaml_fail(merge, ERROR_PARSE, build->error,
                     "'<<' takes a mapping or a list of mappings");
}

static int add_missing(struct pairs *pairs, const struct yaml_node *mapping)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < mapping->count; i++) {
        const struct yaml_pair *pair = &mapping->pairs[i];
        if (find_pair(pairs, pair->key->text) == NULL) code = add_pair(pairs, pair);
    }
    return code;
}

/* Brings in what the merge key names, behind the written pairs. */
static int merge_pairs(struct build *build, struct pairs *pairs, const struct yaml_node *merge)
{
    int code = check_merge(build, merge);
    if (code != 0) return code;
    bool is_list = merge->kind == YAML_SEQUENCE;
    size_t room = pairs->count + (is_list ? 0 : merge->count);
    for (size_t i = 0; is_list && i < merge->count; i++) room += merge->items[i]->count;
    struct yaml_pair *items = ARENA_ARRAY(build->arena, struct yaml_pair, room);
    if (items == NULL && room > 0) return fail_memory(build);
    struct pairs all = { .items = items };
    for (size_t i = 0; code == 0 && i < pairs->count; i++) code = add_pair(&all, &pairs->items[i]);
    if (code == 0 && !is_list) code = add_missing(&all, merge);
    for (size_t i = 0; code == 0 && is_list && i < merge->count; i++) {
        code = add_missing(&all, merge->items[i]);
    }
    map_release(&all.by_key);
    if (code != 0) return error_set(build->error, code, "no memory for YAML");
    pairs->items = all.items;
    pairs->count = all.count;
    return 0;
}

static int build_pair(struct build *build, yaml_node_pair_t from, int depth, struct pairs *pairs,
                      const struct yaml_node **merge)
{
    struct yaml_pair pair = { 0 };
    int code = build_node(build, from.key, depth + 1, &pair.key);
    if (code == 0) code = check_key(build, pairs, pair.key);
    if (code == 0) code = build_node(build, from.value, depth + 1, &pair.value);
    if (code != 0) return code;
    if (is_merge(pair.key)) {
        if (*merge != NULL) {
            return yaml_fail(pair.key, ERROR_PARSE, build->error, "a second '<<' in a mapping");
        }
        *merge = pair.value;
        return 0;
    }
    if (add_pair(pairs, &pair) == 0) return 0;
    return error_set(build->error, -ENOMEM, "no memory for YAML");
}

static int build_mapping(struct build *build, const yaml_node_t *from, int depth,
                         struct yaml_node *node)
{
    const yaml_node_pair_t *start = from->data.mapping.pairs.start;
    size_t count = (size_t)(from->data.mapping.pairs.top - start);
    struct pairs pairs = { .items = ARENA_ARRAY(build->arena, struct yaml_pair, count) };
    if (pairs.items == NULL && count > 0) return fail_memory(build);
    const struct yaml_node *merge = NULL;
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = build_pair(build, start[i], depth, &pairs, &merge);
    }
    map_release(&pairs.by_key);
    if (code == 0 && merge != NULL) code = merge_pairs(build, &pairs, merge);
    if (code != 0) return code;
    node->pairs = pairs.items;
    node->count = pairs.count;
    return 0;
}

static int build_node(struct build *build, int index, int depth, const struct yaml_node **out)
{
    const yaml_node_t *from = yaml_document_get_node(build->document, index);
    CHECK(from != NULL);
    struct yaml_node *node = ARENA_NEW(build->arena, struct yaml_node);
    if (node == NULL) return fail_memory(build);
    node->line = from->start_mark.line + 1;
    node->column = from->start_mark.column + 1;
    node->file = build->file;
    if (++build->node_count > YAML_NODES_MAX || depth > YAML_DEPTH_MAX) {
        return yaml_fail(node, ERROR_LIMIT, build->error,
                         "more than %d nodes or %d levels, with all aliases put in", YAML_NODES_MAX,
                         YAML_DEPTH_MAX);
    }
    int code = 0;
    if (from->type == YAML_SCALAR_NODE) {
        node->kind = YAML_SCALAR;
        node->is_plain = from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        struct str text = { (const char *)from->data.scalar.value, from->data.scalar.length };
        node->text = arena_copy(build->arena, text);
        if (node->text.data == NULL) code = fail_memory(build);
    } else if (from->type == YAML_SEQUENCE_NODE) {
        node->kind = YAML_SEQUENCE;
        code = build_sequence(build, from, depth, node);
    } else {
        node->kind = YAML_MAPPING;
        code = build_mapping(build, from, depth, node);
    }
    if (code == 0) *out = node;
    return code;
}

static int fail_parser(const yaml_parser_t *parser, struct str file, struct error *error)
{
    if (parser->error == YAML_MEMORY_ERROR) return error_set(error, -ENOMEM, "no memory for YAML");
    if (error != NULL) error->offset = parser->problem_mark.index;
    return error_set(error, ERROR_PARSE, STR_FMT ":%zu:%zu: %s%s%s", STR_ARG(file),
                     parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                     parser->problem == NULL ? "not YAML" : parser->problem,
                     parser->context == NULL ? "" : " ",
                     parser->context == NULL ? "" : parser->context);
}

/* Loads one document and turns it into nodes; *root NULL when there is none. */
static int load(yaml_parser_t *parser, struct build *build, const struct yaml_node **root)
{
    yaml_document_t document;
    if (yaml_parser_load(parser, &document) == 0) {
        return fail_parser(parser, build->file, build->error);
    }
    build->document = &document;
    const struct yaml_node *built = NULL;
    int code = 0;
    if (yaml_document_get_root_node(&document) != NULL) code = build_node(build, 1, 0, &built);
    yaml_document_delete(&document);
    if (code == 0) *root = built;
    return code;
}

int yaml_parse(struct arena *arena, struct str text, struct str file, const struct yaml_node **root,
               struct error *error)
{
    yaml_parser_t parser;
    if (text.size > YAML_SIZE_MAX) {
        return error_set(error, ERROR_LIMIT, STR_FMT ": larger than %d bytes", STR_ARG(file),
                         YAML_SIZE_MAX);
    }
    if (yaml_parser_initialize(&parser) == 0)
        return error_set(error, -ENOMEM, "no memory for YAML");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);

    struct build build = { .arena = arena, .file = arena_copy(arena, file), .error = error };
    const struct yaml_node *first = NULL;
    const struct yaml_node *second = NULL;
    int code = load(&parser, &build, &first);
    if (code == 0 && first != NULL) code = load(&parser, &build, &second);
    if (code == 0 && second != NULL) {
        code = yaml_fail(second, ERROR_PARSE, error, "a second document; one is allowed");
    }
    yaml_parser_delete(&parser);
    if (code == 0) *root = first;
    return code;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, struct str key)
{
    if (mapping == NULL || mapping->kind != YAML_MAPPING) return NULL;
    for (size_t i = 0; i < mapping->count; i++) {
        if (str_equal(mapping->pairs[i].key->text, key)) return mapping->pairs[i].value;
    }
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR || !node->is_plain) return false;
    return node->text.size == 0 || str_equal(node->text, STR("~")) ||
           str_equal(node->text, STR("null")) || str_equal(node->text, STR("Null")) ||
           str_equal(node->text, STR("NULL"));
}

static int fail_kind(const struct yaml_node *node, struct error *error, const char *wanted)
{
    static const char *const kinds[] = { "a text", "a list", "a mapping" };
    if (node->kind == YAML_SCALAR) {
        return yaml_fail(
            node, ERROR_PARSE, error, "expected %s, got '" STR_FMT "'", wanted,
            STR_ARG(str_first(node->text, node->text.size > 80 ? 80 : node->text.size)));
    }
    return yaml_fail(node, ERROR_PARSE, error, "expected %s, got %s", wanted, kinds[node->kind]);
}

int yaml_text(const struct yaml_node *node, struct str *text, struct error *error)
{
    if (node->kind != YAML_SCALAR) return fail_kind(node, error, "a text");
    *text = node->text;
    return 0;
}

int yaml_bool(const struct yaml_node *node, bool *value, struct error *error)
{
    static const struct {
        struct str text;
        bool value;
    } words[] = {
        { STR_INIT("true"), true },   { STR_INIT("false"), false }, { STR_INIT("True"), true },
        { STR_INIT("False"), false }, { STR_INIT("TRUE"), true },   { STR_INIT("FALSE"), false },
        { STR_INIT("yes"), true },    { STR_INIT("no"), false },    { STR_INIT("Yes"), true },
        { STR_INIT("No"), false },    { STR_INIT("YES"), true },    { STR_INIT("NO"), false },
        { STR_INIT("on"), true },     { STR_INIT("off"), false },   { STR_INIT("On"), true },
        { STR_INIT("Off"), false },   { STR_INIT("ON"), true },     { STR_INIT("OFF"), false },
    };
    for (size_t i = 0; node->kind == YAML_SCALAR && i < ARRAY_LENGTH(words); i++) {
        if (!str_equal(node->text, words[i].text)) continue;
        *value = words[i].value;
        return 0;
    }
    return fail_kind(node, error, "true or false");
}

int yaml_int(const struct yaml_node *node, int64_t *value, struct error *error)
{
    if (node->kind == YAML_SCALAR && str_to_int64(node->text, value)) return 0;
    return fail_kind(node, error, "a whole number");
}

int yaml_double(const struct yaml_node *node, double *value, struct error *error)
{
    if (node->kind == YAML_SCALAR && number_parse(node->text, value)) return 0;
    return fail_kind(node, error, "a number");
}
