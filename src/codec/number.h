/* number.h - doubles to text and back: shortest that reads back the same, never the locale's.
 *
 * Threads: pure; any thread. Allocates nothing.
 */
#ifndef CODEC_NUMBER_H
#define CODEC_NUMBER_H

#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_SIZE_MAX 400 /* 'f' of the smallest double is some 340 characters */

/* All print without a NUL into NUMBER_SIZE_MAX bytes and return the size. Special values are
 * NaN, +Inf and -Inf. */

/* Go's FormatFloat(v, 'f', -1, 64): never an exponent. Prometheus prints count_values so. */
size_t number_print_plain(double value, char *text);

/* Go's FormatFloat(v, 'g', -1, 64): exponent below 1e-4 and from 1e6, at least two digits. The
 * text formats use it. */
size_t number_print_go(double value, char *text);

/* Go's fmt.Sprint(v): exponent below 1e-4 and from 1e21, at least two digits. */
size_t number_print_go_plain(double value, char *text);

/* Prometheus' JSON: plain from 1e-6 up to below 1e21, else exponent with at least two digits. */
size_t number_print_api(double value, char *text);

/* A JSON number: as number_print_api, but an exponent has no leading zero, and whole numbers below
 * 1e21 have no fraction, but -0.0 has one: readers take "-0" for the integer 0. value must be
 * finite. */
size_t number_print_json(double value, char *text);

/* Java's Double.toString, as Elasticsearch prints doubles: "1.0", "1.0E10", "NaN", "Infinity". */
size_t number_print_java(double value, char *text);

/*
 * The whole text as Go's ParseFloat reads it: decimal, exponent, hexadecimal floats, Inf, +Inf,
 * -Infinity and NaN in any case; no blanks, no underscores. Too large gives infinity.
 * False (value untouched) when it is not a number.
 */
bool number_parse(struct str text, double *value) MUST_CHECK;

#endif
