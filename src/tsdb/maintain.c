/* maintain.c - a round of maintenance: cuts, merges, what has to go by age and size. */
#include "base/check.h"
#include "tsdb/db.h"

enum {
    RETRY_MS = 10000,
    RANK_PART = 8, /* of the series are new: then all get their ranks anew */
};

/* ---- retention ---- */

/* The block that has to go, or NULL. */
static struct block *find_old(struct tsdb *db, bool *is_by_size)
{
    struct block *oldest = NULL;
    uint64_t size = db->stats.log_size;
    for (size_t i = 0; i < db->blocks.count; i++) {
        struct block *block = db->blocks.items[i];
        size += block->size;
        if (oldest == NULL || block->meta.max_time_ms < oldest->meta.max_time_ms) oldest = block;
    }
    if (oldest == NULL) return NULL;
    *is_by_size = db->options.retention_size > 0 && size > db->options.retention_size;
    int64_t age;
    bool is_old = db->options.retention_ms > 0 &&
                  !__builtin_sub_overflow(db->head.max_ms, oldest->meta.max_time_ms, &age) &&
                  age >= db->options.retention_ms;
    if (is_old) *is_by_size = false;
    return is_old || *is_by_size ? oldest : NULL;
}

static void apply_retention(struct tsdb *db)
{
    for (;;) {
        bool is_by_size = false;
        mutex_lock(&db->mutex);
        struct block *old = find_old(db, &is_by_size);
        mutex_unlock(&db->mutex);
        if (old == NULL || tsdb_end_old_log(db, &old, 1, NULL) != 0) return;
        mutex_lock(&db->mutex);
        if (is_by_size) db->stats.retention_size_removed++;
        if (!is_by_size) db->stats.retention_time_removed++;
        mutex_unlock(&db->mutex);
        tsdb_remove_blocks(db, &old, 1);
        tsdb_note_change(db, INT64_MIN);
    }
}

/* ---- the round ---- */

int tsdb_maintain_held(struct tsdb *db, struct error *error)
{
    int64_t now_ns = clock_monotonic_ns(db->options.clock);
    apply_retention(db); /* first: it makes room without needing any */
    int code = tsdb_rank_series(db, RANK_PART, error);
    if (now_ns < db->retry_after_ns) return code;
    if (code == 0 && db->has_wish) {
        code = tsdb_finish_deletion(db, error);
        tsdb_note_change(db, INT64_MIN);
    }
    if (code == 0 && tsdb_is_cut_due(db)) code = tsdb_cut(db, error);
    bool is_done = false;
    while (code == 0 && !is_done) code = tsdb_merge_once(db, &is_done, error);
    db->retry_after_ns = code == 0 ? 0 : now_ns + (int64_t)RETRY_MS * 1000000;
    if (code == 0) apply_retention(db);
    return code;
}

int tsdb_maintain(struct tsdb *db, struct error *error)
{
    mutex_lock(&db->work);
    int code = tsdb_maintain_held(db, error);
    mutex_unlock(&db->work);
    return code;
}

int tsdb_flush(struct tsdb *db, struct error *error)
{
    mutex_lock(&db->work);
    int code = tsdb_cut_all(db, error);
    mutex_unlock(&db->work);
    return code;
}
