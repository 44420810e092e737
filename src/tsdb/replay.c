/* replay.c - puts the log's batches into the head when a store is opened.
 *
 * A payload of the log is drawn in commit.c and docs/formats/tsdb-wal.md.
 *
 * WHY      The log has the samples by time, the head has them by series: put in as they come, each
 *          would fetch a series and its tail from memory anew, and be packed twice on its way to a
 *          long chunk. So plain samples are gathered, and put in series by series. What becomes of
 *          one hangs on its own series alone, so the outcome is the same; where it hangs on others
 *          (late samples), or where a series gets another number, what was gathered goes in before.
 */
#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/column.h"
#include "tsdb/db.h"
#include "tsdb/payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Samples gathered: enough for long chunks of few series, and for a few samples each of many. */
enum { GATHERED = 1 << 18, GATHERED_A_SERIES = 4 };

enum { RUN_MAX = 1024, FETCH_DEFINITIONS = 16 };

#define REPLAY_SIZE_MAX ((size_t)1 << 30)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they are");

/* ---- what was gathered ---- */

static void put_samples(struct tsdb *db, struct head_series *series, const int64_t *times,
                        const double *values, size_t count)
{
    db->stats.samples_replayed += count;
    if (!series->has_side) {
        db->stats.samples_dropped +=
            count - head_append_run(&db->head, series, times, values, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct tsdb_pending sample = { series, times[i], values[i] };
        (void)tsdb_apply_sample(db, &sample, NULL, false);
    }
}

static void put_in_order(struct tsdb_replay *replay)
{
    for (size_t i = 0; i < replay->count; i++) {
        struct head_series *series = head_series_at(&replay->db->head, replay->numbers[i]);
        CHECK(series != NULL); /* it was there, and nothing removes one meanwhile */
        put_samples(replay->db, series, &replay->times[i], &replay->values[i], 1);
    }
}

/* Puts in the samples of one series: those at these places. */
static void put_series(struct tsdb_replay *replay, uint32_t number, const uint32_t *places,
                       size_t count)
{
    int64_t times[RUN_MAX];
    double values[RUN_MAX];
    struct head_series *series = head_series_at(&replay->db->head, number);
    CHECK(series != NULL); /* it was there, and nothing removes one meanwhile */
    while (count > 0) {
        size_t run = count < RUN_MAX ? count : RUN_MAX;
        for (size_t i = 0; i < run; i++) {
            times[i] = replay->times[places[i]];
            values[i] = replay->values[places[i]];
        }
        put_samples(replay->db, series, times, values, run);
        places += run;
        count -= run;
    }
}

/* Sorts by series, by counting; those of a series stay in their order. */
static void put_by_series(struct tsdb_replay *replay, uint32_t least, uint32_t *ends,
                          uint32_t width)
{
    uint32_t *places = replay->places;
    for (size_t i = 0; i < replay->count; i++) ends[replay->numbers[i] - least]++;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < width; i++) {
        uint32_t count = ends[i];
        ends[i] = sum; /* where it begins, until its samples have their places */
        sum += count;
    }
    for (size_t i = 0; i < replay->count; i++) {
        places[ends[replay->numbers[i] - least]++] = (uint32_t)i;
    }
    uint32_t from = 0;
    for (uint32_t i = 0; i < width; i++) {
        if (ends[i] > from) put_series(replay, least + i, places + from, ends[i] - from);
        from = ends[i];
    }
}

static bool reserve_places(struct tsdb_replay *replay)
{
    if (replay->count <= replay->place_capacity) return true;
    free(replay->places);
    replay->places = malloc(replay->capacity * sizeof(replay->places[0]));
    replay->place_capacity = replay->places == NULL ? 0 : replay->capacity;
    return replay->places != NULL;
}

static void put_gathered(struct tsdb_replay *replay)
{
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (size_t i = 0; i < replay->count; i++) {
        if (replay->numbers[i] < least) least = replay->numbers[i];
        if (replay->numbers[i] > most) most = replay->numbers[i];
    }
    if (replay->count == 0) return;
    /* Numbers far apart, or too little memory: then as they come. */
    size_t width = (size_t)most - least + 1;
    bool is_dense = width / 4 <= replay->count && replay->count < UINT32_MAX;
    uint32_t *ends = is_dense ? calloc(width, sizeof(ends[0])) : NULL;
    if (ends != NULL && reserve_places(replay)) {
        put_by_series(replay, least, ends, (uint32_t)width);
    } else {
        put_in_order(replay);
    }
    free(ends);
    replay->count = 0;
}

