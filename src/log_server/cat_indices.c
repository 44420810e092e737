/* cat_indices.c - _cat of what the store holds: indices, shards, segments, aliases, templates,
 * recovery, counts.
 */
#include "codec/json.h"
#include "log_server/cat_table.h"

#include <string.h>

static struct cat_cell node_ip(void)
{
    return cat_text(STR("127.0.0.1"));
}

static struct cat_cell time_of(struct call *call, int64_t time_ms)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 256);
    date_print_ms(time_ms, STR(""), 0, &text);
    return cat_text(arena_copy(call->arena, buf_str(&text)));
}

/* What each index says of itself; those that went meanwhile are left out. 1: answered already. */
static int index_infos(struct call *call, struct logstore_index_info **infos, size_t *count)
{
    const struct str *names;
    size_t name_count;
    int code = call_resolve(call, &names, &name_count);
    if (code != 0) return code;
    *infos = ARENA_ARRAY(call->arena, struct logstore_index_info, name_count + 1);
    if (*infos == NULL) return ERROR_LIMIT;
    *count = 0;
    for (size_t i = 0; i < name_count; i++) {
        struct logstore_index_info *info = &(*infos)[*count];
        if (logstore_index_info(call->server->store, names[i], false, call->arena, info) < 0) {
            continue;
        }
        (*count)++;
    }
    return 0;
}

static const struct cat_column index_columns[] = {
    { "health", "h", "current health status", 0 },
    { "status", "s", "open/close status", 0 },
    { "index", "i,idx", "index name", 0 },
    { "uuid", "id,uuid", "index uuid", 0 },
    { "pri", "p,shards.primary,shardsPrimary", "number of primary shards", CAT_RIGHT },
    { "rep", "r,shards.replica,shardsReplica", "number of replica shards", CAT_RIGHT },
    { "docs.count", "dc,docsCount", "available docs", CAT_RIGHT },
    { "docs.deleted", "dd,docsDeleted", "deleted docs", CAT_RIGHT },
    { "creation.date", "cd", "index creation date (millisecond value)", CAT_HIDDEN },
    { "creation.date.string", "cds", "index creation date (as string)", CAT_HIDDEN },
    { "store.size", "ss,storeSize", "store size of primaries & replicas", CAT_RIGHT },
    { "pri.store.size", "", "store size of primaries", CAT_RIGHT },
    { "segments.count", "sc,segmentsCount", "number of segments", CAT_RIGHT | CAT_HIDDEN },
};

static int handle_indices(struct call *call)
{
    struct logstore_index_info *infos;
    size_t count;
    struct cat_table table;
    int code = index_infos(call, &infos, &count);
    if (code != 0) return code < 0 ? code : 0;
    if (!cat_begin(&table, call, index_columns, ARRAY_LENGTH(index_columns), count)) {
        return ERROR_LIMIT;
    }
    struct str health = call_parameter(call, "health");
    for (size_t i = 0; i < count; i++) {
        const struct logstore_index_info *info = &infos[i];
        if (health.size > 0 && !str_equal(health, STR("green"))) continue;
        const struct cat_cell row[] = {
            cat_text(STR("green")),
            cat_text(STR("open")),
            cat_text(info->name),
            cat_text(info->uuid),
            cat_count(1),
            cat_count(0),
            cat_count(info->documents),
            cat_count(info->deleted_documents),
            cat_count((uint64_t)info->created_ms),
            time_of(call, info->created_ms),
            cat_size(info->store_size),
            cat_size(info->store_size),
            cat_count(info->segment_count),
        };
        memcpy(cat_row(&table), row, sizeof(row));
    }
    return cat_answer(&table);
}

static const struct cat_column shard_columns[] = {
    { "index", "i,idx", "index name", 0 },
    { "shard", "s,sh", "shard name", CAT_RIGHT },
    { "prirep", "p,pr,primaryOrReplica", "primary or replica", 0 },
    { "state", "st", "shard state", 0 },
    { "docs", "d,dc", "number of docs in shard", CAT_RIGHT },
    { "store", "sto", "store size of shard (how much disk it uses)", CAT_RIGHT },
    { "ip", "", "ip of node where it lives", 0 },
    { "id", "", "unique id of node where it lives", CAT_HIDDEN },
    { "node", "n", "name of node where it lives", 0 },
    { "segments.count", "sc,segmentsCount", "number of segments", CAT_RIGHT | CAT_HIDDEN },
};

