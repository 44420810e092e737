/* literal.h - where a text may hold some bytes, whatever the case of letters: of ASCII, and of
 * scripts that have no cases.
 *
 * Most of what a scan reads holds nothing of what is looked for; this passes it over many bytes at
 * a time. It may stop too often, never too rarely: at the bytes themselves, at a backslash when the
 * text is as it stands in JSON (an escape may hide them), and at what is not ASCII when that may
 * become a letter of theirs in lower case (the sign of Kelvin a k, the I with a dot an i).
 *
 * Threads: pure.
 */
#ifndef LOGSTORE_LITERAL_H
#define LOGSTORE_LITERAL_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define LITERAL_SIZE_MAX 64 /* more is not compared */

struct literal {
    char bytes[LITERAL_SIZE_MAX]; /* in lower case */
    size_t size;                  /* 0: stops everywhere */
    bool minds_escapes;
    bool minds_more; /* than ASCII */
};

/* Bytes of the character at `at` that may be looked for as they are; 0: none, it has a case. */
size_t literal_character(struct str text, size_t at);

/* Bytes up to the first character that may not. */
void literal_init(struct literal *literal, struct str bytes, bool minds_escapes);

/* The first such place from `from` on; STR_NONE when there is none. */
size_t literal_find(const struct literal *literal, struct str text, size_t from);

#endif
