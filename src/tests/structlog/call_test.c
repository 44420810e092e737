/* call_test.c - what a call writes for each type, and what it must not do.
 *
 * Goal: the value of every C type arrives as the JSON value a reader expects; a disabled call
 * evaluates nothing; no call changes errno. Method: log into memory, compare whole lines.
 */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

static const struct sl_config bare = { .without_pid = true };

static void writes_integers(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    unsigned char byte = 200;
    short small = -3;
    sl_info(r.log, "e", "a", INT64_MIN, "b", UINT64_MAX, "c", byte, "d", small, "e", -1, "f", 0u);
    EXPECT_LINE(&r,
                "\"e\",\"a\":-9223372036854775808,\"b\":18446744073709551615,\"c\":200,\"d\":-3,"
                "\"e\":-1,\"f\":0");
    long long wide = LLONG_MAX;
    size_t size = 12345678901234567u;
    sl_info(r.log, "e", "a", wide, "b", size, "c", (signed char)-7, "d", 10, "e", 99, "f", 100);
    EXPECT_LINE(&r, "\"e\",\"a\":9223372036854775807,\"b\":12345678901234567,\"c\":-7,\"d\":10,"
                    "\"e\":99,\"f\":100");
    recorder_close(&r);
}

static void writes_reals(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    sl_info(r.log, "e", "a", 0.1, "b", 0.1 + 0.2, "c", 1e21, "d", -0.0, "e", 3.0, "f", 0.1f);
    EXPECT_LINE(&r, "\"e\",\"a\":0.1,\"b\":0.30000000000000004,\"c\":1e+21,\"d\":-0.0,\"e\":3.0,"
                    "\"f\":0.1");
    sl_info(r.log, "e", "a", (double)NAN, "b", HUGE_VAL, "c", -HUGE_VAL, "d", DBL_MAX, "e", 5e-324,
            "f", 2.5L);
    EXPECT_LINE(&r, "\"e\",\"a\":null,\"b\":null,\"c\":null,\"d\":1.7976931348623157e+308,"
                    "\"e\":5e-324,\"f\":2.5");
    recorder_close(&r);
}

static void writes_the_rest(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    bool yes = true;
    const char *none = NULL;
    void *nowhere = NULL;
    sl_info(r.log, "e", "a", yes, "b", SL_BOOL(false), "c", none, "d", nowhere, "e",
            (void *)(uintptr_t)0x7f10, "f", (char)'"');
    EXPECT_LINE(&r, "\"e\",\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":\"0x7f10\","
                    "\"f\":\"\\\"\"");
    char mutable[] = "text";
    sl_info(r.log, "e", "a", mutable, "b", sl_strn("a\0b", 3), "c", sl_strn(NULL, 5), "d",
            sl_strn("", 0), "e", sl_json("[1,\n2]", 6), "f", sl_json(NULL, 0));
    EXPECT_LINE(&r, "\"e\",\"a\":\"text\",\"b\":\"a\\u0000b\",\"c\":null,\"d\":\"\",\"e\":[1, 2],"
                    "\"f\":null");
    recorder_close(&r);
}

static void head_is_in_order(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    sl_warn(r.log, "disk \"full\"\n");
    const char *text = sl_capture_text(r.capture);
    EXPECT(strncmp(text, "{\"@timestamp\":\"20", 17) == 0);
    const char *rest = text + 15 + 26;
    EXPECT(strcmp(rest, "Z\",\"log.level\":\"warning\",\"message\":\"disk \\\"full\\\"\\n\","
                        "\"ecs.version\":\"1.6.0\"}\n") == 0);
    recorder_close(&r);
}

static void errors_have_parts(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    errno = ENOENT;
    sl_error(r.log, "open failed", "path", "/x", SL_ERRNO());
    EXPECT_LINE(&r,
                "\"open failed\",\"path\":\"/x\",\"error.code\":\"2\",\"error.type\":\"ENOENT\","
                "\"error.message\":\"No such file or directory\"");
    EXPECT_INT(ENOENT, errno);
    sl_error(r.log, "e", "error", sl_errno(-EIO), "n", 1);
    EXPECT_LINE(&r, "\"e\",\"error.code\":\"5\",\"error.type\":\"EIO\","
                    "\"error.message\":\"Input/output error\",\"n\":1");
    struct sl_failure failure = { "ERROR_PARSE", "bad query" };
    sl_error(r.log, "e", "error", sl_failed(&failure));
    EXPECT_LINE(&r, "\"e\",\"error.type\":\"ERROR_PARSE\",\"error.message\":\"bad query\"");
    sl_error(r.log, "e", "error", "plain text");
    EXPECT_LINE(&r, "\"e\",\"error.message\":\"plain text\"");
    sl_error(r.log, "e", "close_error", sl_errno(99999));
    EXPECT_LINE(&r, "\"e\",\"close_error.code\":\"99999\",\"close_error.type\":\"errno 99999\","
                    "\"close_error.message\":\"unknown error\"");
    recorder_close(&r);
}

