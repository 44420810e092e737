/* server_test.c
 *
 * Goal:   the server answers what it should and refuses what it must, whatever comes over the wire.
 * Method: one server with short limits; raw requests in tables; the answer's beginning and a piece
 *         of it are compared.
 */
#include "http/server.h"

#include "base/clock.h"
#include "http/pack.h"
#include "tests/http/wire.h"
#include "tests/test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct http_server *server;
static uint16_t port;
static struct buf out;

static int hello(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)error;
    buf_printf(&response->body, "%s " STR_FMT "\n", (const char *)context,
               STR_ARG(http_request_path_value(request, "name")));
    return 0;
}

static int echo(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)error;
    buf_append_str(&response->body, request->body);
    return 0;
}

/* Each parameter on a line, in order. */
static int list(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)error;
    for (size_t i = 0; i < request->parameters.count; i++) {
        buf_printf(&response->body, STR_FMT "=" STR_FMT ";",
                   STR_ARG(request->parameters.items[i].name),
                   STR_ARG(request->parameters.items[i].value));
    }
    return 0;
}

static int fail(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)request;
    buf_append_cstr(&response->body, "half an answer");
    return error_set(error, ERROR_LIMIT, "query holds %d series", 7);
}

static int later(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)error;
    buf_append_cstr(&response->body, request->is_on_network_thread ? "fast" : "worker");
    return request->is_on_network_thread ? HTTP_LATER : 0;
}

static int page(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    http_response_static(response, "text/html; charset=utf-8", STR("<p>hello</p>"),
                         STR("packed bytes"), "\"v1\"");
    return 0;
}

static int large(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    for (int i = 0; i < 4000; i++) buf_append_cstr(&response->body, "0123456789");
    return 0;
}

static int slow(void *context, struct http_request *request, struct http_response *response,
                struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    clock_wait_ms(&clock_system, 400);
    buf_append_cstr(&response->body, "slow");
    return 0;
}

enum { ASIDE = 8 };

static atomic_int aside_count; /* handlers that stepped aside and wait for one another */

static int aside(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)error;
    http_request_step_aside(request);
    http_request_step_aside(request); /* once is enough */
    (void)atomic_fetch_add(&aside_count, 1);
    for (int i = 0; i < 1000 && atomic_load(&aside_count) < ASIDE; i++) {
        clock_wait_ms(&clock_system, 10);
    }
    buf_append_cstr(&response->body, atomic_load(&aside_count) == ASIDE ? "together" : "alone");
    return 0;
}

static int split(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    http_response_header(response, "X-Bad", STR("a\r\nSet-Cookie: b"));
    return 0;
}

static int elsewhere(void *context, struct http_request *request, struct http_response *response,
                     struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    http_response_redirect(response, 302, STR("/hello/you"));
    return 0;
}

static const struct http_route routes[] = {
    { HTTP_GET, "/hello/:name", hello, .flags = HTTP_ROUTE_FAST },
    { HTTP_GET | HTTP_POST, "/list", list, .label = "list" },
    { HTTP_POST | HTTP_PUT, "/echo", echo, .flags = 0 },
    { HTTP_POST, "/small", echo, .body_size_max = 10 },
    { HTTP_GET, "/files/*name", hello, .flags = 0 },
    { HTTP_GET, "/fail", fail, .flags = 0 },
    { HTTP_GET, "/later", later, .flags = HTTP_ROUTE_FAST },
    { HTTP_GET, "/page", page, .flags = HTTP_ROUTE_FAST },
    { HTTP_GET, "/large", large, .flags = 0 },
    { HTTP_GET, "/slow", slow, .flags = 0 },
    { HTTP_GET, "/aside", aside, .flags = 0 },
    { HTTP_GET, "/split", split, .flags = 0 },
    { HTTP_GET, "/elsewhere", elsewhere, .flags = 0 },
};

static bool start(const struct http_server_options *options)
{
    struct error error = { 0 };
    struct http_mount mount = { .routes = routes,
                                .count = ARRAY_LENGTH(routes),
                                .context = (void *)(uintptr_t) "hello" };
    if (http_server_new(&server, options, &error) < 0 ||
        http_server_mount(server, &mount, &error) < 0 || http_server_start(server, &error) < 0) {
        (void)fprintf(stderr, "start: %s\n", error.text);
        return false;
    }
    port = http_server_port(server);
    buf_init(&out, (size_t)16 << 20);
    return true;
}

