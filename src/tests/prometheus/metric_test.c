/* metric_test.c
 *
 * Goal:   what each type counts and shows, what is refused, and the bytes of both formats.
 * Method: a registry a test; samples read back through pm_sample, texts compared whole.
 */
#include "prometheus/prometheus.h"

#include "base/str.h"
#include "tests/test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pm_registry *registry;

static void fresh(void)
{
    pm_registry_free(registry);
    registry = NULL;
    struct pm_error error;
    EXPECT_INT(0, pm_registry_new(&registry, &error));
}

static void expect_text(const char *want, struct pm_format format)
{
    size_t size = 0;
    char *text = pm_render_text(registry, format, &size);
    EXPECT(text != NULL);
    if (text != NULL) EXPECT_STR(want, ((struct str){ text, size }));
    free(text);
}

static const struct pm_format plain = { .kind = PM_TEXT_0_0_4 };
static const struct pm_format openmetrics = { .kind = PM_OPENMETRICS_1_0_0 };

#define EXPECT_SAMPLE(want, ...)                                                                   \
    do {                                                                                           \
        double value_ = -12345;                                                                    \
        EXPECT_INT(0, pm_sample(registry, &value_, __VA_ARGS__));                                  \
        EXPECT(value_ == (want));                                                                  \
    } while (0)

static void counters_only_go_up(void)
{
    fresh();
    struct pm_counter *counter = pm_counter_new(registry, "jobs", "Jobs.");
    expect_text("# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total 0\n", plain);
    pm_inc(counter);
    pm_add(counter, 24);
    EXPECT_SAMPLE(25, "jobs_total");
    uint64_t refused = pm_error_count(PM_ERROR_VALUE);
    pm_add(counter, -1);
    pm_add(counter, (double)NAN);
    pm_add(counter, (double)INFINITY);
    EXPECT_INT(3, (int64_t)(pm_error_count(PM_ERROR_VALUE) - refused));
    EXPECT_SAMPLE(25, "jobs_total");
    pm_add(counter, 0.5);
    EXPECT_SAMPLE(25.5, "jobs_total");
    pm_count(counter, (uint64_t)1 << 53);
    pm_inc(counter);
    pm_add(counter, 0.5);
    EXPECT_SAMPLE(9007199254740992.0 + 27, "jobs_total");
    EXPECT(pm_counter_new(registry, "jobs_total", "Jobs.") == counter);
}

static void gauges_go_anywhere_and_read_as_set(void)
{
    fresh();
    struct pm_gauge *gauge = pm_gauge_new(registry, "balance", "Balance.");
    pm_dec(gauge);
    pm_sub(gauge, 1);
    EXPECT_SAMPLE(-2, "balance");
    pm_set(gauge, 333);
    EXPECT_SAMPLE(333, "balance");
    pm_add(gauge, 3);
    pm_set(gauge, 0.1); /* must not come out as 3.1 - 3 */
    EXPECT_SAMPLE(0.1, "balance");
    pm_inc(gauge);
    EXPECT_SAMPLE(1.1, "balance");
    pm_set(gauge, (double)INFINITY);
    EXPECT_SAMPLE((double)INFINITY, "balance");
}

