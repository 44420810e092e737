/* document.c - one JSON document against a mapping: dynamic fields, types, and what does not fit.
 *
 * A value that does not fit its field refuses the document when the mapping is strict; else it is
 * kept: its text is indexed as a keyword beside the field ("malformed"), and the field is named in
 * "_ignored", so that nobody loses a line and everybody can find the misfits.
 */
#include "logstore/document.h"

#include "base/check.h"
#include "codec/number.h"
#include "codec/utf8.h"
#include "logstore/date.h"
#include "logstore/source_text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define PATH_SIZE_MAX 1024
#define DEPTH_MAX     64
#define PREVIEW_SIZE  60

struct walk {
    struct str id;
    struct logstore_mapping *mapping;
    const struct document_options *options;
    struct arena *arena;
    struct document_leaf_vec *leaves;
    size_t leaf_start; /* of this document */
    uint64_t *ignored;
    struct document_refusal *refusal;
    char path[PATH_SIZE_MAX];
    size_t path_size;
    unsigned depth;
    uint32_t next_field; /* a guess: documents of one shape meet their fields in the same order */
    int code;
};

static int refuse(struct walk *walk, const char *type, struct str reason, struct str cause_type,
                  struct str cause_reason)
{
    *walk->refusal = (struct document_refusal){ type, reason, cause_type, cause_reason };
    return ERROR_INVALID;
}

static int push(struct walk *walk, struct document_leaf leaf)
{
    return VEC_PUSH(walk->leaves, leaf) ? 0 : -ENOMEM;
}

static int push_text(struct walk *walk, uint32_t field, struct str text)
{
    if (text.size > UINT32_MAX) return -ENOMEM; /* documents are smaller */
    return push(walk, (struct document_leaf){
                          .field = field, .size = (uint32_t)text.size, .text = text.data });
}

static int push_ignored(struct walk *walk, struct str path)
{
    for (size_t i = walk->leaves->count; i > walk->leaf_start; i--) {
        const struct document_leaf *leaf = &walk->leaves->items[i - 1];
        if (leaf->field != UINT32_MAX || leaf->malformed != NULL) continue;
        if (str_equal((struct str){ leaf->text, leaf->size }, path)) return 0;
    }
    struct str copy = arena_copy(walk->arena, path);
    if (copy.data == NULL) return -ENOMEM;
    (*walk->ignored)++;
    return push_text(walk, UINT32_MAX, copy);
}

static struct str value_text(const struct json *value)
{
    return value->kind == JSON_TEXT ? value->text : value->raw;
}

/* A value that the field at `path` cannot take. */
static int misfit(struct walk *walk, struct str path, const struct json *value, const char *type,
                  struct str cause)
{
    struct str text = value_text(value);
    struct str preview = str_first(text, text.size < PREVIEW_SIZE ? text.size : PREVIEW_SIZE);
    if (walk->options->is_strict) {
        struct str reason = arena_printf(walk->arena,
                                         "failed to parse field [" STR_FMT
                                         "] of type [%s] in document with id '" STR_FMT
                                         "'. Preview of field's value: '" STR_FMT "'",
                                         STR_ARG(path), type, STR_ARG(walk->id), STR_ARG(preview));
        return refuse(walk, "mapper_parsing_exception", reason, STR("illegal_argument_exception"),
                      cause);
    }
    struct str copy = arena_copy(walk->arena, path);
    if (copy.data == NULL) return -ENOMEM;
    int code = push_ignored(walk, copy);
    if (code < 0 || text.size > DOCUMENT_KEYWORD_SIZE_MAX) return code;
    struct str *malformed = ARENA_NEW(walk->arena, struct str);
    if (malformed == NULL) return -ENOMEM;
    *malformed = copy;
    return push(walk, (struct document_leaf){ .field = UINT32_MAX,
                                              .size = (uint32_t)text.size,
                                              .text = text.data,
                                              .malformed = malformed });
}

