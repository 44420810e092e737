/* check_mapping.c - parameters of fields: known ones, and those that have an effect here. */
#include "log_server/checks.h"

/* Has any effect of its own, or can have none on what is found. */
static const char *const known[] = {
    "type",
    "fields",
    "properties",
    "ignore_above",
    "ignore_malformed",
    "coerce",
    "format",
    "doc_values",
    "index",
    "store",
    "norms",
    "index_options",
    "analyzer",
    "search_analyzer",
    "search_quote_analyzer",
    "normalizer",
    "null_value",
    "copy_to",
    "boost",
    "similarity",
    "term_vector",
    "position_increment_gap",
    "eager_global_ordinals",
    "fielddata",
    "fielddata_frequency_filter",
    "index_phrases",
    "index_prefixes",
    "dynamic",
    "enabled",
    "path",
    "value",
    "scaling_factor",
    "depth_limit",
    "split_queries_on_whitespace",
    "locale",
    "meta",
    "include_in_parent",
    "include_in_root",
    "relations",
    "orientation",
    "strategy",
    "tree",
    "precision",
    "ignore_z_value",
    "max_input_length",
    "preserve_separators",
    "preserve_position_increments",
    "contexts",
    "time_series_dimension",
    "time_series_metric",
    "metrics",
    "default_metric",
    "max_shingle_size",
    "dims",
    "element_type",
    "subobjects",
    "synthetic_source_keep",
    "script",
    "on_script_error",
    "include_in_all",
};

static const char *const root_known[] = {
    "properties",
    "dynamic",
    "date_detection",
    "numeric_detection",
    "dynamic_date_formats",
    "dynamic_templates",
    "_meta",
    "_source",
    "_routing",
    "_field_names",
    "_size",
    "_doc_count",
    "_data_stream_timestamp",
    "_all",
    "_default_",
    "_type",
    "enabled",
    "runtime",
    "subobjects",
};

static bool is_among(const char *const *words, size_t count, struct str word)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(word, str_from(words[i]))) return true;
    }
    return false;
}

static bool refuse(struct call *call, struct str reason)
{
    (void)answer_error(call, 400, "mapper_parsing_exception", reason);
    return false;
}

/* Whether the parameter says what is done anyway. */
static bool is_usual(struct str key, const struct json *value)
{
    struct str text = json_text(value, STR(""));
    bool is_analyzer = str_equal(key, STR("analyzer")) || str_equal(key, STR("search_analyzer")) ||
                       str_equal(key, STR("search_quote_analyzer"));
    if (is_analyzer) return str_equal(text, STR("standard")) || str_equal(text, STR("default"));
    bool is_list = json_is(value, JSON_ARRAY) && value->array.count == 0;
    return value->kind == JSON_NULL || is_list;
}

static bool check_parameters(struct call *call, struct str name, const struct json *field)
{
    static const char *const without_effect[] = { "analyzer",   "search_analyzer",
                                                  "normalizer", "search_quote_analyzer",
                                                  "null_value", "copy_to",
                                                  "script" };
    struct str type = json_text(json_get(field, STR("type")), STR("object"));
    for (size_t i = 0; i < field->object.count; i++) {
        const struct json_member *member = &field->object.members[i];
        if (!is_among(known, ARRAY_LENGTH(known), member->key)) {
            return refuse(call, arena_printf(call->arena,
                                             "unknown parameter [" STR_FMT "] on mapper [" STR_FMT
                                             "] of type [" STR_FMT "]",
                                             STR_ARG(member->key), STR_ARG(name), STR_ARG(type)));
        }
        if (!is_among(without_effect, ARRAY_LENGTH(without_effect), member->key) ||
            is_usual(member->key, &member->value)) {
            continue;
        }
        return refuse(call, arena_printf(call->arena,
                                         "[" STR_FMT "] of field [" STR_FMT
                                         "] is not supported: texts are cut by the standard "
                                         "analyzer, and values are indexed as they are",
                                         STR_ARG(member->key), STR_ARG(name)));
    }
    return true;
}

