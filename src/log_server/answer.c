/* answer.c - errors in Elasticsearch's shape, filter_path and pretty. */
#include "base/check.h"
#include "codec/json.h"
#include "log_server/server.h"

#include <errno.h>
#include <string.h>

#define FILTERS_MAX 64

struct str call_parameter(const struct call *call, const char *name)
{
    return http_request_parameter(call->request, name);
}

bool call_flag(const struct call *call, const char *name, bool otherwise)
{
    struct str value = call_parameter(call, name);
    if (value.data == NULL) return otherwise;
    if (value.size == 0 || str_equal(value, STR("true"))) return true;
    return str_equal(value, STR("false")) ? false : otherwise;
}

void put_error_object(struct json_writer *json, const char *type, struct str reason,
                      struct str index)
{
    json_object_begin(json);
    json_key(json, STR("root_cause"));
    json_array_begin(json);
    json_object_begin(json);
    json_member_cstr(json, "type", type);
    json_member_text(json, "reason", reason);
    if (index.size > 0) {
        json_member_cstr(json, "resource.type", "index_or_alias");
        json_member_text(json, "resource.id", index);
        json_member_cstr(json, "index_uuid", "_na_");
        json_member_text(json, "index", index);
    }
    json_object_end(json);
    json_array_end(json);
    json_member_cstr(json, "type", type);
    json_member_text(json, "reason", reason);
    if (index.size > 0) {
        json_member_cstr(json, "resource.type", "index_or_alias");
        json_member_text(json, "resource.id", index);
        json_member_cstr(json, "index_uuid", "_na_");
        json_member_text(json, "index", index);
    }
    json_object_end(json);
}

static int answer_with_index(struct call *call, int status, const char *type, struct str reason,
                             struct str index)
{
    struct json_writer json;
    buf_reset(&call->response->body);
    call->response->status = (unsigned)status;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("error"));
    put_error_object(&json, type, reason, index);
    json_member_int(&json, "status", status);
    json_object_end(&json);
    return 0;
}

int answer_error(struct call *call, int status, const char *type, struct str reason)
{
    return answer_with_index(call, status, type, reason, STR(""));
}

void answer_server_refusal(struct http_response *response, const char *text)
{
    static const struct {
        unsigned status;
        const char *type;
    } types[] = { { 400, "illegal_argument_exception" },
                  { 401, "security_exception" },
                  { 403, "security_exception" },
                  { 429, "circuit_breaking_exception" } };
    const char *type = "status_exception";
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (types[i].status == response->status) type = types[i].type;
    }
    response->content_type = "application/json; charset=UTF-8";
    http_response_header(response, "X-elastic-product", STR("Elasticsearch"));
    struct json_writer json;
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_key(&json, STR("error"));
    put_error_object(&json, type, str_from(text), STR(""));
    json_member_int(&json, "status", (int64_t)response->status);
    json_object_end(&json);
}

bool answer_when_short(struct call *call)
{
    if (!role_is_memory_short(call->server->role)) return false;
    (void)answer_error(call, 429, "circuit_breaking_exception",
                       STR("over the memory limit (--memory.max), try again later"));
    return true;
}

int answer_index_missing(struct call *call, struct str index)
{
    struct str reason = arena_printf(call->arena, "no such index [" STR_FMT "]", STR_ARG(index));
    return answer_with_index(call, 404, "index_not_found_exception", reason, index);
}

int call_resolve(struct call *call, const struct str **names, size_t *count)
{
    struct str missing;
    struct str expression = call->value_count > 0 ? call->values[0] : STR("");
    if (logstore_resolve(call->server->store, expression, call->arena, names, count, &missing) <
        0) {
        return ERROR_LIMIT;
    }
    if (missing.data == NULL || call_flag(call, "ignore_unavailable", false)) return 0;
    (void)answer_index_missing(call, missing);
    return 1;
}

static void put_phase_failure(struct json_writer *json, const struct logquery_failure *failure)
{
    json_object_begin(json);
    json_key(json, STR("root_cause"));
    json_array_begin(json);
    json_object_begin(json);
    json_member_cstr(json, "type", failure->type);
    json_member_cstr(json, "reason", failure->reason);
    json_object_end(json);
    json_array_end(json);
    json_member_cstr(json, "type", "search_phase_execution_exception");
    json_member_cstr(json, "reason", "all shards failed");
    json_member_cstr(json, "phase", "query");
    json_member_bool(json, "grouped", true);
    json_key(json, STR("failed_shards"));
    json_array_begin(json);
    json_object_begin(json);
    json_member_int(json, "shard", 0);
    json_key(json, STR("reason"));
    json_object_begin(json);
    json_member_cstr(json, "type", failure->type);
    json_member_cstr(json, "reason", failure->reason);
    if (failure->cause_type != NULL) {
        json_key(json, STR("caused_by"));
        json_object_begin(json);
        json_member_cstr(json, "type", failure->cause_type);
        json_member_cstr(json, "reason", failure->cause_reason);
        json_object_end(json);
    }
    json_object_end(json);
    json_object_end(json);
    json_array_end(json);
    json_object_end(json);
}

