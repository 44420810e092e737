/* lucene_tokens.h - the tokens of query_string, as Lucene's classic parser cuts them.
 *
 * Nothing is kept between calls: a token is asked for by the place where it is looked for, and the
 * parser looks ahead as it likes. Threads: pure.
 */
#ifndef LOGQUERY_LUCENE_TOKENS_H
#define LOGQUERY_LUCENE_TOKENS_H

#include "base/str.h"

#include <stddef.h>

enum lucene_token_kind {
    LUCENE_END,
    LUCENE_AND,
    LUCENE_OR,
    LUCENE_NOT, /* NOT, ! */
    LUCENE_PLUS,
    LUCENE_MINUS,
    LUCENE_BARE, /* + - ! before a blank: a term without a meaning */
    LUCENE_OPEN,
    LUCENE_CLOSE,
    LUCENE_COLON,
    LUCENE_CARET,
    LUCENE_TILDE, /* with what follows it */
    LUCENE_QUOTED,
    LUCENE_TERM,
    LUCENE_STAR, /* alone */
    LUCENE_WILDCARD,
    LUCENE_REGEX,
    LUCENE_RANGE,  /* its opening bracket */
    LUCENE_BROKEN, /* what begins no token */
};

struct lucene_token {
    enum lucene_token_kind kind;
    size_t start, end;
};

/* The token that stands at or behind `at`. */
struct lucene_token lucene_scan(struct str all, size_t at);

size_t lucene_after_blanks(struct str all, size_t at);
size_t lucene_quoted_end(struct str all, size_t at); /* behind the quote; STR_NONE: unclosed */

#endif
