/* snapshot.c - a copy of the store beside it.
 *
 * Blocks never change, so the copy shares their files by other names; the notes of deletions are
 * replaced whole when they change, so they can be shared, too. The folder gets its name when all
 * of it is durable.
 */
#include "base/check.h"
#include "tsdb/db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int share(const struct disk *disk, const char *from, const char *folder, struct error *error)
{
    char to[FILE_PATH_SIZE];
    const char *name = strrchr(from, '/');
    CHECK(name != NULL);
    int code = file_join(to, folder, name + 1, error);
    if (code != 0) return code;
    code = disk->link(disk->state, from, to);
    if (code == 0) return 0;
    return error_set(error, code, "share '%s' as '%s': %s", from, to, strerrordesc_np(-code));
}

static int share_block(const struct tsdb *db, const struct block *block, const char *folder,
                       struct error *error)
{
    int code = share(db->options.disk, block->path, folder, error);
    if (code != 0 || block->tombstones.count == 0) return code;
    char notes[FILE_PATH_SIZE];
    code = tsdb_block_path(db, block->meta.id, ".deleted", notes, error);
    return code == 0 ? share(db->options.disk, notes, folder, error) : code;
}

/* Who holds `work` is the only one to change the list of blocks. */
static int fill(struct tsdb *db, const char *folder, struct error *error)
{
    char blocks[FILE_PATH_SIZE];
    const struct disk *disk = db->options.disk;
    int code = file_join(blocks, folder, "blocks", error);
    if (code == 0) code = file_make_folders(disk, blocks, error);
    for (size_t i = 0; i < db->blocks.count && code == 0; i++) {
        code = share_block(db, db->blocks.items[i], blocks, error);
    }
    if (code != 0) return code;
    code = disk->sync_folder(disk->state, blocks);
    if (code == 0) return 0;
    return error_set(error, code, "sync '%s': %s", blocks, strerrordesc_np(-code));
}

static int give_name(struct tsdb *db, const char *from, const char *to, const char *parent,
                     struct error *error)
{
    const struct disk *disk = db->options.disk;
    int code = disk->rename(disk->state, from, to);
    if (code == 0) code = disk->sync_folder(disk->state, parent);
    if (code == 0) return 0;
    return error_set(error, code, "put '%s' in place: %s", to, strerrordesc_np(-code));
}

static int snapshot_held(struct tsdb *db, const char *name, bool with_head, struct error *error)
{
    char parent[FILE_PATH_SIZE];
    char folder[FILE_PATH_SIZE];
    char fresh[FILE_PATH_SIZE];
    char temporary[FILE_PATH_SIZE];
    struct disk_info info;
    int length = snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    if (length < 0 || (size_t)length >= sizeof(temporary) || strchr(name, '/') != NULL) {
        return error_set(error, ERROR_INVALID, "'%s' is no name for a snapshot", name);
    }
    int code = file_join(parent, db->folder, "snapshots", error);
    if (code == 0) code = file_join(folder, parent, name, error);
    if (code == 0) code = file_join(fresh, parent, temporary, error);
    if (code != 0) return code;
    if (db->options.disk->info(db->options.disk->state, folder, &info) == 0) {
        return error_set(error, -EEXIST, "snapshot '%s' is there already", folder);
    }
    if (with_head) code = tsdb_cut_all(db, error);
    if (code == 0) code = tsdb_save_notes(db, error);
    if (code == 0) code = file_remove_tree(db->options.disk, fresh, error);
    if (code == 0) code = fill(db, fresh, error);
    if (code == 0) code = give_name(db, fresh, folder, parent, error);
    if (code != 0) {
        (void)!file_remove_tree(db->options.disk, fresh, NULL);
        (void)!file_remove_tree(db->options.disk, folder, NULL);
    }
    return code;
}

int tsdb_snapshot(struct tsdb *db, const char *name, bool with_head, struct error *error)
{
    mutex_lock(&db->work);
    int code = snapshot_held(db, name, with_head, error);
    mutex_unlock(&db->work);
    return code;
}
