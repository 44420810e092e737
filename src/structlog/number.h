/* number.h - numbers to text, without libc's locale and without allocation. */
#ifndef STRUCTLOG_NUMBER_H
#define STRUCTLOG_NUMBER_H

#include <stdint.h>

#define SL_NUMBER_SIZE_MAX 32 /* no number takes more */

extern const char sl_two_digits[201]; /* "000102...99" */

/* Each writes at `to`, without a NUL, and returns the place behind the last byte. */
char *sl_put_uint(char *to, uint64_t x);
char *sl_put_int(char *to, int64_t x);

/* The shortest decimal that reads back as x, in the form of Python's repr: 0.1, 3.0, 1e-05, 1e+21.
 * x is finite. Source: R. Giulietti, "The Schubfach way to render doubles", 2020. */
char *sl_put_double(char *to, double x);
char *sl_put_float(char *to, float x);

char *sl_put_hex(char *to, uint64_t x); /* 0x1f */

#endif
