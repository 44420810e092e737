/* disk.c - a simulated disk: two views of every file and folder, the live one and the durable one.
 *
 * A file keeps its live bytes, its durable bytes and the list of changes between the two; a sync
 * makes the live bytes durable and empties the list; a crash applies a random part of the list to
 * the durable bytes and forgets the live ones. Names are kept the same way: a live list of paths,
 * a durable one, and the changes between the two, each belonging to the folder it happened in.
 */
#include "tests/sim/disk.h"

#include "base/check.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/vec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, HANDLE_FIRST = 1000 };

/* A write of bytes at an offset, or (bytes NULL) a truncation to that offset. */
struct change {
    uint64_t offset;
    size_t size;
    char *bytes;
};

struct content {
    char *bytes;
    size_t size;
    size_t capacity;
};

struct inode {
    bool is_folder;
    struct content live;
    struct content durable;
    VEC(struct change) changes;
    int64_t change_ms;
};

struct name {
    char *path;
    size_t inode;
};

VEC_TYPE(names, struct name);

enum name_change_kind { NAME_LINK, NAME_UNLINK, NAME_RENAME };

struct name_change {
    enum name_change_kind kind;
    char *path;
    char *to; /* NAME_RENAME */
    size_t inode;
};

struct handle {
    bool is_open;
    bool can_write;
    size_t inode;
};

struct sim_disk {
    struct mutex mutex;
    struct disk table;
    struct random random;
    struct sim_disk_faults faults;
    enum sim_disk_bug bug;
    const char *bug_ending;
    char held_from[FILE_PATH_SIZE]; /* a rename that waits for the next one; empty = none */
    char held_to[FILE_PATH_SIZE];
    uint64_t size_max;
    uint64_t crash_in; /* changing calls left, 0 = never */
    uint64_t changes;
    int64_t time_ms;
    bool has_crashed;
    VEC(struct inode *) inodes;
    VEC(struct handle) handles;
    struct names live;
    struct names durable;
    VEC(struct name_change) name_changes;
};

static void *must(void *memory)
{
    CHECK(memory != NULL);
    return memory;
}

static char *copy_text(const char *text)
{
    return must(strdup(text));
}

static void content_resize(struct content *content, size_t size)
{
    if (size > content->capacity) {
        size_t capacity = content->capacity * 2 > size ? content->capacity * 2 : size;
        content->bytes = must(realloc(content->bytes, capacity));
        content->capacity = capacity;
    }
    if (size > content->size) memset(content->bytes + content->size, 0, size - content->size);
    content->size = size;
}

static void content_write(struct content *content, const char *bytes, size_t size, uint64_t offset)
{
    if (size == 0) return;
    if (offset + size > content->size) content_resize(content, (size_t)offset + size);
    memcpy(content->bytes + offset, bytes, size);
}

static void content_copy(struct content *to, const struct content *from)
{
    content_resize(to, from->size);
    if (from->size > 0) memcpy(to->bytes, from->bytes, from->size);
}

static void drop_changes(struct inode *inode)
{
    for (size_t i = 0; i < inode->changes.count; i++) free(inode->changes.items[i].bytes);
    inode->changes.count = 0;
}

/* Applies to the durable bytes what the dice let through. */
static void apply_some(struct sim_disk *sim, struct inode *inode)
{
    uint64_t mood = random_below(&sim->random, 4); /* none, all, or each by dice */
    for (size_t i = 0; i < inode->changes.count; i++) {
        const struct change *change = &inode->changes.items[i];
        if (mood == 0) continue;
        if (change->bytes == NULL) {
            if (mood == 1 || random_below(&sim->random, 2) == 0) {
                content_resize(&inode->durable, (size_t)change->offset);
            }
            continue;
        }
        for (size_t at = 0; at < change->size;) {
            size_t step = SECTOR - (size_t)((change->offset + at) % SECTOR);
            if (step > change->size - at) step = change->size - at;
            if (mood == 1 || random_below(&sim->random, 2) == 0) {
                content_write(&inode->durable, change->bytes + at, step, change->offset + at);
            }
            at += step;
        }
    }
    drop_changes(inode);
}

