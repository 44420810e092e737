/* kql_write.c - a tree of Kibana's query language as Kibana prints it, and as query DSL. */
#include "logquery/kql_node.h"
#include "logquery/logquery.h"

#include <string.h>

/* Kibana's tree ------------------------------------------------------------------------------- */

static void write_value(const struct kql_value *value, struct json_writer *json)
{
    json_object_begin(json);
    json_member_cstr(json, "type", value->kind == KQL_WILDCARD ? "wildcard" : "literal");
    json_key(json, STR("value"));
    if (value->kind == KQL_NONE)
        json_put_null(json);
    else if (value->kind == KQL_TRUE || value->kind == KQL_FALSE)
        json_put_bool(json, value->kind == KQL_TRUE);
    else
        json_put_text(json, value->text);
    json_object_end(json);
}

static void begin_function(const char *name, struct json_writer *json)
{
    json_object_begin(json);
    json_member_cstr(json, "type", "function");
    json_member_cstr(json, "function", name);
    json_key(json, STR("arguments"));
    json_array_begin(json);
}

static void end_function(struct json_writer *json)
{
    json_array_end(json);
    json_object_end(json);
}

static void write_range(const struct kql_node *node, struct json_writer *json)
{
    begin_function("range", json);
    write_value(&node->field, json);
    json_object_begin(json);
    json_member_cstr(json, "type", "namedArg");
    json_member_cstr(json, "name", node->range);
    json_key(json, STR("value"));
    if (node->value.kind == KQL_WILDCARD) {
        json_object_begin(json);
        json_member_cstr(json, "type", "literal");
        json_key(json, STR("value"));
        write_value(&node->value, json);
        json_object_end(json);
    } else {
        write_value(&node->value, json);
    }
    json_object_end(json);
    end_function(json);
}

/* Depth: DEPTH_MAX brackets. A list is written as Kibana nests it, to the right. */
void kql_write_tree(const struct kql_node *node, struct json_writer *json)
{
    static const struct kql_value phrase = { KQL_TRUE, { NULL, 0 }, false };
    static const struct kql_value words = { KQL_FALSE, { NULL, 0 }, false };
    switch (node->kind) {
    case KQL_OR:
    case KQL_AND:
        for (size_t i = 0; i < node->item_count; i++) {
            if (i + 1 < node->item_count) begin_function(node->kind == KQL_OR ? "or" : "and", json);
            kql_write_tree(node->items[i], json);
        }
        for (size_t i = 0; i + 1 < node->item_count; i++) end_function(json);
        return;
    case KQL_NOT:
        begin_function("not", json);
        kql_write_tree(node->items[0], json);
        end_function(json);
        return;
    case KQL_NESTED:
        begin_function("nested", json);
        write_value(&node->field, json);
        kql_write_tree(node->items[0], json);
        end_function(json);
        return;
    case KQL_RANGE: write_range(node, json); return;
    case KQL_IS:
        begin_function("is", json);
        write_value(&node->field, json);
        write_value(&node->value, json);
        write_value(node->value.is_quoted ? &phrase : &words, json);
        end_function(json);
        return;
    }
}

/* Query DSL ----------------------------------------------------------------------------------- */

/* The text with '*' for each KQL_STAR; what means something to query_string escaped when asked. */
static void put_pattern(struct str text, bool escapes, struct buf *out)
{
    while (text.size > 0) {
        if (str_starts_with(text, STR(KQL_STAR))) {
            buf_append_char(out, '*');
            text = str_skip(text, sizeof(KQL_STAR) - 1);
            continue;
        }
        char c = text.data[0];
        bool is_mark = c != 0 && strchr("+,-./0123456789:;<=&|>!(){}[]^\"~*?\\", c) != NULL;
        if (escapes && is_mark) buf_append_char(out, '\\');
        buf_append_char(out, c);
        text = str_skip(text, 1);
    }
}

static struct str value_text(const struct kql_value *value)
{
    switch (value->kind) {
    case KQL_NONE: return STR("null");
    case KQL_TRUE: return STR("true");
    case KQL_FALSE: return STR("false");
    case KQL_TEXT:
    case KQL_WILDCARD: break;
    }
    return value->text;
}

static void put_field(const struct kql_node *node, struct buf *out)
{
    buf_append_str(out, node->prefix);
    put_pattern(value_text(&node->field), false, out);
}

static void write_any_field(const struct kql_node *node, struct json_writer *json)
{
    CLEANUP(buf_release) struct buf pattern = { 0 };
    buf_init(&pattern, (size_t)1 << 24);
    bool is_pattern = node->value.kind == KQL_WILDCARD;
    if (is_pattern) put_pattern(node->value.text, true, &pattern);
    json_object_begin(json);
    json_key(json, is_pattern ? STR("query_string") : STR("multi_match"));
    json_object_begin(json);
    if (!is_pattern)
        json_member_cstr(json, "type", node->value.is_quoted ? "phrase" : "best_fields");
    json_member_text(json, "query", is_pattern ? buf_str(&pattern) : value_text(&node->value));
    if (!is_pattern) json_member_bool(json, "lenient", true);
    if (node->prefix.size > 0) {
        CLEANUP(buf_release) struct buf field = { 0 };
        buf_init(&field, (size_t)1 << 20);
        buf_append_str(&field, node->prefix);
        buf_append_char(&field, '*');
        json_key(json, STR("fields"));
        json_array_begin(json);
        json_put_text(json, buf_str(&field));
        json_array_end(json);
    }
    json_object_end(json);
    json_object_end(json);
}

