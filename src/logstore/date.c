/* date.c - dates as Elasticsearch reads them: formats, date math, calendar rounding.
 *
 * A text is read into the parts of a date that it has; parts that are missing become the first
 * (or, when rounding up, the last) of their range. Date math then moves the time about.
 */
#include "logstore/date.h"

#include "base/clock.h"
#include "logstore/source_text.h"

#include <string.h>

#define MS_SECOND INT64_C(1000)
#define MS_MINUTE (60 * MS_SECOND)
#define MS_HOUR   (60 * MS_MINUTE)
#define MS_DAY    (24 * MS_HOUR)

struct parts {
    int64_t year;
    int month, day, hour, minute, second; /* -1: missing */
    int nanosecond;                       /* -1: missing */
    int fraction_digits;
    bool has_zone;
    int32_t zone_offset_s;
    int half;        /* of the day, of a clock of twelve hours: 0 morning, 1 afternoon; -1: none */
    int day_of_year; /* -1: none */
};

static const struct parts parts_none = { 0, -1, -1, -1, -1, -1, -1, 0, false, 0, -1, -1 };

struct moment {
    int64_t ms;
    int32_t ns; /* below the millisecond, 0 .. 999999 */
};

static bool take_char(struct str *rest, char c)
{
    if (rest->size == 0 || rest->data[0] != c) return false;
    *rest = str_skip(*rest, 1);
    return true;
}

/* `least` to `most` digits. */
static bool take_number(struct str *rest, size_t least, size_t most, int *value)
{
    size_t count = 0;
    int64_t number = 0;
    while (count < rest->size && count < most && rest->data[count] >= '0' &&
           rest->data[count] <= '9') {
        if (count < 9) number = number * 10 + (rest->data[count] - '0'); /* the rest is less */
        count++;
    }
    if (count < least || number > INT32_MAX) return false;
    *rest = str_skip(*rest, count);
    *value = (int)number;
    return true;
}

static bool take_fraction(struct str *rest, size_t least, size_t most, struct parts *parts)
{
    int64_t number = 0;
    size_t count = 0;
    while (count < rest->size && count < most && rest->data[count] >= '0' &&
           rest->data[count] <= '9') {
        number = number * 10 + (rest->data[count] - '0');
        count++;
    }
    if (count < least) return false;
    for (size_t i = count; i < 9; i++) number *= 10;
    *rest = str_skip(*rest, count);
    parts->nanosecond = (int)number;
    parts->fraction_digits = (int)count;
    return true;
}

static bool take_zone(struct str *rest, struct parts *parts)
{
    if (rest->size > 0 && (rest->data[0] == 'Z' || rest->data[0] == 'z')) {
        *rest = str_skip(*rest, 1);
        parts->has_zone = true;
        parts->zone_offset_s = 0;
        return true;
    }
    if (rest->size == 0 || (rest->data[0] != '+' && rest->data[0] != '-')) return false;
    bool is_west = rest->data[0] == '-';
    struct str tail = str_skip(*rest, 1);
    int hours = 0;
    int minutes = 0;
    if (!take_number(&tail, 2, 2, &hours) || hours > 18) return false;
    bool has_colon = take_char(&tail, ':');
    if (!take_number(&tail, 2, 2, &minutes) && has_colon) return false;
    if (minutes > 59) return false;
    int32_t offset = hours * 3600 + minutes * 60;
    parts->has_zone = true;
    parts->zone_offset_s = is_west ? -offset : offset;
    *rest = tail;
    return true;
}

bool date_offset_parse(struct str text, int32_t *offset_s)
{
    if (str_equal(text, STR("UTC")) || str_equal(text, STR("GMT")) ||
        str_equal(text, STR("Etc/UTC")) || str_equal(text, STR("Z"))) {
        *offset_s = 0;
        return true;
    }
    struct parts parts = parts_none;
    if (!take_zone(&text, &parts) || text.size != 0) return false;
    *offset_s = parts.zone_offset_s;
    return true;
}

/* HH[:mm[:ss[.fraction]]][zone] */
static bool take_time(struct str *rest, struct parts *parts)
{
    if (!take_number(rest, 2, 2, &parts->hour)) return false;
    if (take_char(rest, ':')) {
        if (!take_number(rest, 2, 2, &parts->minute)) return false;
        if (take_char(rest, ':')) {
            if (!take_number(rest, 2, 2, &parts->second)) return false;
            if (take_char(rest, '.') || take_char(rest, ',')) {
                if (!take_fraction(rest, 1, 9, parts)) return false;
            }
        }
    }
    return rest->size == 0 || take_zone(rest, parts);
}

