/* structlog_bench.c - what one log line costs, beside the floor of the same bytes and the peers.
 *
 *     structlog_bench [--quick] [DIRECTORY]      DIRECTORY for the files written, default /dev/shm
 *
 * One line a figure: name ours peer ratio unit, "-" where the peer is missing. The workload is the
 * five-field line of the targets: method, path, status, duration, user_id. The floor writes the
 * same five fields with constants and copies, no escaping of what is known, nothing configurable.
 * Times are processor time, the median of several runs taken in turns; those of one asynchronous
 * call are of the wall clock, since they are about waiting too. Peers that are missing are named:
 * spdlog (Debian's libspdlog-dev, when building), zerolog (a Go compiler and its module proxy),
 * structlog of Python. quill is in no package registry used here.
 * Instructions a line: from valgrind --tool=callgrind, when it is there, as the difference of two
 * runs of `structlog_bench --lines KIND COUNT`.
 */
#include "structlog/structlog.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUND_MAX 15

static int round_count = 9;
static long line_count = 1000000;
static const char *directory = "/dev/shm";

static double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), compare);
    return values[count / 2];
}

static void print_figure(const char *name, double ours, double peer, const char *unit)
{
    if (peer > 0) {
        printf("%-44s %10.2f %10.2f %7.2f %s\n", name, ours, peer, ours / peer, unit);
    } else {
        printf("%-44s %10.2f %10s %7s %s\n", name, ours, "-", "-", unit);
    }
    (void)fflush(stdout);
}

/* ---- the floor ---- */

static char pairs[200];

static char *floor_uint(char *to, uint64_t x)
{
    char text[20];
    int at = 20;
    for (; x >= 100; x /= 100) {
        at -= 2;
        memcpy(text + at, pairs + 2 * (x % 100), 2);
    }
    if (x >= 10) {
        at -= 2;
        memcpy(text + at, pairs + 2 * x, 2);
    } else {
        text[--at] = (char)('0' + x);
    }
    memcpy(to, text + at, (size_t)(20 - at));
    return to + 20 - at;
}

static char *floor_thousandths(char *to, double x)
{
    uint64_t m = (uint64_t)(x * 1000 + 0.5);
    to = floor_uint(to, m / 1000);
    *to++ = '.';
    *to++ = (char)('0' + m % 1000 / 100);
    memcpy(to, pairs + 2 * (m % 100), 2);
    return to + 2;
}

static char *floor_text(char *to, const char *from, size_t size)
{
    unsigned bad = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)from[i];
        bad |= (unsigned)(c < 0x20) | (unsigned)(c == '"') | (unsigned)(c == '\\');
        to[i] = from[i];
    }
    return bad != 0 ? to : to + size;
}

#define PUT(to, text) (memcpy((to), text, sizeof(text) - 1), (to) + sizeof(text) - 1)

static char floor_second[20];
static time_t floor_second_of = -1;
static const char method[] = "GET";
static const char path[] = "/api/v1/items/42";

static size_t floor_line(char *line, long i, clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    if (now.tv_sec != floor_second_of) {
        struct tm tm;
        (void)gmtime_r(&now.tv_sec, &tm);
        (void)strftime(floor_second, sizeof(floor_second), "%Y-%m-%dT%H:%M:%S", &tm);
        floor_second_of = now.tv_sec;
    }
    char *to = PUT(line, "{\"@timestamp\":\"");
    memcpy(to, floor_second, 19);
    unsigned micro = (unsigned)(now.tv_nsec / 1000);
    to[19] = '.';
    memcpy(to + 20, pairs + 2 * (micro / 10000), 2);
    memcpy(to + 22, pairs + 2 * (micro / 100 % 100), 2);
    memcpy(to + 24, pairs + 2 * (micro % 100), 2);
    to = PUT(to + 26, "Z\",\"log.level\":\"info\",\"message\":\"request handled\",\"method\":\"");
    to = floor_text(to, method, 3);
    to = PUT(to, "\",\"path\":\"");
    to = floor_text(to, path, 16);
    to = PUT(to, "\",\"status\":");
    to = floor_uint(to, 200u + (uint64_t)(i & 3));
    to = PUT(to, ",\"duration\":");
    to = floor_thousandths(to, 12.345 + (double)(i & 15));
    to = PUT(to, ",\"user_id\":");
    to = floor_uint(to, 1234567u + (uint64_t)i);
    to = PUT(to, "}\n");
    return (size_t)(to - line);
}

