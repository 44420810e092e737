/* world.h - a log store on the simulated disk beside the model of what it must hold: writes, what
 * is in doubt after a failure, and the comparison of the two.
 *
 *     world_init(&world, seed, is_quiet);
 *     if (world_open(&world) == 0) {        settles what was in doubt, too
 *         world_write(&world);              and the other changes
 *         world_check(&world);
 *     }
 *     world_close(&world);
 *     world_release(&world);
 *
 * While a segment is being written more is written to the store, so that merges and flushes meet
 * updates and deletions of what they copy.
 * Owned by: one test; one world at a time.
 */
#ifndef TESTS_LOGSTORE_WORLD_H
#define TESTS_LOGSTORE_WORLD_H

#include "logstore/logstore.h"
#include "tests/logstore/model.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"

#define WORLD_NAMES 4 /* component templates, and last an alias */
#define WORLD_VIEWS 3

/* A change of the catalog that failed: it counts as a whole or not at all. */
struct world_doubt {
    enum { DOUBT_NONE, DOUBT_NAME, DOUBT_INDEX } kind;
    enum model_index index;
    size_t name;
    int wanted;
};

/* A snapshot that is kept, and what was there when it was taken. */
struct world_view {
    char id[LOGSTORE_KEPT_ID_SIZE]; /* empty: none */
    VEC(struct model_change) documents;
    size_t missing_count; /* that may have gone by their age when it was taken */
};

struct world {
    struct sim_disk *sim;
    struct disk disk; /* the simulated one, with a door for what happens during a merge */
    struct sim_clock clock;
    struct random dice;
    struct logstore *store; /* NULL: not open */
    struct logstore_stats stats;
    struct model model;
    struct arena arena;
    size_t rare_documents_min;
    int64_t retention_ms; /* 0: never */
    int64_t policy_ms;    /* of the index "other"; 0: it has no policy */
    bool is_policy_whole; /* the index goes at once, not its segments */
    int names[WORLD_NAMES];
    struct world_doubt doubt;
    struct world_view views[WORLD_VIEWS];
    int64_t seq_most[MODEL_INDEX_COUNT]; /* acknowledged */
    unsigned batch;
    uint64_t cut_size; /* bytes that the last start cut off the log */
    bool had_faults;   /* since the last start: a log file that was given up may look damaged */
    bool is_meddling;
    bool is_quiet;
    bool is_sound;
};

void world_init(struct world *world, uint64_t seed, bool is_quiet);
void world_release(struct world *world);
void world_wrong(struct world *world, const char *what, struct str detail);

/* Opens the store and decides what was in doubt. */
int world_open(struct world *world);
void world_close(struct world *world);

void world_write(struct world *world);        /* a batch of changes */
void world_change_name(struct world *world);  /* a template or an alias */
void world_delete_index(struct world *world); /* "other" or the stream */
void world_view(struct world *world);         /* takes a snapshot, or compares one */

/* Whether the document may have gone by its age. */
bool world_may_be_gone(const struct world *world, const struct model_document *document);

/* After a start: what a failed change of a name came to. */
void world_settle_name(struct world *world);

/* The store has what the model has: documents, searches, columns, names, views. */
void world_check(struct world *world);
void world_check_documents(struct world *world);
void world_check_searches(struct world *world);

/* 1 when found, 0 when not, or an error. */
int world_get(struct world *world, const struct model_document *document,
              struct logstore_document *found, struct error *error);

#endif
