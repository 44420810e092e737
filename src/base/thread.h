/* thread.h - threads, locks and conditions, annotated so that clang checks who holds what. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "base/compiler.h"
#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct LOCK_TYPE mutex {
    pthread_mutex_t raw;
};

#define MUTEX_INIT                                                                                 \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    } /* for static mutexes */

void mutex_init(struct mutex *mutex);
void mutex_release(struct mutex *mutex);
void mutex_lock(struct mutex *mutex) ACQUIRES(*mutex);
void mutex_unlock(struct mutex *mutex) RELEASES(*mutex);

/* A condition, waited for on the monotonic clock. */
struct condition {
    pthread_cond_t raw;
};

void condition_init(struct condition *condition);
void condition_release(struct condition *condition);
void condition_wait(struct condition *condition, struct mutex *mutex) REQUIRES(*mutex);

/* Waits until signalled or `timeout_ms` from now. False when the time ran out. */
bool condition_wait_ms(struct condition *condition, struct mutex *mutex, int64_t timeout_ms)
    REQUIRES(*mutex);
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

/* Starts `run(argument)` on a new thread with all signals blocked, so that signals reach the main
 * thread alone. `name` (at most 15 bytes) is what top shows. 0 or a negative errno. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument,
                 struct error *error) MUST_CHECK;
void thread_join(pthread_t thread);
void thread_detach(pthread_t thread);

unsigned thread_cpu_count(void); /* processors that this process may use; at least 1 */

#endif
