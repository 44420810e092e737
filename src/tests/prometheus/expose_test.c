/* expose_test.c
 *
 * Goal:   a scrape over HTTP gets what it asked for, packed as it likes, within its time and in
 *         turn; pushes go where a Pushgateway wants them; a textfile is whole at every moment.
 * Method: the exposer asked by the project's HTTP client; a small gateway of our own that keeps
 *         what came; a reader that looks at the file while it is written. Debian's pushgateway and
 *         node_exporter, where they are installed.
 */
#include "prometheus/exposer.h"
#include "prometheus/push.h"

#include "codec/compress.h"
#include "http/client.h"
#include "http/server.h"
#include "tests/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct pm_registry *registry;
static struct pm_exposer *exposer;
static struct http_client *client;

static void nap_ms(int ms)
{
    struct timespec pause = { ms / 1000, ms % 1000 * 1000000L };
    (void)nanosleep(&pause, NULL);
}

static bool start(const struct pm_exposer_options *wanted)
{
    struct pm_error error;
    struct pm_exposer_options options = *wanted;
    struct http_client_options none = { 0 };
    if (pm_registry_new(&registry, &error) < 0) return false;
    pm_add(pm_counter_new(registry, "jobs_total", "Jobs done."), 25);
    pm_set(pm_gauge_new(registry, "level_celsius", "Heat."), 3);
    options.registry = registry;
    return http_client_new(&client, &none, NULL) == 0 &&
           pm_exposer_start(&exposer, &options, &error) == 0;
}

static void stop(void)
{
    pm_exposer_stop(exposer);
    http_client_free(client);
    pm_registry_free(registry);
}

static int get(const char *path, const struct http_field *headers, size_t count,
               enum http_method method, struct http_answer *answer)
{
    char url[512];
    (void)snprintf(url, sizeof(url), "%s%s", pm_exposer_url(exposer), path);
    struct http_call call = { .url = str_from(url),
                              .method = method,
                              .headers = headers,
                              .header_count = count,
                              .refuses_gzip = true };
    return http_client_send(client, &call, answer, NULL);
}

static const char plain[] = "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\n"
                            "jobs_total 25\n# HELP level_celsius Heat.\n"
                            "# TYPE level_celsius gauge\nlevel_celsius 3\n";

static void a_scrape_gets_what_it_asks_for(void)
{
    static const struct {
        const char *path;
        const char *accept;
        const char *type;
        const char *want;
    } rows[] = {
        { "/metrics", "", "text/plain; version=0.0.4; charset=utf-8", plain },
        { "/metrics", "application/openmetrics-text;version=1.0.0",
          "application/openmetrics-text; version=1.0.0; charset=utf-8",
          "# TYPE jobs counter\n# HELP jobs Jobs done.\njobs_total 25\n"
          "# TYPE level_celsius gauge\n# HELP level_celsius Heat.\nlevel_celsius 3\n# EOF\n" },
        { "/metrics?name[]=jobs_total", "", "text/plain; version=0.0.4; charset=utf-8",
          "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\njobs_total 25\n" },
        { "/metrics?x=1&name%5B%5D=level%5fcelsius&name[]=none", "",
          "text/plain; version=0.0.4; charset=utf-8",
          "# HELP level_celsius Heat.\n# TYPE level_celsius gauge\nlevel_celsius 3\n" },
    };
    REQUIRE(start(&(struct pm_exposer_options){ 0 }));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_field accept = { STR("Accept"), str_from(rows[i].accept) };
        CLEANUP(http_answer_release) struct http_answer answer = { 0 };
        test_context(rows[i].path);
        EXPECT_INT(0, get(rows[i].path, &accept, 1, HTTP_GET, &answer));
        EXPECT_INT(200, answer.status);
        EXPECT_STR(rows[i].type, http_answer_header(&answer, "Content-Type"));
        EXPECT_STR(rows[i].want, buf_str(&answer.body));
    }
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    EXPECT_INT(0, get("/metrics", NULL, 0, HTTP_HEAD, &answer));
    EXPECT_INT(200, answer.status);
    EXPECT_INT(0, (int64_t)answer.body.size);
    EXPECT_INT(0, get("/metrics", NULL, 0, HTTP_DELETE, &answer));
    EXPECT_INT(405, answer.status);
    EXPECT(str_find(http_answer_header(&answer, "Allow"), STR("GET")) != STR_NONE);
    EXPECT_INT(0, get("/other", NULL, 0, HTTP_GET, &answer));
    EXPECT_INT(404, answer.status);
    EXPECT_INT(0, get("/metrics?name[]=%4", NULL, 0, HTTP_GET, &answer));
    EXPECT_INT(400, answer.status);
    stop();
}

