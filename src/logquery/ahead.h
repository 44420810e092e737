/* ahead.h - filters of the segments that come next are carried out ahead of the search, by the
 * search's own thread when it would wait, and by a helper.
 *
 * A filter over one segment has nothing to do with that over another; what is done with its
 * documents (aggregations, the best hits) stays in order and on the search's thread. Results wait
 * as a bit a document, AHEAD_MAX segments at most.
 *
 *     ahead = ahead_new(search, places, count);       the segments that are left, in order
 *     for (i = 0; i < count; i++) code = ahead_take(ahead, i, bits);
 *     ahead_free(ahead);                              however many were taken
 *
 * Owned by: the search's thread.
 */
#ifndef LOGQUERY_AHEAD_H
#define LOGQUERY_AHEAD_H

#include "logquery/search.h"

#include <stdint.h>

#define AHEAD_MAX 8 /* segments */

struct ahead;

/* NULL: nobody may help, or there is no memory; then all goes on as before. `segments` (which they
 * are in the snapshot) must stay. */
struct ahead *ahead_new(struct search *search, const size_t *segments, size_t count) MUST_CHECK;

/* The documents of the i-th of them, as logstore_filter_run gives them; in order, each once. */
int ahead_take(struct ahead *ahead, size_t i, uint64_t *bits) MUST_CHECK;

/* Waits for the helper, and adds to the search's context what was scanned. NULL is fine. */
void ahead_free(struct ahead *ahead);

#endif
