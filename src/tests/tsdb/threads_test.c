/* threads_test.c
 *
 * Goal:   writers, readers, cuts and merges at the same time: batches are seen whole or not at
 *         all, nothing vanishes or comes twice; and what was acknowledged before a kill -9 is
 *         there after it.
 * Method: each writer commits batches that give all its series the same time and value; readers
 *         compare the series of a writer with each other while a third thread cuts and merges. On
 *         the machine's disk, in a folder under TMPDIR or /tmp. For the kill a child process
 *         appends and tells through a pipe what was acknowledged.
 */
#include "base/random.h"
#include "base/thread.h"
#include "tests/test.h"
#include "tests/tsdb/model.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS INT64_C(1700000000000)

enum { WRITERS = 3, SERIES = 20, BATCHES = 150, KILLS = 10 };

static char folder[256];

static void make_folder(void)
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(folder, sizeof(folder), "%s/tsdb-test-%d", parent == NULL ? "/tmp" : parent,
                   (int)getpid());
    EXPECT_INT(0, file_remove_tree(&disk_system, folder, NULL));
    EXPECT_INT(0, disk_system.make_folder(disk_system.state, folder));
}

static void remove_folder(void)
{
    EXPECT_INT(0, file_remove_tree(&disk_system, folder, NULL));
}

struct worker {
    struct tsdb *db;
    int number;
    atomic_int *left; /* writers at work */
    bool has_failed;
};

struct series_text {
    char writer[16];
    char index[16];
    struct label items[3];
};

static struct labels labels_of(int writer, int index, struct series_text *text)
{
    (void)snprintf(text->writer, sizeof(text->writer), "w%d", writer);
    (void)snprintf(text->index, sizeof(text->index), "%d", index);
    text->items[0] = (struct label){ STR("__name__"), STR("m") };
    text->items[1] = (struct label){ STR("index"), str_from(text->index) };
    text->items[2] = (struct label){ STR("writer"), str_from(text->writer) };
    return (struct labels){ text->items, 3 };
}

static int put_step(struct tsdb *db, int writer, int step)
{
    struct sample_sink sink = tsdb_sink(db);
    struct sample_batch *batch;
    struct error error = { 0 };
    int code = sink.begin(sink.state, &batch, &error);
    for (int i = 0; i < SERIES && code == 0; i++) {
        struct series_text text;
        uint64_t ref = 0;
        code = batch->append(batch, &ref, labels_of(writer, i, &text), START_MS + step * 1000, step,
                             &error);
    }
    if (code == 0) return batch->commit(batch, &error);
    batch->rollback(batch);
    return code;
}

static void *write_steps(void *argument)
{
    struct worker *worker = argument;
    for (int step = 0; step < BATCHES; step++) {
        if (put_step(worker->db, worker->number, step) != 0) worker->has_failed = true;
    }
    atomic_fetch_sub(worker->left, 1);
    return NULL;
}

/* Samples of a writer's series: all SERIES have steps 0 to *count - 1, or -1. */
static int count_steps(struct tsdb *db, int writer)
{
    struct matcher matcher = { 0 };
    struct series_text text;
    struct labels labels = labels_of(writer, 0, &text);
    if (matcher_init(&matcher, MATCHER_EQUAL, STR("writer"), labels.items[2].value, NULL) != 0) {
        return -1;
    }
    struct series_source source = tsdb_source(db);
    struct series_query query = {
        .start_ms = INT64_MIN, .end_ms = INT64_MAX, .matchers = &matcher, .matcher_count = 1
    };
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct series_cursor *cursor;
    struct series_columns series;
    int count = 0;
    int found = 0;
    int code = source.select(source.state, &query, &arena, &cursor, NULL);
    if (code == 0) {
        while ((code = cursor->next(cursor, &series, NULL)) == 1) {
            if (found++ == 0) count = (int)series.count;
            if ((int)series.count != count) count = -1;
            for (int i = 0; i < count; i++) {
                if (series.times_ms[i] != START_MS + i * 1000) count = -1;
            }
            if (count < 0) break;
        }
        cursor->close(cursor);
    }
    arena_release(&arena);
    matcher_release(&matcher);
    return code < 0 || (found != 0 && found != SERIES) ? -1 : count;
}

static void *read_steps(void *argument)
{
    struct worker *worker = argument;
    int last[WRITERS] = { 0 };
    while (atomic_load(worker->left) > 0) {
        for (int i = 0; i < WRITERS; i++) {
            int count = count_steps(worker->db, i);
            if (count < last[i]) worker->has_failed = true;
            last[i] = count;
        }
    }
    return NULL;
}

