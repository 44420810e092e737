/* growth_bench.c
 *
 * Question: how does the cost of a query grow with the number of series and with the time asked?
 * Method:   the store, in a folder under TMPDIR or /tmp that is removed, filled by import with
 *           100, 1,000 and 10,000 series (counters and gauges, 5 labels) over 1, 10 and 100 hours,
 *           a sample a minute; blocks merged. Three queries: rates summed by a label and the five
 *           largest, every five minutes over all of the time, and the newest values counted.
 *           Processor time of the engine and the store, the best of several runs; no cache of
 *           answers. Prints a line a figure, then the same as a table for a person. --quick leaves
 *           out the cells of more than 10 times the least.
 */
#include "base/random.h"
#include "promql/promql.h"
#include "tsdb/tsdb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 60000, QUERY_STEP_MS = 300000, HOUR_SAMPLES = 60, SIZES = 3, QUERIES = 3 };

#define START_MS INT64_C(1700006400000) /* a multiple of two hours, where blocks begin */

static const int series_counts[SIZES] = { 100, 1000, 10000 };
static const int hour_counts[SIZES] = { 1, 10, 100 };

static const struct {
    const char *name;
    const char *text;
    bool is_instant;
} queries[QUERIES] = {
    { "sum_rate", "sum by (mode) (rate(growth_total[5m]))", false },
    { "topk", "topk(5, growth_total)", false },
    { "count_now", "count(growth_total)", true },
};

static double cells[QUERIES][SIZES][SIZES]; /* ms; 0: not measured */

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "growth_bench: %s: %s\n", what, error->text);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fill_samples(struct random *random, int number, size_t count, int64_t *times,
                         double *values)
{
    double value = (double)random_below(random, 100000);
    for (size_t i = 0; i < count; i++) {
        times[i] = START_MS + (int64_t)i * STEP_MS;
        value += (double)random_below(random, 1000);
        values[i] = number % 2 == 0 ? value : round(value * 100) / 100;
    }
}

static void import(struct tsdb *db, int series_count, int hours)
{
    struct error error = { 0 };
    struct tsdb_import *import = NULL;
    struct random random;
    random_init(&random, 1);
    size_t count = (size_t)hours * HOUR_SAMPLES + 1;
    int64_t *times = calloc(count, sizeof(*times));
    double *values = calloc(count, sizeof(*values));
    if (times == NULL || values == NULL) exit(1);
    if (tsdb_import_begin(&import, db, &error) != 0) die("import", &error);
    for (int n = 0; n < series_count; n++) {
        char text[2][32];
        (void)snprintf(text[0], sizeof(text[0]), "host-%05d", n / 10);
        (void)snprintf(text[1], sizeof(text[1]), "mode-%d", n % 10);
        struct label items[] = { { STR("__name__"), STR("growth_total") },
                                 { STR("host"), str_from(text[0]) },
                                 { STR("job"), STR("node") },
                                 { STR("mode"), str_from(text[1]) },
                                 { STR("region"), STR("eu-central-1") } };
        fill_samples(&random, n, count, times, values);
        struct series_columns series = { { items, 5 }, count, times, values, NULL, NULL };
        if (tsdb_import_add(import, &series, &error) != 0) die("import", &error);
    }
    if (tsdb_import_commit(import, &error) != 0) die("import", &error);
    if (tsdb_maintain(db, &error) != 0) die("merge", &error);
    free(values);
    free(times);
}

static double ask(struct promql_engine *engine, const struct series_source *source,
                  const char *text, bool is_instant, int hours)
{
    struct error error = { 0 };
    struct promql_expr *expr = NULL;
    if (promql_parse(&expr, engine, str_from(text), &error) < 0) die(text, &error);
    int64_t end_ms = START_MS + (int64_t)hours * 3600000;
    struct promql_range range = { START_MS, end_ms, QUERY_STEP_MS };
    struct promql_request request = { .skips_cache = true };
    double best = HUGE_VAL;
    double all = 0;
    for (int i = 0; i < 100 && (i < 3 || all < 0.5); i++) {
        struct promql_result *result = NULL;
        double start = cpu_seconds();
        int code =
            is_instant
                ? promql_query_instant(engine, source, expr, end_ms, &request, &result, &error)
                : promql_query_range(engine, source, expr, &range, &request, &result, &error);
        if (code < 0) die(text, &error);
        if (result->series_count == 0) die(text, &(struct error){ .text = "no answer" });
        promql_result_free(result);
        double seconds = cpu_seconds() - start;
        all += seconds;
        if (seconds < best) best = seconds;
    }
    promql_expr_free(expr);
    return best * 1e3;
}

static void remove_folder(const char *path)
{
    char command[512];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", path);
    (void)!system(command);
}

static void measure(int s, int h)
{
    const char *base = getenv("TMPDIR");
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/growth_bench.XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(path) == NULL) exit(1);
    struct tsdb_options options;
    tsdb_options_init(&options, path);
    options.retention_ms = 0;
    struct error error = { 0 };
    struct tsdb *db = NULL;
    if (tsdb_open(&db, &options, &error) != 0) die("open", &error);
    import(db, series_counts[s], hour_counts[h]);
    struct promql_engine *engine = NULL;
    struct promql_options engine_options = { 0 };
    if (promql_engine_new(&engine, &engine_options, &error) != 0) die("engine", &error);
    struct series_source source = tsdb_source(db);
    for (int q = 0; q < QUERIES; q++) {
        cells[q][s][h] =
            ask(engine, &source, queries[q].text, queries[q].is_instant, hour_counts[h]);
        (void)printf("growth_%s_%d_series_%d_hours %.4g - - ms\n", queries[q].name,
                     series_counts[s], hour_counts[h], cells[q][s][h]);
    }
    promql_engine_free(engine);
    tsdb_close(db);
    remove_folder(path);
}

static void print_table(void)
{
    (void)printf("\n| query | series | 1 h | 10 h | 100 h |\n|---|---:|---:|---:|---:|\n");
    for (int q = 0; q < QUERIES; q++) {
        for (int s = 0; s < SIZES; s++) {
            (void)printf("| `%s` | %d |", queries[q].text, series_counts[s]);
            for (int h = 0; h < SIZES; h++) {
                if (cells[q][s][h] > 0) {
                    (void)printf(" %.3g |", cells[q][s][h]);
                } else {
                    (void)printf(" - |");
                }
            }
            (void)printf("\n");
        }
    }
}

int main(int argc, char **argv)
{
    bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    for (int s = 0; s < SIZES; s++) {
        for (int h = 0; h < SIZES; h++) {
            if (!is_quick || s + h <= 1) measure(s, h);
        }
    }
    print_table();
    return 0;
}