static int handle_shards(struct call *call)
{
    struct logstore_index_info *infos;
    size_t count;
    struct cat_table table;
    int code = index_infos(call, &infos, &count);
    if (code != 0) return code < 0 ? code : 0;
    if (!cat_begin(&table, call, shard_columns, ARRAY_LENGTH(shard_columns), count)) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        const struct cat_cell row[] = {
            cat_text(infos[i].name),
            cat_count(0),
            cat_text(STR("p")),
            cat_text(STR("STARTED")),
            cat_count(infos[i].documents),
            cat_size(infos[i].store_size),
            node_ip(),
            cat_cstr(NODE_ID),
            cat_cstr(call->server->flags.node_name),
            cat_count(infos[i].segment_count),
        };
        memcpy(cat_row(&table), row, sizeof(row));
    }
    return cat_answer(&table);
}

static const struct cat_column segment_columns[] = {
    { "index", "i,idx", "index name", 0 },
    { "shard", "s,sh", "shard name", CAT_RIGHT },
    { "prirep", "p,pr,primaryOrReplica", "primary or replica", 0 },
    { "ip", "", "ip of node where it lives", 0 },
    { "id", "", "unique id of node where it lives", CAT_HIDDEN },
    { "segment", "seg", "segment name", 0 },
    { "generation", "g,gen", "segment generation", CAT_RIGHT },
    { "docs.count", "dc,docsCount", "number of docs in segment", CAT_RIGHT },
    { "docs.deleted", "dd,docsDeleted", "number of deleted docs in segment", CAT_RIGHT },
    { "size", "si", "segment size in bytes", CAT_RIGHT },
    { "size.memory", "sm,sizeMemory", "segment memory in bytes", CAT_RIGHT },
    { "committed", "ic,isCommitted", "is segment committed", 0 },
    { "searchable", "is,isSearchable", "is segment searched", 0 },
    { "version", "v,ver", "version", 0 },
    { "compound", "ico,isCompound", "is segment compound", 0 },
};

static int handle_segments(struct call *call)
{
    const struct str *names;
    size_t count;
    int code = call_resolve(call, &names, &count);
    if (code != 0) return code < 0 ? code : 0;
    struct logstore_snapshot *snapshot = NULL;
    struct error error = { 0 };
    code = logstore_snapshot_take(call->server->store, names, count, &snapshot, &error);
    if (code < 0) return answer_store_error(call, code, "exception", &error);
    struct cat_table table;
    bool has_room = cat_begin(&table, call, segment_columns, ARRAY_LENGTH(segment_columns),
                              snapshot->segment_count);
    for (size_t i = 0; has_room && i < snapshot->segment_count; i++) {
        const struct logstore_segment_view *view = &snapshot->segments[i];
        struct logstore_segment_info info;
        logstore_segment_info(view->segment, &info);
        const struct cat_cell row[] = {
            cat_text(arena_copy(call->arena, view->index->name)),
            cat_count(0),
            cat_text(STR("p")),
            node_ip(),
            cat_cstr(NODE_ID),
            cat_text(arena_printf(call->arena, "_%llx", (unsigned long long)info.id)),
            cat_count(info.id),
            cat_count(view->live_count),
            cat_count(view->document_count - view->live_count),
            cat_size(info.size),
            cat_size(info.is_in_memory ? info.size : 0),
            cat_text(info.is_in_memory ? STR("false") : STR("true")),
            cat_text(STR("true")),
            cat_cstr(call->server->has_types ? "8.11.3" : "9.8.0"),
            cat_text(STR("true")),
        };
        memcpy(cat_row(&table), row, sizeof(row));
    }
    logstore_snapshot_free(snapshot);
    return has_room ? cat_answer(&table) : ERROR_LIMIT;
}

