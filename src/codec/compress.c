/* compress.c - the libraries behind one shape: append to a bounded buffer or say why not. */
#include "codec/compress.h"

#include "base/check.h"
#include "codec/varint.h"

#include <errno.h>
#include <libdeflate.h>
#include <lz4.h>
#include <snappy-c.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Says that there is no room, and lets the buffer forget that it was asked. */
static int fail_room(struct buf *out, const char *format_name, struct error *error)
{
    out->has_failed = false;
    return error_set(error, ERROR_LIMIT, "%s: more than %zu bytes", format_name, out->size_max);
}

int gzip_pack(struct str bytes, int level, struct buf *out, struct error *error)
{
    struct libdeflate_compressor *packer = libdeflate_alloc_compressor(level);
    if (packer == NULL) return error_set(error, -ENOMEM, "gzip: no memory");
    size_t bound = libdeflate_gzip_compress_bound(packer, bytes.size);
    char *room = buf_reserve(out, bound);
    size_t size =
        room == NULL ? 0 : libdeflate_gzip_compress(packer, bytes.data, bytes.size, room, bound);
    libdeflate_free_compressor(packer);
    if (room == NULL) return fail_room(out, "gzip", error);
    CHECK(size > 0);
    out->size += size;
    return 0;
}

/* Room for the next piece: doubling what came so far, up to the maximum. NULL when full. */
static char *next_room(struct buf *out, size_t before, size_t *size)
{
    size_t left = out->size_max - out->size;
    size_t wanted = out->size - before < 16384 ? 16384 : out->size - before;
    *size = wanted < left ? wanted : left;
    return *size == 0 ? NULL : buf_reserve(out, *size);
}

/* Whether the stream would give more than the maximum, told by asking it for one byte more. */
static int inflate_step(z_stream *stream, struct buf *out, size_t before, struct error *error)
{
    size_t size;
    char spare;
    char *room = next_room(out, before, &size);
    bool is_full = room == NULL;
    if (is_full && out->has_failed) return error_set(error, -ENOMEM, "gzip: no memory");
    stream->next_out = is_full ? (Bytef *)&spare : (Bytef *)room;
    stream->avail_out = is_full ? 1 : (uInt)(size > UINT32_MAX ? UINT32_MAX : size);
    uInt offered = stream->avail_out;
    int status = inflate(stream, Z_NO_FLUSH);
    uInt made = offered - stream->avail_out;
    if (is_full && made > 0) return fail_room(out, "gzip", error);
    if (!is_full) out->size += made;
    if (status == Z_MEM_ERROR) return error_set(error, -ENOMEM, "gzip: no memory");
    if (status == Z_BUF_ERROR && made > 0) return 0;
    if (status != Z_OK && status != Z_STREAM_END) {
        return error_set(error, ERROR_CORRUPT, "gzip: %s",
                         stream->msg != NULL ? stream->msg : "cut short");
    }
    return status == Z_STREAM_END ? 1 : 0;
}

static int inflate_all(struct str bytes, int window_bits, struct buf *out, struct error *error)
{
    if (bytes.size > UINT32_MAX) return error_set(error, ERROR_LIMIT, "gzip: input over 4 GiB");
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)bytes.data, .avail_in = (uInt)bytes.size };
    if (inflateInit2(&stream, window_bits) != Z_OK)
        return error_set(error, -ENOMEM, "gzip: no memory");
    size_t before = out->size;
    int code = 0;
    do {
        code = inflate_step(&stream, out, before, error);
        /* Another gzip member may follow the one that ended. */
        if (code == 1 && stream.avail_in > 0 && window_bits > 15) {
            code =
                inflateReset(&stream) == Z_OK ? 0 : error_set(error, ERROR_CORRUPT, "gzip: broken");
        }
    } while (code == 0);
    (void)inflateEnd(&stream);
    if (code < 0) {
        out->has_failed = false;
        buf_truncate(out, before);
    }
    return code < 0 ? code : 0;
}

#define GZIP_RATIO_MAX 1032 /* deflate makes no more of a byte */

/* The quick way, for one whole member whose last four bytes tell the truth about its size. False,
 * out as before, when it is anything else: the patient way then says what. */
