/* agg_order.h - the order of buckets that have keys: by count, by key, by a number of a
 * sub-aggregation. Keys break ties. */
#ifndef LOGQUERY_AGG_ORDER_H
#define LOGQUERY_AGG_ORDER_H

#include "logquery/agg.h"

#define AGG_ORDERS_MAX      4
#define AGG_ORDER_STEPS_MAX 8

enum agg_order_kind { AGG_ORDER_COUNT, AGG_ORDER_KEY, AGG_ORDER_SUB };

struct agg_order {
    enum agg_order_kind kind;
    bool is_descending;
    /* From the bucket down: through aggregations of one bucket to the one that gives the number. */
    struct {
        struct agg *agg;
        size_t index;
    } steps[AGG_ORDER_STEPS_MAX];
    size_t step_count;
    struct str path; /* behind the last one's name: "avg", "50.0" */
};

struct agg_orders {
    struct agg_order items[AGG_ORDERS_MAX];
    size_t count;
};

/* {"_count":"desc"} or a list of such; what is not there is _count, most first. */
int agg_orders_read(struct search *search, struct agg *agg, const struct json *json,
                    struct agg_orders *orders) MUST_CHECK;

typedef int agg_key_compare(const void *context, const struct bucket *a, const struct bucket *b);
int buckets_in_order(const void *context, const struct bucket *a, const struct bucket *b);

struct agg_ranked {
    const struct bucket *bucket;
    double numbers[AGG_ORDERS_MAX];
};

struct agg_ranking {
    struct agg_ranked *items;
    size_t count;
    uint64_t total; /* documents of all of them */
};

struct agg_range {
    int64_t least, most; /* documents of a bucket */
};

struct agg_ranker {
    const struct agg_orders *orders;
    agg_key_compare *compare;
    const void *context;
};

/* Less than 0: the left one comes first. */
int agg_ranked_compare(const struct agg_ranker *ranker, const struct agg_ranked *left,
                       const struct agg_ranked *right);

/* The table's buckets whose counts lie in the range, in order. */
int agg_rank(struct search *search, const struct bucket_table *table, struct agg_range counts,
             const struct agg_ranker *ranker, struct agg_ranking *ranking) MUST_CHECK;
void agg_ranking_release(struct agg_ranking *ranking);

#endif
