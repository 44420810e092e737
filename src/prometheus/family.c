/* family.c - families: checked, made, found; and the registries that hold them. */
#include "prometheus/escape.h"
#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/number.h"
#include "prometheus/shared.h"
#include "prometheus/sketch_index.h"
#include "prometheus/store.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Windows of quantiles: within 1.1 % of the value over 16 octaves, 2.2 % over 32, ... */
enum { QUANTILE_SCHEMA = 5, QUANTILE_BUCKETS = 512, QUANTILE_WINDOW_S = 600 };

const double pm_default_bounds[PM_DEFAULT_BOUND_COUNT] = { .005, .01, .025, .05, .1, .25,
                                                           .5,   1,   2.5,  5,   10 };

/* ---- Registries ---- */

int pm_registry_new(struct pm_registry **registry, struct pm_error *error)
{
    struct pm_registry *made = calloc(1, sizeof(*made));
    if (made == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a registry");
    pm_words_init_private(&made->words);
    *registry = made;
    return PM_OK;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts != NULL && i < count; i++) free(texts[i]);
    free(texts);
}

static void free_family(struct family *family)
{
    if (family == NULL) return;
    size_t count = family->list == NULL ? 0 : family->list->count;
    for (size_t i = 0; i < count; i++) {
        struct series *series = family->list->items[i];
        free(series->info);
        free(series->sketch);
        free(series->site_key);
        if (series->record == 0) free(series->exemplars);
        if (series != family->parent) free(series);
    }
    free(family->parent);
    free(family->name);
    free(family->exposed);
    free(family->help);
    free(family->unit);
    free_texts(family->label_names, family->label_count);
    free_texts(family->bound_texts, family->bound_count);
    free_texts(family->states, family->state_count);
    free(family->aid);
    free(family->quantiles);
    free(family);
}

void pm_registry_free(struct pm_registry *registry)
{
    if (registry == NULL) return;
    for (size_t i = 0; i < registry->family_count; i++) free_family(registry->families[i]);
    for (size_t i = 0; i < registry->removed_count; i++) free_family(registry->removed[i]);
    while (registry->retired != NULL) {
        struct retired *next = registry->retired->next;
        free(registry->retired);
        registry->retired = next;
    }
    free(registry->families);
    free(registry->removed);
    free(registry->collectors);
    free(registry->by_record);
    pm_words_release(&registry->words);
    free(registry);
}

static struct pm_registry *default_registry;
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static void make_default(void)
{
    struct pm_registry *made = NULL;
    if (pm_registry_new(&made, NULL) < 0) return;
    (void)pm_register_process(made, NULL); /* as client libraries do; can be taken out */
    default_registry = made;
}

struct pm_registry *pm_registry_default(void)
{
    (void)pthread_once(&default_once, make_default);
    return default_registry;
}

struct pm_registry *pm_store_registry(struct pm_registry *registry)
{
    return registry != NULL ? registry : pm_registry_default();
}

void pm_registry_allow_utf8(struct pm_registry *registry)
{
    registry = pm_store_registry(registry);
    if (registry != NULL) __atomic_store_n(&registry->has_utf8, true, __ATOMIC_RELAXED);
}

struct family **pm_store_snapshot(struct pm_registry *registry, size_t *count)
{
    pm_store_lock();
    size_t size = registry->family_count * sizeof(struct family *);
    struct family **copy = size == 0 ? NULL : malloc(size);
    *count = copy == NULL ? 0 : registry->family_count;
    if (copy != NULL) memcpy(copy, registry->families, size);
    pm_store_unlock();
    return copy;
}

/* ---- Bounds ---- */

int pm_linear_bounds(double *bounds, size_t count, double start, double width)
{
    bool rises = isfinite(start) && width > 0 && isfinite(start + (double)count * width);
    if (!rises || start + width == start) return PM_ERROR_VALUE;
    for (size_t i = 0; i < count; i++) bounds[i] = start + (double)i * width;
    return PM_OK;
}

int pm_exponential_bounds(double *bounds, size_t count, double start, double factor)
{
    bool rises = start > 0 && factor > 1 && isfinite(start * pow(factor, (double)count));
    if (!rises) return PM_ERROR_VALUE;
    for (size_t i = 0; i < count; i++) bounds[i] = start * pow(factor, (double)i);
    return PM_OK;
}

