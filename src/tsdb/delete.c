/* delete.c - removes samples of chosen series: notes them beside each block, and cleans later.
 *
 * DELETE   1 the head is cut, so that all that is to go stands in blocks
 *          2 the wish is written to a file of its own (docs/formats/tsdb-block.md), synced
 *          3 block by block what it removes is noted in memory: from here on it counts
 *          4 and beside the block, each note synced
 *          5 the wish is removed
 *          A crash, or a disk that fails, after 2 leaves the wish: the next opening does 3, and it,
 *          the next deletion or round of maintenance go on with 4. Notes are the same when they
 *          are made twice, and blocks younger than the wish are left alone, so a deletion counts
 *          whole or not at all, and a full disk keeps no store from opening.
 */
#include "base/check.h"
#include "codec/crc32c.h"
#include "codec/varint.h"
#include "tsdb/db.h"
#include "tsdb/match.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_SIZE_MAX ((size_t)512 << 20)
#define WISH_SIZE_MAX    ((size_t)1 << 20)

enum { WISH_HEADER_SIZE = 12, MATCHERS_MAX = 1024 };

static const char magic[8] = { 'B', 'G', 'T', 'S', 'W', 'S', 'H', '1' };

/* Samples of the selected series in [start_ms, end_ms], in blocks with a number below block_end. */
struct wish {
    struct matcher *matchers;
    size_t count;
    int64_t start_ms;
    int64_t end_ms;
    uint64_t block_end;
};

static void wish_release(struct wish *wish)
{
    for (size_t i = 0; i < wish->count; i++) matcher_release(&wish->matchers[i]);
    free(wish->matchers);
    *wish = (struct wish){ 0 };
}

static int wish_path(const struct tsdb *db, char *path, struct error *error)
{
    return file_join(path, db->folder, "deletion", error);
}

static int wish_write(const struct tsdb *db, const struct matcher *matchers, size_t count,
                      const struct wish *wish, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = wish_path(db, path, error);
    if (code != 0) return code;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, WISH_SIZE_MAX);
    buf_append(&out, magic, sizeof(magic));
    fixed32_append(&out, 0);
    varint_append(&out, wish->block_end);
    varint_append_signed(&out, wish->start_ms);
    varint_append_signed(&out, wish->end_ms);
    varint_append(&out, count);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(&out, (char)matchers[i].kind);
        varint_append_bytes(&out, matchers[i].name);
        varint_append_bytes(&out, matchers[i].value);
    }
    if (out.has_failed || count > MATCHERS_MAX) {
        return error_set(error, ERROR_LIMIT, "selector of a deletion is too long");
    }
    fixed32_write(out.data + 8, crc32c(out.data + WISH_HEADER_SIZE, out.size - WISH_HEADER_SIZE));
    return file_replace(db->options.disk, path, buf_str(&out), error);
}

static int read_matchers(struct str *rest, struct wish *wish)
{
    uint64_t count;
    if (!varint_take(rest, &count) || count > MATCHERS_MAX) return ERROR_CORRUPT;
    wish->matchers = calloc((size_t)count + 1, sizeof(wish->matchers[0]));
    if (wish->matchers == NULL) return -ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        if (rest->size == 0) return ERROR_CORRUPT;
        int kind = (unsigned char)rest->data[0];
        struct str name;
        struct str value;
        *rest = str_skip(*rest, 1);
        if (kind > MATCHER_NOT_REGEX || !varint_take_bytes(rest, &name)) return ERROR_CORRUPT;
        if (!varint_take_bytes(rest, &value)) return ERROR_CORRUPT;
        int code = matcher_init(&wish->matchers[i], (enum matcher_kind)kind, name, value, NULL);
        if (code != 0) return code == -ENOMEM ? code : ERROR_CORRUPT;
        wish->count++;
    }
    return rest->size == 0 ? 0 : ERROR_CORRUPT;
}

