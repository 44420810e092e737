/* indices.c - indices: create, delete, mapping, settings, refresh, aliases, data streams. */
#include "codec/json.h"
#include "log_server/server.h"

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

static int handle_create(struct call *call)
{
    struct str name;
    struct error error = { 0 };
    int code = expanded_name(call, &name);
    if (code != 0) return 0;
    code = logstore_index_create(call->server->store, name, call->request->body, &error);
    if (code < 0) {
        bool is_name = strncmp(error.text, "Invalid index name", 18) == 0;
        return answer_store_error(
            call, code, is_name ? "invalid_index_name_exception" : "mapper_parsing_exception",
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
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct error error = { 0 };
    for (size_t i = 0; i < count; i++) {
        code = logstore_index_delete(call->server->store, names[i], &error);
        if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    }
    return answer_acknowledged(call);
}

enum parts { PART_ALIASES = 1, PART_MAPPINGS = 2, PART_SETTINGS = 4 };

static void put_settings(const struct call *call, const struct logstore_index_info *info,
                         struct json_writer *json)
{
    const struct json *given = NULL;
    char created[32];
    (void)snprintf(created, sizeof(created), "%lld", (long long)info->created_ms);
    if (json_parse(NULL, call->arena, info->settings, &given, NULL) < 0) given = NULL;
    const struct json *inner = json_get(given, STR("index"));
    json_key(json, STR("settings"));
    json_object_begin(json);
    json_key(json, STR("index"));
    json_object_begin(json);
    for (size_t i = 0; json_is(inner, JSON_OBJECT) && i < inner->object.count; i++) {
        json_key(json, inner->object.members[i].key);
        json_put_raw(json, inner->object.members[i].value.raw);
    }
    json_member_cstr(json, "creation_date", created);
    if (json_get(inner, STR("number_of_shards")) == NULL) {
        json_member_cstr(json, "number_of_shards", "1");
    }
    if (json_get(inner, STR("number_of_replicas")) == NULL) {
        json_member_cstr(json, "number_of_replicas", "0");
    }
    json_member_text(json, "uuid", info->uuid);
    json_member_text(json, "provided_name", info->name);
    json_object_end(json);
    json_object_end(json);
}

static void put_aliases(struct json_writer *json, const struct logstore_alias *aliases,
                        size_t count, struct str index)
{
    json_key(json, STR("aliases"));
    json_object_begin(json);
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(aliases[i].index, index)) continue;
        json_key(json, aliases[i].name);
        json_object_begin(json);
        if (aliases[i].is_write_index) json_member_bool(json, "is_write_index", true);
        json_object_end(json);
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
    return answer_error(call, 400, "illegal_argument_exception",
                        STR("changing the settings of an index is not supported"));
}

static int answer_shards(struct call *call)
{
    buf_append_cstr(&call->response->body,
                    "{\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0}}");
    return 0;
}

static int handle_refresh(struct call *call)
{
    struct error error = { 0 };
    int code = logstore_refresh(call->server->store, &error);
    return code < 0 ? answer_store_error(call, code, "exception", &error) : answer_shards(call);
}

static int handle_flush(struct call *call)
{
    struct error error = { 0 };
    int code = logstore_flush(call->server->store, &error);
    return code < 0 ? answer_store_error(call, code, "exception", &error) : answer_shards(call);
}

/* Aliases ------------------------------------------------------------------------------------- */

static int handle_get_alias(struct call *call)
{
    const struct logstore_alias *aliases;
    size_t count;
    if (logstore_alias_list(call->server->store, call->arena, &aliases, &count) < 0) {
        return ERROR_LIMIT;
    }
    struct str pattern = call->value_count > 0 ? call->values[call->value_count - 1] : STR("*");
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    bool is_found = false;
    for (size_t i = 0; i < count; i++) {
        if (!logstore_name_matches(pattern, aliases[i].name)) continue;
        is_found = true;
        json_key(&json, aliases[i].index);
        json_object_begin(&json);
        json_key(&json, STR("aliases"));
        json_object_begin(&json);
        json_key(&json, aliases[i].name);
        json_object_begin(&json);
        if (aliases[i].is_write_index) json_member_bool(&json, "is_write_index", true);
        json_object_end(&json);
        json_object_end(&json);
        json_object_end(&json);
    }
    json_object_end(&json);
    if (is_found || str_find_char(pattern, '*') != STR_NONE) return 0;
    buf_reset(&call->response->body);
    call->response->status = 404;
    buf_printf(&call->response->body, "{\"error\":\"alias [" STR_FMT "] missing\",\"status\":404}",
               STR_ARG(pattern));
    return 0;
}

static int handle_put_alias(struct call *call)
{
    struct error error = { 0 };
    const struct json *root = NULL;
    if (call->request->body.size > 0 &&
        json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    bool is_write = json_boolean(json_get(root, STR("is_write_index")), false);
    int code =
        logstore_alias_put(call->server->store, call->values[1], call->values[0], is_write, &error);
    return code < 0 ? answer_store_error(call, code, "invalid_alias_name_exception", &error)
                    : answer_acknowledged(call);
}

static int handle_delete_alias(struct call *call)
{
    struct error error = { 0 };
    int code = logstore_alias_remove(call->server->store, call->values[1], call->values[0], &error);
    return code < 0 ? answer_error(call, 404, "aliases_not_found_exception", str_from(error.text))
                    : answer_acknowledged(call);
}

static int run_alias_action(struct call *call, const struct json_member *action,
                            struct error *error)
{
    struct logstore *store = call->server->store;
    struct str index = json_text(json_get(&action->value, STR("index")), STR(""));
    struct str alias = json_text(json_get(&action->value, STR("alias")), STR(""));
    if (str_equal(action->key, STR("add"))) {
        bool is_write = json_boolean(json_get(&action->value, STR("is_write_index")), false);
        return logstore_alias_put(store, alias, index, is_write, error);
    }
    if (str_equal(action->key, STR("remove"))) {
        return logstore_alias_remove(store, alias, index, error);
    }
    if (str_equal(action->key, STR("remove_index"))) {
        return logstore_index_delete(store, index, error);
    }
    return error_set(error, ERROR_INVALID, "unknown alias action [" STR_FMT "]",
                     STR_ARG(action->key));
}

static int handle_aliases(struct call *call)
{
    struct error error = { 0 };
    const struct json *root = NULL;
    int code = json_parse(NULL, call->arena, call->request->body, &root, &error);
    if (code < 0) return answer_error(call, 400, "parse_exception", str_from(error.text));
    const struct json *actions = json_get(root, STR("actions"));
    for (size_t i = 0; json_is(actions, JSON_ARRAY) && i < actions->array.count; i++) {
        const struct json *action = &actions->array.items[i];
        if (!json_is(action, JSON_OBJECT) || action->object.count != 1) continue;
        code = run_alias_action(call, &action->object.members[0], &error);
        if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    }
    return answer_acknowledged(call);
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

static int handle_resolve(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("indices"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&json);
        json_member_text(&json, "name", names[i]);
        json_key(&json, STR("attributes"));
        json_put_raw(&json, STR("[\"open\"]"));
        json_object_end(&json);
    }
    json_array_end(&json);
    json_key(&json, STR("aliases"));
    json_put_raw(&json, STR("[]"));
    json_key(&json, STR("data_streams"));
    json_put_raw(&json, STR("[]"));
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
    { HTTP_PUT, "/:index/_settings", handle_put_settings, INDICES_PARAMETERS },
    { HTTP_GET, "/_alias", handle_get_alias, INDICES_PARAMETERS },
    { HTTP_GET, "/_alias/:name", handle_get_alias, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_alias/:name", handle_get_alias, INDICES_PARAMETERS },
    { HTTP_PUT | HTTP_POST, "/:index/_alias/:name", handle_put_alias, INDICES_PARAMETERS },
    { HTTP_DELETE, "/:index/_alias/:name", handle_delete_alias, INDICES_PARAMETERS },
    { HTTP_POST, "/_aliases", handle_aliases, INDICES_PARAMETERS },
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
