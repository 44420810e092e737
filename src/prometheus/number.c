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

#include <math.h>
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

static inline uint64_t choose(bool is_first, uint64_t first, uint64_t second)
{
    return second ^ ((first ^ second) & -(uint64_t)is_first);
}

/* digits * 10^*exponent is the shortest decimal that reads back as the double of these parts. */
static uint64_t shortest(uint64_t fraction, int biased, int *exponent)
{
    uint64_t c = biased != 0 ? fraction | (uint64_t)1 << 52 : fraction;
    int q = (biased != 0 ? biased : 1) - 1075;
    bool is_whole = (c & (((uint64_t)1 << (-q & 63)) - 1)) == 0;
    if ((is_whole & (q <= 0) & (q > -53)) != 0) { /* one branch: q > -53 says only "not below 1" */
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
    /* Which of the candidates it is cannot be predicted, so all are looked at, without a branch. */
    uint64_t s = middle / 4;
    bool below = lower <= 4 * s;
    bool above = 4 * s + 4 <= upper;
    bool is_nearer = middle + (s & 1) > 4 * s + 2; /* the next one; half goes to the even one */
    uint64_t one = s + choose(below != above, above, is_nearer);
    uint64_t ten = s / 10;
    bool ten_below = lower <= 40 * ten;
    bool ten_above = 40 * ten + 40 <= upper;
    bool is_ten = ((ten_below != ten_above) & (s >= 10)) != 0;
    *exponent = k + is_ten;
    return choose(is_ten, ten + ten_above, one);
}

/* ---- Digits ----
 *
 * Eight digits are made at once, in the bytes of one word, first digit lowest; no table, no branch.
 * Where a number of digits begins or ends is counted in words, not looked for in memory: bytes that
 * were stored a moment ago are not read again, for that would wait for the stores. */

static const uint64_t zeros = 0x3030303030303030;

static inline void store_word(char *text, uint64_t digits)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    digits = __builtin_bswap64(digits);
#endif
    memcpy(text, &digits, sizeof(digits));
}

/* The digits of a value below 10^8, each 0 .. 9: fours, then pairs, then single ones. */
static inline uint64_t digits_8(uint32_t value)
{
    uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t high = (fours * 10486) >> 20 & 0x0000007f0000007f; /* / 100, exact below 10^4 */
    uint64_t two = high | (fours - 100 * high) << 16;
    high = (two * 103) >> 10 & 0x000f000f000f000f; /* / 10, exact below 100 */
    return high | (two - 10 * high) << 8;
}

static inline unsigned zeros_before(uint64_t digits) /* digits != 0 */
{
    return (unsigned)__builtin_ctzll(digits) / 8;
}

static inline unsigned zeros_behind(uint64_t digits) /* digits != 0 */
{
    return zeros_before(__builtin_bswap64(digits));
}

/* The place of the highest bit of a value that is not zero. x86's instruction for it waits for what
 * its result's register held before, which the compiler does not know: so it holds a constant. */
static inline unsigned top_bit(uint64_t value)
{
#ifdef __x86_64__
    uint64_t place = 0;
    __asm__("bsrq %1, %0" : "+r"(place) : "r"(value) : "cc");
    return (unsigned)place;
#else
    return 63 - (unsigned)__builtin_clzll(value);
#endif
}

/* A value below 10^8 without leading zeros. */
static inline size_t print_8(char *text, uint32_t value)
{
    uint64_t digits = digits_8(value);
    unsigned before = digits == 0 ? 7 : zeros_before(digits);
    store_word(text, (digits | zeros) >> (before * 8));
    return 8 - before;
}

size_t pm_number_print_u64(char *text, uint64_t value)
{
    if (value < 100000000) return print_8(text, (uint32_t)value);
    uint64_t high = value / 100000000;
    uint64_t last = digits_8((uint32_t)(value % 100000000)) | zeros;
    size_t size;
    if (high < 100000000) {
        size = print_8(text, (uint32_t)high);
    } else {
        size = print_8(text, (uint32_t)(high / 100000000));
        store_word(text + size, digits_8((uint32_t)(high % 100000000)) | zeros);
        size += 8;
    }
    store_word(text + size, last);
    return size + 8;
}

/* 17 digits, the first of them not zero: what a double needs at most. */
enum { DIGITS_MAX = 17 };

struct digits {
    uint64_t first;  /* '1' .. '9' */
    uint64_t middle; /* the next 8, and the last 8, as text */
    uint64_t last;
    size_t count; /* without zeros at the end */
};