static void histograms_agree_with_themselves(void)
{
    static const double bounds[] = { 0.1, 1, 2.5 };
    static const char *const labels[] = { "m" };
    fresh();
    struct pm_options options = { .name = "lat_seconds",
                                  .help = "Latency.",
                                  .unit = "seconds",
                                  .label_names = labels,
                                  .label_count = 1,
                                  .bounds = bounds,
                                  .bound_count = 3 };
    struct pm_histogram *get = pm_histogram_with(pm_histogram_of(registry, &options), "get");
    pm_observe(get, 0.1); /* the upper bound is inside */
    pm_observe(get, 0.10000000000000001);
    pm_observe(get, 0.11);
    pm_observe(get, 100);
    pm_observe(get, (double)NAN);
    expect_text("# HELP lat_seconds Latency.\n# TYPE lat_seconds histogram\n"
                "lat_seconds_bucket{m=\"get\",le=\"0.1\"} 2\n"
                "lat_seconds_bucket{m=\"get\",le=\"1\"} 3\n"
                "lat_seconds_bucket{m=\"get\",le=\"2.5\"} 3\n"
                "lat_seconds_bucket{m=\"get\",le=\"+Inf\"} 4\n"
                "lat_seconds_sum{m=\"get\"} 100.31\n"
                "lat_seconds_count{m=\"get\"} 4\n",
                plain);
    expect_text("# TYPE lat_seconds histogram\n# UNIT lat_seconds seconds\n"
                "# HELP lat_seconds Latency.\n"
                "lat_seconds_bucket{m=\"get\",le=\"0.1\"} 2\n"
                "lat_seconds_bucket{m=\"get\",le=\"1.0\"} 3\n"
                "lat_seconds_bucket{m=\"get\",le=\"2.5\"} 3\n"
                "lat_seconds_bucket{m=\"get\",le=\"+Inf\"} 4\n"
                "lat_seconds_sum{m=\"get\"} 100.31\n"
                "lat_seconds_count{m=\"get\"} 4\n# EOF\n",
                openmetrics);
}

static void bounds_are_made_or_left_alone(void)
{
    double bounds[3] = { 7, 7, 7 };
    EXPECT_INT(PM_ERROR_VALUE, pm_linear_bounds(bounds, 3, 1, 0));
    EXPECT_INT(PM_ERROR_VALUE, pm_linear_bounds(bounds, 3, 1e300, 1));
    EXPECT_INT(PM_ERROR_VALUE, pm_exponential_bounds(bounds, 3, 0, 2));
    EXPECT_INT(PM_ERROR_VALUE, pm_exponential_bounds(bounds, 3, 1, 1));
    EXPECT_INT(PM_ERROR_VALUE, pm_exponential_bounds(bounds, 3, 1, (double)NAN));
    EXPECT(bounds[0] == 7 && bounds[1] == 7 && bounds[2] == 7);
    EXPECT_INT(0, pm_linear_bounds(bounds, 3, -1, 1));
    EXPECT(bounds[0] == -1 && bounds[1] == 0 && bounds[2] == 1);
    EXPECT_INT(0, pm_exponential_bounds(bounds, 3, 0.5, 2));
    EXPECT(bounds[0] == 0.5 && bounds[1] == 1 && bounds[2] == 2);
}

/* Every number of bounds finds the bucket a plain loop finds. */
static void buckets_are_found_among_any_number_of_bounds(void)
{
    static double bounds[PM_BOUNDS_MAX];
    for (size_t i = 0; i < PM_BOUNDS_MAX; i++) bounds[i] = (double)i;
    for (size_t count = 1; count <= PM_BOUNDS_MAX; count += count < 70 ? 1 : 31) {
        fresh();
        struct pm_options options = {
            .name = "h", .help = "H.", .bounds = bounds, .bound_count = count
        };
        struct pm_histogram *histogram = pm_histogram_of(registry, &options);
        for (size_t i = 0; i < count; i += 3) {
            pm_observe(histogram, (double)i);
            char bound[32];
            (void)snprintf(bound, sizeof(bound), "%zu", i);
            EXPECT_SAMPLE((double)(i / 3 + 1), "h_bucket", "le", bound);
        }
        pm_observe(histogram, 1e9);
        char bound[32];
        (void)snprintf(bound, sizeof(bound), "%zu", count - 1);
        EXPECT_SAMPLE((double)((count + 2) / 3), "h_bucket", "le", bound);
    }
}

