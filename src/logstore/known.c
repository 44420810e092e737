/* known.c - documents of shapes that were seen before are read without a parser. */
#include "logstore/known.h"

#include "codec/json_text.h"
#include "codec/utf8.h"
#include "logstore/quoted.h"
#include "logstore/source_text.h"

#include <stdlib.h>
#include <string.h>

#define SHAPES_MAX  64
#define TRIES_MAX   4           /* shapes that are compared before the parser is asked */
#define LEARN_MAX   (16u << 10) /* bytes of a document whose shape is worth learning */
#define HOLES_MAX   512
#define NESTING_MAX 32

void known_init(struct known_shapes *known)
{
    *known = (struct known_shapes){ .items = { 0 } };
    buf_init(&known->text, SHAPE_SIZE_MAX * 2);
}

static void forget(struct known_shapes *known)
{
    for (size_t i = 0; i < known->items.count; i++) {
        shape_free(known->items.items[i]->shape);
        free(known->items.items[i]->plans);
        free(known->items.items[i]);
    }
    known->items.count = 0;
}

void known_release(struct known_shapes *known)
{
    forget(known);
    VEC_RELEASE(&known->items);
    VEC_RELEASE(&known->holes);
    VEC_RELEASE(&known->contents);
    buf_release(&known->text);
}

void known_trim(struct known_shapes *known)
{
    if (known->items.count >= SHAPES_MAX) forget(known);
}

static bool read_text(struct str raw, unsigned contents, struct arena *arena,
                      struct known_value *value)
{
    if ((contents & QUOTED_CONTROL) != 0 || raw.size > UINT32_MAX) return false;
    if ((contents & QUOTED_MORE) != 0 && !utf8_is_valid(raw)) return false;
    *value = (struct known_value){ raw.data, (uint32_t)raw.size, JSON_TEXT };
    if ((contents & QUOTED_ESCAPE) == 0) return true;
    size_t size;
    size_t mistake;
    char *room = arena_alloc(arena, raw.size + JSON_PADDING, 1);
    if (room == NULL || !json_text_unescape(raw, room, &size, &mistake)) return false;
    value->data = room;
    value->size = (uint32_t)size;
    return true;
}

static bool read_token(struct str raw, struct known_value *value)
{
    int64_t integer;
    struct json number;
    *value = (struct known_value){ raw.data, (uint32_t)raw.size, JSON_INT };
    if (source_integer_read(raw, &integer)) return true;
    char first = raw.data[0];
    if (first == '-' || (first >= '0' && first <= '9')) {
        if (json_number_read(raw.data, &number) != JSON_NUMBER_GOOD) return false;
        value->kind = (uint8_t)number.kind;
        return number.raw.size == raw.size;
    }
    bool is_boolean = str_equal(raw, STR("true")) || str_equal(raw, STR("false"));
    value->kind = is_boolean ? JSON_BOOL : JSON_NULL;
    return is_boolean || str_equal(raw, STR("null"));
}

struct json known_json(const struct known_value *value)
{
    struct json json = { .kind = (enum json_kind)value->kind, .raw = { value->data, value->size } };
    if (value->kind == JSON_TEXT)
        json.text = json.raw;
    else if (value->kind == JSON_BOOL)
        json.boolean = value->data[0] == 't';
    else if (value->kind == JSON_DOUBLE ||
             (value->kind == JSON_INT && !source_integer_read(json.raw, &json.integer)))
        (void)!json_number_read(value->data, &json);
    return json;
}

static bool read_values(const struct known_shapes *known, const struct shape *shape,
                        struct arena *arena, struct known_value *values)
{
    for (uint32_t i = 0; i < shape->hole_count; i++) {
        struct str raw = known->holes.items[i];
        bool is_good = shape_is_text(shape, i)
                           ? read_text(raw, known->contents.items[i], arena, &values[i])
                           : read_token(raw, &values[i]);
        if (!is_good) return false;
    }
    return true;
}

