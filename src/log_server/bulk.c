/* bulk.c - _bulk: action lines and documents, carried out in order, answered item by item.
 *
 * GRAMMAR  (action "\n" [document "\n"])*; blank action lines are skipped, "\r" before "\n" too. A
 *          broken action line refuses the whole request before anything is done, as Elasticsearch
 *          does; a broken document refuses its own item only.
 * BATCHES  Operations go to the store BATCH_SIZE bytes at a time, so that memory stays bounded; an
 *          update reads what is there, so what came before it is written first.
 */
#include "log_server/bulk.h"

#include "base/check.h"
#include "codec/json.h"
#include "log_server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_SIZE  ((size_t)1 << 20)
#define BATCH_COUNT 5000
/* Of a request: what is held of each, and its answer, weigh up to a hundred times as much as the
 * shortest item. */
#define ITEMS_MAX       500000
#define ANSWER_SIZE_MAX ((size_t)1 << 30) /* for so many, whatever their ids and errors are */

static const struct str action_names[] = {
    [BULK_INDEX] = STR_INIT("index"),
    [BULK_CREATE] = STR_INIT("create"),
    [BULK_DELETE] = STR_INIT("delete"),
    [BULK_UPDATE] = STR_INIT("update"),
};

static int fail(struct error *error, size_t line, const char *expected, struct str found)
{
    struct str shown = str_first(found, found.size < 80 ? found.size : 80);
    return error_set(error, ERROR_INVALID,
                     "Malformed action/metadata line [%zu], expected %s but found [" STR_FMT "]",
                     line, expected, STR_ARG(shown));
}

static const struct str known_parameters[] = {
    STR_INIT("_index"),
    STR_INIT("_id"),
    STR_INIT("_type"),
    STR_INIT("routing"),
    STR_INIT("_routing"),
    STR_INIT("pipeline"),
    STR_INIT("op_type"),
    STR_INIT("version"),
    STR_INIT("_version"),
    STR_INIT("version_type"),
    STR_INIT("_version_type"),
    STR_INIT("if_seq_no"),
    STR_INIT("if_primary_term"),
    STR_INIT("require_alias"),
    STR_INIT("dynamic_templates"),
    STR_INIT("list_executed_pipelines"),
    STR_INIT("retry_on_conflict"),
    STR_INIT("_retry_on_conflict"),
    STR_INIT("_source"),
    STR_INIT("parent"),
    STR_INIT("_parent"),
};

static int check_parameter(const struct json_member *member, size_t line, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(known_parameters); i++) {
        if (str_equal(known_parameters[i], member->key)) return 0;
    }
    return error_set(error, ERROR_INVALID,
                     "Action/metadata line [%zu] contains an unknown "
                     "parameter [" STR_FMT "]",
                     line, STR_ARG(member->key));
}

/* Parameters that would change what is done, and that we cannot follow. */
static const char *find_unsupported(const struct json *action)
{
    static const char *const names[] = { "routing", "_routing", "_source", "dynamic_templates" };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct json *value = json_get(action, str_from(names[i]));
        bool is_off = value == NULL || value->kind == JSON_NULL ||
                      (value->kind == JSON_BOOL && !value->boolean) ||
                      (value->kind == JSON_OBJECT && value->object.count == 0);
        if (!is_off) return names[i];
    }
    return NULL;
}

static struct str either(struct str first, struct str second)
{
    return first.size > 0 ? first : second;
}

static struct str scalar(const struct json *value)
{
    if (json_is(value, JSON_TEXT)) return value->text;
    return json_is(value, JSON_INT) ? value->raw : STR("");
}

