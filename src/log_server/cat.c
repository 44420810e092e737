/* cat.c - _cat of the node: health, nodes, allocation, tasks, thread pools, what is empty here. */
#include "log_server/cat_table.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const paths[] = {
    "allocation",
    "shards",
    "shards/{index}",
    "master",
    "nodes",
    "tasks",
    "indices",
    "indices/{index}",
    "segments",
    "segments/{index}",
    "count",
    "count/{index}",
    "recovery",
    "recovery/{index}",
    "health",
    "pending_tasks",
    "aliases",
    "aliases/{alias}",
    "thread_pool",
    "thread_pool/{thread_pools}",
    "plugins",
    "fielddata",
    "fielddata/{fields}",
    "nodeattrs",
    "repositories",
    "templates",
};

static int handle_list(struct call *call)
{
    struct buf *out = &call->response->body;
    call->response->content_type = "text/plain; charset=UTF-8";
    buf_append_cstr(out, "=^.^=\n");
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        buf_append_cstr(out, "/_cat/");
        buf_append_cstr(out, paths[i]);
        buf_append_char(out, '\n');
    }
    return 0;
}

static struct cat_cell clock_cell(struct call *call, int64_t time_ms)
{
    struct utc utc = clock_utc_from_ms(time_ms);
    return cat_text(arena_printf(call->arena, "%02d:%02d:%02d", utc.hour, utc.minute, utc.second));
}

static struct cat_cell node_name(const struct call *call)
{
    return cat_cstr(call->server->flags.node_name);
}

static struct cat_cell node_ip(void)
{
    return cat_text(STR("127.0.0.1"));
}

static int index_count(struct call *call, size_t *count)
{
    const struct str *names;
    struct str missing;
    return logstore_resolve(call->server->store, STR(""), call->arena, &names, count, &missing);
}

static const struct cat_column health_columns[] = {
    { "epoch", "t,time", "seconds since 1970-01-01 00:00:00", 0 },
    { "timestamp", "ts,hms,hhmmss", "time in HH:MM:SS", 0 },
    { "cluster", "cl", "cluster name", 0 },
    { "status", "st", "health status", 0 },
    { "node.total", "nt,nodeTotal", "total number of nodes", CAT_RIGHT },
    { "node.data", "nd,nodeData", "number of nodes that can store data", CAT_RIGHT },
    { "shards", "t,sh,shards.total,shardsTotal", "total number of shards", CAT_RIGHT },
    { "pri", "p,shards.primary,shardsPrimary", "number of primary shards", CAT_RIGHT },
    { "relo", "r,shards.relocating,shardsRelocating", "number of relocating nodes", CAT_RIGHT },
    { "init", "i,shards.initializing,shardsInitializing", "number of initializing nodes",
      CAT_RIGHT },
    { "unassign", "u,shards.unassigned,shardsUnassigned", "number of unassigned shards",
      CAT_RIGHT },
    { "pending_tasks", "pt,pendingTasks", "number of pending tasks", CAT_RIGHT },
    { "max_task_wait_time", "mtwt,maxTaskWaitTime", "wait time of longest task pending",
      CAT_RIGHT },
    { "active_shards_percent", "asp,activeShardsPercent", "active number of shards in percent",
      CAT_RIGHT },
};

static int handle_health(struct call *call)
{
    struct cat_table table;
    struct logstore_stats stats;
    size_t count;
    int64_t now_ms = clock_realtime_ms(call->server->clock);
    if (index_count(call, &count) < 0 ||
        !cat_begin(&table, call, health_columns, ARRAY_LENGTH(health_columns), 1)) {
        return ERROR_LIMIT;
    }
    logstore_stats(call->server->store, &stats);
    const struct cat_cell row[] = {
        cat_count((uint64_t)now_ms / 1000),
        clock_cell(call, now_ms),
        cat_cstr(call->server->flags.cluster_name),
        cat_text(stats.is_read_only ? STR("red") : STR("green")),
        cat_count(1),
        cat_count(1),
        cat_count(count),
        cat_count(count),
        cat_count(0),
        cat_count(0),
        cat_count(0),
        cat_count(0),
        cat_text(STR("-")),
        cat_text(STR("100.0%")),
    };
    memcpy(cat_row(&table), row, sizeof(row));
    return cat_answer(&table);
}

