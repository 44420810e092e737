/* workers.c - threads that run what is put into a bounded queue. */
#include "http/workers.h"

#include <errno.h>
#include <stdlib.h>

/* Of this thread: the workers it belongs to, and whether it has stepped aside. */
static _Thread_local struct workers *own_workers;
static _Thread_local bool is_aside;

int workers_init(struct workers *workers, unsigned thread_max, size_t count_max,
                 void (*run)(void *item), struct error *error)
{
    *workers = (struct workers){ .run = run, .capacity = count_max };
    workers->most = thread_max < WORKERS_MAX ? thread_max : WORKERS_MAX;
    workers->items = calloc(count_max, sizeof(*workers->items));
    if (workers->items == NULL) return error_set(error, -ENOMEM, "no memory for the request queue");
    mutex_init(&workers->mutex);
    condition_init(&workers->has_work);
    condition_init(&workers->has_ended);
    return 0;
}

/* One that stepped aside takes nothing more and ends. */
static void *work(void *argument)
{
    struct workers *workers = argument;
    own_workers = workers;
    mutex_lock(&workers->mutex);
    while (!is_aside) {
        while (workers->count == 0 && !workers->is_stopping) {
            workers->idle++;
            condition_wait(&workers->has_work, &workers->mutex);
            workers->idle--;
        }
        if (workers->count == 0) break;
        void *item = workers->items[workers->first];
        workers->first = (workers->first + 1) % workers->capacity;
        workers->count--;
        mutex_unlock(&workers->mutex);
        workers->run(item);
        mutex_lock(&workers->mutex);
    }
    if (is_aside) {
        workers->aside--;
    } else {
        workers->started--;
    }
    condition_broadcast(&workers->has_ended);
    mutex_unlock(&workers->mutex);
    return NULL;
}

static bool start_locked(struct workers *workers)
{
    pthread_t thread;
    if (thread_start(&thread, "http worker", work, workers, NULL) != 0) return false;
    thread_detach(thread);
    workers->started++;
    return true;
}

bool workers_try_put(struct workers *workers, void *item)
{
    mutex_lock(&workers->mutex);
    bool fits = workers->count < workers->capacity && !workers->is_stopping;
    if (fits && workers->count >= workers->idle && workers->started < workers->most) {
        (void)start_locked(workers);
    }
    fits = fits && workers->started > 0;
    if (fits) {
        workers->items[(workers->first + workers->count) % workers->capacity] = item;
        workers->count++;
        condition_signal(&workers->has_work);
    }
    mutex_unlock(&workers->mutex);
    return fits;
}

bool workers_step_aside(struct workers *workers)
{
    if (own_workers != workers || is_aside) return false;
    mutex_lock(&workers->mutex);
    bool may = workers->aside < WORKERS_ASIDE_MAX;
    /* What waits must not wait for this thread. */
    if (may && workers->count > workers->idle) may = start_locked(workers);
    if (may) {
        workers->started--;
        workers->aside++;
        is_aside = true;
    }
    mutex_unlock(&workers->mutex);
    return may;
}

void workers_stop(struct workers *workers)
{
    mutex_lock(&workers->mutex);
    workers->is_stopping = true;
    condition_broadcast(&workers->has_work);
    while (workers->started > 0 || workers->aside > 0) {
        condition_wait(&workers->has_ended, &workers->mutex);
    }
    mutex_unlock(&workers->mutex);
}

void workers_release(struct workers *workers)
{
    if (workers->items == NULL) return;
    condition_release(&workers->has_ended);
    condition_release(&workers->has_work);
    mutex_release(&workers->mutex);
    free(workers->items);
    workers->items = NULL;
}