static size_t names_find(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) return i;
    }
    return SIZE_MAX;
}

static void names_remove(struct names *names, const char *path)
{
    size_t at = names_find(names, path);
    if (at == SIZE_MAX) return;
    free(names->items[at].path);
    VEC_REMOVE(names, at);
}

static void names_set(struct names *names, const char *path, size_t inode)
{
    size_t at = names_find(names, path);
    if (at != SIZE_MAX) {
        names->items[at].inode = inode;
        return;
    }
    struct name name = { copy_text(path), inode };
    CHECK(VEC_PUSH(names, name));
}

static bool is_under(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    if (size == 1) return path[0] == '/' && path[1] != '\0';
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

static void names_rename(struct names *names, const char *from, const char *to, size_t inode)
{
    size_t from_size = strlen(from);
    names_remove(names, from);
    names_set(names, to, inode);
    for (size_t i = 0; i < names->count; i++) {
        struct name *name = &names->items[i];
        if (!is_under(name->path, from)) continue;
        size_t size = strlen(to) + strlen(name->path + from_size) + 1;
        char *moved = must(malloc(size));
        memcpy(moved, to, strlen(to));
        memcpy(moved + strlen(to), name->path + from_size, strlen(name->path + from_size) + 1);
        free(name->path);
        name->path = moved;
    }
}

static void apply_name(struct names *names, const struct name_change *change)
{
    switch (change->kind) {
    case NAME_LINK: names_set(names, change->path, change->inode); break;
    case NAME_UNLINK: names_remove(names, change->path); break;
    case NAME_RENAME: names_rename(names, change->path, change->to, change->inode); break;
    }
}

static void add_name_change(struct sim_disk *sim, enum name_change_kind kind, const char *path,
                            const char *to, size_t inode)
{
    struct name_change change = { kind, copy_text(path), to == NULL ? NULL : copy_text(to), inode };
    apply_name(&sim->live, &change);
    CHECK(VEC_PUSH(&sim->name_changes, change));
}

static void drop_name_change(struct sim_disk *sim, size_t at)
{
    free(sim->name_changes.items[at].path);
    free(sim->name_changes.items[at].to);
    VEC_REMOVE(&sim->name_changes, at);
}

/* Whether path stands directly in the folder. */
static bool is_in(const char *path, const char *folder)
{
    return path != NULL && is_under(path, folder) &&
           strchr(path + (folder[1] == '\0' ? 1 : strlen(folder) + 1), '/') == NULL;
}

/* Paths are compared as text: no doubled or trailing slash, always from the root. */
static void clean_path(const char *path, char *clean)
{
    size_t size = 0;
    clean[size++] = '/';
    for (; *path != '\0'; path++) {
        if (*path == '/' && clean[size - 1] == '/') continue;
        if (*path == '.' && clean[size - 1] == '/' && (path[1] == '/' || path[1] == '\0')) continue;
        CHECK(size + 1 < FILE_PATH_SIZE);
        clean[size++] = *path;
    }
    if (size > 1 && clean[size - 1] == '/') size--;
    clean[size] = '\0';
}

static struct inode *find(struct sim_disk *sim, const char *path, size_t *inode)
{
    size_t at = names_find(&sim->live, path);
    if (at == SIZE_MAX) return NULL;
    *inode = sim->live.items[at].inode;
    return sim->inodes.items[*inode];
}

static size_t new_inode(struct sim_disk *sim, bool is_folder)
{
    struct inode *inode = must(calloc(1, sizeof(*inode)));
    inode->is_folder = is_folder;
    CHECK(VEC_PUSH(&sim->inodes, inode));
    return sim->inodes.count - 1;
}

static bool throws(struct sim_disk *sim, uint32_t chance)
{
    return chance > 0 && random_below(&sim->random, 1000000) < chance;
}

static bool has_bug(const struct sim_disk *sim, enum sim_disk_bug bug, const char *path)
{
    if (sim->bug != bug || path == NULL) return false;
    size_t size = strlen(path);
    size_t ending = strlen(sim->bug_ending);
    return size >= ending && strcmp(path + size - ending, sim->bug_ending) == 0;
}

/* A name of the file, or NULL. */
static const char *path_of(const struct sim_disk *sim, size_t inode)
{
    for (size_t i = 0; i < sim->live.count; i++) {
        if (sim->live.items[i].inode == inode) return sim->live.items[i].path;
    }
    return NULL;
}

/* A changing call begins. True: the power goes in its middle. */
static bool begin_change(struct sim_disk *sim)
{
    sim->changes++;
    sim->time_ms++;
    if (sim->crash_in == 0) return false;
    return --sim->crash_in == 0;
}

static uint64_t used(const struct sim_disk *sim)
{
    uint64_t size = 0;
    for (size_t i = 0; i < sim->live.count; i++) {
        size += sim->inodes.items[sim->live.items[i].inode]->live.size;
    }
    return size;
}

static bool parent_exists(struct sim_disk *sim, const char *path)
{
    char folder[FILE_PATH_SIZE];
    size_t size = (size_t)(strrchr(path, '/') - path);
    memcpy(folder, path, size == 0 ? 1 : size);
    folder[size == 0 ? 1 : size] = '\0';
    size_t inode;
    const struct inode *found = find(sim, folder, &inode);
    return found != NULL && found->is_folder;
}

static int open_locked(struct sim_disk *sim, const char *path, int flags)
{
    size_t inode;
    struct inode *found = find(sim, path, &inode);
    if (found != NULL && found->is_folder) return -EISDIR;
    if (found != NULL && (flags & DISK_EXCLUSIVE) != 0) return -EEXIST;
    if (found == NULL) {
        if ((flags & DISK_CREATE) == 0) return -ENOENT;
        if (!parent_exists(sim, path)) return -ENOENT;
        if (sim->size_max > 0 && used(sim) >= sim->size_max) return -ENOSPC;
        if (throws(sim, sim->faults.name)) return -EIO;
        sim->has_crashed = begin_change(sim);
        inode = new_inode(sim, false);
        found = sim->inodes.items[inode];
        add_name_change(sim, NAME_LINK, path, NULL, inode);
        if (sim->has_crashed) return -EIO;
    }
    if ((flags & DISK_TRUNCATE) != 0 && found->live.size > 0) {
        struct change change = { 0, 0, NULL };
        CHECK(VEC_PUSH(&found->changes, change));
        content_resize(&found->live, 0);
    }
    struct handle handle = { true, (flags & DISK_WRITE) != 0, inode };
    CHECK(VEC_PUSH(&sim->handles, handle));
    return (int)sim->handles.count - 1 + HANDLE_FIRST;
}

static int sim_open(void *state, const char *path, int flags)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    clean_path(path, clean);
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
    if (throws(sim, sim->faults.read)) return -EIO;
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
    struct change change = { offset, size, must(malloc(size)) };
    memcpy(change.bytes, bytes, size);
    CHECK(VEC_PUSH(&inode->changes, change));
    content_write(&inode->live, bytes, size, offset);
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
        uint64_t in_use = used(sim);
        uint64_t room = in_use < sim->size_max ? sim->size_max - in_use : 0;
        if (offset + size > inode->live.size + room) {
            code = -ENOSPC;
            part =
                inode->live.size + room > offset ? (size_t)(inode->live.size + room - offset) : 0;
        }
    }
    if (throws(sim, sim->faults.write)) {
        code = -EIO;
        part = (size_t)random_below(&sim->random, part + 1);
    }
    if (begin_change(sim)) {
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
    if (throws(sim, sim->faults.write)) return -EIO;
    sim->has_crashed = begin_change(sim);
    struct change change = { size, 0, NULL };
    CHECK(VEC_PUSH(&inode->changes, change));
    content_resize(&inode->live, (size_t)size);
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
    if (has_bug(sim, SIM_DISK_BUG_NO_SYNC, path_of(sim, handle_of(sim, number)->inode))) return 0;
    if (begin_change(sim)) {
        sim->has_crashed = true;
        return -EIO; /* what is pending is thrown for at the restart */
    }
    if (throws(sim, sim->faults.sync)) {
        apply_some(sim, inode);
        return -EIO;
    }
    /* Only what is pending: writes that an earlier sync lost stay lost. */
    for (size_t i = 0; i < inode->changes.count; i++) {
        const struct change *change = &inode->changes.items[i];
        if (change->bytes == NULL) {
            content_resize(&inode->durable, (size_t)change->offset);
        } else {
            content_write(&inode->durable, change->bytes, change->size, change->offset);
        }
    }
    drop_changes(inode);
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
    clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : -ENOENT;
    size_t inode;
    const struct inode *found = code == -EIO ? NULL : find(sim, clean, &inode);
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
        if (is_under(sim->live.items[i].path, path)) return true;
    }
    return false;
}

