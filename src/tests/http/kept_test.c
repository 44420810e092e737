/* kept_test.c
 *
 * Goal:   a call that goes the short way ends as the same call by libcurl, whatever the peer
 *         answers and in whatever pieces; what is not plain is left to libcurl.
 * Method: a peer answers /first plainly, so that its connection is taken over, then a row's bytes;
 *         the same is asked by libcurl. Status, headers, body, failure and code must be equal, and
 *         the number of requests says which way it went.
 */
#include "http/kept.h"

#include "base/clock.h"
#include "http/pack.h"
#include "tests/http/wire.h"
#include "tests/test.h"

#include <errno.h>
#include <stdio.h>

#define FIRST STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")

static char url[128];

static struct str at(const struct wire_peer *peer, const char *path)
{
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", peer->port, path);
    return str_from(url);
}

/* Asks /first twice, so that a second call that may go the short way does, then `call`. */
static int ask_behind(struct wire_peer *peer, const struct http_call *call,
                      struct http_answer *answer, unsigned *asked, struct error *error)
{
    CLEANUP(http_client_cleanup) struct http_client *client = NULL;
    if (http_client_new(&client, &(struct http_client_options){ 0 }, error) != 0) return -1;
    struct http_call first = { .url = at(peer, "/first"),
                               .needs_no_facts = call->needs_no_facts,
                               .timeout_ms = 2000 };
    for (int i = 0; i < 2; i++) {
        int code = http_client_send(client, &first, answer, error);
        if (code != 0) return code;
        EXPECT_STR("first", buf_str(&answer->body));
        EXPECT(answer->was_kept == (i == 1));
    }
    unsigned before = atomic_load(&peer->asked);
    struct http_call asks = *call;
    asks.url = at(peer, "/");
    int code = http_client_send(client, &asks, answer, error);
    *asked = atomic_load(&peer->asked) - before;
    return code;
}

static void expect_equal(const struct http_answer *want, const struct http_answer *got)
{
    EXPECT_STR(http_failure_name(want->failure), str_from(http_failure_name(got->failure)));
    EXPECT_INT(want->status, got->status);
    if (want->failure != HTTP_FAILURE_NONE) return;
    EXPECT(str_equal(buf_str(&want->body), buf_str(&got->body)));
    EXPECT(got->headers.count <= want->headers.count); /* trailers are libcurl's alone */
    EXPECT_INT(want->version, got->version);
    for (size_t i = 0; i < want->headers.count && i < got->headers.count; i++) {
        EXPECT(str_equal(want->headers.items[i].name, got->headers.items[i].name));
        EXPECT(str_equal(want->headers.items[i].value, got->headers.items[i].value));
    }
}

struct row {
    const char *name;
    struct str answer;
    unsigned requests; /* of the call that may go the short way: 2 when libcurl asks again */
    size_t body_size_max;
};

static void compare(const struct row *row, size_t step_size)
{
    CLEANUP(http_answer_release) struct http_answer want = { 0 };
    CLEANUP(http_answer_release) struct http_answer got = { 0 };
    struct wire_peer peer = { .answer = row->answer, .first = FIRST };
    struct http_call call = { .timeout_ms = 2000, .body_size_max = row->body_size_max };
    struct error error = { 0 };
    unsigned asked = 0;
    if (step_size > 0) {
        peer.step_size = step_size;
        peer.pause_ms = 1;
    }
    REQUIRE(wire_peer_start(&peer));
    int want_code = ask_behind(&peer, &call, &want, &asked, &error);
    EXPECT(asked == 1 || (asked == 2 && row->answer.size == 0)); /* it tries again, too */
    call.needs_no_facts = true;
    EXPECT_INT(want_code, ask_behind(&peer, &call, &got, &asked, &error));
    EXPECT_INT(row->requests, asked);
    wire_peer_stop(&peer);
    expect_equal(&want, &got);
}

