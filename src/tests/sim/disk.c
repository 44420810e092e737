/* disk.c - a simulated disk: its life, faults, crash and restart. How it works: disk_state.h. */
#include "tests/sim/disk.h"

#include "base/check.h"
#include "tests/sim/disk_state.h"

#include <stdlib.h>
#include <string.h>

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *sim = sim_must(calloc(1, sizeof(*sim)));
    mutex_init(&sim->mutex);
    random_init(&sim->random, seed);
    sim_fill_table(sim);
    size_t root = sim_new_inode(sim, true);
    sim_names_set(&sim->live, "/", root);
    sim_names_set(&sim->durable, "/", root);
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
    sim_drop_changes(inode);
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
    while (sim->name_changes.count > 0) sim_drop_name_change(sim, sim->name_changes.count - 1);
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
        if (is_kept) sim_apply_name(&sim->durable, &sim->name_changes.items[i]);
    }
    while (sim->name_changes.count > 0) sim_drop_name_change(sim, sim->name_changes.count - 1);
}

static bool has_parent(const struct names *names, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == path) return true;
    char folder[FILE_PATH_SIZE];
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    return sim_names_find(names, folder) != SIZE_MAX;
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
        sim_apply_some(sim, inode);
        sim_content_copy(&inode->live, &inode->durable);
    }
    settle_names(sim);
    remove_orphans(&sim->durable);
    release_names(&sim->live);
    bool *is_linked = sim_must(calloc(sim->inodes.count, sizeof(bool)));
    for (size_t i = 0; i < sim->durable.count; i++) {
        sim_names_set(&sim->live, sim->durable.items[i].path, sim->durable.items[i].inode);
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
    return sim_used(sim);
}

void sim_disk_plant(struct sim_disk *sim, enum sim_disk_bug bug, const char *ending)
{
    sim->bug = bug;
    sim->bug_ending = ending;
}

bool sim_disk_flip(struct sim_disk *sim, const char *path, uint64_t offset, int bit)
{
    char clean[FILE_PATH_SIZE];
    sim_clean_path(path, clean);
    mutex_lock(&sim->mutex);
    size_t number;
    struct inode *inode = sim_find(sim, clean, &number);
    bool is_there = inode != NULL && offset < inode->live.size;
    if (is_there) inode->live.bytes[offset] = (char)(inode->live.bytes[offset] ^ (1 << bit));
    if (is_there && offset < inode->durable.size) {
        inode->durable.bytes[offset] = inode->live.bytes[offset];
    }
    mutex_unlock(&sim->mutex);
    return is_there;
}
