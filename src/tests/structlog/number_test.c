/* number_test.c - numbers read back as they were, and no decimal that does so is shorter.
 *
 * Method: a table with the texts of Python's repr, then random bits: read back by strtod, and
 * compared with the fewest digits that printf needs.
 */
#include "structlog/number.h"
#include "structlog/stamp.h"

#include "base/compiler.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void doubles_as_python_writes_them(void)
{
    static const struct {
        double x;
        const char *want;
    } rows[] = {
        { 0.0, "0.0" },
        { -0.0, "-0.0" },
        { 1.0, "1.0" },
        { -1.5, "-1.5" },
        { 0.1, "0.1" },
        { 0.30000000000000004, "0.30000000000000004" },
        { 12.345, "12.345" },
        { 100.0, "100.0" },
        { 0.001, "0.001" },
        { 0.0001, "0.0001" },
        { 0.00001, "1e-05" },
        { 0.00012345, "0.00012345" },
        { 1e15, "1000000000000000.0" },
        { 1e16, "1e+16" },
        { 123456789012345678.0, "1.2345678901234568e+17" },
        { 1e22, "1e+22" },
        { 1e23, "1e+23" },
        { 9007199254740993.0, "9007199254740992.0" },
        { 1.7976931348623157e308, "1.7976931348623157e+308" },
        { 2.2250738585072014e-308, "2.2250738585072014e-308" },
        { 5e-324, "5e-324" },
        { 4.35, "4.35" },
        { 999999999999.999, "999999999999.999" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[SL_NUMBER_SIZE_MAX + 1];
        *sl_put_double(text, rows[i].x) = '\0';
        test_context(rows[i].want);
        EXPECT(strcmp(text, rows[i].want) == 0);
    }
    test_context(NULL);
}

static int count_digits(const char *text)
{
    int digits = 0;
    int zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && digits == 0)) continue;
        digits++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return digits - zeros;
}

static void random_doubles_are_shortest(void)
{
    uint64_t bits = UINT64_C(88172645463325252);
    for (int i = 0; i < 200000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        uint64_t picked = i % 3 == 1 ? bits & ~((UINT64_C(1) << bits % 52) - 1) : bits;
        double x = 0;
        memcpy(&x, &picked, sizeof(x));
        if (!isfinite(x)) continue;
        char text[SL_NUMBER_SIZE_MAX + 1];
        char best[64];
        *sl_put_double(text, x) = '\0';
        EXPECT(strtod(text, NULL) == x);
        if (i % 10 != 0) continue;
        int digits = 1;
        for (; digits < 17; digits++) {
            (void)snprintf(best, sizeof(best), "%.*e", digits - 1, x);
            if (strtod(best, NULL) == x) break;
        }
        test_context(text);
        EXPECT(count_digits(text) <= digits);
    }
    test_context(NULL);
}

static void random_floats_read_back(void)
{
    uint32_t bits = 2463534242;
    for (int i = 0; i < 200000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 17;
        bits ^= bits << 5;
        float x = 0;
        memcpy(&x, &bits, sizeof(x));
        if (!isfinite(x)) continue;
        char text[SL_NUMBER_SIZE_MAX + 1];
        *sl_put_float(text, x) = '\0';
        EXPECT(strtof(text, NULL) == x);
        EXPECT(count_digits(text) <= 9);
    }
}

static void integers_of_every_length(void)
{
    char want[32];
    char text[SL_NUMBER_SIZE_MAX + 1];
    for (uint64_t x = 1; x < UINT64_MAX / 10; x = x * 10 + 7) {
        for (int step = -1; step <= 1; step++) {
            uint64_t y = x + (uint64_t)(int64_t)step;
            *sl_put_uint(text, y) = '\0';
            (void)snprintf(want, sizeof(want), "%llu", (unsigned long long)y);
            EXPECT(strcmp(text, want) == 0);
            *sl_put_int(text, -(int64_t)(y / 2)) = '\0';
            (void)snprintf(want, sizeof(want), "%lld", -(long long)(y / 2));
            EXPECT(strcmp(text, want) == 0);
        }
    }
    *sl_put_int(text, INT64_MIN) = '\0';
    EXPECT(strcmp(text, "-9223372036854775808") == 0);
    *sl_put_hex(text, 0) = '\0';
    EXPECT(strcmp(text, "0x0") == 0);
    *sl_put_hex(text, UINT64_MAX) = '\0';
    EXPECT(strcmp(text, "0xffffffffffffffff") == 0);
}

static void stamps_are_fixed_width(void)
{
    static const struct {
        int64_t second;
        uint32_t nanosecond;
        const char *want;
    } rows[] = {
        { 0, 0, "1970-01-01T00:00:00.000000Z" },
        { 951782400, 999999999, "2000-02-29T00:00:00.999999Z" },
        { 951868799, 1000, "2000-02-29T23:59:59.000001Z" },
        { 1767322800 + 14 * 60 + 5, 123456000, "2026-01-02T03:14:05.123456Z" },
        { 4107542399, 0, "2100-02-28T23:59:59.000000Z" },
        { 4107542400, 0, "2100-03-01T00:00:00.000000Z" },
        { -5, 0, "1970-01-01T00:00:00.000000Z" },
        { INT64_MAX, 0, "9999-12-31T23:59:59.000000Z" },
    };
    struct sl_stamp stamp = { 0, "" };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[SL_STAMP_SIZE + 1];
        *sl_put_stamp(text, &stamp, rows[i].second, rows[i].nanosecond) = '\0';
        test_context(rows[i].want);
        EXPECT(strcmp(text, rows[i].want) == 0);
    }
    test_context(NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(doubles_as_python_writes_them), TEST(random_doubles_are_shortest),
        TEST(random_floats_read_back),       TEST(integers_of_every_length),
        TEST(stamps_are_fixed_width),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
