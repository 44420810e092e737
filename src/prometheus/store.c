/* store.c - families and series: how a registry keeps what it counts. */
#include "prometheus/store.h"

#include "prometheus/fail.h"
#include "prometheus/name.h"
#include "prometheus/quick.h"
#include "prometheus/region.h"
#include "prometheus/shared.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- The lock ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t lock_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    (void)pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    (void)pthread_mutex_unlock(&lock);
}

static void watch_fork(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork);
}

void pm_store_lock(void)
{
    (void)pthread_once(&lock_once, watch_fork);
    (void)pthread_mutex_lock(&lock);
}

void pm_store_unlock(void)
{
    (void)pthread_mutex_unlock(&lock);
}

/* ---- Dead handles ---- */

static struct series dead_series = { .flags = &dead_series.own_flags, .own_flags = SERIES_REMOVED };

struct series *pm_store_dead(void)
{
    __atomic_store_n(&dead_series.metric.series, (void *)&dead_series, __ATOMIC_RELEASE);
    return &dead_series;
}

/* ---- Look-up ---- */

__extension__ typedef unsigned __int128 wide;

static uint64_t mix(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Up to 7 bytes as one number: two words that may overlap, or the first, middle and last byte. */
static uint64_t tail_of(const char *at, size_t size)
{
    if (size >= 4) {
        uint32_t first;
        uint32_t last;
        memcpy(&first, at, 4);
        memcpy(&last, at + size - 4, 4);
        return first | (uint64_t)last << 32;
    }
    if (size == 0) return 0;
    uint64_t middle = (unsigned char)at[size / 2];
    return (unsigned char)at[0] | middle << 8 | (uint64_t)(unsigned char)at[size - 1] << 16;
}

static uint64_t hash_long(uint64_t hash, const char *at, size_t size)
{
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = mix(hash ^ word, 0xa0761d6478bd642fu);
    }
    return mix(hash ^ tail_of(at, size), 0xe7037ed1a0b428dbu);
}

/* Multiply and fold: short values in one step, others 8 bytes a step; the sizes, NULs included,
 * make ("a", "bc") and ("ab", "c") differ, and are kept for the comparison. */
static uint32_t hash_values(const char *const *values, size_t count, size_t *sizes)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < count; i++) {
        uint64_t words[2];
        size_t size = quick_words(values[i], words);
        if (__builtin_expect(size > 0, 1)) {
            sizes[i] = size;
            hash = mix(hash ^ words[0], words[1] + 0xe7037ed1a0b428dbu + size);
            continue;
        }
        size = strlen(values[i]);
        sizes[i] = size + 1;
        hash = hash_long(hash + size, values[i], size);
    }
    return (uint32_t)(hash >> 32);
}

static bool has_values(const struct series *series, const char *const *values, size_t count,
                       const size_t *sizes)
{
    const char *own = series->text + series->line_size;
    const char *end = own + series->values_size;
    for (size_t i = 0; i < count; i++) {
        size_t size = sizes[i];
        if (size > (size_t)(end - own)) return false;
        if (quick_same(own, values[i]) != size && memcmp(own, values[i], size) != 0) return false;
        own += size;
    }
    return own == end;
}

/* Also finds the removed. */
static struct series *find(const struct family *family, const char *const *values, uint32_t hash,
                           const size_t *sizes)
{
    const struct table *table = __atomic_load_n(&family->table, __ATOMIC_ACQUIRE);
    if (table == NULL) return NULL;
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct series *series = __atomic_load_n(&table->slots[i], __ATOMIC_ACQUIRE);
        if (series == NULL) return NULL;
        if (series->hash == hash && has_values(series, values, family->label_count, sizes)) {
            return series;
        }
    }
}

struct series *pm_store_find_locked(const struct family *family, const char *const *values)
{
    size_t sizes[PM_LABELS_MAX];
    uint32_t hash = hash_values(values, family->label_count, sizes);
    return find(family, values, hash, sizes);
}

struct series *pm_store_lookup(const struct family *family, const char *const *values)
{
    size_t sizes[PM_LABELS_MAX];
    uint32_t hash = hash_values(values, family->label_count, sizes);
    struct series *series = find(family, values, hash, sizes);
    return series != NULL && series_is_shown(series) ? series : NULL;
}

