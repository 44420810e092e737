/* shared.c - a registry over a region: its families and series are records that all may read.
 *
 * A process knows the records it has read and reads the new ones before it looks anything up, so
 * the only way in is pm_shared_read_locked(): what this process adds comes back through it, too.
 * DEATH    A family of no labels is two records, itself and its series. Its maker may die between
 *          them; who next asks for the family makes the series.
 */
#include "prometheus/shared.h"

#include "prometheus/exemplar.h"
#include "prometheus/fail.h"
#include "prometheus/region.h"

#include <stdlib.h>
#include <string.h>

enum {
    TEXTS_MAX = 3 + 2 * PM_LABELS_MAX + PM_STATES_MAX,
    NATIVE_EXTRAS = 5,
    DOUBLES_MAX = PM_BOUNDS_MAX + PM_QUANTILES_MAX + 1
};

/* ---- Reading ---- */

/* Splits the record's text into count texts; false when it does not hold as many, exactly. */
static bool split(const struct record *record, const char **texts, size_t count)
{
    const char *at = pm_record_text(record);
    const char *end = at + record->text_size;
    for (size_t i = 0; i < count; i++) {
        const char *stop = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        if (stop == NULL) return false;
        texts[i] = at;
        at = stop + 1;
    }
    return at == end;
}

/* ---- Doubles behind the bounds ---- */

/* Histogram: factor, buckets, reset, zero threshold's maximum, zero threshold. Summary: the window,
 * then the quantiles. What does not fit is refused where options are checked. */
static size_t write_extras(double *extras, enum pm_type type, const struct pm_options *options)
{
    if (type == PM_HISTOGRAM && options->native_factor > 0) {
        extras[0] = options->native_factor;
        extras[1] = (double)options->native_bucket_max;
        extras[2] = options->native_reset_min_s;
        extras[3] = options->native_zero_threshold_max;
        extras[4] = options->native_zero_threshold;
        return NATIVE_EXTRAS;
    }
    if (type != PM_SUMMARY || options->quantile_count == 0) return 0;
    extras[0] = options->window_s;
    memcpy(extras + 1, options->quantiles, options->quantile_count * sizeof(double));
    return options->quantile_count + 1;
}

static void read_extras(struct pm_options *options, const double *extras, size_t count,
                        enum pm_type type)
{
    if (type == PM_HISTOGRAM && count == NATIVE_EXTRAS) {
        options->native_factor = extras[0];
        bool fits = extras[1] >= 0 && extras[1] <= SKETCH_BUCKETS_MAX;
        options->native_bucket_max = fits ? (size_t)extras[1] : SKETCH_BUCKETS_MAX + 1;
        options->native_reset_min_s = extras[2];
        options->native_zero_threshold_max = extras[3];
        options->native_zero_threshold = extras[4];
    } else if (type == PM_SUMMARY && count > 0) {
        options->window_s = extras[0];
        options->quantiles = extras + 1;
        options->quantile_count = count - 1;
    }
}

static int keep_by_record(struct pm_registry *registry, struct family *family)
{
    size_t count = registry->by_record_count;
    struct family **families = realloc(registry->by_record, (count + 1) * sizeof(*families));
    if (families == NULL) return PM_ERROR_MEMORY;
    registry->by_record = families;
    families[count] = family; /* offsets only grow, so the array is sorted */
    registry->by_record_count++;
    return PM_OK;
}

