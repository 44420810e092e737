/* region_test.c
 *
 * Goal:   processes that count into one region lose nothing, whoever is killed; every wrong use
 *         is a clear error and a count; no region, however broken, crashes its reader.
 * Method: workers are forked before the library is used, so that each can choose its own mode;
 *         they report what returned in a page of their own, and some are killed with SIGKILL.
 */
#include "prometheus/prometheus.h"

#include "base/random.h"
#include "base/str.h"
#include "tests/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 6, WORKER_THREADS = 2, RUN_MS = 150 };

static char path[128];

static void nap_ms(int ms)
{
    struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&pause, NULL);
}

/* ---- Exactness ---- */

struct tally { /* one a thread, a cache line apart */
    _Alignas(64) volatile uint64_t returned;
    volatile uint64_t observed;
};

struct board {
    volatile int stop;
    struct tally tallies[WORKERS][WORKER_THREADS];
};

struct job {
    struct pm_client *client;
    struct board *board;
    struct tally *tally;
    int number;
};

static void *count_until_told(void *arg)
{
    struct job *job = arg;
    char value[16];
    (void)snprintf(value, sizeof(value), "%d", job->number % 3);
    struct pm_counter *family = pm_client_counter(job->client, "jobs_total", "Jobs.", "w");
    struct pm_histogram *histogram = pm_client_histogram(job->client, "lat_seconds", "Latency.");
    struct pm_counter *counter = pm_counter_with(family, value);
    for (int i = 0; !job->board->stop; i++) {
        pm_inc(counter);
        job->tally->returned++;
        if (i % 64 != 0) continue;
        pm_observe(histogram, 0.3);
        job->tally->observed++;
        (void)snprintf(value, sizeof(value), "n%d", i % 50); /* creation, while others die in it */
        (void)pm_counter_with(family, value);
    }
    return NULL;
}

static void run_worker(struct board *board, int number, enum pm_mode mode)
{
    struct pm_client *client = NULL;
    struct pm_error error;
    if (pm_set_mode(mode) < 0) _exit(3);
    for (int i = 0; i < 2000 && pm_client_open(&client, path, &error) < 0; i++) nap_ms(1);
    if (client == NULL) _exit(4);
    struct job jobs[WORKER_THREADS];
    pthread_t threads[WORKER_THREADS];
    for (int i = 0; i < WORKER_THREADS; i++) {
        jobs[i] = (struct job){ client, board, &board->tallies[number][i], number };
        if (pthread_create(&threads[i], NULL, count_until_told, &jobs[i]) != 0) _exit(5);
    }
    for (int i = 0; i < WORKER_THREADS; i++) (void)pthread_join(threads[i], NULL);
    pm_client_close(client);
    _exit(0);
}

/* The daemon's side: kills half of the workers at random moments, then checks the sums. */
static int run_daemon(struct board *board, pid_t *pids)
{
    struct pm_error error;
    struct pm_daemon *daemon_side = NULL;
    struct pm_daemon_options options = { .path = path };
    struct pm_registry *registry = NULL;
    if (pm_daemon_open(&daemon_side, &options, &error) < 0) return 10;
    if (pm_registry_new(&registry, &error) < 0) return 11;
    if (pm_daemon_register(daemon_side, registry, &error) < 0) return 12;
    struct random dice;
    random_init(&dice, (uint64_t)getpid());
    int killed = 0;
    for (int i = 0; i < WORKERS / 2; i++) {
        nap_ms(20 + (int)random_below(&dice, RUN_MS / 3));
        (void)kill(pids[i * 2], SIGKILL);
        killed += WORKER_THREADS;
        free(pm_render_text(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, NULL));
    }
    board->stop = 1;
    for (int i = 0; i < WORKERS; i++) {
        int status = -1;
        if (waitpid(pids[i], &status, 0) != pids[i]) return 13;
        if (i % 2 == 1 && status != 0) return 14;
    }
    uint64_t returned = 0;
    uint64_t observed = 0;
    for (int i = 0; i < WORKERS * WORKER_THREADS; i++) {
        returned += board->tallies[i / WORKER_THREADS][i % WORKER_THREADS].returned;
        observed += board->tallies[i / WORKER_THREADS][i % WORKER_THREADS].observed;
    }
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        char value[16];
        double part = 0;
        (void)snprintf(value, sizeof(value), "%d", i);
        (void)pm_sample(registry, &part, "jobs_total", "w", value);
        sum += part;
    }
    double count = 0;
    (void)pm_sample(registry, &count, "lat_seconds_count");
    /* One update of a killed thread may be done and not yet reported. */
    bool is_exact = sum >= (double)returned && sum <= (double)(returned + (uint64_t)killed);
    bool is_whole = count >= (double)observed && count <= (double)(observed + (uint64_t)killed);
    if (!is_exact || !is_whole) {
        (void)fprintf(stderr, "# counted %.0f of %llu, observed %.0f of %llu\n", sum,
                      (unsigned long long)returned, count, (unsigned long long)observed);
    }
    pm_daemon_close(daemon_side);
    pm_registry_free(registry);
    return returned == 0 ? 15 : is_exact && is_whole ? 0 : 16;
}

