/* source_test.c
 *
 * Goal:   a block of documents comes back byte for byte whatever they look like, and the values at
 *         a path are those that reading the documents finds.
 * Method: documents made by dice: shapes that repeat and shapes that do not, blanks, escapes, empty
 *         things, digests, times and numbers that just fit their form and just do not.
 */
#include "logstore/source_block.h"

#include "base/random.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define COUNT_MAX 400

static const char *const values[] = {
    "0",
    "-0",
    "-1",
    "17",
    "007",
    "123456789012345678",
    "1234567890123456789",
    "1.5",
    "1e3",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "\"\\\"\"",
    "\"\\\\\"",
    "\"a\\\\\\\"b\"",
    "\"2024-02-29T23:59:59Z\"",
    "\"2023-02-29T23:59:59Z\"",
    "\"2024-02-08T11:00:00.123Z\"",
    "\"2024-02-08 11:00:00,123+01:00\"",
    "\"2024-02-08T11:00:00.\"",
    "\"1899-12-31T00:00:00Z\"",
    "\"2199-12-31T23:59:59.999999999Z\"",
    "\"2024-02-08T24:00:00Z\"",
    "{}",
    "[]",
    "[1,\"x\",null]",
    "{\"b\":1}",
    "[{\"b\":1},{\"b\":\"x\"}]",
    "{\"b\":{\"c\":[]}}",
    "\"\\u0041\"",
    "\"\xc3\xa9\"",
    "\",\\\":\"",
    "\"x\":1,\"y\"" /* a value and a member more */,
};

static const char *const keys[] = { "a", "a.b", "b", "", "k\\\"q", ":x", "message", "@timestamp" };

static const char *blanks(struct random *dice, bool is_neat)
{
    static const char *const texts[] = { "", "", " ", "  ", "\t", " \r\n" };
    return is_neat ? "" : texts[random_below(dice, ARRAY_LENGTH(texts))];
}

/* One object; `kind` says how wild. */
static void make_document(struct random *dice, unsigned kind, struct buf *out)
{
    if (kind == 0) {
        buf_printf(out,
                   "{\"@timestamp\":\"2024-02-08T11:%02u:%02u.%03uZ\",\"level\":\"%s\",\"n\":%d,"
                   "\"message\":\"took %u ms \\\"%u\\\"\",\"s\":{\"name\":\"api\"}}",
                   (unsigned)random_below(dice, 60), (unsigned)random_below(dice, 60),
                   (unsigned)random_below(dice, 1000), random_below(dice, 2) ? "info" : "warn",
                   (int)random_below(dice, 100000) - 50000, (unsigned)random_below(dice, 1000),
                   (unsigned)random_below(dice, 1000000));
        return;
    }
    if (kind == 3) {
        static const char *const digits[] = { "0123456789abcdef", "0123456789ABCDEF" };
        const char *alphabet = digits[random_below(dice, 20) == 0];
        bool has_level = random_below(dice, 3) > 0;
        size_t size = random_below(dice, 900);
        buf_printf(out, "{%s\"hash\":\"", has_level ? "\"level\":\"info\"," : "");
        for (size_t i = 0; i < size; i++) buf_append_char(out, alphabet[random_below(dice, 16)]);
        buf_printf(out, "\",\"n\":%u}", (unsigned)random_below(dice, 1000));
        return;
    }
    bool is_neat = kind == 1;
    size_t members = random_below(dice, is_neat ? 3 : 6);
    buf_append_char(out, '{');
    for (size_t i = 0; i < members; i++) {
        const char *key = keys[random_below(dice, is_neat ? 2 : ARRAY_LENGTH(keys))];
        buf_printf(out, "%s%s\"%s\"%s:%s%s%s", i > 0 ? "," : "", blanks(dice, is_neat), key,
                   blanks(dice, is_neat), blanks(dice, is_neat),
                   values[random_below(dice, ARRAY_LENGTH(values))], blanks(dice, is_neat));
    }
    buf_append_char(out, '}');
}

struct made {
    struct buf bytes;
    size_t ends[COUNT_MAX];
    struct str documents[COUNT_MAX];
    size_t count;
};

