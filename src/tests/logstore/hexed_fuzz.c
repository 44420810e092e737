/* hexed_fuzz.c - any bytes as a frame of lifted digits: read or refused, and never larger than was
 * asked for; any bytes packed come back. The first two bytes are the size that is asked for. */
#include "logstore/hexed.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as_frame(struct hexed *hexed, struct zstd_unpacker *zstd, struct str bytes,
                          size_t wanted)
{
    CLEANUP(buf_release) struct buf frame = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    uint32_t magic = HEXED_MAGIC;
    buf_init(&frame, 1 << 22);
    buf_init(&out, 1 << 22);
    buf_append(&frame, &magic, sizeof(magic));
    buf_append_str(&frame, bytes);
    int code = hexed_unpack(hexed, zstd, buf_str(&frame), wanted, &out, NULL);
    CHECK(out.size == (code == 0 ? wanted : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hexed hexed;
    static struct zstd_packer *packer;
    static struct zstd_unpacker *unpacker;
    if (packer == NULL) {
        hexed_init(&hexed);
        CHECK(zstd_packer_new(&packer, 1, NULL) == 0 && zstd_unpacker_new(&unpacker, NULL) == 0);
    }
    if (size < 2) return 0;
    size_t wanted = (size_t)data[0] << 8 | data[1];
    struct str bytes = { (const char *)data + 2, size - 2 };
    read_as_frame(&hexed, unpacker, bytes, wanted);

    /* Small inputs are too small to be worth it: as often as makes a block of them. */
    CLEANUP(buf_release) struct buf many = { 0 };
    CLEANUP(buf_release) struct buf packed = { 0 };
    CLEANUP(buf_release) struct buf back = { 0 };
    buf_init(&many, 1 << 22);
    buf_init(&packed, 1 << 22);
    buf_init(&back, 1 << 22);
    for (uint32_t i = 0; bytes.size > 0 && many.size < 5000; i++) {
        buf_append_str(&many, bytes);
        buf_printf(&many, "%08x", i * UINT32_C(2654435769));
    }
    int code = hexed_pack(&hexed, packer, buf_str(&many), &packed, NULL);
    CHECK(code == 0 || code == 1);
    if (code == 0) return 0;
    CHECK(hexed_unpack(&hexed, unpacker, buf_str(&packed), many.size, &back, NULL) == 0);
    CHECK(str_equal(buf_str(&back), buf_str(&many)));
    return 0;
}
