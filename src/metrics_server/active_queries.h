/* active_queries.h - which queries are running, in a file, so that what ran when the process was
 * killed can be told at the next start.
 *
 * The file, "queries.active" in the data folder, has a slot a query that may run at once, and one
 * bracket in front. A slot holds `{"query":"...","timestamp_sec":N},` and zeros; a free slot holds
 * zeros. A long query's text is cut. The page cache keeps what was written when the process dies;
 * it is not synced, for a machine that lost its power has other questions.
 *
 * Lock: mutex guards is_taken.
 */
#ifndef METRICS_SERVER_ACTIVE_QUERIES_H
#define METRICS_SERVER_ACTIVE_QUERIES_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/thread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACTIVE_QUERIES_MAX     1024 /* slots at most */
#define ACTIVE_QUERY_SIZE      1000 /* bytes of a slot */
#define ACTIVE_QUERIES_NO_SLOT SIZE_MAX

struct active_queries {
    struct mutex mutex;
    bool is_taken[ACTIVE_QUERIES_MAX] GUARDED_BY(mutex);
    size_t count; /* slots */
    int handle;   /* -1: no file, nothing is kept */
};

/* One that was running when the process ended. */
typedef void active_query_visit(void *argument, struct str query, int64_t time_s);

/*
 * Tells what an earlier process left in the file and empties it.
 *
 *   folder  where the file is; must be there
 *   count   queries at once; more than ACTIVE_QUERIES_MAX are not kept
 *   visit   called for each query that was left
 *
 * Returns 0 or a negative errno.
 */
int active_queries_open(struct active_queries *queries, const char *folder, size_t count,
                        active_query_visit *visit, void *argument, struct error *error) MUST_CHECK;
void active_queries_close(struct active_queries *queries); /* also one that was not opened */

/* Puts a query into a slot, to be given to active_queries_remove. */
size_t active_queries_add(struct active_queries *queries, struct str query, int64_t time_s);
void active_queries_remove(struct active_queries *queries, size_t slot);

#endif
