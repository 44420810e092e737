/* functions_quantile.c - histogram_quantile, histogram_quantiles and histogram_fraction.
 *
 * Rows are put together by their labels without `le`: the buckets of a classic histogram, or the
 * native histogram of that name. Both at one step is an error of the data: a warning, no value.
 */
#include "base/check.h"
#include "codec/number.h"
#include "promql/function_list.h"
#include "promql/quantile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct bucket_row {
    double upper;
    const struct row *row;
};

VEC_TYPE(bucket_rows, struct bucket_row);

/* Everything with the same labels but `le`. */
struct family {
    struct labels labels; /* with the name, without le */
    bool drops_name;
    struct bucket_rows buckets; /* classic, sorted by bound */
    const struct row *native;
};

struct histogram_call {
    struct evaluation *evaluation;
    const struct node *node;
    const struct node *input;
    struct row_list rows;
    struct map by_labels;
    VEC(struct family) families;
    struct classic_bucket *scratch;
    const double *first;  /* the quantile, or the fraction's lower end, one a step */
    const double *second; /* the upper end */
    bool is_fraction;
};

static void annotate(struct histogram_call *call, enum annotation_level level,
                     const struct family *family, const char *text)
{
    struct query *query = call->evaluation->query;
    char buffer[512];
    struct str metric = annotation_metric(buffer, sizeof(buffer), family->labels);
    annotations_add(&query->annotations, query->expr, level, call->input->place, "%s" STR_FMT, text,
                    STR_ARG(metric));
}

static int labels_without_le(struct query *query, struct labels labels, struct labels *out)
{
    struct label *items = QUERY_ARRAY(query, struct label, labels.count);
    if (items == NULL) return out_of_memory(query);
    size_t count = 0;
    for (size_t i = 0; i < labels.count; i++) {
        if (!str_equal(labels.items[i].name, STR("le"))) items[count++] = labels.items[i];
    }
    *out = (struct labels){ items, count };
    return 0;
}

static int find_family(struct histogram_call *call, struct labels labels, bool drops_name,
                       struct family **family)
{
    struct query *query = call->evaluation->query;
    struct str key = labels_key(query->arena, labels);
    if (key.data == NULL) return out_of_memory(query);
    size_t known = (size_t)(uintptr_t)map_get(&call->by_labels, key);
    if (known == 0) {
        struct family made = { .labels = labels, .drops_name = drops_name };
        if (!VEC_PUSH(&call->families, made) ||
            map_put_borrowed(&call->by_labels, key, (void *)(uintptr_t)call->families.count) != 0) {
            return out_of_memory(query);
        }
        known = call->families.count;
    }
    *family = &call->families.items[known - 1];
    return 0;
}

static bool has_numbers(const struct histogram_call *call, const struct row *row)
{
    for (size_t i = 0; i < call->evaluation->steps.count; i++) {
        if (ROW_IS_THERE(row->values[i])) return true;
    }
    return false;
}

static int add_bucket(struct histogram_call *call, const struct row *row)
{
    struct query *query = call->evaluation->query;
    struct str le = labels_get(row->labels, STR("le"));
    double upper;
    if (!number_parse(le, &upper)) {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       "bucket label \"le\" is missing or has a malformed value of \"" STR_FMT "\"",
                       STR_ARG(str_first(le, le.size < 200 ? le.size : 200)));
        struct family named = { .labels = row->labels };
        annotate(call, ANNOTATION_WARNING, &named, text);
        return 0;
    }
    struct labels labels;
    int code = labels_without_le(query, row->labels, &labels);
    struct family *family;
    if (code == 0) code = find_family(call, labels, row->drops_name, &family);
    if (code < 0) return code;
    if (!VEC_PUSH(&family->buckets, (struct bucket_row){ upper, row })) return out_of_memory(query);
    return 0;
}

static int compare_bounds(const void *a, const void *b)
{
    double left = ((const struct bucket_row *)a)->upper;
    double right = ((const struct bucket_row *)b)->upper;
    return (left > right) - (left < right);
}

