/* store_test.c
 *
 * Goal:   whatever disk and clock do, the time-series store keeps what it acknowledged, bit by bit
 *         and of every type, shows no batch and no deletion in part, and never serves anything
 *         that was not written; bit rot costs what it hit and is counted. And that this test would
 *         notice: bugs that are planted between the store and the disk are found.
 * Method: from a seed: a store with small limits on the simulated disk and clock; batches, late
 *         samples, cuts, merges, deletions, cleaning, imports, snapshots and questions; faults of
 *         all kinds; the power cut at a random call; again from there; at the end the last snapshot
 *         opened, and, sometimes, a bit of a file turned over. A naive twin says what is right.
 *         In some runs old samples may go by their age: what is older may be missing, and no more.
 *         In some runs batches may be synced late: then the last of those that came since the last
 *         sync may be missing, each whole, but none before one that is there.
 *         Of the batches that were refused since the last acknowledged one one may be found, but
 *         whole; the deletion that a crash or a failing disk interrupted may count, but whole.
 * Run:    SIM_SEEDS (default 200) and SIM_FIRST choose seeds; SIM_PLANTED is how many seeds a
 *         planted bug has until it must be found (default 400).
 */
#include "base/random.h"
#include "model/sample.h"
#include "tests/sim/clock.h"
#include "tests/sim/copies.h"
#include "tests/sim/disk.h"
#include "tests/sim/seeds.h"
#include "tests/sim/twin.h"
#include "tests/test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MS INT64_C(1700000000000)

enum { LIVES = 5, STEPS_MAX = 50, FILES_MAX = 64 };

struct attempt {
    struct twin_times series[TWIN_SERIES];
};

struct deletion {
    bool is_there;
    int series; /* -1: all */
    int64_t start_ms;
    int64_t end_ms;
};

struct run {
    uint64_t seed;
    struct random random;
    struct sim_disk *disk;
    struct sim_clock clock;
    struct tsdb_options options;
    struct tsdb *db;
    struct twin twin;
    struct twin
        ever; /* that was ever tried, deleted or not: a damaged log may show a refused batch */
    struct arena arena;
    int64_t now_ms;
    VEC(struct attempt) doubts; /* batches not acknowledged since the last that was */
    VEC(struct attempt) lates;  /* acknowledged, but perhaps not synced; in their order */
    bool has_lates;             /* this run has such batches; its syncs do not fail */
    struct deletion deletion;   /* in doubt */
    struct copies_snapshot snapshot;
    bool is_quiet;
    bool has_failed;
};

static void fail(struct run *run, const char *what)
{
    if (!run->has_failed && !run->is_quiet) printf("# seed %" PRIu64 ": %s\n", run->seed, what);
    run->has_failed = true;
}

static uint64_t dice(struct run *run, uint64_t limit)
{
    return random_below(&run->random, limit);
}

static const struct twin_range everything = { INT64_MIN, INT64_MAX, -1, false };

/* What may be missing by its age. */
static struct twin_leave leave_by_age(const struct run *run, const struct twin *twin)
{
    struct twin_leave leave = { 1, 0, NULL, run->is_quiet };
    int64_t newest_ms = INT64_MIN;
    for (int i = 0; i < TWIN_SERIES; i++) {
        if (twin->last_ms[i] > newest_ms) newest_ms = twin->last_ms[i];
    }
    if (run->options.retention_ms == 0 || newest_ms == INT64_MIN) return leave;
    leave.missing_min_ms = INT64_MIN;
    leave.missing_max_ms = newest_ms - run->options.retention_ms;
    return leave;
}

static bool agrees(const struct run *run, bool is_quiet)
{
    struct twin_leave leave = leave_by_age(run, &run->twin);
    leave.is_quiet = leave.is_quiet || is_quiet;
    return twin_agrees(&run->twin, run->db, &everything, &leave, NULL);
}

static void release_attempt(struct attempt *attempt)
{
    for (int i = 0; i < TWIN_SERIES; i++) VEC_RELEASE(&attempt->series[i]);
}

