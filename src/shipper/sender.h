/* sender.h - the thread that delivers what is queued and moves the registry behind it.
 *
 * A batch is the oldest events; it is sent again, less what was taken, until each is taken (2xx,
 * 409) or refused for good (other 4xx: dropped, logged, counted). Whole requests that fail are
 * repeated for ever with growing pauses. So the order of acknowledgement is the order of the files.
 */
#ifndef SHIPPER_SENDER_H
#define SHIPPER_SENDER_H

#include "base/compiler.h"
#include "base/error.h"
#include "shipper/config.h"
#include "shipper/pipe.h"
#include "shipper/registry.h"

struct http_resolve;
struct pm_counter;
struct sender;
struct sl_logger;

/* Everything is borrowed. */
struct sender_setup {
    const struct ship_config *config;
    const struct http_resolve *resolve;
    struct registry *registry;
    struct ship_pipe *pipe;
    struct sl_logger *log;
    struct pm_counter *acknowledged;
    struct pm_counter *failed;          /* dropped: refused for good */
    struct pm_counter *retries;         /* requests repeated */
    void (*on_drained)(void *argument); /* the queue was closed and is empty; may be NULL */
    void *argument;
};

int sender_start(struct sender **sender, const struct sender_setup *setup,
                 struct error *error) MUST_CHECK;

/* After pipe_close: gives it `timeout_ms` to deliver what is queued, then ends it, saves the
 * registry and frees. NULL is fine. */
void sender_stop(struct sender *sender, int64_t timeout_ms);

#endif