static double floor_buffer(clockid_t clock)
{
    static char line[512];
    double start = cpu_ns();
    for (long i = 0; i < line_count; i++) {
        (void)floor_line(line, i, clock);
        __asm__ volatile("" : : "r"(line) : "memory");
    }
    return (cpu_ns() - start) / (double)line_count;
}

static double floor_file(const char *name, size_t batch)
{
    static char lines[1 << 16];
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    long count = line_count / 2;
    size_t used = 0;
    double start = cpu_ns();
    for (long i = 0; i < count; i++) {
        used += floor_line(lines + used, i, CLOCK_REALTIME);
        if (used + 512 < batch) continue;
        if (write(fd, lines, used) < 0) exit(1);
        used = 0;
    }
    double spent = cpu_ns() - start;
    (void)close(fd);
    (void)unlink(name);
    return spent / (double)count;
}

/* ---- ours ---- */

static void swallow(void *context, int level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    (void)size;
    __asm__ volatile("" : : "r"(line) : "memory");
}

static double log_lines(struct sl_logger *log, long count)
{
    double start = cpu_ns();
    for (long i = 0; i < count; i++) {
        sl_info(log, "request handled", "method", method, "path", path, "status", 200 + (i & 3),
                "duration", 12.345 + (double)(i & 15), "user_id", 1234567 + i);
    }
    (void)sl_flush(log);
    return (cpu_ns() - start) / (double)count;
}

static struct sl_logger *open_log(const struct sl_sink_options *sink, enum sl_clock clock)
{
    struct sl_logger *log = NULL;
    struct sl_config config = { .clock = clock, .without_pid = true };
    config.sinks = sink;
    config.sink_count = 1;
    int code = sl_open(&log, &config);
    if (code < 0) {
        (void)fprintf(stderr, "cannot open a log: %s\n", strerror(-code));
        exit(1);
    }
    return log;
}

static void bench_buffer(const char *name, enum sl_clock clock, clockid_t floor_clock)
{
    struct sl_sink_options sink = { .kind = SL_SINK_CALLBACK, .write = swallow };
    struct sl_logger *log = open_log(&sink, clock);
    double ours[ROUND_MAX];
    double peer[ROUND_MAX];
    for (int i = 0; i < round_count; i++) {
        ours[i] = log_lines(log, line_count);
        peer[i] = floor_buffer(floor_clock);
    }
    print_figure(name, median(ours, round_count), median(peer, round_count), "ns/line");
    sl_unref(log);
}

static void name_file(char *to, size_t size)
{
    (void)snprintf(to, size, "%s/structlog_bench.%d.json", directory, (int)getpid());
}

static void bench_file(const char *name, size_t buffer_size, size_t batch)
{
    char file[256];
    double ours[ROUND_MAX];
    double peer[ROUND_MAX];
    name_file(file, sizeof(file));
    for (int i = 0; i < round_count; i++) {
        struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = file };
        sink.buffer_size = buffer_size;
        struct sl_logger *log = open_log(&sink, SL_CLOCK_PRECISE);
        ours[i] = log_lines(log, line_count / 2);
        sl_unref(log);
        (void)unlink(file);
        peer[i] = floor_file(file, batch);
    }
    print_figure(name, median(ours, round_count), median(peer, round_count), "ns/line");
}

static struct sl_logger *bind_five(struct sl_logger *log)
{
    return sl_bind(log, "request_id", "0af7651916cd43dd8448eb211c80319c", "peer", "10.0.0.1",
                   "shard", 7, "tenant", "acme", "region", "eu");
}

static void bench_bound(void)
{
    struct sl_sink_options sink = { .kind = SL_SINK_CALLBACK, .write = swallow };
    struct sl_logger *root = open_log(&sink, SL_CLOCK_COARSE);
    struct sl_logger *log = bind_five(root);
    double ours[ROUND_MAX];
    double bare[ROUND_MAX];
    double bind[ROUND_MAX];
    long bind_count = line_count / 10;
    for (int i = 0; i < round_count; i++) {
        ours[i] = log_lines(log, line_count);
        bare[i] = log_lines(root, line_count);
        double start = cpu_ns();
        for (long k = 0; k < bind_count; k++) sl_unref(sl_bind(root, "id", k, "peer", "10.0.0.1"));
        bind[i] = (cpu_ns() - start) / (double)bind_count;
    }
    print_figure("line_5_bound_fields_over_none", median(ours, round_count),
                 median(bare, round_count), "ns/line");
    print_figure("bind_2_and_unref", median(bind, round_count), 0, "ns");
    sl_unref(log);
    sl_unref(root);
}