/* strict_date_optional_time: yyyy[-MM[-dd[Ttime]]] */
static bool read_optional_time(struct str text, struct parts *parts)
{
    int year;
    if (!take_number(&text, 4, 4, &year)) return false;
    parts->year = year;
    if (take_char(&text, '-')) {
        if (!take_number(&text, 2, 2, &parts->month)) return false;
        if (take_char(&text, '-') && !take_number(&text, 2, 2, &parts->day)) return false;
    }
    if (text.size == 0) return true;
    if (!take_char(&text, 'T')) return false;
    if (text.size == 0) return true;
    return take_time(&text, parts) && text.size == 0;
}

/* yyyy/MM/dd[ HH:mm:ss][ zone] */
static bool read_slashed(struct str text, struct parts *parts)
{
    int year;
    if (!take_number(&text, 4, 4, &year) || !take_char(&text, '/')) return false;
    parts->year = year;
    if (!take_number(&text, 2, 2, &parts->month) || !take_char(&text, '/')) return false;
    if (!take_number(&text, 2, 2, &parts->day)) return false;
    if (text.size == 0) return true;
    if (!take_char(&text, ' ')) return false;
    if (take_zone(&text, parts)) return text.size == 0;
    if (!take_number(&text, 2, 2, &parts->hour) || !take_char(&text, ':')) return false;
    if (!take_number(&text, 2, 2, &parts->minute) || !take_char(&text, ':')) return false;
    if (!take_number(&text, 2, 2, &parts->second)) return false;
    if (text.size == 0) return true;
    return take_char(&text, ' ') && take_zone(&text, parts) && text.size == 0;
}