/* modes: one a worker, in turn. */
static void count_with(const enum pm_mode *modes, size_t mode_count)
{
    struct board *board =
        mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(board != MAP_FAILED);
    (void)unlink(path);
    pid_t daemon_pid = fork();
    if (daemon_pid == 0) {
        pid_t pids[WORKERS];
        for (int i = 0; i < WORKERS; i++) {
            pids[i] = fork();
            if (pids[i] == 0) run_worker(board, i, modes[(size_t)i % mode_count]);
        }
        _exit(run_daemon(board, pids));
    }
    int status = -1;
    REQUIRE(daemon_pid > 0 && waitpid(daemon_pid, &status, 0) == daemon_pid);
    EXPECT(WIFEXITED(status));
    EXPECT_INT(0, WEXITSTATUS(status));
    (void)munmap(board, sizeof(*board));
    (void)unlink(path);
}

static void kills_lose_nothing_with_rseq(void)
{
    static const enum pm_mode modes[] = { PM_MODE_AUTO };
    count_with(modes, 1);
}

static void kills_lose_nothing_with_lock_add(void)
{
    static const enum pm_mode modes[] = { PM_MODE_ATOMIC };
    count_with(modes, 1);
}

static void kills_lose_nothing_with_thread_lanes(void)
{
    static const enum pm_mode modes[] = { PM_MODE_THREAD };
    count_with(modes, 1);
}

static void kills_lose_nothing_with_all_modes_at_once(void)
{
    static const enum pm_mode modes[] = { PM_MODE_AUTO, PM_MODE_ATOMIC, PM_MODE_THREAD };
    count_with(modes, 3);
}

/* ---- Errors ---- */

static struct pm_daemon *daemon_side;
static struct pm_client *client;
static struct pm_registry *registry;

static bool start(const struct pm_daemon_options *options)
{
    struct pm_error error;
    struct pm_daemon_options own = *options;
    own.path = path;
    (void)unlink(path);
    return pm_daemon_open(&daemon_side, &own, &error) == 0 &&
           pm_registry_new(&registry, &error) == 0 &&
           pm_daemon_register(daemon_side, registry, &error) == 0 &&
           pm_client_open(&client, path, &error) == 0;
}

static void stop(void)
{
    pm_client_close(client);
    pm_daemon_close(daemon_side);
    pm_registry_free(registry);
    (void)unlink(path);
}

static double shown(const char *name)
{
    double value = -12345;
    (void)pm_sample(registry, &value, name);
    return value;
}

static double errors_of(const char *reason)
{
    double value = -1;
    (void)pm_sample(registry, &value, "pm_region_errors_total", "reason", reason);
    return value;
}

