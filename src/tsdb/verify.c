/* verify.c - reads every byte of the store's files and tells which are whole.
 *
 * Of a block: checksums of all parts, then every chunk and group decoded and held against the
 * index. Of the log: every record; bytes behind the last whole one are what a crash leaves, and are
 * damage only where more records follow them.
 */
#include "base/check.h"
#include "tsdb/chunk.h"
#include "tsdb/column.h"
#include "tsdb/db.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)256 << 20)

static int check_chunk(struct chunk_memory *memory, const struct block_chunk *chunk)
{
    int64_t times[BLOCK_CHUNK_LIMIT];
    double values[BLOCK_CHUNK_LIMIT];
    return chunk_decode(memory, chunk, times, values) ? 0 : ERROR_CORRUPT;
}

static int check_series(const struct block *block, uint32_t series, struct chunk_memory *memory,
                        struct arena *arena)
{
    struct labels labels;
    struct block_chunk *chunks = NULL;
    struct block_extras *groups = NULL;
    size_t chunk_count = 0;
    size_t group_count = 0;
    int code = block_series_labels(block, series, arena, &labels);
    if (code == 0) {
        code =
            block_series_chunks(block, series, INT64_MIN, INT64_MAX, arena, &chunks, &chunk_count);
    }
    if (code == 0) {
        code =
            block_series_extras(block, series, INT64_MIN, INT64_MAX, arena, &groups, &group_count);
    }
    for (size_t i = 0; i < chunk_count && code == 0; i++) code = check_chunk(memory, &chunks[i]);
    for (size_t i = 0; i < group_count && code == 0; i++) {
        struct extra extras[EXTRA_GROUP_MAX];
        code = block_extras_decode(&groups[i], arena, extras);
    }
    return code;
}

static int verify_block(const struct disk *disk, const char *path, struct error *error)
{
    struct block *block;
    struct arena arena;
    struct chunk_memory memory = { 0 };
    int code = block_open(&block, disk, path, error);
    if (code != 0) return code;
    arena_init(&arena, ARENA_MAX);
    code = block_verify(block, error);
    for (uint64_t i = 0; i < block->meta.series && code == 0; i++) {
        arena_reset(&arena);
        code = check_series(block, (uint32_t)i, &memory, &arena);
        if (code != 0) {
            code = error_set(error, code, "block '%s': series %" PRIu64 " is damaged", path, i);
        }
    }
    chunk_memory_release(&memory);
    arena_release(&arena);
    block_free(block);
    return code;
}

static int verify_segment(const char *path, struct str bytes, struct error *error)
{
    struct wal_reader reader;
    struct str payload;
    if (!wal_reader_init(&reader, bytes)) {
        return error_set(error, ERROR_CORRUPT, "log segment '%s': header is damaged", path);
    }
    int code;
    uint64_t offset;
    do {
        offset = reader.offset;
        code = wal_reader_next(&reader, &payload);
    } while (code == 1);
    if (code == 0) return 0;
    return error_set(error, ERROR_CORRUPT,
                     "log segment '%s': no whole record at byte %" PRIu64 " of %zu", path, offset,
                     bytes.size);
}

static int verify_series(const struct disk *disk, const char *path, struct error *error)
{
    struct head head;
    if (head_init(&head) != 0) {
        head_release(&head);
        return error_set(error, -ENOMEM, "no memory to read '%s'", path);
    }
    int code = series_file_read(disk, path, &head, true, error);
    head_release(&head);
    return code;
}

static int verify_notes(const char *path, struct str bytes, struct error *error)
{
    struct tombstones tombstones = { 0 };
    uint64_t id;
    bool is_good = tombstones_parse(bytes, &id, &tombstones);
    VEC_RELEASE(&tombstones);
    return is_good ? 0 : error_set(error, ERROR_CORRUPT, "deletions '%s' are damaged", path);
}

static int verify_wish(const char *path, struct str bytes, struct error *error)
{
    CLEANUP(buf_release) struct buf text;
    (void)path;
    buf_init(&text, 1 << 20);
    return tsdb_print_deletion(bytes, &text, error);
}

/* By the ending of the name: a damaged beginning must not make a file another kind's. */
static int verify_file(const struct disk *disk, const char *path, struct error *error)
{
    struct str name = str_from(path);
    const void *mapped;
    size_t size;
    if (str_ends_with(name, STR(".block"))) return verify_block(disk, path, error);
    if (str_ends_with(name, STR(".series"))) return verify_series(disk, path, error);
    int code = disk->map(disk->state, path, &mapped, &size);
    if (code != 0) {
        return error_set(error, code, "open '%s': %s", path, strerrordesc_np(-code));
    }
    struct str bytes = { mapped, size };
    if (str_ends_with(name, STR(".wal"))) {
        code = verify_segment(path, bytes, error);
    } else if (str_ends_with(name, STR(".deleted"))) {
        code = verify_notes(path, bytes, error);
    } else if (str_ends_with(name, STR("/deletion"))) {
        code = verify_wish(path, bytes, error);
    } else if (str_ends_with(name, STR(".damaged"))) {
        code = error_set(error, ERROR_CORRUPT, "'%s' was set aside as damaged", path);
    } else {
        code = error_set(error, ERROR_INVALID, "'%s' is no file of the time-series store", path);
    }
    disk->unmap(disk->state, mapped, size);
    return code;
}

struct walk {
    const struct disk *disk;
    const char *folder;
    void (*visit)(void *argument, const char *file, const struct error *cause);
    void *argument;
};

static void tell(const struct walk *walk, const char *path)
{
    struct error cause = { 0 };
    int code = verify_file(walk->disk, path, &cause);
    walk->visit(walk->argument, path, code == 0 ? NULL : &cause);
}

static int visit_name(void *argument, const char *name)
{
    const struct walk *walk = argument;
    char path[FILE_PATH_SIZE];
    if (str_ends_with(str_from(name), STR(".tmp"))) return 0; /* what a crash left */
    if (file_join(path, walk->folder, name, NULL) == 0) tell(walk, path);
    return 0;
}

int tsdb_verify(const struct disk *disk, const char *path,
                void (*visit)(void *argument, const char *file, const struct error *cause),
                void *argument, struct error *error)
{
    static const char *const folders[] = { "blocks", "wal" };
    struct walk walk = { disk, NULL, visit, argument };
    struct disk_info info;
    char folder[FILE_PATH_SIZE];
    int code = disk->info(disk->state, path, &info);
    if (code != 0) return error_set(error, code, "read '%s': %s", path, strerrordesc_np(-code));
    if (!info.is_folder) {
        tell(&walk, path);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        code = file_join(folder, path, folders[i], error);
        if (code != 0) return code;
        walk.folder = folder;
        code = disk->list(disk->state, folder, visit_name, &walk);
        if (code != 0 && (code != -ENOENT || i == 0)) {
            return error_set(error, code, "'%s' is no folder of a time-series store: %s", path,
                             strerrordesc_np(-code));
        }
    }
    code = file_join(folder, path, "deletion", error);
    if (code == 0 && disk->info(disk->state, folder, &info) == 0) tell(&walk, folder);
    return code;
}
