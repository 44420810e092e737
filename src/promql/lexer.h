/* lexer.h - cuts an expression into tokens, one at a time.
 *
 * Inside braces, brackets and outside both the same characters mean different things; the lexer
 * follows the nesting as the reference's does, so that its complaints come at the same places.
 */
#ifndef PROMQL_LEXER_H
#define PROMQL_LEXER_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind {
    TOKEN_END,
    TOKEN_ERROR, /* the lexer's complaint is in lexer->complaint */
    TOKEN_IDENTIFIER,
    TOKEN_METRIC_IDENTIFIER, /* with a colon */
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_STRING,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_AT,
    TOKEN_EQUAL,         /* = */
    TOKEN_REGEX_EQUAL,   /* =~ */
    TOKEN_REGEX_UNEQUAL, /* !~ */
    TOKEN_OPERATOR,      /* number: enum binary_operator */
    TOKEN_AGGREGATION,   /* number: enum aggregation */
    TOKEN_KEYWORD,       /* number: enum keyword */
};

enum keyword {
    KEYWORD_OFFSET,
    KEYWORD_BY,
    KEYWORD_WITHOUT,
    KEYWORD_ON,
    KEYWORD_IGNORING,
    KEYWORD_GROUP_LEFT,
    KEYWORD_GROUP_RIGHT,
    KEYWORD_BOOL,
    KEYWORD_FILL,
    KEYWORD_FILL_LEFT,
    KEYWORD_FILL_RIGHT,
    KEYWORD_ANCHORED,
    KEYWORD_SMOOTHED,
    KEYWORD_START,
    KEYWORD_END,
    KEYWORD_STEP,
    KEYWORD_RANGE,
};

struct token {
    enum token_kind kind;
    int number;
    uint32_t start;
    struct str text;
};

struct lexer {
    struct str text;
    size_t position;
    unsigned paren_depth;
    bool is_in_braces;
    bool is_in_brackets;
    bool is_colon_taken; /* inside brackets, one ':' was there */
    char complaint[160];
};

/* The next token. After TOKEN_END or TOKEN_ERROR it comes again and again. */
struct token lexer_next(struct lexer *lexer);

/* As the reference's errors name it: `identifier "foo"`, `<op:+>`, `end of input`. */
void token_describe(const struct token *token, char *buffer, size_t size);

#endif
