/* analysis.c - what becomes of texts: _analyze, _validate/query, _terms_enum. */
#include "log_server/searching.h"

#define TEXTS_MAX     10000
#define TERMS_MAX     10000
#define TERMS_DEFAULT 10

/* _analyze ------------------------------------------------------------------------------------ */

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

enum cut { CUT_STANDARD, CUT_KEYWORD, CUT_UNKNOWN };

/* How a field of the index is cut; an unknown one as the standard analyzer does. */
static int cut_of_field(struct call *call, struct str name, enum cut *cut)
{
    const struct str *names;
    size_t count;
    struct error error = { 0 };
    struct logstore_snapshot *snapshot = NULL;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code;
    code = logstore_snapshot_take(call->server->store, names, count, &snapshot, &error);
    if (code < 0) return code;
    *cut = CUT_STANDARD;
    for (size_t i = 0; i < snapshot->index_count; i++) {
        const struct logstore_field *field =
            logstore_mapping_find(snapshot->indices[i].mapping, name);
        if (field != NULL && field->type != LOGSTORE_TEXT) *cut = CUT_KEYWORD;
    }
    logstore_snapshot_free(snapshot);
    return 0;
}

/* 1: answered. */
static int read_cut(struct call *call, const struct json *root, enum cut *cut)
{
    static const char *const refused[] = { "tokenizer",  "filter",  "char_filter",
                                           "normalizer", "explain", "attributes" };
    struct str name = json_text(json_get(root, STR("analyzer")), STR(""));
    struct str field = json_text(json_get(root, STR("field")), STR(""));
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        const struct json *value = json_get(root, str_from(refused[i]));
        bool is_off = value == NULL || value->kind == JSON_NULL ||
                      (value->kind == JSON_BOOL && !value->boolean) ||
                      (value->kind == JSON_ARRAY && value->array.count == 0);
        if (is_off) continue;
        (void)answer_error(call, 400, "illegal_argument_exception",
                           arena_printf(call->arena,
                                        "[%s] of _analyze is not supported: there are the "
                                        "analyzers [standard] and [keyword]",
                                        refused[i]));
        return 1;
    }
    *cut = name.size == 0 || str_equal(name, STR("standard")) || str_equal(name, STR("default"))
               ? CUT_STANDARD
           : str_equal(name, STR("keyword")) ? CUT_KEYWORD
                                             : CUT_UNKNOWN;
    if (*cut == CUT_UNKNOWN) {
        (void)answer_error(call, 400, "illegal_argument_exception",
                           STR("only the analyzers [standard] and [keyword] are supported"));
        return 1;
    }
    return name.size == 0 && field.size > 0 ? cut_of_field(call, field, cut) : 0;
}

/* Where the tokens of the next of several texts go on. */
struct place {
    int64_t offset;
    uint32_t position;
};

static void put_token(struct json_writer *json, const struct analyzer_token *token,
                      const char *type, int64_t start, int64_t end, uint32_t position)
{
    json_object_begin(json);
    json_member_text(json, "token", token->term);
    json_member_int(json, "start_offset", start);
    json_member_int(json, "end_offset", end);
    json_member_cstr(json, "type", type);
    json_member_int(json, "position", position);
    json_object_end(json);
}

static void put_tokens(struct json_writer *json, struct str text, enum cut cut, struct place *place)
{
    struct analyzer analyzer;
    struct analyzer_token token = { .term = text, .end = text.size };
    size_t counted = 0; /* bytes, and the units that they are */
    int64_t units = 0;
    uint32_t last = 0;
    analyzer_init(&analyzer, text);
    if (cut == CUT_KEYWORD) {
        put_token(json, &token, "word", place->offset, place->offset + utf16_size(text),
                  place->position);
    }
    while (cut == CUT_STANDARD && analyzer_next(&analyzer, &token)) {
        units += utf16_size(str_first(str_skip(text, counted), token.start - counted));
        int64_t start = units;
        units += utf16_size(str_first(str_skip(text, token.start), token.end - token.start));
        counted = token.end;
        last = token.position;
        put_token(json, &token, analyzer_token_kind_name(token.kind), place->offset + start,
                  place->offset + units, place->position + token.position);
    }
    /* As of several values of one field: a step between them, and a gap of positions. */
    place->offset += utf16_size(text) + 1;
    place->position += last + 101;
}

