/* search.h - one search: what was asked, and what its parts share while it is carried out. */
#ifndef LOGQUERY_SEARCH_H
#define LOGQUERY_SEARCH_H

#include "base/map.h"
#include "base/vec.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "logquery/logquery.h"
#include "logquery/parse.h"

#include <stdbool.h>
#include <stdint.h>

#define RESULT_WINDOW_MAX 10000
#define SORT_KEYS_MAX     17 /* the last one is kept for the tie-breaker */

struct agg;
struct regex;

enum sort_kind { SORT_FIELD, SORT_SCORE, SORT_DOCUMENT };

enum sort_type { SORT_TYPE_NONE, SORT_TYPE_INTEGER, SORT_TYPE_REAL, SORT_TYPE_TEXT };

struct sort_value {
    enum sort_type type; /* NONE: the document has no value */
    union {
        int64_t integer;
        double real;
        struct str text;
    };
};

enum sort_mode { SORT_LEAST, SORT_MOST, SORT_SUM, SORT_AVERAGE, SORT_MEDIAN };
enum sort_unit { SORT_UNIT_OWN, SORT_UNIT_MS, SORT_UNIT_NS };

struct sort_key {
    enum sort_kind kind;
    struct str field;
    bool is_descending;
    bool has_unmapped_type;
    bool is_missing_first;
    enum sort_mode mode;              /* of several values */
    enum sort_unit unit;              /* of times: as they are, or in one unit over all indices */
    const struct json *missing_value; /* NULL: _last or _first */
    struct str format;
    struct str own_format; /* of the field's dates, as search_after may have them */
    enum sort_type type;   /* of the field over all indices */
    enum logstore_type field_type;
};

struct wanted_field {
    struct str pattern;
    struct str format;
    bool includes_unmapped;
};

struct highlighter; /* highlight.h */

struct candidate {
    size_t segment; /* index in the snapshot */
    uint32_t document;
    struct sort_value *values; /* one a sort key; NULL without keys */
};

struct search {
    const struct logquery_options *options;
    const struct logquery_request *request;
    struct parse parse;
    struct arena *arena;
    struct logstore_snapshot *snapshot;
    struct logstore_filter_context context;

    struct logstore_filter *filter;
    /* By index of the snapshot, when one was reached by aliases that have filters; else NULL. */
    struct logstore_filter **alias_filters; /* NULL inside: none */
    struct logstore_filter **index_filters; /* with the search's own */
    struct logstore_filter *post_filter;    /* NULL: none */
    int64_t from, size;
    struct sort_key keys[SORT_KEYS_MAX];
    size_t key_count;
    struct sort_value *after; /* search_after; NULL: none */
    int64_t track_total;      /* cap; 0: no total; INT64_MAX: exact */
    struct logquery_source source;
    const struct wanted_field *fields;
    size_t field_count;
    const struct wanted_field *docvalues;
    size_t docvalue_count;
    struct highlighter *highlight; /* NULL: none */
    struct agg **aggs;
    size_t agg_count;
    bool has_version, has_seq_no, tracks_scores;
    int64_t timeout_ms;
    int64_t terminate_after; /* documents of one index; 0: all */
    bool finds_nothing;      /* min_score lies above the one score there is */
    bool has_profile;
    bool has_pipelines;           /* among the aggregations */
    struct collapse *collapse;    /* NULL: every hit stands for itself */
    bool hides_last_key;          /* a scroll's tie-breaker */
    uint32_t slice_id, slice_max; /* slice_max 0: all documents */

    /* Results. */
    bool is_terminated;
    const struct logstore_index_view *counted_index; /* of terminate_after */
    uint64_t index_total;
    int64_t collect_ns;
    uint64_t total;
    bool is_timed_out;
    struct candidate *heap; /* worst first while it is collected; best first after */
    size_t heap_count;
    uint64_t bucket_count;
    const struct agg *date_histogram; /* while aggregations are read: the innermost around */
    int64_t date_start_ms;            /* while they are written: of its bucket at hand */
    VEC(struct regex *) regexes;      /* freed with the search */
};

/* body.c: fills the search from body and URL. */
int search_read(struct search *search) MUST_CHECK;

/* sort.c */
int sort_read(struct search *search, const struct json *json) MUST_CHECK;
int sort_read_after(struct search *search, const struct json *json) MUST_CHECK;
int sort_prepare(struct search *search) MUST_CHECK; /* types by the mappings */
struct sort_segment;
/* While the heap is full: whether nothing of a segment, or a document, can be among the best by the
 * first key alone. */
