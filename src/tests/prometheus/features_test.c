/* features_test.c
 *
 * Goal:   what goes beyond counting works as the guide says: names of any UTF-8 in each escaping,
 *         protobuf, negotiation, examples, created timestamps, call sites, timers, progress, points
 *         passed on.
 * Method: expositions compared byte by byte, where they hold no time; protobuf taken apart by hand.
 */
#include "tests/test.h"

#include "base/compiler.h"
#include "base/str.h"
#include "prometheus/prometheus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct pm_registry *registry;

static bool fresh(void)
{
    pm_registry_free(registry);
    registry = NULL;
    return pm_registry_new(&registry, NULL) == 0;
}

static void expect_text(const char *want, struct pm_format format)
{
    char *text = pm_render_text(registry, format, NULL);
    EXPECT(text != NULL);
    if (text != NULL) EXPECT_STR(want, str_from(text));
    free(text);
}

static bool shows(const char *part, struct pm_format format)
{
    char *text = pm_render_text(registry, format, NULL);
    bool is_there = text != NULL && strstr(text, part) != NULL;
    if (!is_there && text != NULL) printf("# %s", text);
    free(text);
    return is_there;
}

static const struct pm_format openmetrics = { .kind = PM_OPENMETRICS_1_0_0 };

static void utf8_names_are_escaped_as_asked(void)
{
    REQUIRE(fresh());
    struct pm_options refused = { .name = "http.requests_total", .help = "R." };
    struct pm_metric *none = NULL;
    EXPECT_INT(PM_ERROR_NAME, pm_create(registry, PM_COUNTER, &refused, &none, NULL));
    pm_registry_allow_utf8(registry);
    struct pm_counter *c = pm_counter_new(registry, "f.\xc3\xb6.o_total", "R.", "a b", "plain");
    pm_inc(pm_counter_with(c, "x\"y", "z"));
    static const struct {
        struct pm_format format;
        const char *want;
    } rows[] = {
        { { PM_TEXT_0_0_4, PM_ESCAPE_NONE, 0 },
          "# HELP f___o_total R.\n# TYPE f___o_total counter\n"
          "f___o_total{a_b=\"x\\\"y\",plain=\"z\"} 1\n" },
        { { PM_TEXT_1_0_0, PM_ESCAPE_DOTS, 0 },
          "# HELP f_dot____dot_o__total R.\n# TYPE f_dot____dot_o__total counter\n"
          "f_dot____dot_o__total{a__b=\"x\\\"y\",plain=\"z\"} 1\n" },
        { { PM_TEXT_1_0_0, PM_ESCAPE_VALUES, 0 },
          "# HELP U__f_2e__f6__2e_o__total R.\n# TYPE U__f_2e__f6__2e_o__total counter\n"
          "U__f_2e__f6__2e_o__total{U__a_20_b=\"x\\\"y\",plain=\"z\"} 1\n" },
        { { PM_TEXT_1_0_0, PM_ESCAPE_NONE, 0 },
          "# HELP \"f.\xc3\xb6.o_total\" R.\n# TYPE \"f.\xc3\xb6.o_total\" counter\n"
          "{\"f.\xc3\xb6.o_total\",\"a b\"=\"x\\\"y\",plain=\"z\"} 1\n" },
        { { PM_OPENMETRICS_1_0_0, PM_ESCAPE_NONE, 0 },
          "# TYPE \"f.\xc3\xb6.o\" counter\n# HELP \"f.\xc3\xb6.o\" R.\n"
          "{\"f.\xc3\xb6.o_total\",\"a b\"=\"x\\\"y\",plain=\"z\"} 1\n# EOF\n" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) expect_text(rows[i].want, rows[i].format);
}

static void plain_names_are_the_same_in_every_escaping(void)
{
    REQUIRE(fresh());
    pm_inc(pm_counter_new(registry, "a_b_total", "H."));
    for (int escaping = PM_ESCAPE_UNDERSCORES; escaping <= PM_ESCAPE_NONE; escaping++) {
        struct pm_format format = { PM_TEXT_1_0_0, (enum pm_escaping)escaping, 0 };
        expect_text("# HELP a_b_total H.\n# TYPE a_b_total counter\na_b_total 1\n", format);
    }
}

static void formats_and_escapings_are_negotiated(void)
{
    static const struct {
        const char *accept;
        const char *content_type;
    } rows[] = {
        /* What a Prometheus 3 sends, without and with native histograms. */
        { "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
          "application/openmetrics-text;version=0.0.1;q=0.5,"
          "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/"
          "*;q=0.2",
          "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8" },
        { "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
          "encoding=delimited;escaping=allow-utf-8;q=0.7,text/plain;version=0.0.4;q=0.3",
          "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
          "encoding=delimited; escaping=allow-utf-8" },
        { "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
          "text/plain; version=0.0.4; charset=utf-8" },
        { "text/plain;version=1.0.0;escaping=values", "text/plain; version=1.0.0; charset=utf-8; "
                                                      "escaping=values" },
        { "text/plain;version=0.0.4;escaping=allow-utf-8",
          "text/plain; version=0.0.4; charset=utf-8" },
        { "text/plain;version=1.0.0;escaping=nonsense", "text/plain; version=1.0.0; charset=utf-8; "
                                                        "escaping=underscores" },
        { "application/openmetrics-text;version=2.0.0, text/*;q=0.1",
          "text/plain; version=0.0.4; charset=utf-8" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].accept);
        EXPECT_STR(rows[i].content_type, str_from(pm_content_type(pm_negotiate(rows[i].accept))));
    }
}

