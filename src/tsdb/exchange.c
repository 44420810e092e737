/* exchange.c - data that come from elsewhere and go elsewhere: import into a block of its own, and
 * blocks of Prometheus both ways.
 */
#include "base/check.h"
#include "base/map.h"
#include "base/random.h"
#include "model/sample.h"
#include "tsdb/db.h"
#include "tsdb/foreign.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)2 << 30)

enum { ULID_SIZE = 26, BLOCK_DURATION_MS = 2 * 3600 * 1000 };

struct tsdb_import {
    struct tsdb *db;
    struct block_writer *writer;
    uint64_t id;
    struct arena arena; /* the last series' array of labels */
    struct labels last;
    struct arena texts; /* of all labels, each once: the writer wants them to stay */
    struct map text_places;
};

/* Holds work until the import ends. */
NO_LOCK_CHECK int tsdb_import_begin(struct tsdb_import **import_out, struct tsdb *db,
                                    struct error *error)
{
    struct tsdb_import *import = calloc(1, sizeof(*import));
    if (import == NULL) return error_set(error, -ENOMEM, "no memory to import");
    import->db = db;
    arena_init(&import->arena, ARENA_MAX);
    arena_init(&import->texts, ARENA_MAX);
    mutex_lock(&db->work);
    int code = tsdb_start_block(db, &import->id, &import->writer, error);
    if (code != 0) {
        mutex_unlock(&db->work);
        arena_release(&import->arena);
        arena_release(&import->texts);
        free(import);
        return code;
    }
    *import_out = import;
    return 0;
}

static int check_order(struct tsdb_import *import, const struct series_columns *series,
                       struct error *error)
{
    if (import->last.count > 0 && labels_compare(import->last, series->labels) >= 0) {
        return error_set(error, ERROR_CORRUPT, "series are not in the order of their labels");
    }
    for (size_t i = 1; i < series->count; i++) {
        if (series->times_ms[i] > series->times_ms[i - 1]) continue;
        return error_set(error, ERROR_CORRUPT, "times of a series do not rise");
    }
    for (size_t i = 0; series->histograms != NULL && i < series->count; i++) {
        int code =
            series->histograms[i] == NULL ? 0 : histogram_check(series->histograms[i], error);
        if (code != 0) return code;
    }
    return 0;
}

/* The same text in a place where it stays; data NULL without memory. */
static struct str keep_text(struct tsdb_import *import, struct str text)
{
    const char *place = map_get(&import->text_places, text);
    if (place != NULL) return (struct str){ place, text.size };
    struct str copy = arena_copy(&import->texts, text);
    bool is_kept = copy.data != NULL &&
                   map_put_borrowed(&import->text_places, copy, (void *)(uintptr_t)copy.data) == 0;
    return is_kept ? copy : (struct str){ 0 };
}

/* The labels become those of the last series. */
static int keep_labels(struct tsdb_import *import, struct labels labels, struct error *error)
{
    arena_reset(&import->arena);
    struct label *items = ARENA_ARRAY(&import->arena, struct label, labels.count + 1);
    bool is_kept = items != NULL;
    for (size_t i = 0; i < labels.count && is_kept; i++) {
        items[i].name = keep_text(import, labels.items[i].name);
        items[i].value = keep_text(import, labels.items[i].value);
        is_kept = items[i].name.data != NULL && items[i].value.data != NULL;
    }
    import->last = (struct labels){ items, is_kept ? labels.count : 0 };
    return is_kept ? 0 : error_set(error, -ENOMEM, "no memory to import");
}

int tsdb_import_add(struct tsdb_import *import, const struct series_columns *series,
                    struct error *error)
{
    if (series->count == 0) return 0;
    int code = check_order(import, series, error);
    if (code != 0) return code;
    code = keep_labels(import, series->labels, error);
    if (code != 0) return code;
    code = block_writer_add(import->writer, import->last, series->times_ms, series->values,
                            series->count, error);
    return code == 0 ? tsdb_add_extras(series, import->writer, error) : code;
}

NO_LOCK_CHECK static void end(struct tsdb_import *import, bool is_kept)
{
    block_writer_free(import->writer);
    if (!is_kept) tsdb_discard_block(import->db, import->id);
    mutex_unlock(&import->db->work);
    arena_release(&import->arena);
    map_release(&import->text_places);
    arena_release(&import->texts);
    free(import);
}

