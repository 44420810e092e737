/* wire.c - raw sockets for tests. */
#include "tests/http/wire.h"

#include "base/clock.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

int wire_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) return fd;
    (void)close(fd);
    return -1;
}

bool wire_send(int descriptor, struct str text)
{
    while (text.size > 0) {
        ssize_t sent = send(descriptor, text.data, text.size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        text = str_skip(text, (size_t)sent);
    }
    return true;
}

bool wire_read(int descriptor, struct buf *out, int64_t timeout_ms)
{
    for (;;) {
        struct pollfd poller = { descriptor, POLLIN, 0 };
        if (poll(&poller, 1, (int)timeout_ms) <= 0) return false;
        char bytes[4096];
        ssize_t count = recv(descriptor, bytes, sizeof(bytes), 0);
        if (count <= 0) return true;
        buf_append(out, bytes, (size_t)count);
    }
}

struct str wire_ask(uint16_t port, struct str text, struct buf *out)
{
    buf_reset(out);
    int fd = wire_connect(port);
    if (fd < 0) return STR("no connection");
    (void)wire_send(fd, text);
    (void)wire_read(fd, out, 300);
    (void)close(fd);
    return buf_str(out);
}

/* One request, as far as it comes at once; false: the client has closed. */
static bool take_request(struct wire_peer *peer, int fd, char *bytes, size_t size)
{
    struct pollfd poller = { fd, POLLIN, 0 };
    ssize_t got = 0;
    for (int i = 0; i < 50 && !atomic_load(&peer->must_end); i++) {
        if (poll(&poller, 1, 20) <= 0) continue;
        got = recv(fd, bytes, size - 1, 0);
        break;
    }
    if (got <= 0) return false;
    bytes[got] = '\0';
    (void)atomic_fetch_add(&peer->asked, 1);
    return true;
}

static void answer_one(struct wire_peer *peer, int fd)
{
    char bytes[4096];
    bool is_there = take_request(peer, fd, bytes, sizeof(bytes));
    while (is_there && peer->first.size > 0 && strncmp(bytes, "GET /first ", 11) == 0) {
        (void)wire_send(fd, peer->first);
        is_there = take_request(peer, fd, bytes, sizeof(bytes));
    }
    if (!is_there && peer->first.size > 0) {
        (void)close(fd);
        return;
    }
    struct str rest = peer->answer;
    while (rest.size > 0 && !peer->is_silent && !atomic_load(&peer->must_end)) {
        size_t step =
            peer->pause_ms > 0 && peer->step_size < rest.size ? peer->step_size : rest.size;
        if (!wire_send(fd, str_first(rest, step))) break;
        rest = str_skip(rest, step);
        if (peer->pause_ms > 0) clock_wait_ms(&clock_system, peer->pause_ms);
    }
    while (peer->is_silent && !atomic_load(&peer->must_end)) clock_wait_ms(&clock_system, 5);
    struct linger cut = { .l_onoff = 1, .l_linger = 0 };
    if (peer->is_reset) (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &cut, sizeof(cut));
    (void)close(fd);
}

static void *serve(void *argument)
{
    struct wire_peer *peer = argument;
    while (!atomic_load(&peer->must_end)) {
        struct pollfd poller = { peer->listening, POLLIN, 0 };
        if (poll(&poller, 1, 20) <= 0) continue;
        int fd = accept4(peer->listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        (void)atomic_fetch_add(&peer->accepted, 1);
        answer_one(peer, fd);
    }
    return NULL;
}

bool wire_peer_start(struct wire_peer *peer)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    peer->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->listening < 0) return false;
    if (bind(peer->listening, (const struct sockaddr *)&address, size) < 0 ||
        listen(peer->listening, 16) < 0 ||
        getsockname(peer->listening, (struct sockaddr *)&address, &size) < 0) {
        (void)close(peer->listening);
        return false;
    }
    peer->port = ntohs(address.sin_port);
    return thread_start(&peer->thread, "wire peer", serve, peer, NULL) == 0;
}

void wire_peer_stop(struct wire_peer *peer)
{
    atomic_store(&peer->must_end, true);
    thread_join(peer->thread);
    (void)close(peer->listening);
}
