/* parser_postfix.c - what stands behind an expression: brackets, offset, @, anchored, smoothed. */
#include "promql/parser.h"

#include <math.h>

/* "foo[5m]" or "expr[5m:1m]" from the bracket on. */
static struct node *parse_brackets(struct parser *parser, struct node *inner)
{
    uint32_t bracket = parser->token.start;
    parser_advance(parser);
    if (parser->token.kind == TOKEN_RIGHT_BRACKET) {
        parser_fail(parser, parser->token.start, "missing duration expression");
        return NULL;
    }
    struct duration *range = parser_duration(parser, 0);
    if (range == NULL || !parser_duration_positive(parser, range)) return NULL;
    if (parser->token.kind == TOKEN_COLON) {
        parser_advance(parser);
        struct duration *step = NULL;
        if (parser->token.kind != TOKEN_RIGHT_BRACKET) {
            step = parser_duration(parser, 0);
            if (step == NULL || !parser_duration_positive(parser, step)) return NULL;
        }
        if (!parser_expect(parser, TOKEN_RIGHT_BRACKET, "subquery selector", "\"]\"")) return NULL;
        struct node *node = parser_node(parser, NODE_SUBQUERY, PROMQL_MATRIX, inner->place.start);
        if (node == NULL) return NULL;
        node->subquery.inner = inner;
        node->subquery.range = range;
        node->subquery.step = step;
        return node;
    }
    if (!parser_expect(parser, TOKEN_RIGHT_BRACKET, "subquery or range", "\":\" or \"]\"")) {
        return NULL;
    }
    const char *complaint = NULL;
    if (inner->kind != NODE_SELECTOR) {
        complaint = "ranges only allowed for vector selectors";
    } else if (inner->selector.modifiers.offset != NULL) {
        complaint = "no offset modifiers allowed before range";
    } else if (inner->selector.modifiers.at == AT_TIME) { /* the reference lets start() pass */
        complaint = "no @ modifiers allowed before range";
    } else if (inner->selector.modifiers.is_anchored || inner->selector.modifiers.is_smoothed) {
        complaint = "no anchored or smoothed modifiers allowed before range";
    }
    if (complaint != NULL) {
        parser_fail(parser, bracket, "%s", complaint);
        return NULL;
    }
    struct node *node = parser_node(parser, NODE_MATRIX, PROMQL_MATRIX, inner->place.start);
    if (node == NULL) return NULL;
    node->matrix.selector = inner;
    node->matrix.range = range;
    return node;
}

static struct modifiers *modifiers_of(struct node *node)
{
    if (node->kind == NODE_SELECTOR) return &node->selector.modifiers;
    if (node->kind == NODE_MATRIX) return &node->matrix.selector->selector.modifiers;
    if (node->kind == NODE_SUBQUERY) return &node->subquery.modifiers;
    return NULL;
}

#define MODIFIER_PLACE                                                                             \
    " modifier must be preceded by an instant vector selector or range vector selector or a "      \
    "subquery"

static bool parse_offset(struct parser *parser, struct node *node)
{
    uint32_t start = parser->token.start;
    parser_advance(parser);
    struct duration *offset = parser_offset(parser);
    if (offset == NULL) return false;
    struct modifiers *modifiers = modifiers_of(node);
    if (modifiers == NULL) return parser_fail(parser, start, "offset" MODIFIER_PLACE);
    if (modifiers->offset != NULL) {
        return parser_fail(parser, start, "offset may not be set multiple times");
    }
    modifiers->offset = offset;
    return true;
}

static bool parse_at_time(struct parser *parser, struct modifiers *modifiers)
{
    double sign = 1;
    uint32_t start = parser->token.start;
    if (parser->token.kind == TOKEN_OPERATOR &&
        (parser->token.number == BINARY_ADD || parser->token.number == BINARY_SUBTRACT)) {
        if (parser->token.number == BINARY_SUBTRACT) sign = -1;
        parser_advance(parser);
    }
    if (parser->token.kind != TOKEN_NUMBER && parser->token.kind != TOKEN_DURATION) {
        return parser_unexpected(parser, "@", "timestamp");
    }
    double seconds;
    if (!parser_number(parser, &parser->token, &seconds)) return false;
    parser_advance(parser);
    seconds *= sign;
    if (!(fabs(seconds) <= (double)PROMQL_TIME_MS_MAX / 1000)) {
        return parser_fail(parser, start, "timestamp out of bounds for @ modifier: %f", seconds);
    }
    modifiers->at = AT_TIME;
    modifiers->at_ms = (int64_t)round(seconds * 1000);
    return true;
}

static bool parse_at(struct parser *parser, struct node *node)
{
    uint32_t start = parser->token.start;
    parser_advance(parser);
    struct modifiers found = { 0 };
    bool is_start = parser_is_keyword(parser, KEYWORD_START);
    if (is_start || parser_is_keyword(parser, KEYWORD_END)) {
        parser_advance(parser);
        if (!parser_expect(parser, TOKEN_LEFT_PAREN, "@", "\"(\"") ||
            !parser_expect(parser, TOKEN_RIGHT_PAREN, "@", "\")\"")) {
            return false;
        }
        found.at = is_start ? AT_START : AT_END;
    } else if (!parse_at_time(parser, &found)) {
        return false;
    }
    struct modifiers *modifiers = modifiers_of(node);
    if (modifiers == NULL) return parser_fail(parser, start, "@" MODIFIER_PLACE);
    if (modifiers->at != AT_NONE) {
        return parser_fail(parser, start, "@ <timestamp> may not be set multiple times");
    }
    modifiers->at = found.at;
    modifiers->at_ms = found.at_ms;
    return true;
}

static bool parse_extended(struct parser *parser, struct node *node)
{
    uint32_t start = parser->token.start;
    bool is_anchored = parser_is_keyword(parser, KEYWORD_ANCHORED);
    const char *name = is_anchored ? "anchored" : "smoothed";
    parser_advance(parser);
    if ((parser->features & PROMQL_FEATURE_EXTENDED_SELECTORS) == 0) {
        return parser_fail(parser, start, "%s modifier is experimental and not enabled", name);
    }
    struct modifiers *modifiers = modifiers_of(node);
    if (modifiers == NULL || node->kind == NODE_SUBQUERY ||
        (is_anchored && node->kind != NODE_MATRIX)) {
        return parser_fail(parser, start, "%s modifier must stand behind a %s", name,
                           is_anchored ? "range selector" : "range or instant selector");
    }
    if (modifiers->is_anchored || modifiers->is_smoothed) {
        return parser_fail(parser, start,
                           "anchored and smoothed modifiers cannot be used together");
    }
    modifiers->is_anchored = is_anchored;
    modifiers->is_smoothed = !is_anchored;
    return true;
}

struct node *parser_postfix(struct parser *parser)
{
    struct node *node = parser_primary(parser);
    while (node != NULL && !parser->has_failed) {
        bool is_good = true;
        if (parser->token.kind == TOKEN_LEFT_BRACKET) {
            node = parse_brackets(parser, node);
            if (node == NULL) return NULL;
        } else if (parser_is_keyword(parser, KEYWORD_OFFSET)) {
            is_good = parse_offset(parser, node);
        } else if (parser->token.kind == TOKEN_AT) {
            is_good = parse_at(parser, node);
        } else if (parser_is_keyword(parser, KEYWORD_ANCHORED) ||
                   parser_is_keyword(parser, KEYWORD_SMOOTHED)) {
            is_good = parse_extended(parser, node);
        } else {
            return node;
        }
        if (!is_good) return NULL;
        node->place.end = parser->last_end;
    }
    return node;
}
