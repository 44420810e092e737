/* ring_fuzz.c - a ring file whose bytes are anything: the recovery ends, reads nothing beyond the
 * file, and what it gives out is whole lines.
 *
 * A good file is made once, by a child that is killed; the input is a list of changes to it: three
 * bytes of where (in units of four bytes, so that all of the file can be reached), one of how many,
 * then the bytes.
 */
#include "structlog/structlog.h"

#include "base/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRONT_SIZE (64u << 10) /* what lies within is changed most */

static char *good;
static size_t good_size;
static int memory;

static void log_and_die(const char *path)
{
    char log_path[128];
    (void)snprintf(log_path, sizeof(log_path), "%s.json", path);
    struct sl_async_options async = { .path = path, .ring_size = 1 << 16, .ring_count = 2 };
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = log_path };
    struct sl_config config = { .service_name = "fuzz", .sinks = &sink, .sink_count = 1 };
    config.async = &async;
    config.with_origin = true;
    struct sl_logger *log = NULL;
    CHECK(sl_open(&log, &config) == 0);
    struct sl_logger *bound = sl_bind(log, "bound", "text", "n", 1);
    struct sl_logger *named = sl_named(bound, "part");
    for (int i = 0; i < 20; i++) {
        sl_info(log, "first", "i", i, "text", "some text", "real", 0.5);
        sl_info(named, "second", "error", sl_errno(2));
        sl_printf(bound, SL_WARN, "%d", i);
        SL_CONTEXT_SCOPE("trace.id", "abc") sl_error(log, "third");
    }
    (void)unlink(log_path);
    (void)kill(getpid(), SIGKILL);
}

static void make_good(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/structlog_fuzz.%d.ring", (int)getpid());
    pid_t child = fork();
    if (child == 0) log_and_die(path);
    (void)waitpid(child, NULL, 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    CHECK(fd >= 0 && fstat(fd, &status) == 0);
    good_size = (size_t)status.st_size;
    good = mmap(NULL, good_size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(good != MAP_FAILED);
    memory = memfd_create("ring", MFD_CLOEXEC);
    CHECK(memory >= 0 && ftruncate(memory, (off_t)good_size) == 0);
    (void)unlink(path);
    for (size_t at = 0; at < good_size; at += 4096) { /* holes stay holes */
        static const char zeros[4096];
        if (memcmp(good + at, zeros, sizeof(zeros)) == 0) continue;
        CHECK(pwrite(memory, good + at, sizeof(zeros), (off_t)at) == (ssize_t)sizeof(zeros));
    }
}

static int take_line(void *context, const char *path, const char *line, size_t size)
{
    size_t *sum = context;
    (void)path;
    CHECK(size > 0);
    for (size_t i = 0; i < size; i++) *sum += (unsigned char)line[i];
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (good == NULL) make_good();
    size_t changed[64][2];
    size_t count = 0;
    for (size_t at = 0; at + 5 < size && count < 64;) {
        size_t place = (data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16) * 4;
        size_t most = data[at + 3] % 32 + 1u;
        place %= data[at + 3] >= 128 ? FRONT_SIZE : good_size - 64;
        at += 4;
        if (most > size - at) most = size - at;
        CHECK(pwrite(memory, data + at, most, (off_t)place) == (ssize_t)most);
        changed[count][0] = place;
        changed[count++][1] = most;
        at += most;
    }
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
    struct sl_recovery recovery;
    size_t sum = 0;
    int code = sl_recover(path, take_line, &sum, &recovery);
    CHECK(count > 0 || (code == 0 && recovery.line_count > 0));
    for (size_t i = 0; i < count; i++) {
        size_t place = changed[i][0];
        CHECK(pwrite(memory, good + place, changed[i][1], (off_t)place) > 0);
    }
    return 0;
}
