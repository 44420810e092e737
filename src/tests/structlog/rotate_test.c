/* rotate_test.c - rotation by time, what is kept, compression, clocks that jump.
 *
 * Goal: the promises of rotate.c and archive.c: intervals, a clock that is set, no line lost while
 * processes rotate and compress, one whole file at any moment when a compressor is killed. Method:
 * the program's own clock_gettime and time, which the linker finds before libc's, move the wall
 * clock; gzip(1) reads what was compressed.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Children of this process, which has had threads, have threads too; ThreadSanitizer minds. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

/* ---- a clock that can be set ---- */

static _Atomic int64_t fake_second; /* 0: the real one */
static _Atomic int64_t fake_boot;   /* seconds that have passed more than really */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long code = syscall(SYS_clock_gettime, clock, now);
    bool is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (code == 0 && is_wall && fake_second != 0) now->tv_sec = (time_t)fake_second;
    if (code == 0 && clock == CLOCK_BOOTTIME) now->tv_sec += (time_t)fake_boot;
    return (int)code;
}

time_t time(time_t *out)
{
    struct timespec now = { 0, 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

#define NOON INT64_C(1767268800) /* 2026-01-01T12:00:00Z, a Thursday */
#define HOUR 3600

/* ---- files ---- */

static char directory[64];

static void make_directory(void)
{
    (void)snprintf(directory, sizeof(directory), "/tmp/structlog_rotate.");
    size_t size = strlen(directory);
    memset(directory + size, 'X', 6);
    directory[size + 6] = '\0';
    CHECK(mkdtemp(directory) != NULL);
    fake_second = 0;
    fake_boot = 0;
}

static const char *path_of(const char *name)
{
    static char paths[4][400];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void remove_files(void)
{
    DIR *open = opendir(directory);
    CHECK(open != NULL);
    for (struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
        if (entry->d_name[0] != '.' || entry->d_name[1] == 'a') {
            (void)unlink(path_of(entry->d_name));
        }
    }
    (void)closedir(open);
}

/* A compressor may be at work yet, and bring one file more. */
static void remove_directory(void)
{
    struct timespec pause = { 0, 10000000 };
    int code = -1;
    for (int i = 0; i < 1000 && code != 0; i++) {
        if (i > 0) (void)nanosleep(&pause, NULL);
        remove_files();
        code = rmdir(directory);
    }
    EXPECT_INT(0, code);
}

static struct sl_logger *open_file(struct sl_sink_options sink)
{
    struct sl_logger *log = NULL;
    sink.kind = SL_SINK_FILE;
    sink.path = path_of("a.json");
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    int code = sl_open(&log, &config);
    if (code != 0) (void)fprintf(stderr, "sl_open: %s\n", strerror(-code));
    CHECK(code == 0);
    return log;
}

static bool is_there(const char *name)
{
    struct stat status;
    return stat(path_of(name), &status) == 0;
}

/* Lines of a file, or of what gzip makes of it; -1: not there, or not whole. */
static int64_t lines_of(const char *name)
{
    char command[512];
    size_t size = strlen(name);
    bool is_packed = size > 3 && strcmp(name + size - 3, ".gz") == 0;
    if (!is_there(name)) return -1;
    (void)snprintf(command, sizeof(command), "%s '%s' 2>/dev/null", is_packed ? "gzip -dc" : "cat",
                   path_of(name));
    FILE *file = popen(command, "r");
    if (file == NULL) return -1;
    char line[4096];
    int64_t lines = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        bool is_whole = line[0] == '{' && strcmp(line + strlen(line) - 2, "}\n") == 0;
        lines += is_whole ? 1 : 1000000;
    }
    return pclose(file) == 0 ? lines : -1;
}

static void expect_files(const char *const *names, size_t count, const int64_t *lines)
{
    for (size_t i = 0; i < count; i++) {
        test_context(names[i]);
        EXPECT_INT(lines[i], lines_of(names[i]));
    }
    test_context(NULL);
}

static const char *const numbered[] = { "a.json", "a.json.1", "a.json.2", "a.json.3", "a.json.4" };

/* ---- intervals ---- */

static void a_new_interval_rotates_with_its_first_line(void)
{
    make_directory();
    fake_second = NOON - 10;
    struct sl_logger *log = open_file((struct sl_sink_options){ .rotate_interval_s = HOUR });
    for (int i = 0; i < 3; i++) sl_info(log, "before noon");
    fake_second = NOON - 1;
    sl_info(log, "before noon");
    fake_second = NOON;
    sl_info(log, "noon");
    fake_second = NOON + HOUR - 1;
    sl_info(log, "before one");
    fake_boot = 5 * HOUR;
    fake_second = NOON + 5 * HOUR; /* four hours without a line leave no file */
    sl_info(log, "five");
    sl_unref(log);
    static const int64_t lines[] = { 1, 2, 4, -1, -1 };
    expect_files(numbered, 5, lines);
    remove_directory();
}

static void the_offset_moves_the_boundaries(void)
{
    make_directory();
    fake_second = NOON + 3 * 86400; /* a Sunday */
    struct sl_sink_options sink = { .rotate_interval_s = 7 * 86400, .rotate_offset_s = 4 * 86400 };
    struct sl_logger *log = open_file(sink);
    sl_info(log, "sunday");
    fake_second += 43200 - 1;
    sl_info(log, "sunday");
    fake_second += 1;
    sl_info(log, "monday");
    sl_unref(log);
    static const int64_t lines[] = { 1, 2, -1 };
    expect_files(numbered, 3, lines);
    remove_directory();
}

static void a_file_of_yesterday_is_rotated_at_the_start(void)
{
    make_directory();
    FILE *file = fopen(path_of("a.json"), "w");
    CHECK(file != NULL && fputs("{}\n", file) >= 0 && fclose(file) == 0);
    struct timespec times[2] = { { NOON - 86400, 0 }, { NOON - 86400, 0 } };
    CHECK(utimensat(AT_FDCWD, path_of("a.json"), times, 0) == 0);
    fake_second = NOON;
    for (int i = 0; i < 2; i++) { /* and by the next start of the same day it is not */
        struct sl_logger *log = open_file((struct sl_sink_options){ .rotate_interval_s = 86400 });
        sl_info(log, "today");
        sl_unref(log);
        CHECK(utimensat(AT_FDCWD, path_of("a.json"),
                        (struct timespec[2]){ { NOON, 0 }, { NOON, 0 } }, 0) == 0);
    }
    static const int64_t lines[] = { 2, 1, -1 };
    expect_files(numbered, 3, lines);
    remove_directory();
}

static void asynchronous_lines_rotate_too(void)
{
    make_directory();
    fake_second = NOON - 10;
    struct sl_logger *log = NULL;
    struct sl_async_options async = { .path = path_of("a.ring") };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = path_of("a.json") };
    sink.rotate_interval_s = HOUR;
    struct sl_config config = { .sinks = &sink, .sink_count = 1, .async = &async };
    CHECK(sl_open(&log, &config) == 0);
    for (int i = 0; i < 100; i++) sl_info(log, "before noon");
    EXPECT_INT(0, sl_flush(log));
    fake_second = NOON;
    for (int i = 0; i < 50; i++) sl_info(log, "noon");
    EXPECT_INT(0, sl_flush(log));
    sl_unref(log);
    /* And lines that tell of the clock, which stands still or jumps. */
    EXPECT(lines_of("a.json.1") >= 100 && lines_of("a.json.1") < 120);
    EXPECT(lines_of("a.json") >= 50 && lines_of("a.json") < 70);
    EXPECT(!is_there("a.json.2"));
    remove_directory();
}

/* ---- a clock that is set ---- */

static void a_clock_set_back_rotates_nothing(void)
{
    make_directory();
    fake_second = NOON + 10;
    struct sl_logger *log = open_file((struct sl_sink_options){ .rotate_interval_s = HOUR });
    sl_info(log, "first");
    fake_second -= HOUR;
    sl_info(log, "an hour back");
    fake_second += HOUR;
    sl_info(log, "noon again");
    static const int64_t one_file[] = { 3, -1 };
    expect_files(numbered, 2, one_file);
    fake_boot = HOUR;
    fake_second = NOON + HOUR;
    sl_info(log, "one");
    static const int64_t two_files[] = { 1, 3, -1 };
    expect_files(numbered, 3, two_files);
    sl_unref(log);
    remove_directory();
}

static void a_clock_that_was_years_ahead_does_not_stop_rotation(void)
{
    make_directory();
    fake_second = NOON + 10 * 365 * 86400;
    struct sl_logger *log = open_file((struct sl_sink_options){ .rotate_interval_s = HOUR });
    sl_info(log, "too early");
    fake_second = NOON + 10;
    sl_info(log, "right");
    fake_boot = HOUR;
    fake_second = NOON + HOUR + 10;
    sl_info(log, "an hour later");
    sl_unref(log);
    static const int64_t lines[] = { 1, 2, -1 };
    expect_files(numbered, 3, lines);
    remove_directory();
}

static void a_clock_set_forward_rotates_once(void)
{
    make_directory();
    fake_second = NOON + 10;
    struct sl_logger *log = open_file((struct sl_sink_options){ .rotate_interval_s = HOUR });
    for (int i = 0; i < 10; i++) sl_info(log, "before");
    fake_second += 30 * 86400;
    for (int i = 0; i < 10; i++) sl_info(log, "after");
    sl_unref(log);
    static const int64_t lines[] = { 10, 10, -1 };
    expect_files(numbered, 3, lines);
    remove_directory();
}

static void a_clock_that_swings_rotates_seldom(void)
{
    make_directory();
    struct sl_sink_options sink = { .rotate_interval_s = HOUR, .rotate_count_max = 900 };
    fake_second = NOON + 10;
    struct sl_logger *log = open_file(sink);
    for (int i = 0; i < 200; i++) {
        fake_second = i % 2 == 0 ? NOON + 10 : NOON + 86400;
        fake_boot = i * 60; /* 200 minutes */
        sl_info(log, "there");
    }
    sl_unref(log);
    int files = 0;
    for (int i = 1; i < 300; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "a.json.%d", i);
        files += is_there(name) ? 1 : 0;
    }
    EXPECT(files >= 1 && files <= 7);
    remove_directory();
}

