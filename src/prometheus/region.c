/* region.c - one file of shared memory: a directory of records, and words. */
#include "prometheus/region.h"

#include "prometheus/fail.h"
#include "prometheus/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    HEADER_SIZE = 4096,
    VERSION = 4,
    DIRECTORY_SIZE = 8 << 20,
    WORD_COUNT_DEFAULT = 131072,
    CHUNKS_MAX = 65536,
    PAGE = 4096,
    PATH_SIZE = 512
};

static const char magic[8] = { 'P', 'M', 'R', 'E', 'G', 'I', 'O', 'N' };

struct region_header {
    char magic[8]; /* geometry: never changes after the file has its name */
    uint32_t version;
    uint32_t cpu_count;
    uint32_t atomic_count;
    uint32_t thread_count;
    uint32_t lane_size;
    uint32_t chunk_count;
    uint64_t directory_size;
    uint64_t pid_space; /* inode of the pid namespace: thread lanes name owners by pid */
    uint64_t created_ms;
    uint64_t reserved[8];
    uint64_t directory_used; /* the rest changes, atomically */
    uint64_t words_used;
    uint32_t other_lanes; /* lanes behind the CPUs' that may hold something */
    uint32_t is_retired;  /* a newer file took the name */
    uint64_t clients;
    uint64_t errors[16];
    uint64_t owners[THREAD_LANES]; /* pid << 32 | low half of its start time; 0 = free */
};
_Static_assert(sizeof(struct region_header) <= HEADER_SIZE, "the header is one page");

struct region {
    int fd;
    char path[PATH_SIZE];
    char *map;
    size_t size;
    struct region_header *header;
    struct lanes lanes;
    uint64_t directory_size;
    uint32_t chunk_count;
    uint64_t chunks_offset;
    uint64_t lane_of[THREAD_LANES]; /* generation << 32 | owned lane + 1, by our lane */
    uint64_t pid_space;
    int guard; /* number + 1; 0: none */
};

static int fail_errno(struct pm_error *error, int code, const char *what, const char *path)
{
    char text[80];
    const char *reason = strerror_r(errno, text, sizeof(text));
    return pm_fail(error, code, "%s '%.100s': %s", what, path, reason);
}

/* ---- Geometry ---- */

static uint64_t chunks_at(uint64_t directory_size)
{
    return (HEADER_SIZE + directory_size + LANE_SIZE - 1) / LANE_SIZE * LANE_SIZE;
}

