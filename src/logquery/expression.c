/* expression.c - arithmetic, read and carried out at once: expressions are a line long. */
#include "logquery/expression.h"

#include "base/compiler.h"
#include "codec/number.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 50

struct reader {
    struct str text;
    size_t at;
    unsigned depth;
    const struct expression_variable *variables;
    size_t count;
    struct error *error;
};

static int fail(struct reader *reader, const char *what)
{
    error_set(reader->error, ERROR_PARSE, "%s at position %zu of the script", what, reader->at);
    if (reader->error != NULL) reader->error->offset = reader->at;
    return ERROR_PARSE;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->text.size &&
           strchr(" \t\r\n", reader->text.data[reader->at]) != NULL) {
        reader->at++;
    }
}

static bool take(struct reader *reader, struct str word)
{
    skip_blanks(reader);
    if (!str_starts_with(str_skip(reader->text, reader->at), word)) return false;
    reader->at += word.size;
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static struct str take_name(struct reader *reader)
{
    skip_blanks(reader);
    size_t start = reader->at;
    while (reader->at < reader->text.size && is_name_char(reader->text.data[reader->at])) {
        reader->at++;
    }
    return (struct str){ reader->text.data + start, reader->at - start };
}

static int read_ternary(struct reader *reader, double *value);

struct function {
    struct str name;
    size_t arity;
    double (*one)(double);
    double (*two)(double, double);
};

static const struct function functions[] = {
    { STR_INIT("abs"), 1, fabs, NULL },    { STR_INIT("sqrt"), 1, sqrt, NULL },
    { STR_INIT("floor"), 1, floor, NULL }, { STR_INIT("ceil"), 1, ceil, NULL },
    { STR_INIT("round"), 1, round, NULL }, { STR_INIT("log"), 1, log, NULL },
    { STR_INIT("log10"), 1, log10, NULL }, { STR_INIT("exp"), 1, exp, NULL },
    { STR_INIT("cbrt"), 1, cbrt, NULL },   { STR_INIT("pow"), 2, NULL, pow },
    { STR_INIT("min"), 2, NULL, fmin },    { STR_INIT("max"), 2, NULL, fmax },
};

/* Math.NAME(...) behind its dot. */
static int read_call(struct reader *reader, double *value)
{
    struct str name = take_name(reader);
    const struct function *function = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        if (str_equal(functions[i].name, name)) function = &functions[i];
    }
    if (function == NULL) return fail(reader, "a function of Math that is not supported");
    double arguments[2] = { 0, 0 };
    if (!take(reader, STR("("))) return fail(reader, "expected '('");
    for (size_t i = 0; i < function->arity; i++) {
        if (i > 0 && !take(reader, STR(","))) return fail(reader, "expected ','");
        int code = read_ternary(reader, &arguments[i]);
        if (code < 0) return code;
    }
    if (!take(reader, STR(")"))) return fail(reader, "expected ')'");
    *value = function->arity == 1 ? function->one(arguments[0])
                                  : function->two(arguments[0], arguments[1]);
    return 0;
}

static int read_name(struct reader *reader, double *value)
{
    size_t start = reader->at;
    struct str name = take_name(reader);
    if (str_equal(name, STR("Math")) && take(reader, STR("."))) return read_call(reader, value);
    if (str_equal(name, STR("params")) && take(reader, STR("."))) name = take_name(reader);
    if (str_equal(name, STR("true")) || str_equal(name, STR("false"))) {
        *value = name.size == 4;
        return 0;
    }
    for (size_t i = 0; i < reader->count; i++) {
        if (!str_equal(reader->variables[i].name, name)) continue;
        *value = reader->variables[i].value;
        return 0;
    }
    reader->at = start;
    return fail(reader, "a name that is no variable");
}

