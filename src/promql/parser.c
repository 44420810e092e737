/* parser.c - expressions: operators by binding power, calls, aggregations. */
#include "promql/parser.h"

#include "base/check.h"
#include "promql/functions.h"
#include "promql/shared.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define UNARY_POWER   6 /* binds like '*', weaker than '^' */
#define LABELS_MAX    1024
#define EXPR_SIZE_MAX ((size_t)64 << 20) /* bytes of one tree */

void parser_advance(struct parser *parser)
{
    parser->last_end = parser->token.start + (uint32_t)parser->token.text.size;
    parser->token = lexer_next(&parser->lexer);
}

struct token parser_peek(const struct parser *parser)
{
    struct lexer lexer = parser->lexer;
    return lexer_next(&lexer);
}

bool parser_fail(struct parser *parser, size_t offset, const char *format, ...)
{
    if (parser->has_failed) return false;
    parser->has_failed = true;
    char position[POSITION_SIZE];
    position_print(parser->expr->text, offset, position);
    char text[ERROR_TEXT_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)error_set(parser->error, ERROR_PARSE, "%s: parse error: %s", position, text);
    if (parser->error != NULL) parser->error->offset = offset;
    return false;
}

bool parser_unexpected(struct parser *parser, const char *context, const char *expected)
{
    if (parser->token.kind == TOKEN_ERROR) {
        return parser_fail(parser, parser->token.start, "%s", parser->lexer.complaint);
    }
    char what[128];
    token_describe(&parser->token, what, sizeof(what));
    return parser_fail(parser, parser->token.start, "unexpected %s%s%s%s%s", what,
                       context == NULL ? "" : " in ", context == NULL ? "" : context,
                       expected == NULL ? "" : ", expected ", expected == NULL ? "" : expected);
}

bool parser_expect(struct parser *parser, enum token_kind kind, const char *context,
                   const char *expected)
{
    if (parser->token.kind != kind) return parser_unexpected(parser, context, expected);
    parser_advance(parser);
    return true;
}

bool parser_is_keyword(const struct parser *parser, enum keyword keyword)
{
    return parser->token.kind == TOKEN_KEYWORD && parser->token.number == (int)keyword;
}

void *parser_alloc(struct parser *parser, size_t count, size_t size)
{
    void *memory = arena_alloc(&parser->expr->arena, count == 0 ? 1 : count, size);
    if (memory == NULL) {
        parser->has_failed = true;
        parser->is_out_of_memory = true;
    }
    return memory;
}

bool parser_enter(struct parser *parser)
{
    if (++parser->depth <= PROMQL_DEPTH_MAX) return true;
    return parser_fail(parser, parser->token.start, "expression is nested deeper than %d",
                       PROMQL_DEPTH_MAX);
}

void parser_leave(struct parser *parser)
{
    parser->depth--;
}

struct node *parser_node(struct parser *parser, enum node_kind kind, enum promql_type type,
                         uint32_t start)
{
    struct node *node = PARSER_NEW(parser, struct node);
    if (node == NULL) return NULL;
    node->kind = kind;
    node->type = type;
    node->place = (struct place){ start, parser->last_end };
    return node;
}