/* The matchers borrow from the bytes. */
static int wish_parse(struct str bytes, struct wish *wish)
{
    if (bytes.size < WISH_HEADER_SIZE || memcmp(bytes.data, magic, sizeof(magic)) != 0 ||
        fixed32_read(bytes.data + 8) !=
            crc32c(bytes.data + WISH_HEADER_SIZE, bytes.size - WISH_HEADER_SIZE)) {
        return ERROR_CORRUPT;
    }
    struct str rest = str_skip(bytes, WISH_HEADER_SIZE);
    if (!varint_take(&rest, &wish->block_end) || !varint_take_signed(&rest, &wish->start_ms) ||
        !varint_take_signed(&rest, &wish->end_ms)) {
        return ERROR_CORRUPT;
    }
    return read_matchers(&rest, wish);
}

/* What follows one another or overlaps becomes one. */
static void join_tombstones(struct tombstones *list)
{
    if (list->count < 2) return;
    qsort(list->items, list->count, sizeof(list->items[0]), tombstones_compare);
    size_t kept = 0;
    for (size_t i = 1; i < list->count; i++) {
        struct tombstone *last = &list->items[kept];
        const struct tombstone *next = &list->items[i];
        bool is_joined =
            next->series == last->series &&
            (last->max_time_ms == INT64_MAX || next->min_time_ms <= last->max_time_ms + 1);
        if (!is_joined) {
            list->items[++kept] = *next;
        } else if (next->max_time_ms > last->max_time_ms) {
            last->max_time_ms = next->max_time_ms;
        }
    }
    list->count = kept + 1;
}

static int add_tombstones(const struct block *block, const struct wish *wish,
                          struct tombstones *list, struct error *error)
{
    struct arena arena;
    arena_init(&arena, SCRATCH_SIZE_MAX);
    struct index index = block_index(block);
    struct postings series;
    int code = match(&index, wish->matchers, wish->count, &arena, &series);
    if (code != 0) {
        (void)error_set(error, code, "find what to delete in '%s'", block->path);
    } else if (!VEC_RESERVE(list, block->tombstones.count + series.count + 1)) {
        code = error_set(error, -ENOMEM, "no memory to delete");
    }
    for (size_t i = 0; code == 0 && i < block->tombstones.count; i++) {
        list->items[list->count++] = block->tombstones.items[i];
    }
    for (size_t i = 0; code == 0 && i < series.count; i++) {
        list->items[list->count++] =
            (struct tombstone){ series.items[i], wish->start_ms, wish->end_ms };
    }
    arena_release(&arena);
    return code;
}

static int note_in_memory(struct tsdb *db, struct block *block, const struct wish *wish,
                          struct error *error)
{
    if (block->meta.max_time_ms < wish->start_ms || block->meta.min_time_ms > wish->end_ms ||
        block->meta.id >= wish->block_end) {
        return 0;
    }
    struct tombstones list = { 0 };
    int code = add_tombstones(block, wish, &list, error);
    if (code == 0 && list.count > block->tombstones.count) {
        join_tombstones(&list);
        mutex_lock(&db->mutex);
        struct tombstones old = block->tombstones;
        block->tombstones = list;
        list = old;
        mutex_unlock(&db->mutex);
        block->has_unsaved = true;
    }
    VEC_RELEASE(&list);
    return code;
}

static int note_on_disk(struct tsdb *db, struct error *error)
{
    for (size_t i = 0; i < db->blocks.count; i++) {
        struct block *block = db->blocks.items[i];
        if (!block->has_unsaved) continue;
        int code = block_write_tombstones(block, &block->tombstones, error);
        if (code != 0) return code;
        block->has_unsaved = false;
    }
    return 0;
}

/* Step 3. Who holds `work` is the only one to change the list of blocks. */
static int make_count(struct tsdb *db, const struct wish *wish, struct error *error)
{
    int code = 0;
    for (size_t i = 0; i < db->blocks.count && code == 0; i++) {
        code = note_in_memory(db, db->blocks.items[i], wish, error);
    }
    return code;
}

/* Steps 4 and 5. */
static int make_durable(struct tsdb *db, struct error *error)
{
    const struct disk *disk = db->options.disk;
    char path[FILE_PATH_SIZE];
    int code = wish_path(db, path, error);
    if (code == 0) code = note_on_disk(db, error);
    if (code != 0) return code;
    code = disk->remove(disk->state, path);
    if (code == 0 || code == -ENOENT) code = disk->sync_folder(disk->state, db->folder);
    if (code != 0) {
        return error_set(error, code, "remove '%s': %s", path, strerrordesc_np(-code));
    }
    db->has_wish = false;
    return 0;
}

