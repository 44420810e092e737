/* file_test.c - files under everything that happens to files: every line accounted for, none torn.
 *
 * Goal: written + lost = logged, and each line whole, with several processes and threads, rotation,
 * a limit on the file's size in place of a full disk, renames from outside, fork with a full
 * buffer. Method: real files in a directory of the test's own, read back line by line.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char directory[64];

static void make_directory(void)
{
    (void)snprintf(directory, sizeof(directory), "/tmp/structlog_test.");
    size_t size = strlen(directory);
    memset(directory + size, 'X', 6);
    directory[size + 6] = '\0';
    CHECK(mkdtemp(directory) != NULL);
}

static const char *path_of(const char *name)
{
    static char paths[4][400];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void remove_directory(void)
{
    DIR *open = opendir(directory);
    CHECK(open != NULL);
    for (struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlink(path_of(entry->d_name));
        }
    }
    (void)closedir(open);
    EXPECT_INT(0, rmdir(directory));
}

static struct sl_logger *open_file(struct sl_sink_options sink)
{
    struct sl_logger *log = NULL;
    sink.kind = SL_SINK_FILE;
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    CHECK(sl_open(&log, &config) == 0);
    return log;
}

struct reading {
    int whole, blank, broken;
};

static bool is_blank(const char *line)
{
    return line[strspn(line, " \n")] == '\0';
}

/* Lines carry who and n; marks seen[who][n]. */
static void read_file(const char *path, struct reading *reading, unsigned char *seen, int per_who)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return;
    char line[4096];
    while (fgets(line, sizeof(line), file) != NULL) {
        int who = -1;
        int n = -1;
        const char *fields = strstr(line, ",\"who\":");
        if (is_blank(line)) {
            reading->blank++;
        } else if (strncmp(line, "{\"@timestamp\":\"", 15) == 0 && fields != NULL &&
                   sscanf(fields, ",\"who\":%d,\"n\":%d,\"pad\":\"xxxxxxxxxxxxxxxxxxxx\"}\n", &who,
                          &n) == 2 &&
                   strcmp(line + strlen(line) - 3, "\"}\n") == 0) {
            reading->whole++;
            if (seen != NULL) seen[who * per_who + n]++;
        } else {
            reading->broken++;
        }
    }
    (void)fclose(file);
}

static void log_n(struct sl_logger *log, int who, int n)
{
    sl_info(log, "line", "who", who, "n", n, "pad", "xxxxxxxxxxxxxxxxxxxx");
}

static void appends_to_what_is_there(void)
{
    make_directory();
    for (int i = 0; i < 3; i++) {
        struct sl_logger *log = open_file((struct sl_sink_options){ .path = path_of("a.json") });
        log_n(log, 0, i);
        sl_unref(log);
    }
    struct reading reading = { 0 };
    read_file(path_of("a.json"), &reading, NULL, 0);
    EXPECT_INT(3, reading.whole);
    EXPECT_INT(0, reading.broken);
    struct stat status;
    EXPECT(stat(path_of(".a.json.lock"), &status) != 0); /* only rotation needs it */
    remove_directory();
}

static void rotation_keeps_the_youngest(void)
{
    make_directory();
    struct sl_sink_options sink = { .path = path_of("a.json") };
    sink.rotate_size_max = 2000;
    sink.rotate_count_max = 3;
    struct sl_logger *log = open_file(sink);
    for (int i = 0; i < 100; i++) log_n(log, 0, i);
    sl_unref(log);
    unsigned char seen[100] = { 0 };
    struct reading reading = { 0 };
    static const char *const names[] = { "a.json", "a.json.1", "a.json.2", "a.json.3" };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct stat status;
        test_context(names[i]);
        EXPECT_INT(0, stat(path_of(names[i]), &status));
        EXPECT(status.st_size <= 2000);
        read_file(path_of(names[i]), &reading, seen, 100);
    }
    test_context(NULL);
    struct stat status;
    EXPECT(stat(path_of("a.json.4"), &status) != 0);
    EXPECT_INT(0, reading.broken);
    /* What is kept is an unbroken run up to the last line. */
    for (int i = 100 - reading.whole; i < 100; i++) EXPECT_INT(1, seen[i]);
    EXPECT_INT(1, seen[99]);
    remove_directory();
}

