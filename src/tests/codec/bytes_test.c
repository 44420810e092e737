/* bytes_test.c
 *
 * Goal:   checksums, variable numbers, protobuf fields and packed buffers: vectors, round trips,
 *         bounds and bombs.
 * Method: known vectors; random bytes there and back; every cut of a good input refused.
 */
#include "codec/compress.h"
#include "codec/crc32c.h"
#include "codec/protobuf.h"
#include "codec/varint.h"

#include "base/random.h"
#include "tests/test.h"

static void crc32c_follows_rfc_3720(void)
{
    unsigned char bytes[32] = { 0 };
    EXPECT_INT(0x8A9136AA, crc32c(bytes, 32));
    memset(bytes, 0xFF, 32);
    EXPECT_INT(0x62A8AB43, crc32c(bytes, 32));
    for (size_t i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    EXPECT_INT(0x46DD794E, crc32c(bytes, 32));
    EXPECT_INT(0xE3069283, crc32c("123456789", 9));
    EXPECT_INT(0xE3069283, crc32c_add(crc32c("1234", 4), "56789", 5));
}

/* Bit by bit, as the polynomial is defined. */
static uint32_t slow_crc32c(const unsigned char *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78 : 0);
    }
    return ~crc;
}

static void crc32c_of_any_length(void)
{
    unsigned char bytes[3000];
    struct random random;
    random_init(&random, 32);
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (unsigned char)random_next(&random);
    for (size_t size = 0; size < sizeof(bytes) - 8; size++) {
        const unsigned char *from = bytes + size % 8;
        size_t cut = size / 3;
        EXPECT_INT(slow_crc32c(from, size), crc32c(from, size));
        EXPECT_INT(crc32c(from, size), crc32c_add(crc32c(from, cut), from + cut, size - cut));
    }
}

static void varints_end_where_they_should(void)
{
    static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX };
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        buf_reset(&out);
        varint_append(&out, values[i]);
        for (size_t cut = 0; cut < out.size; cut++) {
            struct str rest = str_first(buf_str(&out), cut);
            uint64_t value = 42;
            EXPECT(!varint_take(&rest, &value) && value == 42 && rest.size == cut);
        }
        struct str rest = buf_str(&out);
        uint64_t value = 0;
        EXPECT(varint_take(&rest, &value) && value == values[i] && rest.size == 0);
    }
    struct str long_one = STR("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02");
    uint64_t value;
    EXPECT(!varint_take(&long_one, &value));
    EXPECT_INT(-3, unzigzag(zigzag(-3)));
    EXPECT(unzigzag(zigzag(INT64_MIN)) == INT64_MIN);
}

static void protobuf_fields_come_back(void)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4096);
    protobuf_put_varint(&out, 1, 300);
    size_t mark = protobuf_message_begin(&out, 2);
    protobuf_put_double(&out, 1, 1.5);
    protobuf_put_signed(&out, 2, -7);
    protobuf_put_bytes(&out, 3, STR("abc"));
    protobuf_message_end(&out, mark);
    struct str rest = buf_str(&out);
    struct protobuf_field field;
    EXPECT(protobuf_next(&rest, &field, NULL) == 1 && field.number == 1 && field.value == 300);
    REQUIRE(protobuf_next(&rest, &field, NULL) == 1 && field.wire == PROTOBUF_BYTES);
    struct str inner = field.bytes;
    EXPECT(protobuf_next(&rest, &field, NULL) == 0);
    EXPECT(protobuf_next(&inner, &field, NULL) == 1 && protobuf_double(&field) == 1.5);
    EXPECT(protobuf_next(&inner, &field, NULL) == 1 && protobuf_signed(&field) == -7);
    EXPECT(protobuf_next(&inner, &field, NULL) == 1 && field.bytes.size == 3);
    struct str broken = STR("\x0A\x05"
                            "ab");
    EXPECT_INT(ERROR_PARSE, protobuf_next(&broken, &field, NULL));
}

struct packer {
    const char *name;
    int (*pack)(struct str bytes, struct buf *out, struct error *error);
    int (*unpack)(struct str bytes, struct buf *out, struct error *error);
};

static int pack_gzip(struct str bytes, struct buf *out, struct error *error)
{
    return gzip_pack(bytes, 6, out, error);
}