static void wrong_uses_are_errors_and_counts(void)
{
    static const struct pm_label label = { "q", "x" };
    REQUIRE(start(&(struct pm_daemon_options){ 0 }));
    pm_inc(pm_client_counter(client, "jobs_total", "Jobs."));
    struct pm_error error = { 0 };
    struct pm_command command = { .action = PM_DO_SET, .name = "jobs", .has_value = true };
    EXPECT_INT(PM_ERROR_TYPE, pm_client_command(client, &command, &error));
    EXPECT(strstr(error.text, "jobs_total") != NULL);
    EXPECT(errors_of("type") == 1);
    command = (struct pm_command){
        .action = PM_DO_INC, .name = "jobs", .labels = &label, .label_count = 1
    };
    EXPECT_INT(PM_ERROR_LABELS, pm_client_command(client, &command, &error));
    EXPECT(errors_of("labels") == 1);
    command = (struct pm_command){ .action = PM_DO_INC, .name = "other", .must_exist = true };
    EXPECT_INT(PM_ERROR_UNKNOWN, pm_client_command(client, &command, &error));
    EXPECT(errors_of("unknown") == 1);
    command =
        (struct pm_command){ .action = PM_DO_INC, .name = "jobs", .has_value = true, .value = -1 };
    EXPECT_INT(PM_ERROR_VALUE, pm_client_command(client, &command, &error));
    EXPECT(errors_of("value") == 1);
    command = (struct pm_command){ .action = PM_DO_INC, .name = "2bad" };
    EXPECT_INT(PM_ERROR_NAME, pm_client_command(client, &command, &error));
    EXPECT(errors_of("name") == 1);
    EXPECT(shown("jobs_total") == 1);
    stop();
}

static int write_text(void *arg, const char *data, size_t size)
{
    char *text = arg;
    if (strlen(text) + size > 4000) return -1;
    strncat(text, data, size);
    return 0;
}

static void commands_do_what_they_say(void)
{
    static const struct pm_label label = { "q", "mail" };
    static const char *const states[] = { "off", "on" };
    static const double bounds[] = { 1, 2 };
    REQUIRE(start(&(struct pm_daemon_options){ 0 }));
    const struct pm_command commands[] = {
        { .action = PM_DO_INC, .name = "jobs_total", .labels = &label, .label_count = 1 },
        { .action = PM_DO_INC,
          .name = "jobs_total",
          .labels = &label,
          .label_count = 1,
          .has_value = true,
          .value = 24 },
        { .action = PM_DO_DEC, .name = "balance" },
        { .action = PM_DO_DEC, .name = "balance" },
        { .action = PM_DO_OBSERVE, .name = "s", .has_value = true, .value = 2.5 },
        { .action = PM_DO_OBSERVE,
          .name = "h",
          .has_value = true,
          .value = 1.5,
          .bounds = bounds,
          .bound_count = 2 },
        { .action = PM_DO_INFO, .name = "build", .labels = &label, .label_count = 1 },
        { .action = PM_DO_STATE, .name = "job", .state = "on", .states = states, .state_count = 2 },
        { .action = PM_DO_SET, .name = "gone", .has_value = true, .value = 1 },
        { .action = PM_DO_REMOVE, .name = "gone" },
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct pm_command command = commands[i];
        struct pm_error error = { 0 };
        command.path = path;
        EXPECT_INT(0, pm_command_run(&command, NULL, NULL, &error));
        test_context(error.text);
    }
    EXPECT(shown("balance") == -2);
    char text[4096] = "";
    struct pm_command list = { .action = PM_DO_LIST, .path = path };
    EXPECT_INT(0, pm_command_run(&list, write_text, text, NULL));
    static const char want[] =
        "# HELP balance Made by a script.\n# TYPE balance gauge\nbalance -2\n"
        "# HELP build_info Made by a script.\n# TYPE build_info gauge\nbuild_info{q=\"mail\"} 1\n"
        "# HELP h Made by a script.\n# TYPE h histogram\n"
        "h_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1.5\nh_count "
        "1\n"
        "# HELP job Made by a script.\n# TYPE job gauge\njob{job=\"off\"} 0\njob{job=\"on\"} 1\n"
        "# HELP jobs_total Made by a script.\n# TYPE jobs_total counter\n"
        "jobs_total{q=\"mail\"} 25\n"
        "# HELP s Made by a script.\n# TYPE s summary\ns_sum 2.5\ns_count 1\n";
    EXPECT_STR(want, ((struct str){ text, strlen(text) }));
    stop();
}

enum { SCRIPTS = 10, SCRIPT_COMMANDS = 60 };

static void run_script(int number)
{
    for (int i = 0; i < SCRIPT_COMMANDS; i++) {
        char value[16];
        (void)snprintf(value, sizeof(value), "%d", (i + number) % 7);
        struct pm_label label = { "n", value };
        struct pm_command command = { .action = PM_DO_INC,
                                      .path = path,
                                      .name = "runs_total",
                                      .labels = &label,
                                      .label_count = 1 };
        if (pm_command_run(&command, NULL, NULL, NULL) < 0) _exit(1);
    }
    _exit(0);
}

