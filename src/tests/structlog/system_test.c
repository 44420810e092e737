/* system_test.c - what the journal and syslog receive. Method: their sockets, held by the test. */
#include "structlog/structlog.h"

#include "base/check.h"
#include "base/compiler.h"
#include "tests/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char path[64];

static int listen_here(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(path, sizeof(path), "/tmp/structlog_system_test.%d", (int)getpid());
    (void)unlink(path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    CHECK(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0);
    return fd;
}

static struct sl_logger *open_log(enum sl_sink_kind kind)
{
    struct sl_sink_options sink = { .kind = kind, .path = path };
    struct sl_config config = { .service_name = "shop", .sinks = &sink, .sink_count = 1 };
    config.without_pid = true;
    struct sl_logger *log = NULL;
    EXPECT_INT(0, sl_open(&log, &config));
    return log;
}

static size_t receive(int fd, char *text, size_t size_max)
{
    ssize_t size = recv(fd, text, size_max - 1, MSG_DONTWAIT);
    if (size < 0) size = 0;
    text[size] = '\0';
    return (size_t)size;
}

static void the_journal_gets_fields(void)
{
    int fd = listen_here();
    struct sl_logger *log = open_log(SL_SINK_JOURNAL);
    sl_warn(log, "disk slow", "trace.id", "abc", "_n", 5, "text", "a\nb");
    static const char want[] = "MESSAGE=disk slow\nPRIORITY=4\nSYSLOG_IDENTIFIER=shop\n"
                               "SERVICE_NAME=shop\nEVENT_DATASET=shop\nTRACE_ID=abc\nX_N=5\n"
                               "TEXT\n\x03\0\0\0\0\0\0\0a\nb\n";
    char text[1024];
    EXPECT_INT((int64_t)sizeof(want) - 1, (int64_t)receive(fd, text, sizeof(text)));
    EXPECT(memcmp(text, want, sizeof(want) - 1) == 0);
    sl_unref(log);
    (void)close(fd);
    (void)unlink(path);
}

/* The descriptor that came with an empty datagram; -1: none. */
static int receive_file(int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 0;
    int file = -1;
    struct iovec room = { &byte, 1 };
    struct msghdr message = { .msg_iov = &room, .msg_iovlen = 1 };
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
    if (recvmsg(fd, &message, MSG_DONTWAIT) != 0) return -1;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head == NULL || head->cmsg_type != SCM_RIGHTS) return -1;
    memcpy(&file, CMSG_DATA(head), sizeof(file));
    return file;
}

/* Beyond what a datagram takes: through a file in memory that nobody can change any more. */
static void the_journal_gets_a_large_event(void)
{
    static char text[900000];
    static char got[1000000];
    memset(text, 'x', sizeof(text));
    int fd = listen_here();
    struct sl_logger *log = open_log(SL_SINK_JOURNAL);
    sl_info(log, "large", "text", sl_strn(text, sizeof(text)));
    int file = receive_file(fd);
    REQUIRE(file >= 0);
    int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    EXPECT_INT(wanted, fcntl(file, F_GET_SEALS));
    ssize_t size = pread(file, got, sizeof(got), 0);
    static const char front[] = "MESSAGE=large\nPRIORITY=6\n";
    EXPECT(size > (ssize_t)sizeof(text) && memcmp(got, front, sizeof(front) - 1) == 0);
    EXPECT(got[size - 1] == '\n');
    EXPECT(memcmp(got + size - 1 - sizeof(text), text, sizeof(text)) == 0);
    EXPECT(memcmp(got + size - 1 - sizeof(text) - 6, "\nTEXT=", 6) == 0);
    (void)close(file);
    sl_unref(log);
    (void)close(fd);
    (void)unlink(path);
}

static void syslog_gets_a_line(void)
{
    int fd = listen_here();
    struct sl_logger *log = open_log(SL_SINK_SYSLOG);
    sl_error(log, "open\nfailed", "path", "/a b", "n", 1);
    char want[128];
    char text[1024];
    (void)snprintf(want, sizeof(want), "<11>shop[%d]: open\\nfailed path=\"/a b\" n=1",
                   (int)getpid());
    (void)receive(fd, text, sizeof(text));
    test_context(text);
    EXPECT(strcmp(text, want) == 0);
    test_context(NULL);
    sl_unref(log);
    (void)close(fd);
    (void)unlink(path);
}

static void a_restarted_daemon_is_found_again(void)
{
    int fd = listen_here();
    struct sl_logger *log = open_log(SL_SINK_SYSLOG);
    (void)close(fd);
    fd = listen_here();
    struct sl_stats before;
    struct sl_stats after;
    sl_stats(&before);
    sl_info(log, "again");
    sl_stats(&after);
    char text[256];
    EXPECT(receive(fd, text, sizeof(text)) > 0);
    EXPECT_INT(0, (int64_t)(after.lost_count - before.lost_count));
    sl_unref(log);
    (void)close(fd);
    (void)unlink(path);
}

static void without_a_daemon_it_cannot_be_opened(void)
{
    struct sl_sink_options sink = { .kind = SL_SINK_JOURNAL, .path = "/nonexistent/socket" };
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    struct sl_logger *log = NULL;
    EXPECT_INT(-ENOENT, sl_open(&log, &config));
    EXPECT(log == NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(the_journal_gets_fields),
        TEST(the_journal_gets_a_large_event),
        TEST(syslog_gets_a_line),
        TEST(a_restarted_daemon_is_found_again),
        TEST(without_a_daemon_it_cannot_be_opened),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
