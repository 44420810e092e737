/* check.c - types, and what can be known before there is data. */
#include "base/check.h"
#include "promql/functions.h"
#include "promql/parser.h"

#include <stdio.h>

static bool expect_type(struct parser *parser, const struct node *node, enum promql_type wanted,
                        const char *context)
{
    if (node->type == wanted) return true;
    return parser_fail(parser, node->place.start, "expected type %s in %s, got %s",
                       promql_type_name(wanted), context, promql_type_name(node->type));
}

static bool check_argument_count(struct parser *parser, const struct node *node)
{
    const struct promql_function *function = node->call.function;
    size_t listed = function_argument_count(function);
    size_t got = node->call.count;
    const char *how = "";
    size_t wanted = listed;
    if (function->variadic == 0) {
        if (got == listed) return true;
    } else if (got < listed - 1) {
        how = "at least ";
        wanted = listed - 1;
    } else if (function->variadic > 0 && got > listed - 1 + (size_t)function->variadic) {
        how = "at most ";
        wanted = listed - 1 + (size_t)function->variadic;
    } else {
        return true;
    }
    return parser_fail(parser, node->place.start,
                       "expected %s%zu argument(s) in call to \"" STR_FMT "\", got %zu", how,
                       wanted, STR_ARG(function->name), got);
}

/* The reference reads only count and sum for these, and then works out by itself where a counter
 * was reset, instead of taking the store's word; what it warns of follows from that. */
static bool finds_resets(const struct promql_function *function, bool outer)
{
    static const struct str takers[] = { STR_INIT("histogram_count"), STR_INIT("histogram_sum"),
                                         STR_INIT("histogram_avg") };
    static const struct str others[] = {
        STR_INIT("histogram_quantile"), STR_INIT("histogram_quantiles"),
        STR_INIT("histogram_fraction"), STR_INIT("histogram_stddev"), STR_INIT("histogram_stdvar")
    };
    for (size_t i = 0; i < ARRAY_LENGTH(takers); i++) {
        if (str_equal(function->name, takers[i])) return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (str_equal(function->name, others[i])) return false;
    }
    return outer;
}

static bool check_depth(struct parser *parser, struct node *node, unsigned depth);

static bool check_arguments(struct parser *parser, struct node *node, unsigned depth)
{
    const struct promql_function *function = node->call.function;
    if (!check_argument_count(parser, node)) return false;
    size_t listed = function_argument_count(function);
    char context[96];
    (void)snprintf(context, sizeof(context), "call to function \"" STR_FMT "\"",
                   STR_ARG(function->name));
    node->is_invariant = !function->needs_time;
    bool is_info = str_equal(function->name, STR("info"));
    for (size_t i = 0; i < node->call.count; i++) {
        struct node *argument = node->call.arguments[i];
        enum promql_type wanted = function->arguments[i < listed ? i : listed - 1];
        if (is_info && i == 1) break; /* only its matchers count, and they may match nothing */
        if (!check_depth(parser, argument, depth)) return false;
        if (!expect_type(parser, argument, wanted, context)) return false;
        node->is_invariant = node->is_invariant && argument->is_invariant;
    }
    return true;
}

static bool check_call(struct parser *parser, struct node *node, unsigned depth)
{
    bool outer = parser->finds_resets;
    parser->finds_resets = finds_resets(node->call.function, outer);
    bool is_good = check_arguments(parser, node, depth);
    parser->finds_resets = outer;
    if (!is_good) return false;
    bool is_info = str_equal(node->call.function->name, STR("info"));
    if (is_info && node->call.count == 2) {
        const struct node *labels = node->call.arguments[1];
        if (labels->kind != NODE_SELECTOR) {
            return parser_fail(parser, labels->place.start,
                               "expected label selectors as the second argument to \"info\" "
                               "function");
        }
        if (labels->selector.name.size > 0) {
            return parser_fail(parser, labels->place.start,
                               "expected label selectors only, got vector selector instead");
        }
    }
    return true;
}

static bool check_aggregate(struct parser *parser, struct node *node, unsigned depth)
{
    struct node *parameter = node->aggregate.parameter;
    if (!check_depth(parser, node->aggregate.inner, depth)) return false;
    if (!expect_type(parser, node->aggregate.inner, PROMQL_VECTOR, "aggregation expression")) {
        return false;
    }
    node->is_invariant = node->aggregate.inner->is_invariant;
    if (node->aggregate.op == AGGREGATE_COUNT || node->aggregate.op == AGGREGATE_GROUP) {
        struct node *inner = node->aggregate.inner;
        while (inner->kind == NODE_PAREN) inner = inner->paren;
        if (inner->kind == NODE_SELECTOR) inner->selector.ignores_values = true;
    }
    if (parameter == NULL) return true;
    if (!check_depth(parser, parameter, depth)) return false;
    node->is_invariant = node->is_invariant && parameter->is_invariant;
    return expect_type(parser, parameter,
                       node->aggregate.op == AGGREGATE_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR,
                       "aggregation parameter");
}

static bool check_set_operator(struct parser *parser, struct node *node)
{
    struct matching *matching = &node->binary.matching;
    struct str name = binary_names[node->binary.op];
    if (matching->card == MATCH_MANY_TO_ONE || matching->card == MATCH_ONE_TO_MANY) {
        return parser_fail(parser, node->place.start,
                           "no grouping allowed for \"" STR_FMT "\" operation", STR_ARG(name));
    }
    if (matching->has_fill_left || matching->has_fill_right) {
        return parser_fail(parser, node->place.start,
                           "filling in missing series not allowed for set operators");
    }
    if (node->binary.left->type == PROMQL_SCALAR || node->binary.right->type == PROMQL_SCALAR) {
        return parser_fail(parser, node->place.start,
                           "set operator \"" STR_FMT "\" not allowed in binary scalar expression",
                           STR_ARG(name));
    }
    matching->card = MATCH_MANY_TO_MANY;
    return true;
}

