/* column_fuzz.c - any bytes as columns; what decodes must come back when encoded again. */
#include "base/check.h"
#include "tsdb/column.h"

#include <string.h>

/* Parts of columns, and columns that are relative to another: no more than that they end. */
static void read_parts(struct str bytes, size_t count, size_t wanted)
{
    static int64_t reference[COLUMN_VALUES_MAX];
    static int64_t numbers[COLUMN_VALUES_MAX];
    static double values[COLUMN_VALUES_MAX];
    for (size_t i = 0; i < count; i++) reference[i] = (int64_t)(count - i) * 12345;
    (void)!column_decode_first_numbers(bytes, numbers, count, wanted);
    (void)!column_decode_last_values(bytes, values, count, wanted);
    (void)!column_decode_integers(bytes, numbers, count, wanted);
    (void)!column_decode_relative(bytes, reference, values, count, wanted);
}

/* What was decoded, relative to integers made of it, comes back. */
static void write_relative(const double *values, size_t count)
{
    static int64_t reference[COLUMN_VALUES_MAX];
    static double back[COLUMN_VALUES_MAX];
    for (size_t i = 0; i < count; i++) {
        double value = values[count - 1 - i];
        bool is_small = value > 0 && value < 1e12;
        reference[i] = is_small ? (int64_t)value * 3 + (int64_t)(i % 7) : (int64_t)i;
    }
    struct buf buf;
    buf_init(&buf, 1 << 20);
    if (column_write_relative(&buf, values, count, reference, 1)) {
        CHECK(column_reference(buf_str(&buf)) == 1);
        CHECK(column_decode_relative(buf_str(&buf), reference, back, count, count));
        CHECK(memcmp(values, back, count * sizeof(values[0])) == 0);
    }
    buf_release(&buf);
}

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
    read_parts(rest, count, data[0] % (count + 1));
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
        size_t wanted = data[1] % (count + 1);
        CHECK(column_decode_last_values(buf_str(&buf), back, count, wanted));
        CHECK(memcmp(values + count - wanted, back, wanted * sizeof(values[0])) == 0);
    }
    buf_release(&buf);
    write_relative(values, count);
    return 0;
}
