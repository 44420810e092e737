/* logger_test.c - bound fields, the thread's context, keys that meet, and the ECS rules for keys.
 *
 * Goal: structlog's semantics (a new key overrides in place, call over bound over context, unbind
 * of what is not there is an error), and lines in which no key is twice and none breaks ECS.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <pthread.h>
#include <stdio.h>

static const struct sl_config bare = { .without_pid = true };

static void bind_overrides_in_place(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_logger *one = sl_bind(r.log, "a", 1, "b", "x");
    struct sl_logger *two = sl_bind(one, "c", 3, "a", 2);
    sl_info(one, "e", "n", 0);
    EXPECT_LINE(&r, "\"e\",\"a\":1,\"b\":\"x\",\"n\":0");
    sl_unref(one); /* the child keeps what it needs */
    sl_info(two, "e", "n", 0);
    EXPECT_LINE(&r, "\"e\",\"a\":2,\"b\":\"x\",\"c\":3,\"n\":0");
    struct sl_logger *fresh = sl_new(two, "z", 1);
    sl_info(fresh, "e");
    EXPECT_LINE(&r, "\"e\",\"z\":1");
    sl_unref(fresh);
    sl_unref(two);
    recorder_close(&r);
}

static void facts_are_gathered_for_one_line(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_logger *line = sl_ref(r.log);
    sl_add(&line, "path", "/a", "rows", 1);
    sl_add(&line, "rows", 12, "cache", "miss");
    sl_info(line, "request handled", "status", 200);
    EXPECT_LINE(&r, "\"request handled\",\"path\":\"/a\",\"rows\":12,\"cache\":\"miss\","
                    "\"status\":200");
    sl_unref(line);
    recorder_close(&r);
}

static void bound_texts_are_copied(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    char text[] = "first";
    struct sl_logger *log = sl_bind(r.log, "t", text, "j", sl_json("{\"x\":1}", 7));
    memset(text, '?', 5);
    sl_info(log, "e");
    EXPECT_LINE(&r, "\"e\",\"t\":\"first\",\"j\":{\"x\":1}");
    sl_unref(log);
    recorder_close(&r);
}

static void unbind_knows_what_is_there(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_logger *log = sl_bind(r.log, "a", 1, "b", 2);
    struct sl_logger *out = log;
    EXPECT_INT(-ENOENT, sl_unbind(log, "missing", &out));
    EXPECT(out == log);
    EXPECT_INT(0, sl_unbind(log, "a", &out));
    sl_info(out, "e");
    EXPECT_LINE(&r, "\"e\",\"b\":2");
    struct sl_logger *same = sl_try_unbind(out, "missing");
    EXPECT(sl_same_context(out, same));
    EXPECT(!sl_same_context(out, log));
    EXPECT_INT(-ENOENT, sl_unbind(NULL, "a", &same));
    sl_unref(same);
    sl_unref(out);
    sl_unref(log);
    recorder_close(&r);
}

static void names_have_levels_of_their_own(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_logger *http = sl_named(r.log, "http");
    struct sl_logger *request = sl_bind(http, "id", 1);
    sl_set_level(request, SL_ERROR); /* that of http and all its children */
    sl_info(http, "e");
    sl_info(request, "e");
    EXPECT_INT(0, (int64_t)sl_capture_count(r.capture));
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\"");
    sl_unref(http); /* the level lives on in the child */
    sl_error(request, "e");
    EXPECT_LINE(&r, "\"e\",\"log.logger\":\"http\",\"id\":1");
    EXPECT_INT(SL_ERROR, sl_get_level(request));
    sl_unref(request);
    recorder_close(&r);
}

static void no_key_comes_twice(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_logger *log = sl_bind(r.log, "id", 1, "kept", true);
    SL_CONTEXT_SCOPE("id", 0, "trace.id", "abc")
    {
        sl_info(log, "e", "n", 5);
        EXPECT_LINE(&r, "\"e\",\"id\":1,\"trace.id\":\"abc\",\"kept\":1,\"n\":5");
        sl_info(log, "e", "id", 2, "id", 3);
        EXPECT_LINE(&r, "\"e\",\"id\":3,\"trace.id\":\"abc\",\"kept\":1");
    }
    for (int i = 0; i < 3; i++) { /* one site, with and without a meeting */
        struct sl_logger *with = i == 1 ? log : r.log;
        sl_info(with, "e", "id", i);
        EXPECT_INT(i == 1, strstr(last_line(&r), "kept") != NULL);
        EXPECT(strstr(last_line(&r), "\"id\":1,\"id\"") == NULL);
    }
    sl_unref(log);
    recorder_close(&r);
}

