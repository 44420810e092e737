/* router.h - which row of which mount answers a path. For http/ alone.
 *
 * Threads: router_mount from one thread at a time; router_find from any, also meanwhile: a mount is
 *          complete before the count that shows it grows.
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "base/error.h"
#include "http/counters.h"
#include "http/server.h"

#include <stdatomic.h>

#define ROUTER_PARTS_MAX 16 /* parts of a pattern */

struct router_part {
    enum { PART_LITERAL, PART_NAME, PART_REST } kind;
    struct str text; /* the literal, or the name */
};

struct router_row {
    struct http_route route;
    struct router_part parts[ROUTER_PARTS_MAX];
    size_t part_count;
    struct counters_handler *counters;
};

struct router_mount {
    struct http_mount mount;
    struct router_row *rows;
};

struct router {
    struct router_mount mounts[HTTP_SERVER_MOUNTS_MAX];
    atomic_size_t count;
};

/* What was found. */
struct router_match {
    const struct router_mount *mount; /* NULL: no route of this path */
    const struct router_row *row;     /* NULL: path known, method not; or fallback */
    unsigned methods;                 /* allowed on this path, for 405 */
};

void router_release(struct router *router);

int router_mount(struct router *router, const struct http_mount *mount, struct counters *counters,
                 struct error *error) MUST_CHECK;

/* Finds the row for request->raw_path and request->method; fills request->path_values from its
 * arena. False when a part of the path has a broken escape or memory is short. */
bool router_find(struct router *router, struct http_request *request,
                 struct router_match *match) MUST_CHECK;

/* The last mount with a fallback, or NULL. */
const struct router_mount *router_fallback(struct router *router);

#endif
