/* children.h - inside main/: the roles as child processes: started in order, watched, started
 * again, stopped.
 *
 * A role that ends is started again after a pause that doubles from BACKOFF_MIN_MS on, to
 * BACKOFF_READY_MS when the role had been ready (it fell ill: be back soon), else to
 * BACKOFF_MAX_MS (it cannot start: wait for a person), and begins anew once the role has been
 * ready for STEADY_MS.
 *
 * Threads: the thread that calls children_start runs everything until children_stop; the rest may
 *          call children_view. A child dies with that thread (PR_SET_PDEATHSIG).
 */
#ifndef MAIN_CHILDREN_H
#define MAIN_CHILDREN_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/thread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILDREN_MAX     8
#define CHILD_ARGS_MAX   48
#define CHILD_ERROR_SIZE 512
#define BACKOFF_MIN_MS   100
#define BACKOFF_READY_MS 1000
#define BACKOFF_MAX_MS   30000
#define STEADY_MS        30000
#define STOP_TIMEOUT_MS  15000

enum child_state {
    CHILD_WAITING,  /* for the one it follows */
    CHILD_STARTING, /* running, not ready yet */
    CHILD_READY,
    CHILD_BACKOFF, /* ended; will be started again */
    CHILD_STOPPED,
};

/* What a child is; filled by the caller. */
struct child_plan {
    const char *name;
    const char *after;                /* name of the child that must be ready first; NULL: none */
    const char *url;                  /* "http://127.0.0.1:9090" */
    const char *args[CHILD_ARGS_MAX]; /* from argv[0] on, ended by NULL; borrowed */
    size_t arg_count;
    int stop_stage; /* children of stage 0 are stopped first, all at once; then 1, then 2 */
};

/* What may be seen of it. */
struct child_view {
    const char *name;
    const char *url;
    enum child_state state;
    pid_t pid;
    uint64_t restarts;
    int64_t since_ms;  /* monotonic: when the state began */
    uint64_t resident; /* bytes; 0: not running */
    char last_error[CHILD_ERROR_SIZE];
};

struct children;
struct http_client;
struct sl_logger;

int children_new(struct children **children, struct http_client *client, struct sl_logger *log,
                 struct error *error) MUST_CHECK;
void children_free(struct children *children); /* NULL is fine; nothing may be running */

/* Before children_start; the plan's texts are borrowed. ERROR_LIMIT above CHILDREN_MAX. */
int children_add(struct children *children, const struct child_plan *plan,
                 struct error *error) MUST_CHECK;

/* Starts the thread that runs the children. */
int children_start(struct children *children, struct error *error) MUST_CHECK;

/* Stops them stage by stage; each gets SIGTERM, and SIGKILL after STOP_TIMEOUT_MS. */
void children_stop(struct children *children);

size_t children_view(struct children *children, struct child_view views[CHILDREN_MAX]);
bool children_are_ready(struct children *children);
const char *child_state_name(enum child_state state);

#endif
