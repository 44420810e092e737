/* recover.c - the last lines of a process that was killed, out of its ring file.
 *
 * The file is taken over as it is, and the back end's own work (drain.c) goes on where it was
 * stopped, with sinks opened from what the file says. So a recovery that is killed itself can be
 * done again, and every line comes out once. Only the interrupted write needs thought:
 *
 * HOW MUCH OF A BATCH IS OUT  The kernel may stop a write(2) of a killed process between two pages.
 *   Before it the back end noted the file and its size, so the bytes stand behind that offset, in
 *   one piece, perhaps after and before lines of other processes. The batch is searched there, at
 *   each line's beginning: all of it, or a front of it that ends with the file, or a front that
 *   ends with a page and behind which another line begins. The front's last, torn line is
 *   overwritten by blanks and a line end, and written again whole.
 */
#include "structlog/async_state.h"

#include "structlog/number.h"
#include "structlog/sink.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PAGE     4096u
#define SIGN_SIZE     8u /* bytes by which a line's beginning is known */
#define NAME_GAP      3u /* numbers that may be missing among rotated files */
#define RETRY_MS      100
#define SITE_TEXT_MAX (UINT32_C(64) << 10)
#define KEY_WRAP      24u /* ,"": and zero bytes around a key */

struct recoverer {
    struct sl_async async;
    struct sl_pipeline pipeline;
    struct sl_process process;
    struct sl_reader reader;
    struct sl_thread *thread;
    struct sl_site *sites[SL_RING_SITE_MAX];
    const char *texts;
    uint32_t texts_size;
    sl_recover_fn take; /* NULL: into the files */
    void *context;
    const char *paths[SL_SINK_MAX];
    struct receiver {
        struct recoverer *recoverer;
        const char *path;
    } receivers[SL_SINK_MAX + 1];
    int failure; /* of `take` */
};

/* ---- sites ---- */

struct text_cursor {
    const char *at;
    size_t left;
};

static const char *take_site_text(struct text_cursor *cursor, size_t *size)
{
    uint32_t narrow = 0;
    if (cursor->left < sizeof(narrow)) return NULL;
    memcpy(&narrow, cursor->at, sizeof(narrow));
    size_t padded = ((size_t)narrow + 3) & ~(size_t)3;
    if (padded > cursor->left - sizeof(narrow)) return NULL;
    const char *text = cursor->at + sizeof(narrow);
    cursor->at += sizeof(narrow) + padded;
    cursor->left -= sizeof(narrow) + padded;
    *size = narrow;
    return text;
}

static char *copy_text(char **room, const char *text, size_t size)
{
    char *copy = *room;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *room += size + 1;
    return copy;
}

/* The site's texts as the compiler would have laid them out. NULL: no sense, or no memory. */
static struct sl_site *read_site(const char *bytes, size_t left)
{
    struct sl_wire_site head;
    if (left < sizeof(head)) return NULL;
    memcpy(&head, bytes, sizeof(head));
    if (head.size > left || head.size < sizeof(head) || head.size > SITE_TEXT_MAX) return NULL;
    if (head.count > SL_PAIRS_MAX) return NULL;
    size_t keys_size = (head.count + 1) * sizeof(struct sl_key);
    size_t room_size = head.size + (head.count + 3) * (size_t)KEY_WRAP;
    struct sl_site *site = calloc(1, sizeof(*site) + keys_size + room_size);
    if (site == NULL) return NULL;
    struct sl_key *keys = (struct sl_key *)(void *)(site + 1);
    char *room = (char *)keys + keys_size;
    struct text_cursor cursor = { bytes + sizeof(head), head.size - sizeof(head) };
    for (uint32_t i = 0; i < head.count + 3; i++) {
        size_t size = 0;
        const char *text = take_site_text(&cursor, &size);
        if (text == NULL) {
            free(site);
            return NULL;
        }
        if (i == 0) {
            site->file = copy_text(&room, text, size);
        } else if (i == 1) {
            site->function = copy_text(&room, text, size);
        } else {
            struct sl_key *key = &keys[i - 2];
            key->json = room;
            key->size = (uint32_t)size;
            room = sl_put_bytes(room, ",\"", 2);
            memcpy(room, text, size);
            room = sl_put_bytes(room + size, "\":", 2) + KEY_WRAP - 4;
        }
    }
    site->keys = keys;
    site->line = head.line;
    site->count = head.count;
    site->flags = sl_site_judge(site);
    return site;
}

