/* host_cpu.c - /proc/stat: what the processors did, and how often the kernel switched. */
#include "driver/host.h"

#include <unistd.h>

#define CPUS_MAX 4096

static const char *const modes[] = { "user",   "nice", "system",  "idle",
                                     "iowait", "irq",  "softirq", "steal" };

/* Ticks of one processor: the modes, then guest and guest_nice. */
struct ticks {
    const char *cpu;
    double counts[ARRAY_LENGTH(modes) + 2];
};

static bool read_line(struct host_scrape *scrape, struct str line, struct ticks *ticks)
{
    struct str name;
    struct str word;
    if (!host_next_word(&line, &name) || !str_starts_with(name, STR("cpu")) || name.size == 3) {
        return false;
    }
    *ticks = (struct ticks){ .cpu = host_text(scrape, str_skip(name, 3)) };
    for (size_t i = 0; i < ARRAY_LENGTH(ticks->counts) && host_next_word(&line, &word); i++) {
        ticks->counts[i] = host_number(word);
    }
    return true;
}

bool host_collect_cpu(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "stat", &text)) return false;
    long ticks_per_second = sysconf(_SC_CLK_TCK);
    if (ticks_per_second <= 0) return false;

    struct ticks *cpus = ARENA_ARRAY(&scrape->arena, struct ticks, CPUS_MAX);
    if (cpus == NULL) return false;
    size_t count = 0;
    struct str line;
    while (count < CPUS_MAX && host_next_line(&text, &line)) {
        if (read_line(scrape, line, &cpus[count])) count++;
    }

    double second = 1.0 / (double)ticks_per_second;
    pm_emit_family(scrape->emit, PM_COUNTER, "node_cpu_seconds_total",
                   "Seconds the CPUs spent in each mode.");
    for (size_t i = 0; i < count; i++) {
        for (size_t mode = 0; mode < ARRAY_LENGTH(modes); mode++) {
            pm_emit_value(scrape->emit, cpus[i].counts[mode] * second, "cpu", cpus[i].cpu, "mode",
                          modes[mode]);
        }
    }
    pm_emit_family(scrape->emit, PM_COUNTER, "node_cpu_guest_seconds_total",
                   "Seconds the CPUs spent in guests (VMs) for each mode.");
    for (size_t i = 0; i < count; i++) {
        pm_emit_value(scrape->emit, cpus[i].counts[8] * second, "cpu", cpus[i].cpu, "mode", "user");
        pm_emit_value(scrape->emit, cpus[i].counts[9] * second, "cpu", cpus[i].cpu, "mode", "nice");
    }
    return count > 0;
}

static const struct {
    struct str key;
    enum pm_type type;
    const char *name;
    const char *help;
} stat_lines[] = {
    { STR_INIT("btime"), PM_GAUGE, "node_boot_time_seconds",
      "Node boot time, in seconds since the epoch." },
    { STR_INIT("ctxt"), PM_COUNTER, "node_context_switches_total",
      "Total number of context switches." },
    { STR_INIT("processes"), PM_COUNTER, "node_forks_total", "Total number of forks." },
    { STR_INIT("intr"), PM_COUNTER, "node_intr_total", "Total number of interrupts serviced." },
    { STR_INIT("procs_blocked"), PM_GAUGE, "node_procs_blocked",
      "Number of processes blocked waiting for I/O to complete." },
    { STR_INIT("procs_running"), PM_GAUGE, "node_procs_running",
      "Number of processes in runnable state." },
};

bool host_collect_stat(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "stat", &text)) return false;
    struct str line;
    while (host_next_line(&text, &line)) {
        struct str key;
        struct str value;
        if (!host_next_word(&line, &key) || !host_next_word(&line, &value)) continue;
        for (size_t i = 0; i < ARRAY_LENGTH(stat_lines); i++) {
            if (!str_equal(key, stat_lines[i].key)) continue;
            pm_emit_one(scrape->emit, stat_lines[i].type, stat_lines[i].name, stat_lines[i].help,
                        host_number(value));
        }
    }
    return true;
}
