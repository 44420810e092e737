/* stream.c - answers that are made while they are sent. */
#include "http/stream.h"

#include "base/clock.h"

#include <stdlib.h>

#define BLOCK_SIZE 16384 /* bytes asked of a stream at once */

struct http_waker {
    struct mutex mutex;
    unsigned share_count;              /* GUARDED_BY(mutex) the server's and the caller's */
    struct MHD_Connection *connection; /* GUARDED_BY(mutex) NULL before and after */
    bool is_suspended;                 /* GUARDED_BY(mutex) */
    bool is_woken;                     /* GUARDED_BY(mutex) since the last read */
    bool must_end;                     /* GUARDED_BY(mutex) the server stops */
    int64_t last_ns;                   /* GUARDED_BY(mutex) when something was sent last */
    struct http_stream stream;
    struct stream_list *list;
    struct http_waker *next;     /* GUARDED_BY(list->mutex) */
    struct http_waker *previous; /* GUARDED_BY(list->mutex) */
};

static void give_up_share(struct http_waker *waker)
{
    mutex_lock(&waker->mutex);
    bool is_last = --waker->share_count == 0;
    mutex_unlock(&waker->mutex);
    if (!is_last) return;
    mutex_release(&waker->mutex);
    free(waker);
}

struct http_waker *stream_waker_new(const struct http_stream *stream)
{
    struct http_waker *waker = calloc(1, sizeof(*waker));
    if (waker == NULL) return NULL;
    mutex_init(&waker->mutex);
    waker->share_count = 2;
    waker->stream = *stream;
    return waker;
}

void stream_discard(struct http_waker *waker)
{
    if (waker == NULL) return;
    waker->stream.close(waker->stream.context);
    give_up_share(waker);
}

void http_waker_free(struct http_waker *waker)
{
    if (waker != NULL) give_up_share(waker);
}

static void wake_locked(struct http_waker *waker) REQUIRES(waker->mutex)
{
    waker->is_woken = true;
    if (!waker->is_suspended) return;
    waker->is_suspended = false;
    MHD_resume_connection(waker->connection);
}

void http_waker_wake(struct http_waker *waker)
{
    mutex_lock(&waker->mutex);
    wake_locked(waker);
    mutex_unlock(&waker->mutex);
}

void stream_list_init(struct stream_list *list, struct counters *counters)
{
    *list = (struct stream_list){ .counters = counters };
    mutex_init(&list->mutex);
}

void stream_list_release(struct stream_list *list)
{
    mutex_release(&list->mutex);
}

void stream_list_beat(struct stream_list *list, int64_t now_ns)
{
    mutex_lock(&list->mutex);
    for (struct http_waker *waker = list->first; waker != NULL; waker = waker->next) {
        mutex_lock(&waker->mutex);
        int64_t period_ns = waker->stream.heartbeat_ms * 1000000;
        if (period_ns > 0 && now_ns - waker->last_ns >= period_ns) wake_locked(waker);
        mutex_unlock(&waker->mutex);
    }
    mutex_unlock(&list->mutex);
}

void stream_list_stop(struct stream_list *list)
{
    mutex_lock(&list->mutex);
    for (struct http_waker *waker = list->first; waker != NULL; waker = waker->next) {
        mutex_lock(&waker->mutex);
        waker->must_end = true;
        wake_locked(waker);
        mutex_unlock(&waker->mutex);
    }
    mutex_unlock(&list->mutex);
}

/* Nothing was read: a heartbeat, another try, or sleep. False: read again. */
static bool rest_or_beat(struct http_waker *waker, char *bytes, size_t size, ssize_t *given)
{
    const struct http_stream *stream = &waker->stream;
    int64_t now_ns = clock_monotonic_ns(&clock_system);
    bool is_decided = true;
    *given = 0;
    mutex_lock(&waker->mutex);
    bool is_due =
        stream->heartbeat_ms > 0 && now_ns - waker->last_ns >= stream->heartbeat_ms * 1000000;
    if (is_due && stream->heartbeat.size <= size && stream->heartbeat.size > 0) {
        memcpy(bytes, stream->heartbeat.data, stream->heartbeat.size);
        *given = (ssize_t)stream->heartbeat.size;
        waker->last_ns = now_ns;
    } else if (waker->is_woken) {
        is_decided = false;
    } else {
        waker->is_suspended = true;
        MHD_suspend_connection(waker->connection);
    }
    mutex_unlock(&waker->mutex);
    return is_decided;
}

static ssize_t read_stream(void *argument, uint64_t offset, char *bytes, size_t size)
{
    (void)offset;
    struct http_waker *waker = argument;
    for (;;) {
        mutex_lock(&waker->mutex);
        bool must_end = waker->must_end;
        waker->is_woken = false;
        mutex_unlock(&waker->mutex);
        if (must_end) return MHD_CONTENT_READER_END_OF_STREAM;

        int64_t count = waker->stream.read(waker->stream.context, bytes, size);
        if (count == HTTP_STREAM_END) return MHD_CONTENT_READER_END_OF_STREAM;
        if (count < 0) return MHD_CONTENT_READER_END_WITH_ERROR;
        if (count > 0) {
            mutex_lock(&waker->mutex);
            waker->last_ns = clock_monotonic_ns(&clock_system);
            mutex_unlock(&waker->mutex);
            return (ssize_t)count;
        }
        ssize_t given = 0;
        if (rest_or_beat(waker, bytes, size, &given)) return given;
    }
}

static void end_stream(void *argument)
{
    struct http_waker *waker = argument;
    struct stream_list *list = waker->list;
    mutex_lock(&list->mutex);
    if (waker->previous != NULL) waker->previous->next = waker->next;
    if (waker->next != NULL) waker->next->previous = waker->previous;
    if (list->first == waker) list->first = waker->next;
    mutex_unlock(&list->mutex);

    mutex_lock(&waker->mutex);
    waker->connection = NULL;
    waker->is_suspended = false;
    mutex_unlock(&waker->mutex);
    counters_subtract(&list->counters->streams, 1);
    waker->stream.close(waker->stream.context);
    give_up_share(waker);
}

struct MHD_Response *stream_answer(struct http_waker *waker, struct MHD_Connection *connection,
                                   struct stream_list *list)
{
    struct MHD_Response *answer = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE,
                                                                    read_stream, waker, end_stream);
    if (answer == NULL) return NULL;

    waker->list = list;
    mutex_lock(&waker->mutex);
    waker->connection = connection;
    waker->last_ns = clock_monotonic_ns(&clock_system);
    mutex_unlock(&waker->mutex);
    counters_add(&list->counters->streams, 1);
    mutex_lock(&list->mutex);
    waker->next = list->first;
    if (list->first != NULL) list->first->previous = waker;
    list->first = waker;
    mutex_unlock(&list->mutex);
    return answer;
}
