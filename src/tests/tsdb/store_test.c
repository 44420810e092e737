/* store_test.c
 *
 * Goal:   the store keeps what the two contracts say, and answers as a plain model does.
 * Method: short stories on the simulated disk, then random work compared with the model.
 */
#include "tsdb/tsdb.h"

#include "base/random.h"
#include "model/sample.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/test.h"
#include "tests/tsdb/model.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define START_MS INT64_C(1700000000000)

struct stage {
    struct sim_disk *disk;
    struct sim_clock clock;
    struct tsdb_options options;
    struct tsdb *db;
};

static void stage_open(struct stage *stage)
{
    struct error error = { 0 };
    stage->db = NULL;
    int code = tsdb_open(&stage->db, &stage->options, &error);
    if (code != 0) printf("# open: %s\n", error.text);
    EXPECT_INT(0, code);
}

static void stage_init(struct stage *stage)
{
    stage->disk = sim_disk_new(1);
    sim_clock_init(&stage->clock, START_MS + INT64_C(1000) * 86400000);
    tsdb_options_init(&stage->options, "/data");
    stage->options.disk = sim_disk_table(stage->disk);
    stage->options.clock = &stage->clock.table;
    stage->options.takes_lock = false;
    stage->options.has_thread = false;
    stage_open(stage);
}

static void stage_reopen(struct stage *stage)
{
    tsdb_close(stage->db);
    stage_open(stage);
}

static void stage_release(struct stage *stage)
{
    tsdb_close(stage->db);
    sim_disk_free(stage->disk);
}

/* One sample in a batch of its own. */
static int put(struct tsdb *db, int number, int64_t time_ms, double value)
{
    struct sample_sink sink = tsdb_sink(db);
    struct sample_batch *batch;
    struct model_text text;
    uint64_t ref = 0;
    int code = sink.begin(sink.state, &batch, NULL);
    if (code != 0) return code;
    code = batch->append(batch, &ref, model_labels(number, &text), time_ms, value, NULL);
    if (code != 0) {
        batch->rollback(batch);
        return code;
    }
    return batch->commit(batch, NULL);
}

static bool agrees(const struct model *model, struct tsdb *db)
{
    return model_agrees(model, db, NULL, 0, INT64_MIN, INT64_MAX);
}

static void rules_of_time_and_order(void)
{
    struct stage stage;
    stage_init(&stage);
    struct tsdb *db = stage.db;
    EXPECT_INT(0, put(db, 1, START_MS, 1));
    EXPECT_INT(0, put(db, 1, START_MS, 1));
    EXPECT_INT(ERROR_DUPLICATE, put(db, 1, START_MS, 2));
    EXPECT_INT(ERROR_OUT_OF_ORDER, put(db, 1, START_MS - 1, 1));
    EXPECT_INT(0, put(db, 2, START_MS - 3600000, 1));
    EXPECT_INT(ERROR_INVALID, put(db, 3, START_MS - 3600001, 1));
    int64_t now_ms = stage.clock.realtime_ns / 1000000;
    EXPECT_INT(ERROR_INVALID, put(db, 1, now_ms + 600001, 1));
    EXPECT_INT(0, put(db, 1, now_ms + 600000, 1));
    struct tsdb_stats stats;
    tsdb_stats(db, &stats);
    EXPECT_INT(3, (int64_t)stats.samples_appended);
    EXPECT_INT(1, (int64_t)stats.samples_duplicate);
    EXPECT_INT(1, (int64_t)stats.samples_out_of_order);
    EXPECT_INT(2, (int64_t)stats.samples_invalid);
    EXPECT_INT(3, (int64_t)stats.head_samples);
    stage_release(&stage);
}

static void order_is_kept_over_cuts_and_restarts(void)
{
    struct stage stage;
    stage_init(&stage);
    EXPECT_INT(0, put(stage.db, 1, START_MS, 1));
    EXPECT_INT(0, tsdb_flush(stage.db, NULL));
    EXPECT_INT(ERROR_DUPLICATE, put(stage.db, 1, START_MS, 2));
    stage_reopen(&stage);
    EXPECT_INT(ERROR_DUPLICATE, put(stage.db, 1, START_MS, 2));
    EXPECT_INT(ERROR_OUT_OF_ORDER, put(stage.db, 1, START_MS - 5, 2));
    EXPECT_INT(ERROR_INVALID, put(stage.db, 2, START_MS - 3600001, 2));
    EXPECT_INT(0, put(stage.db, 1, START_MS + 1, 2));
    stage_release(&stage);
}

