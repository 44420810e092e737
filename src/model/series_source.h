/* series_source.h - the contract by which series are read: any store below, any engine above.
 *
 *     struct series_query query = { .start_ms = a, .end_ms = b, .matchers = m,
 *                                   .matcher_count = n };
 *     struct series_cursor *cursor;
 *     int code = source->select(source->state, &query, arena, &cursor, error);
 *     struct series_columns series;
 *     while (code == 0 && (code = cursor->next(cursor, &series, error)) == 1) code = use(&series);
 *     cursor->close(cursor);
 *
 * A select is a snapshot: what is appended after it is not seen. Series come in the order of
 * labels_compare, each once, with all samples inside [start_ms, end_ms] in ascending time, stale
 * markers included. A series without a sample in the range may be left out.
 *
 * Memory:  what next() gives lives in the arena passed to select, or in blocks that the cursor
 *          keeps alive until close; both are valid until close. Reaching the arena's maximum is
 *          ERROR_LIMIT.
 * Threads: selects may run at the same time; a cursor belongs to one thread.
 */
#ifndef MODEL_SERIES_SOURCE_H
#define MODEL_SERIES_SOURCE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "model/labels.h"
#include "model/matcher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct histogram; /* model/histogram.h */

enum series_want {
    SERIES_WANT_SAMPLES, /* everything */
    SERIES_WANT_LABELS,  /* labels only: columns empty, samples never touched */
    SERIES_WANT_LAST,    /* the newest sample in the range alone, also a stale marker: count is 1 */
};

struct series_query {
    int64_t start_ms; /* inclusive */
    int64_t end_ms;   /* inclusive */
    const struct matcher *matchers;
    size_t matcher_count;
    enum series_want want;
    size_t series_max;   /* 0 = no limit; past it ERROR_LIMIT */
    int64_t deadline_ns; /* monotonic; 0 = none; past it ERROR_TIMEOUT */
    /* Times and values are good until the next call of next() only, so that their memory can be
     * used again; labels and histograms stay until close, as ever. */
    bool reuses_columns;
    /* With SERIES_WANT_LAST: values are not looked at but for stale markers and histograms, so
     * that any other number may stand for one that is costly to have. */
    bool ignores_values;
    /* More series than this that the matchers fit, whether or not they have samples in the range:
     * -EAGAIN at once, before samples are touched. 0 = no limit. For callers in a hurry. */
    size_t match_max;
};

struct series_columns {
    struct labels labels;
    size_t count;            /* samples */
    const int64_t *times_ms; /* ascending */
    const double *values;    /* for a histogram sample: its sum, or a stale marker */
    const struct histogram *const
        *histograms;          /* NULL: floats only; else count entries, NULL = float */
    const int64_t *starts_ms; /* NULL: not known of any; else count entries: since when a counter
                                 has counted, 0 = not known */
};

struct series_cursor {
    /* 1 with *series filled, 0 at the end, or a negative code. */
    int (*next)(struct series_cursor *cursor, struct series_columns *series, struct error *error);
    void (*close)(struct series_cursor *cursor);
};

/* A list of names or values, in the arena, sorted by bytes, each once. */
struct str_list {
    const struct str *items;
    size_t count;
};

struct series_source {
    void *state;
    int (*select)(void *state, const struct series_query *query, struct arena *arena,
                  struct series_cursor **cursor_out, struct error *error);
    /* Names of the labels of the series that the query selects (no matchers: of all). */
    int (*label_names)(void *state, const struct series_query *query, struct arena *arena,
                       struct str_list *out, struct error *error);
    /* Values of one label among the series that the query selects. */
    int (*label_values)(void *state, struct str name, const struct series_query *query,
                        struct arena *arena, struct str_list *out, struct error *error);
    /*
     * For caches: the least time of a sample that came or went after *position was given out, and
     * in *position what to ask with the next time (begin with 0). What is before that time is as
     * it was. INT64_MAX: nothing came or went. NULL: this source cannot tell.
     */
    int64_t (*changed_since)(void *state, uint64_t *position);
};

#endif
