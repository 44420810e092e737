/* loop_test.c
 *
 * Goal:   a scrape writes what Prometheus 3 would write, whatever the target answers.
 * Method: a small server gives the answers of a script; each scrape is run by hand against a sink
 *         that prints every committed sample as a line, without its time.
 */
#include "base/check.h"
#include "base/random.h"
#include "base/thread.h"
#include "codec/compress.h"
#include "http/server.h"
#include "model/sample.h"
#include "scrape/target.h"
#include "tests/test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the target ---- */

static struct http_server *server;
static unsigned answer_status = 200;
static const char *answer_type = "text/plain; version=0.0.4";
static const char *answer_body = "";
static unsigned answer_delay_ms;
static struct mutex answer_mutex = MUTEX_INIT; /* guards the four above */

static int answer(void *context, struct http_request *request, struct http_response *response,
                  struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    mutex_lock(&answer_mutex);
    unsigned delay_ms = answer_delay_ms;
    response->status = answer_status;
    response->content_type = answer_type;
    buf_append_cstr(&response->body, answer_body);
    mutex_unlock(&answer_mutex);
    if (delay_ms > 0) (void)usleep(delay_ms * 1000);
    return 0;
}

static void set_answer(unsigned status, const char *type, unsigned delay_ms)
{
    mutex_lock(&answer_mutex);
    answer_status = status;
    answer_type = type == NULL ? "text/plain; version=0.0.4" : type;
    answer_delay_ms = delay_ms;
    mutex_unlock(&answer_mutex);
}

/* ---- the sink ---- */

static struct buf lines;   /* of the last commits */
static struct buf pending; /* of the open batch */
static uint64_t refs;
static bool fails_commit;

enum { REFS_MAX = 10000 };

static struct str names[REFS_MAX]; /* labels by ref */

static void write_sample(struct str name, double value)
{
    buf_append_str(&pending, name);
    if (sample_is_stale(value)) {
        buf_append_str(&pending, STR(" stale\n"));
    } else {
        buf_printf(&pending, " %g\n", value);
    }
}

static int sink_append(struct sample_batch *batch, uint64_t *ref, struct labels labels,
                       int64_t time_ms, double value, struct error *error)
{
    (void)batch;
    (void)error;
    if (time_ms < 1000) return ERROR_INVALID;
    struct buf text;
    buf_init(&text, 1 << 16);
    labels_print(&text, labels);
    if (*ref == 0) *ref = ++refs;
    CHECK(*ref < REFS_MAX);
    free((void *)(uintptr_t)names[*ref].data);
    names[*ref] = (struct str){ str_copy(buf_str(&text)), text.size };
    buf_release(&text);
    write_sample(names[*ref], value);
    return 0;
}

static int sink_append_rows(struct sample_batch *batch, const struct sample_row *rows, size_t count,
                            size_t *taken, struct error *error)
{
    (void)batch;
    (void)error;
    for (*taken = 0; *taken < count; (*taken)++) {
        const struct sample_row *row = &rows[*taken];
        if (row->time_ms < 1000) return ERROR_INVALID;
        if (row->ref == 0 || row->ref > refs) return -ENOENT;
        write_sample(names[row->ref], row->value);
    }
    return 0;
}

static int sink_commit(struct sample_batch *batch, struct error *error)
{
    (void)batch;
    if (fails_commit) {
        fails_commit = false;
        return error_set(error, -EIO, "the disk is gone");
    }
    buf_append_str(&lines, buf_str(&pending));
    return 0;
}

static void sink_rollback(struct sample_batch *batch)
{
    (void)batch;
}

