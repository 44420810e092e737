/* source_text.c - integers and times that print again to the byte. */
#include "logstore/source_text.h"

#include "base/clock.h"

#include <string.h>

#define INTEGER_DIGITS_MAX 18
#define YEAR_LEAST         1900
#define YEAR_MOST          2199
#define TIME_SIZE_LEAST    19 /* without fraction and zone */

bool source_integer_read(struct str text, int64_t *value)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    if (is_negative) text = str_skip(text, 1);
    if (text.size == 0 || text.size > INTEGER_DIGITS_MAX) return false;
    if (text.data[0] == '0' && (text.size > 1 || is_negative)) return false;
    int64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9) return false;
        number = number * 10 + digit;
    }
    *value = is_negative ? -number : number;
    return true;
}

/* Digits of a number that is not negative, with zeros in front up to `width`. */
static void put_digits(uint64_t number, unsigned width, struct buf *out)
{
    char digits[20];
    unsigned at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (sizeof(digits) - at < width) digits[--at] = '0';
    buf_append(out, digits + at, sizeof(digits) - at);
}

void source_integer_print(int64_t value, struct buf *out)
{
    if (value < 0) buf_append_char(out, '-');
    put_digits(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1, out);
}

static unsigned digit_at(const char *text, unsigned *wrong)
{
    unsigned digit = (unsigned char)text[0] - (unsigned)'0';
    *wrong |= digit > 9;
    return digit;
}

static unsigned two_digits(const char *text, unsigned *wrong)
{
    return digit_at(text, wrong) * 10 + digit_at(text + 1, wrong);
}

/* The date of days since 1970-01-01; years begin in March, so that the leap day is the last. After
 * Howard Hinnant's well-known algorithm. */
static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = days / 146097;
    int64_t of_era_day = days - era * 146097;
    int64_t of_era =
        (of_era_day - of_era_day / 1460 + of_era_day / 36524 - of_era_day / 146096) / 365;
    int64_t of_year = of_era_day - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *day = (unsigned)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (unsigned)(of_era + era * 400 + (*month <= 2));
}

static int64_t power_of_ten(unsigned digits)
{
    static const int64_t powers[] = { 1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000 };
    return powers[digits];
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static bool read_seconds(const char *text, int64_t *seconds)
{
    unsigned wrong = 0;
    unsigned year = two_digits(text, &wrong) * 100 + two_digits(text + 2, &wrong);
    unsigned month = two_digits(text + 5, &wrong);
    unsigned day = two_digits(text + 8, &wrong);
    unsigned hour = two_digits(text + 11, &wrong);
    unsigned minute = two_digits(text + 14, &wrong);
    unsigned second = two_digits(text + 17, &wrong);
    wrong |= text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':';
    wrong |= hour > 23 || minute > 59 || second > 59 || year < YEAR_LEAST || year > YEAR_MOST;
    if (wrong != 0 || month < 1 || month > 12 || day < 1 || day > month_days(year, month)) {
        return false;
    }
    int64_t days = clock_days_from_civil(year, (int)month, (int)day);
    *seconds = days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
    return true;
}

bool source_time_read(struct str text, struct source_time_form *form, int64_t *value)
{
    int64_t seconds;
    if (text.size < TIME_SIZE_LEAST || !read_seconds(text.data, &seconds)) return false;
    *form = (struct source_time_form){ .separator = text.data[10] };
    if (form->separator != 'T' && form->separator != ' ') return false;
    size_t at = TIME_SIZE_LEAST;
    int64_t fraction = 0;
    if (at < text.size && (text.data[at] == '.' || text.data[at] == ',')) {
        form->point = text.data[at++];
        size_t start = at;
        for (unsigned digit; at < text.size; at++) {
            digit = (unsigned char)text.data[at] - (unsigned)'0';
            if (digit > 9) break;
            if (at - start == 9) return false;
            fraction = fraction * 10 + digit;
        }
        form->digit_count = (uint8_t)(at - start);
    }
    size_t left = text.size - at;
    if (left > SOURCE_ZONE_SIZE) return false;
    form->zone_size = (uint8_t)left;
    for (size_t i = 0; i < left; i++) form->zone[i] = text.data[at + i];
    *value = seconds * power_of_ten(form->digit_count) + fraction;
    return true;
}

void source_time_print(const struct source_time_form *form, int64_t value, struct buf *out)
{
    int64_t unit = power_of_ten(form->digit_count);
    int64_t seconds = value / unit - (value % unit < 0);
    int64_t fraction = value - seconds * unit;
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    uint64_t of_day = (uint64_t)(seconds - days * 86400);
    unsigned year;
    unsigned month;
    unsigned day;
    date_of(days, &year, &month, &day);
    put_digits(year, 4, out);
    buf_append_char(out, '-');
    put_digits(month, 2, out);
    buf_append_char(out, '-');
    put_digits(day, 2, out);
    buf_append_char(out, form->separator);
    put_digits(of_day / 3600, 2, out);
    buf_append_char(out, ':');
    put_digits(of_day / 60 % 60, 2, out);
    buf_append_char(out, ':');
    put_digits(of_day % 60, 2, out);
    if (form->point != 0) buf_append_char(out, form->point);
    if (form->digit_count > 0) put_digits((uint64_t)fraction, form->digit_count, out);
    buf_append(out, form->zone, form->zone_size);
}