#define PROCESS_COUNT 4
#define THREAD_COUNT  2
#define LINES_PER_WHO 3000
#define ROTATED_SIZE  60000
#define ROTATED_COUNT 99

struct writer {
    struct sl_logger *log;
    int who;
};

static void *write_lines(void *data)
{
    const struct writer *writer = data;
    for (int n = 0; n < LINES_PER_WHO; n++) log_n(writer->log, writer->who, n);
    return NULL;
}

static void write_as_process(int process, size_t buffer_size)
{
    struct sl_sink_options sink = { .path = path_of("shared.json"), .buffer_size = buffer_size };
    sink.rotate_size_max = ROTATED_SIZE;
    sink.rotate_count_max = ROTATED_COUNT;
    struct sl_logger *log = open_file(sink);
    struct writer writers[THREAD_COUNT];
    pthread_t threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        writers[i] = (struct writer){ log, process * THREAD_COUNT + i };
        CHECK(pthread_create(&threads[i], NULL, write_lines, &writers[i]) == 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    sl_unref(log);
    struct sl_stats stats;
    sl_stats(&stats);
    _exit(stats.lost_count == 0 ? 0 : 1);
}

static void check_all_lines(void)
{
    static unsigned char seen[PROCESS_COUNT * THREAD_COUNT * LINES_PER_WHO];
    memset(seen, 0, sizeof(seen));
    struct reading reading = { 0 };
    read_file(path_of("shared.json"), &reading, seen, LINES_PER_WHO);
    int files = 1;
    for (int i = 1; i <= ROTATED_COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "shared.json.%d", i);
        struct stat status;
        if (stat(path_of(name), &status) != 0) continue;
        files++;
        read_file(path_of(name), &reading, seen, LINES_PER_WHO);
    }
    EXPECT_INT((int64_t)sizeof(seen), reading.whole);
    EXPECT_INT(0, reading.broken);
    EXPECT_INT(0, reading.blank);
    int missing = 0;
    for (size_t i = 0; i < sizeof(seen); i++) missing += seen[i] != 1;
    EXPECT_INT(0, missing);
    EXPECT(files > 20 && files < ROTATED_COUNT); /* rotated often, and nothing fell off the end */
}

static void run_processes(size_t buffer_size)
{
    make_directory();
    pid_t children[PROCESS_COUNT];
    for (int i = 0; i < PROCESS_COUNT; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) write_as_process(i, buffer_size);
    }
    for (int i = 0; i < PROCESS_COUNT; i++) {
        int status = 1;
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        EXPECT_INT(0, status);
    }
    check_all_lines();
    remove_directory();
}

static void processes_and_threads_share_a_rotating_file(void)
{
    run_processes(0);
}

static void and_with_buffers(void)
{
    run_processes(8192);
}

static void a_cut_line_is_blanked_and_counted(void)
{
    make_directory();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = { 1000, 1000 };
        struct sl_logger *log = open_file((struct sl_sink_options){ .path = path_of("a.json") });
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        (void)close(STDERR_FILENO);
        for (int i = 0; i < 20; i++) log_n(log, 0, i);
        EXPECT_INT(-EFBIG, sl_flush(log));
        struct sl_stats stats;
        sl_stats(&stats);
        CHECK(stats.written_count + stats.lost_count == 20);
        sl_unref(log);
        _exit((int)stats.written_count);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    struct reading reading = { 0 };
    read_file(path_of("a.json"), &reading, NULL, 0);
    EXPECT(WIFEXITED(status) && reading.whole > 0 && reading.whole < 20);
    EXPECT_INT(WEXITSTATUS(status), reading.whole);
    EXPECT_INT(0, reading.broken);
    EXPECT_INT(1, reading.blank);
    remove_directory();
}