static struct sl_site *find_recovered(void *context, uint32_t number)
{
    struct recoverer *recoverer = context;
    struct sl_ring_header *region = recoverer->async.region;
    if (number >= region->site_count) return NULL;
    if (recoverer->sites[number] != NULL) return recoverer->sites[number];
    uint32_t at = sl_ring_sites(region)[number];
    if (at == 0 || at >= region->text_size) return NULL;
    const char *texts = (const char *)region + region->text_offset;
    recoverer->sites[number] = read_site(texts + at, region->text_size - at);
    return recoverer->sites[number];
}

/* ---- how much is out ---- */

struct found {
    uint64_t place; /* in the file */
    size_t size;    /* bytes of the batch that stand there */
};

static size_t common_size(const char *a, const char *b, size_t size)
{
    size_t same = 0;
    while (same < size && a[same] == b[same]) same++;
    return same;
}

static bool is_torn_here(const char *file, uint64_t at, uint64_t size, uint64_t base,
                         const char *batch, size_t batch_size)
{
    if (at == size) return true;
    size_t sign = batch_size < SIGN_SIZE ? batch_size : SIGN_SIZE;
    return (base + at) % FILE_PAGE == 0 && sign <= size - at && memcmp(file + at, batch, sign) == 0;
}

/* `file` is what stands behind the offset `base`. */
static struct found find_batch(const char *file, uint64_t size, uint64_t base, const char *batch,
                               size_t batch_size)
{
    struct found best = { base, 0 };
    for (uint64_t at = 0; at < size;) {
        size_t most = size - at < batch_size ? (size_t)(size - at) : batch_size;
        size_t same = common_size(file + at, batch, most);
        bool counts = same == batch_size ||
                      (same > 0 && is_torn_here(file, at + same, size, base, batch, batch_size));
        if (counts && same > best.size) best = (struct found){ base + at, same };
        if (same == batch_size) break;
        const char *line_end = memchr(file + at, '\n', size - at);
        if (line_end == NULL) break;
        at = (uint64_t)(line_end - file) + 1;
    }
    return best;
}

/* The file that has the inode now: the path, or one it was rotated to. -1: none. */
static int open_inode(const struct sl_ring_sink *slot, const char *path, int flags)
{
    char name[sizeof(slot->path) + 16];
    size_t size = strlen(path);
    memcpy(name, path, size + 1);
    unsigned missing = 0;
    for (unsigned number = 0; number < 1000 && missing <= NAME_GAP; number++) {
        if (number > 0) {
            name[size] = '.';
            *sl_put_uint(name + size + 1, number) = '\0';
        }
        struct stat status;
        if (stat(name, &status) != 0) {
            missing++;
        } else if (status.st_ino == slot->inode && status.st_dev == slot->device) {
            return open(name, flags | O_CLOEXEC | O_NOCTTY);
        }
    }
    return -1;
}

static void blank_out(int fd, uint64_t place, size_t size)
{
    char blanks[512];
    memset(blanks, ' ', sizeof(blanks));
    while (size > 0) {
        size_t part = size < sizeof(blanks) ? size : sizeof(blanks);
        if (part == size) blanks[part - 1] = '\n';
        ssize_t written = pwrite(fd, blanks, part, (off_t)place);
        if (written <= 0) return;
        blanks[part - 1] = ' ';
        if ((size_t)written < part) continue;
        place += part;
        size -= part;
    }
}

static uint64_t lines_in(const char *data, size_t size)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++) lines += data[i] == '\n' ? 1 : 0;
    return lines;
}

