/* manager_test.c
 *
 * Goal:   targets follow the configuration and the target files, and those that stay keep their
 *         state.
 * Method: a manager over a sink that throws away, targets on a closed port; its view is polled.
 */
#include "base/file.h"
#include "prometheus/prometheus.h"
#include "scrape/scrape.h"
#include "tests/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/barograph-manager-XXXXXX";
static struct scrape_manager *manager;
static atomic_int begun; /* batches: one a scrape */

static int drop_append(struct sample_batch *batch, uint64_t *ref, struct labels labels,
                       int64_t time_ms, double value, struct error *error)
{
    (void)batch;
    (void)labels;
    (void)time_ms;
    (void)value;
    (void)error;
    *ref = 1;
    return 0;
}

static int drop_rows(struct sample_batch *batch, const struct sample_row *rows, size_t count,
                     size_t *taken, struct error *error)
{
    (void)batch;
    (void)rows;
    (void)error;
    *taken = count;
    return 0;
}

static int drop_commit(struct sample_batch *batch, struct error *error)
{
    (void)batch;
    (void)error;
    return 0;
}

static void drop_rollback(struct sample_batch *batch)
{
    (void)batch;
}

static int drop_begin(void *state, struct sample_batch **batch, struct error *error)
{
    static _Thread_local struct sample_batch nothing = { .append = drop_append,
                                                         .append_rows = drop_rows,
                                                         .commit = drop_commit,
                                                         .rollback = drop_rollback };
    (void)state;
    (void)error;
    *batch = &nothing;
    atomic_fetch_add(&begun, 1);
    return 0;
}

static void apply(const char *text)
{
    struct scrape_config config = { 0 };
    struct scrape_global global;
    struct error error = { 0 };
    const struct yaml_node *root = NULL;
    struct yaml_reading reading = { .arena = &config.arena };
    scrape_global_init(&global);
    arena_init(&config.arena, 1u << 20);
    int code = yaml_parse(&config.arena, str_from(text), STR("x.yml"), &root, &error);
    reading.arena = &config.arena;
    if (code == 0) code = scrape_config_read(&config, root, &global, &reading, &error);
    config.folder = folder;
    if (code == 0) code = scrape_manager_apply(manager, &config, &error);
    EXPECT_STR("", str_from(error.text));
    EXPECT_INT(0, code);
    scrape_config_release(&config);
}

static void put(const char *text)
{
    char path[FILE_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/targets.json", folder);
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    (void)fputs(text, file);
    (void)fclose(file);
}

/* How many targets are scraped, and how many of them were at least once. */
static size_t count(size_t *scraped)
{
    struct arena arena;
    struct error error = { 0 };
    const struct scrape_target_view *views = NULL;
    size_t total = 0;
    size_t active = 0;
    *scraped = 0;
    arena_init(&arena, 16u << 20);
    EXPECT_INT(0, scrape_targets(manager, &arena, &views, &total, &error));
    for (size_t i = 0; i < total; i++) {
        active += !views[i].is_dropped;
        *scraped += views[i].health != SCRAPE_UNKNOWN;
    }
    arena_release(&arena);
    return active;
}

/* Waits until so many targets are there and have been scraped. */
static bool comes_to(size_t targets, size_t scraped_min, int wait_ms)
{
    for (int waited_ms = 0; waited_ms < wait_ms; waited_ms += 20) {
        size_t scraped;
        if (count(&scraped) == targets && scraped >= scraped_min) return true;
        (void)usleep(20000);
    }
    return false;
}

static const char *const jobs = "- job_name: a\n  scrape_interval: 200ms\n"
                                "  static_configs: [{targets: ['127.0.0.1:1']}]\n"
                                "- job_name: b\n  scrape_interval: 200ms\n"
                                "  file_sd_configs: [{files: ['*.json']}]\n";

static void targets_follow_their_file(void)
{
    put("[{\"targets\": [\"127.0.0.1:2\"], \"labels\": {\"x\": \"y\"}}]");
    apply(jobs);
    EXPECT(comes_to(2, 2, 5000));
    put("[{\"targets\": [\"127.0.0.1:2\", \"127.0.0.1:3\"]}]");
    EXPECT(comes_to(3, 3, 9000));
    /* A file half written: what it named goes on. */
    put("[{\"targets\":");
    apply(jobs);
    EXPECT(comes_to(3, 3, 20));
}

static void a_reload_keeps_what_stays(void)
{
    size_t scraped;
    put("[]");
    apply(jobs);
    EXPECT(comes_to(1, 1, 5000));
    apply("- job_name: a\n  scrape_interval: 200ms\n  honor_labels: true\n"
          "  static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:4']}]\n");
    EXPECT_INT(2, (int64_t)count(&scraped));
    EXPECT(scraped >= 1);
    EXPECT(comes_to(2, 2, 5000));
    apply("[]");
    EXPECT_INT(0, (int64_t)count(&scraped));
}

/* Whoever waits for the target of every hour must not keep the other one from its time. */
static void a_short_interval_does_not_wait_for_a_long_one(void)
{
    apply("- job_name: a\n  scrape_interval: 50ms\n  static_configs: [{targets: ['127.0.0.1:1']}]\n"
          "- job_name: b\n  scrape_interval: 1h\n  static_configs: [{targets: ['127.0.0.1:4']}]\n");
    int before = atomic_load(&begun);
    for (int i = 0; i < 500 && atomic_load(&begun) < before + 10; i++) (void)usleep(20000);
    EXPECT(atomic_load(&begun) >= before + 10);
}

static void dropped_targets_are_shown(void)
{
    size_t scraped;
    apply("- job_name: a\n  static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:4']}]\n"
          "  relabel_configs:\n"
          "  - {source_labels: [__address__], regex: '.*:4', action: drop}\n");
    EXPECT_INT(1, (int64_t)count(&scraped));
    apply("- job_name: a\n  target_limit: 1\n"
          "  static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:4']}]\n");
    EXPECT_INT(0, (int64_t)count(&scraped));
}

int main(void)
{
    static const struct test tests[] = { TEST(targets_follow_their_file),
                                         TEST(a_reload_keeps_what_stays),
                                         TEST(a_short_interval_does_not_wait_for_a_long_one),
                                         TEST(dropped_targets_are_shown) };
    struct error error = { 0 };
    struct pm_error cause = { 0 };
    struct pm_registry *registry = NULL;
    struct sample_sink sink = { .begin = drop_begin };
    if (mkdtemp(folder) == NULL || pm_registry_new(&registry, &cause) != 0) return 1;
    struct scrape_setup setup = { .sink = &sink, .clock = &clock_system, .registry = registry };
    if (scrape_manager_start(&manager, &setup, &error) != 0) {
        (void)fprintf(stderr, "manager: %s\n", error.text);
        return 1;
    }
    int status = test_main(tests, ARRAY_LENGTH(tests));
    scrape_manager_stop(manager);
    pm_registry_free(registry);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? status : 1;
}
