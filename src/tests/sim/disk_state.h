/* disk_state.h - inside the simulated disk: what its files share.
 *
 * A file keeps its live bytes, its durable bytes and the list of changes between the two; a sync
 * makes the live bytes durable and empties the list; a crash applies a random part of the list to
 * the durable bytes and forgets the live ones. Names are kept the same way: a live list of paths,
 * a durable one, and the changes between the two, each belonging to the folder it happened in.
 *
 * disk_state.c has bytes and names, disk_calls.c the calls of the table, disk.c crash and restart.
 * Lock: sim_disk.mutex guards everything here.
 */
#ifndef TESTS_SIM_DISK_STATE_H
#define TESTS_SIM_DISK_STATE_H

#include "base/random.h"
#include "base/thread.h"
#include "base/vec.h"
#include "tests/sim/disk.h"

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

void *sim_must(void *memory);
char *sim_copy_text(const char *text);
void sim_content_resize(struct content *content, size_t size);
void sim_content_write(struct content *content, const char *bytes, size_t size, uint64_t offset);
void sim_content_copy(struct content *to, const struct content *from);
void sim_drop_changes(struct inode *inode);
/* Applies to the durable bytes what the dice let through. */
void sim_apply_some(struct sim_disk *sim, struct inode *inode);
size_t sim_names_find(const struct names *names, const char *path);
void sim_names_set(struct names *names, const char *path, size_t inode);
bool sim_is_under(const char *path, const char *folder);
void sim_apply_name(struct names *names, const struct name_change *change);
void sim_add_name_change(struct sim_disk *sim, enum name_change_kind kind, const char *path,
                         const char *to, size_t inode);
void sim_drop_name_change(struct sim_disk *sim, size_t at);
/* Whether path stands directly in the folder. */
bool sim_is_in(const char *path, const char *folder);
/* Paths are compared as text: no doubled or trailing slash, always from the root. */
void sim_clean_path(const char *path, char *clean);
struct inode *sim_find(struct sim_disk *sim, const char *path, size_t *inode);
size_t sim_new_inode(struct sim_disk *sim, bool is_folder);
bool sim_throws(struct sim_disk *sim, uint32_t chance);
bool sim_has_bug(const struct sim_disk *sim, enum sim_disk_bug bug, const char *path);
/* A name of the file, or NULL. */
const char *sim_path_of(const struct sim_disk *sim, size_t inode);
/* A changing call begins. True: the power goes in its middle. */
bool sim_begin_change(struct sim_disk *sim);
uint64_t sim_used(const struct sim_disk *sim);

void sim_fill_table(struct sim_disk *sim); /* disk_calls.c */

#endif
