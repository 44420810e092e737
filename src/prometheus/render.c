/* render.c - a whole exposition: the registry's families, then its collectors. */
#include "prometheus/emit.h"
#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/number.h"
#include "prometheus/shared.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Series of the store ---- */

/* The start of the series' line, by fixed steps: it may be read SERIES_SLACK bytes further, and the
 * room for the number takes as much. */
static inline char *copy_line(char *to, const struct series *series)
{
    _Static_assert((int)SERIES_SLACK >= 16 && (int)NUMBER_SIZE_MAX >= 16, "a step reaches past it");
    size_t size = series->line_size;
    for (size_t i = 0; i < size; i += 16) memcpy(to + i, series->text + i, 16);
    return to + size;
}

static void render_counter(struct pm_emit *emit, const struct series *series, struct span span)
{
    char *to = pm_emit_room(emit, series->line_size + NUMBER_SIZE_MAX + 1);
    if (to == NULL) return;
    uint64_t whole = words_get(span, series->cell, WORD_WHOLE);
    double fraction = words_get_double(span, series->cell, WORD_FRACTION);
    char *at = copy_line(to, series);
    at += fraction == 0 ? pm_number_print_u64(at, whole)
                        : pm_emit_print_value(at, (double)whole + fraction);
    *at++ = '\n';
    emit->used += (size_t)(at - to);
}

static void render_value(struct pm_emit *emit, const struct series *series, double value)
{
    char *to = pm_emit_room(emit, series->line_size + NUMBER_SIZE_MAX + 1);
    if (to == NULL) return;
    char *at = copy_line(to, series);
    at += pm_emit_print_value(at, value);
    *at++ = '\n';
    emit->used += (size_t)(at - to);
}

/* 'name_ending{labels,extra="text"} ' for the types of several samples. */
static char *write_start(char *at, const struct series *series, const char *ending)
{
    const struct family *family = series->family;
    size_t size = strlen(family->name);
    memcpy(at, family->name, size);
    at += size;
    size = strlen(ending);
    memcpy(at, ending, size);
    at += size;
    if (series->labels_size > 0) {
        *at++ = '{';
        memcpy(at, series->text + series->labels_start, series->labels_size);
        at += series->labels_size;
    }
    return at;
}

static char *write_pair(char *at, bool is_first, const char *name, const char *value)
{
    *at++ = is_first ? '{' : ',';
    size_t size = strlen(name);
    memcpy(at, name, size);
    at += size;
    memcpy(at, "=\"", 2);
    at += 2;
    size = strlen(value);
    memcpy(at, value, size);
    at += size;
    memcpy(at, "\"} ", 3);
    return at + 3;
}

/* 'le' and 'quantile' are floats in OpenMetrics: whole ones get their ".0". */
static void print_bound(const struct pm_emit *emit, char *text, double bound)
{
    size_t size = pm_number_print_double(text, bound);
    text[size] = '\0';
    if (pm_emit_is_openmetrics(emit->format) && strpbrk(text, ".eIN") == NULL) {
        memcpy(text + size, ".0", 3);
    }
}

static void render_bucket(struct pm_emit *emit, const struct series *series, const char *bound,
                          uint64_t count)
{
    char *to = pm_emit_room(emit, series->line_size + 3 * NUMBER_SIZE_MAX);
    if (to == NULL) return;
    char text[NUMBER_SIZE_MAX + 4];
    size_t size = strlen(bound);
    memcpy(text, bound, size + 1);
    if (pm_emit_is_openmetrics(emit->format) && strpbrk(bound, ".eI") == NULL) {
        memcpy(text + size, ".0", 3);
    }
    char *at = write_start(to, series, "_bucket");
    at = write_pair(at, series->labels_size == 0, "le", text);
    at += pm_number_print_u64(at, count);
    *at++ = '\n';
    emit->used += (size_t)(at - to);
}

/* The lines _sum and _count. */
static void render_totals(struct pm_emit *emit, const struct series *series, double sum,
                          uint64_t count)
{
    char *to = pm_emit_room(emit, 2 * ((size_t)series->line_size + 2 * NUMBER_SIZE_MAX));
    if (to == NULL) return;
    const char *end = series->labels_size > 0 ? "} " : " ";
    char *at = write_start(to, series, "_sum");
    memcpy(at, end, strlen(end));
    at += strlen(end);
    at += pm_emit_print_value(at, sum);
    *at++ = '\n';
    at = write_start(at, series, "_count");
    memcpy(at, end, strlen(end));
    at += strlen(end);
    at += pm_number_print_u64(at, count);
    *at++ = '\n';
    emit->used += (size_t)(at - to);
}

