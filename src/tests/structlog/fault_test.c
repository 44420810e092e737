/* fault_test.c - disks that refuse, for a while or for good: what is kept, what lost and counted.
 *
 * Goal: written + lost = logged, lines whole, each at most once and in order, under EIO, ENOSPC and
 * short writes, for sinks without a buffer, with one, and asynchronous ones. Method: the program's
 * own write, which the linker finds before libc's, fails on the file under test as it is told.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- a disk that can be told to fail ---- */

static char path[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static int fault;         /* errno of the writes to `path`; 0: none */
static int fault_count;   /* how many of them fail; -1: all */
static size_t short_size; /* before that, one takes so many bytes; 0: no */
static int refusals;

static bool is_ours(int fd)
{
    struct stat mine;
    struct stat named;
    return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

/* Bytes that the disk takes, or a negative errno. */
static ssize_t judge(size_t size)
{
    size_t part = short_size;
    if (fault == 0) return (ssize_t)size;
    short_size = 0;
    if (part > 0 && part < size) return (ssize_t)part;
    if (fault_count == 0) return (ssize_t)size;
    if (fault_count > 0) fault_count--;
    refusals++;
    return -fault;
}

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t part = (ssize_t)size;
    if (is_ours(fd)) {
        (void)pthread_mutex_lock(&lock);
        part = judge(size);
        (void)pthread_mutex_unlock(&lock);
    }
    if (part >= 0) return syscall(SYS_write, fd, data, (size_t)part);
    errno = (int)-part;
    return -1;
}

static void fail_with(int code, int count)
{
    (void)pthread_mutex_lock(&lock);
    refusals = 0;
    fault_count = count;
    fault = code;
    (void)pthread_mutex_unlock(&lock);
}

static int refused_count(void)
{
    (void)pthread_mutex_lock(&lock);
    int count = refusals;
    (void)pthread_mutex_unlock(&lock);
    return count;
}

/* ---- logging and counting ---- */

static struct sl_stats before;

static struct sl_logger *open_log(size_t buffer_size, const struct sl_async_options *async)
{
    struct sl_logger *log = NULL;
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = path };
    sink.buffer_size = buffer_size;
    struct sl_config config = { .sinks = &sink, .sink_count = 1, .async = async };
    fail_with(0, 0);
    short_size = 0;
    (void)unlink(path);
    CHECK(sl_open(&log, &config) == 0);
    sl_stats(&before);
    return log;
}

static void log_from(struct sl_logger *log, int first, int count)
{
    for (int i = first; i < first + count; i++) sl_info(log, "line", "n", i);
}

static int64_t lost(void)
{
    struct sl_stats now;
    sl_stats(&now);
    return (int64_t)(now.lost_count - before.lost_count);
}

static int64_t written(void)
{
    struct sl_stats now;
    sl_stats(&now);
    return (int64_t)(now.written_count - before.written_count);
}

/* How many lines there are: whole ones, their numbers growing; blank ones are none. */
static int64_t lines_in_order(void)
{
    FILE *file = fopen(path, "r");
    char line[1024];
    int64_t count = 0;
    int last = -1;
    if (file == NULL) return -1;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[strspn(line, " \n")] == '\0') continue;
        const char *number = strstr(line, ",\"n\":");
        int n = -1;
        bool is_whole = strncmp(line, "{\"@timestamp\":", 14) == 0 && number != NULL &&
                        sscanf(number, ",\"n\":%d}\n", &n) == 1 && n > last;
        count += is_whole ? 1 : 1000000;
        last = n;
    }
    (void)fclose(file);
    return count;
}

static void nap(int ms)
{
    struct timespec pause = { ms / 1000, (long)(ms % 1000) * 1000000 };
    (void)nanosleep(&pause, NULL);
}

/* ---- without a buffer ---- */

static void a_line_is_tried_twice(void)
{
    struct sl_logger *log = open_log(0, NULL);
    log_from(log, 0, 3);
    fail_with(EIO, 1);
    log_from(log, 3, 1);
    EXPECT_INT(1, refused_count());
    EXPECT_INT(0, lost());
    fail_with(EIO, 2);
    log_from(log, 4, 1);
    EXPECT_INT(2, refused_count());
    EXPECT_INT(1, lost());
    EXPECT_INT(-EIO, sl_flush(log));
    log_from(log, 5, 3);
    EXPECT_INT(0, sl_flush(log));
    sl_unref(log);
    EXPECT_INT(7, lines_in_order());
    EXPECT_INT(7, written());
}

static void the_front_of_a_line_is_blanked(void)
{
    struct sl_logger *log = open_log(0, NULL);
    log_from(log, 0, 1);
    fail_with(ENOSPC, 1);
    short_size = 40;
    log_from(log, 1, 1);
    log_from(log, 2, 1);
    sl_unref(log);
    EXPECT_INT(1, lost());
    EXPECT_INT(2, lines_in_order());
}

/* ---- with one ---- */

