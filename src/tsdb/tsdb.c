/* tsdb.c - the store's opening and closing, and its recovery.
 *
 * RECOVERY 1 leftovers with the ending ".tmp" go
 *          2 blocks are opened; damaged ones are renamed to ".damaged"; those that another block
 *            replaces go
 *          3 the series file of the newest cut gives the series and their last samples
 *          4 the log after that cut is put into the head, batch by batch
 *          5 a deletion that was not finished is
 */
#include "tsdb/tsdb.h"

#include "base/check.h"
#include "tsdb/db.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND_MS = 1000 };

void tsdb_options_init(struct tsdb_options *options, const char *folder)
{
    *options = (struct tsdb_options){
        .folder = folder,
        .disk = &disk_system,
        .clock = &clock_system,
        .takes_lock = true,
        .has_thread = true,
        .sync = TSDB_SYNC_COMMIT,
        .sync_interval_ms = 200,
        .block_duration_ms = INT64_C(2) * 3600 * 1000,
        .log_size_max = UINT64_C(20) << 20,
        .segment_size_max = UINT64_C(64) << 20,
        .reserve_size = UINT64_C(64) << 20,
        .past_max_ms = INT64_C(3600) * 1000,
        .future_max_ms = INT64_C(600) * 1000,
        .label_count_max = 128,
        .label_size_max = 64 << 10,
        .batch_samples_max = 4 << 20,
    };
}

void tsdb_report(struct tsdb *db, const char *message, const char *file, const struct error *error)
{
    if (db->options.report == NULL) return;
    struct tsdb_event event = { message, file, error };
    db->options.report(db->options.report_state, &event);
}

struct names {
    VEC(char *) items;
};

static int collect_name(void *argument, const char *name)
{
    struct names *names = argument;
    char *copy = str_copy(str_from(name));
    if (copy == NULL) return -ENOMEM;
    if (VEC_PUSH(&names->items, copy)) return 0;
    free(copy);
    return -ENOMEM;
}

static void names_release(struct names *names)
{
    for (size_t i = 0; i < names->items.count; i++) free(names->items.items[i]);
    VEC_RELEASE(&names->items);
}

static int list_names(const struct tsdb *db, const char *folder, struct names *names,
                      struct error *error)
{
    const struct disk *disk = db->options.disk;
    int code = disk->list(disk->state, folder, collect_name, names);
    if (code == 0) return 0;
    names_release(names);
    return error_set(error, code, "list '%s': %s", folder, strerrordesc_np(-code));
}

/* What a crash left half written. */
static int remove_leftovers(struct tsdb *db, const char *folder, struct error *error)
{
    struct names names = { 0 };
    int code = list_names(db, folder, &names, error);
    if (code != 0) return code;
    bool is_changed = false;
    for (size_t i = 0; i < names.items.count; i++) {
        char path[FILE_PATH_SIZE];
        if (!str_ends_with(str_from(names.items.items[i]), STR(".tmp"))) continue;
        if (file_join(path, folder, names.items.items[i], NULL) != 0) continue;
        (void)db->options.disk->remove(db->options.disk->state, path);
        is_changed = true;
    }
    names_release(&names);
    if (is_changed) (void)db->options.disk->sync_folder(db->options.disk->state, folder);
    return 0;
}

static void set_aside(struct tsdb *db, const char *path, const struct error *error)
{
    char aside[FILE_PATH_SIZE];
    int length = snprintf(aside, sizeof(aside), "%s.damaged", path);
    db->stats.block_corruptions++;
    if (length > 0 && (size_t)length < sizeof(aside)) {
        (void)db->options.disk->rename(db->options.disk->state, path, aside);
        (void)db->options.disk->sync_folder(db->options.disk->state, db->block_folder);
    }
    tsdb_report(db, "damaged block set aside", path, error);
}

/* One name in the folder of blocks: opened, set aside, or passed over. */
static int load_block(struct tsdb *db, const char *name, struct error *error)
{
    struct str text = str_from(name);
    uint64_t id;
    struct str number = str_first(text, str_find_char(text, '.'));
    if (number.size == STR_NONE || !str_to_uint64(number, &id)) return 0;
    if (id >= db->next_block) db->next_block = id + 1;
    if (!str_ends_with(text, STR(".block"))) return 0;
    char path[FILE_PATH_SIZE];
    int code = file_join(path, db->block_folder, name, error);
    if (code != 0) return code;
    struct block *block = NULL;
    struct error cause = { 0 };
    code = block_open(&block, db->options.disk, path, &cause);
    if (code == ERROR_CORRUPT) {
        set_aside(db, path, &cause);
        return 0;
    }
    if (code != 0) {
        if (error != NULL) *error = cause;
        return code;
    }
    if (block_read_tombstones(block, &cause) != 0) {
        db->stats.block_corruptions++;
        tsdb_report(db, "deletions of a block are lost", path, &cause);
    }
    code = tsdb_insert_block(db, block);
    if (code == 0) return 0;
    block_free(block);
    return error_set(error, code, "no memory for a block");
}

