/* region_fuzz.c
 *
 * Goal:   no region, whatever other processes wrote into it, crashes who reads it.
 * Method: a fresh region gets a metric of each type. Then the input is written into it: with an
 *         even first byte as the records behind the good ones, else as patches (place, byte) of
 *         header, directory and words. The daemon shows it and makes metrics in it, a client does,
 *         and a second daemon takes it over, geometry and all.
 */
#include "prometheus/prometheus.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where struct region_header has directory_used; the directory begins behind the first page, the
 * words on the first 64 KiB boundary behind its 64 KiB. */
enum { USED_AT = 120, DIRECTORY_AT = 4096, WORDS_AT = 128 * 1024, RECORDS_SIZE = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static int drop(void *arg, const char *data, size_t size)
{
    (void)arg;
    (void)data;
    (void)size;
    return 0;
}

/* Puts the input where the next record would be, and says it is there. */
static void append(int fd, const uint8_t *data, size_t size)
{
    uint64_t used = 0;
    if (size > 32 * 1024) size = 32 * 1024;
    if (pread(fd, &used, sizeof(used), USED_AT) != (ssize_t)sizeof(used)) abort();
    if (pwrite(fd, data, size, (off_t)(DIRECTORY_AT + used)) != (ssize_t)size) abort();
    used += size & ~(size_t)7;
    if (pwrite(fd, &used, sizeof(used), USED_AT) != (ssize_t)sizeof(used)) abort();
}

/* Four bytes a patch: the part, a place of two bytes, the byte. */
static void patch(int fd, const uint8_t *data, size_t size)
{
    for (; size >= 4; data += 4, size -= 4) {
        size_t place = (size_t)data[1] << 8 | data[2];
        size_t at = place % 512; /* the header's fields */
        if (data[0] % 4 == 1 || data[0] % 4 == 2) at = DIRECTORY_AT + place % RECORDS_SIZE;
        if (data[0] % 4 == 3) at = WORDS_AT + place;
        if (pwrite(fd, data + 3, 1, (off_t)at) != 1) abort();
    }
}

static void make_all(struct pm_registry *registry)
{
    static const char *const states[] = { "off", "on" };
    struct pm_options options = { .name = "job", .help = "Job.", .states = states };
    options.state_count = 2;
    static const double quantiles[] = { 0.5, 0.99 };
    struct pm_options native = { .name = "sketch", .help = "Native.", .native_factor = 1.1 };
    struct pm_options window = { .name = "window", .help = "Window.", .quantiles = quantiles };
    window.quantile_count = 2;
    static const unsigned char trace[16] = { 0x4b, 0xf9 };
    struct pm_histogram *sketch = pm_histogram_of(registry, &native);
    for (int i = -2; i < 4; i++) pm_observe(sketch, 0.3 * i); /* also in buckets that are there */
    pm_observe_trace(sketch, 0.3, trace, trace);
    pm_observe(pm_summary_of(registry, &window), 0.3);
    pm_inc(pm_counter_new(registry, "good_total", "Good."));
    struct pm_counter *by = pm_counter_new(registry, "by_total", "By.", "n");
    static const char *const values[] = { "x", "y", "x" };
    static struct pm_site site; /* for one registry: it remembers none of an earlier input */
    memset(&site, 0, sizeof(site));
    for (size_t i = 0; i < 3; i++) pm_inc(pm_counter_at(&site, by, values[i]));
    pm_set(pm_gauge_new(registry, "level", "Level."), 2);
    pm_observe_trace(pm_histogram_new(registry, "lat_seconds", "Latency."), 0.2, trace, NULL);
    pm_observe(pm_summary_new(registry, "size_bytes", "Sizes."), 3);
    (void)pm_info_set(pm_info_new(registry, "build", "Build."), "version", "1");
    (void)pm_enum_set(pm_enum_of(registry, &options), "on");
}

/* Shows the daemon's metrics in each format, in a registry of its own. */
static void show(struct pm_daemon *reader)
{
    static const enum pm_exposition kinds[] = { PM_TEXT_0_0_4, PM_OPENMETRICS_1_0_0, PM_PROTOBUF };
    struct pm_registry *registry = NULL;
    if (pm_registry_new(&registry, NULL) < 0) abort();
    if (pm_daemon_register(reader, registry, NULL) < 0) abort();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        (void)pm_render(registry, (struct pm_format){ .kind = kinds[i] }, drop, NULL);
    }
    pm_inc(pm_counter_new(pm_daemon_registry(reader), "new_total", "New."));
    pm_daemon_close(reader);
    pm_registry_free(registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-fuzz-%ld", (long)getpid());
    (void)unlink(path);
    struct pm_daemon_options options = { .path = path, .directory_size = 65536, .word_count = 1 };
    struct pm_daemon *reader = NULL;
    struct pm_client *client = NULL;
    if (pm_daemon_open(&reader, &options, NULL) < 0) abort();
    if (pm_client_open(&client, path, NULL) < 0) abort();
    make_all(pm_client_registry(client));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    if (data[0] % 2 == 0)
        append(fd, data + 1, size - 1);
    else
        patch(fd, data + 1, size - 1);
    (void)close(fd);
    make_all(pm_client_registry(client));
    pm_inc(pm_client_counter(client, "new_total", "New."));
    pm_client_close(client);
    show(reader);
    if (pm_daemon_open(&reader, &options, NULL) == 0) show(reader);
    if (pm_client_open(&client, path, NULL) == 0) {
        make_all(pm_client_registry(client));
        pm_client_close(client);
    }
    (void)unlink(path);
    return 0;
}
