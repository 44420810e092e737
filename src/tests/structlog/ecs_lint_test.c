/* ecs_lint_test.c - each rule finds its case, and nothing that is right is found wanting. */
#include "structlog/structlog.h"

#include "base/compiler.h"
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
    "{\"@timestamp\":\"2026-01-02T03:04:05.123456Z\",\"log.level\":\"info\",\"message\":\"m\","
#define GOOD HEAD "\"ecs.version\":\"1.6.0\""

static const struct {
    enum sl_ecs_rule rule; /* 0: fine */
    const char *line;
} rows[] = {
    { 0, GOOD "}" },
    { 0, GOOD "}\n" },
    { 0, GOOD ",\"labels\":{\"a\":\"x\",\"b\":1},\"tags\":[\"x\",\"y\"],\"n\":[1,{\"a\":[]}]}" },
    { 0, GOOD ",\"log\":{\"logger\":\"l\",\"origin\":{\"file\":{\"line\":5}}}}" },
    { 0, GOOD ",\"a.b\":1,\"a\":{\"c\":{\"d\":2}},\"a.c.e\":3}" },
    { 0, "{ \"@timestamp\" : \"2026-01-02T03:04:05+01:00\", \"log.level\":   \"INFO\", "
         "\"ecs.version\":\"1.6.0\"}" },
    { 0, GOOD ",\"x\":-0.5e+10,\"y\":\"\\ud83d\\ude00\\u0000\",\"error.type\":null}" },
    { SL_ECS_SIZE, "" },
    { SL_ECS_SIZE, "\n" },
    { SL_ECS_UTF8, GOOD ",\"x\":\"\xff\"}" },
    { SL_ECS_JSON, "[]" },
    { SL_ECS_JSON, "message" },
    { SL_ECS_JSON, GOOD },
    { SL_ECS_JSON, GOOD "} x" },
    { SL_ECS_JSON, GOOD ",}" },
    { SL_ECS_JSON, GOOD ",\"x\":NaN}" },
    { SL_ECS_JSON, GOOD ",\"x\":01}" },
    { SL_ECS_JSON, GOOD ",\"x\":1.}" },
    { SL_ECS_JSON, GOOD ",\"x\":\"\\x\"}" },
    { SL_ECS_JSON, GOOD ",\"x\":\"\\ud83d\"}" },
    { SL_ECS_JSON, GOOD ",\"x\":\"a\tb\"}" },
    { SL_ECS_JSON, GOOD ",\"x\":[1,]}" },
    { SL_ECS_JSON, GOOD ",\"x\" 1}" },
    { SL_ECS_JSON, GOOD ",\"x\":{\"y\":1]}" },
    { SL_ECS_JSON, GOOD "}\n\n" },
    { SL_ECS_ORDER, "{}" },
    { SL_ECS_ORDER, "{\"log.level\":\"info\",\"@timestamp\":\"2026-01-02T03:04:05Z\"}" },
    { SL_ECS_ORDER, "{\"@timestamp\":\"2026-01-02T03:04:05Z\",\"message\":\"m\"}" },
    { SL_ECS_ORDER, "{\"@timestamp\":\"2026-01-02T03:04:05Z\",\"log.level\":\"i\",\"a\":1,"
                    "\"message\":\"m\",\"ecs.version\":\"1\"}" },
    { SL_ECS_TIMESTAMP, "{\"@timestamp\":\"2026-01-02 03:04:05Z\",\"log.level\":\"i\"}" },
    { SL_ECS_TIMESTAMP, "{\"@timestamp\":\"2026-01-02T03:04:05\",\"log.level\":\"i\"}" },
    { SL_ECS_TIMESTAMP, "{\"@timestamp\":\"2026-01-02T03:04:05.Z\",\"log.level\":\"i\"}" },
    { SL_ECS_TIMESTAMP, "{\"@timestamp\":\"\",\"log.level\":\"i\"}" },
    { SL_ECS_TYPE, "{\"@timestamp\":5,\"log.level\":\"i\"}" },
    { SL_ECS_VERSION, HEAD "\"x\":1}" },
    { SL_ECS_TYPE, HEAD "\"ecs.version\":1.6}" },
    { SL_ECS_TYPE, GOOD ",\"log\":{\"origin\":{\"file\":{\"line\":\"5\"}}}}" },
    { SL_ECS_TYPE, GOOD ",\"log.origin.file.line\":5.5}" },
    { SL_ECS_TYPE, GOOD ",\"user\":\"ada\"}" },
    { SL_ECS_TYPE, GOOD ",\"log\":\"x\"}" },
    { SL_ECS_TYPE, GOOD ",\"tags\":\"x\"}" },
    { SL_ECS_TYPE, GOOD ",\"tags\":[\"x\",1]}" },
    { SL_ECS_LABEL, GOOD ",\"labels\":{\"a.b\":1}}" },
    { SL_ECS_LABEL, GOOD ",\"labels.a*\":1}" },
    { SL_ECS_LABEL, GOOD ",\"labels\":{\"a\":{\"b\":1}}}" },
    { SL_ECS_CONFLICT, GOOD ",\"a.b\":1,\"a\":1}" },
    { SL_ECS_CONFLICT, GOOD ",\"a\":1,\"a.b\":1}" },
    { SL_ECS_CONFLICT, GOOD ",\"a\":{\"b\":1},\"a.b.c\":1}" },
    { SL_ECS_DUPLICATE, GOOD ",\"a.b\":1,\"a\":{\"b\":2}}" },
    { SL_ECS_DUPLICATE, GOOD ",\"a\":1,\"\\u0061\":1}" },
    { SL_ECS_DUPLICATE, GOOD ",\"x\":{\"a\":{},\"a\":{}}}" },
    { SL_ECS_NAME, GOOD ",\"_id\":1}" },
    { SL_ECS_NAME, GOOD ",\"@version\":1}" },
    { SL_ECS_NAME, GOOD ",\"\":1}" },
    { SL_ECS_NAME, GOOD ",\"a..b\":1}" },
    { SL_ECS_NAME, GOOD ",\"a\":{\"\":1}}" },
    { SL_ECS_CONFLICT, GOOD ",\"message.x\":1}" },
};

