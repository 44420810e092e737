/* api_query.c - /api/v1/query, query_range and format_query. */
#include "metrics_server/server.h"

#include "prometheus/prometheus.h"

#include <errno.h>
#include <stdio.h>

#define POINTS_MAX 11000 /* steps of a range query, as in Prometheus */

/* What a network thread spends on a query, in samples, before it hands it to a worker: about a
 * millisecond. Handing on costs more than most queries do. */
#define QUICK_WORK 150000

#define LONG_POINTS 1000000 /* of an answer: writing it is long work */

#define POINT_SIZE_LEAST 18                 /* bytes of `[1700000000,"1"],` */
#define TREE_SIZE_MAX    ((size_t)64 << 20) /* bytes of parse_query's answer */

/* What both kinds of queries read from their request. */
struct query {
    struct metrics_server *server;
    struct promql_expr *expr;
    struct promql_request request;
    size_t limit;
    size_t slot; /* among the active ones */
};

static void step_aside(void *argument)
{
    http_request_step_aside(argument);
}

static void query_release(struct query *query)
{
    promql_expr_free(query->expr);
}

/* What is answered where it came in ends within a millisecond or goes to a worker; noting it would
 * cost more than it takes. */
static void query_begin(struct query *query)
{
    struct metrics_server *server = query->server;
    query->slot = ACTIVE_QUERIES_NO_SLOT;
    if (query->request.work_max > 0) return;
    int64_t now_s = clock_realtime_ms(role_clock(server->role)) / 1000;
    query->slot = active_queries_add(&server->active, promql_expr_text(query->expr), now_s);
}

static void query_end(struct query *query)
{
    active_queries_remove(&query->server->active, query->slot);
}

static int query_read(struct query *query, struct metrics_server *server,
                      struct http_request *request, struct http_response *response,
                      struct error *error)
{
    *query = (struct query){ .server = server };
    response->body.budget = &server->query_budget;
    query->request.start_ns = request->start_ns;
    query->request.keeps_turn = true;
    query->request.turns_long = step_aside;
    query->request.argument = request;
    query->request.work_max = request->is_on_network_thread ? QUICK_WORK : 0;
    query->request.points_max = response->body.size_max / POINT_SIZE_LEAST;
    query->request.skips_cache = str_equal(http_request_parameter(request, "nocache"), STR("1"));
    query->request.counts_steps = str_equal(http_request_parameter(request, "stats"), STR("all"));
    int code = api_limit(request, &query->limit, error);
    if (code == 0) code = api_duration(request, "timeout", &query->request.timeout_ms, error);
    if (code == 0)
        code = api_duration(request, "lookback_delta", &query->request.lookback_ms, error);
    if (code != 0) return code;
    struct error cause = { 0 };
    struct str text = http_request_parameter(request, "query");
    if (request->is_on_network_thread && !promql_parse_is_quick(server->engine, text)) {
        return HTTP_LATER;
    }
    code = promql_parse(&query->expr, server->engine, text, &cause);
    if (code != 0) {
        return error_set(error, ERROR_INVALID, "invalid parameter \"query\": %s", cause.text);
    }
    return 0;
}

static void write_notes(struct json_writer *json, const char *key, const struct str *notes,
                        size_t count, const char *more)
{
    enum { NOTES_MAX = 10 };
    if (count == 0 && more == NULL) return;
    json_key(json, str_from(key));
    json_array_begin(json);
    for (size_t i = 0; i < count && i < NOTES_MAX; i++) json_put_text(json, notes[i]);
    if (count > NOTES_MAX) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%zu more %s annotations omitted", count - NOTES_MAX,
                       key);
        json_put_cstr(json, text);
    }
    if (more != NULL) json_put_cstr(json, more);
    json_array_end(json);
}

static void write_stats(struct json_writer *json, const struct promql_stats *stats)
{
    json_key(json, STR("stats"));
    json_object_begin(json);
    json_key(json, STR("timings"));
    json_object_begin(json);
    json_member_double(json, "evalTotalTime", (double)stats->evaluate_ns / 1e9);
    json_member_double(json, "resultSortTime", 0);
    json_member_double(json, "queryPreparationTime", 0);
    json_member_double(json, "innerEvalTime", (double)stats->evaluate_ns / 1e9);
    json_member_double(json, "execQueueTime", (double)stats->queue_ns / 1e9);
    json_member_double(json, "execTotalTime", (double)stats->total_ns / 1e9);
    json_object_end(json);
    json_key(json, STR("samples"));
    json_object_begin(json);
    json_member_int(json, "totalQueryableSamples", (int64_t)stats->samples);
    json_member_int(json, "peakSamples", (int64_t)stats->samples_peak);
    if (stats->samples_per_step != NULL) {
        json_key(json, STR("totalQueryableSamplesPerStep"));
        json_array_begin(json);
        for (size_t i = 0; i < stats->step_count; i++) {
            json_array_begin(json);
            json_put_double(json, (double)(stats->start_ms + (int64_t)i * stats->step_ms) / 1000);
            json_put_uint(json, stats->samples_per_step[i]);
            json_array_end(json);
        }
        json_array_end(json);
    }
    json_object_end(json);
    json_object_end(json);
}

static size_t points_of(const struct promql_result *result)
{
    size_t points = 0;
    for (size_t i = 0; i < result->series_count; i++) points += result->series[i].count;
    return points;
}

