/* agg_counts.h - how many of some documents hold each term of a keyword column, by its ordinal. */
#ifndef LOGQUERY_AGG_COUNTS_H
#define LOGQUERY_AGG_COUNTS_H

#include "logquery/agg.h"

/* Ordinals that documents hold, rising, and how many hold each. */
struct agg_ordinals {
    uint32_t *ordinals;
    uint32_t *counts;
    size_t count;
};

/* wants_all: with those that none of the documents holds. False: out of memory, nothing is held. */
bool agg_ordinals_read(struct agg_ordinals *found, const struct logstore_column *column,
                       const struct agg_documents *documents, bool wants_all) MUST_CHECK;
void agg_ordinals_release(struct agg_ordinals *found);

#endif