static int evaluations;

static int count_evaluation(void)
{
    return ++evaluations;
}

static void evaluates_once_or_not_at_all(void)
{
    struct recorder r = recorder_open((struct sl_config){ .level = SL_INFO }, SL_FORMAT_DEFAULT);
    evaluations = 0;
    sl_debug(r.log, "e", "n", count_evaluation());
    EXPECT_INT(0, evaluations);
    sl_info(r.log, "e", "n", count_evaluation());
    EXPECT_INT(1, evaluations);
    if (evaluations == 1)
        sl_info(r.log, "a macro is one statement");
    else
        sl_info(r.log, "never");
    EXPECT_INT(2, (int64_t)sl_capture_count(r.capture));
    recorder_close(&r);
}

static struct sl_value make_dump(void *argument)
{
    evaluations++;
    return SL_VALUE((const char *)argument);
}

static void lazy_values_run_when_needed(void)
{
    struct recorder r = recorder_open((struct sl_config){ .level = SL_INFO, .without_pid = true },
                                      SL_FORMAT_DEFAULT);
    char text[] = "tree";
    struct sl_lazy lazy = { make_dump, text };
    evaluations = 0;
    sl_debug(r.log, "e", "dump", sl_lazily(&lazy));
    EXPECT_INT(0, evaluations);
    sl_info(r.log, "e", "dump", sl_lazily(&lazy), "n", 1);
    EXPECT_INT(1, evaluations);
    EXPECT_LINE(&r, "\"e\",\"dump\":\"tree\",\"n\":1");
    recorder_close(&r);
}

static void levels_rule(void)
{
    struct recorder r = recorder_open((struct sl_config){ .level = SL_WARN }, SL_FORMAT_DEFAULT);
    sl_debug(r.log, "e");
    sl_info(r.log, "e");
    sl_warn(r.log, "e");
    sl_error(r.log, "e");
    sl_critical(r.log, "e");
    sl_log(r.log, SL_WARN - 1, "e");
    sl_log(r.log, SL_WARN + 5, "e");
    EXPECT_INT(4, (int64_t)sl_capture_count(r.capture));
    EXPECT(!sl_enabled(r.log, SL_INFO));
    EXPECT(sl_enabled(r.log, SL_WARN));
    sl_set_level(r.log, SL_OFF);
    sl_critical(r.log, "e");
    EXPECT_INT(4, (int64_t)sl_capture_count(r.capture));
    sl_set_level(r.log, 1);
    sl_debug(r.log, "e");
    EXPECT_INT(5, (int64_t)sl_capture_count(r.capture));
    recorder_close(&r);
}

static void level_names_are_read(void)
{
    static const struct {
        const char *text;
        int code, level;
    } rows[] = {
        { "debug", 0, 10 },     { "INFO", 0, 20 },    { "Warn", 0, 30 },     { "warning", 0, 30 },
        { "fatal", 0, 50 },     { "off", 0, 100 },    { "35", 0, 35 },       { "", -EINVAL, 7 },
        { "loud", -EINVAL, 7 }, { "-1", -EINVAL, 7 }, { "101", -EINVAL, 7 }, { "20x", -EINVAL, 7 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int level = 7;
        test_context(rows[i].text);
        EXPECT_INT(rows[i].code, sl_level_parse(rows[i].text, &level));
        EXPECT_INT(rows[i].level, level);
    }
    test_context(NULL);
    EXPECT(strcmp(sl_level_name(35), "warning") == 0);
    EXPECT(strcmp(sl_level_name(0), "debug") == 0);
}

static void repeats_are_held_back(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_stats before;
    struct sl_stats after;
    sl_stats(&before);
    for (int i = 0; i < 10; i++) {
        sl_warn_every(r.log, 60000, "again", "n", i);
    }
    EXPECT_INT(1, (int64_t)sl_capture_count(r.capture));
    sl_stats(&after);
    EXPECT_INT(9, (int64_t)(after.suppressed_count - before.suppressed_count));
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            struct timespec pause = { 0, 60000000 };
            (void)nanosleep(&pause, NULL);
        }
        sl_info_every(r.log, 40, "tick", "n", i);
    }
    EXPECT_LINE(&r, "\"tick\",\"n\":2,\"suppressed_count\":1");
    recorder_close(&r);
}

