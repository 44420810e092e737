/* highlight_match.c - a query's leaves as tests of single terms. */
#include "logquery/highlight.h"

#include <errno.h>

#define MATCHERS_MAX 4096

static int add(struct search *search, struct highlight_matcher_vec *matchers,
               struct highlight_matcher matcher)
{
    if (matchers->count >= MATCHERS_MAX) return 0; /* the rest is not marked */
    if (VEC_PUSH(matchers, matcher)) return 0;
    logstore_term_test_free(matcher.test);
    return parse_out_of_memory(&search->parse);
}

static int add_test(struct search *search, const struct logstore_filter *filter, struct str value,
                    bool is_text, struct highlight_matcher_vec *matchers)
{
    struct highlight_matcher matcher = { .filter = filter, .is_text = is_text };
    struct error error = { 0 };
    int code = logstore_term_test_new(&matcher.test, filter, value, is_text, &error);
    if (code == -ENOMEM) return parse_out_of_memory(&search->parse);
    return code < 0 ? 0 : add(search, matchers, matcher);
}

/* The terms of an analyzed value, each by itself; a value with edits allowed is tested. */
static int add_terms(struct search *search, const struct logstore_filter *filter, struct str value,
                     struct highlight_matcher_vec *matchers)
{
    struct analyzer analyzer;
    struct analyzer_token token;
    size_t first = matchers->count;
    int code = 0;
    analyzer_init(&analyzer, value);
    while (code == 0 && analyzer_next(&analyzer, &token) && matchers->count < MATCHERS_MAX) {
        struct highlight_matcher matcher = { .filter = filter, .is_text = true };
        matcher.term = arena_copy(search->arena, token.term);
        if (matcher.term.data == NULL) return parse_out_of_memory(&search->parse);
        if (filter->kind == LOGSTORE_FILTER_MATCH && filter->fuzziness != 0) {
            struct logstore_filter *fuzzy = ARENA_NEW(search->arena, struct logstore_filter);
            if (fuzzy == NULL) return parse_out_of_memory(&search->parse);
            *fuzzy = *filter;
            fuzzy->kind = LOGSTORE_FILTER_FUZZY;
            code = add_test(search, fuzzy, matcher.term, true, matchers);
        } else {
            code = add(search, matchers, matcher);
        }
    }
    bool has_last = filter->kind == LOGSTORE_FILTER_PHRASE_PREFIX && matchers->count > first;
    if (code == 0 && has_last) matchers->items[matchers->count - 1].is_prefix = true;
    return code;
}

static int add_value(struct search *search, const struct logstore_filter *filter, struct str value,
                     struct highlight_matcher_vec *matchers)
{
    bool is_prefix = filter->kind == LOGSTORE_FILTER_PHRASE_PREFIX;
    struct highlight_matcher whole = { .filter = filter, .term = value, .is_prefix = is_prefix };
    int code = 0;
    switch (filter->kind) {
    case LOGSTORE_FILTER_MATCH:
    case LOGSTORE_FILTER_PHRASE:
    case LOGSTORE_FILTER_PHRASE_PREFIX:
        code = add_terms(search, filter, value, matchers);
        return code < 0 ? code : add(search, matchers, whole);
    case LOGSTORE_FILTER_TERM:
    case LOGSTORE_FILTER_PREFIX:
    case LOGSTORE_FILTER_WILDCARD:
    case LOGSTORE_FILTER_REGEXP:
    case LOGSTORE_FILTER_FUZZY:
        code = add_test(search, filter, value, true, matchers);
        return code < 0 ? code : add_test(search, filter, value, false, matchers);
    case LOGSTORE_FILTER_ALL:
    case LOGSTORE_FILTER_NONE:
    case LOGSTORE_FILTER_BOOL:
    case LOGSTORE_FILTER_RANGE:
    case LOGSTORE_FILTER_EXISTS:
    case LOGSTORE_FILTER_IDS:
    case LOGSTORE_FILTER_KIND_COUNT: break;
    }
    return 0;
}

static int gather(struct search *search, const struct logstore_filter *filter, unsigned depth,
                  struct highlight_matcher_vec *matchers)
{
    int code = 0;
    if (filter == NULL || depth > PARSE_DEPTH_MAX) return 0;
    for (size_t i = 0; code == 0 && i < filter->must_count; i++) {
        code = gather(search, filter->must[i], depth + 1, matchers);
    }
    for (size_t i = 0; code == 0 && i < filter->should_count; i++) {
        code = gather(search, filter->should[i], depth + 1, matchers);
    }
    for (size_t i = 0; code == 0 && i < filter->value_count; i++) {
        code = add_value(search, filter, filter->values[i], matchers);
    }
    return code;
}

int highlight_matchers_add(struct search *search, const struct logstore_filter *query,
                           struct highlight_matcher_vec *matchers)
{
    return gather(search, query, 0, matchers);
}

void highlight_matchers_release(struct highlight_matcher_vec *matchers)
{
    VEC_FOR_EACH (matchers, matcher) logstore_term_test_free(matcher->test);
    VEC_RELEASE(matchers);
}

static bool is_for(const struct highlight_matcher *matcher, const struct highlight_target *target)
{
    const struct logstore_filter *filter = matcher->filter;
    if (matcher->is_text != target->is_text) return false;
    if (filter->field_count == 0 || target->any_field) return true;
    for (size_t i = 0; i < filter->field_count; i++) {
        if (logstore_name_matches(filter->fields[i], target->path)) return true;
    }
    return false;
}

bool highlight_matches(const struct highlight_matcher_vec *matchers,
                       const struct highlight_target *target, struct str term)
{
    for (size_t i = 0; i < matchers->count; i++) {
        const struct highlight_matcher *matcher = &matchers->items[i];
        if (!is_for(matcher, target)) continue;
        bool is_it = matcher->test != NULL ? logstore_term_test_matches(matcher->test, term)
                     : matcher->is_prefix  ? str_starts_with(term, matcher->term)
                                           : str_equal(term, matcher->term);
        if (is_it) return true;
    }
    return false;
}