/* The held rename, now. */
static void let_go(struct sim_disk *sim)
{
    size_t inode;
    if (sim->held_from[0] == '\0') return;
    if (find(sim, sim->held_from, &inode) != NULL) {
        add_name_change(sim, NAME_RENAME, sim->held_from, sim->held_to, inode);
    }
    sim->held_from[0] = '\0';
}

static int rename_locked(struct sim_disk *sim, const char *from, const char *to)
{
    size_t inode;
    size_t target;
    if (find(sim, from, &inode) == NULL || !parent_exists(sim, to)) return -ENOENT;
    if (find(sim, to, &target) != NULL && has_names_under(sim, to)) return -ENOTEMPTY;
    if (throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = begin_change(sim);
    if (sim->held_from[0] == '\0' && has_bug(sim, SIM_DISK_BUG_LATE_RENAME, to)) {
        memcpy(sim->held_from, from, strlen(from) + 1);
        memcpy(sim->held_to, to, strlen(to) + 1);
        return sim->has_crashed ? -EIO : 0;
    }
    add_name_change(sim, NAME_RENAME, from, to, inode);
    let_go(sim);
    return sim->has_crashed ? -EIO : 0;
}

static int sim_rename(void *state, const char *from, const char *to)
{
    struct sim_disk *sim = state;
    char clean_from[FILE_PATH_SIZE];
    char clean_to[FILE_PATH_SIZE];
    clean_path(from, clean_from);
    clean_path(to, clean_to);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : rename_locked(sim, clean_from, clean_to);
    mutex_unlock(&sim->mutex);
    return code;
}

static int link_locked(struct sim_disk *sim, const char *from, const char *to)
{
    size_t inode;
    size_t other;
    if (find(sim, from, &inode) == NULL || !parent_exists(sim, to)) return -ENOENT;
    if (find(sim, to, &other) != NULL) return -EEXIST;
    if (throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = begin_change(sim);
    add_name_change(sim, NAME_LINK, to, NULL, inode);
    return sim->has_crashed ? -EIO : 0;
}

static int sim_link(void *state, const char *from, const char *to)
{
    struct sim_disk *sim = state;
    char clean_from[FILE_PATH_SIZE];
    char clean_to[FILE_PATH_SIZE];
    clean_path(from, clean_from);
    clean_path(to, clean_to);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : link_locked(sim, clean_from, clean_to);
    mutex_unlock(&sim->mutex);
    return code;
}

static int remove_locked(struct sim_disk *sim, const char *path)
{
    size_t inode;
    if (find(sim, path, &inode) == NULL) return -ENOENT;
    if (has_names_under(sim, path)) return -ENOTEMPTY;
    if (throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = begin_change(sim);
    add_name_change(sim, NAME_UNLINK, path, NULL, inode);
    return sim->has_crashed ? -EIO : 0;
}

static int sim_remove(void *state, const char *path)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : remove_locked(sim, clean);
    mutex_unlock(&sim->mutex);
    return code;
}

static int make_folder_locked(struct sim_disk *sim, const char *path)
{
    size_t inode;
    if (find(sim, path, &inode) != NULL) return 0;
    if (!parent_exists(sim, path)) return -ENOENT;
    if (throws(sim, sim->faults.name)) return -EIO;
    sim->has_crashed = begin_change(sim);
    add_name_change(sim, NAME_LINK, path, NULL, new_inode(sim, true));
    return sim->has_crashed ? -EIO : 0;
}

static int sim_make_folder(void *state, const char *path)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : make_folder_locked(sim, clean);
    mutex_unlock(&sim->mutex);
    return code;
}

static int sync_folder_locked(struct sim_disk *sim, const char *path)
{
    size_t inode;
    if (find(sim, path, &inode) == NULL) return -ENOENT;
    if (has_bug(sim, SIM_DISK_BUG_NO_SYNC_FOLDER, path)) return 0;
    if (begin_change(sim)) {
        sim->has_crashed = true;
        return -EIO;
    }
    if (throws(sim, sim->faults.sync_folder)) return -EIO;
    for (size_t i = 0; i < sim->name_changes.count;) {
        const struct name_change *change = &sim->name_changes.items[i];
        if (!is_in(change->path, path) && !is_in(change->to, path)) {
            i++;
            continue;
        }
        apply_name(&sim->durable, change);
        drop_name_change(sim, i);
    }
    return 0;
}

static int sim_sync_folder(void *state, const char *path)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    clean_path(path, clean);
    mutex_lock(&sim->mutex);
    int code = sim->has_crashed ? -EIO : sync_folder_locked(sim, clean);
    mutex_unlock(&sim->mutex);
    return code;
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
    clean_path(path, clean);
    VEC(char *) found = { 0 };
    mutex_lock(&sim->mutex);
    size_t inode;
    int code = sim->has_crashed ? -EIO : 0;
    if (code == 0 && find(sim, clean, &inode) == NULL) code = -ENOENT;
    for (size_t i = 0; code == 0 && i < sim->live.count; i++) {
        if (!is_in(sim->live.items[i].path, clean)) continue;
        CHECK(VEC_PUSH(&found, copy_text(strrchr(sim->live.items[i].path, '/') + 1)));
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
    uint64_t in_use = used(sim);
    mutex_unlock(&sim->mutex);
    if (code != 0) return code;
    *space = (struct disk_space){ in_use < total ? total - in_use : 0, total };
    return 0;
}

static int map_locked(struct sim_disk *sim, const char *path, const void **bytes, size_t *size)
{
    size_t number;
    const struct inode *inode = find(sim, path, &number);
    if (inode == NULL) return -ENOENT;
    if (throws(sim, sim->faults.read)) return -EIO;
    *bytes = NULL;
    *size = inode->live.size;
    if (*size == 0) return 0;
    char *copy = must(malloc(*size));
    memcpy(copy, inode->live.bytes, *size);
    *bytes = copy;
    return 0;
}

static int sim_map(void *state, const char *path, const void **bytes, size_t *size)
{
    struct sim_disk *sim = state;
    char clean[FILE_PATH_SIZE];
    clean_path(path, clean);
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

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *sim = must(calloc(1, sizeof(*sim)));
    mutex_init(&sim->mutex);
    random_init(&sim->random, seed);
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
    size_t root = new_inode(sim, true);
    names_set(&sim->live, "/", root);
    names_set(&sim->durable, "/", root);
    return sim;
}

static void release_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) free(names->items[i].path);
    names->count = 0;
}

