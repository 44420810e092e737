/* server.c - the server's life: options, threads, the sweeper that cuts slow peers, the stop.
 *
 * SWEEPER  libmicrohttpd knows one time limit, for silence. A peer that sends a byte now and then
 *          would hold a connection for ever, so one thread looks at all connections four times a
 *          second and shuts down the sockets of those that take too long over their headers or
 *          body; the network thread then sees the end and frees them. A socket in the list is open:
 *          libmicrohttpd reports the end of a connection, which takes it from the list, before it
 *          closes the socket.
 * STOP     Listening socket first, then streams, then wait for answers on their way; workers; at
 *          last libmicrohttpd itself, which must have no suspended connection then.
 */
#include "http/server.h"

#include "base/clock.h"
#include "http/exchange.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_PERIOD_MS 250
#define STOP_STEP_MS    5

static void fill_defaults(struct http_server_options *options)
{
    struct http_server_options *o = options;
    if (o->listen == NULL) o->listen = "127.0.0.1:0";
    if (o->thread_count == 0) o->thread_count = 2;
    if (o->worker_count == 0) o->worker_count = 8;
    if (o->queue_count_max == 0) o->queue_count_max = 256;
    if (o->connection_max == 0) o->connection_max = 512;
    if (o->head_size_max == 0) o->head_size_max = (size_t)32 * 1024;
    if (o->read_size == 0) o->read_size = (size_t)16 * 1024;
    if (o->body_size_max == 0) o->body_size_max = (size_t)64 * 1024 * 1024;
    if (o->bodies_size_max == 0) o->bodies_size_max = 4 * o->body_size_max;
    if (o->body_size_max > o->bodies_size_max) o->body_size_max = o->bodies_size_max;
    if (o->swallow_size_max == 0) o->swallow_size_max = (size_t)1024 * 1024;
    if (o->arena_size_max == 0) o->arena_size_max = (size_t)16 * 1024 * 1024;
    if (o->answer_size_max == 0) o->answer_size_max = (size_t)256 * 1024 * 1024;
    if (o->idle_timeout_ms == 0) o->idle_timeout_ms = 60000;
    if (o->head_timeout_ms == 0) o->head_timeout_ms = 10000;
    if (o->body_stall_ms == 0) o->body_stall_ms = 10000;
    if (o->request_timeout_ms == 0) o->request_timeout_ms = 300000;
}

int http_server_new(struct http_server **server_out, const struct http_server_options *options,
                    struct error *error)
{
    CLEANUP(http_server_cleanup) struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) return error_set(error, -ENOMEM, "no memory for a server");
    server->listener.descriptor = -1;
    server->options = *options;
    fill_defaults(&server->options);
    mutex_init(&server->peers_mutex);
    spares_init(&server->spares);
    mutex_init(&server->sweep_mutex);
    condition_init(&server->sweep_ends);
    stream_list_init(&server->streams, &server->counters);
    atomic_store(&server->is_ready, true);

    int code = workers_init(&server->workers, server->options.worker_count,
                            server->options.queue_count_max, exchange_work, error);
    if (code == 0) code = guard_init(&server->guard, &server->options, error);
    if (code < 0) return code;
    server->unmatched = counters_find(&server->counters, "unmatched");
    server->fallback = counters_find(&server->counters, "fallback");
    if (server->unmatched == NULL || server->fallback == NULL) {
        return error_set(error, -ENOMEM, "no memory for a server");
    }

    struct str prefix = str_from(server->options.prefix);
    while (prefix.size > 0 && prefix.data[prefix.size - 1] == '/') prefix.size--;
    if (prefix.size > 0 && prefix.data[0] != '/') {
        return error_set(error, ERROR_INVALID, "route prefix '%s' does not begin with '/'",
                         server->options.prefix);
    }
    server->prefix = prefix;
    *server_out = server;
    server = NULL;
    return 0;
}

