/* fail.h - errors as the library tells them: a code and a text, and a count of each. */
#ifndef PROMETHEUS_FAIL_H
#define PROMETHEUS_FAIL_H

#include "prometheus/prometheus.h"

/* Fills error (may be NULL) and returns code. */
int pm_fail(struct pm_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Counts the error and keeps it for pm_last_error(). Safe in signal handlers when error is NULL. */
void pm_fail_note(int code, const struct pm_error *error);

#endif
