/* store.h - families and series: how a registry keeps what it counts.
 *
 * A handle given out points to a struct series, which is never freed nor moved before its
 * registry, so it never dangles. A series' words are its own for ever, too: removal only marks it.
 * LOCK     One lock for all registries of the process, taken to make and to remove; held across
 *          fork(), so a child never inherits it taken. Look-ups take none: they read a hash
 *          table that is replaced, not changed in size, and old ones live to the end.
 * SERIES   A family of labels has a parent series without cell; a dead handle's series has no
 *          family.
 */
#ifndef PROMETHEUS_STORE_H
#define PROMETHEUS_STORE_H

#include "prometheus/prometheus.h"
#include "prometheus/sketch.h"
#include "prometheus/words.h"

#include <stdbool.h>

struct family;
struct region;

/* Flags of a series. A gauge that was never added to has no sums, so it is set by one store;
 * whoever adds first sets the flag before, and it stays. */
enum { SERIES_REMOVED = 1, SERIES_ADDED = 2 };

enum { SERIES_SLACK = 16 };

struct info {
    size_t count; /* of texts: names and values in turn */
    size_t size;
    char text[]; /* each with its NUL */
};

struct series {
    struct pm_metric metric; /* the handle itself */
    struct family *family;   /* NULL: dead */
    char *cell;              /* NULL: a parent */
    uint32_t *flags;         /* own_flags or those of its record */
    struct sketch *sketch;   /* NULL: no native buckets, no quantiles */
    uint64_t *created_ms;    /* Unix time; own_created or that of its record */
    uint64_t own_created;
    uint32_t own_flags;
    uint32_t hash;
    uint32_t record;      /* in the region, 0 = private */
    uint32_t line_size;   /* text: 'name{a="b"} ' as a line starts */
    uint32_t labels_size; /* 'a="b"' in it, at labels_start */
    uint32_t labels_start;
    uint32_t values_size;            /* raw values, each with its NUL, after the line */
    struct info *info;               /* private info: its pairs; replaced as a whole */
    struct pm_site_key_ *site_key;   /* NULL: no call site remembers it */
    struct exemplar_slot *exemplars; /* NULL: none were given; its own unless record != 0 */
    char text[];                     /* and SERIES_SLACK bytes that may be read */
};

struct table { /* open addressing; capacity a power of two, at most half full */
    size_t mask;
    struct series *slots[];
};

struct list { /* append-only; count is published last */
    size_t capacity;
    size_t count;
    struct series *items[];
};

/* What an observation needs of its family, reached in one step: the address it adds at should be
 * known early, for processors do not let later loads pass a store whose address is not. */
struct bounds {
    enum sketch_way way;
    size_t padded;   /* a multiple of 4 */
    double values[]; /* and +Inf, which nothing exceeds, up to `padded` */
};

struct family {
    struct pm_registry *registry;
    enum pm_type type;
    char *name;    /* without _total and _info */
    char *exposed; /* as in text 0.0.4 */
    char *help;
    char *unit;
    char **label_names;
    size_t label_count;
    struct bounds *aid;   /* histogram */
    const double *bounds; /* those in it */
    size_t bound_count;
    char **bound_texts; /* as in text 0.0.4; OpenMetrics adds ".0" to whole ones */
    char **states;
    size_t state_count;
    double (*function)(void *arg);
    void *function_arg;
    size_t series_max;
    struct sketch_options sketch;
    bool is_plain;    /* its names need no quotes nor escaping */
    bool has_classic; /* histogram: counts by bounds */
    double *quantiles;
    size_t quantile_count;
    size_t word_count;     /* of a series */
    size_t summed_count;   /* of them, before the sketch's header: sums over the lanes */
    uint64_t double_words; /* bit i: word i is a double */
    struct series *parent; /* the family's handle; without labels its only series */
    struct table *table;
    struct list *list;
    uint32_t is_removed;
    uint32_t record; /* in the region, 0 = private */
    uint32_t *flags; /* of the record, NULL = private */
};

/* The words of each type, after which lane 0 is zero or says what was taken away:
 *   counter    0 whole numbers, 1 fractions           gauge  0 added; lane 0: see words.c
 *   histogram  0 and 1 sums, 2 .. bound_count + 2 buckets    summary  0 sum, 1 count
 *   enum       lane 0: 0 index of the state           info   lane 0: 0 record of its pairs
 * and behind them the header of a sketch, when the family has one. A histogram has two sums, of
 * which a value's bits choose one: an add to a double waits for the add before it to the same. */
enum {
    WORD_WHOLE,
    WORD_FRACTION,
    WORD_SUM = 0,
    WORD_COUNT = 1,
    WORD_SECOND_SUM = 1,
    WORD_BUCKETS = 2
};

struct retired { /* memory that readers may still see */
    struct retired *next;
};

struct collector {
    pm_collect_function *collect;
    void *arg;
};

