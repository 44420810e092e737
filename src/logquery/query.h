/* query.h - what the files of the query DSL share: see query.c. */
#ifndef LOGQUERY_QUERY_H
#define LOGQUERY_QUERY_H

#include "logquery/parse.h"

/* Readers of single options. "minimum_should_match"; "operator" or "default_operator"; "fields",
 * of which the boosts are left out and "*" alone is none. */
int query_set_minimum(struct parse *parse, struct logstore_filter *filter,
                      const struct json *value) MUST_CHECK;
int query_read_operator(struct parse *parse, const struct json *object, const char *name,
                        bool *is_and) MUST_CHECK;
int query_read_fields(struct parse *parse, const struct json *value, const struct str **fields,
                      size_t *count) MUST_CHECK;

/* query_text.c: texts of a language. */
int query_read_query_string(struct parse *parse, const struct json *body,
                            struct logstore_filter **out) MUST_CHECK;
int query_read_simple_query_string(struct parse *parse, const struct json *body,
                                   struct logstore_filter **out) MUST_CHECK;
int query_read_kql(struct parse *parse, const struct json *body,
                   struct logstore_filter **out) MUST_CHECK;

/* query_words.c: a text whose words are clauses of their own.
 *
 *   like    the fields, the text (values[0]) and the options of a match
 *   PREFIX  the last word may go on (match_bool_prefix), each field by itself
 *   ACROSS  each word may stand in another field (cross_fields, combined_fields)
 */
enum words_kind { WORDS_PREFIX, WORDS_ACROSS };
int query_words(struct parse *parse, const struct logstore_filter *like, enum words_kind kind,
                struct logstore_filter **out) MUST_CHECK;

#endif