static struct str for_input(struct walk *walk, const struct json *value)
{
    struct str text = value_text(value);
    struct str shown = str_first(text, text.size < PREVIEW_SIZE ? text.size : PREVIEW_SIZE);
    return arena_printf(walk->arena, "For input string: \"" STR_FMT "\"", STR_ARG(shown));
}

/* Conversions: each gives the number for a field, or false. -------------------------------- */

static bool to_integer(const struct logstore_field *field, const struct json *value, int64_t *out)
{
    static const int64_t limits[][2] = {
        [LOGSTORE_LONG] = { INT64_MIN, INT64_MAX },
        [LOGSTORE_INTEGER] = { INT32_MIN, INT32_MAX },
        [LOGSTORE_SHORT] = { INT16_MIN, INT16_MAX },
        [LOGSTORE_BYTE] = { INT8_MIN, INT8_MAX },
    };
    int64_t number = 0;
    double real = 0;
    if (value->kind == JSON_INT)
        number = value->integer;
    else if (value->kind == JSON_TEXT && str_to_int64(value->text, &number))
        real = 0;
    else {
        if (value->kind == JSON_DOUBLE)
            real = value->number;
        else if (value->kind != JSON_TEXT || !number_parse(value->text, &real))
            return false;
        if (!(real >= -0x1p63 && real < 0x1p63) || field->has_no_coerce) return false;
        number = (int64_t)real;
    }
    if (number < limits[field->type][0] || number > limits[field->type][1]) return false;
    *out = number;
    return true;
}

static bool to_real(const struct logstore_field *field, const struct json *value, int64_t *out)
{
    double real;
    if (value->kind == JSON_INT)
        real = (double)value->integer;
    else if (value->kind == JSON_DOUBLE)
        real = value->number;
    else if (value->kind != JSON_TEXT || !number_parse(value->text, &real))
        return false;
    if (field->type == LOGSTORE_FLOAT) {
        float narrow = (float)real;
        real = (double)narrow;
    }
    if (!isfinite(real)) return false;
    memcpy(out, &real, sizeof(*out));
    return true;
}

static bool to_date(const struct logstore_field *field, const struct json *value, int64_t *out)
{
    if (value->kind != JSON_TEXT && value->kind != JSON_INT && value->kind != JSON_DOUBLE) {
        return false;
    }
    struct date_options options = { .format = field->format };
    struct str text = value_text(value);
    /* The default formats try the year first: a number of four digits is one. */
    if (field->type == LOGSTORE_DATE_NANOS) return date_parse_ns(text, &options, out, NULL) == 0;
    return date_parse_ms(text, &options, out, NULL) == 0;
}

static bool to_boolean(const struct json *value, int64_t *out)
{
    if (value->kind == JSON_BOOL) {
        *out = value->boolean;
        return true;
    }
    if (value->kind != JSON_TEXT) return false;
    if (str_equal(value->text, STR("true")))
        *out = 1;
    else if (value->text.size == 0 || str_equal(value->text, STR("false")))
        *out = 0;
    else
        return false;
    return true;
}

static bool looks_like_ip(struct str text)
{
    size_t dots = 0;
    size_t colons = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        dots += c == '.';
        colons += c == ':';
        if (!is_hex && c != '.' && c != ':') return false;
    }
    return dots == 3 || colons >= 2;
}

static int map_keyword(struct walk *walk, uint32_t index, const struct json *value)
{
    const struct logstore_field *field = &walk->mapping->fields.items[index];
    struct str text = value_text(value);
    if (field->type == LOGSTORE_IP && !looks_like_ip(text)) {
        return misfit(walk, field->path, value, "ip", STR("not an IP string literal"));
    }
    bool is_long = field->ignore_above != 0 && text.size > field->ignore_above &&
                   utf8_valid_count(text) > field->ignore_above;
    if (is_long) return push_ignored(walk, field->path);
    if (text.size > DOCUMENT_KEYWORD_SIZE_MAX) {
        if (!walk->options->is_strict) return push_ignored(walk, field->path);
        struct str reason = arena_printf(
            walk->arena, "Document contains at least one immense term in field=\"" STR_FMT "\"",
            STR_ARG(field->path));
        return refuse(walk, "illegal_argument_exception", reason, STR(""), STR(""));
    }
    return push_text(walk, index, text);
}

