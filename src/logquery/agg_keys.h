/* agg_keys.h - buckets by several values at once: what composite and multi_terms share.
 *
 * A key is the values of the sources, coded one behind the other; it is the bucket's text. Of a
 * document with several values of a source every combination counts, up to 1,024.
 */
#ifndef LOGQUERY_AGG_KEYS_H
#define LOGQUERY_AGG_KEYS_H

#include "logquery/agg.h"

#define AGG_SOURCES_MAX 16

enum agg_source_kind { AGG_SOURCE_TERMS, AGG_SOURCE_DATE, AGG_SOURCE_HISTOGRAM };

struct agg_source {
    struct str name;
    enum agg_source_kind kind;
    struct agg agg; /* field, format, missing; for dates as date_histogram reads it */
    double interval;
    bool is_descending;
    bool has_missing_bucket; /* a document without a value counts under none */
};

struct agg_reading {
    const struct logstore_column *column; /* NULL: no values here */
    struct logstore_cursor cursor;
    struct agg_numbers numbers;
    bool is_keyword;
    size_t first, count; /* of the document at hand */
};

/* One segment's documents on their way into buckets. */
struct agg_keys {
    struct search *search;
    const struct agg_source *sources;
    size_t source_count;
    enum logstore_type *types; /* out: of the sources' fields */
    int (*add)(struct agg_keys *keys, struct str key, uint32_t document);
    void *context;

    struct agg_reading readings[AGG_SOURCES_MAX];
    struct bucket_pair_vec pairs;
    struct buf key, scratch;
    size_t combinations;
};

/* Calls `add` for each combination of each document, which calls agg_keys_pair for those that it
 * wants; then the pairs go into the table's buckets. */
int agg_keys_collect(struct agg_keys *keys, struct agg *agg, struct bucket_table *table,
                     const struct agg_documents *documents) MUST_CHECK;
int agg_keys_pair(struct agg_keys *keys, struct bucket_table *table, struct str key,
                  uint32_t document) MUST_CHECK;

void agg_key_encode(struct buf *key, const struct sort_value *value);
struct sort_value agg_key_decode(struct str *key); /* cuts it off */
int agg_key_compare_values(const struct sort_value *a, const struct sort_value *b);

#endif