/* Label names in parentheses, for by, without, on, ignoring, group_x. */
static bool parse_labels(struct parser *parser, struct str **labels, size_t *count)
{
    if (!parser_expect(parser, TOKEN_LEFT_PAREN, "grouping opts", "\"(\"")) return false;
    VEC(struct str) found = { 0 };
    bool is_good = true;
    while (is_good && parser->token.kind != TOKEN_RIGHT_PAREN) {
        struct str name = parser->token.text;
        bool is_word = parser->token.kind == TOKEN_IDENTIFIER ||
                       parser->token.kind == TOKEN_KEYWORD ||
                       parser->token.kind == TOKEN_AGGREGATION ||
                       (name.size > 0 && label_name_is_legacy(name));
        if (parser->token.kind == TOKEN_STRING) {
            is_good = parser_unquote(parser, &parser->token, &name);
        } else if (!is_word) {
            is_good = parser_unexpected(parser, "grouping opts", "label");
        }
        if (is_good && found.count >= LABELS_MAX) {
            is_good = parser_fail(parser, parser->token.start, "more than %d labels", LABELS_MAX);
        }
        if (is_good && !VEC_PUSH(&found, name)) {
            is_good = false;
            parser->has_failed = parser->is_out_of_memory = true;
        }
        if (!is_good) break;
        parser_advance(parser);
        if (parser->token.kind == TOKEN_COMMA) {
            parser_advance(parser);
        } else if (parser->token.kind != TOKEN_RIGHT_PAREN) {
            is_good = parser_unexpected(parser, "grouping opts", "\",\" or \")\"");
        }
    }
    if (is_good) {
        parser_advance(parser);
        *labels = PARSER_ARRAY(parser, struct str, found.count);
        is_good = *labels != NULL;
    }
    if (is_good && found.count > 0) {
        memcpy(*labels, found.items, found.count * sizeof(found.items[0]));
    }
    if (is_good) *count = found.count;
    VEC_RELEASE(&found);
    return is_good;
}

static bool parse_arguments(struct parser *parser, struct node ***arguments, size_t *count)
{
    if (!parser_expect(parser, TOKEN_LEFT_PAREN, NULL, NULL)) return false;
    VEC(struct node *) found = { 0 };
    bool is_good = true;
    while (is_good && parser->token.kind != TOKEN_RIGHT_PAREN) {
        struct node *argument = parser_expression(parser, 0);
        is_good = argument != NULL;
        if (is_good && !VEC_PUSH(&found, argument)) {
            is_good = false;
            parser->has_failed = parser->is_out_of_memory = true;
        }
        if (!is_good) break;
        if (parser->token.kind == TOKEN_COMMA) {
            parser_advance(parser);
            if (parser->token.kind == TOKEN_RIGHT_PAREN) {
                is_good = parser_fail(parser, parser->token.start,
                                      "trailing commas not allowed in function call args");
            }
        } else if (parser->token.kind != TOKEN_RIGHT_PAREN) {
            is_good = parser_unexpected(parser, NULL, NULL);
        }
    }
    if (is_good) {
        parser_advance(parser);
        *arguments = PARSER_ARRAY(parser, struct node *, found.count);
        is_good = *arguments != NULL;
    }
    if (is_good && found.count > 0) {
        memcpy(*arguments, found.items, found.count * sizeof(struct node *));
    }
    if (is_good) *count = found.count;
    VEC_RELEASE(&found);
    return is_good;
}

static struct node *parse_call(struct parser *parser)
{
    struct token name = parser->token;
    parser_advance(parser);
    const struct promql_function *function = function_find(name.text);
    if (function == NULL) {
        parser_fail(parser, name.start, "unknown function with name \"" STR_FMT "\"",
                    STR_ARG(str_first(name.text, name.text.size < 80 ? name.text.size : 80)));
        return NULL;
    }
    if (function->feature != 0 && (parser->features & function->feature) == 0) {
        parser_fail(parser, name.start, "function \"" STR_FMT "\" is not enabled",
                    STR_ARG(name.text));
        return NULL;
    }
    struct node **arguments;
    size_t count;
    if (!parse_arguments(parser, &arguments, &count)) return NULL;
    struct node *node = parser_node(parser, NODE_CALL, function->result, name.start);
    if (node == NULL) return NULL;
    node->call.function = function;
    node->call.arguments = arguments;
    node->call.count = count;
    return node;
}

static bool parse_grouping(struct parser *parser, struct node *node)
{
    node->aggregate.is_without = parser_is_keyword(parser, KEYWORD_WITHOUT);
    node->aggregate.is_grouped = true;
    parser_advance(parser);
    return parse_labels(parser, &node->aggregate.labels, &node->aggregate.label_count);
}

static bool is_grouping(const struct parser *parser)
{
    return parser_is_keyword(parser, KEYWORD_BY) || parser_is_keyword(parser, KEYWORD_WITHOUT);
}