static int sort_rows(struct histogram_call *call)
{
    for (size_t r = 0; r < call->rows.count; r++) {
        const struct row *row = &call->rows.items[r];
        int code = 0;
        if (has_numbers(call, row)) code = add_bucket(call, row);
        if (code == 0 && row->histograms != NULL) {
            /* A native histogram that carries a stray le keeps it, as the reference does. */
            struct family *family;
            code = find_family(call, row->labels, row->drops_name, &family);
            if (code == 0) family->native = row;
        }
        if (code < 0) return code;
    }
    size_t most = 0;
    VEC_FOR_EACH (&call->families, family) {
        if (family->buckets.count > 1) {
            qsort(family->buckets.items, family->buckets.count, sizeof(struct bucket_row),
                  compare_bounds);
        }
        if (family->buckets.count > most) most = family->buckets.count;
    }
    call->scratch = QUERY_ARRAY(call->evaluation->query, struct classic_bucket, most);
    return call->scratch == NULL ? out_of_memory(call->evaluation->query) : 0;
}

static void annotate_mending(struct histogram_call *call, const struct family *family,
                             const struct classic_mending *mending)
{
    struct query *query = call->evaluation->query;
    char buffer[512];
    struct str metric = annotation_metric(buffer, sizeof(buffer), family->labels);
    annotations_add(&query->annotations, query->expr, ANNOTATION_INFO, call->input->place,
                    "input to histogram_quantile needed to be fixed for monotonicity (see "
                    "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                    "#histogram_quantile)" STR_FMT
                    ", from buckets %g to %g, with a max diff of %.2g",
                    STR_ARG(metric), mending->lowest, mending->highest, mending->most);
}

static double classic_value(struct histogram_call *call, const struct family *family, size_t count,
                            size_t step)
{
    struct classic_mending mending = { 0 };
    double answer = call->is_fraction
                        ? classic_fraction(call->first[step], call->second[step], call->scratch,
                                           count, &mending)
                        : classic_quantile(call->first[step], call->scratch, count, &mending);
    if (mending.is_forced) annotate_mending(call, family, &mending);
    return answer;
}

static double native_value(struct histogram_call *call, const struct family *family,
                           const struct histogram *histogram, size_t step)
{
    enum native_note note = NATIVE_NOTHING;
    double answer = call->is_fraction
                        ? native_fraction(call->first[step], call->second[step], histogram, &note)
                        : native_quantile(call->first[step], histogram, &note);
    if (note == NATIVE_NOTHING) return answer;
    annotate(call, ANNOTATION_INFO, family,
             call->is_fraction
                 ? "input to histogram_fraction has NaN observations, which are excluded from all "
                   "fractions"
             : note == NATIVE_IS_NAN
                 ? "input to histogram_quantile has NaN observations, result is NaN"
                 : "input to histogram_quantile has NaN observations, result is skewed higher");
    return answer;
}

static double family_value(struct histogram_call *call, const struct family *family, size_t step)
{
    size_t count = 0;
    for (size_t b = 0; b < family->buckets.count; b++) {
        const struct bucket_row *bucket = &family->buckets.items[b];
        if (!ROW_IS_THERE(bucket->row->values[step])) continue;
        call->scratch[count++] =
            (struct classic_bucket){ bucket->upper, bucket->row->values[step] };
    }
    const struct histogram *histogram =
        family->native == NULL ? NULL : family->native->histograms[step];
    if (histogram != NULL && count > 0) {
        annotate(call, ANNOTATION_WARNING, family,
                 "vector contains a mix of classic and native histograms");
        return ROW_ABSENT;
    }
    if (histogram != NULL) return native_value(call, family, histogram, step);
    return count == 0 ? ROW_ABSENT : classic_value(call, family, count, step);
}

/* Pushes a row a family; `label` (may be empty) is set to `text`. */
static int push_families(struct histogram_call *call, struct str label, struct str text,
                         struct sink *sink)
{
    struct evaluation *evaluation = call->evaluation;
    struct query *query = evaluation->query;
    struct row row;
    int code = row_new(evaluation, &row, false);
    struct labels_builder builder = { 0 };
    for (size_t f = 0; code == 0 && f < call->families.count; f++) {
        const struct family *family = &call->families.items[f];
        code = query_tick(query, evaluation->steps.count * (family->buckets.count + 4));
        if (code < 0) break;
        for (size_t i = 0; i < evaluation->steps.count; i++) {
            row.values[i] = family_value(call, family, i);
        }
        if (row_is_empty(evaluation, &row)) continue;
        row.labels = family->labels;
        row.drops_name = family->drops_name;
        code = row_drop_name(evaluation, &row);
        if (code == 0 && label.size > 0) {
            if (labels_get(row.labels, label).size > 0) {
                code = evaluation_fail(query, "label \"" STR_FMT "\" is already there",
                                       STR_ARG(label));
                break;
            }
            labels_builder_start(&builder, row.labels);
            labels_builder_set(&builder, label, text);
            if (builder.has_failed ||
                labels_copy(query->arena, labels_builder_labels(&builder), &row.labels) < 0) {
                code = out_of_memory(query);
            }
        }
        if (code == 0) code = sink->take(sink, &row);
    }
    labels_builder_release(&builder);
    return code;
}

