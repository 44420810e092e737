/* mapping_json.c - mappings from JSON and back: properties, multi-fields, dynamic templates. */
#include "base/check.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "logstore/catalog.h"
#include "logstore/mapping.h"
#include "logstore/mapping_template.h"

#include <errno.h>
#include <stdlib.h>

#define JSON_ARENA_MAX ((size_t)64 << 20)

static bool flag(const struct json *value, bool otherwise)
{
    if (json_is(value, JSON_TEXT)) return str_equal(value->text, STR("true"));
    return json_boolean(value, otherwise);
}

static struct str join(struct arena *arena, struct str path, struct str name)
{
    if (path.size == 0) return name;
    return arena_printf(arena, STR_FMT "." STR_FMT, STR_ARG(path), STR_ARG(name));
}

static int conflict(struct error *error, struct str path, enum logstore_type from,
                    enum logstore_type to)
{
    return error_set(error, ERROR_INVALID,
                     "mapper [" STR_FMT "] cannot be changed from type [%s] to [%s]", STR_ARG(path),
                     logstore_type_name(from), logstore_type_name(to));
}

static enum logstore_type stored_type(enum logstore_type type, const struct json *definition)
{
    bool is_off = type == LOGSTORE_OBJECT
                      ? !flag(json_get(definition, STR("enabled")), true)
                      : !flag(json_get(definition, STR("index")), true) &&
                            !flag(json_get(definition, STR("doc_values")), true);
    return is_off ? LOGSTORE_UNINDEXED : type;
}

/* Fields have values or fields below them, not both. */
static int check_place(const struct logstore_mapping *mapping, const struct logstore_field *field,
                       const struct json *definition, struct error *error)
{
    bool has_below = logstore_mapping_is_object(mapping, field->path);
    if (field->type != LOGSTORE_OBJECT && json_get(definition, STR("properties")) != NULL &&
        json_get(definition, STR("enabled")) == NULL) {
        return error_set(error, ERROR_INVALID,
                         "Mapping definition for [" STR_FMT "] has unsupported parameters: "
                         "[properties]",
                         STR_ARG(field->path));
    }
    if (has_below && field->type != LOGSTORE_OBJECT) {
        return error_set(error, ERROR_INVALID,
                         "can't merge a non object mapping [" STR_FMT "] with an object mapping",
                         STR_ARG(field->path));
    }
    for (size_t i = field->path.size; i > 0; i--) {
        if (field->path.data[i - 1] != '.') continue;
        struct str above = str_first(field->path, i - 1);
        const struct logstore_field *found = logstore_mapping_find(mapping, above);
        if (found == NULL || found->type == LOGSTORE_OBJECT) continue;
        return error_set(error, ERROR_INVALID,
                         "can't merge a non object mapping [" STR_FMT "] with an object mapping",
                         STR_ARG(above));
    }
    return 0;
}

static int add_field(struct logstore_mapping *mapping, struct str path,
                     const struct json *definition, bool is_sub_field, struct error *error)
{
    struct str name = json_text(json_get(definition, STR("type")), STR("object"));
    struct logstore_field field = { .path = path, .is_sub_field = is_sub_field };
    if (!logstore_type_from_name(name, &field.type)) {
        return error_set(error, ERROR_INVALID,
                         "No handler for type [" STR_FMT "] declared on field [" STR_FMT "]",
                         STR_ARG(name), STR_ARG(path));
    }
    field.type = stored_type(field.type, definition);
    const struct logstore_field *known = logstore_mapping_find(mapping, path);
    if (known != NULL) {
        return known->type == field.type ? 0 : conflict(error, path, known->type, field.type);
    }
    int code = is_sub_field ? 0 : check_place(mapping, &field, definition, error);
    if (code < 0) return code;
    int64_t above = json_integer(json_get(definition, STR("ignore_above")), 0);
    field.ignore_above = above > 0 && above < UINT32_MAX ? (uint32_t)above : 0;
    field.format = json_text(json_get(definition, STR("format")), STR(""));
    field.has_no_coerce = !flag(json_get(definition, STR("coerce")), true);
    field.ignores_malformed = flag(json_get(definition, STR("ignore_malformed")), false);
    field.alias_of = json_text(json_get(definition, STR("path")), STR(""));
    bool is_object = field.type == LOGSTORE_OBJECT;
    bool has_properties = json_get(definition, STR("properties")) != NULL;
    if (!is_object || !has_properties) field.definition = definition->raw;
    return logstore_mapping_add(mapping, &field, error);
}