static const struct cat_column recovery_columns[] = {
    { "index", "i,idx", "index name", 0 },
    { "shard", "s,sh", "shard name", CAT_RIGHT },
    { "time", "t,ti", "recovery time", 0 },
    { "type", "ty", "recovery type", 0 },
    { "stage", "st", "recovery stage", 0 },
    { "source_host", "shost", "source host", 0 },
    { "source_node", "snode", "source node name", 0 },
    { "target_host", "thost", "target host", 0 },
    { "target_node", "tnode", "target node name", 0 },
    { "repository", "rep", "repository", 0 },
    { "snapshot", "snap", "snapshot", 0 },
    { "files", "f", "number of files to recover", CAT_RIGHT },
    { "files_recovered", "fr", "files recovered", CAT_RIGHT },
    { "files_percent", "fp", "percent of files recovered", CAT_RIGHT },
    { "files_total", "tf", "total number of files", CAT_RIGHT },
    { "bytes", "b", "number of bytes to recover", CAT_RIGHT },
    { "bytes_recovered", "br", "bytes recovered", CAT_RIGHT },
    { "bytes_percent", "bp", "percent of bytes recovered", CAT_RIGHT },
    { "bytes_total", "tb", "total number of bytes", CAT_RIGHT },
    { "translog_ops", "to", "number of translog ops to recover", CAT_RIGHT },
    { "translog_ops_recovered", "tor", "translog ops recovered", CAT_RIGHT },
    { "translog_ops_percent", "top", "percent of translog ops recovered", CAT_RIGHT },
};

/* All indices have recovered when the role answers at all: opening a segment copies nothing. */
static int handle_recovery(struct call *call)
{
    struct logstore_index_info *infos;
    size_t count;
    struct cat_table table;
    int code = index_infos(call, &infos, &count);
    if (code != 0) return code < 0 ? code : 0;
    if (call_flag(call, "active_only", false)) count = 0;
    if (!cat_begin(&table, call, recovery_columns, ARRAY_LENGTH(recovery_columns), count)) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        const struct cat_cell host = node_ip();
        const struct cat_cell node = cat_cstr(call->server->flags.node_name);
        const struct cat_cell none = cat_text(STR("n/a"));
        const struct cat_cell all = cat_text(STR("100.0%"));
        const struct cat_cell row[] = {
            cat_text(infos[i].name),
            cat_count(0),
            cat_duration(0),
            cat_text(STR("existing_store")),
            cat_text(STR("done")),
            none,
            none,
            host,
            node,
            none,
            none,
            cat_count(0),
            cat_count(0),
            all,
            cat_count(infos[i].segment_count),
            cat_size(0),
            cat_size(0),
            all,
            cat_size(infos[i].store_size),
            cat_count(0),
            cat_count(0),
            all,
        };
        memcpy(cat_row(&table), row, sizeof(row));
    }
    return cat_answer(&table);
}

static const struct cat_column count_columns[] = {
    { "epoch", "t,time", "seconds since 1970-01-01 00:00:00", 0 },
    { "timestamp", "ts,hms,hhmmss", "time in HH:MM:SS", 0 },
    { "count", "dc,docs.count,docsCount", "the document count", 0 },
};

static int handle_count(struct call *call)
{
    struct logstore_index_info *infos;
    size_t count;
    struct cat_table table;
    int code = index_infos(call, &infos, &count);
    if (code != 0) return code < 0 ? code : 0;
    if (!cat_begin(&table, call, count_columns, ARRAY_LENGTH(count_columns), 1)) return ERROR_LIMIT;
    uint64_t documents = 0;
    for (size_t i = 0; i < count; i++) documents += infos[i].documents;
    int64_t now_ms = clock_realtime_ms(call->server->clock);
    struct utc utc = clock_utc_from_ms(now_ms);
    struct cat_cell *cells = cat_row(&table);
    cells[0] = cat_count((uint64_t)now_ms / 1000);
    cells[1] =
        cat_text(arena_printf(call->arena, "%02d:%02d:%02d", utc.hour, utc.minute, utc.second));
    cells[2] = cat_count(documents);
    return cat_answer(&table);
}

static const struct cat_column template_columns[] = {
    { "name", "n", "template name", 0 },
    { "index_patterns", "t", "template index patterns", 0 },
    { "order", "o,p", "template application order/priority number", 0 },
    { "version", "v", "version", 0 },
    { "composed_of", "c", "component templates comprising index template", 0 },
};

/* "[a, b]" */
static struct cat_cell list_of(struct call *call, const struct json *json)
{
    struct str list = STR("");
    bool is_list = json_is(json, JSON_ARRAY);
    size_t count = is_list ? json->array.count : json != NULL ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        struct str item = json_text(is_list ? &json->array.items[i] : json, STR(""));
        list = arena_printf(call->arena, STR_FMT "%s" STR_FMT, STR_ARG(list), i == 0 ? "" : ", ",
                            STR_ARG(item));
    }
    return cat_text(arena_printf(call->arena, "[" STR_FMT "]", STR_ARG(list)));
}

