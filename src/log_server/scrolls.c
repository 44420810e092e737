/* scrolls.c - scroll and point in time, by Elasticsearch's paths and by OpenSearch's. */
#include "codec/json.h"
#include "log_server/contexts.h"
#include "log_server/searching.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int answer_context_missing(struct call *call, struct str id)
{
    struct logquery_failure failure = { .status = 404,
                                        .type = "search_context_missing_exception",
                                        .is_phase_failure = true };
    (void)snprintf(failure.reason, sizeof(failure.reason), "No search context found for id [%.*s]",
                   (int)(id.size < 64 ? id.size : 64), id.data == NULL ? "" : id.data);
    return answer_failure(call, &failure);
}

/* The answer to a keep_alive that cannot be; 0 when it can. */
static int refuse_keep_alive(struct call *call, struct str text, int64_t *ms)
{
    if (!time_value_parse(text, ms) || *ms <= 0) {
        (void)answer_error(call, 400, "illegal_argument_exception",
                           arena_printf(call->arena,
                                        "failed to parse setting [keep_alive] with value "
                                        "[" STR_FMT "] as a time value: a number with a unit is "
                                        "wanted, as in 1m",
                                        STR_ARG(text)));
        return 1;
    }
    if (*ms <= KEEP_ALIVE_MAX_MS) return 0;
    (void)answer_error(call, 400, "illegal_argument_exception",
                       arena_printf(call->arena,
                                    "Keep alive for request (" STR_FMT ") is too large. It must be "
                                    "less than (1d).",
                                    STR_ARG(text)));
    return 1;
}

static int answer_open_failure(struct call *call, int code, const struct error *error)
{
    if (code == ERROR_REFUSED) {
        return answer_error(call, 429, "es_rejected_execution_exception", str_from(error->text));
    }
    return answer_store_error(call, code, "illegal_argument_exception", error);
}

/* A context over what the request's indices hold now; NULL when the answer is given. */
static struct context *open_context(struct call *call, const struct logquery_request *request,
                                    bool is_scroll, int64_t keep_alive_ms)
{
    struct logquery_failure failure = { 0 };
    struct logstore_snapshot *snapshot = NULL;
    struct context *context = NULL;
    struct error error = { 0 };
    int code = logquery_snapshot(&call->server->query_options, request, call->arena, &snapshot,
                                 &failure, &error);
    if (code < 0) {
        (void)answer_failure(call, &failure);
        return NULL;
    }
    code = contexts_open(&call->server->contexts, snapshot, is_scroll, keep_alive_ms, &context,
                         &error);
    if (code < 0) (void)answer_open_failure(call, code, &error);
    return context;
}

/* Scroll -------------------------------------------------------------------------------------- */

/* Answers one page; the context is the caller's. */
static int answer_page(struct call *call, struct context *context)
{
    struct logquery_failure failure = { 0 };
    CLEANUP(buf_release) struct buf next = { 0 };
    buf_init(&next, CONTEXT_MEMORY_MAX);
    mutex_lock(&context->mutex);
    struct logquery_page page = {
        .snapshot = context->snapshot,
        .is_scroll = true,
        .after = buf_str(&context->after),
        .known_total = context->total,
        .scroll_id = str_from(context->id),
        .after_out = &next,
        .total_out = &context->total,
    };
    struct logquery_request request = context->request;
    request.page = &page;
    request.total_hits_as_int = call_flag(call, "rest_total_hits_as_int", false);
    int code = run_query(call, logquery_search, &request, &call->response->body, &failure);
    bool is_kept = code == 0 && !next.has_failed;
    if (is_kept && next.size > 0) {
        buf_reset(&context->after);
        buf_append_str(&context->after, buf_str(&next));
    }
    mutex_unlock(&context->mutex);
    if (code == 0 && !is_kept) return ERROR_LIMIT;
    return code < 0 ? answer_failure(call, &failure) : 0;
}

int scroll_begin(struct call *call, const struct logquery_request *request)
{
    int64_t keep_alive_ms;
    if (refuse_keep_alive(call, call_parameter(call, "scroll"), &keep_alive_ms) != 0) return 0;
    struct context *context = open_context(call, request, true, keep_alive_ms);
    if (context == NULL) return 0;
    struct contexts *contexts = &call->server->contexts;
    int code = 0;
    if (!request_copy(&context->arena, request, &context->request)) {
        code = answer_error(call, 400, "illegal_argument_exception",
                            STR("the body of a search that is scrolled is limited to 4 MiB"));
    } else {
        code = answer_page(call, context);
    }
    bool is_over = call->response->status != 200;
    if (is_over) (void)contexts_close(contexts, str_from(context->id), true);
    contexts_put(contexts, context);
    return code;
}

