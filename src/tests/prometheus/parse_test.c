/* parse_test.c
 *
 * Goal:   what the formats allow is parsed, and comes out again as itself; what they do not allow
 *         is refused, with its line.
 * Method: tables of texts; the cases of the OpenMetrics project, from beside the tree where they
 *         are, in both directions: good ones are parsed, written, parsed again; bad ones refused.
 */
#include "tests/test.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "base/file.h"
#include "base/str.h"
#include "prometheus/prometheus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASE_SIZE_MAX = 65536 };

struct text {
    char data[CASE_SIZE_MAX];
    size_t size;
};

static int collect(void *arg, const char *data, size_t size)
{
    struct text *text = arg;
    if (text->size + size >= sizeof(text->data)) return -1;
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
    return 0;
}

static int parse(struct pm_document **document, const char *text, size_t size,
                 enum pm_exposition kind, struct pm_parse_error *error)
{
    struct pm_parse_options options = { .kind = kind };
    return pm_parse(document, text, size, &options, error);
}

/* What comes out of a text of one kind, written as another. */
static void cross(const char *from, size_t size, enum pm_exposition kind, struct pm_format format,
                  struct text *out)
{
    struct pm_document *document = NULL;
    struct pm_parse_error error = { 0 };
    out->size = 0;
    out->data[0] = '\0';
    int code = parse(&document, from, size, kind, &error);
    if (code < 0) printf("# line %zu: %s\n", error.line, error.text);
    EXPECT_INT(0, code);
    if (code < 0) return;
    EXPECT_INT(0, pm_document_render(document, format, collect, out));
    pm_document_free(document);
}

/* ---- The cases of OpenMetrics ---- */

static const char *folder;
static int good_count;
static int bad_count;

static void expose_again(const char *data, size_t size)
{
    static struct text once;
    static struct text twice;
    struct pm_format format = { PM_OPENMETRICS_1_0_0, PM_ESCAPE_NONE, 0 };
    cross(data, size, PM_OPENMETRICS_1_0_0, format, &once);
    cross(once.data, once.size, PM_OPENMETRICS_1_0_0, format, &twice);
    EXPECT_STR(once.data, str_from(twice.data));
    cross(data, size, PM_OPENMETRICS_1_0_0, (struct pm_format){ PM_TEXT_0_0_4, 0, 0 }, &once);
}

static int try_case(void *argument, const char *name)
{
    (void)argument;
    char path[FILE_PATH_SIZE];
    struct error error = { 0 };
    struct buf text;
    (void)snprintf(path, sizeof(path), "%s/%s/metrics", folder, name);
    buf_init(&text, CASE_SIZE_MAX);
    test_context(name);
    if (file_read(&disk_system, path, &text, &error) == 0) {
        bool is_bad = strncmp(name, "bad", 3) == 0;
        struct pm_document *document = NULL;
        struct pm_parse_error failure = { 0 };
        int code = parse(&document, text.data, text.size, PM_OPENMETRICS_1_0_0, &failure);
        EXPECT_INT(is_bad ? PM_ERROR_PARSE : 0, code);
        EXPECT(!is_bad || failure.line > 0);
        EXPECT(!is_bad || failure.text[0] != '\0');
        if (!is_bad) expose_again(text.data, text.size);
        pm_document_free(document);
        good_count += !is_bad;
        bad_count += is_bad;
    }
    buf_release(&text);
    return 0;
}

static void openmetrics_cases_go_both_directions(void)
{
    folder = getenv("CONFORMANCE_OPENMETRICS");
    if (folder == NULL) folder = SOURCE_ROOT "/../shared/conformance/openmetrics";
    good_count = 0;
    bad_count = 0;
    if (disk_system.list(disk_system.state, folder, try_case, NULL) != 0) {
        SKIP("../shared/conformance is not there");
    }
    test_context("");
    EXPECT(good_count >= 28);
    EXPECT(bad_count >= 111);
}

/* ---- Texts ---- */