static int read_action(const struct json *root, size_t line, struct bulk_item *item,
                       struct error *error)
{
    if (!json_is(root, JSON_OBJECT)) {
        return fail(error, line, "START_OBJECT or END_OBJECT", STR("VALUE"));
    }
    if (root->object.count != 1) {
        return fail(error, line, "FIELD_NAME", STR("END_OBJECT"));
    }
    const struct json_member *member = &root->object.members[0];
    size_t action = 0;
    while (action < ARRAY_LENGTH(action_names) && !str_equal(action_names[action], member->key)) {
        action++;
    }
    if (action == ARRAY_LENGTH(action_names)) {
        return fail(error, line, "field [create], [delete], [index] or [update]", member->key);
    }
    item->action = (enum bulk_action)action;
    if (!json_is(&member->value, JSON_OBJECT)) {
        return fail(error, line, "START_OBJECT", STR("VALUE"));
    }
    for (size_t i = 0; i < member->value.object.count; i++) {
        int code = check_parameter(&member->value.object.members[i], line, error);
        if (code < 0) return code;
    }
    struct str index = scalar(json_get(&member->value, STR("_index")));
    if (index.size > 0) item->index = index;
    item->id = scalar(json_get(&member->value, STR("_id")));
    struct str op_type = json_text(json_get(&member->value, STR("op_type")), STR(""));
    if (item->action == BULK_INDEX && str_equal(op_type, STR("create"))) item->action = BULK_CREATE;
    const struct json *seq_no = json_get(&member->value, STR("if_seq_no"));
    item->has_if_seq_no = seq_no != NULL;
    item->if_seq_no = json_integer(seq_no, 0);
    item->pipeline = json_text(json_get(&member->value, STR("pipeline")), STR(""));
    item->unsupported = find_unsupported(&member->value);
    item->requires_alias = json_boolean(json_get(&member->value, STR("require_alias")), false);
    item->version = either(scalar(json_get(&member->value, STR("version"))),
                           scalar(json_get(&member->value, STR("_version"))));
    item->version_type = either(scalar(json_get(&member->value, STR("version_type"))),
                                scalar(json_get(&member->value, STR("_version_type"))));
    return 0;
}

/* A text that outlives the line: that of the item before when it is equal, for it mostly is. */
static bool keep(struct arena *arena, struct str before, struct str *text)
{
    if (text->size == 0) return true;
    *text = str_equal(*text, before) ? before : arena_copy(arena, *text);
    return text->data != NULL;
}

static bool keep_texts(struct arena *arena, const struct bulk_items *items, struct bulk_item *item)
{
    static const struct bulk_item none;
    const struct bulk_item *before = items->count > 0 ? &VEC_LAST(items) : &none;
    return keep(arena, before->index, &item->index) && keep(arena, STR(""), &item->id) &&
           keep(arena, before->pipeline, &item->pipeline) && keep(arena, STR(""), &item->version) &&
           keep(arena, before->version_type, &item->version_type);
}

static struct str take_line(struct str *rest)
{
    struct str line = str_cut(rest, '\n');
    if (line.size > 0 && line.data[line.size - 1] == '\r') line.size--;
    return line;
}

static int parse_action(struct json_parser *parser, struct arena *scratch, struct str text,
                        size_t line, struct bulk_item *item, struct error *error)
{
    const struct json *root = NULL;
    struct error reason = { 0 };
    arena_reset(scratch);
    if (json_parse(parser, scratch, text, &root, &reason) < 0) {
        return fail(error, line, "START_OBJECT or END_OBJECT", str_trim(text));
    }
    return read_action(root, line, item, error);
}