static void bodies_are_packed_as_the_scraper_likes(void)
{
    static const struct {
        const char *accept;
        const char *coding;
    } rows[] = {
        { "gzip", "gzip" },
        { "gzip, zstd", "zstd" },
        { "gzip;q=1, zstd;q=0.5", "gzip" },
        { "zstd;q=0, gzip", "gzip" },
        { "identity", "" },
        { "br, deflate", "" },
        { "*", "zstd" },
        { "gzip;q=0.001, *;q=0", "gzip" },
    };
    REQUIRE(start(&(struct pm_exposer_options){ 0 }));
    struct pm_counter *family = pm_counter_new(registry, "by_total", "By.", "n");
    for (int i = 0; i < 500; i++) {
        char value[16];
        (void)snprintf(value, sizeof(value), "%d", i);
        pm_inc(pm_counter_with(family, value));
    }
    size_t size = 0;
    char *want = pm_render_text(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, &size);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_field accept = { STR("Accept-Encoding"), str_from(rows[i].accept) };
        CLEANUP(http_answer_release) struct http_answer answer = { 0 };
        CLEANUP(buf_release) struct buf body;
        buf_init(&body, 1 << 20);
        test_context(rows[i].accept);
        EXPECT_INT(0, get("/metrics", &accept, 1, HTTP_GET, &answer));
        struct str coding = http_answer_header(&answer, "Content-Encoding");
        EXPECT_STR(rows[i].coding, coding.data == NULL ? STR("") : coding);
        EXPECT(rows[i].coding[0] == '\0' || answer.received_size < size / 4);
        if (str_equal(coding, STR("zstd"))) {
            EXPECT_INT(0, zstd_unpack(buf_str(&answer.body), &body, NULL));
        } else if (str_equal(coding, STR("gzip")) && answer.body.size < size) {
            EXPECT_INT(0, gzip_unpack(buf_str(&answer.body), &body, NULL));
        } else {
            buf_append_str(&body, buf_str(&answer.body));
        }
        EXPECT(str_equal(buf_str(&body), (struct str){ want, size }));
    }
    free(want);
    stop();
}

static void collect_slowly(struct pm_emit *emit, void *arg)
{
    (void)arg;
    nap_ms(300);
    for (int i = 0; i < 3000; i++) {
        char value[16];
        (void)snprintf(value, sizeof(value), "%d", i);
        if (i == 0) pm_emit_family(emit, PM_GAUGE, "slow", "Slow.");
        pm_emit_value(emit, i, "much_text_so_that_pieces_are_written", value);
    }
}

static void *scrape_slowly(void *arg)
{
    struct http_answer *answer = arg;
    (void)get("/metrics", NULL, 0, HTTP_GET, answer);
    return NULL;
}

static void scrapes_are_bounded_in_number_and_time(void)
{
    REQUIRE(start(&(struct pm_exposer_options){ .scrape_max = 1 }));
    EXPECT_INT(0, pm_register_collector(registry, collect_slowly, NULL, NULL));
    struct http_field timeout = { STR("X-Prometheus-Scrape-Timeout-Seconds"), STR("0.1") };
    CLEANUP(http_answer_release) struct http_answer late = { 0 };
    EXPECT_INT(0, get("/metrics", &timeout, 1, HTTP_GET, &late));
    EXPECT_INT(503, late.status);
    EXPECT(str_find(buf_str(&late.body), STR("100 ms")) != STR_NONE);

    CLEANUP(http_answer_release) struct http_answer first = { 0 };
    CLEANUP(http_answer_release) struct http_answer second = { 0 };
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, scrape_slowly, &first) == 0);
    nap_ms(100);
    EXPECT_INT(0, get("/metrics", NULL, 0, HTTP_GET, &second));
    (void)pthread_join(thread, NULL);
    EXPECT_INT(200, first.status);
    EXPECT_INT(503, second.status);
    EXPECT_STR("1", http_answer_header(&second, "Retry-After"));
    stop();
}

static void what_cannot_listen_says_why(void)
{
    struct pm_error error = { 0 };
    struct pm_exposer *none = NULL;
    REQUIRE(start(&(struct pm_exposer_options){ .path = "/m" }));
    char address[64];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", pm_exposer_port(exposer));
    struct pm_exposer_options options = { .listen = address };
    EXPECT_INT(PM_ERROR_SYSTEM, pm_exposer_start(&none, &options, &error));
    EXPECT(none == NULL && strstr(error.text, address) != NULL);
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    EXPECT_INT(0, get("/m", NULL, 0, HTTP_GET, &answer));
    EXPECT_INT(200, answer.status);
    stop();
}

