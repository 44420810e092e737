/* documents.c - single documents: _doc, _create, _source, _update, _mget. */
#include "codec/json.h"
#include "log_server/bulk.h"
#include "log_server/server.h"

#include <errno.h>

#define DOCUMENT_MEMORY_MAX                                                                        \
    ((size_t)1 << 30) /* of one document that is read, and what is made of it */

bool document_answer_refresh(struct call *call)
{
    struct str refresh = call_parameter(call, "refresh");
    bool is_known = refresh.size == 0 || str_equal(refresh, STR("true")) ||
                    str_equal(refresh, STR("false")) || str_equal(refresh, STR("wait_for"));
    if (is_known) return false;
    (void)answer_error(
        call, 400, "illegal_argument_exception",
        arena_printf(call->arena, "Unknown value for refresh: [" STR_FMT "].", STR_ARG(refresh)));
    return true;
}

bool document_check_alias(struct call *call, struct logstore_operation *operation)
{
    const struct logstore_alias *aliases;
    size_t count = 0;
    int code = logstore_alias_list(call->server->store, call->arena, &aliases, &count);
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (str_equal(aliases[i].name, operation->index)) return true;
    }
    bulk_refuse(operation, 404, "index_not_found_exception",
                arena_printf(call->arena,
                             "no such index [" STR_FMT "] and [require_alias] request flag is "
                             "[true] and [" STR_FMT "] is not an alias",
                             STR_ARG(operation->index), STR_ARG(operation->index)));
    return false;
}

static void put_failure_members(struct json_writer *json,
                                const struct logstore_operation *operation, bool has_cause)
{
    json_member_cstr(json, "type", operation->error_type);
    json_member_text(json, "reason", operation->reason);
    if (operation->status == 409) {
        json_member_cstr(json, "shard", "0");
        json_member_text(json, "index", operation->result_index);
    }
    if (!has_cause || operation->cause_type.size == 0) return;
    json_key(json, STR("caused_by"));
    json_object_begin(json);
    json_member_text(json, "type", operation->cause_type);
    json_member_text(json, "reason", operation->cause_reason);
    json_object_end(json);
}

static int answer_failed(struct call *call, const struct logstore_operation *operation)
{
    struct json_writer json;
    call->response->status = (unsigned)operation->status;
    if (str_equal(str_from(operation->error_type), STR("index_not_found_exception"))) {
        return answer_error(call, operation->status, operation->error_type, operation->reason);
    }
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("error"));
    json_object_begin(&json);
    json_key(&json, STR("root_cause"));
    json_array_begin(&json);
    json_object_begin(&json);
    put_failure_members(&json, operation, false);
    json_object_end(&json);
    json_array_end(&json);
    put_failure_members(&json, operation, true);
    json_object_end(&json);
    json_member_int(&json, "status", operation->status);
    json_object_end(&json);
    return 0;
}

/* What a write may say in the URL; 1: answered. */
static int read_parameters(struct call *call, struct logstore_operation *operation)
{
    struct str seq_no = call_parameter(call, "if_seq_no");
    operation->has_if_seq_no = seq_no.size > 0 && str_to_int64(seq_no, &operation->if_seq_no);
    const char *reason = bulk_read_version(call_parameter(call, "version"),
                                           call_parameter(call, "version_type"), operation);
    struct str pipeline = call_parameter(call, "pipeline");
    struct str op_type = call_parameter(call, "op_type");
    bool has_type =
        op_type.size == 0 || str_equal(op_type, STR("create")) || str_equal(op_type, STR("index"));
    if (document_answer_refresh(call)) return 1;
    if (reason != NULL) {
        bulk_refuse(operation, 400, "action_request_validation_exception",
                    arena_printf(call->arena, "Validation Failed: 1: %s;", reason));
    } else if (pipeline.size > 0 && !str_equal(pipeline, STR("_none"))) {
        bulk_refuse(operation, 400, "illegal_argument_exception",
                    arena_printf(call->arena, "pipeline with id [" STR_FMT "] does not exist",
                                 STR_ARG(pipeline)));
    } else if (!has_type) {
        bulk_refuse(operation, 400, "illegal_argument_exception",
                    arena_printf(call->arena,
                                 "opType must be 'create' or 'index', found: [" STR_FMT "]",
                                 STR_ARG(op_type)));
    } else if (!call_flag(call, "require_alias", false) || document_check_alias(call, operation)) {
        return 0;
    }
    (void)answer_failed(call, operation);
    return 1;
}

