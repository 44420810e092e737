/* receiver.c - the daemon's side of the datagram sockets: one thread that takes what arrives.
 *
 * THREADS  Sockets, buffers and StatsD's sets belong to the receiver's thread. The counts are
 *          atomic, for scrapes read them; relaxed, for nothing is concluded from them.
 * FAIR     A socket is read at most DATAGRAMS_A_TURN times before the others and the clock get
 *          their turn.
 */
#include "prometheus/socket.h"

#include "prometheus/address.h"
#include "prometheus/fail.h"
#include "prometheus/line.h"
#include "prometheus/statsd.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    DATAGRAM_SIZE_MAX = 64 * 1024,
    DATAGRAMS_A_TURN = 64,
    DATAGRAMS_AT_STOP = 10000, /* read at most after the stop */
    REPLY_SIZE_MAX = 4096,
    INTERVAL_MS = 10000,
    SOCKET_PATH_SIZE = 120
};

enum input { INPUT_LINES, INPUT_UDP, INPUT_STATSD, INPUTS };

struct counts {
    _Atomic uint64_t lines;
    _Atomic uint64_t errors[PM_ERROR_CODES];
    _Atomic uint64_t lost; /* datagrams the kernel dropped, or that were cut; answers not taken */
};

struct pm_receiver {
    struct pm_registry *registry;
    struct pm_registry *shown_in;
    bool is_shown;
    int fds[INPUTS]; /* -1: not asked for */
    char paths[INPUTS][SOCKET_PATH_SIZE];
    unsigned port;
    int64_t interval_ms;
    int stop_fd;
    bool has_thread;
    pthread_t thread;
    struct statsd *statsd;
    struct counts counts[2]; /* lines, StatsD */
    uint32_t drops_seen;     /* of the kernel's count for the UDP socket */
    struct pm_line *line;
    struct statsd_line *statsd_line;
    char *datagram;
    char answer[REPLY_SIZE_MAX];
};

static void add_count(_Atomic uint64_t *word, uint64_t amount)
{
    atomic_fetch_add_explicit(word, amount, memory_order_relaxed);
}

/* ---- Lines ---- */

struct tally { /* of one datagram */
    unsigned lines;
    unsigned failed;
    size_t used; /* of the answer's error lines */
};

static void note_error(struct pm_receiver *receiver, struct tally *tally,
                       const struct pm_error *error)
{
    tally->failed++;
    size_t room = REPLY_SIZE_MAX - tally->used;
    int size = snprintf(receiver->answer + tally->used, room, "error %u %s %s\n", tally->lines,
                        pm_code_name(error->code), error->text);
    if (size > 0 && (size_t)size < room) tally->used += (size_t)size;
}

static int take_line(struct pm_receiver *receiver, bool is_statsd, const char *text, size_t size,
                     struct pm_error *error)
{
    struct counts *counts = &receiver->counts[is_statsd ? 1 : 0];
    int code = is_statsd ? statsd_parse(receiver->statsd_line, text, size, error)
                         : pm_line_parse(receiver->line, text, size, error);
    if (code == PM_OK) {
        code = is_statsd ? statsd_apply(receiver->statsd, receiver->statsd_line, error)
                         : pm_registry_command(receiver->registry, &receiver->line->command, error);
    }
    if (code < 0 && code > -PM_ERROR_CODES) add_count(&counts->errors[-code], 1);
    return code;
}

static void take_datagram(struct pm_receiver *receiver, bool is_statsd, size_t size,
                          struct tally *tally)
{
    struct counts *counts = &receiver->counts[is_statsd ? 1 : 0];
    const char *at = receiver->datagram;
    const char *end = at + size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line_size = (size_t)((stop == NULL ? end : stop) - at);
        struct pm_error error = { 0 };
        if (line_size > 0) {
            tally->lines++;
            add_count(&counts->lines, 1);
            if (take_line(receiver, is_statsd, at, line_size, &error) < 0) {
                note_error(receiver, tally, &error);
            }
        }
        at += line_size + 1;
    }
}

static void send_answer(struct pm_receiver *receiver, const struct sockaddr_un *to, socklen_t size,
                        const struct tally *tally)
{
    char answer[REPLY_SIZE_MAX + 64];
    int used = tally->failed == 0 ? snprintf(answer, 64, "ok %u\n", tally->lines)
                                  : snprintf(answer, 64, "failed %u\n", tally->failed);
    memcpy(answer + used, receiver->answer, tally->used);
    if (sendto(receiver->fds[INPUT_LINES], answer, (size_t)used + tally->used,
               MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, size) < 0) {
        add_count(&receiver->counts[0].lost, 1);
    }
}

