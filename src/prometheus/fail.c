/* fail.c - errors as the library tells them: a code and a text, and a count of each. */
#include "prometheus/fail.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static const char *const code_names[PM_ERROR_CODES] = {
    "ok",   "name",    "type",   "labels", "value", "memory",
    "full", "unknown", "system", "region", "write", "parse",
};

static _Atomic uint64_t counts[PM_ERROR_CODES];
static _Thread_local struct pm_error last;

const char *pm_code_name(int code)
{
    return code <= 0 && code > -PM_ERROR_CODES ? code_names[-code] : "unknown code";
}

int pm_fail(struct pm_error *error, int code, const char *format, ...)
{
    if (error == NULL) return code;
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return code;
}

void pm_fail_note(int code, const struct pm_error *error)
{
    if (code >= 0 || code <= -PM_ERROR_CODES) return;
    atomic_fetch_add_explicit(&counts[-code], 1, memory_order_relaxed);
    if (error != NULL) last = *error;
}

struct pm_error pm_last_error(void)
{
    return last;
}

uint64_t pm_error_count(int code)
{
    if (code >= 0 || code <= -PM_ERROR_CODES) return 0;
    return atomic_load_explicit(&counts[-code], memory_order_relaxed);
}
