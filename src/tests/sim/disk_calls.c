/* disk_calls.c - the calls of the simulated disk: what base/file.h asks, and how they fail. */
#include "tests/sim/disk_state.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool parent_exists(struct sim_disk *sim, const char *path)
{
    char folder[FILE_PATH_SIZE];
    size_t size = (size_t)(strrchr(path, '/') - path);
    memcpy(folder, path, size == 0 ? 1 : size);
    folder[size == 0 ? 1 : size] = '\0';
    size_t inode;
    const struct inode *found = sim_find(sim, folder, &inode);
    return found != NULL && found->is_folder;
}

static int open_locked(struct sim_disk *sim, const char *path, int flags)
{
    size_t inode;
    struct inode *found = sim_find(sim, path, &inode);
    if (found != NULL && found->is_folder) return -EISDIR;
    if (found != NULL && (flags & DISK_EXCLUSIVE) != 0) return -EEXIST;
    if (found == NULL) {
        if ((flags & DISK_CREATE) == 0) return -ENOENT;
        if (!parent_exists(sim, path)) return -ENOENT;
        if (sim->size_max > 0 && sim_used(sim) >= sim->size_max) return -ENOSPC;
        if (sim_throws(sim, sim->faults.name)) return -EIO;
        sim->has_crashed = sim_begin_change(sim);
        inode = sim_new_inode(sim, false);
        found = sim->inodes.items[inode];
        sim_add_name_change(sim, NAME_LINK, path, NULL, inode);
        if (sim->has_crashed) return -EIO;
    }
    if ((flags & DISK_TRUNCATE) != 0 && found->live.size > 0) {
        struct change change = { 0, 0, NULL };
        CHECK(VEC_PUSH(&found->changes, change));
        sim_content_resize(&found->live, 0);
    }
    struct handle handle = { true, (flags & DISK_WRITE) != 0, inode };
    CHECK(VEC_PUSH(&sim->handles, handle));
    return (int)sim->handles.count - 1 + HANDLE_FIRST;
}

static int sim_open(void *state, const char *path, int flags)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    sim_clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : open_locked(sim, clean, flags);
    mutex_unlock(&sim->mutex);
    return code;
}

static struct handle *handle_of(struct sim_disk *sim, int number)
{
    CHECK(number >= HANDLE_FIRST);
    CHECK((size_t)(number - HANDLE_FIRST) < sim->handles.count);
    struct handle *handle = &sim->handles.items[number - HANDLE_FIRST];
    CHECK(handle->is_open);
    return handle;
}

static struct inode *inode_of(struct sim_disk *sim, int number)
{
    return sim->inodes.items[handle_of(sim, number)->inode];
}

static void sim_close(void *state, int number)
{
    struct sim_disk *sim = state;
    mutex_lock(&sim->mutex);
    handle_of(sim, number)->is_open = false;
    mutex_unlock(&sim->mutex);
}

static int64_t read_locked(struct sim_disk *sim, int number, void *bytes, size_t size,
                           uint64_t offset)
{
    const struct content *live = &inode_of(sim, number)->live;
    if (sim_throws(sim, sim->faults.read)) return -EIO;
    if (offset >= live->size) return 0;
    if (size > live->size - offset) size = live->size - (size_t)offset;
    memcpy(bytes, live->bytes + offset, size);
    return (int64_t)size;
}

static int64_t sim_read_at(void *state, int handle, void *bytes, size_t size, uint64_t offset)
{
    struct sim_disk *sim = state;
    mutex_lock(&sim->mutex);
    int64_t got = sim->has_crashed ? -EIO : read_locked(sim, handle, bytes, size, offset);
    mutex_unlock(&sim->mutex);
    return got;
}

static void write_part(struct sim_disk *sim, struct inode *inode, const char *bytes, size_t size,
                       uint64_t offset)
{
    if (size == 0) return;
    struct change change = { offset, size, sim_must(malloc(size)) };
    memcpy(change.bytes, bytes, size);
    CHECK(VEC_PUSH(&inode->changes, change));
    sim_content_write(&inode->live, bytes, size, offset);
    inode->change_ms = sim->time_ms;
}

