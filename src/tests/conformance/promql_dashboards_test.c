/* promql_dashboards_test.c - goal: every expression of the community's dashboards is understood.
 * Method: each "expr" of each dashboard, its variables replaced as a dashboard would, is parsed,
 * printed, parsed again and evaluated over an empty store. */
#include "base/file.h"
#include "codec/json.h"
#include "promql/promql.h"
#include "tests/conformance/memory_series.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX ((size_t)16 << 20)

struct check {
    struct promql_engine *engine;
    struct memory_store store;
    const char *file;
    size_t expressions;
    size_t foreign;
    size_t failures;
};

/* Expressions in VictoriaMetrics' own language, which Prometheus refuses too. */
static bool is_foreign(struct str text)
{
    return str_find(text, STR(" default ")) != STR_NONE ||
           str_find(text, STR(") offset $")) != STR_NONE;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* What a variable may stand for: a duration where it looks like one, else a word. */
static const char *variable_value(struct str name, bool is_in_brackets, bool is_in_quotes)
{
    if (is_in_brackets || str_contains_nocase(name, STR("interval")) ||
        str_contains_nocase(name, STR("range"))) {
        return "5m";
    }
    return is_in_quotes ? "x" : "1";
}

static void put_variables(struct str text, struct buf *out)
{
    bool is_in_brackets = false;
    char quote = '\0';
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (quote != '\0' && c == '\\' && i + 1 < text.size) {
            buf_append_char(out, c);
            buf_append_char(out, text.data[++i]);
            continue;
        }
        if (quote == '\0' && (c == '"' || c == '\'' || c == '`')) {
            quote = c;
        } else if (c == quote) {
            quote = '\0';
        }
        if (quote == '\0' && c == '[') is_in_brackets = true;
        if (quote == '\0' && c == ']') is_in_brackets = false;
        bool has_brace = i + 1 < text.size && text.data[i + 1] == '{';
        size_t start = i + (has_brace ? 2 : 1);
        size_t end = start;
        while (end < text.size && is_word_char(text.data[end])) end++;
        bool is_group = end > start && text.data[start] >= '0' && text.data[start] <= '9';
        if (c != '$' || end == start || is_group) {
            buf_append_char(out, c);
            continue;
        }
        struct str name = str_first(str_skip(text, start), end - start);
        buf_append_cstr(out, variable_value(name, is_in_brackets, quote != '\0'));
        while (has_brace && end < text.size && text.data[end] != '}') end++;
        i = has_brace ? end : end - 1;
    }
}

static bool evaluate(struct check *check, struct str text, struct error *error)
{
    struct promql_expr *expr = NULL;
    if (promql_parse(&expr, check->engine, text, error) < 0) return false;
    struct buf printed;
    buf_init(&printed, FILE_SIZE_MAX);
    promql_print(&printed, expr);
    struct promql_expr *again = NULL;
    struct promql_result *result = NULL;
    struct promql_range range = { 0, 600000, 60000 };
    bool is_good = promql_parse(&again, check->engine, buf_str(&printed), error) == 0 &&
                   promql_query_range(check->engine, &check->store.source, again, &range, NULL,
                                      &result, error) == 0;
    promql_result_free(result);
    promql_expr_free(again);
    promql_expr_free(expr);
    buf_release(&printed);
    return is_good;
}

static void check_expression(struct check *check, struct str text)
{
    check->expressions++;
    if (is_foreign(text)) {
        check->foreign++;
        return;
    }
    struct buf query;
    buf_init(&query, FILE_SIZE_MAX);
    put_variables(text, &query);
    struct error error = { 0 };
    if (!evaluate(check, buf_str(&query), &error)) {
        check->failures++;
        (void)fprintf(stderr, "%s: %s\n    %s\n", check->file, buf_cstr(&query), error.text);
    }
    buf_release(&query);
}

static void walk(struct check *check, const struct json *node)
{
    if (node->kind == JSON_ARRAY) {
        for (size_t i = 0; i < node->array.count; i++) walk(check, &node->array.items[i]);
        return;
    }
    if (node->kind != JSON_OBJECT) return;
    for (size_t i = 0; i < node->object.count; i++) {
        const struct json_member *member = &node->object.members[i];
        bool is_expression = str_equal(member->key, STR("expr")) &&
                             member->value.kind == JSON_TEXT && member->value.text.size > 0;
        if (is_expression) {
            check_expression(check, member->value.text);
        } else {
            walk(check, &member->value);
        }
    }
}

static int check_file(void *argument, const char *name)
{
    struct check *check = argument;
    if (!str_ends_with(str_from(name), STR(".json"))) return 0;
    char path[FILE_PATH_SIZE];
    if (file_join(path, check->file, name, NULL) < 0) return 0;
    struct buf text;
    struct arena arena;
    buf_init(&text, FILE_SIZE_MAX);
    arena_init(&arena, FILE_SIZE_MAX * 8);
    const struct json *root = NULL;
    struct error error = { 0 };
    if (file_read(&disk_system, path, &text, &error) == 0 &&
        json_parse(NULL, &arena, buf_str(&text), &root, &error) == 0) {
        size_t before = check->expressions;
        walk(check, root);
        printf("# %-32s %4zu expressions\n", name, check->expressions - before);
    }
    EXPECT_STR("", str_from(error.text));
    buf_release(&text);
    arena_release(&arena);
    return 0;
}

static void test_dashboards(void)
{
    struct check check = { .file = getenv("DASHBOARDS_CONFORMANCE") };
    if (check.file == NULL) check.file = SOURCE_ROOT "/../shared/conformance/dashboards";
    struct promql_options options = { 0 };
    REQUIRE(promql_engine_new(&check.engine, &options, NULL) == 0);
    memory_store_init(&check.store);
    int code = disk_system.list(disk_system.state, check.file, check_file, &check);
    memory_store_release(&check.store);
    promql_engine_free(check.engine);
    if (code < 0) SKIP("the dashboards are not here");
    printf("# %zu expressions (%zu of them MetricsQL), %zu failures\n", check.expressions,
           check.foreign, check.failures);
    EXPECT(check.expressions > 0);
    EXPECT_INT(0, (int64_t)check.failures);
}

int main(void)
{
    static const struct test tests[] = { TEST(test_dashboards) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