int http_server_mount(struct http_server *server, const struct http_mount *mount,
                      struct error *error)
{
    return router_mount(&server->router, mount, &server->counters, error);
}

/* ---- the sweeper ---- */

static bool is_too_slow(const struct http_server *server, const struct exchange *x, int64_t now_ns)
{
    const struct http_server_options *options = &server->options;
    int phase = atomic_load_explicit(&x->phase, memory_order_relaxed);
    int64_t age_ms = (now_ns - atomic_load_explicit(&x->since_ns, memory_order_relaxed)) / 1000000;
    int64_t still_ms =
        (now_ns - atomic_load_explicit(&x->progress_ns, memory_order_relaxed)) / 1000000;
    if (phase == EXCHANGE_IDLE) {
        int64_t most = options->head_timeout_ms;
        if (atomic_load_explicit(&x->has_answered, memory_order_relaxed)) {
            most += options->idle_timeout_ms;
        }
        return age_ms > most;
    }
    if (phase == EXCHANGE_BODY) {
        return age_ms > options->request_timeout_ms || still_ms > options->body_stall_ms;
    }
    return false;
}

static void sweep(struct http_server *server, int64_t now_ns)
{
    static const char answer[] =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    mutex_lock(&server->peers_mutex);
    for (struct exchange *x = server->peers; x != NULL; x = x->next) {
        if (x->descriptor < 0 || !is_too_slow(server, x, now_ns)) continue;
        if (atomic_load_explicit(&x->phase, memory_order_relaxed) == EXCHANGE_BODY) {
            (void)send(x->descriptor, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        (void)shutdown(x->descriptor, SHUT_RDWR);
        x->descriptor = -1; /* the network thread has its own copy */
        counters_add(&server->counters.timeouts, 1);
    }
    mutex_unlock(&server->peers_mutex);
    stream_list_beat(&server->streams, now_ns);
    spares_sweep(&server->spares, now_ns);
}

static void *sweep_for_ever(void *argument)
{
    struct http_server *server = argument;
    mutex_lock(&server->sweep_mutex);
    while (server->is_sweeping) {
        (void)condition_wait_ms(&server->sweep_ends, &server->sweep_mutex, SWEEP_PERIOD_MS);
        if (!server->is_sweeping) break;
        mutex_unlock(&server->sweep_mutex);
        sweep(server, clock_monotonic_ns(&clock_system));
        mutex_lock(&server->sweep_mutex);
    }
    mutex_unlock(&server->sweep_mutex);
    return NULL;
}

static void end_sweeper(struct http_server *server)
{
    mutex_lock(&server->sweep_mutex);
    bool was_sweeping = server->is_sweeping;
    server->is_sweeping = false;
    condition_signal(&server->sweep_ends);
    mutex_unlock(&server->sweep_mutex);
    if (was_sweeping) thread_join(server->sweeper);
}

/* ---- start ---- */

/* The path is cut at its slashes before escapes are undone, by us: libmicrohttpd shall not. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* libmicrohttpd's threads must not take the process's signals. */
static struct MHD_Daemon *start_daemon(struct http_server *server)
{
    const struct http_server_options *options = &server->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
    struct MHD_OptionItem items[] = {
        { MHD_OPTION_LISTEN_SOCKET, server->listener.descriptor, NULL },
        { MHD_OPTION_CONNECTION_LIMIT, (intptr_t)options->connection_max, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT,
          (intptr_t)(options->head_size_max + options->read_size), NULL },
        { MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)((options->idle_timeout_ms + 999) / 1000),
          NULL },
        { MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)options->connection_per_address_max, NULL },
        { MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
        { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)exchange_complete, server },
        { MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)exchange_connect, server },
        { MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)exchange_see_uri, server },
        { MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL },
        { options->thread_count > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
          (intptr_t)options->thread_count, NULL },
        { MHD_OPTION_END, 0, NULL },
    };
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGBUS); /* a fault of the thread's own: blocked, it is the end */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_step, server,
                                                 MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