int bulk_parse(struct str body, struct str default_index, struct arena *arena,
               struct bulk_items *items, struct error *error)
{
    if (body.size == 0) return error_set(error, ERROR_INVALID, "request body is required");
    if (body.data[body.size - 1] != '\n') {
        return error_set(error, ERROR_INVALID,
                         "The bulk request must be terminated by a newline [\\n]");
    }
    struct json_parser *parser = NULL;
    int code = json_parser_new(&parser, error);
    CLEANUP(arena_release) struct arena scratch = { 0 };
    arena_init(&scratch, (size_t)1 << 30);
    size_t line = 0;
    struct str rest = body;
    struct str line_before = { NULL, 0 };
    while (code == 0 && rest.size > 0) {
        struct str action_line = take_line(&rest);
        line++;
        if (str_trim(action_line).size == 0) continue;
        struct bulk_item item = { .index = default_index };
        /* Shippers mostly send the same action again and again. */
        bool is_same = items->count > 0 && str_equal(action_line, line_before);
        if (is_same) {
            item = VEC_LAST(items);
            item.source = (struct str){ NULL, 0 };
        } else {
            code = parse_action(parser, &scratch, action_line, line, &item, error);
        }
        if (code < 0) break;
        line_before = action_line;
        if (item.index.size == 0) {
            code = error_set(error, ERROR_INVALID, "Validation Failed: 1: index is missing;");
            break;
        }
        if (item.action != BULK_DELETE) {
            if (rest.size == 0) {
                code = error_set(error, ERROR_INVALID,
                                 "The bulk request must be terminated by a "
                                 "newline [\\n]: line %zu has no source",
                                 line);
                break;
            }
            item.source = take_line(&rest);
            line++;
        } else if (item.id.size == 0) {
            code = error_set(error, ERROR_INVALID, "Validation Failed: 1: id is missing;");
            break;
        }
        if (item.action == BULK_UPDATE && item.id.size == 0) {
            code = error_set(error, ERROR_INVALID, "Validation Failed: 1: id is missing;");
            break;
        }
        if (items->count == ITEMS_MAX) {
            code = error_set(error, ERROR_LIMIT,
                             "the request has more than [%d] actions, the limit; send fewer at a "
                             "time",
                             ITEMS_MAX);
        } else if ((!is_same && !keep_texts(arena, items, &item)) || !VEC_PUSH(items, item))
            code = error_set(error, -ENOMEM, "read bulk: out of memory");
    }
    json_parser_free(parser);
    if (code == 0 && items->count == 0) {
        code = error_set(error, ERROR_INVALID, "Validation Failed: 1: no requests added;");
    }
    return code;
}

void bulk_refuse(struct logstore_operation *operation, int status, const char *type,
                 struct str reason)
{
    operation->outcome = LOGSTORE_FAILED;
    operation->status = status;
    operation->error_type = type;
    operation->reason = reason;
    operation->result_id = operation->id;
    operation->result_index = operation->index;
}

/* Answers ------------------------------------------------------------------------------------- */

static const char *outcome_name(enum logstore_outcome outcome)
{
    static const char *const names[] = {
        [LOGSTORE_CREATED] = "created", [LOGSTORE_UPDATED] = "updated",
        [LOGSTORE_DELETED] = "deleted", [LOGSTORE_NOT_FOUND] = "not_found",
        [LOGSTORE_FAILED] = "failed",   [LOGSTORE_NOOP] = "noop",
    };
    return names[outcome];
}

static void put_failure(struct json_writer *json, const struct logstore_operation *operation)
{
    json_object_begin(json);
    json_member_cstr(json, "type", operation->error_type);
    json_member_text(json, "reason", operation->reason);
    if (operation->cause_type.size > 0) {
        json_key(json, STR("caused_by"));
        json_object_begin(json);
        json_member_text(json, "type", operation->cause_type);
        json_member_text(json, "reason", operation->cause_reason);
        json_object_end(json);
    }
    json_member_cstr(json, "shard", "0");
    json_member_text(json, "index", operation->result_index);
    json_object_end(json);
}

void put_outcome_members(const struct call *call, struct json_writer *json,
                         const struct logstore_operation *operation)
{
    json_member_text(json, "_index", operation->result_index);
    if (call->server->has_types) json_member_cstr(json, "_type", "_doc");
    json_member_text(json, "_id", operation->result_id);
    if (operation->outcome == LOGSTORE_FAILED) {
        json_member_int(json, "status", operation->status);
        json_key(json, STR("error"));
        put_failure(json, operation);
        return;
    }
    json_member_int(json, "_version", operation->version);
    json_member_cstr(json, "result", outcome_name(operation->outcome));
    json_key(json, STR("_shards"));
    json_put_raw(json, STR("{\"total\":1,\"successful\":1,\"failed\":0}"));
    json_member_int(json, "_seq_no", operation->seq_no);
    json_member_int(json, "_primary_term", 1);
}

static void put_outcome(const struct call *call, struct json_writer *json,
                        const struct logstore_operation *operation)
{
    json_object_begin(json);
    put_outcome_members(call, json, operation);
    if (operation->outcome != LOGSTORE_FAILED) json_member_int(json, "status", operation->status);
    json_object_end(json);
}