static void drop_doubts(struct run *run)
{
    for (size_t i = 0; i < run->doubts.count; i++) release_attempt(&run->doubts.items[i]);
    run->doubts.count = 0;
}

static void drop_lates(struct run *run)
{
    for (size_t i = 0; i < run->lates.count; i++) release_attempt(&run->lates.items[i]);
    run->lates.count = 0;
}

static void take_attempt_back(struct twin *twin, const struct attempt *attempt)
{
    for (int i = 0; i < TWIN_SERIES; i++) {
        for (size_t k = 0; k < attempt->series[i].count; k++) {
            int64_t time_ms = attempt->series[i].items[k];
            twin_delete(twin, i, time_ms, time_ms);
        }
    }
}

static void add_attempt(struct twin *twin, const struct attempt *attempt)
{
    for (int i = 0; i < TWIN_SERIES; i++) {
        for (size_t k = 0; k < attempt->series[i].count; k++) {
            twin_add(twin, i, attempt->series[i].items[k]);
        }
    }
}

/* Leaves in the attempt what the twin has not: the rest does not go when the attempt is lost. */
static void keep_new(const struct twin *twin, struct attempt *attempt)
{
    for (int i = 0; i < TWIN_SERIES; i++) {
        struct twin_times *times = &attempt->series[i];
        size_t kept = 0;
        for (size_t k = 0; k < times->count; k++) {
            if (!twin_has(twin, i, times->items[k])) times->items[kept++] = times->items[k];
        }
        times->count = kept;
    }
}

static int append(struct run *run, struct sample_batch *batch, int number, int64_t time_ms)
{
    struct twin_labels text;
    uint64_t ref = 0;
    arena_reset(&run->arena);
    struct labels labels = twin_labels(number, &text);
    struct twin_sample sample = twin_sample(number, time_ms, &run->arena);
    batch->set_start(batch, sample.start_ms);
    if (sample.histogram != NULL) {
        return batch->append_histogram(batch, &ref, labels, time_ms, sample.histogram, NULL);
    }
    return batch->append(batch, &ref, labels, time_ms, sample.value, NULL);
}

/* Appends one sample; the same again at the series' newest time is no new sample. */
static void append_one(struct run *run, struct sample_batch *batch, int number, int64_t time_ms,
                       struct attempt *attempt)
{
    bool is_newest = time_ms == run->twin.last_ms[number];
    /* Deleted, it may be there again, or not when the series is still in memory. */
    if (is_newest && !twin_has(&run->twin, number, time_ms)) return;
    int code = append(run, batch, number, time_ms);
    if (code == ERROR_DUPLICATE) fail(run, "the same sample again is called another");
    if (code != 0 && code != ERROR_OUT_OF_ORDER && code != ERROR_INVALID) {
        if (code != ERROR_DUPLICATE) fail(run, "append failed");
    }
    if (code == 0 && !is_newest) {
        EXPECT(VEC_PUSH(&attempt->series[number], time_ms));
    }
}

static void fill_batch(struct run *run, struct sample_batch *batch, struct attempt *attempt)
{
    for (int i = 0; i < TWIN_SERIES; i++) {
        if (dice(run, 3) == 0) continue;
        int64_t time_ms = run->now_ms - (int64_t)dice(run, 2) * 500;
        if (dice(run, 6) == 0) time_ms -= (int64_t)dice(run, 200000);
        append_one(run, batch, i, time_ms, attempt);
        if (dice(run, 8) == 0) append_one(run, batch, i, time_ms + 3, attempt);
    }
}

static uint64_t batches_written(const struct run *run)
{
    struct tsdb_stats stats;
    tsdb_stats(run->db, &stats);
    return stats.batches_committed;
}

