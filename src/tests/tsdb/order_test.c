/* order_test.c
 *
 * Goal:   a query's series come in the order of their labels, by ranks as by texts.
 * Method: random sets of labels with common fronts, long values and different names are appended,
 *         some before and some after ranks were given (by a round of maintenance, and by
 *         a cut); each time all are selected and compared with their neighbours.
 */
#include "tsdb/tsdb.h"

#include "base/random.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/test.h"

#include <stdio.h>

enum { LABELS_MAX = 7, SERIES = 3000 };

#define TIME_MS INT64_C(1700000000000)

static const char *const names[LABELS_MAX] = { "__name__", "a", "ab", "b", "instance", "le", "z" };

/* Values that are alike for long, and some that end where others go on. */
static size_t make_labels(struct random *random, struct label *items, char texts[][40])
{
    size_t count = 0;
    for (size_t i = 0; i < LABELS_MAX; i++) {
        if (i > 0 && random_below(random, 3) == 0) continue;
        size_t length = 1 + (size_t)random_below(random, 20);
        for (size_t k = 0; k < length; k++) {
            texts[i][k] = k < 8 ? 'x' : (char)('a' + (int)random_below(random, 3));
        }
        if (random_below(random, 4) == 0) texts[i][0] = (char)(unsigned char)0xc3;
        items[count++] = (struct label){ str_from(names[i]), { texts[i], length } };
    }
    return count;
}

static void append(struct tsdb *db, struct random *random, size_t count, int64_t time_ms)
{
    struct sample_sink sink = tsdb_sink(db);
    struct sample_batch *batch;
    REQUIRE(sink.begin(sink.state, &batch, NULL) == 0);
    for (size_t i = 0; i < count; i++) {
        struct label items[LABELS_MAX];
        char texts[LABELS_MAX][40];
        uint64_t ref = 0;
        struct labels labels = { items, make_labels(random, items, texts) };
        REQUIRE(batch->append(batch, &ref, labels, time_ms, 1, NULL) == 0);
    }
    REQUIRE(batch->commit(batch, NULL) == 0);
}

/* How many series there are; all are in order. */
static size_t count_in_order(struct tsdb *db)
{
    CLEANUP(arena_release) struct arena arena;
    CLEANUP(arena_release) struct arena kept;
    arena_init(&arena, 64 << 20);
    arena_init(&kept, 64 << 20);
    struct series_source source = tsdb_source(db);
    struct series_query query = { .start_ms = 0, .end_ms = INT64_MAX };
    struct series_cursor *cursor = NULL;
    struct series_columns series;
    struct labels last = { 0 };
    size_t count = 0;
    if (source.select(source.state, &query, &arena, &cursor, NULL) != 0) return 0;
    while (cursor->next(cursor, &series, NULL) == 1) {
        if (count > 0) EXPECT(labels_compare(last, series.labels) < 0);
        EXPECT(labels_copy(&kept, series.labels, &last) == 0);
        count++;
    }
    cursor->close(cursor);
    return count;
}

static void series_come_in_order(void)
{
    struct random random;
    struct sim_clock clock;
    struct tsdb_options options;
    struct tsdb *db = NULL;
    struct tsdb_stats stats;
    random_init(&random, 5);
    sim_clock_init(&clock, TIME_MS + 1000000);
    struct sim_disk *disk = sim_disk_new(1);
    tsdb_options_init(&options, "/data");
    options.disk = sim_disk_table(disk);
    options.clock = &clock.table;
    options.takes_lock = false;
    options.has_thread = false;
    for (int round = 0; round < 4; round++) {
        REQUIRE(tsdb_open(&db, &options, NULL) == 0);
        append(db, &random, SERIES, TIME_MS + round * 10);
        if (round == 1) EXPECT_INT(0, tsdb_flush(db, NULL));
        if (round > 1) EXPECT_INT(0, tsdb_maintain(db, NULL));
        append(db, &random, SERIES / 10, TIME_MS + round * 10 + 5);
        tsdb_stats(db, &stats);
        EXPECT(stats.head_series > SERIES / 2);
        EXPECT_INT((int64_t)stats.head_series, (int64_t)count_in_order(db));
        tsdb_close(db);
    }
    REQUIRE(tsdb_open(&db, &options, NULL) == 0);
    EXPECT_INT((int64_t)stats.head_series, (int64_t)count_in_order(db));
    tsdb_close(db);
    sim_disk_free(disk);
}

int main(void)
{
    static const struct test tests[] = { TEST(series_come_in_order) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
