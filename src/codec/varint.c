/* varint.c - seven bits a byte, low ones first; the high bit says that more follow. */
#include "codec/varint.h"

size_t varint_encode(uint64_t value, unsigned char *bytes)
{
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (unsigned char)value;
    return size;
}

void varint_append(struct buf *out, uint64_t value)
{
    if (!out->has_failed && out->capacity - out->size >= VARINT_SIZE_MAX) {
        out->size += varint_encode(value, (unsigned char *)out->data + out->size);
        return;
    }
    unsigned char bytes[VARINT_SIZE_MAX];
    buf_append(out, bytes, varint_encode(value, bytes));
}

void varint_append_signed(struct buf *out, int64_t value)
{
    varint_append(out, zigzag(value));
}

bool varint_take_long(struct str *rest, uint64_t *value)
{
    uint64_t number = 0;
    for (size_t i = 0; i < rest->size && i < VARINT_SIZE_MAX; i++) {
        uint64_t byte = (unsigned char)rest->data[i];
        if (i == VARINT_SIZE_MAX - 1 && byte > 1) return false; /* more than 64 bits */
        number |= (byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *rest = str_skip(*rest, i + 1);
            *value = number;
            return true;
        }
    }
    return false;
}

bool varint_take_signed(struct str *rest, int64_t *value)
{
    uint64_t number;
    if (!varint_take(rest, &number)) return false;
    *value = unzigzag(number);
    return true;
}

void varint_append_bytes(struct buf *out, struct str bytes)
{
    varint_append(out, bytes.size);
    buf_append_str(out, bytes);
}

bool varint_take_bytes(struct str *rest, struct str *bytes)
{
    struct str after = *rest;
    uint64_t size;
    if (!varint_take(&after, &size) || size > after.size) return false;
    *bytes = str_first(after, (size_t)size);
    *rest = str_skip(after, (size_t)size);
    return true;
}

uint64_t fixed64_read(const void *bytes)
{
    const unsigned char *b = bytes;
    return (uint64_t)fixed32_read(b) | (uint64_t)fixed32_read(b + 4) << 32;
}

void fixed32_write(void *bytes, uint32_t value)
{
    unsigned char *b = bytes;
    for (int i = 0; i < 4; i++) b[i] = (unsigned char)(value >> (8 * i));
}

void fixed64_write(void *bytes, uint64_t value)
{
    unsigned char *b = bytes;
    for (int i = 0; i < 8; i++) b[i] = (unsigned char)(value >> (8 * i));
}

void fixed32_append(struct buf *out, uint32_t value)
{
    void *room = buf_reserve(out, sizeof(value));
    if (room == NULL) return;
    fixed32_write(room, value);
    out->size += sizeof(value);
}

void fixed64_append(struct buf *out, uint64_t value)
{
    void *room = buf_reserve(out, sizeof(value));
    if (room == NULL) return;
    fixed64_write(room, value);
    out->size += sizeof(value);
}

bool fixed32_take(struct str *rest, uint32_t *value)
{
    if (rest->size < 4) return false;
    *value = fixed32_read(rest->data);
    *rest = str_skip(*rest, 4);
    return true;
}

bool fixed64_take(struct str *rest, uint64_t *value)
{
    if (rest->size < 8) return false;
    *value = fixed64_read(rest->data);
    *rest = str_skip(*rest, 8);
    return true;
}