/* ---- Checking what a caller asks for ---- */

static int check_labels(enum pm_type type, const struct pm_options *options, bool has_utf8,
                        struct pm_error *error)
{
    if (options->label_count > PM_LABELS_MAX) {
        return pm_fail(error, PM_ERROR_FULL, "metric '%s' has %zu labels, limit is %d",
                       options->name, options->label_count, PM_LABELS_MAX);
    }
    for (size_t i = 0; i < options->label_count; i++) {
        const char *name = options->label_names[i];
        bool is_taken = name != NULL && ((type == PM_HISTOGRAM && strcmp(name, "le") == 0) ||
                                         (type == PM_SUMMARY && strcmp(name, "quantile") == 0) ||
                                         (type == PM_ENUM && strcmp(name, options->name) == 0));
        if (!pm_name_is_label_in(name, has_utf8) || is_taken) {
            return pm_fail(error, PM_ERROR_NAME, "metric '%s' cannot have a label '%s'",
                           options->name, name == NULL ? "(null)" : name);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(options->label_names[j], name) != 0) continue;
            return pm_fail(error, PM_ERROR_NAME, "metric '%s' has the label '%s' twice",
                           options->name, name);
        }
    }
    return PM_OK;
}

static int check_bounds(const struct pm_options *options, struct pm_error *error)
{
    if (options->bound_count > PM_BOUNDS_MAX) {
        return pm_fail(error, PM_ERROR_FULL, "metric '%s' has %zu bounds, limit is %d",
                       options->name, options->bound_count, PM_BOUNDS_MAX);
    }
    for (size_t i = 0; options->bounds != NULL && i < options->bound_count; i++) {
        double bound = options->bounds[i];
        if (!isfinite(bound) || (i > 0 && !(bound > options->bounds[i - 1]))) {
            return pm_fail(error, PM_ERROR_VALUE, "bound %zu of metric '%s' does not rise", i,
                           options->name);
        }
    }
    return PM_OK;
}

static int check_native(const struct pm_options *options, struct pm_error *error)
{
    bool is_good = !(options->native_factor > 0 && !(options->native_factor > 1)) &&
                   isfinite(options->native_factor) && isfinite(options->native_zero_threshold) &&
                   isfinite(options->native_zero_threshold_max) &&
                   options->native_reset_min_s >= 0 && options->native_reset_min_s < 1e9;
    if (!is_good || options->native_bucket_max > SKETCH_BUCKETS_MAX) {
        return pm_fail(error, PM_ERROR_VALUE,
                       "metric '%s' needs a native factor above 1 and at most %d buckets",
                       options->name, SKETCH_BUCKETS_MAX);
    }
    return PM_OK;
}

static int check_quantiles(const struct pm_options *options, struct pm_error *error)
{
    if (options->quantile_count > PM_QUANTILES_MAX || !(options->window_s >= 0) ||
        !(options->window_s < 1e9)) {
        return pm_fail(error, PM_ERROR_VALUE, "metric '%s' has over %d quantiles, or no window",
                       options->name, PM_QUANTILES_MAX);
    }
    for (size_t i = 0; i < options->quantile_count; i++) {
        double q = options->quantiles[i];
        if (q >= 0 && q <= 1 && (i == 0 || q > options->quantiles[i - 1])) continue;
        return pm_fail(error, PM_ERROR_VALUE, "quantile %zu of metric '%s' does not rise in 0 to 1",
                       i, options->name);
    }
    return PM_OK;
}

static int check_states(const struct pm_options *options, struct pm_error *error)
{
    if (options->state_count == 0 || options->state_count > PM_STATES_MAX) {
        return pm_fail(error, PM_ERROR_VALUE, "enum '%s' has %zu states, 1 to %d are possible",
                       options->name, options->state_count, PM_STATES_MAX);
    }
    for (size_t i = 0; i < options->state_count; i++) {
        const char *state = options->states[i];
        bool is_good = state != NULL && state[0] != '\0';
        for (size_t j = 0; is_good && j < i; j++) is_good = strcmp(options->states[j], state) != 0;
        if (!is_good) {
            return pm_fail(error, PM_ERROR_VALUE, "state %zu of enum '%s' is empty or twice there",
                           i, options->name);
        }
    }
    return PM_OK;
}

