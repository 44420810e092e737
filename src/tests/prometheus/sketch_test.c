/* sketch_test.c
 *
 * Goal:   native histograms count each value in the bucket the format says, whatever becomes of
 *         their resolution; quantiles of a window are as close as the guide says; processes share
 *         both.
 * Method: values at and beside bucket ends against powers computed in long double; counts before
 *         and after each change; threads that count while the resolution changes; two clients of a
 *         region.
 */
#include "tests/test.h"

#include "base/compiler.h"
#include "base/str.h"
#include "prometheus/prometheus.h"
#include "prometheus/sketch.h"
#include "prometheus/sketch_index.h"
#include "prometheus/store.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct pm_registry *registry;

static void indexes_are_those_of_the_format(void)
{
    static const struct {
        double value;
        int schema;
        int32_t index;
    } rows[] = {
        { 1, 0, 0 },
        { 1.0000001, 0, 1 },
        { 2, 0, 1 },
        { 3, 0, 2 },
        { 0.5, 0, -1 },
        { 1, 3, 0 },
        { 1.09, 3, 1 },
        { 1.0905, 3, 1 },
        { 1.0906, 3, 2 },
        { 2, 3, 8 },
        { 4, -1, 1 },
        { 4.1, -1, 2 },
        { 1, -4, 0 },
        { 65536, -4, 1 },
        { 65537, -4, 2 },
        { 0x1p-1074, 0, -1074 },
        { 0x1.8p-1073, 0, -1072 },
        { 0x1.fffffffffffffp1023, 3, 8192 },
        { (double)INFINITY, 3, 8193 },
        { (double)INFINITY, -4, 65 },
        { 0x1.fffffffffffffp1023, -4, 64 },
        { 1, 8, 0 },
        { 2, 8, 256 },
    };
    pm_sketch_tables();
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        EXPECT_INT(rows[i].index, sketch_index(rows[i].value, 8 - rows[i].schema));
    }
    /* Against the definition: the least index whose bound is not below the value. */
    srand48(7);
    for (int i = 0; i < 200000; i++) {
        double value = ldexp(1 + drand48(), (int)(lrand48() % 100) - 50);
        int schema = (int)(lrand48() % 13) - 4;
        int32_t index = sketch_index(value, 8 - schema);
        long double scale = exp2l((long double)schema);
        bool is_in = (long double)value <= exp2l((long double)index / scale) &&
                     (long double)value > exp2l((long double)(index - 1) / scale);
        EXPECT(is_in);
        if (!is_in) break;
    }
}

static void schemas_follow_the_factor(void)
{
    EXPECT_INT(3, pm_sketch_schema(1.1));
    EXPECT_INT(0, pm_sketch_schema(2));
    EXPECT_INT(8, pm_sketch_schema(1.0001));
    EXPECT_INT(-4, pm_sketch_schema(1e9));
    EXPECT_INT(2, pm_sketch_schema(1.2));
}

static struct pm_histogram *make(const struct pm_options *more)
{
    struct pm_options options = *more;
    options.name = "h_seconds";
    options.help = "H.";
    if (pm_registry_new(&registry, NULL) < 0) return NULL;
    return pm_histogram_of(registry, &options);
}

static struct sketch_view view_of(struct pm_histogram *histogram)
{
    struct sketch_view view = { 0 };
    EXPECT_INT(0, pm_sketch_read((struct series *)histogram->metric.series, &view));
    return view;
}

static void values_are_in_their_buckets(void)
{
    struct pm_histogram *h = make(&(struct pm_options){ .native_factor = 1.1 });
    REQUIRE(h != NULL);
    static const double values[] = { 1, 1, 1.05, 2, -2, 0, 1e-50, -(double)INFINITY };
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) pm_observe(h, values[i]);
    pm_observe(h, (double)NAN); /* refused */
    struct sketch_view view = view_of(h);
    EXPECT_INT(3, view.schema);
    EXPECT(view.zero_threshold == 0x1p-128);
    EXPECT_INT(2, (int64_t)view.zero_count);
    EXPECT_INT(8, (int64_t)view.count);
    REQUIRE(view.positive_count == 3 && view.negative_count == 2);
    EXPECT_INT(0, view.positive[0].index);
    EXPECT_INT(2, (int64_t)view.positive[0].count);
    EXPECT_INT(1, view.positive[1].index);
    EXPECT_INT(8, view.positive[2].index);
    EXPECT_INT(8, view.negative[0].index);
    EXPECT_INT(8193, view.negative[1].index);
    pm_sketch_view_release(&view);
    double count = 0;
    EXPECT_INT(0, pm_sample(registry, &count, "h_seconds_bucket", "le", "+Inf"));
    EXPECT(count == 8);
    pm_registry_free(registry);
}

