/* text_test.c
 *
 * Goal:   numbers, patterns, globs, base64, UTF-8, YAML: known answers and known refusals.
 * Method: tables.
 */
#include "codec/base64.h"
#include "codec/glob.h"
#include "codec/number.h"
#include "codec/regex.h"
#include "codec/utf8.h"
#include "codec/variables.h"
#include "codec/yaml.h"

#include "base/random.h"
#include "tests/test.h"

#include <math.h>

/* clang-format off */
static const struct number_row {
    double value;
    const char *plain, *go, *api, *java;
} number_rows[] = {
    { 0, "0", "0", "0", "0.0" },
    { -0.0, "-0", "-0", "-0", "-0.0" },
    { 1, "1", "1", "1", "1.0" },
    { 0.1, "0.1", "0.1", "0.1", "0.1" },
    { 1e6, "1000000", "1e+06", "1000000", "1000000.0" },
    { 1e20, "100000000000000000000", "1e+20", "100000000000000000000", "1.0E20" },
    { 1e21, "1000000000000000000000", "1e+21", "1e+21", "1.0E21" },
    { 1e-7, "0.0000001", "1e-07", "1e-07", "1.0E-7" },
    { 123456789.125, "123456789.125", "1.23456789125e+08", "123456789.125", "1.23456789125E8" },
    { 0.001, "0.001", "0.001", "0.001", "0.001" },
    { 0.00012, "0.00012", "0.00012", "0.00012", "1.2E-4" },
};
/* clang-format on */

static void numbers_print_as_others_do(void)
{
    char text[NUMBER_SIZE_MAX];
    for (size_t i = 0; i < ARRAY_LENGTH(number_rows); i++) {
        const struct number_row *row = &number_rows[i];
        test_context(row->plain);
        EXPECT_STR(row->plain, ((struct str){ text, number_print_plain(row->value, text) }));
        EXPECT_STR(row->go, ((struct str){ text, number_print_go(row->value, text) }));
        EXPECT_STR(row->api, ((struct str){ text, number_print_api(row->value, text) }));
        EXPECT_STR(row->java, ((struct str){ text, number_print_java(row->value, text) }));
    }
    EXPECT_STR("NaN", ((struct str){ text, number_print_go((double)NAN, text) }));
    EXPECT_STR("-Inf", ((struct str){ text, number_print_api(-HUGE_VAL, text) }));
}

static void numbers_survive_the_round_trip(void)
{
    struct random dice;
    random_init(&dice, 7);
    char text[NUMBER_SIZE_MAX];
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&dice);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) continue;
        size_t (*const printers[])(double, char *) = { number_print_plain, number_print_go,
                                                       number_print_api, number_print_json };
        for (size_t p = 0; p < ARRAY_LENGTH(printers); p++) {
            double back = 0;
            EXPECT(number_parse((struct str){ text, printers[p](value, text) }, &back));
            EXPECT(back == value);
        }
    }
}