static void a_buffer_outlasts_an_error(void)
{
    struct sl_logger *log = open_log(65536, NULL);
    fail_with(EIO, -1);
    log_from(log, 0, 100);
    EXPECT_INT(-EIO, sl_flush(log));
    log_from(log, 100, 100);
    nap(30);
    EXPECT_INT(-EIO, sl_flush(log));
    EXPECT_INT(0, lost());
    EXPECT_INT(0, written());
    fail_with(0, 0);
    EXPECT_INT(0, sl_flush(log));
    log_from(log, 200, 10);
    sl_unref(log);
    EXPECT_INT(210, lines_in_order());
    EXPECT_INT(210, written());
    EXPECT_INT(0, lost());
}

static void a_buffer_goes_on_behind_a_short_write(void)
{
    struct sl_logger *log = open_log(65536, NULL);
    log_from(log, 0, 100);
    fail_with(ENOSPC, -1);
    short_size = 1234; /* some lines, and the front of one, which is blanked */
    EXPECT_INT(-ENOSPC, sl_flush(log));
    EXPECT(written() > 3 && written() < 20);
    EXPECT_INT(written(), lines_in_order());
    fail_with(0, 0);
    EXPECT_INT(0, sl_flush(log));
    sl_unref(log);
    EXPECT_INT(100, lines_in_order());
    EXPECT_INT(100, written());
    EXPECT_INT(0, lost());
}

static void what_finds_the_buffer_full_is_lost_and_counted(void)
{
    struct sl_logger *log = open_log(4096, NULL);
    fail_with(ENOSPC, -1);
    log_from(log, 0, 1000);
    EXPECT(refused_count() < 200); /* not for every line that comes */
    EXPECT(lost() > 900 && lost() < 1000);
    int64_t lost_then = lost();
    fail_with(0, 0);
    nap(20);
    log_from(log, 1000, 100);
    sl_unref(log);
    EXPECT_INT(lost_then, lost());
    EXPECT_INT(1100 - lost_then, written());
    EXPECT_INT(written(), lines_in_order());
}

static void what_is_left_at_the_end_is_lost_and_counted(void)
{
    struct sl_logger *log = open_log(65536, NULL);
    fail_with(EIO, -1);
    log_from(log, 0, 50);
    sl_unref(log); /* tries for a second */
    EXPECT(refused_count() > 5);
    EXPECT_INT(50, lost());
    EXPECT_INT(0, written());
}

static void an_error_that_stays_is_not_waited_for(void)
{
    struct sl_logger *log = open_log(65536, NULL);
    fail_with(EBADF, -1);
    log_from(log, 0, 50);
    EXPECT_INT(-EBADF, sl_flush(log));
    EXPECT_INT(50, lost());
    fail_with(0, 0);
    log_from(log, 50, 5);
    sl_unref(log);
    EXPECT_INT(5, lines_in_order());
}

static void a_device_that_is_always_full(void)
{
    struct sl_logger *log = NULL;
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = "/dev/full" };
    sink.buffer_size = 4096;
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    CHECK(sl_open(&log, &config) == 0);
    sl_stats(&before);
    log_from(log, 0, 10);
    EXPECT_INT(-ENOSPC, sl_flush(log));
    EXPECT_INT(0, lost());
    sl_unref(log);
    EXPECT_INT(10, lost());
}

/* ---- asynchronous ---- */

static void the_back_end_outlasts_an_error(void)
{
    char ring[80];
    (void)snprintf(ring, sizeof(ring), "%s.ring", path);
    struct sl_async_options async = { .path = ring, .retry_ms = 60000 };
    struct sl_logger *log = open_log(0, &async);
    log_from(log, 0, 10);
    EXPECT_INT(0, sl_flush(log));
    fail_with(EIO, -1);
    log_from(log, 10, 100);
    EXPECT_INT(-ETIMEDOUT, sl_flush_within(log, 50));
    EXPECT(refused_count() > 1);
    fail_with(0, 0);
    EXPECT_INT(0, sl_flush(log));
    EXPECT_INT(0, lost());
    EXPECT_INT(110, lines_in_order());
    sl_unref(log);
}

static void and_gives_up_after_its_time(void)
{
    char ring[80];
    (void)snprintf(ring, sizeof(ring), "%s.ring", path);
    struct sl_async_options async = { .path = ring, .retry_ms = 50 };
    struct sl_logger *log = open_log(0, &async);
    fail_with(EIO, -1);
    log_from(log, 0, 100);
    (void)sl_flush(log);
    EXPECT_INT(100, lost());
    fail_with(0, 0);
    log_from(log, 100, 10);
    EXPECT_INT(0, sl_flush(log));
    EXPECT_INT(10, lines_in_order());
    sl_unref(log);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_line_is_tried_twice),
        TEST(the_front_of_a_line_is_blanked),
        TEST(a_buffer_outlasts_an_error),
        TEST(a_buffer_goes_on_behind_a_short_write),
        TEST(what_finds_the_buffer_full_is_lost_and_counted),
        TEST(what_is_left_at_the_end_is_lost_and_counted),
        TEST(an_error_that_stays_is_not_waited_for),
        TEST(a_device_that_is_always_full),
        TEST(the_back_end_outlasts_an_error),
        TEST(and_gives_up_after_its_time),
    };
    (void)snprintf(path, sizeof(path), "/tmp/structlog_fault.%d.json", (int)getpid());
    int status = test_main(tests, ARRAY_LENGTH(tests));
    (void)unlink(path);
    return status;
}
