/* pipe.h - the queue between the reader and the sender: bounded in events and in bytes.
 *
 * When it is full pipe_put waits: nothing is read while the output is slow. Events leave in the
 * order in which they came, and only after the output has answered for them. One producer, one
 * consumer. Lock: its own mutex guards everything.
 */
#ifndef SHIPPER_PIPE_H
#define SHIPPER_PIPE_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/thread.h"
#include "shipper/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIPE_SIZE_MAX ((size_t)64 << 20) /* bytes; one larger event fits when it is alone */

/* What was read up to `offset` of a file: a document, or nothing to send (size 0). */
struct ship_event {
    struct ship_state *state; /* held */
    uint64_t offset;          /* behind the line */
    size_t size;
    char *text; /* action and document, each with its newline */
};

struct ship_pipe {
    struct mutex mutex;
    struct condition has_room;
    struct condition has_events;
    struct ship_event *events; /* a ring */
    size_t capacity;
    size_t first;
    size_t count;
    size_t size; /* bytes */
    bool is_closed;
};

int pipe_init(struct ship_pipe *pipe, size_t count_max, struct error *error) MUST_CHECK;
void pipe_release(struct ship_pipe *pipe, struct registry *registry); /* accepts a zeroed one */

/* Takes the event over, text included. False when closed: then it stays the caller's. */
bool pipe_put(struct ship_pipe *pipe, const struct ship_event *event) MUST_CHECK;

struct pipe_wish {
    size_t count_max;  /* events */
    size_t size_max;   /* bytes; at least one event comes whatever its size */
    int64_t linger_ms; /* wait so long for more than one */
    int64_t wait_ms;   /* wait so long for the first */
};

/* Copies the oldest events, which stay in the queue until pipe_drop; their count. */
size_t pipe_peek(struct ship_pipe *pipe, const struct pipe_wish *wish, struct ship_event *events);

/* Lets go of the oldest `count`, giving back texts and states. */
void pipe_drop(struct ship_pipe *pipe, size_t count, struct registry *registry);

void pipe_close(struct ship_pipe *pipe);
bool pipe_is_closed(struct ship_pipe *pipe);
size_t pipe_count(struct ship_pipe *pipe);

#endif
