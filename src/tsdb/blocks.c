/* blocks.c - the list of blocks and their files: made under a temporary name, put in place,
 * removed. */
#include "base/check.h"
#include "tsdb/db.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

int tsdb_put_block(struct tsdb *db, struct block_writer *writer, struct block_meta *meta,
                   struct block **block, struct error *error)
{
    char fresh[FILE_PATH_SIZE];
    char path[FILE_PATH_SIZE];
    const struct disk *disk = db->options.disk;
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
    if (code == 0) code = db->options.disk->remove(db->options.disk->state, path);
    if (code != 0 && code != -ENOENT) *is_left = true;
}

void tsdb_remove_unlisted(struct tsdb *db)
{
    const struct disk *disk = db->options.disk;
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

void tsdb_discard_block(struct tsdb *db, uint64_t id)
{
    bool is_left;
    remove_file(db, id, ".tmp", &is_left);
    (void)!VEC_PUSH(&db->unlisted, id);
    tsdb_remove_unlisted(db);
}

int tsdb_new_writer(struct tsdb *db, uint64_t id, enum column_effort effort,
                    struct block_writer **writer, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = tsdb_block_path(db, id, ".tmp", path, error);
    if (code != 0) return code;
    (void)db->options.disk->remove(db->options.disk->state, path);
    return block_writer_new(writer, db->options.disk, path, effort, error);
}

int tsdb_list_block(struct tsdb *db, struct block *block, struct error *error)
{
    if (block == NULL) return 0;
    mutex_lock(&db->mutex);
    int code = tsdb_insert_block(db, block);
    mutex_unlock(&db->mutex);
    return code == 0 ? 0 : error_set(error, code, "no memory for a block");
}

void tsdb_remove_blocks(struct tsdb *db, struct block *const *blocks, size_t count)
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

int tsdb_start_block(struct tsdb *db, uint64_t *id, struct block_writer **writer,
                     struct error *error)
{
    *id = db->next_block++;
    return tsdb_new_writer(db, *id, COLUMN_FAST, writer, error);
}

int tsdb_publish_block(struct tsdb *db, struct block_writer *writer, uint64_t id,
                       struct error *error)
{
    struct block_meta meta = { .id = id, .log_through = db->log_through, .level = 1 };
    struct block *block = NULL;
    int code = tsdb_put_block(db, writer, &meta, &block, error);
    if (code == 0) code = tsdb_list_block(db, block, error);
    if (code != 0) return code;
    mutex_lock(&db->mutex);
    if (block->meta.max_time_ms > db->head.max_ms) db->head.max_ms = block->meta.max_time_ms;
    mutex_unlock(&db->mutex);
    return 0;
}
