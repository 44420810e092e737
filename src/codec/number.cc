/* number.cc - the shortest digits come from the C++ library, which never looks at the locale; the
 * layouts are ours. */
extern "C" {
#include "codec/number.h"
}

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace
{

/* value = 0.d1d2d3... * 10^point, the shortest digits that read back the same. */
struct digits {
    char text[20];
    int count;
    int point;
};

/* Splits "d.ddde+XX", the scientific form, which is always shortest. */
struct digits digits_of(double value)
{
    char text[40];
    std::to_chars_result end =
        std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific);
    struct digits digits = {};
    char *at = text;
    for (; at < end.ptr && *at != 'e'; at++) {
        if (*at != '.') digits.text[digits.count++] = *at;
    }
    int exponent = 0;
    bool is_negative = at + 1 < end.ptr && at[1] == '-';
    for (at += 2; at < end.ptr; at++) exponent = exponent * 10 + (*at - '0');
    digits.point = (is_negative ? -exponent : exponent) + 1;
    while (digits.count > 1 && digits.text[digits.count - 1] == '0') digits.count--;
    return digits;
}

char *put(char *out, const char *text)
{
    while (*text != '\0') *out++ = *text++;
    return out;
}

char *put_plain(char *out, const struct digits &digits)
{
    if (digits.point <= 0) {
        out = put(out, "0.");
        for (int i = digits.point; i < 0; i++) *out++ = '0';
        for (int i = 0; i < digits.count; i++) *out++ = digits.text[i];
        return out;
    }
    for (int i = 0; i < digits.count || i < digits.point; i++) {
        if (i == digits.point) *out++ = '.';
        *out++ = i < digits.count ? digits.text[i] : '0';
    }
    return out;
}

/* d.ddd, then `mark`, the sign (a plus only when asked for) and at least `width` digits. */
char *put_exponent(char *out, const struct digits &digits, const char *mark, bool has_plus,
                   int width)
{
    *out++ = digits.text[0];
    if (digits.count > 1) *out++ = '.';
    for (int i = 1; i < digits.count; i++) *out++ = digits.text[i];
    out = put(out, mark);
    int exponent = digits.point - 1;
    if (exponent < 0) {
        *out++ = '-';
        exponent = -exponent;
    } else if (has_plus) {
        *out++ = '+';
    }
    char reversed[8];
    int count = 0;
    do {
        reversed[count++] = static_cast<char>('0' + exponent % 10);
        exponent /= 10;
    } while (exponent > 0);
    while (count < width) reversed[count++] = '0';
    while (count > 0) *out++ = reversed[--count];
    return out;
}

/* Writes what is no ordinary number and gives true. */
bool put_special(double value, char *&out)
{
    if (std::isnan(value)) {
        out = put(out, "NaN");
        return true;
    }
    if (std::isinf(value)) {
        out = put(out, value > 0 ? "+Inf" : "-Inf");
        return true;
    }
    if (std::signbit(value)) *out++ = '-';
    if (value == 0) {
        *out++ = '0';
        return true;
    }
    return false;
}

size_t print(double value, char *text, int exponent_below, int exponent_from, bool has_plus,
             int width)
{
    char *out = text;
    if (put_special(value, out)) return static_cast<size_t>(out - text);
    struct digits digits = digits_of(std::fabs(value));
    int exponent = digits.point - 1;
    bool is_plain = exponent >= exponent_below && exponent < exponent_from;
    out = is_plain ? put_plain(out, digits) : put_exponent(out, digits, "e", has_plus, width);
    return static_cast<size_t>(out - text);
}

const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                           "34353637383940414243444546474849505152535455565758596061626364656667"
                           "6869707172737475767778798081828384858687888990919293949596979899";

/* The last `count` digits of a number, zeros in front, ending before `end`. */
void put_last(char *end, uint64_t number, int count)
{
    for (; count >= 2; count -= 2, number /= 100) {
        end -= 2;
        std::memcpy(end, digit_pairs + number % 100 * 2, 2);
    }
    if (count == 1) end[-1] = static_cast<char>('0' + number % 10);
}

int digit_count(uint64_t number)
{
    int count = 1;
    for (; number >= 10; number /= 10) count++;
    return count;
}

/* Whole numbers and short fractions, as most samples are: value = whole / 10^k for a small k. A
 * decimal of at most 15 digits that reads back as the value is the shortest and the only one of its
 * length, so it is what the general way finds. 0: not such a number. */
size_t print_short(double value, char *text)
{
    static const double powers[] = { 1, 10, 100, 1000, 10000 };
    static const uint64_t whole_powers[] = { 1, 10, 100, 1000, 10000 };
    double size = std::fabs(value);
    if (!(size < 1e10) || size < 1e-3) return 0;
    for (int k = 0; k < 5; k++) {
        auto digits = static_cast<uint64_t>(size * powers[k] + 0.5);
        if (static_cast<double>(digits) / powers[k] != size) continue;
        char *out = text;
        if (value < 0) *out++ = '-';
        uint64_t whole = digits / whole_powers[k];
        int count = digit_count(whole);
        out += count;
        put_last(out, whole, count);
        if (k > 0) {
            *out++ = '.';
            out += k;
            put_last(out, digits % whole_powers[k], k);
        }
        return static_cast<size_t>(out - text);
    }
    return 0;
}

} // namespace