static int month_days(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static int part_or(int value, int first, int last, bool rounds_up)
{
    if (value >= 0) return value;
    return rounds_up ? last : first;
}

static bool parts_to_moment(const struct parts *parts, const struct date_options *options,
                            struct moment *moment)
{
    bool up = options->rounds_up;
    int month = part_or(parts->month, 1, 12, up);
    if (month < 1 || month > 12) return false;
    int day = part_or(parts->day, 1, month_days(parts->year, month), up);
    int hour = part_or(parts->hour, 0, 23, up);
    int minute = part_or(parts->minute, 0, 59, up);
    int second = part_or(parts->second, 0, 59, up);
    int nanosecond = part_or(parts->nanosecond, 0, 999999999, up);
    if (day < 1 || day > month_days(parts->year, month) || hour > 23 || minute > 59 ||
        second > 59) {
        return false;
    }
    int32_t zone = parts->has_zone ? parts->zone_offset_s : options->zone_offset_s;
    int64_t ms = clock_days_from_civil(parts->year, month, day) * MS_DAY + hour * MS_HOUR +
                 minute * MS_MINUTE + second * MS_SECOND + nanosecond / 1000000;
    moment->ms = ms - zone * MS_SECOND;
    moment->ns = nanosecond % 1000000;
    return true;
}

/* A number of milliseconds or seconds, with an optional fraction. */
static bool read_epoch(struct str text, int64_t unit_ms, struct moment *moment)
{
    bool is_negative = take_char(&text, '-');
    struct str whole = str_cut(&text, '.');
    int64_t number;
    if (whole.size == 0 || whole.data[0] < '0' || whole.data[0] > '9') return false;
    if (!str_to_int64(whole, &number)) return false;
    struct parts parts = parts_none;
    parts.nanosecond = 0;
    if (text.size > 0 && (!take_fraction(&text, 1, 9, &parts) || text.size != 0)) return false;
    int64_t below_ns = unit_ms == 1 ? parts.nanosecond / 1000 : parts.nanosecond;
    int64_t ms;
    if (__builtin_mul_overflow(number, unit_ms, &ms)) return false;
    if (__builtin_add_overflow(ms, below_ns / 1000000, &ms)) return false;
    moment->ms = is_negative ? -ms : ms;
    moment->ns = is_negative ? 0 : (int32_t)(below_ns % 1000000);
    return true;
}

#define NAME_SHORT 3

static const struct str month_names[] = {
    STR_INIT("January"),   STR_INIT("February"), STR_INIT("March"),    STR_INIT("April"),
    STR_INIT("May"),       STR_INIT("June"),     STR_INIT("July"),     STR_INIT("August"),
    STR_INIT("September"), STR_INIT("October"),  STR_INIT("November"), STR_INIT("December"),
};

static const struct str day_names[] = {
    STR_INIT("Monday"), STR_INIT("Tuesday"),  STR_INIT("Wednesday"), STR_INIT("Thursday"),
    STR_INIT("Friday"), STR_INIT("Saturday"), STR_INIT("Sunday"),
};

/* A name in English, whole or of three letters. */
static bool take_name(struct str *text, const struct str *names, size_t count, bool is_short,
                      int *number)
{
    for (size_t i = 0; i < count; i++) {
        struct str name = is_short ? str_first(names[i], NAME_SHORT) : names[i];
        if (text->size < name.size || !str_equal_nocase(str_first(*text, name.size), name)) {
            continue;
        }
        *text = str_skip(*text, name.size);
        *number = (int)i + 1;
        return true;
    }
    return false;
}

/* "GMT", "UTC" or what take_zone takes. */
static bool take_zone_name(struct str *text, struct parts *parts)
{
    bool is_utc = str_starts_with(*text, STR("GMT")) || str_starts_with(*text, STR("UTC"));
    if (!is_utc) return take_zone(text, parts);
    *text = str_skip(*text, 3);
    parts->has_zone = true;
    parts->zone_offset_s = 0;
    return true;
}

static bool take_half(struct str *text, struct parts *parts)
{
    struct str word = str_first(*text, text->size < 2 ? text->size : 2);
    bool is_afternoon = str_equal_nocase(word, STR("PM"));
    if (!is_afternoon && !str_equal_nocase(word, STR("AM"))) return false;
    *text = str_skip(*text, 2);
    parts->half = is_afternoon;
    return true;
}

static bool read_letters(struct str *text, char letter, size_t count, struct parts *parts)
{
    int year;
    int unused;
    switch (letter) {
    case 'y':
    case 'u':
        if (!take_number(text, count == 2 ? 2 : 4, count == 2 ? 2 : 4, &year)) return false;
        parts->year = count == 2 ? 2000 + year : year;
        return true;
    case 'M':
    case 'L':
        return count <= 2 ? take_number(text, count, 2, &parts->month)
                          : take_name(text, month_names, 12, count == 3, &parts->month);
    case 'E': return take_name(text, day_names, 7, count <= 3, &unused);
    case 'a': return take_half(text, parts);
    case 'D': return take_number(text, count, 3, &parts->day_of_year);
    case 'h': return count <= 2 && take_number(text, count, 2, &parts->hour);
    case 'd': return count <= 2 && take_number(text, count, 2, &parts->day);
    case 'H': return count <= 2 && take_number(text, count, 2, &parts->hour);
    case 'm': return count <= 2 && take_number(text, count, 2, &parts->minute);
    case 's': return count <= 2 && take_number(text, count, 2, &parts->second);
    case 'S': return take_fraction(text, count, count, parts);
    case 'Z':
    case 'X':
    case 'x': return take_zone(text, parts);
    case 'z': return take_zone_name(text, parts);
    default: return false;
    }
}

/* Twelve hours twice, and days counted from New Year. */
static bool settle_parts(struct parts *parts)
{
    if (parts->half >= 0 && parts->hour >= 0) {
        if (parts->hour < 1 || parts->hour > 12) return false;
        parts->hour = parts->hour % 12 + 12 * parts->half;
    }
    if (parts->day_of_year < 0) return true;
    int day = parts->day_of_year;
    int month = 1;
    while (month <= 12 && day > month_days(parts->year, month)) {
        day -= month_days(parts->year, month++);
    }
    parts->month = month;
    parts->day = day;
    return month <= 12 && day >= 1;
}

static bool is_pattern_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t letter_run(struct str pattern)
{
    size_t count = 1;
    while (count < pattern.size && pattern.data[count] == pattern.data[0]) count++;
    return count;
}

/* A pattern of Java's DateTimeFormatter: letters and literals. */
static bool read_pattern(struct str text, struct str pattern, struct parts *parts)
{
    parts->year = 1970;
    while (pattern.size > 0) {
        char c = pattern.data[0];
        if (c == '\'') {
            pattern = str_skip(pattern, 1);
            while (pattern.size > 0 && pattern.data[0] != '\'') {
                if (!take_char(&text, pattern.data[0])) return false;
                pattern = str_skip(pattern, 1);
            }
            if (pattern.size > 0) pattern = str_skip(pattern, 1);
        } else if (is_pattern_letter(c)) {
            size_t count = letter_run(pattern);
            if (!read_letters(&text, c, count, parts)) return false;
            pattern = str_skip(pattern, count);
        } else {
            if (!take_char(&text, c)) return false;
            pattern = str_skip(pattern, 1);
        }
    }
    return text.size == 0 && settle_parts(parts);
}

struct named_format {
    struct str name;
    struct str pattern; /* empty: strict_date_optional_time; ms and s: epochs */
    int64_t epoch_unit_ms;
};

/* "strict_" may stand before each: four digits of a year are always wanted here. */
static const struct named_format named_formats[] = {
    { STR_INIT("date_optional_time"), STR_INIT(""), 0 },
    { STR_INIT("date_optional_time_nanos"), STR_INIT(""), 0 },
    { STR_INIT("dateOptionalTime"), STR_INIT(""), 0 },
    { STR_INIT("iso8601"), STR_INIT(""), 0 },
    { STR_INIT("epoch_millis"), STR_INIT(""), 1 },
    { STR_INIT("epoch_second"), STR_INIT(""), 1000 },
    { STR_INIT("date"), STR_INIT("yyyy-MM-dd"), 0 },
    { STR_INIT("year"), STR_INIT("yyyy"), 0 },
    { STR_INIT("year_month"), STR_INIT("yyyy-MM"), 0 },
    { STR_INIT("year_month_day"), STR_INIT("yyyy-MM-dd"), 0 },
    { STR_INIT("date_time"), STR_INIT("yyyy-MM-dd'T'HH:mm:ss.SSSXXX"), 0 },
    { STR_INIT("date_time_no_millis"), STR_INIT("yyyy-MM-dd'T'HH:mm:ssXXX"), 0 },
    { STR_INIT("date_hour"), STR_INIT("yyyy-MM-dd'T'HH"), 0 },
    { STR_INIT("date_hour_minute"), STR_INIT("yyyy-MM-dd'T'HH:mm"), 0 },
    { STR_INIT("date_hour_minute_second"), STR_INIT("yyyy-MM-dd'T'HH:mm:ss"), 0 },
    { STR_INIT("date_hour_minute_second_fraction"), STR_INIT("yyyy-MM-dd'T'HH:mm:ss.SSS"), 0 },
    { STR_INIT("date_hour_minute_second_millis"), STR_INIT("yyyy-MM-dd'T'HH:mm:ss.SSS"), 0 },
    { STR_INIT("hour"), STR_INIT("HH"), 0 },
    { STR_INIT("hour_minute"), STR_INIT("HH:mm"), 0 },
    { STR_INIT("hour_minute_second"), STR_INIT("HH:mm:ss"), 0 },
    { STR_INIT("hour_minute_second_fraction"), STR_INIT("HH:mm:ss.SSS"), 0 },
    { STR_INIT("hour_minute_second_millis"), STR_INIT("HH:mm:ss.SSS"), 0 },
    { STR_INIT("time"), STR_INIT("HH:mm:ss.SSSXXX"), 0 },
    { STR_INIT("time_no_millis"), STR_INIT("HH:mm:ssXXX"), 0 },
    { STR_INIT("t_time"), STR_INIT("'T'HH:mm:ss.SSSXXX"), 0 },
    { STR_INIT("t_time_no_millis"), STR_INIT("'T'HH:mm:ssXXX"), 0 },
    { STR_INIT("ordinal_date"), STR_INIT("yyyy-DDD"), 0 },
    { STR_INIT("ordinal_date_time"), STR_INIT("yyyy-DDD'T'HH:mm:ss.SSSXXX"), 0 },
    { STR_INIT("ordinal_date_time_no_millis"), STR_INIT("yyyy-DDD'T'HH:mm:ssXXX"), 0 },
    { STR_INIT("basic_date"), STR_INIT("yyyyMMdd"), 0 },
    { STR_INIT("basic_date_time"), STR_INIT("yyyyMMdd'T'HHmmss.SSSXX"), 0 },
    { STR_INIT("basic_date_time_no_millis"), STR_INIT("yyyyMMdd'T'HHmmssXX"), 0 },
    { STR_INIT("basic_ordinal_date"), STR_INIT("yyyyDDD"), 0 },
    { STR_INIT("basic_ordinal_date_time"), STR_INIT("yyyyDDD'T'HHmmss.SSSXX"), 0 },
    { STR_INIT("basic_ordinal_date_time_no_millis"), STR_INIT("yyyyDDD'T'HHmmssXX"), 0 },
    { STR_INIT("basic_time"), STR_INIT("HHmmss.SSSXX"), 0 },
    { STR_INIT("basic_time_no_millis"), STR_INIT("HHmmssXX"), 0 },
    { STR_INIT("basic_t_time"), STR_INIT("'T'HHmmss.SSSXX"), 0 },
    { STR_INIT("basic_t_time_no_millis"), STR_INIT("'T'HHmmssXX"), 0 },
};

static const struct named_format *named_format_find(struct str name)
{
    if (str_starts_with(name, STR("strict_"))) name = str_skip(name, STR("strict_").size);
    for (size_t i = 0; i < ARRAY_LENGTH(named_formats); i++) {
        if (str_equal(named_formats[i].name, name)) return &named_formats[i];
    }
    return NULL;
}

static bool read_format(struct str text, struct str format, const struct date_options *options,
                        struct moment *moment)
{
    const struct named_format *named = named_format_find(format);
    struct parts parts = parts_none;
    if (named != NULL && named->epoch_unit_ms != 0) {
        return read_epoch(text, named->epoch_unit_ms, moment);
    }
    bool is_read;
    if (named != NULL && named->pattern.size == 0)
        is_read = read_optional_time(text, &parts);
    else
        is_read = read_pattern(text, named != NULL ? named->pattern : format, &parts);
    return is_read && parts_to_moment(&parts, options, moment);
}

static struct str format_cut(struct str *formats)
{
    size_t at = str_find(*formats, STR("||"));
    if (at == STR_NONE) {
        struct str all = *formats;
        *formats = (struct str){ NULL, 0 };
        return all;
    }
    struct str first = str_first(*formats, at);
    *formats = str_skip(*formats, at + 2);
    return first;
}

bool date_format_is_known(struct str formats, struct str *unknown)
{
    while (formats.size > 0) {
        struct str format = format_cut(&formats);
        bool is_literal = false;
        *unknown = format;
        if (named_format_find(format) != NULL) continue;
        for (size_t i = 0; i < format.size; i++) {
            char c = format.data[i];
            if (c == '\'') is_literal = !is_literal;
            bool is_letter = !is_literal && is_pattern_letter(c);
            if (is_letter && strchr("yuMLdHhmsSaEDZXxz", c) == NULL) return false;
        }
    }
    return true;
}

#define FORMAT_DEFAULT STR("strict_date_optional_time||epoch_millis")

static int read_any_format(struct str text, const struct date_options *options,
                           struct moment *moment, struct error *error)
{
    struct str wanted = options->format.size > 0 ? options->format : FORMAT_DEFAULT;
    struct str formats = wanted;
    while (formats.size > 0) {
        struct str format = format_cut(&formats);
        if (read_format(text, format, options, moment)) return 0;
    }
    return error_set(error, ERROR_PARSE,
                     "failed to parse date field [" STR_FMT "] with format [" STR_FMT "]",
                     STR_ARG(str_first(text, text.size < 80 ? text.size : 80)), STR_ARG(wanted));
}

struct math_unit {
    char letter;
    enum date_unit unit;
};

static const struct math_unit math_units[] = {
    { 's', DATE_SECOND }, { 'm', DATE_MINUTE }, { 'h', DATE_HOUR },  { 'H', DATE_HOUR },
    { 'd', DATE_DAY },    { 'w', DATE_WEEK },   { 'M', DATE_MONTH }, { 'y', DATE_YEAR },
};

static const struct math_unit *math_unit_find(char letter)
{
    for (size_t i = 0; i < ARRAY_LENGTH(math_units); i++) {
        if (math_units[i].letter == letter) return &math_units[i];
    }
    return NULL;
}

static int64_t floor_divide(int64_t value, int64_t by)
{
    int64_t quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

int64_t date_floor_ms(int64_t time_ms, enum date_unit unit)
{
    static const int64_t sizes[] = {
        [DATE_SECOND] = MS_SECOND,
        [DATE_MINUTE] = MS_MINUTE,
        [DATE_HOUR] = MS_HOUR,
        [DATE_DAY] = MS_DAY,
    };
    if (unit <= DATE_DAY) return floor_divide(time_ms, sizes[unit]) * sizes[unit];
    int64_t days = floor_divide(time_ms, MS_DAY);
    if (unit == DATE_WEEK) return (days - ((days + 3) % 7 + 7) % 7) * MS_DAY;
    struct utc utc = clock_utc_from_ms(time_ms);
    int month = unit == DATE_YEAR      ? 1
                : unit == DATE_QUARTER ? (utc.month - 1) / 3 * 3 + 1
                                       : utc.month;
    return clock_days_from_civil(utc.year, month, 1) * MS_DAY;
}

int64_t date_add_ms(int64_t time_ms, enum date_unit unit, int64_t count)
{
    static const int64_t sizes[] = {
        [DATE_SECOND] = MS_SECOND, [DATE_MINUTE] = MS_MINUTE, [DATE_HOUR] = MS_HOUR,
        [DATE_DAY] = MS_DAY,       [DATE_WEEK] = 7 * MS_DAY,
    };
    int64_t delta;
    if (unit <= DATE_WEEK) {
        if (__builtin_mul_overflow(count, sizes[unit], &delta)) return time_ms;
        return __builtin_add_overflow(time_ms, delta, &delta) ? time_ms : delta;
    }
    if (count > 100000 || count < -100000) return time_ms;
    int64_t months = count * (unit == DATE_YEAR ? 12 : unit == DATE_QUARTER ? 3 : 1);
    struct utc utc = clock_utc_from_ms(time_ms);
    int64_t index = utc.year * 12 + utc.month - 1 + months;
    int64_t year = floor_divide(index, 12);
    int month = (int)(index - year * 12) + 1;
    int day = utc.day > month_days(year, month) ? month_days(year, month) : utc.day;
    return clock_days_from_civil(year, month, day) * MS_DAY +
           (time_ms - floor_divide(time_ms, MS_DAY) * MS_DAY);
}

/* Applies "-1d/d+2h"; rounding goes up to the last millisecond when asked to. */
static bool apply_math(struct str math, const struct date_options *options, struct moment *moment)
{
    int64_t zone_ms = options->zone_offset_s * MS_SECOND;
    while (math.size > 0) {
        char sign = math.data[0];
        math = str_skip(math, 1);
        if (sign != '+' && sign != '-' && sign != '/') return false;
        int count = 1;
        bool has_count = math.size > 0 && math.data[0] >= '0' && math.data[0] <= '9';
        if (has_count && !take_number(&math, 1, 9, &count)) return false;
        if (math.size == 0 || (sign == '/' && has_count)) return false;
        const struct math_unit *unit = math_unit_find(math.data[0]);
        if (unit == NULL) return false;
        math = str_skip(math, 1);
        int64_t local_ms = moment->ms + zone_ms;
        if (sign != '/') {
            local_ms = date_add_ms(local_ms, unit->unit, sign == '-' ? -count : count);
        } else {
            local_ms = date_floor_ms(local_ms, unit->unit);
            if (options->rounds_up) local_ms = date_add_ms(local_ms, unit->unit, 1) - 1;
            moment->ns = options->rounds_up ? 999999 : 0;
        }
        moment->ms = local_ms - zone_ms;
    }
    return true;
}

/* "2024-02-08T11:00:00.123Z", as most documents have it, in one go. */
static bool read_usual(struct str text, const struct date_options *options, struct moment *moment)
{
    struct source_time_form form;
    int64_t value;
    if (options->format.size > 0 || options->rounds_up || !source_time_read(text, &form, &value)) {
        return false;
    }
    bool is_usual = form.separator == 'T' && form.zone_size == 1 && form.zone[0] == 'Z' &&
                    (form.point != 0) == (form.digit_count != 0);
    if (!is_usual) return false;
    int64_t unit = 1;
    int64_t nanoseconds = MS_SECOND * 1000000;
    for (unsigned i = 0; i < form.digit_count; i++) {
        unit *= 10;
        nanoseconds /= 10;
    }
    int64_t second = floor_divide(value, unit);
    int64_t nanosecond = (value - second * unit) * nanoseconds;
    moment->ms = second * MS_SECOND + nanosecond / 1000000;
    moment->ns = (int32_t)(nanosecond % 1000000);
    return true;
}

static int parse_at_offset(struct str text, const struct date_options *options,
                           struct moment *moment, struct error *error)
{
    if (read_usual(text, options, moment)) return 0;
    struct moment read = { 0 };
    struct str math = { NULL, 0 };
    if (options->allows_math && str_starts_with(text, STR("now"))) {
        read.ms = options->now_ms;
        math = str_skip(text, 3);
    } else {
        size_t at = options->allows_math ? str_find(text, STR("||")) : STR_NONE;
        struct date_options plain = *options;
        if (at != STR_NONE) plain.rounds_up = false;
        struct str anchor = at == STR_NONE ? text : str_first(text, at);
        int code = read_any_format(anchor, &plain, &read, error);
        if (code < 0) return code;
        if (at != STR_NONE) math = str_skip(text, at + 2);
    }
    if (!apply_math(math, options, &read)) {
        return error_set(error, ERROR_PARSE, "failed to parse date math expression [" STR_FMT "]",
                         STR_ARG(str_first(text, text.size < 80 ? text.size : 80)));
    }
    *moment = read;
    return 0;
}

/* In a zone, the offset is the one that holds at the time that is meant: looked for from now. */
static int parse_moment(struct str text, const struct date_options *options, struct moment *moment,
                        struct error *error)
{
    struct date_options fixed = *options;
    if (options->zone == NULL) return parse_at_offset(text, options, moment, error);
    fixed.zone_offset_s = options->zone->offset_at(options->zone->rules, options->now_ms);
    for (int tries = 0; tries < 3; tries++) {
        int code = parse_at_offset(text, &fixed, moment, error);
        if (code < 0) return code;
        int32_t offset_s = options->zone->offset_at(options->zone->rules, moment->ms);
        if (offset_s == fixed.zone_offset_s) break;
        fixed.zone_offset_s = offset_s;
    }
    return 0;
}

int date_parse_ms(struct str text, const struct date_options *options, int64_t *time_ms,
                  struct error *error)
{
    struct moment moment;
    int code = parse_moment(text, options, &moment, error);
    if (code == 0) *time_ms = moment.ms;
    return code;
}

int date_parse_ns(struct str text, const struct date_options *options, int64_t *time_ns,
                  struct error *error)
{
    struct moment moment;
    int code = parse_moment(text, options, &moment, error);
    if (code < 0) return code;
    int64_t ns;
    if (__builtin_mul_overflow(moment.ms, INT64_C(1000000), &ns) ||
        __builtin_add_overflow(ns, moment.ns, &ns)) {
        return error_set(error, ERROR_PARSE,
                         "date [" STR_FMT "] is out of the range of nanoseconds", STR_ARG(text));
    }
    *time_ns = ns;
    return 0;
}

bool date_is_detected(struct str text)
{
    if (text.size < 10 || text.data[0] < '0' || text.data[0] > '9') return false;
    struct parts parts = parts_none;
    struct moment moment;
    struct date_options options = { 0 };
    if (text.data[4] == '-') {
        return read_optional_time(text, &parts) && parts_to_moment(&parts, &options, &moment);
    }
    return read_slashed(text, &parts) && parts_to_moment(&parts, &options, &moment);
}

static void print_zone(int32_t offset_s, size_t count, struct buf *out)
{
    if (offset_s == 0) {
        buf_append_char(out, 'Z');
        return;
    }
    int32_t size = offset_s < 0 ? -offset_s : offset_s;
    buf_printf(out, "%c%02d%s%02d", offset_s < 0 ? '-' : '+', (int)(size / 3600),
               count == 2 ? "" : ":", (int)(size / 60 % 60));
}

/* "+0100", also of UTC. */
static void print_plain_zone(int32_t offset_s, struct buf *out)
{
    int32_t size = offset_s < 0 ? -offset_s : offset_s;
    buf_printf(out, "%c%02d%02d", offset_s < 0 ? '-' : '+', (int)(size / 3600),
               (int)(size / 60 % 60));
}

static void print_name(struct str name, bool is_short, struct buf *out)
{
    buf_append_str(out, is_short ? str_first(name, NAME_SHORT) : name);
}

static size_t day_of_week(const struct utc *utc)
{
    int64_t days = clock_days_from_civil(utc->year, utc->month, utc->day);
    return (size_t)(((days + 3) % 7 + 7) % 7); /* the first day of 1970 was a Thursday */
}

static int day_of_year(const struct utc *utc)
{
    int day = utc->day;
    for (int month = 1; month < utc->month; month++) day += month_days(utc->year, month);
    return day;
}

static void print_letters(const struct utc *utc, char letter, size_t count, int32_t zone_offset_s,
                          struct buf *out)
{
    static const int64_t powers[] = { 1000000000, 100000000, 10000000, 1000000, 100000,
                                      10000,      1000,      100,      10,      1 };
    switch (letter) {
    case 'y':
    case 'u':
        if (count == 2)
            buf_printf(out, "%02d", (int)(utc->year % 100));
        else
            buf_printf(out, "%04d", (int)utc->year);
        break;
    case 'M':
    case 'L':
        if (count <= 2)
            buf_printf(out, "%0*d", (int)count, utc->month);
        else
            print_name(month_names[utc->month - 1], count == 3, out);
        break;
    case 'E': print_name(day_names[day_of_week(utc)], count <= 3, out); break;
    case 'a': buf_append_cstr(out, utc->hour < 12 ? "AM" : "PM"); break;
    case 'h': buf_printf(out, "%0*d", (int)count, (utc->hour + 11) % 12 + 1); break;
    case 'D': buf_printf(out, "%0*d", (int)count, day_of_year(utc)); break;
    case 'd': buf_printf(out, "%0*d", (int)count, utc->day); break;
    case 'H': buf_printf(out, "%0*d", (int)count, utc->hour); break;
    case 'm': buf_printf(out, "%0*d", (int)count, utc->minute); break;
    case 's': buf_printf(out, "%0*d", (int)count, utc->second); break;
    case 'S': {
        size_t digits = count > 9 ? 9 : count;
        buf_printf(out, "%0*d", (int)digits, (int)(utc->nanosecond / powers[digits]));
        break;
    }
    case 'X':
    case 'x': print_zone(zone_offset_s, count, out); break;
    case 'Z': print_plain_zone(zone_offset_s, out); break;
    case 'z':
        zone_offset_s == 0 ? buf_append_cstr(out, "UTC") : print_zone(zone_offset_s, 3, out);
        break;
    default: break;
    }
}

static void print_pattern(const struct utc *utc, struct str pattern, int32_t zone_offset_s,
                          struct buf *out)
{
    while (pattern.size > 0) {
        char c = pattern.data[0];
        if (c == '\'') {
            pattern = str_skip(pattern, 1);
            while (pattern.size > 0 && pattern.data[0] != '\'') {
                buf_append_char(out, pattern.data[0]);
                pattern = str_skip(pattern, 1);
            }
            if (pattern.size > 0) pattern = str_skip(pattern, 1);
        } else if (is_pattern_letter(c)) {
            size_t count = letter_run(pattern);
            print_letters(utc, c, count, zone_offset_s, out);
            pattern = str_skip(pattern, count);
        } else {
            buf_append_char(out, c);
            pattern = str_skip(pattern, 1);
        }
    }
}

static void print_moment(const struct moment *moment, struct str format, int32_t zone_offset_s,
                         struct buf *out)
{
    struct str first = format_cut(&format);
    const struct named_format *named = named_format_find(first);
    if (named != NULL && named->epoch_unit_ms != 0) {
        buf_printf(out, "%lld", (long long)floor_divide(moment->ms, named->epoch_unit_ms));
        return;
    }
    struct utc utc = clock_utc_from_ms(moment->ms + zone_offset_s * MS_SECOND);
    utc.nanosecond += moment->ns;
    struct str pattern = named != NULL ? named->pattern : first;
    bool has_nanos = str_ends_with(first, STR("date_optional_time_nanos"));
    if (has_nanos && moment->ns != 0) {
        pattern = moment->ns % 1000 == 0 ? STR("yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX")
                                         : STR("yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSXXX");
    } else if (pattern.size == 0) {
        pattern = STR("yyyy-MM-dd'T'HH:mm:ss.SSSXXX");
    }
    print_pattern(&utc, pattern, zone_offset_s, out);
}

void date_print_ms(int64_t time_ms, struct str format, int32_t zone_offset_s, struct buf *out)
{
    struct moment moment = { time_ms, 0 };
    print_moment(&moment, format, zone_offset_s, out);
}

void date_print_ns(int64_t time_ns, struct str format, int32_t zone_offset_s, struct buf *out)
{
    struct moment moment = { floor_divide(time_ns, 1000000), 0 };
    moment.ns = (int32_t)(time_ns - moment.ms * 1000000);
    struct str nanos = STR("strict_date_optional_time_nanos");
    print_moment(&moment, format.size > 0 ? format : nanos, zone_offset_s, out);
}
