/* textfile.c - the exposition as a file that is whole at every moment. */
#include "prometheus/expose.h"

#include "prometheus/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_PATH_SIZE = 4096 };

static int fail_errno(struct pm_error *error, const char *what, const char *path)
{
    char text[80];
    return pm_fail(error, PM_ERROR_SYSTEM, "%s '%.100s': %s", what, path,
                   strerror_r(errno, text, sizeof(text)));
}

static int write_all(void *arg, const char *data, size_t size)
{
    int fd = *(const int *)arg;
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return -1;
        data += count;
        size -= (size_t)count;
    }
    return 0;
}

/* So that the new name is there after a power cut, too. A directory that cannot be synced is none
 * of the caller's business. */
static void sync_directory(const char *path)
{
    char directory[FILE_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (size >= sizeof(directory)) return;
    memcpy(directory, path, size);
    memcpy(directory + size, slash == NULL ? "." : "/", 2);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    (void)close(fd);
}

static int fill(struct pm_registry *registry, int fd, const char *path, struct pm_error *error)
{
    int code = pm_render(registry, (struct pm_format){ .kind = PM_TEXT_0_0_4 }, write_all, &fd);
    if (code == PM_ERROR_WRITE) return fail_errno(error, "write", path);
    if (code < 0) return pm_fail(error, code, "no memory to write '%.100s'", path);
    if (fchmod(fd, 0644) < 0 || fsync(fd) < 0) return fail_errno(error, "sync", path);
    return PM_OK;
}

int pm_write_textfile(struct pm_registry *registry, const char *path, struct pm_error *error)
{
    static uint32_t turn; /* threads of one process write files of their own */
    char beside[FILE_PATH_SIZE];
    uint32_t own = __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED);
    int size = snprintf(beside, sizeof(beside), "%s.%ld.%u", path, (long)getpid(), (unsigned)own);
    if (size < 0 || (size_t)size >= sizeof(beside)) {
        return pm_fail(error, PM_ERROR_SYSTEM, "the path is over %d bytes", FILE_PATH_SIZE - 32);
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail_errno(error, "make", beside);
    int code = fill(registry, fd, beside, error);
    if (close(fd) < 0 && code == PM_OK) code = fail_errno(error, "close", beside);
    if (code == PM_OK && rename(beside, path) < 0) code = fail_errno(error, "name", path);
    if (code == PM_OK)
        sync_directory(path);
    else
        (void)unlink(beside);
    return code;
}