static int add_definition(struct logstore_mapping *mapping, struct str path,
                          const struct json *definition, struct error *error);

static int too_deep(struct error *error)
{
    return error_set(error, ERROR_LIMIT, "Limit of mapping depth [%d] has been exceeded",
                     LOGSTORE_PATH_OBJECTS_MAX);
}

/* "", "a.", ".a", "a..b": an object without a name. */
static bool has_empty_part(struct str name)
{
    bool is_empty = true;
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '.' && is_empty) return true;
        is_empty = name.data[i] == '.';
    }
    return is_empty;
}

static int add_properties(struct logstore_mapping *mapping, struct str path,
                          const struct json *properties, struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, JSON_ARENA_MAX);
    for (size_t i = 0; json_is(properties, JSON_OBJECT) && i < properties->object.count; i++) {
        const struct json_member *member = &properties->object.members[i];
        struct str below = join(&arena, path, member->key);
        if (below.data == NULL) return error_set(error, -ENOMEM, "read a mapping: out of memory");
        if (has_empty_part(member->key)) {
            return error_set(error, ERROR_INVALID,
                             "field name cannot be an empty string: [" STR_FMT "]", STR_ARG(below));
        }
        if (!json_is(&member->value, JSON_OBJECT)) {
            return error_set(error, ERROR_INVALID,
                             "Expected map for property [fields] on field [" STR_FMT "]",
                             STR_ARG(below));
        }
        if (logstore_path_is_too_deep(below)) return too_deep(error);
        int code = add_definition(mapping, below, &member->value, error);
        if (code < 0) return code;
    }
    return 0;
}

/* Whether nothing but sub-fields of the path stands behind it. */
static bool is_last(const struct logstore_mapping *mapping, struct str path)
{
    const struct logstore_field *field = logstore_mapping_find(mapping, path);
    const struct logstore_field *end = mapping->fields.items + mapping->fields.count;
    if (field == NULL) return false;
    for (field++; field < end; field++) {
        if (!field->is_sub_field) return false;
    }
    return true;
}

static int add_sub_fields(struct logstore_mapping *mapping, struct str path,
                          const struct json *fields, struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, JSON_ARENA_MAX);
    for (size_t i = 0; json_is(fields, JSON_OBJECT) && i < fields->object.count; i++) {
        const struct json_member *member = &fields->object.members[i];
        struct str below = join(&arena, path, member->key);
        if (below.data == NULL) return error_set(error, -ENOMEM, "read a mapping: out of memory");
        if (has_empty_part(member->key)) {
            return error_set(error, ERROR_INVALID,
                             "field name cannot be an empty string: [" STR_FMT "]", STR_ARG(below));
        }
        if (!json_is(&member->value, JSON_OBJECT)) continue;
        /* Sub-fields stand right behind their field, so a field that has others behind it already
         * cannot get more. */
        if (logstore_mapping_find(mapping, below) == NULL && !is_last(mapping, path)) {
            return error_set(error, ERROR_INVALID,
                             "adding multi-field [" STR_FMT "] to the existing field [" STR_FMT
                             "] is not supported: define it together with its field",
                             STR_ARG(member->key), STR_ARG(path));
        }
        int code = add_field(mapping, below, &member->value, true, error);
        if (code < 0) return code;
    }
    return 0;
}

