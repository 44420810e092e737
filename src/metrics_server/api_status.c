/* api_status.c - /api/v1/status/..., rules and alerts (there are none), /version. */
#include "metrics_server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOP_DEFAULT 10
#define TOP_MAX     10000

API_HANDLER(api_status_config)
{
    (void)request;
    (void)error;
    struct metrics_server *server = context;
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    mutex_lock(&server->mutex);
    json_member_cstr(&json, "yaml", server->config_text == NULL ? "" : server->config_text);
    mutex_unlock(&server->mutex);
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

static void write_flag(void *argument, const char *name, const char *value)
{
    json_member_cstr(argument, name, value);
}

API_HANDLER(api_status_flags)
{
    (void)request;
    (void)error;
    struct metrics_server *server = context;
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    role_visit_flags(server->role, write_flag, &json);
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

static void write_retention(struct json_writer *json, const struct metrics_flags *flags)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 256);
    struct json_writer duration;
    json_writer_init(&duration, &text);
    if (flags->retention_ms > 0) api_write_duration(&duration, flags->retention_ms);
    struct str time = buf_str(&text);
    if (time.size >= 2) time = (struct str){ time.data + 1, time.size - 2 }; /* without quotes */
    CLEANUP(buf_release) struct buf whole;
    buf_init(&whole, 256);
    buf_append_str(&whole, time);
    if (flags->retention_size > 0) {
        if (whole.size > 0) buf_append_str(&whole, STR(" or "));
        buf_printf(&whole, "%lldB", (long long)flags->retention_size);
    }
    json_member_text(json, "storageRetention", buf_str(&whole));
}

