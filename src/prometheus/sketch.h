/* sketch.h - counts of values by exponential buckets: native histograms, and quantiles of a window.
 *
 * BUCKETS Schema s, -4 .. 8: bucket i holds the values in (2^((i-1) / 2^s), 2^(i / 2^s)], negative
 *         ones apart; |value| <= zero threshold is the zero bucket; infinities have the bucket
 *         behind the last finite one. A bucket of schema s-1 is two of schema s, so sketches of
 *         different schemas merge exactly, at the coarser.
 * SETS    A series has up to SKETCH_SETS sets of words, one of them open: a table of keys in lane
 *         0, found by open addressing, and a count for each key in the other lanes. Counting never
 *         waits. What changes resolution or time opens another set: one that is too full opens a
 *         coarser one and stays readable; a reset forgets all others; a window opens one a period.
 *         Reading merges what is not forgotten, so an update that runs beside a change is in the
 *         old set or in the new one.
 * PLACES  A count lies 256 words from where its key lies in lane 0. Lanes are multiples of 4 KiB
 *         apart, and processors that compare the low 12 bits of addresses first would have the next
 *         look at a key wait for the last add to its count.
 * HEADER  words of the series, in lane 0 (the other lanes' copies are not used):
 *           control  generation << 8 | schema + 4 << 4 | index of the open set
 *           sequence odd while the sets change, for readers
 *           due      histogram: ms of the last reset; window: ms when the open period ends
 *           then per set: the number of its first word + 1 (regions), zero threshold, opened at
 *           ms << 4 | schema + 4 (0: never used), 0 or forgotten at ms
 * SHARED  All of this is in the words, so processes that share words share sketches.
 */
#ifndef PROMETHEUS_SKETCH_H
#define PROMETHEUS_SKETCH_H

#include "prometheus/words.h"

#include <stdbool.h>

struct series;
struct sketch_segment;

enum {
    SKETCH_SCHEMA_MIN = -4,
    SKETCH_SCHEMA_MAX = 8,
    SKETCH_SETS = 8,
    SKETCH_SET_WORDS = 4,
    SKETCH_HEADER_WORDS = 4 + SKETCH_SETS * SKETCH_SET_WORDS,
    SKETCH_BUCKETS_MAX = 1536,    /* a limit on the limit: two such tables fill a chunk's lane */
    SKETCH_BUCKETS_DEFAULT = 160, /* as the other clients */
    SKETCH_TABLE_MIN = 512,       /* all finite doubles at schema -4 are 264 buckets */
    SKETCH_PERIODS = 5,           /* of a window */
    SKETCH_REUSE_MS = 60 * 1000   /* a forgotten set is used again no sooner */
};

/* How the sketches of a family are; kept in the family. */
struct sketch_options {
    bool is_used;
    int schema;                /* the finest */
    uint32_t bucket_max;       /* of one series: more make it coarser */
    double zero_threshold;     /* the least */
    double zero_threshold_max; /* the zero bucket may grow up to here; 0: not at all */
    uint64_t reset_min_ms;     /* forgets instead of getting coarser, this apart; 0: never */
    uint64_t window_ms;        /* > 0: only what is younger counts */
};

/* The open set as this process saw it last, for the quickest way. Written by one at a time, and
 * read beside: what was read counts only while the header's control is still this one. */
struct sketch_open {
    uint64_t control;
    uint64_t least; /* the bits of the sizes taken: least .. least + span - 1 */
    uint64_t span;  /* 0: none */
    char *counts;   /* of CPU 0 */
    const uint64_t *keys;
    const struct sketch_segment *segments; /* of the schema, and how a value's bits name one */
    uint64_t segment_mask;
    uint64_t key_base; /* the key is this, the octaves and the segment's count */
    uint32_t shift;
};

/* The slot of a key's count; tables have SKETCH_TABLE_MIN slots at least. */
static inline size_t sketch_count_slot(size_t slot)
{
    return slot ^ 256;
}

/* How a histogram counts: the first word of its handle's aid. */
enum sketch_way {
    WAY_BOUNDS,    /* a struct bounds: any number, also beside native buckets */
    WAY_BOUNDS_12, /* a struct bounds: `padded` is 12, and no native buckets */
    WAY_SKETCH     /* a struct sketch: only native buckets */
};

/* A series' own view of its words in this process. */
struct sketch {
    enum sketch_way way;
    uint64_t *header; /* in lane 0; its first word is the control */
    size_t mask;      /* of the table */
    struct sketch_open open;
    const struct sketch_options *options;
    const struct words *words;
    bool has_window;
    bool has_rseq;            /* how this process adds to the words */
    uint32_t is_opening;      /* `open` is being written */
    char *cells[SKETCH_SETS]; /* of the sets known here; in lane 0 */
};

int pm_sketch_schema(double factor); /* the finest whose buckets grow by at most factor > 1 */

/* header: SKETCH_HEADER_WORDS of the series' own words, in lane 0. NULL when there is no memory.
 * Freed with free(). */
struct sketch *pm_sketch_new(const struct sketch_options *options, const struct words *words,
                             char *header);

/* Counts a value that is not NaN. Not for signal handlers: a new bucket may take the lock. */
void pm_sketch_observe(struct series *series, double value);
/* The same, and adds the value to the series' sum. */
void pm_sketch_observe_sum(struct series *series, double value);

/* What a sketch says, merged; both lists rise by index. */
struct sketch_view {
    int schema;
    double zero_threshold;
    uint64_t zero_count;
    uint64_t count; /* of all */
    struct pm_native_bucket *positive;
    size_t positive_count;
    struct pm_native_bucket *negative;
    size_t negative_count;
};

/* A set that counts now, for reading; false: it is none. */
struct sketch_set {
    const char *cell; /* in lane 0 */
    int schema;
    double threshold;
    size_t zero_word;
    size_t table_word; /* keys in lane 0, counts in the others */
    size_t slot_count;
};
bool pm_sketch_set(const struct series *series, size_t set, struct sketch_set *found);
uint64_t pm_sketch_sequence(const struct sketch *sketch);

int pm_sketch_read(const struct series *series, struct sketch_view *view);
void pm_sketch_view_release(struct sketch_view *view);
double pm_sketch_quantile(const struct sketch_view *view, double q); /* NaN when it is empty */
double pm_sketch_bound(int32_t index, int schema);                   /* the bucket's upper end */

/* At scrapes, what time makes due: a window's next period, a histogram's return to resolution. */
void pm_sketch_tend(struct series *series);
void pm_sketch_reset_locked(struct series *series); /* forgets all */

uint64_t pm_sketch_now_ms(void); /* the clock of the header's times: monotonic, of this boot */

#endif
