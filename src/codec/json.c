/* json.c - asking a tree. */
#include "codec/json.h"

bool json_is(const struct json *value, enum json_kind kind)
{
    return value != NULL && value->kind == kind;
}

const struct json *json_get(const struct json *object, struct str key)
{
    if (!json_is(object, JSON_OBJECT)) return NULL;
    for (size_t i = object->object.count; i > 0; i--) {
        const struct json_member *member = &object->object.members[i - 1];
        if (str_equal(member->key, key)) return &member->value;
    }
    return NULL;
}

const struct json *json_get_path(const struct json *object, struct str path)
{
    while (object != NULL) {
        const struct json *whole = json_get(object, path);
        size_t dot = str_find_char(path, '.');
        if (whole != NULL || dot == STR_NONE) return whole;
        object = json_get(object, str_first(path, dot));
        path = str_skip(path, dot + 1);
    }
    return NULL;
}

struct str json_text(const struct json *value, struct str otherwise)
{
    return json_is(value, JSON_TEXT) ? value->text : otherwise;
}

int64_t json_integer(const struct json *value, int64_t otherwise)
{
    if (json_is(value, JSON_INT)) return value->integer;
    if (!json_is(value, JSON_DOUBLE)) return otherwise;
    double number = value->number;
    if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0)) return otherwise;
    int64_t whole = (int64_t)number;
    return (double)whole == number ? whole : otherwise;
}

double json_number(const struct json *value, double otherwise)
{
    if (json_is(value, JSON_INT)) return (double)value->integer;
    return json_is(value, JSON_DOUBLE) ? value->number : otherwise;
}

bool json_boolean(const struct json *value, bool otherwise)
{
    return json_is(value, JSON_BOOL) ? value->boolean : otherwise;
}

const char *json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_INT] = "number",
        [JSON_DOUBLE] = "number", [JSON_TEXT] = "string",  [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object",
    };
    return names[kind];
}
