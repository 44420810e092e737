/* apply.c - puts samples into the head: those of a commit, and those that a recovery reads.
 *
 * A payload of the log is drawn in commit.c and docs/formats/tsdb-wal.md.
 */
#include "codec/varint.h"
#include "tsdb/column.h"
#include "tsdb/db.h"
#include "tsdb/payload.h"
#include "tsdb/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FETCH_SERIES = 16 };

#define REPLAY_SIZE_MAX ((size_t)1 << 30)

bool tsdb_in_order(struct labels labels)
{
    for (size_t i = 0; i < labels.count; i++) {
        if (labels.items[i].name.size == 0 || labels.items[i].value.size == 0) return false;
        if (i > 0 && str_compare(labels.items[i - 1].name, labels.items[i].name) >= 0) return false;
    }
    return labels.count > 0;
}

bool tsdb_is_late(const struct tsdb *db, const struct head_series *series, int64_t time_ms)
{
    int64_t limit;
    if (series->last_ms != INT64_MIN && time_ms <= series->last_ms) return true;
    return db->head.max_ms != INT64_MIN &&
           !__builtin_sub_overflow(db->head.max_ms, db->options.past_max_ms, &limit) &&
           time_ms < limit;
}

bool tsdb_apply_sample(struct tsdb *db, const struct tsdb_pending *sample,
                       const struct extra *extra, bool takes_late)
{
    struct head *head = &db->head;
    struct head_series *series = sample->series;
    bool is_added = false;
    struct extra plain = { .time_ms = sample->time_ms };
    int code = 0;
    if (sample->time_ms == series->last_ms) {
        is_added = false; /* another batch was first */
    } else if (takes_late && tsdb_is_late(db, series, sample->time_ms)) {
        code =
            side_add_late(head, series, sample->value, extra != NULL ? extra : &plain, &is_added);
        if (code == 0 && is_added) db->stats.samples_late++;
    } else {
        code = head_append(head, series, sample->time_ms, sample->value, &is_added);
        if (code == 0 && is_added && (extra != NULL || series->has_side)) {
            code = side_note(head, series, extra != NULL ? extra : &plain);
        }
    }
    if (code != 0 || !is_added) {
        db->stats.samples_dropped++;
        return false;
    }
    db->stats.samples_appended++;
    return true;
}

void tsdb_apply_exemplars(struct tsdb *db, const struct payload_exemplars *exemplars)
{
    for (size_t i = 0; i < exemplars->count; i++) {
        const struct payload_exemplar *item = &exemplars->items[i];
        const struct head_series *series = head_series_at(&db->head, item->series);
        struct label *items =
            series == NULL ? NULL : malloc((series->pair_count + 1u) * sizeof(items[0]));
        if (items == NULL) continue;
        head_labels(&db->head, series, items);
        struct labels labels = { items, series->pair_count };
        (void)exemplars_add(&db->exemplars, labels, &item->exemplar);
        free(items);
    }
}

static bool take_labels(struct str *rest, struct label *items, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!varint_take_bytes(rest, &items[i].name)) return false;
        if (!varint_take_bytes(rest, &items[i].value)) return false;
    }
    return tsdb_in_order((struct labels){ items, (size_t)count });
}

static int apply_definition(struct tsdb *db, struct str *rest, struct error *error)
{
    uint64_t number;
    uint64_t count;
    if (!varint_take(rest, &number) || !varint_take(rest, &count)) return ERROR_CORRUPT;
    if (number == 0 || number >= UINT32_MAX || count > TSDB_LABELS_LIMIT) return ERROR_CORRUPT;
    struct label *items = malloc((count + 1) * sizeof(items[0]));
    if (items == NULL) return error_set(error, -ENOMEM, "no memory for a series");
    int code = take_labels(rest, items, count) ? 0 : ERROR_CORRUPT;
    struct labels labels = { items, (size_t)count };
    if (code == 0 && head_series_at(&db->head, (uint32_t)number) == NULL) {
        struct head_series *series = head_find(&db->head, labels);
        if (series != NULL) {
            code = head_renumber(&db->head, series, (uint32_t)number);
        } else {
            series = head_create(&db->head, labels, (uint32_t)number);
            if (series == NULL) code = -ENOMEM;
        }
        if (code != 0) (void)error_set(error, code, "no memory for a series");
        if (code == 0) series->is_logged = true;
    }
    free(items);
    return code;
}