static int scalars_of(struct histogram_call *call, size_t argument, const double **values)
{
    struct query *query = call->evaluation->query;
    double *made = QUERY_ARRAY(query, double, call->evaluation->steps.count);
    if (made == NULL) return out_of_memory(query);
    *values = made;
    return evaluate_scalar(call->evaluation, call->node->call.arguments[argument], made);
}

static void check_quantiles(struct histogram_call *call, size_t argument)
{
    for (size_t i = 0; i < call->evaluation->steps.count; i++) {
        annotate_quantile(call->evaluation->query, call->node->call.arguments[argument]->place,
                          call->first[i]);
    }
}

static void release(struct histogram_call *call)
{
    VEC_FOR_EACH (&call->families, family) {
        VEC_RELEASE(&family->buckets);
    }
    VEC_RELEASE(&call->families);
    VEC_RELEASE(&call->rows);
    map_release(&call->by_labels);
}

static int collect(struct histogram_call *call)
{
    int code = evaluate_collect(call->evaluation, call->input, &call->rows);
    return code < 0 ? code : sort_rows(call);
}

int special_histogram_quantile(struct evaluation *evaluation, const struct node *node,
                               struct sink *sink)
{
    struct histogram_call call = { .evaluation = evaluation,
                                   .node = node,
                                   .input = node->call.arguments[1] };
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    int code = scalars_of(&call, 0, &call.first);
    if (code == 0) check_quantiles(&call, 0);
    if (code == 0) code = collect(&call);
    if (code == 0) code = push_families(&call, STR(""), STR(""), &merge.sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    release(&call);
    return code;
}

int special_histogram_fraction(struct evaluation *evaluation, const struct node *node,
                               struct sink *sink)
{
    struct histogram_call call = { .evaluation = evaluation,
                                   .node = node,
                                   .input = node->call.arguments[2],
                                   .is_fraction = true };
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    int code = scalars_of(&call, 0, &call.first);
    if (code == 0) code = scalars_of(&call, 1, &call.second);
    if (code == 0) code = collect(&call);
    if (code == 0) code = push_families(&call, STR(""), STR(""), &merge.sink);
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    release(&call);
    return code;
}

/* As OpenMetrics writes numbers: whole ones with ".0". */
static struct str quantile_text(double q, char *text)
{
    size_t size = number_print_go(q, text);
    bool is_plain = true;
    for (size_t i = 0; i < size; i++) {
        is_plain = is_plain && ((text[i] >= '0' && text[i] <= '9') || text[i] == '-');
    }
    if (is_plain) {
        text[size++] = '.';
        text[size++] = '0';
    }
    return (struct str){ text, size };
}

/* The quantiles may differ from step to step, as any scalar; the label is that of the first. */
int special_histogram_quantiles(struct evaluation *evaluation, const struct node *node,
                                struct sink *sink)
{
    struct histogram_call call = { .evaluation = evaluation,
                                   .node = node,
                                   .input = node->call.arguments[0] };
    struct str label = evaluate_string(node->call.arguments[1]);
    struct merge_sink merge;
    merge_sink_init(&merge, evaluation);
    int code = collect(&call);
    for (size_t a = 2; code == 0 && a < node->call.count; a++) {
        code = scalars_of(&call, a, &call.first);
        if (code < 0) break;
        check_quantiles(&call, a);
        char text[NUMBER_SIZE_MAX + 2];
        code = push_families(&call, label, quantile_text(call.first[0], text), &merge.sink);
    }
    if (code == 0) code = merge_sink_flush(&merge, sink);
    merge_sink_release(&merge);
    release(&call);
    return code;
}
