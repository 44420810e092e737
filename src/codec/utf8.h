/* utf8.h - characters in bytes: RFC 3629, no surrogates, no overlong forms. Threads: pure. */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the valid prefix; text.size when all of it is valid. */
size_t utf8_valid_size(struct str text);

static inline bool utf8_is_valid(struct str text)
{
    return utf8_valid_size(text) == text.size;
}

/* Takes one character; 0 at the end; a broken byte is taken alone and gives U+FFFD. */
uint32_t utf8_take(struct str *rest);

size_t utf8_count(struct str text);                   /* characters */
size_t utf8_valid_count(struct str text);             /* the same of a valid text, in less time */
size_t utf8_encode(uint32_t character, char *bytes);  /* 1 to 4 bytes; 0 when it is not one */
size_t utf8_from_hex(struct str digits, char *bytes); /* the first four digits, as behind \u: 1 to 3
                                                         bytes, half a pair as U+FFFD; 0 when they
                                                         are none */
void utf8_append(struct buf *out, uint32_t character);
void utf8_append_clean(struct buf *out, struct str text); /* each broken byte as U+FFFD */

#endif
