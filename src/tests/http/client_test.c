/* client_test.c
 *
 * Goal:   every way in which a peer can fail is told apart, within its limits, and what a probe
 *         wants to know is there afterwards.
 * Method: our server for good answers; small servers of fixed bytes for bad ones, one row each.
 */
#include "http/client.h"

#include "base/clock.h"
#include "base/thread.h"
#include "tests/http/wire.h"
#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int hello(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)error;
    buf_printf(&response->body, "%s " STR_FMT " " STR_FMT " ", http_method_name(request->method),
               STR_ARG(request->host), STR_ARG(http_request_header(request, "Authorization")));
    buf_append_str(&response->body, request->body);
    return 0;
}

static int large(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    for (int i = 0; i < 10000; i++) buf_append_cstr(&response->body, "0123456789");
    return 0;
}

static int loop(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    http_response_redirect(response, 302, STR("/loop"));
    return 0;
}

static int once(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    http_response_redirect(response, 302, STR("/hello"));
    return 0;
}

static const struct http_route routes[] = {
    { HTTP_GET | HTTP_POST | HTTP_PUT, "/hello", hello, .flags = 0 },
    { HTTP_GET, "/large", large, .flags = 0 },
    { HTTP_GET, "/loop", loop, .flags = 0 },
    { HTTP_GET, "/once", once, .flags = 0 },
};

static struct http_server *server;
static struct http_client *client;
static struct http_resolve *resolve;
static char url[128];

static bool start(void)
{
    static const char *const names[] = { "driver-container" };
    struct http_server_options options = { .names = names, .name_count = 1 };
    struct http_mount mount = { .routes = routes, .count = ARRAY_LENGTH(routes) };
    return http_server_new(&server, &options, NULL) == 0 &&
           http_server_mount(server, &mount, NULL) == 0 && http_server_start(server, NULL) == 0 &&
           http_resolve_new(&resolve, NULL) == 0 &&
           http_resolve_add(resolve, STR("driver-container=127.0.0.1"), NULL) == 0 &&
           http_client_new(&client, &(struct http_client_options){ .resolve = resolve }, NULL) == 0;
}

static void stop(void)
{
    http_client_free(client);
    http_resolve_free(resolve);
    http_server_free(server);
}

static struct str at(const char *host, uint16_t port, const char *path)
{
    (void)snprintf(url, sizeof(url), "http://%s:%u%s", host, port, path);
    return str_from(url);
}

static void good_answers(void)
{
    REQUIRE(start());
    uint16_t port = http_server_port(server);
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct error error = { 0 };

    struct http_call call = { .url = at("driver-container", port, "/hello") };
    REQUIRE(http_client_send(client, &call, &answer, &error) == 0);
    EXPECT_INT(200, answer.status);
    EXPECT(str_starts_with(buf_str(&answer.body), STR("GET driver-container:")));
    EXPECT(!answer.was_kept);
    EXPECT_STR("text/plain; charset=utf-8", http_answer_header(&answer, "content-type"));
    EXPECT_STR("127.0.0.1", str_from(answer.address));
    EXPECT_INT(11, answer.version);
    EXPECT(answer.timings.total_ns > 0 && answer.timings.processing_ns > 0);

    REQUIRE(http_client_send(client, &call, &answer, &error) == 0);
    EXPECT(answer.was_kept);
    call.wants_fresh = true;
    REQUIRE(http_client_send(client, &call, &answer, &error) == 0);
    EXPECT(!answer.was_kept);

    struct http_field fields[] = { { STR("Host"), STR("localhost") } };
    struct http_call post = { .url = at("127.0.0.1", port, "/hello"),
                              .body = STR("a\0b"),
                              .headers = fields,
                              .header_count = 1,
                              .basic_user = STR("me"),
                              .basic_password = STR("secret") };
    REQUIRE(http_client_send(client, &post, &answer, &error) == 0);
    EXPECT(str_equal(buf_str(&answer.body), STR("POST localhost Basic bWU6c2VjcmV0 a\0b")));
    post.method = HTTP_PUT;
    post.basic_user = post.basic_password = (struct str){ NULL, 0 };
    post.bearer = STR("token");
    REQUIRE(http_client_send(client, &post, &answer, &error) == 0);
    EXPECT(str_equal(buf_str(&answer.body), STR("PUT localhost Bearer token a\0b")));

    struct http_call big = { .url = at("127.0.0.1", port, "/large") };
    REQUIRE(http_client_send(client, &big, &answer, &error) == 0);
    EXPECT_INT(100000, (int64_t)answer.body.size);
    EXPECT(answer.received_size < 5000);
    EXPECT_STR("gzip", http_answer_header(&answer, "Content-Encoding"));
    big.method = HTTP_HEAD;
    REQUIRE(http_client_send(client, &big, &answer, &error) == 0);
    EXPECT_INT(0, (int64_t)answer.body.size);

    struct http_call moved = { .url = at("127.0.0.1", port, "/once"), .redirect_max = 2 };
    REQUIRE(http_client_send(client, &moved, &answer, &error) == 0);
    EXPECT_INT(200, answer.status);
    EXPECT_INT(1, answer.redirect_count);
    EXPECT(str_ends_with(str_from(answer.url), STR("/hello")));
    moved.redirect_max = 0;
    REQUIRE(http_client_send(client, &moved, &answer, &error) == 0);
    EXPECT_INT(302, answer.status);
    stop();
}

