/* number_test.c
 *
 * Goal:   numbers read as Go writes them, as short as possible, and back to the same bits.
 * Method: a table of edges; then random bit patterns and decimals, read back by strtod and
 *         compared in length with the shortest of printf's.
 */
#include "prometheus/number.h"

#include "base/random.h"
#include "base/str.h"
#include "prometheus/prometheus.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct row {
    double value;
    const char *text;
} rows[] = {
    { 0, "0" },
    { -0.0, "-0" },
    { 1, "1" },
    { -2, "-2" },
    { 333, "333" },
    { 0.1, "0.1" },
    { 0.1 + 0.2, "0.30000000000000004" },
    { 100000, "100000" },
    { 999999, "999999" },
    { 1e6, "1e+06" },
    { 1234567, "1.234567e+06" },
    { 123456.5, "123456.5" },
    { 0.0001, "0.0001" },
    { 0.00001, "1e-05" },
    { 1.5e-7, "1.5e-07" },
    { 1e21, "1e+21" },
    { 1e100, "1e+100" },
    { 9007199254740992, "9.007199254740992e+15" },
    { 5e-324, "5e-324" },
    { 2.2250738585072014e-308, "2.2250738585072014e-308" },
    { 1.7976931348623157e308, "1.7976931348623157e+308" },
    { (double)INFINITY, "+Inf" },
    { -(double)INFINITY, "-Inf" },
    { (double)NAN, "NaN" },
};

static void doubles_read_as_go_writes_them(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[NUMBER_SIZE_MAX];
        test_context(rows[i].text);
        size_t size = pm_print_double(text, rows[i].value);
        EXPECT_STR(rows[i].text, ((struct str){ text, size }));
    }
}

/* Digits that count: without leading and trailing zeros, sign, point and exponent. */
static int count_digits(const char *text)
{
    int count = 0;
    int zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && count == 0)) continue;
        count++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return count - zeros;
}

static int shortest_digits(double value)
{
    for (int digits = 1; digits < 17; digits++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value) return count_digits(text);
    }
    return 17;
}

static void random_doubles_read_back_and_none_is_shorter(void)
{
    struct random dice;
    random_init(&dice, 42);
    int bad = 0;
    for (int i = 0; i < 60000 && bad < 5; i++) {
        uint64_t bits = random_next(&dice);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 3 == 0) value = (double)random_below(&dice, 100000000) / 1000;
        if (!isfinite(value)) continue;
        char text[NUMBER_SIZE_MAX + 1];
        text[pm_number_print_double(text, value)] = '\0';
        bool is_good = strtod(text, NULL) == value;
        if (is_good && i % 4 == 0) is_good = count_digits(text) <= shortest_digits(value);
        bad += !is_good;
        test_context(text);
        if (!is_good) EXPECT(is_good);
    }
    EXPECT_INT(0, bad);
}

static void whole_numbers_are_exact(void)
{
    static const uint64_t values[] = { 0, 9, 10, 99, 100, 12345, 9007199254740993u, UINT64_MAX };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[NUMBER_SIZE_MAX];
        char want[NUMBER_SIZE_MAX];
        (void)snprintf(want, sizeof(want), "%llu", (unsigned long long)values[i]);
        size_t size = pm_number_print_u64(text, values[i]);
        EXPECT_STR(want, ((struct str){ text, size }));
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(doubles_read_as_go_writes_them),
        TEST(random_doubles_read_back_and_none_is_shorter),
        TEST(whole_numbers_are_exact),
    };
    return test_main(tests, sizeof(tests) / sizeof(tests[0]));
}
