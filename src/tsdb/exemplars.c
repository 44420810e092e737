/* exemplars.c - the ring of exemplars.
 *
 * WHY      Each slot is one piece of memory of its own that is freed when the ring comes round; a
 *          series is found by the packed text of its labels, so that it need not be in the head.
 */
#include "tsdb/exemplars.h"

#include "base/check.h"
#include "codec/utf8.h"
#include "codec/varint.h"
#include "model/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE_MAX = 1 << 20, NONE = -1 };

struct exemplar_series {
    struct arena arena; /* holds key and labels */
    struct labels labels;
    struct str key;
    int64_t oldest; /* slots */
    int64_t newest;
};

struct exemplar_slot {
    struct exemplar_series *series; /* NULL: free */
    struct arena arena;             /* holds the labels */
    struct exemplar exemplar;
    int64_t newer; /* of the same series; NONE at the end */
};

int exemplars_init(struct exemplars *exemplars, size_t capacity)
{
    *exemplars = (struct exemplars){ .capacity = capacity };
    if (capacity == 0) return 0;
    exemplars->slots = calloc(capacity, sizeof(exemplars->slots[0]));
    return exemplars->slots == NULL ? -ENOMEM : 0;
}

static void free_series(struct exemplar_series *series)
{
    arena_release(&series->arena);
    free(series);
}

void exemplars_release(struct exemplars *exemplars)
{
    size_t position = 0;
    struct str key;
    void *series;
    while (map_next(&exemplars->series, &position, &key, &series)) free_series(series);
    map_release(&exemplars->series);
    for (size_t i = 0; exemplars->slots != NULL && i < exemplars->capacity; i++) {
        arena_release(&exemplars->slots[i].arena);
    }
    free(exemplars->slots);
    *exemplars = (struct exemplars){ 0 };
}

static void pack(struct buf *key, struct labels labels)
{
    buf_init(key, KEY_SIZE_MAX);
    for (size_t i = 0; i < labels.count; i++) {
        varint_append_bytes(key, labels.items[i].name);
        varint_append_bytes(key, labels.items[i].value);
    }
}

static struct exemplar_series *find_series(const struct exemplars *exemplars, struct labels labels)
{
    CLEANUP(buf_release) struct buf key;
    pack(&key, labels);
    return key.has_failed ? NULL : map_get(&exemplars->series, buf_str(&key));
}

/* Order within a series: by time, then value, then labels. */
static int compare(const struct exemplar *a, const struct exemplar *b)
{
    if (a->time_ms != b->time_ms) return a->time_ms < b->time_ms ? -1 : 1;
    if (a->value < b->value || a->value > b->value) return a->value < b->value ? -1 : 1;
    return labels_compare(a->labels, b->labels);
}

int exemplars_check(const struct exemplars *exemplars, struct labels series,
                    const struct exemplar *exemplar, struct error *error)
{
    size_t size = 0;
    for (size_t i = 0; i < exemplar->labels.count; i++) {
        size += utf8_count(exemplar->labels.items[i].name);
        size += utf8_count(exemplar->labels.items[i].value);
    }
    if (size > EXEMPLAR_LABELS_SIZE_MAX) {
        return error_set(error, ERROR_INVALID,
                         "labels of an exemplar have %zu characters, limit is %d", size,
                         EXEMPLAR_LABELS_SIZE_MAX);
    }
    const struct exemplar_series *found = find_series(exemplars, series);
    if (found == NULL) return 0;
    int order = compare(exemplar, &exemplars->slots[found->newest].exemplar);
    if (order < 0) {
        return error_set(error, ERROR_OUT_OF_ORDER, "exemplar is before the series' newest");
    }
    return order == 0 ? 1 : 0;
}

static struct exemplar_series *make_series(struct exemplars *exemplars, struct labels labels)
{
    struct exemplar_series *series = find_series(exemplars, labels);
    if (series != NULL) return series;
    CLEANUP(buf_release) struct buf key;
    pack(&key, labels);
    series = calloc(1, sizeof(*series));
    if (series == NULL) return NULL;
    arena_init(&series->arena, (size_t)KEY_SIZE_MAX * 4);
    series->oldest = series->newest = NONE;
    if (!key.has_failed) series->key = arena_copy(&series->arena, buf_str(&key));
    if (series->key.data == NULL || labels_copy(&series->arena, labels, &series->labels) != 0 ||
        map_put_borrowed(&exemplars->series, series->key, series) != 0) {
        free_series(series);
        return NULL;
    }
    return series;
}

