/* literal.h - where a text may hold some bytes, whatever the case of letters.
 *
 * Most of what a scan reads holds nothing of what is looked for; this passes it over many bytes at
 * a time. It may stop too often, never too rarely: at the bytes themselves, at a backslash when the
 * text is as it stands in JSON (an escape may hide them), and at a character of another size that
 * becomes a letter of theirs in lower case (the sign of Kelvin a k, that of Ohm an omega), which
 * may stand inside of what is looked for.
 *
 * A byte of a letter beyond ASCII has up to three forms: its own and those of its other cases of
 * the same size. The forms of neighbours are not held together, so that a mixture of two letters
 * stops it as well.
 *
 * Threads: pure.
 */
#ifndef LOGSTORE_LITERAL_H
#define LOGSTORE_LITERAL_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define LITERAL_SIZE_MAX  64 /* more is not compared */
#define LITERAL_FORMS_MAX 3
#define LITERAL_ODD_MAX   4

struct literal_odd {
    char bytes[4]; /* of a character */
    size_t size;
};

struct literal {
    char bytes[LITERAL_SIZE_MAX]; /* in lower case */
    /* Other forms of a byte, or the same again. */
    char others[LITERAL_FORMS_MAX - 1][LITERAL_SIZE_MAX];
    size_t size; /* 0: stops everywhere */
    bool has_others;
    bool minds_escapes;
    struct literal_odd odd[LITERAL_ODD_MAX]; /* cases of another size */
    size_t odd_count;
};

/* Bytes of the character at `at` when it may be looked for; 0: none, or it has too many cases. */
size_t literal_character(struct str text, size_t at);

/* Bytes up to the first character that may not. */
void literal_init(struct literal *literal, struct str bytes, bool minds_escapes);

/* The first such place from `from` on, not behind the end of what is looked for; STR_NONE when
 * there is none. */
size_t literal_find(const struct literal *literal, struct str text, size_t from);

#endif
