/* stream.h - answers that are made while they are sent. For http/ alone.
 *
 * A stream with nothing to say suspends its connection and is resumed by its waker: from any
 * thread, or by the server when a heartbeat is due or it stops.
 * Lock: the waker's mutex guards its fields; MHD's own locks come behind it. The list's mutex comes
 *       before it.
 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include "base/thread.h"
#include "http/counters.h"
#include "http/server.h"

#include <microhttpd.h>

/* The open streams of a server. */
struct stream_list {
    struct mutex mutex;
    struct http_waker *first; /* GUARDED_BY(mutex) */
    struct counters *counters;
};

void stream_list_init(struct stream_list *list, struct counters *counters);
void stream_list_release(struct stream_list *list);

/* Wakes those whose heartbeat is due. */
void stream_list_beat(struct stream_list *list, int64_t now_ns);

/* Makes every stream end. */
void stream_list_stop(struct stream_list *list);

struct http_waker *stream_waker_new(const struct http_stream *stream) MUST_CHECK;

/* Gives up a stream that never came to be sent; the server's share of the waker goes with it. */
void stream_discard(struct http_waker *waker);

/* The answer's body; takes the server's share of the waker. NULL: no memory (share kept). */
struct MHD_Response *stream_answer(struct http_waker *waker, struct MHD_Connection *connection,
                                   struct stream_list *list) MUST_CHECK;

#endif