static void make_all(struct random *dice, struct made *made)
{
    made->count = 1 + random_below(dice, COUNT_MAX);
    unsigned kind = (unsigned)random_below(dice, 4);
    buf_init(&made->bytes, 1 << 22);
    for (size_t i = 0; i < made->count; i++) {
        bool is_odd = random_below(dice, 50) == 0;
        make_document(dice, is_odd ? 2 : kind, &made->bytes);
        made->ends[i] = made->bytes.size;
    }
    for (size_t i = 0; i < made->count; i++) {
        size_t start = i == 0 ? 0 : made->ends[i - 1];
        made->documents[i] = (struct str){ made->bytes.data + start, made->ends[i] - start };
    }
}

static bool are_same(struct source_block *block, const struct made *made)
{
    CLEANUP(buf_release) struct buf raw = { 0 };
    CLEANUP(buf_release) struct buf ends = { 0 };
    buf_init(&raw, 1 << 22);
    buf_init(&ends, 1 << 22);
    if (source_block_documents(block, &raw, &ends, NULL) < 0) return false;
    if (!str_equal(buf_str(&raw), buf_str(&made->bytes))) return false;
    for (size_t i = 0; i < made->count; i++) {
        uint32_t end;
        memcpy(&end, ends.data + 4 * i, sizeof(end));
        if (end != made->ends[i]) return false;
    }
    return ends.size == 4 * made->count;
}

static void documents_come_back(void)
{
    struct random dice;
    struct source_packer *packer = NULL;
    struct source_block *block = NULL;
    random_init(&dice, 7);
    REQUIRE(source_packer_new(&packer, SOURCE_LEVEL_FAST) == 0);
    REQUIRE(source_block_new(&block) == 0);
    for (int round = 0; round < 300; round++) {
        static struct made made;
        CLEANUP(buf_release) struct buf out = { 0 };
        buf_init(&out, 1 << 22);
        make_all(&dice, &made);
        EXPECT_INT(0, source_block_pack(packer, made.documents, made.count, &out, NULL));
        EXPECT_INT(0, source_block_open(block, buf_str(&out), NULL));
        EXPECT_INT((int64_t)made.count, source_block_count(block));
        bool holds = are_same(block, &made) && are_same(block, &made);
        EXPECT(holds);
        buf_release(&made.bytes);
        if (!holds) {
            printf("# round %d\n", round);
            break;
        }
    }
    source_packer_free(packer);
    source_block_free(block);
}

static int print_value(void *argument, const struct source_value *value)
{
    buf_printf(argument, "%u:%s" STR_FMT " ", value->document, value->is_text ? "'" : "",
               STR_ARG(value->raw));
    return 0;
}

static void values_of_a_path(void)
{
    static const struct {
        const char *path;
        const char *want;
    } rows[] = {
        { "a.b", "0:1 1:'x 3:2 3:3 4:'5 " },
        { "a", "5:'t 6:true 7:null " },
        { "c", "0:'\\\" 4:9 " },
        { "d", "" },
    };
    static const struct str documents[] = {
        STR_INIT("{\"a\":{\"b\":1},\"c\":\"\\\"\"}"),
        STR_INIT("{\"a.b\":\"x\"}"),
        STR_INIT("{\"a\":[]}"),
        STR_INIT("{\"a\":[{\"b\":2},{\"b\":3}]}"),
        STR_INIT("{ \"c\" : 9 , \"a\":{\"b\":\"5\"} }"),
        STR_INIT("{\"a\":\"t\",\":x\":1}"),
        STR_INIT("{\"a\":true}"),
        STR_INIT("{\"a\":null}"),
    };
    struct source_packer *packer = NULL;
    struct source_block *block = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };
    buf_init(&out, 1 << 20);
    REQUIRE(source_packer_new(&packer, SOURCE_LEVEL_FAST) == 0);
    REQUIRE(source_block_new(&block) == 0);
    REQUIRE(source_block_pack(packer, documents, ARRAY_LENGTH(documents), &out, NULL) == 0);
    REQUIRE(source_block_open(block, buf_str(&out), NULL) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_init(&text, 1 << 16);
        test_context(rows[i].path);
        EXPECT_INT(
            0, source_block_values(block, str_from(rows[i].path), NULL, print_value, &text, NULL));
        EXPECT_STR(rows[i].want, buf_str(&text));
    }
    source_packer_free(packer);
    source_block_free(block);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(documents_come_back),
        TEST(values_of_a_path),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
