/* prometheus_bench.c - what counting and showing cost, beside other libraries in the same run.
 *
 *     prometheus_bench [--quick]
 *
 * One line a figure: name ours peer ratio unit, "-" where there is no peer. Peers are the primitives
 * that other libraries stand on, without the library around them: a locked add of a shared word
 * ("lock-add"), a compare-and-swap of a shared double ("swap"); and where they are installed
 * prometheus-cpp (Debian's prometheus-cpp-dev), the Python client (python3-prometheus-client) and
 * the Go client (a module beside this file). Times are processor time of all threads and processes
 * over the operations, the least of several runs.
 */
#include "prometheus/prometheus.h"
#include "prometheus_peer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VALUES = 1 << 16, ROUND_PARTS = 32 };

static int round_count = 9;
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

/* Nanoseconds an operation of run(arg), which does `count` of them a round. */
static double measure_rounds(void (*run)(void *arg, long count), void *arg, long count, int rounds)
{
    double least = 1e18;
    run(arg, count);
    for (int i = 0; i < rounds; i++) {
        double before = cpu_seconds();
        run(arg, count);
        double time = (cpu_seconds() - before) * 1e9 / (double)count;
        if (time < least) least = time;
    }
    return least;
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

/* Rounds are short, so that on a busy machine some run undisturbed. */
static double measure(void (*run)(void *arg, long count), void *arg, long count)
{
    long short_count = count / ROUND_PARTS;
    return measure_rounds(run, arg, short_count, round_count * ROUND_PARTS);
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

/* The values of last time, mostly, at one place of the program. */
static void run_site(void *arg, long count)
{
    struct pm_counter *counter = arg;
    static char method[32] = "GET"; /* not literals, which a compiler could know */
    static char code[32] = "200";
    for (long i = 0; i < count; i++) {
        __asm__ volatile("" : : "r"(method), "r"(code) : "memory");
        pm_inc(PM_COUNTER_AT(counter, method, code));
    }
}

static void run_trace(void *arg, long count)
{
    static const unsigned char trace[16] = { 1, 2, 3 };
    struct pm_histogram *histogram = arg;
    for (long i = 0; i < count; i++)
        pm_observe_trace(histogram, values[i & (VALUES - 1)], trace, trace);
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

static void run_peer_render(void *arg, long count)
{
    for (long i = 0; i < count; i += series_count) *(size_t *)arg = peer_render();
}

static void make_series_in(struct pm_registry *registry, const char *name, int is_double)
{
    struct pm_counter *family = pm_counter_new(registry, name, "Requests.", "method", "path", "n");
    for (long i = 0; i < series_count; i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%ld", i);
        struct pm_counter *child = pm_counter_with(family, "GET", "/api/v1/items", number);
        pm_count(child, 1000000 + (uint64_t)i);
        if (is_double) pm_add(child, 0.1 + (double)(i % 977) / 1000);
    }
    if (pm_last_error().code != PM_OK) {
        (void)fprintf(stderr, "cannot make the series: %s\n", pm_last_error().text);
        exit(1);
    }
}

static struct pm_registry *make_series(int is_double)
{
    struct pm_registry *registry = NULL;
    if (pm_registry_new(&registry, NULL) < 0) exit(1);
    make_series_in(registry, "http_requests_total", is_double);
    return registry;
}

static void measure_exposition(const char *name, int is_double)
{
    struct pm_registry *registry = make_series(is_double);
    double ours = measure_rounds(run_render, registry, series_count, round_count * 8);
    size_t size = 0;
    run_render(registry, series_count);
    (void)pm_render(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, drop, &size);
    char text[64];
    (void)snprintf(text, sizeof(text), "exposition/%s", name);
    double peer = 0;
    size_t peer_size = 0;
    if (peer_make_series(series_count, is_double) == 0) {
        peer = measure_rounds(run_peer_render, &peer_size, series_count, round_count);
        (void)snprintf(text, sizeof(text), "exposition/%s/prometheus-cpp", name);
    }
    print_figure(text, ours, peer, "ns/series");
    if (peer > 0) { /* bytes a second: more is better, so the ratio is turned to be read alike */
        double ours_rate = (double)size / (double)series_count / ours;
        double peer_rate = (double)peer_size / (double)series_count / peer;
        printf("%-44s %10.3f %10.3f %7.3f %s\n", text, ours_rate, peer_rate, peer_rate / ours_rate,
               "GB/s, peer/ours");
    }
    pm_registry_free(registry);
}

/* ---- Processes ---- */

struct shared {
    const char *path;
    int processes;
    int kind; /* 0 inc, 1 gauge add, 2 observe, 3 native, 4 call site */
};

/* What one of the processes measures, while the others do the same. */
static double measure_in_process(const struct shared *shared)
{
    struct pm_client *client = NULL;
    if (pm_client_open(&client, shared->path, NULL) < 0) _exit(1);
    struct pm_options native = { .name = "native_seconds", .help = "Bench.", .native_factor = 1.1 };
    struct pm_registry *registry = pm_client_registry(client);
    double ns = 0;
    switch (shared->kind) {
    case 0:
        ns = measure(run_inc, pm_client_counter(client, "bench_total", "B."), operations);
        break;
    case 1: ns = measure(run_gauge_add, pm_client_gauge(client, "level", "B."), operations); break;
    case 2:
        ns = measure(run_observe, pm_client_histogram(client, "bench_seconds", "B."), operations);
        break;
    case 3: ns = measure(run_observe, pm_histogram_of(registry, &native), operations); break;
    default:
        ns = measure(run_site, pm_client_counter(client, "http_total", "B.", "m", "c"), operations);
        break;
    }
    pm_client_close(client);
    return ns;
}

/* The mean of what all processes measure at the same time. */
static double measure_processes(const struct shared *shared)
{
    int ends[2];
    double sum = 0;
    if (pipe(ends) < 0) exit(1);
    for (int i = 0; i < shared->processes; i++) {
        if (fork() != 0) continue;
        double ns = measure_in_process(shared);
        _exit(write(ends[1], &ns, sizeof(ns)) == (ssize_t)sizeof(ns) ? 0 : 1);
    }
    for (int i = 0; i < shared->processes; i++) {
        double ns = 0;
        if (read(ends[0], &ns, sizeof(ns)) == (ssize_t)sizeof(ns)) sum += ns;
    }
    while (wait(NULL) > 0) {
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return sum / shared->processes;
}

/* Processes that count in all series, one after the other, and end. */
static void count_in_processes(const char *path, int processes, int is_double)
{
    for (int i = 0; i < processes; i++) {
        if (fork() == 0) {
            struct pm_client *client = NULL;
            if (pm_client_open(&client, path, NULL) < 0) _exit(1);
            make_series_in(pm_client_registry(client), "http_requests_total", is_double);
            pm_client_close(client);
            _exit(0);
        }
        int status = 0;
        if (wait(&status) < 0 || status != 0) exit(1);
    }
}

/* What the daemon shows of a region of many series that processes counted in. */
static void measure_shared_exposition(const char *path, int processes, int is_double)
{
    struct pm_daemon_options options = { .path = path,
                                         .directory_size = (size_t)series_count * 512,
                                         .word_count = (size_t)series_count * 4 };
    struct pm_daemon *server = NULL;
    struct pm_registry *registry = NULL;
    if (pm_daemon_open(&server, &options, NULL) < 0 || pm_registry_new(&registry, NULL) < 0 ||
        pm_daemon_register(server, registry, NULL) < 0) {
        printf("# exposition of shared memory left out: %s\n", pm_last_error().text);
        exit(1);
    }
    count_in_processes(path, processes, is_double);
    char text[64];
    (void)snprintf(text, sizeof(text), "exposition/%s/shared/%d-processes",
                   is_double ? "double" : "whole", processes);
    print_figure(text, measure_rounds(run_render, registry, series_count, round_count * 8), 0,
                 "ns/series");
    size_t size = 0;
    (void)pm_render(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, drop, &size);
    if (size < (size_t)series_count * 40) exit(1); /* not all are shown */
    pm_daemon_close(server);
    pm_registry_free(registry);
    (void)unlink(path);
}

static void measure_shared(void)
{
    static const char *const names[] = { "inc", "gauge-add", "observe/11-bounds", "observe/native",
                                         "inc/2-labels/call-site" };
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-bench-%ld", (long)getpid());
    struct pm_daemon_options options = { .path = path };
    struct pm_daemon *server = NULL;
    struct pm_error error = { 0 };
    if (pm_daemon_open(&server, &options, &error) < 0) {
        printf("# shared memory left out: %s\n", error.text);
        return;
    }
    for (int kind = 0; kind < 5; kind++) {
        for (int processes = 1; processes <= 4; processes += 3) {
            struct shared shared = { path, processes, kind };
            char name[64];
            (void)snprintf(name, sizeof(name), "%s/shared/%d-processes", names[kind], processes);
            print_figure(name, measure_processes(&shared), 0, "ns");
        }
    }
    pm_daemon_close(server);
    (void)unlink(path);
    for (int is_double = 0; is_double <= 1; is_double++) {
        for (int processes = 1; processes <= 4; processes += 3) {
            measure_shared_exposition(path, processes, is_double);
        }
    }
}

/* ---- Peers ---- */

struct peer_run {
    enum peer_operation operation;
};

static void run_peer(void *arg, long count)
{
    const struct peer_run *run = arg;
    peer_do(run->operation, count, values, VALUES);
}

/* Ours beside a primitive of the processor, and beside prometheus-cpp. */
static void compare_with(const char *name, double ours, const char *primitive, double primitive_ns,
                         int operation)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "%s%s%s", name, primitive[0] == '\0' ? "" : "/", primitive);
    print_figure(text, ours, primitive_ns, "ns");
    if (operation < 0 || !peer_is_there()) return;
    struct peer_run run = { (enum peer_operation)operation };
    (void)snprintf(text, sizeof(text), "%s/prometheus-cpp", name);
    print_figure(text, ours, measure(run_peer, &run, operations / 10), "ns");
}

/* Other languages measure themselves and print 'name ns' lines. */
static void run_script(const char *command, const char *language, const double *ours,
                       const char *const *names, size_t count)
{
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) return;
    char line[256];
    int is_there = 0;
    while (fgets(line, sizeof(line), pipe) != NULL) {
        char name[64];
        double ns;
        if (sscanf(line, "%63s %lf", name, &ns) != 2) continue;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(names[i], name) != 0) continue;
            char text[96];
            (void)snprintf(text, sizeof(text), "%s/%s", name, language);
            print_figure(text, ours[i], ns, "ns");
            is_there = 1;
        }
    }
    (void)pclose(pipe);
    if (!is_there) printf("# the %s client is not installed: left out\n", language);
}