static void ten_scripts_at_once_lose_nothing(void)
{
    pid_t pids[SCRIPTS];
    REQUIRE(start(&(struct pm_daemon_options){ 0 }));
    for (int i = 0; i < SCRIPTS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) run_script(i);
    }
    for (int i = 0; i < SCRIPTS; i++) {
        int status = -1;
        EXPECT(waitpid(pids[i], &status, 0) == pids[i]);
        EXPECT_INT(0, status);
    }
    double sum = 0;
    for (int i = 0; i < 7; i++) {
        char value[16];
        double part = 0;
        (void)snprintf(value, sizeof(value), "%d", i);
        EXPECT_INT(0, pm_sample(registry, &part, "runs_total", "n", value));
        sum += part;
    }
    EXPECT_INT((int64_t)SCRIPTS * SCRIPT_COMMANDS, (int64_t)sum);
    stop();
}

static void a_full_region_says_so_and_goes_on(void)
{
    REQUIRE(start(&(struct pm_daemon_options){ .directory_size = 64 * 1024, .word_count = 1 }));
    struct pm_counter *family = pm_client_counter(client, "jobs_total", "Jobs.", "n");
    struct pm_counter *first = pm_counter_with(family, "first");
    int made = 0;
    for (; made < 100000; made++) {
        char value[32];
        (void)snprintf(value, sizeof(value), "%d", made);
        if (pm_counter_with(family, value)->metric.series ==
            pm_counter_with(first, value)->metric.series) {
            struct pm_metric *child = NULL;
            const char *const values[] = { value };
            struct pm_error error;
            if (pm_child(PM_METRIC(family), values, 1, &child, &error) == PM_ERROR_FULL) break;
        }
    }
    EXPECT(made > 100 && made < 10000);
    EXPECT_INT(PM_ERROR_FULL, pm_last_error().code);
    pm_inc(first);
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "jobs_total", "n", "first"));
    EXPECT(value == 1);
    EXPECT(errors_of("full") >= 1);
    stop();
}

static void counters_outlive_daemon_and_client(void)
{
    REQUIRE(start(&(struct pm_daemon_options){ 0 }));
    pm_add(pm_client_counter(client, "jobs_total", "Jobs."), 5);
    struct pm_error error;
    struct pm_daemon *second = NULL;
    struct pm_daemon_options options = { .path = path };
    EXPECT_INT(PM_ERROR_SYSTEM, pm_daemon_open(&second, &options, &error));
    pm_daemon_close(daemon_side);
    REQUIRE(pm_daemon_open(&daemon_side, &options, &error) == 0);
    EXPECT_INT(0, pm_daemon_register(daemon_side, registry, &error));
    EXPECT(shown("jobs_total") == 5);
    pm_inc(pm_client_counter(client, "jobs_total", "Jobs."));
    EXPECT(shown("jobs_total") == 6);
    stop();
}

static void what_is_removed_comes_back_from_zero(void)
{
    REQUIRE(start(&(struct pm_daemon_options){ 0 }));
    struct pm_client *other = NULL;
    struct pm_error error;
    REQUIRE(pm_client_open(&other, path, &error) == 0);
    pm_add(pm_client_counter(client, "jobs_total", "Jobs."), 5);
    pm_inc(pm_counter_with(pm_client_counter(client, "by_total", "By.", "n"), "x"));
    EXPECT_INT(0, pm_unregister(pm_client_registry(other), "jobs_total", &error));
    EXPECT(shown("jobs_total") == -12345);
    pm_set(pm_client_gauge(client, "jobs", "Now a gauge."), 3);
    EXPECT(shown("jobs") == 3);
    static const char *const values[] = { "x" };
    struct pm_counter *by = pm_client_counter(other, "by_total", "By.", "n");
    EXPECT_INT(0, pm_remove(PM_METRIC(by), values, 1, &error));
    pm_add(pm_counter_with(pm_client_counter(client, "by_total", "By.", "n"), "x"), 2);
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "by_total", "n", "x"));
    EXPECT(value == 2);
    pm_client_close(other);
    stop();
}

/* ---- Examples ---- */

