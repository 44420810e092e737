/* field.c - linked members; objects are small, so they are searched from the front. */
#include "shipper/field.h"

#define NUMBER_TEXT_SIZE 32

struct field *field_object(struct arena *arena)
{
    struct field *object = ARENA_NEW(arena, struct field);
    if (object != NULL) object->is_object = true;
    return object;
}

struct field *field_find(const struct field *object, struct str key)
{
    for (struct field *field = object->first; field != NULL; field = field->next) {
        if (str_equal(field->key, key)) return field;
    }
    return NULL;
}

void field_remove(struct field *object, struct str key)
{
    struct field *before = NULL;
    for (struct field *field = object->first; field != NULL; field = field->next) {
        if (!str_equal(field->key, key)) {
            before = field;
            continue;
        }
        if (before == NULL) {
            object->first = field->next;
        } else {
            before->next = field->next;
        }
        if (object->last == field) object->last = before;
        object->count--;
        return;
    }
}

static void append(struct field *object, struct field *member)
{
    member->next = NULL;
    if (object->last == NULL) {
        object->first = member;
    } else {
        object->last->next = member;
    }
    object->last = member;
    object->count++;
}

/* Gives `field` the value of `source`; key and place stay. */
static void set_value(struct field *field, const struct field *source)
{
    struct field *next = field->next;
    struct str key = field->key;
    *field = *source;
    field->next = next;
    field->key = key;
}

struct field *field_put(struct arena *arena, struct field *object, struct str key)
{
    static const struct field null = { .kind = JSON_NULL, .raw = STR_INIT("null") };
    struct field *field = field_find(object, key);
    if (field == NULL) {
        field = ARENA_NEW(arena, struct field);
        if (field == NULL) return NULL;
        field->key = key;
        append(object, field);
    }
    set_value(field, &null);
    return field;
}

struct field *field_put_object(struct arena *arena, struct field *object, struct str key)
{
    struct field *field = field_find(object, key);
    if (field != NULL && field->is_object) return field;
    field = field_put(arena, object, key);
    if (field != NULL) field->is_object = true;
    return field;
}

bool field_put_raw(struct arena *arena, struct field *object, struct str key, struct str raw)
{
    struct field *field = field_put(arena, object, key);
    if (field == NULL) return false;
    field->kind = JSON_INT; /* anything but null and text */
    field->raw = raw;
    return true;
}

/* The text with its quotes, in the arena. */
static struct str escape(struct arena *arena, struct str text)
{
    CLEANUP(buf_release) struct buf quoted;
    buf_init(&quoted, arena->size_max);
    json_escape(&quoted, text);
    if (quoted.has_failed) return (struct str){ 0 };
    return arena_copy(arena, buf_str(&quoted));
}

bool field_put_text(struct arena *arena, struct field *object, struct str key, struct str text)
{
    struct str raw = escape(arena, text);
    struct field *field = raw.data == NULL ? NULL : field_put(arena, object, key);
    if (field == NULL) return false;
    field->kind = JSON_TEXT;
    field->raw = raw;
    field->text = text;
    return true;
}

bool field_put_int(struct arena *arena, struct field *object, struct str key, int64_t number)
{
    struct str raw = arena_printf(arena, "%lld", (long long)number);
    return raw.data != NULL && field_put_raw(arena, object, key, raw);
}

/* A number as the doubles of the real system print it; digits beyond a double are lost there. */
static struct str print_double(struct arena *arena, double number)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, NUMBER_TEXT_SIZE * 16);
    struct json_writer json;
    json_writer_init(&json, &text);
    json_put_double(&json, number);
    return arena_copy(arena, buf_str(&text));
}

static bool set_from_json(struct arena *arena, struct field *field, const struct json *value)
{
    field->kind = value->kind;
    field->raw = value->raw;
    if (value->kind == JSON_TEXT) field->text = value->text;
    if (value->kind == JSON_DOUBLE) {
        field->raw = print_double(arena, value->number);
        return field->raw.data != NULL;
    }
    if (value->kind != JSON_OBJECT || value->object.count > FIELD_COUNT_MAX) return true;
    struct field *object = field_from_json(arena, value);
    if (object == NULL) return false;
    set_value(field, object);
    return true;
}

