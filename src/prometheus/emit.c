/* emit.c - the writer of an exposition: families and samples in one of the formats, in pieces.
 *
 * FORMATS  text 0.0.4       # HELP x_total ..., # TYPE x_total counter, x_total{a="b"} 1
 *          OpenMetrics 1.0  # TYPE x counter, # UNIT ..., # HELP x ..., x_total{a="b"} 1, # EOF
 *          Info and enum are gauges in the first, types of their own in the second. Numbers are
 *          Go's shortest in both; what is counted in whole numbers is written in full.
 */
#include "prometheus/emit.h"

#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/number.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int pm_emit_init(struct pm_emit *emit, struct pm_format format, pm_write_function *write, void *arg)
{
    memset(emit, 0, sizeof(*emit));
    emit->write = write;
    emit->write_arg = arg;
    emit->format = format;
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
    if (emit->capacity - emit->used < size && pm_emit_flush(emit) < 0) return NULL;
    if (emit->code < 0) return NULL;
    if (emit->capacity < size) { /* a label of more than a piece */
        char *bigger = realloc(emit->data, size);
        if (bigger == NULL) {
            emit->code = PM_ERROR_MEMORY;
            return NULL;
        }
        emit->data = bigger;
        emit->capacity = size;
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

static bool is_openmetrics(const struct pm_emit *emit)
{
    return pm_emit_is_openmetrics(emit->format);
}

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

static void emit_metadata(struct pm_emit *emit, const char *kind, const char *name,
                          size_t name_size)
{
    emit_text(emit, kind);
    pm_emit_bytes(emit, name, name_size);
    pm_emit_bytes(emit, " ", 1);
}

bool pm_emit_begin(struct pm_emit *emit, enum pm_type type, const char *name, const char *help,
                   const char *unit)
{
    size_t size = strlen(name);
    size_t base_size = size;
    if (type == PM_COUNTER && pm_name_ends_in(name, "_total")) base_size -= 6;
    if (type == PM_INFO && pm_name_ends_in(name, "_info")) base_size -= 5;
    if (emit->code < 0 || !is_wanted(emit, name, base_size)) return false;
    if (!see(emit, name, size)) {
        pm_fail_note(PM_ERROR_NAME, NULL);
        return false;
    }
    /* Go's runtime has a gauge x and a counter x_total: in OpenMetrics both would be the family x.
     * The later one then loses its type rather than its samples. */
    if (is_openmetrics(emit) && base_size < size && !see(emit, name, base_size)) {
        base_size = size;
        type = PM_UNTYPED;
    }
    if (is_openmetrics(emit)) {
        emit_metadata(emit, "# TYPE ", name, base_size);
        emit_text(emit, type_text(type, true));
        if (unit != NULL && unit[0] != '\0') {
            emit_metadata(emit, "\n# UNIT ", name, base_size);
            emit_text(emit, unit);
        }
        emit_metadata(emit, "\n# HELP ", name, base_size);
        emit_escaped(emit, help, true);
    } else {
        emit_metadata(emit, "# HELP ", name, size);
        emit_escaped(emit, help, false);
        emit_metadata(emit, "\n# TYPE ", name, size);
        emit_text(emit, type_text(type, false));
    }
    pm_emit_bytes(emit, "\n", 1);
    return emit->code == PM_OK;
}

/* ---- What collectors call ---- */

void pm_emit_family(struct pm_emit *emit, enum pm_type type, const char *name, const char *help)
{
    emit->is_open = false;
    if (!pm_name_is_metric(name) || help == NULL) {
        pm_fail_note(PM_ERROR_NAME, NULL);
        return;
    }
    if (!pm_emit_begin(emit, type, name, help, NULL)) return;
    size_t size = strlen(name);
    memcpy(emit->sample_name, name, size + 1);
    if (is_openmetrics(emit)) { /* there the ending is not the caller's choice */
        const char *ending = type == PM_COUNTER ? "_total" : type == PM_INFO ? "_info" : "";
        if (!pm_name_ends_in(name, ending) && size + strlen(ending) < sizeof(emit->sample_name)) {
            memcpy(emit->sample_name + size, ending, strlen(ending) + 1);
            size += strlen(ending);
        }
    }
    emit->sample_name_size = size;
    emit->type = type;
    emit->is_open = true;
}

/* 'name_ending{labels,extra' with its brace open, or without brace when there is no label. False
 * when a label name is not valid: then nothing is written. extra is 'le="..."', or NULL. */
static bool emit_series(struct pm_emit *emit, const char *ending, const struct pm_label *labels,
                        size_t count, const char *extra)
{
    size_t size = emit->sample_name_size + strlen(ending) + 4;
    size += extra == NULL ? 0 : strlen(extra);
    for (size_t i = 0; i < count; i++) {
        if (!pm_name_is_label(labels[i].name) || labels[i].value == NULL) {
            pm_fail_note(PM_ERROR_LABELS, NULL);
            return false;
        }
        size += strlen(labels[i].name) + strlen(labels[i].value) * 3 + 4;
    }
    char *to = pm_emit_room(emit, size);
    if (to == NULL) return false;
    char *at = to;
    memcpy(at, emit->sample_name, emit->sample_name_size);
    at += emit->sample_name_size;
    memcpy(at, ending, strlen(ending));
    at += strlen(ending);
    char separator = '{';
    for (size_t i = 0; i < count; i++) {
        if (labels[i].value[0] == '\0') continue;
        *at++ = separator;
        separator = ',';
        size_t name_size = strlen(labels[i].name);
        memcpy(at, labels[i].name, name_size);
        memcpy(at + name_size, "=\"", 2);
        at += name_size + 2;
        at += pm_name_escape(at, labels[i].value, true);
        *at++ = '"';
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
    return true;
}

static void emit_double_end(struct pm_emit *emit, double value)
{
    char *to = pm_emit_room(emit, NUMBER_SIZE_MAX + 1);
    if (to == NULL) return;
    size_t size = pm_emit_print_value(to, value);
    to[size] = '\n';
    emit->used += size + 1;
}

static void emit_u64_end(struct pm_emit *emit, uint64_t value)
{
    char *to = pm_emit_room(emit, NUMBER_SIZE_MAX + 1);
    if (to == NULL) return;
    size_t size = pm_number_print_u64(to, value);
    to[size] = '\n';
    emit->used += size + 1;
}

void pm_emit_sample(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                    double value)
{
    if (!emit->is_open || !emit_series(emit, "", labels, label_count, NULL)) return;
    emit_double_end(emit, value);
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
    size_t count = labels_from_list(labels, arguments);
    va_end(arguments);
    if (emit_series(emit, "", labels, count, NULL)) emit_u64_end(emit, value);
}

void pm_emit_one(struct pm_emit *emit, enum pm_type type, const char *name, const char *help,
                 double value)
{
    pm_emit_family(emit, type, name, help);
    pm_emit_sample(emit, NULL, 0, value);
}

/* 'le="0.5"': in OpenMetrics whole numbers carry ".0". */
static void print_bound(char *to, double bound, bool openmetrics)
{
    memcpy(to, "le=\"", 4);
    size_t size = 4 + pm_number_print_double(to + 4, bound);
    to[size] = '\0';
    if (openmetrics && strpbrk(to + 4, ".eIN") == NULL) {
        memcpy(to + size, ".0", 2);
        size += 2;
    }
    memcpy(to + size, "\"", 2);
}

void pm_emit_histogram(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                       const struct pm_buckets *buckets)
{
    if (!emit->is_open || emit->type != PM_HISTOGRAM) return;
    char extra[NUMBER_SIZE_MAX + 16];
    uint64_t sum = 0;
    for (size_t i = 0; i < buckets->bound_count; i++) {
        sum += buckets->counts[i];
        print_bound(extra, buckets->bounds[i], is_openmetrics(emit));
        if (!emit_series(emit, "_bucket", labels, label_count, extra)) return;
        emit_u64_end(emit, sum);
    }
    sum += buckets->counts[buckets->bound_count];
    if (!emit_series(emit, "_bucket", labels, label_count, "le=\"+Inf\"")) return;
    emit_u64_end(emit, sum);
    if (emit_series(emit, "_sum", labels, label_count, NULL)) emit_double_end(emit, buckets->sum);
    if (emit_series(emit, "_count", labels, label_count, NULL)) emit_u64_end(emit, sum);
}

void pm_emit_summary(struct pm_emit *emit, const struct pm_label *labels, size_t label_count,
                     uint64_t count, double sum)
{
    if (!emit->is_open || emit->type != PM_SUMMARY) return;
    if (emit_series(emit, "_sum", labels, label_count, NULL)) emit_double_end(emit, sum);
    if (emit_series(emit, "_count", labels, label_count, NULL)) emit_u64_end(emit, count);
}
