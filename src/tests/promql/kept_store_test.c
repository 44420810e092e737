/* kept_store_test.c - goal: answers that go on from earlier ones stay equal to evaluating all of it
 * over the real store, whatever happens to it. Method: the store on a simulated disk; between
 * queries random batches come in order and late, series are born, samples are deleted, the head is
 * cut, blocks are merged, cleaned and imported; each query is asked with and without the cache and
 * the answers compared as JSON. A failure names its round. KEPT_STORE_SEED is another seed. */
#include "base/random.h"
#include "promql/promql.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/test.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 500, SERIES = 200, STEP_MS = 15000 };

#define START_MS INT64_C(1700000000000)

static const char *const expressions[] = {
    "c",
    "sum by (a) (rate(c[2m]))",
    "max_over_time(c[5m])",
    "quantile_over_time(0.9, c[3m])",
    "topk(3, rate(c[2m]))",
    "avg without (b) (c) / 7",
    "c offset 1m",
    "count(c) or vector(time())",
    "timestamp(c)",
    "absent(c{a=\"9\"})",
    "delta(c[4m] offset -30s)",
    "sum by (b) (c) / on (b) count by (b) (c)",
    "max_over_time(sum by (a) (rate(c[1m]))[3m:30s])",
};

struct stage {
    struct sim_disk *disk;
    struct sim_clock clock;
    struct tsdb *db;
    struct random random;
    int64_t now_ms;
    int series; /* that have been born */
};

struct text {
    char a[16];
    char b[16];
    struct label items[3];
};

static struct labels labels_of(struct text *text, uint64_t number)
{
    (void)snprintf(text->a, sizeof(text->a), "%d", (int)(number % 5));
    (void)snprintf(text->b, sizeof(text->b), "%d", (int)(number / 5));
    text->items[0] = (struct label){ STR("__name__"), STR("c") };
    text->items[1] = (struct label){ STR("a"), str_from(text->a) };
    text->items[2] = (struct label){ STR("b"), str_from(text->b) };
    return (struct labels){ text->items, 3 };
}

static uint64_t any_series(struct stage *stage)
{
    return random_below(&stage->random, (uint64_t)stage->series);
}

/* Samples of most series at one time; those that are too late are refused, which is fine. */
static void put(struct stage *stage, int64_t time_ms, uint64_t one_in)
{
    struct sample_sink sink = tsdb_sink(stage->db);
    struct sample_batch *batch = NULL;
    REQUIRE(sink.begin(sink.state, &batch, NULL) == 0);
    for (int n = 0; n < stage->series; n++) {
        if (random_below(&stage->random, one_in) != 0) continue;
        struct text text;
        uint64_t ref = 0;
        double value = (double)(time_ms - START_MS) / 1000 + random_unit(&stage->random);
        (void)batch->append(batch, &ref, labels_of(&text, (uint64_t)n), time_ms, value, NULL);
    }
    EXPECT_INT(0, batch->commit(batch, NULL));
}

static void delete_some(struct stage *stage)
{
    char value[16];
    (void)snprintf(value, sizeof(value), "%d", (int)random_below(&stage->random, 5));
    struct matcher matcher;
    REQUIRE(matcher_init(&matcher, MATCHER_EQUAL, STR("a"), str_from(value), NULL) == 0);
    int64_t start_ms = stage->now_ms - (int64_t)random_below(&stage->random, 2400000);
    int64_t end_ms = start_ms + (int64_t)random_below(&stage->random, 600000);
    EXPECT_INT(0, tsdb_delete(stage->db, &matcher, 1, start_ms, end_ms, NULL));
    matcher_release(&matcher);
}

static void import_some(struct stage *stage)
{
    struct tsdb_import *import = NULL;
    REQUIRE(tsdb_import_begin(&import, stage->db, NULL) == 0);
    struct text text;
    int64_t times[20];
    double values[20];
    int64_t start_ms = stage->now_ms - (int64_t)random_below(&stage->random, 2400000);
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        times[i] = start_ms + (int64_t)i * 7001;
        values[i] = random_unit(&stage->random);
    }
    struct series_columns series = { .labels = labels_of(&text, any_series(stage)),
                                     .count = ARRAY_LENGTH(times),
                                     .times_ms = times,
                                     .values = values };
    EXPECT_INT(0, tsdb_import_add(import, &series, NULL));
    EXPECT_INT(0, tsdb_import_commit(import, NULL));
}