int tsdb_import_commit(struct tsdb_import *import, struct error *error)
{
    bool is_empty = block_writer_series(import->writer) == 0;
    int code = is_empty ? 0 : tsdb_publish_block(import->db, import->writer, import->id, error);
    if (code == 0 && !is_empty) tsdb_note_change(import->db, INT64_MIN);
    end(import, code == 0 && !is_empty);
    return code;
}

void tsdb_import_rollback(struct tsdb_import *import)
{
    end(import, false);
}

/* ---- blocks of Prometheus ---- */

/* One series as columns, in the arena. */
static int to_columns(const struct foreign_samples *samples, struct arena *arena,
                      struct series_columns *series, struct error *error)
{
    size_t count = samples->count;
    int64_t *times = ARENA_ARRAY(arena, int64_t, count);
    double *values = ARENA_ARRAY(arena, double, count);
    const struct histogram **histograms = ARENA_ARRAY(arena, const struct histogram *, count);
    if (times == NULL || values == NULL || histograms == NULL) {
        return error_set(error, ERROR_LIMIT, "no memory for a series");
    }
    series->histograms = NULL;
    for (size_t i = 0; i < count; i++) {
        times[i] = samples->items[i].time_ms;
        values[i] = samples->items[i].value;
        histograms[i] = samples->items[i].histogram;
        if (histograms[i] != NULL) series->histograms = histograms;
    }
    series->count = count;
    series->times_ms = times;
    series->values = values;
    series->starts_ms = NULL;
    return 0;
}

static int import_series(struct tsdb_import *import, struct foreign_block *block,
                         struct tsdb_exchanged *totals, struct error *error)
{
    struct foreign_samples samples = { 0 };
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    int code;
    for (;;) {
        struct series_columns series = { 0 };
        arena_reset(&arena);
        code = foreign_block_next(block, &arena, &series.labels, &samples, error);
        if (code != 1) break;
        if (samples.count == 0) continue;
        code = to_columns(&samples, &arena, &series, error);
        if (code == 0) code = tsdb_import_add(import, &series, error);
        if (code != 0) break;
        totals->series++;
        totals->samples += samples.count;
    }
    VEC_RELEASE(&samples);
    arena_release(&arena);
    return code;
}

int tsdb_import_prometheus(struct tsdb *db, const char *path, struct tsdb_exchanged *totals,
                           struct error *error)
{
    struct foreign_block *block;
    struct tsdb_import *import;
    struct tsdb_exchanged found = *totals;
    int code = foreign_block_open(&block, db->options.disk, path, error);
    if (code != 0) return code;
    code = tsdb_import_begin(&import, db, error);
    if (code == 0) {
        code = import_series(import, block, &found, error);
        if (code == 0) {
            code = tsdb_import_commit(import, error);
        } else {
            tsdb_import_rollback(import);
        }
    }
    foreign_block_close(block);
    if (code != 0) return error_wrap(error, code, "import '%s'", path);
    found.blocks++;
    *totals = found;
    return 0;
}

/* 48 bits of time and 80 of dice, in letters. Source: the ULID specification. */
static void make_ulid(const struct tsdb *db, char *text)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char dice[16];
    random_secret(dice, sizeof(dice));
    uint64_t now_ms = (uint64_t)clock_realtime_ms(db->options.clock);
    for (int i = 0; i < 10; i++) text[i] = digits[now_ms >> (45 - 5 * i) & 31];
    for (int i = 0; i < 16; i++) text[10 + i] = digits[dice[i] & 31];
    text[ULID_SIZE] = '\0';
}

static int export_series(struct foreign_writer_block *writer, const struct series_columns *series,
                         struct foreign_samples *samples, struct error *error)
{
    samples->count = 0;
    if (!VEC_RESERVE(samples, series->count)) {
        return error_set(error, -ENOMEM, "no memory to export");
    }
    for (size_t i = 0; i < series->count; i++) {
        samples->items[samples->count++] =
            (struct foreign_sample){ series->times_ms[i], series->values[i],
                                     series->histograms == NULL ? NULL : series->histograms[i] };
    }
    return foreign_writer_add(writer, series->labels, samples->items, samples->count, error);
}

struct window {
    int64_t start_ms;
    int64_t end_ms; /* exclusive */
};

