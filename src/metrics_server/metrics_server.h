/* metrics_server.h - the door of the metrics role: scrapes, keeps and answers as Prometheus does.
 *
 *     prometheus.yml ─▶ scrape/ ─▶ tsdb/ ─▶ promql/ ─▶ /api/v1/...
 *                  remote write ─▶    ▲                 /query, /federate, /metrics
 */
#ifndef METRICS_SERVER_METRICS_SERVER_H
#define METRICS_SERVER_METRICS_SERVER_H

/* Runs the role; argv[0] is its name. The exit status: 2 for bad flags or configuration. Main
 * thread. */
int metrics_server_main(int argc, char **argv);

/* `barograph tsdb VERB`: looks at a store that is not running, checks it, carries data in and out;
 * argv[0] is its name. The exit status: 1 for damage and failures, 2 for bad flags. */
int metrics_server_tsdb_main(int argc, char **argv);

#endif