/* ---- Pushing ---- */

static void groups_become_urls(void)
{
    static const struct pm_label plain_labels[] = { { "instance", "a b" }, { "zone", "x" } };
    static const struct pm_label odd_labels[] = { { "path", "/var/tmp" }, { "empty", "" } };
    static const struct pm_label bad_label = { "job", "x" };
    struct pm_error error;
    char url[256];
    struct pm_push push = { .url = "http://gw:9091/", .job = "j\xc3\xbc" };
    EXPECT(pm_push_url(&push, url, sizeof(url), &error) > 0);
    EXPECT_STR("http://gw:9091/metrics/job/j%C3%BC", str_from(url));
    push = (struct pm_push){
        .url = "http://gw:9091/x", .job = "a/b", .grouping = plain_labels, .grouping_count = 2
    };
    EXPECT(pm_push_url(&push, url, sizeof(url), &error) > 0);
    EXPECT_STR("http://gw:9091/x/metrics/job@base64/YS9i/instance/a%20b/zone/x", str_from(url));
    push = (struct pm_push){
        .url = "http://gw:9091", .job = "j", .grouping = odd_labels, .grouping_count = 2
    };
    EXPECT(pm_push_url(&push, url, sizeof(url), &error) > 0);
    EXPECT_STR("http://gw:9091/metrics/job/j/path@base64/L3Zhci90bXA/empty@base64/=",
               str_from(url));
    push.grouping = &bad_label;
    push.grouping_count = 1;
    EXPECT_INT(PM_ERROR_VALUE, pm_push_send(&push, PM_PUSH_PUT, &error));
    push = (struct pm_push){ .url = "http://gw:9091", .job = "" };
    EXPECT_INT(PM_ERROR_VALUE, pm_push_send(&push, PM_PUSH_PUT, &error));
}

struct gateway { /* what came last */
    char method[16];
    char path[256];
    char type[128];
    char body[4096];
    unsigned status;
};

static int keep(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    struct gateway *gateway = context;
    (void)error;
    (void)snprintf(gateway->method, sizeof(gateway->method), "%s",
                   http_method_name(request->method));
    (void)snprintf(gateway->path, sizeof(gateway->path), STR_FMT, STR_ARG(request->raw_path));
    struct str type = http_request_header(request, "Content-Type");
    (void)snprintf(gateway->type, sizeof(gateway->type), STR_FMT, STR_ARG(type));
    (void)snprintf(gateway->body, sizeof(gateway->body), STR_FMT, STR_ARG(request->body));
    http_response_text(response, gateway->status, "no such thing\n");
    return 0;
}

static void pushes_arrive_whole(void)
{
    static const struct http_route routes[] = {
        { HTTP_PUT | HTTP_POST | HTTP_DELETE, "/metrics/*rest", keep, "push", 0, 0 },
    };
    static const struct pm_label grouping = { "instance", "h" };
    struct gateway gateway = { .status = 202 };
    struct http_server *server = NULL;
    struct http_mount mount = { .routes = routes, .count = 1, .context = &gateway };
    struct pm_error error = { 0 };
    REQUIRE(start(&(struct pm_exposer_options){ 0 }));
    REQUIRE(http_server_new(&server, &(struct http_server_options){ .listen = "127.0.0.1:0" },
                            NULL) == 0);
    REQUIRE(http_server_mount(server, &mount, NULL) == 0 && http_server_start(server, NULL) == 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "%s", http_server_url(server));
    struct pm_push push = { .registry = registry,
                            .url = url,
                            .job = "backup",
                            .grouping = &grouping,
                            .grouping_count = 1 };
    EXPECT_INT(0, pm_push_send(&push, PM_PUSH_PUT, &error));
    test_context(error.text);
    EXPECT_STR("PUT", str_from(gateway.method));
    EXPECT_STR("/metrics/job/backup/instance/h", str_from(gateway.path));
    EXPECT_STR("text/plain; version=0.0.4; charset=utf-8", str_from(gateway.type));
    EXPECT_STR(plain, str_from(gateway.body));
    EXPECT_INT(0, pm_push_send(&push, PM_PUSH_POST, &error));
    EXPECT_STR("POST", str_from(gateway.method));
    EXPECT_INT(0, pm_push_send(&push, PM_PUSH_DELETE, &error));
    EXPECT_STR("DELETE", str_from(gateway.method));
    EXPECT_STR("", str_from(gateway.body));
    gateway.status = 400;
    EXPECT_INT(PM_ERROR_SYSTEM, pm_push_send(&push, PM_PUSH_PUT, &error));
    EXPECT(strstr(error.text, "status 400, no such thing") != NULL);
    http_server_free(server);
    EXPECT_INT(PM_ERROR_SYSTEM, pm_push_send(&push, PM_PUSH_PUT, &error));
    EXPECT(strstr(error.text, url) != NULL);
    stop();
}

