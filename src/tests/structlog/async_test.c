/* async_test.c - asynchronous mode: the same lines as without it, and what happens when the ring is
 * full, when threads end, when processes fork, at the end.
 *
 * Method: the same calls go to a logger of either kind and the lines are compared behind their
 * heads; files in memory are read back.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* It knows neither threads after a fork nor a program's own handler of faults. */
#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER true
#endif
#endif
#if !defined(HAS_THREAD_SANITIZER)
#define HAS_THREAD_SANITIZER false
#endif

/* Children of this process may be forked while its last back end ends; they start their own. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

static char log_path[96];
static char ring_path[96];

static struct sl_logger *open_async(struct sl_async_options async, struct sl_sink_options sink)
{
    struct sl_logger *log = NULL;
    async.path = ring_path;
    sink.kind = SL_SINK_FILE;
    sink.path = log_path;
    (void)unlink(log_path);
    struct sl_config config = { .level = SL_DEBUG, .sinks = &sink, .sink_count = 1 };
    config.async = &async;
    int code = sl_open(&log, &config);
    if (code != 0) (void)fprintf(stderr, "sl_open: %s\n", strerror(-code));
    CHECK(code == 0);
    return log;
}

/* The file's text; static. */
static const char *file_text(void)
{
    static char text[1 << 22];
    FILE *file = fopen(log_path, "r");
    size_t size = file == NULL ? 0 : fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    if (file != NULL) (void)fclose(file);
    return text;
}

static size_t count_text(const char *text, const char *part)
{
    size_t count = 0;
    size_t size = strlen(part);
    const char *end = text + strlen(text);
    /* Not strstr, which sanitizers let measure the whole text each time. */
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), part, size)) != NULL; at++) {
        count++;
    }
    return count;
}

/* ---- the same lines ---- */

static struct sl_value give_number(void *argument)
{
    return SL_VALUE(*(const int *)argument);
}

static void log_all_kinds(struct sl_logger *root)
{
    int number = 7;
    struct sl_lazy lazy = { give_number, &number };
    struct sl_failure failure = { "ERROR_PARSE", "unexpected ')'" };
    char large[5000];
    memset(large, 'x', sizeof(large));
    struct sl_logger *log = sl_named(root, "part");
    struct sl_logger *bound = sl_bind(log, "id", 1, "peer", "10.0.0.1", "error", sl_errno(ENOENT));
    sl_info(root, "nothing");
    sl_info(root, "numbers", "a", 1, "b", -2L, "c", 3u, "d", 0.5, "e", 0.1f, "f", true ? 1.5 : 0.0);
    sl_warn(root, "texts", "a", "", "b", "x", "c", "\"\\\n\x01", "d", (const char *)NULL, "e",
            "\xff\xfe", "f", sl_strn("a\0b", 3), "g", (char)'c');
    sl_error(bound, "bound", "b", SL_BOOL(false), "raw", sl_json("[1,2]", 5), "p", (void *)NULL);
    sl_error(root, "errno", "x", 1, "error", sl_errno(EACCES));
    sl_critical(root, "failure", "error", sl_failed(&failure));
    sl_debug(bound, "lazy", "n", sl_lazily(&lazy), "id", 2);
    sl_info(root, "reserved", "message", "x", "log", 1, "level", "y", "a", 1, "a.b", 2);
    sl_info(root, "large", "text", sl_strn(large, sizeof(large)));
    SL_CONTEXT_SCOPE("trace.id", "abc", "id", 9)
    {
        sl_info(root, "in context", "x", 1);
        sl_info(bound, "in context and bound", "x", 1);
    }
    struct sl_field fields[] = { { SL_VALUE("run time"), SL_VALUE(1.25) },
                                 { SL_VALUE("k\xff"), SL_VALUE("v") } };
    sl_log_fields(bound, SL_INFO, SL_VALUE("any event"), fields, 2);
    sl_printf(root, SL_INFO, "%d files", 3);
    for (int i = 0; i < 3; i++) sl_info_every(root, 1000000, "seldom", "i", i);
    sl_unref(bound);
    sl_unref(log);
}

