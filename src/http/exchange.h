/* exchange.h - one connection, and the request and answer that are on it now. For http/ alone.
 *
 *     IDLE ── request line ──▶ BODY ── whole ──▶ RUNNING ── answered ──▶ SENDING ── sent ──▶ IDLE
 *
 * Owned by: the network thread of its connection; while RUNNING on a worker, whose hand-over goes
 *           through the workers' and libmicrohttpd's locks, by that worker. Phase and times are
 *           atomic, for the sweeper looks at them; they order nothing.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/guard.h"
#include "http/listener.h"
#include "http/router.h"
#include "http/server.h"
#include "http/spare.h"
#include "http/stream.h"
#include "http/workers.h"

#include <microhttpd.h>
#include <stdatomic.h>

enum exchange_phase { EXCHANGE_IDLE, EXCHANGE_BODY, EXCHANGE_RUNNING, EXCHANGE_SENDING };

struct exchange {
    struct http_server *server;
    struct exchange *next;     /* GUARDED_BY(server->peers_mutex) */
    struct exchange *previous; /* GUARDED_BY(server->peers_mutex) */
    struct MHD_Connection *connection;
    int descriptor;
    atomic_bool has_answered;        /* at least once on this connection */
    atomic_int phase;                /* enum exchange_phase */
    atomic_int_fast64_t since_ns;    /* when this phase began */
    atomic_int_fast64_t progress_ns; /* when the last byte of the body came */
    char remote[64];

    /* of the request that is on */
    bool is_on;     /* counted as in flight */
    bool has_begun; /* the headers have been looked at */
    bool is_gzip;   /* Content-Encoding */
    bool is_http_1_0;
    struct str uri; /* as sent */
    struct arena arena;
    struct buf body; /* as sent */
    struct buf unpacked;
    size_t body_size_max;
    size_t counted_size;   /* what of server->bodies_size is this one's */
    size_t swallowed_size; /* body bytes thrown away after a refusal */
    unsigned refusal;      /* status; 0: none */
    const char *refusal_text;
    unsigned allowed_methods; /* for 405 and OPTIONS */
    int64_t start_ns;
    struct http_request request;
    struct http_response response;
    struct router_match match;
    struct counters_handler *counters;
    struct MHD_Response *answer; /* made, not yet queued */
    unsigned answer_status;
};

struct http_server {
    struct http_server_options options; /* defaults filled in */
    struct str prefix;
    struct guard guard;
    struct router router;
    struct counters counters;
    struct counters_handler *unmatched; /* what no route answers */
    struct counters_handler *fallback;
    struct stream_list streams;
    struct workers workers;
    struct spares spares;      /* bodies */
    atomic_size_t bodies_size; /* of all exchanges; relaxed, for it orders nothing */
    struct listener listener;
    struct MHD_Daemon *daemon;
    struct mutex peers_mutex;
    struct exchange *peers; /* GUARDED_BY(peers_mutex) open connections */
    size_t peer_count;      /* GUARDED_BY(peers_mutex) */
    struct mutex sweep_mutex;
    struct condition sweep_ends;
    pthread_t sweeper;
    bool is_sweeping; /* GUARDED_BY(sweep_mutex) */
    bool has_started;
    bool has_stopped;
    atomic_bool is_ready;
    atomic_bool is_stopping;
};

/* Callbacks of libmicrohttpd; the first argument is the server. */
void exchange_connect(void *cls, struct MHD_Connection *connection, void **socket_context,
                      enum MHD_ConnectionNotificationCode code);
void *exchange_see_uri(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request_context);
void exchange_complete(void *cls, struct MHD_Connection *connection, void **request_context,
                       enum MHD_RequestTerminationCode code);

/* What a worker does with an exchange. */
void exchange_work(void *exchange);

#endif
