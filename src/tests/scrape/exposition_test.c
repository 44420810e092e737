/* exposition_test.c
 *
 * Goal:   lines that real parsers take and refuse; names, escapes, times and where errors point.
 * Method: a table of bodies; then the labels of single series; then random numbers, read as in a
 *         known line, against strtod, bit by bit.
 */
#include "scrape/exposition.h"

#include "base/buf.h"
#include "base/random.h"
#include "tests/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct row {
    enum exposition_format format;
    const char *body;
    int series; /* how many come before the end or the error */
    int code;
} rows[] = {
    { EXPOSITION_TEXT, "", 0, 0 },
    { EXPOSITION_TEXT, "a 1\nb 2", 2, 0 },
    { EXPOSITION_TEXT, "# HELP a x\n# TYPE a counter\n\na{x=\"1\"} 1e3 1234\n", 1, 0 },
    { EXPOSITION_TEXT, "a { x = \"1\" , } 1\n", 1, 0 },
    { EXPOSITION_TEXT, "a +Inf\na{b=\"c\"} NaN\na{b=\"d\"} infinity\n", 3, 0 },
    { EXPOSITION_TEXT, "# just a remark\na 1\n", 1, 0 },
    { EXPOSITION_TEXT, "a 1\r\n", 0, ERROR_PARSE },
    { EXPOSITION_TEXT, "a 0x10\n", 0, ERROR_PARSE },
    { EXPOSITION_TEXT, "a 1_000\n", 0, ERROR_PARSE },
    { EXPOSITION_TEXT, "b 1\na\n", 1, ERROR_PARSE },
    { EXPOSITION_TEXT, "a{x=\"1} 1\n", 0, ERROR_PARSE },
    { EXPOSITION_TEXT, "a 1 2 3\n", 0, ERROR_PARSE },
    { EXPOSITION_TEXT, "a 1 1.5\n", 0, ERROR_PARSE },
    { EXPOSITION_TEXT, "# TYPE a wrong\n", 0, ERROR_PARSE },
    { EXPOSITION_TEXT, "# TYPE a info\n", 0, ERROR_PARSE },
    { EXPOSITION_OPENMETRICS, "# TYPE a info\na_info{b=\"c\"} 1\n# EOF\n", 1, 0 },
    { EXPOSITION_OPENMETRICS, "a_total 1 1.5 # {t=\"x\"} 3\n# EOF", 1, 0 },
    { EXPOSITION_OPENMETRICS, "a 1\n", 1, ERROR_PARSE },
    { EXPOSITION_OPENMETRICS, "a 1\n# EOF\nb 1\n", 1, ERROR_PARSE },
    { EXPOSITION_OPENMETRICS, "a 1\n\n# EOF\n", 1, ERROR_PARSE },
};
/* clang-format on */

static void bodies_are_read_as_others_do(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].body);
        struct exposition exposition;
        exposition_init(&exposition, str_from(rows[i].body), rows[i].format);
        struct exposition_entry entry;
        struct error error = { 0 };
        int series = 0;
        int code;
        while ((code = exposition_next(&exposition, &entry, &error)) == 1) {
            series += entry.kind == EXPOSITION_SERIES;
        }
        EXPECT_INT(rows[i].series, series);
        EXPECT_INT(rows[i].code, code);
        if (code != 0) EXPECT(str_starts_with(str_from(error.text), STR("line ")));
    }
}

static void series_come_apart(void)
{
    static const struct {
        const char *series;
        const char *wanted; /* as labels_print prints it; NULL: refused */
    } labels[] = {
        { "up", "up" },
        { "a{x=\"1\",b=\"q\\\"\\\\\\n\"}", "a{b=\"q\\\"\\\\\\n\", x=\"1\"}" },
        { "a{x=\"\"}", "a" },
        { "{\"my.metric\",\"k.x\"=\"v\"}", "{\"my.metric\", \"k.x\"=\"v\"}" },
        { "a{x=\"\\q\"}", "a{x=\"\\\\q\"}" },
        { "a{x=\"1\",x=\"2\"}", NULL },
        { "a{x=1}", NULL },
        { "a{1x=\"1\"}", NULL },
        { "{x=\"1\"}", NULL },
        { "a{x=\"1\" y=\"2\"}", NULL },
        { "a{x=\"\xFF\"}", NULL },
        { "1a", NULL },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(labels); i++) {
        test_context(labels[i].series);
        CLEANUP(arena_release) struct arena arena;
        arena_init(&arena, 1 << 16);
        CLEANUP(labels_builder_release) struct labels_builder builder = { 0 };
        int code = exposition_labels(str_from(labels[i].series), &arena, &builder, NULL);
        EXPECT((code == 0) == (labels[i].wanted != NULL));
        if (code != 0 || labels[i].wanted == NULL) continue;
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, 1024);
        labels_print(&text, labels_builder_labels(&builder));
        EXPECT_STR(labels[i].wanted, buf_str(&text));
    }
}

/* A number as targets write them: a sign, digits with a point among them or not, an exponent. */
static void put_number(struct buf *out, struct random *random)
{
    unsigned digits = 1 + (unsigned)random_below(random, 18);
    unsigned point = (unsigned)random_below(random, digits + 4);
    if (random_below(random, 4) == 0) buf_append_char(out, '-');
    for (unsigned i = 0; i < digits; i++) {
        if (i == point && i > 0) buf_append_char(out, '.');
        buf_append_char(out, (char)('0' + random_below(random, 10)));
    }
    if (random_below(random, 2) == 0) return;
    static const char *const signs[] = { "e", "e+", "e-", "E", "E-" };
    buf_append_cstr(out, signs[random_below(random, ARRAY_LENGTH(signs))]);
    if (random_below(random, 4) == 0) buf_append_char(out, '0');
    buf_printf(out, "%u", (unsigned)random_below(random, random_below(random, 4) == 0 ? 320 : 30));
}

static void numbers_of_known_lines_are_the_nearest(void)
{
    enum { COUNT = 200000 };
    struct random random;
    random_init(&random, 11);
    CLEANUP(buf_release) struct buf line;
    buf_init(&line, 256);
    for (int i = 0; i < COUNT; i++) {
        buf_reset(&line);
        buf_append_cstr(&line, "a ");
        put_number(&line, &random);
        buf_append_char(&line, '\n');
        test_context(buf_cstr(&line));
        double wanted = strtod(buf_cstr(&line) + 2, NULL);
        struct exposition exposition;
        struct exposition_entry entry;
        exposition_init(&exposition, buf_str(&line), EXPOSITION_TEXT);
        EXPECT(exposition_take_known(&exposition, 1, &entry));
        EXPECT(memcmp(&wanted, &entry.value, sizeof(wanted)) == 0);
    }
}

int main(void)
{
    static const struct test tests[] = { TEST(bodies_are_read_as_others_do),
                                         TEST(series_come_apart),
                                         TEST(numbers_of_known_lines_are_the_nearest) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
