/* decode_test.c - lines and the documents they become, row by row; then formats and variables.
 *
 * A row gives settings, a line, and texts that the document must or must not hold.
 */
#include "shipper/decode.h"

#include "shipper/bulk.h"
#include "shipper/expand.h"
#include "shipper/format.h"
#include "tests/test.h"

#include <stdlib.h>

#define READ_NS INT64_C(1707386400000000000) /* 2024-02-08T10:00:00Z */

static const struct ship_json all = { .is_on = true,
                                      .keys_under_root = true,
                                      .overwrite_keys = true,
                                      .add_error_key = true,
                                      .expand_keys = true,
                                      .message_key = STR_INIT("message") };
static const struct ship_json keyless = { .is_on = true,
                                          .keys_under_root = true,
                                          .overwrite_keys = true,
                                          .add_error_key = true,
                                          .expand_keys = true };
static const struct ship_json keeping = { .is_on = true,
                                          .keys_under_root = true,
                                          .add_error_key = true };
static const struct ship_json nested = { .is_on = true, .target = STR_INIT("json") };
static const struct ship_json silent = { .is_on = true, .keys_under_root = true };
static const struct ship_json none = { 0 };

struct row {
    const char *name;
    const struct ship_json *json;
    const char *line;
    const char *wanted[4];
    const char *unwanted[3];
};

static const struct row rows[] = {
    { "plain", &none, "hello \"you\"", { "\"message\":\"hello \\\"you\\\"\"" }, { "error" } },
    { "ecs",
      &all,
      "{\"@timestamp\":\"2024-02-08T11:00:00.123999Z\",\"log.level\":\"info\",\"message\":\"hi\","
      "\"ecs.version\":\"1.6.0\"}",
      { "{\"@timestamp\":\"2024-02-08T11:00:00.123Z\"", "\"offset\":7,\"level\":\"info\"",
        "\"ecs\":{\"version\":\"1.6.0\"}", "\"message\":\"hi\"" },
      { "1.12.0", "error" } },
    { "first value only", &keyless, "{\"a\":1} trailing", { "\"a\":1" }, { "error", "message" } },
    { "an array", &all, "[1,2]", { "\"message\":\"[1,2]\"", "\"type\":\"json\"" }, { NULL } },
    { "null", &all, "null", { "\"message\":\"null\"", "Error decoding JSON" }, { NULL } },
    { "no error key", &silent, "{oops", { "\"message\":\"{oops\"" }, { "error" } },
    { "no message key",
      &all,
      "{\"a\":1}",
      { "\"a\":1", "Key 'message' not found", "\"message\":\"\"" },
      { NULL } },
    { "message not text",
      &all,
      "{\"message\":5}",
      { "Value of key 'message' is not a string" },
      { NULL } },
    { "conflict",
      &keyless,
      "{\"a\":1,\"a.b\":2,\"c\":3}",
      { "cannot expand", "\"original\":\"{\\\"a\\\":1" },
      { "\"c\":3,", "\"a\":{" } },
    { "conflict other way", &keyless, "{\"a.b\":2,\"a\":1}", { "cannot expand" }, { "\"a\":1," } },
    { "same leaf twice",
      &keyless,
      "{\"log.level\":\"x\",\"log\":{\"level\":\"y\"}}",
      { "cannot expand" },
      { "\"level\"" } },
    { "merged",
      &keyless,
      "{\"log.level\":\"x\",\"log\":{\"logger\":\"y\"}}",
      { "\"level\":\"x\",\"logger\":\"y\"" },
      { "error" } },
    { "the line's own words stay",
      &keyless,
      "{\"host\":{\"name\":\"h2\"},\"agent\":{\"name\":\"z\"}}",
      { "\"host\":{\"name\":\"h2\"}", "\"agent\":{\"name\":\"z\",\"ephemeral_id\"",
        "\"type\":\"filebeat\"" },
      { "\"name\":\"machine\"" } },
    { "log as text, over", &keyless, "{\"log\":\"boom\"}", { "\"log\":\"boom\"" }, { "offset" } },
    { "log as text, kept", &keeping, "{\"log\":\"boom\"}", { "\"offset\":7" }, { "boom" } },
    { "no time of its own",
      &keeping,
      "{\"@timestamp\":\"2020-01-01T00:00:00Z\",\"a\":1}",
      { "{\"@timestamp\":\"2024-02-08T10:00:00.000Z\"", "\"a\":1" },
      { "2020" } },
    { "bad time",
      &keyless,
      "{\"@timestamp\":\"08/02/2024\"}",
      { "parse error on 08/02/2024", "\"@timestamp\":\"2024-02-08T10:00:00.000Z\"" },
      { NULL } },
    { "time not text", &keyless, "{\"@timestamp\":1707386400}", { "(not string)" }, { NULL } },
    { "zone without colon",
      &keyless,
      "{\"@timestamp\":\"2024-02-08T11:00:00.000+0100\"}",
      { "\"@timestamp\":\"2024-02-08T10:00:00.000Z\"" },
      { "error" } },
    { "metadata",
      &keyless,
      "{\"@metadata\":{\"_id\":\"7\",\"pipeline\":\"p\",\"raw_index\":\"R\"}}",
      { "{\"create\":{\"_index\":\"r\",\"_id\":\"7\",\"pipeline\":\"p\"}}" },
      { "metadata" } },
    { "null left out", &keyless, "{\"x\":null,\"y\":1}", { "\"y\":1" }, { "\"x\"", "error" } },
    { "empty object", &keyless, "{}", { "\"offset\":7" }, { "message" } },
    { "large number",
      &keyless,
      "{\"n\":9223372036854775807,\"m\":12345678901234567890}",
      { "\"n\":9223372036854775807", "\"m\":12345678901234567" },
      { NULL } },
    { "type not text", &keyless, "{\"type\":1}", { "type not overwritten" }, { "\"type\":1" } },
    { "below json",
      &nested,
      "{\"a.b\":1,\"@timestamp\":\"2020-01-01T00:00:00Z\"}",
      { "\"json\":{\"a.b\":1,\"@timestamp\":\"2020", "{\"@timestamp\":\"2024-02-08T10" },
      { NULL } },
    { "broken utf-8", &all, "{\"message\":\"\xff\"}", { "\xef\xbf\xbd" }, { "error" } },
};

