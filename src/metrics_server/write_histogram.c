/* write_histogram.c - native histograms and exemplars of remote write 1.0.
 *
 * FORMAT   Histogram   1 count, whole   2 count, float   3 sum   4 schema   5 zero threshold
 *                      6 zero count, whole   7 zero count, float
 *                      8 spans 9 deltas 10 counts of negative buckets, 11 12 13 of positive ones
 *                      14 reset hint   15 time, ms   16 bounds of its own
 *          BucketSpan  1 offset   2 length
 *          Exemplar    1 labels   2 value   3 time, ms
 */
#include "metrics_server/write_histogram.h"

#include "base/vec.h"
#include "codec/protobuf.h"
#include "codec/varint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MAX = 65536, LABELS_MAX = 64 };

/* One side's buckets as the wire has them. */
struct side {
    VEC(struct histogram_span) spans;
    VEC(double) counts;
    uint64_t length; /* of all spans */
    int64_t last;    /* sum of the differences so far */
};

struct reading {
    struct side positive;
    struct side negative;
    VEC(double) bounds;
    struct histogram histogram;
    int64_t time_ms;
};

static int no_memory(struct error *error)
{
    return error_set(error, -ENOMEM, "no memory for a histogram");
}

static int too_many(struct error *error)
{
    return error_set(error, ERROR_INVALID, "histogram has more than %d buckets", BUCKETS_MAX);
}

static int read_span(struct side *side, struct str bytes, struct error *error)
{
    struct protobuf_field field;
    struct histogram_span span = { 0 };
    int code;
    while ((code = protobuf_next(&bytes, &field, error)) == 1) {
        if (field.wire != PROTOBUF_VARINT) continue;
        if (field.number == 1) span.offset = (int32_t)protobuf_signed(&field);
        if (field.number == 2) span.length = (uint32_t)field.value;
    }
    if (code != 0) return code;
    side->length += span.length;
    if (side->length > BUCKETS_MAX || side->spans.count >= BUCKETS_MAX) return too_many(error);
    return VEC_PUSH(&side->spans, span) ? 0 : no_memory(error);
}

static int add_delta(struct side *side, int64_t delta, struct error *error)
{
    if (side->counts.count >= BUCKETS_MAX) return too_many(error);
    if (__builtin_add_overflow(side->last, delta, &side->last)) {
        return error_set(error, ERROR_INVALID, "count of a histogram's bucket does not fit");
    }
    return VEC_PUSH(&side->counts, (double)side->last) ? 0 : no_memory(error);
}

/* Packed or one by one: both are allowed. */
static int read_deltas(struct side *side, const struct protobuf_field *field, struct error *error)
{
    if (field->wire == PROTOBUF_VARINT) return add_delta(side, protobuf_signed(field), error);
    struct str rest = field->bytes;
    while (field->wire == PROTOBUF_BYTES && rest.size > 0) {
        int64_t delta;
        if (!varint_take_signed(&rest, &delta)) {
            return error_set(error, ERROR_PARSE, "counts of a histogram are cut");
        }
        int code = add_delta(side, delta, error);
        if (code != 0) return code;
    }
    return 0;
}

static double to_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

#define READ_DOUBLES(out, field, error)                                                            \
    do {                                                                                           \
        struct str rest_ = (field)->bytes;                                                         \
        uint64_t bits_;                                                                            \
        if ((field)->wire == PROTOBUF_FIXED64 && !VEC_PUSH((out), protobuf_double(field))) {       \
            return no_memory(error);                                                               \
        }                                                                                          \
        while ((field)->wire == PROTOBUF_BYTES && fixed64_take(&rest_, &bits_)) {                  \
            if ((out)->count >= BUCKETS_MAX) return too_many(error);                               \
            if (!VEC_PUSH((out), to_double(bits_))) return no_memory(error);                       \
        }                                                                                          \
    } while (0)

static int read_side(struct side *side, uint32_t number, const struct protobuf_field *field,
                     struct error *error)
{
    if (number == 0)
        return field->wire == PROTOBUF_BYTES ? read_span(side, field->bytes, error) : 0;
    if (number == 1) return read_deltas(side, field, error);
    READ_DOUBLES(&side->counts, field, error);
    return 0;
}

static int read_field(struct reading *reading, const struct protobuf_field *field,
                      struct error *error)
{
    enum { NEGATIVE = 8, POSITIVE = 11, SIDE_END = 14, BOUNDS = 16 };
    struct histogram *histogram = &reading->histogram;
    uint32_t number = field->number;
    if (number >= NEGATIVE && number < POSITIVE) {
        return read_side(&reading->negative, number - NEGATIVE, field, error);
    }
    if (number >= POSITIVE && number < SIDE_END) {
        return read_side(&reading->positive, number - POSITIVE, field, error);
    }
    if (number == BOUNDS) READ_DOUBLES(&reading->bounds, field, error);
    if (field->wire == PROTOBUF_VARINT) {
        if (number == 1) histogram->count = (double)field->value;
        if (number == 1) histogram->is_integer = true;
        if (number == 4) histogram->schema = (int32_t)protobuf_signed(field);
        if (number == 6) histogram->zero_count = (double)field->value;
        if (number == 14) histogram->hint = (enum histogram_hint)(field->value & 3);
        if (number == 15) reading->time_ms = (int64_t)field->value;
    }
    if (field->wire == PROTOBUF_FIXED64) {
        if (number == 2) histogram->count = protobuf_double(field);
        if (number == 3) histogram->sum = protobuf_double(field);
        if (number == 5) histogram->zero_threshold = protobuf_double(field);
        if (number == 7) histogram->zero_count = protobuf_double(field);
    }
    return 0;
}

