/* process.c - what Linux says of this process, under the names all client libraries use. */
#include "prometheus/fail.h"
#include "prometheus/prometheus.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Reads a small file whole; the size, or 0. */
static size_t read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    size_t used = 0;
    while (used < size - 1) {
        ssize_t count = read(fd, text + used, size - 1 - used);
        if (count <= 0) break;
        used += (size_t)count;
    }
    (void)close(fd);
    text[used] = '\0';
    return used;
}

static uint64_t read_number(const char **at)
{
    while (**at == ' ' || **at == '\t') (*at)++;
    uint64_t value = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) value = value * 10 + (uint64_t)(**at - '0');
    return value;
}

/* The fields of /proc/self/stat from the third on: behind the last ')', for a name may hold any. */
static bool read_stat(uint64_t fields[64])
{
    char text[4096];
    if (read_file("/proc/self/stat", text, sizeof(text)) == 0) return false;
    const char *at = strrchr(text, ')');
    if (at == NULL) return false;
    at++;
    for (int i = 3; i < 53 && *at != '\0'; i++) {
        while (*at == ' ') at++;
        if (*at == '-') at++;
        fields[i] = read_number(&at);
        while (*at != ' ' && *at != '\0') at++;
    }
    return true;
}

static double boot_time(void)
{
    char text[16384];
    if (read_file("/proc/stat", text, sizeof(text)) == 0) return 0;
    const char *at = strstr(text, "\nbtime ");
    if (at == NULL) return 0;
    at += 7;
    return (double)read_number(&at);
}

static void emit_fds(struct pm_emit *emit)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) return;
    double count = -1; /* not the directory's own */
    for (;;) {
        const struct dirent *entry = readdir(directory); /* a directory no other thread has */
        if (entry == NULL) break;
        if (entry->d_name[0] != '.') count++;
    }
    (void)closedir(directory);
    pm_emit_one(emit, PM_GAUGE, "process_open_fds", "Number of open file descriptors.", count);
}

static void emit_limit(struct pm_emit *emit, int resource, const char *name, const char *help)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0) return;
    double value = limit.rlim_cur == RLIM_INFINITY ? -1 : (double)limit.rlim_cur;
    if (resource == RLIMIT_AS && value < 0) value = 18446744073709551615.0; /* as Go shows it */
    pm_emit_one(emit, PM_GAUGE, name, help, value);
}

/* Bytes over all interfaces of the process' network namespace but loopback's. */
static void emit_network(struct pm_emit *emit)
{
    char text[16384];
    if (read_file("/proc/self/net/dev", text, sizeof(text)) == 0) return;
    uint64_t received = 0;
    uint64_t sent = 0;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *colon = strchr(line, ':');
        const char *end = strchr(line, '\n');
        if (colon == NULL) break;
        if (end != NULL && colon > end) continue;
        while (*line == ' ') line++;
        if (strncmp(line, "lo:", 3) == 0) continue;
        const char *at = colon + 1;
        received += read_number(&at);
        for (int i = 0; i < 7; i++) (void)read_number(&at);
        sent += read_number(&at);
    }
    pm_emit_family(emit, PM_COUNTER, "process_network_receive_bytes_total",
                   "Number of bytes received by the process over the network.");
    pm_emit_count(emit, received);
    pm_emit_family(emit, PM_COUNTER, "process_network_transmit_bytes_total",
                   "Number of bytes sent by the process over the network.");
    pm_emit_count(emit, sent);
}

/* ---- The cgroup ---- */

/* Of a file in the process' cgroup, of version 2 or of version 1's `controller`; 0: not there. */
static size_t read_cgroup(const char *controller, const char *name, const char *old_name,
                          char *text, size_t size)
{
    char groups[4096];
    char path[4096 + 128];
    if (read_file("/proc/self/cgroup", groups, sizeof(groups)) == 0) return 0;
    const char *own = strncmp(groups, "0::", 3) == 0 ? groups + 3 : strstr(groups, "\n0::");
    if (own != NULL) {
        own += *own == '\n' ? 4 : 0;
        (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s/%s", (int)strcspn(own, "\n"), own,
                       name);
        size_t used = read_file(path, text, size);
        if (used > 0) return used;
    }
    /* Within a container the process' own group is mounted at the top. */
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", name);
    size_t used = read_file(path, text, size);
    if (used > 0) return used;
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/%s", controller, old_name);
    return read_file(path, text, size);
}

