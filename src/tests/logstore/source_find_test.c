/* source_find_test.c
 *
 * Goal:   what stands at a path is found in a document that is not parsed, as the parser would find
 *         it; and nothing outside of the document is looked at, whatever its bytes are.
 * Method: a table of documents and paths; the same documents cut short and with bytes changed.
 */
#include "logstore/source_find.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/random.h"
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

struct row {
    const char *document;
    const char *path;
    const char *values; /* texts in quotes, each with a blank behind it; NULL: the parser's */
};

static const struct row rows[] = {
    { "{\"a\":\"x\",\"b\":1}", "a", "\"x\" " },
    { "{\"a\":\"x\",\"b\":1}", "b", "1 " },
    { "{\"a\":\"x\",\"b\":1}", "c", "" },
    { " { \"a\" : { \"b\" : true } , \"a.b\" : null } ", "a.b", "true null " },
    { "{\"a\":[{\"b\":[1,[2,\"3\"],{\"c\":4}]},{\"b\":5}],\"a.b\":6}", "a.b", "1 2 \"3\" 5 6 " },
    { "{\"a\":{\"b.c\":1,\"b\":{\"c\":2,\"d\":3}},\"a.b\":{\"c\":4}}", "a.b.c", "1 2 4 " },
    { "{\"x\":\"} \\\" ]{\",\"a\":\"q\\\"\\\\\"}", "a", "\"q\\\"\\\\\" " },
    { "{\"x\":\"\\\\\",\"a\":\"\"}", "a", "\"\" " },
    { "{\"x\":[[],{},[{}]],\"a\":[],\"b\":-1.5e3}", "b", "-1.5e3 " },
    { "{\"ab\":1,\"a\":{\"bc\":2}}", "a.b", "" },
    { "{\"a\":{\"b\":{\"b\":1}}}", "a.b", "" },
    { "{\"\\u0061\":1}", "a", NULL },
    { "{\"a\":1", "a", NULL },
    { "{\"a\"", "a", NULL },
    { "{a:1}", "a", NULL },
    { "[1,{\"a\":2}]", "a", "2 " },
    { "3", "a", "" },
    { "", "a", NULL },
};

static void finds_what_a_parser_would(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct source_value_vec found = { 0 };
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, 4096);
        test_context(rows[i].document);
        int code = source_find(str_from(rows[i].document), str_from(rows[i].path), &found);
        EXPECT_INT(rows[i].values == NULL ? ERROR_UNSUPPORTED : 0, code);
        VEC_FOR_EACH (&found, value) {
            const char *quote = value->is_text ? "\"" : "";
            buf_append_cstr(&text, quote);
            buf_append_str(&text, value->raw);
            buf_append_cstr(&text, quote);
            buf_append_char(&text, ' ');
        }
        EXPECT_STR(rows[i].values == NULL ? "" : rows[i].values, buf_str(&text));
        VEC_RELEASE(&found);
    }
    test_context(NULL);
}

static void stays_within_the_document(void)
{
    struct random dice;
    random_init(&dice, 11);
    for (size_t i = 0; i < 40000; i++) {
        const struct row *row = &rows[random_below(&dice, ARRAY_LENGTH(rows))];
        size_t size = random_below(&dice, strlen(row->document) + 1);
        char *bytes = malloc(size + (size == 0)); /* so that a sanitizer sees its end */
        REQUIRE(bytes != NULL);
        memcpy(bytes, row->document, size);
        for (size_t k = random_below(&dice, 3); k > 0 && size > 0; k--) {
            bytes[random_below(&dice, size)] = "{}[]\",:\\ a"[random_below(&dice, 10)];
        }
        struct source_value_vec found = { 0 };
        int code = source_find((struct str){ bytes, size }, str_from(row->path), &found);
        EXPECT(code == 0 || (code == ERROR_UNSUPPORTED && found.count == 0));
        VEC_FOR_EACH (&found, value) {
            EXPECT(value->raw.data >= bytes && value->raw.data + value->raw.size <= bytes + size);
        }
        VEC_RELEASE(&found);
        free(bytes);
    }
    char deep[300];
    memset(deep, '[', sizeof(deep));
    struct source_value_vec none = { 0 };
    struct str all = { deep, sizeof(deep) };
    EXPECT_INT(ERROR_UNSUPPORTED, source_find(all, STR("a"), &none));
    VEC_RELEASE(&none);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(finds_what_a_parser_would),
        TEST(stays_within_the_document),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