static bool check_matching(struct parser *parser, struct node *node)
{
    struct matching *matching = &node->binary.matching;
    bool are_vectors =
        node->binary.left->type == PROMQL_VECTOR && node->binary.right->type == PROMQL_VECTOR;
    bool has_fill = matching->has_fill_left || matching->has_fill_right;
    if (!are_vectors && (matching->is_given || has_fill)) {
        return parser_fail(parser, node->place.start,
                           "vector matching only allowed between instant vectors");
    }
    for (size_t i = 0; matching->is_on && i < matching->label_count; i++) {
        for (size_t j = 0; j < matching->include_count; j++) {
            if (!str_equal(matching->labels[i], matching->include[j])) continue;
            return parser_fail(parser, node->place.start,
                               "label \"" STR_FMT
                               "\" must not occur in ON and GROUP clause at once",
                               STR_ARG(matching->labels[i]));
        }
    }
    return true;
}

static bool check_binary(struct parser *parser, struct node *node, unsigned depth)
{
    struct node *left = node->binary.left;
    struct node *right = node->binary.right;
    if (!check_depth(parser, left, depth) || !check_depth(parser, right, depth)) return false;
    node->is_invariant = left->is_invariant && right->is_invariant;
    bool is_comparison = binary_is_comparison(node->binary.op);
    if (node->binary.returns_bool && !is_comparison) {
        return parser_fail(parser, node->binary.operator_start,
                           "bool modifier can only be used on comparison operators");
    }
    const struct node *sides[] = { left, right };
    for (size_t i = 0; i < 2; i++) {
        if (sides[i]->type == PROMQL_SCALAR || sides[i]->type == PROMQL_VECTOR) continue;
        return parser_fail(parser, sides[i]->place.start,
                           "binary expression must contain only scalar and instant vector types");
    }
    node->type =
        left->type == PROMQL_SCALAR && right->type == PROMQL_SCALAR ? PROMQL_SCALAR : PROMQL_VECTOR;
    if (is_comparison && !node->binary.returns_bool && node->type == PROMQL_SCALAR) {
        return parser_fail(parser, node->binary.operator_start,
                           "comparisons between scalars must use BOOL modifier");
    }
    if (binary_is_set(node->binary.op) && !check_set_operator(parser, node)) return false;
    return check_matching(parser, node);
}

static bool check_selector(struct parser *parser, struct node *node)
{
    bool has_one = false;
    size_t name_count = 0;
    for (size_t i = 0; i < node->selector.matcher_count; i++) {
        const struct matcher *matcher = &node->selector.matchers[i];
        has_one = has_one || !matcher_matches_empty(matcher);
        if (matcher->kind == MATCHER_EQUAL && str_equal(matcher->name, LABEL_METRIC_NAME)) {
            name_count++;
        }
    }
    node->selector.is_unique = name_count > 0;
    node->selector.finds_resets = parser->finds_resets;
    node->is_invariant = node->selector.modifiers.at != AT_NONE;
    if (has_one) return true;
    return parser_fail(parser, node->place.start,
                       "vector selector must contain at least one non-empty matcher");
}

static bool check_node(struct parser *parser, struct node *node, unsigned depth)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_STRING: node->is_invariant = true; return true;
    case NODE_SELECTOR: return check_selector(parser, node);
    case NODE_MATRIX:
        if (!check_depth(parser, node->matrix.selector, depth)) return false;
        node->is_invariant = node->matrix.selector->is_invariant;
        return true;
    case NODE_SUBQUERY:
        if (!check_depth(parser, node->subquery.inner, depth)) return false;
        if (node->subquery.inner->type != PROMQL_VECTOR) {
            return parser_fail(parser, node->place.start,
                               "subquery is only allowed on instant vector, got %s instead",
                               promql_type_code(node->subquery.inner->type));
        }
        node->is_invariant = node->subquery.modifiers.at != AT_NONE;
        return true;
    case NODE_CALL: return check_call(parser, node, depth);
    case NODE_AGGREGATE: return check_aggregate(parser, node, depth);
    case NODE_BINARY: return check_binary(parser, node, depth);
    case NODE_UNARY:
        if (!check_depth(parser, node->unary.inner, depth)) return false;
        node->type = node->unary.inner->type;
        node->is_invariant = node->unary.inner->is_invariant;
        if (node->type == PROMQL_SCALAR || node->type == PROMQL_VECTOR) return true;
        return parser_fail(parser, node->place.start,
                           "unary expression only allowed on expressions of type scalar or "
                           "instant vector, got \"%s\"",
                           promql_type_name(node->type));
    case NODE_PAREN:
        if (!check_depth(parser, node->paren, depth)) return false;
        node->type = node->paren->type;
        node->is_invariant = node->paren->is_invariant;
        return true;
    }
    CHECK(false);
}

static bool check_depth(struct parser *parser, struct node *node, unsigned depth)
{
    if (depth >= PROMQL_DEPTH_MAX) {
        return parser_fail(parser, node->place.start, "expression is nested deeper than %d",
                           PROMQL_DEPTH_MAX);
    }
    return check_node(parser, node, depth + 1);
}

bool parser_check(struct parser *parser, struct node *node)
{
    return check_depth(parser, node, 0);
}