static int write_one(struct call *call, struct logstore_operation *operation)
{
    if (answer_when_short(call)) return 0;
    struct error error = { 0 };
    if (read_parameters(call, operation) != 0) return 0;
    int code = logstore_write(call->server->store, operation, 1, call->arena, &error);
    if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    if (operation->outcome == LOGSTORE_FAILED) return answer_failed(call, operation);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    call->response->status = (unsigned)operation->status;
    json_object_begin(&json);
    put_outcome_members(call, &json, operation);
    json_object_end(&json);
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

/* What the URL says of the source, over what stands in `spec`. 1: answered. */
static int read_source_url(struct call *call, struct logquery_source *spec)
{
    int code = logquery_source_read_url(
        call_parameter(call, "_source"), call_parameter(call, "_source_includes"),
        call_parameter(call, "_source_excludes"), call->arena, spec);
    bool is_named = call_parameter(call, "_source").data != NULL;
    if (call_parameter(call, "stored_fields").data != NULL && !is_named) spec->is_off = true;
    return code;
}

static int put_source(struct arena *arena, struct json_writer *json,
                      const struct logquery_source *spec, struct str source)
{
    if (spec->is_off) return 0;
    json_key(json, STR("_source"));
    int code = logquery_source_write(spec, source, arena, json->out);
    json->needs_comma = true;
    return code;
}

/* "get" of an update that is asked for the source. */
static int put_got(struct arena *arena, struct json_writer *json,
                   const struct logquery_source *spec, const struct logstore_operation *operation)
{
    json_key(json, STR("get"));
    json_object_begin(json);
    json_member_int(json, "_seq_no", operation->seq_no);
    json_member_int(json, "_primary_term", 1);
    json_member_bool(json, "found", true);
    int code = put_source(arena, json, spec, operation->source);
    json_object_end(json);
    return code;
}

static int handle_update(struct call *call)
{
    struct logstore_operation operation = { .index = call->values[0], .id = call->values[1] };
    struct logquery_source spec = { .is_off = true };
    const struct json *root = NULL;
    struct error error = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, DOCUMENT_MEMORY_MAX);
    if (answer_when_short(call) || read_parameters(call, &operation) != 0) return 0;
    if (json_parse(NULL, &arena, call->request->body, &root, NULL) == 0) {
        const struct json *wanted = json_get(root, STR("_source"));
        if (wanted != NULL && logquery_source_read(wanted, &arena, &spec) < 0) {
            return answer_error(call, 400, "parsing_exception", STR("[_source] is malformed"));
        }
    }
    int code = read_source_url(call, &spec);
    if (code < 0) return code;
    code = bulk_update(call, call->request->body, &arena, &operation, &error);
    if (code < 0) return answer_store_error(call, code, "illegal_argument_exception", &error);
    if (operation.outcome == LOGSTORE_FAILED) return answer_failed(call, &operation);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    call->response->status = (unsigned)operation.status;
    json_object_begin(&json);
    put_outcome_members(call, &json, &operation);
    if (!spec.is_off) code = put_got(&arena, &json, &spec, &operation);
    json_object_end(&json);
    return code;
}

static int put_document_object(const struct call *call, struct arena *arena,
                               struct json_writer *json, struct str index, struct str id,
                               const struct logquery_source *spec,
                               const struct logstore_document *document)
{
    int code = 0;
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
    if (document != NULL) code = put_source(arena, json, spec, document->source);
    json_object_end(json);
    return code;
}

/* 1 with the document, 0 when there is none; 2: answered. */
static int find_document(struct call *call, struct arena *arena, struct logstore_document *document)
{
    struct error error = { 0 };
    int code = logstore_get(call->server->store, call->values[0], call->values[1], arena, document,
                            &error);
    int64_t version;
    struct str asked = call_parameter(call, "version");
    if (code == -ENOENT) {
        (void)answer_index_missing(call, call->values[0]);
        return 2;
    }
    if (code < 0) {
        (void)answer_store_error(call, code, "illegal_argument_exception", &error);
        return 2;
    }
    bool is_other = code == 1 && str_to_int64(asked, &version) && version != document->version;
    if (!is_other) return code;
    (void)answer_error(call, 409, "version_conflict_engine_exception",
                       arena_printf(call->arena,
                                    "[" STR_FMT "]: version conflict, current version [%lld] is "
                                    "different than the one provided [%lld]",
                                    STR_ARG(call->values[1]), (long long)document->version,
                                    (long long)version));
    return 2;
}

/* Answers with a document of the URL, or with its source alone. */
static int answer_document(struct call *call, bool is_source_alone)
{
    struct logstore_document document = { 0 };
    struct logquery_source spec = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, DOCUMENT_MEMORY_MAX);
    int code = read_source_url(call, &spec);
    if (code < 0) return code;
    code = find_document(call, &arena, &document);
    if (code == 2) return 0;
    if (is_source_alone && code == 1) {
        return logquery_source_write(&spec, document.source, &arena, &call->response->body);
    }
    if (is_source_alone) {
        struct str reason =
            arena_printf(call->arena, "Document not found [" STR_FMT "]/[_doc]/[" STR_FMT "]",
                         STR_ARG(call->values[0]), STR_ARG(call->values[1]));
        return answer_error(call, 404, "resource_not_found_exception", reason);
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    call->response->status = code == 1 ? 200 : 404;
    return put_document_object(call, &arena, &json, call->values[0], call->values[1], &spec,
                               code == 1 ? &document : NULL);
}

