/* agg_counts.h - how many documents hold each term of a keyword field, when the terms are many.
 *
 * A bucket a term costs a hundred bytes, and millions of them more than a query may have. Here a
 * term costs four a segment: documents are counted by ordinal, and the segments' dictionaries are
 * merged at the end, term by term in their order, so that whoever wants the top few keeps a few.
 *
 * Owned by: the state of an aggregation; memory of the query's arena.
 */
#ifndef LOGQUERY_AGG_COUNTS_H
#define LOGQUERY_AGG_COUNTS_H

#include "logquery/agg.h"

struct agg_counts_part;

struct agg_counts {
    struct agg_counts_part *parts; /* one a segment; NULL: nothing was counted */
    size_t part_count;
};

/* Adds to counts[ordinal], of which there is one for each term of the keyword column, how many of
 * the documents hold it. */
void agg_count_ordinals(const struct logstore_column *column, const struct agg_documents *documents,
                        uint32_t *counts);

/* The same, and which ordinals have documents, rising; returns how many. */
size_t agg_list_ordinals(const struct logstore_column *column,
                         const struct agg_documents *documents, uint32_t *counts,
                         uint32_t *ordinals);

/* Whether so many documents of a column with so many terms are better counted than sorted. */
bool agg_counts_pays(const struct logstore_column *column, const struct agg_documents *documents);

int agg_counts_add(struct search *search, struct agg_counts *counts,
                   const struct logstore_column *column,
                   const struct agg_documents *documents) MUST_CHECK;

/* Calls visit for each term that documents hold, in order, with the buckets of `table` (may be
 * empty) among them; stops at its first code that is not 0 and returns it. */
int agg_counts_each(struct search *search, const struct agg_counts *counts,
                    const struct bucket_table *table,
                    int (*visit)(void *argument, struct str term, uint64_t count),
                    void *argument) MUST_CHECK;

#endif