/* Limits that are not there ("max", or version 1's page-rounded greatest number) are not shown. */
static void emit_cgroup(struct pm_emit *emit)
{
    static const struct {
        const char *name;
        const char *old_name;
        const char *metric;
        const char *help;
    } rows[] = {
        { "memory.current", "memory.usage_in_bytes", "process_cgroup_memory_bytes",
          "Memory in use by the cgroup of the process." },
        { "memory.max", "memory.limit_in_bytes", "process_cgroup_memory_max_bytes",
          "Memory the cgroup of the process may use." },
    };
    char text[128];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *at = text;
        if (read_cgroup("memory", rows[i].name, rows[i].old_name, text, sizeof(text)) == 0)
            continue;
        if (*at < '0' || *at > '9') continue;
        uint64_t value = read_number(&at);
        if (value >= (uint64_t)INT64_MAX / 4096 * 4096) continue;
        pm_emit_one(emit, PM_GAUGE, rows[i].metric, rows[i].help, (double)value);
    }
    if (read_cgroup("cpu", "cpu.max", "none", text, sizeof(text)) == 0) return;
    const char *at = text;
    if (*at < '0' || *at > '9') return;
    double quota = (double)read_number(&at);
    double period = (double)read_number(&at);
    if (!(period > 0)) return;
    pm_emit_one(emit, PM_GAUGE, "process_cgroup_cpus_max",
                "Processors' worth of time the cgroup of the process may use.", quota / period);
}

static void emit_errors(struct pm_emit *emit)
{
    pm_emit_family(emit, PM_COUNTER, "pm_errors_total",
                   "Updates and definitions of metrics that this process got wrong.");
    for (int code = -1; code > -PM_ERROR_CODES; code--) {
        pm_emit_count(emit, pm_error_count(code), "reason", pm_code_name(code));
    }
}

static void collect(struct pm_emit *emit, void *arg)
{
    (void)arg;
    uint64_t fields[64] = { 0 };
    if (read_stat(fields)) {
        double ticks = (double)sysconf(_SC_CLK_TCK);
        pm_emit_one(emit, PM_COUNTER, "process_cpu_seconds_total",
                    "Total user and system CPU time spent in seconds.",
                    (double)(fields[14] + fields[15]) / ticks);
        pm_emit_one(emit, PM_GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
                    (double)fields[23]);
        pm_emit_one(emit, PM_GAUGE, "process_resident_memory_bytes",
                    "Resident memory size in bytes.",
                    (double)fields[24] * (double)sysconf(_SC_PAGESIZE));
        pm_emit_one(emit, PM_GAUGE, "process_threads", "Number of threads.", (double)fields[20]);
        static double start_time; /* kept: the boot time jumps when the clock is set */
        double start;
        __atomic_load(&start_time, &start, __ATOMIC_RELAXED);
        if (start == 0) {
            start = boot_time() + (double)fields[22] / ticks;
            __atomic_store(&start_time, &start, __ATOMIC_RELAXED);
        }
        pm_emit_one(emit, PM_GAUGE, "process_start_time_seconds",
                    "Start time of the process since unix epoch in seconds.", start);
    }
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 heap = mallinfo2();
    pm_emit_one(emit, PM_GAUGE, "process_heap_bytes", "Process heap size in bytes.",
                (double)(heap.arena + heap.hblkhd));
#endif
    emit_fds(emit);
    emit_limit(emit, RLIMIT_NOFILE, "process_max_fds", "Maximum number of open file descriptors.");
    emit_limit(emit, RLIMIT_AS, "process_virtual_memory_max_bytes",
               "Maximum amount of virtual memory available in bytes.");
    emit_network(emit);
    emit_cgroup(emit);
    emit_errors(emit);
}

int pm_register_process(struct pm_registry *registry, struct pm_error *error)
{
    (void)pm_unregister_process(registry); /* once is enough */
    return pm_register_collector(registry, collect, NULL, error);
}

int pm_unregister_process(struct pm_registry *registry)
{
    return pm_unregister_collector(registry, collect, NULL);
}
