/* tsdb_bench.c
 *
 * Question: what does a sample cost the store, in processor time, memory, log and blocks; how fast
 *           does it read, and open after a kill?
 * Method:   hosts of 1,000 series (counters, cents, noisy gauges, constants; 9 labels), every 15 s;
 *           batches of 2,000 samples, committed with fsync into a folder under TMPDIR or /tmp,
 *           which is removed. Once with labels alone, as remote write sends, once with references,
 *           as scrapes do. --quick: 20 hosts, 120 steps; else 100 hosts, 480 steps.
 */
#include "base/random.h"
#include "tsdb/tsdb.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PER_HOST = 1000, BATCH = 2000, STEP_MS = 15000, LABELS = 9 };

struct size {
    int hosts;
    int steps;
};

struct source {
    struct random random;
    double *values;
    uint64_t *refs;
    int series;
};

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double wall_seconds(void)
{
    return (double)clock_monotonic_ns(&clock_system) / 1e9;
}

static void print(const char *name, double ours, const char *unit)
{
    (void)printf("%s %.4g - - %s\n", name, ours, unit);
}

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "%s: %s\n", what, error->text);
    exit(1);
}

/* The next value of a series: its kind follows from its number. */
static double next_value(struct source *source, int number)
{
    double *value = &source->values[number];
    switch (number % 10) {
    case 0:
    case 1:
    case 2: *value += (double)random_below(&source->random, 1000); break; /* counter */
    case 3:
        *value = round(*value * 100 + (double)random_below(&source->random, 1500)) / 100;
        break; /* seconds */
    case 4: *value = round((*value + random_unit(&source->random)) * 100) / 100; break;
    case 5: *value = 1e9 + (double)random_below(&source->random, 100000) * 4096; break;
    case 6: *value = 50 + sin(random_unit(&source->random)); break;           /* full */
    case 7: *value += random_below(&source->random, 100) == 0 ? 1 : 0; break; /* hardly */
    default: break;                                                           /* constant */
    }
    return *value;
}

struct label_text {
    char text[4][48];
    struct label items[LABELS];
};

static struct labels labels_of(int number, struct label_text *text)
{
    int host = number / PER_HOST;
    int metric = number % PER_HOST;
    (void)snprintf(text->text[0], 48, "node_metric_%d_total", metric / 4);
    (void)snprintf(text->text[1], 48, "host-%d.example:9100", host);
    (void)snprintf(text->text[2], 48, "device%d", metric % 4);
    (void)snprintf(text->text[3], 48, "rack-%d", host % 20);
    struct label items[LABELS] = {
        { STR("__name__"), str_from(text->text[0]) },
        { STR("arch"), STR("x64") },
        { STR("datacenter"), STR("eu-central-1a") },
        { STR("device"), str_from(text->text[2]) },
        { STR("instance"), str_from(text->text[1]) },
        { STR("job"), STR("node") },
        { STR("os"), STR("Debian12") },
        { STR("rack"), str_from(text->text[3]) },
        { STR("team"), STR("storage") },
    };
    memcpy(text->items, items, sizeof(items));
    return (struct labels){ text->items, LABELS };
}

static void append_step(struct source *source, struct tsdb *db, int64_t time_ms, bool has_refs,
                        double *generating)
{
    struct sample_sink sink = tsdb_sink(db);
    struct error error = { 0 };
    static struct label_text texts[BATCH];
    static double values[BATCH];
    for (int from = 0; from < source->series; from += BATCH) {
        double start = cpu_seconds();
        struct sample_batch *batch;
        struct labels labels[BATCH];
        for (int i = 0; i < BATCH; i++) {
            values[i] = next_value(source, from + i);
            labels[i] = labels_of(from + i, &texts[i]);
        }
        *generating += cpu_seconds() - start;
        if (sink.begin(sink.state, &batch, &error) != 0) die("begin", &error);
        for (int i = 0; i < BATCH; i++) {
            uint64_t fresh = 0;
            uint64_t *ref = has_refs ? &source->refs[from + i] : &fresh;
            if (batch->append(batch, ref, labels[i], time_ms, values[i], &error) != 0) {
                die("append", &error);
            }
        }
        if (batch->commit(batch, &error) != 0) die("commit", &error);
    }
}

static void append_all(struct source *source, struct tsdb *db, struct size size, int64_t *time_ms)
{
    static const char *const names[] = { "tsdb_append_by_labels", "tsdb_append_by_ref" };
    for (int round = 0; round < 2; round++) {
        double generating = 0;
        double cpu = cpu_seconds();
        double wall = wall_seconds();
        int steps = size.steps / 2;
        for (int i = 0; i < steps; i++) {
            *time_ms += STEP_MS;
            append_step(source, db, *time_ms, round == 1, &generating);
        }
        double samples = (double)steps * source->series;
        print(names[round], (cpu_seconds() - cpu - generating) / samples * 1e9, "ns/sample");
        if (round == 1) {
            print("tsdb_append_rate", samples / (wall_seconds() - wall - generating), "samples/s");
        }
    }
}

static void measure_create(struct source *source, struct tsdb *db, int64_t time_ms)
{
    double generating = 0;
    double cpu = cpu_seconds();
    append_step(source, db, time_ms, false, &generating);
    print("tsdb_create_series", (cpu_seconds() - cpu - generating) / source->series * 1e9,
          "ns/series");
    struct tsdb_stats stats;
    tsdb_stats(db, &stats);
    print("tsdb_new_series_memory", (double)stats.head_size / (double)stats.head_series,
          "B/series");
}

