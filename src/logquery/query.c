/* query.c - Elasticsearch's query DSL into filters: one row a query kind. */
#include "logquery/query.h"
#include "base/check.h"
#include "codec/base64.h"
#include "codec/number.h"
#include "logquery/query_options.h"

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

int query_set_minimum(struct parse *parse, struct logstore_filter *filter, const struct json *value)
{
    struct str text = parse_scalar(value);
    if (text.data == NULL) return 0;
    if (!logstore_minimum_is_valid(text)) {
        return parse_fail(parse, "number_format_exception",
                          "[minimum_should_match] is no number, share or list of conditions: "
                          "[" STR_FMT "]",
                          STR_ARG(text));
    }
    filter->minimum = text;
    return 0;
}

/* "AUTO:3,6" */
static bool read_auto(struct str text, struct logstore_filter *filter)
{
    int64_t one;
    int64_t two;
    filter->fuzziness = -1;
    if (!str_equal_nocase(str_cut(&text, ':'), STR("auto"))) return false;
    if (text.size == 0) return true;
    struct str low = str_cut(&text, ',');
    if (!str_to_int64(low, &one) || !str_to_int64(text, &two)) return false;
    if (one < 0 || two <= one || two > INT32_MAX) return false;
    filter->auto_one = (uint32_t)one;
    filter->auto_two = (uint32_t)two;
    return true;
}

/* How far a term may be from the text: "fuzziness" and what stands with it. */
static int read_fuzziness(struct parse *parse, const struct json *object,
                          struct logstore_filter *filter)
{
    const struct json *value = json_get(object, STR("fuzziness"));
    struct str text = parse_scalar(value);
    double edits;
    bool is_number = number_parse(text, &edits) && edits >= 0 && edits <= 2;
    if (is_number) filter->fuzziness = (int32_t)edits;
    if (value != NULL && !is_number && !read_auto(text, filter)) {
        return parse_fail(parse, "illegal_argument_exception",
                          "failed to parse [" STR_FMT "] as a \"fuzziness\": 0, 1, 2, AUTO and "
                          "AUTO:low,high are valid",
                          STR_ARG(text));
    }
    int64_t equal = parse_integer_of(parse, object, "prefix_length", 0);
    filter->prefix_length = equal < 0 ? 0 : equal > 1024 ? 1024 : (uint32_t)equal;
    filter->counts_swaps_twice = !parse_flag_of(parse, object, "fuzzy_transpositions", true) ||
                                 !parse_flag_of(parse, object, "transpositions", true);
    return 0;
}

/* "operator": whether it says "and". */
int query_read_operator(struct parse *parse, const struct json *object, const char *name,
                        bool *is_and)
{
    const struct json *value = json_get(object, str_from(name));
    struct str word = json_text(value, STR(""));
    *is_and = str_equal_nocase(word, STR("and"));
    if (value == NULL || *is_and || str_equal_nocase(word, STR("or"))) return 0;
    return parse_fail(parse, "illegal_argument_exception",
                      "No enum constant org.elasticsearch.index.query.Operator." STR_FMT,
                      STR_ARG(word));
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
    (*out)->fuzziness = -1;
    return read_fuzziness(parse, &only_field(body)->value, *out);
}

#define LOOKUP_MAX 65536

struct lookup {
    struct str *values; /* LOOKUP_MAX */
    size_t count;
};

/* The scalars at a dotted path, of all objects on its way. Depth: JSON_DEPTH_MAX. */
static void collect_at(struct lookup *lookup, const struct json *value, struct str path)
{
    if (json_is(value, JSON_ARRAY)) {
        for (size_t i = 0; i < value->array.count; i++) {
            collect_at(lookup, &value->array.items[i], path);
        }
    } else if (json_is(value, JSON_OBJECT)) {
        for (size_t i = 0; i < value->object.count; i++) {
            const struct json_member *member = &value->object.members[i];
            size_t size = member->key.size;
            if (str_equal(member->key, path)) {
                collect_at(lookup, &member->value, STR(""));
            } else if (size < path.size && path.data[size] == '.' &&
                       str_starts_with(path, member->key)) {
                collect_at(lookup, &member->value, str_skip(path, size + 1));
            }
        }
    } else if (path.size == 0 && value->kind != JSON_NULL && lookup->count < LOOKUP_MAX) {
        lookup->values[lookup->count++] = parse_scalar(value);
    }
}

static int read_values_at(struct parse *parse, struct str source, struct str path,
                          struct logstore_filter *filter)
{
    const struct json *root = NULL;
    struct lookup lookup = { .values = ARENA_ARRAY(parse->arena, struct str, LOOKUP_MAX) };
    if (lookup.values == NULL || json_parse(NULL, parse->arena, source, &root, NULL) < 0) {
        return parse_out_of_memory(parse);
    }
    collect_at(&lookup, root, path);
    filter->values = lookup.values;
    filter->value_count = lookup.count;
    return 0;
}

