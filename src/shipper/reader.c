/* reader.c - scans folders now and then, looks at open files five times a second.
 *
 * A path that matches leads to an inode; the registry knows how far that inode was read. What is
 * not known begins at 0. A file that was renamed is known by its inode; one that was rotated out of
 * the pattern while nobody followed it is looked for in its folder, so that its last lines are not
 * lost. An inode that begins otherwise than it did is another file.
 */
#include "shipper/reader.h"

#include "base/clock.h"
#include "base/vec.h"
#include "prometheus/prometheus.h"
#include "shipper/follow.h"
#include "shipper/paths.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define POLL_MS        200
#define FILES_MAX      8192 /* open at once; the rest has its turn later */
#define EVENT_SIZE_MAX ((size_t)1 << 30)

VEC_TYPE(follows, struct follow *);

/* Owned by: the reader thread, but for the atomics. */
struct reader {
    struct reader_setup setup;
    struct decoder decoder;
    struct follows files;
    int64_t *scan_due_ms; /* one an input, monotonic */
    struct buf text;      /* of the event that is being made */
    bool said_limit;
    bool is_busy;
    bool has_scanned;
    pthread_t thread;
    bool has_thread;
    struct mutex mutex;
    struct condition wake;
    bool is_stopping;         /* GUARDED_BY(mutex) */
    atomic_size_t open_count; /* relaxed: a number to look at */
};

/* ---- lines into the queue ---- */

static bool is_stopping(struct reader *reader)
{
    mutex_lock(&reader->mutex);
    bool is_stopping = reader->is_stopping;
    mutex_unlock(&reader->mutex);
    return is_stopping;
}

static bool put_event(struct reader *reader, struct ship_state *state, uint64_t end)
{
    struct ship_event event = { .state = state, .offset = end, .size = reader->text.size };
    if (event.size > 0) {
        event.text = malloc(event.size);
        if (event.text == NULL) return false;
        memcpy(event.text, reader->text.data, event.size);
    }
    registry_hold(reader->setup.registry, state);
    if (pipe_put(reader->setup.pipe, &event)) return true;
    registry_drop(reader->setup.registry, state);
    free(event.text);
    return false;
}

static bool take_line(void *argument, const struct ship_input *input, struct ship_state *state,
                      const struct follow_span *span)
{
    struct reader *reader = argument;
    struct ship_line line = { .input = input,
                              .path = span->path,
                              .text = span->text,
                              .offset = span->offset,
                              .read_ns = clock_realtime_ns(&clock_system),
                              .is_truncated = span->is_truncated };
    buf_reset(&reader->text);
    if (decoder_decode(&reader->decoder, &line, &reader->text) < 0) return false;
    if (!put_event(reader, state, span->end)) return false;
    pm_inc(reader->setup.lines);
    pm_add(reader->setup.bytes, (double)(span->end - span->offset));
    return true;
}

/* ---- files ---- */

static struct follow *find_open(const struct reader *reader, const struct ship_input *input,
                                const struct follow_info *info)
{
    for (size_t i = 0; i < reader->files.count; i++) {
        struct follow *file = reader->files.items[i];
        if (file->state->inode == info->inode && file->state->device == info->device &&
            str_equal(file->state->input, input->id)) {
            return file;
        }
    }
    return NULL;
}

/* Follows a file from where its state says; takes the holding of the state over. */
static void open_file(struct reader *reader, const struct ship_input *input,
                      struct ship_state *state, const char *path)
{
    struct registry *registry = reader->setup.registry;
    bool is_full = reader->files.count >= FILES_MAX ||
                   (input->harvester_limit > 0 && reader->files.count >= input->harvester_limit);
    if (is_full || !VEC_RESERVE(&reader->files, 1)) {
        if (!reader->said_limit) {
            sl_warn(reader->setup.log, "more files than may be open: the rest waits", "file.path",
                    path, "open", reader->files.count);
        }
        reader->said_limit = true;
        registry_drop(registry, state);
        return;
    }
    struct error error = { 0 };
    struct follow *file = NULL;
    if (follow_open(&file, registry, input, state, path, &error) != 0) {
        sl_debug(reader->setup.log, "file not opened", "error.message", error.text);
        return;
    }
    reader->files.items[reader->files.count++] = file;
    atomic_store_explicit(&reader->open_count, reader->files.count, memory_order_relaxed);
    sl_debug(reader->setup.log, "following", "file.path", path, "offset", file->read_offset);
}

