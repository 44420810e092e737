/* histogram_sum.c - adding histograms: the coarser resolution, the wider zero bucket and the common
 * bounds win, and every count carries what rounding took from it. */
#include "base/check.h"
#include "base/error.h"
#include "model/histogram.h"
#include "model/histogram_parts.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static void add_to(double *sum, double *lost, double value)
{
    double total = *sum + value;
    if (isinf(total)) {
        *lost = 0;
    } else if (fabs(*sum) >= fabs(value)) {
        *lost += (*sum - total) + value;
    } else {
        *lost += (value - total) + *sum;
    }
    *sum = total;
}

static int take_buckets(struct histogram_sum_buckets *to, const struct histogram_bucket *from,
                        size_t count)
{
    if (count > 0 && !VEC_RESERVE(to, count)) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        to->items[i] = (struct histogram_sum_bucket){ from[i].index, from[i].count, 0 };
    }
    to->count = count;
    return 0;
}

int histogram_sum_start(struct histogram_sum *sum, const struct histogram *first)
{
    histogram_sum_release(sum);
    sum->head = *first;
    sum->head.positive = NULL;
    sum->head.negative = NULL;
    sum->head.bounds = NULL;
    int code = take_buckets(&sum->positive, first->positive, first->positive_count);
    if (code == 0) code = take_buckets(&sum->negative, first->negative, first->negative_count);
    if (code == 0 && first->bound_count > 0) {
        if (!VEC_RESERVE(&sum->bounds, first->bound_count)) return -ENOMEM;
        memcpy(sum->bounds.items, first->bounds, first->bound_count * sizeof(double));
    }
    sum->bounds.count = first->bound_count;
    return code;
}

/* --- layout --- */

/* Buckets that now have the same index become one. */
static void join_equal(struct histogram_sum_buckets *buckets)
{
    size_t kept = 0;
    for (size_t i = 0; i < buckets->count; i++) {
        struct histogram_sum_bucket *bucket = &buckets->items[i];
        if (kept > 0 && buckets->items[kept - 1].index == bucket->index) {
            struct histogram_sum_bucket *into = &buckets->items[kept - 1];
            add_to(&into->count, &into->lost, bucket->count);
            into->lost += bucket->lost;
        } else {
            buckets->items[kept++] = *bucket;
        }
    }
    buckets->count = kept;
}

static int32_t coarser(int32_t index, int shift)
{
    return ((index - 1) >> shift) + 1;
}

static void reduce(struct histogram_sum *sum, int32_t schema)
{
    int shift = sum->head.schema - schema;
    struct histogram_sum_buckets *sides[] = { &sum->positive, &sum->negative };
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < sides[s]->count; i++) {
            sides[s]->items[i].index = coarser(sides[s]->items[i].index, shift);
        }
        join_equal(sides[s]);
    }
    sum->head.schema = schema;
}

/* The bucket among `bounds` that holds what ends at `upper`. */
static int32_t place_bound(const double *bounds, size_t count, double upper)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bounds[middle] < upper) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (int32_t)low;
}

static double upper_of(const double *bounds, size_t count, int32_t index)
{
    return (size_t)index < count ? bounds[index] : (double)INFINITY;
}

