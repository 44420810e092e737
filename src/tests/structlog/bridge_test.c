/* bridge_test.c - what unchanged code prints and tells syslog becomes events. Method: its calls,
 * through the real descriptors, into a logger that keeps its lines. */
#include "structlog/as_syslog.h"
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void print(const char *text)
{
    ssize_t size = write(STDERR_FILENO, text, strlen(text));
    CHECK(size == (ssize_t)strlen(text));
}

static void lines_of_stderr_are_events(void)
{
    struct recorder recorder =
        recorder_open((struct sl_config){ .without_pid = true }, SL_FORMAT_ECS);
    struct sl_bridge *bridge = NULL;
    EXPECT_INT(0, sl_bridge_start(&bridge, STDERR_FILENO, recorder.log, SL_WARN));
    print("first\n\nsecond \"x\"\r\nthird, ");
    print("in two parts\n");
    if (fork() == 0) {
        print("from a child\n");
        _exit(0);
    }
    EXPECT(wait(NULL) > 0);
    print("without an end");
    sl_bridge_stop(bridge);
    const char *text = sl_capture_text(recorder.capture);
    test_context(text);
    EXPECT_INT(5, (int64_t)sl_capture_count(recorder.capture));
    EXPECT(strstr(text, "\"log.level\":\"warning\",\"message\":\"first\"") != NULL);
    EXPECT(strstr(text, "\"message\":\"second \\\"x\\\"\"") != NULL);
    EXPECT(strstr(text, "\"message\":\"third, in two parts\"") != NULL);
    EXPECT(strstr(text, "\"message\":\"from a child\"") != NULL);
    EXPECT(strstr(text, "\"message\":\"without an end\"") != NULL);
    test_context(NULL);
    recorder_close(&recorder);
}

static void a_long_line_is_cut(void)
{
    struct recorder recorder =
        recorder_open((struct sl_config){ .without_pid = true }, SL_FORMAT_ECS);
    struct sl_bridge *bridge = NULL;
    static char line[20001];
    memset(line, 'x', sizeof(line) - 1);
    EXPECT_INT(0, sl_bridge_start(&bridge, STDERR_FILENO, recorder.log, SL_INFO));
    print(line);
    sl_bridge_stop(bridge);
    EXPECT_INT(3, (int64_t)sl_capture_count(recorder.capture));
    recorder_close(&recorder);
}

static void a_descriptor_is_bridged_once(void)
{
    struct recorder recorder =
        recorder_open((struct sl_config){ .without_pid = true }, SL_FORMAT_ECS);
    struct sl_bridge *bridge = NULL;
    struct sl_bridge *other = NULL;
    EXPECT_INT(-EINVAL, sl_bridge_start(&other, 0, recorder.log, SL_INFO));
    EXPECT_INT(-EINVAL, sl_bridge_start(&other, 7, recorder.log, SL_INFO));
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(0, sl_bridge_start(&bridge, STDERR_FILENO, recorder.log, SL_INFO));
        EXPECT_INT(-EBUSY, sl_bridge_start(&other, STDERR_FILENO, recorder.log, SL_INFO));
        EXPECT(other == NULL);
        print("again\n");
        sl_bridge_stop(bridge);
    }
    sl_bridge_stop(NULL);
    EXPECT_INT(3, (int64_t)sl_capture_count(recorder.capture));
    recorder_close(&recorder);
}

/* A sink that writes to stderr must not be fed by its own lines. */
static void a_sink_on_stderr_goes_where_stderr_went(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        struct sl_config config = { .without_pid = true };
        struct sl_bridge *bridge = NULL;
        bool is_good = sl_configure(&config) == 0 &&
                       sl_bridge_start(&bridge, STDERR_FILENO, NULL, SL_ERROR) == 0;
        print("printed\n");
        sl_info(NULL, "logged");
        exit(is_good ? 0 : 1); /* the exit handler reads the pipe out */
    }
    (void)close(ends[1]);
    char text[4096] = "";
    size_t used = 0;
    ssize_t got = 0;
    while ((got = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0) used += (size_t)got;
    (void)close(ends[0]);
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT_INT(0, status);
    test_context(text);
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) lines++;
    EXPECT_INT(2, (int64_t)lines);
    EXPECT(strstr(text, "\"log.level\":\"error\",\"message\":\"printed\"") != NULL);
    EXPECT(strstr(text, "\"log.level\":\"info\",\"message\":\"logged\"") != NULL);
    test_context(NULL);
}

#pragma GCC diagnostic ignored "-Wformat" /* %m is glibc's, not ISO C's */

static void syslog_calls_are_events(void)
{
    struct recorder recorder =
        recorder_open((struct sl_config){ .without_pid = true }, SL_FORMAT_ECS);
    sl_syslog_use(recorder.log);
    openlog("legacyd", LOG_PID, LOG_DAEMON);
    errno = ENOENT;
    syslog(LOG_ERR, "cannot open %s: %m\n", "/a");
    EXPECT_INT(ENOENT, errno);
    EXPECT_LINE(&recorder, "\"cannot open /a: No such file or directory\","
                           "\"log.syslog.severity.code\":3,\"log.syslog.facility.code\":3,"
                           "\"log.syslog.appname\":\"legacyd\"");
    syslog(LOG_LOCAL0 | LOG_NOTICE, "local");
    EXPECT_LINE(&recorder, "\"local\",\"log.syslog.severity.code\":5,"
                           "\"log.syslog.facility.code\":16,\"log.syslog.appname\":\"legacyd\"");
    closelog();
    EXPECT_INT(0xff, setlogmask(LOG_UPTO(LOG_WARNING)));
    syslog(LOG_INFO, "masked");
    EXPECT_INT(2, (int64_t)sl_capture_count(recorder.capture));
    EXPECT_INT(LOG_UPTO(LOG_WARNING), setlogmask(0xff));
    sl_syslog_use(NULL);
    recorder_close(&recorder);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(lines_of_stderr_are_events),   TEST(a_long_line_is_cut),
        TEST(a_descriptor_is_bridged_once), TEST(a_sink_on_stderr_goes_where_stderr_went),
        TEST(syslog_calls_are_events),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
