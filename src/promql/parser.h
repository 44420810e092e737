/* parser.h - what the parser's files share: the state, one token ahead, and the complaints.
 *
 * A Pratt parser: parse_binary climbs by binding power, parse_postfix takes ranges and modifiers,
 * parse_primary the rest. Every function gives NULL (or false) after a complaint, which is kept;
 * the first one counts.
 */
#ifndef PROMQL_PARSER_H
#define PROMQL_PARSER_H

#include "promql/expr.h"
#include "promql/lexer.h"

struct parser {
    struct lexer lexer;
    struct token token; /* the one to look at */
    struct promql_expr *expr;
    uint32_t features;
    unsigned depth;
    uint32_t last_end; /* where the last taken token ended */
    bool is_out_of_memory;
    struct error *error; /* filled at the first complaint */
    bool has_failed;
    bool finds_resets; /* while checking: inside histogram_count() or its like */
};

void parser_advance(struct parser *parser);
struct token parser_peek(const struct parser *parser); /* the token after this one */

/* Records "line:column: parse error: text" for the byte offset. Always false. */
bool parser_fail(struct parser *parser, size_t offset, const char *format, ...) PRINTF_LIKE(3, 4);

/* "unexpected X in CONTEXT, expected WHAT"; the last two may be NULL. Always false. */
bool parser_unexpected(struct parser *parser, const char *context, const char *expected);

/* Takes the token or complains. */
bool parser_expect(struct parser *parser, enum token_kind kind, const char *context,
                   const char *expected);
bool parser_is_keyword(const struct parser *parser, enum keyword keyword);

void *parser_alloc(struct parser *parser, size_t count, size_t size); /* NULL: has failed */
#define PARSER_NEW(parser, type)          ((type *)parser_alloc((parser), 1, sizeof(type)))
#define PARSER_ARRAY(parser, type, count) ((type *)parser_alloc((parser), (count), sizeof(type)))

struct node *parser_node(struct parser *parser, enum node_kind kind, enum promql_type type,
                         uint32_t start); /* NULL: has failed */

bool parser_enter(struct parser *parser); /* false: nested too deep */
void parser_leave(struct parser *parser);

struct node *parser_expression(struct parser *parser, int power);

/* Without what stands behind it, and with. */
struct node *parser_primary(struct parser *parser);
struct node *parser_postfix(struct parser *parser);

/* A selector from its name (may be empty) or left brace on. */
struct node *parser_selector(struct parser *parser, struct str name, uint32_t start);

/* Between the brackets, and behind offset. */
struct duration *parser_duration(struct parser *parser, int power);
struct duration *parser_offset(struct parser *parser);
bool parser_duration_positive(struct parser *parser, const struct duration *duration);

/* "text" of a string token, unescaped, in the arena. */
bool parser_unquote(struct parser *parser, const struct token *token, struct str *out);

/* Value of a number or duration token. */
bool parser_number(struct parser *parser, const struct token *token, double *value);

/* As promql_parse, with the features themselves. */
int parser_parse(struct promql_expr **expr_out, uint32_t features, struct str text,
                 struct error *error);

/* Types: the whole tree, after it stands. */
bool parser_check(struct parser *parser, struct node *node);

#endif