/* The batch's exemplar is written as a line of its own. */
static int sink_append_exemplar(struct sample_batch *batch, uint64_t ref,
                                const struct exemplar *exemplar, struct error *error)
{
    (void)batch;
    (void)error;
    CHECK(ref > 0);
    CHECK(ref <= refs);
    buf_append_cstr(&pending, "exemplar ");
    labels_print(&pending, exemplar->labels);
    buf_printf(&pending, " %g", exemplar->value);
    /* Times of the scrape differ from run to run. */
    if (exemplar->time_ms < INT64_C(1700000000000))
        buf_printf(&pending, " %lld", (long long)exemplar->time_ms);
    buf_append_char(&pending, '\n');
    return 0;
}

static struct sample_batch the_batch = { .append = sink_append,
                                         .append_rows = sink_append_rows,
                                         .append_exemplar = sink_append_exemplar,
                                         .commit = sink_commit,
                                         .rollback = sink_rollback };

static int sink_begin(void *state, struct sample_batch **batch, struct error *error)
{
    (void)state;
    (void)error;
    buf_reset(&pending);
    *batch = &the_batch;
    return 0;
}

static const struct sample_sink sink = { .begin = sink_begin };

/* ---- one target, scraped by hand ---- */

struct bench {
    struct scrape_config config;
    struct scrape_setup setup;
    struct scrape_tools tools;
    struct scrape_counters counters;
    struct pm_registry *registry;
    struct scrape_target *target;
};

/* A job with these fields, "a: b\n" each, and its only target. */
static bool bench_open(struct bench *bench, const char *fields)
{
    *bench = (struct bench){ 0 };
    struct error error = { 0 };
    struct pm_error cause = { 0 };
    struct yaml_reading reading = { .arena = &bench->config.arena };
    struct scrape_global global;
    const struct yaml_node *root = NULL;
    scrape_global_init(&global);
    arena_init(&bench->config.arena, 16u << 20);
    struct str text = arena_printf(&bench->config.arena,
                                   "- job_name: j\n  scrape_timeout: 300ms\n"
                                   "  static_configs:\n  - targets: ['127.0.0.1:%u']\n%s",
                                   (unsigned)http_server_port(server), fields);
    int code = yaml_parse(&bench->config.arena, text, STR("x.yml"), &root, &error);
    if (code == 0) code = scrape_config_read(&bench->config, root, &global, &reading, &error);
    const struct scrape_found *found = NULL;
    size_t count = 0;
    if (code == 0) {
        code = scrape_discover(&bench->config.jobs[0], ".", &bench->config.arena, NULL, &found,
                               &count, &error);
    }
    if (code == 0 && count != 1) code = ERROR_INVALID;
    if (code == 0 && pm_registry_new(&bench->registry, &cause) != 0) code = -ENOMEM;
    struct pm_registry *registry = bench->registry;
    struct scrape_counters *counters = &bench->counters;
    counters->out_of_order = pm_counter_new(registry, "a_total", "a");
    counters->duplicate = pm_counter_new(registry, "b_total", "b");
    counters->out_of_bounds = pm_counter_new(registry, "c_total", "c");
    counters->over_sample_limit = pm_counter_new(registry, "d_total", "d");
    counters->over_body_limit = pm_counter_new(registry, "e_total", "e");
    counters->interval_length = pm_summary_new(registry, "f", "f");
    counters->failed_commits = pm_counter_new(registry, "g_total", "g");
    bench->setup = (struct scrape_setup){ .sink = &sink, .clock = &clock_system };
    bench->tools =
        (struct scrape_tools){ .setup = &bench->setup, .counters = counters, .folder = "." };
    if (code == 0) {
        struct http_client_options options = { .user_agent = "test", .connection_max = 4 };
        code = http_client_new(&bench->tools.client, &options, &error);
    }
    struct scrape_target *target = calloc(1, sizeof(*target));
    if (code != 0 || target == NULL) {
        (void)fprintf(stderr, "bench: %s\n", error.text);
        free(target);
        return false;
    }
    arena_init(&target->arena, 1 << 20);
    mutex_init(&target->mutex);
    target->key = found->key;
    target->url = found->url;
    target->labels = found->labels;
    target->job = found->job;
    target->interval_ms = found->interval_ms;
    target->timeout_ms = found->timeout_ms;
    target->generation_number = 1;
    bench->target = target;
    return true;
}