static void numbers_parse_as_in_go(void)
{
    static const struct {
        const char *text;
        bool is_number;
        double value;
    } rows[] = {
        { "1", true, 1 },
        { "+1.5", true, 1.5 },
        { "-.5", true, -0.5 },
        { "1e3", true, 1000 },
        { "0x1F", true, 31 },
        { "-0x1p-2", true, -0.25 },
        { "inf", true, HUGE_VAL },
        { "-Infinity", true, -HUGE_VAL },
        { "1e999", true, HUGE_VAL },
        { "1e-999", true, 0 },
        { "5.", true, 5 },
        { "0e999999999999999999999", true, 0 },
        { "0001e400", true, HUGE_VAL },
        { "0.0001e400", true, HUGE_VAL },
        { "1000000e-400", true, 0 },
        { "-0x1p5000", true, -HUGE_VAL },
        { "0x0.0001p-2000", true, 0 },
        { "1e+0000000400", true, HUGE_VAL },
        { "1.7976931348623157e308", true, 1.7976931348623157e308 },
        { "4.9e-324", true, 4.9e-324 },
        { "9007199254740993", true, 9007199254740992.0 },
        { "0.500000000000000166533453693773481063544750213623046875", true, 0.5000000000000002 },
        { "", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "1_000", false, 0 },
        { "0x", false, 0 },
        { "e5", false, 0 },
        { "--1", false, 0 },
        { "1e", false, 0 },
        { "infin", false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        double value = 42;
        EXPECT(number_parse(str_from(rows[i].text), &value) == rows[i].is_number);
        EXPECT(value == (rows[i].is_number ? rows[i].value : 42));
    }
    /* Four hundred zeros, and an exponent against them. */
    char wide[600] = "1";
    memset(wide + 1, '0', 400);
    double value = 0;
    EXPECT(number_parse((struct str){ wide, 401 }, &value) && value == HUGE_VAL);
    memcpy(wide + 401, "e-5", 3);
    EXPECT(number_parse((struct str){ wide, 404 }, &value) && value == HUGE_VAL);
    memcpy(wide + 401, "e-400", 5);
    EXPECT(number_parse((struct str){ wide, 406 }, &value) && value == 1);
    double nan = 0;
    EXPECT(number_parse(STR("NaN"), &nan) && isnan(nan));
}

static void patterns_match_whole_texts(void)
{
    CLEANUP(regex_cleanup) struct regex *regex = NULL;
    REQUIRE(regex_new(&regex, STR("(.+):(?P<port>\\d+)"), REGEX_DOT_NEWLINE, NULL) == 0);
    EXPECT(regex_matches(regex, STR("a:1")));
    EXPECT(!regex_matches(regex, STR("a:1 ")));
    EXPECT(regex_contains(regex, STR("a:1 ")));
    struct str groups[3];
    REQUIRE(regex_groups(regex, STR("host\nx:80"), groups, 3));
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 256);
    regex_expand(regex, STR("$1|${2}|$port|$1x|$$|$"), groups, 3, &out);
    EXPECT_STR("host\nx|80|80||$|$", buf_str(&out));

    struct regex *broken = NULL;
    struct error error = { 0 };
    EXPECT_INT(ERROR_PARSE, regex_new(&broken, STR("(a"), 0, &error));
    EXPECT(broken == NULL && strstr(error.text, "missing )") != NULL);
    EXPECT_INT(ERROR_PARSE, regex_new(&broken, STR("ab\\q"), 0, &error));
    EXPECT_INT(2, (int64_t)error.offset);
    EXPECT_INT(ERROR_PARSE, regex_new(&broken, STR("abc[z-a]"), 0, &error));
    EXPECT_INT(4, (int64_t)error.offset);

    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 4096);
    struct str *items = NULL;
    size_t count = 0;
    REQUIRE(regex_literals(&arena, STR("a|b\\.c|"), &items, &count));
    EXPECT_INT(3, (int64_t)count);
    EXPECT_STR("b.c", items[1]);
    EXPECT_STR("", items[2]);
    EXPECT(!regex_literals(&arena, STR("a.*"), &items, &count));
    REQUIRE(regex_literals(&arena, STR("(?:up|down)"), &items, &count) && count == 2);
    EXPECT_STR("down", items[1]);
    EXPECT(!regex_literals(&arena, STR("(a)|(b)"), &items, &count));
    EXPECT(!regex_literals(&arena, STR("(?i)a"), &items, &count));
    EXPECT(!regex_literals(&arena, STR("a\\d"), &items, &count));
}

