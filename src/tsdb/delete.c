/* delete.c - removes samples of chosen series: notes them beside each block, and cleans later.
 *
 * The head is cut first, so that all that is to go stands in blocks. A note (tombstone) is durable
 * before it counts, block by block; a crash in between leaves the rest undeleted.
 */
#include "base/check.h"
#include "tsdb/db.h"
#include "tsdb/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_SIZE_MAX ((size_t)512 << 20)

struct wish {
    const struct matcher *matchers;
    size_t count;
    int64_t start_ms;
    int64_t end_ms;
};

static int add_tombstones(const struct block *block, const struct wish *wish,
                          struct tombstones *list, struct error *error)
{
    struct arena arena;
    arena_init(&arena, SCRATCH_SIZE_MAX);
    struct index index = block_index(block);
    struct postings series;
    int code = match(&index, wish->matchers, wish->count, &arena, &series);
    if (code != 0) {
        (void)error_set(error, code, "find what to delete in '%s'", block->path);
    } else if (!VEC_RESERVE(list, block->tombstones.count + series.count + 1)) {
        code = error_set(error, -ENOMEM, "no memory to delete");
    }
    for (size_t i = 0; code == 0 && i < block->tombstones.count; i++) {
        list->items[list->count++] = block->tombstones.items[i];
    }
    for (size_t i = 0; code == 0 && i < series.count; i++) {
        list->items[list->count++] =
            (struct tombstone){ series.items[i], wish->start_ms, wish->end_ms };
    }
    arena_release(&arena);
    return code;
}

static int delete_in_block(struct tsdb *db, struct block *block, const struct wish *wish,
                           struct error *error)
{
    if (block->meta.max_time_ms < wish->start_ms || block->meta.min_time_ms > wish->end_ms) {
        return 0;
    }
    struct tombstones list = { 0 };
    int code = add_tombstones(block, wish, &list, error);
    if (code == 0 && list.count > block->tombstones.count) {
        qsort(list.items, list.count, sizeof(list.items[0]), tombstones_compare);
        code = block_write_tombstones(block, &list, error);
        if (code == 0) {
            mutex_lock(&db->mutex);
            struct tombstones old = block->tombstones;
            block->tombstones = list;
            list = old;
            mutex_unlock(&db->mutex);
        }
    }
    VEC_RELEASE(&list);
    return code;
}

int tsdb_delete(struct tsdb *db, const struct matcher *matchers, size_t count, int64_t start_ms,
                int64_t end_ms, struct error *error)
{
    struct wish wish = { matchers, count, start_ms, end_ms };
    mutex_lock(&db->work);
    int code = tsdb_cut(db, error);
    /* Who holds `work` is the only one to change the list. */
    for (size_t i = 0; i < db->blocks.count && code == 0; i++) {
        code = delete_in_block(db, db->blocks.items[i], &wish, error);
    }
    mutex_unlock(&db->work);
    return code;
}

int tsdb_clean(struct tsdb *db, struct error *error)
{
    int code = 0;
    mutex_lock(&db->work);
    for (size_t i = 0; i < db->blocks.count && code == 0;) {
        struct block *block = db->blocks.items[i];
        if (block->tombstones.count == 0) {
            i++;
            continue;
        }
        code = tsdb_merge_blocks(db, &block, 1, error);
        i = 0; /* the list has changed */
    }
    mutex_unlock(&db->work);
    return code;
}
