/* indices.c - indices: create, delete, mapping, settings, refresh, aliases, data streams. */
#include "log_server/checks.h"

#include <errno.h>
#include <stdio.h>

static int expanded_name(struct call *call, struct str *name)
{
    struct error error = { 0 };
    int64_t now_ms = clock_realtime_ms(call->server->clock);
    if (logstore_name_expand(call->values[0], now_ms, call->arena, name, &error) == 0) return 0;
    (void)answer_error(call, 400, "parse_exception", str_from(error.text));
    return 1;
}

/* 1: answered. */
static int check_create_body(struct call *call)
{
    const struct json *root = NULL;
    if (str_trim(call->request->body).size == 0 ||
        json_parse(NULL, call->arena, call->request->body, &root, NULL) < 0 ||
        !json_is(root, JSON_OBJECT)) {
        return 0; /* told of when it is read for good */
    }
    for (size_t i = 0; i < root->object.count; i++) {
        struct str key = root->object.members[i].key;
        bool is_known = str_equal(key, STR("settings")) || str_equal(key, STR("mappings")) ||
                        str_equal(key, STR("aliases"));
        if (is_known) continue;
        (void)answer_error(
            call, 400, "parse_exception",
            arena_printf(call->arena, "unknown key [" STR_FMT "] for create index", STR_ARG(key)));
        return 1;
    }
    return check_mapping(call, json_get(root, STR("mappings"))) ? 0 : 1;
}

static int handle_create(struct call *call)
{
    struct str name;
    struct error error = { 0 };
    int code = expanded_name(call, &name);
    if (code != 0) return 0;
    code = check_create_body(call);
    if (code != 0) return code < 0 ? code : 0;
    code = logstore_index_create(call->server->store, name, call->request->body, &error);
    if (code < 0) {
        struct str text = str_from(error.text);
        bool is_name = str_starts_with(text, STR("Invalid index name"));
        bool is_setting =
            str_starts_with(text, STR("unknown setting")) || str_starts_with(text, STR("[index."));
        return answer_store_error(call, code,
                                  is_name      ? "invalid_index_name_exception"
                                  : is_setting ? "illegal_argument_exception"
                                               : "mapper_parsing_exception",
                                  &error);
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_bool(&json, "acknowledged", true);
    json_member_bool(&json, "shards_acknowledged", true);
    json_member_text(&json, "index", name);
    json_object_end(&json);
    return 0;
}

static int handle_delete(struct call *call)
{
    const struct str *names;
    size_t count;
    struct str missing;
    struct str refused;
    int code = logstore_resolve_indices(call->server->store, call->values[0], call->arena, &names,
                                        &count, &missing, &refused);
    if (code < 0) return code;
    if (refused.data != NULL) {
        struct str reason = arena_printf(
            call->arena,
            "The provided expression [" STR_FMT "] matches an alias, a data stream or its write "
            "index, specify the corresponding concrete indices instead.",
            STR_ARG(refused));
        return answer_error(call, 400, "illegal_argument_exception", reason);
    }
    if (missing.data != NULL && !call_flag(call, "ignore_unavailable", false)) {
        return answer_index_missing(call, missing);
    }
    struct error error = { 0 };
    for (size_t i = 0; i < count; i++) {
        code = logstore_index_delete(call->server->store, names[i], &error);
        if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    }
    return answer_acknowledged(call);
}

enum parts { PART_ALIASES = 1, PART_MAPPINGS = 2, PART_SETTINGS = 4 };

/* Members of a flat object whose keys begin with `front`, as nested objects. Depth: that of a key,
 * which is 512 bytes long at most. */
static void put_nested(struct json_writer *json, const struct json *flat, struct str front)
{
    json_object_begin(json);
    for (size_t i = 0; i < flat->object.count; i++) {
        const struct json_member *member = &flat->object.members[i];
        if (!str_starts_with(member->key, front)) continue;
        struct str rest = str_skip(member->key, front.size);
        size_t dot = str_find_char(rest, '.');
        if (dot == STR_NONE) {
            json_key(json, rest);
            json_put_raw(json, member->value.raw);
            continue;
        }
        /* With the first of those that have the same name here come all of them. */
        struct str below = str_first(member->key, front.size + dot + 1);
        bool is_first = true;
        for (size_t k = 0; k < i; k++) {
            is_first &= !str_starts_with(flat->object.members[k].key, below);
        }
        if (!is_first) continue;
        json_key(json, str_first(rest, dot));
        put_nested(json, flat, below);
    }
    json_object_end(json);
}

/* What was set, with what every index has; flat. */
static int all_settings(const struct call *call, const struct logstore_index_info *info,
                        const struct json **flat)
{
    const struct json *given = NULL;
    struct json_writer json;
    CLEANUP(buf_release) struct buf text = { 0 };
    if (json_parse(NULL, call->arena, info->settings, &given, NULL) < 0) return ERROR_LIMIT;
    struct str pattern = call->value_count > 1 ? call->values[1] : STR("*");
    buf_init(&text, info->settings.size + 65536);
    json_writer_init(&json, &text);
    const struct {
        const char *key;
        struct str value;
    } own[] = {
        { "index.creation_date", arena_printf(call->arena, "%lld", (long long)info->created_ms) },
        { "index.number_of_shards", STR("1") },
        { "index.number_of_replicas", STR("0") },
        { "index.uuid", info->uuid },
        { "index.version.created", STR("7171899") },
        { "index.provided_name", info->name },
    };
    json_object_begin(&json);
    for (size_t i = 0; json_is(given, JSON_OBJECT) && i < given->object.count; i++) {
        if (!logstore_name_matches(pattern, given->object.members[i].key)) continue;
        json_key(&json, given->object.members[i].key);
        json_put_raw(&json, given->object.members[i].value.raw);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(own); i++) {
        struct str key = str_from(own[i].key);
        if (json_get(given, key) != NULL || !logstore_name_matches(pattern, key)) continue;
        json_member_text(&json, own[i].key, own[i].value);
    }
    json_object_end(&json);
    return text.has_failed ? ERROR_LIMIT
                           : json_parse(NULL, call->arena, buf_str(&text), flat, NULL);
}

static void put_settings(const struct call *call, const struct logstore_index_info *info,
                         struct json_writer *json)
{
    const struct json *flat = NULL;
    json_key(json, STR("settings"));
    if (all_settings(call, info, &flat) < 0)
        json_put_raw(json, STR("{}"));
    else if (call_flag(call, "flat_settings", false))
        json_put_raw(json, flat->raw);
    else
        put_nested(json, flat, STR(""));
}

static void put_aliases(struct json_writer *json, const struct logstore_alias *aliases,
                        size_t count, struct str index)
{
    json_key(json, STR("aliases"));
    json_object_begin(json);
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(aliases[i].index, index)) continue;
        put_alias(json, &aliases[i]);
    }
    json_object_end(json);
}

