/* highlight.h - which terms of a text a query matched, between the reader of the request
 * (highlight.c) and the tests of terms (highlight_match.c). */
#ifndef LOGQUERY_HIGHLIGHT_H
#define LOGQUERY_HIGHLIGHT_H

#include "logquery/search.h"

/* One way for a term to match: equal to it, beginning with it, or passing a test. */
struct highlight_matcher {
    const struct logstore_filter *filter; /* whose fields it is for */
    struct str term;
    bool is_prefix;
    bool is_text;           /* for terms of analyzed fields; else for whole keywords */
    struct term_test *test; /* owned; NULL: by the term */
};

VEC_TYPE(highlight_matcher_vec, struct highlight_matcher);

/* All leaves of a query that say yes somewhere; what must not match marks nothing. The matchers are
 * the caller's in any case. */
int highlight_matchers_add(struct search *search, const struct logstore_filter *query,
                           struct highlight_matcher_vec *matchers) MUST_CHECK;
void highlight_matchers_release(struct highlight_matcher_vec *matchers);

struct highlight_target {
    struct str path;
    bool is_text;
    bool any_field; /* require_field_match is off */
};
bool highlight_matches(const struct highlight_matcher_vec *matchers,
                       const struct highlight_target *target, struct str term);

#endif