static const struct cat_column node_columns[] = {
    { "id", "id,nodeId", "unique node id", CAT_HIDDEN },
    { "pid", "p", "process id", CAT_HIDDEN },
    { "ip", "i", "ip address", 0 },
    { "port", "po", "bound transport port", CAT_HIDDEN },
    { "http_address", "http", "bound http address", CAT_HIDDEN },
    { "version", "v", "es version", CAT_HIDDEN },
    { "build", "b", "es build hash", CAT_HIDDEN },
    { "disk.total", "dt,diskTotal", "total disk space", CAT_RIGHT | CAT_HIDDEN },
    { "disk.used", "du,diskUsed", "used disk space", CAT_RIGHT | CAT_HIDDEN },
    { "disk.avail", "d,da,disk,diskAvail", "available disk space", CAT_RIGHT | CAT_HIDDEN },
    { "disk.used_percent", "dup,diskUsedPercent", "used disk space percentage",
      CAT_RIGHT | CAT_HIDDEN },
    { "heap.current", "hc,heapCurrent", "memory that the process holds", CAT_RIGHT | CAT_HIDDEN },
    { "heap.percent", "hp,heapPercent", "the same of --memory.max, or of the machine's",
      CAT_RIGHT },
    { "heap.max", "hm,heapMax", "--memory.max, or the machine's memory", CAT_RIGHT | CAT_HIDDEN },
    { "ram.current", "rc,ramCurrent", "used machine memory", CAT_RIGHT | CAT_HIDDEN },
    { "ram.percent", "rp,ramPercent", "used machine memory ratio", CAT_RIGHT },
    { "ram.max", "rm,ramMax", "total machine memory", CAT_RIGHT | CAT_HIDDEN },
    { "cpu", "cpu", "recent cpu usage, of the last minute's load", CAT_RIGHT },
    { "load_1m", "l", "1m load avg", CAT_RIGHT },
    { "load_5m", "l", "5m load avg", CAT_RIGHT },
    { "load_15m", "l", "15m load avg", CAT_RIGHT },
    { "uptime", "u", "node uptime", CAT_RIGHT | CAT_HIDDEN },
    { "node.role", "r,role,nodeRole", "d:data, i:ingest, m:master", 0 },
    { "master", "m", "*:current master", 0 },
    { "name", "n", "node name", 0 },
};

static uint64_t percent_of(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (uint64_t)((double)part / (double)whole * 100 + 0.5);
}

static void disk_room(const struct call *call, struct disk_space *space)
{
    const char *folder = role_data(call->server->role);
    *space = (struct disk_space){ 0 };
    if (folder != NULL) (void)disk_system.space(disk_system.state, folder, space);
}

static int handle_nodes(struct call *call)
{
    struct cat_table table;
    struct disk_space disk;
    struct log_server *server = call->server;
    if (!cat_begin(&table, call, node_columns, ARRAY_LENGTH(node_columns), 1)) return ERROR_LIMIT;
    disk_room(call, &disk);
    double loads[3] = { 0, 0, 0 };
    bool has_loads = getloadavg(loads, 3) == 3;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * page;
    uint64_t ram_used = ram - (uint64_t)sysconf(_SC_AVPHYS_PAGES) * page;
    uint64_t heap = (uint64_t)role_memory_used();
    uint64_t heap_max = (uint64_t)role_memory_max(server->role);
    if (heap_max == 0) heap_max = ram;
    double cpu = has_loads ? loads[0] / (double)sysconf(_SC_NPROCESSORS_ONLN) * 100 : 0;
    struct str address = call->request->host;
    size_t colon = str_find_char(address, ':');
    int64_t up_ms = clock_realtime_ms(server->clock) - role_start_ms(server->role);
    uint64_t disk_used = disk.total_size - disk.free_size;
    const struct cat_cell row[] = {
        cat_cstr(NODE_ID),
        cat_count((uint64_t)getpid()),
        node_ip(),
        colon == STR_NONE ? (struct cat_cell){ 0 } : cat_text(str_skip(address, colon + 1)),
        cat_text(address),
        cat_cstr(server->flags.version),
        cat_cstr(role_revision()),
        cat_size(disk.total_size),
        cat_size(disk_used),
        cat_size(disk.free_size),
        cat_real((double)disk_used / (double)(disk.total_size == 0 ? 1 : disk.total_size) * 100),
        cat_size(heap),
        cat_count(percent_of(heap, heap_max)),
        cat_size(heap_max),
        cat_size(ram_used),
        cat_count(percent_of(ram_used, ram)),
        cat_size(ram),
        cat_count(cpu > 100 ? 100 : (uint64_t)cpu),
        cat_real(loads[0]),
        cat_real(loads[1]),
        cat_real(loads[2]),
        cat_duration(up_ms < 0 ? 0 : (uint64_t)up_ms),
        cat_text(STR("dim")),
        cat_text(STR("*")),
        node_name(call),
    };
    memcpy(cat_row(&table), row, sizeof(row));
    return cat_answer(&table);
}

