/* flush.c - what the store does by itself: segments to disk, merges, retention, space.
 *
 * FLUSH  The log goes on in a new file; buffers are frozen; then, without any lock that writers
 *        need, what is in memory only is merged and written: file, sync, rename, sync of the
 *        folder. Then the new segments take the place of the old ones, the catalog names them and
 *        the first log file that is still needed, and the older log files go.
 * PROOF  A document is in the log until a catalog on the medium names a segment that holds it. A
 *        crash in between leaves a segment that no catalog names; it is removed at the next open.
 * MERGE  What was written once is put together (merge.h). Deletes that happen meanwhile are carried
 *        over.
 */
#include "base/check.h"
#include "logstore/merge.h"
#include "logstore/source_block.h"
#include "logstore/store.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define MERGE_COUNT       16    /* segments of like size that become one */
#define MERGE_COLUMNS_MAX 65536 /* of all of them: what says where columns are is read of each */

int store_segment_path(const struct logstore *store, uint64_t id, char *path, struct error *error)
{
    char name[40];
    (void)snprintf(name, sizeof(name), "%016llx.segment", (unsigned long long)id);
    return file_join(path, store->segments_folder, name, error);
}

void store_check_space(struct logstore *store)
{
    struct disk_space space;
    if (store->disk->space(store->disk->state, store->folder, &space) < 0) return;
    uint64_t reserve = store->options.disk_reserve;
    /* A tenth more than the reserve before writes are taken again, so that it does not flicker. */
    bool was_read_only = store->stats.is_read_only;
    bool is_read_only = space.free_size < (was_read_only ? reserve + reserve / 10 : reserve);
    mutex_lock(&store->state);
    store->stats.is_read_only = is_read_only;
    mutex_unlock(&store->state);
    if (is_read_only == was_read_only) return;
    struct logstore_event event = {
        .kind = is_read_only ? LOGSTORE_EVENT_DISK_FULL : LOGSTORE_EVENT_DISK_HAS_ROOM,
        .size = space.free_size,
    };
    store_tell(store, &event);
}

/* A job: some segments of one index become one. ---------------------------------------------- */

struct job {
    struct str uuid;                 /* owned */
    struct store_segment_vec inputs; /* references held */
    uint32_t **new_numbers;          /* for each input: of each document, or UINT32_MAX */
    uint64_t segment_id;
    struct logstore_segment *output; /* NULL: nothing was alive */
};

VEC_TYPE(job_vec, struct job);

static void job_release(struct logstore *store, struct job *job)
{
    mutex_lock(&store->state);
    for (size_t i = 0; i < job->inputs.count; i++) {
        store_live_unref(job->inputs.items[i].live);
        store_segment_unref(store, job->inputs.items[i].segment);
    }
    mutex_unlock(&store->state);
    for (size_t i = 0; job->new_numbers != NULL && i < job->inputs.count; i++) {
        free(job->new_numbers[i]);
    }
    free(job->new_numbers);
    VEC_RELEASE(&job->inputs);
    free((char *)(uintptr_t)job->uuid.data);
}

/* State held. */
static int job_add(struct job *job, const struct store_segment *segment)
{
    if (!VEC_PUSH(&job->inputs, *segment)) return -ENOMEM;
    segment->segment->ref_count++;
    if (segment->live != NULL) segment->live->ref_count++;
    return 0;
}

static int job_begin(struct logstore *store, struct job *job, const struct store_index *index)
{
    *job = (struct job){ .segment_id = store->segment_id_next++ };
    char *uuid = str_copy(index->uuid);
    job->uuid = (struct str){ uuid, index->uuid.size };
    return uuid == NULL ? -ENOMEM : 0;
}

static int open_output(struct logstore *store, struct job *job, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = store_segment_path(store, job->segment_id, path, error);
    if (code < 0) return code;
    code = segment_open_file(&job->output, job->segment_id, store->disk, path, error);
    if (code == 0) job->output->is_checked = true;
    return code;
}

