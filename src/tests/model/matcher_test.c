/* matcher_test.c - goal: the four kinds match as Prometheus' do. Method: a table. */
#include "model/matcher.h"
#include "tests/test.h"

static void test_matches(void)
{
    static const struct {
        const char *context;
        enum matcher_kind kind;
        const char *value;
        const char *text;
        bool matches;
    } rows[] = {
        { "equal", MATCHER_EQUAL, "a", "a", true },
        { "equal, other", MATCHER_EQUAL, "a", "ab", false },
        { "equal to nothing", MATCHER_EQUAL, "", "", true },
        { "not equal", MATCHER_NOT_EQUAL, "a", "b", true },
        { "anchored at the end", MATCHER_REGEX, "a", "ab", false },
        { "anchored at the start", MATCHER_REGEX, "b", "ab", false },
        { "alternation is anchored whole", MATCHER_REGEX, "a|b", "ab", false },
        { "alternation", MATCHER_REGEX, "a|b", "b", true },
        { "a dot is a newline too", MATCHER_REGEX, "a.b", "a\nb", true },
        { "a pattern of nothing", MATCHER_REGEX, ".*", "", true },
        { "not", MATCHER_NOT_REGEX, "a.*", "abc", false },
        { "not, other", MATCHER_NOT_REGEX, "a.*", "bc", true },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].context);
        struct matcher matcher = { 0 };
        struct error error = { 0 };
        EXPECT_INT(0,
                   matcher_init(&matcher, rows[i].kind, STR("n"), str_from(rows[i].value), &error));
        EXPECT(matcher_matches(&matcher, str_from(rows[i].text)) == rows[i].matches);
        matcher_release(&matcher);
        matcher_release(&matcher);
    }
}

static void test_labels(void)
{
    const struct label items[] = { { STR("__name__"), STR("up") }, { STR("job"), STR("a") } };
    struct labels labels = { items, 2 };
    struct matcher matchers[2] = { 0 };
    EXPECT_INT(0, matcher_init(&matchers[0], MATCHER_EQUAL, STR("__name__"), STR("up"), NULL));
    EXPECT_INT(0, matcher_init(&matchers[1], MATCHER_NOT_EQUAL, STR("none"), STR("x"), NULL));
    EXPECT(matcher_matches_labels(matchers, 2, labels));
    EXPECT(matcher_matches_empty(&matchers[1]));
    EXPECT(!matcher_matches_empty(&matchers[0]));
    matcher_release(&matchers[0]);
    matcher_release(&matchers[1]);
}

static void test_bad_pattern(void)
{
    struct matcher matcher = { .value = STR("kept") };
    struct error error = { 0 };
    EXPECT_INT(ERROR_PARSE, matcher_init(&matcher, MATCHER_REGEX, STR("n"), STR("(a"), &error));
    EXPECT(error.text[0] != '\0');
    EXPECT_STR("kept", matcher.value);
}

int main(void)
{
    static const struct test tests[] = { TEST(test_matches), TEST(test_labels),
                                         TEST(test_bad_pattern) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