int tsdb_finish_deletion(struct tsdb *db, struct error *error)
{
    char path[FILE_PATH_SIZE];
    int code = wish_path(db, path, error);
    struct disk_info info;
    if (code != 0) return code;
    db->has_wish = db->options.disk->info(db->options.disk->state, path, &info) == 0;
    if (!db->has_wish) return 0;
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, WISH_SIZE_MAX);
    code = file_read(db->options.disk, path, &bytes, error);
    if (code != 0) return code;
    struct wish wish = { 0 };
    code = wish_parse(buf_str(&bytes), &wish);
    if (code == ERROR_CORRUPT) {
        /* Written whole or not at all: the medium has changed it. */
        db->stats.block_corruptions++;
        tsdb_report(db, "a deletion that was not finished is damaged and lost", path, NULL);
        (void)db->options.disk->remove(db->options.disk->state, path);
        db->has_wish = false;
        code = 0;
    } else if (code == 0) {
        code = make_count(db, &wish, error);
        if (code == 0) code = make_durable(db, error);
    } else {
        (void)error_set(error, code, "no memory to delete");
    }
    wish_release(&wish);
    return code;
}

static int delete_held(struct tsdb *db, const struct matcher *matchers, struct wish *wish,
                       struct error *error)
{
    int code = db->has_wish ? tsdb_finish_deletion(db, error) : 0;
    if (code == 0) code = tsdb_cut_all(db, error);
    if (db->unlisted.count > 0) tsdb_remove_unlisted(db);
    if (code == 0 && db->unlisted.count > 0) {
        /* One that came back would bring back what is deleted now. */
        code = error_set(error, ERROR_REFUSED,
                         "blocks in '%s' that are not served cannot be removed", db->block_folder);
    }
    if (code != 0) return code;
    wish->block_end = db->next_block;
    db->has_wish = true; /* also when this fails: it may be there */
    code = wish_write(db, matchers, wish->count, wish, error);
    if (code != 0) return code;
    code = make_count(db, wish, error);
    struct error cause = { 0 };
    if (code == 0 && make_durable(db, &cause) != 0) {
        tsdb_report(db, "deletion counts, its notes will be written later", db->folder, &cause);
    }
    return code;
}

int tsdb_delete(struct tsdb *db, const struct matcher *matchers, size_t count, int64_t start_ms,
                int64_t end_ms, struct error *error)
{
    struct wish wish = { (struct matcher *)(uintptr_t)matchers, count, start_ms, end_ms, 0 };
    mutex_lock(&db->work);
    int code = delete_held(db, matchers, &wish, error);
    tsdb_note_change(db, INT64_MIN); /* it may have ended an earlier one, too */
    mutex_unlock(&db->work);
    return code;
}

int tsdb_print_deletion(struct str bytes, struct buf *buf, struct error *error)
{
    static const char *const operators[] = { "=", "!=", "=~", "!~" };
    struct wish wish = { 0 };
    int code = wish_parse(bytes, &wish);
    if (code == 0) {
        buf_printf(buf, "deletion under way: %" PRId64 " to %" PRId64 " ms, blocks below %" PRIu64,
                   wish.start_ms, wish.end_ms, wish.block_end);
        for (size_t i = 0; i < wish.count; i++) {
            const struct matcher *matcher = &wish.matchers[i];
            buf_printf(buf, ", " STR_FMT "%s\"" STR_FMT "\"", STR_ARG(matcher->name),
                       operators[matcher->kind], STR_ARG(matcher->value));
        }
        buf_append_char(buf, '\n');
    }
    wish_release(&wish);
    return code == 0 ? 0 : error_set(error, code, "deletion is damaged");
}

int tsdb_clean(struct tsdb *db, struct error *error)
{
    int code = 0;
    mutex_lock(&db->work);
    for (size_t i = 0; i < db->blocks.count && code == 0;) {
        struct block *block = db->blocks.items[i];
        if (block->tombstones.count == 0) {
            i++;
            continue;
        }
        code = tsdb_merge_blocks(db, &block, 1, COLUMN_SMALL, error);
        i = 0; /* the list has changed */
    }
    mutex_unlock(&db->work);
    return code;
}