static int write_locked(struct sim_disk *sim, int number, const char *bytes, size_t size,
                        uint64_t offset)
{
    CHECK(handle_of(sim, number)->can_write);
    struct inode *inode = inode_of(sim, number);
    int code = 0;
    size_t part = size;
    if (sim->size_max > 0 && offset + size > inode->live.size) {
        uint64_t in_use = sim_used(sim);
        uint64_t room = in_use < sim->size_max ? sim->size_max - in_use : 0;
        if (offset + size > inode->live.size + room) {
            code = -ENOSPC;
            part =
                inode->live.size + room > offset ? (size_t)(inode->live.size + room - offset) : 0;
        }
    }
    if (sim_throws(sim, sim->faults.write)) {
        code = -EIO;
        part = (size_t)random_below(&sim->random, part + 1);
    }
    if (sim_begin_change(sim)) {
        sim->has_crashed = true;
        code = -EIO;
        part = (size_t)random_below(&sim->random, part + 1);
    }
    write_part(sim, inode, bytes, part, offset);
    return code;
}

static int sim_write_at(void *state, int handle, const void *bytes, size_t size, uint64_t offset)
{
    struct sim_disk *sim = state;
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : write_locked(sim, handle, bytes, size, offset);
    mutex_unlock(&sim->mutex);
    return code;
}

static int truncate_locked(struct sim_disk *sim, int number, uint64_t size)
{
    struct inode *inode = inode_of(sim, number);
    if (sim_throws(sim, sim->faults.write)) return -EIO;
    sim->has_crashed = sim_begin_change(sim);
    struct change change = { size, 0, NULL };
    CHECK(VEC_PUSH(&inode->changes, change));
    sim_content_resize(&inode->live, (size_t)size);
    return sim->has_crashed ? -EIO : 0;
}

static int sim_truncate(void *state, int handle, uint64_t size)
{
    struct sim_disk *sim = state;
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : truncate_locked(sim, handle, size);
    mutex_unlock(&sim->mutex);
    return code;
}

static int sync_locked(struct sim_disk *sim, int number)
{
    struct inode *inode = inode_of(sim, number);
    if (sim_has_bug(sim, SIM_DISK_BUG_NO_SYNC, sim_path_of(sim, handle_of(sim, number)->inode)))
        return 0;
    if (sim_begin_change(sim)) {
        sim->has_crashed = true;
        return -EIO; /* what is pending is thrown for at the restart */
    }
    if (sim_throws(sim, sim->faults.sync)) {
        sim_apply_some(sim, inode);
        return -EIO;
    }
    /* Only what is pending: writes that an earlier sync lost stay lost. */
    for (size_t i = 0; i < inode->changes.count; i++) {
        const struct change *change = &inode->changes.items[i];
        if (change->bytes == NULL) {
            sim_content_resize(&inode->durable, (size_t)change->offset);
        } else {
            sim_content_write(&inode->durable, change->bytes, change->size, change->offset);
        }
    }
    sim_drop_changes(inode);
    return 0;
}

static int sim_sync(void *state, int handle)
{
    struct sim_disk *sim = state;
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : sync_locked(sim, handle);
    mutex_unlock(&sim->mutex);
    return code;
}

static int sim_info(void *state, const char *path, struct disk_info *info)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    sim_clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : -ENOENT;
    size_t inode;
    const struct inode *found = code == -EIO ? NULL : sim_find(sim, clean, &inode);
    if (found != NULL) {
        *info = (struct disk_info){
            .size = found->live.size,
            .inode = inode,
            .device = 1,
            .change_ms = found->change_ms,
            .is_folder = found->is_folder,
        };
        code = 0;
    }
    mutex_unlock(&sim->mutex);
    return code;
}

static bool has_names_under(const struct sim_disk *sim, const char *path)
{
    for (size_t i = 0; i < sim->live.count; i++) {
        if (sim_is_under(sim->live.items[i].path, path)) return true;
    }
    return false;
}

