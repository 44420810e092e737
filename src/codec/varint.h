/* varint.h - LEB128 numbers and fixed little-endian ones, each read with its bounds checked.
 *
 * Threads: pure.
 */
#ifndef CODEC_VARINT_H
#define CODEC_VARINT_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define VARINT_SIZE_MAX 10

static inline uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Writes into at least VARINT_SIZE_MAX bytes; returns the size. */
size_t varint_encode(uint64_t value, unsigned char *bytes);
void varint_append(struct buf *out, uint64_t value);
void varint_append_signed(struct buf *out, int64_t value); /* zigzag */

/* Of any size; for varint_take alone. */
bool varint_take_long(struct str *rest, uint64_t *value) MUST_CHECK;

/* Takes a number off the front; false (nothing changed) when it is cut or too long. */
MUST_CHECK static inline bool varint_take(struct str *rest, uint64_t *value)
{
    /* Most are of one byte or two: tags, short lengths, numbers of texts. */
    const unsigned char *bytes = (const unsigned char *)rest->data;
    if (rest->size > 0 && bytes[0] < 0x80) {
        *value = bytes[0];
        *rest = str_skip(*rest, 1);
        return true;
    }
    if (rest->size > 1 && bytes[1] < 0x80) {
        *value = (uint64_t)(bytes[0] & 0x7F) | (uint64_t)bytes[1] << 7;
        *rest = str_skip(*rest, 2);
        return true;
    }
    return varint_take_long(rest, value);
}

bool varint_take_signed(struct str *rest, int64_t *value) MUST_CHECK;

/* A length and that many bytes. */
void varint_append_bytes(struct buf *out, struct str bytes);
bool varint_take_bytes(struct str *rest, struct str *bytes) MUST_CHECK;

/* Fixed width, little endian. */
void fixed32_append(struct buf *out, uint32_t value);
void fixed64_append(struct buf *out, uint64_t value);
bool fixed32_take(struct str *rest, uint32_t *value) MUST_CHECK;
bool fixed64_take(struct str *rest, uint64_t *value) MUST_CHECK;
/* 4 bytes must be there. */
static inline uint32_t fixed32_read(const void *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t fixed64_read(const void *bytes); /* 8 bytes must be there */
void fixed32_write(void *bytes, uint32_t value);
void fixed64_write(void *bytes, uint64_t value);

#endif
