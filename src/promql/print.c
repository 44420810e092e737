/* print.c - a tree as text: on one line, and over several where one would be long. */
#include "promql/print.h"

#include "codec/number.h"
#include "codec/utf8.h"
#include "promql/functions.h"

#include <math.h>

#define LINE_SIZE_MAX  100
#define PRINT_SIZE_MAX ((size_t)16 << 20)

void print_quoted(struct buf *buf, struct str text)
{
    buf_append_char(buf, '"');
    while (text.size > 0) {
        unsigned char c = (unsigned char)text.data[0];
        if (c >= 0x80) {
            size_t size = 1;
            while (size < 4 && size < text.size &&
                   ((unsigned char)text.data[size] & 0xC0) == 0x80) {
                size++;
            }
            if (utf8_is_valid(str_first(text, size))) {
                buf_append_str(buf, str_first(text, size));
                text = str_skip(text, size);
                continue;
            }
        }
        static const char named[] = "\aa\bb\ff\nn\rr\tt\vv\"\"\\\\";
        size_t i = 0;
        while (i + 1 < sizeof(named) && (unsigned char)named[i] != c) i += 2;
        if (i + 1 < sizeof(named)) {
            buf_append_char(buf, '\\');
            buf_append_char(buf, named[i + 1]);
        } else if (c < ' ' || c >= 0x7F) {
            buf_printf(buf, "\\x%02x", c);
        } else {
            buf_append_char(buf, (char)c);
        }
        text = str_skip(text, 1);
    }
    buf_append_char(buf, '"');
}

static void print_label_name(struct buf *buf, struct str name)
{
    if (label_name_is_legacy(name)) {
        buf_append_str(buf, name);
    } else {
        print_quoted(buf, name);
    }
}

static void print_names(struct buf *buf, const struct str *names, size_t count)
{
    buf_append_char(buf, '(');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_append_str(buf, STR(", "));
        print_label_name(buf, names[i]);
    }
    buf_append_char(buf, ')');
}

static void print_number(struct buf *buf, double value)
{
    char text[NUMBER_SIZE_MAX];
    buf_append(buf, text, number_print_plain(value, text));
}

/* "1h30m", as the reference prints milliseconds. */
static void print_milliseconds(struct buf *buf, double ms)
{
    static const struct {
        const char *name;
        double ms;
        bool is_exact; /* only when nothing is left over */
    } units[] = {
        { "y", 365.0 * 86400000, true },
        { "w", 7.0 * 86400000, true },
        { "d", 86400000, false },
        { "h", 3600000, false },
        { "m", 60000, false },
        { "s", 1000, false },
        { "ms", 1, false },
    };
    if (ms == 0) {
        buf_append_str(buf, STR("0s"));
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (units[i].is_exact && fmod(ms, units[i].ms) != 0) continue;
        double count = floor(ms / units[i].ms);
        if (count <= 0) continue;
        buf_printf(buf, "%.0f%s", count, units[i].name);
        ms -= count * units[i].ms;
    }
}

static void print_duration(struct buf *buf, const struct duration *duration)
{
    switch (duration->kind) {
    case DURATION_NUMBER: print_milliseconds(buf, round(duration->seconds * 1000)); return;
    case DURATION_STEP: buf_append_str(buf, STR("step()")); return;
    case DURATION_RANGE: buf_append_str(buf, STR("range()")); return;
    case DURATION_MIN:
    case DURATION_MAX:
        buf_append_str(buf, duration->kind == DURATION_MIN ? STR("min_of(") : STR("max_of("));
        print_duration(buf, duration->left);
        buf_append_str(buf, STR(", "));
        print_duration(buf, duration->right);
        buf_append_char(buf, ')');
        return;
    case DURATION_BINARY:
        print_duration(buf, duration->left);
        buf_printf(buf, " " STR_FMT " ", STR_ARG(binary_names[duration->op]));
        if (duration->right->kind == DURATION_NUMBER && duration->right->is_plain_number) {
            print_number(buf, duration->right->seconds);
        } else {
            print_duration(buf, duration->right);
        }
        return;
    case DURATION_NEGATE:
    case DURATION_PLUS:
        if (duration->kind == DURATION_NEGATE) buf_append_char(buf, '-');
        print_duration(buf, duration->left);
        return;
    case DURATION_PAREN:
        buf_append_char(buf, '(');
        print_duration(buf, duration->left);
        buf_append_char(buf, ')');
        return;
    }
}