/* A list of ids as bodies and paths have them. */
static int read_ids(struct call *call, const char *name, const struct str **ids, size_t *count)
{
    struct str text = call->value_count > 0 ? call->values[0] : call_parameter(call, name);
    const struct json *root = NULL;
    struct str body = str_trim(call->request->body);
    const struct json *value = NULL;
    if (text.data == NULL && body.size > 0 && body.data[0] == '{') {
        if (json_parse(NULL, call->arena, body, &root, NULL) < 0) return ERROR_PARSE;
        value = json_get(root, str_from(name));
        text = json_text(value, STR(""));
    } else if (text.data == NULL) {
        text = body;
    }
    bool is_list = json_is(value, JSON_ARRAY);
    size_t capacity = is_list ? value->array.count : 1;
    for (size_t i = 0; !is_list && i < text.size; i++) capacity += text.data[i] == ',';
    struct str *list = ARENA_ARRAY(call->arena, struct str, capacity + 1);
    if (list == NULL) return ERROR_LIMIT;
    *count = 0;
    for (size_t i = 0; is_list && i < capacity; i++) {
        list[(*count)++] = json_text(&value->array.items[i], STR(""));
    }
    while (!is_list && text.size > 0) list[(*count)++] = str_trim(str_cut(&text, ','));
    *ids = list;
    return 0;
}

static int handle_next(struct call *call)
{
    const struct str *ids;
    size_t count;
    if (read_ids(call, "scroll_id", &ids, &count) < 0 || count == 0) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: scrollId is missing;"));
    }
    struct str keep_alive = call_parameter(call, "scroll");
    const struct json *root = NULL;
    struct str body = str_trim(call->request->body);
    if (keep_alive.data == NULL && body.size > 0 && body.data[0] == '{' &&
        json_parse(NULL, call->arena, body, &root, NULL) == 0) {
        keep_alive = json_text(json_get(root, STR("scroll")), STR(""));
    }
    int64_t keep_alive_ms = 0;
    if (keep_alive.size > 0 && refuse_keep_alive(call, keep_alive, &keep_alive_ms) != 0) return 0;
    struct contexts *contexts = &call->server->contexts;
    struct context *context = contexts_find(contexts, ids[0], true, keep_alive_ms);
    if (context == NULL) return answer_context_missing(call, ids[0]);
    int code = answer_page(call, context);
    contexts_put(contexts, context);
    return code;
}

static int answer_freed(struct call *call, size_t count)
{
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_bool(&json, "succeeded", true);
    json_member_int(&json, "num_freed", (int64_t)count);
    json_object_end(&json);
    call->response->status = count > 0 ? 200 : 404;
    return 0;
}

static int close_ids(struct call *call, const char *name, bool is_scroll)
{
    const struct str *ids;
    size_t count;
    if (read_ids(call, name, &ids, &count) < 0 || count == 0) {
        return answer_error(
            call, 400, "action_request_validation_exception",
            arena_printf(call->arena, "Validation Failed: 1: no %s specified;", name));
    }
    size_t freed = 0;
    for (size_t i = 0; i < count; i++) {
        freed += str_equal(ids[i], STR("_all"))
                     ? contexts_close_all(&call->server->contexts, is_scroll)
                     : contexts_close(&call->server->contexts, ids[i], is_scroll);
    }
    return answer_freed(call, freed);
}

static int handle_clear(struct call *call)
{
    return close_ids(call, "scroll_id", true);
}

/* Point in time ------------------------------------------------------------------------------- */

static struct context *open_pit(struct call *call)
{
    int64_t keep_alive_ms;
    struct str keep_alive = call_parameter(call, "keep_alive");
    if (keep_alive.size == 0) {
        (void)answer_error(call, 400, "action_request_validation_exception",
                           STR("Validation Failed: 1: [keep_alive] is not specified;"));
        return NULL;
    }
    if (refuse_keep_alive(call, keep_alive, &keep_alive_ms) != 0) return NULL;
    struct logquery_request request = {
        .indices = call->values[0],
        .ignore_unavailable = call_flag(call, "ignore_unavailable", false),
        .allow_no_indices = call_flag(call, "allow_no_indices", true),
    };
    return open_context(call, &request, false, keep_alive_ms);
}

