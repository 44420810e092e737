/* parser_terms.c - the leaves: selectors, durations, numbers and strings. */
#include "base/check.h"
#include "codec/number.h"
#include "codec/utf8.h"
#include "promql/parser.h"

#include <math.h>

#define MATCHERS_MAX   256
#define PATTERNS_MAX   500          /* of an expression; each may take megabytes */
#define DURATION_S_MAX 9223372036.0 /* what fits in int64_t nanoseconds */
#define DURATION_POWER 6

/* --- strings --- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Digits of an escape; -1 when they are not. */
static int64_t escape_number(struct str text, size_t at, size_t count, int base)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = at + i < text.size ? hex_value(text.data[at + i]) : -1;
        if (digit < 0 || digit >= base) return -1;
        value = value * base + digit;
    }
    return value;
}

/* One escape after the backslash at text[*at]; written to out. 0 bytes: it is none. */
static size_t unescape(struct str text, size_t *at, char quote, char *out)
{
    static const char plain[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
    char c = text.data[*at];
    for (size_t i = 0; i + 1 < sizeof(plain); i += 2) {
        if (plain[i] != c) continue;
        *at += 1;
        out[0] = plain[i + 1];
        return 1;
    }
    if (c == quote) {
        *at += 1;
        out[0] = quote;
        return 1;
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) {
        int64_t octal = escape_number(text, *at, 3, 8);
        if (octal < 0 || octal > 255) return 0;
        *at += 3;
        out[0] = (char)(unsigned char)octal;
        return 1;
    }
    int64_t value = escape_number(text, *at + 1, digits, 16);
    if (value < 0) return 0;
    *at += 1 + digits;
    if (c == 'x') {
        out[0] = (char)(unsigned char)value;
        return 1;
    }
    return value > 0x10FFFF ? 0 : utf8_encode((uint32_t)value, out);
}

bool parser_unquote(struct parser *parser, const struct token *token, struct str *out)
{
    struct str inside = { token->text.data + 1, token->text.size - 2 };
    char quote = token->text.data[0];
    if (quote == '`') {
        *out = inside;
        return true;
    }
    char *bytes = parser_alloc(parser, inside.size + 1, 1);
    if (bytes == NULL) return false;
    size_t size = 0;
    for (size_t i = 0; i < inside.size;) {
        if (inside.data[i] != '\\') {
            bytes[size++] = inside.data[i++];
            continue;
        }
        size_t at = i + 1;
        char escaped[8];
        size_t count = at < inside.size ? unescape(inside, &at, quote, escaped) : 0;
        if (count == 0) {
            return parser_fail(parser, token->start, "error unquoting string: invalid syntax");
        }
        memcpy(bytes + size, escaped, count);
        size += count;
        i = at;
    }
    *out = (struct str){ bytes, size };
    return true;
}

/* --- numbers --- */

static bool parse_integer(struct str text, double *value)
{
    int base = 10;
    size_t i = 0;
    if (text.size > 1 && text.data[0] == '0') {
        bool is_hex = (text.data[1] | 0x20) == 'x';
        base = is_hex ? 16 : 8;
        i = is_hex ? 2 : 1;
    }
    int64_t sum = 0;
    for (; i < text.size; i++) {
        if (text.data[i] == '_') continue;
        int digit = hex_value(text.data[i]);
        if (digit < 0 || digit >= base) return false;
        if (__builtin_mul_overflow(sum, base, &sum) || __builtin_add_overflow(sum, digit, &sum)) {
            return false;
        }
    }
    *value = (double)sum;
    return true;
}

static double unit_seconds(struct str *rest, int *rank)
{
    static const struct {
        struct str name;
        int rank;
        double seconds;
    } units[] = {
        { STR_INIT("ms"), 6, 0.001 },      { STR_INIT("y"), 0, 365.0 * 86400 },
        { STR_INIT("w"), 1, 7.0 * 86400 }, { STR_INIT("d"), 2, 86400 },
        { STR_INIT("h"), 3, 3600 },        { STR_INIT("m"), 4, 60 },
        { STR_INIT("s"), 5, 1 },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (!str_starts_with(*rest, units[i].name)) continue;
        *rest = str_skip(*rest, units[i].name.size);
        *rank = units[i].rank;
        return units[i].seconds;
    }
    return 0;
}

/* In milliseconds first, so that 4s18ms is exactly 4.018. */
static bool parse_duration_text(struct str text, double *seconds)
{
    int last_rank = -1;
    double total_ms = 0;
    while (text.size > 0) {
        double count = 0;
        size_t digits = 0;
        while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') {
            count = count * 10 + (text.data[digits++] - '0');
        }
        text = str_skip(text, digits);
        int rank = -1;
        double unit = unit_seconds(&text, &rank);
        if (digits == 0 || unit == 0 || rank <= last_rank) return false;
        last_rank = rank;
        total_ms += count * unit * 1000;
    }
    *seconds = total_ms / 1000;
    return true;
}