static void measure_memory(struct tsdb *db, double samples)
{
    struct tsdb_stats stats;
    tsdb_stats(db, &stats);
    print("tsdb_head_series_memory",
          (double)(stats.head_size - stats.head_chunk_size) / (double)stats.head_series,
          "B/series");
    print("tsdb_head_sample_memory",
          (double)stats.head_chunk_size / (double)(stats.head_samples + 1), "B/sample");
    print("tsdb_log_size", (double)stats.log_write_size / samples, "B/sample");
    print("tsdb_log_syncs", (double)stats.log_syncs, "syncs");
    print("tsdb_log_sync_mean", (double)stats.log_sync_ns / (double)stats.log_syncs / 1e3, "us");
}

static void measure_select(struct tsdb *db, const char *name, int64_t start_ms, int64_t end_ms)
{
    struct matcher matchers[1] = { { 0 } };
    struct error error = { 0 };
    if (matcher_init(&matchers[0], MATCHER_REGEX, STR("__name__"), STR("node_metric_1.?.?_total"),
                     &error) != 0) {
        die("matcher", &error);
    }
    struct series_source source = tsdb_source(db);
    struct series_query query = {
        .start_ms = start_ms, .end_ms = end_ms, .matchers = matchers, .matcher_count = 1
    };
    struct arena arena;
    arena_init(&arena, (size_t)4 << 30);
    double best = 1e9;
    size_t series_count = 0;
    size_t samples = 0;
    for (int round = 0; round < 5; round++) {
        double start = wall_seconds();
        struct series_cursor *cursor;
        struct series_columns series;
        series_count = 0;
        samples = 0;
        if (source.select(source.state, &query, &arena, &cursor, &error) != 0)
            die("select", &error);
        while (cursor->next(cursor, &series, &error) == 1) {
            series_count++;
            samples += series.count;
        }
        cursor->close(cursor);
        arena_reset(&arena);
        double spent = wall_seconds() - start;
        if (spent < best) best = spent;
    }
    (void)printf("%s %.4g - - ms (%zu series, %zu samples)\n", name, best * 1e3, series_count,
                 samples);
    arena_release(&arena);
    matcher_release(&matchers[0]);
}

static struct tsdb *open_db(const struct tsdb_options *options)
{
    struct tsdb *db;
    struct error error = { 0 };
    if (tsdb_open(&db, options, &error) != 0) die("open", &error);
    return db;
}

static void measure_blocks(struct tsdb *db)
{
    struct error error = { 0 };
    double start = cpu_seconds();
    if (tsdb_flush(db, &error) != 0) die("flush", &error);
    double spent = cpu_seconds() - start;
    if (tsdb_maintain(db, &error) != 0) die("maintain", &error);
    struct tsdb_stats stats;
    tsdb_stats(db, &stats);
    print("tsdb_cut", spent, "s");
    print("tsdb_blocks", (double)stats.blocks, "blocks");
    print("tsdb_block_size", (double)stats.block_size / (double)stats.block_samples, "B/sample");
}

static void measure_store(struct size size, const char *folder)
{
    struct tsdb_options options;
    tsdb_options_init(&options, folder);
    struct source source = { .series = size.hosts * PER_HOST };
    random_init(&source.random, 1);
    source.values = calloc((size_t)source.series, sizeof(double));
    source.refs = calloc((size_t)source.series, sizeof(uint64_t));
    if (source.values == NULL || source.refs == NULL) exit(1);
    int64_t now_ms = clock_realtime_ms(&clock_system);
    int64_t start_ms = now_ms - (int64_t)size.steps * STEP_MS - 60000;
    int64_t time_ms = start_ms;
    struct tsdb *db = open_db(&options);
    measure_create(&source, db, time_ms);
    append_all(&source, db, size, &time_ms);
    measure_memory(db, (double)(size.steps + 1) * source.series);
    measure_select(db, "tsdb_select_head_all", start_ms, time_ms);
    measure_select(db, "tsdb_select_head_5m", time_ms - 300000, time_ms);
    tsdb_close(db);
    db = open_db(&options);
    struct tsdb_stats stats;
    tsdb_stats(db, &stats);
    print("tsdb_open_with_log", (double)stats.replay_ns / 1e6, "ms");
    print("tsdb_replay", (double)stats.replay_ns / (double)(stats.samples_replayed + 1),
          "ns/sample");
    measure_blocks(db);
    measure_select(db, "tsdb_select_block_all", start_ms, time_ms);
    measure_select(db, "tsdb_select_block_5m", time_ms - 300000, time_ms);
    tsdb_close(db);
    double start = wall_seconds();
    db = open_db(&options);
    print("tsdb_open_with_blocks", (wall_seconds() - start) * 1e3, "ms");
    tsdb_close(db);
    free(source.values);
    free(source.refs);
}

int main(int argc, char **argv)
{
    struct size size = { 100, 480 };
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) size = (struct size){ 20, 120 };
    const char *parent = getenv("TMPDIR");
    char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s/tsdb-bench-%d", parent == NULL ? "/tmp" : parent,
                   (int)getpid());
    measure_store(size, folder);
    struct error error = { 0 };
    if (file_remove_tree(&disk_system, folder, &error) != 0) die("clean up", &error);
    return 0;
}
