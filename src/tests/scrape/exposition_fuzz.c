/* exposition_fuzz.c - no body crashes the parser; every entry lies inside the body. */
#include "scrape/exposition.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int format = 0; format <= EXPOSITION_OPENMETRICS; format++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct labels_builder builder = { 0 };
        struct exposition exposition;
        exposition_init(&exposition, (struct str){ (const char *)data, size },
                        (enum exposition_format)format);
        struct exposition_entry entry;
        while (exposition_next(&exposition, &entry, NULL) == 1) {
            if (entry.kind != EXPOSITION_SERIES) continue;
            CHECK(entry.series.size <= size);
            labels_builder_start(&builder, (struct labels){ 0 });
            (void)!exposition_labels(entry.series, &arena, &builder, NULL);
        }
        labels_builder_release(&builder);
        arena_release(&arena);
    }
    return 0;
}
