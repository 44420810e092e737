/* agg.h - aggregations: a tree of what is asked, and for each bucket a state of what was found.
 *
 * The documents of one segment come as a rising list. A bucket aggregation sorts them into buckets
 * and hands each bucket's list to its sub-aggregations, so every level costs the documents it sees.
 * States live in the query's arena; a state is made when its first document comes, so `state` may
 * be NULL when it is written: then nothing was found.
 */
#ifndef LOGQUERY_AGG_H
#define LOGQUERY_AGG_H

#include "codec/json_writer.h"
#include "logquery/search.h"

#include <stdbool.h>
#include <stdint.h>

#define AGG_GATHER_COUNT 256 /* values of a column that are read at once */

struct result; /* pipeline.h */

struct agg_documents {
    size_t segment;
    const uint32_t *documents; /* rising */
    size_t count;
};

struct agg_kind {
    struct str name;
    const char *typed_name; /* of typed_keys; NULL: the name */
    size_t state_size;
    int (*read)(struct search *search, struct agg *agg, const struct json *body);
    int (*collect)(struct search *search, struct agg *agg, void *state,
                   const struct agg_documents *documents);
    /* When all documents were collected, before anything is written; NULL: nothing is left to do.
     * Of outermost aggregations alone; ERROR_TIMEOUT: what there is is the result. */
    int (*finish)(struct search *search, struct agg *agg, void *state);
    /* Writes the members of the result object (not its braces). */
    int (*write)(struct search *search, struct agg *agg, void *state, struct json_writer *json);
    /* Pipelines: the number of a state for ordering and buckets_path; NULL: it has none. */
    bool (*number)(const struct agg *agg, const void *state, struct str path, double *value);
    /* The one bucket of a state, for ordering by what lies below; NULL: it has several, or none. */
    const struct bucket *(*single)(const struct agg *agg, const void *state);
    /* Pipelines (pipeline.h) have this instead of collect and write. A parent's `result` is the
     * buckets of the aggregation that it stands below; a sibling's is the level that it stands on,
     * to which it adds itself. */
    int (*run)(struct search *search, const struct agg *agg, struct result *result);
    bool is_parent;
};

struct agg {
    struct str name;
    const struct agg_kind *kind;
    struct str field;
    struct str meta; /* JSON */
    const struct json *missing;
    struct str format;
    bool is_outermost; /* sees the documents of each segment once */
    void *options;     /* the kind's own */
    struct agg **subs;
    size_t sub_count;
    void *empty; /* a state of nothing, for all buckets that have none; made when first written */
};

/* agg.c */
int aggs_read(struct search *search, const struct json *json, struct agg ***aggs,
              size_t *count) MUST_CHECK;
int aggs_collect(struct search *search, struct agg **aggs, size_t count, void **states,
                 const struct agg_documents *documents) MUST_CHECK;
int aggs_finish(struct search *search, struct agg **aggs, size_t count, void **states) MUST_CHECK;
/* {"name":{...},...} without braces. states NULL: nothing was found. */
int aggs_write(struct search *search, struct agg **aggs, size_t count, void **states,
               struct json_writer *json) MUST_CHECK;

/* Refuses text fields; *column NULL: the segment has no values. */
int agg_column(struct search *search, const struct agg *agg, size_t segment,
               const struct logstore_column **column) MUST_CHECK;

/* The same; *is_unread: its values are read by logstore_values, for it has no terms: where all of a
 * search's documents come at once, or a long piece or a good part of them. */
int agg_column_unread(struct search *search, const struct agg *agg,
                      const struct agg_documents *documents, const struct logstore_column **column,
                      bool *is_unread) MUST_CHECK;

/* The field's type is none that the aggregation can work on. */
int agg_refuse_field(struct search *search, const struct agg *agg);

