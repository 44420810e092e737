/* commit.c - batches: collected, written to the log together, put into the head.
 *
 * FORMAT   payload of a batch in the log: kind u8 = 1; count of series (varint), then each: number,
 *          count of labels, names and values (varint lengths); count of samples (varint), then
 *          columns: numbers of the series, times, and the values as 8 bytes each; then the sections
 *          of payload.h. The page docs/formats/tsdb-wal.md draws it.
 * WHY      A sample is checked when it is appended, and again when it is put into the head, for
 *          another batch may have come first. Recovery puts the same payloads into the head in the
 *          same order by the same function, so it comes to the same answers.
 */
#include "base/check.h"
#include "codec/varint.h"
#include "tsdb/column.h"
#include "tsdb/db.h"
#include "tsdb/payload.h"
#include "tsdb/side.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    MANY_ROWS = 64,
    GROUP_COUNT_MAX = 256,
    WRITE_TRIES = 2,
    FETCH_SERIES = 24,
    FETCH_TAIL = 16,
    FETCH_PLACE = 8,
    MUCH = 1 << 16,
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they are");

#define GROUP_SIZE_MAX  (128u << 20)
#define SPACE_CHECK_NS  INT64_C(1000000000)
#define EXTRAS_SIZE_MAX (WAL_PAYLOAD_SIZE_MAX / 2)

struct batch {
    struct sample_batch base; /* first */
    struct tsdb *db;
    VEC(struct tsdb_pending) samples;
    struct payload_sections sections;
    struct arena arena;     /* what the sections point to */
    int64_t start_ms;       /* of what is appended next */
    struct buf definitions; /* of series that are not in the log yet */
    uint64_t definition_count;
    uint32_t number;
    int64_t now_ms; /* when it began: reading the clock for every sample is dear */
    struct buf payload;
    struct batch *next; /* in the queue */
    bool is_done;
    int code;
    struct error *error;
};

static void batch_free(struct batch *batch)
{
    VEC_RELEASE(&batch->samples);
    payload_sections_release(&batch->sections);
    arena_release(&batch->arena);
    buf_release(&batch->definitions);
    buf_release(&batch->payload);
    free(batch);
}

static int check_labels(const struct tsdb *db, struct labels labels, struct error *error)
{
    if (!tsdb_in_order(labels)) {
        return error_set(error, ERROR_INVALID, "labels are empty, doubled or not in order");
    }
    size_t size = 0;
    for (size_t i = 0; i < labels.count; i++) {
        size += labels.items[i].name.size + labels.items[i].value.size;
    }
    if (labels.count > db->options.label_count_max || labels.count > TSDB_LABELS_LIMIT) {
        return error_set(error, ERROR_LIMIT, "series has %zu labels, limit is %zu", labels.count,
                         db->options.label_count_max);
    }
    if (size > db->options.label_size_max) {
        return error_set(error, ERROR_LIMIT, "labels of a series have %zu bytes, limit is %zu",
                         size, db->options.label_size_max);
    }
    return 0;
}

static int check_metric_limit(struct tsdb *db, struct labels labels, struct error *error)
{
    if (db->options.metric_series_max == 0) return 0;
    struct str metric = labels_get(labels, LABEL_METRIC_NAME);
    const struct head_pair *pair = head_pair_find(&db->head, LABEL_METRIC_NAME, metric);
    if (pair == NULL || pair->count < db->options.metric_series_max) return 0;
    db->stats.samples_limited++;
    return error_set(error, ERROR_LIMIT,
                     "metric '" STR_FMT "' has %u series in memory, limit is %zu a metric",
                     STR_ARG(metric), pair->count, db->options.metric_series_max);
}

static int find_series(struct tsdb *db, uint64_t ref, struct labels labels,
                       struct head_series **out, struct error *error)
{
    struct head_series *series =
        ref > 0 && ref <= UINT32_MAX ? head_series_at(&db->head, (uint32_t)ref) : NULL;
    if (series == NULL) series = head_find(&db->head, labels);
    if (series == NULL) {
        int code = check_labels(db, labels, error);
        if (code != 0) return code;
        if (db->options.series_max > 0 && db->head.totals.series_count >= db->options.series_max) {
            db->stats.samples_limited++;
            return error_set(error, ERROR_LIMIT, "%" PRIu64 " series are in memory, limit is %zu",
                             db->head.totals.series_count, db->options.series_max);
        }
        uint64_t size = db->head.totals.series_size + db->head.totals.chunk_size;
        if (db->options.head_size_max > 0 && size > db->options.head_size_max) {
            db->stats.samples_limited++;
            return error_set(error, ERROR_LIMIT,
                             "series in memory hold %" PRIu64 " bytes, limit is %" PRIu64, size,
                             db->options.head_size_max);
        }
        code = check_metric_limit(db, labels, error);
        if (code != 0) return code;
        series = head_create(&db->head, labels, 0);
        if (series == NULL) return error_set(error, -ENOMEM, "no memory for a series");
    }
    *out = series;
    return 0;
}