static void stop(void)
{
    http_server_free(server);
    server = NULL;
    buf_release(&out);
}

static const char *const names[] = { "driver-container" };

static const struct http_server_options short_limits = {
    .listen = "127.0.0.1:0",
    .body_size_max = 100000,
    .head_timeout_ms = 400,
    .body_stall_ms = 400,
    .idle_timeout_ms = 1000,
    .names = names,
    .name_count = 1,
    .worker_count = 2,
    .queue_count_max = 2,
};

#define HOST  "Host: localhost\r\n"
#define CLOSE "Connection: close\r\n"

struct row {
    const char *name;
    const char *request;
    const char *status; /* how the answer begins */
    const char *piece;  /* somewhere in it */
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        test_context(rows[i].name);
        struct str answer = wire_ask(port, str_from(rows[i].request), &out);
        EXPECT_STR(rows[i].status, str_first(answer, answer.size < 12 ? answer.size : 12));
        EXPECT(str_find(answer, str_from(rows[i].piece)) != STR_NONE);
    }
}

static void ordinary_requests(void)
{
    static const struct row rows[] = {
        { "path value", "GET /hello/you HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200",
          "hello you\n" },
        { "decoded after the cut", "GET /hello/a%2Fb%20c HTTP/1.1\r\n" HOST CLOSE "\r\n",
          "HTTP/1.1 200", "hello a/b c\n" },
        { "rest of path", "GET /files/a/b/c.txt HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200",
          "hello a/b/c.txt\n" },
        { "no rest", "GET /files HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200", "hello \n" },
        { "absolute target", "GET http://localhost/hello/x HTTP/1.1\r\n" HOST CLOSE "\r\n",
          "HTTP/1.1 200", "hello x\n" },
        { "HTTP/1.0", "GET /hello/old HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "hello old\n" },
        { "date", "GET /hello/you HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200", "Date: " },
        { "sniffing", "GET /hello/you HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200",
          "X-Content-Type-Options: nosniff\r\n" },
        { "query",
          "GET /list?match[]=a&match%5B%5D=b+c&pretty&=x&e= HTTP/1.1\r\n" HOST CLOSE "\r\n",
          "HTTP/1.1 200", "match[]=a;match[]=b c;pretty=;=x;e=;" },
        { "form behind query",
          "POST /list?a=1 HTTP/1.1\r\n" HOST CLOSE
          "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
          "Content-Length: 11\r\n\r\nb=2&c=%7B+%",
          "HTTP/1.1 400", "broken escape" },
        { "form",
          "POST /list?a=1 HTTP/1.1\r\n" HOST CLOSE
          "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
          "Content-Length: 9\r\n\r\nb=2&c=%7B",
          "HTTP/1.1 200", "a=1;b=2;c={;" },
        { "chunks",
          "POST /echo HTTP/1.1\r\n" HOST CLOSE "Transfer-Encoding: chunked\r\n\r\n"
          "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n",
          "HTTP/1.1 200", "\r\n\r\nabcdefg" },
        { "later on a worker", "GET /later HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200",
          "\r\n\r\nworker" },
        { "error of a handler", "GET /fail HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 422",
          "\r\n\r\nquery holds 7 series\n" },
        { "page", "GET /page HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200",
          "Content-Security-Policy: default-src 'none'" },
        { "page packed",
          "GET /page HTTP/1.1\r\n" HOST CLOSE "Accept-Encoding: br, gzip;q=0.5\r\n\r\n",
          "HTTP/1.1 200", "\r\n\r\npacked bytes" },
        { "page not packed",
          "GET /page HTTP/1.1\r\n" HOST CLOSE "Accept-Encoding: gzip;q=0\r\n\r\n", "HTTP/1.1 200",
          "<p>hello" },
        { "page known",
          "GET /page HTTP/1.1\r\n" HOST CLOSE "If-None-Match: \"v0\", W/\"v1\"\r\n\r\n",
          "HTTP/1.1 304", "ETag: \"v1\"" },
        { "large answer packed",
          "GET /large HTTP/1.1\r\n" HOST CLOSE "Accept-Encoding: gzip\r\n\r\n", "HTTP/1.1 200",
          "Content-Encoding: gzip" },
        { "redirect", "GET /elsewhere HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 302",
          "Location: /hello/you\r\n" },
    };
    REQUIRE(start(&short_limits));
    check_rows(rows, ARRAY_LENGTH(rows));
    stop();
}

static const struct row refusal_rows[] = {
    { "unknown path", "GET /nothing HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 404",
      "404 page not found" },
    { "empty name", "GET /hello/ HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 404", "" },
    { "wrong method", "DELETE /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 405",
      "Allow: POST, PUT, OPTIONS\r\n" },
    { "OPTIONS", "OPTIONS /hello/x HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 204",
      "Allow: GET, HEAD, OPTIONS\r\n" },
    { "unknown method", "BREW /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 501", "" },
    { "broken escape", "GET /hello/%zz HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 400", "" },
    { "NUL", "GET /hello/%00 HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 400", "" },
    { "half an escape", "GET /hello/%4 HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 400", "" },
    { "no host", "GET /hello/x HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 400", "" },
    { "two hosts", "GET /hello/x HTTP/1.1\r\n" HOST HOST CLOSE "\r\n", "HTTP/1.1 400", "" },
    { "foreign host", "GET /hello/x HTTP/1.1\r\nHost: evil.example\r\n" CLOSE "\r\n",
      "HTTP/1.1 421", "allowed-host" },
    { "foreign host with port", "GET /hello/x HTTP/1.1\r\nHost: evil.example:9090\r\n\r\n",
      "HTTP/1.1 421", "" },
    { "listed host", "GET /hello/x HTTP/1.1\r\nHost: Driver-Container:8081\r\n" CLOSE "\r\n",
      "HTTP/1.1 200", "hello x" },
    { "IPv6 loopback", "GET /hello/x HTTP/1.1\r\nHost: [::1]:8081\r\n" CLOSE "\r\n", "HTTP/1.1 200",
      "hello x" },
    { "foreign origin",
      "POST /echo HTTP/1.1\r\n" HOST CLOSE
      "Origin: http://evil.example\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 403", "origin" },
    { "null origin",
      "POST /echo HTTP/1.1\r\n" HOST CLOSE "Origin: null\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 403", "origin" },
    { "own origin",
      "POST /echo HTTP/1.1\r\n" HOST CLOSE "Origin: http://localhost\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 200", "\r\n\r\nx" },
    { "other port's origin",
      "POST /echo HTTP/1.1\r\n" HOST CLOSE
      "Origin: http://localhost:3000\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 403", "origin" },
    { "cross-site",
      "POST /echo HTTP/1.1\r\n" HOST CLOSE
      "Sec-Fetch-Site: cross-site\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 403", "other sites" },
    { "both lengths",
      "POST /echo HTTP/1.1\r\n" HOST
      "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 400", "Connection: close" },
    { "two lengths",
      "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "HTTP/1.1 400", "" },
    { "bad length", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3x\r\n\r\nabc", "HTTP/1.1 400",
      "" },
    { "bad chunk", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
      "HTTP/1.1 400", "" },
    { "declared too large",
      "POST /small HTTP/1.1\r\n" HOST CLOSE "Content-Length: 11\r\n\r\n01234567890", "HTTP/1.1 413",
      "larger" },
    { "large, without waiting for it",
      "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\nabc", "HTTP/1.1 413",
      "larger" },
    { "chunks too large",
      "POST /small HTTP/1.1\r\n" HOST CLOSE "Transfer-Encoding: chunked\r\n\r\n"
      "b\r\n01234567890\r\n0\r\n\r\n",
      "HTTP/1.1 413", "larger" },
    { "not gzip",
      "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
      "HTTP/1.1 400", "gzip" },
    { "refused before sending",
      "POST /nothing HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
      "HTTP/1.1 404", "" },
    { "header injection", "GET /split HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 500", "" },
};

static void refusals(void)
{
    REQUIRE(start(&short_limits));
    check_rows(refusal_rows, ARRAY_LENGTH(refusal_rows));

    test_context("oversized header");
    CLEANUP(buf_release) struct buf request;
    buf_init(&request, 1 << 20);
    buf_append_cstr(&request, "GET /hello/x HTTP/1.1\r\n" HOST "X-Long: ");
    for (int i = 0; i < 10000; i++) buf_append_cstr(&request, "0123456789");
    buf_append_cstr(&request, "\r\n\r\n");
    struct str answer = wire_ask(port, buf_str(&request), &out);
    EXPECT(answer.size == 0 || str_starts_with(answer, STR("HTTP/1.1 431")));

    test_context("many headers");
    buf_reset(&request);
    buf_append_cstr(&request, "GET /hello/x HTTP/1.1\r\n" HOST CLOSE);
    for (int i = 0; i < 200; i++) buf_printf(&request, "X-%d: y\r\n", i);
    buf_append_cstr(&request, "\r\n");
    answer = wire_ask(port, buf_str(&request), &out);
    EXPECT(str_starts_with(answer, STR("HTTP/1.1 431")));

    struct http_server_counters counters;
    http_server_counters(server, &counters);
    EXPECT_INT(6, (int64_t)counters.refused_host_total);
    EXPECT_INT(0, (int64_t)counters.in_flight_count);
    stop();
}

static void head_has_length_and_no_body(void)
{
    REQUIRE(start(&short_limits));
    struct str answer = wire_ask(port, STR("HEAD /hello/you HTTP/1.1\r\n" HOST CLOSE "\r\n"), &out);
    EXPECT(str_starts_with(answer, STR("HTTP/1.1 200")));
    EXPECT(str_find(answer, STR("Content-Length: 10\r\n")) != STR_NONE);
    EXPECT(str_ends_with(answer, STR("\r\n\r\n")));
    stop();
}

static void one_connection_carries_many_requests(void)
{
    REQUIRE(start(&short_limits));
    CLEANUP(buf_release) struct buf request;
    buf_init(&request, 1 << 20);
    for (int i = 0; i < 50; i++) {
        buf_printf(&request, "GET /hello/%d HTTP/1.1\r\n" HOST "\r\n", i);
        buf_append_cstr(&request,
                        "GET /later HTTP/1.1\r\n" HOST "\r\n"
                        "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde");
    }
    struct str answer = wire_ask(port, buf_str(&request), &out);
    size_t found = 0;
    for (;;) {
        size_t next = str_find(answer, STR("HTTP/1.1 "));
        if (next == STR_NONE) break;
        found++;
        answer = str_skip(answer, next + 9);
    }
    EXPECT_INT(150, (int64_t)found);
    EXPECT(str_find(buf_str(&out), STR("hello 49\n")) != STR_NONE);
    stop();
}

static void continue_is_said_before_the_body(void)
{
    REQUIRE(start(&short_limits));
    int fd = wire_connect(port);
    REQUIRE(fd >= 0);
    (void)wire_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST CLOSE
                            "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
    EXPECT(!wire_read(fd, &out, 200));
    EXPECT(str_starts_with(buf_str(&out), STR("HTTP/1.1 100")));
    (void)wire_send(fd, STR("abc"));
    EXPECT(wire_read(fd, &out, 1000));
    EXPECT(str_ends_with(buf_str(&out), STR("\r\n\r\nabc")));
    (void)close(fd);
    stop();
}

static void gzip_is_unpacked_up_to_the_limit(void)
{
    REQUIRE(start(&short_limits));
    CLEANUP(buf_release) struct buf plain;
    CLEANUP(buf_release) struct buf packed;
    CLEANUP(buf_release) struct buf request;
    buf_init(&plain, 1 << 26);
    buf_init(&packed, 1 << 26);
    buf_init(&request, 1 << 20);
    static const struct {
        size_t size;
        const char *status;
        bool is_twice; /* two members, the last of which tells of its own size alone */
    } rows[] = { { 100000, "HTTP/1.1 200", false },
                 { 50000, "HTTP/1.1 200", true },
                 { 100001, "HTTP/1.1 413", false },
                 { 50001, "HTTP/1.1 413", true },
                 { 1 << 25, "HTTP/1.1 413", false } };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].status);
        buf_reset(&plain);
        buf_reset(&packed);
        buf_reset(&request);
        while (plain.size < rows[i].size) buf_append_char(&plain, 'a');
        EXPECT(pack_gzip_encode(buf_str(&plain), &packed));
        if (rows[i].is_twice) EXPECT(pack_gzip_encode(buf_str(&plain), &packed));
        buf_printf(&request,
                   "POST /echo HTTP/1.1\r\n" HOST CLOSE
                   "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                   packed.size);
        buf_append_str(&request, buf_str(&packed));
        struct str answer = wire_ask(port, buf_str(&request), &out);
        EXPECT_STR(rows[i].status, str_first(answer, answer.size < 12 ? answer.size : 12));
    }
    stop();
}

