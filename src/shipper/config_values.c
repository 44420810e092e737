/* config_values.c - one reader a kind of value. */
#include "shipper/config_values.h"

#include "base/clock.h"
#include "codec/json_writer.h"
#include "codec/number.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define OBJECT_SIZE_MAX (1u << 20)
#define WARNING_SIZE    512

static int fail_memory(struct error *error)
{
    return error_set(error, -ENOMEM, "no memory for the configuration");
}

void ship_warn(const struct yaml_node *node, const struct yaml_reading *reading, const char *format,
               ...)
{
    char text[WARNING_SIZE];
    int size = snprintf(text, sizeof(text), STR_FMT ":%zu:%zu: ", STR_ARG(node->file), node->line,
                        node->column);
    if (size < 0 || (size_t)size >= sizeof(text)) return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + size, sizeof(text) - (size_t)size, format, arguments);
    va_end(arguments);
    reading->warn(reading->argument, text);
}

struct unit {
    struct str name;
    double factor;
};

/* A number at the front of `text`; the rest stays in *text. */
static bool take_number(struct str *text, double *number)
{
    size_t size = 0;
    while (size < text->size &&
           ((text->data[size] >= '0' && text->data[size] <= '9') || text->data[size] == '.')) {
        size++;
    }
    if (size == 0 || !number_parse(str_first(*text, size), number)) return false;
    *text = str_skip(*text, size);
    return true;
}

/* The longest unit at the front. */
static const struct unit *take_unit(struct str *text, const struct unit *units, size_t count)
{
    const struct unit *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!str_starts_with(*text, units[i].name)) continue;
        if (found == NULL || units[i].name.size > found->name.size) found = &units[i];
    }
    if (found != NULL) *text = str_skip(*text, found->name.size);
    return found;
}

/* "1h30m" */
static bool parse_duration(struct str text, double *total_ms)
{
    static const struct unit units[] = {
        { STR_INIT("ns"), 1e-6 }, { STR_INIT("us"), 1e-3 }, { STR_INIT("ms"), 1 },
        { STR_INIT("s"), 1000 },  { STR_INIT("m"), 60000 }, { STR_INIT("h"), 3600000 },
    };
    double number;
    *total_ms = 0;
    struct str rest = text;
    if (take_number(&rest, &number) && rest.size == 0) {
        *total_ms = number * 1000;
        return true;
    }
    if (text.size == 0) return false;
    while (text.size > 0) {
        if (!take_number(&text, &number)) return false;
        const struct unit *unit = take_unit(&text, units, ARRAY_LENGTH(units));
        if (unit == NULL) return false;
        *total_ms += number * unit->factor;
    }
    return true;
}

READER(ship_read_duration)
{
    (void)reading;
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    double total_ms;
    if (str_equal(text, STR("-1"))) {
        *(int64_t *)field = 0; /* "off" of the newer settings */
        return 0;
    }
    if (!parse_duration(text, &total_ms) || total_ms > 1e15) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "expected a duration such as '10s' or '5m', got '" STR_FMT "'",
                         STR_ARG(text));
    }
    *(int64_t *)field = (int64_t)ceil(total_ms);
    return 0;
}

READER(ship_read_size)
{
    static const struct unit units[] = {
        { STR_INIT("B"), 1 },
        { STR_INIT("b"), 1 },
        { STR_INIT("KB"), 1e3 },
        { STR_INIT("kB"), 1e3 },
        { STR_INIT("MB"), 1e6 },
        { STR_INIT("GB"), 1e9 },
        { STR_INIT("KiB"), 1024 },
        { STR_INIT("MiB"), 1048576 },
        { STR_INIT("K"), 1024 },
        { STR_INIT("M"), 1048576 },
        { STR_INIT("G"), 1073741824 },
        { STR_INIT("k"), 1024 },
        { STR_INIT("GiB"), 1073741824 },
    };
    (void)reading;
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    struct str rest = text;
    double number = 0;
    double factor = 1;
    bool is_good = take_number(&rest, &number);
    rest = str_trim(rest);
    if (is_good && rest.size > 0) {
        const struct unit *unit = take_unit(&rest, units, ARRAY_LENGTH(units));
        is_good = unit != NULL && rest.size == 0;
        if (is_good) factor = unit->factor;
    }
    if (!is_good || number * factor > 1e15) {
        return yaml_fail(node, ERROR_PARSE, error,
                         "expected a size such as '10MiB', got '" STR_FMT "'", STR_ARG(text));
    }
    *(uint64_t *)field = (uint64_t)(number * factor);
    return 0;
}

