/* by_query.c - _delete_by_query: documents found first, deleted in batches then. */
#include "codec/json.h"
#include "log_server/searching.h"

#include <stdlib.h>

#define BATCH_COUNT 1000

struct deletion {
    struct call *call;
    struct arena arena; /* of one batch */
    struct logstore_operation operations[BATCH_COUNT];
    size_t count;
    uint64_t total, deleted, conflicts, batches;
    uint64_t documents_max; /* 0: all */
    struct error *error;
};

static int flush(struct deletion *deletion)
{
    if (deletion->count == 0) return 0;
    int code = logstore_write(deletion->call->server->store, deletion->operations, deletion->count,
                              &deletion->arena, deletion->error);
    for (size_t i = 0; code == 0 && i < deletion->count; i++) {
        bool is_deleted = deletion->operations[i].outcome == LOGSTORE_DELETED;
        deletion->deleted += is_deleted;
        deletion->conflicts += !is_deleted;
    }
    deletion->count = 0;
    deletion->batches++;
    arena_reset(&deletion->arena);
    return code;
}

static int visit(void *context, struct str index, const struct logstore_hit *hit)
{
    struct deletion *deletion = context;
    if (deletion->documents_max > 0 && deletion->total >= deletion->documents_max) return 0;
    struct logstore_operation operation = {
        .action = LOGSTORE_DELETE,
        .index = arena_copy(&deletion->arena, index),
        .id = arena_copy(&deletion->arena, hit->id),
        .has_if_seq_no = true, /* what changed since it was found stays */
        .if_seq_no = hit->seq_no,
    };
    if (operation.index.data == NULL || operation.id.data == NULL) return ERROR_LIMIT;
    deletion->total++;
    deletion->operations[deletion->count++] = operation;
    return deletion->count == BATCH_COUNT ? flush(deletion) : 0;
}

static int answer_deletion(struct call *call, const struct deletion *deletion, int64_t took_ms)
{
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_int(&json, "took", took_ms);
    json_member_bool(&json, "timed_out", false);
    json_member_int(&json, "total", (int64_t)deletion->total);
    json_member_int(&json, "deleted", (int64_t)deletion->deleted);
    json_member_int(&json, "batches", (int64_t)deletion->batches);
    json_member_int(&json, "version_conflicts", (int64_t)deletion->conflicts);
    json_member_int(&json, "noops", 0);
    json_key(&json, STR("retries"));
    json_put_raw(&json, STR("{\"bulk\":0,\"search\":0}"));
    json_member_int(&json, "throttled_millis", 0);
    json_key(&json, STR("requests_per_second"));
    json_put_raw(&json, STR("-1.0"));
    json_member_int(&json, "throttled_until_millis", 0);
    json_key(&json, STR("failures"));
    json_put_raw(&json, STR("[]"));
    json_object_end(&json);
    return 0;
}

/* The body may hold the query and how many at most. */
static bool read_body(struct call *call, struct deletion *deletion)
{
    const struct json *root = NULL;
    struct str body = call->request->body;
    if (str_trim(body).size == 0) return false;
    if (json_parse(NULL, call->arena, body, &root, NULL) < 0) return true; /* told of below */
    int64_t most = json_integer(json_get(root, STR("max_docs")), 0);
    int64_t from_url;
    if (str_to_int64(call_parameter(call, "max_docs"), &from_url)) most = from_url;
    deletion->documents_max = most > 0 ? (uint64_t)most : 0;
    return json_get(root, STR("query")) != NULL;
}

static int handle_delete(struct call *call)
{
    struct deletion *deletion = calloc(1, sizeof(*deletion));
    if (deletion == NULL) return ERROR_LIMIT;
    int64_t start_ns = clock_monotonic_ns(call->server->clock);
    struct error error = { 0 };
    struct arena arena;
    struct logquery_failure failure = { 0 };
    struct logquery_request request = { .body = call->request->body };
    struct logquery_visitor visitor = { visit, deletion };
    request_read(call, &request);
    request.indices = call->values[0];
    deletion->call = call;
    deletion->error = &error;
    arena_init_within(&arena, LOGQUERY_MEMORY_MAX, &call->server->query_budget);
    arena_init_within(&deletion->arena, LOGQUERY_MEMORY_MAX, &call->server->query_budget);
    int code = 0;
    if (!read_body(call, deletion) && request.q.data == NULL) {
        code = answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: query is missing;"));
    } else {
        code = logquery_each(&call->server->query_options, &request, &arena, &visitor, &failure,
                             &error);
        if (code == 0) code = flush(deletion);
        int64_t took_ms = (clock_monotonic_ns(call->server->clock) - start_ns) / 1000000;
        if (code == 0)
            code = answer_deletion(call, deletion, took_ms);
        else if (failure.type != NULL)
            code = answer_failure(call, &failure);
        else
            code = answer_store_error(call, code, "illegal_argument_exception", &error);
    }
    arena_release(&arena);
    arena_release(&deletion->arena);
    free(deletion);
    return code;
}

static const struct route rows[] = {
    { HTTP_POST, "/:index/_delete_by_query", handle_delete,
      COUNT_PARAMETERS
      " conflicts refresh timeout wait_for_active_shards wait_for_completion slices"
      " scroll scroll_size requests_per_second max_docs search_timeout" },
};

const struct route_table by_query_routes = { rows, ARRAY_LENGTH(rows) };
