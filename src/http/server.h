/* server.h - the HTTP/1.1 server that every role answers with.
 *
 *     static int hello(void *context, struct http_request *request,
 *                      struct http_response *response, struct error *error)
 *     {
 *         struct str name = http_request_path_value(request, "name");
 *         buf_printf(&response->body, "hello " STR_FMT "\n", STR_ARG(name));
 *         return 0;                                 // 200 text/plain
 *     }
 *     static const struct http_route routes[] = {
 *         { HTTP_GET, "/hello/:name", hello, .flags = HTTP_ROUTE_FAST },
 *     };
 *     http_server_new(&server, &(struct http_server_options){ .listen = "127.0.0.1:0" }, error);
 *     http_server_mount(server, &(struct http_mount){ .routes = routes,
 *                                                       .count = ARRAY_LENGTH(routes) }, error);
 *     http_server_start(server, error);
 *
 * THREADS  `thread_count` network threads (libmicrohttpd over epoll) read requests and write
 *          answers. A handler runs on one of `worker_count` workers, fed by a bounded queue (full:
 *          503 with Retry-After); one marked HTTP_ROUTE_FAST runs on the network thread itself,
 *          saves two thread switches (some 15 us) and must never wait: neither for a disk, nor for
 *          a lock held longer than microseconds. A fast handler that finds out that this request
 *          is a long one returns HTTP_LATER and is called again on a worker.
 * GIVEN    HEAD is answered from GET, 404, 405 with Allow, 413, 415, 429, Expect: 100-continue,
 *          chunked bodies, keep-alive, HTTP/1.0, Date, gzip both ways, ETag and 304 for static
 *          bytes, security headers, and no word to foreign web pages: a Host that is not ours is
 *          421, a foreign Origin on a method that changes something is 403. No CORS.
 * LIMITS   Everything in http_server_options; reaching one is an HTTP status and a counter.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "http/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_answer_facts;
struct http_request;
struct http_response;
struct http_server;
struct http_waker;

#define HTTP_SERVER_NAMES_MAX  64 /* host names a server may be called by */
#define HTTP_SERVER_MOUNTS_MAX 16

/* Zero means the default that stands behind. Texts are borrowed until http_server_free. */
struct http_server_options {
    const char *listen;      /* "127.0.0.1:9090", "[::1]:9090", ":9090" (all addresses),
                                    "localhost:9090"; port 0: a free one, see http_server_port */
    unsigned thread_count;   /* network threads: 2 */
    unsigned worker_count;   /* at most so many threads for handlers that are not fast; started
                                            when needed: 8 */
    size_t queue_count_max;  /* requests that wait for a worker: 256 */
    unsigned connection_max; /* 512; further ones wait in the kernel's queue */
    unsigned connection_per_address_max; /* connections from one address: no limit */
    size_t head_size_max;                /* request line and headers: 32 KiB */
    size_t read_size;        /* of a connection's memory beside its head: 16 KiB; bodies are read in
                                    pieces of half of both, so servers of large bodies want more */
    size_t body_size_max;    /* 64 MiB, as sent and after gzip; a route may say otherwise */
    size_t bodies_size_max;  /* of all bodies on their way, in handlers too: 4 bodies' maximum; what
                                    is more gets 429. Those of up to 64 KiB always get in */
    size_t swallow_size_max; /* of a refused body, read and thrown away so that the answer arrives
                                    and the connection lives on: 1 MiB; larger ones are cut */
    size_t arena_size_max;   /* request->arena: 16 MiB */
    size_t answer_size_max;  /* response->body: 256 MiB */
    int64_t
        idle_timeout_ms; /* a connection without a request, or a peer that does not read: 60 s */
    int64_t head_timeout_ms;    /* from the first byte to the end of the headers: 10 s */
    int64_t body_stall_ms;      /* no byte of the body comes: 10 s */
    int64_t request_timeout_ms; /* whole body, and request->deadline_ns for the handler: 300 s */
    const char *const *names;   /* more host names (without port) that Host may hold; "*" = all */
    size_t name_count;
    const char *prefix;     /* "/prometheus": cut off before routing; NULL or "/": none */
    const char *basic_user; /* with basic_password: asked for on every path */
    const char *basic_password;
    bool is_read_only; /* methods other than GET, HEAD and OPTIONS: 403, except routes
                                    flagged HTTP_ROUTE_READS */
    /* Writes what the server itself refuses (400, 401, 403, 413, 421, 429, 431, 501, 503); NULL:
     * "<text>\n". response->status is set; `text` is a sentence. */
    void (*write_refusal)(struct http_response *response, const char *text);
    /* Called for every answer, on the thread that made it; for access logs. May be NULL. */
    void (*on_answer)(void *context, const struct http_answer_facts *facts);
    void *on_answer_context;
};

