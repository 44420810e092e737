/* region.c - the ring file: making it, giving rings to threads, keeping what sites say.
 *
 * PROMISES  The file is sparse. Touching a page that the disk has no room for would end the process
 *           by SIGBUS, so every part is allocated (posix_fallocate) before it is first used; where
 *           that fails the caller goes another way.
 * OWNER     The process holds flock on the file as long as it lives: sl_recover then says -EBUSY.
 */
#include "structlog/async_state.h"

#include "structlog/number.h"
#include "structlog/sink.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_STEP   (UINT32_C(64) << 10)
#define REGION_MODE 0600 /* log lines may hold what others shall not read */

/* ---- layout ---- */

static uint64_t round_up(uint64_t offset)
{
    return (offset + SL_RING_PAGE - 1) & ~(uint64_t)(SL_RING_PAGE - 1);
}

static struct sl_ring_header layout(const struct sl_async *async)
{
    struct sl_ring_header header = {
        .magic = SL_RING_MAGIC,
        .version = SL_RING_VERSION,
        .pid = getpid(),
        .site_offset = SL_RING_PAGE,
        .site_count = SL_RING_SITE_MAX,
        .text_size = SL_RING_TEXT_SIZE,
        .sink_count = (uint32_t)async->pipeline->sink_count,
        .ring_count = async->options.ring_count,
        .ring_size = (uint32_t)async->options.ring_size,
        .ticks = async->ticks,
        .text_used = 8, /* 0 means nothing */
    };
    size_t batch_size = SL_BATCH_SIZE;
    for (size_t i = 0; i < async->pipeline->sink_count; i++) {
        size_t wanted = async->pipeline->sinks[i]->batch_size;
        if (wanted > batch_size) batch_size = wanted;
    }
    header.batch_size = (uint32_t)round_up(batch_size + SL_BATCH_ROOM);
    header.text_offset = round_up(header.site_offset + header.site_count * sizeof(uint32_t));
    header.sink_offset = header.text_offset + header.text_size;
    header.batch_offset =
        round_up(header.sink_offset + header.sink_count * sizeof(struct sl_ring_sink));
    header.ring_offset = header.batch_offset + (uint64_t)header.sink_count * header.batch_size;
    uint64_t ring_bytes = (uint64_t)header.ring_count * (SL_RING_PAGE + header.ring_size);
    header.size = header.ring_offset + ring_bytes;
    if (async->pipeline->with_origin) header.flags |= SL_RING_WITH_ORIGIN;
    if (async->pipeline->with_thread) header.flags |= SL_RING_WITH_THREAD;
    if (async->pipeline->with_pid) header.flags |= SL_RING_WITH_PID;
    return header;
}

bool sl_region_promise(struct sl_async *async, uint64_t offset, uint64_t size)
{
    int code = posix_fallocate(async->fd, (off_t)offset, (off_t)size);
    while (code == EINTR) code = posix_fallocate(async->fd, (off_t)offset, (off_t)size);
    return code == 0;
}

/* ---- texts ---- */

/* Room for `size` bytes of text, a multiple of 8; 0 when there is none. Under claim_lock. */
static uint32_t text_room(struct sl_async *async, size_t size)
{
    struct sl_ring_header *region = async->region;
    uint32_t at = region->text_used;
    if (size > region->text_size - at) return 0;
    while (at + size > async->text_ready) {
        uint32_t step = region->text_size - async->text_ready;
        if (step > TEXT_STEP) step = TEXT_STEP;
        if (!sl_region_promise(async, region->text_offset + async->text_ready, step)) return 0;
        async->text_ready += step;
    }
    region->text_used += (uint32_t)sl_pad8(size);
    return at;
}

static size_t site_text_size(const char *text)
{
    return sizeof(uint32_t) + ((strlen(text) + 3) & ~(size_t)3);
}

static char *put_site_text(char *to, const char *text, size_t size)
{
    uint32_t narrow = (uint32_t)size;
    memcpy(to, &narrow, sizeof(narrow));
    memcpy(to + sizeof(narrow), text, size);
    return to + sizeof(narrow) + ((size + 3) & ~(size_t)3);
}

