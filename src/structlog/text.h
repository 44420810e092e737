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
    } else if (size >= 2) {
        memcpy(to, from, 2);
        memcpy(to + size - 2, from + size - 2, 2);
    } else if (size == 1) {
        *to = *from;
    }
    return to + size;
}

/* The same where SL_PUT_SLACK more bytes may be read and written: whole vectors. */
static inline char *sl_put_padded(char *to, const char *from, size_t size)
{
    memcpy(to, from, 16);
    for (size_t done = 16; done < size; done += 16) memcpy(to + done, from + done, 16);
    return to + size;
}

/* The inside of a JSON string: quotes, backslashes and controls escaped, UTF-8 passed on, each
 * maximal part of an invalid sequence replaced by U+FFFD. Writes at most SL_TEXT_GROWTH_MAX * size
 * bytes at `to` and scribbles over SL_PUT_SLACK more; returns the end. */
char *sl_put_json_text(char *to, const char *from, size_t size);

/* Not zero when one of eight bytes needs more than a copy: a control, a quote, a backslash, or
 * anything that is not ASCII. */
static inline uint64_t sl_special_of_8(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = x ^ ones * '"';
    uint64_t backslash = x ^ ones * '\\';
    /* Exact for ASCII; where another byte borrows, that one is special anyway. */
    uint64_t found = (x - ones * 0x20) | (quote - ones) | (backslash - ones);
    return (found | x) & ones * 0x80;
}

/* sl_put_json_text, the common short text without a call. */
static inline char *sl_put_short_text(char *to, const char *from, size_t size)
{
    uint64_t front = 0;
    uint64_t back = 0;
    if (size >= 8 && size <= 16) {
        memcpy(&front, from, 8);
        memcpy(&back, from + size - 8, 8);
        if ((sl_special_of_8(front) | sl_special_of_8(back)) == 0) {
            memcpy(to, &front, 8);
            memcpy(to + size - 8, &back, 8);
            return to + size;
        }
    } else if (size >= 4 && size < 8) {
        uint32_t low = 0;
        uint32_t high = 0;
        memcpy(&low, from, 4);
        memcpy(&high, from + size - 4, 4);
        if (sl_special_of_8((uint64_t)high << 32 | low) == 0) {
            memcpy(to, &low, 4);
            memcpy(to + size - 4, &high, 4);
            return to + size;
        }
    } else if (size > 0 && size < 4) {
        unsigned char a = (unsigned char)from[0];
        unsigned char b = (unsigned char)from[size / 2];
        unsigned char c = (unsigned char)from[size - 1];
        uint64_t all = UINT64_C(0x6161616161000000) | (uint64_t)c << 16 | (uint64_t)b << 8 | a;
        if (sl_special_of_8(all) == 0) {
            to[0] = (char)a;
            to[size / 2] = (char)b;
            to[size - 1] = (char)c;
            return to + size;
        }
    }
    return sl_put_json_text(to, from, size);
}

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
