/* expose.h - what a program shows besides pm_render(): one scrape of any HTTP server, a file for
 * node_exporter, and comparison in tests. Part of prometheus.h: include that.
 *
 *     struct pm_scrape scrape;                                   in a handler of any server
 *     pm_scrape_init(&scrape, accept, query, timeout);
 *     add_header("Content-Type", pm_content_type(scrape.format));
 *     if (pm_scrape_render(&scrape, registry, write, connection, &error) < 0) ...
 *
 *     pm_write_textfile(NULL, "/var/lib/node_exporter/app.prom", &error);
 *
 * The same with a server of its own: prometheus/exposer.h, which needs more than libc.
 */
#ifndef PROMETHEUS_EXPOSE_H
#define PROMETHEUS_EXPOSE_H

#include "prometheus/prometheus.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PM_SCRAPE_NAMES_MAX = 64,          /* name[]= of one scrape */
    PM_SCRAPE_QUERY_SIZE_MAX = 4096,   /* bytes of them */
    PM_SCRAPE_TIMEOUT_MS = 10000,      /* of a scrape that names none */
    PM_SCRAPE_TIMEOUT_MS_MAX = 3600000 /* and at most */
};

struct pm_scrape { /* what it points to is within */
    struct pm_format format;
    const char *names[PM_SCRAPE_NAMES_MAX];
    size_t name_count; /* 0: everything */
    int64_t timeout_ms;
    bool is_late; /* out: the time was over before the end */
    char text[PM_SCRAPE_QUERY_SIZE_MAX];
};

/*
 * Reads what a scraper asks for; each may be NULL.
 *
 *   accept   the Accept header
 *   query    behind the '?', as sent: name[]=up&name[]=jobs_total; other parameters are passed over
 *   timeout  X-Prometheus-Scrape-Timeout-Seconds
 *
 * Returns 0, PM_ERROR_FULL (a limit above) or PM_ERROR_VALUE (a broken escape in the query): then
 * 400. The scrape asks for everything then.
 */
int pm_scrape_init(struct pm_scrape *scrape, const char *accept, const char *query,
                   const char *timeout);

/* pm_render_names() until the time is over: then PM_ERROR_WRITE with is_late, and what was written
 * has no end. */
int pm_scrape_render(struct pm_scrape *scrape, struct pm_registry *registry,
                     pm_write_function *write, void *arg, struct pm_error *error);

/*
 * Writes the text format to a file for node_exporter's textfile collector, which wants names that
 * end in ".prom". A reader sees the old file or the new one, whole: written beside it, synced,
 * renamed. Mode 0644. The directory is there already. Several processes may write the same file:
 * the last wins.
 */
int pm_write_textfile(struct pm_registry *registry, const char *path, struct pm_error *error);

/*
 * For tests: whether the registry shows just this, in text 0.0.4.
 *
 *   want   exposition text; order of families and of the samples in one, blank lines and blanks
 *          before a line do not matter; "# HELP" lines may be left out, all or some
 *   names  only these families, NULL-terminated; NULL: all
 *
 * Returns 0, or PM_ERROR_VALUE and in error the first line that is missing or too much.
 */
int pm_compare(struct pm_registry *registry, const char *want, const char *const *names,
               struct pm_error *error);

#ifdef __cplusplus
}
#endif

#endif
