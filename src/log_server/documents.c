/* documents.c - single documents: _doc, _create, _source, _update, _mget. */
#include "codec/json.h"
#include "log_server/bulk.h"
#include "log_server/server.h"

#include <errno.h>

#define DOCUMENT_MEMORY_MAX                                                                        \
    ((size_t)1 << 30) /* of one document that is read, and what is made of it */

static int write_one(struct call *call, struct logstore_operation *operation)
{
    if (answer_when_short(call)) return 0;
    struct error error = { 0 };
    struct str seq_no = call_parameter(call, "if_seq_no");
    operation->has_if_seq_no = seq_no.size > 0 && str_to_int64(seq_no, &operation->if_seq_no);
    const char *reason = bulk_read_version(call_parameter(call, "version"),
                                           call_parameter(call, "version_type"), operation);
    if (reason != NULL) {
        return answer_error(call, 400, "action_request_validation_exception",
                            arena_printf(call->arena, "Validation Failed: 1: %s;", reason));
    }
    struct str pipeline = call_parameter(call, "pipeline");
    if (pipeline.size > 0 && !str_equal(pipeline, STR("_none"))) {
        return answer_error(call, 400, "illegal_argument_exception",
                            arena_printf(call->arena,
                                         "pipeline with id [" STR_FMT "] does not exist",
                                         STR_ARG(pipeline)));
    }
    int code = logstore_write(call->server->store, operation, 1, call->arena, &error);
    if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    if (operation->outcome == LOGSTORE_FAILED) {
        return answer_error(call, operation->status, operation->error_type, operation->reason);
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    call->response->status = (unsigned)operation->status;
    put_outcome(call, &json, operation, false);
    return 0;
}

static int put_document(struct call *call, enum logstore_action action)
{
    if (call->request->body.size == 0) {
        return answer_error(call, 400, "parse_exception", STR("request body is required"));
    }
    struct logstore_operation operation = {
        .action = action,
        .index = call->values[0],
        .id = call->value_count > 1 ? call->values[1] : STR(""),
        .source = str_trim(call->request->body),
    };
    struct str op_type = call_parameter(call, "op_type");
    if (str_equal(op_type, STR("create"))) operation.action = LOGSTORE_CREATE;
    if (operation.id.size == 0) operation.action = LOGSTORE_CREATE;
    return write_one(call, &operation);
}

static int handle_put(struct call *call)
{
    return put_document(call, LOGSTORE_INDEX);
}

static int handle_create(struct call *call)
{
    return put_document(call, LOGSTORE_CREATE);
}

static int handle_delete(struct call *call)
{
    struct logstore_operation operation = {
        .action = LOGSTORE_DELETE,
        .index = call->values[0],
        .id = call->values[1],
    };
    return write_one(call, &operation);
}

static int handle_update(struct call *call)
{
    struct logstore_operation operation = { .index = call->values[0], .id = call->values[1] };
    struct error error = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    if (answer_when_short(call)) return 0;
    arena_init(&arena, DOCUMENT_MEMORY_MAX);
    int code = bulk_update(call, call->request->body, &arena, &operation, &error);
    if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    if (operation.outcome == LOGSTORE_FAILED) {
        return answer_error(call, operation.status, operation.error_type, operation.reason);
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    call->response->status = (unsigned)operation.status;
    put_outcome(call, &json, &operation, false);
    return 0;
}

static void put_document_object(const struct call *call, struct json_writer *json, struct str index,
                                struct str id, const struct logstore_document *document)
{
    json_object_begin(json);
    json_member_text(json, "_index", document != NULL ? document->index : index);
    if (call->server->has_types) json_member_cstr(json, "_type", "_doc");
    json_member_text(json, "_id", id);
    if (document != NULL) {
        json_member_int(json, "_version", document->version);
        json_member_int(json, "_seq_no", document->seq_no);
        json_member_int(json, "_primary_term", 1);
    }
    json_member_bool(json, "found", document != NULL);
    if (document != NULL) {
        json_key(json, STR("_source"));
        json_put_raw(json, document->source);
    }
    json_object_end(json);
}

static int handle_get(struct call *call)
{
    struct logstore_document document = { 0 };
    struct error error = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, DOCUMENT_MEMORY_MAX);
    int code = logstore_get(call->server->store, call->values[0], call->values[1], &arena,
                            &document, &error);
    if (code == -ENOENT) return answer_index_missing(call, call->values[0]);
    if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    call->response->status = code == 1 ? 200 : 404;
    put_document_object(call, &json, call->values[0], call->values[1],
                        code == 1 ? &document : NULL);
    return 0;
}

static int handle_source(struct call *call)
{
    struct logstore_document document = { 0 };
    struct error error = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, DOCUMENT_MEMORY_MAX);
    int code = logstore_get(call->server->store, call->values[0], call->values[1], &arena,
                            &document, &error);
    if (code == -ENOENT) return answer_index_missing(call, call->values[0]);
    if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    if (code == 0) {
        struct str reason =
            arena_printf(call->arena, "Document not found [" STR_FMT "]/[_doc]/[" STR_FMT "]",
                         STR_ARG(call->values[0]), STR_ARG(call->values[1]));
        return answer_error(call, 404, "resource_not_found_exception", reason);
    }
    buf_append_str(&call->response->body, document.source);
    return 0;
}