static void summaries_infos_and_enums_show(void)
{
    static const char *const states[] = { "off", "on" };
    fresh();
    struct pm_summary *summary = pm_summary_new(registry, "size_bytes", "Sizes.");
    pm_observe(summary, 3);
    pm_observe(summary, 4.5);
    struct pm_info *info = pm_info_new(registry, "build", "Build.");
    EXPECT_INT(0, pm_info_set(info, "version", "1\"0", "rev", "a"));
    EXPECT_INT(PM_ERROR_LABELS, pm_info_set(info, "2bad", "x"));
    struct pm_options options = {
        .name = "job", .help = "Job.", .states = states, .state_count = 2
    };
    struct pm_enum *state = pm_enum_of(registry, &options);
    EXPECT_INT(PM_ERROR_VALUE, pm_enum_set(state, "broken"));
    EXPECT_INT(0, pm_enum_set(state, "on"));
    expect_text("# HELP build_info Build.\n# TYPE build_info gauge\n"
                "build_info{version=\"1\\\"0\",rev=\"a\"} 1\n"
                "# HELP job Job.\n# TYPE job gauge\n"
                "job{job=\"off\"} 0\njob{job=\"on\"} 1\n"
                "# HELP size_bytes Sizes.\n# TYPE size_bytes summary\n"
                "size_bytes_sum 7.5\nsize_bytes_count 2\n",
                plain);
    expect_text("# TYPE build info\n# HELP build Build.\n"
                "build_info{version=\"1\\\"0\",rev=\"a\"} 1\n"
                "# TYPE job stateset\n# HELP job Job.\n"
                "job{job=\"off\"} 0\njob{job=\"on\"} 1\n"
                "# TYPE size_bytes summary\n# HELP size_bytes Sizes.\n"
                "size_bytes_sum 7.5\nsize_bytes_count 2\n# EOF\n",
                openmetrics);
}

static void labels_are_escaped_and_made_utf8(void)
{
    fresh();
    struct pm_counter *counter =
        pm_counter_new(registry, "a_total", "Say \"x\" \\ y\nz.", "k", "e");
    pm_inc(pm_counter_with(counter, "a\"b\\c\nd", ""));
    pm_inc(pm_counter_with(counter, "\xff|\xc0\x80|\xed\xa0\x80|\xe2\x82|\xf0\x9f\x98\x80", "x"));
    expect_text(
        "# HELP a_total Say \"x\" \\\\ y\\nz.\n# TYPE a_total counter\n"
        "a_total{k=\"a\\\"b\\\\c\\nd\"} 1\n"
        "a_total{k=\"\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|"
        "\xef\xbf\xbd|\xf0\x9f\x98\x80\",e=\"x\"} 1\n",
        plain);
    EXPECT_SAMPLE(1, "a_total", "k", "a\"b\\c\nd");
}

static void children_are_kept_and_removal_leaves_no_dangling_handle(void)
{
    fresh();
    struct pm_counter *counter = pm_counter_new(registry, "a_total", "A.", "k");
    struct pm_counter *child = pm_counter_with(counter, "x");
    EXPECT(pm_counter_with(counter, "x") == child);
    EXPECT(pm_counter_with(counter, "y") != child);
    pm_add(child, 5);
    pm_add(child, 0.25);
    static const char *const values[] = { "x" };
    struct pm_error error;
    EXPECT_INT(0, pm_remove(PM_METRIC(counter), values, 1, &error));
    EXPECT_INT(PM_ERROR_UNKNOWN, pm_remove(PM_METRIC(counter), values, 1, &error));
    pm_inc(child); /* allowed, unseen */
    double value = 7;
    EXPECT_INT(PM_ERROR_UNKNOWN, pm_sample(registry, &value, "a_total", "k", "x"));
    EXPECT(value == 7);
    EXPECT(pm_counter_with(counter, "x") == child); /* back, from zero */
    EXPECT_SAMPLE(0, "a_total", "k", "x");
    pm_inc(child);
    EXPECT_SAMPLE(1, "a_total", "k", "x");
    pm_clear(PM_METRIC(counter));
    expect_text("", plain);
    EXPECT_INT(0, pm_unregister(registry, "a_total", &error));
    pm_inc(child);
    EXPECT(pm_counter_new(registry, "a_total", "A.") != counter);
    EXPECT_SAMPLE(0, "a_total");
}