static const struct row rows[] = {
    { "sized", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A:  b \r\n\r\nbody"), 1, 0 },
    { "as the last", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"), 1, 0 },
    { "empty", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 1, 0 },
    { "no reason",
      STR_INIT("HTTP/1.1 200 \r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\na"), 1, 0 },
    { "closes", STR_INIT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab"), 1,
      0 },
    { "chunks",
      STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"),
      1, 0 },
    { "no chunks", STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 1,
      0 },
    { "not found", STR_INIT("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nbody"), 2, 0 },
    { "no content", STR_INIT("HTTP/1.1 204 No Content\r\n\r\n"), 2, 0 },
    { "until it closes", STR_INIT("HTTP/1.1 200 OK\r\n\r\nbody"), 2, 0 },
    { "old", STR_INIT("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody"), 2, 0 },
    { "status 2000", STR_INIT("HTTP/1.1 2000 OK\r\nContent-Length: 4\r\n\r\nbody"), 2, 0 },
    { "other packing",
      STR_INIT("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nbody"), 2, 0 },
    { "bad gzip",
      STR_INIT("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody"), 2,
      0 },
    { "bad chunk",
      STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"), 2,
      0 },
    { "cut short", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody"), 2, 0 },
    { "nothing", STR_INIT(""), 2, 0 },
    { "garbage", STR_INIT("\x16\x03\x01 what is this\r\n\r\n"), 2, 0 },
    { "fits", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"), 1, 4 },
    { "too large", STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"), 2, 3 },
    { "chunks too large",
      STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"), 2,
      3 },
};

static void ends_as_by_libcurl(void)
{
    static const size_t steps[] = { 0, 1, 7, 40 };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].name);
        for (size_t k = 0; k < ARRAY_LENGTH(steps); k++) compare(&rows[i], steps[k]);
    }
}

static void packed_bodies(void)
{
    CLEANUP(buf_release) struct buf plain;
    CLEANUP(buf_release) struct buf packed;
    CLEANUP(buf_release) struct buf answer;
    buf_init(&plain, 1 << 20);
    buf_init(&packed, 1 << 20);
    buf_init(&answer, 1 << 20);
    for (int i = 0; i < 20000; i++) buf_printf(&plain, "%d ", i * i);
    REQUIRE(pack_gzip_encode(buf_str(&plain), &packed));
    buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
               packed.size);
    buf_append_str(&answer, buf_str(&packed));
    compare(&(struct row){ "gzip", buf_str(&answer), 1, 0 }, 0);
    compare(&(struct row){ "gzip in pieces", buf_str(&answer), 1, 0 }, 1000);
    compare(&(struct row){ "gzip too large", buf_str(&answer), 2, plain.size - 1 }, 0);
    buf_reset(&answer);
    buf_append_cstr(&answer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < packed.size;) {
        size_t size = i % 3000 + 1 < packed.size - i ? i % 3000 + 1 : packed.size - i;
        buf_printf(&answer, "%zx\r\n", size);
        buf_append_str(&answer, str_first(str_skip(buf_str(&packed), i), size));
        buf_append_cstr(&answer, "\r\n");
        i += size;
    }
    buf_append_cstr(&answer, "0\r\n\r\n");
    compare(&(struct row){ "gzip in chunks", buf_str(&answer), 1, 0 }, 0);
    compare(&(struct row){ "gzip in chunks in pieces", buf_str(&answer), 1, 0 }, 777);
}

static void time_runs_out(void)
{
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct wire_peer peer = { .is_silent = true, .first = FIRST };
    struct http_call call = { .timeout_ms = 200, .needs_no_facts = true };
    struct error error = { 0 };
    unsigned asked = 0;
    REQUIRE(wire_peer_start(&peer));
    int64_t start_ms = clock_monotonic_ms(&clock_system);
    EXPECT_INT(ERROR_TIMEOUT, ask_behind(&peer, &call, &answer, &asked, &error));
    EXPECT_INT(HTTP_FAILURE_TIMEOUT, answer.failure);
    EXPECT_INT(1, asked);
    EXPECT(clock_monotonic_ms(&clock_system) - start_ms < 2000);
    wire_peer_stop(&peer);
}

static void which_calls_fit(void)
{
    static const struct http_field host = { STR_INIT("Host"), STR_INIT("a") };
    static const struct http_field broken = { STR_INIT("X"), STR_INIT("a\r\nY: b") };
    static const struct http_field accept = { STR_INIT("Accept"), STR_INIT("text/plain") };
    static const struct http_tls tls = { 0 };
    const struct {
        struct http_call call;
        bool fits;
    } calls[] = {
        { { .url = STR("http://a:1/b?c=d"), .needs_no_facts = true }, true },
        { { .url = STR("http://[::1]:1"), .needs_no_facts = true }, true },
        { { .url = STR("http://a/b"),
            .needs_no_facts = true,
            .headers = &accept,
            .header_count = 1 },
          true },
        { { .url = STR("http://a:1/b") }, false },
        { { .url = STR("https://a:1/b"), .needs_no_facts = true }, false },
        { { .url = STR("http://me@a:1/b"), .needs_no_facts = true }, false },
        { { .url = STR("http://a:1/b c"), .needs_no_facts = true }, false },
        { { .url = STR("http://a:1/b#c"), .needs_no_facts = true }, false },
        { { .url = STR("http://a:1/../b"), .needs_no_facts = true }, false },
        { { .url = STR("http://a:1?b"), .needs_no_facts = true }, false },
        { { .url = STR("http://\xc3\xa4:1/"), .needs_no_facts = true }, false },
        { { .url = STR("http://"), .needs_no_facts = true }, false },
        { { .url = STR("http://a/"), .needs_no_facts = true, .tls = &tls }, false },
        { { .url = STR("http://a/"), .needs_no_facts = true, .bearer = STR("x") }, false },
        { { .url = STR("http://a/"), .needs_no_facts = true, .body = STR("") }, false },
        { { .url = STR("http://a/"), .needs_no_facts = true, .method = HTTP_HEAD }, false },
        { { .url = STR("http://a/"), .needs_no_facts = true, .wants_fresh = true }, false },
        { { .url = STR("http://a/"), .needs_no_facts = true, .headers = &host, .header_count = 1 },
          false },
        { { .url = STR("http://a/"),
            .needs_no_facts = true,
            .headers = &broken,
            .header_count = 1 },
          false },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        test_context(calls[i].call.url.data);
        EXPECT(kept_fits(&calls[i].call) == calls[i].fits);
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(ends_as_by_libcurl),
        TEST(packed_bodies),
        TEST(time_runs_out),
        TEST(which_calls_fit),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