/* Values of a column as numbers. */
struct agg_numbers {
    struct logstore_cursor cursor;
    bool is_real;
    double scale; /* 1e-6 for date_nanos: milliseconds */
};
bool agg_numbers_open(struct agg_numbers *numbers, const struct logstore_column *column);
double agg_number_at(const struct agg_numbers *numbers, size_t value);
int64_t agg_integer_at(const struct agg_numbers *numbers, size_t value);
int64_t agg_ns_to_ms(int64_t time_ns); /* rounded down */

/* Buckets ------------------------------------------------------------------------------------ */

struct bucket {
    struct str key; /* text, or the eight bytes of a number */
    int64_t number; /* keys that are numbers */
    uint64_t count;
    void **subs;
};

struct bucket_table {
    struct bucket *buckets;
    size_t count, capacity;
    uint32_t *slots;
    size_t slot_count;
};

/* The bucket of a key, made when it is new; UINT32_MAX when there is no memory or too many. */
uint32_t bucket_for_number(struct search *search, struct bucket_table *table, int64_t number);
uint32_t bucket_for_text(struct search *search, struct bucket_table *table, struct str text);

/* Pairs of bucket and document, in order of documents; adds to the counts and to the subs. */
struct bucket_pair {
    uint32_t bucket;
    uint32_t document;
};
VEC_TYPE(bucket_pair_vec, struct bucket_pair);
int buckets_collect(struct search *search, struct agg *agg, struct bucket_table *table,
                    size_t segment, const struct bucket_pair_vec *pairs) MUST_CHECK;

/* The same now, and the list empty, when it has become long: where a document may be in very many
 * buckets, the pairs of a segment would be more than memory holds. */
int buckets_spill(struct search *search, struct agg *agg, struct bucket_table *table,
                  size_t segment, struct bucket_pair_vec *pairs) MUST_CHECK;

/* The same where neighbours fall into the same bucket: pieces of the list of documents, one behind
 * the other, between which there may be documents that are in none. */
struct bucket_run {
    uint32_t bucket;
    uint32_t first; /* in the list */
    uint32_t count;
};
VEC_TYPE(bucket_run_vec, struct bucket_run);
int buckets_collect_runs(struct search *search, struct agg *agg, struct bucket_table *table,
                         const struct agg_documents *documents,
                         struct bucket_run_vec *runs) MUST_CHECK;

int bucket_write_subs(struct search *search, const struct agg *agg, const struct bucket *bucket,
                      struct json_writer *json) MUST_CHECK;

/* "buckets": as an object by key, or as a list. */
void buckets_begin(bool is_keyed, struct json_writer *json);
void buckets_end(bool is_keyed, struct json_writer *json);

/* Makes the buckets numbered 0 .. count - 1, in that order, when they are not there yet. */
int buckets_prepare(struct search *search, struct bucket_table *table, size_t count) MUST_CHECK;
int buckets_by_number(const void *a, const void *b); /* for qsort */

int agg_too_many_buckets(struct search *search);

/* The start of the bucket that a time falls into, of what date_histogram has read. */
int64_t agg_date_start(const struct agg *agg, int64_t time_ms);

bool agg_date_size(const struct agg *agg, int64_t start_ms, enum date_unit unit, double *size);

/* Key and key_as_string of a number by the field's type. */
void bucket_put_number_key(const struct agg *agg, enum logstore_type type, int64_t number,
                           bool is_real, struct json_writer *json);

extern const struct agg_kind agg_terms, agg_date_histogram, agg_auto_date_histogram, agg_histogram,
    agg_range, agg_date_range, agg_filter, agg_filters, agg_global, agg_missing, agg_min, agg_max,
    agg_sum, agg_avg, agg_value_count, agg_stats, agg_extended_stats, agg_cardinality,
    agg_percentiles, agg_top_hits, agg_composite, agg_rare_terms, agg_multi_terms, agg_top_metrics,
    agg_percentile_ranks, agg_median_deviation, agg_boxplot, agg_weighted_avg, agg_string_stats,
    agg_ip_range, agg_rate, agg_adjacency_matrix;

#endif