/* A step of time, and something that happens to the store now and then. */
static void live(struct stage *stage)
{
    for (int i = 0; i < 2; i++) {
        stage->now_ms += STEP_MS;
        sim_clock_advance_ms(&stage->clock, STEP_MS);
        put(stage, stage->now_ms, 1 + random_below(&stage->random, 3));
    }
    switch (random_below(&stage->random, 60)) {
    case 0:
    case 1: put(stage, stage->now_ms - (int64_t)random_below(&stage->random, 1500000), 3); break;
    case 2: delete_some(stage); break;
    case 3: import_some(stage); break;
    case 4: EXPECT_INT(0, tsdb_flush(stage->db, NULL)); break;
    case 5: EXPECT_INT(0, tsdb_clean(stage->db, NULL)); break;
    case 6: stage->series += stage->series < SERIES ? 1 : 0; break;
    case 7: EXPECT_INT(0, tsdb_maintain(stage->db, NULL)); break;
    default: break;
    }
}

static struct str ask(struct promql_engine *engine, struct tsdb *db, const char *text,
                      const struct promql_range *range, bool skips_cache, struct buf *json,
                      size_t *steps_kept)
{
    struct promql_request request = { .skips_cache = skips_cache };
    struct series_source source = tsdb_source(db);
    struct promql_expr *expr = NULL;
    struct promql_result *result = NULL;
    struct error error = { 0 };
    buf_reset(json);
    EXPECT_INT(0, promql_parse(&expr, engine, str_from(text), &error));
    int code = promql_query_range(engine, &source, expr, range, &request, &result, &error);
    if (code == 0) {
        promql_result_write_json(json, result);
        *steps_kept += result->stats.steps_kept;
    }
    EXPECT_INT(0, code);
    EXPECT_STR("", str_from(error.text));
    promql_result_free(result);
    promql_expr_free(expr);
    return buf_str(json);
}

static void open_stage(struct stage *stage)
{
    *stage = (struct stage){ .now_ms = START_MS, .series = SERIES / 2 };
    const char *seed = getenv("KEPT_STORE_SEED");
    random_init(&stage->random, seed == NULL ? 41 : (uint64_t)atoll(seed));
    stage->disk = sim_disk_new(1);
    sim_clock_init(&stage->clock, START_MS);
    struct tsdb_options options;
    tsdb_options_init(&options, "/data");
    options.disk = sim_disk_table(stage->disk);
    options.clock = &stage->clock.table;
    options.takes_lock = false;
    options.has_thread = false;
    options.block_duration_ms = 1800000;
    options.late_max_ms = 1200000;
    options.reserve_size = 0;
    REQUIRE(tsdb_open(&stage->db, &options, NULL) == 0);
}

static void test_same(void)
{
    struct stage stage;
    open_stage(&stage);
    struct promql_options options = { .clock = &stage.clock.table };
    struct promql_engine *engine = NULL;
    REQUIRE(promql_engine_new(&engine, &options, NULL) == 0);
    struct buf with;
    struct buf without;
    buf_init(&with, 64 << 20);
    buf_init(&without, 64 << 20);
    size_t kept = 0;
    size_t none = 0;
    for (int i = 0; i < 150; i++) live(&stage);
    for (int round = 0; round < ROUNDS; round++) {
        char context[96];
        uint64_t pick = random_below(&stage.random, ARRAY_LENGTH(expressions));
        (void)snprintf(context, sizeof(context), "round %d: %s", round, expressions[pick]);
        test_context(context);
        live(&stage);
        int64_t start_ms = stage.now_ms / 60000 * 60000 - 1800000;
        struct promql_range range = { start_ms, stage.now_ms, 15000 };
        struct str answer = ask(engine, stage.db, expressions[pick], &range, false, &with, &kept);
        struct str whole = ask(engine, stage.db, expressions[pick], &range, true, &without, &none);
        EXPECT(str_equal(whole, answer));
    }
    test_context("");
    printf("# steps kept: %zu\n", kept);
    EXPECT(kept > ROUNDS); /* it was a test of something */
    EXPECT_INT(0, (int64_t)none);
    buf_release(&with);
    buf_release(&without);
    promql_engine_free(engine);
    tsdb_close(stage.db);
    sim_disk_free(stage.disk);
}

int main(void)
{
    static const struct test tests[] = { TEST(test_same) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