static struct head_series *series_of(const struct tsdb *db, int64_t number)
{
    if (number <= 0 || number >= UINT32_MAX) return NULL;
    return head_series_at(&db->head, (uint32_t)number);
}

struct replay {
    uint64_t count;
    int64_t *numbers;
    int64_t *times;
    const char *values;
    struct arena arena;
    struct payload_sections sections;
};

static int read_samples(struct replay *replay, struct str rest, struct error *error)
{
    size_t count = (size_t)replay->count;
    replay->numbers = malloc((count + 1) * sizeof(replay->numbers[0]));
    replay->times = malloc((count + 1) * sizeof(replay->times[0]));
    if (replay->numbers == NULL || replay->times == NULL) {
        return error_set(error, -ENOMEM, "no memory to read the log");
    }
    if (!column_decode_numbers(&rest, replay->numbers, count) ||
        !column_decode_numbers(&rest, replay->times, count) || rest.size < count * 8) {
        return ERROR_CORRUPT;
    }
    replay->values = rest.data;
    int code = payload_take_sections(str_skip(rest, count * 8), replay->times, count,
                                     &replay->arena, &replay->sections);
    if (code == 0 || code == ERROR_CORRUPT) return code;
    return error_set(error, -ENOMEM, "no memory to read the log");
}

static void replay_samples(struct tsdb *db, const struct replay *replay)
{
    size_t next = 0;
    for (size_t i = 0; i < replay->count; i++) {
        struct head_series *series = series_of(db, replay->numbers[i]);
        if (i + FETCH_SERIES < replay->count) {
            __builtin_prefetch(series_of(db, replay->numbers[i + FETCH_SERIES]), 1);
        }
        const struct extra *extra = payload_extra_at(&replay->sections.extras, &next, i);
        uint64_t bits = fixed64_read(replay->values + i * 8);
        struct tsdb_pending sample = { series, replay->times[i], 0 };
        memcpy(&sample.value, &bits, sizeof(sample.value));
        if (series == NULL) {
            db->stats.samples_dropped++;
            continue;
        }
        if (extra != NULL && extra->histogram != NULL) extra->histogram->sum = sample.value;
        (void)tsdb_apply_sample(db, &sample, extra, replay->sections.takes_late);
        db->stats.samples_replayed++;
    }
    tsdb_apply_exemplars(db, &replay->sections.exemplars);
}

static int apply_samples(struct tsdb *db, struct str rest, struct error *error)
{
    struct replay replay = { 0 };
    if (!varint_take(&rest, &replay.count) || replay.count > rest.size / 8) return ERROR_CORRUPT;
    arena_init(&replay.arena, REPLAY_SIZE_MAX);
    int code = read_samples(&replay, rest, error);
    if (code == 0) replay_samples(db, &replay);
    payload_sections_release(&replay.sections);
    arena_release(&replay.arena);
    free(replay.numbers);
    free(replay.times);
    return code;
}

int tsdb_apply_payload(struct tsdb *db, struct str payload, struct error *error)
{
    struct str rest = payload;
    if (rest.size == 0 || rest.data[0] != TSDB_PAYLOAD_BATCH) {
        return error_set(error, ERROR_CORRUPT, "record of an unknown kind in the log");
    }
    rest = str_skip(rest, 1);
    uint64_t count;
    int code = varint_take(&rest, &count) ? 0 : ERROR_CORRUPT;
    for (uint64_t i = 0; i < count && code == 0; i++) code = apply_definition(db, &rest, error);
    if (code == 0) code = apply_samples(db, rest, error);
    if (code == ERROR_CORRUPT) return error_set(error, code, "record in the log is malformed");
    return code;
}
