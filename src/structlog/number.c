/* number.c - numbers to text: two digits at a time, and Schubfach for the shortest double.
 *
 * SHORTEST  A double is c * 2^q. With k = floor(log10(2^q)) and a 128-bit approximation of 10^-k,
 *           rounded up, three products give v and the two borders of the interval that rounds to
 *           v, in units of 10^k / 4, with a sticky last bit ("round to odd"). At most one multiple
 *           of 10^(k+1) lies inside; otherwise the nearer of the two multiples of 10^k around v is
 *           the answer. Floats take the same road, their interval is only wider.
 * POWERS    The 617 powers are made on first use by exact long arithmetic, some 60 us once: going
 *           up multiplies by ten; going down divides 2^1280 by ten again and again, and a floor of
 *           floors is the floor of the whole. Thus no table of 10 KB stands in the source.
 */
#include "structlog/number.h"

#include <stdbool.h>
#include <string.h>

__extension__ typedef unsigned __int128 sl_uint128;

/* clang-format off */
const char sl_two_digits[201] =
    "00010203040506070809" "10111213141516171819" "20212223242526272829" "30313233343536373839"
    "40414243444546474849" "50515253545556575859" "60616263646566676869" "70717273747576777879"
    "80818283848586878889" "90919293949596979899";
/* clang-format on */

/* clang-format off */
const uint64_t sl_powers_of_ten[20] = {
    1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
    10000000000u, 100000000000u, 1000000000000u, 10000000000000u, 100000000000000u,
    1000000000000000u, 10000000000000000u, 100000000000000000u, 1000000000000000000u,
    10000000000000000000u,
};
/* clang-format on */

char *sl_put_wide_uint(char *to, uint64_t x)
{
    char *end = to + sl_count_digits(x);
    char *at = end;
    while (x >= 100) {
        at -= 2;
        memcpy(at, sl_two_digits + 2 * (x % 100), 2);
        x /= 100;
    }
    if (x >= 10) {
        memcpy(at - 2, sl_two_digits + 2 * x, 2);
    } else {
        at[-1] = (char)('0' + x);
    }
    return end;
}

char *sl_put_hex(char *to, uint64_t x)
{
    int digits = 1;
    while (digits < 16 && x >> (4 * digits) != 0) digits++;
    *to++ = '0';
    *to++ = 'x';
    while (digits-- > 0) *to++ = "0123456789abcdef"[x >> (4 * digits) & 15];
    return to;
}

/* ---- powers of ten ---- */

#define POWER_MIN  (-292)
#define POWER_MAX  324
#define LIMB_COUNT 20 /* 1,280 bits: 10^324 takes 1,077; 2^1280 / 10^292 leaves 310 */

struct power {
    uint64_t high, low;
};

static struct power powers[POWER_MAX - POWER_MIN + 1];
static int powers_state; /* 0: to be made, 1: there; two threads may make the same at once */

/* The top 128 bits of the number, rounded up when `inexact` or when anything lies below them. */
static struct power top_bits(const uint64_t *limbs, bool inexact)
{
    int top = LIMB_COUNT - 1;
    while (limbs[top] == 0) top--;
    int shift = __builtin_clzll(limbs[top]);
    uint64_t a = limbs[top];
    uint64_t b = top >= 1 ? limbs[top - 1] : 0;
    uint64_t c = top >= 2 ? limbs[top - 2] : 0;
    bool rest = inexact;
    if (shift != 0) {
        a = a << shift | b >> (64 - shift);
        b = b << shift | c >> (64 - shift);
        c = c << shift;
    }
    rest = rest || c != 0;
    for (int i = top - 3; i >= 0 && !rest; i--) rest = limbs[i] != 0;
    if (rest && ++b == 0) a++;
    return (struct power){ a, b };
}

static void set_power(int exponent, struct power power)
{
    struct power *slot = &powers[exponent - POWER_MIN];
    __atomic_store_n(&slot->high, power.high, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->low, power.low, __ATOMIC_RELAXED);
}

static void make_powers(void)
{
    uint64_t limbs[LIMB_COUNT] = { 1 };
    for (int exponent = 0; exponent <= POWER_MAX; exponent++) {
        set_power(exponent, top_bits(limbs, false));
        uint64_t carry = 0;
        for (int i = 0; i < LIMB_COUNT; i++) {
            sl_uint128 product = (sl_uint128)limbs[i] * 10 + carry;
            limbs[i] = (uint64_t)product;
            carry = (uint64_t)(product >> 64);
        }
    }
    /* 2^1280 - 1 in place of 2^1280: both have the same floor when divided by ten, and then on. */
    memset(limbs, 0xff, sizeof(limbs));
    for (int exponent = -1; exponent >= POWER_MIN; exponent--) {
        uint64_t rest = 0;
        for (int i = LIMB_COUNT - 1; i >= 0; i--) {
            sl_uint128 part = (sl_uint128)rest << 64 | limbs[i];
            limbs[i] = (uint64_t)(part / 10);
            rest = (uint64_t)(part % 10);
        }
        set_power(exponent, top_bits(limbs, true));
    }
    __atomic_store_n(&powers_state, 1, __ATOMIC_RELEASE);
}