static void failures_of_the_call(void)
{
    REQUIRE(start());
    uint16_t port = http_server_port(server);
    char refused[64];
    int fd = wire_connect(port);
    (void)close(fd);
    struct wire_peer gone = { .answer = STR("") };
    REQUIRE(wire_peer_start(&gone));
    wire_peer_stop(&gone);
    (void)snprintf(refused, sizeof(refused), "http://127.0.0.1:%u/", gone.port);
    char limited[64];
    char looping[64];
    (void)snprintf(limited, sizeof(limited), "http://127.0.0.1:%u/large", port);
    (void)snprintf(looping, sizeof(looping), "http://127.0.0.1:%u/loop", port);
    char plain[64];
    (void)snprintf(plain, sizeof(plain), "https://127.0.0.1:%u/", port);

    const struct {
        const char *url;
        enum http_failure failure;
        int code;
    } rows[] = {
        { refused, HTTP_FAILURE_CONNECT, -ECONNREFUSED },
        { "http://no-such-name.invalid/", HTTP_FAILURE_RESOLVE, -EHOSTUNREACH },
        { limited, HTTP_FAILURE_LIMIT, ERROR_LIMIT },
        { looping, HTTP_FAILURE_REDIRECT, -ELOOP },
        { "ftp://127.0.0.1/", HTTP_FAILURE_CALL, ERROR_INVALID },
        { "file:///etc/passwd", HTTP_FAILURE_CALL, ERROR_INVALID },
        { "http://me:secret@127.0.0.1/", HTTP_FAILURE_CALL, ERROR_INVALID },
        { "", HTTP_FAILURE_CALL, ERROR_INVALID },
        { plain, HTTP_FAILURE_TLS, -EPROTO },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].url);
        CLEANUP(http_answer_release) struct http_answer answer = { 0 };
        struct error error = { 0 };
        struct http_call call = { .url = str_from(rows[i].url),
                                  .redirect_max = 5,
                                  .body_size_max = 50000,
                                  .timeout_ms = 5000 };
        EXPECT_INT(rows[i].code, http_client_send(client, &call, &answer, &error));
        EXPECT_STR(http_failure_name(rows[i].failure), str_from(http_failure_name(answer.failure)));
        EXPECT(error.text[0] != '\0');
    }
    stop();
}

