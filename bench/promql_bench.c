/* promql_bench.c - what queries cost over series in memory, the store's own work left out.
 *
 *     promql_bench [--quick]
 *
 * One line a figure: name ours peer ratio unit; there is no peer in the process, so "-". Data: 100
 * hosts with 100 series each of one counter with labels host, mode and cpu, and a classic
 * histogram of 20 buckets a host, a sample every 15 s for an hour. Range queries ask every 15 s
 * for the last half hour (121 steps). Processor time, the best of several runs.
 */
#include "promql/promql.h"
#include "tests/conformance/memory_series.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    HOSTS = 100,
    CPUS = 10,
    MODES = 10,
    BUCKETS = 20,
    SAMPLES = 240,
    STEP_MS = 15000,
};

static int round_count = 5;

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "promql_bench: %s\n", what);
    exit(1);
}

static void add_samples(struct memory_store *store, struct memory_series *series,
                        struct random *random, double growth)
{
    double value = 0;
    for (int64_t i = 0; series != NULL && i < SAMPLES; i++) {
        value += growth * random_unit(random);
        if (!memory_series_add(store, series, i * STEP_MS, value, NULL)) die("out of memory");
    }
    if (series == NULL) die("out of memory");
}

static void fill(struct memory_store *store)
{
    struct random random;
    random_init(&random, 1);
    for (int host = 0; host < HOSTS; host++) {
        char text[3][32];
        (void)snprintf(text[0], sizeof(text[0]), "host-%03d", host);
        for (int n = 0; n < CPUS * MODES; n++) {
            (void)snprintf(text[1], sizeof(text[1]), "%d", n / MODES);
            (void)snprintf(text[2], sizeof(text[2]), "mode-%d", n % MODES);
            struct label items[] = { { STR("__name__"), STR("cpu_seconds_total") },
                                     { STR("cpu"), str_from(text[1]) },
                                     { STR("host"), str_from(text[0]) },
                                     { STR("mode"), str_from(text[2]) } };
            add_samples(store, memory_store_series(store, (struct labels){ items, 4 }), &random,
                        15);
        }
        for (int b = 0; b < BUCKETS; b++) {
            (void)snprintf(text[1], sizeof(text[1]), "%d", b + 1);
            bool is_last = b == BUCKETS - 1;
            struct label items[] = { { STR("__name__"), STR("latency_bucket") },
                                     { STR("host"), str_from(text[0]) },
                                     { STR("le"), is_last ? STR("+Inf") : str_from(text[1]) } };
            add_samples(store, memory_store_series(store, (struct labels){ items, 3 }), &random,
                        10.0 * (b + 1));
        }
    }
}

struct figure {
    const char *name;
    const char *query;
    bool is_instant;
};

static const struct figure figures[] = {
    { "promql_select_10k_series", "cpu_seconds_total", false },
    { "promql_rate_10k_series", "rate(cpu_seconds_total[5m])", false },
    { "promql_sum_rate_10k_series", "sum(rate(cpu_seconds_total[5m]))", false },
    { "promql_sum_by_rate_10k_series", "sum by (host, mode) (rate(cpu_seconds_total[5m]))", false },
    { "promql_sum_by_rate_instant", "sum by (host, mode) (rate(cpu_seconds_total[5m]))", true },
    { "promql_avg_over_time_10k_series", "sum(avg_over_time(cpu_seconds_total[10m]))", false },
    { "promql_max_over_time_10k_series", "max(max_over_time(cpu_seconds_total[30m]))", false },
    { "promql_topk_10k_series", "topk(5, cpu_seconds_total)", false },
    { "promql_quantile_10k_series", "quantile by (mode) (0.9, cpu_seconds_total)", false },
    { "promql_join_10k_series",
      "cpu_seconds_total / on (host) group_left sum by (host) (cpu_seconds_total)", false },
    { "promql_comparison_10k_series", "count(cpu_seconds_total > 1000)", false },
    { "promql_histogram_quantile",
      "histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))", false },
    { "promql_histogram_quantile_by_host",
      "histogram_quantile(0.99, sum by (host, le) (rate(latency_bucket[5m])))", false },
    { "promql_subquery", "max_over_time(sum(rate(cpu_seconds_total[1m]))[10m:1m])", false },
};

static void measure(struct promql_engine *engine, struct memory_store *store,
                    const struct figure *figure)
{
    struct promql_expr *expr = NULL;
    struct error error = { 0 };
    if (promql_parse(&expr, engine, str_from(figure->query), &error) < 0) die(error.text);
    int64_t end_ms = (SAMPLES - 1) * (int64_t)STEP_MS;
    struct promql_range range = { end_ms - 120 * (int64_t)STEP_MS, end_ms, STEP_MS };
    double best = 1e9;
    size_t memory = 0;
    for (int i = 0; i < round_count; i++) {
        struct promql_result *result = NULL;
        double start = cpu_seconds();
        int code =
            figure->is_instant
                ? promql_query_instant(engine, &store->source, expr, end_ms, NULL, &result, &error)
                : promql_query_range(engine, &store->source, expr, &range, NULL, &result, &error);
        double seconds = cpu_seconds() - start;
        if (code < 0) die(error.text);
        if (seconds < best) best = seconds;
        memory = result->stats.memory;
        promql_result_free(result);
    }
    printf("%s %.4g - - ms\n", figure->name, best * 1e3);
    printf("%s_memory %.4g - - MiB\n", figure->name, (double)memory / (1 << 20));
    promql_expr_free(expr);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) round_count = 2;
    struct memory_store store;
    memory_store_init(&store);
    fill(&store);
    struct promql_engine *engine = NULL;
    struct promql_options options = { 0 };
    if (promql_engine_new(&engine, &options, NULL) < 0) die("out of memory");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        measure(engine, &store, &figures[i]);
    }
    promql_engine_free(engine);
    memory_store_release(&store);
    return 0;
}
