/* variables.c - one pass, from dollar to dollar. */
#include "codec/variables.h"

#define NAME_SIZE_MAX 256

static bool is_name(char c, bool is_first)
{
    if (c >= '0' && c <= '9') return !is_first;
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t name_size(struct str text)
{
    size_t size = 0;
    while (size < text.size && is_name(text.data[size], size == 0)) size++;
    return size;
}

/* Takes what stands behind a dollar. */
static void expand_one(struct buf *out, struct str *rest, char *(*look_up)(const char *name))
{
    if (rest->size > 0 && rest->data[0] == '$') {
        buf_append_char(out, '$');
        *rest = str_skip(*rest, 1);
        return;
    }
    bool has_brace = rest->size > 0 && rest->data[0] == '{';
    struct str behind = has_brace ? str_skip(*rest, 1) : *rest;
    size_t size = name_size(behind);
    bool is_closed = !has_brace || (size < behind.size && behind.data[size] == '}');
    char name[NAME_SIZE_MAX];
    if (size == 0 || !is_closed || !str_to_cstr(str_first(behind, size), name, sizeof(name))) {
        buf_append_char(out, '$');
        return;
    }
    const char *value = look_up(name);
    if (value != NULL) buf_append_cstr(out, value);
    *rest = str_skip(behind, size + (has_brace ? 1 : 0));
}

void variables_expand(struct buf *out, struct str text, char *(*look_up)(const char *name))
{
    while (text.size > 0) {
        size_t dollar = str_find_char(text, '$');
        if (dollar == STR_NONE) {
            buf_append_str(out, text);
            return;
        }
        buf_append_str(out, str_first(text, dollar));
        text = str_skip(text, dollar + 1);
        expand_one(out, &text, look_up);
    }
}