static struct node *parse_aggregate(struct parser *parser)
{
    struct token name = parser->token;
    enum aggregation op = (enum aggregation)name.number;
    parser_advance(parser);
    struct node *node = parser_node(parser, NODE_AGGREGATE, PROMQL_VECTOR, name.start);
    if (node == NULL) return NULL;
    node->aggregate.op = op;
    if (is_grouping(parser) && !parse_grouping(parser, node)) return NULL;
    struct node **arguments;
    size_t count;
    if (parser->token.kind != TOKEN_LEFT_PAREN) {
        parser_unexpected(parser, "aggregation", NULL);
        return NULL;
    }
    if (!parse_arguments(parser, &arguments, &count)) return NULL;
    if (is_grouping(parser) && !node->aggregate.is_grouped && !parse_grouping(parser, node)) {
        return NULL;
    }
    node->place.end = parser->last_end;
    if (count == 0) {
        parser_fail(parser, name.start, "no arguments for aggregate expression provided");
        return NULL;
    }
    size_t wanted = aggregation_has_parameter(op) ? 2 : 1;
    if (count != wanted) {
        parser_fail(parser, name.start,
                    "wrong number of arguments for aggregate expression provided, "
                    "expected %zu, got %zu",
                    wanted, count);
        return NULL;
    }
    if ((op == AGGREGATE_LIMITK || op == AGGREGATE_LIMIT_RATIO) &&
        (parser->features & PROMQL_FEATURE_EXPERIMENTAL_FUNCTIONS) == 0) {
        parser_fail(parser, name.start,
                    STR_FMT "() is experimental and must be enabled with "
                            "--enable-feature=promql-experimental-functions",
                    STR_ARG(aggregation_names[op]));
        return NULL;
    }
    node->aggregate.parameter = wanted == 2 ? arguments[0] : NULL;
    node->aggregate.inner = arguments[count - 1];
    return node;
}

static struct node *parse_number(struct parser *parser)
{
    struct token token = parser->token;
    double value;
    if (!parser_number(parser, &token, &value)) return NULL;
    parser_advance(parser);
    struct node *node = parser_node(parser, NODE_NUMBER, PROMQL_SCALAR, token.start);
    if (node == NULL) return NULL;
    node->number.value = value;
    node->number.is_duration = token.kind == TOKEN_DURATION;
    return node;
}

static struct node *parse_paren(struct parser *parser)
{
    uint32_t start = parser->token.start;
    parser_advance(parser);
    struct node *inner = parser_expression(parser, 0);
    if (inner == NULL) return NULL;
    if (!parser_expect(parser, TOKEN_RIGHT_PAREN, NULL, NULL)) return NULL;
    struct node *node = parser_node(parser, NODE_PAREN, inner->type, start);
    if (node == NULL) return NULL;
    node->paren = inner;
    return node;
}

static struct node *parse_unary(struct parser *parser)
{
    uint32_t start = parser->token.start;
    bool is_minus = parser->token.number == BINARY_SUBTRACT;
    parser_advance(parser);
    struct node *inner = parser_expression(parser, UNARY_POWER);
    if (inner == NULL) return NULL;
    if (inner->kind == NODE_NUMBER) { /* -5 is a number */
        if (is_minus) inner->number.value = -inner->number.value;
        inner->place.start = start;
        return inner;
    }
    struct node *node = parser_node(parser, NODE_UNARY, inner->type, start);
    if (node == NULL) return NULL;
    node->unary.is_minus = is_minus;
    node->unary.inner = inner;
    return node;
}

/* True when the word may name a metric. */
static bool is_metric_word(const struct token *token)
{
    if (token->kind == TOKEN_IDENTIFIER || token->kind == TOKEN_METRIC_IDENTIFIER) return true;
    if (token->kind == TOKEN_AGGREGATION) return true;
    if (token->kind == TOKEN_OPERATOR) {
        return token->number == BINARY_AND || token->number == BINARY_OR ||
               token->number == BINARY_UNLESS;
    }
    if (token->kind != TOKEN_KEYWORD) return false;
    return token->number != KEYWORD_ON && token->number != KEYWORD_IGNORING &&
           token->number != KEYWORD_GROUP_LEFT && token->number != KEYWORD_GROUP_RIGHT &&
           token->number != KEYWORD_BOOL;
}

