/* field_caps.c - _field_caps: which fields there are, of which types in which indices. */
#include "base/map.h"
#include "log_server/searching.h"

#include <stdlib.h>

/* One type that a field has. */
struct cap {
    struct str type; /* Elasticsearch's family of it */
    bool is_searchable;
    bool is_aggregatable;
    VEC(uint32_t) indices;
};

/* A field may have as many types as there are, of which few are met. */
struct cap_field {
    VEC(struct cap) caps;
};

struct caps {
    const struct logstore_snapshot *snapshot;
    struct str patterns;
    struct str types; /* empty: all */
    bool has_meta, has_plain, has_objects, has_sub_fields;
    struct map fields; /* path to struct cap_field */
    bool has_failed;   /* out of memory */
};

static bool is_asked(struct str patterns, struct str path)
{
    while (patterns.size > 0) {
        if (logstore_name_matches(str_trim(str_cut(&patterns, ',')), path)) return true;
    }
    return false;
}

static void caps_release(struct caps *caps)
{
    size_t position = 0;
    struct str path;
    void *value;
    while (map_next(&caps->fields, &position, &path, &value)) {
        struct cap_field *field = value;
        VEC_FOR_EACH (&field->caps, cap) VEC_RELEASE(&cap->indices);
        VEC_RELEASE(&field->caps);
        free(field);
    }
    map_release(&caps->fields);
}

static struct cap_field *field_at(struct caps *caps, struct str path)
{
    struct cap_field *field = map_get(&caps->fields, path);
    if (field != NULL) return field;
    field = calloc(1, sizeof(*field));
    if (field != NULL && map_put(&caps->fields, path, field) == 0) return field;
    free(field);
    caps->has_failed = true;
    return NULL;
}

static void add(struct caps *caps, struct str path, const struct cap *like, uint32_t index)
{
    if (caps->types.size > 0 && !is_asked(caps->types, like->type)) return;
    struct cap_field *field = field_at(caps, path);
    if (field == NULL) return;
    struct cap *found = NULL;
    VEC_FOR_EACH (&field->caps, cap) {
        if (str_equal(cap->type, like->type)) found = cap;
    }
    if (found == NULL && VEC_PUSH(&field->caps, *like)) found = &VEC_LAST(&field->caps);
    if (found == NULL || !VEC_PUSH(&found->indices, index)) {
        caps->has_failed = true;
        return;
    }
    found->is_searchable &= like->is_searchable;
    found->is_aggregatable &= like->is_aggregatable;
}

static void add_field(struct caps *caps, const struct logstore_mapping *mapping,
                      const struct logstore_field *field, uint32_t index)
{
    struct str path = field->path;
    if (!is_asked(caps->patterns, path) || (field->is_sub_field && !caps->has_sub_fields)) return;
    if (field->alias_of.size > 0) field = logstore_mapping_find(mapping, field->alias_of);
    if (field == NULL) return;
    bool is_object = field->type == LOGSTORE_OBJECT;
    if (is_object ? !caps->has_objects : !caps->has_plain) return;
    bool has_column = logstore_type_column(field->type) != LOGSTORE_COLUMN_NONE;
    struct cap cap = {
        .type = str_from(logstore_type_name(field->type)),
        .is_searchable = has_column,
        .is_aggregatable = has_column && field->type != LOGSTORE_TEXT,
    };
    add(caps, path, &cap, index);
}

static void add_index(struct caps *caps, uint32_t index)
{
    const struct logstore_mapping *mapping = caps->snapshot->indices[index].mapping;
    for (size_t i = 0; i < mapping->fields.count && !caps->has_failed; i++) {
        add_field(caps, mapping, &mapping->fields.items[i], index);
    }
    const struct cap object = { .type = STR_INIT("object") };
    size_t position = 0;
    struct str path;
    void *value;
    while (caps->has_objects && map_next(&mapping->objects, &position, &path, &value)) {
        bool is_listed = logstore_mapping_find(mapping, path) != NULL;
        if (!is_listed && is_asked(caps->patterns, path)) add(caps, path, &object, index);
    }
}

