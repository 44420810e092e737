/* registry.h - how far each file was delivered, in memory and on disk.
 *
 * A state is one file in one life: a file that was cut to nothing, or another one that got its
 * inode, has a new state. What the disk holds was acknowledged by the output, so after a crash
 * lines may come twice, never not at all. Format: docs/formats/ship-registry.md.
 *
 * Lock: mutex guards the list and every field of the states but the constant ones.
 */
#ifndef SHIPPER_REGISTRY_H
#define SHIPPER_REGISTRY_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file is known by its place on the disk and by how it begins. */
#define SHIP_HEAD_SIZE 1024

#define SHIP_ID_SIZE 37 /* a UUID with its NUL */

struct ship_head {
    uint32_t size; /* bytes looked at, at most SHIP_HEAD_SIZE */
    uint32_t crc;  /* CRC-32C of them */
};

struct ship_state {
    struct str input; /* id of a filestream, empty for log inputs; constant */
    uint64_t inode;   /* constant */
    uint64_t device;  /* constant */
    char *path;
    uint64_t offset;      /* all before was delivered */
    uint64_t size;        /* of the file, as last seen; for the lag */
    uint64_t read_offset; /* all before was read; the reader thread's alone */
    struct ship_head head;
    int64_t updated_ms;
    size_t holder_count; /* open files and queued events */
    bool is_removed;     /* not in the list any more */
};

VEC_TYPE(ship_states, struct ship_state *);

struct registry {
    const struct disk *disk;
    char path[FILE_PATH_SIZE];
    char agent_id[SHIP_ID_SIZE];
    struct mutex mutex;
    struct ship_states states;
    bool is_dirty;
    char aside[FILE_PATH_SIZE]; /* where a broken registry was put, or empty */
    struct error aside_cause;
};

/* Reads `folder`/registry.json. A broken one is renamed (see `aside`) and an empty one begins. */
int registry_open(struct registry *registry, const struct disk *disk, const char *folder,
                  int64_t now_ms, struct error *error) MUST_CHECK;
void registry_close(struct registry *registry); /* saves nothing; accepts a zeroed one */

/* Writes the file when something has changed. */
int registry_save(struct registry *registry, struct error *error) MUST_CHECK;

/* Each takes the lock. A state that is found or added has one more holder. */
struct ship_state *registry_find(struct registry *registry, struct str input, uint64_t inode,
                                 uint64_t device) MUST_CHECK;
struct ship_state *registry_add(struct registry *registry, const struct ship_state *like,
                                struct str path) MUST_CHECK;
void registry_hold(struct registry *registry, struct ship_state *state);
void registry_drop(struct registry *registry, struct ship_state *state); /* a holder less */
void registry_remove(struct registry *registry, struct ship_state *state);
void registry_acknowledge(struct registry *registry, struct ship_state *state, uint64_t offset,
                          int64_t now_ms);
void registry_rename(struct registry *registry, struct ship_state *state, struct str path);
void registry_see(struct registry *registry, struct ship_state *state, uint64_t size,
                  const struct ship_head *head);
/* A consistent copy; `path` is not to be used. */
struct ship_state registry_read(struct registry *registry, const struct ship_state *state);

/* Bytes seen in files and not delivered yet. */
uint64_t registry_lag(struct registry *registry);

/* Calls visit, unlocked, for a snapshot of all states, each held meanwhile. */
void registry_visit(struct registry *registry,
                    void (*visit)(void *argument, struct ship_state *state), void *argument);

#endif
