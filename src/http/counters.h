/* counters.h - what a server counts. For http/ alone; server.h shows it to others.
 *
 * Threads: any. Plain numbers, added to relaxed: they order nothing, a reader wants each about now.
 */
#ifndef HTTP_COUNTERS_H
#define HTTP_COUNTERS_H

#include "base/thread.h"
#include "http/server.h"

#include <stdatomic.h>

#define COUNTERS_HANDLERS_MAX 128
#define COUNTERS_CODES        32 /* different statuses told apart */

struct counters_handler {
    const char *label;
    atomic_uint_fast64_t codes[COUNTERS_CODES];
    atomic_uint_fast64_t buckets[HTTP_DURATION_BUCKETS + 1];
    atomic_uint_fast64_t duration_ns;
};

struct counters {
    struct counters_handler *handlers[COUNTERS_HANDLERS_MAX]; /* filled in order */
    atomic_size_t handler_count;
    atomic_uint_fast64_t connection_total;
    atomic_uint_fast64_t in_flight;
    atomic_uint_fast64_t received_size;
    atomic_uint_fast64_t sent_size;
    atomic_uint_fast64_t queue_full;
    atomic_uint_fast64_t timeouts;
    atomic_uint_fast64_t refused_hosts;
    atomic_uint_fast64_t streams;
};

static inline void counters_add(atomic_uint_fast64_t *counter, uint64_t amount)
{
    (void)atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static inline void counters_subtract(atomic_uint_fast64_t *counter, uint64_t amount)
{
    (void)atomic_fetch_sub_explicit(counter, amount, memory_order_relaxed);
}

static inline uint64_t counters_get(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void counters_release(struct counters *counters);

/* The one with this label (borrowed), made when it is new; NULL: no room. One thread at a time. */
struct counters_handler *counters_find(struct counters *counters, const char *label);

void counters_observe(struct counters_handler *handler, unsigned status, int64_t duration_ns);

/* What http_server_visit_codes and http_server_visit_handlers do. */
void counters_visit_codes(struct counters *counters,
                          void (*visit)(void *argument, const char *label, unsigned status,
                                        uint64_t count),
                          void *argument);
void counters_visit_handlers(struct counters *counters,
                             void (*visit)(void *argument,
                                           const struct http_handler_counters *counters),
                             void *argument);

#endif