/* Times are what the clock said, also when it ran back; order is that of the calls. */
static void stamps_follow_the_clock_back(void)
{
    make_directory();
    fake_second = NOON;
    struct sl_logger *log = open_file((struct sl_sink_options){ 0 });
    sl_info(log, "noon");
    fake_second = NOON - HOUR;
    sl_info(log, "eleven");
    fake_second = NOON + HOUR;
    sl_info(log, "one");
    sl_unref(log);
    char text[4096] = "";
    FILE *file = fopen(path_of("a.json"), "r");
    REQUIRE(file != NULL);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    const char *noon = strstr(text, "{\"@timestamp\":\"2026-01-01T12:00:00.");
    const char *eleven = strstr(text, "{\"@timestamp\":\"2026-01-01T11:00:00.");
    const char *one = strstr(text, "{\"@timestamp\":\"2026-01-01T13:00:00.");
    REQUIRE(noon != NULL && eleven != NULL && one != NULL);
    EXPECT(noon < eleven && eleven < one);
    remove_directory();
}

/* ---- what is kept ---- */

static void put_old_file(const char *name, size_t size, int64_t second)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    struct timespec times[2] = { { (time_t)second, 0 }, { (time_t)second, 0 } };
    CHECK(futimens(fd, times) == 0 && close(fd) == 0);
}