static void globs_stay_inside_a_folder(void)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } rows[] = {
        { "/a/*.json", "/a/x.json", true },
        { "/a/*.json", "/a/b/x.json", false },
        { "*.log", ".log", true },
        { "a?c", "abc", true },
        { "[a-c]x", "bx", true },
        { "[^a-c]x", "bx", false },
        { "a\\*", "a*", true },
        { "a\\*", "ab", false },
        { "/v/**/x.log", "/v/x.log", true },
        { "/v/**/x.log", "/v/a/b/x.log", true },
        { "/v/**/x.log", "/v/1/2/3/4/5/6/7/8/x.log", true },
        { "/v/**/x.log", "/v/1/2/3/4/5/6/7/8/9/x.log", false },
        { "/**/v/**/x.log", "/a/v/b/c/x.log", true },
        { "/**/v/**/x.log", "/a/b/v/c/x.log", false }, /* only the rightmost goes deep */
        { "/v/**", "/v/a/b", true },
        { "/v/**", "/w/a", false },
        { "/v/*", "/v/a/b", false },
        { "/v/a", "/v/a/", false },
        { "a?c",
          "a\xC3\xA9"
          "c",
          true },
        { "[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", true },
        { "[\\]x]", "]", true },
        { "[]a]", "a", false },
        { "[a-]", "a", false },
        { "", "", true },
        { "", "a", false },
        { "*a*b", "xaxxb", true },
        { "*a*b", "xaxxc", false },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].path);
        EXPECT(glob_matches(str_from(rows[i].pattern), str_from(rows[i].path)) == rows[i].matches);
    }
    EXPECT(!glob_is_valid(STR("[a")));
    EXPECT(glob_has_wildcard(STR("a*")) && !glob_has_wildcard(STR("a.b")));
}

static void base64_follows_its_vectors(void)
{
    static const char *const rows[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foobar", "Zm9vYmFy" }
    };
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 256);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        buf_reset(&out);
        base64_encode(&out, str_from(rows[i][0]));
        EXPECT_STR(rows[i][1], buf_str(&out));
        buf_reset(&out);
        EXPECT(base64_decode(&out, str_from(rows[i][1])));
        EXPECT_STR(rows[i][0], buf_str(&out));
    }
    buf_reset(&out);
    EXPECT(!base64_decode(&out, STR("Z")) && !base64_decode(&out, STR("Zg=")));
    EXPECT(!base64_decode(&out, STR("Zh==")) && !base64_decode(&out, STR("Z g=")));
}

static void utf8_refuses_what_is_not(void)
{
    EXPECT(utf8_is_valid(STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")));
    EXPECT(!utf8_is_valid(STR("\xC0\x80")) && !utf8_is_valid(STR("\xED\xA0\x80")));
    EXPECT(!utf8_is_valid(STR("\xF4\x90\x80\x80")) && !utf8_is_valid(STR("12345678\xC3")));
    EXPECT_INT(3, (int64_t)utf8_count(STR("a\xFF\xC3\xA9")));
    EXPECT_INT(0, (int64_t)utf8_valid_count(STR("")));
    EXPECT_INT(12, (int64_t)utf8_valid_count(STR("ab\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"
                                                 "1234567")));
    struct str rest = STR("\xF0\x9F\x98\x80");
    EXPECT_INT(0x1F600, utf8_take(&rest));
}

static void yaml_says_where(void)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct yaml_node *root = NULL;
    struct error error = { 0 };
    REQUIRE(yaml_parse(&arena, STR("a: [1, \"2\", yes]\nb: &x {c: 1}\nd: *x\n"), STR("f.yml"),
                       &root, &error) == 0);
    const struct yaml_node *list = yaml_get(root, STR("a"));
    REQUIRE(list != NULL && list->count == 3);
    int64_t number = 0;
    EXPECT(yaml_int(list->items[1], &number, NULL) == 0 && number == 2);
    EXPECT_INT(1, (int64_t)list->items[2]->line);
    EXPECT_INT(13, (int64_t)list->items[2]->column);
    EXPECT(yaml_get(yaml_get(root, STR("d")), STR("c")) != NULL);
    EXPECT(yaml_int(list->items[2], &number, &error) == ERROR_PARSE);
    EXPECT_STR("f.yml:1:13: expected a whole number, got 'yes'", str_from(error.text));

    static const struct {
        const char *text, *wanted;
    } bad[] = {
        { "a: 1\na: 2\n", "f.yml:2:1: field 'a' is there already, in line 1" },
        { "a: [1\n", "f.yml:2:1" },
        { "a: 1\n b: 2\n", "f.yml:2:" },
        { "a: 1\n---\nb: 2\n", "f.yml:3:1: a second document" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        test_context(bad[i].text);
        const struct yaml_node *none = NULL;
        EXPECT_INT(ERROR_PARSE,
                   yaml_parse(&arena, str_from(bad[i].text), STR("f.yml"), &none, &error));
        EXPECT(none == NULL);
        test_context(error.text);
        EXPECT(str_starts_with(str_from(error.text), str_from(bad[i].wanted)));
    }
    EXPECT(yaml_parse(&arena, STR("# nothing\n"), STR("f.yml"), &root, &error) == 0 &&
           root == NULL);
}

static void yaml_merges_what_is_not_written(void)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct yaml_node *root = NULL;
    struct error error = { 0 };
    REQUIRE(yaml_parse(&arena,
                       STR("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\n"
                           "one: {b: 9, <<: *x}\ntwo: {<<: [*x, *y], d: 5}\n"),
                       STR("f.yml"), &root, &error) == 0);
    static const struct {
        const char *mapping, *key, *value;
    } rows[] = { { "one", "a", "1" }, { "one", "b", "9" }, { "two", "a", "1" },
                 { "two", "b", "2" }, { "two", "c", "4" }, { "two", "d", "5" } };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].key);
        const struct yaml_node *mapping = yaml_get(root, str_from(rows[i].mapping));
        const struct yaml_node *value = yaml_get(mapping, str_from(rows[i].key));
        REQUIRE(value != NULL);
        EXPECT_STR(rows[i].value, value->text);
    }
    EXPECT_INT(2, (int64_t)yaml_get(root, STR("one"))->count);
    const struct yaml_node *none = NULL;
    EXPECT_INT(ERROR_PARSE, yaml_parse(&arena, STR("a: {<<: [1]}\n"), STR("f.yml"), &none, &error));
    EXPECT_STR("f.yml:1:9: '<<' takes a mapping or a list of mappings", str_from(error.text));
    EXPECT(none == NULL);
}

