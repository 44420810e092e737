/* number.c - numbers as text: whole ones exactly, doubles as short as they read back.
 *
 * SHORTEST A double stands for the interval of reals that round to it. The method is R. Giulietti's
 *          ("The Schubfach way to render doubles", 2020): scale the interval's ends and its middle
 *          by one power of ten, kept to 128 bits, so that the interval is at least 1 and less than
 *          10 wide; then the shortest decimal is one of the four integers next to the middle, one
 *          digit shorter or not. Rounding to odd keeps the comparisons exact.
 * POWERS   The 617 powers are computed at first use by plain long multiplication and division, so
 *          that no table has to be believed: POWERS[k] = ceil(10^k / 2^e) with 127 < log2 <= 128.
 */
#include "prometheus/number.h"

#include "prometheus/prometheus.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum { POWER_MIN = -292, POWER_MAX = 324, LIMBS = 44 }; /* limbs of 32 bits */

struct power {
    uint64_t high;
    uint64_t low;
};

static struct power powers[POWER_MAX - POWER_MIN + 1];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

/* The top 128 bits of a number of limbs, least significant first, plus one if any bit is below. */
static struct power top_bits(const uint32_t *limbs, bool always_inexact)
{
    int top = LIMBS - 1;
    while (top > 0 && limbs[top] == 0) top--;
    int bits = top * 32 + 32 - __builtin_clz(limbs[top]);
    wide value = 0;
    bool rest = always_inexact;
    for (int i = bits - 1; i >= 0; i--) {
        unsigned bit = (limbs[i / 32] >> (i % 32)) & 1;
        if (i >= bits - 128) {
            value = (value << 1) | bit;
        } else if (bit != 0) {
            rest = true;
            break;
        }
    }
    if (bits < 128) value <<= 128 - bits;
    value += rest;
    return (struct power){ .high = (uint64_t)(value >> 64), .low = (uint64_t)value };
}