/* Commits a batch of some series; what is acknowledged goes into the twin. */
static void batch(struct run *run)
{
    struct sample_sink sink = tsdb_sink(run->db);
    struct sample_batch *batch = NULL;
    struct attempt attempt = { 0 };
    if (sink.begin(sink.state, &batch, NULL) != 0) return;
    run->now_ms += 1 + (int64_t)dice(run, 20000);
    fill_batch(run, batch, &attempt);
    if (dice(run, 15) == 0) {
        batch->rollback(batch);
        release_attempt(&attempt);
        return;
    }
    struct error error = { 0 };
    bool is_late = run->has_lates && dice(run, 3) > 0;
    batch->may_sync_late = is_late;
    uint64_t written = batches_written(run);
    add_attempt(&run->ever, &attempt);
    int code = batch->commit(batch, &error);
    if (code == 0) {
        keep_new(&run->twin, &attempt);
        add_attempt(&run->twin, &attempt);
        bool is_written = batches_written(run) > written; /* an empty batch writes nothing */
        if (is_written && !is_late) drop_doubts(run);
        if (is_written && !is_late) drop_lates(run);
        if (is_written && is_late) {
            EXPECT(VEC_PUSH(&run->lates, attempt));
        } else {
            release_attempt(&attempt);
        }
        return;
    }
    if (code != ERROR_REFUSED) fail(run, error.text);
    EXPECT(VEC_PUSH(&run->doubts, attempt));
}

static void apply_deletion(struct twin *twin, const struct deletion *deletion)
{
    for (int i = 0; i < TWIN_SERIES; i++) {
        if (deletion->series >= 0 && deletion->series != i) continue;
        twin_delete(twin, i, deletion->start_ms, deletion->end_ms);
    }
}

/* One that fails is in doubt; the machine is switched off then, so that the doubt is settled. */
static void delete_some(struct run *run)
{
    struct deletion deletion = { true, (int)dice(run, TWIN_SERIES + 1) - 1, 0, 0 };
    deletion.start_ms = run->now_ms - (int64_t)dice(run, 600000);
    deletion.end_ms = deletion.start_ms + (int64_t)dice(run, 300000);
    struct matcher matcher = { 0 };
    char instance[16];
    (void)snprintf(instance, sizeof(instance), "%d", deletion.series);
    EXPECT(matcher_init(&matcher, MATCHER_EQUAL, STR("instance"), str_from(instance), NULL) == 0);
    int code = tsdb_delete(run->db, &matcher, deletion.series < 0 ? 0 : 1, deletion.start_ms,
                           deletion.end_ms, NULL);
    matcher_release(&matcher);
    if (code == 0) {
        apply_deletion(&run->twin, &deletion);
        return;
    }
    run->deletion = deletion;
    sim_disk_crash(run->disk);
}

/* Samples that came late may be lost with a crash, and would be thought lost here, too: so not in
 * runs that have such. One that fails is in doubt, and the machine is switched off. */
static void import_some(struct run *run)
{
    struct attempt attempt = { 0 };
    if (run->has_lates) return;
    int code = copies_import(run->db, &run->random, run->now_ms, attempt.series);
    add_attempt(&run->ever, &attempt);
    if (code == 0) {
        add_attempt(&run->twin, &attempt);
        release_attempt(&attempt);
        return;
    }
    EXPECT(VEC_PUSH(&run->doubts, attempt));
    sim_disk_crash(run->disk);
}

static void set_faults(struct run *run)
{
    struct sim_disk_faults faults = { 0 };
    if (dice(run, 3) == 0) faults.write = (uint32_t)dice(run, 200000);
    if (!run->has_lates && dice(run, 3) == 0) faults.sync = (uint32_t)dice(run, 200000);
    if (dice(run, 4) == 0) faults.name = (uint32_t)dice(run, 200000);
    if (dice(run, 4) == 0) faults.sync_folder = (uint32_t)dice(run, 200000);
    sim_disk_set_faults(run->disk, &faults);
    uint64_t room = dice(run, 4) == 0 ? sim_disk_used(run->disk) + dice(run, 20000) : 0;
    sim_disk_set_size(run->disk, room);
}