static bool unpack_member(struct str bytes, struct buf *out)
{
    if (bytes.size < 18) return false; /* the smallest header and trailer */
    size_t size = fixed32_read(bytes.data + bytes.size - 4);
    if (size == 0 || size / GZIP_RATIO_MAX > bytes.size) return false;
    if (size > out->size_max - out->size) return false;
    char *room = buf_reserve(out, size);
    struct libdeflate_decompressor *unpacker = libdeflate_alloc_decompressor();
    size_t taken = 0;
    bool is_good = room != NULL && unpacker != NULL &&
                   libdeflate_gzip_decompress_ex(unpacker, bytes.data, bytes.size, room, size,
                                                 &taken, NULL) == LIBDEFLATE_SUCCESS &&
                   taken == bytes.size;
    libdeflate_free_decompressor(unpacker);
    if (room == NULL) out->has_failed = false;
    if (is_good) out->size += size;
    return is_good;
}

int gzip_unpack(struct str bytes, struct buf *out, struct error *error)
{
    if (unpack_member(bytes, out)) return 0;
    return inflate_all(bytes, 15 + 16, out, error);
}

int zlib_unpack(struct str bytes, struct buf *out, struct error *error)
{
    return inflate_all(bytes, 15, out, error);
}

int zstd_pack(struct str bytes, int level, struct buf *out, struct error *error)
{
    size_t bound = ZSTD_compressBound(bytes.size);
    char *room = buf_reserve(out, bound);
    if (room == NULL) return fail_room(out, "zstd", error);
    size_t size = ZSTD_compress(room, bound, bytes.data, bytes.size, level);
    if (ZSTD_isError(size)) return error_set(error, -ENOMEM, "zstd: %s", ZSTD_getErrorName(size));
    out->size += size;
    return 0;
}

/* Frames of unknown size are taken piece by piece, so that the maximum holds without trust. */
int zstd_unpack(struct str bytes, struct buf *out, struct error *error)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL) return error_set(error, -ENOMEM, "zstd: no memory");
    size_t before = out->size;
    ZSTD_inBuffer in = { bytes.data, bytes.size, 0 };
    size_t hint = 1;
    int code = 0;
    while (code == 0 && (in.pos < in.size || hint != 0)) {
        size_t size;
        char spare;
        char *room = next_room(out, before, &size);
        ZSTD_outBuffer piece = { room == NULL ? &spare : room, room == NULL ? 1 : size, 0 };
        size_t in_before = in.pos;
        hint = ZSTD_decompressStream(stream, &piece, &in);
        if (ZSTD_isError(hint)) {
            code = error_set(error, ERROR_CORRUPT, "zstd: %s", ZSTD_getErrorName(hint));
        } else if (room == NULL && piece.pos > 0) {
            code = fail_room(out, "zstd", error);
        } else if (room != NULL) {
            out->size += piece.pos;
        }
        if (code == 0 && hint != 0 && piece.pos == 0 && in.pos == in_before) {
            code = error_set(error, ERROR_CORRUPT, "zstd: cut short");
        }
    }
    (void)ZSTD_freeDStream(stream);
    if (code != 0) {
        out->has_failed = false;
        buf_truncate(out, before);
    }
    return code;
}

struct zstd_packer {
    ZSTD_CCtx *context;
    int level;
};

int zstd_packer_new(struct zstd_packer **packer_out, int level, struct error *error)
{
    struct zstd_packer *packer = calloc(1, sizeof(*packer));
    if (packer != NULL) packer->context = ZSTD_createCCtx();
    if (packer == NULL || packer->context == NULL) {
        free(packer);
        return error_set(error, -ENOMEM, "zstd: no memory");
    }
    packer->level = level;
    *packer_out = packer;
    return 0;
}

void zstd_packer_free(struct zstd_packer *packer)
{
    if (packer == NULL) return;
    (void)ZSTD_freeCCtx(packer->context);
    free(packer);
}

int zstd_packer_pack(struct zstd_packer *packer, struct str bytes, struct buf *out,
                     struct error *error)
{
    size_t bound = ZSTD_compressBound(bytes.size);
    char *room = buf_reserve(out, bound);
    if (room == NULL) return fail_room(out, "zstd", error);
    size_t size =
        ZSTD_compressCCtx(packer->context, room, bound, bytes.data, bytes.size, packer->level);
    if (ZSTD_isError(size)) return error_set(error, -ENOMEM, "zstd: %s", ZSTD_getErrorName(size));
    out->size += size;
    return 0;
}

struct zstd_unpacker {
    ZSTD_DCtx *context;
};

