/* tree.c - the parsed tree as JSON, as /api/v1/parse_query answers.
 *
 * Each node is an object with its `type` and the fields that the reference's pages read: durations
 * are milliseconds, what is not there is null.
 */
#include "base/check.h"
#include "codec/json_writer.h"
#include "codec/number.h"
#include "promql/expr.h"
#include "promql/functions.h"

#include <math.h>

static void write_node(struct json_writer *json, const struct node *node);

static const char *const matcher_operators[] = { [MATCHER_EQUAL] = "=",
                                                 [MATCHER_NOT_EQUAL] = "!=",
                                                 [MATCHER_REGEX] = "=~",
                                                 [MATCHER_NOT_REGEX] = "!~" };
static const char *const card_names[] = { [MATCH_ONE_TO_ONE] = "one-to-one",
                                          [MATCH_MANY_TO_ONE] = "many-to-one",
                                          [MATCH_ONE_TO_MANY] = "one-to-many",
                                          [MATCH_MANY_TO_MANY] = "many-to-many" };

/* A member whose value the caller writes next. */
static void write_key(struct json_writer *json, const char *key)
{
    json_key(json, str_from(key));
}

static void write_duration(struct json_writer *json, const char *key,
                           const struct duration *duration)
{
    write_key(json, key);
    if (duration == NULL || !(fabs(duration->seconds) < 9e15)) {
        json_put_int(json, 0);
    } else {
        json_put_int(json, (int64_t)llround(duration->seconds * 1000));
    }
}

static void write_texts(struct json_writer *json, const char *key, const struct str *texts,
                        size_t count)
{
    write_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) json_put_text(json, texts[i]);
    json_array_end(json);
}

static void write_modifiers(struct json_writer *json, const struct modifiers *modifiers)
{
    write_duration(json, "offset", modifiers->offset);
    write_key(json, "timestamp");
    if (modifiers->at == AT_TIME) {
        json_put_int(json, modifiers->at_ms);
    } else {
        json_put_null(json);
    }
    json_member_cstr(json, "startOrEnd",
                     modifiers->at == AT_START ? "start"
                     : modifiers->at == AT_END ? "end"
                                               : NULL);
    json_member_bool(json, "anchored", modifiers->is_anchored);
    json_member_bool(json, "smoothed", modifiers->is_smoothed);
}

