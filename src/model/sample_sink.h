/* sample_sink.h - the contract by which samples are written: movers above, a store below.
 *
 *     struct sample_batch *batch;
 *     int code = sink->begin(sink->state, &batch, error);
 *     code = batch->append(batch, &ref, labels, time_ms, value, error);   any number of times
 *     code = batch->commit(batch, error);       or batch->rollback(batch)
 *
 * A batch is one scrape or one request: after commit returns 0 all of it is durable (by the
 * store's sync policy) and visible; after rollback, or a failed commit, nothing of it is. Both
 * free it.
 *
 * Threads: batches of several threads may be open at once; each belongs to one thread.
 */
#ifndef MODEL_SAMPLE_SINK_H
#define MODEL_SAMPLE_SINK_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exemplar;  /* model/exemplar.h */
struct histogram; /* model/histogram.h */

/* A sample of a series that the store has given a number. */
struct sample_row {
    uint64_t ref;
    int64_t time_ms;
    double value;
};

struct sample_batch {
    /* Set by who tells nobody that the batch is durable, as a scrape: a commit may return when it
     * is written, and the store syncs it within a second. A power cut may take it; what was
     * committed before it, and what was synced since, it does not take. */
    bool may_sync_late;
    /*
     * Adds a sample.
     *
     *   ref      in: 0, or what an earlier append gave for the same labels; out: the series'
     *            number. Numbers of series that left memory are found again by the labels.
     *   labels   the whole set, with __name__; borrowed during the call
     *
     * Returns 0; or, with the batch still usable and the sample not in it: ERROR_OUT_OF_ORDER,
     * ERROR_DUPLICATE (same time, other value; the same value again is 0), ERROR_LIMIT (series
     * limit), ERROR_INVALID (older than the store takes or too far in the future).
     */
    int (*append)(struct sample_batch *batch, uint64_t *ref, struct labels labels, int64_t time_ms,
                  double value, struct error *error);
    int (*append_histogram)(struct sample_batch *batch, uint64_t *ref, struct labels labels,
                            int64_t time_ms, const struct histogram *histogram,
                            struct error *error); /* NULL: the store takes floats only */
    /*
     * Adds many samples at once, in order, without their labels.
     *
     *   taken  out: how many went in (or were there already), also on failure
     *
     * Returns 0 when all did; -ENOENT when row number *taken has a ref that is not in memory, so
     * that its labels are needed; or what append would return for that row.
     */
    int (*append_rows)(struct sample_batch *batch, const struct sample_row *rows, size_t count,
                       size_t *taken, struct error *error);
    /* What is appended from now on has counted since start_ms; 0 (as at first) = not known.
     * NULL: the store does not keep it. */
    void (*set_start)(struct sample_batch *batch, int64_t start_ms);
    /* Adds an exemplar of a series that has a sample in this batch or in the store: `ref` is what
     * append gave. ERROR_OUT_OF_ORDER and ERROR_INVALID leave the batch usable; the same exemplar
     * again is 0. NULL: the store keeps none. */
    int (*append_exemplar)(struct sample_batch *batch, uint64_t ref,
                           const struct exemplar *exemplar, struct error *error);
    int (*commit)(struct sample_batch *batch, struct error *error);
    void (*rollback)(struct sample_batch *batch);
};

struct sample_sink {
    void *state;
    int (*begin)(void *state, struct sample_batch **batch_out, struct error *error);
};

#endif