/* Sets slot->done to what is out for sure. */
static int resolve_write(struct recoverer *recoverer, struct sl_ring_sink *slot, const char *batch,
                         struct sl_recovery *recovery)
{
    uint64_t done = slot->done & ~SL_DONE_WRITING;
    if ((slot->done & SL_DONE_WRITING) == 0 || slot->path_size == 0) {
        slot->done = done;
        return 0;
    }
    int fd = open_inode(slot, slot->path, recoverer->take == NULL ? O_RDWR : O_RDONLY);
    if (fd < 0) { /* the file is gone, and with it what was written */
        slot->done = done;
        return 0;
    }
    struct stat status;
    /* It may be about to become a compressed one, of which this is not true: then it is gone. */
    if (flock(fd, LOCK_SH) == 0 && fstat(fd, &status) == 0 && status.st_nlink == 0) {
        (void)close(fd);
        slot->done = done;
        return 0;
    }
    void *file = MAP_FAILED;
    uint64_t front = slot->offset & ~(uint64_t)(FILE_PAGE - 1);
    uint64_t end = fstat(fd, &status) == 0 && status.st_size > 0 ? (uint64_t)status.st_size : 0;
    if (end > slot->offset) {
        file = mmap(NULL, end - front, PROT_READ, MAP_SHARED, fd, (off_t)front);
        if (file == MAP_FAILED) {
            int code = -errno;
            (void)close(fd);
            return code;
        }
        struct found found =
            find_batch((const char *)file + (slot->offset - front), end - slot->offset,
                       slot->offset, batch + done, slot->used - done);
        size_t whole = found.size;
        while (whole > 0 && batch[done + whole - 1] != '\n') whole--;
        if (whole < found.size && recoverer->take == NULL) {
            blank_out(fd, found.place + whole, found.size - whole);
        }
        recovery->found_count += lines_in(batch + done, whole);
        done += whole;
        (void)munmap(file, end - front);
    }
    (void)close(fd);
    slot->done = done;
    return 0;
}

/* ---- out ---- */

static void hand_over(void *context, int level, const char *line, size_t size)
{
    const struct receiver *receiver = context;
    struct recoverer *recoverer = receiver->recoverer;
    (void)level;
    if (recoverer->failure < 0) return;
    recoverer->failure = recoverer->take(recoverer->context, receiver->path, line, size);
}

/* What of a sealed batch is not out, line by line. */
static void hand_over_batch(struct recoverer *recoverer, uint32_t index)
{
    struct sl_ring_header *region = recoverer->async.region;
    struct sl_ring_sink *slot = sl_ring_sink_at(region, index);
    const char *at = sl_ring_batch(region, index) + slot->done;
    size_t left = slot->used - slot->done;
    while (left > 0) {
        const char *line_end = memchr(at, '\n', left);
        size_t size = line_end == NULL ? left : (size_t)(line_end - at) + 1;
        hand_over(&recoverer->receivers[index], 0, at, size);
        at += size;
        left -= size;
    }
    slot->done = slot->used;
}

/* ---- taking the file over ---- */

static bool slots_are_sound(struct sl_ring_header *region)
{
    for (uint32_t i = 0; i < region->sink_count; i++) {
        const struct sl_ring_sink *slot = sl_ring_sink_at(region, i);
        uint64_t done = slot->done & ~SL_DONE_WRITING;
        if (slot->kind > SL_SINK_SYSLOG || slot->view >= SL_VIEW_COUNT) return false;
        if (slot->used > region->batch_size || done > slot->used) return false;
        if (slot->path_size >= sizeof(slot->path)) return false;
        if (slot->path[slot->path_size] != '\0') return false;
        if (memchr(slot->path, '\0', slot->path_size) != NULL) return false;
    }
    return true;
}

/* A log file's, or a stream's when lines go to `take`; others are served by the process alone. */
static bool is_wanted(const struct recoverer *recoverer, const struct sl_ring_sink *slot)
{
    if (slot->kind == SL_SINK_FILE) return slot->path_size > 0;
    return recoverer->take != NULL && slot->kind < SL_SINK_FILE;
}