static int handle_analyze(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    if (json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    enum cut cut;
    int code = read_cut(call, root, &cut);
    if (code != 0) return code < 0 ? code : 0;
    const struct json *text = json_get(root, STR("text"));
    bool is_list = json_is(text, JSON_ARRAY);
    if (!json_is(text, JSON_TEXT) && !(is_list && text->array.count <= TEXTS_MAX)) {
        return answer_error(call, 400, "action_request_validation_exception",
                            STR("Validation Failed: 1: text is missing;"));
    }
    struct json_writer json;
    struct place place = { 0 };
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("tokens"));
    json_array_begin(&json);
    if (!is_list) put_tokens(&json, text->text, cut, &place);
    for (size_t i = 0; is_list && i < text->array.count; i++) {
        put_tokens(&json, json_text(&text->array.items[i], STR("")), cut, &place);
    }
    json_array_end(&json);
    json_object_end(&json);
    return 0;
}

/* _validate/query ----------------------------------------------------------------------------- */

/* Whether the query can be carried out, found out by carrying it out for one document. */
static int handle_validate(struct call *call)
{
    struct logquery_request request = { 0 };
    struct logquery_failure failure = { 0 };
    const struct str *names;
    size_t count;
    CLEANUP(buf_release) struct buf answer = { 0 };
    buf_init(&answer, 65536);
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    request_read(call, &request);
    request.body = call->request->body;
    request.terminate_after = STR("1");
    request.explain = (struct str){ NULL, 0 }; /* of the validation, not of hits */
    bool is_valid = run_query(call, logquery_count, &request, &answer, &failure) == 0;
    if (!is_valid && failure.status != 400) return answer_failure(call, &failure);
    bool explains = call_flag(call, "explain", false) || call_flag(call, "rewrite", false);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_bool(&json, "valid", is_valid);
    json_key(&json, STR("_shards"));
    json_put_raw(&json, STR("{\"total\":1,\"successful\":1,\"failed\":0}"));
    if (explains && !is_valid) json_member_cstr(&json, "error", failure.reason);
    if (explains) {
        json_key(&json, STR("explanations"));
        json_array_begin(&json);
        for (size_t i = 0; i < count; i++) {
            json_object_begin(&json);
            json_member_text(&json, "index", names[i]);
            json_member_bool(&json, "valid", is_valid);
            if (!is_valid) json_member_cstr(&json, "error", failure.reason);
            json_object_end(&json);
        }
        json_array_end(&json);
    }
    json_object_end(&json);
    return 0;
}

/* _terms_enum --------------------------------------------------------------------------------- */

/* A text as a pattern that it alone begins. */
static void put_prefix_pattern(struct buf *out, struct str text, bool is_nocase)
{
    if (is_nocase) buf_append_cstr(out, "(?i)");
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == ' ';
        if (!is_plain) buf_append_char(out, '\\');
        buf_append_char(out, text.data[i]);
    }
    buf_append_cstr(out, ".*");
}

/* The terms as an aggregation gives them: in order, as many as asked for. */
static struct str terms_body(struct call *call, const struct json *root, struct str field,
                             int64_t size)
{
    CLEANUP(buf_release) struct buf pattern = { 0 };
    CLEANUP(buf_release) struct buf body = { 0 };
    struct json_writer json;
    struct str text = json_text(json_get(root, STR("string")), STR(""));
    const struct json *filter = json_get(root, STR("index_filter"));
    buf_init(&pattern, 65536);
    buf_init(&body, (size_t)1 << 20);
    put_prefix_pattern(&pattern, text,
                       json_boolean(json_get(root, STR("case_insensitive")), false));
    json_writer_init(&json, &body);
    buf_append_cstr(&body, "{\"size\":0,\"query\":");
    buf_append_str(&body, json_is(filter, JSON_OBJECT) ? filter->raw : STR("{\"match_all\":{}}"));
    buf_append_cstr(&body, ",\"aggs\":{\"t\":{\"terms\":{\"field\":");
    json_put_text(&json, field);
    if (text.size > 0) {
        buf_append_cstr(&body, ",\"include\":");
        json.needs_comma = false;
        json_put_text(&json, buf_str(&pattern));
    }
    buf_printf(&body, ",\"order\":{\"_key\":\"asc\"},\"size\":%lld}}}}", (long long)size);
    bool is_whole = !pattern.has_failed && !body.has_failed;
    return is_whole ? arena_copy(call->arena, buf_str(&body)) : (struct str){ NULL, 0 };
}