static uint32_t put_site(struct sl_async *async, const struct sl_site *site)
{
    const char *file = sl_basename(site->file);
    size_t size = sizeof(struct sl_wire_site) + site_text_size(file);
    size += site_text_size(site->function);
    for (uint32_t i = 0; i <= site->count; i++) {
        size += sizeof(uint32_t) + ((site->keys[i].size + 3u) & ~(size_t)3);
    }
    uint32_t at = text_room(async, size);
    if (at == 0) return 0;
    char *to = (char *)async->region + async->region->text_offset + at;
    struct sl_wire_site head = { .size = (uint32_t)size, .line = site->line, .count = site->count };
    memcpy(to, &head, sizeof(head));
    to = put_site_text(to + sizeof(head), file, strlen(file));
    to = put_site_text(to, site->function, strlen(site->function));
    for (uint32_t i = 0; i <= site->count; i++) {
        to = put_site_text(to, site->keys[i].json + 2, site->keys[i].size);
    }
    return at;
}

bool sl_region_add_site(struct sl_async *async, struct sl_site *site)
{
    int saved = errno;
    sl_mutex_lock(&async->claim_lock);
    uint32_t *cell = &async->sites[site->number];
    uint32_t at = *cell;
    if (at == 0) {
        at = put_site(async, site);
        /* Release: who finds the site's number in a record finds its texts. */
        if (at != 0) __atomic_store_n(cell, at, __ATOMIC_RELEASE);
    }
    sl_mutex_unlock(&async->claim_lock);
    errno = saved;
    return at != 0;
}

/* ---- opening ---- */

static void fill_sinks(struct sl_async *async)
{
    const struct sl_pipeline *pipeline = async->pipeline;
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        struct sl_sink *sink = pipeline->sinks[i];
        struct sl_ring_sink *slot = sl_ring_sink_at(async->region, i);
        slot->kind = sink->kind;
        slot->view = sink->view;
        slot->level = sink->level;
        size_t size = sink->kind == SL_SINK_FILE ? strlen(sink->path) : 0;
        if (size >= sizeof(slot->path)) size = 0;
        memcpy(slot->path, sink->path == NULL ? "" : sink->path, size);
        slot->path_size = (uint32_t)size;
        async->batch_ready[i] = 0;
    }
}

static bool fill(struct sl_async *async, const struct sl_ring_header *header)
{
    uint64_t front = header->text_offset;
    uint64_t slots = header->batch_offset - header->sink_offset;
    if (!sl_region_promise(async, 0, front)) return false;
    if (slots > 0 && !sl_region_promise(async, header->sink_offset, slots)) return false;
    *async->region = *header;
    async->region->magic = 0; /* until all of it stands: a file without it holds no line */
    async->text_ready = 0;
    async->ring_ready = 0;
    fill_sinks(async);
    const struct sl_fields *fields = async->pipeline->fields;
    if (fields != NULL) {
        uint32_t at = text_room(async, fields->wire->size);
        if (at == 0) return false;
        memcpy((char *)async->region + header->text_offset + at, fields->wire, fields->wire->size);
        async->region->fields = at;
    }
    /* Release: who reads it, be it after a SIGKILL at any moment, finds the rest complete. */
    __atomic_store_n(&async->region->magic, SL_RING_MAGIC, __ATOMIC_RELEASE);
    return true;
}

/* The configured path; a forked child's with its number behind. */
static char *own_path(const struct sl_async *async)
{
    if (async->pid == 0 || async->pid == getpid()) return strdup(async->path);
    size_t size = strlen(async->path);
    char *path = malloc(size + 24);
    if (path == NULL) return NULL;
    memcpy(path, async->path, size);
    path[size] = '.';
    *sl_put_int(path + size + 1, getpid()) = '\0';
    return path;
}

/* One that is there already is what a killed process left: its lines come first, if it got so far
 * as to have any. */
static int create(const char *path)
{
    int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int fd = open(path, flags, REGION_MODE);
    if (fd >= 0 || errno != EEXIST) return fd < 0 ? -errno : fd;
    struct sl_recovery recovery;
    int code = sl_recover(path, NULL, NULL, &recovery);
    if (code == -ENOMSG) code = unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
    if (code < 0) return code == -EINVAL ? -EEXIST : code;
    fd = open(path, flags, REGION_MODE);
    return fd < 0 ? -errno : fd;
}

