/* query_options.h - what each kind of query may say, and the kinds that are not supported. */
#ifndef LOGQUERY_QUERY_OPTIONS_H
#define LOGQUERY_QUERY_OPTIONS_H

#include "logquery/parse.h"

/* Refuses an option that the kind of query does not have, and a second field where one may stand:
 * what nobody reads would be without effect and without an error. */
int query_check_options(struct parse *parse, struct str kind, const struct json *body) MUST_CHECK;

/* Fails with why a kind of query is not supported, or that there is no such kind. */
int query_refuse_kind(struct parse *parse, struct str kind);

/* Whether `word` is one of the words of a text that blanks separate. */
bool query_has_word(const char *words, struct str word);

#endif
