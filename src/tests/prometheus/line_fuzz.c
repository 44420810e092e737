/* line_fuzz.c
 *
 * Goal:   no datagram crashes the receiver, and what is read can be written and read again.
 * Method: each line of the input is parsed; a good one is printed, parsed again, must print the
 *         same, and is run on a registry that is then shown.
 */
#include "prometheus/line.h"

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

static void round_trip(const struct pm_command *command)
{
    static char first[PM_LINE_SIZE_MAX * 4];
    static char second[PM_LINE_SIZE_MAX * 4];
    struct pm_line again;
    struct pm_error error;
    size_t size = pm_line_print(first, sizeof(first), command);
    if (size == 0 || size > PM_LINE_SIZE_MAX) return;
    if (pm_line_parse(&again, first, size - 1, &error) < 0) abort();
    if (pm_line_print(second, sizeof(second), &again.command) != size) abort();
    if (memcmp(first, second, size) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pm_registry *registry = NULL;
    struct pm_error error;
    if (pm_registry_new(&registry, &error) < 0) abort();
    const char *at = (const char *)data;
    const char *end = at + size;
    for (int lines = 0; at < end && lines < 64; lines++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line_size = (size_t)((stop == NULL ? end : stop) - at);
        struct pm_line line;
        if (pm_line_parse(&line, at, line_size, &error) == 0) {
            round_trip(&line.command);
            (void)pm_registry_command(registry, &line.command, &error);
        }
        at += line_size + 1;
    }
    (void)pm_render(registry, pm_negotiate(NULL), drop, NULL);
    pm_registry_free(registry);
    return 0;
}
