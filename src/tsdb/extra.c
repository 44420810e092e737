/* extra.c - histograms and start times in few bytes.
 *
 * WHY      The histograms of a series mostly have the same buckets as the one before, with slightly
 *          larger counts: then an entry is its flags and a small difference a bucket.
 */
#include "tsdb/extra.h"

#include "base/check.h"
#include "codec/varint.h"
#include "model/sample.h"

#include <stdlib.h>
#include <string.h>

enum {
    FLAG_HISTOGRAM = 1,
    FLAG_SAME_LAYOUT = 2, /* as the histogram before */
    FLAG_WHOLE = 4,       /* counts are whole numbers: differences, as varints */
    FLAG_START = 8,
    FLAG_SAME_START = 16,
    FLAG_SAME_STEP = 32, /* in time */
    HINT_SHIFT = 6,
};

#define WHOLE_MAX (INT64_C(1) << 53)

/* Whether a count is a whole number that a double holds exactly. */
static bool to_whole(double count, int64_t *whole)
{
    if (!(count >= 0 && count <= (double)WHOLE_MAX)) return false;
    *whole = (int64_t)count;
    return sample_bits((double)*whole) == sample_bits(count);
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || a->is_integer != b->is_integer ||
        a->bound_count != b->bound_count ||
        sample_bits(a->zero_threshold) != sample_bits(b->zero_threshold)) {
        return false;
    }
    for (size_t i = 0; i < a->bound_count; i++) {
        if (sample_bits(a->bounds[i]) != sample_bits(b->bounds[i])) return false;
    }
    return histogram_same_indexes(a->positive, a->positive_count, b->positive, b->positive_count) &&
           histogram_same_indexes(a->negative, a->negative_count, b->negative, b->negative_count);
}

static bool all_whole(const struct histogram *histogram)
{
    int64_t whole;
    if (!to_whole(histogram->count, &whole) || !to_whole(histogram->zero_count, &whole)) {
        return false;
    }
    for (size_t i = 0; i < histogram->positive_count; i++) {
        if (!to_whole(histogram->positive[i].count, &whole)) return false;
    }
    for (size_t i = 0; i < histogram->negative_count; i++) {
        if (!to_whole(histogram->negative[i].count, &whole)) return false;
    }
    return true;
}

static void put_double(struct buf *out, double value)
{
    fixed64_append(out, sample_bits(value));
}

static void put_indexes(struct buf *out, const struct histogram_bucket *buckets, size_t count)
{
    varint_append(out, count);
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        varint_append_signed(out, buckets[i].index - last);
        last = buckets[i].index;
    }
}

static void put_layout(struct buf *out, const struct histogram *histogram)
{
    varint_append_signed(out, histogram->schema);
    buf_append_char(out, histogram->is_integer ? 1 : 0);
    put_double(out, histogram->zero_threshold);
    put_indexes(out, histogram->positive, histogram->positive_count);
    put_indexes(out, histogram->negative, histogram->negative_count);
    varint_append(out, histogram->bound_count);
    for (size_t i = 0; i < histogram->bound_count; i++) put_double(out, histogram->bounds[i]);
}

/* A count, less what the histogram before has in its place, when both are whole. */
static void put_count(struct buf *out, bool is_whole, double count, double before)
{
    int64_t whole;
    int64_t base;
    if (!is_whole) {
        put_double(out, count);
        return;
    }
    CHECK(to_whole(count, &whole));
    if (!to_whole(before, &base)) base = 0;
    varint_append_signed(out, whole - base);
}

static void put_counts(struct buf *out, bool is_whole, const struct histogram *histogram,
                       const struct histogram *before)
{
    put_count(out, is_whole, histogram->count, before == NULL ? 0 : before->count);
    put_count(out, is_whole, histogram->zero_count, before == NULL ? 0 : before->zero_count);
    for (size_t i = 0; i < histogram->positive_count; i++) {
        put_count(out, is_whole, histogram->positive[i].count,
                  before == NULL ? 0 : before->positive[i].count);
    }
    for (size_t i = 0; i < histogram->negative_count; i++) {
        put_count(out, is_whole, histogram->negative[i].count,
                  before == NULL ? 0 : before->negative[i].count);
    }
}

