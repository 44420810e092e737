/* head.c - the series in memory.
 *
 * WHY      A series costs its struct, four bytes a label, and its postings; its text is kept once
 *          for all series.
 */
#include "tsdb/head.h"

#include "base/check.h"
#include "tsdb/head_parts.h"
#include "tsdb/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_SIZE_MAX = 1 << 20 };

int head_init(struct head *head)
{
    *head = (struct head){ .min_ms = INT64_MAX, .max_ms = INT64_MIN, .series_end = 1 };
    head->series = calloc(HEAD_PAGE_COUNT + 1, sizeof(*head->series));
    head->pairs = calloc(HEAD_PAGE_COUNT + 1, sizeof(*head->pairs));
    buf_init(&head->scratch, SCRATCH_SIZE_MAX);
    head->seed = (uint64_t)(uintptr_t)head->series * UINT64_C(0x9E3779B97F4A7C15);
    return head->series == NULL || head->pairs == NULL ? -ENOMEM : 0;
}

void head_release(struct head *head)
{
    for (size_t i = 0; head->series != NULL && i <= head->series_end / HEAD_PAGE_SIZE; i++) {
        if (head->series[i] == NULL) continue;
        for (size_t k = 0; k < HEAD_PAGE_SIZE; k++) {
            struct head_series *series = head->series[i][k];
            if (series == NULL) continue;
            head_free_data(head, &series->active);
            head_free_data(head, &series->frozen);
            free(series);
        }
        free(head->series[i]);
    }
    for (size_t i = 0; head->pairs != NULL && i <= head->pair_end / HEAD_PAGE_SIZE; i++) {
        if (head->pairs[i] == NULL) continue;
        for (size_t k = 0; k < HEAD_PAGE_SIZE; k++) head_free_pair(head->pairs[i][k]);
        free(head->pairs[i]);
    }
    free(head->series);
    free(head->pairs);
    free(head->series_table.slots);
    free(head->pair_table.slots);
    for (size_t i = 0; i < head->names.count; i++) {
        free((void *)(uintptr_t)head->names.items[i].text.data);
        VEC_RELEASE(&head->names.items[i].pairs);
    }
    VEC_RELEASE(&head->names);
    VEC_RELEASE(&head->limbo); /* the pairs went with the others */
    VEC_RELEASE(&head->free_pairs);
    side_release_all(head);
    buf_release(&head->scratch);
    *head = (struct head){ 0 };
}

void head_labels(const struct head *head, const struct head_series *series, struct label *items)
{
    for (size_t i = 0; i < series->pair_count; i++) {
        const struct head_pair *pair = head_pair_at(head, series->pairs[i]);
        items[i].name = head_pair_name(head, pair);
        items[i].value = head_pair_value(pair);
    }
}

static bool has_labels(const struct head *head, const struct head_series *series,
                       struct labels labels)
{
    if (series->pair_count != labels.count) return false;
    /* What tells series apart stands mostly at the end of the names: look from there. */
    for (size_t i = labels.count; i-- > 0;) {
        const struct head_pair *pair = head_pair_at(head, series->pairs[i]);
        if (!str_equal(head_pair_value(pair), labels.items[i].value)) return false;
        if (!str_equal(head_pair_name(head, pair), labels.items[i].name)) return false;
    }
    return true;
}

static uint64_t fold_pair(uint64_t hash, uint32_t pair)
{
    return head_mix(hash ^ pair, UINT64_C(0x9E3779B97F4A7C15));
}

uint32_t head_hash(const struct head *head, struct labels labels)
{
    uint64_t hash = head->seed | 1;
    for (size_t i = 0; i < labels.count; i++) {
        hash = fold_pair(hash, head_pair_hash(head, labels.items[i].name, labels.items[i].value));
    }
    return (uint32_t)(hash >> 32);
}