static void without_heads(char *to, const char *text)
{
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *start = strstr(line, "\"log.level\"");
        CHECK(end != NULL && start != NULL && start < end);
        memcpy(to, start, (size_t)(end - start) + 1);
        to += end - start + 1;
        line = end + 1;
    }
    *to = '\0';
}

static void test_same_lines(void)
{
    static char sync_lines[1 << 17];
    static char async_lines[1 << 17];
    struct sl_config config = { .with_origin = true, .with_thread = true, .service_name = "shop" };
    struct recorder recorder = recorder_open(config, SL_FORMAT_ECS);
    log_all_kinds(recorder.log);
    without_heads(sync_lines, sl_capture_text(recorder.capture));
    recorder_close(&recorder);

    struct sl_capture *capture = sl_capture_new(1 << 17);
    struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = capture };
    struct sl_async_options async = { .path = ring_path };
    struct sl_logger *log = NULL;
    config.sinks = &sink;
    config.sink_count = 1;
    config.level = SL_DEBUG;
    config.async = &async;
    CHECK(sl_open(&log, &config) == 0);
    log_all_kinds(log);
    EXPECT_INT(0, sl_flush(log));
    without_heads(async_lines, sl_capture_text(capture));
    EXPECT(strstr(sync_lines, "\"log.origin.function\":\"log_all_kinds\"") != NULL);
    /* The rate limit of "seldom" is the site's: the second logger's first call is held back too. */
    char *seldom = strstr(sync_lines, "{\"log.level\":\"info\",\"message\":\"seldom\"");
    if (seldom == NULL)
        seldom = strstr(sync_lines, "\"log.level\":\"info\",\"message\":\"seldom\"");
    REQUIRE(seldom != NULL);
    *seldom = '\0';
    test_context(async_lines);
    EXPECT(strcmp(sync_lines, async_lines) == 0);
    test_context(NULL);
    sl_unref(log);
    sl_capture_free(capture);
}

/* The same calls again and again, for the first of each goes another way than those after it. */
static void log_in_cells(struct sl_logger *root)
{
    static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz\"\n\\ ABCDEFGHIJKLMNOPQ"
                               "0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t size = 0; size < sizeof(text); size++) {
        char name[sizeof(text) + 1] = "n";
        memcpy(name + 1, text, size);
        struct sl_logger *bound = sl_bind(root, "bound", sl_strn(text, size), "i", size);
        struct sl_logger *named = sl_named(bound, name);
        sl_info(root, "nothing");
        sl_info(root, "one", "a", size);
        sl_info(root, "text", "a", sl_strn(text, size), "b", sl_strn(text + size, 1), "c", name);
        sl_info(root, "literals", "1", "x", "2", "xy", "3", "xyz", "4", "wxyz", "5", "vwxyz", "6",
                "uvwxyz", "7", "tuvwxyz", "8", "stuvwxyz", "9", "rstuvwxyz", "15",
                "lmnopqrstuvwxyz", "16", "klmnopqrstuvwxyz", "17", "jklmnopqrstuvwxyz", "31",
                "0123456789ABCDEFGHIJKLMNOPQRSTU", "64",
                "0123456789012345678901234567890123456789012345678901234567890123");
        sl_warn(root, "zeros", "a", 0, "b", 0.0, "c", "", "d", (const char *)NULL, "e",
                sl_strn("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20), "f", 0u);
        sl_warn(root, "masks", "a", SL_MASK_LOW_, "b", SL_MASK_HIGH_, "c", INT64_MIN, "d", -1, "e",
                SL_MASK_LOW_);
        sl_error(named, "bound", "b", SL_BOOL(true), "raw", sl_json("[1,2,\"three\"]", 13), "p",
                 (void *)0x1234, "error", sl_errno(ENOENT), "c", (char)'c', "f", 0.1f);
        SL_CONTEXT_SCOPE("trace.id", sl_strn(text, size)) sl_debug(named, "context", "x", 1);
        sl_unref(named);
        sl_unref(bound);
    }
}

static void test_same_lines_in_cells(void)
{
    static char sync_lines[1 << 20];
    static char async_lines[1 << 20];
    struct sl_capture *captures[2] = { sl_capture_new(1 << 20), sl_capture_new(1 << 20) };
    struct sl_async_options async = { .path = ring_path };
    for (int i = 0; i < 2; i++) {
        struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = captures[i] };
        struct sl_config config = { .level = SL_DEBUG, .sinks = &sink, .sink_count = 1 };
        config.with_origin = true;
        config.async = i == 0 ? NULL : &async;
        struct sl_logger *log = NULL;
        CHECK(sl_open(&log, &config) == 0);
        log_in_cells(log);
        EXPECT_INT(0, sl_flush(log));
        sl_unref(log);
    }
    without_heads(sync_lines, sl_capture_text(captures[0]));
    without_heads(async_lines, sl_capture_text(captures[1]));
    EXPECT(sl_capture_count(captures[0]) > 700);
    EXPECT(strcmp(sync_lines, async_lines) == 0);
    for (int i = 0; i < 2; i++) sl_capture_free(captures[i]);
}