static int check_time(struct tsdb *db, int64_t time_ms, int64_t now_ms, struct error *error)
{
    int64_t limit;
    if (!__builtin_add_overflow(now_ms, db->options.future_max_ms, &limit) && time_ms > limit) {
        db->stats.samples_invalid++;
        return error_set(error, ERROR_INVALID,
                         "time %" PRId64 " is more than %" PRId64 " ms ahead of the clock", time_ms,
                         db->options.future_max_ms);
    }
    int64_t past_ms = db->options.past_max_ms;
    if (db->options.late_max_ms > past_ms) past_ms = db->options.late_max_ms;
    if (db->head.max_ms != INT64_MIN && !__builtin_sub_overflow(db->head.max_ms, past_ms, &limit) &&
        time_ms < limit) {
        db->stats.samples_invalid++;
        return error_set(error, ERROR_INVALID,
                         "time %" PRId64 " is more than %" PRId64 " ms before the newest sample",
                         time_ms, past_ms);
    }
    return 0;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* A sample on its way in, or one that is there. */
struct point {
    int64_t time_ms; /* INT64_MIN: there is none */
    double value;
    const struct histogram *histogram;
};

static bool is_same(const struct point *a, const struct point *b)
{
    if (bits_of(a->value) != bits_of(b->value)) return false;
    if (a->histogram == NULL || b->histogram == NULL) return a->histogram == b->histogram;
    return histogram_identical(a->histogram, b->histogram);
}

/* Whether a sample that is not the series' newest is young enough to be taken. */
static bool may_be_late(const struct tsdb *db, int64_t time_ms)
{
    int64_t limit;
    if (db->options.late_max_ms == 0) return false;
    return __builtin_sub_overflow(db->head.max_ms, db->options.late_max_ms, &limit) ||
           time_ms >= limit;
}

/* 0: goes in; 1: is there already; or why it may not. */
static int check_order(struct tsdb *db, const struct point *last, const struct point *sample,
                       struct error *error)
{
    if (last->time_ms == INT64_MIN || sample->time_ms > last->time_ms) return 0;
    if (sample->time_ms < last->time_ms) {
        if (may_be_late(db, sample->time_ms)) return 0;
        db->stats.samples_out_of_order++;
        return error_set(error, ERROR_OUT_OF_ORDER,
                         "time %" PRId64 " is before the series' last, %" PRId64, sample->time_ms,
                         last->time_ms);
    }
    if (is_same(last, sample)) return 1;
    db->stats.samples_duplicate++;
    return error_set(error, ERROR_DUPLICATE, "another value has time %" PRId64 " already",
                     sample->time_ms);
}

/* The same for a late sample against what is in memory at its time. Of a histogram in a chunk the
 * sum is compared, which tells it from any other. */
static int check_late(struct tsdb *db, const struct head_series *series, const struct point *sample,
                      struct error *error)
{
    const struct side *side = side_of(&db->head, series);
    const struct side_sample *late = NULL;
    struct point there = { .time_ms = INT64_MIN };
    if (side != NULL) late = side_find_late(&side->active.late, sample->time_ms);
    if (late == NULL && side != NULL) late = side_find_late(&side->frozen.late, sample->time_ms);
    if (late != NULL) {
        there = (struct point){ sample->time_ms, late->value, late->extra.histogram };
    } else if (head_find_sample(series, sample->time_ms, &there.value)) {
        there.time_ms = sample->time_ms;
        there.histogram = sample->histogram;
    }
    return check_order(db, &there, sample, error);
}

static struct point newest_of(const struct tsdb *db, const struct head_series *series)
{
    struct point point = { series->last_ms, series->last_value, NULL };
    const struct side *side = side_of(&db->head, series);
    if (side != NULL && side->is_last_histogram) point.histogram = side->last;
    return point;
}

/* The batch's own newest sample of the series. */
static struct point pending_of(const struct batch *batch, const struct head_series *series)
{
    const struct tsdb_pending *last = &batch->samples.items[series->mark_index];
    struct point point = { last->time_ms, last->value, NULL };
    const struct payload_extras *extras = &batch->sections.extras;
    for (size_t i = extras->count; i-- > 0;) {
        if (extras->items[i].sample < series->mark_index) break;
        if (extras->items[i].sample > series->mark_index) continue;
        point.histogram = extras->items[i].extra.histogram;
    }
    return point;
}

static void define(struct batch *batch, const struct head_series *series, struct labels labels)
{
    struct buf *out = &batch->definitions;
    varint_append(out, series->number);
    varint_append(out, labels.count);
    for (size_t i = 0; i < labels.count; i++) {
        varint_append_bytes(out, labels.items[i].name);
        varint_append_bytes(out, labels.items[i].value);
    }
    batch->definition_count++;
}

/* Copies what the sample has besides its value into the batch. */
static int add_extra(struct batch *batch, const struct point *sample, struct error *error)
{
    struct payload_extra item = { .sample = (uint32_t)batch->samples.count,
                                  .extra = { .time_ms = sample->time_ms,
                                             .start_ms = batch->start_ms } };
    if (sample->histogram != NULL) {
        item.extra.histogram = ARENA_NEW(&batch->arena, struct histogram);
        const struct histogram *copy = histogram_copy(&batch->arena, sample->histogram);
        if (item.extra.histogram == NULL || copy == NULL) {
            return error_set(error, ERROR_LIMIT, "histograms of a batch have more than %d bytes",
                             EXTRAS_SIZE_MAX);
        }
        *item.extra.histogram = *copy;
    }
    if (VEC_PUSH(&batch->sections.extras, item)) return 0;
    return error_set(error, -ENOMEM, "no memory for a sample");
}

static int add_pending(struct batch *batch, struct head_series *series, struct labels labels,
                       const struct point *sample, struct error *error)
{
    struct tsdb_pending pending = { series, sample->time_ms, sample->value };
    size_t size = batch->definitions.size;
    size_t extras = batch->sections.extras.count;
    bool is_marked = series->mark_batch == batch->number;
    if (sample->histogram != NULL || batch->start_ms != 0) {
        int code = add_extra(batch, sample, error);
        if (code != 0) return code;
    }
    if (!series->is_logged && !is_marked) define(batch, series, labels);
    if (batch->definitions.has_failed || !VEC_PUSH(&batch->samples, pending)) {
        if (!batch->definitions.has_failed) buf_truncate(&batch->definitions, size);
        batch->sections.extras.count = extras;
        return error_set(error, -ENOMEM, "no memory for a sample");
    }
    series->mark_batch = batch->number;
    series->mark_index = (uint32_t)batch->samples.count - 1;
    series->pins++;
    return 0;
}

static int append_locked(struct batch *batch, uint64_t *ref, struct labels labels,
                         const struct point *sample, struct error *error)
{
    struct tsdb *db = batch->db;
    struct head_series *series = NULL;
    int code = find_series(db, *ref, labels, &series, error);
    if (code != 0) return code;
    CHECK(series != NULL);
    struct point newest = newest_of(db, series);
    code = check_order(db, &newest, sample, error);
    if (code == 0 && series->mark_batch == batch->number) {
        newest = pending_of(batch, series);
        code = check_order(db, &newest, sample, error);
    }
    if (code == 0 && db->options.late_max_ms > 0 &&
        (sample->time_ms < series->last_ms || sample->time_ms < newest.time_ms ||
         tsdb_is_late(db, series, sample->time_ms))) {
        batch->sections.takes_late = true;
        code = check_late(db, series, sample, error);
    }
    if (code == 0) code = add_pending(batch, series, labels, sample, error);
    if (code < 0) return code;
    *ref = series->number;
    return 0;
}

static int append_point(struct batch *batch, uint64_t *ref, struct labels labels,
                        const struct point *sample, struct error *error)
{
    struct tsdb *db = batch->db;
    if (batch->samples.count >= db->options.batch_samples_max) {
        return error_set(error, ERROR_LIMIT, "batch has %zu samples, the most it may have",
                         batch->samples.count);
    }
    mutex_lock(&db->mutex);
    int code = check_time(db, sample->time_ms, batch->now_ms, error);
    if (code == 0) code = append_locked(batch, ref, labels, sample, error);
    mutex_unlock(&db->mutex);
    return code;
}

static int batch_append(struct sample_batch *base, uint64_t *ref, struct labels labels,
                        int64_t time_ms, double value, struct error *error)
{
    struct point sample = { time_ms, value, NULL };
    return append_point((struct batch *)base, ref, labels, &sample, error);
}

/* A row that is newer than all that is there of its series: nothing needs to be asked. */
static bool append_newest(struct batch *batch, struct head_series *series,
                          const struct sample_row *row)
{
    if (row->time_ms <= series->last_ms || series->mark_batch == batch->number) return false;
    struct tsdb_pending pending = { series, row->time_ms, row->value };
    if (!VEC_PUSH(&batch->samples, pending)) return false;
    series->mark_batch = batch->number;
    series->mark_index = (uint32_t)batch->samples.count - 1;
    series->pins++;
    return true;
}

static int append_row_locked(struct batch *batch, const struct sample_row *row, struct error *error)
{
    struct tsdb *db = batch->db;
    struct head_series *series = row->ref > 0 && row->ref <= UINT32_MAX
                                     ? head_series_at(&db->head, (uint32_t)row->ref)
                                     : NULL;
    if (series == NULL || !series->is_logged) {
        return error_set(error, -ENOENT, "no series has number %" PRIu64, row->ref);
    }
    int code = check_time(db, row->time_ms, batch->now_ms, error);
    if (code != 0) return code;
    if (batch->start_ms == 0 && append_newest(batch, series, row)) return 0;
    uint64_t ref = row->ref;
    struct point sample = { row->time_ms, row->value, NULL };
    return append_locked(batch, &ref, (struct labels){ 0 }, &sample, error);
}

static int batch_append_rows(struct sample_batch *base, const struct sample_row *rows, size_t count,
                             size_t *taken, struct error *error)
{
    struct batch *batch = (struct batch *)base;
    struct tsdb *db = batch->db;
    *taken = 0;
    if (count > db->options.batch_samples_max - batch->samples.count) {
        return error_set(error, ERROR_LIMIT, "batch has more than %zu samples, the most it may",
                         db->options.batch_samples_max);
    }
    int code = 0;
    /* Where many come, more will: fewer times is all of it moved. */
    if (batch->samples.count == 0 && count >= MANY_ROWS &&
        !VEC_RESERVE(&batch->samples, count * 4)) {
        return error_set(error, -ENOMEM, "no memory for samples");
    }
    mutex_lock(&db->mutex);
    for (; *taken < count && code == 0; *taken += code == 0) {
        size_t ahead = *taken + FETCH_SERIES;
        if (ahead < count && rows[ahead].ref <= UINT32_MAX) {
            const struct head_series *next = head_series_at(&db->head, (uint32_t)rows[ahead].ref);
            if (next != NULL) {
                __builtin_prefetch(next, 1);
                __builtin_prefetch(&next->is_logged, 1);
            }
        }
        code = append_row_locked(batch, &rows[*taken], error);
    }
    mutex_unlock(&db->mutex);
    return code;
}

static int batch_append_histogram(struct sample_batch *base, uint64_t *ref, struct labels labels,
                                  int64_t time_ms, const struct histogram *histogram,
                                  struct error *error)
{
    int code = histogram_check(histogram, error);
    if (code != 0) return code;
    struct point sample = { time_ms, histogram->sum, histogram };
    return append_point((struct batch *)base, ref, labels, &sample, error);
}

static void batch_set_start(struct sample_batch *base, int64_t start_ms)
{
    ((struct batch *)base)->start_ms = start_ms;
}

/* The labels of a series in memory, in the arena. */
static int series_labels(const struct tsdb *db, const struct head_series *series,
                         struct arena *arena, struct labels *labels)
{
    struct label *items = ARENA_ARRAY(arena, struct label, (size_t)series->pair_count + 1);
    if (items == NULL) return ERROR_LIMIT;
    head_labels(&db->head, series, items);
    *labels = (struct labels){ items, series->pair_count };
    return 0;
}

static int add_exemplar_locked(struct batch *batch, uint64_t ref, const struct exemplar *exemplar,
                               struct error *error)
{
    struct tsdb *db = batch->db;
    struct head_series *series =
        ref > 0 && ref <= UINT32_MAX ? head_series_at(&db->head, (uint32_t)ref) : NULL;
    if (series == NULL) {
        return error_set(error, ERROR_INVALID, "exemplar of a series that is not in memory");
    }
    struct labels labels;
    struct payload_exemplar item = { series->number, *exemplar };
    int code = series_labels(db, series, &batch->arena, &labels);
    if (code == 0) code = exemplars_check(&db->exemplars, labels, exemplar, error);
    if (code == ERROR_OUT_OF_ORDER) db->exemplars.out_of_order++;
    if (code != 0) return code == 1 ? 0 : code;
    if (labels_copy(&batch->arena, exemplar->labels, &item.exemplar.labels) != 0 ||
        !VEC_PUSH(&batch->sections.exemplars, item)) {
        return error_set(error, -ENOMEM, "no memory for an exemplar");
    }
    return 0;
}

static int batch_append_exemplar(struct sample_batch *base, uint64_t ref,
                                 const struct exemplar *exemplar, struct error *error)
{
    struct batch *batch = (struct batch *)base;
    mutex_lock(&batch->db->mutex);
    int code = add_exemplar_locked(batch, ref, exemplar, error);
    mutex_unlock(&batch->db->mutex);
    return code;
}

static void batch_rollback(struct sample_batch *base)
{
    struct batch *batch = (struct batch *)base;
    mutex_lock(&batch->db->mutex);
    for (size_t i = 0; i < batch->samples.count; i++) batch->samples.items[i].series->pins--;
    mutex_unlock(&batch->db->mutex);
    batch_free(batch);
}

static int encode(struct batch *batch, struct error *error)
{
    struct buf *out = &batch->payload;
    size_t count = batch->samples.count;
    int64_t *numbers = malloc((count + 1) * sizeof(numbers[0]));
    if (numbers == NULL) return error_set(error, -ENOMEM, "no memory to write a batch");
    if (count < MUCH) (void)!buf_reserve(out, count * 12); /* about what it comes to */
    buf_append_char(out, TSDB_PAYLOAD_BATCH);
    varint_append(out, batch->definition_count);
    buf_append_str(out, buf_str(&batch->definitions));
    varint_append(out, count);
    for (size_t i = 0; i < count; i++) numbers[i] = batch->samples.items[i].series->number;
    column_encode_numbers(out, numbers, count);
    for (size_t i = 0; i < count; i++) numbers[i] = batch->samples.items[i].time_ms;
    column_encode_numbers(out, numbers, count);
    free(numbers);
    char *values = buf_reserve(out, count * 8);
    if (values == NULL) {
        return error_set(error, ERROR_LIMIT, "batch has more than %d bytes", WAL_PAYLOAD_SIZE_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(values + i * 8, &batch->samples.items[i].value, 8); /* little endian, as the disk */
    }
    out->size += count * 8;
    CLEANUP(buf_release) struct buf scratch;
    buf_init(&scratch, WAL_PAYLOAD_SIZE_MAX);
    payload_put_sections(out, &batch->sections, &scratch);
    if (out->has_failed) {
        return error_set(error, ERROR_LIMIT, "batch has more than %d bytes", WAL_PAYLOAD_SIZE_MAX);
    }
    return 0;
}

void tsdb_note_log_locked(struct tsdb *db)
{
    db->log_totals = db->wal.totals;
    db->stats.log_size = wal_size(&db->wal);
    db->stats.log_segment = db->wal.segment;
}

void tsdb_take_turn(struct tsdb *db)
{
    mutex_lock(&db->mutex);
    while (db->is_committing) condition_wait(&db->turn_changed, &db->mutex);
    db->is_committing = true;
    mutex_unlock(&db->mutex);
}

void tsdb_give_turn(struct tsdb *db)
{
    mutex_lock(&db->mutex);
    db->is_committing = false;
    condition_broadcast(&db->turn_changed);
    mutex_unlock(&db->mutex);
}

/* Refuses while the disk has less than the reserve. Looks once a second, or when it was short. */
static int check_space(struct tsdb *db, uint64_t size, struct error *error)
{
    if (db->options.reserve_size == 0) return 0;
    int64_t now_ns = clock_monotonic_ns(db->options.clock);
    uint64_t wanted = db->options.reserve_size + size;
    if (!db->is_space_known || now_ns - db->space_checked_ns > SPACE_CHECK_NS ||
        db->space_free < wanted) {
        struct disk_space space;
        int code = db->options.disk->space(db->options.disk->state, db->folder, &space);
        if (code != 0) {
            return error_set(error, code, "look for room in '%s': %s", db->folder,
                             strerrordesc_np(-code));
        }
        db->space_free = space.free_size;
        db->space_checked_ns = now_ns;
        db->is_space_known = true;
    }
    if (db->space_free < wanted) {
        return error_set(error, ERROR_REFUSED,
                         "disk of '%s' has %" PRIu64 " bytes left, %" PRIu64 " are kept in reserve",
                         db->folder, db->space_free, db->options.reserve_size);
    }
    db->space_free -= size;
    return 0;
}

/* Writes and syncs, unless `is_late`. What a failed sync took with it is written again, to a new
 * segment, once. */
static int write_group(struct tsdb *db, const struct str *payloads, size_t count, bool is_late,
                       struct error *error)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) size += payloads[i].size + WAL_RECORD_SIZE;
    int code = check_space(db, size, error);
    for (int try = 0; try < WRITE_TRIES && code != ERROR_REFUSED; try++) {
        code = wal_write(&db->wal, payloads, count, error);
        if (code == 0 && !is_late && db->options.sync == TSDB_SYNC_COMMIT) {
            code = wal_sync(&db->wal, error);
        }
        if (code == 0) return 0;
        db->is_space_known = false;
        if (code == -ENOSPC || code == -EDQUOT) break;
    }
    if (code == ERROR_REFUSED) return code;
    (void)error_wrap(error, code, "commit refused");
    error->code = ERROR_REFUSED;
    return ERROR_REFUSED;
}

