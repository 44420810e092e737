/* soak_test.c - many writers, one rotating file, a disk that runs full: every line accounted for.
 *
 *     structlog_soak_test [LINES [FOLDER [plain]]]      LINES in all; ./test does a few
 *
 * Goal: of LINES lines from 4 processes with 8 threads each, while the file rotates by size and
 * every second, old files are compressed (not with `plain`), it is renamed from outside followed by
 * SIGHUP, and the disk is full now and then: each is in one of the files once, or its writer has
 * counted it as lost or dropped; every line is whole and valid JSON after ECS. Method: half of the
 * processes write synchronously, half asynchronously; each thread numbers its lines; the checker
 * reads all files. FOLDER should be on a small file system (a tmpfs of some MiB more than the files
 * take): the test fills it with a file that it removes again. On a large one only the rotation and
 * the signals are left.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESS_COUNT 4
#define THREAD_COUNT  8
#define WRITER_COUNT  (PROCESS_COUNT * THREAD_COUNT)
#define ROTATE_SIZE   (UINT64_C(4) << 20)
#define SMALL_DISK    (UINT64_C(1) << 30)

static uint64_t line_count = 60000;
static bool is_compressing = true;
static char folder[200];
static char log_path[256];

struct shared {
    uint64_t lost[PROCESS_COUNT], dropped[PROCESS_COUNT], rotations[PROCESS_COUNT];
    uint64_t compressed[PROCESS_COUNT];
    int finished;
};
static struct shared *shared;

/* ---- writers ---- */

struct job {
    struct sl_logger *log;
    int number;
};

static void *write_lines(void *data)
{
    const struct job *job = data;
    uint64_t count = line_count / WRITER_COUNT;
    for (uint64_t i = 0; i < count; i++) {
        sl_info(job->log, "counted", "writer", job->number, "n", i, "text", "some text \"quoted\"",
                "real", (double)i / 8);
    }
    return NULL;
}

static void on_hangup(int number)
{
    (void)number;
    sl_reopen();
}

static void run_process(int process)
{
    char ring[300];
    (void)snprintf(ring, sizeof(ring), "/dev/shm/structlog_soak.%d.ring", (int)getpid());
    struct sl_async_options async = { .path = ring, .full_timeout_ms = 20000, .retry_ms = 200 };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = log_path };
    sink.rotate_size_max = ROTATE_SIZE;
    sink.rotate_count_max = 999;
    sink.rotate_interval_s = 1;
    if (is_compressing) sink.rotate_compression = SL_COMPRESSION_GZIP;
    if (process == 1) sink.buffer_size = 65536;
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    if (process >= 2) config.async = &async;
    (void)signal(SIGHUP, on_hangup);
    /* What a full disk makes it say once a minute is not wanted here. */
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, STDERR_FILENO);
    struct sl_logger *log = NULL;
    if (sl_open(&log, &config) != 0) _exit(3);
    pthread_t threads[THREAD_COUNT];
    struct job jobs[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        jobs[i] = (struct job){ log, process * THREAD_COUNT + i };
        if (pthread_create(&threads[i], NULL, write_lines, &jobs[i]) != 0) _exit(4);
    }
    for (int i = 0; i < THREAD_COUNT; i++) (void)pthread_join(threads[i], NULL);
    sl_unref(log);
    struct sl_stats stats;
    sl_stats(&stats);
    shared->lost[process] = stats.lost_count;
    shared->dropped[process] = stats.dropped_count;
    shared->rotations[process] = stats.rotation_count;
    shared->compressed[process] = stats.compressed_count;
    __atomic_fetch_add(&shared->finished, 1, __ATOMIC_RELEASE);
    _exit(0);
}

/* ---- trouble ---- */

/* Takes all room for a moment. */
static void fill_disk(void)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/filler", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static char zeros[65536];
    struct statvfs disk;
    /* Most of it at once, the rest in small pieces: the others write meanwhile. */
    if (fd >= 0 && statvfs(folder, &disk) == 0 && disk.f_bavail > 1024) {
        (void)posix_fallocate(fd, 0, (off_t)((disk.f_bavail - 1024) * disk.f_frsize));
        (void)lseek(fd, 0, SEEK_END);
    }
    while (fd >= 0 && write(fd, zeros, sizeof(zeros)) > 0) {
    }
    struct timespec pause = { 0, 30000000 };
    (void)nanosleep(&pause, NULL);
    if (fd >= 0) (void)close(fd);
    (void)unlink(path);
}

static int outside_count;

static void rotate_from_outside(const pid_t *children)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/outside.%d", folder, outside_count++);
    if (rename(log_path, path) != 0) return;
    for (int i = 0; i < PROCESS_COUNT; i++) (void)kill(children[i], SIGHUP);
}

/* ---- the check ---- */

static uint8_t *seen; /* a bit for each line */
static uint64_t file_lines, blank_lines, bad_lines, double_lines, told_lines, packed_files;

static uint64_t number_after(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    uint64_t number = 0;
    if (at == NULL) return UINT64_MAX;
    for (at += strlen(key); *at >= '0' && *at <= '9'; at++) {
        number = 10 * number + (uint64_t)(*at - '0');
    }
    return number;
}

