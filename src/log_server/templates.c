/* templates.c - index templates, component templates, ILM policies; ingest pipelines refused. */
#include "log_server/checks.h"

#include <errno.h>

#define TEMPLATE_MEMORY_MAX ((size_t)256 << 20)

static int list(struct call *call, enum logstore_object_kind kind,
                const struct logstore_object **objects, size_t *count)
{
    struct str pattern = call->value_count > 0 ? call->values[0] : STR("*");
    return logstore_object_list(call->server->store, kind, pattern, call->arena, objects, count);
}

static int put(struct call *call, enum logstore_object_kind kind,
               bool (*check)(struct call *call, const struct json *body))
{
    struct error error = { 0 };
    const struct json *body = NULL;
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, TEMPLATE_MEMORY_MAX);
    int code = json_parse(NULL, &arena, call->request->body, &body, &error);
    if (code < 0) return answer_error(call, 400, "parse_exception", str_from(error.text));
    if (!check(call, body)) return 0;
    code = logstore_object_put(call->server->store, kind, call->values[0], call->request->body,
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
        struct str reason = arena_printf(
            call->arena, "%s template matching [" STR_FMT "] not found",
            kind == LOGSTORE_INDEX_TEMPLATE ? "index" : "component", STR_ARG(call->values[0]));
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
    return put(call, LOGSTORE_TEMPLATE, check_legacy_template);
}
static int handle_put_composable(struct call *call)
{
    return put(call, LOGSTORE_INDEX_TEMPLATE, check_index_template);
}
static int handle_put_component(struct call *call)
{
    return put(call, LOGSTORE_COMPONENT_TEMPLATE, check_component_template);
}
static int handle_put_policy(struct call *call)
{
    log_policy_gaps(call, call->values[0], call->request->body);
    return put(call, LOGSTORE_POLICY, check_policy);
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
    if (!check_component_unused(call)) return 0;
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

static int handle_delete_pipeline(struct call *call)
{
    return answer_error(
        call, 404, "resource_not_found_exception",
        arena_printf(call->arena, "pipeline [" STR_FMT "] is missing", STR_ARG(call->values[0])));
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
    { HTTP_POST | HTTP_GET, "/_ingest/pipeline/_simulate", handle_put_pipeline, " verbose" },
    { HTTP_POST | HTTP_GET, "/_ingest/pipeline/:name/_simulate", handle_put_pipeline, " verbose" },
    { HTTP_DELETE, "/_ingest/pipeline/:name", handle_delete_pipeline, INDICES_PARAMETERS },
};

const struct route_table template_routes = { rows, ARRAY_LENGTH(rows) };