/* A segment's file in the making, written piece by piece under a name that does not count. */
struct growing {
    const struct disk *disk;
    char path[FILE_PATH_SIZE + 8];
    int handle; /* -1: none yet */
    uint64_t size;
};

/* In pieces: the page cache keeps what was written together in pages as large, and whoever looks at
 * one byte through a mapping has a large page in his resident memory, two megabytes at worst. */
#define PIECE_SIZE ((size_t)64 << 10)

static int grow(void *argument, struct str bytes, struct error *error)
{
    struct growing *file = argument;
    const struct disk *disk = file->disk;
    if (file->handle < 0) {
        file->handle =
            disk->open(disk->state, file->path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE);
    }
    int code = file->handle < 0 ? file->handle : 0;
    while (code == 0 && bytes.size > 0) {
        size_t size = PIECE_SIZE - file->size % PIECE_SIZE;
        if (size > bytes.size) size = bytes.size;
        code = disk->write_at(disk->state, file->handle, bytes.data, size, file->size);
        if (code == 0) file->size += size;
        bytes = str_skip(bytes, size);
    }
    return code < 0 ? error_set(error, code, "write '%s': %s", file->path, error_name(code)) : 0;
}

/* Synced and under its name when `code` is 0; else gone. */
static int end_growing(const struct logstore *store, struct growing *file, const char *path,
                       int code, struct error *error)
{
    const struct disk *disk = file->disk;
    if (file->handle < 0) return code;
    bool is_written = code == 0;
    if (is_written) code = disk->sync(disk->state, file->handle);
    disk->close(disk->state, file->handle);
    if (code == 0) code = disk->rename(disk->state, file->path, path);
    if (code < 0) (void)disk->remove(disk->state, file->path);
    if (code == 0) code = disk->sync_folder(disk->state, store->segments_folder);
    if (code == 0 || !is_written) return code;
    return error_set(error, code, "put '%s' into place: %s", path, error_name(code));
}

static int merge_inputs(const struct logstore *store, struct job *job,
                        const struct segment_sink *sink, struct error *error)
{
    struct merge_input *inputs = calloc(job->inputs.count, sizeof(*inputs));
    job->new_numbers = calloc(job->inputs.count + 1, sizeof(uint32_t *));
    if (inputs == NULL || job->new_numbers == NULL) {
        free(inputs);
        return error_set(error, -ENOMEM, "merge: out of memory");
    }
    for (size_t i = 0; i < job->inputs.count; i++) {
        const struct store_live *live = job->inputs.items[i].live;
        inputs[i] = (struct merge_input){ job->inputs.items[i].segment,
                                          live == NULL ? NULL : live->bits, NULL };
    }
    struct merge_options options = { store->options.rare_documents_min, SOURCE_LEVEL_FAST };
    int code = segments_merge(inputs, job->inputs.count, &options, sink, error);
    for (size_t i = 0; i < job->inputs.count; i++) job->new_numbers[i] = inputs[i].new_numbers;
    free(inputs);
    return code;
}

/* A single segment without dead documents is written as it is. */
static int write_as_is(struct job *job, const struct segment_sink *sink, struct error *error)
{
    uint32_t count = job->inputs.items[0].segment->document_count;
    job->new_numbers = calloc(2, sizeof(uint32_t *));
    if (job->new_numbers == NULL) return error_set(error, -ENOMEM, "flush: out of memory");
    job->new_numbers[0] = malloc((count + 1) * sizeof(uint32_t));
    if (job->new_numbers[0] == NULL) return error_set(error, -ENOMEM, "flush: out of memory");
    for (uint32_t i = 0; i < count; i++) job->new_numbers[0][i] = i;
    return sink->write(sink->argument, job->inputs.items[0].segment->bytes, error);
}

