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

/* _field_caps --------------------------------------------------------------------------------- */

static bool is_asked(struct str patterns, struct str path)
{
    while (patterns.size > 0) {
        if (logstore_name_matches(str_trim(str_cut(&patterns, ',')), path)) return true;
    }
    return false;
}

static const char *const meta_fields[] = { "_id",      "_index",  "_source",
                                           "_ignored", "_seq_no", "_version" };

static void put_cap(struct json_writer *json, struct str path, const char *type, bool is_meta,
                    bool is_searchable, bool is_aggregatable)
{
    json_key(json, path);
    json_object_begin(json);
    json_key(json, str_from(type));
    json_object_begin(json);
    json_member_cstr(json, "type", type);
    json_member_bool(json, "metadata_field", is_meta);
    json_member_bool(json, "searchable", is_searchable);
    json_member_bool(json, "aggregatable", is_aggregatable);
    json_object_end(json);
    json_object_end(json);
}

static void put_caps(const struct logstore_snapshot *snapshot, struct str patterns,
                     struct json_writer *json)
{
    struct map seen = { 0 };
    for (size_t i = 0; i < snapshot->index_count; i++) {
        const struct logstore_mapping *mapping = snapshot->indices[i].mapping;
        for (size_t k = 0; k < mapping->fields.count; k++) {
            const struct logstore_field *field = &mapping->fields.items[k];
            if (!is_asked(patterns, field->path) || map_has(&seen, field->path)) continue;
            if (map_put(&seen, field->path, json) < 0) continue;
            bool is_object = field->type == LOGSTORE_OBJECT;
            bool has_column = logstore_type_column(field->type) != LOGSTORE_COLUMN_NONE;
            bool is_text = field->type == LOGSTORE_TEXT;
            put_cap(json, field->path, logstore_type_name(field->type), false,
                    !is_object && has_column, has_column && !is_text);
        }
        size_t position = 0;
        struct str path;
        void *value;
        while (map_next(&mapping->objects, &position, &path, &value)) {
            if (!is_asked(patterns, path) || map_has(&seen, path)) continue;
            if (map_put(&seen, path, json) < 0) continue;
            put_cap(json, path, "object", false, false, false);
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(meta_fields); i++) {
        struct str path = str_from(meta_fields[i]);
        if (is_asked(patterns, path)) put_cap(json, path, meta_fields[i], true, i != 2, i == 1);
    }
    map_release(&seen);
}

static int handle_field_caps(struct call *call)
{
    struct str patterns = call_parameter(call, "fields");
    const struct json *root = NULL;
    if (call->request->body.size > 0 &&
        json_parse(NULL, call->arena, call->request->body, &root, NULL) == 0) {
        const struct json *fields = json_get(root, STR("fields"));
        if (json_is(fields, JSON_TEXT)) patterns = fields->text;
        for (size_t i = 0; json_is(fields, JSON_ARRAY) && i < fields->array.count; i++) {
            struct str one = json_text(&fields->array.items[i], STR(""));
            patterns = patterns.size == 0 ? one
                                          : arena_printf(call->arena, STR_FMT "," STR_FMT,
                                                         STR_ARG(patterns), STR_ARG(one));
        }
    }
    if (patterns.size == 0) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: no fields specified;"));
    }
    const struct str *names;
    size_t count;
    struct str missing;
    struct str expression = call->value_count > 0 ? call->values[0] : STR("");
    if (logstore_resolve(call->server->store, expression, call->arena, &names, &count, &missing) <
        0) {
        return ERROR_LIMIT;
    }
    if (missing.data != NULL && !call_flag(call, "ignore_unavailable", false)) {
        return answer_index_missing(call, missing);
    }
    struct logstore_snapshot *snapshot = NULL;
    struct error error = { 0 };
    int code = logstore_snapshot_take(call->server->store, names, count, &snapshot, &error);
    if (code < 0) return answer_store_error(call, code, "exception", &error);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("indices"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) json_put_text(&json, names[i]);
    json_array_end(&json);
    json_key(&json, STR("fields"));
    json_object_begin(&json);
    put_caps(snapshot, patterns, &json);
    json_object_end(&json);
    json_object_end(&json);
    logstore_snapshot_free(snapshot);
    return 0;
}

