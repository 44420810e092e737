/* tool.c - `barograph tsdb`: looks at a store that is not running, checks it, and carries data in
 * and out.
 */
#include "base/arena.h"
#include "metrics_server/dump.h"
#include "metrics_server/import_text.h"
#include "metrics_server/metrics_server.h"
#include "promql/promql.h"
#include "role/role.h"
#include "tsdb/tsdb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct flags {
    const char *match;
    const char *output;
    const char *min_time;
    const char *max_time;
    int64_t block_duration_ms;
    int64_t limit;
};

#define FLAG(member) offsetof(struct flags, member)

static const struct option options[] = {
    { "match", "SELECTOR", OPTION_TEXT, FLAG(match), NULL,
      "Only series of this selector (dump, export)." },
    { "min-time", "MS", OPTION_TEXT, FLAG(min_time), NULL,
      "Only samples from here, milliseconds since the epoch (dump, export)." },
    { "max-time", "MS", OPTION_TEXT, FLAG(max_time), NULL, "And up to here." },
    { "output", "DIR", OPTION_TEXT, FLAG(output), NULL, "Where the blocks go (export)." },
    { "block-duration", "DURATION", OPTION_DURATION, FLAG(block_duration_ms), "2h",
      "What a block spans (export)." },
    { "limit", "COUNT", OPTION_COUNT, FLAG(limit), "20", "Lines of each list (analyze)." },
};

struct run {
    struct flags flags;
    struct option_list words; /* behind the verb */
    struct matcher const *matchers;
    size_t matcher_count;
    struct promql_engine *engine;
    struct promql_expr *expr;
    int64_t start_ms;
    int64_t end_ms;
};

static int complain(const struct error *error)
{
    (void)fprintf(stderr, "barograph tsdb: %s\n", error->text);
    return ROLE_EXIT_FAILED;
}

/* ---- a store, opened for a while ---- */

static void hear(void *state, const struct tsdb_event *event)
{
    (void)state;
    (void)fprintf(stderr, "barograph tsdb: %s%s%s%s%s\n", event->message,
                  event->file == NULL ? "" : ": ", event->file == NULL ? "" : event->file,
                  event->error == NULL ? "" : ": ", event->error == NULL ? "" : event->error->text);
}

/* A store that is there, or (`makes`) a new one; no thread, no retention. */
static int open_store(struct tsdb **db, const char *path, bool makes, struct error *error)
{
    char blocks[FILE_PATH_SIZE];
    struct disk_info info;
    struct tsdb_options wanted;
    int code = file_join(blocks, path, "blocks", error);
    if (code != 0) return code;
    if (!makes && disk_system.info(disk_system.state, blocks, &info) != 0) {
        return error_set(error, -ENOENT, "'%s' is no folder of a time-series store", path);
    }
    tsdb_options_init(&wanted, path);
    wanted.has_thread = false;
    wanted.report = hear;
    return tsdb_open(db, &wanted, error);
}

/* ---- the verbs ---- */

static int run_inspect(struct run *run, struct error *error)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, (size_t)4 << 30);
    int code = tsdb_print_file(&disk_system, run->words.items[0], &text, error);
    (void)fwrite(text.data, 1, text.size, stdout);
    return code;
}

struct verdict {
    uint64_t whole;
    uint64_t damaged;
};

static void tell(void *argument, const char *file, const struct error *cause)
{
    struct verdict *verdict = argument;
    if (cause == NULL) {
        verdict->whole++;
        return;
    }
    verdict->damaged++;
    (void)printf("damaged: %s: %s\n", file, cause->text);
}

static int run_verify(struct run *run, struct error *error)
{
    struct verdict verdict = { 0 };
    int code = tsdb_verify(&disk_system, run->words.items[0], tell, &verdict, error);
    if (code != 0) return code;
    (void)printf("%" PRIu64 " files are whole, %" PRIu64 " damaged\n", verdict.whole,
                 verdict.damaged);
    if (verdict.damaged == 0) return 0;
    return error_set(error, ERROR_CORRUPT, "%" PRIu64 " of the files are damaged", verdict.damaged);
}