static void bad_texts_are_refused_with_their_line(void)
{
    static const struct {
        enum pm_exposition kind;
        const char *text;
        size_t line;
        const char *why; /* part of the error's text */
    } rows[] = {
        { PM_TEXT_0_0_4, "a 1", 1, "line feed" },
        { PM_TEXT_0_0_4, "a 1\na 2\n", 2, "before" },
        { PM_TEXT_0_0_4, "a 1\n\n# note\nb{x=\"1\",x=\"2\"} 1\n", 4, "twice" },
        { PM_TEXT_0_0_4, "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n", 2, "before" },
        { PM_TEXT_0_0_4, "a 0x1p3\n", 1, "no value" },
        { PM_TEXT_0_0_4, "a 1 1.5\n", 1, "milliseconds" },
        { PM_TEXT_0_0_4, "a{b=\"\\t\"} 1\n", 1, "backslash" },
        { PM_TEXT_0_0_4, "a{b=\"c} 1\n", 1, "does not end" },
        { PM_TEXT_0_0_4, "a{b=\"\xff\"} 1\n", 1, "UTF-8" },
        { PM_TEXT_0_0_4, "a 1\nb 1\na{x=\"1\"} 2\n", 3, "before" },
        { PM_TEXT_0_0_4, "# TYPE a counter\n# TYPE a gauge\na 1\n", 2, "second TYPE" },
        { PM_TEXT_0_0_4, "a 1\n# TYPE a counter\n", 2, "behind its samples" },
        { PM_TEXT_0_0_4, "# TYPE a info\n", 1, "no type" },
        { PM_TEXT_0_0_4, "# TYPE a histogram\na_bucket 1\n", 2, "needs the label 'le'" },
        { PM_TEXT_0_0_4, "# TYPE a histogram\na_bucket{le=\"x\"} 1\n", 2, "cannot be 'x'" },
        { PM_TEXT_0_0_4, "a 1 # {x=\"y\"} 1\n", 1, "stands behind" },
        { PM_TEXT_0_0_4, "{\"a.b\"} 1\n", 1, "name of a metric" },
        { PM_TEXT_1_0_0, "{x=\"y\"} 1\n", 1, "without a metric's name" },
        { PM_OPENMETRICS_1_0_0, "a 1\n", 2, "# EOF" },
        { PM_OPENMETRICS_1_0_0, "# TYPE a counter\na_total -1\n# EOF\n", 2, "negative" },
        { PM_OPENMETRICS_1_0_0, "a{x=\"1\",} 1\n# EOF\n", 1, "comma" },
        { PM_OPENMETRICS_1_0_0, "# TYPE a histogram\na_bucket{le=\"1\"} 1\nb 1\n# EOF\n", 3,
          "+Inf" },
        { PM_OPENMETRICS_1_0_0, "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"1\"} 2\n# EOF\n",
          4, "before" },
        { PM_OPENMETRICS_1_0_0, "# TYPE a gauge\n# TYPE a_total gauge\n# TYPE a counter\n# EOF\n",
          3, "before" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct pm_document *document = NULL;
        struct pm_parse_error error = { 0 };
        test_context(rows[i].text);
        EXPECT_INT(PM_ERROR_PARSE,
                   parse(&document, rows[i].text, strlen(rows[i].text), rows[i].kind, &error));
        EXPECT(document == NULL);
        EXPECT_INT((int64_t)rows[i].line, (int64_t)error.line);
        if (strstr(error.text, rows[i].why) == NULL) EXPECT_STR(rows[i].why, str_from(error.text));
        pm_document_free(document);
    }
}

static void texts_come_out_as_the_other_format(void)
{
    static const struct pm_format text = { PM_TEXT_0_0_4, 0, 0 };
    static const struct pm_format openmetrics = { PM_OPENMETRICS_1_0_0, PM_ESCAPE_NONE, 0 };
    static const struct pm_format utf8 = { PM_TEXT_1_0_0, PM_ESCAPE_NONE, 0 };
    static const struct {
        enum pm_exposition kind;
        const char *from;
        const struct pm_format *format;
        const char *to;
    } rows[] = {
        { PM_TEXT_0_0_4,
          "#comment\n#\tHELP  a_total  a\\nb \n# TYPE a_total  counter\n\na_total  1 \n", &text,
          "# HELP a_total a\\nb \n# TYPE a_total counter\na_total 1\n" },
        { PM_TEXT_0_0_4,
          "# TYPE a_total counter\na_total{ x = \"y\" , } 18446744073709551615 1500\n",
          &openmetrics, "# TYPE a counter\na_total{x=\"y\"} 18446744073709551615 1.5\n# EOF\n" },
        { PM_TEXT_0_0_4, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\n",
          &openmetrics,
          "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\n# EOF\n" },
        { PM_TEXT_0_0_4, "a nan\nb inf\nc -inf\n", &text, "a NaN\nb +Inf\nc -Inf\n" },
        { PM_OPENMETRICS_1_0_0,
          "# TYPE a counter\n# UNIT a \n# HELP a \"q\"\na_total 2 1.5 # {t=\"1\"} 1 "
          "1.25\na_created 1 1.5\n"
          "# EOF\n",
          &text, "# HELP a_total \"q\"\n# TYPE a_total counter\na_total 2 1500\n" },
        { PM_OPENMETRICS_1_0_0,
          "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gcount 1\na_gsum 2\n# EOF\n", &text,
          "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 2\n" },
        { PM_TEXT_1_0_0, "# TYPE \"a.b\" gauge\n{\"a.b\",\"c.d\"=\"e\"} 1\n{\"a.b\"} 2\n", &text,
          "# TYPE a_b gauge\na_b{c_d=\"e\"} 1\na_b 2\n" },
        { PM_TEXT_1_0_0, "{\"a.\\\"b\",\"c\"=\"e\"} 1\n", &utf8, "{\"a.\\\"b\",c=\"e\"} 1\n" },
        { PM_TEXT_1_0_0, "plain{\"c d\"=\"e\"} 1\n", &utf8, "plain{\"c d\"=\"e\"} 1\n" },
    };
    static struct text out;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].from);
        cross(rows[i].from, strlen(rows[i].from), rows[i].kind, *rows[i].format, &out);
        EXPECT_STR(rows[i].to, str_from(out.data));
    }
}

