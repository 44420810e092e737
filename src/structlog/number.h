/* number.h - numbers to text, without libc's locale and without allocation. */
#ifndef STRUCTLOG_NUMBER_H
#define STRUCTLOG_NUMBER_H

#include <stdint.h>
#include <string.h>

#define SL_NUMBER_SIZE_MAX 32 /* no number takes more */

extern const char sl_two_digits[201];       /* "000102...99" */
extern const uint64_t sl_powers_of_ten[20]; /* 1, 10, ... */

/* Each writes at `to`, without a NUL, and returns the place behind the last byte. */
char *sl_put_wide_uint(char *to, uint64_t x);

static inline unsigned sl_count_digits(uint64_t x)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(x | 1);
    unsigned digits = bits * 1233 >> 12; /* log10(2), near enough to be one too small at most */
    return digits + (x >= sl_powers_of_ten[digits] ? 1 : 0);
}

static inline char *sl_put_uint(char *to, uint64_t x)
{
    if (x < 10) {
        *to = (char)('0' + x);
        return to + 1;
    }
    if (x > UINT32_MAX) return sl_put_wide_uint(to, x);
    uint32_t rest = (uint32_t)x;
    char *end = to + sl_count_digits(x);
    char *at = end;
    while (rest >= 100) {
        at -= 2;
        memcpy(at, sl_two_digits + 2 * (rest % 100), 2);
        rest /= 100;
    }
    if (rest >= 10) {
        memcpy(at - 2, sl_two_digits + 2 * rest, 2);
    } else {
        at[-1] = (char)('0' + rest);
    }
    return end;
}

static inline char *sl_put_int(char *to, int64_t x)
{
    if (x >= 0) return sl_put_uint(to, (uint64_t)x);
    *to = '-';
    return sl_put_uint(to + 1, 0u - (uint64_t)x);
}

/* The shortest decimal that reads back as x, in the form of Python's repr: 0.1, 3.0, 1e-05, 1e+21.
 * x is finite. Source: R. Giulietti, "The Schubfach way to render doubles", 2020. */
char *sl_put_double(char *to, double x);
char *sl_put_float(char *to, float x);

char *sl_put_hex(char *to, uint64_t x); /* 0x1f */

#endif
