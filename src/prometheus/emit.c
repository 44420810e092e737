/* emit.c - the writer of an exposition: its buffer, its families, and what collectors call.
 *
 * FORMATS  text 0.0.4       # HELP x_total ..., # TYPE x_total counter, x_total{a="b"} 1
 *          text 1.0.0       the same; names that are not plain: {"x.y_total",a="b"} 1
 *          OpenMetrics 1.0  # TYPE x counter, # UNIT ..., # HELP x ..., x_total{a="b"} 1, # EOF
 *          protobuf         io.prometheus.client.MetricFamily messages, each behind its size
 *          Info and enum are gauges but in OpenMetrics. Numbers are Go's shortest; what is counted
 *          in whole numbers is written in full.
 */
#include "prometheus/emit.h"

#include "prometheus/escape.h"
#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/number.h"
#include "prometheus/proto.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- The buffer ---- */

int pm_emit_init(struct pm_emit *emit, struct pm_format format, pm_write_function *write, void *arg)
{
    memset(emit, 0, sizeof(*emit));
    emit->write = write;
    emit->write_arg = arg;
    emit->format = format;
    emit->escaping = pm_escape_of(format);
    emit->data = malloc(EMIT_PIECE_SIZE);
    emit->capacity = EMIT_PIECE_SIZE;
    return emit->data == NULL ? PM_ERROR_MEMORY : PM_OK;
}

int pm_emit_flush(struct pm_emit *emit)
{
    if (emit->code == PM_OK && emit->used > 0) {
        if (emit->write(emit->write_arg, emit->data, emit->used) < 0) emit->code = PM_ERROR_WRITE;
    }
    emit->used = 0;
    return emit->code;
}

void pm_emit_release(struct pm_emit *emit)
{
    free(emit->data);
    free(emit->seen);
    memset(emit, 0, sizeof(*emit));
}

char *pm_emit_room(struct pm_emit *emit, size_t size)
{
    if (__builtin_expect(emit->code == PM_OK && emit->capacity - emit->used >= size, 1)) {
        return emit->data + emit->used;
    }
    if (emit->message == 0 && pm_emit_flush(emit) < 0) return NULL;
    if (emit->code < 0) return NULL;
    if (emit->capacity - emit->used < size) { /* a label of more than a piece; a message */
        size_t capacity =
            emit->used + size > emit->capacity * 2 ? emit->used + size : emit->capacity * 2;
        char *bigger = realloc(emit->data, capacity);
        if (bigger == NULL) {
            emit->code = PM_ERROR_MEMORY;
            return NULL;
        }
        emit->data = bigger;
        emit->capacity = capacity;
    }
    return emit->data + emit->used;
}

void pm_emit_bytes(struct pm_emit *emit, const char *data, size_t size)
{
    char *to = pm_emit_room(emit, size);
    if (to == NULL) return;
    memcpy(to, data, size);
    emit->used += size;
}

static void emit_text(struct pm_emit *emit, const char *text)
{
    pm_emit_bytes(emit, text, strlen(text));
}

static void emit_escaped(struct pm_emit *emit, const char *text, bool quotes)
{
    char *to = pm_emit_room(emit, strlen(text) * 3);
    if (to != NULL) emit->used += pm_name_escape(to, text, quotes);
}

size_t pm_emit_print_value(char *to, double value)
{
    if (value == 0) { /* the formats' other writers know no -0 either */
        *to = '0';
        return 1;
    }
    return pm_number_print_double(to, value);
}

/* ---- Families ---- */

/* 64 bits of the name decide: two names of one scrape meet once in 10^13 scrapes of 1000. */
static uint64_t hash_name(const char *name, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    return hash == 0 ? 1 : hash;
}

static bool put_seen(uint64_t *seen, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)hash & (capacity - 1);
    while (seen[at] != 0 && seen[at] != hash) at = (at + 1) & (capacity - 1);
    if (seen[at] == hash) return false;
    seen[at] = hash;
    return true;
}

/* Whether the name is new in this scrape. */
static bool see(struct pm_emit *emit, const char *name, size_t size)
{
    if (emit->seen_count * 2 >= emit->seen_capacity) {
        size_t capacity = emit->seen_capacity == 0 ? 256 : emit->seen_capacity * 2;
        uint64_t *seen = calloc(capacity, sizeof(*seen));
        if (seen == NULL) {
            emit->code = PM_ERROR_MEMORY;
            return false;
        }
        for (size_t i = 0; i < emit->seen_capacity; i++) {
            if (emit->seen[i] != 0) (void)put_seen(seen, capacity, emit->seen[i]);
        }
        free(emit->seen);
        emit->seen = seen;
        emit->seen_capacity = capacity;
    }
    if (!put_seen(emit->seen, emit->seen_capacity, hash_name(name, size))) return false;
    emit->seen_count++;
    return true;
}