static void add_file(struct reader *reader, const struct ship_input *input,
                     const struct follow_info *info, const char *path, uint64_t offset)
{
    struct ship_state like = { .input = input->id,
                               .inode = info->inode,
                               .device = info->device,
                               .offset = offset,
                               .read_offset = offset,
                               .size = info->size,
                               .updated_ms = clock_realtime_ms(&clock_system) };
    if (offset > 0) {
        uint32_t size = offset < SHIP_HEAD_SIZE ? (uint32_t)offset : SHIP_HEAD_SIZE;
        if (follow_head_of(path, size, &like.head) != 0) return;
    }
    struct ship_state *state = registry_add(reader->setup.registry, &like, str_from(path));
    if (state == NULL) return;
    if (info->size > offset) {
        open_file(reader, input, state, path);
    } else {
        registry_drop(reader->setup.registry, state);
    }
}

static void add_unknown(struct reader *reader, const struct ship_input *input,
                        const struct follow_info *info, const char *path)
{
    int64_t age_ms = clock_realtime_ms(&clock_system) - info->change_ms;
    bool is_old = input->ignore_older_ms > 0 && age_ms > input->ignore_older_ms;
    bool is_tailed = input->tail_files && !reader->has_scanned;
    add_file(reader, input, info, path, is_old || is_tailed ? info->size : 0);
}

/* Whether the path still holds the file of the state. */
static bool is_same_file(const struct ship_state *state, const struct follow_info *info,
                         const char *path)
{
    struct ship_head head;
    if (info->size < state->read_offset) return false;
    if (state->head.size == 0) return true;
    if (follow_head_of(path, state->head.size, &head) != 0) return false;
    return head.size == state->head.size && head.crc == state->head.crc;
}

static void take_known(struct reader *reader, const struct ship_input *input,
                       const struct follow_info *info, struct ship_state *state, const char *path)
{
    struct registry *registry = reader->setup.registry;
    struct ship_state now = registry_read(registry, state);
    if (info->size == now.read_offset && info->size > 0 && info->change_ms < now.updated_ms) {
        registry_rename(registry, state, str_from(path));
        registry_drop(registry, state);
        return;
    }
    if (!is_same_file(&now, info, path)) {
        registry_remove(registry, state);
        registry_drop(registry, state);
        add_file(reader, input, info, path, 0);
        return;
    }
    registry_rename(registry, state, str_from(path));
    int64_t age_ms = clock_realtime_ms(&clock_system) - info->change_ms;
    bool is_old = input->ignore_older_ms > 0 && age_ms > input->ignore_older_ms;
    if (info->size > now.read_offset && !is_old) {
        open_file(reader, input, state, path);
    } else {
        registry_drop(registry, state);
    }
}

/* ---- scanning ---- */

struct scan {
    struct reader *reader;
    const struct ship_input *input;
};

static bool any_matches(const struct ship_patterns *patterns, const char *path)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (regex_contains(patterns->items[i], str_from(path))) return true;
    }
    return false;
}

static void visit_path(void *argument, const char *path)
{
    const struct scan *scan = argument;
    const struct ship_input *input = scan->input;
    struct reader *reader = scan->reader;
    struct follow_info info;
    if (any_matches(&input->exclude_files, path)) return;
    if (input->include_files.count > 0 && !any_matches(&input->include_files, path)) return;
    if (follow_info_of(path, input->symlinks, &info) != 0 || !info.is_file) return;
    struct follow *file = find_open(reader, input, &info);
    if (file != NULL) {
        registry_rename(reader->setup.registry, file->state, str_from(path));
        return;
    }
    struct ship_state *state =
        registry_find(reader->setup.registry, input->id, info.inode, info.device);
    if (state == NULL) {
        add_unknown(reader, input, &info, path);
    } else {
        take_known(reader, input, &info, state, path);
    }
}