static int run_merge(struct logstore *store, struct job *job, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = store_segment_path(store, job->segment_id, path, error);
    if (code < 0) return code;
    struct growing file = { .disk = store->disk, .handle = -1 };
    (void)snprintf(file.path, sizeof(file.path), "%s.tmp", path);
    struct segment_sink sink = { grow, &file };
    bool is_as_is = job->inputs.count == 1 && job->inputs.items[0].live == NULL;
    code = is_as_is ? write_as_is(job, &sink, error) : merge_inputs(store, job, &sink, error);
    code = end_growing(store, &file, path, code, error);
    return code < 0 || file.size == 0 ? code : open_output(store, job, error);
}

/* The live bits of the output: what died in the inputs since they were read is dead here too. */
static int carry_deletes(const struct job *job, size_t input, const struct store_segment *now,
                         struct store_segment *output, struct error *error)
{
    for (uint32_t i = 0; i < now->segment->document_count; i++) {
        uint32_t number = job->new_numbers[input][i];
        if (number == UINT32_MAX || store_segment_is_live(now, i)) continue;
        int code = store_segment_kill(output, number, error);
        if (code < 0) return code;
    }
    return 0;
}

/* Puts the output in the place of the first input. Writer held. */
static int swap(struct logstore *store, struct job *job, struct error *error)
{
    mutex_lock(&store->state);
    struct store_index *index = store_index_find_uuid(store, job->uuid);
    int code = 0;
    if (index == NULL) {
        if (job->output != NULL) job->output->removes_file = true;
        store_segment_unref(store, job->output);
        job->output = NULL;
        mutex_unlock(&store->state);
        return 0;
    }
    struct store_segment output = { .segment = job->output };
    bool is_placed = job->output == NULL;
    for (size_t i = 0; code == 0 && i < job->inputs.count; i++) {
        for (size_t k = 0; k < index->segments.count; k++) {
            struct store_segment *now = &index->segments.items[k];
            if (now->segment != job->inputs.items[i].segment) continue;
            if (job->output != NULL) code = carry_deletes(job, i, now, &output, error);
            if (code < 0) break;
        }
    }
    for (size_t i = 0; code == 0 && i < job->inputs.count; i++) {
        for (size_t k = 0; k < index->segments.count; k++) {
            struct store_segment *now = &index->segments.items[k];
            if (now->segment != job->inputs.items[i].segment) continue;
            struct store_segment old = *now;
            if (!is_placed)
                *now = output;
            else
                VEC_REMOVE(&index->segments, k);
            is_placed = true;
            store_live_unref(old.live);
            old.segment->removes_file = true;
            store_segment_unref(store, old.segment);
            break;
        }
    }
    job->output = NULL;
    mutex_unlock(&store->state);
    return code;
}

/* Flush --------------------------------------------------------------------------------------- */

/* Rotates the log and freezes all buffers; collects what is in memory only. Writer held. */
static int begin_flush(struct logstore *store, struct job_vec *jobs, uint64_t *log_number,
                       struct error *error)
{
    int code = log_begin(&store->log, store->log.number + 1, error);
    if (code < 0) return code;
    *log_number = store->log.number;
    mutex_lock(&store->state);
    for (size_t i = 0; code == 0 && i < store->indices.count; i++) {
        struct store_index *index = store->indices.items[i];
        code = store_index_refresh(store, index, error);
        struct job job = { 0 };
        for (size_t k = 0; code == 0 && k < index->segments.count; k++) {
            if (index->segments.items[k].segment->path[0] != 0) continue;
            if (job.inputs.count == 0) code = job_begin(store, &job, index);
            if (code == 0) code = job_add(&job, &index->segments.items[k]);
        }
        if (job.inputs.count > 0 && !VEC_PUSH(jobs, job)) code = -ENOMEM;
    }
    if (code == 0) store->stats.buffer_size = store->fields_size = 0;
    store->stats.log_size = store->log.size;
    mutex_unlock(&store->state);
    return code;
}

