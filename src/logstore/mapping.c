/* mapping.c - the fields of an index: types, additions by hand and by what documents bring. */
#include "logstore/mapping.h"

#include "base/check.h"
#include "base/random.h"
#include "logstore/mapping_template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct type_row {
    struct str name;
    enum logstore_column_kind column;
};

static const struct type_row types[] = {
    [LOGSTORE_TEXT] = { STR_INIT("text"), LOGSTORE_COLUMN_TEXT },
    [LOGSTORE_KEYWORD] = { STR_INIT("keyword"), LOGSTORE_COLUMN_KEYWORD },
    [LOGSTORE_IP] = { STR_INIT("ip"), LOGSTORE_COLUMN_KEYWORD },
    [LOGSTORE_LONG] = { STR_INIT("long"), LOGSTORE_COLUMN_INTEGER },
    [LOGSTORE_INTEGER] = { STR_INIT("integer"), LOGSTORE_COLUMN_INTEGER },
    [LOGSTORE_SHORT] = { STR_INIT("short"), LOGSTORE_COLUMN_INTEGER },
    [LOGSTORE_BYTE] = { STR_INIT("byte"), LOGSTORE_COLUMN_INTEGER },
    [LOGSTORE_DOUBLE] = { STR_INIT("double"), LOGSTORE_COLUMN_REAL },
    [LOGSTORE_FLOAT] = { STR_INIT("float"), LOGSTORE_COLUMN_REAL },
    [LOGSTORE_DATE] = { STR_INIT("date"), LOGSTORE_COLUMN_INTEGER },
    [LOGSTORE_DATE_NANOS] = { STR_INIT("date_nanos"), LOGSTORE_COLUMN_INTEGER },
    [LOGSTORE_BOOLEAN] = { STR_INIT("boolean"), LOGSTORE_COLUMN_INTEGER },
    [LOGSTORE_OBJECT] = { STR_INIT("object"), LOGSTORE_COLUMN_NONE },
    [LOGSTORE_UNINDEXED] = { STR_INIT("unindexed"), LOGSTORE_COLUMN_NONE },
};
_Static_assert(ARRAY_LENGTH(types) == LOGSTORE_TYPE_COUNT, "a type needs a row");

struct type_alias {
    struct str name;
    enum logstore_type type;
};

/* Types that are kept as another one; their own name stays in the definition. */
static const struct type_alias type_aliases[] = {
    { STR_INIT("match_only_text"), LOGSTORE_TEXT },
    { STR_INIT("search_as_you_type"), LOGSTORE_TEXT },
    { STR_INIT("annotated_text"), LOGSTORE_TEXT },
    { STR_INIT("wildcard"), LOGSTORE_KEYWORD },
    { STR_INIT("constant_keyword"), LOGSTORE_KEYWORD },
    { STR_INIT("version"), LOGSTORE_KEYWORD },
    { STR_INIT("half_float"), LOGSTORE_FLOAT },
    { STR_INIT("scaled_float"), LOGSTORE_DOUBLE },
    { STR_INIT("unsigned_long"), LOGSTORE_LONG },
    { STR_INIT("nested"), LOGSTORE_OBJECT },
    { STR_INIT("flattened"), LOGSTORE_OBJECT },
    { STR_INIT("geo_point"), LOGSTORE_UNINDEXED },
    { STR_INIT("geo_shape"), LOGSTORE_UNINDEXED },
    { STR_INIT("shape"), LOGSTORE_UNINDEXED },
    { STR_INIT("point"), LOGSTORE_UNINDEXED },
    { STR_INIT("binary"), LOGSTORE_UNINDEXED },
    { STR_INIT("histogram"), LOGSTORE_UNINDEXED },
    { STR_INIT("completion"), LOGSTORE_UNINDEXED },
    { STR_INIT("alias"), LOGSTORE_UNINDEXED },
    { STR_INIT("integer_range"), LOGSTORE_UNINDEXED },
    { STR_INIT("long_range"), LOGSTORE_UNINDEXED },
    { STR_INIT("float_range"), LOGSTORE_UNINDEXED },
    { STR_INIT("double_range"), LOGSTORE_UNINDEXED },
    { STR_INIT("date_range"), LOGSTORE_UNINDEXED },
    { STR_INIT("ip_range"), LOGSTORE_UNINDEXED },
};

