/* updates.c - updates of documents: parts merged into what is there. */
#include "codec/json.h"
#include "log_server/bulk.h"
#include "log_server/server.h"

#include <errno.h>

#define UPDATE_TRIES 5

/* Depth: JSON_DEPTH_MAX, of a document that was parsed. */
static bool is_equal(const struct json *a, const struct json *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case JSON_NULL: return true;
    case JSON_TEXT: return str_equal(a->text, b->text);
    case JSON_BOOL:
    case JSON_INT:
    case JSON_DOUBLE: return str_equal(a->raw, b->raw);
    case JSON_ARRAY:
        if (a->array.count != b->array.count) return false;
        for (size_t i = 0; i < a->array.count; i++) {
            if (!is_equal(&a->array.items[i], &b->array.items[i])) return false;
        }
        return true;
    case JSON_OBJECT:
        if (a->object.count != b->object.count) return false;
        for (size_t i = 0; i < a->object.count; i++) {
            const struct json *other = json_get(b, a->object.members[i].key);
            if (other == NULL || !is_equal(&a->object.members[i].value, other)) return false;
        }
        return true;
    }
    return false;
}

/* Whether merging leaves an object as it is: objects are merged, all else is replaced. */
static bool changes_nothing(const struct json *old, const struct json *add)
{
    for (size_t i = 0; i < add->object.count; i++) {
        const struct json_member *member = &add->object.members[i];
        const struct json *there = json_get(old, member->key);
        if (there == NULL) return false;
        bool are_objects = json_is(there, JSON_OBJECT) && json_is(&member->value, JSON_OBJECT);
        if (are_objects ? !changes_nothing(there, &member->value)
                        : !is_equal(there, &member->value)) {
            return false;
        }
    }
    return true;
}

static void merge_objects(struct json_writer *json, const struct json *old, const struct json *add)
{
    json_object_begin(json);
    for (size_t i = 0; i < old->object.count; i++) {
        const struct json_member *member = &old->object.members[i];
        const struct json *over = json_get(add, member->key);
        json_key(json, member->key);
        bool are_objects = json_is(over, JSON_OBJECT) && json_is(&member->value, JSON_OBJECT);
        if (are_objects)
            merge_objects(json, &member->value, over);
        else
            json_put_raw(json, over != NULL ? over->raw : member->value.raw);
    }
    for (size_t i = 0; i < add->object.count; i++) {
        const struct json_member *member = &add->object.members[i];
        if (json_get(old, member->key) != NULL) continue;
        json_key(json, member->key);
        json_put_raw(json, member->value.raw);
    }
    json_object_end(json);
}

/* False with the operation refused. */
static bool check_body(struct arena *arena, const struct json *body,
                       struct logstore_operation *operation)
{
    static const char *const known[] = { "doc", "upsert", "doc_as_upsert", "detect_noop",
                                         "_source" };
    for (size_t i = 0; json_is(body, JSON_OBJECT) && i < body->object.count; i++) {
        struct str key = body->object.members[i].key;
        bool is_known = false;
        for (size_t k = 0; k < ARRAY_LENGTH(known); k++) {
            is_known |= str_equal(key, str_from(known[k]));
        }
        if (str_equal(key, STR("script")) || str_equal(key, STR("scripted_upsert"))) {
            bulk_refuse(operation, 400, "illegal_argument_exception",
                        STR("scripts are not supported"));
            return false;
        }
        if (is_known) continue;
        bulk_refuse(
            operation, 400, "x_content_parse_exception",
            arena_printf(arena, "[UpdateRequest] unknown field [" STR_FMT "]", STR_ARG(key)));
        return false;
    }
    return true;
}

/* What becomes of a document that is not there: 1 with operation->source filled, 0 when it is
 * decided. */
