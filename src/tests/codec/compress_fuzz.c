/* compress_fuzz.c - broken packed bytes are refused, never more than the maximum comes out, and
 * what comes in is packed and unpacked to itself. */
#include "codec/compress.h"

#include "base/check.h"

#define OUT_MAX (1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int pack_gzip(struct str bytes, struct buf *out, struct error *error)
{
    return gzip_pack(bytes, 1, out, error);
}

static int pack_zstd(struct str bytes, struct buf *out, struct error *error)
{
    return zstd_pack(bytes, 1, out, error);
}

static int no_pack(struct str bytes, struct buf *out, struct error *error)
{
    (void)out;
    return error_set(error, ERROR_UNSUPPORTED, "%zu bytes left alone", bytes.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        int (*unpack)(struct str bytes, struct buf *out, struct error *error);
        int (*pack)(struct str bytes, struct buf *out, struct error *error);
    } rows[] = { { gzip_unpack, pack_gzip },
                 { zlib_unpack, no_pack },
                 { zstd_unpack, pack_zstd },
                 { snappy_unpack, snappy_pack } };
    struct str bytes = { (const char *)data, size };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        CLEANUP(buf_release) struct buf out;
        buf_init(&out, OUT_MAX);
        int code = rows[i].unpack(bytes, &out, NULL);
        CHECK(!out.has_failed);
        CHECK(code == 0 || out.size == 0);
        CHECK(out.size <= OUT_MAX);
        CLEANUP(buf_release) struct buf packed;
        CLEANUP(buf_release) struct buf back;
        buf_init(&packed, 1 << 20);
        buf_init(&back, size + 1);
        if (rows[i].pack(bytes, &packed, NULL) != 0) continue;
        CHECK(rows[i].unpack(buf_str(&packed), &back, NULL) == 0);
        CHECK(str_equal(bytes, buf_str(&back)));
    }
    return 0;
}
