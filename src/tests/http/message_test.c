/* message_test.c
 *
 * Goal:   forms, escapes and addresses are read as they are written, and nothing else is taken.
 * Method: tables; outputs are looked at after failures, too.
 */
#include "http/message.h"

#include "tests/test.h"

#include <errno.h>
#include <stdio.h>

static void addresses(void)
{
    static const struct {
        const char *text;
        const char *host;
        int port; /* -1: refused */
    } rows[] = {
        { "127.0.0.1:9090", "127.0.0.1", 9090 },
        { ":9090", "", 9090 },
        { "9090", "", 9090 },
        { "[::1]:80", "::1", 80 },
        { "[::1]", "::1", 0 },
        { "localhost", "localhost", 0 },
        { "a.b:0", "a.b", 0 },
        { "a:65535", "a", 65535 },
        { "a:65536", "", -1 },
        { "a:", "", -1 },
        { "", "", -1 },
        { "[::1", "", -1 },
        { "[]:1", "", -1 },
        { "[::1]x", "", -1 },
        { "::1", "", -1 },
        { "a:+1", "", -1 },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        struct http_address address = { STR("untouched"), 7 };
        int code = http_address_parse(str_from(rows[i].text), &address, NULL);
        EXPECT_INT(rows[i].port < 0 ? ERROR_PARSE : 0, code);
        EXPECT_INT(rows[i].port < 0 ? 7 : rows[i].port, address.port);
        EXPECT_STR(rows[i].port < 0 ? "untouched" : rows[i].host, address.host);
    }
}

static void escapes(void)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 16);
    static const struct {
        const char *text;
        bool is_form;
        const char *want; /* NULL: refused */
    } rows[] = {
        { "plain", false, "plain" }, { "a+b", false, "a+b" }, { "a+b", true, "a b" },
        { "%41%7a", false, "Az" },   { "%", false, NULL },    { "%4", false, NULL },
        { "%4g", false, NULL },      { "%00", false, NULL },  { "x%2", true, NULL },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        struct str out = STR("untouched");
        bool is_good = http_unescape(&arena, str_from(rows[i].text), rows[i].is_form, &out);
        EXPECT(is_good == (rows[i].want != NULL));
        EXPECT_STR(is_good ? rows[i].want : "untouched", out);
    }
    EXPECT_STR("a%20b%2F%C3%A4-._~", http_escape(&arena, STR("a b/\xc3\xa4-._~")));
}

static void forms(void)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 20);
    struct http_fields fields = { 0 };
    EXPECT_INT(0, http_form_parse(&arena, STR("a=1&b"), &fields, NULL));
    EXPECT_INT(0, http_form_parse(&arena, STR("&&a=2=3&"), &fields, NULL));
    EXPECT_INT(3, (int64_t)fields.count);
    EXPECT_STR("1", http_fields_get(&fields, STR("a")));
    EXPECT(http_fields_get(&fields, STR("b")).data != NULL);
    EXPECT(http_fields_get(&fields, STR("B")).data == NULL);
    EXPECT(http_fields_get_nocase(&fields, STR("B")).data != NULL);
    EXPECT_STR("2=3", fields.items[2].value);

    struct error error = { 0 };
    EXPECT_INT(ERROR_PARSE, http_form_parse(&arena, STR("c=1&d=%f"), &fields, &error));
    EXPECT_INT(3, (int64_t)fields.count);
    static char many[HTTP_PARAMETERS_MAX + 1];
    memset(many, '&', sizeof(many));
    EXPECT_INT(ERROR_LIMIT,
               http_form_parse(&arena, (struct str){ many, sizeof(many) }, &fields, &error));
    EXPECT_INT(3, (int64_t)fields.count);
}

int main(void)
{
    static const struct test tests[] = { TEST(addresses), TEST(escapes), TEST(forms) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
