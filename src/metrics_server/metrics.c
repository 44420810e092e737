/* metrics.c - what the role says of itself, under the names that dashboards for Prometheus use. */
#include "metrics_server/server.h"

#include "prometheus/prometheus.h"

#include <stdio.h>

/* One row a number of the store. */
static const struct {
    enum pm_type type;
    size_t offset; /* of a uint64_t in struct tsdb_stats */
    const char *name;
    const char *help;
} rows[] = {
#define STAT(member) offsetof(struct tsdb_stats, member)
    { PM_GAUGE, STAT(head_series), "prometheus_tsdb_head_series",
      "Total number of series in the head block." },
    { PM_GAUGE, STAT(head_chunks), "prometheus_tsdb_head_chunks",
      "Total number of chunks in the head block." },
    { PM_GAUGE, STAT(head_size), "barograph_tsdb_head_memory_bytes",
      "Memory that the head holds." },
    { PM_GAUGE, STAT(symbol_size), "prometheus_tsdb_symbol_table_size_bytes",
      "Size of the texts of labels." },
    { PM_GAUGE, STAT(blocks), "prometheus_tsdb_blocks_loaded",
      "Number of currently loaded data blocks." },
    { PM_GAUGE, STAT(block_size), "prometheus_tsdb_storage_blocks_bytes",
      "The number of bytes that are currently used for local storage by all blocks." },
    { PM_GAUGE, STAT(log_size), "prometheus_tsdb_wal_storage_size_bytes",
      "Size of the write log directory." },
    { PM_GAUGE, STAT(log_segment), "prometheus_tsdb_wal_segment_current",
      "Write log segment index that TSDB is currently writing to." },
    { PM_COUNTER, STAT(samples_appended), "prometheus_tsdb_head_samples_appended_total",
      "Total number of appended samples." },
    { PM_COUNTER, STAT(series_created), "prometheus_tsdb_head_series_created_total",
      "Total number of series created in the head." },
    { PM_COUNTER, STAT(series_removed), "prometheus_tsdb_head_series_removed_total",
      "Total number of series removed in the head." },
    { PM_COUNTER, STAT(samples_out_of_order), "prometheus_tsdb_out_of_order_samples_total",
      "Total number of out of order samples that were refused." },
    { PM_COUNTER, STAT(samples_invalid), "prometheus_tsdb_out_of_bound_samples_total",
      "Total number of out of bound samples that were refused." },
    { PM_COUNTER, STAT(samples_late), "prometheus_tsdb_head_out_of_order_samples_appended_total",
      "Total number of appended out of order samples." },
    { PM_COUNTER, STAT(samples_limited), "barograph_tsdb_samples_limited_total",
      "Samples of new series refused by a limit." },
    { PM_GAUGE, STAT(exemplars), "prometheus_tsdb_exemplar_exemplars_in_storage",
      "Number of exemplars currently in circular storage." },
    { PM_GAUGE, STAT(exemplar_series), "prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
      "Number of series with exemplars currently in circular storage." },
    { PM_COUNTER, STAT(exemplars_appended), "prometheus_tsdb_exemplar_exemplars_appended_total",
      "Total number of appended exemplars." },
    { PM_COUNTER, STAT(exemplars_out_of_order),
      "prometheus_tsdb_exemplar_out_of_order_exemplars_total",
      "Total number of out of order exemplar ingestion failed attempts." },
    { PM_COUNTER, STAT(batches_refused), "barograph_tsdb_batches_refused_total",
      "Batches refused for want of room or because the disk failed." },
    { PM_COUNTER, STAT(log_corruptions), "prometheus_tsdb_wal_corruptions_total",
      "Total number of WAL corruptions." },
    { PM_COUNTER, STAT(log_failures), "prometheus_tsdb_wal_writes_failed_total",
      "Total number of WAL writes that failed." },
    { PM_COUNTER, STAT(block_corruptions), "barograph_tsdb_blocks_set_aside_total",
      "Blocks that were damaged and set aside." },
    { PM_COUNTER, STAT(cuts), "prometheus_tsdb_head_truncations_total",
      "Total number of head truncations attempted." },
    { PM_COUNTER, STAT(cuts_failed), "prometheus_tsdb_head_truncations_failed_total",
      "Total number of head truncations that failed." },
    { PM_COUNTER, STAT(merges), "prometheus_tsdb_compactions_total",
      "Total number of compactions that were executed." },
    { PM_COUNTER, STAT(merges_failed), "prometheus_tsdb_compactions_failed_total",
      "Total number of compactions that failed." },
    { PM_COUNTER, STAT(retention_time_removed), "prometheus_tsdb_time_retentions_total",
      "The number of times that blocks were deleted because the maximum time limit was exceeded." },
    { PM_COUNTER, STAT(retention_size_removed), "prometheus_tsdb_size_retentions_total",
      "The number of times that blocks were deleted because the maximum bytes was exceeded." },
#undef STAT
};

