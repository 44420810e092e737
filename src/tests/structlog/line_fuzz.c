/* line_fuzz.c - whatever the keys, the event and the values hold, the line passes the ECS check,
 * and whatever the line checked holds, the check ends and reads nothing beyond it.
 *
 * Seeds: corpus/line.
 */
#include "structlog/structlog.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl_logger *fuzz_log;
static struct sl_capture *fuzz_capture;

static void open_log(void)
{
    fuzz_capture = sl_capture_new(1 << 20);
    struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .capture = fuzz_capture };
    struct sl_config config = { .service_name = "fuzz", .sinks = &sink, .sink_count = 1 };
    CHECK(sl_open(&fuzz_log, &config) == 0);
}

/* Fields are cut out of the input: a length byte, then so many bytes; the kind by the length. */
static size_t cut_fields(struct sl_field *fields, size_t count_max, const char *data, size_t size)
{
    size_t count = 0;
    size_t at = 0;
    while (count < count_max && at + 2 < size) {
        size_t key_size = (unsigned char)data[at] % 24;
        size_t value_size = (unsigned char)data[at + 1];
        at += 2;
        if (key_size > size - at) key_size = size - at;
        fields[count].key = sl_strn(data + at, key_size);
        at += key_size;
        if (value_size > size - at) value_size = size - at;
        int64_t number = 0;
        memcpy(&number, data + at, value_size < 8 ? value_size : 8);
        double real = 0;
        memcpy(&real, &number, sizeof(real));
        switch (value_size % 4) {
        case 0: fields[count].value = SL_VALUE(number); break;
        case 1: fields[count].value = SL_VALUE(real); break;
        case 2: fields[count].value = sl_errno((int)(number % 200)); break;
        default: fields[count].value = sl_strn(data + at, value_size); break;
        }
        at += value_size;
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (fuzz_log == NULL) open_log();
    const char *text = (const char *)data;
    size_t event_size = size < 16 ? size : 16;
    struct sl_field fields[SL_PAIRS_MAX];
    size_t count = cut_fields(fields, SL_PAIRS_MAX, text, size);
    sl_capture_clear(fuzz_capture);
    sl_log_fields(fuzz_log, SL_INFO, sl_strn(text, event_size), fields, count);
    const char *line = sl_capture_text(fuzz_capture);
    struct sl_ecs_finding finding;
    size_t line_size = strlen(line);
    CHECK(line_size > 0 && line[line_size - 1] == '\n');
    if (sl_ecs_lint_line(line, line_size, &finding) < 0) {
        /* A number under trace.id is the caller's mistake, and no other finding is. */
        CHECK(finding.rule == SL_ECS_TYPE);
        CHECK(strstr(finding.text, "has another type in ECS") != NULL);
    }
    (void)sl_ecs_lint_line(text, size, &finding);
    return 0;
}
