/* lexer.c - characters to tokens. */
#include "promql/lexer.h"

#include "base/check.h"
#include "promql/expr.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { KEYWORD_KIND_NUMBER = -1 };

/* clang-format off */
static const struct word {
    struct str text;
    enum token_kind kind;
    int number;
} words[] = {
    { STR_INIT("and"),         TOKEN_OPERATOR,    BINARY_AND },
    { STR_INIT("or"),          TOKEN_OPERATOR,    BINARY_OR },
    { STR_INIT("unless"),      TOKEN_OPERATOR,    BINARY_UNLESS },
    { STR_INIT("atan2"),       TOKEN_OPERATOR,    BINARY_ATAN2 },
#define X(name, text) { STR_INIT(text), TOKEN_AGGREGATION, AGGREGATE_##name },
    AGGREGATIONS(X)
#undef X
    { STR_INIT("offset"),      TOKEN_KEYWORD,     KEYWORD_OFFSET },
    { STR_INIT("by"),          TOKEN_KEYWORD,     KEYWORD_BY },
    { STR_INIT("without"),     TOKEN_KEYWORD,     KEYWORD_WITHOUT },
    { STR_INIT("on"),          TOKEN_KEYWORD,     KEYWORD_ON },
    { STR_INIT("ignoring"),    TOKEN_KEYWORD,     KEYWORD_IGNORING },
    { STR_INIT("group_left"),  TOKEN_KEYWORD,     KEYWORD_GROUP_LEFT },
    { STR_INIT("group_right"), TOKEN_KEYWORD,     KEYWORD_GROUP_RIGHT },
    { STR_INIT("bool"),        TOKEN_KEYWORD,     KEYWORD_BOOL },
    { STR_INIT("fill"),        TOKEN_KEYWORD,     KEYWORD_FILL },
    { STR_INIT("fill_left"),   TOKEN_KEYWORD,     KEYWORD_FILL_LEFT },
    { STR_INIT("fill_right"),  TOKEN_KEYWORD,     KEYWORD_FILL_RIGHT },
    { STR_INIT("anchored"),    TOKEN_KEYWORD,     KEYWORD_ANCHORED },
    { STR_INIT("smoothed"),    TOKEN_KEYWORD,     KEYWORD_SMOOTHED },
    { STR_INIT("start"),       TOKEN_KEYWORD,     KEYWORD_START },
    { STR_INIT("end"),         TOKEN_KEYWORD,     KEYWORD_END },
    { STR_INIT("step"),        TOKEN_KEYWORD,     KEYWORD_STEP },
    { STR_INIT("range"),       TOKEN_KEYWORD,     KEYWORD_RANGE },
    { STR_INIT("inf"),         TOKEN_NUMBER,      KEYWORD_KIND_NUMBER },
    { STR_INIT("nan"),         TOKEN_NUMBER,      KEYWORD_KIND_NUMBER },
};