static int handle_validate(struct call *call)
{
    struct logstore_filter *filter = NULL;
    struct logquery_failure failure = { 0 };
    struct error error = { 0 };
    const struct json *root = NULL;
    int code = 0;
    if (call->request->body.size > 0) {
        code = json_parse(NULL, call->arena, call->request->body, &root, &error);
        const struct json *query = json_get(root, STR("query"));
        if (code == 0 && query != NULL) {
            code = logquery_parse_query(query->raw, call->arena, &filter, &failure, &error);
        }
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_bool(&json, "valid", code == 0);
    json_key(&json, STR("_shards"));
    json_put_raw(&json, STR("{\"total\":1,\"successful\":1,\"failed\":0}"));
    if (code < 0 && call_flag(call, "explain", false)) json_member_cstr(&json, "error", error.text);
    json_object_end(&json);
    return 0;
}

/* Characters as Java counts them: UTF-16 units. */
static int64_t utf16_size(struct str text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c & 0xc0) != 0x80) count += c >= 0xf0 ? 2 : 1;
    }
    return count;
}

static int handle_analyze(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    if (json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    struct str name = json_text(json_get(root, STR("analyzer")), STR("standard"));
    struct str text = json_text(json_get(root, STR("text")), STR(""));
    bool is_keyword = str_equal(name, STR("keyword"));
    if (!is_keyword && !str_equal(name, STR("standard"))) {
        return answer_error(call, 400, "illegal_argument_exception",
                            STR("only the analyzers [standard] and [keyword] are supported"));
    }
    struct json_writer json;
    struct analyzer analyzer;
    struct analyzer_token token;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("tokens"));
    json_array_begin(&json);
    analyzer_init(&analyzer, text);
    bool is_done = false;
    size_t counted = 0; /* bytes, and the units that they are */
    int64_t units = 0;
    while (!is_done && (is_keyword || analyzer_next(&analyzer, &token))) {
        if (is_keyword) token = (struct analyzer_token){ .term = text, .end = text.size };
        is_done = is_keyword;
        json_object_begin(&json);
        json_member_text(&json, "token", token.term);
        units += utf16_size(str_first(str_skip(text, counted), token.start - counted));
        json_member_int(&json, "start_offset", units);
        units += utf16_size(str_first(str_skip(text, token.start), token.end - token.start));
        json_member_int(&json, "end_offset", units);
        counted = token.end;
        json_member_cstr(&json, "type", is_keyword ? "word" : analyzer_token_kind_name(token.kind));
        json_member_int(&json, "position", token.position);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    return 0;
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
    { HTTP_GET | HTTP_POST, "/_field_caps", handle_field_caps,
      INDICES_PARAMETERS " fields include_unmapped" },
    { HTTP_GET | HTTP_POST, "/:index/_field_caps", handle_field_caps,
      INDICES_PARAMETERS " fields include_unmapped" },
    { HTTP_GET | HTTP_POST, "/_validate/query", handle_validate, COUNT_PARAMETERS " explain" },
    { HTTP_GET | HTTP_POST, "/:index/_validate/query", handle_validate,
      COUNT_PARAMETERS " explain" },
    { HTTP_GET | HTTP_POST, "/_barograph/kql", handle_kql, " query" },
    { HTTP_GET | HTTP_POST, "/_analyze", handle_analyze, NULL },
    { HTTP_GET | HTTP_POST, "/:index/_analyze", handle_analyze, NULL },
};

const struct route_table search_routes = { rows, ARRAY_LENGTH(rows) };
