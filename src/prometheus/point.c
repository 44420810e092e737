/* point.c - a series of the store as a point: for protobuf, and for names that lines made before
 * do not have in the form the scraper wants. */
#include "prometheus/emit.h"
#include "prometheus/exemplar.h"
#include "prometheus/fail.h"
#include "prometheus/shared.h"

#include <stdlib.h>
#include <string.h>

/* What a point borrows while it is written. */
struct scratch {
    struct pm_label
        labels[PM_LABELS_MAX + 1 + PM_LABELS_MAX]; /* its own, and an info's or a state */
    uint64_t counts[PM_BOUNDS_MAX + 1];
    struct pm_buckets buckets;
    struct pm_quantile quantiles[PM_QUANTILES_MAX];
    struct sketch_view view;
    struct pm_native native;
    struct exemplars exemplars;
};

static void fill_labels(struct scratch *scratch, struct pm_point *point,
                        const struct series *series)
{
    const struct family *family = series->family;
    const char *value = series->text + series->line_size;
    for (size_t i = 0; i < family->label_count; i++) {
        scratch->labels[i] = (struct pm_label){ family->label_names[i], value };
        value += strlen(value) + 1;
    }
    point->labels = scratch->labels;
    point->label_count = family->label_count;
}

static void fill_sketch(struct scratch *scratch, struct pm_point *point,
                        const struct series *series)
{
    const struct family *family = series->family;
    const struct sketch_view *view = &scratch->view;
    if (family->type == PM_SUMMARY) {
        for (size_t i = 0; i < family->quantile_count; i++) {
            double q = family->quantiles[i];
            scratch->quantiles[i] = (struct pm_quantile){ q, pm_sketch_quantile(view, q) };
        }
        point->quantiles = scratch->quantiles;
        point->quantile_count = family->quantile_count;
        return;
    }
    scratch->native = (struct pm_native){
        .schema = view->schema,
        .zero_threshold = view->zero_threshold,
        .zero_count = view->zero_count,
        .positive = view->positive,
        .positive_count = view->positive_count,
        .negative = view->negative,
        .negative_count = view->negative_count,
    };
    point->native = &scratch->native;
}

static void emit_histogram(struct pm_emit *emit, struct scratch *scratch, struct pm_point *point,
                           const struct series *series, struct span span)
{
    const struct family *family = series->family;
    point->sum = series_sum(series, span);
    if (family->has_classic) {
        for (size_t i = 0; i <= family->bound_count; i++) {
            scratch->counts[i] = words_get(span, series->cell, WORD_BUCKETS + i);
        }
        scratch->buckets =
            (struct pm_buckets){ family->bounds, scratch->counts, family->bound_count, point->sum };
        point->buckets = &scratch->buckets;
    }
    if (pm_exemplars_read(&scratch->exemplars, series)) {
        if (family->has_classic) {
            point->bucket_exemplars = scratch->exemplars.slots;
        } else {
            point->native_exemplars = scratch->exemplars.slots;
            point->native_exemplar_count = scratch->exemplars.count;
        }
    }
    pm_emit_point(emit, point);
}

/* The pairs an info shows; the text that holds them is the caller's to free. */
static char *fill_info(struct scratch *scratch, struct pm_point *point, const struct series *series)
{
    size_t count = 0;
    char *texts = pm_store_info_pairs(series, &count);
    char *at = texts;
    for (size_t i = 0; i + 1 < count && i / 2 < PM_LABELS_MAX; i += 2) {
        struct pm_label *label = &scratch->labels[point->label_count++];
        label->name = at;
        at += strlen(at) + 1;
        label->value = at;
        at += strlen(at) + 1;
    }
    point->value = 1;
    return texts;
}

static void emit_states(struct pm_emit *emit, struct scratch *scratch, struct pm_point *point,
                        const struct series *series)
{
    const struct family *family = series->family;
    uint64_t now = __atomic_load_n((const uint64_t *)(const void *)series->cell, __ATOMIC_ACQUIRE);
    struct pm_label *label = &scratch->labels[point->label_count++];
    for (size_t i = 0; i < family->state_count; i++) {
        *label = (struct pm_label){ family->name, family->states[i] };
        point->value = now == i ? 1 : 0;
        pm_emit_point(emit, point);
    }
}

static void emit_counter(struct pm_emit *emit, struct scratch *scratch, struct pm_point *point,
                         const struct series *series, struct span span)
{
    double fraction = words_get_double(span, series->cell, WORD_FRACTION);
    point->whole = words_get(span, series->cell, WORD_WHOLE);
    point->is_whole = fraction == 0;
    point->value = (double)point->whole + fraction;
    if (pm_exemplars_read(&scratch->exemplars, series))
        point->exemplar = scratch->exemplars.slots[0];
    pm_emit_point(emit, point);
}

static void emit_by_type(struct pm_emit *emit, struct scratch *scratch, struct pm_point *point,
                         const struct series *series, struct span span)
{
    switch (series->family->type) {
    case PM_COUNTER: emit_counter(emit, scratch, point, series, span); return;
    case PM_UNTYPED:
    case PM_GAUGE:
        point->value = pm_words_get_gauge(span, series->cell);
        pm_emit_point(emit, point);
        return;
    case PM_HISTOGRAM: emit_histogram(emit, scratch, point, series, span); return;
    case PM_SUMMARY:
        point->sum = words_get_double(span, series->cell, WORD_SUM);
        point->count = words_get(span, series->cell, WORD_COUNT);
        pm_emit_point(emit, point);
        return;
    case PM_INFO: {
        char *texts = fill_info(scratch, point, series);
        pm_emit_point(emit, point);
        free(texts);
        return;
    }
    case PM_ENUM: emit_states(emit, scratch, point, series); return;
    case PM_GAUGE_HISTOGRAM: return;
    }
}

void pm_emit_series_point(struct pm_emit *emit, const struct series *series, struct span span)
{
    const struct family *family = series->family;
    struct scratch *scratch = calloc(1, sizeof(*scratch));
    if (scratch == NULL) {
        emit->code = PM_ERROR_MEMORY;
        return;
    }
    struct pm_point point = { .created_s = series_created(series) };
    fill_labels(scratch, &point, series);
    if (series->sketch != NULL && pm_sketch_read(series, &scratch->view) == PM_OK) {
        fill_sketch(scratch, &point, series);
    }
    if (family->function != NULL) {
        point.value = family->function(family->function_arg);
        pm_emit_point(emit, &point);
    } else {
        emit_by_type(emit, scratch, &point, series, span);
    }
    pm_sketch_view_release(&scratch->view);
    pm_exemplars_release(&scratch->exemplars);
    free(scratch);
}