static void table(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct sl_ecs_finding finding = { .rule = 0, .offset = 12345 };
        size_t size = strlen(rows[i].line);
        char *line = malloc(size + 1); /* of exact size, for the sanitizer */
        memcpy(line, rows[i].line, size);
        int code = sl_ecs_lint_line(line, size, &finding);
        test_context(rows[i].line);
        EXPECT_INT(rows[i].rule == 0 ? 0 : -EINVAL, code);
        EXPECT_INT(rows[i].rule, finding.rule);
        if (code == 0) EXPECT_INT(12345, (int64_t)finding.offset); /* untouched */
        if (code < 0) EXPECT(finding.offset <= size && finding.text[0] != '\0');
        free(line);
    }
    test_context(NULL);
}

static void deep_and_wide_lines_are_refused(void)
{
    static char line[200000];
    struct sl_ecs_finding finding;
    size_t size = strlen(GOOD);
    memcpy(line, GOOD, size);
    memcpy(line + size, ",\"x\":", 5);
    memset(line + size + 5, '[', 1000);
    EXPECT_INT(-EINVAL, sl_ecs_lint_line(line, size + 1005, &finding));
    EXPECT_INT(SL_ECS_SIZE, finding.rule);
    for (int i = 0; i < 1600; i++) {
        char digits[4] = { (char)('a' + i / 400), (char)('a' + i / 20 % 20), (char)('a' + i % 20) };
        memcpy(line + size, ",\"kxxx\":1", 9);
        memcpy(line + size + 3, digits, 3);
        size += 9;
    }
    line[size++] = '}';
    EXPECT_INT(-EINVAL, sl_ecs_lint_line(line, size, &finding));
    EXPECT_INT(SL_ECS_SIZE, finding.rule);
}

static void our_own_lines_pass(void)
{
    struct sl_capture *capture = sl_capture_new(1 << 16);
    struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = capture };
    struct sl_config config = { .service_name = "shop",
                                .service_version = "1",
                                .with_origin = true,
                                .with_thread = true,
                                .sinks = &sink,
                                .sink_count = 1 };
    struct sl_logger *root = NULL;
    EXPECT_INT(0, sl_open(&root, &config));
    struct sl_logger *named = sl_named(root, "http");
    struct sl_logger *log = sl_bind(named, "user", "ada", "a.b", 1, "labels.x.y", 2);
    sl_info(log, "plain");
    sl_error(log, "mixed", "a", 1, "log", "x", "message", "m", "labels", "l", "trace.id", "t", "_x",
             1, "error", sl_errno(ENOENT), "error.message", "own", "@timestamp", 5, "q\"k", "\xff");
    const char *line = sl_capture_text(capture);
    for (int i = 0; i < 2; i++) {
        const char *end = strchr(line, '\n');
        struct sl_ecs_finding finding = { .text = "" };
        EXPECT(end != NULL);
        if (end == NULL) break;
        EXPECT_INT(0, sl_ecs_lint_line(line, (size_t)(end + 1 - line), &finding));
        test_context(finding.text);
        EXPECT(finding.text[0] == '\0');
        line = end + 1;
    }
    test_context(NULL);
    sl_unref(log);
    sl_unref(named);
    sl_unref(root);
    sl_capture_free(capture);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(table),
        TEST(deep_and_wide_lines_are_refused),
        TEST(our_own_lines_pass),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
