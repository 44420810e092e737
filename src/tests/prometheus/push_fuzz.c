/* push_fuzz.c
 *
 * Goal:   whatever stands at a gateway's address may answer a push as it likes: the call ends, with
 *         PM_OK or a code and one line of text.
 * Method: a thread listens on loopback and gives the input as the bytes of the answer, then closes;
 *         the first byte chooses what is sent.
 */
#include "base/check.h"
#include "prometheus/push.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int listener = -1;
static char url[64];
static struct pm_registry *registry;
static sem_t is_set;
static const uint8_t *answer;
static size_t answer_size;

static void serve_one(int peer)
{
    char request[4096];
    if (recv(peer, request, sizeof(request), 0) <= 0) return;
    for (size_t done = 0; done < answer_size;) {
        ssize_t sent = send(peer, answer + done, answer_size - done, MSG_NOSIGNAL);
        if (sent <= 0) break;
        done += (size_t)sent;
    }
    (void)shutdown(peer, SHUT_WR);
    while (recv(peer, request, sizeof(request), 0) > 0) continue;
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0) continue;
        serve_one(peer);
        (void)close(peer);
        (void)sem_post(&is_set);
    }
    return NULL;
}

static void start(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    pthread_t thread;
    struct pm_error error;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(listener, 8) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    CHECK(pm_registry_new(&registry, &error) == 0);
    pm_inc(pm_counter_new(registry, "jobs_total", "Jobs."));
    CHECK(sem_init(&is_set, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, serve, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (listener < 0) start();
    if (size == 0) return 0;
    struct pm_push push = { .registry = registry, .url = url, .job = "fuzz", .timeout_ms = 2000 };
    struct pm_error error;
    memset(error.text, '?', sizeof(error.text));
    answer = data + 1;
    answer_size = size - 1;
    int code = pm_push_send(&push, data[0] % 2 == 0 ? PM_PUSH_DELETE : PM_PUSH_PUT, &error);
    if (code != 0) {
        CHECK(code == PM_ERROR_SYSTEM);
        const char *end = memchr(error.text, '\0', sizeof(error.text));
        CHECK(end != NULL && end > error.text);
        for (const char *at = error.text; at < end; at++) CHECK(*at >= ' ' && *at <= '~');
    }
    (void)sem_wait(&is_set); /* the input is read no more */
    return 0;
}