/* Large bodies that are on their way at the same time; a small one always gets in. */
static void bodies_share_their_memory(void)
{
    static const char head[] = "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: ";
    struct http_server_options options = short_limits;
    CLEANUP(buf_release) struct buf part;
    CLEANUP(buf_release) struct buf other;
    CLEANUP(buf_release) struct buf small;
    options.bodies_size_max = 150000;
    options.body_stall_ms = 20000;
    REQUIRE(start(&options));
    buf_init(&part, 1 << 20);
    buf_init(&other, 1 << 20);
    buf_init(&small, 1 << 20);
    buf_printf(&part, "%s90000\r\n\r\n", head);
    while (part.size < 80000) buf_append_char(&part, 'p');
    buf_printf(&other, "%s90000\r\n\r\n", head);
    while (other.size < 90000 + sizeof(head) + 8) buf_append_char(&other, 'o');
    buf_printf(&small, "%s60000\r\n\r\n", head);
    while (small.size < 60000 + sizeof(head) + 8) buf_append_char(&small, 's');

    int first = wire_connect(port);
    REQUIRE(first >= 0);
    EXPECT(wire_send(first, buf_str(&part)));
    struct str answer = STR("");
    for (int i = 0; i < 200 && !str_starts_with(answer, STR("HTTP/1.1 429")); i++) {
        usleep(20000); /* until the first has come in */
        answer = wire_ask(port, buf_str(&other), &out);
    }
    EXPECT_STR("HTTP/1.1 429", str_first(answer, answer.size < 12 ? answer.size : 12));
    EXPECT(str_find(answer, STR("Retry-After: 1")) != STR_NONE);
    answer = wire_ask(port, buf_str(&small), &out);
    EXPECT_STR("HTTP/1.1 200", str_first(answer, answer.size < 12 ? answer.size : 12));
    (void)close(first);
    for (int i = 0; i < 200 && !str_starts_with(answer, STR("HTTP/1.1 200")); i++) {
        usleep(20000); /* until the first has gone */
        answer = wire_ask(port, buf_str(&other), &out);
    }
    EXPECT_STR("HTTP/1.1 200", str_first(answer, answer.size < 12 ? answer.size : 12));
    stop();
}