static struct logstore_operation to_operation(const struct call *call, const struct bulk_item *item)
{
    struct str body = call->request->body;
    return (struct logstore_operation){
        .action = item->action == BULK_CREATE   ? LOGSTORE_CREATE
                  : item->action == BULK_DELETE ? LOGSTORE_DELETE
                                                : LOGSTORE_INDEX,
        .index = item->index,
        .id = item->id,
        .source = item->source,
        .behind = item->source.size == 0
                      ? 0
                      : (size_t)(body.data + body.size - (item->source.data + item->source.size)),
        .has_if_seq_no = item->has_if_seq_no,
        .if_seq_no = item->if_seq_no,
    };
}

/* Items that could not be written at all are to be sent again. */
static void refuse_rest(struct logstore_operation *operations, size_t count, struct arena *arena,
                        const struct error *error)
{
    struct str reason = arena_copy(arena, str_from(error->text));
    bool is_in_doubt = error->code == -EIO;
    for (size_t i = 0; i < count; i++) {
        bulk_refuse(&operations[i], is_in_doubt ? 503 : 429,
                    is_in_doubt ? "unavailable_shards_exception"
                                : "es_rejected_execution_exception",
                    reason);
    }
}

const char *bulk_read_version(struct str version, struct str type,
                              struct logstore_operation *operation)
{
    bool is_same_fine = str_equal(type, STR("external_gte"));
    if (version.size == 0 && type.size == 0) return NULL;
    if (type.size == 0 || str_equal(type, STR("internal"))) {
        return version.size == 0 ? NULL
                                 : "internal versioning can not be used for optimistic concurrency "
                                   "control. Please use `if_seq_no` and `if_primary_term` instead";
    }
    if (!is_same_fine && !str_equal(type, STR("external"))) return "No version type match";
    if (!str_to_int64(version, &operation->given_version) || operation->given_version < 0) {
        return "illegal version value for version type [external]";
    }
    if (operation->action == LOGSTORE_CREATE) {
        return "create operations only support internal versioning. use index instead";
    }
    if (operation->id.size == 0) return "an id must be provided if version type is external";
    operation->has_version = true;
    operation->allows_same_version = is_same_fine;
    return NULL;
}

/* Documents would have to go through a pipeline, and there are none. */
static bool needs_pipeline(const struct bulk_item *item)
{
    return item->pipeline.size > 0 && !str_equal(item->pipeline, STR("_none"));
}

static void refuse_pipeline(const struct bulk_item *item, struct logstore_operation *operation,
                            struct arena *arena)
{
    bulk_refuse(operation, 400, "illegal_argument_exception",
                arena_printf(arena, "pipeline with id [" STR_FMT "] does not exist",
                             STR_ARG(item->pipeline)));
}

static bool stands_alone(const struct bulk_item *item)
{
    return item->action == BULK_UPDATE || needs_pipeline(item) || item->unsupported != NULL ||
           item->requires_alias || item->version.size > 0 || item->version_type.size > 0;
}

static size_t batch_end(const struct bulk_items *items, size_t start)
{
    size_t size = 0;
    size_t end = start;
    while (end < items->count && end - start < BATCH_COUNT && size < BATCH_SIZE) {
        bool is_alone = stands_alone(&items->items[end]);
        if (is_alone && end > start) break;
        size += items->items[end++].source.size;
        if (is_alone) break;
    }
    return end;
}

static int run_batch(struct call *call, const struct bulk_item *first,
                     struct logstore_operation *operations, size_t count, struct arena *arena,
                     struct error *error)
{
    if (needs_pipeline(first)) {
        refuse_pipeline(first, &operations[0], arena);
        return 0;
    }
    if (first->unsupported != NULL) {
        bulk_refuse(&operations[0], 400, "illegal_argument_exception",
                    arena_printf(arena, "[%s] is not supported", first->unsupported));
        return 0;
    }
    if (first->requires_alias && !document_check_alias(call, &operations[0])) return 0;
    const char *reason = bulk_read_version(first->version, first->version_type, &operations[0]);
    if (reason != NULL) {
        bulk_refuse(&operations[0], 400, "action_request_validation_exception",
                    arena_printf(arena, "Validation Failed: 1: %s;", reason));
        return 0;
    }
    if (first->action == BULK_UPDATE) {
        return bulk_update(call, first->source, arena, &operations[0], error);
    }
    return logstore_write(call->server->store, operations, count, arena, error);
}