int answer_failure(struct call *call, const struct logquery_failure *failure)
{
    struct str reason = str_from(failure->reason);
    if (!failure->is_phase_failure) {
        return answer_with_index(call, failure->status, failure->type, reason,
                                 str_from(failure->index));
    }
    struct json_writer json;
    buf_reset(&call->response->body);
    call->response->status = (unsigned)failure->status;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("error"));
    put_phase_failure(&json, failure);
    json_member_int(&json, "status", failure->status);
    json_object_end(&json);
    return 0;
}

int answer_store_error(struct call *call, int code, const char *type, const struct error *error)
{
    struct str reason = str_from(error->text);
    if (code == -EEXIST)
        return answer_error(call, 400, "resource_already_exists_exception", reason);
    if (code == -ENOENT) return answer_error(call, 404, "index_not_found_exception", reason);
    if (code == ERROR_INVALID || code == ERROR_PARSE || code == ERROR_LIMIT) {
        return answer_error(call, 400, type, reason);
    }
    if (code == ERROR_REFUSED || code == -ENOSPC || code == -ENOMEM) {
        return answer_error(call, 429, "es_rejected_execution_exception", reason);
    }
    /* Of a write: whether it took effect is in doubt. */
    if (code == -EIO) return answer_error(call, 503, "unavailable_shards_exception", reason);
    return answer_error(call, 500, "exception", reason);
}

int answer_acknowledged(struct call *call)
{
    buf_append_cstr(&call->response->body, "{\"acknowledged\":true}");
    return 0;
}

/* filter_path: patterns of dotted paths; '*' is one part, "**" any number; '-' leaves out. */

struct path_filter {
    struct str includes[FILTERS_MAX];
    size_t include_count;
    struct str excludes[FILTERS_MAX];
    size_t exclude_count;
    struct json_writer *json;
};

static struct str cut_part(struct str *rest)
{
    return str_cut(rest, '.');
}

/* What is left of a pattern below `key`; false when the key does not fit. */
static bool descend(struct str pattern, struct str key, struct str *below)
{
    struct str rest = pattern;
    struct str part = cut_part(&rest);
    if (str_equal(part, STR("**"))) {
        struct str further;
        if (rest.size > 0 && descend(rest, key, &further))
            *below = further;
        else
            *below = pattern;
        return true;
    }
    if (!logstore_name_matches(part, key)) return false;
    *below = rest;
    return true;
}

static void filter_value(struct path_filter *filter, const struct json *value,
                         const struct str *includes, size_t include_count,
                         const struct str *excludes, size_t exclude_count);

static bool is_done(const struct str *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (patterns[i].size == 0) return true;
    }
    return false;
}

static size_t descend_all(const struct str *patterns, size_t count, struct str key,
                          struct str *below)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) found += descend(patterns[i], key, &below[found]);
    return found;
}

static void filter_member(struct path_filter *filter, const struct json_member *member,
                          const struct str *includes, size_t include_count,
                          const struct str *excludes, size_t exclude_count)
{
    struct str in[FILTERS_MAX];
    struct str out[FILTERS_MAX];
    size_t in_count = descend_all(includes, include_count, member->key, in);
    size_t out_count = descend_all(excludes, exclude_count, member->key, out);
    if (is_done(out, out_count)) return;
    bool takes_all = filter->include_count == 0 || is_done(in, in_count);
    if (!takes_all && in_count == 0) return;
    bool is_container = member->value.kind == JSON_OBJECT || member->value.kind == JSON_ARRAY;
    if (takes_all && out_count == 0) {
        json_key(filter->json, member->key);
        json_put_raw(filter->json, member->value.raw);
        return;
    }
    if (!is_container) {
        if (!takes_all) return;
        json_key(filter->json, member->key);
        json_put_raw(filter->json, member->value.raw);
        return;
    }
    struct buf *buf = filter->json->out;
    size_t before = buf->size;
    bool comma = filter->json->needs_comma;
    json_key(filter->json, member->key);
    size_t start = buf->size;
    struct str all[1] = { STR("**") };
    filter_value(filter, &member->value, takes_all ? all : in, takes_all ? 1 : in_count, out,
                 out_count);
    bool is_empty = buf->size - start <= 2;
    if (is_empty && !buf->has_failed) {
        buf_truncate(buf, before);
        filter->json->needs_comma = comma;
    }
}