uint32_t head_hash_pairs(const struct head *head, const uint32_t *pairs, size_t count)
{
    uint64_t hash = head->seed | 1;
    for (size_t i = 0; i < count; i++) hash = fold_pair(hash, head_pair_at(head, pairs[i])->hash);
    return (uint32_t)(hash >> 32);
}

struct head_series *head_find_hashed(const struct head *head, struct labels labels, uint32_t hash)
{
    const struct head_table *table = &head->series_table;
    if (table->capacity == 0) return NULL;
    size_t mask = table->capacity - 1;
    for (size_t at = hash & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        if ((uint32_t)(table->slots[at] >> 32) != hash) continue;
        struct head_series *series = head_series_at(head, (uint32_t)table->slots[at] - 1);
        CHECK(series != NULL);
        if (has_labels(head, series, labels)) return series;
    }
    return NULL;
}

bool head_has_pairs(const struct head *head, const uint32_t *pairs, size_t count, uint32_t hash)
{
    const struct head_table *table = &head->series_table;
    size_t mask = table->capacity - 1;
    if (table->capacity == 0) return false;
    for (size_t at = hash & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        if ((uint32_t)(table->slots[at] >> 32) != hash) continue;
        const struct head_series *series = head_series_at(head, (uint32_t)table->slots[at] - 1);
        CHECK(series != NULL);
        if (series->pair_count == count &&
            memcmp(series->pairs, pairs, count * sizeof(pairs[0])) == 0) {
            return true;
        }
    }
    return false;
}

struct head_series *head_find(const struct head *head, struct labels labels)
{
    return head_find_hashed(head, labels, head_hash(head, labels));
}

void head_fetch_hash(const struct head *head, uint32_t hash)
{
    head_table_fetch(&head->series_table, hash);
}

void head_fetch(const struct head *head, struct labels labels, struct labels before, uint32_t hash)
{
    head_table_fetch(&head->series_table, hash);
    for (size_t i = 0; i < labels.count; i++) {
        const struct label *label = &labels.items[i];
        if (i < before.count && str_equal(before.items[i].value, label->value)) continue;
        head_table_fetch(&head->pair_table, head_pair_hash(head, label->name, label->value));
    }
}

static bool reserve_series(struct head *head, uint32_t number)
{
    size_t page = number / HEAD_PAGE_SIZE;
    if (page >= HEAD_PAGE_COUNT) return false;
    if (head->series[page] == NULL) {
        head->series[page] = calloc(HEAD_PAGE_SIZE, sizeof(*head->series[page]));
    }
    return head->series[page] != NULL && head_table_reserve(&head->series_table, 1);
}

/* A series without samples, its pairs filled; it goes into the tables. NULL: it was freed. */
static struct head_series *insert(struct head *head, struct head_series *series, uint32_t hash,
                                  uint32_t number)
{
    size_t count = series->pair_count;
    for (size_t i = 0; i < count; i++) {
        if (series->pairs[i] != UINT32_MAX && head_reserve_posting(head, series->pairs[i]))
            continue;
        free(series); /* pairs without series go at the next collection */
        return NULL;
    }
    series->number = number;
    series->last_ms = INT64_MIN;
    series->hash = hash;
    for (size_t i = 0; i < count; i++) head_add_posting(head, series->pairs[i], number);
    head->series[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE] = series;
    head_table_put(&head->series_table, hash, number);
    if (number >= head->series_end) head->series_end = number + 1;
    head->totals.series_count++;
    head->totals.series_created++;
    head->totals.series_size += sizeof(*series) + count * sizeof(series->pairs[0]);
    return series;
}

static struct head_series *new_series(struct head *head, size_t pair_count, uint32_t number)
{
    if (number == UINT32_MAX || !reserve_series(head, number)) return NULL;
    CHECK(head_series_at(head, number) == NULL);
    struct head_series *series =
        malloc(sizeof(struct head_series) + pair_count * sizeof(series->pairs[0]));
    if (series == NULL) return NULL;
    *series = (struct head_series){ .pair_count = (uint16_t)pair_count };
    return series;
}