/* ---- request ---- */

/* Owned by: the server; valid until the handler returns, everything in its arena too. */
struct http_request {
    enum http_method method; /* HTTP_GET also for HEAD; is_head tells */
    bool is_head;
    bool is_on_network_thread;      /* called as a fast handler: HTTP_LATER is possible */
    struct str path;                /* decoded, prefix cut off: "/api/v1/query" */
    struct str raw_path;            /* as sent, prefix cut off, without the query */
    struct str query;               /* as sent, without the '?' */
    struct str body;                /* whole and unpacked; also kept for forms */
    struct str host;                /* the Host header */
    struct str remote;              /* "127.0.0.1:51234" */
    struct http_fields path_values; /* what :name and *rest stood for, decoded piece by piece */
    struct http_fields parameters;  /* of the query, then of an urlencoded body, in order */
    struct http_fields headers;
    struct arena *arena;
    int64_t start_ns;    /* when its first byte was there; monotonic, see base/clock.h */
    int64_t deadline_ns; /* likewise */
};

/* For a handler on a worker that is at a long piece of work: its thread does not count as a worker
 * any more and ends with this request, so that others do not wait behind it. On a network thread,
 * or when too many did so, nothing happens. */
void http_request_step_aside(const struct http_request *request);

/* First value, or data NULL. */
struct str http_request_path_value(const struct http_request *request, const char *name);
struct str http_request_parameter(const struct http_request *request, const char *name);
struct str http_request_header(const struct http_request *request, const char *name);

/* Whether the media type of Content-Type is this one ("application/json"), parameters aside. */
bool http_request_has_type(const struct http_request *request, const char *type);

/* ---- response ---- */

#define HTTP_RESPONSE_HEADERS_MAX 24

/* A body that is made while it is sent. All calls but `close` on network threads: they must not
 * wait. */
struct http_stream {
    /* Puts up to `size` bytes; how many, 0 when there is nothing now (called again after
     * http_waker_wake), HTTP_STREAM_END or HTTP_STREAM_ABORT (connection cut). */
    int64_t (*read)(void *context, char *bytes, size_t size);
    void (*close)(void *context); /* the last call, once; also when the peer or the server went */
    void *context;
    struct str heartbeat; /* sent when nothing was for heartbeat_ms, so that a peer that has gone
                              is noticed: ":\n\n" for server-sent events. Static bytes */
    int64_t heartbeat_ms; /* 0: none */
};
#define HTTP_STREAM_END   (-1)
#define HTTP_STREAM_ABORT (-2)

/* Begins as 200, text/plain; charset=utf-8, empty. A handler writes into `body` or calls one of the
 * functions below. */
struct http_response {
    unsigned status;
    const char *content_type; /* static text, or from request->arena */
    struct buf body;          /* its maximum is options.answer_size_max; failed: 500 */
    struct http_field headers[HTTP_RESPONSE_HEADERS_MAX];
    size_t header_count;
    struct str static_body; /* see http_response_static */
    struct str static_gzip;
    const char *etag;
    struct http_waker *waker;
    struct arena *arena; /* the request's */
    bool must_close;     /* Connection: close after this answer */
    bool is_plain;       /* never gzip */
};

/* Adds a header; name and value are copied into the arena. One that does not fit, or would break
 * the line, makes the answer a 500. */
void http_response_header(struct http_response *response, const char *name, struct str value);