struct family *pm_store_family_locked(const struct pm_registry *registry, const char *name)
{
    size_t low = 0;
    size_t high = registry->family_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(registry->families[middle]->name, name);
        if (order == 0) return registry->families[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- Series ---- */

/* Memory that lock-free readers may hold is kept until the registry ends. */
static void *keep_alloc(struct pm_registry *registry, size_t size)
{
    struct retired *block = calloc(1, sizeof(*block) + 8 + size);
    if (block == NULL) return NULL;
    block->next = registry->retired;
    registry->retired = block;
    return (char *)block + sizeof(*block) + 8;
}

static int put_in_table(struct family *family, struct series *series)
{
    struct table *table = family->table;
    size_t count = family->list->count;
    if (table == NULL || (count + 1) * 2 > table->mask + 1) {
        size_t capacity = table == NULL ? 8 : (table->mask + 1) * 2;
        struct table *bigger =
            keep_alloc(family->registry, sizeof(*bigger) + capacity * sizeof(struct series *));
        if (bigger == NULL) return PM_ERROR_MEMORY;
        bigger->mask = capacity - 1;
        for (size_t i = 0; i < count; i++) {
            size_t slot = family->list->items[i]->hash & bigger->mask;
            while (bigger->slots[slot] != NULL) slot = (slot + 1) & bigger->mask;
            bigger->slots[slot] = family->list->items[i];
        }
        __atomic_store_n(&family->table, bigger, __ATOMIC_RELEASE);
        table = bigger;
    }
    size_t slot = series->hash & table->mask;
    while (table->slots[slot] != NULL) slot = (slot + 1) & table->mask;
    __atomic_store_n(&table->slots[slot], series, __ATOMIC_RELEASE);
    return PM_OK;
}

static int make_room_in_list(struct family *family)
{
    struct list *list = family->list;
    if (list != NULL && list->count < list->capacity) return PM_OK;
    size_t capacity = list == NULL ? 4 : list->capacity * 2;
    struct list *bigger =
        keep_alloc(family->registry, sizeof(*bigger) + capacity * sizeof(struct series *));
    if (bigger == NULL) return PM_ERROR_MEMORY;
    bigger->capacity = capacity;
    if (list != NULL) {
        bigger->count = list->count;
        memcpy(bigger->items, list->items, list->count * sizeof(struct series *));
    }
    __atomic_store_n(&family->list, bigger, __ATOMIC_RELEASE);
    return PM_OK;
}

/* The line as an exposition starts it. Empty values are no labels. */
static size_t write_line(char *to, const struct family *family, const char *const *values,
                         struct series *series)
{
    size_t used = strlen(family->exposed);
    if (to != NULL) memcpy(to, family->exposed, used);
    size_t start = used;
    for (size_t i = 0; i < family->label_count; i++) {
        if (values[i][0] == '\0') continue;
        size_t size = strlen(family->label_names[i]);
        if (to != NULL) {
            to[used] = used == start ? '{' : ',';
            memcpy(to + used + 1, family->label_names[i], size);
            memcpy(to + used + 1 + size, "=\"", 2);
        }
        used += size + 3;
        used += pm_name_escape(to == NULL ? NULL : to + used, values[i], true);
        if (to != NULL) to[used] = '"';
        used++;
    }
    series->labels_start = (uint32_t)(used > start ? start + 1 : start);
    series->labels_size = (uint32_t)(used - series->labels_start);
    if (used > start) {
        if (to != NULL) to[used] = '}';
        used++;
    }
    if (to != NULL) to[used] = ' ';
    return used + 1;
}

uint64_t pm_store_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct series *new_series(struct family *family, const char *const *values)
{
    struct series scratch;
    size_t count = family->label_count;
    size_t line_size = write_line(NULL, family, values, &scratch);
    size_t values_size = 0;
    for (size_t i = 0; i < count; i++) values_size += strlen(values[i]) + 1;
    struct series *series = calloc(1, sizeof(*series) + line_size + values_size + SERIES_SLACK);
    if (series == NULL) return NULL;
    series->family = family;
    series->flags = &series->own_flags;
    series->metric.series = series;
    series->metric.type = (uint32_t)family->type;
    series->line_size = (uint32_t)line_size;
    series->values_size = (uint32_t)values_size;
    series->created_ms = &series->own_created;
    series->own_created = pm_store_now_ms();
    (void)write_line(series->text, family, values, series);
    char *at = series->text + line_size;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(values[i]) + 1;
        memcpy(at, values[i], size);
        at += size;
    }
    return series;
}

/* All that is added to takes the inline path; gauges from their first add on. */
void pm_store_make_ready(struct series *series)
{
    const struct family *family = series->family;
    if (family->function != NULL || series->cell == NULL) return;
    if (family->type == PM_INFO || family->type == PM_ENUM) return;
    uint32_t flags = __atomic_load_n(series->flags, __ATOMIC_ACQUIRE);
    if (family->type == PM_GAUGE && (flags & SERIES_ADDED) == 0) return;
    __atomic_store_n(&series->metric.fast, pm_words_fast(&family->registry->words, series->cell),
                     __ATOMIC_RELEASE);
}

/* Its place, its sketch; then it can be found. */
static int join_locked(struct family *family, struct series *series, const struct place *place)
{
    if (place != NULL) {
        series->cell = place->cell;
        series->flags = place->flags;
        series->created_ms = place->created_ms;
        series->record = place->record;
    } else {
        series->cell = pm_words_alloc(&family->registry->words, family->word_count);
    }
    if (series->cell == NULL) return PM_ERROR_MEMORY;
    if (family->sketch.is_used) {
        series->sketch = pm_sketch_new(&family->sketch, &family->registry->words,
                                       series->cell + family->summed_count * 8);
        if (series->sketch == NULL) return PM_ERROR_MEMORY;
    }
    int code = make_room_in_list(family);
    return code < 0 ? code : put_in_table(family, series);
}

int pm_store_add_series_locked(struct family *family, const char *const *values,
                               const struct place *place, struct series **series_out,
                               struct pm_error *error)
{
    size_t sizes[PM_LABELS_MAX];
    uint32_t hash = hash_values(values, family->label_count, sizes);
    struct series *old = find(family, values, hash, sizes);
    if (old != NULL) {
        *series_out = old;
        return PM_OK;
    }
    if (family->list != NULL && family->list->count >= family->series_max) {
        return pm_fail(error, PM_ERROR_FULL, "metric '%s' has %zu series, its limit",
                       family->exposed, family->series_max);
    }
    struct series *series = new_series(family, values);
    if (series == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for a series");
    series->hash = hash;
    if (join_locked(family, series, place) < 0) {
        free(series->sketch);
        free(series);
        return pm_fail(error, PM_ERROR_MEMORY, "no memory for a series");
    }
    bool is_native = family->aid != NULL && !family->has_classic;
    series->metric.aid = is_native ? (const void *)series->sketch : (const void *)family->aid;
    pm_store_make_ready(series);
    struct list *list = family->list;
    list->items[list->count] = series;
    __atomic_store_n(&list->count, list->count + 1, __ATOMIC_RELEASE);
    *series_out = series;
    return PM_OK;
}

void pm_store_reset_words(struct series *series)
{
    const struct words *words = &series->family->registry->words;
    __atomic_store_n(series->created_ms, pm_store_now_ms(), __ATOMIC_RELAXED);
    if (series->family->type == PM_GAUGE || series->family->type == PM_UNTYPED)
        pm_words_set_gauge(words, series->cell, 0);
    else
        pm_words_reset(words, series->cell, series->family->summed_count,
                       series->family->double_words);
}

void pm_store_reset(struct series *series)
{
    pm_store_reset_words(series);
    if (series->sketch != NULL) pm_sketch_reset_locked(series);
}

static int child_locked(struct family *family, const char *const *values, struct series **series,
                        struct pm_error *error)
{
    struct pm_registry *registry = family->registry;
    if (registry->region != NULL) return pm_shared_child_locked(family, values, series, error);
    struct series *found = NULL;
    int code = pm_store_add_series_locked(family, values, NULL, &found, error);
    if (code < 0) return code;
    if (!series_is_shown(found)) {
        pm_store_reset(found);
        (void)__atomic_fetch_and(found->flags, ~(uint32_t)SERIES_REMOVED, __ATOMIC_RELEASE);
    }
    *series = found;
    return PM_OK;
}

int pm_store_count_error(struct pm_registry *registry, int code)
{
    if (code < 0 && registry->region != NULL) pm_region_count_error(registry->region, code);
    return code;
}

struct pm_metric *pm_with_(struct pm_metric *metric, const char *const *values, size_t count)
{
    const struct series *parent =
        __atomic_load_n((struct series **)&metric->series, __ATOMIC_ACQUIRE);
    size_t given = 0;
    while (given < count && values[given] != NULL) given++;
    if (__builtin_expect(
            parent != NULL && parent->family != NULL && parent->family->label_count == given, 1)) {
        struct series *found = pm_store_lookup(parent->family, values);
        if (__builtin_expect(found != NULL, 1)) return &found->metric;
    }
    return pm_store_child_or_dead(metric, values, given);
}

int pm_store_child(struct family *family, const char *const *values, size_t value_count,
                   struct series **series, struct pm_error *error)
{
    if (value_count != family->label_count) {
        (void)pm_store_count_error(family->registry, PM_ERROR_LABELS);
        return pm_fail(error, PM_ERROR_LABELS, "metric '%s' has %zu labels, not %zu",
                       family->exposed, family->label_count, value_count);
    }
    struct series *found = pm_store_lookup(family, values);
    if (found != NULL) {
        *series = found;
        return PM_OK;
    }
    pm_store_lock();
    int code = child_locked(family, values, series, error);
    pm_store_unlock();
    return pm_store_count_error(family->registry, code);
}

void pm_store_hide(struct series *series)
{
    __atomic_fetch_or(series->flags, SERIES_REMOVED, __ATOMIC_RELEASE);
}
