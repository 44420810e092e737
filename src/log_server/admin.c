/* admin.c - what administrators' tools ask for: states, statistics, caches, keys of the house.
 *
 * A single node without replicas has little to tell; what stands here is true of it, and what would
 * change something that we have not is refused in refused.c.
 */
#include "codec/json.h"
#include "log_server/server.h"

static int answer_raw(struct call *call, const char *text)
{
    buf_append_cstr(&call->response->body, text);
    return 0;
}

static int handle_empty(struct call *call)
{
    return answer_raw(call, "{}");
}

static int handle_shards(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    buf_printf(&call->response->body,
               "{\"_shards\":{\"total\":%zu,\"successful\":%zu,\"failed\":0}}", count, count);
    return 0;
}

static int handle_open(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    return answer_raw(call, "{\"acknowledged\":true,\"shards_acknowledged\":true}");
}

/* Merges are the store's own business; what is in memory goes to disk now. */
static int handle_forcemerge(struct call *call)
{
    struct error error = { 0 };
    int code = logstore_flush(call->server->store, &error);
    return code < 0 ? answer_store_error(call, code, "exception", &error) : handle_shards(call);
}

static int handle_pending_tasks(struct call *call)
{
    return answer_raw(call, "{\"tasks\":[]}");
}

static int handle_ilm_status(struct call *call)
{
    return answer_raw(call, "{\"operation_mode\":\"RUNNING\"}");
}

static int handle_ilm_switch(struct call *call)
{
    if (str_ends_with(call->request->raw_path, STR("/start"))) return answer_acknowledged(call);
    return answer_error(call, 400, "illegal_argument_exception",
                        STR("policies cannot be stopped; delete the policy or its index setting"));
}

static void put_index_stats(struct json_writer *json, const char *name, uint64_t documents,
                            uint64_t deleted, uint64_t size)
{
    json_key(json, str_from(name));
    json_object_begin(json);
    json_key(json, STR("docs"));
    json_object_begin(json);
    json_member_int(json, "count", (int64_t)documents);
    json_member_int(json, "deleted", (int64_t)deleted);
    json_object_end(json);
    json_key(json, STR("store"));
    json_object_begin(json);
    json_member_int(json, "size_in_bytes", (int64_t)size);
    json_member_int(json, "reserved_in_bytes", 0);
    json_object_end(json);
    json_object_end(json);
}

/* _stats: of each index that is meant, and of all of them together. */
static int handle_stats(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct logstore_index_info *infos =
        ARENA_ARRAY(call->arena, struct logstore_index_info, count + 1);
    if (infos == NULL) return ERROR_LIMIT;
    uint64_t documents = 0;
    uint64_t deleted = 0;
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (logstore_index_info(call->server->store, names[i], false, call->arena, &infos[i]) < 0) {
            continue; /* it went meanwhile; its row stays empty */
        }
        documents += infos[i].documents;
        deleted += infos[i].deleted_documents;
        size += infos[i].store_size;
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("_shards"));
    json_object_begin(&json);
    json_member_int(&json, "total", (int64_t)count);
    json_member_int(&json, "successful", (int64_t)count);
    json_member_int(&json, "failed", 0);
    json_object_end(&json);
    json_key(&json, STR("_all"));
    json_object_begin(&json);
    put_index_stats(&json, "primaries", documents, deleted, size);
    put_index_stats(&json, "total", documents, deleted, size);
    json_object_end(&json);
    json_key(&json, STR("indices"));
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++) {
        const struct logstore_index_info *info = &infos[i];
        json_key(&json, names[i]);
        json_object_begin(&json);
        json_member_text(&json, "uuid", info->uuid);
        put_index_stats(&json, "primaries", info->documents, info->deleted_documents,
                        info->store_size);
        put_index_stats(&json, "total", info->documents, info->deleted_documents, info->store_size);
        json_object_end(&json);
    }
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}

/* The pieces behind _stats name groups of figures, of which there are few. */
static int handle_stats_of_all(struct call *call)
{
    call->value_count = 0;
    return handle_stats(call);
}