/* Longest first where one begins another. */
static const struct sign {
    struct str text;
    enum token_kind kind;
    int number;
} signs[] = {
    { STR_INIT("=="), TOKEN_OPERATOR,      BINARY_EQUAL },
    { STR_INIT("=~"), TOKEN_REGEX_EQUAL,   0 },
    { STR_INIT("!="), TOKEN_OPERATOR,      BINARY_NOT_EQUAL },
    { STR_INIT("!~"), TOKEN_REGEX_UNEQUAL, 0 },
    { STR_INIT("<="), TOKEN_OPERATOR,      BINARY_LESS_EQUAL },
    { STR_INIT(">="), TOKEN_OPERATOR,      BINARY_GREATER_EQUAL },
    { STR_INIT("</"), TOKEN_OPERATOR,      BINARY_TRIM_UPPER },
    { STR_INIT(">/"), TOKEN_OPERATOR,      BINARY_TRIM_LOWER },
    { STR_INIT("="),  TOKEN_EQUAL,         0 },
    { STR_INIT("<"),  TOKEN_OPERATOR,      BINARY_LESS },
    { STR_INIT(">"),  TOKEN_OPERATOR,      BINARY_GREATER },
    { STR_INIT("+"),  TOKEN_OPERATOR,      BINARY_ADD },
    { STR_INIT("-"),  TOKEN_OPERATOR,      BINARY_SUBTRACT },
    { STR_INIT("*"),  TOKEN_OPERATOR,      BINARY_MULTIPLY },
    { STR_INIT("/"),  TOKEN_OPERATOR,      BINARY_DIVIDE },
    { STR_INIT("%"),  TOKEN_OPERATOR,      BINARY_MODULO },
    { STR_INIT("^"),  TOKEN_OPERATOR,      BINARY_POWER },
    { STR_INIT(","),  TOKEN_COMMA,         0 },
    { STR_INIT(":"),  TOKEN_COLON,         0 },
    { STR_INIT("@"),  TOKEN_AT,            0 },
    { STR_INIT("("),  TOKEN_LEFT_PAREN,    0 },
    { STR_INIT(")"),  TOKEN_RIGHT_PAREN,   0 },
    { STR_INIT("{"),  TOKEN_LEFT_BRACE,    0 },
    { STR_INIT("}"),  TOKEN_RIGHT_BRACE,   0 },
    { STR_INIT("["),  TOKEN_LEFT_BRACKET,  0 },
    { STR_INIT("]"),  TOKEN_RIGHT_BRACKET, 0 },
};
/* clang-format on */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char peek_at(const struct lexer *lexer, size_t position)
{
    return position < lexer->text.size ? lexer->text.data[position] : '\0';
}

PRINTF_LIKE(3, 4)
static struct token fail(struct lexer *lexer, size_t start, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(lexer->complaint, sizeof(lexer->complaint), format, arguments);
    va_end(arguments);
    lexer->position = start;
    return (struct token){ .kind = TOKEN_ERROR, .start = (uint32_t)start };
}

static struct token take(struct lexer *lexer, enum token_kind kind, size_t start, size_t end)
{
    lexer->position = end;
    struct str text = { lexer->text.data + start, end - start };
    return (struct token){ .kind = kind, .start = (uint32_t)start, .text = text };
}

static void skip_blanks(struct lexer *lexer)
{
    while (lexer->position < lexer->text.size) {
        char c = lexer->text.data[lexer->position];
        if (c == '#') {
            while (lexer->position < lexer->text.size &&
                   lexer->text.data[lexer->position] != '\n') {
                lexer->position++;
            }
        } else if (is_blank(c)) {
            lexer->position++;
        } else {
            return;
        }
    }
}

static struct token lex_string(struct lexer *lexer)
{
    size_t start = lexer->position;
    char quote = lexer->text.data[start];
    size_t i = start + 1;
    for (; i < lexer->text.size; i++) {
        char c = lexer->text.data[i];
        if (c == quote) return take(lexer, TOKEN_STRING, start, i + 1);
        if (quote == '`') continue;
        if (c == '\n') return fail(lexer, start, "unterminated quoted string");
        if (c == '\\') i++;
    }
    return fail(lexer, start,
                quote == '`' ? "unterminated raw string" : "unterminated quoted string");
}

static size_t skip_digits(const struct lexer *lexer, size_t i, bool (*is_one)(char))
{
    while (is_one(peek_at(lexer, i)) ||
           (peek_at(lexer, i) == '_' && is_one(peek_at(lexer, i + 1)))) {
        i++;
    }
    return i;
}

/* End of a unit's name at i, or i when there is none. */
static size_t skip_unit(const struct lexer *lexer, size_t i)
{
    char c = peek_at(lexer, i);
    if (c == 'm' && peek_at(lexer, i + 1) == 's') return i + 2;
    return c == 's' || c == 'm' || c == 'h' || c == 'd' || c == 'w' || c == 'y' ? i + 1 : i;
}

static struct token bad_number(struct lexer *lexer, size_t start, size_t i)
{
    while (is_alpha(peek_at(lexer, i)) || is_digit(peek_at(lexer, i))) i++;
    size_t size = i - start < 60 ? i - start : 60;
    return fail(lexer, start, "bad number or duration syntax: \"%.*s\"", (int)size,
                lexer->text.data + start);
}

