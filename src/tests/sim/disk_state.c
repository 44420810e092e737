/* disk_state.c - bytes and names of the simulated disk, live and durable. */
#include "tests/sim/disk_state.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void *sim_must(void *memory)
{
    CHECK(memory != NULL);
    return memory;
}

char *sim_copy_text(const char *text)
{
    return sim_must(strdup(text));
}

void sim_content_resize(struct content *content, size_t size)
{
    if (size > content->capacity) {
        size_t capacity = content->capacity * 2 > size ? content->capacity * 2 : size;
        content->bytes = sim_must(realloc(content->bytes, capacity));
        content->capacity = capacity;
    }
    if (size > content->size) memset(content->bytes + content->size, 0, size - content->size);
    content->size = size;
}

void sim_content_write(struct content *content, const char *bytes, size_t size, uint64_t offset)
{
    if (size == 0) return;
    if (offset + size > content->size) sim_content_resize(content, (size_t)offset + size);
    memcpy(content->bytes + offset, bytes, size);
}

void sim_content_copy(struct content *to, const struct content *from)
{
    sim_content_resize(to, from->size);
    if (from->size > 0) memcpy(to->bytes, from->bytes, from->size);
}

void sim_drop_changes(struct inode *inode)
{
    for (size_t i = 0; i < inode->changes.count; i++) free(inode->changes.items[i].bytes);
    inode->changes.count = 0;
}

void sim_apply_some(struct sim_disk *sim, struct inode *inode)
{
    uint64_t mood = random_below(&sim->random, 4); /* none, all, or each by dice */
    for (size_t i = 0; i < inode->changes.count; i++) {
        const struct change *change = &inode->changes.items[i];
        if (mood == 0) continue;
        if (change->bytes == NULL) {
            if (mood == 1 || random_below(&sim->random, 2) == 0) {
                sim_content_resize(&inode->durable, (size_t)change->offset);
            }
            continue;
        }
        for (size_t at = 0; at < change->size;) {
            size_t step = SECTOR - (size_t)((change->offset + at) % SECTOR);
            if (step > change->size - at) step = change->size - at;
            if (mood == 1 || random_below(&sim->random, 2) == 0) {
                sim_content_write(&inode->durable, change->bytes + at, step, change->offset + at);
            }
            at += step;
        }
    }
    sim_drop_changes(inode);
}

size_t sim_names_find(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) return i;
    }
    return SIZE_MAX;
}

static void names_remove(struct names *names, const char *path)
{
    size_t at = sim_names_find(names, path);
    if (at == SIZE_MAX) return;
    free(names->items[at].path);
    VEC_REMOVE(names, at);
}

void sim_names_set(struct names *names, const char *path, size_t inode)
{
    size_t at = sim_names_find(names, path);
    if (at != SIZE_MAX) {
        names->items[at].inode = inode;
        return;
    }
    struct name name = { sim_copy_text(path), inode };
    CHECK(VEC_PUSH(names, name));
}

bool sim_is_under(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    if (size == 1) return path[0] == '/' && path[1] != '\0';
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

static void names_rename(struct names *names, const char *from, const char *to, size_t inode)
{
    size_t from_size = strlen(from);
    names_remove(names, from);
    sim_names_set(names, to, inode);
    for (size_t i = 0; i < names->count; i++) {
        struct name *name = &names->items[i];
        if (!sim_is_under(name->path, from)) continue;
        size_t size = strlen(to) + strlen(name->path + from_size) + 1;
        char *moved = sim_must(malloc(size));
        memcpy(moved, to, strlen(to));
        memcpy(moved + strlen(to), name->path + from_size, strlen(name->path + from_size) + 1);
        free(name->path);
        name->path = moved;
    }
}

void sim_apply_name(struct names *names, const struct name_change *change)
{
    switch (change->kind) {
    case NAME_LINK: sim_names_set(names, change->path, change->inode); break;
    case NAME_UNLINK: names_remove(names, change->path); break;
    case NAME_RENAME: names_rename(names, change->path, change->to, change->inode); break;
    }
}

void sim_add_name_change(struct sim_disk *sim, enum name_change_kind kind, const char *path,
                         const char *to, size_t inode)
{
    struct name_change change = { kind, sim_copy_text(path), to == NULL ? NULL : sim_copy_text(to),
                                  inode };
    sim_apply_name(&sim->live, &change);
    CHECK(VEC_PUSH(&sim->name_changes, change));
}

void sim_drop_name_change(struct sim_disk *sim, size_t at)
{
    free(sim->name_changes.items[at].path);
    free(sim->name_changes.items[at].to);
    VEC_REMOVE(&sim->name_changes, at);
}

bool sim_is_in(const char *path, const char *folder)
{
    return path != NULL && sim_is_under(path, folder) &&
           strchr(path + (folder[1] == '\0' ? 1 : strlen(folder) + 1), '/') == NULL;
}

void sim_clean_path(const char *path, char *clean)
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

struct inode *sim_find(struct sim_disk *sim, const char *path, size_t *inode)
{
    size_t at = sim_names_find(&sim->live, path);
    if (at == SIZE_MAX) return NULL;
    *inode = sim->live.items[at].inode;
    return sim->inodes.items[*inode];
}

size_t sim_new_inode(struct sim_disk *sim, bool is_folder)
{
    struct inode *inode = sim_must(calloc(1, sizeof(*inode)));
    inode->is_folder = is_folder;
    CHECK(VEC_PUSH(&sim->inodes, inode));
    return sim->inodes.count - 1;
}

bool sim_throws(struct sim_disk *sim, uint32_t chance)
{
    return chance > 0 && random_below(&sim->random, 1000000) < chance;
}

bool sim_has_bug(const struct sim_disk *sim, enum sim_disk_bug bug, const char *path)
{
    if (sim->bug != bug || path == NULL) return false;
    size_t size = strlen(path);
    size_t ending = strlen(sim->bug_ending);
    return size >= ending && strcmp(path + size - ending, sim->bug_ending) == 0;
}

const char *sim_path_of(const struct sim_disk *sim, size_t inode)
{
    for (size_t i = 0; i < sim->live.count; i++) {
        if (sim->live.items[i].inode == inode) return sim->live.items[i].path;
    }
    return NULL;
}

bool sim_begin_change(struct sim_disk *sim)
{
    sim->changes++;
    sim->time_ms++;
    if (sim->crash_in == 0) return false;
    return --sim->crash_in == 0;
}

uint64_t sim_used(const struct sim_disk *sim)
{
    uint64_t size = 0;
    for (size_t i = 0; i < sim->live.count; i++) {
        size += sim->inodes.items[sim->live.items[i].inode]->live.size;
    }
    return size;
}