static void bench_close(struct bench *bench)
{
    scrape_target_free(bench->target);
    http_client_free(bench->tools.client);
    pm_registry_free(bench->registry);
    scrape_config_release(&bench->config);
    set_answer(200, NULL, 0);
}

static void scrape(struct bench *bench, const char *body)
{
    buf_reset(&lines);
    mutex_lock(&answer_mutex);
    answer_body = body;
    mutex_unlock(&answer_mutex);
    scrape_target_scrape(bench->target, bench->target->job, &bench->tools);
}

/* Whether a line was written: the instance, which holds the port, is cut out of what was. */
static bool wrote(const char *line)
{
    char instance[64];
    (void)snprintf(instance, sizeof(instance), "instance=\"127.0.0.1:%u\"",
                   (unsigned)http_server_port(server));
    struct str rest = buf_str(&lines);
    while (rest.size > 0) {
        struct str got = str_cut(&rest, '\n');
        CLEANUP(buf_release) struct buf clean;
        buf_init(&clean, 64 << 10);
        size_t at = str_find(got, str_from(instance));
        if (at == STR_NONE) {
            buf_append_str(&clean, got);
        } else {
            buf_append_str(&clean, str_first(got, at));
            buf_append_char(&clean, '@');
            buf_append_str(&clean, str_skip(got, at + strlen(instance)));
        }
        if (str_equal(buf_str(&clean), str_from(line))) return true;
    }
    return false;
}

static size_t stale_count(void)
{
    size_t count = 0;
    struct str rest = buf_str(&lines);
    while (rest.size > 0) count += str_ends_with(str_cut(&rest, '\n'), STR(" stale"));
    return count;
}

/* ---- tests ---- */

/* A row: what the job says, what the target answers, a line that must be there, one that must not.
 */