/* Frees the slot that the ring has come round to: it is its series' oldest. */
static void evict(struct exemplars *exemplars, struct exemplar_slot *slot)
{
    struct exemplar_series *series = slot->series;
    if (series == NULL) return;
    CHECK(&exemplars->slots[series->oldest] == slot);
    series->oldest = slot->newer;
    if (series->oldest == NONE) {
        (void)map_remove(&exemplars->series, series->key);
        free_series(series);
    }
    arena_release(&slot->arena);
    *slot = (struct exemplar_slot){ 0 };
    exemplars->count--;
}

bool exemplars_add(struct exemplars *exemplars, struct labels labels,
                   const struct exemplar *exemplar)
{
    if (exemplars->capacity == 0) return false;
    if (exemplars_check(exemplars, labels, exemplar, NULL) != 0) return false;
    struct exemplar_slot *slot = &exemplars->slots[exemplars->next];
    evict(exemplars, slot);
    arena_init(&slot->arena, KEY_SIZE_MAX);
    slot->exemplar = *exemplar;
    int code = labels_copy(&slot->arena, exemplar->labels, &slot->exemplar.labels);
    struct exemplar_series *series = code == 0 ? make_series(exemplars, labels) : NULL;
    if (series == NULL) {
        arena_release(&slot->arena);
        *slot = (struct exemplar_slot){ 0 };
        return false;
    }
    slot->series = series;
    slot->newer = NONE;
    if (series->newest != NONE) exemplars->slots[series->newest].newer = (int64_t)exemplars->next;
    if (series->oldest == NONE) series->oldest = (int64_t)exemplars->next;
    series->newest = (int64_t)exemplars->next;
    exemplars->next = (exemplars->next + 1) % exemplars->capacity;
    exemplars->count++;
    exemplars->appended++;
    return true;
}

static bool is_selected(const struct exemplar_query *query, struct labels labels)
{
    for (size_t i = 0; i < query->set_count; i++) {
        if (matcher_matches_labels(query->sets[i], query->set_counts[i], labels)) return true;
    }
    return false;
}

/* Copies those of the series in the range; 1 when there were some. */
static int take_series(const struct exemplars *exemplars, const struct exemplar_series *series,
                       const struct exemplar_query *query, struct arena *arena,
                       struct exemplar_list *list)
{
    size_t count = 0;
    for (int64_t at = series->oldest; at != NONE; at = exemplars->slots[at].newer) count++;
    struct exemplar *items = ARENA_ARRAY(arena, struct exemplar, count + 1);
    if (items == NULL) return ERROR_LIMIT;
    size_t kept = 0;
    for (int64_t at = series->oldest; at != NONE; at = exemplars->slots[at].newer) {
        const struct exemplar *from = &exemplars->slots[at].exemplar;
        if (from->time_ms < query->start_ms || from->time_ms > query->end_ms) continue;
        items[kept] = *from;
        if (labels_copy(arena, from->labels, &items[kept].labels) != 0) return ERROR_LIMIT;
        kept++;
    }
    if (kept == 0) return 0;
    *list = (struct exemplar_list){ .items = items, .count = kept };
    return labels_copy(arena, series->labels, &list->series) == 0 ? 1 : ERROR_LIMIT;
}

static int by_series(const void *a, const void *b)
{
    const struct exemplar_list *x = a;
    const struct exemplar_list *y = b;
    return labels_compare(x->series, y->series);
}

int exemplars_select(const struct exemplars *exemplars, const struct exemplar_query *query,
                     struct arena *arena, struct exemplar_list **lists_out, size_t *count_out,
                     struct error *error)
{
    struct exemplar_list *lists =
        ARENA_ARRAY(arena, struct exemplar_list, exemplars->series.count + 1);
    size_t count = 0;
    size_t position = 0;
    struct str key;
    void *value;
    int code = lists == NULL ? ERROR_LIMIT : 0;
    while (code >= 0 && map_next(&exemplars->series, &position, &key, &value)) {
        const struct exemplar_series *series = value;
        if (!is_selected(query, series->labels)) continue;
        code = take_series(exemplars, series, query, arena, &lists[count]);
        if (code == 1) count++;
    }
    if (code < 0) {
        return error_set(error, code, "the exemplars need more memory than a query may have");
    }
    if (count > 1) qsort(lists, count, sizeof(lists[0]), by_series);
    *lists_out = lists;
    *count_out = count;
    return 0;
}