static void free_inode(struct inode *inode)
{
    if (inode == NULL) return;
    drop_changes(inode);
    VEC_RELEASE(&inode->changes);
    free(inode->live.bytes);
    free(inode->durable.bytes);
    free(inode);
}

void sim_disk_free(struct sim_disk *sim)
{
    if (sim == NULL) return;
    release_names(&sim->live);
    VEC_RELEASE(&sim->live);
    release_names(&sim->durable);
    VEC_RELEASE(&sim->durable);
    while (sim->name_changes.count > 0) drop_name_change(sim, sim->name_changes.count - 1);
    VEC_RELEASE(&sim->name_changes);
    for (size_t i = 0; i < sim->inodes.count; i++) free_inode(sim->inodes.items[i]);
    VEC_RELEASE(&sim->inodes);
    VEC_RELEASE(&sim->handles);
    mutex_release(&sim->mutex);
    free(sim);
}

const struct disk *sim_disk_table(struct sim_disk *sim)
{
    return &sim->table;
}

void sim_disk_set_faults(struct sim_disk *sim, const struct sim_disk_faults *faults)
{
    sim->faults = *faults;
}

void sim_disk_set_size(struct sim_disk *sim, uint64_t size)
{
    sim->size_max = size;
}

void sim_disk_crash_after(struct sim_disk *sim, uint64_t count)
{
    sim->crash_in = count;
}