static void put_indices(const struct caps *caps, struct cap *cap, struct json_writer *json)
{
    json_key(json, STR("indices"));
    json_array_begin(json);
    VEC_FOR_EACH (&cap->indices, index) json_put_text(json, caps->snapshot->indices[*index].name);
    json_array_end(json);
}

static void put_cap(struct json_writer *json, struct str type, bool is_meta, bool is_searchable,
                    bool is_aggregatable)
{
    json_key(json, type);
    json_object_begin(json);
    json_member_text(json, "type", type);
    json_member_bool(json, "metadata_field", is_meta);
    json_member_bool(json, "searchable", is_searchable);
    json_member_bool(json, "aggregatable", is_aggregatable);
}

/* The indices in which a field is not mapped, as a type of its own. */
static void put_unmapped(const struct caps *caps, struct cap_field *field, struct json_writer *json)
{
    size_t index_count = caps->snapshot->index_count;
    bool *is_mapped = calloc(index_count + 1, sizeof(*is_mapped));
    size_t left = index_count;
    if (is_mapped == NULL) return;
    VEC_FOR_EACH (&field->caps, cap) {
        VEC_FOR_EACH (&cap->indices, index) {
            left -= !is_mapped[*index];
            is_mapped[*index] = true;
        }
    }
    if (left > 0) {
        put_cap(json, STR("unmapped"), false, false, false);
        json_key(json, STR("indices"));
        json_array_begin(json);
        for (size_t i = 0; i < index_count; i++) {
            if (!is_mapped[i]) json_put_text(json, caps->snapshot->indices[i].name);
        }
        json_array_end(json);
        json_object_end(json);
    }
    free(is_mapped);
}

static const char *const meta_fields[] = { "_id",      "_index",  "_source",
                                           "_ignored", "_seq_no", "_version" };

static void put_fields(const struct caps *caps, bool shows_unmapped, struct json_writer *json)
{
    size_t position = 0;
    struct str path;
    void *value;
    while (map_next(&caps->fields, &position, &path, &value)) {
        struct cap_field *field = value;
        json_key(json, path);
        json_object_begin(json);
        VEC_FOR_EACH (&field->caps, cap) {
            put_cap(json, cap->type, false, cap->is_searchable, cap->is_aggregatable);
            if (field->caps.count > 1) put_indices(caps, cap, json);
            json_object_end(json);
        }
        if (shows_unmapped) put_unmapped(caps, field, json);
        json_object_end(json);
    }
    for (size_t i = 0; caps->has_meta && i < ARRAY_LENGTH(meta_fields); i++) {
        struct str name = str_from(meta_fields[i]);
        bool has_type = caps->types.size == 0 || is_asked(caps->types, name);
        if (!has_type || !is_asked(caps->patterns, name)) continue;
        json_key(json, name);
        json_object_begin(json);
        put_cap(json, name, true, i != 2, i == 1);
        json_object_end(json);
        json_object_end(json);
    }
}

/* "fields" of a body or of the URL, as one text. */
static struct str read_patterns(struct call *call, const struct json *root)
{
    struct str patterns = call_parameter(call, "fields");
    const struct json *fields = json_get(root, STR("fields"));
    if (json_is(fields, JSON_TEXT)) return fields->text;
    for (size_t i = 0; json_is(fields, JSON_ARRAY) && i < fields->array.count; i++) {
        struct str one = json_text(&fields->array.items[i], STR(""));
        patterns = patterns.size == 0 ? one
                                      : arena_printf(call->arena, STR_FMT "," STR_FMT,
                                                     STR_ARG(patterns), STR_ARG(one));
    }
    return patterns;
}

