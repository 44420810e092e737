/* crash_test.c
 *
 * Goal:   whatever the disk does, what was acknowledged is found again, bit by bit, no batch is
 *         found in part, and the store answers as a plain model does.
 * Method: from a seed: a store with small limits on the simulated disk; batches, cuts, merges and
 *         questions; faults of all kinds; the power cut at a random call; again from there. A
 *         batch whose commit the power cut interrupted may be found or not, but only whole; one
 *         that was refused may not be found. SIM_SEEDS (default 300) and SIM_FIRST choose seeds.
 */
#include "base/random.h"
#include "model/sample.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/test.h"
#include "tests/tsdb/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MS INT64_C(1700000000000)

enum { SERIES = 20, LIVES = 6, STEPS_MAX = 60 };

struct run {
    uint64_t seed;
    struct random random;
    struct sim_disk *disk;
    struct sim_clock clock;
    struct tsdb_options options;
    struct tsdb *db;
    struct model model;
    int64_t now_ms;
    struct model_sample doubtful[SERIES]; /* the batch that the crash interrupted */
    bool is_doubtful[SERIES];
    bool has_failed;
};

static void fail(struct run *run, const char *what)
{
    if (!run->has_failed) printf("# seed %" PRIu64 ": %s\n", run->seed, what);
    run->has_failed = true;
}

static bool agrees(struct run *run)
{
    return model_agrees(&run->model, run->db, NULL, 0, INT64_MIN, INT64_MAX);
}

static uint64_t dice(struct run *run, uint64_t limit)
{
    return random_below(&run->random, limit);
}

/* Commits a batch of some series; what is acknowledged goes into the model. */
static void batch(struct run *run)
{
    struct sample_sink sink = tsdb_sink(run->db);
    struct sample_batch *batch = NULL;
    struct model_sample added[SERIES];
    bool is_added[SERIES] = { false };
    if (sink.begin(sink.state, &batch, NULL) != 0) return;
    run->now_ms += 1 + (int64_t)dice(run, 20000);
    for (int i = 0; i < SERIES; i++) {
        if (dice(run, 3) == 0) continue;
        struct model_text text;
        uint64_t ref = 0;
        double value = dice(run, 10) == 0 ? sample_stale() : (double)dice(run, 1000000) / 10;
        int64_t time_ms = run->now_ms - (int64_t)dice(run, 2) * 500;
        int code = batch->append(batch, &ref, model_labels(i, &text), time_ms, value, NULL);
        if (code != 0 || time_ms <= model_last(&run->model, i)) continue;
        is_added[i] = true;
        added[i] = (struct model_sample){ time_ms, sample_bits(value) };
    }
    struct error error = { 0 };
    int code = batch->commit(batch, &error);
    if (sim_disk_has_crashed(run->disk)) {
        /* Also an acknowledgement counts that came just before the end. */
        if (code != 0) {
            memcpy(run->doubtful, added, sizeof(added));
            memcpy(run->is_doubtful, is_added, sizeof(is_added));
            return;
        }
    }
    if (code != 0 && code != ERROR_REFUSED) fail(run, error.text);
    for (int i = 0; code == 0 && i < SERIES; i++) {
        if (is_added[i]) {
            model_add(&run->model, i, added[i].time_ms, sample_from_bits(added[i].bits));
        }
    }
}

static void set_faults(struct run *run)
{
    struct sim_disk_faults faults = { 0 };
    if (dice(run, 3) == 0) faults.write = (uint32_t)dice(run, 200000);
    if (dice(run, 3) == 0) faults.sync = (uint32_t)dice(run, 200000);
    if (dice(run, 4) == 0) faults.name = (uint32_t)dice(run, 200000);
    if (dice(run, 4) == 0) faults.sync_folder = (uint32_t)dice(run, 200000);
    sim_disk_set_faults(run->disk, &faults);
    uint64_t room = dice(run, 4) == 0 ? sim_disk_used(run->disk) + dice(run, 20000) : 0;
    sim_disk_set_size(run->disk, room);
}

static void step(struct run *run)
{
    uint64_t what = dice(run, 100);
    sim_clock_advance_ms(&run->clock, (int64_t)dice(run, 3000));
    if (what < 75) {
        batch(run);
    } else if (what < 85) {
        (void)!tsdb_maintain(run->db, NULL);
    } else if (what < 90) {
        (void)!tsdb_flush(run->db, NULL);
    } else if (what < 94) {
        set_faults(run);
    } else if (!sim_disk_has_crashed(run->disk) && !agrees(run)) {
        fail(run, "a running store does not agree");
    }
}

