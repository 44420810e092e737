/* metrics.h - what a role tells of itself at /metrics. For role/ alone. */
#ifndef ROLE_METRICS_H
#define ROLE_METRICS_H

#include "base/error.h"
#include "http/server.h"
#include "prometheus/prometheus.h"

#include <stdatomic.h>

struct role_metrics {
    struct pm_registry *registry;
    struct pm_scrapes scrapes;
    struct http_server *server; /* may be NULL */
    const char *role_name;
    atomic_bool is_ready;
    atomic_bool is_reload_good;
    atomic_int_fast64_t reload_s; /* of the last good one; 0: never */
};

/* Makes the registry with the process's, the server's and the log's metrics. */
int role_metrics_init(struct role_metrics *metrics, const char *role_name,
                      struct error *error) MUST_CHECK;
void role_metrics_release(struct role_metrics *metrics);

/* Handler of /metrics. `context` is the struct role_metrics. */
int role_metrics_answer(void *context, struct http_request *request, struct http_response *response,
                        struct error *error);

#endif
