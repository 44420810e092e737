/* server.h - inside metrics_server/: what its handlers share. */
#ifndef METRICS_SERVER_SERVER_H
#define METRICS_SERVER_SERVER_H

#include "base/budget.h"
#include "base/thread.h"
#include "codec/json_writer.h"
#include "http/server.h"
#include "metrics_server/active_queries.h"
#include "metrics_server/pushed_metadata.h"
#include "metrics_server/write_cache.h"
#include "promql/promql.h"
#include "role/role.h"
#include "scrape/scrape.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stdint.h>

/* The version of Prometheus whose behaviour this one follows; clients choose features by it. */
#define METRICS_SERVER_VERSION "3.5.0"

#define METRICS_SERVER_FEATURES_MAX 64

struct metrics_flags {
    const char *config_file;
    int64_t retention_ms;
    int64_t retention_size;
    int64_t reserve_size;
    bool takes_remote_write;
    bool has_lifecycle;
    bool has_admin;
    bool syncs_late;
    int64_t samples_max;
    int64_t timeout_ms;
    int64_t concurrency_max;
    int64_t lookback_ms;
    int64_t query_memory_max;
    int64_t block_duration_min_ms;
    int64_t block_duration_max_ms;
    int64_t log_segment_size;
    int64_t series_max;
    int64_t metric_series_max;
    int64_t late_max_ms;
    int64_t exemplars_max;
    const char *external_url;
    struct option_list features;
};

struct metrics_server {
    struct role *role;
    struct metrics_flags flags;
    struct tsdb *db;
    struct sample_sink sink;
    struct series_source source;
    struct promql_engine *engine;
    struct budget query_budget; /* of queries and their answers, until these are sent */
    struct scrape_manager *scrapes;
    struct active_queries active;
    struct pm_summary *query_duration;
    struct pm_counter *remote_samples;
    struct write_cache write_cache; /* series that others push */
    struct pushed_metadata pushed_metadata;

    struct mutex mutex;  /* guards what follows */
    char *config_text;   /* as read, secrets masked */
    int64_t config_ms;   /* when it was put in force */
    bool is_config_good; /* the last reload */
    struct arena arena;  /* of external_labels */
    struct labels external_labels;
};

/* ---- config.c, config_sections.c ---- */

/* prometheus.yml as read. */
struct metrics_config {
    struct scrape_global global;
    int64_t evaluation_interval_ms;
    struct labels external_labels;
    struct scrape_config scrapes; /* its arena holds all the rest, too */
    const struct yaml_node *scrape_node;
    const struct yaml_node *file_node;
};

/*
 * Reads a prometheus.yml and the files of its scrape_config_files; needs no server.
 *
 *   config   to be released by metrics_config_release, also after a failure
 *   path     in errors; relative names start at its folder
 *   reading  who hears warnings; its arena is set
 *
 * Returns 0; ERROR_PARSE or ERROR_LIMIT with "file:line:column: ..."; -ENOMEM.
 */
int metrics_config_parse(struct metrics_config *config, struct str text, const char *path,
                         struct yaml_reading *reading, struct error *error) MUST_CHECK;
void metrics_config_release(struct metrics_config *config);

/* Finds mistakes in a section that has no effect here. */
int metrics_config_check_section(struct str name, const struct yaml_node *node,
                                 const struct yaml_reading *reading,
                                 struct error *error) MUST_CHECK;

/* Reads the file and puts it in force; what was in force stays on failure. */
int metrics_config_load(struct metrics_server *server, struct error *error) MUST_CHECK;

/* ---- api.c: the envelope and the parameters ---- */

/* Begins {"status":"success","data": ; the handler writes the value, then api_end. */
void api_begin(struct http_response *response, struct json_writer *json);
void api_end(struct http_response *response, struct json_writer *json);

/* An answer may be too long, and it takes from what queries may hold: then ERROR_LIMIT. */
int api_check_body(const struct http_response *response, struct error *error) MUST_CHECK;

/* The error envelope for a whole mount. */
void api_write_error(void *context, const struct http_request *request,
                     struct http_response *response, int code, const struct error *error);

/* Times are seconds or RFC 3339; *time_ms keeps its value when the parameter is not there. */
int api_time(const struct http_request *request, const char *name, int64_t *time_ms,
             struct error *error) MUST_CHECK;
/* Seconds or "1h30m"; *duration_ms keeps its value when the parameter is not there. */
int api_duration(const struct http_request *request, const char *name, int64_t *duration_ms,
                 struct error *error) MUST_CHECK;
int api_limit(const struct http_request *request, size_t *limit, struct error *error) MUST_CHECK;

/* The selectors of all match[]; each is an expression of its own. */
struct api_matches {
    struct promql_expr **exprs;
    size_t count;
};
int api_matches_read(struct metrics_server *server, const struct http_request *request,
                     struct api_matches *matches, struct error *error) MUST_CHECK;
void api_matches_release(struct api_matches *matches);

void api_write_labels(struct json_writer *json, struct labels labels);
void api_write_duration(struct json_writer *json, int64_t duration_ms); /* "1h30m" */
void api_write_rfc3339(struct json_writer *json, int64_t time_ms);      /* zero time for 0 */

/* ---- handlers, one file an area; context is the struct metrics_server ---- */

#define API_HANDLER(name)                                                                          \
    int name(void *context, struct http_request *request, struct http_response *response,          \
             struct error *error)

API_HANDLER(api_query);
API_HANDLER(api_query_range);
API_HANDLER(api_format_query);
API_HANDLER(api_parse_query);
API_HANDLER(api_query_exemplars);

API_HANDLER(api_series);
API_HANDLER(api_labels);
API_HANDLER(api_label_values);
API_HANDLER(federate);

API_HANDLER(api_targets);
API_HANDLER(api_metadata);
API_HANDLER(api_targets_metadata);
API_HANDLER(api_scrape_pools);

API_HANDLER(api_status_config);
API_HANDLER(api_status_flags);
API_HANDLER(api_status_runtime);
API_HANDLER(api_status_build);
API_HANDLER(api_status_tsdb);
API_HANDLER(api_status_blocks);
API_HANDLER(api_version);
API_HANDLER(api_rules);
API_HANDLER(api_alerts);
API_HANDLER(api_alertmanagers);

API_HANDLER(remote_write);
API_HANDLER(admin_delete_series);
API_HANDLER(admin_clean_tombstones);
API_HANDLER(admin_snapshot);

/* ---- metrics.c ---- */

struct pm_emit;
void metrics_collect(struct pm_emit *emit, void *argument); /* pm_collect_function */

#endif