static bool names_as_replaced(const struct block *block, uint64_t id)
{
    for (uint32_t i = 0; i < block->meta.replaces_count; i++) {
        if (block->meta.replaces[i] == id) return true;
    }
    return false;
}

static bool is_unlisted(const struct tsdb *db, uint64_t id)
{
    for (size_t i = 0; i < db->unlisted.count; i++) {
        if (db->unlisted.items[i] == id) return true;
    }
    return false;
}

/* What a replaced block says does not count: it may be one that never came about. A block names
 * older ones only, so the youngest of those not judged yet is always sure. */
static bool is_replaced(const struct tsdb *db, uint64_t id)
{
    for (size_t i = 0; i < db->blocks.count; i++) {
        const struct block *block = db->blocks.items[i];
        if (block->meta.id > id && names_as_replaced(block, id) &&
            !is_unlisted(db, block->meta.id)) {
            return true;
        }
    }
    return false;
}

static struct block *youngest_below(const struct tsdb *db, uint64_t id)
{
    struct block *youngest = NULL;
    for (size_t i = 0; i < db->blocks.count; i++) {
        struct block *block = db->blocks.items[i];
        if (block->meta.id >= id) continue;
        if (youngest == NULL || block->meta.id > youngest->meta.id) youngest = block;
    }
    return youngest;
}

/* A crash between a merge and the removal of what it replaced. */
static int remove_replaced(struct tsdb *db)
{
    uint64_t id = UINT64_MAX;
    for (;;) {
        const struct block *block = youngest_below(db, id);
        if (block == NULL) break;
        id = block->meta.id;
        if (is_replaced(db, id) && !VEC_PUSH(&db->unlisted, id)) return -ENOMEM;
    }
    for (size_t i = 0; i < db->unlisted.count; i++) {
        for (size_t k = 0; k < db->blocks.count; k++) {
            struct block *block = db->blocks.items[k];
            if (block->meta.id != db->unlisted.items[i]) continue;
            VEC_REMOVE(&db->blocks, k);
            block_free(block);
            break;
        }
    }
    tsdb_remove_unlisted(db);
    return 0;
}

static int load_blocks(struct tsdb *db, struct error *error)
{
    struct names names = { 0 };
    int code = list_names(db, db->block_folder, &names, error);
    for (size_t i = 0; i < names.items.count && code == 0; i++) {
        code = load_block(db, names.items.items[i], error);
    }
    names_release(&names);
    if (code != 0) return code;
    if (remove_replaced(db) != 0) return error_set(error, -ENOMEM, "no memory for the store");
    for (size_t i = 0; i < db->blocks.count; i++) {
        const struct block_meta *meta = &db->blocks.items[i]->meta;
        if (meta->log_through > db->log_through) db->log_through = meta->log_through;
        if (meta->max_time_ms > db->head.max_ms) db->head.max_ms = meta->max_time_ms;
    }
    return 0;
}

/* What stands in the folder of the log. */
struct log_files {
    VEC(uint64_t) series; /* numbers of series files, ascending as names are */
    uint64_t first;       /* segment behind the blocks; UINT64_MAX = none */
};

static int list_log(const struct tsdb *db, struct log_files *files, struct error *error)
{
    struct names names = { 0 };
    int code = list_names(db, db->log_folder, &names, error);
    if (code != 0) return code;
    files->first = UINT64_MAX;
    for (size_t i = 0; i < names.items.count && code == 0; i++) {
        struct str text = str_from(names.items.items[i]);
        uint64_t number;
        struct str digits = str_first(text, str_find_char(text, '.'));
        if (digits.size == STR_NONE || !str_to_uint64(digits, &number)) continue;
        if (str_ends_with(text, STR(".wal")) && number > db->log_through && number < files->first) {
            files->first = number;
        }
        if (!str_ends_with(text, STR(".series"))) continue;
        if (!VEC_PUSH(&files->series, number)) code = error_set(error, -ENOMEM, "no memory");
    }
    names_release(&names);
    return code;
}

/* How well a series file fits: the newest from before the log's first segment, for the log up to it
 * is in blocks, or was in blocks that have gone since; of a later one only the labels are of use,
 * for its last samples are in the log that is still to come. */
static int fitness(const struct tsdb *db, const struct log_files *files, uint64_t number)
{
    if (number >= db->log_through && number < files->first) return 2;
    return number > db->log_through ? 1 : 0;
}

