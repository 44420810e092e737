/* known.c - documents of shapes that were seen before are read without a parser. */
#include "logstore/known.h"

#include "codec/json_text.h"
#include "codec/utf8.h"

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
        free(known->items.items[i]->fields);
        free(known->items.items[i]);
    }
    known->items.count = 0;
}

void known_release(struct known_shapes *known)
{
    forget(known);
    VEC_RELEASE(&known->items);
    VEC_RELEASE(&known->holes);
    buf_release(&known->text);
}

void known_trim(struct known_shapes *known)
{
    if (known->items.count >= SHAPES_MAX) forget(known);
}

/* What a text holds besides plain ASCII. */
struct contents {
    bool has_control, has_escape, has_more;
};

static struct contents contents_of(struct str text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = UINT64_C(0x8080808080808080);
    uint64_t more = 0;
    uint64_t control = 0;
    uint64_t escape = 0;
    size_t i = 0;
    for (; i + 8 <= text.size; i += 8) {
        uint64_t word;
        memcpy(&word, text.data + i, sizeof(word));
        uint64_t slash = word ^ (ones * '\\');
        more |= word;
        control |= (word - ones * 0x20) & ~word;
        escape |= (slash - ones) & ~slash;
    }
    struct contents contents = { (control & tops) != 0, (escape & tops) != 0, (more & tops) != 0 };
    for (; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        contents.has_control |= c < 0x20;
        contents.has_escape |= c == '\\';
        contents.has_more |= c >= 0x80;
    }
    return contents;
}

static bool read_text(struct str raw, struct arena *arena, struct json *value)
{
    struct contents contents = contents_of(raw);
    /* The words' test for control characters may be wrong, but only towards the parser. */
    if (contents.has_control) return false;
    if (contents.has_more && !utf8_is_valid(raw)) return false;
    value->kind = JSON_TEXT;
    value->raw = (struct str){ raw.data - 1, raw.size + 2 };
    value->text = raw;
    if (!contents.has_escape) return true;
    size_t size;
    size_t mistake;
    char *room = arena_alloc(arena, raw.size + JSON_PADDING, 1);
    if (room == NULL || !json_text_unescape(raw, room, &size, &mistake)) return false;
    value->text = (struct str){ room, size };
    return true;
}

static bool read_token(struct str raw, struct json *value)
{
    value->raw = raw;
    char first = raw.data[0];
    if (first == '-' || (first >= '0' && first <= '9')) {
        return json_number_read(raw.data, value) == JSON_NUMBER_GOOD && value->raw.size == raw.size;
    }
    bool is_true = str_equal(raw, STR("true"));
    if (is_true || str_equal(raw, STR("false"))) {
        value->kind = JSON_BOOL;
        value->boolean = is_true;
        return true;
    }
    value->kind = JSON_NULL;
    return str_equal(raw, STR("null"));
}

static bool read_values(const struct known_shapes *known, const struct shape *shape,
                        struct arena *arena, struct json *values)
{
    for (uint32_t i = 0; i < shape->hole_count; i++) {
        struct str raw = known->holes.items[i];
        bool is_good = shape_is_text(shape, i) ? read_text(raw, arena, &values[i])
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
        if (!shape_fits(shape->shape, document, known->holes.items)) continue;
        struct json *values = ARENA_ARRAY(arena, struct json, shape->shape->hole_count + 1);
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
    fresh->fields = calloc(known->holes.count + 1, sizeof(uint32_t));
    known->holes.count = 0;
    bool is_usable = fresh->shape != NULL && fresh->fields != NULL && !fresh->shape->has_odd_keys &&
                     !fresh->shape->has_empty_object && fresh->shape->depth <= NESTING_MAX &&
                     VEC_RESERVE(&known->holes, HOLES_MAX);
    if (!is_usable) {
        shape_free(fresh->shape);
        free(fresh->fields);
        free(fresh);
        return;
    }
    for (size_t k = known->items.count++; k > 0; k--) {
        known->items.items[k] = known->items.items[k - 1];
    }
    known->items.items[0] = fresh;
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
        shape->fields[i] = (uint32_t)(field - mapping->fields.items);
    }
    shape->has_all_fields = true;
    return true;
}