bool sort_passes_segment(const struct search *search, size_t segment);
bool sort_passes_document(const struct search *search, const struct sort_segment *sort,
                          uint32_t document);

/* Copies into the arena what of the values would go with the next document. */
int sort_keep_values(struct search *search, struct sort_value *values) MUST_CHECK;

int sort_compare(const struct search *search, const struct candidate *a,
                 const struct candidate *b); /* < 0: a comes first */
int sort_segment_begin(struct search *search, size_t segment, struct sort_segment **out) MUST_CHECK;
/* Values of one document; texts in the arena, but ids, which are good until the next document.
 * Documents rising. */
int sort_segment_values(struct search *search, struct sort_segment *sort, uint32_t document,
                        struct sort_value *values) MUST_CHECK;
/* The values of the first `key_count` keys as an array. */
void sort_write(const struct search *search, const struct candidate *candidate, size_t key_count,
                struct json_writer *json);
/* Whether the candidate lies behind search_after. */
bool sort_is_after(const struct search *search, const struct candidate *candidate);

/* Adds the order of documents as the last key, so that no two hits are equal. */
int sort_add_tiebreak(struct search *search) MUST_CHECK;

/* collapse.c: of the hits with one value of a field the best one only. */
int collapse_read(struct search *search, const struct json *json) MUST_CHECK;
int collapse_prepare(struct search *search) MUST_CHECK;
struct collapse_segment;
int collapse_segment_begin(struct search *search, size_t segment,
                           struct collapse_segment **out) MUST_CHECK;
/* Offers a hit to the group of its value. */
int collapse_offer(struct search *search, struct collapse_segment *group,
                   const struct candidate *found) MUST_CHECK;
/* The groups' best as search->heap, in order, no more than from + size. */
int collapse_finish(struct search *search) MUST_CHECK;
struct str collapse_field(const struct search *search); /* empty: none */
void collapse_release(struct search *search);

/* profile.c: what each clause of the query found and took, over all segments. */
int profile_write(struct search *search, struct json_writer *json) MUST_CHECK;

/* hits.c */
int hits_write(struct search *search, struct json_writer *json) MUST_CHECK;
int hits_write_one(struct search *search, struct logstore_reader *reader,
                   const struct candidate *candidate, struct json_writer *json) MUST_CHECK;

/* source.c: the parts of a source that the specification leaves. */
int source_write(const struct logquery_source *spec, const struct json *root, struct str raw,
                 struct json_writer *json) MUST_CHECK;
int source_spec_read(struct parse *parse, const struct json *json,
                     struct logquery_source *spec) MUST_CHECK;

/* fields.c: "fields" and "docvalue_fields" of one hit. */
int fields_write(struct search *search, const struct candidate *candidate, const struct json *root,
                 struct json_writer *json) MUST_CHECK;

/* highlight.c */
int highlight_read(struct search *search, const struct json *json) MUST_CHECK;
void highlight_release(struct search *search);
int highlight_write(struct search *search, const struct candidate *candidate,
                    const struct json *root, struct json_writer *json) MUST_CHECK;

/* The mapped field behind a path in any of the snapshot's indices, aliases followed; NULL: none. */
const struct logstore_field *search_field(const struct search *search, struct str path);
/* The path's column in a segment, aliases followed; NULL: none. */
/* The second leaves columns unread, see logstore_column_find_unread. */
const struct logstore_column *search_column_unread(const struct search *search, size_t segment,
                                                   struct str path);
const struct logstore_column *search_column(const struct search *search, size_t segment,
                                            struct str path);

/* A search inside of an aggregation, over the same snapshot: what it has of the outer one when it
 * is read, and its sort's readers of a segment. */
void search_inner_init(const struct search *outer, struct search *inner);
int search_inner_begin(const struct search *outer, struct search *inner, size_t segment,
                       struct sort_segment **sort) MUST_CHECK;

/* A double as Elasticsearch prints it: 1.0. */
void put_double(struct json_writer *json, double value);

/* The search frees it in the end; now, when there is no memory to remember it. */
int search_keep_regex(struct search *search, struct regex *regex) MUST_CHECK;

/* "Text fields are not optimised ..." */
/* What the documents of a segment must pass; and of that what an alias asks, NULL: nothing. */
const struct logstore_filter *search_filter(const struct search *search, size_t segment);
const struct logstore_filter *search_alias_filter(const struct search *search, size_t segment);

int search_refuse_text(struct search *search, struct str path);

#endif
