/* signals.c - the process's signals as events for one thread. */
#include "role/signals.h"

#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_init(struct signals *signals, struct error *error)
{
    *signals = (struct signals){ -1, -1, -1, .is_guarded = false };
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signals->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    signals->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signals->signal_fd >= 0 && signals->wake_fd >= 0 && signals->done_fd >= 0) return 0;
    int cause = errno;
    signals_release(signals);
    return error_set(error, -cause, "watch signals: %s", strerrordesc_np(cause));
}

static void ring(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof(one));
    (void)written; /* full means that it rings already */
}

void signals_release(struct signals *signals)
{
    if (signals->is_guarded) {
        ring(signals->done_fd);
        thread_join(signals->guard);
        signals->is_guarded = false;
    }
    if (signals->signal_fd >= 0) (void)close(signals->signal_fd);
    if (signals->wake_fd >= 0) (void)close(signals->wake_fd);
    if (signals->done_fd >= 0) (void)close(signals->done_fd);
    signals->signal_fd = signals->wake_fd = signals->done_fd = -1;
}

enum signals_event signals_wait(struct signals *signals, int timeout_ms)
{
    for (;;) {
        struct pollfd pollers[2] = { { signals->signal_fd, POLLIN, 0 },
                                     { signals->wake_fd, POLLIN, 0 } };
        if (poll(pollers, 2, timeout_ms) == 0) return SIGNALS_QUIET;
        struct signalfd_siginfo info;
        if (read(signals->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
            return info.ssi_signo == SIGHUP ? SIGNALS_RELOAD : SIGNALS_STOP;
        }
        uint64_t count = 0;
        if (read(signals->wake_fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
            return SIGNALS_WOKEN;
        }
    }
}

void signals_wake(struct signals *signals)
{
    ring(signals->wake_fd);
}

static void *guard(void *argument)
{
    struct signals *signals = argument;
    for (;;) {
        struct pollfd pollers[2] = { { signals->signal_fd, POLLIN, 0 },
                                     { signals->done_fd, POLLIN, 0 } };
        int count = poll(pollers, 2, (int)signals->limit_ms);
        if (count < 0) continue;
        if (pollers[1].revents != 0) return NULL;
        struct signalfd_siginfo info;
        bool is_read = read(signals->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
        if (count == 0 || (is_read && info.ssi_signo != SIGHUP)) {
            static const char text[] = "stopped hard: the orderly stop took too long\n";
            ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
            (void)written;
            _exit(1);
        }
    }
}

void signals_guard(struct signals *signals, int64_t limit_ms)
{
    signals->limit_ms = limit_ms > 0 && limit_ms < 3600000 ? limit_ms : 3600000;
    signals->is_guarded = thread_start(&signals->guard, "stop guard", guard, signals, NULL) == 0;
}
