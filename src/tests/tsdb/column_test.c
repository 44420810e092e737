/* column_test.c
 *
 * Goal:   columns give back what was put in, bit by bit, and refuse bytes that are none.
 * Method: every kind of series, all counts, edge values; random bytes and cut columns.
 */
#include "tsdb/column.h"

#include "base/random.h"
#include "model/sample.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KINDS = 15 };

static double value_of(struct random *random, int kind, double last)
{
    switch (kind) {
    case 0: return 42;
    case 1: return last + (double)random_below(random, 1000);
    case 2: return (double)random_below(random, 100000) / 100;
    case 3: return random_unit(random);
    case 4: return sample_from_bits(random_next(random));
    case 5: return random_below(random, 20) == 0 ? sample_stale() : 7;
    case 6: return random_below(random, 2) == 0 ? -0.0 : 0.0;
    case 7:
        return random_below(random, 9) == 0 ? (double)INFINITY
                                            : (double)random_below(random, 10) / 8;
    case 8: return -9007199254740991.0 + (double)random_below(random, 3);
    case 9:
        return random_below(random, 30) == 0 ? sample_from_bits(SAMPLE_NORMAL_BITS) : last + 0.1;
    case 10: return ldexp((double)random_below(random, 1000), (int)random_below(random, 60));
    case 11: return last + ((double)random_below(random, 2001) - 1000.0) * 1.7e-7; /* a unit */
    case 12: return last + (double)random_below(random, 1000000) * 1e-9;
    case 13: return 4096 * (double)random_below(random, 100000) + 17;
    default: return 1e300 * random_unit(random);
    }
}

static void values_come_back_bit_by_bit(void)
{
    struct random random;
    random_init(&random, 1);
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (int round = 0; round < 3000; round++) {
        double values[COLUMN_VALUES_MAX];
        double back[COLUMN_VALUES_MAX];
        size_t count = 1 + (size_t)random_below(&random, round % 10 == 0 ? COLUMN_VALUES_MAX : 200);
        double last = 0;
        for (size_t i = 0; i < count; i++) {
            values[i] = value_of(&random, round / 2 % KINDS, last);
            last = values[i];
        }
        buf_reset(&buf);
        column_write_values(&buf, values, count, round % 2 == 0 ? COLUMN_FAST : COLUMN_SMALL);
        buf_append_char(&buf, 'x');
        EXPECT(!buf.has_failed);
        EXPECT(buf.size < count * 9 + 64);
        struct str rest = buf_str(&buf);
        EXPECT(column_decode_values(&rest, back, count));
        EXPECT(memcmp(values, back, count * sizeof(values[0])) == 0);
        EXPECT_STR("x", rest);
        size_t wanted = (size_t)random_below(&random, count + 1);
        EXPECT(column_decode_last_values(buf_str(&buf), back, count, wanted));
        EXPECT(memcmp(values + count - wanted, back, wanted * sizeof(values[0])) == 0);
    }
    buf_release(&buf);
}

static void numbers_come_back(void)
{
    struct random random;
    random_init(&random, 2);
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (int round = 0; round < 3000; round++) {
        int64_t numbers[500];
        int64_t back[500];
        size_t count = (size_t)random_below(&random, 500);
        int64_t last = (int64_t)random_next(&random);
        for (size_t i = 0; i < count; i++) {
            uint64_t step = random_next(&random) >> (round % 64);
            numbers[i] = round % 3 == 0 ? (int64_t)step : (int64_t)((uint64_t)last + step);
            if (round % 7 == 0) numbers[i] = round % 2 == 0 ? INT64_MIN : INT64_MAX - (int64_t)i;
            last = numbers[i];
        }
        buf_reset(&buf);
        column_write_numbers(&buf, numbers, count, round % 2 == 0 ? COLUMN_FAST : COLUMN_SMALL);
        struct str rest = buf_str(&buf);
        EXPECT(column_decode_numbers(&rest, back, count));
        EXPECT(count == 0 || memcmp(numbers, back, count * sizeof(numbers[0])) == 0);
        EXPECT_INT(0, (int64_t)rest.size);
    }
    buf_release(&buf);
}

/* Counts that go along with others: exactly, by chance, with gaps, not at all. */
static void relative_columns_come_back(void)
{
    enum { COUNT = 700 };
    struct random random;
    random_init(&random, 5);
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (int round = 0; round < 400; round++) {
        double all[COUNT];
        double part[COUNT];
        double back[COUNT];
        int64_t reference[COLUMN_VALUES_MAX];
        double total = 0;
        double share = 0;
        for (int i = 0; i < COUNT; i++) {
            uint64_t more = random_below(&random, 40);
            total += (double)more;
            if (round % 4 == 0) share = floor(total * 0.37);
            if (round % 4 != 0 && more > 0) share += (double)random_below(&random, more);
            if (round % 4 == 2 && random_below(&random, 200) == 0) total = share = 0;
            all[i] = total;
            part[i] = round % 4 == 3 && random_below(&random, 50) == 0 ? sample_stale() : share;
        }
        buf_reset(&buf);
        column_write_values(&buf, all, COUNT, COLUMN_SMALL);
        EXPECT(column_decode_integers(buf_str(&buf), reference, COUNT, COUNT));
        buf_reset(&buf);
        EXPECT(column_write_relative(&buf, part, COUNT, reference, 3));
        EXPECT_INT(3, (int64_t)column_reference(buf_str(&buf)));
        size_t wanted = 1 + (size_t)random_below(&random, COUNT);
        EXPECT(column_decode_relative(buf_str(&buf), reference, back, COUNT, wanted));
        EXPECT(memcmp(part + COUNT - wanted, back, wanted * sizeof(back[0])) == 0);
        EXPECT(column_decode_relative(buf_str(&buf), reference, back, COUNT, COUNT));
        EXPECT(memcmp(part, back, sizeof(part)) == 0);
        if (round % 4 == 0) EXPECT(buf.size < 40);
    }
    buf_release(&buf);
}

