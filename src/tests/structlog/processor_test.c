/* processor_test.c - the program's own steps: add, change, drop, with each way a call can take. */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <stdio.h>
#include <unistd.h>

static int order[8];
static int order_count;

static enum sl_verdict note_one(void *context, struct sl_event *event)
{
    (void)event;
    order[order_count++ % 8] = *(const int *)context;
    return SL_EVENT_NEXT;
}

static enum sl_verdict change(void *context, struct sl_event *event)
{
    struct sl_value value = SL_VALUE(0);
    (void)context;
    if (sl_event_get(event, "drop", &value)) return SL_EVENT_DROP;
    if (sl_event_get(event, "last", &value)) return SL_EVENT_DONE;
    if (sl_event_get(event, "token", &value)) {
        char text[32];
        int size = snprintf(text, sizeof(text), "%u bytes", value.size);
        value = sl_event_copy(event, text, (size_t)size);
        EXPECT(sl_event_set(event, "token", value));
    }
    if (sl_event_get(event, "rename", &value)) {
        EXPECT(sl_event_remove(event, "rename"));
        EXPECT(!sl_event_remove(event, "rename"));
        sl_event_set_text(event, value);
        sl_event_set_level(event, SL_ERROR);
    }
    EXPECT(sl_event_set(event, "count", SL_VALUE(sl_event_count(event))));
    return SL_EVENT_NEXT;
}

static enum sl_verdict list_keys(void *context, struct sl_event *event)
{
    char *text = context;
    struct sl_value key;
    struct sl_value value;
    *text = '\0';
    for (size_t i = 0; sl_event_at(event, i, &key, &value); i++) {
        (void)snprintf(text + strlen(text), 200 - strlen(text), "%.*s ", (int)key.size,
                       (const char *)key.as.pointer);
    }
    return SL_EVENT_NEXT;
}

static struct recorder open_with(const struct sl_processor *processors, size_t count)
{
    struct sl_config config = { .without_pid = true, .processors = processors };
    config.processor_count = count;
    return recorder_open(config, SL_FORMAT_ECS);
}

static void test_changes(void)
{
    static const struct sl_processor steps[] = { { change, NULL } };
    struct recorder recorder = open_with(steps, 1);
    struct sl_logger *bound = sl_bind(recorder.log, "token", "secret", "id", 1);
    sl_info(recorder.log, "plain", "a", 1);
    EXPECT_LINE(&recorder, "\"plain\",\"a\":1,\"count\":1");
    sl_info(bound, "bound", "a", 1);
    EXPECT_LINE(&recorder, "\"bound\",\"token\":\"6 bytes\",\"id\":1,\"a\":1,\"count\":3");
    sl_info(recorder.log, "before", "rename", "after");
    EXPECT_LINE(&recorder, "\"after\",\"count\":0");
    EXPECT(sl_capture_has(recorder.capture, "\"log.level\":\"error\",\"message\":\"after\""));
    sl_info(recorder.log, "straight", "last", 1);
    EXPECT_LINE(&recorder, "\"straight\",\"last\":1");
    sl_unref(bound);
    recorder_close(&recorder);
}

static void test_drops(void)
{
    static const struct sl_processor steps[] = { { change, NULL } };
    struct recorder recorder = open_with(steps, 1);
    struct sl_stats before;
    struct sl_stats after;
    sl_stats(&before);
    sl_info(recorder.log, "gone", "drop", 1);
    sl_printf(recorder.log, SL_INFO, "%s", "kept");
    sl_stats(&after);
    EXPECT_INT(1, (int64_t)sl_capture_count(recorder.capture));
    EXPECT_INT(1, (int64_t)(after.filtered_count - before.filtered_count));
    recorder_close(&recorder);
}

static void test_order_and_merging(void)
{
    static int one = 1;
    static int two = 2;
    static char keys[200];
    const struct sl_processor steps[] = { { note_one, &one },
                                          { list_keys, keys },
                                          { note_one, &two } };
    struct recorder recorder = open_with(steps, 3);
    struct sl_logger *bound = sl_bind(recorder.log, "b", 1, "c", 2);
    SL_CONTEXT_SCOPE("a", 0, "b", 0)
    {
        sl_info(bound, "merged", "c", 3, "d", 4, "error", sl_errno(ENOENT));
    }
    EXPECT(strcmp(keys, "a b c d error.code error.type error.message ") == 0);
    EXPECT(order[0] == 1 && order[1] == 2);
    sl_unref(bound);
    recorder_close(&recorder);
}

static void test_asynchronous(void)
{
    static const struct sl_processor steps[] = { { change, NULL } };
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/structlog_processor.%d.ring", (int)getpid());
    struct sl_async_options async = { .path = path };
    struct sl_config config = { .without_pid = true, .processors = steps, .processor_count = 1 };
    config.async = &async;
    config.with_origin = true;
    struct recorder recorder = recorder_open(config, SL_FORMAT_ECS);
    struct sl_logger *named = sl_named(recorder.log, "part");
    sl_info(named, "named", "token", "abc");
    sl_info(named, "gone", "drop", 1);
    EXPECT_INT(0, sl_flush(named));
    EXPECT_INT(1, (int64_t)sl_capture_count(recorder.capture));
    EXPECT(sl_capture_has(recorder.capture, "\"log.logger\":\"part\""));
    EXPECT(sl_capture_has(recorder.capture, "\"log.origin.function\":\"test_asynchronous\""));
    EXPECT(sl_capture_has(recorder.capture, "\"token\":\"3 bytes\",\"count\":1"));
    sl_unref(named);
    recorder_close(&recorder);
}

static void test_wrong_options(void)
{
    struct sl_logger *log = NULL;
    struct sl_config config = { .processor_count = 1 };
    EXPECT_INT(-EINVAL, sl_open(&log, &config));
    static const struct sl_processor steps[SL_PROCESSOR_MAX + 1] = { { change, NULL } };
    config.processors = steps;
    config.processor_count = SL_PROCESSOR_MAX + 1;
    EXPECT_INT(-EINVAL, sl_open(&log, &config));
    EXPECT(log == NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(test_changes),      TEST(test_drops),         TEST(test_order_and_merging),
        TEST(test_asynchronous), TEST(test_wrong_options),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