static void protobuf_has_the_fields_of_its_definition(void)
{
    REQUIRE(fresh());
    struct pm_options options = { .name = "x_bytes", .help = "H", .unit = "bytes" };
    const char *const labels[] = { "a" };
    options.label_names = labels;
    options.label_count = 1;
    struct pm_gauge *gauge = pm_gauge_of(registry, &options);
    pm_set(pm_gauge_with(gauge, "b"), 1.5);
    size_t size = 0;
    char *text = pm_render_text(registry, (struct pm_format){ .kind = PM_PROTOBUF }, &size);
    /* Size; name, help, type 1 = gauge, unit; metric with its label pair and gauge 1.5. */
    static const char want[] = "\x2a\x0a\x07x_bytes\x12\x01H\x18\x01\x2a\x05"
                               "bytes"
                               "\x22\x13\x0a\x06\x0a\x01"
                               "a\x12\x01"
                               "b\x12\x09\x09\0\0\0\0\0\0\xf8\x3f";
    EXPECT_INT((int64_t)sizeof(want) - 1, (int64_t)size);
    EXPECT(text != NULL && size == sizeof(want) - 1 && memcmp(text, want, size) == 0);
    free(text);
}

static void examples_stand_behind_counters_and_buckets(void)
{
    REQUIRE(fresh());
    struct pm_counter *c = pm_counter_new(registry, "c_total", "C.");
    struct pm_histogram *h = pm_histogram_new(registry, "h_seconds", "H.");
    static const unsigned char trace[16] = { 0x4b, 0xf9, 1 };
    static const unsigned char span[8] = { 0xff };
    pm_add_with(c, 2, "trace_id", "first");
    pm_add_with(c, 3, "trace_id", "last");
    pm_observe_trace(h, 0.03, trace, span);
    pm_observe_with(h, 100, "k", "v\"");
    EXPECT(shows("c_total 5 # {trace_id=\"last\"} 3 ", openmetrics));
    EXPECT(shows("le=\"0.05\"} 1 # {trace_id=\"4bf90100000000000000000000000000\","
                 "span_id=\"ff00000000000000\"} 0.03 ",
                 openmetrics));
    EXPECT(shows("le=\"+Inf\"} 2 # {k=\"v\\\"\"} 100 ", openmetrics));
    uint64_t before = pm_error_count(PM_ERROR_LABELS);
    char big[200];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    pm_add_with(c, 1, "trace_id", big); /* counted, not shown */
    EXPECT_INT((int64_t)before + 1, (int64_t)pm_error_count(PM_ERROR_LABELS));
    EXPECT(shows("c_total 6 # {trace_id=\"last\"} 3 ", openmetrics));
    expect_text("# HELP c_total C.\n# TYPE c_total counter\nc_total 6\n# HELP h_seconds H.\n"
                "# TYPE h_seconds histogram\nh_seconds_bucket{le=\"0.005\"} 0\n"
                "h_seconds_bucket{le=\"0.01\"} 0\nh_seconds_bucket{le=\"0.025\"} 0\n"
                "h_seconds_bucket{le=\"0.05\"} 1\nh_seconds_bucket{le=\"0.1\"} 1\n"
                "h_seconds_bucket{le=\"0.25\"} 1\nh_seconds_bucket{le=\"0.5\"} 1\n"
                "h_seconds_bucket{le=\"1\"} 1\nh_seconds_bucket{le=\"2.5\"} 1\n"
                "h_seconds_bucket{le=\"5\"} 1\nh_seconds_bucket{le=\"10\"} 1\n"
                "h_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 100.03\nh_seconds_count 2\n",
                (struct pm_format){ .kind = PM_TEXT_0_0_4 });
}

