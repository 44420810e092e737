/* classic.c - collects the buckets of a series by time. */
#include "tests/conformance/classic.h"

#include "codec/number.h"
#include "model/sample.h"

#include <math.h>
#include <stdlib.h>

struct classic_column {
    double upper;
    const struct memory_series *series;
};

VEC_TYPE(classic_columns, struct classic_column);

struct classic {
    struct labels labels; /* of the native series */
    struct classic_columns columns;
    const struct memory_series *sum;
    const struct memory_series *count;
};

VEC_TYPE(classics, struct classic);

static bool base_labels(struct memory_store *to, struct labels labels, size_t suffix_size,
                        struct labels *out)
{
    struct labels_builder builder = { 0 };
    labels_builder_start(&builder, labels);
    struct str name = labels_get(labels, LABEL_METRIC_NAME);
    labels_builder_set(&builder, LABEL_METRIC_NAME, str_first(name, name.size - suffix_size));
    labels_builder_remove(&builder, STR("le"));
    bool is_good =
        labels_copy(&to->arena, labels_builder_labels(&builder), out) == 0 && !builder.has_failed;
    labels_builder_release(&builder);
    return is_good;
}

static struct classic *find_classic(struct classics *all, struct labels labels, bool makes)
{
    VEC_FOR_EACH (all, classic) {
        if (labels_equal(classic->labels, labels)) return classic;
    }
    if (!makes || !VEC_PUSH(all, (struct classic){ .labels = labels })) return NULL;
    return &VEC_LAST(all);
}

static int compare_columns(const void *a, const void *b)
{
    double left = ((const struct classic_column *)a)->upper;
    double right = ((const struct classic_column *)b)->upper;
    return (left > right) - (left < right);
}

static bool value_at(const struct memory_series *series, int64_t time_ms, double *value)
{
    for (size_t i = 0; series != NULL && i < series->times_ms.count; i++) {
        if (series->times_ms.items[i] != time_ms) continue;
        *value = series->values.items[i];
        return true;
    }
    return false;
}

static bool add_at(struct memory_store *to, struct memory_series *series,
                   const struct classic *classic, int64_t time_ms)
{
    size_t count = classic->columns.count;
    double *bounds = ARENA_ARRAY(&to->arena, double, count + 1);
    struct histogram_bucket *buckets = ARENA_ARRAY(&to->arena, struct histogram_bucket, count + 1);
    if (bounds == NULL || buckets == NULL) return false;
    struct histogram made = { .schema = HISTOGRAM_SCHEMA_CUSTOM };
    double before = 0;
    for (size_t c = 0; c < count; c++) {
        double upper = classic->columns.items[c].upper;
        double now;
        if (!value_at(classic->columns.items[c].series, time_ms, &now)) continue;
        if (made.bound_count > 0 && upper <= bounds[made.bound_count - 1]) continue;
        double difference = now - before;
        if (difference != 0) {
            buckets[made.positive_count++] =
                (struct histogram_bucket){ (int32_t)made.bound_count, difference };
        }
        if (!isinf(upper)) bounds[made.bound_count++] = upper;
        before = now;
        if (isinf(upper)) break;
    }
    made.bounds = bounds;
    made.positive = buckets;
    made.count = before;
    (void)value_at(classic->sum, time_ms, &made.sum);
    double total;
    if (value_at(classic->count, time_ms, &total)) {
        if (total > before) {
            bool is_last = made.positive_count > 0 &&
                           buckets[made.positive_count - 1].index == (int32_t)made.bound_count;
            if (is_last) {
                buckets[made.positive_count - 1].count += total - before;
            } else {
                buckets[made.positive_count++] =
                    (struct histogram_bucket){ (int32_t)made.bound_count, total - before };
            }
        }
        made.count = total;
    }
    return memory_series_add(to, series, time_ms, 0, &made);
}

static bool collect(struct memory_store *from, struct memory_store *to, struct classics *all)
{
    static const struct str suffixes[] = { STR_INIT("_bucket"), STR_INIT("_sum"),
                                           STR_INIT("_count") };
    for (size_t pass = 0; pass < ARRAY_LENGTH(suffixes); pass++) {
        for (size_t i = 0; i < from->series.count; i++) {
            const struct memory_series *series = from->series.items[i];
            struct str name = labels_get(series->labels, LABEL_METRIC_NAME);
            struct str le = labels_get(series->labels, STR("le"));
            double upper = 0;
            if (!str_ends_with(name, suffixes[pass]) || (pass == 0 && !number_parse(le, &upper))) {
                continue;
            }
            struct labels labels;
            if (!base_labels(to, series->labels, suffixes[pass].size, &labels)) return false;
            struct classic *classic = find_classic(all, labels, pass == 0);
            if (classic == NULL) continue;
            if (pass == 1) classic->sum = series;
            if (pass == 2) classic->count = series;
            if (pass == 0 &&
                !VEC_PUSH(&classic->columns, (struct classic_column){ upper, series })) {
                return false;
            }
        }
    }
    return true;
}

static bool convert(struct memory_store *to, struct classic *classic)
{
    qsort(classic->columns.items, classic->columns.count, sizeof(struct classic_column),
          compare_columns);
    struct memory_series *series = memory_store_series(to, classic->labels);
    if (series == NULL) return false;
    for (size_t c = 0; c < classic->columns.count; c++) {
        const struct memory_series *column = classic->columns.items[c].series;
        for (size_t i = 0; i < column->times_ms.count; i++) {
            if (!add_at(to, series, classic, column->times_ms.items[i])) return false;
        }
    }
    return true;
}

bool classic_to_native(struct memory_store *from, struct memory_store *to)
{
    struct classics all = { 0 };
    bool is_good = collect(from, to, &all);
    VEC_FOR_EACH (&all, classic) {
        is_good = is_good && convert(to, classic);
        VEC_RELEASE(&classic->columns);
    }
    VEC_RELEASE(&all);
    return is_good;
}
