/* emit_text.c - one point in the text formats: lines. */
#include "prometheus/emit.h"
#include "prometheus/escape.h"
#include "prometheus/name.h"
#include "prometheus/number.h"

#include <math.h>
#include <string.h>

/* ---- Labels ---- */

static size_t room_for(const struct pm_label *labels, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += strlen(labels[i].name) * ESCAPE_GROWTH + strlen(labels[i].value) * 3;
        size += ESCAPE_MORE + 6;
    }
    return size;
}

static char *write_label(const struct pm_emit *emit, char *at, const struct pm_label *label)
{
    size_t size = strlen(label->name);
    bool is_plain = pm_escape_is_plain(label->name, size, true);
    bool is_quoted = emit->escaping == PM_ESCAPE_NONE && !is_plain;
    if (is_quoted) *at++ = '"';
    at += pm_escape_name(at, label->name, size, emit->escaping, true);
    if (is_quoted) *at++ = '"';
    memcpy(at, "=\"", 2);
    at += 2;
    at += pm_name_escape(at, label->value, true);
    *at++ = '"';
    return at;
}

/* 'name_ending{labels,extra} '. extra is 'le="..."', or NULL. */
static void emit_series(struct pm_emit *emit, const char *ending, const struct pm_point *point,
                        const char *extra)
{
    size_t size = emit->sample_name_size + strlen(ending) + 8;
    size += extra == NULL ? 0 : strlen(extra);
    char *to = pm_emit_room(emit, size + room_for(point->labels, point->label_count));
    if (to == NULL) return;
    char *at = to;
    if (emit->is_quoted) {
        memcpy(at, "{\"", 2);
        at += 2;
    }
    memcpy(at, emit->sample_name, emit->sample_name_size);
    at += emit->sample_name_size;
    memcpy(at, ending, strlen(ending));
    at += strlen(ending);
    if (emit->is_quoted) *at++ = '"';
    char separator = emit->is_quoted ? ',' : '{';
    for (size_t i = 0; i < point->label_count; i++) {
        if (point->labels[i].value[0] == '\0') continue;
        *at++ = separator;
        separator = ',';
        at = write_label(emit, at, &point->labels[i]);
    }
    if (extra != NULL) {
        *at++ = separator;
        separator = ',';
        memcpy(at, extra, strlen(extra));
        at += strlen(extra);
    }
    if (separator == ',') *at++ = '}';
    *at++ = ' ';
    emit->used += (size_t)(at - to);
}

/* ---- Ends of lines ---- */

static void emit_double(struct pm_emit *emit, double value)
{
    char *to = pm_emit_room(emit, NUMBER_SIZE_MAX);
    if (to != NULL) emit->used += pm_emit_print_value(to, value);
}

static void emit_u64(struct pm_emit *emit, uint64_t value)
{
    char *to = pm_emit_room(emit, NUMBER_SIZE_MAX);
    if (to != NULL) emit->used += pm_number_print_u64(to, value);
}

/* Seconds in OpenMetrics, whole milliseconds in text; never with an exponent. */
void pm_emit_text_timestamp(struct pm_emit *emit, double seconds)
{
    char *to = pm_emit_room(emit, 2 * NUMBER_SIZE_MAX);
    if (to == NULL || !(fabs(seconds) < 1e15)) return;
    char *at = to;
    *at++ = ' ';
    if (seconds < 0) *at++ = '-';
    uint64_t ms = (uint64_t)(fabs(seconds) * 1000 + 0.5);
    if (!pm_emit_is_openmetrics(emit->format)) {
        at += pm_number_print_u64(at, ms);
    } else {
        at += pm_number_print_u64(at, ms / 1000);
        *at++ = '.';
        for (uint64_t unit = 100; unit > 0; unit /= 10) *at++ = (char)('0' + ms / unit % 10);
    }
    emit->used += (size_t)(at - to);
}

void pm_emit_text_exemplar(struct pm_emit *emit, const struct pm_exemplar *exemplar)
{
    if (exemplar == NULL || !pm_emit_is_openmetrics(emit->format)) return;
    char *to = pm_emit_room(emit, room_for(exemplar->labels, exemplar->label_count) + 16);
    if (to == NULL) return;
    char *at = to;
    memcpy(at, " # {", 4);
    at += 4;
    for (size_t i = 0; i < exemplar->label_count; i++) {
        if (i > 0) *at++ = ',';
        at = write_label(emit, at, &exemplar->labels[i]);
    }
    memcpy(at, "} ", 2);
    emit->used += (size_t)(at + 2 - to);
    emit_double(emit, exemplar->value);
    if (exemplar->timestamp_s > 0) pm_emit_text_timestamp(emit, exemplar->timestamp_s);
}

static void end_line(struct pm_emit *emit, const struct pm_point *point,
                     const struct pm_exemplar *exemplar)
{
    bool has_time = point->timestamp_s < 0 || point->timestamp_s > 0;
    if (has_time) pm_emit_text_timestamp(emit, point->timestamp_s);
    pm_emit_text_exemplar(emit, exemplar);
    pm_emit_bytes(emit, "\n", 1);
}

