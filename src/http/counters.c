/* counters.c - what a server counts. */
#include "http/counters.h"

#include <stdlib.h>
#include <string.h>

const double http_duration_bounds[HTTP_DURATION_BUCKETS] = {
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 20, 60,
};

/* The statuses told apart; all others share the last place, shown as 0. */
static const unsigned codes[] = {
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 400, 401, 403, 404, 405, 406,
    408, 409, 413, 414, 415, 421, 422, 429, 431, 500, 501, 502, 503, 504, 507, 0,
};
_Static_assert(ARRAY_LENGTH(codes) == COUNTERS_CODES, "one place a code");

void counters_release(struct counters *counters)
{
    size_t count = atomic_load(&counters->handler_count);
    for (size_t i = 0; i < count; i++) free(counters->handlers[i]);
    atomic_store(&counters->handler_count, 0);
}

struct counters_handler *counters_find(struct counters *counters, const char *label)
{
    size_t count = atomic_load(&counters->handler_count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counters->handlers[i]->label, label) == 0) return counters->handlers[i];
    }
    if (count == COUNTERS_HANDLERS_MAX) return NULL;
    struct counters_handler *handler = calloc(1, sizeof(*handler));
    if (handler == NULL) return NULL;
    handler->label = label;
    counters->handlers[count] = handler;
    /* Release: who sees the count sees the handler. */
    atomic_store_explicit(&counters->handler_count, count + 1, memory_order_release);
    return handler;
}

void counters_observe(struct counters_handler *handler, unsigned status, int64_t duration_ns)
{
    size_t place = 0;
    while (place < COUNTERS_CODES - 1 && codes[place] != status) place++;
    counters_add(&handler->codes[place], 1);

    double seconds = (double)duration_ns / 1e9;
    size_t bucket = 0;
    while (bucket < HTTP_DURATION_BUCKETS && seconds > http_duration_bounds[bucket]) bucket++;
    counters_add(&handler->buckets[bucket], 1);
    counters_add(&handler->duration_ns, (uint64_t)duration_ns);
}

void counters_visit_codes(struct counters *counters,
                          void (*visit)(void *argument, const char *label, unsigned status,
                                        uint64_t count),
                          void *argument)
{
    size_t handler_count = atomic_load_explicit(&counters->handler_count, memory_order_acquire);
    for (size_t i = 0; i < handler_count; i++) {
        for (size_t j = 0; j < COUNTERS_CODES; j++) {
            uint64_t count = counters_get(&counters->handlers[i]->codes[j]);
            if (count > 0) visit(argument, counters->handlers[i]->label, codes[j], count);
        }
    }
}

void counters_visit_handlers(struct counters *counters,
                             void (*visit)(void *argument,
                                           const struct http_handler_counters *counters),
                             void *argument)
{
    size_t handler_count = atomic_load_explicit(&counters->handler_count, memory_order_acquire);
    for (size_t i = 0; i < handler_count; i++) {
        const struct counters_handler *handler = counters->handlers[i];
        struct http_handler_counters snapshot = { .label = handler->label };
        for (size_t j = 0; j <= HTTP_DURATION_BUCKETS; j++) {
            snapshot.duration_buckets[j] = counters_get(&handler->buckets[j]);
            snapshot.request_count += snapshot.duration_buckets[j];
        }
        snapshot.duration_sum = (double)counters_get(&handler->duration_ns) / 1e9;
        if (snapshot.request_count > 0) visit(argument, &snapshot);
    }
}
