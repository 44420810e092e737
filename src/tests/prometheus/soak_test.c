/* soak_test.c
 *
 * Goal:   every update that returned is in the sum, exactly, whoever was killed, forked or moved:
 *         in restartable sequences, with lock add, in words of threads, and in all three at once.
 * Method: 8 processes of 4 threads count into one region; they hop between CPUs, make series, and
 *         fork children that count on with the handles they were born with. Processes are killed
 *         (SIGKILL) at random, alone or with their children, and replaced; so is the daemon. Each
 *         thread writes down in a shared page what it began and what returned: a sum must lie
 *         between the two, and they differ by at most the one update in flight at a kill. The
 *         daemon's scrapes must never see a counter go down.
 *
 *     prometheus_soak_test [RUNS [rseq|atomic|thread|mixed]]     without words: one short run each
 */
#include "prometheus/prometheus.h"

#include "base/random.h"
#include "tests/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 8, THREADS = 4, KILLS = 14, TALLIES_MAX = 8192, CHILD_UPDATES = 3000 };

/* What is counted, each with whole numbers or quarters, so that doubles stay exact.
 * The native buckets are those of many values, zero and negative ones among them. */
enum kind { COUNT, FRACTION, LABELLED, BALANCE, OBSERVED, MEASURED, NATIVE, KINDS };

static const char *const samples[KINDS] = { "soak_total",         "soak_parts_total",
                                            "soak_by_total",      "soak_balance",
                                            "soak_seconds_count", "soak_size_bytes_count",
                                            "soak_native_count" };
static const double steps[KINDS] = { 1, 0.25, 1, 1, 1, 1, 1 };

/* What is observed has a sum besides; an update cut off by a kill may be in one of the two. */
static const char *const sums[KINDS] = {
    [OBSERVED] = "soak_seconds_sum", [MEASURED] = "soak_size_bytes_sum"
};
static const double values[KINDS] = { [OBSERVED] = 0.5, [MEASURED] = 2 };

struct tally { /* of one thread, by it alone */
    _Alignas(128) volatile uint64_t begun[KINDS];
    volatile uint64_t returned[KINDS];
};

struct board {
    volatile int stop; /* 1: workers end; 2: all are dead, the daemon checks */
    volatile int is_daemon_up;
    uint32_t tally_count;
    volatile uint64_t forks;
    struct tally tallies[TALLIES_MAX];
};

static struct board *board;
static int alive[2]; /* a pipe whose end workers and their children hold */
static char path[128];

static void nap_us(unsigned us)
{
    struct timespec pause = { us / 1000000, us % 1000000 * 1000 };
    (void)nanosleep(&pause, NULL);
}

/* ---- Workers ---- */

struct handles {
    struct pm_counter *count;
    struct pm_counter *fraction;
    struct pm_counter *by;
    struct pm_counter *labelled;
    struct pm_gauge *balance;
    struct pm_histogram *observed;
    struct pm_summary *measured;
    struct pm_histogram *native;
};

struct job {
    struct handles handles;
    struct random dice;
    struct tally *tally;
    uint64_t updates_max; /* of a forked child; 0: until told */
};

static struct tally *take_tally(void)
{
    uint32_t index = __atomic_fetch_add(&board->tally_count, 1, __ATOMIC_RELAXED);
    if (index >= TALLIES_MAX) _exit(20);
    return &board->tallies[index];
}

static bool open_handles(struct handles *handles, struct pm_client *client)
{
    handles->count = pm_client_counter(client, "soak_total", "Whole.");
    handles->fraction = pm_client_counter(client, "soak_parts_total", "Quarters.");
    handles->by = pm_client_counter(client, "soak_by_total", "By label.", "n");
    handles->labelled = pm_counter_with(handles->by, "x");
    handles->balance = pm_client_gauge(client, "soak_balance", "Added to.");
    handles->observed = pm_client_histogram(client, "soak_seconds", "Observed.");
    handles->measured = pm_client_summary(client, "soak_size_bytes", "Measured.");
    struct pm_options native = { .name = "soak_native", .help = "Native.", .native_factor = 1.02 };
    handles->native = pm_histogram_of(pm_client_registry(client), &native);
    return pm_last_error().code == PM_OK;
}