static void bench_disabled(void)
{
    struct sl_sink_options sink = { .kind = SL_SINK_CALLBACK, .write = swallow };
    struct sl_logger *log = open_log(&sink, SL_CLOCK_COARSE);
    long count = 20 * line_count;
    double ours[ROUND_MAX];
    double empty[ROUND_MAX];
    for (int round = 0; round < round_count; round++) {
        double start = cpu_ns();
        for (long i = 0; i < count; i++) {
            __asm__ volatile("" : : "r"(log) : "memory");
            sl_debug(log, "request handled", "method", method, "path", path, "user_id", i);
        }
        double middle = cpu_ns();
        for (long i = 0; i < count; i++) __asm__ volatile("" : : "r"(log) : "memory");
        empty[round] = (cpu_ns() - middle) / (double)count;
        ours[round] = (middle - start) / (double)count;
    }
    double loop = median(empty, round_count);
    print_figure("disabled_level_less_empty_loop", median(ours, round_count) - loop, 0, "ns/call");
    sl_unref(log);
}

/* ---- asynchronous ---- */

#define BATCH       64
#define BATCH_COUNT 4000
#define SINGLE_MAX  200000

static double wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static __attribute__((noinline)) void log_line(struct sl_logger *log, long i)
{
    sl_info(log, "request handled", "method", method, "path", path, "status", 200 + (i & 3),
            "duration", 12.345 + (double)(i & 15), "user_id", 1234567 + i);
}

static struct sl_logger *open_async(const char *file, size_t ring_size)
{
    struct sl_logger *log = NULL;
    struct sl_async_options async = { .ring_size = ring_size, .full_timeout_ms = 60000 };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = file };
    struct sl_config config = { .without_pid = true, .sinks = &sink, .sink_count = 1 };
    config.async = &async;
    int code = sl_open(&log, &config);
    if (code < 0) {
        (void)fprintf(stderr, "cannot open a ring: %s\n", strerror(-code));
        exit(1);
    }
    return log;
}

/* The same bytes into a ring, with the counter where there is one: the least that a call can do. */
static void floor_record(long i)
{
    static char ring[(1 << 20) + 256];
    static size_t head;
    char *to = ring + (head & ((1 << 20) - 1));
#if defined(__x86_64__)
    uint64_t ticks = __builtin_ia32_rdtsc();
#else
    uint64_t ticks = 0;
#endif
    uint64_t numbers[3] = { 200u + (uint64_t)(i & 3), 0, 1234567u + (uint64_t)i };
    double duration = 12.345 + (double)(i & 15);
    memcpy(numbers + 1, &duration, sizeof(duration));
    memcpy(to, &ticks, sizeof(ticks));
    memcpy(to + 8, numbers, sizeof(numbers));
    memcpy(to + 32, method, 3);
    memcpy(to + 35, path, 16);
    __asm__ volatile("" : : "r"(to) : "memory");
    head += 56;
}

/* As log_line, with texts of which the compiler knows nothing. */
static __attribute__((noinline)) void log_foreign(struct sl_logger *log, long i)
{
    static const char *volatile foreign_method = method;
    static const char *volatile foreign_path = path;
    sl_info(log, "request handled", "method", foreign_method, "path", foreign_path, "status",
            200 + (i & 3), "duration", 12.345 + (double)(i & 15), "user_id", 1234567 + i);
}

/* Nanoseconds of one call, each the mean of a batch; the back end is done between two batches. */
static double async_batches(struct sl_logger *log, void (*call)(struct sl_logger *log, long i),
                            double *batches, double *floors)
{
    double spent = 0;
    for (int k = 0; k < BATCH_COUNT; k++) {
        double start = wall_ns();
        for (long i = 0; i < BATCH; i++) call(log, i);
        double middle = wall_ns();
        (void)sl_flush(log);
        double third = wall_ns();
        for (long i = 0; i < BATCH; i++) floor_record(i);
        floors[k] = (wall_ns() - third) / BATCH;
        batches[k] = (middle - start) / BATCH;
        spent += middle - start;
    }
    qsort(batches, BATCH_COUNT, sizeof(*batches), compare);
    qsort(floors, BATCH_COUNT, sizeof(*floors), compare);
    return spent;
}

