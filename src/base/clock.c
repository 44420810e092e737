/* clock.c - the machine's clock, and the calendar.
 *
 * Calendar arithmetic counts days in eras of 400 years that start on 1 March, so that the leap day
 * is the last of its year (the algorithm of H. Hinnant, "chrono-compatible low-level date
 * algorithms").
 */
#include "base/clock.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)
#define DAY_S     INT64_C(86400)

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int64_t system_realtime_ns(void *state)
{
    (void)state;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_ns(void *state)
{
    (void)state;
    return read_clock(CLOCK_MONOTONIC);
}

static void system_wait_ns(void *state, int64_t duration_ns)
{
    (void)state;
    if (duration_ns <= 0) return;
    struct timespec left = { .tv_sec = duration_ns / SECOND_NS,
                             .tv_nsec = duration_ns % SECOND_NS };
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) continue;
}

int64_t clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

const struct clock clock_system = {
    .realtime_ns = system_realtime_ns,
    .monotonic_ns = system_monotonic_ns,
    .wait_ns = system_wait_ns,
};

/* Division that rounds down, for times before the epoch. */
static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t clock_days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_divide(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct utc *utc)
{
    days += 719468;
    int64_t era = floor_divide(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    utc->day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    utc->month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    utc->year = year_of_era + era * 400 + (utc->month <= 2);
}

struct utc clock_utc_from_ns(int64_t time_ns)
{
    int64_t seconds = floor_divide(time_ns, SECOND_NS);
    int64_t days = floor_divide(seconds, DAY_S);
    int64_t second_of_day = seconds - days * DAY_S;
    struct utc utc = { .nanosecond = (int)(time_ns - seconds * SECOND_NS) };
    civil_from_days(days, &utc);
    utc.hour = (int)(second_of_day / 3600);
    utc.minute = (int)(second_of_day / 60 % 60);
    utc.second = (int)(second_of_day % 60);
    utc.weekday = (int)(((days + 4) % 7 + 7) % 7);
    utc.year_day = (int)(days - clock_days_from_civil(utc.year, 1, 1)) + 1;
    return utc;
}

struct utc clock_utc_from_ms(int64_t time_ms)
{
    int64_t days = floor_divide(time_ms, DAY_S * 1000);
    int64_t ms_of_day = time_ms - days * DAY_S * 1000;
    struct utc utc = clock_utc_from_ns(ms_of_day * 1000000);
    civil_from_days(days, &utc);
    utc.weekday = (int)(((days + 4) % 7 + 7) % 7);
    utc.year_day = (int)(days - clock_days_from_civil(utc.year, 1, 1)) + 1;
    return utc;
}

int64_t clock_utc_to_ms(const struct utc *utc)
{
    int64_t months = utc->year * 12 + utc->month - 1;
    int64_t year = floor_divide(months, 12);
    int64_t days = clock_days_from_civil(year, (int)(months - year * 12) + 1, 1) + utc->day - 1;
    int64_t seconds = days * DAY_S + utc->hour * INT64_C(3600) + utc->minute * INT64_C(60);
    return (seconds + utc->second) * 1000 + utc->nanosecond / 1000000;
}

static char *put_digits(char *at, int64_t number, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return at + digits;
}

size_t clock_rfc3339_print(int64_t time_ns, int digits, char *buffer)
{
    CHECK(digits >= 0 && digits <= 9);
    struct utc utc = clock_utc_from_ns(time_ns);
    char *at = put_digits(buffer, utc.year, 4);
    *at++ = '-';
    at = put_digits(at, utc.month, 2);
    *at++ = '-';
    at = put_digits(at, utc.day, 2);
    *at++ = 'T';
    at = put_digits(at, utc.hour, 2);
    *at++ = ':';
    at = put_digits(at, utc.minute, 2);
    *at++ = ':';
    at = put_digits(at, utc.second, 2);
    if (digits > 0) {
        *at++ = '.';
        int64_t fraction = utc.nanosecond;
        for (int i = digits; i < 9; i++) fraction /= 10;
        at = put_digits(at, fraction, digits);
    }
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - buffer);
}

/* Reads exactly `digits` decimal digits at the front of *rest. */
static bool take_number(struct str *rest, size_t digits, int low, int high, int *number)
{
    if (rest->size < digits) return false;
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (rest->data[i] < '0' || rest->data[i] > '9') return false;
        value = value * 10 + (rest->data[i] - '0');
    }
    if (value < low || value > high) return false;
    *rest = str_skip(*rest, digits);
    *number = value;
    return true;
}

static bool take_char(struct str *rest, const char *wanted)
{
    if (rest->size == 0 || rest->data[0] == '\0' || strchr(wanted, rest->data[0]) == NULL) {
        return false;
    }
    *rest = str_skip(*rest, 1);
    return true;
}

static bool take_fraction(struct str *rest, int *nanosecond)
{
    if (!take_char(rest, ".,")) return true;
    int value = 0;
    size_t digits = 0;
    while (digits < rest->size && rest->data[digits] >= '0' && rest->data[digits] <= '9') {
        if (digits < 9) value = value * 10 + (rest->data[digits] - '0');
        digits++;
    }
    if (digits == 0) return false;
    for (size_t i = digits; i < 9; i++) value *= 10;
    *rest = str_skip(*rest, digits);
    *nanosecond = value;
    return true;
}

static bool take_offset(struct str *rest, int64_t *offset_s)
{
    if (take_char(rest, "Zz")) return true;
    bool is_west = rest->size > 0 && rest->data[0] == '-';
    int hours;
    int minutes;
    if (!take_char(rest, "+-") || !take_number(rest, 2, 0, 23, &hours)) return false;
    (void)take_char(rest, ":");
    if (!take_number(rest, 2, 0, 59, &minutes)) return false;
    *offset_s = (is_west ? -1 : 1) * (hours * INT64_C(3600) + minutes * INT64_C(60));
    return true;
}

static int days_in_month(int64_t year, int month)
{
    int64_t next_year = month == 12 ? year + 1 : year;
    int next_month = month == 12 ? 1 : month + 1;
    return (int)(clock_days_from_civil(next_year, next_month, 1) -
                 clock_days_from_civil(year, month, 1));
}

bool clock_rfc3339_parse(struct str text, int64_t *time_ns)
{
    int year;
    struct utc utc = { 0 };
    int64_t offset_s = 0;
    if (!take_number(&text, 4, 0, 9999, &year) || !take_char(&text, "-")) return false;
    if (!take_number(&text, 2, 1, 12, &utc.month) || !take_char(&text, "-")) return false;
    if (!take_number(&text, 2, 1, days_in_month(year, utc.month), &utc.day)) return false;
    if (!take_char(&text, "Tt ")) return false;
    if (!take_number(&text, 2, 0, 23, &utc.hour) || !take_char(&text, ":")) return false;
    if (!take_number(&text, 2, 0, 59, &utc.minute) || !take_char(&text, ":")) return false;
    if (!take_number(&text, 2, 0, 60, &utc.second)) return false;
    if (!take_fraction(&text, &utc.nanosecond) || !take_offset(&text, &offset_s)) return false;
    if (text.size != 0) return false;

    utc.year = year;
    int nanosecond = utc.nanosecond;
    utc.nanosecond = 0;
    int64_t seconds = clock_utc_to_ms(&utc) / 1000 - offset_s;
    int64_t whole_ns;
    if (__builtin_mul_overflow(seconds, SECOND_NS, &whole_ns)) return false;
    if (__builtin_add_overflow(whole_ns, (int64_t)nanosecond, &whole_ns)) return false;
    *time_ns = whole_ns;
    return true;
}