struct field *field_from_json(struct arena *arena, const struct json *object)
{
    if (object->object.count > FIELD_COUNT_MAX) return NULL;
    struct field *made = field_object(arena);
    for (size_t i = 0; made != NULL && i < object->object.count; i++) {
        const struct json_member *member = &object->object.members[i];
        struct field *field = field_put(arena, made, member->key);
        if (field == NULL || !set_from_json(arena, field, &member->value)) return NULL;
    }
    return made;
}

bool field_merge(struct arena *arena, struct field *target, struct field *source, bool overwrite)
{
    struct field *next;
    for (struct field *field = source->first; field != NULL; field = next) {
        next = field->next;
        struct field *there = field_find(target, field->key);
        if (there == NULL) {
            append(target, field);
        } else if (there->is_object && field->is_object) {
            if (!field_merge(arena, there, field, overwrite)) return false;
        } else if (overwrite) {
            set_value(there, field);
        }
    }
    source->first = NULL;
    source->last = NULL;
    source->count = 0;
    return true;
}

/* ---- expansion ---- */

static bool put_expanded(struct arena *arena, struct field *object, const struct field *member,
                         struct str *conflict);

/* Two objects for one place become one, unless they hold the same key. */
static bool join(struct arena *arena, struct field *target, const struct field *source,
                 struct str *conflict)
{
    for (const struct field *field = source->first; field != NULL; field = field->next) {
        if (!put_expanded(arena, target, field, conflict)) return false;
    }
    return true;
}

/* Puts a member whose key is one part already. */
static bool put_expanded(struct arena *arena, struct field *object, const struct field *member,
                         struct str *conflict)
{
    struct field *there = field_find(object, member->key);
    if (there != NULL && there->is_object && member->is_object) {
        return join(arena, there, member, conflict);
    }
    if (there != NULL || object->count >= FIELD_COUNT_MAX) {
        *conflict = member->key;
        return false;
    }
    struct field *field = field_put(arena, object, member->key);
    if (field == NULL) return false;
    set_value(field, member);
    return true;
}

/* Walks down the dotted parts, making objects. */
static bool put_dotted(struct arena *arena, struct field *object, const struct field *member,
                       struct str *conflict)
{
    struct str rest = member->key;
    size_t dot;
    for (size_t depth = 0; (dot = str_find_char(rest, '.')) != STR_NONE; depth++) {
        struct str part = str_first(rest, dot);
        struct field *there = field_find(object, part);
        if ((there != NULL && !there->is_object) || depth >= JSON_DEPTH_MAX) {
            *conflict = member->key;
            return false;
        }
        object = field_put_object(arena, object, part);
        if (object == NULL) return false;
        rest = str_skip(rest, dot + 1);
    }
    struct field leaf = *member;
    leaf.key = rest;
    bool is_done = put_expanded(arena, object, &leaf, conflict);
    if (!is_done && conflict->data != NULL) *conflict = member->key;
    return is_done;
}

struct field *field_expand(struct arena *arena, const struct field *object, struct str *conflict)
{
    struct field *made = field_object(arena);
    for (const struct field *field = object->first; made != NULL && field != NULL;
         field = field->next) {
        struct field member = *field;
        if (field->is_object) {
            struct field *inner = field_expand(arena, field, conflict);
            if (inner == NULL) return NULL;
            set_value(&member, inner);
        }
        if (!put_dotted(arena, made, &member, conflict)) return NULL;
    }
    return made;
}

void field_print_members(struct json_writer *json, const struct field *object)
{
    for (const struct field *field = object->first; field != NULL; field = field->next) {
        if (!field->is_object && field->kind == JSON_NULL) continue;
        json_key(json, field->key);
        if (field->is_object) {
            json_object_begin(json);
            field_print_members(json, field);
            json_object_end(json);
        } else {
            json_put_raw(json, field->raw);
        }
    }
}
