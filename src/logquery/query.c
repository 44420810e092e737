/* query.c - Elasticsearch's query DSL into filters: one row a query kind. */
#include "base/check.h"
#include "codec/json_writer.h"
#include "logquery/kql.h"
#include "logquery/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TERMS_MAX 65536 /* of a terms query, as in Elasticsearch */

typedef int query_reader(struct parse *parse, const struct json *body,
                         struct logstore_filter **out);

/* {"field": value} or {"field": {...}}, without parameters that stand beside the field. */
static const struct json_member *only_field(const struct json *body)
{
    if (!json_is(body, JSON_OBJECT)) return NULL;
    for (size_t i = 0; i < body->object.count; i++) {
        const struct json_member *member = &body->object.members[i];
        if (!str_equal(member->key, STR("boost")) && !str_equal(member->key, STR("_name"))) {
            return member;
        }
    }
    return NULL;
}

static int set_field(struct parse *parse, struct logstore_filter *filter, struct str field)
{
    struct str *fields = ARENA_NEW(parse->arena, struct str);
    if (filter == NULL || fields == NULL) return parse_out_of_memory(parse);
    fields[0] = field;
    filter->fields = fields;
    filter->field_count = 1;
    return 0;
}

static int set_value(struct parse *parse, struct logstore_filter *filter, struct str value)
{
    struct str *values = ARENA_NEW(parse->arena, struct str);
    if (values == NULL) return parse_out_of_memory(parse);
    values[0] = value.data == NULL ? STR("") : value;
    filter->values = values;
    filter->value_count = 1;
    return 0;
}

static void set_minimum(struct parse *parse, struct logstore_filter *filter,
                        const struct json *body)
{
    static const char name[] = "minimum_should_match";
    const struct json *value = json_get(body, str_from(name));
    if (value == NULL || value->kind == JSON_NULL) return;
    struct str text = parse_scalar(value);
    /* "3<90%": the part behind the last '<' is taken. */
    for (size_t at = str_find_char(text, '<'); at != STR_NONE; at = str_find_char(text, '<')) {
        text = str_skip(text, at + 1);
    }
    bool is_percent = str_ends_with(text, STR("%"));
    int64_t number;
    if (!str_to_int64(is_percent ? str_first(text, text.size - 1) : text, &number)) {
        parse_note_bad(parse, value, name, "a number or a percentage");
        return;
    }
    filter->minimum_match = (int32_t)(number > 10000 ? 10000 : number < -10000 ? -10000 : number);
    filter->is_percent_minimum = is_percent;
    filter->has_minimum_match = true;
}

static int32_t read_fuzziness(struct parse *parse, const struct json *body, int32_t otherwise)
{
    const struct json *value = json_get(body, STR("fuzziness"));
    if (value == NULL) return otherwise;
    struct str text = parse_scalar(value);
    if (str_starts_with(text, STR("AUTO")) || str_starts_with(text, STR("auto"))) return -1;
    int64_t edits = parse_integer(value, -1);
    if (edits >= 0 && edits <= 2) return (int32_t)edits;
    parse_note_bad(parse, value, "fuzziness", "an edit distance: 0, 1, 2 or AUTO");
    return 0;
}

static int read_all(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    (void)body;
    *out = filter_new(parse, LOGSTORE_FILTER_ALL);
    return *out == NULL ? parse_out_of_memory(parse) : 0;
}

static int read_none(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    (void)body;
    *out = filter_new(parse, LOGSTORE_FILTER_NONE);
    return *out == NULL ? parse_out_of_memory(parse) : 0;
}

static int malformed(struct parse *parse, const char *kind)
{
    return parse_fail(parse, "parsing_exception",
                      "[%s] query malformed, no start_object after "
                      "query name",
                      kind);
}

/* Kinds that are a field with a value, or an object with the value under one of two names. */
static int read_value_query(struct parse *parse, const struct json *body, const char *kind,
                            const char *value_name, struct logstore_filter *filter)
{
    const struct json_member *member = only_field(body);
    if (filter == NULL) return parse_out_of_memory(parse);
    if (member == NULL) return malformed(parse, kind);
    int code = set_field(parse, filter, member->key);
    if (code < 0) return code;
    const struct json *value = &member->value;
    if (json_is(value, JSON_OBJECT)) {
        filter->is_case_insensitive =
            parse_flag_of(parse, value, "case_insensitive", filter->is_case_insensitive);
        const struct json *named = json_get(value, str_from(value_name));
        if (named == NULL) named = json_get(value, STR("value"));
        value = named;
    }
    if (value == NULL || value->kind == JSON_NULL) {
        return parse_fail(parse, "illegal_argument_exception", "value cannot be null");
    }
    if (value->kind == JSON_ARRAY || value->kind == JSON_OBJECT) {
        return parse_fail(parse, "parsing_exception", "[%s] query does not support [" STR_FMT "]",
                          kind, STR_ARG(member->key));
    }
    return set_value(parse, filter, parse_scalar(value));
}