const char *logstore_type_name(enum logstore_type type)
{
    CHECK(type < LOGSTORE_TYPE_COUNT);
    return types[type].name.data;
}

enum logstore_column_kind logstore_type_column(enum logstore_type type)
{
    CHECK(type < LOGSTORE_TYPE_COUNT);
    return types[type].column;
}

bool logstore_type_from_name(struct str name, enum logstore_type *type)
{
    for (size_t i = 0; i < LOGSTORE_UNINDEXED; i++) {
        if (str_equal(types[i].name, name)) {
            *type = (enum logstore_type)i;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(type_aliases); i++) {
        if (str_equal(type_aliases[i].name, name)) {
            *type = type_aliases[i].type;
            return true;
        }
    }
    return false;
}

struct logstore_mapping *logstore_mapping_new(void)
{
    struct logstore_mapping *mapping = calloc(1, sizeof(*mapping));
    if (mapping == NULL) return NULL;
    mapping->ref_count = 1;
    random_secret(&mapping->serial, sizeof(mapping->serial));
    return mapping;
}

static void text_free(struct str text)
{
    free((char *)(uintptr_t)text.data);
}

static bool text_copy(struct str text, struct str *copy)
{
    char *bytes = str_copy(text);
    *copy = (struct str){ bytes, text.size };
    return bytes != NULL;
}

static void field_release(struct logstore_field *field)
{
    text_free(field->path);
    text_free(field->format);
    text_free(field->alias_of);
    text_free(field->definition);
}

void logstore_mapping_free(struct logstore_mapping *mapping)
{
    if (mapping == NULL) return;
    VEC_FOR_EACH (&mapping->fields, field) field_release(field);
    VEC_RELEASE(&mapping->fields);
    map_release(&mapping->by_path);
    map_release(&mapping->objects);
    mapping_templates_free(mapping->templates, mapping->template_count);
    text_free(mapping->templates_json);
    text_free(mapping->meta_json);
    free(mapping);
}

static bool add_objects(struct logstore_mapping *mapping, struct str path)
{
    for (size_t i = 0; i < path.size; i++) {
        if (path.data[i] != '.') continue;
        struct str above = str_first(path, i);
        if (map_has(&mapping->objects, above)) continue;
        if (map_put(&mapping->objects, above, mapping) < 0) return false;
    }
    return true;
}

bool logstore_path_is_too_deep(struct str path)
{
    size_t dots = 0;
    for (size_t i = 0; i < path.size; i++) dots += path.data[i] == '.';
    return dots > LOGSTORE_PATH_OBJECTS_MAX;
}

int logstore_mapping_add(struct logstore_mapping *mapping, const struct logstore_field *field,
                         struct error *error)
{
    CHECK(!map_has(&mapping->by_path, field->path));
    struct logstore_field copy = *field;
    bool is_copied = text_copy(field->path, &copy.path);
    is_copied &= text_copy(field->format, &copy.format);
    is_copied &= text_copy(field->alias_of, &copy.alias_of);
    is_copied &= text_copy(field->definition, &copy.definition);
    uintptr_t number = mapping->fields.count + 1;
    bool is_object = field->type == LOGSTORE_OBJECT;
    if (!is_copied || !VEC_RESERVE(&mapping->fields, 1) ||
        (!field->is_sub_field && !add_objects(mapping, copy.path)) ||
        (is_object && map_put(&mapping->objects, copy.path, mapping) < 0) ||
        map_put(&mapping->by_path, copy.path, (void *)number) < 0) {
        field_release(&copy);
        return error_set(error, -ENOMEM, "add a field: out of memory");
    }
    (void)VEC_PUSH(&mapping->fields, copy);
    mapping->changes++;
    return 0;
}

struct logstore_mapping *logstore_mapping_copy(const struct logstore_mapping *mapping)
{
    struct logstore_mapping *copy = logstore_mapping_new();
    if (copy == NULL) return NULL;
    copy->dynamic = mapping->dynamic;
    copy->has_no_date_detection = mapping->has_no_date_detection;
    copy->has_numeric_detection = mapping->has_numeric_detection;
    bool is_copied = text_copy(mapping->templates_json, &copy->templates_json) &&
                     text_copy(mapping->meta_json, &copy->meta_json) &&
                     mapping_templates_parse(copy->templates_json, &copy->templates,
                                             &copy->template_count, NULL) == 0;
    for (size_t i = 0; is_copied && i < mapping->fields.count; i++) {
        is_copied = logstore_mapping_add(copy, &mapping->fields.items[i], NULL) == 0;
    }
    copy->serial = mapping->serial;
    copy->changes = mapping->changes;
    if (is_copied) return copy;
    logstore_mapping_free(copy);
    return NULL;
}

const struct logstore_field *logstore_mapping_find(const struct logstore_mapping *mapping,
                                                   struct str path)
{
    uintptr_t number = (uintptr_t)map_get(&mapping->by_path, path);
    return number == 0 ? NULL : &mapping->fields.items[number - 1];
}

bool logstore_mapping_is_object(const struct logstore_mapping *mapping, struct str path)
{
    return map_has(&mapping->objects, path);
}

#define KEYWORD_IGNORE_ABOVE 256

static int add_plain(struct logstore_mapping *mapping, struct str path, enum logstore_type type,
                     struct error *error)
{
    struct logstore_field field = { .path = path, .type = type };
    return logstore_mapping_add(mapping, &field, error);
}

static int add_string(struct logstore_mapping *mapping, struct str path, struct error *error)
{
    int code = add_plain(mapping, path, LOGSTORE_TEXT, error);
    if (code < 0) return code;
    CLEANUP(buf_release) struct buf sub_path = { 0 };
    buf_init(&sub_path, path.size + 16);
    buf_append_str(&sub_path, path);
    buf_append_cstr(&sub_path, ".keyword");
    if (sub_path.has_failed) return error_set(error, -ENOMEM, "add a field: out of memory");
    struct logstore_field keyword = {
        .path = buf_str(&sub_path),
        .type = LOGSTORE_KEYWORD,
        .ignore_above = KEYWORD_IGNORE_ABOVE,
        .is_sub_field = true,
    };
    if (logstore_mapping_find(mapping, keyword.path) != NULL) return 0;
    return logstore_mapping_add(mapping, &keyword, error);
}

int logstore_mapping_add_dynamic(struct logstore_mapping *mapping, struct str path, struct str kind,
                                 struct error *error)
{
    if (mapping->dynamic == LOGSTORE_DYNAMIC_FALSE) return 1;
    const struct logstore_dynamic_template *rule =
        mapping_templates_find(mapping->templates, mapping->template_count, path, kind);
    if (rule != NULL) return mapping_template_apply(rule, mapping, path, kind, error);
    if (str_equal(kind, STR("string"))) return add_string(mapping, path, error);
    enum logstore_type type = LOGSTORE_BOOLEAN;
    if (str_equal(kind, STR("long"))) type = LOGSTORE_LONG;
    if (str_equal(kind, STR("double"))) type = LOGSTORE_FLOAT;
    if (str_equal(kind, STR("date"))) type = LOGSTORE_DATE;
    if (str_equal(kind, STR("object"))) return 0;
    return add_plain(mapping, path, type, error);
}