static struct cat_cell number_in(const struct json *json)
{
    return json == NULL ? (struct cat_cell){ 0 } : cat_text(json->raw);
}

static void put_template(struct cat_table *table, const struct logstore_object *object,
                         bool is_composable)
{
    struct call *call = table->call;
    struct cat_cell *cells = cat_row(table);
    const struct json *root = NULL;
    if (json_parse(NULL, call->arena, object->json, &root, NULL) < 0) root = NULL;
    cells[0] = cat_text(object->name);
    cells[1] = list_of(call, json_get(root, STR("index_patterns")));
    cells[2] = number_in(json_get(root, is_composable ? STR("priority") : STR("order")));
    if (cells[2].kind == CAT_NONE) cells[2] = cat_count(0);
    cells[3] = number_in(json_get(root, STR("version")));
    cells[4] =
        is_composable ? list_of(call, json_get(root, STR("composed_of"))) : cat_text(STR(""));
}

static int handle_templates(struct call *call)
{
    static const enum logstore_object_kind kinds[] = { LOGSTORE_TEMPLATE, LOGSTORE_INDEX_TEMPLATE };
    const struct logstore_object *lists[ARRAY_LENGTH(kinds)];
    size_t counts[ARRAY_LENGTH(kinds)] = { 0 };
    struct str pattern = call->value_count > 0 ? call->values[0] : STR("*");
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (logstore_object_list(call->server->store, kinds[i], pattern, call->arena, &lists[i],
                                 &counts[i]) < 0) {
            return ERROR_LIMIT;
        }
        total += counts[i];
    }
    struct cat_table table;
    if (!cat_begin(&table, call, template_columns, ARRAY_LENGTH(template_columns), total)) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        for (size_t k = 0; k < counts[i]; k++) put_template(&table, &lists[i][k], i == 1);
    }
    return cat_answer(&table);
}

static const struct cat_column alias_columns[] = {
    { "alias", "a", "alias name", 0 },
    { "index", "i,idx", "index alias points to", 0 },
    { "filter", "f,fi", "filter", 0 },
    { "routing.index", "ri,routingIndex", "index routing", 0 },
    { "routing.search", "rs,routingSearch", "search routing", 0 },
    { "is_write_index", "w,isWriteIndex", "write index", 0 },
};

static int handle_aliases(struct call *call)
{
    const struct logstore_alias *aliases;
    size_t count;
    struct cat_table table;
    struct str patterns = call->value_count > 0 ? call->values[0] : STR("*");
    if (logstore_alias_list(call->server->store, call->arena, &aliases, &count) < 0 ||
        !cat_begin(&table, call, alias_columns, ARRAY_LENGTH(alias_columns), count)) {
        return ERROR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_asked = false;
        for (struct str rest = patterns; rest.size > 0 && !is_asked;) {
            struct str pattern = str_cut(&rest, ',');
            is_asked =
                str_equal(pattern, STR("_all")) || logstore_name_matches(pattern, aliases[i].name);
        }
        if (!is_asked) continue;
        struct cat_cell *cells = cat_row(&table);
        cells[0] = cat_text(aliases[i].name);
        cells[1] = cat_text(aliases[i].index);
        for (size_t c = 2; c < 5; c++) cells[c] = cat_text(STR("-"));
        if (aliases[i].filter.size > 0) cells[2] = cat_text(STR("*"));
        cells[5] = cat_text(aliases[i].is_write_index ? STR("true") : STR("-"));
    }
    return cat_answer(&table);
}

static const struct route rows[] = {
    { HTTP_GET, "/_cat/indices", handle_indices, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/indices/:index", handle_indices, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/shards", handle_shards, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/shards/:index", handle_shards, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/segments", handle_segments, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/segments/:index", handle_segments, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/recovery", handle_recovery, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/recovery/:index", handle_recovery, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/count", handle_count, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/count/:index", handle_count, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/templates", handle_templates, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/templates/:name", handle_templates, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/aliases", handle_aliases, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/aliases/:name", handle_aliases, CAT_PARAMETERS },
};

const struct route_table cat_index_routes = { rows, ARRAY_LENGTH(rows) };
