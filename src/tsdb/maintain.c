/* maintain.c - the life of blocks: cut from the head, merged, removed when old.
 *
 * CUT      1 end the log's segment, freeze the head, note the state of all series (one moment)
 *          2 write the series file, then the block under a temporary name, each synced
 *          3 rename the block into place, sync the folder: from here on a recovery takes the
 *            block, and the log after the segment that the block names
 *          4 put the block in the list and forget the frozen samples (one moment)
 *          5 remove the segments and the older series files
 *          A cut that fails at 2 or 3 keeps its frozen samples and is tried again.
 * MERGE    the new block names those it replaces; it is in place before they go, and a recovery
 *          that finds both removes the replaced ones.
 */
#include "base/check.h"
#include "tsdb/column.h"
#include "tsdb/db.h"
#include "tsdb/merge.h"
#include "tsdb/side.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 10000,
    CUT_CHECK_EVERY = 1024, /* series of a merge */
    UNLOAD_EVERY = 256,
    RANK_PART = 8, /* of the series are new: then all get their ranks anew */
};

#define IDLE_CUT_SIZE   (1u << 20) /* of log: less is not worth a block */
#define MERGE_ARENA_MAX ((size_t)1 << 30)

static const struct disk *disk_of(const struct tsdb *db)
{
    return db->options.disk;
}

int tsdb_block_path(const struct tsdb *db, uint64_t id, const char *ending, char *path,
                    struct error *error)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%08" PRIu64 ".block%s", id, ending);
    return file_join(path, db->block_folder, name, error);
}

int tsdb_series_path(const struct tsdb *db, uint64_t through, char *path, struct error *error)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%08" PRIu64 ".series", through);
    return file_join(path, db->log_folder, name, error);
}

int tsdb_insert_block(struct tsdb *db, struct block *block)
{
    if (!VEC_PUSH(&db->blocks, block)) return -ENOMEM;
    (void)!resident_init(&block->resident, block->size, &db->resident);
    struct block **items = db->blocks.items;
    size_t at = db->blocks.count - 1;
    for (; at > 0; at--) {
        const struct block_meta *before = &items[at - 1]->meta;
        if (before->min_time_ms < block->meta.min_time_ms) break;
        if (before->min_time_ms == block->meta.min_time_ms && before->id < block->meta.id) break;
        items[at] = items[at - 1];
    }
    items[at] = block;
    return 0;
}

void tsdb_unref_block(struct block *block)
{
    CHECK(block->references > 0);
    if (--block->references == 0) block_free(block);
}

/* ---- from the head to a block ---- */

struct samples {
    int64_t *times;
    double *values;
    size_t capacity;
};

static bool reserve(struct samples *samples, size_t count)
{
    if (count <= samples->capacity) return true;
    size_t capacity = count * 2;
    int64_t *times = realloc(samples->times, capacity * sizeof(times[0]));
    if (times != NULL) samples->times = times;
    double *values = realloc(samples->values, capacity * sizeof(values[0]));
    if (values != NULL) samples->values = values;
    if (times == NULL || values == NULL) return false;
    samples->capacity = capacity;
    return true;
}

/* All frozen samples of a series; chunks stand newest first, so the arrays fill from the end. */
static int unpack(const struct head_data *data, struct samples *samples, size_t *count_out)
{
    size_t count = 0;
    const struct head_tail *tail = data->tail;
    if (tail != NULL) count += tail->count;
    for (const struct head_chunk *chunk = data->chunks; chunk != NULL; chunk = chunk->older) {
        count += chunk->count;
    }
    if (!reserve(samples, count)) return -ENOMEM;
    size_t end = count;
    for (size_t i = tail == NULL ? 0 : tail->count; i-- > 0;) {
        end--;
        samples->times[end] = tail->base_ms + head_tail_offsets(tail)[i];
        samples->values[end] = tail->values[i];
    }
    for (const struct head_chunk *chunk = data->chunks; chunk != NULL; chunk = chunk->older) {
        end -= chunk->count;
        struct str rest = { (const char *)chunk->bytes, chunk->size };
        CHECK(column_decode_numbers(&rest, samples->times + end, chunk->count));
        CHECK(column_decode_values(&rest, samples->values + end, chunk->count));
    }
    CHECK(end == 0);
    *count_out = count;
    return 0;
}