static void update(const struct handles *handles, enum kind kind, uint64_t number)
{
    switch (kind) {
    case COUNT: pm_inc(handles->count); break;
    case FRACTION: pm_add(handles->fraction, 0.25); break;
    case LABELLED: pm_inc(handles->labelled); break;
    case BALANCE: pm_inc(handles->balance); break;
    case OBSERVED: pm_observe(handles->observed, values[OBSERVED]); break;
    case MEASURED: pm_observe(handles->measured, values[MEASURED]); break;
    case NATIVE: pm_observe(handles->native, (double)(number % 1000) - 100); break;
    case KINDS: break;
    }
}

static void hop(struct random *dice)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)random_below(dice, (uint64_t)(count < 1 ? 1 : count)), &set);
    (void)sched_setaffinity(0, sizeof(set), &set); /* 0: this thread */
}

static void *count_on(void *arg);

/* Counts with the handles of its parent; half of them die of a kill from their own main thread. */
static void run_child(const struct job *parent)
{
    struct job job = *parent;
    random_init(&job.dice, (uint64_t)getpid());
    job.updates_max = 1 + random_below(&job.dice, CHILD_UPDATES);
    job.tally = take_tally();
    pthread_t thread;
    if (random_below(&job.dice, 2) == 0 || pthread_create(&thread, NULL, count_on, &job) != 0) {
        (void)count_on(&job);
        _exit(0);
    }
    nap_us((unsigned)random_below(&job.dice, 2000));
    (void)kill(getpid(), SIGKILL);
}

