/* scrub.c - looks for damage in segments that were on disk when the store opened.
 *
 * Opening reads a segment's directory and little more, so that a store of any size opens at once;
 * the rest is checked here, by the store's own thread: every section and every block of sources
 * against its checksum, SCRUB_SIZE bytes a round. A merge checks what it reads before, for it must
 * not carry damage on. A segment that fails, here or when a search first looks at it, is set aside:
 * its file is renamed, the catalog names it no more, and its owner is told.
 *
 * The bytes are read from the file, not through its mapping, so that they are no memory of ours.
 */
#include "base/check.h"
#include "codec/crc32c.h"
#include "logstore/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRUB_SIZE ((uint64_t)32 << 20) /* bytes a round, which is a second */
#define CHUNK_SIZE ((size_t)256 << 10)

struct scrub {
    const struct logstore_segment *segment;
    int handle;
    char *chunk;
    struct error *error;
};

static int check_bytes(struct scrub *scrub, uint64_t offset, uint64_t size, uint32_t wanted,
                       const char *what)
{
    const struct disk *disk = scrub->segment->disk;
    uint32_t crc = 0;
    for (uint64_t done = 0; done < size;) {
        size_t part = size - done < CHUNK_SIZE ? (size_t)(size - done) : CHUNK_SIZE;
        int64_t got = disk->read_at(disk->state, scrub->handle, scrub->chunk, part, offset + done);
        if (got < 0) {
            return error_set(scrub->error, (int)got, "read at %" PRIu64 ": %s", offset + done,
                             error_name((int)got));
        }
        if ((size_t)got != part) {
            return error_set(scrub->error, ERROR_CORRUPT, "cut short at %" PRIu64,
                             offset + done + (uint64_t)got);
        }
        crc = crc32c_add(crc, scrub->chunk, part);
        done += part;
    }
    if (crc == wanted) return 0;
    return error_set(scrub->error, ERROR_CORRUPT,
                     "checksum of %s fails: %" PRIu64 " bytes from %" PRIu64, what, size, offset);
}

static int check_section(struct scrub *scrub, const struct segment_section *section,
                         const char *what)
{
    if (section->bytes.data == NULL) return 0;
    uint64_t offset = (uint64_t)(section->bytes.data - scrub->segment->bytes.data);
    return check_bytes(scrub, offset, section->bytes.size, section->crc, what);
}

static int check_column(struct scrub *scrub, const struct logstore_column *column)
{
    const struct {
        const struct segment_section *section;
        const char *what;
    } parts[] = {
        { &column->presence, "documents of a column" },
        { &column->values, "values of a column" },
        { &column->terms_bytes, "terms of a column" },
        { &column->postings, "postings of a column" },
        { &column->rare_bytes, "rare terms of a column" },
    };
    int code = 0;
    for (size_t i = 0; code == 0 && i < ARRAY_LENGTH(parts); i++) {
        code = check_section(scrub, parts[i].section, parts[i].what);
    }
    return code;
}

static int check_blocks(struct scrub *scrub)
{
    const struct logstore_segment *segment = scrub->segment;
    const struct segment_section *source = &segment->sections[SEGMENT_SOURCE];
    uint64_t start = (uint64_t)(source->bytes.data - segment->bytes.data);
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < segment_block_count(segment); i++) {
        uint64_t from = (uint64_t)packed_get(&segment->block_offset, i);
        uint64_t to = (uint64_t)packed_get(&segment->block_offset, i + 1);
        code = check_bytes(scrub, start + from, to - from,
                           (uint32_t)packed_get(&segment->block_crc, i), "a block of sources");
    }
    return code;
}