/* ---- full rings ---- */

struct gate {
    pthread_mutex_t mutex;
    int lines, told;
};

static void slow_write(void *context, int level, const char *line, size_t size)
{
    struct gate *gate = context;
    (void)level;
    (void)pthread_mutex_lock(&gate->mutex);
    if (memmem(line, size, "log lines dropped", 17) != NULL) {
        gate->told++;
    } else {
        gate->lines++;
    }
    (void)pthread_mutex_unlock(&gate->mutex);
}

static struct sl_logger *open_gated(struct gate *gate, struct sl_async_options async)
{
    struct sl_logger *log = NULL;
    struct sl_sink_options sink = { .kind = SL_SINK_CALLBACK, .write = slow_write };
    sink.context = gate;
    struct sl_config config = { .level = SL_DEBUG, .sinks = &sink, .sink_count = 1 };
    async.path = ring_path;
    async.ring_size = 1 << 16;
    config.async = &async;
    int code = sl_open(&log, &config);
    if (code != 0) (void)fprintf(stderr, "sl_open: %s\n", strerror(-code));
    CHECK(code == 0);
    return log;
}

struct dropped {
    uint64_t low, high;
};

/* Fills the ring while the sink stands still: how many of each level were dropped. */
static struct dropped overfill(enum sl_full full, int timeout_ms)
{
    struct gate gate = { PTHREAD_MUTEX_INITIALIZER, 0, 0 };
    struct sl_async_options async = { .full = full, .full_timeout_ms = timeout_ms };
    struct sl_logger *log = open_gated(&gate, async);
    struct sl_stats before;
    struct sl_stats middle;
    struct sl_stats after;
    (void)pthread_mutex_lock(&gate.mutex);
    sl_stats(&before);
    for (int i = 0; i < 2000; i++) sl_info(log, "low", "i", i, "t", "0123456789012345");
    sl_stats(&middle);
    for (int i = 0; i < 3; i++) sl_error(log, "high", "i", i);
    sl_stats(&after);
    (void)pthread_mutex_unlock(&gate.mutex);
    struct dropped dropped = { middle.dropped_count - before.dropped_count,
                               after.dropped_count - middle.dropped_count };
    EXPECT_INT(0, sl_flush(log));
    sl_unref(log);
    /* What was not dropped has come out, and a line that tells of the drops. */
    EXPECT(gate.told > 0);
    EXPECT_INT((int64_t)(2003 - dropped.low - dropped.high), gate.lines);
    return dropped;
}

static void test_full_drop(void)
{
    struct dropped dropped = overfill(SL_FULL_DROP, 0);
    EXPECT(dropped.low > 500 && dropped.low < 2000);
}

static void test_full_drop_below(void)
{
    struct dropped dropped = overfill(SL_FULL_DROP_BELOW, 1);
    EXPECT(dropped.low > 500 && dropped.low < 2000);
    EXPECT_INT(0, (int64_t)dropped.high); /* there was a quarter of the ring left for these */
}

static void test_full_block_gives_up(void)
{
    struct dropped dropped = overfill(SL_FULL_BLOCK, 1);
    EXPECT(dropped.low > 50 && dropped.low < 2000);
}