static bool shows_example(const char *text)
{
    struct pm_format format = { .kind = PM_OPENMETRICS_1_0_0 };
    char *page = pm_render_text(registry, format, NULL);
    bool is_there = page != NULL && strstr(page, text) != NULL;
    free(page);
    return is_there;
}

/* A slot as docs/formats/metrics-region.md draws it, found by its first label. */
static unsigned char *find_slot(unsigned char *map, size_t size, const char *value)
{
    char text[32];
    int text_size = snprintf(text, sizeof(text), "trace_id%c%s", '\0', value);
    unsigned char *at = memmem(map, size, text, (size_t)text_size + 1);
    return at == NULL ? NULL : at - 24;
}

/* What a writer that was killed on the way leaves: its sequence odd, since `age_ms`. */
static void leave_odd(unsigned char *slot, int64_t age_ms)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t since = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - age_ms;
    uint32_t sequence;
    memcpy(&sequence, slot, sizeof(sequence));
    sequence |= 1;
    memcpy(slot, &sequence, sizeof(sequence));
    memcpy(slot + 16, &since, sizeof(since));
}

static void an_example_of_a_killed_writer_is_written_over(void)
{
    REQUIRE(start(&(struct pm_daemon_options){ 0 }));
    struct pm_counter *jobs = pm_client_counter(client, "jobs_total", "Jobs.");
    pm_add_with(jobs, 1, "trace_id", "first");
    EXPECT(shows_example("# {trace_id=\"first\"} 1 "));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0);
    size_t size = (size_t)lseek(fd, 0, SEEK_END);
    unsigned char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    REQUIRE(map != MAP_FAILED);
    unsigned char *slot = find_slot(map, size, "first");
    REQUIRE(slot != NULL);
    leave_odd(slot, 100);
    EXPECT(!shows_example("trace_id"));
    pm_add_with(jobs, 2, "trace_id", "second"); /* it may be alive yet */
    EXPECT(!shows_example("trace_id"));
    leave_odd(slot, 5000);
    pm_add_with(jobs, 3, "trace_id", "third");
    EXPECT(shows_example("# {trace_id=\"third\"} 3 "));
    leave_odd(slot, -5000); /* the clock was set back */
    pm_add_with(jobs, 4, "trace_id", "fourth");
    EXPECT(shows_example("# {trace_id=\"fourth\"} 4 "));
    slot[24 + 10] ^= 3; /* two wrote at once: neither's is shown */
    EXPECT(!shows_example("trace_id"));
    pm_add_with(jobs, 5, "trace_id", "fifth");
    EXPECT(shows_example("# {trace_id=\"fifth\"} 5 "));
    EXPECT(shown("jobs_total") == 15);
    (void)munmap(map, size);
    stop();
}

/* ---- Broken regions ---- */

static void no_garbage_crashes_the_daemon(void)
{
    struct random dice;
    random_init(&dice, 7);
    for (int round = 0; round < 60; round++) {
        REQUIRE(start(&(struct pm_daemon_options){ .directory_size = 64 * 1024, .word_count = 1 }));
        pm_inc(pm_client_counter(client, "jobs_total", "Jobs."));
        pm_inc(pm_counter_with(pm_client_counter(client, "by_total", "By.", "n"), "x"));
        pm_observe(pm_client_histogram(client, "lat_seconds", "Latency."), 1);
        (void)pm_info_set(pm_client_info(client, "build", "Build."), "version", "1");
        int fd = open(path, O_RDWR | O_CLOEXEC);
        REQUIRE(fd >= 0);
        for (int i = 0; i < 1 + round; i++) { /* records, and the mutable half of the header */
            unsigned char byte = (unsigned char)random_next(&dice);
            off_t at = (off_t)(random_below(&dice, 3) == 0 ? 120 + random_below(&dice, 400)
                                                           : 4096 + random_below(&dice, 1200));
            EXPECT_INT(1, pwrite(fd, &byte, 1, at));
        }
        (void)close(fd);
        char *text = pm_render_text(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, NULL);
        EXPECT(text != NULL);
        free(text);
        pm_inc(pm_counter_with(pm_client_counter(client, "new_total", "New.", "n"), "x"));
        stop();
    }
}