static void fork_one(struct job *job)
{
    pid_t pid = fork();
    if (pid == 0) run_child(job);
    if (pid > 0) (void)__atomic_fetch_add(&board->forks, 1, __ATOMIC_RELAXED);
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

static void *count_on(void *arg)
{
    struct job *job = arg;
    for (uint64_t i = 0; board->stop == 0; i++) {
        if (job->updates_max != 0 && i >= job->updates_max) break;
        enum kind kind = (enum kind)(i % KINDS);
        job->tally->begun[kind]++;
        update(&job->handles, kind, i);
        job->tally->returned[kind]++;
        if (i % 512 != 511) continue;
        hop(&job->dice);
        char value[16];
        (void)snprintf(value, sizeof(value), "n%u", (unsigned)random_below(&job->dice, 100));
        (void)pm_counter_with(job->handles.by, value); /* made while others die in it */
        if (job->updates_max == 0 && random_below(&job->dice, 400) == 0) fork_one(job);
    }
    return NULL;
}

static void run_worker(enum pm_mode mode)
{
    struct pm_client *client = NULL;
    struct pm_error error;
    (void)setpgid(0, 0);
    if (pm_set_mode(mode) < 0) _exit(21);
    if (pm_client_open(&client, path, &error) < 0) _exit(22);
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    if (!open_handles(&jobs[0].handles, client)) _exit(23);
    for (int i = 0; i < THREADS; i++) {
        jobs[i].handles = jobs[0].handles;
        jobs[i].updates_max = 0;
        jobs[i].tally = take_tally();
        random_init(&jobs[i].dice, (uint64_t)getpid() * 31 + (uint64_t)i);
        if (pthread_create(&threads[i], NULL, count_on, &jobs[i]) != 0) _exit(24);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    pm_client_close(client);
    _exit(0);
}

/* ---- The daemon ---- */

static double read_kind(struct pm_registry *registry, enum kind kind)
{
    double value = 0;
    if (kind == LABELLED)
        (void)pm_sample(registry, &value, samples[kind], "n", "x");
    else
        (void)pm_sample(registry, &value, samples[kind]);
    return value;
}

/* That what is there, in updates, lies between those that returned and those begun. */
static int check_one(const char *name, double there, uint64_t returned, uint64_t begun)
{
    if (there >= (double)returned && there <= (double)begun) return 0;
    (void)fprintf(stderr, "# %s: %.2f updates, returned %llu, begun %llu\n", name, there,
                  (unsigned long long)returned, (unsigned long long)begun);
    return 34;
}

static int check(struct pm_registry *registry)
{
    int status = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        uint64_t begun = 0;
        uint64_t returned = 0;
        for (uint32_t i = 0; i < board->tally_count && i < TALLIES_MAX; i++) {
            begun += board->tallies[i].begun[kind];
            returned += board->tallies[i].returned[kind];
        }
        if (returned == 0) return 33;
        double there = read_kind(registry, (enum kind)kind) / steps[kind];
        status |= check_one(samples[kind], there, returned, begun);
        if (sums[kind] == NULL) continue;
        double sum = 0;
        (void)pm_sample(registry, &sum, sums[kind]);
        status |= check_one(sums[kind], sum / values[kind], returned, begun);
    }
    double bad = -1;
    (void)pm_sample(registry, &bad, "pm_region_bad_records");
    return bad == 0 ? status : 35;
}

static void run_daemon(void)
{
    struct pm_error error = { 0 };
    struct pm_daemon *daemon_side = NULL;
    struct pm_daemon_options options = { .path = path };
    struct pm_registry *registry = NULL;
    double last[KINDS] = { 0 };
    if (pm_daemon_open(&daemon_side, &options, &error) < 0) _exit(30);
    if (pm_registry_new(&registry, &error) < 0) _exit(31);
    if (pm_daemon_register(daemon_side, registry, &error) < 0) _exit(32);
    (void)close(alive[0]);
    (void)close(alive[1]);
    struct random dice;
    random_init(&dice, (uint64_t)getpid());
    board->is_daemon_up = 1;
    while (board->stop < 2) {
        enum kind kind = (enum kind)random_below(&dice, KINDS);
        double now = read_kind(registry, kind);
        if (now < last[kind]) _exit(36);
        last[kind] = now;
        nap_us(3000);
    }
    int status = check(registry);
    pm_daemon_close(daemon_side);
    pm_registry_free(registry);
    _exit(status);
}

/* ---- One run: this process never uses the library, so that its children can choose ---- */

static pid_t start_daemon(void)
{
    board->is_daemon_up = 0;
    pid_t pid = fork();
    if (pid == 0) run_daemon();
    for (int i = 0; i < 20000 && board->is_daemon_up == 0; i++) nap_us(500);
    return pid;
}

static enum pm_mode mode_of(int column, unsigned turn)
{
    static const enum pm_mode modes[] = { PM_MODE_AUTO, PM_MODE_ATOMIC, PM_MODE_THREAD };
    return modes[column < 3 ? (unsigned)column : turn % 3];
}

static pid_t start_worker(int column, unsigned turn)
{
    pid_t pid = fork();
    if (pid == 0) run_worker(mode_of(column, turn));
    return pid;
}

/* Reaps what died; a status that is neither 0 nor a kill is a fault of the test's. */
static int reap(pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) return 40;
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL ? 0 : 41;
    return WEXITSTATUS(status);
}

/* Kills and replaces; workers are left running. */
static int kill_at_random(int column, struct random *dice, pid_t *daemon_pid, pid_t *workers,
                          unsigned kills)
{
    int status = 0;
    for (unsigned i = 0; i < kills && status == 0; i++) {
        nap_us(5000 + (unsigned)random_below(dice, 50000));
        if (random_below(dice, 8) == 0) {
            (void)kill(*daemon_pid, SIGKILL);
            status = reap(*daemon_pid);
            *daemon_pid = start_daemon();
            continue;
        }
        pid_t *victim = &workers[random_below(dice, WORKERS)];
        if (random_below(dice, 2) == 0) (void)kill(-*victim, SIGKILL); /* and its children */
        (void)kill(*victim, SIGKILL);
        status = reap(*victim);
        *victim = start_worker(column, i);
    }
    return status;
}