static double created_of(const char *name)
{
    char *text = pm_render_text(registry, (struct pm_format){ PM_OPENMETRICS_1_0_0, 0, 1 }, NULL);
    const char *at = text == NULL ? NULL : strstr(text, name);
    double value = at == NULL ? 0 : strtod(at + strlen(name), NULL);
    free(text);
    return value;
}

static void created_is_set_once_and_again_when_it_starts_anew(void)
{
    REQUIRE(fresh());
    struct pm_counter *c = pm_counter_new(registry, "c_total", "C.", "l");
    pm_inc(pm_counter_with(c, "x"));
    double first = created_of("\nc_created{l=\"x\"} ");
    EXPECT(fabs(first - (double)time(NULL)) < 10);
    struct timespec pause = { 0, 5 * 1000 * 1000 };
    (void)nanosleep(&pause, NULL);
    pm_inc(pm_counter_with(c, "x"));
    EXPECT(created_of("\nc_created{l=\"x\"} ") == first);
    const char *const values[] = { "x" };
    EXPECT_INT(0, pm_remove(PM_METRIC(c), values, 1, NULL));
    pm_inc(pm_counter_with(c, "x"));
    EXPECT(created_of("\nc_created{l=\"x\"} ") > first);
    EXPECT(!shows("_created", openmetrics)); /* only when asked for */
}

static void call_sites_remember_and_are_always_right(void)
{
    REQUIRE(fresh());
    struct pm_counter *c = pm_counter_new(registry, "c_total", "C.", "a", "b");
    static struct pm_site site;
    static const char *const values[] = { "x",
                                          "yy",
                                          "",
                                          "a value of more than sixteen bytes",
                                          "a value of more than sixteen bytez",
                                          "0123456789abcdef" };
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
            for (size_t j = 0; j < ARRAY_LENGTH(values); j++) {
                pm_inc(pm_counter_at(&site, c, values[i], values[j]));
                pm_inc(PM_COUNTER_AT(c, values[i], values[j]));
                EXPECT(pm_counter_at(&site, c, values[i], values[j]) ==
                       pm_counter_with(c, values[i], values[j]));
            }
        }
    }
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "c_total", "a", "x", "b", "yy"));
    EXPECT(value == 6);
    const char *const removed[] = { "x", "yy" };
    struct pm_counter *held = pm_counter_at(&site, c, "x", "yy");
    EXPECT_INT(0, pm_remove(PM_METRIC(c), removed, 2, NULL));
    pm_inc(held); /* counted, not shown */
    pm_inc(pm_counter_at(&site, c, "x", "yy"));
    EXPECT_INT(0, pm_sample(registry, &value, "c_total", "a", "x", "b", "yy"));
    EXPECT(value == 1);
    uint64_t before = pm_error_count(PM_ERROR_LABELS);
    pm_inc(pm_counter_at(&site, c, "only one"));
    EXPECT(pm_error_count(PM_ERROR_LABELS) > before);
}