/* How many datagrams the kernel has dropped since the last that came; by SO_RXQ_OVFL. */
static void count_drops(struct pm_receiver *receiver, struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SO_RXQ_OVFL) continue;
        uint32_t drops;
        memcpy(&drops, CMSG_DATA(part), sizeof(drops));
        add_count(&receiver->counts[1].lost, drops - receiver->drops_seen);
        receiver->drops_seen = drops;
    }
}

/* Takes one datagram; false when there is none. */
static bool receive_one(struct pm_receiver *receiver, enum input input)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(uint32_t))];
    } control;
    struct sockaddr_un from;
    struct iovec piece = { receiver->datagram, DATAGRAM_SIZE_MAX };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    if (input == INPUT_LINES) {
        message.msg_name = &from;
        message.msg_namelen = sizeof(from);
    }
    ssize_t size = recvmsg(receiver->fds[input], &message, 0);
    if (size < 0) return errno == EINTR;
    struct tally tally = { 0 };
    if (input == INPUT_UDP) count_drops(receiver, &message);
    if ((message.msg_flags & MSG_TRUNC) != 0) add_count(&receiver->counts[input != 0].lost, 1);
    take_datagram(receiver, input != INPUT_LINES, (size_t)size, &tally);
    if (input == INPUT_LINES && message.msg_namelen > sizeof(from.sun_family)) {
        send_answer(receiver, &from, message.msg_namelen, &tally);
    }
    return true;
}

/* ---- The thread ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void receive_all(struct pm_receiver *receiver, int datagrams_max)
{
    for (int input = 0; input < INPUTS; input++) {
        if (receiver->fds[input] < 0) continue;
        for (int i = 0; i < datagrams_max && receive_one(receiver, (enum input)input); i++) {
        }
    }
}

static void *run(void *arg)
{
    struct pm_receiver *receiver = arg;
    struct pollfd polls[INPUTS + 1] = { { .fd = receiver->stop_fd, .events = POLLIN } };
    for (int i = 0; i < INPUTS; i++) { /* poll leaves out what is -1 */
        polls[i + 1] = (struct pollfd){ .fd = receiver->fds[i], .events = POLLIN };
    }
    int64_t end_ms = now_ms() + receiver->interval_ms;
    while (polls[0].revents == 0) {
        int64_t wait_ms = end_ms - now_ms();
        int ready = poll(polls, INPUTS + 1, wait_ms < 0 ? 0 : (int)wait_ms);
        if (ready > 0) receive_all(receiver, DATAGRAMS_A_TURN);
        if (now_ms() < end_ms) continue;
        statsd_end_interval(receiver->statsd);
        end_ms = now_ms() + receiver->interval_ms;
    }
    receive_all(receiver, DATAGRAMS_AT_STOP);
    return NULL;
}

/* ---- Metrics ---- */

static void emit_both(struct pm_emit *emit, const struct pm_receiver *receiver, size_t offset)
{
    for (int i = 0; i < 2; i++) {
        const char *base = (const char *)&receiver->counts[i];
        const _Atomic uint64_t *word = (const _Atomic uint64_t *)(const void *)(base + offset);
        pm_emit_count(emit, atomic_load_explicit(word, memory_order_relaxed), "input",
                      i == 0 ? "socket" : "statsd");
    }
}

static void collect_receiver(struct pm_emit *emit, void *arg)
{
    const struct pm_receiver *receiver = arg;
    pm_emit_family(emit, PM_COUNTER, "pm_receiver_lines_total",
                   "Lines that arrived in datagrams, good and bad.");
    emit_both(emit, receiver, offsetof(struct counts, lines));
    pm_emit_family(emit, PM_COUNTER, "pm_receiver_lost_total",
                   "Datagrams the kernel dropped or cut, and answers nobody took.");
    emit_both(emit, receiver, offsetof(struct counts, lost));
    pm_emit_family(emit, PM_COUNTER, "pm_receiver_errors_total",
                   "Lines that were refused, by reason.");
    for (int i = 0; i < 2; i++) {
        for (int reason = 1; reason < PM_ERROR_CODES; reason++) {
            const _Atomic uint64_t *word = &receiver->counts[i].errors[reason];
            pm_emit_count(emit, atomic_load_explicit(word, memory_order_relaxed), "input",
                          i == 0 ? "socket" : "statsd", "reason", pm_code_name(-reason));
        }
    }
}