static int open_file(struct sl_async *async, const struct sl_ring_header *header)
{
    int fd = create(async->open_path);
    if (fd < 0) return fd;
    void *region = MAP_FAILED;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, (off_t)header->size) == 0) {
        region = mmap(NULL, header->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (region == MAP_FAILED) {
        int code = -errno;
        (void)unlink(async->open_path);
        (void)close(fd);
        return code;
    }
    async->fd = fd;
    async->region = region;
    return 0;
}

int sl_region_open(struct sl_async *async)
{
    struct sl_ring_header header = layout(async);
    async->open_path = own_path(async);
    if (async->open_path == NULL) return -ENOMEM;
    int code = open_file(async, &header);
    if (code == 0 && !fill(async, &header)) {
        sl_region_close(async, true);
        code = -ENOSPC;
    }
    if (code < 0) {
        free(async->open_path);
        async->open_path = NULL;
        return code;
    }
    async->sites = sl_ring_sites(async->region);
    async->mask = header.ring_size - 1;
    async->pid = header.pid;
    async->last_ns = 0;
    async->told_count = 0;
    memset(async->owners, 0, header.ring_count * sizeof(async->owners[0]));
    sl_drain_set_clock(async, true);
    return 0;
}

void sl_region_close(struct sl_async *async, bool remove)
{
    if (async->region != NULL) (void)munmap(async->region, async->region->size);
    if (remove && async->open_path != NULL) (void)unlink(async->open_path);
    if (async->fd >= 0) (void)close(async->fd);
    free(async->open_path);
    async->region = NULL;
    async->open_path = NULL;
    async->fd = -1;
}

/* ---- rings ---- */

static struct sl_ring *own_ring(struct sl_async *async, struct sl_thread *thread, uint32_t *vacant)
{
    *vacant = async->ring_ready;
    for (uint32_t i = 0; i < async->ring_ready; i++) {
        struct sl_ring *ring = sl_ring_at(async->region, i);
        if (async->owners[i] == thread) return ring;
        if (__atomic_load_n(&ring->state, __ATOMIC_ACQUIRE) == SL_RING_FREE) *vacant = i;
    }
    return NULL;
}

static struct sl_ring *take_ring(struct sl_async *async, struct sl_thread *thread, uint32_t index)
{
    struct sl_ring_header *region = async->region;
    if (index >= region->ring_count) return NULL;
    struct sl_ring *ring = sl_ring_at(region, index);
    uint64_t bytes = (uint64_t)SL_RING_PAGE + region->ring_size;
    uint64_t offset = region->ring_offset + index * bytes;
    if (index == async->ring_ready) {
        if (!sl_region_promise(async, offset, bytes)) return NULL;
#if defined(MADV_POPULATE_WRITE)
        (void)madvise(ring, bytes, MADV_POPULATE_WRITE); /* or each page's first call pays */
#endif
        /* Release: who counts the ring finds its memory. */
        __atomic_store_n(&async->ring_ready, index + 1, __ATOMIC_RELEASE);
    }
    if (thread->identity.tid == 0) sl_thread_identify(&thread->identity);
    ring->tid = thread->identity.tid;
    memcpy(ring->name, thread->identity.name, sizeof(ring->name));
    ring->limit = ring->head; /* the first record asks how far it may go */
    /* What a thread that was cancelled began and did not finish must not look as if it came. */
    uint64_t at = ring->head & async->mask;
    uint64_t end = async->mask + 1 - at;
    memset(sl_ring_data(ring) + at, 0, end < SL_CELLS_SIZE_MAX ? end : SL_CELLS_SIZE_MAX);
    async->owners[index] = thread;
    __atomic_store_n(&ring->state, SL_RING_USED, __ATOMIC_RELEASE);
    return ring;
}

struct sl_ring *sl_region_claim(struct sl_async *async, struct sl_thread *thread)
{
    int saved = errno;
    struct sl_ring *ring = NULL;
    sl_mutex_lock(&async->claim_lock);
    if (async->region == NULL && !async->is_broken) { /* after a fork */
        async->is_broken = sl_region_open(async) < 0;
    }
    if (async->region != NULL) {
        sl_async_start_thread(async);
        uint32_t vacant = 0;
        ring = own_ring(async, thread, &vacant);
        if (ring == NULL) ring = take_ring(async, thread, vacant);
    }
    sl_mutex_unlock(&async->claim_lock);
    errno = saved;
    return ring;
}

void sl_region_leave(struct sl_async *async, const struct sl_thread *thread)
{
    sl_mutex_lock(&async->claim_lock);
    for (uint32_t i = 0; async->region != NULL && i < async->ring_ready; i++) {
        if (async->owners[i] != thread) continue;
        async->owners[i] = NULL;
        /* Release: its last record is seen before the ring is given on. */
        __atomic_store_n(&sl_ring_at(async->region, i)->state, SL_RING_ENDED, __ATOMIC_RELEASE);
    }
    sl_mutex_unlock(&async->claim_lock);
}