/* Text shows of a native histogram how many there are. */
static void render_native(struct pm_emit *emit, const struct series *series, double sum)
{
    struct sketch_view view;
    if (pm_sketch_read(series, &view) < 0) return;
    render_bucket(emit, series, "+Inf", view.count);
    render_totals(emit, series, sum, view.count);
    pm_sketch_view_release(&view);
}

/* The buckets are read once; count is their sum, so all lines agree with each other. */
static void render_histogram(struct pm_emit *emit, const struct series *series, struct span span)
{
    const struct family *family = series->family;
    double sum = series_sum(series, span);
    uint64_t count = 0;
    if (!family->has_classic) {
        render_native(emit, series, sum);
        return;
    }
    for (size_t i = 0; i <= family->bound_count; i++) {
        count += words_get(span, series->cell, WORD_BUCKETS + i);
        render_bucket(emit, series, i < family->bound_count ? family->bound_texts[i] : "+Inf",
                      count);
    }
    render_totals(emit, series, sum, count);
}

static void render_quantiles(struct pm_emit *emit, const struct series *series)
{
    const struct family *family = series->family;
    struct sketch_view view;
    if (pm_sketch_read(series, &view) < 0) return;
    for (size_t i = 0; i < family->quantile_count; i++) {
        char *to = pm_emit_room(emit, series->line_size + 4 * (size_t)NUMBER_SIZE_MAX);
        if (to == NULL) break;
        char text[NUMBER_SIZE_MAX + 4];
        print_bound(emit, text, family->quantiles[i]);
        char *at = write_start(to, series, "");
        at = write_pair(at, series->labels_size == 0, "quantile", text);
        at += pm_emit_print_value(at, pm_sketch_quantile(&view, family->quantiles[i]));
        *at++ = '\n';
        emit->used += (size_t)(at - to);
    }
    pm_sketch_view_release(&view);
}

static void render_summary(struct pm_emit *emit, const struct series *series, struct span span)
{
    if (series->sketch != NULL) render_quantiles(emit, series);
    double sum = words_get_double(span, series->cell, WORD_SUM);
    render_totals(emit, series, sum, words_get(span, series->cell, WORD_COUNT));
}

static void render_info(struct pm_emit *emit, const struct series *series)
{
    const char *pairs[2 * PM_LABELS_MAX];
    size_t count = 0;
    char *texts = pm_store_info_pairs(series, &count);
    const char *text = texts;
    for (size_t i = 0; i < count && i < 2 * PM_LABELS_MAX; i++) {
        pairs[i] = text;
        text += strlen(text) + 1;
    }
    size_t size = count == 0 ? 0 : pm_store_write_pairs(NULL, series->family, pairs, count);
    char *to = pm_emit_room(emit, series->line_size + size + NUMBER_SIZE_MAX);
    if (to != NULL) {
        char *at = write_start(to, series, "_info");
        if (size > 0) {
            *at++ = series->labels_size > 0 ? ',' : '{';
            (void)pm_store_write_pairs(at, series->family, pairs, count);
            at += size - 1; /* without its NUL */
        }
        if (size > 0 || series->labels_size > 0) *at++ = '}';
        memcpy(at, " 1\n", 3);
        emit->used += (size_t)(at + 3 - to);
    }
    free(texts);
}

static void render_enum(struct pm_emit *emit, const struct series *series)
{
    const struct family *family = series->family;
    uint64_t now = __atomic_load_n((const uint64_t *)(const void *)series->cell, __ATOMIC_ACQUIRE);
    for (size_t i = 0; i < family->state_count; i++) {
        char *state = malloc(strlen(family->states[i]) * 3 + 1);
        if (state == NULL) return;
        state[pm_name_escape(state, family->states[i], true)] = '\0';
        char *to = pm_emit_room(emit, series->line_size + PM_NAME_SIZE_MAX + strlen(state) + 16);
        if (to != NULL) {
            char *at = write_start(to, series, "");
            at = write_pair(at, series->labels_size == 0, family->name, state);
            *at++ = now == i ? '1' : '0';
            *at++ = '\n';
            emit->used += (size_t)(at - to);
        }
        free(state);
    }
}

static void render_series(struct pm_emit *emit, const struct series *series, struct span span)
{
    switch (series->family->type) {
    case PM_COUNTER: render_counter(emit, series, span); return;
    case PM_UNTYPED:
    case PM_GAUGE: render_value(emit, series, pm_words_get_gauge(span, series->cell)); return;
    case PM_HISTOGRAM: render_histogram(emit, series, span); return;
    case PM_SUMMARY: render_summary(emit, series, span); return;
    case PM_INFO: render_info(emit, series); return;
    case PM_ENUM: render_enum(emit, series); return;
    case PM_GAUGE_HISTOGRAM: return;
    }
}

