/* store.c - opening and closing the store, its thread, its figures. */
#include "logstore/store.h"

#include "base/check.h"
#include "logstore/catalog_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_SIZE_DEFAULT    ((size_t)4 << 20)
#define DOCUMENT_SIZE_DEFAULT  ((size_t)100 << 20)
#define FIELD_COUNT_DEFAULT    10000
#define MERGE_SIZE_DEFAULT     ((size_t)64 << 20)
#define DISK_RESERVE_DEFAULT   ((uint64_t)64 << 20)
#define KEPT_SNAPSHOTS_DEFAULT 500
#define MAINTAIN_PERIOD_MS     1000

void store_tell(const struct logstore *store, const struct logstore_event *event)
{
    if (store->options.on_event == NULL) return;
    store->options.on_event(store->options.event_context, event);
}

void store_count(struct logstore *store, uint64_t *figure)
{
    mutex_lock(&store->state);
    (*figure)++;
    mutex_unlock(&store->state);
}

static void set_defaults(struct logstore_options *options)
{
    if (options->disk == NULL) options->disk = &disk_system;
    if (options->clock == NULL) options->clock = &clock_system;
    if (options->buffer_size_max == 0) options->buffer_size_max = BUFFER_SIZE_DEFAULT;
    if (options->document_size_max == 0) options->document_size_max = DOCUMENT_SIZE_DEFAULT;
    if (options->field_count_max == 0) options->field_count_max = FIELD_COUNT_DEFAULT;
    if (options->merge_size_max == 0) options->merge_size_max = MERGE_SIZE_DEFAULT;
    if (options->disk_reserve == 0) options->disk_reserve = DISK_RESERVE_DEFAULT;
    if (options->rare_documents_min == 0) {
        options->rare_documents_min = BUILDER_RARE_DOCUMENTS_MIN;
    }
    if (options->kept_snapshots_max == 0) options->kept_snapshots_max = KEPT_SNAPSHOTS_DEFAULT;
}

struct listing {
    struct logstore *store;
    uint64_t log_least, log_most; /* of the files that are there */
    bool has_log;
};

static bool hex_number(struct str text, uint64_t *number)
{
    uint64_t value = 0;
    if (text.size != 16) return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit > 15) return false;
        value = value << 4 | digit;
    }
    *number = value;
    return true;
}

static int visit_log(void *argument, const char *name)
{
    struct listing *listing = argument;
    struct str text = str_from(name);
    uint64_t number;
    if (!str_ends_with(text, STR(".log")) || !hex_number(str_first(text, text.size - 4), &number)) {
        return 0;
    }
    if (!listing->has_log || number < listing->log_least) listing->log_least = number;
    if (!listing->has_log || number > listing->log_most) listing->log_most = number;
    listing->has_log = true;
    return 0;
}

static bool is_named(const struct logstore *store, uint64_t id)
{
    for (size_t i = 0; i < store->indices.count; i++) {
        const struct store_index *index = store->indices.items[i];
        for (size_t k = 0; k < index->segments.count; k++) {
            if (index->segments.items[k].segment->id == id) return true;
        }
    }
    return false;
}

/* Removes half-written files and segments that the catalog does not name. */
static int visit_segment(void *argument, const char *name)
{
    struct logstore *store = ((struct listing *)argument)->store;
    struct str text = str_from(name);
    bool is_left_over = str_ends_with(text, STR(".tmp"));
    uint64_t id;
    if (str_ends_with(text, STR(".segment")) && hex_number(str_first(text, text.size - 8), &id)) {
        if (id >= store->segment_id_next) store->segment_id_next = id + 1;
        is_left_over = !is_named(store, id);
    }
    char path[FILE_PATH_SIZE];
    if (is_left_over && file_join(path, store->segments_folder, name, NULL) == 0) {
        (void)store->disk->remove(store->disk->state, path);
    }
    return 0;
}

static int replay_logs(struct logstore *store, const struct listing *listing, struct error *error)
{
    struct log_replay replay = { .visit = store_replay_record, .argument = store };
    int code = 0;
    for (uint64_t number = store->log_first; code == 0 && number <= listing->log_most; number++) {
        code = log_replay_file(store->disk, store->log.folder, number, number == listing->log_most,
                               &replay, error);
        if (code == -ENOENT) code = 0;
        if (code < 0) return error_wrap(error, code, "replay the log");
    }
    store->stats.corrupt_records_total = replay.corrupt_records;
    struct logstore_event event = { .kind = LOGSTORE_EVENT_RECOVERED,
                                    .count = replay.records,
                                    .size = replay.cut_size };
    store_tell(store, &event);
    return code;
}

static int recover(struct logstore *store, struct error *error)
{
    const struct disk *disk = store->disk;
    int code = store_catalog_load(store, error);
    if (code < 0) return code;
    struct listing listing = { .store = store };
    code = disk->list(disk->state, store->segments_folder, visit_segment, &listing);
    if (code == 0) code = disk->list(disk->state, store->log.folder, visit_log, &listing);
    if (code < 0) return error_set(error, code, "list '%s': %s", store->folder, error_name(code));
    for (uint64_t number = listing.log_least; listing.has_log && number < store->log_first;
         number++) {
        char path[FILE_PATH_SIZE]; /* covered by segments already */
        if (log_file_path(path, store->log.folder, number, NULL) == 0) {
            (void)disk->remove(disk->state, path);
        }
    }
    if (listing.has_log) code = replay_logs(store, &listing, error);
    if (code < 0) return code;
    uint64_t next = listing.has_log && listing.log_most >= store->log_first ? listing.log_most + 1
                                                                            : store->log_first;
    code = log_begin(&store->log, next, error);
    store->stats.log_size = store->log.size;
    return code;
}

