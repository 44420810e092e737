/* searches.c - _search, _msearch, _count, _field_caps, _validate, _analyze. */
#include "codec/json.h"
#include "log_server/searching.h"

#include <errno.h>

#define QUERY_MEMORY_MAX LOGQUERY_MEMORY_MAX

void request_read(const struct call *call, struct logquery_request *request)
{
    request->q = call_parameter(call, "q");
    request->default_field = call_parameter(call, "df");
    request->default_operator = call_parameter(call, "default_operator");
    request->lenient = call_parameter(call, "lenient");
    request->from = call_parameter(call, "from");
    request->size = call_parameter(call, "size");
    request->sort = call_parameter(call, "sort");
    request->source = call_parameter(call, "_source");
    request->source_includes = call_parameter(call, "_source_includes");
    request->source_excludes = call_parameter(call, "_source_excludes");
    request->track_total_hits = call_parameter(call, "track_total_hits");
    request->timeout = call_parameter(call, "timeout");
    request->docvalue_fields = call_parameter(call, "docvalue_fields");
    request->stored_fields = call_parameter(call, "stored_fields");
    request->terminate_after = call_parameter(call, "terminate_after");
    request->min_score = call_parameter(call, "min_score");
    request->version = call_parameter(call, "version");
    request->seq_no = call_parameter(call, "seq_no_primary_term");
    request->track_scores = call_parameter(call, "track_scores");
    request->explain = call_parameter(call, "explain");
    request->profile = call_parameter(call, "profile");
    request->ignore_unavailable = call_flag(call, "ignore_unavailable", false);
    request->allow_no_indices = call_flag(call, "allow_no_indices", true);
    request->total_hits_as_int = call_flag(call, "rest_total_hits_as_int", false);
    request->has_typed_keys = call_flag(call, "typed_keys", false);
}

bool request_copy(struct arena *arena, const struct logquery_request *from,
                  struct logquery_request *to)
{
    struct logquery_request copy = *from;
    struct str *texts[] = {
        &copy.indices,
        &copy.body,
        &copy.q,
        &copy.default_field,
        &copy.default_operator,
        &copy.from,
        &copy.size,
        &copy.sort,
        &copy.source,
        &copy.source_includes,
        &copy.source_excludes,
        &copy.track_total_hits,
        &copy.timeout,
        &copy.lenient,
        &copy.docvalue_fields,
        &copy.stored_fields,
        &copy.terminate_after,
        &copy.min_score,
        &copy.version,
        &copy.seq_no,
        &copy.track_scores,
        &copy.explain,
        &copy.profile,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (texts[i]->data == NULL) continue;
        *texts[i] = arena_copy(arena, *texts[i]);
        if (texts[i]->data == NULL) return false;
    }
    *to = copy;
    return true;
}

int run_query(struct call *call, logquery_function *function,
              const struct logquery_request *request, struct buf *out,
              struct logquery_failure *failure)
{
    const struct clock *clock = call->server->clock;
    int64_t start_ns = clock_monotonic_ns(clock);
    struct arena arena;
    struct task task;
    struct error error = { 0 };
    struct logquery_options options = call->server->query_options;
    arena_init_within(&arena, QUERY_MEMORY_MAX, &call->server->query_budget);
    task_begin(&call->server->tasks, &task, "indices:data/read/search", request->body);
    options.clock = &task.clock;
    int code = function(&options, request, &arena, out, failure, &error);
    task_end(&task);
    arena_release(&arena);
    pm_observe(call->server->search_duration, (double)(clock_monotonic_ns(clock) - start_ns) / 1e9);
    return code;
}

/* Whether the body names a point in time; its object then. */
static const struct json *find_pit(struct call *call, struct str body)
{
    const struct json *root = NULL;
    if (str_find(body, STR("\"pit\"")) == STR_NONE) return NULL;
    if (json_parse(NULL, call->arena, body, &root, NULL) < 0) return NULL;
    const struct json *pit = json_get(root, STR("pit"));
    return json_is(pit, JSON_OBJECT) && pit->object.count > 0 ? pit : NULL;
}

static int search_or_pit(struct call *call, struct logquery_request *request, struct buf *out,
                         struct logquery_failure *failure)
{
    const struct json *pit = find_pit(call, request->body);
    return pit != NULL ? pit_search(call, request, pit, out, failure)
                       : run_query(call, logquery_search, request, out, failure);
}

static void read_request(struct call *call, struct logquery_request *request)
{
    *request = (struct logquery_request){ .body = call->request->body };
    request_read(call, request);
    request->indices = call->value_count > 0 ? call->values[0] : STR("");
    struct str source = call_parameter(call, "source");
    if (request->body.size == 0 && source.size > 0) request->body = source;
}

static int handle_search(struct call *call)
{
    struct logquery_request request;
    struct logquery_failure failure;
    read_request(call, &request);
    if (call_parameter(call, "scroll").size > 0) return scroll_begin(call, &request);
    int code = search_or_pit(call, &request, &call->response->body, &failure);
    return code < 0 ? answer_failure(call, &failure) : 0;
}

static int handle_count(struct call *call)
{
    struct logquery_request request;
    struct logquery_failure failure;
    read_request(call, &request);
    int code = run_query(call, logquery_count, &request, &call->response->body, &failure);
    return code < 0 ? answer_failure(call, &failure) : 0;
}

/* _msearch: header line, body line, ... ------------------------------------------------------- */