bool parser_number(struct parser *parser, const struct token *token, double *value)
{
    struct str shown = str_first(token->text, token->text.size < 80 ? token->text.size : 80);
    if (token->kind == TOKEN_DURATION) {
        if (!parse_duration_text(token->text, value)) {
            return parser_fail(parser, token->start, "not a valid duration string: \"" STR_FMT "\"",
                               STR_ARG(shown));
        }
        if (*value > DURATION_S_MAX) {
            return parser_fail(parser, token->start, "duration out of range");
        }
        return true;
    }
    if (parse_integer(token->text, value) || number_parse(token->text, value)) return true;
    return parser_fail(parser, token->start, "error parsing number: \"" STR_FMT "\"",
                       STR_ARG(shown));
}

/* --- durations --- */

static struct duration *duration_new(struct parser *parser, enum duration_kind kind, uint32_t start)
{
    struct duration *duration = PARSER_NEW(parser, struct duration);
    if (duration == NULL) return NULL;
    duration->kind = kind;
    duration->place = (struct place){ start, parser->last_end };
    return duration;
}

static bool fold(struct parser *parser, struct duration *duration)
{
    const struct duration *left = duration->left;
    const struct duration *right = duration->right;
    duration->needs_query = duration->kind == DURATION_STEP || duration->kind == DURATION_RANGE ||
                            (left != NULL && left->needs_query) ||
                            (right != NULL && right->needs_query);
    if (duration->kind == DURATION_BINARY && right != NULL && !right->needs_query &&
        right->seconds == 0) {
        if (duration->op == BINARY_DIVIDE) {
            return parser_fail(parser, right->place.start, "division by zero");
        }
        if (duration->op == BINARY_MODULO) {
            return parser_fail(parser, right->place.start, "modulo by zero");
        }
    }
    if (!duration->needs_query) duration->seconds = duration_value(duration, 0, 0);
    return true;
}

static struct duration *parse_two(struct parser *parser, bool is_min, uint32_t start)
{
    parser_advance(parser);
    if (!parser_expect(parser, TOKEN_LEFT_PAREN, "duration", "\"(\"")) return NULL;
    struct duration *left = parser_duration(parser, 0);
    if (left == NULL || !parser_expect(parser, TOKEN_COMMA, "duration", "\",\"")) return NULL;
    struct duration *right = parser_duration(parser, 0);
    if (right == NULL || !parser_expect(parser, TOKEN_RIGHT_PAREN, "duration", "\")\"")) {
        return NULL;
    }
    struct duration *duration = duration_new(parser, is_min ? DURATION_MIN : DURATION_MAX, start);
    if (duration == NULL) return NULL;
    duration->left = left;
    duration->right = right;
    return fold(parser, duration) ? duration : NULL;
}

