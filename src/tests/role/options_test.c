/* options_test.c
 *
 * Goal:   every form of every kind of option is read, and every mistake named.
 * Method: rows of one or two words and what they make of the values, or of the error.
 */
#include "role/options.h"

#include "base/str.h"
#include "tests/test.h"

#include <stdio.h>

struct values {
    const char *text;
    bool is_on;
    int64_t number;
    int64_t count;
    int64_t size;
    int64_t duration_ms;
    double real;
    struct option_list files;
    bool is_once;
};

#define AT(field) offsetof(struct values, field)

static const struct option options[] = {
    { "web.text", NULL, OPTION_TEXT, AT(text), "none", "A text." },
    { "is-on", NULL, OPTION_FLAG, AT(is_on), "true", "A flag." },
    { "number", NULL, OPTION_INT, AT(number), "-1", "A number." },
    { "count", NULL, OPTION_COUNT, AT(count), "0", "A count." },
    { "size", NULL, OPTION_SIZE, AT(size), "1KB", "A size." },
    { "time", NULL, OPTION_DURATION, AT(duration_ms), "15d", "A duration." },
    { "real", NULL, OPTION_REAL, AT(real), "0.5", "A real." },
    { "c", "FILE", OPTION_LIST, AT(files), NULL, "Files." },
    { "once", NULL, OPTION_FLAG, AT(is_once), NULL, "Once." },
    { "old", NULL, OPTION_IGNORED, 0, NULL, NULL },
    { "password", NULL, OPTION_TEXT, AT(text), NULL, "Hidden when shown." },
};

static int parse(struct values *values, const char *first, const char *second, struct error *error)
{
    *values = (struct values){ 0 };
    struct option_table table = { options, ARRAY_LENGTH(options), values };
    char *argv[] = { (char *)(uintptr_t) "test", (char *)(uintptr_t)first,
                     (char *)(uintptr_t)second, NULL };
    int argc = first == NULL ? 1 : (second == NULL ? 2 : 3);
    return options_parse(&table, 1, argc, argv, NULL, error);
}

static void defaults(void)
{
    struct values values;
    REQUIRE(parse(&values, NULL, NULL, NULL) == 0);
    EXPECT_STR("none", str_from(values.text));
    EXPECT(values.is_on && !values.is_once);
    EXPECT_INT(-1, values.number);
    EXPECT_INT(1024, values.size);
    EXPECT_INT(15 * 86400000LL, values.duration_ms);
    EXPECT_INT(500, (int64_t)(values.real * 1000));
    EXPECT_INT(0, (int64_t)values.files.count);
}

static void forms(void)
{
    struct values v;
    EXPECT(parse(&v, "--web.text=a=b", NULL, NULL) == 0 && str_equal(str_from(v.text), STR("a=b")));
    EXPECT(parse(&v, "--web.text", "x", NULL) == 0 && str_equal(str_from(v.text), STR("x")));
    EXPECT(parse(&v, "--web.text=", NULL, NULL) == 0 && v.text[0] == '\0');
    EXPECT(parse(&v, "--no-is-on", NULL, NULL) == 0 && !v.is_on);
    EXPECT(parse(&v, "--is-on=false", "-once", NULL) == 0 && !v.is_on && v.is_once);
    EXPECT(parse(&v, "--number", "-5", NULL) == 0 && v.number == -5);
    EXPECT(parse(&v, "-c", "a.yml", NULL) == 0 && v.files.count == 1);
    EXPECT(parse(&v, "-c=a", "-c=b", NULL) == 0 && v.files.count == 2);
    EXPECT(parse(&v, "--old", "x", NULL) == 0);
    EXPECT(parse(&v, "--size=1.5GiB", NULL, NULL) == 0 && v.size == 1610612736);
    EXPECT(parse(&v, "--size=0", NULL, NULL) == 0 && v.size == 0);
    EXPECT(parse(&v, "--time=1h30m", NULL, NULL) == 0 && v.duration_ms == 5400000);
    EXPECT(parse(&v, "--time=1.5s", "--real=-2.25", NULL) == 0 && v.duration_ms == 1500 &&
           v.real < -2.2);
}

static void mistakes(void)
{
    static const struct {
        const char *first;
        const char *piece;
    } rows[] = {
        { "--web.txt=1", "did you mean '--web.text'?" },
        { "--zzzzzzzz", "unknown option '--zzzzzzzz'" },
        { "--web.text", "needs a value" },
        { "--number=x", "needs a whole number" },
        { "--number=9223372036854775808", "needs a whole number" },
        { "--count=-1", "not negative" },
        { "--size=1x", "needs a size" },
        { "--size=99999999TB", "needs a size" },
        { "--time=5", "needs a duration" },
        { "--time=", "needs a duration" },
        { "--is-on=maybe", "'true' or 'false'" },
        { "--no-number", "unknown option" },
        { "word", "unexpected word 'word'" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].first);
        struct values values;
        struct error error = { 0 };
        EXPECT_INT(ERROR_INVALID, parse(&values, rows[i].first, NULL, &error));
        EXPECT(str_find(str_from(error.text), str_from(rows[i].piece)) != STR_NONE);
    }
}

static void note(void *argument, const char *name, const char *value)
{
    buf_printf(argument, "%s=%s;", name, value);
}

static void showing(void)
{
    struct values values;
    REQUIRE(parse(&values, "--time=90m", "-c=f", NULL) == 0);
    struct option_table table = { options, ARRAY_LENGTH(options), &values };
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 65536);
    options_visit(&table, 1, note, &out);
    EXPECT_STR("web.text=none;is-on=true;number=-1;count=0;size=1024;time=1h30m;real=0.500;c=f;"
               "once=false;password=<secret>;",
               buf_str(&out));
    buf_reset(&out);
    options_help(&table, 1, "test [OPTIONS]", &out);
    EXPECT(str_find(buf_str(&out), STR("  --[no-]is-on\n      A flag.\n")) != STR_NONE);
    EXPECT(str_find(buf_str(&out), STR("  -c FILE ...\n")) != STR_NONE);
    EXPECT(str_find(buf_str(&out), STR("--old")) == STR_NONE);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(defaults),
        TEST(forms),
        TEST(mistakes),
        TEST(showing),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