/* Sends `piece` every 100 ms; how many milliseconds until the server hangs up, at most 5000. */
static int64_t drip(struct str begin, struct str piece)
{
    int fd = wire_connect(port);
    if (fd < 0) return -1;
    int64_t start_ms = clock_monotonic_ms(&clock_system);
    (void)wire_send(fd, begin);
    int64_t waited_ms = 0;
    buf_reset(&out);
    while (waited_ms < 5000) {
        (void)wire_send(fd, piece);
        if (wire_read(fd, &out, 100)) break;
        waited_ms = clock_monotonic_ms(&clock_system) - start_ms;
    }
    (void)close(fd);
    return waited_ms;
}

static void slow_peers_are_cut(void)
{
    REQUIRE(start(&short_limits));
    int64_t headers_ms = drip(STR("GET /hello/x HTTP/1.1\r\n"), STR("X-a: b\r\n"));
    EXPECT(headers_ms >= 300 && headers_ms < 1500);
    int64_t silent_ms = drip(STR(""), STR(""));
    EXPECT(silent_ms >= 300 && silent_ms < 1500);
    int64_t body_ms =
        drip(STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n"), STR(""));
    EXPECT(body_ms >= 300 && body_ms < 1500);
    EXPECT(str_starts_with(buf_str(&out), STR("HTTP/1.1 408")));
    int64_t idle_ms = drip(STR("GET /hello/x HTTP/1.1\r\n" HOST "\r\n"), STR(""));
    EXPECT(idle_ms >= 900 && idle_ms < 4000);

    struct http_server_counters counters;
    http_server_counters(server, &counters);
    EXPECT_INT(0, (int64_t)counters.connection_count);
    EXPECT(counters.timeout_total >= 3);
    stop();
}

static void a_full_queue_refuses_and_fast_ones_go_on(void)
{
    REQUIRE(start(&short_limits));
    int fds[8];
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        fds[i] = wire_connect(port);
        (void)wire_send(fds[i], STR("GET /slow HTTP/1.1\r\n" HOST CLOSE "\r\n"));
        clock_wait_ms(&clock_system, 10); /* let each find or start its worker */
    }
    clock_wait_ms(&clock_system, 100);
    int64_t start_ms = clock_monotonic_ms(&clock_system);
    CLEANUP(buf_release) struct buf fast;
    buf_init(&fast, 10000);
    struct str answer = wire_ask(port, STR("GET /hello/x HTTP/1.1\r\n" HOST CLOSE "\r\n"), &fast);
    EXPECT(str_starts_with(answer, STR("HTTP/1.1 200")));
    EXPECT(clock_monotonic_ms(&clock_system) - start_ms < 150);

    size_t served = 0;
    size_t refused = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        buf_reset(&out);
        (void)wire_read(fds[i], &out, 2000);
        served += str_starts_with(buf_str(&out), STR("HTTP/1.1 200"));
        bool is_refused = str_starts_with(buf_str(&out), STR("HTTP/1.1 503"));
        refused += is_refused && str_find(buf_str(&out), STR("Retry-After: 1")) != STR_NONE;
        (void)close(fds[i]);
    }
    EXPECT_INT(4, (int64_t)served); /* two workers, two places */
    EXPECT_INT(4, (int64_t)refused);
    stop();
}

