/* histogram_test.c - goal: bounds, sums, resets and cuts of native histograms. Method: small
 * histograms whose answers can be worked out by hand. */
#include "model/histogram.h"

#include "base/error.h"
#include "tests/test.h"

#include <math.h>

static struct arena arena;

static void test_bounds(void)
{
    EXPECT(histogram_bound(0, 0) == 1);
    EXPECT(histogram_bound(0, 3) == 8);
    EXPECT(histogram_bound(0, -2) == 0.25);
    EXPECT(histogram_bound(-1, 2) == 16);
    EXPECT(fabs(histogram_bound(1, 1) - sqrt(2)) < 1e-15);
    EXPECT(histogram_bound(3, 8) == 2);
    EXPECT(isfinite(histogram_bound(0, 1024)));
    EXPECT(isinf(histogram_bound(0, 1025)));
}

static void test_spans(void)
{
    const struct histogram_span spans[] = { { -1, 2 }, { 3, 1 } };
    const double counts[] = { 4, 0, 7 };
    struct histogram_bucket *buckets = NULL;
    size_t count = 0;
    EXPECT_INT(0, histogram_from_spans(&arena, spans, 2, counts, 3, &buckets, &count));
    EXPECT_INT(2, (int64_t)count);
    EXPECT_INT(-1, buckets[0].index);
    EXPECT_INT(4, buckets[1].index);
    EXPECT(buckets[1].count == 7);
    EXPECT_INT(ERROR_PARSE, histogram_from_spans(&arena, spans, 2, counts, 2, &buckets, &count));
}

static const struct histogram_bucket fine_buckets[] = { { 1, 1 }, { 2, 2 }, { 3, 3 } };
static const struct histogram fine = {
    .schema = 1, .count = 6, .sum = 1, .positive = fine_buckets, .positive_count = 3
};
static const struct histogram_bucket coarse_buckets[] = { { 1, 10 } };
static const struct histogram coarse = {
    .schema = 0, .count = 10, .sum = 1e100, .positive = coarse_buckets, .positive_count = 1
};

static void test_sum(void)
{
    struct histogram_sum sum = { 0 };
    unsigned events = 0;
    EXPECT_INT(0, histogram_sum_start(&sum, &fine));
    EXPECT_INT(0, histogram_sum_add(&sum, &coarse, 1, &events));
    EXPECT_INT(0, histogram_sum_add(&sum, &fine, 1, &events));
    EXPECT_INT(0, histogram_sum_add(&sum, &coarse, -1, &events));
    const struct histogram *made = histogram_sum_finish(&sum, &arena);
    REQUIRE(made != NULL);
    EXPECT_INT(0, made->schema);
    EXPECT(made->sum == 2); /* 1 + 1e100 + 1 - 1e100 */
    EXPECT(made->count == 12);
    REQUIRE(made->positive_count == 2);
    EXPECT(made->positive[0].index == 1 && made->positive[0].count == 6);
    EXPECT(made->positive[1].index == 2 && made->positive[1].count == 6);
    histogram_sum_release(&sum);
    histogram_sum_release(&sum);
}

static void test_kinds_do_not_mix(void)
{
    const double bounds[] = { 1, 2 };
    struct histogram custom = { .schema = HISTOGRAM_SCHEMA_CUSTOM,
                                .bounds = bounds,
                                .bound_count = 2 };
    struct histogram_sum sum = { 0 };
    unsigned events = 0;
    EXPECT_INT(0, histogram_sum_start(&sum, &fine));
    EXPECT_INT(ERROR_INVALID, histogram_sum_add(&sum, &custom, 1, &events));
    histogram_sum_release(&sum);
}