static int answer_parts(struct call *call, unsigned parts)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    const struct logstore_alias *aliases;
    size_t alias_count;
    code = logstore_alias_list(call->server->store, call->arena, &aliases, &alias_count);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    for (size_t i = 0; code == 0 && i < count; i++) {
        struct logstore_index_info info;
        if (logstore_index_info(call->server->store, names[i], true, call->arena, &info) < 0)
            continue;
        json_key(&json, names[i]);
        json_object_begin(&json);
        if ((parts & PART_ALIASES) != 0) put_aliases(&json, aliases, alias_count, names[i]);
        if ((parts & PART_MAPPINGS) != 0) {
            json_key(&json, STR("mappings"));
            json_put_raw(&json, info.mapping);
        }
        if ((parts & PART_SETTINGS) != 0) put_settings(call, &info, &json);
        json_object_end(&json);
    }
    json_object_end(&json);
    return code;
}

static int handle_get(struct call *call)
{
    return answer_parts(call, PART_ALIASES | PART_MAPPINGS | PART_SETTINGS);
}

static int handle_mapping(struct call *call)
{
    return answer_parts(call, PART_MAPPINGS);
}

static int handle_settings(struct call *call)
{
    return answer_parts(call, PART_SETTINGS);
}

static int handle_put_mapping(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct error error = { 0 };
    const struct json *root = NULL;
    code = json_parse(NULL, call->arena, call->request->body, &root, &error);
    if (code < 0) return answer_error(call, 400, "parse_exception", str_from(error.text));
    if (!check_mapping(call, root)) return 0;
    for (size_t i = 0; i < count; i++) {
        code =
            logstore_index_put_mapping(call->server->store, names[i], call->request->body, &error);
        if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    }
    return answer_acknowledged(call);
}

static int handle_put_settings(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct error error = { 0 };
    bool keeps = call_flag(call, "preserve_existing", false);
    for (size_t i = 0; i < count; i++) {
        code = logstore_index_put_settings(call->server->store, names[i], call->request->body,
                                           keeps, &error);
        if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    }
    return answer_acknowledged(call);
}