static int load_series_file(struct tsdb *db, uint64_t number, bool has_samples, bool *is_loaded,
                            struct error *error)
{
    char path[FILE_PATH_SIZE];
    struct error cause = { 0 };
    int code = tsdb_series_path(db, number, path, error);
    if (code != 0) return code;
    code = series_file_read(db->options.disk, path, &db->head, has_samples, &cause);
    *is_loaded = code == 0;
    if (code == ERROR_CORRUPT) {
        db->stats.log_corruptions++;
        tsdb_report(db, "series file is damaged", path, &cause);
        return 0;
    }
    if (code != 0 && error != NULL) *error = cause;
    return code;
}

static int load_series(struct tsdb *db, uint64_t *number_out, struct error *error)
{
    struct log_files files = { 0 };
    int code = list_log(db, &files, error);
    bool is_loaded = false;
    for (int wanted = 2; wanted > 0 && code == 0 && !is_loaded; wanted--) {
        for (size_t i = files.series.count; i-- > 0 && code == 0 && !is_loaded;) {
            uint64_t number = files.series.items[i];
            if (fitness(db, &files, number) != wanted) continue;
            code = load_series_file(db, number, wanted > 1, &is_loaded, error);
            if (number > *number_out) *number_out = number;
        }
    }
    VEC_RELEASE(&files.series);
    return code;
}

static int apply(void *argument, struct str payload)
{
    struct tsdb_replay *replay = argument;
    struct tsdb *db = replay->db;
    struct error cause = { 0 };
    int code = tsdb_replay_payload(replay, payload, &cause);
    if (code != ERROR_CORRUPT) return code;
    /* Its checksum held: written so. Nothing of a later record hangs on it. */
    db->stats.log_corruptions++;
    tsdb_report(db, "record of the log is malformed", NULL, &cause);
    return 0;
}

static int replay_log(struct tsdb *db, struct error *error)
{
    struct tsdb_replay replay = { .db = db };
    int code = wal_replay(&db->wal, db->log_through, apply, &replay, error);
    tsdb_replay_end(&replay);
    return code;
}

/* It counts from here on; that the disk takes no notes of it now is no reason not to open. */
static int finish_deletion(struct tsdb *db, struct error *error)
{
    struct error cause = { 0 };
    int code = remove_leftovers(db, db->folder, error);
    if (code == 0 && tsdb_finish_deletion(db, &cause) != 0) {
        tsdb_report(db, "deletion is not finished", db->folder, &cause);
    }
    return code;
}

static int recover(struct tsdb *db, struct error *error)
{
    int64_t start_ns = clock_monotonic_ns(db->options.clock);
    int code = remove_leftovers(db, db->block_folder, error);
    if (code == 0) code = remove_leftovers(db, db->log_folder, error);
    if (code == 0) code = load_blocks(db, error);
    uint64_t least_segment = db->log_through;
    if (code == 0) code = load_series(db, &least_segment, error);
    if (code == 0) code = replay_log(db, error);
    if (code != 0) return code;
    if (db->wal.segment < least_segment) db->wal.segment = least_segment;
    struct error cause = { 0 };
    if (wal_drop(&db->wal, db->log_through, &cause) != 0) {
        tsdb_report(db, "old log not removed", db->log_folder, &cause);
    }
    code = finish_deletion(db, error);
    if (code != 0) return code;
    tsdb_note_log_locked(db);
    db->stats.samples_appended = 0;
    db->stats.replay_ns = clock_monotonic_ns(db->options.clock) - start_ns;
    if (db->wal.totals.corruptions > 0) tsdb_report(db, "log was cut", db->log_folder, NULL);
    return 0;
}

static void sync_log(struct tsdb *db)
{
    struct error error = { 0 };
    tsdb_take_turn(db);
    int code = wal_sync(&db->wal, &error);
    mutex_lock(&db->mutex);
    tsdb_note_log_locked(db);
    mutex_unlock(&db->mutex);
    tsdb_give_turn(db);
    if (code != 0) tsdb_report(db, "log not synced", db->log_folder, &error);
}

static void *run_thread(void *argument)
{
    struct tsdb *db = argument;
    bool has_interval = db->options.sync == TSDB_SYNC_INTERVAL;
    int64_t wait_ms = has_interval ? db->options.sync_interval_ms : ROUND_MS;
    int64_t next_ms = 0;
    mutex_lock(&db->work);
    (void)tsdb_rank_series(db, UINT64_MAX, NULL); /* until then queries sort by text; they can */
    mutex_unlock(&db->work);
    for (;;) {
        mutex_lock(&db->thread_mutex);
        if (!db->is_stopping) {
            (void)condition_wait_ms(&db->thread_wake, &db->thread_mutex, wait_ms);
        }
        bool is_stopping = db->is_stopping;
        mutex_unlock(&db->thread_mutex);
        if (is_stopping) return NULL;
        sync_log(db); /* by commit, too: some batches may wait for it */
        int64_t now_ms = clock_monotonic_ms(db->options.clock);
        if (now_ms < next_ms) continue;
        next_ms = now_ms + ROUND_MS;
        struct error error = { 0 };
        if (tsdb_maintain(db, &error) != 0) {
            tsdb_report(db, "cut or merge failed", db->folder, &error);
        }
    }
}

