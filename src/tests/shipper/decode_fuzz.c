/* decode_fuzz.c - any bytes as a line: what comes out is two lines of JSON; and as a setting. */
#include "shipper/decode.h"

#include "base/check.h"
#include "shipper/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str get_variable(void *argument, struct str name)
{
    (void)argument;
    return name.size % 2 == 0 ? STR("value") : (struct str){ 0 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ship_agent agent = { STR_INIT("i"), STR_INIT("e"), STR_INIT("h"),
                                             STR_INIT("h") };
    static const struct expand_source source = { get_variable, NULL };
    struct ship_config config = { .output = { .index = STR("x-%{[a.b]:c}"),
                                              .kind = SHIP_OUTPUT_CONSOLE } };
    if (size == 0) return 0;
    struct str text = { (const char *)data + 1, size - 1 };
    struct ship_input input = { .type = STR("log"),
                                .json = { .is_on = true,
                                          .keys_under_root = (data[0] & 1) != 0,
                                          .overwrite_keys = (data[0] & 2) != 0,
                                          .expand_keys = (data[0] & 4) != 0,
                                          .add_error_key = (data[0] & 8) != 0,
                                          .message_key =
                                              (data[0] & 16) != 0 ? STR("message") : STR("") } };
    if (!input.json.keys_under_root) input.json.target = STR("json");
    struct ship_line line = { .input = &input, .path = STR("/a"), .text = text };
    struct decoder decoder = { 0 };
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 << 20);
    CHECK(decoder_init(&decoder, &config, &agent, NULL) == 0);
    if (decoder_decode(&decoder, &line, &out) == 1) {
        CLEANUP(arena_release) struct arena arena;
        arena_init(&arena, 256 << 20);
        const struct json *root = NULL;
        CHECK(json_parse(NULL, &arena, buf_str(&out), &root, NULL) == 0);
        CHECK(root->kind == JSON_OBJECT);
    }
    decoder_release(&decoder);
    buf_reset(&out);
    if (expand_text(text, &source, &out, NULL) != 0) return 0;
    return 0;
}