static struct token lex_number(struct lexer *lexer)
{
    size_t start = lexer->position;
    size_t i = start;
    if (peek_at(lexer, i) == '0' && (peek_at(lexer, i + 1) | 0x20) == 'x') {
        i = skip_digits(lexer, i + 2, is_hex_digit);
        if (i == start + 2 || is_alpha(peek_at(lexer, i))) return bad_number(lexer, start, i);
        return take(lexer, TOKEN_NUMBER, start, i);
    }
    i = skip_digits(lexer, i, is_digit);
    size_t unit_end = skip_unit(lexer, i);
    if (unit_end > i && i > start) {
        while (unit_end > i) {
            i = unit_end;
            size_t digits_end = skip_digits(lexer, i, is_digit);
            unit_end = digits_end == i ? i : skip_unit(lexer, digits_end);
            if (unit_end == digits_end && digits_end > i) return bad_number(lexer, start, i);
        }
        if (is_alpha(peek_at(lexer, i)) || is_digit(peek_at(lexer, i))) {
            return bad_number(lexer, start, i);
        }
        return take(lexer, TOKEN_DURATION, start, i);
    }
    if (peek_at(lexer, i) == '.') i = skip_digits(lexer, i + 1, is_digit);
    if ((peek_at(lexer, i) | 0x20) == 'e') {
        size_t after = i + 1;
        if (peek_at(lexer, after) == '+' || peek_at(lexer, after) == '-') after++;
        size_t end = skip_digits(lexer, after, is_digit);
        if (end == after) return bad_number(lexer, start, after);
        i = end;
    }
    if (is_alpha(peek_at(lexer, i))) return bad_number(lexer, start, i);
    return take(lexer, TOKEN_NUMBER, start, i);
}

static struct token lex_word(struct lexer *lexer)
{
    size_t start = lexer->position;
    size_t i = start;
    bool has_colon = false;
    bool takes_colon = !lexer->is_in_braces && !lexer->is_in_brackets;
    while (is_alpha(peek_at(lexer, i)) || is_digit(peek_at(lexer, i)) ||
           (takes_colon && peek_at(lexer, i) == ':')) {
        has_colon = has_colon || peek_at(lexer, i) == ':';
        i++;
    }
    struct token token =
        take(lexer, has_colon ? TOKEN_METRIC_IDENTIFIER : TOKEN_IDENTIFIER, start, i);
    if (lexer->is_in_braces) return token;
    for (size_t w = 0; w < ARRAY_LENGTH(words); w++) {
        if (!str_equal_nocase(words[w].text, token.text)) continue;
        token.kind = words[w].kind;
        token.number = words[w].number;
        break;
    }
    return token;
}

/* Follows the nesting; the complaint when the sign cannot stand here, else NULL. */
static const char *track_nesting(struct lexer *lexer, enum token_kind kind)
{
    switch ((int)kind) {
    case TOKEN_LEFT_PAREN: lexer->paren_depth++; return NULL;
    case TOKEN_RIGHT_PAREN:
        if (lexer->paren_depth == 0) return "unexpected right parenthesis ')'";
        lexer->paren_depth--;
        return NULL;
    case TOKEN_LEFT_BRACE:
        if (lexer->is_in_braces) return "unexpected left brace '{'";
        lexer->is_in_braces = true;
        return NULL;
    case TOKEN_RIGHT_BRACE:
        if (!lexer->is_in_braces) return "unexpected right brace '}'";
        lexer->is_in_braces = false;
        return NULL;
    case TOKEN_LEFT_BRACKET:
        if (lexer->is_in_brackets) return "unexpected left bracket '['";
        lexer->is_in_brackets = true;
        lexer->is_colon_taken = false;
        return NULL;
    case TOKEN_RIGHT_BRACKET:
        if (!lexer->is_in_brackets) return "unexpected right bracket ']'";
        lexer->is_in_brackets = false;
        return NULL;
    case TOKEN_COLON:
        if (!lexer->is_in_brackets || lexer->is_colon_taken) return "unexpected colon ':'";
        lexer->is_colon_taken = true;
        return NULL;
    default: return NULL;
    }
}