static int check_options(bool has_utf8, enum pm_type type, const struct pm_options *options,
                         struct pm_error *error)
{
    if (!pm_name_is_metric_in(options->name, has_utf8)) {
        return pm_fail(error, PM_ERROR_NAME, "'%.60s' is no name for a metric",
                       options->name == NULL ? "(null)" : options->name);
    }
    if (options->help == NULL || options->help[0] == '\0') {
        return pm_fail(error, PM_ERROR_NAME, "metric '%s' has no help text", options->name);
    }
    if ((unsigned)type >= PM_GAUGE_HISTOGRAM) {
        return pm_fail(error, PM_ERROR_TYPE, "metric '%s' has an unknown type", options->name);
    }
    if (options->function != NULL &&
        (options->label_count > 0 ||
         (type != PM_COUNTER && type != PM_GAUGE && type != PM_UNTYPED))) {
        return pm_fail(error, PM_ERROR_TYPE, "metric '%s' cannot be a function", options->name);
    }
    int code = check_labels(type, options, has_utf8, error);
    if (code == PM_OK && type == PM_HISTOGRAM) code = check_bounds(options, error);
    if (code == PM_OK && type == PM_HISTOGRAM) code = check_native(options, error);
    if (code == PM_OK && type == PM_SUMMARY) code = check_quantiles(options, error);
    if (code == PM_OK && type == PM_ENUM) code = check_states(options, error);
    return code;
}

/* The name without what the type adds to it, and the unit's ending checked. */
int pm_store_base_name(enum pm_type type, const struct pm_options *options, char *base,
                       struct pm_error *error)
{
    const char *ending = type == PM_COUNTER ? "_total" : type == PM_INFO ? "_info" : "";
    size_t size = strlen(options->name);
    if (ending[0] != '\0' && pm_name_ends_in(options->name, ending)) size -= strlen(ending);
    memcpy(base, options->name, size);
    base[size] = '\0';
    if (options->unit == NULL || options->unit[0] == '\0') return PM_OK;
    size_t unit_size = strlen(options->unit);
    bool fits = type != PM_INFO && type != PM_ENUM && size > unit_size &&
                base[size - unit_size - 1] == '_' &&
                strcmp(base + size - unit_size, options->unit) == 0;
    if (fits) return PM_OK;
    return pm_fail(error, PM_ERROR_NAME, "metric '%s' does not end in its unit '%.40s'",
                   options->name, options->unit);
}

/* ---- Names that would meet in an exposition ---- */

static const char *const *endings_of(enum pm_type type)
{
    static const char *const plain[] = { "", NULL };
    static const char *const of_counter[] = { "", "_total", "_created", NULL };
    static const char *const of_histogram[] = { "", "_bucket", "_sum", "_count", "_created", NULL };
    static const char *const of_summary[] = { "", "_sum", "_count", "_created", NULL };
    static const char *const of_info[] = { "", "_info", NULL };
    switch (type) {
    case PM_COUNTER: return of_counter;
    case PM_HISTOGRAM: return of_histogram;
    case PM_SUMMARY: return of_summary;
    case PM_INFO: return of_info;
    case PM_UNTYPED:
    case PM_GAUGE:
    case PM_GAUGE_HISTOGRAM:
    case PM_ENUM: return plain;
    }
    return plain;
}

/* Whether long_name, of whatever ending, is one of short_name's; or both the same. */
static bool names_meet(const char *a, enum pm_type a_type, const char *b, enum pm_type b_type)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (memcmp(a, b, a_size < b_size ? a_size : b_size) != 0) return false;
    for (const char *const *i = endings_of(a_type); *i != NULL; i++) {
        for (const char *const *j = endings_of(b_type); *j != NULL; j++) {
            size_t size = a_size + strlen(*i);
            if (size != b_size + strlen(*j)) continue;
            const char *longer = a_size > b_size ? a + b_size : b + a_size;
            const char *ending = a_size > b_size ? *j : *i;
            const char *rest = a_size > b_size ? *i : *j;
            size_t longer_size = strlen(longer);
            if (strncmp(ending, longer, longer_size) == 0 &&
                strcmp(ending + longer_size, rest) == 0) {
                return true;
            }
        }
    }
    return false;
}

