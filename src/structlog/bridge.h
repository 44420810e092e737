/* bridge.h - lines of code that knows nothing of this library: what it writes to a descriptor, and
 * what it tells syslog(3). For code that has only printf there is sl_printf in structlog.h.
 *
 *     struct sl_bridge *bridge;
 *     if (sl_bridge_start(&bridge, STDERR_FILENO, NULL, SL_WARN) < 0) ...
 *     legacy_work();                     each line it writes to stderr is an event now
 *     sl_bridge_stop(bridge);            stderr is what it was
 *
 *     cc -include structlog/as_syslog.h legacy.c       syslog() of unchanged code comes here
 *
 * Included by structlog.h.
 */
#ifndef STRUCTLOG_BRIDGE_H
#define STRUCTLOG_BRIDGE_H

#include "structlog/structlog.h"

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sl_logger;
struct sl_bridge;

/*
 * Turns each line that anybody writes to `fd` into an event of `level`: this process, libraries
 * that print, and children that inherited the descriptor.
 *
 *   bridge  out: for sl_bridge_stop; untouched on failure
 *   fd      STDOUT_FILENO or STDERR_FILENO, each at most once at a time. Sinks that go there keep
 *           going to what it was before.
 *   log     gets a reference; NULL: the default logger
 *
 * The event is the line without its end, blank lines fall away; a line above 8 KiB is cut into
 * several events, one without an end is an event after a second. Who writes faster than the log
 * takes waits, as on any pipe (of 1 MiB where the kernel grants it). What is still in the pipe when
 * the process is killed is lost; exit() reads it out.
 *
 * Returns 0, -EINVAL (another descriptor), -EBUSY (bridged already), or a negative errno.
 */
SL_API int sl_bridge_start(struct sl_bridge **bridge, int fd, struct sl_logger *log, int level);

/* Puts the descriptor back and logs what is left in the pipe. NULL is fine. */
SL_API void sl_bridge_stop(struct sl_bridge *bridge);

/* syslog(3), vsyslog, openlog, closelog and setlogmask, writing events: `priority` gives the level
 * (emerg, alert and crit are critical, notice is 25) and log.syslog.severity.code and
 * .facility.code, openlog's ident is log.syslog.appname. `%m` works. The event is cut at 4,096
 * bytes. LOG_CONS, LOG_PERROR and their like have no effect: sinks say where lines go. */
SL_API void sl_syslog(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
SL_API void sl_vsyslog(int priority, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
SL_API void sl_openlog(const char *ident, int option, int facility); /* ident is borrowed */
SL_API void sl_closelog(void);
SL_API int sl_setlogmask(int mask);
/* Where these events go; borrowed, NULL the default logger (as at the start). */
SL_API void sl_syslog_use(struct sl_logger *log);

#ifdef __cplusplus
}
#endif

#endif