static void ask(struct run *run)
{
    struct twin_leave leave = leave_by_age(run, &run->twin);
    struct twin_range range = everything;
    if (dice(run, 2) == 0) {
        range.start_ms = run->now_ms - (int64_t)dice(run, 1000000);
        range.end_ms = range.start_ms + (int64_t)dice(run, 500000);
        range.series = (int)dice(run, TWIN_SERIES + 1) - 1;
        range.is_last = dice(run, 2) == 0 && run->options.retention_ms == 0;
    }
    if (!twin_agrees(&run->twin, run->db, &range, &leave, NULL)) {
        fail(run, "a running store does not agree");
    }
}

/* The clock of the wall jumps; samples do not, but are judged by it. */
static void turn_clock(struct run *run)
{
    int64_t jump_ms = (int64_t)dice(run, 7200000) - (int64_t)dice(run, 2) * 3600000;
    run->clock.realtime_ns = (run->now_ms + jump_ms) * 1000000;
}

static void step(struct run *run)
{
    uint64_t what = dice(run, 100);
    sim_clock_advance_ms(&run->clock, (int64_t)dice(run, 3000));
    if (what < 65) {
        batch(run);
    } else if (what < 67) {
        import_some(run);
    } else if (what < 68) {
        copies_snapshot_take(&run->snapshot, run->db, &run->options, &run->twin);
    } else if (what < 78) {
        (void)!tsdb_maintain(run->db, NULL);
    } else if (what < 82) {
        (void)!tsdb_flush(run->db, NULL);
    } else if (what < 86) {
        delete_some(run);
    } else if (what < 88) {
        (void)!tsdb_clean(run->db, NULL);
    } else if (what < 91) {
        set_faults(run);
    } else if (what < 93) {
        turn_clock(run);
    } else if (!sim_disk_has_crashed(run->disk)) {
        ask(run);
    }
}

/* Whether the twin with this batch in doubt (NULL: none) and the deletion in doubt, or without it,
 * is what the store holds; then it is the twin. A refused batch may come behind the deletion. */
static bool try_twin(struct run *run, const struct attempt *attempt, bool is_deleted)
{
    struct twin saved = run->twin;
    twin_init(&run->twin);
    twin_copy(&run->twin, &saved);
    bool is_good = false;
    for (int order = 0; order < (attempt != NULL && is_deleted ? 2 : 1) && !is_good; order++) {
        twin_copy(&run->twin, &saved);
        if (attempt != NULL && order == 1) add_attempt(&run->twin, attempt);
        if (is_deleted) apply_deletion(&run->twin, &run->deletion);
        if (attempt != NULL && order == 0) add_attempt(&run->twin, attempt);
        is_good = agrees(run, true);
    }
    struct twin other = is_good ? saved : run->twin;
    if (!is_good) run->twin = saved;
    twin_release(&other);
    return is_good;
}

/* The twin with at most one of the batches in doubt, and the deletion in doubt or not. */
static bool try_doubts(struct run *run)
{
    bool is_settled = try_twin(run, NULL, false);
    if (!is_settled && run->deletion.is_there) is_settled = try_twin(run, NULL, true);
    for (size_t i = 0; i < run->doubts.count && !is_settled; i++) {
        is_settled = try_twin(run, &run->doubts.items[i], false);
        if (!is_settled && run->deletion.is_there) {
            is_settled = try_twin(run, &run->doubts.items[i], true);
        }
    }
    return is_settled;
}

/* After a recovery: what was acknowledged, but for the last of what was not synced; and doubts. */
static void settle_doubts(struct run *run)
{
    bool is_settled = try_doubts(run);
    while (!is_settled && run->lates.count > 0) {
        struct attempt *last = &run->lates.items[--run->lates.count];
        take_attempt_back(&run->twin, last);
        release_attempt(last);
        is_settled = try_doubts(run);
    }
    drop_lates(run);
    if (!is_settled && !run->is_quiet) {
        printf("# %zu batches in doubt, a deletion: %d of series %d, %" PRId64 " to %" PRId64 "\n",
               run->doubts.count, run->deletion.is_there, run->deletion.series,
               run->deletion.start_ms, run->deletion.end_ms);
    }
    drop_doubts(run);
    run->deletion.is_there = false;
    if (is_settled) return;
    (void)agrees(run, false); /* says what differs */
    fail(run, "a reopened store does not agree");
}

