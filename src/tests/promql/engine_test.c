/* engine_test.c - goal: limits hold and answers have the API's shape. Method: a store in memory of
 * a few hundred series, engines with small limits, a clock that the test turns. */
#include "base/thread.h"
#include "promql/promql.h"
#include "tests/conformance/memory_series.h"
#include "tests/test.h"

#include <stdio.h>

static struct memory_store store;
static struct promql_engine *engine; /* of the query asked last: results need it */

static void release(struct promql_result *result)
{
    promql_result_free(result);
    promql_engine_free(engine);
    engine = NULL;
}

/* m{n="0".."count-1"} = n + time in minutes, one sample a minute for `minutes`. */
static bool fill(size_t count, int64_t minutes)
{
    memory_store_init(&store);
    for (size_t n = 0; n < count; n++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%03zu", n);
        struct label items[] = { { STR("__name__"), STR("m") }, { STR("n"), str_from(text) } };
        struct memory_series *series = memory_store_series(&store, (struct labels){ items, 2 });
        if (series == NULL) return false;
        for (int64_t i = 0; i <= minutes; i++) {
            if (!memory_series_add(&store, series, i * 60000, (double)n + (double)i, NULL)) {
                return false;
            }
        }
    }
    return true;
}

static int ask(const struct promql_options *options, const char *text, int64_t end_ms,
               const struct promql_request *request, struct promql_result **result,
               struct error *error)
{
    int code = promql_engine_new(&engine, options, error);
    if (code < 0) return code;
    struct promql_expr *expr = NULL;
    code = promql_parse(&expr, engine, str_from(text), error);
    if (code == 0) {
        struct promql_range range = { 0, end_ms, 60000 };
        code = end_ms > 0
                   ? promql_query_range(engine, &store.source, expr, &range, request, result, error)
                   : promql_query_instant(engine, &store.source, expr, 0, request, result, error);
    }
    promql_expr_free(expr);
    return code;
}

static void expect_json(const char *text, int64_t end_ms, const char *json)
{
    test_context(text);
    struct promql_options options = { 0 };
    struct promql_result *result = NULL;
    struct error error = { 0 };
    EXPECT_INT(0, ask(&options, text, end_ms, NULL, &result, &error));
    EXPECT_STR("", str_from(error.text));
    struct buf buf;
    buf_init(&buf, 1 << 20);
    if (result != NULL) promql_result_write_json(&buf, result);
    EXPECT_STR(json, buf_str(&buf));
    buf_release(&buf);
    release(result);
}

static void test_json(void)
{
    REQUIRE(fill(2, 3));
    expect_json("1", 0, "\"resultType\":\"scalar\",\"result\":[0,\"1\"]");
    expect_json("\"a\\\"b\"", 0, "\"resultType\":\"string\",\"result\":[0,\"a\\\"b\"]");
    expect_json("m", 0,
                "\"resultType\":\"vector\",\"result\":["
                "{\"metric\":{\"__name__\":\"m\",\"n\":\"000\"},\"value\":[0,\"0\"]},"
                "{\"metric\":{\"__name__\":\"m\",\"n\":\"001\"},\"value\":[0,\"1\"]}]");
    expect_json("sum(m)", 120000,
                "\"resultType\":\"matrix\",\"result\":["
                "{\"metric\":{},\"values\":[[0,\"1\"],[60,\"3\"],[120,\"5\"]]}]");
    expect_json("1/0", 60000,
                "\"resultType\":\"matrix\",\"result\":["
                "{\"metric\":{},\"values\":[[0,\"+Inf\"],[60,\"+Inf\"]]}]");
    expect_json("m{n=\"001\"}[1m] @ 61.5", 0,
                "\"resultType\":\"matrix\",\"result\":["
                "{\"metric\":{\"__name__\":\"m\",\"n\":\"001\"},\"values\":[[60,\"2\"]]}]");
    expect_json("nothing", 0, "\"resultType\":\"vector\",\"result\":[]");
    memory_store_release(&store);
}