static void remove_logs(struct logstore *store, uint64_t first, uint64_t end)
{
    for (uint64_t number = first; number < end; number++) {
        char path[FILE_PATH_SIZE];
        if (log_file_path(path, store->log.folder, number, NULL) == 0) {
            (void)store->disk->remove(store->disk->state, path);
        }
    }
}

static int finish_flush(struct logstore *store, struct job_vec *jobs, uint64_t log_number,
                        struct error *error)
{
    mutex_lock(&store->writer);
    int code = 0;
    for (size_t i = 0; code == 0 && i < jobs->count; i++)
        code = swap(store, &jobs->items[i], error);
    uint64_t first_before = store->log_first;
    if (code == 0) {
        store->log_first = log_number;
        code = store_catalog_save(store, error);
        if (code < 0) store->log_first = first_before;
    }
    if (code == 0) {
        log_forget_cuts(&store->log, log_number);
        remove_logs(store, first_before, log_number);
    }
    mutex_unlock(&store->writer);
    return code;
}

static bool has_anything_to_flush(struct logstore *store)
{
    bool has = false;
    mutex_lock(&store->state);
    for (size_t i = 0; !has && i < store->indices.count; i++) {
        const struct store_index *index = store->indices.items[i];
        has = index->builder != NULL && index->builder->documents.count > 0;
        for (size_t k = 0; !has && k < index->segments.count; k++) {
            has = index->segments.items[k].segment->path[0] == 0;
        }
    }
    has |= store->stats.log_size > LOG_HEADER_SIZE;
    mutex_unlock(&store->state);
    return has;
}

int store_flush(struct logstore *store, struct error *error)
{
    if (!has_anything_to_flush(store)) return 0;
    struct job_vec jobs = { 0 };
    uint64_t log_number = 0;
    mutex_lock(&store->writer);
    int code = begin_flush(store, &jobs, &log_number, error);
    mutex_unlock(&store->writer);
    for (size_t i = 0; code == 0 && i < jobs.count; i++) {
        code = run_merge(store, &jobs.items[i], error);
    }
    if (code == 0) code = finish_flush(store, &jobs, log_number, error);
    for (size_t i = 0; i < jobs.count; i++) {
        if (jobs.items[i].output != NULL) {
            jobs.items[i].output->removes_file = true;
            segment_free(jobs.items[i].output);
        }
        job_release(store, &jobs.items[i]);
    }
    VEC_RELEASE(&jobs);
    if (code == 0) store_count(store, &store->stats.flushes_total);
    return code < 0 ? error_wrap(error, code, "flush") : 0;
}

int logstore_flush(struct logstore *store, struct error *error)
{
    mutex_lock(&store->maintenance);
    int code = store_flush(store, error);
    mutex_unlock(&store->maintenance);
    return code;
}

int logstore_refresh(struct logstore *store, struct error *error)
{
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    int code = 0;
    for (size_t i = 0; code == 0 && i < store->indices.count; i++) {
        code = store_index_refresh(store, store->indices.items[i], error);
    }
    mutex_unlock(&store->state);
    mutex_unlock(&store->writer);
    return code;
}

/* Says that work failed, the first time and then once a minute (maintenance runs every second). */
static void tell_failure(const struct logstore *store, enum logstore_event_kind kind,
                         uint64_t streak, const struct error *error)
{
    if (streak % 60 != 1) return;
    struct logstore_event event = { .kind = kind, .reason = error->text };
    store_tell(store, &event);
}

/* Merges -------------------------------------------------------------------------------------- */

static uint64_t live_size(const struct store_segment *segment)
{
    uint32_t count = segment->segment->document_count;
    return count == 0 ? 0
                      : segment->segment->source_size * store_segment_live_count(segment) / count;
}