/* Keeps the bounds that `other` has too. True when any went on either side. */
static bool intersect_bounds(struct histogram_sum *sum, const struct histogram *other)
{
    size_t kept = 0;
    size_t o = 0;
    size_t old_count = sum->bounds.count;
    /* Indexes first: they need the old bounds. */
    for (size_t i = 0; i < sum->positive.count; i++) {
        struct histogram_sum_bucket *bucket = &sum->positive.items[i];
        double upper = upper_of(sum->bounds.items, old_count, bucket->index);
        while (o < other->bound_count && other->bounds[o] < upper) o++;
        /* The first common bound at or above the bucket's end. */
        size_t at = (size_t)bucket->index;
        size_t common = o;
        while (at < old_count && common < other->bound_count &&
               sum->bounds.items[at] != other->bounds[common]) {
            if (sum->bounds.items[at] < other->bounds[common]) {
                at++;
            } else {
                common++;
            }
        }
        bool is_common = at < old_count && common < other->bound_count;
        bucket->index = is_common ? (int32_t)at : (int32_t)old_count;
    }
    /* Old indexes of kept bounds to new ones. */
    size_t b = 0;
    o = 0;
    for (size_t i = 0; i < old_count; i++) {
        while (o < other->bound_count && other->bounds[o] < sum->bounds.items[i]) o++;
        bool is_kept = o < other->bound_count && other->bounds[o] == sum->bounds.items[i];
        for (; is_kept && b < sum->positive.count && sum->positive.items[b].index == (int32_t)i;
             b++) {
            sum->positive.items[b].index = (int32_t)kept;
        }
        if (is_kept) sum->bounds.items[kept++] = sum->bounds.items[i];
    }
    for (; b < sum->positive.count; b++) sum->positive.items[b].index = (int32_t)kept;
    sum->bounds.count = kept;
    join_equal(&sum->positive);
    return kept < old_count || kept < other->bound_count;
}

/* --- adding --- */

static void adjust_hint(struct histogram_sum *sum, const struct histogram *other, unsigned *events)
{
    enum histogram_hint mine = sum->head.hint;
    if (mine == other->hint || mine == HISTOGRAM_HINT_GAUGE) return;
    if (other->hint == HISTOGRAM_HINT_GAUGE) {
        sum->head.hint = HISTOGRAM_HINT_GAUGE;
        return;
    }
    bool is_conflict = mine != HISTOGRAM_HINT_UNKNOWN && other->hint != HISTOGRAM_HINT_UNKNOWN;
    sum->head.hint = HISTOGRAM_HINT_UNKNOWN;
    if (is_conflict) *events |= HISTOGRAM_EVENT_RESETS_CONFLICT;
}

static void drop_inside_zero(struct histogram_sum *sum, struct histogram_sum_buckets *buckets)
{
    size_t kept = 0;
    for (size_t i = 0; i < buckets->count; i++) {
        double lower = histogram_bound(sum->head.schema, buckets->items[i].index - 1);
        if (lower < sum->head.zero_threshold) continue;
        buckets->items[kept++] = buckets->items[i];
    }
    buckets->count = kept;
}

/* Widens this zero bucket to the threshold; the threshold grows when it would cut a bucket. */
static int widen_zero(struct histogram_sum *sum, double *threshold, struct histogram *view,
                      struct histogram_bucket *scratch)
{
    *view = sum->head;
    view->zero_count = sum->head.zero_count;
    for (size_t i = 0; i < sum->positive.count; i++) {
        scratch[i] =
            (struct histogram_bucket){ sum->positive.items[i].index, sum->positive.items[i].count };
    }
    for (size_t i = 0; i < sum->negative.count; i++) {
        scratch[sum->positive.count + i] =
            (struct histogram_bucket){ sum->negative.items[i].index, sum->negative.items[i].count };
    }
    view->positive = scratch;
    view->positive_count = sum->positive.count;
    view->negative = scratch + sum->positive.count;
    view->negative_count = sum->negative.count;
    sum->head.zero_count = histogram_zero_count(view, threshold);
    sum->head.zero_threshold = *threshold;
    drop_inside_zero(sum, &sum->positive);
    drop_inside_zero(sum, &sum->negative);
    return 0;
}

/* Makes the zero buckets equally wide; gives what `other` then has in its own. */
static int reconcile_zero(struct histogram_sum *sum, const struct histogram *other,
                          double *zero_count)
{
    double threshold = other->zero_threshold;
    *zero_count = other->zero_count;
    while (threshold < sum->head.zero_threshold || threshold > sum->head.zero_threshold) {
        if (sum->head.zero_threshold > threshold) {
            threshold = sum->head.zero_threshold;
            *zero_count = histogram_zero_count(other, &threshold);
        }
        if (threshold > sum->head.zero_threshold) {
            size_t count = sum->positive.count + sum->negative.count;
            struct histogram_bucket *scratch = malloc((count + 1) * sizeof(scratch[0]));
            if (scratch == NULL) return -ENOMEM;
            struct histogram view;
            (void)widen_zero(sum, &threshold, &view, scratch);
            free(scratch);
        }
    }
    return 0;
}