static const uint64_t tens[] = { 1,
                                 10,
                                 100,
                                 1000,
                                 10000,
                                 100000,
                                 1000000,
                                 10000000,
                                 100000000,
                                 1000000000,
                                 10000000000,
                                 100000000000,
                                 1000000000000,
                                 10000000000000,
                                 100000000000000,
                                 1000000000000000,
                                 10000000000000000,
                                 100000000000000000 };

/* value > 0. floor(bits * log10(2)) is the number of digits, or one less. */
static inline unsigned count_digits(uint64_t value)
{
    unsigned bits = top_bit(value) + 1;
    unsigned count = bits * 1233 >> 12;
    return count + (value >= tens[count]);
}

/* 0 < value < 10^17, of `count` digits: as 17, by zeros behind them. */
static inline struct digits split_digits(uint64_t value, unsigned count)
{
    value *= tens[DIGITS_MAX - count];
    uint64_t nine = value / 100000000;
    uint64_t last = digits_8((uint32_t)(value % 100000000));
    uint64_t first = nine / 100000000;
    uint64_t middle = digits_8((uint32_t)(nine % 100000000));
    struct digits digits = { first | '0', middle | zeros, last | zeros, 1 };
    if (last != 0) {
        digits.count = DIGITS_MAX - zeros_behind(last);
    } else if (middle != 0) {
        digits.count = DIGITS_MAX - 8 - zeros_behind(middle);
    }
    return digits;
}

/* All write whole words, more than there are digits: NUMBER_SIZE_MAX has room for it. */

/* `point` of the digits stand before the decimal point: -3 .. 6. Whether any does, "12.3" or "0.0123",
 * cannot be predicted either, so the first 8 characters are made both ways. */
static inline size_t print_plain(char *text, const struct digits *digits, int point)
{
    bool is_small = point <= 0;
    unsigned skipped = is_small ? (unsigned)(2 - point) : 1; /* characters that are not digits */
    uint64_t before = digits->first | digits->middle << 8;
    uint64_t small = (before ^ zeros) << (8 * skipped) ^ zeros ^ (uint64_t)('0' ^ '.') << 8;
    unsigned bits = 8 * (unsigned)point & 63;
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint64_t large = (before & mask) | (uint64_t)'.' << bits | (before & ~mask) << 8;
    store_word(text + skipped + 1, digits->middle);
    store_word(text + skipped + 9, digits->last);
    store_word(text, choose(is_small, small, large));
    bool has_fraction = (int)digits->count > point;
    return choose(has_fraction, digits->count + skipped, (size_t)(unsigned)point);
}

static inline size_t print_exponent(char *text, const struct digits *digits, int exponent)
{
    text[0] = (char)digits->first;
    text[1] = '.';
    store_word(text + 2, digits->middle);
    store_word(text + 10, digits->last);
    char *at = text + (digits->count > 1 ? digits->count + 1 : 1);
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    if (size >= 100) *at++ = (char)('0' + size / 100);
    *at++ = (char)('0' + size / 10 % 10);
    *at++ = (char)('0' + size % 10);
    return (size_t)(at - text);
}

static size_t copy_text(char *text, const char *from, size_t size)
{
    memcpy(text, from, size);
    return size;
}

/* What is no number, and zero. */
static size_t print_special(char *text, double value)
{
    if (value != value) return copy_text(text, "NaN", 3);
    if (value == 0) return signbit(value) ? copy_text(text, "-0", 2) : copy_text(text, "0", 1);
    return copy_text(text, value < 0 ? "-Inf" : "+Inf", 4);
}

size_t pm_number_print_double(char *text, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff);
    size_t sign = (size_t)(bits >> 63);
    if (__builtin_expect(biased == 0x7ff || bits << 1 == 0, 0)) return print_special(text, value);
    *text = '-';
    text += sign;
    double size = fabs(value);
    if (size < 1e6 && (double)(uint32_t)size == size) { /* most metrics most of the time */
        return sign + print_8(text, (uint32_t)size);
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
    unsigned count = count_digits(number);
    struct digits digits = split_digits(number, count);
    int point = (int)count + exponent;
    if (point < -3 || point > 6) return sign + print_exponent(text, &digits, point - 1);
    return sign + print_plain(text, &digits, point);
}

size_t pm_print_double(char text[PM_DOUBLE_SIZE_MAX], double value)
{
    return pm_number_print_double(text, value);
}