static void db_free(struct tsdb *db)
{
    if (db == NULL) return;
    for (size_t i = 0; i < db->blocks.count; i++) block_free(db->blocks.items[i]);
    VEC_RELEASE(&db->blocks);
    VEC_RELEASE(&db->unlisted);
    free(db->frozen);
    series_snapshot_release(&db->cut.snapshot);
    head_release(&db->head);
    exemplars_release(&db->exemplars);
    wal_release(&db->wal);
    if (db->lock >= 0) file_unlock(db->lock);
    condition_release(&db->thread_wake);
    mutex_release(&db->thread_mutex);
    condition_release(&db->turn_changed);
    mutex_release(&db->mutex);
    mutex_release(&db->work);
    free(db);
}

static int open_folders(struct tsdb *db, struct error *error)
{
    const struct disk *disk = db->options.disk;
    int code = file_make_folders(disk, db->folder, error);
    if (code == 0 && db->options.takes_lock) code = file_lock_folder(db->folder, &db->lock, error);
    if (code == 0) code = file_join(db->log_folder, db->folder, "wal", error);
    if (code == 0) code = file_join(db->block_folder, db->folder, "blocks", error);
    if (code == 0) code = file_make_folders(disk, db->log_folder, error);
    if (code == 0) code = file_make_folders(disk, db->block_folder, error);
    if (code == 0) {
        code = wal_init(&db->wal, disk, db->options.clock, db->log_folder,
                        db->options.segment_size_max, error);
        db->wal.counts_unsynced = db->options.sync == TSDB_SYNC_INTERVAL;
    }
    return code;
}

int tsdb_open(struct tsdb **db_out, const struct tsdb_options *options, struct error *error)
{
    struct tsdb *db = calloc(1, sizeof(*db));
    if (db == NULL) return error_set(error, -ENOMEM, "no memory for the store");
    db->options = *options;
    db->options.folder = NULL;
    db->lock = -1;
    db->next_block = 1;
    db->committed_ns = clock_monotonic_ns(options->clock);
    mutex_init(&db->work);
    mutex_init(&db->mutex);
    condition_init(&db->turn_changed);
    mutex_init(&db->thread_mutex);
    condition_init(&db->thread_wake);
    int code = 0;
    if (!str_to_cstr(str_from(options->folder), db->folder, sizeof(db->folder))) {
        code = error_set(error, ERROR_LIMIT, "path '%s' is too long", options->folder);
    }
    if (code == 0 && head_init(&db->head) != 0) {
        code = error_set(error, -ENOMEM, "no memory for the store");
    }
    if (code == 0 && exemplars_init(&db->exemplars, options->exemplars_max) != 0) {
        code = error_set(error, -ENOMEM, "no memory for %zu exemplars", options->exemplars_max);
    }
    if (code == 0) code = open_folders(db, error);
    if (code == 0) code = recover(db, error);
    if (code == 0 && options->has_thread) {
        code = thread_start(&db->thread, "tsdb", run_thread, db, error);
        db->has_thread = code == 0;
    }
    if (code != 0) {
        db_free(db);
        return code;
    }
    *db_out = db;
    return 0;
}

void tsdb_close(struct tsdb *db)
{
    if (db == NULL) return;
    if (db->has_thread) {
        mutex_lock(&db->thread_mutex);
        db->is_stopping = true;
        condition_signal(&db->thread_wake);
        mutex_unlock(&db->thread_mutex);
        thread_join(db->thread);
    }
    sync_log(db);
    db_free(db);
}

struct sample_sink tsdb_sink(struct tsdb *db)
{
    return (struct sample_sink){ .state = db, .begin = tsdb_begin };
}

void tsdb_note_change(struct tsdb *db, int64_t min_time_ms)
{
    mutex_lock(&db->mutex);
    changes_note(&db->changes, min_time_ms);
    mutex_unlock(&db->mutex);
}

int64_t tsdb_changed_since(void *state, uint64_t *position)
{
    struct tsdb *db = state;
    mutex_lock(&db->mutex);
    int64_t since_ms = changes_since(&db->changes, *position);
    *position = db->changes.position;
    mutex_unlock(&db->mutex);
    return since_ms;
}

struct series_source tsdb_source(struct tsdb *db)
{
    return (struct series_source){
        .state = db,
        .select = tsdb_select,
        .label_names = tsdb_label_names,
        .label_values = tsdb_label_values,
        .changed_since = tsdb_changed_since,
    };
}