void sim_disk_crash(struct sim_disk *sim)
{
    sim->has_crashed = true;
}

bool sim_disk_has_crashed(const struct sim_disk *sim)
{
    return sim->has_crashed;
}

/* Lets through the first few changes of names, or each by dice. */
static void settle_names(struct sim_disk *sim)
{
    bool is_ordered = random_below(&sim->random, 2) == 0;
    size_t first = (size_t)random_below(&sim->random, sim->name_changes.count + 1);
    for (size_t i = 0; i < sim->name_changes.count; i++) {
        bool is_kept = is_ordered ? i < first : random_below(&sim->random, 2) == 0;
        if (is_kept) apply_name(&sim->durable, &sim->name_changes.items[i]);
    }
    while (sim->name_changes.count > 0) drop_name_change(sim, sim->name_changes.count - 1);
}

static bool has_parent(const struct names *names, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == path) return true;
    char folder[FILE_PATH_SIZE];
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    return names_find(names, folder) != SIZE_MAX;
}

static void remove_orphans(struct names *names)
{
    for (size_t i = 0; i < names->count;) {
        if (has_parent(names, names->items[i].path)) {
            i++;
            continue;
        }
        free(names->items[i].path);
        VEC_REMOVE(names, i);
        i = 0; /* its children are orphans now */
    }
}