static void rolled_back_batches_leave_nothing(void)
{
    struct stage stage;
    stage_init(&stage);
    struct model model = { 0 };
    struct sample_sink sink = tsdb_sink(stage.db);
    struct sample_batch *batch;
    struct model_text text;
    uint64_t ref = 0;
    REQUIRE(sink.begin(sink.state, &batch, NULL) == 0);
    EXPECT_INT(0, batch->append(batch, &ref, model_labels(1, &text), START_MS, 1, NULL));
    EXPECT(ref != 0);
    EXPECT_INT(ERROR_OUT_OF_ORDER,
               batch->append(batch, &ref, model_labels(1, &text), START_MS - 1, 1, NULL));
    batch->rollback(batch);
    EXPECT(agrees(&model, stage.db));
    EXPECT_INT(0, put(stage.db, 1, START_MS - 7, 3));
    model_add(&model, 1, START_MS - 7, 3);
    EXPECT(agrees(&model, stage.db));
    stage_reopen(&stage);
    EXPECT(agrees(&model, stage.db));
    model_release(&model);
    stage_release(&stage);
}

static void series_limit_refuses_new_ones_only(void)
{
    struct stage stage;
    stage_init(&stage);
    stage.options.series_max = 2;
    stage_reopen(&stage);
    EXPECT_INT(0, put(stage.db, 1, START_MS, 1));
    EXPECT_INT(0, put(stage.db, 2, START_MS, 1));
    EXPECT_INT(ERROR_LIMIT, put(stage.db, 3, START_MS, 1));
    EXPECT_INT(0, put(stage.db, 1, START_MS + 1, 1));
    stage_release(&stage);
}

static void memory_limit_refuses_and_a_cut_makes_room(void)
{
    struct stage stage;
    stage_init(&stage);
    stage.options.head_size_max = 3000;
    stage_reopen(&stage);
    int refused = 0;
    int limited = 0;
    int64_t time_ms = START_MS;
    for (int i = 0; i < 9000 && refused == 0; i++) {
        int code = put(stage.db, i % 10 == 0 ? i / 10 % MODEL_SERIES_MAX : 0, ++time_ms, i * 0.37);
        EXPECT(code == 0 || code == ERROR_LIMIT || code == ERROR_REFUSED);
        limited += code == ERROR_LIMIT;
        refused += code == ERROR_REFUSED;
    }
    EXPECT_INT(1, refused);
    EXPECT(limited > 0);
    EXPECT_INT(0, tsdb_maintain(stage.db, NULL));
    EXPECT_INT(0, put(stage.db, 0, ++time_ms, 1));
    stage_release(&stage);
}

static void full_disk_refuses_and_recovers(void)
{
    struct stage stage;
    stage_init(&stage);
    struct model model = { 0 };
    for (int reserve = 0; reserve < 2; reserve++) {
        stage.options.reserve_size = reserve == 0 ? 0 : 1000;
        stage_reopen(&stage);
        int64_t time_ms = START_MS + reserve * 100000;
        EXPECT_INT(0, put(stage.db, 1, time_ms, 1));
        model_add(&model, 1, time_ms, 1);
        sim_disk_set_size(stage.disk, sim_disk_used(stage.disk) + 20);
        sim_clock_advance_ms(&stage.clock, 2000);
        EXPECT_INT(ERROR_REFUSED, put(stage.db, 1, time_ms + 1, 2));
        EXPECT_INT(ERROR_REFUSED, put(stage.db, 2, time_ms + 1, 2));
        EXPECT(agrees(&model, stage.db));
        struct tsdb_stats stats;
        tsdb_stats(stage.db, &stats);
        EXPECT(stats.is_refusing);
        stage_reopen(&stage);
        EXPECT(agrees(&model, stage.db));
        EXPECT_INT(ERROR_REFUSED, put(stage.db, 2, time_ms + 1, 2));
        sim_disk_set_size(stage.disk, 0);
        EXPECT_INT(0, put(stage.db, 2, time_ms + 2, 2));
        model_add(&model, 2, time_ms + 2, 2);
        EXPECT(agrees(&model, stage.db));
        stage_reopen(&stage);
        EXPECT(agrees(&model, stage.db));
    }
    model_release(&model);
    stage_release(&stage);
}