API_HANDLER(api_status_runtime)
{
    (void)request;
    (void)error;
    struct metrics_server *server = context;
    char folder[FILE_PATH_SIZE];
    char host[256];
    struct tsdb_stats stats;
    tsdb_stats(server->db, &stats);
    if (getcwd(folder, sizeof(folder)) == NULL) folder[0] = '\0';
    if (gethostname(host, sizeof(host)) != 0) host[0] = '\0';
    host[sizeof(host) - 1] = '\0';

    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    json_key(&json, STR("startTime"));
    api_write_rfc3339(&json, role_start_ms(server->role));
    json_member_cstr(&json, "CWD", folder);
    json_member_cstr(&json, "hostname", host);
    json_key(&json, STR("serverTime"));
    api_write_rfc3339(&json, clock_realtime_ms(role_clock(server->role)));
    mutex_lock(&server->mutex);
    json_member_bool(&json, "reloadConfigSuccess", server->is_config_good);
    json_key(&json, STR("lastConfigTime"));
    api_write_rfc3339(&json, server->config_ms);
    mutex_unlock(&server->mutex);
    json_member_int(&json, "corruptionCount",
                    (int64_t)(stats.log_corruptions + stats.block_corruptions));
    json_member_int(&json, "goroutineCount",
                    0); /* clients want the fields; this is no Go program */
    json_member_int(&json, "GOMAXPROCS", sysconf(_SC_NPROCESSORS_ONLN));
    json_member_int(&json, "GOMEMLIMIT", role_memory_max(server->role));
    json_member_cstr(&json, "GOGC", "");
    json_member_cstr(&json, "GODEBUG", "");
    write_retention(&json, &server->flags);
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

static void write_build(struct json_writer *json)
{
    json_object_begin(json);
    json_member_cstr(json, "version", METRICS_SERVER_VERSION);
    json_member_cstr(json, "revision", role_revision());
    json_member_cstr(json, "branch", "barograph");
    json_member_cstr(json, "buildUser", "");
    json_member_cstr(json, "buildDate", "");
    json_member_cstr(json, "goVersion", "");
    json_object_end(json);
}

API_HANDLER(api_status_build)
{
    (void)context;
    (void)request;
    (void)error;
    struct json_writer json;
    api_begin(response, &json);
    write_build(&json);
    api_end(response, &json);
    return 0;
}

API_HANDLER(api_version)
{
    (void)context;
    (void)request;
    (void)error;
    struct json_writer json;
    response->content_type = "application/json";
    json_writer_init(&json, &response->body);
    write_build(&json);
    return 0;
}

static void write_top(struct json_writer *json, const char *key, const struct tsdb_top_list *list)
{
    json_key(json, str_from(key));
    json_array_begin(json);
    for (size_t i = 0; i < list->count; i++) {
        json_object_begin(json);
        json_member_text(json, "name", list->items[i].name);
        json_member_int(json, "value", (int64_t)list->items[i].value);
        json_object_end(json);
    }
    json_array_end(json);
}

API_HANDLER(api_status_tsdb)
{
    struct metrics_server *server = context;
    size_t limit;
    int code = api_limit(request, &limit, error);
    if (code != 0) return code;
    if (limit > TOP_MAX) {
        return error_set(error, ERROR_INVALID, "limit must be a positive number of at most %d",
                         TOP_MAX);
    }
    struct tsdb_stats stats;
    struct tsdb_top top = { 0 };
    tsdb_stats(server->db, &stats);
    code = tsdb_top(server->db, limit == 0 ? TOP_DEFAULT : limit, request->arena, &top, error);
    if (code != 0) return code;
    bool is_empty = stats.head_series == 0;

    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    json_key(&json, STR("headStats"));
    json_object_begin(&json);
    json_member_int(&json, "numSeries", (int64_t)stats.head_series);
    json_member_int(&json, "numLabelPairs", (int64_t)stats.head_label_pairs);
    json_member_int(&json, "chunkCount", (int64_t)stats.head_chunks);
    json_member_int(&json, "minTime", is_empty ? 0 : stats.head_min_time_ms);
    json_member_int(&json, "maxTime", is_empty ? 0 : stats.head_max_time_ms);
    json_object_end(&json);
    write_top(&json, "seriesCountByMetricName", &top.series_by_metric);
    write_top(&json, "labelValueCountByLabelName", &top.values_by_label);
    write_top(&json, "memoryInBytesByLabelName", &top.memory_by_label);
    write_top(&json, "seriesCountByLabelValuePair", &top.series_by_label_pair);
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

API_HANDLER(api_status_blocks)
{
    struct metrics_server *server = context;
    const struct tsdb_block_info *blocks;
    size_t count;
    int code = tsdb_blocks(server->db, request->arena, &blocks, &count, error);
    if (code != 0) return code;
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    json_key(&json, STR("blocks"));
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "%020llu", (unsigned long long)blocks[i].id);
        json_object_begin(&json);
        json_member_cstr(&json, "ulid", id);
        json_member_int(&json, "minTime", blocks[i].min_time_ms);
        json_member_int(&json, "maxTime", blocks[i].max_time_ms + 1);
        json_key(&json, STR("stats"));
        json_object_begin(&json);
        json_member_int(&json, "numSamples", (int64_t)blocks[i].samples);
        json_member_int(&json, "numSeries", (int64_t)blocks[i].series);
        json_member_int(&json, "numChunks", (int64_t)blocks[i].chunks);
        json_object_end(&json);
        json_key(&json, STR("compaction"));
        json_object_begin(&json);
        json_member_int(&json, "level", blocks[i].level);
        json_object_end(&json);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

/* {"groups":[]} and the like: an answer with empty lists, which is the truth without rules. */
static void write_empty_lists(struct http_response *response, const char *const *keys, size_t count)
{
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++) {
        json_key(&json, str_from(keys[i]));
        json_array_begin(&json);
        json_array_end(&json);
    }
    json_object_end(&json);
    api_end(response, &json);
}

API_HANDLER(api_rules)
{
    static const char *const keys[] = { "groups" };
    (void)context;
    struct str type = http_request_parameter(request, "type");
    if (type.size > 0 && !str_equal(type, STR("alert")) && !str_equal(type, STR("record"))) {
        return error_set(error, ERROR_INVALID,
                         "invalid parameter \"type\": not supported value \"" STR_FMT "\"",
                         STR_ARG(type));
    }
    write_empty_lists(response, keys, ARRAY_LENGTH(keys));
    return 0;
}

API_HANDLER(api_alerts)
{
    static const char *const keys[] = { "alerts" };
    (void)context;
    (void)request;
    (void)error;
    write_empty_lists(response, keys, ARRAY_LENGTH(keys));
    return 0;
}

API_HANDLER(api_alertmanagers)
{
    static const char *const keys[] = { "activeAlertmanagers", "droppedAlertmanagers" };
    (void)context;
    (void)request;
    (void)error;
    write_empty_lists(response, keys, ARRAY_LENGTH(keys));
    return 0;
}
