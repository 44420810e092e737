/* listener.c - a bound socket, and who has the port when it cannot be bound. */
#include "http/listener.h"

#include "base/str.h"
#include "http/message.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG     512
#define PROCESS_MAX 4096 /* looked at when asking who holds a port */

struct place {
    struct sockaddr_storage address;
    socklen_t size;
};

static int read_place(struct place *place, struct str host, uint16_t port, struct error *error)
{
    *place = (struct place){ 0 };
    struct sockaddr_in *four = (struct sockaddr_in *)&place->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&place->address;
    char text[64];
    if (str_equal_nocase(host, STR("localhost"))) host = STR("127.0.0.1");
    if (host.size == 0) host = STR("::");
    if (!str_to_cstr(host, text, sizeof(text))) text[0] = '\0';

    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        place->size = sizeof(*four);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        place->size = sizeof(*six);
        return 0;
    }
    return error_set(error, ERROR_INVALID,
                     "listen address needs an IP address, 'localhost' or nothing before the port, "
                     "not '" STR_FMT "'",
                     (int)(host.size < 80 ? host.size : 80), host.data);
}

/* The inode of the listening socket on this port, or 0. */
static uint64_t listening_inode(const char *table, uint16_t port)
{
    FILE *file = fopen(table, "re");
    if (file == NULL) return 0;
    char line[512];
    uint64_t inode = 0;
    while (inode == 0 && fgets(line, sizeof(line), file) != NULL) {
        unsigned local = 0;
        unsigned state = 0;
        uint64_t found = 0;
        int count =
            sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
                   &local, &state, &found);
        if (count == 3 && local == port && state == 10) inode = found; /* 10: listening */
    }
    (void)fclose(file);
    return inode;
}

static bool holds_inode(const char *pid, uint64_t inode)
{
    char folder[64];
    char wanted[64];
    if ((size_t)snprintf(folder, sizeof(folder), "/proc/%s/fd", pid) >= sizeof(folder))
        return false;
    (void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *files = opendir(folder);
    if (files == NULL) return false;
    bool is_found = false;
    struct dirent *entry = NULL;
    while (!is_found && (entry = readdir(files)) != NULL) {
        char target[64];
        ssize_t size = readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1);
        if (size <= 0) continue;
        target[size] = '\0';
        is_found = strcmp(target, wanted) == 0;
    }
    (void)closedir(files);
    return is_found;
}

/* "process 123 (name)" into out; false when it cannot be seen. */
static bool find_holder(uint16_t port, char *out, size_t out_size)
{
    uint64_t inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0) inode = listening_inode("/proc/net/tcp6", port);
    DIR *processes = inode == 0 ? NULL : opendir("/proc");
    if (processes == NULL) return false;

    bool is_found = false;
    struct dirent *entry = NULL;
    for (size_t i = 0; !is_found && i < PROCESS_MAX && (entry = readdir(processes)) != NULL; i++) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        if (!holds_inode(entry->d_name, inode)) continue;
        char path[300];
        char name[32] = "?";
        (void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file != NULL) {
            if (fgets(name, sizeof(name), file) != NULL) name[strcspn(name, "\n")] = '\0';
            (void)fclose(file);
        }
        (void)snprintf(out, out_size, "process %.10s (%s)", entry->d_name, name);
        is_found = true;
    }
    (void)closedir(processes);
    return is_found;
}

static int bind_failed(int cause, const char *address, uint16_t port, struct error *error)
{
    char holder[80];
    if (cause == EADDRINUSE && find_holder(port, holder, sizeof(holder))) {
        return error_set(error, -cause, "listen on '%s': address already in use by %s", address,
                         holder);
    }
    return error_set(error, -cause, "listen on '%s': %s", address,
                     cause == EADDRINUSE ? "address already in use" : strerrordesc_np(cause));
}

static int open_socket(const struct place *place, bool is_any, int *descriptor)
{
    int family = ((const struct sockaddr *)&place->address)->sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int yes = 1;
    int only_six = is_any ? 0 : 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_six, sizeof(only_six));
    }
    if (bind(fd, (const struct sockaddr *)&place->address, place->size) < 0 ||
        listen(fd, BACKLOG) < 0) {
        int cause = errno;
        (void)close(fd);
        return -cause;
    }
    *descriptor = fd;
    return 0;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t size = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &size) < 0) return 0;
    if (bound.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&bound)->sin_port);
    return ntohs(((struct sockaddr_in6 *)&bound)->sin6_port);
}

int listener_open(struct listener *listener, const char *address, struct error *error)
{
    struct http_address parsed = { 0 };
    int code = http_address_parse(str_from(address), &parsed, error);
    if (code < 0) return error_wrap(error, code, "listen");
    struct place place;
    code = read_place(&place, parsed.host, parsed.port, error);
    if (code < 0) return code;

    int descriptor = -1;
    bool is_any = parsed.host.size == 0;
    code = open_socket(&place, is_any, &descriptor);
    if (is_any && code == -EAFNOSUPPORT) { /* no IPv6 on this machine */
        code = read_place(&place, STR("0.0.0.0"), parsed.port, error);
        if (code == 0) code = open_socket(&place, false, &descriptor);
    }
    if (code < 0) return bind_failed(-code, address, parsed.port, error);

    listener->descriptor = descriptor;
    listener->port = bound_port(descriptor);
    struct str host = parsed.host;
    bool is_everywhere = is_any || str_equal(host, STR("0.0.0.0")) || str_equal(host, STR("::"));
    if (is_everywhere) host = STR("localhost");
    bool is_six = str_find_char(host, ':') != STR_NONE;
    (void)snprintf(listener->url, sizeof(listener->url), "http://%s" STR_FMT "%s:%u",
                   is_six ? "[" : "", STR_ARG(host), is_six ? "]" : "", listener->port);
    return 0;
}
