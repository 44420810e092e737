/* escape.c - names beyond [a-zA-Z_:][a-zA-Z0-9_:]*, escaped.
 *
 * SCHEMES  underscores  each other character is '_'
 *          dots         '.' is "_dot_", '_' is "__", each other character "__"
 *          values       "U__", then '_' is "__", each other character "_<hex of it>_"
 *          Names that are plain stay as they are in all three.
 * SOURCE   Prometheus, "UTF-8 metric and label name escaping schemes".
 */
#include "prometheus/escape.h"

#include "prometheus/name.h"

#include <string.h>

static bool is_plain_byte(char byte, bool is_first, bool is_label)
{
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_') return true;
    return (byte >= '0' && byte <= '9' && !is_first) || (byte == ':' && !is_label);
}

bool pm_escape_is_plain(const char *name, size_t size, bool is_label)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_plain_byte(name[i], i == 0, is_label)) return false;
    }
    return size > 0;
}

/* The code point of a valid character of `size` bytes. */
static uint32_t code_point(const char *at, int size)
{
    static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t value = (unsigned char)at[0] & masks[size];
    for (int i = 1; i < size; i++) value = value << 6 | ((unsigned char)at[i] & 0x3f);
    return value;
}

static size_t print_hex(char *to, uint32_t value)
{
    size_t size = 1;
    while (size < 8 && value >> (4 * size) != 0) size++;
    for (size_t i = 0; i < size; i++) {
        to[i] = "0123456789abcdef"[value >> (4 * (size - 1 - i)) & 15];
    }
    return size;
}

static size_t put(char *to, const char *text)
{
    size_t size = strlen(text);
    memcpy(to, text, size);
    return size;
}

/* One character that is not plain, or an underscore. */
static size_t escape_one(char *to, const char *at, int size, enum pm_escaping escaping)
{
    if (escaping == PM_ESCAPE_DOTS) return put(to, *at == '.' ? "_dot_" : "__");
    if (escaping != PM_ESCAPE_VALUES) return put(to, "_");
    if (*at == '_') return put(to, "__");
    size_t used = put(to, "_");
    used += print_hex(to + used, size < 0 ? 0xfffd : code_point(at, size));
    return used + put(to + used, "_");
}

static size_t quote(char *to, const char *name, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        bool is_special = name[i] == '\\' || name[i] == '"' || name[i] == '\n';
        if (is_special) to[used++] = '\\';
        to[used++] = name[i] == '\n' ? 'n' : name[i];
    }
    return used;
}

size_t pm_escape_name(char *to, const char *name, size_t size, enum pm_escaping escaping,
                      bool is_label)
{
    if (pm_escape_is_plain(name, size, is_label)) {
        memcpy(to, name, size);
        return size;
    }
    if (escaping == PM_ESCAPE_NONE) return quote(to, name, size);
    size_t used = 0;
    if (escaping == PM_ESCAPE_VALUES) {
        memcpy(to, "U__", 3);
        used = 3;
    }
    for (size_t i = 0; i < size;) {
        int length = pm_name_character_size(name + i);
        bool is_kept = is_plain_byte(name[i], i == 0, is_label) &&
                       (name[i] != '_' || escaping == PM_ESCAPE_UNDERSCORES);
        if (is_kept)
            to[used++] = name[i];
        else
            used += escape_one(to + used, name + i, length, escaping);
        i += (size_t)(length < 0 ? -length : length);
    }
    return used;
}

enum pm_escaping pm_escape_of(struct pm_format format)
{
    bool may_quote = format.kind != PM_TEXT_0_0_4 && format.kind != PM_OPENMETRICS_0_0_1;
    if (format.escaping == PM_ESCAPE_NONE && !may_quote) return PM_ESCAPE_UNDERSCORES;
    return format.escaping;
}