static void make_powers(void)
{
    uint32_t limbs[LIMBS] = { 1 };
    for (int k = 0; k <= POWER_MAX; k++) {
        powers[k - POWER_MIN] = top_bits(limbs, false);
        uint64_t carry = 0;
        for (int i = 0; i < LIMBS; i++) {
            carry += (uint64_t)limbs[i] * 10;
            limbs[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    /* Downwards from 2^(32*43): 10^-292 leaves 400 bits, and no such power is a finite binary. */
    memset(limbs, 0, sizeof(limbs));
    limbs[LIMBS - 1] = 1;
    for (int k = -1; k >= POWER_MIN; k--) {
        uint64_t rest = 0;
        for (int i = LIMBS - 1; i >= 0; i--) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        powers[k - POWER_MIN] = top_bits(limbs, true);
    }
}

/* floor(k * log2(10)) and floor(e * log10(2)), floor(e * log10(2) - log10(4/3)); exact in range. */
static int log2_of_power(int k)
{
    return (k * 1741647) >> 19;
}

static int log10_of_power2(int e, bool is_close)
{
    return (e * 1262611 - (is_close ? 524031 : 0)) >> 22;
}

/* The high 64 bits of power * value / 2^64, its lowest bit set if anything is cut off. */
static uint64_t scale(struct power power, uint64_t value)
{
    wide low = (wide)power.low * value;
    wide high = (wide)power.high * value + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* digits * 10^*exponent is the shortest decimal that reads back as the double of these parts. */
static uint64_t shortest(uint64_t fraction, int biased, int *exponent)
{
    uint64_t c = biased != 0 ? fraction | (uint64_t)1 << 52 : fraction;
    int q = (biased != 0 ? biased : 1) - 1075;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
        *exponent = 0;
        return c >> -q;
    }
    bool is_even = (c & 1) == 0;
    bool is_close = fraction == 0 && biased > 1; /* the lower neighbour is half as far */
    int k = log10_of_power2(q, is_close);
    int h = q + log2_of_power(-k) + 1;
    struct power power = powers[-k - POWER_MIN];
    uint64_t lower = scale(power, (4 * c - 2 + is_close) << h) + !is_even;
    uint64_t middle = scale(power, 4 * c << h);
    uint64_t upper = scale(power, (4 * c + 2) << h) - !is_even;
    uint64_t s = middle / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below = lower <= 40 * tens;
        bool above = 40 * tens + 40 <= upper;
        if (below != above) {
            *exponent = k + 1;
            return tens + above;
        }
    }
    *exponent = k;
    bool below = lower <= 4 * s;
    bool above = 4 * s + 4 <= upper;
    if (below != above) return s + above;
    uint64_t half = 4 * s + 2;
    return s + (middle > half || (middle == half && (s & 1) != 0));
}

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536"
    "37383940414243444546474849505152535455565758596061626364656667686970717273"
    "7475767778798081828384858687888990919293949596979899";

/* The 8 digits of a number below 10^8, without waiting for one division after the other. */
static void print_8(char *text, uint32_t value)
{
    uint32_t high = value / 10000;
    uint32_t low = value % 10000;
    memcpy(text, pairs + high / 100 * 2, 2);
    memcpy(text + 2, pairs + high % 100 * 2, 2);
    memcpy(text + 4, pairs + low / 100 * 2, 2);
    memcpy(text + 6, pairs + low % 100 * 2, 2);
}

size_t pm_number_print_u64(char *text, uint64_t value)
{
    char digits[32]; /* 24, and what a fixed copy reads behind them */
    if (value < 10) {
        text[0] = (char)('0' + value);
        return 1;
    }
    print_8(digits + 16, (uint32_t)(value % 100000000));
    size_t size = 8;
    if (value >= 100000000) {
        value /= 100000000;
        print_8(digits + 8, (uint32_t)(value % 100000000));
        size = 16;
        if (value >= 100000000) {
            print_8(digits, (uint32_t)(value / 100000000));
            size = 24;
        }
    }
    const char *at = digits + 24 - size;
    while (*at == '0') at++; /* at most 7: the first block is not zero */
    size = (size_t)(digits + 24 - at);
    if (size <= 8) {
        memcpy(text, at, 8);
        return size;
    }
    memcpy(text, at, size);
    return size;
}

/* Both copy a fixed number of bytes, more than there are: that is one move, and NUMBER_SIZE_MAX has
 * room for it. `point` digits stand before the decimal point; it may be negative. */
enum { DIGITS_SIZE = 24 };

static size_t print_plain(char *text, const char *digits, int count, int point)
{
    if (point <= 0) {
        memcpy(text, "0.0000", 6);
        memcpy(text + 2 - point, digits, DIGITS_SIZE);
        return (size_t)(2 - point + count);
    }
    memcpy(text, digits, DIGITS_SIZE);
    if (count <= point) {
        memset(text + count, '0', (size_t)(point - count));
        return (size_t)point;
    }
    memcpy(text + point + 1, digits + point, DIGITS_SIZE - 6); /* point <= 6 here */
    text[point] = '.';
    return (size_t)count + 1;
}

static size_t print_exponent(char *text, const char *digits, int count, int exponent)
{
    text[0] = digits[0];
    text[1] = '.';
    memcpy(text + 2, digits + 1, DIGITS_SIZE - 1);
    char *at = text + (count > 1 ? count + 1 : 1);
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (size < 10) *at++ = '0';
    return (size_t)(at - text) + pm_number_print_u64(at, size);
}

static size_t copy_text(char *text, const char *from, size_t size)
{
    memcpy(text, from, size);
    return size;
}

size_t pm_number_print_double(char *text, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff);
    size_t sign = (size_t)(bits >> 63);
    if (biased == 0x7ff) {
        if (fraction != 0) return copy_text(text, "NaN", 3);
        return copy_text(text, sign != 0 ? "-Inf" : "+Inf", 4);
    }
    if (sign != 0) *text++ = '-';
    if (biased == 0 && fraction == 0) {
        *text = '0';
        return sign + 1;
    }
    double size = sign != 0 ? -value : value;
    if (size < 1e6 && (double)(uint32_t)size == size) { /* most metrics most of the time */
        return sign + pm_number_print_u64(text, (uint32_t)size);
    }
    int exponent = -3;
    uint64_t number = 0;
    if (size < 1e11) number = (uint64_t)(int64_t)(size * 1000 + 0.5);
    /* Measured things often have three decimals at most. Decimals of up to 15 digits are told
     * apart by doubles, so when this one reads back, no shorter one does. */
    if (number == 0 || (double)(int64_t)number / 1000 != size) {
        (void)pthread_once(&powers_once, make_powers);
        number = shortest(fraction, biased, &exponent);
    }
    char digits[NUMBER_SIZE_MAX];
    while (number >= 100000000 && number % 100000000 == 0) {
        number /= 100000000;
        exponent += 8;
    }
    int count = (int)pm_number_print_u64(digits, number);
    int point = count + exponent;
    while (count > 1 && digits[count - 1] == '0') count--;
    if (point - 1 < -4 || point - 1 >= 6) {
        return sign + print_exponent(text, digits, count, point - 1);
    }
    return sign + print_plain(text, digits, count, point);
}

size_t pm_print_double(char text[PM_DOUBLE_SIZE_MAX], double value)
{
    return pm_number_print_double(text, value);
}