/* Many more than there are workers run at the same time, and a worker is left for others: each
 * waits until all are there, and the last is asked for when another has been answered. */
static void who_steps_aside_holds_up_nobody(void)
{
    struct http_server_options options = short_limits;
    options.queue_count_max = 2 * ASIDE;
    REQUIRE(start(&options));
    int fds[ASIDE];
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        if (i == ARRAY_LENGTH(fds) - 1) {
            struct str request = STR("GET /later HTTP/1.1\r\n" HOST CLOSE "\r\n");
            EXPECT(str_ends_with(wire_ask(port, request, &out), STR("worker")));
        }
        fds[i] = wire_connect(port);
        (void)wire_send(fds[i], STR("GET /aside HTTP/1.1\r\n" HOST CLOSE "\r\n"));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        buf_reset(&out);
        (void)wire_read(fds[i], &out, 20000);
        EXPECT(str_ends_with(buf_str(&out), STR("together")));
        (void)close(fds[i]);
    }
    stop();
}

static void an_unready_server_says_so(void)
{
    REQUIRE(start(&short_limits));
    http_server_set_ready(server, false);
    struct str request = STR("GET /hello/x HTTP/1.1\r\n" HOST CLOSE "\r\n");
    EXPECT(str_starts_with(wire_ask(port, request, &out), STR("HTTP/1.1 503")));
    http_server_set_ready(server, true);
    EXPECT(str_starts_with(wire_ask(port, request, &out), STR("HTTP/1.1 200")));
    stop();
}

