/* sink_test.c - several sinks with their own levels and formats, life before and after configuring,
 * the environment, pipes whose reader is gone, many threads while the configuration changes.
 *
 * Method: what needs a process of its own (stderr, environment, default logger) runs in a child
 * whose output is a pipe.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void each_sink_has_its_level_and_format(void)
{
    struct sl_capture *all = sl_capture_new(10000);
    struct sl_capture *few = sl_capture_new(10000);
    struct sl_sink_options sinks[] = {
        { .kind = SL_SINK_CAPTURE, .capture = all, .format = SL_FORMAT_LOGFMT },
        { .kind = SL_SINK_CAPTURE, .capture = few, .level = SL_WARN },
    };
    struct sl_config config = { .without_pid = true, .sinks = sinks, .sink_count = 2 };
    struct sl_logger *log = NULL;
    EXPECT_INT(0, sl_open(&log, &config));
    sl_info(log, "one");
    sl_warn(log, "two");
    EXPECT_INT(2, (int64_t)sl_capture_count(all));
    EXPECT_INT(1, (int64_t)sl_capture_count(few));
    EXPECT(sl_capture_has(all, " level=info event=one"));
    EXPECT(sl_capture_has(few, "\"message\":\"two\""));
    EXPECT(!sl_capture_has(few, "two\",\"ecs.version\":\"1.6.0\"}\n{"));
    sl_unref(log);
    sl_capture_free(all);
    sl_capture_free(few);
}

struct received {
    int level, count;
    size_t size;
    char last[256];
};

static void receive(void *context, int level, const char *line, size_t size)
{
    struct received *received = context;
    received->level = level;
    received->count++;
    received->size = size;
    memcpy(received->last, line, size < 255 ? size : 255);
}

static void callbacks_get_whole_lines(void)
{
    struct received received = { 0 };
    struct sl_sink_options sink = { .kind = SL_SINK_CALLBACK, .write = receive };
    sink.context = &received;
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    struct sl_logger *log = NULL;
    EXPECT_INT(0, sl_open(&log, &config));
    sl_error(log, "e", "n", 1);
    EXPECT_INT(1, received.count);
    EXPECT_INT(SL_ERROR, received.level);
    EXPECT_INT('\n', received.last[received.size - 1]);
    sl_unref(log);
}

static void a_full_capture_counts(void)
{
    struct sl_capture *capture = sl_capture_new(200);
    struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = capture };
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    struct sl_logger *log = NULL;
    EXPECT_INT(0, sl_open(&log, &config));
    for (int i = 0; i < 5; i++) sl_info(log, "event");
    EXPECT_INT(1, (int64_t)sl_capture_count(capture));
    EXPECT_INT(4, (int64_t)sl_capture_dropped(capture));
    sl_capture_clear(capture);
    EXPECT_INT(0, (int64_t)strlen(sl_capture_text(capture)));
    sl_unref(log);
    sl_capture_free(capture);
}

/* Runs `work` in a child with stderr and stdout in a pipe; what it wrote, NUL-terminated. */
static const char *output_of(void (*work)(void))
{
    static char text[65536];
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        work();
        exit(0); /* not _exit: the library's own end runs */
    }
    (void)close(ends[1]);
    size_t size = 0;
    for (;;) {
        ssize_t part = read(ends[0], text + size, sizeof(text) - 1 - size);
        if (part <= 0) break;
        size += (size_t)part;
    }
    text[size] = '\0';
    (void)close(ends[0]);
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    EXPECT_INT(0, status);
    return text;
}

static int count_of(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) count++;
    return count;
}

static void log_around_a_configuration(void)
{
    sl_info(NULL, "before");
    sl_debug(NULL, "too low");
    struct sl_sink_options sink = { .kind = SL_SINK_STDOUT, .buffer_size = 4096 };
    struct sl_config config = { .service_name = "shop", .sinks = &sink, .sink_count = 1 };
    CHECK(!sl_is_configured());
    CHECK(sl_configure(&config) == 0);
    CHECK(sl_is_configured());
    struct sl_logger *log = sl_bind(NULL, "bound", 1);
    sl_info(log, "during");
    sl_shutdown();
    sl_info(log, "after");
    sl_unref(log);
}

static void works_before_and_after(void)
{
    const char *text = output_of(log_around_a_configuration);
    EXPECT_INT(3, count_of(text, "\n"));
    EXPECT_INT(1, count_of(text, "\"message\":\"before\""));
    EXPECT_INT(1,
               count_of(text, "\"message\":\"during\",\"ecs.version\":\"1.6.0\",\"service.name\":"
                              "\"shop\""));
    EXPECT_INT(1, count_of(text, "\"message\":\"after\""));
    EXPECT_INT(2, count_of(text, "\"bound\":1"));
}

