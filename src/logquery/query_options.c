/* query_options.c - what each kind of query may say, and the kinds that are not supported. */
#include "logquery/query_options.h"

struct options_row {
    struct str kind;
    bool has_field;      /* {"field": value} or {"field": {options}}; else {options} */
    const char *options; /* beside "boost" and "_name" */
};

#define MATCH_OPTIONS                                                                              \
    "query operator analyzer minimum_should_match fuzziness prefix_length max_expansions"          \
    " fuzzy_transpositions fuzzy_rewrite lenient zero_terms_query cutoff_frequency"                \
    " auto_generate_synonyms_phrase_query"

static const struct options_row options_rows[] = {
    { STR_INIT("match_all"), false, "" },
    { STR_INIT("match_none"), false, "" },
    { STR_INIT("match"), true, MATCH_OPTIONS },
    { STR_INIT("match_phrase"), true, "query analyzer slop zero_terms_query" },
    { STR_INIT("match_phrase_prefix"), true,
      "query analyzer slop max_expansions zero_terms_query" },
    { STR_INIT("match_bool_prefix"), true,
      "query analyzer operator minimum_should_match fuzziness prefix_length max_expansions"
      " fuzzy_transpositions fuzzy_rewrite" },
    { STR_INIT("multi_match"), false, MATCH_OPTIONS " fields type slop tie_breaker" },
    { STR_INIT("combined_fields"), false,
      "query fields operator minimum_should_match zero_terms_query"
      " auto_generate_synonyms_phrase_query" },
    { STR_INIT("term"), true, "value term case_insensitive" },
    { STR_INIT("terms"), true, "index id path routing" },
    { STR_INIT("range"), true,
      "gt gte ge from lt lte le to include_lower include_upper time_zone format relation" },
    { STR_INIT("exists"), false, "field" },
    { STR_INIT("prefix"), true, "value prefix rewrite case_insensitive" },
    { STR_INIT("wildcard"), true, "value wildcard rewrite case_insensitive" },
    { STR_INIT("regexp"), true,
      "value regexp flags flags_value max_determinized_states rewrite case_insensitive" },
    { STR_INIT("fuzzy"), true,
      "value term fuzziness prefix_length max_expansions transpositions rewrite" },
    { STR_INIT("ids"), false, "values type" },
    { STR_INIT("type"), false, "value" },
    { STR_INIT("wrapper"), false, "query" },
    { STR_INIT("bool"), false,
      "must filter should must_not mustNot minimum_should_match adjust_pure_negative" },
    { STR_INIT("constant_score"), false, "filter" },
    { STR_INIT("function_score"), false,
      "query functions score_mode boost_mode max_boost min_score weight random_score"
      " field_value_factor script_score gauss linear exp" },
    { STR_INIT("boosting"), false, "positive negative negative_boost" },
    { STR_INIT("dis_max"), false, "queries tie_breaker" },
    { STR_INIT("query_string"), false,
      "query fields default_field default_operator analyzer quote_analyzer"
      " allow_leading_wildcard max_determinized_states enable_position_increments escape"
      " fuzziness fuzzy_prefix_length fuzzy_max_expansions fuzzy_rewrite fuzzy_transpositions"
      " phrase_slop tie_breaker analyze_wildcard rewrite minimum_should_match"
      " quote_field_suffix lenient time_zone type auto_generate_synonyms_phrase_query" },
    { STR_INIT("simple_query_string"), false,
      "query fields default_operator analyzer flags lenient analyze_wildcard"
      " minimum_should_match quote_field_suffix auto_generate_synonyms_phrase_query"
      " fuzzy_prefix_length fuzzy_max_expansions fuzzy_transpositions" },
    { STR_INIT("kql"), false, "query" },
};

struct refused_row {
    struct str kind;
    const char *reason;
};