/* Adds a series with `count` of the samples to a block. */
static int add_series(struct tsdb *db, struct block_writer *writer,
                      const struct head_series *series, const struct samples *samples, size_t count,
                      struct error *error)
{
    struct label *items = malloc((series->pair_count + 1u) * sizeof(items[0]));
    if (items == NULL) return error_set(error, -ENOMEM, "no memory to write a block");
    for (size_t i = 0; i < series->pair_count; i++) {
        const struct head_pair *pair = head_pair_at(&db->head, series->pairs[i]);
        items[i] = (struct label){ db->cut.snapshot.names[pair->name], head_pair_value(pair) };
    }
    struct labels labels = { items, series->pair_count };
    int code = block_writer_add(writer, labels, samples->times, samples->values, count, error);
    free(items);
    return code;
}

/* What is frozen beside the series' chunks. The table of sides changes, what is frozen does not. */
static const struct side_data *frozen_side(struct tsdb *db, const struct head_series *series)
{
    if (!series->has_side) return NULL;
    mutex_lock(&db->mutex);
    const struct side *side = side_of(&db->head, series);
    mutex_unlock(&db->mutex);
    return side == NULL ? NULL : &side->frozen;
}

static int add_groups(struct block_writer *writer, const struct side_groups *groups,
                      struct error *error)
{
    struct arena arena;
    arena_init(&arena, MERGE_ARENA_MAX);
    int code = 0;
    for (size_t i = 0; i < groups->count && code == 0; i++) {
        const struct side_group *group = &groups->items[i];
        struct extra extras[EXTRA_GROUP_MAX];
        code = extra_take_group(buf_str(&group->bytes), group->count, &arena, extras);
        CHECK(code != ERROR_CORRUPT);
        if (code != 0) {
            (void)error_set(error, -ENOMEM, "no memory to write a block");
        } else {
            code = block_writer_add_extras(writer, extras, group->count, error);
        }
        arena_reset(&arena);
    }
    arena_release(&arena);
    return code;
}

static int add_frozen(struct tsdb *db, struct block_writer *writer, struct head_series *series,
                      struct samples *samples, struct error *error)
{
    size_t count;
    if (unpack(&series->frozen, samples, &count) != 0) {
        return error_set(error, -ENOMEM, "no memory to write a block");
    }
    if (count == 0) return 0; /* has late samples only */
    int code = add_series(db, writer, series, samples, count, error);
    const struct side_data *side = frozen_side(db, series);
    if (code == 0 && side != NULL) code = add_groups(writer, &side->groups, error);
    return code;
}

/* Late samples of a series, to their block. */
static int add_late(struct tsdb *db, struct block_writer *writer, struct head_series *series,
                    struct samples *samples, struct error *error)
{
    const struct side_data *side = frozen_side(db, series);
    size_t count = side == NULL ? 0 : side->late.count;
    if (count == 0) return 0;
    struct extra *extras = malloc(count * sizeof(extras[0]));
    if (extras == NULL || !reserve(samples, count)) {
        free(extras);
        return error_set(error, -ENOMEM, "no memory to write a block");
    }
    size_t extra_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct side_sample *sample = &side->late.items[i];
        samples->times[i] = sample->extra.time_ms;
        samples->values[i] = sample->value;
        bool is_plain = sample->extra.histogram == NULL && sample->extra.start_ms == 0;
        if (!is_plain) extras[extra_count++] = sample->extra;
    }
    int code = add_series(db, writer, series, samples, count, error);
    if (code == 0) code = block_writer_add_extras(writer, extras, extra_count, error);
    free(extras);
    return code;
}