int http_server_start(struct http_server *server, struct error *error)
{
    int code = listener_open(&server->listener, server->options.listen, error);
    if (code < 0) return code;
    server->has_started = true;
    server->daemon = start_daemon(server);
    if (server->daemon == NULL) {
        (void)close(server->listener.descriptor);
        server->listener.descriptor = -1;
        return error_set(error, -ENOMEM, "start the server on '%s': no threads or memory",
                         server->options.listen);
    }
    server->is_sweeping = true;
    code = thread_start(&server->sweeper, "http sweeper", sweep_for_ever, server, error);
    if (code < 0) server->is_sweeping = false;
    return code;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->listener.port;
}

const char *http_server_url(const struct http_server *server)
{
    return server->listener.url;
}

void http_server_set_ready(struct http_server *server, bool is_ready)
{
    /* Release: who sees it ready sees what was mounted before. */
    atomic_store_explicit(&server->is_ready, is_ready, memory_order_release);
}

/* ---- stop ---- */

static void wait_for_answers(struct http_server *server, int64_t timeout_ms)
{
    int64_t waited_ms = 0;
    while (waited_ms < timeout_ms && counters_get(&server->counters.in_flight) > 0) {
        stream_list_stop(&server->streams); /* also those that began meanwhile */
        clock_wait_ms(&clock_system, STOP_STEP_MS);
        waited_ms += STOP_STEP_MS;
    }
}

void http_server_stop(struct http_server *server, int64_t timeout_ms)
{
    if (server->has_stopped) return;
    server->has_stopped = true;
    atomic_store(&server->is_stopping, true);
    int listening = -1;
    if (server->daemon != NULL) {
        /* Refuses at once; closed only when no thread of the daemon can have it in use. */
        listening = MHD_quiesce_daemon(server->daemon);
        if (listening >= 0) (void)shutdown(listening, SHUT_RDWR);
        stream_list_stop(&server->streams);
        wait_for_answers(server, timeout_ms);
    }
    workers_stop(&server->workers);
    if (server->daemon != NULL) {
        stream_list_stop(&server->streams);
        MHD_stop_daemon(server->daemon);
        server->daemon = NULL;
    }
    if (listening >= 0) (void)close(listening);
    end_sweeper(server);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL) return;
    http_server_stop(server, 0);
    workers_release(&server->workers);
    router_release(&server->router);
    counters_release(&server->counters);
    stream_list_release(&server->streams);
    condition_release(&server->sweep_ends);
    mutex_release(&server->sweep_mutex);
    mutex_release(&server->peers_mutex);
    spares_release(&server->spares);
    free(server);
}

void http_server_cleanup(struct http_server **server)
{
    http_server_free(*server);
}

/* ---- counters ---- */

void http_server_counters(struct http_server *server, struct http_server_counters *counters)
{
    mutex_lock(&server->peers_mutex);
    size_t connection_count = server->peer_count;
    mutex_unlock(&server->peers_mutex);
    const struct counters *c = &server->counters;
    *counters = (struct http_server_counters){
        .connection_count = connection_count,
        .connection_total = counters_get(&c->connection_total),
        .in_flight_count = counters_get(&c->in_flight),
        .received_size = counters_get(&c->received_size),
        .sent_size = counters_get(&c->sent_size),
        .queue_full_total = counters_get(&c->queue_full),
        .timeout_total = counters_get(&c->timeouts),
        .refused_host_total = counters_get(&c->refused_hosts),
        .stream_count = counters_get(&c->streams),
    };
}

void http_server_visit_codes(struct http_server *server,
                             void (*visit)(void *argument, const char *label, unsigned status,
                                           uint64_t count),
                             void *argument)
{
    counters_visit_codes(&server->counters, visit, argument);
}

void http_server_visit_handlers(struct http_server *server,
                                void (*visit)(void *argument,
                                              const struct http_handler_counters *counters),
                                void *argument)
{
    counters_visit_handlers(&server->counters, visit, argument);
}
