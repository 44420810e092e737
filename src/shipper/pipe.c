/* pipe.c - a ring under one lock. */
#include "shipper/pipe.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

int pipe_init(struct ship_pipe *pipe, size_t count_max, struct error *error)
{
    *pipe = (struct ship_pipe){ .capacity = count_max };
    mutex_init(&pipe->mutex);
    condition_init(&pipe->has_room);
    condition_init(&pipe->has_events);
    pipe->events = calloc(count_max, sizeof(*pipe->events));
    if (pipe->events == NULL) {
        return error_set(error, -ENOMEM, "no memory for a queue of %zu events", count_max);
    }
    return 0;
}

void pipe_release(struct ship_pipe *pipe, struct registry *registry)
{
    if (pipe->capacity == 0) return;
    pipe_drop(pipe, pipe->count, registry);
    free(pipe->events);
    condition_release(&pipe->has_room);
    condition_release(&pipe->has_events);
    mutex_release(&pipe->mutex);
    *pipe = (struct ship_pipe){ 0 };
}

static struct ship_event *at(const struct ship_pipe *pipe, size_t index)
{
    return &pipe->events[(pipe->first + index) % pipe->capacity];
}

bool pipe_put(struct ship_pipe *pipe, const struct ship_event *event)
{
    mutex_lock(&pipe->mutex);
    while (!pipe->is_closed && pipe->count > 0 &&
           (pipe->count == pipe->capacity || pipe->size + event->size > PIPE_SIZE_MAX)) {
        condition_wait(&pipe->has_room, &pipe->mutex);
    }
    bool is_put = !pipe->is_closed;
    if (is_put) {
        *at(pipe, pipe->count) = *event;
        pipe->count++;
        pipe->size += event->size;
        condition_signal(&pipe->has_events);
    }
    mutex_unlock(&pipe->mutex);
    return is_put;
}

size_t pipe_peek(struct ship_pipe *pipe, const struct pipe_wish *wish, struct ship_event *events)
{
    mutex_lock(&pipe->mutex);
    if (pipe->count == 0 && !pipe->is_closed) {
        (void)condition_wait_ms(&pipe->has_events, &pipe->mutex, wish->wait_ms);
    }
    const struct clock *clock = &clock_system;
    int64_t end_ms = clock_monotonic_ms(clock) + wish->linger_ms;
    while (pipe->count > 0 && pipe->count < wish->count_max && pipe->count < pipe->capacity &&
           pipe->size < wish->size_max && !pipe->is_closed) {
        int64_t left_ms = end_ms - clock_monotonic_ms(clock);
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&pipe->has_events, &pipe->mutex, left_ms);
    }
    size_t count = 0;
    size_t size = 0;
    while (count < pipe->count && count < wish->count_max) {
        const struct ship_event *event = at(pipe, count);
        if (count > 0 && size + event->size > wish->size_max) break;
        size += event->size;
        events[count++] = *event;
    }
    mutex_unlock(&pipe->mutex);
    return count;
}

void pipe_drop(struct ship_pipe *pipe, size_t count, struct registry *registry)
{
    for (size_t i = 0; i < count; i++) {
        mutex_lock(&pipe->mutex);
        CHECK(pipe->count > 0);
        struct ship_event event = *at(pipe, 0);
        pipe->first = (pipe->first + 1) % pipe->capacity;
        pipe->count--;
        pipe->size -= event.size;
        mutex_unlock(&pipe->mutex);
        free(event.text);
        registry_drop(registry, event.state);
    }
    mutex_lock(&pipe->mutex);
    condition_signal(&pipe->has_room);
    mutex_unlock(&pipe->mutex);
}

void pipe_close(struct ship_pipe *pipe)
{
    mutex_lock(&pipe->mutex);
    pipe->is_closed = true;
    condition_broadcast(&pipe->has_room);
    condition_broadcast(&pipe->has_events);
    mutex_unlock(&pipe->mutex);
}

bool pipe_is_closed(struct ship_pipe *pipe)
{
    mutex_lock(&pipe->mutex);
    bool is_closed = pipe->is_closed;
    mutex_unlock(&pipe->mutex);
    return is_closed;
}

size_t pipe_count(struct ship_pipe *pipe)
{
    mutex_lock(&pipe->mutex);
    size_t count = pipe->count;
    mutex_unlock(&pipe->mutex);
    return count;
}
