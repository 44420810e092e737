/* host.h - what the machine says of itself, under the names of node_exporter.
 *
 * One file a collector, each reading a few files of /proc or /sys at every scrape and keeping
 * nothing between scrapes. A file that is not there is a collector without data, as on a kernel
 * that lacks the feature; node_scrape_collector_success tells which ones worked.
 *
 * Source:  node_exporter's documentation and its exposed names; proc(5), sysfs(5).
 * Threads: host_collect from any thread; a struct host is never changed after host_init.
 */
#ifndef DRIVER_HOST_H
#define DRIVER_HOST_H

#include "base/arena.h"
#include "base/file.h"
#include "base/str.h"
#include "prometheus/prometheus.h"

#include <stdbool.h>

/* Where the host's file systems are mounted; in a container not at their own places. */
struct host {
    const struct disk *disk;
    const char *procfs; /* "/proc", or $BAROGRAPH_PROCFS */
    const char *sysfs;  /* "/sys", or $BAROGRAPH_SYSFS */
    const char *rootfs; /* "/", or $BAROGRAPH_ROOTFS: put in front of mount points */
};

void host_init(struct host *host, const struct disk *disk);

/* A pm_collect_function; arg is a struct host. */
void host_collect(struct pm_emit *emit, void *arg);

/* ---- for the collectors ---- */

/* One scrape's view: what it reads lives in its arena until the collector returns. */
struct host_scrape {
    const struct host *host;
    struct pm_emit *emit;
    struct arena arena;
};

/* Reads folder/name (folder: host->procfs or host->sysfs). NULL-terminated behind its size; false
 * when it cannot be read or is larger than HOST_FILE_SIZE_MAX. */
#define HOST_FILE_SIZE_MAX (4u << 20)
bool host_read(struct host_scrape *scrape, const char *folder, const char *name, struct str *text);
bool host_read_number(struct host_scrape *scrape, const char *folder, const char *name,
                      double *number);

/* The next line, and the next word of a line; false at the end. Words are cut at blanks. */
bool host_next_line(struct str *rest, struct str *line);
bool host_next_word(struct str *rest, struct str *word);
double host_number(struct str text); /* decimal digits; 0 for what is none */
const char *host_text(struct host_scrape *scrape,
                      struct str text); /* NUL-terminated; "" on failure */

/* The collectors: true when their data could be read. */
bool host_collect_cpu(struct host_scrape *scrape);
bool host_collect_disk(struct host_scrape *scrape);
bool host_collect_filesystem(struct host_scrape *scrape);
bool host_collect_load(struct host_scrape *scrape);
bool host_collect_memory(struct host_scrape *scrape);
bool host_collect_netclass(struct host_scrape *scrape);
bool host_collect_netdev(struct host_scrape *scrape);
bool host_collect_netstat(struct host_scrape *scrape);
bool host_collect_pressure(struct host_scrape *scrape);
bool host_collect_processes(struct host_scrape *scrape);
bool host_collect_sockstat(struct host_scrape *scrape);
bool host_collect_stat(struct host_scrape *scrape);
bool host_collect_filefd(struct host_scrape *scrape);
bool host_collect_time(struct host_scrape *scrape);
bool host_collect_uname(struct host_scrape *scrape);
bool host_collect_vmstat(struct host_scrape *scrape);

#endif
