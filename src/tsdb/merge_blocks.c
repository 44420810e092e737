/* merge_blocks.c - several blocks become one.
 *
 * MERGE    the new block names those it replaces; it is in place before they go, and a recovery
 *          that finds both removes the replaced ones.
 */
#include "base/check.h"
#include "tsdb/db.h"
#include "tsdb/merge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CUT_CHECK_EVERY = 1024, /* series of a merge */
    UNLOAD_EVERY = 256,
};

#define MERGE_ARENA_MAX ((size_t)1 << 30)

/* A merge may take long: the head is cut meanwhile, so that neither it nor the log grows past its
 * size. A cut that fails is tried again after the merge. */
static void cut_between(struct tsdb *db)
{
    struct error error = { 0 };
    if (db->cut.is_pending || !tsdb_is_cut_due(db)) return;
    if (tsdb_cut(db, &error) != 0) tsdb_report(db, "cut failed", db->folder, &error);
}

int tsdb_add_extras(const struct series_columns *series, struct block_writer *writer,
                    struct error *error)
{
    if (series->histograms == NULL && series->starts_ms == NULL) return 0;
    struct extra *extras = malloc(series->count * sizeof(extras[0]));
    struct histogram *heads = malloc(series->count * sizeof(heads[0]));
    size_t count = 0;
    for (size_t i = 0; extras != NULL && heads != NULL && i < series->count; i++) {
        const struct histogram *histogram =
            series->histograms == NULL ? NULL : series->histograms[i];
        int64_t start_ms = series->starts_ms == NULL ? 0 : series->starts_ms[i];
        if (histogram == NULL && start_ms == 0) continue;
        extras[count] = (struct extra){ series->times_ms[i], start_ms, NULL };
        if (histogram != NULL) {
            heads[count] = *histogram;
            extras[count].histogram = &heads[count];
        }
        count++;
    }
    int code = extras == NULL || heads == NULL
                   ? error_set(error, -ENOMEM, "no memory to merge blocks")
                   : block_writer_add_extras(writer, extras, count, error);
    free(extras);
    free(heads);
    return code;
}

/* What a merge went through is not the process's memory. */
static void unload_sources(const struct merge *merge)
{
    for (size_t i = 0; i < merge->count; i++) block_unload(merge->sources[i].block);
}

static int copy_series(struct tsdb *db, struct merge *merge, struct block_writer *writer,
                       struct error *error)
{
    struct series_columns series;
    int code;
    for (size_t i = 0; (code = merge_next(merge, &series, error)) == 1; i++) {
        if (i % CUT_CHECK_EVERY == 0) cut_between(db);
        if (i % UNLOAD_EVERY == 0) unload_sources(merge);
        code = block_writer_add(writer, series.labels, series.times_ms, series.values, series.count,
                                error);
        if (code == 0) code = tsdb_add_extras(&series, writer, error);
        arena_reset(merge->arena);
        if (code != 0) return code;
    }
    if (code == 0 && merge->damaged > 0) {
        return error_set(error, ERROR_CORRUPT, "a block to merge is damaged");
    }
    return code;
}

static int fill_merged(struct tsdb *db, struct block *const *blocks, size_t count,
                       struct block_writer *writer, struct error *error)
{
    struct merge_source *sources = calloc(count, sizeof(sources[0]));
    struct arena arena;
    struct arena lists;
    arena_init(&arena, MERGE_ARENA_MAX);
    arena_init(&lists, MERGE_ARENA_MAX);
    struct merge merge = { .sources = sources,
                           .count = count,
                           .start_ms = INT64_MIN,
                           .end_ms = INT64_MAX,
                           .want = SERIES_WANT_SAMPLES,
                           .arena = &arena };
    int code = sources == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        size_t size = (size_t)blocks[i]->meta.series;
        uint32_t *all = ARENA_ARRAY(&lists, uint32_t, size + 1);
        if (all == NULL) code = -ENOMEM;
        for (size_t k = 0; k < size && code == 0; k++) all[k] = (uint32_t)k;
        sources[i].block = blocks[i];
        sources[i].series = (struct postings){ all, size };
        sources[i].tombstones = blocks[i]->tombstones.items; /* changed under `work` alone */
        sources[i].tombstone_count = blocks[i]->tombstones.count;
    }
    if (code != 0) (void)error_set(error, code, "no memory to merge blocks");
    if (code == 0) {
        code = merge_start(&merge, error);
        if (code == 0) code = copy_series(db, &merge, writer, error);
        unload_sources(&merge);
        merge_release(&merge);
    }
    arena_release(&arena);
    arena_release(&lists);
    free(sources);
    return code;
}

