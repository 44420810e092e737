/* metrics.c - what a role tells of itself at /metrics. */
#include "role/metrics.h"

#include "role/role.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdio.h>

static void emit_code(void *argument, const char *label, unsigned status, uint64_t count)
{
    char code[16];
    (void)snprintf(code, sizeof(code), "%u", status);
    pm_emit_count(argument, count, "code", code, "handler", label);
}

static void emit_duration(void *argument, const struct http_handler_counters *counters)
{
    struct pm_label label = { "handler", counters->label };
    struct pm_buckets buckets = { .bounds = http_duration_bounds,
                                  .counts = counters->duration_buckets,
                                  .bound_count = HTTP_DURATION_BUCKETS,
                                  .sum = counters->duration_sum };
    pm_emit_histogram(argument, &label, 1, &buckets);
}

static void emit_server(struct pm_emit *emit, struct http_server *server)
{
    struct http_server_counters c;
    http_server_counters(server, &c);
    pm_emit_family(emit, PM_COUNTER, "http_requests_total", "HTTP requests answered.");
    http_server_visit_codes(server, emit_code, emit);
    pm_emit_family(emit, PM_HISTOGRAM, "http_request_duration_seconds",
                   "Time from the request line to the answer's making.");
    http_server_visit_handlers(server, emit_duration, emit);

    const struct {
        enum pm_type type;
        const char *name;
        const char *help;
        uint64_t value;
    } rows[] = {
        { PM_GAUGE, "http_requests_in_flight", "Requests being worked on or answered.",
          c.in_flight_count },
        { PM_GAUGE, "http_connections", "Connections open.", c.connection_count },
        { PM_GAUGE, "http_streams", "Streaming answers open.", c.stream_count },
        { PM_COUNTER, "http_connections_total", "Connections accepted.", c.connection_total },
        { PM_COUNTER, "http_request_body_bytes_total", "Bytes of request bodies, as received.",
          c.received_size },
        { PM_COUNTER, "http_response_body_bytes_total",
          "Bytes of response bodies, as sent, without streams.", c.sent_size },
        { PM_COUNTER, "http_queue_full_total", "Requests refused because all workers were busy.",
          c.queue_full_total },
        { PM_COUNTER, "http_timeouts_total", "Connections cut because the peer was too slow.",
          c.timeout_total },
        { PM_COUNTER, "http_refused_hosts_total",
          "Requests refused for their Host or Origin header.", c.refused_host_total },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        pm_emit_one(emit, rows[i].type, rows[i].name, rows[i].help, (double)rows[i].value);
    }
}

static void emit_log(struct pm_emit *emit)
{
    struct sl_stats stats;
    sl_stats(&stats);
    pm_emit_family(emit, PM_COUNTER, "barograph_log_messages_total", "Log events by level.");
    pm_emit_count(emit, stats.debug_count, "level", "debug");
    pm_emit_count(emit, stats.info_count, "level", "info");
    pm_emit_count(emit, stats.warn_count, "level", "warn");
    pm_emit_count(emit, stats.error_count, "level", "error");
    pm_emit_count(emit, stats.critical_count, "level", "critical");
    pm_emit_one(emit, PM_COUNTER, "barograph_log_lost_total",
                "Log lines that could not be written.", (double)stats.lost_count);
}

static void emit_scrapes(struct pm_emit *emit, const struct pm_scrapes *scrapes)
{
    pm_emit_family(emit, PM_COUNTER, "barograph_scrapes_total",
                   "Scrapes of this page before this one, by what became of them.");
    pm_emit_count(emit, __atomic_load_n(&scrapes->answered, __ATOMIC_RELAXED), "result", "ok");
    pm_emit_count(emit, __atomic_load_n(&scrapes->refused, __ATOMIC_RELAXED), "result", "refused");
    pm_emit_count(emit, __atomic_load_n(&scrapes->late, __ATOMIC_RELAXED), "result", "timeout");
}

static void collect(struct pm_emit *emit, void *argument)
{
    struct role_metrics *metrics = argument;
    pm_emit_family(emit, PM_GAUGE, "barograph_build_info", "The program that runs; always 1.");
    pm_emit_value(emit, 1, "revision", role_revision(), "role", metrics->role_name, "version",
                  role_version());
    pm_emit_one(emit, PM_GAUGE, "barograph_ready", "Whether the role answers its requests.",
                atomic_load(&metrics->is_ready) ? 1 : 0);
    pm_emit_one(emit, PM_GAUGE, "barograph_config_last_reload_successful",
                "Whether the last reload of the configuration went well.",
                atomic_load(&metrics->is_reload_good) ? 1 : 0);
    pm_emit_one(emit, PM_GAUGE, "barograph_config_last_reload_success_timestamp_seconds",
                "When the configuration was last read well.",
                (double)atomic_load(&metrics->reload_s));
    emit_log(emit);
    emit_scrapes(emit, &metrics->scrapes);
    if (metrics->server != NULL) emit_server(emit, metrics->server);
}

int role_metrics_init(struct role_metrics *metrics, const char *role_name, struct error *error)
{
    struct pm_error cause = { 0 };
    metrics->role_name = role_name;
    atomic_store(&metrics->is_reload_good, true);
    if (pm_registry_new(&metrics->registry, &cause) != 0 ||
        pm_register_process(metrics->registry, &cause) != 0 ||
        pm_register_collector(metrics->registry, collect, metrics, &cause) != 0) {
        return error_set(error, -ENOMEM, "own metrics: %s", cause.text);
    }
    metrics->scrapes = (struct pm_scrapes){ .registry = metrics->registry };
    return 0;
}

void role_metrics_release(struct role_metrics *metrics)
{
    pm_registry_free(metrics->registry);
    metrics->registry = NULL;
}

int role_metrics_answer(void *context, struct http_request *request, struct http_response *response,
                        struct error *error)
{
    struct role_metrics *metrics = context;
    return pm_scrapes_answer(&metrics->scrapes, request, response, error);
}