static void a_cut_buffer_loses_only_what_did_not_fit(void)
{
    make_directory();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = { 3000, 3000 };
        struct sl_logger *log =
            open_file((struct sl_sink_options){ .path = path_of("a.json"), .buffer_size = 8192 });
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        (void)close(STDERR_FILENO);
        for (int i = 0; i < 40; i++) log_n(log, 0, i);
        EXPECT_INT(-EFBIG, sl_flush(log));
        struct sl_stats stats;
        sl_stats(&stats);
        CHECK(stats.lost_count == 0); /* the rest waits in the buffer */
        sl_unref(log);
        sl_stats(&stats);
        CHECK(stats.written_count + stats.lost_count == 40);
        _exit((int)stats.written_count);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    struct reading reading = { 0 };
    read_file(path_of("a.json"), &reading, NULL, 0);
    EXPECT(reading.whole > 5);
    EXPECT_INT(WEXITSTATUS(status), reading.whole);
    EXPECT_INT(0, reading.broken);
    remove_directory();
}

#define DISK_LINES 20000

static void *fill_the_disk(void *data)
{
    const struct writer *writer = data;
    for (int n = 0; n < DISK_LINES; n++) log_n(writer->log, writer->who, n);
    return NULL;
}

/* In a child with a tmpfs of its own; the exit status: 0, or 77 where mounting is not allowed. */
static void write_to_a_small_disk(void)
{
    const char *path = path_of("a.json");
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(77);
    (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("tmpfs", directory, "tmpfs", 0, "size=1m") != 0) _exit(77);
    (void)close(STDERR_FILENO);
    struct sl_sink_options sink = { .path = path };
    sink.rotate_size_max = 300000;
    sink.rotate_count_max = 50;
    struct sl_logger *log = open_file(sink);
    struct writer writers[THREAD_COUNT];
    pthread_t threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        writers[i] = (struct writer){ log, i };
        CHECK(pthread_create(&threads[i], NULL, fill_the_disk, &writers[i]) == 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    sl_unref(log);
    struct sl_stats stats;
    sl_stats(&stats);
    struct reading reading = { 0 };
    read_file(path, &reading, NULL, 0);
    for (int i = 1; i <= 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "a.json.%d", i);
        read_file(path_of(name), &reading, NULL, 0);
    }
    if (stats.lost_count == 0) _exit(2); /* the disk was to be full */
    if (stats.written_count + stats.lost_count != (uint64_t)THREAD_COUNT * DISK_LINES) _exit(3);
    if (stats.written_count != (uint64_t)reading.whole || reading.broken != 0) _exit(4);
    _exit(0);
}

static void a_full_disk_tears_no_line(void)
{
    make_directory();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) write_to_a_small_disk();
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        printf("# no full disk here: mounting a tmpfs is not allowed\n");
    } else {
        EXPECT_INT(0, WEXITSTATUS(status));
    }
    remove_directory();
}

static void follows_a_rename_when_asked(void)
{
    make_directory();
    struct sl_logger *log = open_file((struct sl_sink_options){ .path = path_of("a.json") });
    log_n(log, 0, 0);
    CHECK(rename(path_of("a.json"), path_of("moved.json")) == 0);
    sl_reopen();
    log_n(log, 0, 1);
    sl_unref(log);
    struct reading old = { 0 };
    struct reading new = { 0 };
    read_file(path_of("moved.json"), &old, NULL, 0);
    read_file(path_of("a.json"), &new, NULL, 0);
    EXPECT_INT(1, old.whole);
    EXPECT_INT(1, new.whole);
    remove_directory();
}

static void a_relative_path_outlives_chdir(void)
{
    make_directory();
    char before[4096];
    CHECK(getcwd(before, sizeof(before)) != NULL);
    CHECK(chdir(directory) == 0);
    struct sl_logger *log = open_file((struct sl_sink_options){ .path = "a.json" });
    CHECK(chdir("/") == 0);
    sl_reopen();
    log_n(log, 0, 0);
    sl_unref(log);
    CHECK(chdir(before) == 0);
    struct reading reading = { 0 };
    read_file(path_of("a.json"), &reading, NULL, 0);
    EXPECT_INT(1, reading.whole);
    remove_directory();
}