/* The same texts from buffers that change, and that end where no more can be read. */
static void call_sites_look_at_the_text_not_at_its_place(void)
{
    REQUIRE(fresh());
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
    struct pm_counter *two = pm_counter_new(registry, "two_total", "C.", "a", "b");
    struct pm_counter *five = pm_counter_new(registry, "five_total", "C.", "a", "b", "c", "d", "e");
    static struct pm_site sites[2];
    char moving[40];
    for (size_t round = 0; round < 200; round++) {
        size_t size = round % 7 * 3; /* up to 18 bytes */
        char *last = pages + page - size - 1;
        for (size_t i = 0; i < size; i++) last[i] = (char)('a' + (round / 3 + i) % 3);
        last[size] = '\0';
        memset(moving, 'z', sizeof(moving) - 1); /* what stands behind a NUL does not count */
        moving[sizeof(moving) - 1] = '\0';
        memcpy(moving, last, size + 1);
        EXPECT(pm_counter_at(&sites[0], two, last, moving) == pm_counter_with(two, last, last));
        EXPECT(pm_counter_at(&sites[0], two, moving, last) == pm_counter_with(two, last, last));
        EXPECT(pm_counter_at(&sites[0], two, "", last) == pm_counter_with(two, "", moving));
        EXPECT(pm_counter_at(&sites[1], five, last, "b", moving, "d", last) ==
               pm_counter_with(five, moving, "b", last, "d", last));
        EXPECT(PM_COUNTER_AT(two, "GET", "200") == pm_counter_with(two, "GET", "200"));
    }
    uint64_t before = pm_error_count(PM_ERROR_LABELS);
    pm_inc(pm_counter_at(&sites[0], two, "", "b", "c"));
    pm_inc(pm_counter_at(&sites[0], two, ""));
    EXPECT(pm_error_count(PM_ERROR_LABELS) == before + 2);
    (void)munmap(pages, 2 * page);
}

static int leave_early(struct pm_gauge *gauge, struct pm_histogram *histogram)
{
    PM_IN_PROGRESS(gauge)
    {
        PM_TIME(histogram)
        {
            double now = 0;
            EXPECT_INT(0, pm_sample(registry, &now, "in_flight"));
            EXPECT(now == 1);
            return 1;
        }
    }
    return 0;
}

static void blocks_are_timed_and_counted_however_they_end(void)
{
    REQUIRE(fresh());
    struct pm_gauge *gauge = pm_gauge_new(registry, "in_flight", "G.");
    struct pm_gauge *last = pm_gauge_new(registry, "last_seconds", "G.");
    struct pm_histogram *histogram = pm_histogram_new(registry, "h_seconds", "H.");
    EXPECT_INT(1, leave_early(gauge, histogram));
    PM_TIME(histogram)
    {
        struct timespec pause = { 0, 2 * 1000 * 1000 };
        (void)nanosleep(&pause, NULL);
    }
    PM_TIME(last) {}
    struct pm_timer timer = pm_timer_start(PM_METRIC(histogram));
    EXPECT(pm_timer_stop(&timer) >= 0);
    (void)pm_timer_stop(&timer);
    double value = -1;
    EXPECT_INT(0, pm_sample(registry, &value, "in_flight"));
    EXPECT(value == 0);
    EXPECT_INT(0, pm_sample(registry, &value, "h_seconds_count"));
    EXPECT(value == 3);
    EXPECT_INT(0, pm_sample(registry, &value, "h_seconds_sum"));
    EXPECT(value >= 0.002 && value < 5);
    EXPECT_INT(0, pm_sample(registry, &value, "last_seconds"));
    EXPECT(value >= 0 && value < 5);
}

static void pass_on(struct pm_emit *emit, void *arg)
{
    (void)arg;
    static const struct pm_label label = { "l", "v" };
    static const struct pm_quantile quantiles[] = { { 0.5, 1.5 }, { 1, 2 } };
    static const double bounds[] = { 1 };
    static const uint64_t counts[] = { 2, 1 };
    static const struct pm_buckets buckets = { bounds, counts, 1, 7.5 };
    pm_emit_family_unit(emit, PM_SUMMARY, "s_seconds", "S.", "seconds");
    struct pm_point point = { .labels = &label, .label_count = 1, .count = 3, .sum = 4.5 };
    point.quantiles = quantiles;
    point.quantile_count = 2;
    point.created_s = 12.5;
    pm_emit_point(emit, &point);
    pm_emit_family(emit, PM_GAUGE_HISTOGRAM, "queue", "Q.");
    point = (struct pm_point){ .buckets = &buckets, .timestamp_s = 1.25 };
    pm_emit_point(emit, &point);
    pm_emit_family(emit, PM_UNTYPED, "u", "U.");
    point = (struct pm_point){ .whole = UINT64_MAX, .is_whole = 1 };
    pm_emit_point(emit, &point);
}

