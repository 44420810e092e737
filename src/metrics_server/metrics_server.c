/* metrics_server.c - flags, routes, and the order in which things open and close. */
#include "metrics_server/metrics_server.h"

#include "metrics_server/server.h"
#include "prometheus/prometheus.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdlib.h>

#define FLAG(member) offsetof(struct metrics_flags, member)

static const struct option options[] = {
    { "config.file", "FILE", OPTION_TEXT, FLAG(config_file), "prometheus.yml",
      "Prometheus configuration file path." },
    { "storage.tsdb.retention.time", "DURATION", OPTION_DURATION, FLAG(retention_ms), "15d",
      "How long to retain samples; 0 keeps them for ever." },
    { "storage.tsdb.retention.size", "SIZE", OPTION_SIZE, FLAG(retention_size), "0",
      "Maximum number of bytes of blocks and log; the oldest block goes first." },
    { "storage.tsdb.reserve-size", "SIZE", OPTION_SIZE, FLAG(reserve_size), "64MB",
      "Refuse samples while less than this is free on the disk; 0 writes until it is full." },
    { "storage.tsdb.min-block-duration", "DURATION", OPTION_DURATION, FLAG(block_duration_min_ms),
      "2h", "How much time a block from the head spans." },
    { "storage.tsdb.max-block-duration", "DURATION", OPTION_DURATION, FLAG(block_duration_max_ms),
      "0", "How much time a merged block may span; 0: a tenth of the retention." },
    { "storage.tsdb.wal-segment-size", "SIZE", OPTION_SIZE, FLAG(log_segment_size), "64MB",
      "Size of a file of the write-ahead log." },
    { "storage.tsdb.sync-interval", NULL, OPTION_FLAG, FLAG(syncs_late), NULL,
      "Acknowledge before the disk has the samples; it is asked every 200 ms." },
    { "storage.tsdb.series-max", "COUNT", OPTION_COUNT, FLAG(series_max), "0",
      "Series in memory, new ones are refused above; 0: no limit." },
    { "storage.tsdb.metric-series-max", "COUNT", OPTION_COUNT, FLAG(metric_series_max), "0",
      "Series of one metric name in memory, new ones are refused above; 0: no limit." },
    { "storage.tsdb.out-of-order-time-window", "DURATION", OPTION_DURATION, FLAG(late_max_ms), "0",
      "How much older than the newest a sample may be that comes out of order; 0: none may." },
    { "storage.exemplars.exemplars-limit", "COUNT", OPTION_COUNT, FLAG(exemplars_max), "100000",
      "Exemplars in memory, with --enable-feature=exemplar-storage; the oldest goes first." },
    { "web.enable-remote-write-receiver", NULL, OPTION_FLAG, FLAG(takes_remote_write), NULL,
      "Accept remote write requests." },
    { "web.enable-lifecycle", NULL, OPTION_FLAG, FLAG(has_lifecycle), NULL,
      "Enable shutdown and reload via HTTP request." },
    { "web.enable-admin-api", NULL, OPTION_FLAG, FLAG(has_admin), NULL,
      "Enable API endpoints for admin control actions." },
    { "web.external-url", "URL", OPTION_TEXT, FLAG(external_url), NULL,
      "The URL under which this server is reachable from outside." },
    { "query.max-samples", "COUNT", OPTION_COUNT, FLAG(samples_max), "50000000",
      "Maximum number of samples a single query can load into memory." },
    { "query.timeout", "DURATION", OPTION_DURATION, FLAG(timeout_ms), "2m",
      "Maximum time a query may take before being aborted." },
    { "query.max-concurrency", "COUNT", OPTION_COUNT, FLAG(concurrency_max), "20",
      "Maximum number of queries executed concurrently." },
    { "query.lookback-delta", "DURATION", OPTION_DURATION, FLAG(lookback_ms), "5m",
      "How far back a sample is looked for." },
    { "query.max-memory", "SIZE", OPTION_SIZE, FLAG(query_memory_max), "1GB",
      "Memory that queries and their answers may take, all together." },
    { "enable-feature", "NAMES", OPTION_LIST, FLAG(features), NULL,
      "Comma separated feature names to enable." },
    { "web.console.templates", "DIR", OPTION_IGNORED, 0, NULL, NULL },
    { "web.console.libraries", "DIR", OPTION_IGNORED, 0, NULL, NULL },
    { "web.max-connections", "COUNT", OPTION_IGNORED, 0, NULL, NULL },
    { "web.read-timeout", "DURATION", OPTION_IGNORED, 0, NULL, NULL },
    { "web.page-title", "TEXT", OPTION_IGNORED, 0, NULL, NULL },
    { "storage.tsdb.no-lockfile", NULL, OPTION_IGNORED_FLAG, 0, NULL, NULL },
    { "storage.tsdb.wal-compression", NULL, OPTION_IGNORED_FLAG, 0, NULL, NULL },
    { "storage.tsdb.wal-compression-type", "NAME", OPTION_IGNORED, 0, NULL, NULL },
    { "storage.tsdb.samples-per-chunk", "COUNT", OPTION_IGNORED, 0, NULL, NULL },
    { "auto-gomaxprocs", NULL, OPTION_IGNORED_FLAG, 0, NULL, NULL },
    { "auto-gomemlimit", NULL, OPTION_IGNORED_FLAG, 0, NULL, NULL },
};