static int dump(const struct run *run, struct tsdb *db, struct error *error)
{
    enum { FLUSH_SIZE = 1 << 20 };
    struct series_source source = tsdb_source(db);
    struct series_query query = { .start_ms = run->start_ms,
                                  .end_ms = run->end_ms,
                                  .matchers = run->matchers,
                                  .matcher_count = run->matcher_count };
    struct series_cursor *cursor;
    struct series_columns series;
    struct arena arena;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, (size_t)8 << 30);
    arena_init(&arena, (size_t)8 << 30);
    int code = source.select(source.state, &query, &arena, &cursor, error);
    if (code == 0) {
        while ((code = cursor->next(cursor, &series, error)) == 1) {
            dump_series(&text, &series);
            if (text.size < FLUSH_SIZE) continue;
            (void)fwrite(text.data, 1, text.size, stdout);
            buf_reset(&text);
        }
        cursor->close(cursor);
    }
    (void)fwrite(text.data, 1, text.size, stdout);
    arena_release(&arena);
    return code;
}

static int run_dump(struct run *run, struct error *error)
{
    struct tsdb *db;
    int code = open_store(&db, run->words.items[0], false, error);
    if (code != 0) return code;
    code = dump(run, db, error);
    tsdb_close(db);
    return code;
}

static void print_list(const char *title, const struct tsdb_top_list *list)
{
    (void)printf("\n%s\n", title);
    for (size_t i = 0; i < list->count; i++) {
        (void)printf("%12" PRIu64 "  " STR_FMT "\n", list->items[i].value,
                     STR_ARG(list->items[i].name));
    }
}

static int print_blocks(struct tsdb *db, struct arena *arena, struct error *error)
{
    const struct tsdb_block_info *blocks;
    size_t count;
    int code = tsdb_blocks(db, arena, &blocks, &count, error);
    if (code != 0) return code;
    (void)printf("%-10s %5s %15s %15s %10s %12s %12s %8s\n", "block", "level", "from, ms", "to, ms",
                 "series", "samples", "bytes", "B/sample");
    for (size_t i = 0; i < count; i++) {
        const struct tsdb_block_info *block = &blocks[i];
        (void)printf("%08" PRIu64 "   %5d %15" PRId64 " %15" PRId64 " %10" PRIu64 " %12" PRIu64
                     " %12" PRIu64 " %8.3f\n",
                     block->id, block->level, block->min_time_ms, block->max_time_ms, block->series,
                     block->samples, block->size, (double)block->size / (double)block->samples);
    }
    return 0;
}

static int run_analyze(struct run *run, struct error *error)
{
    struct tsdb *db;
    struct tsdb_top top;
    struct tsdb_stats stats;
    struct arena arena;
    int code = open_store(&db, run->words.items[0], false, error);
    if (code != 0) return code;
    arena_init(&arena, (size_t)1 << 30);
    code = print_blocks(db, &arena, error);
    if (code == 0) code = tsdb_top(db, (size_t)run->flags.limit, &arena, &top, error);
    if (code == 0) {
        tsdb_stats(db, &stats);
        (void)printf("\nin memory: %" PRIu64 " series, %" PRIu64 " samples; log %" PRIu64
                     " bytes; blocks %" PRIu64 " bytes, %" PRIu64 " samples\n",
                     stats.head_series, stats.head_samples, stats.log_size, stats.block_size,
                     stats.block_samples);
        print_list("series in memory by metric", &top.series_by_metric);
        print_list("values by label", &top.values_by_label);
        print_list("bytes of values by label", &top.memory_by_label);
        print_list("series by label pair", &top.series_by_label_pair);
    }
    arena_release(&arena);
    tsdb_close(db);
    return code;
}