static void leave_a_buffer_behind(void)
{
    struct sl_sink_options sink = { .kind = SL_SINK_STDOUT, .buffer_size = 4096 };
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    CHECK(sl_configure(&config) == 0);
    sl_info(NULL, "in the buffer");
}

static void exit_writes_the_buffer(void)
{
    EXPECT_INT(1, count_of(output_of(leave_a_buffer_behind), "in the buffer"));
}

static void configure_by_environment(void)
{
    (void)setenv("SL_LEVEL", "debug", 1);
    (void)setenv("SL_FORMAT", "logfmt", 1);
    (void)setenv("SL_SERVICE", "shop", 1);
    CHECK(sl_configure_from_environment(NULL) == 0);
    sl_debug(NULL, "seen");
    static const char *const wrong[][2] = { { "SL_LEVEL", "loud" },
                                            { "SL_FORMAT", "xml" },
                                            { "SL_CLOCK", "sundial" },
                                            { "SL_ORIGIN", "maybe" },
                                            { "SL_FILE", "/nonexistent/x" } };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        char before[64] = "";
        const char *old = getenv(wrong[i][0]);
        if (old != NULL) (void)snprintf(before, sizeof(before), "%s", old);
        (void)setenv(wrong[i][0], wrong[i][1], 1);
        CHECK(sl_configure_from_environment(NULL) < 0);
        if (old != NULL) (void)setenv(wrong[i][0], before, 1);
        if (old == NULL) (void)unsetenv(wrong[i][0]);
    }
    static const char *const rotations[] = {
        "k",
        "1q",
        "1k,",
        "1k,1000",
        "1k,2x",
        "-1",
        "1k,every=",
        "1k,every=1y",
        "0,every=2w,",
        "1k,age=-1",
        "1k,total=1x",
        "1k,Gzip",
        "0,age=30d",
        "0,gzip",
        "0,total=1g",
        "every=1d",
        "0,offset=1d",
        "0,every=9999d",
        "1k,every=1h,offset=1h",
        "99999999999999g",
    };
    (void)setenv("SL_FILE", "/dev/null", 1);
    for (size_t i = 0; i < ARRAY_LENGTH(rotations); i++) {
        (void)setenv("SL_ROTATE", rotations[i], 1);
        CHECK(sl_configure_from_environment(NULL) == -EINVAL);
    }
    sl_debug(NULL, "still the first configuration");
}

static void the_environment_rules(void)
{
    const char *text = output_of(configure_by_environment);
    EXPECT_INT(1, count_of(text, " level=debug event=seen service.name=shop"));
    EXPECT_INT(1, count_of(text, "event=\"still the first configuration\""));
    EXPECT_INT(2, count_of(text, "\n"));
}

static void colors_follow_the_environment(void)
{
    static const struct {
        const char *no_color, *force_color;
        enum sl_color option;
        bool want;
    } rows[] = {
        { NULL, NULL, SL_COLOR_AUTO, false }, { NULL, "1", SL_COLOR_AUTO, true },
        { "1", "1", SL_COLOR_AUTO, false },   { "1", NULL, SL_COLOR_ALWAYS, true },
        { NULL, "1", SL_COLOR_NEVER, false },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        (void)unsetenv("NO_COLOR");
        (void)unsetenv("FORCE_COLOR");
        if (rows[i].no_color != NULL) (void)setenv("NO_COLOR", rows[i].no_color, 1);
        if (rows[i].force_color != NULL) (void)setenv("FORCE_COLOR", rows[i].force_color, 1);
        struct sl_capture *capture = sl_capture_new(1000);
        struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = capture };
        sink.format = SL_FORMAT_CONSOLE;
        sink.color = rows[i].option;
        struct sl_config config = { .sinks = &sink, .sink_count = 1 };
        struct sl_logger *log = NULL;
        CHECK(sl_open(&log, &config) == 0);
        sl_info(log, "e", "k", 1);
        EXPECT_INT(rows[i].want, strchr(sl_capture_text(capture), '\033') != NULL);
        sl_unref(log);
        sl_capture_free(capture);
    }
    (void)unsetenv("NO_COLOR");
    (void)unsetenv("FORCE_COLOR");
}

