/* system.c - the journal's native protocol and syslog: one datagram an event.
 *
 * JOURNAL  A field is NAME=value and a line feed, or, when the value holds a line feed: NAME, a
 *          line feed, eight bytes of size (little endian), the value, a line feed. Names are of
 *          upper case letters, digits and _, and begin with a letter. An event beyond the size of a
 *          datagram goes as an empty one with the descriptor of a sealed memory file.
 *          Source: systemd.io/JOURNAL_NATIVE_PROTOCOL.
 * SYSLOG   <priority>name[pid]: event key=value ...   facility user. Source: RFC 3164, section 4.
 */
#include "structlog/sink.h"

#include "structlog/number.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SEND_WAIT_MS     100
#define JOURNAL_NAME_MAX 64
#define FACILITY_USER    (1 << 3)

/* ---- sending ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(path);
    if (size >= sizeof(address.sun_path)) return -ENAMETOOLONG;
    memcpy(address.sun_path, path, size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0) {
        int code = -errno;
        (void)close(fd);
        return code;
    }
    return fd;
}

int sl_system_open(struct sl_sink *sink)
{
    int fd = connect_to(sink->path);
    if (fd < 0) return fd;
    if (sink->fd >= 0) (void)close(sink->fd);
    sink->fd = fd;
    return 0;
}

static int send_message(int fd, const struct msghdr *message)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        if (sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 0;
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return errno;
        struct pollfd wanted = { .fd = fd, .events = POLLOUT };
        (void)poll(&wanted, 1, SEND_WAIT_MS);
    }
    return EAGAIN;
}

/* A file in memory that holds the data and can never change; -1 with errno. */
static int sealed_file(const char *data, size_t size)
{
    int file = memfd_create("structlog", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    if (file < 0) return -1;
    size_t done = 0;
    while (done < size) {
        ssize_t written = write(file, data + done, size - done);
        if (written < 0 && errno != EINTR) break;
        if (written > 0) done += (size_t)written;
    }
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (done == size && fcntl(file, F_ADD_SEALS, seals) == 0) return file;
    int saved = errno;
    (void)close(file);
    errno = saved;
    return -1;
}

static int send_as_file(int fd, const char *data, size_t size)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    int file = sealed_file(data, size);
    if (file < 0) return errno;
    memset(&control, 0, sizeof(control));
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
    struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };
    int failure = send_message(fd, &message);
    (void)close(file);
    return failure;
}

static int send_once(const struct sl_sink *sink, const char *data, size_t size)
{
    struct iovec all = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
    struct msghdr message = { .msg_iov = &all, .msg_iovlen = 1 };
    int failure = send_message(sink->fd, &message);
    bool is_too_large = failure == EMSGSIZE || failure == ENOBUFS;
    if (!is_too_large || sink->kind != SL_SINK_JOURNAL) return failure;
    return send_as_file(sink->fd, data, size);
}

/* A daemon that was restarted is found again. */
int sl_system_send(struct sl_sink *sink, const char *data, size_t size)
{
    int failure = send_once(sink, data, size);
    if (failure != ECONNREFUSED && failure != ENOTCONN && failure != ECONNRESET) return failure;
    int code = sl_system_open(sink);
    return code < 0 ? -code : send_once(sink, data, size);
}

/* ---- rendering ---- */

static int severity_of(int level)
{
    if (level >= SL_ERROR) return level >= SL_CRITICAL ? 2 : 3;
    if (level >= SL_INFO) return level >= SL_WARN ? 4 : 6;
    return 7;
}

static struct sl_value identifier_of(const struct sl_call *call)
{
    const struct sl_fields *fields = call->pipeline->fields;
    for (uint32_t i = 0; fields != NULL && i < fields->count; i++) {
        const struct sl_item *item = &fields->items[i];
        if (item->key_size == 12 && memcmp(item->key, "service.name", 12) == 0) return item->value;
    }
    return SL_VALUE((const char *)program_invocation_short_name);
}

static char *put_name(char *to, const char *key, size_t size)
{
    if (size == 0 || key[0] == '_' || (key[0] >= '0' && key[0] <= '9')) *to++ = 'X';
    for (size_t i = 0; i < size && i < JOURNAL_NAME_MAX - 1; i++) {
        char c = key[i];
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_fine = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        *to++ = is_lower ? (char)(c - 'a' + 'A') : is_fine ? c : '_';
    }
    return to;
}

static char *put_journal_text(char *to, const char *text, size_t size)
{
    if (memchr(text, '\n', size) == NULL) {
        *to++ = '=';
    } else {
        *to++ = '\n';
        for (int i = 0; i < 8; i++) *to++ = (char)((uint64_t)size >> (8 * i) & 255);
    }
    memcpy(to, text, size);
    to[size] = '\n';
    return to + size + 1;
}

static char *put_journal_field(char *to, const char *key, size_t key_size,
                               const struct sl_value *value)
{
    to = put_name(to, key, key_size);
    if (value->kind == SL_KIND_STRING || value->kind == SL_KIND_JSON) {
        size_t size = value->size < SL_VALUE_SIZE_MAX ? value->size : SL_VALUE_SIZE_MAX;
        return put_journal_text(to, value->as.pointer, size);
    }
    *to++ = '=';
    to = sl_put_json_value(to, value);
    *to++ = '\n';
    return to;
}

size_t sl_render_journal(struct sl_call *call)
{
    struct sl_list list;
    sl_call_merge(call, &list, true);
    struct sl_value identifier = identifier_of(call);
    size_t size = 256 + call->event_size + sl_value_bound(&identifier) + SL_PUT_SLACK;
    for (size_t i = 0; i < list.count; i++) {
        size += JOURNAL_NAME_MAX + 16 + sl_value_bound(&list.items[i].value);
    }
    if (!sl_call_reserve(call, size)) return 0;
    struct sl_value priority = SL_VALUE(severity_of(call->level));
    char *to = put_name(call->line, "MESSAGE", 7);
    to = put_journal_text(to, call->event, call->event_size);
    to = put_journal_field(to, "PRIORITY", 8, &priority);
    to = put_journal_field(to, "SYSLOG_IDENTIFIER", 17, &identifier);
    for (size_t i = 0; i < list.count; i++) {
        const struct sl_item *item = &list.items[i];
        to = put_journal_field(to, item->key, item->key_size, &item->value);
    }
    return (size_t)(to - call->line);
}

size_t sl_render_syslog(struct sl_call *call)
{
    struct sl_value identifier = identifier_of(call);
    struct sl_list list;
    sl_call_merge(call, &list, false);
    sl_list_settle(&list, SL_NAMING_PLAIN);
    size_t size = 128 + SL_TEXT_GROWTH_MAX * call->event_size + sl_value_bound(&identifier);
    size += SL_PUT_SLACK;
    for (size_t i = 0; i < list.count; i++) size += sl_item_bound(&list.items[i]);
    if (!sl_call_reserve(call, size)) return 0;
    char *to = call->line;
    *to++ = '<';
    to = sl_put_int(to, FACILITY_USER | severity_of(call->level));
    *to++ = '>';
    to = sl_put_visible(to, identifier.as.pointer, identifier.size);
    *to++ = '[';
    to = sl_put_int(to, call->pipeline->process->id);
    to = sl_put_bytes(to, "]: ", 3);
    to = sl_put_visible(to, call->event, call->event_size);
    return (size_t)(sl_put_plain_items(to, &list) - call->line);
}
