/* relabel_test.c
 *
 * Goal:   each action of relabelling, and the rules that make no sense.
 * Method: a table of a label set, one rule and the set that comes out, with known answers of the
 *         real server for hashmod.
 */
#include "model/relabel.h"

#include "tests/test.h"

#define DROPPED NULL

/* clang-format off */
static const struct row {
    const char *about;
    struct str sources[2];
    const char *regex, *target, *replacement;
    enum relabel_action action;
    uint64_t modulus;
    const char *wanted; /* DROPPED, or the printed set */
} rows[] = {
    { "replace", { STR_INIT("a") }, "f(.*)", "d", "ch${1}-ch${1}", RELABEL_REPLACE, 0,
      "{a=\"foo\", b=\"bar\", d=\"choo-choo\"}" },
    { "joined", { STR_INIT("a"), STR_INIT("b") }, "foo;(b.)r", "a", "$1", RELABEL_REPLACE, 0,
      "{a=\"ba\", b=\"bar\"}" },
    { "no match", { STR_INIT("a") }, "x", "d", "y", RELABEL_REPLACE, 0, "{a=\"foo\", b=\"bar\"}" },
    { "empty deletes", { STR_INIT("a") }, "foo", "a", "", RELABEL_REPLACE, 0, "{b=\"bar\"}" },
    { "group 1x", { STR_INIT("a") }, "(foo)", "d", "$1x", RELABEL_REPLACE, 0,
      "{a=\"foo\", b=\"bar\"}" },
    { "keep", { STR_INIT("a") }, "foo|x", "", "$1", RELABEL_KEEP, 0, "{a=\"foo\", b=\"bar\"}" },
    { "keep drops", { STR_INIT("a") }, "fo", "", "$1", RELABEL_KEEP, 0, DROPPED },
    { "drop", { STR_INIT("b") }, "b.r", "", "$1", RELABEL_DROP, 0, DROPPED },
    { "hashmod", { STR_INIT("a"), STR_INIT("b") }, "(.*)", "h", "$1", RELABEL_HASHMOD, 1000,
      "{a=\"foo\", b=\"bar\", h=\"750\"}" },
    { "hashmod one", { STR_INIT("a") }, "(.*)", "h", "$1", RELABEL_HASHMOD, 10,
      "{a=\"foo\", b=\"bar\", h=\"6\"}" },
    { "labelmap", { { NULL, 0 } }, "(a)", "", "x_$1", RELABEL_LABEL_MAP, 0,
      "{a=\"foo\", b=\"bar\", x_a=\"foo\"}" },
    { "labeldrop", { { NULL, 0 } }, "a|c", "", "$1", RELABEL_LABEL_DROP, 0, "{b=\"bar\"}" },
    { "labelkeep", { { NULL, 0 } }, "a|c", "", "$1", RELABEL_LABEL_KEEP, 0, "{a=\"foo\"}" },
    { "uppercase", { STR_INIT("a") }, "(.*)", "u", "$1", RELABEL_UPPERCASE, 0,
      "{a=\"foo\", b=\"bar\", u=\"FOO\"}" },
    { "keepequal", { STR_INIT("a") }, "(.*)", "b", "$1", RELABEL_KEEP_EQUAL, 0, DROPPED },
    { "dropequal", { STR_INIT("a") }, "(.*)", "b", "$1", RELABEL_DROP_EQUAL, 0,
      "{a=\"foo\", b=\"bar\"}" },
};
/* clang-format on */

static void fill_rule(struct relabel_rule *rule, const struct row *row)
{
    relabel_rule_init(rule);
    rule->source_labels = row->sources;
    while (rule->source_count < 2 && row->sources[rule->source_count].size > 0)
        rule->source_count++;
    rule->regex_text = str_from(row->regex);
    rule->target_label = str_from(row->target);
    rule->replacement = str_from(row->replacement);
    rule->action = row->action;
    rule->modulus = row->modulus;
}

static void actions_do_what_they_say(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].about);
        CLEANUP(arena_release) struct arena arena;
        arena_init(&arena, 1 << 16);
        CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
        labels_builder_set(&builder, STR("b"), STR("bar"));
        labels_builder_set(&builder, STR("a"), STR("foo"));
        struct relabel_rule rule;
        fill_rule(&rule, &rows[i]);
        struct error error = { 0 };
        REQUIRE(relabel_rule_finish(&rule, &error) == 0);
        int code = relabel_apply(&rule, 1, &builder, &arena, &error);
        EXPECT_INT(rows[i].wanted == DROPPED ? 0 : 1, code);
        if (code == 1 && rows[i].wanted != DROPPED) {
            CLEANUP(buf_release) struct buf text;
            buf_init(&text, 1024);
            labels_print(&text, labels_builder_labels(&builder));
            EXPECT_STR(rows[i].wanted, buf_str(&text));
        }
        relabel_rule_release(&rule);
    }
}

static void senseless_rules_are_refused(void)
{
    static const struct row bad[] = {
        { "no target", { STR_INIT("a") }, "(.*)", "", "$1", RELABEL_REPLACE, 0, "" },
        { "no modulus", { STR_INIT("a") }, "(.*)", "h", "$1", RELABEL_HASHMOD, 0, "" },
        { "labeldrop with source", { STR_INIT("a") }, "a", "", "$1", RELABEL_LABEL_DROP, 0, "" },
        { "lowercase with replacement",
          { STR_INIT("a") },
          "(.*)",
          "h",
          "x",
          RELABEL_LOWERCASE,
          0,
          "" },
        { "broken pattern", { STR_INIT("a") }, "(", "h", "$1", RELABEL_REPLACE, 0, "" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        test_context(bad[i].about);
        struct relabel_rule rule;
        struct error error = { 0 };
        fill_rule(&rule, &bad[i]);
        EXPECT(relabel_rule_finish(&rule, &error) < 0);
        EXPECT(error.text[0] != '\0');
        relabel_rule_release(&rule);
    }
}

int main(void)
{
    static const struct test tests[] = { TEST(actions_do_what_they_say),
                                         TEST(senseless_rules_are_refused) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