static bool check_format(struct call *call, const struct json *field)
{
    struct str type = json_text(json_get(field, STR("type")), STR(""));
    struct str format = json_text(json_get(field, STR("format")), STR(""));
    struct str unknown;
    bool is_date = str_equal(type, STR("date")) || str_equal(type, STR("date_nanos"));
    if (!is_date || date_format_is_known(format, &unknown)) return true;
    return refuse(call,
                  arena_printf(call->arena,
                               "Invalid format: [" STR_FMT "]: there is no such format, or it "
                               "is not supported",
                               STR_ARG(unknown)));
}

/* Depth: JSON_DEPTH_MAX. */
static bool check_fields(struct call *call, const struct json *fields)
{
    for (size_t i = 0; json_is(fields, JSON_OBJECT) && i < fields->object.count; i++) {
        const struct json_member *member = &fields->object.members[i];
        if (!json_is(&member->value, JSON_OBJECT)) continue;
        if (!check_parameters(call, member->key, &member->value) ||
            !check_format(call, &member->value) ||
            !check_fields(call, json_get(&member->value, STR("properties"))) ||
            !check_fields(call, json_get(&member->value, STR("fields")))) {
            return false;
        }
    }
    return true;
}

static bool check_rules(struct call *call, const struct json *rules)
{
    for (size_t i = 0; json_is(rules, JSON_ARRAY) && i < rules->array.count; i++) {
        const struct json *rule = &rules->array.items[i];
        if (!json_is(rule, JSON_OBJECT) || rule->object.count != 1) continue;
        struct str name = rule->object.members[0].key;
        const struct json *mapping = json_get(&rule->object.members[0].value, STR("mapping"));
        if (json_get(&rule->object.members[0].value, STR("runtime")) != NULL) {
            return refuse(call, arena_printf(call->arena,
                                             "[runtime] of dynamic template [" STR_FMT
                                             "] is not supported: fields are indexed",
                                             STR_ARG(name)));
        }
        if (!json_is(mapping, JSON_OBJECT)) continue;
        if (!check_parameters(call, name, mapping) || !check_format(call, mapping) ||
            !check_fields(call, json_get(mapping, STR("fields")))) {
            return false;
        }
    }
    return true;
}

bool check_mapping(struct call *call, const struct json *mapping)
{
    if (!json_is(mapping, JSON_OBJECT)) return true;
    const struct json *typed = json_get(mapping, STR("_doc"));
    if (typed != NULL && json_get(mapping, STR("properties")) == NULL) mapping = typed;
    for (size_t i = 0; json_is(mapping, JSON_OBJECT) && i < mapping->object.count; i++) {
        const struct json_member *member = &mapping->object.members[i];
        bool is_full = json_is(&member->value, JSON_OBJECT) && member->value.object.count > 0;
        if (!is_among(root_known, ARRAY_LENGTH(root_known), member->key)) {
            return refuse(call, arena_printf(call->arena,
                                             "Root mapping definition has unsupported parameters: "
                                             "[" STR_FMT "]",
                                             STR_ARG(member->key)));
        }
        bool is_formats = str_equal(member->key, STR("dynamic_date_formats"));
        if (is_formats && json_is(&member->value, JSON_ARRAY) && member->value.array.count > 0) {
            return refuse(call, STR("[dynamic_date_formats] is not supported: dates of other forms "
                                    "need a field of type [date] with a [format]"));
        }
        if (str_equal(member->key, STR("runtime")) && is_full) {
            return refuse(call, STR("[runtime] fields are not supported: fields are indexed"));
        }
    }
    return check_fields(call, json_get(mapping, STR("properties"))) &&
           check_rules(call, json_get(mapping, STR("dynamic_templates")));
}
