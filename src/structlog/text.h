/* text.h - foreign bytes into lines: escaping that lets no byte break a line or a terminal. */
#ifndef STRUCTLOG_TEXT_H
#define STRUCTLOG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SL_TEXT_GROWTH_MAX 6  /* one byte becomes at most \u001f */
#define SL_PUT_SLACK       16 /* bytes behind the end that a put may scribble over */

/* Copies a few bytes without a call; reads only the `size` bytes, writes only them. */
static inline char *sl_put_bytes(char *to, const char *from, size_t size)
{
    if (size > 32) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        memcpy(to, from, 16);
        memcpy(to + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        memcpy(to, from, 8);
        memcpy(to + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(to, from, 4);
        memcpy(to + size - 4, from + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++) to[i] = from[i];
    }
    return to + size;
}

/* The inside of a JSON string: quotes, backslashes and controls escaped, UTF-8 passed on, each
 * maximal part of an invalid sequence replaced by U+FFFD. Writes at most SL_TEXT_GROWTH_MAX * size
 * bytes at `to` and scribbles over SL_PUT_SLACK more; returns the end. */
char *sl_put_json_text(char *to, const char *from, size_t size);

/* True when the text goes through sl_put_json_text unchanged. */
bool sl_text_is_plain(const char *from, size_t size);

/* For logfmt and console: bare when the text has nothing that needs quotes, otherwise in quotes
 * with the escapes of JSON; ESC and other controls become \u001b. Empty text is "". */
char *sl_put_quoted(char *to, const char *from, size_t size);
/* For console: never in quotes, controls escaped all the same. */
char *sl_put_visible(char *to, const char *from, size_t size);

/* Length of the valid UTF-8 sequence at `from`, 1 to 4; 0 when invalid, and then *skip is the
 * length of the maximal invalid part, at least 1. Reads at most `size` > 0 bytes.
 * Source: Unicode 15, section 3.9, table 3-7 and "U+FFFD Substitution of Maximal Subparts". */
size_t sl_utf8_length(const char *from, size_t size, size_t *skip);

/* `size` or a little less, so that no code point is cut. */
size_t sl_utf8_cut(const char *from, size_t size);

#endif