static int read_term(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    *out = filter_new(parse, LOGSTORE_FILTER_TERM);
    return read_value_query(parse, body, "term", "value", *out);
}

static int read_prefix(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    *out = filter_new(parse, LOGSTORE_FILTER_PREFIX);
    return read_value_query(parse, body, "prefix", "prefix", *out);
}

static int read_wildcard(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    *out = filter_new(parse, LOGSTORE_FILTER_WILDCARD);
    int code = read_value_query(parse, body, "wildcard", "wildcard", *out);
    /* Elasticsearch lowers the pattern's letters as the field's analyzer does. */
    if (code == 0) (*out)->is_normalized = true;
    return code;
}

static int read_regexp(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    *out = filter_new(parse, LOGSTORE_FILTER_REGEXP);
    return read_value_query(parse, body, "regexp", "regexp", *out);
}

static int read_fuzzy(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    *out = filter_new(parse, LOGSTORE_FILTER_FUZZY);
    int code = read_value_query(parse, body, "fuzzy", "value", *out);
    if (code < 0) return code;
    const struct json_member *member = only_field(body);
    (*out)->fuzziness = read_fuzziness(parse, &member->value, -1);
    return 0;
}

static int read_terms(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    const struct json_member *member = only_field(body);
    if (member == NULL) return malformed(parse, "terms");
    if (!json_is(&member->value, JSON_ARRAY)) {
        return parse_fail(parse, "parsing_exception",
                          "[terms] query requires an array of values; "
                          "terms lookup is not supported");
    }
    if (member->value.array.count > TERMS_MAX) {
        return parse_fail(parse, "illegal_argument_exception",
                          "The number of terms [%zu] used in the Terms Query request has exceeded "
                          "the allowed maximum of [%d]. This maximum can be set by changing the "
                          "[index.max_terms_count] index level setting.",
                          member->value.array.count, TERMS_MAX);
    }
    *out = filter_new(parse, LOGSTORE_FILTER_TERM);
    int code = set_field(parse, *out, member->key);
    if (code < 0) return code;
    return parse_texts(parse, &member->value, false, &(*out)->values, &(*out)->value_count);
}

static int read_match_body(struct parse *parse, const struct json *value, const char *kind,
                           struct logstore_filter *filter)
{
    const struct json *query = value;
    if (json_is(value, JSON_OBJECT)) {
        query = json_get(value, STR("query"));
        struct str word = json_text(json_get(value, STR("operator")), STR("or"));
        filter->needs_all_terms = str_equal_nocase(word, STR("and"));
        set_minimum(parse, filter, value);
        filter->fuzziness = read_fuzziness(parse, value, 0);
        filter->is_lenient = parse_flag_of(parse, value, "lenient", false);
        int64_t slop = parse_integer_of(parse, value, "slop", 0);
        if (slop < 0) {
            return parse_fail(parse, "illegal_argument_exception", "No negative slop allowed.");
        }
        filter->slop = slop > INT32_MAX ? INT32_MAX : (int32_t)slop;
        struct str zero = json_text(json_get(value, STR("zero_terms_query")), STR("none"));
        filter->matches_all_when_empty = str_equal(zero, STR("all"));
    }
    if (query == NULL || query->kind == JSON_NULL) {
        return parse_fail(parse, "parsing_exception", "No text specified for text query");
    }
    if (query->kind == JSON_ARRAY || query->kind == JSON_OBJECT) {
        return parse_fail(parse, "parsing_exception", "[%s] unknown token [%s] after [query]", kind,
                          query->kind == JSON_ARRAY ? "START_ARRAY" : "START_OBJECT");
    }
    return set_value(parse, filter, parse_scalar(query));
}

static int read_match_kind(struct parse *parse, const struct json *body, const char *kind,
                           enum logstore_filter_kind filter_kind, struct logstore_filter **out)
{
    const struct json_member *member = only_field(body);
    if (member == NULL) return malformed(parse, kind);
    *out = filter_new(parse, filter_kind);
    int code = set_field(parse, *out, member->key);
    return code < 0 ? code : read_match_body(parse, &member->value, kind, *out);
}