static int make_side(const struct side *side, struct arena *arena,
                     const struct histogram_bucket **out, size_t *count, struct error *error)
{
    struct histogram_bucket *buckets;
    if (side->length != side->counts.count) {
        return error_set(error, ERROR_INVALID,
                         "spans of a histogram have %llu buckets, its counts are %zu",
                         (unsigned long long)side->length, side->counts.count);
    }
    int code = histogram_from_spans(arena, side->spans.items, side->spans.count, side->counts.items,
                                    side->counts.count, &buckets, count);
    if (code == -ENOMEM) return error_set(error, ERROR_LIMIT, "request has too many buckets");
    if (code != 0) return error_set(error, ERROR_INVALID, "spans of a histogram do not fit");
    *out = buckets;
    return 0;
}

static int make(const struct reading *reading, struct arena *arena, struct histogram **out,
                struct error *error)
{
    struct histogram *histogram = ARENA_NEW(arena, struct histogram);
    double *bounds = ARENA_ARRAY(arena, double, reading->bounds.count + 1);
    if (histogram == NULL || bounds == NULL) {
        return error_set(error, ERROR_LIMIT, "request has too many buckets");
    }
    *histogram = reading->histogram;
    if (reading->bounds.count > 0) {
        memcpy(bounds, reading->bounds.items, reading->bounds.count * sizeof(bounds[0]));
    }
    histogram->bounds = bounds;
    histogram->bound_count = reading->bounds.count;
    int code = make_side(&reading->positive, arena, &histogram->positive,
                         &histogram->positive_count, error);
    if (code == 0) {
        code = make_side(&reading->negative, arena, &histogram->negative,
                         &histogram->negative_count, error);
    }
    if (code == 0) *out = histogram;
    return code;
}

int write_histogram_read(struct str bytes, struct arena *arena, struct histogram **histogram,
                         int64_t *time_ms, struct error *error)
{
    struct reading reading = { 0 };
    struct protobuf_field field;
    int code;
    while ((code = protobuf_next(&bytes, &field, error)) == 1) {
        code = read_field(&reading, &field, error);
        if (code != 0) break;
    }
    if (code == 0) code = make(&reading, arena, histogram, error);
    if (code == 0) *time_ms = reading.time_ms;
    VEC_RELEASE(&reading.positive.spans);
    VEC_RELEASE(&reading.positive.counts);
    VEC_RELEASE(&reading.negative.spans);
    VEC_RELEASE(&reading.negative.counts);
    VEC_RELEASE(&reading.bounds);
    return code;
}

static int read_label(struct str bytes, struct label *label, struct error *error)
{
    struct protobuf_field field;
    int code;
    while ((code = protobuf_next(&bytes, &field, error)) == 1) {
        if (field.wire != PROTOBUF_BYTES) continue;
        if (field.number == 1) label->name = field.bytes;
        if (field.number == 2) label->value = field.bytes;
    }
    return code;
}

int write_exemplar_read(struct str bytes, struct arena *arena, struct exemplar *exemplar,
                        struct error *error)
{
    struct labels_builder builder = { 0 };
    struct protobuf_field field;
    *exemplar = (struct exemplar){ 0 };
    int code;
    while ((code = protobuf_next(&bytes, &field, error)) == 1) {
        struct label label = { 0 };
        if (field.number == 2 && field.wire == PROTOBUF_FIXED64) {
            exemplar->value = protobuf_double(&field);
        }
        if (field.number == 3 && field.wire == PROTOBUF_VARINT) {
            exemplar->time_ms = (int64_t)field.value;
        }
        if (field.number != 1 || field.wire != PROTOBUF_BYTES) continue;
        code = read_label(field.bytes, &label, error);
        if (code != 0) break;
        if (label.name.size > 0) labels_builder_set(&builder, label.name, label.value);
        if (builder.items.count > LABELS_MAX) {
            code = error_set(error, ERROR_INVALID, "exemplar has more than %d labels", LABELS_MAX);
            break;
        }
    }
    if (code == 0 && (builder.has_failed || labels_copy(arena, labels_builder_labels(&builder),
                                                        &exemplar->labels) != 0)) {
        code = error_set(error, ERROR_LIMIT, "request has too many exemplars");
    }
    labels_builder_release(&builder);
    return code;
}
