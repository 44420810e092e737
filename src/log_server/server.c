/* server.c - the role: flags, store, metrics, and the way from a request to its handler. */
#include "log_server/log_server.h"

#include "base/check.h"
#include "base/file.h"
#include "base/random.h"
#include "base/thread.h"
#include "log_server/server.h"

#include <stdio.h>
#include <string.h>

static const struct route_table *const tables[] = {
    &admin_routes,      &cluster_routes,  &bulk_routes,     &document_routes, &search_routes,
    &scroll_routes,     &async_routes,    &task_routes,     &by_query_routes, &cat_routes,
    &cat_index_routes,  &template_routes, &security_routes, &alias_routes,    &analysis_routes,
    &field_caps_routes, &index_routes,
};

/* The pieces of a path, decoded one by one, so that an escaped slash stays inside its piece. */
struct pieces {
    struct str items[PIECES_MAX];
    size_t count;
};

static bool split_path(struct arena *arena, struct str raw_path, struct pieces *pieces)
{
    while (raw_path.size > 0) {
        struct str piece = str_cut(&raw_path, '/');
        if (piece.size == 0) continue;
        if (pieces->count == PIECES_MAX) return false;
        if (!http_unescape(arena, piece, false, &pieces->items[pieces->count++])) return false;
    }
    return true;
}

static bool piece_fits(struct str pattern, struct str piece)
{
    if (pattern.data[0] != ':') return str_equal(pattern, piece);
    if (!str_equal(pattern, STR(":index"))) return true;
    return piece.data[0] != '_' || str_equal(piece, STR("_all"));
}

static bool route_fits(const struct route *route, const struct pieces *pieces, struct call *call)
{
    struct str pattern = str_skip(str_from(route->path), 1);
    call->value_count = 0;
    size_t at = 0;
    while (pattern.size > 0) {
        struct str part = str_cut(&pattern, '/');
        if (at == pieces->count || !piece_fits(part, pieces->items[at])) return false;
        if (part.data[0] == ':') call->values[call->value_count++] = pieces->items[at];
        at++;
    }
    return at == pieces->count;
}

static int answer_no_handler(struct call *call, unsigned allowed)
{
    const struct http_request *request = call->request;
    const char *method = request->is_head ? "HEAD" : http_method_name(request->method);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, STR("error"));
    if (allowed == 0) {
        call->response->status = 400;
        json_put_text(&json, arena_printf(call->arena,
                                          "no handler found for uri [" STR_FMT "] and method [%s]",
                                          STR_ARG(request->raw_path), method));
        json_object_end(&json);
        return 0;
    }
    CLEANUP(buf_release) struct buf names = { 0 };
    buf_init(&names, 256);
    static const enum http_method methods[] = { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE };
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if ((allowed & methods[i]) == 0) continue;
        if (names.size > 0) buf_append_cstr(&names, ", ");
        buf_append_cstr(&names, http_method_name(methods[i]));
    }
    call->response->status = 405;
    http_response_header(call->response, "Allow", buf_str(&names));
    json_put_text(&json,
                  arena_printf(call->arena,
                               "Incorrect HTTP method for uri [" STR_FMT "] and method [%s], "
                               "allowed: [" STR_FMT "]",
                               STR_ARG(request->raw_path), method, STR_ARG(buf_str(&names))));
    json_member_int(&json, "status", 405);
    json_object_end(&json);
    return 0;
}

static void begin_answer(const struct http_request *request, struct http_response *response)
{
    struct str accept = http_request_header(request, "Accept");
    bool is_vendor = str_find(accept, STR("application/vnd.elasticsearch+json")) != STR_NONE;
    const char *version = str_find(accept, STR("compatible-with=9")) != STR_NONE   ? "9"
                          : str_find(accept, STR("compatible-with=7")) != STR_NONE ? "7"
                                                                                   : "8";
    response->content_type = "application/json; charset=UTF-8";
    if (is_vendor) {
        struct str type = arena_printf(
            response->arena, "application/vnd.elasticsearch+json;compatible-with=%s", version);
        if (type.data != NULL) response->content_type = type.data;
    }
    http_response_header(response, "X-elastic-product", STR("Elasticsearch"));
}

static bool has_word(const char *list, struct str word)
{
    if (list == NULL) return false;
    struct str rest = str_from(list);
    while (rest.size > 0) {
        if (str_equal(str_cut(&rest, ' '), word)) return true;
    }
    return false;
}

