/* datagram_bench.c - what a line of a datagram costs the daemon: read, looked up, counted. */
#include "prometheus/line.h"
#include "prometheus/prometheus.h"
#include "prometheus/statsd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct pm_registry *registry;
static struct statsd *statsd;

static void run_line(const char *text, size_t size)
{
    struct pm_line line;
    if (pm_line_parse(&line, text, size, NULL) < 0) abort();
    if (pm_registry_command(registry, &line.command, NULL) < 0) abort();
}

static void run_statsd(const char *text, size_t size)
{
    static struct statsd_line line;
    if (statsd_parse(&line, text, size, NULL) < 0) abort();
    if (statsd_apply(statsd, &line, NULL) < 0) abort();
}

static void measure(const char *name, const char *text, void (*run)(const char *, size_t),
                    int rounds)
{
    double best = 0;
    size_t size = strlen(text);
    for (int try = 0; try < 5; try++) {
        double start = cpu_ns();
        for (int i = 0; i < rounds; i++) run(text, size);
        double ns = (cpu_ns() - start) / rounds;
        if (try == 0 || ns < best) best = ns;
    }
    printf("%-36s %8.0f %8s %8s ns\n", name, best, "-", "-");
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 && strcmp(argv[1], "--quick") == 0 ? 20000 : 300000;
    struct pm_daemon *daemon_side = NULL;
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-bench-%ld", (long)getpid());
    struct pm_daemon_options options = { .path = path };
    if (pm_daemon_open(&daemon_side, &options, NULL) < 0) return 1;
    registry = pm_daemon_registry(daemon_side);
    if (statsd_new(&statsd, registry, NULL) < 0) return 1;
    measure("line: inc", "inc jobs_total", run_line, rounds);
    measure("line: inc, two labels", "inc by_total{ok=\"true\",host=\"a\"} 24", run_line, rounds);
    measure("line: observe", "observe lat_seconds 0.2 bounds=0.1,1", run_line, rounds);
    measure("StatsD: counter", "hits:1|c", run_statsd, rounds);
    measure("StatsD: timer, two tags", "req:320|ms|#env:prod,zone:b", run_statsd, rounds);
    statsd_free(statsd);
    pm_daemon_close(daemon_side);
    (void)remove(path);
    return 0;
}
