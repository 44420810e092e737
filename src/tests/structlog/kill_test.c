/* kill_test.c - asynchronous mode and SIGKILL: what was accepted is in the file or comes out of the
 * ring file, each line once.
 *
 *     structlog_kill_test [COUNT]       kills at random COUNT times; ./test does a few
 *
 * Method: a child logs from several threads; for each a shared counter tells how many calls have
 * returned. It is killed after a random time. Then the file, after sl_recover, must hold for every
 * thread the numbers 0, 1, ... in order, each once, up to its counter; the one call that was under
 * way may be there or not. No line is torn.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREAD_COUNT 4

static int kill_count = 6;
static uint64_t seed = 1;
static char folder[64];
static char log_path[128];
static char ring_path[128];

struct shared {
    uint64_t accepted[THREAD_COUNT]; /* calls that have returned */
};

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- the child ---- */

struct job {
    struct shared *shared;
    struct sl_logger *log;
    int number;
};

static void *log_for_ever(void *data)
{
    struct job *job = data;
    static const char text[] = "a text of some length, so that the lines are not all short";
    for (uint64_t i = 0;; i++) {
        sl_info(job->log, "counted", "thread", job->number, "n", i, "text",
                sl_strn(text, i % sizeof(text)));
        __atomic_store_n(&job->shared->accepted[job->number], i + 1, __ATOMIC_RELEASE);
        if (i % 512 != 0) continue;
        struct timespec pause = { 0, 20000 };
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static void run_child(struct shared *shared, uint64_t rotate_size_max)
{
    struct sl_async_options async = { .path = ring_path, .ring_size = 1 << 16 };
    async.full_timeout_ms = 60000;
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = log_path };
    sink.rotate_size_max = rotate_size_max;
    sink.rotate_count_max = rotate_size_max > 0 ? 900 : 0;
    struct sl_config config = { .sinks = &sink, .sink_count = 1, .async = &async };
    struct job jobs[THREAD_COUNT];
    struct sl_logger *log = NULL;
    if (sl_open(&log, &config) != 0) _exit(3);
    for (int i = 0; i < THREAD_COUNT; i++) {
        pthread_t thread;
        struct sl_logger *own = i % 2 == 0 ? log : sl_bind(log, "bound", "text", "number", i);
        jobs[i] = (struct job){ shared, own, i };
        if (pthread_create(&thread, NULL, log_for_ever, &jobs[i]) != 0) _exit(4);
    }
    for (;;) pause();
}

/* ---- the check ---- */

static uint64_t accepted_sum, recovered_sum, found_sum;
static uint64_t seen[THREAD_COUNT];
static bool in_order;

static uint64_t number_after(const char *line, const char *key, bool *is_there)
{
    const char *at = strstr(line, key);
    *is_there = at != NULL;
    uint64_t number = 0;
    for (at += at == NULL ? 0 : strlen(key); at != NULL && *at >= '0' && *at <= '9'; at++) {
        number = 10 * number + (uint64_t)(*at - '0');
    }
    return number;
}

static void check_line(const char *line, size_t size)
{
    struct sl_ecs_finding finding;
    size_t blanks = strspn(line, " ");
    if (blanks + 1 == size) return; /* where the front of a line stood */
    bool is_whole = sl_ecs_lint_line(line, size, &finding) == 0;
    if (!is_whole) {
        test_context(line);
        EXPECT(is_whole);
        test_context(NULL);
        return;
    }
    bool has_thread = false;
    bool has_number = false;
    uint64_t thread = number_after(line, "\"thread\":", &has_thread);
    uint64_t number = number_after(line, "\"n\":", &has_number);
    if (!has_thread || !has_number || thread >= THREAD_COUNT || number != seen[thread]) {
        in_order = false;
        return;
    }
    seen[thread]++;
}

static void check_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[4096];
    if (file == NULL) return;
    while (fgets(line, sizeof(line), file) != NULL) check_line(line, strlen(line));
    (void)fclose(file);
}