/* Memory is far away: what a sample to come needs is fetched while this one is put in. */
static void fetch_ahead(const struct batch *batch, size_t at)
{
    const struct tsdb_pending *items = batch->samples.items + at;
    size_t left = batch->samples.count - at;
    if (left > FETCH_SERIES) {
        const struct head_series *series = items[FETCH_SERIES].series;
        __builtin_prefetch(series, 1);
        __builtin_prefetch(&series->is_logged, 1);
    }
    if (left > FETCH_TAIL) {
        const struct head_tail *tail = items[FETCH_TAIL].series->active.tail;
        if (tail != NULL) __builtin_prefetch(tail, 1);
    }
    if (left > FETCH_PLACE) {
        const struct head_tail *tail = items[FETCH_PLACE].series->active.tail;
        if (tail == NULL) return;
        __builtin_prefetch(tail->values + tail->count, 1);
        __builtin_prefetch(head_tail_offsets(tail) + tail->count, 1);
    }
}

/* Puts what is durable into the head. */
static void apply_batch_locked(struct tsdb *db, struct batch *batch, int code)
{
    const struct payload_sections *sections = &batch->sections;
    size_t next = 0;
    int64_t least_ms = INT64_MAX;
    for (size_t i = 0; i < batch->samples.count; i++) {
        const struct tsdb_pending *sample = &batch->samples.items[i];
        fetch_ahead(batch, i);
        sample->series->pins--;
        if (code != 0) continue;
        sample->series->is_logged = true;
        const struct extra *extra = payload_extra_at(&sections->extras, &next, i);
        if (tsdb_apply_sample(db, sample, extra, sections->takes_late) &&
            sample->time_ms < least_ms) {
            least_ms = sample->time_ms;
        }
    }
    if (least_ms != INT64_MAX) changes_note(&db->changes, least_ms);
    if (code == 0) {
        tsdb_apply_exemplars(db, &sections->exemplars);
        db->stats.batches_committed++;
    } else {
        db->stats.batches_refused++;
    }
}