static const struct {
    const char *name, *fields, *type, *body, *want, *not ;
    unsigned status;
    unsigned delay_ms;
} answer_rows[] = {
    { "plain", "", NULL, "a 1\n", "a{@, job=\"j\"} 1", NULL, 200, 0 },
    { "up", "", NULL, "a 1\n", "up{@, job=\"j\"} 1", NULL, 200, 0 },
    { "scraped", "", NULL, "a 1\nb 2\n", "scrape_samples_scraped{@, job=\"j\"} 2", NULL, 200, 0 },
    { "added", "", NULL, "a 1\nb 2\n", "scrape_series_added{@, job=\"j\"} 2", NULL, 200, 0 },
    { "conflict", "", NULL, "a{job=\"x\"} 1\n", "a{exported_job=\"x\", @, job=\"j\"} 1", NULL, 200,
      0 },
    { "conflict twice", "", NULL, "a{job=\"x\",exported_job=\"y\"} 1\n",
      "a{exported_exported_job=\"x\", exported_job=\"y\", @, job=\"j\"} 1", NULL, 200, 0 },
    { "honor", "  honor_labels: true\n", NULL, "a{job=\"x\"} 1\n", "a{@, job=\"x\"} 1", NULL, 200,
      0 },
    { "honor empty", "  honor_labels: true\n", NULL, "a{instance=\"\",z=\"1\"} 1\n",
      "a{job=\"j\", z=\"1\"} 1", NULL, 200, 0 },
    { "not honoured empty", "", NULL, "a{instance=\"\"} 1\n", "a{@, job=\"j\"} 1", NULL, 200, 0 },
    { "drop",
      "  metric_relabel_configs:\n"
      "  - {source_labels: [__name__], regex: b, action: drop}\n",
      NULL, "a 1\nb 2\n", "scrape_samples_post_metric_relabeling{@, job=\"j\"} 1",
      "b{@, job=\"j\"} 2", 200, 0 },
    { "rename", "  metric_relabel_configs:\n  - {target_label: __name__, replacement: c}\n", NULL,
      "a 1\n", "c{@, job=\"j\"} 1", NULL, 200, 0 },
    { "le", "", NULL, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n",
      "h_bucket{@, job=\"j\", le=\"1.0\"} 1", NULL, 200, 0 },
    { "le infinite", "", NULL, "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\n",
      "h_bucket{@, job=\"j\", le=\"+Inf\"} 1", NULL, 200, 0 },
    { "first wins", "", NULL, "a 1\na 2\n", "a{@, job=\"j\"} 1", "a{@, job=\"j\"} 2", 200, 0 },
    { "empty body", "", NULL, "", "up{@, job=\"j\"} 1", NULL, 200, 0 },
    { "no final newline", "", NULL, "a 1", "a{@, job=\"j\"} 1", NULL, 200, 0 },
    { "too old", "", NULL, "a 1 5\nb 2\n", "b{@, job=\"j\"} 2", "up{@, job=\"j\"} 0", 200, 0 },
    { "garbage", "", NULL, "a 1\n?? x\n", "up{@, job=\"j\"} 0", "a{@, job=\"j\"} 1", 200, 0 },
    { "never stored", "", NULL, "a 1\n?? x\n", "up{@, job=\"j\"} 0", "a{@, job=\"j\"} stale", 200,
      0 },
    { "CRLF", "", NULL, "a 1\r\n", "up{@, job=\"j\"} 0", NULL, 200, 0 },
    { "500", "", NULL, "a 1\n", "up{@, job=\"j\"} 0", NULL, 500, 0 },
    { "204", "", NULL, "", "up{@, job=\"j\"} 0", NULL, 204, 0 },
    { "404", "", NULL, "a 1\n", "up{@, job=\"j\"} 0", NULL, 404, 0 },
    { "html", "", "text/html", "a 1\n", "up{@, job=\"j\"} 0", NULL, 200, 0 },
    { "html with fallback", "  fallback_scrape_protocol: PrometheusText0.0.4\n", "text/html",
      "a 1\n", "a{@, job=\"j\"} 1", NULL, 200, 0 },
    { "OpenMetrics", "", "application/openmetrics-text; version=1.0.0", "a 1\n# EOF\n",
      "a{@, job=\"j\"} 1", NULL, 200, 0 },
    { "OpenMetrics cut", "", "application/openmetrics-text; version=1.0.0", "a 1\n",
      "up{@, job=\"j\"} 0", NULL, 200, 0 },
    { "slow", "", NULL, "a 1\n", "up{@, job=\"j\"} 0", NULL, 200, 600 },
    { "samples at limit", "  sample_limit: 2\n", NULL, "a 1\nb 2\n", "up{@, job=\"j\"} 1", NULL,
      200, 0 },
    { "samples over limit", "  sample_limit: 2\n", NULL, "a 1\nb 2\nc 3\nd 4\n",
      "scrape_samples_scraped{@, job=\"j\"} 4", "a{@, job=\"j\"} 1", 200, 0 },
    { "samples over limit, after", "  sample_limit: 2\n", NULL, "a 1\nb 2\nc 3\n",
      "scrape_samples_post_metric_relabeling{@, job=\"j\"} 3", "up{@, job=\"j\"} 1", 200, 0 },
    { "body under limit", "  body_size_limit: 5B\n", NULL, "a 1\n", "up{@, job=\"j\"} 1", NULL, 200,
      0 },
    { "body at limit", "  body_size_limit: 4B\n  extra_scrape_metrics: true\n", NULL, "a 1\n",
      "scrape_body_size_bytes{@, job=\"j\"} -1", "up{@, job=\"j\"} 1", 200, 0 },
    { "extra", "  extra_scrape_metrics: true\n", NULL, "a 1\n",
      "scrape_timeout_seconds{@, job=\"j\"} 0.3", NULL, 200, 0 },
    { "label limit", "  label_limit: 3\n", NULL, "a{x=\"1\"} 1\n", "up{@, job=\"j\"} 0", NULL, 200,
      0 },
    { "label name limit", "  label_name_length_limit: 8\n", NULL, "a{xxxxxxxxx=\"1\"} 1\n",
      "up{@, job=\"j\"} 0", NULL, 200, 0 },
    { "UTF-8 name", "", "text/plain; version=1.0.0; escaping=allow-utf-8", "{\"a.b\",l=\"x\"} 1\n",
      "{\"a.b\", @, job=\"j\", l=\"x\"} 1", NULL, 200, 0 },
};

