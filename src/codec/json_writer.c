/* json_writer.c - commas, escapes and numbers. */
#include "codec/json_writer.h"

#include "codec/number.h"
#include "codec/utf8.h"

#include <math.h>

void json_writer_init(struct json_writer *json, struct buf *out)
{
    *json = (struct json_writer){ .out = out };
}

static void before_value(struct json_writer *json)
{
    if (json->needs_comma) buf_append_char(json->out, ',');
    json->needs_comma = true;
}

static void begin(struct json_writer *json, char bracket)
{
    before_value(json);
    buf_append_char(json->out, bracket);
    json->needs_comma = false;
}

static void end(struct json_writer *json, char bracket)
{
    buf_append_char(json->out, bracket);
    json->needs_comma = true;
}

void json_object_begin(struct json_writer *json)
{
    begin(json, '{');
}

void json_object_end(struct json_writer *json)
{
    end(json, '}');
}

void json_array_begin(struct json_writer *json)
{
    begin(json, '[');
}

void json_array_end(struct json_writer *json)
{
    end(json, ']');
}

void json_key(struct json_writer *json, struct str key)
{
    before_value(json);
    json_escape(json->out, key);
    buf_append_char(json->out, ':');
    json->needs_comma = false;
}

/* 0: stands for itself; else the letter behind the backslash, 'u' for a number. */
static char escape_of(unsigned char c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\b': return 'b';
    case '\f': return 'f';
    default: return c < 0x20 ? 'u' : '\0';
    }
}

/* Appends text that is valid UTF-8. */
static void append_escaped(struct buf *out, struct str text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.size; i++) {
        char escape = escape_of((unsigned char)text.data[i]);
        if (escape == '\0') continue;
        buf_append(out, text.data + start, i - start);
        start = i + 1;
        if (escape == 'u') {
            buf_printf(out, "\\u%04x", (unsigned)(unsigned char)text.data[i]);
        } else {
            char pair[2] = { '\\', escape };
            buf_append(out, pair, sizeof(pair));
        }
    }
    buf_append(out, text.data + start, text.size - start);
}

void json_escape(struct buf *out, struct str text)
{
    buf_append_char(out, '"');
    while (text.size > 0) {
        size_t valid = utf8_valid_size(text);
        append_escaped(out, str_first(text, valid));
        text = str_skip(text, valid);
        if (text.size == 0) break;
        buf_append_str(out, STR("\xEF\xBF\xBD"));
        text = str_skip(text, 1);
    }
    buf_append_char(out, '"');
}

void json_put_text(struct json_writer *json, struct str text)
{
    before_value(json);
    json_escape(json->out, text);
}

void json_put_cstr(struct json_writer *json, const char *text)
{
    if (text == NULL) {
        json_put_null(json);
    } else {
        json_put_text(json, str_from(text));
    }
}

void json_put_uint(struct json_writer *json, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    before_value(json);
    buf_append(json->out, digits + at, sizeof(digits) - at);
}

void json_put_int(struct json_writer *json, int64_t number)
{
    if (number >= 0) {
        json_put_uint(json, (uint64_t)number);
        return;
    }
    before_value(json);
    buf_append_char(json->out, '-');
    json->needs_comma = false;
    json_put_uint(json, 0 - (uint64_t)number);
}

void json_put_double(struct json_writer *json, double number)
{
    if (!isfinite(number)) {
        json_put_null(json);
        return;
    }
    before_value(json);
    char *room = buf_reserve(json->out, NUMBER_SIZE_MAX);
    if (room != NULL) json->out->size += number_print_json(number, room);
}

void json_put_bool(struct json_writer *json, bool value)
{
    json_put_raw(json, value ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *json)
{
    json_put_raw(json, STR("null"));
}

void json_put_raw(struct json_writer *json, struct str value)
{
    before_value(json);
    buf_append_str(json->out, value);
}

void json_member_text(struct json_writer *json, const char *key, struct str text)
{
    json_key(json, str_from(key));
    json_put_text(json, text);
}

void json_member_cstr(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, str_from(key));
    json_put_cstr(json, text);
}

void json_member_int(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, str_from(key));
    json_put_int(json, number);
}

void json_member_double(struct json_writer *json, const char *key, double number)
{
    json_key(json, str_from(key));
    json_put_double(json, number);
}

void json_member_bool(struct json_writer *json, const char *key, bool value)
{
    json_key(json, str_from(key));
    json_put_bool(json, value);
}