/* Deep mappings are bounded by LOGSTORE_PATH_OBJECTS_MAX, so this may call itself. */
static int add_definition(struct logstore_mapping *mapping, struct str path,
                          const struct json *definition, struct error *error)
{
    const struct json *properties = json_get(definition, STR("properties"));
    const struct logstore_field *known = logstore_mapping_find(mapping, path);
    /* Of a stronger template, which says all of it. */
    if (mapping->is_being_made && known != NULL && known->type != LOGSTORE_OBJECT) return 0;
    int code = add_field(mapping, path, definition, false, error);
    if (code == 0) code = add_sub_fields(mapping, path, json_get(definition, STR("fields")), error);
    const struct logstore_field *added = logstore_mapping_find(mapping, path);
    bool is_object = code == 0 && added != NULL && added->type == LOGSTORE_OBJECT;
    if (is_object) code = add_properties(mapping, path, properties, error);
    return code;
}

int mapping_add_definition(struct logstore_mapping *mapping, struct str path,
                           const struct json *definition, struct error *error)
{
    return add_definition(mapping, path, definition, error);
}

static int replace_text(struct str *place, struct str text)
{
    char *copy = str_copy(text);
    if (copy == NULL) return -ENOMEM;
    free((char *)(uintptr_t)place->data);
    *place = (struct str){ copy, text.size };
    return 0;
}

/* The rule of that name in a list of {"name":{...}}; NULL: none. */
static const struct json *find_rule(const struct json *rules, struct str name)
{
    for (size_t i = 0; json_is(rules, JSON_ARRAY) && i < rules->array.count; i++) {
        const struct json *rule = &rules->array.items[i];
        if (json_get(rule, name) != NULL) return rule;
    }
    return NULL;
}

/* Rules of the templates that make an index are joined: one of the same name takes the place of the
 * earlier one, others follow. A mapping that is put later replaces them all. */
static int join_templates(const struct logstore_mapping *mapping, const struct json *rules,
                          struct buf *out, struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct json_writer json;
    const struct json *old = NULL;
    arena_init(&arena, JSON_ARENA_MAX);
    bool joins =
        mapping->is_being_made && mapping->templates_json.size > 0 && json_is(rules, JSON_ARRAY);
    if (joins && json_parse(NULL, &arena, mapping->templates_json, &old, error) < 0) return -ENOMEM;
    json_writer_init(&json, out);
    if (!joins) {
        json_put_raw(&json, rules->raw);
        return 0;
    }
    json_array_begin(&json);
    for (size_t i = 0; json_is(old, JSON_ARRAY) && i < old->array.count; i++) {
        const struct json *rule = &old->array.items[i];
        bool is_named = json_is(rule, JSON_OBJECT) && rule->object.count == 1;
        const struct json *newer = is_named ? find_rule(rules, rule->object.members[0].key) : NULL;
        json_put_raw(&json, newer != NULL ? newer->raw : rule->raw);
    }
    for (size_t i = 0; i < rules->array.count; i++) {
        const struct json *rule = &rules->array.items[i];
        bool is_named = json_is(rule, JSON_OBJECT) && rule->object.count == 1;
        if (is_named && find_rule(old, rule->object.members[0].key) != NULL) continue;
        json_put_raw(&json, rule->raw);
    }
    json_array_end(&json);
    return out->has_failed ? error_set(error, -ENOMEM, "read a mapping: out of memory") : 0;
}

