/* scrape.h - the door of the scrapes: targets to samples.
 *
 *     scrape_configs ─▶ discovery ─▶ relabelling ─▶ targets ─▶ due times ─▶ workers ─▶ sample_sink
 *                       (static, file)              (labels,    (a heap)    (GET, parse, append)
 *                                                    URL, series cache)
 *
 *     struct scrape_config config;
 *     scrape_config_read(&config, root, global, reading, error);     a part of prometheus.yml
 *     struct scrape_manager *manager;
 *     scrape_manager_start(&manager, &setup, error);
 *     scrape_manager_apply(manager, &config, error);                 now and at every reload
 *     scrape_manager_stop(manager);
 *
 * Each target is scraped at its own phase of its interval. A target keeps a cache from the raw text
 * of each series to its number in the sink, so that a scrape like the last one parses no labels.
 * Staleness, `up` and the scrape_* series are those of Prometheus 3.x.
 *
 * Threads: all functions from any thread. The manager's thread discovers; `worker_max` workers at
 *          most scrape, started as slow targets need them. Lock ranks: manager, then target.
 */
#ifndef SCRAPE_SCRAPE_H
#define SCRAPE_SCRAPE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/yaml_fields.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "model/sample_sink.h"
#include "scrape/exposition.h" /* the reader of expositions, for imports, too */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_resolve;
struct pm_registry;
struct sl_logger;

/* ---- configuration ---- */

/* A list of texts; everything here lives in the configuration's arena. */
struct scrape_texts {
    const struct str *items;
    size_t count;
};

struct scrape_rules {
    struct relabel_rule *items; /* owned: scrape_config_release */
    size_t count;
};

/* One parameter of the scrape's URL. */
struct scrape_param {
    struct str name;
    struct scrape_texts values;
};

/* Addresses with labels: an entry of static_configs, or of a file. */
struct scrape_group {
    struct str source; /* "job/static/0", or a file and position */
    struct scrape_texts addresses;
    struct labels labels;
};

/* How to speak to targets. A *_file is read at each scrape. */
struct scrape_http {
    bool has_basic;
    struct str basic_user, basic_user_file;
    struct str basic_password, basic_password_file;
    bool has_authorization;
    struct str authorization_type; /* "Bearer" */
    struct str credentials, credentials_file;
    struct str tls_ca_file, tls_cert_file, tls_key_file;
    bool tls_insecure;
    bool has_tls;
    bool follows_redirects; /* true */
};

struct scrape_limits {
    uint64_t body_size;    /* bytes unpacked; 0 = none */
    uint64_t sample_count; /* 0 = none, as all below */
    uint64_t target_count;
    uint64_t label_count;
    uint64_t label_name_size;
    uint64_t label_value_size;
    uint64_t keep_dropped;
};

struct scrape_job {
    struct str name;
    int64_t interval_ms;
    int64_t timeout_ms;
    struct str metrics_path; /* "/metrics" */
    struct str scheme;       /* "http" */
    const struct scrape_param *params;
    size_t param_count;
    bool honor_labels;
    bool honor_timestamps; /* true */
    bool tracks_timestamp_staleness;
    bool has_compression;       /* true */
    bool has_extra_metrics;     /* scrape_timeout_seconds and so on */
    bool has_fallback_protocol; /* a body without a known Content-Type is read as text */
    struct scrape_limits limits;
    struct scrape_http http;
    struct scrape_rules relabels;
    struct scrape_rules metric_relabels;
    const struct scrape_group *groups; /* static_configs */
    size_t group_count;
    struct scrape_texts files; /* patterns of file_sd_configs, absolute or from the folder */
};

/* What `global` says to jobs that say nothing. */
struct scrape_global {
    int64_t interval_ms; /* 1 m */
    int64_t timeout_ms;  /* 10 s, or the interval when that is shorter */
    bool has_timeout;
    bool has_extra_metrics;
    struct scrape_limits limits;
};

struct scrape_config {
    struct arena arena;
    struct scrape_job *jobs;
    size_t job_count;
    struct labels external_labels; /* borrowed from the caller: part of the phase of scrapes */
    const char *folder;            /* relative files are below it; borrowed */
};

#define SCRAPE_JOBS_MAX 4096

void scrape_global_init(struct scrape_global *global);