static bool is_wanted(const struct pm_emit *emit, const char *name, size_t base_size)
{
    for (size_t i = 0; i < emit->name_count; i++) {
        const char *wanted = emit->names[i];
        if (strcmp(wanted, name) == 0) return true;
        if (strncmp(wanted, name, base_size) != 0) continue;
        const char *rest = wanted + base_size;
        static const char *const endings[] = { "",       "_total",   "_bucket", "_sum",
                                               "_count", "_created", "_info" };
        for (size_t j = 0; j < sizeof(endings) / sizeof(endings[0]); j++) {
            if (strcmp(rest, endings[j]) == 0) return true;
        }
    }
    return emit->name_count == 0;
}

static const char *type_text(enum pm_type type, bool openmetrics)
{
    switch (type) {
    case PM_COUNTER: return "counter";
    case PM_GAUGE: return "gauge";
    case PM_HISTOGRAM: return "histogram";
    case PM_SUMMARY: return "summary";
    case PM_INFO: return openmetrics ? "info" : "gauge";
    case PM_ENUM: return openmetrics ? "stateset" : "gauge";
    case PM_GAUGE_HISTOGRAM: return openmetrics ? "gaugehistogram" : "histogram";
    case PM_UNTYPED: break;
    }
    return openmetrics ? "unknown" : "untyped";
}

/* Quoted when it has to be, escaped as the scraper wants it. */
static void emit_name(struct pm_emit *emit, const char *kind, const char *name, size_t size)
{
    emit_text(emit, kind);
    char *to = pm_emit_room(emit, size * ESCAPE_GROWTH + ESCAPE_MORE);
    if (to == NULL) return;
    bool is_quoted = emit->escaping == PM_ESCAPE_NONE && !pm_escape_is_plain(name, size, false);
    char *at = to;
    if (is_quoted) *at++ = '"';
    at += pm_escape_name(at, name, size, emit->escaping, false);
    if (is_quoted) *at++ = '"';
    *at++ = ' ';
    emit->used += (size_t)(at - to);
}

struct emit_metadata {
    enum pm_type type;
    const char *name;
    size_t size; /* of the name as this format has it */
    const char *help;
    const char *unit; /* "" = none */
};

static void emit_proto_metadata(struct pm_emit *emit, const struct emit_metadata *metadata)
{
    static const unsigned types[] = {
        [PM_UNTYPED] = 3, [PM_COUNTER] = 0, [PM_GAUGE] = 1, [PM_HISTOGRAM] = 4,
        [PM_SUMMARY] = 2, [PM_INFO] = 1,    [PM_ENUM] = 1,  [PM_GAUGE_HISTOGRAM] = 5,
    };
    char name[sizeof(emit->sample_name)];
    size_t size = metadata->size;
    memcpy(name, metadata->name, size);
    if (emit->escaping != PM_ESCAPE_NONE) {
        size = pm_escape_name(name, metadata->name, metadata->size, emit->escaping, false);
    }
    emit->message = pm_proto_begin(emit, 0);
    pm_proto_bytes(emit, 1, name, size);
    pm_proto_bytes(emit, 2, metadata->help, strlen(metadata->help));
    pm_proto_uint(emit, 3, types[metadata->type]);
    if (metadata->unit[0] != '\0') {
        pm_proto_bytes(emit, 5, metadata->unit, strlen(metadata->unit));
    }
}

static void emit_metadata(struct pm_emit *emit, const struct emit_metadata *metadata)
{
    const char *name = metadata->name;
    size_t size = metadata->size;
    if (pm_emit_is_openmetrics(emit->format)) {
        emit_name(emit, "# TYPE ", name, size);
        emit_text(emit, type_text(metadata->type, true));
        if (metadata->unit[0] != '\0') {
            emit_name(emit, "\n# UNIT ", name, size);
            emit_text(emit, metadata->unit);
        }
        emit_name(emit, "\n# HELP ", name, size);
        emit_escaped(emit, metadata->help, true);
    } else {
        emit_name(emit, "# HELP ", name, size);
        emit_escaped(emit, metadata->help, false);
        emit_name(emit, "\n# TYPE ", name, size);
        emit_text(emit, type_text(metadata->type, false));
    }
    pm_emit_bytes(emit, "\n", 1);
}

bool pm_emit_begin(struct pm_emit *emit, enum pm_type type, const char *name, const char *help,
                   const char *unit)
{
    pm_emit_end(emit);
    size_t size = strlen(name);
    size_t base_size = size;
    bool openmetrics = pm_emit_is_openmetrics(emit->format);
    if (type == PM_COUNTER && pm_name_ends_in(name, "_total")) base_size -= 6;
    if (type == PM_INFO && pm_name_ends_in(name, "_info")) base_size -= 5;
    if (emit->code < 0 || !is_wanted(emit, name, base_size)) return false;
    if (!see(emit, name, size)) {
        pm_fail_note(PM_ERROR_NAME, NULL);
        return false;
    }
    /* Go's runtime has a gauge x and a counter x_total: in OpenMetrics both would be the family x.
     * The later one then loses its type rather than its samples. */
    if (openmetrics && base_size < size && !see(emit, name, base_size)) {
        base_size = size;
        type = PM_UNTYPED;
    }
    struct emit_metadata metadata = { type, name, openmetrics ? base_size : size, help, unit };
    if (unit == NULL) metadata.unit = "";
    emit->type = type;

    emit->is_quoted = emit->escaping == PM_ESCAPE_NONE && !pm_escape_is_plain(name, size, false);
    emit->sample_name_size = pm_escape_name(emit->sample_name, name, size, emit->escaping, false);
    if (emit->format.kind == PM_PROTOBUF)
        emit_proto_metadata(emit, &metadata);
    else
        emit_metadata(emit, &metadata);
    return emit->code == PM_OK;
}

