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
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* digits * 10^*exponent is the shortest decimal that reads back as the double of these parts, but
 * for zeros at its end. Below 10^17. */
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
    *exponent = k;
    return choose(is_ten, 10 * (ten + ten_above), one);
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

/* The digits of 0 < value < 10^17, the first of them not zero: 16 in two words or one register, and
 * the 17th, as text. */
struct digits {
#ifdef __SSE2__
    __m128i all;
#else
    uint64_t last;
#endif
    uint64_t first; /* 8 of the 16 */
    size_t count;   /* without zeros at the end */
    char seventeenth;
};

static const uint64_t ten_15 = 1000000000000000;
static const uint64_t ten_16 = 10000000000000000;

#ifdef __SSE2__
/* As digits_8(), of both at once: high 8 digits, low 8 digits. */
static inline __m128i digits_16(uint32_t high, uint32_t low)
{
    __m128i eights = _mm_set_epi64x(low, high);
    __m128i fours = _mm_srli_epi64(_mm_mul_epu32(eights, _mm_set1_epi64x(0xd1b71759)), 45);
    __m128i rest = _mm_sub_epi32(eights, _mm_mul_epu32(fours, _mm_set1_epi64x(10000)));
    fours = _mm_or_si128(fours, _mm_slli_epi64(rest, 32));
    __m128i twos = _mm_srli_epi16(_mm_mulhi_epu16(fours, _mm_set1_epi16(5243)), 3);
    rest = _mm_sub_epi16(fours, _mm_mullo_epi16(twos, _mm_set1_epi16(100)));
    twos = _mm_or_si128(twos, _mm_slli_epi32(rest, 16));
    __m128i ones = _mm_mulhi_epu16(twos, _mm_set1_epi16(6554));
    rest = _mm_sub_epi16(twos, _mm_mullo_epi16(ones, _mm_set1_epi16(10)));
    return _mm_or_si128(ones, _mm_slli_epi16(rest, 8));
}
#endif

#ifndef __SSE2__
static inline unsigned zeros_behind(uint64_t digits) /* digits != 0 */
{
    return zeros_before(__builtin_bswap64(digits));
}
#endif

/* Of 16 digits. */
static inline struct digits split_16(uint64_t value)
{
    struct digits digits = { .seventeenth = '0' };
    uint32_t high = (uint32_t)(value / 100000000);
    uint32_t low = (uint32_t)(value - (uint64_t)high * 100000000);
#ifdef __SSE2__
    __m128i all = digits_16(high, low);
    unsigned is_zero = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_setzero_si128()));
    digits.count = top_bit(is_zero ^ 0xffff) + 1;
    digits.all = _mm_or_si128(all, _mm_set1_epi8('0'));
    digits.first = (uint64_t)_mm_cvtsi128_si64(digits.all);
#else
    uint64_t first = digits_8(high);
    uint64_t last = digits_8(low);
    digits.count = last != 0 ? 16 - zeros_behind(last) : 8 - zeros_behind(first);
    digits.first = first | zeros;
    digits.last = last | zeros;
#endif
    return digits;
}

/* Of 16 or 17. */
static inline struct digits split_17(uint64_t value)
{
    bool is_long = value >= ten_16;
    uint64_t tenth = value / 10;
    unsigned last_digit = (unsigned)choose(is_long, value - 10 * tenth, 0);
    struct digits digits = split_16(choose(is_long, tenth, value));
    digits.seventeenth = (char)('0' + last_digit);
    digits.count = choose(last_digit != 0, 17, digits.count);
    return digits;
}

static inline void store_digits(char *text, const struct digits *digits)
{
#ifdef __SSE2__
    _mm_storeu_si128((__m128i *)(void *)text, digits->all);
#else
    store_word(text, digits->first);
    store_word(text + 8, digits->last);
#endif
    text[16] = digits->seventeenth;
}

/* Both write more than there are digits: NUMBER_SIZE_MAX has room for it. */

/* `point` of the digits stand before the decimal point: -3 .. 6. Whether any does, "12.3" or
 * "0.0123", cannot be predicted either, so the first 8 characters are made both ways. */
static inline size_t print_plain(char *text, const struct digits *digits, int point)
{
    bool is_small = point <= 0;
    unsigned skipped = is_small ? (unsigned)(2 - point) : 1; /* characters that are not digits */
    uint64_t first = digits->first;
    uint64_t small = (first ^ zeros) << (8 * skipped) ^ zeros ^ (uint64_t)('0' ^ '.') << 8;
    unsigned bits = 8 * (unsigned)point & 63;
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint64_t large = (first & mask) | (uint64_t)'.' << bits | (first & ~mask) << 8;
    store_digits(text + skipped, digits);
    store_word(text, choose(is_small, small, large));
    bool has_fraction = (int)digits->count > point;
    return choose(has_fraction, digits->count + skipped, (size_t)(unsigned)point);
}

static inline size_t print_exponent(char *text, const struct digits *digits, int exponent)
{
    store_digits(text + 1, digits);
    text[0] = (char)digits->first;
    text[1] = '.';
    char *at = text + digits->count + (digits->count > 1);
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    uint64_t ending = size / 10 % 10 | (uint64_t)(size % 10) << 8;
    size_t ending_size = 4;
    if (size >= 100) {
        ending = ending << 8 | size / 100;
        ending_size = 5;
    }
    uint64_t mark = 'e' | (uint64_t)(exponent < 0 ? '-' : '+') << 8;
    store_word(at, mark | (ending | (zeros & 0xffffff)) << 16);
    return (size_t)(at - text) + ending_size;
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

/* Measured things often have three decimals at most. Decimals of up to 15 digits are told apart by
 * doubles, so when this one reads back, no shorter one does. Gives 16 digits of it, `point` of them
 * stand before the decimal point, or 0: it has more decimals. How many stand there is told by the
 * double, which is known earlier than the digits. */
static inline uint64_t in_thousandths(double size, int biased, int *point)
{
    static const double powers_of_ten[] = { 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2,  1e3, 1e4,
                                            1e5,  1e6,  1e7,  1e8, 1e9, 1e10, 1e11 };
    if (!(size >= 1e-3 && size < 1e11)) return 0;
    int64_t number = (int64_t)(size * 1000 + 0.5);
    int at =
        log10_of_power2(biased - 1023, false) + 4; /* of the power above, or the one below it */
    at += size >= powers_of_ten[at];
    if ((double)number / 1000 != size) return 0;
    *point = at - 3;
    return (uint64_t)number * tens[16 - at];
}

/* The shortest of any, in 16 or 17 digits; zeros behind it make them up. */
static inline uint64_t shortest_17(uint64_t fraction, int biased, int *point)
{
    int exponent;
    (void)pthread_once(&powers_once, make_powers);
    uint64_t number = shortest(fraction, biased, &exponent);
    *point = exponent + 16 + (number >= ten_16);
    if (number >= ten_15) return number;
    unsigned count = count_digits(number);
    *point = exponent + (int)count;
    return number * tens[16 - count];
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
    int point;
    struct digits digits;
    uint64_t number = in_thousandths(size, biased, &point);
    if (number != 0) {
        digits = split_16(number);
    } else {
        number = shortest_17(fraction, biased, &point);
        digits = split_17(number);
    }
    if (point < -3 || point > 6) return sign + print_exponent(text, &digits, point - 1);
    return sign + print_plain(text, &digits, point);
}

size_t pm_print_double(char text[PM_DOUBLE_SIZE_MAX], double value)
{
    return pm_number_print_double(text, value);
}
