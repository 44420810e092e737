/* memory_series.h - series in memory behind the series_source contract, for tests and benches. */
#ifndef TESTS_CONFORMANCE_MEMORY_SERIES_H
#define TESTS_CONFORMANCE_MEMORY_SERIES_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/series_source.h"

#include <pthread.h>

struct memory_series {
    struct labels labels;
    VEC(int64_t) times_ms;
    VEC(double) values;
    VEC(const struct histogram *) histograms; /* empty, or as many as values */
    VEC(int64_t) starts_ms;                   /* empty, or as many as values */
};

/* Filled by one thread; may then be selected from by many. */
struct memory_store {
    struct arena arena; /* labels and histograms */
    VEC(struct memory_series *) series;
    struct map by_labels;
    bool is_sorted;
    pthread_mutex_t sorting; /* guards is_sorted and the order of the series in a select */
    VEC(int64_t) changes_ms; /* time of each sample that came, in that order */
    struct series_source source;
};

void memory_store_init(struct memory_store *store);
void memory_store_clear(struct memory_store *store);
void memory_store_release(struct memory_store *store);

/* The series with these labels, made when it is not there. NULL: out of memory. */
struct memory_series *memory_store_series(struct memory_store *store, struct labels labels);

/* Adds a sample behind or among the others; the last wins at equal times. A histogram's hint
 * becomes what a store would give back for it. */
bool memory_series_add(struct memory_store *store, struct memory_series *series, int64_t time_ms,
                       double value, const struct histogram *histogram);

/* Says since when the sample at that time counts; false when there is none, or no memory. */
bool memory_series_start(struct memory_series *series, int64_t time_ms, int64_t start_ms);

#endif
