/* head.h - the newest samples, in memory: series, their labels, their open and finished chunks.
 *
 *     series -> active: tail (up to HEAD_TAIL_MAX plain samples) and finished chunks, newest first
 *            -> frozen: the same of before the last cut, while it is written as a block
 *     pair (name=value, once) -> postings: numbers of the series that have it
 *
 * A series has a number that is never used twice. Series, pairs and names stay where they are in
 * memory until head_collect_garbage.
 *
 * Lock: the caller's (the store's mutex) guards everything, but for what head_freeze says.
 */
#ifndef TSDB_HEAD_H
#define TSDB_HEAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/labels.h"
#include "tsdb/postings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_TAIL_MAX     16
#define HEAD_SHORT_COUNT  3   /* short chunks that become one with the next tail */
#define HEAD_CHUNK_JOINED 64  /* samples of a chunk that is short no more */
#define HEAD_CHUNK_MAX    128 /* samples; joined ones come to at most 63 + 3 * 16 */
#define HEAD_PAGE_SIZE    65536
#define HEAD_PAGE_COUNT   65536 /* pages of series or pairs: all a uint32_t can number */

struct head_chunk {
    struct head_chunk *older;
    int64_t min_time_ms;
    int64_t max_time_ms;
    uint32_t count;
    uint32_t size;
    unsigned char bytes[]; /* column of times, column of values */
};

/* Samples not yet in a chunk. `capacity` values stand in front of as many times. */
struct head_tail {
    int64_t base_ms;
    uint16_t count;
    uint16_t capacity;
    uint32_t unused;
    double values[]; /* then uint32_t: milliseconds since base_ms */
};

struct head_data {
    struct head_chunk *chunks; /* newest first */
    struct head_tail *tail;
};

struct head_series {
    struct head_data active;
    struct head_data frozen;
    int64_t last_ms; /* INT64_MIN before the first sample */
    double last_value;
    uint32_t number;
    uint32_t pins;       /* samples in open batches */
    uint32_t mark_batch; /* the batch that touched it last, and where in it */
    uint32_t mark_index;
    uint32_t hash;
    uint32_t rank; /* place among all series in the order of labels; 0 = not known yet */
    uint16_t pair_count;
    bool is_logged;   /* its labels are in the log or in the series file */
    bool has_side;    /* histograms, start times or late samples: side.h */
    uint32_t pairs[]; /* in the order of the labels */
};

struct head_pair {
    uint32_t size; /* of the text */
    uint32_t name;
    uint32_t hash;
    uint32_t count;    /* postings */
    uint32_t capacity; /* 0: the only posting stands in `single` */
    uint32_t slot;     /* where the name's list has it */
    bool is_removed;   /* in limbo: found no more */
    union {
        uint32_t *items;
        uint32_t single;
    } postings;
    char text[]; /* value's bytes */
};

VEC_TYPE(head_numbers, uint32_t);

struct head_name {
    struct str text;
    struct head_numbers pairs; /* numbers of the pairs with this name */
    uint64_t text_size;        /* bytes of their values */
};

/* A hash table of numbers, open addressing. */
struct head_table {
    uint64_t *slots; /* hash in the high half, number + 1 in the low; 0 = free */
    size_t count;
    size_t capacity;
};

struct head_totals {
    uint64_t chunk_count;
    uint64_t chunk_size; /* bytes of chunks and tails */
    uint64_t sample_count;
    uint64_t series_count;
    uint64_t series_size; /* bytes of series, pairs, postings */
    uint64_t pair_count;
    uint64_t symbol_size;
    uint64_t series_created;
    uint64_t series_removed;
    uint64_t series_ranked; /* that had a rank when ranks were given last */
};

struct head {
    struct head_series ***series; /* pages of HEAD_PAGE_SIZE */
    struct head_pair ***pairs;
    uint32_t series_end; /* first number not given yet */
    uint32_t pair_end;
    struct head_numbers free_pairs;
    struct head_numbers limbo; /* removed pairs that a cursor may still look at */
    struct head_table series_table;
    struct head_table pair_table;
    VEC(struct head_name) names; /* few */
    struct map sides;            /* number of a series as 4 bytes: struct side */
    struct head_totals totals;
    int64_t min_ms; /* of the samples in memory, late ones apart */
    int64_t max_ms; /* of all samples ever, blocks included: what is too old is judged by it */
    struct buf scratch;
    uint64_t seed;
};