static int pack_zstd(struct str bytes, struct buf *out, struct error *error)
{
    return zstd_pack(bytes, 3, out, error);
}

static const struct packer packers[] = { { "gzip", pack_gzip, gzip_unpack },
                                         { "zstd", pack_zstd, zstd_unpack },
                                         { "snappy", snappy_pack, snappy_unpack } };

static void packed_buffers_come_back_bounded(void)
{
    struct random dice;
    random_init(&dice, 11);
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, 1 << 20);
    for (size_t i = 0; i < 100000; i++)
        buf_append_char(&bytes, (char)(random_below(&dice, 7) + 'a'));
    for (size_t i = 0; i < ARRAY_LENGTH(packers); i++) {
        test_context(packers[i].name);
        CLEANUP(buf_release) struct buf packed;
        buf_init(&packed, 1 << 20);
        REQUIRE(packers[i].pack(buf_str(&bytes), &packed, NULL) == 0);
        EXPECT(packed.size < bytes.size);
        CLEANUP(buf_release) struct buf back;
        buf_init(&back, bytes.size);
        REQUIRE(packers[i].unpack(buf_str(&packed), &back, NULL) == 0);
        EXPECT(str_equal(buf_str(&back), buf_str(&bytes)));

        CLEANUP(buf_release) struct buf small;
        buf_init(&small, bytes.size - 1);
        EXPECT_INT(ERROR_LIMIT, packers[i].unpack(buf_str(&packed), &small, NULL));
        EXPECT(small.size == 0 && !small.has_failed);
        for (size_t cut = 0; cut < packed.size; cut += 997) {
            buf_reset(&back);
            EXPECT(packers[i].unpack(str_first(buf_str(&packed), cut), &back, NULL) < 0 ||
                   cut == 0);
            EXPECT(back.size == 0);
        }
    }
}

/* A bomb: a megabyte of zeros in a thousand bytes, and two members behind one another. */
static void gzip_members_and_bombs(void)
{
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(buf_release) struct buf packed;
    CLEANUP(buf_release) struct buf back;
    buf_init(&bytes, 1 << 20);
    buf_init(&packed, 1 << 22);
    buf_init(&back, 1 << 22);
    char *room = buf_reserve(&bytes, 1 << 20);
    REQUIRE(room != NULL);
    memset(room, 0, 1 << 20);
    bytes.size = 1 << 20;
    REQUIRE(gzip_pack(buf_str(&bytes), 9, &packed, NULL) == 0);
    EXPECT(packed.size < 2000);
    size_t one = packed.size;
    CLEANUP(buf_release) struct buf small;
    buf_init(&small, 1000);
    EXPECT_INT(ERROR_LIMIT, gzip_unpack(buf_str(&packed), &small, NULL));
    EXPECT(small.size == 0 && !small.has_failed);

    REQUIRE(gzip_pack(STR("and more"), 1, &packed, NULL) == 0);
    REQUIRE(gzip_unpack(buf_str(&packed), &back, NULL) == 0);
    EXPECT_INT((1 << 20) + 8, (int64_t)back.size);
    EXPECT_STR("and more", str_skip(buf_str(&back), 1 << 20));

    /* A trailer that lies about the size, and one about the checksum. */
    buf_reset(&back);
    packed.data[one - 1] ^= 1;
    EXPECT_INT(ERROR_CORRUPT, gzip_unpack(str_first(buf_str(&packed), one), &back, NULL));
    packed.data[one - 1] ^= 1;
    packed.data[one - 5] ^= 1;
    EXPECT_INT(ERROR_CORRUPT, gzip_unpack(str_first(buf_str(&packed), one), &back, NULL));
    EXPECT(back.size == 0);

    /* Packing into too little room changes nothing. */
    EXPECT_INT(ERROR_LIMIT, gzip_pack(buf_str(&bytes), 1, &small, NULL));
    EXPECT(small.size == 0 && !small.has_failed);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(crc32c_follows_rfc_3720),          TEST(crc32c_of_any_length),
        TEST(varints_end_where_they_should),    TEST(protobuf_fields_come_back),
        TEST(packed_buffers_come_back_bounded), TEST(gzip_members_and_bombs),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
