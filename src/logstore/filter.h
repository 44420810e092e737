/* filter.h - the one form in which every query language asks the store: a tree of filters.
 *
 * A leaf names a field and what its value shall be; what that means depends on the type the field
 * has in each index, so a leaf is bound to a type only when it is carried out. There are no
 * scores: every hit scores 1.
 *
 * Ownership: filters live in the query's arena; texts are borrowed from it or from the request.
 */
#ifndef LOGSTORE_FILTER_H
#define LOGSTORE_FILTER_H

#include "base/error.h"
#include "base/str.h"
#include "logstore/date.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum logstore_filter_kind {
    LOGSTORE_FILTER_ALL,
    LOGSTORE_FILTER_NONE,
    LOGSTORE_FILTER_BOOL,
    LOGSTORE_FILTER_TERM,          /* values: any of them, not analyzed */
    LOGSTORE_FILTER_MATCH,         /* values[0] analyzed as the field is */
    LOGSTORE_FILTER_PHRASE,        /* values[0] analyzed, terms in order */
    LOGSTORE_FILTER_PHRASE_PREFIX, /* the same, the last term may go on */
    LOGSTORE_FILTER_RANGE,
    LOGSTORE_FILTER_EXISTS,
    LOGSTORE_FILTER_PREFIX,
    LOGSTORE_FILTER_WILDCARD, /* * and ?, \ escapes */
    LOGSTORE_FILTER_REGEXP,   /* Lucene's dialect, whole term */
    LOGSTORE_FILTER_FUZZY,
    LOGSTORE_FILTER_IDS,
    LOGSTORE_FILTER_KIND_COUNT,
};

struct logstore_bound {
    bool is_set;
    bool is_inclusive;
    struct str text; /* as written, number or text, without quotes */
};

struct logstore_filter {
    enum logstore_filter_kind kind;

    /* Leaves. `fields` are paths, may hold '*'; none at all, or "*", is every searchable field. */
    const struct str *fields;
    size_t field_count;
    const struct str *values;
    size_t value_count;
    struct logstore_bound lower, upper; /* RANGE */
    struct str format;                  /* RANGE: of dates; empty: the field's */
    const struct date_zone *zone;       /* RANGE and dates; NULL: UTC */
    bool is_lenient;      /* a value that cannot be of the field's type finds nothing */
    bool asks_analyzed;   /* of text fields alone */
    bool asks_unanalyzed; /* of all but text fields */
    bool needs_all_terms; /* MATCH: operator "and" */
    struct str minimum;   /* MATCH: terms, BOOL: should clauses that must match, as Elasticsearch
                              writes it: "2", "-1", "75%", "2<75% 9<-3"; empty: not said */
    bool is_case_insensitive;    /* TERM, PREFIX, WILDCARD, REGEXP */
    bool is_normalized;          /* PREFIX, WILDCARD, REGEXP, FUZZY, RANGE of query_string:
                                    lower case on text */
    bool is_void_when_empty;     /* MATCH, PHRASE of query_string: a text without terms makes the
                                    clause not count, where the field is analyzed */
    bool matches_all_when_empty; /* MATCH whose text has no terms: all, not none */
    int32_t slop;                /* PHRASE */
    int32_t fuzziness;           /* FUZZY, MATCH: edits; -1: by length (AUTO); 0: none */
    uint32_t auto_one,
        auto_two;            /* AUTO: characters from which one edit, two are allowed; 0: 3, 6 */
    uint32_t prefix_length;  /* FUZZY, MATCH: characters at the start that must be equal */
    bool counts_swaps_twice; /* FUZZY, MATCH: swapped neighbours are two edits, not one */

    /* BOOL */
    struct logstore_filter **must; /* filter and must are one: there are no scores */
    size_t must_count;
    struct logstore_filter **should;
    size_t should_count;
    struct logstore_filter **must_not;
    size_t must_not_count;
};

/* Whether single terms pass a leaf of kind TERM, PREFIX, WILDCARD, REGEXP or FUZZY with that value,
 * as when it is carried out; for marking what matched. One thread at a time. */
struct term_test;
int logstore_term_test_new(struct term_test **test, const struct logstore_filter *filter,
                           struct str value, bool is_text, struct error *error) MUST_CHECK;
bool logstore_term_test_matches(struct term_test *test, struct str term);
void logstore_term_test_free(struct term_test *test); /* NULL is fine */

/* How many of `count` clauses or terms a minimum_should_match asks for: 0 .. count+1. */
int32_t logstore_minimum(struct str text, size_t count);
bool logstore_minimum_is_valid(struct str text);

/* Whether Lucene would take it as a regular expression: 0 and the size of its program, or
 * ERROR_INVALID and why not. */
int logstore_regex_check(struct str pattern, size_t *size, struct error *error) MUST_CHECK;

#endif