static void answers_one_by_one(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(answer_rows); i++) {
        struct bench bench;
        test_context(answer_rows[i].name);
        REQUIRE(bench_open(&bench, answer_rows[i].fields));
        set_answer(answer_rows[i].status, answer_rows[i].type, answer_rows[i].delay_ms);
        scrape(&bench, answer_rows[i].body);
        bool is_there = wrote(answer_rows[i].want);
        if (!is_there) {
            (void)fprintf(stderr, "[%s] want: %s\n" STR_FMT, answer_rows[i].name,
                          answer_rows[i].want, STR_ARG(buf_str(&lines)));
        }
        EXPECT(is_there);
        EXPECT(answer_rows[i].not == NULL || !wrote(answer_rows[i].not ));
        bench_close(&bench);
    }
}

static void exemplars_are_taken(void)
{
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    set_answer(200, "application/openmetrics-text; version=1.0.0", 0);
    for (int i = 0; i < 2; i++) {
        scrape(&bench, "# TYPE a counter\n"
                       "a_total 3 # {trace_id=\"ab c\",x=\"}\"} 0.5 1600000000.25\n"
                       "b_total{c=\"d\"} 4 1600000001 # {} 7\n# EOF\n");
        EXPECT(wrote("a_total{@, job=\"j\"} 3"));
        EXPECT(wrote("exemplar {trace_id=\"ab c\", x=\"}\"} 0.5 1600000000250"));
        EXPECT(wrote("exemplar {} 7 1600000001000"));
    }
    scrape(&bench, "a_total 3 # {trace_id=1} 0.5\n# EOF\n");
    EXPECT(wrote("up{@, job=\"j\"} 0"));
    scrape(&bench, "a_total 3 # {trace_id=\"1\"}\n# EOF\n");
    EXPECT(wrote("up{@, job=\"j\"} 0"));
    bench_close(&bench);
}

static void series_that_vanish_are_stale(void)
{
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    scrape(&bench, "a 1\nb 2\n");
    EXPECT_INT(0, (int64_t)stale_count());
    scrape(&bench, "a 1\n");
    EXPECT(wrote("b{@, job=\"j\"} stale"));
    EXPECT(wrote("scrape_series_added{@, job=\"j\"} 0"));
    EXPECT_INT(1, (int64_t)stale_count());
    scrape(&bench, "a 1\n");
    EXPECT_INT(0, (int64_t)stale_count());
    scrape(&bench, "a 1\nb 3\n");
    EXPECT(wrote("b{@, job=\"j\"} 3"));
    EXPECT(wrote("scrape_series_added{@, job=\"j\"} 1"));
    bench_close(&bench);
}

static void a_failed_scrape_ends_all(void)
{
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    scrape(&bench, "a 1\nb 2\n");
    set_answer(500, NULL, 0);
    scrape(&bench, "");
    EXPECT(wrote("a{@, job=\"j\"} stale"));
    EXPECT(wrote("b{@, job=\"j\"} stale"));
    EXPECT(wrote("up{@, job=\"j\"} 0"));
    EXPECT_INT(2, (int64_t)stale_count());
    scrape(&bench, "");
    EXPECT_INT(0, (int64_t)stale_count());
    set_answer(200, NULL, 0);
    scrape(&bench, "a 1\n");
    EXPECT(wrote("scrape_series_added{@, job=\"j\"} 1"));
    bench_close(&bench);
}