/* Whether all parameters of the URL are known to the route; else the request is refused. */
static bool are_parameters_known(struct call *call, const struct route *route)
{
    static const char common[] = "pretty human error_trace filter_path format";
    struct str rest = call->request->query;
    struct str list = STR("");
    unsigned count = 0;
    while (rest.size > 0) {
        struct str pair = str_cut(&rest, '&');
        struct str name;
        if (pair.size == 0) continue;
        if (!http_unescape(call->arena, str_cut(&pair, '='), true, &name)) name = STR("?");
        if (has_word(common, name) || has_word(route->parameters, name)) continue;
        list = arena_printf(call->arena, STR_FMT "%s[" STR_FMT "]", STR_ARG(list),
                            count == 0 ? "" : ", ", STR_ARG(name));
        count++;
    }
    if (count == 0) return true;
    struct str reason = arena_printf(
        call->arena, "request [" STR_FMT "] contains unrecognized parameter%s: " STR_FMT,
        STR_ARG(call->request->raw_path), count == 1 ? "" : "s", STR_ARG(list));
    (void)answer_error(call, 400, "illegal_argument_exception", reason);
    return false;
}

/* Searches are refused before the process is killed; what writes looks by itself. */
static bool reads_much(const struct route_table *table)
{
    return table == &search_routes || table == &scroll_routes || table == &async_routes ||
           table == &by_query_routes;
}

/* gzip is unpacked already. */
static bool is_encoding_known(struct call *call)
{
    struct str encoding = http_request_header(call->request, "Content-Encoding");
    bool is_known = encoding.size == 0 || str_equal_nocase(encoding, STR("identity")) ||
                    str_equal_nocase(encoding, STR("gzip")) ||
                    str_equal_nocase(encoding, STR("x-gzip"));
    if (is_known) return true;
    (void)answer_error(call, 415, "status_exception",
                       arena_printf(call->arena,
                                    "Content-Encoding [" STR_FMT "] is not supported, gzip is",
                                    STR_ARG(encoding)));
    return false;
}

static int dispatch(void *context, struct http_request *request, struct http_response *response,
                    struct error *error)
{
    (void)error;
    struct call call = {
        .server = context,
        .request = request,
        .response = response,
        .arena = request->arena,
    };
    struct pieces pieces = { 0 };
    contexts_reap(&call.server->contexts);
    begin_answer(request, response);
    struct str authorization = http_request_header(request, "Authorization");
    if (call.server->auth != NULL &&
        !auth_check(call.server->auth, authorization, call.arena, &call.identity)) {
        return answer_unknown_user(&call);
    }
    if (!is_encoding_known(&call)) return 0;
    if (!split_path(request->arena, request->raw_path, &pieces)) return answer_no_handler(&call, 0);
    unsigned allowed = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        for (size_t k = 0; k < tables[i]->count; k++) {
            const struct route *route = &tables[i]->rows[k];
            if (!route_fits(route, &pieces, &call)) continue;
            allowed |= route->methods;
            if ((route->methods & request->method) == 0) continue;
            if (!are_parameters_known(&call, route)) return 0;
            if (reads_much(tables[i]) && answer_when_short(&call)) return 0;
            int code = route->handle(&call);
            if (code == 0) answer_finish(&call);
            return code;
        }
    }
    if (allowed == 0 && answer_refusal(&call)) return 0;
    return answer_no_handler(&call, allowed);
}

static void write_error(void *context, const struct http_request *request,
                        struct http_response *response, int code, const struct error *error)
{
    struct call call = { .server = context,
                         .request = (struct http_request *)(uintptr_t)request,
                         .response = response,
                         .arena = request->arena };
    begin_answer(request, response);
    (void)answer_store_error(&call, code, "illegal_argument_exception", error);
}

/* Metrics ------------------------------------------------------------------------------------- */