static uint64_t file_size(const struct lanes *lanes, uint64_t directory_size, uint32_t chunk_count)
{
    return chunks_at(directory_size) + (uint64_t)chunk_count * lanes_count(lanes) * LANE_SIZE;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t pid_space(void)
{
    struct stat status;
    return stat("/proc/self/ns/pid", &status) < 0 ? 0 : (uint64_t)status.st_ino;
}

/* Takes the geometry over into the region when it can be believed. */
static int read_geometry(struct region *region, const struct region_header *header, uint64_t size)
{
    if (memcmp(header->magic, magic, sizeof(magic)) != 0 || header->version != VERSION) return -1;
    if (header->lane_size != LANE_SIZE || header->cpu_count == 0) return -1;
    if (header->cpu_count > CPUS_MAX || header->atomic_count == 0) return -1;
    if (header->atomic_count > CPUS_MAX || header->thread_count > THREAD_LANES) return -1;
    if (header->directory_size > UINT32_MAX || header->directory_size < RECORD_SIZE_MAX) return -1;
    if (header->directory_size % 8 != 0) return -1;
    if (header->chunk_count == 0 || header->chunk_count > CHUNKS_MAX) return -1;
    region->lanes.cpu_count = header->cpu_count;
    region->lanes.atomic_count = header->atomic_count;
    region->lanes.thread_count = header->thread_count;
    region->directory_size = header->directory_size;
    region->chunk_count = header->chunk_count;
    region->chunks_offset = chunks_at(header->directory_size);
    return file_size(&region->lanes, region->directory_size, region->chunk_count) == size ? 0 : -1;
}

/* ---- Opening ---- */

void pm_region_default_path(char *path, size_t size, const char *wanted)
{
    const char *environment = wanted == NULL ? getenv("BAROGRAPH_METRICS") : wanted;
    if (environment != NULL && environment[0] != '\0') {
        (void)snprintf(path, size, "%s", environment);
    } else {
        (void)snprintf(path, size, "/dev/shm/barograph-%u-metrics", (unsigned)geteuid());
    }
}

/* Maps an open file, or says why it is no region. The descriptor stays the caller's on failure. */
static int map_file(struct region *region, int fd, struct pm_error *error)
{
    struct stat status;
    struct region_header header;
    if (fstat(fd, &status) < 0) return fail_errno(error, PM_ERROR_SYSTEM, "stat", region->path);
    bool is_good = S_ISREG(status.st_mode) && status.st_size > HEADER_SIZE &&
                   pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
                   read_geometry(region, &header, (uint64_t)status.st_size) == 0;
    if (!is_good) {
        return pm_fail(error, PM_ERROR_REGION, "'%.100s' is not a region of metrics of version %d",
                       region->path, VERSION);
    }
    void *map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return fail_errno(error, PM_ERROR_SYSTEM, "map", region->path);
    region->fd = fd;
    region->map = map;
    region->size = (size_t)status.st_size;
    region->header = (struct region_header *)map;
    region->pid_space = pid_space();
    return PM_OK;
}

/* Pages of tmpfs that cannot be had would be SIGBUS when touched: ask for them first. */
static int allocate(const struct region *region, uint64_t offset, uint64_t size,
                    struct pm_error *error)
{
    uint64_t from = offset & ~(uint64_t)(PAGE - 1);
    uint64_t to = (offset + size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    for (;;) {
        if (fallocate(region->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == 0) break;
        if (errno == EINTR) continue;
        if (errno == EOPNOTSUPP || errno == ENOSYS) break;
        return fail_errno(error, PM_ERROR_FULL, "no space for the region", region->path);
    }
    return PM_OK;
}

static uint64_t lane_offset(const struct region *region, uint64_t chunk, uint64_t lane)
{
    return region->chunks_offset + (chunk * lanes_count(&region->lanes) + lane) * LANE_SIZE;
}

/* The pages of words [from, to) of one chunk, in the lanes [first, end). */
static int allocate_words(const struct region *region, uint64_t from, uint64_t to,
                          const uint64_t lanes[2], struct pm_error *error)
{
    for (uint64_t lane = lanes[0]; lane < lanes[1]; lane++) {
        uint64_t at = lane_offset(region, from / LANE_WORDS, lane) + from % LANE_WORDS * 8;
        int code = allocate(region, at, (to - from) * 8, error);
        if (code < 0) return code;
    }
    return PM_OK;
}

/* Lets lanes behind the CPUs' be used: for words that are there; pm_region_alloc does the rest. */
static int use_other_lanes(struct region *region, uint32_t count, struct pm_error *error)
{
    int code = pm_region_lock(region, error);
    if (code < 0) return code;
    struct region_header *header = region->header;
    uint64_t cpus = (uint64_t)1 + region->lanes.cpu_count;
    uint64_t lanes[2] = { cpus + pm_region_other_lanes(region), cpus + count };
    uint64_t used = __atomic_load_n(&header->words_used, __ATOMIC_ACQUIRE);
    uint64_t all = (uint64_t)region->chunk_count * LANE_WORDS;
    if (used > all) used = all;
    for (uint64_t from = 0; from < used && code == PM_OK && lanes[0] < lanes[1];) {
        uint64_t to = (from / LANE_WORDS + 1) * LANE_WORDS;
        if (to > used) to = used;
        code = allocate_words(region, from, to, lanes, error);
        from = to;
    }
    if (code == PM_OK && header->other_lanes < count) {
        __atomic_store_n(&header->other_lanes, count, __ATOMIC_RELEASE);
    }
    pm_region_unlock(region);
    return code;
}

int pm_region_use_atomic(struct region *region, struct pm_error *error)
{
    if (pm_region_other_lanes(region) >= region->lanes.atomic_count) return PM_OK;
    return use_other_lanes(region, region->lanes.atomic_count, error);
}

int pm_region_open(struct region **region_out, const char *path, struct pm_error *error)
{
    struct region *region = calloc(1, sizeof(*region));
    if (region == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a region");
    pm_region_default_path(region->path, PATH_SIZE, path);
    region->fd = -1;
    int fd = open(region->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int code = fd < 0 ? fail_errno(error, PM_ERROR_SYSTEM, "open the daemon's region", region->path)
                      : map_file(region, fd, error);
    if (code < 0) {
        if (fd >= 0) (void)close(fd);
        free(region);
        return code;
    }
    struct words words;
    pm_region_words(region, &words);
    if (words.mode == PM_MODE_ATOMIC)
        code = use_other_lanes(region, region->lanes.atomic_count, error);
    if (words.mode == PM_MODE_THREAD) {
        code =
            use_other_lanes(region, region->lanes.atomic_count + region->lanes.thread_count, error);
    }
    if (code < 0) {
        pm_region_close(region);
        return code;
    }
    __atomic_fetch_add(&region->header->clients, 1, __ATOMIC_RELAXED);
    *region_out = region;
    return PM_OK;
}

int pm_region_guard(struct region *region, struct pm_error *error)
{
    int guard = pm_guard_add(region->map, region->size);
    if (guard < 0) return pm_fail(error, PM_ERROR_SYSTEM, "no guard for '%.100s'", region->path);
    region->guard = guard + 1;
    return PM_OK;
}

void pm_region_close(struct region *region)
{
    if (region == NULL) return;
    for (size_t i = 0; region->header != NULL && i < THREAD_LANES; i++) {
        uint32_t lane = (uint32_t)region->lane_of[i];
        uint32_t generation;
        (void)pm_words_thread_lane(&generation);
        if (lane == 0 || region->lane_of[i] >> 32 != generation) continue;
        __atomic_store_n(&region->header->owners[lane - 1], 0, __ATOMIC_RELEASE);
    }
    pm_guard_remove(region->guard - 1);
    if (region->map != NULL) (void)munmap(region->map, region->size);
    if (region->fd >= 0) (void)close(region->fd);
    free(region);
}

/* ---- Making ---- */

/* The daemon's own lock, on the second byte, goes with the open file: other descriptors of the
 * process can be closed without ending it. */
static int lock_daemon(int fd, const char *path, struct pm_error *error)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return PM_OK;
    if (errno == EAGAIN || errno == EACCES) {
        return pm_fail(error, PM_ERROR_SYSTEM, "another daemon lives on the region '%.100s'", path);
    }
    return fail_errno(error, PM_ERROR_SYSTEM, "lock the region", path);
}

static int write_new(struct region *region, int fd, const struct pm_daemon_options *options,
                     struct pm_error *error)
{
    size_t words = options->word_count == 0 ? WORD_COUNT_DEFAULT : options->word_count;
    uint64_t directory = options->directory_size == 0 ? DIRECTORY_SIZE : options->directory_size;
    if (directory < RECORD_SIZE_MAX) directory = RECORD_SIZE_MAX;
    if (directory > UINT32_MAX / 2) directory = UINT32_MAX / 2;
    struct region_header header = { .version = VERSION, .lane_size = LANE_SIZE };
    memcpy(header.magic, magic, sizeof(magic));
    header.cpu_count = pm_words_cpu_count();
    header.atomic_count = ATOMIC_LANES;
    header.thread_count = THREAD_LANES;
    header.directory_size = directory & ~(uint64_t)7;
    size_t chunks = (words + LANE_WORDS - 1) / LANE_WORDS;
    header.chunk_count = chunks > CHUNKS_MAX ? CHUNKS_MAX : (uint32_t)chunks;
    header.pid_space = pid_space();
    header.created_ms = now_ms();
    header.directory_used = RECORD_FIRST;
    struct lanes lanes = { header.cpu_count, header.atomic_count, header.thread_count };
    uint64_t size = file_size(&lanes, header.directory_size, header.chunk_count);
    if (ftruncate(fd, (off_t)size) < 0 ||
        pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
        return fail_errno(error, PM_ERROR_SYSTEM, "write the region", region->path);
    }
    int code = map_file(region, fd, error);
    if (code == PM_OK) code = allocate(region, 0, HEADER_SIZE, error);
    return code;
}

/* A new file, made whole beside the name before it gets it. `old` is replaced, if there is one. */
static int make_file(struct region *region, const struct pm_daemon_options *options,
                     const struct region *old, struct pm_error *error)
{
    char path[PATH_SIZE + 32];
    (void)snprintf(path, sizeof(path), "%s.new.%ld", region->path, (long)getpid());
    (void)unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail_errno(error, PM_ERROR_SYSTEM, "make the region", region->path);
    int code = lock_daemon(fd, region->path, error);
    if (code == PM_OK) code = write_new(region, fd, options, error);
    if (code == PM_OK &&
        (old != NULL ? rename(path, region->path) : link(path, region->path)) < 0) {
        code = fail_errno(error, PM_ERROR_SYSTEM, "name the region", region->path);
    }
    (void)unlink(path);
    if (code < 0 && region->map != NULL) {
        (void)munmap(region->map, region->size);
        region->map = NULL;
    }
    if (code < 0) (void)close(fd);
    return code;
}

/* Whether the file is ours to replace: a region of whatever version, or empty. */
static bool is_ours(int fd)
{
    char begin[sizeof(magic)];
    ssize_t size = pread(fd, begin, sizeof(begin), 0);
    return size == 0 ||
           (size == (ssize_t)sizeof(begin) && memcmp(begin, magic, sizeof(magic)) == 0);
}

static int create_at(struct region *region, const struct pm_daemon_options *options,
                     struct pm_error *error)
{
    int fd = open(region->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return make_file(region, options, NULL, error);
    if (fd < 0) return fail_errno(error, PM_ERROR_SYSTEM, "open the region", region->path);
    int code = lock_daemon(fd, region->path, error);
    if (code == PM_OK) {
        code = map_file(region, fd, NULL);
        if (code == PM_OK && region->lanes.cpu_count >= pm_words_cpu_count()) return PM_OK;
        if (code == PM_OK) __atomic_store_n(&region->header->is_retired, 1, __ATOMIC_RELEASE);
        if (code == PM_OK) (void)munmap(region->map, region->size);
        region->map = NULL;
        region->fd = -1;
        code = !is_ours(fd) ? pm_fail(error, PM_ERROR_REGION, "'%.100s' is no region of metrics",
                                      region->path)
                            : make_file(region, options, region, error);
    }
    (void)close(fd);
    return code;
}

int pm_region_create(struct region **region_out, const struct pm_daemon_options *options,
                     struct pm_error *error)
{
    static const struct pm_daemon_options defaults = { 0 };
    if (options == NULL) options = &defaults;
    struct region *region = calloc(1, sizeof(*region));
    if (region == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a region");
    pm_region_default_path(region->path, PATH_SIZE, options->path);
    region->fd = -1;
    int code = create_at(region, options, error);
    if (code < 0) {
        free(region);
        return code;
    }
    struct words words;
    pm_region_words(region, &words);
    if (words.mode != PM_MODE_RSEQ) {
        code =
            use_other_lanes(region, region->lanes.atomic_count + region->lanes.thread_count, error);
    }
    if (code < 0) {
        pm_region_close(region);
        return code;
    }
    *region_out = region;
    return PM_OK;
}

/* ---- Adding ---- */

int pm_region_lock(struct region *region, struct pm_error *error)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    for (int64_t waited_us = 0; fcntl(region->fd, F_SETLK, &lock) < 0;) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
            return fail_errno(error, PM_ERROR_SYSTEM, "lock the region", region->path);
        }
        if (waited_us > (int64_t)LOCK_WAIT_MS * 1000) {
            return pm_fail(error, PM_ERROR_SYSTEM, "region '%.100s' is locked by a stopped process",
                           region->path);
        }
        struct timespec pause = { 0, 100 * 1000 };
        (void)nanosleep(&pause, NULL);
        waited_us += 150;
    }
    if (__atomic_load_n(&region->header->is_retired, __ATOMIC_ACQUIRE) == 0) return PM_OK;
    pm_region_unlock(region);
    return pm_fail(error, PM_ERROR_REGION, "the daemon has a new region; open '%.100s' again",
                   region->path);
}

void pm_region_unlock(struct region *region)
{
    struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    (void)fcntl(region->fd, F_SETLK, &lock);
}

int pm_region_append(struct region *region, struct record *record, const double *bounds,
                     const char *text, uint32_t *offset, struct pm_error *error)
{
    uint64_t used = __atomic_load_n(&region->header->directory_used, __ATOMIC_ACQUIRE);
    size_t bounds_size = (size_t)record->bound_count * sizeof(double);
    size_t size = (sizeof(*record) + bounds_size + record->text_size + 7) & ~(size_t)7;
    if (size > RECORD_SIZE_MAX) {
        return pm_fail(error, PM_ERROR_FULL, "the texts take %zu bytes, limit is %d", size,
                       (int)RECORD_SIZE_MAX);
    }
    if (used < RECORD_FIRST || used % 8 != 0 || used + size > region->directory_size) {
        return pm_fail(error, PM_ERROR_FULL, "the directory of region '%.100s' is full",
                       region->path);
    }
    int code = allocate(region, HEADER_SIZE + used, size, error);
    if (code < 0) return code;
    record->size = (uint32_t)size;
    record->created_ms = now_ms();
    char *at = region->map + HEADER_SIZE + used;
    memcpy(at, record, sizeof(*record));
    if (bounds_size > 0) memcpy(at + sizeof(*record), bounds, bounds_size);
    memcpy(at + sizeof(*record) + bounds_size, text, record->text_size);
    __atomic_store_n(&region->header->directory_used, used + size, __ATOMIC_RELEASE);
    *offset = (uint32_t)used;
    return PM_OK;
}

int pm_region_alloc(struct region *region, uint32_t count, uint32_t *word, struct pm_error *error)
{
    count = (count + 1) & ~(uint32_t)1;
    uint64_t used = __atomic_load_n(&region->header->words_used, __ATOMIC_ACQUIRE);
    used = (used + 1) & ~(uint64_t)1;
    if (used % LANE_WORDS + count > LANE_WORDS) used = (used / LANE_WORDS + 1) * LANE_WORDS;
    if (used + count > (uint64_t)region->chunk_count * LANE_WORDS) {
        return pm_fail(error, PM_ERROR_FULL, "the words of region '%.100s' are used up",
                       region->path);
    }
    uint64_t lanes[2] = { 0,
                          (uint64_t)1 + region->lanes.cpu_count + pm_region_other_lanes(region) };
    int code = allocate_words(region, used, used + count, lanes, error);
    if (code < 0) return code;
    __atomic_store_n(&region->header->words_used, used + count, __ATOMIC_RELEASE);
    *word = (uint32_t)used;
    return PM_OK;
}

/* ---- Reading ---- */

struct record *pm_region_read(const struct region *region, uint32_t offset, uint32_t *next)
{
    uint64_t used = __atomic_load_n(&region->header->directory_used, __ATOMIC_ACQUIRE);
    if (used > region->directory_size) used = region->directory_size;
    if (offset < RECORD_FIRST || offset % 8 != 0 || offset + sizeof(struct record) > used) {
        return NULL;
    }
    const char *at = region->map + HEADER_SIZE + offset;
    uint32_t size = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_RELAXED);
    if (size < sizeof(struct record) || size > RECORD_SIZE_MAX || size % 8 != 0 ||
        offset + (uint64_t)size > used) {
        *next = 0;
        return NULL;
    }
    struct record *copy = calloc(1, (size_t)size + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, at, size);
    copy->size = size;
    uint64_t needed = sizeof(*copy) + (uint64_t)copy->bound_count * 8 + copy->text_size;
    if (needed > size) copy->kind = 0; /* no reader knows that kind */
    *next = offset + size;
    return copy;
}

const double *pm_record_bounds(const struct record *record)
{
    return (const double *)(const void *)(record + 1);
}

const char *pm_record_text(const struct record *record)
{
    return (const char *)(record + 1) + (size_t)record->bound_count * sizeof(double);
}

char *pm_region_cell(const struct region *region, uint32_t word, uint32_t count)
{
    uint32_t chunk = word / LANE_WORDS;
    if (chunk >= region->chunk_count || word % 2 != 0) return NULL;
    if (word % LANE_WORDS + (uint64_t)count > LANE_WORDS) return NULL;
    return region->map + lane_offset(region, chunk, 0) + word % LANE_WORDS * (size_t)8;
}

uint32_t *pm_region_flags(const struct region *region, uint32_t offset)
{
    struct record *record = (struct record *)(void *)(region->map + HEADER_SIZE + offset);
    return &record->flags;
}

char *pm_region_payload(const struct region *region, uint32_t offset)
{
    return region->map + HEADER_SIZE + offset + sizeof(struct record);
}

uint64_t *pm_region_created(const struct region *region, uint32_t offset)
{
    struct record *record = (struct record *)(void *)(region->map + HEADER_SIZE + offset);
    return &record->created_ms;
}

void pm_region_words(struct region *region, struct words *words)
{
    memset(words, 0, sizeof(*words));
    words->region = region;
    words->lanes = region->lanes;
    words->mode = pm_mode();
    bool has_cpus = pm_words_cpu_count() <= region->lanes.cpu_count;
    if (words->mode == PM_MODE_RSEQ && !has_cpus) words->mode = PM_MODE_ATOMIC;
}

void pm_region_count_error(struct region *region, int code)
{
    if (code >= 0 || code <= -PM_ERROR_CODES) return;
    __atomic_fetch_add(&region->header->errors[-code], 1, __ATOMIC_RELAXED);
}

void pm_region_get_use(const struct region *region, struct region_use *use)
{
    const struct region_header *header = region->header;
    use->directory_used = __atomic_load_n(&header->directory_used, __ATOMIC_RELAXED);
    use->directory_size = region->directory_size;
    use->words_used = __atomic_load_n(&header->words_used, __ATOMIC_RELAXED);
    use->words_size = (uint64_t)region->chunk_count * LANE_WORDS;
    use->is_cut = pm_guard_has_fired(region->guard - 1);
    use->clients = __atomic_load_n(&header->clients, __ATOMIC_RELAXED);
    for (size_t i = 0; i < PM_ERROR_CODES; i++) {
        use->errors[i] = __atomic_load_n(&header->errors[i], __ATOMIC_RELAXED);
    }
}

const char *pm_region_path(const struct region *region)
{
    return region->path;
}

uint32_t pm_region_other_lanes(const struct region *region)
{
    uint32_t count = __atomic_load_n(&region->header->other_lanes, __ATOMIC_ACQUIRE);
    uint32_t most = region->lanes.atomic_count + region->lanes.thread_count;
    return count < most ? count : most;
}

/* ---- Lanes of threads ---- */

/* The low half of a process' start time, in ticks since boot; 0 when it is not there. */
static uint32_t start_time(uint32_t pid)
{
    char path[64];
    char text[2048];
    (void)snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (size <= 0) return 0;
    text[size] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    uint64_t value = 0;
    for (at = at == NULL ? "" : at + 1; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
    }
    return (uint32_t)value;
}

/* A free lane, or one whose owner is dead; what it counted stays. */
static int claim_lane(struct region *region)
{
    if (region->pid_space == 0 || region->header->pid_space != region->pid_space) return -1;
    uint32_t pid = (uint32_t)getpid();
    uint64_t own = (uint64_t)pid << 32 | start_time(pid);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < region->lanes.thread_count; i++) {
            uint64_t *owner = &region->header->owners[i];
            uint64_t old = __atomic_load_n(owner, __ATOMIC_ACQUIRE);
            bool is_free = old == 0;
            if (round == 1 && old != 0) {
                is_free = start_time((uint32_t)(old >> 32)) != (uint32_t)old;
            }
            if (is_free && __atomic_compare_exchange_n(owner, &old, own, false, __ATOMIC_ACQ_REL,
                                                       __ATOMIC_RELAXED)) {
                return (int)i;
            }
        }
    }
    return -1;
}

int pm_region_thread_lane(struct region *region, uint32_t lane, uint32_t generation)
{
    uint64_t *mine = &region->lane_of[lane]; /* the thread that has `lane` alone touches it */
    uint64_t now = __atomic_load_n(mine, __ATOMIC_RELAXED);
    if (now >> 32 != generation) {
        int claimed = claim_lane(region);
        now = (uint64_t)generation << 32 | (uint32_t)(claimed + 1);
        __atomic_store_n(mine, now, __ATOMIC_RELAXED);
    }
    return (int)(uint32_t)now - 1;
}