static void test_custom_bounds_meet(void)
{
    const double many[] = { 1, 2, 3, 4 };
    const double few[] = { 2, 5 };
    const struct histogram_bucket a_buckets[] = { { 0, 1 }, { 1, 2 }, { 2, 4 }, { 4, 8 } };
    const struct histogram_bucket b_buckets[] = { { 0, 16 }, { 1, 32 }, { 2, 64 } };
    struct histogram a = { .schema = HISTOGRAM_SCHEMA_CUSTOM,
                           .bounds = many,
                           .bound_count = 4,
                           .positive = a_buckets,
                           .positive_count = 4 };
    struct histogram b = { .schema = HISTOGRAM_SCHEMA_CUSTOM,
                           .bounds = few,
                           .bound_count = 2,
                           .positive = b_buckets,
                           .positive_count = 3 };
    struct histogram_sum sum = { 0 };
    unsigned events = 0;
    EXPECT_INT(0, histogram_sum_start(&sum, &a));
    EXPECT_INT(0, histogram_sum_add(&sum, &b, 1, &events));
    EXPECT_INT(HISTOGRAM_EVENT_RECONCILED, (int64_t)events);
    const struct histogram *made = histogram_sum_finish(&sum, &arena);
    REQUIRE(made != NULL && made->bound_count == 1 && made->positive_count == 2);
    EXPECT(made->bounds[0] == 2);
    EXPECT(made->positive[0].count == 1 + 2 + 16);
    EXPECT(made->positive[1].count == 4 + 8 + 32 + 64);
    histogram_sum_release(&sum);
}

static void test_resets(void)
{
    struct histogram later = fine;
    EXPECT(!histogram_is_reset(&later, &fine));
    later.count = 5;
    EXPECT(histogram_is_reset(&later, &fine));
    later.hint = HISTOGRAM_HINT_NOT_RESET;
    EXPECT(!histogram_is_reset(&later, &fine));
    const struct histogram_bucket moved[] = { { 1, 3 }, { 3, 3 } };
    later = fine;
    later.positive = moved;
    later.positive_count = 2;
    EXPECT(histogram_is_reset(&later, &fine));
    later = coarse; /* a coarser one may go on: 3 of the fine ones are in bucket 1 */
    EXPECT(histogram_is_reset(&later, &fine)); /* but bucket 2 lost its 3 */
    EXPECT(histogram_equal(&fine, &fine));
    EXPECT(!histogram_equal(&fine, &coarse));
}

static void test_print(void)
{
    const struct histogram_bucket negative[] = { { 0, 1 } };
    const struct histogram_bucket positive[] = { { 1, 2 } };
    struct histogram histogram = { .count = 4,
                                   .sum = 1.5,
                                   .zero_threshold = 0.001,
                                   .zero_count = 1,
                                   .negative = negative,
                                   .negative_count = 1,
                                   .positive = positive,
                                   .positive_count = 1 };
    struct buf buf;
    buf_init(&buf, 1000);
    histogram_print(&buf, &histogram);
    EXPECT_STR("{count:4, sum:1.5, [-1,-0.5):1, [-0.001,0.001]:1, (1,2]:2}", buf_str(&buf));
    buf_release(&buf);
}

static void test_trim(void)
{
    const struct histogram *below = histogram_trim(&arena, &coarse, sqrt(2), true);
    REQUIRE(below != NULL && below->positive_count == 1);
    EXPECT(fabs(below->count - 5) < 1e-9);
    const struct histogram *all = histogram_trim(&arena, &coarse, 2, true);
    REQUIRE(all != NULL);
    EXPECT(histogram_equal(all, &coarse));
    const struct histogram *none = histogram_trim(&arena, &coarse, 2, false);
    REQUIRE(none != NULL);
    EXPECT(none->positive_count == 0 && none->count == 0);
}

static void test_full_arena(void)
{
    struct arena small;
    arena_init(&small, 16);
    EXPECT(histogram_copy(&small, &fine) == NULL);
    EXPECT(histogram_trim(&small, &fine, 1, true) == NULL);
    arena_release(&small);
}

int main(void)
{
    static const struct test tests[] = { TEST(test_bounds),
                                         TEST(test_spans),
                                         TEST(test_sum),
                                         TEST(test_kinds_do_not_mix),
                                         TEST(test_custom_bounds_meet),
                                         TEST(test_resets),
                                         TEST(test_print),
                                         TEST(test_trim),
                                         TEST(test_full_arena) };
    arena_init(&arena, 1 << 20);
    int status = test_main(tests, ARRAY_LENGTH(tests));
    arena_release(&arena);
    return status;
}
