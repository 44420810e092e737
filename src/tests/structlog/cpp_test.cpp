/* cpp_test.cpp - the header is valid C++ and its calls mean the same there. */
#include "structlog/structlog.h"

#include <cstdio>
#include <cstring>

static int failures;

static void expect(const char *name, const char *line, const char *want)
{
    const char *rest = std::strstr(line, "\"ecs.version\":\"1.6.0\"");
    bool is_same = rest != nullptr && std::strcmp(rest + 21, want) == 0;
    std::printf("%s %s\n", is_same ? "ok" : "not ok", name);
    if (!is_same) {
        failures++;
        std::printf("# got %s# want %s", line, want);
    }
}

static void log_in_scope(struct sl_logger *log)
{
    SL_CONTEXT_SCOPE("trace.id", "abc")
    {
        sl_warn(log, "inside");
        return; // pops all the same
    }
}

int main()
{
    struct sl_capture *capture = sl_capture_new(10000);
    struct sl_sink_options sink = {};
    sink.kind = SL_SINK_CAPTURE;
    sink.capture = capture;
    struct sl_config config = {};
    config.without_pid = true;
    config.sinks = &sink;
    config.sink_count = 1;
    struct sl_logger *root = nullptr;
    if (sl_open(&root, &config) != 0) return 1;

    std::printf("1..3\n");
    struct sl_logger *log = sl_bind(root, "peer", "10.0.0.1", "ok", true);
    const char *nothing = nullptr;
    sl_info(log, "request handled", "status", 200, "duration", 0.5, "size", sizeof(int), "none",
            nothing, "letter", 'x', "text", sl_strn("abcdef", 3));
    expect("values", sl_capture_text(capture),
           ",\"peer\":\"10.0.0.1\",\"ok\":true,\"status\":200,\"duration\":0.5,\"size\":4,\"none\":"
           "null,"
           "\"letter\":\"x\",\"text\":\"abc\"}\n");
    sl_capture_clear(capture);
    log_in_scope(root);
    expect("scope", sl_capture_text(capture), ",\"trace.id\":\"abc\"}\n");
    sl_capture_clear(capture);
    sl_info(root, "outside");
    expect("scope left by return", sl_capture_text(capture), "}\n");
    sl_unref(log);
    sl_unref(root);
    sl_capture_free(capture);
    std::printf("# %d passed, %d failed\n", 3 - failures, failures);
    return failures == 0 ? 0 : 1;
}