/* A process of its own: the guard takes a signal. */
static int show_while_cut(void)
{
    struct pm_error error;
    struct pm_daemon_options options = { .path = path, .guards_cuts = true };
    if (pm_daemon_open(&daemon_side, &options, &error) < 0) return 1;
    if (pm_registry_new(&registry, &error) < 0) return 2;
    if (pm_daemon_register(daemon_side, registry, &error) < 0) return 3;
    struct pm_registry *shared = pm_daemon_registry(daemon_side);
    pm_inc(pm_counter_new(shared, "jobs_total", "Jobs."));
    pm_set(pm_gauge_new(shared, "level", "Level."), 3);
    if (shown("jobs_total") != 1 || shown("pm_region_cut") != 0) return 4;
    static const off_t sizes[] = { 1 << 20, 5000, 4096, 100, 0 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (truncate(path, sizes[i]) < 0) return 5;
        pm_inc(pm_counter_new(shared, "jobs_total", "Jobs."));
        pm_inc(pm_counter_new(shared, "more_total", "More."));
        pm_observe(pm_histogram_new(shared, "lat_seconds", "Latency."), 1);
        free(pm_render_text(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, NULL));
        if (shown("pm_region_cut") != 1) return 6;
    }
    pm_daemon_close(daemon_side);
    pm_registry_free(registry);
    return 0;
}

static void a_file_cut_short_is_zeros_and_not_the_end(void)
{
    (void)unlink(path);
    pid_t pid = fork();
    if (pid == 0) _exit(show_while_cut());
    int status = -1;
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    EXPECT_INT(0, status);
    (void)unlink(path);
}

/* Faults that are not the region's go on as before; a sanitizer makes an exit of them. */
static void other_faults_are_still_the_end(void)
{
    (void)unlink(path);
    pid_t pid = fork();
    if (pid == 0) {
        struct pm_error error;
        struct pm_daemon_options options = { .path = path, .guards_cuts = true };
        if (pm_daemon_open(&daemon_side, &options, &error) < 0) _exit(101);
        FILE *file = tmpfile();
        if (file == NULL || ftruncate(fileno(file), 4096) < 0) _exit(102);
        volatile char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
        if (map == MAP_FAILED) _exit(103);
        map[4096] = 1;
        _exit(103);
    }
    int status = -1;
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : WEXITSTATUS(status) < 100);
    (void)unlink(path);
}

static void what_is_no_region_is_refused(void)
{
    struct pm_error error = { 0 };
    struct pm_client *none = NULL;
    (void)unlink(path);
    EXPECT_INT(PM_ERROR_SYSTEM, pm_client_open(&none, path, &error));
    EXPECT(none == NULL && strstr(error.text, path) != NULL);
    FILE *file = fopen(path, "we");
    REQUIRE(file != NULL);
    for (int i = 0; i < 2000; i++) EXPECT(fputs("something else\n", file) >= 0);
    EXPECT_INT(0, fclose(file));
    EXPECT_INT(PM_ERROR_REGION, pm_client_open(&none, path, &error));
    struct pm_daemon *daemon_none = NULL;
    struct pm_daemon_options options = { .path = path };
    EXPECT_INT(PM_ERROR_REGION, pm_daemon_open(&daemon_none, &options, &error));
    EXPECT(none == NULL && daemon_none == NULL);
    (void)unlink(path);
}

int main(void)
{
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-test-region-%ld", (long)getpid());
    static const struct test tests[] = {
        TEST(kills_lose_nothing_with_rseq), /* the first four before the library is used here */
        TEST(kills_lose_nothing_with_lock_add),
        TEST(kills_lose_nothing_with_thread_lanes),
        TEST(kills_lose_nothing_with_all_modes_at_once),
        TEST(wrong_uses_are_errors_and_counts),
        TEST(commands_do_what_they_say),
        TEST(ten_scripts_at_once_lose_nothing),
        TEST(a_full_region_says_so_and_goes_on),
        TEST(counters_outlive_daemon_and_client),
        TEST(what_is_removed_comes_back_from_zero),
        TEST(an_example_of_a_killed_writer_is_written_over),
        TEST(no_garbage_crashes_the_daemon),
        TEST(a_file_cut_short_is_zeros_and_not_the_end),
        TEST(other_faults_are_still_the_end),
        TEST(what_is_no_region_is_refused),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