static void *cut_and_merge(void *argument)
{
    struct worker *worker = argument;
    while (atomic_load(worker->left) > 0) {
        struct tsdb_stats stats;
        if (tsdb_flush(worker->db, NULL) != 0) worker->has_failed = true;
        if (tsdb_maintain(worker->db, NULL) != 0) worker->has_failed = true;
        tsdb_stats(worker->db, &stats);
        clock_wait_ms(&clock_system, 5);
    }
    return NULL;
}

static void batches_are_whole_for_readers(void)
{
    make_folder();
    struct tsdb_options options;
    tsdb_options_init(&options, folder);
    options.block_duration_ms = 10000;
    options.reserve_size = 0;
    struct tsdb *db = NULL;
    REQUIRE(tsdb_open(&db, &options, NULL) == 0);
    atomic_int left = WRITERS;
    struct worker workers[WRITERS + 2];
    pthread_t threads[WRITERS + 2];
    for (int i = 0; i < WRITERS + 2; i++) {
        workers[i] = (struct worker){ db, i, &left, false };
        void *(*run)(void *) = write_steps;
        if (i == WRITERS) run = read_steps;
        if (i == WRITERS + 1) run = cut_and_merge;
        EXPECT_INT(0, thread_start(&threads[i], "test", run, &workers[i], NULL));
    }
    for (int i = 0; i < WRITERS + 2; i++) {
        thread_join(threads[i]);
        EXPECT(!workers[i].has_failed);
    }
    for (int i = 0; i < WRITERS; i++) EXPECT_INT(BATCHES, count_steps(db, i));
    struct tsdb_stats stats;
    tsdb_stats(db, &stats);
    EXPECT_INT((int64_t)WRITERS * BATCHES, (int64_t)stats.batches_committed);
    tsdb_close(db);
    db = NULL;
    EXPECT_INT(0, tsdb_open(&db, &options, NULL));
    for (int i = 0; i < WRITERS; i++) EXPECT_INT(BATCHES, count_steps(db, i));
    tsdb_close(db);
    remove_folder();
}

static void second_opening_is_refused(void)
{
    make_folder();
    struct tsdb_options options;
    tsdb_options_init(&options, folder);
    struct tsdb *db = NULL;
    struct tsdb *other = NULL;
    struct error error = { 0 };
    REQUIRE(tsdb_open(&db, &options, NULL) == 0);
    EXPECT(tsdb_open(&other, &options, &error) != 0);
    EXPECT(strstr(error.text, "in use by process") != NULL);
    EXPECT(other == NULL);
    tsdb_close(db);
    remove_folder();
}

/* The child: appends from step on until it is killed, telling each acknowledged step. */
static void append_until_killed(int pipe_end, int step)
{
    struct tsdb_options options;
    tsdb_options_init(&options, folder);
    options.block_duration_ms = 60000;
    options.log_size_max = 64 << 10;
    options.reserve_size = 0;
    struct tsdb *db = NULL;
    if (tsdb_open(&db, &options, NULL) != 0) _exit(1);
    for (;; step++) {
        if (put_step(db, 0, step) != 0) _exit(2);
        if (write(pipe_end, &step, sizeof(step)) != (ssize_t)sizeof(step)) _exit(3);
        if (step % 50 == 49 && tsdb_maintain(db, NULL) != 0) _exit(4);
    }
}

static void acknowledged_steps_survive_kills(void)
{
    make_folder();
    struct random random;
    random_init(&random, 1);
    int acknowledged = -1;
    for (int round = 0; round < KILLS; round++) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        int first = acknowledged + 1;
        pid_t child = fork();
        if (child == 0) {
            (void)close(ends[0]);
            append_until_killed(ends[1], first);
        }
        (void)close(ends[1]);
        clock_wait_ms(&clock_system, 30 + (int64_t)random_below(&random, 150));
        EXPECT_INT(0, kill(child, SIGKILL));
        int step;
        while (read(ends[0], &step, sizeof(step)) == (ssize_t)sizeof(step)) acknowledged = step;
        (void)close(ends[0]);
        int status = 0;
        EXPECT(waitpid(child, &status, 0) == child);
        EXPECT(WIFSIGNALED(status));
        struct tsdb_options options;
        tsdb_options_init(&options, folder);
        struct tsdb *db = NULL;
        REQUIRE(tsdb_open(&db, &options, NULL) == 0);
        int count = count_steps(db, 0);
        EXPECT(count >= acknowledged + 1);
        acknowledged = count - 1;
        tsdb_close(db);
    }
    EXPECT(acknowledged > KILLS);
    remove_folder();
}

int main(void)
{
    static const struct test tests[] = {
        TEST(batches_are_whole_for_readers),
        TEST(second_opening_is_refused),
        TEST(acknowledged_steps_survive_kills),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