static void life(struct run *run)
{
    struct error error = { 0 };
    run->db = NULL;
    if (dice(run, 2) == 0) run->clock.realtime_ns = run->now_ms * 1000000; /* somebody set it */
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

struct files {
    char paths[FILES_MAX][FILE_PATH_SIZE];
    size_t count;
    const char *folder;
};

static int add_file(void *argument, const char *name)
{
    struct files *files = argument;
    if (files->count == FILES_MAX || str_ends_with(str_from(name), STR(".damaged"))) return 0;
    return file_join(files->paths[files->count++], files->folder, name, NULL);
}

static bool is_log(const char *path)
{
    return strstr(path, "/wal/") != NULL;
}

/* Where samples may be missing when this file is damaged: a block's range; of the log, anything. */
static void leave_for(const struct run *run, const char *path, struct twin_leave *leave)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct tsdb_block_info *blocks;
    size_t count = 0;
    leave->missing_min_ms = INT64_MIN;
    leave->missing_max_ms = INT64_MAX;
    if (!is_log(path)) {
        EXPECT(tsdb_blocks(run->db, &arena, &blocks, &count, NULL) == 0);
        for (size_t i = 0; i < count; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "/%08" PRIu64 ".block", blocks[i].id);
            if (strstr(path, name) == NULL) continue;
            leave->missing_min_ms = blocks[i].min_time_ms;
            leave->missing_max_ms = blocks[i].max_time_ms;
        }
    }
    arena_release(&arena);
}

/* A bit of one file turns over: the store opens, serves nothing wrong, and nothing is lost beyond
 * the file and without being counted. */
static void rot(struct run *run)
{
    static const char *const folders[] = { "/data/blocks", "/data/wal" };
    struct files *files = calloc(1, sizeof(*files));
    const struct disk *disk = sim_disk_table(run->disk);
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        files->folder = folders[i];
        EXPECT(disk->list(disk->state, folders[i], add_file, files) == 0);
    }
    const char *path = files->paths[files->count == 0 ? 0 : dice(run, files->count)];
    struct disk_info info = { 0 };
    struct twin_leave leave = leave_by_age(run, &run->twin);
    struct tsdb_stats stats = { 0 };
    int64_t old_ms = leave.missing_max_ms;
    leave.more = &run->ever;
    size_t missing = 0;
    struct error error = { 0 };
    if (files->count > 0 && disk->info(disk->state, path, &info) == 0 && info.size > 0) {
        leave_for(run, path, &leave);
        if (run->options.retention_ms > 0) {
            leave.missing_min_ms = INT64_MIN;
            if (old_ms > leave.missing_max_ms) leave.missing_max_ms = old_ms;
        }
        tsdb_close(run->db);
        EXPECT(sim_disk_flip(run->disk, path, dice(run, info.size), (int)dice(run, 8)));
        int code = tsdb_open(&run->db, &run->options, &error);
        if (code != 0) {
            run->db = NULL;
            if (code != ERROR_UNSUPPORTED) fail(run, error.text);
        } else if (!twin_agrees(&run->twin, run->db, &everything, &leave, &missing)) {
            if (!run->is_quiet) printf("# %s was damaged\n", path);
            fail(run, "a store with a damaged file does not agree");
        }
        if (run->db != NULL) tsdb_stats(run->db, &stats);
        /* The last record of a log, damaged, looks as one that a crash has torn. */
        uint64_t counted = stats.block_corruptions + stats.log_corruptions;
        if (missing > 0 && counted == 0 && !is_log(path) && run->options.retention_ms == 0) {
            if (!run->is_quiet) printf("# %s was damaged, %zu samples differ\n", path, missing);
            fail(run, "damage is not counted");
        }
    }
    free(files);
}