/* ---- routes that are not the API's ---- */

static API_HANDLER(page)
{
    (void)request;
    struct metrics_server *server = context;
    return role_give_page(server->role, "query.html", response, error);
}

static API_HANDLER(page_asset)
{
    (void)context;
    return role_give_asset(request, response, error);
}

static API_HANDLER(to_page)
{
    (void)context;
    (void)error;
    struct str query = request->query;
    struct str target =
        arena_printf(request->arena, "query%s" STR_FMT, query.size > 0 ? "?" : "", STR_ARG(query));
    http_response_redirect(response, 302, target.data == NULL ? STR("query") : target);
    return 0;
}

static API_HANDLER(reload)
{
    (void)request;
    struct metrics_server *server = context;
    if (!server->flags.has_lifecycle) {
        http_response_text(response, 403, "Lifecycle API is not enabled.");
        return 0;
    }
    if (role_ask_reload(server->role, error) != 0) {
        http_response_text(response, 500, "failed to reload config: %s\n", error->text);
    }
    return 0;
}

static API_HANDLER(quit)
{
    (void)request;
    (void)error;
    struct metrics_server *server = context;
    if (!server->flags.has_lifecycle) {
        http_response_text(response, 403, "Lifecycle API is not enabled.");
        return 0;
    }
    http_response_text(response, 200, "Requesting termination... Goodbye!");
    role_stop(server->role, ROLE_EXIT_OK);
    return 0;
}