static int read_unary(struct reader *reader, double *value)
{
    skip_blanks(reader);
    char c = reader->at < reader->text.size ? reader->text.data[reader->at] : 0;
    if (c == '-' || c == '+' || c == '!') {
        if (++reader->depth > DEPTH_MAX) return fail(reader, "an expression nested too deep");
        reader->at++;
        int code = read_unary(reader, value);
        reader->depth--;
        if (c == '-') *value = -*value;
        if (c == '!') *value = *value == 0;
        return code;
    }
    if (c == '(') {
        reader->at++;
        int code = read_ternary(reader, value);
        if (code < 0) return code;
        return take(reader, STR(")")) ? 0 : fail(reader, "expected ')'");
    }
    bool is_number = (c >= '0' && c <= '9') || c == '.';
    if (!is_number) return read_name(reader, value);
    size_t start = reader->at;
    while (reader->at < reader->text.size &&
           (is_name_char(reader->text.data[reader->at]) || reader->text.data[reader->at] == '.')) {
        reader->at++;
    }
    struct str number = { reader->text.data + start, reader->at - start };
    bool has_suffix = number.size > 1 && strchr("LlDdFf", number.data[number.size - 1]) != NULL;
    if (has_suffix) number.size--;
    return number_parse(number, value) ? 0 : fail(reader, "a broken number");
}

static int read_product(struct reader *reader, double *value)
{
    int code = read_unary(reader, value);
    while (code == 0) {
        double right = 0;
        skip_blanks(reader);
        char c = reader->at < reader->text.size ? reader->text.data[reader->at] : 0;
        if (c != '*' && c != '/' && c != '%') break;
        reader->at++;
        code = read_unary(reader, &right);
        *value = c == '*' ? *value * right : c == '/' ? *value / right : fmod(*value, right);
    }
    return code;
}

static int read_sum(struct reader *reader, double *value)
{
    int code = read_product(reader, value);
    while (code == 0) {
        double right = 0;
        skip_blanks(reader);
        char c = reader->at < reader->text.size ? reader->text.data[reader->at] : 0;
        if (c != '+' && c != '-') break;
        reader->at++;
        code = read_product(reader, &right);
        *value = c == '+' ? *value + right : *value - right;
    }
    return code;
}

static int read_compare(struct reader *reader, double *value)
{
    static const struct str signs[] = { STR_INIT("<="), STR_INIT(">="), STR_INIT("=="),
                                        STR_INIT("!="), STR_INIT("<"),  STR_INIT(">") };
    int code = read_sum(reader, value);
    for (size_t i = 0; code == 0 && i < ARRAY_LENGTH(signs); i++) {
        double right = 0;
        if (!take(reader, signs[i])) continue;
        code = read_sum(reader, &right);
        double left = *value;
        const bool results[] = { left <= right, left >= right, !(left < right || left > right),
                                 left < right || left > right, left<right, left> right };
        *value = results[i];
        break;
    }
    return code;
}

static int read_and(struct reader *reader, double *value)
{
    int code = read_compare(reader, value);
    while (code == 0 && take(reader, STR("&&"))) {
        double right = 0;
        code = read_compare(reader, &right);
        *value = *value != 0 && right != 0;
    }
    return code;
}

static int read_or(struct reader *reader, double *value)
{
    int code = read_and(reader, value);
    while (code == 0 && take(reader, STR("||"))) {
        double right = 0;
        code = read_and(reader, &right);
        *value = *value != 0 || right != 0;
    }
    return code;
}

/* Depth: DEPTH_MAX. */
static int read_ternary(struct reader *reader, double *value)
{
    if (++reader->depth > DEPTH_MAX) return fail(reader, "an expression nested too deep");
    int code = read_or(reader, value);
    if (code == 0 && take(reader, STR("?"))) {
        double yes = 0;
        double no = 0;
        code = read_ternary(reader, &yes);
        if (code == 0 && !take(reader, STR(":"))) code = fail(reader, "expected ':'");
        if (code == 0) code = read_ternary(reader, &no);
        *value = *value != 0 ? yes : no;
    }
    reader->depth--;
    return code;
}

int expression_evaluate(struct str text, const struct expression_variable *variables, size_t count,
                        double *value, struct error *error)
{
    struct reader reader = { .text = text, .variables = variables, .count = count, .error = error };
    double result = 0;
    if (take(&reader, STR("return")) && reader.at < text.size &&
        is_name_char(text.data[reader.at])) {
        reader.at = 0; /* a name that begins with it */
    }
    int code = read_ternary(&reader, &result);
    if (code < 0) return code;
    (void)take(&reader, STR(";"));
    skip_blanks(&reader);
    if (reader.at < text.size) return fail(&reader, "what no expression begins with");
    *value = result;
    return 0;
}