/* Chooses neighbours of like size, or one that is half dead. State held. 1: *job is to be run. */
static int choose_merge(struct logstore *store, struct job *job)
{
    uint64_t size_max = store->options.merge_size_max;
    for (size_t i = 0; i < store->indices.count; i++) {
        const struct store_index *index = store->indices.items[i];
        for (size_t start = 0; start < index->segments.count; start++) {
            const struct store_segment *first = &index->segments.items[start];
            bool is_half_dead =
                store_segment_live_count(first) * 2 < first->segment->document_count;
            uint64_t total = 0;
            uint64_t largest = 0;
            size_t columns = 0;
            size_t end = start;
            while (end < index->segments.count && end - start < MERGE_COUNT) {
                uint64_t size = live_size(&index->segments.items[end]);
                columns += index->segments.items[end].segment->column_count;
                if (total + size > size_max || columns > MERGE_COLUMNS_MAX) break;
                total += size;
                if (size > largest) largest = size;
                end++;
            }
            /* Together at least twice the largest, or it would only be copied about. */
            size_t least = columns > MERGE_COLUMNS_MAX ? MERGE_COUNT / 4 : MERGE_COUNT / 2;
            bool is_full =
                end - start == MERGE_COUNT || (end < index->segments.count && end - start >= least);
            bool is_worth = is_full && total >= largest * 2;
            if (!is_worth && !is_half_dead) continue;
            if (!is_worth) end = start + 1;
            if (job_begin(store, job, index) < 0) return -ENOMEM;
            for (size_t k = start; k < end; k++) {
                if (job_add(job, &index->segments.items[k]) < 0) return -ENOMEM;
            }
            return 1;
        }
    }
    return 0;
}

static bool merge_once(struct logstore *store)
{
    struct job job = { 0 };
    struct error error = { 0 };
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    int code = choose_merge(store, &job);
    mutex_unlock(&store->state);
    mutex_unlock(&store->writer);
    bool is_chosen = code == 1;
    for (size_t i = 0; i < job.inputs.count; i++) {
        if (store_segment_holds(store, job.inputs.items[i].segment)) continue;
        job_release(store, &job);
        return false;
    }
    if (is_chosen) code = run_merge(store, &job, &error);
    bool was_run = is_chosen && code == 0;
    if (was_run) {
        mutex_lock(&store->writer);
        code = swap(store, &job, &error);
        /* The inputs' files go with their last reference; were the catalog not saved, they would
         * be missed at the next open, so they are kept then. */
        if (code == 0) code = store_catalog_save(store, &error);
        if (code < 0) {
            for (size_t i = 0; i < job.inputs.count; i++) {
                job.inputs.items[i].segment->removes_file = false;
            }
        }
        mutex_unlock(&store->writer);
        if (code == 0) store_count(store, &store->stats.merges_total);
    }
    if (job.output != NULL) segment_free(job.output);
    job_release(store, &job);
    if (was_run) (void)malloc_trim(0); /* merges are few, and what they held is not needed soon */
    if (is_chosen) {
        store->merge_fail_streak = code < 0 ? store->merge_fail_streak + 1 : 0;
        tell_failure(store, LOGSTORE_EVENT_MERGE_FAILED, store->merge_fail_streak, &error);
    }
    return was_run && code == 0;
}

/* Retention ----------------------------------------------------------------------------------- */

struct oldest {
    struct store_index *index;
    size_t at;
    int64_t time_ms;
};

static bool find_oldest(const struct logstore *store, struct oldest *oldest, uint64_t *disk_size)
{
    bool is_found = false;
    for (size_t i = 0; i < store->indices.count; i++) {
        struct store_index *index = store->indices.items[i];
        for (size_t k = 0; k < index->segments.count; k++) {
            const struct logstore_segment *segment = index->segments.items[k].segment;
            *disk_size += segment->bytes.size;
            bool has_time = segment->time_least <= segment->time_most;
            int64_t time_ms = has_time ? segment->time_most : INT64_MAX;
            if (segment->path[0] == 0 || (is_found && time_ms >= oldest->time_ms)) continue;
            *oldest = (struct oldest){ index, k, time_ms };
            is_found = true;
        }
    }
    return is_found;
}