int pm_store_check_clash_locked(const struct pm_registry *registry, const char *name,
                                enum pm_type type, struct pm_error *error)
{
    for (size_t i = 0; i < registry->family_count; i++) {
        const struct family *other = registry->families[i];
        if (!names_meet(name, type, other->name, other->type)) continue;
        return pm_fail(error, PM_ERROR_NAME, "metric '%s' clashes with '%s'", name, other->exposed);
    }
    return PM_OK;
}

/* ---- Making ---- */

static char *copy_text(const char *text)
{
    return strdup(text == NULL ? "" : text);
}

static char **copy_texts(const char *const *texts, size_t count)
{
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(texts[i]);
        if (copy[i] != NULL) continue;
        free_texts(copy, i);
        return NULL;
    }
    return copy;
}

const double *pm_store_bounds(const struct pm_options *options, uint32_t *count)
{
    bool has_default = options->bounds == NULL && !(options->native_factor > 1);
    *count = (uint32_t)(has_default ? PM_DEFAULT_BOUND_COUNT : options->bound_count);
    return has_default ? pm_default_bounds : options->bounds;
}

static int copy_bounds(struct family *family, const struct pm_options *options)
{
    uint32_t count;
    const double *bounds = pm_store_bounds(options, &count);
    size_t padded = ((size_t)count + 3) & ~(size_t)3;
    family->aid = calloc(1, sizeof(*family->aid) + padded * sizeof(double));
    family->bound_texts = calloc(count + 1, sizeof(char *));
    if (family->aid == NULL || family->bound_texts == NULL) return PM_ERROR_MEMORY;
    family->bounds = family->aid->values;
    family->bound_count = count;
    family->aid->padded = padded;
    bool is_usual = padded == 12 && !(options->native_factor > 1);
    family->aid->way = is_usual ? WAY_BOUNDS_12 : WAY_BOUNDS;
    for (size_t i = 0; i < padded; i++) {
        family->aid->values[i] = i < count ? bounds[i] : (double)INFINITY;
    }
    for (size_t i = 0; i < count; i++) {
        char *text = calloc(1, NUMBER_SIZE_MAX + 1);
        if (text == NULL) return PM_ERROR_MEMORY;
        text[pm_number_print_double(text, bounds[i])] = '\0';
        family->bound_texts[i] = text;
    }
    return PM_OK;
}

/* What the sketches of a family are like; is_used is false for most. */
static void set_sketch(struct family *family, const struct pm_options *options)
{
    struct sketch_options *sketch = &family->sketch;
    sketch->bucket_max = SKETCH_BUCKETS_DEFAULT;
    if (family->type == PM_HISTOGRAM && options->native_factor > 1) {
        sketch->is_used = true;
        sketch->schema = pm_sketch_schema(options->native_factor);
        if (options->native_bucket_max > 0)
            sketch->bucket_max = (uint32_t)options->native_bucket_max;
        sketch->zero_threshold = options->native_zero_threshold;
        if (!(sketch->zero_threshold > 0)) {
            sketch->zero_threshold = options->native_zero_threshold < 0 ? 0 : 0x1p-128;
        }
        sketch->zero_threshold_max = options->native_zero_threshold_max;
        sketch->reset_min_ms = (uint64_t)(options->native_reset_min_s * 1000);
    } else if (family->type == PM_SUMMARY && options->quantile_count > 0) {
        sketch->is_used = true;
        sketch->schema = QUANTILE_SCHEMA;
        sketch->bucket_max = QUANTILE_BUCKETS;
        double window_s = options->window_s > 0 ? options->window_s : QUANTILE_WINDOW_S;
        sketch->window_ms = (uint64_t)(window_s * 1000);
    }
    if (sketch->is_used) pm_sketch_tables();
}