static void a_gone_reader_kills_nobody(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    (void)close(ends[0]);
    struct sl_sink_options sink = { .kind = SL_SINK_FD, .fd = ends[1] };
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    struct sl_logger *log = NULL;
    struct sl_stats before;
    struct sl_stats after;
    EXPECT_INT(0, sl_open(&log, &config));
    int saved = dup(STDERR_FILENO); /* the note about it is not for the test's output */
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO);
    sl_stats(&before);
    sl_info(log, "e");
    sl_stats(&after);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(null);
    EXPECT_INT(1, (int64_t)(after.lost_count - before.lost_count));
    EXPECT_INT(-EPIPE, sl_flush(log));
    sigset_t pending;
    (void)sigpending(&pending);
    EXPECT_INT(0, sigismember(&pending, SIGPIPE));
    sl_unref(log);
    (void)close(ends[1]);
}

static void a_full_pipe_is_not_waited_for_long(void)
{
    int ends[2];
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    struct sl_sink_options sink = { .kind = SL_SINK_FD, .fd = ends[1] };
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    struct sl_logger *log = NULL;
    EXPECT_INT(0, sl_open(&log, &config));
    static char big[70000];
    memset(big, 'x', sizeof(big) - 1);
    struct sl_stats before;
    struct sl_stats after;
    int saved = dup(STDERR_FILENO);
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO);
    sl_stats(&before);
    sl_info(log, "e", "big", big);
    sl_stats(&after);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(null);
    EXPECT_INT(1, (int64_t)(after.lost_count - before.lost_count));
    sl_unref(log);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static volatile int stop;

static void *log_on_and_on(void *data)
{
    struct sl_logger *log = sl_bind(NULL, "thread", *(int *)data);
    long logged = 0;
    while (__atomic_load_n(&stop, __ATOMIC_RELAXED) == 0 || logged < 100) {
        sl_info(log, "line", "n", logged);
        logged++;
    }
    sl_unref(log);
    *(int *)data = (int)logged;
    return NULL;
}

static void count_lines(void *context, int level, const char *line, size_t size)
{
    (void)level;
    (void)line;
    (void)size;
    (void)__atomic_fetch_add((long *)context, 1, __ATOMIC_RELAXED);
}

static void configuring_loses_no_line(void)
{
    long received = 0;
    struct sl_sink_options sink = { .kind = SL_SINK_CALLBACK, .write = count_lines };
    sink.context = &received;
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    CHECK(sl_configure(&config) == 0);
    pthread_t threads[3];
    int numbers[3] = { 0, 1, 2 };
    stop = 0;
    for (size_t i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, log_on_and_on, &numbers[i]) == 0);
    }
    for (int i = 0; i < 200; i++) {
        config.with_origin = i % 2 == 0;
        CHECK(sl_configure(&config) == 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    long logged = 0;
    for (size_t i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        logged += numbers[i];
    }
    EXPECT_INT(logged, received);
    sl_shutdown();
}

static struct sl_logger *signal_log;

static void log_from_handler(int number)
{
    sl_warn(signal_log, "signal", "number", number);
}

/* Signals hit the thread inside its own calls; every line of both must arrive whole. */
static void a_signal_may_log(void)
{
    struct sl_capture *capture = sl_capture_new(4 << 20);
    struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = capture };
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    EXPECT_INT(0, sl_open(&signal_log, &config));
    struct sl_stats before;
    struct sl_stats after;
    sl_info(signal_log, "first"); /* the thread's record is there */
    sl_stats(&before);
    (void)signal(SIGALRM, log_from_handler);
    struct timespec now;
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec often = { { 0, 20000 }, { 0, 20000 } };
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    for (int i = 0; i < 3000; i++) sl_info(signal_log, "line", "n", i);
    CHECK(timer_delete(timer) == 0);
    (void)signal(SIGALRM, SIG_DFL);
    sl_stats(&after);
    uint64_t logged = after.info_count + after.warn_count - before.info_count - before.warn_count;
    uint64_t lost = after.lost_count - before.lost_count;
    EXPECT(logged >= 3000);
    EXPECT_INT((int64_t)(logged - lost + 1), (int64_t)sl_capture_count(capture));
    int bad = 0;
    for (const char *line = sl_capture_text(capture); *line != '\0';) {
        const char *end = strchr(line, '\n');
        CHECK(end != NULL);
        bad += strncmp(line, "{\"@timestamp\":\"", 15) != 0 || end[-1] != '}';
        line = end + 1;
    }
    EXPECT_INT(0, bad);
    sl_unref(signal_log);
    sl_capture_free(capture);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(each_sink_has_its_level_and_format),
        TEST(callbacks_get_whole_lines),
        TEST(a_full_capture_counts),
        TEST(works_before_and_after),
        TEST(exit_writes_the_buffer),
        TEST(the_environment_rules),
        TEST(colors_follow_the_environment),
        TEST(a_gone_reader_kills_nobody),
        TEST(a_full_pipe_is_not_waited_for_long),
        TEST(configuring_loses_no_line),
        TEST(a_signal_may_log),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
