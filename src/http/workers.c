/* workers.c - threads that run what is put into a bounded queue. */
#include "http/workers.h"

#include <errno.h>
#include <stdlib.h>

int workers_init(struct workers *workers, unsigned thread_max, size_t count_max,
                 void (*run)(void *item), struct error *error)
{
    *workers = (struct workers){ .run = run, .capacity = count_max };
    workers->most = thread_max < WORKERS_MAX ? thread_max : WORKERS_MAX;
    workers->items = calloc(count_max, sizeof(*workers->items));
    if (workers->items == NULL) return error_set(error, -ENOMEM, "no memory for the request queue");
    mutex_init(&workers->mutex);
    condition_init(&workers->has_work);
    return 0;
}

static void *work(void *argument)
{
    struct workers *workers = argument;
    mutex_lock(&workers->mutex);
    for (;;) {
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
    mutex_unlock(&workers->mutex);
    return NULL;
}

bool workers_try_put(struct workers *workers, void *item)
{
    mutex_lock(&workers->mutex);
    bool fits = workers->count < workers->capacity && !workers->is_stopping;
    if (fits && workers->count >= workers->idle && workers->started < workers->most) {
        pthread_t *thread = &workers->threads[workers->started];
        if (thread_start(thread, "http worker", work, workers, NULL) == 0) workers->started++;
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

void workers_stop(struct workers *workers)
{
    mutex_lock(&workers->mutex);
    workers->is_stopping = true;
    condition_broadcast(&workers->has_work);
    unsigned started = workers->started;
    mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < started; i++) thread_join(workers->threads[i]);
    mutex_lock(&workers->mutex);
    workers->started = 0;
    mutex_unlock(&workers->mutex);
}

void workers_release(struct workers *workers)
{
    if (workers->items == NULL) return;
    condition_release(&workers->has_work);
    mutex_release(&workers->mutex);
    free(workers->items);
    workers->items = NULL;
}
