/* protobuf.h - the wire format of protocol buffers: fields one after the other, no schema.
 *
 *     struct protobuf_field field;
 *     int code;
 *     while ((code = protobuf_next(&rest, &field, error)) == 1) switch (field.number) ...
 *
 * Source:  Protocol Buffers documentation, "Encoding".
 * Threads: pure.
 */
#ifndef CODEC_PROTOBUF_H
#define CODEC_PROTOBUF_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t value;   /* VARINT, FIXED64, FIXED32 */
    struct str bytes; /* BYTES: text, message or packed numbers */
};

/* 1 with *field, 0 at the end, or ERROR_PARSE. Groups are not taken. */
int protobuf_next(struct str *rest, struct protobuf_field *field, struct error *error) MUST_CHECK;

double protobuf_double(const struct protobuf_field *field);  /* of FIXED64 */
int64_t protobuf_signed(const struct protobuf_field *field); /* sint: zigzag */

void protobuf_put_varint(struct buf *out, uint32_t number, uint64_t value);
void protobuf_put_signed(struct buf *out, uint32_t number, int64_t value); /* sint: zigzag */
void protobuf_put_double(struct buf *out, uint32_t number, double value);
void protobuf_put_bytes(struct buf *out, uint32_t number, struct str bytes);

/* A nested message: begin returns a mark, end puts the length before what was written since. */
size_t protobuf_message_begin(struct buf *out, uint32_t number);
void protobuf_message_end(struct buf *out, size_t mark);

#endif
