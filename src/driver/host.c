/* host.c - the table of collectors, and the few tools they share. */
#include "driver/host.h"

#include "base/clock.h"

#include <stdlib.h>

#define SCRAPE_SIZE_MAX (16u << 20) /* bytes that one collector may read; /proc/net/dev is small */

static const struct collector {
    const char *name;
    bool (*collect)(struct host_scrape *scrape);
} collectors[] = {
    { "cpu", host_collect_cpu },
    { "diskstats", host_collect_disk },
    { "filefd", host_collect_filefd },
    { "filesystem", host_collect_filesystem },
    { "loadavg", host_collect_load },
    { "meminfo", host_collect_memory },
    { "netclass", host_collect_netclass },
    { "netdev", host_collect_netdev },
    { "netstat", host_collect_netstat },
    { "pressure", host_collect_pressure },
    { "processes", host_collect_processes },
    { "sockstat", host_collect_sockstat },
    { "stat", host_collect_stat },
    { "time", host_collect_time },
    { "uname", host_collect_uname },
    { "vmstat", host_collect_vmstat },
};

static const char *environment_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? otherwise : value;
}

void host_init(struct host *host, const struct disk *disk)
{
    *host = (struct host){
        .disk = disk,
        .procfs = environment_or("BAROGRAPH_PROCFS", "/proc"),
        .sysfs = environment_or("BAROGRAPH_SYSFS", "/sys"),
        .rootfs = environment_or("BAROGRAPH_ROOTFS", "/"),
    };
}

void host_collect(struct pm_emit *emit, void *arg)
{
    struct host_scrape scrape = { .host = arg, .emit = emit };
    arena_init(&scrape.arena, SCRAPE_SIZE_MAX);
    double seconds[ARRAY_LENGTH(collectors)];
    bool has_worked[ARRAY_LENGTH(collectors)];
    for (size_t i = 0; i < ARRAY_LENGTH(collectors); i++) {
        int64_t start_ns = clock_monotonic_ns(&clock_system);
        has_worked[i] = collectors[i].collect(&scrape);
        seconds[i] = (double)(clock_monotonic_ns(&clock_system) - start_ns) / 1e9;
        arena_reset(&scrape.arena);
    }
    arena_release(&scrape.arena);

    pm_emit_family(emit, PM_GAUGE, "node_scrape_collector_duration_seconds",
                   "Duration of a collector of this scrape.");
    for (size_t i = 0; i < ARRAY_LENGTH(collectors); i++) {
        pm_emit_value(emit, seconds[i], "collector", collectors[i].name);
    }
    pm_emit_family(emit, PM_GAUGE, "node_scrape_collector_success",
                   "Whether a collector could read its data.");
    for (size_t i = 0; i < ARRAY_LENGTH(collectors); i++) {
        pm_emit_value(emit, has_worked[i] ? 1 : 0, "collector", collectors[i].name);
    }
}

bool host_read(struct host_scrape *scrape, const char *folder, const char *name, struct str *text)
{
    char path[FILE_PATH_SIZE];
    if (file_join(path, folder, name, NULL) != 0) return false;
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, HOST_FILE_SIZE_MAX);
    if (file_read(scrape->host->disk, path, &bytes, NULL) != 0) return false;
    struct str copy = arena_copy(&scrape->arena, buf_str(&bytes));
    if (copy.data == NULL) return false;
    *text = copy;
    return true;
}

bool host_read_number(struct host_scrape *scrape, const char *folder, const char *name,
                      double *number)
{
    struct str text;
    if (!host_read(scrape, folder, name, &text)) return false;
    text = str_trim(text);
    int64_t value;
    if (!str_to_int64(text, &value)) return false;
    *number = (double)value;
    return true;
}

bool host_next_line(struct str *rest, struct str *line)
{
    if (rest->size == 0) return false;
    *line = str_cut(rest, '\n');
    return true;
}

bool host_next_word(struct str *rest, struct str *word)
{
    while (rest->size > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        *rest = str_skip(*rest, 1);
    }
    size_t size = 0;
    while (size < rest->size && rest->data[size] != ' ' && rest->data[size] != '\t') size++;
    *word = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    return size > 0;
}

double host_number(struct str text)
{
    uint64_t value;
    return str_to_uint64(text, &value) ? (double)value : 0;
}

const char *host_text(struct host_scrape *scrape, struct str text)
{
    struct str copy = arena_copy(&scrape->arena, text);
    return copy.data == NULL ? "" : copy.data;
}
