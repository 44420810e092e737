/* check_templates.c - templates and lifecycle policies, before they are kept. */
#include "log_server/checks.h"

static bool refuse(struct call *call, const char *type, struct str reason)
{
    (void)answer_error(call, 400, type, reason);
    return false;
}

/* Whether an object has no other keys than those of a list of words. */
static bool has_only(struct call *call, const struct json *object, const char *what,
                     const char *const *words, size_t count)
{
    for (size_t i = 0; json_is(object, JSON_OBJECT) && i < object->object.count; i++) {
        struct str key = object->object.members[i].key;
        size_t k = 0;
        while (k < count && !str_equal(key, str_from(words[k]))) k++;
        if (k < count) continue;
        return refuse(
            call, "x_content_parse_exception",
            arena_printf(call->arena, "[%s] unknown field [" STR_FMT "]", what, STR_ARG(key)));
    }
    return true;
}

static bool has_patterns(struct call *call, const struct json *body)
{
    const struct json *patterns = json_get(body, STR("index_patterns"));
    if (json_is(patterns, JSON_TEXT)) return true;
    if (json_is(patterns, JSON_ARRAY) && patterns->array.count > 0) return true;
    return refuse(call, "action_request_validation_exception",
                  STR("Validation Failed: 1: index patterns are missing;"));
}

/* The named object of a kind; data NULL: there is none. */
static struct str find(struct call *call, enum logstore_object_kind kind, struct str name)
{
    const struct logstore_object *objects;
    size_t count = 0;
    int code = logstore_object_list(call->server->store, kind, name, call->arena, &objects, &count);
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (str_equal(objects[i].name, name)) return objects[i].json;
    }
    return (struct str){ NULL, 0 };
}

/* ?create=true */
static bool is_new(struct call *call, enum logstore_object_kind kind, const char *what)
{
    if (!call_flag(call, "create", false)) return true;
    if (find(call, kind, call->values[0]).data == NULL) return true;
    return refuse(call, "illegal_argument_exception",
                  arena_printf(call->arena, "%s [" STR_FMT "] already exists", what,
                               STR_ARG(call->values[0])));
}

static bool check_content(struct call *call, const struct json *template_)
{
    static const char *const words[] = { "settings", "mappings", "aliases", "lifecycle",
                                         "data_stream_options" };
    return has_only(call, template_, "template", words, ARRAY_LENGTH(words)) &&
           check_mapping(call, json_get(template_, STR("mappings")));
}

/* Whether a name can match both patterns: each is tried as a name of the other's, its stars too. */
static bool may_overlap(struct str a, struct str b)
{
    return logstore_name_matches(a, b) || logstore_name_matches(b, a);
}

static struct str pattern_at(const struct json *body, size_t i)
{
    const struct json *patterns = json_get(body, STR("index_patterns"));
    if (json_is(patterns, JSON_TEXT)) return i == 0 ? patterns->text : (struct str){ NULL, 0 };
    bool is_there = json_is(patterns, JSON_ARRAY) && i < patterns->array.count;
    return is_there ? json_text(&patterns->array.items[i], STR("")) : (struct str){ NULL, 0 };
}

static bool overlaps(const struct json *a, const struct json *b)
{
    struct str left;
    struct str right;
    for (size_t i = 0; (left = pattern_at(a, i)).data != NULL; i++) {
        for (size_t k = 0; (right = pattern_at(b, k)).data != NULL; k++) {
            if (may_overlap(left, right)) return true;
        }
    }
    return false;
}

