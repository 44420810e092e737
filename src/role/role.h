/* role.h - what every role shares: options, log, metrics, server, data folder, signals, stop.
 *
 *     int metrics_main(int argc, char **argv)
 *     {
 *         struct metrics_flags flags = { 0 };
 *         struct role_setup setup = { .name = "metrics", .about = "Scrapes, keeps and answers.",
 *             .options = options, .option_count = ARRAY_LENGTH(options), .values = &flags,
 *             .listen = "127.0.0.1:9090", .data = "data/metrics" };
 *         CLEANUP(role_cleanup) struct role *role = NULL;
 *         int status = role_start(&role, &setup, argc, argv);  // says itself what went wrong
 *         if (role == NULL) return status;                     // --help, --version, bad flags
 *
 *         CLEANUP(tsdb_close) struct tsdb *db = NULL;          // closed before role_free
 *         if (tsdb_open(&db, role_data(role), &error) < 0) return role_fail(role, &error);
 *         if (role_mount(role, &routes, &error) < 0) return role_fail(role, &error);
 *         role_ready(role);                                    // /-/ready says 200 from here
 *         return role_wait(role);                              // until a signal; server drained
 *     }
 *
 * FLAGS   Besides its own every role has --web.listen-address (also --listen), --web.route-prefix,
 *         --web.allowed-host (repeatable), --data (also under setup->data_option), --log.level,
 *         --log.format, --log.file, --memory.max, --resolve NAME=ADDRESS (repeatable),
 *         --stop.timeout, --version, --help.
 * SERVER  Listens from role_start on; until role_ready all but /-/healthy, /-/ready and /metrics
 *         answers 503.
 * STOP    SIGTERM, SIGINT or role_stop: role_wait takes no new request, lets the running ones
 *         end, and returns; the role then closes its own things, newest first, and role_free gives
 *         back the data folder and the log. Should that take longer than --stop.timeout the process
 *         ends hard with status 1. A second signal ends it at once.
 * THREADS role_wait and role_free on the main thread; everything else from any.
 */
#ifndef ROLE_ROLE_H
#define ROLE_ROLE_H

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "http/resolve.h"
#include "http/server.h"
#include "role/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pm_registry;
struct role;
struct sl_logger;

enum role_exit { ROLE_EXIT_OK = 0, ROLE_EXIT_FAILED = 1, ROLE_EXIT_USAGE = 2 };

/* Everything is borrowed until role_free. */
struct role_setup {
    const char *name;             /* "metrics": in the log, the metrics and --help */
    const char *about;            /* one sentence for --help */
    const struct option *options; /* the role's own flags; may repeat a shared one to replace it */
    size_t option_count;
    void *values;             /* where they go */
    const char *listen;       /* default address; NULL: no server unless the flag is given */
    const char *data_option;  /* another name for --data: "storage.tsdb.path" */
    const char *data;         /* default data folder, made and locked; NULL: none */
    const char *const *names; /* host names the role may be called by, besides loopback's */
    size_t name_count;
    const char *usage;        /* words behind the name in --help; NULL: "[OPTIONS]" */
    struct option_list *rest; /* words that are no options; NULL: none allowed */
    /* Lays its hands on the server's options (limits, basic authentication); may be NULL. */
    void (*adjust_server)(void *values, struct http_server_options *options);
};

/* Reads the flags, opens the log, locks the data folder, listens. *role stays NULL when the process
 * should end with the returned status (enum role_exit): everything has been said then. */
int role_start(struct role **role, const struct role_setup *setup, int argc, char **argv);

/* Adds the role's routes. */
int role_mount(struct role *role, const struct http_mount *mount, struct error *error) MUST_CHECK;

/* Called on the main thread, inside role_wait, at SIGHUP and after role_ask_reload. A failure is
 * logged and counted (barograph_config_last_reload_successful), the role goes on. */
void role_on_reload(struct role *role, int (*reload)(void *context, struct error *error),
                    void *context);

/* Reloads on the main thread and waits for its result: for POST /-/reload. */
int role_ask_reload(struct role *role, struct error *error) MUST_CHECK;

void role_ready(struct role *role);

/* Returns the exit status when it is time to stop; the server has been drained. */
int role_wait(struct role *role) MUST_CHECK;

/* Makes role_wait return `status`; any thread. The first call counts. */
void role_stop(struct role *role, int status);

/* Logs why the role cannot go on and returns ROLE_EXIT_FAILED. */
int role_fail(struct role *role, const struct error *error);

void role_free(struct role *role); /* NULL is fine */

/* The form for CLEANUP. */
void role_cleanup(struct role **role);

/* ---- what a role has ---- */

struct sl_logger *role_log(struct role *role);
struct pm_registry *role_registry(struct role *role);
struct http_server *role_server(struct role *role); /* NULL when it has none */
const struct http_resolve *role_resolve(const struct role *role);
const struct clock *role_clock(const struct role *role);
const char *role_name(const struct role *role);
const char *role_data(const struct role *role); /* folder, or NULL */
const char *role_url(const struct role *role);  /* "http://127.0.0.1:9090" or NULL */
int64_t role_start_ms(const struct role *role); /* since the epoch */
bool role_is_stopping(const struct role *role);

const char *role_prefix(const struct role *role); /* --web.route-prefix, or "" */

/* Answers with an embedded page ("query.html"), or with the file of the pages that a route
 * ending in *rest names. -ENOENT when the executable was built without them. */
int role_give_page(struct role *role, const char *name, struct http_response *response,
                   struct error *error) MUST_CHECK;
int role_give_asset(const struct http_request *request, struct http_response *response,
                    struct error *error) MUST_CHECK;

/* --memory.max in bytes, 0 for none; and whether the process holds more than 90 % of it now
 * (asked of the kernel at most every second): then refuse what can be refused. */
int64_t role_memory_max(const struct role *role);
bool role_is_memory_short(struct role *role);
int64_t role_memory_used(void); /* resident bytes of the process */

/* All flags with their values, for status pages. */
void role_visit_flags(struct role *role,
                      void (*visit)(void *argument, const char *name, const char *value),
                      void *argument);

/* "0.1.0"; the commit it was built from, or "unknown". */
const char *role_version(void);
const char *role_revision(void);

#endif