/* The next series are on their way from memory while this one is written. */
enum { AHEAD = 6 };

static void prefetch(const struct series *series)
{
    const char *at = (const char *)series;
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
    __builtin_prefetch(at + 128);
    __builtin_prefetch(at + 192);
}

void pm_emit_store_family(struct pm_emit *emit, const struct family *family)
{
    const struct list *list = __atomic_load_n(&family->list, __ATOMIC_ACQUIRE);
    size_t count = list == NULL ? 0 : __atomic_load_n(&list->count, __ATOMIC_ACQUIRE);
    bool is_begun = false;
    bool openmetrics = pm_emit_is_openmetrics(emit->format);
    bool has_lines = family->is_plain && emit->format.kind != PM_PROTOBUF &&
                     !(openmetrics && emit->format.has_created) &&
                     !(family->type == PM_INFO && emit->has_utf8);
    struct span span = pm_words_span(&family->registry->words);
    bool had_utf8 = emit->has_utf8;
    emit->has_utf8 = had_utf8 || registry_has_utf8(family->registry) || !family->is_plain;
    for (size_t i = 0; i < count && emit->code == PM_OK; i++) {
        const struct series *series = list->items[i];
        if (i + AHEAD < count) prefetch(list->items[i + AHEAD]);
        if (!series_is_shown(series)) continue;
        if (series->sketch != NULL) pm_sketch_tend(list->items[i]);
        if (!is_begun &&
            !pm_emit_begin(emit, family->type, family->exposed, family->help, family->unit)) {
            break;
        }
        is_begun = true;
        if (!has_lines || (openmetrics && series->exemplars != NULL)) {
            emit->is_open = true;
            pm_emit_series_point(emit, series, span);
        } else if (family->function != NULL) {
            render_value(emit, series, family->function(family->function_arg));
        } else {
            render_series(emit, series, span);
        }
    }
    pm_emit_end(emit);
    emit->has_utf8 = had_utf8;
}

void pm_emit_store(struct pm_emit *emit, struct pm_registry *registry)
{
    size_t count = 0;
    struct family **families = pm_store_snapshot(registry, &count);
    for (size_t i = 0; i < count; i++) pm_emit_store_family(emit, families[i]);
    free(families);
}

/* ---- Everything ---- */

static void run_collectors(struct pm_emit *emit, struct pm_registry *registry)
{
    pm_store_lock();
    size_t size = registry->collector_count * sizeof(struct collector);
    struct collector *collectors = size == 0 ? NULL : malloc(size);
    if (collectors != NULL) memcpy(collectors, registry->collectors, size);
    pm_store_unlock();
    if (size > 0 && collectors == NULL) emit->code = PM_ERROR_MEMORY;
    for (size_t i = 0; i < size / sizeof(struct collector) && emit->code == PM_OK; i++) {
        collectors[i].collect(emit, collectors[i].arg);
        pm_emit_end(emit);
    }
    free(collectors);
}

int pm_render_names(struct pm_registry *registry, struct pm_format format, const char *const *names,
                    size_t name_count, pm_write_function *write, void *arg)
{
    registry = pm_store_registry(registry);
    if (registry == NULL) return PM_ERROR_MEMORY;
    struct pm_emit emit;
    int code = pm_emit_init(&emit, format, write, arg);
    if (code < 0) return code;
    emit.has_utf8 = registry_has_utf8(registry);
    emit.names = names;
    emit.name_count = name_count;
    pm_emit_store(&emit, registry);
    run_collectors(&emit, registry);
    if (pm_emit_is_openmetrics(format)) pm_emit_bytes(&emit, "# EOF\n", 6);
    code = pm_emit_flush(&emit);
    pm_emit_release(&emit);
    return code;
}

int pm_render(struct pm_registry *registry, struct pm_format format, pm_write_function *write,
              void *arg)
{
    return pm_render_names(registry, format, NULL, 0, write, arg);
}

struct text {
    char *data;
    size_t size;
    size_t capacity;
};

static int append(void *arg, const char *data, size_t size)
{
    struct text *text = arg;
    if (text->capacity - text->size <= size) {
        size_t capacity = (text->capacity + size) * 2 + 1;
        char *bigger = realloc(text->data, capacity);
        if (bigger == NULL) return -1;
        text->data = bigger;
        text->capacity = capacity;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
    return 0;
}

char *pm_render_text(struct pm_registry *registry, struct pm_format format, size_t *size)
{
    struct text text = { NULL, 0, 0 };
    if (append(&text, "", 0) < 0 || pm_render(registry, format, append, &text) < 0) {
        free(text.data);
        return NULL;
    }
    if (size != NULL) *size = text.size;
    return text.data;
}
