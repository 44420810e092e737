/* number.h - numbers as text: whole ones exactly, doubles as short as they read back. */
#ifndef PROMETHEUS_NUMBER_H
#define PROMETHEUS_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { NUMBER_SIZE_MAX = 32 };

/* Both write at most NUMBER_SIZE_MAX bytes, no NUL, and return the size. No locale, no errno. */
size_t pm_number_print_u64(char *text, uint64_t value);
size_t pm_number_print_double(char *text, double value); /* Go's strconv 'g', -1 */

#endif