void sim_disk_restart(struct sim_disk *sim)
{
    mutex_lock(&sim->mutex);
    for (size_t i = 0; i < sim->inodes.count; i++) {
        struct inode *inode = sim->inodes.items[i];
        if (inode == NULL || inode->is_folder) continue;
        apply_some(sim, inode);
        content_copy(&inode->live, &inode->durable);
    }
    settle_names(sim);
    remove_orphans(&sim->durable);
    release_names(&sim->live);
    bool *is_linked = must(calloc(sim->inodes.count, sizeof(bool)));
    for (size_t i = 0; i < sim->durable.count; i++) {
        names_set(&sim->live, sim->durable.items[i].path, sim->durable.items[i].inode);
        is_linked[sim->durable.items[i].inode] = true;
    }
    for (size_t i = 0; i < sim->inodes.count; i++) {
        if (is_linked[i]) continue;
        free_inode(sim->inodes.items[i]);
        sim->inodes.items[i] = NULL;
    }
    free(is_linked);
    sim->handles.count = 0;
    sim->held_from[0] = '\0';
    sim->has_crashed = false;
    sim->crash_in = 0;
    sim->faults = (struct sim_disk_faults){ 0 };
    mutex_unlock(&sim->mutex);
}

uint64_t sim_disk_changes(const struct sim_disk *sim)
{
    return sim->changes;
}

uint64_t sim_disk_used(const struct sim_disk *sim)
{
    return used(sim);
}

void sim_disk_plant(struct sim_disk *sim, enum sim_disk_bug bug, const char *ending)
{
    sim->bug = bug;
    sim->bug_ending = ending;
}

bool sim_disk_flip(struct sim_disk *sim, const char *path, uint64_t offset, int bit)
{
    char clean[FILE_PATH_SIZE];
    clean_path(path, clean);
    mutex_lock(&sim->mutex);
    size_t number;
    struct inode *inode = find(sim, clean, &number);
    bool is_there = inode != NULL && offset < inode->live.size;
    if (is_there) inode->live.bytes[offset] = (char)(inode->live.bytes[offset] ^ (1 << bit));
    if (is_there && offset < inode->durable.size) {
        inode->durable.bytes[offset] = inode->live.bytes[offset];
    }
    mutex_unlock(&sim->mutex);
    return is_there;
}