int segment_check(const struct logstore_segment *segment, struct error *error)
{
    const struct disk *disk = segment->disk;
    struct scrub scrub = { .segment = segment, .error = error };
    scrub.chunk = malloc(CHUNK_SIZE);
    if (scrub.chunk == NULL) return error_set(error, -ENOMEM, "check a segment: out of memory");
    scrub.handle = disk->open(disk->state, segment->path, DISK_READ);
    if (scrub.handle < 0) {
        free(scrub.chunk);
        return error_set(error, scrub.handle, "open '%s': %s", segment->path,
                         error_name(scrub.handle));
    }
    int code = 0;
    for (int kind = 0; code == 0 && kind < SEGMENT_PRESENCE; kind++) {
        if (kind == SEGMENT_SOURCE) continue; /* by blocks */
        code = check_section(&scrub, &segment->sections[kind], "ids or tables");
    }
    for (size_t i = 0; code == 0 && i < segment->column_count; i++) {
        struct logstore_column column;
        segment_column_load(segment, i, &column);
        code = check_column(&scrub, &column);
    }
    if (code == 0) code = check_blocks(&scrub);
    disk->close(disk->state, scrub.handle);
    free(scrub.chunk);
    return code;
}

void store_tell_set_aside(struct logstore *store, const char *path, const char *reason)
{
    struct logstore_event event = { .kind = LOGSTORE_EVENT_SEGMENT_SET_ASIDE,
                                    .subject = str_from(path),
                                    .reason = reason };
    char aside[FILE_PATH_SIZE + 16];
    (void)snprintf(aside, sizeof(aside), "%s.damaged", path);
    (void)store->disk->rename(store->disk->state, path, aside);
    store_tell(store, &event);
}

/* Takes the segment out of its index, its file out of the way. Searches that hold it go on. */
static void set_aside(struct logstore *store, struct logstore_segment *segment, const char *reason)
{
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    for (size_t i = 0; i < store->indices.count; i++) {
        struct store_index *index = store->indices.items[i];
        for (size_t k = 0; k < index->segments.count; k++) {
            if (index->segments.items[k].segment != segment) continue;
            store_live_unref(index->segments.items[k].live);
            VEC_REMOVE(&index->segments, k);
            store->stats.corrupt_segments_total++;
            store_segment_unref(store, segment);
            break;
        }
    }
    mutex_unlock(&store->state);
    store_tell_set_aside(store, segment->path, reason);
    /* Were it not saved, the next open would miss the file and say so. */
    (void)!store_catalog_save(store, NULL);
    mutex_unlock(&store->writer);
}

bool store_segment_holds(struct logstore *store, struct logstore_segment *segment)
{
    if (segment->path[0] == 0) return true;
    struct error error = { 0 };
    if (segment->is_checked && !segment_is_damaged(segment)) return true;
    int code = segment_check(segment, &error);
    if (code == 0) {
        /* Whatever failed at its first use, memory perhaps, was no damage. */
        segment_set_damaged(segment, false);
        segment->is_checked = true;
        return true;
    }
    /* A disk that cannot be read now is no proof of damage. */
    if (code != ERROR_CORRUPT && code != -ENOENT) return false;
    set_aside(store, segment, error.text);
    return false;
}

/* A segment that is to be looked at, with a reference; NULL: none is left. */
static struct logstore_segment *next_segment(struct logstore *store, uint64_t above)
{
    struct logstore_segment *next = NULL;
    mutex_lock(&store->state);
    for (size_t i = 0; i < store->indices.count; i++) {
        const struct store_index *index = store->indices.items[i];
        for (size_t k = 0; k < index->segments.count; k++) {
            struct logstore_segment *segment = index->segments.items[k].segment;
            if (segment->path[0] == 0 || segment->id < above) continue;
            if (segment->is_checked && !segment_is_damaged(segment)) continue;
            if (next == NULL || segment->id < next->id) next = segment;
        }
    }
    if (next != NULL) next->ref_count++;
    mutex_unlock(&store->state);
    return next;
}

void store_scrub(struct logstore *store)
{
    uint64_t size = 0;
    uint64_t above = 0;
    while (size < SCRUB_SIZE) {
        struct logstore_segment *segment = next_segment(store, above);
        if (segment == NULL) return;
        size += segment->bytes.size;
        above = segment->id + 1; /* one that cannot be read waits for the next round */
        (void)store_segment_holds(store, segment);
        mutex_lock(&store->state);
        store_segment_unref(store, segment);
        mutex_unlock(&store->state);
    }
}
