/* model.h - the store's plain twin: every sample in a list, every question answered by a walk. */
#ifndef TESTS_TSDB_MODEL_H
#define TESTS_TSDB_MODEL_H

#include "base/vec.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_SERIES_MAX 64

struct model_sample {
    int64_t time_ms;
    uint64_t bits;
};

struct model_series {
    VEC(struct model_sample) samples;
};

/* Series are numbered; number i has the labels that model_labels gives. */
struct model {
    struct model_series series[MODEL_SERIES_MAX];
    bool is_quiet; /* differences are not printed */
};

struct model_text {
    char job[16];
    char instance[16];
    char metric[16];
    struct label items[3];
};

/* __name__="metric_M", instance="I", job="J"; the labels live in `text`. */
struct labels model_labels(int number, struct model_text *text);

void model_add(struct model *model, int number, int64_t time_ms, double value);
int64_t model_last(const struct model *model, int number); /* INT64_MIN when empty */
void model_delete(struct model *model, int number, int64_t start_ms, int64_t end_ms);
void model_release(struct model *model);

/* Whether the store answers this query as the model does, bit by bit, in the right order. Prints
 * the first difference. */
bool model_agrees(const struct model *model, struct tsdb *db, const struct matcher *matchers,
                  size_t count, int64_t start_ms, int64_t end_ms);

#endif
