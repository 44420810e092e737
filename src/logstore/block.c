/* block.c - one compressed run of bytes, kept as it is when packing does not help. */
#include "logstore/block.h"

#include "codec/compress.h"

#include <errno.h>

#define SMALL_SIZE   64 /* below it packing never pays */
#define SOURCE_LEVEL 1

static int keep_smaller(struct str raw, size_t start, struct buf *out, struct error *error)
{
    if (!out->has_failed && out->size - start >= raw.size) {
        buf_truncate(out, start);
        buf_append_str(out, raw);
    }
    return out->has_failed ? error_set(error, -ENOMEM, "pack a block: out of memory") : 0;
}

int block_compress(struct str raw, struct buf *out, struct error *error)
{
    size_t start = out->size;
    if (raw.size >= SMALL_SIZE) {
        int code = lz4_pack(raw, out, error);
        if (code < 0) return code;
    } else {
        buf_append_str(out, raw);
    }
    return keep_smaller(raw, start, out, error);
}

int block_compress_source(struct str raw, struct buf *out, struct error *error)
{
    size_t start = out->size;
    int code = zstd_pack(raw, SOURCE_LEVEL, out, error);
    return code < 0 ? code : keep_smaller(raw, start, out, error);
}

static int expand(struct str stored, size_t raw_size, struct buf *out, bool is_source,
                  struct error *error)
{
    size_t start = out->size;
    if (stored.size == raw_size) {
        buf_append_str(out, stored);
        return out->has_failed ? error_set(error, -ENOMEM, "unpack a block: out of memory") : 0;
    }
    int code =
        is_source ? zstd_unpack(stored, out, error) : lz4_unpack(stored, raw_size, out, error);
    if (code < 0) return code;
    if (out->size - start == raw_size) return 0;
    buf_truncate(out, start);
    return error_set(error, ERROR_CORRUPT, "block holds another number of bytes than it says");
}

int block_expand(struct str stored, size_t raw_size, struct buf *out, struct error *error)
{
    return expand(stored, raw_size, out, false, error);
}

int block_expand_source(struct str stored, size_t raw_size, struct buf *out, struct error *error)
{
    return expand(stored, raw_size, out, true, error);
}