static void bench_async_caller(const char *file)
{
    static double batches[BATCH_COUNT];
    static double floors[BATCH_COUNT];
    static double singles[SINGLE_MAX];
    struct sl_logger *log = open_async(file, 1 << 20);
    (void)async_batches(log, log_line, batches, floors);
    print_figure("async_caller_median", batches[BATCH_COUNT / 2], floors[BATCH_COUNT / 2],
                 "ns/call");
    print_figure("async_caller_least_tenth", batches[BATCH_COUNT / 10], floors[BATCH_COUNT / 10],
                 "ns/call");
    print_figure("async_caller_p99_of_batches", batches[BATCH_COUNT * 99 / 100],
                 floors[BATCH_COUNT * 99 / 100], "ns/call");
    (void)async_batches(log, log_foreign, batches, floors);
    print_figure("async_caller_texts_unknown_median", batches[BATCH_COUNT / 2],
                 floors[BATCH_COUNT / 2], "ns/call");
    struct sl_logger *bound = bind_five(log);
    (void)async_batches(bound, log_line, batches, floors);
    print_figure("async_caller_5_bound_fields_median", batches[BATCH_COUNT / 2],
                 floors[BATCH_COUNT / 2], "ns/call");
    sl_unref(bound);
    int count = round_count > 5 ? SINGLE_MAX : SINGLE_MAX / 4;
    double clock = 1e9;
    for (int i = 0; i < 1000; i++) {
        double start = wall_ns();
        double took = wall_ns() - start;
        if (took < clock) clock = took;
    }
    for (int i = 0; i < count; i++) {
        double start = wall_ns();
        log_line(log, i);
        singles[i] = wall_ns() - start - clock;
        if (i % BATCH == 0) (void)sl_flush(log);
    }
    qsort(singles, (size_t)count, sizeof(*singles), compare);
    print_figure("async_one_call_p99", singles[count / 100 * 99], 0, "ns/call");
    print_figure("async_one_call_p999", singles[count / 1000 * 999], 0, "ns/call");
    sl_unref(log);
    (void)unlink(file);
}

/* All threads together, in processor time; and the back end's share of it. */
static void bench_async_all(const char *file)
{
    double all[ROUND_MAX];
    double back[ROUND_MAX];
    double peer[ROUND_MAX];
    for (int k = 0; k < round_count; k++) {
        struct sl_logger *log = open_async(file, 64 << 20);
        long count = line_count / 4; /* they fit into the ring: nobody waits */
        log_line(log, 0);            /* the ring is there before the time runs */
        (void)sl_flush(log);
        struct timespec now;
        double start = cpu_ns();
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        double own = (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
        for (long i = 0; i < count; i++) log_line(log, i);
        (void)sl_flush(log);
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        own = (double)now.tv_sec * 1e9 + (double)now.tv_nsec - own;
        double spent = cpu_ns() - start;
        all[k] = spent / (double)count;
        back[k] = (spent - own) / (double)count;
        sl_unref(log);
        (void)unlink(file);
        peer[k] = floor_file(file, 65536);
    }
    double each = median(back, round_count);
    print_figure("async_all_threads_against_sync_floor", median(all, round_count),
                 median(peer, round_count), "ns/line");
    print_figure("async_back_end", 1e3 / each, 0, "million lines/s");
}

/* ---- peers ---- */

struct figures {
    double sync, disabled, async_caller, async_all; /* 0: not told */
};

static void take_figure(struct figures *figures, const char *line)
{
    static const struct {
        const char *name;
        size_t offset;
    } names[] = { { "sync ", offsetof(struct figures, sync) },
                  { "disabled ", offsetof(struct figures, disabled) },
                  { "async_caller ", offsetof(struct figures, async_caller) },
                  { "async_all ", offsetof(struct figures, async_all) } };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t size = strlen(names[i].name);
        if (strncmp(line, names[i].name, size) != 0) continue;
        double value = strtod(line + size, NULL);
        memcpy((char *)figures + names[i].offset, &value, sizeof(value));
    }
}

static struct figures run_peer(const char *command)
{
    struct figures figures = { 0, 0, 0, 0 };
    char line[256];
    FILE *out = popen(command, "r");
    while (out != NULL && fgets(line, sizeof(line), out) != NULL) take_figure(&figures, line);
    if (out != NULL) (void)pclose(out);
    return figures;
}

