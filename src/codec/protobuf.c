/* protobuf.c - tags, varints and lengths. */
#include "codec/protobuf.h"

#include "codec/varint.h"

#include <string.h>

int protobuf_next(struct str *rest, struct protobuf_field *field, struct error *error)
{
    if (rest->size == 0) return 0;
    struct str after = *rest;
    uint64_t tag;
    if (!varint_take(&after, &tag) || tag >> 3 == 0 || tag >> 3 > (UINT32_MAX >> 3)) {
        return error_set(error, ERROR_PARSE, "bad protobuf: a tag is broken");
    }
    struct protobuf_field found = { .number = (uint32_t)(tag >> 3) };
    uint32_t word;
    bool is_whole = false;
    switch (tag & 7) {
    case PROTOBUF_VARINT:
        found.wire = PROTOBUF_VARINT;
        is_whole = varint_take(&after, &found.value);
        break;
    case PROTOBUF_FIXED64:
        found.wire = PROTOBUF_FIXED64;
        is_whole = fixed64_take(&after, &found.value);
        break;
    case PROTOBUF_BYTES:
        found.wire = PROTOBUF_BYTES;
        is_whole = varint_take_bytes(&after, &found.bytes);
        break;
    case PROTOBUF_FIXED32:
        found.wire = PROTOBUF_FIXED32;
        is_whole = fixed32_take(&after, &word);
        if (is_whole) found.value = word;
        break;
    default:
        return error_set(error, ERROR_PARSE, "bad protobuf: field %u has wire type %u",
                         found.number, (unsigned)(tag & 7));
    }
    if (!is_whole) {
        return error_set(error, ERROR_PARSE, "bad protobuf: field %u is cut short", found.number);
    }
    *rest = after;
    *field = found;
    return 1;
}

double protobuf_double(const struct protobuf_field *field)
{
    double value;
    memcpy(&value, &field->value, sizeof(value));
    return value;
}

int64_t protobuf_signed(const struct protobuf_field *field)
{
    return unzigzag(field->value);
}

static void put_tag(struct buf *out, uint32_t number, enum protobuf_wire wire)
{
    varint_append(out, (uint64_t)number << 3 | (uint64_t)wire);
}

void protobuf_put_varint(struct buf *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, PROTOBUF_VARINT);
    varint_append(out, value);
}

void protobuf_put_signed(struct buf *out, uint32_t number, int64_t value)
{
    protobuf_put_varint(out, number, zigzag(value));
}

void protobuf_put_double(struct buf *out, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_tag(out, number, PROTOBUF_FIXED64);
    fixed64_append(out, bits);
}

void protobuf_put_bytes(struct buf *out, uint32_t number, struct str bytes)
{
    put_tag(out, number, PROTOBUF_BYTES);
    varint_append_bytes(out, bytes);
}

size_t protobuf_message_begin(struct buf *out, uint32_t number)
{
    put_tag(out, number, PROTOBUF_BYTES);
    return out->size;
}

void protobuf_message_end(struct buf *out, size_t mark)
{
    unsigned char length[VARINT_SIZE_MAX];
    size_t size = out->size - mark;
    size_t length_size = varint_encode(size, length);
    if (buf_reserve(out, length_size) == NULL) return;
    memmove(out->data + mark + length_size, out->data + mark, size);
    memcpy(out->data + mark, length, length_size);
    out->size += length_size;
}