static struct node *parse_word(struct parser *parser)
{
    struct token word = parser->token;
    struct token next = parser_peek(parser);
    if (word.kind == TOKEN_AGGREGATION &&
        (next.kind == TOKEN_LEFT_PAREN ||
         (next.kind == TOKEN_KEYWORD &&
          (next.number == KEYWORD_BY || next.number == KEYWORD_WITHOUT)))) {
        return parse_aggregate(parser);
    }
    bool is_callable = word.kind == TOKEN_IDENTIFIER ||
                       (word.kind == TOKEN_KEYWORD && word.number >= KEYWORD_START);
    if (is_callable && next.kind == TOKEN_LEFT_PAREN) return parse_call(parser);
    parser_advance(parser);
    return parser_selector(parser, word.text, word.start);
}

struct node *parser_primary(struct parser *parser)
{
    struct token token = parser->token;
    if (token.kind == TOKEN_NUMBER || token.kind == TOKEN_DURATION) return parse_number(parser);
    if (token.kind == TOKEN_STRING) {
        struct str text;
        if (!parser_unquote(parser, &token, &text)) return NULL;
        parser_advance(parser);
        struct node *node = parser_node(parser, NODE_STRING, PROMQL_STRING, token.start);
        if (node != NULL) node->string = text;
        return node;
    }
    if (token.kind == TOKEN_LEFT_PAREN) return parse_paren(parser);
    if (token.kind == TOKEN_LEFT_BRACE) {
        return parser_selector(parser, (struct str){ 0 }, token.start);
    }
    if (token.kind == TOKEN_OPERATOR &&
        (token.number == BINARY_ADD || token.number == BINARY_SUBTRACT)) {
        return parse_unary(parser);
    }
    if (is_metric_word(&token)) return parse_word(parser);
    parser_unexpected(parser, NULL, NULL);
    return NULL;
}

static bool parse_fill(struct parser *parser, struct matching *matching)
{
    enum keyword which = (enum keyword)parser->token.number;
    uint32_t start = parser->token.start;
    if ((parser->features & PROMQL_FEATURE_FILL) == 0) {
        return parser_fail(parser, start, "fill modifiers are experimental and not enabled");
    }
    parser_advance(parser);
    if (!parser_expect(parser, TOKEN_LEFT_PAREN, "fill", "\"(\"")) return false;
    double sign = 1;
    if (parser->token.kind == TOKEN_OPERATOR &&
        (parser->token.number == BINARY_ADD || parser->token.number == BINARY_SUBTRACT)) {
        if (parser->token.number == BINARY_SUBTRACT) sign = -1;
        parser_advance(parser);
    }
    if (parser->token.kind != TOKEN_NUMBER && parser->token.kind != TOKEN_DURATION) {
        return parser_unexpected(parser, "fill", "number");
    }
    double value;
    if (!parser_number(parser, &parser->token, &value)) return false;
    parser_advance(parser);
    if (!parser_expect(parser, TOKEN_RIGHT_PAREN, "fill", "\")\"")) return false;
    if (which != KEYWORD_FILL_RIGHT) {
        matching->has_fill_left = true;
        matching->fill_left = value * sign;
    }
    if (which != KEYWORD_FILL_LEFT) {
        matching->has_fill_right = true;
        matching->fill_right = value * sign;
    }
    return true;
}