static int read_match(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    return read_match_kind(parse, body, "match", LOGSTORE_FILTER_MATCH, out);
}

static int read_phrase(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    return read_match_kind(parse, body, "match_phrase", LOGSTORE_FILTER_PHRASE, out);
}

static int read_phrase_prefix(struct parse *parse, const struct json *body,
                              struct logstore_filter **out)
{
    return read_match_kind(parse, body, "match_phrase_prefix", LOGSTORE_FILTER_PHRASE_PREFIX, out);
}

/* Fields as multi_match and query_string name them: without their boosts. */
static int read_fields(struct parse *parse, const struct json *value, const struct str **fields,
                       size_t *count)
{
    int code = parse_texts(parse, value, false, fields, count);
    if (code < 0 || *count == 0) return code;
    struct str *plain = ARENA_ARRAY(parse->arena, struct str, *count);
    if (plain == NULL) return parse_out_of_memory(parse);
    for (size_t i = 0; i < *count; i++) {
        struct str rest = (*fields)[i];
        plain[i] = str_cut(&rest, '^');
    }
    bool is_all = *count == 1 && str_equal(plain[0], STR("*"));
    *fields = plain;
    if (is_all) *count = 0;
    return 0;
}

static int read_multi_match(struct parse *parse, const struct json *body,
                            struct logstore_filter **out)
{
    struct str type = json_text(json_get(body, STR("type")), STR("best_fields"));
    enum logstore_filter_kind kind = LOGSTORE_FILTER_MATCH;
    if (str_equal(type, STR("phrase"))) kind = LOGSTORE_FILTER_PHRASE;
    if (str_equal(type, STR("phrase_prefix"))) kind = LOGSTORE_FILTER_PHRASE_PREFIX;
    if (str_equal(type, STR("bool_prefix"))) {
        return parse_fail(parse, "illegal_argument_exception",
                          "[multi_match] of type [bool_prefix] is not supported");
    }
    *out = filter_new(parse, kind);
    if (*out == NULL) return parse_out_of_memory(parse);
    int code = read_match_body(parse, body, "multi_match", *out);
    if (code < 0) return code;
    return read_fields(parse, json_get(body, STR("fields")), &(*out)->fields, &(*out)->field_count);
}

struct bound_name {
    struct str name;
    bool is_lower;
    bool is_inclusive;
};

static const struct bound_name bound_names[] = {
    { STR_INIT("gt"), true, false },  { STR_INIT("gte"), true, true },
    { STR_INIT("from"), true, true }, { STR_INIT("lt"), false, false },
    { STR_INIT("lte"), false, true }, { STR_INIT("to"), false, true },
    { STR_INIT("ge"), true, true },   { STR_INIT("le"), false, true },
};

static int read_bounds(struct parse *parse, const struct json *value,
                       struct logstore_filter *filter)
{
    for (size_t i = 0; i < value->object.count; i++) {
        const struct json_member *member = &value->object.members[i];
        for (size_t k = 0; k < ARRAY_LENGTH(bound_names); k++) {
            if (!str_equal(member->key, bound_names[k].name)) continue;
            if (member->value.kind == JSON_NULL) break;
            struct logstore_bound *bound =
                bound_names[k].is_lower ? &filter->lower : &filter->upper;
            struct str text = parse_scalar(&member->value);
            if (text.data == NULL) {
                return parse_fail(parse, "parsing_exception",
                                  "[range] query does not support [" STR_FMT "]",
                                  STR_ARG(member->key));
            }
            *bound = (struct logstore_bound){ true, bound_names[k].is_inclusive, text };
        }
    }
    if (!parse_flag_of(parse, value, "include_lower", true)) filter->lower.is_inclusive = false;
    if (!parse_flag_of(parse, value, "include_upper", true)) filter->upper.is_inclusive = false;
    return 0;
}

static int read_range(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    const struct json_member *member = only_field(body);
    if (member == NULL || !json_is(&member->value, JSON_OBJECT)) return malformed(parse, "range");
    *out = filter_new(parse, LOGSTORE_FILTER_RANGE);
    int code = set_field(parse, *out, member->key);
    if (code == 0) code = read_bounds(parse, &member->value, *out);
    if (code < 0) return code;
    (*out)->format = json_text(json_get(&member->value, STR("format")), STR(""));
    return parse_zone_offset(parse, json_get(&member->value, STR("time_zone")),
                             clock_realtime_ms(&clock_system), &(*out)->zone_offset_s);
}