static void read_only_prefix_and_user(void)
{
    struct http_server_options options = short_limits;
    options.is_read_only = true;
    options.prefix = "/prom/";
    options.basic_user = "me";
    options.basic_password = "secret";
    static const struct row rows[] = {
        { "no user", "GET /prom/hello/x HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 401",
          "WWW-Authenticate: Basic" },
        { "no user, unknown path", "GET /prom/nothing HTTP/1.1\r\n" HOST CLOSE "\r\n",
          "HTTP/1.1 401", "" },
        { "wrong user",
          "GET /prom/hello/x HTTP/1.1\r\n" HOST CLOSE "Authorization: Basic bWU6c2VjcmVU\r\n\r\n",
          "HTTP/1.1 401", "" },
        { "user",
          "GET /prom/hello/x HTTP/1.1\r\n" HOST CLOSE "Authorization: Basic bWU6c2VjcmV0\r\n\r\n",
          "HTTP/1.1 200", "hello x" },
        { "without prefix",
          "GET /hello/x HTTP/1.1\r\n" HOST CLOSE "Authorization: Basic bWU6c2VjcmV0\r\n\r\n",
          "HTTP/1.1 404", "prefix" },
        { "root", "GET / HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 302", "Location: /prom/\r\n" },
        { "write",
          "POST /prom/echo HTTP/1.1\r\n" HOST CLOSE
          "Authorization: Basic bWU6c2VjcmV0\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 403", "read-only" },
    };
    REQUIRE(start(&options));
    check_rows(rows, ARRAY_LENGTH(rows));
    stop();
}