static void cut_columns_are_refused(void)
{
    struct random random;
    random_init(&random, 3);
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (int kind = 0; kind < KINDS * 4; kind++) {
        double values[300];
        double back[300];
        size_t count = kind < KINDS * 2 ? 100 : 300; /* the longer ones have four states */
        for (size_t i = 0; i < count; i++) values[i] = value_of(&random, kind % KINDS, (double)i);
        buf_reset(&buf);
        bool is_fast = kind / KINDS % 2 == 0;
        column_write_values(&buf, values, count, is_fast ? COLUMN_FAST : COLUMN_SMALL);
        for (size_t size = 0; size < buf.size; size++) {
            struct str rest = str_first(buf_str(&buf), size);
            EXPECT(!column_decode_values(&rest, back, count));
            EXPECT_INT((int64_t)size, (int64_t)rest.size);
        }
    }
    buf_release(&buf);
}

/* 400 values as blocks up to format 3 have them, with two states. */
static void earlier_columns_come_back(void)
{
    static const struct str bytes =
        STR_INIT("\x81\x00\x00\x05\xa0\x01\x00\x01\x00\x06\x7f\x00\x08\x80\x6c\xba\x80\x02\xe0\x1e"
                 "\x01\x00\x0c\x25\xe8\xa2\xa3\xe7\x0d\x49\x34\xd9\xa9\xb9\x8f\xef\xfe\x32\xea\x76"
                 "\x4e\xf9\x9d\x7f\x69\x99\x1b");
    double back[400];
    struct str rest = bytes;
    REQUIRE(column_decode_values(&rest, back, ARRAY_LENGTH(back)));
    EXPECT_INT(0, (int64_t)rest.size);
    unsigned dice = 1;
    double now = 17;
    for (size_t i = 0; i < ARRAY_LENGTH(back); i++) {
        dice = dice * 1103515245u + 12345u;
        if ((dice >> 16) % 11 == 0) now += 1 + (dice >> 20) % 3;
        EXPECT(back[i] == now);
    }
}

/* Steps of -0 behind -0: values about zero that differ in their last bits. Found by the fuzzer. */
static void steps_about_zero_come_back(void)
{
    static const struct str bytes =
        STR_INIT("\x02\x01\x4a\x00\x00\x00\x00\x00\x83\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
                 "\x00\x00\x11\x00\x00\x00\x00");
    double values[233];
    double back[233];
    struct buf buf;
    struct str rest = bytes;
    buf_init(&buf, 1 << 20);
    REQUIRE(column_decode_values(&rest, values, ARRAY_LENGTH(values)));
    column_write_values(&buf, values, ARRAY_LENGTH(values), COLUMN_SMALL);
    rest = buf_str(&buf);
    REQUIRE(column_decode_values(&rest, back, ARRAY_LENGTH(back)));
    EXPECT(memcmp(values, back, sizeof(values)) == 0);
    buf_release(&buf);
}

static void common_series_are_small(void)
{
    static const struct {
        int kind;
        double most[2]; /* bytes a value: fast, small */
    } rows[] = {
        { 0, { 0.1, 0.1 } },  /* constant */
        { 1, { 1.6, 1.4 } },  /* counter */
        { 2, { 2.4, 2.3 } },  /* cents */
        { 5, { 0.9, 0.9 } },  /* stale markers */
        { 11, { 7.0, 1.8 } }, /* moves by a unit */
        { 13, { 2.4, 2.4 } }, /* pages */
    };
    struct random random;
    random_init(&random, 4);
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(rows) * 2; i++) {
        double values[512];
        double last = 0.25;
        for (int k = 0; k < 512; k++) last = values[k] = value_of(&random, rows[i / 2].kind, last);
        buf_reset(&buf);
        column_write_values(&buf, values, 512, i % 2 == 0 ? COLUMN_FAST : COLUMN_SMALL);
        double size = (double)buf.size / 512;
        if (size >= rows[i / 2].most[i % 2]) printf("# kind %d: %g\n", rows[i / 2].kind, size);
        EXPECT(size < rows[i / 2].most[i % 2]);
    }
    buf_release(&buf);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(values_come_back_bit_by_bit), TEST(numbers_come_back),
        TEST(relative_columns_come_back),  TEST(cut_columns_are_refused),
        TEST(earlier_columns_come_back),   TEST(steps_about_zero_come_back),
        TEST(common_series_are_small),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
