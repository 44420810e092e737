/* logquery.h - the door of the query languages: Elasticsearch's search bodies, answered.
 *
 *     body (JSON) ──▶ filter tree, sort, aggregations ──▶ logstore ──▶ response (JSON)
 *
 * The query DSL, the Lucene syntax of query_string and simple_query_string each become
 * logstore's filter tree (logstore/filter.h); the aggregations are one file each. Nothing here
 * knows HTTP: the role hands over a body and its URL parameters and gets bytes back.
 *
 * Memory:  one arena a request, whose limit bounds the query (LOGQUERY_MEMORY_MAX).
 * Threads: any; a request runs on the caller's thread.
 * Errors:  an error carries Elasticsearch's type in struct logquery_failure.
 */
#ifndef LOGQUERY_LOGQUERY_H
#define LOGQUERY_LOGQUERY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "logstore/logstore.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGQUERY_MEMORY_MAX  ((size_t)256 << 20)
#define LOGQUERY_BUCKETS_MAX 65536

/* Counts searches, and who helps them (crew.h); shared by all options that name it. NULL: out of
 * memory. */
struct logquery_crew;
struct logquery_crew *logquery_crew_new(unsigned processors) MUST_CHECK;
void logquery_crew_free(struct logquery_crew *crew); /* when no search runs; NULL is fine */

struct logquery_options {
    struct logstore *store;
    const struct clock *clock;
    int64_t timeout_ms;         /* of one search; 0: 30,000 */
    size_t response_max;        /* bytes; 0: 100 MiB */
    struct logquery_crew *crew; /* borrowed; NULL: nobody helps */
    bool has_types;             /* answers carry "_type":"_doc", as 7.x does */
};

/* Which parts of a source an answer has. Patterns of paths, in an arena. */
struct logquery_source {
    bool is_off;
    const struct str *includes; /* none: all */
    size_t include_count;
    const struct str *excludes;
    size_t exclude_count;
};

/* What "_source" and its kin of a URL say; data NULL: not given. They
 * win over what stands in *spec. */
int logquery_source_read_url(struct str source, struct str includes, struct str excludes,
                             struct arena *arena, struct logquery_source *spec) MUST_CHECK;

/* What stands behind "_source" in a body. ERROR_INVALID when it is nothing of the kind. */
struct json;
int logquery_source_read(const struct json *value, struct arena *arena,
                         struct logquery_source *spec) MUST_CHECK;

/* Appends the parts of a source; it is not off. */
int logquery_source_write(const struct logquery_source *spec, struct str source,
                          struct arena *arena, struct buf *out) MUST_CHECK;

/* One search. What the URL says (q, size, sort ...) stands in the same names as the body's keys and
 * wins over the body. */
struct logquery_request {
    struct str indices; /* index expression; empty: all */
    struct str body;    /* JSON object; empty: none */
    bool ignore_unavailable;
    bool allow_no_indices;  /* true is Elasticsearch's default */
    bool total_hits_as_int; /* rest_total_hits_as_int */
    bool has_typed_keys;    /* typed_keys */

    /* From the URL; data NULL: not given. */
    struct str q, default_field, default_operator, from, size, sort, source, source_includes,
        source_excludes, track_total_hits, timeout, lenient, docvalue_fields, stored_fields,
        terminate_after, min_score, version, seq_no, track_scores, explain, profile;

    const struct logquery_page *page; /* NULL: what `indices` names now is searched */
};

/* Reading on over a kept snapshot: a point in time, or the pages of a scroll. */
struct logquery_page {
    struct logstore_snapshot *snapshot; /* borrowed */
    bool is_scroll;                     /* hits hide the number that makes their order total */
    struct str after;                   /* scroll: where the page before ended; empty: first page */
    uint64_t known_total;               /* scroll: of the first page */
    struct str scroll_id, pit_id;       /* put into the answer; empty: none */

    /* Out, of a scroll. */
    struct buf *after_out; /* what `after` shall be for the next page; empty when that was the last
                              hit */
    uint64_t *total_out;
};

