/* config_conformance_test.c - goal: a prometheus.yml is taken or refused as Prometheus does.
 * Method: every good and bad file of Prometheus' own tests through the reader that the metrics role
 * uses. config_known_failures.txt lists the bad ones that are taken; it may only shrink. */
#include "base/file.h"
#include "metrics_server/server.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>

#define RATCHET       SOURCE_ROOT "/src/tests/conformance/config_known_failures.txt"
#define FILE_SIZE_MAX ((size_t)1 << 20)

static char good[FILE_PATH_SIZE]; /* folders */
static char bad[FILE_PATH_SIZE];
static struct buf known; /* the ratchet */
static size_t case_count;
static size_t warning_count;

static void hear(void *argument, const char *text)
{
    (void)argument;
    warning_count++;
    EXPECT(str_find(str_from(text), STR(".yml:")) != STR_NONE);
}

/* Whether the file is taken. A refusal must name its place, "file:line:column: ...". */
static bool is_taken(const char *path)
{
    CLEANUP(buf_release) struct buf text;
    struct error error = { 0 };
    struct metrics_config config = { 0 };
    struct yaml_reading reading = { .warn = hear };
    buf_init(&text, FILE_SIZE_MAX);
    int code = file_read(&disk_system, path, &text, &error);
    if (code == 0) code = metrics_config_parse(&config, buf_str(&text), path, &reading, &error);
    metrics_config_release(&config);
    if (code == 0) return true;
    struct str rest = str_from(error.text);
    struct str name = str_from(path);
    /* A broken file of scrape_config_files is named instead. */
    EXPECT_INT('/', rest.size == 0 ? 0 : rest.data[0]);
    size_t end = str_find(rest, STR(".yml:"));
    EXPECT(end != STR_NONE);
    rest = end == STR_NONE ? name : str_skip(rest, end + 5);
    uint64_t number;
    EXPECT(str_to_uint64(str_cut(&rest, ':'), &number) && number > 0);
    EXPECT(str_to_uint64(str_cut(&rest, ':'), &number) && number > 0);
    if (getenv("CONFIG_SHOW") != NULL) (void)fprintf(stderr, "%s\n", error.text);
    return false;
}

static bool is_known(const char *name)
{
    struct str rest = buf_str(&known);
    while (rest.size > 0) {
        if (str_equal(str_trim(str_cut(&rest, '\n')), str_from(name))) return true;
    }
    return false;
}

static int try_good(void *argument, const char *name)
{
    (void)argument;
    char path[FILE_PATH_SIZE];
    if (!str_ends_with(str_from(name), STR(".good.yml"))) return 0;
    test_context(name);
    case_count++;
    if (file_join(path, good, name, NULL) == 0) EXPECT(is_taken(path));
    return 0;
}

static int try_bad(void *argument, const char *name)
{
    (void)argument;
    char path[FILE_PATH_SIZE];
    if (!str_ends_with(str_from(name), STR(".bad.yml"))) return 0;
    test_context(name);
    case_count++;
    if (file_join(path, bad, name, NULL) != 0) return 0;
    bool was_taken = is_taken(path);
    /* Taken, though Prometheus refuses it; or refused now: take it out of the list. */
    EXPECT_INT(is_known(name), was_taken);
    return 0;
}

static void take_good_files(void)
{
    case_count = 0;
    int code = disk_system.list(disk_system.state, good, try_good, NULL);
    if (code != 0) SKIP("../shared/conformance is not there");
    EXPECT(case_count >= 25);
}

static void refuse_bad_files(void)
{
    case_count = 0;
    struct error error = { 0 };
    buf_init(&known, FILE_SIZE_MAX);
    EXPECT_INT(0, file_read(&disk_system, RATCHET, &known, &error));
    int code = disk_system.list(disk_system.state, bad, try_bad, NULL);
    buf_release(&known);
    if (code != 0) SKIP("../shared/conformance is not there");
    EXPECT(case_count >= 80);
}

int main(void)
{
    static const struct test tests[] = { TEST(take_good_files), TEST(refuse_bad_files) };
    const char *cases = getenv("CONFORMANCE_CONFIG");
    if (cases == NULL) cases = SOURCE_ROOT "/../shared/conformance/config";
    if (file_join(good, cases, "good", NULL) != 0 || file_join(bad, cases, "bad", NULL) != 0)
        return 1;
    return test_main(tests, ARRAY_LENGTH(tests));
}