/* Neighbours in the order of labels are far apart in memory: what one needs is fetched before. */
static void fetch_ahead(struct head_series *const *series, size_t count, size_t at)
{
    enum { FETCH_SERIES = 12, FETCH_SAMPLES = 6, LINE = 64 };
    if (at + FETCH_SERIES < count) {
        const char *next = (const char *)series[at + FETCH_SERIES];
        __builtin_prefetch(next);
        __builtin_prefetch(next + LINE);
    }
    if (at + FETCH_SAMPLES < count) {
        const struct head_data *next = &series[at + FETCH_SAMPLES]->frozen;
        const char *tail = (const char *)next->tail;
        for (int i = 0; tail != NULL && i < 4; i++) __builtin_prefetch(tail + (size_t)i * LINE);
        if (next->chunks != NULL) __builtin_prefetch(next->chunks);
    }
}

/* The frozen samples do not change, and neither do the pairs of series in use: no lock. */
static int write_frozen(struct tsdb *db, struct block_writer *writer, bool is_late,
                        struct error *error)
{
    rank_order(&db->head, &db->cut.snapshot, db->frozen, db->frozen_count);
    struct samples samples = { 0 };
    int code = 0;
    for (size_t i = 0; i < db->frozen_count && code == 0; i++) {
        fetch_ahead(db->frozen, db->frozen_count, i);
        code = is_late ? add_late(db, writer, db->frozen[i], &samples, error)
                       : add_frozen(db, writer, db->frozen[i], &samples, error);
    }
    free(samples.times);
    free(samples.values);
    return code;
}

/* Ends a block that was filled, puts it in place and opens it. On failure nothing of it stays. */
static int publish(struct tsdb *db, struct block_writer *writer, struct block_meta *meta,
                   struct block **block, struct error *error)
{
    char fresh[FILE_PATH_SIZE];
    char path[FILE_PATH_SIZE];
    const struct disk *disk = disk_of(db);
    int code = tsdb_block_path(db, meta->id, ".tmp", fresh, error);
    if (code == 0) code = tsdb_block_path(db, meta->id, "", path, error);
    if (code == 0) code = block_writer_finish(writer, meta, error);
    if (code != 0) return code;
    code = disk->rename(disk->state, fresh, path);
    if (code == 0) code = disk->sync_folder(disk->state, db->block_folder);
    if (code != 0) {
        return error_set(error, code, "put block '%s' in place: %s", path, strerrordesc_np(-code));
    }
    return block_open(block, disk, path, error);
}

static void remove_file(const struct tsdb *db, uint64_t id, const char *ending, bool *is_left)
{
    char path[FILE_PATH_SIZE];
    int code = tsdb_block_path(db, id, ending, path, NULL);
    if (code == 0) code = disk_of(db)->remove(disk_of(db)->state, path);
    if (code != 0 && code != -ENOENT) *is_left = true;
}

void tsdb_remove_unlisted(struct tsdb *db)
{
    const struct disk *disk = disk_of(db);
    bool is_left = false;
    for (size_t i = 0; i < db->unlisted.count; i++) {
        remove_file(db, db->unlisted.items[i], "", &is_left);
    }
    if (disk->sync_folder(disk->state, db->block_folder) != 0 || is_left) return;
    for (size_t i = 0; i < db->unlisted.count; i++) {
        remove_file(db, db->unlisted.items[i], ".deleted", &is_left);
    }
    db->unlisted.count = 0;
}

/* Takes away what a block that did not come about has left. It may have got its name already, and
 * would count if it came back: so it is kept in mind until it has surely gone. */
static void discard(struct tsdb *db, uint64_t id)
{
    bool is_left;
    remove_file(db, id, ".tmp", &is_left);
    (void)!VEC_PUSH(&db->unlisted, id);
    tsdb_remove_unlisted(db);
}

static int new_writer(struct tsdb *db, uint64_t id, enum column_effort effort,
                      struct block_writer **writer, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = tsdb_block_path(db, id, ".tmp", path, error);
    if (code != 0) return code;
    (void)disk_of(db)->remove(disk_of(db)->state, path);
    return block_writer_new(writer, disk_of(db), path, effort, error);
}