/* ---- Textfiles ---- */

static char folder[64];
static atomic_int writes_left;

static void *write_often(void *arg)
{
    (void)arg;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/app.prom", folder);
    while (atomic_load(&writes_left) > 0) {
        if (pm_write_textfile(registry, path, NULL) < 0) return NULL;
        atomic_fetch_sub(&writes_left, 1);
    }
    return NULL;
}

static void textfiles_are_whole_at_every_moment(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/barograph-textfile-%ld", (long)getpid());
    REQUIRE(mkdir(folder, 0700) == 0);
    REQUIRE(start(&(struct pm_exposer_options){ 0 }));
    char path[128];
    struct pm_error error = { 0 };
    (void)snprintf(path, sizeof(path), "%s/app.prom", folder);
    EXPECT_INT(0, pm_write_textfile(registry, path, &error));
    pthread_t thread;
    atomic_store(&writes_left, 40);
    REQUIRE(pthread_create(&thread, NULL, write_often, NULL) == 0);
    int reads = 0;
    for (; atomic_load(&writes_left) > 0 && reads < 100000; reads++) {
        char text[1024] = "";
        int fd = open(path, O_RDONLY);
        EXPECT(fd >= 0);
        ssize_t size = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        EXPECT(size > 0 && strcmp(text, plain) == 0);
        nap_ms(1);
    }
    (void)pthread_join(thread, NULL);
    EXPECT(atomic_load(&writes_left) == 0 && reads > 0);
    struct stat status;
    EXPECT(stat(path, &status) == 0 && (status.st_mode & 0777) == 0644);
    EXPECT_INT(PM_ERROR_SYSTEM, pm_write_textfile(registry, "/nowhere/at/all.prom", &error));
    EXPECT(strstr(error.text, "/nowhere/at/all.prom") != NULL);
    (void)unlink(path);
    EXPECT_INT(0, rmdir(folder)); /* nothing was left beside it */
    stop();
}

/* ---- The real ones, where they are installed ---- */

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct pm_exposer *one = NULL;
    struct pm_exposer_options options = { .registry = registry };
    if (pm_exposer_start(&one, &options, NULL) < 0) return 0;
    unsigned port = pm_exposer_port(one);
    pm_exposer_stop(one);
    return port;
}

/* Starts the program and waits until its page answers. */
static pid_t start_program(char *const *argv, const char *url)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    for (int i = 0; i < 200; i++) {
        CLEANUP(http_answer_release) struct http_answer answer = { 0 };
        struct http_call call = { .url = str_from(url), .timeout_ms = 2000 };
        if (http_client_send(client, &call, &answer, NULL) == 0 && answer.status == 200) break;
        nap_ms(50);
    }
    return pid;
}

static void stop_program(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
}

/* Whether the page has the line; or, with is_absent, has it not. */
static void expect_line(const char *url, const char *line, bool is_absent)
{
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct http_call call = { .url = str_from(url) };
    test_context(line);
    EXPECT_INT(0, http_client_send(client, &call, &answer, NULL));
    bool is_there = str_find(buf_str(&answer.body), str_from(line)) != STR_NONE;
    EXPECT(is_there == !is_absent);
}