/* Of two templates of the same priority nobody could say which one counts. */
static bool has_own_priority(struct call *call, const struct json *body)
{
    const struct logstore_object *objects;
    size_t count = 0;
    int64_t priority = json_integer(json_get(body, STR("priority")), 0);
    int code = logstore_object_list(call->server->store, LOGSTORE_INDEX_TEMPLATE, STR("*"),
                                    call->arena, &objects, &count);
    for (size_t i = 0; code == 0 && i < count; i++) {
        const struct json *other = NULL;
        if (str_equal(objects[i].name, call->values[0])) continue;
        if (json_parse(NULL, call->arena, objects[i].json, &other, NULL) < 0) continue;
        if (json_integer(json_get(other, STR("priority")), 0) != priority) continue;
        if (!overlaps(body, other)) continue;
        return refuse(call, "illegal_argument_exception",
                      arena_printf(call->arena,
                                   "index template [" STR_FMT "] has index patterns matching "
                                   "patterns from existing templates [" STR_FMT
                                   "] that have the same priority [%lld], multiple index templates "
                                   "may not match during index creation, please use a different "
                                   "priority",
                                   STR_ARG(call->values[0]), STR_ARG(objects[i].name),
                                   (long long)priority));
    }
    return true;
}

static bool has_components(struct call *call, const struct json *body)
{
    const struct json *list = json_get(body, STR("composed_of"));
    const struct json *optional = json_get(body, STR("ignore_missing_component_templates"));
    for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->array.count; i++) {
        struct str name = json_text(&list->array.items[i], STR(""));
        bool is_optional = false;
        for (size_t k = 0; json_is(optional, JSON_ARRAY) && k < optional->array.count; k++) {
            is_optional |= str_equal(name, json_text(&optional->array.items[k], STR("")));
        }
        if (is_optional || find(call, LOGSTORE_COMPONENT_TEMPLATE, name).data != NULL) continue;
        return refuse(call, "invalid_index_template_exception",
                      arena_printf(call->arena,
                                   "index_template [" STR_FMT "] invalid, cause [index template "
                                   "[" STR_FMT "] specifies component templates [" STR_FMT
                                   "] that do not exist]",
                                   STR_ARG(call->values[0]), STR_ARG(call->values[0]),
                                   STR_ARG(name)));
    }
    return true;
}

bool check_index_template(struct call *call, const struct json *body)
{
    static const char *const words[] = {
        "index_patterns", "template",
        "composed_of",    "priority",
        "version",        "_meta",
        "data_stream",    "allow_auto_create",
        "deprecated",     "ignore_missing_component_templates",
    };
    return has_only(call, body, "index_template", words, ARRAY_LENGTH(words)) &&
           has_patterns(call, body) && is_new(call, LOGSTORE_INDEX_TEMPLATE, "index template") &&
           check_content(call, json_get(body, STR("template"))) && has_components(call, body) &&
           has_own_priority(call, body);
}

bool check_legacy_template(struct call *call, const struct json *body)
{
    static const char *const words[] = { "index_patterns", "template", "order",  "version",
                                         "settings",       "mappings", "aliases" };
    bool has_old = json_is(json_get(body, STR("template")), JSON_TEXT);
    return has_only(call, body, "template", words, ARRAY_LENGTH(words)) &&
           (has_old || has_patterns(call, body)) &&
           is_new(call, LOGSTORE_TEMPLATE, "index_template") &&
           check_mapping(call, json_get(body, STR("mappings")));
}

bool check_component_template(struct call *call, const struct json *body)
{
    static const char *const words[] = { "template", "version", "_meta", "deprecated",
                                         "allow_auto_create" };
    if (!has_only(call, body, "component_template", words, ARRAY_LENGTH(words))) return false;
    if (!json_is(json_get(body, STR("template")), JSON_OBJECT)) {
        return refuse(call, "x_content_parse_exception", STR("Required [template]"));
    }
    return is_new(call, LOGSTORE_COMPONENT_TEMPLATE, "component template") &&
           check_content(call, json_get(body, STR("template")));
}

bool check_component_unused(struct call *call)
{
    const struct logstore_object *objects;
    size_t count = 0;
    int code = logstore_object_list(call->server->store, LOGSTORE_INDEX_TEMPLATE, STR("*"),
                                    call->arena, &objects, &count);
    for (size_t i = 0; code == 0 && i < count; i++) {
        const struct json *body = NULL;
        if (json_parse(NULL, call->arena, objects[i].json, &body, NULL) < 0) continue;
        const struct json *list = json_get(body, STR("composed_of"));
        for (size_t k = 0; json_is(list, JSON_ARRAY) && k < list->array.count; k++) {
            if (!str_equal(json_text(&list->array.items[k], STR("")), call->values[0])) continue;
            return refuse(call, "illegal_argument_exception",
                          arena_printf(call->arena,
                                       "component templates [" STR_FMT "] cannot be removed as "
                                       "they are still in use by index templates [" STR_FMT "]",
                                       STR_ARG(call->values[0]), STR_ARG(objects[i].name)));
        }
    }
    return true;
}

