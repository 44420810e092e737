/* logs_bench.c - how fast the log store takes lines durably, and how long searches take.
 *
 * Prints `name ours peer ratio unit`; the peer of ingest is parsing the same JSON alone, of searches
 * the time that reading all sources takes. Usage: logs_bench [--quick] [folder]
 */
#include "codec/json.h"
#include "logquery/logquery.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 1000

static size_t make_line(struct random *dice, int64_t number, char *line, size_t size)
{
    static const char *const words[] = { "connection", "request", "timeout", "error",  "retry",
                                         "database",   "cache",   "session", "upload", "worker" };
    static const char *const levels[] = { "info", "info", "info", "warn", "error" };
    char date[CLOCK_RFC3339_SIZE];
    (void)clock_rfc3339_print(INT64_C(1707386400000000000) + number * 1000000, 6, date);
    int written =
        snprintf(line, size,
                 "{\"@timestamp\":\"%s\",\"log.level\":\"%s\",\"message\":\"%s %s %s id=%u "
                 "took %u ms\",\"service.name\":\"api-%u\",\"process.pid\":%u}",
                 date, levels[random_below(dice, 5)], words[random_below(dice, 10)],
                 words[random_below(dice, 10)], words[random_below(dice, 10)],
                 (unsigned)random_below(dice, 1000000), (unsigned)random_below(dice, 1000),
                 (unsigned)random_below(dice, 8), (unsigned)random_below(dice, 4000));
    return written < 0 ? 0 : (size_t)written;
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns(&clock_system) - start_ns) / 1e9;
}

static void row(const char *name, double ours, double peer, const char *unit)
{
    printf("%-28s %12.3f %12.3f %8.3f %s\n", name, ours, peer, peer > 0 ? ours / peer : 0, unit);
}

static int ingest(struct logstore *store, int64_t count, double *store_s, double *parse_s,
                  double *bytes)
{
    static char lines[BATCH][512];
    static struct logstore_operation operations[BATCH];
    struct random dice;
    struct arena arena;
    struct json_parser *parser = NULL;
    random_init(&dice, 1);
    arena_init(&arena, (size_t)1 << 30);
    int code = json_parser_new(&parser, NULL);
    for (int64_t done = 0; code == 0 && done < count; done += BATCH) {
        for (int64_t i = 0; i < BATCH; i++) {
            size_t size = make_line(&dice, done + i, lines[i], sizeof(lines[i]));
            operations[i] = (struct logstore_operation){ .action = LOGSTORE_CREATE,
                                                         .index = STR("bench"),
                                                         .source = { lines[i], size } };
            *bytes += (double)size;
        }
        int64_t start_ns = clock_monotonic_ns(&clock_system);
        for (size_t i = 0; code == 0 && i < BATCH; i++) {
            const struct json *root;
            code = json_parse(parser, &arena, operations[i].source, &root, NULL);
        }
        *parse_s += seconds_since(start_ns);
        arena_reset(&arena);
        start_ns = clock_monotonic_ns(&clock_system);
        if (code == 0) code = logstore_write(store, operations, BATCH, &arena, NULL);
        *store_s += seconds_since(start_ns);
        arena_reset(&arena);
    }
    json_parser_free(parser);
    arena_release(&arena);
    return code;
}

static double search(const struct logquery_options *options, const char *body)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        struct arena arena;
        struct buf out = { 0 };
        struct logquery_failure failure;
        struct error error = { 0 };
        struct logquery_request request = { .indices = STR("bench"),
                                            .body = str_from(body),
                                            .allow_no_indices = true };
        arena_init(&arena, LOGQUERY_MEMORY_MAX);
        buf_init(&out, (size_t)1 << 28);
        int64_t start_ns = clock_monotonic_ns(&clock_system);
        if (logquery_search(options, &request, &arena, &out, &failure, &error) < 0) {
            printf("# %s: %s\n", body, error.text);
        }
        double took = seconds_since(start_ns);
        if (took < best) best = took;
        buf_release(&out);
        arena_release(&arena);
    }
    return best * 1000;
}

struct query {
    const char *name;
    const char *body;
};

static const struct query queries[] = {
    { "search_needle", "{\"query\":{\"match\":{\"message\":\"777777\"}}}" },
    { "search_phrase", "{\"size\":0,\"query\":{\"match_phrase\":{\"message\":\"error retry\"}}}" },
    { "search_wildcard", "{\"size\":0,\"query\":{\"wildcard\":{\"message\":\"*atabas*\"}}}" },
    { "search_latest_100", "{\"size\":100,\"sort\":[{\"@timestamp\":\"desc\"}]}" },
    { "search_histogram_by_level",
      "{\"size\":0,\"aggs\":{\"h\":{\"date_histogram\":{\"field\":\"@timestamp\",\"fixed_"
      "interval\":"
      "\"10s\"},\"aggs\":{\"l\":{\"terms\":{\"field\":\"log.level.keyword\"}}}}}}" },
    { "search_match_all", "{\"size\":0,\"track_total_hits\":true}" },
};

int main(int argc, char **argv)
{
    bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    const char *folder = argc > (is_quick ? 2 : 1) ? argv[argc - 1] : "logs_bench.data";
    int64_t count = is_quick ? 100000 : 2000000;
    struct logstore *store = NULL;
    struct error error = { 0 };
    if (file_remove_tree(&disk_system, folder, &error) < 0 ||
        logstore_open(&store, &(struct logstore_options){ .folder = folder }, &error) < 0) {
        printf("# %s\n", error.text);
        return 1;
    }
    double store_s = 0;
    double parse_s = 0;
    double bytes = 0;
    int code = ingest(store, count, &store_s, &parse_s, &bytes);
    if (code == 0) code = logstore_flush(store, &error);
    struct logstore_stats stats;
    logstore_stats(store, &stats);
    row("ingest_fsynced", bytes / 1e6 / store_s, bytes / 1e6 / parse_s, "MB/s");
    row("disk_bytes_per_byte", (double)stats.store_size / bytes, 1, "ratio");
    struct logquery_options options = { .store = store, .clock = &clock_system };
    for (size_t i = 0; i < ARRAY_LENGTH(queries); i++) {
        row(queries[i].name, search(&options, queries[i].body), 0, "ms");
    }
    logstore_close(store);
    if (file_remove_tree(&disk_system, folder, &error) < 0) printf("# %s\n", error.text);
    return code < 0 ? 1 : 0;
}