static int map_number(struct walk *walk, uint32_t index, const struct json *value)
{
    const struct logstore_field *field = &walk->mapping->fields.items[index];
    struct document_leaf leaf = { .field = index };
    bool is_date = field->type == LOGSTORE_DATE || field->type == LOGSTORE_DATE_NANOS;
    bool fits;
    if (logstore_type_column(field->type) == LOGSTORE_COLUMN_REAL) {
        fits = to_real(field, value, &leaf.number);
    } else if (is_date) {
        fits = to_date(field, value, &leaf.number);
    } else if (field->type == LOGSTORE_BOOLEAN) {
        fits = to_boolean(value, &leaf.number);
    } else {
        fits = to_integer(field, value, &leaf.number);
    }
    if (fits) return push(walk, leaf);
    if (field->ignores_malformed) return push_ignored(walk, field->path);
    struct str cause = for_input(walk, value);
    return misfit(walk, field->path, value, logstore_type_name(field->type), cause);
}

static int map_to_field(struct walk *walk, uint32_t index, const struct json *value)
{
    enum logstore_type type = walk->mapping->fields.items[index].type;
    switch (logstore_type_column(type)) {
    case LOGSTORE_COLUMN_NONE: return 0;
    case LOGSTORE_COLUMN_TEXT: return push_text(walk, index, value_text(value));
    case LOGSTORE_COLUMN_KEYWORD: return map_keyword(walk, index, value);
    case LOGSTORE_COLUMN_INTEGER:
    case LOGSTORE_COLUMN_REAL: return map_number(walk, index, value);
    }
    return 0;
}

static struct str kind_of(const struct walk *walk, const struct json *value)
{
    switch (value->kind) {
    case JSON_BOOL: return STR("boolean");
    case JSON_INT: return STR("long");
    case JSON_DOUBLE: return STR("double");
    case JSON_TEXT: break;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT: return STR("object");
    }
    double number;
    int64_t integer;
    if (walk->mapping->has_numeric_detection) {
        if (str_to_int64(value->text, &integer)) return STR("long");
        if (number_parse(value->text, &number) && isfinite(number)) return STR("double");
    }
    bool is_date = !walk->mapping->has_no_date_detection && date_is_detected(value->text);
    return is_date ? STR("date") : STR("string");
}

static struct str here(const struct walk *walk)
{
    return (struct str){ walk->path, walk->path_size };
}

static int beyond_limit(struct walk *walk, const char *what, size_t limit)
{
    if (!walk->options->is_strict) return push_ignored(walk, here(walk));
    struct str reason =
        arena_printf(walk->arena, "Limit of %s [%zu] has been exceeded", what, limit);
    return refuse(walk, "illegal_argument_exception", reason, STR(""), STR(""));
}

/* A field that the mapping does not know yet. 1: it shall not be indexed. */
static int add_field(struct walk *walk, const struct json *value)
{
    struct logstore_mapping *mapping = walk->mapping;
    if (mapping->dynamic == LOGSTORE_DYNAMIC_STRICT) {
        struct str reason = arena_printf(walk->arena,
                                         "mapping set to strict, dynamic introduction of [" STR_FMT
                                         "] within [_doc] is not allowed",
                                         STR_ARG(here(walk)));
        return refuse(walk, "strict_dynamic_mapping_exception", reason, STR(""), STR(""));
    }
    size_t limit = walk->options->field_count_max;
    int code = 0;
    if (logstore_path_is_too_deep(here(walk))) {
        code = beyond_limit(walk, "mapping depth", LOGSTORE_PATH_OBJECTS_MAX);
        return code < 0 ? code : 1;
    }
    if (mapping->fields.count + 2 > limit) {
        code = beyond_limit(walk, "total fields", limit);
        return code < 0 ? code : 1;
    }
    code = logstore_mapping_add_dynamic(mapping, here(walk), kind_of(walk, value), NULL);
    if (code < 0 && code != -ENOMEM) return 1; /* a template that cannot be applied */
    return code;
}