extern "C" size_t number_print_plain(double value, char *text)
{
    return print(value, text, -400, 400, true, 2);
}

extern "C" size_t number_print_go(double value, char *text)
{
    return print(value, text, -4, 6, true, 2);
}

extern "C" size_t number_print_go_plain(double value, char *text)
{
    return print(value, text, -4, 21, true, 2);
}

extern "C" size_t number_print_api(double value, char *text)
{
    size_t size = print_short(value, text);
    return size > 0 ? size : print(value, text, -6, 21, true, 2);
}

extern "C" size_t number_print_json(double value, char *text)
{
    if (value == 0 && std::signbit(value)) return static_cast<size_t>(put(text, "-0.0") - text);
    size_t size = print_short(value, text);
    return size > 0 ? size : print(value, text, -6, 21, true, 1);
}

extern "C" size_t number_print_java(double value, char *text)
{
    char *out = text;
    if (std::isnan(value)) return static_cast<size_t>(put(out, "NaN") - text);
    if (std::isinf(value)) {
        return static_cast<size_t>(put(out, value > 0 ? "Infinity" : "-Infinity") - text);
    }
    if (std::signbit(value)) *out++ = '-';
    if (value == 0) return static_cast<size_t>(put(out, "0.0") - text);
    struct digits digits = digits_of(std::fabs(value));
    if (digits.point > -3 && digits.point <= 7) {
        out = put_plain(out, digits);
        if (digits.count <= digits.point) out = put(out, ".0");
        return static_cast<size_t>(out - text);
    }
    if (digits.count == 1) digits.text[digits.count++] = '0';
    out = put_exponent(out, digits, "E", false, 1);
    return static_cast<size_t>(out - text);
}

static bool is_nocase(struct str text, const char *word)
{
    return str_equal_nocase(text, str_from(word));
}

/* Which way a number left the range of doubles: whether its first digit that is not 0 stands, with
 * the exponent put in, before the point. It is far from the point, or it would be in range. */
static bool is_large(struct str rest, bool is_hex)
{
    int64_t position = 0; /* digits from that digit to the point; negative behind it */
    bool is_found = false;
    bool is_fraction = false;
    size_t i = 0;
    for (; i < rest.size && (rest.data[i] | 0x20) != (is_hex ? 'p' : 'e'); i++) {
        if (rest.data[i] == '.') {
            is_fraction = true;
            continue;
        }
        if (rest.data[i] != '0') is_found = true;
        if (is_fraction && !is_found) position--;
        if (!is_fraction && is_found) position++;
    }
    if (!is_found) return false;
    if (is_hex) position *= 4;
    bool is_negative = i + 1 < rest.size && rest.data[i + 1] == '-';
    int64_t exponent = 0;
    for (i++; i < rest.size; i++) {
        bool is_digit = rest.data[i] >= '0' && rest.data[i] <= '9';
        if (is_digit && exponent < INT64_MAX / 100) exponent = exponent * 10 + (rest.data[i] - '0');
    }
    return position > (is_negative ? exponent : -exponent);
}

extern "C" bool number_parse(struct str text, double *value)
{
    struct str rest = text;
    bool is_negative = false;
    if (rest.size > 0 && (rest.data[0] == '-' || rest.data[0] == '+')) {
        is_negative = rest.data[0] == '-';
        rest = str_skip(rest, 1);
    }
    if (rest.size == 0) return false;
    if (is_nocase(rest, "inf") || is_nocase(rest, "infinity")) {
        *value = is_negative ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (is_nocase(text, "nan")) {
        *value = std::nan("");
        return true;
    }
    bool is_hex = rest.size > 2 && rest.data[0] == '0' && (rest.data[1] | 0x20) == 'x';
    if (is_hex) rest = str_skip(rest, 2);
    char first = rest.data[0];
    bool is_digit = (first >= '0' && first <= '9') || first == '.';
    if (!is_digit && !(is_hex && std::isxdigit(static_cast<unsigned char>(first)))) return false;

    double number = 0;
    std::from_chars_result end =
        std::from_chars(rest.data, rest.data + rest.size, number,
                        is_hex ? std::chars_format::hex : std::chars_format::general);
    if (end.ptr != rest.data + rest.size) return false;
    if (end.ec == std::errc::result_out_of_range) {
        number = is_large(rest, is_hex) ? HUGE_VAL : 0;
    } else if (end.ec != std::errc()) {
        return false;
    }
    *value = is_negative ? -number : number;
    return true;
}