/* One line of an answer, of many forms; few names, so that they meet again. */
static void put_line(struct buf *body, struct random *random)
{
    static const char *const values[] = {
        "1",     "0",        "12.5", "-3", "1e3",  "NaN",   "+Inf",
        "12345", "0.000001", "7.",   ".5", "+4",   "00012", "123456789012345678",
        "-0",    "1.5e+06",  "2E-3", "-7", "4e23", "1.e3",  "1e400",
    };
    /* What stands between the name, which is a number, and the value, and behind that. */
    static const struct {
        const char *labels;
        const char *end;
    } forms[] = {
        { " ", "\n" },
        { "{a=\"1\"} ", "\n" },
        { " {a=\"2\"} ", "\n" },
        { "{a=\"x y} 3\"}  ", "\n" },
        { "{a=\"1\",b=\"}\"} ", " 1700000000000\n" },
        { "{a=\"1\"} ", " \n" },
        { "\t", "\n" },
    };
    unsigned number = (unsigned)random_below(random, 6);
    switch (random_below(random, 8)) {
    case 0:
        buf_printf(body, "# TYPE m%u %s\n", number,
                   random_below(random, 4) == 0 ? "gauge" : "counter");
        return;
    case 1: buf_printf(body, "# HELP m%u what it is\n", number); return;
    case 2: buf_append_cstr(body, random_below(random, 2) == 0 ? "# a comment\n" : "\n"); return;
    default: break;
    }
    const char *value = values[random_below(random, ARRAY_LENGTH(values))];
    size_t form = (size_t)random_below(random, ARRAY_LENGTH(forms));
    buf_printf(body, "m%u%s%s%s", number, forms[form].labels, value, forms[form].end);
}

/* What was written, but what depends on the scrapes before. */
static void take_written(struct buf *out)
{
    struct str rest = buf_str(&lines);
    buf_reset(out);
    while (rest.size > 0) {
        size_t size = str_find_char(rest, '\n') + 1;
        struct str line = str_first(rest, size);
        rest = str_skip(rest, size);
        if (str_ends_with(line, STR(" stale\n"))) continue;
        if (str_starts_with(line, STR("scrape_duration")) ||
            str_starts_with(line, STR("scrape_series_added"))) {
            continue;
        }
        buf_append_str(out, line);
    }
}

/* Answers that go on from the one before, with lines that come, go and change, are read as by a
 * target that has seen nothing. */
static void what_is_known_changes_nothing(void)
{
    enum { ROUNDS = 150, LINES = 14 };
    struct random random;
    random_init(&random, 7);
    struct buf body;
    struct buf known;
    struct buf fresh;
    struct buf parts[LINES];
    buf_init(&body, 1 << 16);
    buf_init(&known, 1 << 20);
    buf_init(&fresh, 1 << 20);
    for (int i = 0; i < LINES; i++) buf_init(&parts[i], 1 << 10);
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < LINES; i++) {
            if (round > 0 && random_below(&random, 5) > 0) continue;
            buf_reset(&parts[i]);
            if (random_below(&random, 6) > 0) put_line(&parts[i], &random);
        }
        buf_reset(&body);
        for (int i = 0; i < LINES; i++) buf_append_str(&body, buf_str(&parts[i]));
        buf_append_char(&body, '\0');
        scrape(&bench, body.data);
        take_written(&known);
        buf_append_char(&known, '\0');
        struct bench other;
        REQUIRE(bench_open(&other, ""));
        scrape(&other, body.data);
        take_written(&fresh);
        bench_close(&other);
        EXPECT_STR(known.data, buf_str(&fresh));
    }
    bench_close(&bench);
    for (int i = 0; i < LINES; i++) buf_release(&parts[i]);
    buf_release(&body);
    buf_release(&known);
    buf_release(&fresh);
}