static void failing_sync_is_not_believed(void)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct stage stage;
        stage_init(&stage);
        struct model model = { 0 };
        EXPECT_INT(0, put(stage.db, 1, START_MS, 1));
        model_add(&model, 1, START_MS, 1);
        sim_disk_set_faults(stage.disk, &(struct sim_disk_faults){ .sync = 1000000 });
        EXPECT_INT(ERROR_REFUSED, put(stage.db, 1, START_MS + (int64_t)seed, 2));
        EXPECT_INT(ERROR_REFUSED, put(stage.db, 2, START_MS + (int64_t)seed, 2));
        sim_disk_set_faults(stage.disk, &(struct sim_disk_faults){ 0 });
        EXPECT_INT(0, put(stage.db, 1, START_MS + 1, 3));
        model_add(&model, 1, START_MS + 1, 3);
        EXPECT(agrees(&model, stage.db));
        sim_disk_crash(stage.disk);
        tsdb_close(stage.db);
        sim_disk_restart(stage.disk);
        stage_open(&stage);
        EXPECT(agrees(&model, stage.db));
        model_release(&model);
        stage_release(&stage);
    }
}

static void damaged_block_is_set_aside(void)
{
    struct stage stage;
    stage_init(&stage);
    struct model model = { 0 };
    EXPECT_INT(0, put(stage.db, 1, START_MS, 1));
    EXPECT_INT(0, tsdb_flush(stage.db, NULL));
    EXPECT_INT(0, put(stage.db, 2, START_MS, 1));
    model_add(&model, 2, START_MS, 1);
    EXPECT_INT(0, tsdb_flush(stage.db, NULL));
    struct disk_info info;
    const struct disk *disk = sim_disk_table(stage.disk);
    EXPECT_INT(0, disk->info(disk->state, "/data/blocks/00000001.block", &info));
    EXPECT(sim_disk_flip(stage.disk, "/data/blocks/00000001.block", info.size - 100, 3));
    stage_reopen(&stage);
    EXPECT(agrees(&model, stage.db));
    struct tsdb_stats stats;
    tsdb_stats(stage.db, &stats);
    EXPECT_INT(1, (int64_t)stats.block_corruptions);
    EXPECT_INT(1, (int64_t)stats.blocks);
    EXPECT_INT(0, disk->info(disk->state, "/data/blocks/00000001.block.damaged", &info));
    EXPECT_INT(0, put(stage.db, 1, START_MS + 1, 1));
    model_release(&model);
    stage_release(&stage);
}

static size_t count_values(struct tsdb *db, const char *name, const char *metric, int64_t start_ms)
{
    struct series_source source = tsdb_source(db);
    struct matcher matcher = { 0 };
    bool has_matcher = metric != NULL;
    if (has_matcher) {
        EXPECT_INT(
            0, matcher_init(&matcher, MATCHER_EQUAL, LABEL_METRIC_NAME, str_from(metric), NULL));
    }
    struct series_query query = { .start_ms = start_ms,
                                  .end_ms = INT64_MAX,
                                  .matchers = &matcher,
                                  .matcher_count = has_matcher };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str_list list = { 0 };
    int code = name == NULL
                   ? source.label_names(source.state, &query, &arena, &list, NULL)
                   : source.label_values(source.state, str_from(name), &query, &arena, &list, NULL);
    EXPECT_INT(0, code);
    for (size_t i = 1; i < list.count; i++) {
        EXPECT(str_compare(list.items[i - 1], list.items[i]) < 0);
    }
    arena_release(&arena);
    matcher_release(&matcher);
    return list.count;
}