/* Policies ------------------------------------------------------------------------------------ */

static bool is_duration(struct str text)
{
    static const char *const units[] = { "nanos", "micros", "ms", "s", "m", "h", "d" };
    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    struct str unit = str_skip(text, digits);
    bool is_zero = digits > 0 && unit.size == 0 && str_equal(text, STR("0"));
    for (size_t i = 0; digits > 0 && i < ARRAY_LENGTH(units); i++) {
        if (str_equal(unit, str_from(units[i]))) return true;
    }
    return is_zero;
}

/* A time or nothing at a place. */
static bool check_duration(struct call *call, const struct json *object, const char *name)
{
    const struct json *value = json_get(object, str_from(name));
    if (value == NULL || value->kind == JSON_NULL) return true;
    if (json_is(value, JSON_TEXT) && is_duration(value->text)) return true;
    return refuse(call, "illegal_argument_exception",
                  arena_printf(call->arena,
                               "failed to parse setting [%s] with value [" STR_FMT
                               "] as a time value: unit is missing or unrecognized",
                               name, STR_ARG(json_text(value, value->raw))));
}

static bool check_phase(struct call *call, struct str name, const struct json *phase)
{
    static const char *const words[] = { "min_age", "actions" };
    static const char *const actions[] = {
        "allocate", "delete",       "downsample",        "forcemerge",          "freeze",
        "migrate",  "readonly",     "rollover",          "searchable_snapshot", "shrink",
        "unfollow", "set_priority", "wait_for_snapshot",
    };
    const struct json *list = json_get(phase, STR("actions"));
    if (!has_only(call, phase, "phase", words, ARRAY_LENGTH(words)) ||
        !has_only(call, list, "actions", actions, ARRAY_LENGTH(actions)) ||
        !check_duration(call, phase, "min_age") ||
        !check_duration(call, json_get(list, STR("rollover")), "max_age")) {
        return false;
    }
    bool is_delete = str_equal(name, STR("delete"));
    if (is_delete || json_get(list, STR("delete")) == NULL) return true;
    return refuse(call, "illegal_argument_exception",
                  arena_printf(call->arena,
                               "invalid action [delete] defined in phase [" STR_FMT "]",
                               STR_ARG(name)));
}

bool check_policy(struct call *call, const struct json *body)
{
    static const char *const words[] = { "policy" };
    static const char *const policy_words[] = { "phases", "_meta", "deprecated" };
    static const char *const names[] = { "hot", "warm", "cold", "frozen", "delete" };
    const struct json *policy = json_get(body, STR("policy"));
    const struct json *phases = json_get(policy, STR("phases"));
    if (!has_only(call, body, "put_lifecycle_request", words, ARRAY_LENGTH(words)) ||
        !has_only(call, policy, "lifecycle_policy", policy_words, ARRAY_LENGTH(policy_words))) {
        return false;
    }
    if (!json_is(phases, JSON_OBJECT)) {
        return refuse(call, "x_content_parse_exception", STR("Required [policy] with [phases]"));
    }
    for (size_t i = 0; i < phases->object.count; i++) {
        const struct json_member *phase = &phases->object.members[i];
        bool is_known = false;
        for (size_t k = 0; k < ARRAY_LENGTH(names); k++) {
            is_known |= str_equal(phase->key, str_from(names[k]));
        }
        if (!is_known) {
            return refuse(call, "illegal_argument_exception",
                          arena_printf(call->arena,
                                       "Timeseries lifecycle does not support phase [" STR_FMT "]",
                                       STR_ARG(phase->key)));
        }
        if (!check_phase(call, phase->key, &phase->value)) return false;
    }
    return true;
}