static void log_many(struct sl_logger *log, int count)
{
    for (int i = 0; i < count; i++) sl_info(log, "many", "i", i, "t", "0123456789012345");
}

static void test_nothing_lost(enum sl_full full)
{
    struct sl_async_options async = { .full = full, .ring_size = 1 << 16 };
    async.full_timeout_ms = 60000;
    struct sl_logger *log = open_async(async, (struct sl_sink_options){ 0 });
    log_many(log, 20000);
    EXPECT_INT(0, sl_flush(log));
    EXPECT_INT(20000, (int64_t)count_text(file_text(), "\"message\":\"many\""));
    sl_unref(log);
}

static void test_full_block(void)
{
    test_nothing_lost(SL_FULL_BLOCK);
}

static void test_full_sync(void)
{
    test_nothing_lost(SL_FULL_SYNC);
}

static void test_flush_has_a_deadline(void)
{
    struct gate gate = { PTHREAD_MUTEX_INITIALIZER, 0, 0 };
    struct sl_logger *log = open_gated(&gate, (struct sl_async_options){ 0 });
    (void)pthread_mutex_lock(&gate.mutex);
    sl_info(log, "stuck");
    EXPECT_INT(-ETIMEDOUT, sl_flush_within(log, 20));
    (void)pthread_mutex_unlock(&gate.mutex);
    EXPECT_INT(0, sl_flush(log));
    EXPECT_INT(1, gate.lines);
    sl_unref(log);
}

/* ---- threads ---- */

static void *log_hundred(void *data)
{
    for (int i = 0; i < 100; i++) sl_info(data, "hundred", "i", i);
    return NULL;
}

/* More threads than rings, at once and one after the other: rings are given on, and who has none
 * writes itself. */
static void test_threads_come_and_go(void)
{
    struct sl_async_options async = { .ring_count = 2, .ring_size = 1 << 16 };
    struct sl_logger *log = open_async(async, (struct sl_sink_options){ 0 });
    for (int round = 0; round < 5; round++) {
        pthread_t threads[6];
        for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, log_hundred, log) == 0);
        for (int i = 0; i < 6; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    EXPECT_INT(0, sl_flush(log));
    EXPECT_INT(3000, (int64_t)count_text(file_text(), "\"message\":\"hundred\""));
    sl_unref(log);
}

static void test_in_order_of_time(void)
{
    struct sl_logger *log =
        open_async((struct sl_async_options){ 0 }, (struct sl_sink_options){ 0 });
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, log_hundred, log) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    EXPECT_INT(0, sl_flush(log));
    static const char key[] = "{\"@timestamp\":\"";
    const char *last = NULL;
    for (const char *line = file_text(); *line != '\0'; line = strchr(line, '\n') + 1) {
        EXPECT(strncmp(line, key, sizeof(key) - 1) == 0);
        if (last != NULL) EXPECT(strncmp(last, line, sizeof(key) + 26) <= 0);
        last = line;
    }
    sl_unref(log);
}

/* ---- processes ---- */

static void test_fork(void)
{
    if (HAS_THREAD_SANITIZER) return;
    struct sl_logger *log =
        open_async((struct sl_async_options){ 0 }, (struct sl_sink_options){ 0 });
    sl_info(log, "parent", "n", 1);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 50; i++) sl_info(log, "child", "i", i);
        sl_unref(log);
        _exit(0);
    }
    sl_info(log, "parent", "n", 2);
    int status = 0;
    (void)waitpid(child, &status, 0);
    EXPECT_INT(0, status);
    EXPECT_INT(0, sl_flush(log));
    const char *text = file_text();
    EXPECT_INT(2, (int64_t)count_text(text, "\"message\":\"parent\""));
    EXPECT_INT(50, (int64_t)count_text(text, "\"message\":\"child\""));
    sl_unref(log);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s.%d", ring_path, (int)child);
    EXPECT(access(path, F_OK) != 0); /* the child's ring went with it */
    EXPECT(access(ring_path, F_OK) != 0);
}

