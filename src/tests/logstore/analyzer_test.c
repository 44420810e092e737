/* analyzer_test.c
 *
 * Goal:   text is cut into the same terms as by Lucene's standard analyzer.
 * Method: a table of texts with their terms, joined by blanks, as a real Lucene cut them.
 */
#include "logstore/analyzer.h"

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

int main(void)
{
    static const struct test tests[] = { TEST(terms_are_lucenes), TEST(long_tokens_are_cut) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