/* A number, step(), range(), min_of(), max_of() or parentheses. */
static struct duration *parse_duration_atom(struct parser *parser)
{
    struct token token = parser->token;
    if (token.kind == TOKEN_NUMBER || token.kind == TOKEN_DURATION) {
        double seconds;
        if (!parser_number(parser, &token, &seconds)) return NULL;
        parser_advance(parser);
        struct duration *duration = duration_new(parser, DURATION_NUMBER, token.start);
        if (duration == NULL) return NULL;
        duration->seconds = seconds;
        duration->is_plain_number = token.kind == TOKEN_NUMBER;
        if (!(fabs(seconds) <= DURATION_S_MAX)) {
            parser_fail(parser, token.start, "duration out of range");
            return NULL;
        }
        return duration;
    }
    bool is_step = parser_is_keyword(parser, KEYWORD_STEP);
    if (is_step || parser_is_keyword(parser, KEYWORD_RANGE)) {
        parser_advance(parser);
        if (!parser_expect(parser, TOKEN_LEFT_PAREN, "duration", "\"(\"") ||
            !parser_expect(parser, TOKEN_RIGHT_PAREN, "duration", "\")\"")) {
            return NULL;
        }
        struct duration *duration =
            duration_new(parser, is_step ? DURATION_STEP : DURATION_RANGE, token.start);
        if (duration != NULL) duration->needs_query = true;
        return duration;
    }
    bool is_min = token.kind == TOKEN_IDENTIFIER && str_equal_nocase(token.text, STR("min_of"));
    if (is_min || (token.kind == TOKEN_IDENTIFIER && str_equal_nocase(token.text, STR("max_of")))) {
        return parse_two(parser, is_min, token.start);
    }
    if (token.kind == TOKEN_LEFT_PAREN) {
        parser_advance(parser);
        struct duration *inner = parser_duration(parser, 0);
        if (inner == NULL || !parser_expect(parser, TOKEN_RIGHT_PAREN, "duration", "\")\"")) {
            return NULL;
        }
        struct duration *duration = duration_new(parser, DURATION_PAREN, token.start);
        if (duration == NULL) return NULL;
        duration->left = inner;
        return fold(parser, duration) ? duration : NULL;
    }
    parser_unexpected(parser, "duration expression", "number, duration, step(), or range()");
    return NULL;
}

static bool is_sign(const struct parser *parser)
{
    return parser->token.kind == TOKEN_OPERATOR &&
           (parser->token.number == BINARY_ADD || parser->token.number == BINARY_SUBTRACT);
}

static struct duration *parse_duration_sign(struct parser *parser, bool is_whole)
{
    uint32_t start = parser->token.start;
    bool is_minus = parser->token.number == BINARY_SUBTRACT;
    parser_advance(parser);
    struct duration *inner =
        is_whole ? parser_duration(parser, DURATION_POWER) : parse_duration_atom(parser);
    if (inner == NULL) return NULL;
    struct duration *duration =
        duration_new(parser, is_minus ? DURATION_NEGATE : DURATION_PLUS, start);
    if (duration == NULL) return NULL;
    duration->left = inner;
    return fold(parser, duration) ? duration : NULL;
}

struct duration *parser_duration(struct parser *parser, int power)
{
    if (!parser_enter(parser)) return NULL;
    struct duration *left =
        is_sign(parser) ? parse_duration_sign(parser, true) : parse_duration_atom(parser);
    while (left != NULL) {
        if (parser->token.kind != TOKEN_OPERATOR) break;
        enum binary_operator op = (enum binary_operator)parser->token.number;
        bool is_arithmetic = op == BINARY_ADD || op == BINARY_SUBTRACT || op == BINARY_MULTIPLY ||
                             op == BINARY_DIVIDE || op == BINARY_MODULO || op == BINARY_POWER;
        if (!is_arithmetic || binary_powers[op] < power) break;
        parser_advance(parser);
        struct duration *right =
            parser_duration(parser, op == BINARY_POWER ? binary_powers[op] : binary_powers[op] + 1);
        if (right == NULL) return NULL;
        struct duration *node = duration_new(parser, DURATION_BINARY, left->place.start);
        if (node == NULL) return NULL;
        node->op = op;
        node->left = left;
        node->right = right;
        if (!fold(parser, node)) return NULL;
        left = node;
        if (++parser->depth > PROMQL_DEPTH_MAX) {
            parser_fail(parser, parser->token.start, "expression is nested deeper than %d",
                        PROMQL_DEPTH_MAX);
            return NULL;
        }
    }
    parser_leave(parser);
    return left;
}