/* One of several: found, not found, or why it cannot be told. */
static void put_found(struct call *call, struct json_writer *json, struct str index, struct str id)
{
    struct logstore_document document = { 0 };
    struct error error = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, DOCUMENT_MEMORY_MAX);
    int code = logstore_get(call->server->store, index, id, &arena, &document, &error);
    if (code >= 0) {
        put_document_object(call, json, index, id, code == 1 ? &document : NULL);
        return;
    }
    json_object_begin(json);
    json_member_text(json, "_index", index);
    if (call->server->has_types) json_member_cstr(json, "_type", "_doc");
    json_member_text(json, "_id", id);
    json_key(json, STR("error"));
    bool is_missing = code == -ENOENT;
    put_error_object(json, is_missing ? "index_not_found_exception" : "exception",
                     str_from(error.text), is_missing ? index : STR(""));
    json_object_end(json);
}

static int handle_mget(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    if (json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    const struct json *list = json_get(root, STR("docs"));
    if (list == NULL) list = json_get(root, STR("ids"));
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("docs"));
    json_array_begin(&json);
    for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->array.count; i++) {
        const struct json *item = &list->array.items[i];
        struct str index = call->value_count > 0 ? call->values[0] : STR("");
        index = json_text(json_get(item, STR("_index")), index);
        struct str id =
            json_is(item, JSON_TEXT) ? item->text : json_text(json_get(item, STR("_id")), STR(""));
        put_found(call, &json, index, id);
    }
    json_array_end(&json);
    json_object_end(&json);
    return 0;
}

#define DOCUMENT_PARAMETERS                                                                        \
    WRITE_PARAMETERS " op_type if_seq_no if_primary_term version version_type"
#define UPDATE_PARAMETERS WRITE_PARAMETERS " retry_on_conflict"
#define GET_PARAMETERS    " preference realtime refresh routing"

static const struct route rows[] = {
    { HTTP_POST, "/:index/_doc", handle_put, DOCUMENT_PARAMETERS },
    { HTTP_POST | HTTP_PUT, "/:index/_doc/:id", handle_put, DOCUMENT_PARAMETERS },
    { HTTP_GET, "/:index/_doc/:id", handle_get, GET_PARAMETERS },
    { HTTP_DELETE, "/:index/_doc/:id", handle_delete, DOCUMENT_PARAMETERS },
    { HTTP_POST | HTTP_PUT, "/:index/_create/:id", handle_create, DOCUMENT_PARAMETERS },
    { HTTP_POST, "/:index/_update/:id", handle_update, UPDATE_PARAMETERS },
    { HTTP_GET, "/:index/_source/:id", handle_source, GET_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/_mget", handle_mget, GET_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/:index/_mget", handle_mget, GET_PARAMETERS },
};

const struct route_table document_routes = { rows, ARRAY_LENGTH(rows) };
