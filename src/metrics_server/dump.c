/* dump.c - samples as text that loses nothing. */
#include "metrics_server/dump.h"

#include "codec/number.h"
#include "model/histogram.h"
#include "model/sample.h"

#include <inttypes.h>
#include <math.h>

static void put_number(struct buf *out, double value)
{
    char text[NUMBER_SIZE_MAX];
    if (isnan(value) && sample_bits(value) != SAMPLE_NORMAL_BITS) {
        buf_printf(out, "NaN(%016" PRIx64 ")", sample_bits(value));
        return;
    }
    buf_append(out, text, number_print_go_plain(value, text));
}

static void put_quoted(struct buf *out, struct str text)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '"' || c == '\\') buf_append_char(out, '\\');
        if (c == '\n') {
            buf_append_cstr(out, "\\n");
        } else {
            buf_append_char(out, c);
        }
    }
    buf_append_char(out, '"');
}

static void put_labels(struct buf *out, struct labels labels)
{
    buf_append_char(out, '{');
    for (size_t i = 0; i < labels.count; i++) {
        if (i > 0) buf_append_cstr(out, ", ");
        if (label_name_is_legacy(labels.items[i].name)) {
            buf_append_str(out, labels.items[i].name);
        } else {
            put_quoted(out, labels.items[i].name);
        }
        buf_append_char(out, '=');
        put_quoted(out, labels.items[i].value);
    }
    buf_append_cstr(out, "} ");
}

static void put_buckets(struct buf *out, const char *name, const struct histogram_bucket *buckets,
                        size_t count)
{
    if (count == 0) return;
    buf_printf(out, " %s:[", name);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%d:", i > 0 ? " " : "", buckets[i].index);
        put_number(out, buckets[i].count);
    }
    buf_append_char(out, ']');
}

static void put_histogram(struct buf *out, const struct histogram *histogram)
{
    static const char *const hints[] = { "", "reset", "not_reset", "gauge" };
    buf_printf(out, "{{schema:%d count:", histogram->schema);
    put_number(out, histogram->count);
    buf_append_cstr(out, " sum:");
    put_number(out, histogram->sum);
    if (sample_bits(histogram->zero_count) != 0) {
        buf_append_cstr(out, " z_bucket:");
        put_number(out, histogram->zero_count);
    }
    if (sample_bits(histogram->zero_threshold) != 0) {
        buf_append_cstr(out, " z_bucket_w:");
        put_number(out, histogram->zero_threshold);
    }
    put_buckets(out, "buckets", histogram->positive, histogram->positive_count);
    put_buckets(out, "n_buckets", histogram->negative, histogram->negative_count);
    for (size_t i = 0; i < histogram->bound_count; i++) {
        buf_append_cstr(out, i == 0 ? " custom_values:[" : " ");
        put_number(out, histogram->bounds[i]);
    }
    if (histogram->bound_count > 0) buf_append_char(out, ']');
    if (histogram->hint != HISTOGRAM_HINT_UNKNOWN) {
        buf_printf(out, " hint:%s", hints[histogram->hint]);
    }
    buf_append_cstr(out, histogram->is_integer ? " whole:1}}" : "}}");
}

void dump_series(struct buf *out, const struct series_columns *series)
{
    for (size_t i = 0; i < series->count; i++) {
        put_labels(out, series->labels);
        if (series->histograms != NULL && series->histograms[i] != NULL) {
            put_histogram(out, series->histograms[i]);
        } else {
            put_number(out, series->values[i]);
        }
        buf_printf(out, " %" PRId64, series->times_ms[i]);
        if (series->starts_ms != NULL && series->starts_ms[i] != 0) {
            buf_printf(out, " start=%" PRId64, series->starts_ms[i]);
        }
        buf_append_char(out, '\n');
    }
}
