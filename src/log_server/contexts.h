/* contexts.h - what a search leaves open between requests: scrolls and points in time.
 *
 * A context keeps a snapshot of the store, so that pages fit together while documents come and go,
 * and for a scroll the search itself. It lives for its keep_alive after the last request that named
 * it; the dead are taken away whenever a request comes and when metrics are collected.
 *
 * Limits:  CONTEXTS_MAX open ones (then 429), a keep_alive of a day, CONTEXT_MEMORY_MAX bytes of a
 *          scroll's search.
 * Threads: any; a context is used by one request at a time (its mutex).
 */
#ifndef LOG_SERVER_CONTEXTS_H
#define LOG_SERVER_CONTEXTS_H

#include "base/clock.h"
#include "base/map.h"
#include "base/thread.h"
#include "logquery/logquery.h"

#include <stdbool.h>
#include <stdint.h>

#define CONTEXTS_MAX         500
#define CONTEXT_MEMORY_MAX   ((size_t)4 << 20)
#define CONTEXT_ID_SIZE      44
#define KEEP_ALIVE_MAX_MS    ((int64_t)24 * 3600 * 1000)
#define KEEP_ALIVE_SCROLL_MS ((int64_t)5 * 60 * 1000)

struct context {
    char id[CONTEXT_ID_SIZE + 1];
    bool is_scroll;
    int64_t keep_alive_ms;
    int64_t expires_ms; /* monotonic; guarded by the table's mutex, as the next two */
    unsigned ref_count;
    bool is_closed; /* nobody finds it any more */

    struct mutex mutex; /* held by the request that reads on; guards what follows */
    struct logstore_snapshot *snapshot;
    struct arena arena;
    struct logquery_request request; /* of a scroll; texts in the arena */
    struct buf after;
    uint64_t total;
};

struct contexts {
    struct mutex mutex;
    struct map by_id;
    uint64_t opened_total[2], expired_total; /* [is_scroll] */
    const struct clock *clock;
};

void contexts_init(struct contexts *contexts, const struct clock *clock);
/* Before the store is closed. No request runs any more. */
void contexts_release(struct contexts *contexts);

/* Takes over the snapshot, also on failure. ERROR_REFUSED when too many are open. The context is
 * the caller's too until contexts_put. */
int contexts_open(struct contexts *contexts, struct logstore_snapshot *snapshot, bool is_scroll,
                  int64_t keep_alive_ms, struct context **out, struct error *error) MUST_CHECK;

/* NULL: unknown or dead. keep_alive_ms > 0 sets it anew. The caller's until contexts_put. */
struct context *contexts_find(struct contexts *contexts, struct str id, bool is_scroll,
                              int64_t keep_alive_ms);
void contexts_put(struct contexts *contexts, struct context *context);
/* Whether it was there, and of that kind. */
bool contexts_close(struct contexts *contexts, struct str id, bool is_scroll);
size_t contexts_close_all(struct contexts *contexts, bool is_scroll);
size_t contexts_count(struct contexts *contexts, bool is_scroll);
void contexts_reap(struct contexts *contexts);

/* "30s", "1m", "2h", "1d", "500ms", "0", "-1": false when it is none of them. */
bool time_value_parse(struct str text, int64_t *ms);

#endif
