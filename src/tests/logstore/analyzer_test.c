/* analyzer_test.c
 *
 * Goal:   text is cut into the same terms as by Lucene's standard analyzer.
 * Method: a table of texts with their terms, joined by blanks, as a real Lucene cut them; generated
 *         texts cut whole and in pieces.
 */
#include "logstore/analyzer.h"

#include "base/buf.h"
#include "base/random.h"
#include "tests/test.h"

struct row {
    const char *text;
    const char *terms;
};

static const struct row rows[] = {
    { "192.168.1.1 foo.bar java.lang.NullPointerException",
      "192.168.1.1 foo.bar java.lang.nullpointerexception" },
    { "foo:bar error:timeout error: timeout", "foo:bar error:timeout error timeout" },
    { "foo_bar x86_64 v1.2.3 don't 1,000 1;2 3.14", "foo_bar x86_64 v1.2.3 don't 1,000 1;2 3.14" },
    { "10.0.0.1:8080 foo-bar server.go:42", "10.0.0.1 8080 foo bar server.go 42" },
    { "nginx.1 1.a /var/log/syslog.1", "nginx 1 1 a var log syslog 1" },
    { "a@b.com a,b 2024-01-01T10:00:00.123Z 1e-5", "a b.com a b 2024 01 01t10 00 00.123z 1e 5" },
    { "C++ AT&T $100.50 user.id=5 [ERROR]", "c at t 100.50 user.id 5 error" },
    { "http://example.com:80/a?b=c", "http example.com 80 a b c" },
    { "snake_case.camelCase 1.2.3.4.5 ___ _a_", "snake_case.camelcase 1.2.3.4.5 _a_" },
    { "\xe4\xb8\xad\xe6\x96\x87 caf\xc3\xa9 STRASSE \xc3\x84\xc3\x96",
      "\xe4\xb8\xad \xe6\x96\x87 caf\xc3\xa9 strasse \xc3\xa4\xc3\xb6" },
    { "\xd7\x90\"\xd7\x91", "\xd7\x90\"\xd7\x91" },
    { "a\xff"
      "b \xed\xa0\x80 c",
      "a b c" },
    { "", "" },
};

static void terms_are_lucenes(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        CLEANUP(buf_release) struct buf terms;
        buf_init(&terms, 4096);
        struct analyzer analyzer;
        struct analyzer_token token;
        analyzer_init(&analyzer, str_from(rows[i].text));
        while (analyzer_next(&analyzer, &token)) {
            if (terms.size > 0) buf_append_char(&terms, ' ');
            buf_append_str(&terms, token.term);
        }
        EXPECT_STR(rows[i].terms, buf_str(&terms));
    }
}

static void long_tokens_are_cut(void)
{
    char text[600];
    for (size_t i = 0; i < sizeof(text); i++) text[i] = 'A';
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzer_init(&analyzer, (struct str){ text, sizeof(text) });
    size_t sizes[3] = { 0 };
    for (size_t i = 0; i < 3 && analyzer_next(&analyzer, &token); i++) sizes[i] = token.term.size;
    EXPECT_INT(255, (int64_t)sizes[0]);
    EXPECT_INT(255, (int64_t)sizes[1]);
    EXPECT_INT(90, (int64_t)sizes[2]);
}

static void add_terms(struct str text, struct buf *out)
{
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzer_init(&analyzer, text);
    while (analyzer_next(&analyzer, &token)) {
        buf_append_str(out, token.term);
        buf_append_char(out, '\n');
    }
}

/* Terms do not change when what stands before or behind such a character is taken away. */
static void breaks_are_between_terms(void)
{
    static const char *const words[] = { "a",
                                         "b2",
                                         "9",
                                         "x.y",
                                         "x_",
                                         "1,000",
                                         "can",
                                         "'t",
                                         "\xcc\x81",
                                         "\xd7\x90\"\xd7\x91",
                                         "a\xe2\x80\x8d",
                                         "#",
                                         "*\xef\xb8\x8f\xe2\x83\xa3",
                                         ":",
                                         ";",
                                         "\xe6\x97\xa5" };
    struct random dice;
    random_init(&dice, 5);
    size_t breaks = 0;
    for (int c = 0; c < 256; c++) breaks += analyzer_breaks((char)c);
    EXPECT_INT(27, (int64_t)breaks);
    for (size_t i = 0; i < 20000; i++) {
        char c = (char)random_below(&dice, 128);
        if (!analyzer_breaks(c)) continue;
        CLEANUP(buf_release) struct buf text;
        CLEANUP(buf_release) struct buf apart;
        CLEANUP(buf_release) struct buf together;
        buf_init(&text, 4096);
        buf_init(&apart, 4096);
        buf_init(&together, 4096);
        for (size_t k = random_below(&dice, 4); k > 0; k--) {
            buf_append_cstr(&text, words[random_below(&dice, ARRAY_LENGTH(words))]);
        }
        add_terms(buf_str(&text), &apart);
        buf_append_char(&text, c);
        size_t start = text.size;
        buf_append_cstr(&text, words[random_below(&dice, 3)]); /* a letter or a digit */
        for (size_t k = random_below(&dice, 4); k > 0; k--) {
            buf_append_cstr(&text, words[random_below(&dice, ARRAY_LENGTH(words))]);
        }
        add_terms(str_skip(buf_str(&text), start), &apart);
        add_terms(buf_str(&text), &together);
        EXPECT(str_equal(buf_str(&apart), buf_str(&together)));
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(terms_are_lucenes),
        TEST(long_tokens_are_cut),
        TEST(breaks_are_between_terms),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
