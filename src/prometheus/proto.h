/* proto.h - the protobuf wire format, written: tags, varints, messages within messages.
 *
 * A message's size stands before it. A message is begun with one byte for its size; when it turns
 * out longer, what was written moves by the bytes that are missing.
 */
#ifndef PROMETHEUS_PROTO_H
#define PROMETHEUS_PROTO_H

#include "prometheus/emit.h"

/* All write into the emitter's buffer, which grows; after a failure they do nothing. */
void pm_proto_uint(struct pm_emit *emit, unsigned field, uint64_t value);
void pm_proto_sint(struct pm_emit *emit, unsigned field, int64_t value); /* zigzag */
void pm_proto_double(struct pm_emit *emit, unsigned field, double value);
void pm_proto_bytes(struct pm_emit *emit, unsigned field, const char *data, size_t size);
void pm_proto_varint(struct pm_emit *emit, uint64_t value);

/* field 0: only the size, as it stands before a whole message. Returns what _end wants. */
size_t pm_proto_begin(struct pm_emit *emit, unsigned field);
void pm_proto_end(struct pm_emit *emit, size_t begun);

static inline uint64_t pm_proto_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

#endif