static int copy_quantiles(struct family *family, const struct pm_options *options)
{
    size_t count = family->type == PM_SUMMARY ? options->quantile_count : 0;
    family->quantiles = calloc(count + 1, sizeof(double));
    if (family->quantiles == NULL) return PM_ERROR_MEMORY;
    if (count > 0) memcpy(family->quantiles, options->quantiles, count * sizeof(double));
    family->quantile_count = count;
    return PM_OK;
}

static uint64_t double_words(enum pm_type type)
{
    if (type == PM_ENUM || type == PM_INFO) return 0;
    if (type == PM_HISTOGRAM) return 1 << WORD_SUM | 1 << WORD_SECOND_SUM;
    return type == PM_COUNTER ? 1 << WORD_FRACTION : 1;
}

static void count_words(struct family *family)
{
    family->summed_count =
        family->type == PM_HISTOGRAM ? WORD_BUCKETS + family->bound_count + 1 : 2;
    family->word_count = family->summed_count;
    if (!family->sketch.is_used) return;
    family->summed_count += family->summed_count & 1;
    family->word_count = family->summed_count + SKETCH_HEADER_WORDS;
}

static struct family *new_family(struct pm_registry *registry, enum pm_type type, const char *name,
                                 const struct pm_options *options)
{
    struct family *family = calloc(1, sizeof(*family));
    if (family == NULL) return NULL;
    const char *ending = type == PM_COUNTER ? "_total" : type == PM_INFO ? "_info" : "";
    family->registry = registry;
    family->type = type;
    family->name = copy_text(name);
    family->exposed = calloc(1, strlen(name) + strlen(ending) + 1);
    family->help = copy_text(options->help);
    family->unit = copy_text(options->unit);
    family->label_names = copy_texts(options->label_names, options->label_count);
    family->label_count = family->label_names == NULL ? 0 : options->label_count;
    size_t state_count = type == PM_ENUM ? options->state_count : 0;
    family->states = copy_texts(options->states, state_count);
    family->state_count = family->states == NULL ? 0 : state_count;
    family->function = options->function;
    family->function_arg = options->function_arg;
    family->series_max = options->series_max == 0 ? PM_SERIES_MAX : options->series_max;
    family->has_classic =
        type == PM_HISTOGRAM && (options->bound_count > 0 || !(options->native_factor > 1));
    bool is_whole = family->name != NULL && family->exposed != NULL && family->help != NULL &&
                    family->unit != NULL && family->label_names != NULL && family->states != NULL;
    if (!is_whole || copy_quantiles(family, options) < 0 ||
        (type == PM_HISTOGRAM && copy_bounds(family, options) < 0)) {
        free_family(family);
        return NULL;
    }
    memcpy(family->exposed, name, strlen(name));
    memcpy(family->exposed + strlen(name), ending, strlen(ending));
    family->is_plain = pm_escape_is_plain(family->exposed, strlen(family->exposed), false);
    for (size_t i = 0; i < family->label_count; i++) {
        const char *label = family->label_names[i];
        family->is_plain = family->is_plain && pm_escape_is_plain(label, strlen(label), true);
    }
    set_sketch(family, options);
    count_words(family);
    family->double_words = double_words(type);
    return family;
}

static int insert_locked(struct pm_registry *registry, struct family *family)
{
    size_t count = registry->family_count;
    struct family **families = realloc(registry->families, (count + 1) * sizeof(*families));
    if (families == NULL) return PM_ERROR_MEMORY;
    registry->families = families;
    size_t at = count;
    while (at > 0 && strcmp(families[at - 1]->name, family->name) > 0) {
        families[at] = families[at - 1];
        at--;
    }
    families[at] = family;
    registry->family_count++;
    return PM_OK;
}

/* The family's handle when it has labels: a series without a cell. */
static struct series *new_parent(struct family *family)
{
    struct series *series = calloc(1, sizeof(*series));
    if (series == NULL) return NULL;
    series->family = family;
    series->flags = &series->own_flags;
    series->metric.series = series;
    series->metric.type = (uint32_t)family->type;
    return series;
}

