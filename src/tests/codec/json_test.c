/* json_test.c
 *
 * Goal:   values, their exact source bytes, and errors that say where.
 * Method: a table of documents, good and bad; then one document asked in every way.
 */
#include "codec/json.h"

#include "codec/json_writer.h"
#include "tests/test.h"

#define ARENA_SIZE (1 << 20)

/* clang-format off */
static const struct row {
    const char *text;
    int code;
} rows[] = {
    { "{}", 0 }, { "[]", 0 }, { " [1, 2] \n", 0 }, { "1", 0 }, { "-0.5e3", 0 }, { "\"a\"", 0 },
    { "true", 0 }, { "null", 0 }, { "{\"a\":{\"b\":[null,false,1.5]}}", 0 },
    { "123456789012345678901234567890", 0 },
    { "", ERROR_PARSE }, { "   ", ERROR_PARSE }, { "{", ERROR_PARSE }, { "[1,]", ERROR_PARSE },
    { "{\"a\"}", ERROR_PARSE }, { "{\"a\":1,}", ERROR_PARSE }, { "{} {}", ERROR_PARSE },
    { "1,2", ERROR_PARSE }, { "nul", ERROR_PARSE }, { "truee", ERROR_PARSE }, { "01", ERROR_PARSE },
    { "\"\xFF\"", ERROR_PARSE }, { "\"a\nb\"", ERROR_PARSE }, { "NaN", ERROR_PARSE },
    { "{\"a\":1 \"b\":2}", ERROR_PARSE }, { "[1 2]", ERROR_PARSE }, { "\"\\x\"", ERROR_PARSE },
    { "]", ERROR_PARSE }, { "1]", ERROR_PARSE }, { "{\"a\":nulx}", ERROR_PARSE },
};
/* clang-format on */

static void documents_parse_or_say_where(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        CLEANUP(arena_release) struct arena arena;
        arena_init(&arena, ARENA_SIZE);
        struct error error = { 0 };
        const struct json *root = NULL;
        int code = json_parse(NULL, &arena, str_from(rows[i].text), &root, &error);
        EXPECT_INT(rows[i].code, code);
        EXPECT((code == 0) == (root != NULL));
        if (code != 0) EXPECT(error.offset <= strlen(rows[i].text));
        if (code != 0) EXPECT(error.text[0] != '\0');
    }
}

static void deep_documents_meet_a_limit(void)
{
    char text[1001];
    memset(text, '[', 500);
    memset(text + 500, ']', 500);
    text[1000] = '\0';
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, ARENA_SIZE);
    const struct json *root = NULL;
    struct error error = { 0 };
    EXPECT_INT(ERROR_LIMIT, json_parse(NULL, &arena, str_from(text), &root, &error));
    EXPECT(root == NULL);
}

static void values_keep_their_bytes(void)
{
    static const char text[] = "{ \"a\" : 1.50 , \"b\\n\":[ 1 ,\"x\\u00e9\" ], \"a\": {\"c\" : 7} ,"
                               "\"d.e\":true, \"n\": 18446744073709551615}";
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, ARENA_SIZE);
    CLEANUP(json_parser_cleanup) struct json_parser *parser = NULL;
    REQUIRE(json_parser_new(&parser, NULL) == 0);
    const struct json *root = NULL;
    REQUIRE(json_parse(parser, &arena, str_from(text), &root, NULL) == 0);
    EXPECT_STR(text, root->raw);
    EXPECT_INT(5, (int64_t)root->object.count);
    EXPECT_STR("1.50", root->object.members[0].value.raw);
    EXPECT_STR("b\n", root->object.members[1].key);
    EXPECT_STR("[ 1 ,\"x\\u00e9\" ]", root->object.members[1].value.raw);
    EXPECT_STR("x\xC3\xA9", root->object.members[1].value.array.items[1].text);
    EXPECT_STR("\"x\\u00e9\"", root->object.members[1].value.array.items[1].raw);
    EXPECT_STR("{\"c\" : 7}", json_get(root, STR("a"))->raw); /* the last one */
    EXPECT_INT(7, json_integer(json_get_path(root, STR("a.c")), 0));
    EXPECT(json_boolean(json_get_path(root, STR("d.e")), false));
    EXPECT_STR("18446744073709551615", json_get(root, STR("n"))->raw);
    EXPECT(json_get(root, STR("z")) == NULL);
    /* A second document with the same parser leaves the first alone. */
    const struct json *other = NULL;
    REQUIRE(json_parse(parser, &arena, STR("[9]"), &other, NULL) == 0);
    EXPECT_STR("1.50", root->object.members[0].value.raw);
}

static void writer_escapes_and_separates(void)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4096);
    struct json_writer json;
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_member_text(&json, "t", STR("a\"\\\n\x01\xFFz"));
    json_member_int(&json, "i", INT64_MIN);
    json_key(&json, STR("list"));
    json_array_begin(&json);
    json_put_double(&json, 0.1);
    json_put_double(&json, 1e21);
    json_put_bool(&json, true);
    json_put_null(&json);
    json_object_begin(&json);
    json_object_end(&json);
    json_array_end(&json);
    json_object_end(&json);
    EXPECT_STR("{\"t\":\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBDz\",\"i\":-9223372036854775808,"
               "\"list\":[0.1,1e+21,true,null,{}]}",
               buf_str(&out));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(documents_parse_or_say_where),
        TEST(deep_documents_meet_a_limit),
        TEST(values_keep_their_bytes),
        TEST(writer_escapes_and_separates),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
