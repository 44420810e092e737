/* proto.c - the protobuf wire format, written. */
#include "prometheus/proto.h"

#include <string.h>

enum { VARINT_MAX = 10, WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static size_t print_varint(char *to, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        to[size++] = (char)(value | 0x80);
        value >>= 7;
    }
    to[size++] = (char)value;
    return size;
}

void pm_proto_varint(struct pm_emit *emit, uint64_t value)
{
    char *to = pm_emit_room(emit, VARINT_MAX);
    if (to != NULL) emit->used += print_varint(to, value);
}

static void put_tag(struct pm_emit *emit, unsigned field, unsigned wire)
{
    pm_proto_varint(emit, (uint64_t)field << 3 | wire);
}

void pm_proto_uint(struct pm_emit *emit, unsigned field, uint64_t value)
{
    put_tag(emit, field, WIRE_VARINT);
    pm_proto_varint(emit, value);
}

void pm_proto_sint(struct pm_emit *emit, unsigned field, int64_t value)
{
    pm_proto_uint(emit, field, pm_proto_zigzag(value));
}

void pm_proto_double(struct pm_emit *emit, unsigned field, double value)
{
    put_tag(emit, field, WIRE_FIXED64);
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    char *to = pm_emit_room(emit, sizeof(bits));
    if (to == NULL) return;
    for (size_t i = 0; i < sizeof(bits); i++) to[i] = (char)(bits >> (8 * i)); /* little endian */
    emit->used += sizeof(bits);
}

void pm_proto_bytes(struct pm_emit *emit, unsigned field, const char *data, size_t size)
{
    put_tag(emit, field, WIRE_BYTES);
    pm_proto_varint(emit, size);
    pm_emit_bytes(emit, data, size);
}

size_t pm_proto_begin(struct pm_emit *emit, unsigned field)
{
    if (field != 0) put_tag(emit, field, WIRE_BYTES);
    pm_emit_bytes(emit, "", 1);
    return emit->used;
}

void pm_proto_end(struct pm_emit *emit, size_t begun)
{
    if (emit->code < 0 || begun == 0 || begun > emit->used) return;
    char size_text[VARINT_MAX];
    size_t size = emit->used - begun;
    size_t needed = print_varint(size_text, size);
    if (pm_emit_room(emit, needed) == NULL) return;
    char *at = emit->data + begun;
    if (needed > 1) memmove(at + needed - 1, at, size);
    memcpy(at - 1, size_text, needed);
    emit->used += needed - 1;
}