static int import_file(struct tsdb *db, const char *path, struct import_text *result,
                       struct error *error)
{
    const void *bytes;
    size_t size;
    int code = disk_system.map(disk_system.state, path, &bytes, &size);
    if (code != 0) return error_set(error, code, "read '%s': %s", path, strerrordesc_np(-code));
    struct str text = { bytes, size };
    code = import_text(db, text, result, error);
    disk_system.unmap(disk_system.state, bytes, size);
    return code == 0 ? 0 : error_wrap(error, code, "%s", path);
}

struct folder_walk {
    struct tsdb *db;
    const char *path;
    struct tsdb_exchanged *totals;
    struct error *error;
};

static bool is_block(const char *path)
{
    char meta[FILE_PATH_SIZE];
    struct disk_info info;
    return file_join(meta, path, "meta.json", NULL) == 0 &&
           disk_system.info(disk_system.state, meta, &info) == 0;
}

static int import_name(void *argument, const char *name)
{
    struct folder_walk *walk = argument;
    char path[FILE_PATH_SIZE];
    int code = file_join(path, walk->path, name, walk->error);
    if (code != 0 || !is_block(path)) return code;
    return tsdb_import_prometheus(walk->db, path, walk->totals, walk->error);
}

/* A block, or a folder of blocks. */
static int import_blocks(struct tsdb *db, const char *path, struct tsdb_exchanged *totals,
                         struct error *error)
{
    if (is_block(path)) return tsdb_import_prometheus(db, path, totals, error);
    struct folder_walk walk = { db, path, totals, error };
    uint64_t before = totals->blocks;
    int code = disk_system.list(disk_system.state, path, import_name, &walk);
    if (code != 0) {
        if (error->text[0] != '\0') return code;
        return error_set(error, code, "read '%s': %s", path, strerrordesc_np(-code));
    }
    if (totals->blocks > before) return 0;
    return error_set(error, ERROR_INVALID, "'%s' holds no blocks of Prometheus", path);
}

static int run_import(struct run *run, struct error *error)
{
    struct tsdb *db;
    const char *kind = run->words.items[0];
    bool is_text = strcmp(kind, "openmetrics") == 0;
    struct import_text result = { 0 };
    if (!is_text && strcmp(kind, "prometheus") != 0) {
        return error_set(error, ERROR_INVALID, "expected openmetrics or prometheus, got '%s'",
                         kind);
    }
    int code = open_store(&db, run->words.items[2], true, error);
    if (code != 0) return code;
    if (is_text) {
        code = import_file(db, run->words.items[1], &result, error);
    } else {
        code = import_blocks(db, run->words.items[1], &result.totals, error);
    }
    tsdb_close(db);
    (void)printf("imported %" PRIu64 " samples in %" PRIu64 " series of %" PRIu64
                 " blocks; %" PRIu64 " samples stood twice\n",
                 result.totals.samples, result.totals.series, result.totals.blocks,
                 result.duplicates);
    return code;
}

static int run_export(struct run *run, struct error *error)
{
    struct tsdb *db;
    struct tsdb_exchanged totals = { 0 };
    struct tsdb_export wanted = { .folder = run->flags.output,
                                  .start_ms = run->start_ms,
                                  .end_ms = run->end_ms,
                                  .block_duration_ms = run->flags.block_duration_ms,
                                  .matchers = run->matchers,
                                  .matcher_count = run->matcher_count };
    if (wanted.folder == NULL) {
        return error_set(error, ERROR_INVALID, "--output is missing: where the blocks go");
    }
    int code = open_store(&db, run->words.items[0], false, error);
    if (code != 0) return code;
    code = tsdb_export_prometheus(db, &wanted, &totals, error);
    tsdb_close(db);
    (void)printf("exported %" PRIu64 " samples in %" PRIu64 " series of %" PRIu64 " blocks\n",
                 totals.samples, totals.series, totals.blocks);
    return code;
}

/* ---- the command line ---- */

