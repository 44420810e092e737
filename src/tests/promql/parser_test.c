/* parser_test.c - goal: mistakes are told as the reference tells them, and what is printed reads
 * back the same. Method: tables of texts. */
#include "promql/promql.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>

static struct promql_engine *engine_with(uint32_t features)
{
    struct promql_engine *engine = NULL;
    struct promql_options options = { .features = features };
    if (promql_engine_new(&engine, &options, NULL) < 0) return NULL;
    return engine;
}

/* Texts and what is said of them. */
static const struct {
    const char *text;
    const char *error;
} mistakes[] = {
    { "", "1:1: parse error: no expression found in input" },
    { "# just a comment\n\n", "1:1: parse error: no expression found in input" },
    { "1+", "1:3: parse error: unexpected end of input" },
    { ".", "1:1: parse error: unexpected character: '.'" },
    { "1 /", "1:4: parse error: unexpected end of input" },
    { "*1", "1:1: parse error: unexpected <op:*>" },
    { "(1))", "1:4: parse error: unexpected right parenthesis ')'" },
    { "((1)", "1:5: parse error: unclosed left parenthesis" },
    { "0xc.", "1:4: parse error: unexpected character: '.'" },
    { "0deadbeef", "1:1: parse error: bad number or duration syntax: \"0deadbeef\"" },
    { "1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier" },
    { "1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression" },
    { "foo and 1",
      "1:1: parse error: set operator \"and\" not allowed in binary scalar expression" },
    { "foo and bool 10",
      "1:5: parse error: bool modifier can only be used on comparison operators" },
    { "foo + group_left(baz) bar", "1:7: parse error: unexpected <group_left>" },
    { "foo and on(bar) group_left(baz) bar",
      "1:1: parse error: no grouping allowed for \"and\" operation" },
    { "foo * on(bar) group_left(bar) baz",
      "1:1: parse error: label \"bar\" must not occur in ON and GROUP clause at once" },
    { "foo{", "1:5: parse error: unexpected end of input inside braces" },
    { "foo}", "1:4: parse error: unexpected right brace '}'" },
    { "{}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "{x=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "foo{__name__=\"bar\"}",
      "1:5: parse error: metric name must not be set twice: \"foo\" or \"bar\"" },
    { "foo{a=1}", "1:7: parse error: unexpected character inside braces: '1'" },
    { "foo[0s]", "1:5: parse error: duration must be greater than 0" },
    { "foo[0000.0001]", "1:5: parse error: duration must be greater than 0" },
    { "foo[5m]5", "1:8: parse error: unexpected number \"5\"" },
    { "foo[]", "1:5: parse error: missing duration expression" },
    { "foo[5s/0s]", "1:8: parse error: division by zero" },
    { "foo offset 1s offset 2s", "1:15: parse error: offset may not be set multiple times" },
    { "rate(foo offset 1m [5m])", "1:20: parse error: no offset modifiers allowed before range" },
    { "foo @ 1 [5m]", "1:9: parse error: no @ modifiers allowed before range" },
    { "sum(foo)[5m]", "1:9: parse error: ranges only allowed for vector selectors" },
    { "sum(foo) offset 1m",
      "1:10: parse error: offset modifier must be preceded by an instant vector selector or "
      "range vector selector or a subquery" },
    { "on", "1:1: parse error: unexpected <on>" },
    { "unknown(foo)", "1:1: parse error: unknown function with name \"unknown\"" },
    { "floor()", "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 0" },
    { "round(a, 1, 2)",
      "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3" },
    { "label_join(a)",
      "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 1" },
    { "rate(foo)", "1:6: parse error: expected type range vector in call to function "
                   "\"rate\", got instant vector" },
    { "sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, "
                "got scalar" },
    { "topk(foo)", "1:1: parse error: wrong number of arguments for aggregate expression provided, "
                   "expected 2, got 1" },
    { "sum()", "1:1: parse error: no arguments for aggregate expression provided" },
    { "sum without(==)(foo)",
      "1:13: parse error: unexpected <op:==> in grouping opts, expected label" },
    { "-\"x\"", "1:1: parse error: unary expression only allowed on expressions of type "
                "scalar or instant vector, got \"string\"" },
    { "1 + \"x\"", "1:5: parse error: binary expression must contain only scalar and instant "
                   "vector types" },
    { "time()[5m:1m]", "1:1: parse error: subquery is only allowed on instant vector, got "
                       "scalar instead" },
    { "mad_over_time(foo[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled" },
    { "\"abc", "1:1: parse error: unterminated quoted string" },
    { "\"\\q\"", "1:1: parse error: error unquoting string: invalid syntax" },
    { "foo\n  + +\n  }", "3:3: parse error: unexpected right brace '}'" },
};

static void test_errors(void)
{
    struct promql_engine *engine = engine_with(0);
    REQUIRE(engine != NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++) {
        test_context(mistakes[i].text);
        struct promql_expr *expr = NULL;
        struct error error = { 0 };
        EXPECT_INT(ERROR_PARSE, promql_parse(&expr, engine, str_from(mistakes[i].text), &error));
        EXPECT(expr == NULL);
        EXPECT_STR(mistakes[i].error, str_from(error.text));
        promql_expr_free(expr);
    }
    promql_engine_free(engine);
}

static void test_print(void)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: as it is */
    } rows[] = {
        { "1", NULL },
        { "-1^2", "-1 ^ 2" },
        { "5m", NULL },
        { "1e3", "1000" },
        { "\"a\\nb\"", NULL },
        { "'it'", "\"it\"" },
        { "foo{a=\"b\",c!=\"d\",e=~\"f.*\",g!~\"h\"}", NULL },
        { "{\"my.metric\",\"a.b\"=\"x\"}", "{__name__=\"my.metric\",\"a.b\"=\"x\"}" },
        { "sum by (\"a.b\",c) (foo)", "sum by (\"a.b\", c) (foo)" },
        { "sum(foo) by(a)", "sum by (a) (foo)" },
        { "topk without(a)(5,foo)", "topk without (a) (5, foo)" },
        { "rate(foo[1m0s])", "rate(foo[1m])" },
        { "foo[300]", "foo[5m]" },
        { "foo[5m] offset -1m @ 3", "foo[5m] @ 3.000 offset -1m" },
        { "foo[5m:30s] @ end()", NULL },
        { "foo[step()*2:]", "foo[step() * 2:]" },
        { "a+on(x,y)group_left(z)b", "a + on (x, y) group_left (z) b" },
        { "a==bool b", "a == bool b" },
        { "a unless ignoring(x) b or c", "a unless ignoring (x) b or c" },
        { "-(a+b)*2", "-(a + b) * 2" },
        { "sum{by=\"x\"}", NULL },
        { "count by(by)(offset{on=\"1\"})", "count by (by) (offset{on=\"1\"})" },
        { "info(foo, {})", NULL },
        { "info(foo, {__name__=\"\"})", NULL },
    };
    struct promql_engine *engine = engine_with(PROMQL_FEATURE_EXPERIMENTAL_FUNCTIONS);
    REQUIRE(engine != NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        struct promql_expr *expr = NULL;
        struct error error = { 0 };
        EXPECT_INT(0, promql_parse(&expr, engine, str_from(rows[i].text), &error));
        EXPECT_STR("", str_from(error.text));
        if (expr == NULL) continue;
        struct buf printed;
        buf_init(&printed, 1 << 20);
        promql_print(&printed, expr);
        EXPECT_STR(rows[i].printed == NULL ? rows[i].text : rows[i].printed, buf_str(&printed));
        struct promql_expr *again = NULL;
        EXPECT_INT(0, promql_parse(&again, engine, buf_str(&printed), NULL));
        struct buf twice;
        buf_init(&twice, 1 << 20);
        if (again != NULL) promql_print(&twice, again);
        EXPECT_STR(buf_cstr(&printed), buf_str(&twice));
        buf_release(&printed);
        buf_release(&twice);
        promql_expr_free(again);
        promql_expr_free(expr);
    }
    promql_engine_free(engine);
}

