/* kept_test.c
 *
 * Goal:   a kept snapshot stays as it was, is bounded in number and time, and goes when it is due.
 * Method: a store on the simulated disk under a clock whose hands the test turns.
 */
#include "logstore/logstore.h"

#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/test.h"

#include <errno.h>

struct bench {
    struct sim_disk *sim;
    struct sim_clock clock;
    struct logstore *store;
    struct arena arena;
    int freed_count;
};

static void count_freed(void *state)
{
    struct bench *bench = state;
    bench->freed_count++;
}

static int bench_begin(struct bench *bench)
{
    *bench = (struct bench){ .sim = sim_disk_new(1) };
    arena_init(&bench->arena, (size_t)64 << 20);
    sim_clock_init(&bench->clock, INT64_C(1707386400000));
    return logstore_open(&bench->store,
                         &(struct logstore_options){ .folder = "/data",
                                                     .disk = sim_disk_table(bench->sim),
                                                     .clock = &bench->clock.table,
                                                     .kept_snapshots_max = 2,
                                                     .manual = true },
                         NULL);
}

static void bench_end(struct bench *bench)
{
    logstore_close(bench->store);
    sim_disk_free(bench->sim);
    arena_release(&bench->arena);
}

static int put(struct bench *bench, const char *id)
{
    struct logstore_operation operation = {
        .action = LOGSTORE_INDEX,
        .index = STR("logs"),
        .id = str_from(id),
        .source = STR("{\"a\":1}"),
    };
    int code = logstore_write(bench->store, &operation, 1, &bench->arena, NULL);
    return code < 0 ? code : operation.status;
}

static int keep(struct bench *bench, int64_t keep_ms, char *id, struct error *error)
{
    struct str name = STR("logs");
    struct logstore_snapshot *snapshot = NULL;
    int code = logstore_snapshot_take(bench->store, &name, 1, &snapshot, error);
    if (code < 0) return code;
    struct logstore_keep_options options = {
        .kind = 1, .keep_ms = keep_ms, .state = bench, .state_free = count_freed
    };
    code = logstore_snapshot_keep(bench->store, snapshot, &options, id, error);
    if (code < 0) logstore_snapshot_free(snapshot);
    return code;
}

static uint32_t live_count(const struct logstore_snapshot *snapshot)
{
    uint32_t count = 0;
    for (size_t i = 0; i < snapshot->segment_count; i++) count += snapshot->segments[i].live_count;
    return count;
}

static void a_kept_snapshot_does_not_change(void)
{
    struct bench bench;
    struct error error = { 0 };
    char id[LOGSTORE_KEPT_ID_SIZE];
    struct logstore_kept kept;
    REQUIRE(bench_begin(&bench) == 0);
    EXPECT_INT(201, put(&bench, "1"));
    EXPECT_INT(201, put(&bench, "2"));
    REQUIRE(keep(&bench, 1000, id, &error) == 0);
    EXPECT_INT(201, put(&bench, "3"));
    EXPECT_INT(200, put(&bench, "1"));
    EXPECT_INT(0, logstore_flush(bench.store, &error));
    logstore_maintain(bench.store);
    EXPECT_INT(0, logstore_index_delete(bench.store, STR("logs"), &error));
    REQUIRE(logstore_snapshot_borrow(bench.store, str_from(id), 0, &kept, &error) == 0);
    EXPECT_INT(2, live_count(kept.snapshot));
    struct logstore_reader *reader = NULL;
    struct logstore_hit hit = { .version = 0 };
    REQUIRE(logstore_reader_new(&reader) == 0);
    EXPECT_INT(0, logstore_reader_get(reader, kept.snapshot->segments[0].segment, 0, &hit, &error));
    EXPECT_STR("1", hit.id);
    EXPECT_INT(1, hit.version);
    logstore_reader_free(reader);
    logstore_snapshot_return(bench.store, &kept);
    bench_end(&bench);
    EXPECT_INT(1, bench.freed_count);
}

static void time_and_number_are_bounded(void)
{
    struct bench bench;
    struct error error = { 0 };
    char ids[3][LOGSTORE_KEPT_ID_SIZE];
    struct logstore_kept kept;
    REQUIRE(bench_begin(&bench) == 0);
    EXPECT_INT(201, put(&bench, "1"));
    REQUIRE(keep(&bench, 1000, ids[0], &error) == 0);
    REQUIRE(keep(&bench, 5000, ids[1], &error) == 0);
    EXPECT_INT(ERROR_LIMIT, keep(&bench, 1000, ids[2], &error));
    EXPECT_INT(0, bench.freed_count);
    sim_clock_advance_ms(&bench.clock, 900);
    REQUIRE(logstore_snapshot_borrow(bench.store, str_from(ids[0]), 1000, &kept, &error) == 0);
    sim_clock_advance_ms(&bench.clock, 1500); /* over, but in hand */
    logstore_maintain(bench.store);
    EXPECT_INT(0, bench.freed_count);
    logstore_snapshot_return(bench.store, &kept);
    EXPECT_INT(-ENOENT, logstore_snapshot_borrow(bench.store, str_from(ids[0]), 0, &kept, &error));
    EXPECT_INT(1, bench.freed_count);
    EXPECT_INT(0, keep(&bench, 1000, ids[2], &error));
    EXPECT_INT(2, (int64_t)logstore_snapshot_kept_count(bench.store, 1));
    REQUIRE(logstore_snapshot_borrow(bench.store, str_from(ids[1]), 0, &kept, &error) == 0);
    EXPECT(logstore_snapshot_drop(bench.store, str_from(ids[1])));
    EXPECT(!logstore_snapshot_drop(bench.store, str_from(ids[1])));
    EXPECT_INT(1, bench.freed_count); /* the borrower still reads it */
    EXPECT_INT(1, live_count(kept.snapshot));
    logstore_snapshot_return(bench.store, &kept);
    EXPECT_INT(2, bench.freed_count);
    EXPECT_INT(0, (int64_t)logstore_snapshot_drop_all(bench.store, 2));
    EXPECT_INT(1, (int64_t)logstore_snapshot_drop_all(bench.store, 1));
    EXPECT_INT(3, bench.freed_count);
    bench_end(&bench);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_kept_snapshot_does_not_change),
        TEST(time_and_number_are_bounded),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
