/* statsd_fuzz.c
 *
 * Goal:   no StatsD datagram crashes who reads it, and all that is counted can be shown.
 * Method: each line of the input is parsed and applied; an interval ends in between.
 */
#include "prometheus/statsd.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int drop(void *arg, const char *data, size_t size)
{
    (void)arg;
    (void)data;
    (void)size;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pm_registry *registry = NULL;
    struct statsd *statsd = NULL;
    struct pm_error error;
    if (pm_registry_new(&registry, &error) < 0) abort();
    if (statsd_new(&statsd, registry, &error) < 0) abort();
    const char *at = (const char *)data;
    const char *end = at + size;
    for (int lines = 0; at < end && lines < 64; lines++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line_size = (size_t)((stop == NULL ? end : stop) - at);
        struct statsd_line line;
        if (statsd_parse(&line, at, line_size, &error) == 0) {
            (void)statsd_apply(statsd, &line, &error);
        }
        if (lines % 16 == 15) statsd_end_interval(statsd);
        at += line_size + 1;
    }
    (void)pm_render(registry, pm_negotiate(NULL), drop, NULL);
    statsd_free(statsd);
    pm_registry_free(registry);
    return 0;
}
