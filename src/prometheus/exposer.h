/* exposer.h - /metrics over HTTP: a server of its own, or a handler for one that is there.
 *
 *     struct pm_exposer *exposer;
 *     struct pm_exposer_options options = { .listen = "127.0.0.1:9101" };
 *     pm_exposer_start(&exposer, &options, &error);
 *     ...
 *     pm_exposer_stop(exposer);
 *
 * GIVEN   GET and HEAD of one path; the format by Accept, gzip or zstd by Accept-Encoding, name[]=
 *         filters, 405 with Allow for other methods, 404 for other paths.
 * LIMITS  scrape_max scrapes at once, further ones get 503; a scrape that takes longer than its
 *         X-Prometheus-Scrape-Timeout-Seconds (or timeout_ms, when that is less) gets 503; a
 *         body of more than body_size_max is 503, too.
 * LINK    This is libprometheus_exposer, to be linked besides: it needs the HTTP server's
 *         libraries. Part of prometheus.h: include that. A program with a
 *         server of its own takes pm_scrape_init() and pm_scrape_render() of prometheus/expose.h.
 */
#ifndef PROMETHEUS_EXPOSER_H
#define PROMETHEUS_EXPOSER_H

#include "prometheus/prometheus.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pm_exposer;

struct pm_exposer_options {
    struct pm_registry *registry; /* NULL: default */
    const char *listen;           /* "127.0.0.1:9101"; port 0: a free one */
    const char *path;             /* NULL: "/metrics" */
    unsigned scrape_max;          /* at once; 0 = 4 */
    int64_t timeout_ms;           /* 0 = 10,000 */
    size_t body_size_max;         /* 0 = 256 MiB */
    const char *const *names;     /* host names, besides loopback's, it may be called by */
    size_t name_count;
};

int pm_exposer_start(struct pm_exposer **exposer, const struct pm_exposer_options *options,
                     struct pm_error *error);
/* Lets running scrapes end for a second. Before the registry is freed. NULL is fine. */
void pm_exposer_stop(struct pm_exposer *exposer);
unsigned pm_exposer_port(const struct pm_exposer *exposer);
const char *pm_exposer_url(const struct pm_exposer *exposer); /* "http://127.0.0.1:9101" */

/* ---- For http/'s own server ---- */

struct error;
struct http_request;
struct http_response;

/* Owned by: who answers. Zero means the defaults above. */
struct pm_scrapes {
    struct pm_registry *registry;
    unsigned scrape_max;
    int64_t timeout_ms;
    unsigned running; /* the rest is counted here, atomically */
    uint64_t refused; /* 503: too many at once */
    uint64_t late;    /* 503: over its time */
    uint64_t answered;
};

/* Answers one scrape. Waits for collectors and packs: for a worker, not for a network thread. */
int pm_scrapes_answer(struct pm_scrapes *scrapes, struct http_request *request,
                      struct http_response *response, struct error *error);

#ifdef __cplusplus
}
#endif

#endif