/* Takes as many batches off the queue as fit in a group. */
static size_t take_group_locked(struct tsdb *db, struct batch **group)
{
    size_t count = 0;
    uint64_t size = 0;
    while (db->queue_first != NULL && count < GROUP_COUNT_MAX) {
        struct batch *batch = db->queue_first;
        size += batch->payload.size;
        if (count > 0 && size > GROUP_SIZE_MAX) break;
        db->queue_first = batch->next;
        if (db->queue_first == NULL) db->queue_last = NULL;
        group[count++] = batch;
    }
    return count;
}

static void copy_error(struct error *to, const struct error *from)
{
    if (to != NULL) *to = *from;
}

/* Samples that no cut could put into a block must not fill the memory. */
static int check_memory_locked(const struct tsdb *db, struct error *error)
{
    uint64_t most = db->options.head_size_max;
    if (most == 0 || db->head.totals.chunk_size <= most) return 0;
    return error_set(error, ERROR_REFUSED,
                     "samples in memory hold %" PRIu64 " bytes, limit is %" PRIu64
                     ": no block could be written",
                     db->head.totals.chunk_size, most);
}

/* Whether none of a group's batches needs the sync now. New series do: what comes behind them and
 * is synced has their numbers only, and must not lose their labels to a sync that fails. */
