/* matcher.c - a comparison, or a pattern of codec/regex. */
#include "model/matcher.h"

#include "base/check.h"
#include "codec/regex.h"

int matcher_init(struct matcher *matcher, enum matcher_kind kind, struct str name, struct str value,
                 struct error *error)
{
    struct regex *regex = NULL;
    if (kind == MATCHER_REGEX || kind == MATCHER_NOT_REGEX) {
        int code = regex_new(&regex, value, REGEX_DOT_NEWLINE, error);
        if (code < 0) return code;
    }
    *matcher = (struct matcher){ .kind = kind, .name = name, .value = value, .regex = regex };
    return 0;
}

void matcher_release(struct matcher *matcher)
{
    regex_free(matcher->regex);
    matcher->regex = NULL;
}

bool matcher_matches(const struct matcher *matcher, struct str value)
{
    switch (matcher->kind) {
    case MATCHER_EQUAL: return str_equal(matcher->value, value);
    case MATCHER_NOT_EQUAL: return !str_equal(matcher->value, value);
    case MATCHER_REGEX: return regex_matches(matcher->regex, value);
    case MATCHER_NOT_REGEX: return !regex_matches(matcher->regex, value);
    }
    CHECK(false);
}

bool matcher_matches_labels(const struct matcher *matchers, size_t count, struct labels labels)
{
    for (size_t i = 0; i < count; i++) {
        if (!matcher_matches(&matchers[i], labels_get(labels, matchers[i].name))) return false;
    }
    return true;
}
