/* host_system.c - load, files, processes, time and the kernel's name. */
#include "driver/host.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>

/* "0.52" in hundredths: /proc/loadavg always has two decimals. */
static double load_of(struct str text)
{
    struct str whole = str_cut(&text, '.');
    double fraction = host_number(text);
    for (size_t i = 0; i < text.size; i++) fraction /= 10;
    return host_number(whole) + fraction;
}

bool host_collect_load(struct host_scrape *scrape)
{
    static const struct {
        const char *name;
        const char *help;
    } gauges[] = {
        { "node_load1", "1m load average." },
        { "node_load5", "5m load average." },
        { "node_load15", "15m load average." },
    };
    struct str text;
    struct str word;
    if (!host_read(scrape, scrape->host->procfs, "loadavg", &text)) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(gauges); i++) {
        if (!host_next_word(&text, &word)) return false;
        pm_emit_one(scrape->emit, PM_GAUGE, gauges[i].name, gauges[i].help, load_of(word));
    }
    return true;
}

bool host_collect_filefd(struct host_scrape *scrape)
{
    struct str text;
    struct str allocated;
    struct str unused;
    struct str maximum;
    if (!host_read(scrape, scrape->host->procfs, "sys/fs/file-nr", &text)) return false;
    text = str_trim(text);
    if (!host_next_word(&text, &allocated) || !host_next_word(&text, &unused) ||
        !host_next_word(&text, &maximum)) {
        return false;
    }
    pm_emit_one(scrape->emit, PM_GAUGE, "node_filefd_allocated",
                "File descriptor statistics: allocated.", host_number(allocated));
    pm_emit_one(scrape->emit, PM_GAUGE, "node_filefd_maximum",
                "File descriptor statistics: maximum.", host_number(maximum));
    double bits;
    if (host_read_number(scrape, scrape->host->procfs, "sys/kernel/random/entropy_avail", &bits)) {
        pm_emit_one(scrape->emit, PM_GAUGE, "node_entropy_available_bits",
                    "Bits of available entropy.", bits);
    }
    return true;
}

static const char states[] = "DIPRSTWXZt";

struct process_count {
    struct host_scrape *scrape;
    double pids;
    double threads;
    double by_state[sizeof(states) - 1];
};

/* /proc/PID/stat: the state and the number of threads stand behind the last ')', for the name may
 * hold anything. A process that has gone meanwhile is not counted. */
static int visit_process(void *argument, const char *name)
{
    struct process_count *count = argument;
    if (name[0] < '0' || name[0] > '9') return 0;
    char path[FILE_PATH_SIZE];
    char folder[FILE_PATH_SIZE];
    char bytes[1024];
    if (file_join(folder, count->scrape->host->procfs, name, NULL) != 0) return 0;
    if (file_join(path, folder, "stat", NULL) != 0) return 0;
    const struct disk *disk = count->scrape->host->disk;
    int handle = disk->open(disk->state, path, DISK_READ);
    if (handle < 0) return 0;
    int64_t got = disk->read_at(disk->state, handle, bytes, sizeof(bytes), 0);
    disk->close(disk->state, handle);
    if (got <= 0) return 0;

    struct str text = { bytes, (size_t)got };
    const char *bracket = memrchr(bytes, ')', (size_t)got);
    if (bracket == NULL) return 0;
    text = str_skip(text, (size_t)(bracket - bytes) + 1);
    struct str word = { 0 };
    if (!host_next_word(&text, &word)) return 0;
    const char *state = word.size == 1 ? strchr(states, word.data[0]) : NULL;
    if (state != NULL) count->by_state[state - states]++;
    for (int field = 4; field <= 20 && host_next_word(&text, &word); field++) continue;
    count->pids++;
    count->threads += host_number(word);
    return 0;
}

bool host_collect_processes(struct host_scrape *scrape)
{
    struct process_count count = { .scrape = scrape };
    const struct disk *disk = scrape->host->disk;
    if (disk->list(disk->state, scrape->host->procfs, visit_process, &count) != 0) return false;
    pm_emit_one(scrape->emit, PM_GAUGE, "node_processes_pids", "Number of PIDs.", count.pids);
    pm_emit_one(scrape->emit, PM_GAUGE, "node_processes_threads", "Allocated threads in system.",
                count.threads);
    pm_emit_family(scrape->emit, PM_GAUGE, "node_processes_state",
                   "Number of processes in each state.");
    for (size_t i = 0; i < sizeof(states) - 1; i++) {
        if (count.by_state[i] == 0) continue;
        char state[2] = { states[i], '\0' };
        pm_emit_value(scrape->emit, count.by_state[i], "state", state);
    }
    double maximum;
    if (host_read_number(scrape, scrape->host->procfs, "sys/kernel/pid_max", &maximum)) {
        pm_emit_one(scrape->emit, PM_GAUGE, "node_processes_max_processes",
                    "Number of max PIDs limit.", maximum);
    }
    if (host_read_number(scrape, scrape->host->procfs, "sys/kernel/threads-max", &maximum)) {
        pm_emit_one(scrape->emit, PM_GAUGE, "node_processes_max_threads",
                    "Limit of threads in the system.", maximum);
    }
    return true;
}

static void emit_timex(struct host_scrape *scrape)
{
    struct timex timex = { .modes = 0 };
    int state = adjtimex(&timex);
    if (state < 0) return;
    double second = (timex.status & STA_NANO) != 0 ? 1e9 : 1e6;
    pm_emit_one(scrape->emit, PM_GAUGE, "node_timex_offset_seconds",
                "Time offset in between local system and reference clock.",
                (double)timex.offset / second);
    pm_emit_one(scrape->emit, PM_GAUGE, "node_timex_sync_status",
                "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
                (timex.status & STA_UNSYNC) == 0 && state != TIME_ERROR ? 1 : 0);
    pm_emit_one(scrape->emit, PM_GAUGE, "node_timex_maxerror_seconds", "Maximum error in seconds.",
                (double)timex.maxerror / 1e6);
    pm_emit_one(scrape->emit, PM_GAUGE, "node_timex_estimated_error_seconds",
                "Estimated error in seconds.", (double)timex.esterror / 1e6);
    pm_emit_one(scrape->emit, PM_GAUGE, "node_timex_frequency_adjustment_ratio",
                "Local clock frequency adjustment.", 1 + (double)timex.freq / 65536e6);
}

bool host_collect_time(struct host_scrape *scrape)
{
    double now = (double)clock_realtime_ns(&clock_system) / 1e9;
    pm_emit_one(scrape->emit, PM_GAUGE, "node_time_seconds",
                "System time in seconds since epoch (1970).", now);
    time_t seconds = (time_t)now;
    struct tm local;
    if (localtime_r(&seconds, &local) != NULL) {
        pm_emit_family(scrape->emit, PM_GAUGE, "node_time_zone_offset_seconds",
                       "System time zone offset in seconds.");
        pm_emit_value(scrape->emit, (double)local.tm_gmtoff, "time_zone", local.tm_zone);
    }
    emit_timex(scrape);
    return true;
}

bool host_collect_uname(struct host_scrape *scrape)
{
    struct utsname names;
    if (uname(&names) != 0) return false;
    pm_emit_family(scrape->emit, PM_GAUGE, "node_uname_info",
                   "Labeled system information as provided by the uname system call.");
    pm_emit_value(scrape->emit, 1, "domainname", names.domainname, "machine", names.machine,
                  "nodename", names.nodename, "release", names.release, "sysname", names.sysname,
                  "version", names.version);
    return true;
}