static const struct cat_column allocation_columns[] = {
    { "shards", "s", "number of shards on node", CAT_RIGHT },
    { "disk.indices", "di,diskIndices", "disk used by ES indices", CAT_RIGHT },
    { "disk.used", "du,diskUsed", "disk used (total, not just ES)", CAT_RIGHT },
    { "disk.avail", "da,diskAvail", "disk available", CAT_RIGHT },
    { "disk.total", "dt,diskTotal", "total capacity of all volumes", CAT_RIGHT },
    { "disk.percent", "dp,diskPercent", "percent disk used", CAT_RIGHT },
    { "host", "h", "host of node", 0 },
    { "ip", "", "ip of node", 0 },
    { "node", "n", "name of node", 0 },
};

static int handle_allocation(struct call *call)
{
    struct cat_table table;
    struct disk_space disk;
    struct logstore_stats stats;
    size_t count;
    if (index_count(call, &count) < 0 ||
        !cat_begin(&table, call, allocation_columns, ARRAY_LENGTH(allocation_columns), 1)) {
        return ERROR_LIMIT;
    }
    disk_room(call, &disk);
    logstore_stats(call->server->store, &stats);
    uint64_t used = disk.total_size - disk.free_size;
    const struct cat_cell row[] = {
        cat_count(count),
        cat_size(stats.store_size),
        cat_size(used),
        cat_size(disk.free_size),
        cat_size(disk.total_size),
        cat_count(percent_of(used, disk.total_size)),
        node_ip(),
        node_ip(),
        node_name(call),
    };
    memcpy(cat_row(&table), row, sizeof(row));
    return cat_answer(&table);
}

static const struct cat_column master_columns[] = {
    { "id", "", "node id", 0 },
    { "host", "h", "host name", 0 },
    { "ip", "", "ip address", 0 },
    { "node", "n", "node name", 0 },
};

static int handle_master(struct call *call)
{
    struct cat_table table;
    if (!cat_begin(&table, call, master_columns, ARRAY_LENGTH(master_columns), 1)) {
        return ERROR_LIMIT;
    }
    const struct cat_cell row[] = { cat_cstr(NODE_ID), node_ip(), node_ip(), node_name(call) };
    memcpy(cat_row(&table), row, sizeof(row));
    return cat_answer(&table);
}

static const struct cat_column task_columns[] = {
    { "id", "id", "id of the task with the node", CAT_HIDDEN },
    { "action", "ac", "task action", 0 },
    { "task_id", "ti", "unique task id", 0 },
    { "parent_task_id", "pti", "parent task id", 0 },
    { "type", "ty", "task type", 0 },
    { "start_time", "start", "start time in ms", 0 },
    { "timestamp", "ts,hms,hhmmss", "start time in HH:MM:SS", 0 },
    { "running_time", "time", "running time", 0 },
    { "ip", "i", "ip address", 0 },
    { "node", "n", "node name", 0 },
    { "description", "desc", "task action description", CAT_HIDDEN },
};

#define TASKS_SHOWN_MAX 1000

static int handle_tasks(struct call *call)
{
    struct cat_table table;
    struct tasks *tasks = &call->server->tasks;
    if (!cat_begin(&table, call, task_columns, ARRAY_LENGTH(task_columns), TASKS_SHOWN_MAX)) {
        return ERROR_LIMIT;
    }
    mutex_lock(&tasks->mutex);
    const struct task *task = tasks->first;
    for (; task != NULL && table.row_count < TASKS_SHOWN_MAX; task = task->next) {
        int64_t ran_ns = clock_monotonic_ns(call->server->clock) - task->start_ns;
        struct str name =
            arena_printf(call->arena, "%s:%llu", NODE_ID, (unsigned long long)task->id);
        const struct cat_cell row[] = {
            cat_text(name),
            cat_cstr(task->action),
            cat_text(name),
            cat_text(STR("-")),
            cat_text(STR("transport")),
            cat_count((uint64_t)task->start_ms),
            clock_cell(call, task->start_ms),
            cat_duration((uint64_t)ran_ns / 1000000),
            node_ip(),
            node_name(call),
            cat_text(arena_copy(call->arena, task->description)),
        };
        memcpy(cat_row(&table), row, sizeof(row));
    }
    mutex_unlock(&tasks->mutex);
    return cat_answer(&table);
}

static const struct cat_column pool_columns[] = {
    { "node_name", "nn", "node name", 0 },
    { "name", "n", "thread pool name", 0 },
    { "type", "t", "thread pool type", CAT_HIDDEN },
    { "active", "a", "number of active threads", CAT_RIGHT },
    { "queue", "q", "number of tasks currently in queue", CAT_RIGHT },
    { "rejected", "r", "number of rejected tasks", CAT_RIGHT },
};