static void files_go_one_by_one_when_they_are_too_old(void)
{
    make_directory();
    fake_second = NOON;
    put_old_file("a.json.1", 10, NOON - 86400);
    put_old_file("a.json.2", 10, NOON - 20 * 86400);
    put_old_file("a.json.3.gz", 10, NOON - 40 * 86400);
    put_old_file("a.json.4", 10, NOON - 41 * 86400);
    struct sl_sink_options sink = { .rotate_size_max = 1 << 20, .rotate_age_max_s = 30 * 86400 };
    struct sl_logger *log = open_file(sink);
    sl_info(log, "line");
    EXPECT(!is_there("a.json.4") && is_there("a.json.3.gz"));
    fake_second += 59;
    sl_info(log, "line");
    EXPECT(is_there("a.json.3.gz"));
    for (int i = 0; i < 5; i++) {
        fake_second += 60;
        sl_info(log, "line");
    }
    EXPECT(!is_there("a.json.3.gz") && is_there("a.json.2") && is_there("a.json.1"));
    sl_unref(log);
    remove_directory();
}

static void the_oldest_go_when_all_are_too_large(void)
{
    make_directory();
    put_old_file("a.json.1", 4000, NOON);
    put_old_file("a.json.2.gz", 3000, NOON);
    put_old_file("a.json.3", 5000, NOON);
    struct sl_sink_options sink = { .rotate_size_max = 2000, .rotate_total_size_max = 9500 };
    struct sl_logger *log = open_file(sink);
    for (int i = 0; i < 20; i++) sl_info(log, "line", "i", i); /* one rotation, of 2,000 bytes */
    sl_unref(log);
    EXPECT(is_there("a.json.1") && is_there("a.json.2") && is_there("a.json.3.gz"));
    EXPECT(!is_there("a.json.4") && !is_there("a.json.4.gz"));
    remove_directory();
}