static void print_modifiers(struct buf *buf, const struct modifiers *modifiers)
{
    if (modifiers->is_anchored) buf_append_str(buf, STR(" anchored"));
    if (modifiers->is_smoothed) buf_append_str(buf, STR(" smoothed"));
    if (modifiers->at == AT_TIME) {
        buf_printf(buf, " @ %.3f", (double)modifiers->at_ms / 1000);
    } else if (modifiers->at != AT_NONE) {
        buf_append_str(buf, modifiers->at == AT_START ? STR(" @ start()") : STR(" @ end()"));
    }
    if (modifiers->offset != NULL) {
        buf_append_str(buf, STR(" offset "));
        print_duration(buf, modifiers->offset);
    }
}

static void print_matchers(struct buf *buf, const struct node *node)
{
    static const char *const operators[] = { "=", "!=", "=~", "!~" };
    bool is_open = false;
    buf_append_str(buf, node->selector.name);
    for (size_t i = 0; i < node->selector.matcher_count; i++) {
        const struct matcher *matcher = &node->selector.matchers[i];
        bool is_name =
            matcher->kind == MATCHER_EQUAL && str_equal(matcher->name, LABEL_METRIC_NAME);
        bool has_name = node->selector.name.size > 0;
        if (has_name && is_name && str_equal(matcher->value, node->selector.name)) continue;
        buf_append_str(buf, is_open ? STR(",") : STR("{"));
        is_open = true;
        print_label_name(buf, matcher->name);
        buf_append_cstr(buf, operators[matcher->kind]);
        print_quoted(buf, matcher->value);
    }
    if (is_open) buf_append_char(buf, '}');
    /* Only info() takes one that selects all. */
    if (!is_open && node->selector.name.size == 0) buf_append_str(buf, STR("{}"));
}

static void print_matching(struct buf *buf, const struct node *node)
{
    const struct matching *matching = &node->binary.matching;
    if (node->binary.returns_bool) buf_append_str(buf, STR(" bool"));
    if (matching->is_given &&
        (matching->is_on || matching->label_count > 0 || matching->card == MATCH_MANY_TO_ONE ||
         matching->card == MATCH_ONE_TO_MANY)) {
        buf_append_str(buf, matching->is_on ? STR(" on ") : STR(" ignoring "));
        print_names(buf, matching->labels, matching->label_count);
    }
    if (matching->card == MATCH_MANY_TO_ONE || matching->card == MATCH_ONE_TO_MANY) {
        buf_append_str(buf, matching->card == MATCH_MANY_TO_ONE ? STR(" group_left ")
                                                                : STR(" group_right "));
        print_names(buf, matching->include, matching->include_count);
    }
    bool is_both = matching->has_fill_left && matching->has_fill_right &&
                   !(matching->fill_left < matching->fill_right) &&
                   !(matching->fill_left > matching->fill_right);
    if (matching->has_fill_left) {
        buf_append_str(buf, is_both ? STR(" fill (") : STR(" fill_left ("));
        print_number(buf, matching->fill_left);
        buf_append_char(buf, ')');
    }
    if (matching->has_fill_right && !is_both) {
        buf_append_str(buf, STR(" fill_right ("));
        print_number(buf, matching->fill_right);
        buf_append_char(buf, ')');
    }
}

static void print_aggregate_head(struct buf *buf, const struct node *node)
{
    buf_append_str(buf, aggregation_names[node->aggregate.op]);
    if (!node->aggregate.is_without && node->aggregate.label_count == 0) return;
    buf_append_str(buf, node->aggregate.is_without ? STR(" without ") : STR(" by "));
    print_names(buf, node->aggregate.labels, node->aggregate.label_count);
    buf_append_char(buf, ' ');
}

static void print_tail(struct buf *buf, const struct node *node)
{
    if (node->kind == NODE_MATRIX) {
        buf_append_char(buf, '[');
        print_duration(buf, node->matrix.range);
        buf_append_char(buf, ']');
        print_modifiers(buf, &node->matrix.selector->selector.modifiers);
        return;
    }
    buf_append_char(buf, '[');
    print_duration(buf, node->subquery.range);
    buf_append_char(buf, ':');
    if (node->subquery.step != NULL) print_duration(buf, node->subquery.step);
    buf_append_char(buf, ']');
    print_modifiers(buf, &node->subquery.modifiers);
}

/* "+Inf ^ x" would read as +(Inf ^ x). */
static void print_left(struct buf *buf, const struct node *node)
{
    const struct node *left = node->binary.left;
    bool is_infinite = left->kind == NODE_NUMBER && isinf(left->number.value);
    if (node->binary.op == BINARY_POWER && is_infinite) {
        buf_append_str(buf, STR("Inf"));
    } else {
        print_node(buf, left);
    }
}

