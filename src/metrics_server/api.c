/* api.c - the envelope of answers and the parameters that many endpoints share. */
#include "metrics_server/server.h"

#include "codec/number.h"
#include "model/duration.h"

#include <errno.h>
#include <math.h>

/* The farthest times, as Prometheus' own clients write them. */
#define TIME_MIN_TEXT "-292273086-05-16T16:47:06Z"
#define TIME_MAX_TEXT "292277025-08-18T07:12:54.999999999Z"

#define MATCHES_MAX 256 /* match[] parameters of one request */

void api_begin(struct http_response *response, struct json_writer *json)
{
    response->content_type = "application/json";
    json_writer_init(json, &response->body);
    json_object_begin(json);
    json_member_cstr(json, "status", "success");
    json_key(json, STR("data"));
}

void api_end(struct http_response *response, struct json_writer *json)
{
    (void)response;
    json_object_end(json);
}

int api_check_body(const struct http_response *response, struct error *error)
{
    if (!response->body.has_failed) return 0;
    return error_set(error, ERROR_LIMIT,
                     "the answer is longer than %zu bytes, or than queries may hold now: ask for a "
                     "shorter range, a longer step or fewer series",
                     response->body.size_max);
}

void api_write_error(void *context, const struct http_request *request,
                     struct http_response *response, int code, const struct error *error)
{
    (void)context;
    (void)request;
    struct json_writer json;
    buf_reset(&response->body);
    response->content_type = "application/json";
    if (code == ERROR_CLOSED) response->status = 499;
    if (code == -EACCES) response->status = 500; /* admin APIs disabled: as the real one says it */
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "status", "error");
    json_member_cstr(&json, "errorType", code == -EACCES ? "unavailable" : error_api_type(code));
    json_member_cstr(&json, "error", error->text[0] == '\0' ? error_name(code) : error->text);
    json_object_end(&json);
}

static int fail_parameter(const char *name, struct error *error, const char *what, struct str text)
{
    return error_set(error, ERROR_INVALID, "invalid parameter \"%s\": %s \"" STR_FMT "\"", name,
                     what, STR_ARG(text));
}

static bool parse_time(struct str text, int64_t *time_ms)
{
    double seconds;
    int64_t time_ns;
    if (str_equal(text, STR(TIME_MIN_TEXT))) {
        *time_ms = INT64_MIN / 2;
        return true;
    }
    if (str_equal(text, STR(TIME_MAX_TEXT))) {
        *time_ms = INT64_MAX / 2;
        return true;
    }
    if (number_parse(text, &seconds) && isfinite(seconds) && fabs(seconds) < 9.2e15) {
        *time_ms = (int64_t)llround(seconds * 1000);
        return true;
    }
    if (!clock_rfc3339_parse(text, &time_ns)) return false;
    *time_ms = time_ns / 1000000 - (time_ns % 1000000 < 0);
    return true;
}

int api_time(const struct http_request *request, const char *name, int64_t *time_ms,
             struct error *error)
{
    struct str text = http_request_parameter(request, name);
    if (text.size == 0) return 0;
    if (parse_time(text, time_ms)) return 0;
    return fail_parameter(name, error, "cannot parse to a valid timestamp:", text);
}

int api_duration(const struct http_request *request, const char *name, int64_t *duration_ms,
                 struct error *error)
{
    struct str text = http_request_parameter(request, name);
    double seconds;
    if (text.size == 0) return 0;
    if (number_parse(text, &seconds)) {
        if (!isfinite(seconds) || fabs(seconds) > 9.2e15) {
            return fail_parameter(name, error,
                                  "cannot parse to a valid duration. It overflows int64:", text);
        }
        *duration_ms = (int64_t)llround(seconds * 1000);
        return 0;
    }
    if (duration_parse(text, duration_ms, NULL) == 0) return 0;
    return fail_parameter(name, error, "cannot parse to a valid duration:", text);
}

int api_limit(const struct http_request *request, size_t *limit, struct error *error)
{
    struct str text = http_request_parameter(request, "limit");
    uint64_t number;
    *limit = 0;
    if (text.size == 0) return 0;
    if (!str_to_uint64(text, &number)) {
        return fail_parameter("limit", error, "not a whole number that is at least 0:", text);
    }
    *limit = number > SIZE_MAX ? SIZE_MAX : (size_t)number;
    return 0;
}

/* A selector that fits series without any of its labels selects everything by mistake. */
static int check_selector(const struct promql_expr *expr, struct error *error)
{
    const struct matcher *matchers;
    size_t count;
    if (!promql_expr_selector(expr, &matchers, &count)) {
        return error_set(error, ERROR_INVALID,
                         "invalid parameter \"match[]\": expected a single selector");
    }
    return 0;
}

int api_matches_read(struct metrics_server *server, const struct http_request *request,
                     struct api_matches *matches, struct error *error)
{
    *matches = (struct api_matches){ 0 };
    const struct http_fields *fields = &request->parameters;
    size_t wanted = 0;
    for (size_t i = 0; i < fields->count; i++) {
        wanted += str_equal(fields->items[i].name, STR("match[]"));
    }
    if (wanted > MATCHES_MAX) {
        return error_set(error, ERROR_INVALID, "%zu match[] parameters, at most %d", wanted,
                         MATCHES_MAX);
    }
    matches->exprs = ARENA_ARRAY(request->arena, struct promql_expr *, wanted);
    if (matches->exprs == NULL && wanted > 0) return error_set(error, -ENOMEM, "no memory");
    for (size_t i = 0; i < fields->count; i++) {
        if (!str_equal(fields->items[i].name, STR("match[]"))) continue;
        struct error cause = { 0 };
        struct promql_expr *expr = NULL;
        int code = promql_parse(&expr, server->engine, fields->items[i].value, &cause);
        if (code == 0) matches->exprs[matches->count++] = expr;
        if (code == 0) code = check_selector(expr, &cause);
        if (code != 0) {
            api_matches_release(matches);
            if (str_starts_with(str_from(cause.text), STR("invalid parameter"))) {
                return error_set(error, ERROR_INVALID, "%s", cause.text);
            }
            return error_set(error, ERROR_INVALID, "invalid parameter \"match[]\": %s", cause.text);
        }
    }
    return 0;
}

void api_matches_release(struct api_matches *matches)
{
    for (size_t i = 0; i < matches->count; i++) promql_expr_free(matches->exprs[i]);
    matches->count = 0;
}

void api_write_labels(struct json_writer *json, struct labels labels)
{
    json_object_begin(json);
    for (size_t i = 0; i < labels.count; i++) {
        json_key(json, labels.items[i].name);
        json_put_text(json, labels.items[i].value);
    }
    json_object_end(json);
}

void api_write_duration(struct json_writer *json, int64_t duration_ms)
{
    char text[DURATION_TEXT_SIZE];
    json_put_text(json, str_from(duration_print(duration_ms, text)));
}

void api_write_rfc3339(struct json_writer *json, int64_t time_ms)
{
    char text[CLOCK_RFC3339_SIZE];
    if (time_ms == 0) {
        json_put_text(json, STR("0001-01-01T00:00:00Z"));
        return;
    }
    size_t size = clock_rfc3339_print(time_ms * 1000000, 3, text);
    json_put_text(json, (struct str){ text, size });
}