static void release(struct decoder *decoder)
{
    decoder_release(decoder);
}

static void check_row(struct decoder *decoder, const struct row *row)
{
    struct ship_input input = { .type = STR("log"), .json = *row->json };
    struct ship_line line = { .input = &input,
                              .path = STR("/logs/a.json"),
                              .text = str_from(row->line),
                              .offset = 7,
                              .read_ns = READ_NS };
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 1 << 20);
    test_context(row->name);
    EXPECT_INT(1, decoder_decode(decoder, &line, &out));
    for (size_t i = 0; i < ARRAY_LENGTH(row->wanted) && row->wanted[i] != NULL; i++) {
        bool is_there = str_find(buf_str(&out), str_from(row->wanted[i])) != STR_NONE;
        EXPECT(is_there);
        if (!is_there) EXPECT_STR(row->wanted[i], buf_str(&out));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(row->unwanted) && row->unwanted[i] != NULL; i++) {
        bool is_there = str_find(buf_str(&out), str_from(row->unwanted[i])) != STR_NONE;
        EXPECT(!is_there);
        if (is_there) EXPECT_STR(row->unwanted[i], buf_str(&out));
    }
}

static void documents(void)
{
    static const struct ship_agent agent = { STR_INIT("i"), STR_INIT("e"), STR_INIT("machine"),
                                             STR_INIT("machine") };
    struct ship_config config = { .output = { .kind = SHIP_OUTPUT_ELASTIC,
                                              .index = STR("x-%{+yyyy.MM.dd}") } };
    struct error error = { 0 };
    CLEANUP(release) struct decoder decoder = { 0 };
    REQUIRE(decoder_init(&decoder, &config, &agent, &error) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) check_row(&decoder, &rows[i]);
    test_context(NULL);
    struct ship_input input = { .type = STR("log") };
    struct ship_line line = { .input = &input, .path = STR("/a"), .text = STR("") };
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 1 << 20);
    EXPECT_INT(0, decoder_decode(&decoder, &line, &out)); /* an empty line */
    EXPECT_INT(0, (int64_t)out.size);
}

static struct str get_variable(void *argument, struct str name)
{
    (void)argument;
    if (str_equal(name, STR("HOME"))) return STR("/home");
    if (str_equal(name, STR("WHICH"))) return STR("HOME");
    return (struct str){ 0 };
}

static void variables(void)
{
    static const struct {
        const char *text;
        const char *wanted; /* NULL: an error */
    } cases[] = {
        { "plain", "plain" },
        { "${HOME}/x", "/home/x" },
        { "${NONE:else}", "else" },
        { "${NONE:}", "" },
        { "${NONE:${HOME}}", "/home" },
        { "${${WHICH}}", "/home" },
        { "a$${b}", "a${b}" },
        { "$HOME", "$HOME" },
        { "${NONE}", NULL },
        { "${NONE:?set it}", NULL },
        { "${HOME", NULL },
        { "${}", NULL },
        { "${A:${A:${A:${A:${A:${A:${A:${A:${A:${A:x}}}}}}}}}}", NULL },
    };
    static const struct expand_source source = { get_variable, NULL };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(buf_release) struct buf out;
        buf_init(&out, 1000);
        struct error error = { 0 };
        test_context(cases[i].text);
        int code = expand_text(str_from(cases[i].text), &source, &out, &error);
        EXPECT((code == 0) == (cases[i].wanted != NULL));
        if (code == 0) EXPECT_STR(cases[i].wanted, buf_str(&out));
    }
    test_context(NULL);
}

static void formats(void)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 1000);
    EXPECT(format_print(STR("a-%{+yyyy.MM.dd}-%{[x.y]:z}"), NULL, READ_NS, &out));
    EXPECT_STR("a-2024.02.08-z", buf_str(&out));
    EXPECT(!format_print(STR("%{[x]}"), NULL, READ_NS, &out));
    EXPECT(format_is_valid(STR("a-%{[agent.version]}-%{+yyyy.MM.dd}")));
    EXPECT(!format_is_valid(STR("a-%{[agent.version]")));
    EXPECT(!format_is_valid(STR("a-%{+QQ}")));
    EXPECT(!format_is_valid(STR("a-%{}")));
}

static void bulk_answers(void)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        { "{\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":429}}]}", 0 },
        { "{\"items\":[{\"create\":{\"status\":201}}]}", ERROR_PARSE },
        { "{\"took\":1}", ERROR_PARSE },
        { "", ERROR_PARSE },
        { "{\"items\":[{},{}]}", ERROR_PARSE },
        { "{\"items\":[{\"create\":{}},{\"create\":{\"status\":201}}]}", ERROR_PARSE },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(arena_release) struct arena arena;
        arena_init(&arena, 1 << 20);
        struct bulk_item items[2] = { 0 };
        struct error error = { 0 };
        test_context(cases[i].text);
        EXPECT_INT(cases[i].code, bulk_read(str_from(cases[i].text), &arena, items, 2, &error));
        if (cases[i].code == 0) EXPECT_INT(BULK_AGAIN, items[1].verdict);
    }
    test_context(NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(documents),
        TEST(variables),
        TEST(formats),
        TEST(bulk_answers),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
