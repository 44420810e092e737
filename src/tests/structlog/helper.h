/* helper.h - a logger into memory, and what a line says behind its head. */
#ifndef TESTS_STRUCTLOG_HELPER_H
#define TESTS_STRUCTLOG_HELPER_H

#include "structlog/structlog.h"

#include "base/check.h"
#include "base/compiler.h"

#include <stdlib.h>
#include <string.h>

struct recorder {
    struct sl_logger *log;
    struct sl_capture *capture;
};

/* `config` without sinks; from DEBUG unless it says otherwise. */
static inline struct recorder recorder_open(struct sl_config config, enum sl_format format)
{
    struct recorder recorder = { NULL, sl_capture_new(1 << 20) };
    struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .format = format };
    sink.capture = recorder.capture;
    config.sinks = &sink;
    config.sink_count = 1;
    if (config.level == 0) config.level = SL_DEBUG;
    CHECK(recorder.capture != NULL);
    CHECK(sl_open(&recorder.log, &config) == 0);
    return recorder;
}

static inline void recorder_close(struct recorder *recorder)
{
    sl_unref(recorder->log);
    sl_capture_free(recorder->capture);
}

/* The last line from "message": on, without the closing brace and without ecs.version; the text is
 * static and holds until the next call. */
static inline const char *last_line(const struct recorder *recorder)
{
    static char line[65536];
    static const char head[] = "\"message\":";
    static const char version[] = ",\"ecs.version\":\"1.6.0\"";
    const char *text = sl_capture_text(recorder->capture);
    size_t size = strlen(text);
    if (size < 3 || text[size - 1] != '\n' || text[size - 2] != '}') return "(not a line)";
    const char *start = text + size - 1;
    while (start > text && start[-1] != '\n') start--;
    const char *message = strstr(start, head);
    const char *ecs = strstr(start, version);
    if (message == NULL || ecs == NULL) return "(not an ECS line)";
    message += sizeof(head) - 1;
    size_t front = (size_t)(ecs - message);
    size_t rest = (size_t)(text + size - 2 - (ecs + sizeof(version) - 1));
    if (front + rest >= sizeof(line)) return "(too long)";
    memcpy(line, message, front);
    memcpy(line + front, ecs + sizeof(version) - 1, rest);
    line[front + rest] = '\0';
    return line;
}

#define EXPECT_LINE(recorder, want)                                                                \
    do {                                                                                           \
        const char *got_ = last_line(recorder);                                                    \
        test_context(got_);                                                                        \
        EXPECT(strcmp(got_, want) == 0);                                                           \
        test_context(NULL);                                                                        \
    } while (0)

#endif