static void test_format(void)
{
    struct promql_engine *engine = engine_with(0);
    REQUIRE(engine != NULL);
    struct promql_expr *expr = NULL;
    static const char text[] =
        "sum by (job, instance) (rate(http_requests_total{job=\"api\", code=~\"5..\"}[5m])) / "
        "sum by (job, instance) (rate(http_requests_total{job=\"api\"}[5m]))";
    REQUIRE(promql_parse(&expr, engine, str_from(text), NULL) == 0);
    struct buf out;
    buf_init(&out, 1 << 20);
    promql_format(&out, expr);
    EXPECT_STR(
        "  sum by (job, instance) (rate(http_requests_total{job=\"api\",code=~\"5..\"}[5m]))\n"
        "/\n"
        "  sum by (job, instance) (rate(http_requests_total{job=\"api\"}[5m]))",
        buf_str(&out));
    buf_release(&out);
    promql_expr_free(expr);
    promql_engine_free(engine);
}

/* Deep and long texts are refused or parsed, never crash. */
static void test_depth(void)
{
    static const char *const pieces[] = { "(", "-", "sum(", "1+", "foo[5m:", "{a=\"", "2^", "!" };
    struct promql_engine *engine = engine_with(0);
    REQUIRE(engine != NULL);
    for (size_t p = 0; p < ARRAY_LENGTH(pieces); p++) {
        test_context(pieces[p]);
        struct buf text;
        buf_init(&text, PROMQL_TEXT_SIZE_MAX);
        for (size_t i = 0; i < 100000; i++) buf_append_cstr(&text, pieces[p]);
        struct promql_expr *expr = NULL;
        struct error error = { 0 };
        EXPECT(promql_parse(&expr, engine, buf_str(&text), &error) == ERROR_PARSE);
        EXPECT(expr == NULL);
        buf_release(&text);
    }
    promql_engine_free(engine);
}

static void count_selector(void *argument, const struct matcher *matchers, size_t count,
                           int64_t range_ms)
{
    int64_t *sum = argument;
    (void)matchers;
    *sum += (int64_t)count * 1000000 + range_ms;
}

static void test_selectors(void)
{
    struct promql_engine *engine = engine_with(0);
    REQUIRE(engine != NULL);
    struct promql_expr *expr = NULL;
    REQUIRE(promql_parse(&expr, engine, STR("rate(a{b=\"c\"}[5m]) + d"), NULL) == 0);
    int64_t sum = 0;
    promql_expr_selectors(expr, count_selector, &sum);
    EXPECT_INT(3000000 + 300000, sum);
    const struct matcher *matchers;
    size_t count;
    EXPECT(!promql_expr_selector(expr, &matchers, &count));
    promql_expr_free(expr);
    REQUIRE(promql_parse(&expr, engine, STR("a{b=\"c\"}"), NULL) == 0);
    EXPECT(promql_expr_selector(expr, &matchers, &count));
    EXPECT_INT(2, (int64_t)count);
    EXPECT_INT(PROMQL_VECTOR, promql_expr_type(expr));
    promql_expr_free(expr);
    promql_engine_free(engine);
}

int main(void)
{
    static const struct test tests[] = { TEST(test_errors), TEST(test_print), TEST(test_format),
                                         TEST(test_depth), TEST(test_selectors) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
