/* query_text.c - queries that are texts of a language: query_string, simple_query_string, kql. */
#include "codec/json_writer.h"
#include "logquery/kql.h"
#include "logquery/query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int lucene_failure(struct parse *parse, struct str text, const struct error *error)
{
    int code =
        parse_fail_shard(parse, "query_shard_exception", "Failed to parse query [" STR_FMT "]",
                         STR_ARG(str_first(text, text.size < 200 ? text.size : 200)));
    parse->failure->cause_type = "parse_exception";
    (void)snprintf(parse->failure->cause_reason, sizeof(parse->failure->cause_reason),
                   "Cannot parse '" STR_FMT "': %s",
                   STR_ARG(str_first(text, text.size < 200 ? text.size : 200)), error->text);
    return code;
}

/* Of the clauses at the top of a query string; a single one needs no minimum. */
static int set_group_minimum(struct parse *parse, struct logstore_filter *filter,
                             const struct json *value)
{
    bool is_group = filter->kind == LOGSTORE_FILTER_BOOL && filter->should_count > 0;
    return query_set_minimum(
        parse,
        is_group || filter->kind == LOGSTORE_FILTER_MATCH ? filter : &(struct logstore_filter){ 0 },
        value);
}

/* The text with every sign of the syntax escaped: words alone are left. */
static int lucene_escape(struct parse *parse, struct str text, struct str *escaped)
{
    char *plain = arena_alloc(parse->arena, text.size + 1, 2);
    size_t size = 0;
    if (plain == NULL) return parse_out_of_memory(parse);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c != 0 && strchr("+-=&|><!(){}[]^\"~*?:\\/", c) != NULL) plain[size++] = '\\';
        plain[size++] = c;
    }
    *escaped = (struct str){ plain, size };
    return 0;
}

int query_read_query_string(struct parse *parse, const struct json *body,
                            struct logstore_filter **out)
{
    const struct json *query = json_get(body, STR("query"));
    if (!json_is(query, JSON_TEXT)) {
        return parse_fail(parse, "parsing_exception",
                          "[query_string] must be provided with a [query]");
    }
    struct lucene_options options = { 0 };
    const struct json *fields = json_get(body, STR("fields"));
    if (fields == NULL) fields = json_get(body, STR("default_field"));
    int code = query_read_fields(parse, fields, &options.fields, &options.field_count);
    if (code < 0) return code;
    code = query_read_operator(parse, body, "default_operator", &options.needs_all);
    if (code < 0) return code;
    options.refuses_leading_wildcard = !parse_flag_of(parse, body, "allow_leading_wildcard", true);
    options.regex_size = &parse->regex_size;
    options.is_lenient = parse_flag_of(parse, body, "lenient", options.field_count == 0);
    int64_t slop = parse_integer_of(parse, body, "phrase_slop", 0);
    options.phrase_slop = slop < 0 ? 0 : slop > INT32_MAX ? INT32_MAX : (int32_t)slop;
    code = parse_zone(parse, json_get(body, STR("time_zone")), &options.zone);
    if (code < 0) return code;
    struct error error = { 0 };
    struct str text = query->text;
    if (parse_flag_of(parse, body, "escape", false)) code = lucene_escape(parse, text, &text);
    if (code < 0) return code;
    code = logquery_parse_lucene(text, &options, parse->arena, out, &error);
    if (code == ERROR_LIMIT || code == -ENOMEM) return parse_out_of_memory(parse);
    if (code < 0) return lucene_failure(parse, text, &error);
    return set_group_minimum(parse, *out, json_get(body, STR("minimum_should_match")));
}