static const struct refused_row refused_rows[] = {
    { STR_INIT("nested"), "the objects of an array are kept as one: ask for their dotted fields" },
    { STR_INIT("script"), "scripts are not supported" },
    { STR_INIT("script_score"), "scripts are not supported" },
    { STR_INIT("has_child"), "documents have no parents" },
    { STR_INIT("has_parent"), "documents have no parents" },
    { STR_INIT("parent_id"), "documents have no parents" },
    { STR_INIT("percolate"), "queries are not stored" },
    { STR_INIT("more_like_this"), "every hit has the score 1, so there is no likeness" },
    { STR_INIT("distance_feature"), "every hit has the score 1; sort by the field" },
    { STR_INIT("rank_feature"), "every hit has the score 1; sort by the field" },
    { STR_INIT("pinned"), "every hit has the score 1; sort by a field" },
    { STR_INIT("terms_set"), "use [bool] with [minimum_should_match]" },
    { STR_INIT("intervals"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_term"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_near"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_or"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_not"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_first"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_multi"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_containing"), "use [match_phrase] with [slop]" },
    { STR_INIT("span_within"), "use [match_phrase] with [slop]" },
    { STR_INIT("field_masking_span"), "use [match_phrase] with [slop]" },
    { STR_INIT("geo_distance"), "places are not indexed" },
    { STR_INIT("geo_bounding_box"), "places are not indexed" },
    { STR_INIT("geo_polygon"), "places are not indexed" },
    { STR_INIT("geo_shape"), "places are not indexed" },
    { STR_INIT("shape"), "places are not indexed" },
    { STR_INIT("knn"), "vectors are not indexed" },
    { STR_INIT("semantic"), "vectors are not indexed" },
    { STR_INIT("sparse_vector"), "vectors are not indexed" },
    { STR_INIT("text_expansion"), "vectors are not indexed" },
};

bool query_has_word(const char *words, struct str word)
{
    struct str rest = str_from(words);
    while (rest.size > 0) {
        if (str_equal(str_cut(&rest, ' '), word)) return word.size > 0;
    }
    return false;
}

static int check_words(struct parse *parse, const struct options_row *row, const struct json *body)
{
    for (size_t i = 0; i < body->object.count; i++) {
        struct str key = body->object.members[i].key;
        bool is_known = query_has_word(row->options, key) || query_has_word("boost _name", key);
        if (is_known) continue;
        return parse_fail(parse, "parsing_exception",
                          "[" STR_FMT "] query does not support [" STR_FMT "]", STR_ARG(row->kind),
                          STR_ARG(key));
    }
    return 0;
}

static int check_field(struct parse *parse, const struct options_row *row, const struct json *body)
{
    const struct json_member *first = NULL;
    for (size_t i = 0; i < body->object.count; i++) {
        const struct json_member *member = &body->object.members[i];
        if (query_has_word("boost _name", member->key)) continue;
        if (first != NULL) {
            return parse_fail(parse, "parsing_exception",
                              "[" STR_FMT "] query doesn't support multiple fields, found [" STR_FMT
                              "] and [" STR_FMT "]",
                              STR_ARG(row->kind), STR_ARG(first->key), STR_ARG(member->key));
        }
        first = member;
    }
    bool has_options = first != NULL && json_is(&first->value, JSON_OBJECT);
    return has_options ? check_words(parse, row, &first->value) : 0;
}

int query_check_options(struct parse *parse, struct str kind, const struct json *body)
{
    if (!json_is(body, JSON_OBJECT)) return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(options_rows); i++) {
        const struct options_row *row = &options_rows[i];
        if (!str_equal(row->kind, kind)) continue;
        return row->has_field ? check_field(parse, row, body) : check_words(parse, row, body);
    }
    return 0;
}

int query_refuse_kind(struct parse *parse, struct str kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(refused_rows); i++) {
        if (!str_equal(refused_rows[i].kind, kind)) continue;
        return parse_fail(parse, "illegal_argument_exception",
                          "[" STR_FMT "] queries are not supported: %s", STR_ARG(kind),
                          refused_rows[i].reason);
    }
    return parse_fail(parse, "parsing_exception", "unknown query [" STR_FMT "]", STR_ARG(kind));
}