static int merge_settings(struct logstore_mapping *mapping, const struct json *root,
                          struct error *error)
{
    const struct json *dynamic = json_get(root, STR("dynamic"));
    if (dynamic != NULL) {
        struct str word = json_text(dynamic, flag(dynamic, true) ? STR("true") : STR("false"));
        mapping->dynamic = str_equal(word, STR("strict"))  ? LOGSTORE_DYNAMIC_STRICT
                           : str_equal(word, STR("false")) ? LOGSTORE_DYNAMIC_FALSE
                                                           : LOGSTORE_DYNAMIC_TRUE;
    }
    const struct json *dates = json_get(root, STR("date_detection"));
    if (dates != NULL) mapping->has_no_date_detection = !flag(dates, true);
    const struct json *numbers = json_get(root, STR("numeric_detection"));
    if (numbers != NULL) mapping->has_numeric_detection = flag(numbers, false);
    const struct json *meta = json_get(root, STR("_meta"));
    if (meta != NULL && replace_text(&mapping->meta_json, meta->raw) < 0) {
        return error_set(error, -ENOMEM, "read a mapping: out of memory");
    }
    const struct json *rules = json_get(root, STR("dynamic_templates"));
    if (rules == NULL) return 0;
    CLEANUP(buf_release) struct buf joined = { 0 };
    buf_init(&joined, JSON_ARENA_MAX);
    int code = join_templates(mapping, rules, &joined, error);
    if (code < 0) return code;
    struct logstore_dynamic_template *templates = NULL;
    size_t count = 0;
    code = mapping_templates_parse(buf_str(&joined), &templates, &count, error);
    if (code < 0) return code;
    mapping_templates_free(mapping->templates, mapping->template_count);
    mapping->templates = templates;
    mapping->template_count = count;
    if (replace_text(&mapping->templates_json, buf_str(&joined)) < 0) {
        return error_set(error, -ENOMEM, "read a mapping: out of memory");
    }
    return 0;
}

static int merge_parts(struct logstore_mapping *mapping, struct str json, bool has_settings,
                       bool has_fields, struct error *error)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, JSON_ARENA_MAX);
    mapping->changes++;
    const struct json *root;
    int code = json_parse(NULL, &arena, json, &root, error);
    if (code < 0) return code;
    if (!json_is(root, JSON_OBJECT)) {
        return error_set(error, ERROR_INVALID, "mapping must be an object");
    }
    /* 7.x may put the document type around it. */
    const struct json *typed = json_get(root, STR("_doc"));
    if (typed != NULL && json_get(root, STR("properties")) == NULL) root = typed;
    const struct json *properties = json_get(root, STR("properties"));
    if (properties != NULL && !json_is(properties, JSON_OBJECT)) {
        return error_set(error, ERROR_INVALID,
                         "Failed to parse mapping [_doc]: [properties] must be an object");
    }
    if (has_settings) code = merge_settings(mapping, root, error);
    if (code < 0 || !has_fields) return code;
    return add_properties(mapping, (struct str){ NULL, 0 }, properties, error);
}

int logstore_mapping_check(const struct logstore_mapping *mapping, size_t count_max,
                           struct error *error)
{
    if (mapping->fields.count <= count_max) return 0;
    return error_set(error, ERROR_INVALID, "Limit of total fields [%zu] has been exceeded",
                     count_max);
}

int logstore_mapping_merge_json(struct logstore_mapping *mapping, struct str json,
                                struct error *error)
{
    return merge_parts(mapping, json, true, true, error);
}

int logstore_mapping_make(struct logstore_mapping *mapping, const struct str *parts, size_t count,
                          struct error *error)
{
    int code = 0;
    mapping->is_being_made = true;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = merge_parts(mapping, parts[i], true, false, error);
    }
    for (size_t i = count; code == 0 && i > 0; i--) {
        code = merge_parts(mapping, parts[i - 1], false, true, error);
    }
    mapping->is_being_made = false;
    return code;
}

/* Printing: fields are put under each other by their paths. --------------------------------- */

struct printer {
    const struct logstore_mapping *mapping;
    const struct logstore_field **fields; /* by path */
    size_t count;
    size_t at;
    struct json_writer *json;
};

/* A dot comes before all else, so that what lies below "a" stands behind it and before "a-b". */
static int by_path(const void *a, const void *b)
{
    struct str left = (*(const struct logstore_field *const *)a)->path;
    struct str right = (*(const struct logstore_field *const *)b)->path;
    size_t size = left.size < right.size ? left.size : right.size;
    for (size_t i = 0; i < size; i++) {
        if (left.data[i] == right.data[i]) continue;
        if (left.data[i] == '.' || right.data[i] == '.') return left.data[i] == '.' ? -1 : 1;
        return (unsigned char)left.data[i] < (unsigned char)right.data[i] ? -1 : 1;
    }
    return left.size < right.size ? -1 : left.size > right.size;
}

