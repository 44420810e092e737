/* json_test.c
 *
 * Goal:   values, their exact source bytes, and errors that say where.
 * Method: a table of documents, good and bad; then one document asked in every way.
 */
#include "codec/json.h"

#include "codec/json_writer.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define ARENA_SIZE (1 << 20)

/* clang-format off */
static const struct row {
    const char *text;
    const char *wanted; /* NULL: good; else what the error says behind "bad JSON at byte " */
} rows[] = {
    { "{}", NULL }, { "[]", NULL }, { " [1, 2] \n", NULL }, { "1", NULL }, { "-0.5e3", NULL },
    { "\"a\"", NULL }, { "true", NULL }, { " null\r\n", NULL }, { "-0", NULL }, { "1E+2", NULL },
    { "{\"a\":{\"b\":[null,false,1.5]}}", NULL }, { "123456789012345678901234567890", NULL },
    { "[[[]],{},\"\"]", NULL }, { "\"\\u0000\\ud800\\\\\"", NULL }, { "\"\x7F\"", NULL },
    { "", "0: expected a value, got the end" },
    { "   ", "3: expected a value, got the end" },
    { "{", "1: expected a key or '}', got the end" },
    { "[", "1: expected a value or ']', got the end" },
    { "[1", "2: expected ',' or ']', got the end" },
    { "[1,", "3: expected a value, got the end" },
    { "[1,]", "3: expected a value, got ']'" },
    { "[,1]", "1: expected a value, got ','" },
    { "{\"a\"}", "4: expected ':', got '}'" },
    { "{\"a\" 1}", "5: expected ':', got '1'" },
    { "{\"a\":}", "5: expected a value, got '}'" },
    { "{\"a\":1,}", "7: expected a key, got '}'" },
    { "{a:1}", "1: expected a key or '}', got 'a'" },
    { "{\"a\":1 \"b\":2}", "7: expected ',' or '}', got '\"'" },
    { "{\"a\":[1}", "7: expected ',' or ']', got '}'" },
    { "{} {}", "3: expected the end of the document, got '{'" },
    { "1,2", "1: expected the end of the document, got ','" },
    { "]", "0: expected a value, got ']'" },
    { "1]", "1: expected the end of the document, got ']'" },
    { "[1 2]", "3: expected ',' or ']', got '2'" },
    { "nul", "0: expected a value, got 'n'" },
    { "truee", "4: expected the end of the document, got 'e'" },
    { "[truefalse]", "5: expected ',' or a closing bracket, got 'f'" },
    { "{\"a\":nulx}", "5: expected a value, got 'n'" },
    { "NaN", "0: expected a value, got 'N'" },
    { "01", "1: expected the end of the document, got '1'" },
    { "[-]", "2: expected a digit, got ']'" },
    { "[1.]", "3: expected a digit, got ']'" },
    { ".5", "0: expected a value, got '.'" },
    { "1e", "2: expected a digit, got the end" },
    { "+1", "0: expected a value, got '+'" },
    { "0x1", "1: expected the end of the document, got 'x'" },
    { "[1e999]", "1: the number is larger than a double" },
    { "\"\xFF\"", "1: not UTF-8" },
    { "[\"ab\xED\xA0\x80\"]", "4: not UTF-8" },
    { "\"a\nb\"", "2: a control character inside a text" },
    { "[\"a\", \"b]", "6: a text without its closing quote" },
    { "\"a\"b", "3: expected the end of the document, got 'b'" },
    { "[\"a\"\"b\"]", "4: expected ',' or a closing bracket, got '\"'" },
    { "\"\\x\"", "1: no such escape" },
    { "[\"ab\\u12G4\"]", "4: no such escape" },
    { "[1\v]", "2: expected ',' or a closing bracket, got byte 0x0B" },
    { "\xEF\xBB\xBF{}", "0: expected a value, got byte 0xEF" },
    { "{\"a\":1}}", "7: expected the end of the document, got '}'" },
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
        EXPECT_INT(rows[i].wanted == NULL ? 0 : ERROR_PARSE, code);
        EXPECT((code == 0) == (root != NULL));
        if (rows[i].wanted == NULL || code == 0) continue;
        struct str text = str_from(error.text);
        REQUIRE(str_starts_with(text, STR("bad JSON at byte ")));
        text = str_skip(text, strlen("bad JSON at byte "));
        EXPECT_STR(rows[i].wanted, text);
        uint64_t offset = 0;
        EXPECT(str_to_uint64(str_cut(&text, ':'), &offset) && offset == error.offset);
    }
}

/* Every cut of a good document, and every byte of it turned into another, is good or refused
 * at a byte that is there. */
