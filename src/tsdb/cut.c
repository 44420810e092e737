/* cut.c - from the head to a block.
 *
 * CUT      1 end the log's segment, freeze the head, note the state of all series (one moment)
 *          2 write the series file, then the block under a temporary name, each synced
 *          3 rename the block into place, sync the folder: from here on a recovery takes the
 *            block, and the log after the segment that the block names
 *          4 put the block in the list and forget the frozen samples (one moment)
 *          5 remove the segments and the older series files
 *          A cut that fails at 2 or 3 keeps its frozen samples and is tried again.
 */
#include "base/check.h"
#include "tsdb/column.h"
#include "tsdb/db.h"
#include "tsdb/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_CUT_SIZE   (1u << 20) /* of log: less is not worth a block */
#define GROUP_ARENA_MAX ((size_t)1 << 30)

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
    arena_init(&arena, GROUP_ARENA_MAX);
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

/* Writes one of the blocks of a cut; *block NULL when there was nothing for it. */
static int write_block(struct tsdb *db, bool is_late, struct block **block, struct error *error)
{
    uint64_t id = db->next_block++;
    struct block_writer *writer = NULL;
    int code = tsdb_new_writer(db, id, COLUMN_FAST, &writer, error);
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
    if (code == 0 && !is_empty) code = tsdb_put_block(db, writer, &meta, block, error);
    block_writer_free(writer);
    if (code != 0 || is_empty) tsdb_discard_block(db, id);
    return code;
}

static int write_cut(struct tsdb *db, struct block **block, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = tsdb_series_path(db, db->cut.through, path, error);
    if (code == 0) {
        code = series_file_write(db->options.disk, path, &db->head, &db->cut.snapshot, error);
    }
    if (code == 0 && db->cut.has_late) {
        struct block *late = NULL;
        code = write_block(db, true, &late, error);
        if (code == 0) code = tsdb_list_block(db, late, error);
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
    const struct disk *disk = removal->db->options.disk;
    (void)disk->remove(disk->state, path);
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
    (void)db->options.disk->list(db->options.disk->state, db->log_folder, remove_series_file,
                                 &removal);
    mutex_lock(&db->mutex);
    tsdb_note_log_locked(db);
    mutex_unlock(&db->mutex);
    tsdb_give_turn(db);
}

int tsdb_end_old_log(struct tsdb *db, struct block *const *leaving, size_t count,
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
        code = db->options.disk->sync_folder(db->options.disk->state, db->log_folder);
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

/* A cut that waited to be tried again has only what the head held then. */
int tsdb_cut_all(struct tsdb *db, struct error *error)
{
    bool was_pending = db->cut.is_pending;
    int code = tsdb_cut(db, error);
    return code == 0 && was_pending ? tsdb_cut(db, error) : code;
}

/* With many series a cut costs much for each of them, whatever it brings: the log may be longer by
 * what is read again in a microsecond a series. */
static uint64_t log_size_max_locked(const struct tsdb *db)
{
    enum { SIZE_A_SERIES = 192 };
    return db->options.log_size_max + db->head.totals.series_count * SIZE_A_SERIES;
}

bool tsdb_is_cut_due(struct tsdb *db)
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