static void names_and_values_come_from_head_and_blocks(void)
{
    struct stage stage;
    stage_init(&stage);
    for (int i = 0; i < 8; i++) EXPECT_INT(0, put(stage.db, i, START_MS + i, 1));
    for (int round = 0; round < 3; round++) {
        EXPECT_INT(3, (int64_t)count_values(stage.db, NULL, NULL, INT64_MIN));
        EXPECT_INT(3, (int64_t)count_values(stage.db, NULL, "metric_0", START_MS + 4));
        EXPECT_INT(4, (int64_t)count_values(stage.db, "__name__", NULL, INT64_MIN));
        EXPECT_INT(1, (int64_t)count_values(stage.db, "__name__", "metric_0", INT64_MIN));
        EXPECT_INT(2, (int64_t)count_values(stage.db, "instance", NULL, INT64_MIN));
        EXPECT_INT(3, (int64_t)count_values(stage.db, "job", NULL, INT64_MIN));
        EXPECT_INT(0, (int64_t)count_values(stage.db, "job", NULL, START_MS + 8));
        EXPECT_INT(0, (int64_t)count_values(stage.db, "none", NULL, INT64_MIN));
        EXPECT_INT(0, tsdb_flush(stage.db, NULL));
        if (round == 1) stage_reopen(&stage);
    }
    stage_release(&stage);
}

static void status_lists_tell_what_is_there(void)
{
    struct stage stage;
    stage_init(&stage);
    for (int i = 0; i < 12; i++) EXPECT_INT(0, put(stage.db, i, START_MS + i, 1));
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct tsdb_top top;
    EXPECT_INT(0, tsdb_top(stage.db, 2, &arena, &top, NULL));
    EXPECT_INT(2, (int64_t)top.series_by_metric.count);
    EXPECT_INT(3, (int64_t)top.series_by_metric.items[0].value);
    EXPECT_STR("__name__", top.values_by_label.items[0].name);
    EXPECT_INT(4, (int64_t)top.values_by_label.items[0].value);
    EXPECT_INT(2, (int64_t)top.series_by_label_pair.count);
    EXPECT_INT(0, tsdb_flush(stage.db, NULL));
    const struct tsdb_block_info *blocks = NULL;
    size_t count = 0;
    EXPECT_INT(0, tsdb_blocks(stage.db, &arena, &blocks, &count, NULL));
    EXPECT_INT(1, (int64_t)count);
    EXPECT_INT(12, (int64_t)blocks[0].samples);
    EXPECT_INT(START_MS + 11, blocks[0].max_time_ms);
    EXPECT_INT(0, put(stage.db, 1, START_MS + 50, 1));
    static const char *const paths[] = { "/data/blocks/00000001.block", "/data/wal/00000001.series",
                                         "/data/wal/00000002.wal" };
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct buf buf;
        buf_init(&buf, 1 << 20);
        EXPECT_INT(0, tsdb_print_file(stage.options.disk, paths[i], &buf, NULL));
        EXPECT(buf.size > 50);
        buf_release(&buf);
    }
    arena_release(&arena);
    stage_release(&stage);
}

static void old_blocks_go_by_age_and_size(void)
{
    struct stage stage;
    stage_init(&stage);
    stage.options.block_duration_ms = 10000;
    stage.options.block_duration_max_ms = 10000;
    stage.options.retention_ms = 50000;
    stage_reopen(&stage);
    for (int i = 0; i < 10; i++) {
        EXPECT_INT(0, put(stage.db, 1, START_MS + i * 10000, i));
        EXPECT_INT(0, tsdb_flush(stage.db, NULL));
    }
    EXPECT_INT(0, tsdb_maintain(stage.db, NULL));
    struct tsdb_stats stats;
    tsdb_stats(stage.db, &stats);
    EXPECT_INT(5, (int64_t)stats.blocks);
    EXPECT_INT(5, (int64_t)stats.retention_time_removed);
    stage.options.retention_size = stats.block_size - 1;
    stage_reopen(&stage);
    EXPECT_INT(0, tsdb_maintain(stage.db, NULL));
    tsdb_stats(stage.db, &stats);
    EXPECT_INT(4, (int64_t)stats.blocks);
    EXPECT_INT(1, (int64_t)stats.retention_size_removed);
    EXPECT_INT(ERROR_DUPLICATE, put(stage.db, 1, START_MS + 90000, -1));
    stage_release(&stage);
}

static double random_value(struct random *random)
{
    switch (random_below(random, 8)) {
    case 0: return sample_stale();
    case 1: return sample_from_bits(random_next(random));
    case 2: return (double)random_below(random, 100) / 10;
    case 3: return -0.0;
    default: return (double)random_below(random, 1000000);
    }
}