/* All series of one window; *writer is made when there is one. */
static int export_window(struct tsdb *db, const struct tsdb_export *wanted,
                         const struct window *window, const char *path,
                         struct foreign_writer_block **writer, struct tsdb_exchanged *totals,
                         struct error *error)
{
    struct series_query query = {
        .start_ms = window->start_ms > wanted->start_ms ? window->start_ms : wanted->start_ms,
        .end_ms = window->end_ms - 1 < wanted->end_ms ? window->end_ms - 1 : wanted->end_ms,
        .matchers = wanted->matchers,
        .matcher_count = wanted->matcher_count,
    };
    struct arena arena;
    struct series_cursor *cursor;
    struct series_columns series;
    struct foreign_samples samples = { 0 };
    arena_init(&arena, ARENA_MAX);
    int code = tsdb_select(db, &query, &arena, &cursor, error);
    if (code == 0) {
        while ((code = cursor->next(cursor, &series, error)) == 1) {
            if (*writer == NULL) {
                code = foreign_writer_new(writer, db->options.disk, path, error);
                if (code != 0) break;
            }
            code = export_series(*writer, &series, &samples, error);
            if (code != 0) break;
            totals->series++;
            totals->samples += series.count;
        }
        cursor->close(cursor);
    }
    VEC_RELEASE(&samples);
    arena_release(&arena);
    return code;
}

static int export_block(struct tsdb *db, const struct tsdb_export *wanted,
                        const struct window *window, struct tsdb_exchanged *totals,
                        struct error *error)
{
    char ulid[ULID_SIZE + 1];
    char path[FILE_PATH_SIZE];
    struct foreign_writer_block *writer = NULL;
    make_ulid(db, ulid);
    int code = file_join(path, wanted->folder, ulid, error);
    if (code == 0) code = export_window(db, wanted, window, path, &writer, totals, error);
    if (code == 0 && writer != NULL) {
        code = foreign_writer_finish(writer, ulid, window->start_ms, window->end_ms, error);
        if (code == 0) totals->blocks++;
    }
    bool is_left = code != 0 && writer != NULL;
    foreign_writer_free(writer);
    if (is_left) (void)!file_remove_tree(db->options.disk, path, NULL);
    return code;
}

static int64_t floor_to(int64_t time_ms, int64_t step_ms)
{
    int64_t rest = time_ms % step_ms;
    return time_ms - (rest < 0 ? rest + step_ms : rest);
}

/* Where the store has something: ranges of blocks and of the head. */
static bool is_touched(struct tsdb *db, const struct window *window)
{
    mutex_lock(&db->mutex);
    bool is_touched = db->head.totals.sample_count > 0;
    for (size_t i = 0; i < db->blocks.count && !is_touched; i++) {
        const struct block_meta *meta = &db->blocks.items[i]->meta;
        is_touched = meta->min_time_ms < window->end_ms && meta->max_time_ms >= window->start_ms;
    }
    mutex_unlock(&db->mutex);
    return is_touched;
}

int tsdb_export_prometheus(struct tsdb *db, const struct tsdb_export *wanted,
                           struct tsdb_exchanged *totals, struct error *error)
{
    enum { MARGIN_MS = 86400000 };
    struct tsdb_stats stats;
    int64_t step_ms = wanted->block_duration_ms > 0 ? wanted->block_duration_ms : BLOCK_DURATION_MS;
    /* All of it in blocks: they know their ranges, and the head's late samples could be of any. */
    int code = tsdb_flush(db, error);
    if (code != 0) return code;
    tsdb_stats(db, &stats);
    int64_t start_ms = stats.min_time_ms > wanted->start_ms ? stats.min_time_ms : wanted->start_ms;
    int64_t end_ms = stats.max_time_ms < wanted->end_ms ? stats.max_time_ms : wanted->end_ms;
    if (start_ms > end_ms) return 0;
    if (start_ms < INT64_MIN + step_ms || end_ms > INT64_MAX - step_ms - MARGIN_MS) {
        return error_set(error, ERROR_LIMIT, "times are too far from the epoch to be exported");
    }
    code = file_make_folders(db->options.disk, wanted->folder, error);
    for (int64_t at = floor_to(start_ms, step_ms); at <= end_ms && code == 0; at += step_ms) {
        struct window window = { at, at + step_ms };
        if (is_touched(db, &window)) code = export_block(db, wanted, &window, totals, error);
    }
    return code;
}