/* "AND|PREFIX", or the number that Elasticsearch has for it (-1: all). */
static int read_simple_flags(struct parse *parse, const struct json *value,
                             struct lucene_options *options)
{
    static const struct {
        struct str name;
        unsigned flags;
    } names[] = {
        { STR_INIT("ALL"), LOGQUERY_SIMPLE_ALL },
        { STR_INIT("NONE"), 0 },
        { STR_INIT("AND"), LOGQUERY_SIMPLE_AND },
        { STR_INIT("NOT"), LOGQUERY_SIMPLE_NOT },
        { STR_INIT("OR"), LOGQUERY_SIMPLE_OR },
        { STR_INIT("PREFIX"), LOGQUERY_SIMPLE_PREFIX },
        { STR_INIT("PHRASE"), LOGQUERY_SIMPLE_PHRASE },
        { STR_INIT("PRECEDENCE"), LOGQUERY_SIMPLE_PRECEDENCE },
        { STR_INIT("ESCAPE"), LOGQUERY_SIMPLE_ESCAPE },
        { STR_INIT("WHITESPACE"), LOGQUERY_SIMPLE_WHITESPACE },
        { STR_INIT("FUZZY"), LOGQUERY_SIMPLE_FUZZY },
        { STR_INIT("NEAR"), LOGQUERY_SIMPLE_NEAR },
        { STR_INIT("SLOP"), LOGQUERY_SIMPLE_NEAR },
    };
    options->simple_flags = LOGQUERY_SIMPLE_ALL;
    if (value == NULL) return 0;
    if (json_is(value, JSON_INT)) {
        options->simple_flags = (unsigned)value->integer & LOGQUERY_SIMPLE_ALL;
        return 0;
    }
    struct str rest = json_text(value, STR("ALL"));
    options->simple_flags = 0;
    while (rest.size > 0) {
        struct str name = str_trim(str_cut(&rest, '|'));
        size_t i = 0;
        while (i < ARRAY_LENGTH(names) && !str_equal_nocase(names[i].name, name)) i++;
        if (i == ARRAY_LENGTH(names)) {
            return parse_fail(parse, "illegal_argument_exception",
                              "Unknown simple_query_string flag [" STR_FMT "]", STR_ARG(name));
        }
        options->simple_flags |= names[i].flags;
    }
    return 0;
}

int query_read_simple_query_string(struct parse *parse, const struct json *body,
                                   struct logstore_filter **out)
{
    const struct json *query = json_get(body, STR("query"));
    if (!json_is(query, JSON_TEXT)) {
        return parse_fail(parse, "parsing_exception", "[simple_query_string] query text missing");
    }
    struct lucene_options options = { .is_lenient = true };
    int code = query_read_fields(parse, json_get(body, STR("fields")), &options.fields,
                                 &options.field_count);
    if (code < 0) return code;
    code = query_read_operator(parse, body, "default_operator", &options.needs_all);
    if (code == 0) code = read_simple_flags(parse, json_get(body, STR("flags")), &options);
    if (code < 0) return code;
    struct error error = { 0 };
    code = logquery_parse_simple(query->text, &options, parse->arena, out, &error);
    if (code < 0) return lucene_failure(parse, query->text, &error);
    return set_group_minimum(parse, *out, json_get(body, STR("minimum_should_match")));
}

/* {"kql":{"query":"level:error and not service:web"}}, as Elasticsearch 8.16 has it: written as
 * query DSL and read again. */
int query_read_kql(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    struct str text = json_text(json_get(body, STR("query")), STR(""));
    const struct kql_node *tree = NULL;
    const struct json *root = NULL;
    struct error error = { 0 };
    if (!json_is(json_get(body, STR("query")), JSON_TEXT)) {
        return parse_fail(parse, "parsing_exception", "[kql] must be provided with a [query]");
    }
    int code = kql_parse(text, parse->arena, &tree, &error);
    if (code == ERROR_LIMIT) return parse_out_of_memory(parse);
    if (code < 0) {
        return parse_fail(parse, "parsing_exception", "failed to parse KQL [" STR_FMT "]: %s",
                          STR_ARG(str_first(text, text.size < 200 ? text.size : 200)), error.text);
    }
    CLEANUP(buf_release) struct buf dsl = { 0 };
    struct json_writer json;
    buf_init(&dsl, LOGQUERY_MEMORY_MAX / 4);
    json_writer_init(&json, &dsl);
    kql_write_dsl(tree, &json);
    if (dsl.has_failed) return parse_out_of_memory(parse);
    code = json_parse(NULL, parse->arena, buf_str(&dsl), &root, &error);
    if (code == ERROR_PARSE) {
        return parse_fail(parse, "parsing_exception", "KQL is not UTF-8: %s", error.text);
    }
    return code < 0 ? parse_out_of_memory(parse) : parse_query(parse, root, out);
}
