/* stamp.c - seconds since 1970 to a calendar, by whole days of the 400-year cycle. */
#include "structlog/stamp.h"

#define SECOND_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static void put_2(char *to, int64_t x)
{
    memcpy(to, sl_two_digits + 2 * x, 2);
}

void sl_stamp_format(struct sl_stamp *stamp, int64_t second)
{
    stamp->second = second;
    if (second < 0) second = 0;
    if (second > SECOND_MAX) second = SECOND_MAX;
    int64_t days = second / 86400 + 719468; /* from 0000-03-01, so that leap days end a year */
    int64_t rest = second % 86400;
    int64_t era = days / 146097;
    int64_t day = days % 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int64_t month = (5 * day + 2) / 153; /* 0 = March */
    day -= (153 * month + 2) / 5;
    year += 400 * era + (month >= 10 ? 1 : 0);
    month = month < 10 ? month + 3 : month - 9;
    memcpy(stamp->text, "yyyy-mm-ddThh:mm:ss.", 21);
    put_2(stamp->text, year / 100);
    put_2(stamp->text + 2, year % 100);
    put_2(stamp->text + 5, month);
    put_2(stamp->text + 8, day + 1);
    put_2(stamp->text + 11, rest / 3600);
    put_2(stamp->text + 14, rest / 60 % 60);
    put_2(stamp->text + 17, rest % 60);
}
