/* templates.c - index templates, component templates, ILM policies; ingest pipelines refused. */
#include "codec/json.h"
#include "log_server/server.h"

#include <errno.h>

#define TEMPLATE_MEMORY_MAX ((size_t)256 << 20)

static int list(struct call *call, enum logstore_object_kind kind,
                const struct logstore_object **objects, size_t *count)
{
    struct str pattern = call->value_count > 0 ? call->values[0] : STR("*");
    return logstore_object_list(call->server->store, kind, pattern, call->arena, objects, count);
}

/* Templates without patterns would never be used. What is no JSON is refused later. */
static bool lacks_patterns(struct call *call, enum logstore_object_kind kind)
{
    const struct json *root = NULL;
    if (kind != LOGSTORE_TEMPLATE && kind != LOGSTORE_INDEX_TEMPLATE) return false;
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, TEMPLATE_MEMORY_MAX);
    if (json_parse(NULL, &arena, call->request->body, &root, NULL) < 0) return false;
    const struct json *patterns = json_get(root, STR("index_patterns"));
    return !json_is(patterns, JSON_TEXT) &&
           (!json_is(patterns, JSON_ARRAY) || patterns->array.count == 0);
}

static int put(struct call *call, enum logstore_object_kind kind)
{
    struct error error = { 0 };
    if (lacks_patterns(call, kind)) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: [index_patterns] are missing;"));
    }
    int code = logstore_object_put(call->server->store, kind, call->values[0], call->request->body,
                                   &error);
    return code < 0 ? answer_store_error(call, code, "parse_exception", &error)
                    : answer_acknowledged(call);
}

static int drop(struct call *call, enum logstore_object_kind kind, const char *type)
{
    struct error error = { 0 };
    int code = logstore_object_delete(call->server->store, kind, call->values[0], &error);
    if (code == -ENOENT) return answer_error(call, 404, type, str_from(error.text));
    return code < 0 ? answer_store_error(call, code, type, &error) : answer_acknowledged(call);
}

/* {"name":{...}} */
static int handle_get_legacy(struct call *call)
{
    const struct logstore_object *objects;
    size_t count;
    if (list(call, LOGSTORE_TEMPLATE, &objects, &count) < 0) return ERROR_LIMIT;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++) {
        json_key(&json, objects[i].name);
        json_put_raw(&json, objects[i].json);
    }
    json_object_end(&json);
    if (count == 0 && call->value_count > 0) call->response->status = 404;
    return 0;
}

static int get_listed(struct call *call, enum logstore_object_kind kind, const char *list_name,
                      const char *item_name)
{
    const struct logstore_object *objects;
    size_t count;
    if (list(call, kind, &objects, &count) < 0) return ERROR_LIMIT;
    if (count == 0 && call->value_count > 0 && str_find_char(call->values[0], '*') == STR_NONE) {
        struct str reason =
            arena_printf(call->arena, "index template matching [" STR_FMT "] not found",
                         STR_ARG(call->values[0]));
        return answer_error(call, 404, "resource_not_found_exception", reason);
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, str_from(list_name));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&json);
        json_member_text(&json, "name", objects[i].name);
        json_key(&json, str_from(item_name));
        json_put_raw(&json, objects[i].json);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    return 0;
}

static int handle_get_composable(struct call *call)
{
    return get_listed(call, LOGSTORE_INDEX_TEMPLATE, "index_templates", "index_template");
}

static int handle_get_component(struct call *call)
{
    return get_listed(call, LOGSTORE_COMPONENT_TEMPLATE, "component_templates",
                      "component_template");
}

static int handle_put_legacy(struct call *call)
{
    return put(call, LOGSTORE_TEMPLATE);
}
static int handle_put_composable(struct call *call)
{
    return put(call, LOGSTORE_INDEX_TEMPLATE);
}
static int handle_put_component(struct call *call)
{
    return put(call, LOGSTORE_COMPONENT_TEMPLATE);
}
static int handle_put_policy(struct call *call)
{
    log_policy_gaps(call, call->values[0], call->request->body);
    return put(call, LOGSTORE_POLICY);
}

