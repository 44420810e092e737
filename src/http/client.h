/* client.h - asking other HTTP servers: scrapes, probes, bulk delivery, queries.
 *
 *     struct http_client_options options = { .resolve = role_resolve(role) };
 *     http_client_new(&client, &options, error);
 *     struct http_call call = { .url = STR("http://localhost:8081/metrics"), .timeout_ms = 10000 };
 *     CLEANUP(http_answer_release) struct http_answer answer = { 0 };
 *     if (http_client_send(client, &call, &answer, error) < 0) ...   // answer.failure says how
 *     if (answer.status == 200) use(buf_str(&answer.body));
 *
 * THREADS  One client serves any number of threads: http_client_send takes an idle connection
 *          handle, if it can one that has spoken to this host before, so that connections stay
 *          alive between calls. Connections are kept up to connection_max.
 *          A plain GET whose caller needs no facts goes a short way then: http/kept.h.
 * LIMITS   Time, body size (before and after unpacking), headers, redirects: each a clear failure.
 * TRUST    http and https only; certificates and names are checked unless a call says otherwise;
 *          a redirect to another host takes no credentials along and never leads elsewhere than to
 *          http and https. Proxies of the environment are not used.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "http/message.h"
#include "http/resolve.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;

/* Zero means the default that stands behind. Texts are copied, the map is borrowed. */
struct http_client_options {
    const struct http_resolve *resolve; /* may be NULL */
    const char *user_agent;             /* "barograph/<version>" */
    unsigned connection_max;            /* idle connections kept: 16 */
};

int http_client_new(struct http_client **client, const struct http_client_options *options,
                    struct error *error) MUST_CHECK;
void http_client_free(struct http_client *client);     /* no call may be running; NULL is fine */
void http_client_cleanup(struct http_client **client); /* for CLEANUP */

/* Ends all running calls and every later one with ERROR_CLOSED, within a second or so. */
void http_client_cancel(struct http_client *client);

/* TLS of https calls. NULL paths: the system's authorities, no client certificate. */
struct http_tls {
    const char *authority_path;   /* PEM of the authorities to trust */
    const char *certificate_path; /* our own PEM certificate and key */
    const char *key_path;
    bool is_unchecked; /* insecure_skip_verify */
};

/* What to ask. Zero means the default that stands behind. Everything is borrowed for the call. */
struct http_call {
    enum http_method method;          /* 0: GET, or POST when there is a body */
    struct str url;                   /* "http://host:port/path?query", http or https, no user@ */
    const struct http_field *headers; /* sent as they are; Host here replaces the URL's */
    size_t header_count;
    struct str body;
    const char *content_type; /* of the body */
    struct str basic_user;    /* with basic_password, when not empty */
    struct str basic_password;
    struct str bearer; /* Authorization: Bearer, when not empty */
    const struct http_tls *tls;
    enum http_family family;
    int64_t timeout_ms;         /* all together: 30 s */
    int64_t connect_timeout_ms; /* resolve, connect and TLS: the whole timeout */
    size_t body_size_max;       /* of the answer, unpacked: 64 MiB */
    unsigned redirect_max;      /* redirects that are followed: none */
    bool refuses_gzip;          /* do not offer Accept-Encoding: gzip */
    bool wants_fresh;           /* a new connection, closed afterwards: probes */
    bool needs_no_facts;        /* of the answer only status, headers and body matter */
};

/* How a call failed, where a program wants to know; the text is in error. */
enum http_failure {
    HTTP_FAILURE_NONE,
    HTTP_FAILURE_CALL,    /* the call itself: URL, files of http_tls */
    HTTP_FAILURE_RESOLVE, /* the name means nothing */
    HTTP_FAILURE_CONNECT, /* refused or unreachable */
    HTTP_FAILURE_TLS,     /* handshake or certificate */
    HTTP_FAILURE_TIMEOUT,
    HTTP_FAILURE_RESET,    /* the connection broke before the answer was whole */
    HTTP_FAILURE_PROTOCOL, /* what came is not HTTP, or the packing is broken */
    HTTP_FAILURE_LIMIT,    /* body_size_max or headers */
    HTTP_FAILURE_REDIRECT, /* more than redirect_max, or a Location that is none */
    HTTP_FAILURE_CANCEL,   /* http_client_cancel */
    HTTP_FAILURE_COUNT
};
const char *http_failure_name(enum http_failure failure); /* "timeout"; for labels and logs */

/* Durations in nanoseconds, summed over the requests where redirects were followed; 0 for steps
 * not reached or, on a kept connection, not needed. */
struct http_timings {
    int64_t resolve_ns;
    int64_t connect_ns;
    int64_t tls_ns;
    int64_t processing_ns; /* request sent to first byte of the answer */
    int64_t transfer_ns;   /* first byte to last */
    int64_t total_ns;      /* everything, redirects too */
};

/* Begin with { 0 }; reuse as it is for the next call; http_answer_release at the end. Filled also
 * when the call fails, as far as it came (an exception to the house rule: probes need it). */
struct http_answer {
    unsigned status;            /* 0: no answer */
    struct buf body;            /* unpacked */
    struct http_fields headers; /* of the last answer; memory of `arena` */
    struct arena arena;
    enum http_failure failure;
    struct http_timings timings;
    unsigned redirect_count;
    unsigned version;     /* 10, 11, 20; 0: none */
    size_t received_size; /* bytes of the body as sent */
    bool is_tls;
    bool is_ip6;
    bool was_kept;                /* spoken over a connection of an earlier call */
    int64_t certificate_expiry_s; /* earliest end of the chain, epoch; 0: unknown or no TLS */
    char tls_version[16];         /* "TLS 1.3", or empty */
    char address[64];             /* the peer's, without port */
    char url[1024];               /* the last one asked, cut when longer */
};

void http_answer_release(struct http_answer *answer); /* accepts a zeroed one */

/* The value of an answer's header, or data NULL. */
struct str http_answer_header(const struct http_answer *answer, const char *name);

/*
 * Asks and waits for the whole answer. Any status is a success.
 *
 * Returns 0, ERROR_INVALID (call), ERROR_TIMEOUT, ERROR_LIMIT, ERROR_CLOSED (cancelled),
 * -ECONNREFUSED, -EHOSTUNREACH (name or network), -ECONNRESET, -EPROTO, -ELOOP, -ENOMEM.
 */
int http_client_send(struct http_client *client, const struct http_call *call,
                     struct http_answer *answer, struct error *error) MUST_CHECK;

#endif
