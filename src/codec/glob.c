/* glob.c - matching part by part; inside a part a star remembers where to try again. */
#include "codec/glob.h"

#include "codec/utf8.h"

#include <stddef.h>

#define FOLDERS_MAX 8 /* how deep "**" looks, as in Filebeat */

/* Takes one bound of a range: a character, or one quoted by a backslash, as '-' and ']' must be. */
static bool take_bound(struct str *rest, uint32_t *bound)
{
    if (rest->size == 0 || rest->data[0] == '-' || rest->data[0] == ']') return false;
    if (rest->data[0] == '\\') *rest = str_skip(*rest, 1);
    if (rest->size == 0) return false;
    *bound = utf8_take(rest);
    return true;
}

/* Takes the class behind '[': whether it is well formed, and whether it holds c. */
static bool take_class(struct str *pattern, uint32_t c, bool *holds)
{
    struct str rest = str_skip(*pattern, 1);
    bool is_negated = rest.size > 0 && rest.data[0] == '^';
    if (is_negated) rest = str_skip(rest, 1);
    bool is_found = false;
    for (size_t count = 0; rest.size > 0 && (rest.data[0] != ']' || count == 0); count++) {
        uint32_t low;
        if (!take_bound(&rest, &low)) return false;
        uint32_t high = low;
        if (rest.size > 0 && rest.data[0] == '-') {
            rest = str_skip(rest, 1);
            if (!take_bound(&rest, &high)) return false;
        }
        if (c >= low && c <= high) is_found = true;
    }
    if (rest.size == 0) return false;
    *pattern = str_skip(rest, 1);
    *holds = is_found != is_negated;
    return true;
}

/* Takes one pattern character and one of the text and sees whether they fit; false also for a
 * broken pattern. */
static bool take_one(struct str *pattern, struct str *text)
{
    if (pattern->size == 0) return false;
    char wanted = pattern->data[0];
    if (wanted == '[') {
        bool holds;
        return take_class(pattern, utf8_take(text), &holds) && holds;
    }
    if (wanted == '?') {
        *pattern = str_skip(*pattern, 1);
        (void)utf8_take(text);
        return true;
    }
    size_t quote = wanted == '\\' ? 1 : 0;
    if (pattern->size <= quote) return false;
    bool fits = pattern->data[quote] == text->data[0];
    *pattern = str_skip(*pattern, quote + 1);
    *text = str_skip(*text, 1);
    return fits;
}

static bool part_matches(struct str pattern, struct str text)
{
    struct str star = { 0 }; /* the pattern behind the last star */
    struct str retry = { 0 };
    bool has_star = false;
    while (text.size > 0) {
        if (pattern.size > 0 && pattern.data[0] == '*') {
            pattern = str_skip(pattern, 1);
            star = pattern;
            retry = text;
            has_star = true;
            continue;
        }
        if (take_one(&pattern, &text)) continue;
        if (!has_star) return false;
        retry = str_skip(retry, 1);
        text = retry;
        pattern = star;
    }
    while (pattern.size > 0 && pattern.data[0] == '*') pattern = str_skip(pattern, 1);
    return pattern.size == 0;
}

/* Whether the pattern has a part "**". */
static bool has_recursion(struct str pattern)
{
    while (pattern.data != NULL) {
        if (str_equal(str_cut(&pattern, '/'), STR("**"))) return true;
    }
    return false;
}

/* Matches part by part up to the rightmost "**"; at_recursion: whether it got there, with the rest
 * of both behind it in *pattern and *path. */
static bool parts_match(struct str *pattern, struct str *path, bool *at_recursion)
{
    *at_recursion = false;
    for (;;) {
        struct str pattern_part = str_cut(pattern, '/');
        if (str_equal(pattern_part, STR("**")) && !has_recursion(*pattern)) {
            *at_recursion = true;
            return true;
        }
        if (!part_matches(pattern_part, str_cut(path, '/'))) return false;
        if ((pattern->data == NULL) != (path->data == NULL)) return false;
        if (pattern->data == NULL) return true;
    }
}

bool glob_matches(struct str pattern, struct str path)
{
    bool at_recursion;
    if (pattern.data == NULL || path.data == NULL) return pattern.size == path.size;
    if (!parts_match(&pattern, &path, &at_recursion)) return false;
    if (!at_recursion) return true;
    bool is_last = pattern.data == NULL;
    for (int depth = 0; depth <= FOLDERS_MAX; depth++) {
        struct str pattern_rest = pattern;
        struct str path_rest = path;
        if (path.data == NULL) return is_last;
        if (!is_last && parts_match(&pattern_rest, &path_rest, &at_recursion)) return true;
        (void)str_cut(&path, '/');
    }
    return is_last && path.data == NULL;
}

bool glob_is_valid(struct str pattern)
{
    while (pattern.size > 0) {
        bool holds;
        if (pattern.data[0] == '[') {
            if (!take_class(&pattern, 'a', &holds)) return false;
        } else if (pattern.data[0] == '\\') {
            if (pattern.size < 2) return false;
            pattern = str_skip(pattern, 2);
        } else {
            pattern = str_skip(pattern, 1);
        }
    }
    return true;
}

bool glob_has_wildcard(struct str pattern)
{
    for (size_t i = 0; i < pattern.size; i++) {
        if (strchr("*?[\\", pattern.data[i]) != NULL && pattern.data[i] != '\0') return true;
    }
    return false;
}
