/* mapping_template.c - dynamic templates: which mapping a new field gets by its name and kind. */
#include "logstore/mapping_template.h"

#include "codec/json.h"
#include "logstore/catalog.h"

#include <errno.h>
#include <stdlib.h>

#define JSON_ARENA_MAX ((size_t)64 << 20)

static bool copy_text(const struct json *value, struct str *out)
{
    struct str text = json_is(value, JSON_ARRAY) && value->array.count > 0
                          ? json_text(&value->array.items[0], STR(""))
                          : json_text(value, STR(""));
    char *copy = str_copy(text);
    *out = (struct str){ copy, text.size };
    return copy != NULL;
}

static bool read_rule(const struct json *body, struct logstore_dynamic_template *rule)
{
    const struct json *mapping = json_get(body, STR("mapping"));
    if (mapping == NULL) mapping = json_get(body, STR("runtime"));
    struct str raw = mapping == NULL ? STR("{}") : mapping->raw;
    char *copy = str_copy(raw);
    rule->mapping = (struct str){ copy, raw.size };
    bool is_read = copy != NULL;
    is_read &= copy_text(json_get(body, STR("match")), &rule->match);
    is_read &= copy_text(json_get(body, STR("unmatch")), &rule->unmatch);
    is_read &= copy_text(json_get(body, STR("path_match")), &rule->path_match);
    is_read &= copy_text(json_get(body, STR("path_unmatch")), &rule->path_unmatch);
    is_read &= copy_text(json_get(body, STR("match_mapping_type")), &rule->mapping_type);
    return is_read;
}

int mapping_templates_parse(struct str json, struct logstore_dynamic_template **templates,
                            size_t *count, struct error *error)
{
    *templates = NULL;
    *count = 0;
    if (json.size == 0) return 0;
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, JSON_ARENA_MAX);
    const struct json *root;
    int code = json_parse(NULL, &arena, json, &root, error);
    if (code < 0) return code;
    if (!json_is(root, JSON_ARRAY)) {
        return error_set(error, ERROR_INVALID,
                         "Dynamic template syntax error. An array of named "
                         "objects is expected.");
    }
    struct logstore_dynamic_template *rules = calloc(root->array.count + 1, sizeof(*rules));
    if (rules == NULL) return error_set(error, -ENOMEM, "read templates: out of memory");
    for (size_t i = 0; i < root->array.count; i++) {
        const struct json *item = &root->array.items[i];
        bool is_named = json_is(item, JSON_OBJECT) && item->object.count == 1 &&
                        json_is(&item->object.members[0].value, JSON_OBJECT);
        if (is_named && read_rule(&item->object.members[0].value, &rules[i])) continue;
        mapping_templates_free(rules, root->array.count);
        return error_set(error, is_named ? -ENOMEM : ERROR_INVALID,
                         "A dynamic template must be defined with a name");
    }
    *templates = rules;
    *count = root->array.count;
    return 0;
}

void mapping_templates_free(struct logstore_dynamic_template *templates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct logstore_dynamic_template *rule = &templates[i];
        const struct str texts[] = { rule->match,        rule->unmatch,      rule->path_match,
                                     rule->path_unmatch, rule->mapping_type, rule->mapping };
        for (size_t k = 0; k < ARRAY_LENGTH(texts); k++) free((char *)(uintptr_t)texts[k].data);
    }
    free(templates);
}

static bool fits(struct str pattern, struct str text)
{
    return pattern.size == 0 || logstore_name_matches(pattern, text);
}

const struct logstore_dynamic_template *mapping_templates_find(
    const struct logstore_dynamic_template *templates, size_t count, struct str path,
    struct str kind)
{
    struct str name = path;
    for (size_t dot = str_find_char(name, '.'); dot != STR_NONE; dot = str_find_char(name, '.')) {
        name = str_skip(name, dot + 1);
    }
    for (size_t i = 0; i < count; i++) {
        const struct logstore_dynamic_template *rule = &templates[i];
        if (fits(rule->mapping_type, kind) && fits(rule->match, name) &&
            fits(rule->path_match, path) &&
            (rule->unmatch.size == 0 || !logstore_name_matches(rule->unmatch, name)) &&
            (rule->path_unmatch.size == 0 || !logstore_name_matches(rule->path_unmatch, path))) {
            return rule;
        }
    }
    return NULL;
}

int mapping_template_apply(const struct logstore_dynamic_template *rule,
                           struct logstore_mapping *mapping, struct str path, struct str kind,
                           struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, JSON_ARENA_MAX);
    const struct json *definition;
    int code = json_parse(NULL, &arena, rule->mapping, &definition, error);
    if (code < 0) return code;
    if (json_get(definition, STR("type")) == NULL && !str_equal(kind, STR("object"))) {
        bool is_string = str_equal(kind, STR("string"));
        bool is_number = str_equal(kind, STR("double"));
        struct str type = is_string ? STR("text") : is_number ? STR("float") : kind;
        struct str text = arena_printf(&arena, "{\"type\":\"" STR_FMT "\"}", STR_ARG(type));
        if (text.data == NULL) return error_set(error, -ENOMEM, "add a field: out of memory");
        code = json_parse(NULL, &arena, text, &definition, error);
        if (code < 0) return code;
    }
    /* On an empty mapping first: a definition that is refused half way would leave a field of which
     * no mapping can be read again. */
    struct logstore_mapping *trial = logstore_mapping_new();
    if (trial == NULL) return error_set(error, -ENOMEM, "add a field: out of memory");
    code = mapping_add_definition(trial, path, definition, error);
    logstore_mapping_free(trial);
    return code < 0 ? code : mapping_add_definition(mapping, path, definition, error);
}