/* What may stand between an operator and its right side. */
static bool parse_matching(struct parser *parser, struct node *node)
{
    struct matching *matching = &node->binary.matching;
    if (parser_is_keyword(parser, KEYWORD_BOOL)) {
        node->binary.returns_bool = true;
        parser_advance(parser);
    }
    if (parser_is_keyword(parser, KEYWORD_ON) || parser_is_keyword(parser, KEYWORD_IGNORING)) {
        matching->is_on = parser_is_keyword(parser, KEYWORD_ON);
        matching->is_given = true;
        parser_advance(parser);
        if (!parse_labels(parser, &matching->labels, &matching->label_count)) return false;
        bool is_left = parser_is_keyword(parser, KEYWORD_GROUP_LEFT);
        if (is_left || parser_is_keyword(parser, KEYWORD_GROUP_RIGHT)) {
            matching->card = is_left ? MATCH_MANY_TO_ONE : MATCH_ONE_TO_MANY;
            parser_advance(parser);
            if (parser->token.kind == TOKEN_LEFT_PAREN &&
                !parse_labels(parser, &matching->include, &matching->include_count)) {
                return false;
            }
        }
    }
    while ((parser_is_keyword(parser, KEYWORD_FILL) ||
            parser_is_keyword(parser, KEYWORD_FILL_LEFT) ||
            parser_is_keyword(parser, KEYWORD_FILL_RIGHT)) &&
           parser_peek(parser).kind == TOKEN_LEFT_PAREN) {
        if (!parse_fill(parser, matching)) return false;
    }
    return true;
}

static enum binary_operator operator_at(const struct parser *parser)
{
    if (parser->token.kind != TOKEN_OPERATOR) return BINARY_COUNT;
    return (enum binary_operator)parser->token.number;
}

struct node *parser_expression(struct parser *parser, int power)
{
    if (!parser_enter(parser)) return NULL;
    struct node *left = parser_postfix(parser);
    while (left != NULL && !parser->has_failed) {
        enum binary_operator op = operator_at(parser);
        if (op == BINARY_COUNT || binary_powers[op] < power) break;
        uint32_t operator_start = parser->token.start;
        parser_advance(parser);
        struct node *node = parser_node(parser, NODE_BINARY, PROMQL_VECTOR, left->place.start);
        if (node == NULL) return NULL;
        node->binary.operator_start = operator_start;
        node->binary.op = op;
        node->binary.left = left;
        if (!parse_matching(parser, node)) return NULL;
        int right_power = op == BINARY_POWER ? binary_powers[op] : binary_powers[op] + 1;
        node->binary.right = parser_expression(parser, right_power);
        if (node->binary.right == NULL) return NULL;
        node->place.end = parser->last_end;
        if (node->binary.left->type == PROMQL_SCALAR && node->binary.right->type == PROMQL_SCALAR) {
            node->type = PROMQL_SCALAR;
        }
        left = node;
    }
    parser_leave(parser);
    return left;
}

static bool parse_all(struct parser *parser)
{
    parser->token = lexer_next(&parser->lexer);
    if (parser->token.kind == TOKEN_END) {
        return parser_fail(parser, 0, "no expression found in input");
    }
    struct node *root = parser_expression(parser, 0);
    if (root == NULL || parser->has_failed) return false;
    if (parser->token.kind != TOKEN_END) return parser_unexpected(parser, NULL, NULL);
    if (!parser_check(parser, root)) return false;
    parser->expr->root = root;
    shared_mark(parser->expr);
    return true;
}

int parser_parse(struct promql_expr **expr_out, uint32_t features, struct str text,
                 struct error *error)
{
    if (text.size > PROMQL_TEXT_SIZE_MAX) {
        return error_set(error, ERROR_PARSE,
                         "1:1: parse error: expression is longer than %zu bytes",
                         PROMQL_TEXT_SIZE_MAX);
    }
    struct promql_expr *expr = calloc(1, sizeof(*expr));
    if (expr == NULL) return error_set(error, -ENOMEM, "parse: out of memory");
    atomic_init(&expr->references, 1);
    arena_init(&expr->arena, EXPR_SIZE_MAX);
    expr->text = arena_copy(&expr->arena, text);
    struct parser parser = { .expr = expr, .features = features, .error = error };
    parser.lexer.text = expr->text;
    bool is_good = expr->text.data != NULL && parse_all(&parser);
    if (is_good) {
        *expr_out = expr;
        return 0;
    }
    promql_expr_free(expr);
    if (parser.is_out_of_memory || !parser.has_failed) {
        return error_set(error, -ENOMEM, "parse: out of memory");
    }
    return ERROR_PARSE;
}
