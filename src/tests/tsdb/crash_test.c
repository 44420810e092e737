/* crash_test.c
 *
 * Goal:   whatever the disk does, what was acknowledged is found again, bit by bit, no batch is
 *         found in part, and the store answers as a plain model does.
 * Method: from a seed: a store with small limits on the simulated disk; batches, cuts, merges and
 *         questions; faults of all kinds; the power cut at a random call; again from there. Of the
 *         batches that were refused after the last acknowledged one, and that which the power cut
 *         interrupted, one may be found, but only whole; what was refused before an acknowledged
 *         one may not be found. SIM_SEEDS (default 300) and SIM_FIRST choose seeds.
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

struct attempt {
    struct model_sample samples[SERIES];
    bool has[SERIES];
};

struct run {
    uint64_t seed;
    struct random random;
    struct sim_disk *disk;
    struct sim_clock clock;
    struct tsdb_options options;
    struct tsdb *db;
    struct model model;
    int64_t now_ms;
    VEC(struct attempt) doubts; /* batches not acknowledged since the last that was */
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

static void add_attempt(struct model *model, const struct attempt *attempt)
{
    for (int i = 0; i < SERIES; i++) {
        if (!attempt->has[i]) continue;
        model_add(model, i, attempt->samples[i].time_ms,
                  sample_from_bits(attempt->samples[i].bits));
    }
}

/* Commits a batch of some series; what is acknowledged goes into the model. */
static void batch(struct run *run)
{
    struct sample_sink sink = tsdb_sink(run->db);
    struct sample_batch *batch = NULL;
    struct attempt attempt = { 0 };
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
        attempt.has[i] = true;
        attempt.samples[i] = (struct model_sample){ time_ms, sample_bits(value) };
    }
    struct error error = { 0 };
    int code = batch->commit(batch, &error);
    if (code == 0) {
        add_attempt(&run->model, &attempt);
        run->doubts.count = 0;
        return;
    }
    if (code != ERROR_REFUSED) fail(run, error.text);
    EXPECT(VEC_PUSH(&run->doubts, attempt));
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

static void copy_model(struct model *to, const struct model *from)
{
    for (int i = 0; i < SERIES; i++) {
        for (size_t k = 0; k < from->series[i].samples.count; k++) {
            struct model_sample sample = from->series[i].samples.items[k];
            model_add(to, i, sample.time_ms, sample_from_bits(sample.bits));
        }
    }
}

/* After a recovery: the acknowledged batches, and at most one of those in doubt. */
static void settle_doubts(struct run *run)
{
    run->model.is_quiet = true;
    bool is_settled = agrees(run);
    run->model.is_quiet = false;
    for (size_t i = 0; i < run->doubts.count && !is_settled; i++) {
        struct model acknowledged = run->model;
        run->model = (struct model){ .is_quiet = true };
        copy_model(&run->model, &acknowledged);
        add_attempt(&run->model, &run->doubts.items[i]);
        is_settled = agrees(run);
        struct model other = is_settled ? acknowledged : run->model;
        if (!is_settled) run->model = acknowledged;
        run->model.is_quiet = false;
        model_release(&other);
    }
    run->doubts.count = 0;
    if (is_settled) return;
    (void)agrees(run); /* says what differs */
    fail(run, "a reopened store does not agree");
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
            settle_doubts(run);
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
            settle_doubts(&run);
            tsdb_close(run.db);
        }
    }
    model_release(&run.model);
    VEC_RELEASE(&run.doubts);
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