static void context_is_a_stack(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    size_t outer = sl_context_push("a", 1);
    size_t inner = sl_context_push("b", 2, "a", 9);
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\",\"a\":9,\"b\":2");
    sl_context_unset("a");
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\",\"b\":2");
    sl_context_pop(inner);
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\",\"a\":1");
    sl_context_pop(outer);
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\"");
    (void)sl_context_push("a", 1);
    sl_context_clear();
    sl_context_pop(5); /* nothing there: nothing happens */
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\"");
    size_t first = sl_context_push("k", 0);
    for (int i = 0; i < 200; i++) (void)sl_context_push("k", i); /* beyond the limit: refused */
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\",\"k\":62");
    sl_context_pop(first);
    recorder_close(&r);
}

struct hand_over {
    struct recorder *recorder;
    struct sl_context *context;
};

static void *log_elsewhere(void *data)
{
    struct hand_over *hand_over = data;
    sl_info(hand_over->recorder->log, "none");
    sl_context_adopt(hand_over->context);
    sl_info(hand_over->recorder->log, "adopted");
    return NULL;
}

static void context_belongs_to_a_thread(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    SL_CONTEXT_SCOPE("trace.id", "abc")
    {
        struct hand_over hand_over = { &r, sl_context_capture() };
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, log_elsewhere, &hand_over) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        EXPECT(sl_capture_has(r.capture, "\"none\",\"ecs.version\":\"1.6.0\"}"));
        EXPECT_LINE(&r, "\"adopted\",\"trace.id\":\"abc\"");
        sl_context_free(hand_over.context);
    }
    EXPECT(sl_context_capture() == NULL);
    sl_context_free(NULL);
    recorder_close(&r);
}

static void reserved_keys_move(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_stats before;
    struct sl_stats after;
    sl_stats(&before);
    sl_info(r.log, "e", "message", 1, "@timestamp", 2, "log.level", "x", "ecs.version", 3, "log",
            "y", "user", "z", "_id", 4, "", 5);
    EXPECT_LINE(&r, "\"e\",\"labels.message\":1,\"labels.@timestamp\":2,\"labels.log_level\":\"x\","
                    "\"labels.ecs_version\":3,\"labels.log\":\"y\",\"labels.user\":\"z\","
                    "\"labels._id\":4,\"labels._\":5");
    sl_stats(&after);
    EXPECT_INT(8, (int64_t)(after.renamed_count - before.renamed_count));
    sl_info(r.log, "e", "user.name", "ada", "labels.a.b", 1, "url",
            sl_json("{\"path\":\"/\"}", 12));
    EXPECT_LINE(&r, "\"e\",\"user.name\":\"ada\",\"labels.a_b\":1,\"url\":{\"path\":\"/\"}");
    sl_info(r.log, "e", "a", 1, "a.b", 2, "ab", 3);
    EXPECT_LINE(&r, "\"e\",\"labels.a\":1,\"a.b\":2,\"ab\":3");
    sl_info(r.log, "e", "message.x", 1, "ecs.version.", 2, "a..b", 3, ".", 4);
    EXPECT_LINE(&r, "\"e\",\"labels.message_x\":1,\"labels.ecs_version_\":2,\"labels.a__b\":3,"
                    "\"labels._\":4");
    sl_info(r.log, "e", "k\xe8", 1, "k\xe9", 2);
    EXPECT_LINE(&r, "\"e\",\"k\xef\xbf\xbd\":2");
    struct sl_logger *log = sl_bind(r.log, "a.b", 1, "host", "h");
    sl_info(log, "e", "a", 2);
    EXPECT_LINE(&r, "\"e\",\"a.b\":1,\"labels.host\":\"h\",\"labels.a\":2");
    sl_unref(log);
    recorder_close(&r);
}