struct pm_registry {
    struct words words;
    struct family **families; /* sorted by name */
    size_t family_count;
    struct family **removed;
    size_t removed_count;
    struct collector *collectors;
    size_t collector_count;
    struct retired *retired;
    struct region *region;     /* of a client; borrowed */
    uint32_t pm_region_read;   /* records before this offset are known */
    struct family **by_record; /* families by order of their records, for series that name them */
    size_t by_record_count;
    uint64_t bad_records; /* of the region, skipped */
    bool has_utf8;        /* names may be any UTF-8 */
};

struct place { /* where a series of a region is; private ones get their words from the registry */
    char *cell;
    uint32_t *flags;
    uint64_t *created_ms;
    uint32_t record;
};

void pm_store_lock(void);
void pm_store_unlock(void);

struct pm_registry *pm_store_registry(struct pm_registry *registry); /* NULL: the default one */
void pm_store_take_out_locked(struct pm_registry *registry, struct family *family);
int pm_store_set_info(struct series *series, const char *const *pairs, size_t count,
                      struct pm_error *error);
/* Parts of making that a region needs one by one. */
int pm_store_base_name(enum pm_type type, const struct pm_options *options, char *base,
                       struct pm_error *error);
int pm_store_check_clash_locked(const struct pm_registry *registry, const char *name,
                                enum pm_type type, struct pm_error *error);
int pm_store_check_same(const struct family *family, enum pm_type type,
                        const struct pm_options *options, struct pm_error *error);
const double *pm_store_bounds(const struct pm_options *options, uint32_t *count);
/* Pairs as escaped label text 'a="b",c="d"' and a NUL. Returns the size with it, or 0 when they
 * are no label names and values, or meet the family's labels. to NULL: only the size. */
size_t pm_store_write_pairs(char *to, const struct family *family, const char *const *pairs,
                            size_t count);
int pm_store_set_state(struct series *series, const char *name, struct pm_error *error);
struct family *pm_store_family_locked(const struct pm_registry *registry, const char *name);

/* Makes or finds; all names are checked here. */
int pm_store_create(struct pm_registry *registry, enum pm_type type,
                    const struct pm_options *options, struct family **family,
                    struct pm_error *error);
int pm_store_find_family(struct pm_registry *registry, const char *name, struct family **found,
                         struct pm_error *error); /* by either name; counts no error */
int pm_store_child(struct family *family, const char *const *values, size_t value_count,
                   struct series **series, struct pm_error *error);
/* Finds what is there and shown; NULL otherwise. No lock, no allocation. */
struct series *pm_store_lookup(const struct family *family, const char *const *values);

/* The series of a handle: registers a static metric first; the dead series at worst. */
struct series *pm_store_series(struct pm_metric *metric);
struct series *pm_store_dead(void);
/* As the public _with(): the dead handle where there can be no child, counted and told. */
struct pm_metric *pm_store_child_or_dead(struct pm_metric *metric, const char *const *values,
                                         size_t count);
size_t pm_store_find_bucket(const struct family *family, double value); /* classic ones */
/* A copy of an info's texts, each with its NUL; free() it. NULL: there are none. */
char *pm_store_info_pairs(const struct series *series, size_t *count);

/* For import from a region, under the lock: what the records say, already checked. */
int pm_store_add_family_locked(struct pm_registry *registry, enum pm_type type,
                               const struct pm_options *options, struct family **family,
                               struct pm_error *error);
int pm_store_add_series_locked(struct family *family, const char *const *values,
                               const struct place *place, struct series **series,
                               struct pm_error *error);
struct series *pm_store_find_locked(const struct family *family, const char *const *values);
int pm_store_count_error(struct pm_registry *registry,
                         int code);              /* also for the daemon; returns it */
void pm_store_make_ready(struct series *series); /* lets its handle take the inline path */
void pm_store_hide(struct series *series);
void pm_store_reset(struct series *series);       /* lets it count from zero, with the locks */
void pm_store_reset_words(struct series *series); /* the same without its sketch */
uint64_t pm_store_now_ms(void);                   /* Unix time */

/* A copy of the families under the lock; free() it. NULL with *count 0 when empty or no memory. */
struct family **pm_store_snapshot(struct pm_registry *registry, size_t *count);

static inline bool registry_has_utf8(const struct pm_registry *registry)
{
    return __atomic_load_n(&registry->has_utf8, __ATOMIC_RELAXED);
}

/* The sum of a histogram. */
static inline double series_sum(const struct series *series, struct span span)
{
    return words_get_double(span, series->cell, WORD_SUM) +
           words_get_double(span, series->cell, WORD_SECOND_SUM);
}

static inline double series_created(const struct series *series) /* Unix seconds */
{
    return (double)__atomic_load_n(series->created_ms, __ATOMIC_RELAXED) / 1000;
}

static inline bool series_is_shown(const struct series *series)
{
    return (__atomic_load_n(series->flags, __ATOMIC_ACQUIRE) & SERIES_REMOVED) == 0;
}

#endif
