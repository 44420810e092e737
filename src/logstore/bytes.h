/* bytes.h - numbers in our files: little endian, fixed width, or varint; inside this folder. */
#ifndef LOGSTORE_BYTES_H
#define LOGSTORE_BYTES_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little endian");

static inline uint16_t bytes_get16(const void *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t bytes_get32(const void *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t bytes_get64(const void *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* Whether two runs of bytes are the same: words that may overlap are quicker than a call, for most
 * of what is compared here is short. */
static inline bool bytes_same(const char *a, const char *b, size_t size)
{
    if (size >= 8) {
        for (size_t i = 0; i + 8 < size; i += 8) {
            if (bytes_get64(a + i) != bytes_get64(b + i)) return false;
        }
        return bytes_get64(a + size - 8) == bytes_get64(b + size - 8);
    }
    if (size >= 4) {
        return bytes_get32(a) == bytes_get32(b) &&
               bytes_get32(a + size - 4) == bytes_get32(b + size - 4);
    }
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i]) return false;
    }
    return true;
}

static inline void bytes_put32(struct buf *out, uint32_t value)
{
    buf_append(out, &value, sizeof(value));
}

static inline void bytes_put64(struct buf *out, uint64_t value)
{
    buf_append(out, &value, sizeof(value));
}

static inline void bytes_put_varint(struct buf *out, uint64_t value)
{
    unsigned char bytes[10];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (unsigned char)value;
    buf_append(out, bytes, size);
}

/* Reads from *rest and moves it on; false at its end or when it does not fit. */
static inline bool bytes_take_varint(struct str *rest, uint64_t *value)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (rest->size == 0) return false;
        unsigned char byte = (unsigned char)rest->data[0];
        *rest = str_skip(*rest, 1);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = number;
            return true;
        }
    }
    return false;
}

static inline bool bytes_take32(struct str *rest, uint32_t *value)
{
    if (rest->size < sizeof(*value)) return false;
    *value = bytes_get32(rest->data);
    *rest = str_skip(*rest, sizeof(*value));
    return true;
}

static inline bool bytes_take64(struct str *rest, uint64_t *value)
{
    if (rest->size < sizeof(*value)) return false;
    *value = bytes_get64(rest->data);
    *rest = str_skip(*rest, sizeof(*value));
    return true;
}

static inline bool bytes_take(struct str *rest, size_t size, struct str *taken)
{
    if (rest->size < size) return false;
    *taken = str_first(*rest, size);
    *rest = str_skip(*rest, size);
    return true;
}

/* A varint length and that many bytes. */
static inline bool bytes_take_text(struct str *rest, struct str *text)
{
    uint64_t size;
    return bytes_take_varint(rest, &size) && size <= rest->size &&
           bytes_take(rest, (size_t)size, text);
}

static inline void bytes_put_text(struct buf *out, struct str text)
{
    bytes_put_varint(out, text.size);
    buf_append_str(out, text);
}

#endif
