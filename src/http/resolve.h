/* resolve.h - host names to addresses: our own map first, then the machine's resolver; and the
 * connection to one of them, for TCP probes.
 *
 * Threads: a map is filled before it is shared; then any number may read.
 */
#ifndef HTTP_RESOLVE_H
#define HTTP_RESOLVE_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_resolve;

#define HTTP_RESOLVE_MAX 256 /* names in one map */

int http_resolve_new(struct http_resolve **map, struct error *error) MUST_CHECK;
void http_resolve_free(struct http_resolve *map);     /* NULL is fine */
void http_resolve_cleanup(struct http_resolve **map); /* for CLEANUP */

/* "driver-container=127.0.0.1" or "name=[::1]": the name, of any port, now means that address. The
 * last of equal names counts. ERROR_PARSE when the right side is not an IP address. */
int http_resolve_add(struct http_resolve *map, struct str rule, struct error *error) MUST_CHECK;

/* The address for a name, NUL-terminated, without brackets; NULL when it is not in the map (or the
 * map is NULL). Letters of any case. */
const char *http_resolve_find(const struct http_resolve *map, struct str name);

/* Each rule in turn, for children that are to know the same. */
size_t http_resolve_count(const struct http_resolve *map);
void http_resolve_rule(const struct http_resolve *map, size_t index, struct str *name,
                       struct str *address);

enum http_family { HTTP_FAMILY_ANY, HTTP_FAMILY_4, HTTP_FAMILY_6 };

/* Where a connection got to, and how long each step took. */
struct http_dial_facts {
    int64_t resolve_ns;
    int64_t connect_ns;
    bool is_resolved;
    bool is_connected;
    bool is_ip6;      /* the address that was tried last */
    char address[64]; /* the same, as text without port */
};

/* What to connect to. */
struct http_dial {
    const struct http_resolve *resolve; /* may be NULL */
    struct str target;                  /* "host:port" */
    enum http_family family;            /* ANY tries them in the resolver's order */
    int64_t timeout_ms;                 /* for everything together; 0: 5 s */
};

/*
 * Opens a TCP connection.
 *
 *   descriptor  out: the connected socket (blocking, close on exec), which the caller closes
 *   facts       out: filled on success and failure alike; may be NULL
 *
 * Returns 0, ERROR_PARSE (target), ERROR_TIMEOUT, -EHOSTUNREACH (name) or -ECONNREFUSED (refused
 * or unreachable).
 */
int http_dial(const struct http_dial *dial, int *descriptor, struct http_dial_facts *facts,
              struct error *error) MUST_CHECK;

#endif
