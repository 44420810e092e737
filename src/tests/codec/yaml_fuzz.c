/* yaml_fuzz.c - no text crashes the reader, and every node can be asked. */
#include "codec/yaml.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct yaml_node *node, int depth)
{
    CHECK(depth <= YAML_DEPTH_MAX);
    CHECK(node->line > 0 && node->column > 0);
    bool truth;
    int64_t number;
    double real;
    (void)yaml_is_null(node);
    if (yaml_bool(node, &truth, NULL) == 0) CHECK(node->kind == YAML_SCALAR);
    if (yaml_int(node, &number, NULL) == 0) CHECK(node->kind == YAML_SCALAR);
    if (yaml_double(node, &real, NULL) == 0) CHECK(node->kind == YAML_SCALAR);
    if (node->kind == YAML_SEQUENCE) {
        for (size_t i = 0; i < node->count; i++) ask(node->items[i], depth + 1);
    }
    if (node->kind == YAML_MAPPING) {
        for (size_t i = 0; i < node->count; i++) {
            CHECK(yaml_get(node, node->pairs[i].key->text) == node->pairs[i].value);
            ask(node->pairs[i].value, depth + 1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 26);
    const struct yaml_node *root = NULL;
    struct error error = { 0 };
    struct str text = { (const char *)data, size };
    int code = yaml_parse(&arena, text, STR("fuzz.yml"), &root, &error);
    if (code != 0) {
        CHECK(root == NULL);
        CHECK(error.text[0] != '\0');
    } else if (root != NULL) {
        ask(root, 0);
    }
    return 0;
}