static const struct verb {
    const char *name;
    size_t word_count;
    const char *words;
    int (*run)(struct run *run, struct error *error);
    const char *help;
} verbs[] = {
    { "inspect", 1, "FILE", run_inspect, "Print a file of a store." },
    { "verify", 1, "PATH", run_verify, "Read every byte of a file, or of a store's folder." },
    { "dump", 1, "DIR", run_dump, "Print all samples, one a line." },
    { "analyze", 1, "DIR", run_analyze, "Show blocks, and what fills the store." },
    { "import", 3, "openmetrics|prometheus FROM DIR", run_import,
      "Bring in an OpenMetrics text, or blocks of Prometheus." },
    { "export", 1, "DIR", run_export, "Write blocks of Prometheus." },
};

static int show_help(const struct option_table *table)
{
    CLEANUP(buf_release) struct buf usage;
    CLEANUP(buf_release) struct buf text;
    buf_init(&usage, 65536);
    buf_init(&text, 65536);
    buf_append_cstr(&usage, "barograph tsdb VERB ... [OPTIONS]");
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        buf_printf(&usage, "\n  %-8s %-33s %s", verbs[i].name, verbs[i].words, verbs[i].help);
    }
    options_help(table, 1, buf_cstr(&usage), &text);
    (void)fwrite(text.data, 1, text.size, stdout);
    return ROLE_EXIT_OK;
}

static int read_selector(struct run *run, struct error *error)
{
    if (run->flags.match == NULL) return 0;
    int code = promql_engine_new(&run->engine, &(struct promql_options){ 0 }, error);
    if (code == 0) {
        code = promql_parse(&run->expr, run->engine, str_from(run->flags.match), error);
    }
    if (code != 0) return error_wrap(error, code, "--match");
    if (promql_expr_selector(run->expr, &run->matchers, &run->matcher_count)) return 0;
    return error_set(error, ERROR_INVALID, "--match: expected a single selector");
}

static int read_time(const char *text, const char *name, int64_t *time_ms, struct error *error)
{
    if (text == NULL || str_to_int64(str_from(text), time_ms)) return 0;
    return error_set(error, ERROR_INVALID, "--%s: expected milliseconds since the epoch, got '%s'",
                     name, text);
}

static int run_verb(const struct verb *verb, struct run *run)
{
    struct error error = { 0 };
    int code = read_selector(run, &error);
    if (code == 0) code = read_time(run->flags.min_time, "min-time", &run->start_ms, &error);
    if (code == 0) code = read_time(run->flags.max_time, "max-time", &run->end_ms, &error);
    bool is_usage = code != 0;
    if (code == 0) code = verb->run(run, &error);
    promql_expr_free(run->expr);
    promql_engine_free(run->engine);
    if (code == 0) return ROLE_EXIT_OK;
    (void)complain(&error);
    return is_usage ? ROLE_EXIT_USAGE : ROLE_EXIT_FAILED;
}

int metrics_server_tsdb_main(int argc, char **argv)
{
    struct run run = { .start_ms = INT64_MIN, .end_ms = INT64_MAX };
    struct option_table table = { options, ARRAY_LENGTH(options), &run.flags };
    struct option_list rest = { 0 };
    struct error error = { 0 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return show_help(&table);
    }
    if (options_parse(&table, 1, argc, argv, &rest, &error) != 0) {
        (void)complain(&error);
        return ROLE_EXIT_USAGE;
    }
    for (size_t i = 0; rest.count > 0 && i < ARRAY_LENGTH(verbs); i++) {
        const struct verb *verb = &verbs[i];
        if (strcmp(rest.items[0], verb->name) != 0) continue;
        if (rest.count != verb->word_count + 1) {
            (void)fprintf(stderr, "barograph tsdb: expected: %s %s\n", verb->name, verb->words);
            return ROLE_EXIT_USAGE;
        }
        run.words.count = rest.count - 1;
        for (size_t k = 0; k < run.words.count; k++) run.words.items[k] = rest.items[k + 1];
        return run_verb(verb, &run);
    }
    (void)fprintf(stderr, "barograph tsdb: expected inspect, verify, dump, analyze, import or "
                          "export; see `barograph tsdb --help`\n");
    return ROLE_EXIT_USAGE;
}
