/* stream_test.c
 *
 * Goal:   a stream sends what it is woken for, beats when it is silent, notices a lost peer, and
 *         ends with the server; close is called exactly once in every case.
 * Method: one stream that hands out what the test put; woken from the test's thread.
 */
#include "http/server.h"

#include "base/clock.h"
#include "base/thread.h"
#include "tests/http/wire.h"
#include "tests/test.h"

#include <stdatomic.h>
#include <unistd.h>

/* Lock: mutex guards text. */
struct tail {
    struct mutex mutex;
    struct str text;
    atomic_int closed;
    atomic_int opened;
    atomic_bool must_end;
    struct http_waker *waker;
};

static struct tail tail;
static struct http_server *server;
static struct buf out;

static int64_t read_tail(void *context, char *bytes, size_t size)
{
    struct tail *t = context;
    mutex_lock(&t->mutex);
    size_t count = t->text.size < size ? t->text.size : size;
    if (count > 0) memcpy(bytes, t->text.data, count);
    t->text = str_skip(t->text, count);
    mutex_unlock(&t->mutex);
    if (count == 0 && atomic_load(&t->must_end)) return HTTP_STREAM_END;
    return (int64_t)count;
}

static void close_tail(void *context)
{
    struct tail *t = context;
    (void)atomic_fetch_add(&t->closed, 1);
}

static int open_tail(void *context, struct http_request *request, struct http_response *response,
                     struct error *error)
{
    (void)context;
    (void)request;
    response->content_type = "text/event-stream";
    struct http_stream stream = { .read = read_tail,
                                  .close = close_tail,
                                  .context = &tail,
                                  .heartbeat = STR(":\n\n"),
                                  .heartbeat_ms = 600 };
    struct http_waker *waker = http_response_stream(response, &stream);
    if (waker == NULL) return error_set(error, ERROR_REFUSED, "no memory");
    tail.waker = waker;
    (void)atomic_fetch_add(&tail.opened, 1);
    return 0;
}

static int open_and_fail(void *context, struct http_request *request,
                         struct http_response *response, struct error *error)
{
    int code = open_tail(context, request, response, error);
    return code < 0 ? code : error_set(error, ERROR_REFUSED, "changed its mind");
}

static const struct http_route routes[] = {
    { HTTP_GET, "/tail", open_tail, .flags = 0 },
    { HTTP_GET, "/fail", open_and_fail, .flags = 0 },
};

static void say(struct str text)
{
    mutex_lock(&tail.mutex);
    tail.text = text;
    mutex_unlock(&tail.mutex);
    http_waker_wake(tail.waker);
}

static bool start(void)
{
    tail = (struct tail){ .text = STR("") };
    mutex_init(&tail.mutex);
    buf_init(&out, 1 << 20);
    struct http_mount mount = { .routes = routes, .count = ARRAY_LENGTH(routes) };
    return http_server_new(&server, &(struct http_server_options){ 0 }, NULL) == 0 &&
           http_server_mount(server, &mount, NULL) == 0 && http_server_start(server, NULL) == 0;
}

static void stop(void)
{
    http_server_free(server);
    http_waker_free(tail.waker);
    mutex_release(&tail.mutex);
    buf_release(&out);
}

static int ask(const char *path)
{
    int fd = wire_connect(http_server_port(server));
    CLEANUP(buf_release) struct buf request;
    buf_init(&request, 1000);
    buf_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    (void)wire_send(fd, buf_str(&request));
    for (int i = 0; i < 200 && atomic_load(&tail.opened) == 0; i++) {
        clock_wait_ms(&clock_system, 5);
    }
    return fd;
}

static void sends_what_it_is_woken_for(void)
{
    REQUIRE(start());
    int fd = ask("/tail");
    (void)wire_read(fd, &out, 100);
    EXPECT(str_find(buf_str(&out), STR("text/event-stream")) != STR_NONE);
    say(STR("data: one\n\n"));
    (void)wire_read(fd, &out, 100);
    EXPECT(str_find(buf_str(&out), STR("data: one\n\n")) != STR_NONE);
    for (int i = 0; i < 1000; i++) say(STR("x"));
    say(STR("data: two\n\n"));
    (void)wire_read(fd, &out, 100);
    EXPECT(str_find(buf_str(&out), STR("data: two\n\n")) != STR_NONE);

    atomic_store(&tail.must_end, true);
    http_waker_wake(tail.waker);
    (void)wire_read(fd, &out, 200);
    EXPECT(str_ends_with(buf_str(&out), STR("0\r\n\r\n")));
    EXPECT_INT(1, atomic_load(&tail.closed));
    http_waker_wake(tail.waker); /* all is over */
    (void)close(fd);
    stop();
}

static void beats_and_notices_a_lost_peer(void)
{
    REQUIRE(start());
    int fd = ask("/tail");
    buf_reset(&out);
    clock_wait_ms(&clock_system, 1000);
    (void)wire_read(fd, &out, 50);
    EXPECT(str_find(buf_str(&out), STR(":\n\n")) != STR_NONE);
    (void)close(fd);
    for (int i = 0; i < 100 && atomic_load(&tail.closed) == 0; i++) {
        clock_wait_ms(&clock_system, 50);
    }
    EXPECT_INT(1, atomic_load(&tail.closed));
    struct http_server_counters counters;
    http_server_counters(server, &counters);
    EXPECT_INT(0, (int64_t)counters.stream_count);
    EXPECT_INT(0, (int64_t)counters.in_flight_count);
    stop();
}

static void ends_with_the_server(void)
{
    REQUIRE(start());
    int fd = ask("/tail");
    clock_wait_ms(&clock_system, 50);
    int64_t start_ms = clock_monotonic_ms(&clock_system);
    http_server_stop(server, 3000);
    EXPECT(clock_monotonic_ms(&clock_system) - start_ms < 1000);
    EXPECT_INT(1, atomic_load(&tail.closed));
    (void)close(fd);
    stop();
}

static void a_failing_handler_closes_its_stream(void)
{
    REQUIRE(start());
    int fd = ask("/fail");
    (void)wire_read(fd, &out, 200);
    EXPECT(str_starts_with(buf_str(&out), STR("HTTP/1.1 503")));
    EXPECT_INT(1, atomic_load(&tail.closed));
    (void)close(fd);
    stop();
}

int main(void)
{
    static const struct test tests[] = {
        TEST(sends_what_it_is_woken_for),
        TEST(beats_and_notices_a_lost_peer),
        TEST(ends_with_the_server),
        TEST(a_failing_handler_closes_its_stream),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