static int run_once(int column, unsigned long seed, unsigned kills)
{
    struct random dice;
    random_init(&dice, seed);
    memset(board, 0, sizeof(*board));
    (void)unlink(path);
    if (pipe(alive) < 0) return 43;
    pid_t daemon_pid = start_daemon();
    pid_t workers[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) workers[i] = start_worker(column, i);
    int status = kill_at_random(column, &dice, &daemon_pid, workers, kills);
    nap_us(20000);
    board->stop = 1;
    for (unsigned i = 0; i < WORKERS; i++) {
        int code = reap(workers[i]);
        if (status == 0) status = code;
    }
    char byte;
    (void)close(alive[1]);
    while (read(alive[0], &byte, 1) < 0 && errno == EINTR) { /* ends with the last orphan */
    }
    (void)close(alive[0]);
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    board->stop = 2;
    int code = reap(daemon_pid);
    (void)unlink(path);
    return status == 0 ? code : status;
}

/* ---- How often ---- */

static const char *const columns[] = { "rseq", "atomic", "thread", "mixed" };

static int run_column(int column, unsigned long runs)
{
    unsigned long bad = 0;
    uint64_t updates = 0;
    uint64_t forks = 0;
    uint64_t threads = 0;
    for (unsigned long run = 0; run < runs; run++) {
        int status = run_once(column, run * 4 + (unsigned long)column, KILLS);
        if (status != 0) {
            bad++;
            (void)fprintf(stderr, "# %s, run %lu: status %d\n", columns[column], run, status);
        }
        for (uint32_t i = 0; i < board->tally_count && i < TALLIES_MAX; i++) {
            for (int kind = 0; kind < KINDS; kind++) updates += board->tallies[i].returned[kind];
        }
        forks += board->forks;
        threads += board->tally_count;
    }
    printf("%-6s exact in %lu of %lu runs: %llu updates by %llu threads, %llu forks, %d kills a "
           "run\n",
           columns[column], runs - bad, runs, (unsigned long long)updates,
           (unsigned long long)threads, (unsigned long long)forks, KILLS);
    (void)fflush(stdout);
    return bad == 0 ? 0 : 1;
}

static int soak(int argc, char **argv)
{
    unsigned long runs = strtoul(argv[1], NULL, 10);
    int status = 0;
    bool has_run = false;
    for (int column = 0; column < 4; column++) {
        if (argc > 2 && strcmp(argv[2], columns[column]) != 0) continue;
        status |= run_column(column, runs);
        has_run = true;
    }
    if (has_run && runs > 0) return status;
    (void)fprintf(stderr, "usage: %s [RUNS [rseq|atomic|thread|mixed]]\n", argv[0]);
    return 2;
}

static void run_short(int column)
{
    EXPECT_INT(0, run_once(column, (unsigned long)getpid(), 3));
    EXPECT(board->tally_count >= WORKERS * THREADS);
}

static void sums_are_exact_with_restartable_sequences(void)
{
    run_short(0);
}

static void sums_are_exact_with_lock_add(void)
{
    run_short(1);
}

static void sums_are_exact_with_words_of_threads(void)
{
    run_short(2);
}

static void sums_are_exact_with_all_three_at_once(void)
{
    run_short(3);
}

int main(int argc, char **argv)
{
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-soak-%ld", (long)getpid());
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return 1;
    if (argc > 1) return soak(argc, argv);
    static const struct test tests[] = {
        TEST(sums_are_exact_with_restartable_sequences),
        TEST(sums_are_exact_with_lock_add),
        TEST(sums_are_exact_with_words_of_threads),
        TEST(sums_are_exact_with_all_three_at_once),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
