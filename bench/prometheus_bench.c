/* prometheus_bench.c - what counting and showing cost, beside the primitives of others.
 *
 *     prometheus_bench [--quick]
 *
 * One line a figure: name ours peer ratio unit, "-" where there is no peer. The peer is the
 * primitive other libraries stand on, without the library around it: a locked add of a shared
 * word ("lock-add"), or a compare-and-swap of a shared double ("swap"). Times are processor time
 * of all threads and processes over the operations, the median of several runs.
 */
#include "prometheus/prometheus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_MAX = 9, VALUES = 1 << 16 };

static int round_count = 7;
static long operations = 20000000;
static long series_count = 100000;
static double values[VALUES];

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Of this process and the children that ended. */
static double cpu_seconds(void)
{
    struct timespec now;
    struct rusage children;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 + seconds_of(children.ru_utime) +
           seconds_of(children.ru_stime);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds an operation of run(arg), which does `count` of them. */
static double measure(void (*run)(void *arg, long count), void *arg, long count)
{
    double times[ROUND_MAX];
    run(arg, count / 10);
    for (int i = 0; i < round_count; i++) {
        double before = cpu_seconds();
        run(arg, count);
        times[i] = (cpu_seconds() - before) * 1e9 / (double)count;
    }
    qsort(times, (size_t)round_count, sizeof(times[0]), compare);
    return times[round_count / 2];
}

static void print_figure(const char *name, double ours, double peer, const char *unit)
{
    if (peer > 0) {
        printf("%-44s %10.2f %10.2f %7.3f %s\n", name, ours, peer, ours / peer, unit);
    } else {
        printf("%-44s %10.2f %10s %7s %s\n", name, ours, "-", "-", unit);
    }
    (void)fflush(stdout);
}

/* ---- Ours ---- */

static void run_inc(void *arg, long count)
{
    struct pm_counter *counter = arg;
    for (long i = 0; i < count; i++) pm_inc(counter);
}

static void run_gauge_add(void *arg, long count)
{
    struct pm_gauge *gauge = arg;
    for (long i = 0; i < count; i++) pm_add(gauge, 1.5);
}

static void run_gauge_set(void *arg, long count)
{
    struct pm_gauge *gauge = arg;
    for (long i = 0; i < count; i++) pm_set(gauge, (double)i);
}

static void run_observe(void *arg, long count)
{
    struct pm_histogram *histogram = arg;
    for (long i = 0; i < count; i++) pm_observe(histogram, values[i & (VALUES - 1)]);
}

static void run_summary(void *arg, long count)
{
    struct pm_summary *summary = arg;
    for (long i = 0; i < count; i++) pm_observe(summary, values[i & (VALUES - 1)]);
}

static void run_labels(void *arg, long count)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
    static const char *const codes[] = { "200", "404", "500" };
    struct pm_counter *counter = arg;
    for (long i = 0; i < count; i++) {
        pm_inc(pm_counter_with(counter, methods[i & 3], codes[i % 3]));
    }
}

struct job {
    void (*run)(void *arg, long count);
    void *arg;
    long count;
};

static void *run_job(void *arg)
{
    struct job *job = arg;
    job->run(job->arg, job->count);
    return NULL;
}

/* Two threads, half of the operations each. */
static void run_twice(void *arg, long count)
{
    struct job *job = arg;
    struct job half = { job->run, job->arg, count / 2 };
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_job, &half) != 0) exit(1);
    (void)run_job(&half);
    (void)pthread_join(thread, NULL);
}

/* ---- The primitives ---- */

static uint64_t shared_word;
static double shared_double;

static void run_lock_add(void *arg, long count)
{
    (void)arg;
    for (long i = 0; i < count; i++) __atomic_fetch_add(&shared_word, 1, __ATOMIC_RELAXED);
}

static void run_swap_add(void *arg, long count)
{
    (void)arg;
    for (long i = 0; i < count; i++) {
        double old;
        double next;
        __atomic_load(&shared_double, &old, __ATOMIC_RELAXED);
        do {
            next = old + 1.5;
        } while (!__atomic_compare_exchange(&shared_double, &old, &next, 1, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED));
    }
}

/* ---- Exposition ---- */

static int drop(void *arg, const char *data, size_t size)
{
    (void)data;
    *(size_t *)arg += size;
    return 0;
}

static void run_render(void *arg, long count)
{
    size_t size = 0;
    for (long i = 0; i < count; i += series_count) {
        if (pm_render(arg, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, drop, &size) < 0) exit(1);
    }
}