static void collect(struct pm_emit *emit, void *argument)
{
    struct log_server *server = argument;
    struct logstore_stats stats;
    logstore_stats(server->store, &stats);
    contexts_reap(&server->contexts);
    struct row {
        enum pm_type type;
        const char *name;
        const char *help;
        uint64_t value;
    };
    const struct row rows[] = {
        { PM_COUNTER, "barograph_logs_indexed_documents_total", "Documents taken.",
          stats.indexed_total },
        { PM_COUNTER, "barograph_logs_rejected_documents_total", "Documents refused.",
          stats.rejected_total },
        { PM_COUNTER, "barograph_logs_ignored_values_total",
          "Values that did not fit their field and were kept aside.", stats.ignored_values_total },
        { PM_GAUGE, "barograph_logs_documents", "Documents that can be found.", stats.documents },
        { PM_GAUGE, "barograph_logs_deleted_documents", "Deleted documents still on disk.",
          stats.deleted_documents },
        { PM_GAUGE, "barograph_logs_store_bytes", "Bytes on disk.", stats.store_size },
        { PM_GAUGE, "barograph_logs_buffer_bytes", "Source bytes that are in memory only.",
          stats.buffer_size },
        { PM_GAUGE, "barograph_logs_log_bytes", "Bytes of the open log file.", stats.log_size },
        { PM_GAUGE, "barograph_logs_segments", "Segments.", stats.segment_count },
        { PM_GAUGE, "barograph_logs_read_only", "1 while the disk is too full to take documents.",
          stats.is_read_only ? 1 : 0 },
        { PM_COUNTER, "barograph_logs_corrupt_segments_total", "Damaged segments set aside.",
          stats.corrupt_segments_total },
        { PM_COUNTER, "barograph_logs_corrupt_records_total", "Damaged log records skipped.",
          stats.corrupt_records_total },
        { PM_COUNTER, "barograph_logs_flushes_total", "Flushes.", stats.flushes_total },
        { PM_COUNTER, "barograph_logs_failed_flushes_total", "Flushes that failed.",
          stats.failed_flushes_total },
        { PM_COUNTER, "barograph_logs_merges_total", "Merges.", stats.merges_total },
        { PM_GAUGE, "barograph_logs_scrolls", "Open scrolls.",
          contexts_count(&server->contexts, true) },
        { PM_GAUGE, "barograph_logs_points_in_time", "Open points in time.",
          contexts_count(&server->contexts, false) },
        { PM_COUNTER, "barograph_logs_retention_segments_total", "Segments dropped by age or size.",
          stats.retention_segments_total },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        pm_emit_one(emit, rows[i].type, rows[i].name, rows[i].help, (double)rows[i].value);
    }
}

static int register_metrics(struct log_server *server, struct pm_registry *registry,
                            struct error *error)
{
    server->search_duration = pm_histogram_new(registry, "barograph_logs_search_duration_seconds",
                                               "Time that searches took.");
    server->bulk_duration = pm_histogram_new(registry, "barograph_logs_bulk_duration_seconds",
                                             "Time that bulk requests took.");
    struct pm_error reason = { 0 };
    if (pm_register_collector(registry, collect, server, &reason) == PM_OK) return 0;
    return error_set(error, ERROR_INVALID, "register metrics: %s", reason.text);
}

/* The role ------------------------------------------------------------------------------------ */

static const struct option options[] = {
    { "es.version", "VERSION", OPTION_TEXT, offsetof(struct log_flags, version), "7.17.18",
      "The version of Elasticsearch to report." },
    { "cluster.name", "NAME", OPTION_TEXT, offsetof(struct log_flags, cluster_name), "barograph",
      "The name of the cluster to report." },
    { "node.name", "NAME", OPTION_TEXT, offsetof(struct log_flags, node_name), "barograph",
      "The name of the node to report." },
    { "auth.users", "FILE", OPTION_TEXT, offsetof(struct log_flags, auth_users), "",
      "Ask who calls: a file of name:hash lines, as htpasswd -B and mkpasswd make them; empty asks "
      "nobody." },
    { "retention.time", "DURATION", OPTION_DURATION, offsetof(struct log_flags, retention_ms), "0",
      "Drop documents older than this, by their @timestamp; 0 keeps them." },
    { "retention.size", "SIZE", OPTION_SIZE, offsetof(struct log_flags, retention_size), "0",
      "Drop the oldest documents when more than this is on disk; 0 keeps them." },
    { "buffer.size", "SIZE", OPTION_SIZE, offsetof(struct log_flags, buffer_size), "4MB",
      "Source bytes to hold in memory before they are written into a segment." },
    { "disk.reserve", "SIZE", OPTION_SIZE, offsetof(struct log_flags, disk_reserve), "64MB",
      "Refuse documents while less than this is free on the disk." },
    { "http.max-content-length", "SIZE", OPTION_SIZE, offsetof(struct log_flags, body_size_max),
      "100MB", "The largest request body, as sent and unpacked." },
    { "http.max-content-in-flight", "SIZE", OPTION_SIZE,
      offsetof(struct log_flags, bodies_size_max), "256MB",
      "What all request bodies may hold together; what is more gets 429." },
    { "query.max-memory", "SIZE", OPTION_SIZE, offsetof(struct log_flags, query_memory_max),
      "512MB", "What all searches may hold together, 256 MB each at most; what is more gets 429." },
    { "mapping.strict", NULL, OPTION_FLAG, offsetof(struct log_flags, strict_mapping), NULL,
      "Refuse documents whose values do not fit their fields, as Elasticsearch does." },
};

#define READ_SIZE ((size_t)224 << 10) /* shippers send megabytes at a time */

static void adjust_server(void *values, struct http_server_options *server)
{
    const struct log_flags *flags = values;
    server->body_size_max = (size_t)flags->body_size_max;
    server->bodies_size_max = (size_t)flags->bodies_size_max;
    /* Shippers split what gets 413, and send for ever what gets no answer: let them come to its
     * end. */
    server->swallow_size_max = 2 * server->body_size_max;
    server->write_refusal = answer_server_refusal;
    server->read_size = READ_SIZE;
}

