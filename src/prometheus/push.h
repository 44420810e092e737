/* push.h - metrics of jobs too short to be scraped, sent to a Pushgateway.
 *
 *     struct pm_push push = { .url = "http://gateway:9091", .job = "backup" };
 *     if (pm_push_send(&push, PM_PUSH_PUT, &error) < 0) ...
 *
 * PUT replaces all metrics of the group (job and grouping labels), POST those of the same names,
 * DELETE removes the group. In libprometheus_exposer; part of prometheus.h: include that.
 */
#ifndef PROMETHEUS_PUSH_H
#define PROMETHEUS_PUSH_H

#include "prometheus/prometheus.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pm_push_method { PM_PUSH_PUT, PM_PUSH_POST, PM_PUSH_DELETE };

struct pm_push {
    struct pm_registry *registry; /* NULL: default; not asked at DELETE */
    const char *url;              /* of the gateway, with a prefix if it has one */
    const char *job;              /* not empty */
    const struct pm_label *grouping;
    size_t grouping_count;
    struct pm_format format; /* zero = text 0.0.4; the gateway takes protobuf, too */
    const char *user;        /* basic authentication, with password */
    const char *password;
    const char *bearer;
    int64_t timeout_ms; /* 0 = 10,000 */
};

/* Sends once; any thread. Values that a path cannot hold (with '/', or empty) go in their base64
 * form. PM_ERROR_VALUE: no such group; PM_ERROR_SYSTEM: no answer, or one that is not 2xx. */
int pm_push_send(const struct pm_push *push, enum pm_push_method method, struct pm_error *error);

/* The URL it goes to, for logs. The size as snprintf() gives it, or a code. */
int pm_push_url(const struct pm_push *push, char *url, size_t size, struct pm_error *error);

#ifdef __cplusplus
}
#endif

#endif