static void failures_of_the_peer(void)
{
    static const struct {
        const char *name;
        struct wire_peer peer;
        enum http_failure failure;
        int code;
    } rows[] = {
        { "garbage",
          { .answer = STR_INIT("\x16\x03\x01 what is this\r\n\r\n") },
          HTTP_FAILURE_PROTOCOL,
          -EPROTO },
        { "nothing", { .answer = STR_INIT("") }, HTTP_FAILURE_RESET, -ECONNRESET },
        { "reset",
          { .answer = STR_INIT("HTTP/1.1 200 OK\r\n"), .is_reset = true },
          HTTP_FAILURE_RESET,
          -ECONNRESET },
        { "cut short",
          { .answer = STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc") },
          HTTP_FAILURE_RESET,
          -ECONNRESET },
        { "silent", { .is_silent = true }, HTTP_FAILURE_TIMEOUT, ERROR_TIMEOUT },
        { "slow",
          { .answer = STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabcdefghijklmnopq"),
            .pause_ms = 50,
            .step_size = 1 },
          HTTP_FAILURE_TIMEOUT,
          ERROR_TIMEOUT },
        { "bad packing",
          { .answer = STR_INIT(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde") },
          HTTP_FAILURE_PROTOCOL,
          -EPROTO },
        { "bad chunk",
          { .answer = STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") },
          HTTP_FAILURE_RESET,
          -ECONNRESET },
        { "leaves http",
          { .answer = STR_INIT("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
                               "Content-Length: 0\r\n\r\n") },
          HTTP_FAILURE_PROTOCOL,
          -EPROTO },
    };
    REQUIRE(start());
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].name);
        struct wire_peer peer = rows[i].peer;
        REQUIRE(wire_peer_start(&peer));
        CLEANUP(http_answer_release) struct http_answer answer = { 0 };
        struct error error = { 0 };
        struct http_call call = { .url = at("127.0.0.1", peer.port, "/"),
                                  .timeout_ms = 500,
                                  .redirect_max = 3,
                                  .wants_fresh = true };
        int64_t start_ms = clock_monotonic_ms(&clock_system);
        EXPECT_INT(rows[i].code, http_client_send(client, &call, &answer, &error));
        EXPECT_STR(http_failure_name(rows[i].failure), str_from(http_failure_name(answer.failure)));
        EXPECT(clock_monotonic_ms(&clock_system) - start_ms < 2000);
        wire_peer_stop(&peer);
    }
    stop();
}

static void *cancel_soon(void *argument)
{
    clock_wait_ms(&clock_system, 100);
    http_client_cancel(argument);
    return NULL;
}

static void cancel_ends_a_running_call(void)
{
    REQUIRE(start());
    struct wire_peer peer = { .is_silent = true };
    REQUIRE(wire_peer_start(&peer));
    pthread_t thread;
    REQUIRE(thread_start(&thread, "cancel", cancel_soon, client, NULL) == 0);
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct error error = { 0 };
    struct http_call call = { .url = at("127.0.0.1", peer.port, "/"), .timeout_ms = 20000 };
    int64_t start_ms = clock_monotonic_ms(&clock_system);
    EXPECT_INT(ERROR_CLOSED, http_client_send(client, &call, &answer, &error));
    EXPECT(clock_monotonic_ms(&clock_system) - start_ms < 3000);
    EXPECT_INT(ERROR_CLOSED, http_client_send(client, &call, &answer, &error));
    thread_join(thread);
    wire_peer_stop(&peer);
    stop();
}

static void *ask_often(void *argument)
{
    size_t *good = argument;
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    for (int i = 0; i < 200; i++) {
        struct http_call call = { .url = str_from(url) };
        int code = http_client_send(client, &call, &answer, NULL);
        *good += code == 0 && answer.status == 200;
    }
    return NULL;
}

static void many_threads_share_a_client(void)
{
    REQUIRE(start());
    (void)at("localhost", http_server_port(server), "/hello");
    pthread_t threads[4];
    size_t good[4] = { 0 };
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++) {
        REQUIRE(thread_start(&threads[i], "asker", ask_often, &good[i], NULL) == 0);
    }
    size_t sum = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++) {
        thread_join(threads[i]);
        sum += good[i];
    }
    EXPECT_INT(800, (int64_t)sum);
    struct http_server_counters counters;
    http_server_counters(server, &counters);
    EXPECT(counters.connection_total <= 8);
    stop();
}

static void dial_connects_and_tells_how(void)
{
    REQUIRE(start());
    char target[64];
    (void)snprintf(target, sizeof(target), "driver-container:%u", http_server_port(server));
    struct http_dial dial = { .resolve = resolve, .target = str_from(target), .timeout_ms = 2000 };
    struct http_dial_facts facts;
    struct error error = { 0 };
    int fd = -1;
    REQUIRE(http_dial(&dial, &fd, &facts, &error) == 0);
    EXPECT(facts.is_connected && facts.connect_ns > 0);
    EXPECT_STR("127.0.0.1", str_from(facts.address));
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 10000);
    EXPECT(wire_send(fd, STR("GET /hello HTTP/1.0\r\n\r\n")));
    (void)wire_read(fd, &out, 200);
    EXPECT(str_starts_with(buf_str(&out), STR("HTTP/1.1 200")));
    (void)close(fd);

    fd = -1;
    dial.target = STR("127.0.0.1:1");
    EXPECT_INT(-ECONNREFUSED, http_dial(&dial, &fd, &facts, &error));
    EXPECT(!facts.is_connected);
    dial.target = STR("no-such-name.invalid:80");
    EXPECT_INT(-EHOSTUNREACH, http_dial(&dial, &fd, &facts, &error));
    EXPECT(!facts.is_resolved);
    dial.target = STR("localhost");
    EXPECT_INT(ERROR_PARSE, http_dial(&dial, &fd, &facts, &error));
    EXPECT_INT(-1, fd);
    stop();
}

static void resolve_rules(void)
{
    REQUIRE(start());
    static const char *const bad[] = { "", "a", "=1.2.3.4", "a=", "a=b", "a:1=1.2.3.4", "a=1.2.3" };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        test_context(bad[i]);
        struct error error = { 0 };
        EXPECT_INT(ERROR_PARSE, http_resolve_add(resolve, str_from(bad[i]), &error));
    }
    EXPECT_INT(1, (int64_t)http_resolve_count(resolve));
    EXPECT_INT(0, http_resolve_add(resolve, STR("Driver-Container=[::1]"), NULL));
    EXPECT_INT(1, (int64_t)http_resolve_count(resolve));
    EXPECT_STR("::1", str_from(http_resolve_find(resolve, STR("driver-container"))));
    EXPECT(http_resolve_find(resolve, STR("other")) == NULL);
    stop();
}

int main(void)
{
    static const struct test tests[] = {
        TEST(good_answers),
        TEST(failures_of_the_call),
        TEST(failures_of_the_peer),
        TEST(cancel_ends_a_running_call),
        TEST(many_threads_share_a_client),
        TEST(dial_connects_and_tells_how),
        TEST(resolve_rules),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