/* A batch of random samples; into the model when it commits. */
static void random_batch(struct random *random, struct model *model, struct tsdb *db,
                         int64_t *now_ms)
{
    struct sample_sink sink = tsdb_sink(db);
    struct sample_batch *batch;
    REQUIRE(sink.begin(sink.state, &batch, NULL) == 0);
    *now_ms += (int64_t)random_below(random, 30000);
    struct model_sample added[MODEL_SERIES_MAX];
    bool is_added[MODEL_SERIES_MAX] = { false };
    for (int i = 0; i < MODEL_SERIES_MAX; i++) {
        if (random_below(random, 3) == 0) continue;
        int64_t time_ms = *now_ms - (int64_t)random_below(random, 3) * 1000;
        double value = random_value(random);
        struct model_text text;
        uint64_t ref = 0;
        int code = batch->append(batch, &ref, model_labels(i, &text), time_ms, value, NULL);
        EXPECT(code == 0 || time_ms <= model_last(model, i));
        if (code != 0 || time_ms <= model_last(model, i)) continue;
        is_added[i] = true;
        added[i] = (struct model_sample){ time_ms, sample_bits(value) };
    }
    if (random_below(random, 10) == 0) {
        batch->rollback(batch);
        return;
    }
    EXPECT_INT(0, batch->commit(batch, NULL));
    for (int i = 0; i < MODEL_SERIES_MAX; i++) {
        if (is_added[i]) model_add(model, i, added[i].time_ms, sample_from_bits(added[i].bits));
    }
}

static void random_question(struct random *random, const struct model *model, struct tsdb *db,
                            int64_t now_ms)
{
    static const struct {
        enum matcher_kind kind;
        const char *name;
        const char *value;
    } choices[] = {
        { MATCHER_EQUAL, "__name__", "metric_1" },
        { MATCHER_EQUAL, "job", "job2" },
        { MATCHER_EQUAL, "job", "" },
        { MATCHER_NOT_EQUAL, "job", "job1" },
        { MATCHER_NOT_EQUAL, "job", "" },
        { MATCHER_REGEX, "job", "job1|job0" },
        { MATCHER_REGEX, "job", "|job1" },
        { MATCHER_REGEX, "instance", "1." },
        { MATCHER_NOT_REGEX, "instance", "1.|2" },
        { MATCHER_NOT_REGEX, "job", "job1|" },
        { MATCHER_REGEX, "__name__", "metric_[0-2]" },
        { MATCHER_EQUAL, "none", "" },
        { MATCHER_EQUAL, "none", "x" },
        { MATCHER_NOT_REGEX, "none", ".+" },
        { MATCHER_NOT_REGEX, "job", "job1|job0|job1" },
        { MATCHER_REGEX, "job", ".*" },
    };
    struct matcher matchers[3] = { { 0 } };
    size_t count = (size_t)random_below(random, 4);
    for (size_t i = 0; i < count; i++) {
        size_t choice = (size_t)random_below(random, ARRAY_LENGTH(choices));
        EXPECT_INT(0,
                   matcher_init(&matchers[i], choices[choice].kind, str_from(choices[choice].name),
                                str_from(choices[choice].value), NULL));
    }
    int64_t span = now_ms - START_MS + 1;
    int64_t start_ms = START_MS + (int64_t)random_below(random, (uint64_t)span);
    int64_t end_ms = start_ms + (int64_t)random_below(random, (uint64_t)span);
    EXPECT(model_agrees(model, db, matchers, count, start_ms, end_ms));
    for (size_t i = 0; i < count; i++) matcher_release(&matchers[i]);
}

static void random_delete(struct random *random, struct model *model, struct tsdb *db,
                          int64_t now_ms)
{
    struct matcher matcher = { 0 };
    int64_t start_ms = START_MS + (int64_t)random_below(random, (uint64_t)(now_ms - START_MS + 1));
    int64_t end_ms = start_ms + (int64_t)random_below(random, 100000);
    EXPECT_INT(0, matcher_init(&matcher, MATCHER_EQUAL, STR("job"), STR("job1"), NULL));
    EXPECT_INT(0, tsdb_delete(db, &matcher, 1, start_ms, end_ms, NULL));
    for (int i = 0; i < MODEL_SERIES_MAX; i++) {
        struct model_text text;
        if (!matcher_matches_labels(&matcher, 1, model_labels(i, &text))) continue;
        if (model_last(model, i) > end_ms) model_delete(model, i, start_ms, end_ms);
        if (model_last(model, i) >= start_ms) model_delete(model, i, start_ms, end_ms);
    }
    matcher_release(&matcher);
}