static bool may_sync_late(const struct tsdb *db, struct batch *const *group, size_t count)
{
    if (db->wal.synced_size == 0) return false; /* a new segment counts with its first sync */
    int64_t waited_ns = clock_monotonic_ns(db->options.clock) - db->wal.synced_ns;
    if (waited_ns >= db->options.sync_interval_ms * 1000000) return false;
    for (size_t i = 0; i < count; i++) {
        if (!group[i]->base.may_sync_late || group[i]->definition_count > 0) return false;
    }
    return true;
}

/* Has the turn: writes the batches that wait, its own among them or not. */
static void lead(struct tsdb *db) REQUIRES(db->mutex)
{
    struct batch *group[GROUP_COUNT_MAX];
    struct str payloads[GROUP_COUNT_MAX];
    size_t count = take_group_locked(db, group);
    struct error error = { 0 };
    int code = check_memory_locked(db, &error);
    mutex_unlock(&db->mutex);

    for (size_t i = 0; i < count; i++) payloads[i] = buf_str(&group[i]->payload);
    if (code == 0) code = write_group(db, payloads, count, may_sync_late(db, group, count), &error);

    mutex_lock(&db->mutex);
    db->stats.is_refusing = code != 0;
    db->committed_ns = clock_monotonic_ns(db->options.clock);
    tsdb_note_log_locked(db);
    for (size_t i = 0; i < count; i++) {
        apply_batch_locked(db, group[i], code);
        group[i]->code = code;
        if (code != 0) copy_error(group[i]->error, &error);
        group[i]->is_done = true;
    }
}