READER(ship_read_texts)
{
    struct ship_texts *texts = field;
    if (yaml_is_null(node)) return 0;
    bool is_list = node->kind == YAML_SEQUENCE;
    size_t count = is_list ? node->count : 1;
    struct str *items = ARENA_ARRAY(reading->arena, struct str, count + 1);
    if (items == NULL) return fail_memory(error);
    for (size_t i = 0; i < count; i++) {
        int code = yaml_text(is_list ? node->items[i] : node, &items[i], error);
        if (code != 0) return code;
    }
    *texts = (struct ship_texts){ items, count };
    return 0;
}

READER(ship_read_patterns)
{
    struct ship_patterns *patterns = field;
    struct ship_config *config = reading->more;
    struct ship_texts texts = { 0 };
    int code = ship_read_texts(node, &texts, reading, error);
    if (code != 0) return code;
    struct regex **items =
        (struct regex **)arena_alloc(reading->arena, texts.count + 1, sizeof(struct regex *));
    if (items == NULL) return fail_memory(error);
    for (size_t i = 0; i < texts.count; i++) {
        struct error cause = { 0 };
        code = regex_new(&items[i], texts.items[i], 0, &cause);
        if (code == 0 && !VEC_PUSH(&config->patterns, items[i])) {
            regex_free(items[i]);
            return fail_memory(error);
        }
        const struct yaml_node *place = node->kind == YAML_SEQUENCE ? node->items[i] : node;
        if (code != 0) {
            return yaml_fail(place, ERROR_PARSE, error, "not a regular expression: %s", cause.text);
        }
    }
    *patterns = (struct ship_patterns){ items, texts.count };
    return 0;
}

/* ---- YAML values as JSON ---- */

static bool is_number(struct str text)
{
    double number;
    size_t i = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    return text.size > i && text.data[i] >= '0' && text.data[i] <= '9' &&
           number_parse(text, &number);
}

static void put_scalar(struct json_writer *json, const struct yaml_node *node)
{
    int64_t integer;
    double number;
    bool boolean;
    if (yaml_is_null(node)) {
        json_put_null(json);
    } else if (node->is_plain && str_to_int64(node->text, &integer)) {
        json_put_int(json, integer);
    } else if (node->is_plain && is_number(node->text) && number_parse(node->text, &number)) {
        json_put_double(json, number);
    } else if (node->is_plain && yaml_bool(node, &boolean, NULL) == 0) {
        json_put_bool(json, boolean);
    } else {
        json_put_text(json, node->text);
    }
}

static void put_node(struct json_writer *json, const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        put_scalar(json, node);
    } else if (node->kind == YAML_SEQUENCE) {
        json_array_begin(json);
        for (size_t i = 0; i < node->count; i++) put_node(json, node->items[i]);
        json_array_end(json);
    } else {
        json_object_begin(json);
        for (size_t i = 0; i < node->count; i++) {
            json_key(json, node->pairs[i].key->text);
            put_node(json, node->pairs[i].value);
        }
        json_object_end(json);
    }
}

READER(ship_read_object)
{
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping of fields");
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OBJECT_SIZE_MAX);
    struct json_writer json;
    json_writer_init(&json, &text);
    put_node(&json, node);
    struct error cause = { 0 };
    int code = text.has_failed ? error_set(&cause, ERROR_LIMIT, "too large")
                               : json_parse(NULL, reading->arena, buf_str(&text),
                                            (const struct json **)field, &cause);
    return code == 0 ? 0 : yaml_fail(node, code, error, "%s", cause.text);
}

/* A struct ship_header * with its count right behind. */
struct header_list {
    const struct ship_header *items;
    size_t count;
};

READER(ship_read_headers)
{
    struct header_list *list = field;
    if (yaml_is_null(node)) return 0;
    if (node->kind != YAML_MAPPING) {
        return yaml_fail(node, ERROR_PARSE, error, "expected a mapping");
    }
    struct ship_header *items = ARENA_ARRAY(reading->arena, struct ship_header, node->count + 1);
    if (items == NULL) return fail_memory(error);
    for (size_t i = 0; i < node->count; i++) {
        items[i].name = node->pairs[i].key->text;
        int code = yaml_text(node->pairs[i].value, &items[i].value, error);
        if (code != 0) return code;
    }
    *list = (struct header_list){ items, node->count };
    return 0;
}

READER(ship_read_encoding)
{
    (void)field;
    (void)reading;
    struct str text;
    int code = yaml_text(node, &text, error);
    if (code != 0) return code;
    if (str_equal(text, STR("plain")) || str_equal(text, STR("utf-8")) || text.size == 0) return 0;
    return yaml_fail(node, ERROR_UNSUPPORTED, error,
                     "encoding '" STR_FMT "' is not supported here; plain and utf-8 are",
                     STR_ARG(text));
}