/* "filters": "-metadata,-parent"; false: a word that there is not. */
static bool read_filters(struct str filters, struct caps *caps)
{
    caps->has_meta = caps->has_plain = caps->has_objects = caps->has_sub_fields = true;
    while (filters.size > 0) {
        struct str word = str_trim(str_cut(&filters, ','));
        if (str_equal(word, STR("+metadata")))
            caps->has_plain = caps->has_objects = false;
        else if (str_equal(word, STR("-metadata")))
            caps->has_meta = false;
        else if (str_equal(word, STR("-parent")) || str_equal(word, STR("-nested")))
            caps->has_objects = false;
        else if (str_equal(word, STR("-multifield")))
            caps->has_sub_fields = false;
        else
            return false;
    }
    return true;
}

/* Whether any document of an index passes a filter. 1: yes, 0: no; 2: answered. */
static int passes(struct call *call, struct str index, const struct json *filter)
{
    struct logquery_failure failure = { 0 };
    CLEANUP(buf_release) struct buf answer = { 0 };
    buf_init(&answer, 4096);
    struct logquery_request request = {
        .indices = index,
        .body = arena_printf(call->arena, "{\"query\":" STR_FMT "}", STR_ARG(filter->raw)),
        .terminate_after = STR("1"),
        .allow_no_indices = true,
    };
    if (run_query(call, logquery_count, &request, &answer, &failure) < 0) {
        (void)answer_failure(call, &failure);
        return 2;
    }
    return str_starts_with(buf_str(&answer), STR("{\"count\":0,")) ? 0 : 1;
}

/* The indices that a filter leaves; 1: answered. */
static int filter_indices(struct call *call, const struct json *filter, const struct str **names,
                          size_t *count)
{
    struct str *kept = ARENA_ARRAY(call->arena, struct str, *count + 1);
    size_t kept_count = 0;
    if (filter == NULL) return 0;
    if (kept == NULL) return ERROR_LIMIT;
    for (size_t i = 0; i < *count; i++) {
        int code = passes(call, (*names)[i], filter);
        if (code == 2) return 1;
        if (code == 1) kept[kept_count++] = (*names)[i];
    }
    *names = kept;
    *count = kept_count;
    return 0;
}

static int answer_caps(struct call *call, struct caps *caps)
{
    for (uint32_t i = 0; i < caps->snapshot->index_count; i++) add_index(caps, i);
    caps->has_meta &= caps->snapshot->index_count > 0;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("indices"));
    json_array_begin(&json);
    for (size_t i = 0; i < caps->snapshot->index_count; i++) {
        json_put_text(&json, caps->snapshot->indices[i].name);
    }
    json_array_end(&json);
    json_key(&json, STR("fields"));
    json_object_begin(&json);
    put_fields(caps, call_flag(call, "include_unmapped", false), &json);
    json_object_end(&json);
    json_object_end(&json);
    return caps->has_failed ? ERROR_LIMIT : 0;
}

static int handle_field_caps(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    struct caps caps = { .types = call_parameter(call, "types") };
    if (call->request->body.size > 0 &&
        json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    caps.patterns = read_patterns(call, root);
    if (caps.patterns.size == 0) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: no fields specified;"));
    }
    if (!read_filters(call_parameter(call, "filters"), &caps)) {
        return answer_error(call, 400, "illegal_argument_exception",
                            STR("[filters] may be +metadata, -metadata, -parent, -nested and "
                                "-multifield"));
    }
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code == 0) code = filter_indices(call, json_get(root, STR("index_filter")), &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct logstore_snapshot *snapshot = NULL;
    code = logstore_snapshot_take(call->server->store, names, count, &snapshot, &error);
    if (code < 0) return answer_store_error(call, code, "exception", &error);
    caps.snapshot = snapshot;
    code = answer_caps(call, &caps);
    caps_release(&caps);
    logstore_snapshot_free(snapshot);
    return code;
}

#define CAPS_PARAMETERS                                                                            \
    INDICES_PARAMETERS " fields include_unmapped filters types include_empty_fields"

static const struct route rows[] = {
    { HTTP_GET | HTTP_POST, "/_field_caps", handle_field_caps, CAPS_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/:index/_field_caps", handle_field_caps, CAPS_PARAMETERS },
};

const struct route_table field_caps_routes = { rows, ARRAY_LENGTH(rows) };
