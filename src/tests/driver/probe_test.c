/* probe_test.c
 *
 * Goal:   a probe tells what happened, and a broken driver.yml names its place.
 * Method: one server that answers well, badly, late or elsewhere; each probe's first result is
 *         waited for and its lines looked up. Configurations in a table.
 */
#include "base/file.h"
#include "driver/config.h"
#include "driver/probe.h"
#include "http/server.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct http_server *server;

static int good(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    buf_append_cstr(&response->body, "hello");
    return 0;
}

static int bad(void *context, struct http_request *request, struct http_response *response,
               struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    http_response_text(response, 500, "no\n");
    return 0;
}

static int late(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)usleep(600000);
    return good(context, request, response, error);
}

static int elsewhere(void *context, struct http_request *request, struct http_response *response,
                     struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    http_response_redirect(response, 302, STR("/good"));
    return 0;
}

static const struct http_route routes[] = {
    { HTTP_GET, "/good", good, NULL, 0, 0 },
    { HTTP_GET, "/bad", bad, NULL, 0, 0 },
    { HTTP_GET, "/late", late, NULL, 0, 0 },
    { HTTP_GET, "/elsewhere", elsewhere, NULL, 0, 0 },
};

/* The value of a metric of a probe; -1 when it is not there. */
static double value_of(const char *text, const char *metric, const char *probe)
{
    char wanted[128];
    (void)snprintf(wanted, sizeof(wanted), "probe=\"%s\"", probe);
    struct str rest = str_from(text);
    while (rest.size > 0) {
        struct str line = str_cut(&rest, '\n');
        if (!str_starts_with(line, str_from(metric))) continue;
        if (line.data[strlen(metric)] != '{' || str_find(line, str_from(wanted)) == STR_NONE)
            continue;
        return strtod(line.data + str_find(line, STR("} ")) + 2, NULL);
    }
    return -1;
}

static void probes_tell_what_happened(void)
{
    static const struct {
        const char *name, *path;
        enum probe_kind kind;
        int success, status, redirects;
    } rows[] = {
        { "good", "/good", PROBE_HTTP, 1, 200, 0 },
        { "bad", "/bad", PROBE_HTTP, 0, 500, 0 },
        { "late", "/late", PROBE_HTTP, 0, 0, 0 },
        { "elsewhere", "/elsewhere", PROBE_HTTP, 1, 200, 1 },
        { "missing", "/missing", PROBE_HTTP, 0, 404, 0 },
        { "closed", NULL, PROBE_HTTP, 0, 0, 0 },
        { "port", "", PROBE_TCP, 1, -1, -1 },
        { "closed port", NULL, PROBE_TCP, 0, -1, -1 },
    };
    struct probe_target targets[ARRAY_LENGTH(rows)];
    char addresses[ARRAY_LENGTH(rows)][128];
    unsigned port = http_server_port(server);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)snprintf(addresses[i], sizeof(addresses[i]), "%s127.0.0.1:%u%s",
                       rows[i].kind == PROBE_HTTP ? "http://" : "", rows[i].path == NULL ? 1 : port,
                       rows[i].path == NULL ? "" : rows[i].path);
        targets[i] = (struct probe_target){ rows[i].name, addresses[i], rows[i].kind, 10000, 300 };
    }
    struct probe_setup setup = { .targets = targets,
                                 .target_count = ARRAY_LENGTH(rows),
                                 .clock = &clock_system };
    struct error error = { 0 };
    struct pm_error cause = { 0 };
    CLEANUP(probe_set_cleanup) struct probe_set *set = NULL;
    struct pm_registry *registry = NULL;
    REQUIRE(pm_registry_new(&registry, &cause) == 0);
    REQUIRE(probe_set_start(&set, &setup, &error) == 0);
    REQUIRE(pm_register_collector(registry, probe_collect, set, &cause) == 0);
    char *text = NULL;
    for (int turn = 0; turn < 300; turn++) {
        size_t size;
        free(text);
        text = pm_render_text(registry, pm_negotiate("text/plain"), &size);
        REQUIRE(text != NULL);
        size_t there = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
            there += value_of(text, "probe_success", rows[i].name) >= 0;
        }
        if (there == ARRAY_LENGTH(rows)) break;
        (void)usleep(20000);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].name);
        EXPECT_INT(rows[i].success, (int64_t)value_of(text, "probe_success", rows[i].name));
        EXPECT_INT(rows[i].status, (int64_t)value_of(text, "probe_http_status_code", rows[i].name));
        EXPECT_INT(rows[i].redirects,
                   (int64_t)value_of(text, "probe_http_redirects", rows[i].name));
        double duration_s = value_of(text, "probe_duration_seconds", rows[i].name);
        EXPECT(duration_s > 0 && duration_s < 5);
    }
    test_context("body");
    EXPECT_INT(5, (int64_t)value_of(text, "probe_http_uncompressed_body_length", "good"));
    EXPECT_INT(5, (int64_t)value_of(text, "probe_http_content_length", "good"));
    EXPECT_INT(4, (int64_t)value_of(text, "probe_ip_protocol", "port"));
    free(text);
    pm_registry_free(registry);
}

static void configurations_name_their_place(void)
{
    static const struct {
        const char *text;
        const char *want; /* behind the path; NULL: it is good */
    } rows[] = {
        { "", NULL },
        { "probes:\n  targets:\n  - {name: a, kind: tcp, address: 'h:25'}\n", NULL },
        { "probe:\n", ":1:1: field 'probe' is not known" },
        { "probes:\n  every: 5s\n", ":2:10: field 'every'" },
        { "probes:\n  interval: soon\n", ":2:13: expected a duration" },
        { "probes:\n  targets:\n  - {kind: http, url: 'http://h/'}\n",
          ":3:5: a target needs a name" },
        { "probes:\n  targets:\n  - {name: a, kind: udp}\n", ":3:21: kind is 'http' or 'tcp'" },
        { "probes:\n  targets:\n  - {name: a, kind: http, url: 'ftp://h/'}\n", ":3:5: url of" },
        { "probes:\n  targets:\n  - {name: a, kind: tcp, address: h}\n", ":3:5: address of" },
        { "probes:\n  targets:\n  - {name: a, kind: tcp, address: 'h:1', timeout: 20s}\n",
          ":3:5: target 'a': interval" },
        { "probes:\n  targets:\n  - {name: a, kind: tcp, address: 'h:1'}\n"
          "  - {name: a, kind: tcp, address: 'h:2'}\n",
          ":4:5: a second target named 'a'" },
    };
    char path[] = "/tmp/barograph-driver-XXXXXX";
    int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    (void)close(descriptor);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        FILE *file = fopen(path, "w");
        REQUIRE(file != NULL);
        (void)fputs(rows[i].text, file);
        (void)fclose(file);
        struct driver_config config = { 0 };
        struct error error = { 0 };
        int code = driver_config_read(&config, &disk_system, path, &error);
        driver_config_release(&config);
        EXPECT((code == 0) == (rows[i].want == NULL));
        if (rows[i].want == NULL) continue;
        EXPECT(str_starts_with(str_from(error.text), str_from(path)));
        struct str rest = str_skip(str_from(error.text), strlen(path));
        EXPECT_STR(rows[i].want, str_first(rest, strlen(rows[i].want)));
    }
    (void)unlink(path);
}

int main(void)
{
    static const struct test tests[] = { TEST(probes_tell_what_happened),
                                         TEST(configurations_name_their_place) };
    struct error error = { 0 };
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
    return status;
}
