/* http_bench.c
 *
 * Question: how many small answers a second does the server give over 2 kept connections, from a
 *           fast handler and from a worker?
 * Method:   two threads, each with one connection, send a request, wait for the answer, repeat;
 *           the best of three rounds. Client and server share the machine.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "tests/http/wire.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 2
#define ROUNDS      3

static int hello(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    buf_append_cstr(&response->body, "hello");
    return 0;
}

static const struct http_route routes[] = {
    { HTTP_GET, "/fast", hello, .flags = HTTP_ROUTE_FAST },
    { HTTP_GET, "/worker", hello, .flags = 0 },
};

struct asker {
    uint16_t port;
    const char *path;
    atomic_bool *must_end;
    uint64_t count;
};

static void *ask(void *argument)
{
    struct asker *asker = argument;
    int fd = wire_connect(asker->port);
    char request[128];
    int size = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        asker->path);
    while (fd >= 0 && !atomic_load(asker->must_end)) {
        char answer[1024];
        if (send(fd, request, (size_t)size, MSG_NOSIGNAL) != size) break;
        ssize_t got = recv(fd, answer, sizeof(answer), 0);
        if (got <= 0 || memcmp(answer, "HTTP/1.1 200", 12) != 0) break;
        asker->count++;
    }
    if (fd >= 0) (void)close(fd);
    return NULL;
}

static double round_of(uint16_t port, const char *path, int64_t duration_ms)
{
    atomic_bool must_end = false;
    struct asker askers[CONNECTIONS];
    pthread_t threads[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++) {
        askers[i] = (struct asker){ port, path, &must_end, 0 };
        if (thread_start(&threads[i], "asker", ask, &askers[i], NULL) < 0) return 0;
    }
    int64_t start_ns = clock_monotonic_ns(&clock_system);
    clock_wait_ms(&clock_system, duration_ms);
    atomic_store(&must_end, true);
    uint64_t count = 0;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        thread_join(threads[i]);
        count += askers[i].count;
    }
    return (double)count * 1e9 / (double)(clock_monotonic_ns(&clock_system) - start_ns);
}

int main(int argc, char **argv)
{
    bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    struct error error = { 0 };
    CLEANUP(http_server_cleanup) struct http_server *server = NULL;
    struct http_mount mount = { .routes = routes, .count = ARRAY_LENGTH(routes) };
    if (http_server_new(&server, &(struct http_server_options){ 0 }, &error) < 0 ||
        http_server_mount(server, &mount, &error) < 0 || http_server_start(server, &error) < 0) {
        (void)fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double rate = round_of(http_server_port(server), routes[i].path, is_quick ? 500 : 3000);
            if (rate > best) best = rate;
        }
        printf("http_requests_%s %.0f - - requests/s\n", routes[i].path + 1, best);
    }
    return 0;
}