/* Writes one of the blocks of a cut; *block NULL when there was nothing for it. */
static int write_block(struct tsdb *db, bool is_late, struct block **block, struct error *error)
{
    uint64_t id = db->next_block++;
    struct block_writer *writer = NULL;
    int code = new_writer(db, id, COLUMN_FAST, &writer, error);
    if (code == 0) code = write_frozen(db, writer, is_late, error);
    bool is_empty = code == 0 && block_writer_series(writer) == 0;
    struct block_meta meta = { .id = id, .log_through = db->cut.through, .level = 1 };
    /* Only the last block says that the log is in blocks: a recovery in between reads the log
     * again, and finds late samples twice, of which one counts. */
    if (is_late && db->cut.has_ordered) meta.log_through = db->log_through;
    if (db->unlisted.count <= BLOCK_REPLACES_MAX) {
        meta.replaces = db->unlisted.items;
        meta.replaces_count = (uint32_t)db->unlisted.count;
    }
    if (code == 0 && !is_empty) code = publish(db, writer, &meta, block, error);
    block_writer_free(writer);
    if (code != 0 || is_empty) discard(db, id);
    return code;
}

static int list_block(struct tsdb *db, struct block *block, struct error *error)
{
    if (block == NULL) return 0;
    mutex_lock(&db->mutex);
    int code = tsdb_insert_block(db, block);
    mutex_unlock(&db->mutex);
    return code == 0 ? 0 : error_set(error, code, "no memory for a block");
}

static int write_cut(struct tsdb *db, struct block **block, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = tsdb_series_path(db, db->cut.through, path, error);
    if (code == 0) {
        code = series_file_write(disk_of(db), path, &db->head, &db->cut.snapshot, error);
    }
    if (code == 0 && db->cut.has_late) {
        struct block *late = NULL;
        code = write_block(db, true, &late, error);
        if (code == 0) code = list_block(db, late, error);
        if (code == 0) db->cut.has_late = false;
    }
    return code == 0 && db->cut.has_ordered ? write_block(db, false, block, error) : code;
}

struct removal {
    struct tsdb *db;
    uint64_t keep;
};

static int remove_series_file(void *argument, const char *name)
{
    const struct removal *removal = argument;
    struct str text = str_from(name);
    uint64_t number;
    if (!str_ends_with(text, STR(".series"))) return 0;
    if (!str_to_uint64(str_first(text, text.size - 7), &number)) return 0;
    if (number >= removal->keep) return 0;
    char path[FILE_PATH_SIZE];
    if (file_join(path, removal->db->log_folder, name, NULL) != 0) return 0;
    (void)disk_of(removal->db)->remove(disk_of(removal->db)->state, path);
    return 0;
}

/* What the blocks hold the log need not. Failing here costs room only: the next cut tries again. */
static void shorten_log(struct tsdb *db)
{
    tsdb_take_turn(db);
    struct error error = { 0 };
    if (wal_drop(&db->wal, db->log_through, &error) != 0) {
        tsdb_report(db, "old log not removed", db->log_folder, &error);
    }
    struct removal removal = { db, db->log_through };
    (void)disk_of(db)->list(disk_of(db)->state, db->log_folder, remove_series_file, &removal);
    mutex_lock(&db->mutex);
    tsdb_note_log_locked(db);
    mutex_unlock(&db->mutex);
    tsdb_give_turn(db);
}

/* The log that is in blocks, gone for good. Before the last block goes that says so: without it a
 * recovery would read that log again, and with it what was deleted since. */
static int end_old_log(struct tsdb *db, struct block *const *leaving, size_t count,
                       struct error *error)
{
    for (size_t i = 0; i < db->blocks.count; i++) {
        bool is_leaving = false;
        for (size_t k = 0; k < count; k++) is_leaving |= leaving[k] == db->blocks.items[i];
        if (!is_leaving && db->blocks.items[i]->meta.log_through == db->log_through) return 0;
    }
    tsdb_take_turn(db);
    int code = wal_drop(&db->wal, db->log_through, error);
    if (code == 0) {
        code = disk_of(db)->sync_folder(disk_of(db)->state, db->log_folder);
        if (code != 0) {
            (void)error_set(error, code, "sync '%s': %s", db->log_folder, strerrordesc_np(-code));
        }
    }
    tsdb_give_turn(db);
    return code;
}

