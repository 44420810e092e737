/* copies.c - imports and snapshots in simulations. */
#include "tests/sim/copies.h"

#include "base/check.h"
#include "base/file.h"

#include <stdio.h>

enum { SAMPLES_MAX = 6, ARENA_SIZE = 1 << 20 };

#define SPAN_MS 600000

static int add_series(struct tsdb_import *import, struct random *random, int number, int64_t now_ms,
                      struct twin_times *imported)
{
    struct arena arena;
    struct twin_labels text;
    int64_t times[SAMPLES_MAX];
    double values[SAMPLES_MAX];
    int64_t starts[SAMPLES_MAX];
    const struct histogram *histograms[SAMPLES_MAX];
    size_t count = (size_t)random_below(random, SAMPLES_MAX + 1);
    int64_t time_ms = now_ms - (int64_t)random_below(random, SPAN_MS);
    arena_init(&arena, ARENA_SIZE);
    size_t filled = 0;
    for (; filled < count && time_ms <= now_ms; filled++) {
        struct twin_sample sample = twin_sample(number, time_ms, &arena);
        times[filled] = time_ms;
        values[filled] = sample.value;
        starts[filled] = sample.start_ms;
        histograms[filled] = sample.histogram;
        CHECK(VEC_PUSH(imported, time_ms));
        time_ms += 1 + (int64_t)random_below(random, SPAN_MS / SAMPLES_MAX);
    }
    struct series_columns series = { .labels = twin_labels(number, &text),
                                     .count = filled,
                                     .times_ms = times,
                                     .values = values,
                                     .histograms = histograms,
                                     .starts_ms = starts };
    int code = tsdb_import_add(import, &series, NULL);
    arena_release(&arena);
    return code;
}

int copies_import(struct tsdb *db, struct random *random, int64_t now_ms,
                  struct twin_times *imported)
{
    struct tsdb_import *import;
    int order[TWIN_SERIES];
    int code = tsdb_import_begin(&import, db, NULL);
    if (code != 0) return code;
    /* In the order of labels. */
    for (int i = 0; i < TWIN_SERIES; i++) {
        int at = i;
        for (; at > 0; at--) {
            struct twin_labels mine;
            struct twin_labels other;
            if (labels_compare(twin_labels(order[at - 1], &other), twin_labels(i, &mine)) < 0) {
                break;
            }
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    for (int i = 0; i < TWIN_SERIES && code == 0; i++) {
        if (random_below(random, 3) > 0) continue;
        code = add_series(import, random, order[i], now_ms, &imported[order[i]]);
    }
    if (code == 0 && random_below(random, 8) > 0) return tsdb_import_commit(import, NULL);
    tsdb_import_rollback(import);
    for (int i = 0; i < TWIN_SERIES; i++) imported[i].count = 0; /* nothing of it is ever there */
    return code;
}

void copies_snapshot_init(struct copies_snapshot *snapshot)
{
    *snapshot = (struct copies_snapshot){ 0 };
    twin_init(&snapshot->twin);
}

void copies_snapshot_release(struct copies_snapshot *snapshot)
{
    twin_release(&snapshot->twin);
}

static void snapshot_path(const struct tsdb_options *options, unsigned number, char *path)
{
    (void)snprintf(path, FILE_PATH_SIZE, "%s/snapshots/s%u", options->folder, number);
}

void copies_snapshot_take(struct copies_snapshot *snapshot, struct tsdb *db,
                          const struct tsdb_options *options, const struct twin *twin)
{
    char name[32];
    char path[FILE_PATH_SIZE];
    (void)snprintf(name, sizeof(name), "s%u", snapshot->number + 1);
    if (tsdb_snapshot(db, name, true, NULL) != 0) {
        snapshot->number++; /* its name may be left over after a crash */
        snapshot->is_there = false;
        return;
    }
    snapshot_path(options, snapshot->number, path);
    (void)!file_remove_tree(options->disk, path, NULL);
    snapshot->number++;
    snapshot->is_there = true;
    twin_copy(&snapshot->twin, twin);
}

bool copies_snapshot_agrees(const struct copies_snapshot *snapshot,
                            const struct tsdb_options *options, const struct twin_leave *leave)
{
    char path[FILE_PATH_SIZE];
    struct error error = { 0 };
    struct tsdb *db = NULL;
    const struct twin_range everything = { INT64_MIN, INT64_MAX, -1, false };
    if (!snapshot->is_there) return true;
    snapshot_path(options, snapshot->number, path);
    struct tsdb_options own = *options;
    own.folder = path;
    if (tsdb_open(&db, &own, &error) != 0) {
        if (!leave->is_quiet) printf("# snapshot '%s': %s\n", path, error.text);
        return false;
    }
    bool agrees = twin_agrees(&snapshot->twin, db, &everything, leave, NULL);
    tsdb_close(db);
    return agrees;
}
