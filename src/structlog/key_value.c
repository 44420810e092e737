/* key_value.c - key=value with each value as Python's repr() shows it, structlog's first format.
 *
 *   timestamp='2026-01-02T03:04:05.123456Z' level='info' event='it is' path='/a' n=1 ok=True x=None
 *
 * Text stands in single quotes, in double ones when it holds single and no double quotes.
 * Backslash, the quote, line feed, return and tab have a short escape, other controls \xNN, the
 * line and paragraph separators \u2028 and \u2029; all else stays. Invalid UTF-8 becomes U+FFFD.
 * Source: Python's language reference, repr(); structlog's KeyValueRenderer.
 */
#include "structlog/internal.h"

#include "structlog/number.h"

#include <math.h>

static char pick_quote(const char *text, size_t size)
{
    bool has_single = memchr(text, '\'', size) != NULL;
    return has_single && memchr(text, '"', size) == NULL ? '"' : '\'';
}

static char *put_hex_escape(char *to, unsigned char c)
{
    *to++ = '\\';
    *to++ = 'x';
    *to++ = "0123456789abcdef"[c >> 4];
    *to++ = "0123456789abcdef"[c & 15];
    return to;
}

static char *put_repr_ascii(char *to, unsigned char c, char quote)
{
    static const char plain[] = "\n\r\t\\";
    static const char letters[] = "nrt\\";
    const char *found = c == '\0' ? NULL : strchr(plain, c);
    if (found != NULL || c == (unsigned char)quote) {
        *to++ = '\\';
        *to++ = found != NULL ? letters[found - plain] : quote;
        return to;
    }
    if (c < 0x20 || c == 0x7f) return put_hex_escape(to, c);
    *to++ = (char)c;
    return to;
}

/* A character of several bytes. */
static char *put_repr_wide(char *to, const char *from, size_t length)
{
    const unsigned char *s = (const unsigned char *)from;
    if (length == 2 && s[0] == 0xc2 && (s[1] <= 0xa0 || s[1] == 0xad)) {
        return put_hex_escape(to, s[1]);
    }
    if (length == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9)) {
        return sl_put_bytes(to, s[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    }
    return sl_put_bytes(to, from, length);
}

static char *put_repr(char *to, const char *text, size_t size)
{
    size_t skip = 1;
    if (size > SL_VALUE_SIZE_MAX) size = sl_utf8_cut(text, SL_VALUE_SIZE_MAX);
    char quote = pick_quote(text, size);
    *to++ = quote;
    for (size_t at = 0; at < size; at += skip) {
        if ((unsigned char)text[at] < 0x80) {
            to = put_repr_ascii(to, (unsigned char)text[at], quote);
            skip = 1;
            continue;
        }
        size_t length = sl_utf8_length(text + at, size - at, &skip);
        to = length == 0 ? sl_put_bytes(to, "\xef\xbf\xbd", 3)
                         : put_repr_wide(to, text + at, length);
        if (length > 0) skip = length;
    }
    *to++ = quote;
    return to;
}

static char *put_repr_real(char *to, const struct sl_value *value)
{
    if (isfinite(value->as.real)) return sl_put_json_value(to, value);
    if (isnan(value->as.real)) return sl_put_bytes(to, "nan", 3);
    return value->as.real > 0 ? sl_put_bytes(to, "inf", 3) : sl_put_bytes(to, "-inf", 4);
}

static char *put_repr_value(char *to, const struct sl_value *value)
{
    char byte = 0;
    switch ((enum sl_kind)value->kind) {
    case SL_KIND_STRING:
    case SL_KIND_JSON: return put_repr(to, value->as.pointer, value->size);
    case SL_KIND_CHAR: byte = (char)value->as.natural; return put_repr(to, &byte, 1);
    case SL_KIND_DOUBLE:
    case SL_KIND_FLOAT: return put_repr_real(to, value);
    case SL_KIND_BOOL:
        return value->as.natural != 0 ? sl_put_bytes(to, "True", 4) : sl_put_bytes(to, "False", 5);
    case SL_KIND_POINTER:
        if (value->as.pointer == NULL) break;
        return sl_put_hex(to, (uint64_t)(uintptr_t)value->as.pointer);
    case SL_KIND_INT:
    case SL_KIND_UINT: return sl_put_json_value(to, value);
    case SL_KIND_NULL:
    case SL_KIND_ERRNO:
    case SL_KIND_FAILURE:
    case SL_KIND_LAZY: break;
    }
    return sl_put_bytes(to, "None", 4);
}

size_t sl_render_key_value(struct sl_call *call)
{
    struct sl_list list;
    sl_call_merge(call, &list, true);
    sl_list_settle(&list, SL_NAMING_PLAIN);
    if (!sl_text_reserve(call, &list)) return 0;
    char *to = sl_put_bytes(call->line, "timestamp='", 11);
    to = sl_put_stamp(to, call->stamp, call->time.tv_sec, (uint32_t)call->time.tv_nsec);
    to = sl_put_bytes(to, "' level='", 9);
    const char *level = sl_level_name(call->level);
    to = sl_put_bytes(to, level, strlen(level));
    to = sl_put_bytes(to, "' event=", 8);
    to = put_repr(to, call->event, call->event_size);
    for (size_t i = 0; i < list.count; i++) {
        *to++ = ' ';
        to = sl_put_plain_key(to, &list.items[i]);
        *to++ = '=';
        to = put_repr_value(to, &list.items[i].value);
    }
    *to++ = '\n';
    return (size_t)(to - call->line);
}
