/* pipeline.h - pipeline aggregations: numbers made of the finished buckets of others.
 *
 * They work on the answer: the aggregations' JSON is read into a tree that can be changed, the
 * pipelines add to it (or take buckets away) level by level, and it is printed again. A parent
 * pipeline stands among the sub-aggregations of buckets and works on them in their order; a sibling
 * pipeline stands beside an aggregation and sums up its buckets.
 */
#ifndef LOGQUERY_PIPELINE_H
#define LOGQUERY_PIPELINE_H

#include "logquery/agg.h"

struct result_member;

enum result_kind { RESULT_RAW, RESULT_OBJECT, RESULT_ARRAY };

/* A value of the answer. Everything lives in the search's arena. */
struct result {
    enum result_kind kind;
    struct str raw;
    struct result_member *members; /* of an array without keys */
    size_t count, capacity;
};

struct result_member {
    struct str key;
    struct result *value;
};

/* What the kinds share; agg->options of every pipeline begins with it. */
enum gap_policy { GAP_SKIP, GAP_ZERO, GAP_KEEP };

struct pipeline {
    const struct str *paths;
    size_t path_count;
    enum gap_policy gaps;
};

/* Reads buckets_path and gap_policy; the options' size is the kind's own. */
int pipeline_read(struct search *search, struct agg *agg, const struct json *body,
                  size_t options_size) MUST_CHECK;

/* Runs all pipelines of the tree over `json`, the object of "aggregations", and prints it. */
int pipelines_apply(struct search *search, struct str json, struct buf *out) MUST_CHECK;

struct result *result_find(const struct result *object, struct str name);
/* The number at a path below a bucket ("1.value", "filter>2", "_count"); NaN: none there. */
double result_number(const struct result *bucket, struct str path);
/* The same with the gap policy: a bucket without documents is a gap, too. NaN: a gap to skip. */
double pipeline_value(const struct pipeline *pipeline, const struct result *bucket,
                      struct str path);
int result_add(struct search *search, struct result *object, struct str name,
               struct result *value) MUST_CHECK;
/* {"value":number}, null when it is none; added under the aggregation's name. */
int pipeline_put(struct search *search, const struct agg *agg, struct result *object,
                 double value) MUST_CHECK;
struct result *result_raw(struct search *search, struct str json);

extern const struct agg_kind agg_derivative, agg_cumulative_sum, agg_serial_diff, agg_moving_avg,
    agg_moving_fn, agg_bucket_script, agg_bucket_selector, agg_bucket_sort, agg_avg_bucket,
    agg_max_bucket, agg_min_bucket, agg_sum_bucket, agg_stats_bucket, agg_extended_stats_bucket,
    agg_percentiles_bucket, agg_normalize;

#endif