bool store_segment_is_older(const struct store_segment *segment, int64_t end_ms)
{
    const struct logstore_segment *inner = segment->segment;
    return inner->path[0] != 0 && inner->time_least <= inner->time_most &&
           inner->time_most < end_ms;
}

bool store_segment_drop(struct logstore *store, struct store_index *index, size_t at)
{
    mutex_lock(&store->state);
    struct store_segment dropped = index->segments.items[at];
    struct logstore_event event = { .kind = LOGSTORE_EVENT_SEGMENT_EXPIRED,
                                    .subject = index->name,
                                    .count = store_segment_live_count(&dropped) };
    VEC_REMOVE(&index->segments, at);
    store->stats.retention_segments_total++;
    mutex_unlock(&store->state);
    bool is_saved = store_catalog_save(store, NULL) == 0;
    if (is_saved) store_tell(store, &event);
    mutex_lock(&store->state);
    dropped.segment->removes_file = is_saved;
    store_live_unref(dropped.live);
    store_segment_unref(store, dropped.segment);
    mutex_unlock(&store->state);
    return is_saved;
}

/* Drops the oldest segment when it is too old or there is too much. Whether it did. */
static bool retain_once(struct logstore *store)
{
    int64_t now_ms = clock_realtime_ms(store->clock);
    uint64_t size = 0;
    struct oldest oldest = { 0 };
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    bool is_found = find_oldest(store, &oldest, &size);
    mutex_unlock(&store->state);
    bool is_old = is_found && store->options.retention_ms > 0 && oldest.time_ms != INT64_MAX &&
                  oldest.time_ms < now_ms - store->options.retention_ms;
    bool is_much =
        is_found && store->options.retention_size > 0 && size > store->options.retention_size;
    bool is_dropped = (is_old || is_much) && store_segment_drop(store, oldest.index, oldest.at);
    mutex_unlock(&store->writer);
    return is_dropped;
}

/* Gives back what writers keep from group to group. Writer held. */
static void free_kept(struct logstore *store)
{
    VEC_RELEASE(&store->leaves);
    buf_release(&store->records);
    buf_init(&store->records, LOG_RECORD_SIZE_MAX);
    mutex_lock(&store->state);
    bool had_spare = store_spare_free(store);
    mutex_unlock(&store->state);
    if (had_spare) (void)malloc_trim(0);
}

void logstore_maintain(struct logstore *store)
{
    store_kept_expire(store);
    mutex_lock(&store->maintenance);
    mutex_lock(&store->writer);
    store_check_space(store);
    (void)!log_settle(&store->log, NULL);
    (void)!store_catalog_settle(store, NULL);
    if (store->indexed_before == store->stats.indexed_total) {
        free_kept(store); /* nobody writes */
    }
    store->indexed_before = store->stats.indexed_total;
    bool is_full = store_buffered(store) > store->options.buffer_size_max;
    bool is_read_only = store->stats.is_read_only;
    mutex_unlock(&store->writer);
    /* A flush that fails leaves all in the log and is tried again the next time. */
    if (is_full) {
        struct error error = { 0 };
        bool has_failed = store_flush(store, &error) < 0;
        if (has_failed) store_count(store, &store->stats.failed_flushes_total);
        store->flush_fail_streak = has_failed ? store->flush_fail_streak + 1 : 0;
        tell_failure(store, LOGSTORE_EVENT_FLUSH_FAILED, store->flush_fail_streak, &error);
    }
    store_run_policies(store);
    store_scrub(store);
    while (retain_once(store)) continue;
    for (unsigned i = 0; !is_read_only && i < 4 && merge_once(store); i++) continue;
    mutex_unlock(&store->maintenance);
}