static void wrong_options_are_refused(void)
{
    static const struct {
        struct sl_sink_options sink;
        int code;
    } rows[] = {
        { { .rotate_age_max_s = 5 }, -EINVAL },
        { { .rotate_total_size_max = 5 }, -EINVAL },
        { { .rotate_compression = SL_COMPRESSION_GZIP }, -EINVAL },
        { { .rotate_interval_s = 400 * 86400 }, -EINVAL },
        { { .rotate_interval_s = 60, .rotate_offset_s = 60 }, -EINVAL },
        { { .rotate_interval_s = 60, .rotate_offset_s = -60 }, -EINVAL },
        { { .rotate_interval_s = 60, .rotate_compression = (enum sl_compression)7 }, -EINVAL },
        { { .kind = SL_SINK_STDERR, .rotate_interval_s = 60 }, -EINVAL },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sl_logger *log = NULL;
        struct sl_sink_options sink = rows[i].sink;
        if (i + 1 < ARRAY_LENGTH(rows)) sink.kind = SL_SINK_FILE;
        sink.path = "/tmp/structlog_rotate_wrong.json";
        struct sl_config config = { .sinks = &sink, .sink_count = 1 };
        EXPECT_INT(rows[i].code, sl_open(&log, &config));
        EXPECT(log == NULL);
    }
}

