/* tool_test.c
 *
 * Goal:   what goes into a store comes out of `barograph tsdb dump` bit by bit, of every type;
 *         `verify` finds any flipped bit of a block; blocks of Prometheus carry all that they can.
 * Method: random samples, as the twin of the simulation makes them, into a store on the disk, part
 *         of it left in the log; dumped, and each line read back by a reader of its own. Then bits
 *         of the blocks turned over, one at a time.
 * Run:    TOOL_SAMPLES (default 30000) and TOOL_FLIPS (default 300) choose how many.
 */
#include "base/check.h"
#include "base/file.h"
#include "base/random.h"
#include "metrics_server/metrics_server.h"
#include "model/sample.h"
#include "tests/sim/clock.h"
#include "tests/sim/twin.h"
#include "tests/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)

enum { STEP_MS = 1000, BATCH_STEPS = 50, LINE_SIZE_MAX = 1 << 16 };

static char folder[64];

static int64_t number_of(const char *variable, int64_t otherwise)
{
    int64_t number = otherwise;
    const char *text = getenv(variable);
    if (text != NULL && !str_to_int64(str_from(text), &number)) return otherwise;
    return number;
}

static char *path_of(const char *name)
{
    static char paths[16][256];
    static int next;
    char *path = paths[next = (next + 1) % 16];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* Runs the tool with its output in a file; the exit status. */
static int run_tool(const char *output, const char *const *words)
{
    int count = 0;
    while (words[count] != NULL) count++;
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int file = open(path_of(output), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)dup2(file, STDOUT_FILENO);
        int code = metrics_server_tsdb_main(count, (char **)(uintptr_t)words);
        (void)fflush(stdout);
        _exit(code);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int dump(const char *store, const char *output)
{
    const char *const argv[] = { "tsdb", "dump", path_of(store), NULL };
    return run_tool(output, argv);
}

/* ---- the store ---- */

static void append_all(struct sample_batch *batch, int64_t first_ms, struct arena *arena)
{
    for (int64_t time_ms = first_ms; time_ms < first_ms + BATCH_STEPS * STEP_MS;
         time_ms += STEP_MS) {
        for (int i = 0; i < TWIN_SERIES; i++) {
            struct twin_labels text;
            uint64_t ref = 0;
            arena_reset(arena);
            struct twin_sample sample = twin_sample(i, time_ms, arena);
            struct labels labels = twin_labels(i, &text);
            batch->set_start(batch, sample.start_ms);
            int code =
                sample.histogram != NULL
                    ? batch->append_histogram(batch, &ref, labels, time_ms, sample.histogram, NULL)
                    : batch->append(batch, &ref, labels, time_ms, sample.value, NULL);
            EXPECT_INT(0, code);
        }
    }
}

/* Writes samples of all types; the last part stays in the log. Gives their count a series. */
static int64_t fill_store(void)
{
    int64_t batches = number_of("TOOL_SAMPLES", 30000) / (TWIN_SERIES * BATCH_STEPS) + 1;
    struct sim_clock clock;
    struct tsdb_options options;
    struct tsdb *db;
    struct arena arena;
    sim_clock_init(&clock, START_MS + batches * BATCH_STEPS * STEP_MS);
    tsdb_options_init(&options, path_of("store"));
    options.clock = &clock.table;
    options.has_thread = false;
    EXPECT_INT(0, tsdb_open(&db, &options, NULL));
    arena_init(&arena, 1 << 20);
    struct sample_sink sink = tsdb_sink(db);
    for (int64_t i = 0; i < batches; i++) {
        struct sample_batch *batch;
        EXPECT_INT(0, sink.begin(sink.state, &batch, NULL));
        append_all(batch, START_MS + i * BATCH_STEPS * STEP_MS, &arena);
        EXPECT_INT(0, batch->commit(batch, NULL));
        if (i % (batches / 4 + 1) == batches / 4) EXPECT_INT(0, tsdb_flush(db, NULL));
        EXPECT_INT(0, tsdb_maintain(db, NULL));
    }
    arena_release(&arena);
    tsdb_close(db);
    return batches * BATCH_STEPS;
}

/* ---- reading a dump ---- */

static bool read_number(const char **at, double *value)
{
    char *end;
    if (strncmp(*at, "NaN(", 4) == 0) {
        *value = sample_from_bits(strtoull(*at + 4, &end, 16));
        *at = end + 1;
        return *end == ')';
    }
    *value = strtod(*at, &end);
    if (strncmp(*at, "NaN", 3) == 0) *value = sample_from_bits(SAMPLE_NORMAL_BITS);
    bool is_good = end != *at;
    *at = end;
    return is_good;
}

static bool pass(const char **at, const char *text)
{
    size_t size = strlen(text);
    if (strncmp(*at, text, size) != 0) return false;
    *at += size;
    return true;
}

static bool read_buckets(const char **at, struct arena *arena, const struct histogram_bucket **out,
                         size_t *count)
{
    enum { BUCKETS_MAX = 64 };
    struct histogram_bucket *buckets = ARENA_ARRAY(arena, struct histogram_bucket, BUCKETS_MAX);
    *out = buckets;
    for (*count = 0; *count < BUCKETS_MAX; ++*count) {
        char *end;
        buckets[*count].index = (int32_t)strtoll(*at, &end, 10);
        *at = end;
        if (!pass(at, ":") || !read_number(at, &buckets[*count].count)) return false;
        if (!pass(at, " ")) {
            ++*count;
            return pass(at, "]");
        }
    }
    return false;
}

static bool read_bounds(const char **at, struct arena *arena, struct histogram *histogram)
{
    enum { BOUNDS_MAX = 64 };
    double *bounds = ARENA_ARRAY(arena, double, BOUNDS_MAX);
    histogram->bounds = bounds;
    do {
        if (!read_number(at, &bounds[histogram->bound_count++])) return false;
    } while (pass(at, " "));
    return pass(at, "]");
}

static bool read_hint(const char **at, struct histogram *histogram)
{
    static const char *const hints[] = { "", "reset", "not_reset", "gauge" };
    for (size_t i = ARRAY_LENGTH(hints); i-- > 1;) {
        if (!pass(at, hints[i])) continue;
        histogram->hint = (enum histogram_hint)i;
        return true;
    }
    return false;
}

static bool read_histogram(const char **at, struct arena *arena, struct histogram *histogram)
{
    *histogram = (struct histogram){ 0 };
    char *end;
    if (!pass(at, "{{schema:")) return false;
    histogram->schema = (int32_t)strtoll(*at, &end, 10);
    *at = end;
    bool is_good = true;
    while (is_good && !pass(at, "}}")) {
        is_good = pass(at, " ");
        if (pass(at, "count:")) is_good = read_number(at, &histogram->count);
        if (pass(at, "sum:")) is_good = read_number(at, &histogram->sum);
        if (pass(at, "z_bucket:")) is_good = read_number(at, &histogram->zero_count);
        if (pass(at, "z_bucket_w:")) is_good = read_number(at, &histogram->zero_threshold);
        if (pass(at, "buckets:[")) {
            is_good = read_buckets(at, arena, &histogram->positive, &histogram->positive_count);
        }
        if (pass(at, "n_buckets:[")) {
            is_good = read_buckets(at, arena, &histogram->negative, &histogram->negative_count);
        }
        if (pass(at, "custom_values:[")) is_good = read_bounds(at, arena, histogram);
        if (pass(at, "hint:")) is_good = read_hint(at, histogram);
        if (pass(at, "whole:1")) histogram->is_integer = true;
    }
    return is_good;
}

/* Whether the line is what the twin says; *number and *time_ms: which sample it is of. */
static bool is_line_right(const char *line, struct arena *arena, int *number, int64_t *time_ms)
{
    struct twin_labels text;
    char labels[256];
    struct histogram histogram;
    bool is_histogram = false;
    double value = 0;
    const char *at = line;
    for (*number = 0; *number < TWIN_SERIES; ++*number) {
        struct labels wanted = twin_labels(*number, &text);
        int size = 0;
        for (size_t i = 0; i < wanted.count; i++) {
            size += snprintf(labels + size, sizeof(labels) - (size_t)size,
                             "%s" STR_FMT "=\"" STR_FMT "\"", i == 0 ? "{" : ", ",
                             STR_ARG(wanted.items[i].name), STR_ARG(wanted.items[i].value));
        }
        (void)snprintf(labels + size, sizeof(labels) - (size_t)size, "} ");
        if (pass(&at, labels)) break;
    }
    if (at == line) return false;
    if (strncmp(at, "{{", 2) == 0) {
        is_histogram = true;
        if (!read_histogram(&at, arena, &histogram)) return false;
    } else if (!read_number(&at, &value)) {
        return false;
    }
    char *end;
    *time_ms = strtoll(at, &end, 10);
    at = end;
    int64_t start_ms = pass(&at, " start=") ? strtoll(at, &end, 10) : 0;
    struct twin_sample want = twin_sample(*number, *time_ms, arena);
    if (*end != '\n' || start_ms != want.start_ms) return false;
    if (is_histogram != (want.histogram != NULL)) return false;
    return is_histogram ? histogram_identical(&histogram, want.histogram)
                        : sample_bits(value) == sample_bits(want.value);
}

static int64_t check_dump(const char *output)
{
    FILE *file = fopen(path_of(output), "r");
    char *line = malloc(LINE_SIZE_MAX);
    struct arena arena;
    int64_t count = 0;
    int64_t last_ms = INT64_MIN;
    int last = -1;
    CHECK(file != NULL);
    CHECK(line != NULL);
    arena_init(&arena, 1 << 20);
    while (fgets(line, LINE_SIZE_MAX, file) != NULL) {
        int number;
        int64_t time_ms = 0;
        arena_reset(&arena);
        bool is_right = is_line_right(line, &arena, &number, &time_ms);
        if (!is_right) printf("# line %" PRId64 ": %s", count + 1, line);
        EXPECT(is_right);
        EXPECT(number != last || time_ms > last_ms);
        last = number;
        last_ms = time_ms;
        count++;
        if (!is_right) break;
    }
    (void)fclose(file);
    free(line);
    arena_release(&arena);
    return count;
}

static void dumps_what_was_written(void)
{
    int64_t steps = fill_store();
    EXPECT_INT(0, dump("store", "dump.txt"));
    EXPECT_INT(steps * TWIN_SERIES, check_dump("dump.txt"));
}

/* ---- flipped bits ---- */

struct block_files {
    char paths[64][FILE_PATH_SIZE];
    size_t count;
};

static int add_block(void *argument, const char *name)
{
    struct block_files *files = argument;
    if (files->count == ARRAY_LENGTH(files->paths)) return 0;
    return file_join(files->paths[files->count++], path_of("store/blocks"), name, NULL);
}

static void flip(const char *path, off_t offset, int bit)
{
    unsigned char byte;
    int file = open(path, O_RDWR);
    CHECK(file >= 0);
    CHECK(pread(file, &byte, 1, offset) == 1);
    byte = (unsigned char)(byte ^ (1 << bit));
    CHECK(pwrite(file, &byte, 1, offset) == 1);
    (void)close(file);
}

static void note_damage(void *argument, const char *file, const struct error *cause)
{
    (void)file;
    if (cause != NULL) ++*(int *)argument;
}

static void every_flipped_bit_is_found(void)
{
    int64_t flips = number_of("TOOL_FLIPS", 300);
    struct block_files files = { 0 };
    struct random random;
    int missed = 0;
    random_init(&random, 6);
    EXPECT_INT(0, disk_system.list(disk_system.state, path_of("store/blocks"), add_block, &files));
    EXPECT(files.count > 0);
    for (int64_t i = 0; i < flips; i++) {
        const char *path = files.paths[random_below(&random, files.count)];
        struct disk_info info;
        int damaged = 0;
        EXPECT_INT(0, disk_system.info(disk_system.state, path, &info));
        off_t offset = (off_t)random_below(&random, info.size);
        int bit = (int)random_below(&random, 8);
        flip(path, offset, bit);
        EXPECT_INT(0, tsdb_verify(&disk_system, path, note_damage, &damaged, NULL));
        if (damaged != 1) {
            printf("# %s: bit %d of byte %lld is missed\n", path, bit, (long long)offset);
            missed++;
        }
        flip(path, offset, bit);
    }
    int damaged = 0;
    EXPECT_INT(0, tsdb_verify(&disk_system, path_of("store"), note_damage, &damaged, NULL));
    EXPECT_INT(0, damaged);
    EXPECT_INT(0, missed);
}

/* A block of which a part is damaged is set aside, and what other blocks hold is served. */
static void damaged_blocks_are_set_aside(void)
{
    struct block_files files = { 0 };
    struct disk_info info;
    EXPECT_INT(0, disk_system.list(disk_system.state, path_of("store/blocks"), add_block, &files));
    EXPECT_INT(0, disk_system.info(disk_system.state, files.paths[0], &info));
    flip(files.paths[0], (off_t)info.size - 100, 3);
    EXPECT_INT(0, dump("store", "rest.txt"));
    EXPECT(check_dump("rest.txt") > 0);
    char aside[FILE_PATH_SIZE + 16];
    (void)snprintf(aside, sizeof(aside), "%s.damaged", files.paths[0]);
    EXPECT_INT(0, disk_system.info(disk_system.state, aside, &info));
    const char *const argv[] = { "tsdb", "verify", path_of("store"), NULL };
    EXPECT_INT(1, run_tool("verdict.txt", argv));
}

/* ---- blocks of Prometheus ---- */

static int64_t count_lines(const char *output, const char *with)
{
    FILE *file = fopen(path_of(output), "r");
    char *line = malloc(LINE_SIZE_MAX);
    int64_t count = 0;
    CHECK(file != NULL);
    CHECK(line != NULL);
    while (fgets(line, LINE_SIZE_MAX, file) != NULL) {
        if (with != NULL && strstr(line, with) == NULL) continue;
        count++;
    }
    (void)fclose(file);
    free(line);
    return count;
}

/* Float lines of both dumps, without starts, are the same. */
static void same_floats(const char *a, const char *b)
{
    char command[1024];
    (void)snprintf(command, sizeof(command),
                   "sed 's/ start=.*//' %s | grep -v '{{' > %s.f; grep -v '{{' %s | cmp - %s.f",
                   path_of(a), path_of(a), path_of(b), path_of(a));
    EXPECT_INT(0, system(command));
}

static void goes_out_and_comes_back(void)
{
    const char *const export[] = { "tsdb",           "export", "--output", path_of("blocks"),
                                   path_of("store"), NULL };
    const char *const import[] = { "tsdb",          "import", "prometheus", path_of("blocks"),
                                   path_of("back"), NULL };
    EXPECT_INT(0, run_tool("export.txt", export));
    EXPECT_INT(0, run_tool("import.txt", import));
    EXPECT_INT(0, dump("back", "back.txt"));
    EXPECT_INT(count_lines("dump.txt", NULL), count_lines("back.txt", NULL));
    EXPECT_INT(count_lines("dump.txt", "{{"), count_lines("back.txt", "{{"));
    same_floats("dump.txt", "back.txt");
}

int main(void)
{
    static const struct test tests[] = {
        TEST(dumps_what_was_written),
        TEST(goes_out_and_comes_back),
        TEST(every_flipped_bit_is_found),
        TEST(damaged_blocks_are_set_aside),
    };
    (void)snprintf(folder, sizeof(folder), "/tmp/tool_test.%d", (int)getpid());
    EXPECT_INT(0, mkdir(folder, 0700));
    int code = test_main(tests, ARRAY_LENGTH(tests));
    (void)!file_remove_tree(&disk_system, folder, NULL);
    return code;
}
