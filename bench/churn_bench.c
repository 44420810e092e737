/* churn_bench.c
 *
 * Question: what do 30 days of churn cost the store: does its memory stay where it was, is the oldest
 *           sample still found, how large are the blocks?
 * Method:   a clock that is set by hand; SERIES series a minute, of which a tenth is replaced by new
 *           ones every hour, as deployments do; the store's rounds are run by hand after every five
 *           minutes. --quick: one day of 500 series.
 */
#include "base/clock.h"
#include "base/file.h"
#include "tsdb/tsdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 60000, STEPS_A_DAY = 1440, ROUND_STEPS = 5, HOUR_STEPS = 60 };

static int64_t now_ns;

static int64_t get_ns(void *state)
{
    (void)state;
    return now_ns;
}

static void wait_ns(void *state, int64_t duration_ns)
{
    (void)state;
    now_ns += duration_ns;
}

static const struct clock hand_clock = { .realtime_ns = get_ns,
                                         .monotonic_ns = get_ns,
                                         .wait_ns = wait_ns };

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "%s: %s\n", what, error->text);
    exit(1);
}

static void print(const char *name, double ours, const char *unit)
{
    (void)printf("%s %.4g - - %s\n", name, ours, unit);
}

static uint64_t resident_size(void)
{
    unsigned long long total = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%llu %llu", &total, &resident) != 2) resident = 0;
    (void)fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Series `i` in its `life`: a new life is a new series. */
static void append(struct sample_batch *batch, int i, int life, int64_t time_ms)
{
    char instance[32];
    char pod[48];
    char path[32];
    struct error error = { 0 };
    (void)snprintf(instance, sizeof(instance), "10.0.%d.%d:9100", i / 250, i % 250);
    (void)snprintf(path, sizeof(path), "/api/v1/resource%d", i % 20);
    (void)snprintf(pod, sizeof(pod), "web-%08x-%05d", (unsigned)life * 2654435761u, i);
    struct label items[] = {
        { STR("__name__"), STR("http_requests_total") },
        { STR("instance"), str_from(instance) },
        { STR("job"), STR("web") },
        { STR("path"), str_from(path) },
        { STR("pod"), str_from(pod) },
    };
    uint64_t ref = 0;
    struct labels labels = { items, ARRAY_LENGTH(items) };
    double value = (double)((time_ms / STEP_MS) * (i % 7) + i);
    if (batch->append(batch, &ref, labels, time_ms, value, &error) != 0) die("append", &error);
}

static void step(struct tsdb *db, int series, int *lives, int number)
{
    struct sample_sink sink = tsdb_sink(db);
    struct sample_batch *batch;
    struct error error = { 0 };
    now_ns += (int64_t)STEP_MS * 1000000;
    /* A tenth of the series begins a new life every hour. */
    for (int i = number / HOUR_STEPS % 10; number % HOUR_STEPS == 0 && i < series; i += 10) {
        lives[i]++;
    }
    if (sink.begin(sink.state, &batch, &error) != 0) die("begin", &error);
    for (int i = 0; i < series; i++) append(batch, i, lives[i], now_ns / 1000000);
    if (batch->commit(batch, &error) != 0) die("commit", &error);
    if (number % ROUND_STEPS == 0 && tsdb_maintain(db, &error) != 0) die("maintain", &error);
}

static size_t count_series(struct tsdb *db, int64_t start_ms, int64_t end_ms)
{
    struct series_source source = tsdb_source(db);
    struct series_query query = { .start_ms = start_ms,
                                  .end_ms = end_ms,
                                  .want = SERIES_WANT_LAST };
    struct arena arena;
    arena_init(&arena, (size_t)1 << 30);
    struct series_cursor *cursor;
    struct series_columns series;
    struct error error = { 0 };
    size_t count = 0;
    if (source.select(source.state, &query, &arena, &cursor, &error) != 0) die("select", &error);
    while (cursor->next(cursor, &series, &error) == 1) count++;
    cursor->close(cursor);
    arena_release(&arena);
    return count;
}

int main(int argc, char **argv)
{
    bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    int series = is_quick ? 500 : 1000;
    int steps = STEPS_A_DAY * (is_quick ? 1 : 30);
    const char *parent = getenv("TMPDIR");
    char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s/churn-bench-%d", parent == NULL ? "/tmp" : parent,
                   (int)getpid());
    struct tsdb_options options;
    tsdb_options_init(&options, folder);
    options.clock = &hand_clock;
    options.has_thread = false;
    options.sync = TSDB_SYNC_INTERVAL;
    now_ns = INT64_C(1700000000) * 1000000000;
    int64_t start_ms = now_ns / 1000000;
    struct tsdb *db;
    struct error error = { 0 };
    int *lives = calloc((size_t)series, sizeof(lives[0]));
    if (lives == NULL || tsdb_open(&db, &options, &error) != 0) die("open", &error);
    uint64_t head_day = 0;
    uint64_t resident_day = 0;
    struct tsdb_stats stats;
    for (int i = 1; i <= steps; i++) {
        step(db, series, lives, i);
        if (i != STEPS_A_DAY) continue;
        tsdb_stats(db, &stats);
        head_day = stats.head_size;
        resident_day = resident_size();
    }
    tsdb_stats(db, &stats);
    print("churn_series_created", (double)stats.series_created, "series");
    print("churn_series_in_memory", (double)stats.head_series, "series");
    print("churn_head_after_a_day", (double)head_day / 1048576, "MiB");
    print("churn_head_at_the_end", (double)stats.head_size / 1048576, "MiB");
    print("churn_resident_after_a_day", (double)resident_day / 1048576, "MiB");
    print("churn_resident_at_the_end", (double)resident_size() / 1048576, "MiB");
    print("churn_blocks", (double)stats.blocks, "blocks");
    print("churn_block_size", (double)stats.block_size / (double)stats.block_samples, "B/sample");
    print("churn_oldest_hour", (double)count_series(db, start_ms, start_ms + 3600000), "series");
    print("churn_newest_minutes", (double)count_series(db, now_ns / 1000000 - 300000, INT64_MAX),
          "series");
    tsdb_close(db);
    free(lives);
    if (file_remove_tree(&disk_system, folder, &error) != 0) die("clean up", &error);
    return 0;
}