struct head_series *head_create_hashed(struct head *head, struct labels labels, uint32_t hash,
                                       uint32_t number)
{
    if (number == 0) number = head->series_end;
    struct head_series *series = new_series(head, labels.count, number);
    if (series == NULL) return NULL;
    /* Who makes many mostly makes them side by side: all but a label or two are the neighbour's. */
    const struct head_series *neighbour = head_series_at(head, number - 1);
    for (size_t i = 0; i < labels.count; i++) {
        series->pairs[i] = head_same_pair(head, neighbour, i, &labels.items[i]);
        if (series->pairs[i] == UINT32_MAX) {
            series->pairs[i] = head_make_pair(head, &labels.items[i]);
        }
    }
    return insert(head, series, hash, number);
}

struct head_series *head_create_pairs(struct head *head, const uint32_t *pairs, size_t count,
                                      uint32_t hash, uint32_t number)
{
    struct head_series *series = new_series(head, count, number);
    if (series == NULL) return NULL;
    memcpy(series->pairs, pairs, count * sizeof(pairs[0]));
    return insert(head, series, hash, number);
}

bool head_reserve(struct head *head, size_t series_count)
{
    return head_table_reserve(&head->series_table, series_count);
}

struct head_series *head_create(struct head *head, struct labels labels, uint32_t number)
{
    return head_create_hashed(head, labels, head_hash(head, labels), number);
}

int head_renumber(struct head *head, struct head_series *series, uint32_t number)
{
    CHECK(head_series_at(head, number) == NULL);
    if (!reserve_series(head, number)) return -ENOMEM;
    if (side_renumber(head, series, number) != 0) return -ENOMEM;
    uint32_t old = series->number;
    head_table_remove(&head->series_table, series->hash, old);
    head_table_put(&head->series_table, series->hash, number);
    for (size_t i = 0; i < series->pair_count; i++) {
        head_remove_posting(head, series->pairs[i], old);
        head_add_posting(head, series->pairs[i], number);
    }
    head->series[old / HEAD_PAGE_SIZE][old % HEAD_PAGE_SIZE] = NULL;
    head->series[number / HEAD_PAGE_SIZE][number % HEAD_PAGE_SIZE] = series;
    series->number = number;
    if (number >= head->series_end) head->series_end = number + 1;
    return 0;
}

/* Whether the head still holds something of a series, or somebody is about to add to it. */
static bool is_in_use(const struct head *head, const struct head_series *series)
{
    if (series->pins > 0 || head_has_samples(&series->active) ||
        head_has_samples(&series->frozen)) {
        return true;
    }
    const struct side *side = side_of(head, series);
    return side != NULL &&
           !(side_data_is_empty(&side->active) && side_data_is_empty(&side->frozen));
}

static void remove_series(struct head *head, struct head_series **place)
{
    struct head_series *series = *place;
    head_table_remove(&head->series_table, series->hash, series->number);
    head_free_data(head, &series->active);
    side_remove(head, series);
    head->totals.series_count--;
    head->totals.series_removed++;
    head->totals.series_size -= sizeof(*series) + series->pair_count * sizeof(uint32_t);
    free(series);
    *place = NULL;
}

size_t head_collect_garbage(struct head *head, int64_t before_ms)
{
    size_t count = 0;
    for (size_t i = 0; i <= head->series_end / HEAD_PAGE_SIZE; i++) {
        size_t left = 0;
        for (size_t k = 0; head->series[i] != NULL && k < HEAD_PAGE_SIZE; k++) {
            struct head_series *series = head->series[i][k];
            if (series == NULL) continue;
            if (series->last_ms >= before_ms || is_in_use(head, series)) {
                left++;
                continue;
            }
            remove_series(head, &head->series[i][k]);
            count++;
        }
        if (left == 0 && i < head->series_end / HEAD_PAGE_SIZE) {
            free(head->series[i]);
            head->series[i] = NULL;
        }
    }
    if (count > 0) head_sweep_postings(head);
    return count;
}