static int put_terms(struct call *call, struct str answer, struct str after)
{
    const struct json *root = NULL;
    struct json_writer json;
    if (json_parse(NULL, call->arena, answer, &root, NULL) < 0) return ERROR_LIMIT;
    const struct json *buckets = json_get_path(root, STR("aggregations.t.buckets"));
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("_shards"));
    json_put_raw(&json, STR("{\"total\":1,\"successful\":1,\"failed\":0}"));
    json_key(&json, STR("terms"));
    json_array_begin(&json);
    for (size_t i = 0; json_is(buckets, JSON_ARRAY) && i < buckets->array.count; i++) {
        const struct json *key = json_get(&buckets->array.items[i], STR("key"));
        if (json_is(key, JSON_TEXT) && str_compare(key->text, after) > 0) {
            json_put_text(&json, key->text);
        }
    }
    json_array_end(&json);
    json_member_bool(&json, "complete", !json_boolean(json_get(root, STR("timed_out")), false));
    json_object_end(&json);
    return 0;
}

static int handle_terms_enum(struct call *call)
{
    const struct json *root = NULL;
    struct error error = { 0 };
    struct logquery_failure failure = { 0 };
    if (json_parse(NULL, call->arena, call->request->body, &root, &error) < 0) {
        return answer_error(call, 400, "parse_exception", str_from(error.text));
    }
    struct str field = json_text(json_get(root, STR("field")), STR(""));
    int64_t size = json_integer(json_get(root, STR("size")), TERMS_DEFAULT);
    struct str after = json_text(json_get(root, STR("search_after")), STR(""));
    if (field.size == 0 || size < 1 || size > TERMS_MAX) {
        return answer_error(call, 400, "action_request_validation_exception",
                            field.size == 0
                                ? STR("Validation Failed: 1: field cannot be null or empty;")
                                : STR("Validation Failed: 1: size must be in 1 .. 10000;"));
    }
    struct logquery_request request = {
        .indices = call->values[0],
        .body = terms_body(call, root, field, after.size > 0 ? TERMS_MAX : size),
        .ignore_unavailable = call_flag(call, "ignore_unavailable", false),
        .allow_no_indices = true,
        .timeout = json_text(json_get(root, STR("timeout")), STR("1s")),
    };
    if (request.body.data == NULL) return ERROR_LIMIT;
    CLEANUP(buf_release) struct buf answer = { 0 };
    buf_init(&answer, (size_t)64 << 20);
    if (run_query(call, logquery_search, &request, &answer, &failure) < 0) {
        return answer_failure(call, &failure);
    }
    return put_terms(call, buf_str(&answer), after);
}

static const struct route rows[] = {
    { HTTP_GET | HTTP_POST, "/_analyze", handle_analyze, NULL },
    { HTTP_GET | HTTP_POST, "/:index/_analyze", handle_analyze, NULL },
    { HTTP_GET | HTTP_POST, "/_validate/query", handle_validate,
      COUNT_PARAMETERS " explain rewrite all_shards" },
    { HTTP_GET | HTTP_POST, "/:index/_validate/query", handle_validate,
      COUNT_PARAMETERS " explain rewrite all_shards" },
    { HTTP_GET | HTTP_POST, "/:index/_terms_enum", handle_terms_enum, INDICES_PARAMETERS },
};

const struct route_table analysis_routes = { rows, ARRAY_LENGTH(rows) };