struct duration *parser_offset(struct parser *parser)
{
    struct duration *offset =
        is_sign(parser) ? parse_duration_sign(parser, false) : parse_duration_atom(parser);
    if (offset != NULL && !offset->needs_query && !(fabs(offset->seconds) <= DURATION_S_MAX)) {
        parser_fail(parser, offset->place.start, "duration out of range");
        return NULL;
    }
    return offset;
}

bool parser_duration_positive(struct parser *parser, const struct duration *duration)
{
    if (duration->needs_query) return true;
    if (!(round(duration->seconds * 1000) > 0)) { /* in ms, as they are kept and printed */
        return parser_fail(parser, duration->place.start, "duration must be greater than 0");
    }
    if (!(duration->seconds <= DURATION_S_MAX)) {
        return parser_fail(parser, duration->place.start, "duration out of range");
    }
    return true;
}

double duration_value(const struct duration *duration, double step, double range)
{
    const struct duration *left = duration->left;
    const struct duration *right = duration->right;
    if (!duration->needs_query && duration->kind == DURATION_NUMBER) return duration->seconds;
    double a = left == NULL ? 0 : duration_value(left, step, range);
    double b = right == NULL ? 0 : duration_value(right, step, range);
    switch (duration->kind) {
    case DURATION_NUMBER: return duration->seconds;
    case DURATION_STEP: return step;
    case DURATION_RANGE: return range;
    case DURATION_MIN: return fmin(a, b);
    case DURATION_MAX: return fmax(a, b);
    case DURATION_NEGATE: return -a;
    case DURATION_PLUS:
    case DURATION_PAREN: return a;
    case DURATION_BINARY: break;
    }
    switch ((int)duration->op) {
    case BINARY_ADD: return a + b;
    case BINARY_SUBTRACT: return a - b;
    case BINARY_MULTIPLY: return a * b;
    case BINARY_DIVIDE: return a / b;
    case BINARY_MODULO: return fmod(a, b);
    default: return pow(a, b);
    }
}

/* --- selectors --- */

struct matcher_draft {
    enum matcher_kind kind;
    struct str name;
    struct str value;
    uint32_t start;
};

VEC_TYPE(matcher_drafts, struct matcher_draft);

static bool parse_matcher_operator(struct parser *parser, enum matcher_kind *kind)
{
    enum token_kind token = parser->token.kind;
    if (token == TOKEN_EQUAL) {
        *kind = MATCHER_EQUAL;
    } else if (token == TOKEN_REGEX_EQUAL) {
        *kind = MATCHER_REGEX;
    } else if (token == TOKEN_REGEX_UNEQUAL) {
        *kind = MATCHER_NOT_REGEX;
    } else if (token == TOKEN_OPERATOR && parser->token.number == BINARY_NOT_EQUAL) {
        *kind = MATCHER_NOT_EQUAL;
    } else {
        return parser_unexpected(parser, "label matching", "label matching operator");
    }
    parser_advance(parser);
    return true;
}

static bool add_draft(struct parser *parser, struct matcher_drafts *drafts,
                      struct matcher_draft draft)
{
    if (drafts->count >= MATCHERS_MAX) {
        return parser_fail(parser, draft.start, "more than %d matchers", MATCHERS_MAX);
    }
    if (VEC_PUSH(drafts, draft)) return true;
    parser->has_failed = parser->is_out_of_memory = true;
    return false;
}

