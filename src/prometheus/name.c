/* name.c - what may be a metric or label name, and text made valid UTF-8 and escaped. */
#include "prometheus/name.h"

#include <string.h>

/* 1: may start a label name, 2: may follow in one, 4: colon. */
static unsigned kind_of(unsigned char byte)
{
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_') return 3;
    if (byte >= '0' && byte <= '9') return 2;
    return byte == ':' ? 4 : 0;
}

static bool is_name(const char *name, unsigned first, unsigned rest)
{
    if (name == NULL || (kind_of((unsigned char)name[0]) & first) == 0) return false;
    size_t size = 1;
    while (name[size] != '\0') {
        if ((kind_of((unsigned char)name[size]) & rest) == 0) return false;
        if (++size > PM_NAME_SIZE_MAX) return false;
    }
    return true;
}

bool pm_name_is_metric(const char *name)
{
    return is_name(name, 1 | 4, 2 | 4);
}

bool pm_name_is_label(const char *name)
{
    return is_name(name, 1, 2) && !(name[0] == '_' && name[1] == '_');
}

int pm_name_character_size(const char *at)
{
    const unsigned char *text = (const unsigned char *)at;
    unsigned char lead = text[0];
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return -1;
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high) return -1;
    int size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    for (int i = 2; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) return -i;
    }
    return size;
}

static bool is_utf8_name(const char *name)
{
    size_t size = 0;
    while (name != NULL && name[size] != '\0') {
        int character = pm_name_character_size(name + size);
        if (character < 0) return false;
        size += (size_t)character;
        if (size > PM_NAME_SIZE_MAX) return false;
    }
    return size > 0;
}

bool pm_name_is_metric_in(const char *name, bool has_utf8)
{
    return has_utf8 ? is_utf8_name(name) : pm_name_is_metric(name);
}

bool pm_name_is_label_in(const char *name, bool has_utf8)
{
    if (!has_utf8) return pm_name_is_label(name);
    return is_utf8_name(name) && !(name[0] == '_' && name[1] == '_');
}

bool pm_name_ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t suffix_size = strlen(suffix);
    return size > suffix_size && memcmp(name + size - suffix_size, suffix, suffix_size) == 0;
}

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

size_t pm_name_mend(char *to, const char *text)
{
    size_t used = 0;
    for (const char *at = text; *at != '\0';) {
        int size = pm_name_character_size(at);
        size_t piece_size = size < 0 ? 3 : (size_t)size;
        if (to != NULL) memcpy(to + used, size < 0 ? replacement : at, piece_size);
        used += piece_size;
        at += size < 0 ? -size : size;
    }
    return used;
}

size_t pm_name_escape(char *to, const char *text, bool quotes)
{
    size_t used = 0;
    for (const char *at = text; *at != '\0';) {
        int size = pm_name_character_size(at);
        const char *piece = at;
        size_t piece_size = (size_t)size;
        if (size < 0) {
            piece = replacement;
            piece_size = 3;
            size = -size;
        } else if (*at == '\\') {
            piece = "\\\\";
            piece_size = 2;
        } else if (*at == '\n') {
            piece = "\\n";
            piece_size = 2;
        } else if (*at == '"' && quotes) {
            piece = "\\\"";
            piece_size = 2;
        }
        if (to != NULL) memcpy(to + used, piece, piece_size);
        used += piece_size;
        at += size;
    }
    return used;
}