/* Number of samples the store holds of the batch in doubt: all or none. */
static void settle_doubt(struct run *run)
{
    bool has_any = false;
    for (int i = 0; i < SERIES; i++) has_any = has_any || run->is_doubtful[i];
    if (!has_any) return;
    struct model with = { 0 };
    for (int i = 0; i < SERIES; i++) {
        for (size_t k = 0; k < run->model.series[i].samples.count; k++) {
            struct model_sample sample = run->model.series[i].samples.items[k];
            model_add(&with, i, sample.time_ms, sample_from_bits(sample.bits));
        }
        if (!run->is_doubtful[i]) continue;
        model_add(&with, i, run->doubtful[i].time_ms, sample_from_bits(run->doubtful[i].bits));
        run->is_doubtful[i] = false;
    }
    struct tsdb_stats stats;
    tsdb_stats(run->db, &stats);
    /* The newest time tells which of the two it is; the comparison tells whether it is whole. */
    bool is_there = false;
    for (int i = 0; i < SERIES && !is_there; i++) {
        if (with.series[i].samples.count == run->model.series[i].samples.count) continue;
        int64_t last = model_last(&with, i);
        struct model_text text;
        struct labels labels = model_labels(i, &text);
        struct matcher matchers[3] = { { 0 } };
        for (size_t k = 0; k < labels.count; k++) {
            EXPECT_INT(0, matcher_init(&matchers[k], MATCHER_EQUAL, labels.items[k].name,
                                       labels.items[k].value, NULL));
        }
        struct series_source source = tsdb_source(run->db);
        struct series_query query = { last, last, matchers, labels.count, 0, 0, 0 };
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct series_cursor *cursor;
        struct series_columns series;
        if (source.select(source.state, &query, &arena, &cursor, NULL) == 0) {
            while (cursor->next(cursor, &series, NULL) == 1) {
                if (series.labels.count == labels.count) is_there = true;
            }
            cursor->close(cursor);
        }
        arena_release(&arena);
        for (size_t k = 0; k < labels.count; k++) matcher_release(&matchers[k]);
    }
    if (!is_there) {
        model_release(&with);
        return;
    }
    model_release(&run->model);
    run->model = with;
}

static void life(struct run *run)
{
    struct error error = { 0 };
    run->db = NULL;
    int code = tsdb_open(&run->db, &run->options, &error);
    if (code != 0) {
        if (!sim_disk_has_crashed(run->disk)) fail(run, error.text);
    } else {
        if (!sim_disk_has_crashed(run->disk)) {
            settle_doubt(run);
            if (!agrees(run)) fail(run, "a reopened store does not agree");
            sim_disk_crash_after(run->disk, 1 + dice(run, 300));
            set_faults(run);
        }
        for (int i = 0; i < STEPS_MAX && !sim_disk_has_crashed(run->disk); i++) step(run);
        if (dice(run, 5) != 0) sim_disk_crash(run->disk); /* else a clean close */
        tsdb_close(run->db);
        if (!sim_disk_has_crashed(run->disk)) sim_disk_crash(run->disk);
    }
    sim_disk_restart(run->disk);
    sim_disk_set_size(run->disk, 0);
    if (dice(run, 3) == 0) sim_disk_crash_after(run->disk, 1 + dice(run, 10)); /* in recovery */
}

static bool run_seed(uint64_t seed)
{
    struct run run = { .seed = seed, .now_ms = START_MS };
    random_init(&run.random, seed);
    run.disk = sim_disk_new(seed * 31 + 7);
    sim_clock_init(&run.clock, START_MS + INT64_C(100) * 86400000);
    tsdb_options_init(&run.options, "/data");
    run.options.disk = sim_disk_table(run.disk);
    run.options.clock = &run.clock.table;
    run.options.takes_lock = false;
    run.options.has_thread = false;
    run.options.block_duration_ms = 20000 + (int64_t)dice(&run, 200000);
    run.options.segment_size_max = 200 + dice(&run, 5000);
    run.options.log_size_max = 1000 + dice(&run, 20000);
    run.options.past_max_ms = 1000 + (int64_t)dice(&run, 100000);
    run.options.reserve_size = dice(&run, 2) * dice(&run, 5000);
    for (int i = 0; i < LIVES && !run.has_failed; i++) life(&run);
    if (!run.has_failed) {
        sim_disk_crash_after(run.disk, 0);
        struct error error = { 0 };
        if (tsdb_open(&run.db, &run.options, &error) != 0) {
            fail(&run, error.text);
        } else {
            settle_doubt(&run);
            if (!agrees(&run)) fail(&run, "the last opening does not agree");
            tsdb_close(run.db);
        }
    }
    model_release(&run.model);
    sim_disk_free(run.disk);
    return !run.has_failed;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    uint64_t number = otherwise;
    const char *text = getenv(variable);
    if (text != NULL && !str_to_uint64(str_from(text), &number)) return otherwise;
    return number;
}

static void acknowledged_batches_survive_everything(void)
{
    uint64_t count = number_of("SIM_SEEDS", 300);
    uint64_t first = number_of("SIM_FIRST", 1);
    uint64_t failures = 0;
    for (uint64_t seed = first; seed < first + count && failures < 5; seed++) {
        failures += !run_seed(seed);
    }
    EXPECT_INT(0, (int64_t)failures);
}

int main(void)
{
    static const struct test tests[] = { TEST(acknowledged_batches_survive_everything) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