static void a_port_in_use_names_its_holder(void)
{
    REQUIRE(start(&short_limits));
    char listen[32];
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
    struct error error = { 0 };
    CLEANUP(http_server_cleanup) struct http_server *second = NULL;
    REQUIRE(http_server_new(&second, &(struct http_server_options){ .listen = listen }, &error) ==
            0);
    EXPECT_INT(-EADDRINUSE, http_server_start(second, &error));
    EXPECT(str_find(str_from(error.text), str_from(listen)) != STR_NONE);
    char process[32];
    (void)snprintf(process, sizeof(process), "process %d", (int)getpid());
    EXPECT(str_find(str_from(error.text), str_from(process)) != STR_NONE);
    stop();
}

static void bad_options_are_refused(void)
{
    static const char *const addresses[] = { "",      "example.com:80", "127.0.0.1:99999",
                                             "1:2:3", "127.0.0.1:x",    "[::1" };
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        test_context(addresses[i]);
        struct error error = { 0 };
        struct http_server_options options = { .listen = addresses[i] };
        CLEANUP(http_server_cleanup) struct http_server *bad = NULL;
        int code = http_server_new(&bad, &options, &error);
        if (code == 0) code = http_server_start(bad, &error);
        EXPECT(code < 0 && error.text[0] != '\0');
    }
    static const char *const patterns[] = { "", "x", "/*a/b" };
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
        struct error error = { 0 };
        CLEANUP(http_server_cleanup) struct http_server *one = NULL;
        REQUIRE(http_server_new(&one, &(struct http_server_options){ 0 }, &error) == 0);
        struct http_route bad = { HTTP_GET, patterns[i], hello, .flags = 0 };
        EXPECT_INT(
            ERROR_INVALID,
            http_server_mount(one, &(struct http_mount){ .routes = &bad, .count = 1 }, &error));
    }
}

static void stop_lets_running_requests_end(void)
{
    REQUIRE(start(&short_limits));
    int fd = wire_connect(port);
    (void)wire_send(fd, STR("GET /slow HTTP/1.1\r\n" HOST "\r\n"));
    clock_wait_ms(&clock_system, 50);
    http_server_stop(server, 5000);
    EXPECT(wire_read(fd, &out, 1000));
    EXPECT(str_starts_with(buf_str(&out), STR("HTTP/1.1 200")));
    EXPECT(str_ends_with(buf_str(&out), STR("slow")));
    (void)close(fd);
    EXPECT_INT(-1, wire_connect(port));
    stop();
}

struct tally {
    uint64_t list_200;
    uint64_t unmatched_404;
    uint64_t list_count;
};

static void tally_code(void *argument, const char *label, unsigned status, uint64_t count)
{
    struct tally *tally = argument;
    if (str_equal(str_from(label), STR("list")) && status == 200) tally->list_200 = count;
    if (str_equal(str_from(label), STR("unmatched")) && status == 404) {
        tally->unmatched_404 = count;
    }
}

static void tally_handler(void *argument, const struct http_handler_counters *counters)
{
    struct tally *tally = argument;
    if (str_equal(str_from(counters->label), STR("list"))) {
        tally->list_count = counters->request_count;
    }
}

static void answers_are_counted(void)
{
    REQUIRE(start(&short_limits));
    for (int i = 0; i < 3; i++) {
        (void)wire_ask(port, STR("GET /list HTTP/1.1\r\n" HOST CLOSE "\r\n"), &out);
    }
    (void)wire_ask(port, STR("GET /x HTTP/1.1\r\n" HOST CLOSE "\r\n"), &out);
    struct tally tally = { 0 };
    http_server_visit_codes(server, tally_code, &tally);
    http_server_visit_handlers(server, tally_handler, &tally);
    EXPECT_INT(3, (int64_t)tally.list_200);
    EXPECT_INT(1, (int64_t)tally.unmatched_404);
    EXPECT_INT(3, (int64_t)tally.list_count);
    stop();
}

int main(void)
{
    static const struct test tests[] = {
        TEST(ordinary_requests),
        TEST(refusals),
        TEST(head_has_length_and_no_body),
        TEST(one_connection_carries_many_requests),
        TEST(continue_is_said_before_the_body),
        TEST(gzip_is_unpacked_up_to_the_limit),
        TEST(bodies_share_their_memory),
        TEST(slow_peers_are_cut),
        TEST(a_full_queue_refuses_and_fast_ones_go_on),
        TEST(who_steps_aside_holds_up_nobody),
        TEST(an_unready_server_says_so),
        TEST(read_only_prefix_and_user),
        TEST(a_port_in_use_names_its_holder),
        TEST(bad_options_are_refused),
        TEST(stop_lets_running_requests_end),
        TEST(answers_are_counted),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