static void describe(const struct tsdb *db, struct block *const *blocks, size_t count,
                     struct block_meta *meta, uint64_t *replaces)
{
    for (size_t i = 0; i < count; i++) {
        const struct block_meta *from = &blocks[i]->meta;
        if (from->log_through > meta->log_through) meta->log_through = from->log_through;
        if (from->level >= meta->level) meta->level = from->level + 1;
        replaces[i] = from->id;
    }
    for (size_t i = 0; i < db->unlisted.count; i++) replaces[count++] = db->unlisted.items[i];
    meta->replaces = replaces;
    meta->replaces_count = (uint32_t)count;
}

int tsdb_merge_blocks(struct tsdb *db, struct block *const *blocks, size_t count,
                      enum column_effort effort, struct error *error)
{
    CHECK(count > 0);
    CHECK(count <= BLOCK_REPLACES_MAX);
    uint64_t replaces[BLOCK_REPLACES_MAX];
    if (db->unlisted.count > 0) tsdb_remove_unlisted(db);
    if (db->unlisted.count + count > BLOCK_REPLACES_MAX) {
        return error_set(error, ERROR_REFUSED, "%zu blocks in '%s' cannot be removed",
                         db->unlisted.count, db->block_folder);
    }
    struct block_meta meta = { .id = db->next_block++, .level = 1 };
    describe(db, blocks, count, &meta, replaces);
    struct block_writer *writer = NULL;
    struct block *block = NULL;
    int code = tsdb_new_writer(db, meta.id, effort, &writer, error);
    if (code == 0) code = fill_merged(db, blocks, count, writer, error);
    bool is_empty = code == 0 && block_writer_series(writer) == 0;
    if (code == 0 && !is_empty) code = tsdb_put_block(db, writer, &meta, &block, error);
    block_writer_free(writer);
    if (is_empty) code = tsdb_end_old_log(db, blocks, count, error);
    if (code != 0 || is_empty) tsdb_discard_block(db, meta.id);
    mutex_lock(&db->mutex);
    if (code == 0 && !is_empty) {
        code = tsdb_insert_block(db, block);
        if (code != 0) (void)error_set(error, code, "no memory for a block");
    }
    if (code == 0) {
        db->stats.merges++;
    } else {
        db->stats.merges_failed++;
    }
    mutex_unlock(&db->mutex);
    if (code == 0) tsdb_remove_blocks(db, blocks, count);
    return code;
}

int tsdb_merge_once(struct tsdb *db, bool *is_done, struct error *error)
{
    struct block **found = malloc(BLOCK_REPLACES_MAX * sizeof(found[0]));
    if (found == NULL) return error_set(error, -ENOMEM, "no memory to merge blocks");
    enum column_effort effort = COLUMN_SMALL;
    mutex_lock(&db->mutex);
    size_t count = tsdb_choose_merge(db, found, &effort);
    mutex_unlock(&db->mutex);
    *is_done = count == 0;
    int code = count == 0 ? 0 : tsdb_merge_blocks(db, found, count, effort, error);
    if (code == ERROR_CORRUPT) {
        /* Not merged again: what is whole in them is served as long as they are kept. */
        for (size_t i = 0; i < count; i++) found[i]->is_damaged = true;
    }
    free(found);
    return code;
}