static bool reserve(struct tsdb_replay *replay, size_t more)
{
    if (more <= replay->capacity - replay->count) return true;
    size_t capacity = replay->capacity + replay->capacity / 2 + more;
    uint32_t *numbers = realloc(replay->numbers, capacity * sizeof(numbers[0]));
    if (numbers == NULL) return false;
    replay->numbers = numbers;
    int64_t *times = realloc(replay->times, capacity * sizeof(times[0]));
    if (times == NULL) return false;
    replay->times = times;
    double *values = realloc(replay->values, capacity * sizeof(values[0]));
    if (values == NULL) return false;
    replay->values = values;
    replay->capacity = capacity;
    return true;
}

/* ---- definitions of series ---- */

struct definition {
    uint32_t number;
    uint32_t hash;
    size_t first; /* of its labels among those of the group */
    size_t count;
};

static bool take_labels(struct str *rest, struct label *items, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!varint_take_bytes(rest, &items[i].name)) return false;
        if (!varint_take_bytes(rest, &items[i].value)) return false;
    }
    return tsdb_in_order((struct labels){ items, (size_t)count });
}

/* A number that is free goes to the series with these labels; that has another one when it was
 * removed and came back. */
static int define(struct tsdb_replay *replay, struct labels labels, const struct definition *item,
                  struct error *error)
{
    struct head *head = &replay->db->head;
    struct head_series *series = head_find_hashed(head, labels, item->hash);
    int code = 0;
    if (series != NULL) {
        put_gathered(replay); /* by the number it has until now */
        code = head_renumber(head, series, item->number);
    } else {
        series = head_create_hashed(head, labels, item->hash, item->number);
        if (series == NULL) code = -ENOMEM;
    }
    if (code != 0) return error_set(error, code, "no memory for a series");
    series->is_logged = true;
    return 0;
}

static struct labels labels_of(const struct tsdb_replay *replay, const struct definition *item)
{
    return (struct labels){ replay->labels + item->first, item->count };
}

static int take_definition(struct tsdb_replay *replay, struct str *rest, struct definition *item,
                           struct error *error)
{
    uint64_t number;
    uint64_t count;
    if (!varint_take(rest, &number) || !varint_take(rest, &count)) return ERROR_CORRUPT;
    if (number == 0 || number >= UINT32_MAX || count > TSDB_LABELS_LIMIT) return ERROR_CORRUPT;
    if (count > replay->label_capacity - item->first) {
        size_t capacity = replay->label_capacity * 2 + (size_t)count;
        struct label *labels = realloc(replay->labels, capacity * sizeof(labels[0]));
        if (labels == NULL) return error_set(error, -ENOMEM, "no memory for a series");
        replay->labels = labels;
        replay->label_capacity = capacity;
    }
    item->number = (uint32_t)number;
    item->count = (size_t)count;
    return take_labels(rest, replay->labels + item->first, count) ? 0 : ERROR_CORRUPT;
}

/* Memory is far away: what the making of a group of series looks at is fetched all at once. */
static int take_definitions(struct tsdb_replay *replay, struct str *rest, uint64_t total,
                            struct error *error)
{
    struct definition group[FETCH_DEFINITIONS];
    const struct head *head = &replay->db->head;
    int code = 0;
    while (total > 0 && code == 0) {
        size_t count = 0;
        struct labels before = { 0 };
        size_t first = 0;
        for (; count < FETCH_DEFINITIONS && count < total; count++) {
            struct definition *item = &group[count];
            item->first = first;
            code = take_definition(replay, rest, item, error);
            if (code != 0) break;
            if (count > 0) before = labels_of(replay, item - 1);
            item->hash = head_hash(head, labels_of(replay, item));
            head_fetch(head, labels_of(replay, item), before, item->hash);
            first += item->count;
        }
        total -= count;
        for (size_t i = 0; i < count; i++) {
            if (head_series_at(head, group[i].number) != NULL) continue;
            int result = define(replay, labels_of(replay, &group[i]), &group[i], error);
            if (result != 0) return result;
        }
    }
    return code;
}

/* ---- samples ---- */

static struct head_series *series_of(const struct tsdb *db, int64_t number)
{
    if (number <= 0 || number >= UINT32_MAX) return NULL;
    return head_series_at(&db->head, (uint32_t)number);
}

/* A batch that was read and not gathered yet: its columns stand behind the gathered ones. */
struct reading {
    size_t count;
    const int64_t *numbers; /* of series */
    const int64_t *times;
    const char *values;
    struct arena arena;
    struct payload_sections sections;
};