/* All of it from the environment, over a configuration that has none of it. */
static void the_environment_rotates(void)
{
    make_directory();
    CHECK(setenv("SL_FILE", path_of("a.json"), 1) == 0);
    CHECK(setenv("SL_ROTATE", "2k,9,every=1h,offset=-30m,age=30d,total=20k", 1) == 0);
    fake_second = NOON;
    put_old_file("a.json.8", 10, NOON - 31 * 86400);
    put_old_file("a.json.5", 19000, NOON);
    CHECK(sl_configure_from_environment(NULL) == 0);
    sl_info(NULL, "noon");
    EXPECT(!is_there("a.json.8"));
    fake_boot = HOUR;
    fake_second += HOUR / 2;
    sl_info(NULL, "half past");
    for (int i = 0; i < 20; i++) sl_info(NULL, "line", "i", i);
    sl_shutdown();
    EXPECT_INT(1, lines_of("a.json.2"));
    EXPECT(!is_there("a.json.6") && !is_there("a.json.7"));
    CHECK(unsetenv("SL_FILE") == 0 && unsetenv("SL_ROTATE") == 0);
    remove_directory();
}

/* ---- compression ---- */

static struct sl_sink_options packed_options(uint64_t size)
{
    return (struct sl_sink_options){ .rotate_size_max = size,
                                     .rotate_count_max = 900,
                                     .rotate_compression = SL_COMPRESSION_GZIP };
}

static void nap(long ms)
{
    struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&pause, NULL);
}

/* Waits for it; a loaded machine may need long. */
static bool comes_to_be(const char *name)
{
    for (int i = 0; i < 3000 && !is_there(name); i++) nap(10);
    return is_there(name);
}

static bool goes_away(const char *name)
{
    for (int i = 0; i < 3000 && is_there(name); i++) nap(10);
    return !is_there(name);
}

static void old_files_are_compressed(void)
{
    make_directory();
    struct sl_logger *log = open_file(packed_options(2000));
    for (int i = 0; i < 100; i++) sl_info(log, "line", "i", i); /* 16 in a file */
    EXPECT(comes_to_be("a.json.6.gz") && goes_away("a.json.2"));
    sl_unref(log);
    EXPECT(is_there("a.json.1") && !is_there("a.json.1.gz")); /* as it is, for who reads it yet */
    int64_t lines = lines_of("a.json") + lines_of("a.json.1");
    for (int i = 2; i <= 6; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "a.json.%d.gz", i);
        lines += lines_of(name);
    }
    EXPECT_INT(100, lines);
    remove_directory();
}

static void a_file_that_a_writer_holds_is_left_alone(void)
{
    make_directory();
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    pid_t child = fork(); /* writes one line, and then sleeps with the file open */
    CHECK(child >= 0);
    if (child == 0) {
        struct sl_logger *log = open_file(packed_options(2000));
        sl_info(log, "held");
        CHECK(write(pipes[1], "x", 1) == 1);
        for (;;) nap(1000);
    }
    char byte = 0;
    (void)close(pipes[1]);
    CHECK(read(pipes[0], &byte, 1) == 1);
    struct sl_logger *log = open_file(packed_options(2000));
    for (int i = 0; i < 100; i++) sl_info(log, "line", "i", i);
    EXPECT(comes_to_be("a.json.5.gz")); /* younger ones are done, the oldest is held */
    EXPECT(is_there("a.json.6") && !is_there("a.json.6.gz"));
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    for (int i = 0; i < 20; i++) sl_info(log, "line", "i", i);
    EXPECT(comes_to_be("a.json.7.gz") && goes_away("a.json.7"));
    sl_unref(log);
    (void)close(pipes[0]);
    remove_directory();
}

#define PROCESS_COUNT 4
#define THREAD_COUNT  2
#define LINES_EACH    3000

static void *write_lines(void *data)
{
    struct sl_logger *log = data;
    for (int n = 0; n < LINES_EACH; n++) sl_info(log, "line", "n", n, "pad", "xxxxxxxxxxxxxxxx");
    return NULL;
}

static int64_t all_lines(bool *has_both)
{
    int64_t lines = lines_of("a.json");
    for (int i = 1; i <= 900; i++) {
        char plain[32];
        char packed[40];
        (void)snprintf(plain, sizeof(plain), "a.json.%d", i);
        (void)snprintf(packed, sizeof(packed), "a.json.%d.gz", i);
        bool is_plain = is_there(plain);
        bool is_packed = is_there(packed);
        if (is_plain && is_packed) *has_both = true;
        if (is_plain) lines += lines_of(plain);
        if (is_packed && !is_plain) lines += lines_of(packed);
        if (is_packed && is_plain && lines_of(packed) != lines_of(plain)) lines += 100000000;
    }
    return lines;
}