static int read_exists(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    struct str field = json_text(json_get(body, STR("field")), STR(""));
    if (field.size == 0) {
        return parse_fail(parse, "parsing_exception", "[exists] must be provided with a [field]");
    }
    *out = filter_new(parse, LOGSTORE_FILTER_EXISTS);
    return set_field(parse, *out, field);
}

static int read_ids(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    *out = filter_new(parse, LOGSTORE_FILTER_IDS);
    if (*out == NULL) return parse_out_of_memory(parse);
    return parse_texts(parse, json_get(body, STR("values")), false, &(*out)->values,
                       &(*out)->value_count);
}

/* One clause or an array of them. */
static int read_clauses(struct parse *parse, const struct json *value,
                        struct logstore_filter ***clauses, size_t *count)
{
    if (value == NULL || value->kind == JSON_NULL) return 0;
    bool is_list = value->kind == JSON_ARRAY;
    size_t total = is_list ? value->array.count : 1;
    *clauses = ARENA_ARRAY(parse->arena, struct logstore_filter *, total + 1);
    if (*clauses == NULL) return parse_out_of_memory(parse);
    for (size_t i = 0; i < total; i++) {
        const struct json *clause = is_list ? &value->array.items[i] : value;
        if (json_is(clause, JSON_OBJECT) && clause->object.count == 0) {
            return parse_fail(parse, "illegal_argument_exception",
                              "query malformed, empty clause "
                              "found");
        }
        int code = parse_query(parse, clause, &(*clauses)[*count]);
        if (code < 0) return code;
        (*count)++;
    }
    return 0;
}

static int read_bool(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    struct logstore_filter *filter = filter_new(parse, LOGSTORE_FILTER_BOOL);
    if (filter == NULL) return parse_out_of_memory(parse);
    if (!json_is(body, JSON_OBJECT)) return malformed(parse, "bool");
    struct logstore_filter **must = NULL;
    struct logstore_filter **also = NULL;
    size_t must_count = 0;
    size_t also_count = 0;
    int code = read_clauses(parse, json_get(body, STR("must")), &must, &must_count);
    if (code == 0) code = read_clauses(parse, json_get(body, STR("filter")), &also, &also_count);
    if (code == 0) {
        code = read_clauses(parse, json_get(body, STR("should")), &filter->should,
                            &filter->should_count);
    }
    if (code == 0) {
        code = read_clauses(parse, json_get(body, STR("must_not")), &filter->must_not,
                            &filter->must_not_count);
    }
    if (code < 0) return code;
    filter->must = ARENA_ARRAY(parse->arena, struct logstore_filter *, must_count + also_count + 1);
    if (filter->must == NULL) return parse_out_of_memory(parse);
    for (size_t i = 0; i < also_count; i++) filter->must[filter->must_count++] = also[i];
    for (size_t i = 0; i < must_count; i++) filter->must[filter->must_count++] = must[i];
    set_minimum(parse, filter, body);
    *out = filter;
    return 0;
}

/* Kinds that score in another way, or not at all, are what they hold. */
static int read_inner(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    static const char *const names[] = { "filter", "query", "positive" };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct json *inner = json_get(body, str_from(names[i]));
        if (inner != NULL) return parse_query(parse, inner, out);
    }
    return read_all(parse, body, out);
}

static int read_dis_max(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    struct logstore_filter *filter = filter_new(parse, LOGSTORE_FILTER_BOOL);
    if (filter == NULL) return parse_out_of_memory(parse);
    int code =
        read_clauses(parse, json_get(body, STR("queries")), &filter->should, &filter->should_count);
    *out = filter;
    return code;
}

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

static int read_query_string(struct parse *parse, const struct json *body,
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
    int code = read_fields(parse, fields, &options.fields, &options.field_count);
    if (code < 0) return code;
    struct str word = json_text(json_get(body, STR("default_operator")), STR("or"));
    options.needs_all = str_equal_nocase(word, STR("and"));
    options.regex_size = &parse->regex_size;
    options.is_lenient = parse_flag_of(parse, body, "lenient", options.field_count == 0);
    int64_t slop = parse_integer_of(parse, body, "phrase_slop", 0);
    options.phrase_slop = slop < 0 ? 0 : slop > INT32_MAX ? INT32_MAX : (int32_t)slop;
    code = parse_zone_offset(parse, json_get(body, STR("time_zone")),
                             clock_realtime_ms(&clock_system), &options.zone_offset_s);
    if (code < 0) return code;
    struct error error = { 0 };
    code = logquery_parse_lucene(query->text, &options, parse->arena, out, &error);
    if (code == ERROR_LIMIT || code == -ENOMEM) return parse_out_of_memory(parse);
    return code < 0 ? lucene_failure(parse, query->text, &error) : 0;
}

