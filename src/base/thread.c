/* thread.c - pthreads, with failures that can only be bugs turned into CHECKs. */
#include "base/thread.h"

#include "base/check.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

void mutex_init(struct mutex *mutex)
{
    CHECK(pthread_mutex_init(&mutex->raw, NULL) == 0);
}

void mutex_release(struct mutex *mutex)
{
    (void)pthread_mutex_destroy(&mutex->raw);
}

void mutex_lock(struct mutex *mutex) NO_LOCK_CHECK
{
    CHECK(pthread_mutex_lock(&mutex->raw) == 0);
}

void mutex_unlock(struct mutex *mutex) NO_LOCK_CHECK
{
    CHECK(pthread_mutex_unlock(&mutex->raw) == 0);
}

void condition_init(struct condition *condition)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&condition->raw, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
}

void condition_release(struct condition *condition)
{
    (void)pthread_cond_destroy(&condition->raw);
}

void condition_wait(struct condition *condition, struct mutex *mutex)
{
    CHECK(pthread_cond_wait(&condition->raw, &mutex->raw) == 0);
}

bool condition_wait_ms(struct condition *condition, struct mutex *mutex, int64_t timeout_ms)
{
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    if (timeout_ms < 0) timeout_ms = 0;
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int code = pthread_cond_timedwait(&condition->raw, &mutex->raw, &until);
    CHECK(code == 0 || code == ETIMEDOUT);
    return code == 0;
}

void condition_signal(struct condition *condition)
{
    (void)pthread_cond_signal(&condition->raw);
}

void condition_broadcast(struct condition *condition)
{
    (void)pthread_cond_broadcast(&condition->raw);
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument,
                 struct error *error)
{
    CHECK(strlen(name) <= 15);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGBUS); /* a fault of the thread's own: blocked, it is the end */
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    pthread_t started;
    int code = pthread_create(&started, NULL, run, argument);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (code != 0) {
        return error_set(error, -code, "start thread '%s': %s", name, strerrordesc_np(code));
    }
    (void)pthread_setname_np(started, name);
    *thread = started;
    return 0;
}

void thread_join(pthread_t thread)
{
    CHECK(pthread_join(thread, NULL) == 0);
}

void thread_detach(pthread_t thread)
{
    CHECK(pthread_detach(thread) == 0);
}

unsigned thread_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}
