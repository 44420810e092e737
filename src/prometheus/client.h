/* client.h - metrics shared by processes: a region of memory, its daemon and its clients.
 *
 *     daemon   pm_daemon_open(&daemon, NULL, &error); pm_daemon_register(daemon, registry, &error);
 *     client   pm_client_open(&client, NULL, &error);
 *              jobs = pm_client_counter(client, "jobs_total", "Jobs done.", "ok");
 *              pm_inc(pm_counter_with(jobs, "true"));
 *
 * A region is one file that all map. The daemon makes it and shows what is in it; a client is a
 * registry whose families and words live there, so handles and updates are those of
 * prometheus.h, exact across processes, at the same price. Nothing is queued: an update that
 * returned is counted, also when the process is killed right after it. What a process leaves
 * half done when it dies is either not there or whole. Part of prometheus.h: include that.
 */
#ifndef PROMETHEUS_CLIENT_H
#define PROMETHEUS_CLIENT_H

#include "prometheus/prometheus.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pm_client;
struct pm_daemon;

/* How this process adds; chosen once, at the first region or registry. */
enum pm_mode {
    PM_MODE_AUTO,   /* rseq where the kernel and libc have it, else atomic */
    PM_MODE_RSEQ,   /* words of the CPU, restartable sequence */
    PM_MODE_ATOMIC, /* words of the CPU's number modulo some, lock add */
    PM_MODE_THREAD  /* words of the thread, single writer; more threads than words: atomic */
};
/* Before anything else of the library is used; also by environment PM_MODE=rseq|atomic|thread.
 * Returns 0, or PM_ERROR_SYSTEM when the mode is not to be had or another is in use. */
int pm_set_mode(enum pm_mode mode);
enum pm_mode pm_mode(void);

/* Limits of a region; the file is sparse: only what is used takes memory. */
struct pm_daemon_options {
    const char *path;      /* NULL: BAROGRAPH_METRICS, else /dev/shm/barograph-<uid>-metrics */
    size_t directory_size; /* bytes for names, labels and texts; 0 = 8 MiB */
    size_t word_count;     /* words of 8 bytes a CPU, rounded up to 8192; 0 = 131072 */
    bool guards_cuts;      /* takes SIGBUS, so that a file cut short under this process is zeros
                              and pm_region_cut 1 instead of its end; other faults go to whoever
                              had the signal before. Threads that use the region must not block
                              it */
};

/* Makes the region, or takes over the one that is there (its counters go on). A file of another
 * layout is replaced. PM_ERROR_SYSTEM when another daemon lives on it. */
int pm_daemon_open(struct pm_daemon **daemon, const struct pm_daemon_options *options,
                   struct pm_error *error);
/* NULL is fine; before the registry it shows in is freed. The file stays for the next daemon. */
void pm_daemon_close(struct pm_daemon *daemon);
/* Shows the region's metrics, and pm_region_...: its size, use, errors of clients. */
int pm_daemon_register(struct pm_daemon *daemon, struct pm_registry *registry,
                       struct pm_error *error);
const char *pm_daemon_path(const struct pm_daemon *daemon);
struct pm_registry *pm_daemon_registry(struct pm_daemon *daemon); /* to make metrics itself */

/* path NULL: as the daemon. PM_ERROR_SYSTEM when no daemon made it, PM_ERROR_REGION otherwise. */
int pm_client_open(struct pm_client **client, const char *path, struct pm_error *error);
void pm_client_close(struct pm_client *client); /* NULL is fine; its handles end here */
struct pm_registry *pm_client_registry(struct pm_client *client); /* for pm_create() and all */

#define pm_client_counter(client, ...)   pm_counter_new(pm_client_registry(client), __VA_ARGS__)
#define pm_client_gauge(client, ...)     pm_gauge_new(pm_client_registry(client), __VA_ARGS__)
#define pm_client_histogram(client, ...) pm_histogram_new(pm_client_registry(client), __VA_ARGS__)
#define pm_client_summary(client, ...)   pm_summary_new(pm_client_registry(client), __VA_ARGS__)
#define pm_client_info(client, ...)      pm_info_new(pm_client_registry(client), __VA_ARGS__)

/* One command of a script, as `barograph metric inc jobs_total --label ok=true`. */
enum pm_action {
    PM_DO_INC,     /* counter, gauge; makes a counter */
    PM_DO_DEC,     /* gauge; makes one */
    PM_DO_SET,     /* gauge; makes one */
    PM_DO_OBSERVE, /* histogram, summary; makes a summary, with bounds a histogram */
    PM_DO_INFO,    /* info: labels are its pairs; makes one */
    PM_DO_STATE,   /* enum: text is the state; makes one of `states` */
    PM_DO_REMOVE,  /* the series with these labels; without labels the whole metric */
    PM_DO_LIST,    /* writes the region's exposition text */
    PM_DO_CREATE   /* makes a metric of `type`; what is there stays as it is */
};

struct pm_command {
    enum pm_action action;
    const char *path;              /* of the region, NULL as above */
    const char *name;              /* not for LIST */
    const char *help;              /* NULL: "Made by a script." when the metric is made */
    const char *unit;              /* CREATE: may be NULL */
    enum pm_type type;             /* CREATE */
    const struct pm_label *labels; /* CREATE: the values are not looked at */
    size_t label_count;
    bool has_value; /* INC, DEC: false = 1; SET, OBSERVE: needed */
    bool must_exist;
    bool fills_labels; /* labels that are not given are empty, instead of an error */
    double value;
    const char *state;
    const char *const *states; /* STATE: all states, needed when it is made */
    size_t state_count;
    const double *bounds;
    size_t bound_count;
};

/* Opens the region, does it, closes. Returns 0 or a code with a text for people. */
int pm_command_run(const struct pm_command *command, pm_write_function *write, void *arg,
                   struct pm_error *error);
/* The same on an open client, or on any registry; LIST is PM_ERROR_TYPE here. */
int pm_client_command(struct pm_client *client, const struct pm_command *command,
                      struct pm_error *error);
int pm_registry_command(struct pm_registry *registry, const struct pm_command *command,
                        struct pm_error *error);

#ifdef __cplusplus
}
#endif

#endif