bool known_read(struct known_shapes *known, struct str document, struct arena *arena,
                struct known_document *out)
{
    size_t count = known->items.count < TRIES_MAX ? known->items.count : TRIES_MAX;
    for (size_t i = 0; i < count; i++) {
        struct known_shape *shape = known->items.items[i];
        if (!shape_fits(shape->shape, document, known->holes.items, known->contents.items))
            continue;
        struct known_value *values =
            ARENA_ARRAY(arena, struct known_value, shape->shape->hole_count + 1);
        if (values == NULL || !read_values(known, shape->shape, arena, values)) return false;
        for (size_t k = i; k > 0; k--) known->items.items[k] = known->items.items[k - 1];
        known->items.items[0] = shape;
        *out = (struct known_document){ shape, values };
        return true;
    }
    return false;
}

static bool is_known(const struct known_shapes *known, struct str text)
{
    uint32_t hash = shape_hash(text);
    for (size_t i = 0; i < known->items.count; i++) {
        const struct shape *shape = known->items.items[i]->shape;
        if (shape->hash == hash && str_equal(shape->text, text)) return true;
    }
    return false;
}

void known_learn(struct known_shapes *known, struct str document)
{
    if (document.size > LEARN_MAX || known->items.count >= SHAPES_MAX) return;
    if (!VEC_RESERVE(&known->items, 1)) return;
    if (!shape_split(document, &known->text, &known->holes)) return;
    if (known->holes.count > HOLES_MAX || is_known(known, buf_str(&known->text))) return;
    struct known_shape *fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL) return;
    fresh->shape = shape_new(buf_str(&known->text), known->holes.count);
    fresh->plans = calloc(known->holes.count + 1, sizeof(*fresh->plans));
    known->holes.count = 0;
    bool is_usable = fresh->shape != NULL && fresh->plans != NULL && !fresh->shape->has_odd_keys &&
                     !fresh->shape->has_empty_object && fresh->shape->depth <= NESTING_MAX &&
                     VEC_RESERVE(&known->holes, HOLES_MAX) &&
                     VEC_RESERVE(&known->contents, HOLES_MAX);
    if (!is_usable) {
        shape_free(fresh->shape);
        free(fresh->plans);
        free(fresh);
        return;
    }
    for (size_t k = known->items.count++; k > 0; k--) {
        known->items.items[k] = known->items.items[k - 1];
    }
    known->items.items[0] = fresh;
}

static enum known_form form_of(const struct logstore_mapping *mapping, size_t number)
{
    const struct logstore_field *fields = mapping->fields.items;
    size_t end = number + 1;
    while (end < mapping->fields.count && fields[end].is_sub_field) end++;
    size_t sub_count = end - number - 1;
    const struct logstore_field *field = &fields[number];
    if (sub_count == 0 && field->type == LOGSTORE_LONG) return KNOWN_LONG;
    if (sub_count == 0 && field->type == LOGSTORE_DATE && field->format.size == 0) {
        return KNOWN_DATE;
    }
    /* As dynamic mapping makes them. */
    bool is_texts = sub_count == 1 && field->type == LOGSTORE_TEXT &&
                    fields[number + 1].type == LOGSTORE_KEYWORD;
    return is_texts ? KNOWN_TEXTS : KNOWN_ANY;
}

bool known_plan(struct known_shape *shape, const struct logstore_mapping *mapping)
{
    if (shape->mapping_serial == mapping->serial && shape->mapping_changes == mapping->changes) {
        return shape->has_all_fields;
    }
    shape->mapping_serial = mapping->serial;
    shape->mapping_changes = mapping->changes;
    shape->has_all_fields = false;
    for (uint32_t i = 0; i < shape->shape->hole_count; i++) {
        const struct logstore_field *field = logstore_mapping_find(mapping, shape->shape->paths[i]);
        if (field == NULL || field->is_sub_field || field->alias_of.size > 0 ||
            field->type == LOGSTORE_OBJECT) {
            return false;
        }
        size_t number = (size_t)(field - mapping->fields.items);
        shape->plans[i].field = (uint32_t)number;
        shape->plans[i].form = form_of(mapping, number);
    }
    shape->has_all_fields = true;
    return true;
}
