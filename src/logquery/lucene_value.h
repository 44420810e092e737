/* lucene_value.h - what the files of the query_string parser share: its state, and the values that
 * a clause may hold. Each reader takes its text, moves `at` behind it, and gives ERROR_PARSE with
 * the place where it cannot go on.
 */
#ifndef LOGQUERY_LUCENE_VALUE_H
#define LOGQUERY_LUCENE_VALUE_H

#include "logquery/logquery.h"
#include "logquery/lucene_tokens.h"
#include "logquery/parse.h"

struct lucene {
    const struct lucene_options *options;
    struct arena *arena;
    struct error *error;
    struct str text;
    size_t at;
    unsigned depth;
    unsigned clause_count;
    size_t regex_size; /* when the options name none */
};

/* Fields that the clause at hand asks. */
struct lucene_scope {
    const struct str *fields;
    size_t count;
    bool is_named; /* by "field:", not by default */
};

struct lucene_tilde {
    bool is_there;
    bool has_number; /* else by length */
    double number;
};

/* "Encountered WHAT at column N". */
int lucene_fail(struct lucene *lucene, const char *what);
int lucene_no_memory(struct lucene *lucene);

/* Where the reader stands: the byte (0 at the end), the token at or behind a place, its text. */
char lucene_peek(const struct lucene *lucene);
struct lucene_token lucene_next(const struct lucene *lucene, size_t at);
void lucene_skip_blanks(struct lucene *lucene);
struct str lucene_token_text(const struct lucene *lucene, const struct lucene_token *token);

/* The text without its escapes, in the arena. */
int lucene_unescape(struct lucene *lucene, struct str raw, struct str *text);

/* A filter of one value over the fields of the scope; NULL: no memory. */
struct logstore_filter *lucene_leaf(struct lucene *lucene, const struct lucene_scope *scope,
                                    enum logstore_filter_kind kind, struct str value);

/* "~2", "~0.8", "~", "~AUTO"; and a boost before or behind it, which has no effect. */
int lucene_take_suffixes(struct lucene *lucene, bool allows_tilde, struct lucene_tilde *tilde);

/* Values. A range begins at `at`; the others at their token. */
int lucene_read_range(struct lucene *lucene, const struct lucene_scope *scope,
                      struct logstore_filter **out);
int lucene_read_term(struct lucene *lucene, const struct lucene_scope *scope,
                     const struct lucene_token *token, struct logstore_filter **out);
int lucene_read_phrase(struct lucene *lucene, const struct lucene_scope *scope,
                       const struct lucene_token *token, struct logstore_filter **out);
int lucene_read_regex(struct lucene *lucene, const struct lucene_scope *scope,
                      const struct lucene_token *token, struct logstore_filter **out);

#endif
