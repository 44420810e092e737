/* probe.h - asks other servers whether they live, under the names of blackbox_exporter.
 *
 * Each target has a thread that probes it every interval and keeps the last result; a scrape shows
 * the last results and waits for nobody. One series a target and metric, labelled
 * {probe="name", module="http"|"tcp", target="url or host:port"}.
 *
 * Source:  blackbox_exporter's exposed names.
 * Lock:    a mutex a target guards its last result.
 */
#ifndef DRIVER_PROBE_H
#define DRIVER_PROBE_H

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "http/client.h"
#include "prometheus/prometheus.h"
#include "structlog/structlog.h"

#include <stddef.h>
#include <stdint.h>

#define PROBE_TARGETS_MAX   64 /* each has a thread */
#define PROBE_BODY_SIZE_MAX (4u << 20)

enum probe_kind {
    PROBE_HTTP, /* succeeds with a status from 200 to 299, redirects followed */
    PROBE_TCP,  /* succeeds when a connection opens */
};

struct probe_target {
    const char *name;
    const char *address; /* "http://host:port/path", or "host:port" for TCP */
    enum probe_kind kind;
    int64_t interval_ms;
    int64_t timeout_ms;
};

struct probe_set;

/* Where the probes' words go and what they stand on; all borrowed until probe_set_free. */
struct probe_setup {
    const struct probe_target *targets;
    size_t target_count;
    const struct http_resolve *resolve;
    const struct clock *clock;
    struct sl_logger *log;
};

/* Starts one thread a target. ERROR_LIMIT above PROBE_TARGETS_MAX. */
int probe_set_start(struct probe_set **set, const struct probe_setup *setup,
                    struct error *error) MUST_CHECK;

/* Stops the threads; a probe under way is cut short. NULL is fine. */
void probe_set_free(struct probe_set *set);
void probe_set_cleanup(struct probe_set **set);

/* A pm_collect_function; arg is the struct probe_set. */
void probe_collect(struct pm_emit *emit, void *arg);

#endif