/* Whether some part above the path is a field with values: "log" is text and "log.level" comes. */
static const struct logstore_field *field_above(const struct walk *walk)
{
    for (size_t i = walk->path_size; i > 0; i--) {
        if (walk->path[i - 1] != '.') continue;
        const struct logstore_field *above =
            logstore_mapping_find(walk->mapping, (struct str){ walk->path, i - 1 });
        if (above == NULL) continue;
        return above->type == LOGSTORE_OBJECT ? NULL : above;
    }
    return NULL;
}

static const struct logstore_field *find_here(const struct walk *walk)
{
    const struct logstore_mapping *mapping = walk->mapping;
    if (walk->next_field < mapping->fields.count) {
        const struct logstore_field *guess = &mapping->fields.items[walk->next_field];
        if (str_equal(guess->path, here(walk))) return guess;
    }
    return logstore_mapping_find(mapping, here(walk));
}

/* A value into its field and the sub-fields, which stand right behind it. */
static int map_to_fields(struct walk *walk, uint32_t index, const struct json *value)
{
    const struct logstore_mapping *mapping = walk->mapping;
    int code = map_to_field(walk, index, value);
    uint32_t i = index + 1;
    for (; code == 0 && i < mapping->fields.count; i++) {
        if (!mapping->fields.items[i].is_sub_field) break;
        code = map_to_field(walk, i, value);
    }
    walk->next_field = i;
    return code;
}

static int map_leaf(struct walk *walk, const struct json *value)
{
    struct logstore_mapping *mapping = walk->mapping;
    const struct logstore_field *field = find_here(walk);
    if (field == NULL) {
        if (logstore_mapping_is_object(mapping, here(walk))) {
            struct str cause =
                arena_printf(walk->arena,
                             "object mapping for [" STR_FMT "] tried to parse field [" STR_FMT
                             "] as object, but found a concrete value",
                             STR_ARG(here(walk)), STR_ARG(here(walk)));
            return misfit(walk, here(walk), value, "object", cause);
        }
        const struct logstore_field *above = field_above(walk);
        if (above != NULL) {
            if (above->type == LOGSTORE_UNINDEXED) return 0;
            struct str cause = arena_printf(
                walk->arena,
                "Could not dynamically add mapping for field [" STR_FMT
                "]. Existing mapping for [" STR_FMT "] must be of type object but "
                "found [%s].",
                STR_ARG(here(walk)), STR_ARG(above->path), logstore_type_name(above->type));
            return misfit(walk, here(walk), value, "object", cause);
        }
        int code = add_field(walk, value);
        if (code != 0) return code < 0 ? code : 0;
        field = logstore_mapping_find(mapping, here(walk));
        if (field == NULL) return 0;
    } else if (field->is_sub_field) {
        return 0;
    }
    if (field->type == LOGSTORE_OBJECT) {
        return misfit(walk, here(walk), value, "object", STR("found a concrete value"));
    }
    return map_to_fields(walk, (uint32_t)(field - mapping->fields.items), value);
}

static int bad_key(struct walk *walk, struct str key)
{
    if (!walk->options->is_strict)
        return push_ignored(walk, walk->path_size > 0 ? here(walk) : key);
    return refuse(walk, "mapper_parsing_exception", STR("failed to parse"),
                  STR("illegal_argument_exception"),
                  key.size == 0 ? STR("field name cannot be an empty string")
                                : STR("object field starting or ending with a [.] makes object "
                                      "resolution ambiguous"));
}

static bool key_is_sound(struct str key)
{
    if (key.size == 0 || key.data[0] == '.' || key.data[key.size - 1] == '.') return false;
    bool has_print = false;
    for (size_t i = 0; i < key.size; i++) has_print |= key.data[i] != ' ';
    return has_print && str_find(key, STR("..")) == STR_NONE;
}

static int walk_value(struct walk *walk, const struct json *value);

