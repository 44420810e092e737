/* address.c - datagram sockets by path or address. */
#include "prometheus/address.h"

#include "prometheus/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { UDP_BUFFER = 4 << 20 }; /* asked for; the kernel gives what net.core.rmem_max lets it */

static int fail_errno(struct pm_error *error, const char *what, const char *address)
{
    char text[80];
    return pm_fail(error, PM_ERROR_SYSTEM, "%s '%.100s': %s", what, address,
                   strerror_r(errno, text, sizeof(text)));
}

static int fill_path(struct sockaddr_un *address, const char *path, struct pm_error *error)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (path[0] == '\0' || strlen(path) >= sizeof(address->sun_path)) {
        return pm_fail(error, PM_ERROR_SYSTEM, "a socket's path has 1 to %zu bytes, not '%.100s'",
                       sizeof(address->sun_path) - 1, path);
    }
    memcpy(address->sun_path, path, strlen(path));
    return PM_OK;
}

int pm_address_connect(int *fd_out, const char *path, struct pm_error *error)
{
    struct sockaddr_un address;
    int code = fill_path(&address, path, error);
    if (code < 0) return code;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail_errno(error, "make a socket for", path);
    /* Linux gives a free abstract name when none is asked for; it goes with the descriptor. */
    struct sockaddr_un own = { .sun_family = AF_UNIX };
    if (bind(fd, (struct sockaddr *)&own, sizeof(own.sun_family)) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        code = fail_errno(error, "open the daemon's socket", path);
        (void)close(fd);
        return code;
    }
    *fd_out = fd;
    return PM_OK;
}

/* Whether the path is a socket that nobody listens on. */
static bool is_left_over(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool is_refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
                      errno == ECONNREFUSED;
    (void)close(fd);
    return is_refused;
}

int pm_address_bind_path(int *fd_out, const char *path, unsigned mode, struct pm_error *error)
{
    struct sockaddr_un address;
    int code = fill_path(&address, path, error);
    if (code < 0) return code;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail_errno(error, "make a socket for", path);
    if (is_left_over(&address)) (void)unlink(path);
    /* Before it has its name, so that nobody gets in while the mode is wider than asked; and
     * after, for the umask may have made it narrower. */
    if (fchmod(fd, mode & 0777) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod(path, mode & 0777) < 0) {
        code = fail_errno(error, "listen on", path);
        (void)close(fd);
        return code;
    }
    *fd_out = fd;
    return PM_OK;
}

/* "127.0.0.1:8125" or "[::1]:8125"; no names are looked up. */
static socklen_t read_udp(struct sockaddr_storage *address, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon == NULL ? 65536 : strtoul(colon + 1, &end, 10);
    if (port > 65535 || end == colon + 1 || *end != '\0') return 0;
    size_t size = (size_t)(colon - text);
    bool is_ip6 = size > 2 && text[0] == '[' && colon[-1] == ']';
    if (is_ip6) {
        text++;
        size -= 2;
    }
    if (size >= sizeof(host)) return 0;
    memcpy(host, text, size);
    host[size] = '\0';
    memset(address, 0, sizeof(*address));
    struct sockaddr_in *ip4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)address;
    if (is_ip6) {
        ip6->sin6_family = AF_INET6;
        ip6->sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &ip6->sin6_addr) == 1 ? sizeof(*ip6) : 0;
    }
    ip4->sin_family = AF_INET;
    ip4->sin_port = htons((uint16_t)port);
    if (strcmp(host, "localhost") == 0) memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
    return inet_pton(AF_INET, host, &ip4->sin_addr) == 1 ? sizeof(*ip4) : 0;
}

int pm_address_bind_udp(int *fd_out, const char *text, unsigned *port, struct pm_error *error)
{
    struct sockaddr_storage address;
    socklen_t size = read_udp(&address, text);
    if (size == 0) {
        return pm_fail(error, PM_ERROR_SYSTEM,
                       "expected an address such as 127.0.0.1:8125 or [::1]:8125, not '%.100s'",
                       text);
    }
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail_errno(error, "make a socket for", text);
    int one = 1;
    int buffer = UDP_BUFFER;
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    if (bind(fd, (const struct sockaddr *)&address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        int code = fail_errno(error, "listen on", text);
        (void)close(fd);
        return code;
    }
    *port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                               : ((struct sockaddr_in6 *)&address)->sin6_port);
    *fd_out = fd;
    return PM_OK;
}