/* How the child ends; what it logged must be in the file then, without a recovery. */
static void expect_written_when(void (*end)(void))
{
    (void)unlink(log_path);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &no_core);
        struct sl_async_options async = { .path = ring_path };
        struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = log_path };
        struct sl_config config = { .sinks = &sink, .sink_count = 1, .async = &async };
        config.flush_on_crash = true;
        if (sl_configure(&config) != 0) _exit(9);
        log_many(NULL, 500);
        end();
        _exit(8);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    EXPECT(!WIFEXITED(status) || WEXITSTATUS(status) < 8);
    EXPECT_INT(500, (int64_t)count_text(file_text(), "\"message\":\"many\""));
    (void)unlink(ring_path);
}

static void end_by_exit(void)
{
    exit(0);
}

static void end_by_fault(void)
{
    (void)raise(SIGSEGV);
}

static void test_exit(void)
{
    expect_written_when(end_by_exit);
}

static void test_abort(void)
{
    expect_written_when(abort);
}

static void test_fault(void)
{
    if (HAS_THREAD_SANITIZER) return;
    expect_written_when(end_by_fault);
}

static void test_after_shutdown(void)
{
    struct sl_async_options async = { .path = ring_path };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = log_path };
    struct sl_config config = { .sinks = &sink, .sink_count = 1, .async = &async };
    (void)unlink(log_path);
    EXPECT_INT(0, sl_configure(&config));
    log_many(NULL, 100);
    sl_shutdown();
    EXPECT_INT(100, (int64_t)count_text(file_text(), "\"message\":\"many\""));
    sl_set_level(NULL, SL_OFF);
    log_many(NULL, 1);
    sl_set_level(NULL, SL_INFO);
    EXPECT(access(ring_path, F_OK) != 0);
}

/* One configuration in place of another while threads log: every line is in one of the files. */
static void *log_until_told(void *data)
{
    int *stop = data;
    int64_t count = 0;
    for (; __atomic_load_n(stop, __ATOMIC_RELAXED) == 0; count++) sl_info(NULL, "kept", "n", count);
    return (void *)(uintptr_t)count;
}

static void test_configured_anew(void)
{
    int stop = 0;
    struct sl_async_options async = { .full_timeout_ms = 60000, .ring_size = 1 << 16 };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = log_path };
    struct sl_config config = { .sinks = &sink, .sink_count = 1, .async = &async };
    char paths[6][128];
    (void)unlink(log_path);
    async.path = ring_path;
    CHECK(sl_configure(&config) == 0);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, log_until_told, &stop) == 0);
    for (int i = 0; i < 6; i++) {
        struct timespec pause = { 0, 3000000 };
        (void)nanosleep(&pause, NULL);
        (void)snprintf(paths[i], sizeof(paths[i]), "%s.%d", ring_path, i);
        async.path = paths[i];
        config.async = i == 4 ? NULL : &async;
        EXPECT_INT(0, sl_configure(&config));
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    uintptr_t logged = 0;
    for (int i = 0; i < 2; i++) {
        void *count = NULL;
        CHECK(pthread_join(threads[i], &count) == 0);
        logged += (uintptr_t)count;
    }
    sl_shutdown();
    FILE *file = fopen(log_path, "r");
    REQUIRE(file != NULL);
    uintptr_t lines = 0;
    for (int c = getc(file); c != EOF; c = getc(file)) lines += c == '\n' ? 1 : 0;
    (void)fclose(file);
    EXPECT_INT((int64_t)logged, (int64_t)lines);
}

/* ---- a disk that is full for a while ---- */

static void test_full_disk_is_tried_again(void)
{
    struct rlimit before;
    struct sl_async_options async = { .retry_ms = 60000 };
    struct sl_logger *log = open_async(async, (struct sl_sink_options){ 0 });
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit small = { 20000, before.rlim_max };
    /* The ring file is there already; only the log is too large now. */
    log_many(log, 1);
    EXPECT_INT(0, sl_flush(log));
    (void)setrlimit(RLIMIT_FSIZE, &small);
    log_many(log, 500);
    EXPECT_INT(-ETIMEDOUT, sl_flush_within(log, 50));
    (void)setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_INT(0, sl_flush(log));
    EXPECT_INT(501, (int64_t)count_text(file_text(), "\"message\":\"many\""));
    sl_unref(log);
}