static void too_many_buckets_get_coarser_and_lose_nothing(void)
{
    struct pm_histogram *h =
        make(&(struct pm_options){ .native_factor = 1.01, .native_bucket_max = 20 });
    REQUIRE(h != NULL);
    enum { COUNT = 20000 };
    srand48(3);
    for (int i = 0; i < COUNT; i++) pm_observe(h, exp(drand48() * 60 - 30));
    struct sketch_view view = view_of(h);
    EXPECT_INT(COUNT, (int64_t)view.count);
    EXPECT(view.positive_count <= 20);
    EXPECT(view.schema < 0);
    pm_sketch_view_release(&view);
    for (int i = 0; i < COUNT; i++) { /* the whole range of doubles, both signs */
        pm_observe(h, ldexp(i % 2 == 0 ? 1.5 : -1.5, i % 2090 - 1070));
    }
    view = view_of(h);
    EXPECT_INT(2 * COUNT, (int64_t)view.count);
    EXPECT_INT(-4, view.schema);
    pm_sketch_view_release(&view);
    pm_registry_free(registry);
}

static void zero_buckets_widen_first_when_they_may(void)
{
    struct pm_histogram *h = make(&(struct pm_options){
        .native_factor = 2, .native_bucket_max = 8, .native_zero_threshold_max = 0.01 });
    REQUIRE(h != NULL);
    for (int i = 0; i < 12; i++) pm_observe(h, ldexp(1, -i));
    struct sketch_view view = view_of(h);
    EXPECT_INT(0, view.schema);
    EXPECT(view.zero_threshold > 0x1p-12 && view.zero_threshold <= 0.01);
    EXPECT(view.zero_count >= 4);
    EXPECT_INT(12, (int64_t)view.count);
    pm_sketch_view_release(&view);
    pm_registry_free(registry);
}

static void resets_start_anew_with_all_that_is_counted(void)
{
    struct pm_options options = { .native_factor = 2, .native_bucket_max = 4 };
    options.native_reset_min_s = 0.001;
    options.bounds = pm_default_bounds;
    options.bound_count = PM_DEFAULT_BOUND_COUNT;
    struct pm_histogram *h = make(&options);
    REQUIRE(h != NULL);
    pm_observe(h, 1);
    double before = 0;
    EXPECT_INT(0, pm_sample(registry, &before, "h_seconds_count"));
    EXPECT(before == 1);
    struct timespec pause = { 0, 20 * 1000 * 1000 };
    (void)nanosleep(&pause, NULL);
    for (int i = 1; i < 6; i++) pm_observe(h, ldexp(1, i));
    struct sketch_view view = view_of(h);
    EXPECT(view.count < 6);
    EXPECT_INT(0, view.schema);
    double after = 0;
    double sum = 0;
    EXPECT_INT(0, pm_sample(registry, &after, "h_seconds_count"));
    EXPECT_INT(0, pm_sample(registry, &sum, "h_seconds_sum"));
    EXPECT(after < 6);
    EXPECT(sum < 63);
    pm_sketch_view_release(&view);
    pm_registry_free(registry);
}

static void *observe_all(void *arg)
{
    struct pm_histogram *h = arg;
    for (int i = 0; i < 100000; i++) pm_observe(h, ldexp(1 + (i % 97) / 97.0, i % 600 - 300));
    return NULL;
}

static void threads_lose_nothing_while_it_gets_coarser(void)
{
    struct pm_histogram *h =
        make(&(struct pm_options){ .native_factor = 1.002, .native_bucket_max = 60 });
    REQUIRE(h != NULL);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, observe_all, h) == 0);
    for (int i = 0; i < 50; i++) free(pm_render_text(registry, (struct pm_format){ 0 }, NULL));
    for (size_t i = 0; i < 4; i++) (void)pthread_join(threads[i], NULL);
    struct sketch_view view = view_of(h);
    EXPECT_INT(400000, (int64_t)view.count);
    pm_sketch_view_release(&view);
    pm_registry_free(registry);
}