static int write_result(struct query *query, struct promql_result *result,
                        const struct http_request *request, struct http_response *response,
                        struct error *error)
{
    bool is_list = result->type == PROMQL_VECTOR || result->type == PROMQL_MATRIX;
    bool is_cut = is_list && query->limit > 0 && result->series_count > query->limit;
    if (is_cut) result->series_count = query->limit;
    pm_observe(query->server->query_duration, (double)result->stats.total_ns / 1e9);

    if (points_of(result) > LONG_POINTS) http_request_step_aside(request);
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    promql_result_write_json(&response->body, result);
    json.needs_comma = true;
    if (http_request_parameter(request, "stats").size > 0) write_stats(&json, &result->stats);
    json_object_end(&json);
    write_notes(&json, "warnings", result->warnings, result->warning_count,
                is_cut ? "results truncated due to limit" : NULL);
    write_notes(&json, "infos", result->infos, result->info_count, NULL);
    api_end(response, &json);
    if (!response->body.has_failed) return 0;
    if (result->deadline_ns != 0 && clock_monotonic_ns(&clock_system) > result->deadline_ns) {
        return error_set(error, ERROR_TIMEOUT, "query timed out while its answer was written");
    }
    return api_check_body(response, error);
}

API_HANDLER(api_query)
{
    struct metrics_server *server = context;
    CLEANUP(query_release) struct query query = { 0 };
    int64_t time_ms = clock_realtime_ms(role_clock(server->role));
    int code = api_time(request, "time", &time_ms, error);
    if (code == 0) code = query_read(&query, server, request, response, error);
    if (code != 0) return code;
    struct promql_result *result = NULL;
    query_begin(&query);
    code = promql_query_instant(server->engine, &server->source, query.expr, time_ms,
                                &query.request, &result, error);
    query_end(&query);
    if (code != 0) return code == -EAGAIN ? HTTP_LATER : code;
    code = write_result(&query, result, request, response, error);
    promql_result_free(result);
    return code;
}

static int check_range(const struct promql_range *range, struct error *error)
{
    if (range->end_ms < range->start_ms) {
        return error_set(error, ERROR_INVALID,
                         "invalid parameter \"end\": end timestamp must not be before start time");
    }
    if (range->step_ms <= 0) {
        return error_set(
            error, ERROR_INVALID,
            "invalid parameter \"step\": zero or negative query resolution step widths "
            "are not accepted. Try a positive integer");
    }
    if ((range->end_ms - range->start_ms) / range->step_ms > POINTS_MAX) {
        return error_set(
            error, ERROR_INVALID,
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
            "the query resolution (?step=XX)");
    }
    return 0;
}

static int read_range(const struct http_request *request, struct promql_range *range,
                      struct error *error)
{
    static const char *const needed[] = { "start", "end", "step" };
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        if (http_request_parameter(request, needed[i]).size > 0) continue;
        return error_set(error, ERROR_INVALID,
                         "invalid parameter \"%s\": cannot parse \"\" to a valid %s", needed[i],
                         i == 2 ? "duration" : "timestamp");
    }
    int code = api_time(request, "start", &range->start_ms, error);
    if (code == 0) code = api_time(request, "end", &range->end_ms, error);
    if (code == 0) code = api_duration(request, "step", &range->step_ms, error);
    return code != 0 ? code : check_range(range, error);
}

API_HANDLER(api_query_range)
{
    struct metrics_server *server = context;
    CLEANUP(query_release) struct query query = { 0 };
    struct promql_range range = { 0 };
    int code = read_range(request, &range, error);
    if (code == 0) code = query_read(&query, server, request, response, error);
    if (code != 0) return code;
    enum promql_type type = promql_expr_type(query.expr);
    if (type != PROMQL_SCALAR && type != PROMQL_VECTOR) {
        return error_set(error, ERROR_INVALID,
                         "invalid parameter \"query\": invalid expression type \"%s\" for range "
                         "query, must be Scalar or instant Vector",
                         promql_type_name(type));
    }
    struct promql_result *result = NULL;
    query_begin(&query);
    code = promql_query_range(server->engine, &server->source, query.expr, &range, &query.request,
                              &result, error);
    query_end(&query);
    if (code != 0) return code == -EAGAIN ? HTTP_LATER : code;
    code = write_result(&query, result, request, response, error);
    promql_result_free(result);
    return code;
}

API_HANDLER(api_format_query)
{
    CLEANUP(query_release) struct query query = { 0 };
    int code = query_read(&query, context, request, response, error);
    if (code != 0) return code;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, PROMQL_TEXT_SIZE_MAX * 4);
    promql_format(&text, query.expr);
    struct json_writer json;
    api_begin(response, &json);
    json_put_text(&json, buf_str(&text));
    api_end(response, &json);
    return 0;
}

API_HANDLER(api_parse_query)
{
    CLEANUP(query_release) struct query query = { 0 };
    int code = query_read(&query, context, request, response, error);
    if (code != 0) return code;
    CLEANUP(buf_release) struct buf tree;
    buf_init(&tree, TREE_SIZE_MAX);
    promql_write_tree(&tree, query.expr);
    if (tree.has_failed) {
        return error_set(error, ERROR_LIMIT, "the tree is longer than %zu bytes", TREE_SIZE_MAX);
    }
    struct json_writer json;
    api_begin(response, &json);
    json_put_raw(&json, buf_str(&tree));
    api_end(response, &json);
    return 0;
}

/* No exemplars are kept: the answer is the empty list, which switches them off in clients. */