/* What is said beyond struct error when a request fails. */
struct logquery_failure {
    int status;             /* HTTP */
    const char *type;       /* "parsing_exception" */
    const char *cause_type; /* NULL: no cause; then the reason of the cause is the error's text */
    bool is_phase_failure;  /* wrapped in search_phase_execution_exception, as shards fail */
    char reason[512];
    char cause_reason[512];
    char index[256]; /* "" when none is meant */
};

/* Appends the response object to `out`. On failure `out` is as before and `failure` is filled. */
int logquery_search(const struct logquery_options *options, const struct logquery_request *request,
                    struct arena *arena, struct buf *out, struct logquery_failure *failure,
                    struct error *error) MUST_CHECK;

/* Resolves the indices of a request and freezes them; for a point in time. */
int logquery_snapshot(const struct logquery_options *options,
                      const struct logquery_request *request, struct arena *arena,
                      struct logstore_snapshot **snapshot, struct logquery_failure *failure,
                      struct error *error) MUST_CHECK;

/* Calls `visit` for every document that the query finds, over a snapshot taken now, until it
 * answers a negative code, which is returned. */
struct logquery_visitor {
    int (*visit)(void *context, struct str index, const struct logstore_hit *hit);
    void *context;
};
int logquery_each(const struct logquery_options *options, const struct logquery_request *request,
                  struct arena *arena, const struct logquery_visitor *visitor,
                  struct logquery_failure *failure, struct error *error) MUST_CHECK;

/* The same for _count: {"count":N,"_shards":{...}}. */
int logquery_count(const struct logquery_options *options, const struct logquery_request *request,
                   struct arena *arena, struct buf *out, struct logquery_failure *failure,
                   struct error *error) MUST_CHECK;

/* _validate/query, _field_caps and _delete_by_query's selection are built on these. */

/* Parses {"match":{...}} into a filter in the arena. */
int logquery_parse_query(struct str json, struct arena *arena, struct logstore_filter **filter,
                         struct logquery_failure *failure, struct error *error) MUST_CHECK;

struct lucene_options {
    const struct str *fields; /* none: every field */
    size_t field_count;
    bool needs_all;               /* default operator AND */
    bool is_lenient;              /* a value that cannot be of the field's type finds nothing */
    const struct date_zone *zone; /* of dates without one; NULL: UTC */
    int32_t phrase_slop;
    bool refuses_leading_wildcard;
    unsigned
        simple_flags;   /* of the simple syntax: LOGQUERY_SIMPLE_..., which signs mean something */
    size_t *regex_size; /* adds up the programs of a request's patterns; NULL: this text's alone */
};

enum {
    LOGQUERY_SIMPLE_AND = 1,
    LOGQUERY_SIMPLE_NOT = 2,
    LOGQUERY_SIMPLE_OR = 4,
    LOGQUERY_SIMPLE_PREFIX = 8,
    LOGQUERY_SIMPLE_PHRASE = 16,
    LOGQUERY_SIMPLE_PRECEDENCE = 32,
    LOGQUERY_SIMPLE_ESCAPE = 64,
    LOGQUERY_SIMPLE_WHITESPACE = 128,
    LOGQUERY_SIMPLE_FUZZY = 256,
    LOGQUERY_SIMPLE_NEAR = 512,
    LOGQUERY_SIMPLE_ALL = 1023,
};

#define LOGQUERY_REGEX_SIZE_MAX 100000 /* instructions, of all patterns of a request */

/* Parses the Lucene syntax. ERROR_PARSE with the offset where reading stopped. */
int logquery_parse_lucene(struct str text, const struct lucene_options *options,
                          struct arena *arena, struct logstore_filter **filter,
                          struct error *error) MUST_CHECK;

/* Parses Kibana's language and appends {"ast":{...},"dsl":{...}}: the tree of Kibana's own parser,
 * and the query in Elasticsearch's DSL. ERROR_PARSE with the offset where reading stopped. */
int logquery_translate_kql(struct str text, struct arena *arena, struct buf *out,
                           struct error *error) MUST_CHECK;

/* Parses the simple syntax (+ | - "..." * ( ) ~N), in which nothing is an error but a limit. */
int logquery_parse_simple(struct str text, const struct lucene_options *options,
                          struct arena *arena, struct logstore_filter **filter,
                          struct error *error) MUST_CHECK;

#endif
