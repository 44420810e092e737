/* query_words.c - match_bool_prefix, and words that may stand in different fields.
 *
 * The words are those of the standard analyzer. A field that is not analyzed is asked for the text
 * as a whole, as its own analyzer would leave it.
 */
#include "logquery/query.h"

#include <string.h>

#define WORDS_MAX 1024

/* A leaf with one value of its own, else as `like`. */
static struct logstore_filter *leaf(struct parse *parse, const struct logstore_filter *like,
                                    enum logstore_filter_kind kind, struct str value)
{
    struct logstore_filter *filter = filter_new(parse, kind);
    struct str *values = ARENA_NEW(parse->arena, struct str);
    if (filter == NULL || values == NULL) return NULL;
    *filter = *like;
    filter->kind = kind;
    values[0] = arena_copy(parse->arena, value);
    if (value.size > 0 && values[0].data == NULL) return NULL;
    filter->values = values;
    filter->value_count = 1;
    filter->minimum = (struct str){ NULL, 0 };
    return filter;
}

/* A clause a word, of the analyzed fields alone; all of them or one must match. */
static int join_words(struct parse *parse, const struct logstore_filter *like, enum words_kind kind,
                      struct logstore_filter **out)
{
    struct logstore_filter *group = filter_new(parse, LOGSTORE_FILTER_BOOL);
    struct logstore_filter **clauses =
        ARENA_ARRAY(parse->arena, struct logstore_filter *, WORDS_MAX);
    struct analyzer analyzer;
    struct analyzer_token token;
    size_t count = 0;
    if (group == NULL || clauses == NULL) return parse_out_of_memory(parse);
    analyzer_init(&analyzer, like->values[0]);
    while (analyzer_next(&analyzer, &token)) {
        if (count == WORDS_MAX) {
            return parse_fail(parse, "illegal_argument_exception", "maxClauseCount is set to %d",
                              WORDS_MAX);
        }
        clauses[count] = leaf(parse, like, LOGSTORE_FILTER_MATCH, token.term);
        if (clauses[count] == NULL) return parse_out_of_memory(parse);
        clauses[count++]->asks_analyzed = true;
    }
    if (count == 0) {
        group->kind = like->matches_all_when_empty ? LOGSTORE_FILTER_ALL : LOGSTORE_FILTER_NONE;
    } else if (kind == WORDS_PREFIX) {
        clauses[count - 1]->kind = LOGSTORE_FILTER_PREFIX;
    }
    if (like->needs_all_terms) {
        group->must = clauses;
        group->must_count = count;
    } else {
        group->should = clauses;
        group->should_count = count;
        if (count > 1) group->minimum = like->minimum;
    }
    *out = group;
    return 0;
}

/* Of one field or several together: the words, or the whole text where it is not analyzed. */
static int join_fields(struct parse *parse, const struct logstore_filter *like,
                       enum words_kind kind, struct logstore_filter **out)
{
    struct logstore_filter *either = filter_new(parse, LOGSTORE_FILTER_BOOL);
    struct logstore_filter **clauses = ARENA_ARRAY(parse->arena, struct logstore_filter *, 2);
    if (either == NULL || clauses == NULL) return parse_out_of_memory(parse);
    int code = join_words(parse, like, kind, &clauses[0]);
    if (code < 0) return code;
    clauses[1] =
        leaf(parse, like, kind == WORDS_PREFIX ? LOGSTORE_FILTER_PREFIX : LOGSTORE_FILTER_TERM,
             like->values[0]);
    if (clauses[1] == NULL) return parse_out_of_memory(parse);
    clauses[1]->asks_unanalyzed = true;
    either->should = clauses;
    either->should_count = 2;
    *out = either;
    return 0;
}

int query_words(struct parse *parse, const struct logstore_filter *like, enum words_kind kind,
                struct logstore_filter **out)
{
    if (kind == WORDS_ACROSS || like->field_count < 2) return join_fields(parse, like, kind, out);
    struct logstore_filter *any = filter_new(parse, LOGSTORE_FILTER_BOOL);
    if (any == NULL) return parse_out_of_memory(parse);
    any->should = ARENA_ARRAY(parse->arena, struct logstore_filter *, like->field_count);
    if (any->should == NULL) return parse_out_of_memory(parse);
    for (size_t i = 0; i < like->field_count; i++) {
        struct logstore_filter one = *like;
        one.fields = &like->fields[i];
        one.field_count = 1;
        int code = join_fields(parse, &one, kind, &any->should[any->should_count]);
        if (code < 0) return code;
        any->should_count++;
    }
    *out = any;
    return 0;
}