/* Names this installation: made once, kept in the data folder. */
static int read_cluster_uuid(struct log_server *server, const char *folder, struct error *error)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char path[FILE_PATH_SIZE];
    char *uuid = server->cluster_uuid;
    size_t size = sizeof(server->cluster_uuid) - 1;
    struct disk_info info;
    int code = file_join(path, folder, "cluster_uuid", error);
    if (code < 0) return code;
    CLEANUP(buf_release) struct buf text = { 0 };
    buf_init(&text, 4096);
    if (disk_system.info(disk_system.state, path, &info) == 0) {
        code = file_read(&disk_system, path, &text, error);
        if (code < 0) return code;
        struct str known = str_trim(buf_str(&text));
        if (known.size == size) {
            memcpy(uuid, known.data, size);
            return 0;
        }
    }
    random_secret(uuid, size);
    for (size_t i = 0; i < size; i++) uuid[i] = alphabet[(unsigned char)uuid[i] % 64];
    buf_reset(&text);
    buf_append(&text, uuid, size);
    buf_append_char(&text, '\n');
    return file_replace(&disk_system, path, buf_str(&text), error);
}

static int open_store(struct log_server *server, struct role *role, struct error *error)
{
    server->role = role;
    struct logstore_options store_options = {
        .on_event = log_event,
        .event_context = server,
        .folder = role_data(role),
        .clock = role_clock(role),
        .buffer_size_max = (size_t)server->flags.buffer_size,
        .disk_reserve = (uint64_t)server->flags.disk_reserve,
        .retention_ms = server->flags.retention_ms,
        .retention_size = (uint64_t)server->flags.retention_size,
        .strict_mapping = server->flags.strict_mapping,
        .is_folder_locked = true,
    };
    int code = logstore_open(&server->store, &store_options, error);
    if (code < 0) return code;
    server->clock = role_clock(role);
    server->has_types = str_starts_with(str_from(server->flags.version), STR("7."));
    server->query_options = (struct logquery_options){
        .store = server->store,
        .clock = server->clock,
        .crew = logquery_crew_new(thread_cpu_count()), /* NULL: nobody helps */
        .has_types = server->has_types,
    };
    server->query_budget.size_max = (size_t)server->flags.query_memory_max;
    contexts_init(&server->contexts, server->clock);
    tasks_init(&server->tasks, server->clock);
    asyncs_init(&server->asyncs, server);
    if (server->flags.auth_users[0] != 0) {
        struct auth_options auth_options = {
            .path = server->flags.auth_users,
            .store = server->store,
            .clock = server->clock,
            .tell = log_users,
            .tell_context = server,
        };
        code = auth_new(&server->auth, &auth_options, error);
        if (code < 0) return error_wrap(error, code, "--auth.users");
    }
    code = read_cluster_uuid(server, role_data(role), error);
    return code < 0 ? code : register_metrics(server, role_registry(role), error);
}

static int run(struct log_server *server, struct role *role)
{
    static const struct http_route routes[] = {
        { HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE, "/*path", dispatch,
          .label = "elasticsearch", .flags = HTTP_ROUTE_READS },
    };
    struct error error = { 0 };
    if (open_store(server, role, &error) < 0) return role_fail(role, &error);
    struct http_mount mount = { .routes = routes,
                                .count = ARRAY_LENGTH(routes),
                                .context = server,
                                .write_error = write_error };
    if (role_mount(role, &mount, &error) < 0) return role_fail(role, &error);
    role_ready(role);
    return role_wait(role);
}

int log_server_main(int argc, char **argv)
{
    static const char *const names[] = { "elasticsearch" };
    static struct log_server server;
    struct role_setup setup = {
        .name = "logs",
        .about = "Keeps documents and answers searches, with Elasticsearch's interface.",
        .options = options,
        .option_count = ARRAY_LENGTH(options),
        .values = &server.flags,
        .listen = "127.0.0.1:9200",
        .data = "data/logs",
        .names = names,
        .name_count = ARRAY_LENGTH(names),
        .adjust_server = adjust_server,
    };
    struct role *role = NULL;
    int status = role_start(&role, &setup, argc, argv);
    if (role == NULL) return status;
    status = run(&server, role);
    (void)pm_unregister_collector(role_registry(role), collect, &server);
    asyncs_release(&server.asyncs);
    contexts_release(&server.contexts);
    tasks_release(&server.tasks);
    logquery_crew_free(server.query_options.crew);
    auth_free(server.auth);
    logstore_close(server.store);
    role_free(role);
    return status;
}