int pm_store_add_family_locked(struct pm_registry *registry, enum pm_type type,
                               const struct pm_options *options, struct family **family_out,
                               struct pm_error *error)
{
    char name[PM_NAME_SIZE_MAX + 1];
    /* In a region this is what a record says, made where such names may have been allowed. */
    bool has_utf8 = registry->region != NULL || registry_has_utf8(registry);
    int code = check_options(has_utf8, type, options, error);
    if (code == PM_OK) code = pm_store_base_name(type, options, name, error);
    if (code == PM_OK) code = pm_store_check_clash_locked(registry, name, type, error);
    if (code < 0) return code;
    struct family *family = new_family(registry, type, name, options);
    if (family == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a metric");
    if (family->label_count > 0) {
        family->parent = new_parent(family);
        code = family->parent == NULL ? PM_ERROR_MEMORY : PM_OK;
    } else if (registry->region == NULL) {
        code = pm_store_add_series_locked(family, NULL, NULL, &family->parent, NULL);
    }
    if (code == PM_OK) code = insert_locked(registry, family);
    if (code < 0) {
        free_family(family);
        return pm_fail(error, PM_ERROR_MEMORY, "no memory for a metric");
    }
    *family_out = family;
    return PM_OK;
}

/* An old family asked for again: the same, or an error that says what differs. */
int pm_store_check_same(const struct family *family, enum pm_type type,
                        const struct pm_options *options, struct pm_error *error)
{
    if (family->type != type) {
        return pm_fail(error, PM_ERROR_TYPE, "metric '%s' exists with another type",
                       family->exposed);
    }
    bool is_same = family->label_count == options->label_count;
    for (size_t i = 0; is_same && i < family->label_count; i++) {
        is_same = options->label_names[i] != NULL &&
                  strcmp(family->label_names[i], options->label_names[i]) == 0;
    }
    if (!is_same) {
        return pm_fail(error, PM_ERROR_LABELS, "metric '%s' exists with other labels",
                       family->exposed);
    }
    is_same = options->bounds == NULL || type != PM_HISTOGRAM ||
              options->bound_count == family->bound_count;
    for (size_t i = 0;
         is_same && type == PM_HISTOGRAM && options->bounds != NULL && i < family->bound_count;
         i++) {
        is_same =
            !(options->bounds[i] < family->bounds[i]) && !(options->bounds[i] > family->bounds[i]);
    }
    if (is_same && type == PM_ENUM && options->state_count > 0) {
        is_same = options->state_count == family->state_count;
        for (size_t i = 0; is_same && i < family->state_count; i++) {
            is_same = strcmp(family->states[i], options->states[i]) == 0;
        }
    }
    if (is_same) return PM_OK;
    return pm_fail(error, PM_ERROR_TYPE, "metric '%s' exists with other %s", family->exposed,
                   type == PM_ENUM ? "states" : "bounds");
}

int pm_store_create(struct pm_registry *registry, enum pm_type type,
                    const struct pm_options *options, struct family **family,
                    struct pm_error *error)
{
    registry = pm_store_registry(registry);
    if (registry == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a registry");
    bool has_utf8 = registry_has_utf8(registry);
    char name[PM_NAME_SIZE_MAX + 1];
    if (!pm_name_is_metric_in(options->name, has_utf8)) {
        return pm_store_count_error(registry, check_options(has_utf8, type, options, error));
    }
    int code = pm_store_base_name(type, options, name, error);
    if (code < 0) return pm_store_count_error(registry, code);
    pm_store_lock();
    if (registry->region != NULL) pm_shared_read_locked(registry);
    struct family *found = pm_store_family_locked(registry, name);
    if (found != NULL) {
        code = pm_store_check_same(found, type, options, error);
    } else if (registry->region != NULL) {
        code = check_options(has_utf8, type, options, error);
        if (code == PM_OK) code = pm_shared_family_locked(registry, type, options, &found, error);
    } else {
        code = pm_store_add_family_locked(registry, type, options, &found, error);
    }
    if (code == PM_OK && found->parent == NULL) { /* its maker died before its one series */
        code = pm_shared_child_locked(found, NULL, &found->parent, error);
    }
    pm_store_unlock();
    if (code == PM_OK) *family = found;
    return pm_store_count_error(registry, code);
}