static void own_fields_can_be_set(void)
{
    struct sl_config config = { .without_pid = true,
                                .service_name = "shop",
                                .service_version = "1.2",
                                .service_environment = "test" };
    struct recorder r = recorder_open(config, SL_FORMAT_DEFAULT);
    sl_info(r.log, "e");
    EXPECT_LINE(&r, "\"e\",\"service.name\":\"shop\",\"service.version\":\"1.2\","
                    "\"service.environment\":\"test\",\"event.dataset\":\"shop\"");
    sl_info(r.log, "e", "event.dataset", "shop.access");
    EXPECT_LINE(&r, "\"e\",\"service.name\":\"shop\",\"service.version\":\"1.2\","
                    "\"service.environment\":\"test\",\"event.dataset\":\"shop.access\"");
    recorder_close(&r);
}

static void origin_tells_the_place(void)
{
    struct sl_config config = { .without_pid = true, .with_origin = true };
    struct recorder r = recorder_open(config, SL_FORMAT_DEFAULT);
    char want[256];
    int line = __LINE__ + 1;
    sl_info(r.log, "e", "n", 1);
    (void)snprintf(want, sizeof(want),
                   "\"e\",\"n\":1,\"log.origin.file.name\":\"logger_test.c\","
                   "\"log.origin.file.line\":%d,\"log.origin.function\":\"origin_tells_the_place\"",
                   line);
    EXPECT_LINE(&r, want);
    recorder_close(&r);
}

static void thread_and_process_are_told(void)
{
    struct recorder r = recorder_open((struct sl_config){ .with_thread = true }, SL_FORMAT_DEFAULT);
    sl_info(r.log, "e");
    EXPECT(strstr(last_line(&r), "\"process.pid\":") != NULL);
    EXPECT(strstr(last_line(&r), "\"process.thread.id\":") != NULL);
    EXPECT(strstr(last_line(&r), "\"process.thread.name\":\"") != NULL);
    recorder_close(&r);
}

static void too_many_fields_are_refused(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_stats before;
    struct sl_stats after;
    sl_stats(&before);
    struct sl_logger *log = sl_ref(r.log);
    for (int i = 0; i < 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        struct sl_logger *next = sl_bind(log, sl_strn(key, strlen(key)), i);
        sl_unref(log);
        log = next;
    }
    sl_stats(&after);
    EXPECT_INT(100 - SL_BOUND_MAX, (int64_t)(after.unbound_count - before.unbound_count));
    sl_info(log, "e");
    EXPECT(strstr(last_line(&r), "\"k63\":63") != NULL);
    EXPECT(strstr(last_line(&r), "\"k64\"") == NULL);
    sl_unref(log);
    recorder_close(&r);
}

static const char *text_of(const struct recorder *recorder)
{
    const char *text = sl_capture_text(recorder->capture);
    const char *z = strstr(text, "Z");
    return z == NULL ? text : z;
}

static void the_other_formats(void)
{
    static const struct {
        enum sl_format format;
        const char *want;
    } rows[] = {
        { SL_FORMAT_JSON, "Z\",\"level\":\"info\",\"event\":\"it \\\"is\\\"\",\"log.logger\":\"n\","
                          "\"a\":\"x y\",\"level_\":1,\"message\":null,\"b\":\"\\u001b[0m\"}\n" },
        { SL_FORMAT_LOGFMT, "Z level=info event=\"it \\\"is\\\"\" log.logger=n a=\"x y\" level_=1 "
                            "message= b=\"\\u001b[0m\"\n" },
        { SL_FORMAT_CONSOLE,
          "Z [info     ] it \"is\"                        [n] a=\"x y\" level_=1 "
          "message=null b=\"\\u001b[0m\"\n" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct recorder r = recorder_open(bare, rows[i].format);
        struct sl_logger *log = sl_named(r.log, "n");
        sl_info(log, "it \"is\"", "a", "x y", "level", 1, "message", (char *)NULL, "b", "\033[0m");
        test_context(text_of(&r));
        EXPECT(strcmp(text_of(&r), rows[i].want) == 0);
        test_context(NULL);
        sl_unref(log);
        recorder_close(&r);
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(bind_overrides_in_place),
        TEST(facts_are_gathered_for_one_line),
        TEST(bound_texts_are_copied),
        TEST(unbind_knows_what_is_there),
        TEST(names_have_levels_of_their_own),
        TEST(no_key_comes_twice),
        TEST(context_is_a_stack),
        TEST(context_belongs_to_a_thread),
        TEST(reserved_keys_move),
        TEST(own_fields_can_be_set),
        TEST(origin_tells_the_place),
        TEST(thread_and_process_are_told),
        TEST(too_many_fields_are_refused),
        TEST(the_other_formats),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