static void check_line(const char *line, size_t size)
{
    struct sl_ecs_finding finding;
    file_lines++;
    if (strspn(line, " ") + 1 == size) {
        blank_lines++; /* where the front of a line stood that did not fit */
        return;
    }
    if (sl_ecs_lint_line(line, size, &finding) != 0) {
        if (bad_lines++ < 5) (void)fprintf(stderr, "%s: %s", finding.text, line);
        return;
    }
    if (strstr(line, "\"message\":\"counted\"") == NULL) {
        told_lines++; /* that lines were dropped */
        return;
    }
    uint64_t count = line_count / WRITER_COUNT;
    uint64_t writer = number_after(line, "\"writer\":");
    uint64_t number = number_after(line, "\"n\":");
    if (writer >= WRITER_COUNT || number >= count) {
        bad_lines++;
        return;
    }
    uint64_t bit = writer * count + number;
    if ((seen[bit / 8] >> (bit % 8) & 1) != 0) double_lines++;
    seen[bit / 8] = (uint8_t)(seen[bit / 8] | 1u << (bit % 8));
}

static void check_file(const char *path, bool is_packed)
{
    static char line[1 << 16];
    char command[640];
    (void)snprintf(command, sizeof(command), "gzip -dc '%s'", path);
    FILE *file = is_packed ? popen(command, "r") : fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) check_line(line, strlen(line));
    if (file == NULL) return;
    if (is_packed ? pclose(file) != 0 : fclose(file) != 0) bad_lines++;
    if (is_packed) packed_files++;
}

static void check_files(void)
{
    DIR *files = opendir(folder);
    CHECK(files != NULL);
    /* A compressed file beside its plain one was all but in place when the last process ended: the
     * plain one counts. Those go first. What is half made is hidden. */
    for (int turn = 0; turn < 2; turn++) {
        rewinddir(files);
        for (struct dirent *entry = readdir(files); entry != NULL; entry = readdir(files)) {
            char path[512];
            char plain[512];
            (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
            (void)snprintf(plain, sizeof(plain), "%s/%s", folder, entry->d_name);
            size_t size = strlen(path);
            bool is_packed = size > 3 && strcmp(path + size - 3, ".gz") == 0;
            if (is_packed) plain[size - 3] = '\0';
            bool is_double = is_packed && access(plain, F_OK) == 0;
            if (entry->d_name[0] == '.' || is_double != (turn == 0)) continue;
            if (!is_double) check_file(path, is_packed);
            (void)unlink(path);
        }
    }
    (void)closedir(files);
}

static uint64_t sum_of(const uint64_t *counts)
{
    uint64_t sum = 0;
    for (int i = 0; i < PROCESS_COUNT; i++) sum += counts[i];
    return sum;
}

static void test_soak(void)
{
    struct statvfs disk;
    bool is_small =
        statvfs(folder, &disk) == 0 && (uint64_t)disk.f_blocks * disk.f_frsize <= SMALL_DISK * 4;
    pid_t children[PROCESS_COUNT];
    for (int i = 0; i < PROCESS_COUNT; i++) {
        children[i] = fork();
        if (children[i] == 0) run_process(i);
    }
    for (int turn = 0; __atomic_load_n(&shared->finished, __ATOMIC_ACQUIRE) < PROCESS_COUNT;
         turn++) {
        struct timespec pause = { 0, 20000000 };
        (void)nanosleep(&pause, NULL);
        if (turn % 10 == 3) rotate_from_outside(children);
        if (is_small && turn % 40 == 7) fill_disk();
        int status = 0;
        if (waitpid(-1, &status, WNOHANG) > 0 && status != 0) break;
    }
    while (waitpid(-1, NULL, 0) > 0) {
    }
    EXPECT_INT(PROCESS_COUNT, shared->finished);
    seen = calloc(line_count / 8 + 1, 1);
    CHECK(seen != NULL);
    check_files();
    uint64_t wanted = line_count / WRITER_COUNT * WRITER_COUNT;
    uint64_t written = 0;
    for (uint64_t i = 0; i < wanted; i++) written += seen[i / 8] >> (i % 8) & 1u;
    uint64_t lost = sum_of(shared->lost);
    uint64_t dropped = sum_of(shared->dropped);
    EXPECT_INT((int64_t)wanted, (int64_t)(written + lost + dropped));
    EXPECT_INT(0, (int64_t)bad_lines);
    EXPECT_INT(0, (int64_t)double_lines);
    printf("# %llu lines: %llu written, %llu lost and counted, %llu dropped and counted; %llu "
           "rotations, %d from outside, %llu compressions, %llu of the files read compressed, "
           "%llu blank lines, %llu lines that tell of drops\n",
           (unsigned long long)wanted, (unsigned long long)written, (unsigned long long)lost,
           (unsigned long long)dropped, (unsigned long long)sum_of(shared->rotations),
           outside_count, (unsigned long long)sum_of(shared->compressed),
           (unsigned long long)packed_files, (unsigned long long)blank_lines,
           (unsigned long long)told_lines);
    free(seen);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = { TEST(test_soak) };
    if (argc > 1) line_count = strtoull(argv[1], NULL, 10);
    if (argc > 3 && strcmp(argv[3], "plain") == 0) is_compressing = false;
    if (argc > 2) {
        (void)snprintf(folder, sizeof(folder), "%s/structlog_soak", argv[2]);
    } else {
        (void)snprintf(folder, sizeof(folder), "/dev/shm/structlog_soak.%d", (int)getpid());
    }
    CHECK(mkdir(folder, 0700) == 0);
    (void)snprintf(log_path, sizeof(log_path), "%s/log.json", folder);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    int status = test_main(tests, ARRAY_LENGTH(tests));
    char side[300];
    (void)snprintf(side, sizeof(side), "%s/.log.json.lock", folder);
    (void)unlink(side);
    (void)snprintf(side, sizeof(side), "%s/.log.json.gz.tmp", folder);
    (void)unlink(side);
    (void)rmdir(folder);
    return status;
}
