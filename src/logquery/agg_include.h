/* agg_include.h - which terms an aggregation takes: "include" and "exclude".
 *
 * A pattern, a list of exact values, or one of several parts into which the terms fall by a hash.
 * Owned by: the aggregation's options; memory of the query's arena. Pattern are freed with the
 * search. */
#ifndef LOGQUERY_AGG_INCLUDE_H
#define LOGQUERY_AGG_INCLUDE_H

#include "logquery/search.h"

struct agg_include_list {
    struct regex *pattern;    /* NULL: none */
    const struct str *values; /* a list, when `is_list` */
    const double *numbers;    /* its values as numbers; NaN is none */
    size_t count;
    bool is_list;
};

struct agg_include {
    struct agg_include_list include, exclude;
    uint32_t partition, partition_count; /* 0: all parts */
};

/* Reads both keys of an aggregation's body; they may be missing. */
int agg_include_read(struct search *search, const struct json *body,
                     struct agg_include *include) MUST_CHECK;

bool agg_include_takes(const struct agg_include *include, struct str term);

/* Of fields of numbers, which have no patterns: agg_include_check_number refuses them. `bits` are
 * the number's own, that fall into parts. */
bool agg_include_takes_number(const struct agg_include *include, double value, int64_t bits);
int agg_include_check_number(struct search *search, const struct agg_include *include,
                             struct str name) MUST_CHECK;

#endif
