/* source_find.c - the values at a dotted path of a document, by its brackets and quotes alone. */
#include "logstore/source_find.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 64 /* deeper ones are parsed */

struct finder {
    const char *at;
    const char *end;
    struct source_value_vec *values;
};

static bool skip_blanks(struct finder *finder)
{
    while (finder->at < finder->end && (*finder->at == ' ' || *finder->at == '\t' ||
                                        *finder->at == '\n' || *finder->at == '\r')) {
        finder->at++;
    }
    return finder->at < finder->end;
}

/* A text, without its quotes; false when it does not end. */
static bool take_text(struct finder *finder, struct str *text)
{
    const char *start = ++finder->at;
    for (;;) {
        size_t left = (size_t)(finder->end - finder->at);
        const char *quote = left == 0 ? NULL : memchr(finder->at, '"', left);
        if (quote == NULL) return false;
        const char *slash = quote;
        while (slash > start && slash[-1] == '\\') slash--;
        finder->at = quote + 1;
        if ((quote - slash) % 2 != 0) continue; /* the quote is escaped */
        *text = (struct str){ start, (size_t)(quote - start) };
        return true;
    }
}

static bool is_delimiter(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A number, true, false or null; false when nothing stands there. */
static bool take_plain(struct finder *finder, struct str *text)
{
    const char *start = finder->at;
    while (finder->at < finder->end && !is_delimiter(*finder->at)) finder->at++;
    *text = (struct str){ start, (size_t)(finder->at - start) };
    return text->size > 0;
}

/* Passes over a value of any kind. */
static bool skip_value(struct finder *finder)
{
    struct str text;
    if (!skip_blanks(finder)) return false;
    if (*finder->at == '"') return take_text(finder, &text);
    if (*finder->at != '{' && *finder->at != '[') return take_plain(finder, &text);
    size_t depth = 0;
    do {
        if (finder->at == finder->end) return false;
        char c = *finder->at;
        if (c == '"') {
            if (!take_text(finder, &text)) return false;
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        finder->at++;
    } while (depth > 0);
    return true;
}

/* Whether another item or member follows: a comma, or at the beginning anything but the end. */
static int next_item(struct finder *finder, char end, bool is_first)
{
    if (!skip_blanks(finder)) return ERROR_UNSUPPORTED;
    if (*finder->at == end) {
        finder->at++;
        return 0;
    }
    if (is_first) return 1;
    if (*finder->at != ',') return ERROR_UNSUPPORTED;
    finder->at++;
    return skip_blanks(finder) ? 1 : ERROR_UNSUPPORTED;
}

/* The value at the path itself: what is in arrays, and no objects. */
static int take_value(struct finder *finder, unsigned depth)
{
    if (depth > DEPTH_MAX || !skip_blanks(finder)) return ERROR_UNSUPPORTED;
    if (*finder->at == '{') return skip_value(finder) ? 0 : ERROR_UNSUPPORTED;
    if (*finder->at == '[') {
        finder->at++;
        int code = next_item(finder, ']', true);
        while (code == 1) {
            code = take_value(finder, depth + 1);
            if (code == 0) code = next_item(finder, ']', false);
        }
        return code;
    }
    struct source_value value = { .is_text = *finder->at == '"' };
    bool is_taken = value.is_text ? take_text(finder, &value.raw) : take_plain(finder, &value.raw);
    if (!is_taken) return ERROR_UNSUPPORTED;
    return VEC_PUSH(finder->values, value) ? 0 : -ENOMEM;
}

static int take_path(struct finder *finder, struct str path, unsigned depth);

static int take_member(struct finder *finder, struct str path, unsigned depth)
{
    struct str key;
    if (*finder->at != '"' || !take_text(finder, &key)) return ERROR_UNSUPPORTED;
    if (key.size > 0 && memchr(key.data, '\\', key.size) != NULL) return ERROR_UNSUPPORTED;
    if (!skip_blanks(finder) || *finder->at != ':') return ERROR_UNSUPPORTED;
    finder->at++;
    if (str_equal(key, path)) return take_value(finder, depth + 1);
    bool leads_on =
        path.size > key.size && path.data[key.size] == '.' && str_starts_with(path, key);
    if (leads_on) return take_path(finder, str_skip(path, key.size + 1), depth + 1);
    return skip_value(finder) ? 0 : ERROR_UNSUPPORTED;
}

/* What stands at the path below a value; depth is bounded by DEPTH_MAX. */
static int take_path(struct finder *finder, struct str path, unsigned depth)
{
    if (depth > DEPTH_MAX || !skip_blanks(finder)) return ERROR_UNSUPPORTED;
    bool is_array = *finder->at == '[';
    if (!is_array && *finder->at != '{') return skip_value(finder) ? 0 : ERROR_UNSUPPORTED;
    char end = is_array ? ']' : '}';
    finder->at++;
    int code = next_item(finder, end, true);
    while (code == 1) {
        code = is_array ? take_path(finder, path, depth + 1) : take_member(finder, path, depth);
        if (code == 0) code = next_item(finder, end, false);
    }
    return code;
}

int source_find(struct str document, struct str path, struct source_value_vec *values)
{
    size_t before = values->count;
    struct finder finder = { document.data, document.data + document.size, values };
    int code = take_path(&finder, path, 0);
    if (code < 0) values->count = before;
    return code;
}