static void documents_tell_lines_and_texts(void)
{
    static const char text[] =
        "# HELP a Help.\n# TYPE a counter\n# UNIT a \n"
        "a_total{x=\"a\\\\b\\\"c\\nd\"} 9007199254740993 3 # {t=\"i\"} 0.5 2.5\n"
        "b 1\n# EOF\n";
    struct pm_document *document = NULL;
    REQUIRE(parse(&document, text, sizeof(text) - 1, PM_OPENMETRICS_1_0_0, NULL) == 0);
    size_t count = 0;
    const struct pm_parsed_family *families = pm_document_families(document, &count);
    EXPECT(2 == count);
    EXPECT_STR("a", str_from(families[0].name.data));
    EXPECT_STR("Help.", str_from(families[0].help.data));
    EXPECT_INT(PM_COUNTER, families[0].type);
    EXPECT(1 == families[0].help_line);
    EXPECT(2 == families[0].type_line);
    EXPECT(3 == families[0].unit_line);
    REQUIRE(families[0].sample_count == 1);
    const struct pm_parsed_sample *sample = &families[0].samples[0];
    EXPECT(4 == sample->line);
    EXPECT_STR("a_total", str_from(sample->name.data));
    REQUIRE(sample->label_count == 1);
    EXPECT_STR("a\\b\"c\nd", str_from(sample->labels[0].value.data));
    EXPECT_STR("9007199254740993", str_from(sample->value_text.data));
    EXPECT(sample->has_timestamp && sample->timestamp_s == 3);
    REQUIRE(sample->exemplar != NULL && sample->exemplar->label_count == 1);
    EXPECT(sample->exemplar->value == 0.5 && sample->exemplar->timestamp_s == 2.5);
    EXPECT(0 == families[1].type_line);
    EXPECT(5 == families[1].line);
    pm_document_free(document);
    struct pm_parse_error error;
    struct pm_parse_options small = { PM_TEXT_0_0_4, 3 };
    document = NULL;
    EXPECT_INT(PM_ERROR_FULL, pm_parse(&document, "a 1\n", 4, &small, &error));
    EXPECT(document == NULL);
}

static void our_own_expositions_are_parsed(void)
{
    struct pm_registry *registry = NULL;
    REQUIRE(pm_registry_new(&registry, NULL) == 0);
    pm_add(pm_counter_with(pm_counter_new(registry, "c_total", "A \"c\".", "l"), "a\"b\\c\nd"),
           1.5);
    pm_observe(pm_histogram_new(registry, "h_seconds", "H."), 0.2);
    pm_observe(pm_summary_new(registry, "s_seconds", "S."), 0.2);
    pm_set(pm_gauge_new(registry, "g", "G."), -1);
    (void)pm_info_set(pm_info_new(registry, "i", "I."), "k", "v");
    EXPECT_INT(0, pm_register_process(registry, NULL));
    static const struct pm_format formats[] = { { PM_TEXT_0_0_4, 0, 0 },
                                                { PM_TEXT_1_0_0, PM_ESCAPE_NONE, 0 },
                                                { PM_OPENMETRICS_1_0_0, PM_ESCAPE_NONE, 1 } };
    static struct text out;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        test_context(pm_content_type(formats[i]));
        size_t size = 0;
        char *text = pm_render_text(registry, formats[i], &size);
        REQUIRE(text != NULL);
        cross(text, size, formats[i].kind, formats[i], &out);
        EXPECT_STR(text, str_from(out.data));
        free(text);
    }
    pm_registry_free(registry);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(openmetrics_cases_go_both_directions), TEST(bad_texts_are_refused_with_their_line),
        TEST(texts_come_out_as_the_other_format),   TEST(documents_tell_lines_and_texts),
        TEST(our_own_expositions_are_parsed),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