/* {"field":{"index":"i","id":"1","path":"a.b"}}: the values that another document has there. */
static int read_lookup(struct parse *parse, const struct json *value,
                       struct logstore_filter *filter)
{
    struct str index = json_text(json_get(value, STR("index")), STR(""));
    struct str id = parse_scalar(json_get(value, STR("id")));
    struct str path = json_text(json_get(value, STR("path")), STR(""));
    if (index.size == 0 || id.size == 0 || path.size == 0) {
        return parse_fail(parse, "parsing_exception",
                          "[terms] query lookup element requires specifying the index, the id and "
                          "the path");
    }
    if (parse->store == NULL) {
        return parse_fail(parse, "illegal_argument_exception", "a terms lookup has no place here");
    }
    struct logstore_document document;
    int code = logstore_get(parse->store, index, id, parse->arena, &document, NULL);
    if (code == -ENOENT) {
        code = parse_fail(parse, "index_not_found_exception", "no such index [" STR_FMT "]",
                          STR_ARG(index));
        parse->failure->status = 404;
        (void)snprintf(parse->failure->index, sizeof(parse->failure->index), STR_FMT,
                       STR_ARG(index));
        return code;
    }
    if (code < 0) return parse_out_of_memory(parse);
    return code == 0 ? 0 : read_values_at(parse, document.source, path, filter);
}

static int read_terms(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    const struct json_member *member = only_field(body);
    if (member == NULL) return malformed(parse, "terms");
    *out = filter_new(parse, LOGSTORE_FILTER_TERM);
    int code = set_field(parse, *out, member->key);
    if (code < 0) return code;
    if (json_is(&member->value, JSON_OBJECT)) return read_lookup(parse, &member->value, *out);
    if (!json_is(&member->value, JSON_ARRAY)) {
        return parse_fail(parse, "parsing_exception",
                          "[terms] query requires an array of values or a lookup");
    }
    if (member->value.array.count > TERMS_MAX) {
        return parse_fail(parse, "illegal_argument_exception",
                          "The number of terms [%zu] used in the Terms Query request has exceeded "
                          "the allowed maximum of [%d]. This maximum can be set by changing the "
                          "[index.max_terms_count] index level setting.",
                          member->value.array.count, TERMS_MAX);
    }
    return parse_texts(parse, &member->value, false, &(*out)->values, &(*out)->value_count);
}

