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

/* What stands behind the backslash for each byte below 0x20 and the two others; 'u': a number. */
static const char escapes[256] = {
    ['\0'] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u',  [0x04] = 'u', [0x05] = 'u',
    [0x06] = 'u', [0x07] = 'u', ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n', [0x0B] = 'u',
    ['\f'] = 'f', ['\r'] = 'r', [0x0E] = 'u', [0x0F] = 'u',  [0x10] = 'u', [0x11] = 'u',
    [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1A] = 'u', [0x1B] = 'u',  [0x1C] = 'u', [0x1D] = 'u',
    [0x1E] = 'u', [0x1F] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

/* Bytes at the front that stand for themselves and are ASCII; eight are looked at together. */
static size_t plain_size(struct str text)
{
    size_t at = 0;
    for (; text.size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text.data + at, sizeof(word));
        uint64_t quote = word ^ (ONES * '"');
        uint64_t backslash = word ^ (ONES * '\\');
        /* A byte's top bit is set where it is one of these; false alarms only above a true one. */
        uint64_t found = ((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash) |
                         (word - ONES * 0x20) | word;
        if ((found & TOPS) != 0) break;
    }
    for (; at < text.size; at++) {
        unsigned char c = (unsigned char)text.data[at];
        if (c >= 0x80 || escapes[c] != '\0') break;
    }
    return at;
}

/* Appends the byte at the front, which needs an escape. */
static void append_escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = { '\\', escapes[c], '0', '0', hex[c >> 4], hex[c & 15] };
    buf_append(out, text, escapes[c] == 'u' ? 6 : 2);
}

void json_escape(struct buf *out, struct str text)
{
    if (plain_size(text) == text.size) { /* most texts: one copy */
        char *room = buf_reserve(out, text.size + 2);
        if (room == NULL) return;
        room[0] = '"';
        if (text.size > 0) memcpy(room + 1, text.data, text.size);
        room[text.size + 1] = '"';
        out->size += text.size + 2;
        return;
    }
    buf_append_char(out, '"');
    while (text.size > 0) {
        size_t plain = plain_size(text);
        buf_append(out, text.data, plain);
        text = str_skip(text, plain);
        if (text.size == 0) break;
        unsigned char c = (unsigned char)text.data[0];
        if (c < 0x80) {
            append_escape(out, c);
            text = str_skip(text, 1);
            continue;
        }
        struct str rest = text;
        (void)utf8_take(&rest);
        size_t taken = text.size - rest.size;
        if (taken == 1) { /* a broken byte is taken alone */
            buf_append_str(out, STR("\xEF\xBF\xBD"));
        } else {
            buf_append(out, text.data, taken);
        }
        text = rest;
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