static void test_limits(void)
{
    static const struct {
        const char *query;
        int64_t end_ms;
        struct promql_options options;
        int code;
        const char *text;
    } rows[] = {
        { "m",
          600000,
          { .samples_max = 1000 },
          ERROR_LIMIT,
          "query processing would load too many samples into memory in query execution" },
        { "sum(m)", 600000, { .samples_max = 1000 }, 0, "" },
        { "m[100y:1ms]",
          0,
          { 0 },
          ERROR_LIMIT,
          "query processing would load too many samples into memory in query execution" },
        { "m * on(n) m", 600000, { .memory_max = 10000 }, ERROR_LIMIT, NULL },
        { "m * on() m", 0, { 0 }, ERROR_EVALUATION, NULL },
        { "topk(0/0, m)", 0, { 0 }, ERROR_EVALUATION, "Parameter value is NaN" },
        { "label_replace(m, \"n\", \"x\", \"\", \"\")",
          0,
          { 0 },
          ERROR_EVALUATION,
          "vector cannot contain metrics with the same labelset" },
        { "m[5m]",
          600000,
          { 0 },
          ERROR_INVALID,
          "invalid expression type \"range vector\" for range query, must be Scalar or instant "
          "Vector" },
    };
    REQUIRE(fill(200, 10));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].query);
        struct promql_result *result = NULL;
        struct error error = { 0 };
        int code = ask(&rows[i].options, rows[i].query, rows[i].end_ms, NULL, &result, &error);
        EXPECT_INT(rows[i].code, code);
        EXPECT((code == 0) == (result != NULL));
        if (rows[i].text != NULL) EXPECT_STR(rows[i].text, str_from(error.text));
        release(result);
    }
    memory_store_release(&store);
}

/* --- time --- */

static int64_t now_ns;

static int64_t turning_monotonic(void *state)
{
    (void)state;
    now_ns += 1000000; /* each look costs a millisecond */
    return now_ns;
}

static int64_t turning_realtime(void *state)
{
    (void)state;
    return now_ns;
}

static void turning_wait(void *state, int64_t duration_ns)
{
    (void)state;
    now_ns += duration_ns;
}

static void test_timeout(void)
{
    REQUIRE(fill(200, 10));
    struct clock clock = { turning_realtime, turning_monotonic, turning_wait, NULL };
    struct promql_options options = { .clock = &clock, .timeout_ms = 20 };
    struct promql_result *result = NULL;
    struct error error = { 0 };
    EXPECT_INT(ERROR_TIMEOUT, ask(&options, "sum(m * on(n) m * on(n) m * on(n) m)", 60000000, NULL,
                                  &result, &error));
    EXPECT_STR("query timed out in expression evaluation", str_from(error.text));
    EXPECT(result == NULL);
    release(result);
    memory_store_release(&store);
}

static bool yes(void *argument)
{
    (void)argument;
    return true;
}

static void test_cancel(void)
{
    REQUIRE(fill(200, 10));
    struct promql_options options = { 0 };
    struct promql_request request = { .is_canceled = yes };
    struct promql_result *result = NULL;
    struct error error = { 0 };
    EXPECT_INT(ERROR_CLOSED,
               ask(&options, "sum(m * on(n) m)", 60000000, &request, &result, &error));
    EXPECT_STR("query was canceled in expression evaluation", str_from(error.text));
    release(result);
    memory_store_release(&store);
}

static void count_call(void *argument)
{
    ++*(size_t *)argument;
}

/* More long queries than processors: all end, each having said once that it is long. */
static void *ask_long(void *argument)
{
    struct promql_request request = { .turns_long = count_call, .argument = argument };
    struct promql_expr *expr = NULL;
    struct promql_result *result = NULL;
    struct promql_range range = { 0, 600000000, 60000 };
    if (promql_parse(&expr, engine, STR("sum(quantile_over_time(0.9, m[100m]) * on(n) m)"), NULL) <
        0) {
        return NULL;
    }
    int code = promql_query_range(engine, &store.source, expr, &range, &request, &result, NULL);
    promql_result_free(result);
    promql_expr_free(expr);
    return code == 0 ? argument : NULL;
}

static void test_turns(void)
{
    enum { THREADS = 8 };
    REQUIRE(fill(200, 1000));
    struct promql_options options = { .concurrency_max = 1 };
    REQUIRE(promql_engine_new(&engine, &options, NULL) == 0);
    pthread_t threads[THREADS];
    size_t calls[THREADS] = { 0 };
    for (size_t i = 0; i < THREADS; i++) {
        REQUIRE(thread_start(&threads[i], "long", ask_long, &calls[i], NULL) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;
        EXPECT_INT(0, pthread_join(threads[i], &result));
        EXPECT(result == &calls[i]);
        EXPECT_INT(1, (int64_t)calls[i]);
    }
    release(NULL);
    memory_store_release(&store);
}

static void test_features(void)
{
    EXPECT_INT(PROMQL_FEATURE_FILL,
               (int64_t)promql_feature_find(STR("promql-binop-fill-modifiers")));
    EXPECT_INT(0, (int64_t)promql_feature_find(STR("nonsense")));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(test_json),   TEST(test_limits), TEST(test_timeout),
        TEST(test_cancel), TEST(test_turns),  TEST(test_features)
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
