/* signals.h - the process's signals as events for one thread. For role/ alone.
 *
 * SIGTERM, SIGINT and SIGHUP are blocked and read from a descriptor; signals_wake makes the same
 * wait return, from any thread. After signals_guard a second SIGTERM or SIGINT, or the time limit,
 * ends the process hard.
 */
#ifndef ROLE_SIGNALS_H
#define ROLE_SIGNALS_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct signals {
    int signal_fd;
    int wake_fd;
    int done_fd; /* ends the guard */
    pthread_t guard;
    bool is_guarded;
    int64_t limit_ms;
};

enum signals_event { SIGNALS_WOKEN, SIGNALS_STOP, SIGNALS_RELOAD, SIGNALS_QUIET };

int signals_init(struct signals *signals, struct error *error) MUST_CHECK;
void signals_release(struct signals *signals); /* ends the guard */

/* SIGNALS_QUIET when nothing came for `timeout_ms`; -1 waits for ever. */
enum signals_event signals_wait(struct signals *signals, int timeout_ms);
void signals_wake(struct signals *signals);

/* From here the process has `limit_ms` to end by itself. */
void signals_guard(struct signals *signals, int64_t limit_ms);

#endif