static void write_selector(struct json_writer *json, const struct node *node)
{
    json_member_text(json, "name", node->selector.name);
    write_modifiers(json, &node->selector.modifiers);
    write_key(json, "matchers");
    json_array_begin(json);
    for (size_t i = 0; i < node->selector.matcher_count; i++) {
        const struct matcher *matcher = &node->selector.matchers[i];
        json_object_begin(json);
        json_member_text(json, "name", matcher->name);
        json_member_text(json, "value", matcher->value);
        json_member_cstr(json, "type", matcher_operators[matcher->kind]);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_subquery(struct json_writer *json, const struct node *node)
{
    write_key(json, "expr");
    write_node(json, node->subquery.inner);
    write_duration(json, "range", node->subquery.range);
    write_duration(json, "step", node->subquery.step);
    write_modifiers(json, &node->subquery.modifiers);
}

static void write_call(struct json_writer *json, const struct node *node)
{
    const struct promql_function *function = node->call.function;
    write_key(json, "func");
    json_object_begin(json);
    json_member_text(json, "name", function->name);
    write_key(json, "argTypes");
    json_array_begin(json);
    for (size_t i = 0; i < function_argument_count(function); i++) {
        json_put_cstr(json, promql_type_code(function->arguments[i]));
    }
    json_array_end(json);
    json_member_int(json, "variadic", function->variadic);
    json_member_cstr(json, "returnType", promql_type_code(function->result));
    json_object_end(json);
    write_key(json, "args");
    json_array_begin(json);
    for (size_t i = 0; i < node->call.count; i++) write_node(json, node->call.arguments[i]);
    json_array_end(json);
}

static void write_aggregate(struct json_writer *json, const struct node *node)
{
    json_member_text(json, "op", aggregation_names[node->aggregate.op]);
    write_key(json, "expr");
    write_node(json, node->aggregate.inner);
    write_key(json, "param");
    if (node->aggregate.parameter != NULL) {
        write_node(json, node->aggregate.parameter);
    } else {
        json_put_null(json);
    }
    write_texts(json, "grouping", node->aggregate.labels, node->aggregate.label_count);
    json_member_bool(json, "without", node->aggregate.is_without);
}

static void write_fill(struct json_writer *json, const char *key, bool is_there, double value)
{
    write_key(json, key);
    if (!is_there) {
        json_put_null(json);
        return;
    }
    char text[NUMBER_SIZE_MAX];
    json_put_text(json, (struct str){ text, number_print_api(value, text) });
}

static void write_binary(struct json_writer *json, const struct node *node)
{
    const struct matching *matching = &node->binary.matching;
    json_member_text(json, "op", binary_names[node->binary.op]);
    write_key(json, "lhs");
    write_node(json, node->binary.left);
    write_key(json, "rhs");
    write_node(json, node->binary.right);
    json_member_bool(json, "bool", node->binary.returns_bool);
    write_key(json, "matching");
    if (node->binary.left->type != PROMQL_VECTOR || node->binary.right->type != PROMQL_VECTOR) {
        json_put_null(json);
        return;
    }
    json_object_begin(json);
    json_member_cstr(json, "card", card_names[matching->card]);
    write_texts(json, "labels", matching->labels, matching->label_count);
    json_member_bool(json, "on", matching->is_on);
    write_texts(json, "include", matching->include, matching->include_count);
    write_key(json, "fillValues");
    json_object_begin(json);
    write_fill(json, "lhs", matching->has_fill_left, matching->fill_left);
    write_fill(json, "rhs", matching->has_fill_right, matching->fill_right);
    json_object_end(json);
    json_object_end(json);
}

static void write_number(struct json_writer *json, const struct node *node)
{
    char text[NUMBER_SIZE_MAX];
    size_t size = number_print_api(node->number.value, text);
    json_member_text(json, "val", (struct str){ text, size });
}

static const char *const type_names[] = {
    [NODE_NUMBER] = "numberLiteral",    [NODE_STRING] = "stringLiteral",
    [NODE_SELECTOR] = "vectorSelector", [NODE_MATRIX] = "matrixSelector",
    [NODE_SUBQUERY] = "subquery",       [NODE_CALL] = "call",
    [NODE_AGGREGATE] = "aggregation",   [NODE_BINARY] = "binaryExpr",
    [NODE_UNARY] = "unaryExpr",         [NODE_PAREN] = "parenExpr",
};

static void write_node(struct json_writer *json, const struct node *node)
{
    json_object_begin(json);
    json_member_cstr(json, "type", type_names[node->kind]);
    switch (node->kind) {
    case NODE_NUMBER: write_number(json, node); break;
    case NODE_STRING: json_member_text(json, "val", node->string); break;
    case NODE_SELECTOR: write_selector(json, node); break;
    case NODE_MATRIX:
        write_duration(json, "range", node->matrix.range);
        write_selector(json, node->matrix.selector);
        break;
    case NODE_SUBQUERY: write_subquery(json, node); break;
    case NODE_CALL: write_call(json, node); break;
    case NODE_AGGREGATE: write_aggregate(json, node); break;
    case NODE_BINARY: write_binary(json, node); break;
    case NODE_UNARY:
        json_member_cstr(json, "op", node->unary.is_minus ? "-" : "+");
        write_key(json, "expr");
        write_node(json, node->unary.inner);
        break;
    case NODE_PAREN:
        write_key(json, "expr");
        write_node(json, node->paren);
        break;
    }
    json_object_end(json);
}

void promql_write_tree(struct buf *buf, const struct promql_expr *expr)
{
    struct json_writer json;
    json_writer_init(&json, buf);
    write_node(&json, expr->root);
}