static void takes_the_most_pairs(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    sl_info(r.log, "e", "a1", 1, "a2", 2, "a3", 3, "a4", 4, "a5", 5, "a6", 6, "a7", 7, "a8", 8,
            "a9", 9, "a10", 10, "a11", 11, "a12", 12, "a13", 13, "a14", 14, "a15", 15, "a16", 16,
            "a17", 17, "a18", 18, "a19", 19, "a20", 20, "a21", 21, "a22", 22, "a23", 23, "a24", 24);
    const char *line = last_line(&r);
    EXPECT(strstr(line, "\"a1\":1,") != NULL);
    EXPECT(strstr(line, "\"a23\":23,\"a24\":24") != NULL);
    recorder_close(&r);
}

static void run_time_text_is_escaped(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_field fields[] = { { SL_VALUE("k\"ey"), SL_VALUE(1) },
                                 { sl_strn("cut here", 3), SL_VALUE("v") },
                                 { SL_VALUE(5), SL_VALUE("a key that is no text is left out") } };
    sl_log_fields(r.log, SL_INFO, SL_VALUE("ev\"ent"), fields, 3);
    EXPECT_LINE(&r, "\"ev\\\"ent\",\"k\\\"ey\":1,\"cut\":\"v\"");
    sl_printf(r.log, SL_INFO, "%d files, %s\n", 3, "done");
    EXPECT_LINE(&r, "\"3 files, done\"");
    recorder_close(&r);
}

static void huge_values_are_cut(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    size_t size = 2000000;
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    memset(text, 'x', size);
    text[size] = '\0';
    struct sl_capture *capture = sl_capture_new(4 << 20);
    struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = capture };
    struct sl_config config = { .sinks = &sink, .sink_count = 1 };
    struct sl_logger *log = NULL;
    CHECK(sl_open(&log, &config) == 0);
    sl_info(log, "e", "big", text, "after", 1);
    EXPECT(sl_capture_has(capture, "x\xe2\x80\xa6\",\"after\":1}"));
    EXPECT_INT(1048576 + 3, (int64_t)(strstr(sl_capture_text(capture), "\",\"after") -
                                      strchr(sl_capture_text(capture), 'x')));
    sl_unref(log);
    sl_capture_free(capture);
    free(text);
    recorder_close(&r);
}

static void counts_by_level(void)
{
    struct recorder r = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct sl_stats before;
    struct sl_stats after;
    sl_stats(&before);
    sl_debug(r.log, "e");
    sl_error(r.log, "e");
    sl_error(r.log, "e");
    sl_stats(&after);
    EXPECT_INT(1, (int64_t)(after.debug_count - before.debug_count));
    EXPECT_INT(2, (int64_t)(after.error_count - before.error_count));
    EXPECT_INT(3, (int64_t)(after.written_count - before.written_count));
    EXPECT_INT((int64_t)strlen(sl_capture_text(r.capture)),
               (int64_t)(after.written_bytes - before.written_bytes));
    recorder_close(&r);
}

static struct sl_logger *nested_log;

static struct sl_value log_inside(void *argument)
{
    sl_warn(nested_log, "from inside", "n", *(int *)argument);
    return SL_VALUE("done");
}

static void a_call_inside_a_call_works(void)
{
    struct recorder outer = recorder_open(bare, SL_FORMAT_DEFAULT);
    struct recorder inner = recorder_open(bare, SL_FORMAT_DEFAULT);
    int n = 7;
    struct sl_lazy lazy = { log_inside, &n };
    nested_log = inner.log;
    sl_info(outer.log, "outside", "value", sl_lazily(&lazy));
    EXPECT_LINE(&outer, "\"outside\",\"value\":\"done\"");
    EXPECT_LINE(&inner, "\"from inside\",\"n\":7");
    recorder_close(&outer);
    recorder_close(&inner);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(writes_integers),
        TEST(writes_reals),
        TEST(writes_the_rest),
        TEST(head_is_in_order),
        TEST(errors_have_parts),
        TEST(evaluates_once_or_not_at_all),
        TEST(lazy_values_run_when_needed),
        TEST(levels_rule),
        TEST(level_names_are_read),
        TEST(repeats_are_held_back),
        TEST(takes_the_most_pairs),
        TEST(run_time_text_is_escaped),
        TEST(huge_values_are_cut),
        TEST(counts_by_level),
        TEST(a_call_inside_a_call_works),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