/* Rows for the `global` mapping: offsets into a struct scrape_global at `base`. Fills up to
 * SCRAPE_GLOBAL_FIELDS rows, returns how many. */
#define SCRAPE_GLOBAL_FIELDS 20
size_t scrape_global_fields(struct yaml_field *fields, size_t base);
int scrape_global_check(const struct yaml_node *node, struct scrape_global *global,
                        struct error *error) MUST_CHECK;

/*
 * Reads a list `scrape_configs` and adds its jobs; there may be several, of several files.
 *
 *   config  its arena is the one in which the YAML was parsed (reading->arena too); the rest is
 *           filled. To be released by scrape_config_release, also after a failure
 *   node    NULL or null: no more jobs
 */
int scrape_config_read(struct scrape_config *config, const struct yaml_node *node,
                       const struct scrape_global *global, const struct yaml_reading *reading,
                       struct error *error) MUST_CHECK;
void scrape_config_release(struct scrape_config *config); /* accepts a zeroed one */

/* Readers other parts of the file use too. */
int scrape_read_duration(const struct yaml_node *node, void *field,
                         const struct yaml_reading *reading, struct error *error); /* int64_t ms */
int scrape_read_labels(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error); /* struct labels */
/* Checks a list of relabelling rules that is not kept. */
int scrape_check_rules(const struct yaml_node *node, void *field,
                       const struct yaml_reading *reading, struct error *error);

/* Checks the *_sd_configs of a mapping: those we do not discover by must be as right as the others,
 * so that a mistake does not show only after a move. */
int scrape_check_discovery(const struct yaml_node *node, struct error *error) MUST_CHECK;

/* "http://host..." or https. */
bool scrape_is_url(struct str text);

/* Calls use for each file that a pattern names, in order of names; only its last part may hold
 * wildcards. A relative pattern starts at the folder. */
void scrape_visit_files(struct str pattern, const char *folder,
                        void (*use)(void *argument, const char *path), void *argument);

/* ---- scraping ---- */

struct scrape_manager;

/* Everything the scrapes stand on; borrowed until scrape_manager_stop. */
struct scrape_setup {
    const struct sample_sink *sink;
    const struct clock *clock;
    const struct http_resolve *resolve; /* may be NULL */
    struct sl_logger *log;
    struct pm_registry *registry; /* prometheus_target_* go there */
    unsigned worker_max;          /* 0 = 128 */
    const char *user_agent;       /* NULL: "Prometheus/3" */
};

int scrape_manager_start(struct scrape_manager **manager, const struct scrape_setup *setup,
                         struct error *error) MUST_CHECK;

/* Puts a configuration in force; targets that stay the same keep their phase, cache and state. The
 * manager takes what is in config over: it is zeroed on success. */
int scrape_manager_apply(struct scrape_manager *manager, struct scrape_config *config,
                         struct error *error) MUST_CHECK;

/* Ends running scrapes (within a second) and all threads. No stale markers are written. NULL is
 * fine. */
void scrape_manager_stop(struct scrape_manager *manager);

/* ---- looking ---- */

enum scrape_health { SCRAPE_UNKNOWN, SCRAPE_UP, SCRAPE_DOWN };

/* One target as /api/v1/targets shows it; lives in the arena of the call. */
struct scrape_target_view {
    struct labels discovered;
    struct labels labels;
    struct str job;
    struct str url;
    struct str last_error;
    int64_t last_scrape_ms; /* 0: never */
    double last_duration_s;
    enum scrape_health health;
    int64_t interval_ms;
    int64_t timeout_ms;
    bool is_dropped; /* by relabelling: only discovered and job are set */
};

int scrape_targets(struct scrape_manager *manager, struct arena *arena,
                   const struct scrape_target_view **targets, size_t *count,
                   struct error *error) MUST_CHECK;

/* Names of the jobs in force. */
int scrape_jobs(struct scrape_manager *manager, struct arena *arena, const struct str **names,
                size_t *count, struct error *error) MUST_CHECK;

struct scrape_metadata {
    struct str metric;
    struct str type; /* "counter", "unknown", ... */
    struct str help;
    struct str unit;
    struct labels target;
};

/* What targets told of their metrics. metric empty: of all. */
int scrape_metadata(struct scrape_manager *manager, struct str metric, struct arena *arena,
                    const struct scrape_metadata **items, size_t *count,
                    struct error *error) MUST_CHECK;

#endif
