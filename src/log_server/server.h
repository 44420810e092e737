/* server.h - what the handlers of the role share. */
#ifndef LOG_SERVER_SERVER_H
#define LOG_SERVER_SERVER_H

#include "base/budget.h"
#include "base/clock.h"
#include "codec/json_writer.h"
#include "http/server.h"
#include "log_server/asyncs.h"
#include "log_server/auth.h"
#include "log_server/contexts.h"
#include "log_server/tasks.h"
#include "logquery/logquery.h"
#include "logstore/logstore.h"
#include "prometheus/prometheus.h"
#include "role/role.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIECES_MAX 8
#define NODE_ID    "barographnode00000001A"

struct log_flags {
    const char *version;
    const char *cluster_name;
    const char *node_name;
    const char *auth_users;
    int64_t retention_ms;
    int64_t retention_size;
    int64_t buffer_size;
    int64_t disk_reserve;
    int64_t body_size_max;
    int64_t bodies_size_max;
    int64_t query_memory_max;
    bool strict_mapping;
};

struct log_server {
    struct log_flags flags;
    struct role *role;
    struct logstore *store;
    struct auth *auth; /* NULL: nobody is asked who he is */
    const struct clock *clock;
    bool has_types; /* answers carry "_type", as 7.x */
    char cluster_uuid[23];
    struct logquery_options query_options;
    struct budget query_budget; /* what all searches may hold together */
    struct contexts contexts;
    struct tasks tasks;
    struct asyncs asyncs;
    struct pm_histogram *search_duration;
    struct pm_histogram *bulk_duration;
};

/* One request on its way: the pieces that the pattern's :names stood for, in order. */
struct call {
    struct log_server *server;
    struct http_request *request;
    struct http_response *response;
    struct arena *arena;
    struct auth_identity identity; /* of who asks, when that is known */
    struct str values[PIECES_MAX];
    size_t value_count;
    bool is_filtered; /* the answer is as ?filter_path wants it */
};

typedef int call_handler(struct call *call);

struct route {
    unsigned methods;
    const char *path; /* ":index" does not stand for a piece that begins with '_', but for _all */
    call_handler *handle;
    /* Names that the URL may carry besides those of every request, in one text; NULL: none. What is
     * not named refuses the request, as in Elasticsearch. Some named ones cannot change the answer
     * of a single node with one shard an index: where to search, how much at a time, how long to
     * wait for other nodes. */
    const char *parameters;
};

#define INDICES_PARAMETERS                                                                         \
    " ignore_unavailable allow_no_indices expand_wildcards ignore_throttled master_timeout"        \
    " timeout local flat_settings include_defaults include_type_name"
#define COUNT_PARAMETERS                                                                           \
    INDICES_PARAMETERS " q df default_operator lenient analyze_wildcard analyzer source"           \
                       " source_content_type preference routing terminate_after min_score"
#define SEARCH_PARAMETERS                                                                          \
    COUNT_PARAMETERS                                                                               \
    " from size sort _source _source_includes _source_excludes track_total_hits docvalue_fields"   \
    " stored_fields version seq_no_primary_term track_scores explain profile scroll search_type"   \
    " rest_total_hits_as_int typed_keys ccs_minimize_roundtrips batched_reduce_size request_cache" \
    " max_concurrent_shard_requests pre_filter_shard_size allow_partial_search_results"            \
    " min_compatible_shard_node enable_fields_emulation"
#define WRITE_PARAMETERS " refresh timeout wait_for_active_shards pipeline type"

/* Tables of rows, one file each. */
struct route_table {
    const struct route *rows;
    size_t count;
};
extern const struct route_table bulk_routes, document_routes, search_routes, scroll_routes,
    async_routes, task_routes, by_query_routes, admin_routes, index_routes, template_routes,
    alias_routes, analysis_routes, field_caps_routes, cluster_routes, cat_routes, cat_index_routes,
    security_routes;

/* answer.c: errors in Elasticsearch's shape; all return 0, for the answer is given. */
int answer_error(struct call *call, int status, const char *type, struct str reason);
int answer_index_missing(struct call *call, struct str index);
int answer_failure(struct call *call, const struct logquery_failure *failure);
/* For errors of the store: ERROR_INVALID 400, -EEXIST 400, -ENOENT 404, -EIO 503, the rest 429 or
 * 500. */
int answer_store_error(struct call *call, int code, const char *type, const struct error *error);
int answer_acknowledged(struct call *call);
int answer_unknown_user(struct call *call); /* 401; security.c */
/* What the HTTP server refuses by itself; the same shape. */
void answer_server_refusal(struct http_response *response, const char *text);
void put_error_object(struct json_writer *json, const char *type, struct str reason,
                      struct str index);

/* aliases.c: "name":{"filter":...,"is_write_index":true} */
void put_alias(struct json_writer *json, const struct logstore_alias *alias);

/* refused.c: answers when the path names what Elasticsearch has and we have not. */
bool answer_refusal(struct call *call);

/* Applies ?filter_path and ?pretty to the JSON in the response's body. */
void answer_finish(struct call *call);

/* events.c: what the store tells, into the role's log. `context` is the struct log_server. */
void log_event(void *context, const struct logstore_event *event);
void log_users(void *context, size_t user_count, const struct error *error); /* auth_listener */
/* Says in the log which parts of a lifecycle policy are not carried out. */
void log_policy_gaps(const struct call *call, struct str name, struct str json);

/* When memory is short answers 429 and returns true. */
bool answer_when_short(struct call *call);

/* A parameter of the URL; data NULL: not given. */
struct str call_parameter(const struct call *call, const char *name);
bool call_flag(const struct call *call, const char *name, bool otherwise);

/* The indices that the first piece of the path means, or all; 1: the answer is given already. */
int call_resolve(struct call *call, const struct str **names, size_t *count) MUST_CHECK;

/* The members of one operation's outcome, as in _bulk and _doc. */
void put_outcome_members(const struct call *call, struct json_writer *json,
                         const struct logstore_operation *operation);

/* documents.c: false with the operation refused when its index is no alias; true with the request
 * answered when ?refresh is none of its words. */
bool document_check_alias(struct call *call, struct logstore_operation *operation);
bool document_answer_refresh(struct call *call);

#endif