static void processes_rotate_and_compress_without_losing_a_line(void)
{
    make_directory();
    pid_t children[PROCESS_COUNT];
    for (int i = 0; i < PROCESS_COUNT; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] != 0) continue;
        struct sl_sink_options sink = packed_options(100000);
        sink.rotate_interval_s = 1;
        struct sl_logger *log = open_file(sink);
        pthread_t threads[THREAD_COUNT];
        for (int k = 0; k < THREAD_COUNT; k++) {
            CHECK(pthread_create(&threads[k], NULL, write_lines, log) == 0);
        }
        for (int k = 0; k < THREAD_COUNT; k++) CHECK(pthread_join(threads[k], NULL) == 0);
        sl_unref(log);
        struct sl_stats stats;
        sl_stats(&stats);
        _exit(stats.lost_count == 0 && stats.compression_failed_count == 0 ? 0 : 1);
    }
    for (int i = 0; i < PROCESS_COUNT; i++) {
        int status = 1;
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        EXPECT_INT(0, status);
    }
    bool has_both = false;
    EXPECT_INT((int64_t)PROCESS_COUNT * THREAD_COUNT * LINES_EACH, all_lines(&has_both));
    remove_directory();
}

/* Killed at any moment: each file is there whole, plain or compressed; the next process goes on. */
static void a_killed_compressor_leaves_whole_files(void)
{
    make_directory();
    int64_t logged = 0;
    bool has_both = false;
    unsigned seed = 12345;
    int cut_count = 0;
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            struct sl_logger *log = open_file(packed_options(400000));
            for (int i = 0; i < 6000; i++) sl_info(log, "line", "i", i, "round", round);
            CHECK(write(pipes[1], "x", 1) == 1);
            for (;;) nap(1000);
        }
        seed = seed * 1103515245 + 12345;
        char byte = 0;
        CHECK(read(pipes[0], &byte, 1) == 1);
        logged += 6000;
        nap((long)(seed >> 16) % 30);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        if (is_there(".a.json.gz.tmp")) cut_count++;
        EXPECT_INT(logged, all_lines(&has_both));
    }
    printf("# %d of 12 were compressing when they were killed\n", cut_count);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    struct sl_logger *log = open_file(packed_options(400000));
    EXPECT(goes_away("a.json.2") && goes_away("a.json.9"));
    EXPECT(goes_away(".a.json.gz.tmp"));
    sl_unref(log);
    EXPECT_INT(logged, all_lines(&has_both));
    remove_directory();
}

int main(void)
{
    static const struct test tests[] = {
        TEST(processes_rotate_and_compress_without_losing_a_line),
        TEST(a_new_interval_rotates_with_its_first_line),
        TEST(the_offset_moves_the_boundaries),
        TEST(a_file_of_yesterday_is_rotated_at_the_start),
        TEST(asynchronous_lines_rotate_too),
        TEST(a_clock_set_back_rotates_nothing),
        TEST(a_clock_that_was_years_ahead_does_not_stop_rotation),
        TEST(a_clock_set_forward_rotates_once),
        TEST(a_clock_that_swings_rotates_seldom),
        TEST(stamps_follow_the_clock_back),
        TEST(files_go_one_by_one_when_they_are_too_old),
        TEST(the_oldest_go_when_all_are_too_large),
        TEST(wrong_options_are_refused),
        TEST(the_environment_rotates),
        TEST(a_file_that_a_writer_holds_is_left_alone),
        TEST(a_killed_compressor_leaves_whole_files),
        TEST(old_files_are_compressed),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