static void print_peer(const char *peer, const struct figures *theirs, const struct figures *ours)
{
    char name[64];
    if (theirs->sync <= 0) {
        printf("# peer missing: %s\n", peer);
        return;
    }
    (void)snprintf(name, sizeof(name), "line_to_file_against_%s", peer);
    print_figure(name, ours->sync, theirs->sync, "ns/line");
    (void)snprintf(name, sizeof(name), "disabled_against_%s", peer);
    print_figure(name, ours->disabled, theirs->disabled, "ns/call");
    if (theirs->async_caller <= 0) return;
    (void)snprintf(name, sizeof(name), "async_caller_against_%s", peer);
    print_figure(name, ours->async_caller, theirs->async_caller, "ns/call");
    (void)snprintf(name, sizeof(name), "async_all_threads_against_%s", peer);
    print_figure(name, ours->async_all, theirs->async_all, "ns/line");
}

static const char python_program[] =
    "import sys, time\n"
    "try:\n"
    "    import structlog\n"
    "except ImportError:\n"
    "    sys.exit(3)\n"
    "n = 30000\n"
    "with open(sys.argv[1], 'w') as f:\n"
    "    structlog.configure(cache_logger_on_first_use=True, processors=[\n"
    "        structlog.processors.add_log_level,\n"
    "        structlog.processors.TimeStamper(fmt='iso', utc=True),\n"
    "        structlog.processors.JSONRenderer()],\n"
    "        logger_factory=structlog.WriteLoggerFactory(file=f))\n"
    "    log = structlog.get_logger().bind()\n"
    "    t = time.process_time()\n"
    "    for i in range(n):\n"
    "        log.info('request handled', method='GET', path='/api/v1/items/42', status=200,\n"
    "                 duration=12.345, user_id=1234567 + i)\n"
    "    print((time.process_time() - t) / n * 1e9)\n";

/* ns a line; 0 where Python or its structlog is missing. */
static double python_structlog(const char *file)
{
    int ends[2];
    if (pipe(ends) != 0) return 0;
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execl("/usr/bin/python3", "python3", "-c", python_program, file, (char *)NULL);
        _exit(3);
    }
    (void)close(ends[1]);
    char text[64] = "";
    ssize_t size = read(ends[0], text, sizeof(text) - 1);
    (void)close(ends[0]);
    int status = 0;
    (void)waitpid(child, &status, 0);
    (void)unlink(file);
    return size > 0 && status == 0 ? strtod(text, NULL) : 0;
}

static void bench_python(void)
{
    char file[256];
    name_file(file, sizeof(file));
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = file };
    struct sl_logger *log = open_log(&sink, SL_CLOCK_PRECISE);
    double ours = log_lines(log, line_count / 4);
    sl_unref(log);
    (void)unlink(file);
    double python = python_structlog(file);
    if (python <= 0) printf("# peer missing: python3 cannot import structlog\n");
    print_figure("line_to_file_against_python_structlog", ours, python, "ns/line");
}

static struct figures own_figures(const char *file)
{
    static double batches[BATCH_COUNT];
    static double floors[BATCH_COUNT];
    struct figures own = { 0, 0, 0, 0 };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = file, .buffer_size = 65536 };
    struct sl_logger *log = open_log(&sink, SL_CLOCK_PRECISE);
    own.sync = log_lines(log, line_count / 2);
    double start = cpu_ns();
    for (long i = 0; i < line_count; i++) {
        __asm__ volatile("" : : "r"(log) : "memory");
        sl_debug(log, "request handled", "method", method, "path", path, "user_id", i);
    }
    own.disabled = (cpu_ns() - start) / (double)line_count;
    sl_unref(log);
    log = open_async(file, 64 << 20);
    log_line(log, 0);
    (void)sl_flush(log);
    start = cpu_ns();
    own.async_all = log_lines(log, line_count / 4);
    (void)async_batches(log, log_line, batches, floors);
    own.async_caller = batches[BATCH_COUNT / 2];
    sl_unref(log);
    (void)unlink(file);
    return own;
}