static void random_work_agrees_with_the_model(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random;
        random_init(&random, seed);
        struct stage stage;
        stage_init(&stage);
        stage.options.block_duration_ms = 200000 + (int64_t)random_below(&random, 1000000);
        stage.options.segment_size_max = 1000 + random_below(&random, 100000);
        stage_reopen(&stage);
        struct model model = { 0 };
        int64_t now_ms = START_MS;
        for (int step = 0; step < 300; step++) {
            uint64_t what = random_below(&random, 100);
            if (what < 60) random_batch(&random, &model, stage.db, &now_ms);
            if (what >= 60 && what < 85) random_question(&random, &model, stage.db, now_ms);
            if (what >= 85 && what < 90) EXPECT_INT(0, tsdb_maintain(stage.db, NULL));
            if (what >= 90 && what < 93) EXPECT_INT(0, tsdb_flush(stage.db, NULL));
            if (what >= 93 && what < 97) stage_reopen(&stage);
            if (what == 97 && seed % 2 == 0) random_delete(&random, &model, stage.db, now_ms);
            if (what == 98) EXPECT_INT(0, tsdb_clean(stage.db, NULL));
        }
        char context[32];
        (void)snprintf(context, sizeof(context), "seed %" PRIu64, seed);
        test_context(context);
        EXPECT(agrees(&model, stage.db));
        struct tsdb_stats stats;
        tsdb_stats(stage.db, &stats);
        EXPECT_INT(0, (int64_t)(stats.log_corruptions + stats.block_corruptions));
        test_context(NULL);
        model_release(&model);
        stage_release(&stage);
    }
}

static void long_step(struct random *random, struct model *model, struct tsdb *db, int64_t time_ms)
{
    struct sample_sink sink = tsdb_sink(db);
    struct sample_batch *batch;
    struct model_text text;
    REQUIRE(sink.begin(sink.state, &batch, NULL) == 0);
    for (int i = 0; i < MODEL_SERIES_MAX; i++) {
        uint64_t ref = 0;
        double value = (double)random_below(random, 1000) / 8;
        /* Some come always, others now and then: chunks and tails of every length. */
        if (random_below(random, MODEL_SERIES_MAX) < (uint64_t)i / 4) continue;
        EXPECT_INT(0, batch->append(batch, &ref, model_labels(i, &text), time_ms, value, NULL));
        model_add(model, i, time_ms, value);
    }
    EXPECT_INT(0, batch->commit(batch, NULL));
}

/* More than a recovery gathers at a time; what is put in by series is what came by time. */
static void a_long_log_comes_back_whole(void)
{
    enum { STEPS = 5500 };
    struct random random;
    random_init(&random, 7);
    struct stage stage;
    stage_init(&stage);
    struct model model = { 0 };
    for (int i = 0; i < STEPS; i++) {
        long_step(&random, &model, stage.db, START_MS + i * 250);
        if (i == 20 || i == 120 || i == 2000) stage_reopen(&stage);
        if (i == 130) EXPECT(agrees(&model, stage.db));
    }
    stage_reopen(&stage);
    struct tsdb_stats stats;
    tsdb_stats(stage.db, &stats);
    EXPECT(stats.head_samples > 1 << 18);
    EXPECT_INT(0, (int64_t)(stats.samples_dropped + stats.log_corruptions));
    EXPECT(agrees(&model, stage.db));
    EXPECT_INT(ERROR_OUT_OF_ORDER, put(stage.db, 0, START_MS, 1));
    EXPECT_INT(0, tsdb_flush(stage.db, NULL));
    EXPECT(agrees(&model, stage.db));
    model_release(&model);
    stage_release(&stage);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(rules_of_time_and_order),
        TEST(order_is_kept_over_cuts_and_restarts),
        TEST(rolled_back_batches_leave_nothing),
        TEST(series_limit_refuses_new_ones_only),
        TEST(memory_limit_refuses_and_a_cut_makes_room),
        TEST(full_disk_refuses_and_recovers),
        TEST(failing_sync_is_not_believed),
        TEST(damaged_block_is_set_aside),
        TEST(names_and_values_come_from_head_and_blocks),
        TEST(status_lists_tell_what_is_there),
        TEST(old_blocks_go_by_age_and_size),
        TEST(random_work_agrees_with_the_model),
        TEST(a_long_log_comes_back_whole),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
