/* merge_choice.c - which blocks are merged next, and how small they get.
 *
 * WINDOWS  Time is cut into windows of the duration of a block, of three times that, nine times and
 *          so on. When a window is over, the blocks in it become one; the largest window first, so
 *          that little is merged twice. Blocks of the least window will be merged again soon, so
 *          they are written fast; all others small.
 * EARLY    A window that still gets samples is merged when many blocks from the head are in it. A
 *          store that nothing comes into makes its newest blocks one small one, unless that would
 *          rewrite much for little.
 */
#include "tsdb/db.h"

enum {
    MERGE_FACTOR = 3,      /* of the time that blocks span, from one size to the next */
    OPEN_WINDOW_COUNT = 8, /* blocks in the newest window before they are merged early */
    IDLE_SPAN_BLOCKS = 9,  /* durations of a block that an idle store's newest blocks may come to */
    WORTH_PARTS = 8,       /* an early merge must bring this part beside its largest block */
    IDLE_MS = 5000,
};

/* Nothing has come in for a while: what is there is made as small as it gets. */
bool tsdb_is_idle_locked(const struct tsdb *db)
{
    int64_t quiet_ns = clock_monotonic_ns(db->options.clock) - db->committed_ns;
    return quiet_ns >= IDLE_MS * INT64_C(1000000);
}

static int64_t window_of(int64_t time_ms, int64_t size_ms)
{
    int64_t window = time_ms / size_ms;
    return time_ms < 0 && time_ms % size_ms != 0 ? window - 1 : window;
}

static int64_t duration_max(const struct tsdb *db)
{
    enum { DAYS_MAX = 31, DAY_MS = 86400000 };
    if (db->options.block_duration_max_ms > 0) return db->options.block_duration_max_ms;
    int64_t most = (int64_t)DAYS_MAX * DAY_MS;
    if (db->options.retention_ms > 0 && db->options.retention_ms / 10 < most) {
        most = db->options.retention_ms / 10;
    }
    return most < db->options.block_duration_ms ? db->options.block_duration_ms : most;
}

/* Which windows are merged, and how. */
struct merge_rule {
    int64_t size_ms;
    int64_t newest_ms;
    bool takes_open;    /* also windows that may still get samples */
    bool is_early;      /* open windows with many blocks from the head: those alone */
    bool rewrites_lone; /* a block from the head that has its window alone, too */
    enum column_effort effort;
};

/* Whether a merge before its time is worth it: who merges whenever something came in would write
 * the same again and again. */
static bool is_worth_it(struct block *const *blocks, size_t count)
{
    size_t total = 0;
    size_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        total += blocks[i]->size;
        if (blocks[i]->size > largest) largest = blocks[i]->size;
    }
    return total - largest >= total / WORTH_PARTS;
}

/* Finds the oldest window of this size with blocks to merge. Blocks stand by their least time, so
 * those of a window stand together. */
static size_t find_window(const struct tsdb *db, const struct merge_rule *rule,
                          struct block **found)
{
    const struct block_list *blocks = &db->blocks;
    for (size_t from = 0; from < blocks->count;) {
        int64_t window = window_of(blocks->items[from]->meta.min_time_ms, rule->size_ms);
        size_t end = from;
        size_t count = 0;
        for (; end < blocks->count; end++) {
            struct block *block = blocks->items[end];
            const struct block_meta *meta = &block->meta;
            if (window_of(meta->min_time_ms, rule->size_ms) != window) break;
            if (meta->max_time_ms - meta->min_time_ms >= rule->size_ms * 2) continue;
            if (count == BLOCK_REPLACES_MAX || block->is_damaged) continue;
            if (rule->is_early && meta->level > 1) continue;
            found[count++] = block;
        }
        int64_t window_end = (window + 1) * rule->size_ms + db->options.past_max_ms;
        bool is_lone = count == 1 && found[0]->meta.level == 1 && rule->rewrites_lone;
        bool is_due = rule->newest_ms >= window_end ||
                      (rule->takes_open && (is_lone || is_worth_it(found, count)));
        if (rule->is_early) is_due = count >= OPEN_WINDOW_COUNT;
        if ((count >= 2 || is_lone) && is_due) return count;
        from = end;
    }
    return 0;
}

/* The newest blocks of an idle store, whatever their windows, as many as span no more than
 * `span_ms`. */
static size_t find_newest(const struct tsdb *db, int64_t span_ms, struct block **found)
{
    const struct block_list *blocks = &db->blocks;
    size_t count = 0;
    int64_t newest_ms = INT64_MIN;
    for (size_t i = blocks->count; i-- > 0 && count < BLOCK_REPLACES_MAX;) {
        struct block *block = blocks->items[i];
        int64_t span = 0;
        if (block->meta.max_time_ms > newest_ms) newest_ms = block->meta.max_time_ms;
        if (__builtin_sub_overflow(newest_ms, block->meta.min_time_ms, &span)) break;
        if (span > span_ms || block->is_damaged) break;
        found[count++] = block;
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct block *block = found[i];
        found[i] = found[count - 1 - i];
        found[count - 1 - i] = block;
    }
    return count >= 2 && is_worth_it(found, count) ? count : 0;
}

/* The rules in their order: the largest windows that are over, so that little is merged twice; then
 * the newest blocks when they are many. Blocks of the least window will be merged soon again, so
 * they are written fast. */
static size_t choose(const struct tsdb *db, struct merge_rule *rule, struct block **found)
{
    int64_t least_ms = db->options.block_duration_ms;
    int64_t most_ms = duration_max(db);
    bool is_idle = tsdb_is_idle_locked(db);
    if (is_idle) {
        int64_t span_ms = least_ms * IDLE_SPAN_BLOCKS;
        size_t count = find_newest(db, span_ms < most_ms ? span_ms : most_ms, found);
        *rule = (struct merge_rule){ .effort = COLUMN_SMALL };
        if (count > 0) return count;
    }
    int64_t size_ms = least_ms;
    while (size_ms <= most_ms / MERGE_FACTOR) size_ms *= MERGE_FACTOR;
    for (int64_t largest_ms = size_ms; size_ms >= least_ms; size_ms /= MERGE_FACTOR) {
        bool is_least = size_ms == least_ms && size_ms < largest_ms;
        *rule = (struct merge_rule){
            .size_ms = size_ms,
            .newest_ms = db->head.max_ms,
            .takes_open = is_idle && size_ms <= least_ms * MERGE_FACTOR,
            .rewrites_lone = !is_least,
            .effort = is_least && !is_idle ? COLUMN_FAST : COLUMN_SMALL,
        };
        size_t count = find_window(db, rule, found);
        if (count > 0) return count;
    }
    *rule = (struct merge_rule){ .size_ms = least_ms, .is_early = true, .effort = COLUMN_FAST };
    return find_window(db, rule, found);
}

size_t tsdb_choose_merge(const struct tsdb *db, struct block **found, enum column_effort *effort)
{
    struct merge_rule rule;
    size_t count = choose(db, &rule, found);
    *effort = rule.effort;
    return count;
}