int zstd_unpacker_new(struct zstd_unpacker **unpacker_out, struct error *error)
{
    struct zstd_unpacker *unpacker = calloc(1, sizeof(*unpacker));
    if (unpacker != NULL) unpacker->context = ZSTD_createDCtx();
    if (unpacker == NULL || unpacker->context == NULL) {
        free(unpacker);
        return error_set(error, -ENOMEM, "zstd: no memory");
    }
    *unpacker_out = unpacker;
    return 0;
}

void zstd_unpacker_free(struct zstd_unpacker *unpacker)
{
    if (unpacker == NULL) return;
    (void)ZSTD_freeDCtx(unpacker->context);
    free(unpacker);
}

int zstd_unpacker_unpack(struct zstd_unpacker *unpacker, struct str bytes, size_t size,
                         struct buf *out, struct error *error)
{
    if (ZSTD_getFrameContentSize(bytes.data, bytes.size) != size) {
        return error_set(error, ERROR_CORRUPT, "zstd: another size than was said");
    }
    char *room = buf_reserve(out, size);
    if (room == NULL) return fail_room(out, "zstd", error);
    size_t got = ZSTD_decompressDCtx(unpacker->context, room, size, bytes.data, bytes.size);
    if (ZSTD_isError(got)) {
        return error_set(error, ERROR_CORRUPT, "zstd: %s", ZSTD_getErrorName(got));
    }
    if (got != size) return error_set(error, ERROR_CORRUPT, "zstd: another size than was said");
    out->size += size;
    return 0;
}

int snappy_pack(struct str bytes, struct buf *out, struct error *error)
{
    size_t size = snappy_max_compressed_length(bytes.size);
    char *room = buf_reserve(out, size);
    if (room == NULL) return fail_room(out, "snappy", error);
    if (snappy_compress(bytes.data, bytes.size, room, &size) != SNAPPY_OK) {
        return error_set(error, ERROR_LIMIT, "snappy: input too large");
    }
    out->size += size;
    return 0;
}

int snappy_unpack(struct str bytes, struct buf *out, struct error *error)
{
    size_t size;
    if (snappy_uncompressed_length(bytes.data, bytes.size, &size) != SNAPPY_OK) {
        return error_set(error, ERROR_CORRUPT, "snappy: no length in front");
    }
    if (size > out->size_max - out->size) return fail_room(out, "snappy", error);
    /* A length that the input cannot make is refused before memory is taken for it. */
    if (size / 64 > bytes.size + 1) return error_set(error, ERROR_CORRUPT, "snappy: cut short");
    char *room = buf_reserve(out, size == 0 ? 1 : size);
    if (room == NULL) {
        out->has_failed = false;
        return error_set(error, -ENOMEM, "snappy: no memory");
    }
    if (snappy_uncompress(bytes.data, bytes.size, room, &size) != SNAPPY_OK) {
        return error_set(error, ERROR_CORRUPT, "snappy: broken");
    }
    out->size += size;
    return 0;
}

int lz4_pack(struct str bytes, struct buf *out, struct error *error)
{
    if (bytes.size > LZ4_MAX_INPUT_SIZE) return error_set(error, ERROR_LIMIT, "lz4: over 2 GiB");
    int bound = LZ4_compressBound((int)bytes.size);
    char *room = buf_reserve(out, (size_t)bound);
    if (room == NULL) return fail_room(out, "lz4", error);
    int size = LZ4_compress_default(bytes.data, room, (int)bytes.size, bound);
    CHECK(size > 0);
    out->size += (size_t)size;
    return 0;
}

int lz4_unpack(struct str bytes, size_t size, struct buf *out, struct error *error)
{
    if (size > out->size_max - out->size) return fail_room(out, "lz4", error);
    if (bytes.size > LZ4_MAX_INPUT_SIZE || size > LZ4_MAX_INPUT_SIZE) {
        return error_set(error, ERROR_LIMIT, "lz4: over 2 GiB");
    }
    char *room = buf_reserve(out, size == 0 ? 1 : size);
    if (room == NULL) {
        out->has_failed = false;
        return error_set(error, -ENOMEM, "lz4: no memory");
    }
    int made = LZ4_decompress_safe(bytes.data, room, (int)bytes.size, (int)size);
    if (made < 0 || (size_t)made != size) return error_set(error, ERROR_CORRUPT, "lz4: broken");
    out->size += size;
    return 0;
}