static const struct bad {
    const char *name;
    enum pm_type type;
    const char *help;
    const char *label;
    int code;
} bad_rows[] = {
    { "2xx", PM_COUNTER, "H.", NULL, PM_ERROR_NAME },
    { "a-b", PM_GAUGE, "H.", NULL, PM_ERROR_NAME },
    { "", PM_GAUGE, "H.", NULL, PM_ERROR_NAME },
    { "good", PM_GAUGE, "", NULL, PM_ERROR_NAME },
    { "good", PM_GAUGE, "H.", "__x", PM_ERROR_NAME },
    { "good", PM_GAUGE, "H.", "a:b", PM_ERROR_NAME },
    { "good", PM_HISTOGRAM, "H.", "le", PM_ERROR_NAME },
    { "good", PM_SUMMARY, "H.", "quantile", PM_ERROR_NAME },
    { "good", PM_ENUM, "H.", "good", PM_ERROR_NAME },
    { "taken", PM_GAUGE, "H.", NULL, PM_ERROR_TYPE },
    { "taken_total", PM_COUNTER, "H.", "other", PM_ERROR_LABELS },
    { "taken_total", PM_GAUGE, "H.", NULL, PM_ERROR_NAME },
    { "taken_created", PM_GAUGE, "H.", NULL, PM_ERROR_NAME },
    { "hist_count", PM_COUNTER, "H.", NULL, PM_ERROR_NAME }, /* OpenMetrics' family name */
    { "hist_bucket", PM_GAUGE, "H.", NULL, PM_ERROR_NAME },
};

static void what_cannot_be_is_refused_and_changes_nothing(void)
{
    static const char *const states[] = { "a" };
    fresh();
    (void)pm_counter_new(registry, "taken_total", "T.");
    (void)pm_histogram_new(registry, "hist", "H.");
    for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
        const struct bad *row = &bad_rows[i];
        test_context(row->name);
        struct pm_options options = { .name = row->name,
                                      .help = row->help,
                                      .label_names = &row->label,
                                      .label_count = row->label != NULL,
                                      .states = states,
                                      .state_count = 1 };
        struct pm_metric *metric = NULL;
        struct pm_error error = { 0 };
        EXPECT_INT(row->code, pm_create(registry, row->type, &options, &metric, &error));
        EXPECT((metric == NULL) == (row->code < 0));
        EXPECT_INT(row->code, error.code);
    }
    struct pm_gauge *dead = pm_gauge_new(registry, "a b", "H.");
    EXPECT(dead != NULL);
    pm_inc(dead);
    pm_set(dead, 5);
    pm_set(pm_gauge_with(dead, "x"), 1);
    EXPECT_INT(PM_ERROR_NAME, pm_last_error().code);
    struct pm_counter *family = pm_counter_new(registry, "with_labels_total", "L.", "a", "b");
    uint64_t wrong = pm_error_count(PM_ERROR_LABELS);
    pm_inc(family);
    pm_inc(pm_counter_with(family, "one"));
    pm_inc(pm_counter_with(family, "one", "two", "three"));
    EXPECT_INT(3, (int64_t)(pm_error_count(PM_ERROR_LABELS) - wrong));
    double value = 0;
    EXPECT_INT(PM_ERROR_UNKNOWN, pm_sample(registry, &value, "with_labels_total"));
}

static void collect_pair(struct pm_emit *emit, void *arg)
{
    (void)arg;
    pm_emit_one(emit, PM_GAUGE, "go_alloc_bytes", "Now.", 1);
    pm_emit_one(emit, PM_COUNTER, "go_alloc_bytes_total", "Ever.", 2);
}

