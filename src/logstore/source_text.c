/* source_text.c - integers and times that print again to the byte. */
#include "logstore/source_text.h"

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

static bool digits_at(const char *text, unsigned count, unsigned *number)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9) return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back; years begin in March, so
 * that the leap day is the last. After Howard Hinnant's well-known algorithms. */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

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
    int64_t power = 1;
    while (digits-- > 0) power *= 10;
    return power;
}

static bool read_seconds(const char *text, int64_t *seconds)
{
    unsigned year;
    unsigned month;
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second;
    if (!digits_at(text, 4, &year) || !digits_at(text + 5, 2, &month) ||
        !digits_at(text + 8, 2, &day) || !digits_at(text + 11, 2, &hour) ||
        !digits_at(text + 14, 2, &minute) || !digits_at(text + 17, 2, &second) || text[4] != '-' ||
        text[7] != '-' || text[13] != ':' || text[16] != ':' || hour > 23 || minute > 59 ||
        second > 59 || year < YEAR_LEAST || year > YEAR_MOST || month < 1 || month > 12) {
        return false;
    }
    int64_t days = days_of(year, month, day);
    unsigned same[3];
    date_of(days, &same[0], &same[1], &same[2]);
    if (same[0] != year || same[1] != month || same[2] != day) return false;
    *seconds = days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
    return true;
}

bool source_time_read(struct str text, struct source_time_form *form, int64_t *value)
{
    int64_t seconds;
    if (text.size < TIME_SIZE_LEAST || !read_seconds(text.data, &seconds)) return false;
    *form = (struct source_time_form){ .separator = text.data[10] };
    if (form->separator != 'T' && form->separator != ' ') return false;
    struct str rest = str_skip(text, TIME_SIZE_LEAST);
    int64_t fraction = 0;
    if (rest.size > 0 && (rest.data[0] == '.' || rest.data[0] == ',')) {
        form->point = rest.data[0];
        rest = str_skip(rest, 1);
        while (rest.size > 0 && rest.data[0] >= '0' && rest.data[0] <= '9') {
            if (form->digit_count == 9) return false;
            form->digit_count++;
            fraction = fraction * 10 + (rest.data[0] - '0');
            rest = str_skip(rest, 1);
        }
    }
    if (rest.size > SOURCE_ZONE_SIZE) return false;
    form->zone_size = (uint8_t)rest.size;
    if (rest.size > 0) memcpy(form->zone, rest.data, rest.size);
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
