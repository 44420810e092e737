/* cursor.h - inside the store: a select on its way, for select.c and label_lists.c.
 *
 * Owned by: who opened it; after its snapshot it needs no lock.
 */
#ifndef TSDB_CURSOR_H
#define TSDB_CURSOR_H

#include "tsdb/db.h"
#include "tsdb/match.h"
#include "tsdb/merge.h"

#define CURSOR_SCRATCH_MAX ((size_t)512 << 20) /* postings and lists of values of a select */

struct cursor {
    struct series_cursor base; /* first */
    struct tsdb *db;
    struct merge merge;
    struct block_list blocks; /* referenced */
    struct arena scratch;
    struct str *names;               /* of the head's labels */
    struct match_verdicts *verdicts; /* of the matchers' patterns */
    int64_t deadline_ns;
    size_t series_max;
    size_t count;
    uint64_t damaged_told;
    bool is_counted; /* in db->cursors */
};

/* One that holds nothing yet; NULL: no memory. */
struct cursor *cursor_new(struct tsdb *db, const struct series_query *query, struct arena *arena);
void cursor_free(struct cursor *cursor);

/* Tries patterns on the head's values. Under the lock this holds them only, so that the select,
 * which comes after it, stays one moment. */
int cursor_try_patterns(struct cursor *cursor, const struct series_query *query);
/* References the blocks that the range touches, each a source. */
int cursor_take_blocks_locked(struct cursor *cursor);
int cursor_late(struct error *error); /* ERROR_TIMEOUT */

#endif
