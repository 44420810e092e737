/* api_exemplars.c - /api/v1/query_exemplars: exemplars of the series an expression selects. */
#include "metrics_server/server.h"

#include "base/vec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct selectors {
    VEC(const struct matcher *) sets;
    VEC(size_t) counts;
    bool has_failed;
};

static void add_selector(void *argument, const struct matcher *matchers, size_t count,
                         int64_t range_ms)
{
    struct selectors *selectors = argument;
    (void)range_ms;
    if (!VEC_PUSH(&selectors->sets, matchers) || !VEC_PUSH(&selectors->counts, count)) {
        selectors->has_failed = true;
    }
}

/* Seconds: whole ones as such, else with three decimals. */
static void write_time(struct json_writer *json, int64_t time_ms)
{
    char text[64];
    int64_t rest = time_ms % 1000;
    uint64_t size = (uint64_t)time_ms;
    if (time_ms < 0) size = 0 - size;
    int length = rest == 0 ? snprintf(text, sizeof(text), "%" PRId64, time_ms / 1000)
                           : snprintf(text, sizeof(text), "%s%" PRIu64 ".%03d",
                                      time_ms < 0 ? "-" : "", size / 1000, abs((int)rest));
    json_put_raw(json, (struct str){ text, (size_t)length });
}

static void write_list(struct json_writer *json, const struct exemplar_list *list)
{
    json_object_begin(json);
    json_key(json, STR("seriesLabels"));
    api_write_labels(json, list->series);
    json_key(json, STR("exemplars"));
    json_array_begin(json);
    for (size_t i = 0; i < list->count; i++) {
        const struct exemplar *exemplar = &list->items[i];
        struct buf text;
        json_object_begin(json);
        json_key(json, STR("labels"));
        api_write_labels(json, exemplar->labels);
        buf_init(&text, 512);
        promql_value_print(&text, exemplar->value);
        json_key(json, STR("value"));
        json_put_text(json, buf_str(&text));
        buf_release(&text);
        json_key(json, STR("timestamp"));
        write_time(json, exemplar->time_ms);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

static int answer(struct metrics_server *server, struct http_request *request,
                  struct http_response *response, const struct exemplar_query *query,
                  struct error *error)
{
    struct exemplar_list *lists;
    size_t count;
    struct json_writer json;
    int code = tsdb_exemplars(server->db, query, request->arena, &lists, &count, error);
    if (code != 0) return code;
    api_begin(response, &json);
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) write_list(&json, &lists[i]);
    json_array_end(&json);
    api_end(response, &json);
    return 0;
}

API_HANDLER(api_query_exemplars)
{
    struct metrics_server *server = context;
    struct selectors selectors = { 0 };
    struct exemplar_query query = { .start_ms = INT64_MIN / 2, .end_ms = INT64_MAX / 2 };
    struct promql_expr *expr = NULL;
    int code = api_time(request, "start", &query.start_ms, error);
    if (code == 0) code = api_time(request, "end", &query.end_ms, error);
    if (code == 0 && query.end_ms < query.start_ms) {
        code = error_set(error, ERROR_INVALID, "end timestamp must not be before start timestamp");
    }
    if (code == 0) {
        code = promql_parse(&expr, server->engine, http_request_parameter(request, "query"), error);
        if (code == ERROR_PARSE) code = error_set(error, ERROR_INVALID, "%s", error->text);
    }
    if (code == 0) {
        promql_expr_selectors(expr, add_selector, &selectors);
        query.sets = selectors.sets.items;
        query.set_counts = selectors.counts.items;
        query.set_count = selectors.sets.count;
        if (selectors.has_failed) code = error_set(error, -ENOMEM, "no memory");
    }
    if (code == 0 && query.set_count == 0) {
        response->status = 204; /* nothing is selected: no data, as the real one says it */
    } else if (code == 0) {
        code = answer(server, request, response, &query, error);
    }
    promql_expr_free(expr);
    VEC_RELEASE(&selectors.sets);
    VEC_RELEASE(&selectors.counts);
    return code;
}