static void emit_times(struct pm_emit *emit, const struct tsdb_stats *stats)
{
    if (stats->head_min_time_ms <= stats->head_max_time_ms) {
        pm_emit_one(emit, PM_GAUGE, "prometheus_tsdb_head_min_time_seconds",
                    "Minimum time bound of the head block.",
                    (double)stats->head_min_time_ms / 1000);
        pm_emit_one(emit, PM_GAUGE, "prometheus_tsdb_head_max_time_seconds",
                    "Maximum timestamp of the head block.", (double)stats->head_max_time_ms / 1000);
    }
    if (stats->min_time_ms <= stats->max_time_ms) {
        pm_emit_one(emit, PM_GAUGE, "prometheus_tsdb_lowest_timestamp_seconds",
                    "Lowest timestamp value stored in the database.",
                    (double)stats->min_time_ms / 1000);
    }
    pm_emit_one(emit, PM_GAUGE, "prometheus_tsdb_data_replay_duration_seconds",
                "Time taken to replay the data on disk.", (double)stats->replay_ns / 1e9);
    pm_emit_one(emit, PM_GAUGE, "barograph_tsdb_refusing",
                "Whether the store refuses samples now for want of room.", stats->is_refusing);
    pm_emit_family(emit, PM_SUMMARY, "prometheus_tsdb_wal_fsync_duration_seconds",
                   "Duration of write log fsync.");
    pm_emit_summary(emit, NULL, 0, stats->log_syncs, (double)stats->log_sync_ns / 1e9);
}

struct code_walk {
    struct pm_emit *emit;
};

static void emit_code(void *argument, const char *label, unsigned status, uint64_t count)
{
    struct code_walk *walk = argument;
    char code[8];
    (void)snprintf(code, sizeof(code), "%u", status);
    pm_emit_count(walk->emit, count, "code", code, "handler", label);
}

static void emit_config(struct pm_emit *emit, struct metrics_server *server)
{
    mutex_lock(&server->mutex);
    bool is_good = server->is_config_good;
    int64_t config_ms = server->config_ms;
    mutex_unlock(&server->mutex);
    pm_emit_one(emit, PM_GAUGE, "prometheus_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.", is_good);
    pm_emit_one(emit, PM_GAUGE, "prometheus_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.", (double)config_ms / 1000);
    pm_emit_one(emit, PM_GAUGE, "prometheus_engine_queries_concurrent_max",
                "The max number of concurrent queries.", (double)server->flags.concurrency_max);
    pm_emit_one(
        emit, PM_GAUGE, "prometheus_tsdb_retention_limit_bytes",
        "Max number of bytes to be retained in the tsdb blocks, configured 0 means disabled.",
        (double)server->flags.retention_size);
}

void metrics_collect(struct pm_emit *emit, void *argument)
{
    struct metrics_server *server = argument;
    struct tsdb_stats stats;
    tsdb_stats(server->db, &stats);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t value;
        memcpy(&value, (const char *)&stats + rows[i].offset, sizeof(value));
        pm_emit_family(emit, rows[i].type, rows[i].name, rows[i].help);
        pm_emit_count(emit, value);
    }
    emit_times(emit, &stats);
    emit_config(emit, server);
    pm_emit_family(emit, PM_GAUGE, "prometheus_build_info",
                   "The version of Prometheus whose behaviour this server follows.");
    pm_emit_value(emit, 1, "branch", "barograph", "revision", role_revision(), "version",
                  METRICS_SERVER_VERSION);
    struct code_walk walk = { emit };
    pm_emit_family(emit, PM_COUNTER, "prometheus_http_requests_total", "Counter of HTTP requests.");
    http_server_visit_codes(role_server(server->role), emit_code, &walk);
}