static struct family *family_of_record(const struct pm_registry *registry, uint32_t offset)
{
    size_t low = 0;
    size_t high = registry->by_record_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct family *family = registry->by_record[middle];
        if (family->record == offset) return family;
        if (family->record < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int read_family(struct pm_registry *registry, uint32_t offset, const struct record *record)
{
    const char *texts[TEXTS_MAX];
    if (record->label_count > PM_LABELS_MAX || record->state_count > PM_STATES_MAX ||
        record->bound_count > DOUBLES_MAX || record->extra_count > record->bound_count ||
        record->type > PM_ENUM) {
        return PM_ERROR_REGION;
    }
    size_t labels = record->label_count;
    if (!split(record, texts, 3 + labels + record->state_count)) return PM_ERROR_REGION;
    struct pm_options options = { .name = texts[0], .help = texts[1], .unit = texts[2] };
    options.label_names = texts + 3;
    options.label_count = labels;
    options.states = texts + 3 + labels;
    options.state_count = record->state_count;
    options.bounds = pm_record_bounds(record);
    options.bound_count = record->bound_count - record->extra_count;
    read_extras(&options, options.bounds + options.bound_count, record->extra_count,
                (enum pm_type)record->type);
    struct family *family = NULL;
    bool had_utf8 = registry->has_utf8;
    registry->has_utf8 = true; /* the process that made it may have allowed such names */
    int code =
        pm_store_add_family_locked(registry, (enum pm_type)record->type, &options, &family, NULL);
    registry->has_utf8 = had_utf8;
    if (code < 0) return code;
    family->record = offset;
    family->flags = pm_region_flags(registry->region, offset);
    return keep_by_record(registry, family);
}

/* A series may outlive its family's removal: then it is nobody's, but no nonsense. */
static bool is_removed_family(const struct pm_registry *registry, uint32_t offset)
{
    uint32_t next = 0;
    struct record *record = pm_region_read(registry->region, offset, &next);
    bool is_removed =
        record != NULL && record->kind == RECORD_FAMILY && (record->flags & RECORD_REMOVED) != 0;
    free(record);
    return is_removed;
}

static int read_series(struct pm_registry *registry, uint32_t offset, const struct record *record)
{
    struct family *family = family_of_record(registry, record->family);
    if (family == NULL) {
        return is_removed_family(registry, record->family) ? PM_OK : PM_ERROR_REGION;
    }
    if (family->is_removed) return PM_OK;
    if (family->label_count != record->label_count) return PM_ERROR_REGION;
    const char *values[PM_LABELS_MAX];
    if (record->word_count != family->word_count || !split(record, values, record->label_count)) {
        return PM_ERROR_REGION;
    }
    struct place place = { .flags = pm_region_flags(registry->region, offset), .record = offset };
    place.created_ms = pm_region_created(registry->region, offset);
    place.cell = pm_region_cell(registry->region, record->word, record->word_count);
    if (place.cell == NULL) return PM_ERROR_REGION;
    struct series *series = NULL;
    int code = pm_store_add_series_locked(family, values, &place, &series, NULL);
    if (code == PM_OK && family->label_count == 0) family->parent = series;
    return code;
}

/* The series of a record: a family's list is in the order of the records. */
static struct series *series_of_record(const struct family *family, uint32_t record)
{
    size_t low = 0;
    size_t high = family->list == NULL ? 0 : family->list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct series *series = family->list->items[middle];
        if (series->record == record) return series;
        if (series->record < record)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int read_exemplars(struct pm_registry *registry, uint32_t offset,
                          const struct record *record)
{
    struct family *family = family_of_record(registry, record->family);
    if (family == NULL || family->is_removed) return PM_OK;
    struct series *series = series_of_record(family, record->word);
    size_t count = pm_exemplar_slot_count(family);
    if (series == NULL || count == 0 || record->bound_count != 0 ||
        record->text_size != count * sizeof(struct exemplar_slot)) {
        return PM_ERROR_REGION;
    }
    if (series->exemplars != NULL) return PM_OK; /* the first one counts */
    struct exemplar_slot *slots =
        (struct exemplar_slot *)(void *)pm_region_payload(registry->region, offset);
    __atomic_store_n(&series->exemplars, slots, __ATOMIC_RELEASE);
    return PM_OK;
}

/* Families that others removed leave the list; their handles go on, unseen. */
static void take_out_removed(struct pm_registry *registry)
{
    for (size_t i = 0; i < registry->family_count;) {
        struct family *family = registry->families[i];
        if (family->flags == NULL ||
            (__atomic_load_n(family->flags, __ATOMIC_ACQUIRE) & RECORD_REMOVED) == 0) {
            i++;
            continue;
        }
        struct family **removed =
            realloc(registry->removed, (registry->removed_count + 1) * sizeof(struct family *));
        if (removed == NULL) return;
        registry->removed = removed;
        removed[registry->removed_count++] = family;
        pm_store_take_out_locked(registry, family);
    }
}

void pm_shared_read_locked(struct pm_registry *registry)
{
    take_out_removed(registry);
    while (registry->pm_region_read != 0) {
        uint32_t offset = registry->pm_region_read;
        uint32_t next = offset;
        struct record *record = pm_region_read(registry->region, offset, &next);
        if (next == offset) break; /* all that is written is read */
        int code = next == 0 ? PM_ERROR_REGION : PM_OK;
        bool is_gone = record != NULL && record->kind == RECORD_FAMILY &&
                       (record->flags & RECORD_REMOVED) != 0;
        if (record != NULL && record->kind == RECORD_FAMILY && !is_gone) {
            code = read_family(registry, offset, record);
        } else if (record != NULL && record->kind == RECORD_SERIES) {
            code = read_series(registry, offset, record);
        } else if (record != NULL && record->kind == RECORD_EXEMPLARS) {
            code = read_exemplars(registry, offset, record);
        } else if (record != NULL && record->kind != RECORD_PAIRS && !is_gone) {
            code = PM_ERROR_REGION;
        }
        free(record);
        registry->pm_region_read = next; /* 0: what follows a broken record cannot be found */
        if (code < 0) registry->bad_records++;
    }
}

/* ---- Adding ---- */

struct texts {
    char *data;
    size_t size;
    size_t capacity;
};

static int add_text(struct texts *texts, const char *text)
{
    size_t size = strlen(text == NULL ? "" : text) + 1;
    if (texts->size + size > texts->capacity) return PM_ERROR_FULL;
    memcpy(texts->data + texts->size, text == NULL ? "" : text, size);
    texts->size += size;
    return PM_OK;
}

static int add_texts(struct texts *texts, const char *const *more, size_t count)
{
    int code = PM_OK;
    for (size_t i = 0; i < count && code == PM_OK; i++) code = add_text(texts, more[i]);
    return code;
}

/* Appends a record whose texts were added with that code; frees the texts. */
static int append(struct region *region, struct record *record, const double *bounds,
                  struct texts *texts, uint32_t *offset, struct pm_error *error)
{
    int code = texts->size > RECORD_SIZE_MAX ? PM_ERROR_FULL : PM_OK;
    if (code < 0) {
        code = pm_fail(error, PM_ERROR_FULL, "the texts take over %d bytes", (int)RECORD_SIZE_MAX);
    } else {
        record->text_size = (uint32_t)texts->size;
        code = pm_region_append(region, record, bounds, texts->data, offset, error);
    }
    free(texts->data);
    return code;
}

static int texts_init(struct texts *texts, struct pm_error *error)
{
    texts->data = malloc(RECORD_SIZE_MAX);
    texts->size = 0;
    texts->capacity = RECORD_SIZE_MAX;
    return texts->data != NULL ? PM_OK : pm_fail(error, PM_ERROR_MEMORY, "no memory for a record");
}

static int append_family(struct pm_registry *registry, enum pm_type type,
                         const struct pm_options *options, struct pm_error *error)
{
    struct texts texts;
    int code = texts_init(&texts, error);
    if (code < 0) return code;
    code = add_text(&texts, options->name);
    if (code == PM_OK) code = add_text(&texts, options->help);
    if (code == PM_OK) code = add_text(&texts, options->unit);
    if (code == PM_OK) code = add_texts(&texts, options->label_names, options->label_count);
    size_t state_count = type == PM_ENUM ? options->state_count : 0;
    if (code == PM_OK) code = add_texts(&texts, options->states, state_count);
    if (code < 0) texts.size = texts.capacity + 1;
    struct record record = { .kind = RECORD_FAMILY, .type = (uint32_t)type };
    record.label_count = (uint32_t)options->label_count;
    record.state_count = (uint32_t)state_count;
    double doubles[DOUBLES_MAX];
    if (type == PM_HISTOGRAM) {
        const double *bounds = pm_store_bounds(options, &record.bound_count);
        if (record.bound_count > 0) memcpy(doubles, bounds, record.bound_count * sizeof(double));
    }
    record.extra_count = (uint32_t)write_extras(doubles + record.bound_count, type, options);
    record.bound_count += record.extra_count;
    uint32_t offset;
    return append(registry->region, &record, doubles, &texts, &offset, error);
}

int pm_shared_family_locked(struct pm_registry *registry, enum pm_type type,
                            const struct pm_options *options, struct family **family,
                            struct pm_error *error)
{
    char name[PM_NAME_SIZE_MAX + 1];
    if (options->function != NULL) {
        return pm_fail(error, PM_ERROR_TYPE,
                       "metric '%s' cannot be a function: others cannot call it", options->name);
    }
    int code = pm_store_base_name(type, options, name, error);
    if (code == PM_OK) code = pm_region_lock(registry->region, error);
    if (code < 0) return code;
    pm_shared_read_locked(registry);
    if (pm_store_family_locked(registry, name) == NULL) {
        code = pm_store_check_clash_locked(registry, name, type, error);
        if (code == PM_OK) code = append_family(registry, type, options, error);
        if (code == PM_OK) pm_shared_read_locked(registry);
    }
    pm_region_unlock(registry->region);
    struct family *found = pm_store_family_locked(registry, name);
    if (code == PM_OK && found == NULL) {
        code =
            pm_fail(error, PM_ERROR_REGION, "metric '%s' did not come back from the region", name);
    }
    if (code == PM_OK) code = pm_store_check_same(found, type, options, error);
    if (code == PM_OK && found->label_count == 0 && found->parent == NULL) {
        code = pm_shared_child_locked(found, NULL, &found->parent, error);
    }
    if (code == PM_OK) *family = found;
    return code;
}

static int append_series(struct family *family, const char *const *values, struct pm_error *error)
{
    struct region *region = family->registry->region;
    struct texts texts;
    int code = texts_init(&texts, error);
    if (code < 0) return code;
    if (add_texts(&texts, values, family->label_count) < 0) texts.size = texts.capacity + 1;
    struct record record = { .kind = RECORD_SERIES, .type = (uint32_t)family->type };
    record.family = family->record;
    record.label_count = (uint32_t)family->label_count;
    record.word_count = (uint32_t)family->word_count;
    code = pm_region_alloc(region, record.word_count, &record.word, error);
    if (code < 0) {
        free(texts.data);
        return code;
    }
    uint32_t offset;
    return append(region, &record, NULL, &texts, &offset, error);
}

int pm_shared_child_locked(struct family *family, const char *const *values, struct series **series,
                           struct pm_error *error)
{
    struct pm_registry *registry = family->registry;
    int code = pm_region_lock(registry->region, error);
    if (code < 0) return code;
    pm_shared_read_locked(registry);
    struct series *found = pm_store_find_locked(family, values);
    if (found == NULL && family->is_removed) {
        code = pm_fail(error, PM_ERROR_UNKNOWN, "metric '%s' was removed", family->exposed);
    } else if (found == NULL && family->list != NULL && family->list->count >= family->series_max) {
        code = pm_fail(error, PM_ERROR_FULL, "metric '%s' has %zu series, its limit",
                       family->exposed, family->series_max);
    } else if (found == NULL) {
        code = append_series(family, values, error);
        if (code == PM_OK) pm_shared_read_locked(registry);
        found = pm_store_find_locked(family, values);
    }
    if (found != NULL && !series_is_shown(found)) {
        pm_store_reset(found);
        (void)__atomic_fetch_and(found->flags, ~(uint32_t)SERIES_REMOVED, __ATOMIC_RELEASE);
    }
    pm_region_unlock(registry->region);
    if (code < 0) return code;
    if (found == NULL) {
        return pm_fail(error, PM_ERROR_REGION, "a series of '%s' did not come back from the region",
                       family->exposed);
    }
    *series = found;
    return PM_OK;
}

int pm_shared_remove_family_locked(struct family *family, struct pm_error *error)
{
    if (family->flags == NULL) return pm_fail(error, PM_ERROR_UNKNOWN, "the metric is not shared");
    __atomic_fetch_or(family->flags, RECORD_REMOVED, __ATOMIC_RELEASE);
    return PM_OK;
}

/* ---- Infos ---- */

/* The record of these pairs made before, or 0. Infos change seldom: a walk is good enough. */
static uint32_t find_pairs(const struct region *region, uint32_t family, const struct texts *texts)
{
    uint32_t offset = RECORD_FIRST;
    while (offset != 0) {
        uint32_t next = offset;
        struct record *record = pm_region_read(region, offset, &next);
        if (next == offset) break;
        bool is_it = record != NULL && record->kind == RECORD_PAIRS && record->family == family &&
                     record->text_size == texts->size &&
                     memcmp(pm_record_text(record), texts->data, texts->size) == 0;
        free(record);
        if (is_it) return offset;
        offset = next;
    }
    return 0;
}

int pm_shared_info_locked(struct series *series, const char *const *pairs, size_t count,
                          struct pm_error *error)
{
    struct region *region = series->family->registry->region;
    struct texts texts;
    int code = texts_init(&texts, error);
    if (code < 0) return code;
    if (add_texts(&texts, pairs, count) < 0) texts.size = texts.capacity + 1;
    code = pm_region_lock(region, error);
    if (code < 0) {
        free(texts.data);
        return code;
    }
    struct record record = { .kind = RECORD_PAIRS, .family = series->family->record };
    record.label_count = (uint32_t)count;
    uint32_t offset = texts.size > texts.capacity ? 0 : find_pairs(region, record.family, &texts);
    if (offset != 0)
        free(texts.data);
    else
        code = append(region, &record, NULL, &texts, &offset, error);
    pm_region_unlock(region);
    if (code == PM_OK) {
        __atomic_store_n((uint64_t *)(void *)series->cell, offset, __ATOMIC_RELEASE);
    }
    return code;
}

char *pm_shared_info_pairs(const struct series *series, size_t *count)
{
    const struct family *family = series->family;
    uint64_t offset =
        __atomic_load_n((const uint64_t *)(const void *)series->cell, __ATOMIC_ACQUIRE);
    *count = 0;
    if (offset == 0 || offset > UINT32_MAX) return NULL;
    uint32_t next = 0;
    struct record *record = pm_region_read(family->registry->region, (uint32_t)offset, &next);
    const char *pairs[2 * PM_LABELS_MAX];
    char *text = NULL;
    if (record != NULL && record->kind == RECORD_PAIRS && record->family == family->record &&
        record->label_count <= 2 * PM_LABELS_MAX && record->label_count % 2 == 0 &&
        split(record, pairs, record->label_count) &&
        pm_store_write_pairs(NULL, family, pairs, record->label_count) > 0) {
        text = malloc((size_t)record->text_size + 1);
        if (text != NULL) memcpy(text, pm_record_text(record), record->text_size);
        *count = text == NULL ? 0 : record->label_count;
    }
    free(record);
    return text;
}

/* ---- Examples ---- */

int pm_shared_exemplars_locked(struct series *series, size_t count, struct pm_error *error)
{
    struct pm_registry *registry = series->family->registry;
    struct texts texts;
    int code = pm_region_lock(registry->region, error);
    if (code < 0) return code;
    pm_shared_read_locked(registry);
    if (series->exemplars == NULL) {
        code = texts_init(&texts, error);
        if (code == PM_OK) {
            texts.size = count * sizeof(struct exemplar_slot);
            memset(texts.data, 0, texts.size <= texts.capacity ? texts.size : 0);
            struct record record = { .kind = RECORD_EXEMPLARS, .family = series->family->record };
            record.word = series->record;
            uint32_t offset;
            code = append(registry->region, &record, NULL, &texts, &offset, error);
        }
        if (code == PM_OK) pm_shared_read_locked(registry);
    }
    pm_region_unlock(registry->region);
    return code;
}