static struct power get_power(int exponent)
{
    if (__atomic_load_n(&powers_state, __ATOMIC_ACQUIRE) == 0) make_powers();
    const struct power *slot = &powers[exponent - POWER_MIN];
    return (struct power){ __atomic_load_n(&slot->high, __ATOMIC_RELAXED),
                           __atomic_load_n(&slot->low, __ATOMIC_RELAXED) };
}

/* ---- the shortest decimal ---- */

struct decimal {
    uint64_t digits;
    int exponent; /* value = digits * 10^exponent */
};

static uint64_t multiply_to_odd(struct power power, uint64_t x)
{
    uint64_t low = (uint64_t)((sl_uint128)power.low * x >> 64);
    sl_uint128 high = (sl_uint128)power.high * x + low;
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1 ? 1u : 0u);
}

static struct decimal shortest(uint64_t c, int q, bool lower_is_closer)
{
    bool is_odd = (c & 1) != 0;
    int k = (q * 1262611 - (lower_is_closer ? 524031 : 0)) >> 22;
    int shift = q + ((-k * 1741647) >> 19) + 1;
    struct power power = get_power(-k);
    uint64_t lower = multiply_to_odd(power, (4 * c - (lower_is_closer ? 1 : 2)) << shift);
    uint64_t value = multiply_to_odd(power, (4 * c) << shift);
    uint64_t upper = multiply_to_odd(power, (4 * c + 2) << shift);
    if (is_odd) {
        lower++;
        upper--;
    }
    uint64_t s = value / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below = lower <= 40 * tens;
        bool above = 40 * tens + 40 <= upper;
        if (below != above) return (struct decimal){ tens + (above ? 1 : 0), k + 1 };
    }
    bool below = lower <= 4 * s;
    bool above = 4 * s + 4 <= upper;
    if (below != above) return (struct decimal){ s + (above ? 1 : 0), k };
    uint64_t middle = 4 * s + 2;
    bool up = value > middle || (value == middle && (s & 1) != 0);
    return (struct decimal){ s + (up ? 1 : 0), k };
}

/* digits * 10^exponent as Python writes it: a point from 1e-04 to 1e+16, an exponent beyond. */
static char *put_decimal(char *to, struct decimal x)
{
    while (x.digits % 10 == 0 && x.digits != 0) {
        x.digits /= 10;
        x.exponent++;
    }
    char text[20];
    int count = (int)(sl_put_uint(text, x.digits) - text);
    int point = count + x.exponent; /* digits before the point */
    if (point > 16 || point < -3) {
        *to++ = text[0];
        if (count > 1) *to++ = '.';
        memcpy(to, text + 1, (size_t)count - 1);
        to += count - 1;
        int exponent = point - 1;
        *to++ = 'e';
        *to++ = exponent < 0 ? '-' : '+';
        if (exponent < 0) exponent = -exponent;
        if (exponent < 10) *to++ = '0';
        return sl_put_uint(to, (uint64_t)exponent);
    }
    if (point <= 0) {
        memcpy(to, "0.000", 5);
        to += 2 - point;
        memcpy(to, text, (size_t)count);
        return to + count;
    }
    if (point >= count) {
        memcpy(to, text, (size_t)count);
        memset(to + count, '0', (size_t)(point - count));
        to += point;
        *to++ = '.';
        *to++ = '0';
        return to;
    }
    memcpy(to, text, (size_t)point);
    to[point] = '.';
    memcpy(to + point + 1, text + point, (size_t)(count - point));
    return to + count + 1;
}

/* Three decimals are most of what programs log: when m / 1000 is x, m has at most 15 digits, and
 * no other decimal of 15 digits or fewer reads back as x, so this one is the shortest. */
static char *put_thousandths(char *to, uint64_t m)
{
    to = sl_put_uint(to, m / 1000);
    unsigned rest = (unsigned)(m % 1000);
    *to++ = '.';
    *to = (char)('0' + rest / 100);
    memcpy(to + 1, sl_two_digits + 2 * (rest % 100), 2);
    if (rest % 10 != 0) return to + 3;
    return to + (rest % 100 != 0 ? 2 : 1);
}

char *sl_put_double(char *to, double x)
{
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof(bits));
    if (bits >> 63 != 0) {
        *to++ = '-';
        x = -x;
    }
    if (x < 1e12) {
        uint64_t m = (uint64_t)(x * 1000.0 + 0.5);
        if ((double)m / 1000.0 == x) return put_thousandths(to, m);
    }
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0) return put_decimal(to, shortest(fraction, -1074, false));
    bool lower_is_closer = fraction == 0 && exponent > 1;
    return put_decimal(to,
                       shortest(fraction | UINT64_C(1) << 52, exponent - 1075, lower_is_closer));
}

char *sl_put_float(char *to, float x)
{
    uint32_t bits = 0;
    memcpy(&bits, &x, sizeof(bits));
    if (bits >> 31 != 0) *to++ = '-';
    uint32_t fraction = bits & ((UINT32_C(1) << 23) - 1);
    int exponent = (int)(bits >> 23 & 0xff);
    if (exponent == 0 && fraction == 0) {
        memcpy(to, "0.0", 3);
        return to + 3;
    }
    if (exponent == 0) return put_decimal(to, shortest(fraction, -149, false));
    bool lower_is_closer = fraction == 0 && exponent > 1;
    return put_decimal(to, shortest(fraction | UINT32_C(1) << 23, exponent - 150, lower_is_closer));
}