int head_init(struct head *head) MUST_CHECK;
void head_release(struct head *head); /* accepts a zeroed one */

/* NULL when there is none (any more). */
static inline struct head_series *head_series_at(const struct head *head, uint32_t number)
{
    size_t page = number / HEAD_PAGE_SIZE;
    if (page >= HEAD_PAGE_COUNT || head->series[page] == NULL) return NULL;
    return head->series[page][number % HEAD_PAGE_SIZE];
}

struct head_series *head_find(const struct head *head, struct labels labels);

/* Makes a series; its labels are copied. `number` 0 gives it the next one. NULL: no memory or no
 * number left. The set must not be there yet. */
struct head_series *head_create(struct head *head, struct labels labels, uint32_t number);

/* The same for who needs the hash of the labels twice. */
uint32_t head_hash(const struct head *head, struct labels labels);
struct head_series *head_find_hashed(const struct head *head, struct labels labels, uint32_t hash);
struct head_series *head_create_hashed(struct head *head, struct labels labels, uint32_t hash,
                                       uint32_t number);

/* The same by the numbers of pairs, for who knows them: a pair is made, or found, once. UINT32_MAX:
 * out of memory. */
uint32_t head_make_pair(struct head *head, const struct label *label);
uint32_t head_hash_pairs(const struct head *head, const uint32_t *pairs, size_t count);
bool head_has_pairs(const struct head *head, const uint32_t *pairs, size_t count, uint32_t hash);
struct head_series *head_create_pairs(struct head *head, const uint32_t *pairs, size_t count,
                                      uint32_t hash, uint32_t number);
void head_fetch_hash(const struct head *head, uint32_t hash);
/* Room for so many series more, so that tables need not grow step by step. */
bool head_reserve(struct head *head, size_t series_count) MUST_CHECK;

/* Has the memory on its way that finding and making a series with these labels looks at. `before`:
 * the labels of the one made before it, which is near already. */
void head_fetch(const struct head *head, struct labels labels, struct labels before, uint32_t hash);

/* Gives a series another number, which must be free: a recovery meets a series that was removed
 * and came back. 0 or -ENOMEM. */
int head_renumber(struct head *head, struct head_series *series, uint32_t number) MUST_CHECK;

static inline const struct head_pair *head_pair_at(const struct head *head, uint32_t number)
{
    return head->pairs[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE];
}

struct str head_pair_name(const struct head *head, const struct head_pair *pair);
struct str head_pair_value(const struct head_pair *pair);
struct postings head_pair_postings(const struct head_pair *pair);
const struct head_name *head_name_find(const struct head *head, struct str name);
const struct head_pair *head_pair_find(const struct head *head, struct str name, struct str value);

/* Fills `items` (series->pair_count of them) with the labels, borrowed. */
void head_labels(const struct head *head, const struct head_series *series, struct label *items);

/* Adds a sample; false and nothing changed when it is not newer than the series' last. Out of
 * memory is -ENOMEM: the sample is lost, so the caller stops. */
int head_append(struct head *head, struct head_series *series, int64_t time_ms, double value,
                bool *is_added) MUST_CHECK;

/* Adds samples as head_append does one by one, but long chunks at once. Returns how many went in:
 * what is not newer than the sample before does not, nor what finds no memory. */
size_t head_append_run(struct head *head, struct head_series *series, const int64_t *times,
                       const double *values, size_t count);

/* Whether the chunks and the tail have a sample of that time; late samples apart. */
bool head_find_sample(const struct head_series *series, int64_t time_ms, double *value);

/* Makes all active data frozen, lists the series that have some (malloc'ed, in no order). Until
 * head_thaw the frozen data does not change, so the caller may read it without the lock. */
int head_freeze(struct head *head, struct head_series ***items, size_t *count) MUST_CHECK;

bool head_has_frozen(const struct head_series *series); /* samples, late ones apart */

/* Forgets the frozen data of these series. */
void head_thaw(struct head *head, struct head_series **items, size_t count);

/* Removes the series without samples whose last is older than before_ms. */
size_t head_collect_garbage(struct head *head, int64_t before_ms);

/* Frees removed pairs: nobody holds labels of the head any more. */
void head_free_limbo(struct head *head);

static inline const uint32_t *head_tail_offsets(const struct head_tail *tail)
{
    return (const uint32_t *)(const void *)(tail->values + tail->capacity);
}

#endif