static int freeze_locked(struct tsdb *db)
{
    struct head *head = &db->head;
    if (head->totals.sample_count == 0) return 0;
    int64_t before_ms;
    if (head->max_ms != INT64_MIN &&
        !__builtin_sub_overflow(head->max_ms, db->options.past_max_ms, &before_ms)) {
        (void)head_collect_garbage(head, before_ms);
        if (db->cursors == 0) head_free_limbo(head);
    }
    int code = series_snapshot_take(&db->cut.snapshot, head);
    if (code != 0) return code;
    db->frozen_min_ms = head->min_ms;
    db->cut.has_late = false;
    db->cut.has_ordered = false;
    code = head_freeze(head, &db->frozen, &db->frozen_count);
    if (code != 0) {
        series_snapshot_release(&db->cut.snapshot);
        return code;
    }
    for (size_t i = 0; i < db->frozen_count; i++) {
        const struct side *side = side_of(head, db->frozen[i]);
        if (side != NULL && side->frozen.late.count > 0) db->cut.has_late = true;
        if (head_has_frozen(db->frozen[i])) db->cut.has_ordered = true;
    }
    db->cut.is_pending = true;
    return 0;
}

static int freeze(struct tsdb *db, struct error *error)
{
    tsdb_take_turn(db);
    uint64_t through = 0;
    int code = wal_cut(&db->wal, &through, error);
    if (code == 0) {
        mutex_lock(&db->mutex);
        code = freeze_locked(db);
        if (code != 0) (void)error_set(error, code, "no memory to cut the head");
        mutex_unlock(&db->mutex);
    }
    if (code == 0 && db->cut.is_pending) db->cut.through = through;
    tsdb_give_turn(db);
    return code;
}

int tsdb_cut(struct tsdb *db, struct error *error)
{
    /* Without memory for it the cut sorts by text what has no rank. */
    if (!db->cut.is_pending) (void)tsdb_rank_series(db, UINT64_MAX, NULL);
    int code = db->cut.is_pending ? 0 : freeze(db, error);
    if (code != 0 || !db->cut.is_pending) return code;
    struct block *block = NULL;
    code = write_cut(db, &block, error);
    mutex_lock(&db->mutex);
    if (code == 0 && block != NULL) {
        code = tsdb_insert_block(db, block);
        if (code != 0) (void)error_set(error, code, "no memory for a block");
    }
    if (code != 0) {
        db->stats.cuts_failed++;
        mutex_unlock(&db->mutex);
        return code;
    }
    head_thaw(&db->head, db->frozen, db->frozen_count);
    free(db->frozen);
    db->frozen = NULL;
    db->frozen_count = 0;
    db->stats.cuts++;
    mutex_unlock(&db->mutex);
    db->log_through = db->cut.through;
    series_snapshot_release(&db->cut.snapshot);
    db->cut.is_pending = false;
    shorten_log(db);
    return 0;
}

/* ---- merging ---- */

/* With many series a cut costs much for each of them, whatever it brings: the log may be longer by
 * what is read again in a microsecond a series. */
static uint64_t log_size_max_locked(const struct tsdb *db)
{
    enum { SIZE_A_SERIES = 192 };
    return db->options.log_size_max + db->head.totals.series_count * SIZE_A_SERIES;
}

static bool is_cut_due(struct tsdb *db)
{
    if (db->cut.is_pending) return true;
    mutex_lock(&db->mutex);
    const struct head *head = &db->head;
    int64_t span = 0;
    bool is_due = false;
    if (head->totals.sample_count > 0) {
        bool is_wide = __builtin_sub_overflow(head->max_ms, head->min_ms, &span);
        int64_t most = db->options.block_duration_ms + db->options.block_duration_ms / 2;
        is_due = is_wide || span >= most || db->stats.log_size >= log_size_max_locked(db) ||
                 (tsdb_is_idle_locked(db) && db->stats.log_size >= IDLE_CUT_SIZE) ||
                 (db->options.head_size_max > 0 &&
                  head->totals.chunk_size > db->options.head_size_max / 2);
    }
    mutex_unlock(&db->mutex);
    return is_due;
}

