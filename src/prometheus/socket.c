/* socket.c - the sending side of the datagram socket. */
#include "prometheus/socket.h"

#include "prometheus/address.h"
#include "prometheus/fail.h"
#include "prometheus/line.h"
#include "prometheus/region.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_WAIT_MS = 5000,
    POST_SIZE = 16 * 1024, /* of a datagram of many lines: well under what sockets take */
    ANSWER_SIZE_MAX = 8 * 1024
};

struct pm_socket {
    int fd;
    char path[600];
    unsigned sent; /* datagrams whose answer has not come */
    unsigned failed;
    size_t used;
    char lines[POST_SIZE];
    char answer[ANSWER_SIZE_MAX + 1];
};

void pm_socket_default_path(char *path, size_t size, const char *wanted, const char *region)
{
    char by_default[512];
    if (wanted == NULL) wanted = getenv("BAROGRAPH_METRICS_SOCKET");
    if (wanted != NULL && wanted[0] != '\0') {
        (void)snprintf(path, size, "%s", wanted);
        return;
    }
    pm_region_default_path(by_default, sizeof(by_default), region);
    (void)snprintf(path, size, "%s.sock", by_default);
}

int pm_socket_open(struct pm_socket **socket_out, const char *path, struct pm_error *error)
{
    struct pm_socket *made = calloc(1, sizeof(*made));
    if (made == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a socket");
    pm_socket_default_path(made->path, sizeof(made->path), path, NULL);
    int code = pm_address_connect(&made->fd, made->path, error);
    if (code < 0) {
        free(made);
        return code;
    }
    *socket_out = made;
    return PM_OK;
}

void pm_socket_close(struct pm_socket *socket)
{
    if (socket == NULL) return;
    (void)close(socket->fd);
    free(socket);
}

/* A full queue of the daemon's makes this wait; a daemon that went makes it fail. */
static int send_lines(struct pm_socket *socket, const char *lines, size_t size,
                      struct pm_error *error)
{
    while (send(socket->fd, lines, size, MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        char text[80];
        return pm_fail(error, PM_ERROR_SYSTEM, "send to '%.100s': %s", socket->path,
                       strerror_r(errno, text, sizeof(text)));
    }
    socket->sent++;
    return PM_OK;
}

/* One answer, ended by NUL; how many lines failed, or a code. */
static int receive_answer(struct pm_socket *socket, int wait_ms, struct pm_error *error)
{
    struct pollfd poll_fd = { .fd = socket->fd, .events = POLLIN };
    int ready = poll(&poll_fd, 1, wait_ms);
    if (ready < 0 && errno == EINTR) ready = poll(&poll_fd, 1, wait_ms);
    ssize_t size = ready <= 0 ? -1 : recv(socket->fd, socket->answer, ANSWER_SIZE_MAX, 0);
    if (size < 0) {
        return pm_fail(error, PM_ERROR_SYSTEM, "no answer from '%.100s' in %d ms", socket->path,
                       wait_ms);
    }
    socket->sent--;
    socket->answer[size] = '\0';
    if (strncmp(socket->answer, "failed ", 7) != 0) return 0;
    int failed = 0;
    for (const char *at = socket->answer + 7; *at >= '0' && *at <= '9' && failed < POST_SIZE;
         at++) {
        failed = failed * 10 + (*at - '0');
    }
    return failed == 0 ? 1 : failed;
}

/* The answer's first "error LINE REASON TEXT" as the code and text it was. */
static int read_error(const char *answer, struct pm_error *error)
{
    char reason[32] = "";
    int text_at = 0;
    answer += strcspn(answer, "\n");
    if (sscanf(answer, " error %*u %31s %n", reason, &text_at) != 1 || text_at == 0) {
        return pm_fail(error, PM_ERROR_SYSTEM, "an answer that is none: '%.60s'", answer);
    }
    int code = -1;
    while (code > -PM_ERROR_CODES && strcmp(pm_code_name(code), reason) != 0) code--;
    if (code == -PM_ERROR_CODES) code = PM_ERROR_SYSTEM;
    int size = (int)strcspn(answer + text_at, "\n");
    return pm_fail(error, code, "%.*s", size, answer + text_at);
}

static int flush(struct pm_socket *socket, struct pm_error *error)
{
    size_t used = socket->used;
    socket->used = 0;
    return used == 0 ? PM_OK : send_lines(socket, socket->lines, used, error);
}

static int print(char *to, size_t size, const struct pm_command *command, struct pm_error *error)
{
    if (command->action == PM_DO_LIST) {
        return pm_fail(error, PM_ERROR_TYPE, "a socket cannot list: ask the daemon's /metrics");
    }
    size_t used = pm_line_print(to, size, command);
    if (used > 0) return (int)used;
    return pm_fail(error, PM_ERROR_VALUE,
                   "the update does not fit in a line of %d bytes, or has "
                   "names that no line can hold",
                   PM_LINE_SIZE_MAX);
}

int pm_socket_command(struct pm_socket *socket, const struct pm_command *command,
                      struct pm_error *error)
{
    char line[PM_LINE_SIZE_MAX];
    int size = print(line, sizeof(line), command, error);
    if (size < 0) return size;
    unsigned failed = 0;
    int code = pm_socket_flush(socket, &failed, error); /* so that the next answer is ours */
    socket->failed += failed;
    if (code == PM_OK) code = send_lines(socket, line, (size_t)size, error);
    if (code < 0) return code;
    code = receive_answer(socket, ANSWER_WAIT_MS, error);
    return code > 0 ? read_error(socket->answer, error) : code;
}

int pm_socket_post(struct pm_socket *socket, const struct pm_command *command,
                   struct pm_error *error)
{
    char line[PM_LINE_SIZE_MAX];
    int size = print(line, sizeof(line), command, error);
    int code = size < 0 ? size : PM_OK;
    if (code == PM_OK && socket->used + (size_t)size > POST_SIZE) code = flush(socket, error);
    if (code < 0) return code;
    memcpy(socket->lines + socket->used, line, (size_t)size);
    socket->used += (size_t)size;
    while (socket->sent > 0 && code >= 0) { /* what has come, so that no answer is lost */
        code = receive_answer(socket, 0, NULL);
        if (code > 0) socket->failed += (unsigned)code;
    }
    return PM_OK;
}

int pm_socket_flush(struct pm_socket *socket, unsigned *failed, struct pm_error *error)
{
    int code = flush(socket, error);
    while (code >= 0 && socket->sent > 0) {
        code = receive_answer(socket, ANSWER_WAIT_MS, error);
        if (code > 0) socket->failed += (unsigned)code;
    }
    socket->sent = 0;
    if (code < 0) return code;
    if (failed != NULL) *failed = socket->failed;
    socket->failed = 0;
    return PM_OK;
}

int pm_socket_run(const struct pm_command *command, const char *path, struct pm_error *error)
{
    struct pm_socket *socket = NULL;
    int code = pm_socket_open(&socket, path, error);
    if (code == PM_OK) code = pm_socket_command(socket, command, error);
    pm_socket_close(socket);
    return code;
}
