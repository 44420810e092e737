/* promql_conformance_test.c - runs the reference's .test scripts and our own.
 *
 * Goal: every case passes. Method: each eval of each script is evaluated over a store in memory.
 * The cases listed in promql_known_failures.txt may fail, and must: the list can only shrink.
 *
 *     conformance_promql_test [-v] [FILE...]     without files: the reference's folder and ours
 *     conformance_promql_test -x FILE...         exact to 1e-12, no features: for recorded answers
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "tests/conformance/script.h"
#include "tests/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_SIZE_MAX ((size_t)16 << 20)
#define FILES_MAX       256

struct run {
    struct promql_engine *engine;
    struct map known; /* "file:line" of what may fail */
    const char *file;
    const char *prefix; /* of the keys: "own/" for ours */
    bool is_verbose;
    size_t new_failures;
    size_t mended;
    size_t known_failures;
};

static void report(void *argument, size_t line, struct str query, const char *reason)
{
    struct run *run = argument;
    char key[256];
    (void)snprintf(key, sizeof(key), "%s%s:%zu", run->prefix, run->file, line);
    bool is_known = map_has(&run->known, str_from(key));
    if (reason == NULL) {
        if (!is_known) return;
        run->mended++;
        (void)fprintf(stderr, "%s: passes now: take it off the list of known failures\n", key);
        return;
    }
    if (is_known) {
        run->known_failures++;
    } else {
        run->new_failures++;
    }
    if (!is_known || run->is_verbose) {
        (void)fprintf(stderr, "%s: " STR_FMT "\n    %s\n", key, STR_ARG(query), reason);
    }
}

static bool run_file(struct run *run, const char *path, struct script_totals *totals)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, SCRIPT_SIZE_MAX);
    struct error error = { 0 };
    if (file_read(&disk_system, path, &text, &error) < 0) {
        (void)fprintf(stderr, "%s: %s\n", path, error.text);
        return false;
    }
    const char *slash = strrchr(path, '/');
    run->file = slash == NULL ? path : slash + 1;
    struct script_totals mine = { 0 };
    script_run(run->engine, buf_str(&text), report, run, &mine);
    printf("# %-28s %4zu passed %4zu failed\n", run->file, mine.passed, mine.failed);
    totals->passed += mine.passed;
    totals->failed += mine.failed;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Runs all scripts of a folder in the order of their names. False: no such folder. */
static bool run_folder(struct run *run, const char *folder, struct script_totals *totals)
{
    DIR *directory = opendir(folder);
    if (directory == NULL) return false;
    char *names[FILES_MAX];
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL && count < FILES_MAX) {
        struct str name = str_from(entry->d_name);
        if (str_ends_with(name, STR(".test"))) names[count++] = str_copy(name);
    }
    (void)closedir(directory);
    qsort(names, count, sizeof(names[0]), compare_names);
    for (size_t i = 0; i < count; i++) {
        char path[FILE_PATH_SIZE];
        if (names[i] != NULL && file_join(path, folder, names[i], NULL) == 0) {
            (void)run_file(run, path, totals);
        }
        free(names[i]);
    }
    return true;
}

static void read_known(struct run *run)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, SCRIPT_SIZE_MAX);
    if (file_read(&disk_system, SOURCE_ROOT "/src/tests/conformance/promql_known_failures.txt",
                  &text, NULL) < 0) {
        return;
    }
    struct str rest = buf_str(&text);
    while (rest.size > 0) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if (line.size == 0 || line.data[0] == '#') continue;
        struct str key = str_cut(&line, ' ');
        if (map_put(&run->known, key, NULL) != 0) return;
    }
}

static struct run the_run = { .prefix = "" };

static void test_reference(void)
{
    const char *folder = getenv("PROMQL_CONFORMANCE");
    if (folder == NULL) folder = SOURCE_ROOT "/../shared/conformance/promql";
    struct script_totals totals = { 0 };
    the_run.new_failures = the_run.mended = the_run.known_failures = 0;
    if (!run_folder(&the_run, folder, &totals)) SKIP("the reference's scripts are not here");
    printf("# reference: %zu passed, %zu failed (%zu of them known)\n", totals.passed,
           totals.failed, the_run.known_failures);
    EXPECT_INT(0, (int64_t)the_run.new_failures);
    EXPECT_INT(0, (int64_t)the_run.mended);
}

static void test_own(void)
{
    struct script_totals totals = { 0 };
    the_run.new_failures = 0;
    the_run.prefix = "own/";
    REQUIRE(run_folder(&the_run, SOURCE_ROOT "/src/tests/promql", &totals));
    printf("# own: %zu passed, %zu failed\n", totals.passed, totals.failed);
    EXPECT_INT(0, (int64_t)the_run.new_failures);
    EXPECT(totals.passed > 0);
}

int main(int argc, char **argv)
{
    struct promql_options options = { .features = 0 };
    options.features = PROMQL_FEATURE_EXPERIMENTAL_FUNCTIONS | PROMQL_FEATURE_EXTENDED_SELECTORS |
                       PROMQL_FEATURE_DELAYED_NAME_REMOVAL | PROMQL_FEATURE_FILL |
                       PROMQL_FEATURE_START_TIMESTAMPS;
    bool is_exact = argc > 1 && strcmp(argv[1], "-x") == 0;
    if (is_exact) {
        script_tolerance = 1e-12;
        options.features = 0;
    }
    if (promql_engine_new(&the_run.engine, &options, NULL) < 0) return 1;
    read_known(&the_run);
    int status = 0;
    int first = is_exact ? 2 : 1;
    if (argc > first && strcmp(argv[first], "-v") == 0) {
        the_run.is_verbose = true;
        first++;
    }
    if (argc > first) {
        struct script_totals totals = { 0 };
        for (int i = first; i < argc; i++) (void)run_file(&the_run, argv[i], &totals);
        status = totals.failed > 0 ? 1 : 0;
    } else {
        static const struct test tests[] = { TEST(test_reference), TEST(test_own) };
        status = test_main(tests, ARRAY_LENGTH(tests));
    }
    map_release(&the_run.known);
    promql_engine_free(the_run.engine);
    return status;
}