/* ---- Life ---- */

static int bind_path(struct pm_receiver *receiver, enum input input, const char *path,
                     unsigned mode, struct pm_error *error)
{
    if (path == NULL) return PM_OK;
    int code = pm_address_bind_path(&receiver->fds[input], path, mode == 0 ? 0600 : mode, error);
    if (code == PM_OK) (void)snprintf(receiver->paths[input], SOCKET_PATH_SIZE, "%s", path);
    return code;
}

static int open_all(struct pm_receiver *receiver, const struct pm_receiver_options *options,
                    struct pm_error *error)
{
    int code = bind_path(receiver, INPUT_LINES, options->socket_path, options->socket_mode, error);
    if (code == PM_OK) {
        code = bind_path(receiver, INPUT_STATSD, options->statsd_path, options->socket_mode, error);
    }
    if (code == PM_OK && options->statsd_udp != NULL) {
        code = pm_address_bind_udp(&receiver->fds[INPUT_UDP], options->statsd_udp, &receiver->port,
                                   error);
    }
    if (code < 0) return code;
    receiver->line = malloc(sizeof(*receiver->line));
    receiver->statsd_line = malloc(sizeof(*receiver->statsd_line));
    receiver->datagram = malloc(DATAGRAM_SIZE_MAX);
    receiver->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (receiver->line == NULL || receiver->statsd_line == NULL || receiver->datagram == NULL ||
        receiver->stop_fd < 0) {
        return pm_fail(error, PM_ERROR_MEMORY, "no memory for a receiver");
    }
    return statsd_new(&receiver->statsd, receiver->registry, error);
}

/* The program's signals are not for this thread, but a fault of its own is: see guard.h. */
static int start_thread(struct pm_receiver *receiver, struct pm_error *error)
{
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGBUS);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&receiver->thread, NULL, run, receiver);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    receiver->has_thread = code == 0;
    return code == 0 ? PM_OK : pm_fail(error, PM_ERROR_SYSTEM, "no thread for a receiver");
}

int pm_receiver_start(struct pm_receiver **receiver_out, const struct pm_receiver_options *options,
                      struct pm_error *error)
{
    struct pm_receiver *receiver = calloc(1, sizeof(*receiver));
    if (receiver == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a receiver");
    for (int i = 0; i < INPUTS; i++) receiver->fds[i] = -1;
    receiver->stop_fd = -1;
    receiver->registry = options->registry != NULL ? options->registry : pm_registry_default();
    receiver->shown_in = options->shown_in;
    receiver->interval_ms = options->interval_ms > 0 ? options->interval_ms : INTERVAL_MS;
    int code = receiver->registry == NULL
                   ? pm_fail(error, PM_ERROR_MEMORY, "no memory for a registry")
                   : open_all(receiver, options, error);
    if (code == PM_OK) code = start_thread(receiver, error);
    if (code == PM_OK) {
        code = pm_register_collector(receiver->shown_in, collect_receiver, receiver, error);
        receiver->is_shown = code == PM_OK;
    }
    if (code < 0) {
        pm_receiver_stop(receiver);
        return code;
    }
    *receiver_out = receiver;
    return PM_OK;
}

void pm_receiver_stop(struct pm_receiver *receiver)
{
    if (receiver == NULL) return;
    if (receiver->is_shown) {
        (void)pm_unregister_collector(receiver->shown_in, collect_receiver, receiver);
    }
    if (receiver->has_thread) {
        uint64_t one = 1;
        ssize_t written = write(receiver->stop_fd, &one, sizeof(one));
        (void)written; /* an eventfd takes its first one always */
        (void)pthread_join(receiver->thread, NULL);
    }
    for (int i = 0; i < INPUTS; i++) {
        if (receiver->fds[i] >= 0) (void)close(receiver->fds[i]);
        if (receiver->paths[i][0] != '\0') (void)unlink(receiver->paths[i]);
    }
    if (receiver->stop_fd >= 0) (void)close(receiver->stop_fd);
    statsd_free(receiver->statsd);
    free(receiver->line);
    free(receiver->statsd_line);
    free(receiver->datagram);
    free(receiver);
}

unsigned pm_receiver_port(const struct pm_receiver *receiver)
{
    return receiver->port;
}