static void emit_created(struct pm_emit *emit, const struct pm_point *point)
{
    if (!emit->format.has_created || !(point->created_s > 0)) return;
    if (!pm_emit_is_openmetrics(emit->format)) return;
    size_t whole = emit->sample_name_size;
    if (emit->type == PM_COUNTER && whole > 6 &&
        memcmp(emit->sample_name + whole - 6, "_total", 6) == 0) {
        emit->sample_name_size -= 6;
    }
    emit_series(emit, "_created", point, NULL);
    emit->sample_name_size = whole;
    if (emit->used > 0) emit->used--; /* the blank, which the timestamp brings, too */
    pm_emit_text_timestamp(emit, point->created_s);
    pm_emit_bytes(emit, "\n", 1);
}

/* ---- Points ---- */

static void emit_totals(struct pm_emit *emit, const struct pm_point *point, double sum,
                        uint64_t count)
{
    bool is_gauge = emit->type == PM_GAUGE_HISTOGRAM && pm_emit_is_openmetrics(emit->format);
    emit_series(emit, is_gauge ? "_gsum" : "_sum", point, NULL);
    emit_double(emit, sum);
    end_line(emit, point, NULL);
    emit_series(emit, is_gauge ? "_gcount" : "_count", point, NULL);
    emit_u64(emit, count);
    end_line(emit, point, NULL);
}

/* 'le="0.5"', 'quantile="0.5"': in OpenMetrics whole numbers carry ".0". */
static const char *print_extra(const struct pm_emit *emit, char *to, const char *name, double bound)
{
    size_t size = strlen(name);
    memcpy(to, name, size);
    memcpy(to + size, "=\"", 2);
    char *number = to + size + 2;
    size = pm_number_print_double(number, bound);
    number[size] = '\0';
    if (pm_emit_is_openmetrics(emit->format) && strpbrk(number, ".eIN") == NULL) {
        memcpy(number + size, ".0", 2);
        size += 2;
    }
    memcpy(number + size, "\"", 2);
    return to;
}

static void emit_buckets(struct pm_emit *emit, const struct pm_point *point)
{
    char extra[NUMBER_SIZE_MAX + 16];
    const struct pm_buckets *buckets = point->buckets;
    uint64_t sum = 0;
    for (size_t i = 0; i <= buckets->bound_count; i++) {
        sum += buckets->counts[i];
        double bound = i < buckets->bound_count ? buckets->bounds[i] : (double)INFINITY;
        emit_series(emit, "_bucket", point, print_extra(emit, extra, "le", bound));
        emit_u64(emit, sum);
        end_line(emit, point, point->bucket_exemplars == NULL ? NULL : point->bucket_exemplars[i]);
    }
    emit_totals(emit, point, buckets->sum, sum);
}

/* Text shows of a native histogram how many there are. */
static void emit_native(struct pm_emit *emit, const struct pm_point *point)
{
    const struct pm_native *native = point->native;
    uint64_t count = native->zero_count;
    for (size_t i = 0; i < native->positive_count; i++) count += native->positive[i].count;
    for (size_t i = 0; i < native->negative_count; i++) count += native->negative[i].count;
    emit_series(emit, "_bucket", point, "le=\"+Inf\"");
    emit_u64(emit, count);
    end_line(emit, point, NULL);
    emit_totals(emit, point, point->sum, count);
}

static void emit_value(struct pm_emit *emit, const struct pm_point *point)
{
    emit_series(emit, "", point, NULL);
    if (point->is_whole)
        emit_u64(emit, point->whole);
    else
        emit_double(emit, point->value);
    end_line(emit, point, emit->type == PM_COUNTER ? point->exemplar : NULL);
}

void pm_emit_text_point(struct pm_emit *emit, const struct pm_point *point)
{
    char extra[NUMBER_SIZE_MAX + 16];
    switch (emit->type) {
    case PM_HISTOGRAM:
    case PM_GAUGE_HISTOGRAM:
        if (point->buckets != NULL)
            emit_buckets(emit, point);
        else if (point->native != NULL)
            emit_native(emit, point);
        break;
    case PM_SUMMARY:
        for (size_t i = 0; i < point->quantile_count; i++) {
            const struct pm_quantile *quantile = &point->quantiles[i];
            emit_series(emit, "", point, print_extra(emit, extra, "quantile", quantile->quantile));
            emit_double(emit, quantile->value);
            end_line(emit, point, NULL);
        }
        emit_totals(emit, point, point->sum, point->count);
        break;
    case PM_UNTYPED:
    case PM_COUNTER:
    case PM_GAUGE:
    case PM_INFO:
    case PM_ENUM: emit_value(emit, point); break;
    }
    bool is_counted =
        emit->type == PM_COUNTER || emit->type == PM_HISTOGRAM || emit->type == PM_SUMMARY;
    if (is_counted) emit_created(emit, point);
}
