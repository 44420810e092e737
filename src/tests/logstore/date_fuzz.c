/* date_fuzz.c - any bytes as a date, its format (behind a line break) and an index name with date
 * math: read or refused; what was read prints, and what the default prints reads as the same.
 *
 * Seeds: corpus/date.
 */
#include "logstore/logstore.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1707386400123)

static void read_and_print(struct str text, const struct date_options *options)
{
    struct buf printed;
    int64_t time_ms;
    int64_t time_ns;
    buf_init(&printed, 1 << 20);
    if (date_parse_ns(text, options, &time_ns, NULL) == 0) {
        date_print_ns(time_ns, options->format, options->zone_offset_s, &printed);
    }
    if (date_parse_ms(text, options, &time_ms, NULL) == 0) {
        date_print_ms(time_ms, options->format, options->zone_offset_s, &printed);
        struct date_options plain = { .now_ms = NOW_MS };
        int64_t again;
        struct utc utc = clock_utc_from_ms(time_ms);
        buf_reset(&printed);
        date_print_ms(time_ms, STR(""), 0, &printed);
        bool is_common = utc.year >= 1000 && utc.year <= 9999;
        if (is_common &&
            (date_parse_ms(buf_str(&printed), &plain, &again, NULL) < 0 || again != time_ms)) {
            abort();
        }
    }
    buf_release(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str format = { (const char *)data, size };
    struct str text = str_cut(&format, '\n');
    for (unsigned i = 0; i < 4; i++) {
        read_and_print(text, &(struct date_options){ .format = format,
                                                     .now_ms = NOW_MS,
                                                     .zone_offset_s = i % 2 == 0 ? 0 : -12600,
                                                     .rounds_up = i / 2 == 1,
                                                     .allows_math = true });
    }
    (void)date_is_detected(text);
    int32_t offset_s;
    (void)!date_offset_parse(text, &offset_s);
    struct arena arena;
    struct str name;
    arena_init(&arena, 1 << 22);
    (void)!logstore_name_expand(text, NOW_MS, &arena, &name, NULL);
    arena_release(&arena);
    return 0;
}