void print_node(struct buf *buf, const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
        if (node->number.is_duration && node->number.value >= 0) {
            print_milliseconds(buf, round(node->number.value * 1000));
        } else {
            print_number(buf, node->number.value);
        }
        return;
    case NODE_STRING: print_quoted(buf, node->string); return;
    case NODE_SELECTOR:
        print_matchers(buf, node);
        print_modifiers(buf, &node->selector.modifiers);
        return;
    case NODE_MATRIX:
        print_matchers(buf, node->matrix.selector);
        print_tail(buf, node);
        return;
    case NODE_SUBQUERY:
        print_node(buf, node->subquery.inner);
        print_tail(buf, node);
        return;
    case NODE_CALL:
        buf_append_str(buf, node->call.function->name);
        buf_append_char(buf, '(');
        for (size_t i = 0; i < node->call.count; i++) {
            if (i > 0) buf_append_str(buf, STR(", "));
            print_node(buf, node->call.arguments[i]);
        }
        buf_append_char(buf, ')');
        return;
    case NODE_AGGREGATE:
        print_aggregate_head(buf, node);
        buf_append_char(buf, '(');
        if (node->aggregate.parameter != NULL) {
            print_node(buf, node->aggregate.parameter);
            buf_append_str(buf, STR(", "));
        }
        print_node(buf, node->aggregate.inner);
        buf_append_char(buf, ')');
        return;
    case NODE_BINARY:
        print_left(buf, node);
        buf_printf(buf, " " STR_FMT, STR_ARG(binary_names[node->binary.op]));
        print_matching(buf, node);
        buf_append_char(buf, ' ');
        print_node(buf, node->binary.right);
        return;
    case NODE_UNARY:
        buf_append_char(buf, node->unary.is_minus ? '-' : '+');
        print_node(buf, node->unary.inner);
        return;
    case NODE_PAREN:
        buf_append_char(buf, '(');
        print_node(buf, node->paren);
        buf_append_char(buf, ')');
        return;
    }
}

void promql_print(struct buf *buf, const struct promql_expr *expr)
{
    print_node(buf, expr->root);
}

/* --- over several lines --- */

static void indent(struct buf *buf, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) buf_append_str(buf, STR("  "));
}

static bool fits(const struct node *node, unsigned depth)
{
    struct buf line;
    buf_init(&line, PRINT_SIZE_MAX);
    print_node(&line, node);
    bool is_short = !line.has_failed && line.size + 2 * (size_t)depth <= LINE_SIZE_MAX;
    buf_release(&line);
    return is_short;
}

static void format_node(struct buf *buf, const struct node *node, unsigned depth);

static void format_arguments(struct buf *buf, struct node *const *arguments, size_t count,
                             unsigned depth)
{
    buf_append_str(buf, STR("(\n"));
    for (size_t i = 0; i < count; i++) {
        if (arguments[i] == NULL) continue;
        format_node(buf, arguments[i], depth + 1);
        buf_append_str(buf, i + 1 < count ? STR(",\n") : STR("\n"));
    }
    indent(buf, depth);
    buf_append_char(buf, ')');
}

/* Continues behind an indentation already written. */
static void format_body(struct buf *buf, const struct node *node, unsigned depth)
{
    switch (node->kind) {
    case NODE_CALL:
        buf_append_str(buf, node->call.function->name);
        format_arguments(buf, node->call.arguments, node->call.count, depth);
        return;
    case NODE_AGGREGATE: {
        print_aggregate_head(buf, node);
        struct node *const arguments[] = { node->aggregate.parameter, node->aggregate.inner };
        bool has_one = node->aggregate.parameter == NULL;
        format_arguments(buf, has_one ? arguments + 1 : arguments, has_one ? 1 : 2, depth);
        return;
    }
    case NODE_PAREN: format_arguments(buf, &node->paren, 1, depth); return;
    case NODE_UNARY:
        buf_append_char(buf, node->unary.is_minus ? '-' : '+');
        format_body(buf, node->unary.inner, depth);
        return;
    case NODE_SUBQUERY:
        format_body(buf, node->subquery.inner, depth);
        print_tail(buf, node);
        return;
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_SELECTOR:
    case NODE_MATRIX:
    case NODE_BINARY: print_node(buf, node); return;
    }
}

static void format_node(struct buf *buf, const struct node *node, unsigned depth)
{
    if (node->kind == NODE_BINARY && !fits(node, depth)) {
        format_node(buf, node->binary.left, depth + 1);
        buf_append_char(buf, '\n');
        indent(buf, depth);
        buf_append_str(buf, binary_names[node->binary.op]);
        print_matching(buf, node);
        buf_append_char(buf, '\n');
        format_node(buf, node->binary.right, depth + 1);
        return;
    }
    indent(buf, depth);
    if (fits(node, depth)) {
        print_node(buf, node);
    } else {
        format_body(buf, node, depth);
    }
}

void promql_format(struct buf *buf, const struct promql_expr *expr)
{
    format_node(buf, expr->root, 0);
}