/* `count` shards; 1: the indices are not there, answered. */
static int begin_shards(struct call *call, size_t *count)
{
    const struct str *names;
    return call_resolve(call, &names, count);
}

static int answer_shards(struct call *call, size_t count)
{
    buf_printf(&call->response->body,
               "{\"_shards\":{\"total\":%zu,\"successful\":%zu,\"failed\":0}}", count, count);
    return 0;
}

static int handle_refresh(struct call *call)
{
    struct error error = { 0 };
    size_t count;
    int code = begin_shards(call, &count);
    if (code != 0) return code < 0 ? code : 0;
    code = logstore_refresh(call->server->store, &error);
    return code < 0 ? answer_store_error(call, code, "exception", &error)
                    : answer_shards(call, count);
}

static int handle_flush(struct call *call)
{
    struct error error = { 0 };
    size_t count;
    int code = begin_shards(call, &count);
    if (code != 0) return code < 0 ? code : 0;
    code = logstore_flush(call->server->store, &error);
    return code < 0 ? answer_store_error(call, code, "exception", &error)
                    : answer_shards(call, count);
}

/* Data streams -------------------------------------------------------------------------------- */

static void put_stream(struct call *call, const struct logstore_stream *stream,
                       struct json_writer *json)
{
    json_object_begin(json);
    json_member_text(json, "name", stream->name);
    json_key(json, STR("timestamp_field"));
    json_put_raw(json, STR("{\"name\":\"@timestamp\"}"));
    json_key(json, STR("indices"));
    json_array_begin(json);
    for (size_t i = 0; i < stream->index_count; i++) {
        struct logstore_index_info info = { 0 };
        (void)!logstore_index_info(call->server->store, stream->indices[i], false, call->arena,
                                   &info);
        json_object_begin(json);
        json_member_text(json, "index_name", stream->indices[i]);
        json_member_text(json, "index_uuid", info.uuid);
        json_object_end(json);
    }
    json_array_end(json);
    json_member_int(json, "generation", (int64_t)stream->generation);
    json_member_cstr(json, "status", "GREEN");
    json_member_text(json, "template", stream->template_name);
    json_member_bool(json, "hidden", false);
    json_member_bool(json, "system", false);
    json_object_end(json);
}

static int handle_get_stream(struct call *call)
{
    const struct logstore_stream *streams;
    size_t count;
    if (logstore_stream_list(call->server->store, call->arena, &streams, &count) < 0) {
        return ERROR_LIMIT;
    }
    struct str pattern = call->value_count > 0 ? call->values[0] : STR("*");
    bool is_found = str_find_char(pattern, '*') != STR_NONE;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("data_streams"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        if (!logstore_name_matches(pattern, streams[i].name)) continue;
        put_stream(call, &streams[i], &json);
        is_found = true;
    }
    json_array_end(&json);
    json_object_end(&json);
    return is_found ? 0 : answer_index_missing(call, pattern);
}

static int handle_put_stream(struct call *call)
{
    struct error error = { 0 };
    int code = logstore_stream_create(call->server->store, call->values[0], &error);
    return code < 0 ? answer_store_error(call, code, "illegal_argument_exception", &error)
                    : answer_acknowledged(call);
}

static int handle_delete_stream(struct call *call)
{
    struct error error = { 0 };
    int code = logstore_stream_delete(call->server->store, call->values[0], &error);
    return code < 0 ? answer_store_error(call, code, "illegal_argument_exception", &error)
                    : answer_acknowledged(call);
}

/* Names of a list, as an array of objects that hold them. */
static void put_resolved_aliases(struct json_writer *json, const struct logstore_alias *aliases,
                                 size_t count, struct str pattern)
{
    json_key(json, STR("aliases"));
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        bool is_known = !logstore_name_matches(pattern, aliases[i].name);
        for (size_t k = 0; !is_known && k < i; k++) {
            is_known = str_equal(aliases[k].name, aliases[i].name);
        }
        if (is_known) continue;
        json_object_begin(json);
        json_member_text(json, "name", aliases[i].name);
        json_key(json, STR("indices"));
        json_array_begin(json);
        for (size_t k = i; k < count; k++) {
            if (str_equal(aliases[k].name, aliases[i].name)) json_put_text(json, aliases[k].index);
        }
        json_array_end(json);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_resolved_streams(struct json_writer *json, const struct logstore_stream *streams,
                                 size_t count, struct str pattern)
{
    json_key(json, STR("data_streams"));
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        if (!logstore_name_matches(pattern, streams[i].name)) continue;
        json_object_begin(json);
        json_member_text(json, "name", streams[i].name);
        json_key(json, STR("backing_indices"));
        json_array_begin(json);
        for (size_t k = 0; k < streams[i].index_count; k++) {
            json_put_text(json, streams[i].indices[k]);
        }
        json_array_end(json);
        json_member_cstr(json, "timestamp_field", "@timestamp");
        json_object_end(json);
    }
    json_array_end(json);
}