static int handle_cluster_stats(struct call *call)
{
    struct logstore_stats stats;
    const struct str *names;
    size_t count;
    struct str missing;
    logstore_stats(call->server->store, &stats);
    if (logstore_resolve(call->server->store, STR(""), call->arena, &names, &count, &missing) < 0) {
        return ERROR_LIMIT;
    }
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "cluster_name", call->server->flags.cluster_name);
    json_member_cstr(&json, "cluster_uuid", call->server->cluster_uuid);
    json_member_cstr(&json, "status", stats.is_read_only ? "red" : "green");
    json_key(&json, STR("indices"));
    json_object_begin(&json);
    json_member_int(&json, "count", (int64_t)count);
    json_key(&json, STR("docs"));
    json_object_begin(&json);
    json_member_int(&json, "count", (int64_t)stats.documents);
    json_member_int(&json, "deleted", (int64_t)stats.deleted_documents);
    json_object_end(&json);
    json_key(&json, STR("store"));
    json_object_begin(&json);
    json_member_int(&json, "size_in_bytes", (int64_t)stats.store_size);
    json_object_end(&json);
    json_key(&json, STR("segments"));
    json_object_begin(&json);
    json_member_int(&json, "count", (int64_t)stats.segment_count);
    json_object_end(&json);
    json_object_end(&json);
    json_key(&json, STR("nodes"));
    json_object_begin(&json);
    json_key(&json, STR("count"));
    json_put_raw(&json, STR("{\"total\":1,\"data\":1,\"ingest\":1,\"master\":1}"));
    json_key(&json, STR("versions"));
    json_array_begin(&json);
    json_put_cstr(&json, call->server->flags.version);
    json_array_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}

static int handle_cluster_state(struct call *call)
{
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_member_cstr(&json, "cluster_name", call->server->flags.cluster_name);
    json_member_cstr(&json, "cluster_uuid", call->server->cluster_uuid);
    json_member_cstr(&json, "master_node", NODE_ID);
    json_key(&json, STR("nodes"));
    json_object_begin(&json);
    json_key(&json, STR(NODE_ID));
    json_object_begin(&json);
    json_member_cstr(&json, "name", call->server->flags.node_name);
    json_object_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}

/* _nodes/stats: documents, disk and connections. */
static int handle_node_stats(struct call *call)
{
    struct logstore_stats stats;
    logstore_stats(call->server->store, &stats);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("_nodes"));
    json_put_raw(&json, STR("{\"total\":1,\"successful\":1,\"failed\":0}"));
    json_member_cstr(&json, "cluster_name", call->server->flags.cluster_name);
    json_key(&json, STR("nodes"));
    json_object_begin(&json);
    json_key(&json, STR(NODE_ID));
    json_object_begin(&json);
    json_member_int(&json, "timestamp", clock_realtime_ms(call->server->clock));
    json_member_cstr(&json, "name", call->server->flags.node_name);
    json_member_text(&json, "host", STR("127.0.0.1"));
    json_key(&json, STR("roles"));
    json_put_raw(&json, STR("[\"data\",\"ingest\",\"master\"]"));
    put_index_stats(&json, "indices", stats.documents, stats.deleted_documents, stats.store_size);
    json_key(&json, STR("http"));
    json_object_begin(&json);
    struct http_server_counters counters;
    http_server_counters(role_server(call->server->role), &counters);
    json_member_int(&json, "current_open", (int64_t)counters.connection_count);
    json_member_int(&json, "total_opened", (int64_t)counters.connection_total);
    json_object_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}

static int handle_hot_threads(struct call *call)
{
    call->response->content_type = "text/plain; charset=UTF-8";
    return answer_raw(call, "::: threads are not sampled; see /metrics and _tasks\n");
}

/* The mapping of single fields: {index:{mappings:{field:{full_name,mapping:{leaf:{...}}}}}} */
static int handle_field_mapping(struct call *call)
{
    const struct str *names;
    size_t count;
    struct str patterns = call->values[call->value_count - 1];
    if (call->value_count == 1) call->value_count = 0;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct logstore_snapshot *snapshot = NULL;
    struct error error = { 0 };
    code = logstore_snapshot_take(call->server->store, names, count, &snapshot, &error);
    if (code < 0) return answer_store_error(call, code, "exception", &error);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    for (size_t i = 0; i < snapshot->index_count; i++) {
        const struct logstore_mapping *mapping = snapshot->indices[i].mapping;
        json_key(&json, snapshot->indices[i].name);
        json_object_begin(&json);
        json_key(&json, STR("mappings"));
        json_object_begin(&json);
        for (size_t k = 0; k < mapping->fields.count; k++) {
            const struct logstore_field *field = &mapping->fields.items[k];
            bool is_asked = false;
            for (struct str rest = patterns; rest.size > 0 && !is_asked;) {
                is_asked = logstore_name_matches(str_cut(&rest, ','), field->path);
            }
            if (!is_asked) continue;
            struct str leaf = field->path;
            for (size_t dot; (dot = str_find_char(leaf, '.')) != STR_NONE;) {
                leaf = str_skip(leaf, dot + 1);
            }
            json_key(&json, field->path);
            json_object_begin(&json);
            json_member_text(&json, "full_name", field->path);
            json_key(&json, STR("mapping"));
            json_object_begin(&json);
            json_key(&json, leaf);
            json_object_begin(&json);
            json_member_cstr(&json, "type", logstore_type_name(field->type));
            json_object_end(&json);
            json_object_end(&json);
            json_object_end(&json);
        }
        json_object_end(&json);
        json_object_end(&json);
    }
    json_object_end(&json);
    logstore_snapshot_free(snapshot);
    return 0;
}