static void a_gauge_and_a_counter_of_one_base_lose_no_sample(void)
{
    fresh();
    EXPECT_INT(0, pm_register_collector(registry, collect_pair, NULL, NULL));
    expect_text("# HELP go_alloc_bytes Now.\n# TYPE go_alloc_bytes gauge\ngo_alloc_bytes 1\n"
                "# HELP go_alloc_bytes_total Ever.\n# TYPE go_alloc_bytes_total counter\n"
                "go_alloc_bytes_total 2\n",
                plain);
    expect_text("# TYPE go_alloc_bytes gauge\n# HELP go_alloc_bytes Now.\ngo_alloc_bytes 1\n"
                "# TYPE go_alloc_bytes_total unknown\n# HELP go_alloc_bytes_total Ever.\n"
                "go_alloc_bytes_total 2\n# EOF\n",
                openmetrics);
}

static double answer(void *arg)
{
    return *(double *)arg;
}

static void collect(struct pm_emit *emit, void *arg)
{
    static const double bounds[] = { 0.1, 1 };
    static const uint64_t counts[] = { 1, 2, 3 };
    const struct pm_buckets buckets = { bounds, counts, 2, 3.5 };
    (void)arg;
    pm_emit_family(emit, PM_COUNTER, "node_cpu_seconds_total", "Seconds.");
    pm_emit_value(emit, 1234567.5, "cpu", "0", "mode", "idle");
    pm_emit_count(emit, 12345678901, "cpu", "1", "mode", "");
    pm_emit_value(emit, 1, "bad-name", "x");
    pm_emit_family(emit, PM_HISTOGRAM, "h", "H.");
    pm_emit_histogram(emit, NULL, 0, &buckets);
    pm_emit_family(emit, PM_COUNTER, "node_cpu_seconds_total", "Twice.");
    pm_emit_value(emit, 1);
    pm_emit_one(emit, PM_GAUGE, "no name", "Bad.", 1);
    pm_emit_one(emit, PM_GAUGE, "node_load1", "Load.", 0.42);
}

static void functions_and_collectors_are_asked_at_scrape(void)
{
    fresh();
    double value = 7;
    struct pm_options options = {
        .name = "asked", .help = "A.", .function = answer, .function_arg = &value
    };
    (void)pm_gauge_of(registry, &options);
    struct pm_error error;
    EXPECT_INT(0, pm_register_collector(registry, collect, NULL, &error));
    expect_text("# HELP asked A.\n# TYPE asked gauge\nasked 7\n"
                "# HELP node_cpu_seconds_total Seconds.\n# TYPE node_cpu_seconds_total counter\n"
                "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 1.2345675e+06\n"
                "node_cpu_seconds_total{cpu=\"1\"} 12345678901\n"
                "# HELP h H.\n# TYPE h histogram\n"
                "h_bucket{le=\"0.1\"} 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 6\n"
                "h_sum 3.5\nh_count 6\n"
                "# HELP node_load1 Load.\n# TYPE node_load1 gauge\nnode_load1 0.42\n",
                plain);
    EXPECT_INT(0, pm_unregister_collector(registry, collect, NULL));
    value = 8;
    expect_text("# HELP asked A.\n# TYPE asked gauge\nasked 8\n", plain);
}

PM_STATIC_COUNTER(static_requests, "static_requests_total", "Requests.");
PM_STATIC_GAUGE(static_load, "static_load", "Load.", "cpu");

static void static_metrics_join_with_their_first_update(void)
{
    pm_registry_free(registry);
    registry = NULL; /* the default one */
    pm_inc(&static_requests);
    pm_inc(&static_requests);
    pm_set(pm_gauge_with(&static_load, "0"), 0.5);
    EXPECT_SAMPLE(2, "static_requests_total");
    EXPECT_SAMPLE(0.5, "static_load", "cpu", "0");
}

