/* hostile_lines.c - reads events as hostile_test.py makes them, logs them; the lines go to the
 * standard output, once written by the call itself, once by way of a ring.
 *
 *     structlog_hostile_lines sync|async < EVENTS
 *
 * An event: its text, a byte that counts the fields, then for each its key, a byte for the kind
 * (s d i b n) and the value. Texts have four bytes of size in front; numbers are eight bytes.
 */
#include "structlog/structlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char input[1 << 24];
static size_t input_size, at;

static const char *take_bytes(size_t size)
{
    if (size > input_size - at) exit(3);
    const char *bytes = input + at;
    at += size;
    return bytes;
}

static struct sl_value take_text(void)
{
    uint32_t size = 0;
    memcpy(&size, take_bytes(sizeof(size)), sizeof(size));
    return sl_strn(take_bytes(size), size);
}

static struct sl_value take_value(void)
{
    char kind = *take_bytes(1);
    if (kind == 's') return take_text();
    if (kind == 'n') return SL_VALUE((const char *)NULL);
    if (kind == 'b') return SL_VALUE((bool)(*take_bytes(1) != 0));
    int64_t integer = 0;
    double real = 0;
    const char *bytes = take_bytes(8);
    memcpy(&integer, bytes, sizeof(integer));
    memcpy(&real, bytes, sizeof(real));
    return kind == 'i' ? SL_VALUE(integer) : SL_VALUE(real);
}

int main(int argc, char **argv)
{
    char ring[64];
    (void)snprintf(ring, sizeof(ring), "/dev/shm/structlog_hostile.%d.ring", (int)getpid());
    struct sl_async_options async = { .path = ring, .full_timeout_ms = 60000 };
    struct sl_sink_options sink = { .kind = SL_SINK_STDOUT, .format = SL_FORMAT_JSON };
    struct sl_config config = { .without_pid = true, .sinks = &sink, .sink_count = 1 };
    if (argc > 1 && strcmp(argv[1], "async") == 0) config.async = &async;
    struct sl_logger *log = NULL;
    if (sl_open(&log, &config) != 0) return 2;
    input_size = fread(input, 1, sizeof(input), stdin);
    while (at < input_size) {
        struct sl_field fields[SL_PAIRS_MAX];
        struct sl_value event = take_text();
        size_t count = (unsigned char)*take_bytes(1);
        if (count > SL_PAIRS_MAX) return 4;
        for (size_t i = 0; i < count; i++) {
            fields[i].key = take_text();
            fields[i].value = take_value();
        }
        sl_log_fields(log, SL_INFO, event, fields, count);
    }
    int code = sl_flush(log);
    sl_unref(log);
    return code == 0 ? 0 : 5;
}
