/* import_text.c - samples of an OpenMetrics text into a store. */
#include "metrics_server/import_text.h"

#include "base/map.h"
#include "base/vec.h"
#include "model/sample.h"
#include "scrape/scrape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_SAMPLES_MAX = 8 << 20 };

#define ARENA_MAX ((size_t)1 << 30)

struct text_series {
    struct labels labels;
    VEC(struct sample) samples;
};

struct reading {
    struct tsdb *db;
    struct import_text *result;
    struct exposition exposition;
    struct arena arena; /* labels */
    struct map by_text; /* raw text of a series: index + 1 */
    VEC(struct text_series) series;
    size_t sample_count;
};

static void reset(struct reading *reading)
{
    for (size_t i = 0; i < reading->series.count; i++) {
        VEC_RELEASE(&reading->series.items[i].samples);
    }
    reading->series.count = 0;
    reading->sample_count = 0;
    map_release(&reading->by_text);
    reading->by_text = (struct map){ 0 };
    arena_reset(&reading->arena);
}

static int by_labels(const void *a, const void *b)
{
    const struct text_series *x = a;
    const struct text_series *y = b;
    return labels_compare(x->labels, y->labels);
}

/* The same series written in two ways is one. */
static int join_series(struct reading *reading)
{
    size_t kept = 0;
    struct text_series *items = reading->series.items;
    if (reading->series.count < 2) return 0;
    qsort(items, reading->series.count, sizeof(items[0]), by_labels);
    for (size_t i = 1; i < reading->series.count; i++) {
        if (!labels_equal(items[i].labels, items[kept].labels)) {
            items[++kept] = items[i];
            continue;
        }
        for (size_t k = 0; k < items[i].samples.count; k++) {
            if (!VEC_PUSH(&items[kept].samples, items[i].samples.items[k])) return -ENOMEM;
        }
        VEC_RELEASE(&items[i].samples);
    }
    reading->series.count = kept + 1;
    return 0;
}

struct place {
    struct sample sample;
    size_t index;
};

static int by_time(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    if (x->sample.time_ms != y->sample.time_ms) {
        return x->sample.time_ms < y->sample.time_ms ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* In order of time; of two of the same time the first in the text counts. */
static int add_series(struct reading *reading, struct tsdb_import *import,
                      const struct text_series *series, struct error *error)
{
    size_t count = series->samples.count;
    struct place *places = malloc(count * sizeof(places[0]));
    int64_t *times = malloc(count * sizeof(times[0]));
    double *values = malloc(count * sizeof(values[0]));
    struct series_columns columns = { .labels = series->labels };
    bool has_memory = places != NULL && times != NULL && values != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        places[i] = (struct place){ series->samples.items[i], i };
    }
    if (has_memory) qsort(places, count, sizeof(places[0]), by_time);
    for (size_t i = 0; has_memory && i < count; i++) {
        if (columns.count > 0 && times[columns.count - 1] == places[i].sample.time_ms) continue;
        times[columns.count] = places[i].sample.time_ms;
        values[columns.count++] = places[i].sample.value;
    }
    columns.times_ms = times;
    columns.values = values;
    int code = has_memory ? tsdb_import_add(import, &columns, error)
                          : error_set(error, -ENOMEM, "no memory to import");
    reading->result->duplicates += count - columns.count;
    reading->result->totals.samples += columns.count;
    free(places);
    free(times);
    free(values);
    return code;
}

/* Writes what was collected as a block. */
static int write_block(struct reading *reading, struct error *error)
{
    struct tsdb_import *import;
    if (reading->sample_count == 0) return 0;
    if (join_series(reading) != 0) return error_set(error, -ENOMEM, "no memory to import");
    int code = tsdb_import_begin(&import, reading->db, error);
    if (code != 0) return code;
    for (size_t i = 0; i < reading->series.count && code == 0; i++) {
        code = add_series(reading, import, &reading->series.items[i], error);
    }
    if (code != 0) {
        tsdb_import_rollback(import);
        return code;
    }
    code = tsdb_import_commit(import, error);
    if (code != 0) return code;
    reading->result->totals.blocks++;
    reading->result->totals.series += reading->series.count;
    reset(reading);
    return 0;
}

static int find_series(struct reading *reading, struct str text, size_t *index, struct error *error)
{
    uintptr_t number = (uintptr_t)map_get(&reading->by_text, text);
    *index = number - 1;
    if (number > 0) return 0;
    struct labels_builder builder = { 0 };
    struct text_series series = { 0 };
    int code = exposition_labels(text, &reading->arena, &builder, error);
    if (code == 0 &&
        labels_copy(&reading->arena, labels_builder_labels(&builder), &series.labels) != 0) {
        code = error_set(error, -ENOMEM, "no memory for a series");
    }
    labels_builder_release(&builder);
    if (code != 0) return code;
    *index = reading->series.count;
    number = reading->series.count + 1;
    if (!VEC_PUSH(&reading->series, series) ||
        map_put(&reading->by_text, text, (void *)number) != 0) {
        return error_set(error, -ENOMEM, "no memory for a series");
    }
    return 0;
}

static int take_entry(struct reading *reading, const struct exposition_entry *entry,
                      struct error *error)
{
    size_t index;
    if (entry->kind != EXPOSITION_SERIES) return 0;
    if (!entry->has_time) {
        return error_set(error, ERROR_PARSE, "expected a timestamp behind the value");
    }
    int code = find_series(reading, entry->series, &index, error);
    if (code != 0) return code;
    struct sample sample = { entry->time_ms, entry->value };
    if (!VEC_PUSH(&reading->series.items[index].samples, sample)) {
        return error_set(error, -ENOMEM, "no memory to import");
    }
    if (++reading->sample_count < BATCH_SAMPLES_MAX) return 0;
    return write_block(reading, error);
}

int import_text(struct tsdb *db, struct str text, struct import_text *result, struct error *error)
{
    struct reading reading = { .db = db, .result = result };
    struct exposition_entry entry;
    arena_init(&reading.arena, ARENA_MAX);
    exposition_init(&reading.exposition, text, EXPOSITION_OPENMETRICS);
    int code;
    while ((code = exposition_next(&reading.exposition, &entry, error)) == 1) {
        struct error cause = { 0 };
        code = take_entry(&reading, &entry, &cause);
        if (code == 0) continue;
        code = error_set(error, code, "line %zu: %s", reading.exposition.line, cause.text);
        break;
    }
    if (code == 0) code = write_block(&reading, error);
    reset(&reading);
    VEC_RELEASE(&reading.series);
    arena_release(&reading.arena);
    return code;
}