static void points_are_passed_on_with_all_they_have(void)
{
    REQUIRE(fresh());
    EXPECT_INT(0, pm_register_collector(registry, pass_on, NULL, NULL));
    expect_text("# TYPE s_seconds summary\n# UNIT s_seconds seconds\n# HELP s_seconds S.\n"
                "s_seconds{l=\"v\",quantile=\"0.5\"} 1.5\ns_seconds{l=\"v\",quantile=\"1.0\"} 2\n"
                "s_seconds_sum{l=\"v\"} 4.5\ns_seconds_count{l=\"v\"} 3\n"
                "s_seconds_created{l=\"v\"} 12.500\n"
                "# TYPE queue gaugehistogram\n# HELP queue Q.\nqueue_bucket{le=\"1.0\"} 2 1.250\n"
                "queue_bucket{le=\"+Inf\"} 3 1.250\nqueue_gsum 7.5 1.250\nqueue_gcount 3 1.250\n"
                "# TYPE u unknown\n# HELP u U.\nu 18446744073709551615\n# EOF\n",
                (struct pm_format){ PM_OPENMETRICS_1_0_0, 0, 1 });
    expect_text("# HELP s_seconds S.\n# TYPE s_seconds summary\n"
                "s_seconds{l=\"v\",quantile=\"0.5\"} 1.5\ns_seconds{l=\"v\",quantile=\"1\"} 2\n"
                "s_seconds_sum{l=\"v\"} 4.5\ns_seconds_count{l=\"v\"} 3\n"
                "# HELP queue Q.\n# TYPE queue histogram\nqueue_bucket{le=\"1\"} 2 1250\n"
                "queue_bucket{le=\"+Inf\"} 3 1250\nqueue_sum 7.5 1250\nqueue_count 3 1250\n"
                "# HELP u U.\n# TYPE u untyped\nu 18446744073709551615\n",
                (struct pm_format){ .kind = PM_TEXT_0_0_4 });
}

static void untyped_metrics_are_gauges_of_no_type(void)
{
    REQUIRE(fresh());
    struct pm_options options = { .name = "x", .help = "X." };
    struct pm_metric *metric = NULL;
    EXPECT_INT(0, pm_create(registry, PM_UNTYPED, &options, &metric, NULL));
    pm_set((struct pm_gauge *)metric, 3);
    expect_text("# HELP x X.\n# TYPE x untyped\nx 3\n",
                (struct pm_format){ .kind = PM_TEXT_0_0_4 });
    EXPECT_INT(PM_ERROR_TYPE, pm_create(registry, PM_GAUGE_HISTOGRAM, &options, &metric, NULL));
}

static void the_default_registry_shows_the_process(void)
{
    double value = 0;
    EXPECT_INT(0, pm_sample(NULL, &value, "process_resident_memory_bytes"));
    EXPECT(value > 0);
    EXPECT_INT(0, pm_register_process(NULL, NULL)); /* once more changes nothing */
    uint64_t before = pm_error_count(PM_ERROR_NAME);
    EXPECT_INT(0, pm_sample(NULL, &value, "process_open_fds"));
    EXPECT_INT((int64_t)before, (int64_t)pm_error_count(PM_ERROR_NAME));
    EXPECT_INT(0, pm_unregister_process(NULL));
    EXPECT_INT(PM_ERROR_UNKNOWN, pm_sample(NULL, &value, "process_cpu_seconds_total"));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(utf8_names_are_escaped_as_asked),
        TEST(plain_names_are_the_same_in_every_escaping),
        TEST(formats_and_escapings_are_negotiated),
        TEST(protobuf_has_the_fields_of_its_definition),
        TEST(examples_stand_behind_counters_and_buckets),
        TEST(created_is_set_once_and_again_when_it_starts_anew),
        TEST(call_sites_remember_and_are_always_right),
        TEST(call_sites_look_at_the_text_not_at_its_place),
        TEST(blocks_are_timed_and_counted_however_they_end),
        TEST(points_are_passed_on_with_all_they_have),
        TEST(untyped_metrics_are_gauges_of_no_type),
        TEST(the_default_registry_shows_the_process),
    };
    int code = test_main(tests, ARRAY_LENGTH(tests));
    pm_registry_free(registry);
    return code;
}