static int handle_delete_legacy(struct call *call)
{
    return drop(call, LOGSTORE_TEMPLATE, "index_template_missing_exception");
}

static int handle_delete_composable(struct call *call)
{
    return drop(call, LOGSTORE_INDEX_TEMPLATE, "index_template_missing_exception");
}

static int handle_delete_component(struct call *call)
{
    return drop(call, LOGSTORE_COMPONENT_TEMPLATE, "index_template_missing_exception");
}

static int handle_delete_policy(struct call *call)
{
    return drop(call, LOGSTORE_POLICY, "resource_not_found_exception");
}

static int handle_get_policy(struct call *call)
{
    const struct logstore_object *objects;
    size_t count;
    if (list(call, LOGSTORE_POLICY, &objects, &count) < 0) return ERROR_LIMIT;
    if (count == 0 && call->value_count > 0) {
        struct str reason = arena_printf(call->arena, "Lifecycle policy not found: " STR_FMT,
                                         STR_ARG(call->values[0]));
        return answer_error(call, 404, "resource_not_found_exception", reason);
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++) {
        const struct json *root = NULL;
        if (json_parse(NULL, call->arena, objects[i].json, &root, NULL) < 0) continue;
        const struct json *policy = json_get(root, STR("policy"));
        CLEANUP(buf_release) struct buf date = { 0 };
        buf_init(&date, 64);
        date_print_ms(objects[i].changed_ms, STR(""), 0, &date);
        json_key(&json, objects[i].name);
        json_object_begin(&json);
        json_member_int(&json, "version", objects[i].version);
        json_member_text(&json, "modified_date", buf_str(&date));
        json_key(&json, STR("policy"));
        json_put_raw(&json, policy != NULL ? policy->raw : objects[i].json);
        json_object_end(&json);
    }
    json_object_end(&json);
    return 0;
}

static int handle_get_pipeline(struct call *call)
{
    call->response->status = call->value_count > 0 ? 404 : 200;
    buf_append_cstr(&call->response->body, "{}");
    return 0;
}

static int handle_put_pipeline(struct call *call)
{
    return answer_error(call, 400, "illegal_argument_exception",
                        STR("ingest pipelines are not supported: transform documents before they "
                            "are sent"));
}

static const struct route rows[] = {
    { HTTP_GET, "/_template", handle_get_legacy, INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_template/:name", handle_get_legacy, INDICES_PARAMETERS " create order cause" },
    { HTTP_PUT | HTTP_POST, "/_template/:name", handle_put_legacy,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_DELETE, "/_template/:name", handle_delete_legacy,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_index_template", handle_get_composable,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_index_template/:name", handle_get_composable,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_PUT | HTTP_POST, "/_index_template/:name", handle_put_composable,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_DELETE, "/_index_template/:name", handle_delete_composable,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_component_template", handle_get_component,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_component_template/:name", handle_get_component,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_PUT | HTTP_POST, "/_component_template/:name", handle_put_component,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_DELETE, "/_component_template/:name", handle_delete_component,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_ilm/policy", handle_get_policy, INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_ilm/policy/:name", handle_get_policy, INDICES_PARAMETERS " create order cause" },
    { HTTP_PUT, "/_ilm/policy/:name", handle_put_policy, INDICES_PARAMETERS " create order cause" },
    { HTTP_DELETE, "/_ilm/policy/:name", handle_delete_policy,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_ingest/pipeline", handle_get_pipeline,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_GET, "/_ingest/pipeline/:name", handle_get_pipeline,
      INDICES_PARAMETERS " create order cause" },
    { HTTP_PUT, "/_ingest/pipeline/:name", handle_put_pipeline,
      INDICES_PARAMETERS " create order cause" },
};

const struct route_table template_routes = { rows, ARRAY_LENGTH(rows) };