static int batch_commit(struct sample_batch *base, struct error *error)
{
    struct batch *batch = (struct batch *)base;
    struct tsdb *db = batch->db;
    if (batch->samples.count == 0 && batch->sections.exemplars.count == 0) {
        batch_free(batch);
        return 0;
    }
    int code = encode(batch, error);
    if (code != 0) {
        batch_rollback(base);
        return code;
    }
    batch->error = error;
    mutex_lock(&db->mutex);
    if (db->queue_last != NULL) {
        db->queue_last->next = batch;
    } else {
        db->queue_first = batch;
    }
    db->queue_last = batch;
    while (!batch->is_done) {
        if (db->is_committing) {
            condition_wait(&db->turn_changed, &db->mutex);
            continue;
        }
        db->is_committing = true;
        lead(db);
        db->is_committing = false;
        condition_broadcast(&db->turn_changed);
    }
    code = batch->code;
    mutex_unlock(&db->mutex);
    batch_free(batch);
    return code;
}

int tsdb_begin(void *state, struct sample_batch **batch_out, struct error *error)
{
    struct tsdb *db = state;
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL) return error_set(error, -ENOMEM, "no memory for a batch");
    batch->base = (struct sample_batch){
        .append = batch_append,
        .append_rows = batch_append_rows,
        .append_histogram = batch_append_histogram,
        .set_start = batch_set_start,
        .append_exemplar = db->options.exemplars_max > 0 ? batch_append_exemplar : NULL,
        .commit = batch_commit,
        .rollback = batch_rollback,
    };
    batch->db = db;
    batch->now_ms = clock_realtime_ms(db->options.clock);
    arena_init(&batch->arena, EXTRAS_SIZE_MAX);
    buf_init(&batch->definitions, WAL_PAYLOAD_SIZE_MAX / 2);
    buf_init(&batch->payload, WAL_PAYLOAD_SIZE_MAX);
    mutex_lock(&db->mutex);
    if (++db->batch_number == 0) db->batch_number = 1; /* 0 marks nothing */
    batch->number = db->batch_number;
    mutex_unlock(&db->mutex);
    *batch_out = &batch->base;
    return 0;
}
