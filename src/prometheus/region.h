/* region.h - one file of shared memory: a directory of records, and words.
 *
 * FORMAT  all numbers in the byte order of the host, for a region never leaves it
 *   offset            what
 *   0                 struct region_header (region.c), one page
 *   4096              directory: records from byte 64 of it on, each a multiple of 8 bytes
 *   behind it, on a   chunks of words: lane_count lanes of 64 KiB each (words.h)
 *   64 KiB boundary
 * RECORD  struct record, then bound_count doubles, then text_size bytes of NUL-terminated texts.
 *         The last extra_count of the doubles are no bounds but what its kind needs besides: of a
 *         histogram with native buckets (shared.c has the order), of a summary with quantiles
 *           family  name, help, unit, label names, states
 *           series  label values; word_count words from `word` on are its own
 *           pairs   name, value, name, value, ...: what an info can show
 *           exemplars  instead of texts slots (exemplar.h) of the series whose record is `word`;
 *                   the one payload that changes
 * ADDING  needs the lock. A record is written behind the end, then directory_used is moved with
 *         release: it is there whole or not at all. Records are never moved nor taken away; a
 *         flag says removed.
 * LOCK    a POSIX record lock on the file's first byte: the kernel lets go of it when its holder
 *         dies, a child of fork never has it. Such a lock ends when its process closes any
 *         descriptor of the file, so opening, closing and locking are done under the store's lock.
 * TRUST   Readers believe nothing: sizes, offsets and texts are checked on a copy, and the
 *         geometry is read once. A file cut short under its readers is their end, but where
 *         pm_region_guard() was called.
 */
#ifndef PROMETHEUS_REGION_H
#define PROMETHEUS_REGION_H

#include "prometheus/words.h"

enum record_kind { RECORD_FAMILY = 1, RECORD_SERIES = 2, RECORD_PAIRS = 3, RECORD_EXEMPLARS = 4 };

enum {
    RECORD_REMOVED = 1,          /* the same bit as SERIES_REMOVED */
    RECORD_SIZE_MAX = 64 * 1024, /* labels, help and states of one metric */
    RECORD_FIRST = 64,
    LOCK_WAIT_MS = 2000 /* a creator holds it for microseconds; longer means stopped */
};

struct record {
    uint32_t size; /* of all, with bounds and text, rounded up to 8 */
    uint32_t kind;
    uint32_t flags; /* the one field that changes, atomically */
    uint32_t type;
    uint32_t family; /* offset of its record; 0 in a family */
    uint32_t word;
    uint32_t word_count;
    uint32_t label_count;
    uint32_t state_count;
    uint32_t bound_count;
    uint32_t text_size;
    uint32_t extra_count;
    uint32_t reserved[2];
    uint64_t created_ms; /* changes when a series counts from zero again */
};
_Static_assert(sizeof(struct record) == 64, "records are 64 bytes and their payload");

struct region_use {
    uint64_t directory_used;
    uint64_t directory_size;
    uint64_t words_used;
    uint64_t words_size;
    uint64_t clients;
    bool is_cut;
    uint64_t errors[PM_ERROR_CODES];
};

/* wanted, else BAROGRAPH_METRICS, else /dev/shm/barograph-<uid>-metrics. */
void pm_region_default_path(char *path, size_t size, const char *wanted);

/* All under the store's lock. */
int pm_region_create(struct region **region, const struct pm_daemon_options *options,
                     struct pm_error *error);
int pm_region_open(struct region **region, const char *path, struct pm_error *error);
int pm_region_guard(struct region *region, struct pm_error *error); /* see guard.h */
void pm_region_close(struct region *region);                        /* NULL is fine */
int pm_region_lock(struct region *region, struct pm_error *error);
void pm_region_unlock(struct region *region);

/* With the region's lock. text holds text_size bytes as record says; offset out. */
int pm_region_append(struct region *region, struct record *record, const double *bounds,
                     const char *text, uint32_t *offset, struct pm_error *error);
int pm_region_alloc(struct region *region, uint32_t count, uint32_t *word, struct pm_error *error);

/* A checked copy of the record at offset, with its payload; free() it. NULL: none there (*next
 * untouched), or nothing can follow (*next 0). Otherwise *next is the offset of the next one. */
struct record *pm_region_read(const struct region *region, uint32_t offset, uint32_t *next);
const double *pm_record_bounds(const struct record *record);
const char *pm_record_text(const struct record *record);

/* NULL when the words are not all within the region. */
char *pm_region_cell(const struct region *region, uint32_t word, uint32_t count);
char *pm_region_payload(const struct region *region, uint32_t offset); /* no doubles before it */
uint64_t *pm_region_created(const struct region *region, uint32_t offset);
uint32_t *pm_region_flags(const struct region *region, uint32_t offset);
void pm_region_words(struct region *region, struct words *words);
void pm_region_count_error(struct region *region, int code);
void pm_region_get_use(const struct region *region, struct region_use *use);
const char *pm_region_path(const struct region *region);

/* For words.c. */
int pm_region_thread_lane(struct region *region, uint32_t lane, uint32_t generation);
uint32_t pm_region_other_lanes(const struct region *region);
int pm_region_use_atomic(struct region *region, struct pm_error *error); /* takes the lock once */

#endif
