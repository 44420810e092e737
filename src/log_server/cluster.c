/* cluster.c - what clients ask before they work: who are you, how are you, what may I do. */
#include "log_server/server.h"

#include <stdio.h>
#include <unistd.h>

static int handle_root(struct call *call)
{
    const struct log_flags *flags = &call->server->flags;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "name", flags->node_name);
    json_member_cstr(&json, "cluster_name", flags->cluster_name);
    json_member_cstr(&json, "cluster_uuid", call->server->cluster_uuid);
    json_key(&json, STR("version"));
    json_object_begin(&json);
    json_member_cstr(&json, "number", flags->version);
    json_member_cstr(&json, "build_flavor", "default");
    json_member_cstr(&json, "build_type", "tar");
    json_member_cstr(&json, "build_hash", role_revision());
    json_member_cstr(&json, "build_date", "2024-01-01T00:00:00.000000000Z");
    json_member_bool(&json, "build_snapshot", false);
    json_member_cstr(&json, "lucene_version", call->server->has_types ? "8.11.3" : "9.8.0");
    json_member_cstr(&json, "minimum_wire_compatibility_version",
                     call->server->has_types ? "6.8.0" : "7.17.0");
    json_member_cstr(&json, "minimum_index_compatibility_version",
                     call->server->has_types ? "6.0.0-beta1" : "7.0.0");
    json_object_end(&json);
    json_member_cstr(&json, "tagline", "You Know, for Search");
    json_object_end(&json);
    return 0;
}

#define LICENSE                                                                                    \
    "{\"status\":\"active\",\"uid\":\"00000000-0000-0000-0000-000000000000\","                     \
    "\"type\":\"basic\",\"issue_date\":\"2024-01-01T00:00:00.000Z\","                              \
    "\"issue_date_in_millis\":1704067200000,\"max_nodes\":1000,\"issued_to\":\"barograph\","       \
    "\"issuer\":\"barograph\",\"start_date_in_millis\":-1}"

static int handle_license(struct call *call)
{
    buf_append_cstr(&call->response->body, "{\"license\":" LICENSE "}");
    return 0;
}

static int handle_xpack(struct call *call)
{
    buf_printf(&call->response->body,
               "{\"build\":{\"hash\":\"barograph\",\"date\":\"2024-01-01T00:00:00.000Z\"},"
               "\"license\":{\"uid\":\"00000000-0000-0000-0000-000000000000\","
               "\"type\":\"basic\",\"mode\":\"basic\",\"status\":\"active\"},"
               "\"features\":{\"ilm\":{\"available\":true,\"enabled\":true},"
               "\"data_streams\":{\"available\":true,\"enabled\":true},"
               "\"security\":{\"available\":true,\"enabled\":%s},"
               "\"ml\":{\"available\":false,\"enabled\":false},"
               "\"sql\":{\"available\":false,\"enabled\":false}},\"tagline\":\"\"}",
               call->server->auth != NULL ? "true" : "false");
    return 0;
}

static int handle_health(struct call *call)
{
    struct logstore *store = call->server->store;
    const struct str *names;
    size_t count;
    struct str missing;
    struct str expression = call->value_count > 0 ? call->values[0] : STR("");
    if (logstore_resolve(store, expression, call->arena, &names, &count, &missing) < 0) {
        return ERROR_LIMIT;
    }
    /* Elasticsearch waits for an index that is not there until the time is over. */
    bool is_missing = missing.data != NULL;
    if (is_missing) call->response->status = 408;
    struct logstore_stats stats;
    logstore_stats(store, &stats);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "cluster_name", call->server->flags.cluster_name);
    json_member_cstr(&json, "status", stats.is_read_only || is_missing ? "red" : "green");
    json_member_bool(&json, "timed_out", is_missing);
    json_member_int(&json, "number_of_nodes", 1);
    json_member_int(&json, "number_of_data_nodes", 1);
    json_member_int(&json, "active_primary_shards", (int64_t)count);
    json_member_int(&json, "active_shards", (int64_t)count);
    static const char *const zeros[] = {
        "relocating_shards",
        "initializing_shards",
        "unassigned_shards",
        "delayed_unassigned_shards",
        "number_of_pending_tasks",
        "number_of_in_flight_fetch",
        "task_max_waiting_in_queue_millis",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(zeros); i++) json_member_int(&json, zeros[i], 0);
    json_key(&json, STR("active_shards_percent_as_number"));
    json_put_raw(&json, STR("100.0"));
    json_object_end(&json);
    return 0;
}

static int handle_cluster_settings(struct call *call)
{
    buf_append_cstr(&call->response->body, "{\"persistent\":{},\"transient\":{}}");
    return 0;
}

static int handle_put_cluster_settings(struct call *call)
{
    return answer_error(call, 400, "illegal_argument_exception",
                        STR("cluster settings cannot be changed; use the flags of the role"));
}

static int handle_nodes(struct call *call)
{
    const struct log_server *server = call->server;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("_nodes"));
    json_put_raw(&json, STR("{\"total\":1,\"successful\":1,\"failed\":0}"));
    json_member_cstr(&json, "cluster_name", server->flags.cluster_name);
    json_key(&json, STR("nodes"));
    json_object_begin(&json);
    json_key(&json, STR(NODE_ID));
    json_object_begin(&json);
    json_member_cstr(&json, "name", server->flags.node_name);
    json_member_text(&json, "transport_address", call->request->host);
    json_member_text(&json, "host", STR("127.0.0.1"));
    json_member_text(&json, "ip", STR("127.0.0.1"));
    json_member_cstr(&json, "version", server->flags.version);
    json_key(&json, STR("roles"));
    json_put_raw(&json, STR("[\"data\",\"ingest\",\"master\"]"));
    json_key(&json, STR("http"));
    json_object_begin(&json);
    json_member_text(&json, "publish_address", call->request->host);
    json_object_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}

static const struct route rows[] = {
    { HTTP_GET, "/", handle_root, " accept_enterprise categories local" },
    { HTTP_GET, "/_license", handle_license, " accept_enterprise categories local" },
    { HTTP_GET, "/_xpack", handle_xpack, " accept_enterprise categories local" },
    { HTTP_GET, "/_cluster/health", handle_health,
      INDICES_PARAMETERS
      " level wait_for_status wait_for_no_relocating_shards"
      " wait_for_no_initializing_shards wait_for_active_shards wait_for_nodes wait_for_events" },
    { HTTP_GET, "/_cluster/health/:index", handle_health,
      INDICES_PARAMETERS
      " level wait_for_status wait_for_no_relocating_shards"
      " wait_for_no_initializing_shards wait_for_active_shards wait_for_nodes wait_for_events" },
    { HTTP_GET, "/_cluster/settings", handle_cluster_settings, INDICES_PARAMETERS },
    { HTTP_PUT, "/_cluster/settings", handle_put_cluster_settings, INDICES_PARAMETERS },
    { HTTP_GET, "/_nodes", handle_nodes, INDICES_PARAMETERS },
    { HTTP_GET, "/_nodes/:what", handle_nodes, INDICES_PARAMETERS },
};

const struct route_table cluster_routes = { rows, ARRAY_LENGTH(rows) };
