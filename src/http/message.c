/* message.c - methods, statuses, fields, escapes, forms and addresses. */
#include "http/message.h"

#include "base/vec.h"

#include <stdint.h>
#include <stdlib.h>

struct str http_fields_get(const struct http_fields *fields, struct str name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (str_equal(fields->items[i].name, name)) return fields->items[i].value;
    }
    return (struct str){ NULL, 0 };
}

struct str http_fields_get_nocase(const struct http_fields *fields, struct str name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (str_equal_nocase(fields->items[i].name, name)) return fields->items[i].value;
    }
    return (struct str){ NULL, 0 };
}

static const struct {
    enum http_method method;
    const char *name;
} methods[] = {
    { HTTP_GET, "GET" },         { HTTP_HEAD, "HEAD" },     { HTTP_POST, "POST" },
    { HTTP_PUT, "PUT" },         { HTTP_DELETE, "DELETE" }, { HTTP_PATCH, "PATCH" },
    { HTTP_OPTIONS, "OPTIONS" },
};

const char *http_method_name(enum http_method method)
{
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (methods[i].method == method) return methods[i].name;
    }
    return "?";
}

unsigned http_method_parse(struct str name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (str_equal(str_from(methods[i].name), name)) return methods[i].method;
    }
    return 0;
}

static const struct {
    unsigned status;
    const char *text;
} statuses[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 206, "Partial Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 507, "Insufficient Storage" },
};

const char *http_status_text(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        if (statuses[i].status == status) return statuses[i].text;
    }
    return "Unknown";
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool http_unescape(struct arena *arena, struct str text, bool is_form, struct str *out)
{
    bool is_plain =
        str_find_char(text, '%') == STR_NONE && (!is_form || str_find_char(text, '+') == STR_NONE);
    if (is_plain) {
        *out = text;
        return true;
    }

    char *bytes = arena_alloc(arena, 1, text.size + 1);
    if (bytes == NULL) return false;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '+' && is_form) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < text.size ? hex_value(text.data[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(text.data[i + 2]);
            if (low < 0 || (high == 0 && low == 0)) return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        bytes[size++] = c;
    }
    *out = (struct str){ bytes, size };
    return true;
}

struct str http_escape(struct arena *arena, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *bytes = arena_alloc(arena, text.size + 1, 3);
    if (bytes == NULL) return (struct str){ NULL, 0 };

    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (is_plain) {
            bytes[size++] = (char)c;
            continue;
        }
        bytes[size++] = '%';
        bytes[size++] = digits[c >> 4];
        bytes[size++] = digits[c & 15];
    }
    return (struct str){ bytes, size };
}

static size_t count_pieces(struct str text)
{
    size_t count = text.size > 0;
    for (size_t i = 0; i < text.size; i++) count += text.data[i] == '&';
    return count;
}

int http_form_parse(struct arena *arena, struct str text, struct http_fields *fields,
                    struct error *error)
{
    size_t more = count_pieces(text);
    if (more == 0) return 0;
    if (more > HTTP_PARAMETERS_MAX || fields->count + more > HTTP_PARAMETERS_MAX) {
        return error_set(error, ERROR_LIMIT, "more than %d parameters", HTTP_PARAMETERS_MAX);
    }
    struct http_field *items = ARENA_ARRAY(arena, struct http_field, fields->count + more);
    if (items == NULL) return error_set(error, ERROR_LIMIT, "parameters do not fit in memory");
    if (fields->count > 0) memcpy(items, fields->items, fields->count * sizeof(*items));

    size_t count = fields->count;
    struct str rest = text;
    while (rest.data != NULL) {
        struct str value = str_cut(&rest, '&');
        if (value.size == 0) continue;
        struct str name = str_cut(&value, '=');
        if (value.data == NULL) value = STR(""); /* "pretty" is there, and empty */
        if (!http_unescape(arena, name, true, &items[count].name) ||
            !http_unescape(arena, value, true, &items[count].value)) {
            return error_set(error, ERROR_PARSE, "parameter '" STR_FMT "' has a broken escape",
                             (int)(name.size < 100 ? name.size : 100), name.data);
        }
        count++;
    }
    fields->items = items;
    fields->count = count;
    return 0;
}

static bool parse_port(struct str text, uint16_t *port)
{
    uint64_t number = 0;
    if (text.size > 5 || !str_to_uint64(text, &number) || number > UINT16_MAX) return false;
    *port = (uint16_t)number;
    return true;
}

int http_address_parse(struct str text, struct http_address *address, struct error *error)
{
    struct http_address result = { 0 };
    struct str port = { NULL, 0 };
    if (text.size > 0 && text.data[0] == '[') {
        size_t end = str_find_char(text, ']');
        if (end == STR_NONE) goto bad;
        result.host = (struct str){ text.data + 1, end - 1 };
        port = str_skip(text, end + 1);
        if (port.size == 0) port.data = NULL;
        if (port.size > 0 && port.data[0] != ':') goto bad;
        if (port.size > 0) port = str_skip(port, 1);
        if (result.host.size == 0) goto bad;
    } else if (str_find_char(text, ':') == STR_NONE) {
        bool is_port = parse_port(text, &result.port);
        if (!is_port) result.host = text;
        if (text.size == 0) goto bad;
    } else {
        port = text;
        result.host = str_cut(&port, ':');
        if (port.size == 0 || str_find_char(port, ':') != STR_NONE) goto bad;
    }
    if (port.data != NULL && !parse_port(port, &result.port)) goto bad;
    *address = result;
    return 0;
bad:
    return error_set(error, ERROR_PARSE,
                     "address '" STR_FMT "' is not of the form host:port or [ip6]:port",
                     (int)(text.size < 120 ? text.size : 120), text.data);
}