/* Only what a commit has stored is ended. */
static void a_lost_commit_ends_what_was_there(void)
{
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    scrape(&bench, "a 1\n");
    fails_commit = true;
    scrape(&bench, "a 1\nb 2\n");
    EXPECT(wrote("a{@, job=\"j\"} stale"));
    EXPECT(!wrote("b{@, job=\"j\"} stale"));
    EXPECT(wrote("up{@, job=\"j\"} 0"));
    bench_close(&bench);
}

static void own_timestamps_take_no_part_in_staleness(void)
{
    static const char *const fields[] = { "", "  track_timestamps_staleness: true\n",
                                          "  honor_timestamps: false\n" };
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        struct bench bench;
        test_context(fields[i]);
        REQUIRE(bench_open(&bench, fields[i]));
        scrape(&bench, "a 1 1600000000000\n");
        EXPECT(wrote("a{@, job=\"j\"} 1"));
        scrape(&bench, "");
        EXPECT_INT(i == 0 ? 0 : 1, (int64_t)stale_count());
        bench_close(&bench);
    }
}

static void a_removed_target_is_ended(void)
{
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    scrape(&bench, "a 1\n");
    buf_reset(&lines);
    scrape_target_end(bench.target, &bench.tools);
    EXPECT(wrote("a{@, job=\"j\"} stale"));
    EXPECT(wrote("up{@, job=\"j\"} stale"));
    EXPECT_INT(6, (int64_t)stale_count());
    bench_close(&bench);
}

/* After a reload with other rules the old series ends and the new one begins. */
static void a_reload_relabels_known_series(void)
{
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    scrape(&bench, "a 1\n");
    bench.target->generation_number++;
    scrape(&bench, "a 2\n");
    EXPECT(wrote("a{@, job=\"j\"} 2"));
    EXPECT_INT(0, (int64_t)stale_count());
    bench.config.jobs[0].honor_labels = true;
    bench.target->generation_number++;
    scrape(&bench, "a 3\n");
    EXPECT(wrote("a{@, job=\"j\"} 3"));
    EXPECT_INT(0, (int64_t)stale_count());
    bench_close(&bench);
}

static void metadata_is_kept(void)
{
    struct bench bench;
    REQUIRE(bench_open(&bench, ""));
    scrape(&bench, "# HELP a what it \\n is\n# TYPE a gauge\na 1\n");
    const struct scrape_family *family = map_get(&bench.target->families, STR("a"));
    REQUIRE(family != NULL);
    EXPECT_STR("gauge", family->type);
    EXPECT_STR("what it \n is", family->help);
    for (int i = 0; i < 12; i++) scrape(&bench, "");
    EXPECT(map_get(&bench.target->families, STR("a")) == NULL);
    bench_close(&bench);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(answers_one_by_one),
        TEST(exemplars_are_taken),
        TEST(series_that_vanish_are_stale),
        TEST(a_failed_scrape_ends_all),
        TEST(what_is_known_changes_nothing),
        TEST(a_lost_commit_ends_what_was_there),
        TEST(own_timestamps_take_no_part_in_staleness),
        TEST(a_removed_target_is_ended),
        TEST(a_reload_relabels_known_series),
        TEST(metadata_is_kept),
    };
    static const struct http_route routes[] = { { HTTP_GET, "/metrics", answer, NULL, 0, 0 } };
    struct error error = { 0 };
    buf_init(&lines, 16u << 20);
    buf_init(&pending, 16u << 20);
    struct http_server_options options = { .listen = "127.0.0.1:0" };
    struct http_mount mount = { .routes = routes, .count = ARRAY_LENGTH(routes) };
    int code = http_server_new(&server, &options, &error);
    if (code == 0) code = http_server_mount(server, &mount, &error);
    if (code == 0) code = http_server_start(server, &error);
    if (code != 0) {
        (void)fprintf(stderr, "server: %s\n", error.text);
        return 1;
    }
    int status = test_main(tests, ARRAY_LENGTH(tests));
    http_server_free(server);
    buf_release(&lines);
    buf_release(&pending);
    return status;
}