static void broken_documents_are_refused_in_place(void)
{
    static const char good[] =
        "{\"a\":[1,-2.5e+3,\"x\\u00e9\\n\",true,null,{}],\"b\":\"\xC3\xA9\"}";
    static const char others[] = "\"\\{}[]:,0-.eu \n\x01\xFF";
    CLEANUP(json_parser_cleanup) struct json_parser *parser = NULL;
    REQUIRE(json_parser_new(&parser, NULL) == 0);
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, ARENA_SIZE);
    const size_t size = sizeof(good) - 1;
    for (size_t cut = 0; cut < size; cut++) {
        const struct json *root = NULL;
        struct error error = { 0 };
        arena_reset(&arena);
        struct str text = { good, cut };
        EXPECT_INT(ERROR_PARSE, json_parse(parser, &arena, text, &root, &error));
        EXPECT(root == NULL && error.offset <= cut);
    }
    for (size_t i = 0; i < size * (sizeof(others) - 1); i++) {
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        text[i % size] = others[i / size];
        const struct json *root = NULL;
        struct error error = { 0 };
        arena_reset(&arena);
        int code = json_parse(parser, &arena, (struct str){ text, size }, &root, &error);
        EXPECT((code == 0) == (root != NULL));
        EXPECT(code == 0 || error.offset <= size);
    }
}

static void texts_and_numbers_have_their_values(void)
{
    static const struct {
        const char *text, *value;
    } texts[] = {
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u20AC\\ud83d\\ude00x\"", "\xE2\x82\xAC\xF0\x9F\x98\x80x" },
        { "\"\\ud83dx\"", "\xEF\xBF\xBDx" },                  /* half a pair */
        { "\"\\ude00\\ud83d\"", "\xEF\xBF\xBD\xEF\xBF\xBD" }, /* the wrong way round */
        { "\"long enough for several words of eight\\n\"",
          "long enough for several words of eight\n" },
    };
    static const struct {
        const char *text;
        enum json_kind kind;
        double value;
    } numbers[] = {
        { "9223372036854775807", JSON_INT, 9223372036854775807.0 },
        { "9223372036854775808", JSON_DOUBLE, 9223372036854775808.0 },
        { "-9223372036854775808", JSON_INT, -9223372036854775808.0 },
        { "-9223372036854775809", JSON_DOUBLE, -9223372036854775808.0 },
        { "18446744073709551616", JSON_DOUBLE, 18446744073709551616.0 },
        { "184467440737095516160", JSON_DOUBLE, 184467440737095516160.0 },
        { "1.0", JSON_DOUBLE, 1 },
        { "0.1", JSON_DOUBLE, 0.1 },
        { "-0.0", JSON_DOUBLE, 0 },
        { "1e22", JSON_DOUBLE, 1e22 },
        { "1e23", JSON_DOUBLE, 1e23 },
        { "123456789012345678e-5", JSON_DOUBLE, 1234567890123.45678 },
        { "0.000000000000000000000001", JSON_DOUBLE, 1e-24 },
        { "1e-999", JSON_DOUBLE, 0 },
        { "4.9e-324", JSON_DOUBLE, 4.9e-324 },
        { "0.0e99999999999999999999", JSON_DOUBLE, 0 },
    };
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, ARENA_SIZE);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        test_context(texts[i].text);
        const struct json *root = NULL;
        REQUIRE(json_parse(NULL, &arena, str_from(texts[i].text), &root, NULL) == 0);
        EXPECT_STR(texts[i].value, json_text(root, STR("")));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        test_context(numbers[i].text);
        const struct json *root = NULL;
        REQUIRE(json_parse(NULL, &arena, str_from(numbers[i].text), &root, NULL) == 0);
        EXPECT_INT(numbers[i].kind, root->kind);
        EXPECT(json_number(root, 42) == numbers[i].value);
        EXPECT_STR(numbers[i].text, root->raw);
    }
}

static void lines_are_read_in_place(void)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 20);
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"a\":\"b\",\"c\":12}\n%0100d", 7);
    struct str line = { body, strcspn(body, "\n") };
    const struct json *root = NULL;
    REQUIRE(json_parse_line(NULL, &arena, line, 101, &root, NULL) == 0);
    EXPECT(root->raw.data == body && root->raw.size == line.size);
    EXPECT_INT(12, json_integer(json_get(root, STR("c")), 0));
    REQUIRE(json_parse_line(NULL, &arena, line, 63, &root, NULL) == 0);
    EXPECT(root->raw.data != body); /* too little behind it: a copy */
    body[line.size] = '3';          /* would go on with the number */
    line = str_skip(line, line.size - 3);
    line.size = 2;
    REQUIRE(json_parse_line(NULL, &arena, line, 101, &root, NULL) == 0);
    EXPECT_INT(12, json_integer(root, 0));
    EXPECT(root->raw.data != line.data);
}

static void memory_has_a_limit(void)
{
    char text[4001];
    memset(text, ' ', sizeof(text));
    text[0] = '[';
    for (size_t i = 1; i < 3999; i += 2) memcpy(text + i, "1,", 2);
    memcpy(text + 3998, " 1]", 3);
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 8192);
    const struct json *root = NULL;
    EXPECT_INT(ERROR_LIMIT, json_parse(NULL, &arena, (struct str){ text, 4001 }, &root, NULL));
    EXPECT(root == NULL);
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
        TEST(documents_parse_or_say_where),        TEST(broken_documents_are_refused_in_place),
        TEST(texts_and_numbers_have_their_values), TEST(memory_has_a_limit),
        TEST(deep_documents_meet_a_limit),         TEST(values_keep_their_bytes),
        TEST(writer_escapes_and_separates),        TEST(lines_are_read_in_place),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