static void set_options(struct run *run)
{
    tsdb_options_init(&run->options, "/data");
    run->options.disk = sim_disk_table(run->disk);
    run->options.clock = &run->clock.table;
    run->options.takes_lock = false;
    run->options.has_thread = false;
    run->options.block_duration_ms = 20000 + (int64_t)dice(run, 200000);
    run->options.segment_size_max = 200 + dice(run, 5000);
    run->options.log_size_max = 1000 + dice(run, 20000);
    run->has_lates = dice(run, 3) == 0;
    if (run->has_lates) run->options.sync_interval_ms = 30000;
    run->options.past_max_ms = 1000 + (int64_t)dice(run, 100000);
    run->options.late_max_ms = (int64_t)dice(run, 2) * (int64_t)dice(run, 400000);
    run->options.reserve_size = dice(run, 2) * dice(run, 5000);
    if (dice(run, 4) == 0) run->options.retention_ms = 100000 + (int64_t)dice(run, 900000);
}

static void check_snapshot(struct run *run)
{
    struct twin_leave leave = leave_by_age(run, &run->snapshot.twin);
    if (!copies_snapshot_agrees(&run->snapshot, &run->options, &leave)) {
        fail(run, "a snapshot does not agree");
    }
}

static bool run_seed(uint64_t seed, const struct sim_bug *bug)
{
    struct run run = { .seed = seed, .now_ms = START_MS, .is_quiet = bug != NULL };
    random_init(&run.random, seed);
    twin_init(&run.twin);
    twin_init(&run.ever);
    arena_init(&run.arena, 1 << 20);
    copies_snapshot_init(&run.snapshot);
    run.disk = sim_disk_new(seed * 31 + 7);
    if (bug != NULL) sim_disk_plant(run.disk, bug->kind, bug->ending);
    sim_clock_init(&run.clock, START_MS);
    set_options(&run);
    for (int i = 0; i < LIVES && !run.has_failed; i++) life(&run);
    if (!run.has_failed) {
        sim_disk_crash_after(run.disk, 0);
        struct error error = { 0 };
        if (tsdb_open(&run.db, &run.options, &error) != 0) {
            fail(&run, error.text);
        } else {
            settle_doubts(&run);
            if (!run.has_failed) check_snapshot(&run);
            if (!run.has_failed && bug == NULL && seed % 2 == 0) rot(&run);
            tsdb_close(run.db);
        }
    }
    twin_release(&run.twin);
    twin_release(&run.ever);
    copies_snapshot_release(&run.snapshot);
    arena_release(&run.arena);
    drop_doubts(&run);
    drop_lates(&run);
    VEC_RELEASE(&run.lates);
    VEC_RELEASE(&run.doubts);
    sim_disk_free(run.disk);
    return !run.has_failed;
}

static void what_is_acknowledged_survives_everything(void)
{
    sim_expect_sound(run_seed, 200);
}

static void planted_bugs_are_found(void)
{
    static const struct sim_bug bugs[] = {
        { "the log is not synced", SIM_DISK_BUG_NO_SYNC, ".wal" },
        { "a block is not synced", SIM_DISK_BUG_NO_SYNC, ".block.tmp" },
        { "the series file is not synced", SIM_DISK_BUG_NO_SYNC, ".series.tmp" },
        { "notes of a deletion are not synced", SIM_DISK_BUG_NO_SYNC, ".deleted.tmp" },
        { "names of blocks are not synced", SIM_DISK_BUG_NO_SYNC_FOLDER, "/blocks" },
        { "names of the log are not synced", SIM_DISK_BUG_NO_SYNC_FOLDER, "/wal" },
        { "block and series file are renamed the wrong way round", SIM_DISK_BUG_LATE_RENAME,
          ".series" },
        { "a deletion's wish is renamed behind its notes", SIM_DISK_BUG_LATE_RENAME, "/deletion" },
        { "the name of the wish is not synced", SIM_DISK_BUG_NO_SYNC_FOLDER, "/data" },
    };
    sim_expect_found(run_seed, bugs, ARRAY_LENGTH(bugs), 400);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(what_is_acknowledged_survives_everything),
        TEST(planted_bugs_are_found),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