static int add_sink(struct recoverer *recoverer, uint32_t index, const struct sl_ring_sink *slot)
{
    struct sl_pipeline *pipeline = &recoverer->pipeline;
    struct receiver *receiver = &recoverer->receivers[index];
    receiver->recoverer = recoverer;
    receiver->path = slot->path_size > 0 ? slot->path : NULL;
    struct sl_sink_options options = { .kind = SL_SINK_CALLBACK, .write = hand_over };
    options.context = receiver;
    if (recoverer->take == NULL && is_wanted(recoverer, slot)) {
        options = (struct sl_sink_options){ .kind = SL_SINK_FILE, .path = slot->path };
    }
    int code = sl_sink_new(&pipeline->sinks[index], &options, true);
    if (code < 0) return code;
    struct sl_sink *sink = pipeline->sinks[index];
    sink->view = (enum sl_view)slot->view;
    /* The numbers of sinks stay those of the slots: one that is not wanted gets nothing. */
    sink->level = is_wanted(recoverer, slot) ? slot->level : INT32_MAX;
    pipeline->sink_count++;
    if (is_wanted(recoverer, slot)) pipeline->views |= 1u << sink->view;
    return 0;
}

static int build_pipeline(struct recoverer *recoverer)
{
    struct sl_ring_header *region = recoverer->async.region;
    struct sl_pipeline *pipeline = &recoverer->pipeline;
    pipeline->clock = CLOCK_REALTIME;
    pipeline->process = &recoverer->process;
    pipeline->with_origin = (region->flags & SL_RING_WITH_ORIGIN) != 0;
    pipeline->with_thread = (region->flags & SL_RING_WITH_THREAD) != 0;
    pipeline->with_pid = (region->flags & SL_RING_WITH_PID) != 0;
    pipeline->async = &recoverer->async;
    sl_process_set(&recoverer->process, region->pid);
    if (region->fields != 0 && region->fields < region->text_size) {
        struct sl_list list;
        sl_list_init(&list);
        const char *at = (const char *)region + region->text_offset + region->fields;
        if (sl_wire_read(at, region->text_size - region->fields, &list)) {
            pipeline->fields = sl_fields_new(&list);
        }
    }
    for (uint32_t i = 0; i < region->sink_count; i++) {
        int code = add_sink(recoverer, i, sl_ring_sink_at(region, i));
        if (code < 0) return code;
    }
    return pipeline->views == 0 ? -ENODATA : 0;
}

static int take_over(struct recoverer *recoverer, struct sl_recovery *recovery)
{
    struct sl_async *async = &recoverer->async;
    struct sl_ring_header *region = async->region;
    async->pipeline = &recoverer->pipeline;
    async->reader = &recoverer->reader;
    async->ticks = (enum sl_ticks)region->ticks;
    async->mask = region->ring_size - 1;
    async->options.retry_ms = INT32_MAX; /* what a full disk refuses stays in the ring file */
    async->ring_ready = region->ring_count;
    async->is_foreign = true;
    async->cursors = calloc(region->ring_count + 1, sizeof(async->cursors[0]));
    if (async->cursors == NULL) return -ENOMEM;
    async->told_count = region->told_count[region->sealed % 2];
    recoverer->reader.find = find_recovered;
    recoverer->reader.context = recoverer;
    recovery->pid = region->pid;
    for (uint32_t i = 0; i < region->sink_count; i++) {
        if (recoverer->take != NULL) async->batch_ready[i] = region->batch_size;
    }
    return build_pipeline(recoverer);
}

static int settle_batches(struct recoverer *recoverer, struct sl_recovery *recovery)
{
    struct sl_ring_header *region = recoverer->async.region;
    bool is_pending = region->sealed == region->committed + 1;
    if (!is_pending) region->sealed = region->committed;
    for (uint32_t i = 0; i < region->sink_count; i++) {
        struct sl_ring_sink *slot = sl_ring_sink_at(region, i);
        if (!is_pending || !is_wanted(recoverer, slot)) { /* half made, or not ours to write */
            slot->used = slot->done = slot->lines = 0;
            continue;
        }
        const char *batch = sl_ring_batch(region, i);
        int code = resolve_write(recoverer, slot, batch, recovery);
        if (code < 0) return code;
        slot->lines = lines_in(batch + slot->done, slot->used - slot->done);
        recovery->line_count += slot->lines;
        if (recoverer->take != NULL) hand_over_batch(recoverer, i);
    }
    return recoverer->failure;
}