static bool lies_below(struct str path, struct str above)
{
    return path.size > above.size && str_starts_with(path, above) && path.data[above.size] == '.';
}

static void print_plain(const struct printer *printer, const struct logstore_field *field)
{
    struct json_writer *json = printer->json;
    if (field->definition.size > 0) {
        json_put_raw(json, field->definition);
        return;
    }
    json_object_begin(json);
    json_member_cstr(json, "type", logstore_type_name(field->type));
    if (field->ignore_above != 0) json_member_int(json, "ignore_above", field->ignore_above);
    for (size_t i = printer->at; i < printer->count; i++) {
        const struct logstore_field *below = printer->fields[i];
        if (i > printer->at && !lies_below(below->path, field->path)) break;
        if (!below->is_sub_field) continue;
        json_key(json, STR("fields"));
        json_object_begin(json);
        json_key(json, str_skip(below->path, field->path.size + 1));
        json_object_begin(json);
        json_member_cstr(json, "type", logstore_type_name(below->type));
        if (below->ignore_above != 0) json_member_int(json, "ignore_above", below->ignore_above);
        json_object_end(json);
        json_object_end(json);
        break;
    }
    json_object_end(json);
}

/* Depth: the parts of a path, LOGSTORE_PATH_OBJECTS_MAX and one; each level takes one off. */
static void print_level(struct printer *printer, struct str above)
{
    struct json_writer *json = printer->json;
    json_object_begin(json);
    while (printer->at < printer->count) {
        const struct logstore_field *field = printer->fields[printer->at];
        struct str path = field->path;
        if (above.size > 0 && !lies_below(path, above)) break;
        if (field->is_sub_field) {
            printer->at++;
            continue;
        }
        size_t start = above.size == 0 ? 0 : above.size + 1;
        struct str rest = str_skip(path, start);
        size_t dot = str_find_char(rest, '.');
        struct str name = dot == STR_NONE ? rest : str_first(rest, dot);
        json_key(json, name);
        if (dot == STR_NONE && field->type != LOGSTORE_OBJECT) {
            print_plain(printer, field);
            printer->at++;
            continue;
        }
        if (dot == STR_NONE) {
            printer->at++;
            if (field->definition.size > 0) {
                json_put_raw(json, field->definition);
                while (printer->at < printer->count &&
                       lies_below(printer->fields[printer->at]->path, path)) {
                    printer->at++;
                }
                continue;
            }
        }
        json_object_begin(json);
        json_key(json, STR("properties"));
        print_level(printer, str_first(path, start + name.size));
        json_object_end(json);
    }
    json_object_end(json);
}

void logstore_mapping_print(const struct logstore_mapping *mapping, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    if (mapping->dynamic != LOGSTORE_DYNAMIC_TRUE) {
        bool is_strict = mapping->dynamic == LOGSTORE_DYNAMIC_STRICT;
        json_member_cstr(&json, "dynamic", is_strict ? "strict" : "false");
    }
    if (mapping->meta_json.size > 0) {
        json_key(&json, STR("_meta"));
        json_put_raw(&json, mapping->meta_json);
    }
    if (mapping->templates_json.size > 0) {
        json_key(&json, STR("dynamic_templates"));
        json_put_raw(&json, mapping->templates_json);
    }
    if (mapping->has_no_date_detection) json_member_bool(&json, "date_detection", false);
    if (mapping->has_numeric_detection) json_member_bool(&json, "numeric_detection", true);
    size_t count = mapping->fields.count;
    const struct logstore_field **fields = calloc(count + 1, sizeof(const struct logstore_field *));
    if (fields != NULL && count > 0) {
        for (size_t i = 0; i < count; i++) fields[i] = &mapping->fields.items[i];
        qsort(fields, count, sizeof(const struct logstore_field *), by_path);
        struct printer printer = { mapping, fields, count, 0, &json };
        json_key(&json, STR("properties"));
        print_level(&printer, (struct str){ NULL, 0 });
    }
    free(fields);
    json_object_end(&json);
}
