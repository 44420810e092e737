/* emit_proto.c - one point in protobuf: a Metric of io.prometheus.client (metrics.proto).
 *
 * FIELDS  Metric     1 LabelPair, 2 Gauge, 3 Counter, 4 Summary, 5 Untyped, 6 timestamp_ms,
 *                    7 Histogram
 *         LabelPair  1 name, 2 value          Gauge, Untyped  1 value
 *         Counter    1 value, 2 Exemplar, 3 created     Quantile  1 quantile, 2 value
 *         Summary    1 count, 2 sum, 3 Quantile, 4 created
 *         Histogram  1 count, 2 sum, 3 Bucket, 5 schema, 6 zero_threshold, 7 zero_count,
 *                    9/12 negative/positive BucketSpan, 10/13 their deltas, 15 created,
 *                    16 Exemplar of native buckets
 *         Bucket     1 cumulative_count, 2 upper_bound, 3 Exemplar
 *         BucketSpan 1 offset, 2 length       Exemplar  1 LabelPair, 2 value, 3 Timestamp
 *         Timestamp  1 seconds, 2 nanos
 * NATIVE  Buckets are spans of neighbours: how far from the span before, how many; and the
 *         difference of each count to the one before it. A native histogram without any bucket and
 *         with threshold 0 has one empty span, for else nothing would tell it from a classic one.
 */
#include "prometheus/emit.h"
#include "prometheus/escape.h"
#include "prometheus/name.h"
#include "prometheus/proto.h"

#include <math.h>
#include <string.h>

/* A text field, made valid UTF-8. */
static void put_text(struct pm_emit *emit, unsigned field, const char *text)
{
    size_t size = pm_name_mend(NULL, text);
    pm_proto_bytes(emit, field, "", 0); /* its tag, and a size of one byte ... */
    if (emit->code < 0) return;
    emit->used--; /* ... that is the right one now */
    pm_proto_varint(emit, size);
    char *to = pm_emit_room(emit, size);
    if (to != NULL) emit->used += pm_name_mend(to, text);
}

static void put_labels(struct pm_emit *emit, const struct pm_label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct pm_label *label = &labels[i];
        if (label->value[0] == '\0') continue;
        size_t size = strlen(label->name);
        size_t begun = pm_proto_begin(emit, 1);
        if (emit->escaping == PM_ESCAPE_NONE || size > PM_NAME_SIZE_MAX) {
            pm_proto_bytes(emit, 1, label->name, size);
        } else {
            char name[PM_NAME_SIZE_MAX * ESCAPE_GROWTH + ESCAPE_MORE];
            size = pm_escape_name(name, label->name, size, emit->escaping, true);
            pm_proto_bytes(emit, 1, name, size);
        }
        put_text(emit, 2, label->value);
        pm_proto_end(emit, begun);
    }
}

static void put_time(struct pm_emit *emit, unsigned field, double seconds)
{
    if (!(seconds > 0) || seconds > 1e15) return;
    size_t begun = pm_proto_begin(emit, field);
    double whole = floor(seconds);
    pm_proto_uint(emit, 1, (uint64_t)whole);
    pm_proto_uint(emit, 2, (uint64_t)((seconds - whole) * 1e6) * 1000);
    pm_proto_end(emit, begun);
}

static void put_exemplar(struct pm_emit *emit, unsigned field, const struct pm_exemplar *exemplar)
{
    if (exemplar == NULL) return;
    size_t begun = pm_proto_begin(emit, field);
    put_labels(emit, exemplar->labels, exemplar->label_count);
    pm_proto_double(emit, 2, exemplar->value);
    put_time(emit, 3, exemplar->timestamp_s);
    pm_proto_end(emit, begun);
}

/* ---- Histograms ---- */

/* Gaps of up to two buckets are filled with zeros: cheaper than a span. */
enum { GAP_FILLED = 2 };

static void put_spans(struct pm_emit *emit, unsigned field, const struct pm_native_bucket *buckets,
                      size_t count)
{
    int64_t end = 0; /* the index behind the span before */
    for (size_t i = 0; i < count;) {
        size_t j = i + 1;
        while (j < count && buckets[j].index - buckets[j - 1].index <= GAP_FILLED + 1) j++;
        size_t begun = pm_proto_begin(emit, field);
        pm_proto_sint(emit, 1, buckets[i].index - end);
        end = (int64_t)buckets[j - 1].index + 1;
        pm_proto_uint(emit, 2, (uint64_t)(end - buckets[i].index));
        pm_proto_end(emit, begun);
        i = j;
    }
}

static void put_deltas(struct pm_emit *emit, unsigned field, const struct pm_native_bucket *buckets,
                       size_t count)
{
    if (count == 0) return;
    size_t begun = pm_proto_begin(emit, field); /* packed */
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t gap = i == 0 ? 0 : (int64_t)buckets[i].index - buckets[i - 1].index - 1;
        for (int64_t j = 0; j < gap && gap <= GAP_FILLED; j++) {
            pm_proto_varint(emit, pm_proto_zigzag((int64_t)(0 - last)));
            last = 0;
        }
        pm_proto_varint(emit, pm_proto_zigzag((int64_t)(buckets[i].count - last)));
        last = buckets[i].count;
    }
    pm_proto_end(emit, begun);
}