static int plan_upsert(struct arena *arena, const struct json *body,
                       struct logstore_operation *operation)
{
    const struct json *upsert = json_get(body, STR("upsert"));
    if (upsert == NULL && json_boolean(json_get(body, STR("doc_as_upsert")), false)) {
        upsert = json_get(body, STR("doc"));
    }
    if (upsert == NULL || operation->has_if_seq_no) {
        bulk_refuse(
            operation, 404, "document_missing_exception",
            arena_printf(arena, "[_doc][" STR_FMT "]: document missing", STR_ARG(operation->id)));
        return 0;
    }
    operation->source = upsert->raw;
    operation->action = LOGSTORE_CREATE;
    return 1;
}

static void decide_noop(struct logstore_operation *operation, const struct logstore_document *old)
{
    operation->outcome = LOGSTORE_NOOP;
    operation->status = 200;
    operation->result_index = old->index;
    operation->result_id = operation->id;
    operation->version = old->version;
    operation->seq_no = old->seq_no;
    operation->source = old->source;
}

/* The same of a document that is there. */
static int plan_merge(struct arena *arena, const struct json *body,
                      const struct logstore_document *old, struct logstore_operation *operation,
                      struct error *error)
{
    const struct json *root = NULL;
    const struct json *doc = json_get(body, STR("doc"));
    int code = json_parse(NULL, arena, old->source, &root, error);
    if (code < 0) return code;
    if (!json_is(doc, JSON_OBJECT)) {
        bulk_refuse(operation, 400, "action_request_validation_exception",
                    STR("Validation Failed: 1: script or doc is missing;"));
        return 0;
    }
    if (operation->has_if_seq_no && operation->if_seq_no != old->seq_no) {
        bulk_refuse(operation, 409, "version_conflict_engine_exception",
                    arena_printf(arena,
                                 "[" STR_FMT "]: version conflict, required seqNo [%lld], primary "
                                 "term [1]. current document has seqNo [%lld] and primary term [1]",
                                 STR_ARG(operation->id), (long long)operation->if_seq_no,
                                 (long long)old->seq_no));
        return 0;
    }
    bool detects = json_boolean(json_get(body, STR("detect_noop")), true);
    if (detects && changes_nothing(root, doc)) {
        decide_noop(operation, old);
        return 0;
    }
    CLEANUP(buf_release) struct buf merged = { 0 };
    struct json_writer json;
    buf_init(&merged, (size_t)256 << 20);
    json_writer_init(&json, &merged);
    merge_objects(&json, root, doc);
    operation->source = arena_copy(arena, buf_str(&merged));
    if (merged.has_failed || operation->source.data == NULL) {
        return error_set(error, -ENOMEM, "update a document: out of memory");
    }
    operation->has_if_seq_no = true;
    operation->if_seq_no = old->seq_no;
    return 1;
}

/* What an update writes: 1 with operation->source filled, 0 when it is decided already, or why what
 * is there cannot be read. */
static int plan(struct call *call, const struct json *body, struct arena *arena,
                struct logstore_operation *operation, struct error *error)
{
    struct logstore_document old = { 0 };
    int code =
        logstore_get(call->server->store, operation->index, operation->id, arena, &old, error);
    if (code < 0 && code != -ENOENT) return code;
    return code == 1 ? plan_merge(arena, body, &old, operation, error)
                     : plan_upsert(arena, body, operation);
}

int bulk_update(struct call *call, struct str body, struct arena *arena,
                struct logstore_operation *operation, struct error *error)
{
    const struct json *root = NULL;
    struct logstore_operation asked = *operation;
    if (json_parse(NULL, arena, body, &root, error) < 0) {
        bulk_refuse(operation, 400, "mapper_parsing_exception", STR("failed to parse"));
        return 0;
    }
    if (!check_body(arena, root, operation)) return 0;
    int code = 0;
    for (int tries = 0; code == 0 && tries < UPDATE_TRIES; tries++) {
        *operation = asked;
        operation->behind = 0; /* the source will be another */
        operation->action = LOGSTORE_INDEX;
        code = plan(call, root, arena, operation, error);
        if (code <= 0) return code;
        code = logstore_write(call->server->store, operation, 1, arena, error);
        if (operation->status != 409 || asked.has_if_seq_no) break;
    }
    return code;
}