/* What is put into the answer. Shippers ask for little by ?filter_path; that is written as it is to
 * be, for an answer that is written whole, parsed and filtered cost a tenth of all ingest. */
struct bulk_form {
    bool is_filtered; /* nothing but what follows */
    bool has_took, has_errors;
    bool has_status, has_error; /* of each item; an item without either is left out */
};

static struct bulk_form bulk_form(const struct call *call)
{
    static const struct bulk_form whole = { .has_took = true, .has_errors = true };
    struct bulk_form form = { .is_filtered = true };
    struct str rest = call_parameter(call, "filter_path");
    if (rest.size == 0) return whole;
    while (rest.size > 0) {
        struct str pattern = str_trim(str_cut(&rest, ','));
        if (str_equal(pattern, STR("took")))
            form.has_took = true;
        else if (str_equal(pattern, STR("errors")))
            form.has_errors = true;
        else if (str_equal(pattern, STR("items.*.status")))
            form.has_status = true;
        else if (str_equal(pattern, STR("items.*.error")))
            form.has_error = true;
        else
            return whole;
    }
    return form;
}

#define REPEATED_SIZE_MAX 48

/* The items of an answer in the making. */
struct answered {
    struct json_writer json;
    struct bulk_form form;
    bool has_errors;
    size_t count; /* items that were put */
    /* The last item that was filtered and did not fail, for most are alike. */
    enum bulk_action action;
    int status; /* 0: none yet */
    size_t repeated_size;
    char repeated[REPEATED_SIZE_MAX];
};

static void put_filtered(struct answered *answered, enum bulk_action action,
                         const struct logstore_operation *operation)
{
    struct json_writer *json = &answered->json;
    bool has_failed = operation->outcome == LOGSTORE_FAILED;
    if (!answered->form.has_status && !(has_failed && answered->form.has_error)) return;
    answered->count++;
    if (!has_failed && operation->status == answered->status && action == answered->action) {
        json_put_raw(json, (struct str){ answered->repeated, answered->repeated_size });
        return;
    }
    size_t before = json->out->size + json->needs_comma;
    json_object_begin(json);
    json_key(json, action_names[action]);
    json_object_begin(json);
    if (answered->form.has_status) json_member_int(json, "status", operation->status);
    if (has_failed && answered->form.has_error) {
        json_key(json, STR("error"));
        put_failure(json, operation);
    }
    json_object_end(json);
    json_object_end(json);
    size_t size = json->out->size - before;
    if (has_failed || json->out->has_failed || size > REPEATED_SIZE_MAX) return;
    answered->action = action;
    answered->status = operation->status;
    answered->repeated_size = size;
    memcpy(answered->repeated, json->out->data + before, size);
}

static void put_item(const struct call *call, struct answered *answered, enum bulk_action action,
                     const struct logstore_operation *operation)
{
    struct json_writer *json = &answered->json;
    answered->has_errors |= operation->outcome == LOGSTORE_FAILED;
    if (answered->form.is_filtered) {
        put_filtered(answered, action, operation);
        return;
    }
    json_object_begin(json);
    json_key(json, action_names[action]);
    put_outcome(call, json, operation);
    json_object_end(json);
    answered->count++;
}

static void run_batches(struct call *call, const struct bulk_items *items,
                        struct answered *answered)
{
    size_t most = items->count < BATCH_COUNT ? items->count : BATCH_COUNT;
    struct logstore_operation *operations = calloc(most + 1, sizeof(*operations));
    for (size_t start = 0; operations != NULL && start < items->count;) {
        size_t end = batch_end(items, start);
        size_t count = end - start;
        struct arena arena;
        struct error error = { 0 };
        arena_init(&arena, (size_t)1 << 30);
        for (size_t i = 0; i < count; i++)
            operations[i] = to_operation(call, &items->items[start + i]);
        int code = role_is_memory_short(call->server->role)
                       ? error_set(&error, ERROR_REFUSED,
                                   "over the memory limit (--memory.max), try again later")
                       : run_batch(call, &items->items[start], operations, count, &arena, &error);
        if (code < 0) refuse_rest(operations, count, &arena, &error);
        for (size_t i = 0; i < count; i++) {
            put_item(call, answered, items->items[start + i].action, &operations[i]);
        }
        arena_release(&arena);
        start = end;
    }
    free(operations);
}