static void check_files(void)
{
    char path[160];
    for (int number = 900; number >= 0; number--) {
        (void)snprintf(path, sizeof(path), number > 0 ? "%s.%d" : "%s", log_path, number);
        check_file(path);
        (void)unlink(path);
    }
}

static void kill_once(uint64_t rotate_size_max)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) run_child(shared, rotate_size_max);
    uint64_t wait_us = 2000 + next_random() % 60000;
    struct timespec pause = { 0, (long)wait_us * 1000 };
    (void)nanosleep(&pause, NULL);
    int status = 0;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct sl_recovery recovery = { 0 };
    int code = sl_recover(ring_path, NULL, NULL, &recovery);
    bool was_early = code == -ENOENT || code == -ENOMSG; /* killed before there was a ring */
    if (!was_early) EXPECT_INT(0, code);
    EXPECT_INT(0, (int64_t)recovery.bad_count);
    memset(seen, 0, sizeof(seen));
    in_order = true;
    check_files();
    EXPECT(in_order);
    recovered_sum += recovery.line_count;
    found_sum += recovery.found_count;
    for (int i = 0; i < THREAD_COUNT; i++) {
        uint64_t accepted = shared->accepted[i];
        accepted_sum += accepted;
        EXPECT(seen[i] == accepted || seen[i] == accepted + 1);
    }
    (void)munmap(shared, sizeof(*shared));
}

static void test_killed(void)
{
    for (int i = 0; i < kill_count; i++) kill_once(0);
}

static void test_killed_while_rotating(void)
{
    for (int i = 0; i < kill_count / 2; i++) kill_once(300000);
}

/* A recovery that is killed itself can be done again. */
static void test_killed_in_recovery(void)
{
    for (int i = 0; i < kill_count / 3; i++) {
        struct shared *shared =
            mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        REQUIRE(shared != MAP_FAILED);
        pid_t child = fork();
        if (child == 0) run_child(shared, 0);
        struct timespec pause = { 0, 30000000 };
        (void)nanosleep(&pause, NULL);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        struct sl_recovery recovery = { 0 };
        pid_t second = fork();
        if (second == 0) {
            (void)sl_recover(ring_path, NULL, NULL, &recovery);
            _exit(0);
        }
        struct timespec moment = { 0, (long)(next_random() % 1500000) };
        (void)nanosleep(&moment, NULL);
        (void)kill(second, SIGKILL);
        (void)waitpid(second, NULL, 0);
        int code = sl_recover(ring_path, NULL, NULL, &recovery);
        EXPECT(code == 0 || code == -ENOENT || code == -ENOMSG);
        memset(seen, 0, sizeof(seen));
        in_order = true;
        check_files();
        EXPECT(in_order);
        for (int k = 0; k < THREAD_COUNT; k++) {
            uint64_t accepted = shared->accepted[k];
            EXPECT(seen[k] == accepted || seen[k] == accepted + 1);
        }
        (void)munmap(shared, sizeof(*shared));
    }
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        TEST(test_killed),
        TEST(test_killed_while_rotating),
        TEST(test_killed_in_recovery),
    };
    if (argc > 1) {
        kill_count = (int)strtoul(argv[1], NULL, 10);
        seed = (uint64_t)time(NULL) * 2 + 1;
    }
    (void)snprintf(folder, sizeof(folder), "/dev/shm/structlog_kill.%d", (int)getpid());
    CHECK(mkdir(folder, 0700) == 0);
    (void)snprintf(log_path, sizeof(log_path), "%s/log.json", folder);
    (void)snprintf(ring_path, sizeof(ring_path), "%s/log.ring", folder);
    int status = test_main(tests, ARRAY_LENGTH(tests));
    char side[160];
    (void)snprintf(side, sizeof(side), "%s/.log.json.lock", folder);
    (void)unlink(side);
    (void)unlink(ring_path);
    (void)rmdir(folder);
    printf("# accepted %llu lines, %llu of them recovered, %llu found in an interrupted write\n",
           (unsigned long long)accepted_sum, (unsigned long long)recovered_sum,
           (unsigned long long)found_sum);
    return status;
}
