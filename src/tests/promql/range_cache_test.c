/* range_cache_test.c - goal: an answer that goes on from an earlier one is bit by bit what
 * evaluating all of it gives. Method: a store that grows, now and then behind its newest sample;
 * one engine is asked ranges that move on, another time without its cache, and the answers are
 * compared as JSON. A failure names its round. */
#include "promql/promql.h"
#include "tests/conformance/memory_series.h"
#include "tests/test.h"

#include "base/random.h"

#include <stdio.h>

enum { ROUNDS = 600, SERIES = 40, STEP_MS = 15000 };

static const char *const expressions[] = {
    "c",
    "sum by (a) (rate(c[2m]))",
    "rate(c[1m]) > 0.1",
    "max_over_time(c[5m])",
    "quantile_over_time(0.9, c[3m])",
    "topk(3, rate(c[2m]))",
    "avg without (b) (c) / 7",
    "sum(sum by (a) (c))",
    "c offset 1m",
    "sum by (b) (c) / on (b) count by (b) (c)",
    "max_over_time(sum by (a) (rate(c[1m]))[3m:30s])",
    "c @ end()",
    "stddev(c)",
    "count(c) or vector(time())",
    "histogram_quantile(0.9, sum by (le) (rate(h_bucket[2m])))",
    "absent(c{a=\"9\"})",
    "limitk(2, c)",
    "label_replace(c, \"x\", \"$1\", \"a\", \"(.*)\")",
    "timestamp(c)",
    "-c",
    "rate(c[step()])",
    "delta(c[4m] offset -30s)",
};

static bool add(struct memory_store *store, struct random *random, int64_t time_ms)
{
    char a[8];
    char b[8];
    uint64_t number = random_below(random, SERIES);
    (void)snprintf(a, sizeof(a), "%d", (int)(number % 5));
    (void)snprintf(b, sizeof(b), "%d", (int)(number / 5));
    bool is_bucket = random_below(random, 3) == 0;
    struct label counter[] = { { STR("__name__"), STR("c") },
                               { STR("a"), str_from(a) },
                               { STR("b"), str_from(b) } };
    struct label bucket[] = { { STR("__name__"), STR("h_bucket") },
                              { STR("a"), str_from(a) },
                              { STR("le"), number % 2 == 0 ? STR("1") : STR("+Inf") } };
    struct labels labels = { is_bucket ? bucket : counter, 3 };
    struct memory_series *series = memory_store_series(store, labels);
    return series != NULL && memory_series_add(store, series, time_ms,
                                               (double)time_ms / 1000 + random_unit(random), NULL);
}

static struct str ask(struct promql_engine *engine, struct memory_store *store, const char *text,
                      const struct promql_range *range, bool skips_cache, struct buf *json,
                      size_t *steps_kept)
{
    struct promql_request request = { .skips_cache = skips_cache };
    struct promql_expr *expr = NULL;
    struct promql_result *result = NULL;
    struct error error = { 0 };
    buf_reset(json);
    EXPECT_INT(0, promql_parse(&expr, engine, str_from(text), &error));
    int code = promql_query_range(engine, &store->source, expr, range, &request, &result, &error);
    if (code == 0) {
        promql_result_write_json(json, result);
        for (size_t i = 0; i < result->warning_count; i++) {
            buf_append_str(json, result->warnings[i]);
        }
        for (size_t i = 0; i < result->info_count; i++) buf_append_str(json, result->infos[i]);
        *steps_kept += result->stats.steps_kept;
    } else {
        buf_append_cstr(json, error.text);
    }
    promql_result_free(result);
    promql_expr_free(expr);
    return buf_str(json);
}

static void test_same(void)
{
    struct random random;
    random_init(&random, 20);
    struct memory_store store;
    memory_store_init(&store);
    struct promql_options options = { .features = PROMQL_FEATURE_EXPERIMENTAL_FUNCTIONS };
    struct promql_engine *engine = NULL;
    REQUIRE(promql_engine_new(&engine, &options, NULL) == 0);
    struct buf with;
    struct buf without;
    buf_init(&with, 64 << 20);
    buf_init(&without, 64 << 20);
    int64_t now_ms = 3600000;
    size_t kept = 0;
    size_t none = 0;
    for (int i = 0; i < 20000; i++) REQUIRE(add(&store, &random, i * (now_ms / 20000)));
    for (int round = 0; round < ROUNDS; round++) {
        char context[96];
        uint64_t pick = random_below(&random, ARRAY_LENGTH(expressions));
        (void)snprintf(context, sizeof(context), "round %d: %s", round, expressions[pick]);
        test_context(context);
        for (int i = 0; i < 60; i++) REQUIRE(add(&store, &random, now_ms + i * 250));
        if (random_below(&random, 8) == 0) {
            REQUIRE(add(&store, &random, now_ms - (int64_t)random_below(&random, 1200000)));
        }
        now_ms += STEP_MS;
        int64_t start_ms = now_ms / 60000 * 60000 - 1800000;
        if (random_below(&random, 10) == 0) start_ms -= 600000;
        struct promql_range range = { start_ms, now_ms,
                                      random_below(&random, 4) == 0 ? 60000 : 30000 };
        struct str answer = ask(engine, &store, expressions[pick], &range, false, &with, &kept);
        struct str whole = ask(engine, &store, expressions[pick], &range, true, &without, &none);
        EXPECT(str_equal(whole, answer));
    }
    test_context("");
    EXPECT(kept > ROUNDS); /* it was a test of something */
    EXPECT_INT(0, (int64_t)none);
    buf_release(&with);
    buf_release(&without);
    promql_engine_free(engine);
    memory_store_release(&store);
}

int main(void)
{
    static const struct test tests[] = { TEST(test_same) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