static const struct accept {
    const char *header;
    enum pm_exposition kind;
} accepts[] = {
    { NULL, PM_TEXT_0_0_4 },
    { "*/*", PM_TEXT_0_0_4 },
    { "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
      "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,"
      "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      PM_OPENMETRICS_1_0_0 },
    { "application/openmetrics-text; version=0.0.1", PM_OPENMETRICS_0_0_1 },
    { "application/openmetrics-text;q=0.1, text/plain;q=0.9", PM_TEXT_0_0_4 },
    { "application/openmetrics-text;version=1.0.0;q=0", PM_TEXT_0_0_4 },
    { "application/vnd.google.protobuf;encoding=delimited;q=0.9,text/plain;q=0.2", PM_TEXT_0_0_4 },
    { "application/openmetrics-text;version=1.0.0;q=x,;;=,,", PM_TEXT_0_0_4 },
    { " Application/OpenMetrics-Text ; Version=1.0.0 ", PM_OPENMETRICS_1_0_0 },
};

static void formats_are_negotiated(void)
{
    for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
        test_context(accepts[i].header);
        EXPECT_INT(accepts[i].kind, pm_negotiate(accepts[i].header).kind);
    }
    EXPECT(strcmp(pm_content_type(plain), "text/plain; version=0.0.4; charset=utf-8") == 0);
    EXPECT(strcmp(pm_content_type(openmetrics),
                  "application/openmetrics-text; version=1.0.0; charset=utf-8") == 0);
}

struct written {
    size_t size;
    size_t limit;
};

static int count_bytes(void *arg, const char *data, size_t size)
{
    struct written *written = arg;
    (void)data;
    written->size += size;
    return written->size > written->limit ? -1 : 0;
}

static void a_writer_may_refuse_and_names_filter(void)
{
    static const char *const names[] = { "b_total" };
    fresh();
    struct pm_counter *a = pm_counter_new(registry, "a_total", "A.", "n");
    pm_inc(pm_counter_new(registry, "b_total", "B."));
    for (int i = 0; i < 20000; i++) {
        char value[32];
        (void)snprintf(value, sizeof(value), "%d", i);
        pm_inc(pm_counter_with(a, value));
    }
    struct written all = { 0, SIZE_MAX };
    EXPECT_INT(0, pm_render(registry, plain, count_bytes, &all));
    EXPECT(all.size > 300000);
    struct written some = { 0, 100000 };
    EXPECT_INT(PM_ERROR_WRITE, pm_render(registry, plain, count_bytes, &some));
    EXPECT(some.size < 200000);
    struct written one = { 0, SIZE_MAX };
    EXPECT_INT(0, pm_render_names(registry, plain, names, 1, count_bytes, &one));
    EXPECT_INT(51, (int64_t)one.size);
}

static void a_family_has_a_limit(void)
{
    static const char *const labels[] = { "n" };
    fresh();
    struct pm_options options = {
        .name = "a", .help = "A.", .label_names = labels, .label_count = 1, .series_max = 2
    };
    struct pm_counter *a = pm_counter_of(registry, &options);
    pm_inc(pm_counter_with(a, "1"));
    pm_inc(pm_counter_with(a, "2"));
    pm_inc(pm_counter_with(a, "3"));
    EXPECT_INT(PM_ERROR_FULL, pm_last_error().code);
    EXPECT_SAMPLE(1, "a_total", "n", "2");
}

enum { THREADS = 4, ROUNDS = 100000 };

static void *work(void *arg)
{
    struct pm_counter *counter = arg;
    for (int i = 0; i < ROUNDS; i++) {
        pm_inc(counter);
        if (i % 16 == 0) pm_add(counter, 0.5);
        if (i % 1000 == 0) pm_inc(pm_counter_with(pm_counter_new(registry, "t", "T.", "i"), "x"));
    }
    return NULL;
}

static void threads_count_exactly_while_scraped(void)
{
    fresh();
    struct pm_counter *counter = pm_counter_new(registry, "a_total", "A.");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, work, counter) == 0);
    }
    double before = 0;
    for (int i = 0; i < 20; i++) {
        double now = -1;
        EXPECT_INT(0, pm_sample(registry, &now, "a_total"));
        EXPECT(now >= before);
        before = now;
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    EXPECT_SAMPLE(THREADS * (ROUNDS + ROUNDS / 16 * 0.5), "a_total");
    EXPECT_SAMPLE(THREADS * ROUNDS / 1000, "t_total", "i", "x");
}