static void put_resolved_index(const struct call *call, struct json_writer *json, struct str name,
                               const struct logstore_alias *aliases, size_t count)
{
    struct logstore_index_info info = { 0 };
    if (logstore_index_info(call->server->store, name, false, call->arena, &info) < 0) return;
    json_object_begin(json);
    json_member_text(json, "name", name);
    bool has_alias = false;
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(aliases[i].index, name)) continue;
        if (!has_alias) {
            json_key(json, STR("aliases"));
            json_array_begin(json);
        }
        has_alias = true;
        json_put_text(json, aliases[i].name);
    }
    if (has_alias) json_array_end(json);
    json_key(json, STR("attributes"));
    json_put_raw(json, name.data[0] == '.' ? STR("[\"hidden\",\"open\"]") : STR("[\"open\"]"));
    if (info.data_stream.size > 0) json_member_text(json, "data_stream", info.data_stream);
    json_object_end(json);
}

/* Which indices, aliases and data streams an expression names; of a list, each part by itself. */
static int handle_resolve(struct call *call)
{
    const struct str *names;
    const struct logstore_alias *aliases;
    const struct logstore_stream *streams;
    size_t count;
    size_t alias_count;
    size_t stream_count;
    struct logstore *store = call->server->store;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    if (logstore_alias_list(store, call->arena, &aliases, &alias_count) < 0 ||
        logstore_stream_list(store, call->arena, &streams, &stream_count) < 0) {
        return ERROR_LIMIT;
    }
    struct str pattern = str_equal(call->values[0], STR("_all")) ? STR("*") : call->values[0];
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("indices"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        struct str rest = pattern;
        bool is_own = false;
        while (rest.size > 0)
            is_own |= logstore_name_matches(str_trim(str_cut(&rest, ',')), names[i]);
        bool is_hidden = names[i].data[0] == '.' && pattern.data[0] == '*';
        if (is_own && !is_hidden) put_resolved_index(call, &json, names[i], aliases, alias_count);
    }
    json_array_end(&json);
    put_resolved_aliases(&json, aliases, alias_count, pattern);
    put_resolved_streams(&json, streams, stream_count, pattern);
    json_object_end(&json);
    return 0;
}

static const struct route rows[] = {
    { HTTP_GET | HTTP_POST, "/_refresh", handle_refresh, INDICES_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/:index/_refresh", handle_refresh, INDICES_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/_flush", handle_flush, INDICES_PARAMETERS " force wait_if_ongoing" },
    { HTTP_GET | HTTP_POST, "/:index/_flush", handle_flush,
      INDICES_PARAMETERS " force wait_if_ongoing" },
    { HTTP_GET, "/_mapping", handle_mapping, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_mapping", handle_mapping, INDICES_PARAMETERS },
    { HTTP_PUT | HTTP_POST, "/:index/_mapping", handle_put_mapping,
      INDICES_PARAMETERS " write_index_only" },
    { HTTP_GET, "/_settings", handle_settings, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_settings", handle_settings, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_settings/:name", handle_settings, INDICES_PARAMETERS },
    { HTTP_PUT, "/_settings", handle_put_settings, INDICES_PARAMETERS " preserve_existing" },
    { HTTP_PUT, "/:index/_settings", handle_put_settings, INDICES_PARAMETERS " preserve_existing" },
    { HTTP_GET, "/_data_stream", handle_get_stream, INDICES_PARAMETERS },
    { HTTP_GET, "/_data_stream/:name", handle_get_stream, INDICES_PARAMETERS },
    { HTTP_PUT, "/_data_stream/:name", handle_put_stream, INDICES_PARAMETERS },
    { HTTP_DELETE, "/_data_stream/:name", handle_delete_stream, INDICES_PARAMETERS },
    { HTTP_GET, "/_resolve/index/:name", handle_resolve, INDICES_PARAMETERS },
    { HTTP_PUT, "/:index", handle_create, INDICES_PARAMETERS " wait_for_active_shards" },
    { HTTP_GET, "/:index", handle_get, INDICES_PARAMETERS },
    { HTTP_DELETE, "/:index", handle_delete, INDICES_PARAMETERS },
};

const struct route_table index_routes = { rows, ARRAY_LENGTH(rows) };