static void yaml_finds_doubles_among_many(void)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 5000; i++) buf_printf(&text, "key%d: %d\n", i, i);
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 16 << 20);
    const struct yaml_node *root = NULL;
    REQUIRE(yaml_parse(&arena, buf_str(&text), STR("f.yml"), &root, NULL) == 0);
    EXPECT_INT(5000, (int64_t)root->count);
    buf_append_cstr(&text, "key17: again\n");
    struct error error = { 0 };
    EXPECT_INT(ERROR_PARSE, yaml_parse(&arena, buf_str(&text), STR("f.yml"), &root, &error));
    EXPECT_STR("f.yml:5001:1: field 'key17' is there already, in line 18", str_from(error.text));
}

static void yaml_bombs_meet_a_limit(void)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 16);
    buf_append_cstr(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) {
        buf_printf(&text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 64 << 20);
    const struct yaml_node *root = NULL;
    EXPECT_INT(ERROR_LIMIT, yaml_parse(&arena, buf_str(&text), STR("bomb.yml"), &root, NULL));
}

static char *look_up(const char *name)
{
    static char value[] = "v";
    return strcmp(name, "A_1") == 0 ? value : NULL;
}

static void variables_are_put_in(void)
{
    static const char *const variable_rows[][2] = {
        { "a$A_1-${A_1}b", "av-vb" },
        { "$$A_1", "$A_1" },
        { "$none.", "." },
        { "${A_1", "${A_1" },
        { "5$", "5$" },
        { "$1", "$1" },
        { "", "" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(variable_rows); i++) {
        test_context(variable_rows[i][0]);
        CLEANUP(buf_release) struct buf out;
        buf_init(&out, 256);
        variables_expand(&out, str_from(variable_rows[i][0]), look_up);
        EXPECT_STR(variable_rows[i][1], buf_str(&out));
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(variables_are_put_in),
        TEST(numbers_print_as_others_do),
        TEST(numbers_survive_the_round_trip),
        TEST(numbers_parse_as_in_go),
        TEST(patterns_match_whole_texts),
        TEST(globs_stay_inside_a_folder),
        TEST(base64_follows_its_vectors),
        TEST(utf8_refuses_what_is_not),
        TEST(yaml_says_where),
        TEST(yaml_merges_what_is_not_written),
        TEST(yaml_finds_doubles_among_many),
        TEST(yaml_bombs_meet_a_limit),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
