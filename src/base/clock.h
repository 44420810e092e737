/* clock.h - time behind a table of functions, so that a test can turn the hands.
 *
 * Metric time is int64_t milliseconds since the epoch, log time int64_t nanoseconds. Deadlines are
 * monotonic nanoseconds, which never jump.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*realtime_ns)(void *state);               /* since the epoch, UTC; may jump */
    int64_t (*monotonic_ns)(void *state);              /* never goes back */
    void (*wait_ns)(void *state, int64_t duration_ns); /* returns after at least that long */
    void *state;
};

extern const struct clock clock_system; /* the machine's clock; any thread */

static inline int64_t clock_realtime_ns(const struct clock *clock)
{
    return clock->realtime_ns(clock->state);
}

static inline int64_t clock_realtime_ms(const struct clock *clock)
{
    return clock->realtime_ns(clock->state) / 1000000;
}

static inline int64_t clock_monotonic_ns(const struct clock *clock)
{
    return clock->monotonic_ns(clock->state);
}

static inline int64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ns(clock->state) / 1000000;
}

static inline void clock_wait_ms(const struct clock *clock, int64_t duration_ms)
{
    clock->wait_ns(clock->state, duration_ms * 1000000);
}

/* Processor time that the calling thread has used. */
int64_t clock_thread_cpu_ns(void);

/* A civil date and time in UTC, proleptic Gregorian calendar. */
struct utc {
    int64_t year;
    int month;      /* 1-12 */
    int day;        /* 1-31 */
    int hour;       /* 0-23 */
    int minute;     /* 0-59 */
    int second;     /* 0-59; leap seconds are not counted, as in POSIX time */
    int nanosecond; /* 0-999999999 */
    int weekday;    /* 0 = Sunday; ignored by clock_utc_to_ns */
    int year_day;   /* 1-366; ignored by clock_utc_to_ns */
};

struct utc clock_utc_from_ns(int64_t time_ns);
struct utc clock_utc_from_ms(int64_t time_ms);
int64_t clock_utc_to_ms(const struct utc *utc); /* any fields; out of range ones carry over */
int64_t clock_days_from_civil(int64_t year, int month, int day); /* days since 1970-01-01 */

#define CLOCK_RFC3339_SIZE 40

/* "2026-11-25T02:24:23.123Z" with `digits` (0 to 9) of the second's fraction, and a NUL.
 * Returns the length. buffer holds CLOCK_RFC3339_SIZE bytes. */
size_t clock_rfc3339_print(int64_t time_ns, int digits, char *buffer);

/* Reads an RFC 3339 time: date, 'T', 't' or blank, time, optional fraction, 'Z' or an offset. The
 * whole text must be one. False (output untouched) when it is not or does not fit in int64_t ns
 * (years 1678 to 2261). */
bool clock_rfc3339_parse(struct str text, int64_t *time_ns) MUST_CHECK;

#endif