struct addend {
    const struct histogram_bucket *items;
    size_t count;
    const struct histogram *other;
    double sign;
};

/* Where the other's bucket belongs in the sum; false when its zero bucket has swallowed it. */
static bool place(const struct histogram_sum *sum, const struct addend *addend, size_t i,
                  int32_t *index)
{
    int32_t old = addend->items[i].index;
    if (histogram_is_custom(addend->other)) {
        double upper = upper_of(addend->other->bounds, addend->other->bound_count, old);
        *index = place_bound(sum->bounds.items, sum->bounds.count, upper);
        return true;
    }
    if (histogram_bound(addend->other->schema, old) <= sum->head.zero_threshold) return false;
    *index = coarser(old, addend->other->schema - sum->head.schema);
    return true;
}

static int add_buckets(const struct histogram_sum *sum, struct histogram_sum_buckets *to,
                       const struct addend *addend)
{
    struct histogram_sum_buckets merged = { 0 };
    size_t t = 0;
    for (size_t i = 0; i < addend->count; i++) {
        int32_t index;
        if (!place(sum, addend, i, &index)) continue;
        while (t < to->count && to->items[t].index < index) {
            if (!VEC_PUSH(&merged, to->items[t])) goto out;
            t++;
        }
        bool is_there = merged.count > 0 && VEC_LAST(&merged).index == index;
        if (!is_there) {
            struct histogram_sum_bucket bucket = { index, 0, 0 };
            if (t < to->count && to->items[t].index == index) bucket = to->items[t++];
            if (!VEC_PUSH(&merged, bucket)) goto out;
        }
        add_to(&VEC_LAST(&merged).count, &VEC_LAST(&merged).lost,
               addend->sign * addend->items[i].count);
    }
    for (; t < to->count; t++) {
        if (!VEC_PUSH(&merged, to->items[t])) goto out;
    }
    VEC_RELEASE(to);
    *to = merged;
    return 0;
out:
    VEC_RELEASE(&merged);
    return -ENOMEM;
}

int histogram_sum_add(struct histogram_sum *sum, const struct histogram *other, double sign,
                      unsigned *events)
{
    bool is_custom = histogram_is_custom(other);
    if (is_custom != histogram_is_custom(&sum->head)) return ERROR_INVALID;
    adjust_hint(sum, other, events);
    double zero_count = 0;
    if (!is_custom) {
        int code = reconcile_zero(sum, other, &zero_count);
        if (code < 0) return code;
        add_to(&sum->head.zero_count, &sum->zero_lost, sign * zero_count);
        if (other->schema < sum->head.schema) reduce(sum, other->schema);
    } else if (intersect_bounds(sum, other)) {
        *events |= HISTOGRAM_EVENT_RECONCILED;
    }
    add_to(&sum->head.count, &sum->count_lost, sign * other->count);
    add_to(&sum->head.sum, &sum->sum_lost, sign * other->sum);
    struct addend positive = { other->positive, other->positive_count, other, sign };
    struct addend negative = { other->negative, other->negative_count, other, sign };
    int code = add_buckets(sum, &sum->positive, &positive);
    return code < 0 ? code : add_buckets(sum, &sum->negative, &negative);
}

static void scale_buckets(struct histogram_sum_buckets *buckets, double factor)
{
    for (size_t i = 0; i < buckets->count; i++) {
        buckets->items[i].count *= factor;
        buckets->items[i].lost *= factor;
    }
}

void histogram_sum_multiply(struct histogram_sum *sum, double factor)
{
    sum->head.zero_count *= factor;
    sum->zero_lost *= factor;
    sum->head.count *= factor;
    sum->count_lost *= factor;
    sum->head.sum *= factor;
    sum->sum_lost *= factor;
    scale_buckets(&sum->positive, factor);
    scale_buckets(&sum->negative, factor);
    if (factor < 0) sum->head.hint = HISTOGRAM_HINT_GAUGE;
}

static void divide_buckets(struct histogram_sum_buckets *buckets, double divisor)
{
    for (size_t i = 0; i < buckets->count; i++) {
        buckets->items[i].count /= divisor;
        buckets->items[i].lost /= divisor;
    }
}