static void bench_peers(const char *program)
{
    char file[256];
    char command[4096];
    name_file(file, sizeof(file));
    struct figures own = own_figures(file);
    const char *slash = strrchr(program, '/');
    int front = slash == NULL ? 0 : (int)(slash - program) + 1;
    (void)snprintf(command, sizeof(command), "%.*sstructlog_spdlog %s %ld 2>/dev/null", front,
                   program, file, line_count / 4);
    struct figures theirs = run_peer(command);
    print_peer("spdlog", &theirs, &own);
    (void)snprintf(command, sizeof(command),
                   "command -v go >/dev/null && cd '%s/structlog_zerolog' && "
                   "go build -o '%s.peer' . 2>/dev/null && '%s.peer' %s %ld; rm -f '%s.peer'",
                   BENCH_SOURCE, file, file, file, line_count / 4, file);
    theirs = run_peer(command);
    print_peer("zerolog", &theirs, &own);
    printf("# peer missing: quill (not in Debian)\n");
}

/* ---- instructions ---- */

static __attribute__((noinline)) int log_some(const char *kind, long count)
{
    char file[256];
    name_file(file, sizeof(file));
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = file, .buffer_size = 65536 };
    struct sl_logger *log =
        strcmp(kind, "async") == 0 ? open_async(file, 64 << 20) : open_log(&sink, SL_CLOCK_PRECISE);
    bool is_floor = strcmp(kind, "floor") == 0;
    static char line[512];
    for (long i = 0; i < count; i++) {
        if (is_floor) {
            (void)floor_line(line, i, CLOCK_REALTIME);
            __asm__ volatile("" : : "r"(line) : "memory");
        } else {
            log_line(log, i);
        }
    }
    /* Of the asynchronous kind the caller's part alone counts: the rest is left undone. */
    if (strcmp(kind, "async") == 0) {
        char ring[128];
        (void)snprintf(ring, sizeof(ring), "/dev/shm/structlog.%s.%d.ring",
                       program_invocation_short_name, (int)getpid());
        (void)unlink(ring);
        (void)unlink(file);
        (void)fflush(stdout);
        _exit(0);
    }
    sl_unref(log);
    (void)unlink(file);
    return 0;
}

static double count_instructions(const char *program, const char *kind, long count)
{
    char command[512];
    char line[256];
    double sum = 0;
    (void)snprintf(command, sizeof(command),
                   "valgrind --tool=callgrind --callgrind-out-file=/dev/null "
                   "--toggle-collect='log_some' %s --lines %s %ld 2>&1",
                   program, kind, count);
    FILE *out = popen(command, "r");
    while (out != NULL && fgets(line, sizeof(line), out) != NULL) {
        const char *at = strstr(line, "Collected : ");
        if (at != NULL) sum = strtod(at + 12, NULL);
    }
    if (out != NULL) (void)pclose(out);
    return sum;
}

static void bench_instructions(const char *program)
{
    static const char *const kinds[] = { "sync", "async" };
    double floor =
        count_instructions(program, "floor", 30000) - count_instructions(program, "floor", 10000);
    if (floor <= 0) {
        printf("# instructions: valgrind is missing\n");
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        double ours = count_instructions(program, kinds[i], 30000) -
                      count_instructions(program, kinds[i], 10000);
        (void)snprintf(name, sizeof(name), "instructions_%s", kinds[i]);
        print_figure(name, ours / 20000, i == 0 ? floor / 20000 : 0, "instructions/line");
    }
}

int main(int argc, char **argv)
{
    for (int i = 0; i < 100; i++) {
        pairs[2 * i] = (char)('0' + i / 10);
        pairs[2 * i + 1] = (char)('0' + i % 10);
    }
    if (argc == 4 && strcmp(argv[1], "--lines") == 0) {
        return log_some(argv[2], strtol(argv[3], NULL, 10));
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            round_count = 5;
            line_count = 300000;
        } else {
            directory = argv[i];
        }
    }
    char file[256];
    name_file(file, sizeof(file));
    printf("# name ours peer ratio unit; the peer is the floor where the name tells no other\n");
    bench_buffer("line_to_buffer_coarse_clock", SL_CLOCK_COARSE, CLOCK_REALTIME_COARSE);
    bench_buffer("line_to_buffer_precise_clock", SL_CLOCK_PRECISE, CLOCK_REALTIME);
    bench_file("line_to_file_64k_buffer", 65536, 65536);
    bench_file("line_to_file_one_write_each", 0, 0);
    bench_bound();
    bench_disabled();
    bench_async_caller(file);
    bench_async_all(file);
    bench_peers(argv[0]);
    bench_python();
    bench_instructions(argv[0]);
    return 0;
}
