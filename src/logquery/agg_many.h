/* agg_many.h - the best of a field's terms when they are too many for buckets.
 *
 * A bucket a term costs a hundred bytes, and millions of them more than a query may have. Here they
 * are counted by a tally (tally.h), and of what it counted the best are kept. A keyword column that
 * stands in the sources alone is read from there, value by value. Where the tally needs another
 * pass, the documents of each segment are gone over again, which the outermost aggregation can.
 *
 * Owned by: the state of an aggregation; memory of the query's arena.
 */
#ifndef LOGQUERY_AGG_MANY_H
#define LOGQUERY_AGG_MANY_H

#include "logquery/agg.h"
#include "logquery/agg_order.h"

struct agg_many;

/* Counts the terms that the documents have in the aggregation's field when they are keywords and
 * too many for buckets; *many is made when it is NULL. 1, or 0: they are not, nothing was done. */
int agg_many_add(struct search *search, const struct agg *agg, struct agg_many **many,
                 const struct agg_documents *documents) MUST_CHECK;

struct agg_many_wish {
    size_t size; /* buckets that are wanted */
    struct agg_range counts;
    struct agg_ranker ranker;
    bool (*is_wanted)(const void *argument, struct str term); /* NULL: all are */
    const void *argument;
};

struct agg_many_result {
    struct bucket_table best; /* those that may be shown, in no order */
    uint64_t total;           /* documents of all terms that are wanted */
};

/* The best by the ranker, with the buckets of `table` (may be empty) among them. Once. */
int agg_many_finish(struct search *search, const struct agg *agg, struct agg_many *many,
                    const struct bucket_table *table, const struct agg_many_wish *wish) MUST_CHECK;

/* NULL: it is not finished. */
const struct agg_many_result *agg_many_result(const struct agg_many *many);

#endif
