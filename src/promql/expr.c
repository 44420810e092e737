/* expr.c - the names of operators and the small questions about trees. */
#include "promql/expr.h"

#include <stdio.h>

const struct str binary_names[BINARY_COUNT] = {
#define X(name, text, power) [BINARY_##name] = STR_INIT(text),
    BINARY_OPERATORS(X)
#undef X
};

const int binary_powers[BINARY_COUNT] = {
#define X(name, text, power) [BINARY_##name] = (power),
    BINARY_OPERATORS(X)
#undef X
};

const struct str aggregation_names[AGGREGATE_COUNT_OF] = {
#define X(name, text) [AGGREGATE_##name] = STR_INIT(text),
    AGGREGATIONS(X)
#undef X
};

bool aggregation_selects(enum aggregation op)
{
    return op == AGGREGATE_TOPK || op == AGGREGATE_BOTTOMK || op == AGGREGATE_LIMITK ||
           op == AGGREGATE_LIMIT_RATIO;
}

bool aggregation_has_parameter(enum aggregation op)
{
    return aggregation_selects(op) || op == AGGREGATE_QUANTILE || op == AGGREGATE_COUNT_VALUES;
}

struct node *node_unwrap(struct node *node)
{
    while (node->kind == NODE_PAREN) node = node->paren;
    return node;
}

void position_print(struct str text, size_t offset, char *buffer)
{
    size_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < offset && i < text.size; i++) {
        if (text.data[i] != '\n') continue;
        line++;
        line_start = i + 1;
    }
    (void)snprintf(buffer, POSITION_SIZE, "%zu:%zu", line, offset - line_start + 1);
}

const char *promql_type_name(enum promql_type type)
{
    static const char *const names[] = {
        [PROMQL_NONE] = "none",           [PROMQL_SCALAR] = "scalar",
        [PROMQL_STRING] = "string",       [PROMQL_VECTOR] = "instant vector",
        [PROMQL_MATRIX] = "range vector",
    };
    return names[type];
}

const char *promql_type_code(enum promql_type type)
{
    static const char *const codes[] = {
        [PROMQL_NONE] = "none",     [PROMQL_SCALAR] = "scalar", [PROMQL_STRING] = "string",
        [PROMQL_VECTOR] = "vector", [PROMQL_MATRIX] = "matrix",
    };
    return codes[type];
}

enum promql_type promql_expr_type(const struct promql_expr *expr)
{
    return expr->root->type;
}

struct str promql_expr_text(const struct promql_expr *expr)
{
    return expr->text;
}

bool promql_expr_selector(const struct promql_expr *expr, const struct matcher **matchers,
                          size_t *count)
{
    const struct node *node = expr->root;
    if (node->kind != NODE_SELECTOR) return false;
    *matchers = node->selector.matchers;
    *count = node->selector.matcher_count;
    return true;
}

struct visitor {
    void (*visit)(void *argument, const struct matcher *matchers, size_t count, int64_t range_ms);
    void *argument;
};

static void visit_selectors(const struct node *node, int64_t range_ms,
                            const struct visitor *visitor)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_STRING: return;
    case NODE_SELECTOR:
        visitor->visit(visitor->argument, node->selector.matchers, node->selector.matcher_count,
                       range_ms);
        return;
    case NODE_MATRIX:
        visit_selectors(node->matrix.selector, (int64_t)(node->matrix.range->seconds * 1000),
                        visitor);
        return;
    case NODE_SUBQUERY: visit_selectors(node->subquery.inner, 0, visitor); return;
    case NODE_CALL:
        for (size_t i = 0; i < node->call.count; i++) {
            visit_selectors(node->call.arguments[i], 0, visitor);
        }
        return;
    case NODE_AGGREGATE:
        if (node->aggregate.parameter != NULL) {
            visit_selectors(node->aggregate.parameter, 0, visitor);
        }
        visit_selectors(node->aggregate.inner, 0, visitor);
        return;
    case NODE_BINARY:
        visit_selectors(node->binary.left, 0, visitor);
        visit_selectors(node->binary.right, 0, visitor);
        return;
    case NODE_UNARY: visit_selectors(node->unary.inner, 0, visitor); return;
    case NODE_PAREN: visit_selectors(node->paren, 0, visitor); return;
    }
}

void promql_expr_selectors(const struct promql_expr *expr,
                           void (*visit)(void *argument, const struct matcher *matchers,
                                         size_t count, int64_t range_ms),
                           void *argument)
{
    struct visitor visitor = { visit, argument };
    visit_selectors(expr->root, 0, &visitor);
}

void expr_ref(struct promql_expr *expr)
{
    (void)atomic_fetch_add_explicit(&expr->references, 1, memory_order_relaxed);
}

void promql_expr_free(struct promql_expr *expr)
{
    if (expr == NULL) return;
    if (atomic_fetch_sub_explicit(&expr->references, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < expr->matchers.count; i++) {
        for (size_t m = 0; m < expr->matcher_counts.items[i]; m++) {
            matcher_release(&expr->matchers.items[i][m]);
        }
    }
    VEC_RELEASE(&expr->matchers);
    VEC_RELEASE(&expr->matcher_counts);
    arena_release(&expr->arena);
    free(expr);
}