void histogram_sum_divide(struct histogram_sum *sum, double divisor)
{
    bool is_zero = fpclassify(divisor) == FP_ZERO;
    sum->head.zero_count /= divisor;
    sum->head.count /= divisor;
    sum->head.sum /= divisor;
    sum->zero_lost = is_zero ? 0 : sum->zero_lost / divisor;
    sum->count_lost = is_zero ? 0 : sum->count_lost / divisor;
    sum->sum_lost = is_zero ? 0 : sum->sum_lost / divisor;
    if (is_zero) {
        sum->positive.count = 0;
        sum->negative.count = 0;
    } else {
        divide_buckets(&sum->positive, divisor);
        divide_buckets(&sum->negative, divisor);
    }
    if (divisor < 0) sum->head.hint = HISTOGRAM_HINT_GAUGE;
}

/* --- means --- */

static double most_of(const struct histogram_sum_buckets *buckets)
{
    double most = 0;
    for (size_t i = 0; i < buckets->count; i++) most = fmax(most, fabs(buckets->items[i].count));
    return most;
}

static double most_in(const struct histogram_bucket *buckets, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) most = fmax(most, fabs(buckets[i].count));
    return most;
}

static bool would_overflow(const struct histogram_sum *sum, const struct histogram *add)
{
    return isinf(sum->head.count + add->count) || isinf(sum->head.sum + add->sum) ||
           isinf(sum->head.zero_count + add->zero_count) ||
           isinf(most_of(&sum->positive) + most_in(add->positive, add->positive_count)) ||
           isinf(most_of(&sum->negative) + most_in(add->negative, add->negative_count));
}

int histogram_sum_average(struct histogram_sum *sum, const struct histogram *add, double count,
                          unsigned *events)
{
    if (!sum->is_mean) {
        if (!would_overflow(sum, add)) return histogram_sum_add(sum, add, 1, events);
        sum->is_mean = true;
        histogram_sum_divide(sum, count - 1);
    }
    histogram_sum_multiply(sum, (count - 1) / count);
    return histogram_sum_add(sum, add, 1 / count, events);
}

void histogram_sum_average_end(struct histogram_sum *sum, double count)
{
    if (!sum->is_mean) histogram_sum_divide(sum, count);
}

/* --- end --- */

static bool copy_buckets(struct arena *arena, const struct histogram_sum_buckets *from,
                         const struct histogram_bucket **buckets, size_t *count)
{
    struct histogram_bucket *made = ARENA_ARRAY(arena, struct histogram_bucket, from->count + 1);
    if (made == NULL) return false;
    size_t kept = 0;
    for (size_t i = 0; i < from->count; i++) {
        double value = from->items[i].count + from->items[i].lost;
        if (value == 0) continue;
        made[kept++] = (struct histogram_bucket){ from->items[i].index, value };
    }
    *buckets = made;
    *count = kept;
    return true;
}

const struct histogram *histogram_sum_finish(const struct histogram_sum *sum, struct arena *arena)
{
    struct histogram *made = ARENA_NEW(arena, struct histogram);
    double *bounds = ARENA_ARRAY(arena, double, sum->bounds.count + 1);
    if (made == NULL || bounds == NULL) return NULL;
    *made = sum->head;
    made->zero_count += sum->zero_lost;
    made->count += sum->count_lost;
    made->sum += sum->sum_lost;
    if (sum->bounds.count > 0) {
        memcpy(bounds, sum->bounds.items, sum->bounds.count * sizeof(double));
    }
    made->bounds = bounds;
    made->bound_count = sum->bounds.count;
    if (!copy_buckets(arena, &sum->positive, &made->positive, &made->positive_count) ||
        !copy_buckets(arena, &sum->negative, &made->negative, &made->negative_count)) {
        return NULL;
    }
    return made;
}

void histogram_sum_release(struct histogram_sum *sum)
{
    VEC_RELEASE(&sum->positive);
    VEC_RELEASE(&sum->negative);
    VEC_RELEASE(&sum->bounds);
    *sum = (struct histogram_sum){ 0 };
}