static int walk_object(struct walk *walk, const struct json *object)
{
    int code = 0;
    size_t size_before = walk->path_size;
    for (size_t i = 0; code == 0 && i < object->object.count; i++) {
        const struct json_member *member = &object->object.members[i];
        if (!key_is_sound(member->key)) {
            code = bad_key(walk, member->key);
            continue;
        }
        if (size_before + member->key.size + 1 > PATH_SIZE_MAX) {
            code = push_ignored(walk, size_before > 0 ? here(walk)
                                                      : str_first(member->key, PREVIEW_SIZE));
            continue;
        }
        if (size_before > 0) walk->path[walk->path_size++] = '.';
        memcpy(walk->path + walk->path_size, member->key.data, member->key.size);
        walk->path_size += member->key.size;
        code = walk_value(walk, &member->value);
        walk->path_size = size_before;
    }
    return code;
}

/* Depth is bounded by JSON_DEPTH_MAX of the parser and by DEPTH_MAX here. */
static int walk_value(struct walk *walk, const struct json *value)
{
    if (value->kind == JSON_NULL) return 0;
    if (value->kind == JSON_ARRAY) {
        int code = 0;
        for (size_t i = 0; code == 0 && i < value->array.count; i++) {
            code = walk_value(walk, &value->array.items[i]);
        }
        return code;
    }
    if (value->kind != JSON_OBJECT) return map_leaf(walk, value);
    if (walk->depth >= DEPTH_MAX) return push_ignored(walk, here(walk));
    const struct logstore_field *field = logstore_mapping_find(walk->mapping, here(walk));
    if (field != NULL && field->type == LOGSTORE_UNINDEXED) return 0;
    if (field != NULL && field->type != LOGSTORE_OBJECT && !field->is_sub_field) {
        struct str cause = arena_printf(walk->arena, "Can't get text on a START_OBJECT");
        return misfit(walk, here(walk), value, logstore_type_name(field->type), cause);
    }
    walk->depth++;
    int code = walk_object(walk, value);
    walk->depth--;
    return code;
}

int document_map(const struct json *root, struct str id, struct logstore_mapping *mapping,
                 const struct document_options *options, struct arena *arena,
                 struct document_leaf_vec *leaves, uint64_t *ignored,
                 struct document_refusal *refusal)
{
    struct walk walk = {
        .id = id,
        .mapping = mapping,
        .options = options,
        .arena = arena,
        .leaves = leaves,
        .leaf_start = leaves->count,
        .ignored = ignored,
        .refusal = refusal,
    };
    int code = walk_object(&walk, root);
    if (code < 0) leaves->count = walk.leaf_start;
    return code;
}

/* A walk over a document that was read by its shape. The path is not looked at, and large. */
static void walk_known(struct walk *walk, struct str id, struct logstore_mapping *mapping,
                       const struct document_options *options, struct arena *arena,
                       struct document_leaf_vec *leaves, uint64_t *ignored,
                       struct document_refusal *refusal)
{
    walk->id = id;
    walk->mapping = mapping;
    walk->options = options;
    walk->arena = arena;
    walk->leaves = leaves;
    walk->leaf_start = leaves->count;
    walk->ignored = ignored;
    walk->refusal = refusal;
    walk->path_size = 0;
    walk->depth = 0;
}

int document_map_known(const struct known_document *known, struct str id,
                       struct logstore_mapping *mapping, const struct document_options *options,
                       struct arena *arena, struct document_leaf_vec *leaves, uint64_t *ignored,
                       struct document_refusal *refusal)
{
    if (!known_plan(known->shape, mapping)) return 1;
    struct walk walk;
    walk_known(&walk, id, mapping, options, arena, leaves, ignored, refusal);
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < known->shape->shape->hole_count; i++) {
        struct json value = known_json(&known->values[i]);
        if (value.kind == JSON_NULL) continue;
        code = map_to_fields(&walk, known->shape->plans[i].field, &value);
    }
    if (code < 0) leaves->count = walk.leaf_start;
    return code;
}

