/* matcher.h - one condition on one label, as PromQL's braces and match[] write it. */
#ifndef MODEL_MATCHER_H
#define MODEL_MATCHER_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>

enum matcher_kind {
    MATCHER_EQUAL,     /* =  */
    MATCHER_NOT_EQUAL, /* != */
    MATCHER_REGEX,     /* =~ fully anchored RE2, '.' matches newline */
    MATCHER_NOT_REGEX, /* !~ */
};

struct regex; /* codec/regex.h */

struct matcher {
    enum matcher_kind kind;
    struct str name;     /* borrowed */
    struct str value;    /* borrowed: text or pattern */
    struct regex *regex; /* owned; NULL for the plain kinds */
};

/*
 * Makes a matcher; patterns are compiled.
 *
 *   name, value  borrowed for the matcher's life
 *   matcher      out: to be released by matcher_release; untouched on failure
 *
 * Returns 0, ERROR_PARSE (the pattern; error->offset inside value) or -ENOMEM.
 * Threads: a matcher may be used by any number of threads.
 */
int matcher_init(struct matcher *matcher, enum matcher_kind kind, struct str name, struct str value,
                 struct error *error) MUST_CHECK;
void matcher_release(struct matcher *matcher); /* accepts a zeroed one */

bool matcher_matches(const struct matcher *matcher, struct str value);
bool matcher_matches_labels(const struct matcher *matchers, size_t count, struct labels labels);

/* True when a series without the label satisfies it. */
static inline bool matcher_matches_empty(const struct matcher *matcher)
{
    return matcher_matches(matcher, (struct str){ 0 });
}

#endif
