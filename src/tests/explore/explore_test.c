/* explore_test.c
 *
 * Goal:   only reading addresses of the store pass; a kibana.yml is read, dotted or nested.
 * Method: tables of paths and of files.
 */
#include "explore/settings.h"
#include "explore/upstream.h"
#include "tests/test.h"

static void reading_passes(void)
{
    static const struct row {
        const char *path;
        const char *index;
        const char *target;
        bool may_post;
    } rows[] = {
        { "", "*", "", false },
        { "_search", "*", "_search", true },
        { "_search", "logs-*", "logs-*/_search", true },
        { "_msearch", "a,b", "a,b/_msearch", true },
        { "logs-2026.11.25/_count", "other", "logs-2026.11.25/_count", true },
        { "_all/_mapping", "*", "_all/_mapping", true },
        { "*,-x/_field_caps", "*", "*,-x/_field_caps", true },
        { "_cat/indices", "*", "_cat/indices", false },
        { "_cat/indices", "logs-*", "_cat/indices/logs-*", false },
        { "_cat/indices/a*", "*", "_cat/indices/a*", false },
    };
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1u << 16);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str target = STR("untouched");
        bool may_post = false;
        test_context(rows[i].path);
        EXPECT(upstream_path(&arena, str_from(rows[i].path), str_from(rows[i].index), &target,
                             &may_post));
        EXPECT_STR(rows[i].target, target);
        EXPECT_INT(rows[i].may_post, may_post);
    }
}

static void all_else_does_not(void)
{
    static const char *const paths[] = {
        "_bulk",
        "logs/_doc/1",
        "logs",
        "logs/",
        "/_search",
        "_search/",
        "logs//_search",
        "_search/scroll",
        "_search/template",
        "logs/_delete_by_query",
        "logs/_update/1",
        "_cluster/settings",
        "_cat/nodes",
        "_cat",
        "_nodes/_search",
        "../_search",
        "a/../_search",
        "logs/_search/x",
        "a b/_search",
        "a?x/_search",
        "a%2f/_search",
        "a/b/c/_search",
        "_cat/indices/_x",
        "_cat/indices/a/b",
        "<logs-{now}>/_search",
        "_ilm/_mapping",
    };
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1u << 16);
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct str target = STR("untouched");
        bool may_post = true;
        test_context(paths[i]);
        EXPECT(!upstream_path(&arena, str_from(paths[i]), STR("*"), &target, &may_post));
        EXPECT_STR("untouched", target);
        EXPECT(may_post);
    }
}

static void kibana_yml_is_read(void)
{
    static const struct row {
        const char *text;
        const char *listen;
        const char *hosts;
        size_t ignored;
    } rows[] = {
        { "", NULL, NULL, 0 },
        { "# nothing\n", NULL, NULL, 0 },
        { "server.host: \"0.0.0.0\"\nelasticsearch.hosts: [\"http://elasticsearch:9200\"]\n",
          "0.0.0.0:5601", "http://elasticsearch:9200", 0 },
        { "server:\n  port: 5602\nelasticsearch:\n  hosts: http://es:1\n", "127.0.0.1:5602",
          "http://es:1", 0 },
        { "server.host: \"::1\"\n", "[::1]:5601", NULL, 0 },
        { "i18n.locale: de\nserver.name: kibana\n", NULL, NULL, 2 },
    };
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct settings settings = { 0 };
        struct error error = { 0 };
        test_context(rows[i].text);
        EXPECT_INT(0, settings_parse(&settings, &arena, str_from(rows[i].text), STR("kibana.yml"),
                                     &error));
        EXPECT_STR(rows[i].listen == NULL ? "" : rows[i].listen,
                   settings.listen == NULL ? STR("") : str_from(settings.listen));
        EXPECT_STR(rows[i].hosts == NULL ? "" : rows[i].hosts,
                   settings.hosts == NULL ? STR("") : str_from(settings.hosts));
        EXPECT_INT((int64_t)rows[i].ignored, (int64_t)settings.ignored.count);
        settings_release(&settings);
    }
}

static void bad_files_say_where(void)
{
    static const struct row {
        const char *text;
        const char *error;
    } rows[] = {
        { "- a\n", "kibana.yml:1:1: settings are not a mapping" },
        { "elasticsearch.hosts: []\n", "kibana.yml:1:22: 'elasticsearch.hosts' is empty" },
        { "elasticsearch.hosts: [\"http://a\", \"http://b\"]\n",
          "kibana.yml:1:22: more than one of 'elasticsearch.hosts' is not supported" },
    };
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct settings settings = { .hosts = "untouched" };
        struct error error = { 0 };
        test_context(rows[i].text);
        EXPECT(settings_parse(&settings, &arena, str_from(rows[i].text), STR("kibana.yml"),
                              &error) < 0);
        EXPECT_STR(rows[i].error, str_from(error.text));
        EXPECT_STR("untouched", str_from(settings.hosts));
    }
}

int main(void)
{
    static const struct test tests[] = {
        TEST(reading_passes),
        TEST(all_else_does_not),
        TEST(kibana_yml_is_read),
        TEST(bad_files_say_where),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