static void follows_a_rename_by_itself(void)
{
    make_directory();
    struct sl_logger *log = open_file((struct sl_sink_options){ .path = path_of("a.json") });
    log_n(log, 0, 0);
    CHECK(rename(path_of("a.json"), path_of("moved.json")) == 0);
    struct timespec pause = { 2, 10000000 };
    (void)nanosleep(&pause, NULL);
    log_n(log, 0, 1);
    sl_unref(log);
    struct reading new = { 0 };
    read_file(path_of("a.json"), &new, NULL, 0);
    EXPECT_INT(1, new.whole);
    remove_directory();
}

static void a_fork_writes_no_line_twice(void)
{
    make_directory();
    struct sl_logger *log =
        open_file((struct sl_sink_options){ .path = path_of("a.json"), .buffer_size = 65536 });
    log_n(log, 0, 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        log_n(log, 0, 1);
        (void)sl_flush(log);
        _exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    log_n(log, 0, 2);
    sl_unref(log);
    unsigned char seen[3] = { 0 };
    struct reading reading = { 0 };
    read_file(path_of("a.json"), &reading, seen, 3);
    EXPECT_INT(3, reading.whole);
    EXPECT(seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    remove_directory();
}

static void errors_push_the_buffer_out(void)
{
    make_directory();
    struct sl_logger *log =
        open_file((struct sl_sink_options){ .path = path_of("a.json"), .buffer_size = 65536 });
    struct reading reading = { 0 };
    log_n(log, 0, 0);
    read_file(path_of("a.json"), &reading, NULL, 0);
    EXPECT_INT(0, reading.whole);
    sl_error(log, "line", "who", 0, "n", 1, "pad", "xxxxxxxxxxxxxxxxxxxx");
    read_file(path_of("a.json"), &reading, NULL, 0);
    EXPECT_INT(2, reading.whole);
    sl_unref(log);
    remove_directory();
}

static void what_cannot_be_opened_is_told(void)
{
    static const struct {
        struct sl_sink_options sink;
        int code;
    } rows[] = {
        { { .kind = SL_SINK_FILE, .path = "/nonexistent/a.json" }, -ENOENT },
        { { .kind = SL_SINK_FILE, .path = "/tmp" }, -EISDIR },
        { { .kind = SL_SINK_FILE, .path = NULL }, -EINVAL },
        { { .kind = SL_SINK_FILE, .path = "" }, -EINVAL },
        { { .kind = SL_SINK_FILE, .path = "/tmp/x", .rotate_count_max = 1000 }, -EINVAL },
        { { .kind = SL_SINK_STDERR, .rotate_size_max = 5 }, -EINVAL },
        { { .kind = SL_SINK_FD, .fd = -1 }, -EINVAL },
        { { .kind = SL_SINK_CALLBACK }, -EINVAL },
        { { .kind = SL_SINK_CAPTURE }, -EINVAL },
        { { .kind = (enum sl_sink_kind)99 }, -EINVAL },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sl_logger *log = NULL;
        struct sl_config config = { .sinks = &rows[i].sink, .sink_count = 1 };
        errno = 7;
        EXPECT_INT(rows[i].code, sl_open(&log, &config));
        EXPECT(log == NULL);
        EXPECT_INT(7, errno);
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(appends_to_what_is_there),
        TEST(rotation_keeps_the_youngest),
        TEST(processes_and_threads_share_a_rotating_file),
        TEST(and_with_buffers),
        TEST(a_cut_line_is_blanked_and_counted),
        TEST(a_cut_buffer_loses_only_what_did_not_fit),
        TEST(a_full_disk_tears_no_line),
        TEST(follows_a_rename_when_asked),
        TEST(a_relative_path_outlives_chdir),
        TEST(follows_a_rename_by_itself),
        TEST(a_fork_writes_no_line_twice),
        TEST(errors_push_the_buffer_out),
        TEST(what_cannot_be_opened_is_told),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