static int64_t difference(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

void extra_put(struct buf *out, struct extra_state *state, const struct extra *extra)
{
    const struct histogram *histogram = extra->histogram;
    int64_t step = difference(extra->time_ms, state->time_ms);
    unsigned flags = 0;
    if (step == state->step_ms) flags |= FLAG_SAME_STEP;
    if (extra->start_ms != 0) flags |= FLAG_START;
    if (extra->start_ms == state->start_ms) flags |= FLAG_SAME_START;
    if (histogram != NULL) {
        flags |= FLAG_HISTOGRAM | (unsigned)histogram->hint << HINT_SHIFT;
        if (all_whole(histogram)) flags |= FLAG_WHOLE;
        if (state->histogram != NULL && same_layout(histogram, state->histogram)) {
            flags |= FLAG_SAME_LAYOUT;
        }
    }
    buf_append_char(out, (char)flags);
    if ((flags & FLAG_SAME_STEP) == 0) varint_append_signed(out, step);
    if ((flags & FLAG_START) != 0 && (flags & FLAG_SAME_START) == 0) {
        varint_append_signed(out, difference(extra->time_ms, extra->start_ms));
    }
    if (histogram != NULL) {
        bool is_same = (flags & FLAG_SAME_LAYOUT) != 0;
        if (!is_same) put_layout(out, histogram);
        put_counts(out, (flags & FLAG_WHOLE) != 0, histogram, is_same ? state->histogram : NULL);
        state->histogram = histogram;
    }
    state->time_ms = extra->time_ms;
    state->step_ms = step;
    state->start_ms = extra->start_ms;
}

static bool take_double(struct str *rest, double *value)
{
    uint64_t bits;
    if (!fixed64_take(rest, &bits)) return false;
    *value = sample_from_bits(bits);
    return true;
}

static int take_indexes(struct str *rest, struct arena *arena, struct histogram_bucket **out,
                        size_t *count_out)
{
    uint64_t count;
    if (!varint_take(rest, &count) || count > rest->size) return ERROR_CORRUPT;
    struct histogram_bucket *buckets = ARENA_ARRAY(arena, struct histogram_bucket, count + 1);
    if (buckets == NULL) return ERROR_LIMIT;
    int64_t last = 0;
    for (uint64_t i = 0; i < count; i++) {
        int64_t step;
        if (!varint_take_signed(rest, &step)) return ERROR_CORRUPT;
        if (__builtin_add_overflow(last, step, &last) || last < INT32_MIN || last > INT32_MAX) {
            return ERROR_CORRUPT;
        }
        if (i > 0 && step <= 0) return ERROR_CORRUPT;
        buckets[i].index = (int32_t)last;
    }
    *out = buckets;
    *count_out = (size_t)count;
    return 0;
}

struct taking {
    struct str *rest;
    struct arena *arena;
    struct histogram *histogram;
    struct histogram_bucket *positive;
    struct histogram_bucket *negative;
};

static int take_layout(struct taking *taking)
{
    struct histogram *histogram = taking->histogram;
    struct str *rest = taking->rest;
    int64_t schema;
    if (!varint_take_signed(rest, &schema) || rest->size == 0) return ERROR_CORRUPT;
    if (schema != HISTOGRAM_SCHEMA_CUSTOM &&
        (schema < HISTOGRAM_SCHEMA_MIN || schema > HISTOGRAM_SCHEMA_MAX)) {
        return ERROR_CORRUPT;
    }
    histogram->schema = (int32_t)schema;
    histogram->is_integer = rest->data[0] != 0;
    *rest = str_skip(*rest, 1);
    if (!take_double(rest, &histogram->zero_threshold)) return ERROR_CORRUPT;
    int code = take_indexes(rest, taking->arena, &taking->positive, &histogram->positive_count);
    if (code == 0) {
        code = take_indexes(rest, taking->arena, &taking->negative, &histogram->negative_count);
    }
    if (code != 0) return code;
    uint64_t count;
    if (!varint_take(rest, &count) || count > rest->size / 8) return ERROR_CORRUPT;
    double *bounds = ARENA_ARRAY(taking->arena, double, count + 1);
    if (bounds == NULL) return ERROR_LIMIT;
    for (uint64_t i = 0; i < count; i++) {
        if (!take_double(rest, &bounds[i])) return ERROR_CORRUPT;
    }
    histogram->bounds = bounds;
    histogram->bound_count = (size_t)count;
    return 0;
}

static struct histogram_bucket *copy_buckets(struct arena *arena,
                                             const struct histogram_bucket *buckets, size_t count)
{
    struct histogram_bucket *copy = ARENA_ARRAY(arena, struct histogram_bucket, count + 1);
    if (copy != NULL && count > 0) memcpy(copy, buckets, count * sizeof(copy[0]));
    return copy;
}

/* The layout of the histogram before; its counts are still there, to be added to. */
static int borrow_layout(struct taking *taking, const struct histogram *before)
{
    *taking->histogram = *before;
    taking->positive = copy_buckets(taking->arena, before->positive, before->positive_count);
    taking->negative = copy_buckets(taking->arena, before->negative, before->negative_count);
    return taking->positive == NULL || taking->negative == NULL ? ERROR_LIMIT : 0;
}

/* *count: what the histogram before has there. */
static bool take_count(struct str *rest, bool is_whole, double *count)
{
    int64_t base;
    int64_t step;
    if (!is_whole) return take_double(rest, count);
    if (!to_whole(*count, &base)) base = 0;
    if (!varint_take_signed(rest, &step) || __builtin_add_overflow(base, step, &base)) return false;
    *count = (double)base;
    return base >= 0 && base <= WHOLE_MAX;
}

static bool take_counts(struct taking *taking, bool is_whole)
{
    struct histogram *histogram = taking->histogram;
    if (!take_count(taking->rest, is_whole, &histogram->count)) return false;
    if (!take_count(taking->rest, is_whole, &histogram->zero_count)) return false;
    for (size_t i = 0; i < histogram->positive_count; i++) {
        if (!take_count(taking->rest, is_whole, &taking->positive[i].count)) return false;
    }
    for (size_t i = 0; i < histogram->negative_count; i++) {
        if (!take_count(taking->rest, is_whole, &taking->negative[i].count)) return false;
    }
    return true;
}

static int take_histogram(struct str *rest, unsigned flags, const struct histogram *before,
                          struct arena *arena, struct histogram **out)
{
    struct taking taking = { rest, arena, ARENA_NEW(arena, struct histogram), NULL, NULL };
    if (taking.histogram == NULL) return ERROR_LIMIT;
    int code;
    if ((flags & FLAG_SAME_LAYOUT) == 0) {
        code = take_layout(&taking);
    } else {
        code = before == NULL ? ERROR_CORRUPT : borrow_layout(&taking, before);
    }
    if (code != 0) return code;
    if (!take_counts(&taking, (flags & FLAG_WHOLE) != 0)) return ERROR_CORRUPT;
    taking.histogram->hint = (enum histogram_hint)(flags >> HINT_SHIFT);
    taking.histogram->sum = 0;
    taking.histogram->positive = taking.positive;
    taking.histogram->negative = taking.negative;
    *out = taking.histogram;
    return 0;
}

int extra_take(struct str *rest, struct extra_state *state, struct arena *arena,
               struct extra *extra)
{
    if (rest->size == 0) return ERROR_CORRUPT;
    unsigned flags = (unsigned char)rest->data[0];
    *rest = str_skip(*rest, 1);
    int64_t step = state->step_ms;
    if ((flags & FLAG_SAME_STEP) == 0 && !varint_take_signed(rest, &step)) return ERROR_CORRUPT;
    struct extra taken = { .time_ms = (int64_t)((uint64_t)state->time_ms + (uint64_t)step) };
    if ((flags & FLAG_SAME_START) != 0) {
        taken.start_ms = state->start_ms;
    } else if ((flags & FLAG_START) != 0) {
        int64_t age;
        if (!varint_take_signed(rest, &age)) return ERROR_CORRUPT;
        taken.start_ms = difference(taken.time_ms, age);
    }
    if ((flags & FLAG_HISTOGRAM) != 0) {
        int code = take_histogram(rest, flags, state->histogram, arena, &taken.histogram);
        if (code != 0) return code;
        state->histogram = taken.histogram;
    }
    state->time_ms = taken.time_ms;
    state->step_ms = step;
    state->start_ms = taken.start_ms;
    *extra = taken;
    return 0;
}

int extra_take_group(struct str bytes, size_t count, struct arena *arena, struct extra *extras)
{
    struct extra_state state = { 0 };
    for (size_t i = 0; i < count; i++) {
        int code = extra_take(&bytes, &state, arena, &extras[i]);
        if (code != 0) return code;
        if (i > 0 && extras[i].time_ms <= extras[i - 1].time_ms) return ERROR_CORRUPT;
    }
    return bytes.size == 0 ? 0 : ERROR_CORRUPT;
}

size_t extra_histogram_size(const struct histogram *histogram)
{
    return sizeof(*histogram) +
           (histogram->positive_count + histogram->negative_count) *
               sizeof(struct histogram_bucket) +
           histogram->bound_count * sizeof(double);
}

struct histogram *extra_copy_histogram(const struct histogram *histogram)
{
    struct histogram *copy = malloc(extra_histogram_size(histogram));
    if (copy == NULL) return NULL;
    *copy = *histogram;
    struct histogram_bucket *buckets = (struct histogram_bucket *)(void *)(copy + 1);
    if (histogram->positive_count > 0) {
        memcpy(buckets, histogram->positive, histogram->positive_count * sizeof(buckets[0]));
    }
    copy->positive = buckets;
    buckets += histogram->positive_count;
    if (histogram->negative_count > 0) {
        memcpy(buckets, histogram->negative, histogram->negative_count * sizeof(buckets[0]));
    }
    copy->negative = buckets;
    double *bounds = (double *)(void *)(buckets + histogram->negative_count);
    if (histogram->bound_count > 0) {
        memcpy(bounds, histogram->bounds, histogram->bound_count * sizeof(bounds[0]));
    }
    copy->bounds = bounds;
    return copy;
}
