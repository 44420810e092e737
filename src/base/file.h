/* file.h - files behind a table of functions: struct disk.
 *
 * Everything a store does to a disk goes through one of these tables, so that a test can put a
 * simulated disk underneath that forgets what was not synced, tears writes and runs full
 * (src/tests/sim/). disk_system is the machine's own.
 *
 * Handles are int: a descriptor of the disk that opened them. Codes are negative errno. Paths are
 * NUL-terminated. Calls interrupted by signals go on by themselves; read and write are whole or
 * fail.
 *
 * A file is there after a crash only if its bytes were synced AND its folder was
 * (disk->sync_folder), see docs/formats/.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_open_flags {
    DISK_READ = 1,
    DISK_WRITE = 2,     /* read and write */
    DISK_CREATE = 4,    /* make it when missing (mode 0640) */
    DISK_EXCLUSIVE = 8, /* fail with -EEXIST when it is there */
    DISK_TRUNCATE = 16, /* empty it */
};

struct disk_info {
    uint64_t size; /* bytes; 0 for folders */
    uint64_t inode;
    uint64_t device;
    int64_t change_ms; /* last modification, milliseconds since the epoch */
    bool is_folder;
};

struct disk_space {
    uint64_t free_size;  /* bytes that an ordinary user can still write */
    uint64_t total_size; /* bytes */
};

struct disk {
    int (*open)(void *state, const char *path, int flags); /* handle or negative errno */
    void (*close)(void *state, int handle);
    /* Up to `size` bytes at offset; the count (less only at the end of the file) or errno. */
    int64_t (*read_at)(void *state, int handle, void *bytes, size_t size, uint64_t offset);
    int (*write_at)(void *state, int handle, const void *bytes, size_t size, uint64_t offset);
    int (*truncate)(void *state, int handle, uint64_t size);
    int (*sync)(void *state, int handle); /* bytes and size are on the medium (fdatasync) */
    int (*info)(void *state, const char *path, struct disk_info *info);
    int (*rename)(void *state, const char *from, const char *to); /* replaces `to` */
    int (*link)(void *state, const char *from, const char *to);   /* another name of a file */
    int (*remove)(void *state, const char *path);                 /* file or empty folder */
    int (*make_folder)(void *state, const char *path);            /* 0 also when it is there */
    int (*sync_folder)(void *state, const char *path); /* names inside are on the medium */
    /* Calls visit for each name but . and .. in byte order; stops at its first non-zero code. */
    int (*list)(void *state, const char *path, int (*visit)(void *argument, const char *name),
                void *argument);
    int (*space)(void *state, const char *path, struct disk_space *space);
    /* Read-only bytes of a whole file; unmap gives them back. An empty file gives NULL and 0. */
    int (*map)(void *state, const char *path, const void **bytes, size_t *size);
    void (*unmap)(void *state, const void *bytes, size_t size);
    /* What was mapped will not be looked at soon: it need not count as memory of the process. It is
     * there as before, when it is. */
    void (*unload)(void *state, const void *bytes, size_t size);
    void *state;
};

extern const struct disk disk_system; /* any thread */

/* Whole file into buf (appended); ERROR_LIMIT when larger than the buffer may hold. */
int file_read(const struct disk *disk, const char *path, struct buf *buf,
              struct error *error) MUST_CHECK;

/* The file has either its old or exactly these bytes, also after a crash: writes `path`.tmp,
 * syncs, renames, syncs the folder. */
int file_replace(const struct disk *disk, const char *path, struct str bytes,
                 struct error *error) MUST_CHECK;

/* Makes the folder and those above it, synced. */
int file_make_folders(const struct disk *disk, const char *path, struct error *error) MUST_CHECK;

/* Removes a file, or a folder with all that is in it. 0 also when it is not there. */
int file_remove_tree(const struct disk *disk, const char *path, struct error *error) MUST_CHECK;

/* Joins with one slash. ERROR_LIMIT when it does not fit in FILE_PATH_SIZE. */
#define FILE_PATH_SIZE 1024
int file_join(char *path, const char *folder, const char *name, struct error *error) MUST_CHECK;

/*
 * Takes the lock file of a data folder ("lock" inside it, pid written into it), so that two
 * instances never share one. The machine's disk only.
 *
 *   lock    out: the descriptor that holds the lock until file_unlock or the end of the process
 *
 * Returns 0, -EWOULDBLOCK (the text names the pid that holds it) or another errno.
 */
int file_lock_folder(const char *folder, int *lock, struct error *error) MUST_CHECK;
void file_unlock(int lock);

#endif
