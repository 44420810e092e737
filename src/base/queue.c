/* queue.c - a ring of pointers under one mutex. */
#include "base/queue.h"

#include "base/check.h"
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct queue {
    struct mutex mutex;
    struct condition not_empty;
    struct condition not_full;
    size_t first GUARDED_BY(mutex);
    size_t count GUARDED_BY(mutex);
    bool is_closed GUARDED_BY(mutex);
    size_t count_max;
    void *items[];
};

int queue_new(struct queue **queue_out, size_t count_max, struct error *error)
{
    CHECK(count_max > 0);
    struct queue *queue = calloc(1, sizeof(*queue) + count_max * sizeof(queue->items[0]));
    if (queue == NULL) return error_set(error, -ENOMEM, "no memory for a queue of %zu", count_max);
    mutex_init(&queue->mutex);
    condition_init(&queue->not_empty);
    condition_init(&queue->not_full);
    queue->count_max = count_max;
    *queue_out = queue;
    return 0;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL) return;
    condition_release(&queue->not_empty);
    condition_release(&queue->not_full);
    mutex_release(&queue->mutex);
    free(queue);
}

static int64_t now_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put_locked(struct queue *queue, void *item) REQUIRES(queue->mutex)
{
    queue->items[(queue->first + queue->count) % queue->count_max] = item;
    queue->count++;
    CHECK(queue->count <= queue->count_max);
    condition_signal(&queue->not_empty);
}

bool queue_try_put(struct queue *queue, void *item)
{
    mutex_lock(&queue->mutex);
    bool fits = !queue->is_closed && queue->count < queue->count_max;
    if (fits) put_locked(queue, item);
    mutex_unlock(&queue->mutex);
    return fits;
}

int queue_put(struct queue *queue, void *item, int64_t timeout_ms)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    int code = 0;
    mutex_lock(&queue->mutex);
    while (!queue->is_closed && queue->count == queue->count_max) {
        int64_t left_ms = deadline_ms - now_ms();
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&queue->not_full, &queue->mutex, left_ms);
    }
    if (queue->is_closed) {
        code = ERROR_CLOSED;
    } else if (queue->count == queue->count_max) {
        code = ERROR_TIMEOUT;
    } else {
        put_locked(queue, item);
    }
    mutex_unlock(&queue->mutex);
    return code;
}

int queue_take(struct queue *queue, void **item, int64_t timeout_ms)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    int code = 0;
    mutex_lock(&queue->mutex);
    while (!queue->is_closed && queue->count == 0) {
        int64_t left_ms = deadline_ms - now_ms();
        if (left_ms <= 0) break;
        (void)condition_wait_ms(&queue->not_empty, &queue->mutex, left_ms);
    }
    if (queue->count > 0) {
        *item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->count_max;
        queue->count--;
        condition_signal(&queue->not_full);
    } else {
        code = queue->is_closed ? ERROR_CLOSED : ERROR_TIMEOUT;
    }
    mutex_unlock(&queue->mutex);
    return code;
}

void queue_close(struct queue *queue)
{
    mutex_lock(&queue->mutex);
    queue->is_closed = true;
    condition_broadcast(&queue->not_empty);
    condition_broadcast(&queue->not_full);
    mutex_unlock(&queue->mutex);
}

size_t queue_count(struct queue *queue)
{
    mutex_lock(&queue->mutex);
    size_t count = queue->count;
    mutex_unlock(&queue->mutex);
    return count;
}