static void a_forked_child_counts_for_itself(void)
{
    fresh();
    struct pm_counter *counter = pm_counter_new(registry, "a_total", "A.");
    pm_inc(counter);
    pid_t pid = fork();
    if (pid == 0) {
        double value = 0;
        pm_inc(counter);
        pm_inc(pm_counter_new(registry, "new_total", "N."));
        int code = pm_sample(registry, &value, "a_total");
        _exit(code == 0 && value == 2 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    EXPECT_INT(0, status);
    EXPECT_SAMPLE(1, "a_total");
}

static void process_metrics_have_values(void)
{
    static const char *const names[] = { "process_cpu_seconds_total",
                                         "process_open_fds",
                                         "process_max_fds",
                                         "process_virtual_memory_bytes",
                                         "process_resident_memory_bytes",
                                         "process_start_time_seconds",
                                         "process_virtual_memory_max_bytes" };
    fresh();
    struct pm_error error;
    EXPECT_INT(0, pm_register_process(registry, &error));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        double value = -1;
        test_context(names[i]);
        EXPECT_INT(0, pm_sample(registry, &value, names[i]));
        EXPECT(value >= 0);
    }
}

static void promtool_has_no_complaint(void)
{
    if (access("/usr/bin/promtool", X_OK) != 0) SKIP("promtool is not installed");
    fresh();
    struct pm_error error;
    struct pm_counter *jobs = pm_counter_new(registry, "jobs_total", "Jobs \"done\"\n\\.", "q");
    pm_inc(pm_counter_with(jobs, "a\"b\\c\nd\xff"));
    pm_add(pm_counter_with(jobs, "x"), 1e-5);
    pm_observe(pm_histogram_new(registry, "lat_seconds", "Latency.", "m"), 0.2);
    pm_observe(pm_histogram_with(pm_histogram_new(registry, "lat_seconds", "L.", "m"), "g"), 3);
    pm_observe(pm_summary_new(registry, "size_bytes", "Sizes."), 2);
    pm_set(pm_gauge_new(registry, "temperature_celsius", "T."), -1e-7);
    (void)pm_info_set(pm_info_new(registry, "build", "Build."), "version", "1");
    EXPECT_INT(0, pm_register_process(registry, &error));
    char *text = pm_render_text(registry, plain, NULL);
    REQUIRE(text != NULL);
    FILE *pipe = popen("/usr/bin/promtool check metrics 2>&1", "w");
    REQUIRE(pipe != NULL);
    EXPECT(fputs(text, pipe) >= 0);
    EXPECT_INT(0, pclose(pipe));
    free(text);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(counters_only_go_up),
        TEST(gauges_go_anywhere_and_read_as_set),
        TEST(histograms_agree_with_themselves),
        TEST(bounds_are_made_or_left_alone),
        TEST(buckets_are_found_among_any_number_of_bounds),
        TEST(summaries_infos_and_enums_show),
        TEST(labels_are_escaped_and_made_utf8),
        TEST(children_are_kept_and_removal_leaves_no_dangling_handle),
        TEST(what_cannot_be_is_refused_and_changes_nothing),
        TEST(a_gauge_and_a_counter_of_one_base_lose_no_sample),
        TEST(functions_and_collectors_are_asked_at_scrape),
        TEST(formats_are_negotiated),
        TEST(a_writer_may_refuse_and_names_filter),
        TEST(a_family_has_a_limit),
        TEST(threads_count_exactly_while_scraped),
        TEST(a_forked_child_counts_for_itself),
        TEST(process_metrics_have_values),
        TEST(promtool_has_no_complaint),
        TEST(static_metrics_join_with_their_first_update),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