static const struct http_route page_routes[] = {
    { HTTP_GET, "/", to_page, "/", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/graph", to_page, "/graph", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/query", page, "/query", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/assets/*rest", page_asset, "/assets", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/version", api_version, "/version", HTTP_ROUTE_FAST, 0 },
    { HTTP_GET, "/federate", federate, "/federate", 0, 0 },
    { HTTP_POST | HTTP_PUT, "/-/reload", reload, "/-/reload", 0, 0 },
    { HTTP_POST | HTTP_PUT, "/-/quit", quit, "/-/quit", 0, 0 },
};

#define GET_POST (HTTP_GET | HTTP_POST)
#define READS    HTTP_ROUTE_READS
#define QUICK    (HTTP_ROUTE_READS | HTTP_ROUTE_FAST)

static const struct http_route api_routes[] = {
    { GET_POST, "/api/v1/query", api_query, NULL, QUICK, 0 },
    { GET_POST, "/api/v1/query_range", api_query_range, NULL, QUICK, 0 },
    { GET_POST, "/api/v1/query_exemplars", api_query_exemplars, NULL, READS, 0 },
    { GET_POST, "/api/v1/format_query", api_format_query, NULL, READS, 0 },
    { GET_POST, "/api/v1/parse_query", api_parse_query, NULL, READS, 0 },
    { GET_POST, "/api/v1/labels", api_labels, NULL, QUICK, 0 },
    { GET_POST, "/api/v1/series", api_series, NULL, QUICK, 0 },
    { HTTP_GET, "/api/v1/label/:name/values", api_label_values, NULL, QUICK, 0 },
    { HTTP_GET, "/api/v1/metadata", api_metadata, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/targets", api_targets, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/targets/metadata", api_targets_metadata, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/scrape_pools", api_scrape_pools, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/rules", api_rules, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/alerts", api_alerts, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/alertmanagers", api_alertmanagers, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/status/config", api_status_config, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/status/flags", api_status_flags, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/status/runtimeinfo", api_status_runtime, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/status/buildinfo", api_status_build, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/status/tsdb", api_status_tsdb, NULL, 0, 0 },
    { HTTP_GET, "/api/v1/status/tsdb/blocks", api_status_blocks, NULL, 0, 0 },
    { HTTP_POST, "/api/v1/write", remote_write, NULL, 0, 0 },
    { HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/delete_series", admin_delete_series, NULL, 0, 0 },
    { HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/clean_tombstones", admin_clean_tombstones, NULL, 0,
      0 },
    { HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/snapshot", admin_snapshot, NULL, 0, 0 },
};

/* ---- opening ---- */

static void report(void *state, const struct tsdb_event *event)
{
    struct metrics_server *server = state;
    sl_warn(role_log(server->role), "store", "event.reason", event->message, "file.path",
            event->file == NULL ? "" : event->file, "error.message",
            event->error == NULL ? "" : event->error->text);
}

/* Of the features that are not the query engine's. */
static bool has_feature(const struct metrics_flags *flags, struct str wanted)
{
    for (size_t i = 0; i < flags->features.count; i++) {
        struct str rest = str_from(flags->features.items[i]);
        while (rest.size > 0) {
            if (str_equal(str_trim(str_cut(&rest, ',')), wanted)) return true;
        }
    }
    return false;
}

static int open_store(struct metrics_server *server, struct error *error)
{
    const struct metrics_flags *flags = &server->flags;
    struct tsdb_options store;
    tsdb_options_init(&store, role_data(server->role));
    store.takes_lock = false; /* the role holds the folder */
    store.clock = role_clock(server->role);
    store.sync = flags->syncs_late ? TSDB_SYNC_INTERVAL : TSDB_SYNC_COMMIT;
    store.block_duration_ms = flags->block_duration_min_ms;
    store.block_duration_max_ms = flags->block_duration_max_ms;
    store.segment_size_max = (uint64_t)flags->log_segment_size;
    store.retention_ms = flags->retention_ms;
    store.retention_size = (uint64_t)flags->retention_size;
    store.reserve_size = (uint64_t)flags->reserve_size;
    store.series_max = (size_t)flags->series_max;
    /* A sixth for what is in memory: a cut needs twice as much again, and queries the rest. Past it
     * new series are refused, and those that are there go on. */
    store.head_size_max = (uint64_t)role_memory_max(server->role) / 6;
    store.metric_series_max = (size_t)flags->metric_series_max;
    store.late_max_ms = flags->late_max_ms;
    store.exemplars_max =
        has_feature(flags, STR("exemplar-storage")) ? (size_t)flags->exemplars_max : 0;
    store.report = report;
    store.report_state = server;
    int code = tsdb_open(&server->db, &store, error);
    if (code != 0) return code;
    server->sink = tsdb_sink(server->db);
    server->source = tsdb_source(server->db);
    struct tsdb_stats stats;
    tsdb_stats(server->db, &stats);
    sl_info(role_log(server->role), "store opened", "series", stats.head_series, "blocks",
            stats.blocks, "event.duration", stats.replay_ns);
    return 0;
}

/* Known names of the real server that change nothing here, and those the query engine knows. */
static uint32_t read_features(struct metrics_server *server)
{
    uint32_t features = 0;
    for (size_t i = 0; i < server->flags.features.count; i++) {
        struct str rest = str_from(server->flags.features.items[i]);
        while (rest.size > 0) {
            struct str name = str_trim(str_cut(&rest, ','));
            uint32_t feature = promql_feature_find(name);
            features |= feature;
            bool is_known = feature != 0 || str_equal(name, STR("exemplar-storage")) ||
                            str_equal(name, STR("native-histograms"));
            if (!is_known) {
                sl_warn(role_log(server->role), "feature has no effect here", "feature",
                        sl_strn(name.data, name.size));
            }
        }
    }
    return features;
}

static void tell_left(void *argument, struct str query, int64_t time_s)
{
    struct metrics_server *server = argument;
    sl_warn(role_log(server->role), "query was running when the server ended", "query",
            sl_strn(query.data, query.size), "event.start", time_s);
}

static int open_active_queries(struct metrics_server *server, struct error *error)
{
    return active_queries_open(&server->active, role_data(server->role),
                               (size_t)server->flags.concurrency_max, tell_left, server, error);
}

/* What queries may hold: the flag's, and a third of the process' maximum at most. */
static size_t query_memory_max(const struct metrics_server *server)
{
    int64_t asked = server->flags.query_memory_max;
    int64_t most = role_memory_max(server->role) / 3;
    return (size_t)(most > 0 && most < asked ? most : asked);
}

static int open_engine(struct metrics_server *server, struct error *error)
{
    const struct metrics_flags *flags = &server->flags;
    server->query_budget.size_max = query_memory_max(server);
    struct promql_options engine = {
        .features = read_features(server),
        .samples_max = (size_t)flags->samples_max,
        .budget = &server->query_budget,
        .concurrency_max = (size_t)flags->concurrency_max,
        .timeout_ms = flags->timeout_ms,
        .lookback_ms = flags->lookback_ms,
        .clock = role_clock(server->role),
    };
    return promql_engine_new(&server->engine, &engine, error);
}

static int open_scrapes(struct metrics_server *server, struct error *error)
{
    struct scrape_setup setup = { .sink = &server->sink,
                                  .clock = role_clock(server->role),
                                  .resolve = role_resolve(server->role),
                                  .log = role_log(server->role),
                                  .registry = role_registry(server->role),
                                  .user_agent = "Prometheus/" METRICS_SERVER_VERSION };
    return scrape_manager_start(&server->scrapes, &setup, error);
}

static int reload_config(void *context, struct error *error)
{
    struct metrics_server *server = context;
    int code = metrics_config_load(server, error);
    if (code == 0) sl_info(role_log(server->role), "configuration loaded");
    return code;
}

static int mount_routes(struct metrics_server *server, struct error *error)
{
    struct http_mount api = { .routes = api_routes,
                              .count = ARRAY_LENGTH(api_routes),
                              .context = server,
                              .write_error = api_write_error };
    struct http_mount pages = { .routes = page_routes,
                                .count = ARRAY_LENGTH(page_routes),
                                .context = server };
    int code = role_mount(server->role, &api, error);
    return code != 0 ? code : role_mount(server->role, &pages, error);
}

static int open_all(struct metrics_server *server, struct error *error)
{
    struct pm_registry *registry = role_registry(server->role);
    struct pm_error cause = { 0 };
    server->query_duration =
        pm_summary_new(registry, "prometheus_engine_query_duration_seconds", "Query timings.");
    server->remote_samples = pm_counter_new(registry, "prometheus_api_remote_write_samples_total",
                                            "Samples accepted by remote write.");
    int code = open_store(server, error);
    if (code == 0) code = open_active_queries(server, error);
    if (code == 0) code = open_engine(server, error);
    if (code == 0) code = open_scrapes(server, error);
    if (code == 0 && pm_register_collector(registry, metrics_collect, server, &cause) != 0) {
        code = error_set(error, -ENOMEM, "%s", cause.text);
    }
    return code == 0 ? mount_routes(server, error) : code;
}

static void close_all(struct metrics_server *server)
{
    scrape_manager_stop(server->scrapes);
    (void)pm_unregister_collector(role_registry(server->role), metrics_collect, server);
    if (server->engine != NULL) promql_engine_free(server->engine);
    active_queries_close(&server->active);
    tsdb_close(server->db);
    write_cache_release(&server->write_cache);
    pushed_metadata_release(&server->pushed_metadata);
    free(server->config_text);
    arena_release(&server->arena);
    mutex_release(&server->mutex);
}

int metrics_server_main(int argc, char **argv)
{
    static const char *const names[] = { "prometheus-container" };
    struct metrics_server server = { 0 };
    struct role_setup setup = {
        .name = "metrics",
        .about = "Scrapes targets, keeps their samples and answers PromQL, as Prometheus does.",
        .options = options,
        .option_count = ARRAY_LENGTH(options),
        .values = &server.flags,
        .listen = "127.0.0.1:9090",
        .data_option = "storage.tsdb.path",
        .data = "data",
        .names = names,
        .name_count = ARRAY_LENGTH(names),
    };
    struct error error = { 0 };
    int status = role_start(&server.role, &setup, argc, argv);
    if (server.role == NULL) return status;

    mutex_init(&server.mutex);
    write_cache_init(&server.write_cache);
    pushed_metadata_init(&server.pushed_metadata);
    arena_init(&server.arena, 16u << 20);
    if (open_all(&server, &error) != 0) {
        status = role_fail(server.role, &error);
    } else if (metrics_config_load(&server, &error) != 0) {
        (void)role_fail(server.role, &error);
        status = ROLE_EXIT_USAGE;
    } else {
        role_on_reload(server.role, reload_config, &server);
        role_ready(server.role);
        status = role_wait(server.role);
    }
    struct role *role = server.role;
    close_all(&server);
    role_free(role);
    return status;
}