static void measure_exposition(const char *name, int is_double, double peer)
{
    struct pm_registry *registry = NULL;
    if (pm_registry_new(&registry, NULL) < 0) exit(1);
    struct pm_counter *family =
        pm_counter_new(registry, "http_requests_total", "Requests.", "method", "path", "n");
    for (long i = 0; i < series_count; i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%ld", i);
        struct pm_counter *child = pm_counter_with(family, "GET", "/api/v1/items", number);
        pm_count(child, 1000000 + (uint64_t)i);
        if (is_double) pm_add(child, 0.1 + (double)(i % 977) / 1000);
    }
    print_figure(name, measure(run_render, registry, series_count * 5), peer, "ns/series");
    pm_registry_free(registry);
}

/* ---- Processes ---- */

struct shared {
    const char *path;
    int processes;
    int observes;
};

static void run_shared_one(const struct shared *shared, long count)
{
    struct pm_client *client = NULL;
    if (pm_client_open(&client, shared->path, NULL) < 0) _exit(1);
    if (shared->observes) {
        run_observe(pm_client_histogram(client, "bench_seconds", "Bench."), count);
    } else {
        run_inc(pm_client_counter(client, "bench_total", "Bench."), count);
    }
    pm_client_close(client);
}

static void run_shared(void *arg, long count)
{
    const struct shared *shared = arg;
    for (int i = 0; i < shared->processes; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            run_shared_one(shared, count / shared->processes);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
}

static void measure_shared(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-bench-%ld", (long)getpid());
    struct pm_daemon_options options = { .path = path };
    struct pm_daemon *server = NULL;
    struct pm_error error = { 0 };
    if (pm_daemon_open(&server, &options, &error) < 0) {
        printf("# shared memory left out: %s\n", error.text);
        return;
    }
    struct shared shared = { path, 1, 0 };
    print_figure("inc/shared/1-process", measure(run_shared, &shared, operations), 0, "ns");
    shared.processes = 4;
    print_figure("inc/shared/4-processes", measure(run_shared, &shared, operations), 0, "ns");
    shared.observes = 1;
    print_figure("observe/shared/4-processes", measure(run_shared, &shared, operations), 0, "ns");
    pm_daemon_close(server);
    (void)unlink(path);
}

static void run_print(void *arg, long count)
{
    char text[PM_DOUBLE_SIZE_MAX];
    size_t size = 0;
    for (long i = 0; i < count; i++) size += pm_print_double(text, values[i & (VALUES - 1)]);
    *(size_t *)arg = size;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        round_count = 3;
        operations = 4000000;
    }
    srand48(1);
    for (size_t i = 0; i < VALUES; i++) values[i] = drand48() * drand48() * 12;
    struct pm_counter *counter = pm_counter_new(NULL, "bench_total", "Bench.");
    struct pm_gauge *gauge = pm_gauge_new(NULL, "bench_gauge", "Bench.");
    struct pm_gauge *only_set = pm_gauge_new(NULL, "bench_set_gauge", "Bench.");
    struct pm_histogram *histogram = pm_histogram_new(NULL, "bench_seconds", "Bench.");
    struct pm_summary *summary = pm_summary_new(NULL, "bench_size_bytes", "Bench.");
    struct pm_counter *labels = pm_counter_new(NULL, "bench_http_total", "Bench.", "m", "c");
    double lock = measure(run_lock_add, NULL, operations);
    double swap = measure(run_swap_add, NULL, operations);
    print_figure("inc/lock-add", measure(run_inc, counter, operations), lock, "ns");
    struct job ours = { run_inc, counter, 0 };
    struct job theirs = { run_lock_add, NULL, 0 };
    print_figure("inc/2-threads/lock-add", measure(run_twice, &ours, operations),
                 measure(run_twice, &theirs, operations), "ns");
    print_figure("gauge-add/swap", measure(run_gauge_add, gauge, operations), swap, "ns");
    print_figure("gauge-set", measure(run_gauge_set, only_set, operations), 0, "ns");
    print_figure("observe/11-bounds/swap", measure(run_observe, histogram, operations), lock + swap,
                 "ns");
    print_figure("observe/summary/swap", measure(run_summary, summary, operations), lock + swap,
                 "ns");
    print_figure("inc/2-labels", measure(run_labels, labels, operations / 4), 0, "ns");
    measure_exposition("exposition/whole", 0, 0);
    measure_exposition("exposition/double", 1, 0);
    size_t size;
    print_figure("print-double", measure(run_print, &size, operations / 10), 0, "ns");
    measure_shared();
    return 0;
}