static int read_match_body(struct parse *parse, const struct json *value, const char *kind,
                           struct logstore_filter *filter)
{
    const struct json *query = value;
    if (json_is(value, JSON_OBJECT)) {
        query = json_get(value, STR("query"));
        int code = query_read_operator(parse, value, "operator", &filter->needs_all_terms);
        if (code == 0) {
            code = query_set_minimum(parse, filter, json_get(value, STR("minimum_should_match")));
        }
        if (code == 0) code = read_fuzziness(parse, value, filter);
        if (code < 0) return code;
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
int query_read_fields(struct parse *parse, const struct json *value, const struct str **fields,
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

/* The same query, of what it finds in each field by itself. */
static int read_each_field(struct parse *parse, const struct json *body, const char *kind,
                           enum words_kind words, struct logstore_filter **out)
{
    struct logstore_filter like = { 0 };
    int code = read_match_body(parse, body, kind, &like);
    if (code == 0) {
        code = query_read_fields(parse, json_get(body, STR("fields")), &like.fields,
                                 &like.field_count);
    }
    return code < 0 ? code : query_words(parse, &like, words, out);
}

static int read_combined_fields(struct parse *parse, const struct json *body,
                                struct logstore_filter **out)
{
    return read_each_field(parse, body, "combined_fields", WORDS_ACROSS, out);
}

static int read_bool_prefix(struct parse *parse, const struct json *body,
                            struct logstore_filter **out)
{
    const struct json_member *member = only_field(body);
    struct logstore_filter like = { 0 };
    if (member == NULL) return malformed(parse, "match_bool_prefix");
    int code = set_field(parse, &like, member->key);
    if (code == 0) code = read_match_body(parse, &member->value, "match_bool_prefix", &like);
    return code < 0 ? code : query_words(parse, &like, WORDS_PREFIX, out);
}

static int read_multi_match(struct parse *parse, const struct json *body,
                            struct logstore_filter **out)
{
    struct str type = json_text(json_get(body, STR("type")), STR("best_fields"));
    enum logstore_filter_kind kind = LOGSTORE_FILTER_MATCH;
    if (str_equal(type, STR("phrase"))) {
        kind = LOGSTORE_FILTER_PHRASE;
    } else if (str_equal(type, STR("phrase_prefix"))) {
        kind = LOGSTORE_FILTER_PHRASE_PREFIX;
    } else if (str_equal(type, STR("bool_prefix"))) {
        return read_each_field(parse, body, "multi_match", WORDS_PREFIX, out);
    } else if (str_equal(type, STR("cross_fields"))) {
        return read_each_field(parse, body, "multi_match", WORDS_ACROSS, out);
    } else if (!str_equal(type, STR("best_fields")) && !str_equal(type, STR("most_fields"))) {
        return parse_fail(parse, "parsing_exception",
                          "failed to parse [multi_match] query type [" STR_FMT "]. unknown type.",
                          STR_ARG(type));
    }
    *out = filter_new(parse, kind);
    if (*out == NULL) return parse_out_of_memory(parse);
    int code = read_match_body(parse, body, "multi_match", *out);
    if (code < 0) return code;
    return query_read_fields(parse, json_get(body, STR("fields")), &(*out)->fields,
                             &(*out)->field_count);
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
    struct str unknown;
    if (!date_format_is_known((*out)->format, &unknown)) {
        return parse_fail(parse, "illegal_argument_exception",
                          "Invalid format: [" STR_FMT "]: there is no such format, or it is not "
                          "supported",
                          STR_ARG(unknown));
    }
    return parse_zone(parse, json_get(&member->value, STR("time_zone")), &(*out)->zone);
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
    const struct json *must_not = json_get(body, STR("must_not"));
    if (must_not == NULL) must_not = json_get(body, STR("mustNot"));
    if (code == 0) code = read_clauses(parse, must_not, &filter->must_not, &filter->must_not_count);
    if (code < 0) return code;
    filter->must = ARENA_ARRAY(parse->arena, struct logstore_filter *, must_count + also_count + 1);
    if (filter->must == NULL) return parse_out_of_memory(parse);
    for (size_t i = 0; i < also_count; i++) filter->must[filter->must_count++] = also[i];
    for (size_t i = 0; i < must_count; i++) filter->must[filter->must_count++] = must[i];
    *out = filter;
    return query_set_minimum(parse, filter, json_get(body, STR("minimum_should_match")));
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

/* Functions give scores, of which there are none; what they would leave out is refused. */
static int read_function_score(struct parse *parse, const struct json *body,
                               struct logstore_filter **out)
{
    const struct json *functions = json_get(body, STR("functions"));
    bool has_script = json_get(body, STR("script_score")) != NULL;
    for (size_t i = 0; json_is(functions, JSON_ARRAY) && i < functions->array.count; i++) {
        has_script |= json_get(&functions->array.items[i], STR("script_score")) != NULL;
    }
    if (has_script || json_get(body, STR("min_score")) != NULL) {
        return parse_fail(parse, "illegal_argument_exception",
                          "[%s] of [function_score] is not supported: every hit has the score 1",
                          has_script ? "script_score" : "min_score");
    }
    return read_inner(parse, body, out);
}

/* {"type":{"value":"_doc"}}, of the days of types. */
static int read_type(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    struct str type = parse_scalar(json_get(body, STR("value")));
    return str_equal(type, STR("_doc")) ? read_all(parse, body, out) : read_none(parse, body, out);
}

/* {"wrapper":{"query":"<base64 of a query>"}} */
static int read_wrapper(struct parse *parse, const struct json *body, struct logstore_filter **out)
{
    CLEANUP(buf_release) struct buf plain = { 0 };
    const struct json *root = NULL;
    struct str kept = { NULL, 0 };
    buf_init(&plain, LOGQUERY_MEMORY_MAX / 16);
    bool is_plain = base64_decode(&plain, json_text(json_get(body, STR("query")), STR("")));
    if (is_plain) kept = arena_copy(parse->arena, buf_str(&plain));
    if (is_plain && kept.data == NULL) return parse_out_of_memory(parse);
    if (!is_plain || json_parse(NULL, parse->arena, kept, &root, NULL) < 0) {
        return parse_fail(parse, "parsing_exception", "[wrapper] query holds no base64 of a query");
    }
    return parse_query(parse, root, out);
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
    { STR_INIT("match_bool_prefix"), read_bool_prefix },
    { STR_INIT("multi_match"), read_multi_match },
    { STR_INIT("combined_fields"), read_combined_fields },
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
    { STR_INIT("function_score"), read_function_score },
    { STR_INIT("type"), read_type },
    { STR_INIT("wrapper"), read_wrapper },
    { STR_INIT("boosting"), read_inner },
    { STR_INIT("dis_max"), read_dis_max },
    { STR_INIT("query_string"), query_read_query_string },
    { STR_INIT("simple_query_string"), query_read_simple_query_string },
    { STR_INIT("kql"), query_read_kql },
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
        int code = query_check_options(parse, member->key, &member->value);
        if (code == 0) code = query_rows[i].read(parse, &member->value, filter);
        parse->depth--;
        return code == 0 && parse->depth == 0 ? parse_settled(parse) : code;
    }
    return query_refuse_kind(parse, member->key);
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