static struct str index_of(struct arena *arena, const struct json *header, struct str otherwise)
{
    const struct json *index = json_get(header, STR("index"));
    if (json_is(index, JSON_TEXT)) return index->text;
    if (!json_is(index, JSON_ARRAY)) return otherwise;
    struct str joined = STR("");
    for (size_t i = 0; i < index->array.count; i++) {
        struct str one = json_text(&index->array.items[i], STR(""));
        joined = joined.size == 0
                     ? one
                     : arena_printf(arena, STR_FMT "," STR_FMT, STR_ARG(joined), STR_ARG(one));
    }
    return joined;
}

static bool header_flag(const struct json *header, const char *name, bool otherwise)
{
    const struct json *value = json_get(header, str_from(name));
    if (json_is(value, JSON_TEXT)) return str_equal(value->text, STR("true"));
    return json_boolean(value, otherwise);
}

static void run_one(struct call *call, struct str header_line, struct str body, struct buf *out,
                    bool is_first)
{
    const struct json *header = NULL;
    struct logquery_failure failure = { 0 };
    struct logquery_request request = { .body = body };
    struct str outer = call->value_count > 0 ? call->values[0] : STR("");
    int code = 0;
    if (str_trim(header_line).size > 0) {
        code = json_parse(NULL, call->arena, header_line, &header, NULL);
    }
    request.indices = index_of(call->arena, header, outer);
    request.ignore_unavailable =
        header_flag(header, "ignore_unavailable", call_flag(call, "ignore_unavailable", false));
    request.allow_no_indices = header_flag(header, "allow_no_indices", true);
    request.has_typed_keys = call_flag(call, "typed_keys", false);
    request.total_hits_as_int = call_flag(call, "rest_total_hits_as_int", false);
    CLEANUP(buf_release) struct buf answer = { 0 };
    buf_init(&answer, out->size_max);
    if (!is_first) buf_append_char(out, ',');
    if (code < 0) {
        failure = (struct logquery_failure){ .status = 400,
                                             .type = "parse_exception",
                                             .reason = "header of a search is not JSON" };
    } else {
        code = search_or_pit(call, &request, &answer, &failure);
    }
    if (code == 0) {
        /* The response object with its status put in at the end. */
        buf_append(out, answer.data, answer.size - 1);
        buf_append_cstr(out, ",\"status\":200}");
        return;
    }
    struct http_response *response = call->response;
    struct http_response scratch = *response;
    buf_init(&scratch.body, out->size_max);
    call->response = &scratch;
    (void)answer_failure(call, &failure);
    call->response = response;
    buf_append_str(out, buf_str(&scratch.body));
    buf_release(&scratch.body);
}

static int handle_msearch(struct call *call)
{
    int64_t start_ns = clock_monotonic_ns(call->server->clock);
    CLEANUP(buf_release) struct buf list = { 0 };
    buf_init(&list, call->response->body.size_max);
    struct str rest = call->request->body;
    if (rest.size == 0) {
        return answer_error(call, 400, "parse_exception", STR("request body is required"));
    }
    bool is_first = true;
    while (rest.size > 0) {
        struct str header = str_cut(&rest, '\n');
        if (rest.size == 0 && str_trim(header).size == 0) break;
        struct str body = str_cut(&rest, '\n');
        run_one(call, header, body, &list, is_first);
        is_first = false;
    }
    int64_t took_ms = (clock_monotonic_ns(call->server->clock) - start_ns) / 1000000;
    buf_printf(&call->response->body, "{\"took\":%lld,\"responses\":[", (long long)took_ms);
    buf_append_str(&call->response->body, buf_str(&list));
    buf_append_cstr(&call->response->body, "]}");
    return list.has_failed ? ERROR_LIMIT : 0;
}

/* Our own: Kibana's language as its tree and as query DSL. A query that does not parse is answered
 * with where it stopped, and with the same text as one quoted value when that is a way out. */
static int handle_kql(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    struct str text = call_parameter(call, "query");
    if (call->request->body.size > 0) {
        if (json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
            return answer_error(call, 400, "parse_exception", str_from(error.text));
        }
        text = json_text(json_get(root, STR("query")), text);
    }
    if (text.data == NULL) {
        return answer_error(call, 400, "parse_exception", STR("[query] is missing"));
    }
    int code = logquery_translate_kql(text, call->arena, &call->response->body, &error);
    if (code == ERROR_LIMIT)
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    if (code == 0) return 0;
    struct json_writer json;
    buf_reset(&call->response->body);
    call->response->status = 400;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("error"));
    put_error_object(&json, "parsing_exception", str_from(error.text), STR(""));
    json_member_int(&json, "status", 400);
    json_member_int(&json, "offset", (int64_t)error.offset);
    if (str_find_char(text, '"') == STR_NONE && str_find_char(text, '\\') == STR_NONE) {
        json_member_text(&json, "suggestion",
                         arena_printf(call->arena, "\"" STR_FMT "\"", STR_ARG(str_trim(text))));
    }
    json_object_end(&json);
    return 0;
}

#define MSEARCH_PARAMETERS                                                                         \
    INDICES_PARAMETERS " rest_total_hits_as_int typed_keys ccs_minimize_roundtrips search_type"    \
                       " max_concurrent_searches max_concurrent_shard_requests"                    \
                       " pre_filter_shard_size"

static const struct route rows[] = {
    { HTTP_GET | HTTP_POST, "/_search", handle_search, SEARCH_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/:index/_search", handle_search, SEARCH_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/_msearch", handle_msearch, MSEARCH_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/:index/_msearch", handle_msearch, MSEARCH_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/_count", handle_count, COUNT_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/:index/_count", handle_count, COUNT_PARAMETERS },
    { HTTP_GET | HTTP_POST, "/_barograph/kql", handle_kql, " query" },
};

const struct route_table search_routes = { rows, ARRAY_LENGTH(rows) };
