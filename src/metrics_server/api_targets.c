/* api_targets.c - /api/v1/targets, metadata, targets/metadata and scrape_pools. */
#include "metrics_server/server.h"

#include <errno.h>
#include <stdlib.h>

static const char *health_name(enum scrape_health health)
{
    switch (health) {
    case SCRAPE_UP: return "up";
    case SCRAPE_DOWN: return "down";
    case SCRAPE_UNKNOWN: break;
    }
    return "unknown";
}

static void write_active(struct json_writer *json, const struct scrape_target_view *target)
{
    json_object_begin(json);
    json_key(json, STR("discoveredLabels"));
    api_write_labels(json, target->discovered);
    json_key(json, STR("labels"));
    api_write_labels(json, target->labels);
    json_member_text(json, "scrapePool", target->job);
    json_member_text(json, "scrapeUrl", target->url);
    json_member_text(json, "globalUrl", target->url);
    json_member_text(json, "lastError", target->last_error);
    json_key(json, STR("lastScrape"));
    api_write_rfc3339(json, target->last_scrape_ms);
    json_member_double(json, "lastScrapeDuration", target->last_duration_s);
    json_member_cstr(json, "health", health_name(target->health));
    json_key(json, STR("scrapeInterval"));
    api_write_duration(json, target->interval_ms);
    json_key(json, STR("scrapeTimeout"));
    api_write_duration(json, target->timeout_ms);
    json_object_end(json);
}

static void write_dropped(struct json_writer *json, const struct scrape_target_view *target)
{
    json_object_begin(json);
    json_key(json, STR("discoveredLabels"));
    api_write_labels(json, target->discovered);
    json_member_text(json, "scrapePool", target->job);
    json_object_end(json);
}

/* Writes the list of the targets that are (or are not) dropped and belong to the pool. */
static void write_list(struct json_writer *json, const struct scrape_target_view *targets,
                       size_t count, struct str pool, bool wants_dropped)
{
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        if (targets[i].is_dropped != wants_dropped) continue;
        if (pool.size > 0 && !str_equal(pool, targets[i].job)) continue;
        if (wants_dropped) {
            write_dropped(json, &targets[i]);
        } else {
            write_active(json, &targets[i]);
        }
    }
    json_array_end(json);
}

static int write_dropped_counts(struct metrics_server *server, const struct http_request *request,
                                struct json_writer *json, const struct scrape_target_view *targets,
                                size_t count, struct error *error)
{
    const struct str *jobs;
    size_t job_count;
    int code = scrape_jobs(server->scrapes, request->arena, &jobs, &job_count, error);
    if (code != 0) return code;
    json_object_begin(json);
    for (size_t i = 0; i < job_count; i++) {
        int64_t dropped = 0;
        for (size_t j = 0; j < count; j++) {
            dropped += targets[j].is_dropped && str_equal(targets[j].job, jobs[i]);
        }
        json_key(json, jobs[i]);
        json_put_int(json, dropped);
    }
    json_object_end(json);
    return 0;
}

API_HANDLER(api_targets)
{
    struct metrics_server *server = context;
    struct str state = http_request_parameter(request, "state");
    struct str pool = http_request_parameter(request, "scrapePool");
    bool is_any = state.size == 0 || str_equal_nocase(state, STR("any"));
    bool wants_active = is_any || str_equal_nocase(state, STR("active"));
    bool wants_dropped = is_any || str_equal_nocase(state, STR("dropped"));
    const struct scrape_target_view *targets;
    size_t count;
    int code = scrape_targets(server->scrapes, request->arena, &targets, &count, error);
    if (code != 0) return code;
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    json_key(&json, STR("activeTargets"));
    write_list(&json, targets, wants_active ? count : 0, pool, false);
    json_key(&json, STR("droppedTargets"));
    write_list(&json, targets, wants_dropped ? count : 0, pool, true);
    json_key(&json, STR("droppedTargetCounts"));
    code = write_dropped_counts(server, request, &json, targets, wants_dropped ? count : 0, error);
    json_object_end(&json);
    api_end(response, &json);
    return code;
}

