/* queue.h - a bounded queue of pointers between threads.
 *
 * When full, queue_put waits until there is room or the deadline passes; queue_try_put refuses.
 * After queue_close nothing can be put; what is inside can still be taken.
 * Lock: its own mutex guards everything. Any number of producers and consumers.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/compiler.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

int queue_new(struct queue **queue_out, size_t count_max, struct error *error) MUST_CHECK;
void queue_free(struct queue *queue); /* items left inside are the caller's loss; NULL is fine */

bool queue_try_put(struct queue *queue, void *item) MUST_CHECK; /* false: full or closed */
int queue_put(struct queue *queue, void *item,
              int64_t timeout_ms) MUST_CHECK; /* 0, ERROR_TIMEOUT, ERROR_CLOSED */

/* 0 with *item set, ERROR_TIMEOUT, or ERROR_CLOSED when closed and empty. */
int queue_take(struct queue *queue, void **item, int64_t timeout_ms) MUST_CHECK;

void queue_close(struct queue *queue);
size_t queue_count(struct queue *queue);

#endif