/* Samples with more to them, or that may be late: each in its turn. */
static void put_reading(struct tsdb *db, const struct reading *reading)
{
    size_t next = 0;
    for (size_t i = 0; i < reading->count; i++) {
        struct head_series *series = series_of(db, reading->numbers[i]);
        const struct extra *extra = payload_extra_at(&reading->sections.extras, &next, i);
        struct tsdb_pending sample = { series, reading->times[i], 0 };
        memcpy(&sample.value, reading->values + i * 8, sizeof(sample.value));
        if (series == NULL) {
            db->stats.samples_dropped++;
            continue;
        }
        if (extra != NULL && extra->histogram != NULL) extra->histogram->sum = sample.value;
        (void)tsdb_apply_sample(db, &sample, extra, reading->sections.takes_late);
        db->stats.samples_replayed++;
    }
    tsdb_apply_exemplars(db, &reading->sections.exemplars);
}

static int take_sections(struct tsdb_replay *replay, struct reading *reading, struct str rest,
                         struct error *error)
{
    arena_init(&reading->arena, REPLAY_SIZE_MAX);
    int code = payload_take_sections(rest, reading->times, reading->count, &reading->arena,
                                     &reading->sections);
    if (code == 0) {
        put_gathered(replay);
        put_reading(replay->db, reading);
    } else if (code != ERROR_CORRUPT) {
        (void)error_set(error, -ENOMEM, "no memory to read the log");
        code = -ENOMEM;
    }
    payload_sections_release(&reading->sections);
    arena_release(&reading->arena);
    return code;
}

/* Closes the gaps of samples whose series are not known. */
static void drop_unknown(struct tsdb_replay *replay, const struct reading *reading, size_t first)
{
    size_t at = first;
    for (size_t i = 0; i < reading->count; i++) {
        if (series_of(replay->db, reading->numbers[i]) == NULL) continue;
        replay->numbers[at] = replay->numbers[first + i];
        replay->times[at] = replay->times[first + i];
        replay->values[at++] = replay->values[first + i];
    }
    replay->db->stats.samples_dropped += replay->count - at;
    replay->count = at;
}

static void gather(struct tsdb_replay *replay, const struct reading *reading)
{
    size_t first = replay->count;
    bool are_all_there = true;
    for (size_t i = 0; i < reading->count; i++) {
        are_all_there &= series_of(replay->db, reading->numbers[i]) != NULL;
        replay->numbers[first + i] = (uint32_t)reading->numbers[i];
    }
    memcpy(replay->values + first, reading->values, reading->count * sizeof(replay->values[0]));
    replay->count += reading->count; /* the times stand there already */
    if (!are_all_there) drop_unknown(replay, reading, first);
    size_t most = GATHERED + GATHERED_A_SERIES * (size_t)replay->db->head.totals.series_count;
    if (replay->count >= most) put_gathered(replay);
}

static int take_samples(struct tsdb_replay *replay, struct str rest, struct error *error)
{
    uint64_t total;
    if (!varint_take(&rest, &total) || total > rest.size / 8) return ERROR_CORRUPT;
    size_t count = (size_t)total;
    int64_t *numbers = malloc((count + 1) * sizeof(numbers[0]));
    if (numbers == NULL || !reserve(replay, count)) {
        free(numbers);
        return error_set(error, -ENOMEM, "no memory to read the log");
    }
    struct reading reading = { .count = count, .numbers = numbers };
    int code = 0;
    int64_t *times = replay->times + replay->count;
    if (!column_decode_numbers(&rest, numbers, count) ||
        !column_decode_numbers(&rest, times, count) || rest.size < count * 8) {
        code = ERROR_CORRUPT;
    } else {
        reading.times = times;
        reading.values = rest.data;
        rest = str_skip(rest, count * 8);
        if (rest.size > 0) {
            code = take_sections(replay, &reading, rest, error);
        } else {
            gather(replay, &reading);
        }
    }
    free(numbers);
    return code;
}

int tsdb_replay_payload(struct tsdb_replay *replay, struct str payload, struct error *error)
{
    struct str rest = payload;
    if (rest.size == 0 || rest.data[0] != TSDB_PAYLOAD_BATCH) {
        return error_set(error, ERROR_CORRUPT, "record of an unknown kind in the log");
    }
    rest = str_skip(rest, 1);
    uint64_t count;
    int code = varint_take(&rest, &count) ? 0 : ERROR_CORRUPT;
    if (code == 0) code = take_definitions(replay, &rest, count, error);
    if (code == 0) code = take_samples(replay, rest, error);
    if (code == ERROR_CORRUPT) return error_set(error, code, "record in the log is malformed");
    return code;
}

void tsdb_replay_end(struct tsdb_replay *replay)
{
    put_gathered(replay);
    free(replay->numbers);
    free(replay->times);
    free(replay->values);
    free(replay->places);
    free(replay->labels);
    *replay = (struct tsdb_replay){ 0 };
}
