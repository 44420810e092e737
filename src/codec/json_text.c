/* json_text.c - texts by whole words, numbers by their grammar.
 *
 * NUMBERS  An integer that fits is read digit by digit. A fraction of at most 19 digits whose
 *          mantissa is below 2^53 and whose power of ten is within 22 is exact as one
 *          multiplication or division of two exact doubles (Clinger, 1990); every other one is left
 *          to number_parse, which rounds exactly.
 */
#include "codec/json_text.h"

#include "codec/number.h"
#include "codec/utf8.h"

#include <math.h>

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

/* Top bits of the bytes that equal c; those behind the first may be wrong. */
static uint64_t bytes_equal(uint64_t word, unsigned char c)
{
    uint64_t changed = word ^ (ONES * c);
    return (changed - ONES) & ~changed & TOPS;
}

size_t json_text_size(const char *bytes, bool *has_escape)
{
    bool has_seen = false;
    const char *at = bytes + 1;
    for (;;) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        uint64_t found = bytes_equal(word, '"') | bytes_equal(word, '\\');
        if (found == 0) {
            at += sizeof(word);
            continue;
        }
        at += __builtin_ctzll(found) / 8;
#else
        while (*at != '"' && *at != '\\') at++;
#endif
        if (*at == '"') break;
        has_seen = true;
        at += 2;
    }
    *has_escape = has_seen;
    return (size_t)(at - bytes) + 1;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The four hexadecimal digits behind "\u" at the front of rest; -1 when there are none. */
static int32_t unit_of(struct str rest)
{
    if (rest.size < 6 || rest.data[0] != '\\' || rest.data[1] != 'u') return -1;
    int32_t unit = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_of(rest.data[i]);
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Takes "\uNNNN", two of them for a pair; half a pair gives U+FFFD. 0: not one. */
static size_t take_unicode(struct str rest, char *out, size_t *out_size)
{
    int32_t unit = unit_of(rest);
    if (unit < 0) return 0;
    uint32_t character = (uint32_t)unit;
    size_t taken = 6;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        int32_t low = unit_of(str_skip(rest, 6));
        if (low >= 0xDC00 && low <= 0xDFFF) {
            character = 0x10000 + ((uint32_t)(unit - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
            taken = 12;
        }
    }
    if (character >= 0xD800 && character <= 0xDFFF) character = 0xFFFD;
    *out_size = utf8_encode(character, out);
    return taken;
}

/* The byte that a backslash and this letter stand for; 0 when they stand for none. */
static char plain_of(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return '\0';
    }
}

bool json_text_unescape(struct str inner, char *out, size_t *size, size_t *mistake)
{
    struct str rest = inner;
    char *at = out;
    while (rest.size > 0) {
        size_t plain = str_find_char(rest, '\\');
        if (plain == STR_NONE) plain = rest.size;
        if (plain > 0) memcpy(at, rest.data, plain);
        at += plain;
        rest = str_skip(rest, plain);
        if (rest.size == 0) break;
        char letter = rest.size > 1 ? plain_of(rest.data[1]) : '\0';
        size_t taken = 2;
        size_t made = 1;
        if (letter != '\0') {
            *at = letter;
        } else {
            taken = take_unicode(rest, at, &made);
        }
        if (taken == 0) {
            *mistake = inner.size - rest.size;
            return false;
        }
        at += made;
        rest = str_skip(rest, taken);
    }
    *size = (size_t)(at - out);
    return true;
}

/* Digits of a number as they are walked over. */
struct digits {
    uint64_t mantissa; /* of the first 19 digits that are not leading zeros */
    int count;         /* of those */
    int64_t exponent;  /* power of ten by which mantissa is to be multiplied */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *walk_digits(const char *at, struct digits *digits)
{
    for (; is_digit(*at); at++) {
        digits->mantissa = digits->mantissa * 10 + (uint64_t)(*at - '0');
        if (digits->mantissa != 0 || digits->count > 0) digits->count++;
    }
    return at;
}

/* Walks an exponent; NULL when it has no digits, with *stop where they should be. */
static const char *walk_exponent(const char *at, struct digits *digits, const char **stop)
{
    at++;
    bool is_negative = *at == '-';
    if (*at == '-' || *at == '+') at++;
    if (!is_digit(*at)) {
        *stop = at;
        return NULL;
    }
    int64_t exponent = 0;
    for (; is_digit(*at); at++) {
        if (exponent < 100000) exponent = exponent * 10 + (*at - '0');
    }
    digits->exponent += is_negative ? -exponent : exponent;
    return at;
}

static bool double_of(const struct digits *digits, bool is_negative, struct str raw, double *number)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    bool is_small = digits->count <= 19 && digits->mantissa <= UINT64_C(1) << 53;
    if (is_small && digits->exponent >= -22 && digits->exponent <= 22) {
        double value = (double)digits->mantissa;
        value = digits->exponent < 0 ? value / powers[-digits->exponent]
                                     : value * powers[digits->exponent];
        *number = is_negative ? -value : value;
        return true;
    }
    return number_parse(raw, number) && isfinite(*number);
}

enum json_number_result json_number_read(const char *bytes, struct json *value)
{
    const char *at = bytes;
    struct digits digits = { 0 };
    bool is_negative = *at == '-';
    if (is_negative) at++;
    value->raw.data = bytes;
    const char *first = at;
    if (*at == '0') {
        at++;
    } else {
        at = walk_digits(at, &digits);
    }
    const char *stop = at == first ? at : NULL;
    bool is_whole = true;
    if (stop == NULL && *at == '.') {
        is_whole = false;
        const char *fraction = at + 1;
        at = walk_digits(fraction, &digits);
        digits.exponent = fraction - at;
        if (at == fraction) stop = at;
    }
    if (stop == NULL && (*at == 'e' || *at == 'E')) {
        is_whole = false;
        at = walk_exponent(at, &digits, &stop);
    }
    value->raw.size = (size_t)((stop != NULL ? stop : at) - bytes);
    if (stop != NULL) return JSON_NUMBER_BROKEN;
    uint64_t limit = is_negative ? UINT64_C(1) << 63 : (uint64_t)INT64_MAX;
    if (is_whole && digits.count <= 19 && digits.mantissa <= limit) {
        value->kind = JSON_INT;
        value->integer = (int64_t)(is_negative ? 0 - digits.mantissa : digits.mantissa);
        return JSON_NUMBER_GOOD;
    }
    value->kind = JSON_DOUBLE;
    bool is_good = double_of(&digits, is_negative, value->raw, &value->number);
    return is_good ? JSON_NUMBER_GOOD : JSON_NUMBER_TOO_LARGE;
}