static void quantiles_are_close_and_of_the_window(void)
{
    static const double wanted[] = { 0, 0.5, 0.9, 0.99, 1 };
    struct pm_options options = { .name = "s_seconds", .help = "S.", .quantiles = wanted };
    options.quantile_count = ARRAY_LENGTH(wanted);
    options.window_s = 0.25;
    REQUIRE(pm_registry_new(&registry, NULL) == 0);
    struct pm_summary *s = pm_summary_of(registry, &options);
    double value = 0;
    EXPECT_INT(0, pm_sample(registry, &value, "s_seconds", "quantile", "0.5"));
    EXPECT(isnan(value));
    for (int i = 1; i <= 10000; i++) pm_observe(s, i / 100.0);
    static const struct {
        const char *quantile;
        double want;
    } rows[] = { { "0", 0.01 }, { "0.5", 50 }, { "0.9", 90 }, { "0.99", 99 }, { "1", 100 } };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].quantile);
        EXPECT_INT(0, pm_sample(registry, &value, "s_seconds", "quantile", rows[i].quantile));
        EXPECT(fabs(value / rows[i].want - 1) <= 0.011);
    }
    struct timespec pause = { 0, 400 * 1000 * 1000 };
    (void)nanosleep(&pause, NULL);
    pm_observe(s, 7);
    EXPECT_INT(0, pm_sample(registry, &value, "s_seconds", "quantile", "0.5"));
    EXPECT(fabs(value / 7 - 1) <= 0.011);
    EXPECT_INT(0, pm_sample(registry, &value, "s_seconds_count"));
    EXPECT(value == 10001);
    pm_registry_free(registry);
}

static void processes_share_them(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/barograph-sketch-%ld", (long)getpid());
    struct pm_daemon_options place = { .path = path };
    struct pm_daemon *daemon = NULL;
    struct pm_client *clients[2] = { NULL, NULL };
    struct pm_error error = { 0 };
    REQUIRE(pm_daemon_open(&daemon, &place, &error) == 0);
    static const double quantiles[] = { 0.5 };
    struct pm_options native = { .name = "h_seconds", .help = "H.", .native_factor = 1.1 };
    native.native_bucket_max = 30;
    struct pm_options summary = { .name = "s_seconds", .help = "S.", .quantiles = quantiles };
    summary.quantile_count = 1;
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(pm_client_open(&clients[i], path, &error) == 0);
        struct pm_registry *own = pm_client_registry(clients[i]);
        struct pm_histogram *h = pm_histogram_of(own, &native);
        struct pm_summary *s = pm_summary_of(own, &summary);
        for (int j = 0; j < 1000; j++) pm_observe(h, ldexp(1, j % 100)); /* gets coarser */
        for (int j = 0; j < 100; j++) pm_observe(s, 3);
        pm_observe_with(h, 1.5, "trace_id", i == 0 ? "first" : "second");
    }
    struct pm_registry *seen = pm_daemon_registry(daemon);
    struct pm_metric *metric = NULL;
    REQUIRE(pm_find(seen, "h_seconds", &metric, &error) == 0);
    struct sketch_view view = { 0 };
    EXPECT_INT(0, pm_sketch_read((struct series *)metric->series, &view));
    EXPECT_INT(2002, (int64_t)view.count);
    EXPECT(view.positive_count <= 30);
    pm_sketch_view_release(&view);
    double value = 0;
    EXPECT_INT(0, pm_sample(seen, &value, "s_seconds", "quantile", "0.5"));
    EXPECT(fabs(value / 3 - 1) <= 0.011);
    char *text = pm_render_text(seen, (struct pm_format){ .kind = PM_PROTOBUF }, NULL);
    EXPECT(text != NULL);
    free(text);
    pm_client_close(clients[0]);
    pm_client_close(clients[1]);
    pm_daemon_close(daemon);
    (void)unlink(path);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(indexes_are_those_of_the_format),
        TEST(schemas_follow_the_factor),
        TEST(values_are_in_their_buckets),
        TEST(too_many_buckets_get_coarser_and_lose_nothing),
        TEST(zero_buckets_widen_first_when_they_may),
        TEST(resets_start_anew_with_all_that_is_counted),
        TEST(threads_lose_nothing_while_it_gets_coarser),
        TEST(quantiles_are_close_and_of_the_window),
        TEST(processes_share_them),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
