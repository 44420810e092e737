/* compress.h - whole buffers packed and unpacked.
 *
 * Every unpack appends to `out`, whose size_max bounds what comes out, so that no bomb goes off:
 * past it ERROR_LIMIT; broken input is ERROR_CORRUPT. A pack wants room for the worst case,
 * a little more than what comes in. On failure out is as before.
 * Threads: pure; any thread.
 */
#ifndef CODEC_COMPRESS_H
#define CODEC_COMPRESS_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

int gzip_pack(struct str bytes, int level, struct buf *out, struct error *error) MUST_CHECK;
int gzip_unpack(struct str bytes, struct buf *out,
                struct error *error) MUST_CHECK; /* members too */
int zlib_unpack(struct str bytes, struct buf *out, struct error *error) MUST_CHECK; /* "deflate" */

int zstd_pack(struct str bytes, int level, struct buf *out, struct error *error) MUST_CHECK;
int zstd_unpack(struct str bytes, struct buf *out, struct error *error) MUST_CHECK;

/* For many short runs of bytes, one after the other: keeps zstd's tables. One thread. */
struct zstd_packer;
int zstd_packer_new(struct zstd_packer **packer_out, int level, struct error *error) MUST_CHECK;
void zstd_packer_free(struct zstd_packer *packer); /* NULL is fine */
int zstd_packer_pack(struct zstd_packer *packer, struct str bytes, struct buf *out,
                     struct error *error) MUST_CHECK;
/* The way back. One frame whose size is known: `size` bytes are appended, or ERROR_CORRUPT. */
struct zstd_unpacker;
int zstd_unpacker_new(struct zstd_unpacker **unpacker_out, struct error *error) MUST_CHECK;
void zstd_unpacker_free(struct zstd_unpacker *unpacker); /* NULL is fine */
int zstd_unpacker_unpack(struct zstd_unpacker *unpacker, struct str bytes, size_t size,
                         struct buf *out, struct error *error) MUST_CHECK;

/* The block format, as remote write sends it. */
int snappy_pack(struct str bytes, struct buf *out, struct error *error) MUST_CHECK;
int snappy_unpack(struct str bytes, struct buf *out, struct error *error) MUST_CHECK;

int lz4_pack(struct str bytes, struct buf *out, struct error *error) MUST_CHECK;
/* size: what lz4_pack was given, kept beside. */
int lz4_unpack(struct str bytes, size_t size, struct buf *out, struct error *error) MUST_CHECK;

#endif