static int handle_open(struct call *call)
{
    struct context *context = open_pit(call);
    if (context == NULL) return 0;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "id", context->id);
    json_object_end(&json);
    contexts_put(&call->server->contexts, context);
    return 0;
}

static int handle_close(struct call *call)
{
    return close_ids(call, "id", false);
}

static int handle_open_other(struct call *call)
{
    struct context *context = open_pit(call);
    if (context == NULL) return 0;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "pit_id", context->id);
    json_key(&json, STR("_shards"));
    json_put_raw(&json, STR("{\"total\":1,\"successful\":1,\"skipped\":0,\"failed\":0}"));
    json_member_int(&json, "creation_time", clock_realtime_ms(call->server->clock));
    json_object_end(&json);
    contexts_put(&call->server->contexts, context);
    return 0;
}

static int handle_close_other(struct call *call)
{
    const struct str *ids;
    size_t count;
    if (read_ids(call, "pit_id", &ids, &count) < 0 || count == 0) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: no pit_id specified;"));
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("pits"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&json);
        json_member_bool(&json, "successful",
                         contexts_close(&call->server->contexts, ids[i], false));
        json_member_text(&json, "pit_id", ids[i]);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    return 0;
}

static int handle_close_all_other(struct call *call)
{
    size_t count = contexts_close_all(&call->server->contexts, false);
    buf_printf(&call->response->body, "{\"pits\":[],\"num_freed\":%zu}", count);
    return 0;
}

int pit_search(struct call *call, struct logquery_request *request, const struct json *pit,
               struct buf *out, struct logquery_failure *failure)
{
    struct str id = json_text(json_get(pit, STR("id")), STR(""));
    struct str keep_alive = json_text(json_get(pit, STR("keep_alive")), STR(""));
    int64_t keep_alive_ms = 0;
    bool is_refused = keep_alive.size > 0 && (!time_value_parse(keep_alive, &keep_alive_ms) ||
                                              keep_alive_ms > KEEP_ALIVE_MAX_MS);
    *failure = (struct logquery_failure){ .status = 400, .type = "illegal_argument_exception" };
    if (is_refused || request->indices.size > 0) {
        (void)snprintf(failure->reason, sizeof(failure->reason), "%s",
                       is_refused ? "[keep_alive] of [pit] is not a time value of a day at most"
                                  : "[indices] cannot be used with point in time. Do not specify "
                                    "any index with point in time.");
        return ERROR_INVALID;
    }
    struct contexts *contexts = &call->server->contexts;
    struct context *context = contexts_find(contexts, id, false, keep_alive_ms);
    if (context == NULL) {
        *failure = (struct logquery_failure){ .status = 404,
                                              .type = "search_context_missing_exception",
                                              .is_phase_failure = true };
        (void)snprintf(failure->reason, sizeof(failure->reason),
                       "No search context found for id [" STR_FMT "]",
                       STR_ARG(str_first(id, id.size < 64 ? id.size : 64)));
        return ERROR_INVALID;
    }
    struct logquery_page page = { .snapshot = context->snapshot, .pit_id = str_from(context->id) };
    request->page = &page;
    int code = run_query(call, logquery_search, request, out, failure);
    request->page = NULL;
    contexts_put(contexts, context);
    return code;
}

#define PIT_PARAMETERS                                                                             \
    INDICES_PARAMETERS " keep_alive preference routing allow_partial_search_results"               \
                       " allow_partial_pit_creation max_concurrent_shard_requests"

static const struct route rows[] = {
    { HTTP_GET | HTTP_POST, "/_search/scroll", handle_next,
      " scroll scroll_id rest_total_hits_as_int" },
    { HTTP_DELETE, "/_search/scroll", handle_clear, " scroll_id" },
    { HTTP_GET | HTTP_POST, "/_search/scroll/:id", handle_next,
      " scroll scroll_id rest_total_hits_as_int" },
    { HTTP_DELETE, "/_search/scroll/:id", handle_clear, NULL },
    { HTTP_POST, "/:index/_pit", handle_open, PIT_PARAMETERS },
    { HTTP_DELETE, "/_pit", handle_close, NULL },
    { HTTP_POST, "/:index/_search/point_in_time", handle_open_other, PIT_PARAMETERS },
    { HTTP_DELETE, "/_search/point_in_time", handle_close_other, NULL },
    { HTTP_DELETE, "/_search/point_in_time/_all", handle_close_all_other, NULL },
};

const struct route_table scroll_routes = { rows, ARRAY_LENGTH(rows) };