static void put_native(struct pm_emit *emit, const struct pm_point *point)
{
    const struct pm_native *native = point->native;
    pm_proto_sint(emit, 5, native->schema);
    pm_proto_double(emit, 6, native->zero_threshold);
    pm_proto_uint(emit, 7, native->zero_count);
    put_spans(emit, 9, native->negative, native->negative_count);
    put_deltas(emit, 10, native->negative, native->negative_count);
    put_spans(emit, 12, native->positive, native->positive_count);
    put_deltas(emit, 13, native->positive, native->positive_count);
    bool is_empty = native->positive_count == 0 && native->negative_count == 0 &&
                    native->zero_count == 0 && !(native->zero_threshold > 0);
    if (is_empty) {
        size_t begun = pm_proto_begin(emit, 12);
        pm_proto_sint(emit, 1, 0);
        pm_proto_uint(emit, 2, 0);
        pm_proto_end(emit, begun);
    }
    for (size_t i = 0; i < point->native_exemplar_count; i++) {
        put_exemplar(emit, 16, point->native_exemplars[i]);
    }
}

static uint64_t count_native(const struct pm_native *native)
{
    uint64_t count = native->zero_count;
    for (size_t i = 0; i < native->positive_count; i++) count += native->positive[i].count;
    for (size_t i = 0; i < native->negative_count; i++) count += native->negative[i].count;
    return count;
}

/* The two kinds of buckets are counted one after the other; the one count has to fit both, so a
 * classic bucket shows no more than the native ones. */
static void put_histogram(struct pm_emit *emit, const struct pm_point *point)
{
    const struct pm_buckets *buckets = point->buckets;
    uint64_t count = 0;
    for (size_t i = 0; buckets != NULL && i <= buckets->bound_count; i++)
        count += buckets->counts[i];
    if (point->native != NULL) count = count_native(point->native);
    size_t begun = pm_proto_begin(emit, 7);
    pm_proto_uint(emit, 1, count);
    pm_proto_double(emit, 2, buckets != NULL ? buckets->sum : point->sum);
    uint64_t sum = 0;
    for (size_t i = 0; buckets != NULL && i <= buckets->bound_count; i++) {
        const struct pm_exemplar *exemplar =
            point->bucket_exemplars == NULL ? NULL : point->bucket_exemplars[i];
        bool is_last = i == buckets->bound_count;
        sum += buckets->counts[i];
        if (is_last && exemplar == NULL) break; /* said by the count */
        size_t bucket = pm_proto_begin(emit, 3);
        pm_proto_uint(emit, 1, sum < count && !is_last ? sum : count);
        pm_proto_double(emit, 2, is_last ? (double)INFINITY : buckets->bounds[i]);
        put_exemplar(emit, 3, exemplar);
        pm_proto_end(emit, bucket);
    }
    if (point->native != NULL) put_native(emit, point);
    put_time(emit, 15, point->created_s);
    pm_proto_end(emit, begun);
}

/* ---- The others ---- */

static void put_summary(struct pm_emit *emit, const struct pm_point *point)
{
    size_t begun = pm_proto_begin(emit, 4);
    pm_proto_uint(emit, 1, point->count);
    pm_proto_double(emit, 2, point->sum);
    for (size_t i = 0; i < point->quantile_count; i++) {
        size_t quantile = pm_proto_begin(emit, 3);
        pm_proto_double(emit, 1, point->quantiles[i].quantile);
        pm_proto_double(emit, 2, point->quantiles[i].value);
        pm_proto_end(emit, quantile);
    }
    put_time(emit, 4, point->created_s);
    pm_proto_end(emit, begun);
}

static void put_value(struct pm_emit *emit, unsigned field, const struct pm_point *point)
{
    size_t begun = pm_proto_begin(emit, field);
    pm_proto_double(emit, 1, point->is_whole ? (double)point->whole : point->value);
    if (emit->type == PM_COUNTER) {
        put_exemplar(emit, 2, point->exemplar);
        put_time(emit, 3, point->created_s);
    }
    pm_proto_end(emit, begun);
}

void pm_emit_proto_point(struct pm_emit *emit, const struct pm_point *point)
{
    size_t begun = pm_proto_begin(emit, 4);
    put_labels(emit, point->labels, point->label_count);
    switch (emit->type) {
    case PM_COUNTER: put_value(emit, 3, point); break;
    case PM_GAUGE:
    case PM_INFO:
    case PM_ENUM: put_value(emit, 2, point); break;
    case PM_UNTYPED: put_value(emit, 5, point); break;
    case PM_SUMMARY: put_summary(emit, point); break;
    case PM_HISTOGRAM:
    case PM_GAUGE_HISTOGRAM: put_histogram(emit, point); break;
    }
    bool has_time = point->timestamp_s < 0 || point->timestamp_s > 0;
    if (has_time && fabs(point->timestamp_s) < 1e15) {
        pm_proto_uint(emit, 6, (uint64_t)(int64_t)floor(point->timestamp_s * 1000 + 0.5));
    }
    pm_proto_end(emit, begun);
}