static int handle_ilm_explain(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("indices"));
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++) {
        struct logstore_index_info info;
        if (logstore_index_info(call->server->store, names[i], true, call->arena, &info) < 0) {
            continue;
        }
        const struct json *root = NULL;
        struct str policy = STR("");
        if (json_parse(NULL, call->arena, info.settings, &root, NULL) == 0) {
            policy = json_text(json_get_path(root, STR("index.lifecycle.name")), STR(""));
        }
        json_key(&json, names[i]);
        json_object_begin(&json);
        json_member_text(&json, "index", names[i]);
        json_member_bool(&json, "managed", policy.size > 0);
        if (policy.size > 0) json_member_text(&json, "policy", policy);
        json_object_end(&json);
    }
    json_object_end(&json);
    json_object_end(&json);
    return 0;
}

#define STATS_PARAMETERS                                                                           \
    INDICES_PARAMETERS                                                                             \
    " level metric fields groups completion_fields fielddata_fields"                               \
    " include_segment_file_sizes include_unloaded_segments forbid_closed_indices"
#define KEEP_PARAMETERS                                                                            \
    INDICES_PARAMETERS " max_num_segments only_expunge_deletes flush wait_for_completion query"    \
                       " request fielddata fields"

static const struct route rows[] = {
    { HTTP_GET, "/_stats", handle_stats, STATS_PARAMETERS },
    { HTTP_GET, "/_stats/:what", handle_stats_of_all, STATS_PARAMETERS },
    { HTTP_GET, "/:index/_stats", handle_stats, STATS_PARAMETERS },
    { HTTP_GET, "/:index/_stats/:what", handle_stats, STATS_PARAMETERS },
    { HTTP_GET, "/_nodes/stats", handle_node_stats, STATS_PARAMETERS },
    { HTTP_GET, "/_nodes/stats/:what", handle_node_stats, STATS_PARAMETERS },
    { HTTP_GET, "/_nodes/stats/:what/:group", handle_node_stats, STATS_PARAMETERS },
    { HTTP_GET, "/_nodes/:node/stats", handle_node_stats, STATS_PARAMETERS },
    { HTTP_GET, "/_nodes/:node/stats/:what", handle_node_stats, STATS_PARAMETERS },
    { HTTP_GET, "/_nodes/hot_threads", handle_hot_threads,
      " threads interval ignore_idle_threads" },
    { HTTP_GET, "/_cluster/stats", handle_cluster_stats, INDICES_PARAMETERS },
    { HTTP_GET, "/_cluster/state", handle_cluster_state, INDICES_PARAMETERS " wait_for_timeout" },
    { HTTP_GET, "/_cluster/state/:what", handle_cluster_state, INDICES_PARAMETERS },
    { HTTP_GET, "/_cluster/pending_tasks", handle_pending_tasks, INDICES_PARAMETERS },
    { HTTP_GET, "/_remote/info", handle_empty, INDICES_PARAMETERS },
    { HTTP_GET, "/_scripts", handle_empty, INDICES_PARAMETERS },
    { HTTP_GET, "/_snapshot", handle_empty, INDICES_PARAMETERS },
    { HTTP_GET, "/_ilm/status", handle_ilm_status, INDICES_PARAMETERS },
    { HTTP_POST, "/_ilm/start", handle_ilm_switch, INDICES_PARAMETERS },
    { HTTP_POST, "/_ilm/stop", handle_ilm_switch, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_ilm/explain", handle_ilm_explain,
      INDICES_PARAMETERS " only_managed only_errors" },
    { HTTP_GET, "/_mapping/field/:field", handle_field_mapping, INDICES_PARAMETERS },
    { HTTP_GET, "/:index/_mapping/field/:field", handle_field_mapping, INDICES_PARAMETERS },
    { HTTP_POST, "/_forcemerge", handle_forcemerge, KEEP_PARAMETERS },
    { HTTP_POST, "/:index/_forcemerge", handle_forcemerge, KEEP_PARAMETERS },
    { HTTP_POST, "/_cache/clear", handle_shards, KEEP_PARAMETERS },
    { HTTP_POST, "/:index/_cache/clear", handle_shards, KEEP_PARAMETERS },
    { HTTP_POST, "/:index/_open", handle_open, INDICES_PARAMETERS " wait_for_active_shards" },
};

const struct route_table admin_routes = { rows, ARRAY_LENGTH(rows) };
