/* text_test.c - hostile bytes: what comes out is valid UTF-8, on one line, and no longer than told.
 *
 * Method: a table of Unicode's own cases, and random texts compared with a slow second writer.
 */
#include "structlog/text.h"

#include "base/check.h"
#include "base/compiler.h"
#include "tests/test.h"

#include <stdint.h>
#include <stdlib.h>

#define BAD "\xef\xbf\xbd"

static const struct {
    const char *name, *from;
    size_t size;
    const char *want;
} rows[] = {
    { "plain", "hello", 5, "hello" },
    { "quote and backslash", "a\"b\\c", 5, "a\\\"b\\\\c" },
    { "short escapes", "\b\f\n\r\t", 5, "\\b\\f\\n\\r\\t" },
    { "controls", "\x01\x1f\x7f", 3, "\\u0001\\u001f\x7f" },
    { "NUL inside", "a\0b", 3, "a\\u0000b" },
    { "valid, 2 to 4 bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
      "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
    { "U+2028 stays", "\xe2\x80\xa8", 3, "\xe2\x80\xa8" },
    { "lone byte", "\xff", 1, BAD },
    { "overlong slash", "\xc0\xaf", 2, BAD BAD },
    { "overlong, 3 bytes", "\xe0\x80\xaf", 3, BAD BAD BAD },
    { "surrogate", "\xed\xa0\x80", 3, BAD BAD BAD },
    { "above U+10FFFF", "\xf4\x90\x80\x80", 4, BAD BAD BAD BAD },
    { "truncated at the end", "\xe2\x82", 2, BAD },
    { "truncated before ASCII", "\xf0\x9f\x98x", 4, BAD "x" },
    { "continuation alone", "a\x80z", 3, "a" BAD "z" },
    { "long, special in the tail", "0123456789abcdef\"", 17, "0123456789abcdef\\\"" },
    { "long, special in front", "\n0123456789abcdefghij", 21, "\\n0123456789abcdefghij" },
};

static void table(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char out[256];
        memset(out, '?', sizeof(out));
        /* A copy of exact size, so that a sanitizer sees a byte read too many. */
        char *from = malloc(rows[i].size);
        CHECK(from != NULL);
        memcpy(from, rows[i].from, rows[i].size);
        size_t size = (size_t)(sl_put_json_text(out, from, rows[i].size) - out);
        test_context(rows[i].name);
        EXPECT_INT((int64_t)strlen(rows[i].want), (int64_t)size);
        EXPECT(memcmp(out, rows[i].want, strlen(rows[i].want)) == 0);
        free(from);
    }
    test_context(NULL);
}

/* The same by the letter of the rule, one byte after the other. */
static size_t slow(char *to, const char *from, size_t size)
{
    char *start = to;
    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)from[i];
        size_t skip = 1;
        size_t length = sl_utf8_length(from + i, size - i, &skip);
        if (length == 0) {
            memcpy(to, BAD, 3);
            to += 3;
            i += skip;
        } else if (c >= 0x20 && c != '"' && c != '\\') {
            memcpy(to, from + i, length);
            to += length;
            i += length;
        } else {
            to = sl_put_json_text(to, from + i, 1);
            i++;
        }
    }
    return (size_t)(to - start);
}

static void random_texts(void)
{
    uint64_t state = 42;
    for (int round = 0; round < 20000; round++) {
        char from[96];
        char fast_out[96 * SL_TEXT_GROWTH_MAX + SL_PUT_SLACK];
        char slow_out[96 * SL_TEXT_GROWTH_MAX + SL_PUT_SLACK];
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t size = (size_t)(state >> 33) % sizeof(from);
        int kind = (int)(state >> 60);
        for (size_t i = 0; i < size; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            unsigned char c = (unsigned char)(state >> 40);
            from[i] = (char)(kind > 3 && (state >> 50) % 8 != 0 ? 'a' + c % 26 : c);
        }
        char *exact = malloc(size + 1);
        CHECK(exact != NULL);
        memcpy(exact, from, size);
        size_t fast_size = (size_t)(sl_put_json_text(fast_out, exact, size) - fast_out);
        size_t slow_size = slow(slow_out, from, size);
        EXPECT_INT((int64_t)slow_size, (int64_t)fast_size);
        EXPECT(slow_size != fast_size || memcmp(fast_out, slow_out, fast_size) == 0);
        EXPECT(fast_size <= SL_TEXT_GROWTH_MAX * size);
        free(exact);
    }
}

static void cuts_between_code_points(void)
{
    EXPECT_INT(3, (int64_t)sl_utf8_cut("abc", 3));
    EXPECT_INT(1, (int64_t)sl_utf8_cut("a\xe2\x82\xac", 3));
    EXPECT_INT(4, (int64_t)sl_utf8_cut("a\xe2\x82\xac", 4));
    EXPECT_INT(0, (int64_t)sl_utf8_cut("\xf0\x9f\x98\x80", 3));
    EXPECT_INT(0, (int64_t)sl_utf8_cut("", 0));
}

static void quotes_only_what_needs_it(void)
{
    static const struct {
        const char *from, *want;
    } quoted[] = {
        { "plain", "plain" },
        { "", "\"\"" },
        { "two words", "\"two words\"" },
        { "a=b", "\"a=b\"" },
        { "a\"b", "\"a\\\"b\"" },
        { "\x1b[31m", "\"\\u001b[31m\"" },
        { "\xc3\xa9", "\xc3\xa9" },
        { "\xff", "\"" BAD "\"" },
        { "\xc2\x9b", "\"\\u009b\"" },
        { "del\x7f", "\"del\\u007f\"" },
        { "line\nbreak", "\"line\\nbreak\"" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(quoted); i++) {
        char out[128] = "";
        *sl_put_quoted(out, quoted[i].from, strlen(quoted[i].from)) = '\0';
        test_context(quoted[i].want);
        EXPECT(strcmp(out, quoted[i].want) == 0);
    }
    test_context(NULL);
    char out[64] = "";
    *sl_put_visible(out, "a \"b\" \x1b", 7) = '\0';
    EXPECT(strcmp(out, "a \"b\" \\u001b") == 0);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(table),
        TEST(random_texts),
        TEST(cuts_between_code_points),
        TEST(quotes_only_what_needs_it),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
