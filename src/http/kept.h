/* kept.h - a plain GET over a connection that is open already, without libcurl's machinery. For
 * http/ alone.
 *
 * libcurl opens connections, knows names, proxies, TLS, redirects and all that goes wrong. Once it
 * had a plain answer from a place, its socket is taken over; the next plain calls to that place
 * write one request and read one answer. Whatever is not as plain as that (reply.h), fails, or was
 * closed meanwhile, closes the socket, and the call is libcurl's from its beginning: so there is
 * one set of errors, and only a GET is ever sent twice.
 *
 * Threads: a pool serves any number.
 */
#ifndef HTTP_KEPT_H
#define HTTP_KEPT_H

#include "base/error.h"
#include "base/thread.h"
#include "http/client.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define KEPT_PLACE_SIZE 128 /* of "host:port"; longer ones are not kept */

struct kept_connection {
    int descriptor;
    size_t head_size; /* of the last answer: the next head has mostly the same */
    char place[KEPT_PLACE_SIZE];
};

/* Lock: mutex guards items and count. */
struct kept_pool {
    struct mutex mutex;
    struct kept_connection *items; /* the one used last at the end */
    unsigned count;
    unsigned count_max;
};

int kept_init(struct kept_pool *pool, unsigned count_max) MUST_CHECK; /* 0 or -ENOMEM */
void kept_release(struct kept_pool *pool); /* closes all; accepts a zeroed one */

/* Whether the call may go this way: its caller needs no facts, and it is a GET of http without
 * credentials or anything else of its own. */
bool kept_fits(const struct http_call *call);

/* Takes over a socket to the call's place that libcurl has; a copy, libcurl's is to be closed. */
void kept_adopt(struct kept_pool *pool, const struct http_call *call, int descriptor);

/* What a call takes besides. */
struct kept_context {
    const char *user_agent;
    size_t body_size_max;
    const atomic_bool *is_cancelled;
};

/*
 * Asks over a connection of the pool.
 *
 *   answer  begun and empty; of a call that is left the memory may be used again
 *
 * Returns 0; 1: left to libcurl; ERROR_TIMEOUT or ERROR_CLOSED with answer->failure.
 */
int kept_send(struct kept_pool *pool, const struct http_call *call,
              const struct kept_context *context, struct http_answer *answer,
              struct error *error) MUST_CHECK;

#endif