/* A text into its field and the keyword beside it; false: there is more to be done. */
static bool index_texts(const struct logstore_mapping *mapping, uint32_t field, struct str text,
                        struct builder *builder)
{
    uint32_t most = mapping->fields.items[field + 1].ignore_above;
    if (text.size > (most == 0 ? DOCUMENT_KEYWORD_SIZE_MAX : most)) return false;
    struct builder_field *of_text = builder_mapped_field(builder, mapping, field);
    struct builder_field *of_keyword = builder_mapped_field(builder, mapping, field + 1);
    if (of_text != NULL && of_keyword != NULL) {
        builder_add_texts(builder, of_text, of_keyword, text);
    }
    return true;
}

/* A number into its field; false: there is more to be done. */
static bool index_number(const struct logstore_mapping *mapping, const struct known_plan *plan,
                         const struct known_value *value, struct builder *builder)
{
    static const struct date_options usual;
    struct str text = { value->data, value->size };
    int64_t number;
    bool is_read =
        plan->form == KNOWN_LONG
            ? value->kind == JSON_INT && source_integer_read(text, &number)
            : value->kind == JSON_TEXT && date_parse_ms(text, &usual, &number, NULL) == 0;
    if (!is_read) return false;
    struct builder_field *field = builder_mapped_field(builder, mapping, plan->field);
    if (field != NULL) builder_add_number(builder, field, number);
    return true;
}

/* By the shape's plan; false: as document_map does it. */
static bool index_planned(const struct logstore_mapping *mapping, const struct known_plan *plan,
                          const struct known_value *value, struct builder *builder)
{
    switch (plan->form) {
    case KNOWN_ANY: return false;
    case KNOWN_TEXTS:
        return index_texts(mapping, plan->field, (struct str){ value->data, value->size }, builder);
    case KNOWN_LONG:
    case KNOWN_DATE: return index_number(mapping, plan, value, builder);
    }
    return false;
}

int document_index_known(const struct known_document *known, struct logstore_mapping *mapping,
                         const struct document_options *options, struct arena *arena,
                         struct document_leaf_vec *scratch, uint64_t *ignored,
                         struct builder *builder)
{
    bool is_planned = known_plan(known->shape, mapping);
    CHECK(is_planned && !options->is_strict);
    struct walk walk;
    scratch->count = 0;
    walk_known(&walk, STR(""), mapping, options, arena, scratch, ignored, NULL);
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < known->shape->shape->hole_count; i++) {
        const struct known_value *value = &known->values[i];
        const struct known_plan *plan = &known->shape->plans[i];
        if (value->kind == JSON_NULL) continue;
        if (index_planned(mapping, plan, value, builder)) continue;
        size_t start = scratch->count;
        struct json json = known_json(value);
        code = map_to_fields(&walk, plan->field, &json);
        document_index(scratch->items + start, scratch->count - start, mapping, builder);
    }
    return code;
}

static void index_aside(const struct document_leaf *leaf, struct builder *builder)
{
    bool is_malformed = leaf->malformed != NULL;
    struct str path = is_malformed ? *leaf->malformed : STR("_ignored");
    struct builder_field *field = builder_field(builder, path, LOGSTORE_KEYWORD, is_malformed);
    if (field != NULL) builder_add_term(builder, field, (struct str){ leaf->text, leaf->size });
}

void document_index(const struct document_leaf *leaves, size_t count,
                    const struct logstore_mapping *mapping, struct builder *builder)
{
    for (size_t i = 0; i < count; i++) {
        const struct document_leaf *leaf = &leaves[i];
        if (leaf->field == UINT32_MAX) {
            index_aside(leaf, builder);
            continue;
        }
        struct builder_field *field = builder_mapped_field(builder, mapping, leaf->field);
        if (field == NULL) return;
        switch (field->kind) {
        case LOGSTORE_COLUMN_NONE: break;
        case LOGSTORE_COLUMN_TEXT:
            builder_add_text(builder, field, (struct str){ leaf->text, leaf->size });
            break;
        case LOGSTORE_COLUMN_KEYWORD:
            builder_add_term(builder, field, (struct str){ leaf->text, leaf->size });
            break;
        case LOGSTORE_COLUMN_INTEGER:
        case LOGSTORE_COLUMN_REAL: builder_add_number(builder, field, leaf->number); break;
        }
    }
}