static void test_wrong_options(void)
{
    static const struct {
        const char *name;
        struct sl_async_options options;
    } rows[] = {
        { "not a power of two", { .ring_size = 100000 } }, { "too small", { .ring_size = 4096 } },
        { "too large", { .ring_size = 1u << 30 } },        { "too many", { .ring_count = 5000 } },
        { "no policy", { .full = (enum sl_full)9 } },      { "no time", { .full_timeout_ms = -1 } },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sl_config config = { .async = &rows[i].options };
        struct sl_logger *log = NULL;
        test_context(rows[i].name);
        EXPECT_INT(-EINVAL, sl_open(&log, &config));
        EXPECT(log == NULL);
    }
    test_context(NULL);
}

/* A ring that a killed process left is recovered by the next that uses its path. */
static void test_next_process_recovers(void)
{
    (void)unlink(log_path);
    pid_t child = fork();
    if (child == 0) {
        struct sl_logger *log =
            open_async((struct sl_async_options){ 0 }, (struct sl_sink_options){ 0 });
        log_many(log, 300);
        (void)kill(getpid(), SIGKILL);
    }
    (void)waitpid(child, NULL, 0);
    EXPECT(access(ring_path, F_OK) == 0);
    struct sl_async_options async = { .path = ring_path };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = log_path };
    struct sl_config config = { .sinks = &sink, .sink_count = 1, .async = &async };
    struct sl_logger *log = NULL;
    EXPECT_INT(0, sl_open(&log, &config));
    sl_info(log, "after");
    sl_unref(log);
    const char *text = file_text();
    EXPECT_INT(300, (int64_t)count_text(text, "\"message\":\"many\""));
    EXPECT_INT(1, (int64_t)count_text(text, "\"message\":\"after\""));
}

static int take_nothing(void *context, const char *path, const char *line, size_t size)
{
    (void)context;
    (void)path;
    (void)line;
    (void)size;
    return 0;
}

static void test_other_versions(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct sl_logger *log =
            open_async((struct sl_async_options){ 0 }, (struct sl_sink_options){ 0 });
        log_many(log, 300);
        (void)kill(getpid(), SIGKILL);
    }
    (void)waitpid(child, NULL, 0);
    static const int codes[] = { -EPROTONOSUPPORT, 0, 0, -EPROTONOSUPPORT };
    int file = open(ring_path, O_RDWR | O_CLOEXEC);
    CHECK(file >= 0);
    for (uint32_t version = 0; version < 4; version++) {
        struct sl_recovery recovery;
        CHECK(pwrite(file, &version, sizeof(version), 8) == sizeof(version));
        EXPECT_INT(codes[version], sl_recover(ring_path, take_nothing, NULL, &recovery));
    }
    (void)close(file);
    (void)unlink(ring_path);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(test_same_lines),
        TEST(test_same_lines_in_cells),
        TEST(test_full_drop),
        TEST(test_full_drop_below),
        TEST(test_full_block_gives_up),
        TEST(test_full_block),
        TEST(test_full_sync),
        TEST(test_flush_has_a_deadline),
        TEST(test_threads_come_and_go),
        TEST(test_in_order_of_time),
        TEST(test_fork),
        TEST(test_exit),
        TEST(test_abort),
        TEST(test_fault),
        TEST(test_after_shutdown),
        TEST(test_configured_anew),
        TEST(test_full_disk_is_tried_again),
        TEST(test_wrong_options),
        TEST(test_next_process_recovers),
        TEST(test_other_versions),
    };
    (void)snprintf(log_path, sizeof(log_path), "/dev/shm/structlog_async.%d.json", (int)getpid());
    (void)snprintf(ring_path, sizeof(ring_path), "/dev/shm/structlog_async.%d.ring", (int)getpid());
    int status = test_main(tests, ARRAY_LENGTH(tests));
    (void)unlink(log_path);
    (void)unlink(ring_path);
    return status;
}