static int handle_get(struct call *call)
{
    return answer_document(call, false);
}

static int handle_source(struct call *call)
{
    return answer_document(call, true);
}

/* One of several documents: found, not found, or why it cannot be told. */
static int put_wanted(struct call *call, struct json_writer *json, const struct json *item,
                      const struct logquery_source *otherwise)
{
    struct logquery_source spec = *otherwise;
    struct logstore_document document = { 0 };
    struct error error = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    arena_init(&arena, DOCUMENT_MEMORY_MAX);
    struct str index = call->value_count > 0 ? call->values[0] : STR("");
    index = json_text(json_get(item, STR("_index")), index);
    struct str id =
        json_is(item, JSON_OBJECT) ? json_text(json_get(item, STR("_id")), STR("")) : STR("");
    const struct json *given = json_is(item, JSON_OBJECT) ? json_get(item, STR("_id")) : item;
    if (json_is(given, JSON_TEXT))
        id = given->text;
    else if (json_is(given, JSON_INT))
        id = given->raw;
    const struct json *wanted = json_get(item, STR("_source"));
    if (wanted != NULL && logquery_source_read(wanted, call->arena, &spec) < 0) spec.is_off = true;
    int code = logstore_get(call->server->store, index, id, &arena, &document, &error);
    if (code >= 0) {
        return put_document_object(call, &arena, json, index, id, &spec,
                                   code == 1 ? &document : NULL);
    }
    json_object_begin(json);
    json_member_text(json, "_index", index);
    if (call->server->has_types) json_member_cstr(json, "_type", "_doc");
    json_member_text(json, "_id", id);
    json_key(json, STR("error"));
    bool is_missing = code == -ENOENT;
    put_error_object(json, is_missing ? "index_not_found_exception" : "exception",
                     is_missing
                         ? arena_printf(call->arena, "no such index [" STR_FMT "]", STR_ARG(index))
                         : str_from(error.text),
                     is_missing ? index : STR(""));
    json_object_end(json);
    return 0;
}

static int handle_mget(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    struct logquery_source spec = { 0 };
    if (json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    const struct json *list = json_get(root, STR("docs"));
    if (list == NULL) list = json_get(root, STR("ids"));
    if (!json_is(list, JSON_ARRAY) || list->array.count == 0) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: no documents to get;"));
    }
    int code = read_source_url(call, &spec);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("docs"));
    json_array_begin(&json);
    for (size_t i = 0; code == 0 && i < list->array.count; i++) {
        code = put_wanted(call, &json, &list->array.items[i], &spec);
    }
    json_array_end(&json);
    json_object_end(&json);
    return code;
}

#define DOCUMENT_PARAMETERS                                                                        \
    WRITE_PARAMETERS " op_type if_seq_no if_primary_term version version_type require_alias"
#define SOURCE_PARAMETERS " _source _source_includes _source_excludes"
#define UPDATE_PARAMETERS                                                                          \
    WRITE_PARAMETERS SOURCE_PARAMETERS                                                             \
        " retry_on_conflict if_seq_no if_primary_term require_alias lang"
#define GET_PARAMETERS                                                                             \
    SOURCE_PARAMETERS " preference realtime refresh routing stored_fields version version_type"

static const struct route rows[] = {
    { HTTP_POST, "/:index/_doc", handle_put, DOCUMENT_PARAMETERS },
    { HTTP_POST | HTTP_PUT, "/:index/_doc/:id", handle_put, DOCUMENT_PARAMETERS },
    { HTTP_GET, "/:index/_doc/:id", handle_get, GET_PARAMETERS },
    { HTTP_DELETE, "/:index/_doc/:id", handle_delete, DOCUMENT_PARAMETERS },
    { HTTP_POST | HTTP_PUT, "/:index/_create/:id", handle_create, DOCUMENT_PARAMETERS },
    { HTTP_POST, "/:index/_update/:id", handle_update, UPDATE_PARAMETERS },
    { HTTP_POST, "/:index/_doc/:id/_update", handle_update, UPDATE_PARAMETERS },
    { HTTP_GET, "/:index/_source/:id", handle_source, GET_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/_mget", handle_mget, GET_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/:index/_mget", handle_mget, GET_PARAMETERS },
};

const struct route_table document_routes = { rows, ARRAY_LENGTH(rows) };
