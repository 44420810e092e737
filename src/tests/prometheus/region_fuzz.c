/* region_fuzz.c
 *
 * Goal:   no directory, whatever other processes wrote into it, crashes who reads it.
 * Method: the input becomes the directory of a fresh region, behind one good family and series;
 *         the daemon shows it, and a client makes a metric in it. An info's pairs are where the
 *         input says.
 */
#include "prometheus/prometheus.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where struct region_header has directory_used; the directory begins behind the first page. */
enum { USED_AT = 120, DIRECTORY_AT = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int drop(void *arg, const char *data, size_t size)
{
    (void)arg;
    (void)data;
    (void)size;
    return 0;
}

/* Puts the input where the next record would be, and says it is there. */
static void put(const char *path, const uint8_t *data, size_t size)
{
    uint64_t used = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    if (size > 32 * 1024) size = 32 * 1024;
    if (pread(fd, &used, sizeof(used), USED_AT) != (ssize_t)sizeof(used)) abort();
    if (pwrite(fd, data, size, (off_t)(DIRECTORY_AT + used)) != (ssize_t)size) abort();
    used += size & ~(size_t)7;
    if (pwrite(fd, &used, sizeof(used), USED_AT) != (ssize_t)sizeof(used)) abort();
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-fuzz-%ld", (long)getpid());
    (void)unlink(path);
    struct pm_daemon_options options = { .path = path, .directory_size = 65536, .word_count = 1 };
    struct pm_daemon *reader = NULL;
    struct pm_client *client = NULL;
    struct pm_registry *registry = NULL;
    struct pm_error error;
    if (pm_daemon_open(&reader, &options, &error) < 0) abort();
    if (pm_client_open(&client, path, &error) < 0) abort();
    if (pm_registry_new(&registry, &error) < 0) abort();
    if (pm_daemon_register(reader, registry, &error) < 0) abort();
    pm_inc(pm_client_counter(client, "good_total", "Good."));
    struct pm_info *info = pm_client_info(client, "build", "Build.");
    (void)pm_info_set(info, "version", "1");
    put(path, data, size);
    (void)pm_render(registry, pm_negotiate(NULL), drop, NULL);
    pm_inc(pm_client_counter(client, "new_total", "New."));
    (void)pm_render(registry, pm_negotiate("application/openmetrics-text"), drop, NULL);
    pm_client_close(client);
    pm_daemon_close(reader);
    pm_registry_free(registry);
    (void)unlink(path);
    return 0;
}