/* Depth: JSON_DEPTH_MAX. */
static void filter_value(struct path_filter *filter, const struct json *value,
                         const struct str *includes, size_t include_count,
                         const struct str *excludes, size_t exclude_count)
{
    if (value->kind == JSON_OBJECT) {
        json_object_begin(filter->json);
        for (size_t i = 0; i < value->object.count; i++) {
            filter_member(filter, &value->object.members[i], includes, include_count, excludes,
                          exclude_count);
        }
        json_object_end(filter->json);
        return;
    }
    if (value->kind != JSON_ARRAY) {
        json_put_raw(filter->json, value->raw);
        return;
    }
    json_array_begin(filter->json);
    for (size_t i = 0; i < value->array.count; i++) {
        const struct json *item = &value->array.items[i];
        if (item->kind != JSON_OBJECT && item->kind != JSON_ARRAY) continue;
        struct buf *buf = filter->json->out;
        size_t before = buf->size;
        bool comma = filter->json->needs_comma;
        filter_value(filter, item, includes, include_count, excludes, exclude_count);
        bool is_empty = buf->size - before <= 3;
        if (is_empty && !buf->has_failed) {
            buf_truncate(buf, before);
            filter->json->needs_comma = comma;
        }
    }
    json_array_end(filter->json);
}

static void apply_filter(struct call *call, struct str spec)
{
    struct path_filter filter = { 0 };
    while (spec.size > 0) {
        struct str part = str_trim(str_cut(&spec, ','));
        bool excludes = part.size > 1 && part.data[0] == '-';
        if (excludes) part = str_skip(part, 1);
        if (part.size == 0) continue;
        if (excludes && filter.exclude_count < FILTERS_MAX) {
            filter.excludes[filter.exclude_count++] = part;
        } else if (!excludes && filter.include_count < FILTERS_MAX) {
            filter.includes[filter.include_count++] = part;
        }
    }
    struct arena arena;
    struct buf filtered;
    struct json_writer json;
    const struct json *root = NULL;
    arena_init(&arena, (size_t)1 << 30);
    buf_init(&filtered, call->response->body.size_max);
    json_writer_init(&json, &filtered);
    filter.json = &json;
    if (json_parse(NULL, &arena, buf_str(&call->response->body), &root, NULL) == 0) {
        filter_value(&filter, root, filter.includes, filter.include_count, filter.excludes,
                     filter.exclude_count);
        buf_reset(&call->response->body);
        buf_append_str(&call->response->body, buf_str(&filtered));
    }
    buf_release(&filtered);
    arena_release(&arena);
}

static void new_line(struct buf *out, unsigned depth)
{
    buf_append_char(out, '\n');
    for (unsigned i = 0; i < depth; i++) buf_append_cstr(out, "  ");
}

/* Depth: JSON_DEPTH_MAX. */
static void print_pretty(const struct json *value, unsigned depth, struct buf *out)
{
    bool is_object = value->kind == JSON_OBJECT;
    bool is_array = value->kind == JSON_ARRAY;
    size_t count = is_object ? value->object.count : is_array ? value->array.count : 0;
    if (count == 0) {
        buf_append_str(out, is_object ? STR("{ }") : is_array ? STR("[ ]") : value->raw);
        return;
    }
    buf_append_char(out, is_object ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_append_char(out, ',');
        new_line(out, depth + 1);
        if (is_object) {
            json_escape(out, value->object.members[i].key);
            buf_append_cstr(out, " : ");
            print_pretty(&value->object.members[i].value, depth + 1, out);
        } else {
            print_pretty(&value->array.items[i], depth + 1, out);
        }
    }
    new_line(out, depth);
    buf_append_char(out, is_object ? '}' : ']');
}

static void apply_pretty(struct call *call)
{
    struct arena arena;
    struct buf pretty;
    const struct json *root = NULL;
    arena_init(&arena, (size_t)1 << 30);
    buf_init(&pretty, call->response->body.size_max);
    if (json_parse(NULL, &arena, buf_str(&call->response->body), &root, NULL) == 0) {
        print_pretty(root, 0, &pretty);
        buf_append_char(&pretty, '\n');
        buf_reset(&call->response->body);
        buf_append_str(&call->response->body, buf_str(&pretty));
    }
    buf_release(&pretty);
    arena_release(&arena);
}

void answer_finish(struct call *call)
{
    struct str body = buf_str(&call->response->body);
    bool is_json = body.size > 0 && (body.data[0] == '{' || body.data[0] == '[');
    struct str filter = call_parameter(call, "filter_path");
    bool has_failed = call->response->body.has_failed;
    if (is_json && !has_failed && filter.size > 0 && !call->is_filtered) apply_filter(call, filter);
    if (is_json && !has_failed && call_flag(call, "pretty", false)) apply_pretty(call);
    if (!call->response->body.has_failed) return;
    buf_release(&call->response->body);
    (void)answer_error(call, 400, "illegal_argument_exception",
                       arena_printf(call->arena,
                                    "the answer would be larger than [%zu] bytes, the limit; ask "
                                    "for less at a time",
                                    call->response->body.size_max));
}
