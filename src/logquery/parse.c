/* parse.c - lenient values and failures with a type. */
#include "logquery/parse.h"

#include "codec/number.h"
#include "logquery/zone.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_SIZE 100 /* of a value in an error */

static int fill(struct parse *parse, bool is_shard, const char *type, const char *text)
{
    struct logquery_failure *failure = parse->failure;
    *failure =
        (struct logquery_failure){ .status = 400, .type = type, .is_phase_failure = is_shard };
    (void)snprintf(failure->reason, sizeof(failure->reason), "%s", text);
    return error_set(parse->error, ERROR_INVALID, "%s", text);
}

int parse_fail(struct parse *parse, const char *type, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return fill(parse, false, type, text);
}

int parse_fail_shard(struct parse *parse, const char *type, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return fill(parse, true, type, text);
}

int parse_out_of_memory(struct parse *parse)
{
    *parse->failure =
        (struct logquery_failure){ .status = 429, .type = "circuit_breaking_exception" };
    (void)snprintf(parse->failure->reason, sizeof(parse->failure->reason),
                   "[parent] Data too large: the request needs more memory than one may have, or "
                   "than the others leave");
    return error_set(parse->error, ERROR_LIMIT, "request needs more memory than there is for it");
}

bool parse_flag(const struct json *value, bool otherwise)
{
    if (json_is(value, JSON_TEXT)) {
        if (str_equal(value->text, STR("true"))) return true;
        if (str_equal(value->text, STR("false"))) return false;
        return otherwise;
    }
    return json_boolean(value, otherwise);
}

int64_t parse_integer(const struct json *value, int64_t otherwise)
{
    int64_t number;
    if (json_is(value, JSON_TEXT)) return str_to_int64(value->text, &number) ? number : otherwise;
    if (json_is(value, JSON_DOUBLE)) {
        return value->number > -1e18 && value->number < 1e18 ? (int64_t)value->number : otherwise;
    }
    return json_integer(value, otherwise);
}

double parse_number(const struct json *value, double otherwise)
{
    double number;
    if (json_is(value, JSON_TEXT)) return number_parse(value->text, &number) ? number : otherwise;
    return json_number(value, otherwise);
}

struct str parse_shown(struct str text)
{
    return text.size > SHOWN_SIZE ? str_first(text, SHOWN_SIZE) : text;
}

void parse_note_bad(struct parse *parse, const struct json *value, const char *name,
                    const char *kind)
{
    if (parse->bad_kind != NULL) return;
    parse->bad_kind = kind;
    parse->bad_name = str_from(name);
    parse->bad_value = value->kind == JSON_ARRAY    ? STR("START_ARRAY")
                       : value->kind == JSON_OBJECT ? STR("START_OBJECT")
                                                    : parse_scalar(value);
}

static bool is_given(const struct json *value)
{
    return value != NULL && value->kind != JSON_NULL;
}

bool parse_flag_of(struct parse *parse, const struct json *object, const char *name, bool otherwise)
{
    const struct json *value = json_get(object, str_from(name));
    if (is_given(value) && parse_flag(value, false) != parse_flag(value, true)) {
        parse_note_bad(parse, value, name, "true or false");
    }
    return parse_flag(value, otherwise);
}

int64_t parse_integer_named(struct parse *parse, const struct json *value, const char *name,
                            int64_t otherwise)
{
    if (is_given(value) && parse_integer(value, 0) != parse_integer(value, 1)) {
        parse_note_bad(parse, value, name, "an integer");
    }
    return parse_integer(value, otherwise);
}

int64_t parse_integer_of(struct parse *parse, const struct json *object, const char *name,
                         int64_t otherwise)
{
    return parse_integer_named(parse, json_get(object, str_from(name)), name, otherwise);
}

double parse_number_of(struct parse *parse, const struct json *object, const char *name,
                       double otherwise)
{
    const struct json *value = json_get(object, str_from(name));
    if (is_given(value) && parse_number(value, 0) < parse_number(value, 1)) {
        parse_note_bad(parse, value, name, "a number");
    }
    return parse_number(value, otherwise);
}

int parse_settled(struct parse *parse)
{
    if (parse->bad_kind == NULL) return 0;
    struct str value = parse_shown(parse->bad_value);
    return parse_fail(parse, "parsing_exception",
                      "failed to parse [" STR_FMT "] with value [" STR_FMT "] as %s",
                      STR_ARG(parse->bad_name), STR_ARG(value), parse->bad_kind);
}

struct str parse_scalar(const struct json *value)
{
    if (value == NULL) return (struct str){ NULL, 0 };
    switch (value->kind) {
    case JSON_TEXT: return value->text;
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_BOOL: return value->raw;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    return (struct str){ NULL, 0 };
}

int parse_texts(struct parse *parse, const struct json *value, bool splits,
                const struct str **texts, size_t *count)
{
    *texts = NULL;
    *count = 0;
    if (value == NULL || value->kind == JSON_NULL) return 0;
    size_t capacity = value->kind == JSON_ARRAY ? value->array.count : 1;
    struct str text = value->kind == JSON_ARRAY ? STR("") : parse_scalar(value);
    for (size_t i = 0; splits && i < text.size; i++) capacity += text.data[i] == ',';
    struct str *list = ARENA_ARRAY(parse->arena, struct str, capacity + 1);
    if (list == NULL) return parse_out_of_memory(parse);
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; i < value->array.count; i++) {
            struct str item = parse_scalar(&value->array.items[i]);
            if (item.data != NULL || json_is(&value->array.items[i], JSON_TEXT)) {
                list[(*count)++] = item.data == NULL ? STR("") : item;
            }
        }
    } else if (splits) {
        while (text.size > 0) list[(*count)++] = str_trim(str_cut(&text, ','));
    } else if (value->kind != JSON_OBJECT) {
        list[(*count)++] = text.data == NULL ? STR("") : text;
    }
    *texts = list;
    return 0;
}

static int32_t offset_at(const void *rules, int64_t time_ms)
{
    return zone_offset_at(rules, time_ms);
}

int parse_zone(struct parse *parse, const struct json *value, const struct date_zone **zone)
{
    struct str name = json_text(value, STR(""));
    *zone = NULL;
    if (name.size == 0) return 0;
    struct zone *rules = NULL;
    if (zone_find(parse->arena, name, &rules) < 0) {
        return parse_fail(parse, "illegal_argument_exception", "Unknown time-zone ID: " STR_FMT,
                          STR_ARG(name));
    }
    struct date_zone *made = ARENA_NEW(parse->arena, struct date_zone);
    if (made == NULL) return parse_out_of_memory(parse);
    *made = (struct date_zone){ offset_at, rules };
    *zone = made;
    return 0;
}

struct logstore_filter *filter_new(struct parse *parse, enum logstore_filter_kind kind)
{
    struct logstore_filter *filter = ARENA_NEW(parse->arena, struct logstore_filter);
    if (filter != NULL) filter->kind = kind;
    return filter;
}

int filter_and(struct parse *parse, struct logstore_filter *a, struct logstore_filter *b,
               struct logstore_filter **out)
{
    if (a == NULL || b == NULL) {
        *out = a == NULL ? b : a;
        return 0;
    }
    struct logstore_filter *both = filter_new(parse, LOGSTORE_FILTER_BOOL);
    struct logstore_filter **must = ARENA_ARRAY(parse->arena, struct logstore_filter *, 2);
    if (both == NULL || must == NULL) return parse_out_of_memory(parse);
    must[0] = a;
    must[1] = b;
    both->must = must;
    both->must_count = 2;
    *out = both;
    return 0;
}
