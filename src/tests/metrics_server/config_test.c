/* config_test.c
 *
 * Goal:   a prometheus.yml and its scrape_config_files become jobs; mistakes name their place.
 * Method: small files in a temporary folder, in a table.
 */
#include "base/file.h"
#include "metrics_server/server.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/barograph-config-XXXXXX";
static size_t warning_count;

static void hear(void *argument, const char *text)
{
    (void)argument;
    (void)text;
    warning_count++;
}

static void put(const char *name, const char *text)
{
    char path[FILE_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void files_become_jobs(void)
{
    static const struct {
        const char *text;
        size_t jobs;
        size_t warnings;
        const char *want; /* behind the folder; NULL: it is good */
    } rows[] = {
        { "", 0, 0, NULL },
        { "global: {scrape_interval: 15s}\nscrape_configs: [{job_name: a}]\n", 1, 0, NULL },
        { "scrape_config_files: [one.yml]\nscrape_configs: [{job_name: a}]\n", 2, 0, NULL },
        { "scrape_config_files: ['o*.yml', missing.yml]\n", 1, 0, NULL },
        { "scrape_config_files: [one.yml]\nscrape_configs: [{job_name: one}]\n", 0, 0,
          "/one.yml:2:3: more than one scrape config with job name 'one'" },
        { "scrape_config_files: [one.yml, one.yml]\n", 0, 0, "/one.yml:2:3: more than one" },
        { "scrape_config_files: [bad.yml]\n", 0, 0, "/bad.yml:1:1: field 'global' is not known" },
        { "scrape_config_files: ['*/x.yml']\n", 0, 0, "/p.yml:1:23: '*/x.yml' has wildcards" },
        { "remote_write: [{url: 'http://h/'}]\ntracing: {endpoint: 'h:1'}\n", 0, 2, NULL },
        { "remote_write:\n- name: x\n", 0, 0, "/p.yml:2:3: field 'url' is missing" },
        { "alerting:\n  alertmanagers:\n  - scheme: http\n    relabel_configs:\n    -\n", 0, 0,
          "/p.yml:5:6: empty or null relabel configuration" },
        { "scrape_configs:\n- job_name: a\n  consul_sd_configs: [{server: 'h:1'}]\n", 1, 1, NULL },
        { "scrape_configs:\n- job_name: a\n  http_sd_configs:\n  - url: ftp://h\n", 0, 0,
          "/p.yml:4:10: 'ftp://h' is no http or https URL" },
        { "scrape_configs:\n- job_name: a\n  file_sd_configs: [{files: ['*/x.yml']}]\n", 0, 0,
          "/p.yml:3:21: '*/x.yml' must end in" },
        { "scrape_configs:\n- job_name: a\n  scrape_timeout: 2m\n", 0, 0,
          "/p.yml:2:3: scrape_timeout is greater" },
        { "scrape_configs:\n- job_name: a\n- job_name: a\n", 0, 0, "/p.yml:3:3: more than one" },
    };
    char path[FILE_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/p.yml", folder);
    put("one.yml", "scrape_configs:\n- job_name: one\n");
    put("bad.yml", "global: {}\n");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_context(rows[i].text);
        struct error error = { 0 };
        struct metrics_config config = { 0 };
        struct yaml_reading reading = { .warn = hear };
        warning_count = 0;
        int code = metrics_config_parse(&config, str_from(rows[i].text), path, &reading, &error);
        EXPECT((code == 0) == (rows[i].want == NULL));
        if (rows[i].want == NULL) {
            EXPECT_STR("", str_from(error.text));
            EXPECT_INT((int64_t)rows[i].jobs, (int64_t)config.scrapes.job_count);
            EXPECT_INT((int64_t)rows[i].warnings, (int64_t)warning_count);
        } else {
            struct str rest = str_skip(str_from(error.text), strlen(folder));
            EXPECT_STR(rows[i].want, str_first(rest, strlen(rows[i].want)));
        }
        metrics_config_release(&config);
    }
}

static void external_labels_know_the_environment(void)
{
    struct error error = { 0 };
    struct metrics_config config = { 0 };
    struct yaml_reading reading = { .warn = hear };
    EXPECT_INT(0, setenv("BAROGRAPH_TEST_SITE", "home", 1));
    int code = metrics_config_parse(
        &config,
        STR("global:\n  external_labels: {a: $BAROGRAPH_TEST_SITE, b: 'x${BAROGRAPH_TEST_SITE}y', "
            "c: $$1}\n"),
        "p.yml", &reading, &error);
    EXPECT_INT(0, code);
    EXPECT_STR("home", labels_get(config.external_labels, STR("a")));
    EXPECT_STR("xhomey", labels_get(config.external_labels, STR("b")));
    EXPECT_STR("$1", labels_get(config.external_labels, STR("c")));
    metrics_config_release(&config);
}

int main(void)
{
    static const struct test tests[] = { TEST(files_become_jobs),
                                         TEST(external_labels_know_the_environment) };
    if (mkdtemp(folder) == NULL) return 1;
    int status = test_main(tests, ARRAY_LENGTH(tests));
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? status : 1;
}