/* The held rename, now. */
static void let_go(struct sim_disk *sim)
{
    size_t inode;
    if (sim->held_from[0] == '\0') return;
    if (sim_find(sim, sim->held_from, &inode) != NULL) {
        sim_add_name_change(sim, NAME_RENAME, sim->held_from, sim->held_to, inode);
    }
    sim->held_from[0] = '\0';
}

static int rename_locked(struct sim_disk *sim, const char *from, const char *to)
{
    size_t inode;
    size_t target;
    if (sim_find(sim, from, &inode) == NULL || !parent_exists(sim, to)) return -ENOENT;
    if (sim_find(sim, to, &target) != NULL && has_names_under(sim, to)) return -ENOTEMPTY;
    if (sim_throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = sim_begin_change(sim);
    if (sim->held_from[0] == '\0' && sim_has_bug(sim, SIM_DISK_BUG_LATE_RENAME, to)) {
        memcpy(sim->held_from, from, strlen(from) + 1);
        memcpy(sim->held_to, to, strlen(to) + 1);
        return sim->has_crashed ? -EIO : 0;
    }
    sim_add_name_change(sim, NAME_RENAME, from, to, inode);
    let_go(sim);
    return sim->has_crashed ? -EIO : 0;
}

static int change_names(struct sim_disk *sim, const char *from, const char *to,
                        int (*change)(struct sim_disk *sim, const char *from, const char *to))
{
    char clean_from[FILE_PATH_SIZE];
    char clean_to[FILE_PATH_SIZE];
    sim_clean_path(from, clean_from);
    sim_clean_path(to, clean_to);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : change(sim, clean_from, clean_to);
    mutex_unlock(&sim->mutex);
    return code;
}

static int sim_rename(void *state, const char *from, const char *to)
{
    return change_names(state, from, to, rename_locked);
}

static int link_locked(struct sim_disk *sim, const char *from, const char *to)
{
    size_t inode;
    size_t other;
    if (sim_find(sim, from, &inode) == NULL || !parent_exists(sim, to)) return -ENOENT;
    if (sim_find(sim, to, &other) != NULL) return -EEXIST;
    if (sim_throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = sim_begin_change(sim);
    sim_add_name_change(sim, NAME_LINK, to, NULL, inode);
    return sim->has_crashed ? -EIO : 0;
}

static int sim_link(void *state, const char *from, const char *to)
{
    return change_names(state, from, to, link_locked);
}

/* A call that changes what stands under one path. */
static int call_by_path(void *state, const char *path,
                        int (*call_locked)(struct sim_disk *sim, const char *path))
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    sim_clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : call_locked(sim, clean);
    mutex_unlock(&sim->mutex);
    return code;
}

static int remove_locked(struct sim_disk *sim, const char *path)
{
    size_t inode;
    if (sim_find(sim, path, &inode) == NULL) return -ENOENT;
    if (has_names_under(sim, path)) return -ENOTEMPTY;
    if (sim_throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = sim_begin_change(sim);
    sim_add_name_change(sim, NAME_UNLINK, path, NULL, inode);
    return sim->has_crashed ? -EIO : 0;
}

static int sim_remove(void *state, const char *path)
{
    return call_by_path(state, path, remove_locked);
}

static int make_folder_locked(struct sim_disk *sim, const char *path)
{
    size_t inode;
    if (sim_find(sim, path, &inode) != NULL) return 0;
    if (!parent_exists(sim, path)) return -ENOENT;
    if (sim_throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = sim_begin_change(sim);
    sim_add_name_change(sim, NAME_LINK, path, NULL, sim_new_inode(sim, true));
    return sim->has_crashed ? -EIO : 0;
}

static int sim_make_folder(void *state, const char *path)
{
    return call_by_path(state, path, make_folder_locked);
}

static int sync_folder_locked(struct sim_disk *sim, const char *path)
{
    size_t inode;
    if (sim_find(sim, path, &inode) == NULL) return -ENOENT;
    if (sim_has_bug(sim, SIM_DISK_BUG_NO_SYNC_FOLDER, path)) return 0;
    if (sim_begin_change(sim)) {
        sim->has_crashed = true;
        return -EIO;
    }
    if (sim_throws(sim, sim->faults.sync_folder)) return -EIO;
    for (size_t i = 0; i < sim->name_changes.count;) {
        const struct name_change *change = &sim->name_changes.items[i];
        if (!sim_is_in(change->path, path) && !sim_is_in(change->to, path)) {
            i++;
            continue;
        }
        sim_apply_name(&sim->durable, change);
        sim_drop_name_change(sim, i);
    }
    return 0;
}

static int sim_sync_folder(void *state, const char *path)
{
    return call_by_path(state, path, sync_folder_locked);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int sim_list(void *state, const char *path, int (*visit)(void *argument, const char *name),
                    void *argument)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    sim_clean_path(path, clean);
    VEC(char *) found = { 0 };
    mutex_lock(&sim->mutex);
    size_t inode;
    int code = sim->has_crashed ? -EIO : 0;
    if (code == 0 && sim_find(sim, clean, &inode) == NULL) code = -ENOENT;
    for (size_t i = 0; code == 0 && i < sim->live.count; i++) {
        if (!sim_is_in(sim->live.items[i].path, clean)) continue;
        CHECK(VEC_PUSH(&found, sim_copy_text(strrchr(sim->live.items[i].path, '/') + 1)));
    }
    mutex_unlock(&sim->mutex);
    if (found.count > 1) qsort(found.items, found.count, sizeof(found.items[0]), by_text);
    for (size_t i = 0; i < found.count; i++) {
        if (code == 0) code = visit(argument, found.items[i]);
        free(found.items[i]);
    }
    VEC_RELEASE(&found);
    return code;
}

static int sim_space(void *state, const char *path, struct disk_space *space)
{
    (void)path;
    struct sim_disk *sim = state;
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : 0;
    uint64_t total = sim->size_max == 0 ? UINT64_MAX / 2 : sim->size_max;
    uint64_t in_use = sim_used(sim);
    mutex_unlock(&sim->mutex);
    if (code != 0) return code;
    *space = (struct disk_space){ in_use < total ? total - in_use : 0, total };
    return 0;
}

static int map_locked(struct sim_disk *sim, const char *path, const void **bytes, size_t *size)
{
    size_t number;
    const struct inode *inode = sim_find(sim, path, &number);
    if (inode == NULL) return -ENOENT;
    if (sim_throws(sim, sim->faults.read)) return -EIO;
    *bytes = NULL;
    *size = inode->live.size;
    if (*size == 0) return 0;
    char *copy = sim_must(malloc(*size));
    memcpy(copy, inode->live.bytes, *size);
    *bytes = copy;
    return 0;
}

static int sim_map(void *state, const char *path, const void **bytes, size_t *size)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    sim_clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : map_locked(sim, clean, bytes, size);
    mutex_unlock(&sim->mutex);
    return code;
}

static void sim_unmap(void *state, const void *bytes, size_t size)
{
    (void)state;
    (void)size;
    free((void *)(uintptr_t)bytes);
}

static void sim_unload(void *state, const void *bytes, size_t size)
{
    (void)state;
    (void)bytes;
    (void)size;
}

void sim_fill_table(struct sim_disk *sim)
{
    sim->table = (struct disk){
        .open = sim_open,
        .close = sim_close,
        .read_at = sim_read_at,
        .write_at = sim_write_at,
        .truncate = sim_truncate,
        .sync = sim_sync,
        .info = sim_info,
        .rename = sim_rename,
        .link = sim_link,
        .remove = sim_remove,
        .make_folder = sim_make_folder,
        .sync_folder = sim_sync_folder,
        .list = sim_list,
        .space = sim_space,
        .map = sim_map,
        .unmap = sim_unmap,
        .unload = sim_unload,
        .state = sim,
    };
}
