/* workers.h - threads that run what is put into a bounded queue. For http/ alone.
 *
 * A thread is started when something is put and nobody is idle, up to a maximum: a role that is
 * asked little has few. One that has long work steps aside: it does not count any more, so that
 * another may take its place, and it ends after that work. Lock: its own mutex guards everything.
 */
#ifndef HTTP_WORKERS_H
#define HTTP_WORKERS_H

#include "base/error.h"
#include "base/thread.h"

#include <stddef.h>

#define WORKERS_MAX       64
#define WORKERS_ASIDE_MAX 64

struct workers {
    struct mutex mutex;
    struct condition has_work;
    struct condition has_ended; /* a thread */
    void (*run)(void *item);
    void **items;     /* a ring of capacity places */
    size_t capacity;  /* most items that wait */
    size_t first;     /* GUARDED_BY(mutex) */
    size_t count;     /* GUARDED_BY(mutex) */
    unsigned idle;    /* GUARDED_BY(mutex) threads that wait */
    unsigned started; /* GUARDED_BY(mutex) threads that count */
    unsigned aside;   /* GUARDED_BY(mutex) threads that stepped aside */
    unsigned most;    /* of those that count */
    bool is_stopping; /* GUARDED_BY(mutex) */
};

int workers_init(struct workers *workers, unsigned thread_max, size_t count_max,
                 void (*run)(void *item), struct error *error) MUST_CHECK;

/* False: the queue is full, or there is no thread and none can be started. */
bool workers_try_put(struct workers *workers, void *item) MUST_CHECK;

/* Called by what runs: this thread does not count any more. False: it is no worker's thread, has
 * stepped aside before, or too many have. */
bool workers_step_aside(struct workers *workers);

/* Runs what waits, then ends the threads. Once. */
void workers_stop(struct workers *workers);
void workers_release(struct workers *workers); /* after the stop; accepts a zeroed one */

#endif