static void *run_thread(void *argument)
{
    struct logstore *store = argument;
    mutex_lock(&store->queue);
    while (!store->is_closing) {
        if (!store->wants_maintenance) {
            (void)condition_wait_ms(&store->maintenance_wanted, &store->queue, MAINTAIN_PERIOD_MS);
        }
        if (store->is_closing) break;
        store->wants_maintenance = false;
        mutex_unlock(&store->queue);
        logstore_maintain(store);
        mutex_lock(&store->queue);
    }
    mutex_unlock(&store->queue);
    return NULL;
}

static void store_free(struct logstore *store)
{
    log_close(&store->log);
    buf_release(&store->records);
    VEC_RELEASE(&store->leaves);
    (void)store_spare_free(store);
    store_kept_release(store);
    for (size_t i = 0; i < store->indices.count; i++) {
        store_index_free(store, store->indices.items[i]);
    }
    free(store->spare.bytes); /* which the last segment has left */
    VEC_FOR_EACH (&store->aliases, alias) {
        store_alias_release(alias);
    }
    VEC_FOR_EACH (&store->streams, stream) {
        text_free(stream->name);
        text_free(stream->template_name);
    }
    VEC_FOR_EACH (&store->objects, object) {
        text_free(object->name);
        text_free(object->json);
    }
    VEC_RELEASE(&store->indices);
    VEC_RELEASE(&store->aliases);
    VEC_RELEASE(&store->streams);
    VEC_RELEASE(&store->objects);
    for (size_t i = 0; i < store->parser_count; i++) store_parser_free(store->parsers[i]);
    mutex_release(&store->maintenance);
    mutex_release(&store->writer);
    mutex_release(&store->state);
    mutex_release(&store->queue);
    mutex_release(&store->keeping);
    condition_release(&store->queue_changed);
    condition_release(&store->maintenance_wanted);
    if (store->lock >= 0) file_unlock(store->lock);
    free(store);
}

static int open_folders(struct logstore *store, struct error *error)
{
    int code = file_make_folders(store->disk, store->folder, error);
    if (code == 0 && store->disk == &disk_system && !store->options.is_folder_locked) {
        code = file_lock_folder(store->folder, &store->lock, error);
    }
    if (code == 0) code = file_join(store->segments_folder, store->folder, "segments", error);
    if (code == 0) code = file_join(store->log.folder, store->folder, "log", error);
    if (code == 0) code = file_make_folders(store->disk, store->segments_folder, error);
    if (code == 0) code = file_make_folders(store->disk, store->log.folder, error);
    return code;
}

int logstore_open(struct logstore **store_out, const struct logstore_options *options,
                  struct error *error)
{
    struct logstore *store = calloc(1, sizeof(*store));
    if (store == NULL) return error_set(error, -ENOMEM, "open the store: out of memory");
    store->options = *options;
    set_defaults(&store->options);
    store->disk = store->options.disk;
    store->clock = store->options.clock;
    store->lock = -1;
    store->log = (struct log){ .disk = store->disk, .handle = -1 };
    store->log_first = 1;
    buf_init(&store->records, LOG_RECORD_SIZE_MAX);
    store->segment_id_next = 1;
    store->commits_end = &store->commits;
    mutex_init(&store->maintenance);
    mutex_init(&store->writer);
    mutex_init(&store->state);
    mutex_init(&store->queue);
    mutex_init(&store->keeping);
    condition_init(&store->queue_changed);
    condition_init(&store->maintenance_wanted);
    uint64_t seed;
    char packed[ID_PACKED_SIZE];
    random_secret(&seed, sizeof(seed));
    random_secret(packed, sizeof(packed));
    id_set_counter(packed, 0);
    id_unpack(packed, store->id_next);
    random_init(&store->dice, seed);
    int code = str_to_cstr(str_from(options->folder), store->folder, sizeof(store->folder))
                   ? 0
                   : error_set(error, ERROR_LIMIT, "path of the data folder is too long");
    if (code == 0) code = open_folders(store, error);
    if (code == 0) code = recover(store, error);
    if (code == 0) store_check_space(store);
    if (code == 0 && !options->manual) {
        code = thread_start(&store->thread, "logstore", run_thread, store, error);
        store->has_thread = code == 0;
    }
    if (code < 0) {
        store_free(store);
        return code;
    }
    *store_out = store;
    return 0;
}

void logstore_close(struct logstore *store)
{
    if (store == NULL) return;
    mutex_lock(&store->queue);
    store->is_closing = true;
    condition_broadcast(&store->maintenance_wanted);
    mutex_unlock(&store->queue);
    if (store->has_thread) thread_join(store->thread);
    /* What a failing flush leaves in the log is found there at the next open. */
    if (logstore_flush(store, NULL) < 0) store->stats.failed_flushes_total++;
    store_free(store);
}

void logstore_stats(struct logstore *store, struct logstore_stats *stats)
{
    mutex_lock(&store->state);
    *stats = store->stats;
    for (size_t i = 0; i < store->indices.count; i++) {
        const struct store_index *index = store->indices.items[i];
        for (size_t k = 0; k < index->segments.count; k++) {
            const struct store_segment *segment = &index->segments.items[k];
            uint32_t live = store_segment_live_count(segment);
            stats->documents += live;
            stats->deleted_documents += segment->segment->document_count - live;
            if (segment->segment->path[0] != 0) stats->store_size += segment->segment->bytes.size;
        }
        stats->segment_count += index->segments.count;
        if (index->builder != NULL) {
            stats->documents += index->builder->documents.count - index->builder->dead_count;
        }
    }
    stats->store_size += stats->log_size;
    mutex_unlock(&store->state);
}