/* ---- files that left their path ---- */

struct search {
    const struct ship_state *state;
    const char *folder;
    char found[FILE_PATH_SIZE];
};

static int search_name(void *argument, const char *name)
{
    struct search *search = argument;
    char path[FILE_PATH_SIZE];
    struct follow_info info;
    if (file_join(path, search->folder, name, NULL) != 0) return 0;
    if (follow_info_of(path, false, &info) != 0 || !info.is_file) return 0;
    if (info.inode != search->state->inode || info.device != search->state->device) return 0;
    if (!is_same_file(search->state, &info, path)) return 0;
    return str_to_cstr(str_from(path), search->found, sizeof(search->found)) ? 1 : 0;
}

/* Where the state's file is in the folder of its path now; empty: nowhere. */
static void search_folder(struct search *search, const char *path)
{
    char folder[FILE_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    search->found[0] = '\0';
    if (slash == NULL) return;
    if (!str_to_cstr((struct str){ path, (size_t)(slash - path) }, folder, sizeof(folder))) return;
    search->folder = folder;
    (void)disk_system.list(disk_system.state, folder, search_name, search);
    search->folder = NULL;
}

static bool is_inactive(const struct scan *scan, const struct ship_state *state)
{
    int64_t limit_ms = scan->input->clean_inactive_ms;
    return limit_ms > 0 && clock_realtime_ms(&clock_system) - state->updated_ms > limit_ms;
}

/* A state whose path is gone or another file's: read what is left of it, or forget it. */
static void review_state(void *argument, struct ship_state *state)
{
    const struct scan *scan = argument;
    struct reader *reader = scan->reader;
    struct registry *registry = reader->setup.registry;
    struct follow_info info = { .inode = state->inode, .device = state->device };
    if (!str_equal(state->input, scan->input->id)) return;
    struct follow *file = find_open(reader, scan->input, &info);
    struct ship_state now = registry_read(registry, state);
    char path[FILE_PATH_SIZE];
    if (!str_to_cstr(str_from(state->path), path, sizeof(path))) return; /* we alone rename */
    struct follow_info there;
    bool is_there = follow_info_of(path, scan->input->symlinks, &there) == 0 &&
                    there.inode == now.inode && there.device == now.device;
    if (file != NULL) file->is_gone = !is_there;
    if (file != NULL || now.is_removed || now.offset < now.read_offset) return;
    if (is_there) {
        if (is_inactive(scan, &now)) registry_remove(registry, state);
        return;
    }
    struct search search = { .state = &now };
    search_folder(&search, path);
    if (search.found[0] == '\0') {
        if (scan->input->clean_removed) registry_remove(registry, state);
        return;
    }
    registry_rename(registry, state, str_from(search.found));
    if (follow_info_of(search.found, false, &there) != 0 || there.size <= now.read_offset) return;
    registry_hold(registry, state);
    open_file(reader, scan->input, state, search.found);
}

static void scan_input(struct reader *reader, const struct ship_input *input)
{
    struct scan scan = { reader, input };
    struct paths_walk walk = { .disk = &disk_system,
                               .has_globstar = input->recursive_glob,
                               .visit = visit_path,
                               .argument = &scan };
    reader->said_limit = reader->files.count >= FILES_MAX && reader->said_limit;
    for (size_t i = 0; i < input->paths.count; i++) paths_visit(&walk, input->paths.items[i]);
    registry_visit(reader->setup.registry, review_state, &scan);
}

/* ---- the loop ---- */

/* Begins a file anew under its path: it was cut, or written over. */
static void begin_anew(struct reader *reader, struct follow *file)
{
    struct follow_info info;
    const struct ship_input *input = file->input;
    struct ship_state *state = file->state;
    char path[FILE_PATH_SIZE];
    bool has_path = str_to_cstr(str_from(file->state->path), path, sizeof(path));
    sl_info(reader->setup.log, "file was cut or written over: read from its start", "file.path",
            path);
    registry_remove(reader->setup.registry, state);
    follow_close(file);
    if (has_path && follow_info_of(path, input->symlinks, &info) == 0 && info.is_file) {
        struct ship_state *other =
            registry_find(reader->setup.registry, input->id, info.inode, info.device);
        if (other == NULL) add_file(reader, input, &info, path, 0);
        registry_drop(reader->setup.registry, other);
    }
}

/* False: stop. */
static bool read_files(struct reader *reader)
{
    reader->is_busy = false;
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    for (size_t i = 0; i < reader->files.count;) {
        struct follow *file = reader->files.items[i];
        enum follow_result result = follow_read(file, now_ms, take_line, reader);
        if (result == FOLLOW_STOP) return false;
        if (result == FOLLOW_BUSY) reader->is_busy = true;
        if (result == FOLLOW_IDLE || result == FOLLOW_BUSY) {
            i++;
            continue;
        }
        VEC_REMOVE(&reader->files, i);
        if (result == FOLLOW_ANEW) {
            begin_anew(reader, file);
            reader->is_busy = true;
        } else {
            follow_close(file);
        }
        atomic_store_explicit(&reader->open_count, reader->files.count, memory_order_relaxed);
    }
    return true;
}

static void scan_due(struct reader *reader)
{
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    const struct ship_config *config = reader->setup.config;
    for (size_t i = 0; i < config->input_count; i++) {
        if (now_ms < reader->scan_due_ms[i]) continue;
        scan_input(reader, &config->inputs[i]);
        reader->scan_due_ms[i] = now_ms + config->inputs[i].scan_ms;
    }
    reader->has_scanned = true;
}

static void *run(void *argument)
{
    struct reader *reader = argument;
    bool is_first = true;
    while (!is_stopping(reader)) {
        scan_due(reader);
        if (!read_files(reader)) break;
        if (is_first) reader->setup.on_running(reader->setup.argument);
        if (reader->setup.is_once && !reader->is_busy && !is_first) {
            reader->setup.on_done(reader->setup.argument);
            break;
        }
        is_first = false;
        if (reader->is_busy) continue;
        mutex_lock(&reader->mutex);
        if (!reader->is_stopping) {
            (void)condition_wait_ms(&reader->wake, &reader->mutex, POLL_MS);
        }
        mutex_unlock(&reader->mutex);
    }
    return NULL;
}

static void release(struct reader *reader)
{
    VEC_FOR_EACH (&reader->files, file) {
        follow_close(*file);
    }
    VEC_RELEASE(&reader->files);
    decoder_release(&reader->decoder);
    buf_release(&reader->text);
    condition_release(&reader->wake);
    mutex_release(&reader->mutex);
    free(reader->scan_due_ms);
    free(reader);
}

int reader_start(struct reader **reader_out, const struct reader_setup *setup, struct error *error)
{
    struct reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) return error_set(error, -ENOMEM, "no memory for the reader");
    reader->setup = *setup;
    mutex_init(&reader->mutex);
    condition_init(&reader->wake);
    buf_init(&reader->text, EVENT_SIZE_MAX);
    reader->scan_due_ms = calloc(setup->config->input_count + 1, sizeof(*reader->scan_due_ms));
    int code = reader->scan_due_ms == NULL
                   ? error_set(error, -ENOMEM, "no memory for the reader")
                   : decoder_init(&reader->decoder, setup->config, setup->agent, error);
    if (code == 0) code = thread_start(&reader->thread, "ship-reader", run, reader, error);
    if (code != 0) {
        release(reader);
        return code;
    }
    reader->has_thread = true;
    *reader_out = reader;
    return 0;
}

void reader_stop(struct reader *reader)
{
    if (reader == NULL) return;
    mutex_lock(&reader->mutex);
    reader->is_stopping = true;
    condition_broadcast(&reader->wake);
    mutex_unlock(&reader->mutex);
    thread_join(reader->thread);
    release(reader);
}

size_t reader_open_count(const struct reader *reader)
{
    return atomic_load_explicit(&reader->open_count, memory_order_relaxed);
}
