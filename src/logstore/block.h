/* block.h - one compressed run of bytes, kept as it is when packing does not help. */
#ifndef LOGSTORE_BLOCK_H
#define LOGSTORE_BLOCK_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

/* Appends the bytes packed, or as they are when that is not smaller: a reader who knows the size
 * that went in sees by the size that came out. block_compress is lz4, for small blocks that are
 * looked at often; block_compress_source is zstd, for documents. */
int block_compress(struct str raw, struct buf *out, struct error *error) MUST_CHECK;
int block_compress_source(struct str raw, struct buf *out, struct error *error) MUST_CHECK;

/* Appends the raw_size bytes that were packed. ERROR_CORRUPT when they are not. */
int block_expand(struct str stored, size_t raw_size, struct buf *out,
                 struct error *error) MUST_CHECK;
int block_expand_source(struct str stored, size_t raw_size, struct buf *out,
                        struct error *error) MUST_CHECK;

#endif
