/* crash.c - the last lines before a fatal signal: handlers that flush, then let the signal do what
 * it would have done.
 *
 * The back end is a thread of its own and goes on while the handler waits for it, so the handler
 * takes no lock and allocates nothing. What only a sink's buffer holds is written when its lock is
 * free. SIGKILL cannot be caught: see recover.c.
 */
#include "structlog/async_state.h"

#include "structlog/pipeline.h"
#include "structlog/sink.h"

#include <signal.h>

#define CRASH_WAIT_MS 2000

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
static struct sigaction actions_before[SL_LENGTH(fatal_signals)];
static bool is_caught;
static int is_crashing; /* a crash inside the handler goes straight on */

static void flush_pipeline_in_crash(struct sl_pipeline *pipeline)
{
    if (pipeline->async != NULL) sl_async_flush_in_crash(pipeline->async, CRASH_WAIT_MS);
    for (size_t i = 0; i < pipeline->sink_count; i++) sl_sink_flush_in_crash(pipeline->sinks[i]);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    if (__atomic_exchange_n(&is_crashing, 1, __ATOMIC_SEQ_CST) == 0) {
        sl_pipeline_for_each(flush_pipeline_in_crash);
    }
    for (size_t i = 0; i < SL_LENGTH(fatal_signals); i++) {
        if (fatal_signals[i] == number) (void)sigaction(number, &actions_before[i], NULL);
    }
    errno = saved;
    /* A fault comes again by itself when the handler returns; what was sent must be sent again. */
    if (info->si_code <= 0 || number == SIGABRT) (void)raise(number);
}

void sl_crash_catch(void)
{
    if (is_caught) return;
    is_caught = true;
    struct sigaction action = { 0 };
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    (void)sigfillset(&action.sa_mask);
    for (size_t i = 0; i < SL_LENGTH(fatal_signals); i++) {
        (void)sigaction(fatal_signals[i], &action, &actions_before[i]);
    }
}
