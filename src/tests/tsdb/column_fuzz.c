/* column_fuzz.c - any bytes as columns; what decodes must come back when encoded again. */
#include "base/check.h"
#include "tsdb/column.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    size_t count = 1 + (data[0] | (size_t)data[1] << 8) % COLUMN_VALUES_MAX;
    struct str rest = { (const char *)data + 2, size - 2 };
    static int64_t numbers[COLUMN_VALUES_MAX];
    static double values[COLUMN_VALUES_MAX];
    static double back[COLUMN_VALUES_MAX];
    struct str copy = rest;
    (void)!column_decode_numbers(&copy, numbers, count);
    copy = rest;
    if (!column_decode_values(&copy, values, count)) return 0;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (int effort = COLUMN_FAST; effort <= COLUMN_SMALL; effort++) {
        buf_reset(&buf);
        column_write_values(&buf, values, count, (enum column_effort)effort);
        copy = buf_str(&buf);
        CHECK(column_decode_values(&copy, back, count));
        CHECK(memcmp(values, back, count * sizeof(values[0])) == 0);
    }
    buf_release(&buf);
    return 0;
}