static struct token lex_sign(struct lexer *lexer)
{
    size_t start = lexer->position;
    struct str rest = str_skip(lexer->text, start);
    for (size_t i = 0; i < ARRAY_LENGTH(signs); i++) {
        if (!str_starts_with(rest, signs[i].text)) continue;
        if (lexer->is_in_brackets &&
            (signs[i].number == BINARY_TRIM_LOWER || signs[i].number == BINARY_TRIM_UPPER)) {
            continue;
        }
        const char *complaint = track_nesting(lexer, signs[i].kind);
        if (complaint != NULL) return fail(lexer, start, "%s", complaint);
        struct token token = take(lexer, signs[i].kind, start, start + signs[i].text.size);
        token.number = signs[i].number;
        return token;
    }
    const char *where = lexer->is_in_braces ? " inside braces" : "";
    if ((unsigned char)rest.data[0] < 0x80 && rest.data[0] >= ' ') {
        return fail(lexer, start, "unexpected character%s: '%c'", where, rest.data[0]);
    }
    return fail(lexer, start, "unexpected character%s: '\\x%02x'", where,
                (unsigned)(unsigned char)rest.data[0]);
}

static struct token lex_end(struct lexer *lexer)
{
    size_t end = lexer->text.size;
    if (lexer->is_in_braces) return fail(lexer, end, "unexpected end of input inside braces");
    if (lexer->is_in_brackets) return fail(lexer, end, "unexpected end of input inside brackets");
    if (lexer->paren_depth > 0) return fail(lexer, end, "unclosed left parenthesis");
    return (struct token){ .kind = TOKEN_END, .start = (uint32_t)end };
}

struct token lexer_next(struct lexer *lexer)
{
    skip_blanks(lexer);
    if (lexer->position >= lexer->text.size) return lex_end(lexer);
    char c = lexer->text.data[lexer->position];
    if (c == '"' || c == '\'' || c == '`') return lex_string(lexer);
    bool is_number = is_digit(c) || (c == '.' && is_digit(peek_at(lexer, lexer->position + 1)));
    if (is_number && !lexer->is_in_braces) return lex_number(lexer);
    if (is_alpha(c)) return lex_word(lexer);
    /* A name may begin with a colon, as recording rules' do not but the grammar allows. */
    if (c == ':' && !lexer->is_in_brackets && !lexer->is_in_braces &&
        is_alpha(peek_at(lexer, lexer->position + 1))) {
        return lex_word(lexer);
    }
    return lex_sign(lexer);
}

void token_describe(const struct token *token, char *buffer, size_t size)
{
    int width = (int)(token->text.size < 60 ? token->text.size : 60);
    const char *text = token->text.data;
    switch (token->kind) {
    case TOKEN_END: (void)snprintf(buffer, size, "end of input"); return;
    case TOKEN_ERROR: (void)snprintf(buffer, size, "character"); return;
    case TOKEN_IDENTIFIER: (void)snprintf(buffer, size, "identifier \"%.*s\"", width, text); return;
    case TOKEN_METRIC_IDENTIFIER:
        (void)snprintf(buffer, size, "metric identifier \"%.*s\"", width, text);
        return;
    case TOKEN_NUMBER: (void)snprintf(buffer, size, "number \"%.*s\"", width, text); return;
    case TOKEN_DURATION: (void)snprintf(buffer, size, "duration \"%.*s\"", width, text); return;
    case TOKEN_STRING: (void)snprintf(buffer, size, "string %.*s", width, text); return;
    case TOKEN_OPERATOR:
    case TOKEN_REGEX_EQUAL:
    case TOKEN_REGEX_UNEQUAL: (void)snprintf(buffer, size, "<op:%.*s>", width, text); return;
    case TOKEN_AGGREGATION: (void)snprintf(buffer, size, "<aggr:%.*s>", width, text); return;
    case TOKEN_KEYWORD: (void)snprintf(buffer, size, "<%.*s>", width, text); return;
    case TOKEN_EQUAL:
    case TOKEN_LEFT_PAREN:
    case TOKEN_RIGHT_PAREN:
    case TOKEN_LEFT_BRACE:
    case TOKEN_RIGHT_BRACE:
    case TOKEN_LEFT_BRACKET:
    case TOKEN_RIGHT_BRACKET:
    case TOKEN_COMMA:
    case TOKEN_COLON:
    case TOKEN_AT: (void)snprintf(buffer, size, "\"%.*s\"", width, text); return;
    }
    CHECK(false);
}