/* What comes before the items is known when they are there, and put before them in place. */
static bool put_head(struct call *call, const struct answered *answered, int64_t took_ms)
{
    const struct bulk_form *form = &answered->form;
    struct buf *body = &call->response->body;
    CLEANUP(buf_release) struct buf head = { 0 };
    struct json_writer json;
    buf_init(&head, 256);
    json_writer_init(&json, &head);
    json_object_begin(&json);
    if (form->has_took) json_member_int(&json, "took", took_ms);
    if (form->has_errors) json_member_bool(&json, "errors", answered->has_errors);
    if (!form->is_filtered || answered->count > 0)
        json_key(&json, STR("items"));
    else
        buf_reset(body);
    size_t items_size = body->size;
    buf_append_str(body, buf_str(&head));
    buf_append_char(body, '}');
    if (body->has_failed || head.has_failed) return false;
    memmove(body->data + head.size, body->data, items_size);
    memcpy(body->data, head.data, head.size);
    return true;
}

static int answer_bulk(struct call *call, const struct bulk_items *items, int64_t start_ns)
{
    struct answered answered = { .form = bulk_form(call) };
    call->is_filtered = answered.form.is_filtered;
    call->response->body.size_max = ANSWER_SIZE_MAX;
    json_writer_init(&answered.json, &call->response->body);
    json_array_begin(&answered.json);
    run_batches(call, items, &answered);
    json_array_end(&answered.json);
    int64_t took_ms = (clock_monotonic_ns(call->server->clock) - start_ns) / 1000000;
    return put_head(call, &answered, took_ms) ? 0 : ERROR_LIMIT;
}

static int answer_broken(struct call *call, int code, const struct error *error)
{
    struct str reason = str_from(error->text);
    const char *type =
        str_starts_with(reason, STR("Validation"))     ? "action_request_validation_exception"
        : str_starts_with(reason, STR("request body")) ? "parse_exception"
                                                       : "illegal_argument_exception";
    int status = code == ERROR_LIMIT ? 413 : code == -ENOMEM ? 429 : 400;
    return answer_error(call, status, type, reason);
}

static int handle_bulk(struct call *call)
{
    if (document_answer_refresh(call)) return 0;
    int64_t start_ns = clock_monotonic_ns(call->server->clock);
    struct arena arena;
    struct bulk_items items = { 0 };
    struct error error = { 0 };
    struct str index = call->value_count > 0 ? call->values[0] : STR("");
    arena_init(&arena, (size_t)1 << 30);
    int code = bulk_parse(call->request->body, index, &arena, &items, &error);
    struct str pipeline = call_parameter(call, "pipeline");
    bool requires_alias = call_flag(call, "require_alias", false);
    VEC_FOR_EACH (&items, item) {
        if (item->pipeline.size == 0) item->pipeline = pipeline;
        item->requires_alias |= requires_alias;
    }
    if (code < 0) {
        code = answer_broken(call, code, &error);
    } else {
        code = answer_bulk(call, &items, start_ns);
    }
    VEC_RELEASE(&items);
    arena_release(&arena);
    double seconds = (double)(clock_monotonic_ns(call->server->clock) - start_ns) / 1e9;
    pm_observe(call->server->bulk_duration, seconds);
    return code;
}

static const struct route rows[] = {
    { HTTP_POST | HTTP_PUT, "/_bulk", handle_bulk, WRITE_PARAMETERS " require_alias" },
    { HTTP_POST | HTTP_PUT, "/:index/_bulk", handle_bulk, WRITE_PARAMETERS " require_alias" },
    { HTTP_POST | HTTP_PUT, "/:index/_doc/_bulk", handle_bulk, WRITE_PARAMETERS " require_alias" },
};

const struct route_table bulk_routes = { rows, ARRAY_LENGTH(rows) };