/* Requests run on threads of the server, so there are two pools in name alone: what searches now,
 * and what was refused of the writes. */
static int handle_thread_pool(struct call *call)
{
    struct cat_table table;
    struct logstore_stats stats;
    if (!cat_begin(&table, call, pool_columns, ARRAY_LENGTH(pool_columns), 2)) return ERROR_LIMIT;
    logstore_stats(call->server->store, &stats);
    uint64_t searching = 0;
    mutex_lock(&call->server->tasks.mutex);
    for (const struct task *task = call->server->tasks.first; task != NULL; task = task->next) {
        searching++;
    }
    mutex_unlock(&call->server->tasks.mutex);
    struct str patterns = call->value_count > 0 ? call->values[0] : STR("*");
    static const char *const names[] = { "search", "write" };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        bool is_asked = false;
        for (struct str rest = patterns; rest.size > 0 && !is_asked;) {
            is_asked = logstore_name_matches(str_cut(&rest, ','), str_from(names[i]));
        }
        if (!is_asked) continue;
        struct cat_cell *cells = cat_row(&table);
        cells[0] = node_name(call);
        cells[1] = cat_cstr(names[i]);
        cells[2] = cat_text(STR("scaling"));
        cells[3] = cat_count(i == 0 ? searching : 0);
        cells[4] = cat_count(0);
        cells[5] = cat_count(i == 0 ? 0 : stats.rejected_total);
    }
    return cat_answer(&table);
}

/* What there is none of here: columns without rows. */

static int answer_empty(struct call *call, const struct cat_column *columns, size_t count)
{
    struct cat_table table;
    return cat_begin(&table, call, columns, count, 0) ? cat_answer(&table) : ERROR_LIMIT;
}

static int handle_plugins(struct call *call)
{
    static const struct cat_column columns[] = {
        { "id", "", "unique node id", CAT_HIDDEN },
        { "name", "n", "node name", 0 },
        { "component", "c", "component", 0 },
        { "version", "v", "component version", 0 },
        { "description", "d", "plugin details", CAT_HIDDEN },
    };
    return answer_empty(call, columns, ARRAY_LENGTH(columns));
}

static int handle_pending_tasks(struct call *call)
{
    static const struct cat_column columns[] = {
        { "insertOrder", "o", "task insertion order", CAT_RIGHT },
        { "timeInQueue", "t", "how long task has been in queue", CAT_RIGHT },
        { "priority", "p", "task priority", 0 },
        { "source", "s", "task source", 0 },
    };
    return answer_empty(call, columns, ARRAY_LENGTH(columns));
}

static int handle_fielddata(struct call *call)
{
    static const struct cat_column columns[] = {
        { "id", "", "node id", 0 },        { "host", "h", "host name", 0 },
        { "ip", "", "ip address", 0 },     { "node", "n", "node name", 0 },
        { "field", "f", "field name", 0 }, { "size", "s", "field data usage", CAT_RIGHT },
    };
    return answer_empty(call, columns, ARRAY_LENGTH(columns));
}

static int handle_node_attributes(struct call *call)
{
    static const struct cat_column columns[] = {
        { "node", "name", "node name", 0 },
        { "id", "nodeId", "unique node id", CAT_HIDDEN },
        { "host", "h", "host name", 0 },
        { "ip", "i", "ip address", 0 },
        { "attr", "attr.name", "attribute description", 0 },
        { "value", "attr.value", "attribute value", 0 },
    };
    return answer_empty(call, columns, ARRAY_LENGTH(columns));
}

static int handle_repositories(struct call *call)
{
    static const struct cat_column columns[] = {
        { "id", "id,repoId", "unique repository id", 0 },
        { "type", "t,type", "repository type", 0 },
    };
    return answer_empty(call, columns, ARRAY_LENGTH(columns));
}

static const struct route rows[] = {
    { HTTP_GET, "/_cat", handle_list, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/health", handle_health, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/nodes", handle_nodes, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/allocation", handle_allocation, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/allocation/:node", handle_allocation, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/master", handle_master, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/tasks", handle_tasks, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/thread_pool", handle_thread_pool, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/thread_pool/:pools", handle_thread_pool, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/plugins", handle_plugins, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/pending_tasks", handle_pending_tasks, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/fielddata", handle_fielddata, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/fielddata/:fields", handle_fielddata, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/nodeattrs", handle_node_attributes, CAT_PARAMETERS },
    { HTTP_GET, "/_cat/repositories", handle_repositories, CAT_PARAMETERS },
};

const struct route_table cat_routes = { rows, ARRAY_LENGTH(rows) };