static int drain_all(struct recoverer *recoverer, struct sl_recovery *recovery)
{
    struct sl_async *async = &recoverer->async;
    int code = settle_batches(recoverer, recovery);
    if (code < 0) return code;
    int64_t until = sl_monotonic_ms() + RETRY_MS;
    bool is_done = sl_drain(async, true);
    while (!is_done && sl_monotonic_ms() < until) is_done = sl_drain(async, true);
    recovery->record_count = async->record_count;
    recovery->bad_count = async->bad_count;
    recovery->line_count += async->line_count;
    recovery->dropped_count = async->told_now_count;
    if (recoverer->failure < 0) return recoverer->failure;
    for (uint32_t i = 0; !is_done && i < recoverer->pipeline.sink_count; i++) {
        int failure = recoverer->pipeline.sinks[i]->failure;
        if (failure != 0) return -failure;
    }
    return is_done ? 0 : -EIO;
}

static int run_recovery(struct recoverer *recoverer, struct sl_recovery *recovery)
{
    int code = take_over(recoverer, recovery);
    if (code == 0) code = drain_all(recoverer, recovery);
    struct sl_pipeline *pipeline = &recoverer->pipeline;
    for (size_t i = 0; i < pipeline->sink_count; i++) sl_sink_free(pipeline->sinks[i]);
    sl_fields_unref(pipeline->fields);
    sl_reader_clear(&recoverer->reader);
    for (size_t i = 0; i < SL_RING_SITE_MAX; i++) free(recoverer->sites[i]);
    free(recoverer->async.cursors);
    return code;
}

static int map_and_run(struct recoverer *recoverer, int fd, struct sl_recovery *recovery)
{
    struct stat status;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (fstat(fd, &status) != 0) return -errno;
    if (!S_ISREG(status.st_mode)) return -EINVAL;
    if (status.st_size == 0) return -ENOMSG;
    if (status.st_size < (off_t)sizeof(struct sl_ring_header)) return -EINVAL;
    size_t size = (size_t)status.st_size;
    int flags = recoverer->take == NULL ? MAP_SHARED : MAP_PRIVATE;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (bytes == MAP_FAILED) return -errno;
    recoverer->async.region = bytes;
    recoverer->async.fd = fd;
    const struct sl_ring_header *region = recoverer->async.region;
    int code = region->magic == 0 ? -ENOMSG : -EINVAL;
    if (region->magic == SL_RING_MAGIC && region->version - 1u >= SL_RING_VERSION) {
        code = -EPROTONOSUPPORT;
    } else if (sl_ring_is_sound(bytes, size) && slots_are_sound(bytes)) {
        code = run_recovery(recoverer, recovery);
    }
    (void)munmap(bytes, size);
    return code;
}

int sl_recover(const char *path, sl_recover_fn take, void *context, struct sl_recovery *recovery)
{
    int saved = errno;
    sl_start();
    memset(recovery, 0, sizeof(*recovery));
    int fd = open(path, (take == NULL ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY);
    int code = fd < 0 ? -errno : 0;
    struct recoverer *recoverer = code == 0 ? calloc(1, sizeof(*recoverer)) : NULL;
    if (code == 0 && recoverer == NULL) code = -ENOMEM;
    if (code == 0) {
        recoverer->take = take;
        recoverer->context = context;
        code = map_and_run(recoverer, fd, recovery);
        if (code == 0 && take == NULL && unlink(path) != 0) code = -errno;
    }
    free(recoverer);
    if (fd >= 0) (void)close(fd);
    errno = saved;
    return code;
}