void pm_emit_end(struct pm_emit *emit)
{
    emit->is_open = false;
    if (emit->message == 0) return;
    pm_proto_end(emit, emit->message);
    emit->message = 0;
    if (emit->used >= EMIT_PIECE_SIZE) (void)pm_emit_flush(emit);
}

/* ---- What collectors call ---- */

void pm_emit_family_unit(struct pm_emit *emit, enum pm_type type, const char *name,
                         const char *help, const char *unit)
{
    pm_emit_end(emit);
    if (!pm_name_is_metric_in(name, emit->has_utf8) || help == NULL ||
        (unsigned)type > PM_GAUGE_HISTOGRAM) {
        pm_fail_note(PM_ERROR_NAME, NULL);
        return;
    }
    if (!pm_emit_begin(emit, type, name, help, unit)) return;
    if (pm_emit_is_openmetrics(emit->format)) { /* there the ending is not the caller's choice */
        const char *ending = emit->type == PM_COUNTER ? "_total"
                             : emit->type == PM_INFO  ? "_info"
                                                      : "";
        if (!pm_name_ends_in(name, ending)) {
            memcpy(emit->sample_name + emit->sample_name_size, ending, strlen(ending) + 1);
            emit->sample_name_size += strlen(ending);
        }
    }
    emit->is_open = true;
}

void pm_emit_family(struct pm_emit *emit, enum pm_type type, const char *name, const char *help)
{
    pm_emit_family_unit(emit, type, name, help, NULL);
}

void pm_emit_point(struct pm_emit *emit, const struct pm_point *point)
{
    if (!emit->is_open || emit->code < 0) return;
    for (size_t i = 0; i < point->label_count; i++) {
        const struct pm_label *label = &point->labels[i];
        if (pm_name_is_label_in(label->name, emit->has_utf8) && label->value != NULL) continue;
        pm_fail_note(PM_ERROR_LABELS, NULL);
        return;
    }
    if (emit->format.kind == PM_PROTOBUF)
        pm_emit_proto_point(emit, point);
    else
        pm_emit_text_point(emit, point);
}

void pm_emit_sample(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                    double value)
{
    struct pm_point point = { .labels = labels, .label_count = label_count, .value = value };
    pm_emit_point(emit, &point);
}

static size_t labels_from_list(struct pm_label *labels, va_list arguments)
{
    size_t count = 0;
    for (; count < PM_LABELS_MAX; count++) {
        labels[count].name = va_arg(arguments, const char *);
        if (labels[count].name == NULL) break;
        labels[count].value = va_arg(arguments, const char *);
        if (labels[count].value == NULL) break;
    }
    return count;
}

void pm_emit_value_(struct pm_emit *emit, double value, ...)
{
    if (!emit->is_open) return;
    struct pm_label labels[PM_LABELS_MAX];
    va_list arguments;
    va_start(arguments, value);
    size_t count = labels_from_list(labels, arguments);
    va_end(arguments);
    pm_emit_sample(emit, labels, count, value);
}

void pm_emit_count_(struct pm_emit *emit, uint64_t value, ...)
{
    if (!emit->is_open) return;
    struct pm_label labels[PM_LABELS_MAX];
    va_list arguments;
    va_start(arguments, value);
    struct pm_point point = { .labels = labels, .whole = value, .is_whole = 1 };
    point.label_count = labels_from_list(labels, arguments);
    va_end(arguments);
    point.value = (double)value;
    pm_emit_point(emit, &point);
}

void pm_emit_one(struct pm_emit *emit, enum pm_type type, const char *name, const char *help,
                 double value)
{
    pm_emit_family(emit, type, name, help);
    pm_emit_sample(emit, NULL, 0, value);
}

void pm_emit_histogram(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                       const struct pm_buckets *buckets)
{
    if (emit->type != PM_HISTOGRAM && emit->type != PM_GAUGE_HISTOGRAM) return;
    struct pm_point point = { .labels = labels, .label_count = label_count, .buckets = buckets };
    pm_emit_point(emit, &point);
}

void pm_emit_summary(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                     uint64_t count, double sum)
{
    if (emit->type != PM_SUMMARY) return;
    struct pm_point point = { .labels = labels, .label_count = label_count };
    point.count = count;
    point.sum = sum;
    pm_emit_point(emit, &point);
}