/* {"match":{"field":value}} and its kin. */
static void write_field_leaf(const struct kql_node *node, struct str field,
                             struct json_writer *json)
{
    CLEANUP(buf_release) struct buf pattern = { 0 };
    buf_init(&pattern, (size_t)1 << 24);
    const struct kql_value *value = &node->value;
    bool is_many = node->field.kind == KQL_WILDCARD;
    bool is_star = value->kind == KQL_WILDCARD && str_equal(value->text, STR(KQL_STAR));
    bool is_pattern = value->kind == KQL_WILDCARD && !is_star;
    if (is_pattern) put_pattern(value->text, true, &pattern);
    const char *name = is_star            ? "exists"
                       : is_pattern       ? "query_string"
                       : is_many          ? "multi_match"
                       : value->is_quoted ? "match_phrase"
                                          : "match";
    json_key(json, str_from(name));
    json_object_begin(json);
    if (is_star) {
        json_member_text(json, "field", field);
    } else if (is_pattern || is_many) {
        json_key(json, STR("fields"));
        json_array_begin(json);
        json_put_text(json, field);
        json_array_end(json);
        json_member_text(json, "query", is_pattern ? buf_str(&pattern) : value_text(value));
        if (is_many && !is_pattern) {
            json_member_cstr(json, "type", value->is_quoted ? "phrase" : "best_fields");
        }
        if (is_many) json_member_bool(json, "lenient", true);
    } else {
        json_key(json, field);
        json_put_text(json, value_text(value));
    }
    json_object_end(json);
}

static void write_leaf(const struct kql_node *node, struct json_writer *json)
{
    CLEANUP(buf_release) struct buf field = { 0 };
    buf_init(&field, (size_t)1 << 20);
    put_field(node, &field);
    json_object_begin(json);
    json_key(json, STR("bool"));
    json_object_begin(json);
    json_key(json, STR("should"));
    json_array_begin(json);
    json_object_begin(json);
    if (node->kind == KQL_RANGE) {
        CLEANUP(buf_release) struct buf bound = { 0 };
        buf_init(&bound, (size_t)1 << 24);
        put_pattern(value_text(&node->value), false, &bound);
        json_key(json, STR("range"));
        json_object_begin(json);
        json_key(json, buf_str(&field));
        json_object_begin(json);
        json_member_text(json, node->range, buf_str(&bound));
        json_object_end(json);
        json_object_end(json);
    } else {
        write_field_leaf(node, buf_str(&field), json);
    }
    json_object_end(json);
    json_array_end(json);
    json_member_int(json, "minimum_should_match", 1);
    json_object_end(json);
    json_object_end(json);
}

static void write_list(const struct kql_node *node, struct json_writer *json)
{
    json_object_begin(json);
    json_key(json, STR("bool"));
    json_object_begin(json);
    if (node->kind == KQL_NOT) {
        json_key(json, STR("must_not"));
        kql_write_dsl(node->items[0], json);
    } else {
        json_key(json, node->kind == KQL_AND ? STR("filter") : STR("should"));
        json_array_begin(json);
        for (size_t i = 0; i < node->item_count; i++) kql_write_dsl(node->items[i], json);
        json_array_end(json);
        if (node->kind == KQL_OR) json_member_int(json, "minimum_should_match", 1);
    }
    json_object_end(json);
    json_object_end(json);
}

static bool is_lone_star(const struct kql_value *value)
{
    return value->kind == KQL_WILDCARD && str_equal(value->text, STR(KQL_STAR));
}

/* Depth: DEPTH_MAX brackets. */
void kql_write_dsl(const struct kql_node *node, struct json_writer *json)
{
    switch (node->kind) {
    case KQL_OR:
    case KQL_AND:
    case KQL_NOT: write_list(node, json); return;
    case KQL_NESTED: kql_write_dsl(node->items[0], json); return;
    case KQL_RANGE: write_leaf(node, json); return;
    case KQL_IS: break;
    }
    bool is_all =
        is_lone_star(&node->value) && node->prefix.size == 0 && is_lone_star(&node->field);
    if (is_all)
        json_put_raw(json, STR("{\"match_all\":{}}"));
    else if (node->field.kind == KQL_NONE)
        write_any_field(node, json);
    else
        write_leaf(node, json);
}

int logquery_translate_kql(struct str text, struct arena *arena, struct buf *out,
                           struct error *error)
{
    const struct kql_node *tree = NULL;
    int code = kql_parse(text, arena, &tree, error);
    if (code < 0) return code;
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, STR("ast"));
    kql_write_tree(tree, &json);
    json_key(&json, STR("dsl"));
    kql_write_dsl(tree, &json);
    json_object_end(&json);
    return out->has_failed ? error_set(error, ERROR_LIMIT, "query is too large") : 0;
}