API_HANDLER(api_scrape_pools)
{
    struct metrics_server *server = context;
    const struct str *jobs;
    size_t count;
    int code = scrape_jobs(server->scrapes, request->arena, &jobs, &count, error);
    if (code != 0) return code;
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    json_key(&json, STR("scrapePools"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) json_put_text(&json, jobs[i]);
    json_array_end(&json);
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

/* ---- metadata ---- */

static int compare_metadata(const void *a, const void *b)
{
    const struct scrape_metadata *left = a;
    const struct scrape_metadata *right = b;
    int order = str_compare(left->metric, right->metric);
    if (order == 0) order = str_compare(left->type, right->type);
    if (order == 0) order = str_compare(left->help, right->help);
    return order == 0 ? str_compare(left->unit, right->unit) : order;
}

static bool is_same(const struct scrape_metadata *a, const struct scrape_metadata *b)
{
    return compare_metadata(a, b) == 0;
}

static void write_metadata(struct json_writer *json, const struct scrape_metadata *item)
{
    json_member_text(json, "type", item->type);
    json_member_text(json, "help", item->help);
    json_member_text(json, "unit", item->unit);
}

/* A number such as limit; absent: no limit. */
static int read_count(const struct http_request *request, const char *name, size_t *count,
                      struct error *error)
{
    struct str text = http_request_parameter(request, name);
    int64_t number = -1;
    *count = SIZE_MAX;
    if (text.size > 0 && !str_to_int64(text, &number)) {
        return error_set(error, ERROR_INVALID, "%s must be a number", name);
    }
    if (number >= 0) *count = (size_t)number;
    return 0;
}

API_HANDLER(api_metadata)
{
    struct metrics_server *server = context;
    size_t limit;
    size_t per_metric;
    const struct scrape_metadata *found;
    size_t count;
    int code = read_count(request, "limit", &limit, error);
    if (code == 0) code = read_count(request, "limit_per_metric", &per_metric, error);
    struct str metric = http_request_parameter(request, "metric");
    if (code == 0) {
        code = scrape_metadata(server->scrapes, metric, request->arena, &found, &count, error);
    }
    if (code == 0) {
        code = pushed_metadata_add(&server->pushed_metadata, metric, request->arena, &found, &count,
                                   error);
    }
    if (code != 0) return code;
    struct scrape_metadata *items = ARENA_ARRAY(request->arena, struct scrape_metadata, count);
    if (items == NULL && count > 0) return error_set(error, -ENOMEM, "no memory");
    if (count > 0) memcpy(items, found, count * sizeof(*items));
    if (count > 1) qsort(items, count, sizeof(*items), compare_metadata);

    struct json_writer json;
    size_t metrics = 0;
    api_begin(response, &json);
    json_object_begin(&json);
    for (size_t i = 0; i < count && metrics < limit; metrics++) {
        size_t first = i;
        size_t written = 0;
        json_key(&json, items[i].metric);
        json_array_begin(&json);
        for (; i < count && str_equal(items[i].metric, items[first].metric); i++) {
            if ((i > first && is_same(&items[i], &items[i - 1])) || written == per_metric) continue;
            json_object_begin(&json);
            write_metadata(&json, &items[i]);
            json_object_end(&json);
            written++;
        }
        json_array_end(&json);
    }
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

API_HANDLER(api_targets_metadata)
{
    struct metrics_server *server = context;
    struct str metric = http_request_parameter(request, "metric");
    struct str match = http_request_parameter(request, "match_target");
    struct promql_expr *expr = NULL;
    const struct matcher *matchers = NULL;
    size_t matcher_count = 0;
    size_t limit;
    const struct scrape_metadata *items = NULL;
    size_t count = 0;
    int code = read_count(request, "limit", &limit, error);
    if (code == 0 && match.size > 0) code = promql_parse(&expr, server->engine, match, error);
    if (code == 0 && expr != NULL && !promql_expr_selector(expr, &matchers, &matcher_count)) {
        code = error_set(error, ERROR_INVALID, "match_target is not a selector");
    }
    if (code == 0) {
        code = scrape_metadata(server->scrapes, metric, request->arena, &items, &count, error);
    }
    if (code == 0) {
        struct json_writer json;
        size_t written = 0;
        api_begin(response, &json);
        json_array_begin(&json);
        for (size_t i = 0; i < count && written < limit; i++) {
            if (!matcher_matches_labels(matchers, matcher_count, items[i].target)) continue;
            json_object_begin(&json);
            json_key(&json, STR("target"));
            api_write_labels(&json, items[i].target);
            if (metric.size == 0) json_member_text(&json, "metric", items[i].metric);
            write_metadata(&json, &items[i]);
            json_object_end(&json);
            written++;
        }
        json_array_end(&json);
        api_end(response, &json);
    }
    promql_expr_free(expr);
    return code;
}
