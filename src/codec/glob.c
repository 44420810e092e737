/* glob.c - matching part by part; inside a part a star remembers where to try again. */
#include "codec/glob.h"

#include <stddef.h>

#define FOLDERS_MAX 8 /* how deep "**" looks, as in Filebeat */

/* Takes the class behind '[': whether it is well formed, and whether it holds c. */
static bool take_class(struct str *pattern, char c, bool *holds)
{
    struct str rest = str_skip(*pattern, 1);
    bool is_negated = rest.size > 0 && rest.data[0] == '^';
    if (is_negated) rest = str_skip(rest, 1);
    bool is_found = false;
    size_t count = 0;
    while (rest.size > 0 && (rest.data[0] != ']' || count == 0)) {
        char bounds[2];
        for (int i = 0; i < 2; i++) {
            if (rest.size > 0 && rest.data[0] == '\\') rest = str_skip(rest, 1);
            if (rest.size == 0) return false;
            bounds[i] = rest.data[0];
            rest = str_skip(rest, 1);
            if (i == 0 && (rest.size < 2 || rest.data[0] != '-')) {
                bounds[1] = bounds[0];
                break;
            }
            if (i == 0) rest = str_skip(rest, 1);
        }
        if (c >= bounds[0] && c <= bounds[1]) is_found = true;
        count++;
    }
    if (rest.size == 0) return false;
    *pattern = str_skip(rest, 1);
    *holds = is_found != is_negated;
    return true;
}

/* Takes one pattern character and sees whether it fits c; false also for a broken pattern. */
static bool take_one(struct str *pattern, char c)
{
    if (pattern->size == 0) return false;
    char wanted = pattern->data[0];
    if (wanted == '[') {
        bool holds;
        return take_class(pattern, c, &holds) && holds;
    }
    if (wanted == '\\') {
        if (pattern->size < 2) return false;
        wanted = pattern->data[1];
        *pattern = str_skip(*pattern, 2);
        return wanted == c;
    }
    *pattern = str_skip(*pattern, 1);
    return wanted == '?' || wanted == c;
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
        if (take_one(&pattern, text.data[0])) {
            text = str_skip(text, 1);
            continue;
        }
        if (!has_star) return false;
        retry = str_skip(retry, 1);
        text = retry;
        pattern = star;
    }
    while (pattern.size > 0 && pattern.data[0] == '*') pattern = str_skip(pattern, 1);
    return pattern.size == 0;
}

bool glob_matches(struct str pattern, struct str path)
{
    for (;;) {
        bool pattern_goes_on = str_find_char(pattern, '/') != STR_NONE;
        bool path_goes_on = str_find_char(path, '/') != STR_NONE;
        struct str pattern_rest = pattern;
        struct str path_rest = path;
        struct str pattern_part = str_cut(&pattern_rest, '/');
        struct str path_part = str_cut(&path_rest, '/');
        if (str_equal(pattern_part, STR("**"))) {
            if (!pattern_goes_on) return true;
            for (int depth = 0; depth <= FOLDERS_MAX; depth++) {
                if (glob_matches(pattern_rest, path)) return true;
                if (str_find_char(path, '/') == STR_NONE) return false;
                (void)str_cut(&path, '/');
            }
            return false;
        }
        if (!part_matches(pattern_part, path_part)) return false;
        if (pattern_goes_on != path_goes_on) return false;
        if (!pattern_goes_on) return true;
        pattern = pattern_rest;
        path = path_rest;
    }
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