/* name="value", or a quoted metric name alone. */
static bool parse_one_matcher(struct parser *parser, struct matcher_drafts *drafts,
                              struct str *metric)
{
    struct matcher_draft draft = { .start = parser->token.start, .name = parser->token.text };
    bool is_quoted = parser->token.kind == TOKEN_STRING;
    if (is_quoted) {
        if (!parser_unquote(parser, &parser->token, &draft.name)) return false;
    } else if (parser->token.kind != TOKEN_IDENTIFIER) {
        return parser_unexpected(parser, "label matching", "identifier or \"}\"");
    }
    parser_advance(parser);
    if (is_quoted &&
        (parser->token.kind == TOKEN_COMMA || parser->token.kind == TOKEN_RIGHT_BRACE)) {
        if (metric->size > 0) {
            return parser_fail(parser, draft.start,
                               "metric name must not be set twice: \"" STR_FMT "\" or \"" STR_FMT
                               "\"",
                               STR_ARG(*metric), STR_ARG(draft.name));
        }
        *metric = draft.name;
        draft.value = draft.name;
        draft.name = LABEL_METRIC_NAME;
        return add_draft(parser, drafts, draft);
    }
    if (!parse_matcher_operator(parser, &draft.kind)) return false;
    if (parser->token.kind != TOKEN_STRING) {
        return parser_unexpected(parser, "label matching", "string");
    }
    if (!parser_unquote(parser, &parser->token, &draft.value)) return false;
    if (!utf8_is_valid(draft.name) || draft.name.size == 0) {
        return parser_fail(parser, draft.start, "invalid label name");
    }
    parser_advance(parser);
    return add_draft(parser, drafts, draft);
}

static bool parse_braces(struct parser *parser, struct matcher_drafts *drafts, struct str *metric)
{
    parser_advance(parser);
    while (parser->token.kind != TOKEN_RIGHT_BRACE) {
        if (!parse_one_matcher(parser, drafts, metric)) return false;
        if (parser->token.kind == TOKEN_COMMA) {
            parser_advance(parser);
        } else if (parser->token.kind != TOKEN_RIGHT_BRACE) {
            return parser_unexpected(parser, "label matching", "\",\" or \"}\"");
        }
    }
    parser_advance(parser);
    return true;
}

static bool compile(struct parser *parser, struct node *node, const struct matcher_drafts *drafts)
{
    struct promql_expr *expr = parser->expr;
    struct matcher *matchers = PARSER_ARRAY(parser, struct matcher, drafts->count);
    if (matchers == NULL) return false;
    if (!VEC_PUSH(&expr->matchers, matchers) || !VEC_PUSH(&expr->matcher_counts, drafts->count)) {
        parser->has_failed = parser->is_out_of_memory = true;
        if (expr->matchers.count > expr->matcher_counts.count) expr->matchers.count--;
        return false;
    }
    for (size_t i = 0; i < drafts->count; i++) {
        const struct matcher_draft *draft = &drafts->items[i];
        struct error error = { 0 };
        bool is_pattern = draft->kind == MATCHER_REGEX || draft->kind == MATCHER_NOT_REGEX;
        if (is_pattern && ++expr->pattern_count > PATTERNS_MAX) {
            return parser_fail(parser, draft->start, "more than %d patterns", PATTERNS_MAX);
        }
        int code = matcher_init(&matchers[i], draft->kind, draft->name, draft->value, &error);
        if (code < 0) return parser_fail(parser, draft->start, "%s", error.text);
    }
    node->selector.matchers = matchers;
    node->selector.matcher_count = drafts->count;
    return true;
}

struct node *parser_selector(struct parser *parser, struct str name, uint32_t start)
{
    struct node *node = PARSER_NEW(parser, struct node);
    if (node == NULL) return NULL;
    node->kind = NODE_SELECTOR;
    node->type = PROMQL_VECTOR;
    node->selector.name = name;
    struct matcher_drafts drafts = { 0 };
    struct str metric = name;
    bool is_good = true;
    if (parser->token.kind == TOKEN_LEFT_BRACE) is_good = parse_braces(parser, &drafts, &metric);
    if (is_good && name.size > 0) {
        for (size_t i = 0; is_good && i < drafts.count; i++) {
            if (!str_equal(drafts.items[i].name, LABEL_METRIC_NAME)) continue;
            is_good =
                parser_fail(parser, drafts.items[i].start,
                            "metric name must not be set twice: \"" STR_FMT "\" or \"" STR_FMT "\"",
                            STR_ARG(name), STR_ARG(drafts.items[i].value));
        }
        is_good = is_good && add_draft(parser, &drafts,
                                       (struct matcher_draft){ MATCHER_EQUAL, LABEL_METRIC_NAME,
                                                               name, start });
    }
    is_good = is_good && compile(parser, node, &drafts);
    VEC_RELEASE(&drafts);
    node->place = (struct place){ start, parser->last_end };
    return is_good ? node : NULL;
}