/* A merge may take long: the head is cut meanwhile, so that neither it nor the log grows past its
 * size. A cut that fails is tried again after the merge. */
static void cut_between(struct tsdb *db)
{
    struct error error = { 0 };
    if (db->cut.is_pending || !is_cut_due(db)) return;
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

/* Takes blocks out of the list and off the disk. */
static void remove_blocks(struct tsdb *db, struct block *const *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t id = blocks[i]->meta.id;
        mutex_lock(&db->mutex);
        for (size_t k = 0; k < db->blocks.count; k++) {
            if (db->blocks.items[k] != blocks[i]) continue;
            VEC_REMOVE(&db->blocks, k);
            tsdb_unref_block(blocks[i]);
            break;
        }
        mutex_unlock(&db->mutex);
        /* Without memory for the list a later opening finds it, with its notes. */
        (void)!VEC_PUSH(&db->unlisted, id);
    }
    tsdb_remove_unlisted(db);
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
    int code = new_writer(db, meta.id, effort, &writer, error);
    if (code == 0) code = fill_merged(db, blocks, count, writer, error);
    bool is_empty = code == 0 && block_writer_series(writer) == 0;
    if (code == 0 && !is_empty) code = publish(db, writer, &meta, &block, error);
    block_writer_free(writer);
    if (is_empty) code = end_old_log(db, blocks, count, error);
    if (code != 0 || is_empty) discard(db, meta.id);
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
    if (code == 0) remove_blocks(db, blocks, count);
    return code;
}

/* One merge. *is_done: there was nothing to do. */
static int merge_once(struct tsdb *db, bool *is_done, struct error *error)
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

/* ---- from outside ---- */

int tsdb_start_block(struct tsdb *db, uint64_t *id, struct block_writer **writer,
                     struct error *error)
{
    *id = db->next_block++;
    return new_writer(db, *id, COLUMN_FAST, writer, error);
}

int tsdb_publish_block(struct tsdb *db, struct block_writer *writer, uint64_t id,
                       struct error *error)
{
    struct block_meta meta = { .id = id, .log_through = db->log_through, .level = 1 };
    struct block *block = NULL;
    int code = publish(db, writer, &meta, &block, error);
    if (code == 0) code = list_block(db, block, error);
    if (code != 0) return code;
    mutex_lock(&db->mutex);
    if (block->meta.max_time_ms > db->head.max_ms) db->head.max_ms = block->meta.max_time_ms;
    mutex_unlock(&db->mutex);
    return 0;
}

void tsdb_discard_block(struct tsdb *db, uint64_t id)
{
    discard(db, id);
}

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
        if (old == NULL || end_old_log(db, &old, 1, NULL) != 0) return;
        mutex_lock(&db->mutex);
        if (is_by_size) db->stats.retention_size_removed++;
        if (!is_by_size) db->stats.retention_time_removed++;
        mutex_unlock(&db->mutex);
        remove_blocks(db, &old, 1);
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
    if (code == 0 && is_cut_due(db)) code = tsdb_cut(db, error);
    bool is_done = false;
    while (code == 0 && !is_done) code = merge_once(db, &is_done, error);
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

/* A cut that waited to be tried again has only what the head held then. */
int tsdb_cut_all(struct tsdb *db, struct error *error)
{
    bool was_pending = db->cut.is_pending;
    int code = tsdb_cut(db, error);
    return code == 0 && was_pending ? tsdb_cut(db, error) : code;
}

int tsdb_flush(struct tsdb *db, struct error *error)
{
    mutex_lock(&db->work);
    int code = tsdb_cut_all(db, error);
    mutex_unlock(&db->work);
    return code;
}
