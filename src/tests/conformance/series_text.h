/* series_text.h - the notation of series in .test scripts:
 *
 *     http_requests{path="/foo"}  0+10x5 _ stale {{schema:0 sum:1 count:1 buckets:[1]}}x2
 */
#ifndef TESTS_CONFORMANCE_SERIES_TEXT_H
#define TESTS_CONFORMANCE_SERIES_TEXT_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/labels.h"

#include <stdbool.h>

struct text_point {
    bool is_there; /* false: "_" */
    double value;
    const struct histogram *histogram; /* NULL: a number */
    bool has_hint;                     /* the histogram names its counter_reset_hint */
};

VEC_TYPE(text_points, struct text_point);

/* Takes `name{labels}` off the front. False: not one. */
bool series_text_labels(struct arena *arena, struct str *rest, struct labels *labels);

/* All points of the line. False: not the notation; the vector is to be released either way. */
bool series_text_points(struct arena *arena, struct str text, struct text_points *points);

/* Start times: where a sample's counter began, as a duration from the sample's own time. */
struct text_start {
    bool is_there;
    int64_t offset_ms;
};

VEC_TYPE(text_starts, struct text_start);

/* "_ -30s-1mx2 0 +1ms": all of the line, as series_text_points. */
bool series_text_starts(struct str text, struct text_starts *starts);

/* A quoted string as Go writes it; takes it off the front. */
bool series_text_string(struct arena *arena, struct str *rest, struct str *value);

#endif
