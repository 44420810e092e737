/* file.c - the machine's own disk, and the few steps every store takes on any disk. */
#include "base/file.h"

#include "base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int system_open(void *state, const char *path, int flags)
{
    (void)state;
    int mode = O_CLOEXEC | ((flags & DISK_WRITE) != 0 ? O_RDWR : O_RDONLY);
    if ((flags & DISK_CREATE) != 0) mode |= O_CREAT;
    if ((flags & DISK_EXCLUSIVE) != 0) mode |= O_EXCL;
    if ((flags & DISK_TRUNCATE) != 0) mode |= O_TRUNC;
    int handle;
    do {
        handle = open(path, mode, 0640);
    } while (handle < 0 && errno == EINTR);
    return handle < 0 ? -errno : handle;
}

static void system_close(void *state, int handle)
{
    (void)state;
    (void)close(handle);
}

static int64_t system_read_at(void *state, int handle, void *bytes, size_t size, uint64_t offset)
{
    (void)state;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(handle, (char *)bytes + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int system_write_at(void *state, int handle, const void *bytes, size_t size, uint64_t offset)
{
    (void)state;
    size_t done = 0;
    while (done < size) {
        ssize_t put =
            pwrite(handle, (const char *)bytes + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -errno;
        done += (size_t)put;
    }
    return 0;
}

static int system_truncate(void *state, int handle, uint64_t size)
{
    (void)state;
    return ftruncate(handle, (off_t)size) == 0 ? 0 : -errno;
}

static int system_sync(void *state, int handle)
{
    (void)state;
    return fdatasync(handle) == 0 ? 0 : -errno;
}

static int system_info(void *state, const char *path, struct disk_info *info)
{
    (void)state;
    struct stat status;
    if (stat(path, &status) != 0) return -errno;
    *info = (struct disk_info){
        .size = S_ISDIR(status.st_mode) ? 0 : (uint64_t)status.st_size,
        .inode = (uint64_t)status.st_ino,
        .device = (uint64_t)status.st_dev,
        .change_ms = (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000,
        .is_folder = S_ISDIR(status.st_mode),
    };
    return 0;
}

static int system_rename(void *state, const char *from, const char *to)
{
    (void)state;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int system_link(void *state, const char *from, const char *to)
{
    (void)state;
    return link(from, to) == 0 ? 0 : -errno;
}

static int system_remove(void *state, const char *path)
{
    (void)state;
    return remove(path) == 0 ? 0 : -errno;
}

static int system_make_folder(void *state, const char *path)
{
    (void)state;
    if (mkdir(path, 0750) == 0 || errno == EEXIST) return 0;
    return -errno;
}

static int system_sync_folder(void *state, const char *path)
{
    (void)state;
    int handle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle < 0) return -errno;
    int code = fsync(handle) == 0 ? 0 : -errno;
    (void)close(handle);
    return code;
}

static int is_real_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int system_list(void *state, const char *path,
                       int (*visit)(void *argument, const char *name), void *argument)
{
    (void)state;
    struct dirent **entries;
    int count = scandir(path, &entries, is_real_name, by_bytes);
    if (count < 0) return -errno;
    int code = 0;
    for (int i = 0; i < count; i++) {
        if (code == 0) code = visit(argument, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return code;
}

static int system_space(void *state, const char *path, struct disk_space *space)
{
    (void)state;
    struct statvfs status;
    if (statvfs(path, &status) != 0) return -errno;
    *space = (struct disk_space){
        .free_size = (uint64_t)status.f_bavail * status.f_frsize,
        .total_size = (uint64_t)status.f_blocks * status.f_frsize,
    };
    return 0;
}

static int system_map(void *state, const char *path, const void **bytes, size_t *size)
{
    int handle = system_open(state, path, DISK_READ);
    if (handle < 0) return handle;
    struct stat status;
    int code = fstat(handle, &status) == 0 ? 0 : -errno;
    void *mapped = NULL;
    if (code == 0 && status.st_size > 0) {
        mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, handle, 0);
        if (mapped == MAP_FAILED) code = -errno;
    }
    (void)close(handle);
    if (code != 0) return code;
    *bytes = mapped;
    *size = (size_t)status.st_size;
    return 0;
}

static void system_unmap(void *state, const void *bytes, size_t size)
{
    (void)state;
    if (bytes != NULL) (void)munmap((void *)(uintptr_t)bytes, size);
}

static void system_unload(void *state, const void *bytes, size_t size)
{
    (void)state;
    if (bytes != NULL) (void)madvise((void *)(uintptr_t)bytes, size, MADV_DONTNEED);
}

const struct disk disk_system = {
    .open = system_open,
    .close = system_close,
    .read_at = system_read_at,
    .write_at = system_write_at,
    .truncate = system_truncate,
    .sync = system_sync,
    .info = system_info,
    .rename = system_rename,
    .link = system_link,
    .remove = system_remove,
    .make_folder = system_make_folder,
    .sync_folder = system_sync_folder,
    .list = system_list,
    .space = system_space,
    .map = system_map,
    .unmap = system_unmap,
    .unload = system_unload,
};

static int fail(struct error *error, int code, const char *action, const char *path)
{
    return error_set(error, code, "%s '%s': %s", action, path, strerrordesc_np(-code));
}

int file_read(const struct disk *disk, const char *path, struct buf *buf, struct error *error)
{
    int handle = disk->open(disk->state, path, DISK_READ);
    if (handle < 0) return fail(error, handle, "open", path);

    size_t size_before = buf->size;
    int code = 0;
    for (;;) {
        enum { STEP = 65536 };
        size_t room = buf->size_max - buf->size;
        char last;
        char *to = room == 0 ? &last : buf_reserve(buf, room < STEP ? room : STEP);
        if (to == NULL) {
            code = error_set(error, -ENOMEM, "no memory to read '%s'", path);
            break;
        }
        size_t step = room == 0 ? 1 : (room < STEP ? room : STEP);
        int64_t got = disk->read_at(disk->state, handle, to, step, buf->size - size_before);
        if (got < 0) code = fail(error, (int)got, "read", path);
        if (got > 0 && room == 0) {
            code = error_set(error, ERROR_LIMIT, "'%s' is larger than %zu bytes", path,
                             buf->size_max - size_before);
        }
        if (got <= 0 || code != 0) break;
        buf->size += (size_t)got;
    }
    disk->close(disk->state, handle);
    if (code != 0) buf_truncate(buf, size_before);
    return code;
}

/* Writes the folder part of path into folder ("." when there is none). */
static void folder_of(const char *path, char *folder)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == path) size = 1;
    CHECK(size < FILE_PATH_SIZE);
    memcpy(folder, size == 0 ? "." : path, size == 0 ? 1 : size);
    folder[size == 0 ? 1 : size] = '\0';
}

static int write_new(const struct disk *disk, const char *path, struct str bytes,
                     struct error *error)
{
    int handle = disk->open(disk->state, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE);
    if (handle < 0) return fail(error, handle, "create", path);
    int code = disk->write_at(disk->state, handle, bytes.data, bytes.size, 0);
    if (code != 0) {
        code = fail(error, code, "write", path);
    } else {
        code = disk->sync(disk->state, handle);
        if (code != 0) code = fail(error, code, "sync", path);
    }
    disk->close(disk->state, handle);
    return code;
}

int file_replace(const struct disk *disk, const char *path, struct str bytes, struct error *error)
{
    char fresh[FILE_PATH_SIZE];
    int length = snprintf(fresh, sizeof(fresh), "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof(fresh)) {
        return error_set(error, ERROR_LIMIT, "path '%s' is longer than %d bytes", path,
                         FILE_PATH_SIZE);
    }
    int code = write_new(disk, fresh, bytes, error);
    if (code != 0) {
        (void)disk->remove(disk->state, fresh);
        return code;
    }
    code = disk->rename(disk->state, fresh, path);
    if (code != 0) return fail(error, code, "rename into place", path);

    char folder[FILE_PATH_SIZE];
    folder_of(path, folder);
    code = disk->sync_folder(disk->state, folder);
    if (code != 0) return fail(error, code, "sync folder", folder);
    return 0;
}

int file_make_folders(const struct disk *disk, const char *path, struct error *error)
{
    char part[FILE_PATH_SIZE];
    size_t size = strlen(path);
    if (size >= sizeof(part)) {
        return error_set(error, ERROR_LIMIT, "path '%s' is longer than %d bytes", path,
                         FILE_PATH_SIZE);
    }
    for (size_t i = 1; i <= size; i++) {
        if (i < size && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        struct disk_info info;
        if (disk->info(disk->state, part, &info) == 0 && info.is_folder) continue;
        int code = disk->make_folder(disk->state, part);
        if (code != 0) return fail(error, code, "make folder", part);
        char above[FILE_PATH_SIZE];
        folder_of(part, above);
        code = disk->sync_folder(disk->state, above);
        if (code != 0) return fail(error, code, "sync folder", above);
    }
    return 0;
}

struct removal {
    const struct disk *disk;
    const char *folder;
    struct error *error;
};

static int remove_one(void *argument, const char *name)
{
    const struct removal *removal = argument;
    char path[FILE_PATH_SIZE];
    int code = file_join(path, removal->folder, name, removal->error);
    if (code != 0) return code;
    return file_remove_tree(removal->disk, path, removal->error);
}

int file_remove_tree(const struct disk *disk, const char *path, struct error *error)
{
    struct disk_info info;
    int code = disk->info(disk->state, path, &info);
    if (code == -ENOENT) return 0;
    if (code == 0 && info.is_folder) {
        struct removal removal = { disk, path, error };
        code = disk->list(disk->state, path, remove_one, &removal);
        if (code != 0) return code;
    }
    code = disk->remove(disk->state, path);
    if (code != 0 && code != -ENOENT) return fail(error, code, "remove", path);
    return 0;
}

int file_join(char *path, const char *folder, const char *name, struct error *error)
{
    size_t size = strlen(folder);
    const char *slash = size > 0 && folder[size - 1] == '/' ? "" : "/";
    int length = snprintf(path, FILE_PATH_SIZE, "%s%s%s", folder, slash, name);
    if (length < 0 || length >= FILE_PATH_SIZE) {
        return error_set(error, ERROR_LIMIT, "path '%s/%s' is longer than %d bytes", folder, name,
                         FILE_PATH_SIZE);
    }
    return 0;
}

int file_lock_folder(const char *folder, int *lock, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = file_join(path, folder, "lock", error);
    if (code != 0) return code;
    int handle = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (handle < 0) return fail(error, -errno, "open lock", path);

    char owner[32] = { 0 };
    if (flock(handle, LOCK_EX | LOCK_NB) != 0) {
        code = -errno;
        ssize_t got = pread(handle, owner, sizeof(owner) - 1, 0);
        (void)close(handle);
        if (code != -EWOULDBLOCK) return fail(error, code, "lock", path);
        owner[got > 0 ? strcspn(owner, "\n") : 0] = '\0';
        return error_set(error, code, "data folder '%s' is in use by process %s", folder,
                         owner[0] == '\0' ? "unknown" : owner);
    }
    int length = snprintf(owner, sizeof(owner), "%d\n", (int)getpid());
    if (ftruncate(handle, 0) != 0 || pwrite(handle, owner, (size_t)length, 0) != length) {
        code = -errno;
        (void)close(handle);
        return fail(error, code, "write lock", path);
    }
    *lock = handle;
    return 0;
}

void file_unlock(int lock)
{
    (void)close(lock);
}
