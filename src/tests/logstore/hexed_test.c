/* hexed_test.c
 *
 * Goal:   bytes come back as they were; what is lifted is what zstd could do nothing with; frames
 *         that are cut or changed are refused or read as something, but never past their end.
 * Method: bytes made by dice out of runs of digits of all lengths and of what is almost digits.
 */
#include "logstore/hexed.h"

#include "base/random.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define SIZE_MAX_HERE 70000

struct tools {
    struct hexed hexed;
    struct zstd_packer *packer;
    struct zstd_unpacker *unpacker;
};

static bool tools_init(struct tools *tools)
{
    hexed_init(&tools->hexed);
    return zstd_packer_new(&tools->packer, 1, NULL) == 0 &&
           zstd_unpacker_new(&tools->unpacker, NULL) == 0;
}

static void tools_release(struct tools *tools)
{
    hexed_release(&tools->hexed);
    zstd_packer_free(tools->packer);
    zstd_unpacker_free(tools->unpacker);
}

/* `size` bytes out of the alphabet. */
static void put(struct random *dice, struct buf *out, const char *alphabet, size_t size)
{
    size_t letters = strlen(alphabet);
    for (size_t i = 0; i < size; i++) buf_append_char(out, alphabet[random_below(dice, letters)]);
}

static void make_bytes(struct random *dice, struct buf *out)
{
    static const char *const alphabets[] = {
        "0123456789abcdef", "0123456789abcdef", "0123456789abcdef",  "0123456789",
        "abcdef",           "0123456789ABCDEF", "0123456789abcdefg", "/:`g@GF\x7f\x80\xb0\xe1\xff",
        "{\",: x",
    };
    size_t wanted = 3000 + random_below(dice, SIZE_MAX_HERE - 10000);
    size_t kinds = 1 + random_below(dice, ARRAY_LENGTH(alphabets));
    size_t longest = 1 + random_below(dice, 3000);
    buf_reset(out);
    while (out->size < wanted) {
        put(dice, out, alphabets[random_below(dice, kinds)], random_below(dice, longest));
    }
}

/* 1: hexed and back; 0: left to zstd; -1: not the same. */
static int round_trip(struct tools *tools, struct str bytes, struct buf *packed)
{
    buf_reset(packed);
    buf_append(packed, "front", 5);
    int code = hexed_pack(&tools->hexed, tools->packer, bytes, packed, NULL);
    if (code == 0) return packed->size == 5 ? 0 : -1;
    struct str stored = str_skip(buf_str(packed), 5);
    CLEANUP(buf_release) struct buf back = { 0 };
    buf_init(&back, 1 << 22);
    buf_append(&back, "before", 6);
    bool is_same =
        code == 1 && hexed_is(stored) && stored.size < bytes.size &&
        hexed_unpack(&tools->hexed, tools->unpacker, stored, bytes.size, &back, NULL) == 0 &&
        str_equal(str_skip(buf_str(&back), 6), bytes);
    return is_same ? 1 : -1;
}

static void bytes_come_back(void)
{
    struct tools tools;
    struct random dice;
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(buf_release) struct buf packed = { 0 };
    buf_init(&bytes, 1 << 20);
    buf_init(&packed, 1 << 22);
    random_init(&dice, 11);
    REQUIRE(tools_init(&tools));
    int hexed = 0;
    for (int round = 0; round < 600; round++) {
        make_bytes(&dice, &bytes);
        /* At every phase of the words that are looked at. */
        int result = round_trip(&tools, str_skip(buf_str(&bytes), (size_t)round % 8), &packed);
        hexed += result == 1;
        EXPECT(result >= 0);
        if (result < 0) {
            printf("# round %d\n", round);
            break;
        }
    }
    EXPECT(hexed > 100 && hexed < 500);
    tools_release(&tools);
}

static void only_digits_without_sense_are_lifted(void)
{
    struct tools tools;
    struct random dice;
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(buf_release) struct buf packed = { 0 };
    buf_init(&bytes, 1 << 20);
    buf_init(&packed, 1 << 22);
    random_init(&dice, 12);
    REQUIRE(tools_init(&tools));

    put(&dice, &bytes, "0123456789abcdef", 65536);
    EXPECT_INT(1, round_trip(&tools, buf_str(&bytes), &packed));
    EXPECT(packed.size < 32768 + 64);

    buf_append_char(&bytes, ' ');
    put(&dice, &bytes, "0123456789", 65536 * 2); /* with numbers behind it */
    EXPECT_INT(1, round_trip(&tools, buf_str(&bytes), &packed));
    buf_drop_front(&bytes, 65537);
    EXPECT_INT(0, round_trip(&tools, buf_str(&bytes), &packed)); /* numbers alone */

    buf_reset(&bytes);
    put(&dice, &bytes, "0123456789abcdef", 3200);
    for (int i = 0; i < 20; i++) { /* a hundred ids that come again and again */
        for (size_t k = 0; k < 100; k++) {
            size_t at = (size_t)random_below(&dice, 100) * 32;
            char id[32];
            memcpy(id, bytes.data + at, sizeof(id));
            buf_append(&bytes, id, sizeof(id));
        }
    }
    EXPECT_INT(0, round_trip(&tools, buf_str(&bytes), &packed));

    buf_reset(&bytes);
    put(&dice, &bytes, "0123456789abcdef", 4095);
    EXPECT_INT(0, round_trip(&tools, buf_str(&bytes), &packed)); /* too little */
    tools_release(&tools);
}

static void broken_frames_are_refused(void)
{
    struct tools tools;
    struct random dice;
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(buf_release) struct buf packed = { 0 };
    CLEANUP(buf_release) struct buf back = { 0 };
    buf_init(&bytes, 1 << 20);
    buf_init(&packed, 1 << 22);
    buf_init(&back, 1 << 22);
    random_init(&dice, 13);
    REQUIRE(tools_init(&tools));
    for (int i = 0; i < 40; i++) {
        put(&dice, &bytes, "0123456789abcdef", 200);
        put(&dice, &bytes, "some text", 60);
    }
    size_t size = bytes.size;
    REQUIRE(hexed_pack(&tools.hexed, tools.packer, buf_str(&bytes), &packed, NULL) == 1);
    for (size_t cut = 4; cut < packed.size; cut++) {
        char *own = malloc(cut); /* so that the sanitizer sees its end */
        REQUIRE(own != NULL);
        memcpy(own, packed.data, cut);
        buf_reset(&back);
        struct str stored = { own, cut };
        EXPECT_INT(ERROR_CORRUPT,
                   hexed_unpack(&tools.hexed, tools.unpacker, stored, size, &back, NULL));
        EXPECT_INT(0, (int64_t)back.size);
        free(own);
    }
    EXPECT_INT(ERROR_CORRUPT,
               hexed_unpack(&tools.hexed, tools.unpacker, buf_str(&packed), size - 1, &back, NULL));
    EXPECT_INT(ERROR_CORRUPT,
               hexed_unpack(&tools.hexed, tools.unpacker, buf_str(&packed), size + 2, &back, NULL));
    tools_release(&tools);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(bytes_come_back),
        TEST(only_digits_without_sense_are_lifted),
        TEST(broken_frames_are_refused),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