static void debians_pushgateway_takes_it(void)
{
    static const struct pm_label grouping[] = { { "path", "/var/tmp" }, { "instance", "a b" } };
    static char program[] = "/usr/bin/prometheus-pushgateway";
    if (access(program, X_OK) != 0) SKIP("no prometheus-pushgateway on this machine");
    REQUIRE(start(&(struct pm_exposer_options){ 0 }));
    char url[64];
    char page[80];
    char listen[80];
    unsigned port = free_port();
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    (void)snprintf(page, sizeof(page), "%s/metrics", url);
    (void)snprintf(listen, sizeof(listen), "--web.listen-address=127.0.0.1:%u", port);
    char *const argv[] = { program, listen, NULL };
    pid_t pid = start_program(argv, page);
    struct pm_error error = { 0 };
    struct pm_push push = {
        .registry = registry, .url = url, .job = "backup", .grouping = grouping, .grouping_count = 2
    };
    static const char line[] =
        "\njobs_total{instance=\"a b\",job=\"backup\",path=\"/var/tmp\"} 25\n";
    EXPECT_INT(0, pm_push_send(&push, PM_PUSH_PUT, &error));
    test_context(error.text);
    expect_line(page, line, false);
    pm_inc(pm_counter_new(registry, "jobs_total", "Jobs done."));
    EXPECT_INT(0, pm_push_send(&push, PM_PUSH_POST, &error));
    expect_line(page, line, true);
    EXPECT_INT(0, pm_push_send(&push, PM_PUSH_DELETE, &error));
    expect_line(page, "\njobs_total{", true);
    push.format.kind = PM_PROTOBUF;
    EXPECT_INT(0, pm_push_send(&push, PM_PUSH_PUT, &error));
    test_context(error.text);
    expect_line(page, "\njobs_total{instance=\"a b\",job=\"backup\",path=\"/var/tmp\"} 26\n",
                false);
    stop_program(pid);
    stop();
}

static void debians_node_exporter_reads_the_file(void)
{
    static char program[] = "/usr/bin/prometheus-node-exporter";
    if (access(program, X_OK) != 0) SKIP("no prometheus-node-exporter on this machine");
    (void)snprintf(folder, sizeof(folder), "/tmp/barograph-textfile-%ld", (long)getpid());
    REQUIRE(mkdir(folder, 0755) == 0);
    REQUIRE(start(&(struct pm_exposer_options){ 0 }));
    char path[128];
    char page[80];
    char listen[80];
    char directory[128];
    unsigned port = free_port();
    (void)snprintf(path, sizeof(path), "%s/app.prom", folder);
    (void)snprintf(page, sizeof(page), "http://127.0.0.1:%u/metrics", port);
    (void)snprintf(listen, sizeof(listen), "--web.listen-address=127.0.0.1:%u", port);
    (void)snprintf(directory, sizeof(directory), "--collector.textfile.directory=%s", folder);
    char defaults[] = "--collector.disable-defaults";
    char textfile[] = "--collector.textfile";
    EXPECT_INT(0, pm_write_textfile(registry, path, NULL));
    char *const argv[] = { program, listen, defaults, textfile, directory, NULL };
    pid_t pid = start_program(argv, page);
    expect_line(page, "\njobs_total 25\n", false);
    expect_line(page, "\nnode_textfile_scrape_error 0\n", false);
    stop_program(pid);
    (void)unlink(path);
    EXPECT_INT(0, rmdir(folder));
    stop();
}

/* ---- Comparing ---- */

static void comparison_names_the_first_difference(void)
{
    static const char *const names[] = { "jobs_total", NULL };
    struct pm_error error = { 0 };
    REQUIRE(start(&(struct pm_exposer_options){ 0 }));
    EXPECT_INT(0, pm_compare(registry, plain, NULL, &error));
    EXPECT_INT(0, pm_compare(registry,
                             "\n  level_celsius 3\n# TYPE jobs_total counter\n"
                             "  # TYPE level_celsius gauge\n\njobs_total 25",
                             NULL, &error));
    EXPECT_INT(0,
               pm_compare(registry, "# TYPE jobs_total counter\njobs_total 25\n", names, &error));
    EXPECT_INT(PM_ERROR_VALUE,
               pm_compare(registry, "# TYPE jobs_total counter\njobs_total 26\n", names, &error));
    EXPECT_STR("not wanted: jobs_total 25", str_from(error.text));
    EXPECT_INT(
        PM_ERROR_VALUE,
        pm_compare(registry, "# TYPE jobs_total counter\njobs_total 25\nmore 1\n", names, &error));
    EXPECT_STR("not shown: more 1", str_from(error.text));
    stop();
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_scrape_gets_what_it_asks_for),
        TEST(bodies_are_packed_as_the_scraper_likes),
        TEST(scrapes_are_bounded_in_number_and_time),
        TEST(what_cannot_listen_says_why),
        TEST(groups_become_urls),
        TEST(pushes_arrive_whole),
        TEST(textfiles_are_whole_at_every_moment),
        TEST(debians_pushgateway_takes_it),
        TEST(debians_node_exporter_reads_the_file),
        TEST(comparison_names_the_first_difference),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