/* A whole answer with a text of its own: replaces what was in the body. */
void http_response_text(struct http_response *response, unsigned status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Location header and a short text. `location` must not come from the request unchecked. */
void http_response_redirect(struct http_response *response, unsigned status, struct str location);

/*
 * Bytes that live as long as the program (an embedded page). Answers 304 when If-None-Match
 * says so.
 *
 *   gzip  the same bytes packed, or empty
 *   etag  with its quotes, or NULL: no 304
 */
void http_response_static(struct http_response *response, const char *content_type,
                          struct str bytes, struct str gzip, const char *etag);

/*
 * Answers with a stream (Transfer-Encoding: chunked). From here on `stream->close` will be called.
 *
 * Returns a waker that the caller owns: it may outlive the connection. NULL: no memory, and the
 * stream has been closed.
 */
struct http_waker *http_response_stream(struct http_response *response,
                                        const struct http_stream *stream) MUST_CHECK;
void http_waker_wake(struct http_waker *waker); /* any thread; nothing when all is over */
void http_waker_free(struct http_waker *waker); /* gives up the caller's share; NULL is fine */

/* ---- routes ---- */

#define HTTP_LATER 1 /* what a fast handler returns to be called again on a worker */

enum http_route_flags {
    HTTP_ROUTE_FAST = 1,   /* runs on the network thread */
    HTTP_ROUTE_ALWAYS = 2, /* answers also before http_server_set_ready */
    HTTP_ROUTE_READS = 4,  /* its POST changes nothing: allowed for read-only servers */
    HTTP_ROUTE_OPEN = 8,   /* no basic authentication */
};

/* A row. Rows are tried in order of mounts, then of rows; a literal path part does not beat an
 * earlier :name. */
struct http_route {
    unsigned methods; /* HTTP_GET | HTTP_POST; HTTP_GET includes HEAD */
    /* "/api/v1/label/:name/values": a :part stands for one non-empty path part, a last *part for
     * all the rest, also nothing. Each part is decoded after the path was cut at its slashes. */
    const char *path;
    /* Returns 0 (answered), HTTP_LATER, or a negative code: then write_error of the mount, or
     * "<text>\n" with error_http_status(code). */
    int (*handle)(void *context, struct http_request *request, struct http_response *response,
                  struct error *error);
    const char *label;    /* `handler` in the counters; NULL: path */
    unsigned flags;       /* enum http_route_flags */
    size_t body_size_max; /* 0: the server's */
};

/* Routes with one context. Copied; what it points to is borrowed until http_server_free. */
struct http_mount {
    const struct http_route *routes;
    size_t count;
    void *context; /* first argument of each handler */
    /* Writes what a handler that returned `code` answers; NULL: plain text. response->status is
     * error_http_status(code) already. */
    void (*write_error)(void *context, const struct http_request *request,
                        struct http_response *response, int code, const struct error *error);
    /* Answers what no route of any mount fits; the last mount's counts; NULL: plain 404. Its label
     * is "fallback". Runs on a worker. */
    int (*fallback)(void *context, struct http_request *request, struct http_response *response,
                    struct error *error);
};

/* ---- life ---- */

/* Checks the options; binds nothing. */
int http_server_new(struct http_server **server, const struct http_server_options *options,
                    struct error *error) MUST_CHECK;

/* Adds routes, before or after the start. ERROR_INVALID for a bad pattern, ERROR_LIMIT. */
int http_server_mount(struct http_server *server, const struct http_mount *mount,
                      struct error *error) MUST_CHECK;

/* Binds and answers. -EADDRINUSE names the address and, where it can be seen, who holds it. */
int http_server_start(struct http_server *server, struct error *error) MUST_CHECK;

uint16_t http_server_port(const struct http_server *server);   /* after the start */
const char *http_server_url(const struct http_server *server); /* "http://127.0.0.1:9090" */

/* Until true, all but HTTP_ROUTE_ALWAYS answers 503. Starts true. */
void http_server_set_ready(struct http_server *server, bool is_ready);

/* Takes no new connection, ends streams, lets what runs end until `timeout_ms`, then cuts. Handlers
 * have returned afterwards. Twice is fine. */
void http_server_stop(struct http_server *server, int64_t timeout_ms);
void http_server_free(struct http_server *server);     /* stops; NULL is fine */
void http_server_cleanup(struct http_server **server); /* for CLEANUP */

/* ---- counters ---- */

/* One answer; for access logs. Valid during the call. */
struct http_answer_facts {
    const char *label;
    const char *method;
    struct str path;
    struct str remote;
    unsigned status;
    uint64_t body_size; /* bytes before packing; 0 for streams */
    int64_t duration_ns;
};

#define HTTP_DURATION_BUCKETS 12
extern const double http_duration_bounds[HTTP_DURATION_BUCKETS]; /* seconds, upper, inclusive */

/* One `handler` label. Snapshots; any thread may ask. */
struct http_handler_counters {
    const char *label;
    uint64_t request_count;
    double duration_sum;                                  /* seconds */
    uint64_t duration_buckets[HTTP_DURATION_BUCKETS + 1]; /* not cumulative; the last: beyond */
};

struct http_server_counters {
    uint64_t connection_count;   /* open now */
    uint64_t connection_total;   /* ever accepted */
    uint64_t in_flight_count;    /* requests whose answer has not been given */
    uint64_t received_size;      /* bytes of request bodies */
    uint64_t sent_size;          /* bytes of answers' bodies, packed; without streams */
    uint64_t queue_full_total;   /* requests refused because all workers were busy */
    uint64_t timeout_total;      /* connections cut for slowness */
    uint64_t refused_host_total; /* 421 and 403 for Host and Origin */
    uint64_t stream_count;       /* streams open now */
};

void http_server_counters(struct http_server *server, struct http_server_counters *counters);

/* Calls visit for each label and status with a count above 0, respectively for each label. */
void http_server_visit_codes(struct http_server *server,
                             void (*visit)(void *argument, const char *label, unsigned status,
                                           uint64_t count),
                             void *argument);
void http_server_visit_handlers(struct http_server *server,
                                void (*visit)(void *argument,
                                              const struct http_handler_counters *counters),
                                void *argument);

#endif
