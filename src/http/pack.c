/* pack.c - gzip of whole bodies, with limits, over zlib. */
#include "http/pack.h"

#include <limits.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* 16: gzip header and trailer */
#define STEP_SIZE        ((size_t)64 * 1024)

/* Inflates until the end of the input or an error; *has_ended: the last member was whole. */
static int inflate_all(z_stream *z, struct buf *out, bool *has_ended, struct error *error)
{
    *has_ended = false;
    for (;;) {
        size_t room = out->size_max - out->size;
        size_t step = room < STEP_SIZE ? room + 1 : STEP_SIZE;
        /* One byte more than may be kept tells "too much" from "just fits". */
        char last;
        char *target = room == 0 ? &last : buf_reserve(out, step > room ? room : step);
        if (target == NULL) return error_set(error, ERROR_LIMIT, "no memory to unpack the body");
        size_t given = room == 0 ? 1 : (step > room ? room : step);
        z->next_out = (Bytef *)target;
        z->avail_out = (uInt)given;
        int code = inflate(z, Z_NO_FLUSH);
        size_t made = given - z->avail_out;
        if (room == 0 && made > 0) {
            return error_set(error, ERROR_LIMIT, "unpacked body is larger than %zu bytes",
                             out->size_max);
        }
        out->size += made;
        if (code == Z_STREAM_END) {
            *has_ended = true;
            if (z->avail_in == 0) return 0;
            *has_ended = false;
            if (inflateReset(z) != Z_OK) return error_set(error, ERROR_PARSE, "bad gzip body");
            continue;
        }
        if (code == Z_BUF_ERROR || (code == Z_OK && z->avail_in == 0 && z->avail_out > 0)) return 0;
        if (code != Z_OK) return error_set(error, ERROR_PARSE, "body is not valid gzip");
    }
}

int pack_gzip_decode(struct str packed, struct buf *out, struct error *error)
{
    if (packed.size > UINT_MAX) return error_set(error, ERROR_LIMIT, "gzip body is too large");
    z_stream z = { 0 };
    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK) {
        return error_set(error, ERROR_LIMIT, "no memory to unpack the body");
    }
    z.next_in = (z_const Bytef *)(uintptr_t)packed.data;
    z.avail_in = (uInt)packed.size;
    bool has_ended = false;
    int code = inflate_all(&z, out, &has_ended, error);
    (void)inflateEnd(&z);
    if (code == 0 && !has_ended) return error_set(error, ERROR_PARSE, "gzip body is cut short");
    return code;
}

bool pack_gzip_encode(struct str plain, struct buf *out)
{
    if (plain.size > UINT_MAX) return false;
    z_stream z = { 0 };
    if (deflateInit2(&z, 1, Z_DEFLATED, GZIP_WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    size_t bound = deflateBound(&z, plain.size);
    char *target = bound > UINT_MAX ? NULL : buf_reserve(out, bound);
    bool is_done = false;
    if (target != NULL) {
        z.next_in = (z_const Bytef *)(uintptr_t)plain.data;
        z.avail_in = (uInt)plain.size;
        z.next_out = (Bytef *)target;
        z.avail_out = (uInt)bound;
        is_done = deflate(&z, Z_FINISH) == Z_STREAM_END;
        if (is_done) out->size += bound - z.avail_out;
    }
    (void)deflateEnd(&z);
    return is_done;
}
