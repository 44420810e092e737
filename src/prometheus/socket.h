/* socket.h - updates as datagrams: for who cannot map the region's memory, and for StatsD.
 *
 *     daemon  pm_receiver_start(&receiver, &(struct pm_receiver_options){
 *                 .registry = pm_daemon_registry(daemon), .shown_in = NULL,
 *                 .socket_path = "/run/app.sock", .statsd_udp = "127.0.0.1:8125" }, &error);
 *     client  pm_socket_open(&socket, "/run/app.sock", &error);
 *             pm_socket_command(socket, &(struct pm_command){ .action = PM_DO_INC,
 *                 .name = "jobs_total" }, &error);
 *     shell   echo 'inc jobs_total{ok="true"} 24' | socat - UNIX-SENDTO:/run/app.sock
 *
 * LINES    A datagram to socket_path is lines "VERB NAME{label="value"} VALUE ...":
 *            inc jobs_total{ok="true"} 24        dec q        set q 3
 *            observe lat_seconds 0.2 bounds=0.1,1,10          info build{version="1.0"}
 *            state backup running states=idle,running         remove jobs_total{ok="true"}
 *            create counter jobs_total{ok} help="Jobs done."
 *          Up to 8 KiB a line and 64 KiB a datagram.
 * ANSWER   A sender whose socket has an address of its own gets one datagram back for each it
 *          sent: "ok N", or "failed COUNT" and for the first of them "error LINE REASON TEXT".
 *          The daemon waits for nobody: when the sender's queue is full its answer is lost.
 * LOSS     None on socket_path: a full queue makes the sender wait. StatsD over UDP loses what the
 *          kernel drops; that is counted, too.
 * STATSD   Counters, gauges with signs, timers, histograms, distributions, sets, sample rates,
 *          several values in a line, DogStatsD's tags; see docs/prometheus.md.
 * SHOWN    pm_receiver_lines_total, pm_receiver_errors_total{reason}, pm_receiver_lost_total, each
 *          by input="socket" and "statsd".
 * Part of prometheus.h: include that.
 */
#ifndef PROMETHEUS_SOCKET_H
#define PROMETHEUS_SOCKET_H

#include "prometheus/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pm_command;
struct pm_receiver;
struct pm_socket;

struct pm_receiver_options {
    struct pm_registry *registry; /* what the lines change; NULL: default */
    struct pm_registry *shown_in; /* where pm_receiver_... show; NULL: default */
    const char *socket_path;      /* unix datagram socket for lines; NULL: none */
    const char *statsd_udp;       /* "127.0.0.1:8125", "[::1]:8125"; NULL: none */
    const char *statsd_path;      /* unix datagram socket for StatsD; NULL: none */
    unsigned socket_mode;         /* of the two sockets' files; 0 = 0600 */
    int interval_ms;              /* of StatsD's sets; 0 = 10,000 */
};

/* Binds and starts one thread. A socket file that nobody listens on is replaced. */
int pm_receiver_start(struct pm_receiver **receiver, const struct pm_receiver_options *options,
                      struct pm_error *error);
/* Takes what has arrived, ends the thread, removes the files. Before the registries are freed.
 * NULL is fine. */
void pm_receiver_stop(struct pm_receiver *receiver);
/* The port of statsd_udp, for port 0. */
unsigned pm_receiver_port(const struct pm_receiver *receiver);

/* Where the socket is: wanted, else environment BAROGRAPH_METRICS_SOCKET, else the region's path
 * (NULL: as in client.h) with ".sock" behind it. */
void pm_socket_default_path(char *path, size_t size, const char *wanted, const char *region);

/* Owned by: one thread. path NULL: the default. */
int pm_socket_open(struct pm_socket **socket, const char *path, struct pm_error *error);
void pm_socket_close(struct pm_socket *socket); /* NULL is fine */

/* Sends one update and waits up to 5 s for its answer: the daemon's code and text, or
 * PM_ERROR_SYSTEM when there is none. PM_DO_LIST is PM_ERROR_TYPE: ask /metrics. */
int pm_socket_command(struct pm_socket *socket, const struct pm_command *command,
                      struct pm_error *error);
/* Sends and does not wait for the answer; many fit in one datagram, sent when it is full and by
 * pm_socket_flush(), which says how many of them failed since the last one. */
int pm_socket_post(struct pm_socket *socket, const struct pm_command *command,
                   struct pm_error *error);
int pm_socket_flush(struct pm_socket *socket, unsigned *failed, struct pm_error *error);

/* As pm_command_run(), over the socket. */
int pm_socket_run(const struct pm_command *command, const char *path, struct pm_error *error);

#ifdef __cplusplus
}
#endif

#endif
