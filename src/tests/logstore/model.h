/* model.h - a naive list of documents, and filters that are carried out by reading each of them.
 *
 * Owned by: one test. Everything lives as long as the model.
 */
#ifndef TESTS_LOGSTORE_MODEL_H
#define TESTS_LOGSTORE_MODEL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/random.h"
#include "base/str.h"
#include "base/vec.h"
#include "logstore/filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The indices that documents are in; MODEL_STREAM is a data stream. */
enum model_index { MODEL_LOGS, MODEL_OTHER, MODEL_STREAM, MODEL_INDEX_COUNT };

struct str model_index_name(enum model_index index);

struct model_document {
    enum model_index index;
    struct str id;
    struct str source; /* the newest */
    int64_t time_ms;   /* its @timestamp */
    int64_t version;   /* 0: not known */
    int64_t seq_no;
    unsigned batch; /* of the newest change */
    bool is_live;
    VEC(struct str) sources; /* all that it ever had */
};

struct model_change {
    enum model_index index;
    struct str id; /* empty: the store makes one */
    struct str source;
    int64_t time_ms;
    int64_t version; /* 0: not known */
    int64_t seq_no;
    unsigned batch;
    bool is_delete;
    bool is_create; /* refused when the id is there */
};

struct model {
    struct arena arena;
    VEC(struct model_document) documents;
    struct map by_key;              /* "index id" to its number, plus one */
    VEC(struct model_change) tried; /* not acknowledged yet */
    unsigned next;
    int64_t now_ms; /* documents are of the ten minutes before */
};

void model_init(struct model *model);
void model_release(struct model *model);
struct str model_keep(struct model *model, struct str text);

void model_make_change(struct model *model, struct random *dice, struct model_change *change);
void model_try(struct model *model, const struct model_change *change);
void model_apply(struct model *model, const struct model_change *change);
void model_delete_index(struct model *model, enum model_index index);

/* Live ones. */
const struct model_document *model_find(const struct model *model, enum model_index index,
                                        struct str id);
size_t model_live_count(const struct model *model, enum model_index index);
bool model_was_ever(const struct model_document *document, struct str source);

struct model_query {
    struct logstore_filter filter;
    struct str field;
    struct str value, upper;
    char bytes[2][64];
};

void model_make_query(const struct model *model, struct random *dice, struct model_query *query);
bool model_matches(const struct model_query *query, const struct model_document *document);

/* The different values of a keyword field in a source. */
struct model_values {
    char bytes[8][400];
    struct str items[8];
    size_t count;
};

void model_values_of(struct str source, struct str path, struct model_values *values);
bool model_values_have(const struct model_values *values, struct str value);

#endif