static int read_simple_query_string(struct parse *parse, const struct json *body,
                                    struct logstore_filter **out)
{
    const struct json *query = json_get(body, STR("query"));
    if (!json_is(query, JSON_TEXT)) {
        return parse_fail(parse, "parsing_exception", "[simple_query_string] query text missing");
    }
    struct lucene_options options = { .is_lenient = true };
    int code =
        read_fields(parse, json_get(body, STR("fields")), &options.fields, &options.field_count);
    if (code < 0) return code;
    struct str word = json_text(json_get(body, STR("default_operator")), STR("or"));
    options.needs_all = str_equal_nocase(word, STR("and"));
    struct error error = { 0 };
    code = logquery_parse_simple(query->text, &options, parse->arena, out, &error);
    return code < 0 ? lucene_failure(parse, query->text, &error) : 0;
}

/* {"kql":{"query":"level:error and not service:web"}}, as Elasticsearch 8.16 has it: written as
 * query DSL and read again. */
static int read_kql(struct parse *parse, const struct json *body, struct logstore_filter **out)
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

struct query_row {
    struct str name;
    query_reader *read;
};

static const struct query_row query_rows[] = {
    { STR_INIT("match_all"), read_all },
    { STR_INIT("match_none"), read_none },
    { STR_INIT("match"), read_match },
    { STR_INIT("match_phrase"), read_phrase },
    { STR_INIT("match_phrase_prefix"), read_phrase_prefix },
    { STR_INIT("multi_match"), read_multi_match },
    { STR_INIT("term"), read_term },
    { STR_INIT("terms"), read_terms },
    { STR_INIT("range"), read_range },
    { STR_INIT("exists"), read_exists },
    { STR_INIT("prefix"), read_prefix },
    { STR_INIT("wildcard"), read_wildcard },
    { STR_INIT("regexp"), read_regexp },
    { STR_INIT("fuzzy"), read_fuzzy },
    { STR_INIT("ids"), read_ids },
    { STR_INIT("bool"), read_bool },
    { STR_INIT("constant_score"), read_inner },
    { STR_INIT("function_score"), read_inner },
    { STR_INIT("script_score"), read_inner },
    { STR_INIT("boosting"), read_inner },
    { STR_INIT("dis_max"), read_dis_max },
    { STR_INIT("query_string"), read_query_string },
    { STR_INIT("simple_query_string"), read_simple_query_string },
    { STR_INIT("kql"), read_kql },
};

int parse_query(struct parse *parse, const struct json *json, struct logstore_filter **filter)
{
    if (!json_is(json, JSON_OBJECT)) {
        return parse_fail(parse, "parsing_exception",
                          "[_na] query malformed, must start with "
                          "start_object");
    }
    if (json->object.count == 0) {
        return parse_fail(parse, "illegal_argument_exception",
                          "query malformed, empty clause found");
    }
    if (json->object.count > 1) {
        return parse_fail(parse, "parsing_exception",
                          "[" STR_FMT "] malformed query, expected "
                          "[END_OBJECT] but found [FIELD_NAME]",
                          STR_ARG(json->object.members[0].key));
    }
    if (parse->depth >= PARSE_DEPTH_MAX || ++parse->clause_count > PARSE_CLAUSES_MAX) {
        return parse_fail(parse, "illegal_argument_exception",
                          "The nested depth or number of clauses of the query exceeds the maximum");
    }
    const struct json_member *member = &json->object.members[0];
    for (size_t i = 0; i < ARRAY_LENGTH(query_rows); i++) {
        if (!str_equal(query_rows[i].name, member->key)) continue;
        parse->depth++;
        int code = query_rows[i].read(parse, &member->value, filter);
        parse->depth--;
        return code == 0 && parse->depth == 0 ? parse_settled(parse) : code;
    }
    return parse_fail(parse, "parsing_exception", "unknown query [" STR_FMT "]",
                      STR_ARG(member->key));
}

int logquery_parse_query(struct str json, struct arena *arena, struct logstore_filter **filter,
                         struct logquery_failure *failure, struct error *error)
{
    struct parse parse = { .arena = arena, .failure = failure, .error = error };
    const struct json *root;
    int code = json_parse(NULL, arena, json, &root, error);
    if (code < 0) return parse_fail(&parse, "parsing_exception", "%s", error->text);
    return parse_query(&parse, root, filter);
}