static void run_print(void *arg, long count)
{
    char text[PM_DOUBLE_SIZE_MAX];
    size_t size = 0;
    for (long i = 0; i < count; i++) size += pm_print_double(text, values[i & (VALUES - 1)]);
    *(size_t *)arg = size;
}

enum { INC, GAUGE_ADD, GAUGE_SET, OBSERVE, NATIVE, LABELS, SITE, OURS };
static const char *const ours_names[OURS] = { "inc",          "gauge-add",      "gauge-set",
                                              "observe",      "observe-native", "inc-2-labels",
                                              "inc-call-site" };

static struct pm_histogram *native_histogram(const char *name, int has_bounds)
{
    struct pm_options options = { .name = name, .help = "Bench.", .native_factor = 1.1 };
    if (has_bounds) {
        options.bounds = pm_default_bounds;
        options.bound_count = PM_DEFAULT_BOUND_COUNT;
    }
    return pm_histogram_of(NULL, &options);
}

static void measure_updates(double *ours)
{
    struct pm_counter *counter = pm_counter_new(NULL, "bench_total", "Bench.");
    struct pm_gauge *gauge = pm_gauge_new(NULL, "bench_gauge", "Bench.");
    struct pm_gauge *only_set = pm_gauge_new(NULL, "bench_set_gauge", "Bench.");
    struct pm_histogram *histogram = pm_histogram_new(NULL, "bench_seconds", "Bench.");
    struct pm_summary *summary = pm_summary_new(NULL, "bench_size_bytes", "Bench.");
    struct pm_counter *labels = pm_counter_new(NULL, "bench_http_total", "Bench.", "m", "c");
    static const double quantiles[] = { 0.5, 0.9, 0.99 };
    struct pm_options window = { .name = "bench_window_seconds", .help = "Bench." };
    window.quantiles = quantiles;
    window.quantile_count = 3;
    double lock = measure(run_lock_add, NULL, operations);
    double swap = measure(run_swap_add, NULL, operations);
    ours[INC] = measure(run_inc, counter, operations);
    compare_with("inc", ours[INC], "lock-add", lock, PEER_INC);
    struct job two = { run_inc, counter, 0 };
    struct job theirs = { run_lock_add, NULL, 0 };
    print_figure("inc/2-threads/lock-add",
                 measure_rounds(run_twice, &two, operations / 4, round_count * 4),
                 measure_rounds(run_twice, &theirs, operations / 4, round_count * 4), "ns");
    ours[GAUGE_ADD] = measure(run_gauge_add, gauge, operations);
    compare_with("gauge-add", ours[GAUGE_ADD], "swap", swap, PEER_GAUGE_ADD);
    ours[GAUGE_SET] = measure(run_gauge_set, only_set, operations);
    compare_with("gauge-set", ours[GAUGE_SET], "", 0, PEER_GAUGE_SET);
    ours[OBSERVE] = measure(run_observe, histogram, operations);
    compare_with("observe/11-bounds", ours[OBSERVE], "lock-add+swap", lock + swap, PEER_OBSERVE);
    two = (struct job){ run_observe, histogram, 0 };
    print_figure("observe/11-bounds/2-threads",
                 measure_rounds(run_twice, &two, operations / 4, round_count * 4), 0, "ns");
    ours[NATIVE] = measure(run_observe, native_histogram("bench_native_seconds", 0), operations);
    compare_with("observe/native", ours[NATIVE], "", 0, -1);
    struct pm_histogram *both = native_histogram("bench_both_seconds", 1);
    compare_with("observe/native+11-bounds", measure(run_observe, both, operations), "", 0, -1);
    compare_with("observe/summary", measure(run_summary, summary, operations), "lock-add+swap",
                 lock + swap, -1);
    compare_with("observe/3-quantiles",
                 measure(run_summary, pm_summary_of(NULL, &window), operations), "", 0,
                 PEER_QUANTILES);
    compare_with("observe/trace", measure(run_trace, histogram, operations / 10), "", 0, -1);
    ours[LABELS] = measure(run_labels, labels, operations / 4);
    compare_with("inc/2-labels", ours[LABELS], "", 0, PEER_LABELS);
    ours[SITE] = measure(run_site, labels, operations);
    compare_with("inc/2-labels/call-site", ours[SITE], "", 0, PEER_LABELS);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        round_count = 3;
        operations = 4000000;
    }
    srand48(1);
    for (size_t i = 0; i < VALUES; i++) values[i] = drand48() * drand48() * 12;
    double ours[OURS];
    measure_updates(ours);
    measure_exposition("whole", 0);
    measure_exposition("double", 1);
    size_t size;
    print_figure("print-double", measure(run_print, &size, operations / 10), 0, "ns");
    measure_shared();
    run_script("/usr/bin/python3 " SOURCE_ROOT "/bench/prometheus_peer.py 2>/dev/null", "python",
               ours, ours_names, OURS);
    run_script("cd " SOURCE_ROOT "/bench/prometheus_go && GOFLAGS=-mod=mod go run . 2>/dev/null",
               "go", ours, ours_names, OURS);
    return 0;
}
