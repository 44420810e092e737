/* bridge_syslog.c - syslog(3) for unchanged code: its priorities as levels, its words as
 * events.
 * Source: POSIX.1-2017, syslog(); severities and facilities as RFC 5424, section 6.2.1. */
#include "structlog/internal.h"

#include <stdio.h>
#include <syslog.h>

#define TEXT_SIZE_MAX 4096

static const int syslog_levels[] = {
    [LOG_EMERG] = SL_CRITICAL, [LOG_ALERT] = SL_CRITICAL, [LOG_CRIT] = SL_CRITICAL,
    [LOG_ERR] = SL_ERROR,      [LOG_WARNING] = SL_WARN,   [LOG_NOTICE] = SL_INFO + 5,
    [LOG_INFO] = SL_INFO,      [LOG_DEBUG] = SL_DEBUG,
};

/* Single words, each read and written whole: openlog in one thread, syslog in another is fine. */
static const char *syslog_ident;
static int syslog_facility = LOG_USER;
static int syslog_mask = 0xff;
static struct sl_logger *syslog_target;

void sl_openlog(const char *name, int option, int facility)
{
    (void)option;
    __atomic_store_n(&syslog_ident, name, __ATOMIC_RELEASE);
    if (facility != 0) __atomic_store_n(&syslog_facility, facility, __ATOMIC_RELAXED);
}

void sl_closelog(void)
{
    __atomic_store_n(&syslog_ident, NULL, __ATOMIC_RELEASE);
}

int sl_setlogmask(int new_mask)
{
    if (new_mask == 0) return __atomic_load_n(&syslog_mask, __ATOMIC_RELAXED);
    return __atomic_exchange_n(&syslog_mask, new_mask, __ATOMIC_RELAXED);
}

void sl_syslog_use(struct sl_logger *log)
{
    __atomic_store_n(&syslog_target, log, __ATOMIC_RELEASE);
}

void sl_vsyslog(int priority, const char *format, va_list arguments)
{
    int saved = errno;
    int severity = LOG_PRI(priority);
    int facility = priority & LOG_FACMASK;
    struct sl_logger *log = __atomic_load_n(&syslog_target, __ATOMIC_ACQUIRE);
    if ((__atomic_load_n(&syslog_mask, __ATOMIC_RELAXED) & LOG_MASK(severity)) == 0) return;
    if (!sl_enabled(log, syslog_levels[severity])) return;
    if (facility == 0) facility = __atomic_load_n(&syslog_facility, __ATOMIC_RELAXED);
    char text[TEXT_SIZE_MAX];
    errno = saved; /* for %m */
    int size = vsnprintf(text, sizeof(text), format, arguments);
    if (size >= 0) {
        size_t kept = (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1;
        while (kept > 0 && (text[kept - 1] == '\n' || text[kept - 1] == '\r')) kept--;
        const char *name = __atomic_load_n(&syslog_ident, __ATOMIC_ACQUIRE);
        const struct sl_field fields[] = {
            { SL_VALUE("log.syslog.severity.code"), SL_VALUE(severity) },
            { SL_VALUE("log.syslog.facility.code"), SL_VALUE(facility >> 3) },
            { SL_VALUE("log.syslog.appname"), SL_VALUE(name) },
        };
        sl_log_fields(log, syslog_levels[severity], sl_strn(text, kept), fields,
                      name == NULL ? 2 : 3);
    }
    errno = saved;
}

void sl_syslog(int priority, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sl_vsyslog(priority, format, arguments);
    va_end(arguments);
}
