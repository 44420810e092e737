/* expand.c - one level a call; what stands in braces is expanded before it is looked up. */
#include "shipper/expand.h"

#include <stdlib.h>

#define NAME_SIZE_MAX 256

static struct str get_environment(void *argument, struct str name)
{
    (void)argument;
    char text[NAME_SIZE_MAX];
    if (!str_to_cstr(name, text, sizeof(text))) return (struct str){ 0 };
    return str_from(getenv(text));
}

const struct expand_source expand_environment = { get_environment, NULL };

bool expand_is_needed(struct str text)
{
    return str_find(text, STR("${")) != STR_NONE;
}

/* Offset of the brace that closes what begins at `text`, or STR_NONE. */
static size_t find_end(struct str text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '$' && i + 1 < text.size && text.data[i + 1] == '{') {
            depth++;
            i++;
        } else if (text.data[i] == '}') {
            if (depth == 0) return i;
            depth--;
        }
    }
    return STR_NONE;
}

/* Offset of the colon that ends the name, or the size. */
static size_t find_colon(struct str text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '{') depth++;
        if (text.data[i] == '}' && depth > 0) depth--;
        if (text.data[i] == ':' && depth == 0) return i;
    }
    return text.size;
}

static int expand_level(struct str text, const struct expand_source *source, struct buf *out,
                        unsigned depth, struct error *error);

static int expand_variable(struct str inside, const struct expand_source *source, struct buf *out,
                           unsigned depth, struct error *error)
{
    size_t colon = find_colon(inside);
    CLEANUP(buf_release) struct buf name;
    buf_init(&name, NAME_SIZE_MAX);
    int code = expand_level(str_first(inside, colon), source, &name, depth + 1, error);
    if (code != 0) return code;
    struct str key = str_trim(buf_str(&name));
    if (key.size == 0) return error_set(error, ERROR_PARSE, "a variable without a name");
    struct str value = source->get(source->argument, key);
    if (value.data != NULL && value.size > 0) {
        buf_append_str(out, value);
        return 0;
    }
    if (colon == inside.size) {
        return error_set(error, ERROR_INVALID,
                         "variable '" STR_FMT "' is not set and has no default", STR_ARG(key));
    }
    struct str otherwise = str_skip(inside, colon + 1);
    if (otherwise.size == 0 || otherwise.data[0] != '?') {
        return expand_level(otherwise, source, out, depth + 1, error);
    }
    struct str message = str_skip(otherwise, 1);
    return error_set(error, ERROR_INVALID, "variable '" STR_FMT "' is not set: %.*s", STR_ARG(key),
                     (int)(message.size < 120 ? message.size : 120), message.data);
}

static int expand_level(struct str text, const struct expand_source *source, struct buf *out,
                        unsigned depth, struct error *error)
{
    if (depth > EXPAND_DEPTH_MAX) {
        return error_set(error, ERROR_LIMIT, "variables nested deeper than %d", EXPAND_DEPTH_MAX);
    }
    size_t start;
    while ((start = str_find(text, STR("${"))) != STR_NONE) {
        if (start > 0 && text.data[start - 1] == '$') {
            buf_append_str(out, str_first(text, start - 1));
            buf_append_cstr(out, "${");
            text = str_skip(text, start + 2);
            continue;
        }
        buf_append_str(out, str_first(text, start));
        text = str_skip(text, start + 2);
        size_t end = find_end(text);
        if (end == STR_NONE) return error_set(error, ERROR_PARSE, "'${' without a '}'");
        int code = expand_variable(str_first(text, end), source, out, depth, error);
        if (code != 0) return code;
        text = str_skip(text, end + 1);
    }
    buf_append_str(out, text);
    if (out->has_failed)
        return error_set(error, ERROR_LIMIT, "text with its variables is too long");
    return 0;
}

int expand_text(struct str text, const struct expand_source *source, struct buf *out,
                struct error *error)
{
    return expand_level(text, source, out, 0, error);
}
